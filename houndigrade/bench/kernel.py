"""The same disks as the kernel sees them: mounted, their files searched with grep, and where on the disk those lie."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The files of a tree that houndigrade reads.
WANTED = (
    "etc/*-release", "etc/fstab", "usr/lib/os-release", "etc/pki/product*/*.pem", "etc/dnf/dnf.conf", "etc/yum.conf",
    "etc/yum.repos.d/*.repo", "etc/rhsm/syspurpose/syspurpose.json",
    "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages*",
)  # fmt: skip
TOOLS = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LVM_SUPPRESS_FD_WARNINGS": "1"}


def run(*command: str, text: str | None = None) -> str:
    """Runs a tool; its output is shown only on failure."""
    done = subprocess.run(command, check=False, input=text, text=True, capture_output=True, env=TOOLS)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}".strip())
    return done.stdout


@contextmanager
def attached(disk: Path, start: int, size: int) -> Iterator[str]:
    """A loop device of a part of the disk."""
    device = run("losetup", "--find", "--show", f"--offset={start}", f"--sizelimit={size}", str(disk)).strip()
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


class Mount:
    """A file system on a part of a disk, mounted while the context lasts."""

    def __init__(self, disk: Path, start: int, size: int, mode: str = "ro") -> None:
        self.disk, self.options = disk, f"loop,offset={start},sizelimit={size},{mode}"

    def __enter__(self) -> Path:
        self.folder = Path(tempfile.mkdtemp())
        try:
            run("mount", "-o", self.options, str(self.disk), str(self.folder))
        except OSError:
            self.folder.rmdir()
            raise
        return self.folder

    def __exit__(self, *_: object) -> None:
        run("umount", str(self.folder))
        self.folder.rmdir()


def wanted(root: Path) -> list[Path]:
    """The files of the tree that houndigrade has to read; links to other files among them count once."""
    root = root.resolve()
    found = {path.resolve() for pattern in WANTED for path in root.glob(pattern)}
    # An absolute link leads to a file of this machine.
    return sorted(path for path in found if path.is_relative_to(root) and path.is_file())


def search(root: Path) -> int:
    """The work of a person: grep through the files. Returns the bytes searched."""
    files = wanted(root)
    if files:
        subprocess.run(["grep", "-c", "-a", "-i", "red hat", *map(str, files)], check=False, stdout=subprocess.DEVNULL)
    return sum(path.stat().st_size for path in files)


def bytes_in_blocks(root: Path, start: int, block: int) -> int:
    """Bytes of the disk's blocks, of `block` bytes, that wanted files are on; the file system begins at `start`."""
    blocks: set[int] = set()
    for path in wanted(root):
        # "   0:        0..      19:         12..        31:     20:             last,eof"
        for line in run("filefrag", "-v", "-b512", str(path)).splitlines():
            extent = re.match(r" *\d+: +\d+\.\. *\d+: +(\d+)\.\. *(\d+):", line)
            if extent:
                first, last = (start + int(sector) * 512 for sector in extent.groups())
                blocks.update(range(first // block, (last + 511) // block + 1))
    return len(blocks) * block
