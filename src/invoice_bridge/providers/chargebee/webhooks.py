"""Chargebee's deliveries: unsigned, with a user and a password that the sender knows."""

from __future__ import annotations

import base64
from datetime import datetime

from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.webhooks import Delivery, EventFacts, EventRow, EventType, Webhooks, constant_time_equal
from invoice_bridge.core.errors import ConfigurationError, InvalidSignature

_GUIDE = "chargebee/openapi, webhooks of API v2"
_EVENTS = "chargebee 3.29.0, EventType"


def verify(delivery: Delivery, secret: bytes, _at: datetime) -> None:
    """Check the Basic authentication of the webhook; the secret is "user:password".

    It proves the sender, but neither the body nor the time: anybody who copies a delivery can repeat it. So read the
    invoice from the provider before you act, and never act on the event alone.
    """
    user, colon, password = secret.partition(b":")
    if not colon or not user + password:
        raise ConfigurationError('Chargebee signs nothing: the secret of a webhook is "user:password"')
    scheme, _, given = delivery.required_header("authorization").partition(" ")
    fits = constant_time_equal(base64.b64encode(secret), given.strip())
    if scheme.lower() != "basic" or not fits:
        raise InvalidSignature("the delivery's user and password are not those of this webhook")


def sign(_event_id: str, _body: bytes, secret: bytes, _at: datetime) -> dict[str, str]:
    """Return the Basic authentication of a delivery; the secret is "user:password"."""
    return {"authorization": f"Basic {base64.b64encode(secret).decode()}"}


def read(at: Reader, _delivery: Delivery) -> EventFacts:
    """Read an event; the states of one invoice are in order of its resource_version (milliseconds)."""
    if at.text("object") != "event":
        raise at.fault("object", "is not event")
    content = at.child("content")
    about = content.child("invoice")
    return EventFacts(
        id=at.text("id"),
        native_type=at.text("event_type"),
        invoice=about.data or None,
        invoice_id=about.text("id") or _named(content),
        occurred_at=at.unix("occurred_at"),
        version=about.integer("resource_version"),
    )


def _named(content: Reader) -> str | None:
    """Return the invoice of a credit note, or that of a transaction with a single one."""
    if (credited := content.child("credit_note").text("reference_invoice_id")) is not None:
        return credited
    linked = {row.text("invoice_id") for row in content.child("transaction").children("linked_invoices")}
    return linked.pop() if len(linked) == 1 else None


_CREDIT_NOTES = ("created", "created_with_backdating", "updated", "deleted")

# There is no invoice_paid and no invoice_voided: invoice_updated is sent for both, and the invoice's status shows
# which. So "paid" means that the invoice is paid now, and is repeated when a paid invoice changes. There is no event
# of a dispute either: a chargeback is a credit note with that reason, once it is recorded.
WEBHOOKS = Webhooks(
    verify=verify,
    read=read,
    events=(
        EventRow("pending_invoice_created", EventType.CREATED, _EVENTS),
        EventRow("pending_invoice_updated", EventType.UPDATED, _EVENTS),
        EventRow("invoice_generated", EventType.FINALIZED, _EVENTS),
        EventRow("invoice_generated_with_backdating", EventType.FINALIZED, _EVENTS),
        EventRow("invoice_updated", EventType.UPDATED, _EVENTS, by_status=True),
        EventRow("invoice_deleted", EventType.DELETED, _EVENTS),
        EventRow("dunning_updated", EventType.UPDATED, _EVENTS, by_status=True),
        EventRow("payment_succeeded", EventType.UPDATED, _EVENTS, by_status=True),
        EventRow("payment_failed", EventType.PAYMENT_FAILED, _EVENTS),
        EventRow("payment_initiated", EventType.UPDATED, _EVENTS),
        EventRow("payment_refunded", EventType.REFUNDED, _EVENTS),
        EventRow("refund_initiated", EventType.REFUNDED, _EVENTS),  # it is in progress: nothing is refunded yet
        *(EventRow(f"credit_note_{name}", EventType.CREDITED, _EVENTS) for name in _CREDIT_NOTES),
    ),
    sign=sign,
    source=_GUIDE,
)
