"""Compare what a provider holds with what was asked, before money moves."""

from __future__ import annotations

from invoice_bridge.adapter.changes import check_state, invalid_state
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.bills import taxes_of_bill, total_with_tax
from invoice_bridge.core.commands import OneTimeCharge, Pay, PeriodInvoice
from invoice_bridge.core.errors import (
    AmountMismatch,
    Discrepancy,
    IdempotencyMismatch,
)
from invoice_bridge.core.model import Invoice, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of


# ── verification ─────────────────────────────────────────────────────────────────────────────────────────────────────
def verify(command: OneTimeCharge | PeriodInvoice, found: Invoice, expected: Money | None = None) -> Invoice:
    """Compare what the provider holds with what was asked, before money moves.

    The currency and the amount before tax (`expected` if the provider rates it) must agree; with tax="provider",
    also subtotal − discount + tax = total, unless the tax is within the lines; with tax that the bill states itself,
    the total with that tax. Fields that the provider does not state are not compared. If the bill has `expect_total`,
    the invoice's total must be stated and equal it; of the rest only the currency is compared. Raises AmountMismatch
    or Discrepancy.
    """
    unread = [str(problem) for problem in found.problems if problem.money]
    if unread and None in {found.currency, found.subtotal, found.total, found.tax}:
        raise Discrepancy(
            f"the amounts of {found.id} cannot be read, so that they cannot be compared: {'; '.join(unread)}; it is "
            f"{found.status}",
            asked=command.total,
            invoice=found,
        )
    if found.currency != command.currency:
        raise Discrepancy(
            f"asked in {command.currency}, the invoice is in {found.currency}",
            asked=command.currency,
            found=found.currency,
            invoice=found,
        )
    if command.expect_total is not None:
        return _expected(command.expect_total, found)
    total = command.total
    asked = total if total is not None else expected
    rated_or_taxed = total is None or command.tax != "none" or command.states_tax
    before_tax = after_discount(command, found) if rated_or_taxed or found.total is None else found.total
    if asked is not None and before_tax is not None and before_tax != asked:
        raise AmountMismatch(
            f"asked for {asked}, the invoice {found.id} holds {before_tax} and is {found.status}",
            asked=asked,
            found=before_tax,
            invoice=found,
        )
    if command.tax == "provider" and found.subtotal and found.discount is not None and found.tax is not None:
        less_discount = found.subtotal - found.discount
        if found.total is not None and found.total not in {less_discount + found.tax, less_discount}:
            raise AmountMismatch(
                f"subtotal less discount plus tax is {less_discount + found.tax}, "
                f"the invoice {found.id} totals {found.total}",
                asked=less_discount + found.tax,
                found=found.total,
                invoice=found,
            )
    return _verify_taxes(command, found) if command.states_tax else found


def _verify_taxes(command: OneTimeCharge | PeriodInvoice, found: Invoice) -> Invoice:
    """Compare the total, and the tax where it is stated, with those of the taxes that the bill states itself.

    The total has to be stated: nobody but us has computed it.
    """
    taxes, total = [tax.amount for tax in taxes_of_bill(command)], total_with_tax(command)
    if total is not None and found.total is None:
        raise Discrepancy(
            f"asked for a total with its tax of {total}, the invoice {found.id} does not state its total and is "
            f"{found.status}",
            asked=total,
            invoice=found,
        )
    for what, asked, stated in (("tax", sum_of(taxes), found.tax), ("total with its tax", total, found.total)):
        if asked is not None and stated is not None and asked != stated:
            raise AmountMismatch(
                f"asked for a {what} of {asked}, the invoice {found.id} states {stated} and is {found.status}",
                asked=asked,
                found=stated,
                invoice=found,
            )
    return found


def after_discount(command: OneTimeCharge | PeriodInvoice, found: Invoice) -> Money | None:
    """Return an invoice's amount before tax, like the bill's total: after discounts, if the bill has some.

    A provider that accepts them as negative lines states no discount; one that accepts discounts states both.
    """
    if command.discount is None or found.subtotal is None or found.discount is None:
        return found.subtotal
    return found.subtotal - found.discount


