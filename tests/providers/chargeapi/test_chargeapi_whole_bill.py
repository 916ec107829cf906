"""Discounts and rates of tax, of which no request of ChargeAPI's takes any."""

import pytest

from invoice_bridge import AmountMismatch, Discount, LossyTranslation, Money, Status, TaxRate, Unsupported
from tests.providers.chargeapi.bench import Bench, may_charge


def test_a_discounted_bill_is_the_total_that_the_transactions_come_to() -> None:
    """The period holds 25.00: a bill of 30.00 less 5.00 is that, once its losses are allowed."""
    bill = may_charge(amount=Money(3000, "EUR"), discounts=[Discount(name="Spring", amount=Money(500, "EUR"))])
    with pytest.raises(LossyTranslation, match="IB-CHARGEAPI-DISCOUNT-01"):
        Bench().client.create(bill, allow=["amount"])
    found = Bench().client.create(bill, allow=["amount", "discounts"])
    assert (found.status, found.total) == (Status.OPEN, Money(2500, "EUR"))


def test_a_discount_that_the_transactions_do_not_have_stops_the_bill() -> None:
    """25.00 less 5.00 is not what the period holds: the draft is not issued."""
    bench = Bench()
    bill = may_charge(discounts=[Discount(amount=Money(500, "EUR"))])
    with pytest.raises(AmountMismatch, match=r"asked for 20\.00 EUR"):
        bench.client.create(bill, allow=["amount", "discounts"])
    assert bench.events == []


def test_a_subscription_beside_an_amount_is_a_loss() -> None:
    """ChargeAPI bills all transactions of the period."""
    with pytest.raises(LossyTranslation, match="IB-CHARGEAPI-SUBSCRIPTION-01"):
        Bench().client.create(may_charge(subscription="sub_1"), allow=["amount"])


def test_rates_of_tax_are_refused() -> None:
    """Before anything is sent."""
    bench = Bench()
    with pytest.raises(Unsupported, match="ChargeAPI calculates tax by the account's settings"):
        bench.client.create(may_charge(tax=[TaxRate(name="VAT", rate=19)]), allow=["amount"])
    assert bench.sent == []
