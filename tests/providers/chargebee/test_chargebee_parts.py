"""What Chargebee states of an invoice beside its lines and amounts, checked by hand; of both product catalogs."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import (
    Address,
    Adjustment,
    CreditNote,
    CustomerRef,
    Discount,
    Invoice,
    Line,
    Money,
    Payment,
    Period,
    Status,
    TaxId,
    TaxLine,
    decode,
)
from tests.providers.chargebee.literals import JUNE, OLD, WHOLE


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


def read(data: dict[str, Any]) -> Invoice:
    return decode("chargebee", data)


VAT, CITY = Decimal(20), Decimal("2.5")


def test_the_whole_comes_to_its_total() -> None:
    """Lines less discounts, two taxes on top and rounding: nothing is left over, and nothing was unreadable."""
    invoice = read(WHOLE)
    assert (invoice.problems, invoice.unbalanced()) == ((), None)
    amounts = (invoice.subtotal, invoice.discount, invoice.tax, invoice.total, invoice.amount_remaining)
    assert amounts == (eur(15000), eur(1000), eur(2925), eur(17000), eur(12500))
    assert (invoice.amount_due, invoice.amount_paid, invoice.amount_credited) == (eur(16500), eur(4000), eur(500))


def test_taxes_have_the_rate_and_the_base_that_the_lines_state() -> None:
    """The invoice's list has names and amounts alone."""
    assert read(WHOLE).taxes == (
        TaxLine(name="VAT", rate=VAT, amount=eur(2800), base=eur(14000), inclusive=False),
        TaxLine(name="City", rate=CITY, amount=eur(125), base=eur(5000), inclusive=False),
    )


@pytest.mark.parametrize(
    "row, rate, base",
    [
        ({"tax_amount": 999}, None, None),
        ({"tax_rate": 19}, None, eur(14000)),
        ({"taxable_amount": None}, VAT, None),
        ({"tax_name": "Other"}, None, None),
    ],
)
def test_a_tax_keeps_to_itself_what_the_lines_do_not_agree_on(
    row: dict[str, Any], rate: Decimal | None, base: Money | None
) -> None:
    """Lines that do not come to the tax's amount say nothing of it, and of two rates neither is the invoice's."""
    data = copy.deepcopy(WHOLE)
    data["line_item_taxes"][1] |= row
    assert read(data).taxes[0] == TaxLine(name="VAT", rate=rate, amount=eur(2800), base=base, inclusive=False)


def test_a_line_has_its_ids_its_taxes_and_its_discount() -> None:
    """A line of the catalog bills a price; one with a mode of proration bills a part of a period."""
    first, second = read(WHOLE).lines
    assert first == Line(
        description="Fleet - Prorated Charges",
        quantity=Decimal(1),
        unit_amount=eur(10000),
        amount=eur(10000),
        period=Period(at(2026, 5, 1), at(2026, 6, 1)),
        id="li_1",
        price="fleet-EUR-monthly",
        subscription="sub_1",
        discount=eur(1000),
        taxes=[TaxLine(name="VAT", rate=VAT, amount=eur(1800), base=eur(9000), inclusive=False)],
        proration=True,
        provider="chargebee",
    )
    assert second == Line(
        description="Roadside call",
        amount=eur(5000),
        id="li_2",
        discount=eur(0),
        taxes=[
            TaxLine(name="VAT", rate=VAT, amount=eur(1000), base=eur(5000), inclusive=False),
            TaxLine(name="City", rate=CITY, amount=eur(125), base=eur(5000), inclusive=False),
        ],
    )


