"""A sparse disk of 10 GiB as an installer of RHEL 9 leaves it: GPT, LVM, and XFS on a logical volume."""

from __future__ import annotations

import subprocess
from pathlib import Path

import rpmdb
from kernel import Mount, attached, run

GIB = 1 << 30
SECTOR = 512
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
LVM = "E6D6D379-F507-44C2-A23C-238F2A3DF928"
# Files around those that are looked for, so that directories and inodes are where they are on a machine in use.
OTHER_FOLDERS, OTHER_FILES = 400, 50

OS_RELEASE = """NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
"""
RELEASE = "Red Hat Enterprise Linux release 9.4 (Plow)\n"
SYSPURPOSE = '{"role": "Red Hat Enterprise Linux Server", "usage": "Production"}\n'
# subscription-manager lists all repositories a subscription allows, most of them disabled.
REPOSITORIES = "".join(
    f"""[rhel-9-for-x86_64-{number}-rpms]
name = Red Hat Enterprise Linux 9 for x86_64 - {number} (RPMs)
baseurl = https://cdn.example.com/content/dist/rhel9/$releasever/x86_64/{number}/os
enabled = {int(number < 2)}
gpgcheck = 1
sslclientkey = /etc/pki/entitlement/1234567890-key.pem

"""
    for number in range(300)
)
DATABASE = "var/lib/rpm/rpmdb.sqlite"
FILES = {
    "etc/redhat-release": RELEASE,
    "usr/lib/os-release": OS_RELEASE,
    "etc/pki/product-default/479.pem": "-----BEGIN CERTIFICATE-----\n",
    "etc/yum.repos.d/redhat.repo": REPOSITORIES,
    "etc/dnf/dnf.conf": "[main]\ngpgcheck=1\n",
    "etc/rhsm/syspurpose/syspurpose.json": SYSPURPOSE,
    "etc/fstab": "/dev/mapper/rhel-root / xfs defaults 0 0\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
}
LINKS = {"etc/os-release": "../usr/lib/os-release", "etc/system-release": "redhat-release"}


def make(disk: Path) -> int:
    """Makes the disk, and returns the byte at which its root file system begins."""
    with disk.open("wb") as file:
        file.truncate(10 * GIB)
    table = f"label: gpt\nstart=2048, size=2048, type={BIOS_BOOT}\nstart=4096, type={LVM}\n"
    run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk), text=table)
    start = 4096 * SECTOR
    start += logical_volume(disk, start, 10 * GIB - start - (1 << 20))
    with attached(disk, start, 8 * GIB) as device:
        run("mkfs.xfs", "-q", device)
    with Mount(disk, start, 8 * GIB, "rw") as root:
        fill(root)
    return start


def logical_volume(disk: Path, start: int, size: int) -> int:
    """Makes a volume group with swap and a root of 8 GiB, activates none, and returns where the root begins."""
    with attached(disk, start, size) as device:

        def lvm(command: str) -> str:
            only = f'["a|^{device}$|", "r|.*|"]'
            config = f"""devices {{ filter = {only} global_filter = {only} use_devicesfile = 0 hints = "none"
                obtain_device_list_from_udev = 0 }} backup {{ backup = 0 archive = 0 }}
                activation {{ udev_sync = 0 udev_rules = 0 monitoring = 0 }} global {{ event_activation = 0 }}"""
            return run("lvm", *command.split(), "--driverloaded", "n", "--config", config)

        lvm(f"pvcreate {device}")
        lvm(f"vgcreate rhel {device}")
        lvm("lvcreate -an -Zn -Wn -y -n swap -L 1g rhel")
        lvm("lvcreate -an -Zn -Wn -y -n root -L 8g rhel")
        said = lvm("pvs --noheadings --nosuffix --units b -o pe_start,vg_extent_size")
        first, extent = map(int, said.split())
        place = lvm("lvs --noheadings -o seg_pe_ranges rhel/root").strip()
    # /dev/loop0:256-2303
    return first + extent * int(place.rpartition(":")[2].partition("-")[0])


def fill(root: Path) -> None:
    """A RHEL, as far as houndigrade looks, among other files."""
    for folder in range(OTHER_FOLDERS):
        place = root / f"usr/share/doc/package-{folder:03}"
        place.mkdir(parents=True)
        for file in range(OTHER_FILES):
            (place / f"file-{file}").write_bytes(b"." * 1500)
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    (root / DATABASE).parent.mkdir(parents=True)
    rpmdb.make(root / DATABASE)
    subprocess.run(["sync", "-f", root], check=True)
