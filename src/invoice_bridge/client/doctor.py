"""Checks whether a client can bill: its key, host, account, clock, API version and permissions. It only reads.

Rules: only GET is sent, the journal is not made or upgraded, no text has the key. What only a write shows is "unknown".
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.pages import Page
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.client.calls import Call
from invoice_bridge.client.clients import Client
from invoice_bridge.client.exchange import Deadline
from invoice_bridge.core.balances import ReadBalances
from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    MalformedResponse,
    NotFound,
    ProviderError,
    RateLimited,
    ServerError,
    Unauthorized,
    Unreachable,
)
from invoice_bridge.core.model import CustomerRef, Invoice
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.supervise import Lost, NotSent
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.state import read_state

__all__ = ["Check", "examine"]

State = Literal["ok", "warning", "failed", "unknown", "skipped"]
Kind = Literal["usage", "provider", "difference"]

NOTICED = timedelta(seconds=10)
"""A clock that is further off gives a warning: due dates and filters by time are off by as much."""
REFUSED = timedelta(minutes=5)
"""A clock that is further off fails: `webhooks.parse` takes no signature that is older or newer than that."""
_READS = frozenset({"find", "retrieve", "list", "pdf"})
_FORBIDDEN = 403
"""The status of an answer to a key that is accepted and lacks a permission; all others are about the key itself."""
_SEARCHED = "invoice-bridge-doctor"
"""A reference that no bill has: the search for it shows whether the key may search."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its state, what is the case, and what to do if it failed. `kind` is the cause of a failure."""

    name: str
    state: State
    text: str
    remedy: str = ""
    kind: Kind = "usage"


@dataclass(frozen=True, slots=True)
class _Timed:
    """An answer, and this machine's time before the request and after the answer."""

    answer: Response
    before: datetime
    after: datetime


class _Reader(Client):
    """A client that sends GET requests only, each once, and keeps their answers."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._policy = replace(self._policy, retries=0)
        self.answers: list[_Timed] = []
        self.failure: BaseException | None = None

    def _send(self, request: Request, deadline: Deadline, call: Call, sent: list[Request]) -> Response:
        if request.method != "GET":
            raise ConfigurationError(f"a check sends GET requests only, not {request.method} {request.url}")
        before = datetime.now(UTC)
        try:
            answer = super()._send(request, deadline, call, sent)
        except (NotSent, Lost) as failure:
            self.failure = failure
            raise
        self.answers.append(_Timed(answer, before, datetime.now(UTC)))
        return answer

    @property
    def mode(self) -> str | None:
        """The mode that the key, the settings and the host show."""
        return self._mode_of_key()

    @property
    def account(self) -> str:
        return self._context.account

    @property
    def base_url(self) -> str:
        return self._context.base_url

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._context.settings

    def balances(self, customer: str) -> object:
        call = self._prepare(ReadBalances(customer=CustomerRef(id=customer)))
        return self._run(self._steps(call), call)


def examine(given: Mapping[str, Any], *, key_fault: str = "", key_source: str = "") -> tuple[Check, ...]:
    """Check the arguments of a client against the provider, by a few reads; return the checks in order.

    Without an `api_key`, `key_fault` is what is wrong with it, and nothing is sent. `key_source` names where the key
    came from.
    """
    declared = providers.get(given["provider"])
    journal = _check_journal(given.get("journal"))
    if "api_key" not in given:
        key = Check("key", "failed", key_fault or "there is no key", "put the key into its environment variable")
        return (key, Check("host", "skipped", "nothing is sent without a key"), journal)
    own = {name: value for name, value in given.items() if name not in {"journal", "lookup"}}
    try:
        client = _Reader(**own)
    except ConfigurationError as error:
        fault = Check("settings", "failed", str(error), "correct the setting that the message names")
        return (fault, Check("host", "skipped", "nothing is sent before the settings are right"), journal)
    with client:
        return (*_checks(client, declared, key_source), journal)


def _checks(client: _Reader, declared: Provider, key_source: str) -> Iterator[Check]:
    page, problem = _try(lambda: client.page(ListInvoices(limit=1)))
    invoice = next((item for item in page.items if isinstance(item, Invoice)), None) if page is not None else None
    yield _check_key(client, declared, problem, key_source)
    yield _check_account(client, declared, problem)
    yield _check_host(client, declared, problem)
    yield _check_mode(client, invoice)
    reads = list(_check_reads(client, declared, page, problem, invoice)) if client.answers else []
    yield _check_clock(client)
    yield _check_version(client, declared)
    yield from reads
    yield _unknown_writes(declared)


def _try(read: Callable[[], Page]) -> tuple[Page | None, BridgeError | None]:
    try:
        return read(), None
    except BridgeError as error:
        return None, error


# ── the first answer ─────────────────────────────────────────────────────────────────────────────────────────────────
def _is_foreign(problem: BridgeError | None) -> bool:
    """Return whether an answer is not the provider's: another page, or an address that it does not have."""
    return isinstance(problem, MalformedResponse | NotFound)


