"""Every verb through a client: what is read first, what is sent, what is refused, what is known afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    Client,
    Collection,
    Declined,
    Discrepancy,
    Effect,
    InvalidState,
    Invoice,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    RateLimited,
    Rejected,
    Retrieve,
    Status,
    Unauthorized,
    UnreadableServerError,
    Unsupported,
)
from invoice_bridge.core.errors import ServerError
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargebee import CHARGEBEE
from tests.providers.chargebee.conftest import World, make_world
from tests.refusals import classified


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


_UNCOLLECTED = (("customer_id", "cus_42"), ("auto_collection", "off"))


def opened(world: World, **more: Any) -> Invoice:
    said: dict[str, Any] = {"reference": "r1", "customer": "cus_42", "amount": eur(1999), **more}
    made = world.client.create(OneTimeCharge(**said))
    world.transport.sent.clear()
    return made


# ── finalize, pay, mark paid ─────────────────────────────────────────────────────────────────────────────────────────
def test_finalize_closes_a_draft(world: World) -> None:
    """A draft made with collection off becomes open under its invoice number, and is not collected."""
    draft = opened(world, draft=True)
    done = world.client.finalize(draft.id)
    assert world.sent == ["POST /invoices/draft_inv_00000001/close"]
    assert (done.id, done.status) == ("1", Status.OPEN)
    assert world.events == ["issued"]


def test_finalize_collects_what_was_made_to_be_collected(world: World) -> None:
    """Closing collects where auto_collection is on; the request says so."""
    draft = opened(world, draft=True, collection=Collection.charge())
    assert world.client.finalize(draft.id).status is Status.PAID
    assert world.events == ["issued", "collected"]


def test_finalize_refuses_what_is_open(world: World) -> None:
    """Closing an open invoice is an invalid state; the invoice comes with the error."""
    with pytest.raises(InvalidState) as wrong:
        world.client.finalize(opened(world).id)
    assert wrong.value.status == 409
    assert wrong.value.invoice is not None
    assert wrong.value.invoice.status is Status.OPEN


def test_pay_collects_what_was_read(world: World) -> None:
    """Paying reads, compares with what was expected, and collects exactly that from the named source."""
    made = opened(world)
    paid = world.client.pay(made.id, expect=eur(1999), payment_method="pm_42")
    assert world.sent == ["GET /invoices/1", "POST /invoices/1/collect_payment"]
    assert world.bodies == [b"payment_source_id=pm_42&amount=1999"]
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == (Status.PAID, eur(1999), eur(0))


def test_pay_stops_at_another_amount(world: World) -> None:
    """What is left to pay is not what the caller expects: nothing is collected."""
    with pytest.raises(Discrepancy):
        world.client.pay(opened(world).id, expect=eur(5), payment_method="pm_42")
    assert world.events == ["issued"]


def test_pay_needs_a_payment_method(world: World) -> None:
    """The payment source must be named, before any request."""
    made = opened(world)
    with pytest.raises(Unsupported, match="pass payment_method"):
        world.client.pay(made.id)
    assert world.sent == []


def test_pay_refuses_drafts_paid_and_written_off(world: World) -> None:
    """Only what is open can be paid; a written-off invoice is natively paid and takes no payment."""
    draft = opened(world, draft=True)
    for_good = opened(world, reference="r2")
    world.client.mark_uncollectible(for_good.id)
    for invoice_id in (draft.id, for_good.id):
        with pytest.raises(InvalidState):
            world.client.pay(invoice_id, payment_method="pm_42")
        with pytest.raises(InvalidState):
            world.client.mark_paid(invoice_id)
    assert world.events == ["issued", "written_off"]


def test_pay_declined(world: World) -> None:
    """A decline is HTTP 400 of the type payment, not 402; the invoice as it stands comes with it."""
    with pytest.raises(Declined) as declined:
        world.client.pay(opened(world).id, payment_method="pm_declined")
    assert (declined.value.status, declined.value.code) == (400, "payment_processing_failed")
    assert declined.value.invoice is not None
    assert declined.value.invoice.amount_remaining == eur(1999)


def test_a_payment_on_its_way_stops_another(world: World) -> None:
    """While a payment is in progress the invoice is not paid a second time."""
    made = opened(world)
    waiting = world.client.pay(made.id, payment_method="pm_pending")
    assert (waiting.status, waiting.payment_pending) == (Status.OPEN, True)
    with pytest.raises(InvalidState, match="already in progress"):
        world.client.pay(made.id, payment_method="pm_42")
    with pytest.raises(InvalidState, match="already in progress"):
        world.client.mark_paid(made.id)


def test_mark_paid_records_what_was_read(world: World) -> None:
    """A payment elsewhere is recorded with the amount that was read and no date: nothing derives from now."""
    paid = world.client.mark_paid(opened(world).id)
    assert world.sent == ["GET /invoices/1", "POST /invoices/1/record_payment"]
    assert world.bodies == [b"transaction%5Bpayment_method%5D=other&transaction%5Bamount%5D=1999"]
    assert (paid.status, paid.amount_paid) == (Status.PAID, eur(1999))
    assert world.events == ["issued", "recorded"]


# ── void, write off, delete ──────────────────────────────────────────────────────────────────────────────────────────
def test_void(world: World) -> None:
    """An open invoice is withdrawn: nothing is left to collect, whatever the native balance says."""
    gone = world.client.void(opened(world).id)
    assert (gone.status, gone.native_status, gone.amount_remaining) == (Status.VOID, "voided", eur(0))
    assert gone.voided_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert world.events == ["issued", "voided"]


def test_void_refuses_paid(world: World) -> None:
    """A paid invoice cannot be voided; the error carries it."""
    made = opened(world)
    world.client.mark_paid(made.id)
    with pytest.raises(InvalidState) as wrong:
        world.client.void(made.id)
    assert wrong.value.invoice is not None
    assert wrong.value.invoice.status is Status.PAID


def test_a_write_off_is_not_paid(world: World) -> None:
    """Natively paid with a write_off_amount: uncollectible here (defect 28), nothing paid, nothing left, no credit."""
    gone = world.client.mark_uncollectible(opened(world).id)
    assert (gone.status, gone.native_status) == (Status.UNCOLLECTIBLE, "paid")
    assert (gone.amount_paid, gone.amount_remaining, gone.amount_due) == (eur(0), eur(0), eur(1999))
    assert gone.amount_credited == eur(0)


def test_delete_discards_a_draft_only(world: World) -> None:
    """Chargebee would delete an open invoice too; here it is read first, and only a draft goes."""
    draft, issued = opened(world, draft=True), opened(world, reference="r2")
    assert world.client.delete(draft.id).status is Status.DELETED
    assert world.sent == ["GET /invoices/draft_inv_00000001", "POST /invoices/draft_inv_00000001/delete"]
    with pytest.raises(InvalidState, match="cannot be deleted"):
        world.client.delete(issued.id)
    with pytest.raises(NotFound):
        world.client.retrieve(draft.id)


def test_what_cannot_be_done(world: World) -> None:
    """Updating and mailing are refused before any request."""
    made = opened(world)
    with pytest.raises(Unsupported, match="no metadata"):
        world.client.update(made.id, metadata={"a": "b"})
    with pytest.raises(Unsupported, match="e-mail settings"):
        world.client.send_invoice(made.id)
    assert world.sent == []


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_list_reads_every_page(world: World) -> None:
    """All pages are read, newest first, by Chargebee's opaque offset."""
    for number in range(5):
        opened(world, reference=f"r{number}")
        world.clock.now += timedelta(hours=1)
    assert [found.reference for found in world.client.list(limit=2)] == ["r4", "r3", "r2", "r1", "r0"]
    assert world.sent[1].startswith("GET /invoices?limit=2&offset=%5B%22")
    assert len(world.sent) == 3


