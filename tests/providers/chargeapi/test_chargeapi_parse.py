"""ChargeAPI JSON → Invoice and error, by hand-checked values."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    BridgeError,
    Declined,
    InvalidState,
    Line,
    MalformedResponse,
    Money,
    NotFound,
    Period,
    ProviderError,
    RateLimited,
    Rejected,
    ServerError,
    Status,
    Unauthorized,
    decode,
)
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargeapi import CHARGEAPI
from tests.providers.chargeapi.bench import stated
from tests.refusals import classified

EUR_25 = Money(2500, "EUR")


def instant(*parts: int) -> datetime:
    """An instant in UTC: year, month, day, hour, minute, second, milliseconds."""
    return datetime(*parts[:6], microsecond=parts[6] * 1000, tzinfo=UTC)  # type: ignore[misc, arg-type]


# ── the provider's own samples ───────────────────────────────────────────────────────────────────────────────────────
def sample(shared_dir: Path, name: str) -> bytes:
    """A sample, as it stands on the provider's page."""
    path = shared_dir / "recordings" / "chargeapi" / name
    if not path.is_file():
        pytest.skip(f"no reference material: {name} is not there")
    return path.read_bytes()


def test_the_sample_of_the_create_page(shared_dir: Path) -> None:
    """The sample of the create page reads as this draft."""
    found = decode("chargeapi", sample(shared_dir, "page_create.json"))
    assert (found.provider, found.id) == ("chargeapi", "inv_AzC78kBZwIQkgmJeyTANcT9HRINBOfr3")
    assert (found.status, found.native_status, found.currency) == ("draft", "draft", "EUR")
    amounts = (found.subtotal, found.total, found.amount_due, found.amount_remaining)
    assert amounts == (EUR_25, EUR_25, EUR_25, EUR_25)
    assert (found.amount_paid, found.tax, found.discount, found.amount_credited) == (None, None, None, None)
    assert found.lines == (
        Line(
            description="Charging sessions for March 2026",
            quantity=1,
            unit_amount=Money(1842, "EUR"),
            amount=Money(1842, "EUR"),
        ),
        Line(description="Reservation fees", quantity=2, unit_amount=Money(329, "EUR"), amount=Money(658, "EUR")),
    )
    assert found.lines_complete
    assert found.customer is not None
    assert found.customer.id == "flt_AAeAlAZzocmSZp6L2mA3rKYNPYyL3GSy"
    start, end = instant(2026, 4, 1, 0, 25, 40, 683), instant(2026, 5, 2, 0, 25, 17, 494)
    assert found.period == Period(start, end)
    assert found.created_at == instant(2026, 5, 2, 0, 25, 46, 191)
    assert found.due_at == instant(2026, 5, 9, 0, 25, 36, 789)
    assert (found.paid_at, found.issued_at, found.voided_at, found.payment_method) == (None, None, None, None)
    assert (found.description, found.reference, found.metadata) == (None, None, {})


def test_the_sample_of_the_object_page(shared_dir: Path) -> None:
    """The sample of the object page reads as this draft."""
    found = decode("chargeapi", sample(shared_dir, "page_object.json"))
    assert (found.id, found.status, found.total) == ("inv_x1QYytVkSXm5EPAsZCFVnnEW4DSSkY8K", Status.DRAFT, EUR_25)
    assert found.due_at == instant(2026, 5, 9, 0, 41, 23, 968)
    assert found.period is not None
    assert found.period.end == instant(2026, 5, 2, 0, 41, 19, 481)


def test_the_sample_of_the_list_page(shared_dir: Path) -> None:
    """The one item of the list page's sample reads as this draft."""
    body = loads(sample(shared_dir, "page_list.json"))
    (found,) = [decode("chargeapi", row) for row in body["data"]]
    assert (found.id, found.total) == ("inv_GVdfAASxxq3iAz32AWC5ZRg0M8gUF8Zk", EUR_25)
    assert found.customer is not None
    assert found.customer.id == "flt_cb4mG1v23U4O4yo5FmfSdlfYBs4P1Yvy"


# ── statuses and amounts ─────────────────────────────────────────────────────────────────────────────────────────────
ZERO = Money(0, "EUR")


@pytest.mark.parametrize(
    "native, due, paid, status, total, remaining",
    [
        ("draft", 2500, None, "draft", EUR_25, EUR_25),
        ("draft", None, None, "draft", None, None),
        ("open", 2500, None, "open", EUR_25, EUR_25),
        ("open", 2000, 500, "open", EUR_25, Money(2000, "EUR")),
        ("overdue", 2500, 0, "open", EUR_25, EUR_25),
        ("paid", 0, 2500, "paid", EUR_25, ZERO),
        ("paid", 0, None, "paid", None, ZERO),
        ("void", 2500, None, "void", None, ZERO),
        ("uncollectible", 2500, None, "uncollectible", None, ZERO),
        (None, 2500, None, "unknown", None, EUR_25),
        ("settling", 2500, 0, "unknown", None, EUR_25),
    ],
)
def test_what_amount_due_means(  # noqa: PLR0917 - a case is a row of the table
    native: str | None, due: int | None, paid: int | None, status: str, total: Money | None, remaining: Money | None
) -> None:
    """amount_due is a balance: it feeds what remains, and the total only where it can be inferred."""
    found = decode("chargeapi", stated(status=native, amount_due=due, amount_paid=paid))
    assert (found.status, found.native_status) == (status, native)
    assert (found.total, found.amount_due, found.amount_remaining) == (total, total, remaining)
    assert found.subtotal == EUR_25


