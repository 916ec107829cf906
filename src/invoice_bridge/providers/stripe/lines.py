"""The lines of a bill in Stripe's form: an amount, a quantity of a unit amount, or a price that Stripe rates."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast

from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import Line, TaxLine
from invoice_bridge.core.money import scale
from invoice_bridge.core.totals import net_of, sum_of, taxes_of
from invoice_bridge.core.values import shortest
from invoice_bridge.providers.stripe.fields import carries_price, carries_product, carries_quantity
from invoice_bridge.providers.stripe.tables import (
    ADD_LINES,
    LINE_TEXT,
    LINE_TEXT_SOURCE,
    LINES_PER_INVOICE,
    MONEY,
    PRODUCT_NAME,
    PRODUCT_NAME_SOURCE,
)
from invoice_bridge.providers.stripe.verbs import check_keys

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceAddLinesParamsLine,
        InvoiceAddLinesParamsLinePriceData,
        InvoiceAddLinesParamsLineTaxAmount,
    )

TAX_AMOUNTS = f"{ADD_LINES}, lines[].tax_amounts"
TAXES_PER_LINE = 20
RATE_DECIMALS = 4


def line_forms(command: OneTimeCharge | PeriodInvoice) -> list[InvoiceAddLinesParamsLine]:
    """Return the lines of a bill, and its discounts as negative lines. Raises Unsupported."""
    lines = command.billed_lines
    if len(lines) > LINES_PER_INVOICE:
        raise Unsupported(
            f"the bill has {len(lines)} lines, its discounts included, and Stripe takes at most {LINES_PER_INVOICE}",
            source="docs.stripe.com/changelog/2016-02-22, 250 items an invoice",
            remedy="split it into several bills",
        )
    if command.discount is not None and _is_discounted_and_taxed(command):
        own = any(line.taxes for line in command.lines)
        raise Unsupported(
            "Stripe only takes a discount with an amount as a negative line, and such a line has no tax",
            source="stripe-python 16.1.0, InvoiceCreateParamsAutomaticTax.enabled; InvoiceAddLinesParamsLineDiscount",
            remedy="lower the amounts of the lines, or "
            + ("leave the taxes of the lines out" if own else 'bill with tax="none"'),
        )
    if command.tax == "provider" and any(line.amount.minor < 0 for line in lines):
        raise Unsupported(
            "Stripe computes no tax for an invoice with a negative line",
            source="stripe-python 16.1.0, InvoiceCreateParamsAutomaticTax.enabled",
            remedy='bill without that line, or with tax="none"',
        )
    rates = command.rates
    taxes = [taxes_of(line, rates) for line in lines]
    for line, of_line in zip(lines, taxes, strict=True):
        _check_taxes(line, of_line)
    products_of_prices(command)
    return [
        line_form(line, command.currency, _tax_amounts(line, of_line))
        for line, of_line in zip(lines, taxes, strict=True)
    ]


def _is_discounted_and_taxed(command: OneTimeCharge | PeriodInvoice) -> bool:
    """Return whether a discount lowers an amount that is taxed."""
    if command.tax != "none":
        return True
    return any(line.taxes and (line.discount or command.discounts) for line in command.lines)


def products_of_prices(command: OneTimeCharge | PeriodInvoice) -> dict[str, str]:
    """Return the product that the lines of each price name. Raises Unsupported if they name two."""
    products: dict[str, str] = {}
    for line in command.lines:
        if line.price is None or line.product is None or not carries_price(line):
            continue
        if products.setdefault(line.price, line.product) != line.product:
            raise Unsupported(
                f"the price {line.price} belongs to one product, but the lines name {products[line.price]} and "
                f"{line.product}",
                source=ADD_LINES,
                remedy="name the price only",
            )
    return products


def _check_taxes(line: Line, taxes: tuple[TaxLine, ...]) -> None:
    """Check that Stripe takes the taxes of a line. Raises Unsupported."""
    if len(taxes) > TAXES_PER_LINE:
        raise Unsupported(
            f"Stripe takes at most {TAXES_PER_LINE} taxes on a line, and {_title(line)} has {len(taxes)}",
            source=TAX_AMOUNTS,
            remedy="state several as one",
        )
    if taxes and line.amount.minor < 0:
        raise Unsupported(
            "it is not documented whether a negative line takes tax amounts",
            source=TAX_AMOUNTS,
            remedy="lower the amounts of the other lines instead",
        )
    for tax in taxes:
        rate = Decimal(0) if tax.rate is None else tax.rate
        try:
            fits = 0 <= scale(rate, RATE_DECIMALS) <= scale(Decimal(100), RATE_DECIMALS)
        except ValueError:
            fits = False
        if not fits:
            raise Unsupported(
                f"Stripe takes tax rates of 0 to 100 % with at most {RATE_DECIMALS} decimals, and "
                f"{tax.name} is {rate} %",
                source=TAX_AMOUNTS,
                remedy="give fewer decimals",
            )
        if tax.amount.minor < 0:
            raise Unsupported(
                f"it is not documented whether Stripe takes a tax below zero, and {tax.name} is {tax.amount}",
                source=TAX_AMOUNTS,
                remedy="lower the amounts of the lines instead",
            )


def _title(line: Line) -> str:
    return "a line" if line.description is None else f"the line {line.description!r}"


def _fitting(text: str, most: int, what: str, source: str) -> str:
    if len(text) > most:
        raise Unsupported(
            f"{what} has {len(text)} characters, and Stripe takes at most {most}",
            source=source,
            remedy="shorten it: this library never cuts a text",
        )
    return text


def line_form(line: Line, currency: str, taxes: list[InvoiceAddLinesParamsLineTaxAmount]) -> InvoiceAddLinesParamsLine:
    """The form of one line with the taxes that it has in amounts. Raises Unsupported."""
    form: InvoiceAddLinesParamsLine = {}
    if line.description is not None:
        form["description"] = _fitting(line.description, LINE_TEXT, "the line's description", LINE_TEXT_SOURCE)
    if line.period is not None:
        form["period"] = {"start": unix_seconds(line.period.start), "end": unix_seconds(line.period.end)}
    if line.metadata:
        check_keys(line.metadata)
        if "" in line.metadata.values():
            raise Unsupported(
                "Stripe keeps no line metadata with an empty value",
                source="docs.stripe.com/api/metadata",
                remedy="leave the key out",
            )
        form["metadata"] = dict(line.metadata)
    if taxes:
        form["tax_amounts"] = taxes
    amount = MONEY.to_units(line.amount)
    if carries_price(line):  # the amount is Stripe's: it is compared on the draft
        form["pricing"] = {"price": cast("str", line.price)}
    elif carries_quantity(line) and line.unit_amount is not None:
        form["price_data"] = _price_data(line, currency, MONEY.to_units(line.unit_amount))
    elif carries_product(line):
        form["price_data"] = _price_data(line, currency, amount)
        form["quantity"] = 1
        return form
    else:
        form["amount"] = amount
        return form
    quantity = Decimal(1) if line.quantity is None else line.quantity
    if quantity == quantity.to_integral_value():
        form["quantity"] = int(quantity)
    else:
        form["quantity_decimal"] = shortest(quantity)
    return form


def _price_data(line: Line, currency: str, unit_amount: int) -> InvoiceAddLinesParamsLinePriceData:
    """Return the unit amount of a line, under the product that it names or a new one."""
    form: InvoiceAddLinesParamsLinePriceData = {"currency": currency.lower()}
    if carries_product(line):
        form["product"] = cast("str", line.product)
    else:
        text = line.description or "Line"
        name = _fitting(text, PRODUCT_NAME, "the name of a line with a quantity", PRODUCT_NAME_SOURCE)
        form["product_data"] = {"name": name}
    form["unit_amount"] = unit_amount
    return form


def _tax_amounts(line: Line, taxes: tuple[TaxLine, ...]) -> list[InvoiceAddLinesParamsLineTaxAmount]:
    """Return the taxes of a line in amounts: Stripe makes or reuses a rate object for each, and computes none.

    The rate is only what the invoice shows (docs.stripe.com/invoicing/taxes/manual-tax-amounts).
    """
    within = sum_of(tax.amount for tax in taxes if tax.inclusive)
    net = net_of(line) if within is None else net_of(line) - within
    return [
        {
            "amount": MONEY.to_units(tax.amount),
            "tax_rate_data": {
                "display_name": tax.name or "Tax",
                "inclusive": bool(tax.inclusive),
                # a decimal on the wire, never a float
                "percentage": cast("float", Decimal(0) if tax.rate is None else shortest(tax.rate)),
            },
            "taxable_amount": MONEY.to_units(net if tax.base is None else tax.base),
        }
        for tax in taxes
    ]
