"""Whop's deliveries: the headers of Standard Webhooks, keyed with the secret as it is written."""

from __future__ import annotations

import base64
from datetime import datetime

from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.webhooks import (
    Delivery,
    EventFacts,
    EventRow,
    EventType,
    Webhooks,
    check_timestamp,
    constant_time_equal,
    hmac_sha256,
)
from invoice_bridge.core.errors import InvalidSignature

_GUIDE = "docs.whop.com/developer/guides/webhooks"
_SDK = "whop-sdk 2.6.0"
_EVENTS = "docs.whop.com/api-reference/legacy/invoices"


def verify(delivery: Delivery, secret: bytes, at: datetime) -> None:
    """Check `webhook-signature`: base64 of HMAC-SHA256 of "id.timestamp.body".

    The key is the secret's own bytes, ws_ and all. The library of Standard Webhooks decodes a secret as base64 first,
    and so refuses Whop's genuine deliveries (whop-sdk 2.6.0, lib/verify_webhook.py).
    """
    instant = delivery.required_header("webhook-timestamp")
    identity, given = delivery.required_header("webhook-id"), delivery.required_header("webhook-signature")
    check_timestamp(instant, at)
    expected = base64.b64encode(
        hmac_sha256(secret, identity.encode("utf-8", "backslashreplace"), instant.encode(), delivery.body)
    )
    signatures = [value for version, _, value in (part.partition(",") for part in given.split(" ")) if version == "v1"]
    if not any(constant_time_equal(expected, signature) for signature in signatures):
        raise InvalidSignature(
            "no signature matches: check that the secret is this endpoint's, and that the body is unchanged"
        )


def sign(event_id: str, body: bytes, secret: bytes, at: datetime) -> dict[str, str]:
    """Return the headers of a delivery: those of Standard Webhooks, with the bytes of the secret as the key."""
    instant = str(int(at.timestamp()))
    signature = base64.b64encode(hmac_sha256(secret, event_id.encode(), instant.encode(), body)).decode()
    return {"webhook-id": event_id, "webhook-timestamp": instant, "webhook-signature": f"v1,{signature}"}


def read(at: Reader, delivery: Delivery) -> EventFacts:
    """Read the envelope. Repeated deliveries share the header webhook-id, which is signed too."""
    kind = at.text("type")
    about = at.child("data")
    is_invoice = (kind or "").startswith("invoice.")
    if kind is None:
        raise at.fault("type", "is missing: this is not a Whop event")
    return EventFacts(
        id=delivery.headers.get("webhook-id") or at.text("id"),
        native_type=kind,
        invoice=about.data if is_invoice else None,
        invoice_id=about.text("id") if is_invoice else None,
        occurred_at=at.instant("timestamp"),
    )


# Whop has no events for an invoice that is changed, issued or deleted. Its payment.failed carries a payment, which
# may have no invoice, so it is no event of an invoice here. A refund and a dispute name a payment too, and no
# invoice:
# their events have no invoice_id, and `raw` has the payment's id, which Invoice.payments has. A pending or failed
# refund sends the same events, so REFUNDED says to read the invoice. A dispute_alert is a warning, no dispute.
WEBHOOKS = Webhooks(
    verify=verify,
    read=read,
    events=(
        EventRow("invoice.created", EventType.CREATED, f"{_EVENTS}/invoice-created"),
        EventRow("invoice.paid", EventType.PAID, f"{_EVENTS}/invoice-paid"),
        EventRow("invoice.past_due", EventType.PAST_DUE, f"{_EVENTS}/invoice-past-due"),
        EventRow("invoice.voided", EventType.VOIDED, f"{_EVENTS}/invoice-voided"),
        EventRow("invoice.marked_uncollectible", EventType.UNCOLLECTIBLE, f"{_EVENTS}/invoice-marked-uncollectible"),
        EventRow("refund.created", EventType.REFUNDED, f"{_SDK}, PostRefundCreatedPayload"),
        EventRow("refund.updated", EventType.REFUNDED, f"{_SDK}, PostRefundUpdatedPayload"),
        EventRow("dispute.created", EventType.DISPUTED, f"{_SDK}, PostDisputeCreatedPayload"),
        EventRow("dispute.updated", EventType.DISPUTED, f"{_SDK}, PostDisputeUpdatedPayload"),
    ),
    sign=sign,
    source=_GUIDE,
)
