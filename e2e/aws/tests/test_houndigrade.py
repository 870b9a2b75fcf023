"""houndigrade reads a snapshot through the emulator, under every fault."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import EXTERNAL_ID, HOOLI, Emulator
from seeding import customer
from seeding.image import load_snapshot

CACHE = Path(os.environ.get("CLOUDIGRADE_CACHE", Path.home() / ".cache/cloudigrade"))
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target")) / "debug/houndigrade"
MAKE_DISKS = Path(__file__).parents[2] / "disks/make-disks"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="houndigrade is not built: cargo build --workspace --bins")


@pytest.fixture(scope="module")
def snapshot(running: Emulator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A snapshot of hooli's with RHEL on it."""
    folder = tmp_path_factory.mktemp("disks")
    subprocess.run([str(MAKE_DISKS), str(folder)], check=True, capture_output=True)
    return load_snapshot(running.accounts, running.accounts.customer("hooli"), "us-east-1", folder / "rhel-release.img")


def inspect(emulator: Emulator, snapshot: str) -> tuple[int, dict[str, Any]]:
    """Exit status, and what is said of the image."""
    keys = (emulator.accounts.state / "own.env").read_text()
    environment = dict(line.split("=", 1) for line in keys.splitlines()) | {"AWS_ENDPOINT_URL": emulator.accounts.endpoint}
    role = f"arn:aws:iam::{HOOLI}:role/{customer.ROLE}"
    source = f"ebs://{snapshot}?region=us-east-1&role-arn={role}&external-id={EXTERNAL_ID}"
    done = subprocess.run(
        [str(PROGRAM), "-t", "image", source], check=False, capture_output=True, env=os.environ | environment, timeout=120
    )
    return done.returncode, json.loads(done.stdout)["images"]["image"]


def fault(emulator: Emulator, **wanted: Any) -> None:
    emulator.ask("POST", "faults", {"service": "ebs", "operation": "GetSnapshotBlock"} | wanted)


@pytest.mark.parametrize(
    "passing",
    [
        {"operation": "AssumeRole", "service": "sts", "error": "unavailable", "count": 0},
        {"error": "throttling", "count": 3},
        {"operation": "ListSnapshotBlocks", "error": "throttling", "count": 2},
        {"error": "internal", "count": 1},
        {"body": "corrupt", "after": True, "count": 1},
        {"body": "truncated", "after": True, "count": 1},
        # A block's token is good for a while; then the blocks are listed anew.
        {"error": "ValidationException", "count": 1},
    ],
    ids=["none", "throttled", "list-throttled", "internal", "corrupt", "truncated", "token-ended"],
)
def test_faults_that_pass_are_not_noticed(emulator: Emulator, snapshot: str, passing: dict[str, Any]) -> None:
    fault(emulator, **passing)
    status, image = inspect(emulator, snapshot)
    assert (status, image["verdict"], image["errors"]) == (0, "rhel", [])


@pytest.mark.parametrize(
    ("lasting", "said"),
    [
        ({"error": "access-denied", "skip": 1}, "AccessDeniedException"),
        ({"operation": "ListSnapshotBlocks", "error": "access-denied"}, "AccessDeniedException"),
        ({"error": "ExpiredTokenException"}, "the credentials have expired"),
        ({"body": "corrupt", "after": True}, "it does not match its checksum, 3 times in a row"),
        ({"body": "truncated", "after": True}, "bytes came"),
    ],
    ids=["denied-half-way", "list-denied", "expired", "corrupt", "truncated"],
)
def test_faults_that_last_are_errors_and_never_a_verdict(
    emulator: Emulator, snapshot: str, lasting: dict[str, Any], said: str
) -> None:
    fault(emulator, **lasting)
    status, image = inspect(emulator, snapshot)
    assert (status, image["verdict"]) == (3, "unknown")
    assert said in json.dumps(image), image
