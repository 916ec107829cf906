"""Lago's webhooks: an HMAC of the body. Lago signs neither an instant nor the key that repeated deliveries share."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime

from invoice_bridge.adapter import (
    Delivery,
    EventFacts,
    EventRow,
    EventType,
    Reader,
    Webhooks,
    constant_time_equal,
    hmac_sha256,
)
from invoice_bridge.core.errors import InvalidSignature

_DOCS = "getlago.com/docs/api-reference/webhooks/format---signature"
_EVENTS = "lago-api, app/services/webhooks/invoices"


def verify(delivery: Delivery, secret: bytes, _at: datetime) -> None:
    """Check `X-Lago-Signature`: the HMAC-SHA256 of the body in base64. An old delivery cannot be detected."""
    if delivery.required_header("x-lago-signature-algorithm") != "hmac":
        raise InvalidSignature("the delivery is signed as a JWT: choose HMAC for this endpoint in Lago")
    ours = b64encode(hmac_sha256(secret, delivery.body))
    if not constant_time_equal(ours, delivery.required_header("x-lago-signature")):
        raise InvalidSignature("the signature does not match: check the endpoint's secret, and pass the body unchanged")


def read(reader: Reader, delivery: Delivery) -> EventFacts:
    """Read {"webhook_type", "object_type", OBJECT}; the object is the invoice, or has its id."""
    kind = reader.text("object_type") or ""
    about = reader.child(kind) if kind else reader.child("invoice")
    is_invoice = kind == "invoice"
    return EventFacts(
        id=delivery.headers.get("x-lago-unique-key") or None,
        native_type=reader.text("webhook_type"),
        invoice=(about.data or None) if is_invoice else None,
        invoice_id=about.text("lago_id") if is_invoice else about.text("lago_invoice_id"),
    )


WEBHOOKS = Webhooks(
    verify=verify,
    read=read,
    events=(
        EventRow("invoice.drafted", EventType.CREATED, _EVENTS),
        EventRow("invoice.created", EventType.FINALIZED, f"{_EVENTS}; doc.getlago.com/changelog/grace-period"),
        EventRow("invoice.one_off_created", EventType.FINALIZED, f"{_EVENTS}/one_off_created_service.rb"),
        EventRow(
            "invoice.payment_status_updated",
            EventType.UPDATED,
            "getlago.com/docs/guide/payments/payment-retries",
            by_status=True,
        ),
        EventRow(
            "invoice.payment_failure", EventType.PAYMENT_FAILED, "getlago.com/docs/guide/payments/payment-retries"
        ),
        EventRow("invoice.payment_overdue", EventType.PAST_DUE, _EVENTS),
        EventRow("invoice.voided", EventType.VOIDED, "lago-api, app/services/invoices/void_service.rb"),
    ),
    source=_DOCS,
)
