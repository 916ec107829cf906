"""What Stripe states of an invoice beside its lines and amounts, checked by hand; of before basil (2025-03) too."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    Address,
    Adjustment,
    Discount,
    Invoice,
    Line,
    Money,
    OneTimeCharge,
    Payment,
    TaxId,
    TaxLine,
    Unsupported,
    decode,
    losses,
)
from tests.providers.stripe.conftest import World

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings" / "stripe"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


LINE: dict[str, Any] = {
    "id": "il_1",
    "amount": 10000,
    "currency": "eur",
    "discount_amounts": [{"amount": 1000, "discount": "di_1"}],
    "metadata": {"meter": "7"},
    "pricing": {"price_details": {"price": "price_1", "product": "prod_1"}, "unit_amount_decimal": "10000"},
    "parent": {
        "type": "subscription_item_details",
        "subscription_item_details": {"subscription": "sub_1", "proration": True},
    },
    "taxes": [{"amount": 1710, "tax_behavior": "exclusive", "taxable_amount": 9000}],
}
WHOLE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "status": "open",
    "currency": "eur",
    # 100.00 − 10.00 + 17.10 on top + 5.00 shipping; 1.00 of city tax is within
    "total": 11210,
    "amount_shipping": 500,
    "amount_due": 11210,
    "amount_paid": 4000,
    "amount_remaining": 7210,
    "lines": {"data": [LINE], "has_more": False, "total_count": 1},
    "total_discount_amounts": [{"amount": 1000, "discount": "di_1"}],
    "total_taxes": [
        {"amount": 1710, "tax_behavior": "exclusive", "taxable_amount": 9000, "type": "tax_rate_details"},
        {"amount": 100, "tax_behavior": "inclusive", "taxable_amount": None},
    ],
    "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
    "custom_fields": [{"name": "Depot", "value": "Lyon"}],
    "footer": "Thank you",
    "customer": "cus_1",
    "customer_address": {"line1": "Rue 1", "line2": None, "city": "Lyon", "country": "FR", "postal_code": "69001"},
    "customer_tax_ids": [{"type": "eu_vat", "value": "FR1"}],
    "attempt_count": 2,
    "next_payment_attempt": 1777593600,
    "status_transitions": {"marked_uncollectible_at": 1777593600},
    "payments": {
        "has_more": False,
        "data": [
            {
                "id": "inpay_1",
                "amount_paid": 4000,
                "amount_requested": 11210,
                "status": "paid",
                "status_transitions": {"paid_at": 1777593600},
                "payment": {"type": "payment_intent", "payment_intent": {"id": "pi_1", "payment_method": "pm_1"}},
            },
            {
                "id": "inpay_2",
                "amount_paid": None,
                "amount_requested": 7210,
                "status": "open",
                "created": 1777593600,
                "payment": {"type": "payment_record"},
            },
        ],
    },
}
MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)


def read(**changes: Any) -> Invoice:
    return decode("stripe", {**WHOLE, **changes})


def test_the_taxes_discounts_and_shipping_close_the_arithmetic() -> None:
    """Two taxes, one of them within the lines, a discount by id, and shipping come to the total."""
    found = read()
    assert found.problems == ()
    assert found.taxes == (
        TaxLine(amount=eur(1710), base=eur(9000), inclusive=False),
        TaxLine(amount=eur(100), inclusive=True),
    )
    assert found.discounts == (Discount(id="di_1", amount=eur(1000)),)
    assert found.adjustments == (Adjustment(kind="shipping", amount=eur(500)),)
    assert (found.subtotal, found.discount, found.tax, found.total) == (eur(10000), eur(1000), eur(1810), eur(11210))
    assert found.unbalanced() is None
    assert read(total=11211).unbalanced() == eur(1)


def test_a_line_says_what_it_bills() -> None:
    """Its id, product, price, subscription, discount, taxes, metadata and whether it is a part of a period."""
    (line,) = read().lines
    assert (line.id, line.product, line.price, line.subscription) == ("il_1", "prod_1", "price_1", "sub_1")
    assert (line.discount, line.metadata, line.proration) == (eur(1000), {"meter": "7"}, True)
    assert line.taxes == (TaxLine(amount=eur(1710), base=eur(9000), inclusive=False),)


def test_whom_it_bills_and_what_it_shows() -> None:
    """Address, tax ids, custom fields, footer, subscription, and the provider's tries to collect."""
    found = read()
    assert found.customer is not None
    assert found.customer.address == Address(line1="Rue 1", city="Lyon", postal_code="69001", country="FR")
    assert found.customer.tax_ids == (TaxId(kind="eu_vat", value="FR1"),)
    assert (found.subscription, found.custom_fields, found.footer) == ("sub_1", {"Depot": "Lyon"}, "Thank you")
    assert (found.attempts, found.next_attempt_at, found.uncollectible_at) == (2, MAY_1, MAY_1)