def test_list_by_status(world: World) -> None:
    """Each neutral status finds its own: uncollectible is not paid, deleted ones are asked for."""
    actions = {"open": None, "paid": "mark_paid", "void": "void", "uncollectible": "mark_uncollectible"}
    made = {}
    for word, verb in actions.items():
        made[word] = opened(world, reference=word)
        if verb is not None:
            getattr(world.client, verb)(made[word].id)
    made["draft"] = opened(world, reference="draft", draft=True)
    made["deleted"] = opened(world, reference="deleted", draft=True)
    world.client.delete(made["deleted"].id)
    for word, invoice in made.items():
        assert [found.id for found in world.client.list(status=Status(word))] == [invoice.id]
    assert len(list(world.client.list())) == 5


def test_list_by_customer_and_created(world: World) -> None:
    """The customer is filtered by Chargebee, the created range by the client."""
    world.site.add_customer("cus_2")
    early = opened(world)
    world.clock.now += timedelta(days=1)
    late = opened(world, reference="r2")
    opened(world, reference="r3", customer="cus_2")
    since = datetime(2026, 11, 3, tzinfo=UTC)
    assert [found.id for found in world.client.list(customer="cus_42", created_from=since)] == [late.id]
    assert [found.id for found in world.client.list(customer="cus_42", created_to=since)] == [early.id]


