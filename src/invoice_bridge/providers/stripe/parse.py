"""Stripe JSON → Invoice and refusal. Reads the shapes of acacia (2024) to endive (2026)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.reading import Reader, build, email_of, lines_total, nothing_left, period_of, period_span
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Collection, CustomerRef, Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.tables import MONEY, PURCHASE_ORDER, REFERENCE_KEY, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE, Status.DELETED}


def invoice(data: Mapping[str, Any], *, all_lines: list[Mapping[str, Any]] | None = None) -> Invoice:
    """Read an invoice; `all_lines` replaces the first page of lines that it carries.

    Raises MalformedResponse without an id, and for an object that states that it is no invoice.
    """
    at = Reader.noting(data, "stripe")
    at.expect("invoice")
    invoice_id = at.required_text("id")
    word = at.text("status")
    status = Status.DELETED if at.flag("deleted") else _STATUS.get(word or "", Status.UNKNOWN)
    # of a deleted invoice only the id is left (stripe/openapi fixtures): that there is no currency is no problem then
    currency = at.currency("currency", needed=status is not Status.DELETED)
    page = at.child("lines")
    if all_lines is None:
        rows, stated = page.children("data"), page.count("data")
    else:
        rows = [Reader(row, "stripe", f"$.lines.data[{place}]", at.notes) for place, row in enumerate(all_lines)]
        stated = len(all_lines)
    lines = tuple(line for row in rows if (line := _line(row, currency)) is not None)
    complete = len(lines) == stated and (
        all_lines is not None
        or (
            page.has_list("data")
            and page.flag("has_more") is not True
            and len(lines) >= (page.integer("total_count") or 0)
        )
    )
    metadata = at.strings("metadata")
    reference = metadata.pop(REFERENCE_KEY, None)
    moments = at.child("status_transitions")
    total, remaining = (at.money(name, MONEY, currency) for name in ("total", "amount_remaining"))
    discount, tax, tax_on_top = _discount(at, currency), *_tax(at, currency, total)
    return build(
        at,
        id=invoice_id,
        number=at.text("number"),
        status=status,
        native_status=word,
        currency=currency,
        subtotal=(
            lines_total(lines, currency)
            if complete
            else _derived_subtotal(at, currency, total, discount=discount, tax_on_top=tax_on_top)
        ),
        discount=discount,
        tax=tax,
        total=total,
        amount_due=at.money("amount_due", MONEY, currency),
        amount_paid=at.money("amount_paid", MONEY, currency),
        amount_credited=_sum(at, ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount"), currency),
        # a void invoice keeps its full remainder on the wire (sandbox recording, dahlia); nobody can collect it
        amount_remaining=nothing_left(currency) if status in _SETTLED else remaining,
        lines=lines,
        lines_complete=complete,
        customer=_customer(at),
        period=period_span([line.period for line in lines]),
        description=at.text("description"),
        reference=reference,
        purchase_order=_purchase_order(at),
        metadata=metadata,
        created_at=at.unix("created"),
        issued_at=at.unix("effective_at") or moments.unix("finalized_at"),
        due_at=at.unix("due_date"),
        paid_at=moments.unix("paid_at"),
        voided_at=moments.unix("voided_at"),
        collection=_collection(at, status, is_ours=reference is not None),
        payment_method=at.identity("default_payment_method"),
        payment_pending=_pending(at),
        hosted_url=at.text("hosted_invoice_url"),
        pdf_url=at.text("invoice_pdf"),
        test_mode=None if (live := at.flag("livemode")) is None else not live,
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
    error = object_of(answer).get("error")
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


def _line(at: Reader, currency: str | None) -> Line | None:
    amount = at.money("amount", MONEY, currency)
    if amount is None:
        at.left_out("amount")
        return None
    spell = at.child("period")
    return Line(
        description=at.text("description"),
        quantity=at.decimal("quantity_decimal") if "quantity_decimal" in at else at.decimal("quantity"),
        unit_amount=_unit_amount(at, amount.currency),
        amount=amount,
        period=period_of(spell.unix("start"), spell.unix("end")),
    )


def _unit_amount(at: Reader, currency: str) -> Money | None:
    """The unit price, where it is a whole number of units: `pricing` since basil, `price` before.

    A price with transform_quantity is that of a package (60.00 per 50 units), and so is no unit amount.
    """
    if "transform_quantity" in at.expanded("price"):
        return None
    for name in ("pricing", "price"):
        price = at.expanded(name)
        units = price.decimal("unit_amount_decimal")
        if units is None:
            continue
        if units == units.to_integral_value() and abs(units) < Decimal(10) ** 20:
            try:
                return MONEY.from_units(int(units), currency)
            except ValueError:
                pass
        price.leave("unit_amount_decimal")
        return None
    return None


def _purchase_order(at: Reader) -> str | None:
    """The custom field that carries a purchase order, by the heading that we give it; other headings mean others."""
    for row in at.children("custom_fields"):
        if row.text("name") == PURCHASE_ORDER:
            return row.text("value")
        row.leave("name")
    return None


def _discount(at: Reader, currency: str | None) -> Money | None:
    if not at.has_list("total_discount_amounts"):
        return None
    return at.total_of(at.children("total_discount_amounts"), "amount", MONEY, currency)


def _tax(at: Reader, currency: str | None, total: Money | None) -> tuple[Money | None, Money | None]:
    """All tax, and the part of it that comes on top of the lines."""
    if at.has_list("total_taxes"):  # since basil
        taxes = at.children("total_taxes")
        on_top = [tax for tax in taxes if tax.text("tax_behavior") != "inclusive"]
    elif at.has_list("total_tax_amounts"):  # before
        taxes = at.children("total_tax_amounts")
        on_top = [tax for tax in taxes if tax.flag("inclusive") is not True]
    else:
        without = at.money("total_excluding_tax", MONEY, currency)
        return (total - without, None) if total is not None and without is not None else (None, None)
    return at.total_of(taxes, "amount", MONEY, currency), at.total_of(on_top, "amount", MONEY, currency)


def _derived_subtotal(
    at: Reader, currency: str | None, total: Money | None, *, discount: Money | None, tax_on_top: Money | None
) -> Money | None:
    """The sum of the lines where not all are here. Stripe's own `subtotal` is after the discounts of single lines."""
    shipping = at.money("amount_shipping", MONEY, currency)
    if total is None or discount is None or tax_on_top is None or (shipping is None and "amount_shipping" in at):
        return None
    before = total - tax_on_top + discount
    return before if shipping is None else before - shipping


