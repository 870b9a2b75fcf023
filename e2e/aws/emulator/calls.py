"""The latest calls, so that a test can assert "no call was made" or "that call is being held"."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from threading import Lock
from typing import Any

KEPT = 20_000


@dataclass
class Entry:
    """One call. `status` is none while it is not answered; `held` says that a fault is holding it."""

    id: int
    time: datetime
    service: str
    operation: str
    account: str
    region: str
    caller: str
    status: int | None = None
    error: str | None = None
    held: bool = False


class Calls:
    """The latest calls, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._ids = count(1)
        self._lock = Lock()

    def begin(self, time: datetime, service: str, operation: str, region: str) -> Entry:
        """Notes a call that has arrived; its caller is filled in once known."""
        with self._lock:
            entry = Entry(next(self._ids), time, service, operation, "", region, "")
            self._entries.append(entry)
            return entry

    def listed(self, after: int, wanted: dict[str, str]) -> list[dict[str, Any]]:
        """The calls with an id above `after` whose fields equal `wanted`."""
        with self._lock:
            entries = list(self._entries)
        return [
            asdict(entry) | {"time": entry.time.isoformat()}
            for entry in entries
            if entry.id > after and all(str(getattr(entry, name, None)) == value for name, value in wanted.items())
        ]
