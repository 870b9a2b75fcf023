"""S3: bucket policies are judged by the gateway, with their conditions, which moto's own check overlooks; notifications
leave the slashes of a key as they are."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote_plus

from moto.iam.access_control import PermissionResult
from moto.s3 import notifications
from moto.s3.models import FakeBucket

from emulator.corrections.replacing import replaces

notifications.quote_plus = partial(quote_plus, safe="/")


@replaces(FakeBucket)
def get_permission(self: FakeBucket, action: str, resource: Any) -> PermissionResult:
    return PermissionResult.PERMITTED
