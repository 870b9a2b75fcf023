"""A package database as rpm of RHEL 9 leaves it, large: made-up headers in the real format."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

PACKAGES = 20_000
FILES = 24
# Red Hat's release key 2. The signatures name it and are otherwise noise: houndigrade verifies none.
KEY = bytes.fromhex("199e2f91fd431d51")
STRING, BINARY, STRING_ARRAY = 6, 7, 8
NAME, VERSION, RELEASE, SUMMARY, DESCRIPTION, BASENAMES, RSAHEADER = 1000, 1001, 1002, 1004, 1005, 1117, 268


def make(path: Path) -> None:
    """Writes the database: packages, and beside them two of the indexes whose pages lie between theirs."""
    db = sqlite3.connect(path)
    db.executescript(
        """CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
        CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL);
        CREATE TABLE Basenames (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL);
        CREATE INDEX Name_key_idx ON Name (key);
        CREATE INDEX Name_hnum_idx ON Name (hnum);"""
    )
    for number, (name, files, header) in enumerate(packages(), 1):
        db.execute("INSERT INTO Packages VALUES (?, ?)", (number, header))
        db.execute("INSERT INTO Name VALUES (?, ?, 0)", (name, number))
        db.executemany("INSERT INTO Basenames VALUES (?, ?, ?)", [(f, number, i) for i, f in enumerate(files)])
    db.commit()
    db.close()


def packages() -> Iterator[tuple[str, list[str], bytes]]:
    """Name, files and header of each package; the same at every call."""
    chance = random.Random(9)
    for number in range(PACKAGES):
        name = f"package-{number:05}"
        files = [f"{name}-{chance.getrandbits(64):016x}.so.{i}" for i in range(FILES)]
        tags = [
            (NAME, STRING, 1, text(name)),
            (VERSION, STRING, 1, text("1.2.3")),
            (RELEASE, STRING, 1, text("4.el9")),
            (SUMMARY, STRING, 1, text("A package of the bench")),
            (DESCRIPTION, STRING, 1, text("It installs nothing. " * chance.randrange(120, 160))),
            (BASENAMES, STRING_ARRAY, FILES, b"".join(map(text, files))),
            # Signatures come after the rest, as in a real database.
            (RSAHEADER, BINARY, None, signature(chance)),
        ]
        yield name, files, header(tags)


def text(value: str) -> bytes:
    """A string as headers have it."""
    return value.encode() + b"\0"


def header(tags: list[tuple[int, int, int | None, bytes]]) -> bytes:
    """The tags as rpm stores them: an index, and their data."""
    index, data = b"", b""
    for tag, kind, count, value in tags:
        index += struct.pack(">IIII", tag, kind, len(data), len(value) if count is None else count)
        data += value
    return struct.pack(">II", len(tags), len(data)) + index + data


def signature(chance: random.Random) -> bytes:
    """An OpenPGP packet of version 3: RSA with SHA-256 by KEY."""
    body = (
        struct.pack(">BBBI", 3, 5, 0, 1_700_000_000) + KEY + struct.pack(">BBHH", 1, 8, 0, 2048) + chance.randbytes(256)
    )
    return b"\x89" + struct.pack(">H", len(body)) + body
