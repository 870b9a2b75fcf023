"""The seeding commands, run as the demo runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from conftest import HERE, Emulator

DISKS = HERE.parent.parent / "disks" / "make-disks"


def seed(emulator: Emulator, *arguments: str) -> str:
    command = [str(HERE.parent / "seed"), *arguments, "--state", str(emulator.accounts.state)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def instances(emulator: Emulator, customer: str) -> dict[str, Any]:
    """The demo's instances by name."""
    found = {}
    for region in ("us-east-1", "eu-west-1"):
        ec2 = emulator.client(f"customers/{customer}", "ec2", region)
        for reservation in ec2.describe_instances()["Reservations"]:
            for each in reservation["Instances"]:
                names = [tag["Value"] for tag in each.get("Tags", []) if tag["Key"] == "Name"]
                found |= {name: each for name in names}
    return found


def test_the_demo_and_its_day(emulator: Emulator, tmp_path: Path) -> None:
    subprocess.run([str(DISKS), str(tmp_path)], check=True, capture_output=True)
    seed(emulator, "demo", "--disks", str(tmp_path))
    before = instances(emulator, "acme")
    assert {name: each["State"]["Name"] for name, each in before.items()} == {
        "web-1": "running",
        "web-2": "running",
        "proxy": "running",
        "batch": "stopped",
    }

    told = seed(emulator, "day")
    assert "acme terminates proxy" in told
    after = instances(emulator, "acme")
    assert {name: each["State"]["Name"] for name, each in after.items()} == {
        "web-1": "running",
        "web-2": "running",
        "web-3": "running",
        "proxy": "terminated",
        "batch": "running",
    }
    assert after["web-2"]["InstanceType"] == "t3.xlarge"


def test_a_customer_made_by_hand(emulator: Emulator, tmp_path: Path) -> None:
    seed(emulator, "customer", "initech", "--account", "510987654321", "--org", "33333333", "--external-id", "secret")
    about = json.loads((emulator.accounts.state / "customers" / "initech.json").read_text())
    assert about["roleArn"] == "arn:aws:iam::510987654321:role/cloudigrade-metering"
    session = emulator.assume(RoleArn=about["roleArn"], ExternalId="secret")
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"x")
    image = seed(
        emulator, "image", str(disk), "--customer", "initech", "--name", "own", "--region", "eu-west-1"
    ).strip()
    [described] = emulator.client(session, "ec2", "eu-west-1").describe_images(ImageIds=[image])["Images"]
    assert described["Name"] == "own"
