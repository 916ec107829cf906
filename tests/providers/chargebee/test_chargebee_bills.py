"""Bills from end to end: a real client, the emulator, what was sent and what happened to the customer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadySettled,
    AmountMismatch,
    AsyncClient,
    Collection,
    Declined,
    Discrepancy,
    Line,
    LossyTranslation,
    Money,
    NothingToBill,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Rejected,
    Status,
    Unsupported,
)
from invoice_bridge.core.commands import Command
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.emulator import EmulatorTransport, FakeClock
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargebee import CHARGEBEE
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from tests.providers.chargebee.conftest import API, LOOK, World, make_world

MAY = Period.month(2026, 5)
CREATE = "POST /invoices/create_for_charge_items_and_charges"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def bill(**more: Any) -> OneTimeCharge:
    said: dict[str, Any] = {"reference": "r1", "customer": "cus_42", "amount": eur(1999), "description": "Fees"}
    return OneTimeCharge(**{**said, **more})


def accrued(**more: Any) -> PeriodInvoice:
    said: dict[str, Any] = {"reference": "may", "customer": "cus_42", "subscription": "sub_42", "tax": "provider"}
    return PeriodInvoice(period=MAY, currency="EUR", **{**said, **more})


ALLOWED = ["collection"]


# ── catalog 2 ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_manual_is_one_request(world: World) -> None:
    """An ordinary bill is open, unpaid, and read back with what was asked."""
    made = world.client.create(bill())
    assert world.sent == [LOOK, CREATE]
    assert (made.id, made.number, made.status, made.native_status) == ("1", "1", Status.OPEN, "payment_due")
    assert (made.total, made.amount_remaining, made.amount_paid) == (eur(1999), eur(1999), eur(0))
    assert (made.reference, made.description) == ("r1", "Fees")
    assert [loss.code for loss in made.losses] == ["IB-CHARGEBEE-MAIL-01"]
    assert world.events == ["issued"]


def test_nobody_is_mailed_even_where_the_site_mails(world: World) -> None:
    """A manual bill switches the site's mails off for its request; one that is sent leaves them on."""
    world.site.mails_invoices = True
    world.client.create(bill())
    assert world.events == ["issued"]
    world.client.create(bill(reference="r2", collection=Collection.send(net_days=14)), allow=["collection"])
    assert world.events == ["issued", "issued", "mailed"]


def test_send_waits_for_its_terms(world: World) -> None:
    """With payment terms the invoice is posted and due so many days after its date; it must be allowed."""
    sent = bill(collection=Collection.send(net_days=14))
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-COLLECTION-01"):
        world.client.create(sent)
    assert world.sent == []
    made = world.client.create(sent, allow=["collection"])
    assert (made.native_status, made.due_at) == ("posted", datetime(2026, 11, 16, 9, tzinfo=UTC))


def test_a_draft_demands_nothing(world: World) -> None:
    """A draft is pending, has no number, and nothing happened to the customer."""
    made = world.client.create(bill(draft=True))
    assert (made.status, made.native_status, made.number) == (Status.DRAFT, "pending", None)
    assert world.events == []


def test_charge_closes_what_it_compared(world: World) -> None:
    """Collecting creates, compares, closes; the closed invoice has a number of its own and is paid."""
    made = world.client.create(bill(collection=Collection.charge("pm_42")))
    assert world.sent == [LOOK, CREATE, "POST /invoices/draft_inv_00000001/close"]
    assert (made.id, made.status, made.amount_paid, made.amount_remaining) == ("1", Status.PAID, eur(1999), eur(0))
    assert world.events == ["issued", "collected"]


@pytest.mark.parametrize("renumbers", [True, False])
def test_the_same_reference_again_bills_once(renumbers: bool) -> None:
    """Not looked up, a repeated charge replays its answers and reads what stands now, whatever closing does to ids."""
    world = make_world(closing_renumbers=renumbers, lookup="never")
    command = bill(collection=Collection.charge())
    first, again = world.client.create(command), world.client.create(command)
    assert (again.id, again.status) == (first.id, Status.PAID)
    assert world.events == ["issued", "collected"]


