"""The fate of each leaf of a bill: the rows behind losses, explain and the reference."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.rows import (
    DISCOUNTS,
    Field,
    carried,
    discounts_as_lines,
    dropped,
    read_parts,
    unsent,
)
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.core.model import Line
from invoice_bridge.core.money import scale
from invoice_bridge.providers.stripe.tables import ADD_LINES, CREATE, ITEMS, REASON_KEY, REFERENCE_KEY

_QUANTITY_DECIMALS = 12


def carries_quantity(line: Line) -> bool:
    """Return whether a quantity and unit amount can be sent: neither is negative or has over 12 decimals."""
    if line.quantity is None or line.unit_amount is None or line.quantity < 0 or line.unit_amount.minor < 0:
        return False
    try:
        scale(line.quantity, _QUANTITY_DECIMALS)
    except ValueError:
        return False
    return True


def carries_price(line: Line) -> bool:
    """Return whether a line is sent by its price, which Stripe multiplies by the quantity: that is compared."""
    return line.price is not None and line.names_at("stripe") and _is_rated(line)


def carries_product(line: Line) -> bool:
    """Return whether a line names its product; a line with a price has the price's product."""
    return line.product is not None and line.names_at("stripe") and line.amount.minor >= 0 and not carries_price(line)


def _is_rated(line: Line) -> bool:
    if line.amount.minor < 0 or (line.quantity is not None and line.quantity < 0):
        return False
    try:
        scale(Decimal(1) if line.quantity is None else line.quantity, _QUANTITY_DECIMALS)
    except ValueError:
        return False
    return True


def constant(native: str, source: str, verbs: tuple[str, ...], why: str) -> Field:
    """Make a row for a constant of a verb's requests."""
    return carried("", native, source, alters=Alters.NOTHING, verbs=verbs, why=why)


def _quantity_is_lost(command: Any, _context: Any) -> bool:
    return any(
        line.quantity is not None and line.quantity != 1 and not (carries_quantity(line) or carries_price(line))
        for line in command.lines
    )


def _has_price(command: Any, _context: Any) -> bool:
    return any(carries_price(line) for line in command.lines)


def _price_is_lost(command: Any, _context: Any) -> bool:
    return any(line.price is not None and not carries_price(line) for line in command.lines)


def _product_is_lost(command: Any, _context: Any) -> bool:
    return any(
        line.product is not None and not (carries_product(line) or carries_price(line)) for line in command.lines
    )


def _has_product(command: Any, _context: Any) -> bool:
    return any(carries_product(line) for line in command.lines)


def loses_line_taxes(command: Any, _context: Any) -> bool:
    """Return whether the taxes of the lines are not sent: beside automatic tax, or if one has no rate to show."""
    taxes = [tax for line in command.lines for tax in line.taxes]
    if not taxes or command.tax == "provider":
        return bool(taxes)
    return any(not tax.name or tax.rate is None or tax.inclusive is None for tax in taxes)


def _takes_the_subscriptions_method(command: Any, _context: Any) -> bool:
    return bool(command.collection.kind == "charge" and command.collection.payment_method is None)


def _value_is_empty(command: Any, _context: Any) -> bool:
    return "" in command.metadata.values()


def _is_accrued(command: Any, _context: Any) -> bool:
    return command.verb == "period_invoice" and not command.lines


