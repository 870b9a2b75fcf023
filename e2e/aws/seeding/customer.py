"""A customer: an AWS account with an administrator and the role that the operator is let in by."""

from __future__ import annotations

import json
from typing import Any

from seeding.accounts import ADMINISTRATOR, OWN_ACCOUNT, Accounts

ROLE = "cloudigrade-metering"

METERING_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "CloudigradePolicy",
            "Effect": "Allow",
            "Action": [
                "ec2:DescribeImages",
                "ec2:DescribeInstances",
                "ec2:ModifySnapshotAttribute",
                "ec2:DescribeSnapshotAttribute",
                "ec2:DescribeSnapshots",
                "ec2:CopyImage",
                "ec2:CreateTags",
                "ec2:DescribeRegions",
                "cloudtrail:CreateTrail",
                "cloudtrail:UpdateTrail",
                "cloudtrail:PutEventSelectors",
                "cloudtrail:DescribeTrails",
                "cloudtrail:StartLogging",
                "cloudtrail:DeleteTrail",
                # Beyond the original's policy: whether log files arrive, and reading a disk without copying it.
                "cloudtrail:GetTrailStatus",
                "ebs:ListSnapshotBlocks",
                "ebs:GetSnapshotBlock",
            ],
            "Resource": "*",
        }
    ],
}


def make(accounts: Accounts, name: str, account: str, org: str, external_id: str) -> None:
    """The account's administrator (`customers/NAME.env`), its metering role, and `customers/NAME.json` about it."""
    customers = accounts.state / "customers"
    accounts.make_user(account, "admin", ADMINISTRATOR, customers / f"{name}.env")
    iam = accounts.client(accounts.root(account), "iam")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust(external_id)))["Role"]
    iam.put_role_policy(RoleName=ROLE, PolicyName=ROLE, PolicyDocument=json.dumps(METERING_POLICY))
    about = {"account": account, "org": org, "externalId": external_id, "roleArn": role["Arn"]}
    (customers / f"{name}.json").write_text(json.dumps(about, indent=2) + "\n")


def trust(external_id: str) -> dict[str, Any]:
    """Lets the own account in, if it says the external id."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OWN_ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            }
        ],
    }
