"""A Shape reads what a Reader reads, only faster; what it makes without validating is what validating makes."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from invoice_bridge import Collection, Invoice, MalformedResponse, Money, Period, Status, providers
from invoice_bridge.adapter import recurring, shapes
from invoice_bridge.adapter.notes import Notes
from invoice_bridge.adapter.reading import Reader, email_of
from invoice_bridge.adapter.shapes import Leaf, Shape
from invoice_bridge.adapter.trusted import MANUAL, charged, customer_of, maker, period_of, period_span, sent
from invoice_bridge.adapter.view import View
from invoice_bridge.cassettes import files
from invoice_bridge.core import exact
from invoice_bridge.core.model import CustomerRef, FrozenDict, Line
from invoice_bridge.providers.stripe.tables import MONEY, PURCHASE_ORDER, REFERENCE_KEY

CASSETTES = Path(__file__).parent.parent / "cassettes"
PROVIDERS = ("chargeapi", "chargebee", "stripe", "whop")
WHERE: dict[str, Callable[[dict[str, Any]], bool]] = {
    "chargeapi": lambda one: one.get("object") == "invoice" and "fleet" in one,
    "chargebee": lambda one: "currency_code" in one and "customer_id" in one,
    "stripe": lambda one: one.get("object") == "invoice" and "lines" in one,
    "whop": lambda one: str(one.get("id")).startswith("inv_") and "status" in one,
}
ODD: tuple[Any, ...] = (
    None, "", 0, -1, 1, 7, True, False, Decimal("1.5"), Decimal("19.99"), 10**15, -(10**15), 10**19, 10**25,
    253_402_300_799, 253_402_300_800, -62_135_596_801, "é", "\ud800", "x", "ab", "eur", "EUR", "Eur", "jpy", "clf",
    "XXX", [], {}, [1], [None], {"id": "x"}, {"id": 7}, {"a": 1}, {"a": "b"}, {"é": "b"}, {"a": "\ud800"}, "1", "12.5",
    "-3", "9" * 30, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00", "2026-01-01", "paid", "void", "draft",
    "deleted",
)  # fmt: skip


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def recorded(provider: str) -> list[dict[str, Any]]:
    """Every invoice in the recorded answers of a provider."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((CASSETTES / provider).rglob("*.yaml")):
        for interaction in files.load(path)["interactions"]:
            body = interaction["response"]["body"]["string"]
            text = body.decode() if isinstance(body, bytes) else body
            if not text.startswith(("{", "[")):
                continue
            for one in objects(exact.loads(text)):
                if WHERE[provider](one):
                    found[json.dumps(one, default=str)] = one
    assert len(found) > 10, f"too few invoices in cassettes/{provider}: see `make cassettes`"
    return list(found.values())


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield (*at, name)
        yield from places(one, (*at, name))