def _sum(at: Reader, names: tuple[str, ...], currency: str | None) -> Money | None:
    """The sum of the amounts that are stated; None where none is, or where one of them cannot be read."""
    found = [at.money(name, MONEY, currency) for name in names if name in at]
    known = [amount for amount in found if amount is not None]
    if not known or len(known) < len(found):
        return None
    return Money(sum(amount.minor for amount in known), known[0].currency)


def _customer(at: Reader) -> CustomerRef | None:
    whole = at.expanded("customer")
    email = email_of(at, "customer_email") or email_of(whole, "email")
    found = CustomerRef(id=at.identity("customer"), email=email, name=at.text("customer_name") or whole.text("name"))
    return None if found == CustomerRef() else found


def _collection(at: Reader, status: Status, *, is_ours: bool) -> Collection | None:
    """Who moves the money: collection_method, and auto_advance where it says something.

    A draft or open invoice that is charge_automatically without auto_advance is manual: Stripe neither issues nor
    charges it by itself. Paid, void and uncollectible ones always have it off
    (docs.stripe.com/invoicing/integration/automatic-advancement-collection), so there it says nothing.

    Of our own bills, which all have it off, a settled one that Stripe never attempted to charge was manual. Whether a
    manual one that was paid later, by `pay` or on its page, was made as manual cannot be known: it reads as charged,
    which is what happened by `pay`; what `attempted` says after a payment on the page is not confirmed.
    """
    method = at.text("collection_method")
    if method == "send_invoice":
        return Collection(kind="send", due=at.unix("due_date"))
    if method != "charge_automatically":
        if method is not None:
            at.leave("collection_method")
        return None
    if status in _SETTLED:
        automatic = not is_ours or at.flag("attempted") is not False
    else:
        automatic = at.flag("auto_advance") is True
    return Collection.charge(at.identity("default_payment_method")) if automatic else Collection.manual()


def _pending(at: Reader) -> bool | None:
    """Whether a payment is on its way; only expanded payments (or the payment intent before basil) say so."""
    intent = at.expanded("payment_intent").text("status")
    if intent is not None:
        return intent == "processing"
    if "payments" not in at:
        return None
    payments = [row.child("payment") for row in at.child("payments").children("data")]
    if any(isinstance(payment.data.get("payment_intent"), str) for payment in payments):
        return None  # an id alone: how that payment stands is not said
    return any(payment.child("payment_intent").text("status") == "processing" for payment in payments)
