"""Payments of a part at Chargebee, made elsewhere or collected, through a real client: each reference counts once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from invoice_bridge import (
    AlreadyBilled,
    Client,
    Collection,
    Declined,
    Discrepancy,
    Effect,
    IdempotencyMismatch,
    InvalidState,
    Invoice,
    MalformedResponse,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    RecordPayment,
    Status,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator import EmulatorTransport
from tests.providers.chargebee.conftest import API, World

WHEN = datetime(2026, 10, 1, tzinfo=UTC)
LATER = pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=31), timedelta(days=366)])


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def billed(world: World, reference: str = "res-1", **more: Any) -> Invoice:
    said = {"reference": reference, "customer": "cus_42", "amount": eur(2500)} | more
    made = world.client.create(OneTimeCharge.model_validate(said))
    world.transport.sent.clear()
    return made


def another(world: World, *faults: Fault) -> Client:
    """A client that remembers nothing of what others did."""
    transport = EmulatorTransport(Faults(world.site, faults), API)
    return Client("chargebee", api_key=world.site.key, site="acme-test", http=httpx.Client(transport=transport))


def record(client: Client, invoice: Invoice, minor: int, reference: str = "wire-1", **more: Any) -> Invoice:
    given: dict[str, Any] = {"amount": eur(minor), "at": WHEN, "reference": reference} | more
    return client.record_payment(invoice.id, **given)


def collect(client: Client, invoice: Invoice, minor: int, before: int = 2500, **more: Any) -> Invoice:
    given: dict[str, Any] = {"reference": "part-1", "payment_method": "pm_42", "expect": eur(before)} | more
    return client.pay(invoice.id, amount=eur(minor), **given)


# ── a payment made elsewhere ─────────────────────────────────────────────────────────────────────────────────────────
def test_parts_that_were_paid_elsewhere_pay_an_invoice(world: World) -> None:
    """The first leaves it open, the last pays it; each has its date, its method and its reference."""
    made = billed(world)
    first = record(world.client, made, 1000, method="Bank transfer")
    assert (first.status, first.amount_paid, first.amount_remaining) == (Status.OPEN, eur(1000), eur(1500))
    assert [(paid.amount, paid.at, paid.state) for paid in first.payments] == [(eur(1000), WHEN, "succeeded")]
    last = record(world.client, made, 1500, "wire-2", method="Voucher 7")
    assert (last.status, last.amount_paid, last.amount_remaining) == (Status.PAID, eur(2500), eur(0))
    date = str(int(WHEN.timestamp()))
    first_form, last_form = (dict(parse_qsl(body.decode())) for body in world.bodies)
    assert first_form == {
        "transaction[payment_method]": "bank_transfer",
        "transaction[amount]": "1000",
        "transaction[reference_number]": "wire-1",
        "transaction[date]": date,
    }
    other = {"transaction[payment_method]": "other", "transaction[amount]": "1500", "comment": "Voucher 7"}
    assert last_form == first_form | other | {"transaction[reference_number]": "wire-2"}
    assert [(entry.event, entry.units) for entry in world.site.ledger] == [
        ("issued", 2500),
        ("recorded", 1000),
        ("recorded", 1500),
    ]


def test_explain_shows_a_record() -> None:
    """It records; no money moves."""
    command = RecordPayment(id="7", amount=eur(1000), at=WHEN, reference="wire-1")
    whole = explain("chargebee", command, site="acme-test")
    assert whole.effects == {Effect.RECORDS}
    assert whole.losses == ()


@LATER
def test_the_same_reference_is_recorded_once(world: World, later: timedelta) -> None:
    """A client that remembers nothing finds it on the invoice's transactions; another amount is refused."""
    made = billed(world)
    record(world.client, made, 1000)
    world.clock.now += later
    again = record(another(world), made, 1000)
    assert (again.amount_paid, len(again.payments)) == (eur(1000), 1)
    with pytest.raises(IdempotencyMismatch, match=r"belongs to the payment txn_\d+"):
        record(another(world), made, 1500)
    assert world.events == ["issued", "recorded"]


def test_a_reference_that_paid_an_invoice_whole_is_recorded_once(world: World) -> None:
    """The invoice is paid then, and the same call returns it."""
    made = billed(world)
    record(world.client, made, 2500)
    world.clock.now += timedelta(days=366)
    assert record(another(world), made, 2500).status is Status.PAID
    with pytest.raises(InvalidState, match="cannot take a payment"):
        record(another(world), made, 2500, "wire-2")
    assert world.events == ["issued", "recorded"]


@LATER
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
def test_a_record_whose_answers_were_lost_is_made_once(world: World, kind: Kind, later: timedelta) -> None:
    """Whether it took effect or not: the same call leaves one."""
    made = billed(world)
    with pytest.raises(OutcomeUnknown):
        record(another(world, Fault(kind, path="/record_payment$", times=100)), made, 1000)
    world.clock.now += later
    assert record(another(world), made, 1000).amount_paid == eur(1000)
    assert world.events == ["issued", "recorded"]


