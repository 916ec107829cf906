"""Reading a provider's JSON: lenient about words and fields, strict about ids and money."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from invoice_bridge import ConfigurationError, Invoice, MalformedResponse, Money, Period, Status, decode
from invoice_bridge.adapter.notes import clean_text
from invoice_bridge.adapter.reading import Reader, build
from invoice_bridge.adapter.trusted import period_of, period_span
from invoice_bridge.core.exact import dumps
from tests import strategies
from tests.toy import MONEY

DAY = datetime(2026, 5, 1, tzinfo=UTC)
NOON, NIGHT = DAY.replace(hour=12), DAY.replace(hour=23)


def _read(**said: Any) -> Reader:
    return Reader(said, "acme")


# ── optional fields: what is not as documented reads as absent ───────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "getter,value,expected",
    [
        ("text", "x", "x"),
        ("text", "", None),
        ("text", 7, None),
        ("text", ["x"], None),
        ("text", "a\ud800b", "a\ufffdb"),
        ("text", "\ud83d\ude00", "\U0001f600"),  # a whole pair, which some clients spell in halves
        ("flag", True, True),
        ("flag", False, False),
        ("flag", 1, None),
        ("flag", "true", None),
        ("integer", 7, 7),
        ("integer", 0, 0),
        ("integer", True, None),
        ("integer", "7", None),
        ("integer", Decimal("7.0"), None),
        ("decimal", "1.50", Decimal("1.50")),
        ("decimal", 3, Decimal(3)),
        ("decimal", Decimal("2.5"), Decimal("2.5")),
        ("decimal", "x", None),
        ("decimal", "NaN", None),
        ("decimal", "Infinity", None),
        ("decimal", True, None),
        ("unix", 1777593600, DAY),
        ("unix", 0, None),
        ("unix", -1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("unix", 10**20, None),
        ("unix", "1777593600", None),
        ("instant", "2026-05-01T00:00:00Z", DAY),
        ("instant", "2026-05-01T02:00:00.000+02:00", DAY),
        ("instant", "2026-05-01T00:00:00", None),
        ("instant", "2026-05-01", None),
        ("instant", "soon", None),
        ("instant", 1777593600, None),
        ("instant", "0001-01-01T00:00:00+14:00", None),
    ],
)
def test_a_field_of_another_type_reads_as_absent(getter: str, value: Any, expected: Any) -> None:
    """A documented type is read; anything else, and what is not there, is None and never an exception."""
    assert expected == getattr(_read(x=value), getter)("x")
    assert getattr(_read(x=None), getter)("x") is None
    assert getattr(_read(), getter)("x") is None


def test_nested_objects_are_read_where_they_are() -> None:
    """A child that is none reads as an empty one; a list passes over what is no object."""
    at = _read(a={"b": {"c": "x"}}, rows=[{"n": 1}, "junk", None, {"n": 2}], tags="none", words={"k": "v", "n": 1})
    assert at.child("a").child("b").text("c") == "x"
    assert at.child("tags").child("deeper").text("c") is None
    assert [row.integer("n") for row in at.children("rows")] == [1, 2]
    assert [row.at for row in at.children("rows")] == ["$.rows[0]", "$.rows[3]"]
    assert at.children("tags") == []
    assert at.strings("words") == {"k": "v"}
    assert at.strings("tags") == {}
    assert ("a" in at, "b" in at) == (True, False)
    assert Reader(["no object"], "acme").text("x") is None


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    """A text that UTF-8 cannot hold is made readable, keys of metadata included."""
    assert clean_text("plain") == "plain"
    assert clean_text("Zoë \U0001f600") == "Zoë \U0001f600"
    assert _read(m={"\ud800": "\udfff"}).strings("m") == {"\ufffd": "\ufffd"}


# ── what must be there ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("value", [None, "", 7, [], {}])
def test_an_id_that_is_missing_is_an_error(value: Any) -> None:
    """An id is needed; the error names the place."""
    with pytest.raises(MalformedResponse, match=r"acme: \$\.lines\[2\]\.id is missing"):
        Reader({"id": value}, "acme", "$.lines[2]").required_text("id")


@pytest.mark.parametrize(
    "value,minor", [(1999, 1999), (0, 0), (-5, -5), (None, None), (9007199254740993, 9007199254740993)]
)
def test_money_in_units_is_read_exactly(value: int | None, minor: int | None) -> None:
    """A whole number is money; null is what the provider does not say, never zero."""
    assert _read(x=value).money("x", MONEY, "EUR") == (None if minor is None else Money(minor, "EUR"))


@pytest.mark.parametrize("value", [Decimal("19.99"), Decimal("1999.0"), "1999", True, [1999], {}, "", 10**40])
def test_money_of_another_type_is_an_error(value: Any) -> None:
    """Money is never guessed at: another type is an error that names the field."""
    with pytest.raises(MalformedResponse, match=r"acme: \$\.x "):
        _read(x=value).money("x", MONEY, "EUR")


def test_money_whose_factor_is_unknown_is_an_error() -> None:
    """A currency the table does not have, and a number that is no whole amount."""
    with pytest.raises(MalformedResponse, match=r"\$\.x cannot be read: CLP: how this provider counts it"):
        _read(x=1).money("x", MONEY, "CLP")
    with pytest.raises(MalformedResponse, match=r"\$\.x cannot be read: 150 is no whole amount of ISK"):
        _read(x=150).money("x", MONEY, "ISK")


@pytest.mark.parametrize("value,code", [("eur", "EUR"), ("EUR", "EUR"), ("bgn", "BGN")])
def test_a_currency_is_read_in_either_case(value: str, code: str) -> None:
    """Providers write codes in either case; ours are upper case, historic ones included."""
    assert _read(c=value).currency("c") == code


@pytest.mark.parametrize("value", [None, "", "xxx", "euro", 978])
def test_a_currency_that_is_none_is_an_error(value: Any) -> None:
    """Without a currency no amount has a meaning."""
    with pytest.raises(MalformedResponse, match=r"\$\.c "):
        _read(c=value).currency("c")


# ── periods ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "start,end,period",
    [
        (DAY, NOON, Period(DAY, NOON)),
        (DAY, DAY, None),  # ends that are equal are no period
        (NOON, DAY, None),
        (None, DAY, None),
        (DAY, None, None),
    ],
)
def test_a_period_of_two_instants(start: datetime | None, end: datetime | None, period: Period | None) -> None:
    """Half-open, and only where it spans any time."""
    assert period == period_of(start, end)


def test_the_span_of_several_periods() -> None:
    """From the first start to the last end, lines without a period left out."""
    assert period_span([Period(NOON, NIGHT), None, Period(DAY, NOON)]) == Period(DAY, NIGHT)
    assert period_span([None]) is None
    assert period_span([]) is None


# ── building ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_parts_that_contradict_each_other_are_malformed() -> None:
    """An invoice of two currencies is a MalformedResponse, not a validation error of our own."""
    with pytest.raises(MalformedResponse, match="acme: the invoice cannot be read: "):
        build("acme", id="1", status=Status.OPEN, currency="EUR", total=Money(1, "USD"))
    with pytest.raises(MalformedResponse, match="the invoice cannot be read: id "):
        build("acme", id=7, status=Status.OPEN, currency="EUR")
    assert build("acme", id="1", status=Status.OPEN, currency="EUR").provider == "acme"


# ── decode: whatever the payload comes as ────────────────────────────────────────────────────────────────────────────
STRIPE = {"id": "in_1", "object": "invoice", "currency": "eur", "status": "open", "total": 1999, "lines": {"data": []}}


@dataclass
class AsDict:
    """An object of an SDK that turns itself into a dict."""

    inner: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.inner


@dataclass
class WithRaw:
    """An object of an SDK that keeps what it was made from."""

    raw_data: dict[str, Any]


@dataclass
class WithValues:
    """An object of an SDK that keeps it under another name: chargebee before 3."""

    values: dict[str, Any]


@dataclass
class AsModel:
    """A pydantic model, whose fields may have other names than the wire's."""

    inner: dict[str, Any]

    def model_dump(self, *, by_alias: bool = False) -> dict[str, Any]:
        return self.inner if by_alias else {}


SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bytes": dumps,
    "bytearray": lambda data: bytearray(dumps(data)),
    "text": lambda data: dumps(data).decode(),
    "mapping": dict,
    "to_dict": AsDict,
    "raw_data": WithRaw,
    "model_dump": AsModel,
    "values": WithValues,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_decode_reads_every_shape_of_a_payload(shape: Callable[[dict[str, Any]], Any]) -> None:
    """Bytes, text, a mapping and the objects of SDKs give the same invoice."""
    invoice = decode("stripe", shape(STRIPE))
    assert (invoice.id, invoice.status, invoice.total) == ("in_1", Status.OPEN, Money(1999, "EUR"))
    assert invoice.raw == STRIPE
    assert invoice == decode("stripe", dumps(STRIPE))


@pytest.mark.parametrize(
    "payload",
    [b"", b"<html>", b"[]", b"null", b'"text"', b"{}", '{"id":', 7, None, [], object(), b"\xff", b"[" * 10**5],
    ids=lambda payload: repr(payload)[:20],
)
def test_what_is_no_invoice_is_malformed(payload: Any) -> None:
    """Anything else raises MalformedResponse, which says what it is."""
    with pytest.raises(MalformedResponse):
        decode("stripe", payload)


def test_an_unknown_provider_is_a_configuration_error() -> None:
    """The payload is not looked at."""
    with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
        decode("strip", b"")


