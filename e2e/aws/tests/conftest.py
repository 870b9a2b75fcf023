"""One emulator for all tests, with the own account and one customer; each test clears the faults it set."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from seeding import customer, own
from seeding.accounts import Accounts
from seeding.image import load_snapshot

HERE = Path(__file__).parent
HOOLI = "410987654321"
EXTERNAL_ID = "hooli-external-id"


class Emulator:
    """A running emulator and what tests ask of it."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts

    def client(self, credentials: str | dict[str, str], service: str, region: str = "us-east-1") -> Any:
        """A client with the keys of an env file (`own`, `customers/hooli`) or of an assumed role; it never retries."""
        if isinstance(credentials, str):
            text = (self.accounts.state / f"{credentials}.env").read_text()
            lines = dict(line.split("=", 1) for line in text.splitlines())
            credentials = {
                "AccessKeyId": lines["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": lines["AWS_SECRET_ACCESS_KEY"],
            }
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.accounts.endpoint,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
                signature_version="s3v4" if service == "s3" else None,
            ),
        )

    def assume(self, policy: dict[str, Any] | None = None, role: str = customer.ROLE, **changes: Any) -> dict[str, str]:
        """Credentials of hooli's role, as the operator gets them."""
        asked = {
            "RoleArn": f"arn:aws:iam::{HOOLI}:role/{role}",
            "RoleSessionName": "test",
            "ExternalId": EXTERNAL_ID,
        } | changes
        if policy is not None:
            asked["Policy"] = json.dumps(policy)
        asked = {name: value for name, value in asked.items() if value is not None}
        return self.client("own", "sts").assume_role(**asked)["Credentials"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One of the emulator's own endpoints."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.accounts.endpoint}/_emulator/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def eventually(look: Callable[[], Any], seconds: float = 10) -> Any:
    """The first non-empty result of `look`."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"nothing found within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator, seeded."""
    state = tmp_path_factory.mktemp("state")
    command = [str(HERE.parent / "serve"), "--port", "0", "--state", str(state), "--trail-delay", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and "ready" in process.stdout.readline()
        accounts = Accounts(state)
        own.make(accounts)
        customer.make(accounts, "hooli", HOOLI, "11111111", EXTERNAL_ID)
        yield Emulator(accounts)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    """The emulator without faults, before and after."""
    yield running
    running.ask("DELETE", "faults")


@pytest.fixture
def image(emulator: Emulator) -> str:
    """An AMI in hooli's us-east-1 on a snapshot of one block."""
    ec2 = emulator.client("customers/hooli", "ec2")
    return ec2.register_image(
        Name="image",
        Architecture="x86_64",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot_of(emulator, b"x")}}],
    )["ImageId"]


def snapshot_of(emulator: Emulator, content: bytes, region: str = "us-east-1") -> str:
    """A snapshot of hooli's with `content` from block 3 on."""
    disk = emulator.accounts.state / "disk.img"
    disk.write_bytes(b"\0" * 3 * 512 * 1024 + content)
    return load_snapshot(emulator.accounts, emulator.accounts.customer("hooli"), region, disk)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Names every skipped test for `make test`; with CI=true, a skip fails."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", [])
    if names := os.environ.get("CLOUDIGRADE_SKIPPED"):
        with Path(names).open("a") as file:
            file.writelines(f"SKIPPED {report.nodeid}: {report.longrepr[2].removeprefix('Skipped: ')}\n" for report in skipped)
    if skipped and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
