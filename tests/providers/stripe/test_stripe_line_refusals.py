"""Lines that Stripe does not take: each is refused before anything is sent, with its source and what to do."""

from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import Discount, Line, Money, OneTimeCharge, TaxRate, Unsupported
from invoice_bridge.providers.stripe.lines import line_forms

LOWER = Discount(amount=Money(1, "EUR"))
ADD_LINES = "stripe-python 16.1.0, InvoiceAddLinesParams"
TAX_AMOUNTS = f"{ADD_LINES}, lines[].tax_amounts"
AUTOMATIC = "stripe-python 16.1.0, InvoiceCreateParamsAutomaticTax.enabled"


def line(amount: int = 1000, **more: Any) -> Line:
    return Line(amount=Money(amount, "EUR"), **more)


def rate(percent: str = "19", name: str = "VAT") -> TaxRate:
    return TaxRate(name=name, rate=Decimal(percent))


@pytest.mark.parametrize(
    "more,text,source,remedy",
    [
        (
            {"lines": [line()] * 250, "discounts": [LOWER]},
            "the bill has 251 lines, its discounts included, and Stripe takes at most 250",
            "docs.stripe.com/changelog/2016-02-22, 250 items an invoice",
            "split it into several bills",
        ),
        (
            {"lines": [line()], "discounts": [LOWER], "tax": "provider"},
            "Stripe only takes a discount with an amount as a negative line, and such a line has no tax",
            f"{AUTOMATIC}; InvoiceAddLinesParamsLineDiscount",
            'lower the amounts of the lines, or bill with tax="none"',
        ),
        (
            {"lines": [line(), line(-1)], "tax": "provider"},
            "Stripe computes no tax for an invoice with a negative line",
            AUTOMATIC,
            'bill without that line, or with tax="none"',
        ),
        (
            {"lines": [line(price="p_1", product="prod_1"), line(price="p_1", product="prod_2")]},
            "the price p_1 belongs to one product, but the lines name prod_1 and prod_2",
            None,
            "name the price only",
        ),
        (
            {"lines": [line()], "tax": [rate()] * 21},
            "Stripe takes at most 20 taxes on a line, and a line has 21",
            TAX_AMOUNTS,
            "state several as one",
        ),
        (
            {"lines": [line()], "tax": [rate("19.12345")]},
            "Stripe takes tax rates of 0 to 100 % with at most 4 decimals, and VAT is 19.12345 %",
            TAX_AMOUNTS,
            "give fewer decimals",
        ),
        (
            {"lines": [line(), line(-1)], "tax": [rate()]},
            "it is not documented whether a negative line takes tax amounts",
            TAX_AMOUNTS,
            "lower the amounts of the other lines instead",
        ),
        (
            {"lines": [line(metadata={"a": ""})]},
            "Stripe keeps no line metadata with an empty value",
            "docs.stripe.com/api/metadata",
            "leave the key out",
        ),
    ],
)
def test_a_line_that_stripe_does_not_take_is_refused(
    more: dict[str, Any], text: str, source: str | None, remedy: str
) -> None:
    """What is wrong, how much is taken, and the way out."""
    with pytest.raises(Unsupported) as refused:
        line_forms(OneTimeCharge(reference="r", customer="cus_42", **more))
    assert str(refused.value) == (f"{text}; {remedy}" if remedy else text)
    assert refused.value.remedy == remedy
    assert refused.value.source
    assert source is None or refused.value.source == source


def test_as_much_as_stripe_takes_is_sent() -> None:
    """The bounds are included."""
    assert len(line_forms(OneTimeCharge(reference="r", customer="c", lines=[line()] * 249, discounts=[LOWER]))) == 250
    rates = [rate("19.1234", f"T{n}") for n in range(20)]
    (form,) = line_forms(OneTimeCharge(reference="r", customer="c", lines=[line()], tax=rates))
    assert len(form.get("tax_amounts", [])) == 20
    (form,) = line_forms(OneTimeCharge(reference="r", customer="c", lines=[line()], tax=[rate("0"), rate("100", "T")]))
    assert [tax["amount"] for tax in form.get("tax_amounts") or ()] == [0, 1000]
    same = [line(price="p_1", product="prod_1")] * 2
    assert len(line_forms(OneTimeCharge(reference="r", customer="c", lines=same))) == 2
