"""What Stripe adds, takes off or moves by itself: switched off in the request, or compared before issuing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from invoice_bridge import (
    AmountMismatch,
    BridgeError,
    Collection,
    Declined,
    Discrepancy,
    IdempotencyMismatch,
    Invoice,
    Line,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Status,
)
from invoice_bridge.adapter.answers import json_of
from invoice_bridge.adapter.declared import NO_HISTORY, Matches
from invoice_bridge.core.commands import Bill
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.compared import compare_collected
from invoice_bridge.providers.stripe.lookup import search
from tests.providers.stripe.conftest import World

Make = Callable[..., World]
MAY = Period.month(2026, 5)
START, END = 1777593600, 1780272000
KINDS = {
    "manual": Collection.manual(),
    "send": Collection.send(net_days=14),
    "charge": Collection.charge("pm_card_visa"),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def charge(kind: str = "charge", amount: int = 10000, **more: Any) -> OneTimeCharge:
    """A bill of 100.00."""
    least: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": Money(amount, "EUR")}
    least["collection"] = KINDS[kind]
    return OneTimeCharge(**(least | more))


def collected(world: World) -> list[int]:
    """What was taken, in Stripe's units."""
    return [invoice["amount_paid"] for invoice in world.stripe.invoices.values() if invoice["amount_paid"]]


# ── a discount of the customer ───────────────────────────────────────────────────────────────────────────────────────
@each_kind
@pytest.mark.parametrize("tax", ["none", "provider"])
@pytest.mark.parametrize("on", [False, True])
def test_defect_31_a_customers_discount_does_not_lower_our_bill(make: Make, kind: str, tax: Any, on: bool) -> None:
    """Defect 31: discounts="" is sent, so the bill is what was asked, with tax where that was asked for."""
    world = make(customer_discount=on)
    made = world.client.create(charge(kind, tax=tax))
    assert (made.subtotal, made.discount) == (Money(10000, "EUR"), Money(0, "EUR"))
    assert made.total == Money(12000 if tax == "provider" else 10000, "EUR")
    assert collected(world) == ([made.total.minor] if kind == "charge" and made.total else [])


def test_the_emulator_inherits_a_discount_that_is_not_declined(make: Make) -> None:
    """The control: an invoice made without `discounts` has the customer's, and our bill would have been lowered."""
    world = make(customer_discount=True)
    made = world.made("/v1/invoices", ("customer", "cus_42"), ("currency", "eur"))
    lines = (("lines[0][amount]", "1000"),)
    lowered = world.made(f"/v1/invoices/{made['id']}/add_lines", *lines)
    assert (lowered["total"], lowered["total_discount_amounts"]) == (900, [{"amount": 100, "discount": "di_1"}])


def test_a_discount_that_stands_all_the_same_stops_the_bill(make: Make) -> None:
    """Somebody gave the draft a discount: nothing is issued, though the caller asked for the provider's tax."""
    world = make(customer_discount=True)
    draft = world.client.create(charge(draft=True, tax="provider"))
    held = world.stripe.invoices[draft.id]
    held["inherits"] = True
    world.stripe._total(held)
    with pytest.raises(AmountMismatch, match="has a discount of 10"):
        world.client.create(charge(tax="provider"))
    assert world.events == []


# ── a draft that differs ─────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("lookup", ["auto", "always", "never"])
def test_defect_32_a_draft_that_stopped_is_not_issued_by_the_next_run(make: Make, lookup: Any) -> None:
    """Defect 32: a found, a resumed and a replayed draft pass the same comparison: it stops again, nothing issued."""
    world = make(lookup=lookup)
    rounds = world.stripe._line
    world.stripe._line = lambda *given: rounds(*given) | {"amount": 9999}  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises((AmountMismatch, IdempotencyMismatch)):
            world.client.create(charge())
        assert [invoice["status"] for invoice in world.stripe.invoices.values()] == ["draft"]
    assert world.events == []