def test_floats_of_a_parsed_payload_are_read_as_they_were_written() -> None:
    """A float that somebody's parser made is the shortest text that gives it; NaN and infinity are no JSON."""
    assert decode("stripe", STRIPE | {"x": [{"y": 0.1}]}).raw == STRIPE | {"x": [{"y": Decimal("0.1")}]}
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(MalformedResponse, match=r"x\[0\]\.y is (nan|inf), which is no number in JSON"):
            decode("stripe", STRIPE | {"x": [{"y": wrong}]})


@pytest.mark.parametrize("odd", [0.1 + 0.2, 90071992547409.93, 19.990000000000002])
def test_defect_60_a_float_artefact_hides_no_invoice(odd: float) -> None:
    """Defect 60: beyond 15 digits a float may be another number than was written: it is None where it is read."""
    assert decode("stripe", STRIPE | {"exchange_rate": odd}).problems == ()
    lines = {"data": [{"amount": 1999, "quantity_decimal": odd}], "has_more": False}
    found = decode("stripe", STRIPE | {"lines": lines})
    assert (found.total, found.subtotal, found.lines[0].quantity) == (Money(1999, "EUR"), Money(1999, "EUR"), None)
    (problem,) = found.problems
    assert problem.path == "lines.data[0].quantity_decimal"
    assert "decode the bytes of the answer instead" in problem.why
    assert "lines.data[].quantity_decimal" in found.unmapped()
    assert found.raw == STRIPE | {
        "lines": {"data": [{"amount": 1999, "quantity_decimal": Decimal(repr(odd))}], "has_more": False}
    }
    assert Invoice.model_validate_json(found.model_dump_json()) == found


def test_what_a_parsed_payload_cannot_have_is_refused() -> None:
    """An object inside that is no JSON, or nesting without end, is malformed: the invoice could not be kept."""
    deep: Any = []
    for _ in range(2000):
        deep = [deep]
    for wrong in ({1, 2}, object(), deep, b"x"):
        with pytest.raises(MalformedResponse, match="JSON"):
            decode("stripe", STRIPE | {"x": wrong})
    assert decode("stripe", STRIPE | {"x": DAY}).raw == STRIPE | {"x": "2026-05-01T00:00:00+00:00"}


@given(strategies.raw_values)
def test_for_every_unknown_field_decoding_goes_on(value: Any) -> None:
    """For every JSON value in a field nobody knows, the invoice reads the same, keeps it, and can be written."""
    payload = STRIPE | {"new_field": value, "new_object": {"inner": value}}
    invoice = decode("stripe", dumps(payload))
    assert (invoice.id, invoice.total) == ("in_1", Money(1999, "EUR"))
    assert invoice.raw == payload
    assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice


OPTIONAL = (
    "number", "status", "customer", "customer_email", "customer_name", "description", "metadata", "created", "due_date",
    "effective_at", "status_transitions", "collection_method", "auto_advance", "default_payment_method", "payments",
    "payment_intent", "hosted_invoice_url", "invoice_pdf", "livemode", "parent", "discounts",
)  # fmt: skip


@pytest.mark.parametrize("name", OPTIONAL)
@given(value=strategies.raw_values)
def test_for_every_value_of_an_optional_field_decoding_goes_on(name: str, value: Any) -> None:
    """For every JSON value in a field that holds no money, decoding gives an invoice: it never crashes."""
    assert decode("stripe", dumps(STRIPE | {name: value})).id == "in_1"


@pytest.mark.parametrize("word", ["archived", "PAID", "Paid", "paid ", "", None, 7, ["paid"]])
def test_defect_10_an_unknown_word_never_becomes_paid(word: Any) -> None:
    """A status that is not exactly a known word is unknown, and the word is kept where it is one."""
    invoice = decode("stripe", dumps(STRIPE | {"status": word}))
    assert invoice.status is Status.UNKNOWN
    assert invoice.native_status == (word if isinstance(word, str) and word else None)


def _noting(**said: Any) -> Reader:
    return Reader.noting(said, "acme")


