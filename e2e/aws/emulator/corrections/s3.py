"""S3: bucket policies are judged by the gateway, with their conditions, which moto's own check overlooks."""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from emulator.corrections import replaces


@replaces(FakeBucket)
def get_permission(self: FakeBucket, action: str, resource: Any) -> PermissionResult:
    return PermissionResult.PERMITTED
