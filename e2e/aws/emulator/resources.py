"""The permissions a call needs: IAM actions and the ARNs of their resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from emulator.call import Call

# S3 and SQS name some permissions differently from their operations.
_ACTIONS = {
    ("s3", "CompleteMultipartUpload"): "PutObject",
    ("s3", "CopyObject"): "PutObject",
    ("s3", "CreateMultipartUpload"): "PutObject",
    ("s3", "DeleteObjects"): "DeleteObject",
    ("s3", "GetBucketEncryption"): "GetEncryptionConfiguration",
    ("s3", "GetBucketLifecycleConfiguration"): "GetLifecycleConfiguration",
    ("s3", "GetBucketNotificationConfiguration"): "GetBucketNotification",
    ("s3", "GetPublicAccessBlock"): "GetBucketPublicAccessBlock",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "HeadObject"): "GetObject",
    ("s3", "ListBuckets"): "ListAllMyBuckets",
    ("s3", "ListObjectVersions"): "ListBucketVersions",
    ("s3", "ListObjects"): "ListBucket",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "PutBucketEncryption"): "PutEncryptionConfiguration",
    ("s3", "PutBucketLifecycleConfiguration"): "PutLifecycleConfiguration",
    ("s3", "PutBucketNotificationConfiguration"): "PutBucketNotification",
    ("s3", "PutPublicAccessBlock"): "PutBucketPublicAccessBlock",
    ("s3", "UploadPart"): "PutObject",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "SendMessageBatch"): "SendMessage",
}

# EC2 resource types by the prefix of their ids; images and snapshots have no account in their ARN.
_EC2_TYPES = {
    "ami": ("image", False),
    "i": ("instance", True),
    "snap": ("snapshot", False),
    "vol": ("volume", True),
}


def action(call: Call) -> str:
    """The permission's name, such as `s3:PutObject`."""
    return f"{call.service}:{_ACTIONS.get((call.service, call.operation), call.operation)}"


def touched(call: Call) -> list[str]:
    """The ARNs the call needs permission for, `*` where the operation knows no resources."""
    return list(_TOUCHED.get(call.service, _anything)(call)) or ["*"]


def owner(arn: str) -> str:
    """The account in an ARN, empty where there is none."""
    return arn.split(":")[4] if arn.startswith("arn:") else ""


def _ec2(call: Call) -> Iterator[str]:
    # Describe calls have no resource-level permissions.
    if call.operation.startswith("Describe"):
        return
    for identifier in _ids(call.parameters):
        kind, has_account = _EC2_TYPES.get(identifier.partition("-")[0], ("", False))
        if kind:
            account = call.caller.account if has_account else ""
            yield f"arn:aws:ec2:{call.region}:{account}:{kind}/{identifier}"
    if call.operation == "RunInstances":
        yield f"arn:aws:ec2:{call.region}:{call.caller.account}:instance/*"


def _ids(value: Any) -> Iterator[str]:
    """Every id in the parameters, however deep: the model nests them differently in each operation."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _ids(each)
    elif isinstance(value, list):
        for each in value:
            yield from _ids(each)
    elif isinstance(value, str) and "-" in value:
        yield value


def _ebs(call: Call) -> Iterator[str]:
    for name in ("SnapshotId", "FirstSnapshotId", "SecondSnapshotId"):
        if name in call.parameters:
            yield f"arn:aws:ec2:{call.region}::snapshot/{call.parameters[name]}"


def _cloudtrail(call: Call) -> Iterator[str]:
    # DescribeTrails and ListTrails name trails only to filter.
    name = call.parameters.get("Name") or call.parameters.get("TrailName")
    if name:
        is_arn = name.startswith("arn:")
        yield name if is_arn else f"arn:aws:cloudtrail:{call.region}:{call.caller.account}:trail/{name}"


def _s3(call: Call) -> Iterator[str]:
    bucket, key = call.parameters.get("Bucket"), call.parameters.get("Key")
    if call.operation == "DeleteObjects":
        yield f"arn:aws:s3:::{bucket}/*"
    elif bucket:
        yield f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _sqs(call: Call) -> Iterator[str]:
    if "QueueUrl" in call.parameters:
        account, name = call.parameters["QueueUrl"].rsplit("/", 2)[1:]
        yield f"arn:aws:sqs:{call.region}:{account}:{name}"
    elif "QueueName" in call.parameters:
        account = call.parameters.get("QueueOwnerAWSAccountId") or call.caller.account
        yield f"arn:aws:sqs:{call.region}:{account}:{call.parameters['QueueName']}"


def _sts(call: Call) -> Iterator[str]:
    if "RoleArn" in call.parameters:
        yield call.parameters["RoleArn"]


def _iam(call: Call) -> Iterator[str]:
    for name, kind in (("RoleName", "role"), ("UserName", "user"), ("PolicyName", "policy")):
        if name in call.parameters:
            yield f"arn:aws:iam::{call.caller.account}:{kind}/{call.parameters[name]}"
            return


def _anything(_: Call) -> Iterable[str]:
    return ()


_TOUCHED = {
    "cloudtrail": _cloudtrail,
    "ebs": _ebs,
    "ec2": _ec2,
    "iam": _iam,
    "s3": _s3,
    "sqs": _sqs,
    "sts": _sts,
}
