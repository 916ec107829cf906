"""Payments and credit notes, which Stripe lists apart: retrieve and a full listing have all of them, and say so."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, CreditNote, Invoice, Money, OneTimeCharge, Payment, Status, explain
from invoice_bridge.core.commands import ListInvoices, Retrieve
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.shapes import invoice
from tests.providers.stripe.conftest import World

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def billed(world: World, reference: str = "res-1", **more: object) -> Invoice:
    bill = {"reference": reference, "customer": "cus_42", "amount": eur(1999)} | more
    return world.client.create(OneTimeCharge.model_validate(bill))


def paths(world: World, since: int) -> list[str]:
    return [entry.split("?")[0] for entry in world.sent[since:]]


BARE: dict[str, Any] = {"id": "in_1", "object": "invoice", "status": "paid", "currency": "eur", "total": 5000}
CHARGE = {"id": "ch_1", "amount": 3000, "amount_refunded": 500, "currency": "eur"}
BY_CARD: dict[str, Any] = {
    "id": "inpay_1",
    "status": "paid",
    "amount_paid": 3000,
    "amount_requested": 3000,
    "status_transitions": {"paid_at": 1777593600},
    "payment": {
        "type": "payment_intent",
        "payment_intent": {"id": "pi_1", "status": "succeeded", "payment_method": "pm_1", "latest_charge": CHARGE},
    },
}
BY_TRANSFER: dict[str, Any] = {
    "id": "inpay_2",
    "status": "paid",
    "amount_paid": 2000,
    "amount_requested": 2000,
    "status_transitions": {"paid_at": 1777593600},
    "payment": {
        "type": "payment_record",
        "payment_record": {
            "id": "pr_1",
            "amount": {"value": 2000, "currency": "eur"},
            "amount_refunded": {"value": 0, "currency": "eur"},
        },
    },
}


def read(*rows: dict[str, Any], **changes: Any) -> Invoice:
    return invoice({**BARE, "amount_paid": 5000, **changes}, all_payments=list(rows))


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_listed_payments_have_their_refunds() -> None:
    """A charge of an intent and a payment record: what each paid, by what, what was given back; and the sum of it."""
    found = read(BY_CARD, BY_TRANSFER)
    assert found.problems == ()
    assert found.payments == (
        Payment(
            id="inpay_1",
            amount=eur(3000),
            at=MAY_1,
            state="succeeded",
            method="pm_1",
            recorded_outside=False,
            refunded=eur(500),
        ),
        Payment(
            id="inpay_2",
            amount=eur(2000),
            at=MAY_1,
            state="succeeded",
            method="payment_record",
            recorded_outside=True,
            refunded=eur(0),
        ),
    )
    assert (found.payments_complete, found.amount_refunded, found.payment_pending) == (True, eur(500), False)


def test_a_charge_without_an_intent() -> None:
    """It is the payment itself: its method and its refunds are read."""
    charge = {"id": "ch_9", "amount": 5000, "amount_refunded": 5000, "payment_method": "pm_9", "currency": "eur"}
    payment = {"type": "charge", "charge": charge}
    (found,) = read(BY_CARD | {"amount_paid": 5000, "payment": payment}).payments
    assert (found.method, found.refunded, found.recorded_outside) == ("pm_9", eur(5000), False)


@pytest.mark.parametrize(
    "charge",
    [
        CHARGE | {"amount": 9000},  # it paid several invoices: whose money was given back is not known
        CHARGE | {"currency": "usd"},
        CHARGE | {"amount_refunded": None},
        "ch_1",
    ],
)
def test_a_refund_that_cannot_be_attributed_is_not_guessed(charge: Any) -> None:
    """Then neither the payment nor the invoice says what was given back."""
    intent = BY_CARD["payment"]["payment_intent"] | {"latest_charge": charge}
    found = read(BY_CARD | {"payment": {"type": "payment_intent", "payment_intent": intent}}, BY_TRANSFER)
    assert (found.payments[0].refunded, found.amount_refunded, found.payments_complete) == (None, None, True)


def test_a_charge_of_several_invoices_that_gave_nothing_back() -> None:
    """Nothing of it can belong to this invoice."""
    intent = BY_CARD["payment"]["payment_intent"] | {"latest_charge": CHARGE | {"amount": 9000, "amount_refunded": 0}}
    found = read(BY_CARD | {"payment": {"type": "payment_intent", "payment_intent": intent}}, BY_TRANSFER)
    assert (found.payments[0].refunded, found.amount_refunded) == (eur(0), eur(0))


def test_what_no_listed_payment_paid_was_recorded_from_outside() -> None:
    """`amount_paid` has out of band amounts since basil, and it is not confirmed that those are listed."""
    found = read(BY_CARD, status_transitions={"paid_at": 1777593600})
    assert found.payments[1] == Payment(amount=eur(2000), at=MAY_1, state="succeeded", recorded_outside=True)
    assert (found.payments_complete, found.amount_refunded) == (True, None)
    (whole,) = read(status_transitions={"paid_at": 1777593600}).payments
    assert (whole.amount, whole.id) == (eur(5000), None)


def test_an_open_invoice_that_was_paid_more_than_is_listed_has_not_all() -> None:
    """Nothing is invented there: the list says that it is not complete."""
    found = read(BY_CARD, status="open")
    assert (len(found.payments), found.payments_complete) == (1, False)


def test_more_than_was_due_is_all_the_same_all() -> None:
    """What was overpaid is on the customer's balance and not in amount_paid."""
    found = read(BY_CARD, BY_TRANSFER, amount_paid=4000)
    assert (len(found.payments), found.payments_complete) == (2, True)


