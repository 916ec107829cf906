"""The arithmetic of a bill: its lines, the discounts that it takes off, and the taxes that it states itself.

Rules of this file: those of commands.py. Nothing is estimated: each rounding is one that the docstrings state.
"""

from __future__ import annotations

from collections.abc import Iterable

from invoice_bridge.core.money import Money
from invoice_bridge.core.parts import Discount, Line, Period
from invoice_bridge.core.taxes import TaxLine, TaxRate, check_taxes, taxes_at


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


def check_rates(rates: tuple[TaxRate, ...], discounts: tuple[Discount, ...], subtotal: Money | None) -> None:
    """Check that the rates of a bill have lines to be computed on, of which nothing else is open. Raises ValueError."""
    if not rates:
        return
    if subtotal is None:
        raise ValueError('rates of tax need lines: the provider rates this bill, so write tax="provider" or "none"')
    if discounts:
        raise ValueError(
            "how a discount of the whole bill lowers the tax of each line is not stated: write the discounts of "
            "the lines beside rates of tax"
        )
    if len({rate.inclusive for rate in rates}) > 1:
        raise ValueError("the rates of a bill are all within the amounts of its lines, or all on top of them")


def check_line_taxes(lines: Iterable[Line], rates: tuple[TaxRate, ...]) -> None:
    """Check that a line is taxed once, and that its taxes are what their rates give. Raises ValueError."""
    for place, line in enumerate(lines):
        if not line.taxes:
            continue
        if rates:
            raise ValueError(
                f"line {place} states its own taxes, and tax=[…] applies to every line, so that it would be taxed "
                "twice: write the rates of each line, or those of the bill"
            )
        try:
            check_taxes(line.taxes, net_of(line), is_read=line.id is not None)
        except ValueError as error:
            raise ValueError(f"line {place}: {error}") from None


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
    """Return the taxes of a line: its own, or those at the rates that its bill states for every line.

    They are computed on its amount less its own discount; see `taxes_at`.
    """
    return line.taxes or taxes_at(rates, net_of(line))


def net_of(line: Line) -> Money:
    """Return a line's amount less its own discount."""
    return line.amount if line.discount is None else line.amount - line.discount


def taxes_of_lines(lines: Iterable[Line], rates: tuple[TaxRate, ...]) -> tuple[TaxLine, ...]:
    """Return the taxes of all lines, one for each name and rate: what is rounded is each line's tax, not their sum."""
    rows: dict[object, list[TaxLine]] = {}
    for line in lines:
        for place, tax in enumerate(taxes_of(line, rates)):
            rows.setdefault((tax.name, tax.rate, tax.inclusive) if line.taxes else place, []).append(tax)
    return tuple(_sum(taxes) for taxes in rows.values())


def _sum(taxes: list[TaxLine]) -> TaxLine:
    """Return taxes of one rate as one; its base is stated if that of each of them is."""
    bases = [tax.base for tax in taxes if tax.base is not None]
    base = sum_of(bases) if len(bases) == len(taxes) else None
    return taxes[0].model_copy(update={"amount": sum_of(tax.amount for tax in taxes), "base": base})


def tax_on_top(taxes: Iterable[TaxLine], currency: str) -> Money:
    """Return what taxes add to the lines; those within their amounts add nothing."""
    return sum_of(tax.amount for tax in taxes if not tax.inclusive) or Money.zero(currency)
