"""One-time charges and rated period invoices through a real client: what is billed, once, and what stops it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from invoice_bridge import (
    AlreadySettled,
    AmountMismatch,
    Collection,
    CustomerRef,
    Declined,
    IdempotencyMismatch,
    InvalidState,
    Line,
    LossyTranslation,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Rejected,
    Status,
    Unsupported,
)
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.providers.stripe.conftest import World

Make = Callable[..., World]
COLLECTIONS = {
    "manual": Collection.manual(),
    "send": Collection.send(net_days=14),
    "charge": Collection.charge(),
}


def charge(amount: str = "19.99", /, **more: object) -> OneTimeCharge:
    said: dict[str, object] = {"reference": "res-1", "customer": "cus_42", "description": "Fees"}
    said["amount"] = Money.parse(amount, "EUR")
    return OneTimeCharge.model_validate(said | more)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def test_a_one_time_charge_is_open_and_nobody_is_mailed_or_charged(world: World) -> None:
    """The default: a lookup and three requests, an open invoice, one entry in the ledger."""
    found = world.client.create(charge())
    assert (found.id, found.number, found.status) == ("in_00000001", "EMULATE0-0001", Status.OPEN)
    assert (found.subtotal, found.tax, found.total, found.amount_remaining) == (eur(1999), eur(0), eur(1999), eur(1999))
    line = Line(
        description="Fees",
        quantity=1,
        unit_amount=eur(1999),
        amount=eur(1999),
        id="il_00000001",
        product="prod_00000001",
        price="price_00000001",
        discount=eur(0),
        provider="stripe",
    )
    assert found.lines == (line,)
    assert (found.reference, found.metadata, found.description) == ("res-1", {}, "Fees")
    assert found.customer == CustomerRef(id="cus_42", email="someone@example.test")
    assert (found.collection, found.issued_at) == (Collection.manual(), datetime(2026, 11, 2, 9, tzinfo=UTC))
    assert world.sent == [
        "GET /v1/invoices/search?query=metadata%5B%27invoice_bridge_reference%27%5D%3A%27res-1%27&limit=100",
        "POST /v1/invoices",
        "POST /v1/invoices/in_00000001/add_lines",
        "POST /v1/invoices/in_00000001/finalize",
    ]
    assert [(e.event, e.units, e.currency, e.customer, e.reference) for e in world.stripe.ledger] == [
        ("issued", 1999, "eur", "cus_42", "res-1")
    ]


def test_collection_send_mails_it(world: World) -> None:
    """The provider mails the invoice, due fourteen days after it was opened."""
    found = world.client.create(charge(collection=Collection.send(net_days=14)))
    assert (found.status, found.due_at) == (Status.OPEN, datetime(2026, 11, 16, 9, tzinfo=UTC))
    assert found.collection == Collection.send(due=datetime(2026, 11, 16, 9, tzinfo=UTC))
    assert world.events == ["issued", "mailed"]


def test_collection_charge_collects_it(world: World) -> None:
    """The provider collects the whole amount, once."""
    found = world.client.create(charge(collection=Collection.charge()))
    assert (found.status, found.amount_paid, found.amount_remaining) == (Status.PAID, eur(1999), eur(0))
    assert (found.amount_due, found.paid_at) == (eur(1999), datetime(2026, 11, 2, 9, tzinfo=UTC))
    assert world.events == ["issued", "collected"]


def test_a_draft_stays_a_draft(world: World) -> None:
    """draft=True: the lines are there, nothing was issued, whatever the collection."""
    found = world.client.create(charge(draft=True, collection=Collection.charge()))
    assert (found.status, found.number, found.total, len(found.lines)) == (Status.DRAFT, None, eur(1999), 1)
    assert world.events == []


@pytest.mark.parametrize("kind", COLLECTIONS)
@pytest.mark.parametrize("marked", [True, False])
def test_the_same_reference_twice_is_one_invoice(make: Make, kind: str, marked: bool) -> None:
    """A second run bills nothing, mails nobody and charges nothing, whether or not Stripe marks a replayed answer."""
    world = make(replay_header=marked)
    command = charge(collection=COLLECTIONS[kind])
    first, second = world.client.create(command), world.client.create(command)
    assert first.model_copy(update={"payment_pending": None}) == second.model_copy(
        update={"payment_pending": None, "raw": first.raw}
    )
    once = {"manual": ["issued"], "send": ["issued", "mailed"], "charge": ["issued", "collected"]}
    assert world.events == once[kind]
    assert len(world.stripe.invoices) == 1


@pytest.mark.parametrize("marked", [True, False])
def test_a_reference_with_another_amount_bills_nothing(make: Make, marked: bool) -> None:
    """The same reference is the same bill: another amount under it is a mismatch that shows the existing invoice."""
    world = make(replay_header=marked)
    first = world.client.create(charge("19.99"))
    with pytest.raises(IdempotencyMismatch, match="give a new bill a new reference") as caught:
        world.client.create(charge("20.00"))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, caught.value.existing.total) == (first.id, eur(1999))
    assert (world.events, len(world.stripe.invoices)) == (["issued"], 1)


@pytest.mark.parametrize("change", [{"amount": Money(1999, "USD")}, {"description": "Else"}, {"tax": "provider"}])
def test_a_reference_with_another_opening_bills_nothing(make: Make, change: dict[str, object]) -> None:
    """Stripe refuses the key with another body; the refusal becomes a mismatch that shows the existing invoice."""
    world = make(lookup="never")
    first = world.client.create(charge())
    with pytest.raises(IdempotencyMismatch, match="used before for a bill with other content, in_00000001") as caught:
        world.client.create(charge(**change))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, caught.value.outcome) == (first.id, "nothing_done")
    assert (world.events, len(world.stripe.invoices)) == (["issued"], 1)


def test_a_reference_for_another_customer_bills_nothing(world: World) -> None:
    """The other customer's invoices do not show the existing one: the mismatch names it all the same."""
    world.stripe.add_customer("cus_7", "seven@example.test")
    first = world.client.create(charge())
    with pytest.raises(IdempotencyMismatch) as caught:
        world.client.create(charge(customer="cus_7"))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, world.events) == (first.id, ["issued"])


