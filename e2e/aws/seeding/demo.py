"""The two customers of the demo, with images and with instances that run before anybody meters them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seeding import customer, image
from seeding.accounts import Accounts

CUSTOMERS = {
    "acme": {"account": "210987654321", "org": "11111111", "external_id": "acme-external-id"},
    "globex": {"account": "310987654321", "org": "22222222", "external_id": "globex-external-id"},
}
# Customer, region, disk, and the instances launched from it: name, type, whether it is stopped at once.
FLEET: list[tuple[str, str, str, list[tuple[str, str, bool]]]] = [
    ("acme", "us-east-1", "rhel-release", [("web-1", "t3.medium", False), ("web-2", "t3.medium", False)]),
    ("acme", "eu-west-1", "debian", [("proxy", "t3.small", False)]),
    ("acme", "eu-west-1", "rhel-cert", [("batch", "m5.large", True)]),
    ("globex", "us-east-1", "rhel-cert", [("db", "m5.xlarge", False)]),
    ("globex", "eu-west-1", "ntfs", [("desktop", "t3.large", False)]),
]


def make(accounts: Accounts, disks: Path) -> dict[str, Any]:
    """Makes both customers. Returns their ids, and keeps them in `demo.json` for `day`."""
    made: dict[str, Any] = {}
    for name, about in CUSTOMERS.items():
        customer.make(accounts, name, **about)
        made[name] = {"images": {}, "instances": {}}
    for name, region, disk, instances in FLEET:
        keys = accounts.customer(name)
        image_id = image.register(accounts, keys, region, disks / f"{disk}.img", disk)
        made[name]["images"][disk] = {"id": image_id, "region": region}
        ec2 = accounts.client(keys, "ec2", region)
        for instance, instance_type, stopped in instances:
            instance_id = launch(ec2, image_id, instance, instance_type)
            made[name]["instances"][instance] = {"id": instance_id, "region": region}
            if stopped:
                ec2.stop_instances(InstanceIds=[instance_id])
    (accounts.state / "demo.json").write_text(json.dumps(made, indent=2) + "\n")
    return made


def launch(ec2: Any, image_id: str, name: str, instance_type: str) -> str:
    """Launches one instance; returns its id."""
    reservation = ec2.run_instances(
        ImageId=image_id,
        InstanceType=instance_type,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
    )
    return reservation["Instances"][0]["InstanceId"]
