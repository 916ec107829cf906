"""Acme's webhooks: one signature of the instant and the body."""

from __future__ import annotations

from datetime import datetime

from invoice_bridge.adapter import (
    Delivery,
    EventFacts,
    EventRow,
    EventType,
    Reader,
    Webhooks,
    check_timestamp,
    constant_time_equal,
    hmac_sha256,
)
from invoice_bridge.core.errors import InvalidSignature

_DOCS = "docs.acme.test/webhooks"


def verify(delivery: Delivery, secret: bytes, at: datetime) -> None:
    """Check `Acme-Signature: <unix seconds>,<hex>`: HMAC-SHA256 of "seconds.body"."""
    instant, _, signature = delivery.required_header("acme-signature").partition(",")
    check_timestamp(instant, at)
    if not constant_time_equal(hmac_sha256(secret, instant.encode(), delivery.body).hex().encode(), signature):
        raise InvalidSignature("the signature does not match: check the endpoint's secret, and pass the body unchanged")


def read(reader: Reader, _delivery: Delivery) -> EventFacts:
    """Read {"event", "name", "at", "invoice"}."""
    about = reader.child("invoice")
    return EventFacts(
        id=reader.text("event"),
        native_type=reader.text("name"),
        invoice=about.data or None,
        invoice_id=about.text("id"),
        occurred_at=reader.instant("at"),
    )


WEBHOOKS = Webhooks(
    verify=verify,
    read=read,
    events=(
        EventRow("invoice.made", EventType.CREATED, _DOCS),
        EventRow("invoice.finalized", EventType.FINALIZED, _DOCS),
        EventRow("invoice.paid", EventType.PAID, _DOCS),
        EventRow("invoice.void", EventType.VOIDED, _DOCS),
    ),
    source=_DOCS,
)
