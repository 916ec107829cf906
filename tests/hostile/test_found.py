"""What hostile input has found, each defect by name."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import ConfigurationError, Invoice, MalformedResponse, Money, Retrieve, decode, explain, providers
from invoice_bridge.cli.files import read_bill
from invoice_bridge.client.config import read_profile
from invoice_bridge.client.exchange import Body, Bound
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.model import in_utc
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.supervise import Lost
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal

BARE: dict[str, dict[str, Any]] = {
    "chargeapi": {"id": "inv_1", "object": "invoice", "currency": "eur", "line_items": [{"amount": 1}] * 2},
    "chargebee": {"id": "1", "currency_code": "EUR", "line_items": [{"amount": 1}] * 2},
    "stripe": {"id": "in_1", "currency": "eur", "lines": {"data": [{"amount": 1}] * 2, "has_more": False}},
    "whop": {"id": "inv_1", "current_plan": {"currency": "eur"}, "line_items": [{"total": 1}] * 2},
}


@pytest.mark.parametrize("provider", providers.names())
def test_amounts_whose_sum_is_beyond_money_are_unreadable(provider: str) -> None:
    """Two lines of thirty digits were each an amount, and their sum escaped as a ValueError."""
    whole = json.dumps(BARE[provider])
    name = "total" if provider == "whop" else "amount"
    digits = 28 if provider == "whop" else 30
    decode(provider, whole)
    found = decode(provider, whole.replace(f'"{name}": 1', f'"{name}": {"9" * digits}'))
    assert (found.lines, found.subtotal) == ((), None)
    assert [problem.why for problem in found.problems] == [
        "cannot be read: no provider counts in numbers of more than 20 digits"
    ] * 2


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999", "0e999999999"])
def test_a_decimal_that_would_be_written_as_gigabytes_is_no_json(number: str) -> None:
    """A Decimal of eleven characters, in a mapping, was written out in plain digits."""
    with pytest.raises(ValueError, match="out of range"):
        dumps([Decimal(number)])
    with pytest.raises(MalformedResponse, match="out of range"):
        decode("stripe", BARE["stripe"] | {"note": Decimal(number)})


def test_a_unit_amount_with_a_vast_exponent_is_not_said() -> None:
    """As text such a number passed, and decimal.Overflow escaped from comparing it."""
    line = {"amount": 1, "quantity_decimal": "1e99999999", "pricing": {"unit_amount_decimal": "1e99999999"}}
    found = decode("stripe", BARE["stripe"] | {"lines": {"data": [line], "has_more": False}})
    assert (found.lines[0].quantity, found.lines[0].unit_amount) == (None, None)


@pytest.mark.parametrize("form", [bytes, json.loads, lambda body: json.loads(body, parse_float=Decimal)])
def test_what_an_invoice_keeps_reads_as_the_same_invoice(form: Any) -> None:
    """An instant written 1E+2 was none, but the invoice's own JSON said 100, and was read as one."""
    found = decode("stripe", form(json.dumps(BARE["stripe"] | {"due_date": 0}).replace("0", "1E+2").encode()))
    assert found.due_at == (datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC) if form is bytes else found.due_at)
    assert found.raw is not None
    assert decode("stripe", dumps(found.raw)) == found
    assert Invoice.model_validate_json(found.model_dump_json()) == found
    assert [type(number) for number in loads(b"[1E+2,1e0,2.0e1,2.0,-0]")] == [int, int, int, Decimal, int]


def test_a_decimal_of_more_digits_than_are_held_is_not_rounded() -> None:
    """The digit behind two hundred zeros was lost in silence."""
    with pytest.raises(ValueError, match="has more than 2 decimals"):
        Money.parse(Decimal("1." + "0" * 250 + "1"), "EUR")
    assert Money.parse(Decimal("1." + "0" * 250), "EUR") == Money(100, "EUR")


