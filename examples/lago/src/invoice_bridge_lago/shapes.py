"""Where Lago's JSON has each field of an invoice, and how it words a refusal.

Answers wrap the invoice: {"invoice": {…}}. A listing leaves the fees out, so that its invoices have no lines.
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
    """Read an invoice, bare or wrapped. Raises MalformedResponse without an id, and for what is no invoice."""
    return INVOICE.whole(unwrapped(data), NAME)


def unwrapped(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The invoice of an answer, which wraps it as {"invoice": …}; a bare one as it is."""
    inner = data.get("invoice")
    return inner if isinstance(inner, Mapping) else data


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer."""
    reader = Reader(unwrapped(data) if isinstance(data, Mapping) else data, NAME)
    return None if "lago_invoice_id" in reader else reader.text("lago_id")


def reference_in(data: Any, _context: object) -> str | None:
    """The reference of the bill whose creation was answered."""
    return Reader(data, NAME).child("invoice").text("purchase_order_number")


def refusal(answer: Response) -> Refusal:
    """Read {"status", "error", "code", "error_details": {field: [codes]}}."""
    reader = Reader(object_of(answer), NAME)
    message, details = reader.text("error"), reader.child("error_details").data
    if message is None:
        raise MalformedResponse("the refusal is not in Lago's words", provider=NAME, status=answer.status)
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
    """The unit price, in major units as text; None where it is no whole number of cents."""
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


def _on_top(values: dict[str, Any], _reader: Reader, _given: Mapping[str, Any]) -> None:
    values["inclusive"] = False  # sub_total_including_taxes is the amount without taxes and the taxes


TAX = Shape(
    TaxLine,
    _on_top,
    units=MONEY,
    needs="amount",
    amount=money("amount_cents"),
    name=text("tax_name"),
    rate=number("tax_rate"),
)
"""lago-openapi, BaseAppliedTax.yaml: of an invoice and of a fee alike."""


LINE = Shape(
    Line,
    units=MONEY,
    needs="amount",
    amount=money("amount_cents"),
    id=text("lago_id"),
    product=text("item.code"),  # what bills name: the code of the add-on, the charge or the plan
    subscription=text("external_subscription_id"),
    taxes=rows("applied_taxes", TAX),
    description=text("item.invoice_display_name", "invoice_display_name", "item.name"),
    quantity=number("units"),
    unit_amount=computed(_unit_amount, "precise_unit_amount"),
    period=span(instant("from_date"), instant("to_date")),
)


def _id(reader: Reader, _currency: str | None) -> str:
    if "lago_invoice_id" in reader:  # a fee, a payment or a credit note, which belong to an invoice
        raise reader.fault("lago_invoice_id", "is that of another object's invoice: this is none")
    return reader.required_text("lago_id")


def _metadata(reader: Reader, _currency: str | None) -> FrozenDict:
    """The pairs of a list; the first of two that share a key counts."""
    pairs: dict[str, str] = {}
    for row in reader.children("metadata"):
        key, value = row.text("key"), row.text("value")
        if key is not None and value is not None:
            pairs.setdefault(key, value)
    return FrozenDict(pairs)


def _subscription(reader: Reader, _currency: str | None) -> str | None:
    """The subscription that the invoice bills, where there is one alone."""
    listed = reader.children("subscriptions") if "subscriptions" in reader else []
    return listed[0].text("external_id") if len(listed) == 1 else None


def _discounts(reader: Reader, currency: str | None) -> tuple[Discount, ...]:
    """The coupons among the credits; the others are credit notes and what earlier invoices billed."""
    found = []
    for row in reader.children("credits") if "credits" in reader else ():
        item = row.child("item")
        if item.text("type") == "coupon":
            amount = row.money("amount_cents", MONEY, currency)
            found.append(
                Discount(id=row.text("lago_id"), code=item.text("code"), name=item.text("name"), amount=amount)
            )
    return tuple(found)


def _derive(values: dict[str, Any], _reader: Reader, _given: Mapping[str, Any]) -> None:
    """What no field of the JSON has as it is: the two axes as one status, and what is left to collect."""
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
        values["payment_pending"] = False  # "pending" means that it waits, whether somebody pays or not
    order = values.pop("order")
    # other invoices inherit the number from a subscription or a wallet; a one-off's is what its maker wrote
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
    if billed_before:  # lago-api, compute_amounts_from_fees.rb: it lowers what is taxed, as coupons do
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
