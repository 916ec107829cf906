"""Refunds, credit notes, payments of a part, find and the document, through a real client."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadyBilled,
    AsyncClient,
    BridgeError,
    Client,
    Collection,
    Declined,
    Discrepancy,
    Effect,
    IdempotencyMismatch,
    InvalidState,
    Invoice,
    Line,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    OutcomeUnknown,
    Refund,
    Status,
    Unsupported,
    Void,
)
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.core.exact import loads
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from tests.providers.stripe.conftest import ROOT, World

Make = Callable[..., World]
WHEN = datetime(2026, 10, 1, tzinfo=UTC)
CHARGED = Collection.charge("pm_7")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def billed(world: World, reference: str = "res-1", **more: object) -> Invoice:
    said = {"reference": reference, "customer": "cus_42", "amount": eur(2500)} | more
    return world.client.create(OneTimeCharge.model_validate(said))


def another(world: World, *faults: Fault, **settings: Any) -> Client:
    """A client that remembers nothing of what others did."""
    transport = EmulatorTransport(Faults(world.stripe, faults), ROOT)
    http = httpx.Client(transport=transport)
    return Client("stripe", api_key=world.stripe.key, base_url=ROOT, http=http, **settings)


def record(client: Client, invoice: Invoice, minor: int, reference: str, **more: Any) -> Invoice:
    return client.record_payment(invoice.id, amount=eur(minor), at=WHEN, reference=reference, **more)


# ── payments made elsewhere ──────────────────────────────────────────────────────────────────────────────────────────
def test_parts_that_were_paid_elsewhere_pay_an_invoice(world: World) -> None:
    """The first leaves it open, the last pays it; each is a payment that Stripe did not collect."""
    made = billed(world)
    first = record(world.client, made, 1000, "wire-1", method="bank transfer")
    assert (first.status, first.amount_paid, first.amount_remaining) == (Status.OPEN, eur(1000), eur(1500))
    assert [(paid.amount, paid.recorded_outside, paid.state) for paid in first.payments] == [
        (eur(1000), True, "succeeded")
    ]
    last = record(world.client, made, 1500, "wire-2")
    assert (last.status, last.amount_paid, last.amount_remaining) == (Status.PAID, eur(2500), eur(0))
    assert [(entry.event, entry.units) for entry in world.stripe.ledger] == [
        ("issued", 2500),
        ("recorded", 1000),
        ("recorded", 1500),
    ]
    written = [row["payment_method_details"]["custom"] for row in world.stripe.payment_records.values()]
    assert written == [{"display_name": "bank transfer"}, {"display_name": "Paid elsewhere"}]


@pytest.mark.parametrize("amount", [eur(2501), Money(1000, "USD")])
def test_no_more_is_recorded_than_remains(world: World, amount: Money) -> None:
    """More than remains, or another currency, stops it before anything is written."""
    made = billed(world)
    writes = world.stripe.writes
    with pytest.raises(Discrepancy, match="remains on"):
        world.client.record_payment(made.id, amount=amount, at=WHEN, reference="wire-1")
    assert world.stripe.writes == writes


def test_a_record_that_was_not_attached_counts_for_nothing(world: World) -> None:
    """The report took effect, its answers were lost and the key is forgotten: another record pays, and one alone."""
    made = billed(world)
    lost = Fault(Kind.RESET_AFTER, path="/report_payment$", times=100)
    with pytest.raises(OutcomeUnknown, match="Make the same call again: its reference takes effect once"):
        record(another(world, lost), made, 1000, "wire-1")
    world.clock.now += timedelta(days=30)
    paid = record(another(world), made, 1000, "wire-1")
    assert (paid.amount_paid, len(paid.payments), len(world.stripe.payment_records)) == (eur(1000), 1, 2)
    assert world.events == ["issued", "recorded"]


# ── a part that is collected ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_part_is_collected(world: World) -> None:
    """The invoice stays open with what remains; the next part may pay it."""
    made = billed(world)
    part = world.client.pay(made.id, amount=eur(1000), reference="part-1", payment_method="pm_7", expect=eur(2500))
    assert (part.status, part.amount_paid, part.amount_remaining) == (Status.OPEN, eur(1000), eur(1500))
    assert [(paid.amount, paid.recorded_outside, paid.method) for paid in part.payments] == [(eur(1000), False, "pm_7")]
    rest = world.client.pay(made.id, amount=eur(1500), reference="part-2", payment_method="pm_7")
    assert (rest.status, rest.amount_remaining) == (Status.PAID, eur(0))
    assert world.events == ["issued", "collected", "collected"]


def test_a_part_that_was_declined_is_tried_again_with_the_same_payment(world: World) -> None:
    """Declined, then attempt=2 with another method: one payment intent, one collection."""
    made = billed(world)
    declined = "pm_card_visa_chargeDeclined"
    with pytest.raises(Declined) as refused:
        world.client.pay(made.id, amount=eur(1000), reference="part-1", payment_method=declined)
    assert refused.value.invoice is not None
    assert refused.value.invoice.amount_paid == eur(0)
    paid = world.client.pay(made.id, amount=eur(1000), reference="part-1", payment_method="pm_7", attempt=2)
    assert (paid.amount_paid, len(world.stripe.intents)) == (eur(1000), 1)
    assert world.events == ["issued", "collected"]


def test_a_part_that_stopped_before_it_was_collected_goes_on(world: World) -> None:
    """The payment was attached and the confirmation never arrived: it is confirmed, and no second one is made."""
    made = billed(world)
    with pytest.raises(OutcomeUnknown):
        another(world, Fault(Kind.RESET_BEFORE, path="/confirm$", times=100)).pay(
            made.id, amount=eur(1000), reference="part-1", payment_method="pm_7"
        )
    world.clock.now += timedelta(days=30)
    paid = another(world).pay(made.id, amount=eur(1000), reference="part-1", payment_method="pm_7")
    assert (paid.amount_paid, len(world.stripe.intents)) == (eur(1000), 1)


def test_a_part_that_waits_for_the_customer_is_no_success(world: World) -> None:
    """It is neither confirmed again nor returned as if it were collected."""
    made = billed(world)
    with pytest.raises(OutcomeUnknown):
        another(world, Fault(Kind.RESET_BEFORE, path="/confirm$", times=100)).pay(
            made.id, amount=eur(1000), reference="part-1", payment_method="pm_7"
        )
    next(iter(world.stripe.intents.values()))["status"] = "requires_action"
    with pytest.raises(InvalidState, match="waits for the customer: requires_action"):
        another(world).pay(made.id, amount=eur(1000), reference="part-1", payment_method="pm_7")
    assert world.events == ["issued"]


def test_a_part_needs_a_payment_method(world: World) -> None:
    """Nothing is made without one."""
    made = billed(world)
    writes = world.stripe.writes
    with pytest.raises(Unsupported, match="named payment method"):
        world.client.pay(made.id, amount=eur(1000), reference="part-1")
    assert world.stripe.writes == writes


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_invoice_is_refunded_in_parts_and_in_whole(world: World) -> None:
    """Each reference gives back its amount; without an amount all that is left; then nothing is."""
    made = billed(world, collection=CHARGED)
    part = world.client.refund(made.id, amount=eur(1000), reference="re-1", reason="duplicate")
    assert (part.status, part.amount_refunded, part.payments[0].refunded) == (Status.PAID, eur(1000), eur(1000))
    rest = world.client.refund(made.id, reference="re-2", reason="the room was closed", expect=eur(1000))
    assert rest.amount_refunded == eur(2500)
    with pytest.raises(InvalidState, match="everything that was collected is already refunded"):
        world.client.refund(made.id, reference="re-3")
    assert [row["reason"] for row in world.stripe.refunds] == ["duplicate", None]
    assert world.stripe.refunds[1]["metadata"] == {
        "invoice_bridge_reference": "re-2",
        "invoice_bridge_reason": "the room was closed",
    }
    assert [entry.units for entry in world.stripe.ledger if entry.event == "refunded"] == [1000, 1500]


def test_what_stripe_did_not_collect_is_not_refunded(world: World) -> None:
    """Paid elsewhere, not paid, or more than it collected: refused before anything is written."""
    elsewhere = world.client.mark_paid(billed(world).id)
    charged, still_open = billed(world, "res-2", collection=CHARGED), billed(world, "res-3")
    writes = world.stripe.writes
    with pytest.raises(InvalidState, match="Stripe collected nothing of it"):
        world.client.refund(elsewhere.id, reference="re-1")
    with pytest.raises(InvalidState, match="it is open"):
        world.client.refund(still_open.id, reference="re-2")
    with pytest.raises(Discrepancy, match=r"at most 25\.00 EUR"):
        world.client.refund(charged.id, amount=eur(2501), reference="re-3")
    with pytest.raises(Discrepancy, match="is in EUR"):
        world.client.refund(charged.id, amount=Money(100, "USD"), reference="re-4")
    assert world.stripe.writes == writes


def test_of_several_payments_one_is_refunded(world: World) -> None:
    """Stripe refunds one payment: without an amount it is not known which; one that covers the amount is chosen."""
    made = billed(world)
    for number, minor in enumerate((2000, 500)):
        world.client.pay(made.id, amount=eur(minor), reference=f"part-{number}", payment_method="pm_7")
    with pytest.raises(Unsupported, match="paid by 2 payments"):
        world.client.refund(made.id, reference="re-1")
    assert world.client.refund(made.id, amount=eur(600), reference="re-2").amount_refunded == eur(600)
    assert [paid.refunded for paid in world.client.refund(made.id, amount=eur(600), reference="re-2").payments] == [
        eur(600),
        eur(0),
    ]


def test_a_refund_that_failed_needs_a_new_reference(world: World) -> None:
    """Its refusal has the invoice, and the same reference is not taken for a success."""
    made = billed(world, collection=Collection.charge("pm_card_refundFail"))
    with pytest.raises(Declined, match="is failed") as failed:
        world.client.refund(made.id, reference="re-1")
    assert failed.value.invoice is not None
    assert failed.value.invoice.amount_refunded == eur(0)
    with pytest.raises(InvalidState, match="give it a new reference"):
        world.client.refund(made.id, reference="re-1")
    assert len(world.stripe.refunds) == 1


def test_a_reference_of_another_invoice_is_refused(world: World) -> None:
    """While the key is known Stripe itself refuses it, without any journal."""
    one, other = billed(world, collection=CHARGED), billed(world, "res-2", collection=CHARGED)
    world.client.refund(one.id, amount=eur(1000), reference="re-1")
    with pytest.raises(IdempotencyMismatch, match="used before for another refund"):
        world.client.refund(other.id, amount=eur(1000), reference="re-1")
    assert world.events.count("refunded") == 1


def test_a_listing_that_lags_behind_refunds_nothing_twice(world: World) -> None:
    """Two clients at once: the second does not see the first refund, and its key is the same."""
    made = billed(world, collection=CHARGED)
    world.client.refund(made.id, amount=eur(1000), reference="re-1")
    blind = another(world, Fault(Kind.STALE_LISTING, path="/refunds$"))
    assert blind.refund(made.id, amount=eur(1000), reference="re-1").amount_refunded == eur(1000)
    assert world.events.count("refunded") == 1


# ── the journal ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_the_journal_knows_is_not_done_again(world: World, tmp_path: Path) -> None:
    """The provider shows the refund no longer, and its key is forgotten: the journal alone prevents a second one.

    It may have failed since, so the call does not return as if it were done.
    """
    made = billed(world, collection=CHARGED)
    path = tmp_path / "bills.sqlite"
    with another(world, journal=path, lookup="never") as one:
        one.refund(made.id, amount=eur(1000), reference="re-1")
    world.stripe.refunds.clear()
    world.clock.now += timedelta(days=366)
    with another(world, journal=path, lookup="never") as two:
        with pytest.raises(Discrepancy, match="as done, and Stripe does not show it") as other:
            two.refund(made.id, amount=eur(1000), reference="re-1")
        assert other.value.invoice is not None
        assert (other.value.outcome, other.value.invoice.id) == ("nothing_done", made.id)
        assert two.explain(Refund(id=made.id, amount=eur(1000), reference="re-1")).effects == frozenset()
    assert world.events.count("refunded") == 1
    journal = Journal(path)
    rows = journal.verb_tries(Book("stripe:"), "refund", "re-1")
    assert [(row.verb, row.invoice_id, row.verdict, row.attempt) for row in rows] == [("refund", made.id, "applied", 1)]
    assert journal.claims() == ()
    journal.close()


def test_a_reference_of_a_verb_is_no_reference_of_a_bill(world: World, tmp_path: Path) -> None:
    """The same text names a bill and its refund; each is once."""
    with another(world, journal=tmp_path / "bills.sqlite", lookup="journal") as client:
        made = client.create(
            OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(2500), collection=CHARGED), allow=["balance"]
        )
        client.refund(made.id, reference="res-1")
        client.refund(made.id, reference="res-1")
    assert world.events == ["issued", "collected", "refunded"]


def test_another_attempt_waits_until_the_lost_one_has_settled(world: World) -> None:
    """attempt=2 has another key: within five minutes of a lost request it is not sent."""
    made = billed(world, collection=CHARGED)
    client = another(world, Fault(Kind.RESET_BEFORE, method="POST", path="/refunds$", times=3))
    with pytest.raises(OutcomeUnknown):
        client.refund(made.id, amount=eur(1000), reference="re-1")
    with pytest.raises(OutcomeUnknown, match="may still take effect"):
        client.refund(made.id, amount=eur(1000), reference="re-1", attempt=2)
    assert client.refund(made.id, amount=eur(1000), reference="re-1").amount_refunded == eur(1000)
    assert world.events.count("refunded") == 1


# ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_credit_note_lowers_what_remains(world: World) -> None:
    """Of an open invoice; nobody is mailed, and no money moves."""
    made = billed(world)
    part = world.client.credit(made.id, amount=eur(1000), reference="cn-1", reason="as agreed")
    assert (part.status, part.amount_remaining, part.amount_credited) == (Status.OPEN, eur(1500), eur(1000))
    assert [(note.amount, note.kind, note.reason) for note in part.credit_notes] == [
        (eur(1000), "adjustment", "as agreed")
    ]
    rest = world.client.credit(made.id, amount=eur(1500), reference="cn-2", reason="order_change")
    assert (rest.status, len(rest.credit_notes)) == (Status.PAID, 2)
    assert [(row["memo"], row["reason"]) for row in world.stripe.credit_notes] == [
        ("as agreed", None),
        (None, "order_change"),
    ]
    assert world.events == ["issued", "credited", "credited"]


def test_a_credit_note_of_a_paid_invoice_is_a_balance(world: World) -> None:
    """The customer's next invoice is lower by it; nothing is refunded."""
    made = billed(world, collection=CHARGED)
    done = world.client.credit(made.id, amount=eur(700), reference="cn-1", expect=eur(0))
    assert (done.status, done.amount_credited, done.credit_notes[0].kind) == (Status.PAID, eur(700), "credit")
    assert done.credit_notes == world.client.retrieve(made.id).credit_notes
    assert done.credit_notes[0].number == world.stripe.credit_notes[0]["number"]
    assert world.stripe.customers["cus_42"]["balance"] == -700
    assert world.events == ["issued", "collected", "credited"]