@pytest.mark.parametrize(
    "name,content,fault",
    [
        (
            "a.toml",
            "quantity = 1e9999999999999999999",
            "it is not TOML: the number 1e9999999999999999999 is out of range",
        ),
        ("a.toml", '"a\\nb" = 1\ncommand = "one_time_charge"', r"a\nb: there is no such field"),
        ("a.json", '{"command":"one_time_charge","\\u001b[2J":1}', r"\x1b[2J: there is no such field"),
        ("a.toml", 'command = "one_time_charge"\nissued_at = 0001-01-01T00:00:00+14:00', "not in the years 1 to 9999"),
        ("a.toml", "command" + ".a" * 2000 + " = 1", "'period_invoice', not {'a': {'a': {'a':"),
    ],
)
def test_a_fault_of_a_file_is_one_printable_line(tmp_path: Path, name: str, content: str, fault: str) -> None:
    """Errors of decimal, of dates and of recursion escaped; a name with a line break was printed as it is."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read_bill(str(path))
    assert fault in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_fault_of_a_profile_is_one_printable_line(tmp_path: Path) -> None:
    """A profile's own name was printed as it is, line breaks and escapes of a terminal with it."""
    path = tmp_path / "billing.toml"
    path.write_text('[profiles."a\\n\\u001b[2J"]\nprovider = "strip"', "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read_profile(path)
    assert r"[profiles.a\n\x1b[2J] provider: there is no provider 'strip'; did you mean 'stripe'?" in str(raised.value)


@pytest.mark.parametrize("account", [7, {"a": 1}, "acct_\n", "", "acct_é"])
def test_a_connected_account_that_is_no_header_is_refused(account: object) -> None:
    """Anything was taken for one, and failed as a header of the first request."""
    with pytest.raises(ConfigurationError, match="setting account: it is the id of a connected account"):
        explain("stripe", Retrieve(id="in_1"), account=account)


def test_an_instant_outside_the_calendar_in_utc_is_a_value_error() -> None:
    """The first midnight east of Greenwich raised OverflowError."""
    with pytest.raises(ValueError, match="is, in UTC, not in the years 1 to 9999"):
        in_utc(datetime.fromisoformat("0001-01-01T00:00:00+14:00"))


def test_a_row_numbered_zero_is_not_overlooked(tmp_path: Path) -> None:
    """A row that may have been sent had the number 0, and claimed nothing, also beside a fact that covers none."""
    path = tmp_path / "bills.sqlite"
    journal, book = Journal(path), Book("stripe:", mode="test")
    request = Request("POST", "https://main.acme.test/v1/invoices", key="ib1-1")
    journal.intend(book, "r-1", 1, request, datetime(2026, 5, 17, tzinfo=UTC))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE tries SET number = 0")
        raw.commit()
        assert [claim.state for claim in journal.claims(book, "r-1")] == ["unknown"]
        fact = (1, "default", "stripe:", "test", "r-1", None, "absent", "resolve", "2026-05-17T12:00:00+00:00", "torn")
        raw.execute("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fact)
        raw.commit()
    assert [claim.state for claim in journal.claims(book, "r-1")] == ["unknown"]
    journal.close()


def test_an_amount_of_more_digits_than_python_writes_is_no_amount(tmp_path: Path) -> None:
    """A hexadecimal integer of 4,000 digits in a bill escaped as a ValueError."""
    path = tmp_path / "bill.toml"
    path.write_text(f'command = "one_time_charge"\nreference = "r"\namount = 0x{"f" * 4000}\n', "utf-8")
    with pytest.raises(ConfigurationError, match=r"amount: '0xf+' is not an amount"):
        read_bill(str(path))


@pytest.mark.parametrize("form", ["{}", "[[{}]]", "{{a = {}}}"])
def test_a_command_of_more_digits_than_python_writes_is_no_command(tmp_path: Path, form: str) -> None:
    """A hexadecimal integer of 4,000 digits as the command, or inside it, escaped as a ValueError."""
    path = tmp_path / "bill.toml"
    path.write_text(f"command = {form.format('0x' + 'f' * 4000)}\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"must be one of .*, not an integer with too many digits$"):
        read_bill(str(path))


@pytest.mark.parametrize("coding", ["\xa0", "br", "gzip, gzip"])
def test_a_coding_that_is_none_of_ours_is_not_read(coding: str) -> None:
    """A blank that HTTP does not know was taken for no coding."""
    now = time.monotonic()
    answer = httpx.Response(
        200, headers=[(b"content-encoding", coding.encode("latin-1"))], stream=httpx.ByteStream(b"")
    )
    with pytest.raises(Lost, match="not as one gzip"):
        Body(answer, Bound(now, now + 60))


def test_a_name_that_is_no_text_does_not_spoil_the_error(tmp_path: Path) -> None:
    """Half of a pair of surrogates as the name of an object: the error could not be printed."""
    with pytest.raises(MalformedResponse, match=r"this is not an invoice: it contains '\\udc00'") as refused:
        decode("chargebee", b'{"\\udc00": {"id": "1"}}')
    str(refused.value).encode()
