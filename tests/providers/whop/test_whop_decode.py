"""Whop's JSON becomes neutral invoices: recorded samples with values worked out by hand, and what must not be read."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    Collection,
    CustomerRef,
    MalformedResponse,
    Money,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
    Status,
    Unauthorized,
    decode,
)
from invoice_bridge.core.errors import ProviderError, UnreadableServerError
from invoice_bridge.core.model import Address
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop import WHOP
from invoice_bridge.providers.whop.shapes import invoice, price_of, with_payment, with_plan
from tests.refusals import classified

INSTANT = datetime(2023, 12, 1, 5, 0, 0, 401000, tzinfo=UTC)


def bare(**fields: Any) -> dict[str, Any]:
    return {"id": "inv_1", "status": "open", "current_plan": {"id": "plan_1", "currency": "eur"}, **fields}


def line(**fields: Any) -> dict[str, Any]:
    return {"label": "x", "position": 1, "quantity": 1, "unit_price": 1, "total": 1, **fields}


def test_the_documented_invoice(shared_dir: Path) -> None:
    """The sample of the page, each value by hand; quantity × price is not the total there: the total counts."""
    found = decode("whop", (shared_dir / "recordings/whop/page_legacy_invoice.json").read_bytes())
    assert (found.id, found.number) == ("inv_xxxxxxxxxxxxxx", "#0001")
    assert (found.status, found.native_status) == (Status.DRAFT, "draft")
    assert Money(690, "USD") == found.subtotal
    assert (found.total, found.tax, found.discount, found.amount_due) == (None, None, None, None)
    assert (found.amount_paid, found.amount_remaining) == (None, None)
    (only,) = found.lines
    assert ("Platform subscription", Decimal("6.9")) == (only.description, only.quantity)
    assert (Money(690, "USD"), Money(690, "USD")) == (only.unit_amount, only.amount)
    assert found.lines_complete
    address = Address(line1="x", line2="x", city="x", state="x", postal_code="x", country="x")
    assert CustomerRef(id="x", email="customer@example.com", name="Jane Doe", address=address) == found.customer
    assert (found.created_at, found.due_at, found.updated_at) == (INSTANT, INSTANT, INSTANT)
    assert (found.issued_at, found.paid_at, found.voided_at) == (None, None, None)
    assert Collection(kind="send", due=INSTANT) == found.collection
    assert (found.description, found.reference, found.hosted_url) == ("d", None, "x")
    assert found.payment_pending is True
    assert found.test_mode is None
    assert found.raw is not None
    assert "fetch_invoice_token" in found.raw


def test_the_nine_fields_of_early_2026(shared_dir: Path) -> None:
    """What the old item does not say is None, its lines among them; the display string is never read as money."""
    found = decode("whop", (shared_dir / "recordings/whop/page_early_2026_list_item.json").read_bytes())
    assert (found.id, found.number, found.status) == ("inv_xxxxxxxxxxxxxx", "#0001", Status.DRAFT)
    assert (found.currency, found.subtotal, found.lines) == ("USD", None, ())
    assert not found.lines_complete
    assert CustomerRef(email="customer@example.com", name="John Doe") == found.customer
    assert (found.created_at, found.due_at) == (INSTANT, INSTANT)
    assert (found.collection, found.payment_pending, found.amount_remaining) == (None, None, None)


@pytest.mark.parametrize(
    "word, status, remaining",
    [
        ("draft", Status.DRAFT, None),
        ("open", Status.OPEN, None),
        ("past_due", Status.OPEN, None),
        ("paid", Status.PAID, Money(0, "EUR")),
        ("void", Status.VOID, Money(0, "EUR")),
        ("uncollectible", Status.UNCOLLECTIBLE, Money(0, "EUR")),
        ("marinating", Status.UNKNOWN, None),
        (None, Status.UNKNOWN, None),
        (7, Status.UNKNOWN, None),
    ],
)
def test_statuses(word: object, status: Status, remaining: Money | None) -> None:
    """Each of Whop's words has one meaning; a new one is unknown, never paid, void or failed."""
    found = decode("whop", bare(status=word))
    assert (status, remaining) == (found.status, found.amount_remaining)
    assert (word if isinstance(word, str) else None) == found.native_status


