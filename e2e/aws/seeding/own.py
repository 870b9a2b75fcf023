"""The own account: where the trails' files arrive, and the identity the operator runs as."""

from __future__ import annotations

import json
from typing import Any

from seeding.accounts import ADMINISTRATOR, HOME_REGION, OWN_ACCOUNT, Accounts, allow

TRAIL_BUCKET = "cloudigrade-trails"
RESULTS_BUCKET = "cloudigrade-inspections"
QUEUE = "cloudigrade-cloudtrail-s3"
DEAD_LETTER_QUEUE = QUEUE + "-dlq"

_QUEUES = [f"arn:aws:sqs:{HOME_REGION}:{OWN_ACCOUNT}:{name}" for name in (QUEUE, DEAD_LETTER_QUEUE)]

# Roles of customers only: those of the own account trust it too, for other things.
_ASSUME = {
    "Effect": "Allow",
    "Action": ["sts:AssumeRole"],
    "Resource": "arn:aws:iam::*:role/*",
    "Condition": {"StringNotEquals": {"aws:ResourceAccount": OWN_ACCOUNT}},
}

# The operator's own rights; in a customer's account it uses the customer's role only.
OPERATOR_POLICY = allow(
    (["ec2:DescribeInstanceTypes"], "*"),
    (["s3:ListBucket"], [f"arn:aws:s3:::{TRAIL_BUCKET}", f"arn:aws:s3:::{RESULTS_BUCKET}"]),
    (["s3:GetObject"], f"arn:aws:s3:::{TRAIL_BUCKET}/AWSLogs/*"),
    (["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], f"arn:aws:s3:::{RESULTS_BUCKET}/InspectionResults/*"),
    (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], _QUEUES[0]),
)
OPERATOR_POLICY["Statement"].append(_ASSUME)


def make(accounts: Accounts) -> None:
    """Buckets, queues and users; `own.env` is the operator's, `admin.env` an administrator's."""
    root = accounts.root(OWN_ACCOUNT)
    s3, sqs = accounts.client(root, "s3"), accounts.client(root, "sqs")
    for bucket in (TRAIL_BUCKET, RESULTS_BUCKET):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_policy(Bucket=TRAIL_BUCKET, Policy=json.dumps(trail_bucket_policy(TRAIL_BUCKET)))
    _make_queues(sqs)
    s3.put_bucket_notification_configuration(
        Bucket=TRAIL_BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "Id": "Notifications",
                    "QueueArn": _QUEUES[0],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {
                        "Key": {
                            "FilterRules": [
                                {"Name": "prefix", "Value": "AWSLogs/"},
                                {"Name": "suffix", "Value": ".json.gz"},
                            ]
                        }
                    },
                }
            ]
        },
    )
    accounts.make_user(OWN_ACCOUNT, "cloudigrade", OPERATOR_POLICY, accounts.state / "own.env")
    accounts.make_user(OWN_ACCOUNT, "admin", ADMINISTRATOR, accounts.state / "admin.env")


def trail_bucket_policy(bucket: str) -> dict[str, Any]:
    """Lets CloudTrail of any account write its log files, as long as the bucket's owner controls them."""
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": cloudtrail,
                "Action": "s3:GetBucketAcl",
                "Resource": f"arn:aws:s3:::{bucket}",
            },
            {
                "Effect": "Allow",
                "Principal": cloudtrail,
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/*",
                "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
            },
        ],
    }


def _make_queues(sqs: Any) -> None:
    sqs.create_queue(QueueName=DEAD_LETTER_QUEUE, Attributes={"MessageRetentionPeriod": str(14 * 86400)})
    bucket_may_send = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": _QUEUES[0],
                "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{TRAIL_BUCKET}"}},
            }
        ],
    }
    sqs.create_queue(
        QueueName=QUEUE,
        Attributes={
            "VisibilityTimeout": "300",
            "MessageRetentionPeriod": str(4 * 86400),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": _QUEUES[1], "maxReceiveCount": 1000}),
            "Policy": json.dumps(bucket_may_send),
        },
    )
