"""Every verb through the clients against the emulator, and the flows by next and send alone."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AmountMismatch,
    AsyncClient,
    Client,
    Collection,
    CustomerRef,
    Discrepancy,
    InvalidState,
    Line,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Status,
    Unauthorized,
    Unsupported,
)
from invoice_bridge.adapter.declared import NO_HISTORY
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.adapter.pages import Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ListInvoices, Retrieve, Void
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.steps import Step
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.whop import WHOP
from invoice_bridge.providers.whop.emulator import WhopEmulator
from tests.providers.whop.conftest import DUE, ROOT, START, Bench, bill, draft


def charged(method: str, **fields: Any) -> OneTimeCharge:
    """A bill that is charged, dated: Whop demands a due date of it."""
    return bill(collection=Collection.charge(method), issued_at=START, **fields)


# ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_bill_is_mailed_in_one_request_and_compared_with_its_plan(bench: Bench) -> None:
    """Whop mails when it creates; the exact price and the reference come from the plan."""
    found = bench.billing.create(bill())
    assert bench.events() == [("issued", "19.99"), ("mailed", "19.99")]
    assert bench.paths() == ["POST /invoices", "GET /plans/plan_00000001"]
    assert (found.id, found.number, found.status) == ("inv_00000001", "#0001", Status.OPEN)
    assert (found.subtotal, found.total, found.reference) == (Money(1999, "EUR"), None, "r-1")
    assert (found.due_at, found.description, found.payment_pending) == (DUE, "Fees", False)
    assert found.customer == CustomerRef(id="mber_42", email="someone@example.test", name="Some One")
    assert found.hosted_url == "https://whop.example.test/inv_00000001"


def test_a_charge_collects_and_reads_the_payment(bench: Bench) -> None:
    """The payment says when and how much; the invoice itself never does."""
    found = bench.billing.create(charged("pmt_42"), allow=["tax"])
    assert bench.events() == [("issued", "19.99"), ("collected", "19.99")]
    assert (found.status, found.paid_at, found.amount_paid) == (Status.PAID, START, Money(1999, "EUR"))
    assert (found.amount_remaining, found.due_at) == (Money(0, "EUR"), None)
    assert found.collection == Collection.charge()


def test_a_draft_mails_and_charges_nobody(bench: Bench) -> None:
    """Nothing enters the ledger for a draft, and it needs no customer."""
    found = bench.billing.create(draft(customer=None))
    assert (found.status, found.customer, bench.events()) == (Status.DRAFT, None, [])


def test_a_period_invoice_names_its_losses(bench: Bench) -> None:
    """The period is lost, so it stops until it is allowed; then the lines are billed once."""
    command = PeriodInvoice(
        reference="r-2",
        customer=CustomerRef(email="a@example.test", name="A"),
        period=Period.month(2026, 5),
        currency="EUR",
        lines=(
            Line(description="May", amount=Money(500, "EUR")),
            Line(description="Credit", amount=Money(-100, "EUR")),
        ),
        collection=Collection.send(due=DUE),
    )
    with pytest.raises(LossyTranslation, match="IB-WHOP-PERIOD-01"):
        bench.billing.create(command)
    assert bench.emulator.requests == 0
    found = bench.billing.create(command, allow=["period"])
    assert (found.subtotal, found.period) == (Money(400, "EUR"), None)
    assert [item.description for item in found.lines] == ["May", "Credit"]
    assert [loss.code for loss in found.losses] == [
        "IB-WHOP-PERIOD-01",
        "IB-WHOP-PERIOD-03",
        "IB-WHOP-TAX-01",
    ]


def test_the_same_reference_is_billed_once(bench: Bench) -> None:
    """A repeated create is replayed, and the invoice is read as it stands now."""
    first = bench.billing.create(bill())
    bench.emulator.settle(first.id)
    again = bench.billing.create(bill())
    assert (again.id, again.status, again.amount_paid) == (first.id, Status.PAID, Money(1999, "EUR"))
    assert [event for event, _ in bench.events()] == ["issued", "mailed", "collected"]


def test_a_key_without_the_plan_permission_still_reads() -> None:
    """What only the plan or the payment says is None; the lines still give the subtotal."""
    bench = Bench(permissions=frozenset())
    found = bench.billing.create(charged("pmt_42"), allow=["tax"])
    assert (found.status, found.subtotal) == (Status.PAID, Money(1999, "EUR"))
    assert (found.reference, found.paid_at, found.amount_paid) == (None, None, None)
    bench.http.close()


def test_a_declined_charge_leaves_an_open_invoice(bench: Bench) -> None:
    """Unconfirmed, as the switch says: nothing is collected, and the invoice is shown as it stands."""
    found = bench.billing.create(charged("pmt_declined"), allow=["tax"])
    assert (found.status, found.amount_paid) == (Status.OPEN, None)
    assert bench.events() == [("issued", "19.99")]


# ── the verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_retrieve_adds_plan_and_payment(bench: Bench) -> None:
    """Three reads for a paid invoice, each of which says what the others leave out."""
    made = bench.billing.create(charged("pmt_42"), allow=["tax"])
    bench.transport.sent.clear()
    found = bench.billing.retrieve(made.id)
    assert bench.paths() == [
        "GET /invoices/inv_00000001",
        "GET /plans/plan_00000001",
        "GET /payments/pay_00000001",
    ]
    assert (found.reference, found.paid_at) == ("r-1", START)
    with pytest.raises(NotFound):
        bench.billing.retrieve("inv_99")


@pytest.mark.parametrize(
    "verb,event,status",
    [
        ("void", "voided", Status.VOID),
        ("mark_uncollectible", "written_off", Status.UNCOLLECTIBLE),
        ("mark_paid", "recorded", Status.PAID),
        ("send_invoice", "mailed", Status.OPEN),
    ],
)
def test_verbs_on_an_open_invoice(bench: Bench, verb: str, event: str, status: Status) -> None:
    """Each answers a bare true, so the invoice is read afterwards; a second time the state refuses."""
    made = bench.billing.create(bill())
    found = getattr(bench.billing, verb)(made.id)
    assert (found.status, found.reference) == (status, "r-1")
    assert bench.events()[-1] == (event, "19.99")
    assert found.amount_paid is None
    if status is not Status.OPEN:
        with pytest.raises(InvalidState) as raised:
            getattr(bench.billing, "void" if verb != "void" else "mark_uncollectible")(made.id)
        assert raised.value.invoice is not None
        assert raised.value.invoice.status is status


@pytest.mark.parametrize("verb", ["void", "mark_uncollectible", "mark_paid", "send_invoice"])
def test_verbs_refuse_a_draft(bench: Bench, verb: str) -> None:
    """A draft is no demand for money yet: nothing is recorded, mailed or withdrawn."""
    made = bench.billing.create(draft())
    with pytest.raises(InvalidState, match="draft"):
        getattr(bench.billing, verb)(made.id)
    assert bench.events() == []


def test_a_payment_on_its_way_is_not_recorded_again(bench: Bench) -> None:
    """While a bank payment clears the invoice stays open; marking it paid would count the money twice."""
    made = bench.billing.create(bill())
    bench.emulator.settle(made.id, clearing=True)
    with pytest.raises(InvalidState, match="already in progress"):
        bench.billing.mark_paid(made.id)
    assert bench.billing.retrieve(made.id).payment_pending is True


def test_past_due_is_open_and_can_be_voided(bench: Bench) -> None:
    """Once the due date has passed Whop says past_due; for us it is open, past due, and can be withdrawn."""
    made = bench.billing.create(bill())
    bench.clock.now = DUE + timedelta(days=1)
    found = bench.billing.retrieve(made.id)
    assert (found.status, found.native_status) == (Status.OPEN, "past_due")
    assert found.is_past_due(bench.clock.now)
    assert not found.is_past_due(DUE - timedelta(days=1))
    assert bench.billing.void(made.id).status is Status.VOID


def test_update_and_delete_take_drafts_only(bench: Bench) -> None:
    """A draft changes its description and due date, and goes; an open invoice does neither."""
    made = bench.billing.create(draft())
    changed = bench.billing.update(made.id, description="New", due_at=DUE)
    assert (changed.description, changed.due_at, changed.subtotal) == ("New", DUE, Money(1999, "EUR"))
    gone = bench.billing.delete(made.id)
    assert (gone.status, gone.amount_remaining) == (Status.DELETED, Money(0, "EUR"))
    with pytest.raises(NotFound):
        bench.billing.retrieve(made.id)
    sent = bench.billing.create(bill("r-2"))
    with pytest.raises(InvalidState, match="open"):
        bench.billing.update(sent.id, description="New")
    with pytest.raises(InvalidState, match="cannot be deleted"):
        bench.billing.delete(sent.id)


@pytest.mark.parametrize("verb", ["finalize", "pay"])
def test_whop_cannot_finalize_or_pay(bench: Bench, verb: str) -> None:
    """No such call exists, and none is made."""
    with pytest.raises(Unsupported, match="no call"):
        getattr(bench.billing, verb)("inv_1")
    assert bench.emulator.requests == 0


def test_a_wrong_key_is_unauthorized(bench: Bench) -> None:
    """A 401 is about the key, whatever was asked."""
    other = Client("whop", api_key="whop_wrong_not_a_key", account_id="biz_42", base_url=ROOT, http=bench.http)
    with pytest.raises(Unauthorized):
        other.retrieve("inv_1")


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_listing_reads_all_pages_and_stops(bench: Bench) -> None:
    """The cursor of the last page is filled; has_next_page decides. Items are a part of each invoice."""
    for number in range(7):
        bench.billing.create(bill(f"r-{number}"))
    bench.transport.sent.clear()
    found = list(bench.billing.list(limit=3))
    assert [item.id for item in found] == [f"inv_0000000{n}" for n in range(7, 0, -1)]
    assert len(bench.transport.sent) == 3
    only = found[0]
    assert (only.subtotal, only.lines_complete) == (Money(1999, "EUR"), True)
    assert (only.reference, only.collection, only.customer) == (
        None,
        None,
        CustomerRef(email="someone@example.test", name="Some One"),
    )


def test_a_full_listing_and_a_customer_filter_retrieve_each(bench: Bench) -> None:
    """Items leave the member out, so a filter by customer reads every invoice."""
    bench.billing.create(bill("r-1"))
    bench.billing.create(bill("r-2", customer=CustomerRef(email="a@example.test", name="A")))
    assert [item.reference for item in bench.billing.list(full=True)] == ["r-2", "r-1"]
    assert [item.reference for item in bench.billing.list(customer="mber_42")] == ["r-1"]
    assert list(bench.billing.list(customer="mber_7")) == []


def test_filters_by_status_and_date(bench: Bench) -> None:
    """Open means open and past due; created_from belongs to the range, created_to does not."""
    bench.billing.create(bill("r-1"))
    bench.clock.now = START + timedelta(days=1)
    second = bench.billing.create(bill("r-2"))
    bench.billing.void(bench.billing.create(bill("r-3")).id)
    bench.clock.now = DUE + timedelta(days=1)
    assert [item.id for item in bench.billing.list(status=Status.OPEN)] == ["inv_00000002", "inv_00000001"]
    assert [item.id for item in bench.billing.list(status=Status.VOID)] == ["inv_00000003"]
    first_day = bench.billing.list(created_from=START, created_to=START + timedelta(days=1))
    assert [item.id for item in first_day] == ["inv_00000001"]
    assert [item.id for item in bench.billing.list(created_from=second.created_at)] == ["inv_00000003", "inv_00000002"]


# ── flows, by next and send alone ────────────────────────────────────────────────────────────────────────────────────
def fresh_context() -> Context:
    return make_context(WHOP, {"account_id": "biz_42"})


def answer(data: Any, **headers: str) -> Response:
    return Response(200, dumps(data), headers, "whop")


def whole(**fields: Any) -> dict[str, Any]:
    row = {"label": "Fees", "position": 1, "quantity": 1, "unit_price": 20, "total": 20}
    plan = {"id": "plan_1", "currency": "eur"}
    return {"id": "inv_1", "status": "open", "current_plan": plan, "line_items": [row], **fields}


def result(flow: Any, data: Any) -> Any:
    with pytest.raises(StopIteration) as done:
        flow.send(answer(data))
    return done.value.value


PLAN = {"id": "plan_1", "plan_type": "one_time", "initial_price_due": {"amount": "20.00", "currency": "eur"}}


def test_flow_of_a_bill() -> None:
    """POST, then the plan; the answer of a first try needs no second read."""
    command = bill(amount="20")
    flow = WHOP.flow(command, fresh_context().on(command))
    assert next(flow).url.endswith("/invoices")
    assert flow.send(answer(whole())).url.endswith("/plans/plan_1")
    assert result(flow, PLAN).subtotal == Money(2000, "EUR")


def test_flow_of_a_replayed_bill() -> None:
    """An answer that is replayed is old: the invoice is read once more."""
    command = bill(amount="20")
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    assert flow.send(answer(whole(), **{"Idempotent-Replayed": "true"})).url.endswith("/invoices/inv_1")
    flow.send(answer(whole(status="void")))
    assert result(flow, PLAN).status is Status.VOID


@pytest.mark.parametrize("replayed", ["true", "false"])
def test_defect_30_another_api_behind_the_same_path_is_noticed(replayed: str) -> None:
    """An id of the native API stops the flow with words that say which API answered."""
    command = bill(amount="20")
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    with pytest.raises(MalformedResponse, match="native API answered"):
        flow.send(answer({"id": "pay_1", "status": "draft"}, **{"Idempotent-Replayed": replayed}))


def test_a_plan_of_another_price_is_a_mismatch() -> None:
    """499 where 4.99 was asked is said at once, and that it may have gone out already."""
    command = bill(amount="20")
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    flow.send(answer(whole()))
    with pytest.raises(
        AmountMismatch, match=r"has 2000\.00 EUR and is open; Whop mails or charges when it creates"
    ) as raised:
        flow.send(answer({**PLAN, "initial_price_due": {"amount": "2000.00", "currency": "eur"}}))
    assert raised.value.invoice is not None
    assert raised.value.invoice.id == "inv_1"


def test_a_bill_in_another_currency_is_a_discrepancy() -> None:
    """The account's default currency is never taken for the one that was asked."""
    command = bill(amount="20")
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    flow.send(answer(whole(current_plan={"id": "plan_1", "currency": "usd"})))
    with pytest.raises(Discrepancy, match="asked in EUR, the invoice is in USD"):
        flow.send(answer({"id": "plan_1"}))


