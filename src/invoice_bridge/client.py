"""Client and AsyncClient: the only module that does network I/O, within the bounds of invoice_bridge.exchange.

Both drive the same flows; each has one runner of a few lines. A client may be used by several threads (or tasks) at
once: what changes in it, its HTTP connection pool and what it lost lately, is safe to share. A client made before a
fork refuses to work in the child: two processes would share one connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, cast, overload
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from pydantic import ValidationError

from invoice_bridge import client_settings, logs, providers
from invoice_bridge.client_settings import fault_of_key
from invoice_bridge.commands import (
    Bill,
    Command,
    Delete,
    Filters,
    Finalize,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    OneTimeCharge,
    OnInvoice,
    Pay,
    PeriodInvoice,
    Retrieve,
    SendInvoice,
    Update,
    Void,
    faults,
)
from invoice_bridge.credentials import ApiKey
from invoice_bridge.errors import (
    AlreadyBilled,
    BridgeError,
    ConfigurationError,
    Discrepancy,
    IdempotencyMismatch,
    MalformedResponse,
)
from invoice_bridge.exchange import Body, Bound, bound_network, bounded, bounded_async
from invoice_bridge.explain import Plan, context, losses_of, plan
from invoice_bridge.idempotency import Lookup
from invoice_bridge.interruption import Trail
from invoice_bridge.journal import Book, Ended, Journal, RecentLosses, Try, digest_of, unresolved, verdict_of
from invoice_bridge.lookup import SETTLES, Resolution, begin, go_on, resolve
from invoice_bridge.losses import Allow, Loss, names_allowed, refuse_losses
from invoice_bridge.model import CustomerRef, Invoice, Status, in_utc
from invoice_bridge.money import Money
from invoice_bridge.outcome import Lost, NotSent, Policy, Verdict, supervise, verdict
from invoice_bridge.pace import Pace
from invoice_bridge.provider import Context, Page, Rate, Unreadable
from invoice_bridge.settings import ChargebeeSettings, Common, StripeSettings, WhopSettings
from invoice_bridge.wire import Request, Response, Send, Steps

if TYPE_CHECKING:  # at run time it is imported when a client is made: it loads a command-line library of its own
    import httpx

Http = TypeVar("Http", "httpx.Client", "httpx.AsyncClient")
C = TypeVar("C", bound=Command)
T = TypeVar("T")

OnDiscrepancy = Literal["raise", "report"]

_NAME = f"invoice-bridge/{version('invoice-bridge')}"
_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
    "hpack.table",
)
"""What logs the requests and answers of the HTTP library, headers of answers among them."""

_paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()
_paces_lock = threading.Lock()


class _Core(Generic[Http]):
    """What the two clients share: everything but the waiting."""

    _is_async = False

    @overload
    def __init__(
        self,
        provider: Literal["chargebee"],
        *,
        api_key: str,
        http: Http | None = None,
        **settings: Unpack[ChargebeeSettings],
    ) -> None: ...
    @overload
    def __init__(
        self, provider: Literal["stripe"], *, api_key: str, http: Http | None = None, **settings: Unpack[StripeSettings]
    ) -> None: ...
    @overload
    def __init__(
        self, provider: Literal["whop"], *, api_key: str, http: Http | None = None, **settings: Unpack[WhopSettings]
    ) -> None: ...
    @overload
    def __init__(
        self, provider: Literal["chargeapi"], *, api_key: str, http: Http | None = None, **settings: Unpack[Common]
    ) -> None: ...
    @overload  # another package's provider, or a name in a variable: its own settings come in a mapping, as **settings
    def __init__(
        self, provider: str, *, api_key: str, http: Http | None = None, **settings: Unpack[Common]
    ) -> None: ...
    def __init__(
        self,
        provider: str,
        *,
        api_key: str,
        base_url: str | None = None,
        http: Http | None = None,
        timeout: float = 30.0,
        deadline: float | None = None,
        mode: Literal["test", "live"] | None = None,
        insecure: bool = False,
        customers: Mapping[str, Mapping[str, str]] | None = None,
        lookup: Lookup = "auto",
        journal: str | os.PathLike[str] | None = None,
        book: str = "default",
        requests_per_minute: int | None = None,
        **settings: Any,
    ) -> None:
        fault, key = fault_of_key(api_key), None
        if fault is None:
            key = ApiKey(api_key)
        del api_key  # a traceback that shows variables shall not show it, least of all that of its refusal
        if key is None:
            raise ConfigurationError(fault)
        self._key, self._insecure = key, insecure
        try:
            client_settings.check(
                base_url=base_url,
                timeout=timeout,
                deadline=deadline,
                insecure=insecure,
                mode=mode,
                lookup=lookup,
                book=book,
                customers=customers,
                journal=journal,
                requests_per_minute=requests_per_minute,
            )
            if http is not None:
                client_settings.check_http(http, is_async=self._is_async)
            if self._key.is_in(repr((settings, base_url, customers, journal))):
                raise ConfigurationError("the API key is in another setting: write it in api_key alone")
            self._use = _context(provider, self._key, settings, base_url, mode=mode, lookup=lookup, insecure=insecure)
        except ConfigurationError as error:
            raise ConfigurationError(self._key.conceal(str(error))) from None
        self._timeout, self._deadline = timeout, deadline
        self._policy = Policy(
            backoff=_full_jitter(),
            pace=_pace_of(self._use, self._key, requests_per_minute),
            search_pace=_search_pace_of(self._use, self._key),
        )
        self._book = Book(self._use.account, book, mode or self._mode_of_key() or "")
        self._journal = None if journal is None else Journal(journal)
        self._lately = RecentLosses()
        self._customers = {name: dict(ids) for name, ids in (customers or {}).items()}
        self._closes_http, self._process = http is None, os.getpid()
        self._http: Http = self._new_http() if http is None else http
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failures = _failures_of(self._http)
        for name in (*_LOGGERS, *_loggers_of(self._http)):
            logging.getLogger(name).addFilter(_without_keys)  # once, however many clients there are

    def _new_http(self) -> Http:
        raise TypeError("use Client or AsyncClient")

    def _mode_of_key(self) -> str | None:
        use = self._use
        return use.provider.mode(self._key.text, use.settings, use.base_url)

    @property
    def _trusts_environment(self) -> bool:
        """Whether proxies of the environment are used: plain http to loopback would leave this machine through one."""
        base = urlsplit(self._use.base_url)
        return base.scheme == "https" or not _is_loopback(base.hostname or "")

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._use.provider.name

    def __repr__(self) -> str:
        use: Context | None = getattr(self, "_use", None)  # absent while it is made, and where that failed
        return f"{type(self).__name__}({'' if use is None else f'{use.provider.name!r}, base_url={use.base_url!r}'})"

    def explain(self, command: Command, *, since: datetime | None = None) -> Plan:
        """Show exactly what a command would send from this client; see invoice_bridge.explain.

        What the journal knows is part of it: a bill of another content or account is refused here as it would be.
        """
        ask = self._portable(command)
        try:
            use = self._prepare(ask, since=since).use
        except (AlreadyBilled, IdempotencyMismatch) as refusal:
            return Plan(self.provider, refusal=refusal)
        return plan(ask, use)

    def losses(self, command: Command, *, as_of: datetime | None = None) -> tuple[Loss, ...]:
        """List what this client's provider would not carry of a command; see invoice_bridge.losses."""
        ask = self._portable(command)
        return losses_of(ask, self._use.on(ask), as_of)

    def _steps(self, prepared: _Prepared, allow: Allow = (), on_discrepancy: OnDiscrepancy = "raise") -> Steps[Any]:
        """A command's flow, supervised. Losses are refused after its first request is made and before that is sent."""
        ask, use = prepared.ask, prepared.use
        found = losses_of(ask, use)
        use = replace(use, allowed=names_allowed(allow))
        flow = begin(ask, use, unsettled=prepared.unsettled)
        again = None if use.lookup == "never" or not isinstance(ask, Bill) else lambda: go_on(ask, use)
        try:
            done = yield from supervise(
                flow, use, self._policy, lambda: refuse_losses(found, allow, use.provider.title), again
            )
        except Discrepancy as other:
            if on_discrepancy == "raise" or other.invoice is None:
                raise
            done = other.invoice.model_copy(update={"discrepancies": (str(other),)})
        return done.model_copy(update={"losses": found}) if found and isinstance(done, Invoice) else done

    def _prepare(
        self, command: Command, *, since: datetime | None = None, on_discrepancy: OnDiscrepancy = "raise"
    ) -> _Prepared:
        """Everything that is known before a command's first request, the journal's and this client's memory included.

        Reads the journal, so that an AsyncClient does it in a thread. Raises BilledElsewhere, and IdempotencyMismatch
        where the journal knows the reference with another content.
        """
        try:
            return self._prepared(command, since, on_discrepancy)
        except BridgeError as error:
            logs.refused(self.provider, command, error)
            raise

    def _prepared(self, command: Command, since: datetime | None, on_discrepancy: OnDiscrepancy) -> _Prepared:
        self._check_usable()
        if os.getpid() != self._process:
            raise ConfigurationError("this client was made before a fork: make a new one in the child process")
        if on_discrepancy not in {"raise", "report"}:
            raise ConfigurationError(f'on_discrepancy is "raise" or "report", not {on_discrepancy!r}')
        ask = self._portable(command)
        use = self._use.on(ask)
        if not isinstance(ask, Bill):
            return _Prepared(ask, use)
        now = datetime.now(UTC)
        first = _since(since, now)
        lost = self._lately.unresolved(ask.reference)
        tries = self._tries(ask)
        unknown = unresolved(tries)
        pending = [known for known in unknown.values() if known.last_at is None or now - known.last_at < SETTLES]
        keyless = not use.provider.idempotency.methods  # then the same attempt would take effect a second time too
        attempts = {attempt for attempt, at in lost.items() if now - at < SETTLES} | {one.attempt for one in pending}
        unsettled = any(attempt != ask.attempt or keyless for attempt in attempts)
        counted = [known for known in tries if verdict_of(known) == "applied" or known.step in unknown]
        if counted:  # what was refused made nothing
            began = [known.began_at for known in tries]
            known_since = None if None in began else min(at for at in began if at is not None)
            if known_since is not None and known_since > now:  # written by a clock that was ahead: it says nothing
                known_since = None
            made = tuple(dict.fromkeys(known.invoice_id for known in tries if known.invoice_id is not None))
            applied = [known for known in tries if verdict_of(known) == "applied"]
            use = replace(
                use,
                tried=True,
                since=known_since,
                made=made,
                applied=frozenset({known.key for known in applied if known.key} | {known.url for known in applied}),
                mine=frozenset(
                    known.invoice_id for known in tries if known.attempt == ask.attempt and known.invoice_id
                ),
                anyone=_is_other(counted, digest_of(ask, self.provider)),
            )
        elif lost:  # what this client itself lost lately, it looks for
            is_dear = use.provider.look is not None  # a read for each invoice: those that are older are let be
            use = replace(use, tried=True, since=min(lost.values()) if is_dear else None)
        elif self._journal is not None:
            use = replace(use, tried=False)
        if first is not None:
            use = replace(use, since=first if not use.tried or use.since is None else min(first, use.since))
        return _Prepared(ask, use, unsettled, digest_of(ask, self.provider))

    def _tries(self, ask: Bill) -> list[Try]:
        """What the journal knows of a bill's requests that may have reached the provider, oldest first."""
        if self._journal is None:
            return []
        self._journal.refuse_elsewhere(self._book, ask.reference)
        tries = [known for known in self._journal.tries(self._book, ask.reference) if known.left]
        digest = digest_of(ask, self.provider)
        pending = unresolved(tries)
        for known in tries:
            stands = verdict_of(known) == "applied" or known.step in pending
            if known.attempt == ask.attempt and stands and known.digest not in {None, digest}:
                what = f"the invoice {known.invoice_id}" if known.invoice_id else "a try"
                mismatch = IdempotencyMismatch(
                    f"the journal knows the reference {ask.reference!r} with another content ({what}, "
                    f"{'' if known.began_at is None else known.began_at.isoformat()}); nothing was sent: give a new "
                    "bill a new reference"
                )
                mismatch.invoice_id = known.invoice_id
                raise mismatch
        return tries

    def _resolving(
        self, command: OneTimeCharge | PeriodInvoice, since: datetime | None
    ) -> tuple[Steps[Resolution], _Prepared]:
        """The lookup alone, supervised."""
        ask = self._portable(command)
        now = datetime.now(UTC)
        known_tries = () if self._journal is None else self._journal.tries(self._book, ask.reference)
        tries = [known for known in known_tries if known.left]
        use = self._use.on(ask)
        first = _since(since, now)
        readable: list[datetime] = [
            known.began_at for known in tries if known.began_at is not None and known.began_at <= now
        ]
        if first is None and not tries:
            raise ConfigurationError(
                "resolve needs to know when the bill was first tried: pass since=…, or keep a journal from the start"
            )
        whole = len(readable) == len(tries)
        given: list[datetime] = [] if first is None else [first]
        begun = min([*readable, *given], default=None) if whole else first
        made = tuple(dict.fromkeys(known.invoice_id for known in tries if known.invoice_id is not None))
        last: list[datetime] = list(self._lately.unresolved(ask.reference).values())
        if (wrote := self._lately.last_write(ask.reference)) is not None:  # whatever `since` says
            last.append(wrote)
        # a time that cannot be read, or that the clock has not reached, may be that of a moment ago
        last += [now if known.last_at is None else min(known.last_at, now) for known in tries]
        flow = resolve(
            ask,
            replace(use, since=begun, made=made, anyone=_is_other(tries, digest_of(ask, self.provider))),
            now=now,
            last=max([*last, *given], default=now),
        )
        last_try = max((known.number for known in known_tries), default=0)
        return supervise(flow, use, self._policy), _Prepared(ask, use, last_try=last_try)

    def _learn(self, prepared: _Prepared | None, done: object) -> None:
        """Have the journal know which bills no longer claim their reference: void, deleted, or found absent.

        Never raises: the call has succeeded, and a claim that is kept only refuses the reference elsewhere.
        """
        try:
            self._teach(prepared, done)
        except ConfigurationError:
            logs.unlearnt(self.provider)

    def _teach(self, prepared: _Prepared | None, done: object) -> None:
        if self._journal is None:
            return
        now = datetime.now(UTC)
        if isinstance(done, Resolution) and prepared is not None and isinstance(prepared.ask, Bill):
            if done.state == "absent":
                reference, last_try = prepared.ask.reference, prepared.last_try
                self._journal.release(self._book, reference, "absent", done.why, now, last_try=last_try)
            invoices: Sequence[object] = done.invoices
        else:
            invoices = done.items if isinstance(done, Page) else (done,)
        for invoice in invoices:
            if isinstance(invoice, Invoice) and invoice.status in {Status.VOID, Status.DELETED}:
                state: Literal["void", "deleted"] = "void" if invoice.status is Status.VOID else "deleted"
                self._journal.learn(self._book, invoice.id, state, "seen by a client", now)

    def _portable(self, ask: C) -> C:
        """Put the customer map's ids in place of a name of the caller's own.

        Raises ConfigurationError for a command that says the API key: it would stand on an invoice, in the provider's
        records, in our journal and in addresses that are logged.
        """
        if self._key.is_in(repr(ask)):
            raise ConfigurationError(f"{ask.verb}: the API key is in what is asked; nothing was sent: leave it out")
        customer: CustomerRef | None = getattr(ask, "customer", None)
        if not self._customers or customer is None or customer.id is None or customer.ids:
            return ask
        if customer.id not in self._customers:
            raise ConfigurationError(
                f"the customer map has no {customer.id!r}: add it, or give the ids themselves: CustomerRef(ids={{…}}), "
                'in a file "customer": {"ids": {…}}'
            )
        return ask.model_copy(update={"customer": customer.model_copy(update={"ids": self._customers[customer.id]})})

    def _admit(
        self, page: Page, ask: ListInvoices, unreadable: str, read: set[str | None]
    ) -> Iterator[Invoice | Unreadable]:
        """Apply every filter again; raise for, or hand on, what could not be read. `read` holds the pages so far."""
        if unreadable not in {"raise", "yield"}:
            raise ConfigurationError(f'unreadable is "raise" or "yield", not {unreadable!r}')
        read.add(ask.cursor)
        if page.next is not None and page.next.cursor in read:
            raise MalformedResponse("the listing gives the same next page for ever", provider=self.provider)
        for item in page.items:
            if isinstance(item, Unreadable) and unreadable == "raise":
                raise item.error
            if isinstance(item, Unreadable) or ask.admits(item, self.provider):
                yield item

    def _until(self) -> float | None:
        return None if self._deadline is None else time.monotonic() + self._deadline

    def _left(self, until: float | None, wanted: float) -> float:
        """How long the next wait may be. Raises NotSent where the deadline leaves nothing."""
        if until is None:
            return wanted
        left = until - time.monotonic()
        if left <= 0:
            raise NotSent(f"the deadline of {self._deadline:g} s has passed")
        return min(wanted, left)

    def _rest(self, until: float | None, wanted: float) -> float:
        """How long to wait before the next request. Raises NotSent where the deadline would pass meanwhile."""
        if self._left(until, wanted) < wanted:
            raise NotSent(f"the deadline of {self._deadline:g} s leaves no time to wait {wanted:.1f} s")
        return wanted

    def _wait(self, until: float | None, wanted: float, after: str) -> float:
        seconds = self._rest(until, wanted)
        logs.waiting(self.provider, seconds, after)
        return seconds

    def _answered(self, ask: Command | None, request: Request, response: Response, trail: Trail) -> str:
        """Take an answer down; returns what a wait that follows comes after."""
        trail.answer(response)
        logs.answered(self.provider, ask, request, response)
        return f"HTTP {response.status}" if response.status >= 300 else "an answer (the limit on requests)"

    def _decided(self, prepared: _Prepared | None, done: object, trail: Trail) -> None:
        if prepared is not None and isinstance(prepared.ask, Bill):
            if isinstance(done, Resolution):
                logs.resolved(self.provider, done.state)
            elif isinstance(done, Invoice):
                logs.decided(self.provider, done.id, made=any(request.opens for request in trail.sent))

    def _failed(self, request: Request, problem: Exception) -> str:
        logs.failed(self.provider, request, problem)
        return "a connection refused" if isinstance(problem, NotSent) else "a lost answer"

    @contextmanager
    def _noting(self, command: Command | None) -> Iterator[Trail]:
        """Log how a call ends, and give what stops the program in its middle a note of what is unknown then."""
        trail = Trail()
        try:
            yield trail
        except BridgeError as error:
            logs.refused(self.provider, command, error)
            raise
        except Exception:
            raise
        except BaseException as stop:
            known = trail.mark(stop, command)
            if known is not None:
                logs.stopped(self.provider, command, stop, known)
            raise

    def _intend(self, request: Request, prepared: _Prepared | None) -> int | None:
        """Have the journal know of a request before it leaves; the row's number, None where none is written."""
        ask = None if prepared is None else prepared.ask
        if self._journal is None or not request.writes:
            return None
        now = datetime.now(UTC)
        if isinstance(ask, Bill) and prepared is not None:
            return self._journal.intend(self._book, ask.reference, ask.attempt, request, now, digest=prepared.digest)
        if isinstance(ask, OnInvoice) and (reference := self._journal.reference_of(self._book, ask.id)) is not None:
            about = replace(request, invoice_id=ask.id)
            return self._journal.intend(self._book, reference, 0, about, now, guarded=False)
        return None

    def _conclude(self, request: Request, prepared: _Prepared | None, number: int | None, exchange: _Exchange) -> None:
        """Note what became of a request, in the journal and in this client's memory."""
        ask, ended, answer = None if prepared is None else prepared.ask, exchange.ended, exchange.answer
        if not request.writes or prepared is None:
            return
        said: Verdict | None = None
        if ended is not None:
            said = "maybe" if ended == "lost" else "deferred"
        if answer is not None:
            said = verdict(request, answer, prepared.use)
        if isinstance(ask, Bill):
            self._lately.note(ask, request.key or f"{request.method} {request.url}", said, datetime.now(UTC))
        if self._journal is not None and number is not None and ended is not None:
            status, invoice_id = (None, None) if answer is None else (answer.status, self._id_in(answer))
            self._journal.conclude(number, ended, datetime.now(UTC), status=status, invoice_id=invoice_id, verdict=said)

    @contextmanager
    def _exchanging(self, request: Request, sent: list[Request], exchange: _Exchange) -> Iterator[None]:
        """Around the sending of one request: `sent` lists what may have left, and the exchange says how it ended."""
        sent.append(request)
        try:
            yield
            exchange.ended = "answered"
        except NotSent:
            sent.pop()
            exchange.ended = "not_sent"
            raise
        except Lost:
            exchange.ended = "lost"
            raise

    def _id_in(self, answer: Response) -> str | None:
        try:
            return self._use.provider.invoice_id(answer.json) if answer.status < 300 else None
        except MalformedResponse:
            return None

    def _bound(self, until: float | None) -> Bound:
        """When an exchange that begins now must have ended. Raises NotSent where the deadline leaves nothing."""
        began = time.monotonic()
        return Bound(began, began + self._left(until, self._timeout))

    def _outgoing(self, request: Request, bound: Bound) -> dict[str, Any]:
        headers = {
            **request.headers,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": _NAME,
        }
        return {
            "method": request.method,
            "url": request.url,
            "headers": headers,
            "content": request.content or None,
            "timeout": bound.ends - bound.began,
            "auth": self._authorize,  # not among the headers: those are variables that a traceback may show
            "follow_redirects": False,
        }

    def _without_cookies(self) -> Http:
        """The HTTP client with a jar that takes nothing. An injected one is copied: its connections, not its jar."""
        if self._closes_http:
            return self._http
        http = copy(self._http)
        http.cookies = _no_cookies()
        return http

    def _check_usable(self) -> None:
        """Raise ConfigurationError, before anything is sent, for a client that is closed."""
        if getattr(self._http, "is_closed", False):
            raise ConfigurationError("this client, or the http client it was given, is closed: make a new one")

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        """Add the key; it replaces what an injected client would add. Its cookies are left out."""
        request.headers["Authorization"] = self._use.provider.auth(self._key.text)
        request.headers.pop("Cookie", None)
        return request

    def _incoming(self, answer: httpx.Response, content: bytes) -> Response:
        """Take the key out of an answer that repeats it, whatever its status. No command said it, so none misses it."""
        headers = {name: self._key.conceal(value) for name, value in answer.headers.items()}
        return Response(answer.status_code, self._key.conceal(content), headers, self.provider)


