"""Faults on demand: makes chosen calls fail, wait, or hang until a test lets them go."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from threading import Event, Lock
from typing import Any

from emulator.call import Call
from emulator.calls import Entry
from emulator.errors import AwsError, Refusal, refuse
from werkzeug.wrappers import Response

_KINDS = {
    "throttling": Refusal.THROTTLED,
    "access-denied": Refusal.DENIED,
    "internal": Refusal.INTERNAL,
    "unavailable": Refusal.UNAVAILABLE,
}
# A forgotten hold must not keep a test run for ever.
_LONGEST_HOLD = 600.0


@dataclass
class Fault:
    """The calls to strike (`*` and `?` match any text), and the fault. Without an error, the call goes on afterwards."""

    id: int
    service: str = "*"
    operation: str = "*"
    account: str = "*"
    region: str = "*"
    parameters: dict[str, str | None] = field(default_factory=dict)
    """Parameters of the call by name; none for one that must be absent."""
    error: str | None = None
    """throttling, access-denied, internal, unavailable, or an AWS error code of one's own."""
    status: int = 400
    """HTTP status of an error code of one's own."""
    latency: float = 0.0
    """Seconds to wait before going on."""
    hold: bool = False
    """Wait until the fault is deleted."""
    after: bool = False
    """Strike once the call has had its effect: the answer is late or lost."""
    body: str | None = None
    """Damage to the response's body, with `after`: corrupt (a byte differs) or truncated (half of it comes)."""
    skip: int = 0
    """How many calls are let through first."""
    count: int | None = None
    """How many calls are still struck; none: until deleted."""
    struck: int = 0
    released: Event = field(default_factory=Event, repr=False)

    def matches(self, call: Call) -> bool:
        """True if `call` matches the fault's selectors."""
        return (
            fnmatchcase(call.service, self.service)
            and fnmatchcase(call.operation, self.operation)
            and fnmatchcase(call.caller.account, self.account)
            and fnmatchcase(call.region, self.region)
            and all(_parameter_matches(call.parameters.get(name), wanted) for name, wanted in self.parameters.items())
        )

    def skipped(self) -> bool:
        """True if a matching call is among those let through first."""
        self.skip -= 1
        return self.skip >= 0

    def described(self) -> dict[str, Any]:
        """The fault as the endpoint shows it."""
        return {name: value for name, value in vars(self).items() if name != "released"}


class Faults:
    """The faults that are set, in the order they were."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = count(1)
        self._lock = Lock()

    def add(self, wanted: dict[str, Any]) -> Fault:
        """Sets a fault. Raises TypeError for a field that is none."""
        with self._lock:
            fault = Fault(id=next(self._ids), **wanted)
            self._faults[fault.id] = fault
            return fault

    def listed(self) -> list[dict[str, Any]]:
        """All faults that are set."""
        with self._lock:
            return [fault.described() for fault in self._faults.values()]

    def clear(self, fault_id: int | None = None) -> None:
        """Removes one fault or all, and releases the calls they hold."""
        with self._lock:
            gone = [self._faults.pop(each) for each in list(self._faults) if fault_id in (None, each)]
        for fault in gone:
            fault.released.set()

    def strike(self, call: Call, entry: Entry, response: Response | None = None) -> None:
        """Applies the matching faults to `call`, and to its answer when there is one."""
        for fault in self._taken(call, response is not None):
            if fault.latency:
                time.sleep(fault.latency)
            if fault.hold:
                entry.held = True
                fault.released.wait(_LONGEST_HOLD)
                entry.held = False
            if fault.error:
                raise _error(fault, call)
            if fault.body and response is not None:
                response.set_data(_damaged(response.get_data(), fault.body))

    def _taken(self, call: Call, after: bool) -> list[Fault]:
        with self._lock:
            taken = [
                fault
                for fault in self._faults.values()
                if fault.after == after and fault.count != 0 and fault.matches(call) and not fault.skipped()
            ]
            for fault in taken:
                fault.struck += 1
                if fault.count is not None:
                    fault.count -= 1
            return taken


def _parameter_matches(value: Any, wanted: str | None) -> bool:
    if value is None or wanted is None:
        return value is wanted
    return fnmatchcase(str(value), wanted)


def _damaged(body: bytes, how: str) -> bytes:
    return body[: len(body) // 2] if how == "truncated" else bytes([body[0] ^ 1]) + body[1:]


def _error(fault: Fault, call: Call) -> AwsError:
    name = fault.error or ""
    if name in _KINDS:
        return refuse(_KINDS[name], call.service)
    return AwsError(name, "A fault set by a test", fault.status)
