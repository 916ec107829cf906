"""What Chargebee does by itself: credits at closing, rounding, a subscription's purchase order."""

from typing import Any

import pytest

from invoice_bridge import AmountMismatch, Collection, Money, OneTimeCharge, Period, PeriodInvoice, Status, losses
from tests.providers.chargebee.conftest import make_world

ACCRUED = PeriodInvoice(
    reference="may",
    customer="cus_42",
    currency="EUR",
    period=Period.month(2026, 5),
    subscription="sub_42",
    tax="provider",
    collection=Collection.charge(),
)
ALLOW = ["collection", "reference"]


def charge(**more: Any) -> OneTimeCharge:
    """A bill of 100.00 that is collected."""
    least: dict[str, Any] = {"reference": "r1", "customer": "cus_42", "amount": Money(10000, "EUR")}
    least["collection"] = Collection.charge("pm_42")
    return OneTimeCharge(**(least | more))


@pytest.mark.parametrize("on", [False, True])
def test_credits_that_closing_applies_are_reported(on: bool) -> None:
    """Credits are not known before: what was collected is compared after, and named; allow=["balance"] accepts it."""
    world = make_world(customer_credits=on)
    if not on:
        assert world.client.create(charge()).amount_paid == Money(10000, "EUR")
        return
    with pytest.raises(
        AmountMismatch, match=r"totals 100\.00 EUR and is paid, but only 95\.00 EUR was collected"
    ) as less:
        world.client.create(charge())
    assert less.value.outcome == "partly_done"
    other = make_world(customer_credits=True)
    made = other.client.create(charge(), allow=["balance"])
    assert (made.status, made.amount_paid) == (Status.PAID, Money(9500, "EUR"))


@pytest.mark.parametrize("again", [False, True])
def test_a_site_that_rounds_does_not_collect_another_amount(again: bool) -> None:
    """round_off_amount changes the total of the pending invoice: it is compared before it is closed, each time."""
    world = make_world(rounds_off=True)
    for _ in range(1 + again):
        with pytest.raises(AmountMismatch, match=r"asked for 19\.99 EUR"):
            world.client.create(charge(amount=Money(1999, "EUR")))
    assert world.events == []
    assert make_world(rounds_off=True).client.create(charge()).amount_paid == Money(10000, "EUR")


@pytest.mark.parametrize("field", [None, "cf_ref"])
def test_defect_45_a_subscriptions_purchase_order_is_never_written_over(field: str | None) -> None:
    """Defect 45: what is accrued inherits the subscription's order: it stays, and is read as no reference."""
    world = make_world(reference_field=field, lookup="never", subscription_order=True)
    made = world.client.create(ACCRUED, allow=ALLOW)
    (held,) = world.site.invoices.values()
    assert held["po_number"] == "PO-CUSTOMER-7"
    assert made.reference == ("may" if field else None)
    assert world.client.retrieve(made.id).reference == made.reference


def test_defect_45_a_reference_without_a_field_is_a_loss() -> None:
    """Defect 45: without a custom field the reference of an accrued bill is lost, and says so."""
    found = {loss.code for loss in losses("chargebee", ACCRUED, site="acme")}
    named = {loss.code for loss in losses("chargebee", ACCRUED, site="acme", reference_field="cf_ref")}
    assert found - named == {"IB-CHARGEBEE-REFERENCE-01"}


def test_defect_45_a_purchase_order_of_a_bill_is_not_its_reference() -> None:
    """Defect 45: a bill that has a purchase order and no field for its reference does not read the order as one."""
    world = make_world(lookup="never")
    made = world.client.create(charge(purchase_order="PO-9"), allow=["reference"])
    assert made.reference is None