# ── a balance, and the minimum charge ────────────────────────────────────────────────────────────────────────────────
@each_kind
@pytest.mark.parametrize("switch", ["customer_owes", "customer_credit"])
def test_defect_33_a_balance_stops_the_bill_before_it_is_issued(make: Make, kind: str, switch: str) -> None:
    """Defect 33: what the customer owed before, or has in credit, would change what is demanded: nothing is issued."""
    world = make(**{switch: True})
    for _ in range(2):  # found again, it stops again
        with pytest.raises(AmountMismatch, match="Stripe would demand another amount: a balance of") as stopped:
            world.client.create(charge(kind))
        assert stopped.value.outcome in {"partly_done", "nothing_done"}
    assert (world.events, collected(world)) == ([], [])
    assert [invoice["status"] for invoice in world.stripe.invoices.values()] == ["draft"]


@pytest.mark.parametrize("switch,taken", [("customer_owes", 15000), ("customer_credit", 9500)])
def test_a_balance_is_accepted_by_name_alone(make: Make, switch: str, taken: int) -> None:
    """allow=["balance"] issues and collects what Stripe makes of it; ALL and other names do not."""
    world = make(**{switch: True})
    with pytest.raises(AmountMismatch):
        world.client.create(charge(), allow=["tax"])
    made = world.client.create(charge(), allow=["balance"])
    assert (made.status, collected(world)) == (Status.PAID, [taken])


@each_kind
def test_defect_33_below_the_minimum_nothing_is_moved_to_the_balance(make: Make, kind: str) -> None:
    """Defect 33: 0.49 EUR would count as paid and be added to the next invoice: it stops, unless allowed by name."""
    world = make()
    with pytest.raises(AmountMismatch, match="below Stripe's minimum charge"):
        world.client.create(charge(kind, 49))
    assert (world.events, world.stripe.customers["cus_42"]["balance"]) == ([], 0)
    made = world.client.create(charge(kind, 49), allow=["minimum"])
    assert (made.status, collected(world), world.stripe.customers["cus_42"]["balance"]) == (Status.PAID, [], 49)
    assert make().client.create(charge(kind, 50)).total == Money(50, "EUR")


def test_a_minimum_that_no_table_has_is_seen_after_the_fact(make: Make) -> None:
    """A currency whose minimum is not known: the demand is compared after finalizing, before anything is collected."""
    world = make()
    settle = world.stripe._settle_balance

    def moves(found: dict[str, Any], customer: dict[str, Any]) -> None:
        settle(found, customer)
        found.update({"amount_due": 0, "amount_remaining": 0})

    world.stripe._settle_balance = moves  # type: ignore[method-assign]
    with pytest.raises(AmountMismatch, match="Stripe demands another amount"):
        world.client.create(charge(amount=20).model_copy(update={"amount": Money(20, "CHF")}))
    assert collected(world) == []


def test_a_balance_that_comes_between_is_not_collected(make: Make) -> None:
    """The customer's balance changes between the comparison and the finalization: nothing is collected."""
    world = make()
    issue = world.stripe._issue

    def late(found: dict[str, Any]) -> None:
        world.stripe.customers["cus_42"]["balance"] = 700
        issue(found)

    world.stripe._issue = late  # type: ignore[method-assign]
    with pytest.raises(AmountMismatch, match="Stripe demands another amount"):
        world.client.create(charge())
    assert (world.events, collected(world)) == (["balance_applied", "issued"], [])


def test_a_figure_that_is_missing_is_not_collected() -> None:
    """None never satisfies a comparison before collecting."""
    made = Invoice(provider="stripe", id="in_1", status=Status.OPEN, currency="EUR", total=Money(100, "EUR"))
    with pytest.raises(Discrepancy, match="does not state what would be collected"):
        compare_collected(made, None)
    with pytest.raises(AmountMismatch, match=r"but 1\.01 EUR would be collected"):
        compare_collected(made, Money(101, "EUR"))
    assert compare_collected(made, Money(100, "EUR")) == made


