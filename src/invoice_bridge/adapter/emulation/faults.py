"""Scheduled faults between a client and an emulated provider.

Rules of this file: deterministic and without effects. It decides whether a request is applied and how the answer is
delivered. transport.py raises the exceptions that a client would see; server.py does the same to a real connection.
"""

from __future__ import annotations

import math
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from invoice_bridge.adapter.emulation.core import Emulator, IncomingRequest, fits
from invoice_bridge.core.wire import Request, Response

_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Kind(StrEnum):
    """What goes wrong. "Applied" means that the provider carries out the request as usual."""

    LATENCY = "latency"
    """Applied; the answer is `seconds` late."""
    RESET_BEFORE = "reset_before"
    """Not applied; the connection is reset."""
    RESET_AFTER = "reset_after"
    """Applied; the connection is reset before the first byte of the answer."""
    TIMEOUT_AFTER = "timeout_after"
    """Applied; no answer ever arrives, and the client's own read timeout ends the wait."""
    DELAYED_COMMIT = "delayed_commit"
    """A write: the connection is reset, and it is applied after `lands_after` further requests, or by land()."""
    STALE_LISTING = "stale_listing"
    """A listing: it shows the state before the latest `behind` writes that took effect."""
    ERROR_AFTER = "error_after"
    """Applied; the provider's own HTTP 500, stored under the key if the provider stores failures."""
    HTML_502_BEFORE = "html_502_before"
    """Not applied; a proxy's HTML page with HTTP 502."""
    HTML_502_AFTER = "html_502_after"
    """Applied; a proxy's HTML page with HTTP 502."""
    TORN_JSON = "torn_json"
    """Applied; a complete HTTP message with the first half of the answer as its body."""
    TRUNCATED_BODY = "truncated_body"
    """Applied; Content-Length is that of the answer, half of it arrives, then the connection is closed."""
    SLOW_BODY = "slow_body"
    """Applied; the body arrives in about ten pieces, `seconds` apart."""
    THROTTLED = "throttled"
    """Not applied; the provider's own HTTP 429 without Retry-After."""
    THROTTLED_FOR = "throttled_for"
    """Not applied; HTTP 429 with Retry-After in whole seconds: `seconds`, rounded up."""
    THROTTLED_UNTIL = "throttled_until"
    """Not applied; HTTP 429 with Retry-After as a date, that many whole seconds after the answer's own Date."""
    IN_PROGRESS = "in_progress"
    """A request with a key: not applied; the provider answers that the first request with the key still runs."""
    WRONG_CONTENT_TYPE = "wrong_content_type"
    """Applied; the answer's JSON is sent as text/html."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and the requests that it hits. Raises ValueError for a kind that does not exist.

    `method` is exact; `path` is a regular expression, searched for in the decoded path below the root
    ("/v1/invoices/in_1/pay"). Empty matches any. The first `skip` matching requests pass, the next `times` are hit.
    """

    kind: Kind
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int = 1
    seconds: float = 0.0
    lands_after: int | None = None
    """The number of further requests before a delayed commit is applied; None: only land() applies it."""
    behind: int = 1
    """The number of writes that a stale listing does not show yet."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        re.compile(self.path)
        if self.skip < 0 or min(self.times, self.behind, self.lands_after or 1) < 1 or self.lands_after == 0:
            raise ValueError(f"{self.kind}: skip counts from 0; times, behind and lands_after from 1")


class Hit(NamedTuple):
    """A request that a fault hit. `applied`: it was a write, and it has taken effect.

    A write that replays an earlier answer has no effect of its own.
    """

    fault: Fault
    path: str
    applied: bool


Manner = Literal["whole", "late", "slow", "truncated", "reset", "hang"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer, and how it reaches the client.

    "late": whole, after `seconds`. "slow": in pieces, `seconds` apart. "truncated": half of the body, then the
    connection is closed. "reset", "hang": nothing arrives.
    """

    answer: Response
    manner: Manner = "whole"
    seconds: float = 0.0


@dataclass
class _Scheduled:
    """A fault and the number of requests that have matched it."""

    fault: Fault
    seen: int = 0

    @property
    def is_over(self) -> bool:
        return self.seen >= self.fault.skip + self.fault.times

    def takes(self) -> bool:
        """Count a matching request; return whether it is hit."""
        self.seen += 1
        return self.fault.skip < self.seen <= self.fault.skip + self.fault.times