@pytest.mark.parametrize(
    "kind, price, product",
    [
        ("plan_item_price", "x", None),
        ("addon_item_price", "x", None),
        ("charge_item_price", "x", None),
        ("plan", None, "x"),
        ("plan_setup", None, "x"),
        ("addon", None, "x"),
        ("adhoc", None, None),
        ("brand_new", None, None),
        (None, None, None),
    ],
)
def test_what_a_line_bills_by_catalog(kind: str | None, price: str | None, product: str | None) -> None:
    """Prices of items on catalog 2, plans and addons on catalog 1; an id of anything else is listed as unmapped."""
    invoice = read(WHOLE | {"line_items": [{"amount": 5, "entity_type": kind, "entity_id": "x"}]})
    (line,) = invoice.lines
    assert (line.price, line.product) == (price, product)
    assert ("line_items[].entity_id" in invoice.unmapped()) is (price is product)


def test_discounts_name_the_coupon_and_the_code() -> None:
    """The code is one of a set's; the coupon is what it belongs to."""
    assert read(WHOLE).discounts == (Discount(id="SPRING", code="SPRING-7Q", name="Spring offer", amount=eur(1000)),)


def test_discounts_of_lines_where_the_invoice_lists_none() -> None:
    """A list of the lines' discounts states them too: by entity, or by coupon in older answers."""
    rows = [{"entity_id": "SPRING", "discount_amount": 600}, {"coupon_id": "OLD", "discount_amount": 400}]
    invoice = read(WHOLE | {"discounts": [], "line_item_discounts": rows})
    assert invoice.discounts == (Discount(id="SPRING", amount=eur(600)), Discount(id="OLD", amount=eur(400)))
    assert (invoice.discount, invoice.unbalanced()) == (eur(1000), None)


def test_promotional_credits_are_a_discount_once() -> None:
    """They are listed with the discounts, so no adjustment counts them a second time."""
    promotion = {"entity_type": "promotional_credits", "description": "Credits", "amount": 500}
    data = {
        "id": "7",
        "currency_code": "EUR",
        "line_items": [{"amount": 2000}],
        "discounts": [promotion],
        "total": 1500,
    }
    invoice = read(data)
    assert (invoice.discount, invoice.adjustments, invoice.unbalanced()) == (eur(500), (), None)
    assert invoice.discounts == (Discount(name="Credits", amount=eur(500)),)


@pytest.mark.parametrize("units", [75, -25])
def test_rounding_is_an_adjustment_with_its_sign(units: int) -> None:
    """It is added to the total; without it there is none."""
    invoice = read(WHOLE | {"round_off_amount": units, "total": 16925 + units})
    assert invoice.adjustments == (Adjustment(kind="rounding", amount=eur(units)),)
    assert invoice.unbalanced() is None
    assert read(WHOLE | {"round_off_amount": 0}).adjustments == ()


def test_what_is_missing_shows() -> None:
    """A total that the parts do not come to is no problem of reading, and is not hidden."""
    assert read(WHOLE | {"total": 17001}).unbalanced() == eur(1)


def test_payments_and_attempts_at_them() -> None:
    """What each applies to this invoice, whatever else its transaction paid; a failed one is listed too."""
    invoice = read(WHOLE)
    assert invoice.payments == (
        Payment(id="txn_1", amount=eur(17000), at=at(2026, 5, 1), state="failed"),
        Payment(id="txn_2", amount=eur(4000), at=at(2026, 5, 1, 0, 1), state="succeeded"),
        Payment(id="txn_3", amount=eur(1000), state="pending"),
    )
    assert (invoice.payments_complete, invoice.payment_pending) == (True, True)
    assert "linked_payments[].txn_amount" in invoice.unmapped()


@pytest.mark.parametrize(
    "word, state",
    [
        ("success", "succeeded"),
        ("in_progress", "pending"),
        ("failure", "failed"),
        ("late_failure", "failed"),
        ("timeout", "failed"),
        ("voided", "canceled"),
        ("needs_attention", "unknown"),
        ("brand_new", "unknown"),
        (None, "unknown"),
    ],
)
def test_states_of_payments(word: str | None, state: str) -> None:
    """A word that we do not know is neither paid nor failed."""
    (payment,) = read(WHOLE | {"linked_payments": [{"txn_id": "t", "txn_status": word}]}).payments
    assert payment == Payment(id="t", state=state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "facts, attempts",
    [
        ({}, 1),
        ({"dunning_attempts": []}, None),
        ({"dunning_attempts": [], "linked_payments": []}, 0),
        ({"dunning_attempts": None}, None),
        ({"dunning_attempts": [{"transaction_id": "a"}, {"transaction_id": "b"}, {"attempt": 2}]}, 2),
    ],
)
def test_attempts_are_those_with_a_transaction(facts: dict[str, Any], attempts: int | None) -> None:
    """A reminder is no try to collect; a payment outside of dunning may be one, or not."""
    invoice = read(WHOLE | facts)
    assert (invoice.attempts, invoice.next_attempt_at) == (attempts, at(2026, 5, 2))


