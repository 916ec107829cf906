"""ChargeAPI JSON → Invoice and refusal. The invoice has no total: what it calls amount_due is a balance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.reading import Reader, build, lines_total, nothing_left, period_of
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import CustomerRef, Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargeapi.tables import MONEY, REFERENCE_KEY, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE}


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice. Raises MalformedResponse without an id, and for an object that states that it is no invoice."""
    at = Reader.noting(data, "chargeapi")
    at.expect("invoice")
    invoice_id = at.required_text("id")
    currency = at.currency("currency")
    word = at.text("status")
    status = _STATUS.get(word or "", Status.UNKNOWN)
    lines = tuple(line for row in at.children("line_items") if (line := _line(row, currency)) is not None)
    complete = at.has_list("line_items") and len(lines) == at.count("line_items")
    balance, paid = at.money("amount_due", MONEY, currency), at.money("amount_paid", MONEY, currency)
    # what cannot be read is not nothing: without it there is no total
    total = None if paid is None and "amount_paid" in at else _total(status, balance, paid)
    fleet = at.text("fleet")
    metadata = at.strings("metadata")
    return build(
        at,
        id=invoice_id,
        status=status,
        native_status=word,
        currency=currency,
        # no lines may also mean "not rated yet": their sum is then unsaid, not zero
        subtotal=lines_total(lines, currency) if lines and complete else None,
        total=total,
        amount_due=total,
        amount_paid=paid,
        amount_remaining=nothing_left(currency) if status in _SETTLED else balance,
        lines=lines,
        lines_complete=complete,
        customer=CustomerRef(id=fleet) if fleet is not None else None,
        period=period_of(_instant(at, "period_start"), _instant(at, "period_end")),
        description=at.text("description"),
        reference=metadata.pop(REFERENCE_KEY, None),
        metadata=metadata,
        created_at=_instant(at, "created"),
        due_at=_instant(at, "due_date"),
        paid_at=_instant(at, "paid_at"),
        payment_method=at.text("payment_method"),
    )


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer."""
    found = Reader(data, "chargeapi")
    return found.text("id") if found.text("object") == "invoice" else None


def reference_in(data: Any, _context: object) -> str | None:
    """The reference of the bill whose opening was answered."""
    return Reader(data, "chargeapi").child("metadata").text(REFERENCE_KEY)


def refusal(answer: Response) -> Refusal:
    """Read {"object": "error", code, message, param, request, type}: flat, nothing stands under an "error" key."""
    at = Reader(object_of(answer), "chargeapi")
    if at.text("object") != "error":
        raise MalformedResponse("the refusal is not in ChargeAPI's words", provider="chargeapi", status=answer.status)
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
        request_id=at.text("request"),
    )


def _line(at: Reader, currency: str | None) -> Line | None:
    amount = at.money("amount", MONEY, currency)
    if amount is None:
        at.left_out("amount")
        return None
    return Line(
        description=at.text("description"),
        quantity=at.decimal("quantity"),
        unit_amount=_unit_amount(at, currency),
        amount=amount,
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


def _instant(at: Reader, name: str) -> datetime | None:
    """RFC 3339 at the pinned version; whole seconds in the older generation, should an account still be answered so."""
    return at.unix(name) if isinstance(at.data.get(name), int) else at.instant(name)