def test_list_pages_the_lines_of_each_invoice(world: World) -> None:
    """An invoice of a listing that shows only some of its lines is completed; a deleted one cannot be."""
    lines = [pair for n in range(4) for pair in ((f"charges[amount][{n}]", "5"), (f"charges[description][{n}]", "x"))]
    world.made("/invoices/create_for_charge_items_and_charges", *_UNCOLLECTED, *lines)
    world.site.lines_per_page = 3
    (whole,) = world.client.list()
    assert (len(whole.lines), whole.lines_complete, whole.currency) == (4, True, "USD")
    world.made("/invoices/1/delete")
    (gone,) = world.client.list(status=Status.DELETED)
    assert (len(gone.lines), gone.lines_complete, gone.subtotal) == (3, False, None)


def test_one_unreadable_invoice_does_not_hide_the_others(world: World) -> None:
    """What is no invoice raises, or is handed on with its JSON."""
    opened(world)
    pairs = (("customer_id", "cus_42"), ("currency_code", "EUR"), ("charges[amount][0]", "5"))
    made = world.made("/invoices/create_for_charge_items_and_charges", *pairs)
    world.site.invoices[made["invoice"]["id"]]["object"] = "credit_note"
    with pytest.raises(MalformedResponse, match="its object is 'credit_note'"):
        list(world.client.list())
    found = list(world.client.list(unreadable="yield"))
    assert [isinstance(item, Invoice) for item in found] == [False, True]


def test_defect_59_a_site_that_bills_in_krona_is_listed(world: World) -> None:
    """Defect 59: a currency that is only read ends no listing: 199900 units are 1999 ISK by documentation."""
    pairs = (("customer_id", "cus_42"), ("currency_code", "ISK"), ("charges[amount][0]", "199900"))
    world.made("/invoices/create_for_charge_items_and_charges", *pairs)
    (found,) = world.client.list()
    assert (found.total, found.problems) == (Money(1999, "ISK"), ())


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "status,kind,code,becomes",
    [
        (400, "invalid_request", "param_wrong_value", Rejected),
        (400, "invalid_request", "duplicate_entry", Rejected),
        (400, "invalid_request", "configuration_incompatible", Rejected),
        (400, "payment", "payment_processing_failed", Declined),
        (400, "payment", "payment_intent_invalid", Declined),
        (400, "untyped", "payment_method_verification_failed", Declined),
        (401, "untyped", "api_authentication_failed", Unauthorized),
        (401, "untyped", "basic_authentication_failed", Unauthorized),
        (403, "operation_failed", "request_blocked", Unauthorized),
        (403, "untyped", "api_authorization_failed", Unauthorized),
        (404, "invalid_request", "resource_not_found", NotFound),
        (404, "untyped", "site_not_found", NotFound),
        (405, "invalid_request", "http_method_not_supported", Rejected),
        (409, "invalid_request", "invalid_state_for_request", InvalidState),
        (422, "invalid_request", "unable_to_process_request", Rejected),
        (429, "operation_failed", "api_request_limit_exceeded", RateLimited),
        (429, "operation_failed", "lock_timeout", RateLimited),
        (500, "operation_failed", "internal_error", ServerError),
        (503, "operation_failed", "db_connection_failure", ServerError),
        (503, "invalid_request", "site_not_ready", ServerError),
    ],
)
def test_each_refusal_has_its_class(status: int, kind: str, code: str, becomes: type[Exception]) -> None:
    """The table of refusals, by type, code and HTTP status; a server error may have taken effect, no other has."""
    body = {"message": "No.", "type": kind, "api_error_code": code, "param": "amount"}
    error = CHARGEBEE.error(Response(status, dumps(body), {"Retry-After": "7"}))
    assert (type(error), error.code, error.status, error.param) == (becomes, code, status, "amount")
    assert classified(error, CHARGEBEE).maybe_applied is (status >= 500)
    assert getattr(error, "retry_after", 7) == 7


def test_a_page_of_a_proxy_is_no_chargebee_error() -> None:
    """HTML with "503" in it is told apart by its status, and may have taken effect (the SDK guesses from the text)."""
    error = CHARGEBEE.error(Response(504, b"<html>ticket 503111</html>"))
    assert (type(error), error.status, classified(error, CHARGEBEE).maybe_applied) == (UnreadableServerError, 504, True)
    assert type(CHARGEBEE.error(Response(400, b'{"error": "no"}'))) is MalformedResponse


