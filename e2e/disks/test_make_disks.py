"""The disks are what they say they are, and the same every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

MIB = 1024 * 1024
TOOLS = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("disks"))


def make(folder: Path) -> Path:
    subprocess.run([str(Path(__file__).parent / "make-disks"), str(folder)], check=True, capture_output=True)
    return folder


def debugfs(disk: Path, command: str, start: int = MIB) -> str:
    asked = ["debugfs", "-R", command, f"{disk}?offset={start}"]
    return subprocess.run(asked, check=True, capture_output=True, text=True, env=TOOLS).stdout


def test_the_same_bytes_every_time(disks: Path, tmp_path: Path) -> None:
    again = make(tmp_path)
    for disk in sorted(disks.iterdir()):
        assert digest(disk) == digest(again / disk.name), disk.name


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("disk", "start"), [("rhel-release", MIB), ("rhel-cert", MIB), ("rhel-cert", 9 * MIB), ("debian", MIB)]
)
def test_file_systems_are_clean(disks: Path, disk: str, start: int) -> None:
    check = ["e2fsck", "-fn", f"{disks / disk}.img?offset={start}"]
    assert subprocess.run(check, check=False, capture_output=True, env=TOOLS).returncode == 0


def test_what_is_on_them(disks: Path) -> None:
    assert "Red Hat Enterprise Linux release 9.4" in debugfs(disks / "rhel-release.img", "cat /etc/redhat-release")
    cert = disks / "rhel-cert.img"
    assert "479.pem" in debugfs(cert, "ls /etc/pki/product", 9 * MIB)
    assert "Red Hat" not in debugfs(cert, "cat /usr/lib/os-release", 9 * MIB)
    assert "ID=debian" in debugfs(disks / "debian.img", "cat /usr/lib/os-release")
    assert (disks / "ntfs.img").read_bytes()[MIB + 3 : MIB + 7] == b"NTFS"
