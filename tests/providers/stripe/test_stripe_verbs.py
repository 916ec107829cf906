"""The verbs on an invoice and the listing, through a real client: what they do, refuse and read first."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import pytest

from invoice_bridge import (
    Client,
    Collection,
    ConfigurationError,
    CustomerRef,
    Declined,
    Discrepancy,
    InvalidState,
    Invoice,
    ListInvoices,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    Rejected,
    Status,
    Unauthorized,
    Unreadable,
    Unsupported,
)
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.providers.stripe.conftest import World

Make = Callable[..., World]
COLLECTIONS = {"manual": Collection.manual(), "send": Collection.send(net_days=14), "charge": Collection.charge()}
VERBS = ("retrieve", "finalize", "pay", "mark_paid", "void", "mark_uncollectible", "send_invoice", "delete")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def billed(world: World, reference: str = "res-1", **more: object) -> Invoice:
    said = {"reference": reference, "customer": "cus_42", "amount": eur(1999)} | more
    return world.client.create(OneTimeCharge.model_validate(said))


def in_state(world: World, state: str) -> str:
    """Make an invoice that can be mailed, and bring it into a state."""
    found = billed(world, draft=state == "draft", collection=Collection.send(net_days=14), reference=f"for {state}")
    for verb in {"paid": ["pay"], "void": ["void"], "uncollectible": ["mark_uncollectible"]}.get(state, []):
        getattr(world.client, verb)(found.id)
    assert world.client.retrieve(found.id).status == state
    return found.id


# ── which verb works in which state (docs.stripe.com/invoicing/integration/workflow-transitions, sandbox recording) ──
WORKS = {
    ("finalize", "draft"): Status.OPEN,
    ("pay", "open"): Status.PAID,
    ("pay", "uncollectible"): Status.PAID,
    ("mark_paid", "open"): Status.PAID,
    ("mark_paid", "uncollectible"): Status.PAID,
    ("void", "open"): Status.VOID,
    ("void", "uncollectible"): Status.VOID,
    ("mark_uncollectible", "open"): Status.UNCOLLECTIBLE,
    ("send_invoice", "open"): Status.OPEN,
    ("delete", "draft"): Status.DELETED,
}
EVENTS = {
    "finalize": ["issued"],
    "pay": ["collected"],
    "mark_paid": ["recorded"],
    "void": ["voided"],
    "mark_uncollectible": ["written_off"],
    "send_invoice": ["mailed"],
    "delete": ["deleted"],
}


@pytest.mark.parametrize("state", ["draft", "open", "paid", "void", "uncollectible"])
@pytest.mark.parametrize("verb", EVENTS)
def test_every_verb_in_every_state(world: World, verb: str, state: str) -> None:
    """A verb does its one thing where Stripe allows it; elsewhere InvalidState shows the invoice, untouched."""
    invoice_id = in_state(world, state)
    world.stripe.kept.clear()  # a repeated verb within a day would be answered from memory
    before = len(world.stripe.ledger)
    if (verb, state) in WORKS:
        found = getattr(world.client, verb)(invoice_id)
        assert (found.id, found.status) == (invoice_id, WORKS[verb, state])
        assert world.events[before:] == EVENTS[verb]
        assert found.amount_remaining == eur(1999 if found.status is Status.OPEN else 0)
    else:
        with pytest.raises(InvalidState) as caught:
            getattr(world.client, verb)(invoice_id)
        assert caught.value.invoice is not None
        assert (caught.value.invoice.id, caught.value.invoice.status) == (invoice_id, state)
        assert (caught.value.outcome, caught.value.invoice_id) == ("nothing_done", invoice_id)
        assert world.events[before:] == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_such_invoice(world: World, verb: str) -> None:
    """Every verb says NotFound, in Stripe's own words, and nothing was done."""
    with pytest.raises(NotFound, match="No such invoice: 'in_x'") as caught:
        getattr(world.client, verb)("in_x")
    assert (caught.value.status, caught.value.code, caught.value.outcome) == (404, "resource_missing", "nothing_done")
    assert caught.value.request_id is not None


def test_update_of_no_such_invoice(world: World) -> None:
    """Update takes more than an id, and says NotFound like the others."""
    with pytest.raises(NotFound):
        world.client.update("in_x", description="x")


