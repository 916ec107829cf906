"""Comparisons of a bill with what Chargebee will collect, before the invoice is closed or collected."""

from __future__ import annotations

from invoice_bridge.adapter.checks import verify
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import (
    Bill,
    OneTimeCharge,
    PeriodInvoice,
)
from invoice_bridge.core.errors import (
    AmountMismatch,
    IdempotencyMismatch,
)
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of
from invoice_bridge.providers.chargebee.conditions import bills_accrued
from invoice_bridge.providers.chargebee.tables import MONEY


def check_demand(command: Bill, at: Invoice, context: Context) -> Invoice:
    """Check that the amount collected or demanded is the invoice's total.

    Issuing an invoice applies the customer's credits and excess payments, which are not known before
    (apidocs.chargebee.com, close a pending invoice). They only reduce the amount. Raises AmountMismatch after the
    fact, unless allow=["balance"].
    """
    if at.status is Status.DRAFT or at.total is None or "balance" in context.allowed:
        return at
    collected = at.amount_paid
    charged = command.collection.kind == "charge" and at.status is Status.PAID
    if charged and collected is not None and collected != at.total:
        raise AmountMismatch(
            f"the invoice {at.id} totals {at.total} and is paid, but only {collected} was collected: Chargebee "
            'applied credits or excess payments of the customer to the rest; allow=["balance"] accepts that',
            asked=at.total,
            found=collected,
            invoice=at,
        )
    if context.existing is not None and at.status is not Status.OPEN:  # a settled invoice demands nothing any more
        return at
    applied = Reader(at.raw, "chargebee").money("credits_applied", MONEY, at.currency)
    if applied:
        raise AmountMismatch(
            f"the invoice {at.id} totals {at.total}, but demands {at.total - applied}: Chargebee applied {applied} "
            f'of the customer\'s credits; it is {at.status}, and allow=["balance"] accepts that',
            asked=at.total,
            found=at.total - applied,
            invoice=at,
        )
    return at


def closable(command: OneTimeCharge | PeriodInvoice, at: Invoice) -> Invoice:
    """Check that a pending invoice states its total: a missing amount never passes a comparison."""
    if at.total is None:
        raise AmountMismatch(
            f"the pending invoice {at.id} does not state its total, so it was not closed; nothing was collected",
            asked=command.total,
            invoice=at,
        )
    return at


def check_closing(command: Bill, found: Invoice) -> None:
    """Refuse to close an existing draft for a bill that must not be collected.

    Such a bill never begins as a draft, and an invoice does not show whether its auto_collection is on.
    """
    if found.status is Status.DRAFT and not command.draft and command.collection.kind != "charge":
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} already belongs to the draft {found.id}, and closing it may "
            "collect it, which this bill does not ask for; nothing was done to it: finalize it yourself, or give a "
            "new bill a new reference",
            existing=found,
        )


def compared(command: OneTimeCharge | PeriodInvoice, at: Invoice, expected: Money | None = None) -> Invoice:
    """Compare the invoice with the bill; the error says what was collected already.

    A bill of the caller's own lines has no discount, and its total is its amount, with the tax on top or within; or it
    is what the bill expects with its native parameters.
    """
    try:
        return _compare_prices(command, _discounted_as_asked(command, verify(command, at, expected)))
    except AmountMismatch as wrong:
        if at.status is not Status.PAID and not at.amount_paid:
            raise
        collected = "an unstated amount" if at.amount_paid is None else at.amount_paid
        raise AmountMismatch(
            f"asked for {wrong.asked}, but the invoice {at.id} has {wrong.found} and is {at.status}; it collected "
            f"{collected}",
            asked=wrong.asked,
            found=wrong.found,
            invoice=at,
        ) from None


def _discounted_as_asked(command: OneTimeCharge | PeriodInvoice, at: Invoice) -> Invoice:
    asked = command.total
    if command.expect_total is not None:  # it includes what native parameters deduct
        return at
    if asked is None or at.total is None:  # accrued charges may have discounts, because Chargebee rates them
        return at
    on_top = asked if at.tax is None else asked + at.tax
    taken = sum_of(discount.amount for discount in command.discounts if discount.amount) or Money.zero(asked.currency)
    other = at.discount is not None and at.discount != taken
    if other or at.total not in {asked, on_top}:
        raise AmountMismatch(
            f"asked for {asked}, but the invoice {at.id} totals {at.total}"
            + (f" with a discount of {at.discount}, which the bill does not ask for" if other else "")
            + f", and is {at.status}",
            asked=asked,
            found=at.total,
            invoice=at,
        )
    return at


def _compare_prices(command: OneTimeCharge | PeriodInvoice, at: Invoice) -> Invoice:
    """Compare the sum of each item price on the invoice with the lines that name it.

    Only a bill that names item prices has an invoice with lines of the catalog here.
    """
    billed = [line for line in at.lines if line.price is not None]
    priced = [line for line in command.lines if line.price is not None and line.names_at("chargebee")]
    if not billed or bills_accrued(command):
        return at
    for price in dict.fromkeys(line.price for line in (*priced, *billed)):
        asked = sum_of(line.amount - line.discount if line.discount else line.amount for line in _of(price, priced))
        found = sum_of(line.amount for line in _of(price, billed))
        if asked != found:
            raise AmountMismatch(
                f"the lines of the item price {price} should add up to {asked or 'nothing'}, but come to "
                f"{found or 'nothing'} on the invoice {at.id}, which is {at.status}",
                asked=asked,
                found=found,
                invoice=at,
            )
    return at


def _of(price: str | None, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.price == price]
