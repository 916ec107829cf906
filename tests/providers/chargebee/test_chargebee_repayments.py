"""Refunds, credit notes, find, the document and a void's reason at Chargebee, through a real client."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadyBilled,
    AmountMismatch,
    Client,
    Collection,
    Declined,
    Discrepancy,
    Effect,
    InvalidState,
    Invoice,
    Line,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    OutcomeUnknown,
    Refund,
    Status,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator import EmulatorTransport
from tests.providers.chargebee.conftest import API, World, make_world

CHARGED = Collection.charge("pm_42")
NOTHING = Money(0, "EUR")


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


def refund(client: Client, invoice: Invoice, minor: int | None, before: int = 0, **more: Any) -> Invoice:
    given: dict[str, Any] = {"reference": "re-1", "expect": eur(before)} | more
    return client.refund(invoice.id, amount=None if minor is None else eur(minor), **given)


def credit(client: Client, invoice: Invoice, minor: int, before: int = 0, **more: Any) -> Invoice:
    given: dict[str, Any] = {"reference": "cn-1", "expect": eur(before)} | more
    return client.credit(invoice.id, amount=eur(minor), **given)


def units(world: World) -> list[tuple[str, Any]]:
    return [(entry.event, entry.units) for entry in world.site.ledger]


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_part_is_refunded_and_then_the_rest(world: World) -> None:
    """The invoice stays paid; without an amount all that is left is refunded, and its amount is sent."""
    made = billed(world, collection=CHARGED)
    part = refund(world.client, made, 1000, reason="the room was closed")
    assert (part.status, part.amount_refunded, part.amount_paid) == (Status.PAID, eur(1000), eur(2500))
    assert [(note.kind, note.amount) for note in part.credit_notes] == [("refund", eur(1000))]
    assert world.bodies == [b"refund_amount=1000&comment=re-1%3A+the+room+was+closed"]
    rest = refund(world.client, made, None, 1000, reference="re-2")
    assert (rest.status, rest.amount_refunded) == (Status.PAID, eur(2500))
    assert world.bodies[1:] == [b"refund_amount=1500&comment=re-2"]
    assert units(world)[-2:] == [("refunded", 1000), ("refunded", 1500)]


def test_a_refund_reads_first(world: World) -> None:
    """The invoice, its transactions, and then one request that refunds."""
    made = billed(world, collection=CHARGED)
    refund(world.client, made, 1000)
    assert world.sent == [
        f"GET /invoices/{made.id}",
        "GET /transactions?limit=100&id%5Bin%5D=%5B%22txn_00000001%22%5D",
        f"POST /invoices/{made.id}/refund",
    ]


def test_explain_shows_a_refund(world: World) -> None:
    """Its effect and its amount, which nothing but the amount left decides where none is given."""
    del world
    whole = explain("chargebee", Refund(id="7", reference="re-1", expect=eur(500), amount=eur(700)), site="acme-test")
    assert whole.effects == {Effect.REFUNDS}
    assert whole.losses == ()
    assert whole.requests[-1].content == b"refund_amount=700&comment=re-1"


def test_without_the_amount_before_nothing_is_moved(world: World) -> None:
    """Chargebee keeps no reference of these three, so nothing else would stop a second one; the error says the way."""
    made = billed(world, collection=CHARGED)
    calls: list[Callable[[], object]] = [
        lambda: world.client.refund(made.id, amount=eur(1), reference="re-1"),
        lambda: world.client.credit(made.id, amount=eur(1), reference="cn-1"),
        lambda: world.client.pay(made.id, amount=eur(1), reference="part-1", payment_method="pm_42"),
    ]
    for call in calls:
        with pytest.raises(Unsupported, match="pass expect="):
            call()
    assert world.sent == []


@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=31), timedelta(days=366)])
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
def test_a_refund_whose_answers_were_lost_is_made_once(world: World, kind: Kind, later: timedelta) -> None:
    """The same call again: it is made where it was not, and stopped by the amount before where it was."""
    made = billed(world, collection=CHARGED)
    lost = Fault(kind, path="/refund$", times=100)
    with pytest.raises(OutcomeUnknown):
        refund(another(world, lost), made, 1000)
    world.clock.now += later
    if kind is Kind.RESET_AFTER:
        with pytest.raises(Discrepancy, match=r"amount_refunded .* 10\.00 EUR; nothing was done"):
            refund(another(world), made, 1000)
    else:
        assert refund(another(world), made, 1000).amount_refunded == eur(1000)
    assert world.events == ["issued", "collected", "refunded"]


def test_a_refund_that_is_on_its_way_is_a_success_and_not_refunded(world: World) -> None:
    """It is counted before the next one all the same, until the bank says what became of it."""
    made = billed(world, collection=Collection.charge("pm_slow_refund"))
    done = refund(world.client, made, 2000)
    assert (done.status, done.amount_refunded, done.credit_notes) == (Status.PAID, NOTHING, ())
    with pytest.raises(Discrepancy, match="the provider states 20"):
        refund(world.client, made, 2000)
    with pytest.raises(Discrepancy, match=r"at most 5\.00 EUR"):
        refund(world.client, made, 600, 2000, reference="re-2")
    assert world.events == ["issued", "collected", "refunded"]
    world.site.settle_refunds()
    assert world.client.retrieve(made.id).amount_refunded == eur(2000)
    assert refund(world.client, made, 500, 2000, reference="re-2").amount_refunded == eur(2000)


def test_a_pending_refund_that_has_a_credit_note_is_not_refunded() -> None:
    """Where the note is made at once it is a balance that is due, not a refund."""
    world = make_world(pending_refund_noted=True)
    made = billed(world, collection=Collection.charge("pm_slow_refund"))
    done = refund(world.client, made, 2000)
    assert (done.amount_refunded, [note.kind for note in done.credit_notes]) == (NOTHING, ["credit"])
    with pytest.raises(Discrepancy, match="the provider states 20"):
        refund(world.client, made, 2000)
    world.site.settle_refunds()
    assert world.client.retrieve(made.id).amount_refunded == eur(2000)


def test_a_refund_that_failed_counts_for_nothing(world: World) -> None:
    """The bank withdraws it: the same amount can be refunded under a new reference."""
    made = billed(world, collection=Collection.charge("pm_slow_refund"))
    refund(world.client, made, 2000)
    world.site.settle_refunds("failure")
    refund(world.client, made, 2000, reference="re-2")
    world.site.settle_refunds()
    assert world.client.retrieve(made.id).amount_refunded == eur(2000)


def test_a_refund_that_is_declined(world: World) -> None:
    """It raises Declined with the invoice, and nothing is refunded."""
    made = billed(world, collection=Collection.charge("pm_no_refund"))
    with pytest.raises(Declined) as declined:
        refund(world.client, made, 2000)
    assert declined.value.invoice is not None
    assert world.events == ["issued", "collected"]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.OPEN, Status.VOID, Status.UNCOLLECTIBLE])
def test_what_is_not_paid_is_not_refunded(world: World, status: Status) -> None:
    """Only a paid invoice is; one that was written off is natively paid, and is none."""
    made = billed(world, draft=status is Status.DRAFT)
    if status is Status.VOID:
        world.client.void(made.id)
    if status is Status.UNCOLLECTIBLE:
        world.client.mark_uncollectible(made.id)
    writes = world.site.writes
    with pytest.raises(InvalidState, match="cannot be refunded") as wrong:
        refund(world.client, made, 100)
    assert wrong.value.invoice is not None
    assert (wrong.value.invoice.status, world.site.writes) == (status, writes)


def test_what_was_paid_elsewhere_is_not_refunded(world: World) -> None:
    """Chargebee has no part in it: it would only write the refund down."""
    made = billed(world)
    world.client.mark_paid(made.id)
    with pytest.raises(InvalidState, match="it cannot refund a payment made elsewhere"):
        refund(world.client, made, 100)
    assert world.events == ["issued", "recorded"]


def test_a_part_that_was_paid_elsewhere_is_left_out(world: World) -> None:
    """Only what Chargebee collected can be refunded; all that is left is that."""
    made = billed(world)
    world.client.record_payment(made.id, amount=eur(1000), at=world.clock.now, reference="wire-1")
    world.client.pay(made.id, payment_method="pm_42")
    with pytest.raises(Discrepancy, match=r"at most 15\.00 EUR"):
        refund(world.client, made, 1501)
    assert refund(world.client, made, None).amount_refunded == eur(1500)


def test_of_several_payments_none_is_chosen(world: World) -> None:
    """Which one Chargebee would refund is not documented: it might be the wrong card."""
    made = billed(world)
    world.client.pay(made.id, amount=eur(1000), reference="part-1", payment_method="pm_42", expect=eur(2500))
    world.client.pay(made.id, payment_method="pm_42")
    with pytest.raises(Unsupported, match="was paid by 2 payments"):
        refund(world.client, made, 100)
    assert "refunded" not in world.events


def test_what_was_refunded_of_several_payments_is_added_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is refunded whole, the other in part: the sum is the amount before, which a refund must state."""
    made = billed(world)
    world.client.pay(made.id, amount=eur(1000), reference="part-1", payment_method="pm_42", expect=eur(2500))
    world.client.pay(made.id, payment_method="pm_42")
    back = {1000: 1000, 1500: 300}
    rows = world.site._transactions()
    for row in rows:
        made_of_it = {"txn_id": f"re_{row['id']}", "txn_status": "success", "txn_amount": back[row["amount"]]}
        row["linked_refunds"] = [made_of_it]
    monkeypatch.setattr(world.site, "_transactions", lambda: rows)
    with pytest.raises(Discrepancy, match=r"provider states 13\.00 EUR; nothing was done"):
        refund(world.client, made, 100)
    assert "refunded" not in world.events


