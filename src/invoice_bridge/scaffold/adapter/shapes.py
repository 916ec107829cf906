"""The place of each field of an invoice in Acme's JSON, and the format of its refusals.

Reading is lenient about everything but ids: an unreadable value is one of the invoice's problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import (
    MANUAL,
    Reader,
    Refusal,
    Shape,
    charged,
    currency,
    customer_of,
    instant,
    lines_total,
    money,
    nothing_left,
    number,
    object_of,
    period_span,
    required,
    rows,
    sent,
    span,
    strings,
    text,
)
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.wire import Response

from .tables import MONEY, NAME, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice. Raises MalformedResponse without an id."""
    return INVOICE.whole(data, NAME)


def invoice_id(data: Any) -> str | None:
    """Return the id of the invoice in an answer."""
    reader = Reader(data, NAME)
    return reader.text("id") if reader.text("kind") == "invoice" else None


def refusal(answer: Response) -> Refusal:
    """Read {"error": {code, message, field}}."""
    if not isinstance(object_of(answer).get("error"), Mapping):
        raise MalformedResponse("the refusal is not in Acme's format", provider=NAME, status=answer.status)
    error = Reader(object_of(answer), NAME).child("error")
    return Refusal(
        error.text("message") or "refused without a message", code=error.text("code"), param=error.text("field")
    )


LINE = Shape(
    Line,
    units=MONEY,
    needs="amount",
    amount=money("amount"),
    description=text("text"),
    quantity=number("quantity"),
    unit_amount=money("unit_price"),
    period=span(instant("from"), instant("to")),
)


def _derive(values: dict[str, Any], _reader: Reader, _given: Mapping[str, Any]) -> None:
    """Derive what no single field of the JSON has: the neutral status, sums, the period and the collection."""
    status = values["status"] = _STATUS.get(values["native_status"] or "", Status.UNKNOWN)
    currency, lines = values["currency"], values["lines"]
    values["subtotal"] = lines_total(lines, currency) if values["lines_complete"] else None
    values["amount_due"] = values["total"]
    if status is Status.VOID:
        values["amount_remaining"] = nothing_left(currency)  # Acme keeps the remainder; nobody can collect it
    values["customer"] = customer_of(values.pop("customer_id"))
    values["period"] = period_span([line.period for line in lines])
    kind = values.pop("kind")
    if kind == "mail":
        values["collection"] = sent(values["due_at"])
    else:
        values["collection"] = {"none": MANUAL, "charge": charged(values["payment_method"])}.get(kind)


INVOICE = Shape(
    Invoice,
    _derive,
    units=MONEY,
    id=required("id"),
    native_status=text("status"),
    currency=currency("currency"),
    total=money("total"),
    amount_paid=money("paid"),
    amount_remaining=money("left"),
    lines=rows("lines", LINE),
    customer_id=text("customer"),
    description=text("note"),
    reference=text("ref"),
    metadata=strings("labels"),
    created_at=instant("created"),
    issued_at=instant("finalized"),
    due_at=instant("due"),
    paid_at=instant("settled"),
    kind=text("collection"),
    payment_method=text("payment_method"),
)
