"""What an adapter declares: a provider is a value, made of facts, tables and flows.

Rules of this file: no provider's name, no network. Every fact that several places need is read from the Provider value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from invoice_bridge.adapter import native
from invoice_bridge.adapter.addresses import check_link, check_next_page
from invoice_bridge.adapter.classify import Classified, classify
from invoice_bridge.adapter.declared import (
    Cannot,
    Currencies,
    ErrorRow,
    History,
    Matches,
    Rate,
    Refusal,
    Setting,
    StatusRow,
    status_of,
)
from invoice_bridge.adapter.keys import key_of
from invoice_bridge.adapter.limits import Limit, check_limits
from invoice_bridge.adapter.native_bodies import merged
from invoice_bridge.adapter.native_losses import native_losses
from invoice_bridge.adapter.rows import (
    Field,
    VerbRows,
    check_refused,
    find_losses,
    unbuilt_leaf,
    without_unsent_taxes,
)
from invoice_bridge.adapter.settings import read_settings
from invoice_bridge.adapter.stated import RowsByField
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core import wire
from invoice_bridge.core.balances import ReadBalances
from invoice_bridge.core.commands import Bill, Command, Find, ImportInvoice, NewInvoice, OnInvoice
from invoice_bridge.core.errors import ConfigurationError, ProviderError, Unsupported
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Auth, Effect, Flow, Request, Response

if TYPE_CHECKING:  # a client reads no answer before it has a provider, which loads them
    from invoice_bridge.adapter.redactions import Redaction
    from invoice_bridge.adapter.shapes import Shape
    from invoice_bridge.adapter.webhooks import Webhooks

FlowFactory: TypeAlias = Callable[[Any, "Context"], Flow[Any]]


# ── capabilities ─────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """One flow per verb. None: not built. `cannot(…)`: the provider cannot do it."""

    one_time_charge: FlowFactory | Cannot | None = None
    period_invoice: FlowFactory | Cannot | None = None
    import_invoice: FlowFactory | Cannot | None = None
    find: FlowFactory | Cannot | None = None
    retrieve: FlowFactory | Cannot | None = None
    list: FlowFactory | Cannot | None = None
    pdf: FlowFactory | Cannot | None = None
    finalize: FlowFactory | Cannot | None = None
    pay: FlowFactory | Cannot | None = None
    pay_part: FlowFactory | Cannot | None = None
    mark_paid: FlowFactory | Cannot | None = None
    record_payment: FlowFactory | Cannot | None = None
    refund: FlowFactory | Cannot | None = None
    credit: FlowFactory | Cannot | None = None
    void: FlowFactory | Cannot | None = None
    mark_uncollectible: FlowFactory | Cannot | None = None
    update: FlowFactory | Cannot | None = None
    delete: FlowFactory | Cannot | None = None
    send_invoice: FlowFactory | Cannot | None = None


# ── the provider ─────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider as its adapter declares it: facts first, tables second, verbs third."""

    # facts
    name: str
    title: str
    reviewed: str
    """The month in which the tables were last compared with the provider's documentation."""
    api_version: str
    base_url: Callable[[Mapping[str, Any]], str]
    """The root of the API for some settings; never ends with a slash."""
    auth: Auth
    headers: Callable[[Mapping[str, Any]], Mapping[str, str]]
    """The headers of every request, including the version; never a credential."""
    idempotency: Idempotency
    form: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] | None
    """How bodies are encoded; None for JSON."""
    rate: Rate | None = None
    """The provider's documented rate limit; None if it states no number."""
    search_rate: Rate | None = None
    """The rate limit of its search index, if it differs."""
    retry_header: str | None = None
    """A header of answers that states "true" or "false": whether the request should be retried."""
    settings: tuple[Setting, ...] = ()
    scope: Callable[[Mapping[str, Any]], str] = lambda _settings: ""
    """The account within which a reference is unique, as far as the settings state it."""
    dashboard: Callable[[Invoice, Mapping[str, Any]], str | None] = lambda _invoice, _settings: None
    """The address of an invoice in the provider's own dashboard; None where none is known."""
    mode: Callable[[str, Mapping[str, Any], str], str | None]
    """"test" or "live", as far as a key, the settings and a base URL show it; None if they do not."""

    # tables
    sources: Mapping[str, str] = field(default_factory=dict)
    """verb → where the provider documents what its flow does."""
    statuses: tuple[StatusRow, ...]
    transitions: Mapping[str, Transition] = field(default_factory=dict)
    """verb → the statuses in which it is allowed and what they become; see adapter/transitions.py."""
    fields: tuple[Field, ...]
    """What happens to each field of a bill."""
    verb_fields: tuple[Field, ...] = ()
    """What happens to each field of the verbs in VERB_LEAVES; one without a row is refused as not built."""
    import_fields: tuple[Field, ...] = ()
    """What happens to each field of an import (`IMPORT_LEAVES`); empty where the provider takes no history."""
    natives: native.NativeTable = native.NO_NATIVES
    """The parameters that only this provider has."""
    errors: tuple[ErrorRow, ...]
    limits: tuple[Limit, ...]
    import_limits: tuple[Limit, ...] = ()
    money: Currencies
    """The table of currencies: a Units, or the provider's own kind."""
    redactions: tuple[Redaction, ...] = ()
    """The rows that redact recordings, beyond those of every provider."""

    # verbs
    flows: Verbs
    lookup: Callable[[NewInvoice | Find, Context, History], Flow[Matches]] | None = None
    """The lookup of a bill by its reference, if the listing is not enough; see adapter/lookup.py."""
    search: Callable[[NewInvoice | Find, Context, History], Flow[Matches]] | None = None
    """How a bill is found in the provider's search index, which lags behind writes: the first lookup of a create, while
    the idempotency key covers the lag. None if the index does not cover the reference."""
    import_lookup: Callable[[ImportInvoice, Context, History], Flow[Matches]] | None = None
    """The lookup of an import, if an id that the caller chose makes it cheaper than a bill's."""
    balances: FlowFactory | None = None
    """Reads the balances of a customer (`ReadBalances`); None where no documented request states them."""
    deletes_imports: frozenset[Status] = frozenset()
    """The statuses in which `Delete(imported=True)` deletes what an import made, beside drafts."""
    parse: Callable[..., Invoice]
    """parse(data: Mapping) → Invoice; raises MalformedResponse."""
    shape: Shape[Invoice] | None = None
    """Where each field of an invoice is read: the table behind `parse`, which the reference prints."""
    refusal: Callable[[Response], Refusal]
    """Reads an error body; raises MalformedResponse if it is not the provider's."""
    invoice_id: Callable[[Any], str | None]
    """Returns the invoice's id in an answer's JSON, or None."""
    reference_in: Callable[[Any, Context], str | None] | None = None
    """Returns the reference in the JSON of an answer to the request that opens a bill, or None."""
    webhooks: Webhooks | None = None
    """The verification and reading of its deliveries; None: not built."""
    emulator: Callable[..., Any]
    """emulator(clock=…, …) → the in-memory provider. `Named` by its path: billing code never imports a test double."""

    def __repr__(self) -> str:
        return f"<Provider {self.name}>"

    def flow(self, command: Command, context: Context) -> Flow[Any]:
        """Start the flow of a command's verb.

        Raises Unsupported if the provider cannot do it, it is not built, a limit is exceeded, or a row refuses a field.
        """
        if isinstance(command, ReadBalances) and self.balances is not None:
            return self.balances(command, context)
        begin: FlowFactory | Cannot | None = getattr(self.flows, command.capability, None)
        if begin is None:
            raise Unsupported(f"{self.title}: {command.capability} is not built yet")
        bills, imports = self._limits_by_field
        check_limits((imports if isinstance(command, ImportInvoice) else bills).about(command), command)
        if isinstance(begin, Cannot):
            raise Unsupported(f"{self.title}: {begin.reason}", source=begin.source)
        if isinstance(command, NewInvoice):
            check_refused(self.rows_for(command).refusing.about(command), command, context)
        if isinstance(command, OnInvoice) and (leaf := unbuilt_leaf(self.verb_fields, command)) is not None:
            raise Unsupported(f"{self.title}: {command.verb}({leaf}=…) is not built yet", remedy="omit it")
        command = without_unsent_taxes(self.rows_of(command), command, context)
        native.check_natives(self.natives, context.on(command).natives, command, context)
        return begin(command, context)

    def rows_of(self, command: Command | None) -> tuple[Field, ...]:
        """Return the rows of a command's fields."""
        if isinstance(command, ImportInvoice):
            return self.import_fields
        return self.fields if isinstance(command, Bill) else self.verb_fields

    def rows_for(self, command: Command) -> VerbRows:
        """Return the rows of a command's verb, which are chosen once."""
        known, verb = self._rows_by_verb, command.verb
        return known.get(verb) or known.setdefault(verb, VerbRows.of(self.rows_of(command), verb))

    @cached_property
    def _rows_by_verb(self) -> dict[str, VerbRows]:
        return {}

    @cached_property
    def _limits_by_field(self) -> tuple[RowsByField[Limit], RowsByField[Limit]]:
        """The limits of bills, and those of imports."""
        return RowsByField(self.limits), RowsByField(self.import_limits)

    def status(self, word: object) -> Status:
        """Return our status for a provider's word; unknown for any word that is not in the table, including null."""
        return status_of(self.statuses, word)

    def error(self, answer: Response) -> ProviderError:
        """Return the typed error of a refusal, by the provider's table, else by the HTTP status."""
        return self.classify(answer).error

    def classify(self, answer: Response) -> Classified:
        """Return the typed error of a refusal, with what the provider's table adds."""
        return classify(answer, self.name, self.errors, self.refusal)

    def is_replay(self, answer: Response) -> bool:
        """Return whether an answer is marked as a replay of the answer to an earlier request with the same key."""
        marked = self.idempotency.replay_header
        return marked is not None and answer.headers.get(marked.lower()) == "true"

    def wants_retry(self, answer: Response, *, default: bool) -> bool:
        """Return whether to retry a refused request: as the provider states, else `default`."""
        advice = None if self.retry_header is None else answer.headers.get(self.retry_header.lower())
        return {"true": True, "false": False}.get(advice or "", default)

    def read_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check settings and fill in defaults. Raises ConfigurationError naming the nearest valid name."""
        return read_settings(self.title, self.settings, given)

    def missing_settings(self, settings: Mapping[str, Any]) -> tuple[Setting, ...]:
        """Return the required settings that are not given."""
        return tuple(setting for setting in self.settings if setting.required and settings.get(setting.name) is None)


# ── the context of a flow ─────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Context:
    """The context of a flow: the settings, and one way to make requests. It has no key, clock or network."""

    provider: Provider
    settings: Mapping[str, Any]
    base_url: str
    command: Command | None = None
    as_of: datetime | None = None
    """The caller's time, for loss rows that depend on it; flows never read it."""
    existing: Invoice | None = None
    """The invoice that the lookup found under the bill's reference: a flow continues from it."""
    done: frozenset[str] = frozenset()
    """The keys and addresses of requests of this bill that are known to have taken effect; see `has_done`."""
    allowed: frozenset[str] = frozenset()
    """The paths and codes of losses that the caller allowed by name."""

    @property
    def account(self) -> str:
        """Return the account within which a reference is unique, as far as the settings state it: "chargebee:acme"."""
        return f"{self.provider.name}:{self.provider.scope(self.settings)}"

    @cached_property
    def losses(self) -> tuple[Loss, ...]:
        """Return the losses of the command, computed once for each context."""
        rows = () if self.command is None else self.provider.rows_for(self.command).losing.about(self.command)
        losses = find_losses(rows, self.command, self)
        return (*losses, *native_losses(self.provider.natives, self.command, self))

    @cached_property
    def natives(self) -> native.Given:
        """Return the native parameters of the command, read and checked. Raises ConfigurationError or Unsupported."""
        return native.read_natives(self.provider.natives, self.command, self)

    def on(self, command: Command, *, allowed: frozenset[str] | None = None) -> Context:
        """Return the same context for one command, from which idempotency keys derive, or with other losses allowed."""
        if command is self.command and allowed is None:
            return self
        same = (self.provider, self.settings, self.base_url)
        names = self.allowed if allowed is None else allowed
        return Context(*same, command, self.as_of, self.existing, self.done, names)

    def has_done(self, request: Request) -> bool:
        """Return whether a request is known to have taken effect, even if the provider has forgotten its key.

        Its address counts as well as its key: another attempt, or a verb of the caller's, may have sent it for the same
        invoice.
        """
        return request.key in self.done or request.url in self.done

    def get(
        self,
        *segments: str,
        query: Iterable[tuple[str, object]] = (),
        specimen: Any = None,
        note: str = "",
        invoice_id: str | None = None,
        searches: bool = False,
        misses: bool = False,
    ) -> Request:
        """Make a reading request; `invoice_id` is the invoice that its answer must be about.

        `misses`: the object may not exist; see Request.
        """
        pairs = [(name, wire.scalar(value)) for name, value in query]
        url = self.base_url + wire.path(*segments) + (f"?{wire.query(pairs)}" if pairs else "")
        headers = self.provider.headers(self.settings)
        return Request(
            "GET", url, headers, specimen=specimen, note=note, invoice_id=invoice_id, searches=searches, misses=misses
        )

    def post(self, *segments: str, **what: Any) -> Request:
        """Make a POST request: see `send`."""
        return self.send("POST", *segments, **what)

    def send(
        self,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        step: str = "",
        effects: Iterable[Effect] = (),
        specimen: Any = None,
        note: str = "",
        empty: bool = False,
        opens: bool = False,
        invoice_id: str | None = None,
        answers: tuple[str | int, ...] = (),
        equals: str | None = None,
        excludes: Iterable[str] = (),
        failed_if: tuple[tuple[str | int, ...], frozenset[str]] | None = None,
        states_bill: bool = False,
        part: str = "",
    ) -> Request:
        """Make a writing request: `opens` if it makes a new invoice, `invoice_id` if it changes one.

        `step` names it within its flow; the idempotency key derives from that. The rest is as on Request.

        It has a key if the provider takes one for the method (`Idempotency.methods`).
        """
        headers = dict(self.provider.headers(self.settings))
        step = step or "/".join(segments[-1:])
        content, kind = wire.encoded(body, self.provider.form)
        keyed = method in self.provider.idempotency.methods
        key = (
            key_of(self.command, self.account, step, content) if keyed else None
        )  # other natives under one key are a mismatch, not another try
        takes_unchecked = opens or isinstance(self.command, OnInvoice)
        if (more := merged(self.natives, step, body, takes_unchecked=takes_unchecked)) is not None:
            body, effects = more[0], {*effects, *more[1]}
            try:
                content, kind = wire.encoded(body, self.provider.form)
            except TypeError as error:
                raise ConfigurationError(f"native parameters of {self.provider.name}: {error}") from None
        if kind:
            headers["Content-Type"] = kind
        if key is not None:
            headers[self.provider.idempotency.header] = key
        return Request(
            method,
            self.base_url + wire.path(*segments),
            headers,
            content,
            frozenset(effects),
            key,
            body=body,
            specimen=specimen,
            note=note,
            empty=empty,
            opens=opens,
            invoice_id=invoice_id,
            answers=answers,
            equals=equals,
            excludes=frozenset(excludes),
            failed_if=failed_if,
            states_bill=states_bill,
            part=part,
        )

    def follow(self, url: str, *, specimen: Any = None) -> Request:
        """Make a reading request for a complete URL from the provider.

        Raises MalformedResponse for another origin than the configured one, and outside the base URL's path.
        """
        check_next_page(url, self.base_url, self.provider.name)
        return Request("GET", url, self.provider.headers(self.settings), specimen=specimen)

    def link(self, url: str) -> Request:
        """Make a reading request, without the key, for the link of a document that an answer gave.

        Raises MalformedResponse for a link that is not https, unless it is below the configured origin.
        """
        check_link(url, self.base_url, self.provider.name)
        return Request("GET", url, link=True)