def test_credits_that_paid_are_not_refunded() -> None:
    """A refund might be taken from the credits of another invoice's payment."""
    world = make_world(customer_credits=True)
    bill = OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(2500))
    made = world.client.create(bill, allow=["balance"])
    world.client.pay(made.id, payment_method="pm_42")
    with pytest.raises(Unsupported, match="by credits too"):
        refund(world.client, made, 100)
    assert "refunded" not in world.events


def test_a_payment_of_several_invoices_is_not_refunded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much of it was refunded for which of them cannot be read."""
    made = billed(world, collection=CHARGED)
    shown = world.site._transactions

    def shared() -> list[dict[str, Any]]:
        return [row | {"linked_invoices": [*row["linked_invoices"], {"invoice_id": "99"}]} for row in shown()]

    monkeypatch.setattr(world.site, "_transactions", shared)
    with pytest.raises(Unsupported, match="a payment of several invoices"):
        refund(world.client, made, 100)
    assert "refunded" not in world.events


def test_a_payment_that_is_not_listed_stops_a_refund(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refunded of it would be unknown."""
    made = billed(world, collection=CHARGED)
    monkeypatch.setattr(world.site, "_transactions", list)
    with pytest.raises(MalformedResponse, match=r"lack txn_\d+ .* nothing was done"):
        refund(world.client, made, 100)
    assert "refunded" not in world.events


