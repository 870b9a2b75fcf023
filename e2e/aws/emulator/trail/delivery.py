"""Carries records to the trails' buckets, a moment after the call, as one file for each trail and region."""

from __future__ import annotations

import gzip
import json
import logging
import secrets
import string
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Thread
from time import monotonic
from typing import Any

from moto.cloudtrail.models import Trail, cloudtrail_backends
from moto.s3.models import s3_backends
from werkzeug.wrappers import Response

from emulator.call import Call
from emulator.errors import AwsError
from emulator.trail import bucket as trail_bucket
from emulator.trail.record import GLOBAL_SERVICES, is_management_event, is_read_only, record

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Parcel:
    due: float
    trail: Trail
    region: str
    record: dict[str, Any]


class Delivery:
    """Delivers `delay` seconds after a call, in a thread of its own."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._waiting: list[_Parcel] = []
        self._changed = Condition()
        Thread(target=self._carry, name="trail-delivery", daemon=True).start()

    def note(self, call: Call, response: Response | None, error: AwsError | None) -> None:
        """Queues a call's record for each trail of the caller's account that wants it."""
        trails = [trail for trail in _trails(call.caller.account) if _wants(trail, call)]
        if not trails:
            return
        written = record(call, response, error)
        with self._changed:
            for trail in trails:
                self._waiting.append(_Parcel(monotonic() + self._delay, trail, written["awsRegion"], written))
            self._changed.notify()

    def _carry(self) -> None:
        while True:
            with self._changed:
                while not self._waiting or self._waiting[0].due > monotonic():
                    self._changed.wait(self._waiting[0].due - monotonic() if self._waiting else None)
                # Later records join the same file, as they do in AWS.
                parcels, self._waiting = self._waiting, []
            files: dict[tuple[str, str], list[_Parcel]] = defaultdict(list)
            for parcel in parcels:
                files[parcel.trail.arn, parcel.region].append(parcel)
            for (_, region), together in files.items():
                try:
                    deliver(together[0].trail, region, [parcel.record for parcel in together])
                except Exception:
                    log.exception("could not deliver a log file of %s", together[0].trail.arn)


def deliver(trail: Trail, region: str, records: list[dict[str, Any]]) -> None:
    """Writes one log file; a failure is kept in the trail's status, for GetTrailStatus."""
    now = datetime.now(UTC)
    status = trail.status
    status.delivery_attempted = now
    bucket = trail_bucket.find(trail.bucket_name)
    if bucket is None:
        status.delivery_error = "NoSuchBucket"
    elif not trail_bucket.allows(bucket, trail):
        status.delivery_error = "AccessDenied"
    else:
        body = gzip.compress(json.dumps({"Records": records}).encode())
        backend = s3_backends[bucket.account_id][bucket.partition]
        backend.put_object(bucket.name, _key(trail, region, now), body)
        status.delivered, status.delivery_error = now, None


def _key(trail: Trail, region: str, now: datetime) -> str:
    unique = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
    name = f"{trail.account_id}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{unique}.json.gz"
    return f"{trail_bucket.key_prefix(trail)}/{region}/{now:%Y/%m/%d}/{name}"


def _trails(account: str) -> list[Trail]:
    if account not in cloudtrail_backends:
        return []
    return [trail for backend in list(cloudtrail_backends[account].values()) for trail in list(backend.trails.values())]


def _wants(trail: Trail, call: Call) -> bool:
    if not trail.status.is_logging or not is_management_event(call):
        return False
    if call.service in GLOBAL_SERVICES:
        if not trail.include_global_service_events:
            return False
    elif not trail.is_multi_region and trail.region_name != call.region:
        return False
    return any(_selects(selector, call) for selector in trail.event_selectors)


def _selects(selector: dict[str, Any], call: Call) -> bool:
    kind = selector.get("ReadWriteType", "All")
    return selector.get("IncludeManagementEvents", True) and (
        kind == "All" or (kind == "ReadOnly") == is_read_only(call)
    )
