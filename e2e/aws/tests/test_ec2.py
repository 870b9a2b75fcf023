"""The reads of discovery: regions, images, instances, and their times."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from conftest import Emulator


def test_an_account_has_the_regions_enabled_by_default(emulator: Emulator) -> None:
    regions = emulator.client(emulator.assume(), "ec2").describe_regions()["Regions"]
    assert len(regions) == 17
    assert {"us-east-1", "eu-west-1"} <= {region["RegionName"] for region in regions}


def test_an_image_names_the_snapshot_it_was_registered_on(emulator: Emulator, image: str) -> None:
    ec2 = emulator.client(emulator.assume(), "ec2")
    [described] = ec2.describe_images(ImageIds=[image])["Images"]
    assert (described["Architecture"], described["RootDeviceName"]) == ("x86_64", "/dev/sda1")
    [mapping] = described["BlockDeviceMappings"]
    snapshot = mapping["Ebs"]["SnapshotId"]
    [described] = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert (described["State"], described["VolumeSize"], described["Encrypted"]) == ("completed", 1, False)


def test_one_unknown_image_fails_the_whole_call(emulator: Emulator, image: str) -> None:
    with pytest.raises(ClientError, match="InvalidAMIID.NotFound"):
        emulator.client(emulator.assume(), "ec2").describe_images(ImageIds=[image, "ami-0123456789abcdef0"])


def test_instances_of_unknown_images_cannot_be_launched(emulator: Emulator) -> None:
    with pytest.raises(ClientError, match="InvalidAMIID.NotFound"):
        emulator.client("customers/hooli", "ec2").run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1)


def test_a_stopped_instance_tells_when_and_can_change_its_type(emulator: Emulator, image: str) -> None:
    ec2 = emulator.client("customers/hooli", "ec2")
    instance = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0]
    ids = {"InstanceIds": [instance["InstanceId"]]}
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], InstanceType={"Value": "m5.large"})
    ec2.stop_instances(**ids)
    [stopped] = ec2.describe_instances(**ids)["Reservations"][0]["Instances"]
    assert stopped["State"]["Name"] == "stopped"
    assert re.fullmatch(r"User initiated \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\)", stopped["StateTransitionReason"])
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], InstanceType={"Value": "m5.large"})
    ec2.start_instances(**ids)
    [started] = ec2.describe_instances(**ids)["Reservations"][0]["Instances"]
    assert (started["State"]["Name"], started["InstanceType"]) == ("running", "m5.large")
    assert started["LaunchTime"] >= instance["LaunchTime"]


def test_instances_come_in_pages(emulator: Emulator, image: str) -> None:
    ec2 = emulator.client("customers/hooli", "ec2")
    launched = {
        ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"] for _ in range(7)
    }
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    assert len(pages) > 1
    found = {each["InstanceId"] for page in pages for some in page["Reservations"] for each in some["Instances"]}
    assert launched <= found