def test_a_manual_bill_again_is_read_as_it_stands() -> None:
    """Defect 44: the replayed answer says what was; the invoice is read once more, and a void one is no success."""
    world = make_world(lookup="never")
    world.client.create(bill())
    world.client.void("1")
    with pytest.raises(AlreadySettled):
        world.client.create(bill())
    assert world.sent[-1] == "GET /invoices/1"
    assert world.events == ["issued", "voided"]


def test_tax_is_the_callers_word(world: World) -> None:
    """A bill without tax is not taxed by a site that taxes; with "provider" it is, and the parts add up."""
    world.site.tax_percent = 20
    assert world.client.create(bill()).total == eur(1999)
    taxed = world.client.create(bill(reference="r2", tax="provider"))
    assert (taxed.subtotal, taxed.tax, taxed.total) == (eur(1999), eur(400), eur(2399))


class Meddling(ChargebeeEmulator):
    """A site that bills another amount than it is asked for."""

    def _line(self, row: Mapping[str, Any], place: str) -> dict[str, Any]:
        return super()._line(row, place) | {"amount": int(row["amount"]) + 1}


def test_money_does_not_move_on_a_difference() -> None:
    """What Chargebee holds is compared before it collects: a difference leaves a draft and no demand."""
    site = Meddling()
    world = make_world()
    world.transport.emulator, world.transport.faults = site, None
    with pytest.raises(AmountMismatch, match=r"holds 20\.00 EUR") as wrong:
        world.client.create(bill(collection=Collection.charge()))
    assert (wrong.value.asked, wrong.value.found) == (eur(1999), eur(2000))
    assert "collected" not in str(wrong.value)
    assert (wrong.value.outcome, wrong.value.invoice_id) == ("partly_done", "draft_inv_00000001")
    assert site.ledger == []


def test_a_decline_leaves_an_open_invoice(world: World) -> None:
    """Closing collects; where the payment is declined the invoice stays open, under the site's dunning."""
    made = world.client.create(bill(collection=Collection.charge("pm_declined")))
    assert (made.status, made.native_status, made.amount_remaining) == (Status.OPEN, "payment_due", eur(1999))
    assert world.events == ["issued"]


def test_the_reference_stands_in_the_custom_field() -> None:
    """With reference_field the PO number is the purchase order's, and the reference is read from its own field."""
    world = make_world(reference_field="cf_ref")
    made = world.client.create(bill(purchase_order="PO-7"))
    assert (made.reference, made.raw["po_number"] if made.raw else None) == ("r1", "PO-7")
    assert next(iter(world.client.list())).reference == "r1"


def test_many_lines_come_back_whole(world: World) -> None:
    """An invoice with more lines than one answer shows is paged to the end, none lost (defects 5 and 8)."""
    world.site.lines_per_page = 10
    lines = tuple(Line(description=f"Line {n}", amount=eur(n)) for n in range(1, 26))
    made = world.client.create(bill(amount=None, lines=lines))
    assert [line.amount.minor for line in made.lines] == list(range(1, 26))
    assert (made.lines_complete, made.subtotal) == (True, eur(325))
    assert world.sent[2:] == ["GET /invoices/1?line_items_offset=10", "GET /invoices/1?line_items_offset=20"]


# ── catalog 1 ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_catalog_1_collects_at_once(old_world: World) -> None:
    """One line, taxed by the provider, goes to /charge; without tax to POST /invoices; both are paid."""
    charged = old_world.client.create(bill(tax="provider", collection=Collection.charge()), allow=ALLOWED)
    untaxed = old_world.client.create(bill(reference="r2", collection=Collection.charge()), allow=ALLOWED)
    assert old_world.sent == [LOOK, "POST /invoices/charge", LOOK, "POST /invoices"]
    assert [charged.status, untaxed.status] == [Status.PAID, Status.PAID]


