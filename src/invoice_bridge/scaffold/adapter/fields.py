"""The rows for each leaf of a bill at Acme; losses, explain and the reference read them."""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter import DISCOUNTS, Field, carried, discounts_as_lines, dropped, read_parts, unsent
from invoice_bridge.core.losses import Alters, Severity

from .tables import CREATE, FINALIZE, KEY_SOURCE, SOURCES


def _asks_for_tax(command: Any, _context: Any) -> bool:
    return bool(command.tax == "provider")


def _asks_for_no_tax(command: Any, _context: Any) -> bool:
    return bool(command.tax == "none")


# A line's text is its description; for a bare amount it is the bill's description, or else the reference. If several
# rows name the same field, its origin is the first row whose leaf the bill sets.
FIELDS = (
    carried("lines[].description", "lines[].text", CREATE),
    carried("description", "note, lines[].text", CREATE),
    carried("reference", "ref, lines[].text", CREATE),
    carried("customer.id", "customer", CREATE),
    dropped(
        "customer.email",
        "IB-ACME-CUSTOMER-01",
        CREATE,
        sent="the customer's id",
        why="Acme mails to its own record of the customer's address",
        severity=Severity.INFO,
    ),
    dropped(
        "customer.name",
        "IB-ACME-CUSTOMER-02",
        CREATE,
        sent="the customer's id",
        why="Acme prints its own record of the customer's name",
        severity=Severity.INFO,
    ),
    carried("currency", "currency", CREATE),
    carried("amount", "lines[].amount", CREATE, verbs=("one_time_charge",)),
    carried("lines[].quantity", "lines[].quantity", CREATE),
    carried("lines[].unit_amount", "lines[].unit_price", CREATE),
    carried("lines[].amount", "lines[].amount", CREATE),
    carried("lines[].period.start", "lines[].from", CREATE),
    carried("lines[].period.end", "lines[].to", CREATE),
    carried("period.start", "lines[].from", CREATE),
    carried("period.end", "lines[].to", CREATE),
    dropped(
        "subscription",
        "IB-ACME-SUBSCRIPTION-01",
        CREATE,
        why="Acme has no subscriptions",
        remedy="omit it",
    ),
    dropped(
        "purchase_order",
        "IB-ACME-ORDER-01",
        CREATE,
        why="the invoice has no field for a purchase order",
        remedy="name it in the description or in the metadata",
    ),
    carried("metadata", "labels", CREATE),
    dropped(
        "issued_at",
        "IB-ACME-ISSUED-01",
        FINALIZE,
        why="an invoice is issued at the moment it is finalized",
        remedy="omit it",
    ),
    carried("collection.kind", "collection", CREATE, alters=Alters.BRANCH),
    carried("collection.due", "due", CREATE),
    carried("collection.net_days", "due_days", CREATE),
    carried("collection.payment_method", "payment_method", CREATE),
    dropped(
        "tax",
        "IB-ACME-TAX-01",
        CREATE,
        severity=Severity.CHANGES_MONEY,
        sent="only the lines",
        why="Acme computes no tax, so the total would be too low",
        remedy="add the tax as a line",
        when=_asks_for_tax,
    ),
    unsent("tax", CREATE, when=_asks_for_no_tax),
    carried("draft", "", FINALIZE, alters=Alters.BRANCH),
    unsent("attempt", KEY_SOURCE),
    *discounts_as_lines("IB-ACME", CREATE, amount="lines[].amount", text="lines[].text"),
    *read_parts("IB-ACME", CREATE, sent=("lines[].discount", *DISCOUNTS)),
)

VERB_FIELDS: tuple[Field, ...] = (
    dropped(
        "reason",
        "IB-ACME-VOID-REASON-01",
        SOURCES["void"],
        verbs=("void",),
        why="no reason of a void is kept",
        remedy="keep it yourself",
    ),
)
"""What happens to each field of the verbs: see VERB_LEAVES in invoice_bridge.core.commands."""
