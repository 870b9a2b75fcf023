"""The EBS direct API for one disk: its blocks, their checksums, and the time a block takes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BLOCK = 512 * 1024
PAGE = 10_000
SNAPSHOT = "snap-0123456789abcdef0"


@contextmanager
def serving(disk: Path, seconds: float) -> Iterator[str]:
    """The address of a server in a process of its own. Every block takes so many seconds longer than it would."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(disk, seconds, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def serve(disk: Path, seconds: float, told: Connection) -> None:
    """Answers until it is terminated. Checksums are computed beforehand, outside of the measurement."""
    file = os.open(disk, os.O_RDONLY)
    size = os.fstat(file).st_size
    checksums = {
        index: base64.b64encode(hashlib.sha256(os.pread(file, BLOCK, index * BLOCK)).digest()).decode()
        for index in blocks_with_data(file, size)
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            # /snapshots/ID/blocks, /snapshots/ID/blocks/INDEX
            parts = url.path.strip("/").split("/")
            if len(parts) == 3:
                self.list_blocks({key: values[0] for key, values in parse_qs(url.query).items()})
            else:
                self.get_block(int(parts[3]))

        def list_blocks(self, query: dict[str, str]) -> None:
            first = int(query.get("pageToken") or query.get("startingBlockIndex") or 0)
            left = sorted(index for index in checksums if index >= first)
            page = [{"BlockIndex": index, "BlockToken": f"token-{index}"} for index in left[:PAGE]]
            answer = {"Blocks": page, "BlockSize": BLOCK, "VolumeSize": size >> 30, "ExpiryTime": time.time() + 3600}
            if len(left) > PAGE:
                answer["NextToken"] = str(left[PAGE])
            self.answer(json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def get_block(self, index: int) -> None:
            time.sleep(seconds)
            about = {
                "x-amz-Checksum": checksums[index],
                "x-amz-Checksum-Algorithm": "SHA256",
                "x-amz-Data-Length": BLOCK,
            }
            self.answer(os.pread(file, BLOCK, index * BLOCK), about)

        def answer(self, body: bytes, headers: dict[str, object]) -> None:
            self.send_response(200)
            for name, value in (headers | {"Content-Length": len(body)}).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    told.send(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def blocks_with_data(file: int, size: int) -> Iterator[int]:
    """Indexes of the blocks that were written: those that are no hole."""
    at = 0
    while at < size:
        try:
            at = os.lseek(file, at, os.SEEK_DATA) // BLOCK * BLOCK
        except OSError:
            return
        yield at // BLOCK
        at += BLOCK
