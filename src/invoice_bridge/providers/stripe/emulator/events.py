"""The snapshot events that Stripe reports of its invoices (stripe-python 16.1.0, Event)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invoice_bridge.adapter.emulation.events import Happening, Reports
from invoice_bridge.providers.stripe.emulator.documents import StripeDocuments
from invoice_bridge.providers.stripe.tables import API_VERSION

_ALWAYS = {
    "created": ("invoice.created",),
    "updated": ("invoice.updated",),
    "issued": ("invoice.finalized",),
    "mailed": ("invoice.sent",),
    "settled": ("invoice.paid",),
    "voided": ("invoice.voided",),
    "written_off": ("invoice.marked_uncollectible",),
    "removed": ("invoice.deleted",),
    "payment_failed": ("invoice.payment_failed",),
}
_ONCE_PAID = {"collected": ("invoice.paid", "invoice.payment_succeeded"), "recorded": ("invoice.paid",)}
"""A partial payment sends neither; a payment made elsewhere sends the first one only."""


def describe(emulator: StripeDocuments, happening: Happening) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the events of one happening, each with the object that it carries."""
    what, invoice_id, document = happening
    if what == "credited" and emulator.credit_notes:
        yield "credit_note.created", emulator.credit_notes[-1]
        return
    if what == "refunded" and emulator.refunds:
        yield "refund.created", emulator.refunds[-1]
        return
    if document is None and invoice_id in emulator.invoices:
        document = emulator.shown(invoice_id)
    if document is None:
        return
    names = _ONCE_PAID.get(what, ()) if document["status"] == "paid" else ()
    for name in _ALWAYS.get(what, names):
        yield name, document


def envelope(emulator: StripeDocuments, event_id: str, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of the account's own version."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": emulator.now_seconds(),
        "data": {"object": document},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": name,
    }


REPORTS = Reports(describe, envelope, "evt_", "whsec_test_not_a_secret", "stripe-python 16.1.0, Event")
