"""What Stripe collected of an invoice, and what of that was given back.

Rules of this file: Stripe counts refunds and credit notes apart, each up to the whole amount; here they count together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.errors import Discrepancy
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.stripe.payments import INTENT, invoice_payments
from invoice_bridge.providers.stripe.tables import MONEY
from invoice_bridge.providers.stripe.verbs import listed_rows

EMPTY: Mapping[str, Any] = {"object": "list", "data": [], "has_more": False}
_KINDS = ("payment_intent", "charge")
"""What Stripe collected with, and can refund; a payment record was paid elsewhere."""
FAILED = frozenset({"failed", "canceled"})
"""The words of a refund that moved no money in the end."""


class Collected:
    """A payment of an invoice that Stripe collected: what it came to, and its refunds."""

    def __init__(self, row: Reader, kind: str, which: str, currency: str | None) -> None:
        self.id, self.kind, self.which = row.required_text("id"), kind, which
        self.amount = row.money("amount_paid", MONEY, currency)
        received = row.child("payment").expanded(kind).integer("amount_received")
        self.is_of_others = received is None or received != row.integer("amount_paid")
        """Whether it may have paid other invoices too (stripe-python 16.1.0, InvoicePayment.amount_paid)."""
        self.units = row.integer("amount_paid") or 0
        self.refunds: list[Reader] = []

    def refunded(self, currency: str) -> Money:
        """Return what was given back of it, or is about to be."""
        rows = [row for row in self.refunds if row.text("status") not in FAILED]
        return Reader.total_of(rows, "amount", MONEY, currency) or Money.zero(currency)

    def left(self, currency: str) -> Money:
        """Return what can still be given back of it."""
        return Money.zero(currency) if self.amount is None else self.amount - self.refunded(currency)


def payments_with_refunds(
    invoice: Invoice, context: Context, specimens: Iterable[Mapping[str, Any]] = (), listing: Mapping[str, Any] = EMPTY
) -> Flow[list[Collected]]:
    """Read the payments of an invoice that Stripe collected, each with its refunds."""
    found: list[Collected] = []
    for row in (yield from invoice_payments(invoice.id, context, expand=INTENT, specimens=specimens)):
        payment = row.child("payment")
        kind = next((kind for kind in _KINDS if payment.identity(kind)), None)
        if row.text("status") == "paid" and kind is not None:
            found.append(Collected(row, kind, payment.identity(kind) or "", invoice.currency))
    for each in found:
        each.refunds = yield from listed_rows(context, ("v1", "refunds"), [(each.kind, each.which)], specimen=listing)
        for row in each.refunds:
            if row.identity(each.kind) not in {None, each.which}:
                raise row.fault(each.kind, f"is not {each.which}: an intermediary mixes up answers")
    return found


def amount_of(invoice: Invoice, name: str) -> int:
    """Return an amount that Stripe states of an invoice, in its units; 0 if it is not stated."""
    return Reader(invoice.raw or {}, "stripe").integer(name) or 0


def not_given_back(invoice: Invoice, payments: list[Collected], notes: list[Reader]) -> Money | None:
    """Return what an invoice came to less what was given back of it: refunded, or credited after it was paid.

    Stripe itself counts either alone. A refund that a credit note names counts once. None: a figure is not stated.
    """
    total, currency = invoice.total, invoice.currency
    if total is None or currency is None:
        return None
    came_to = MONEY.to_units(total) - amount_of(invoice, "pre_payment_credit_notes_amount")
    came_to = max(came_to, amount_of(invoice, "amount_paid"))
    refunded = sum(min(MONEY.to_units(each.refunded(currency)), each.units) for each in payments)
    credited = 0
    for note in notes:
        if note.text("status") != "void":
            named = sum(each.integer("amount_refunded") or 0 for each in note.children("refunds"))
            credited += max((note.integer("post_payment_amount") or 0) - named, 0)
    left = came_to - refunded - credited
    return MONEY.from_units(left, currency)


def check_not_given_back(amount: Money, invoice: Invoice, rest: Money | None) -> None:
    """Raise Discrepancy if more would be given back than an invoice came to."""
    if rest is None or rest.currency != amount.currency or amount.minor <= rest.minor:
        return
    given_back = "a part" if invoice.total is None else invoice.total - rest
    raise Discrepancy(
        f"{amount} was asked for, but {given_back} of it was given back of {invoice.id} already, by refunds and credit "
        "notes together; nothing was done",
        asked=amount,
        found=rest,
        invoice=invoice,
    )
