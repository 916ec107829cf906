"""HTTP as plain values: paths that stay where they are, forms and JSON to the byte."""

import copy
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge.adapter.answers import json_of, object_of, text_of
from invoice_bridge.adapter.instants import day_in_utc, rfc3339_millis, rfc3339_seconds, unix_seconds
from invoice_bridge.core.errors import MalformedResponse, Unsupported
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.wire import (
    Effect,
    Request,
    Response,
    basic,
    bearer,
    form_index_inside,
    form_index_last,
    path,
    query,
    scalar,
)
from tests import strategies

BIG = 90071992547409.93  # 2^53 + 1 hundredths: the float is another number than the text


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "segment,encoded",
    [
        ("in_1", "in_1"),
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "%2E%2E%2E"),
        ("é", "%C3%A9"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("a;b:c@d", "a%3Bb%3Ac%40d"),
        ("a\\b", "a%5Cb"),
        ("%2F", "%252F"),
        ("\n", "%0A"),
        ("in-1_2.3~4", "in-1_2.3~4"),
        ("{open.id}", "{open.id}"),
    ],
)
def test_a_segment_stays_one_segment(segment: str, encoded: str) -> None:
    """An id is encoded so that it cannot leave its place; only the placeholders of explain stay readable."""
    assert f"/v1/{encoded}/pay" == path("v1", segment, "pay")


@given(strategies.texts.filter(bool))
def test_for_every_segment_an_http_client_keeps_it_whole(segment: str) -> None:
    """For every text, the HTTP client that sends the URL sends one segment between the two, and it decodes back."""
    url = httpx.URL("https://api.example.test" + path("v1", segment, "pay"))
    sent = url.raw_path.decode("ascii").split("/")
    assert len(sent) == 4
    assert (sent[1], unquote(sent[2]), sent[3]) == ("v1", segment, "pay")


def test_an_empty_id_is_refused() -> None:
    """Without an id the request would go to the whole collection."""
    with pytest.raises(ValueError, match="an id cannot be empty"):
        path("v1", "invoices", "")


def test_defect_25_an_id_does_not_change_the_path() -> None:
    """Ids with / or .. reach no other resource, even after an HTTP library has normalized the URL."""
    for segment in ("../customers", "a/../../b", "..", "%2e%2e"):
        url = httpx.URL("https://api.example.test" + path("v1", "invoices", segment, "void"))
        assert url.raw_path.startswith(b"/v1/invoices/")
        assert url.raw_path.endswith(b"/void")


# ── queries and forms ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_query_to_the_byte() -> None:
    """UTF-8, a space as +, brackets and separators percent-encoded, in the order given."""
    pairs = [("a[b][0]", "x y"), ("c", "1+1=2&3"), ("é", "€"), ("a[b][0]", ""), ("~-_.", "/?")]
    assert query(pairs) == "a%5Bb%5D%5B0%5D=x+y&c=1%2B1%3D2%263&%C3%A9=%E2%82%AC&a%5Bb%5D%5B0%5D=&~-_.=%2F%3F"
    assert query([]) == ""


@given(st.lists(st.tuples(strategies.texts, strategies.texts)))
def test_for_every_query_an_independent_reader_agrees(pairs: list[tuple[str, str]]) -> None:
    """For every list of pairs, the standard library reads back the same pairs in the same order."""
    assert pairs == parse_qsl(query(pairs), keep_blank_values=True)
    assert urlsplit("https://x.test/?" + query(pairs)).fragment == ""


BODY: Mapping[str, Any] = {
    "customer": "cus_42",
    "auto": False,
    "days": 14,
    "rate": Decimal("1E+2"),
    "left_out": None,
    "metadata": {"a b": "x&y", "none": None},
    "lines": [
        {"amount": 1999, "period": None, "description": "Zoë"},
        {"amount": 5, "period": 7, "description": None},
    ],
    "tags": ["p", "q"],
    "empty_list": [],
    "empty_map": {},
    "empty_text": "",
}


def test_each_ascii_character_is_written_as_the_standard_library_quotes_it() -> None:
    """In the value of a query and in a name; a space is a plus there."""
    for text in [*map(chr, range(128)), "a b+c&d=ü%{x}"]:
        assert query([(text, text)]) == "=".join([quote_plus(text, safe="")] * 2)


def test_the_form_that_numbers_inside() -> None:
    """Nested names: a[b], and list items as a[0][b], each item whole before the next; None and empties left out."""
    assert form_index_inside(BODY) == [
        ("customer", "cus_42"),
        ("auto", "false"),
        ("days", "14"),
        ("rate", "100"),
        ("metadata[a b]", "x&y"),
        ("lines[0][amount]", "1999"),
        ("lines[0][description]", "Zoë"),
        ("lines[1][amount]", "5"),
        ("lines[1][period]", "7"),
        ("tags[0]", "p"),
        ("tags[1]", "q"),
        ("empty_text", ""),
    ]


