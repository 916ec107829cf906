"""The flows alone, driven with next and send: no client, no emulator, no socket."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import (
    AmountMismatch,
    AsyncClient,
    Client,
    Collection,
    Command,
    Declined,
    Delete,
    Discrepancy,
    Finalize,
    IdempotencyMismatch,
    InvalidState,
    Invoice,
    Line,
    ListInvoices,
    MalformedResponse,
    MarkPaid,
    MarkUncollectible,
    Money,
    NotFound,
    OneTimeCharge,
    Page,
    Pay,
    Period,
    PeriodInvoice,
    Rejected,
    Retrieve,
    SendInvoice,
    Status,
    Unreadable,
    Update,
    Void,
    explain,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.engine.lookup import start
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests import strategies

USE = make_context(STRIPE, {})
EUR = Money(1999, "EUR")
CHARGE = OneTimeCharge(reference="res-1", customer="cus_42", amount=EUR, collection=Collection.charge())
MAY = PeriodInvoice(reference="may", customer="cus_42", currency="EUR", period=Period.month(2026, 5))


def begin(command: Command) -> Flow[Any]:
    return STRIPE.flow(command, USE.on(command))


def answer(body: object = None, status: int = 200, **headers: str) -> Response:
    return Response(status, dumps(body), {name.replace("_", "-"): value for name, value in headers.items()}, "stripe")


def body(invoice_id: str = "in_1", status: str = "open", units: int = 1999, **more: object) -> dict[str, object]:
    lines = {"data": [{"amount": units}], "has_more": False}
    found = {"id": invoice_id, "object": "invoice", "status": status, "currency": "eur", "total": units, "lines": lines}
    return {**found, "amount_remaining": units, **more}


def short(request: Request) -> str:
    return f"{request.method} {request.url.removeprefix('https://api.stripe.com/v1/')}"


def happy(command: Command) -> tuple[list[str], Any]:
    """Feed a flow its own specimens, as explain does, and return what it asked for and its result."""
    flow, asked = begin(command), []
    request = next(flow)
    while True:
        asked.append(short(request))
        try:
            request = flow.send(answer(request.specimen))
        except StopIteration as done:
            return asked, done.value


PAYMENTS_OF_IN_1 = (
    "GET invoice_payments?invoice=in_1&expand%5B0%5D=data.payment.payment_intent.latest_charge"
    "&expand%5B1%5D=data.payment.charge&expand%5B2%5D=data.payment.payment_record&limit=100"
)


@pytest.mark.parametrize(
    "command, requests, status",
    [
        (
            Retrieve(id="in_1"),
            ["GET invoices/in_1", PAYMENTS_OF_IN_1],
            Status.OPEN,
        ),
        (Retrieve(id="in_1", whole=False), ["GET invoices/in_1"], Status.OPEN),
        (Finalize(id="in_1"), ["POST invoices/in_1/finalize"], Status.OPEN),
        (
            Pay(id="in_1"),
            ["GET invoices/in_1?expand%5B0%5D=payments.data.payment.payment_intent", "POST invoices/in_1/pay"],
            Status.PAID,
        ),
        (
            MarkPaid(id="in_1"),
            ["GET invoices/in_1?expand%5B0%5D=payments.data.payment.payment_intent", "POST invoices/in_1/pay"],
            Status.PAID,
        ),
        (Void(id="in_1"), ["POST invoices/in_1/void"], Status.VOID),
        (MarkUncollectible(id="in_1"), ["POST invoices/in_1/mark_uncollectible"], Status.UNCOLLECTIBLE),
        (SendInvoice(id="in_1"), ["GET invoices/in_1", "POST invoices/in_1/send"], Status.OPEN),
        (Update(id="in_1", description="x"), ["POST invoices/in_1"], Status.DRAFT),
        (Delete(id="in_1"), ["GET invoices/in_1", "DELETE invoices/in_1"], Status.DELETED),
        (
            CHARGE,
            ["POST invoices", *(f"POST invoices/{{open.id}}/{step}" for step in ("add_lines", "finalize", "pay"))],
            Status.PAID,
        ),
        (
            MAY,
            [
                "GET invoiceitems?customer=cus_42&pending=true&limit=100",
                "POST invoices",
                "POST invoices/{open.id}/add_lines",
                "POST invoices/{open.id}/finalize",
            ],
            Status.OPEN,
        ),
    ],
    ids=lambda value: value.verb if isinstance(value, Command) else None,
)
def test_the_happy_way_of_every_verb(command: Command, requests: list[str], status: Status) -> None:
    """Fed the answers that its own requests foresee, every verb runs to its end."""
    asked, found = happy(command)
    assert asked == requests
    assert isinstance(found, Invoice)
    assert found.status is status


def test_the_happy_way_of_a_listing() -> None:
    """One request, one page, and no next where there is no more."""
    asked, found = happy(ListInvoices(status=Status.OPEN, limit=5))
    assert asked == ["GET invoices?limit=5&status=open"]
    assert isinstance(found, Page)
    assert (len(found.items), found.next) == (1, None)


@given(strategies.bills())
def test_explain_never_raises(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill there is a plan, or the reason why there is none; a draft below the minimum is stopped midway."""
    plan = explain("stripe", command)
    assert (plan.refusal is None or isinstance(plan.refusal, AmountMismatch)) == bool(plan.requests)


