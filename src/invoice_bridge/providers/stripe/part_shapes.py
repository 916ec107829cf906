"""Where Stripe's JSON has the parts of an invoice: taxes, discounts, tax ids, and what a line bills.

Since basil (2025-03) taxes are `taxes`, and what a line belongs to is its `parent`; before, they were `tax_amounts`,
`price`, `subscription` and `proration`. Both are read (docs.stripe.com/changelog/basil).
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.shapes import Shape, computed, identity, money, number, text
from invoice_bridge.adapter.trusted import address_of, maker
from invoice_bridge.core.model import (
    Address,
    Adjustment,
    Discount,
    FrozenDict,
    TaxId,
    TaxLine,
)
from invoice_bridge.core.money import Money, trusted
from invoice_bridge.providers.stripe.tables import MONEY, PURCHASE_ORDER

_adjustment = maker(Adjustment)


# ── taxes, discounts, tax ids ────────────────────────────────────────────────────────────────────────────────────────
def _is_inclusive(at: Reader, _currency: str | None) -> bool | None:
    """`tax_behavior` since basil, `inclusive` before."""
    behavior = at.data.get("tax_behavior")
    if behavior is None:
        return at.flag("inclusive")
    return {"inclusive": True, "exclusive": False}.get(at.text("tax_behavior") or "")


TAX = Shape(
    TaxLine,
    units=MONEY,
    needs="amount",
    amount=money("amount"),
    base=money("taxable_amount"),
    inclusive=computed(_is_inclusive, "tax_behavior", "inclusive"),
    # the rate itself is there where it is expanded; since basil it is named by its id alone
    name=text("tax_rate?.display_name"),
    rate=number("tax_rate?.percentage"),
)

DISCOUNT = Shape(
    Discount,
    units=MONEY,
    amount=money("amount"),
    id=identity("discount"),
    code=text("discount?.promotion_code?.code"),
    name=text("discount?.source.coupon?.name", "discount?.coupon?.name"),
)

TAX_ID = Shape(TaxId, value=text("value"), kind=text("type"))


def customer_address(at: Reader, _currency: str | None) -> Address | None:
    """The address as the invoice shows it; of an expanded customer where the invoice has none."""
    own = at.child("customer_address")
    if not own.data:
        own = at.expanded("customer").child("address")
    return address_of(*(own.text(name) for name in ("line1", "line2", "city", "state", "postal_code", "country")))


ADDRESS_PATHS = tuple(
    f"{place}.{name}"
    for place in ("customer_address", "customer.address")
    for name in ("line1", "line2", "city", "state", "postal_code", "country")
)


# ── what a line bills ────────────────────────────────────────────────────────────────────────────────────────────────
def line_product(at: Reader, _currency: str | None) -> str | None:
    """The product: of `pricing` since basil, of `price` before."""
    details = at.child("pricing").child("price_details")
    return details.identity("product") or at.expanded("price").identity("product")


def line_price(at: Reader, _currency: str | None) -> str | None:
    """The price, likewise."""
    return at.child("pricing").child("price_details").identity("price") or at.identity("price")


def line_subscription(at: Reader, _currency: str | None) -> str | None:
    """The subscription that a line belongs to: of its `parent` since basil, its own before."""
    parent = at.child("parent")
    of_item = parent.child("subscription_item_details").identity("subscription")
    return of_item or parent.child("invoice_item_details").identity("subscription") or at.identity("subscription")


def line_proration(at: Reader, _currency: str | None) -> bool | None:
    """Whether a line bills a part of a period, likewise."""
    parent = at.child("parent")
    for name in ("subscription_item_details", "invoice_item_details"):
        if (found := parent.child(name).flag("proration")) is not None:
            return found
    return at.flag("proration")


def line_discount(at: Reader, currency: str | None) -> Money | None:
    """What the invoice's discounts take off a line."""
    rows = at.data.get("discount_amounts")
    if type(rows) is list and not rows and currency is not None:
        return trusted(0, currency)
    if not at.has_list("discount_amounts"):
        return None
    return at.total_of(at.children("discount_amounts"), "amount", MONEY, currency)


# ── of the invoice ───────────────────────────────────────────────────────────────────────────────────────────────────
def custom_fields(at: Reader, _currency: str | None) -> FrozenDict:
    """The fields that the document shows, by their headings; the purchase order has a field of its own."""
    rows = [(row.text("name"), row.text("value")) for row in at.children("custom_fields")]
    return FrozenDict({name: value for name, value in rows if name and value and name != PURCHASE_ORDER})


NO_FIELDS = FrozenDict()


_NO_SHIPPING: tuple[int | None, ...] = (None, 0)


def adjustments(at: Reader, values: dict[str, Any], on_top: Money | None) -> tuple[Adjustment, ...]:
    """What moves the total beside lines, discounts and tax: shipping, and credits that were applied before tax.

    Whether `total` has lost the credits (`total_pretax_credit_amounts`) is not confirmed: they are named where it has.
    """
    if not at.data.get("total_pretax_credit_amounts") and at.data.get("amount_shipping") in _NO_SHIPPING:
        return ()
    found: list[Adjustment] = []
    shipping = at.money("amount_shipping", MONEY, values["currency"])
    if shipping is not None and shipping.minor:
        found.append(_adjustment({"kind": "shipping", "amount": shipping}))
    if at.data.get("total_pretax_credit_amounts"):
        rows = [
            row
            for row in at.children("total_pretax_credit_amounts")
            if row.text("type") == "credit_balance_transaction"
        ]
        credit = at.total_of(rows, "amount", MONEY, values["currency"]) if rows else None
        subtotal, discount, total = values["subtotal"], values["discount"], values["total"]
        if credit is not None and None not in {subtotal, discount, total, on_top}:
            before = subtotal - discount + on_top + (shipping or trusted(0, total.currency))
            if before - credit == total != before:
                found.append(_adjustment({"kind": "credit", "amount": -credit}))
    return tuple(found)