def spoilt(data: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The same with one to three values replaced by odd ones, or taken out."""
    made = copy.deepcopy(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        *outer, last = dice.choice(list(places(made)) or [("id",)])
        place: Any = made
        for name in outer:
            place = place[name]
        if isinstance(place, dict) and dice.random() < 0.15:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(dice.choice(ODD))
    return made


def payloads(provider: str, count: int = 1500) -> Iterator[dict[str, Any]]:
    """Recorded invoices as they are, then spoilt ones, by a fixed seed."""
    dice, whole = random.Random(2026), recorded(provider)
    yield from whole
    for _ in range(count):
        yield spoilt(dice.choice(whole), dice)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_decoded_value_equals_its_own_validation(provider: str) -> None:
    """What is made without validating is what validating makes, down to the order in which it is written."""
    read = 0
    for data in payloads(provider):
        try:
            invoice = providers.get(provider).parse(data)
        except MalformedResponse:
            continue
        read += 1
        fields = {name: getattr(invoice, name) for name in Invoice.model_fields}
        assert Invoice.model_validate(fields) == invoice
        assert list(invoice.__dict__) == list(Invoice.model_fields)
        assert Invoice.model_validate(invoice.model_dump(warnings="error")) == invoice
        assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice
    assert read > 1000


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_table_lists_every_path_that_is_read(provider: str) -> None:
    """Nothing is looked at that the table does not state: the reference prints it, and unmapped() is about the rest."""
    declared = providers.get(provider)
    assert declared.shape is not None
    listed = declared.shape.every_path()
    seen: set[str] = set()
    for data in payloads(provider, 600):
        read: set[str] = set()
        try:
            declared.parse(View(data, read))
        except MalformedResponse:
            continue
        seen |= {re.sub(r"\[\d+\]", "[]", path) for path in read}
    below = tuple(f"{path}{sign}" for path in listed for sign in (".", "["))
    names = [path.split(".") for path in listed]
    whole = {".".join(path[:depth]).removesuffix("[]") for path in names for depth in range(1, len(path))}
    assert {
        path for path in seen - listed if not path.startswith(below) and path.removesuffix("[]") not in whole
    } == set()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_path_of_a_table_is_read(provider: str) -> None:
    """A row that reads nothing would be a lie in the reference: each path, alone in an invoice, is looked at."""
    declared = providers.get(provider)
    assert declared.shape is not None
    values = ("eur", 1, "19.99", PURCHASE_ORDER, True, "send_invoice", "invoice", "2026-05-01T00:00:00Z", {"a": "b"})
    for path in sorted(declared.shape.every_path() - {"id"}):
        shaped: set[str] = set()
        for value, beside in itertools.product(values, _BESIDE):
            data: dict[str, Any] = copy.deepcopy(beside)
            _put(data, path, value)
            read: set[str] = set()
            with suppress(MalformedResponse):  # of `object` only "invoice" is one
                declared.parse(View(data, read))
            shaped |= {re.sub(r"\[\d+\]", "[]", one) for one in read}
        assert path in shaped | _LEFT or any(one.startswith(f"{path}.") for one in shaped), f"{path} is read nowhere"


_ALONE = {"id": "inv_1", "currency": "eur", "currency_code": "EUR", "current_plan": {"currency": "eur"}, "total": 5}
_AUTOMATIC = _ALONE | {"collection_method": "charge_automatically", "metadata": {REFERENCE_KEY: "r"}}
_LISTED = _ALONE | {"adjustment_credit_notes": [], "issued_credit_notes": [], "line_items": [{"amount": 5}]}
_BESIDE: tuple[dict[str, Any], ...] = (
    _ALONE, _AUTOMATIC, _AUTOMATIC | {"status": "paid"}, _AUTOMATIC | {"status": "draft"}, _LISTED,
    _LISTED | {"status": "paid"},
    _ALONE | {"custom_fields": [{"name": PURCHASE_ORDER}], "line_items": [{}]},
    _ALONE | {"charge": {"status": "succeeded"}},
    _ALONE | {"discount": {"id": "di_1"}, "tax": 0},
    _ALONE | {"total_pretax_credit_amounts": [{"type": "credit_balance_transaction"}]},
    _ALONE | {"line_item_taxes": [{"tax_amount": 5}], "line_items": [{"amount": 5, "entity_type": "plan"}]},
)  # fmt: skip
"""What an invoice states beside one path: some are read only where others say what they are worth."""
_LEFT = {"lines.data[].price.transform_quantity"}
"""Looked for, not read: that it is there is what counts."""


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path, with what its neighbours need to be read at all."""
    place: Any = data
    *outer, last = path.split(".")
    for name in outer:
        bare = name.removesuffix("[]")
        if name.endswith("[]"):
            rows = place[bare] = place.get(bare) or [{"amount": 5, "total": 5}]
            place = rows[0]
        else:
            place = place.setdefault(bare, {})
    place[last] = value


# ── one leaf at a time ───────────────────────────────────────────────────────────────────────────────────────────────
LEAVES: dict[str, tuple[Leaf, Any]] = {
    "text": (shapes.text("a"), lambda at: at.text("a")),
    "required": (shapes.required("a"), lambda at: at.required_text("a")),
    "email": (shapes.email("a"), lambda at: email_of(at, "a")),
    "flag": (shapes.flag("a"), lambda at: at.flag("a")),
    "integer": (shapes.integer("a"), lambda at: at.integer("a")),
    "number": (shapes.number("a"), lambda at: at.decimal("a")),
    "unix": (shapes.unix("a"), lambda at: at.unix("a")),
    "instant": (shapes.instant("a"), lambda at: at.instant("a")),
    "day": (shapes.day("a"), lambda at: at.day("a")),
    "last second of a day": (shapes.day("a", ends=True), lambda at: at.day("a", ends=True)),
    "identity": (shapes.identity("a"), lambda at: at.identity("a")),
    "strings": (shapes.strings("a"), lambda at: at.strings("a")),
    "currency": (shapes.currency("a"), lambda at: at.currency("a")),
    "nested": (shapes.text("a.id"), lambda at: at.child("a").text("id")),
    "expanded": (shapes.text("a?.id"), lambda at: at.expanded("a").text("id")),
}


def _outcome(read: Any, data: dict[str, Any]) -> Any:
    reader = Reader(data, "stripe", notes=Notes())
    try:
        value = read(reader)
    except MalformedResponse as error:
        return str(error)
    return value, reader.problems


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value)[:30])
def test_a_leaf_reads_what_its_reader_reads(name: str, value: Any) -> None:
    """The short way and the long way agree on every value, in what they read and in what they note."""
    leaf, slow = LEAVES[name]
    table = Shape(CustomerRef, lambda values, _at, _given: seen.update(values), one=leaf)
    for data in ({"a": value}, {}):
        seen: dict[str, Any] = {}
        fast = _outcome(lambda at: table.read(at) and seen["one"], data)  # noqa: B023 - called at once
        assert fast == _outcome(slow, data)
        assert type(fast[0]) is type(_outcome(slow, data)[0])


