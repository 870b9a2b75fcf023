"""The aws command line, as `e2e/in aws …` runs it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from conftest import HERE, HOOLI, Emulator
from seeding.own import QUEUE


def aws(emulator: Emulator, credentials: str, *arguments: str) -> Any:
    text = (emulator.accounts.state / f"{credentials}.env").read_text()
    environ = os.environ | dict(line.split("=", 1) for line in text.splitlines())
    command = [str(HERE.parent / "bin" / "aws"), *arguments, "--output", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout)


def test_each_service_is_reached(emulator: Emulator, image: str) -> None:
    assert aws(emulator, "customers/hooli", "sts", "get-caller-identity")["Account"] == HOOLI
    assert aws(emulator, "admin", "sqs", "get-queue-url", "--queue-name", QUEUE)["QueueUrl"].endswith(QUEUE)
    found = aws(emulator, "customers/hooli", "ec2", "describe-images", "--image-ids", image)
    assert found["Images"][0]["ImageId"] == image