def test_catalog_1_manual_stays_open(old_world: World) -> None:
    """A single line that nobody is to collect does not go to /charge."""
    made = old_world.client.create(bill())
    assert (old_world.sent, made.status) == ([LOOK, "POST /invoices"], Status.OPEN)


@pytest.mark.parametrize("kept,events", [(False, []), (True, ["issued"])])
def test_catalog_1_declined(kept: bool, events: list[str]) -> None:
    """A decline in the creating request: whether the invoice is kept is not confirmed, both are read."""
    world = make_world(product_catalog=1, declined_create_kept=kept)
    command = bill(collection=Collection.charge("pm_declined"))
    if kept:
        assert world.client.create(command, allow=ALLOWED).status is Status.OPEN
    else:
        with pytest.raises(Declined, match=r"Your card was declined\."):
            world.client.create(command, allow=ALLOWED)
    assert world.events == events


def test_catalog_1_says_that_it_collected_before_comparing() -> None:
    """A difference found after /charge has collected is not called uncollected."""
    world = make_world(product_catalog=1)
    world.transport.emulator, world.transport.faults = Meddling(product_catalog=1), None
    with pytest.raises(AmountMismatch, match=r"it collected 20\.00 EUR"):
        world.client.create(bill(tax="provider", collection=Collection.charge()), allow=ALLOWED)


def test_the_wrong_catalog_names_the_setting(world: World) -> None:
    """A site that does not have the operation is answered with what to look at."""
    world.site.product_catalog = 1
    with pytest.raises(Rejected, match="check that the setting product_catalog names"):
        world.client.create(bill())


# ── unbilled charges ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_unbilled_charges_inside_the_period_become_one_invoice(named: World) -> None:
    """All charges of the subscription are billed, the invoice carries the reference, and a second try finds it."""
    made = named.client.create(accrued(), allow=ALLOWED)
    assert (made.total, made.reference, made.status) == (eur(2999), "may", Status.PAID)
    assert [line.amount.minor for line in made.lines] == [2500, 499]
    assert named.client.create(accrued(), allow=ALLOWED).id == made.id
    assert named.events == ["issued", "collected"]


def test_unbilled_charges_need_collection_and_tax_allowed(named: World) -> None:
    """Neither is the bill's to say: collection is a warning, untaxed charges change money."""
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-COLLECTION-02"):
        named.client.create(accrued())
    with pytest.raises(LossyTranslation, match="IB-CHARGEBEE-TAX-01"):
        named.client.create(accrued(tax="none"), allow=ALLOWED)
    assert named.sent == []


@pytest.mark.parametrize(
    "start,end,currency",
    [
        (datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC), "EUR"),
        (datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC), None, "EUR"),
        (datetime(2026, 6, 1, tzinfo=UTC), None, "EUR"),
        (datetime(2026, 5, 3, tzinfo=UTC), None, "USD"),
    ],
)
def test_one_charge_outside_refuses_all(named: World, start: datetime, end: datetime | None, currency: str) -> None:
    """Chargebee bills all of them together, so one outside the period or in another currency bills none."""
    charge = named.site.add_unbilled_charge("sub_42", 100, start, end, currency=currency)
    with pytest.raises(Discrepancy, match=charge) as wrong:
        named.client.create(accrued(), allow=ALLOWED)
    assert (wrong.value.outcome, named.events) == ("nothing_done", [])


def test_another_customers_subscription_is_refused(named: World) -> None:
    """The subscription must belong to the customer who is named."""
    with pytest.raises(Discrepancy, match="belongs to the customer cus_42"):
        named.client.create(accrued(customer="cus_other"), allow=ALLOWED)
    assert named.events == []


def test_nothing_accrued_is_nothing_to_bill(named: World) -> None:
    """A subscription without charges makes no invoice."""
    named.site.unbilled.clear()
    with pytest.raises(NothingToBill):
        named.client.create(accrued(), allow=ALLOWED)
    assert named.events == []