@pytest.mark.parametrize("amount", [eur(2501), Money(100, "USD")])
def test_no_more_than_was_collected_is_refunded(world: World, amount: Money) -> None:
    """Neither more than is left nor another currency."""
    made = billed(world, collection=CHARGED)
    with pytest.raises(Discrepancy, match=r"at most 25\.00 EUR"):
        world.client.refund(made.id, amount=amount, reference="re-1", expect=NOTHING)
    assert "refunded" not in world.events


def test_a_store_credit_is_no_longer_refundable(world: World) -> None:
    """What a credit note gave as a balance is not given back a second time."""
    made = billed(world, collection=CHARGED)
    credit(world.client, made, 2000)
    with pytest.raises(Discrepancy, match=r"at most 5\.00 EUR"):
        refund(world.client, made, 501)


def test_another_amount_in_the_answer_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Money has moved, and the error says how much."""
    made = billed(world, collection=CHARGED)
    plain = world.site.refund

    def other(call: IncomingRequest, invoice_id: str) -> Response:
        answer = loads(plain(call, invoice_id).content)
        answer["transaction"]["amount"] = 100000
        return Response(200, dumps(answer), {"content-type": "application/json"})

    monkeypatch.setattr(world.site, "refund", other)
    with pytest.raises(AmountMismatch, match=r"is for 1000\.00 EUR") as wrong:
        refund(world.client, made, 1000)
    assert wrong.value.invoice is not None


def test_nobody_is_mailed_a_credit_note(world: World) -> None:
    """The site mails credit notes; the requests forbid it."""
    world.site.mails_invoices = True
    made = billed(world, collection=CHARGED)
    mailed = world.events.count("mailed")
    refund(world.client, made, 1000)
    credit(world.client, made, 500, 1000)
    assert world.events.count("mailed") == mailed
    assert world.events[-2:] == ["refunded", "credited"]


# ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_credit_note_lowers_what_remains(world: World) -> None:
    """An adjustment of the unpaid part; the whole of it leaves nothing to pay."""
    made = billed(world)
    part = credit(world.client, made, 1000, reason="as agreed")
    assert (part.status, part.amount_remaining, part.amount_credited) == (Status.OPEN, eur(1500), eur(1000))
    assert [(note.kind, note.amount) for note in part.credit_notes] == [("adjustment", eur(1000))]
    assert world.bodies == [
        f"reference_invoice_id={made.id}&type=adjustment&comment=cn-1%3A+as+agreed&total=1000".encode()
    ]
    rest = credit(world.client, made, 1500, 1000, reference="cn-2")
    assert (rest.status, rest.amount_remaining, rest.amount_credited) == (Status.PAID, NOTHING, eur(2500))
    assert units(world)[-2:] == [("credited", 1000), ("credited", 1500)]


def test_a_credit_note_of_a_paid_invoice_is_a_balance(world: World) -> None:
    """Nothing is refunded by it."""
    made = billed(world, collection=CHARGED)
    done = credit(world.client, made, 1000)
    assert (done.status, done.amount_credited, done.amount_refunded) == (Status.PAID, eur(1000), NOTHING)
    assert [(note.kind, note.amount) for note in done.credit_notes] == [("credit", eur(1000))]
    assert b"type=refundable" in world.bodies[0]


def test_lines_are_credited(world: World) -> None:
    """Each by the id of a line of the invoice."""
    made = billed(world)
    line = Line(id=made.lines[0].id, amount=eur(700), description="Parking")
    done = world.client.credit(made.id, lines=[line], reference="cn-1", expect=NOTHING)
    assert done.amount_credited == eur(700)
    for other in (Line(id="li_other", amount=eur(1)), Line(description="Goodwill", amount=eur(1))):
        with pytest.raises(Unsupported, match="credits lines of the invoice"):
            world.client.credit(made.id, lines=[other], reference="cn-2", expect=eur(700))
    assert world.events == ["issued", "credited"]


def test_lines_with_tax_are_not_credited(world: World) -> None:
    """What comes on top of them is not known before; an amount has its tax in it."""
    world.site.tax_percent = 20
    made = billed(world, tax="provider")
    line = Line(id=made.lines[0].id, amount=eur(700))
    with pytest.raises(Unsupported, match="give the amount to credit"):
        world.client.credit(made.id, lines=[line], reference="cn-1", expect=NOTHING)
    assert credit(world.client, made, 3000).amount_credited == eur(3000)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=31), timedelta(days=366)])
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
def test_a_credit_note_whose_answers_were_lost_is_made_once(world: World, kind: Kind, later: timedelta) -> None:
    """The same call again: it is made where it was not, and stopped by the amount before where it was."""
    made = billed(world)
    with pytest.raises(OutcomeUnknown):
        credit(another(world, Fault(kind, path="/credit_notes$", times=100)), made, 1000)
    world.clock.now += later
    if kind is Kind.RESET_AFTER:
        with pytest.raises(Discrepancy, match="amount_credited"):
            credit(another(world), made, 1000)
    else:
        assert credit(another(world), made, 1000).amount_credited == eur(1000)
    assert world.events == ["issued", "credited"]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.VOID, Status.UNCOLLECTIBLE])
def test_only_what_is_open_or_paid_is_credited(world: World, status: Status) -> None:
    """A draft owes nothing yet, and what was withdrawn or given up owes nothing any more."""
    made = billed(world, draft=status is Status.DRAFT)
    if status is Status.VOID:
        world.client.void(made.id)
    if status is Status.UNCOLLECTIBLE:
        world.client.mark_uncollectible(made.id)
    with pytest.raises(InvalidState, match="cannot be credited"):
        credit(world.client, made, 100)
    assert "credited" not in world.events


@pytest.mark.parametrize("amount", [eur(2501), Money(100, "USD")])
@pytest.mark.parametrize("collection", [Collection.manual(), CHARGED], ids=["open", "paid"])
def test_no_more_is_credited_than_an_invoice_came_to(world: World, collection: Collection, amount: Money) -> None:
    """Neither more than remains nor another currency."""
    made = billed(world, collection=collection)
    with pytest.raises(Discrepancy, match="nothing was done"):
        world.client.credit(made.id, amount=amount, reference="cn-1", expect=NOTHING)
    assert "credited" not in world.events


def test_a_pending_payment_stops_a_credit_note(world: World) -> None:
    """The payment would then be too much."""
    made = billed(world, collection=Collection.charge("pm_pending"))
    with pytest.raises(InvalidState, match="a payment is in progress"):
        credit(world.client, made, 100)
    assert "credited" not in world.events


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_document_is_downloaded_without_the_key(world: World) -> None:
    """The link comes from a request with the key, and lives an hour: after that another one is asked for."""
    made = billed(world)
    assert world.client.pdf(made.id).startswith(b"%PDF-")
    read, ask, link = world.transport.sent
    assert [request.method for request in (read, ask, link)] == ["GET", "POST", "GET"]
    assert link.url.startswith("https://invoice.example.test/")
    assert "authorization" not in {name.lower() for name in link.headers}
    world.clock.now += timedelta(hours=2)
    assert world.client.pdf(made.id).startswith(b"%PDF-")
    assert world.events == ["issued"]


def test_a_link_that_has_expired_gives_no_document(world: World) -> None:
    """The emulator's links end after their hour."""
    made = billed(world)
    url = world.made(f"/invoices/{made.id}/pdf")["download"]["download_url"]
    assert world.ask("GET", url.removeprefix("https://invoice.example.test")).status == 200
    world.clock.now += timedelta(minutes=61)
    assert world.ask("GET", url.removeprefix("https://invoice.example.test")).status == 403


