"""A period invoice without lines: the pending items inside the period are billed, once, and no others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    AlreadySettled,
    Client,
    Collection,
    IdempotencyMismatch,
    InvalidState,
    Money,
    NotFound,
    NothingToBill,
    Period,
    PeriodInvoice,
    Status,
    Unsupported,
)
from invoice_bridge.core.wire import Request
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.providers.stripe.conftest import World

Make = Callable[..., World]
START, END = 1777593600, 1780272000  # May 2026
MAY = Period(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))


def bill(**more: object) -> PeriodInvoice:
    said = {"reference": "may", "customer": "cus_42", "currency": "EUR", "period": MAY}
    return PeriodInvoice.model_validate(said | more)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def pending(world: World) -> set[str]:
    return {item["id"] for item in world.stripe.items.values() if item["invoice"] is None}


@pytest.mark.parametrize(
    "start,end,inside",
    [
        (START, END, True),
        (START, START + 1, True),
        (END - 1, END, True),
        (START, START, True),
        (END - 1, END - 1, True),
        (END, END, False),
        (START - 1, START - 1, False),
        (START - 1, START + 1, False),
        (END - 1, END + 1, False),
        (END, END + 1, False),
        (START - 2, START, False),
        (START - 1, END + 1, False),
    ],
)
def test_what_lies_inside(world: World, start: int, end: int, inside: bool) -> None:
    """The period is half-open; an item belongs to it whole, up to both edges, and one of an instant where that is."""
    item = world.item(start, end, 700)
    if inside:
        found = world.client.create(bill())
        assert ([line.amount for line in found.lines], found.total, pending(world)) == ([eur(700)], eur(700), set())
    else:
        with pytest.raises(NothingToBill, match="no invoice was opened") as caught:
            world.client.create(bill())
        assert (caught.value.outcome, pending(world), world.stripe.invoices) == ("nothing_done", {item}, {})


def test_only_the_items_of_the_bill_are_taken(world: World) -> None:
    """Items outside the period, of another currency, customer or subscription stay pending."""
    world.stripe.add_customer("cus_7", "seven@example.test")
    inside = [world.item(START, START + 60, 100), world.item(START + 60, START + 120, 250)]
    others = {
        world.item(END, END + 60),
        world.item(START, START + 60, currency="usd"),
        world.item(START, START + 60, customer="cus_7"),
        world.item(START, START + 60, subscription="sub_1"),
    }
    found = world.client.create(bill(collection=Collection.charge()))
    assert [line.amount for line in found.lines] == [eur(100), eur(250)]
    assert (found.status, found.total, found.reference) == (Status.PAID, eur(350), "may")
    assert found.period == Period(MAY.start, MAY.start + timedelta(seconds=120))
    assert pending(world) == others
    assert all(world.stripe.items[item]["invoice"] == found.id for item in inside)
    assert [(e.event, e.units) for e in world.stripe.ledger] == [("issued", 350), ("collected", 350)]


def test_a_subscription_is_billed_by_its_name(world: World) -> None:
    """Accrued charges of a subscription are billed where it is named, and only those; the invoice belongs to it.

    stripe-python 16.1.0, InvoiceCreateParams.subscription: "the created invoice will only include pending invoice
    items for that subscription". What it is charged to is the subscription's default payment method, which is a loss.
    """
    world.stripe.subscriptions["sub_1"] = world.stripe.customer
    other = {world.item(START, START, 100), world.item(START, START, 200, subscription="sub_2")}
    world.item(START, START, 300, subscription="sub_1")
    found = world.client.create(bill(subscription="sub_1"))
    assert (found.total, found.subscription, len(found.lines)) == (eur(300), "sub_1", 1)
    assert pending(world) == other
    charged = bill(subscription="sub_1", collection=Collection.charge())
    assert "IB-STRIPE-SUBSCRIPTION-02" in {loss.code for loss in world.client.losses(charged)}
    with pytest.raises(NothingToBill, match="belongs to sub_3"):
        world.client.create(bill(subscription="sub_3", reference="else"))


def test_a_subscription_beside_lines_is_sent(world: World) -> None:
    """Defect 67: an invoice of the caller's own lines belongs to the subscription, and sweeps nothing else in."""
    found = world.client.create(bill(subscription="sub_42", lines=({"amount": eur(100)},)))
    assert (found.subscription, found.total, len(found.lines)) == ("sub_42", eur(100), 1)
    with pytest.raises(NotFound, match="No such subscription"):
        world.client.create(bill(reference="other", subscription="sub_1", lines=({"amount": eur(100)},)))


def test_more_than_a_page_of_items(world: World) -> None:
    """All of 230 items are found over three pages and billed oldest first; none is left."""
    for n in range(230):
        world.item(START + n, START + n + 1, n + 1)
    found = world.client.create(bill())
    assert [line.amount.minor for line in found.lines] == list(range(1, 231))
    assert (found.total, pending(world)) == (eur(sum(range(231))), set())
    assert len([sent for sent in world.sent if sent.startswith("GET /v1/invoiceitems")]) == 3


def test_more_items_than_an_invoice_takes_are_refused(world: World) -> None:
    """251 items do not fit: refused before anything is opened, never half billed."""
    for n in range(251):
        world.item(START + n, START + n)
    with pytest.raises(Unsupported, match="251 pending items"):
        world.client.create(bill())
    assert (len(pending(world)), world.stripe.invoices) == (251, {})


