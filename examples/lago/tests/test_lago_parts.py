"""The parts of Lago's invoices: taxes, coupons, amounts billed before, the address; a wrong type is a problem."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    Address,
    Adjustment,
    Client,
    CustomerRef,
    Discount,
    Money,
    OneTimeCharge,
    TaxId,
    TaxLine,
    decode,
)
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge_lago.emulator import LagoEmulator

ROOT = "https://api.getlago.com/api/v1"


def document(**changes: Any) -> dict[str, Any]:
    """Return an invoice with the fields that every one has, by lago-openapi's InvoiceBaseObject.yaml."""
    return {"lago_id": "1a90", "status": "finalized", "payment_status": "pending", "currency": "EUR"} | changes


def test_taxes_coupons_the_address_and_what_a_fee_bills_are_read() -> None:
    """10.00 less a coupon of 1.00 and 2.00 billed before, with taxes of 20 % and 5 % of 7.00 on top, come to 8.75."""
    taxes = [{"tax_name": "TVA", "tax_rate": 20.0, "amount_cents": 140}, {"tax_rate": 5, "amount_cents": 35}]
    fee = {"lago_id": "f-1", "item": {"code": "startup"}, "external_subscription_id": "sub-1", "amount_cents": 1000}
    coupon = {"lago_id": "c-1", "amount_cents": 100, "item": {"type": "coupon", "code": "deal", "name": "Deal"}}
    invoice = decode(
        "lago",
        document(
            fees=[fee | {"applied_taxes": taxes[:1]}],
            fees_amount_cents=1000,
            coupons_amount_cents=100,
            progressive_billing_credit_amount_cents=200,
            taxes_amount_cents=175,
            sub_total_including_taxes_amount_cents=875,
            total_amount_cents=875,
            applied_taxes=taxes,
            credits=[coupon, {"lago_id": "n-1", "amount_cents": 5, "item": {"type": "credit_note"}}],
            subscriptions=[{"external_id": "sub-1"}],
            updated_at="2022-04-30T08:59:51Z",
            customer={"address_line1": "1 rue X", "zipcode": "69001", "tax_identification_number": "FR1"},
        ),
    )
    assert invoice.taxes == (
        TaxLine(name="TVA", rate=Decimal("20.0"), amount=Money(140, "EUR"), inclusive=False),
        TaxLine(rate=Decimal(5), amount=Money(35, "EUR"), inclusive=False),
    )
    assert invoice.discounts == (Discount(id="c-1", code="deal", name="Deal", amount=Money(100, "EUR")),)
    assert invoice.adjustments == (Adjustment(kind="other", amount=Money(-200, "EUR")),)
    (line,) = invoice.lines
    assert (line.id, line.product, line.subscription, line.taxes) == ("f-1", "startup", "sub-1", invoice.taxes[:1])
    assert invoice.customer == CustomerRef(
        address=Address(line1="1 rue X", postal_code="69001"), tax_ids=(TaxId(value="FR1"),)
    )
    assert (invoice.subscription, invoice.updated_at) == ("sub-1", datetime(2022, 4, 30, 8, 59, 51, tzinfo=UTC))
    assert (invoice.unbalanced(), invoice.problems, invoice.payments_complete) == (None, (), False)


@pytest.mark.parametrize(
    "wrong, path",
    [
        ({"applied_taxes": [{"amount_cents": "140"}]}, "applied_taxes[0].amount_cents"),
        ({"credits": [{"amount_cents": "1", "item": {"type": "coupon"}}]}, "credits[0].amount_cents"),
        ({"credits": "none"}, "credits"),
        ({"subscriptions": [{"external_id": 7}]}, "subscriptions[0].external_id"),
        ({"updated_at": 7}, "updated_at"),
        ({"customer": {"zipcode": 69001}}, "customer.zipcode"),
        ({"customer": {"tax_identification_number": 7}}, "customer.tax_identification_number"),
        ({"progressive_billing_credit_amount_cents": "200"}, "progressive_billing_credit_amount_cents"),
    ],
)
def test_a_part_of_a_wrong_type_is_noted(wrong: dict[str, Any], path: str) -> None:
    """It reads as None, or is omitted from its list; two subscriptions read as None."""
    invoice = decode("lago", document(**wrong))
    assert [problem.path for problem in invoice.problems] == [path]
    assert (invoice.taxes, invoice.adjustments, invoice.subscription, invoice.customer) == ((), (), None, None)
    assert decode("lago", document(subscriptions=[{"external_id": "a"}, {"external_id": "b"}])).subscription is None


def test_a_tax_of_the_emulator_balances() -> None:
    """The emulator's tax is one exclusive tax line."""
    emulator = LagoEmulator()
    emulator.tax_percent = 20
    bill = OneTimeCharge(reference="r-1", customer="cus_42", amount=Money(2000, "EUR"), tax="provider")
    with httpx.Client(transport=EmulatorTransport(emulator, ROOT)) as http:
        invoice = Client("lago", api_key=emulator.key, http=http, **emulator.settings).create(bill)
    assert [(tax.name, tax.rate, tax.amount) for tax in invoice.taxes] == [("TVA", Decimal(20), Money(400, "EUR"))]
    assert (invoice.unbalanced(), invoice.taxes[0].inclusive) == (None, False)
