"""What becomes of each leaf of a bill: the rows that losses, explain and the reference read."""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.core.model import Line
from invoice_bridge.core.money import scale
from invoice_bridge.providers.stripe.tables import ADD_LINES, CREATE, ITEMS, REFERENCE_KEY

_QUANTITY_DECIMALS = 12


def carries_quantity(line: Line) -> bool:
    """Whether a quantity and unit amount can be sent: Stripe takes neither below zero, and 12 decimals at most."""
    if line.quantity is None or line.unit_amount is None or line.quantity < 0 or line.unit_amount.minor < 0:
        return False
    try:
        scale(line.quantity, _QUANTITY_DECIMALS)
    except ValueError:
        return False
    return True


def _quantity_is_lost(command: Any, _context: Any) -> bool:
    return any(
        line.quantity is not None and line.quantity != 1 and not carries_quantity(line) for line in command.lines
    )


def _value_is_empty(command: Any, _context: Any) -> bool:
    return "" in command.metadata.values()


def _has_lines(command: Any, _context: Any) -> bool:
    return bool(command.lines)


def _is_accrued(command: Any, _context: Any) -> bool:
    return command.verb == "period_invoice" and not command.lines


FIELDS = (
    Field("reference", f"metadata.{REFERENCE_KEY}", CREATE),
    Field("customer.id", "customer", CREATE),
    Field(
        "customer.email",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        code="IB-STRIPE-CUSTOMER-01",
        sent="nothing",
        why="Stripe bills its own record of the customer and mails to the address kept there",
    ),
    Field(
        "customer.name",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        code="IB-STRIPE-CUSTOMER-02",
        sent="nothing",
        why="Stripe bills its own record of the customer and prints the name kept there",
    ),
    Field("amount", "lines[].amount", ADD_LINES, verbs=("one_time_charge",)),
    Field("currency", "currency, lines[].price_data.currency", CREATE),
    Field(
        "subscription",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-STRIPE-SUBSCRIPTION-01",
        when=_has_lines,
        sent="nothing",
        why="an invoice of the caller's own lines belongs to no subscription",
        remedy="leave the subscription out, or the lines",
        verbs=("period_invoice",),
    ),
    # No request names these where the charges are accrued: they choose among the pending items that come back.
    Field("subscription", "", ITEMS, alters=Alters.NOTHING, when=_is_accrued, verbs=("period_invoice",)),
    Field("period.start", "lines[].invoice_item", ITEMS, alters=Alters.NOTHING, when=_is_accrued),
    Field("period.end", "lines[].invoice_item", ITEMS, alters=Alters.NOTHING, when=_is_accrued),
    Field("period.start", "lines[].period.start", ADD_LINES),
    Field("period.end", "lines[].period.end", ADD_LINES),
    Field("lines[].description", "lines[].description, lines[].price_data.product_data.name", ADD_LINES),
    Field("lines[].amount", "lines[].amount", ADD_LINES),
    Field(
        "lines[].quantity",
        "",
        ADD_LINES,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-STRIPE-QUANTITY-01",
        when=_quantity_is_lost,
        sent="the line's amount alone",
        why="a quantity needs a unit amount, neither may be negative, and it takes 12 decimals at most",
        remedy="give unit_amount, or leave the quantity out",
    ),
    # A quantity and a unit amount go together, or the amount goes alone.
    Field("lines[].quantity", "lines[].quantity, lines[].quantity_decimal, lines[].price_data", ADD_LINES),
    Field(
        "lines[].unit_amount", "lines[].price_data.unit_amount, lines[].quantity, lines[].quantity_decimal", ADD_LINES
    ),
    Field("lines[].period.start", "lines[].period.start", ADD_LINES),
    Field("lines[].period.end", "lines[].period.end", ADD_LINES),
    # A bare amount is one line, named by the description.
    Field("description", "description, lines[].description", CREATE),
    Field("purchase_order", "custom_fields[].value", CREATE),
    Field(
        "metadata",
        "metadata",
        CREATE,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-STRIPE-METADATA-01",
        when=_value_is_empty,
        sent="the keys that have a value",
        why="an empty value unsets its key at Stripe",
        remedy="leave the key out",
    ),
    Field("metadata", "metadata", CREATE),
    Field("issued_at", "effective_at", CREATE),
    Field("collection.kind", "collection_method", CREATE, alters=Alters.BRANCH),
    Field(
        "collection.due",
        "due_date",
        "stripe-python issue 925: a due date must be in the future",
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-STRIPE-DUE-01",
        clock=lambda command, as_of: command.collection.due <= as_of,
        sent="the due date, with which Stripe refuses the bill",
        why="Stripe takes no due date in the past, and none is ever moved",
        remedy="give a later date, or bill without one",
    ),
    Field("collection.net_days", "days_until_due", CREATE),
    Field("collection.payment_method", "default_payment_method", CREATE),
    Field("tax", "automatic_tax.enabled", CREATE),
    Field("draft", "", "docs.stripe.com/invoicing/integration/workflow-transitions", alters=Alters.BRANCH),
    Field("attempt", "", "docs.stripe.com/api/idempotent_requests", alters=Alters.NOTHING),
    Field("", "auto_advance", CREATE, Alters.NOTHING, why="Stripe issues and charges nothing by itself"),
    Field("", "pending_invoice_items_behavior", CREATE, Alters.NOTHING, why="no other pending item is swept in"),
    Field("", "discounts", CREATE, Alters.NOTHING, why="the customer's own discount is not inherited"),
    Field("", "custom_fields[].name", CREATE, Alters.NOTHING, why="the heading of the purchase order"),
)
