"""An AMI on a snapshot whose blocks are those of a disk image file."""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path

from seeding.accounts import Accounts, Keys

BLOCK = 512 * 1024
GIB = 1024**3


def load_snapshot(accounts: Accounts, keys: Keys, region: str, disk: Path) -> str:
    """Loads `disk` block by block, leaving out blocks of zeros as a real snapshot does; returns the snapshot's id."""
    ebs = accounts.client(keys, "ebs", region)
    size = math.ceil(disk.stat().st_size / GIB)
    snapshot = ebs.start_snapshot(VolumeSize=size, Description=disk.name)["SnapshotId"]
    count = 0
    with disk.open("rb") as file:
        for index in range(math.ceil(disk.stat().st_size / BLOCK)):
            data = file.read(BLOCK)
            if not data.strip(b"\0"):
                continue
            data = data.ljust(BLOCK, b"\0")
            ebs.put_snapshot_block(
                SnapshotId=snapshot,
                BlockIndex=index,
                BlockData=data,
                DataLength=BLOCK,
                Checksum=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                ChecksumAlgorithm="SHA256",
            )
            count += 1
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=count)
    return snapshot


def register(accounts: Accounts, keys: Keys, region: str, disk: Path, name: str, architecture: str = "x86_64") -> str:
    """Loads `disk` and registers an AMI on it; returns the AMI's id."""
    snapshot = load_snapshot(accounts, keys, region, disk)
    ec2 = accounts.client(keys, "ec2", region)
    return ec2.register_image(
        Name=name,
        Architecture=architecture,
        RootDeviceName="/dev/sda1",
        VirtualizationType="hvm",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