def test_the_form_that_numbers_last() -> None:
    """Column-wise names: lines[amount][0], each item whole before the next; None and empties left out."""
    assert form_index_last(BODY) == [
        ("customer", "cus_42"),
        ("auto", "false"),
        ("days", "14"),
        ("rate", "100"),
        ("metadata[a b]", "x&y"),
        ("lines[amount][0]", "1999"),
        ("lines[description][0]", "Zoë"),
        ("lines[amount][1]", "5"),
        ("lines[period][1]", "7"),
        ("tags[0]", "p"),
        ("tags[1]", "q"),
        ("empty_text", ""),
    ]


def test_deep_forms_number_inside() -> None:
    """Lists and mappings nest to any depth where names are written from the outside in."""
    body = {"a": [{"b": [{"c": {"d": 1}}, {"c": {"d": 2}}]}]}
    assert form_index_inside(body) == [("a[0][b][0][c][d]", "1"), ("a[0][b][1][c][d]", "2")]


@pytest.mark.parametrize("body", [{"a": {"b": {"c": 1}}}, {"a": [{"b": [1]}]}, {"a": [None]}])
def test_what_the_column_form_cannot_say_is_refused(body: Any) -> None:
    """A third level has no place in the column-wise form; it is refused, never flattened into something else."""
    with pytest.raises(TypeError, match="cannot be sent"):
        form_index_last(body)


@pytest.mark.parametrize(
    "value,text",
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "-5"),
        (10**25, "10000000000000000000000000"),
        (Decimal("19.990"), "19.990"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        ("", ""),
        ("€ 5", "€ 5"),
        (Effect.MAILS, "mails"),
    ],
)
def test_a_scalar_is_spelled_plainly(value: object, text: str) -> None:
    """Booleans in lower case, numbers without exponents, texts as they are."""
    assert text == scalar(value)


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), Decimal("NaN"), Decimal("Infinity"), None, b"x", [1], {}, object()]
)
def test_floats_and_what_has_no_spelling_are_refused(value: object) -> None:
    """A float is never sent; nor is the representation of a list."""
    with pytest.raises(TypeError, match="cannot be sent"):
        scalar(value)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_json_is_written_to_the_byte() -> None:
    """No spaces, keys in the order given, numbers as they are, UTF-8 unescaped."""
    value = {"b": 1, "a": [True, False, None, -7, Decimal("19.90"), Decimal("1E+3"), 'é"\n/'], "é": {}, "": []}
    assert dumps(value) == '{"b":1,"a":[true,false,null,-7,19.90,1000,"é\\"\\n/"],"é":{},"":[]}'.encode()


def test_a_number_beyond_doubles_passes_exactly_both_ways() -> None:
    """90071992547409.93 is not representable as a float, and passes through JSON unchanged."""
    assert loads(b"[90071992547409.93]") == [Decimal("90071992547409.93")]
    assert dumps([Decimal("90071992547409.93")]) == b"[90071992547409.93]"
    assert Decimal(BIG) != Decimal("90071992547409.93")


@pytest.mark.parametrize(
    "text,value",
    [
        ("9007199254740993", 9007199254740993),
        ("1.0", Decimal("1.0")),
        ("1e3", 1000),
        ("-0.50", Decimal("-0.50")),
        ("1e-400", Decimal("1E-400")),
    ],
)
def test_json_numbers_are_read_exactly(text: str, value: object) -> None:
    """Whole numbers are ints, the rest Decimals of the same digits; none becomes a float."""
    read = loads(text)
    assert (type(read), str(read)) == (type(value), str(value))