def test_a_bill_that_was_credited_is_still_that_bill(world: World) -> None:
    """Made again after a credit note, a part payment and a refund, it is returned: nothing else is demanded."""
    made = billed(world)
    world.client.credit(made.id, amount=eur(1000), reference="cn-1")
    assert billed(world).id == made.id
    world.client.pay(made.id, amount=eur(500), reference="part-1", payment_method="pm_7")
    world.client.pay(made.id, expect=eur(1000))
    world.client.refund(made.id, amount=eur(200), reference="re-1")
    world.clock.now += timedelta(days=30)
    assert billed(world).status is Status.PAID
    assert world.events == ["issued", "credited", "collected", "collected", "refunded"]


def test_lines_are_credited(world: World) -> None:
    """A line of the invoice by its id, and one of its own."""
    made = billed(world)
    which = made.lines[0].id
    lines = (Line(id=which, amount=eur(500)), Line(description="Goodwill", amount=eur(250)))
    done = world.client.credit(made.id, lines=lines, reference="cn-1")
    assert (done.amount_credited, done.amount_remaining) == (eur(750), eur(1750))
    assert world.client.credit(made.id, lines=lines, reference="cn-1").amount_credited == eur(750)


def test_no_more_is_credited_than_remains(world: World) -> None:
    """An open invoice takes what remains at most; a draft and a void one take nothing."""
    made, draft = billed(world), billed(world, "res-2", draft=True)
    writes = world.stripe.writes
    with pytest.raises(Discrepancy, match="remains on"):
        world.client.credit(made.id, amount=eur(2501), reference="cn-1")
    with pytest.raises(InvalidState, match="it is draft"):
        world.client.credit(draft.id, amount=eur(1), reference="cn-2")
    assert world.stripe.writes == writes


