"""Cuts the log of an XFS disk for pack.py: blocks that Linux cleared ahead of its head go, and the checksums of its records.

    mkfs.xfs --unsupported -l size=8m -d agcount=1 disk    # of 64 MiB; with -m crc=0, Linux up to 6.x is needed
    mount disk, some files; sync; some changes; xfs_io -x -c 'shutdown -f'; umount
    python3 xfs.py disk && python3 pack.py disk > xfs_v5
"""

import struct
import sys

HEAD = 200  # blocks of the log that are kept

with open(sys.argv[1], "r+b") as disk:
    superblock = disk.read(512)
    block_size, blocks, log = (struct.unpack_from(f, superblock, at)[0] for f, at in ((">I", 4), (">I", 96), (">Q", 48)))
    for number in range(blocks * block_size // 512):
        at = log * block_size + number * 512
        disk.seek(at)
        block = disk.read(512)
        if number >= HEAD:
            disk.seek(at)
            disk.write(bytes(512))
        elif block[:4] == b"\xfe\xed\xba\xbe":
            disk.seek(at + 32)
            disk.write(bytes(4))
