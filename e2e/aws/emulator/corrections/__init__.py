"""Where moto answers differently from AWS: methods of moto's classes, replaced by these modules when imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replaces(owner: type) -> Callable[[Any], Any]:
    """The decorated function or property takes the place of `owner`'s attribute of that name."""

    def put(replacement: Any) -> Any:
        name = (replacement.fget if isinstance(replacement, property) else replacement).__name__
        setattr(owner, name, replacement)
        return replacement

    return put
