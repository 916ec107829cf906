"""Parts of an invoice that are not as Chargebee documents them: None, and a problem."""

import copy
from typing import Any

import pytest

from invoice_bridge import Invoice, Money, decode
from tests.providers.chargebee.literals import WHOLE


def read(data: dict[str, Any]) -> Invoice:
    return decode("chargebee", data)


@pytest.mark.parametrize(
    "path, value",
    [
        ("updated_at", "now"),
        ("next_retry_at", 1.5),
        ("subscription_id", 7),
        ("price_type", 7),
        ("round_off_amount", "0.75"),
        ("vat_number", 7),
        ("vat_number_prefix", 7),
        ("billing_address", "Belfast"),
        ("billing_address.first_name", 7),
        ("billing_address.last_name", 7),
        ("billing_address.email", "x"),
        ("billing_address.line1", []),
        ("billing_address.line2", 7),
        ("billing_address.line3", 7),
        ("billing_address.city", 7),
        ("billing_address.state_code", 7),
        ("billing_address.zip", 69001),
        ("billing_address.country", 7),
        ("taxes", "VAT"),
        ("taxes[0].name", 7),
        ("taxes[0].amount", "2800"),
        ("line_item_taxes", {}),
        ("line_item_taxes[0]", "VAT"),
        ("line_item_taxes[0].line_item_id", 7),
        ("line_item_taxes[0].tax_name", 7),
        ("line_item_taxes[0].tax_rate", "high"),
        ("line_item_taxes[0].taxable_amount", "9000"),
        ("line_item_taxes[0].tax_amount", None),
        ("discounts[0].entity_id", 7),
        ("discounts[0].coupon_set_code", 7),
        ("discounts[0].description", 7),
        ("discounts[0].amount", "10.00"),
        ("line_item_discounts[0].entity_id", 7),
        ("line_items[0].id", 7),
        ("line_items[0].entity_type", 7),
        ("line_items[0].entity_id", 7),
        ("line_items[0].subscription_id", 7),
        ("line_items[0].proration_mode", True),
        ("line_items[0].discount_amount", "10.00"),
        ("line_items[0].tax_amount", "18.00"),
        ("line_items[0].tax_rate", "high"),
        ("linked_payments", {}),
        ("linked_payments[0].txn_id", 7),
        ("linked_payments[0].txn_status", 7),
        ("linked_payments[0].applied_amount", "17000"),
        ("linked_payments[0].txn_date", "now"),
        ("linked_payments[1].applied_at", "now"),
        ("dunning_attempts", {}),
        ("dunning_attempts[0].transaction_id", 7),
        ("adjustment_credit_notes", {}),
        ("adjustment_credit_notes[0].cn_id", 7),
        ("adjustment_credit_notes[0].cn_total", "500"),
        ("adjustment_credit_notes[0].cn_date", "now"),
        ("adjustment_credit_notes[0].cn_status", 7),
        ("adjustment_credit_notes[0].cn_create_reason_code", 7),
        ("issued_credit_notes", {}),
    ],
)
def test_what_cannot_be_read_is_noted(path: str, value: Any) -> None:
    """It is None there, the invoice is there, and the path is among its problems."""
    data = copy.deepcopy(WHOLE)
    place: Any = data
    *outer, last = path.replace("[", ".").replace("]", "").split(".")
    for name in outer:
        place = place[int(name) if isinstance(place, list) else name]
    place[int(last) if isinstance(place, list) else last] = value
    invoice = read(data)
    assert path in {problem.path for problem in invoice.problems}
    assert invoice.total == Money(17000, "EUR")


def test_a_tax_without_its_amount_is_left_out() -> None:
    """It is a problem of money: the taxes that are left are not all of them."""
    invoice = read(WHOLE | {"taxes": [{"name": "VAT"}, {"name": "City", "amount": 125}]})
    assert [tax.name for tax in invoice.taxes] == ["City"]
    assert [(problem.path, problem.money) for problem in invoice.problems] == [("taxes[0].amount", True)]


def test_without_a_currency_no_part_has_an_amount() -> None:
    """One problem, the currency; what is no amount is read all the same."""
    invoice = read(WHOLE | {"currency_code": "XXX"})
    assert [problem.path for problem in invoice.problems] == ["currency_code"]
    assert (invoice.taxes, invoice.adjustments, invoice.lines) == ((), (), ())
    assert [payment.amount for payment in invoice.payments] == [None, None, None]
    assert [(note.id, note.amount) for note in invoice.credit_notes] == [("CN-1", None)]
    assert [discount.id for discount in invoice.discounts] == ["SPRING"]
