"""Access: AssumeRole, role and session policies, and how each service refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import HOOLI, Emulator, snapshot_of
from seeding import customer
from seeding.accounts import OWN_ACCOUNT


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


def test_the_customers_role_lets_the_operator_in(emulator: Emulator) -> None:
    sts = emulator.client(emulator.assume(), "sts")
    identity = sts.get_caller_identity()
    assert identity["Account"] == HOOLI
    assert identity["Arn"] == f"arn:aws:sts::{HOOLI}:assumed-role/cloudigrade-metering/test"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ExternalId": "another"},
        {"ExternalId": None},
        {"role": "no-such-role"},
        {"RoleArn": "arn:aws:iam::999999999999:role/cloudigrade-metering"},
    ],
)
def test_assume_role_is_refused_without_the_right_role_and_external_id(
    emulator: Emulator, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole on resource") as refused:
        emulator.assume(**wrong)
    assert code(refused) == "AccessDenied"


def test_assume_role_repeats_an_external_id_that_it_cannot_take(emulator: Emulator) -> None:
    with pytest.raises(ClientError, match="Value 'two words' at 'externalId' failed to satisfy constraint") as refused:
        emulator.assume(ExternalId="two words", role="no-such-role")
    assert code(refused) == "ValidationError"


def test_the_operator_may_not_assume_roles_of_its_own_account(emulator: Emulator) -> None:
    """Though they trust it, as an administrator's role of the own account does."""
    iam = emulator.client("admin", "iam")
    trust = customer.trust("own-external-id")
    iam.create_role(RoleName="administrator", AssumeRolePolicyDocument=json.dumps(trust))
    with pytest.raises(ClientError, match="sts:AssumeRole on resource") as refused:
        emulator.assume(
            RoleArn=f"arn:aws:iam::{OWN_ACCOUNT}:role/administrator", ExternalId="own-external-id"
        )
    assert code(refused) == "AccessDenied"


def test_a_role_does_not_let_in_whom_it_does_not_trust(emulator: Emulator) -> None:
    with pytest.raises(ClientError) as refused:
        emulator.client("customers/hooli", "sts").assume_role(
            RoleArn=f"arn:aws:iam::{HOOLI}:role/cloudigrade-metering",
            RoleSessionName="test",
            ExternalId="hooli-external-id",
        )
    assert code(refused) == "AccessDenied"


def test_each_service_refuses_in_its_own_words(emulator: Emulator) -> None:
    session = emulator.assume()
    own = emulator.client("own", "s3")
    with pytest.raises(ClientError, match="not authorized to perform: ec2:TerminateInstances") as refused:
        emulator.client(session, "ec2").terminate_instances(InstanceIds=["i-0123456789abcdef0"])
    assert code(refused) == "UnauthorizedOperation"
    with pytest.raises(ClientError) as refused:
        emulator.client(session, "cloudtrail").stop_logging(Name="any-trail")
    assert code(refused) == "AccessDeniedException"
    with pytest.raises(ClientError) as refused:
        emulator.client(session, "sqs").list_queues()
    assert code(refused) == "AccessDeniedException"
    with pytest.raises(ClientError) as refused:
        own.put_object(Bucket="cloudigrade-trails", Key="AWSLogs/x", Body=b"")
    assert code(refused) == "AccessDenied"
    with pytest.raises(ClientError) as refused:
        emulator.client(session, "ebs").start_snapshot(VolumeSize=1)
    assert code(refused) == "AccessDeniedException"


def test_another_account_cannot_reach_the_own_bucket(emulator: Emulator) -> None:
    with pytest.raises(ClientError) as refused:
        emulator.client("customers/hooli", "s3").get_object(Bucket="cloudigrade-trails", Key="any")
    assert code(refused) == "AccessDenied"


