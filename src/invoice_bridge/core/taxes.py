"""Taxes: as an invoice states them, as a bill states them, and the arithmetic between the two.

Rules of this file: those of model.py. Every rounding is one that a docstring states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from invoice_bridge.core.money import Money
from invoice_bridge.core.values import Amount, Frozen, Quantity, Text, shortest

__all__ = ["TaxLine", "TaxRate", "check_taxes", "taxes_at", "with_amounts"]


class TaxLine(Frozen):
    """One tax, of an invoice or of a line. `rate` is in percent ("19"), `base` the amount that it is computed on.

    `inclusive`: the amounts of the lines include the tax; False if it is on top of them.
    """

    name: Text | None = None
    rate: Quantity | None = None
    amount: Amount
    base: Amount | None = None
    inclusive: bool | None = None

    if TYPE_CHECKING:  # the accepted arguments, which are wider than the attributes

        def __init__(
            self,
            *,
            name: str | None = None,
            rate: Decimal | int | str | None = None,
            amount: Money,
            base: Money | None = None,
            inclusive: bool | None = None,
        ) -> None: ...


class TaxRate(Frozen):
    """A tax that a bill states itself: its `name` on the document, and its `rate` in percent ("19").

    `inclusive`: the amounts of the lines include it; otherwise it is on top of them.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    rate: Annotated[Quantity, AfterValidator(shortest)]
    inclusive: bool = False

    if TYPE_CHECKING:  # the accepted arguments, which are wider than the attributes

        def __init__(self, *, name: str, rate: Decimal | int | str, inclusive: bool = False) -> None: ...

    @model_validator(mode="after")
    def _is_a_rate(self) -> Self:
        if not 0 <= self.rate <= 100 or int(self.rate.as_tuple().exponent) < -10:
            raise ValueError("a rate is a percentage of 0 to 100, with at most 10 decimals: 19 % is 19")
        return self


def taxes_at(rates: Iterable[TaxRate], amount: Money) -> tuple[TaxLine, ...]:
    """Return the taxes on an amount, one for each rate.

    Each tax is rounded to the minor unit by itself, halves away from zero. Taxes within the amount are taken out of it
    together: of 119.00 with 19 % within, 19.00 is tax and 100.00 its base.
    """
    rates = tuple(rates)
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


def with_amounts(taxes: Any, amount: Money | None, discount: Money | None) -> Any:
    """Return the taxes of a line with the amounts of those that are stated by rate alone.

    They are computed on the line's amount less its own discount. Raises ValueError.
    """
    if not isinstance(taxes, Iterable) or isinstance(taxes, str | Mapping):
        return taxes  # the field's own error says what is wrong
    taxes = tuple(taxes)
    rates = [tax for tax in taxes if _is_rate(tax)]
    if not rates:
        return taxes
    if len(rates) < len(taxes):
        raise ValueError("a line states the amounts of all its taxes, or the rates of all of them alone")
    if amount is None:  # its own error says what is wrong
        return ()
    read = [rate if isinstance(rate, TaxRate) else _read(rate) for rate in rates]
    if len({rate.inclusive for rate in read}) > 1:
        raise ValueError("the rates of a line are all within its amount, or all on top of it")
    return taxes_at(read, amount if discount is None else amount - discount)


def _is_rate(tax: object) -> bool:
    if isinstance(tax, Mapping):
        return tax.get("amount") is None and tax.get("rate") is not None and set(tax) <= _STATED
    return isinstance(tax, TaxRate)


_STATED = {*TaxRate.model_fields, "amount"}


def _read(stated: Mapping[str, Any]) -> TaxRate:
    try:
        return TaxRate(**{name: value for name, value in stated.items() if name != "amount"})
    except ValidationError as error:
        raise ValueError(
            "; ".join(f"{'.'.join(map(str, row['loc']))} {row['msg']}".strip() for row in error.errors())
        ) from None


def check_taxes(taxes: tuple[TaxLine, ...], amount: Money, *, is_read: bool) -> None:
    """Check that the taxes of a line are in its currency, and that each amount is what its rate gives.

    A difference of less than one minor unit is a rounding; taxes within the amount are taken out of it rounded, which
    allows half a unit more for each. A base is no more than the amount and the other taxes on it. Taxes that were read
    from an invoice are the provider's, and are not computed again. `amount` is the line's less its own discount.
    Raises ValueError.
    """
    for tax in taxes:
        if tax.amount.currency != amount.currency or (tax.base and tax.base.currency != amount.currency):
            raise ValueError(f"the tax {tax.amount} of a line of {amount} is in another currency")
    within = [tax.amount.minor for tax in taxes if tax.inclusive]
    for tax in () if is_read else taxes:
        base = Money(amount.minor - sum(within), amount.currency) if tax.base is None else tax.base
        others = sum(abs(other.amount.minor) for other in taxes if other is not tax and not other.inclusive)
        if abs(base.minor) > abs(amount.minor) + others:
            raise ValueError(f"a tax of {tax.amount} is computed on {base}, more than the line's {amount}")
        if tax.rate is not None and _differs(tax.amount, base, tax.rate, 1 + Decimal(len(within)) / 2):
            raise ValueError(
                f"a tax of {tax.amount} is not {tax.rate} % of {base}: state its name and its rate alone, and the "
                "amount is computed"
            )


def _differs(tax: Money, base: Money, rate: Decimal, tolerance: Decimal) -> bool:
    with localcontext() as exact:
        exact.prec = 60
        return abs(tax.minor - Decimal(base.minor) * rate / 100) >= tolerance