@pytest.mark.parametrize("amount", [eur(2501), Money(1000, "USD")])
def test_no_more_is_recorded_than_remains(world: World, amount: Money) -> None:
    """Chargebee would keep the rest as an excess payment of the customer's."""
    made = billed(world)
    with pytest.raises(Discrepancy, match="remains on"):
        record(world.client, made, 1, amount=amount)
    assert world.events == ["issued"]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.VOID, Status.UNCOLLECTIBLE])
def test_only_an_open_invoice_takes_a_payment(world: World, status: Status) -> None:
    """One that was written off is natively paid, and takes none either."""
    made = billed(world, draft=status is Status.DRAFT)
    if status is Status.VOID:
        world.client.void(made.id)
    if status is Status.UNCOLLECTIBLE:
        world.client.mark_uncollectible(made.id)
    calls: list[Callable[[], object]] = [
        lambda: record(world.client, made, 100),
        lambda: collect(world.client, made, 100),
    ]
    for call in calls:
        with pytest.raises(InvalidState):
            call()
    assert not {"recorded", "collected"} & set(world.events)


def test_a_pending_payment_stops_another_one(world: World) -> None:
    """It would be paid twice once the pending one succeeds."""
    made = billed(world, collection=Collection.charge("pm_pending"))
    with pytest.raises(InvalidState, match=r": a payment is already in progress$"):
        record(world.client, made, 100)
    with pytest.raises(InvalidState, match=r": a payment is already in progress$"):
        collect(world.client, made, 100)
    assert "recorded" not in world.events


def relisted(world: World, monkeypatch: pytest.MonkeyPatch, **facts: Any) -> None:
    """Have the site list every transaction with these facts."""
    shown = world.site._transactions
    monkeypatch.setattr(world.site, "_transactions", lambda: [row | facts for row in shown()])


def test_a_record_that_was_withdrawn_is_not_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another try is another payment: it needs a new reference."""
    made = billed(world)
    record(world.client, made, 1000)
    relisted(world, monkeypatch, status="voided")
    with pytest.raises(InvalidState, match="give it a new reference"):
        record(another(world), made, 1000)
    assert world.events == ["issued", "recorded"]


def test_one_reference_on_two_payments_is_somebody_elses_doing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has to look at them."""
    made = billed(world)
    record(world.client, made, 1000)
    record(world.client, made, 500, "wire-2")
    relisted(world, monkeypatch, reference_number="wire-1")
    with pytest.raises(AlreadyBilled, match="2 of the payments"):
        record(another(world), made, 1000)