def test_items_that_add_up_to_a_credit_are_refused(world: World) -> None:
    """A bill below zero would be a credit: nothing is opened."""
    world.item(START, START, -100)
    with pytest.raises(Unsupported, match="its total is not negative"):
        world.client.create(bill())
    assert world.stripe.invoices == {}


def test_a_second_run_finds_the_first(world: World) -> None:
    """What was billed is no longer pending: the invoice is found by its reference, long after its key is forgotten."""
    world.item(START, START, 700)
    first = world.client.create(bill(collection=Collection.send(net_days=14)))
    world.clock.now += timedelta(days=3)
    world.stripe.kept.clear()
    with pytest.raises(InvalidState):
        world.client.void(world.client.mark_paid(first.id).id)
    again = world.client.create(bill(collection=Collection.send(net_days=14)))
    assert (again.id, again.status) == (first.id, Status.PAID)
    assert (world.events, len(world.stripe.invoices)) == (["issued", "mailed", "recorded"], 1)


def test_an_item_that_came_late_is_left_for_the_next_bill(world: World) -> None:
    """The same reference is the same bill: a later item does not open a second invoice under it."""
    world.item(START, START, 700)
    first = world.client.create(bill())
    late = world.item(START, START, 50)
    assert world.client.create(bill()).id == first.id
    assert (pending(world), world.events) == ({late}, ["issued"])
    assert world.client.create(bill(reference="may, late")).total == eur(50)


def test_a_reference_for_another_period_bills_nothing(world: World) -> None:
    """June under the reference of May is a mismatch, not May's invoice and not a new one."""
    world.item(START, START + 60, 700)
    june = world.item(END, END + 60, 900)
    first = world.client.create(bill())
    with pytest.raises(IdempotencyMismatch, match="belongs to in_00000001 already") as caught:
        world.client.create(bill(period=Period.month(2026, 6)))
    assert caught.value.existing == first
    assert (pending(world), world.events) == ({june}, ["issued"])


def run_until(world: World, command: PeriodInvoice, action: str) -> None:
    """Drive a bill by hand and drop it once a request has gone out."""
    context = world.client._context.on(command)
    flow = context.provider.flow(command, context)
    request = next(flow)
    while True:
        headers = {**request.headers, "Authorization": f"Bearer {world.stripe.key}"}
        answer = world.stripe(Request(request.method, request.url, headers, request.content), world.transport.root)
        if request.writes and request.url.endswith(action):
            break
        request = flow.send(answer)
    flow.close()


@pytest.mark.parametrize("action", ["/invoices", "/add_lines", "/finalize"])
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_run_that_stopped_is_finished_by_the_next(world: World, action: str, forgotten: bool) -> None:
    """Dropped after any write, the bill is finished by the next run, even where the keys are forgotten by then."""
    world.item(START, START + 60, 100)
    world.item(START + 60, START + 120, 250)
    command = bill(collection=Collection.charge())
    run_until(world, command, action)
    if forgotten:
        world.stripe.kept.clear()
    found = world.client.create(command)
    assert ([line.amount for line in found.lines], found.status) == ([eur(100), eur(250)], Status.PAID)
    assert (world.events, len(world.stripe.invoices), pending(world)) == (["issued", "collected"], 1, set())


def test_a_payment_on_its_way_is_left(world: World) -> None:
    """An invoice that is found open, with a payment on its way, is not collected a second time."""
    world.item(START, START, 700)
    command = bill(collection=Collection.charge())
    run_until(world, command, "/finalize")
    world.stripe.begin_payment("in_00000001")
    found = world.client.create(command)
    assert (found.status, found.payment_pending, world.events) == (Status.OPEN, True, ["issued"])


def test_another_attempt_passes_over_what_was_voided(world: World) -> None:
    """attempt=2 bills what is pending now; the void invoice of attempt 1 is not it."""
    world.item(START, START, 700)
    first = world.client.create(bill())
    world.client.void(first.id)
    with pytest.raises(AlreadySettled):
        world.client.create(bill())
    world.item(START, START, 800)
    assert world.client.create(bill(attempt=2)).total == eur(800)


def test_nothing_to_bill_twice(world: World) -> None:
    """An empty draft under the reference changes nothing about that."""
    item = world.item(START, START, 700)
    run_until(world, bill(), "/invoices")
    world.stripe.items[item]["invoice"] = "in_elsewhere"
    with pytest.raises(NothingToBill):
        world.client.create(bill())


def test_filters_are_applied_again(make: Make) -> None:
    """A listing that ignores its filters bills nobody else's items."""

    class Careless(StripeEmulator):
        def list_items(self, call: Any) -> Any:
            return self._page(list(reversed(self.items.values())), {"limit": "100"}, "/v1/invoiceitems")

    world = make()
    world.stripe = world.transport.emulator = Careless()
    world.stripe.add_customer("cus_7", "seven@example.test")
    world.item(START, START, 100)
    world.item(START, START, 200, customer="cus_7")
    first = world.client.create(bill())
    assert first.total == eur(100)
    with pytest.raises(NothingToBill):
        world.client.create(bill(reference="again"))


def test_a_customer_of_the_callers_own_name(world: World) -> None:
    """The customer map's id is the one that is looked up and billed."""
    world.item(START, START, 700)
    client = Client(
        "stripe",
        api_key=world.stripe.key,
        base_url=world.transport.root,
        http=world.client._http,
        customers={"fleet": {"stripe": "cus_42"}},
    )
    assert client.create(bill(customer="fleet")).total == eur(700)
