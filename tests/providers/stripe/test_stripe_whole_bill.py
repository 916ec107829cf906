"""What a bill states besides amounts: its subscription, products and prices, discounts, and rates of tax."""

from collections.abc import Callable
from typing import Any

import pytest

from invoice_bridge import (
    AmountMismatch,
    Collection,
    Discount,
    Discrepancy,
    IdempotencyMismatch,
    Line,
    LossyTranslation,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Status,
    TaxRate,
    Unsupported,
)
from tests.providers.stripe.conftest import World

VAT = TaxRate(name="VAT", rate=19)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charge(*lines: Line, **more: Any) -> OneTimeCharge:
    return OneTimeCharge(**{"reference": "r", "customer": "cus_42", "lines": lines, **more})


def last_lines(world: World) -> str:
    """The form of the last add_lines."""
    return next(r.content.decode() for r in reversed(world.transport.sent) if r.url.endswith("/add_lines"))


# ── the subscription ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "command",
    [
        charge(Line(description="Setup", amount=eur(1000)), subscription="sub_42"),
        PeriodInvoice(
            reference="r", customer="cus_42", period=Period.month(2026, 5), currency="EUR", subscription="sub_42",
            lines=[Line(description="Setup", amount=eur(1000))],
        ),
    ],
    ids=lambda command: command.verb,
)  # fmt: skip
def test_a_bill_belongs_to_its_subscription_and_takes_nothing_else_in(world: World, command: Any) -> None:
    """Defect 67: the invoice names the subscription; what that has accrued stays where it is."""
    world.item(1777593600, 1777593600, 500, subscription="sub_42")
    found = world.client.create(command)
    assert (found.subscription, found.total, [line.amount for line in found.lines]) == (
        "sub_42",
        eur(1000),
        [eur(1000)],
    )


def test_another_subscription_is_another_bill(world: World) -> None:
    """The invoice that has the reference belongs to a subscription, and the bill to another one."""
    world.stripe.subscriptions["sub_43"] = "cus_42"
    world.client.create(charge(Line(amount=eur(1000)), subscription="sub_42"))
    other = charge(Line(amount=eur(1000)), subscription="sub_43")
    with pytest.raises(IdempotencyMismatch, match="belongs to the subscription sub_42, not to sub_43"):
        world.client.create(other)


def test_a_subscriptions_payment_method_is_charged_only_when_allowed(world: World) -> None:
    """Without a payment method of the bill's own the subscription's would be charged, not the customer's."""
    bill = charge(Line(amount=eur(1000)), subscription="sub_42", collection=Collection.charge())
    with pytest.raises(LossyTranslation, match="IB-STRIPE-SUBSCRIPTION-02"):
        world.client.create(bill)
    named = bill.model_copy(update={"collection": Collection.charge("pm_card_visa")})
    assert world.client.losses(named) == ()


# ── products and prices ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_line_of_a_product_keeps_its_amount(world: World) -> None:
    """The product is the caller's, the amount too: a bare amount is one unit of it."""
    found = world.client.create(
        charge(
            Line(description="Energy", amount=eur(1300), product="prod_42"),
            Line(description="Parking", quantity=2, unit_amount=eur(600), product="prod_43"),
        )
    )
    assert [(line.product, line.amount, line.description) for line in found.lines] == [
        ("prod_42", eur(1300), "Energy"),
        ("prod_43", eur(1200), "Parking"),
    ]
    assert found.total == eur(2500)


def test_an_unknown_product_is_the_providers_refusal(world: World) -> None:
    """Nothing is issued under a product that the account does not have."""
    with pytest.raises(NotFound, match="No such product: 'nope'"):
        world.client.create(charge(Line(amount=eur(1300), product="nope")))
    assert "issued" not in world.events


def test_a_line_of_a_price_is_rated_by_it_and_compared(world: World) -> None:
    """Stripe multiplies the price by the quantity; the amount that the line states is what comes out."""
    found = world.client.create(
        charge(Line(quantity=2, amount=eur(1200), price="price_42", product="prod_42"), Line(amount=eur(100)))
    )
    assert (found.total, found.lines[0].price, found.status) == (eur(1300), "price_42", Status.OPEN)
    assert "lines%5B0%5D%5Bpricing%5D%5Bprice%5D=price_42" in last_lines(world)


