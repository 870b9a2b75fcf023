"""A Postgres server of the bench's own, which commits durably, as in production; and the cloudigrade to measure."""

import argparse
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))
SETTINGS = ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_preload_libraries=pg_stat_statements"]


@contextmanager
def server():
    """Its URL, without a database."""
    postgres = subprocess.Popen(
        [CHECKOUT / "operator/store/temporary-postgres", *(word for setting in SETTINGS for word in ("-c", setting))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        yield postgres.stdout.readline().strip() or sys.exit("no Postgres server; what it said is above")
    finally:
        postgres.stdin.close()
        postgres.wait()


def query(url: str, statement: str) -> str:
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url]
    return subprocess.run(command, input=statement, check=True, capture_output=True, text=True).stdout.strip()


def database(program: Path, server: str, name: str) -> str:
    """The URL of a new database that has the schema, and counts its statements."""
    query(f"{server}/postgres", f"create database {name}")
    url = f"{server}/{name}"
    subprocess.run([program, "migrate"], env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)
    query(url, "create extension pg_stat_statements")
    return url


def add_program(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--program", type=Path, default=None, help="the cloudigrade to measure (default: the release build, or the debug one)")


def program(options: argparse.Namespace) -> Path:
    built = [TARGET / profile / "cloudigrade" for profile in ("release", "debug")]
    found = options.program or next((each for each in built if each.exists()), None)
    return found or sys.exit("there is no cloudigrade to measure: cargo build --release --workspace --bins")


def bar(name: str, bar: str, value: str, met: bool) -> None:
    """Notes a bar for docs/performance.md, if `make bench` measures."""
    if file := os.environ.get("CLOUDIGRADE_BENCH_BARS"):
        with open(file, "a") as bars:
            print(json.dumps({"name": name, "bar": bar, "value": value, "met": met}), file=bars)
