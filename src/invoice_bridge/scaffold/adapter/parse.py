"""Acme's JSON → Invoice and refusal. Lenient about everything but ids: what cannot be read is one of its problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.reading import Reader, build, lines_total, nothing_left, period_of, period_span
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Collection, CustomerRef, Invoice, Line, Status
from invoice_bridge.core.wire import Response

from .tables import MONEY, NAME, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_KINDS = {"none": "manual", "mail": "send", "charge": "charge"}


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice. Raises MalformedResponse without an id."""
    at = Reader.noting(data, NAME)
    currency = at.currency("currency")
    word = at.text("status")
    status = _STATUS.get(word or "", Status.UNKNOWN)
    lines = tuple(line for row in at.children("lines") if (line := _line(row, currency)) is not None)
    customer, total = at.text("customer"), at.money("total", MONEY, currency)
    complete = at.has_list("lines") and len(lines) == at.count("lines")
    return build(
        at,
        id=at.required_text("id"),
        status=status,
        native_status=word,
        currency=currency,
        subtotal=lines_total(lines, currency) if complete else None,
        total=total,
        amount_due=total,
        amount_paid=at.money("paid", MONEY, currency),
        # of a void invoice Acme keeps the remainder; nobody can collect it
        amount_remaining=nothing_left(currency) if status is Status.VOID else at.money("left", MONEY, currency),
        lines=lines,
        lines_complete=complete,
        customer=CustomerRef(id=customer) if customer is not None else None,
        period=period_span([line.period for line in lines]),
        description=at.text("note"),
        reference=at.text("ref"),
        metadata=at.strings("labels"),
        created_at=at.instant("created"),
        issued_at=at.instant("finalized"),
        due_at=at.instant("due"),
        paid_at=at.instant("settled"),
        collection=_collection(at),
        payment_method=at.text("payment_method"),
    )


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer."""
    found = Reader(data, NAME)
    return found.text("id") if found.text("kind") == "invoice" else None


def refusal(answer: Response) -> Refusal:
    """Read {"error": {code, message, field}}."""
    if not isinstance(object_of(answer).get("error"), Mapping):
        raise MalformedResponse("the refusal is not in Acme's words", provider=NAME, status=answer.status)
    at = Reader(object_of(answer), NAME).child("error")
    return Refusal(at.text("message") or "refused without a message", code=at.text("code"), param=at.text("field"))


def _line(at: Reader, currency: str | None) -> Line | None:
    amount = at.money("amount", MONEY, currency)
    if amount is None:
        at.left_out("amount")
        return None
    return Line(
        description=at.text("text"),
        quantity=at.decimal("quantity"),
        unit_amount=at.money("unit_price", MONEY, currency),
        amount=amount,
        period=period_of(at.instant("from"), at.instant("to")),
    )


def _collection(at: Reader) -> Collection | None:
    kind = _KINDS.get(at.text("collection") or "")
    if kind == "send":
        return Collection(kind="send", due=at.instant("due"))
    if kind == "charge":
        return Collection.charge(at.text("payment_method"))
    return None if kind is None else Collection.manual()
