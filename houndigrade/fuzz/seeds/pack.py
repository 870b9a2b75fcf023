"""Packs a disk for src/patched.rs: its size, then offset, length and bytes of each piece that is not zeros.

    mke2fs -t ext3 -b 1024 -d TREE disk 4M && debugfs -w …; python3 pack.py disk > ext3
"""

import struct
import sys

disk = open(sys.argv[1], "rb").read()
pieces = []
for offset in range(0, len(disk), 64):
    piece = disk[offset : offset + 64]
    if not any(piece):
        continue
    if pieces and pieces[-1][0] + len(pieces[-1][1]) == offset:
        pieces[-1][1] += piece
    else:
        pieces.append([offset, piece])
packed = b"".join(struct.pack("<II", at, len(piece)) + piece for at, piece in pieces)
sys.stdout.buffer.write(struct.pack("<I", len(disk)) + packed)
