"""Where Whop's JSON has each field of an invoice, and how it words a refusal.

Reads full invoices, list items, and the nine-field items of early 2026.

Money comes from numbers in major units, never from `formatted_price`. What is on the plan (the reference, the exact
price) or on the payment (when and how much was paid, tax, discount) is added by `with_plan` and `with_payment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.notes import Notes
from invoice_bridge.adapter.reading import Reader, lines_total, nothing_left
from invoice_bridge.adapter.shapes import Shape, currency, email, flag, instant, required, rows, text
from invoice_bridge.adapter.trusted import address_of, charged, customer_of, sent
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop.part_shapes import (
    LINE,
    PAYMENT,
    attempts_of,
    discount_of,
    discounts_of,
    money_number,
    payment_of,
    stated,
    tax_lines,
)
from invoice_bridge.providers.whop.tables import LEGACY_ID, NATIVE_ID, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE}
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")


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
        return stated(due, found.currency)
    if (at.text("currency") or "").upper() != found.currency:
        return None
    return money_number(at, "initial_price", found.currency)


def with_payment(found: Invoice, data: Mapping[str, Any]) -> Invoice:
    """Add what the payment says: when it was paid and how, how much of it, its tax and discount, what was given back.

    Money that the payment states in another currency (it may settle in one) is left out: there is no rate here. What
    cannot be read of it is one of the invoice's problems. `payments_complete` stays False: an invoice names the payment
    that settled it, and not whether others failed before.
    """
    at = Reader(data, "whop", "$.payment", Notes())
    payment = PAYMENT.read(at, found.currency)
    assert payment is not None, "it needs no amount"  # noqa: S101 - a table without `needs` always makes a value
    if payment.id is None and found.payments:
        payment = payment.model_copy(update={"id": found.payments[0].id})
    update: dict[str, Any] = {
        "paid_at": payment.at,
        "payments": (payment,),
        "subscription": at.text("membership_id"),  # Whop's subscription; null for what is bought once
        "attempts": attempts_of(at, payment),
        "next_attempt_at": at.instant("next_payment_attempt_at"),
        "discounts": discounts_of(at),
    }
    if payment.at is not None and found.currency is not None:
        total = update["total"] = stated(at.child("total"), found.currency)
        update |= {"amount_paid": payment.amount, "amount_refunded": payment.refunded}
        if total is not None:
            tax = update["tax"] = stated(at.child("tax_amount"), found.currency)
            taxes = update["taxes"] = tax_lines(at, tax)
            update["discount"] = discount_of(at, total, taxes, found.subtotal)
    return found.model_copy(update={**update, "problems": found.problems + at.problems})


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer; that of a plan or a payment is not meant."""
    found = _reader(data).text("id")
    return found if found is not None and found.startswith(LEGACY_ID) else None


def refusal(answer: Response) -> Refusal:
    """Read {"error": {type, message, code?, param?}}."""
    error = object_of(answer).get("error")
    if not isinstance(error, Mapping):
        raise MalformedResponse("the refusal is not in Whop's format", provider="whop", status=answer.status)
    at = _reader(error, "$.error")
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
    )


def _derive(values: dict[str, Any], at: Reader, _given: Mapping[str, Any]) -> None:
    invoice_id = values["id"]
    if not invoice_id.startswith(LEGACY_ID):
        native = invoice_id.startswith(NATIVE_ID)
        raise at.fault(
            "id",
            f"is {invoice_id!r}, not inv_…: "
            + (
                "Whop's native API answered: check that the header Api-Version-Date is sent"
                if native
                else "not a legacy invoice"
            ),
        )
    status = values["status"] = _STATUS.get(values["native_status"] or "", Status.UNKNOWN)
    currency, lines = values["currency"], values["lines"]
    # tax, discounts and the buyer's fee are not on the invoice: the lines give a subtotal, nothing gives a total
    values["subtotal"] = lines_total(lines, currency) if lines and values["lines_complete"] else None
    values["amount_remaining"] = nothing_left(currency) if status in _SETTLED else None
    member, email, name = values.pop("member"), values.pop("customer_email"), values.pop("customer_name")
    address = address_of(*[values.pop(part) for part in _ADDRESS])
    values["customer"] = customer_of(member, email, name, address)
    product = values.pop("product")
    if product is not None:  # the invoice is "for a specific product" (whop-sdk 2.6.0, Invoice); its lines name none
        values["lines"] = tuple([line.model_copy(update={"product": product, "provider": "whop"}) for line in lines])
    settled_by = values.pop("payment")
    if settled_by is not None:
        state = "succeeded" if status is Status.PAID else "unknown"
        values["payments"] = (payment_of({"id": settled_by, "state": state, "recorded_outside": False}),)
    method = values.pop("method")
    if method == "charge_automatically" and status is Status.DRAFT:
        values["next_attempt_at"] = values.pop("finalizes_at")  # "triggers an automatic charge" (the SDK, Invoice)
    else:
        values.pop("finalizes_at")
        at.leave("automatically_finalizes_at")
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
    customer_name=text("customer_name", "user.name", "mailing_address.name"),
    line1=text("mailing_address.line1"),
    line2=text("mailing_address.line2"),
    city=text("mailing_address.city"),
    state=text("mailing_address.state"),
    postal_code=text("mailing_address.postal_code"),
    country=text("mailing_address.country"),
    product=text("product.id"),
    description=text("current_plan.description"),
    created_at=instant("created_at"),
    updated_at=instant("updated_at"),
    finalizes_at=instant("automatically_finalizes_at"),
    due_at=instant("due_date"),
    payment=text("payment.id"),
    method=text("collection_method"),
    payment_pending=flag("payment_processing"),
    hosted_url=text("pay_online_url"),
)
