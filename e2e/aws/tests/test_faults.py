"""Faults on demand, and the list of calls."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import HOOLI, Emulator, eventually


def last_call(emulator: Emulator) -> int:
    return max((call["id"] for call in emulator.ask("GET", "calls")), default=0)


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("ec2", lambda ec2: ec2.describe_regions(), "RequestLimitExceeded"),
        ("cloudtrail", lambda cloudtrail: cloudtrail.describe_trails(), "ThrottlingException"),
        ("sqs", lambda sqs: sqs.list_queues(), "ThrottlingException"),
        ("s3", lambda s3: s3.list_buckets(), "SlowDown"),
        ("sts", lambda sts: sts.get_caller_identity(), "Throttling"),
    ],
)
def test_throttling_has_each_services_code_and_stops_after_its_count(
    emulator: Emulator, service: str, call: Any, expected: str
) -> None:
    client = emulator.client("admin", service)
    emulator.ask("POST", "faults", {"service": service, "error": "throttling", "count": 1})
    with pytest.raises(ClientError) as refused:
        call(client)
    assert refused.value.response["Error"]["Code"] == expected
    call(client)


def test_a_fault_strikes_only_the_calls_it_names(emulator: Emulator) -> None:
    emulator.ask(
        "POST", "faults", {"service": "ec2", "operation": "Describe*", "account": HOOLI, "error": "access-denied"}
    )
    ec2 = emulator.client("customers/hooli", "ec2")
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        ec2.describe_instances()
    ec2.create_key_pair(KeyName="other-operation")
    emulator.client("admin", "ec2").describe_regions()
    emulator.ask("DELETE", "faults")
    ec2.describe_instances()


def test_a_fault_strikes_a_call_without_a_parameter(emulator: Emulator) -> None:
    absent = {"DryRun": None}
    emulator.ask("POST", "faults", {"operation": "DescribeInstances", "parameters": absent, "error": "internal"})
    ec2 = emulator.client("customers/hooli", "ec2")
    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.describe_instances(DryRun=True)
    with pytest.raises(ClientError, match="InternalError"):
        ec2.describe_instances()


def test_a_fault_strikes_a_key_by_its_prefix(emulator: Emulator) -> None:
    s3 = emulator.client("admin", "s3")
    s3.create_bucket(Bucket="faults")
    for key in ("AWSLogs/1/a.json.gz", "InspectionResults/1.json"):
        s3.put_object(Bucket="faults", Key=key, Body=b"x")
    prefix = {"Key": "AWSLogs/1/*"}
    emulator.ask("POST", "faults", {"operation": "GetObject", "parameters": prefix, "error": "internal"})
    with pytest.raises(ClientError, match="InternalError"):
        s3.get_object(Bucket="faults", Key="AWSLogs/1/a.json.gz")
    s3.get_object(Bucket="faults", Key="InspectionResults/1.json")


@pytest.mark.parametrize(("error", "status"), [("internal", 500), ("unavailable", 503), ("OptInRequired", 400)])
def test_outages_and_codes_of_ones_own(emulator: Emulator, error: str, status: int) -> None:
    emulator.ask("POST", "faults", {"service": "ec2", "error": error})
    with pytest.raises(ClientError) as refused:
        emulator.client("admin", "ec2").describe_regions()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_latency_delays_the_answer(emulator: Emulator) -> None:
    sts = emulator.client("own", "sts")
    emulator.ask("POST", "faults", {"service": "sts", "latency": 0.4})
    began = time.monotonic()
    sts.get_caller_identity()
    assert time.monotonic() - began >= 0.4


def test_a_held_call_waits_until_it_is_released(emulator: Emulator) -> None:
    ec2, before = emulator.client("customers/hooli", "ec2"), last_call(emulator)
    fault = emulator.ask("POST", "faults", {"operation": "CreateKeyPair", "hold": True})
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(ec2.create_key_pair, KeyName="held")
        held = f"calls?after={before}&operation=CreateKeyPair&held=True"
        eventually(lambda: emulator.ask("GET", held))
        assert not answer.done()
        assert ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["held"]}])["KeyPairs"] == []
        emulator.ask("DELETE", f"faults/{fault['id']}")
        assert answer.result(10)["KeyName"] == "held"


def test_a_lost_answer_still_has_its_effect(emulator: Emulator) -> None:
    ec2 = emulator.client("customers/hooli", "ec2")
    emulator.ask("POST", "faults", {"operation": "CreateKeyPair", "after": True, "error": "internal"})
    with pytest.raises(ClientError, match="InternalError"):
        ec2.create_key_pair(KeyName="lost-answer")
    assert ec2.describe_key_pairs(KeyNames=["lost-answer"])["KeyPairs"]


def test_calls_tell_who_asked_for_what(emulator: Emulator) -> None:
    before = last_call(emulator)
    emulator.client("customers/hooli", "ec2", "eu-west-1").describe_regions()
    [call] = emulator.ask("GET", f"calls?after={before}&service=ec2")
    assert (call["operation"], call["account"], call["region"], call["status"]) == (
        "DescribeRegions",
        HOOLI,
        "eu-west-1",
        200,
    )
    assert call["caller"] == f"arn:aws:iam::{HOOLI}:user/admin"


def test_a_fault_that_is_none_is_refused(emulator: Emulator) -> None:
    with pytest.raises(OSError, match="400"):
        emulator.ask("POST", "faults", {"servize": "ec2"})
    assert emulator.ask("GET", "faults") == []