# ── find, void with a reason, the document ───────────────────────────────────────────────────────────────────────────
def test_an_invoice_is_found_by_its_reference(world: World) -> None:
    """By the search index, or in the listing of the customer; what is not there is NotFound, with what to do."""
    made = billed(world)
    assert world.client.find("res-1").id == made.id
    assert world.client.find("res-1", customer="cus_42").id == made.id
    assert [line.split("?")[0] for line in world.sent[-2:]] == ["GET /v1/invoices", f"GET /v1/invoices/{made.id}"]
    with pytest.raises(NotFound, match="may be minutes behind: pass customer="):
        world.client.find("res-2")
    with pytest.raises(NotFound, match=r"no invoice has the reference 'res-2'$"):
        world.client.find("res-2", customer="cus_42")


def test_of_several_invoices_the_one_that_was_not_withdrawn_is_found(world: World) -> None:
    """A void one counts where it is the only one; two that are open are for a person to decide."""
    gone = world.client.void(billed(world).id)
    assert world.client.find("res-1").id == gone.id
    again = billed(world, attempt=2)
    assert world.client.find("res-1").id == again.id
    blind = another(world, lookup="never")
    blind.create(OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(2500), attempt=3))
    with pytest.raises(AlreadyBilled, match="is on 2 invoices"):
        world.client.find("res-1")