def test_another_attempt_finds_what_stands(world: World) -> None:
    """A second attempt looks first: an invoice that stands is the bill, and nothing is billed again."""
    one, two = world.client.create(charge()), world.client.create(charge(attempt=2))
    assert (one.id, two.id, world.events) == ("in_00000001", "in_00000001", ["issued"])


def test_another_attempt_bills_again_what_was_withdrawn(world: World) -> None:
    """After a void, only a raised attempt bills again, and once; the first attempt finds that one and is no third."""
    one = world.client.create(charge())
    world.client.void(one.id)
    two, again = (world.client.create(charge(attempt=2)) for _ in range(2))
    assert (two.id, again.id, two.status) == ("in_00000002", "in_00000002", Status.OPEN)
    assert world.client.create(charge()).id == two.id
    assert world.events == ["issued", "voided", "issued"]


def test_what_happened_since_is_read_on_a_second_run(make: Make) -> None:
    """Defect 44: a replayed answer is old; after a void the same reference is AlreadySettled, and no new bill."""
    for lookup in ("auto", "never"):
        world = make(lookup=lookup)
        first = world.client.create(charge())
        world.client.void(first.id)
        with pytest.raises(AlreadySettled, match="which is void; nothing was billed: to bill it again"):
            world.client.create(charge())
        assert world.events == ["issued", "voided"]


