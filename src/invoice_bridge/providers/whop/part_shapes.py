"""Where Whop's JSON has the parts of an invoice: its lines, and what its payment says.

Money comes from numbers in major units or from exact text, never from a formatted price. What is read of the payment
follows whop-sdk 2.6.0, Payment; the amounts there exclude the buyer's fee, which no amount of an invoice has either.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.reading import INEXACT, Reader, bounded
from invoice_bridge.adapter.shapes import Shape, computed, instant, number, text
from invoice_bridge.adapter.trusted import maker
from invoice_bridge.core.model import Discount, Line, Payment, TaxLine
from invoice_bridge.core.money import Money
from invoice_bridge.core.parts import PaymentState
from invoice_bridge.providers.whop.tables import MONEY

_STATES: dict[str | None, PaymentState] = {  # whop-sdk 2.6.0, ReceiptStatus; an authorized payment is not captured yet
    "paid": "succeeded",
    "pending": "pending",
    "authorized": "pending",
    "void": "canceled",
    "uncollectible": "failed",
}
_STATES_OF_OPEN: dict[str | None, PaymentState] = {  # whop-sdk 2.6.0, FriendlyReceiptStatus
    "pending": "pending",
    "requires_capture": "pending",
    "failed": "failed",
    "blocked": "failed",
    "canceled": "canceled",
}
_INCLUSIVE = {"exclusive": False, "inclusive": True}
"""What the words of `tax_behavior` mean; of "unspecified" and "unable_to_collect" nothing is known."""
_tax_line, _discount, payment_of = maker(TaxLine), maker(Discount), maker(Payment)


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def money_number(at: Reader, name: str, currency: str | None) -> Money | None:
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
            raise ValueError(f"is not a decimal number: {str(value)[:40]!r}")
        return _major(value, currency)
    except ValueError as error:
        at.no_amount(name, str(error))
        return None


def _major(value: Decimal | int | str, currency: str) -> Money:
    try:
        return bounded(MONEY.from_units(value, currency))
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from None


def stated(at: Reader, currency: str | None) -> Money | None:
    """A {amount: "10.00", currency, …}: exact text. None where it is absent or in another currency."""
    amount = at.data.get("amount")
    if currency is None or amount is None or (at.text("currency") or "").upper() != currency:
        return None
    try:
        if not isinstance(amount, str):
            raise ValueError(f"is not a decimal text: {str(amount)[:40]!r}")
        return _major(amount, currency)
    except ValueError as error:
        at.no_amount("amount", str(error))
        return None


# ── a line ───────────────────────────────────────────────────────────────────────────────────────────────────────────
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
    return money_number(at, "total", currency)


LINE = Shape(
    Line,
    needs="amount",
    amount=computed(_total, "total"),
    description=text("label"),
    quantity=number("quantity"),
    unit_amount=computed(_unit, "unit_price"),
)


# ── the payment ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _collected(at: Reader, currency: str | None) -> Money | None:
    """The total of a payment, else that in the currency that the buyer saw: a payment may settle in another one."""
    total = stated(at.child("total"), currency)
    return total if total is not None else stated(at.child("presentment_total"), currency)


def _refunded(at: Reader, currency: str | None) -> Money | None:
    """What was given back of a payment."""
    return stated(at.child("refunded_amount"), currency)


def _state(at: Reader, _currency: str | None) -> PaymentState:
    """How a payment went. "open" waits for the payer or for another try: the finer word says which."""
    status = at.text("status")
    if status == "open":
        return _STATES_OF_OPEN.get(at.text("substatus"), "unknown")
    return "succeeded" if status is None and "paid_at" in at else _STATES.get(status, "unknown")


def _derive_payment(values: dict[str, Any], _at: Reader, _given: object) -> None:
    values["recorded_outside"] = False  # an invoice that is marked paid has no payment (whop-sdk 2.6.0, InvoicePayment)


PAYMENT = Shape(
    Payment,
    _derive_payment,
    id=text("id"),
    amount=computed(
        _collected, "total.amount", "total.currency", "presentment_total.amount", "presentment_total.currency"
    ),
    at=instant("paid_at"),
    state=computed(_state, "status", "substatus"),
    method=text("payment_method_id", "payment_method_type"),
    refunded=computed(_refunded, "refunded_amount.amount", "refunded_amount.currency"),
)
"""A payment, which is an answer of its own."""


def attempts_of(at: Reader, payment: Payment) -> int | None:
    """How often a payment was tried: `payments_failed` times, and once more where it succeeded or is on its way."""
    failed = at.decimal("payments_failed")
    if failed is None:
        return None
    if failed < 0 or failed != failed.to_integral_value():
        at.note("payments_failed", "is not a number of attempts")
        return None
    return int(failed) + (payment.state in {"succeeded", "pending"})


def tax_lines(at: Reader, tax: Money | None) -> tuple[TaxLine, ...]:
    """The one tax of a payment, which has neither a name nor a rate."""
    if tax is None:
        return ()
    return (_tax_line({"amount": tax, "inclusive": _INCLUSIVE.get(at.text("tax_behavior") or "")}),)


def discounts_of(at: Reader) -> tuple[Discount, ...]:
    """The promo code of a payment, by its id alone; what all discounts took off is discount_of."""
    promo = at.text("promo_code_id")
    return () if promo is None else (_discount({"id": promo}),)


def discount_of(at: Reader, total: Money, taxes: tuple[TaxLine, ...], price: Money | None) -> Money | None:
    """What the discounts took off, which no field states; `price` is what the invoice's lines or plan come to.

    `subtotal` is "the price before discounts, tax and fees", `total` "the price after discounts, plus any tax added on
    top" (whop-sdk 2.6.0, Payment), so it is their difference, without that tax. None where it is nothing, where it is
    not known whether the tax is on top, and where the tax is within the price and `subtotal` may be without it.
    """
    before = stated(at.child("subtotal"), total.currency)
    if before is None:
        return None
    for tax in taxes:
        if tax.amount and (tax.inclusive is None or (tax.inclusive and before != price)):
            return None
        if not tax.inclusive:
            total -= tax.amount
    taken = before - total
    return taken if taken.minor > 0 else None
