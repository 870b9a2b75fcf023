"""Decides by the bucket's policy whether a trail may write to it; its owner plays no part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moto.s3.models import FakeBucket, s3_backends

from emulator.policy import Question, Verdict, judge

if TYPE_CHECKING:
    from moto.cloudtrail.models import Trail

_CLOUDTRAIL = frozenset({("Service", "cloudtrail.amazonaws.com")})


def find(name: str) -> FakeBucket | None:
    """The bucket of that name, in whichever account."""
    if name not in s3_backends.bucket_accounts:
        return None
    partition, account = s3_backends.bucket_accounts[name]
    return s3_backends[account][partition].get_bucket(name)


def key_prefix(trail: Trail) -> str:
    """Where in its bucket a trail's files lie."""
    prefix = f"{trail.s3_key_prefix}/" if trail.s3_key_prefix else ""
    return f"{prefix}AWSLogs/{trail.account_id}/CloudTrail"


def allows(bucket: FakeBucket, trail: Trail) -> bool:
    """True if the bucket's policy lets CloudTrail read its ACL and put the trail's files with the owner in control."""
    document = json.loads(bucket.policy) if bucket.policy else {}
    source = {"aws:SourceArn": trail.arn, "aws:SourceAccount": trail.account_id}
    arn = f"arn:aws:s3:::{bucket.name}"
    questions = (
        Question("s3:GetBucketAcl", arn, source, _CLOUDTRAIL),
        Question(
            "s3:PutObject",
            f"{arn}/{key_prefix(trail)}/any",
            source | {"s3:x-amz-acl": "bucket-owner-full-control"},
            _CLOUDTRAIL,
        ),
    )
    return all(judge([document], question) is Verdict.ALLOWED for question in questions)
