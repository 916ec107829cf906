"""What a bill states besides amounts: a product, discounts, and rates of tax."""

from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import (
    Collection,
    Discount,
    Line,
    LossyTranslation,
    Money,
    NotFound,
    OneTimeCharge,
    TaxRate,
    Unsupported,
)
from invoice_bridge.core.exact import loads
from tests.providers.whop.conftest import DUE, Bench
from tests.providers.whop.test_whop_oracle import strict


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charge(*lines: Line, **more: Any) -> OneTimeCharge:
    said = {"reference": "r", "customer": "mber_42", "collection": Collection.send(due=DUE), "lines": lines}
    return OneTimeCharge(**{**said, **more})


def body(bench: Bench) -> Any:
    """The body of the last bill, which the SDK's models take."""
    content = next(r.content for r in reversed(bench.transport.sent) if r.method == "POST")
    assert strict(content) == []
    return loads(content)


@pytest.mark.proves("whop", "one_time_charge", "oracle")
def test_the_product_of_the_lines_is_the_invoices(bench: Bench) -> None:
    """One product, however many lines name it; it goes before the setting, and no product is made."""
    bench.emulator.products["prod_1"] = "Energy"
    found = bench.billing.create(charge(Line(amount=eur(1300), product="prod_1"), Line(amount=eur(200))))
    assert {line.product for line in found.lines} == {"prod_1"}
    assert (body(bench)["product_id"], "product" in body(bench)) == ("prod_1", False)
    assert "IB-WHOP-LINE-PRODUCT-02" in [loss.code for loss in found.losses]
    bench.emulator.products["prod_2"] = "All"
    configured = bench.client(product_id="prod_2")
    configured.create(charge(Line(amount=eur(1300), product="prod_1"), reference="r2"))
    assert body(bench)["product_id"] == "prod_1"
    configured.create(charge(Line(amount=eur(1300)), reference="r3"))
    assert body(bench)["product_id"] == "prod_2"


def test_an_unknown_product_bills_nothing(bench: Bench) -> None:
    """Whop refuses it."""
    with pytest.raises(NotFound):
        bench.billing.create(charge(Line(amount=eur(1300), product="prod_7")))
    assert bench.events() == []


def test_two_products_are_a_loss(bench: Bench) -> None:
    """An invoice is of one product: which one is not guessed, and the bill stops unless that is allowed."""
    bill = charge(Line(amount=eur(1300), product="prod_1"), Line(amount=eur(200), product="prod_2"))
    with pytest.raises(LossyTranslation, match="IB-WHOP-LINE-PRODUCT-01"):
        bench.billing.create(bill)
    bench.billing.create(bill, allow=["lines[].product"])
    assert body(bench)["product"] == {"title": "r"}


def test_a_product_needs_no_title(bench: Bench) -> None:
    """A long description is no product's title where the product is there already."""
    bill = charge(Line(amount=eur(1300), product="prod_1"), description="x" * 200)
    assert [loss.code for loss in bench.billing.losses(bill) if "TITLE" in loss.code] == []


@pytest.mark.proves("whop", "one_time_charge", "oracle")
def test_discounts_are_lines_below_zero(bench: Bench) -> None:
    """The plan's price is what is left, which the lines come to."""
    spring = [Discount(name="Spring", code="TEN", amount=eur(250))]
    found = bench.billing.create(charge(Line(description="Energy", amount=eur(2500)), discounts=spring))
    assert found.subtotal == eur(2250)
    assert [(line.description, line.amount) for line in found.lines] == [
        ("Energy", eur(2500)),
        ("Spring (TEN)", eur(-250)),
    ]
    assert str(body(bench)["plan"]["initial_price"]) == "22.50"


def test_a_discount_of_a_line_is_a_line(bench: Bench) -> None:
    """The line keeps its quantity."""
    line = Line(description="Parking", quantity=2, unit_amount=eur(600), discount=eur(200))
    found = bench.billing.create(charge(line))
    assert [(row.description, row.quantity, row.amount) for row in found.lines] == [
        ("Parking", Decimal(2), eur(1200)),
        ("Discount: Parking", Decimal(1), eur(-200)),
    ]


def test_a_discounted_bill_is_charged_at_its_total(bench: Bench) -> None:
    """What is collected is compared with the total after discounts."""
    how = Collection.charge(bench.emulator.payment_method)
    bill = charge(Line(amount=eur(2500)), discounts=[Discount(amount=eur(250))], collection=how, issued_at=DUE)
    found = bench.billing.create(bill, allow=["tax"])
    assert found.amount_paid == eur(2250)


def test_rates_of_tax_are_refused(bench: Bench) -> None:
    """No field takes one."""
    with pytest.raises(Unsupported, match="Whop taxes an invoice by the account's own settings"):
        bench.billing.create(charge(Line(amount=eur(1000)), tax=[TaxRate(name="VAT", rate=19)]))
    assert bench.transport.sent == []