@pytest.mark.parametrize("code", ["eur", "jpy", "clf", "isk", "kwd", "bgn", "xxx", None])
@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value)[:30])
def test_money_reads_what_its_reader_reads(code: str | None, value: Any) -> None:
    """Whatever the currency's factor is at the provider, and where there is none."""
    seen: dict[str, Any] = {}
    table = Shape(
        CustomerRef,
        lambda values, _at, _given: seen.update(values),
        units=MONEY,
        of=shapes.currency("c"),
        one=shapes.money("a"),
    )
    data = {"c": code, "a": value}
    fast = _outcome(lambda at: (table.read(at), seen["one"])[1], data)
    assert fast == _outcome(lambda at: at.money("a", MONEY, at.currency("c")), data)
    if isinstance(fast[0], Money):
        assert Money(fast[0].minor, fast[0].currency) == fast[0]


def test_of_several_paths_the_first_that_is_there_counts() -> None:
    """A text that is empty passes on to the next; a number that is there does not, even where it cannot be read."""
    seen: dict[str, Any] = {}
    table = Shape(
        CustomerRef,
        lambda values, _at, _given: seen.update(values),
        name=shapes.text("a", "b"),
        number=shapes.number("c", "d"),
    )
    table.read(Reader({"a": "", "b": "y", "c": "junk", "d": 4}, "acme", notes=Notes()))
    assert (seen["name"], seen["number"]) == ("y", None)
    table.read(Reader({"a": "x", "b": "y", "d": 4}, "acme", notes=Notes()))
    assert (seen["name"], seen["number"]) == ("x", Decimal(4))


def test_a_computed_value_is_asked_for_only_where_one_of_its_fields_is_there() -> None:
    """With `any_of` the function is not called for an object that has none of them."""
    calls: list[Any] = []

    def read(at: Reader, _currency: str | None) -> str:
        calls.append(at.data)
        return "x"

    table = Shape(CustomerRef, name=shapes.computed(read, "a", "b", any_of=("a", "b")))
    for data, name in (({}, None), ({"a": None, "c": 1}, None), ({"b": 0}, "x"), ({"a": 1}, "x")):
        made = table.read(Reader(data, "acme", notes=Notes()))
        assert made == CustomerRef(name=name)
    assert calls == [{"b": 0}, {"a": 1}]