@pytest.mark.parametrize(
    "currency, text",
    [
        ("eur", "25.00 EUR"),
        ("jpy", "2500 JPY"),
        ("kwd", "2.500 KWD"),
        ("isk", "2500 ISK"),
        ("ugx", "2500 UGX"),
        ("clp", "2500 CLP"),
        ("bhd", "2.500 BHD"),
        ("clf", "0.2500 CLF"),
        ("bgn", "25.00 BGN"),
    ],
)
def test_units_are_the_smallest_of_the_currency(currency: str, text: str) -> None:
    """2500 units read as ISO 4217's minor units of each currency."""
    assert str(decode("chargeapi", stated(currency=currency)).total) == text


def test_an_invoice_without_an_id() -> None:
    """Without an id it is refused."""
    with pytest.raises(MalformedResponse):
        decode("chargeapi", stated(id=None))


@pytest.mark.parametrize(
    "fields, path",
    [
        ({"amount_due": "2500"}, "amount_due"),
        ({"amount_due": Decimal("25.5")}, "amount_due"),
        ({"amount_paid": "0"}, "amount_paid"),
        ({"currency": "xxx"}, "currency"),
        ({"currency": None}, "currency"),
    ],
)
def test_defect_60_one_odd_amount_hides_no_invoice(fields: dict[str, Any], path: str) -> None:
    """Defect 60: money that cannot be read is None and a problem; without both parts there is no total."""
    found = decode("chargeapi", stated(**{"status": "open", **fields}))
    assert (found.id, found.total) == ("inv_1", None)
    assert [(problem.path, problem.money) for problem in found.problems] == [(path, True)]


def test_defect_60_a_line_without_a_readable_amount_is_left_out() -> None:
    """Defect 60: the others are there, and their sum is not the subtotal."""
    found = decode("chargeapi", stated(line_items=[{"amount": 5}, {"description": "no amount"}, {"amount": "1"}]))
    assert ([line.amount.minor for line in found.lines], found.lines_complete, found.subtotal) == ([5], False, None)
    assert [problem.path for problem in found.problems] == ["line_items[1].amount", "line_items[2].amount"]
    whole = decode("chargeapi", stated(line_items=[{"amount": 1, "unit_amount": "1"}]))
    assert (whole.lines_complete, whole.lines[0].unit_amount) == (True, None)
    assert [problem.path for problem in whole.problems] == ["line_items[0].unit_amount"]


@pytest.mark.parametrize("kind", ["transaction", "error", "event", "charging_session"])
def test_defect_57_what_says_that_it_is_something_else_is_refused(kind: str) -> None:
    """Defect 57: an object that states another kind is no invoice."""
    with pytest.raises(MalformedResponse, match=f"its object is '{kind}'"):
        decode("chargeapi", stated(object=kind))


@pytest.mark.parametrize("currency, text", [("itl", "2500 ITL"), ("mro", "25.00 MRO"), ("uyi", "2500 UYI")])
def test_defect_59_withdrawn_currencies_are_read(currency: str, text: str) -> None:
    """Defect 59: old invoices are in old money; no bill is made in it."""
    assert str(decode("chargeapi", stated(currency=currency)).total) == text
    assert "ITL" not in CHARGEAPI.money.currencies


def test_defect_61_a_value_of_a_wrong_type_is_listed() -> None:
    """Defect 61: it reads as None, is a problem, and is not counted as carried."""
    found = decode("chargeapi", stated(description=7, due_date="soon", metadata={"k": 1}))
    assert {problem.path for problem in found.problems} == {"description", "due_date", "metadata.k"}
    assert {"description", "due_date", "metadata.k"} <= set(found.unmapped())


def test_what_is_absent_is_none() -> None:
    """A payload of three fields reads; its lines are not complete."""
    found = decode("chargeapi", {"id": "inv_1", "currency": "eur", "status": "open"})
    assert (found.subtotal, found.total, found.amount_remaining, found.due_at, found.customer) == (None,) * 5
    assert not found.lines_complete


def test_no_lines_have_no_sum() -> None:
    """An empty list of lines may mean "not rated yet": the subtotal is unsaid, not zero."""
    found = decode("chargeapi", stated(line_items=[]))
    assert (found.subtotal, found.lines_complete) == (None, True)