@pytest.mark.parametrize(
    "getter, value, why",
    [
        ("text", 7, "is a number and no text"),
        ("text", ["x"], "is a list and no text"),
        ("flag", "true", "is text and no boolean"),
        ("integer", Decimal("7.0"), "is a number and no whole number"),
        ("integer", True, "is a boolean and no whole number"),
        ("decimal", "NaN", "is text and no decimal number"),
        ("unix", "1777593600", "is text and no whole number"),
        ("unix", 10**20, "is no instant: it lies outside the years 1 to 9999"),
        ("instant", "2026-05-01", "is no instant with a time zone"),
        ("instant", {"x": 1}, "is an object and no text"),
        ("child", "x", "is text and no object"),
        ("children", {"x": 1}, "is an object and no list"),
        ("has_list", 7, "is a number and no list"),
        ("strings", [1], "is a list and no object"),
        ("identity", 7, "is a number and no text"),
    ],
)
def test_defect_61_what_is_not_as_documented_is_noted(getter: str, value: Any, why: str) -> None:
    """Defect 61: a value of another type is noted once, by its path; what is absent or empty is not."""
    at = _noting(a={"x": value}, b={"x": None}, c={"x": ""}, d={})
    for _ in range(2):
        getattr(at.child("a"), getter)("x")
    assert [(str(problem), problem.money) for problem in at.problems] == [(f"a.x {why}", False)]
    for name in "bcd":
        getattr(at.child(name), getter)("x")
    assert len(at.problems) == 1


def test_defect_60_money_that_cannot_be_read_is_noted() -> None:
    """Defect 60: it reads as None, and so does the sum that it belongs to; without a currency only that is noted."""
    at = _noting(rows=[{"n": 1}, {"n": "2"}, {}, 7], total=Decimal("1.5"), currency="EUR")
    assert at.total_of(at.children("rows"), "n", MONEY, "EUR") is None
    assert at.money("total", MONEY, "EUR") is None
    assert [(problem.path, problem.money) for problem in at.problems] == [
        ("rows[3]", False),
        ("rows[1].n", True),
        ("rows[2].n", True),
        ("total", True),
    ]
    bare = _noting(rows=[{"n": 1}], total=1)
    assert (bare.currency("currency"), bare.money("total", MONEY, None)) == (None, None)
    assert bare.total_of(bare.children("rows"), "n", MONEY, None) is None
    assert [problem.path for problem in bare.problems] == ["currency"]
    assert _noting().currency("currency", needed=False) is None


def test_a_reader_without_notes_stays_strict_about_money() -> None:
    """What a flow acts upon is read so: an item whose amount is unreadable must not be passed over."""
    with pytest.raises(MalformedResponse, match=r"\$\.n is no whole number of units"):
        _read(n="5").money("n", MONEY, "EUR")
    assert _read(n="5").problems == ()


def test_what_no_neutral_field_carries_is_listed() -> None:
    """`unmapped` names the leaves of raw that were not looked at, by shape, and null ones not at all."""
    payload = STRIPE | {"novel": {"inner": 1, "none": None}, "lines": {"data": [{"amount": 1999, "odd": "x"}]}}
    found = decode("stripe", dumps(payload)).unmapped()
    assert {"novel.inner", "lines.data[].odd"} <= set(found)
    assert not {"total", "status", "id", "currency", "novel.none", "lines.data[].amount"} & set(found)


@pytest.mark.parametrize(
    "provider, payload",
    [
        ("stripe", STRIPE),
        ("chargeapi", {"id": "inv_1", "object": "invoice", "currency": "eur", "status": "open"}),
        ("chargebee", {"id": "1", "object": "invoice", "currency_code": "EUR", "status": "paid", "line_items": []}),
        ("whop", {"id": "inv_1", "status": "open", "current_plan": {"id": "plan_1", "currency": "eur"}}),
    ],
)
def test_defect_56_top_level_fields_are_listed(provider: str, payload: dict[str, Any]) -> None:
    """Defect 56: texts, numbers and lists at the top are listed like nested ones, custom fields among them."""
    before = set(decode(provider, payload).unmapped())
    added = {"cf_depot": "Lyon", "cf_number": 7, "cf_flag": False, "tags": ["a", "b"], "cf_deep": {"inner": [{"x": 0}]}}
    silent: dict[str, Any] = {"cf_null": None, "cf_empty": "", "cf_none": [], "cf_no": {}}
    found = set(decode(provider, payload | added | silent).unmapped())
    assert found - before == {"cf_depot", "cf_number", "cf_flag", "tags[]", "cf_deep.inner[].x"}
    if provider == "chargebee":
        assert set(decode(provider, {"invoice": payload | added}).unmapped()) == found