def test_past_due_without_a_due_date_is_past_due() -> None:
    """The word alone decides where no due date is shown."""
    assert decode("whop", bare(status="past_due")).is_past_due(INSTANT)
    assert not decode("whop", bare(status="open")).is_past_due(INSTANT)


@pytest.mark.parametrize(
    "currency, text, minor",
    [
        ("eur", "19.99", 1999),
        ("usd", "499", 49900),
        ("jpy", "500", 500),
        ("kwd", "1.234", 1234),
        ("clp", "7990.0", 7990),
        ("eur", "90071992547409.93", 9007199254740993),
        ("eur", "-1.5", -150),
    ],
)
def test_line_totals_are_exact_major_units(currency: str, text: str, minor: int) -> None:
    """The number as it was written, without a binary float in between."""
    body = json.dumps(bare(line_items=[line(total=0)])).replace('"total": 0', f'"total": {text}')
    found = decode("whop", body.replace('"eur"', f'"{currency}"'))
    assert Money(minor, currency.upper()) == found.subtotal == found.lines[0].amount


@pytest.mark.parametrize("payload", [bare(id=None), bare(id="in_1"), []])
def test_ids_that_cannot_be_read_raise(payload: Any) -> None:
    """Without an id of Whop's it is no invoice of Whop's."""
    with pytest.raises(MalformedResponse):
        decode("whop", payload)


def test_defect_57_what_says_that_it_is_something_else_is_refused() -> None:
    """Defect 57: Whop's invoices have no field object and begin with inv_; what states another kind is none."""
    with pytest.raises(MalformedResponse, match="its object is 'payment'"):
        decode("whop", bare(object="payment"))
    for other in ("pay_1", "plan_1", "mber_1", "prod_1"):
        with pytest.raises(MalformedResponse, match="not inv_"):
            decode("whop", bare(id=other))


@pytest.mark.parametrize("total", [Decimal("1.999"), "1.99", True, None, 19.990000000000002])
def test_defect_60_a_line_without_a_readable_total_is_left_out(total: Any) -> None:
    """Defect 60: too many decimals, a float's artefact: nothing is rounded, and the other lines are there."""
    found = decode("whop", bare(line_items=[line(total=total), line(total=2)]))
    assert ([row.amount.minor for row in found.lines], found.lines_complete, found.subtotal) == ([200], False, None)
    assert [(problem.path, problem.money) for problem in found.problems] == [("line_items[0].total", True)]
    assert "line_items[].label" in found.unmapped()


def test_defect_60_a_float_of_a_parsed_payload_is_read_where_its_digits_are_certain() -> None:
    """Defect 60: up to 15 digits a float is the number that was written; beyond, another cent may be meant."""
    assert decode("whop", bare(line_items=[line(total=19.99)])).subtotal == Money(1999, "EUR")
    doubtful = decode("whop", bare(line_items=[line(total=90071992547409.93, quantity=0.1)]))
    (problem,) = doubtful.problems
    assert (problem.path, doubtful.lines) == ("line_items[0].total", ())
    assert "decode the bytes of the answer instead" in problem.why
    assert "line_items[].total" in doubtful.unmapped()
    exact = json.dumps(bare(line_items=[line(total=0)])).replace('"total": 0', '"total": 90071992547409.93')
    assert decode("whop", exact).subtotal == Money(9007199254740993, "EUR")


@pytest.mark.parametrize(
    "plan, path",
    [
        ({"id": "p", "currency": "btc"}, "current_plan.currency"),
        ({"id": "p", "currency": "whop_usd"}, "current_plan.currency"),
        ({"id": "p", "currency": "xau"}, "current_plan.currency"),
        ({"id": "p"}, "current_plan.currency"),
        (None, "current_plan.currency"),
    ],
)
def test_defect_58_without_a_currency_no_amount_is_read(plan: Any, path: str) -> None:
    """Defect 58: coins and a missing currency leave the invoice readable, and its amounts None."""
    found = decode("whop", bare(status="paid", current_plan=plan, line_items=[line()]))
    assert (found.currency, found.subtotal, found.amount_remaining, found.lines) == (None, None, None, ())
    assert (found.status, found.lines_complete) == (Status.PAID, False)
    assert [(problem.path, problem.money) for problem in found.problems] == [(path, True)]