# ── tax ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("tax,total", [("none", 10000), ("provider", 12000)])
def test_tax_is_added_only_where_it_was_asked_for(make: Make, inclusive: bool, tax: Any, total: int) -> None:
    """automatic_tax follows the bill; tax within the prices changes no total, and is collected as the total says."""
    world = make(tax_inclusive=inclusive)
    made = world.client.create(charge(tax=tax))
    expected = 10000 if inclusive else total
    assert (made.total, collected(world)) == (Money(expected, "EUR"), [expected])


@pytest.mark.parametrize("kind", ["manual", "send"])
@pytest.mark.parametrize("switch", ["customer_owes", "customer_credit"])
def test_what_is_demanded_with_a_balance_is_refused_again(make: Make, kind: str, switch: str) -> None:
    """An issued invoice that demands another amount than its total is no success for who did not allow the balance."""
    world = make(**{switch: True})
    world.client.create(charge(kind), allow=["balance"])
    with pytest.raises(AmountMismatch, match="Stripe demands another amount"):
        world.client.create(charge(kind))
    assert world.client.create(charge(kind), allow=["balance"]).total == Money(10000, "EUR")


@each_kind
@pytest.mark.parametrize("field", ["total", "currency"])
def test_defect_60_what_cannot_be_read_is_not_issued(
    make: Make, monkeypatch: pytest.MonkeyPatch, kind: str, field: str
) -> None:
    """Defect 60: a draft whose amounts cannot be read is a Discrepancy before it is issued, first or found again."""
    world = make()
    shown = world.stripe._shown
    monkeypatch.setattr(world.stripe, "_shown", lambda *found, **more: shown(*found, **more) | {field: "a lot"})
    for _ in range(2):
        with pytest.raises(Discrepancy, match="cannot be read, so that"):
            world.client.create(charge(kind))
    assert [invoice["status"] for invoice in world.stripe.invoices.values()] == ["draft"]
    assert collected(world) == []


@pytest.mark.parametrize("taxed", [False, True])
def test_defect_34_pending_items_with_rates_of_their_own_stop_a_bill_without_tax(make: Make, taxed: bool) -> None:
    """Defect 34: automatic_tax=false does not remove the items' own tax rates: nothing is issued with them."""
    world = make(taxed_items=taxed)
    world.item(START, END, 2500)
    may = PeriodInvoice(
        reference="may", customer="cus_42", currency="EUR", period=MAY, collection=KINDS["charge"], tax="none"
    )
    if not taxed:
        assert world.client.create(may).total == Money(2500, "EUR")
        return
    for _ in range(2):
        with pytest.raises(
            AmountMismatch, match=r"without tax, but the invoice .* totals 30\.00 EUR, 5\.00 EUR of it tax"
        ):
            world.client.create(may)
    assert (world.events, collected(world)) == ([], [])


# ── what is charged ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "method,reason",
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "lost_card"),
    ],
)
def test_defect_83_stripes_own_test_methods_decline(make: Make, method: str, reason: str) -> None:
    """Defect 83: the emulator declines what Stripe's test methods decline, by its words, and collects nothing."""
    world = make()
    with pytest.raises(Declined) as declined:
        world.client.create(charge(collection=Collection.charge(method)))
    answer = declined.value.response
    assert answer is not None
    assert json_of(answer)["error"]["decline_code"] == reason
    assert (world.events, collected(world)) == (["issued"], [])


@pytest.mark.parametrize("method", ["garbage", "pmt_42", "payt_42"])
def test_defect_83_what_is_no_payment_method_of_stripes_is_refused(make: Make, method: str) -> None:
    """Defect 83: another provider's payment method, or any word, is charged at no Stripe."""
    world = make()
    with pytest.raises(NotFound, match="No such PaymentMethod"):
        world.client.create(charge(collection=Collection.charge(method)))
    assert collected(world) == []