# ── the ladder, on what it observes ──────────────────────────────────────────────────────────────────────────────────
def test_a_fresh_draft_goes_up_the_whole_ladder() -> None:
    """open, add lines, finalize, pay: each step follows from the last answer's status."""
    flow = begin(CHARGE)
    assert short(next(flow)) == "POST invoices"
    assert short(flow.send(answer(body(status="draft", units=0, lines={"data": []})))) == "POST invoices/in_1/add_lines"
    assert short(flow.send(answer(body(status="draft")))) == "POST invoices/in_1/finalize"
    assert short(flow.send(answer(body(status="open")))) == "POST invoices/in_1/pay"
    with pytest.raises(StopIteration) as done:
        flow.send(answer(body(status="paid")))
    assert done.value.value.status is Status.PAID


@pytest.mark.parametrize(
    "status,next_steps",
    [
        ("draft", ["POST invoices/in_1/finalize"]),
        ("open", ["GET invoices/in_1?expand%5B0%5D=payments.data.payment.payment_intent", "POST invoices/in_1/pay"]),
        ("paid", []),
        ("void", []),
        ("uncollectible", []),
        ("brand_new_word", []),
        (None, []),
    ],
)
def test_resumed_where_it_stands(status: str | None, next_steps: list[str]) -> None:
    """A replayed opening is read once more; what is settled, given up or unknown is returned and never collected."""
    flow = begin(CHARGE)
    next(flow)
    again = flow.send(answer(body(status="draft", lines={"data": []}), idempotent_replayed="true"))
    assert short(again) == "GET invoices/in_1"
    now = answer(body() | {"status": status})
    for step in next_steps:
        assert short(flow.send(now)) == step
    if not next_steps:
        with pytest.raises(StopIteration) as done:
            flow.send(now)
        assert done.value.value.native_status == status


def test_lines_are_not_added_to_a_draft_that_has_some() -> None:
    """A draft with lines is finished, never filled twice."""
    flow = begin(CHARGE)
    next(flow)
    assert short(flow.send(answer(body(status="draft")))) == "POST invoices/in_1/finalize"


def test_the_amount_is_compared_before_and_after_it_is_issued() -> None:
    """Another amount in the draft, or in the open invoice, ends the flow before money moves."""
    flow = begin(CHARGE)
    next(flow)
    flow.send(answer(body(status="draft", lines={"data": []})))
    with pytest.raises(AmountMismatch, match=r"asked for 19\.99 EUR, the invoice in_1 holds 20\.00 EUR and is draft"):
        flow.send(answer(body(status="draft", units=2000)))

    flow = begin(CHARGE)
    next(flow)
    flow.send(answer(body(status="draft", lines={"data": []})))
    flow.send(answer(body(status="draft")))
    with pytest.raises(AmountMismatch, match=r"holds 20\.00 EUR and is open"):
        flow.send(answer(body(status="open", units=2000)))


