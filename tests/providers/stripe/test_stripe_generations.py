"""One subscription invoice as each generation of Stripe's API writes it, from 2019 to 2026: it reads as the same bill.

Two lines of 100.00 and 50.00, a coupon of 10 % on all of it, 19 % of tax on top: 150.00 − 15.00 + 25.65 = 160.65.
What a generation does not state is None there, and nothing else is.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import Discount, Invoice, Money, Payment, Period, Status, TaxLine, decode

MAY_1, JUNE_1 = 1777593600, 1780272000
MAY = Period(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
RATE = {"id": "txr_1", "object": "tax_rate", "display_name": "VAT", "percentage": Decimal("19.0"), "inclusive": False}
COUPON = {"id": "SPRING", "object": "coupon", "name": "Spring", "percent_off": Decimal("10.0")}


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def row(n: int, amount: int, **facts: Any) -> dict[str, Any]:
    span = {"start": MAY_1, "end": JUNE_1}
    head = {"id": f"il_{n}", "object": "line_item", "amount": amount, "currency": "eur", "description": f"Line {n}"}
    return head | {"period": span, "quantity": 1, "metadata": {}} | facts


def whole(rows: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    head = {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "currency": "eur",
        "customer": "cus_1",
        "collection_method": "charge_automatically",
        "subtotal": 15000,
        "total": 16065,
        "amount_due": 16065,
        "amount_paid": 16065,
        "amount_remaining": 0,
        "pre_payment_credit_notes_amount": 0,
        "post_payment_credit_notes_amount": 0,
        "status_transitions": {"paid_at": MAY_1},
        "lines": {"object": "list", "data": rows, "has_more": False, "total_count": len(rows)},
    }
    return head | facts


def taxed(amount: int, base: int | None = None) -> dict[str, Any]:
    stated = {} if base is None else {"taxable_amount": base}
    return {"amount": amount, "inclusive": False, "tax_rate": RATE, **stated}


OF_SUB: dict[str, Any] = {"type": "subscription", "subscription": "sub_1", "proration": False}
CHARGE = {
    "id": "ch_1", "amount": 16065, "amount_refunded": 0, "currency": "eur", "created": MAY_1, "status": "succeeded",
    "payment_method": "pm_1",
}  # fmt: skip
BEFORE: dict[str, Any] = {"subscription": "sub_1", "tax": 2565, "charge": CHARGE}
PLAN = {"id": "fleet-monthly", "object": "plan", "amount": 10000, "product": "prod_1"}
PRICE = {"id": "price_1", "object": "price", "unit_amount": 10000, "unit_amount_decimal": "10000", "product": "prod_1"}
OFF = [[{"amount": amount, "discount": "di_1"}] for amount in (1000, 500)]
NAMELESS = {"object": "discount", "coupon": COUPON, "customer": "cus_1"}
LISTED = [{"amount": 1500, "discount": {"id": "di_1", "coupon": COUPON}}]
PARENT = {
    "type": "subscription_item_details",
    "subscription_item_details": {"subscription": "sub_1", "proration": False},
}
PRICING = {
    "type": "price_details",
    "price_details": {"price": "price_1", "product": "prod_1"},
    "unit_amount_decimal": "10000",
}
INTENT = {"id": "pi_1", "status": "succeeded", "payment_method": "pm_1", "latest_charge": CHARGE}
PAID = {
    "id": "inpay_1",
    "amount_paid": 16065,
    "amount_requested": 16065,
    "status": "paid",
    "status_transitions": {"paid_at": MAY_1},
    "payment": {"type": "payment_intent", "payment_intent": INTENT},
}


def since_basil(n: int, amount: int, tax: int, base: int, pricing: Any) -> dict[str, Any]:
    taxes = [{"amount": tax, "tax_behavior": "exclusive", "taxable_amount": base}]
    return row(n, amount, discount_amounts=OFF[n - 1], pricing=pricing, parent=PARENT, taxes=taxes)


GENERATIONS: dict[str, dict[str, Any]] = {
    # one percentage of tax, one discount, plans; no list of taxes or of discounts
    "2019-03": whole(
        [row(1, 10000, plan=PLAN, **OF_SUB), row(2, 5000, plan=None, **OF_SUB)],
        tax_percent=Decimal("19.0"),
        discount=NAMELESS,
        **BEFORE,
    ),
    # taxes are a list
    "2019-12": whole(
        [
            row(1, 10000, plan=PLAN, tax_amounts=[taxed(1710)], **OF_SUB),
            row(2, 5000, plan=None, tax_amounts=[taxed(855)], **OF_SUB),
        ],
        tax_percent=None,
        total_tax_amounts=[taxed(2565)],
        discount=NAMELESS,
        **BEFORE,
    ),
    # prices beside plans, discounts are a list
    "2020-08": whole(
        [
            row(1, 10000, plan=PLAN, price=PRICE, discount_amounts=OFF[0], tax_amounts=[taxed(1710)], **OF_SUB),
            row(2, 5000, plan=None, price=None, discount_amounts=OFF[1], tax_amounts=[taxed(855)], **OF_SUB),
        ],
        total_tax_amounts=[taxed(2565)],
        total_discount_amounts=LISTED,
        discount={"id": "di_1", **NAMELESS},
        **BEFORE,
    ),
    # what taxes are computed on, and totals without tax
    "2024-11 acacia": whole(
        [
            row(1, 10000, price=PRICE, discount_amounts=OFF[0], tax_amounts=[taxed(1710, 9000)], **OF_SUB),
            row(2, 5000, price=None, discount_amounts=OFF[1], tax_amounts=[taxed(855, 4500)], **OF_SUB),
        ],
        total_excluding_tax=13500,
        total_tax_amounts=[taxed(2565, 13500)],
        total_discount_amounts=LISTED,
        discount={"id": "di_1", **NAMELESS},
        **BEFORE,
    ),
    # parents, pricing, taxes, payments; nothing of what stood there before
    "2025-03 basil": whole(
        [since_basil(1, 10000, 1710, 9000, PRICING), since_basil(2, 5000, 855, 4500, None)],
        total_excluding_tax=13500,
        total_taxes=[{"amount": 2565, "tax_behavior": "exclusive", "taxable_amount": 13500}],
        total_discount_amounts=[
            {"amount": 1500, "discount": {"id": "di_1", "source": {"type": "coupon", "coupon": COUPON}}}
        ],
        parent={"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
        payments={"has_more": False, "data": [PAID]},
    ),
}


@pytest.fixture(params=GENERATIONS)
def generation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def read(generation: str) -> Invoice:
    return decode("stripe", GENERATIONS[generation])


def test_the_parts_come_to_the_total(read: Invoice) -> None:
    """In every generation the same amounts, nothing left over, and nothing unreadable."""
    assert (read.problems, read.unbalanced()) == ((), None)
    assert (read.subtotal, read.discount, read.tax, read.total) == (eur(15000), eur(1500), eur(2565), eur(16065))
    assert (read.status, read.amount_paid, read.amount_credited) == (Status.PAID, eur(16065), eur(0))
    assert read.credit_notes_complete is True


def test_the_tax(read: Invoice, generation: str) -> None:
    """One, on top; its name and rate where they are expanded, what it is computed on since 2024."""
    stated: dict[str, dict[str, Any]] = {
        "2019-03": {"rate": Decimal(19)},
        "2019-12": {"name": "VAT", "rate": Decimal(19)},
        "2020-08": {"name": "VAT", "rate": Decimal(19)},
        "2024-11 acacia": {"name": "VAT", "rate": Decimal(19), "base": eur(13500)},
        "2025-03 basil": {"base": eur(13500)},
    }
    assert read.taxes == (TaxLine(amount=eur(2565), inclusive=False, **stated[generation]),)
    shares: tuple[Money, ...] = () if generation == "2019-03" else (eur(1710), eur(855))
    assert tuple(tax.amount for line in read.lines for tax in line.taxes) == shares


def test_the_discount(read: Invoice, generation: str) -> None:
    """One, by its coupon's name; before 2020-08 only the coupon had an id, and lines did not say what they lost."""
    old = generation.startswith("2019")
    assert read.discounts == (Discount(id="SPRING" if old else "di_1", name="Spring", amount=eur(1500)),)
    assert [line.discount for line in read.lines] == ([None, None] if old else [eur(1000), eur(500)])


