"""What a bill states besides amounts: its subscription, item prices, discounts, and rates of tax."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

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
from tests.providers.chargebee.conftest import World, make_world

ROUTE = "POST /invoices/create_for_charge_items_and_charges"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charge(*lines: Line, **more: Any) -> OneTimeCharge:
    return OneTimeCharge(**{"reference": "r", "customer": "cus_42", "lines": lines, **more})


def form(world: World, place: int = 0) -> Mapping[str, str]:
    """One of the bodies that were posted, decoded."""
    return dict(parse_qsl(world.bodies[place].decode(), keep_blank_values=True))


@pytest.fixture
def calm() -> World:
    """A site with a custom field for references, whose subscription collects nothing by itself."""
    world = make_world(reference_field="cf_ref", lookup="never")
    world.site.subscriptions["sub_42"]["auto_collection"] = "off"
    return world


# ── the subscription ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("catalog", [1, 2])
@pytest.mark.parametrize("kind", ["charge", "period"])
def test_own_lines_are_billed_to_the_subscription(catalog: Any, kind: str) -> None:
    """Defect 67: the subscription alone is named, and its customer and currency were the bill's before."""
    world = make_world(catalog, reference_field="cf_ref", lookup="never")
    world.site.subscriptions["sub_42"]["auto_collection"] = "off"
    said: dict[str, Any] = {
        "reference": "r", "customer": "cus_42", "subscription": "sub_42",
        "lines": [Line(description="Setup", amount=eur(1000))],
    }  # fmt: skip
    may = Period.month(2026, 5)
    bill = OneTimeCharge(**said) if kind == "charge" else PeriodInvoice(**said, period=may, currency="EUR")
    found = world.client.create(bill)
    assert (found.subscription, found.total, found.reference) == ("sub_42", eur(1000), "r")
    assert world.sent[0] == "GET /subscriptions/sub_42"
    assert form(world)["subscription_id"] == "sub_42"
    assert not {"customer_id", "currency_code", "po_number"} & set(form(world))
    assert [entry.event for entry in world.site.ledger] == ["issued"]


def test_a_single_charge_on_catalog_1_names_the_subscription_too() -> None:
    """The route of one line that collects at once takes a subscription as well."""
    world = make_world(1, reference_field="cf_ref", lookup="never")
    bill = charge(
        Line(description="Setup", amount=eur(1000)),
        subscription="sub_42", collection=Collection.charge("pm_42"), tax="provider",
    )  # fmt: skip
    found = world.client.create(bill, allow=["collection.kind"])
    assert (found.subscription, found.status) == ("sub_42", Status.PAID)
    assert world.sent[1] == "POST /invoices/charge"
    assert not {"customer_id", "currency_code"} & set(form(world))


@pytest.mark.parametrize(
    "facts,problem",
    [
        ({"customer_id": "cus_7"}, "belongs to the customer cus_7, and the bill states cus_42"),
        ({"currency_code": "USD"}, "is in USD, and the bill states EUR"),
        ({"currency_code": None}, "is in unstated, and the bill states EUR"),
    ],
)
def test_a_subscription_of_another_customer_or_currency_is_refused(
    calm: World, facts: dict[str, Any], problem: str
) -> None:
    """The invoice would take them from the subscription: what differs is seen before anything is made."""
    calm.site.subscriptions["sub_42"] |= facts
    with pytest.raises(Discrepancy, match=problem):
        calm.client.create(charge(Line(amount=eur(1000)), subscription="sub_42"))
    assert (calm.bodies, calm.events) == ([], [])


def test_an_unknown_subscription_is_refused(calm: World) -> None:
    """It is read first."""
    with pytest.raises(NotFound):
        calm.client.create(charge(Line(amount=eur(1000)), subscription="sub_7"))
    assert calm.bodies == []


def test_a_subscription_that_collects_by_itself_stops_a_manual_bill(calm: World) -> None:
    """That the request overrides the subscription's auto_collection is not documented: a person decides."""
    calm.site.subscriptions["sub_42"]["auto_collection"] = "on"
    bill = charge(Line(amount=eur(1000)), subscription="sub_42")
    with pytest.raises(Unsupported, match="the subscription sub_42 has auto_collection on"):
        calm.client.create(bill)
    assert calm.bodies == []
    assert calm.client.create(bill, allow=["collection.kind"]).status is Status.OPEN


def test_the_reference_never_goes_over_a_subscriptions_order() -> None:
    """Without a field of its own the reference is lost, and so the bill cannot be looked up: that is said before."""
    world = make_world()
    bill = charge(Line(amount=eur(1000)), subscription="sub_42")
    with pytest.raises(Unsupported, match="no reference of this bill that can be looked up"):
        world.client.create(bill, allow=["reference"])
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-REFERENCE-01"):
        make_world(lookup="never").client.create(bill)
    assert world.bodies == []


