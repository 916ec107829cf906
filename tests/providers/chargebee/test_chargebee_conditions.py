"""What a plan of a bill at Chargebee says of prices, quantities and a subscription."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import ImportInvoice, Line, Money, OneTimeCharge, Status, explain
from invoice_bridge.explain import Plan
from invoice_bridge.providers.chargebee.conditions import reference_field


def planned(line: dict[str, Any] | None = None, **more: Any) -> Plan:
    lines = (Line(description="Seats", amount=Money(2000, "EUR"), **line or {}),)
    bill = OneTimeCharge(reference="res-1", customer="cus_42", lines=lines, **more)
    return explain("chargebee", bill, site="acme-test", lookup="never")


def test_a_bill_of_a_subscription_shows_that_it_is_read_first() -> None:
    """Its customer and its currency are compared; then the invoice is made for it."""
    made = planned(subscription="sub_1")
    assert made.refusal is None
    assert [f"{request.method} {request.url.rpartition('/v2/')[2]}" for request in made.requests[:2]] == [
        "GET subscriptions/sub_1",
        "POST invoices/create_for_charge_items_and_charges",
    ]
    assert made.requests[0].note == "its customer and currency must be the bill's: the invoice takes both from it"


@pytest.mark.parametrize("tax,is_lost", [("none", True), ("provider", False)])
def test_an_item_price_may_be_taxed_all_the_same(tax: Any, is_lost: bool) -> None:
    """Of a bill without tax that is a loss; of one with the provider's tax it is what was asked for."""
    codes = {loss.code for loss in planned({"price": "seat-EUR"}, tax=tax).losses}
    assert ("IB-CHARGEBEE-TAX-02" in codes) is is_lost
    assert "IB-CHARGEBEE-TAX-02" not in {loss.code for loss in planned(tax=tax).losses}


@pytest.mark.parametrize("quantity,is_lost", [(None, False), (Decimal(1), False), (Decimal(2), True)])
def test_a_quantity_other_than_one_is_a_loss(quantity: Decimal | None, is_lost: bool) -> None:
    """A charge has an amount alone."""
    losses = [loss for loss in planned({"quantity": quantity}).losses if loss.path == "lines[].quantity"]
    assert bool(losses) is is_lost


def test_a_price_takes_the_purchase_order_of_a_bill_and_not_of_an_import() -> None:
    """A bill of item prices is made by another request; an import states amounts, whatever its lines name."""
    said: dict[str, Any] = {"reference": "res-1", "customer": "cus_42"}
    lines = (Line(description="Seats", amount=Money(2000, "EUR"), price="seat-EUR"),)
    assert reference_field(OneTimeCharge(**said, lines=lines), {}) is None
    total, issued_at = Money(2000, "EUR"), datetime(2026, 1, 1, tzinfo=UTC)
    past = ImportInvoice(**said, lines=lines, status=Status.OPEN, total=total, issued_at=issued_at)
    assert reference_field(past, {}) == "po_number"
