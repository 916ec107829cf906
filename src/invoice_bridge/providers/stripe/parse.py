"""Stripe JSON → Invoice and refusal. Reads the shapes of acacia (2024) to endive (2026)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.errors import MalformedResponse
from invoice_bridge.model import Collection, CustomerRef, Invoice, Line, Status
from invoice_bridge.money import Money
from invoice_bridge.provider import Refusal
from invoice_bridge.providers.stripe.tables import MONEY, REFERENCE_KEY, STATUSES
from invoice_bridge.reading import Reader, build, period_of, span
from invoice_bridge.wire import Response

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE, Status.DELETED}


def invoice(data: Mapping[str, Any], *, all_lines: list[Mapping[str, Any]] | None = None) -> Invoice:
    """Read an invoice; `all_lines` replaces the first page of lines that it carries."""
    at = Reader(data, "stripe")
    currency = at.currency("currency")
    word = at.text("status")
    status = Status.DELETED if at.flag("deleted") else _STATUS.get(word or "", Status.UNKNOWN)
    page = at.child("lines")
    rows = page.children("data") if all_lines is None else [Reader(row, "stripe", "$.lines") for row in all_lines]
    lines = tuple(_line(row, currency) for row in rows)
    complete = all_lines is not None or (
        isinstance(page.data.get("data"), list | tuple)
        and page.flag("has_more") is not True
        and len(lines) >= (page.integer("total_count") or 0)
    )
    metadata = at.words("metadata")
    moments = at.child("status_transitions")
    total = at.money("total", MONEY, currency)
    discount, tax, tax_on_top = _discount(at, currency), *_tax(at, currency, total)
    return build(
        "stripe",
        id=at.need("id"),
        number=at.text("number"),
        status=status,
        native_status=word,
        currency=currency,
        subtotal=_subtotal(at, lines if complete else None, total, discount=discount, tax_on_top=tax_on_top),
        discount=discount,
        tax=tax,
        total=total,
        amount_due=at.money("amount_due", MONEY, currency),
        amount_paid=at.money("amount_paid", MONEY, currency),
        amount_credited=_sum(at, ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount"), currency),
        # a void invoice keeps its full remainder on the wire (sandbox recording, dahlia); nobody can collect it
        amount_remaining=Money.zero(currency) if status in _SETTLED else at.money("amount_remaining", MONEY, currency),
        lines=lines,
        lines_complete=complete,
        customer=_customer(at),
        period=span([line.period for line in lines]),
        description=at.text("description"),
        reference=metadata.pop(REFERENCE_KEY, None),
        metadata=metadata,
        created_at=at.unix("created"),
        issued_at=at.unix("effective_at") or moments.unix("finalized_at"),
        due_at=at.unix("due_date"),
        paid_at=moments.unix("paid_at"),
        voided_at=moments.unix("voided_at"),
        collection=_collection(at),
        payment_method=_id(at, "default_payment_method"),
        payment_pending=_pending(at),
        hosted_url=at.text("hosted_invoice_url"),
        pdf_url=at.text("invoice_pdf"),
        test_mode=None if (live := at.flag("livemode")) is None else not live,
        raw=data,
    )


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer."""
    found = Reader(data, "stripe")
    return found.text("id") if found.text("object") == "invoice" else None


def reference_in(data: Any, _context: object) -> str | None:
    """The reference of the bill whose opening was answered."""
    return Reader(data, "stripe").child("metadata").text(REFERENCE_KEY)


def refusal(answer: Response) -> Refusal:
    """Read {"error": {type, code, message, param}}; the request id stands in a header."""
    error = answer.object.get("error")
    if not isinstance(error, Mapping):
        raise MalformedResponse("the refusal is not in Stripe's words", provider="stripe", status=answer.status)
    at = Reader(error, "stripe", "$.error")
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
        request_id=answer.headers.get("request-id"),
    )


def _line(at: Reader, currency: str) -> Line:
    amount = at.money("amount", MONEY, currency)
    if amount is None:
        raise at.fault("amount", "is missing: a line without an amount cannot be read")
    spell = at.child("period")
    return Line(
        description=at.text("description"),
        quantity=at.decimal("quantity_decimal") if "quantity_decimal" in at else at.decimal("quantity"),
        unit_amount=_unit_amount(at, currency),
        amount=amount,
        period=period_of(spell.unix("start"), spell.unix("end")),
    )