def test_a_field_that_derive_takes_out_has_its_default() -> None:
    """And a default that is an object of texts cannot be changed: all values share it."""
    table = Shape(CustomerRef, lambda values, _at, _given: values.pop("name"), name=shapes.text("a"))
    made = table.read(Reader({"a": "x"}, "acme", notes=Notes()))
    assert made is not None
    assert made == CustomerRef()
    assert (list(made.__dict__), type(made.ids)) == (list(CustomerRef.model_fields), FrozenDict)


def test_what_recurs_is_kept_within_bounds_and_is_what_it_would_be_alone() -> None:
    """However many different amounts, instants and numbers come, a few hundred of each stay; none is another's."""
    amounts = recurring.AmountsByCurrency({"EUR": 2, "ISK": 2, "KWD": 2})
    written = recurring.WrittenByCurrency(amounts)
    for number in range(1, 2000):
        assert amounts["EUR"][number] == Money(number, "EUR")
        assert amounts["KWD"][number] == written["KWD"][str(number)] == Money(number * 10, "KWD")
        assert recurring.SECONDS[number] == datetime.fromtimestamp(number, UTC)
        assert repr(recurring.NUMBERS[number]) == repr(recurring.NUMBERS[str(number)]) == repr(Decimal(number))
    kept = (amounts["EUR"], amounts["KWD"], written["KWD"], recurring.SECONDS, recurring.NUMBERS)
    assert all(0 < len(one) <= 256 for one in kept)
    assert amounts["EUR"][7] is amounts["EUR"][7]
    assert {written["EUR"][one] for one in ("", "-1", "1.5", "1e2", " 1", "x", "9" * 16)} == {None}
    assert {amounts["ISK"][1], written["ISK"]["1"], amounts["XXX"][1], amounts[None][1], amounts["EUR"][10**15]} == {
        None
    }
    assert (len(amounts["ISK"]), len(amounts["XXX"]), "XXX" in amounts) == (0, 0, False)


def test_a_line_without_its_amount_is_left_out_and_noted() -> None:
    """And the list says that it is not whole; what is no object in it is noted by its place."""
    line = Shape(Line, units=MONEY, needs="amount", amount=shapes.money("sum"), description=shapes.text("text"))
    seen: dict[str, Any] = {}
    table = Shape(
        Invoice,
        lambda values, _at, _given: seen.update(values) or values.update(status="open"),
        units=MONEY,
        id=shapes.required("id"),
        currency=shapes.currency("currency"),
        lines=shapes.rows("rows", line),
    )
    data = {"id": "i", "currency": "eur", "rows": [{"sum": 1}, {"text": "no sum"}, "junk", {"sum": Decimal("1.5")}]}
    invoice = table.whole(data, "acme")
    assert [line.amount for line in invoice.lines] == [Money(1, "EUR")]
    assert invoice.lines_complete is False
    assert [problem.path for problem in invoice.problems] == ["rows[1].sum", "rows[2]", "rows[3].sum"]
    assert invoice.problems[1].why == "is no object"
    given = table.whole(data, "acme", lines=[{"sum": 3}])
    assert ([line.amount.minor for line in given.lines], given.lines_complete) == ([3], True)
    assert given.raw == data


def _listing(path: str) -> Shape[Invoice]:
    line = Shape(Line, units=MONEY, needs="amount", amount=shapes.money("sum"))
    return Shape(
        Invoice,
        lambda values, _at, _given: values.update(status=Status.OPEN),
        units=MONEY,
        id=shapes.required("id"),
        currency=shapes.currency("currency"),
        metadata=shapes.strings("words"),
        lines=shapes.rows(path, line),
    )