@dataclass
class _Exchange:
    """One request on its way, and its answer."""

    answer: Response | None = None
    ended: Ended | None = None
    """None: what stopped the program in between leaves the intent open."""


@dataclass(frozen=True)
class _Prepared:
    """A command, and everything that is known before its first request."""

    ask: Command
    use: Context
    unsettled: bool = False
    """Whether a request of another attempt was lost so lately that it may still take effect."""
    digest: str | None = None
    last_try: int | None = None
    """The last of the journal's rows that `resolve` knew when it began."""


@dataclass
class _Intent:
    """An intent that a thread writes down while the task that waits for it may be cancelled."""

    number: int | None = None
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


def _since(since: datetime | None, now: datetime) -> datetime | None:
    """When a bill can have been tried first. Raises ConfigurationError for what is no aware instant of the past."""
    if since is None:
        return None
    if not isinstance(since, datetime):
        raise ConfigurationError(f"since is a datetime, not {since!r}: write datetime(…, tzinfo=UTC)")
    try:
        first = in_utc(since)
    except ValueError as error:
        raise ConfigurationError(f"since: {error}") from None
    if first > now:
        raise ConfigurationError(
            f"since={first.isoformat()} lies in the future: no bill was tried then, and a lookup from there finds "
            "none. Give the time of the first try"
        )
    return first


