"""What Chargebee will collect is compared before, what it collected after; purchase orders and dates, both ways."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    AmountMismatch,
    Collection,
    Declined,
    LossyTranslation,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Rejected,
    Status,
    Unsupported,
    losses,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargebee import CHARGEBEE
from invoice_bridge.providers.chargebee.conditions import month_before
from tests.providers.chargebee.conftest import World, make_world

MAY = Period.month(2026, 5)
ALLOWED = ["collection"]
ORDER = "PO-CUSTOMER-7"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charge(**more: Any) -> OneTimeCharge:
    given: dict[str, Any] = {
        "reference": "r1",
        "customer": "cus_42",
        "amount": eur(1999),
        "collection": Collection.charge("pm_42"),
    }
    return OneTimeCharge(**(given | more))


def accrued(**more: Any) -> PeriodInvoice:
    given: dict[str, Any] = {"reference": "may", "customer": "cus_42", "subscription": "sub_42", "tax": "provider"}
    return PeriodInvoice(period=MAY, currency="EUR", **(given | more))


def switched(name: str) -> World:
    """A site with one switch the other way."""
    world = make_world()
    world.site.switches[name] = not world.site.switches[name]
    return world


# ── what will be collected is compared before ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("switch", ["discounted", "rounds_off"])
@pytest.mark.parametrize("tax", ["none", "provider"])
def test_what_changes_the_total_is_seen_before_it_is_collected(switch: str, tax: Any) -> None:
    """Defect 35: a discount or rounding that nobody asked for leaves a pending invoice, and nothing is collected."""
    world = switched(switch)
    with pytest.raises(AmountMismatch) as wrong:
        world.client.create(charge(tax=tax))
    assert (wrong.value.outcome, world.events) == ("partly_done", [])
    assert [row["status"] for row in world.site.invoices.values()] == ["pending"]


@pytest.mark.parametrize("switch", ["discounted", "rounds_off"])
def test_a_draft_that_is_found_passes_the_same_comparison(switch: str) -> None:
    """Defect 35: the same bill made again does not close the pending invoice that differed."""
    world = switched(switch)
    for _ in range(3):
        with pytest.raises(AmountMismatch):
            world.client.create(charge(tax="provider"))
        world.clock.now += timedelta(hours=1)
    assert (len(world.site.invoices), world.events) == (1, [])


def test_without_them_the_bill_is_collected() -> None:
    """Defect 35: the control: nothing added, nothing refused."""
    world = make_world()
    assert world.client.create(charge(tax="provider")).amount_paid == eur(1999)
    assert world.events == ["issued", "collected"]


@pytest.mark.parametrize("inclusive,collected", [(True, 1999), (False, 2399)])
def test_tax_that_was_asked_for_is_on_top_or_within(inclusive: bool, collected: int) -> None:
    """Defect 35: with tax="provider" both kinds of prices agree with the bill; with tax="none" neither is taxed."""
    world = make_world()
    world.site.tax_percent, world.site.switches["tax_inclusive"] = 20, inclusive
    assert world.client.create(charge(tax="provider")).amount_paid == eur(collected)
    assert world.client.create(charge(reference="r2")).amount_paid == eur(1999)


def test_a_total_that_is_not_stated_is_never_closed() -> None:
    """Defect 35: a figure that is missing satisfies no comparison before collecting."""
    command = charge()
    flow = CHARGEBEE.flow(command, make_context(CHARGEBEE, {"site": "acme-test"}).on(command))
    next(flow)
    draft = {"id": "d_1", "status": "pending", "currency_code": "EUR", "line_items": [{"amount": 1999}]}
    with pytest.raises(AmountMismatch, match="does not state its total"):
        flow.send(Response(200, dumps({"invoice": draft})))


# ── credits and excess payments ──────────────────────────────────────────────────────────────────────────────────────
def test_credits_that_pay_a_charge_are_a_difference() -> None:
    """Defect 35: closing applies the customer's credits; what was collected instead is stated."""
    world = make_world(customer_credits=True)
    with pytest.raises(AmountMismatch, match=r"14\.99 EUR was collected") as wrong:
        world.client.create(charge())
    assert (wrong.value.asked, wrong.value.found) == (eur(1999), eur(1499))
    assert world.events == ["issued", "collected"]


def test_credits_can_be_reported_or_allowed() -> None:
    """Defect 35: on_discrepancy="report" puts them on the invoice; allow=["balance"] takes them as they are."""
    found = make_world(customer_credits=True).client.create(charge(), on_discrepancy="report")
    assert (found.status, found.amount_paid, len(found.discrepancies)) == (Status.PAID, eur(1499), 1)
    found = make_world(customer_credits=True).client.create(charge(), allow=["balance"])
    assert (found.status, found.amount_paid, found.discrepancies) == (Status.PAID, eur(1499), ())


