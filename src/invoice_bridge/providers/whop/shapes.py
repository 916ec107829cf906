"""Where Whop's JSON has each field of an invoice, and how it words a refusal.

Reads full invoices, list items, and the nine-field items of early 2026.

Money comes from numbers in major units, never from `formatted_price`. What stands on the plan (the reference, the exact
price) or on the payment (when and how much was paid) is added by `with_plan` and `with_payment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.reading import INEXACT, Notes, Reader, bounded, lines_total, nothing_left
from invoice_bridge.adapter.shapes import (
    Shape,
    computed,
    currency,
    email,
    flag,
    instant,
    number,
    required,
    rows,
    text,
)
from invoice_bridge.adapter.trusted import charged, customer_of, sent
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop.tables import LEGACY_ID, MONEY, NATIVE_ID, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE}


def _reader(data: Any, at: str = "$") -> Reader:
    return Reader(data, "whop", at)


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice as it stands.

    Raises MalformedResponse without an id, for an id of the native API (the wrong API answered), and for an object that
    states that it is no invoice: Whop's own have no field `object`, and begin with inv_.
    """
    return INVOICE.whole(data, "whop")


def plan_id(data: Mapping[str, Any]) -> str | None:
    """The id of the plan that an invoice charges for."""
    return _reader(data).child("current_plan").text("id")


def payment_id(data: Mapping[str, Any]) -> str | None:
    """The id of the payment that settled an invoice; None while unpaid, and where it was marked paid."""
    return _reader(data).child("payment").text("id")


def with_plan(found: Invoice, data: Mapping[str, Any]) -> Invoice:
    """Add what the plan says: the reference, and the price as the subtotal.

    Where the lines and the price contradict each other the subtotal is None: neither is certainly what is billed. A
    price that cannot be read is one of the invoice's problems.
    """
    at = Reader(data, "whop", "$.plan", Notes())
    price = _price(at, found)
    subtotal = price if found.subtotal is None else found.subtotal if price in {None, found.subtotal} else None
    if found.lines and not found.lines_complete:
        subtotal = None  # the price is no sum of lines of which one could not be read
    update = {"reference": at.text("internal_notes"), "subtotal": subtotal}
    return found.model_copy(update={**update, "problems": found.problems + at.problems})


def price_of(found: Invoice, data: Mapping[str, Any]) -> Money | None:
    """What a one-time plan charges before tax; None for a recurring one, whose price is not one invoice's.

    None too for a price that cannot be read, which with_plan lists among the invoice's problems.
    """
    return _price(Reader(data, "whop", "$.plan", Notes()), found)


def _price(at: Reader, found: Invoice) -> Money | None:
    if found.currency is None or at.text("plan_type") != "one_time":
        return None
    due = at.child("initial_price_due")
    if "amount" in due:
        return _stated(due, found.currency)
    if (at.text("currency") or "").upper() != found.currency:
        return None
    return _money(at, "initial_price", found.currency)