def test_a_wrong_key_is_unauthorized(world: World) -> None:
    """The key goes as the user of HTTP Basic and into no error."""
    client = Client("chargebee", api_key="test_another_key", site="acme-test", http=world.client._http)
    with pytest.raises(Unauthorized) as refused:
        client.retrieve("1")
    assert "test_another_key" not in str(refused.value)
    assert world.transport.sent[0].headers["authorization"] == "Basic dGVzdF9hbm90aGVyX2tleTo="


@pytest.mark.parametrize(
    "key,site,base_url,said",
    [
        ("test_x", "acme-test", None, "test"),
        ("live_x", "acme", None, "live"),
        ("x", "acme-test", None, "test"),
        ("x", "acme", None, "live"),
        ("test_x", "acme", "http://127.0.0.1:1", "test"),
        ("x", "acme", "http://127.0.0.1:1", None),
        ("test_x", "acme", None, "live and test"),
        ("live_x", "acme-test", None, "live and test"),
    ],
)
def test_what_tells_the_mode(key: str, site: str, base_url: str | None, said: str | None) -> None:
    """The key's prefix and the site's name; where they disagree no mode agrees with them."""
    url = base_url or f"https://{site}.chargebee.com/api/v2"
    assert CHARGEBEE.mode(key, {"site": site}, url) == said


def test_effects_are_told_by_each_verb(world: World) -> None:
    """What each verb does to the customer stands in the plan."""
    from invoice_bridge.core.commands import Finalize, MarkPaid, MarkUncollectible, Void

    plans = {
        "close": world.client.explain(Finalize(id="7")),
        "record": world.client.explain(MarkPaid(id="7")),
        "void": world.client.explain(Void(id="7")),
        "write off": world.client.explain(MarkUncollectible(id="7")),
    }
    assert {name: set(plan.effects) for name, plan in plans.items()} == {
        "close": {Effect.ISSUES, Effect.COLLECTS},
        "record": {Effect.RECORDS},
        "void": {Effect.VOIDS},
        "write off": {Effect.VOIDS},
    }


def test_a_repeated_verb_reads_what_stands_now() -> None:
    """A replayed answer of a verb is not taken for the present: the invoice is read once more."""
    world = make_world()
    made = opened(world)
    world.client.pay(made.id, payment_method="pm_pending")
    again = world.site.invoices[made.id]
    again["linked_payments"][0]["txn_status"] = "failure"
    again |= {"amount_to_collect": 1999}
    tried = world.client.pay(made.id, payment_method="pm_pending")
    assert tried.payment_pending is False
    assert world.sent[-1] == "GET /invoices/1"


# ── listings inside a flow ───────────────────────────────────────────────────────────────────────────────────────────
def _circling(flow: Any, pages: Any) -> tuple[int, str]:
    """Answer a flow with pages whose offsets alternate until it refuses; returns how many it read, and the refusal."""
    next(flow)
    for read in range(1, 1000):
        try:
            flow.send(Response(200, dumps(pages(f"offset_{read % 2}")), {}, "chargebee"))
        except MalformedResponse as refusal:
            return read, refusal.message
    raise AssertionError("it reads for ever")


def test_defect_71_lines_whose_pages_alternate_end() -> None:
    """Defect 71: the lines of an invoice are read on 100 pages at most, besides the first that comes with it."""
    line = {"id": "li_1", "amount": 100, "description": "Fees"}
    row = {"id": "7", "object": "invoice", "status": "payment_due", "currency_code": "EUR", "line_items": [line]}
    flow = CHARGEBEE.flow(Retrieve(id="7"), make_context(CHARGEBEE, {"site": "acme"}))
    read, told = _circling(flow, lambda offset: {"invoice": row | {"line_items_next_offset": offset}})
    assert (read, told.endswith("line_items_next_offset continues after 100 pages")) == (101, True)


def test_defect_71_unbilled_charges_whose_pages_alternate_end() -> None:
    """Defect 71: so are the charges that have accrued, and nothing is billed."""
    bill = PeriodInvoice(
        reference="r1", customer="cus_42", subscription="sub_42", currency="EUR", period=Period.month(2026, 5)
    )
    flow = CHARGEBEE.flow(bill, make_context(CHARGEBEE, {"site": "acme"}).on(bill))
    read, told = _circling(flow, lambda offset: {"list": [], "next_offset": offset})
    assert (read, told.endswith("next_offset continues after 100 pages of 100")) == (100, True)
