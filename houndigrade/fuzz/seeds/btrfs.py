"""Reduces a btrfs disk (one device, single, mixed, nodes of 4 KiB) to the blocks that its reader reads; all others become zeros."""

import struct
import sys

disk = open(sys.argv[1], "rb").read()
kept = bytearray(len(disk))
chunks = []
CHUNK, ROOT, EXTENT = 228, 132, 108


def number(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def keep(logical):
    """Keeps a block, and returns it."""
    at = next(physical + logical - start for start, length, physical in chunks if start <= logical < start + length)
    kept[at : at + 4096] = disk[at : at + 4096]
    return disk[at : at + 4096]


def walk(logical, visit):
    node = keep(logical)
    for index in range(struct.unpack_from("<I", node, 0x60)[0]):
        if node[0x64]:
            walk(number(node, 101 + 33 * index + 17), visit)
        else:
            key, kind, offset = struct.unpack_from("<QBQ", node, 101 + 25 * index)
            at, size = struct.unpack_from("<II", node, 101 + 25 * index + 17)
            visit(key, kind, offset, node[101 + at : 101 + at + size])


def chunk(key, kind, offset, data):
    if kind == CHUNK:
        chunks.append((offset, number(data, 0), number(data, 56)))


def extent(key, kind, offset, data):
    if kind == EXTENT and data[20] and number(data, 21):
        for logical in range(number(data, 21), number(data, 21) + number(data, 29), 4096):
            keep(logical)


def root(key, kind, offset, data):
    if kind == ROOT and (key == 5 or 256 <= key < 1 << 40 or key == (1 << 64) - 6):
        walk(number(data, 176), extent)


superblock = disk[65536:69632]
kept[65536:69632] = superblock
at, end = 0x32B, 0x32B + struct.unpack_from("<I", superblock, 0xA0)[0]
while at < end:
    chunk(0, CHUNK, number(superblock, at + 9), superblock[at + 17 :])
    at += 17 + 48 + 32 * struct.unpack_from("<H", superblock, at + 17 + 44)[0]
walk(number(superblock, 0x58), chunk)
walk(number(superblock, 0x50), root)
walk(number(superblock, 0x60), root)
sys.stdout.buffer.write(kept)