def _is_refused(problem: BridgeError | None) -> bool:
    return isinstance(problem, Unauthorized) and problem.status != _FORBIDDEN


def _check_key(client: _Reader, declared: Provider, problem: BridgeError | None, source: str) -> Check:
    shown = f"present{f' in {source}' if source else ''}, "
    shown += f"{client.mode} mode" if client.mode else "its mode cannot be seen"
    if _is_refused(problem):
        return Check(
            "key",
            "failed",
            f"{shown}; {declared.title} refuses it: {problem}",
            f"copy the secret key again, of this account ({_account(client)}) and this mode",
            "provider",
        )
    if problem is None or (isinstance(problem, Unauthorized) and problem.status == _FORBIDDEN):
        return Check("key", "ok", f"{shown}, accepted")
    return Check("key", "unknown", f"{shown}; whether it is accepted is not known, see below")


def _account(client: _Reader) -> str:
    return client.account.rstrip(":")


def _check_account(client: _Reader, declared: Provider, problem: BridgeError | None) -> Check:
    scope = client.account.partition(":")[2]
    text = f"{_account(client)}, by the settings" if scope else "the key's own: no setting names another"
    if isinstance(problem, NotFound):
        names = ", ".join(setting.name for setting in declared.settings if client.settings.get(setting.name))
        return Check(
            "account",
            "failed",
            f"{text}: {problem}",
            f"check the {f'settings ({names}) and the ' if names else ''}base URL {client.base_url}",
            "provider",
        )
    return Check("account", "ok" if problem is None else "unknown", text)


def _check_host(client: _Reader, declared: Provider, problem: BridgeError | None) -> Check:
    host = urlsplit(client.base_url).netloc
    own = urlsplit(declared.base_url(client.settings)).netloc
    where = host if host == own else f"{host} (not {declared.title}'s own)"
    if not client.answers:
        why, remedy = _cause(client.failure, host)
        text = why if client.failure is not None else str(problem)
        return Check("host", "failed", f"{where}: {text}", remedy, "provider")
    status = client.answers[0].answer.status
    if isinstance(problem, ServerError):
        return Check("host", "failed", f"{where} fails: {problem}", f"see {declared.title}'s status page", "provider")
    if _is_foreign(problem):
        return Check(
            "host",
            "failed",
            f"{where} answers HTTP {status}, but not with {declared.title}'s invoices",
            f"check the base URL {client.base_url}; without one, {own} is used",
            "provider",
        )
    if isinstance(problem, RateLimited):
        return Check("host", "warning", f"{where}: {problem}", "wait a minute, and run doctor again")
    if isinstance(problem, ProviderError) and not isinstance(problem, Unauthorized):
        return Check(
            "host", "failed", f"{where} refuses to list invoices: {problem}", "do what its message says", "provider"
        )
    return Check("host", "ok", f"{where} answers" + (f" as {declared.title}" if problem is None else f" HTTP {status}"))


def _cause(failure: BaseException | None, host: str) -> tuple[str, str]:
    """Return why no answer came, and what to do."""
    cause = failure
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "the name has no address", f"check the spelling of {host}, and this machine's DNS"
        if isinstance(cause, ssl.SSLError):
            return f"no secure connection: {cause}", "check this machine's certificates, clock and proxy"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens there", f"check the host and port of {host}, and start the server if it is yours"
        cause = cause.__cause__ or cause.__context__
    return f"no answer: {failure}", "check this machine's network, firewall and proxy (HTTPS_PROXY)"


def _check_mode(client: _Reader, invoice: Invoice | None) -> Check:
    if invoice is None or invoice.test_mode is None:
        return Check("mode", "unknown", "no invoice was read that states its mode")
    mode = "test" if invoice.test_mode else "live"
    if client.mode not in {None, mode}:
        return Check(
            "mode",
            "failed",
            f"the key or host is for {client.mode}, the account's invoices are {mode}",
            "use the key of the mode that you mean, before you bill",
            "difference",
        )
    return Check("mode", "ok", f"{mode}, by an invoice of the account")


# ── clock and version ────────────────────────────────────────────────────────────────────────────────────────────────
def _check_clock(client: _Reader) -> Check:
    found = [skew for timed in client.answers if (skew := _skew(timed)) is not None]
    if not found:
        return Check("clock", "unknown", "no answer states its time")
    skew = min(found, key=abs)
    size, word = abs(skew), "behind" if skew > timedelta(0) else "ahead of"
    if size <= NOTICED:
        return Check("clock", "ok", f"within {max(round(size.total_seconds()), 1)} s of the provider's")
    text = f"this machine is {_span(size)} {word} the provider"
    remedy = "set this machine's clock: switch NTP on (timedatectl set-ntp true)"
    if size <= REFUSED:
        return Check("clock", "warning", text, remedy)
    return Check("clock", "failed", f"{text}: webhooks are refused as too old or too new", remedy, "difference")