def test_unbilled_charges_of_many_pages(named: World) -> None:
    """All pages are read before anything is billed: the charge outside is on the second one."""
    for _ in range(100):
        named.site.add_unbilled_charge("sub_42", 1, MAY.start)
    outside = named.site.add_unbilled_charge("sub_42", 1, MAY.end)
    with pytest.raises(Discrepancy, match=outside):
        named.client.create(accrued(), allow=ALLOWED)
    assert [path.partition("?")[0] for path in named.sent] == ["GET /invoices", *["GET /unbilled_charges"] * 2]


def test_several_invoices_are_named() -> None:
    """Where one was expected and several were made, all of them are named."""
    context = make_context(CHARGEBEE, {"site": "acme-test"})
    command = accrued()
    flow = CHARGEBEE.flow(command, context.on(command))
    next(flow)
    charge = {"id": "li_1", "currency_code": "EUR", "customer_id": "cus_42", "amount": 5, "date_from": 1777593600}
    answer = {"list": [{"unbilled_charge": {**charge, "date_to": 1777593600}}]}
    flow.send(Response(200, dumps(answer)))
    with pytest.raises(Discrepancy, match="should have one new invoice, but has 2: 7, 8"):
        flow.send(Response(200, dumps({"invoices": [{"id": "7"}, {"id": "8"}]})))


def test_unbilled_charges_need_a_subscription(named: World) -> None:
    """Without one it is refused before any request."""
    with pytest.raises(Unsupported, match="subscription"):
        named.client.create(accrued(subscription=None))
    assert named.sent == []


# ── flows alone, and the other client ────────────────────────────────────────────────────────────────────────────────
def test_the_charge_flow_by_hand() -> None:
    """A bill is driven by next and send alone: no client, no network."""
    context = make_context(CHARGEBEE, {"site": "acme-test"})
    command: Command = bill(collection=Collection.charge())
    flow = CHARGEBEE.flow(command, context.on(command))
    assert next(flow).url.endswith("/create_for_charge_items_and_charges")
    draft = {"id": "draft_inv_1", "status": "pending", "currency_code": "EUR", "total": 1999}
    close = flow.send(Response(200, dumps({"invoice": {**draft, "line_items": [{"amount": 1999}]}})))
    assert close.url.endswith("/invoices/draft_inv_1/close")
    paid = {**draft, "id": "7", "status": "paid", "line_items": [{"amount": 1999}]}
    with pytest.raises(StopIteration) as done:
        flow.send(Response(200, dumps({"invoice": paid})))
    assert (done.value.value.id, done.value.value.status) == ("7", Status.PAID)


def shown(requests: list[Request]) -> list[tuple[str, str, bytes, str | None]]:
    return [
        (request.method, request.url, request.content, request.headers.get("chargebee-idempotency-key"))
        for request in requests
    ]


async def test_both_clients_send_the_same_bytes() -> None:
    """One set of flows: what the two clients send is identical, request by request."""
    commands: list[tuple[OneTimeCharge | PeriodInvoice, list[str]]] = [
        (bill(), []),
        (bill(reference="r2", collection=Collection.charge("pm_42"), issued_at=datetime(2026, 11, 1, tzinfo=UTC)), []),
        (accrued(), ALLOWED),
    ]
    world = make_world(reference_field="cf_ref")
    transport = EmulatorTransport(ChargebeeEmulator(clock=FakeClock()), API)
    async with (
        httpx.AsyncClient(transport=transport) as http,
        AsyncClient(
            "chargebee", api_key="test_not_a_key", site="acme-test", reference_field="cf_ref", http=http
        ) as client,
    ):
        for command, allow in commands:
            assert await client.create(command, allow=allow) == world.client.create(command, allow=allow)
    assert shown(transport.sent) == shown(world.transport.sent)
    assert len(transport.sent) == 9