# ── the search index ─────────────────────────────────────────────────────────────────────────────────────────────────
def drive(world: World, command: Bill) -> Matches:
    """Run the search against the emulator, refusals included."""
    context = make_context(STRIPE, {}, "http://127.0.0.1:1").on(command)
    flow = search(command, context, NO_HISTORY)
    request = next(flow)
    try:
        while True:
            answer = world.ask("GET", request.url.removeprefix("http://127.0.0.1:1"))
            if answer.status < 300:
                request = flow.send(Response(answer.status, answer.content, answer.headers, "stripe"))
            else:
                request = flow.throw(STRIPE.error(answer))
    except StopIteration as done:
        found: Matches = done.value
        return found


@pytest.mark.parametrize("reference", ["res-1", "it's", 'quo"ted', "back\\slash", "a'] OR status:'paid", "Zoë 日本"])
@pytest.mark.parametrize("available", [True, False])
def test_a_bill_is_found_by_search_whatever_its_reference(make: Make, reference: str, available: bool) -> None:
    """Quotes and backslashes are escaped; where Stripe refuses the search the customer's listing finds it."""
    world = make(search=available)
    for number, name in enumerate((reference, "another")):
        made = world.client.create(charge("manual", 1000 + number, reference=name))
        assert made.reference == name
    found = drive(world, charge("manual", reference=reference))
    assert [(one.reference, one.total) for one in found.invoices] == [(reference, Money(1000, "EUR"))]
    assert found.gap == ""


@pytest.mark.parametrize("later,lag,invoices", [(60, 30, 1), (86400 * 400, 3600, 1), (60, 3600, 1)])
def test_defect_38_the_same_bill_later_is_charged_once(make: Make, later: int, lag: int, invoices: int) -> None:
    """Defect 38: minutes or a year later, by default, without a journal: the index or the key knows it."""
    world = make()
    world.stripe.search_lag = timedelta(seconds=lag)
    first = world.client.create(charge())
    world.clock.now += timedelta(seconds=later)
    assert world.client.create(charge()).id == first.id
    assert (len(world.stripe.invoices), world.events) == (invoices, ["issued", "collected"])


def test_without_the_lookup_a_day_later_bills_twice(make: Make) -> None:
    """The control: lookup="never", and the key is forgotten."""
    world = make(lookup="never")
    for _ in range(2):
        world.client.create(charge())
        world.clock.now += timedelta(hours=25)
    assert world.events == ["issued", "collected"] * 2


def test_search_answers_the_whole_page_by_page(make: Make) -> None:
    """More hits than a page are all read; a refusal that is not about searching is the caller's."""
    world = make(lookup="never")
    for attempt in range(1, 4):
        world.client.create(charge("manual", attempt=attempt))
    page = dumps(
        {
            "object": "search_result",
            "has_more": True,
            "next_page": "2",
            "data": [world.stripe._shown(next(iter(world.stripe.invoices.values())))],
        }
    )
    context = make_context(STRIPE, {}, "http://127.0.0.1:1").on(charge())
    flow = search(charge(), context, NO_HISTORY)
    assert next(flow).searches is True
    request = flow.send(Response(200, page))
    assert request.url.endswith("/v1/invoices/in_00000001")
    request = flow.send(world.ask("GET", "/v1/invoices/in_00000001"))
    assert "page=2" in request.url
    flow.close()
    flow = search(charge(), context, NO_HISTORY)
    next(flow)
    failure = STRIPE.error(Response(500, b'{"error": {"message": "no", "type": "api_error"}}'))
    with pytest.raises(BridgeError) as raised:
        flow.throw(failure)
    assert raised.value is failure


def test_lines_are_compared_with_the_whole_sum(make: Make) -> None:
    """Many lines, some below zero: what is demanded is their sum."""
    world = make()
    lines = (Line(amount=Money(7000, "EUR")), Line(amount=Money(-2000, "EUR")), Line(amount=Money(0, "EUR")))
    made = world.client.create(charge(amount=5000).model_copy(update={"lines": lines}))
    assert (made.total, collected(world)) == (Money(5000, "EUR"), [5000])
