"""Deliver the events of emulators to webhook endpoints: in time, late, doubled or out of order, until they arrive.

Rules of this file: a thread for each endpoint sends one delivery at a time, so that the order is the one that was
asked for. Each try is signed anew with the machine's own time, whatever the emulator's clock shows: a receiver compares
the signature with its own clock. An answer of 2xx ends a delivery; anything else is tried again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import httpx

from invoice_bridge.adapter.emulation.events import EmulatedEvent
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.webhooks.signing import sign

_TIMEOUT = 10.0
_KEPT = 10_000


class Manner(StrEnum):
    """How events arrive at an endpoint."""

    IN_TIME = "in_time"
    """At once, in order."""
    LATE = "late"
    """After `seconds`."""
    DOUBLED = "doubled"
    """At once, and the same event again after `seconds`."""
    OUT_OF_ORDER = "out_of_order"
    """Every two events are swapped; an event without a second one arrives after `seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One webhook endpoint of a provider. `events` filters by the provider's words; empty takes all.

    `retries` is how often a delivery that fails is tried again: `retry_seconds` later, then twice as long each time.
    `signed_ago` shifts the signed instant into the past, as in a delivery that somebody kept and sends again.
    """

    id: str
    provider: str
    url: str
    secret: str = field(repr=False)
    manner: Manner = Manner.IN_TIME
    seconds: float = 1.0
    retries: int = 7
    retry_seconds: float = 1.0
    signed_ago: float = 0.0
    events: tuple[str, ...] = ()


@dataclass
class Posting:
    """One delivery of an event to an endpoint, and its tries: each is an HTTP status, or the name of a failure."""

    event: EmulatedEvent
    endpoint: str
    due: float
    tries: list[int | str] = field(default_factory=list)
    state: str = "pending"
    """pending, delivered, failed (no try is left), dropped (the endpoint was removed)"""


class Courier:
    """The thread that delivers to one endpoint; `close` ends it."""

    def __init__(self, endpoint: Endpoint, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.endpoint = endpoint
        self.postings: deque[Posting] = deque(maxlen=_KEPT)
        self._now = now
        self._queue: list[Posting] = []
        self._held: Posting | None = None
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"webhooks to {endpoint.id}", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Return the number of deliveries that wait for their time or for another try."""
        return len(self._queue)

    @property
    def is_running(self) -> bool:
        """Return whether it delivers."""
        return self._thread.is_alive()

    def offer(self, event: EmulatedEvent) -> None:
        """Deliver an event in the endpoint's manner, if the endpoint takes events of its type."""
        if self.endpoint.events and event.type not in self.endpoint.events:
            return
        with self._changed:
            now, later = time.monotonic(), time.monotonic() + self.endpoint.seconds
            match self.endpoint.manner:
                case Manner.IN_TIME:
                    self._add(event, now)
                case Manner.LATE:
                    self._add(event, later)
                case Manner.DOUBLED:
                    self._add(event, now)
                    self._add(event, later)
                case Manner.OUT_OF_ORDER:
                    self._swap(event, now, later)
            self._changed.notify()

    def _swap(self, event: EmulatedEvent, now: float, later: float) -> None:
        """Hold the first event of two; deliver it right after the second one."""
        first, self._held = self._held, None
        if first is None or first not in self._queue:  # it has arrived alone by now
            self._held = self._add(event, later)
            return
        self._queue.remove(first)
        self._add(event, now)
        first.due = now
        self._queue.append(first)

    def repeat(self, event: EmulatedEvent) -> None:
        """Deliver an event now, whatever the endpoint's manner and types."""
        with self._changed:
            self._add(event, time.monotonic())
            self._changed.notify()

    def forget(self) -> None:
        """Drop every delivery that is pending, and the record of all."""
        with self._changed:
            for posting in self._queue:
                posting.state = "dropped"
            self._queue.clear()
            self.postings.clear()

    def close(self, wait: float = 0.0) -> None:
        """Drop what is pending and end the thread, for which it waits; a try that is under way may still arrive."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if wait:
            self._thread.join(wait)

    def _add(self, event: EmulatedEvent, due: float) -> Posting:
        posting = Posting(event, self.endpoint.id, due)
        self.postings.append(posting)
        self._queue.append(posting)
        return posting

    def _run(self) -> None:
        with httpx.Client(timeout=_TIMEOUT, trust_env=False) as http:
            while (posting := self._next()) is not None:
                outcome = self._send(http, posting.event)
                with self._changed:
                    self._note(posting, outcome)

    def _next(self) -> Posting | None:
        """Wait for the delivery that is due first; those of one instant keep their order. None: closed."""
        with self._changed:
            while not self._is_closed:
                first = min(self._queue, key=lambda posting: posting.due, default=None)
                wait = None if first is None else first.due - time.monotonic()
                if first is not None and wait is not None and wait <= 0:
                    self._queue.remove(first)
                    return first
                self._changed.wait(wait)
            return None

    def _send(self, http: httpx.Client, event: EmulatedEvent) -> int | str:
        endpoint = self.endpoint
        at = self._now() - timedelta(seconds=endpoint.signed_ago)
        try:
            headers = sign(endpoint.provider, event.body, secret=endpoint.secret, at=at, event_id=event.id)
            return http.post(endpoint.url, content=event.body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL, BridgeError) as error:
            return type(error).__name__

    def _note(self, posting: Posting, outcome: int | str) -> None:
        posting.tries.append(outcome)
        if isinstance(outcome, int) and 200 <= outcome < 300:
            posting.state = "delivered"
        elif len(posting.tries) > self.endpoint.retries:
            posting.state = "failed"
        elif posting.state == "pending":
            posting.due = time.monotonic() + self.endpoint.retry_seconds * 2 ** (len(posting.tries) - 1)
            self._queue.append(posting)