def test_another_currency_ends_it() -> None:
    """An account that bills its own default currency is caught on the draft."""
    flow = begin(CHARGE)
    next(flow)
    flow.send(answer(body(status="draft", lines={"data": []})))
    with pytest.raises(Discrepancy, match="asked in EUR, the invoice is in USD"):
        flow.send(answer(body(status="draft") | {"currency": "usd"}))


def refusal(**error: str) -> Rejected:
    told = STRIPE.error(answer({"error": {"type": "invalid_request_error", "message": "no", **error}}, 400))
    assert isinstance(told, Rejected)
    return told


def test_a_mismatch_is_looked_up() -> None:
    """A refused key is explained by the invoice that stands under it, or by nothing where that cannot be read."""
    flow = start(CHARGE, USE.on(CHARGE), lookup="never")
    next(flow)
    look = flow.throw(refusal(type="idempotency_error"))
    assert short(look) == "GET invoices?limit=100&customer=cus_42"
    with pytest.raises(IdempotencyMismatch) as caught:
        flow.throw(NotFound("gone"))
    assert caught.value.existing is None


def test_another_refusal_of_the_opening_is_the_callers() -> None:
    """Whatever else Stripe refuses is raised as it is."""
    flow = begin(CHARGE)
    next(flow)
    with pytest.raises(Rejected, match="no"):
        flow.throw(refusal(param="due_date"))


def test_refused_lines_are_explained_by_reading() -> None:
    """A draft that refuses a line is a rejected line; what is no draft any more is a wrong state."""
    for status, error in (("draft", Rejected), ("void", InvalidState)):
        flow = begin(CHARGE)
        next(flow)
        flow.send(answer(body(status="draft", lines={"data": []})))
        assert short(flow.throw(refusal(param="lines[0][amount]"))) == "GET invoices/in_1"
        with pytest.raises(error):
            flow.send(answer(body(status=status)))


def test_a_refusal_stands_where_the_invoice_cannot_be_read() -> None:
    """A second failure does not hide the first."""
    flow = begin(Void(id="in_1"))
    next(flow)
    flow.throw(refusal())
    with pytest.raises(Rejected, match="no"):
        flow.throw(NotFound("gone"))


def test_a_decline_reads_the_invoice() -> None:
    """Declined carries the invoice as it stands after the decline."""
    flow = begin(Pay(id="in_1"))
    next(flow)
    flow.send(answer(body()))
    declined = STRIPE.error(answer({"error": {"type": "card_error", "message": "no money"}}, 402))
    assert short(flow.throw(declined)) == "GET invoices/in_1"
    with pytest.raises(Declined) as caught:
        flow.send(answer(body()))
    assert caught.value.invoice is not None
    assert caught.value.invoice.status is Status.OPEN


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_lines_are_paged_by_their_last_id() -> None:
    """The first page of lines is left aside and all of them are listed, a hundred at a time."""
    flow = begin(Retrieve(id="in_1", whole=False))
    next(flow)
    first = flow.send(answer(body(lines={"data": [{"amount": 1}], "has_more": True})))
    assert short(first) == "GET invoices/in_1/lines?limit=100"
    page = [{"id": f"il_{n}", "amount": n} for n in range(3)]
    second = flow.send(answer({"data": page, "has_more": True}))
    assert short(second) == "GET invoices/in_1/lines?limit=100&starting_after=il_2"
    with pytest.raises(StopIteration) as done:
        flow.send(answer({"data": [{"id": "il_3", "amount": 3}], "has_more": False}))
    assert [line.amount.minor for line in done.value.value.lines] == [0, 1, 2, 3]


