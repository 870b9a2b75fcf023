"""CloudTrail: bucket policies, the limit of trails, home regions, default selectors, the status of deliveries."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from moto.cloudtrail.exceptions import TrailNotFoundException
from moto.cloudtrail.models import CloudTrailBackend, Trail, TrailStatus, cloudtrail_backends
from moto.cloudtrail.responses import CloudTrailResponse

from emulator.corrections.replacing import replaces
from emulator.errors import AwsError
from emulator.trail import bucket as trail_bucket

TRAILS_PER_REGION = 5

_create_trail = CloudTrailBackend.create_trail
_update_trail = CloudTrailBackend.update_trail
_trail_init = Trail.__init__
_trail_description = Trail.description


def _check_bucket(trail: Trail) -> None:
    bucket = trail_bucket.find(trail.bucket_name)
    if bucket is None:
        raise AwsError("S3BucketDoesNotExistException", f"S3 bucket {trail.bucket_name} does not exist!")
    if not trail_bucket.allows(bucket, trail):
        raise AwsError(
            "InsufficientS3BucketPolicyException",
            f"Incorrect S3 bucket policy is detected for bucket: {trail.bucket_name}",
        )


@replaces(Trail, "__init__")
def init_with_default_selectors(self: Trail, *args: Any, **kwargs: Any) -> None:
    _trail_init(self, *args, **kwargs)
    self.event_selectors = [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [],
            "ExcludeManagementEventSources": [],
        }
    ]
    self.has_custom_selectors = False


@replaces(Trail)
def check_bucket_exists(self: Trail) -> None:
    _check_bucket(self)


@replaces(Trail)
def description(self: Trail, include_region: bool = False) -> dict[str, Any]:
    shown = _trail_description(self, include_region) | {"HasCustomEventSelectors": self.has_custom_selectors}
    return {name: value for name, value in shown.items() if value is not None}


@replaces(Trail)
def put_event_selectors(
    self: Trail, event_selectors: list[dict[str, Any]] | None, advanced_event_selectors: list[dict[str, Any]] | None
) -> None:
    self.has_custom_selectors = True
    self.event_selectors = [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [],
            "ExcludeManagementEventSources": [],
        }
        | selector
        for selector in event_selectors or []
    ]
    self.advanced_event_selectors = advanced_event_selectors or []


@replaces(CloudTrailBackend)
def create_trail(self: CloudTrailBackend, name: str, *args: Any) -> Trail:
    if name in self.trails:
        raise AwsError("TrailAlreadyExistsException", f"Trail {name} already exists for customer: {self.account_id}")
    if len(self.trails) >= TRAILS_PER_REGION:
        raise AwsError(
            "MaximumNumberOfTrailsExceededException",
            f"User: {self.account_id} already has {TRAILS_PER_REGION} trails in {self.region_name}.",
        )
    return _create_trail(self, name, *args)


@replaces(CloudTrailBackend)
def update_trail(self: CloudTrailBackend, name: str, **changes: Any) -> Trail:
    trail = self.get_trail(name_or_arn=name)
    before = trail.bucket_name, trail.s3_key_prefix
    updated = _update_trail(self, name=name, **changes)
    try:
        _check_bucket(updated)
    except AwsError:
        updated.bucket_name, updated.s3_key_prefix = before
        raise
    return updated


@replaces(CloudTrailBackend)
def get_trail(self: CloudTrailBackend, name_or_arn: str) -> Trail:
    for backend in cloudtrail_backends[self.account_id].values():
        for trail in list(backend.trails.values()):
            if trail.arn != name_or_arn and not (trail.trail_name == name_or_arn and _shows(trail, self.region_name)):
                continue
            if trail.region_name != self.region_name:
                raise AwsError(
                    "InvalidHomeRegionException",
                    f"The trail {name_or_arn} can only be changed in its home region {trail.region_name}.",
                )
            return trail
    raise TrailNotFoundException(account_id=self.account_id, name=name_or_arn)


def _shows(trail: Trail, region: str) -> bool:
    """A multi-region trail is seen from every region."""
    return trail.is_multi_region or trail.region_name == region


@replaces(CloudTrailBackend)
def delete_trail(self: CloudTrailBackend, name: str) -> None:
    del self.trails[self.get_trail(name).trail_name]


@replaces(CloudTrailResponse)
def describe_trails(self: CloudTrailResponse) -> str:
    wanted = self._get_param("trailNameList") or []
    shadows = self._get_bool_param("includeShadowTrails", True)
    trails = [
        trail.description(include_region=True)
        for trail in self.cloudtrail_backend.describe_trails(shadows)
        if not wanted or trail.trail_name in wanted or trail.arn in wanted
    ]
    return json.dumps({"trailList": trails})


@replaces(TrailStatus, "description")
def status_description(self: TrailStatus) -> dict[str, Any]:
    delivered: datetime | None = getattr(self, "delivered", None)
    attempted: datetime | None = getattr(self, "delivery_attempted", None)
    error: str | None = getattr(self, "delivery_error", None)
    shown = {
        "IsLogging": self.is_logging,
        "StartLoggingTime": self.started and self.started.timestamp(),
        "StopLoggingTime": self.stopped and self.stopped.timestamp(),
        "LatestDeliveryTime": delivered and delivered.timestamp(),
        "LatestDeliveryError": error,
        "LatestDeliveryAttemptTime": attempted.strftime("%Y-%m-%dT%H:%M:%SZ") if attempted else "",
        "LatestDeliveryAttemptSucceeded": delivered.strftime("%Y-%m-%dT%H:%M:%SZ") if delivered else "",
    }
    return {name: value for name, value in shown.items() if value is not None}