@pytest.mark.parametrize("verb", ["pay", "mark_paid", "send_invoice"])
def test_drafts_are_refused_before_anything_is_sent(world: World, verb: str) -> None:
    """Stripe would finalize and charge, or mail, a draft in one call: it is read first, and nothing else is sent."""
    invoice_id = in_state(world, "draft")
    before = len(world.sent)
    with pytest.raises(InvalidState, match="draft"):
        getattr(world.client, verb)(invoice_id)
    assert [sent.split("?")[0] for sent in world.sent[before:]] == [f"GET /v1/invoices/{invoice_id}"]


# ── pay ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_pay_with_the_expected_amount(world: World) -> None:
    """What is left to pay is compared with what the caller expects; only then is it collected."""
    found = world.client.pay(billed(world).id, expect=eur(1999), payment_method="pm_7")
    assert (found.status, found.amount_paid) == (Status.PAID, eur(1999))
    assert world.transport.sent[-1].content == b"payment_method=pm_7"


@pytest.mark.parametrize("expect", [eur(2000), Money(1999, "USD"), eur(0)])
def test_pay_with_another_amount_collects_nothing(world: World, expect: Money) -> None:
    """Another figure, or another currency, is a difference that stops the payment."""
    found = billed(world)
    with pytest.raises(Discrepancy) as caught:
        world.client.pay(found.id, expect=expect)
    assert (caught.value.asked, caught.value.found, caught.value.outcome) == (expect, eur(1999), "nothing_done")
    assert world.events == ["issued"]


@pytest.mark.parametrize("verb", ["pay", "mark_paid"])
def test_a_payment_on_its_way_is_refused(world: World, verb: str) -> None:
    """A bank payment that is on its way would be taken, or recorded, a second time."""
    found = billed(world)
    world.stripe.begin_payment(found.id)
    with pytest.raises(InvalidState, match="a payment is already in progress") as caught:
        getattr(world.client, verb)(found.id)
    assert caught.value.invoice is not None
    assert (caught.value.invoice.payment_pending, world.events) == (True, ["issued"])


def test_a_declined_payment(world: World) -> None:
    """Declined shows the invoice, still open; the same attempt is answered alike, the next one is a new try."""
    found = billed(world)
    for _ in range(2):
        with pytest.raises(Declined, match="Your card was declined") as caught:
            world.client.pay(found.id, payment_method="pm_declined")
        assert caught.value.invoice is not None
        assert (caught.value.invoice.status, caught.value.status) == (Status.OPEN, 402)
    assert world.client.pay(found.id, payment_method="pm_7", attempt=2).status is Status.PAID
    assert world.events == ["issued", "collected"]


def test_marking_paid_moves_no_money(world: World) -> None:
    """A payment made elsewhere is recorded: paid in full, nothing attempted."""
    found = world.client.mark_paid(billed(world).id)
    assert (found.status, found.amount_paid, found.amount_remaining) == (Status.PAID, eur(1999), eur(0))
    assert found.raw is not None
    assert (found.raw["attempted"], found.raw["attempt_count"]) == (False, 0)


# ── the others ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_finalize_turns_automatic_collection_off(world: World) -> None:
    """A draft that Stripe would have charged by itself is issued and left alone."""
    draft = world.made("/v1/invoices", ("customer", "cus_42"), ("currency", "eur"), ("auto_advance", "true"))
    world.made(f"/v1/invoices/{draft['id']}/add_lines", ("lines[0][amount]", "500"))
    assert world.client.retrieve(draft["id"]).collection == Collection.charge()
    found = world.client.finalize(draft["id"])
    assert (found.status, found.collection, world.events) == (Status.OPEN, Collection.manual(), ["issued"])


def test_void_keeps_what_was_due(world: World) -> None:
    """The remainder is zero, what was due stays, and the instant is known."""
    found = world.client.void(billed(world).id)
    assert (found.amount_due, found.amount_remaining, found.voided_at) == (eur(1999), eur(0), world.clock.now)
    assert found.raw is not None
    assert found.raw["amount_remaining"] == 1999


