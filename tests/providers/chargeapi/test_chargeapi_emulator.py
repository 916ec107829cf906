"""The in-memory ChargeAPI by itself: its refusals and shapes, asked without the adapter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge.adapter.answers import json_of
from invoice_bridge.adapter.emulation.core import FakeClock
from tests.providers.chargeapi.bench import ROOT, Bench

WINDOW = {"period_start": "2026-05-01T00:00:00.000Z", "period_end": "2026-06-01T00:00:00.000Z"}


def test_an_invoice_has_exactly_the_documented_fields() -> None:
    """A draft states the fields of the object page, in that order, and takes the account's currency by default."""
    made = Bench().ask("POST", "/invoices", {**WINDOW, "fleet": "flt_42"})
    assert (made.status, made.headers["content-type"]) == (200, "application/json")
    assert made.parsed == {
        "id": "inv_00000001",
        "object": "invoice",
        "amount_due": 2500,
        "amount_paid": None,
        "created": "2026-11-02T09:00:00.000Z",
        "currency": "eur",
        "description": None,
        "due_date": "2026-11-09T09:00:00.000Z",
        "fleet": "flt_42",
        "line_items": [
            {"amount": 1842, "description": "Charging sessions", "quantity": 1, "unit_amount": 1842},
            {"amount": 658, "description": "Reservation fees", "quantity": 2, "unit_amount": 329},
        ],
        "metadata": {},
        "paid_at": None,
        "payment_method": None,
        "period_end": "2026-06-01T00:00:00.000Z",
        "period_start": "2026-05-01T00:00:00.000Z",
        "status": "draft",
    }


def test_the_start_belongs_to_the_window_and_the_end_does_not() -> None:
    """A transaction at the start is billed, one at the end is not, nor one of another fleet or currency."""
    bench = Bench()
    start, end = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
    bench.emulator.add_transaction("flt_42", 1, "EUR", start, "a")
    bench.emulator.add_transaction("flt_42", 10, "EUR", end, "b")
    bench.emulator.add_transaction("flt_42", 100, "USD", start, "c")
    bench.emulator.add_transaction("flt_43", 1000, "EUR", start, "d")
    bench.emulator.add_transaction(None, 10000, "EUR", start, "e")
    july = {"period_start": "2026-07-01T00:00:00.000Z", "period_end": "2026-08-01T00:00:00.000Z"}
    due = [bench.ask("POST", "/invoices", {**july, **more}).parsed["amount_due"] for more in ({"fleet": "flt_42"}, {})]
    assert due == [1, 10000]


@pytest.mark.parametrize(
    "body, code, param, status",
    [
        ({}, "invoice_validation_error", "period_start", 400),
        ({"period_start": WINDOW["period_start"]}, "invoice_validation_error", "period_end", 400),
        ({**WINDOW, "period_end": WINDOW["period_start"]}, "invoice_validation_error", "period_end", 400),
        ({**WINDOW, "period_end": "2026-06-01T00:00:00"}, "invoice_validation_error", "period_end", 400),
        ({**WINDOW, "period_end": 1780272000}, "invoice_validation_error", "period_end", 400),
        ({**WINDOW, "amount": 2500}, "invoice_validation_error", "amount", 400),
        ({**WINDOW, "fleet": "flt_x"}, "fleet_not_found", "fleet", 404),
        ({**WINDOW, "currency": "xxx"}, "invoice_validation_error", "currency", 400),
        ({**WINDOW, "description": 7}, "invoice_validation_error", "description", 400),
        ({**WINDOW, "metadata": {"k": 1}}, "invoice_validation_error", "metadata", 400),
        ({**WINDOW, "metadata": {f"k{n}": "v" for n in range(51)}}, "invoice_validation_error", "metadata", 400),
        ([], "invoice_validation_error", "body", 400),
    ],
)
def test_what_create_refuses(body: Any, code: str, param: str, status: int) -> None:
    """Each fault is refused in the flat shape, with its code and parameter, and nothing is stored."""
    bench = Bench()
    answer = bench.ask("POST", "/invoices", body)
    told = json_of(answer)
    assert (answer.status, told["code"], told["param"]) == (status, code, param)
    assert (told["object"], told["type"], told["status"]) == ("error", "invalid_request_error", status)
    assert told["request"].startswith("req_")
    assert bench.emulator.invoices == {}


@pytest.mark.parametrize("takes", [False, True])
def test_a_currency_in_upper_case(takes: bool) -> None:
    """Whether upper case is taken is not documented; it is stated in lower case either way."""
    answer = Bench(uppercase_currency=takes).ask("POST", "/invoices", {**WINDOW, "currency": "EUR"})
    assert answer.status == (200 if takes else 400)
    assert not takes or json_of(answer)["currency"] == "eur"


@pytest.mark.parametrize("takes", [False, True])
def test_parts_of_a_millisecond(takes: bool) -> None:
    """Whether more than three decimals are taken is not documented."""
    body = {**WINDOW, "period_start": "2026-05-01T00:00:00.000001Z"}
    assert Bench(finer_timestamps=takes).ask("POST", "/invoices", body).status == (200 if takes else 400)


