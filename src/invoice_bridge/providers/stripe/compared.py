"""Comparisons of a bill with the invoice and the amount due, before Stripe issues or collects it.

Stripe adds a balance of the customer when it finalizes (stripe-python 16.1.0, Invoice.starting_balance), and moves an
amount below its minimum charge to that balance (Invoice.amount_due). The draft shows both, so the bill stops before
anything is issued.
A difference after finalizing is a Discrepancy before anything is collected.
"""

from __future__ import annotations

from invoice_bridge.adapter.checks import verify
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import AmountMismatch, Discrepancy
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of
from invoice_bridge.providers.stripe.fields import carries_price
from invoice_bridge.providers.stripe.tables import MINIMUM_CHARGE, MONEY


def compare_bill(command: OneTimeCharge | PeriodInvoice, invoice: Invoice, expected: Money | None = None) -> Invoice:
    """Compare an invoice with the bill, including discounts and taxes that Stripe may add by itself.

    Raises AmountMismatch for a discount, and for tax if the bill states none and has tax="none": pending items
    carry tax rates of their own, which automatic_tax[enabled]=false does not remove (stripe-python 16.1.0,
    InvoiceItem.tax_rates).
    """
    verify(command, invoice, expected)
    _compare_prices(command, invoice)
    if command.expect_total is not None:  # it includes what native parameters and tax change
        return invoice
    total = command.total
    asked = total if total is not None else expected if expected is not None else invoice.subtotal
    if invoice.discount:
        raise AmountMismatch(
            f"the invoice {invoice.id} has a discount of {invoice.discount}, which the bill does not ask for; it is "
            f"{invoice.status}",
            asked=asked,
            found=invoice.total,
            invoice=invoice,
        )
    untaxed = command.tax == "none" and not command.states_tax
    if untaxed and asked is not None and invoice.total is not None and invoice.total != asked:
        tax = f", {invoice.tax} of it tax" if invoice.tax else ""
        raise AmountMismatch(
            f"asked for {asked} without tax, but the invoice {invoice.id} totals {invoice.total}{tax}, and is "
            f"{invoice.status}",
            asked=asked,
            found=invoice.total,
            invoice=invoice,
        )
    return invoice


def _compare_prices(command: OneTimeCharge | PeriodInvoice, invoice: Invoice) -> None:
    """Compare the sum of each Stripe price on the invoice with the lines that name it.

    Raises AmountMismatch, and Discrepancy for a price of another product than the line names.
    """
    priced = [line for line in command.lines if carries_price(line)]
    if not invoice.lines:
        return
    for price in dict.fromkeys(line.price for line in priced):
        asked = sum_of(line.amount for line in priced if line.price == price)
        found = sum_of(line.amount for line in invoice.lines if line.price == price)
        if asked != found:
            raise AmountMismatch(
                f"the lines of the price {price} should add up to {asked}, but Stripe rates them at "
                f"{found or 'nothing'}; the invoice {invoice.id} is {invoice.status}",
                asked=asked,
                found=found,
                invoice=invoice,
            )
        products = {line.product for line in priced if line.price == price and line.product is not None}
        others = {line.product for line in invoice.lines if line.price == price}
        if products and products != others:
            raise Discrepancy(
                f"the price {price} belongs to the product {', '.join(map(str, others))}, and the bill names "
                f"{', '.join(sorted(products))}; the invoice {invoice.id} is {invoice.status}",
                asked=products,
                found=others,
                invoice=invoice,
            )


def compare_minimum(invoice: Invoice, context: Context) -> Invoice:
    """Check that a draft is not below Stripe's minimum charge, which would move its amount to the customer's balance.

    The minimum is that of the settlement currency, which is unknown here: a currency without a row is not checked,
    but the amount due is compared after finalizing too. Raises AmountMismatch, unless allow=["minimum"].
    """
    total = invoice.total
    least = None if total is None else MINIMUM_CHARGE.get(total.currency)
    if total is None or least is None or "minimum" in context.allowed or not 0 < MONEY.to_units(total) < least:
        return invoice
    raise AmountMismatch(
        f"the invoice {invoice.id} totals {total}, which is below Stripe's minimum charge: if issued, it would "
        "count as paid, and Stripe would add the amount to the customer's next invoice. It remains a draft; "
        'allow=["minimum"] issues it',
        asked=total,
        found=MONEY.from_units(0, total.currency),
        invoice=invoice,
    )


def compare_demand(invoice: Invoice, context: Context) -> Invoice:
    """Check that Stripe demands, or will demand for a draft, exactly the total.

    Raises AmountMismatch for a balance of the customer, unless allow=["balance"].
    """
    if "balance" in context.allowed:
        return invoice
    reader = Reader(invoice.raw, "stripe")
    balance = reader.integer("starting_balance") or 0
    due, total = invoice.amount_due, invoice.total
    credited = reader.integer("pre_payment_credit_notes_amount") or 0
    if due is not None and credited:  # a credit note reduces the amount due, and was issued on purpose
        due += MONEY.from_units(credited, due.currency)
    if "minimum" in context.allowed and balance == 0 and due is not None and not due.minor:
        return invoice
    is_draft = invoice.status is Status.DRAFT
    if balance == 0 and (due is None or total is None or due == total or total.minor < 0):
        return invoice
    owed = f"a balance of {abs(balance)} ({invoice.currency}, in Stripe's units)" if balance else "something else"
    effect = "that is owed would be added" if balance > 0 else "in the customer's favour would be deducted"
    raise AmountMismatch(
        f"the invoice {invoice.id} totals {total}, and Stripe {'would demand' if is_draft else 'demands'} another "
        f"amount: {owed} {effect if balance else f'makes it {due}'}; it is {invoice.status}, and nothing was "
        'collected. Settle the balance first, or write allow=["balance"]',
        asked=total,
        found=due,
        invoice=invoice,
    )


def compare_collected(invoice: Invoice, remaining: Money | None) -> Invoice:
    """Check that the amount to collect is stated and not more than the invoice's total.

    Raises Discrepancy or AmountMismatch; a missing amount never passes.
    """
    total = invoice.total
    if remaining is None or total is None:
        raise Discrepancy(
            f"Stripe does not state what would be collected for {invoice.id}, so nothing was collected",
            asked=total,
            found=remaining,
            invoice=invoice,
        )
    due = invoice.amount_due
    if remaining > (total if due is None else max(total, due)):
        raise AmountMismatch(
            f"the invoice {invoice.id} totals {total}, but {remaining} would be collected; nothing was collected",
            asked=total,
            found=remaining,
            invoice=invoice,
        )
    return invoice