@pytest.mark.parametrize("value", [*ODD, {"data": [{"sum": 1}, "junk"]}], ids=lambda value: ascii(value)[:30])
@pytest.mark.parametrize("path", ["rows", "rows.data", "rows?.data"])
def test_a_list_is_noted_as_its_reader_notes_it(path: str, value: Any) -> None:
    """What is no list reads as none, not complete, with the note of the Reader; a place is written without a sign."""
    data = {"id": "i", "currency": "eur", "rows": value}
    invoice = _listing(path).whole(data, "acme")
    reader = Reader(data, "acme", notes=Notes())
    *outer, last = path.split(".")
    inner = reader
    for name in outer:
        inner = inner.expanded("rows") if name.endswith("?") else inner.child(name)
    items = inner.data.get(last)
    rows = items if isinstance(items, list) else []
    inner.children(last)
    noted = {str(problem) for problem in invoice.problems if "sum" not in problem.path}
    junk = {f"{path.replace('?', '')}[{place}] is no object" for place, row in enumerate(rows) if type(row) is not dict}
    assert noted >= junk
    assert {note for note in noted if "[" not in note} == {str(one) for one in reader.problems if "[" not in one.path}
    assert all(problem.path.startswith(path.replace("?", "")) or problem.path == "rows" for problem in invoice.problems)
    whole = isinstance(items, list) and all(isinstance(row, dict) and "sum" in row for row in rows)
    assert invoice.lines_complete is whole


def _quick_leaves() -> Iterator[tuple[str, Leaf]]:
    """Every computed leaf with a quick function, of all tables of all providers."""
    seen: list[Shape[Any]] = []

    def visit(table: Shape[Any]) -> Iterator[Leaf]:
        if table not in seen:
            seen.append(table)
            for leaf in table.fields.values():
                if leaf.kind == "rows":
                    yield from visit(leaf.options["shape"])
                elif "quick" in leaf.options or "zero_if_empty" in leaf.options:
                    yield leaf

    for name in PROVIDERS:
        shape = providers.get(name).shape
        assert shape is not None
        yield from ((name, leaf) for leaf in visit(shape))


def test_a_quick_function_returns_what_the_whole_one_does_or_nothing() -> None:
    """On recorded objects, and on spoilt ones, in what is read and what is noted; and each is quick for some."""
    leaves = list(_quick_leaves())
    assert {(name, leaf.options["any_of"][0]) for name, leaf in leaves} == {
        ("stripe", "custom_fields"),
        ("stripe", "customer_address"),
        ("stripe", "discount_amounts"),
        ("stripe", "pricing"),
    }
    dice, counts = random.Random(7), dict.fromkeys((leaf.options["any_of"][0] for _, leaf in leaves), 0)
    whole = [one for data in recorded("stripe") for one in objects(data)] + [
        {"custom_fields": [{"name": PURCHASE_ORDER, "value": "PO-1"}, {"name": "Größe", "value": "L"}]},
        {
            "custom_fields": [],
            "customer_address": {"line1": "1 rue", "city": "Orléans", "country": "FR", "state": None},
        },
        {"discount_amounts": []},
        {"pricing": {"unit_amount_decimal": "1999"}},
    ]
    for provider, leaf in leaves:
        kept = [one for one in whole if one.get(leaf.options["any_of"][0]) is not None]
        for data in (*kept, *(spoilt(dice.choice(kept), dice) for _ in range(500))):
            for currency in ("EUR", "JPY", "CLF", "XXX", None):
                read = leaf.options["read"]
                if "quick" in leaf.options:
                    quick = leaf.options["quick"](data, currency)
                else:
                    quick = MONEY.amounts[currency][0] if data.get(leaf.options["any_of"][0]) == [] else None
                if quick is not None:
                    counts[leaf.options["any_of"][0]] += 1
                    reader = Reader(data, provider, notes=Notes())
                    assert quick == read(reader, currency), data
                    assert reader.problems == ()
    assert all(count > 100 for count in counts.values()), counts


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_objects_of_a_list_read_as_each_of_them_alone(provider: str) -> None:
    """In what is read, in what is left out, and in what is noted at its place; plain or as the view of `unmapped`."""
    shape = providers.get(provider).shape
    assert shape is not None
    lists = [
        (leaf, path.replace("?", "")) for leaf in shape.fields.values() if leaf.kind == "rows" for path in leaf.paths
    ]
    dice, rows = random.Random(9), 0
    for data in payloads(provider, 300):
        for leaf, path in lists:
            table, items = leaf.options["shape"], cast("Any", data)
            for name in path.split("."):
                items = items.get(name) if isinstance(items, dict) else None
            items = [*items, dice.choice(ODD)] if isinstance(items, list) else []
            outer = Reader(data, provider, notes=Notes())
            amounts = MONEY.amounts["EUR"]
            many = table.read_rows(outer, items, path, "EUR", amounts)
            alone = Reader(data, provider, notes=Notes())
            found: list[Any] = []
            for place, item in enumerate(items):
                if isinstance(item, dict):
                    found.append(table.read(alone.row(path, place, item), "EUR", amounts))
                else:
                    alone.note(f"{path}[{place}]", "is no object")
                    found.append(None)
            kept = tuple(one for one in found if one is not None)
            assert (many, outer.problems) == ((kept, len(kept) == len(items)), alone.problems)
            assert [list(vars(one)) for one in many[0]] == [list(vars(one)) for one in kept]
            rows += len(kept)
            views = [View(item, set()) for item in items if isinstance(item, dict)]
            assert table.read_rows(alone, views, path, "EUR", amounts)[0] == kept
    assert rows > 100


