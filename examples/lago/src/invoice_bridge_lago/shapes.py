"""The place of each field of an invoice in Lago's JSON, and the format of its refusals.

Answers wrap the invoice: {"invoice": {…}}. A listing omits the fees, so its invoices have no lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import (
    Reader,
    Refusal,
    Shape,
    bounded,
    computed,
    currency,
    customer_of,
    day,
    email,
    instant,
    money,
    nothing_left,
    number,
    object_of,
    period_span,
    rows,
    span,
    text,
)
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Address, Adjustment, Discount, FrozenDict, Invoice, Line, Status, TaxId, TaxLine
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response

from .tables import MONEY, NAME, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice, bare or wrapped. Raises MalformedResponse if it has no id or is not an invoice."""
    return INVOICE.whole(unwrapped(data), NAME)


def unwrapped(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the invoice in an answer {"invoice": …}; return a bare invoice unchanged."""
    inner = data.get("invoice")
    return inner if isinstance(inner, Mapping) else data


def invoice_id(data: Any) -> str | None:
    """Return the id of the invoice in an answer."""
    reader = Reader(unwrapped(data) if isinstance(data, Mapping) else data, NAME)
    return None if "lago_invoice_id" in reader else reader.text("lago_id")


def reference_in(data: Any, _context: object) -> str | None:
    """Return the reference of the bill in the answer to its creation."""
    return Reader(data, NAME).child("invoice").text("purchase_order_number")


def refusal(answer: Response) -> Refusal:
    """Read {"status", "error", "code", "error_details": {field: [codes]}}."""
    reader = Reader(object_of(answer), NAME)
    message, details = reader.text("error"), reader.child("error_details").data
    if message is None:
        raise MalformedResponse("the refusal is not in Lago's format", provider=NAME, status=answer.status)
    problems = [
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in details.items()
    ]
    code = reader.text("code")
    return Refusal(
        "; ".join([message if code is None else f"{message}: {code}", *problems]),
        code=code,
        param=next(iter(details), None),
    )


def _unit_amount(reader: Reader, currency: str | None) -> Money | None:
    """Return the unit price, which is major units as text; None if it is not a whole number of cents."""
    value = reader.decimal("precise_unit_amount")
    if value is None or currency not in MONEY.readable:
        reader.leave("precise_unit_amount")
        return None
    cents = value.scaleb(MONEY.decimals[currency])
    try:
        if cents == cents.to_integral_value():
            return bounded(MONEY.from_units(int(cents), currency))
    except ValueError:
        pass
    reader.leave("precise_unit_amount")
    return None


def _set_exclusive(values: dict[str, Any], _reader: Reader, _given: Mapping[str, Any]) -> None:
    values["inclusive"] = False  # sub_total_including_taxes is the amount without taxes plus the taxes


TAX = Shape(
    TaxLine,
    _set_exclusive,
    units=MONEY,
    needs="amount",
    amount=money("amount_cents"),
    name=text("tax_name"),
    rate=number("tax_rate"),
)
"""lago-openapi, BaseAppliedTax.yaml, for invoices and for fees."""


LINE = Shape(
    Line,
    units=MONEY,
    needs="amount",
    amount=money("amount_cents"),
    id=text("lago_id"),
    product=text("item.code"),  # the code of the add-on, the charge or the plan, as bills name it
    subscription=text("external_subscription_id"),
    taxes=rows("applied_taxes", TAX),
    description=text("item.invoice_display_name", "invoice_display_name", "item.name"),
    quantity=number("units"),
    unit_amount=computed(_unit_amount, "precise_unit_amount"),
    period=span(instant("from_date"), instant("to_date")),
)


def _id(reader: Reader, _currency: str | None) -> str:
    if "lago_invoice_id" in reader:  # a fee, a payment or a credit note, which belong to an invoice
        raise reader.fault("lago_invoice_id", "is the id of another object's invoice: this is not an invoice")
    return reader.required_text("lago_id")


def _metadata(reader: Reader, _currency: str | None) -> FrozenDict:
    """Return the pairs of a list; of two with the same key, the first counts."""
    pairs: dict[str, str] = {}
    for row in reader.children("metadata"):
        key, value = row.text("key"), row.text("value")
        if key is not None and value is not None:
            pairs.setdefault(key, value)
    return FrozenDict(pairs)


def _subscription(reader: Reader, _currency: str | None) -> str | None:
    """Return the subscription that the invoice bills, if there is exactly one."""
    listed = reader.children("subscriptions") if "subscriptions" in reader else []
    return listed[0].text("external_id") if len(listed) == 1 else None


def _discounts(reader: Reader, currency: str | None) -> tuple[Discount, ...]:
    """Return the coupons among the credits; the others are credit notes and amounts of earlier invoices."""
    discounts = []
    for row in reader.children("credits") if "credits" in reader else ():
        item = row.child("item")
        if item.text("type") == "coupon":
            amount = row.money("amount_cents", MONEY, currency)
            discounts.append(
                Discount(id=row.text("lago_id"), code=item.text("code"), name=item.text("name"), amount=amount)
            )
    return tuple(discounts)


def _derive(values: dict[str, Any], _reader: Reader, _given: Mapping[str, Any]) -> None:
    """Derive what no single field of the JSON has: one status from two, the amount remaining, and the customer."""
    payment = values.pop("payment_status")
    if values["native_status"] == "finalized" and payment is not None:
        values["native_status"] = f"finalized/{payment}"
    status = values["status"] = _STATUS.get(values["native_status"] or "", Status.UNKNOWN)
    due, paid = values["amount_due"], values["amount_paid"]
    if status in {Status.PAID, Status.VOID, Status.DELETED}:
        values["amount_remaining"] = nothing_left(values["currency"])
    elif values["amount_remaining"] is None and due is not None and status is Status.OPEN:
        values["amount_remaining"] = due if paid is None else due - paid  # versions before partial payments
    if status is Status.OPEN and payment == "failed":
        values["payment_pending"] = False  # "pending" does not show whether somebody is paying
    order = values.pop("order")
    # a one-off invoice has the number of its request; others inherit it from a subscription or a wallet
    values["reference" if values.pop("type") == "one_off" else "purchase_order"] = order
    address, number = {name: values.pop(name) for name in _ADDRESS}, values.pop("tax_number")
    values["customer"] = customer_of(
        values.pop("customer_id"),
        values.pop("customer_email"),
        values.pop("customer_name"),
        Address(**address) if any(address.values()) else None,
        () if number is None else (TaxId(value=number),),
    )
    billed_before = values.pop("billed_before")
    if billed_before:  # lago-api, compute_amounts_from_fees.rb: it lowers the taxed amount, as coupons do
        values["adjustments"] = (Adjustment(kind="other", amount=-billed_before),)
    values["period"] = period_span([line.period for line in values["lines"]])


INVOICE = Shape(
    Invoice,
    _derive,
    units=MONEY,
    id=computed(_id, "lago_id", "lago_invoice_id"),
    number=text("number"),
    native_status=text("status"),
    payment_status=text("payment_status"),
    type=text("invoice_type"),
    order=text("purchase_order_number"),
    currency=currency("currency"),
    subtotal=money("fees_amount_cents"),
    discount=money("coupons_amount_cents"),
    tax=money("taxes_amount_cents"),
    total=money("sub_total_including_taxes_amount_cents"),
    amount_credited=money("credit_notes_amount_cents"),
    amount_due=money("total_amount_cents"),
    amount_paid=money("total_paid_amount_cents"),
    amount_remaining=money("total_due_amount_cents"),
    lines=rows("fees", LINE),
    customer_id=text("customer.external_id"),
    customer_email=email("customer.email"),
    customer_name=text("customer.name"),
    line1=text("customer.address_line1"),
    line2=text("customer.address_line2"),
    city=text("customer.city"),
    state=text("customer.state"),
    postal_code=text("customer.zipcode"),
    country=text("customer.country"),
    tax_number=text("customer.tax_identification_number"),
    subscription=computed(_subscription, "subscriptions[].external_id"),
    taxes=rows("applied_taxes", TAX),
    discounts=computed(
        _discounts,
        *(f"credits[].{name}" for name in ("lago_id", "amount_cents", "item.type", "item.code", "item.name")),
    ),
    billed_before=money("progressive_billing_credit_amount_cents"),
    metadata=computed(_metadata, "metadata[].key", "metadata[].value"),
    created_at=instant("created_at"),
    updated_at=instant("updated_at"),
    issued_at=day("issuing_date"),
    due_at=day("payment_due_date", ends=True),
    voided_at=instant("voided_at"),
    pdf_url=text("file_url"),
)