def test_what_the_lines_bill(read: Invoice, generation: str) -> None:
    """A plan was a price before there were prices; the product is the same."""
    first, second = read.lines
    price = "fleet-monthly" if generation.startswith("2019") else "price_1"
    assert (first.id, first.product, first.price, first.subscription) == ("il_1", "prod_1", price, "sub_1")
    assert (second.product, second.price, second.subscription) == (None, None, "sub_1")
    assert [(line.amount, line.period, line.proration) for line in read.lines] == [
        (eur(10000), MAY, False),
        (eur(5000), MAY, False),
    ]
    assert read.subscription == "sub_1"


def test_the_payment(read: Invoice, generation: str) -> None:
    """By its expanded charge, or by its row of `payments`, which alone says that it is all of them."""
    (paid,) = read.payments
    now = generation.endswith("basil")
    assert paid == Payment(
        id="inpay_1" if now else "ch_1",
        amount=eur(16065),
        at=MAY.start,
        state="succeeded",
        method="pm_1",
        recorded_outside=False,
        refunded=eur(0),
    )
    assert (read.payments_complete, read.amount_refunded) == ((True, eur(0)) if now else (False, None))


@pytest.mark.parametrize(
    "changes, discount, tax",
    [
        ({"discount": None, "total": 17565}, None, eur(2565)),
        ({"discount": "di_1"}, None, eur(2565)),
        ({"subtotal": None}, None, eur(2565)),
        ({"tax": None}, None, None),
        ({"tax_percent": None}, None, None),
        ({"tax": 0, "tax_percent": None, "total": 13500}, eur(1500), eur(0)),
        ({"total": 99999}, None, eur(2565)),  # a discount adds nothing
    ],
)
def test_an_old_discount_is_derived_from_what_is_stated_or_not_at_all(
    changes: dict[str, Any], discount: Money | None, tax: Money | None
) -> None:
    """Without the tax, the total or the sum before it, how much it took off is not known."""
    found = decode("stripe", GENERATIONS["2019-03"] | changes)
    assert (found.discount, found.tax) == (discount, tax)
