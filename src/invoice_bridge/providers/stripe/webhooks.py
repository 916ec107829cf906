"""Stripe's deliveries: the header Stripe-Signature, snapshot and thin events."""

from __future__ import annotations

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

_SIGNATURES = "stripe-python 16.1.0, WebhookSignature"
_EVENTS = "stripe-python 16.1.0, Event"
_THIN = "stripe-python 16.1.0, stripe.events"
_THIN_PREFIX = "v1."


def verify(delivery: Delivery, secret: bytes, at: datetime) -> None:
    """Check `t=…,v1=…[,v1=…]`: HMAC-SHA256 of "t.body" under the secret as it is written.

    Any v1 may match: while a secret is rolled there are two. Other schemes are ignored: v0 is a decoy of test mode.
    The timestamp may be five minutes off in either direction; the official SDK accepts any future one.
    """
    parts = [part.partition("=") for part in delivery.required_header("stripe-signature").split(",")]
    instants = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    if len(instants) != 1 or not given:
        raise InvalidSignature("Stripe-Signature is not of the form t=…,v1=…")
    check_timestamp(instants[0], at)
    expected = hmac_sha256(secret, instants[0].encode(), delivery.body).hex().encode()
    if not any(constant_time_equal(expected, signature) for signature in given):
        raise InvalidSignature(
            "no signature matches: check that the secret is this endpoint's, and that the body is unchanged"
        )


def sign(_event_id: str, body: bytes, secret: bytes, at: datetime) -> dict[str, str]:
    """Return the header of a delivery (stripe-python 16.1.0, WebhookSignature.generate_signature_header)."""
    instant = str(int(at.timestamp()))
    return {"stripe-signature": f"t={instant},v1={hmac_sha256(secret, instant.encode(), body).hex()}"}


def read(at: Reader, _delivery: Delivery) -> EventFacts:
    """Read a snapshot event, which carries the object, or a thin event, which only names it."""
    if at.text("object") == "v2.core.event":
        related = at.child("related_object")
        return EventFacts(
            id=at.text("id"),
            native_type=at.text("type"),
            invoice_id=related.text("id") if related.text("type") == "invoice" else None,
            occurred_at=at.instant("created"),
            test_mode=_test_mode(at),
        )
    if at.text("object") != "event":
        raise at.fault("object", "is neither event nor v2.core.event")
    about = at.child("data").child("object")
    is_invoice = about.text("object") == "invoice"
    return EventFacts(
        id=at.text("id"),
        native_type=at.text("type"),
        invoice=about.data if is_invoice else None,
        invoice_id=about.text("id") if is_invoice else _named(about, at.text("type")),
        occurred_at=at.unix("created"),
        test_mode=_test_mode(at),
    )


def _named(about: Reader, event: str | None) -> str | None:
    """Return the invoice of a payment, an item or a credit note, as an id or expanded.

    A refund, a charge and a dispute name their payment intent, which names no invoice since basil (2025-03); before,
    a charge named its invoice (docs.stripe.com/changelog/basil).
    """
    kinds = {"invoice_payment", "invoiceitem", "credit_note"} | ({"charge"} if event == "charge.refunded" else set())
    return about.identity("invoice") if about.text("object") in kinds else None


def _test_mode(at: Reader) -> bool | None:
    live = at.flag("livemode")
    return None if live is None else not live


# Both invoice.paid and invoice.payment_succeeded report one payment; the first is sent for payments made elsewhere
# too. A partial payment sends neither. invoice.upcoming is a preview without an id, invoice.will_be_due a reminder.
_TYPES = {
    "created": EventType.CREATED,
    "deleted": EventType.DELETED,
    "finalization_failed": EventType.UPDATED,
    "finalized": EventType.FINALIZED,
    "marked_uncollectible": EventType.UNCOLLECTIBLE,
    "overdue": EventType.PAST_DUE,
    "overpaid": EventType.UPDATED,
    "paid": EventType.PAID,
    "payment_action_required": EventType.UPDATED,
    "payment_attempt_required": EventType.UPDATED,
    "payment_failed": EventType.PAYMENT_FAILED,
    "payment_succeeded": EventType.UPDATED,
    "sent": EventType.UPDATED,
    "updated": EventType.UPDATED,
    "voided": EventType.VOIDED,
}
_THIN_ONLY = (
    "discount_added",
    "discount_removed",
    "line_item_added",
    "line_item_pricing_changed",
    "line_item_quantity_changed",
    "line_item_removed",
)
_DISPUTES = ("closed", "created", "funds_reinstated", "funds_withdrawn", "updated")

WEBHOOKS = Webhooks(
    verify=verify,
    read=read,
    events=(
        *(EventRow(f"invoice.{name}", kind, _EVENTS) for name, kind in _TYPES.items()),
        EventRow("invoice_payment.paid", EventType.UPDATED, _EVENTS),
        *(EventRow(f"credit_note.{name}", EventType.CREDITED, _EVENTS) for name in ("created", "updated", "voided")),
        EventRow("charge.refunded", EventType.REFUNDED, _EVENTS),
        EventRow("charge.refund.updated", EventType.REFUNDED, _EVENTS),
        *(EventRow(f"refund.{name}", EventType.REFUNDED, _EVENTS) for name in ("created", "failed", "updated")),
        *(EventRow(f"charge.dispute.{name}", EventType.DISPUTED, _EVENTS) for name in _DISPUTES),
        *(EventRow(f"{_THIN_PREFIX}invoice.{name}", kind, _THIN) for name, kind in _TYPES.items()),
        *(EventRow(f"{_THIN_PREFIX}invoice.{name}", EventType.UPDATED, _THIN) for name in _THIN_ONLY),
        EventRow(f"{_THIN_PREFIX}invoice_payment.paid", EventType.UPDATED, _THIN),
    ),
    sign=sign,
    source=_SIGNATURES,
)