def test_a_payment_that_is_not_listed_stops_a_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the one with the reference."""
    made = billed(world)
    record(world.client, made, 1000)
    monkeypatch.setattr(world.site, "_transactions", list)
    with pytest.raises(MalformedResponse, match=r"lack txn_\d+ .* nothing was done"):
        record(another(world), made, 500, "wire-2")
    assert world.events == ["issued", "recorded"]


@pytest.mark.parametrize("rows", [[], [{"applied_amount": 1000, "txn_status": "success"}]])
def test_payments_that_are_not_all_listed_stop_a_record(
    world: World, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]
) -> None:
    """An amount was paid and its payment, or its id, is missing: it may be the one with the reference."""
    made = billed(world)
    record(world.client, made, 1000)
    plain = world.site.retrieve

    def partial(call: IncomingRequest, invoice_id: str) -> Response:
        answer = loads(plain(call, invoice_id).content)
        answer["invoice"]["linked_payments"] = rows
        return Response(200, dumps(answer), {"content-type": "application/json"})

    monkeypatch.setattr(world.site, "retrieve", partial)
    with pytest.raises(MalformedResponse, match="do not add up to the amount paid"):
        record(another(world), made, 1000)
    assert world.events == ["issued", "recorded"]


def test_more_payments_than_a_page_are_read_in_parts(world: World) -> None:
    """A hundred ids at a time."""
    made = billed(world)
    for _ in range(101):
        transaction = [("transaction[payment_method]", "cash"), ("transaction[amount]", "1")]
        world.made(f"/invoices/{made.id}/record_payment", *transaction)
    record(world.client, made, 1000)
    assert [line.partition("?")[0] for line in world.sent] == [
        f"GET /invoices/{made.id}",
        "GET /transactions",
        "GET /transactions",
        f"POST /invoices/{made.id}/record_payment",
    ]


# ── a part that is collected ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_part_is_collected_and_then_the_rest(world: World) -> None:
    """The invoice stays open with what remains."""
    made = billed(world)
    part = collect(world.client, made, 1000)
    assert (part.status, part.amount_paid, part.amount_remaining) == (Status.OPEN, eur(1000), eur(1500))
    rest = collect(world.client, made, 1500, 1500, reference="part-2")
    assert (rest.status, rest.amount_remaining) == (Status.PAID, eur(0))
    assert world.bodies[0] == b"amount=1000&payment_source_id=pm_42&comment=part-1"
    assert [(entry.event, entry.units) for entry in world.site.ledger][1:] == [("collected", 1000), ("collected", 1500)]


@LATER
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
def test_a_part_whose_answers_were_lost_is_collected_once(world: World, kind: Kind, later: timedelta) -> None:
    """The same call again: it is collected where it was not, and stopped by what remains where it was."""
    made = billed(world)
    with pytest.raises(OutcomeUnknown):
        collect(another(world, Fault(kind, path="/collect_payment$", times=100)), made, 1000)
    world.clock.now += later
    if kind is Kind.RESET_AFTER:
        with pytest.raises(Discrepancy, match=r"25\.00 EUR .* 15\.00 EUR"):
            collect(another(world), made, 1000)
    else:
        assert collect(another(world), made, 1000).amount_paid == eur(1000)
    assert world.events == ["issued", "collected"]


def test_a_journal_knows_what_chargebee_keeps_no_reference_of(world: World, tmp_path: Path) -> None:
    """The same call is the same payment, whatever remains: the invoice is returned; another amount is a mismatch."""
    made = billed(world)
    http = httpx.Client(transport=EmulatorTransport(world.site, API))
    journal = tmp_path / "bills.sqlite"
    with Client("chargebee", api_key=world.site.key, site="acme-test", http=http, journal=journal) as client:
        collect(client, made, 2500)
        world.clock.now += timedelta(days=366)
        assert collect(client, made, 2500).status is Status.PAID
        with pytest.raises(IdempotencyMismatch):
            collect(client, made, 1000)
        client.refund(made.id, amount=eur(1000), reference="re-1", expect=eur(0))
        world.clock.now += timedelta(days=366)
        assert client.refund(made.id, amount=eur(1000), reference="re-1", expect=eur(0)).amount_refunded == eur(1000)
    assert world.events == ["issued", "collected", "refunded"]


def test_without_a_journal_a_part_that_paid_it_all_is_stopped(world: World) -> None:
    """Nothing remains, where something was expected to."""
    made = billed(world)
    collect(world.client, made, 2500)
    with pytest.raises(Discrepancy, match=r"25\.00 EUR, but the provider states 0\.00 EUR"):
        collect(another(world), made, 2500)
    assert world.events == ["issued", "collected"]


def test_a_part_that_is_pending_is_a_success_and_not_collected_again(world: World) -> None:
    """Nothing is paid yet; the same call is stopped while the payment is on its way."""
    made = billed(world)
    done = collect(world.client, made, 1000, payment_method="pm_pending")
    assert (done.status, done.payment_pending, done.amount_paid) == (Status.OPEN, True, eur(0))
    with pytest.raises(InvalidState, match="a payment is already in progress"):
        collect(another(world), made, 1000, payment_method="pm_pending")
    assert world.events == ["issued", "collected"]


def test_a_part_that_is_declined_leaves_it_open(world: World) -> None:
    """It raises Declined with the invoice."""
    made = billed(world)
    with pytest.raises(Declined) as declined:
        collect(world.client, made, 1000, payment_method="pm_declined")
    assert declined.value.invoice is not None
    assert declined.value.invoice.amount_remaining == eur(2500)
    assert world.events == ["issued"]


def test_a_failure_in_a_good_answer_is_no_payment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that says failure is declined, whatever the answer's HTTP status is."""
    made = billed(world)
    plain = world.site.collect_payment

    def failed(call: IncomingRequest, invoice_id: str) -> Response:
        answer = loads(plain(call, invoice_id).content)
        answer["transaction"]["status"] = "failure"
        return Response(200, dumps(answer), {"content-type": "application/json"})

    monkeypatch.setattr(world.site, "collect_payment", failed)
    with pytest.raises(Declined, match="is not collected: it is failure"):
        collect(world.client, made, 1000)


@pytest.mark.parametrize("amount", [eur(2501), Money(1000, "USD")])
def test_no_more_is_collected_than_remains(world: World, amount: Money) -> None:
    """Neither more nor another currency."""
    made = billed(world)
    with pytest.raises(Discrepancy, match="remains on"):
        world.client.pay(made.id, amount=amount, reference="part-1", payment_method="pm_42", expect=eur(2500))
    assert world.events == ["issued"]


def test_a_part_needs_a_payment_source(world: World) -> None:
    """Chargebee collects from one that is named; nothing is sent without."""
    made = billed(world)
    with pytest.raises(Unsupported, match="Chargebee only collects from a named payment source") as refused:
        world.client.pay(made.id, amount=eur(1000), reference="part-1", expect=eur(2500))
    assert refused.value.source == "chargebee/openapi, API v2, collect_payment"
    assert refused.value.remedy == "pass payment_method, the id of a payment source of the customer (pm_…)"
    assert world.sent == []