def test_a_dry_run_tells_what_would_be_allowed(emulator: Emulator) -> None:
    ec2 = emulator.client(emulator.assume(), "ec2")
    with pytest.raises(ClientError) as allowed:
        ec2.describe_instances(DryRun=True)
    assert code(allowed) == "DryRunOperation"
    with pytest.raises(ClientError) as refused:
        ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, DryRun=True)
    assert code(refused) == "UnauthorizedOperation"


def test_a_session_policy_limits_the_inspector_to_one_snapshot(emulator: Emulator) -> None:
    mine, other = snapshot_of(emulator, b"mine"), snapshot_of(emulator, b"other")
    only_mine = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock", "ec2:TerminateInstances"],
                "Resource": f"arn:aws:ec2:us-east-1::snapshot/{mine}",
            }
        ],
    }
    session = emulator.assume(only_mine)
    ebs = emulator.client(session, "ebs")
    block = ebs.list_snapshot_blocks(SnapshotId=mine)["Blocks"][0]
    assert ebs.get_snapshot_block(SnapshotId=mine, **block)["BlockData"].read(4) == b"mine"
    with pytest.raises(ClientError, match="no session policy allows") as refused:
        ebs.list_snapshot_blocks(SnapshotId=other)
    assert code(refused) == "AccessDeniedException"
    with pytest.raises(ClientError) as refused:
        emulator.client(session, "ec2").describe_instances()
    assert code(refused) == "UnauthorizedOperation"
    # A session policy cannot grant more than the role has.
    with pytest.raises(ClientError, match="no (session|identity-based) policy") as refused:
        emulator.client(session, "ec2").terminate_instances(InstanceIds=["i-0123456789abcdef0"])


def test_unknown_keys_and_wrong_secrets_are_refused(emulator: Emulator) -> None:
    session = emulator.assume()
    unknown = {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "SecretAccessKey": "x"}
    with pytest.raises(ClientError) as refused:
        emulator.client(unknown, "sts").get_caller_identity()
    assert code(refused) == "InvalidClientTokenId"
    with pytest.raises(ClientError) as refused:
        emulator.client(session | {"SecretAccessKey": "wrong"}, "cloudtrail").describe_trails()
    assert code(refused) == "InvalidSignatureException"


def test_a_role_that_is_deleted_takes_its_sessions_with_it(emulator: Emulator) -> None:
    iam = emulator.client("customers/hooli", "iam")
    trust = iam.get_role(RoleName=customer.ROLE)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="short-lived", AssumeRolePolicyDocument=json.dumps(trust))
    session = emulator.assume(role="short-lived")
    iam.delete_role(RoleName="short-lived")
    for service, call, expected in [
        ("cloudtrail", "describe_trails", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
    ]:
        with pytest.raises(ClientError) as refused:
            getattr(emulator.client(session, service), call)()
        assert code(refused) == expected


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"DurationSeconds": 7200}, "ValidationError"),
        ({"RoleSessionName": "not a name"}, "ValidationError"),
        ({"ExternalId": "x" * 1225}, "ValidationError"),
        ({"Policy": '{"Statement": [' + '"x",' * 1000 + '"x"]}'}, "ValidationError"),
        ({"Policy": "not json"}, "MalformedPolicyDocument"),
    ],
)
def test_assume_role_has_limits(emulator: Emulator, wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(ClientError) as refused:
        emulator.assume(**wrong)
    assert code(refused) == expected


def test_the_operator_sizes_instance_types_as_itself(emulator: Emulator) -> None:
    ec2 = emulator.client("own", "ec2")
    names = ["m5.large", "x9.huge"]
    described = ec2.describe_instance_types(Filters=[{"Name": "instance-type", "Values": names}])["InstanceTypes"]
    assert [(d["InstanceType"], d["VCpuInfo"]["DefaultVCpus"], d["MemoryInfo"]["SizeInMiB"]) for d in described] == [
        ("m5.large", 2, 8192)
    ]
    with pytest.raises(ClientError) as refused:
        ec2.describe_instances()
    assert code(refused) == "UnauthorizedOperation"