def _unit_amount(at: Reader, currency: str) -> Money | None:
    """The unit price, where it is a whole number of units: `pricing` since basil, `price` before.

    A price with transform_quantity is that of a package (60.00 per 50 units), and so is no unit amount.
    """
    if "transform_quantity" in at.child("price"):
        return None
    for name in ("pricing", "price"):
        units = at.child(name).decimal("unit_amount_decimal")
        if units is not None and units == units.to_integral_value() and abs(units) < Decimal(10) ** 20:
            try:
                return MONEY.from_units(int(units), currency)
            except ValueError:
                return None
    return None


def _discount(at: Reader, currency: str) -> Money | None:
    if not isinstance(at.data.get("total_discount_amounts"), list | tuple):
        return None
    return _added(at.children("total_discount_amounts"), currency)


def _tax(at: Reader, currency: str, total: Money | None) -> tuple[Money | None, Money | None]:
    """All tax, and the part of it that comes on top of the lines."""
    if isinstance(at.data.get("total_taxes"), list | tuple):  # since basil
        taxes = at.children("total_taxes")
        on_top = [tax for tax in taxes if tax.text("tax_behavior") != "inclusive"]
        return _added(taxes, currency), _added(on_top, currency)
    if isinstance(at.data.get("total_tax_amounts"), list | tuple):  # before
        taxes = at.children("total_tax_amounts")
        return _added(taxes, currency), _added([tax for tax in taxes if tax.flag("inclusive") is not True], currency)
    without = at.money("total_excluding_tax", MONEY, currency)
    return (total - without, None) if total is not None and without is not None else (None, None)


def _subtotal(
    at: Reader,
    lines: tuple[Line, ...] | None,
    total: Money | None,
    *,
    discount: Money | None,
    tax_on_top: Money | None,
) -> Money | None:
    """The sum of the lines. Stripe's own `subtotal` is after the discounts of single lines, so it is not used."""
    currency = at.currency("currency")
    if lines is not None:
        return Money(sum(line.amount.minor for line in lines), currency)
    if total is None or discount is None or tax_on_top is None:
        return None
    return total - tax_on_top + discount - (at.money("amount_shipping", MONEY, currency) or Money.zero(currency))


def _added(rows: list[Reader], currency: str) -> Money:
    zero = Money.zero(currency)
    return Money(sum((row.money("amount", MONEY, currency) or zero).minor for row in rows), currency)


def _sum(at: Reader, names: tuple[str, ...], currency: str) -> Money | None:
    found = [amount for name in names if (amount := at.money(name, MONEY, currency)) is not None]
    return Money(sum(amount.minor for amount in found), currency) if found else None


def _id(at: Reader, name: str) -> str | None:
    """An id, alone or expanded."""
    return at.text(name) or at.child(name).text("id")


def _customer(at: Reader) -> CustomerRef | None:
    whole = at.child("customer")
    email = at.text("customer_email") or whole.text("email")
    found = CustomerRef(
        id=_id(at, "customer"),
        email=email if email is not None and len(email) > 2 else None,
        name=at.text("customer_name") or whole.text("name"),
    )
    return None if found == CustomerRef() else found


def _collection(at: Reader) -> Collection | None:
    method = at.text("collection_method")
    if method == "send_invoice":
        return Collection(kind="send", due=at.unix("due_date"))
    if method == "charge_automatically":
        # without auto_advance Stripe neither finalizes nor charges by itself: nobody moves money
        automatic = at.flag("auto_advance") is True
        return Collection.charge(_id(at, "default_payment_method")) if automatic else Collection.manual()
    return None


def _pending(at: Reader) -> bool | None:
    """Whether a payment is on its way; only expanded payments (or the payment intent before basil) say so."""
    intent = at.child("payment_intent").text("status")
    if intent is not None:
        return intent == "processing"
    if "payments" not in at:
        return None
    payments = [row.child("payment") for row in at.child("payments").children("data")]
    if any("payment_intent" in payment and payment.text("payment_intent") for payment in payments):
        return None  # an id alone: how that payment stands is not said
    return any(payment.child("payment_intent").text("status") == "processing" for payment in payments)
