"""What both clients share: their settings, what a call knows before its first request, and the code around each."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, overload
from urllib.parse import urlsplit

from invoice_bridge import providers
from invoice_bridge.adapter.native import check_names
from invoice_bridge.adapter.provider import Context
from invoice_bridge.client import checks, logs
from invoice_bridge.client.around import Around
from invoice_bridge.client.calls import Call, texts_of
from invoice_bridge.client.checks import fault_of_key, first_try
from invoice_bridge.client.credentials import ApiKey
from invoice_bridge.client.http import LOGGERS, failures_of, loggers_of, without_keys
from invoice_bridge.client.maps import AllowSetting, Maps, allowed_codes
from invoice_bridge.client.messages import Messages, without_cookies
from invoice_bridge.client.options import is_loopback, make_client_context, policy_of
from invoice_bridge.client.settings import ChargebeeSettings, Common, StripeSettings, WhopSettings
from invoice_bridge.core.commands import (
    Command,
    Find,
    ImportInvoice,
    NewInvoice,
    OneTimeCharge,
    OnInvoice,
    PeriodInvoice,
    verb_reference,
)
from invoice_bridge.core.errors import (
    AlreadyBilled,
    BridgeError,
    ConfigurationError,
    Discrepancy,
    IdempotencyMismatch,
    OutcomeUnknown,
)
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Request, Steps
from invoice_bridge.engine.allow import Allow, names_allowed, refuse_losses
from invoice_bridge.engine.calls import steps_of
from invoice_bridge.engine.interruption import Trail
from invoice_bridge.engine.lookup import Resolution, resolve
from invoice_bridge.engine.observers import CallEnded
from invoice_bridge.engine.supervise import RateLimiter, supervise
from invoice_bridge.explain import Plan, losses_of, plan
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.memory import Exchange, Memory
from invoice_bridge.journal.rows import Book

if TYPE_CHECKING:  # at run time it is imported when a client is made: it loads a command-line library of its own
    import asyncio

    import httpx

    from invoice_bridge.journal.protocol import BillJournal
    from invoice_bridge.journal.store import Journal

C = TypeVar("C", bound=Command)
Http = TypeVar("Http", "httpx.Client", "httpx.AsyncClient")

OnDiscrepancy = Literal["raise", "report"]
REFUSED_INTENTS = (ConfigurationError, AlreadyBilled, IdempotencyMismatch, OutcomeUnknown)
"""What the journal raises in place of an intent; the request is not sent."""


def _open_journal(place: Location) -> Journal:
    from invoice_bridge.journal.store import Journal

    return Journal(place)


class Core(Around, Generic[Http]):
    """What the two clients share: everything except the waiting."""

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
        payment_methods: Mapping[str, Mapping[str, str]] | None = None,
        products: Mapping[str, Mapping[str, str]] | None = None,
        allow: AllowSetting = None,
        lookup: Lookup = "auto",
        journal: str | os.PathLike[str] | BillJournal | None = None,
        book: str = "default",
        requests_per_minute: int | None = None,
        rate_limiter: RateLimiter | None = None,
        **settings: Any,
    ) -> None:
        """Make a client of one provider. Raises ConfigurationError for a setting that cannot be used.

        `api_key` goes into the Authorization header only: a setting or a command that contains it is refused, and it is
        removed from answers that repeat it. `base_url` is another host, such as an emulator; plain http is accepted for
        loopback only. `insecure=True` accepts it for every host, and does not check the certificates of https either.
        `mode` ("test" or "live") refuses a key, site or host of the other mode.

        `http` is your own httpx client. It is used as it is, with its TLS, and not closed; its redirects, credentials
        and cookies are not used. `timeout` bounds each request and `deadline` each call, in seconds, from the
        connection to the last byte. With your own synchronous client they bound the pieces of the body, but not what
        comes between pieces: headers, a chunk extension, trailers.

        `customers` maps your own names of customers to their ids by provider, `payment_methods` those of payment
        methods, `products` those of lines' products and prices; a name that a map lacks is refused. `allow` has the
        codes of losses that every bill may have, or such a list for each kind of bill. `lookup` decides whether a bill
        is looked up before it is made: "auto", "always", "never", or "journal", which declares that the journal has
        every bill. `journal` is the file that records what was tried, or the URL of a PostgreSQL database. `book` is
        the name within which a reference is one bill at all providers. `requests_per_minute` replaces the provider's
        documented limit, which all clients of an account in one process share. All other settings are the provider's.

        `journal` may also be your own `BillJournal`, and `rate_limiter` your own `RateLimiter`, which then limits every
        request of this client in place of the documented limit. The client closes neither of them.

        The idempotency key of a verb derives from the invoice, the verb, its body and `attempt`: while the provider
        remembers the key, a repeated verb is answered but not done again. Raise `attempt` to have it done again. A verb
        with a `reference` (refund, credit, record_payment, a part payment) is done once for each reference.
        """
        fault, key = fault_of_key(api_key), None
        if fault is None:
            key = ApiKey(api_key)
        del api_key  # a traceback that shows variables shall not show it, least of all that of its refusal
        if key is None:
            raise ConfigurationError(fault)
        self._key, self._insecure = key, insecure
        box, journal = [journal], None  # for the same reason: a URL may have a password
        try:
            given = checks.locate_journal(box.pop())
            place = given if isinstance(given, Location) else None
            checks.check(
                base_url=base_url,
                timeout=timeout,
                deadline=deadline,
                insecure=insecure,
                mode=mode,
                lookup=lookup,
                book=book,
                maps={"customers": customers, "payment_methods": payment_methods, "products": products},
                allow=allow,
                journal=given,
                requests_per_minute=requests_per_minute,
                rate_limiter=rate_limiter,
            )
            if http is not None:
                checks.check_http(http, is_async=self._is_async)
            if self._key.is_in(
                repr((settings, base_url, customers, payment_methods, products, place and place.reveal()))
            ):
                raise ConfigurationError("the API key is also in another setting: pass it as api_key only")
            self._context = make_client_context(provider, self._key, settings, base_url, mode=mode, insecure=insecure)
        except ConfigurationError as error:
            raise ConfigurationError(self._key.conceal(str(error))) from None
        self._timeout, self._deadline = timeout, deadline
        self._lookup = lookup
        self._policy = policy_of(self._context, self._key, requests_per_minute, rate_limiter)
        account = Book(self._context.account, book, mode or self._mode_of_key() or "")
        opened = None if place is None else _open_journal(place)
        kept = opened if given is None or isinstance(given, Location) else given
        self._memory = Memory(self._context.provider, account, kept, None if opened is None else opened.close)
        self._maps = Maps.of(provider, customers, payment_methods, products)
        self._allow = allow
        self._closes_http, self._process = http is None, os.getpid()
        self._http: Any = self._new_http() if http is None else http
        """The caller's own HTTP client, or Connections."""
        self._messages = Messages(self._context.provider, self._key)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failures = failures_of(self._http)
        for name in (*LOGGERS, *loggers_of(self._http)):
            logging.getLogger(name).addFilter(without_keys)  # once, however many clients there are

    def _new_http(self) -> Any:
        raise TypeError("use Client or AsyncClient")

    def _mode_of_key(self) -> str | None:
        context = self._context
        return context.provider.mode(self._key.text, context.settings, context.base_url)

    @property
    def _trusts_environment(self) -> bool:
        """Whether proxies of the environment are used: plain http to loopback would leave this machine through one."""
        base = urlsplit(self._context.base_url)
        return base.scheme == "https" or not is_loopback(base.hostname or "")

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Self:
        """Make a client from a profile of a TOML file; see invoice_bridge.client.config. Raises ConfigurationError."""
        from invoice_bridge.client.config import read_profile

        return cls(**read_profile(path, profile))

    def __repr__(self) -> str:
        context: Context | None = getattr(self, "_context", None)  # absent while it is made, and where that failed
        inside = "" if context is None else f"{context.provider.name!r}, base_url={context.base_url!r}"
        return f"{type(self).__name__}({inside})"

    def explain(self, command: Command, *, since: datetime | None = None) -> Plan:
        """Show exactly what a command would send from this client; see invoice_bridge.explain.

        It reads the journal: a bill that create would refuse for its content or account is refused here too.
        """
        try:
            call = self._known(command, since, "raise")
        except (AlreadyBilled, IdempotencyMismatch) as refusal:
            return Plan(self.provider, refusal=refusal)
        made = plan(call.command, call.context, call.history, lookup=self._lookup)
        return replace(made, allowed=self.allowed(command))

    def losses(self, command: Command, *, as_of: datetime | None = None) -> tuple[Loss, ...]:
        """List what this client's provider would not carry of a command; see invoice_bridge.losses."""
        return losses_of(self._resolve_names(command), self._context, as_of)

    def allowed(self, command: Command) -> frozenset[str]:
        """Return the codes of losses that this client's `allow` accepts in a command."""
        return allowed_codes(self._allow, command)

    def _not_allowed(self, losses: tuple[Loss, ...], command: Command) -> tuple[Loss, ...]:
        codes = self.allowed(command)
        return tuple(loss for loss in losses if loss.code not in codes)

    # ── a call ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _prepare(
        self, command: Command, *, since: datetime | None = None, on_discrepancy: OnDiscrepancy = "raise"
    ) -> Call:
        """Collect what is known before a command's first request, from the journal and from this client's memory.

        Reads the journal, so that an AsyncClient does it in a thread. Raises BilledElsewhere, and IdempotencyMismatch
        if the journal has the reference with other content.
        """
        try:
            return self._known(command, since, on_discrepancy)
        except BridgeError as error:
            logs.refused(self.provider, command, error)
            if (end := self._begin(command, command.verb)) is not None:
                end(CallEnded(error.outcome, error=error))
            raise

    def _known(self, command: Command, since: datetime | None, on_discrepancy: OnDiscrepancy) -> Call:
        self._check_usable()
        if os.getpid() != self._process:
            raise ConfigurationError("this client was made before a fork: make a new one in the child process")
        if on_discrepancy not in {"raise", "report"}:
            raise ConfigurationError(f'on_discrepancy must be "raise" or "report", not {on_discrepancy!r}')
        command = self._resolve_names(command)
        check_names(command, self.provider, providers.names)
        context = self._context.on(command)
        now = datetime.now(UTC)
        if isinstance(command, OnInvoice) and verb_reference(command) is not None:
            return Call(command, context, self._memory.recall_verb(command, now), self._memory.digest(command))
        if isinstance(command, Find):
            return Call(command, context, self._memory.recall_find(command))
        if not isinstance(command, NewInvoice):
            return Call(command, context)
        history = self._memory.recall(command, first_try(since, now), now)
        return Call(command, context, history, self._memory.digest(command))

    def _prepare_resolve(self, command: OneTimeCharge | PeriodInvoice | ImportInvoice, since: datetime | None) -> Call:
        """Collect what is known of a bill with an unknown outcome. Raises ConfigurationError."""
        command = self._resolve_names(command)
        now = datetime.now(UTC)
        known = self._memory.recall_unsure(command, first_try(since, now), now)
        return Call(
            command, self._context.on(command), known.history, now=now, last=known.last, last_try=known.last_try
        )

    def _steps(self, call: Call, allow: Allow = (), on_discrepancy: OnDiscrepancy = "raise") -> Steps[Any]:
        """A command's flow, supervised. Losses are refused after its first request is made and before that is sent."""
        context = call.context.on(call.command, allowed=names_allowed(allow)) if allow else call.context
        losses = context.losses
        try:
            done = yield from steps_of(
                call.command,
                context,
                call.history,
                lookup=self._lookup,
                policy=self._policy,
                before=lambda: refuse_losses(
                    self._not_allowed(losses, call.command), allow, context.provider.title, call.command.noun
                ),
            )
        except Discrepancy as other:
            if on_discrepancy == "raise" or other.invoice is None:
                raise
            done = other.invoice.model_copy(update={"discrepancies": (str(other),)})
        return done.model_copy(update={"losses": losses}) if losses and isinstance(done, Invoice) else done

    def _resolve_steps(self, call: Call) -> Steps[Resolution]:
        """The lookup alone, supervised."""
        if not isinstance(call.command, NewInvoice) or call.now is None or call.last is None:
            raise TypeError("only a bill can be resolved, and its call must have `now` and `last`")
        flow = resolve(call.command, call.context, call.history, now=call.now, last=call.last)
        return supervise(flow, call.context, self._policy)

    def _resolve_names(self, command: C) -> C:
        """Put the maps' ids in place of names of the caller's own.

        Raises ConfigurationError for a command that contains the API key: it would get onto an invoice, and into the
        provider's records, our journal and logged addresses.
        """
        if self._key.is_in("\n".join(texts_of(command))):
            raise ConfigurationError(f"{command.verb}: the command contains the API key; nothing was sent: remove it")
        return self._maps.translate(command)

    # ── around a call, and around each request ───────────────────────────────────────────────────────────────────────
    def _check_usable(self) -> None:
        """Raise ConfigurationError, before anything is sent, for a client that is closed."""
        if getattr(self._http, "is_closed", False):
            raise ConfigurationError("this client, or its http client, is closed: make a new one")

    def _sender(self) -> Any:
        """What sends: our own connections, or a copy of an injected client without its cookies."""
        return self._http if self._closes_http else without_cookies(self._http)

    def _learn(self, call: Call, done: object, trail: Trail) -> None:
        """Record in the journal which bills no longer claim their reference, and which one was found to claim it.

        Never raises: the call has succeeded, and what is not recorded is looked up the next time.
        """
        wrote = any(request.writes for request in trail.sent)
        try:
            self._memory.learn(call.command, done, datetime.now(UTC), call.last_try, wrote=wrote)
        except ConfigurationError:
            logs.unlearnt(self.provider)

    def _intend(self, request: Request, call: Call) -> int | None:
        """Record a request in the journal before it is sent; return the row's number, None if none was written."""
        return self._memory.intend(call.command, request, datetime.now(UTC), call.digest)

    def _conclude(self, request: Request, call: Call, number: int | None, exchange: Exchange) -> None:
        """Record the outcome of a request, in the journal and in this client's memory."""
        self._memory.conclude(call.context, request, number, exchange, datetime.now(UTC))