def test_a_page_that_cannot_be_read_on_is_an_error() -> None:
    """has_more without an id to read on from is not the end of the list."""
    flow = begin(Retrieve(id="in_1"))
    next(flow)
    flow.send(answer(body(lines={"data": [], "has_more": True})))
    with pytest.raises(MalformedResponse, match=r"\$\.data\[0\]\.id is missing"):
        flow.send(answer({"data": [{"amount": 1}], "has_more": True}))


def test_torn_lines_make_one_item_unreadable() -> None:
    """One invoice of a page whose lines cannot be read comes as it is; the others are read."""
    flow = begin(ListInvoices())
    next(flow)
    rows = [body("in_1", lines={"data": [], "has_more": True}), body("in_2")]
    assert short(flow.send(answer({"data": rows, "has_more": True}))) == "GET invoices/in_1/lines?limit=100"
    with pytest.raises(StopIteration) as done:
        flow.throw(MalformedResponse("torn"))
    page = done.value.value
    assert [type(item) for item in page.items] == [Unreadable, Invoice]
    assert page.next == ListInvoices(cursor="in_2")


def test_a_deletion_must_be_confirmed() -> None:
    """An answer that does not say deleted is no deletion."""
    flow = begin(Delete(id="in_1"))
    next(flow)
    flow.send(answer(body(status="draft")))
    with pytest.raises(MalformedResponse, match="did not confirm the deletion"):
        flow.send(answer(body(status="draft")))


def test_an_answer_that_is_no_invoice() -> None:
    """A page of another service is malformed, not an invoice without fields."""
    flow = begin(Retrieve(id="in_1"))
    next(flow)
    with pytest.raises(MalformedResponse):
        flow.send(Response(200, b"<html>", {"content-type": "text/html"}, "stripe"))


# ── sync and async ───────────────────────────────────────────────────────────────────────────────────────────────────
def scenario() -> Iterator[tuple[str, dict[str, Any]]]:
    lines = tuple(Line(description=f"Line {n}", amount=Money(n, "EUR")) for n in range(12))
    yield "create", {"command": CHARGE}
    yield "create", {"command": CHARGE}
    yield (
        "create",
        {"command": PeriodInvoice(reference="p", customer="cus_42", currency="EUR", period=MAY.period, lines=lines)},
    )
    yield "create", {"command": OneTimeCharge(reference="d", customer="cus_42", amount=EUR, draft=True)}
    yield "update", {"id": "in_00000003", "description": "Zürich", "metadata": {"a": "b"}}
    yield "finalize", {"id": "in_00000003"}
    yield "void", {"id": "in_00000003"}
    yield "pay", {"id": "in_00000002", "expect": Money(66, "EUR")}
    yield "retrieve", {"id": "in_00000002"}


async def test_sync_and_async_send_identical_bytes() -> None:
    """The two clients drive the same flows: every request and every result is the same."""
    here, there = (EmulatorTransport(StripeEmulator(), "http://127.0.0.1:1") for _ in range(2))
    client = Client("stripe", api_key=StripeEmulator.key, base_url=here.root, http=httpx.Client(transport=here))
    twin = AsyncClient(
        "stripe", api_key=StripeEmulator.key, base_url=there.root, http=httpx.AsyncClient(transport=there)
    )
    for verb, arguments in scenario():
        assert getattr(client, verb)(**arguments) == await getattr(twin, verb)(**arguments)
    assert list(client.list()) == [found async for found in twin.list()]
    assert [(r.method, r.url, dict(r.headers), r.content) for r in here.sent] == [
        (r.method, r.url, dict(r.headers), r.content) for r in there.sent
    ]
    assert len(here.sent) > 15


@given(st.datetimes(timezones=st.just(UTC)))
def test_ranges_round_outwards(instant: datetime) -> None:
    """For every instant, the filter that goes to Stripe admits at least what the range admits."""
    url = explain("stripe", ListInvoices(created_from=instant, created_to=instant)).requests[0].url
    low, high = (int(part.split("=")[1]) for part in url.split("&")[1:])
    exact = (instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert low <= exact + 1e-5
    assert high >= exact - 1e-5
    assert high - low in {0, 1}
