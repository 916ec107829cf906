"""For every invoice that a provider can write: subtotal − discount + tax on top + adjustments = total.

Each is written in the provider's own words from the same drawn parts, so that what is read is compared with what was
meant; and a total that is another one is off by exactly that much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import Invoice, Money, decode
from invoice_bridge.core.money import exponent
from invoice_bridge.providers.whop.shapes import with_payment


@dataclass(frozen=True)
class Parts:
    """What an invoice is made of, in minor units; `within` says that the taxes are in the amounts of the lines."""

    currency: str
    lines: tuple[int, ...]
    discounts: tuple[int, ...]
    taxes: tuple[int, ...]
    within: bool
    moved: int

    @property
    def total(self) -> int:
        return sum(self.lines) - sum(self.discounts) + (0 if self.within else sum(self.taxes)) + self.moved


amounts = st.integers(0, 10**9)


@st.composite
def parts(draw: st.DrawFn) -> Parts:
    """Lines that may be negative; no, one or several discounts and taxes; shipping or rounding."""
    return Parts(
        currency=draw(st.sampled_from(["EUR", "JPY", "USD"])),
        lines=tuple(draw(st.lists(st.integers(-(10**6), 10**9), min_size=1, max_size=6))),
        discounts=tuple(draw(st.lists(amounts, max_size=3))),
        taxes=tuple(draw(st.lists(amounts, max_size=3))),
        within=draw(st.booleans()),
        moved=draw(st.integers(-99, 99)),
    )


def one_each(made: Parts) -> Parts:
    """The same with one discount and one tax at most, which is all that some words can say."""
    return Parts(made.currency, made.lines, made.discounts[:1], made.taxes[:1], made.within, 0)


# ── each provider's words ────────────────────────────────────────────────────────────────────────────────────────────
def in_stripe(made: Parts) -> dict[str, Any]:
    behavior = "inclusive" if made.within else "exclusive"
    return {
        "id": "in_1",
        "object": "invoice",
        "status": "open",
        "currency": made.currency.lower(),
        "lines": {"data": [{"id": f"il_{n}", "amount": amount} for n, amount in enumerate(made.lines)]},
        "total_discount_amounts": [{"amount": amount, "discount": "di_1"} for amount in made.discounts],
        "total_taxes": [{"amount": amount, "tax_behavior": behavior} for amount in made.taxes],
        "amount_shipping": made.moved,
        "total": made.total,
    }


def in_stripe_before_basil(made: Parts) -> dict[str, Any]:
    taxes = [{"amount": amount, "inclusive": made.within, "tax_rate": "txr_1"} for amount in made.taxes]
    return in_stripe(made) | {"total_taxes": None, "total_tax_amounts": taxes}


def in_stripe_of_2019(made: Parts) -> dict[str, Any]:
    coupon = {"coupon": {"id": "c"}} if made.discounts else None
    tax = {"tax_percent": Decimal(19), "tax": sum(made.taxes)} if made.taxes else {"tax_percent": None, "tax": 0}
    lists = {"total_taxes": None, "total_discount_amounts": None}
    return in_stripe(made) | lists | tax | {"discount": coupon, "subtotal": sum(made.lines)}


def in_chargebee(made: Parts) -> dict[str, Any]:
    discounts = [
        {"amount": amount, "entity_type": "document_level_coupon", "entity_id": "c"} for amount in made.discounts
    ]
    return {
        "id": "1",
        "status": "payment_due",
        "currency_code": made.currency,
        "price_type": "tax_inclusive" if made.within else "tax_exclusive",
        "line_items": [{"id": f"li_{n}", "amount": amount} for n, amount in enumerate(made.lines)],
        "discounts": discounts,
        "taxes": [{"name": f"tax {n}", "amount": amount} for n, amount in enumerate(made.taxes)],
        "tax": sum(made.taxes),
        "sub_total": sum(made.lines) - sum(made.discounts),
        "round_off_amount": made.moved,
        "total": made.total,
    }


def in_chargeapi(made: Parts) -> dict[str, Any]:
    return {
        "id": "inv_1",
        "object": "invoice",
        "status": "open",
        "currency": made.currency.lower(),
        "line_items": [{"amount": amount} for amount in made.lines],
        "amount_due": made.total,
        "amount_paid": 0,
    }


def major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent(currency))


def whop(made: Parts, off: int = 0) -> Invoice:
    def text(minor: int) -> dict[str, str]:
        return {"amount": f"{major(minor, made.currency):f}", "currency": made.currency.lower()}

    found = decode(
        "whop",
        {
            "id": "inv_1",
            "status": "paid",
            "current_plan": {"id": "plan_1", "currency": made.currency.lower()},
            "line_items": [{"label": "x", "total": major(amount, made.currency)} for amount in made.lines],
            "payment": {"id": "pay_1"},
        },
    )
    payment = {
        "id": "pay_1",
        "status": "paid",
        "paid_at": "2026-05-01T00:00:00Z",
        "subtotal": text(sum(made.lines)),
        "total": text(made.total + off),
        **({"tax_amount": text(made.taxes[0])} if made.taxes else {}),
        "tax_behavior": "inclusive" if made.within else "exclusive",
    }
    return with_payment(found, payment)


SHAPES: dict[str, tuple[str, Callable[[Parts], dict[str, Any]], Callable[[Parts], Parts]]] = {
    "stripe": ("stripe", in_stripe, lambda made: made),
    "stripe before basil": ("stripe", in_stripe_before_basil, lambda made: made),
    "stripe of 2019": (
        "stripe",
        in_stripe_of_2019,
        lambda made: Parts(made.currency, made.lines, made.discounts[:1], made.taxes[:1], False, 0),
    ),
    "chargebee": ("chargebee", in_chargebee, lambda made: made),
    "chargeapi": ("chargeapi", in_chargeapi, lambda made: Parts(made.currency, made.lines, (), (), False, 0)),
}


@pytest.mark.parametrize("provider, write, reduce", SHAPES.values(), ids=SHAPES)
@given(drawn=parts(), off=st.integers(-5, 5))
def test_the_parts_of_every_invoice_come_to_its_total(
    provider: str, write: Callable[[Parts], dict[str, Any]], reduce: Callable[[Parts], Parts], drawn: Parts, off: int
) -> None:
    """Each sum is read as it was meant; another total is off by that much, where no part is derived from it."""
    made = reduce(drawn)
    found = decode(provider, write(made))
    assert found.problems == ()
    assert (found.unbalanced(), found.subtotal) == (None, Money(sum(made.lines), made.currency))
    assert found.total == Money(made.total, made.currency)
    stated = {"discount": made.discounts, "tax": made.taxes}
    for name, amounts_of in stated.items():
        assert getattr(found, name) in {None, Money(sum(amounts_of), made.currency)}
        assert getattr(found, name) is not None or not sum(amounts_of)
    if write is in_stripe_of_2019 and made.discounts:
        return  # the discount is what the total has lost: there is nothing that it could be held against
    name = "amount_due" if provider == "chargeapi" else "total"
    wrong = decode(provider, write(made) | {name: made.total + off})
    assert wrong.unbalanced() == (Money(off, made.currency) if off else None)


@given(drawn=parts())
def test_the_parts_of_every_paid_invoice_of_whop_come_to_its_total(drawn: Parts) -> None:
    """The discount is derived, where it takes something off: then it is what was meant."""
    made = one_each(drawn)
    found = whop(made)
    assert found.problems == ()
    assert found.unbalanced() is None
    assert (found.subtotal, found.total) == (
        Money(sum(made.lines), made.currency),
        Money(made.total, made.currency),
    )
    assert found.discount == (Money(made.discounts[0], made.currency) if sum(made.discounts) else None)


@given(drawn=parts(), off=st.integers(1, 1000))
def test_a_total_of_whop_above_its_parts_shows(drawn: Parts, off: int) -> None:
    """No discount raises a total: what is too much is not hidden in one."""
    made = Parts(drawn.currency, drawn.lines, (), drawn.taxes[:1], drawn.within, 0)
    assert whop(made, off).unbalanced() == Money(off, made.currency)
