"""Where Stripe's JSON has the parts of an invoice: taxes, discounts, tax ids, and what a line bills.

Since basil (2025-03) taxes are `taxes`, and what a line belongs to is its `parent`; before, they were `tax_amounts`,
`price`, `subscription` and `proration`. Both are read (docs.stripe.com/changelog/basil).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import are_texts
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

_adjustment, _discount, _tax_line = maker(Adjustment), maker(Discount), maker(TaxLine)


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


ADDRESS = Shape(
    Address,
    line1=text("line1"),
    line2=text("line2"),
    city=text("city"),
    state=text("state"),
    postal_code=text("postal_code"),
    country=text("country"),
)


def customer_address(at: Reader, _currency: str | None) -> Address | None:
    """The address as the invoice shows it; of an expanded customer where the invoice has none."""
    if at.data.get("customer_address") is None and type(at.data.get("customer")) is str:
        return None
    own = at.child("customer_address")
    if not own.data:
        own = at.expanded("customer").child("address")
    address = ADDRESS.read(own)
    for value in vars(address).values():
        if value is not None:
            return address
    return None


def plain_address(data: Mapping[str, Any], _currency: str | None) -> Address | None:
    """The address of an invoice that has its own, of texts alone; None where it takes `customer_address` to say."""
    own = data.get("customer_address")
    if type(own) is not dict:
        return None
    get = own.get
    lines = (get("line1"), get("line2"), get("city"), get("state"), get("postal_code"), get("country"))
    return address_of(*lines) if are_texts(lines) else None


ADDRESS_PATHS = tuple(
    f"{place}.{name}" for place in ("customer_address", "customer.address") for name in ADDRESS.fields
)


# ── before there were lists of discounts (2020-08) and of taxes (2019-05) ──────────────────────────────────────────
# Invoices lost `tax`, `discount` and the `plan` of a line in basil (docs.stripe.com/changelog/basil).
def discount_before_lists(at: Reader, currency: str | None, total: Money | None, on_top: Money | None) -> Money | None:
    """What the one discount of an older invoice takes off: `subtotal` is before it, `total` after it, with the tax."""
    if not at.expanded("discount").data:
        return None
    before = at.money("subtotal", MONEY, currency)
    if before is None or total is None or on_top is None:
        return None
    taken = before + on_top - total
    return taken if taken.minor >= 0 else None


def discounts_before_lists(at: Reader, amount: Money | None) -> tuple[Discount, ...]:
    """That discount; its coupon has a name, and before 2020-08 only the coupon had an id."""
    row = at.expanded("discount")
    if not row.data:
        return ()
    coupon = row.expanded("coupon")
    facts = {"id": row.text("id") or coupon.text("id"), "code": row.expanded("promotion_code").text("code")}
    return (_discount({**facts, "name": coupon.text("name"), "amount": amount}),)


def tax_before_lists(at: Reader, values: dict[str, Any]) -> tuple[Money | None, Money | None]:
    """The tax of `tax_percent`, all of it on top of the lines, which is one tax of the invoice.

    That it was always on top is from memory of API versions whose pages are gone, and so not confirmed.
    """
    rate = at.decimal("tax_percent")
    if rate is None and at.data.get("tax") != 0:
        return None, None
    tax = at.money("tax", MONEY, values["currency"])
    if rate is not None and tax is not None:
        values["taxes"] = (_tax_line({"rate": rate, "amount": tax, "inclusive": False}),)
    return tax, tax


PATHS_BEFORE_LISTS = (
    *(f"discount.{name}" for name in ("id", "coupon.id", "coupon.name", "promotion_code.code")),
    *("subtotal", "tax", "tax_percent"),
)


# ── of the invoice ───────────────────────────────────────────────────────────────────────────────────────────────────
Headed = list[tuple[str | None, str | None]]


def custom_fields(headed: Headed) -> FrozenDict:
    """The fields that the document shows, by their headings; the purchase order has a field of its own."""
    fields = {name: value for name, value in headed if name and value and name != PURCHASE_ORDER}
    return FrozenDict(fields) if fields else NO_FIELDS


def headings(at: Reader, _currency: str | None) -> Headed:
    """The heading and the text of each custom field."""
    pairs: Headed = []
    for row in at.children("custom_fields"):
        pairs.append((row.text("name"), row.text("value")))
    return pairs


def plain_headings(data: Mapping[str, Any], _currency: str | None) -> Headed | None:
    """The same of texts alone; None where it takes `headings` to say."""
    rows = data.get("custom_fields")
    if type(rows) is not list or any(type(row) is not dict for row in rows):
        return None
    pairs = [(row.get("name"), row.get("value")) for row in rows]
    return pairs if all(map(are_texts, pairs)) else None


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