SENT_PARTS = (
    *("lines[].metadata", "lines[].product", "lines[].price", "lines[].discount", "lines[].taxes[]"),
    *DISCOUNTS,
    "tax[]",
)
FIELDS = (
    carried("reference", f"metadata.{REFERENCE_KEY}", CREATE),
    carried("customer.id", "customer", CREATE),
    dropped(
        "customer.email",
        "IB-STRIPE-CUSTOMER-01",
        CREATE,
        why="Stripe bills its own record of the customer and mails to the address on that record",
        severity=Severity.INFO,
    ),
    dropped(
        "customer.name",
        "IB-STRIPE-CUSTOMER-02",
        CREATE,
        why="Stripe bills its own record of the customer and prints the name on that record",
        severity=Severity.INFO,
    ),
    carried("amount", "lines[].amount", ADD_LINES, verbs=("one_time_charge",)),
    carried("currency", "currency, lines[].price_data.currency", CREATE),
    Field(
        "subscription",
        "subscription",
        f"{CREATE}.default_payment_method",
        fate=Fate.APPROXIMATED,
        severity=Severity.WARNS,
        code="IB-STRIPE-SUBSCRIPTION-02",
        when=_takes_the_subscriptions_method,
        sent="the subscription, and no payment method",
        why="an invoice of a subscription is charged to the subscription's default payment method if it has one, else "
        "to the customer's",
        remedy='name the payment method: Collection.charge("pm_…")',
    ),
    # stripe-python 16.1.0: only pending items of that subscription can join the invoice, and its cycle is not affected.
    # No page says that an item of a subscription may join an invoice without one: so the invoice names it too.
    carried("subscription", "subscription", CREATE),
    # No request names these if the charges are accrued: they select among the pending items of the answer.
    carried("period.start", "lines[].invoice_item", ITEMS, alters=Alters.NOTHING, when=_is_accrued),
    carried("period.end", "lines[].invoice_item", ITEMS, alters=Alters.NOTHING, when=_is_accrued),
    carried("period.start", "lines[].period.start", ADD_LINES),
    carried("period.end", "lines[].period.end", ADD_LINES),
    carried("lines[].description", "lines[].description, lines[].price_data.product_data.name", ADD_LINES),
    Field(
        "lines[].amount",
        "lines[].amount, lines[].pricing",
        ADD_LINES,
        fate=Fate.PROVIDER_RATED,
        code="IB-STRIPE-PRICE-01",
        when=_has_price,
        sent="the price and the quantity",
        why="Stripe rates a line by its price: if that gives another amount than the line's, the bill stops as a "
        "draft, and nothing is issued",
        remedy="name the product only, and the amount is the line's",
    ),
    carried("lines[].amount", "lines[].amount", ADD_LINES),
    dropped(
        "lines[].quantity",
        "IB-STRIPE-QUANTITY-01",
        ADD_LINES,
        when=_quantity_is_lost,
        sent="the line's amount alone",
        why="a quantity needs a unit amount, neither may be negative, and the quantity has at most 12 decimals",
        remedy="give unit_amount, or leave the quantity out",
    ),
    # A quantity and a unit amount are sent together, or the amount alone.
    carried("lines[].quantity", "lines[].quantity, lines[].quantity_decimal, lines[].price_data", ADD_LINES),
    carried(
        "lines[].unit_amount", "lines[].price_data.unit_amount, lines[].quantity, lines[].quantity_decimal", ADD_LINES
    ),
    carried("lines[].amount", "lines[].price_data.unit_amount", ADD_LINES, when=_has_product),
    carried(
        "",
        "lines[].quantity",
        ADD_LINES,
        alters=Alters.NOTHING,
        why="a line with a product and no quantity has the quantity 1",
    ),
    dropped(
        "lines[].product",
        "IB-STRIPE-LINE-PRODUCT-01",
        ADD_LINES,
        when=_product_is_lost,
        why="the product of a line that was read from an invoice, or that belongs to another provider, is not sent; a "
        "negative amount takes none",
        remedy="if it is a product of this account, bill the line without its id and provider",
    ),
    carried("lines[].product", "lines[].price_data.product", ADD_LINES),
    dropped(
        "lines[].price",
        "IB-STRIPE-LINE-PRICE-01",
        ADD_LINES,
        when=_price_is_lost,
        why="the price of a line that was read from an invoice, or that belongs to another provider, is not sent; a "
        "negative amount or quantity takes none",
        remedy="if it is a price of this account, bill the line without its id and provider",
    ),
    carried("lines[].price", "lines[].pricing.price", ADD_LINES),
    carried("lines[].period.start", "lines[].period.start", ADD_LINES),
    carried("lines[].period.end", "lines[].period.end", ADD_LINES),
    # A bare amount is one line, named by the description.
    carried("description", "description, lines[].description", CREATE),
    carried("purchase_order", "custom_fields[].value", CREATE),
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
    carried("metadata", "metadata", CREATE),
    carried("issued_at", "effective_at", CREATE),
    carried("collection.kind", "collection_method", CREATE, alters=Alters.BRANCH),
    Field(
        "collection.due",
        "due_date",
        "stripe-python issue 925: a due date must be in the future",
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-STRIPE-DUE-01",
        clock=lambda command, as_of: command.collection.due <= as_of,
        sent="the due date, with which Stripe refuses the bill",
        why="Stripe accepts no due date in the past, and this library moves none",
        remedy="give a later date, or bill without one",
    ),
    carried("collection.net_days", "days_until_due", CREATE),
    carried("collection.payment_method", "default_payment_method", CREATE),
    carried("tax", "automatic_tax.enabled", CREATE),
    carried("tax[]", "lines[].tax_amounts", f"{ADD_LINES}, lines[].tax_amounts"),
    dropped(
        "lines[].taxes[]",
        "IB-STRIPE-LINE-TAX-01",
        f"{ADD_LINES}, lines[].tax_amounts",
        when=loses_line_taxes,
        why="Stripe takes a line's tax with its name, its rate and whether it is within the amount, and takes none "
        'where it computes the tax itself (tax="provider")',
        remedy="state its name and its rate, or leave it out: then only the amounts of the lines are billed",
        severity=Severity.CHANGES_MONEY,
    ),
    carried("lines[].taxes[]", "lines[].tax_amounts", f"{ADD_LINES}, lines[].tax_amounts"),
    carried("draft", "", "docs.stripe.com/invoicing/integration/workflow-transitions", alters=Alters.BRANCH),
    unsent("attempt", "docs.stripe.com/api/idempotent_requests"),
    carried("", "auto_advance", CREATE, alters=Alters.NOTHING, why="Stripe issues and charges nothing by itself"),
    carried(
        "",
        "pending_invoice_items_behavior",
        CREATE,
        alters=Alters.NOTHING,
        why="no other pending item joins the invoice",
    ),
    carried("", "discounts", CREATE, alters=Alters.NOTHING, why="the customer's own discount is not inherited"),
    carried("", "custom_fields[].name", CREATE, alters=Alters.NOTHING, why="the heading of the purchase order"),
    carried("lines[].metadata", "lines[].metadata", ADD_LINES),
    *discounts_as_lines("IB-STRIPE", ADD_LINES, amount="lines[].amount", text="lines[].description"),
    *read_parts("IB-STRIPE", ADD_LINES, sent=SENT_PARTS),
)