@pytest.mark.parametrize("repeated", [{}, {"id": "plan_2", "internal_notes": "other"}, {"data": []}])
def test_a_plan_that_is_another_answer_says_nothing_of_the_reference(repeated: dict[str, Any]) -> None:
    """A proxy that repeats an older answer does not make a bill look absent: the lookup has no answer."""
    command = bill()
    flow = None if WHOP.lookup is None else WHOP.lookup(command, fresh_context().on(command), NO_HISTORY)
    assert flow is not None
    next(flow)
    flow.send(answer({"data": [whole(current_plan={"id": "plan_1"})], "page_info": {"has_next_page": False}}))
    with pytest.raises(MalformedResponse, match="is not plan_1: an intermediary mixes up answers"):
        flow.send(answer(repeated))


def test_an_answer_other_than_true_is_malformed() -> None:
    """A verb that answers in another shape has not been understood."""
    command = Void(id="inv_1")
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    with pytest.raises(MalformedResponse, match="is not `true`"):
        flow.send(answer({"status": "void"}))


def test_an_item_that_cannot_be_read_does_not_spoil_its_page() -> None:
    """One item of another kind is handed on as unreadable; the others are invoices, one in a coin among them."""
    command = ListInvoices()
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    coin = whole(id="inv_2", current_plan={"id": "plan_2", "currency": "btc"})
    rows = [whole(object="payment"), coin, whole()]
    page = result(flow, {"data": rows, "page_info": {"has_next_page": True, "end_cursor": "c"}})
    assert isinstance(page.items[0], Unreadable)
    assert (page.items[1].id, page.items[1].currency) == ("inv_2", None)
    assert page.items[2].id == "inv_1"
    assert page.next.cursor == "c"


