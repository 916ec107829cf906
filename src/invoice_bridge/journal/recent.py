"""The recent writes and losses of one client, with or without a journal."""

from __future__ import annotations

import threading
from datetime import datetime

from invoice_bridge.core.commands import Command
from invoice_bridge.engine.lookup import SETTLE_TIME
from invoice_bridge.engine.supervise import Verdict
from invoice_bridge.journal.rows import name_of


class RecentLosses:
    """The writing requests of one client in the last SETTLE_TIME; threads can share it."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, int, str], datetime] = {}
        self._wrote: dict[str, datetime] = {}
        """The times of the last writes by reference, oldest first, so that old entries are dropped from the start."""
        self._lock = threading.Lock()

    def note(self, command: Command | None, step: str, verdict: Verdict | None, at: datetime) -> None:
        """Record the verdict on a writing request; None if the program was stopped during it.

        Only commands with a reference are recorded.
        """
        if (reference := name_of(command)) is None:
            return
        name = (reference, getattr(command, "attempt", 1), step)
        with self._lock:
            while self._wrote and at - self._wrote[oldest := next(iter(self._wrote))] >= SETTLE_TIME:
                del self._wrote[oldest]
            if verdict != "refused":
                self._wrote.pop(reference, None)
                self._wrote[reference] = at
            if verdict in {"applied", "refused"}:
                self._lost.pop(name, None)
            elif verdict in {"maybe", None} or name in self._lost:
                self._lost = {known: when for known, when in self._lost.items() if at - when < SETTLE_TIME}
                self._lost[name] = at

    def last_write(self, reference: str) -> datetime | None:
        """Return the time of a reference's last write that was not refused: listings may not show it yet."""
        with self._lock:
            return self._wrote.get(reference)

    def unresolved(self, reference: str) -> dict[int, datetime]:
        """Return the attempts of a reference that have an unresolved request, each with the time of its last try."""
        last: dict[int, datetime] = {}
        with self._lock:
            for (which, attempt, _), at in self._lost.items():
                if which == reference:
                    last[attempt] = max(at, last.get(attempt, at))
        return last