@pytest.mark.parametrize("code, text, minor", [("isk", "1999", 1999), ("bif", "5", 5), ("hrk", "1.5", 150)])
def test_defect_59_every_currency_of_iso_4217_is_read(code: str, text: str, minor: int) -> None:
    """Defect 59: a number in major units means the same in every currency, also where Whop does not list it."""
    plan = {"id": "p", "currency": code}
    found = decode("whop", bare(current_plan=plan, line_items=[line(total=Decimal(text))]))
    assert (found.subtotal, found.problems) == (Money(minor, code.upper()), ())
    assert code.upper() == "HRK" or code.upper() not in WHOP.money.currencies


def test_defect_60_half_a_yen_is_no_amount() -> None:
    """Defect 60: more decimals than the currency has are no amount of it."""
    plan = {"id": "p", "currency": "jpy"}
    found = decode("whop", bare(current_plan=plan, line_items=[line(total=Decimal("0.5"))]))
    assert (found.lines, [problem.path for problem in found.problems]) == ((), ["line_items[0].total"])


def test_a_native_invoice_says_which_api_answered() -> None:
    """The id's prefix is a tripwire for the version header."""
    with pytest.raises(MalformedResponse, match="native API answered: check that the header Api-Version-Date is sent"):
        decode("whop", bare(id="pay_1"))


def test_a_unit_price_of_parts_of_a_cent_reads_as_none() -> None:
    """A unit price may be finer than the currency; the line's total is what counts."""
    found = decode("whop", bare(line_items=[line(unit_price=Decimal("0.005"), quantity=200, total=1)]))
    assert found.lines[0].unit_amount is None
    assert found.lines[0].amount == Money(100, "EUR")
    assert found.problems == ()
    assert "line_items[].unit_price" in found.unmapped()


def test_unknown_fields_and_wrong_types_do_not_raise() -> None:
    """Whatever is not money or an id may change its shape."""
    odd = bare(
        user="someone", due_date=17, member=[], payment_processing="yes", product=None, line_items=[], new={"a": 1}
    )
    found = decode("whop", odd)
    assert (found.customer, found.due_at, found.payment_pending) == (None, None, None)
    assert found.lines_complete
    assert {problem.path for problem in found.problems} == {"user", "due_date", "payment_processing"}


# ── the plan and the payment ─────────────────────────────────────────────────────────────────────────────────────────
def plan(**fields: Any) -> dict[str, Any]:
    due = {"amount": "20.00", "currency": "eur", "decimals": 2, "display_decimals": 2}
    return {"id": "plan_1", "plan_type": "one_time", "internal_notes": "r-1", "initial_price_due": due, **fields}


def test_the_plan_carries_the_reference_and_the_price() -> None:
    """Without lines the plan's exact text is the subtotal; its number serves where the text is missing."""
    alone = invoice(bare(line_items=[]))
    assert ("r-1", Money(2000, "EUR")) == (
        with_plan(alone, plan()).reference,
        with_plan(alone, plan()).subtotal,
    )
    number = plan(initial_price_due=None, initial_price=Decimal("20.5"), currency="eur")
    assert with_plan(alone, number).subtotal == Money(2050, "EUR")


def test_a_plan_that_is_not_this_bills_price_says_nothing() -> None:
    """A recurring plan's first payment, and a price in another currency, are not the invoice's."""
    alone = invoice(bare(line_items=[]))
    foreign = {"amount": "20.00", "currency": "usd"}
    assert with_plan(alone, plan(plan_type="renewal")).subtotal is None
    assert with_plan(alone, plan(initial_price_due=foreign)).subtotal is None
    assert with_plan(alone, plan(initial_price_due=None, initial_price=20, currency="usd")).subtotal is None


def test_lines_and_price_that_contradict_each_other_are_no_subtotal() -> None:
    """Neither is certainly what is billed."""
    lined = invoice(bare(line_items=[line(total=19)]))
    assert with_plan(lined, plan()).subtotal is None
    assert price_of(lined, plan()) == Money(2000, "EUR")
    assert with_plan(invoice(bare(line_items=[line(total=20)])), plan()).subtotal == Money(2000, "EUR")


