"""What a caller can ask: defaults that surprise nobody, exact sums, and faults found before anything is sent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from invoice_bridge import (
    Collection,
    ConfigurationError,
    Credit,
    CustomerRef,
    Delete,
    Finalize,
    Find,
    Invoice,
    Line,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Money,
    OneTimeCharge,
    Pay,
    Pdf,
    Period,
    PeriodInvoice,
    RecordPayment,
    Refund,
    Retrieve,
    SendInvoice,
    Status,
    Update,
    Void,
    read_command,
)
from invoice_bridge.core.commands import Command
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import query
from tests import strategies

MAY = Period.month(2026, 5)
MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)


def _eur(minor: int) -> Money:
    return Money(minor, "EUR")


def _charge(**said: Any) -> OneTimeCharge:
    least: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": _eur(1999)}
    return OneTimeCharge(**least | said)


def _period(**said: Any) -> PeriodInvoice:
    least: dict[str, Any] = {"reference": "flt/2026-05", "customer": "flt", "period": MAY, "currency": "EUR"}
    return PeriodInvoice(**least | said)


# ── defaults ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("bill", [_charge(), _period()], ids=["one_time_charge", "period_invoice"])
def test_by_default_nobody_is_mailed_or_charged(bill: OneTimeCharge | PeriodInvoice) -> None:
    """Without a word about it: manual collection, no tax, issued, first attempt, no date of our own making."""
    assert bill.collection == Collection.manual()
    assert bill.tax == "none"
    assert bill.draft is False
    assert bill.attempt == 1
    assert bill.issued_at is None
    assert bill.metadata == {}
    assert bill.lines == ()


def test_a_plain_string_is_a_customer_id() -> None:
    """`customer="cus_42"` is short for a reference with that id."""
    assert _charge(customer="cus_42").customer == CustomerRef(id="cus_42")
    assert _charge(customer=CustomerRef(email="a@b.test")).customer == CustomerRef(email="a@b.test")


def test_every_verb_is_named() -> None:
    """The names by which providers, cannot() and the command line know the commands."""
    kinds: list[type[Command]] = [
        OneTimeCharge, PeriodInvoice, Retrieve, ListInvoices, Finalize, Pay, MarkPaid, Void, MarkUncollectible, Update,
        Delete, SendInvoice, Find, Pdf, RecordPayment, Refund, Credit,
    ]  # fmt: skip
    assert [kind.verb for kind in kinds] == [
        "one_time_charge", "period_invoice", "retrieve", "list", "finalize", "pay", "mark_paid", "void",
        "mark_uncollectible", "update", "delete", "send_invoice", "find", "pdf", "record_payment", "refund", "credit",
    ]  # fmt: skip


# ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_total_is_the_exact_sum_of_the_lines() -> None:
    """Lines of amounts, products and credits add up to the minor unit."""
    lines = [
        Line(amount=_eur(1)),
        Line(quantity=3, unit_amount=_eur(333)),
        Line(quantity=Decimal("0.5"), unit_amount=_eur(2)),
        Line(amount=_eur(-100)),
    ]
    assert _charge(amount=None, lines=lines).total == _eur(901)
    assert _charge(amount=_eur(901), lines=lines).total == _eur(901)
    assert _period(lines=lines).total == _eur(901)


def test_a_period_invoice_without_lines_is_rated_by_the_provider() -> None:
    """Its total is not known beforehand: None, not zero."""
    assert _period().total is None
    assert _period().billed_lines == ()


def test_amounts_beyond_doubles_stay_exact() -> None:
    """Sums beyond 2^53 minor units keep their last digit."""
    lines = [Line(amount=_eur(9007199254740993)), Line(amount=_eur(1))]
    assert _charge(amount=None, lines=lines).total == _eur(9007199254740994)


@given(strategies.bills())
def test_for_every_bill_the_lines_billed_add_up_to_the_total(bill: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill, what stands on its lines is what is billed."""
    assert bill.total is not None
    assert bill.total.minor == sum(line.amount.minor for line in bill.billed_lines)
    assert bill.total.currency == bill.currency


