"""How a correction takes its place in moto."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replaces(owner: type, name: str | None = None) -> Callable[[Any], Any]:
    """The decorated function or property takes the place of `owner`'s attribute of that name, or of `name`."""

    def put(replacement: Any) -> Any:
        own_name = replacement.fget.__name__ if isinstance(replacement, property) else replacement.__name__
        setattr(owner, name or own_name, replacement)
        return replacement

    return put
