"""Verify a delivery of a webhook, and turn it into a neutral event.

Rules of this file: nothing here opens a socket or reads a clock: the delivery's present is given as `at`. Nothing of a
body is read before its signature fits. Secrets are compared in constant time and stand in no error. An event reports
what the provider says, amounts included; what is not in the delivery is None, never guessed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.reading import Reader, clean_text
from invoice_bridge.adapter.webhooks import Delivery, EventFacts, EventRow, EventType, InvoiceEvent, Webhooks
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse
from invoice_bridge.core.exact import LARGEST, loads_bounded
from invoice_bridge.core.model import PAST_DUE_WORDS, Invoice, Status, in_utc
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
    """Verify a delivery, and return the event in it.

    `body` is the bytes as they came, never parsed and written again. `secret` is the endpoint's signing secret; where
    the provider signs nothing and sends a user and a password, "user:password". `at` is the present of the delivery,
    aware. With `verified=False` nothing is checked and no secret is taken: for a delivery that was verified before, or
    of a provider whose scheme is not documented; the event then says so. A `journal` learns from a verified event that
    an invoice of one of its bills is void or deleted, so that its reference may be billed elsewhere.

    Raises InvalidSignature where the delivery cannot be shown to be the provider's, MalformedResponse where it holds no
    event, an invoice that cannot be read, or more than an answer may hold (see wire.loads_bounded), and
    ConfigurationError for a provider, a secret or an `at` of no use.
    """
    declared = providers.get(provider)
    if declared.webhooks is None:
        raise ConfigurationError(f"{declared.title}: webhooks are not built yet")
    if not isinstance(body, bytes):
        raise ConfigurationError("body is the bytes as they came: a text or a mapping cannot be verified")
    if len(body) > LARGEST:
        raise MalformedResponse(f"the delivery is longer than {LARGEST} bytes", provider=provider)
    delivery = Delivery(
        {name.lower(): value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)},
        body,
    )
    if verified:
        _verify(declared.title, declared.webhooks, delivery, secret, at)
    elif secret is not None:
        raise ConfigurationError("a secret with verified=False would check nothing: leave one of the two out")
    try:
        data = loads_bounded(body)
    except ValueError as error:
        raise MalformedResponse(f"the delivery is not JSON: {error}", provider=provider) from None
    if not isinstance(data, dict):
        raise MalformedResponse("an event is a JSON object", provider=provider)
    told = declared.webhooks.read(Reader(data, provider), delivery)
    if told.id is None:
        raise MalformedResponse("the event has no id", provider=provider)
    row = next((row for row in declared.webhooks.events if row.native == told.native_type), None)
    invoice = _invoice(declared.parse, told, must=row is not None)
    if journal is not None and verified and invoice is not None:
        journal.learn_from(invoice, f"reported by {provider}, event {clean_text(told.id)}", at)
    try:
        return InvoiceEvent(
            provider=provider,
            id=clean_text(told.id),
            type=_type(row, invoice),
            native_type=told.native_type,
            invoice=invoice,
            invoice_id=told.invoice_id if invoice is None else invoice.id,
            occurred_at=told.occurred_at,
            version=told.version,
            verified=verified,
            test_mode=told.test_mode,
            raw=data,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MalformedResponse(f"the event cannot be read: {first['msg']}", provider=provider) from None


def _verify(title: str, webhooks: Webhooks, delivery: Delivery, secret: str | None, at: datetime) -> None:
    if isinstance(webhooks.verify, Cannot):
        raise ConfigurationError(
            f"{title}: {webhooks.verify.reason}; verified=False reads a delivery as a hint, unverified"
        )
    if not isinstance(secret, str) or not secret.strip():
        raise ConfigurationError(f"{title}: a delivery is verified with the endpoint's secret, and none is given")
    try:
        key, present = secret.encode(), in_utc(at)
    except UnicodeEncodeError:
        raise ConfigurationError(f"{title}: the secret is no text") from None
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"at: {error}") from None
    webhooks.verify(delivery, key, present)


def _invoice(read: Callable[..., Invoice], told: EventFacts, *, must: bool) -> Invoice | None:
    if told.invoice is None:
        return None
    try:
        return read(told.invoice)
    except MalformedResponse:
        if must:
            raise
        return None  # an event without a meaning here, of something that looks like an invoice: a preview, say


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


# ── once, and in order ───────────────────────────────────────────────────────────────────────────────────────────────
def is_stale(event: InvoiceEvent, last: InvoiceEvent | None) -> bool:
    """Whether an event of an invoice certainly reports an older state than `last`, the last one that was used.

    By `version` where both have one, else by `occurred_at`. Where neither tells them apart it is not stale: read the
    invoice, which is never older.
    """
    if last is None or (event.provider, event.invoice_id) != (last.provider, last.invoice_id):
        return False
    if event.version is not None and last.version is not None:
        return event.version < last.version
    if event.occurred_at is not None and last.occurred_at is not None:
        return event.occurred_at < last.occurred_at
    return False


class ProcessedEvents:
    """Which events were used already, for a bounded time and in a bounded number.

    Ask before using an event, add it once it *was* used: an event that is added first and then fails would be passed
    over when it comes again. The window is to be longer than a provider tries again, which is up to 3 days and 7 hours.
    """

    def __init__(self, *, window: timedelta = timedelta(days=4), most: int = 100_000) -> None:
        if window <= timedelta() or most < 1:
            raise ConfigurationError("a window is longer than no time, and holds one event at least")
        self._window, self._most = window, most
        self._used: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def has(self, event: InvoiceEvent, *, at: datetime) -> bool:
        """Whether the event was used within the window before `at`."""
        used = self._used.get((event.provider, event.id))
        return used is not None and in_utc(at) - used <= self._window

    def add(self, event: InvoiceEvent, *, at: datetime) -> None:
        """Note that the event was used at `at`, and forget what is older than the window, or too many."""
        now, name = in_utc(at), (event.provider, event.id)
        self._used[name] = now
        self._used.move_to_end(name)
        while len(self._used) > self._most or now - next(iter(self._used.values())) > self._window:
            self._used.popitem(last=False)