def test_credit_notes_but_for_voided_ones() -> None:
    """Those that lower what is due; the list is whole although a voided one is left out."""
    invoice = read(WHOLE)
    note = CreditNote(id="CN-1", number="CN-1", amount=eur(500), reason="Waiver", kind="adjustment", at=at(2026, 5, 1))
    assert (invoice.credit_notes, invoice.credit_notes_complete) == ((note,), True)


def test_a_refund_is_a_credit_note_of_the_paid_invoice() -> None:
    """A refunded note gave money back; one that is due, or spent, is a balance of the customer."""
    rows = [
        {"cn_id": "CN-3", "cn_reason_code": "order_change", "cn_total": 300, "cn_status": "refunded"},
        {"cn_id": "CN-4", "cn_total": 200, "cn_status": "refund_due"},
        {"cn_id": "CN-5", "cn_total": 100, "cn_status": "adjusted"},
        {"cn_id": "CN-6", "cn_total": 50, "cn_status": "brand_new"},
    ]
    invoice = read(WHOLE | {"status": "paid", "adjustment_credit_notes": [], "issued_credit_notes": rows})
    assert [(note.id, note.kind, note.reason) for note in invoice.credit_notes] == [
        ("CN-3", "refund", "order_change"),
        ("CN-4", "credit", None),
        ("CN-5", "credit", None),
        ("CN-6", "unknown", None),
    ]
    assert (invoice.amount_refunded, invoice.amount_credited) == (eur(300), eur(650))


@pytest.mark.parametrize("reason", [{"cn_create_reason_code": "Write Off"}, {"cn_reason_code": "write_off"}])
def test_a_write_off_has_its_date(reason: dict[str, str]) -> None:
    """The credit note that gives the invoice up states when; of an invoice that is not given up it says nothing."""
    note = {"cn_id": "CN-9", "cn_total": 12500, "cn_date": JUNE, "cn_status": "adjusted", **reason}
    facts = {"adjustment_credit_notes": [note], "write_off_amount": 12500}
    invoice = read(WHOLE | facts | {"status": "paid"})
    assert (invoice.status, invoice.uncollectible_at) == (Status.UNCOLLECTIBLE, at(2026, 6, 1))
    assert [note.kind for note in invoice.credit_notes] == ["write_off"]
    assert read(WHOLE | facts).uncollectible_at is None
    assert read(WHOLE | facts | {"status": "paid", "adjustment_credit_notes": [note, note]}).uncollectible_at is None


@pytest.mark.parametrize("name", ["adjustment_credit_notes", "issued_credit_notes"])
@pytest.mark.parametrize("value", [None, ["CN-1"]])
def test_credit_notes_are_complete_where_both_lists_are(name: str, value: Any) -> None:
    """A list that is absent, or holds something else, may have had others."""
    assert read(WHOLE | {name: value}).credit_notes_complete is False


def test_the_customer_as_the_document_names_them() -> None:
    """The person's name before the company's; three lines of an address are two."""
    assert read(WHOLE).customer == CustomerRef(
        id="cus_1",
        email="ada@example.com",
        name="Ada Byron",
        address=Address(
            line1="1 Mill Road",
            line2="Unit 2, Docklands",
            city="Belfast",
            state="ANT",
            postal_code="BT1 1AA",
            country="GB",
        ),
        tax_ids=(TaxId(kind="vat_number", value="XI123456789"),),
    )


