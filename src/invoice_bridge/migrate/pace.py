"""The pace of an account, kept in the ledger: every worker of every machine reserves its slots there.

Rules of this file: one UPDATE reserves a slot for each thread that waits. Slots are so far apart that no second has
more requests than the limit, even if one leaves up to SLACK seconds after its slot. A slot that was missed by more is
given up, and a new one reserved.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from sqlalchemy import case, insert, select, update
from sqlalchemy.exc import IntegrityError

from invoice_bridge.migrate.database import Database
from invoice_bridge.migrate.leases import Fence, seconds_now
from invoice_bridge.migrate.schema import PACES, now

__all__ = ["SLACK", "SharedPace"]

SLACK = 0.035
"""Seconds by which a second's worth of slots is longer than a second."""
_LATEST = SLACK / 2
"""Seconds after its slot at which a request may still be given to the network; the rest is for the way."""
_LEAD = 0.005
_LONGEST_LEAD = 2.0
_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_STALE = 60.0


class SharedPace:
    """The rate limiter of an account, shared by all workers of a ledger; a RateLimiter. It waits in `reserve`.

    `rate` is in requests per second. The provider's refusal ("too many requests") closes the account for all workers,
    for as long as it asks, up to a minute.
    """

    def __init__(self, database: Database, account: str, rate: int, fence: Fence) -> None:
        self._database, self._account, self._fence = database, account, fence
        self._interval = round((1 + SLACK) * 1_000_000 / rate)
        self._condition = threading.Condition()
        self._slots: deque[float] = deque()
        self._waiting, self._is_asking = 0, False
        self._lead = _LEAD
        self._offset, self._accuracy, self._measured_at = 0.0, float("inf"), 0.0
        self.reserved = self.missed = 0
        """How many slots were reserved, and how many of them were given up."""
        with database.writing() as connection:
            if connection.execute(select(PACES.c.account).where(PACES.c.account == account)).first() is None:
                try:
                    with connection.begin_nested():
                        connection.execute(insert(PACES).values(account=account, next_at=0))
                except IntegrityError:  # another worker was faster
                    pass

    def reserve(self) -> float:
        """Wait for a slot, and return 0. Raises LeaseExpired, also for requests that only read."""
        while True:
            self._fence.check()
            slot = self._take()
            if (pause := slot - seconds_now()) > 0:
                time.sleep(pause)
            if seconds_now() - slot <= _LATEST:
                self._fence.check()
                return 0.0
            self.missed += 1
            self._lead = min(self._lead * 2, _LONGEST_LEAD)

    def release(self, pause: float) -> None:
        """Give nothing back: `reserve` has waited already."""

    def observe(self, *, throttled: bool, retry_after: int | None) -> None:
        """Close the account for all workers if the provider asks for it."""
        if not throttled:
            self._lead = max(self._lead * 0.98, _LEAD)
            return
        pause = _PAUSE if retry_after is None else min(retry_after, _LONGEST_PAUSE)
        until = now() + round(pause * 1_000_000)
        with self._condition:
            self._slots.clear()
        with self._database.writing(durable=False) as connection:
            connection.execute(
                update(PACES)
                .where(PACES.c.account == self._account)
                .values(next_at=case((PACES.c.next_at > until, PACES.c.next_at), else_=until))
            )

    # ── slots ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _take(self) -> float:
        """Return the next slot of this process, an instant of seconds_now; one thread reserves for all that wait."""
        with self._condition:
            self._waiting += 1
            try:
                while not self._slots:
                    if self._is_asking:
                        self._condition.wait()
                        continue
                    self._is_asking = True
                    wanted = self._waiting
                    self._condition.release()
                    try:
                        slots = self._ask(wanted)
                    finally:
                        self._condition.acquire()
                        self._is_asking = False
                        self._condition.notify_all()
                    self._slots.extend(slots)
                    self.reserved += wanted
                return self._slots.popleft()
            finally:
                self._waiting -= 1

    def _ask(self, wanted: int) -> list[float]:
        """Reserve slots by one UPDATE; return them as instants of this machine's clock."""
        soonest = now() + round(self._lead * 1_000_000)
        first = case((PACES.c.next_at > soonest, PACES.c.next_at), else_=soonest)
        began = seconds_now()
        with self._database.writing(durable=False) as connection:
            row = connection.execute(
                update(PACES)
                .where(PACES.c.account == self._account)
                .values(next_at=first + wanted * self._interval)
                .returning(PACES.c.next_at, now())
            ).one()
        self._measure(began, seconds_now(), row[1] / 1_000_000)
        last = row[0] / 1_000_000 + self._offset
        return [last - (wanted - place) * self._interval / 1_000_000 for place in range(wanted)]

    def _measure(self, began: float, ended: float, there: float) -> None:
        """Keep how far this machine's clock is from the database's, by the quickest answer of the last minute."""
        accuracy = ended - began
        if accuracy <= self._accuracy or ended - self._measured_at > _STALE:
            self._offset, self._accuracy, self._measured_at = (began + ended) / 2 - there, accuracy, ended