def test_no_reason_of_a_void_is_kept(world: World) -> None:
    """It is a loss that stops the void; accepted, the invoice is void."""
    made = billed(world)
    with pytest.raises(LossyTranslation, match="IB-STRIPE-VOID-REASON-01"):
        world.client.void(made.id, reason="wrong customer")
    assert world.client.explain(Void(id=made.id, reason="x")).losses[0].path == "reason"
    done = world.client.void(made.id, reason="wrong customer", allow=["reason"])
    assert done.status is Status.VOID


def test_the_document_is_downloaded_without_the_key(world: World) -> None:
    """The link goes to another host: no key, no cookie, no version of the API goes with it."""
    made = billed(world)
    assert world.client.pdf(made.id).startswith(b"%PDF-")
    request = world.transport.sent[-1]
    assert request.url == f"https://invoice.example.test/{made.id}/pdf"
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["accept"] == "application/pdf"
    assert not {"authorization", "cookie", "stripe-version", "stripe-account"} & set(headers)
    assert all(world.stripe.key not in value for value in headers.values())
    with pytest.raises(InvalidState, match="has no document: it is draft"):
        world.client.pdf(billed(world, "res-2", draft=True).id)


def linked(*answers: httpx.Response, link: str = "https://pay.example.test/in_1/pdf") -> tuple[Client, list[Any]]:
    """A client whose invoice has this link, and whose hosts give these answers."""
    sent: list[httpx.Request] = []
    rest = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.url.path == "/v1/invoices/in_1":
            body = {"id": "in_1", "object": "invoice", "status": "open", "currency": "eur", "invoice_pdf": link}
            return httpx.Response(200, json=body | {"lines": {"data": []}})
        return rest.pop(0)

    http = httpx.Client(transport=httpx.MockTransport(answer), headers={"Authorization": "Bearer of the caller"})
    return Client("stripe", api_key="sk_test_not_a_key", http=http), sent


