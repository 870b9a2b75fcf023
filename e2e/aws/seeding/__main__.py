"""The seeding commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from seeding import customer, day, demo, image, logs, own
from seeding.accounts import HOME_REGION, Accounts


def main() -> None:
    """Runs one command against the emulator whose state folder is given."""
    parser = argparse.ArgumentParser(prog="seed", description="Fill the AWS emulator")
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument("--state", type=Path, required=True, help="the state folder the emulator was started with")
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser("own", parents=[state], help="the own account: buckets, queues, users")

    making = commands.add_parser("customer", parents=[state], help="a customer's account: administrator, metering role")
    making.add_argument("name")
    making.add_argument("--account", required=True, help="12 digits")
    making.add_argument("--org", required=True)
    making.add_argument("--external-id", required=True)

    registering = commands.add_parser("image", parents=[state], help="an AMI made of a disk image file; prints its id")
    registering.add_argument("disk", type=Path)
    registering.add_argument("--customer", required=True, help="whose account gets it")
    registering.add_argument("--name", required=True)
    registering.add_argument("--region", default=HOME_REGION)
    registering.add_argument("--architecture", default="x86_64")

    demonstrating = commands.add_parser("demo", parents=[state], help="the demo's customers acme and globex")
    demonstrating.add_argument("--disks", type=Path, required=True, help="the folder e2e/disks/make-disks wrote")

    commands.add_parser("day", parents=[state], help="a day of launches, stops, starts in the demo's accounts")

    delivering = commands.add_parser("logs", parents=[state], help="log files of a folder, with repeated notifications")
    delivering.add_argument("folder", type=Path, help="holds AWSLogs/…")
    delivering.add_argument("--seed", type=int, default=0, help="of the order")

    arguments = parser.parse_args()
    accounts = Accounts(arguments.state)
    match arguments.command:
        case "own":
            own.make(accounts)
        case "customer":
            customer.make(accounts, arguments.name, arguments.account, arguments.org, arguments.external_id)
        case "image":
            keys = accounts.customer(arguments.customer)
            print(
                image.register(accounts, keys, arguments.region, arguments.disk, arguments.name, arguments.architecture)
            )
        case "demo":
            print(json.dumps(demo.make(accounts, arguments.disks), indent=2))
        case "day":
            print("\n".join(day.live(accounts)))
        case "logs":
            print(logs.deliver(accounts, arguments.folder, arguments.seed))


if __name__ == "__main__":
    main()