_REPORT = "stripe-python 16.1.0, PaymentRecordReportPaymentParams"
_INTENT = "stripe-python 16.1.0, PaymentIntentCreateParams"
_REFUND = "stripe-python 16.1.0, RefundCreateParams"
_CREDIT = "stripe-python 16.1.0, CreditNoteCreateParams"
_PAID, _REPORTED, _REFUNDED, _CREDITED = (("pay",), ("record_payment",), ("refund",), ("credit",))
VERB_FIELDS: tuple[Field, ...] = (
    carried("amount", "amount, currency", _INTENT, verbs=_PAID),
    carried("reference", f"metadata.{REFERENCE_KEY}", _INTENT, verbs=_PAID),
    carried("payment_method", "payment_method", _INTENT, verbs=_PAID),
    carried("id", "customer, payment_intent", _INTENT, verbs=_PAID, why="the invoice's customer"),
    constant(
        "automatic_payment_methods", _INTENT, _PAID, "a payment that needs a redirect of the customer is declined"
    ),
    constant("off_session", "stripe-python 16.1.0, PaymentIntentConfirmParams", _PAID, "the customer is not there"),
    carried("amount", "amount_requested", _REPORT, verbs=_REPORTED),
    carried("at", "initiated_at, guaranteed.guaranteed_at", _REPORT, verbs=_REPORTED),
    carried("method", "payment_method_details.custom.display_name", _REPORT, verbs=_REPORTED),
    carried(
        "reference",
        f"metadata.{REFERENCE_KEY}, processor_details.custom.payment_reference",
        _REPORT,
        verbs=_REPORTED,
    ),
    constant("payment_method_details.type", _REPORT, _REPORTED, "it was paid outside Stripe"),
    constant("processor_details.type", _REPORT, _REPORTED, "it was paid outside Stripe"),
    constant("outcome", _REPORT, _REPORTED, "the payment was made"),
    carried("id", "payment_record", "stripe-python 16.1.0, InvoiceAttachPaymentParams", verbs=_REPORTED),
    carried("amount", "amount", _REFUND, verbs=_REFUNDED),
    carried("reason", f"reason, metadata.{REASON_KEY}", _REFUND, verbs=_REFUNDED),
    carried("reference", f"metadata.{REFERENCE_KEY}", _REFUND, verbs=_REFUNDED),
    carried("id", "payment_intent, charge", _REFUND, verbs=_REFUNDED, why="the payment that collected the invoice"),
    carried("amount", "amount, credit_amount", _CREDIT, verbs=_CREDITED),
    carried("lines[].id", "lines[].invoice_line_item, lines[].type", _CREDIT, verbs=_CREDITED),
    carried("lines[].amount", "lines[].amount, lines[].unit_amount, lines[].quantity", _CREDIT, verbs=_CREDITED),
    carried("lines[].description", "lines[].description", _CREDIT, verbs=_CREDITED),
    carried("reason", "reason, memo", _CREDIT, verbs=_CREDITED),
    carried("reference", f"metadata.{REFERENCE_KEY}", _CREDIT, verbs=_CREDITED),
    carried("id", "invoice", _CREDIT, verbs=_CREDITED),
    constant("email_type", _CREDIT, _CREDITED, "no mail is sent"),
    dropped(
        "reason",
        "IB-STRIPE-VOID-REASON-01",
        "stripe-python 16.1.0, InvoiceVoidInvoiceParams",
        verbs=("void",),
        why="the void request takes no reason",
        remedy="write it into the metadata with update, or keep it in your own records",
    ),
)
"""What becomes of each field of the verbs of VERB_LEAVES."""