def test_a_payment_on_its_way() -> None:
    """An open row whose intent is processing: the invoice says so, and nothing was paid or given back."""
    intent = {"id": "pi_1", "status": "processing", "latest_charge": None}
    row = {"id": "inpay_1", "status": "open", "amount_requested": 5000, "payment": {"payment_intent": intent}}
    found = read(row, status="open", amount_paid=0)
    assert [payment.state for payment in found.payments] == ["pending"]
    assert (found.payment_pending, found.payments_complete, found.amount_refunded) == (True, True, eur(0))


def test_an_invoice_says_itself_that_there_is_no_credit_note() -> None:
    """Both sums are zero: nothing has to be listed. Where one is not stated, nothing is known."""
    none = {"pre_payment_credit_notes_amount": 0, "post_payment_credit_notes_amount": 0}
    assert (invoice(BARE | none).credit_notes, invoice(BARE | none).credit_notes_complete) == ((), True)
    assert invoice(BARE).credit_notes_complete is False
    assert invoice(BARE | none | {"pre_payment_credit_notes_amount": 1}).credit_notes_complete is False


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_paid_invoice_is_retrieved_with_its_payment(world: World) -> None:
    """Its method, what it paid, that nothing was given back; no credit note has to be asked for."""
    made = world.client.pay(billed(world).id, payment_method="pm_card_visa")
    assert made.payments_complete is False
    since = len(world.sent)
    found = world.client.retrieve(made.id)
    (paid,) = found.payments
    assert (paid.amount, paid.method, paid.state, paid.refunded) == (eur(1999), "pm_card_visa", "succeeded", eur(0))
    assert (found.payments_complete, found.credit_notes_complete, found.amount_refunded) == (True, True, eur(0))
    assert paths(world, since) == [f"GET /v1/invoices/{made.id}", "GET /v1/invoice_payments"]


def test_what_was_marked_paid_is_a_payment_from_outside(world: World) -> None:
    """The whole amount, at the instant at which the invoice was paid."""
    made = world.client.mark_paid(billed(world).id)
    (paid,) = world.client.retrieve(made.id).payments
    assert paid == Payment(amount=eur(1999), at=made.paid_at, state="succeeded", recorded_outside=True)


def test_credit_notes_are_listed_but_for_void_ones(world: World) -> None:
    """One that lowers what is due, then three of a paid invoice: given back, outside or not, and to the balance."""
    made = billed(world)
    world.stripe.add_credit_note(made.id, 99, reason="duplicate")
    world.stripe.add_credit_note(made.id, 5, status="void")
    lowered = world.client.retrieve(made.id)
    (note,) = lowered.credit_notes
    assert note == CreditNote(
        id=note.id,
        number=f"{made.number}-CN-01",
        amount=eur(99),
        reason="duplicate",
        kind="adjustment",
        at=lowered.created_at,
    )
    assert (lowered.credit_notes_complete, lowered.amount_credited) == (True, eur(99))
    paid = world.client.pay(billed(world, "res-2").id)
    world.stripe.add_credit_note(paid.id, 100)
    world.stripe.add_credit_note(paid.id, 200, out_of_band_amount=None, refunds=[{"amount_refunded": 200}])
    world.stripe.add_credit_note(paid.id, 300, out_of_band_amount=None, customer_balance_transaction="cbtxn_1")
    world.stripe.add_credit_note(paid.id, 400, customer_balance_transaction="cbtxn_2")
    found = world.client.retrieve(paid.id)
    assert [(note.amount, note.kind) for note in found.credit_notes] == [
        (eur(400), "unknown"),
        (eur(300), "credit"),
        (eur(200), "refund"),
        (eur(100), "refund"),
    ]
    assert found.amount_credited == eur(1000)


