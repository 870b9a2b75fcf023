"""The emulator as a program."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

# Moto reads these when imported: no stock images in every region, and launches of unknown images are refused.
os.environ |= {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_ENABLE_AMI_VALIDATION": "true"}

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

import emulator.corrections  # noqa: F401 - importing it is what corrects moto
from emulator.gateway import Gateway
from emulator.trail.delivery import Delivery


class _Quiet(WSGIRequestHandler):
    """Keeps connections open between requests, and its access log to itself: /_emulator/calls has more."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="serve", description="AWS for tests: moto, extended")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="folder for emulator.json, which seeding reads")
    parser.add_argument("--trail-delay", type=float, default=2.0, help="seconds from a call to its log file")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    secret = secrets.token_hex(20)
    moto = DomainDispatcherApplication(create_backend_app)
    gateway = Gateway(moto, secret, Delivery(arguments.trail_delay))
    server = make_server(arguments.host, arguments.port, gateway, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True
    endpoint = f"http://{arguments.host}:{server.port}"
    _write_state(arguments.state / "emulator.json", {"endpoint": endpoint, "rootSecret": secret})

    signal.signal(signal.SIGTERM, _stop)
    print(f"AWS emulator ready on {endpoint}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def _write_state(path: Path, state: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(state))


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