def test_defect_12_a_run_that_stopped_anywhere_is_finished_by_the_next(make: Make) -> None:
    """Stopped after any of its requests, a bill is finished by the next run: one invoice, its lines, one collection."""
    command = charge(collection=Collection.charge())
    for stop in range(1, 5):
        for marked in (True, False):
            world = make(replay_header=marked)
            context = world.client._context.on(command)
            flow = context.provider.flow(command, context)
            request = next(flow)
            for _ in range(stop):
                key = {**request.headers, "Authorization": f"Bearer {world.stripe.key}"}
                answer = world.stripe(Request(request.method, request.url, key, request.content), world.transport.root)
                try:
                    request = flow.send(answer)
                except StopIteration:
                    break
            flow.close()
            found = world.client.create(command)
            assert (found.status, [line.amount for line in found.lines]) == (Status.PAID, [eur(1999)])
            assert (world.events, len(world.stripe.invoices)) == (["issued", "collected"], 1)


def test_a_payment_on_its_way_is_not_taken_again(world: World) -> None:
    """A bank payment may take days: a second run reads that it is on its way and leaves it."""
    declined = charge(collection=Collection.charge("pm_declined"))
    with pytest.raises(Declined):
        world.client.create(declined)
    world.stripe.begin_payment("in_00000001")
    world.stripe.kept.pop(world.transport.sent[3].headers["idempotency-key"])
    found = world.client.create(declined)
    assert (found.status, found.payment_pending, world.events) == (Status.OPEN, True, ["issued"])


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def lines(count: int) -> tuple[Line, ...]:
    return tuple(Line(description=f"Line {n}", amount=eur(n)) for n in range(1, count + 1))


@pytest.mark.parametrize("count,reads", [(10, 0), (11, 1), (25, 1), (250, 3)])
def test_defect_08_the_eleventh_line_is_fetched(world: World, count: int, reads: int) -> None:
    """However many lines there are, the invoice has all of them, in order."""
    found = world.client.create(charge(str(Decimal(sum(range(count + 1))) / 100), lines=lines(count)))
    assert [line.description for line in found.lines] == [f"Line {n}" for n in range(1, count + 1)]
    assert (found.lines_complete, found.subtotal) == (True, eur(sum(range(count + 1))))
    assert [line.description for line in world.client.retrieve(found.id).lines] == [
        line.description for line in found.lines
    ]
    fetched = [sent for sent in world.sent if "/lines?" in sent]
    assert len(fetched) == 3 * reads  # after add_lines, after finalize, and for retrieve


def test_251_lines_are_refused_before_anything_is_sent(world: World) -> None:
    """An invoice takes 250 lines: one more is refused whole, never cut or spread over two invoices."""
    with pytest.raises(Unsupported, match="251 entries, and the provider takes 250 at most"):
        world.client.create(OneTimeCharge(reference="res-1", customer="cus_42", lines=lines(251)))
    assert world.sent == []


def test_defect_06_zero_lines_are_billed(world: World) -> None:
    """A line that costs nothing is a line."""
    found = world.client.create(
        OneTimeCharge(reference="res-1", customer="cus_42", lines=(Line(amount=eur(0)), Line(amount=eur(500))))
    )
    assert [line.amount for line in found.lines] == [eur(0), eur(500)]


def test_a_bill_over_nothing_is_paid_at_once(world: World) -> None:
    """Stripe pays an invoice of zero when it is finalized; nothing is collected, even where it was asked for."""
    found = world.client.create(charge("0.00", collection=Collection.charge()))
    assert (found.status, found.total, world.events) == (Status.PAID, eur(0), ["issued"])


def test_quantities_and_credits_come_back(world: World) -> None:
    """1.5 × 20.00, 3 × 0.99 and a credit of 2.00 are billed as such."""
    asked = (
        Line(description="Hours", quantity="1.5", unit_amount=eur(2000)),
        Line(description="Sockets", quantity=3, unit_amount=eur(99)),
        Line(description="Credit", amount=eur(-200)),
    )
    found = world.client.create(OneTimeCharge(reference="res-1", customer="cus_42", lines=asked))
    assert [(line.quantity, line.unit_amount, line.amount) for line in found.lines] == [
        (Decimal("1.5"), eur(2000), eur(3000)),
        (3, eur(99), eur(297)),
        (1, eur(-200), eur(-200)),
    ]
    assert found.total == eur(3097)