@pytest.mark.parametrize("words", [{"a": "b"}, {"é": "b"}, {"\ud800": "b"}, {"a": "\ud800"}, {"a": 1}, {}, None, 7])
def test_texts_by_name_are_read_alike_and_frozen(words: Any) -> None:
    """An object of texts cannot be changed once it is read, and a name that cannot be written down is left out."""
    invoice = _listing("rows").whole({"id": "i", "currency": "eur", "words": words}, "acme")
    assert invoice.metadata == (Reader({"words": words}, "acme", notes=Notes()).strings("words") or {})
    assert type(invoice.metadata) is FrozenDict
    assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice


def test_trusted_values_are_what_validating_makes() -> None:
    """Collections, customers and periods without validation equal those with it, field by field."""
    may, june, july = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 7))
    assert (charged(None), charged("pm_1")) == (Collection.charge(), Collection.charge("pm_1"))
    assert sent(may) == Collection.send(due=may)
    assert sent(None).model_dump() == Collection.manual().model_dump() | {"kind": "send"}
    assert customer_of(None) is None
    assert customer_of("cus_1", "a@b.test", "Ann") == CustomerRef(id="cus_1", email="a@b.test", name="Ann")
    assert customer_of(None, "a@b.test") == CustomerRef(email="a@b.test")
    assert customer_of(None, None, "Ann") == CustomerRef(name="Ann")
    assert period_of(may, june) == Period(may, june)
    assert {period_of(None, june), period_of(may, None), period_of(may, may), period_of(june, may)} == {None}
    assert period_span([None, Period(june, july), Period(may, june)]) == Period(may, july)
    assert period_span([Period(may, july), Period(june, july), Period(may, june)]) == Period(may, july)
    assert period_span([None]) is None
    assert Collection.manual() == MANUAL


def test_a_made_value_is_frozen_and_copies_like_any_other() -> None:
    """It is a value of the model: nobody can change it, a changed copy is another one, and it hashes and pickles."""
    import pickle

    made = maker(CustomerRef)({"id": "cus_1"})
    assert made == CustomerRef(id="cus_1")
    with pytest.raises(ValueError, match="frozen"):
        made.id = "cus_2"  # type: ignore[misc]
    other = made.model_copy(update={"name": "Ann"})
    assert (other.name, made.name) == ("Ann", None)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own
    assert maker(CustomerRef)({}).model_fields_set == set(CustomerRef.model_fields)


