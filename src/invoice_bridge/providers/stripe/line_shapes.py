"""Where Stripe's JSON has what a line bills, from a plan (2019) to a price's details (since basil, 2025-03)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.shapes import (
    Shape,
    computed,
    flag,
    identity,
    money,
    number,
    rows,
    span,
    stated,
    strings,
    text,
    unix,
)
from invoice_bridge.core.model import Line
from invoice_bridge.core.money import Money, exponent
from invoice_bridge.providers.stripe.part_shapes import TAX
from invoice_bridge.providers.stripe.tables import MONEY

_MOST = Decimal(10) ** 20
_PLAIN = {code for code, digits in MONEY.decimals.items() if digits == exponent(code)}
"""Currencies whose number at Stripe is the one of ISO 4217."""


def _unit_amount(at: Reader, currency: str | None) -> Money | None:
    """The unit price, where it is a whole number of units: `pricing` since basil, `price` before.

    A price with transform_quantity is that of a package (60.00 per 50 units), and so is no unit amount.
    """
    if currency is None:
        return None
    if "transform_quantity" in at.expanded("price"):
        return None
    for name in ("pricing", "price"):
        price = at.expanded(name)
        units = price.decimal("unit_amount_decimal")
        if units is None:
            continue
        if abs(units) < _MOST and units == units.to_integral_value():
            try:
                return MONEY.from_units(int(units), currency)
            except ValueError:
                pass
        price.leave("unit_amount_decimal")
        return None
    return None


def _unit_amount_today(data: Mapping[str, Any], currency: str | None) -> Money | None:
    """The unit price as it is written since basil; None where it is another generation's, or no plain number."""
    pricing = data.get("pricing")
    if type(pricing) is dict and data.get("price") is None:
        units = pricing.get("unit_amount_decimal")
        if type(units) is str and currency in _PLAIN:
            return MONEY.written[currency][units]
    return None


def line_discount(at: Reader, currency: str | None) -> Money | None:
    """What the invoice's discounts take off a line."""
    if not at.has_list("discount_amounts"):
        return None
    return at.total_of(at.children("discount_amounts"), "amount", MONEY, currency)


LINE = Shape(
    Line,
    units=MONEY,
    needs="amount",
    amount=money("amount"),
    description=text("description"),
    quantity=number("quantity_decimal", "quantity"),
    unit_amount=computed(
        _unit_amount,
        "pricing.unit_amount_decimal",
        "price.unit_amount_decimal",
        "price.transform_quantity",
        any_of=("pricing", "price"),
        quick=_unit_amount_today,
    ),
    period=span(unix("period.start"), unix("period.end")),
    id=text("id"),
    # of `pricing` since basil, of `price` before, of `plan` where there was no price yet
    product=identity("pricing.price_details.product", "price?.product", "plan?.product"),
    price=identity("pricing.price_details.price", "price", "plan"),
    provider=stated("stripe", "product", "price"),
    # what a line belongs to is its `parent` since basil, and was its own before
    subscription=identity(
        "parent.subscription_item_details.subscription", "parent.invoice_item_details.subscription", "subscription"
    ),
    discount=computed(line_discount, "discount_amounts[].amount", any_of=("discount_amounts",), zero_if_empty=True),
    taxes=rows("taxes", TAX, "tax_amounts"),
    metadata=strings("metadata"),
    proration=flag("parent.subscription_item_details.proration", "parent.invoice_item_details.proration", "proration"),
)