def test_a_quantity_without_a_unit_amount_is_a_loss(world: World) -> None:
    """Stripe cannot carry it: refused with a code, or sent as the amount alone once that is allowed."""
    command = OneTimeCharge(reference="res-1", customer="cus_42", lines=(Line(quantity=3, amount=eur(100)),))
    with pytest.raises(LossyTranslation, match="IB-STRIPE-QUANTITY-01"):
        world.client.create(command)
    assert world.sent == []
    found = world.client.create(command, allow=["lines[].quantity"])
    assert (found.lines[0].quantity, found.lines[0].amount) == (Decimal(1), eur(100))
    assert [loss.code for loss in found.losses] == ["IB-STRIPE-QUANTITY-01"]


def test_an_empty_metadata_value_is_a_loss(world: World) -> None:
    """Stripe unsets a key that is given an empty value: that is said before anything is sent."""
    with pytest.raises(LossyTranslation, match="IB-STRIPE-METADATA-01"):
        world.client.create(charge(metadata={"site": ""}))
    assert world.client.create(charge(metadata={"site": "", "a": "b"}), allow=["metadata"]).metadata == {"a": "b"}


def test_a_rated_period_invoice_carries_its_period(world: World) -> None:
    """The service period stands on the lines, at the same two instants, and is read back from them."""
    may = Period.month(2026, 5, tz="Europe/Paris")
    night = Period(datetime(2026, 5, 2, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC))
    command = PeriodInvoice(
        reference="flt/2026-05",
        customer="cus_42",
        currency="EUR",
        period=may,
        lines=(Line(amount=eur(500)), Line(amount=eur(700), period=night)),
    )
    found = world.client.create(command)
    assert ([line.period for line in found.lines], found.period, found.total) == ([may, night], may, eur(1200))
    assert (found.reference, world.events) == ("flt/2026-05", ["issued"])


@pytest.mark.parametrize(
    "currency,text,units",
    [("JPY", "1999", 1999), ("KWD", "1.230", 1230), ("ISK", "1999", 199900), ("UGX", "5", 500), ("MGA", "7", 7)],
)
def test_the_ledger_shows_what_a_customer_was_billed(world: World, currency: str, text: str, units: int) -> None:
    """What arrives at the provider is the provider's own number for the amount, and reads back as the amount."""
    money = Money.parse(text, currency)
    found = world.client.create(OneTimeCharge(reference="res-1", customer="cus_42", amount=money))
    assert ([(e.units, e.currency) for e in world.stripe.ledger], found.total) == ([(units, currency.lower())], money)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_unknown_customer_is_not_found(world: World) -> None:
    """Stripe answers 400 for a customer that it does not have; nothing was made."""
    with pytest.raises(NotFound, match="No such customer: 'cus_nobody'") as caught:
        world.client.create(charge(customer="cus_nobody"))
    assert (caught.value.status, caught.value.param, caught.value.outcome) == (400, "customer", "nothing_done")


def test_defect_09_a_past_due_date_is_never_moved(world: World) -> None:
    """Stripe refuses a due date in the past, and the refusal reaches the caller: no other date is tried."""
    past = world.clock.now - timedelta(seconds=1)
    with pytest.raises(Rejected, match="must be an integer Unix timestamp in the future") as caught:
        world.client.create(charge(collection=Collection.send(due=past)))
    assert (caught.value.param, caught.value.outcome, len(world.sent)) == ("due_date", "nothing_done", 2)


def test_a_mail_needs_an_address(world: World) -> None:
    """A customer without an e-mail cannot be sent an invoice: Stripe refuses it when it is opened."""
    world.stripe.add_customer("cus_7")
    with pytest.raises(Rejected, match="Missing email"):
        world.client.create(charge(customer="cus_7", collection=Collection.send(net_days=14)))
    assert (world.events, world.stripe.invoices) == ([], {})