def test_a_verb_that_is_repeated_reads_how_it_stands_now(world: World) -> None:
    """Within a day Stripe repeats its old answer to the same request; the invoice is read instead."""
    found = billed(world, draft=True)
    world.client.finalize(found.id)
    world.client.void(found.id)
    assert world.client.finalize(found.id).status is Status.VOID
    assert world.events == ["issued", "voided"]


def test_update_a_draft(world: World) -> None:
    """Description, due date and metadata change; what is not named stays, and an empty value unsets a key."""
    found = billed(world, draft=True, collection=Collection.send(net_days=14), metadata={"a": "1", "b": "2"})
    due = world.clock.now + timedelta(days=30)
    changed = world.client.update(found.id, description="Other", due_at=due, metadata={"a": "", "c": "3"})
    assert (changed.description, changed.due_at, changed.metadata) == ("Other", due, {"b": "2", "c": "3"})
    assert (changed.reference, changed.total) == ("res-1", eur(1999))
    assert world.client.update(found.id, description="").description is None


def test_update_an_open_invoice(world: World) -> None:
    """Of an issued invoice only the metadata changes; anything else is InvalidState."""
    found = billed(world)
    assert world.client.update(found.id, metadata={"a": "1"}).metadata == {"a": "1"}
    with pytest.raises(InvalidState, match="Finalized invoices can't be updated in this way") as caught:
        world.client.update(found.id, description="Other")
    assert (caught.value.param, caught.value.invoice is not None) == ("description", True)


def test_an_update_that_comes_back_to_an_earlier_one_is_not_lost_silently(world: World) -> None:
    """A, then B, then A again within a day: Stripe repeats its first answer, and the difference is raised."""
    found = billed(world, draft=True)
    world.client.update(found.id, description="A")
    world.client.update(found.id, description="B")
    with pytest.raises(Discrepancy, match="and the invoice changed since") as caught:
        world.client.update(found.id, description="A")
    assert isinstance(caught.value.found, Invoice)
    assert caught.value.found.description == "B"
    assert world.client.update(found.id, description="B").description == "B"


def test_defect_09_an_update_to_a_past_due_date_is_refused(world: World) -> None:
    """The refusal reaches the caller and the draft stays as it was."""
    found = billed(world, draft=True, collection=Collection.send(net_days=14))
    with pytest.raises(Rejected, match="in the future"):
        world.client.update(found.id, due_at=world.clock.now)
    assert world.client.retrieve(found.id).due_at == found.due_at


def test_delete_returns_the_draft_as_it_was(world: World) -> None:
    """Stripe answers with the id alone; the caller gets the whole draft, deleted."""
    found = billed(world, draft=True)
    gone = world.client.delete(found.id)
    assert (gone.status, gone.total, gone.reference, gone.amount_remaining) == (
        Status.DELETED,
        eur(1999),
        "res-1",
        eur(0),
    )
    with pytest.raises(NotFound):
        world.client.retrieve(found.id)


@pytest.mark.parametrize("changes", [True, False])
@pytest.mark.parametrize("any_method", [True, False])
def test_defect_68_a_manual_invoice_can_be_mailed(make: Make, any_method: bool, changes: bool) -> None:
    """It is made mailable first, payable at once. Where Stripe refuses both, nothing is mailed; the error says why."""
    world = make(send_any_method=any_method, method_changes=changes)
    found = billed(world)
    if not any_method and not changes:
        with pytest.raises(Rejected, match="collection method is 'send_invoice'") as refused:
            world.client.send_invoice(found.id)
        assert refused.value.outcome == "nothing_done"
        assert world.events == ["issued"]
        return
    mailed = world.client.send_invoice(found.id)
    assert world.events == ["issued", "mailed"]
    assert (mailed.status, mailed.total) == (Status.OPEN, eur(1999))
    assert mailed.due_at == (found.created_at if changes else None)
    assert world.client.send_invoice(found.id).status is Status.OPEN  # within the key's life it is answered, not done
    assert world.events == ["issued", "mailed"]


def test_defect_68_what_stripe_charges_by_itself_is_not_made_mailable(world: World) -> None:
    """An invoice of somebody else's that Stripe charges by itself stays so: changing that could lose the payment."""
    found = billed(world)
    world.stripe.invoices[found.id]["auto_advance"] = True
    with pytest.raises(Rejected, match="collection method is 'send_invoice'"):
        world.client.send_invoice(found.id)
    assert world.stripe.invoices[found.id]["collection_method"] == "charge_automatically"


