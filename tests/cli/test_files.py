"""Bills from files, and amounts and instants as they are written on a command line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from invoice_bridge import ConfigurationError, Money, OneTimeCharge, Period, PeriodInvoice
from invoice_bridge.cli.files import instant, pairs, read_bill
from invoice_bridge.core.amounts import amount
from tests.cli.conftest import EXAMPLES


def test_the_examples_are_bills() -> None:
    """Every example that ships reads, with absolute amounts."""
    charge, letter = (read_bill(str(EXAMPLES / f"one-time-charge.{kind}")) for kind in ("json", "toml"))
    rated, accrued = (read_bill(str(EXAMPLES / name)) for name in ("period-invoice.toml", "accrued-period.json"))
    assert isinstance(charge, OneTimeCharge)
    assert isinstance(letter, OneTimeCharge)
    assert isinstance(rated, PeriodInvoice)
    assert isinstance(accrued, PeriodInvoice)
    assert charge.total == Money(1999, "EUR")
    assert [line.amount for line in letter.lines] == [Money(5997, "EUR"), Money(1500, "EUR")]
    assert letter.lines[0].quantity == Decimal(3)
    assert letter.collection.net_days == 14
    assert rated.total == Money(103000, "EUR")
    assert rated.period == accrued.period == Period.month(2026, 5)
    assert accrued.total is None


CHARGE = '"command": "one_time_charge", "reference": "r", "customer": "c"'


def test_the_taxes_of_a_line_are_written_as_text(tmp_path: Path) -> None:
    """Their amounts and bases read exactly, as the amount of the line does."""
    bill = tmp_path / "bill.toml"
    bill.write_text(
        'command = "one_time_charge"\nreference = "r"\ncustomer = "c"\n[[lines]]\namount = "100.00 EUR"\n'
        '[[lines.taxes]]\nname = "VAT"\nrate = "7"\namount = "7.00 EUR"\nbase = "100.00 EUR"\n'
    )
    command = read_bill(str(bill))
    assert isinstance(command, OneTimeCharge)
    (tax,) = command.lines[0].taxes
    assert (tax.amount, tax.base, tax.rate) == (Money(700, "EUR"), Money(10000, "EUR"), Decimal(7))


@pytest.mark.parametrize(
    "name,content,fault",
    [
        ("a.json", b"", "a.json: it is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("a.json", b"{", "a.json: it is not JSON: Expecting property name enclosed in double quotes"),
        ("a.json", b"[" * 100_000, "a.json: it is not JSON: nested more than 100 deep"),
        ("a.json", b"[]", 'a.json: a bill is an object with a "command", not a list or a single value'),
        ("a.json", b'{"amount": NaN}', "a.json: it is not JSON: NaN is not JSON"),
        ("a.json", b"\xff{}", "a.json: byte 0 is not UTF-8: save the file as UTF-8"),
        ("a.json", b"{}", "a.json: \"command\" must be one of 'one_time_charge', 'period_invoice', not None"),
        ("a.toml", b"a = ", "a.toml: it is not TOML: Invalid value (at end of document)"),
        ("a", b"command: x", "a: it is not TOML: Expected '=' after a key in a key/value pair"),
        ("a.json", f'{{{CHARGE}, "amount": "19.99"}}'.encode(), "amount: '19.99' is not an amount: write it like"),
        ("a.json", f'{{{CHARGE}, "amount": "19.999 EUR"}}'.encode(), "amount: 19.999 has more than 2 decimals"),
        ("a.json", f'{{{CHARGE}, "amount": 19.99}}'.encode(), "amount: '19.99' is not an amount: write it like"),
        ("a.json", f'{{{CHARGE}, "amount": "1,5 EUR"}}'.encode(), "amount: '1,5' is not an amount"),
        ("a.json", f'{{{CHARGE}, "amount": "1 EUX"}}'.encode(), "amount: 'EUX' is not an ISO 4217 currency code"),
        ("a.json", f'{{{CHARGE}, "lines": [{{"amount": "1"}}]}}'.encode(), "lines.0.amount: '1' is not an amount"),
        (
            "a.json",
            f'{{{CHARGE}, "lines": [{{"amount": "1 EUR", "taxes": [{{"amount": "1"}}]}}]}}'.encode(),
            "a.json: lines.0.taxes.0.amount: '1' is not an amount: write it like",
        ),
        (
            "a.json",
            f'{{{CHARGE}, "amount": "9 EUR", "discounts": [{{"name": "Spring", "amount": "10 EUR"}}]}}'.encode(),
            "a.json: the discounts come to 10.00 EUR, more than the lines, 9.00 EUR",
        ),
        ("a.json", f'{{{CHARGE}, "amount": 19.99}}'.encode(), "a.json: amount"),
        ("a.json", f'{{{CHARGE}, "amuont": "1 EUR"}}'.encode(), "a.json: amuont"),
        (
            "a.json",
            f'{{{CHARGE}, "amount": "1 EUR", "amount": "100 EUR"}}'.encode(),
            "it is not JSON: 'amount' is written twice in one object",
        ),
        (
            "a.json",
            f'{{{CHARGE}, "lines": [{{"amount": "1 EUR", "amount": "9 EUR"}}]}}'.encode(),
            "'amount' is written",
        ),
        ("a.toml", b'command = "period_invoice"\nperiod = { start = 2026-05-01, end = 2026-06-01 }', "time zone"),
    ],
)
def test_a_bad_file_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, fault: str
) -> None:
    """It names the file and what is wrong with it."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        read_bill(name)
    assert fault in str(raised.value)
    assert str(raised.value).startswith(f"{name}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "path,fault",
    [("none.json", "there is no such file"), (".", "it is a directory, not a file"), ("a\0", "it cannot be read")],
)
def test_a_file_that_is_not_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, fault: str
) -> None:
    """Missing, a directory, an impossible name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=fault):
        read_bill(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this platform has no /dev/zero")
def test_a_file_without_an_end_is_refused() -> None:
    """A device gives bytes for ever; no more is read than any bill has."""
    with pytest.raises(ConfigurationError, match="/dev/zero: it has more than 64 MB, so it is another file"):
        read_bill("/dev/zero")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Some editors write one."""
    (tmp_path / "a.json").write_text(f'{{{CHARGE}, "amount": "19.99 EUR"}}', "utf-8-sig")
    assert read_bill(str(tmp_path / "a.json")).total == Money(1999, "EUR")


