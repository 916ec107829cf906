"""The leases of workers: a row in the ledger that each process renews, and the fence that follows from it.

Rules of this file: a lease begins before the statement that renews it, on the worker's own clock, and ends after it on
the database's: so the worker stops first. A lease that has passed is never renewed. The clock goes on while a process,
or where the system can measure it the machine, is stopped.
"""

from __future__ import annotations

import os
import socket
import threading
import time

from sqlalchemy import insert, update

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.migrate.database import Database
from invoice_bridge.migrate.errors import LeaseExpired
from invoice_bridge.migrate.schema import WORKERS, now
from invoice_bridge.migrate.values import Timing

__all__ = ["Fence", "Lease", "seconds_now"]


def seconds_now() -> float:
    """Return the seconds of a clock that nobody sets, and that goes on while this machine is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Fence:
    """The instant after which a worker sends nothing more; its threads share it."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent."""
        return seconds_now() < self._until

    def check(self) -> None:
        """Raise LeaseExpired if the lease has passed."""
        if not self.is_open:
            raise LeaseExpired(
                "the lease of this worker has passed, so another one may have taken its items over; nothing was sent"
            )

    def extend(self, until: float) -> None:
        """Move the fence; `until` is an instant of seconds_now."""
        self._until = until

    def close(self) -> None:
        """Let nothing more be sent."""
        self._until = 0.0


class Lease:
    """The lease of one worker, renewed by a thread of its own. `number` is the worker's in the ledger."""

    def __init__(self, database: Database, timing: Timing, fence: Fence | None = None) -> None:
        self.fence = fence or Fence()
        self._database, self._timing = database, timing
        self._stop = threading.Event()
        self.is_retired = False
        """Whether nothing more is taken under it: a claim may have been committed whose answer was lost."""
        began = seconds_now()
        with database.writing() as connection:
            self.number = int(
                connection.execute(
                    insert(WORKERS)
                    .values(
                        name=f"{socket.gethostname()} {os.getpid()}",
                        began_at=now(),
                        lease_until=now() + self._length,
                    )
                    .returning(WORKERS.c.number)
                ).scalar_one()
            )
        self.fence.extend(began + timing.lease)
        self._thread = threading.Thread(target=self._beat, name=f"lease {self.number}", daemon=True)
        self._thread.start()

    @property
    def _length(self) -> int:
        return round(self._timing.lease * 1_000_000)

    @property
    def is_held(self) -> bool:
        """Whether the lease has not passed."""
        return self.fence.is_open

    def _beat(self) -> None:
        while not self._stop.wait(self._timing.beat):
            try:
                if not self.renew():
                    return
            except ConfigurationError:  # the database cannot be reached: the lease passes, unless it can again in time
                if not self.is_held:
                    return

    def renew(self) -> bool:
        """Renew the lease; return False, for good, if it has passed. Raises ConfigurationError."""
        began = seconds_now()
        if not self.is_held:
            return False
        with self._database.writing(durable=False) as connection:
            renewed = connection.execute(
                update(WORKERS)
                .where(WORKERS.c.number == self.number, WORKERS.c.lease_until > now(), WORKERS.c.ended_at.is_(None))
                .values(lease_until=now() + self._length)
            )
        if renewed.rowcount != 1:
            self.fence.close()
            return False
        if self._stop.is_set():
            return False
        self.fence.extend(began + self._timing.lease)
        return True

    def end(self) -> None:
        """End the lease: nothing more is sent. Items that this worker still has are taken over in time."""
        self._stop.set()
        self.fence.close()
        self._thread.join(self._timing.lease)
        try:
            with self._database.writing(durable=False) as connection:
                connection.execute(update(WORKERS).where(WORKERS.c.number == self.number).values(ended_at=now()))
        except ConfigurationError:  # it is only for those who look at the workers
            return