@pytest.mark.parametrize(
    "data",
    [
        {"page_info": {"has_next_page": False}},
        {"data": [], "page_info": {"has_next_page": True}},
        {"data": [], "page_info": {}},
        {"data": []},
    ],
)
def test_a_listing_without_items_or_an_end_is_malformed(data: dict[str, Any]) -> None:
    """Nothing at all is no empty listing, a page without a cursor cannot be followed, nor one that does not say."""
    command = ListInvoices()
    flow = WHOP.flow(command, fresh_context().on(command))
    next(flow)
    with pytest.raises(MalformedResponse):
        flow.send(answer(data))


def test_steps_of_a_failed_call_are_known() -> None:
    """An invoice that was made, and a plan that could not be read, are both in the error."""
    calls: list[httpx.Request] = []

    def broken(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(200, json=whole()) if request.method == "POST" else httpx.Response(400, text="<html>")

    with httpx.Client(transport=httpx.MockTransport(broken)) as http:
        billing = Client(
            "whop", api_key="whop_test_not_a_key", account_id="biz_42", base_url=ROOT, http=http, lookup="never"
        )
        with pytest.raises(MalformedResponse) as raised:
            billing.create(bill(amount="20"))
    assert (raised.value.outcome, raised.value.invoice_id) == ("partly_done", "inv_1")
    assert [(step.method, step.state) for step in raised.value.steps] == [("POST", "done"), ("GET", "refused")]
    assert isinstance(raised.value.steps[0], Step)


# ── sync and async ───────────────────────────────────────────────────────────────────────────────────────────────────
async def test_sync_and_async_send_identical_bytes() -> None:
    """One set of flows: the same requests in the same order, whichever client drives them."""
    bench, other = Bench(), WhopEmulator()
    transport = EmulatorTransport(other)
    made = bench.billing.create(bill())
    bench.billing.send_invoice(made.id)
    bench.billing.void(made.id)
    assert [item.id for item in bench.billing.list(full=True)] == [made.id]
    bench.http.close()
    async with httpx.AsyncClient(transport=transport) as http:
        billing = AsyncClient("whop", api_key=other.key, account_id="biz_42", base_url=ROOT, http=http, lookup="never")
        again = await billing.create(bill())
        await billing.send_invoice(again.id)
        await billing.void(again.id)
        assert [item.id async for item in billing.list(full=True)] == [again.id]
    assert [(r.method, r.url, r.content, dict(r.headers)) for r in bench.transport.sent] == [
        (r.method, r.url, r.content, dict(r.headers)) for r in transport.sent
    ]


def test_explain_shows_what_is_sent(bench: Bench) -> None:
    """The bytes that explain shows are the bytes that go out."""
    shown = bench.billing.explain(bill()).requests[0]
    bench.billing.create(bill())
    assert bench.transport.sent[0].content == shown.content
    assert bench.billing.explain(Retrieve(id="inv_1")).requests[0].url == f"{ROOT}/invoices/inv_1"