@pytest.mark.parametrize("verb,switch", [("void", "void_uncollectible"), ("pay", "pay_uncollectible")])
def test_uncollectible_invoices_where_stripe_refuses(make: Make, verb: str, switch: str) -> None:
    """Where what is documented does not hold after all, Stripe's refusal reaches the caller."""
    world = make(**{switch: False})
    invoice_id = in_state(world, "uncollectible")
    with pytest.raises(Rejected):
        getattr(world.client, verb)(invoice_id)
    assert world.events == ["issued", "mailed", "written_off"]


def test_a_wrong_key(world: World) -> None:
    """Unauthorized, in Stripe's words; the key stands in no part of the error."""
    client = Client("stripe", api_key="sk_test_of_someone_else", base_url=world.transport.root, http=world.client._http)
    with pytest.raises(Unauthorized) as caught:
        client.retrieve("in_1")
    assert caught.value.status == 401
    assert "someone_else" not in f"{caught.value!r} {caught.value} {caught.value.steps} {client!r}"


@pytest.mark.parametrize("key,mode", [("sk_live_not_a_key", "test"), ("rk_test_not_a_key", "live")])
def test_a_key_of_the_other_mode(key: str, mode: Literal["test", "live"]) -> None:
    """The key's prefix says which mode it is for; another one than asked for is refused."""
    with pytest.raises(ConfigurationError, match="the key or host is for"):
        Client("stripe", api_key=key, mode=mode)


# ── listing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_listing_three_pages(world: World) -> None:
    """250 invoices come lazily, newest first, over three requests."""
    made = [billed(world, reference=f"res-{n}", draft=True).id for n in range(250)]
    before = len(world.sent)
    found = world.client.list()
    assert len(world.sent) == before
    assert [invoice.id for invoice in found] == made[::-1]
    assert world.sent[before:] == [
        "GET /v1/invoices?limit=100",
        f"GET /v1/invoices?limit=100&starting_after={made[150]}",
        f"GET /v1/invoices?limit=100&starting_after={made[50]}",
    ]


def test_a_cursor_reads_on(world: World) -> None:
    """A page holds the command for the next one, which can be kept."""
    made = [billed(world, reference=f"res-{n}", draft=True).id for n in range(3)]
    first = world.client.page(ListInvoices(limit=2))
    assert [item.id for item in first.items if isinstance(item, Invoice)] == [made[2], made[1]]
    assert first.next == ListInvoices(limit=2, cursor=made[1])
    assert first.next is not None
    last = world.client.page(ListInvoices.model_validate_json(first.next.model_dump_json()))
    assert ([item.id for item in last.items if isinstance(item, Invoice)], last.next) == ([made[0]], None)


def test_listing_by_status_customer_and_range(world: World) -> None:
    """Filters go to Stripe, and only what passes them comes back; the end of the range does not belong to it."""
    world.stripe.add_customer("cus_7", "seven@example.test")
    start = world.clock.now
    for n, customer in enumerate(["cus_42", "cus_7", "cus_42", "cus_7"]):
        world.clock.now = start + timedelta(hours=n)
        billed(world, reference=f"res-{n}", customer=customer, draft=n == 3)
    ids = ["in_00000001", "in_00000002", "in_00000003", "in_00000004"]

    def found(**filters: Any) -> list[int]:
        return [ids.index(item.id) for item in world.client.list(**filters) if isinstance(item, Invoice)]

    assert found(status=Status.OPEN) == [2, 1, 0]
    assert found(status=Status.DRAFT) == [3]
    assert found(status=Status.UNKNOWN) == []
    assert found(customer="cus_7") == [3, 1]
    assert found(customer=CustomerRef(ids={"stripe": "cus_7"}), status=Status.OPEN) == [1]
    hour = timedelta(hours=1)
    assert found(created_from=start + hour, created_to=start + 3 * hour) == [2, 1]
    assert found(created_from=start + hour + timedelta(microseconds=1)) == [3, 2]
    assert found(created_to=start + timedelta(microseconds=1)) == [0]
    assert "GET /v1/invoices?limit=100&created%5Bgte%5D=1793613600&created%5Blt%5D=1793620800" in world.sent
    assert "GET /v1/invoices?limit=100&status=open&customer=cus_7" in world.sent