def _is_other(tries: Iterable[Try], digest: str) -> bool:
    """Whether one of these tries had other content than the bill at hand."""
    return any(known.digest not in {None, digest} for known in tries)


class Client(_Core["httpx.Client"]):
    """Bill through one provider. Use it as a context manager, or close() it.

    `api_key` goes into the Authorization header and nowhere else: a setting or a command that says it is refused, an
    answer that repeats it is cleared of it (see invoice_bridge.credentials). `base_url` points at another host, such as
    an emulator; plain http is accepted for loopback only. `insecure=True` accepts it for every host, and does not check
    the certificates of https either. An injected `http` (httpx.Client) is used as it is, its TLS included, and not
    closed; only its redirects and its credentials are left out. `timeout` is in seconds per request, `deadline` in
    seconds per call; both bound everything from the connection to the last byte. Of an injected client they bound the
    pieces of the body, and not what comes between pieces: a head, an extension of a chunk, trailers. `mode` ("test" or
    "live") refuses a key, site or host that says otherwise. `customers` maps names of the caller's own to ids per
    provider. `lookup` says whether a bill is looked up before it is made ("auto", "always", "never"; "journal" declares
    that the journal has every bill; see invoice_bridge.lookup), `journal` is a file that remembers what was tried,
    `book` the name within which a reference is one bill at whatever provider. `requests_per_minute` replaces the
    provider's documented limit, which all clients of an account in a process keep to together. Further settings are the
    provider's. Raises ConfigurationError for any that cannot be used.

    A verb on an invoice is keyed by the invoice, the verb, its body and `attempt`: repeated within the provider's key
    window it is answered, not done again. Raise `attempt` where it shall be done again.
    """

    def _new_http(self) -> httpx.Client:
        import httpx

        return bound_network(
            httpx.Client(verify=not self._insecure, trust_env=self._trusts_environment, cookies=_no_cookies())
        )

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Client:
        """Make a client from a profile of a TOML file; see invoice_bridge.config. Raises ConfigurationError."""
        from invoice_bridge.config import read_profile

        return cls(**read_profile(path, profile))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal and the connections; an HTTP client that was given stays open."""
        if self._journal is not None:
            self._journal.close()
        if self._closes_http:
            self._http.close()

    def _run(self, steps: Steps[T], prepared: _Prepared | None = None) -> T:
        until, reply, problem, after = self._until(), None, None, "nothing"
        with self._noting(None if prepared is None else prepared.ask) as trail:
            self._check_usable()
            while True:
                try:
                    step = steps.send(reply) if problem is None else steps.throw(problem)
                except StopIteration as done:
                    self._decided(prepared, done.value, trail)
                    self._learn(prepared, done.value)
                    return done.value  # type: ignore[no-any-return]
                reply = problem = None
                try:
                    if isinstance(step, Send):
                        reply = self._send(step.request, until, prepared, trail.sent)
                        after = self._answered(None if prepared is None else prepared.ask, step.request, reply, trail)
                    else:
                        time.sleep(self._wait(until, step.seconds, after))
                except (NotSent, Lost, ConfigurationError, AlreadyBilled) as error:
                    problem = error
                    if isinstance(step, Send):
                        after = self._failed(step.request, error)

    def _send(self, request: Request, until: float | None, prepared: _Prepared | None, sent: list[Request]) -> Response:
        number, exchange = self._intend(request, prepared), _Exchange()
        try:
            with self._exchanging(request, sent, exchange), _told_apart(self._key, self._failures):
                bound = self._bound(until)
                outgoing = self._outgoing(request, bound)
                with bounded(bound), self._without_cookies().stream(**outgoing) as answer:
                    body = Body(answer, bound)
                    for piece in answer.iter_bytes() if body.is_read else answer.iter_raw():
                        body.add(piece)
                exchange.answer = self._incoming(answer, body.whole())
        finally:
            self._conclude(request, prepared, number, exchange)
        return exchange.answer

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Bill. The same reference is billed once, however much later it is made again: see `lookup`.

        `since` (aware) says when the bill can have been tried first: the lookup reads no older invoice. Raises
        Unsupported or LossyTranslation before anything is sent (`allow` accepts losses by path or code), and
        Discrepancy before money is collected; with on_discrepancy="report" the invoice is returned as it is then,
        uncollected, and its `discrepancies` say what differs. Raises IdempotencyMismatch where the reference is that of
        another bill, AlreadySettled where its invoice is void, deleted or uncollectible, BilledElsewhere where another
        account of the book has it, and OutcomeUnknown where a request was lost: see resolve.
        """
        prepared = self._prepare(command, since=since, on_discrepancy=on_discrepancy)
        done: Invoice = self._run(self._steps(prepared, allow, on_discrepancy), prepared)
        return done

    def resolve(self, command: OneTimeCharge | PeriodInvoice, *, since: datetime | None = None) -> Resolution:
        """Find out what became of a bill whose outcome is unknown; reads, and writes nothing.

        `since` (aware) is when it was first tried: no invoice of it is older. A journal knows that by itself, and when
        its last request left; without one, only this client's own requests are known to have left later than `since`.
        Raises ConfigurationError without either.
        """
        steps, prepared = self._resolving(command, since)
        return self._run(steps, prepared)

    def retrieve(self, id: str) -> Invoice:
        """Read one invoice, with all its lines. Raises NotFound."""
        return self._do(Retrieve, id=id)

    def page(self, command: ListInvoices) -> Page:
        """Read one page of a listing as the provider gives it, before filters are applied again; `next` reads on."""
        prepared = self._prepare(command)
        done: Page = self._run(self._steps(prepared), prepared)
        return done

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> Iterator[Invoice]: ...
    @overload
    def list(self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]) -> Iterator[Invoice | Unreadable]: ...
    def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> Iterator[Any]:
        """Read all pages, lazily. Filters: status, customer, created_from, created_to.

        full=True retrieves each invoice where a listing leaves fields out.
        An item that cannot be decoded raises MalformedResponse, or with unreadable="yield" comes as an Unreadable.
        """
        ask: ListInvoices | None = self._portable(_ask(ListInvoices, **filters))
        read: set[str | None] = set()
        while ask is not None:
            page = self.page(ask)
            yield from self._admit(page, ask, unreadable, read)
            ask = page.next

    def finalize(self, id: str, *, attempt: int = 1) -> Invoice:
        """Turn a draft into a demand for money. Raises InvalidState."""
        return self._do(Finalize, id=id, attempt=attempt)

    def pay(
        self,
        id: str,
        *,
        expect: Money | None = None,
        payment_method: str | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Collect an open invoice now. Reads it first.

        A draft, a pending payment and an amount other than `expect` stop it. Raises InvalidState, Discrepancy or
        Declined; after Declined, raise `attempt` to try again.
        """
        return self._do(Pay, id=id, expect=expect, payment_method=payment_method, attempt=attempt)

    def mark_paid(self, id: str, *, attempt: int = 1) -> Invoice:
        """Record that an open invoice was paid outside the provider; no money moves."""
        return self._do(MarkPaid, id=id, attempt=attempt)

    def void(self, id: str, *, attempt: int = 1) -> Invoice:
        """Withdraw an issued invoice for good. Raises InvalidState."""
        return self._do(Void, id=id, attempt=attempt)

    def mark_uncollectible(self, id: str, *, attempt: int = 1) -> Invoice:
        """Give an open invoice up as a bad debt. Raises InvalidState."""
        return self._do(MarkUncollectible, id=id, attempt=attempt)

    def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Change the description, the due date or the metadata; what is None stays as it is."""
        return self._do(Update, id=id, description=description, due_at=due_at, metadata=metadata, attempt=attempt)

    def delete(self, id: str, *, attempt: int = 1) -> Invoice:
        """Discard a draft; returns it as it was, with status deleted. Raises InvalidState."""
        return self._do(Delete, id=id, attempt=attempt)

    def send_invoice(self, id: str, *, attempt: int = 1) -> Invoice:
        """Have the provider mail an open invoice."""
        return self._do(SendInvoice, id=id, attempt=attempt)

    def _do(self, kind: type[Command], **fields: Any) -> Invoice:
        prepared = self._prepare(_ask(kind, **fields))
        done: Invoice = self._run(self._steps(prepared), prepared)
        return done


class AsyncClient(_Core["httpx.AsyncClient"]):
    """Client for asyncio: the same flows, the same bytes, every verb awaited. See Client.

    It belongs to the event loop of its first call: connections cannot move to another. A call in a second loop raises
    ConfigurationError before anything is sent; make one client in each. `timeout` and `deadline` bound the whole
    exchange of an injected client too.
    """

    _is_async = True

    def _keep_to_one_loop(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise ConfigurationError(
                "this AsyncClient was used in another event loop: make one client in each loop (each asyncio.run)"
            )

    def _new_http(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(verify=not self._insecure, trust_env=self._trusts_environment, cookies=_no_cookies())

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> AsyncClient:
        """Make a client from a profile of a TOML file; see invoice_bridge.config. Raises ConfigurationError."""
        from invoice_bridge.config import read_profile

        return cls(**read_profile(path, profile))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the journal and the connections; an HTTP client that was given stays open."""
        if self._journal is not None:
            self._journal.close()
        if self._closes_http:
            await self._http.aclose()

    async def _run(self, steps: Steps[T], prepared: _Prepared | None = None) -> T:
        until, reply, problem, after = self._until(), None, None, "nothing"
        with self._noting(None if prepared is None else prepared.ask) as trail:
            self._keep_to_one_loop()
            self._check_usable()
            while True:
                try:
                    step = steps.send(reply) if problem is None else steps.throw(problem)
                except StopIteration as done:
                    self._decided(prepared, done.value, trail)
                    await self._in_thread(self._learn, prepared, done.value)
                    return done.value  # type: ignore[no-any-return]
                reply = problem = None
                try:
                    if isinstance(step, Send):
                        reply = await self._send(step.request, until, prepared, trail.sent)
                        after = self._answered(None if prepared is None else prepared.ask, step.request, reply, trail)
                    else:
                        await asyncio.sleep(self._wait(until, step.seconds, after))
                except (NotSent, Lost, ConfigurationError, AlreadyBilled) as error:
                    problem = error
                    if isinstance(step, Send):
                        after = self._failed(step.request, error)

    async def _in_thread(self, call: Callable[..., T], *values: Any) -> T:
        """Call what reads or writes the journal in a thread: a file that another process locks stops nobody else."""
        return call(*values) if self._journal is None else await asyncio.to_thread(call, *values)

    async def _intended(self, request: Request, prepared: _Prepared | None) -> int | None:
        """Write the intent down in a thread. One that is written although the call was cancelled says "not sent"."""
        intent = _Intent()

        def unsent(number: int | None) -> None:
            if self._journal is not None and number is not None:
                self._journal.conclude(number, "not_sent", datetime.now(UTC), verdict="deferred")

        def intend() -> int | None:
            number = self._intend(request, prepared)
            with intent.lock:
                intent.number, stopped = number, intent.stopped
            if stopped:
                unsent(number)
            return number

        try:
            return await self._in_thread(intend)
        except asyncio.CancelledError:
            with intent.lock:
                intent.stopped, written = True, intent.number
            if written is not None:  # without waiting for it: the journal may be locked again
                asyncio.get_running_loop().run_in_executor(None, unsent, written)
            raise

    async def _send(
        self, request: Request, until: float | None, prepared: _Prepared | None, sent: list[Request]
    ) -> Response:
        number, exchange = await self._intended(request, prepared), _Exchange()
        try:
            with self._exchanging(request, sent, exchange), _told_apart(self._key, self._failures):
                bound = self._bound(until)
                outgoing = self._outgoing(request, bound)
                async with bounded_async(bound), self._without_cookies().stream(**outgoing) as answer:
                    body = Body(answer, bound)
                    async for piece in answer.aiter_bytes() if body.is_read else answer.aiter_raw():
                        body.add(piece)
                exchange.answer = self._incoming(answer, body.whole())
        finally:
            if exchange.ended is None:  # cancelled: nothing is written, and nothing is waited for
                self._conclude(request, prepared, number, exchange)
            else:
                await self._in_thread(self._conclude, request, prepared, number, exchange)
        return exchange.answer

    async def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Bill; see Client.create."""
        prepared = await self._in_thread(lambda: self._prepare(command, since=since, on_discrepancy=on_discrepancy))
        return await self._run(self._steps(prepared, allow, on_discrepancy), prepared)

    async def resolve(self, command: OneTimeCharge | PeriodInvoice, *, since: datetime | None = None) -> Resolution:
        """Find out what became of a bill; see Client.resolve."""
        steps, prepared = await self._in_thread(self._resolving, command, since)
        return await self._run(steps, prepared)

    async def retrieve(self, id: str) -> Invoice:
        """Read one invoice; see Client.retrieve."""
        return await self._do(Retrieve, id=id)

    async def page(self, command: ListInvoices) -> Page:
        """Read one page of a listing; see Client.page."""
        prepared = self._prepare(command)
        return await self._run(self._steps(prepared), prepared)

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> AsyncIterator[Invoice]: ...
    @overload
    def list(
        self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]
    ) -> AsyncIterator[Invoice | Unreadable]: ...
    async def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> AsyncIterator[Any]:
        """Read all pages, lazily; see Client.list."""
        ask: ListInvoices | None = self._portable(_ask(ListInvoices, **filters))
        read: set[str | None] = set()
        while ask is not None:
            page = await self.page(ask)
            for item in self._admit(page, ask, unreadable, read):
                yield item
            ask = page.next

    async def finalize(self, id: str, *, attempt: int = 1) -> Invoice:
        """Turn a draft into a demand for money; see Client.finalize."""
        return await self._do(Finalize, id=id, attempt=attempt)

    async def pay(
        self,
        id: str,
        *,
        expect: Money | None = None,
        payment_method: str | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Collect an open invoice now; see Client.pay."""
        return await self._do(Pay, id=id, expect=expect, payment_method=payment_method, attempt=attempt)

    async def mark_paid(self, id: str, *, attempt: int = 1) -> Invoice:
        """Record a payment made elsewhere; see Client.mark_paid."""
        return await self._do(MarkPaid, id=id, attempt=attempt)

    async def void(self, id: str, *, attempt: int = 1) -> Invoice:
        """Withdraw an issued invoice; see Client.void."""
        return await self._do(Void, id=id, attempt=attempt)

    async def mark_uncollectible(self, id: str, *, attempt: int = 1) -> Invoice:
        """Give an open invoice up; see Client.mark_uncollectible."""
        return await self._do(MarkUncollectible, id=id, attempt=attempt)

    async def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Change an invoice's details; see Client.update."""
        return await self._do(Update, id=id, description=description, due_at=due_at, metadata=metadata, attempt=attempt)

    async def delete(self, id: str, *, attempt: int = 1) -> Invoice:
        """Discard a draft; see Client.delete."""
        return await self._do(Delete, id=id, attempt=attempt)

    async def send_invoice(self, id: str, *, attempt: int = 1) -> Invoice:
        """Have the provider mail an open invoice; see Client.send_invoice."""
        return await self._do(SendInvoice, id=id, attempt=attempt)

    async def _do(self, kind: type[Command], **fields: Any) -> Invoice:
        prepared = self._prepare(_ask(kind, **fields))
        return await self._run(self._steps(prepared), prepared)


def _ask(kind: type[C], **fields: Any) -> C:
    try:
        return kind(**fields)
    except ValidationError as error:
        raise ConfigurationError(f"{kind.verb}: {faults(error)}") from None


@dataclass(frozen=True)
class _Failures:
    """The exceptions of the module that an HTTP client comes from: httpx, or one with the same names such as httpx2.

    `all` has those of the machinery below too.
    """

    all: tuple[type[BaseException], ...]
    never_sent: tuple[type[BaseException], ...]


_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL")


def _modules_of(http: object) -> list[ModuleType]:
    """The HTTP libraries that a client's class derives from, by their exceptions; httpx is always among them."""
    import httpx

    roots = {kind.__module__.partition(".")[0] for kind in type(http).__mro__}
    found = [sys.modules[root] for root in sorted(roots) if root in sys.modules]
    return [httpx, *(module for module in found if module is not httpx and hasattr(module, "RequestError"))]


def _failures_of(http: object) -> _Failures:
    def named(*names: str) -> tuple[type[BaseException], ...]:
        kinds = (getattr(module, name, None) for module in _modules_of(http) for name in names)
        return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseException))

    return _Failures((*named("RequestError", "InvalidURL", "StreamError"), RuntimeError, OSError), named(*_NEVER_SENT))


def _loggers_of(http: object) -> tuple[str, ...]:
    """The loggers of another HTTP library than httpx, spelt as that spells its own."""
    names = [module.__name__ for module in _modules_of(http)[1:]]
    core = [name.replace("httpx", "httpcore") for name in names if name.startswith("httpx")]
    return (*names, *(logger.replace("httpcore", one) for one in core for logger in _LOGGERS if "httpcore" in logger))


@contextmanager
def _told_apart(key: ApiKey, failures: _Failures) -> Iterator[None]:
    """Turn a failure of the HTTP library into what it means: the request never left, or its answer is lost.

    Its words, and what it logs meanwhile, may quote an answer: the key is taken out of both. A RuntimeError (a closed
    loop, a client closed meanwhile) or an error of the operating system says nothing of the request: it may have left.
    """
    token = _sending.set(key)
    try:
        yield
    except failures.all as error:
        told = key.conceal(f"{type(error).__name__} {error}".strip())
        raise (NotSent if isinstance(error, failures.never_sent) else Lost)(told) from error
    finally:
        _sending.reset(token)


def _no_cookies() -> CookieJar:
    """A jar that takes no cookie and gives none: a provider's cookies would tie requests together, without bound."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


_sending: ContextVar[ApiKey | None] = ContextVar("_sending", default=None)
"""The key that goes out in this thread or task at this moment."""


def _without_keys(record: logging.LogRecord) -> bool:
    """Take the key out of what the HTTP library logs while a client of ours waits for it; a filter of its loggers."""
    key = _sending.get()
    if key is not None and key.is_in(told := record.getMessage()):
        record.msg, record.args = key.conceal(told), ()
    return True


def _full_jitter() -> Callable[[int], float]:
    """Seconds to wait after so many tries: anything from none to 0.5, 1, 2, 4, 8, 8 … ("full jitter")."""
    from tenacity import BaseRetrying, RetryCallState, wait_random_exponential

    waits = wait_random_exponential(multiplier=0.5, max=8)

    def wait(tries: int) -> float:
        state = RetryCallState(cast("BaseRetrying", None), None, (), {})  # the wait reads the number of tries alone
        state.attempt_number = tries
        return float(waits(state))

    return wait


def _context(
    provider: str,
    key: ApiKey,
    settings: Mapping[str, Any],
    base_url: str | None,
    *,
    mode: str | None,
    lookup: Lookup,
    insecure: bool,
) -> Context:
    """Check what a client is made with. Raises ConfigurationError."""
    declared = providers.get(provider)
    read = declared.read_settings(settings)
    if missing := declared.missing_settings(read):
        told = "; ".join(f"{setting.name} ({setting.help})" for setting in missing)
        raise ConfigurationError(f"{declared.title} needs the setting {told}")
    use = replace(context(declared, settings, base_url), lookup=lookup)
    _check_url(use.base_url, insecure=insecure)
    found = declared.mode(key.text, read, use.base_url)
    if mode is not None and found is not None and found != mode:
        raise ConfigurationError(f'{declared.title}: mode="{mode}" was asked for, but the key or host is for {found}')
    return use


def _pace_of(use: Context, key: ApiKey, requests_per_minute: int | None) -> Pace | None:
    """The pace of an account, shared by every client of it in this process; none on loopback unless asked for."""
    if requests_per_minute is None and _is_loopback(urlsplit(use.base_url).hostname or ""):
        return None
    rate = use.provider.rate
    if requests_per_minute is not None:
        rate = Rate(requests_per_minute, 60, "the client's own setting")
    return _shared_pace(use, key, rate, "")


def _search_pace_of(use: Context, key: ApiKey) -> Pace | None:
    """The pace of the provider's search index, where it has a limit of its own."""
    rate = use.provider.search_rate
    if rate is None or _is_loopback(urlsplit(use.base_url).hostname or ""):
        return None
    return _shared_pace(use, key, rate, "search ")


def _shared_pace(use: Context, key: ApiKey, rate: Rate | None, what: str) -> Pace:
    who = hashlib.sha256(f"{what}{use.base_url} {use.account} {key.text}".encode()).hexdigest()
    with _paces_lock:
        pace = _paces.get(who)
        if pace is None:
            pace = _paces[who] = Pace(rate, time.monotonic)
        elif rate is not None:
            pace.limit(rate)
    return pace


def _check_url(url: str, *, insecure: bool) -> None:
    import httpx

    try:
        parts = urlsplit(url)
        whole = parts.port != 0 and httpx.URL(url).host and not parts.query and not parts.fragment
    except (ValueError, httpx.InvalidURL):
        raise ConfigurationError("base_url is no URL: write https://host/…") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or not whole:
        raise ConfigurationError(
            f"base_url must be http(s)://host/…, without credentials or a query, not {parts.scheme}://…"
        )
    if parts.scheme == "http" and not insecure and not _is_loopback(parts.hostname):
        raise ConfigurationError(
            f"base_url would send the key over plain http to {parts.hostname}: use https, or write insecure=True"
        )


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    # an IPv4 address inside an IPv6 one is loopback to some versions of Python and not to others: it is not, here
    return address.is_loopback if isinstance(address, IPv4Address) else address == IPv6Address("::1")


__all__ = ["AsyncClient", "Client"]