def test_credits_lower_what_a_manual_bill_demands() -> None:
    """Defect 35: what is demanded of the customer is compared too, also of the bill found again."""
    world = make_world(customer_credits=True)
    command = charge(collection=Collection.manual())
    for _ in range(2):
        with pytest.raises(AmountMismatch, match=r"but demands 14\.99 EUR"):
            world.client.create(command)
        world.clock.now += timedelta(hours=1)
    assert world.client.create(command, allow=["balance"]).amount_remaining == eur(1499)
    assert world.events == ["issued"]


@pytest.mark.parametrize("credited", [True, False])
def test_credits_on_an_accrued_bill(credited: bool) -> None:
    """Defect 35: what was collected of unbilled charges is compared with the invoice's total."""
    world = make_world(reference_field="cf_ref", customer_credits=credited)
    if credited:
        with pytest.raises(AmountMismatch):
            world.client.create(accrued(), allow=ALLOWED)
    else:
        assert world.client.create(accrued(), allow=ALLOWED).amount_paid == eur(2999)


# ── what cannot be compared first changes money ──────────────────────────────────────────────────────────────────────
def test_catalog_1_collects_only_where_that_is_allowed() -> None:
    """Defect 35: on catalog 1 one request makes and collects: that changes money and needs its own allowance."""
    world = make_world(product_catalog=1)
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-COLLECTION-04"):
        world.client.create(charge())
    assert world.sent == []
    assert world.client.create(charge(), allow=["IB-CHARGEBEE-COLLECTION-04"]).amount_paid == eur(1999)
    assert world.client.create(charge(reference="r2", collection=Collection.manual())).status is Status.OPEN


def test_catalog_1_says_what_was_collected() -> None:
    """Defect 35: afterwards the difference states what was collected."""
    world = make_world(product_catalog=1, rounds_off=True)
    with pytest.raises(AmountMismatch, match=r"it collected 19\.00 EUR"):
        world.client.create(charge(), allow=ALLOWED)


def test_accrued_charges_are_collected_only_where_that_is_allowed() -> None:
    """Defect 35: the subscription's auto_collection may collect accrued charges at once: that changes money."""
    world = make_world(reference_field="cf_ref")
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-COLLECTION-05"):
        world.client.create(accrued(), allow=["IB-CHARGEBEE-COLLECTION-02"])
    assert world.sent == []


# ── payment sources (83) ─────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("method", ["garbage", "pmt_42", "pm_card_chargeDeclined"])
def test_an_unknown_payment_source_is_not_charged(method: str) -> None:
    """Defect 83: what is no payment source of the customer is refused, and nothing is billed."""
    world = make_world()
    with pytest.raises(NotFound):
        world.client.create(charge(collection=Collection.charge(method)))
    assert (world.events, world.site.invoices) == ([], {})


def test_a_declined_source_collects_nothing() -> None:
    """Defect 83: a decline after closing leaves an open invoice; a later collection is declined by name."""
    world = make_world()
    made = world.client.create(charge(collection=Collection.charge("pm_declined")))
    assert (made.status, world.events) == (Status.OPEN, ["issued"])
    with pytest.raises(Declined):
        world.client.pay(made.id, payment_method="pm_declined")


# ── purchase orders (45) ─────────────────────────────────────────────────────────────────────────────────────────────
def test_an_accrued_bill_without_a_field_is_refused() -> None:
    """Defect 45: an accrued bill whose reference has no field needs lookup="journal" or an explicit lookup."""
    world = make_world(subscription_order=True)
    with pytest.raises(Unsupported, match="stores no reference of this bill"):
        world.client.create(accrued(), allow=[*ALLOWED, "reference"])
    assert world.sent == []


def test_a_field_of_its_own_carries_the_reference_beside_it() -> None:
    """Defect 45: with reference_field both are there."""
    world = make_world(reference_field="cf_ref", subscription_order=True)
    made = world.client.create(accrued(), allow=ALLOWED)
    assert [(row["po_number"], row["cf_ref"]) for row in world.site.invoices.values()] == [(ORDER, "may")]
    assert (made.reference, world.client.create(accrued(), allow=ALLOWED).id) == ("may", made.id)