def test_listing_by_a_customer_without_an_id(world: World) -> None:
    """An e-mail alone is refused: reading everybody's invoices to find none is no answer."""
    with pytest.raises(Unsupported, match="lists by a customer's id"):
        list(world.client.list(customer=CustomerRef(email="a@example.test")))
    assert world.sent == []


def test_listed_invoices_have_all_their_lines(world: World) -> None:
    """The eleventh line of a listed invoice is fetched too."""
    lines = [{"amount": eur(n)} for n in range(12)]
    billed(world, amount=None, lines=lines)
    (found,) = world.client.list()
    assert (len(found.lines), found.lines_complete, world.sent[-1]) == (
        12,
        True,
        "GET /v1/invoices/in_00000001/lines?limit=100",
    )


def test_an_unreadable_invoice_does_not_hide_the_others(world: World) -> None:
    """It raises, or with unreadable="yield" comes as what it is, and the listing goes on."""
    for n in range(3):
        billed(world, reference=f"res-{n}")
    world.stripe.invoices["in_00000002"]["object"] = "quote"
    with pytest.raises(MalformedResponse, match="its object is 'quote'"):
        list(world.client.list())
    found = list(world.client.list(unreadable="yield"))
    assert [type(item) for item in found] == [Invoice, Unreadable, Invoice]
    assert isinstance(found[1], Unreadable)
    assert found[1].raw["id"] == "in_00000002"


def test_defect_60_one_odd_amount_does_not_end_a_listing(world: World) -> None:
    """Defect 60: the listing goes on, and the invoice says which amount of it could not be read."""
    for n in range(3):
        billed(world, reference=f"res-{n}")
    world.stripe.invoices["in_00000002"]["total"] = "19.99"
    found = list(world.client.list())
    assert [invoice.total is None for invoice in found] == [False, True, False]
    assert [[problem.path for problem in invoice.problems] for invoice in found] == [[], ["total"], []]


def test_a_listing_of_lines_in_circles_ends() -> None:
    """A provider that gives the same page of lines for ever is refused, not followed."""

    class Circling(StripeEmulator):
        def list_lines(self, call: object, invoice_id: str) -> Response:
            rows = self._find(invoice_id)["rows"]
            return self._ok({"object": "list", "data": rows[:3], "has_more": True})

    transport = EmulatorTransport(Circling(), "http://127.0.0.1:1")
    client = Client(
        "stripe", api_key="sk_test_not_a_key", base_url=transport.root, http=httpx.Client(transport=transport)
    )
    lines = [{"amount": eur(n)} for n in range(12)]
    with pytest.raises(MalformedResponse, match="the same page again"):
        client.create(OneTimeCharge.model_validate({"reference": "r", "customer": "cus_42", "lines": lines}))


def test_defect_71_a_listing_of_lines_that_alternates_ends() -> None:
    """Defect 71: pages that differ from the one before, and come round again, are read 100 times at most."""

    class Alternating(StripeEmulator):
        asked = 0

        def list_lines(self, call: object, invoice_id: str) -> Response:
            self.asked += 1
            row = self._find(invoice_id)["rows"][self.asked % 2]
            return self._ok({"object": "list", "data": [row], "has_more": True})

    emulator = Alternating()
    transport = EmulatorTransport(emulator, "http://127.0.0.1:1")
    client = Client(
        "stripe", api_key="sk_test_not_a_key", base_url=transport.root, http=httpx.Client(transport=transport)
    )
    lines = [{"amount": eur(n)} for n in range(12)]
    with pytest.raises(MalformedResponse, match="the listing continues after 100 pages of 100"):
        client.create(OneTimeCharge.model_validate({"reference": "r", "customer": "cus_42", "lines": lines}))
    assert emulator.asked == 100


def test_defect_11_past_due_is_seen(world: World) -> None:
    """An open invoice past its due date says so by the caller's clock, though Stripe's word stays open."""
    found = billed(world, collection=Collection.send(due=datetime(2026, 12, 1, tzinfo=UTC)))
    assert found.native_status == "open"
    assert found.is_past_due(datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC))
    assert not found.is_past_due(datetime(2026, 12, 1, tzinfo=UTC))