def test_a_price_of_another_amount_stops_the_bill_as_a_draft(world: World) -> None:
    """The price comes to more than the line states: nothing is issued or charged."""
    bill = charge(Line(quantity=3, amount=eur(1200), price="price_42"), collection=Collection.charge("pm_card_visa"))
    with pytest.raises(AmountMismatch, match=r"holds 18\.00 EUR and is draft"):
        world.client.create(bill)
    assert world.events == []


def test_prices_that_differ_by_as_much_as_other_lines_stop_the_bill(world: World) -> None:
    """The total agrees by chance, the line of the price does not: each price is compared by itself."""
    world.stripe.prices["price_43"] = ("prod_43", "eur", 700)
    bill = charge(Line(amount=eur(700), price="price_42"), Line(amount=eur(600), price="price_43"))
    with pytest.raises(
        AmountMismatch, match=r"price_42 should add up to 7\.00 EUR, but Stripe rates them at 6\.00 EUR"
    ):
        world.client.create(bill)
    assert world.events == []


def test_a_price_of_another_product_stops_the_bill(world: World) -> None:
    """A line that names both is held to both."""
    with pytest.raises(
        Discrepancy, match="the price price_42 belongs to the product prod_42, and the bill names prod_43"
    ):
        world.client.create(charge(Line(amount=eur(600), price="price_42", product="prod_43")))
    assert world.events == []


def test_a_price_of_two_products_is_refused(world: World) -> None:
    """Two lines of one price contradict each other: refused before the draft is made."""
    lines = [Line(amount=eur(600), price="price_42", product=product) for product in ("prod_42", "prod_43")]
    with pytest.raises(Unsupported, match="the price price_42 belongs to one product"):
        world.client.create(charge(*lines))
    assert world.sent == []


def test_the_products_of_lines_that_were_read_are_not_sent(world: World) -> None:
    """A read line has an id, and its product and price are its provider's own: billed again, they are a loss."""
    read = Line(id="li_1", description="Energy", amount=eur(1300), product="prod_1", price="energy-EUR")
    assert [loss.code for loss in world.client.losses(charge(read))] == [
        "IB-STRIPE-LINE-PRODUCT-01",
        "IB-STRIPE-LINE-PRICE-01",
    ]
    world.client.create(charge(read), allow=["lines[].product", "lines[].price"])
    assert "product" not in last_lines(world)
    assert "pricing" not in last_lines(world)


def test_an_amount_below_zero_takes_no_product(world: World) -> None:
    """Stripe's unit amounts are not below zero: the amount goes alone, and that is a loss."""
    lines = (Line(amount=eur(1300)), Line(amount=eur(-300), product="prod_42", price="price_42"))
    codes = [loss.code for loss in world.client.losses(charge(*lines))]
    assert codes == ["IB-STRIPE-LINE-PRODUCT-01", "IB-STRIPE-LINE-PRICE-01"]


# ── discounts ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_discounts_are_lines_below_zero(world: World) -> None:
    """The bill comes to its lines less its discounts, exactly, and the document names them."""
    spring = Discount(name="Spring", code="SPRING10", amount=eur(250))
    found = world.client.create(charge(Line(description="Energy", amount=eur(2500)), discounts=[spring]))
    assert (found.total, found.amount_remaining) == (eur(2250), eur(2250))
    assert [(line.description, line.amount) for line in found.lines] == [
        ("Energy", eur(2500)),
        ("Spring (SPRING10)", eur(-250)),
    ]


def test_a_discount_of_a_line_follows_the_lines(world: World) -> None:
    """The line keeps its quantity; what is taken off it is a line of its own over the same period."""
    line = Line(description="Parking", quantity=2, unit_amount=eur(600), discount=eur(200))
    found = world.client.create(charge(line, period=Period.month(2026, 5)))
    assert found.total == eur(1000)
    assert [(row.description, row.amount, row.period) for row in found.lines] == [
        ("Parking", eur(1200), Period.month(2026, 5)),
        ("Discount: Parking", eur(-200), Period.month(2026, 5)),
    ]