def test_a_bare_amount_is_one_line() -> None:
    """The line carries the description, or else the reference, over the bill's period."""
    assert _charge(period=MAY).billed_lines == (Line(description="res-1", amount=_eur(1999), period=MAY),)
    assert _charge(description="Fees").billed_lines == (Line(description="Fees", amount=_eur(1999)),)


def test_lines_without_a_period_take_the_bills() -> None:
    """A line's own period stays; the others are billed over the invoice's."""
    june = Period.month(2026, 6)
    lines = (Line(amount=_eur(1)), Line(amount=_eur(2), period=june))
    assert [line.period for line in _period(lines=lines).billed_lines] == [MAY, june]
    assert [line.period for line in _charge(amount=None, lines=lines).billed_lines] == [None, june]


def test_defect_05_lines_stay_apart() -> None:
    """Three lines are three lines, in order, none collapsed into another."""
    lines = [Line(description=name, amount=_eur(100)) for name in ("a", "b", "b")]
    assert [line.description for line in _charge(amount=None, lines=lines).billed_lines] == ["a", "b", "b"]


def test_defect_06_a_line_of_zero_stays() -> None:
    """A free line is billed as a line of zero."""
    lines = [Line(description="trial", amount=_eur(0)), Line(description="fee", amount=_eur(5))]
    assert [line.amount.minor for line in _charge(amount=None, lines=lines).billed_lines] == [0, 5]
    assert _charge(amount=_eur(0)).total == _eur(0)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
LINE = {"amount": _eur(100)}
REFUSED_BILLS: dict[str, tuple[dict[str, Any], str]] = {
    "reference missing": ({"reference": None}, "reference"),
    "reference empty": ({"reference": ""}, "at least 1 character"),
    "reference of 101": ({"reference": "x" * 101}, "at most 100 characters"),
    "reference with a line break": ({"reference": "a\nb"}, "only printable characters can be stored and looked up"),
    "reference with a tab": ({"reference": "a\tb"}, "only printable characters"),
    "reference with NUL": ({"reference": "a\0b"}, "only printable characters"),
    "reference with a zero-width space": ({"reference": "a\u200bb"}, "only printable characters"),
    "reference with a right-to-left mark": ({"reference": "a\u200fb"}, "only printable characters"),
    "reference with half a pair": ({"reference": "a\ud800"}, "reference"),
    "reference a number": ({"reference": 7}, "valid string"),
    "customer empty": ({"customer": ""}, "at least 1 character"),
    "customer a number": ({"customer": 7}, "customer"),
    "customer with half a pair": ({"customer": "\ud800"}, "customer.id"),
    "description with half a pair": ({"description": "a\ud800b"}, "half of a surrogate pair is no text"),
    "description a number": ({"description": 7}, "valid string"),
    "purchase order empty": ({"purchase_order": ""}, "at least 1 character"),
    "purchase order with half a pair": ({"purchase_order": "\udfff"}, "purchase_order"),
    "metadata key with half a pair": ({"metadata": {"\ud800": "x"}}, "half of a surrogate pair is no text"),
    "metadata value with half a pair": ({"metadata": {"x": "\ud800"}}, "half of a surrogate pair is no text"),
    "metadata value a number": ({"metadata": {"x": 1}}, "valid string"),
    "metadata a list": ({"metadata": ["x"]}, "metadata"),
    "issued at, naive": ({"issued_at": datetime(2026, 5, 1)}, "has no time zone"),
    "issued at, a number": ({"issued_at": 1777593600}, "is a number, not an instant"),
    "attempt zero": ({"attempt": 0}, "greater than or equal to 1"),
    "attempt true": ({"attempt": True}, "valid integer"),
    "attempt a float": ({"attempt": 1.0}, "valid integer"),
    "tax by another word": ({"tax": "auto"}, "'provider' or 'none'"),
    "send without due": ({"collection": Collection(kind="send")}, "exactly one of due=… and net_days=…"),
    "collection by hand": ({"collection": "manual"}, "collection"),
    "unknown field": ({"amonut": _eur(1)}, "Extra inputs are not permitted"),
    "lines of two currencies": ({"lines": [LINE, {"amount": Money(1, "USD")}], "amount": None}, "different currencies"),
    "lines that are a credit": ({"lines": [{"amount": _eur(-1)}], "amount": None}, "would be a credit, not a charge"),
    "line whose product differs": (
        {"lines": [{"quantity": 2, "unit_amount": _eur(2), "amount": _eur(5)}], "amount": None},
        "line 0: 2 × 0.02 EUR is not the line's amount, 0.05 EUR",
    ),
    "line whose product nearly fits": (
        {"lines": [{"quantity": "1.0000000000000000000000000001", "unit_amount": _eur(1), "amount": _eur(1)}]},
        "is not the line's amount, 0.01 EUR",
    ),
    "line of two currencies": (
        {"lines": [{"unit_amount": Money(100, "USD"), "amount": _eur(100)}], "amount": None},
        "line 0: 1.00 USD is not the line's amount, 1.00 EUR",
    ),
    "line of an absurd quantity": ({"lines": [LINE | {"quantity": "1e40"}], "amount": None}, "at most 30 digits"),
    "line of an absurd precision": ({"lines": [LINE | {"quantity": "1e-31"}], "amount": None}, "at most 30 digits"),
}


