"""What both clients share: everything but the waiting."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, overload
from urllib.parse import urlsplit

from invoice_bridge.adapter.answers import json_of
from invoice_bridge.adapter.provider import Context, Page, Unreadable
from invoice_bridge.client import checks, logs
from invoice_bridge.client.checks import fault_of_key
from invoice_bridge.client.credentials import ApiKey
from invoice_bridge.client.exchange import Bound
from invoice_bridge.client.settings import ChargebeeSettings, Common, StripeSettings, WhopSettings
from invoice_bridge.core.commands import (
    Bill,
    Command,
    ListInvoices,
    OneTimeCharge,
    OnInvoice,
    PeriodInvoice,
)
from invoice_bridge.core.errors import (
    AlreadyBilled,
    BridgeError,
    ConfigurationError,
    Discrepancy,
    IdempotencyMismatch,
    MalformedResponse,
)
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import CustomerRef, Invoice, Status, in_utc
from invoice_bridge.core.wire import Request, Response, Steps
from invoice_bridge.engine.allow import Allow, names_allowed, refuse_losses
from invoice_bridge.engine.interruption import Trail
from invoice_bridge.engine.lookup import SETTLE_TIME, Resolution, resolve, resume, start
from invoice_bridge.engine.supervise import Lost, NotSent, Verdict, supervise, verdict
from invoice_bridge.explain import Plan, losses_of, plan
from invoice_bridge.journal.recent import RecentLosses
from invoice_bridge.journal.rows import Book, Ended, Try, digest_of, unresolved, verdict_of

if TYPE_CHECKING:  # at run time it is imported when a client is made: it loads a command-line library of its own
    import asyncio

    import httpx

    from invoice_bridge.journal.store import Journal

from invoice_bridge.client.http import _LOGGERS, _failures_of, _loggers_of, _no_cookies, _without_keys
from invoice_bridge.client.options import _context, _is_loopback, policy_of

C = TypeVar("C", bound=Command)

Http = TypeVar("Http", "httpx.Client", "httpx.AsyncClient")

OnDiscrepancy = Literal["raise", "report"]


@cache
def _name() -> str:
    """What a client calls itself to a provider."""
    from importlib.metadata import version

    return f"invoice-bridge/{version('invoice-bridge')}"


def _open_journal(path: str | os.PathLike[str]) -> Journal:
    from invoice_bridge.journal.store import Journal

    return Journal(path)


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
            checks.check(
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
                checks.check_http(http, is_async=self._is_async)
            if self._key.is_in(repr((settings, base_url, customers, journal))):
                raise ConfigurationError("the API key is in another setting: write it in api_key alone")
            self._use = _context(provider, self._key, settings, base_url, mode=mode, lookup=lookup, insecure=insecure)
        except ConfigurationError as error:
            raise ConfigurationError(self._key.conceal(str(error))) from None
        self._timeout, self._deadline = timeout, deadline
        self._policy = policy_of(self._use, self._key, requests_per_minute)
        self._book = Book(self._use.account, book, mode or self._mode_of_key() or "")
        self._journal = None if journal is None else _open_journal(journal)
        self._lately = RecentLosses()
        self._customers = {name: dict(ids) for name, ids in (customers or {}).items()}
        self._closes_http, self._process = http is None, os.getpid()
        self._http: Any = self._new_http() if http is None else http
        """The caller's own HTTP client, or Connections."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failures = _failures_of(self._http)
        for name in (*_LOGGERS, *_loggers_of(self._http)):
            logging.getLogger(name).addFilter(_without_keys)  # once, however many clients there are

    def _new_http(self) -> Any:
        raise TypeError("use Client or AsyncClient")

    def _mode_of_key(self) -> str | None:
        context = self._use
        return context.provider.mode(self._key.text, context.settings, context.base_url)

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
        context: Context | None = getattr(self, "_use", None)  # absent while it is made, and where that failed
        inside = "" if context is None else f"{context.provider.name!r}, base_url={context.base_url!r}"
        return f"{type(self).__name__}({inside})"

    def explain(self, command: Command, *, since: datetime | None = None) -> Plan:
        """Show exactly what a command would send from this client; see invoice_bridge.explain.

        What the journal knows is part of it: a bill of another content or account is refused here as it would be.
        """
        command = self._resolve_customer(command)
        try:
            context = self._prepare(command, since=since).context
        except (AlreadyBilled, IdempotencyMismatch) as refusal:
            return Plan(self.provider, refusal=refusal)
        return plan(command, context)

    def losses(self, command: Command, *, as_of: datetime | None = None) -> tuple[Loss, ...]:
        """List what this client's provider would not carry of a command; see invoice_bridge.losses."""
        command = self._resolve_customer(command)
        return losses_of(command, self._use.on(command), as_of)

    def _steps(self, prepared: _Prepared, allow: Allow = (), on_discrepancy: OnDiscrepancy = "raise") -> Steps[Any]:
        """A command's flow, supervised. Losses are refused after its first request is made and before that is sent."""
        command, context = prepared.command, prepared.context
        found = losses_of(command, context)
        if allowed := names_allowed(allow):
            context = replace(context, allowed=allowed)
        flow = start(command, context, unsettled=prepared.unsettled)
        again = None if context.lookup == "never" or not isinstance(command, Bill) else lambda: resume(command, context)
        try:
            done = yield from supervise(
                flow, context, self._policy, lambda: refuse_losses(found, allow, context.provider.title), again
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
        command = self._resolve_customer(command)
        context = self._use.on(command)
        if not isinstance(command, Bill):
            return _Prepared(command, context)
        now = datetime.now(UTC)
        first = _since(since, now)
        lost = self._lately.unresolved(command.reference)
        tries = self._tries(command)
        unknown = unresolved(tries)
        pending = [known for known in unknown.values() if known.last_at is None or now - known.last_at < SETTLE_TIME]
        keyless = not context.provider.idempotency.methods  # then the same attempt would take effect a second time too
        attempts = {attempt for attempt, at in lost.items() if now - at < SETTLE_TIME} | {
            one.attempt for one in pending
        }
        unsettled = any(attempt != command.attempt or keyless for attempt in attempts)
        counted = [known for known in tries if verdict_of(known) == "applied" or known.step in unknown]
        if counted:  # what was refused made nothing
            began = [known.began_at for known in tries]
            known_since = None if None in began else min(at for at in began if at is not None)
            if known_since is not None and known_since > now:  # written by a clock that was ahead: it says nothing
                known_since = None
            made = tuple(dict.fromkeys(known.invoice_id for known in tries if known.invoice_id is not None))
            applied = [known for known in tries if verdict_of(known) == "applied"]
            context = replace(
                context,
                tried=True,
                since=known_since,
                made=made,
                applied=frozenset({known.key for known in applied if known.key} | {known.url for known in applied}),
                mine=frozenset(
                    known.invoice_id for known in tries if known.attempt == command.attempt and known.invoice_id
                ),
                anyone=_is_other(counted, digest_of(command, self.provider)),
            )
        elif lost:  # what this client itself lost lately, it looks for
            is_dear = context.provider.lookup is not None  # a read for each invoice: those that are older are let be
            context = replace(context, tried=True, since=min(lost.values()) if is_dear else None)
        elif self._journal is not None:
            context = replace(context, tried=False)
        if first is not None:
            context = replace(
                context, since=first if not context.tried or context.since is None else min(first, context.since)
            )
        digest = None if self._journal is None else digest_of(command, self.provider)
        return _Prepared(command, context, unsettled, digest)

    def _tries(self, command: Bill) -> list[Try]:
        """What the journal knows of a bill's requests that may have reached the provider, oldest first."""
        if self._journal is None:
            return []
        self._journal.refuse_elsewhere(self._book, command.reference)
        tries = [known for known in self._journal.tries(self._book, command.reference) if known.may_have_been_sent]
        digest = digest_of(command, self.provider)
        pending = unresolved(tries)
        for known in tries:
            stands = verdict_of(known) == "applied" or known.step in pending
            if known.attempt == command.attempt and stands and known.digest not in {None, digest}:
                what = f"the invoice {known.invoice_id}" if known.invoice_id else "a try"
                mismatch = IdempotencyMismatch(
                    f"the journal knows the reference {command.reference!r} with another content ({what}, "
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
        command = self._resolve_customer(command)
        now = datetime.now(UTC)
        known_tries = () if self._journal is None else self._journal.tries(self._book, command.reference)
        tries = [known for known in known_tries if known.may_have_been_sent]
        context = self._use.on(command)
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
        last: list[datetime] = list(self._lately.unresolved(command.reference).values())
        if (wrote := self._lately.last_write(command.reference)) is not None:  # whatever `since` says
            last.append(wrote)
        # a time that cannot be read, or that the clock has not reached, may be that of a moment ago
        last += [now if known.last_at is None else min(known.last_at, now) for known in tries]
        flow = resolve(
            command,
            replace(context, since=begun, made=made, anyone=_is_other(tries, digest_of(command, self.provider))),
            now=now,
            last=max([*last, *given], default=now),
        )
        last_try = max((known.number for known in known_tries), default=0)
        return supervise(flow, context, self._policy), _Prepared(command, context, last_try=last_try)

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
        if isinstance(done, Resolution) and prepared is not None and isinstance(prepared.command, Bill):
            if done.state == "absent":
                reference, last_try = prepared.command.reference, prepared.last_try
                self._journal.release(self._book, reference, "absent", done.why, now, last_try=last_try)
            invoices: Sequence[object] = done.invoices
        else:
            invoices = done.items if isinstance(done, Page) else (done,)
        for invoice in invoices:
            if isinstance(invoice, Invoice) and invoice.status in {Status.VOID, Status.DELETED}:
                state: Literal["void", "deleted"] = "void" if invoice.status is Status.VOID else "deleted"
                self._journal.learn(self._book, invoice.id, state, "seen by a client", now)

    def _resolve_customer(self, command: C) -> C:
        """Put the customer map's ids in place of a name of the caller's own.

        Raises ConfigurationError for a command that says the API key: it would stand on an invoice, in the provider's
        records, in our journal and in addresses that are logged.
        """
        if self._key.is_in(repr(command)):
            raise ConfigurationError(f"{command.verb}: the API key is in what is asked; nothing was sent: leave it out")
        customer: CustomerRef | None = getattr(command, "customer", None)
        if not self._customers or customer is None or customer.id is None or customer.ids:
            return command
        if customer.id not in self._customers:
            raise ConfigurationError(
                f"the customer map has no {customer.id!r}: add it, or give the ids themselves: CustomerRef(ids={{…}}), "
                'in a file "customer": {"ids": {…}}'
            )
        return command.model_copy(
            update={"customer": customer.model_copy(update={"ids": self._customers[customer.id]})}
        )

    def _filter_page(
        self, page: Page, command: ListInvoices, unreadable: str, read: set[str | None]
    ) -> Iterator[Invoice | Unreadable]:
        """Apply every filter again; raise for, or hand on, what could not be read. `read` holds the pages so far."""
        if unreadable not in {"raise", "yield"}:
            raise ConfigurationError(f'unreadable is "raise" or "yield", not {unreadable!r}')
        read.add(command.cursor)
        if page.next is not None and page.next.cursor in read:
            raise MalformedResponse("the listing gives the same next page for ever", provider=self.provider)
        for item in page.items:
            if isinstance(item, Unreadable) and unreadable == "raise":
                raise item.error
            if isinstance(item, Unreadable) or command.matches(item, self.provider):
                yield item

    def _until(self) -> float | None:
        return None if self._deadline is None else time.monotonic() + self._deadline

    def _remaining(self, until: float | None, wanted: float) -> float:
        """How long the next wait may be. Raises NotSent where the deadline leaves nothing."""
        if until is None:
            return wanted
        left = until - time.monotonic()
        if left <= 0:
            raise NotSent(f"the deadline of {self._deadline:g} s has passed")
        return min(wanted, left)

    def _check_wait(self, until: float | None, wanted: float) -> float:
        """How long to wait before the next request. Raises NotSent where the deadline would pass meanwhile."""
        if self._remaining(until, wanted) < wanted:
            raise NotSent(f"the deadline of {self._deadline:g} s leaves no time to wait {wanted:.1f} s")
        return wanted

    def _wait(self, until: float | None, wanted: float, after: str) -> float:
        seconds = self._check_wait(until, wanted)
        logs.waiting(self.provider, seconds, after)
        return seconds

    def _answered(self, command: Command | None, request: Request, response: Response, trail: Trail) -> str:
        """Take an answer down; returns what a wait that follows comes after."""
        trail.answer(response)
        logs.answered(self.provider, command, request, response)
        return f"HTTP {response.status}" if response.status >= 300 else "an answer (the limit on requests)"

    def _decided(self, prepared: _Prepared | None, done: object, trail: Trail) -> None:
        if prepared is not None and isinstance(prepared.command, Bill):
            if isinstance(done, Resolution):
                logs.resolved(self.provider, done.state)
            elif isinstance(done, Invoice):
                logs.decided(self.provider, done.id, made=any(request.opens for request in trail.sent))

    def _failed(self, request: Request, problem: Exception) -> str:
        logs.failed(self.provider, request, problem)
        return "a connection refused" if isinstance(problem, NotSent) else "a lost answer"

    @contextmanager
    def _note_interruption(self, command: Command | None) -> Iterator[Trail]:
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
        command = None if prepared is None else prepared.command
        if self._journal is None or not request.writes:
            return None
        now = datetime.now(UTC)
        if isinstance(command, Bill) and prepared is not None:
            return self._journal.intend(
                self._book, command.reference, command.attempt, request, now, digest=prepared.digest
            )
        if (
            isinstance(command, OnInvoice)
            and (reference := self._journal.reference_of(self._book, command.id)) is not None
        ):
            about = replace(request, invoice_id=command.id)
            return self._journal.intend(self._book, reference, 0, about, now, guarded=False)
        return None

    def _conclude(self, request: Request, prepared: _Prepared | None, number: int | None, exchange: _Exchange) -> None:
        """Note what became of a request, in the journal and in this client's memory."""
        command, ended, answer = None if prepared is None else prepared.command, exchange.ended, exchange.answer
        if not request.writes or prepared is None:
            return
        said: Verdict | None = None
        if ended is not None:
            said = "maybe" if ended == "lost" else "deferred"
        if answer is not None:
            said = verdict(request, answer, prepared.context)
        if isinstance(command, Bill):
            self._lately.note(command, request.key or f"{request.method} {request.url}", said, datetime.now(UTC))
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
            return self._use.provider.invoice_id(json_of(answer)) if answer.status < 300 else None
        except MalformedResponse:
            return None

    def _bound(self, until: float | None) -> Bound:
        """When an exchange that begins now must have ended. Raises NotSent where the deadline leaves nothing."""
        began = time.monotonic()
        return Bound(began, began + self._remaining(until, self._timeout))

    def _outgoing(self, request: Request, bound: Bound) -> dict[str, Any]:
        headers = {
            **request.headers,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": _name(),
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

    def _without_cookies(self) -> Any:
        """What sends. An injected client is copied, with a jar that takes nothing: its connections, not its jar."""
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
        headers = dict(answer.headers.items())
        if self._key.is_in("\n".join(headers.values())):  # no spelling of a key has a line end
            headers = {name: self._key.conceal(value) for name, value in headers.items()}
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

    command: Command
    context: Context
    unsettled: bool = False
    """Whether a request of another attempt was lost so lately that it may still take effect."""
    digest: str | None = None
    """That of a bill's content, for the journal; None without one."""
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
