"""The seam for what watches calls while they go on: a process has a tuple of observers, mostly an empty one.

Rules of this file: an observer gets values, and nothing that it returns or raises changes a bill: what it raises is
logged by its class and dropped. Without an observer a call and a request cost one test of an empty tuple each.
invoice_bridge.otel has the observer for OpenTelemetry.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from invoice_bridge.core.commands import Command
from invoice_bridge.core.wire import Request, Response

__all__ = [
    "CallEnded",
    "CallStarted",
    "DeliveryEnded",
    "DeliveryStarted",
    "Ended",
    "ItemEnded",
    "ItemStarted",
    "Observer",
    "Point",
    "RequestEnded",
    "RequestStarted",
    "Shadowed",
    "Started",
    "Waited",
    "WebhookRead",
    "add_observer",
    "begin",
    "is_watched",
    "point",
    "remove_observer",
]

_LOG = logging.getLogger("invoice_bridge.observers")


# ── what has a beginning and an end ──────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call of a client: a bill, a verb on an invoice, one page of a listing, or "resolve".

    `mode` is "test" or "live", "" where neither a setting nor the key says.
    """

    provider: str
    verb: str
    mode: str
    command: Command


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The end of a call: its result, or the exception that ended it.

    `outcome` is "done", that of a BridgeError, or that of an Interruption; "" where nothing is known.
    """

    outcome: str
    result: object = None
    error: BaseException | None = None
    opened: bool = False
    """Whether this call asked for a new invoice."""


@dataclass(frozen=True, slots=True)
class RequestStarted:
    """One try of a request, from the moment in which it may leave."""

    provider: str
    request: Request


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """The answer to a request, or the exception in its place."""

    response: Response | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class DeliveryStarted:
    """An event of a webhook that the receiver passes to the application."""

    provider: str
    event_type: str
    invoice_id: str | None


@dataclass(frozen=True, slots=True)
class DeliveryEnded:
    """How the application's function ended: processed, or failed by an exception."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class ItemStarted:
    """One stage of an item of a migration, which a worker has taken."""

    plan: int
    item: int
    stage: str
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class ItemEnded:
    """What became of an item: a state of the ledger, and the word for its reason."""

    state: str
    reason: str
    target_id: str | None


# ── what has no length ───────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Waited:
    """A wait before a request, and what it comes after."""

    provider: str
    seconds: float
    after: str


@dataclass(frozen=True, slots=True)
class WebhookRead:
    """A delivery that was read, or refused with an error."""

    provider: str
    event_type: str
    is_verified: bool
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A bill that a Shadow has compared with a candidate; each finding has kind, severity, code and is_allowed."""

    provider: str
    candidate: str
    findings: Sequence[Any]
    is_noted: bool = True
    """Whether the journal has the note."""


Started = CallStarted | RequestStarted | DeliveryStarted | ItemStarted
Ended = CallEnded | RequestEnded | DeliveryEnded | ItemEnded
Point = Waited | WebhookRead | Shadowed
End = Callable[[Any], object]


class Observer(Protocol):
    """Watches a process. It is called in the thread or task that does the work, and should return at once."""

    def begin(self, started: Started) -> End:
        """Note a beginning; return what is called with its end, in the same context."""
        ...

    def point(self, point: Point) -> object:
        """Note what has no length."""
        ...


_observers: tuple[Observer, ...] = ()
_lock = threading.Lock()


def add_observer(observer: Observer) -> None:
    """Have an observer watch everything that begins from now on in this process."""
    global _observers  # noqa: PLW0603 - replaced as a whole: a reader in another thread has the old or the new one
    with _lock:
        _observers = (*_observers, observer)


def remove_observer(observer: Observer) -> None:
    """Have an observer watch nothing that begins from now on. What it watches already, it sees to its end."""
    global _observers  # noqa: PLW0603 - as above
    with _lock:
        _observers = tuple(one for one in _observers if one is not observer)


def is_watched() -> bool:
    """Whether anybody watches: what is costly to find out for an observer is found out only then."""
    return bool(_observers)


def begin(started: Started) -> End | None:
    """Tell observers of a beginning; return what takes its end, None where nobody watches."""
    ends: list[End] = [end for each in _observers if (end := _guarded(each.begin, started)) is not None]
    if not ends:
        return None

    def end_all(ended: Ended) -> None:
        for end in reversed(ends):  # the last one to begin is the first to end, as contexts are left
            _guarded(end, ended)

    return end_all


def point(value: Point) -> None:
    """Tell observers of what has no length."""
    for observer in _observers:
        _guarded(observer.point, value)


def _guarded(call: Callable[[Any], Any], value: object) -> Any:
    try:
        return call(value)
    except Exception as error:  # noqa: BLE001 - a bill that was made must not fail because nobody could note it
        _LOG.warning("an observer failed at %s: %s", type(value).__name__, type(error).__name__)
        return None