def _skew(timed: _Timed) -> timedelta | None:
    """Return by how much the provider's clock is ahead, without what the exchange and whole seconds may explain."""
    try:
        date = parsedate_to_datetime(timed.answer.headers.get("date", ""))
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    earliest, latest = timed.before - timedelta(seconds=1), timed.after  # a Date is cut to whole seconds
    return date - latest if date > latest else min(date - earliest, timedelta(0))


def _span(size: timedelta) -> str:
    seconds = round(size.total_seconds())
    return (
        f"{seconds} s"
        if seconds < 120
        else f"{round(seconds / 60)} min"
        if seconds < 7200
        else f"{round(seconds / 3600)} h"
    )


def _check_version(client: _Reader, declared: Provider) -> Check:
    sent = {name: value for name, value in declared.headers(client.settings).items() if "version" in name.lower()}
    if not sent:
        return Check("API version", "ok", f"{declared.api_version}, in the address of every request")
    name, version = next(iter(sent.items()))
    stated = {timed.answer.headers.get(name.lower()) for timed in client.answers} - {None}
    if not client.answers:
        return Check("API version", "skipped", f"{version} would be sent; there is no answer")
    if not stated:
        return Check("API version", "unknown", f"{version} is sent; the answers state none")
    if stated != {version}:
        return Check(
            "API version",
            "failed",
            f"{version} is sent, and answered with {', '.join(sorted(map(str, stated)))}",
            "look for what changes the header between here and the provider, such as a proxy",
            "difference",
        )
    return Check("API version", "ok", f"{version}, and the answers state the same")


# ── permissions ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _check_reads(
    client: _Reader, declared: Provider, page: Page | None, problem: BridgeError | None, invoice: Invoice | None
) -> Iterator[Check]:
    if page is None:
        yield _permission("list invoices", problem)
        return
    yield _permission("list invoices", None)
    if invoice is None:
        yield Check("may read an invoice", "unknown", "the account has no readable invoice to try it with")
    else:
        yield _permission("read an invoice", _error_of(lambda: client.retrieve(invoice.id)))
    if declared.search is not None:
        searched = _error_of(lambda: client.find(_SEARCHED))
        yield _permission("search by reference", None if isinstance(searched, NotFound) else searched)
    if declared.balances is not None and invoice is not None and invoice.customer is not None and invoice.customer.id:
        customer = invoice.customer.id
        yield _permission("read a customer's balances", _error_of(lambda: client.balances(customer)))


def _error_of(read: Callable[[], object]) -> BridgeError | None:
    try:
        read()
    except BridgeError as error:
        return error
    return None


def _permission(what: str, problem: BridgeError | None) -> Check:
    name = f"may {what}"
    if problem is None:
        return Check(name, "ok", "yes")
    if isinstance(problem, Unauthorized) and problem.status == _FORBIDDEN:
        return Check(
            name, "failed", f"no: {problem}", "give the key this permission, in the provider's dashboard", "provider"
        )
    state: State = "unknown" if isinstance(problem, ProviderError | Unreachable) else "warning"
    return Check(name, state, f"not known: {problem}")


def _unknown_writes(declared: Provider) -> Check:
    verbs = [
        name.replace("_", " ")
        for name in declared.flows.__slots__
        if name not in _READS and not isinstance(getattr(declared.flows, name), Cannot | None)
    ]
    return Check(
        "may write",
        "unknown",
        f"only a write can show it, and nothing is written: {', '.join(verbs)}",
        "with a test key, make a bill once",
    )


# ── the journal ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _check_journal(journal: Any) -> Check:
    if journal is None:
        return Check("journal", "skipped", "none is named: bills are looked up at the provider")
    try:
        state = read_state(Location(journal))
    except ConfigurationError as error:
        return Check("journal", "failed", str(error), "name another journal, or make this one usable")
    if state.version is None:
        return Check("journal", "ok", f"{state.name}: not there yet, the first bill makes it")
    if not state.is_writable:
        return Check(
            "journal",
            "failed",
            f"{state.name}: it can be read and not written",
            "give this user the right to write it: an intent that cannot be recorded is not sent",
        )
    if state.is_old:
        text = f"{state.name}: schema {state.version}; the next bill upgrades it to {state.current}"
        return Check("journal", "warning", text, "upgrade all programs that share it at the same time")
    return Check("journal", "ok", f"{state.name}: schema {state.version}")
