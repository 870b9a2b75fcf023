"""The emulator's own endpoints, for tests: /_emulator/faults and /_emulator/calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

from emulator.calls import Calls
from emulator.faults import Faults


class Control:
    """A WSGI application. It needs no signature: everybody who reaches the emulator may steer it."""

    def __init__(self, faults: Faults, calls: Calls) -> None:
        self._faults = faults
        self._calls = calls

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, body = self._answer(Request(environ))
        except (TypeError, ValueError) as error:
            status, body = 400, {"error": str(error)}
        return Response(json.dumps(body, indent=2) + "\n", status, content_type="application/json")(
            environ, start_response
        )

    def _answer(self, request: Request) -> tuple[int, Any]:
        match request.method, request.path.removeprefix("/_emulator/").split("/"):
            case "GET", ["faults"]:
                return 200, self._faults.listed()
            case "POST", ["faults"]:
                return 201, self._faults.add(request.get_json()).described()
            case "DELETE", ["faults"]:
                self._faults.clear()
                return 200, []
            case "DELETE", ["faults", fault_id]:
                self._faults.clear(int(fault_id))
                return 200, self._faults.listed()
            case "GET", ["calls"]:
                wanted = request.args.to_dict()
                after = int(wanted.pop("after", 0))
                return 200, self._calls.listed(after, wanted)
            case "GET", ["health"]:
                return 200, {"status": "ok"}
        return 404, {"error": f"no such endpoint: {request.method} {request.path}"}