def test_a_credit_note_of_another_currency_is_left_out_and_said() -> None:
    """It is a problem of the invoice, and the list is not complete."""
    found = retrieved({"credit_notes": [{"id": "cn_1", "amount": 5, "currency": "usd"}]})
    assert (found.credit_notes, found.credit_notes_complete) == ((), False)
    assert [str(one) for one in found.problems] == ["credit_notes[0].currency is not the invoice's currency, EUR"]
    found = retrieved({"credit_notes": [{"id": "cn_1", "amount": "5", "currency": "eur"}]})
    assert (found.credit_notes[0].amount, found.credit_notes_complete) == (None, False)


def retrieved(listings: dict[str, list[dict[str, Any]]], refused: str = "", status: int = 403) -> Invoice:
    """Retrieve an invoice from a server that has these listings, and refuses one of them."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if name == refused:
            return httpx.Response(status, json={"error": {"type": "invalid_request_error", "message": "no such"}})
        return httpx.Response(200, json=BARE if name == "in_1" else {"data": listings.get(name, []), "has_more": False})

    with Client("stripe", api_key="sk_test_not_a_key", http=httpx.Client(transport=httpx.MockTransport(answer))) as it:
        return it.retrieve("in_1")


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("refused", ["invoice_payments", "credit_notes"])
def test_a_listing_that_may_not_be_read_is_not_complete(refused: str, status: int) -> None:
    """The invoice and the other listing are read all the same."""
    found = retrieved({}, refused, status)
    assert found.status is Status.PAID
    assert (found.payments_complete, found.credit_notes_complete) == (
        refused != "invoice_payments",
        refused != "credit_notes",
    )


def test_many_payments_are_read_page_after_page(world: World) -> None:
    """A hundred a page, and all of them in the end."""
    made = billed(world)
    row = {"object": "invoice_payment", "status": "canceled", "amount_requested": 1999, "payment": {}}
    world.stripe.invoices[made.id]["payments"] += [row | {"id": f"inpay_{n}"} for n in range(250)]
    since = len(world.sent)
    found = world.client.retrieve(made.id)
    assert (len(found.payments), found.payments_complete) == (250, True)
    assert paths(world, since) == [f"GET /v1/invoices/{made.id}", *["GET /v1/invoice_payments"] * 3]


def test_a_plain_page_is_one_request_and_a_full_one_completes_each(world: World) -> None:
    """The plain one says that the payments are not there; the full one is what retrieve returns."""
    made = [world.client.pay(billed(world, f"res-{n}").id) for n in range(3)]
    world.stripe.add_credit_note(made[0].id, 7)
    since = len(world.sent)
    plain = list(world.client.list())
    assert (paths(world, since), {one.payments_complete for one in plain}) == (["GET /v1/invoices"], {False})
    since = len(world.sent)
    full = list(world.client.list(full=True))
    assert paths(world, since) == ["GET /v1/invoices", *["GET /v1/invoice_payments"] * 3, "GET /v1/credit_notes"]
    assert full == [world.client.retrieve(one.id) for one in reversed(made)]
    assert {(one.payments_complete, one.credit_notes_complete) for one in full} == {(True, True)}


def test_billing_asks_for_no_payments_or_credit_notes(make: Callable[..., World]) -> None:
    """Neither the bill nor its lookup is slower for what only a reader wants."""
    world = make(lookup="always")
    billed(world)
    billed(world)
    assert not [path for path in paths(world, 0) if path in {"GET /v1/invoice_payments", "GET /v1/credit_notes"}]


def test_explain_shows_the_requests() -> None:
    """Two to retrieve, and a note on the third; a page is one, and a full one says what is asked for each invoice."""
    asked = {
        command: [request.url.split("?")[0].rpartition("/v1/")[2] for request in explain("stripe", command).requests]
        for command in (Retrieve(id="in_1"), ListInvoices(), ListInvoices(full=True))
    }
    assert list(asked.values()) == [
        ["invoices/in_1", "invoice_payments"],
        ["invoices"],
        ["invoices", "invoice_payments"],
    ]
    for command in (Retrieve(id="in_1"), ListInvoices(full=True)):
        assert "credit notes, they are listed too" in str(explain("stripe", command))


def test_the_emulator_lists_what_is_asked_for(world: World) -> None:
    """What is not expanded is an id; payments are filtered by invoice and by status."""
    first, second = (world.client.pay(billed(world, name).id) for name in ("res-1", "res-2"))

    def rows(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = world_json(world.ask("GET", "/v1/invoice_payments", *pairs))["data"]
        return found

    assert [row["invoice"] for row in rows()] == [second.id, first.id]
    assert isinstance(rows(("invoice", first.id))[0]["payment"]["payment_intent"], str)
    assert rows(("invoice", first.id), ("status", "open")) == []
    (half,) = rows(("invoice", first.id), ("expand[0]", "data.payment.payment_intent"))
    assert isinstance(half["payment"]["payment_intent"]["latest_charge"], str)


def world_json(answer: Response) -> Any:
    from invoice_bridge.core.exact import loads

    return loads(answer.content)
