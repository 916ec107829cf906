"""The parts of an invoice beside its lines, as rows of text: taxes, discounts, adjustments, payments, credit notes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from invoice_bridge.core.model import Invoice, Payment, TaxLine
from invoice_bridge.core.money import Money

Row = tuple[str, str | None, datetime | None, Money | None]


def part_rows(invoice: Invoice) -> Iterator[Row]:
    """Yield (part, what it is, when, amount) for each part of an invoice."""
    for tax in invoice.taxes:
        yield "tax", _tax(tax), None, tax.amount
    for discount in invoice.discounts:
        yield "discount", discount.name or discount.code or discount.id, None, discount.amount
    for adjustment in invoice.adjustments:
        yield "adjustment", adjustment.kind, None, adjustment.amount
    for payment in invoice.payments:
        yield "payment", _payment(payment), payment.at, payment.amount
    if invoice.payments and not invoice.payments_complete:
        yield "payment", "… and more, which are not here", None, None
    for note in invoice.credit_notes:
        what = ", ".join(word for word in (note.number or note.id, note.kind, note.reason) if word)
        yield "credit note", what, note.at, note.amount


def _tax(tax: TaxLine) -> str:
    rate = None if tax.rate is None else f"{tax.rate.normalize():f} %"
    within = "within the amounts" if tax.inclusive else None
    return ", ".join(word for word in (tax.name, rate, within) if word)


def _payment(payment: Payment) -> str:
    outside = "recorded from outside" if payment.recorded_outside else None
    refunded = f"{payment.refunded} refunded" if payment.refunded else None
    return ", ".join(word for word in (payment.id, payment.state, payment.method, outside, refunded) if word)