@pytest.mark.parametrize("amount", [20, Decimal("20.00"), "20.001", "1e3", ""])
def test_defect_60_a_price_that_is_no_exact_text_is_listed(amount: Any) -> None:
    """Defect 60: money objects carry text; anything else is not read as money, and is one of the problems."""
    odd = plan(initial_price_due={"amount": amount, "currency": "eur"})
    found = with_plan(invoice(bare()), odd)
    assert (found.reference, found.subtotal, price_of(found, odd)) == ("r-1", None, None)
    assert [(one.path, one.money) for one in found.problems] == [("plan.initial_price_due.amount", True)]


def test_defect_60_an_odd_payment_hides_no_invoice() -> None:
    """Defect 60: what the payment states inexactly is None and one of the problems."""
    odd = {"paid_at": "2026-11-02T09:00:00.000Z", "total": {"amount": 20, "currency": "eur"}}
    found = with_payment(invoice(bare(status="paid")), odd)
    assert (found.amount_paid, found.total) == (None, None)
    assert [(one.path, one.money) for one in found.problems] == [("payment.total.amount", True)]


def test_defect_60_a_price_is_no_sum_of_lines_of_which_one_is_unreadable() -> None:
    """Defect 60: the plan's price is the subtotal where no line is listed, or where it equals their sum."""
    torn = invoice(bare(line_items=[line(total="x"), line(total=20)]))
    assert with_plan(torn, plan()).subtotal is None


def test_the_payment_says_when_and_how_much() -> None:
    """paid_at and the account-facing total come from the payment; another currency is left out."""
    euros = {"amount": "20.00", "currency": "eur"}
    dollars = {"amount": "23.10", "currency": "usd"}
    paid = {"paid_at": "2026-11-02T09:00:00.000Z", "total": euros, "refunded_amount": {**euros, "amount": "5.00"}}
    found = with_payment(invoice(bare(status="paid")), paid)
    assert datetime(2026, 11, 2, 9, tzinfo=UTC) == found.paid_at
    assert (Money(2000, "EUR"), Money(500, "EUR")) == (found.amount_paid, found.amount_refunded)
    settled = with_payment(invoice(bare(status="paid")), {**paid, "total": dollars, "presentment_total": euros})
    assert settled.amount_paid == Money(2000, "EUR")
    assert with_payment(invoice(bare(status="paid")), {**paid, "total": dollars}).amount_paid is None
    assert with_payment(invoice(bare()), {"paid_at": None, "total": euros}).amount_paid is None


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def refused(status: int, error: Any, headers: dict[str, str] | None = None) -> ProviderError:
    content = error if isinstance(error, bytes) else json.dumps({"error": error}).encode()
    return WHOP.error(Response(status, content, headers or {}, "whop"))


@pytest.mark.parametrize(
    "status, code, becomes",
    [
        (400, "parameter_missing", Rejected),
        (400, "idempotency_key_mismatch", Rejected),
        (409, "idempotency_request_in_progress", Rejected),
        (401, None, Unauthorized),
        (403, None, Unauthorized),
        (404, None, NotFound),
        (422, None, Rejected),
        (429, None, RateLimited),
        (500, None, ServerError),
    ],
)
def test_refusals(status: int, code: str | None, becomes: type[ProviderError]) -> None:
    """The code decides, else the HTTP status; message and param are Whop's own."""
    error = refused(status, {"type": "t", "message": "no", "code": code, "param": "p"})
    assert (becomes, "no", code, "p") == (type(error), error.message, error.code, error.param)


def test_a_request_still_in_progress_may_have_been_applied() -> None:
    """409 under the same key means that the first try is running: its outcome is not known."""
    running = refused(409, {"type": "t", "message": "m", "code": "idempotency_request_in_progress"})
    assert classified(running, WHOP).maybe_applied
    mismatch = refused(400, {"type": "t", "message": "m", "code": "idempotency_key_mismatch"})
    assert not classified(mismatch, WHOP).maybe_applied


def test_pages_of_a_proxy_are_malformed() -> None:
    """An HTML 502 is a server error whose words are not Whop's."""
    assert isinstance(refused(502, b"<html>Bad gateway</html>"), UnreadableServerError)
    assert isinstance(refused(400, b"<html>"), MalformedResponse)
    assert isinstance(refused(400, "just text"), MalformedResponse)