@pytest.mark.parametrize("said,fault", REFUSED_BILLS.values(), ids=REFUSED_BILLS)
@pytest.mark.parametrize("kind", [_charge, _period])
def test_a_bill_that_cannot_be_meant_is_refused(kind: Any, said: dict[str, Any], fault: str) -> None:
    """Each wrong input of either bill is found before there is a provider, and named."""
    said = {name: value for name, value in said.items() if not (kind is _period and name == "amount")}
    with pytest.raises(ValidationError) as caught:
        kind(**said)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "said,fault",
    [
        ({"amount": None}, "a one-time charge needs an amount or lines"),
        ({"amount": _eur(-1)}, "a bill of -0.01 EUR would be a credit, not a charge"),
        ({"amount": 19.99}, 'instead of 19.99 write Money.parse("19.99"'),
        ({"amount": "19.99"}, "amount"),
        ({"amount": {"minor": 19.0, "currency": "EUR"}}, "amount.minor"),
        ({"amount": {"minor": True, "currency": "EUR"}}, "amount.minor"),
        ({"amount": {"minor": 1999, "currency": "eur"}}, "write 'EUR'"),
        ({"amount": {"minor": 1999}}, "amount.currency"),
        ({"lines": [LINE]}, "the lines add up to 1.00 EUR, not to the amount, 19.99 EUR"),
        ({"amount": Money(100, "USD"), "lines": [LINE]}, "the lines add up to 1.00 EUR, not to the amount, 1.00 USD"),
    ],
)
def test_a_one_time_charge_that_cannot_be_meant_is_refused(said: dict[str, Any], fault: str) -> None:
    """An amount that is missing, negative, inexact or not the sum of the lines is refused."""
    with pytest.raises(ValidationError) as caught:
        _charge(**said)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "said,fault",
    [
        ({"period": None}, "period"),
        ({"currency": "eur"}, "write 'EUR'"),
        ({"currency": "XXX"}, "'XXX' is not an ISO 4217 currency code"),
        ({"lines": [{"amount": Money(1, "USD")}]}, "the lines are in USD, the invoice in EUR"),
        ({"subscription": ""}, "at least 1 character"),
        ({"amount": _eur(1)}, "Extra inputs are not permitted"),
    ],
)
def test_a_period_invoice_that_cannot_be_meant_is_refused(said: dict[str, Any], fault: str) -> None:
    """A period invoice has a period, one currency, and no amount of its own."""
    with pytest.raises(ValidationError) as caught:
        _period(**said)
    assert fault in str(caught.value)


