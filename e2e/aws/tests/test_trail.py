"""CloudTrail: whether a trail may be made, and what arrives in its bucket."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError

from conftest import HOOLI, Emulator, eventually, snapshot_of
from seeding.own import QUEUE, TRAIL_BUCKET, trail_bucket_policy

KEY = re.compile(
    rf"AWSLogs/{HOOLI}/CloudTrail/(?P<region>[a-z0-9-]+)/\d{{4}}/\d\d/\d\d/"
    rf"{HOOLI}_CloudTrail_(?P=region)_\d{{8}}T\d{{4}}Z_[A-Za-z0-9]{{16}}\.json\.gz"
)


@pytest.fixture
def trail(emulator: Emulator) -> Iterator[Any]:
    """A client of hooli's role whose write-only trail is logging to the own bucket."""
    client = emulator.client(emulator.assume(), "cloudtrail")
    client.create_trail(
        Name="cloudigrade", S3BucketName=TRAIL_BUCKET, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True
    )
    client.put_event_selectors(TrailName="cloudigrade", EventSelectors=[{"ReadWriteType": "WriteOnly"}])
    client.start_logging(Name="cloudigrade")
    yield client
    client.delete_trail(Name="cloudigrade")
    assert client.describe_trails(trailNameList=["cloudigrade"])["trailList"] == []


def records(emulator: Emulator, name: str, region: str = "us-east-1") -> list[dict[str, Any]]:
    """The records of that name that have arrived, as the operator finds them: announced by SQS, read from S3."""
    sqs, s3 = emulator.client("admin", "sqs"), emulator.client("admin", "s3")
    queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    found = []
    for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        for told in json.loads(message["Body"]).get("Records", []):
            key = unquote_plus(told["s3"]["object"]["key"])
            assert KEY.fullmatch(key), key
            body = s3.get_object(Bucket=told["s3"]["bucket"]["name"], Key=key)["Body"].read()
            found += json.loads(gzip.decompress(body))["Records"]
    return [each for each in found if each["eventName"] == name and each["awsRegion"] == region]


def test_the_service_may_be_named_in_short_as_some_sdks_do(emulator: Emulator) -> None:
    client = emulator.client(emulator.assume(), "cloudtrail")

    def shorten(request: Any, **_: Any) -> None:
        request.headers.replace_header("X-Amz-Target", "CloudTrail_20131101.DescribeTrails")

    client.meta.events.register("before-sign.cloudtrail.DescribeTrails", shorten)
    assert client.describe_trails()["trailList"] == []


def test_a_launch_arrives_as_cloudtrail_writes_it(emulator: Emulator, trail: Any, image: str) -> None:
    ec2 = emulator.client("customers/hooli", "ec2")
    launched = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=2, MaxCount=2)["Instances"]
    [record] = eventually(lambda: records(emulator, "RunInstances"))
    assert record["eventSource"] == "ec2.amazonaws.com"
    assert record["userIdentity"]["accountId"] == record["recipientAccountId"] == HOOLI
    assert record["userIdentity"]["type"] == "IAMUser"
    assert record["readOnly"] is False and record["managementEvent"] is True
    assert record["requestParameters"]["instanceType"] == "t3.small"
    assert record["requestParameters"]["instancesSet"]["items"] == [{"imageId": image, "minCount": 2, "maxCount": 2}]
    items = record["responseElements"]["instancesSet"]["items"]
    assert {item["instanceId"] for item in items} == {each["InstanceId"] for each in launched}
    assert {item["imageId"] for item in items} == {image}
    assert items[0]["subnetId"] == launched[0]["SubnetId"]
    assert items[0]["instanceState"] == {"code": 0, "name": "pending"}
    assert "errorCode" not in record