@pytest.mark.parametrize(
    "facts, value",
    [
        ({"vat_number": "DE1"}, "DE1"),
        ({"vat_number": "XI1", "vat_number_prefix": "XI"}, "XI1"),
        ({"vat_number_prefix": "XI"}, None),
    ],
)
def test_vat_numbers(facts: dict[str, str], value: str | None) -> None:
    """A prefix alone is no number, and is put before a number once."""
    customer = read({"id": "7", "currency_code": "EUR", "customer_id": "c", **facts}).customer
    assert customer is not None
    assert [tax_id.value for tax_id in customer.tax_ids] == ([] if value is None else [value])


def test_a_company_and_a_state_by_name() -> None:
    """Without a person the company is the name; a state has its name where it has a code too."""
    address = {"company": "Engines Ltd", "state": "Ohio", "state_code": "OH", "country": "US"}
    invoice = read({"id": "7", "currency_code": "EUR", "billing_address": address})
    assert invoice.customer == CustomerRef(name="Engines Ltd", address=Address(state="Ohio", country="US"))
    assert read({"id": "7", "currency_code": "EUR", "billing_address": {"validation_status": "valid"}}).customer is None


def test_instants_and_the_subscription() -> None:
    """When it changed, when it is tried again, and which subscription it bills."""
    invoice = read(WHOLE)
    assert (invoice.updated_at, invoice.subscription) == (at(2026, 5, 1, 0, 1), "sub_1")
    assert (invoice.footer, invoice.custom_fields) == (None, {})


@pytest.mark.parametrize(
    "named, subscription", [(["a", "a"], "a"), (["a", None], "a"), (["a", "b"], None), ([None], None)]
)
def test_a_consolidated_invoice_bills_a_subscription_where_it_is_one(
    named: list[str | None], subscription: str | None
) -> None:
    """It has no subscription_id of its own; of several subscriptions none is the invoice's."""
    rows = [{"amount": 5, "subscription_id": name} for name in named]
    data = {"id": "7", "currency_code": "EUR", "line_items": rows}
    assert read(data).subscription == subscription
    assert read(data | {"line_items_next_offset": "x"}).subscription is None


@pytest.mark.parametrize(
    "changes, complete",
    [
        ({}, True),
        ({"amount_paid": 4001}, False),
        ({"amount_paid": None}, True),  # nothing to hold them against
        ({"linked_payments": [], "amount_paid": 0}, True),
        ({"linked_payments": []}, False),  # as an import states that a payment was made, without listing it
    ],
)
def test_payments_are_complete_where_they_come_to_what_was_paid(changes: dict[str, Any], complete: bool) -> None:
    """The list has no pages, and what was paid is the sum of its successful rows: else one of them is not there."""
    assert read(WHOLE | changes).payments_complete is complete


# ── product catalog 1, and prices that include tax ───────────────────────────────────────────────────────────────────
def test_old_invoices_state_the_tax_of_a_line_on_the_line() -> None:
    """Without a list of the lines' taxes each has one, without a name; an untaxed line has none."""
    invoice = read(OLD)
    assert invoice.taxes == (TaxLine(name="USt", amount=eur(2090), inclusive=True),)
    assert [line.taxes for line in invoice.lines] == [
        (TaxLine(rate=Decimal(19), amount=eur(1900), inclusive=True),),
        (TaxLine(rate=Decimal(19), amount=eur(190), inclusive=True),),
        (),
    ]
    assert [line.product for line in invoice.lines] == ["gold", "gold", "seat"]
    assert (invoice.problems, invoice.unbalanced()) == ((), None)


def test_whether_prices_include_tax_may_be_absent() -> None:
    """Then no tax says so either."""
    assert [tax.inclusive for tax in read(OLD | {"price_type": None}).taxes] == [None]
    assert [tax.inclusive for tax in read(OLD | {"price_type": "brand_new"}).lines[0].taxes] == [None]