def test_amounts_are_read_exactly() -> None:
    """Each currency has its own decimals, and nothing is rounded."""
    assert amount("19.99 EUR", "--expect") == Money(1999, "EUR")
    assert amount(" 500  JPY ", "--expect") == Money(500, "JPY")
    assert amount("1.250 KWD", "--expect") == Money(1250, "KWD")
    with pytest.raises(ConfigurationError, match=r"^--expect: .* is not an amount: write it like"):
        amount("EUR 19.99", "--expect")
    with pytest.raises(ConfigurationError, match=r"^--expect: 1\.5 has more than 0 decimals"):
        amount("1.5 JPY", "--expect")


def test_instants_have_a_zone_and_dates_begin_in_utc() -> None:
    """A date is its midnight in UTC; a time of day needs a zone."""
    assert instant("2026-05-01", "--from") == datetime(2026, 5, 1, tzinfo=UTC)
    assert instant("2026-05-01T02:00:00+02:00", "--from") == datetime(2026, 5, 1, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match=r"^--from: '2026-05-01T00:00:00' has no time zone"):
        instant("2026-05-01T00:00:00", "--from")
    with pytest.raises(ConfigurationError, match="in UTC, not in the years 1 to 9999"):
        instant("9999-12-31T23:59:59-14:00", "--to")
    for text in ("yesterday", "2026-02-30", "20260501x"):
        with pytest.raises(ConfigurationError, match="is not an instant"):
            instant(text, "--from")


def test_pairs_are_split_at_the_first_sign() -> None:
    """A value may hold a sign; a name must be there, and once."""
    assert pairs(["a=1=2", "b="], "--set") == {"a": "1=2", "b": ""}
    for given in (["a"], ["=1"]):
        with pytest.raises(ConfigurationError, match="write --set name=value"):
            pairs(given, "--set")
    with pytest.raises(ConfigurationError, match="--set a is given twice"):
        pairs(["a=1", "a=2"], "--set")