def test_keys_versions_and_paths() -> None:
    """A wrong key, another version, an unknown path and an over-long idempotency key are refused."""
    bench = Bench()
    wrong = bench.ask("GET", "/invoices", Authorization="Bearer no")
    assert (wrong.status, wrong.parsed["type"]) == (401, "authentication_error")
    assert bench.ask("GET", "/invoices", **{"Charge-Version": "2020-01-01"}).status == 400
    assert bench.ask("DELETE", "/invoices/inv_1").status == 404
    assert bench.ask("POST", "/invoices", WINDOW, **{"Idempotency-Key": "k" * 256}).status == 400
    assert bench.ask("GET", "/invoices?expand=line_items").parsed["code"] == "unsupported_expand_value"


def test_a_key_is_kept_for_a_day() -> None:
    """The first outcome is repeated under its key, unmarked, for 24 hours; refusals too."""
    bench = Bench()
    clock = bench.emulator.clock
    assert isinstance(clock, FakeClock)
    keyed = {"Idempotency-Key": "k"}
    first = bench.ask("POST", "/invoices", WINDOW, **keyed)
    again = bench.ask("POST", "/invoices", WINDOW, **keyed)
    assert (again.content, dict(again.headers)) == (first.content, dict(first.headers))
    clock.now += timedelta(hours=24)
    assert bench.ask("POST", "/invoices", WINDOW, **keyed).parsed["id"] == "inv_00000002"
    refused = bench.ask("POST", "/invoices/inv_00000001/void", {}, **{"Idempotency-Key": "v"})
    assert bench.ask("POST", "/invoices/inv_00000001/void", {}, **{"Idempotency-Key": "v"}).content == refused.content


@pytest.mark.parametrize("refuses", [True, False])
def test_a_key_with_another_body(refuses: bool) -> None:
    """Whether a key with another body is refused or replayed is not documented."""
    bench = Bench(mismatch_refused=refuses)
    first = bench.ask("POST", "/invoices", WINDOW, **{"Idempotency-Key": "k"})
    other = bench.ask("POST", "/invoices", {**WINDOW, "fleet": "flt_42"}, **{"Idempotency-Key": "k"})
    assert other.status == (400 if refuses else 200)
    assert refuses or other.content == first.content


def test_pages() -> None:
    """Pages lead forth and back by opaque absolute URLs, which belong to their filters."""
    bench = Bench()
    for _ in range(5):
        bench.ask("POST", "/invoices", {**WINDOW, "fleet": "flt_42"})
    first = bench.ask("GET", "/invoices?limit=2&fleet=flt_42").parsed
    assert [row["id"] for row in first["data"]] == ["inv_00000005", "inv_00000004"]
    assert first["previous_page_url"] is None
    second = bench.ask("GET", first["next_page_url"].removeprefix(ROOT)).parsed
    assert [row["id"] for row in second["data"]] == ["inv_00000003", "inv_00000002"]
    third = bench.ask("GET", second["next_page_url"].removeprefix(ROOT)).parsed
    assert ([row["id"] for row in third["data"]], third["next_page_url"]) == (["inv_00000001"], None)
    back = bench.ask("GET", second["previous_page_url"].removeprefix(ROOT)).parsed
    assert back["data"] == first["data"]
    changed = first["next_page_url"].removeprefix(ROOT).replace("flt_42", "flt_43")
    assert bench.ask("GET", changed).parsed["param"] == "page"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=overdue", "customer=flt_42", "page=page_x"]
)
def test_what_a_listing_refuses(query: str) -> None:
    """Limits outside 1 to 100, words that are no filter, and made-up page tokens are refused."""
    assert Bench().ask("GET", f"/invoices?{query}").parsed["code"] == "invoice_validation_error"


def test_ten_invoices_a_page_by_default() -> None:
    """A page holds ten where nothing is said."""
    bench = Bench()
    for _ in range(11):
        bench.ask("POST", "/invoices", WINDOW)
    assert len(bench.ask("GET", "/invoices").parsed["data"]) == 10


def test_finalizing_locks_the_lines() -> None:
    """A draft's lines move with its transactions; an open invoice's do not."""
    bench = Bench()
    bench.ask("POST", "/invoices", {**WINDOW, "fleet": "flt_42"})
    bench.emulator.add_transaction("flt_42", 100, "eur", datetime(2026, 5, 9, tzinfo=UTC), "Late")
    assert bench.ask("GET", "/invoices/inv_00000001").parsed["amount_due"] == 2600
    assert bench.ask("POST", "/invoices/inv_00000001/finalize", {}).parsed["amount_due"] == 2600
    bench.emulator.add_transaction("flt_42", 100, "eur", datetime(2026, 5, 9, tzinfo=UTC), "Later")
    assert bench.ask("GET", "/invoices/inv_00000001").parsed["amount_due"] == 2600


def test_every_switch_says_what_is_not_confirmed() -> None:
    """A switch that does not exist is refused, and each that does says what it is about."""
    with pytest.raises(ValueError, match="has no switch"):
        Bench(no_such_thing=True)
    assert all(told.startswith("whether ") for _, told in Bench().emulator.SWITCHES.values())