def test_a_part_payment_and_one_that_is_asked_for() -> None:
    """What was paid, by which method; an open one is unknown, and pending where its intent is processing."""
    paid, asked = read().payments
    assert paid == Payment(
        id="inpay_1", amount=eur(4000), at=MAY_1, state="succeeded", method="pm_1", recorded_outside=False
    )
    assert asked == Payment(
        id="inpay_2", amount=eur(7210), at=MAY_1, state="unknown", method="payment_record", recorded_outside=True
    )
    assert read().payments_complete is True
    rows = WHOLE["payments"]["data"]
    assert read(payments={"has_more": True, "data": rows}).payments_complete is False
    assert (read(payments=None).payments, read(payments=None).payments_complete) == ((), False)
    intent = {"type": "payment_intent", "payment_intent": {"id": "pi_2", "status": "processing"}}
    assert read(payments={"data": [rows[1] | {"payment": intent}]}).payments[0].state == "pending"


def test_a_credit_before_tax_is_named_where_the_total_has_lost_it() -> None:
    """Whether the total has lost it is not confirmed: it is an adjustment where the arithmetic says so alone."""
    rows = [{"type": "credit_balance_transaction", "amount": 1000}, {"type": "discount", "amount": 1000}]
    lost = read(total=10210, total_pretax_credit_amounts=rows)
    assert Adjustment(kind="credit", amount=eur(-1000)) in lost.adjustments
    assert lost.unbalanced() is None
    assert [one.kind for one in read(total_pretax_credit_amounts=rows).adjustments] == ["shipping"]


def test_what_stood_elsewhere_before_basil() -> None:
    """Price, subscription and proration of a line, tax rates that are expanded, a coupon's name, the charge."""
    rate = {"id": "txr_1", "display_name": "VAT", "percentage": 19.6, "inclusive": False}
    line = {
        "id": "il_1",
        "amount": 10000,
        "price": {"id": "price_1", "product": {"id": "prod_1"}},
        "subscription": "sub_1",
        "proration": False,
        "tax_amounts": [{"amount": 1960, "inclusive": False, "tax_rate": rate, "taxable_amount": 10000}],
    }
    found = read(
        lines={"data": [line], "has_more": False},
        total=10960,
        amount_shipping=0,
        total_taxes=None,
        total_tax_amounts=[{"amount": 1960, "inclusive": False, "tax_rate": rate}],
        total_discount_amounts=[
            {
                "amount": 1000,
                "discount": {"id": "di_1", "coupon": {"name": "Spring"}, "promotion_code": {"code": "SPRING"}},
            }
        ],
        parent=None,
        subscription={"id": "sub_1"},
        payments=None,
        charge={
            "id": "ch_1",
            "amount": 10960,
            "amount_refunded": 500,
            "created": 1777593600,
            "status": "succeeded",
            "payment_method": "pm_1",
        },
    )
    assert found.problems == ()
    assert found.unbalanced() is None
    assert found.taxes == (TaxLine(name="VAT", rate=Decimal("19.6"), amount=eur(1960), inclusive=False),)
    assert found.discounts == (Discount(id="di_1", code="SPRING", name="Spring", amount=eur(1000)),)
    (old,) = found.lines
    assert (old.product, old.price, old.subscription, old.proration) == ("prod_1", "price_1", "sub_1", False)
    assert old.taxes[0].base == eur(10000)
    assert found.subscription == "sub_1"
    assert found.payments == (
        Payment(
            id="ch_1",
            amount=eur(10960),
            at=MAY_1,
            state="succeeded",
            method="pm_1",
            recorded_outside=False,
            refunded=eur(500),
        ),
    )
    assert read(charge="ch_1", payments=None).payments == ()


@pytest.mark.parametrize(
    "changes,path",
    [
        ({"footer": 7}, "footer"),
        ({"attempt_count": "two"}, "attempt_count"),
        ({"next_payment_attempt": "soon"}, "next_payment_attempt"),
        ({"customer_tax_ids": "FR1"}, "customer_tax_ids"),
        ({"customer_address": "Lyon"}, "customer_address"),
        ({"total_taxes": [{"tax_behavior": "exclusive"}]}, "total_taxes[0].amount"),
        ({"lines": {"data": [LINE | {"metadata": 7}]}}, "lines.data[0].metadata"),
    ],
)
def test_what_is_of_another_type_is_no_silence(changes: dict[str, Any], path: str) -> None:
    """A part that cannot be read is None or left out, and noted."""
    assert path in {problem.path for problem in read(**changes).problems}


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the provider's recorded answers are not beside this project")
def test_every_recorded_invoice_closes() -> None:
    """Lines, discounts, taxes and adjustments come to the total on each of them."""
    read = [decode("stripe", json.loads(path.read_bytes(), parse_float=Decimal)) for path in RECORDINGS.glob("*.json")]
    assert len(read) >= 5
    assert [invoice.unbalanced() for invoice in read] == [None] * len(read)


def test_the_metadata_of_a_line_is_sent_and_comes_back(make: Callable[[], World]) -> None:
    """A bill's line keeps its own metadata; a key without a value, which Stripe would drop, is refused."""
    line = Line(description="Fees", amount=eur(1999), metadata={"meter": "7"})
    bill = OneTimeCharge(reference="res-1", customer="cus_42", lines=[line])
    assert losses("stripe", bill) == ()
    world = make()
    assert world.client.create(bill).lines[0].metadata == {"meter": "7"}
    empty = OneTimeCharge(reference="res-2", customer="cus_42", lines=[line.model_copy(update={"metadata": {"a": ""}})])
    with pytest.raises(Unsupported, match="no line metadata with an empty value"):
        world.client.create(empty)
