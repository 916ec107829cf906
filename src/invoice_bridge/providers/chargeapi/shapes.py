"""Where ChargeAPI's JSON has each field of an invoice, and how it words a refusal.

The invoice has no total: what it calls amount_due is a balance. Nor does it state taxes, discounts, payments or credit
notes as such: a tax that finalizing adds shows in the balance alone, so that the lines and the total differ by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.reading import Reader, lines_total, nothing_left
from invoice_bridge.adapter.shapes import (
    Leaf,
    Shape,
    computed,
    currency,
    money,
    number,
    required,
    rows,
    strings,
    text,
)
from invoice_bridge.adapter.trusted import customer_of, maker, period_of
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice, Line, Payment, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargeapi.tables import MONEY, REFERENCE_KEY, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE}
_payment = maker(Payment)


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice. Raises MalformedResponse without an id, and for an object that states that it is no invoice."""
    return INVOICE.whole(data, "chargeapi")


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer."""
    found = Reader(data, "chargeapi")
    return found.text("id") if found.text("object") == "invoice" else None


def reference_in(data: Any, _context: object) -> str | None:
    """The reference of the bill whose opening was answered."""
    return Reader(data, "chargeapi").child("metadata").text(REFERENCE_KEY)


def refusal(answer: Response) -> Refusal:
    """Read {"object": "error", code, message, param, request, type}: flat, without an "error" key."""
    at = Reader(object_of(answer), "chargeapi")
    if at.text("object") != "error":
        raise MalformedResponse("the refusal is not in ChargeAPI's format", provider="chargeapi", status=answer.status)
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
        request_id=at.text("request"),
    )


def _unit_amount(at: Reader, currency: str | None) -> Money | None:
    """The unit price, where it is a whole number of units."""
    value = at.data.get("unit_amount")
    if isinstance(value, Decimal) and value != value.to_integral_value():
        at.leave("unit_amount")
        return None
    return at.money("unit_amount", MONEY, currency)


def _total(status: Status, balance: Money | None, paid: Money | None) -> Money | None:
    """What the invoice came to, which no field says: the balance falls to zero as it is paid.

    Inferred for drafts, open and paid invoices; of a void or uncollectible one nothing is said, nor of an unknown word.
    """
    if status in {Status.DRAFT, Status.OPEN} and balance is not None:
        return balance if paid is None else balance + paid
    return paid if status is Status.PAID else None


def _instant(name: str) -> Leaf:
    """RFC 3339 at the pinned version; whole seconds in the older generation, should an account still be answered so."""

    def read(at: Reader, _currency: str | None) -> datetime | None:
        return at.unix(name) if isinstance(at.data.get(name), int) else at.instant(name)

    return computed(read, name)


LINE = Shape(
    Line,
    units=MONEY,
    needs="amount",
    amount=money("amount"),
    description=text("description"),
    quantity=number("quantity"),
    unit_amount=computed(_unit_amount, "unit_amount"),
)


def _derive(values: dict[str, Any], at: Reader, _given: Mapping[str, Any]) -> None:
    status = values["status"] = _STATUS.get(values["native_status"] or "", Status.UNKNOWN)
    currency, lines, balance, paid = (values[name] for name in ("currency", "lines", "amount_remaining", "amount_paid"))
    # no lines may also mean "not rated yet": their sum is then unstated, not zero
    values["subtotal"] = lines_total(lines, currency) if lines and values["lines_complete"] else None
    # what cannot be read is not nothing: without it there is no total
    total = None if paid is None and "amount_paid" in at else _total(status, balance, paid)
    values["total"] = values["amount_due"] = total
    if status in _SETTLED:
        values["amount_remaining"] = nothing_left(currency)
    paid_at, method = values["paid_at"], values["payment_method"]
    if status is Status.PAID and (paid or (paid is None and paid_at is not None)):
        # `pay` takes the whole balance, and the invoice states when and with which method: that is one payment. Whether
        # others failed before is not said, so the list is not complete.
        values["payments"] = (_payment({"amount": paid, "at": paid_at, "state": "succeeded", "method": method}),)
    values["customer"] = customer_of(values.pop("fleet"))
    values["period"] = period_of(values.pop("start"), values.pop("end"))
    values["reference"] = values["metadata"].pop(REFERENCE_KEY, None)


INVOICE = Shape(
    Invoice,
    _derive,
    units=MONEY,
    kinds=("invoice",),
    also=("object",),
    id=required("id"),
    native_status=text("status"),
    currency=currency("currency"),
    lines=rows("line_items", LINE),
    amount_remaining=money("amount_due"),
    amount_paid=money("amount_paid"),
    fleet=text("fleet"),
    start=_instant("period_start"),
    end=_instant("period_end"),
    description=text("description"),
    metadata=strings("metadata"),
    created_at=_instant("created"),
    due_at=_instant("due_date"),
    paid_at=_instant("paid_at"),
    payment_method=text("payment_method"),
)