def test_a_draft_has_no_document(world: World) -> None:
    """It was not issued."""
    made = billed(world, draft=True)
    with pytest.raises(InvalidState, match="has no document"):
        world.client.pdf(made.id)
    assert world.sent == [f"GET /invoices/{made.id}"]


# ── find, and the reason of a void ───────────────────────────────────────────────────────────────────────────────────
def test_an_invoice_is_found_by_its_reference(world: World) -> None:
    """In the listing of its customer; nothing is written."""
    made = billed(world, "res-7")
    billed(world, "res-8")
    assert world.client.find("res-7", customer="cus_42").id == made.id
    with pytest.raises(NotFound):
        world.client.find("res-9", customer="cus_42")
    assert {request.method for request in world.transport.sent} == {"GET"}


def test_two_invoices_with_one_reference_are_not_told_apart(world: World) -> None:
    """Whichever was meant, nobody can say."""
    billed(world, "res-7")
    more = [("customer_id", "cus_42"), ("currency_code", "EUR"), ("po_number", "res-7"), ("auto_collection", "off")]
    charge = [("charges[amount][0]", "1"), ("charges[description][0]", "x")]
    world.made("/invoices/create_for_charge_items_and_charges", *more, *charge)
    with pytest.raises(AlreadyBilled, match="is on 2 invoices"):
        world.client.find("res-7", customer="cus_42")


def test_the_reason_of_a_void_is_a_comment(world: World) -> None:
    """People read it at Chargebee."""
    made = billed(world)
    assert world.client.void(made.id, reason="billed twice").status is Status.VOID
    assert world.bodies == [b"comment=billed+twice"]
    with pytest.raises(Unsupported, match="198"):
        world.client.void(made.id, reason="x" * 199)


# ── the bill itself, made again ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=31), timedelta(days=366)])
@pytest.mark.parametrize("minor", [1000, 2500])
@pytest.mark.parametrize("collection", [Collection.manual(), CHARGED], ids=["open", "paid"])
def test_a_bill_that_was_credited_is_still_that_bill(
    world: World, collection: Collection, minor: int, later: timedelta
) -> None:
    """Made again it is found, whatever was given back of it since; nothing is billed."""
    made = billed(world, collection=collection)
    credit(world.client, made, minor)
    events = list(world.events)
    world.clock.now += later
    bill = OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(2500), collection=collection)
    assert another(world).create(bill).id == made.id
    assert world.events == events