@dataclass
class _Held:
    """A write that is not applied yet: `left` further requests come first. `place` is its index in the hits."""

    request: Request
    root: str
    key: str | None
    left: int | None
    place: int


@dataclass
class Faults:
    """An emulator and the faults of its requests, in order: the first fault that matches hits a request.

    Without faults it delivers the emulator's answers. `seen` lists every request as (method, path), and `hits` lists
    those that a fault hit. Several threads may use it; it answers one request at a time.
    """

    emulator: Emulator
    faults: Iterable[Fault] = ()
    hits: list[Hit] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.faults = tuple(self.faults)
        self.seen: list[tuple[str, str]] = []
        self._schedule = [_Scheduled(fault) for fault in self.faults]
        self._held: list[_Held] = []
        self._before: deque[Emulator] = deque(maxlen=max((fault.behind for fault in self.faults), default=1))
        self._lock = threading.RLock()

    def deliver(self, request: Request, root: str) -> Delivery:
        """Answer a request for a URL below `root`; return the answer and how it is delivered."""
        with self._lock:
            call = IncomingRequest.of(request, root)
            self.seen.append((call.method, _path(call)))
            earlier = list(self._held)
            fault = self._fault_of(call)
            if fault is None:
                delivery = Delivery(self._apply(request, root)[0])
            else:
                delivery = self._strike(fault, call, request, root)
            for held in earlier:
                if held in self._held and held.left is not None:
                    held.left -= 1
                    if held.left == 0:
                        self._land(held)
            return delivery

    def add(self, fault: Fault) -> None:
        """Schedule one more fault, after those that are there."""
        with self._lock:
            self.faults = (*self.faults, fault)
            self._schedule.append(_Scheduled(fault))
            longest = max(fault.behind, self._before.maxlen or 1)
            self._before = deque(self._before, maxlen=longest)

    def clear(self) -> None:
        """Remove all faults. A delayed commit that is still held back stays: land() applies it."""
        with self._lock:
            self.faults = ()
            self._schedule.clear()

    def progress(self) -> list[tuple[Fault, int, bool]]:
        """Return each fault, the number of requests that matched it, and whether it hits no more."""
        with self._lock:
            return [(one.fault, one.seen, one.is_over) for one in self._schedule]

    @property
    def landing(self) -> int:
        """Return the number of writes that are not applied yet."""
        return len(self._held)

    def land(self) -> list[Response]:
        """Apply every delayed commit now; return the answers, which no client receives."""
        with self._lock:
            return [self._land(held) for held in list(self._held)]

    def _fault_of(self, call: IncomingRequest) -> Fault | None:
        scheduled = (one for one in self._schedule if self._meets(one.fault, call) and one.takes())
        return next((one.fault for one in scheduled), None)

    def _meets(self, fault: Fault, call: IncomingRequest) -> bool:
        if fault.method not in {"", call.method} or not re.search(fault.path, _path(call)):
            return False
        match fault.kind:
            case Kind.STALE_LISTING:
                return self._is_listing(call)
            case Kind.DELAYED_COMMIT:
                return call.method != "GET"
            case Kind.IN_PROGRESS:
                return self.emulator.key_of(call) is not None
        return True

    def _is_listing(self, call: IncomingRequest) -> bool:
        """Return whether a request reads a list: its route does not end in an id. The path may have a prefix."""
        ends = [pattern.strip("/").split("/") for method, pattern, _ in self.emulator.ROUTES if method == "GET"]
        return call.method == "GET" and any(
            not end[-1].startswith("{") and fits(end, call.segments[-len(end) :]) for end in ends
        )

    def _apply(self, request: Request, root: str, *spoil: Callable[[Response], Response]) -> tuple[Response, bool]:
        """Let the emulator answer; return the answer, and whether a write took effect."""
        key = self.emulator.key_of(IncomingRequest.of(request, root))
        if key is not None and self.emulator.switches.get("in_progress_waits"):
            for held in [held for held in self._held if held.key == key]:
                self._land(held)
        is_stale_due = any(one.fault.kind is Kind.STALE_LISTING and not one.is_over for one in self._schedule)
        copy = deepcopy(self.emulator) if is_stale_due and request.writes else None
        writes = self.emulator.writes
        answer = self.emulator(request, root, *spoil)
        took = self.emulator.writes > writes
        if took and copy is not None:
            self._before.append(copy)
        return answer, took

    def _land(self, held: _Held) -> Response:
        self._held.remove(held)
        if held.key is not None:
            self.emulator.running.discard(held.key)
        answer, took = self._apply(held.request, held.root)
        self.hits[held.place] = self.hits[held.place]._replace(applied=took)
        return answer

    def _strike(self, fault: Fault, call: IncomingRequest, request: Request, root: str) -> Delivery:
        place = len(self.hits)
        self.hits.append(Hit(fault, _path(call), applied=False))
        before = self._before_all(fault, call, request, root)
        if before is not None:
            return before
        spoil = [lambda _real: self.emulator.server_error()] if fault.kind is Kind.ERROR_AFTER else []
        answer, took = self._apply(request, root, *spoil)
        self.hits[place] = self.hits[place]._replace(applied=took)
        return _after(fault, answer)

    def _before_all(self, fault: Fault, call: IncomingRequest, request: Request, root: str) -> Delivery | None:
        """Return the delivery of a fault that applies nothing; None for the other kinds."""
        match fault.kind:
            case Kind.RESET_BEFORE:
                return Delivery(Response(0), "reset")
            case Kind.DELAYED_COMMIT:
                self._hold(fault, call, request)
                return Delivery(Response(0), "reset")
            case Kind.STALE_LISTING:
                behind = min(fault.behind, len(self._before))
                return Delivery((self._before[-behind] if behind else self.emulator)(request, root))
            case Kind.HTML_502_BEFORE:
                return Delivery(_html(_PAGE))
            case Kind.IN_PROGRESS:
                return Delivery(self.emulator.in_progress(call))
            case Kind.THROTTLED | Kind.THROTTLED_FOR | Kind.THROTTLED_UNTIL:
                return Delivery(self._throttled(fault))
        return None

    def _hold(self, fault: Fault, call: IncomingRequest, request: Request) -> None:
        key = self.emulator.key_of(call)
        if key is not None and key in self.emulator.running:
            return  # the first request with that key is held already
        if key is not None:
            self.emulator.running.add(key)
        self._held.append(_Held(request, call.root, key, fault.lands_after, len(self.hits) - 1))

    def _throttled(self, fault: Fault) -> Response:
        if fault.kind is Kind.THROTTLED:
            return self.emulator.throttled(None)
        seconds = math.ceil(fault.seconds)
        if fault.kind is Kind.THROTTLED_FOR:
            return self.emulator.throttled(str(seconds))
        now = self.emulator.clock().replace(microsecond=0)
        answer = self.emulator.throttled(_http_date(now + timedelta(seconds=seconds)))
        return Response(answer.status, answer.content, {**answer.headers, "date": _http_date(now)})


def _after(fault: Fault, answer: Response) -> Delivery:
    """Return how the answer to an applied request is delivered."""
    match fault.kind:
        case Kind.LATENCY:
            return Delivery(answer, "late", fault.seconds)
        case Kind.RESET_AFTER:
            return Delivery(answer, "reset")
        case Kind.TIMEOUT_AFTER:
            return Delivery(answer, "hang")
        case Kind.SLOW_BODY:
            return Delivery(answer, "slow", fault.seconds)
        case Kind.TRUNCATED_BODY:
            return Delivery(answer, "truncated")
        case Kind.TORN_JSON:
            half = answer.content[: len(answer.content) // 2]
            return Delivery(Response(answer.status, half, answer.headers))
        case Kind.WRONG_CONTENT_TYPE:
            return Delivery(Response(answer.status, answer.content, {**answer.headers, "content-type": "text/html"}))
        case Kind.HTML_502_AFTER:
            return Delivery(_html(_PAGE))
    return Delivery(answer)


def _path(call: IncomingRequest) -> str:
    return "/" + "/".join(call.segments)


def _html(page: bytes) -> Response:
    return Response(502, page, {"content-type": "text/html"})


def _http_date(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC), usegmt=True)