# ── JSON, with and without msgspec ───────────────────────────────────────────────────────────────────────────────────
_PIECES = (
    *'[]{}:,"\\ -+.eE0123456789', "null", "true", "false", "NaN", "Infinity", "1e2", "-0", "0.10", "1E400", "1e-500",
    "18446744073709551616", '"a"', '"é"', '"\\u00e9"', '"\\ud800"', '"\\ud83d\\ude00"', '"a":', "[1,2]", '{"a":1}',
    '{"a":1,"a":2}', "\t", "\n", "\x01", "\ufeff", "\xa0", "\\n",
)  # fmt: skip


def _read(text: bytes) -> Any:
    try:
        value = exact.loads(text)
    except ValueError:
        return ValueError
    return repr(value)


def test_msgspec_reads_what_the_standard_library_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 generated texts, whole and torn: the same value of the same types, or refused by both."""
    pytest.importorskip("msgspec")
    dice = random.Random(2026)
    texts = []
    for _ in range(100_000):
        body = "".join(dice.choices(_PIECES, k=dice.randint(1, 6)))
        kind = dice.random()
        text = f"[{body}]" if kind < 0.4 else f'{{"k":{body}}}' if kind < 0.8 else body
        texts.append(text.encode("utf-8", "surrogatepass"))
    fast = [_read(text) for text in texts]
    assert exact._decoders, "msgspec was not used"
    monkeypatch.setattr(exact, "_decoders", ())
    assert fast == [_read(text) for text in texts]
    assert 10_000 < sum(one is not ValueError for one in fast) < 90_000


def test_json_is_read_without_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional: where it is not installed the standard library reads."""
    monkeypatch.setattr(exact, "_decoders", None)
    monkeypatch.setitem(sys.modules, "msgspec.json", None)
    assert exact.loads(b'{"a": 1.50}') == {"a": Decimal("1.50")}
    assert exact._decoders == ()


def test_an_older_msgspec_refuses_torn_text_with_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.19 and 0.20 raise no ValueError: a proxy's page in answer to a bill must still be an answer that is no JSON."""
    fast = ModuleType("msgspec")
    error = type("MsgspecError", (Exception,), {})

    def decode(_: object) -> None:
        raise error("JSON is malformed")

    monkeypatch.setitem(sys.modules, "msgspec", fast)
    monkeypatch.setitem(sys.modules, "msgspec.json", of_json := ModuleType("msgspec.json"))
    monkeypatch.setattr(fast, "MsgspecError", error, raising=False)
    monkeypatch.setattr(of_json, "Decoder", lambda **_: SimpleNamespace(decode=decode), raising=False)
    monkeypatch.setattr(exact, "_decoders", None)
    monkeypatch.setattr(exact, "_refusals", (ValueError, RecursionError))
    with pytest.raises(ValueError, match="Expecting value"):
        exact.loads(b"<html>502 Bad Gateway</html>")
    assert exact.loads(b"[1]") == [1]


@pytest.mark.parametrize("depth, fits", [(100, True), (101, False)])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_depth_is_counted_by_brackets(pair: str, depth: int, *, fits: bool) -> None:
    """Both kinds of bracket, mixed, beside many others and with brackets inside texts."""
    opened, closed = ("[", "]") if pair == "[]" else ('{"[{":', "}")
    inner = opened * (depth - 1) + "[]" + closed * (depth - 1)
    for text in (inner, inner.replace(" ", "\n"), f'{{"]]":"[[[","k":{opened * (depth - 2)}[]{closed * (depth - 2)}}}'):
        if fits:
            exact.loads(text)
        else:
            with pytest.raises(ValueError, match="nested more than 100 deep"):
                exact.loads(text)
    many = "[" + ",".join(['{"a":[]}'] * 200) + "]"
    assert len(exact.loads(many)) == 200
