"""The events that Chargebee reports of its invoices (chargebee 3.29.0, EventType)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invoice_bridge.adapter.emulation.events import Happening, Reports
from invoice_bridge.providers.chargebee.emulator.transitions import ChargebeeTransitions

_NAMES = {
    "created": ("pending_invoice_created",),
    "issued": ("invoice_generated",),
    "collected": ("payment_succeeded", "invoice_updated"),
    "recorded": ("invoice_updated",),
    "voided": ("invoice_updated",),
    "written_off": ("invoice_updated",),
    "credited": ("invoice_updated",),
    "refunded": ("payment_refunded",),
    "deleted": ("invoice_deleted",),
    "updated": ("invoice_updated",),
    "payment_failed": ("payment_failed",),
}
"""There is no event for paid or void: the invoice's status in invoice_updated shows both.

Whether payment_succeeded is sent for a payment that is recorded is not documented: here it is not.
"""


def describe(emulator: ChargebeeTransitions, happening: Happening) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the events of one happening, each with the content that it carries."""
    what, invoice_id, document = happening
    if document is None and invoice_id in emulator.invoices:
        document = emulator.shown(invoice_id)
    if document is None:
        return
    names = _NAMES.get(what, ())
    if what == "updated" and document["status"] == "pending":
        names = ("pending_invoice_updated",)
    versioned = {**document, "resource_version": emulator.next_version()}
    for name in names:
        customer = emulator.customers.get(document["customer_id"])
        yield name, {"invoice": versioned} | ({"customer": customer} if customer else {})


def envelope(emulator: ChargebeeTransitions, event_id: str, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of API version 2."""
    return {
        "id": event_id,
        "occurred_at": emulator.now_seconds(),
        "source": "api",
        "object": "event",
        "api_version": "v2",
        "event_type": name,
        "webhook_status": "scheduled",
        "content": content,
    }


REPORTS = Reports(describe, envelope, "ev_", "webhooks:not_a_password", "chargebee/openapi, webhooks of API v2")
