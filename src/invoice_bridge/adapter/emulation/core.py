"""The base of the in-memory providers: incoming requests, routes, idempotency keys and a ledger.

Rules of this file: deterministic. Ids count up, the caller gives the clock, and nothing else is read. An emulator
claims how a provider behaves: each of its rules cites the provider's documentation, and a named switch sets what the
documentation leaves unconfirmed.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from invoice_bridge.adapter.declared import StatusRow, status_of
from invoice_bridge.adapter.emulation.events import EmulatedEvent, Happening, Reports
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.wire import Request, Response

if TYPE_CHECKING:
    from invoice_bridge.adapter.emulation.probes import Probes

Clock = Callable[[], datetime]
_EVENTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as the provider receives it: decoded path segments below the root, header names in lower case."""

    method: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    content: bytes
    root: str
    """The URL below which this provider answers, without a trailing slash."""

    @classmethod
    def of(cls, request: Request, root: str) -> IncomingRequest:
        """Read a request below `root`."""
        parts = urlsplit(request.url)
        below = parts.path.removeprefix(urlsplit(root).path)
        return cls(
            request.method,
            tuple(unquote(segment) for segment in below.split("/") if segment),
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in request.headers.items()},
            request.content,
            root,
        )

    def form(self) -> list[tuple[str, str]]:
        """Return the body as form fields, in order. Raises ValueError unless it is UTF-8."""
        return parse_qsl(self.content.decode("utf-8"), keep_blank_values=True)

    def json(self) -> Any:
        """Return the body as JSON, read exactly. Raises ValueError."""
        return loads(self.content) if self.content else {}


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the ledger: what happened to a customer, when, and by which invoice. `units` are the provider's."""

    event: str
    """issued, mailed, collected, recorded (paid elsewhere), refunded, credited, voided, written_off, deleted

    balance_applied (by issuing: above zero what the customer owed is billed, below it a credit is used up);
    carried_over (to the next invoice, which bills it)
    """
    invoice_id: str
    customer: str | None
    units: Any
    currency: str
    reference: str | None
    at: datetime


class ErrorResponse(Exception):
    """A refusal by the provider, with its complete answer."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        super().__init__(f"HTTP {answer.status}")


@dataclass
class StoredResponse:
    """The answer that is stored under an idempotency key, and a fingerprint of its request."""

    fingerprint: tuple[Any, ...]
    answer: Response
    at: datetime


def count_in(text: str) -> int | None:
    """Return the count that a text is; None for any other text, and for more digits than anything is counted in."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def nested(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Read form fields such as a[b]=1 and a[0][c]=2 into nested dicts. List indexes become keys, in their order."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = re.findall(r"[^\[\]]+|\[\]", name) or [name]
        place = tree
        for key in rest:
            following = place.setdefault(first, {})
            if not isinstance(following, dict):
                break
            place, first = following, str(len(following)) if key == "[]" else key
        place[first] = value
    return tree


def fits(wanted: Sequence[str], segments: Sequence[str]) -> bool:
    """Return whether path segments match those of a route; {id} matches any segment."""
    return len(wanted) == len(segments) and all(
        want.startswith("{") or want == have for want, have in zip(wanted, segments, strict=True)
    )


def _as_it_is(answer: Response) -> Response:
    return answer


