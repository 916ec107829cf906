"""The arithmetic of a bill: its lines, the discounts that it takes off, and the taxes that it states itself.

Rules of this file: those of commands.py. Nothing is estimated: each rounding is one that the docstrings state.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext

from invoice_bridge.core.money import Money
from invoice_bridge.core.parts import Discount, Line, Period, TaxLine, TaxRate


def sum_of(amounts: Iterable[Money]) -> Money | None:
    """Add amounts up; None where there are none. Raises ValueError for two currencies."""
    total = None
    for amount in amounts:
        total = amount if total is None else total + amount
    return total


def check_discounts(lines: Iterable[Line], discounts: tuple[Discount, ...], subtotal: Money | None) -> None:
    """Check that what a bill takes off is stated once, in amounts, and is no more than it is taken off.

    Raises ValueError.
    """
    of_lines = [(place, line, line.discount) for place, line in enumerate(lines) if line.discount]
    for place, line, off in of_lines:
        if off < Money.zero(off.currency) or off > line.amount:
            raise ValueError(f"line {place}: a discount of {off} is not between nothing and the line's {line.amount}")
    if not discounts:
        return
    if of_lines:
        raise ValueError(
            "both the bill and its lines have discounts: an invoice that was read states the same discount in both "
            "places, so that it would be taken off twice; state it in one of them"
        )
    if subtotal is None:
        raise ValueError("a discount needs lines or an amount to be taken off: the provider rates this bill")
    for place, discount in enumerate(discounts):
        if discount.amount is None or discount.amount <= Money.zero(discount.amount.currency):
            raise ValueError(
                f"discount {place}: a bill states the amount that a discount takes off, above zero; a coupon whose "
                "amount the provider knows is a parameter of the provider"
            )
    if (off_all := sum_of(discount.amount for discount in discounts if discount.amount)) and off_all > subtotal:
        raise ValueError(f"the discounts come to {off_all}, more than the lines, {subtotal}")


def discount_lines(lines: Iterable[Line], discounts: Iterable[Discount], period: Period | None) -> tuple[Line, ...]:
    """Return the discounts as negative lines: those of each line in order, then those of the bill."""
    of_lines = (
        Line(
            description=f"Discount: {line.description}" if line.description else "Discount",
            amount=-line.discount,
            period=line.period,
        )
        for line in lines
        if line.discount
    )
    of_bill = (
        Line(description=_text(discount), amount=-discount.amount, period=period)
        for discount in discounts
        if discount.amount
    )
    return (*of_lines, *of_bill)


def _text(discount: Discount) -> str:
    """Return what the line of a discount says: its name, and its code in brackets."""
    if discount.name and discount.code:
        return f"{discount.name} ({discount.code})"
    return discount.name or discount.code or "Discount"


def taxes_of(line: Line, rates: Iterable[TaxRate]) -> tuple[TaxLine, ...]:
    """Return the taxes of a line at the rates that a bill states, on its amount less its own discount.

    Each tax is rounded to the minor unit by itself, halves away from zero. Taxes within the amount are taken out of it
    together: of 119.00 with 19 % within, 19.00 is tax and 100.00 its base.
    """
    rates = tuple(rates)
    amount = line.amount if line.discount is None else line.amount - line.discount
    currency = amount.currency
    with localcontext() as exact:
        exact.prec = 60
        net = Decimal(amount.minor) * 100 / (100 + sum((rate.rate for rate in rates if rate.inclusive), Decimal(0)))
        taxes = [int((net * rate.rate / 100).quantize(Decimal(1), ROUND_HALF_UP)) for rate in rates]
    within = sum(tax for tax, rate in zip(taxes, rates, strict=True) if rate.inclusive)
    base = Money(amount.minor - within, currency)
    return tuple(
        TaxLine(name=rate.name, rate=rate.rate, amount=Money(tax, currency), base=base, inclusive=rate.inclusive)
        for tax, rate in zip(taxes, rates, strict=True)
    )


def taxes_of_lines(lines: Iterable[Line], rates: tuple[TaxRate, ...]) -> tuple[TaxLine, ...]:
    """Return the taxes of all lines, one for each rate: what is rounded is each line's tax, not their sum."""
    by_line = [taxes_of(line, rates) for line in lines]
    return tuple(
        tax.model_copy(
            update={"amount": sum_of(row[place].amount for row in by_line), "base": sum_of(_bases(by_line, place))}
        )
        for place, tax in enumerate(by_line[0] if by_line else ())
    )


def _bases(by_line: Iterable[tuple[TaxLine, ...]], place: int) -> Iterable[Money]:
    return (base for row in by_line if (base := row[place].base) is not None)


def tax_on_top(taxes: Iterable[TaxLine], currency: str) -> Money:
    """Return what taxes add to the lines; those within their amounts add nothing."""
    return sum_of(tax.amount for tax in taxes if not tax.inclusive) or Money.zero(currency)