def test_a_declined_charge_leaves_the_invoice_open(world: World) -> None:
    """The payment did not go through: the error holds the open invoice and what was done until then."""
    with pytest.raises(Declined, match="Your card was declined") as caught:
        world.client.create(charge(collection=Collection.charge("pm_declined")))
    assert caught.value.invoice is not None
    assert (caught.value.invoice.status, caught.value.invoice.amount_remaining) == (Status.OPEN, eur(1999))
    assert (caught.value.outcome, caught.value.invoice_id) == ("partly_done", "in_00000001")
    assert (caught.value.code, world.events) == ("card_declined", ["issued"])


def test_a_draft_that_was_deleted_is_not_found_again(world: World) -> None:
    """The key still stands for the deleted draft: the reference needs another attempt, and nothing is billed."""
    command = charge(draft=True)
    world.client.delete(world.client.create(command).id)
    with pytest.raises(NotFound):
        world.client.create(command)
    assert world.client.create(charge(attempt=2)).status is Status.OPEN


def test_someone_else_issued_it_meanwhile(world: World) -> None:
    """Lines cannot be added to what is no draft any more: InvalidState, with the invoice as it is."""

    class Hasty(StripeEmulator):
        def add_lines(self, call: object, invoice_id: str) -> Response:
            self.invoices[invoice_id]["status"] = "void"
            return super().add_lines(call, invoice_id)  # type: ignore[arg-type]

    world.transport.emulator = hasty = Hasty()
    with pytest.raises(InvalidState, match="no longer editable; the invoice is void") as caught:
        world.client.create(charge())
    assert caught.value.invoice is not None
    assert (caught.value.invoice.id, caught.value.code, hasty.ledger) == ("in_00000001", "invoice_not_editable", [])


# ── tax ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", COLLECTIONS)
def test_defect_16_the_providers_tax_is_asked_for_and_verified(world: World, kind: str) -> None:
    """tax="provider": the subtotal is what was asked, and subtotal plus tax is the total."""
    found = world.client.create(charge(tax="provider", collection=COLLECTIONS[kind]))
    assert (found.subtotal, found.tax, found.total, found.amount_due) == (eur(1999), eur(400), eur(2399), eur(2399))
    assert (found.amount_paid or eur(0)) == (eur(2399) if kind == "charge" else eur(0))


class Taxing(StripeEmulator):
    """A provider that adds its tax whether or not it is asked to, from the draft on or only when it is issued."""

    late = False

    def _total(self, found: dict[str, object]) -> None:
        asked = found["automatic_tax"]
        found["automatic_tax"] = {"enabled": not self.late or found["status"] != "draft", "status": None}
        super()._total(found)
        found["automatic_tax"] = asked

    def _issue(self, found: dict[str, object]) -> None:
        super()._issue(found)
        self._total(found)


@pytest.mark.parametrize("late", [False, True])
def test_defect_16_tax_that_nobody_asked_for_is_caught_before_collection(world: World, late: bool) -> None:
    """tax="none" and a provider that adds tax all the same: a difference in the amount, and nothing is collected."""
    world.transport.emulator = taxing = Taxing()
    taxing.late = late
    with pytest.raises(AmountMismatch, match=r"asked for 19\.99 EUR") as caught:
        world.client.create(charge(collection=Collection.charge()))
    assert (caught.value.asked, caught.value.found, caught.value.outcome) == (eur(1999), eur(2399), "partly_done")
    assert [entry.event for entry in taxing.ledger] == (["issued"] if late else [])
    with pytest.raises(AmountMismatch):
        world.client.create(charge(collection=Collection.charge()))
    assert "collected" not in [entry.event for entry in taxing.ledger]


def test_a_total_that_does_not_add_up_is_caught(world: World) -> None:
    """Subtotal plus tax must be the total where the provider adds the tax."""

    class Wrong(StripeEmulator):
        def _total(self, found: dict[str, int]) -> None:
            super()._total(found)
            found["total"] += 1

    world.transport.emulator = wrong = Wrong()
    with pytest.raises(AmountMismatch, match=r"subtotal less discount plus tax is 23\.99 EUR"):
        world.client.create(charge(tax="provider", collection=Collection.charge()))
    assert wrong.ledger == []