def test_a_subscriptions_payment_source_is_charged_only_when_allowed(calm: World) -> None:
    """Without a payment source of the bill's own the subscription's would be collected from."""
    bill = charge(Line(amount=eur(1000)), subscription="sub_42", collection=Collection.charge())
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-SUBSCRIPTION-02"):
        calm.client.create(bill)
    assert calm.client.losses(bill.model_copy(update={"collection": Collection.charge("pm_42")})) == ()


# ── item prices ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_line_of_an_item_price_keeps_its_amount(calm: World) -> None:
    """The catalog's item, once at the caller's amount; it is compared before it is issued."""
    lines = (Line(description="Energy", amount=eur(1300), price="charge-EUR"), Line(amount=eur(200)))
    found = calm.client.create(charge(*lines), allow=["collection.kind"])
    assert (found.total, found.status) == (eur(1500), Status.OPEN)
    assert sorted((line.price or "", line.amount) for line in found.lines) == [
        ("", eur(200)),
        ("charge-EUR", eur(1300)),
    ]
    assert calm.sent == [ROUTE, "POST /invoices/draft_inv_00000001/close"]
    assert form(calm)["create_pending_invoice"] == "true"
    assert form(calm)["item_prices[unit_price][0]"] == "1300"
    assert calm.events == ["issued"]


def test_an_item_price_with_tiers_stops_the_bill_as_a_draft(calm: World) -> None:
    """The item's tiers decide the amount: nothing is issued, mailed or collected."""
    for kind in (Collection.manual(), Collection.charge("pm_42"), Collection.send(net_days=14)):
        bill = charge(Line(amount=eur(1300), price="tiered-EUR"), reference=f"r-{kind.kind}", collection=kind)
        with pytest.raises(AmountMismatch, match="is draft"):
            calm.client.create(bill, allow=["collection.kind"])
    assert calm.events == []


def test_item_prices_that_differ_by_as_much_as_other_lines_stop_the_bill(calm: World) -> None:
    """The total agrees by chance: each item price is compared by itself."""
    calm.site.item_prices["other-EUR"] = 823
    bill = charge(Line(amount=eur(800), price="tiered-EUR"), Line(amount=eur(800), price="other-EUR"))
    with pytest.raises(AmountMismatch, match=r"the item price tiered-EUR should add up to 8\.00 EUR"):
        calm.client.create(bill)
    assert calm.events == []


def test_a_draft_of_an_item_price_that_was_left_is_not_closed(calm: World) -> None:
    """An invoice does not show whether closing it collects: a person finalizes it."""
    bill = charge(Line(amount=eur(1300), price="charge-EUR"))
    draft = calm.client.create(bill.model_copy(update={"draft": True}))
    assert draft.status is Status.DRAFT
    again = make_world(reference_field="cf_ref")
    again.site.invoices, again.site.customers = calm.site.invoices, calm.site.customers
    with pytest.raises(IdempotencyMismatch, match="finalize it yourself"):
        again.client.create(bill)


def test_a_bill_of_an_item_price_that_is_sent_again_is_one(calm: World) -> None:
    """The key repeats the pending invoice, which has another number since: it is read by that one."""
    bill = charge(Line(amount=eur(1300), price="charge-EUR"))
    first, second = calm.client.create(bill), calm.client.create(bill)
    assert (second.id, second.status) == (first.id, Status.OPEN)
    assert calm.events == ["issued"]


def test_a_manual_bill_of_an_item_price_mails_nobody(calm: World) -> None:
    """Closing it keeps the mails off, as making it does."""
    calm.site.mails_invoices = True
    calm.client.create(charge(Line(amount=eur(1300), price="charge-EUR")))
    assert calm.events == ["issued"]
    assert all("chargebee-event-email" in request.headers for request in calm.transport.sent)


def test_the_prices_of_lines_that_were_read_are_not_sent(calm: World) -> None:
    """A read line has an id, and its price is its provider's own; on catalog 1 there are no item prices."""
    read = Line(id="li_1", description="Energy", amount=eur(1300), product="prod_1", price="price_1")
    found = [loss.code for loss in calm.client.losses(charge(read)) if "LINE" in loss.code]
    assert found == ["IB-CHARGEBEE-LINE-PRICE-01", "IB-CHARGEBEE-LINE-PRODUCT-01"]
    old = make_world(1).client.losses(charge(Line(amount=eur(1300), price="charge-EUR")))
    assert "IB-CHARGEBEE-LINE-PRICE-01" in [loss.code for loss in old]