@pytest.mark.parametrize(
    "text",
    [
        "1e999999999", "-1e999999999", "1e-999999999", "0e99999999999999999999", "1e401", "NaN",
        "Infinity", "-Infinity", '{"a":NaN}', "[1,]", '{"a":1', "", " ", "{'a':1}", "1 2", "1" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_json_or_no_number_is_refused(text: str) -> None:
    """Torn text, words that are not JSON, and numbers too large to be meant raise ValueError, and quickly."""
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize("content", [b"\xff", b'"\xc3"', b"\xef\xbb\xbf{}", "{}".encode("utf-16")])
def test_bytes_that_are_no_utf8_json_are_refused(content: bytes) -> None:
    """JSON between machines is UTF-8 without a mark; other bytes raise ValueError."""
    with pytest.raises(ValueError):
        loads(content)


@pytest.mark.parametrize("opened,closed", [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded_the_same_both_ways(opened: str, closed: str) -> None:
    """A hundred levels are read and written; more are refused by both, so what is read can be written again."""
    inner = "0" if opened != "[" else ""
    text = opened * 100 + inner + closed * 100
    assert dumps(loads(text)).decode() == text
    for depth in (101, 500, 100_000):
        with pytest.raises(ValueError, match="nested more than 100 deep"):
            loads(opened * depth + inner + closed * depth)
    value: Any = 0
    for _ in range(101):
        value = [value]
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        dumps(value)


def test_many_shallow_lists_are_not_deep() -> None:
    """The bound is on depth, not on the number of brackets, those within texts included."""
    text = '[["' + "[" * 500 + '"]' + ",[]" * 500 + "]"
    assert len(loads(text)) == 501


@pytest.mark.parametrize("value", [1.5, {"a": [float("nan")]}, Decimal("NaN"), b"x", {1}, object()])
def test_what_json_cannot_say_exactly_is_refused(value: object) -> None:
    """A float, wherever it stands, and what JSON has no word for raise TypeError."""
    with pytest.raises(TypeError, match="JSON"):
        dumps(value)


@given(strategies.raw_values)
def test_for_every_json_value_reading_what_was_written_gives_it_back(value: object) -> None:
    """For every JSON value, decimals among them, writing and reading give an equal value of the same spelling."""
    assert loads(dumps(value)) == value
    assert dumps(loads(dumps(value))) == dumps(value)


def test_half_a_surrogate_pair_passes_as_its_escape() -> None:
    """JSON can spell it, UTF-8 cannot: it is written as the escape it came from, as a key too."""
    assert dumps(loads(b'{"\\ud800":"a\\udfff"}')) == b'{"\\ud800":"a\\udfff"}'


# ── instants ─────────────────────────────────────────────────────────────────────────────────────────────────────────
MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
IN_PARIS = datetime(2026, 5, 1, 2, 0, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    "instant,seconds",
    [
        (MAY_1, 1777593600),
        (IN_PARIS, 1777593600),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (MAY_1 - timedelta(days=36525), -1378166400),
    ],
)
def test_unix_seconds(instant: datetime, seconds: int) -> None:
    """Whole seconds since 1970 UTC, from any zone, before 1970 too."""
    assert seconds == unix_seconds(instant)


@pytest.mark.parametrize(
    "instant,text",
    [
        (MAY_1, "2026-05-01T00:00:00.000Z"),
        (IN_PARIS, "2026-05-01T00:00:00.000Z"),
        (MAY_1 + timedelta(milliseconds=123), "2026-05-01T00:00:00.123Z"),
        (datetime(99, 5, 1, tzinfo=UTC), "0099-05-01T00:00:00.000Z"),
    ],
)
def test_rfc3339_in_milliseconds(instant: datetime, text: str) -> None:
    """Always UTC, always four digits of year and three of milliseconds."""
    assert text == rfc3339_millis(instant)


def test_rfc3339_in_seconds() -> None:
    """Always UTC, always without a fraction."""
    assert [rfc3339_seconds(instant) for instant in (MAY_1, IN_PARIS)] == ["2026-05-01T00:00:00Z"] * 2


def test_a_day_is_its_first_second_or_its_last_in_utc() -> None:
    """A date has no zone; what is due on a day is not past due before the day is over."""
    assert day_in_utc("2026-05-01") == MAY_1
    assert day_in_utc("2026-05-01", ends=True) == MAY_1 + timedelta(hours=23, minutes=59, seconds=59)
    for text in ("20260501", "2026-W18-5", "2026-05-01T00:00:00Z", "2026-02-30", "\u0662026-05-01", ""):
        with pytest.raises(ValueError):
            day_in_utc(text)


def test_parts_that_would_be_lost_are_refused() -> None:
    """A provider that counts seconds, or milliseconds, is not sent something near the instant."""
    with pytest.raises(Unsupported, match="has parts of a second"):
        unix_seconds(MAY_1 + timedelta(milliseconds=1))
    with pytest.raises(Unsupported, match="has parts of a second"):
        rfc3339_seconds(MAY_1 + timedelta(milliseconds=1))
    with pytest.raises(Unsupported, match="has parts of a millisecond"):
        rfc3339_millis(MAY_1 + timedelta(microseconds=1))


def test_defect_26_naive_datetimes_are_never_encoded() -> None:
    """Neither spelling takes the machine's local zone for a datetime that has none."""
    for spell in (unix_seconds, rfc3339_seconds, rfc3339_millis):
        with pytest.raises(TypeError):
            spell(datetime(2026, 5, 1))


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_authorization_header() -> None:
    """Bearer, and Basic with the key as the user and no password."""
    assert bearer("sk_test_not_a_key") == "Bearer sk_test_not_a_key"
    assert basic("test_not_a_key") == "Basic dGVzdF9ub3RfYV9rZXk6"


def test_a_request_has_no_place_for_a_credential() -> None:
    """A Request's fields are these; the key is no part of it."""
    assert list(Request.__dataclass_fields__) == [
        "method", "url", "headers", "content", "effects", "key", "body", "specimen", "note", "empty",
        "opens", "invoice_id", "answers", "equals", "excludes", "failed_if", "searches", "states_bill", "link",
        "misses", "part",
    ]  # fmt: skip


# ── requests and responses ───────────────────────────────────────────────────────────────────────────────────────────
def test_requests_compare_by_what_is_sent() -> None:
    """Two requests are equal when the same bytes leave with the same effects; notes and specimens do not count."""
    one = Request("POST", "https://x.test/a", {"A": "b"}, b"c=d", frozenset({Effect.ISSUES}), "key", note="one")
    same = Request(
        "POST", "https://x.test/a", {"A": "b"}, b"c=d", frozenset({Effect.ISSUES}), "key", specimen={"id": 1}
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != Request("POST", "https://x.test/a", {"A": "c"}, b"c=d", frozenset({Effect.ISSUES}), "key")
    assert one != Request("POST", "https://x.test/a", {"A": "b"}, b"c=d", frozenset(), "key")


def test_headers_of_a_request_cannot_be_changed() -> None:
    """The mapping is a copy and read-only: nobody adds a credential to it afterwards."""
    theirs = {"A": "b"}
    request: Any = Request("GET", "https://x.test", theirs)
    theirs["Authorization"] = "Bearer x"
    assert dict(request.headers) == {"A": "b"}
    with pytest.raises(TypeError):
        request.headers["Authorization"] = "Bearer x"
    with pytest.raises(AttributeError):
        request.url = "https://y.test"


@pytest.mark.parametrize("method,writes", [("GET", False), ("POST", True), ("DELETE", True), ("PATCH", True)])
def test_everything_but_get_writes(method: str, *, writes: bool) -> None:
    """Only a GET is known to change nothing."""
    assert writes is Request(method, "https://x.test").writes


@pytest.mark.parametrize(
    "value",
    [
        Request(
            "POST", "https://x.test", {"A": "b"}, b"c", frozenset({Effect.MAILS}), "key", {"c": 1}, {"id": 1}, "note"
        ),
        Response(200, b"{}", {"Request-Id": "req_1"}, "acme"),
    ],
)
def test_requests_and_responses_can_be_copied_and_pickled(value: Any) -> None:
    """They travel with an error to another process, whole."""
    for again in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301 - our own bytes
        assert again == value
        assert {name: getattr(again, name) for name in value.__dataclass_fields__} == {
            name: getattr(value, name) for name in value.__dataclass_fields__
        }


def test_header_names_of_a_response_are_lower_case() -> None:
    """HTTP's header names have no case; ours have one."""
    assert dict(Response(200, headers={"Retry-After": "3"}).headers) == {"retry-after": "3"}


@pytest.mark.parametrize(
    "content,problem",
    [
        (b"<html>502</html>", "the answer is not JSON (text/html, 16 bytes: "),
        (b'{"id": "in_1"', "the answer is not JSON"),
        (b"", "the answer is not JSON"),
        (b'{"total": NaN}', "NaN is not JSON"),
        (b'{"total": 1e999999999}', "the number 1e999999999 is out of range"),
        (b"[" * 10**4, "nested more than 100 deep"),
        (b"[" * 10**5, "more than 30000 lists and objects"),
    ],
)
def test_an_answer_that_is_not_json_says_what_it_is(content: bytes, problem: str) -> None:
    """The error names the content type, the size and the likely cause, and carries the answer."""
    answer = Response(200, content, {"Content-Type": "text/html"}, "acme")
    with pytest.raises(MalformedResponse, match="is base_url right") as caught:
        _ = json_of(answer)
    assert problem in str(caught.value)
    assert (caught.value.provider, caught.value.status, caught.value.response) == ("acme", 200, answer)


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"1", b"null"])
def test_an_answer_that_is_no_object_is_refused(content: bytes) -> None:
    """Where an object must be, anything else is malformed, never an AttributeError."""
    with pytest.raises(MalformedResponse, match="the answer is not a JSON object"):
        object_of(Response(200, content))


@pytest.mark.parametrize("content", [b"{}", b'{"id":null}', b'{"id":""}', b'{"id":7}', b'{"id":["x"]}'])
def test_a_text_that_must_be_there_raises_malformed_response(content: bytes) -> None:
    """A missing id is a MalformedResponse, never a KeyError."""
    with pytest.raises(MalformedResponse, match=r"the answer has no text at \$\.id"):
        text_of(Response(200, content), "id")
    assert text_of(Response(200, b'{"id":"in_1"}'), "id") == "in_1"