@pytest.mark.parametrize("inherits", [True, False])
def test_own_lines_carry_the_reference_where_no_subscription_has_an_order(inherits: bool) -> None:
    """Defect 45: what is billed to the customer inherits nothing and po_number is free; a subscription may have one."""
    world = make_world(subscription_order=inherits, reference_field="cf_ref")
    world.site.subscriptions["sub_42"]["auto_collection"] = "off"
    plain = make_world(subscription_order=inherits)
    assert plain.client.create(charge()).reference == "r1"
    assert [row["po_number"] for row in plain.site.invoices.values()] == ["r1"]
    ours = accrued(reference="r2", lines=charge().billed_lines, tax="none")
    made = world.client.create(ours)
    assert (made.reference, made.subscription) == ("r2", "sub_42")
    assert [row.get("po_number") for row in world.site.invoices.values()] == [ORDER if inherits else None]


def test_an_invoice_for_a_subscription_inherits_its_order() -> None:
    """Defect 45: the emulator's own lines for a subscription inherit its order too, unless one is given."""
    world = make_world(subscription_order=True)
    parts = [("subscription_id", "sub_42"), ("charges[amount][0]", "100")]
    route = "/invoices/create_for_charge_items_and_charges"
    assert world.made(route, *parts)["invoice"]["po_number"] == ORDER
    assert world.made(route, *parts, ("po_number", "mine"))["invoice"]["po_number"] == "mine"


# ── dates (66) ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "now,earliest",
    [
        ((2026, 7, 31), (2026, 6, 30)),
        ((2026, 3, 31), (2026, 2, 28)),
        ((2028, 3, 30), (2028, 2, 29)),
        ((2026, 1, 15), (2025, 12, 15)),
        ((2026, 3, 1), (2026, 2, 1)),
    ],
)
def test_defect_66_a_calendar_month_is_not_31_days(now: tuple[int, int, int], earliest: tuple[int, int, int]) -> None:
    """Defect 66: the same day of the month before, or its last one."""
    assert month_before(datetime(*now, 9, 30, tzinfo=UTC)) == datetime(*earliest, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("catalog", [1, 2])
def test_a_date_further_back_is_a_loss(catalog: int) -> None:
    """Defect 66: with as_of, a date more than one calendar month back is a loss; without it, a conditional one."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    command = charge(issued_at=datetime(2026, 1, 31, tzinfo=UTC))  # 29 days back, and more than a calendar month

    def found(issued_at: datetime, as_of: datetime | None) -> list[tuple[str, bool]]:
        dated = command.model_copy(update={"issued_at": issued_at})
        rows = losses("chargebee", dated, as_of=as_of, site="acme-test", product_catalog=catalog)
        return [(one.code, one.conditional) for one in rows if one.path == "issued_at"]

    assert found(datetime(2026, 1, 31, tzinfo=UTC), now) == [("IB-CHARGEBEE-ISSUED-02", False)]
    assert found(datetime(2026, 2, 1, tzinfo=UTC), now) == []
    assert found(datetime(2026, 2, 1, tzinfo=UTC), None) == [("IB-CHARGEBEE-ISSUED-02", True)]


@pytest.mark.parametrize("limited", [True, False])
def test_chargebee_refuses_by_calendar_month(limited: bool) -> None:
    """Defect 66: the emulator counts a calendar month, on /charge always, on other requests where the switch says."""
    world = make_world(backdating_limited=limited)
    world.clock.now = datetime(2026, 3, 1, tzinfo=UTC)
    back = charge(issued_at=datetime(2026, 1, 31, tzinfo=UTC), collection=Collection.manual())
    if limited:
        with pytest.raises(Rejected, match="calendar month"):
            world.client.create(back)
    else:
        assert world.client.create(back).status is Status.OPEN
    old = make_world(product_catalog=1)
    old.clock.now = datetime(2026, 3, 1, tzinfo=UTC)
    dated = charge(issued_at=datetime(2026, 1, 31, tzinfo=UTC), tax="provider")
    with pytest.raises(Rejected, match="calendar month"):
        old.client.create(dated, allow=ALLOWED)
    within = charge(reference="r2", issued_at=datetime(2026, 2, 1, tzinfo=UTC), tax="provider")
    assert old.client.create(within, allow=ALLOWED).status is Status.PAID


# ── subscriptions (67) ───────────────────────────────────────────────────────────────────────────────────────────────
def test_defect_67_own_lines_of_a_subscription_are_no_loss() -> None:
    """Defect 67: Chargebee bills own lines for a subscription, and so does this adapter."""
    command = accrued(lines=charge().billed_lines)
    found = losses("chargebee", command, site="acme-test", reference_field="cf_ref")
    assert [one.code for one in found if one.path in {"subscription", "reference"}] == []
