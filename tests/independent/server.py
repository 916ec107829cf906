"""What the four independent provider servers share: HTTP, a clock that can be moved, keys, faults and a ledger.

Rules of this directory's servers: they import nothing of invoice_bridge (test_servers.py checks it) and were written
from the public contract sheets alone, so that they do not share the library's beliefs. The ledger says what happened to
the customer; a judge reads the ledger and never what the library says about itself.
"""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

Doc = dict[str, Any]
Kind = Literal[
    "created",
    "changed",
    "issued",
    "mailed",
    "collected",
    "recorded",
    "voided",
    "written_off",
    "deleted",
    "refunded",
    "credited",
]

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


class Clock:
    """The time of one case: real time plus what was skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.skipped

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self.skipped += seconds


@dataclass(frozen=True)
class Event:
    """One thing that happened to a customer. `call` is the caller's call whose request did it."""

    at: float
    call: int
    kind: Kind
    invoice: str
    amount: int = 0


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    call: int

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    @property
    def form(self) -> dict[str, str]:
        """A form body; a name that comes twice keeps its last value."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Doc:
        """A JSON body; an empty one is an empty object."""
        value = json.loads(self.body) if self.body.strip() else {}
        if not isinstance(value, dict):
            raise TypeError("the body is not an object")
        return value

    def fingerprint(self, *headers: str) -> tuple[Any, ...]:
        """What has to be equal when a key is used again."""
        return self.method, self.path, self.query, self.body, [self.headers.get(name) for name in headers]


@dataclass
class Answer:
    """An answer; `stored`: whether it is kept under the request's key."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    stored: bool = True

    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Refused(Exception):
    """Raised by a route: this is the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


RESET = Answer(0, b"")
"""Not an answer: the connection is cut."""


@dataclass
class Kept:
    """What is remembered of a key. No answer: its request is still running."""

    fingerprint: tuple[Any, ...]
    since: float
    answer: Answer | None = None


@dataclass(frozen=True)
class Fault:
    """What goes wrong at one request.

    reset_before, reset_after: the connection is cut before, or after, the request took effect. late: it is cut, and the
    effect lands `seconds` later. throttled: 429, with Retry-After where `seconds` is set. failed_before, failed_after:
    the provider's own 500. html_before, html_after: a proxy's 502. torn: half of the answer's JSON. repeated: a proxy
    gives the previous answer again. twice: a proxy delivers the request two times. killed_before, killed_after: the
    caller's process is killed. lie: the request takes effect and is refused (for the control alone).
    """

    kind: str
    seconds: float = 0


Route = tuple[str, "re.Pattern[str]", Callable[..., Answer]]


class Provider:
    """A provider's account: its documents, keys, faults and ledger. Subclasses hold the provider's own rules."""

    name = ""
    key_header = "idempotency-key"
    keyed = frozenset({"POST"})
    key_length = 255
    lifetime = 24 * 3600.0
    """Seconds for which a key is remembered."""
    kept_headers: tuple[str, ...] = ()
    """Headers that belong to what a key stands for."""
    replay_headers: dict[str, str] = {}  # noqa: RUF012 - read only

    def __init__(self, clock: Clock, secret: str) -> None:
        self.clock, self.secret, self.url = clock, secret, ""
        self._lock = threading.RLock()
        self.routes: list[Route] = []
        for method, pattern, handler in self.declared_routes():
            exact = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern) + "$")
            self.routes.append((method, exact, handler))
        self.reset()

    # ── what a provider states ───────────────────────────────────────────────────────────────────────────────────────
    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Every route: method, path and what answers it."""
        raise NotImplementedError

    def is_authorized(self, request: Request) -> bool:
        """Whether the request carries the account's key as this provider wants it."""
        return request.headers.get("authorization") == f"Bearer {self.secret}"

    def error(self, case: str, message: str, **facts: Any) -> Answer:
        """Give the provider's own words for unauthorized, no_route, mismatch, running, throttled or failed."""
        raise NotImplementedError

    def keep_failure(self, kept: Kept) -> bool:
        """Decide what a key remembers after a 500 that followed the effect. False: it is forgotten."""
        kept.answer = self.error("failed", "something went wrong on our side")
        return True

    def seed(self) -> None:
        """Put into a fresh account what a case begins with."""

    # ── the state ────────────────────────────────────────────────────────────────────────────────────────────────────
    def reset(self, **switches: Any) -> None:
        """Begin a new account."""
        with self._lock:
            self.switches = switches
            self.invoices: dict[str, Doc] = {}
            self._history: dict[str, list[tuple[float, Doc]]] = {}
            self.events: list[Event] = []
            self.keys: dict[str, Kept] = {}
            self.faults: dict[tuple[int, int], Fault] = {}
            self.requests: list[Request] = []
            self.call, self.victim, self._serial, self._acting = 0, 0, 0, 0
            self._arrived: dict[int, int] = {}
            self._under_way: list[tuple[float, Request]] = []
            self._previous: Answer | None = None
            self.forgets_keys = False
            self.listing_lag = 0.0
            self.seed()

    def switch(self, name: str, default: Any = None) -> Any:
        """One of this account's switches."""
        return self.switches.get(name, default)

    def new_id(self, prefix: str, length: int = 24) -> str:
        """An id that no other document has."""
        self._serial += 1
        return prefix + f"{self._serial:0{length}d}"

    def record(self, kind: Kind, doc: Doc, amount: int = 0) -> None:
        """Write into the ledger, and keep the document as it is now for listings that lag."""
        self.events.append(Event(self.clock.now(), self._acting, kind, doc["id"], amount))
        self._history.setdefault(doc["id"], []).append((self.clock.now(), copy.deepcopy(doc)))

    def listed(self, lag: float | None = None) -> Iterator[Doc]:
        """The invoices as a listing shows them, newest first; `lag` in seconds."""
        until = self.clock.now() - (self.listing_lag if lag is None else lag)
        for versions in reversed(self._history.values()):
            seen = [doc for at, doc in versions if at <= until]
            if seen and not seen[-1].get("_deleted"):
                yield seen[-1]

    def under_way(self, call: int | None = None) -> int:
        """How many requests (of one call) have not taken effect yet."""
        with self._lock:
            return sum(call is None or request.call == call for _, request in self._under_way)

    def landed(self) -> None:
        """Let every delayed effect happen whose time has come."""
        with self._lock:
            due = [entry for entry in self._under_way if entry[0] <= self.clock.now()]
            self._under_way = [entry for entry in self._under_way if entry not in due]
            for at, request in sorted(due, key=lambda entry: entry[0]):
                key = request.headers.get(self.key_header)
                kept = self.keys.get(key) if key else None
                overdue = self.clock.now() - at
                self.clock.skip(-overdue)  # it happens when it was due, not when somebody next asks
                answer = self._answer(request)
                self.clock.skip(overdue)
                if kept is not None:
                    kept.answer = answer

    # ── one request ──────────────────────────────────────────────────────────────────────────────────────────────────
    def receive(self, request: Request) -> Answer:
        """Take a request in, with what goes wrong at it."""
        with self._lock:
            self.landed()
            self.requests.append(request)
            place = self._arrived[request.call] = self._arrived.get(request.call, -1) + 1
            fault = self.faults.get((request.call, place), Fault("none"))
            answer = self._with_fault(request, fault)
            if answer is not RESET:
                self._previous = answer
            return answer

    def _with_fault(self, request: Request, fault: Fault) -> Answer:
        if not self.is_authorized(request):
            return self.error("unauthorized", "the API key is not valid")
        if (instead := self._instead(request, fault)) is not None:
            return instead
        answer = self._keyed(request)
        if fault.kind == "twice":
            answer = self._keyed(request)
        return self._spoiled(request, fault, answer)

    def _instead(self, request: Request, fault: Fault) -> Answer | None:
        """Answer a request that does not take effect now; None: it does."""
        kind = fault.kind
        if kind == "killed_before":
            return self._kill()
        if kind == "reset_before" or (kind == "late" and not request.writes):
            return RESET
        if kind == "throttled":
            answer = self.error("throttled", "too many requests")
            return answer if not fault.seconds else Answer(429, answer.body, {"Retry-After": f"{fault.seconds:.0f}"})
        if kind == "failed_before":
            return self.error("failed", "something went wrong on our side")
        if kind == "html_before":
            return Answer(502, HTML.encode(), {"Content-Type": "text/html"})
        if kind == "repeated":
            return self._previous
        return self._begin_late(request, fault.seconds) if kind == "late" else None

    def _spoiled(self, request: Request, fault: Fault, answer: Answer) -> Answer:
        """Give what arrives of the answer to a request that took effect."""
        kind = fault.kind
        if kind == "lie" and request.writes:
            return self.error("invalid", "this is refused")
        if kind == "killed_after":
            return self._kill()
        if kind == "reset_after":
            return RESET
        if kind == "failed_after" and request.writes and answer.status < 400:
            return self._fail_after(request)
        if kind == "html_after":
            return Answer(502, HTML.encode(), {"Content-Type": "text/html"})
        if kind == "torn":
            content = answer.content()
            return Answer(answer.status, content[: len(content) // 2], answer.headers)
        return answer

    def _kill(self) -> Answer:
        if self.victim:
            os.kill(self.victim, signal.SIGKILL)
        return RESET

    def _key(self, request: Request) -> str | None:
        return request.headers.get(self.key_header) if request.method in self.keyed else None

    def _kept(self, key: str) -> Kept | None:
        kept = self.keys.get(key)
        if kept is not None and (self.forgets_keys or self.clock.now() - kept.since >= self.lifetime):
            del self.keys[key]
            return None
        return kept

    def _begin_late(self, request: Request, seconds: float) -> Answer:
        key = self._key(request)
        if key is not None:
            if self._kept(key) is not None:
                return self._keyed(request)
            self.keys[key] = Kept(request.fingerprint(*self.kept_headers), self.clock.now())
        self._under_way.append((self.clock.now() + seconds, request))
        return RESET

    def _fail_after(self, request: Request) -> Answer:
        key = self._key(request)
        kept = self.keys.get(key) if key is not None else None
        if key is not None and kept is not None and not self.keep_failure(kept):
            del self.keys[key]
        return self.error("failed", "something went wrong on our side")

    def _keyed(self, request: Request) -> Answer:
        """Answer a request, or give the stored answer of its key again."""
        key = self._key(request)
        if key is None:
            return self._answer(request)
        if len(key) > self.key_length:
            return self.error("invalid", "the idempotency key is too long")
        kept = self._kept(key)
        if kept is not None:
            if kept.fingerprint != request.fingerprint(*self.kept_headers):
                return self.mismatch(kept)
            if kept.answer is None:
                return self.error("running", "a request with this key is still in progress")
            return Answer(kept.answer.status, kept.answer.body, {**kept.answer.headers, **self.replay_headers})
        answer = self._answer(request)
        if answer.stored and not self.forgets_keys:
            self.keys[key] = Kept(request.fingerprint(*self.kept_headers), self.clock.now(), answer)
        return answer

    def mismatch(self, kept: Kept) -> Answer:
        """Answer a key that comes with another request."""
        return self.error("mismatch", "this key was used with another request")

    def _answer(self, request: Request) -> Answer:
        self._acting = request.call
        found = False
        for method, pattern, handler in self.routes:
            match = pattern.match(request.path)
            found = found or match is not None
            if match is not None and method == request.method:
                try:
                    answer = handler(request, **{name: unquote(value) for name, value in match.groupdict().items()})
                except Refused as refused:
                    answer = refused.answer
                return Answer(answer.status, answer.content(), answer.headers, answer.stored)  # as it is at this moment
        return self.error("no_route", f"no route for {request.method} {request.path}")