def with_payment(found: Invoice, data: Mapping[str, Any]) -> Invoice:
    """Add what the payment says: when it was paid, how much of it, and what was given back.

    Money that the payment states in another currency (it may settle in one) is left out: there is no rate here. What
    cannot be read of it is one of the invoice's problems.
    """
    at = Reader(data, "whop", "$.payment", Notes())
    paid_at = at.instant("paid_at")
    update: dict[str, Any] = {"paid_at": paid_at}
    if paid_at is not None and found.currency is not None:
        total = _stated(at.child("total"), found.currency)
        update["amount_paid"] = total if total is not None else _stated(at.child("presentment_total"), found.currency)
        update["total"] = total
        if total is not None:
            update["tax"] = _stated(at.child("tax_amount"), found.currency)
        update["amount_refunded"] = _stated(at.child("refunded_amount"), found.currency)
    return found.model_copy(update={**update, "problems": found.problems + at.problems})


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer; that of a plan or a payment is not meant."""
    found = _reader(data).text("id")
    return found if found is not None and found.startswith(LEGACY_ID) else None


def refusal(answer: Response) -> Refusal:
    """Read {"error": {type, message, code?, param?}}."""
    error = object_of(answer).get("error")
    if not isinstance(error, Mapping):
        raise MalformedResponse("the refusal is not in Whop's words", provider="whop", status=answer.status)
    at = _reader(error, "$.error")
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
    )


def _money(at: Reader, name: str, currency: str | None) -> Money | None:
    """A decimal number in major units; None for anything else, and for too many decimals, which is noted."""
    value = at.data.get(name)
    if value is None:
        return None
    if currency is None:
        at.leave(name)
        return None
    try:
        if isinstance(value, float):
            raise ValueError(INEXACT)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(f"is no decimal number: {str(value)[:40]!r}")
        return _major(value, currency)
    except ValueError as error:
        at.no_amount(name, str(error))
        return None


def _major(value: Decimal | int | str, currency: str) -> Money:
    try:
        return bounded(MONEY.from_units(value, currency))
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from None


def _stated(at: Reader, currency: str) -> Money | None:
    """A {amount: "10.00", currency, …}: exact text. None where it is absent or in another currency."""
    amount = at.data.get("amount")
    if amount is None or (at.text("currency") or "").upper() != currency:
        return None
    try:
        if not isinstance(amount, str):
            raise ValueError(f"is no decimal text: {str(amount)[:40]!r}")
        return _major(amount, currency)
    except ValueError as error:
        at.no_amount("amount", str(error))
        return None


def _unit(at: Reader, currency: str | None) -> Money | None:
    """The unit price, where it is a whole number of minor units."""
    price = at.decimal("unit_price")
    if price is None or currency is None:
        return None
    try:
        return bounded(MONEY.from_units(price, currency))
    except ValueError:
        at.leave("unit_price")
        return None


def _total(at: Reader, currency: str | None) -> Money | None:
    return _money(at, "total", currency)


LINE = Shape(
    Line,
    needs="amount",
    amount=computed(_total, "total"),
    description=text("label"),
    quantity=number("quantity"),
    unit_amount=computed(_unit, "unit_price"),
)


def _derive(values: dict[str, Any], at: Reader, _given: Mapping[str, Any]) -> None:
    invoice_id = values["id"]
    if not invoice_id.startswith(LEGACY_ID):
        native = invoice_id.startswith(NATIVE_ID)
        raise at.fault(
            "id",
            f"is {invoice_id!r}, not inv_…: "
            + ("Whop's native API answered, is the header Api-Version-Date sent?" if native else "no legacy invoice"),
        )
    status = values["status"] = _STATUS.get(values["native_status"] or "", Status.UNKNOWN)
    currency, lines = values["currency"], values["lines"]
    # tax, discounts and the buyer's fee are not on the invoice: the lines give a subtotal, nothing gives a total
    values["subtotal"] = lines_total(lines, currency) if lines and values["lines_complete"] else None
    values["amount_remaining"] = nothing_left(currency) if status in _SETTLED else None
    member, email, name = values.pop("member"), values.pop("customer_email"), values.pop("customer_name")
    values["customer"] = customer_of(member, email, name)
    method = values.pop("method")
    if method == "send_invoice":
        values["collection"] = sent(values["due_at"])
    else:
        values["collection"] = charged(None) if method == "charge_automatically" else None


INVOICE = Shape(
    Invoice,
    _derive,
    kinds=("invoice",),
    also=("object",),
    id=required("id"),
    native_status=text("status"),
    currency=currency("current_plan.currency"),
    number=text("number"),
    lines=rows("line_items", LINE),
    member=text("member.id"),
    customer_email=email("email_address", "user.email"),
    customer_name=text("customer_name", "user.name"),
    description=text("current_plan.description"),
    created_at=instant("created_at"),
    due_at=instant("due_date"),
    method=text("collection_method"),
    payment_pending=flag("payment_processing"),
    hosted_url=text("pay_online_url"),
)
