"""The events that Whop reports of its invoices (docs.whop.com/api-reference/legacy/invoices), and of refunds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invoice_bridge.adapter.emulation.events import Happening, Reports
from invoice_bridge.providers.whop.emulator.documents import WhopDocuments

_NAMES = {
    "created": "invoice.created",
    "collected": "invoice.paid",
    "recorded": "invoice.paid",
    "past_due": "invoice.past_due",
    "voided": "invoice.voided",
    "written_off": "invoice.marked_uncollectible",
}


def describe(emulator: WhopDocuments, happening: Happening) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the event of one happening, if Whop has one: none says that an invoice was changed, issued or deleted."""
    what, invoice_id, _ = happening
    if what == "refunded" and emulator.refunds:
        yield "refund.created", emulator.refunds[-1]
    elif what in _NAMES and invoice_id in emulator.invoices:
        yield _NAMES[what], emulator.shown(invoice_id)


def envelope(emulator: WhopDocuments, event_id: str, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the envelope of an endpoint without a version: it has company_id rather than account_id."""
    return {
        "id": event_id,
        "api_version": "v1",
        "api_version_date": None,
        "timestamp": emulator.now_text(),
        "type": name,
        "data": document,
        "company_id": emulator.account,
    }


REPORTS = Reports(describe, envelope, "msg_", "ws_test_not_a_secret", "docs.whop.com/developer/guides/webhooks")