def _expected(total: Money, found: Invoice) -> Invoice:
    if found.total != total:
        raise AmountMismatch(
            f"expected a total of {total}, the invoice {found.id} "
            + ("does not state its total" if found.total is None else f"totals {found.total}")
            + f" and is {found.status}",
            asked=total,
            found=found.total,
            invoice=found,
        )
    return found


def same_bill(command: OneTimeCharge | PeriodInvoice, found: Invoice, expected: Money | None = None) -> Invoice:
    """Check that an existing invoice is this bill and not another one under its reference.

    It compares, if both sides state them: the currency, the amount before tax (`expected` if the provider rates it),
    the customer's id, the subscription, the period of an accrued invoice (inside the one asked for), and the periods of
    lines, which must overlap: May's invoice is not June's bill. A draft without lines has no amount to compare yet.
    `verify` checks what a provider may add, such as tax. Raises IdempotencyMismatch, with the invoice as `existing`,
    and Discrepancy if its currency cannot be read.
    """
    is_empty = found.status is Status.DRAFT and not found.lines
    asked, billed = command.total if command.total is not None else expected, after_discount(command, found)
    if command.expect_total is not None and found.total is not None:
        asked, billed = command.expect_total, found.total
    customer = None if command.customer is None else command.customer.at(found.provider)
    theirs = None if found.customer is None else found.customer.at(found.provider)
    other = None
    unread = [str(problem) for problem in found.problems if problem.money]
    if found.currency is None or (unread and found.subtotal is None):  # a new reference would bill the same thing again
        raise Discrepancy(
            f"the reference {command.reference!r} is that of {found.id} already, {found.status}, and its amounts "
            f"cannot be read, so that they cannot be compared ({'; '.join(unread) or 'it states no currency'}); "
            "nothing was done to it: look at it at the provider",
            asked=command.currency,
            invoice=found,
        )
    if found.currency != command.currency:
        other = f"it is in {found.currency}, not in {command.currency}"
    elif asked is not None and billed not in {None, asked} and not is_empty:
        other = f"it holds {billed}, not {asked}"
    elif customer is not None and theirs is not None and customer != theirs:
        other = f"it bills {theirs}, not {customer}"
    elif None not in {command.subscription, found.subscription} and command.subscription != found.subscription:
        other = f"it belongs to the subscription {found.subscription}, not to {command.subscription}"
    elif isinstance(command, PeriodInvoice) and not command.lines and found.period is not None:
        inside = command.period.start <= found.period.start and found.period.end <= command.period.end
        other = None if inside else f"it is for {found.period}, not inside {command.period}"
    elif _is_elsewhen(command, found):
        other = f"it is for {found.period}"
    if other:
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} belongs to {found.id} already, {found.status}: {other}; nothing was "
            "done to it: give a new bill a new reference",
            existing=found,
        )
    return found


def _is_elsewhen(command: OneTimeCharge | PeriodInvoice, found: Invoice) -> bool:
    """Return whether both sides state periods and no line overlaps one of the other side's."""
    asked = [line.period for line in command.billed_lines if line.period is not None]
    billed = [line.period for line in found.lines if line.period is not None]
    return bool(asked and billed) and not any(_meet(one, other) for one in asked for other in billed)


def _meet(one: Period, other: Period) -> bool:
    return one.start < other.end and other.start < one.end


def payable(command: Pay, found: Invoice, transition: Transition) -> Invoice:
    """Check that an invoice may be collected now: no payment is pending, status and amount are as expected.

    Raises InvalidState or Discrepancy.
    """
    if found.payment_pending:
        raise invalid_state(found, "cannot be paid", "a payment is already in progress")
    check_state(found, transition, "cannot be paid", f"the invoice is {found.status}")
    if command.expect is not None and found.amount_remaining != command.expect:
        raise Discrepancy(
            f"expected {command.expect} to be still to pay on {found.id}, but the provider says "
            f"{'no figure' if found.amount_remaining is None else found.amount_remaining}",
            asked=command.expect,
            found=found.amount_remaining,
            invoice=found,
        )
    return found