def test_an_item_price_that_is_taxed_stops_an_untaxed_bill(calm: World) -> None:
    """No request switches the tax of an item off: what it adds is seen on the draft."""
    calm.site.tax_percent = 19
    with pytest.raises(AmountMismatch, match="is draft"):
        calm.client.create(charge(Line(amount=eur(1000), price="charge-EUR")))
    assert calm.events == []
    taxed = calm.client.create(charge(Line(amount=eur(1000), price="charge-EUR"), reference="r2", tax="provider"))
    assert (taxed.tax, taxed.total) == (eur(190), eur(1190))


# ── discounts ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_discounts_of_the_bill_are_chargebees_own(calm: World) -> None:
    """The invoice states them as discounts, and is compared before it is issued."""
    spring = [Discount(name="Spring", amount=eur(250)), Discount(code="TEN", amount=eur(10))]
    found = calm.client.create(charge(Line(amount=eur(1500)), Line(amount=eur(1000)), discounts=spring))
    assert (found.subtotal, found.discount, found.total) == (eur(2500), eur(260), eur(2240))
    assert [discount.amount for discount in found.discounts] == [eur(250), eur(10)]
    assert form(calm)["discounts[apply_on][0]"] == "invoice_amount"
    assert calm.sent[1].endswith("/close")
    assert [loss.code for loss in found.losses if "DISCOUNT" in loss.code] == [
        "IB-CHARGEBEE-DISCOUNT-01",
        "IB-CHARGEBEE-DISCOUNT-02",
    ]


@pytest.mark.parametrize("collection", [Collection.manual(), Collection.charge("pm_42")], ids=lambda c: c.kind)
def test_a_discount_that_chargebee_ignores_stops_the_bill(collection: Collection) -> None:
    """That it lowers one-time charges is not documented: where it does not, nothing is issued or collected."""
    world = make_world(discounts_ignored=True)
    with pytest.raises(AmountMismatch, match="is draft"):
        world.client.create(
            charge(amount=eur(2500), lines=(), discounts=[Discount(amount=eur(250))], collection=collection)
        )
    assert world.events == []


def test_a_discount_that_nobody_asked_for_beside_one_is_refused() -> None:
    """Ten per cent of the site's own come on top of the bill's discount."""
    world = make_world(discounted=True)
    with pytest.raises(AmountMismatch, match=r"asked for 22\.50 EUR, the invoice .* is draft"):
        world.client.create(charge(amount=eur(2500), lines=(), discounts=[Discount(amount=eur(250))]))
    assert world.events == []


@pytest.mark.parametrize("inclusive", [True, False])
def test_discounted_bills_are_taxed_on_what_is_left(inclusive: bool) -> None:
    """Tax comes on top of, or is within, the lines less the discount; the figures close."""
    world = make_world(tax_inclusive=inclusive)
    world.site.tax_percent = 20
    bill = charge(amount=eur(2500), lines=(), discounts=[Discount(amount=eur(500))], tax="provider")
    found = world.client.create(bill)
    assert found.total == (eur(2000) if inclusive else eur(2400))
    assert found.unbalanced() is None


def test_a_discount_of_a_line_lowers_its_amount(calm: World) -> None:
    """A one-time charge has no discount of its own: what is left is billed, and that is said."""
    found = calm.client.create(charge(Line(description="Energy", amount=eur(1500), discount=eur(200))))
    assert [(line.description, line.amount) for line in found.lines] == [("Energy", eur(1300))]
    assert (found.total, "IB-CHARGEBEE-LINE-DISCOUNT-02" in [loss.code for loss in found.losses]) == (eur(1300), True)


def test_a_discounted_bill_is_found_again() -> None:
    """The same reference and content is the same invoice; another discount is another bill."""
    world = make_world()
    bill = charge(amount=eur(2500), lines=(), discounts=[Discount(amount=eur(250))])
    assert world.client.create(bill).id == world.client.create(bill).id
    with pytest.raises(IdempotencyMismatch, match=r"holds 22\.50 EUR, not 23\.00 EUR"):
        world.client.create(bill.model_copy(update={"discounts": (Discount(amount=eur(200)),)}))


def test_catalog_1_takes_no_discount_of_an_amount() -> None:
    """It takes coupons alone: refused before anything is sent."""
    world = make_world(1)
    with pytest.raises(Unsupported, match="on product catalog 1 a bill takes coupons"):
        world.client.create(charge(amount=eur(2500), lines=(), discounts=[Discount(amount=eur(250))]))
    assert world.sent == []


# ── rates of tax ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_rates_of_tax_are_refused(calm: World) -> None:
    """Chargebee taxes by its own settings; no request takes a rate, so nothing is sent."""
    with pytest.raises(Unsupported, match="Chargebee taxes an invoice by its own settings"):
        calm.client.create(charge(Line(amount=eur(1000)), tax=[TaxRate(name="VAT", rate=19)]))
    assert calm.sent == []
