"""An adapter's declaration of a provider's webhooks, and the event that a delivery becomes."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from invoice_bridge.adapter.declared import Cannot, cannot
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.errors import InvalidSignature
from invoice_bridge.core.model import Frozen, Instant, Invoice, Raw, Text

__all__ = ["EventType", "InvoiceEvent"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOLERANCE = timedelta(minutes=5)
"""How far a signed timestamp may be from `at`, before or after it."""


class EventType(StrEnum):
    """The kind of an event. `unknown` is any other event; it never changes your data."""

    CREATED = "created"
    UPDATED = "updated"
    FINALIZED = "finalized"
    PAID = "paid"
    PAYMENT_FAILED = "payment_failed"
    PAST_DUE = "past_due"
    VOIDED = "voided"
    UNCOLLECTIBLE = "uncollectible"
    DELETED = "deleted"
    CREDITED = "credited"
    """A credit note was issued, changed or withdrawn."""
    REFUNDED = "refunded"
    """A refund was made, is pending or failed: read the invoice or the refund in `raw`."""
    DISPUTED = "disputed"
    """The customer disputes a payment with their bank, or that dispute changed."""
    UNKNOWN = "unknown"


class InvoiceEvent(Frozen):
    """A provider's report. The same event may come more than once, and events may come out of order.

    Repeated deliveries of one event have the same `id`. `invoice` is the invoice at that time, None if the delivery
    does not contain it (read it by `invoice_id`); its lines may be a first page (`lines_complete`). `version` numbers
    the states of one invoice, if the provider does. `verified` is False if nothing was checked: the event is then only
    a hint to read the invoice. `native_type` is the provider's word, `raw` its whole body.
    """

    provider: Text
    id: Text
    type: EventType
    native_type: Text | None = None
    invoice: Invoice | None = None
    invoice_id: Text | None = None
    occurred_at: Instant | None = None
    version: int | None = None
    verified: bool
    test_mode: bool | None = None
    raw: Raw = Field(default=None, repr=False)


# ── an adapter's declarations ─────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class EventRow:
    """A provider's name for an event, and ours.

    `by_status`: the provider has no events of its own for paid, voided and the like, so the event reports the status of
    the invoice in it.
    """

    native: str
    type: EventType
    source: str
    by_status: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request of a provider: its headers, names in lower case, and the bytes of its body."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def required_header(self, name: str) -> str:
        """Return a required header. Raises InvalidSignature if it is missing."""
        value = self.headers.get(name, "")
        if not value:
            raise InvalidSignature(f"the delivery has no header {name}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """The facts of an event as the provider words them. `invoice` is the JSON of the invoice that it carries.

    An event without an id is refused, because nothing would distinguish it from another.
    """

    id: str | None
    native_type: str | None
    invoice: Mapping[str, Any] | None = None
    invoice_id: str | None = None
    occurred_at: datetime | None = None
    version: int | None = None
    test_mode: bool | None = None


_SIGNS_NOTHING = cannot("its adapter does not sign deliveries", source="the default of an adapter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """The verification and reading of a provider's deliveries.

    `verify(delivery, secret, at)` raises InvalidSignature, and ConfigurationError for a secret of another shape. `read`
    raises MalformedResponse for content that is not an event. `sign(event_id, body, secret, at)` returns the headers of
    a delivery that `verify` accepts: for emulators and tests.
    """

    verify: Callable[[Delivery, bytes, datetime], None] | Cannot
    read: Callable[[Reader, Delivery], EventFacts]
    events: tuple[EventRow, ...]
    source: str
    sign: Callable[[str, bytes, bytes, datetime], Mapping[str, str]] | Cannot = _SIGNS_NOTHING


def check_timestamp(seconds: str, at: datetime) -> None:
    """Raise InvalidSignature unless `seconds`, a Unix time, is within five minutes of `at`, before or after it."""
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 12):
        raise InvalidSignature("the signed timestamp is not a Unix time")
    apart = at - (_EPOCH + timedelta(seconds=int(seconds)))
    if abs(apart) > TOLERANCE:
        late = "old" if apart > timedelta() else "far in the future"
        raise InvalidSignature(f"the signed instant is too {late}: it may lie {TOLERANCE} from the present at most")


def hmac_sha256(secret: bytes, *pieces: bytes) -> bytes:
    """Return the HMAC-SHA256 of the pieces, joined by dots."""
    return hmac.digest(secret, b".".join(pieces), "sha256")


def constant_time_equal(ours: bytes, theirs: str) -> bool:
    """Compare two texts in constant time; text that is not ASCII never matches."""
    return hmac.compare_digest(ours, theirs.encode("ascii", "backslashreplace"))