def test_a_discounted_bill_is_found_again(world: World) -> None:
    """The same reference and content is the same invoice; another discount is another bill."""
    spring = Discount(amount=eur(250))
    bill = charge(amount=eur(2500), lines=(), discounts=[spring])
    assert world.client.create(bill).id == world.client.create(bill).id
    with pytest.raises(IdempotencyMismatch, match=r"holds 22\.50 EUR, not 23\.00 EUR"):
        world.client.create(bill.model_copy(update={"discounts": (Discount(amount=eur(200)),)}))


def test_a_discount_beside_the_customers_own_is_refused(make: Callable[..., World]) -> None:
    """What the bill takes off is not taken for what Stripe takes off by itself."""
    world = make(customer_discount=True)
    found = world.client.create(charge(amount=eur(2500), lines=(), discounts=[Discount(amount=eur(250))]))
    assert found.total == eur(2250)


@pytest.mark.parametrize("tax", ["provider", (VAT,)], ids=["provider", "rates"])
def test_discounts_with_tax_are_refused(world: World, tax: Any) -> None:
    """A line below zero has no tax at Stripe, so that the tax would be computed on too much."""
    with pytest.raises(Unsupported, match="such a line has no tax"):
        world.client.create(charge(Line(amount=eur(2500), discount=eur(100)), tax=tax))
    assert world.sent == []


def test_the_lines_of_discounts_count(world: World) -> None:
    """250 lines and a discount are 251: refused before the draft is made."""
    lines = [Line(amount=eur(100))] * 250
    with pytest.raises(Unsupported, match="251 lines, its discounts included"):
        world.client.create(charge(*lines, discounts=[Discount(amount=eur(1))]))
    assert world.sent == []


# ── rates of tax ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_rates_of_tax_come_on_top_in_amounts(world: World) -> None:
    """The tax of each line is computed here, sent as an amount, and the invoice's total has it."""
    found = world.client.create(charge(Line(amount=eur(999)), Line(amount=eur(1001)), tax=[VAT]))
    assert (found.subtotal, found.tax, found.total, found.amount_remaining) == (
        eur(2000), eur(380), eur(2380), eur(2380),
    )  # fmt: skip
    assert "percentage%5D=19&" in last_lines(world)


def test_rates_within_the_amounts_leave_the_total(world: World) -> None:
    """Of 119.00 with 19 % within, 19.00 is tax."""
    vat = TaxRate(name="VAT", rate=19, inclusive=True)
    found = world.client.create(
        charge(Line(amount=eur(11900)), tax=[vat], collection=Collection.charge("pm_card_visa"))
    )
    assert (found.tax, found.total, found.amount_paid) == (eur(1900), eur(11900), eur(11900))


def test_several_rates_add_up(world: World) -> None:
    """Two taxes on the same base, each rounded by itself."""
    gst, qst = TaxRate(name="GST", rate=5), TaxRate(name="QST", rate="9.975")
    found = world.client.create(charge(Line(amount=eur(1010)), tax=[gst, qst]))
    assert [tax.amount for tax in found.taxes] == [eur(51), eur(101)]
    assert found.total == eur(1162)


def test_a_tax_that_stripe_computes_otherwise_stops_the_bill(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared before collecting has the tax: a cent more, and nothing is issued."""
    attach = world.stripe._attach

    def raised(found: dict[str, Any], added: list[dict[str, Any]]) -> None:
        added[0]["taxes"][0]["amount"] += 1
        attach(found, added)

    monkeypatch.setattr(world.stripe, "_attach", raised)
    with pytest.raises(AmountMismatch, match=r"a tax of 1\.90 EUR, .* states 1\.91 EUR and is draft"):
        world.client.create(charge(Line(amount=eur(1000)), tax=[VAT]))
    assert world.events == []


@pytest.mark.parametrize(
    "command,problem",
    [
        (charge(Line(amount=eur(1000)), tax=[TaxRate(name="VAT", rate="19.12345")]), "at most 4 decimals"),
        (
            charge(Line(amount=eur(1000)), tax=[TaxRate(name=f"T{n}", rate=1) for n in range(21)]),
            "at most 20 taxes on a line",
        ),
        (charge(Line(amount=eur(1000)), Line(amount=eur(-1)), tax=[VAT]), "a negative line takes tax amounts"),
    ],
)
def test_rates_that_stripe_does_not_take_are_refused(world: World, command: OneTimeCharge, problem: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Unsupported, match=problem):
        world.client.create(command)
    assert world.sent == []
