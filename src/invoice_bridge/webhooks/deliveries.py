"""Verify the delivery of a webhook, and read it as a neutral event.

Rules of this file: no socket and no clock; the caller passes the delivery's time as `at`. A body is not read before its
signature matches. Secrets are compared in constant time, and no error contains one. An event has the provider's values,
including amounts; a value that the delivery does not have is None, never guessed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.notes import clean_text
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.webhooks import Delivery, EventFacts, EventRow, EventType, InvoiceEvent, Webhooks
from invoice_bridge.core.errors import BridgeError, ConfigurationError, MalformedResponse
from invoice_bridge.core.exact import LARGEST, loads_bounded
from invoice_bridge.core.model import PAST_DUE_WORDS, Invoice, Status, in_utc
from invoice_bridge.engine.observers import WebhookRead, is_watched, point
from invoice_bridge.journal.store import Journal

__all__ = ["ProcessedEvents", "is_stale", "parse"]


# ── reading a delivery ───────────────────────────────────────────────────────────────────────────────────────────────
def parse(
    provider: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secret: str | None,
    at: datetime,
    verified: bool = True,
    journal: Journal | None = None,
) -> InvoiceEvent:
    """Verify a delivery, and return its event.

    `body` is the received bytes, unchanged. `secret` is the endpoint's signing secret, or
    "user:password" if the provider does not sign but sends a user and a password. `at` (aware) is the time of the
    delivery. `verified=False` checks nothing and takes no secret: for a delivery that was verified before, or of a
    provider whose scheme is not documented; the event's `verified` is then False. A `journal` records from a verified
    event that an invoice of one of its bills is void or deleted, so that its reference can be billed elsewhere.

    Raises InvalidSignature if the delivery cannot be verified; MalformedResponse if it has no event, has an unreadable
    invoice, or exceeds the bounds of an answer (see exact.loads_bounded); and ConfigurationError for an unusable
    provider, secret or `at`.
    """
    try:
        event = _parse(provider, headers, body, secret, at, verified=verified, journal=journal)
    except BridgeError as error:
        if is_watched():
            point(WebhookRead(provider if provider in providers.names() else "", "", verified, error))
        raise
    if is_watched():
        point(WebhookRead(provider, event.type.value, verified))
    return event


def _parse(
    provider: str,
    headers: Mapping[str, str],
    body: bytes,
    secret: str | None,
    at: datetime,
    *,
    verified: bool,
    journal: Journal | None,
) -> InvoiceEvent:
    declared = providers.get(provider)
    if declared.webhooks is None:
        raise ConfigurationError(f"{declared.title}: this library does not read its webhooks yet")
    if not isinstance(body, bytes):
        raise ConfigurationError("body must be the received bytes: a string or a mapping cannot be verified")
    if len(body) > LARGEST:
        raise MalformedResponse(f"the delivery is longer than {LARGEST} bytes", provider=provider)
    delivery = Delivery(
        {name.lower(): value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)},
        body,
    )
    if verified:
        _verify(declared.title, declared.webhooks, delivery, secret, at)
    elif secret is not None:
        raise ConfigurationError("verified=False does not use the secret: omit one of the two")
    try:
        data = loads_bounded(body)
    except ValueError as error:
        raise MalformedResponse(f"the delivery is not JSON: {error}", provider=provider) from None
    if not isinstance(data, dict):
        raise MalformedResponse("the delivery is not a JSON object", provider=provider)
    event_facts = declared.webhooks.read(Reader(data, provider), delivery)
    if event_facts.id is None:
        raise MalformedResponse("the event has no id", provider=provider)
    row = next((row for row in declared.webhooks.events if row.native == event_facts.native_type), None)
    invoice = _invoice(declared.parse, event_facts, is_required=row is not None)
    if journal is not None and verified and invoice is not None:
        journal.learn_from(invoice, f"reported by {provider}, event {clean_text(event_facts.id)}", at)
    try:
        return InvoiceEvent(
            provider=provider,
            id=clean_text(event_facts.id),
            type=_type(row, invoice),
            native_type=event_facts.native_type,
            invoice=invoice,
            invoice_id=event_facts.invoice_id if invoice is None else invoice.id,
            occurred_at=event_facts.occurred_at,
            version=event_facts.version,
            verified=verified,
            test_mode=event_facts.test_mode,
            raw=data,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MalformedResponse(f"the event cannot be read: {first['msg']}", provider=provider) from None


def _verify(title: str, webhooks: Webhooks, delivery: Delivery, secret: str | None, at: datetime) -> None:
    if isinstance(webhooks.verify, Cannot):
        raise ConfigurationError(
            f"{title}: {webhooks.verify.reason}; verified=False reads a delivery without a check, as a hint"
        )
    if not isinstance(secret, str) or not secret.strip():
        raise ConfigurationError(f"{title}: verification needs the endpoint's secret: pass secret=…")
    try:
        key, present = secret.encode(), in_utc(at)
    except UnicodeEncodeError:
        raise ConfigurationError(f"{title}: the secret is not valid text") from None
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"at: {error}") from None
    webhooks.verify(delivery, key, present)


def _invoice(read: Callable[..., Invoice], event_facts: EventFacts, *, is_required: bool) -> Invoice | None:
    if event_facts.invoice is None:
        return None
    try:
        return read(event_facts.invoice)
    except MalformedResponse:
        if is_required:
            raise
        return None  # an event of an unknown type may have an object that is only similar to an invoice, as a preview


_BY_STATUS = {
    Status.PAID: EventType.PAID,
    Status.VOID: EventType.VOIDED,
    Status.UNCOLLECTIBLE: EventType.UNCOLLECTIBLE,
    Status.DELETED: EventType.DELETED,
}


def _type(row: EventRow | None, invoice: Invoice | None) -> EventType:
    if row is None:
        return EventType.UNKNOWN
    if not row.by_status or invoice is None:
        return row.type
    if invoice.status is Status.OPEN and invoice.native_status in PAST_DUE_WORDS:
        return EventType.PAST_DUE
    return _BY_STATUS.get(invoice.status, row.type)


# ── deduplication and order ──────────────────────────────────────────────────────────────────────────────────────────
def is_stale(event: InvoiceEvent, last: InvoiceEvent | None) -> bool:
    """Return whether an event certainly reports an older state of its invoice than `last`, the last processed event.

    The order is that of `version` if both have one, else that of `occurred_at`. If neither orders them, the event is
    not stale: read the invoice, which is never older.
    """
    if last is None or (event.provider, event.invoice_id) != (last.provider, last.invoice_id):
        return False
    if event.version is not None and last.version is not None:
        return event.version < last.version
    if event.occurred_at is not None and last.occurred_at is not None:
        return event.occurred_at < last.occurred_at
    return False


class ProcessedEvents:
    """The recently processed events, for a bounded time and in a bounded number.

    Check `has` before you process an event, and `add` it *after*: an event that is added first and then fails would be
    ignored when it comes again. `window` must be longer than a provider's retries last, up to 3 days and 7 hours.
    """

    def __init__(self, *, window: timedelta = timedelta(days=4), most: int = 100_000) -> None:
        if window <= timedelta() or most < 1:
            raise ConfigurationError("window must be longer than zero, and most must be 1 or more")
        self._window, self._most = window, most
        self._processed: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def __len__(self) -> int:
        return len(self._processed)

    def has(self, event: InvoiceEvent, *, at: datetime) -> bool:
        """Return whether the event was processed within `window` before `at`."""
        processed_at = self._processed.get((event.provider, event.id))
        return processed_at is not None and in_utc(at) - processed_at <= self._window

    def add(self, event: InvoiceEvent, *, at: datetime) -> None:
        """Record that the event was processed at `at`, and drop events that are too old or too many."""
        now, key = in_utc(at), (event.provider, event.id)
        self._processed[key] = now
        self._processed.move_to_end(key)
        while len(self._processed) > self._most or now - next(iter(self._processed.values())) > self._window:
            self._processed.popitem(last=False)