def test_the_life_of_an_instance_in_another_region_arrives(emulator: Emulator, trail: Any) -> None:
    region = "eu-west-1"
    ec2 = emulator.client("customers/hooli", "ec2", region)
    mapping = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot_of(emulator, b"x", region)}}]
    image = ec2.register_image(Name="other", RootDeviceName="/dev/sda1", BlockDeviceMappings=mapping)["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ids = {"InstanceIds": [instance]}
    of_instance = {"items": [{"instanceId": instance}]}

    ec2.stop_instances(**ids)
    [stopped] = eventually(lambda: records(emulator, "StopInstances", region))
    assert stopped["requestParameters"]["instancesSet"] == of_instance
    assert stopped["responseElements"]["instancesSet"]["items"][0]["currentState"] == {"code": 64, "name": "stopping"}

    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m5.large"})
    [modified] = eventually(lambda: records(emulator, "ModifyInstanceAttribute", region))
    assert modified["requestParameters"] == {"instanceId": instance, "instanceType": {"value": "m5.large"}}
    assert modified["responseElements"]["_return"] is True

    ec2.create_tags(Resources=[image], Tags=[{"Key": "cloudigrade-rhel-present", "Value": ""}])
    [tagged] = eventually(lambda: records(emulator, "CreateTags", region))
    assert tagged["requestParameters"] == {
        "resourcesSet": {"items": [{"resourceId": image}]},
        "tagSet": {"items": [{"key": "cloudigrade-rhel-present", "value": ""}]},
    }

    ec2.terminate_instances(**ids)
    assert eventually(lambda: records(emulator, "TerminateInstances", region))


def test_a_failed_call_arrives_with_its_error(emulator: Emulator, trail: Any) -> None:
    with pytest.raises(ClientError):
        emulator.client("customers/hooli", "ec2").stop_instances(InstanceIds=["i-0123456789abcdef0"])
    [record] = eventually(lambda: records(emulator, "StopInstances"))
    assert record["errorCode"] == "Client.InvalidInstanceID.NotFound"
    assert record["responseElements"] is None


def test_reads_do_not_arrive_at_a_write_only_trail(emulator: Emulator, trail: Any) -> None:
    ec2 = emulator.client("customers/hooli", "ec2")
    ec2.describe_instances()
    ec2.create_key_pair(KeyName="marker")
    assert eventually(lambda: records(emulator, "CreateKeyPair"))
    assert records(emulator, "DescribeInstances") == []


def test_a_bucket_whose_policy_does_not_let_cloudtrail_in_is_refused(emulator: Emulator) -> None:
    s3 = emulator.client("admin", "s3")
    client = emulator.client(emulator.assume(), "cloudtrail")
    s3.create_bucket(Bucket="closed")
    with pytest.raises(ClientError, match="InsufficientS3BucketPolicyException"):
        client.create_trail(Name="cloudigrade", S3BucketName="closed")
    with pytest.raises(ClientError, match="S3BucketDoesNotExistException"):
        client.create_trail(Name="cloudigrade", S3BucketName="not-there")
    assert client.describe_trails()["trailList"] == []


def test_the_trails_status_tells_of_a_bucket_that_was_closed(emulator: Emulator, trail: Any) -> None:
    s3, ec2 = emulator.client("admin", "s3"), emulator.client("customers/hooli", "ec2")

    def latest_error() -> str | None:
        return trail.get_trail_status(Name="cloudigrade").get("LatestDeliveryError")

    assert latest_error() is None
    s3.delete_bucket_policy(Bucket=TRAIL_BUCKET)
    try:
        ec2.create_key_pair(KeyName="lost")
        assert eventually(latest_error) == "AccessDenied"
    finally:
        s3.put_bucket_policy(Bucket=TRAIL_BUCKET, Policy=json.dumps(trail_bucket_policy(TRAIL_BUCKET)))
    ec2.create_key_pair(KeyName="found")
    eventually(lambda: latest_error() is None)
    assert trail.get_trail_status(Name="cloudigrade")["IsLogging"] is True


def test_a_sixth_trail_in_a_region_is_refused(emulator: Emulator) -> None:
    client = emulator.client(emulator.assume(), "cloudtrail", "eu-west-3")
    names = [f"trail-{number}" for number in range(5)]
    for name in names:
        client.create_trail(Name=name, S3BucketName=TRAIL_BUCKET)
    with pytest.raises(ClientError, match="MaximumNumberOfTrailsExceededException"):
        client.create_trail(Name="one-more", S3BucketName=TRAIL_BUCKET)
    for name in names:
        client.delete_trail(Name=name)
