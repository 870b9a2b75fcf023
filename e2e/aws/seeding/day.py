"""The customers' day: their people's calls while their instances are metered."""

from __future__ import annotations

import json
import time
from typing import Any

from seeding.accounts import Accounts
from seeding.demo import launch


def live(accounts: Accounts) -> list[str]:
    """Makes the calls through the AWS API; returns a line for each."""
    path = accounts.state / "demo.json"
    made: dict[str, Any] = json.loads(path.read_text())
    done: list[str] = []

    def ec2(customer: str, region: str) -> Any:
        return accounts.client(accounts.customer(customer), "ec2", region)

    def instance(customer: str, name: str) -> tuple[Any, str]:
        about = made[customer]["instances"][name]
        return ec2(customer, about["region"]), about["id"]

    def start_another(customer: str, disk: str, name: str, instance_type: str) -> None:
        about = made[customer]["images"][disk]
        instance_id = launch(ec2(customer, about["region"]), about["id"], name, instance_type)
        made[customer]["instances"][name] = {"id": instance_id, "region": about["region"]}
        done.append(f"{customer} launches {name} ({instance_id}) from {disk} in {about['region']}")

    start_another("acme", "rhel-release", "web-3", "t3.medium")

    client, batch = instance("acme", "batch")
    client.start_instances(InstanceIds=[batch])
    done.append(f"acme starts batch ({batch}), which was stopped")

    client, web = instance("acme", "web-2")
    client.stop_instances(InstanceIds=[web])
    client.modify_instance_attribute(InstanceId=web, InstanceType={"Value": "t3.xlarge"})
    _next_second()
    client.start_instances(InstanceIds=[web])
    done.append(f"acme stops web-2 ({web}), makes it a t3.xlarge and starts it again")

    client, proxy = instance("acme", "proxy")
    client.terminate_instances(InstanceIds=[proxy])
    done.append(f"acme terminates proxy ({proxy})")

    start_another("globex", "rhel-cert", "db-replica", "m5.xlarge")

    about = made["globex"]["images"]["ntfs"]
    ec2("globex", about["region"]).create_tags(
        Resources=[about["id"]], Tags=[{"Key": "cloudigrade-ocp-present", "Value": ""}]
    )
    done.append(f"globex tags the image ntfs ({about['id']}) with cloudigrade-ocp-present")

    client, desktop = instance("globex", "desktop")
    client.stop_instances(InstanceIds=[desktop])
    done.append(f"globex stops desktop ({desktop})")

    path.write_text(json.dumps(made, indent=2) + "\n")
    return done


def _next_second() -> None:
    """Waits for the next second: CloudTrail has whole seconds, and events within one have no order."""
    time.sleep(1 - time.time() % 1)