@pytest.mark.parametrize("kind", [Retrieve, Finalize, Pay, MarkPaid, Void, MarkUncollectible, Delete, SendInvoice])
@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\nb", "a\u200bb", "\ud800", None, 7])
def test_an_id_that_cannot_be_one_is_refused(kind: Any, wrong: Any) -> None:
    """An id is 1 to 255 printable characters, in every verb."""
    with pytest.raises(ValidationError):
        kind(id=wrong)
    assert kind(id="a/../b").id == "a/../b"  # odd, but an id: the path encoding keeps it one segment


def test_an_update_says_something() -> None:
    """An update of nothing is refused; one of empty metadata is a change."""
    with pytest.raises(ValidationError, match="an update must change something"):
        Update(id="in_1")
    assert Update(id="in_1", metadata={}).metadata == {}


def test_an_expected_amount_is_money() -> None:
    """`expect` takes no float either."""
    wrong: Any = 19.99
    with pytest.raises(ValidationError, match="a float cannot hold money exactly"):
        Pay(id="in_1", expect=wrong)


@given(strategies.bills())
def test_for_every_bill_what_passes_can_be_encoded(bill: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill that is accepted, its texts can be written as JSON and as a form: nothing fails later."""
    texts = [bill.reference, bill.description or "", bill.purchase_order or "", *bill.metadata, *bill.metadata.values()]
    assert dumps(texts).decode("utf-8")
    assert query(("x", text) for text in texts).isascii()


def test_a_command_is_frozen_and_hashable() -> None:
    """Commands are values: they cannot be changed, and equal ones are one."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(_charge(), "reference", "other")  # noqa: B010 - a type checker would refuse the assignment
    assert hash(_charge()) == hash(_charge())
    assert _charge(metadata={"a": "b"}) != _charge(metadata={"a": "c"})


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("limit", [0, 101, 10.0, True, "10"])
def test_a_page_has_one_to_a_hundred_items(limit: Any) -> None:
    """A limit outside that, or of another type, is refused."""
    with pytest.raises(ValidationError):
        ListInvoices(limit=limit)
    assert ListInvoices().limit == 100


@pytest.mark.parametrize(
    "filters,said,passes",
    [
        ({}, {}, True),
        ({"status": "open"}, {"status": "open"}, True),
        ({"status": "open"}, {"status": "paid"}, False),
        ({"status": "unknown"}, {"status": "unknown"}, True),
        ({"customer": "c1"}, {"customer": CustomerRef(id="c1")}, True),
        ({"customer": "c1"}, {"customer": CustomerRef(id="c2")}, False),
        ({"customer": "c1"}, {"customer": None}, False),
        ({"customer": CustomerRef(ids={"acme": "c1", "other": "c9"})}, {"customer": CustomerRef(id="c1")}, True),
        ({"customer": CustomerRef(ids={"other": "c1"})}, {"customer": CustomerRef(id="c1")}, False),
        ({"created_from": MAY_1}, {"created_at": MAY_1}, True),
        ({"created_from": MAY_1}, {"created_at": MAY_1 - timedelta(seconds=1)}, False),
        ({"created_from": MAY_1}, {"created_at": None}, False),
        ({"created_to": MAY_1}, {"created_at": MAY_1}, False),
        ({"created_to": MAY_1}, {"created_at": MAY_1 - timedelta(seconds=1)}, True),
        ({"created_to": MAY_1}, {"created_at": None}, False),
    ],
)
def test_every_filter_is_applied_again(filters: dict[str, Any], said: dict[str, Any], passes: bool) -> None:
    """The range is half-open, and what the provider does not say does not pass a filter on it."""
    least: dict[str, Any] = {"provider": "acme", "id": "1", "status": "open", "currency": "EUR"}
    invoice = Invoice(**least | said)
    assert passes is ListInvoices(**filters).matches(invoice, "acme")


# ── bills from files ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_bill_is_read_from_a_file() -> None:
    """The mapping of a JSON or TOML file becomes the same command that Python code would make."""
    assert read_command(
        {
            "command": "one_time_charge",
            "reference": "res-1",
            "customer": "cus_42",
            "amount": {"minor": 1999, "currency": "EUR"},
            "collection": {"kind": "send", "net_days": 14},
            "issued_at": "2026-05-01T02:00:00+02:00",
        }
    ) == _charge(collection=Collection.send(net_days=14), issued_at=MAY_1)
    assert read_command(
        {
            "command": "period_invoice",
            "reference": "flt/2026-05",
            "customer": {"id": "flt"},
            "currency": "EUR",
            "period": {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"},
            "lines": [{"quantity": "1.5", "unit_amount": {"minor": 2, "currency": "EUR"}}],
        }
    ) == _period(lines=[Line(amount=_eur(3), quantity=Decimal("1.5"), unit_amount=_eur(2))])


GOOD = {"command": "one_time_charge", "reference": "r", "amount": {"minor": 1, "currency": "EUR"}}


@pytest.mark.parametrize(
    "change,fault",
    [
        ({"command": None}, "\"command\" must be one of 'one_time_charge', 'period_invoice', not None"),
        ({"command": ["void"]}, "not ['void']"),
        ({"command": "void"}, "not 'void'"),
        ({"reference": ""}, "reference: must not be empty"),
        ({"amount": 19.99}, 'amount: a float cannot hold money exactly: instead of 19.99 write Money.parse("19.99"'),
        ({"amount": "19.99 EUR"}, "amount: "),
        (
            {"amount": {"minor": 1, "currency": "EUR", "x": 1}},
            "amount.x: there is no such field; the fields are minor, currency",
        ),
        ({"issued_at": "2026-05-01"}, "issued_at: 2026-05-01T00:00:00 has no time zone"),
        ({"lines": [{"unit_amount": {"minor": 2.5, "currency": "EUR"}}]}, "lines.0.unit_amount.minor: "),
        ({"lines": [{"unit_amount": {"nonsense": 1}}]}, "lines.0.unit_amount.nonsense: "),
        ({"lines": "x"}, "lines: "),
        ({"collection": {"kind": "send"}}, "Collection.send takes exactly one of"),
        ({"surprise": 1}, "surprise: there is no such field"),
        ({1: 2}, "Keys should be strings"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_its_own_words(change: dict[Any, Any], fault: str) -> None:
    """Every fault is a ConfigurationError that names the place in the file, without the validator's own headings."""
    with pytest.raises(ConfigurationError) as caught:
        read_command(GOOD | change)
    assert fault in str(caught.value)
    assert "pydantic" not in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_fault_of_the_whole_bill_names_no_place() -> None:
    """The sentence begins the message, where no single field is at fault."""
    with pytest.raises(ConfigurationError, match=r"^Collection\.send takes exactly one of due=… and net_days=…$"):
        read_command(GOOD | {"collection": {"kind": "send"}})


def test_all_faults_are_said_at_once() -> None:
    """Two faults are two clauses, so that a file is mended in one go."""
    with pytest.raises(ConfigurationError, match=r"^reference: .*; attempt: .*$"):
        read_command(GOOD | {"reference": "", "attempt": 0})


def test_a_status_in_a_listing_is_ours() -> None:
    """A filter takes the neutral word, not a provider's."""
    assert ListInvoices(status=Status.OPEN).status is Status.OPEN
    wrong: Any = "payment_due"
    with pytest.raises(ValidationError):
        ListInvoices(status=wrong)
