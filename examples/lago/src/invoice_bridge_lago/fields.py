"""What becomes of each leaf of a bill at Lago: the rows that losses, explain and the reference read."""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter import Field, carried, defaulted, dropped, read_parts, unsent
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.core.model import Line

from .tables import CREATE, CREATED, FEES, NO_KEYS, OPENAPI, RETRY, UPDATE, VOID


def carries_quantity(line: Line) -> bool:
    """Whether a line goes as units × unit amount: units have no sign, and a negative amount is not documented."""
    return line.quantity is not None and line.unit_amount is not None and line.quantity >= 0


def _quantity_is_lost(command: Any, _context: Any) -> bool:
    return any(line.quantity not in {None, 1} and not carries_quantity(line) for line in command.lines)


def _quantity_is_kept(command: Any, context: Any) -> bool:
    return not _quantity_is_lost(command, context)


def _has_lines(command: Any, _context: Any) -> bool:
    return bool(command.lines)


def _has_no_lines(command: Any, _context: Any) -> bool:
    return not command.lines


# A line's text is its description; of a bare amount the bill's, or else the reference.
FIELDS = (
    carried("lines[].description", "invoice.fees[].invoice_display_name", CREATE),
    carried("description", "invoice.fees[].invoice_display_name", CREATE, when=_has_no_lines),
    dropped(
        "description",
        "IB-LAGO-DESCRIPTION-01",
        CREATE,
        why="a one-off invoice has no text of its own, only its fees have",
        remedy="put it into the descriptions of the lines, or into the metadata",
        when=_has_lines,
    ),
    carried(
        "reference",
        "invoice.purchase_order_number, invoice.fees[].invoice_display_name",
        f"{CREATE}, purchase_order_number: the only text of its own that is sent as the invoice is made, and listed",
    ),
    carried("customer.id", "invoice.external_customer_id", CREATE),
    dropped(
        "customer.email",
        "IB-LAGO-CUSTOMER-01",
        CREATE,
        sent="the customer's external id",
        why="Lago mails to the address it keeps of its customer",
        severity=Severity.INFO,
    ),
    dropped(
        "customer.name",
        "IB-LAGO-CUSTOMER-02",
        CREATE,
        sent="the customer's external id",
        why="Lago prints the name it keeps of its customer",
        severity=Severity.INFO,
    ),
    carried("currency", "invoice.currency", CREATE),
    carried("amount", "invoice.fees[].unit_amount_cents", CREATE, verbs=("one_time_charge",)),
    dropped(
        "lines[].quantity",
        "IB-LAGO-QUANTITY-01",
        CREATE,
        native="invoice.fees[].units",  # other lines of the bill may carry theirs
        why="units need a unit amount, and are never negative",
        remedy="give unit_amount, or leave the quantity out",
        sent="one unit of the line's amount",
        when=_quantity_is_lost,
    ),
    carried(
        "lines[].quantity", "invoice.fees[].units, invoice.fees[].unit_amount_cents", CREATE, when=_quantity_is_kept
    ),
    carried("lines[].unit_amount", "invoice.fees[].unit_amount_cents, invoice.fees[].units", CREATE),
    carried("lines[].amount", "invoice.fees[].unit_amount_cents", f"{FEES}: the unit amount times the units"),
    carried("lines[].period.start", "invoice.fees[].from_datetime", CREATE),
    carried(
        "lines[].period.end", "invoice.fees[].to_datetime", f"{CREATE}; whether it belongs to the period: unconfirmed"
    ),
    carried("period.start", "invoice.fees[].from_datetime", CREATE),
    carried("period.end", "invoice.fees[].to_datetime", f"{CREATE}; whether it belongs to the period: unconfirmed"),
    dropped(
        "subscription",
        "IB-LAGO-SUBSCRIPTION-01",
        CREATE,
        why="Lago bills its subscriptions by itself, and a one-off invoice belongs to none",
        remedy="leave it out",
        verbs=("period_invoice",),
    ),
    dropped(
        "purchase_order",
        "IB-LAGO-ORDER-01",
        CREATE,
        why="the invoice's purchase order number carries the reference",
        remedy="name the order in the metadata",
    ),
    carried("metadata", "invoice.metadata", UPDATE, alters=Alters.BRANCH),
    dropped(
        "issued_at",
        "IB-LAGO-ISSUED-01",
        CREATED,
        why="a one-off invoice is issued as it is made, on the present day of its customer",
        remedy="leave it out",
    ),
    carried("collection.kind", "", RETRY, alters=Alters.BRANCH),
    defaulted(
        "collection.kind",
        "IB-LAGO-COLLECTION-01",
        f"{CREATED}, should_deliver_email?",
        severity=Severity.INFO,
        why="the e-mail settings of the billing entity decide whether the invoice is mailed",
    ),
    unsent("collection.due", CREATE),
    unsent("collection.net_days", CREATE),
    carried("collection.payment_method", "payment_method.payment_method_id", RETRY),
    carried(
        "tax", "invoice.fees[].tax_codes", f"{FEES}: no codes, no tax; without the field the customer's taxes apply"
    ),
    carried("draft", "", CREATE, alters=Alters.BRANCH),
    unsent("attempt", NO_KEYS),
    # constants
    carried("", "invoice.fees[].add_on_code", CREATE, alters=Alters.NOTHING, why="the setting add_on"),
    carried("", "invoice.fees[].units", CREATE, alters=Alters.NOTHING, why="a line without a quantity is one unit"),
    carried(
        "",
        "invoice.skip_psp",
        "lago-api, app/controllers/api/v1/invoices_controller.rb; lago-openapi has it among the fields of a fee",
        alters=Alters.NOTHING,
        why="nothing is collected before the invoice was compared with the bill",
    ),
    carried(
        "",
        "payment_method.payment_method_type",
        f"{OPENAPI}/schemas/PaymentMethodReference.yaml",
        alters=Alters.NOTHING,
        why="a method of the payment provider's",
    ),
    *read_parts("IB-LAGO", CREATE),
)

VERB_FIELDS: tuple[Field, ...] = (
    dropped(
        "reason",
        "IB-LAGO-VOID-REASON-01",
        VOID,
        verbs=("void",),
        why="the request that voids takes no reason",
        remedy="keep it yourself",
    ),
)
"""What becomes of each field of the verbs."""