class Emulator(ABC):
    """The base of the in-memory providers: call it with a Request, and it returns the Response of the provider.

    `clock` gives the provider's present. `switches` sets what the documentation leaves unconfirmed; see SWITCHES.
    Several threads may call it; it answers one request at a time.
    """

    name: ClassVar[str]
    ROUTES: ClassVar[tuple[tuple[str, str, str], ...]]
    """(method, path with {id}, name of the method that answers)"""
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {}
    """name → (default, what is not confirmed)"""
    PROBES: ClassVar[Probes | None] = None
    """The requests that show the switches at an account; None: not built."""
    COMPUTES: ClassVar[frozenset[str]] = frozenset()
    """The native parameters that change the amount and whose effect it computes: it refuses all others of that kind."""
    statuses: ClassVar[tuple[StatusRow, ...]] = ()
    """The provider's own table of statuses."""
    transitions: ClassVar[Mapping[str, Transition]] = {}
    """The provider's own table of transitions."""
    window: ClassVar[timedelta] = timedelta(0)
    """How long a key is remembered."""
    key_header: ClassVar[str] = ""
    """The header of idempotency keys; empty for a provider without them."""
    key_methods: ClassVar[frozenset[str]] = frozenset({"POST"})
    """The methods whose key counts."""
    key: ClassVar[str]
    """The only API key that is accepted. Its spelling shows that it is not a real one."""
    customer: ClassVar[str]
    """A customer that exists from the start."""
    payment_method: ClassVar[str | None] = None
    """A payment method of that customer, if bills must name one."""
    subscription: ClassVar[str | None] = None
    """A subscription of that customer with accrued charges, if the provider has subscriptions."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """The settings of a client for this emulator."""
    reference_settings: ClassVar[Mapping[str, Any]] = {}
    """Further settings that give every bill a field for its reference."""

    reports: ClassVar[Reports | None] = None
    """How it words the events of its webhooks; None if its provider documents no event of an invoice."""

    emits = False
    """Whether it keeps events; a server sets it."""
    links: str = "https://invoice.example.test"
    """The URL below which the links of its documents are; a server sets its own."""
    invoices: dict[str, dict[str, Any]]
    """The invoices, by id."""

    def __init__(self, *, clock: Clock | None = None, switches: Mapping[str, bool] | None = None) -> None:
        self.clock = clock or FakeClock()
        if unknown := set(switches or {}) - set(self.SWITCHES):
            raise ValueError(
                f"{self.name} has no switch {', '.join(sorted(unknown))}; it has {', '.join(self.SWITCHES)}"
            )
        self.switches = {name: default for name, (default, _) in self.SWITCHES.items()} | dict(switches or {})
        self.ledger: list[LedgerEntry] = []
        self.kept: dict[str, StoredResponse] = {}
        self.running: set[str] = set()
        """The keys whose first request is still running."""
        self.requests = 0
        self.writes = 0
        """The number of writes that took effect; refusals and replays do not count."""
        self.events: deque[EmulatedEvent] = deque(maxlen=_EVENTS_KEPT)
        self._happenings: list[Happening] = []
        self._lock = threading.RLock()
        self._numbers: dict[str, int] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the state. The copy shares the clock and has its own lock."""
        made = object.__new__(type(self))
        memo |= {id(self): made, id(self.clock): self.clock, id(self._lock): threading.RLock()}
        for name, value in self.__dict__.items():
            setattr(made, name, deepcopy(value, memo))
        return made

    def __call__(self, request: Request, root: str, spoil: Callable[[Response], Response] = _as_it_is) -> Response:
        """Answer a request for a URL below `root`.

        `spoil` replaces the answer of a request that took effect, before it is stored under the key; see faults.py.
        """
        with self._lock:
            self.requests += 1
            call = IncomingRequest.of(request, root)
            try:
                self.authenticate(call)
                return self._once(call, spoil)
            except ErrorResponse as refused:
                return refused.answer

    def key_of(self, call: IncomingRequest) -> str | None:
        """Return the request's idempotency key, or None if the provider ignores the header for its method."""
        counts = bool(self.key_header) and call.method in self.key_methods
        return call.headers.get(self.key_header.lower()) if counts else None

    def _once(self, call: IncomingRequest, spoil: Callable[[Response], Response]) -> Response:
        key = self.key_of(call)
        if key is None:
            return spoil(self._ran(call))
        now, fingerprint = self.clock(), self.fingerprint(call)
        kept = self.kept.get(key)
        if kept is not None and now - kept.at < self.window:
            if kept.fingerprint != fingerprint:
                return self.mismatch(call, kept)
            return spoil(self.replayed(kept.answer))
        if key in self.running:
            return self.in_progress(call)
        answer = spoil(self._ran(call))
        if self.keeps(answer):
            self.kept[key] = StoredResponse(fingerprint, answer, now)
        return answer

    def _ran(self, call: IncomingRequest) -> Response:
        try:
            answer = self._answer(call)
        except ErrorResponse as refused:
            return refused.answer
        finally:
            self.report()
        if call.method != "GET" and answer.status < 300:
            self.writes += 1
        return answer

    def _answer(self, call: IncomingRequest) -> Response:
        for method, pattern, name in self.ROUTES:
            wanted = pattern.strip("/").split("/")
            if method == call.method and fits(wanted, call.segments):
                ids = (have for want, have in zip(wanted, call.segments, strict=True) if want.startswith("{"))
                return getattr(self, name)(call, *ids)  # type: ignore[no-any-return]
        return self.no_such_route(call)

    # what each provider answers
    @abstractmethod
    def authenticate(self, call: IncomingRequest) -> None:
        """Check credentials and version. Raises ErrorResponse."""

    @abstractmethod
    def no_such_route(self, call: IncomingRequest) -> Response:
        """Answer a request for a path that does not exist."""

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """Answer a request that reuses the key of another request. A provider with keys overrides this."""
        raise NotImplementedError(f"{self.name} has idempotency keys: override `mismatch`, which answers a reused key")

    def fingerprint(self, call: IncomingRequest) -> tuple[Any, ...]:
        """Return the parts of a request that must be equal for its key to be replayed."""
        return (call.method, call.segments, call.query, call.content)

    def keeps(self, answer: Response) -> bool:
        """Return whether an answer is stored under its key."""
        return bool(answer.status)

    def replayed(self, answer: Response) -> Response:
        """Return an earlier answer again, marked as a replay."""
        return Response(answer.status, answer.content, {**answer.headers, "idempotent-replayed": "true"})

    # what goes wrong, in the provider's words; by default in those of a proxy in front of it
    def in_progress(self, call: IncomingRequest) -> Response:
        """Answer a request whose key is in use by a request that is still running.

        A provider that may wait for the first request instead has the switch "in_progress_waits".
        """
        del call
        return Response(409, b"Conflict", {"content-type": "text/plain"})

    def server_error(self) -> Response:
        """Answer with a failure of the provider's own."""
        return Response(500, b"Internal Server Error", {"content-type": "text/plain"})

    def throttled(self, retry_after: str | None) -> Response:
        """Answer one request too many. `retry_after` is the value of the header; None sends no header."""
        return self.with_retry_after(Response(429, b"Too Many Requests", {"content-type": "text/plain"}), retry_after)

    def accrue(self) -> None:  # noqa: B027 - most emulators need nothing more
        """Add charges of the customer in May 2026 that no invoice bills yet, unless they exist from the start."""

    def seed_customer(self, customer_id: str, *, email: str | None, name: str | None) -> None:
        """Add a customer that exists already."""
        del customer_id, email, name
        raise NotImplementedError(f"the emulator of {self.name} takes no customers: override `seed_customer`")

    def seed_payment_method(self, method_id: str, customer_id: str) -> None:
        """Add a payment method that exists already. Raises LookupError for an unknown customer."""
        del method_id, customer_id
        raise NotImplementedError(f"the emulator of {self.name} takes no methods: override `seed_payment_method`")

    def add_draft(self) -> str | None:
        """Make a draft that no bill creates, such as that of a subscription in its grace period; return its id.

        Returns None if the provider creates drafts from bills, or has no drafts.
        """
        return None

    # what the providers share
    def allows(self, verb: str, native: str) -> bool:
        """Return whether the provider's table allows a verb in a native status; switches decide what is unconfirmed."""
        return self.transitions[verb].is_allowed(status_of(self.statuses, native), native, self.switches)

    def next_id(self, prefix: str) -> str:
        """Return the next id with a prefix: in_00000001, in_00000002 …"""
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return f"{prefix}{self._numbers[prefix]:08d}"

    def now_seconds(self) -> int:
        """Return the provider's present in whole seconds since 1970."""
        return int(self.clock().timestamp())

    def happened(self, what: str, invoice_id: str, document: Mapping[str, Any] | None = None) -> None:
        """Note what the provider would report when the request is done."""
        if self.emits:
            self._happenings.append(Happening(what, invoice_id, document))

    def report(self) -> None:
        """Make the events of what happened since the last report."""
        happenings, self._happenings = self._happenings, []
        if (reports := self.reports) is None:
            return
        for happening in happenings:
            for name, document in reports.describe(self, happening):
                event_id = self.next_id(reports.prefix)
                body = dumps(reports.envelope(self, event_id, name, document))
                self.events.append(EmulatedEvent(event_id, name, happening.invoice_id, self.clock(), body))

    def find_event(self, event_id: str) -> EmulatedEvent | None:
        """Return an event that it keeps, by its id."""
        return next((event for event in self.events if event.id == event_id), None)

    def pass_time(self) -> None:  # noqa: B027 - most providers report nothing by time alone
        """Note what the provider reports because time has passed, such as an invoice that is now past due."""

    def record(  # noqa: PLR0917 - the columns of the ledger, in their order
        self, event: str, invoice_id: str, customer: str | None, units: Any, currency: str, reference: str | None
    ) -> None:
        """Write a line into the ledger."""
        self.ledger.append(LedgerEntry(event, invoice_id, customer, units, currency, reference, self.clock()))
        self.happened(event, invoice_id)

    @staticmethod
    def with_retry_after(answer: Response, retry_after: str | None) -> Response:
        """Add Retry-After to an answer, if a value is given."""
        header = {} if retry_after is None else {"retry-after": retry_after}
        return Response(answer.status, answer.content, {**answer.headers, **header})

    @staticmethod
    def json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Make an answer of JSON."""
        return Response(status, dumps(body), {"content-type": "application/json", **(headers or {})})


@dataclass
class FakeClock:
    """A clock for tests and examples. It begins at a fixed instant and advances by `step` at each reading."""

    now: datetime = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    step: timedelta = field(default=timedelta(0))

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now
