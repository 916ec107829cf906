"""Whop JSON → Invoice and refusal. Reads full invoices, list items, and the nine-field items of early 2026.

Money comes from numbers in major units, never from `formatted_price`. What stands on the plan (the reference, the exact
price) or on the payment (when and how much was paid) is added by `with_plan` and `with_payment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.errors import MalformedResponse
from invoice_bridge.model import Collection, CustomerRef, Invoice, Line, Status
from invoice_bridge.money import Money
from invoice_bridge.provider import Refusal
from invoice_bridge.providers.whop.tables import LEGACY_ID, MONEY, NATIVE_ID, STATUSES
from invoice_bridge.reading import Reader, build, summable
from invoice_bridge.wire import Response

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE}


def _reader(data: Any, at: str = "$") -> Reader:
    return Reader(data, "whop", at)


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice as it stands. Raises MalformedResponse for an id of the native API: the wrong API answered."""
    at = _reader(data)
    invoice_id = at.need("id")
    if not invoice_id.startswith(LEGACY_ID):
        native = invoice_id.startswith(NATIVE_ID)
        raise at.fault(
            "id",
            f"is {invoice_id!r}, not inv_…: "
            + ("Whop's native API answered, is the header Api-Version-Date sent?" if native else "no legacy invoice"),
        )
    plan = at.child("current_plan")
    currency = _currency(plan)
    word = at.text("status")
    status = _STATUS.get(word or "", Status.UNKNOWN)
    lines = tuple(_line(row, currency) for row in at.children("line_items"))
    return build(
        "whop",
        id=invoice_id,
        number=at.text("number"),
        status=status,
        native_status=word,
        currency=currency,
        # tax, discounts and the buyer's fee are not on the invoice: the lines give a subtotal, nothing gives a total
        subtotal=Money(sum(line.amount.minor for line in lines), currency) if lines else None,
        amount_remaining=Money.zero(currency) if status in _SETTLED else None,
        lines=lines,
        lines_complete=isinstance(data.get("line_items"), list | tuple),
        customer=_customer(at),
        description=plan.text("description"),
        created_at=at.instant("created_at"),
        due_at=at.instant("due_date"),
        collection=_collection(at),
        payment_pending=at.flag("payment_processing"),
        hosted_url=at.text("pay_online_url"),
        raw=data,
    )


def plan_id(data: Mapping[str, Any]) -> str | None:
    """The id of the plan that an invoice charges for."""
    return _reader(data).child("current_plan").text("id")


def payment_id(data: Mapping[str, Any]) -> str | None:
    """The id of the payment that settled an invoice; None while unpaid, and where it was marked paid."""
    return _reader(data).child("payment").text("id")


def with_plan(found: Invoice, data: Mapping[str, Any]) -> Invoice:
    """Add what the plan says: the reference, and the price as the subtotal.

    Where the lines and the price contradict each other the subtotal is None: neither is certainly what is billed.
    """
    at = _reader(data, "$.plan")
    price = price_of(found, data)
    subtotal = price if found.subtotal is None else found.subtotal if price in {None, found.subtotal} else None
    return found.model_copy(update={"reference": at.text("internal_notes"), "subtotal": subtotal})


def price_of(found: Invoice, data: Mapping[str, Any]) -> Money | None:
    """What a one-time plan charges before tax; None for a recurring one, whose price is not one invoice's."""
    at = _reader(data, "$.plan")
    if at.text("plan_type") != "one_time":
        return None
    due = at.child("initial_price_due")
    if "amount" in due:
        return _stated(due, found.currency)
    if str(at.text("currency")).upper() != found.currency:
        return None
    return _money(at, "initial_price", found.currency)


def with_payment(found: Invoice, data: Mapping[str, Any]) -> Invoice:
    """Add what the payment says: when it was paid, how much of it, and what was given back.

    Money that the payment states in another currency (it may settle in one) is left out: there is no rate here.
    """
    at = _reader(data, "$.payment")
    paid_at = at.instant("paid_at")
    update: dict[str, Any] = {"paid_at": paid_at}
    if paid_at is not None:
        total = _stated(at.child("total"), found.currency)
        update["amount_paid"] = total if total is not None else _stated(at.child("presentment_total"), found.currency)
        update["total"] = total
        if total is not None:
            update["tax"] = _stated(at.child("tax_amount"), found.currency)
        update["amount_refunded"] = _stated(at.child("refunded_amount"), found.currency)
    return found.model_copy(update=update)


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer; that of a plan or a payment is not meant."""
    found = _reader(data).text("id")
    return found if found is not None and found.startswith(LEGACY_ID) else None


def refusal(answer: Response) -> Refusal:
    """Read {"error": {type, message, code?, param?}}."""
    error = answer.object.get("error")
    if not isinstance(error, Mapping):
        raise MalformedResponse("the refusal is not in Whop's words", provider="whop", status=answer.status)
    at = _reader(error, "$.error")
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
    )


def _currency(plan: Reader) -> str:
    found = plan.currency("currency")
    if found not in MONEY.currencies:
        raise plan.fault("currency", f"is {found}, which is not among the currencies that Whop lists")
    return found


def _money(at: Reader, name: str, currency: str) -> Money | None:
    """A decimal number in major units. Raises MalformedResponse for anything else, and for too many decimals."""
    value = at.data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise at.fault(name, f"is no decimal number: {str(value)[:40]!r}")
    try:
        return summable(MONEY.from_units(value, currency))
    except ValueError as error:
        raise at.fault(name, f"cannot be read: {error}") from None


def _stated(at: Reader, currency: str) -> Money | None:
    """A {amount: "10.00", currency, …}: exact text. None where it is absent or in another currency."""
    amount = at.data.get("amount")
    if amount is None or (at.text("currency") or "").upper() != currency:
        return None
    if not isinstance(amount, str):
        raise at.fault("amount", f"is no decimal text: {str(amount)[:40]!r}")
    try:
        return summable(MONEY.from_units(amount, currency))
    except ValueError as error:
        raise at.fault("amount", f"cannot be read: {error}") from None


def _line(at: Reader, currency: str) -> Line:
    amount = _money(at, "total", currency)
    if amount is None:
        raise at.fault("total", "is missing: a line without an amount cannot be read")
    return Line(
        description=at.text("label"),
        quantity=at.decimal("quantity"),
        unit_amount=_unit(at.decimal("unit_price"), currency),
        amount=amount,
    )


def _unit(price: Decimal | None, currency: str) -> Money | None:
    """The unit price, where it is a whole number of minor units."""
    try:
        return None if price is None else MONEY.from_units(price, currency)
    except ValueError:
        return None


def _customer(at: Reader) -> CustomerRef | None:
    user = at.child("user")
    email = at.text("email_address") or user.text("email")
    found = CustomerRef(
        id=at.child("member").text("id"),
        email=email if email is not None and len(email) > 2 else None,
        name=at.text("customer_name") or user.text("name"),
    )
    return None if found == CustomerRef() else found


def _collection(at: Reader) -> Collection | None:
    method = at.text("collection_method")
    if method == "send_invoice":
        return Collection(kind="send", due=at.instant("due_date"))
    return Collection.charge() if method == "charge_automatically" else None