def test_a_line_that_is_no_object() -> None:
    """A line that cannot be seen makes the lines incomplete."""
    assert not decode("chargeapi", stated(line_items=[{"amount": 1}, "?"])).lines_complete


def test_a_unit_amount_with_a_fraction() -> None:
    """A unit price that is no whole number of units is unsaid; the line's amount stands."""
    row = {"amount": 15, "quantity": 10, "unit_amount": Decimal("1.5"), "description": None}
    (line,) = decode("chargeapi", stated(line_items=[row])).lines
    assert (line.unit_amount, line.amount, line.quantity) == (None, Money(15, "EUR"), Decimal(10))
    assert decode("chargeapi", stated(line_items=[row])).problems == ()


def test_the_reference_leaves_the_metadata() -> None:
    """The caller's reference is its own field, and not among the metadata."""
    found = decode("chargeapi", stated(metadata={"invoice_bridge_reference": "res-1", "k": "v"}))
    assert (found.reference, found.metadata) == ("res-1", {"k": "v"})


def test_an_account_level_invoice() -> None:
    """No fleet is no customer."""
    assert decode("chargeapi", stated(fleet=None)).customer is None


def test_a_paid_invoice() -> None:
    """The day and the method of payment are read."""
    found = decode(
        "chargeapi",
        stated(
            status="paid", amount_due=0, amount_paid=2500, paid_at="2026-06-03T10:00:00.001Z", payment_method="pm_1"
        ),
    )
    assert (found.paid_at, found.payment_method) == (instant(2026, 6, 3, 10, 0, 0, 1), "pm_1")


def test_a_period_whose_ends_are_equal() -> None:
    """A window of no length is no period."""
    assert decode("chargeapi", stated(period_end="2026-05-01T00:00:00.000Z")).period is None


def test_the_older_generation() -> None:
    """Whole seconds, which the older pages show, are read where an account still answers so."""
    found = decode("chargeapi", stated(created=1711929600, due_date=1714608000))
    assert (found.created_at, found.due_at) == (instant(2024, 4, 1, 0, 0, 0, 0), instant(2024, 5, 2, 0, 0, 0, 0))


def test_unknown_fields_stay() -> None:
    """A field that is not known today stays in the raw payload."""
    assert (decode("chargeapi", stated(colour={"a": [1]})).raw or {})["colour"] == {"a": [1]}


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def refused(status: int, **fields: Any) -> ProviderError:
    """The error that a flat error body becomes."""
    body = {
        "code": None,
        "doc_url": None,
        "message": "No.",
        "object": "error",
        "param": None,
        "request": "req_1",
        "status": status,
        "type": "invalid_request_error",
    }
    return CHARGEAPI.error(Response(status, dumps(body | fields)))


@pytest.mark.parametrize(
    "status, fields, becomes",
    [
        (404, {"code": "fleet_not_found", "param": "fleet"}, NotFound),
        (404, {"code": "invoice_not_found"}, NotFound),
        (400, {"code": "invoice_not_found"}, NotFound),
        (400, {"code": "invoice_finalize_invalid_state"}, InvalidState),
        (409, {"code": "invoice_void_invalid_state"}, InvalidState),
        (400, {"code": "invoice_payment_invalid_state"}, InvalidState),
        (400, {"code": "invoice_update_invalid_state"}, InvalidState),
        (400, {"code": "invoice_validation_error"}, Rejected),
        (400, {"code": "payment_authorization_failed"}, Declined),
        (401, {"type": "authentication_error"}, Unauthorized),
        (403, {}, Unauthorized),
        (400, {"code": "rate_limit_exceeded"}, RateLimited),
        (429, {}, RateLimited),
        (400, {"code": "vehicle_something_new"}, Rejected),
        (500, {}, ServerError),
    ],
)
def test_refusals(status: int, fields: dict[str, Any], becomes: type[BridgeError]) -> None:
    """The code decides where there is one, the HTTP status where there is none."""
    error = refused(status, **fields)
    assert type(error) is becomes
    assert (error.code, error.param, error.request_id) == (fields.get("code"), fields.get("param"), "req_1")


def test_a_conflict_without_a_known_code() -> None:
    """A 409 that no code explains may mean that the first try still runs: it may have taken effect."""
    assert classified(refused(409), CHARGEAPI).maybe_applied
    assert not classified(refused(409, code="invoice_void_invalid_state"), CHARGEAPI).maybe_applied


@pytest.mark.parametrize("body", [b"<html>", b'{"error": {"message": "x"}}', b"[]", b'{"message": "Bad Gateway"}'])
def test_a_refusal_in_other_words(body: bytes) -> None:
    """An error that is not in ChargeAPI's flat shape is not taken for its own."""
    assert isinstance(CHARGEAPI.error(Response(400, body)), MalformedResponse)


def test_the_id_in_an_answer() -> None:
    """Only an invoice's id counts as one."""
    assert CHARGEAPI.invoice_id(stated()) == "inv_1"
    assert CHARGEAPI.invoice_id({"object": "error", "id": "inv_1"}) is None