def test_a_document_is_followed_to_another_host(world: World) -> None:
    """A redirect is followed, again without a key, not even one of the caller's own client."""
    del world
    moved = httpx.Response(302, headers={"location": "https://files.example.test/one.pdf"})
    client, sent = linked(moved, httpx.Response(200, content=b"%PDF-1.7"))
    assert client.pdf("in_1") == b"%PDF-1.7"
    assert [str(request.url.host) for request in sent[1:]] == ["pay.example.test", "files.example.test"]
    assert all("authorization" not in request.headers for request in sent[1:])
    assert "authorization" in sent[0].headers


@pytest.mark.parametrize(
    "link,answers,problem",
    [
        ("http://pay.example.test/a.pdf", [], "not an https URL"),
        ("https://user@pay.example.test/a.pdf", [], "not an https URL"),
        ("https://pay.example.test:x/a.pdf", [], "not a URL"),
        ("file:///etc/passwd", [], "not an https URL"),
        ("https://a.example.test/", [httpx.Response(200, text="<html>")], "gives no PDF"),
        ("https://a.example.test/", [httpx.Response(302)], "leads nowhere"),
        (
            "https://a.example.test/",
            [httpx.Response(302, headers={"location": "http://b.example.test/"})],
            "not an https URL",
        ),
        ("https://a.example.test/", [httpx.Response(302, headers={"location": "/"}) for _ in range(6)], "redirected"),
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: str, answers: list[httpx.Response], problem: str) -> None:
    """Neither plain http, nor what is no PDF; and the link itself is in no error, for whoever has it can read it."""
    client, _ = linked(*answers, link=link)
    with pytest.raises(MalformedResponse, match=problem) as refused:
        client.pdf("in_1")
    assert link.rpartition("/")[0] not in str([str(refused.value), *map(str, refused.value.steps)])


async def test_an_asynchronous_client_does_the_same(world: World) -> None:
    """The same requests, awaited."""
    made = billed(world, collection=CHARGED)
    transport = EmulatorTransport(world.stripe, ROOT)
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncClient("stripe", api_key=world.stripe.key, base_url=ROOT, http=http)
        assert (await client.refund(made.id, reference="re-1")).amount_refunded == eur(2500)
        assert (await client.refund(made.id, reference="re-1")).amount_refunded == eur(2500)
        assert (await client.pdf(made.id)).startswith(b"%PDF-")
        assert (await client.find("res-1")).id == made.id
    assert world.events.count("refunded") == 1


def test_explain_shows_what_a_refund_does(world: World) -> None:
    """Its effect, what is read first, and where each field comes from."""
    plan = world.client.explain(Refund(id="in_1", amount=eur(1000), reference="re-1", reason="as agreed"))
    assert plan.effects == {Effect.REFUNDS}
    assert [request.method for request in plan.requests] == ["GET", "GET", "GET", "POST", "GET"]
    origins = {name: where for name, _, where in plan.origins(plan.requests[3])}
    assert origins == {
        "metadata.invoice_bridge_reference": "reference",
        "metadata.invoice_bridge_reason": "reason",
        "amount": "amount",
        "payment_intent": "id",
    }
    assert "[refunds] POST https" in str(plan) or "[refunds] POST http" in str(plan)


def test_the_emulator_refuses_what_stripe_refuses(world: World) -> None:
    """Credit notes that say not where the money goes, refunds of more than there is, payments of drafts."""
    made = billed(world, collection=CHARGED)
    draft = billed(world, "res-2", draft=True)
    intent = next(iter(world.stripe.intents))
    cases: list[tuple[str, list[tuple[str, str]], str]] = [
        ("/v1/credit_notes", [("invoice", made.id), ("amount", "100")], "must equal 100"),
        ("/v1/credit_notes", [("invoice", made.id)], "One of amount, lines"),
        ("/v1/credit_notes", [("invoice", draft.id), ("amount", "1")], "open or paid"),
        ("/v1/credit_notes", [("invoice", made.id), ("amount", "2501"), ("credit_amount", "2501")], "cannot exceed"),
        ("/v1/refunds", [("payment_intent", intent), ("amount", "2501")], "greater than unrefunded"),
        ("/v1/refunds", [("payment_intent", "pi_missing")], "No such payment_intent"),
        (f"/v1/invoices/{draft.id}/attach_payment", [("payment_intent", intent)], "open invoices"),
        ("/v1/payment_records/report_payment", [], "Missing required param"),
    ]
    for path, pairs, message in cases:
        answer = world.ask("POST", path, *pairs)
        assert answer.status in {400, 404}
        assert message in loads(answer.content)["error"]["message"]


def test_a_bad_amount_is_refused_before_anything_is_sent(world: World) -> None:
    """Zero, both an amount and lines, a part without a reference: each states what to write."""
    calls: list[Callable[[], object]] = [
        lambda: world.client.refund("in_1", amount=eur(0), reference="r"),
        lambda: world.client.credit("in_1", reference="r"),
        lambda: world.client.credit("in_1", amount=eur(1), lines=[Line(amount=eur(1))], reference="r"),
        lambda: world.client.pay("in_1", amount=eur(1)),
        lambda: world.client.pay("in_1", reference="r"),
        lambda: world.client.refund("in_1", reference=""),
    ]
    for call in calls:
        with pytest.raises(BridgeError) as refused:
            call()
        assert refused.value.outcome == "nothing_done"
    assert world.sent == []
