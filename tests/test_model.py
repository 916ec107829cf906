"""The neutral invoice: frozen, exact, aware, and the same in JSON for years."""

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from pydantic import BaseModel, TypeAdapter, ValidationError

from invoice_bridge import (
    Address,
    Adjustment,
    Collection,
    CreditNote,
    CustomerRef,
    Discount,
    Invoice,
    Line,
    Loss,
    Money,
    Payment,
    Period,
    Problem,
    Status,
    TaxId,
    TaxLine,
)
from invoice_bridge.core.descriptions import DESCRIPTIONS
from invoice_bridge.core.losses import Fate, Severity
from invoice_bridge.core.model import AMOUNTS, Frozen
from tests import strategies

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
JUNE_1 = datetime(2026, 6, 1, tzinfo=UTC)


def _invoice(**said: Any) -> Invoice:
    least: dict[str, Any] = {"provider": "acme", "id": "in_1", "status": "open", "currency": "EUR"}
    return Invoice(**least | said)


WHOLE = _invoice(
    number="ACME-0007",
    native_status="posted",
    subtotal=Money(2500, "EUR"),
    discount=Money(0, "EUR"),
    tax=Money(500, "EUR"),
    total=Money(3000, "EUR"),
    amount_due=Money(3000, "EUR"),
    amount_paid=Money(1000, "EUR"),
    amount_credited=Money(0, "EUR"),
    amount_refunded=None,
    amount_remaining=Money(2000, "EUR"),
    lines=(
        Line(
            description="Fees",
            quantity=Decimal("2.50"),
            unit_amount=Money(1000, "EUR"),
            amount=Money(2500, "EUR"),
            period=Period(MAY_1, JUNE_1),
            id="li_1",
            proration=False,
        ),
    ),
    lines_complete=True,
    customer=CustomerRef(
        id="cus_42",
        email="a@b.test",
        name="Zoë",
        ids={"acme": "cus_42"},
        address=Address(city="Lyon", country="FR"),
        tax_ids=(TaxId(kind="eu_vat", value="FR1"),),
    ),
    period=Period(MAY_1, JUNE_1),
    description="May",
    reference="flt/2026-05",
    purchase_order="PO-9",
    metadata={"depot": "Lyon"},
    subscription="sub_1",
    custom_fields={"Depot": "Lyon"},
    taxes=(TaxLine(name="VAT", rate=Decimal(20), amount=Money(500, "EUR"), base=Money(2500, "EUR"), inclusive=False),),
    discounts=(Discount(id="di_1", code="SPRING", amount=Money(0, "EUR")),),
    adjustments=(Adjustment(kind="rounding", amount=Money(0, "EUR")),),
    payments=(
        Payment(
            id="pay_1",
            amount=Money(1000, "EUR"),
            at=datetime(2026, 6, 2, tzinfo=UTC),
            state="succeeded",
            method="card",
            recorded_outside=False,
        ),
    ),
    payments_complete=True,
    credit_notes=(CreditNote(id="cn_1", number="CN-1", amount=Money(0, "EUR"), reason="duplicate", kind="adjustment"),),
    credit_notes_complete=True,
    updated_at=datetime(2026, 6, 3, tzinfo=UTC),
    attempts=1,
    created_at=datetime(2026, 6, 1, 11, 0, tzinfo=timezone(timedelta(hours=2))),
    issued_at=datetime(2026, 6, 1, 9, 0, 0, 500000, tzinfo=UTC),
    due_at=datetime(2026, 6, 15, tzinfo=UTC),
    collection=Collection.send(net_days=14),
    payment_method="pm_1",
    payment_pending=False,
    hosted_url="https://pay.example.test/in_1",
    test_mode=True,
    losses=(Loss("IB-ACME-PERIOD-01", "period", Fate.DROPPED, Severity.WARNS, "nothing", "no field", "leave it out"),),
    problems=(Problem(path="tax_rate", why="is a list and no decimal number"),),
    raw={"id": "in_1", "price": Decimal("25.00"), "n": 7, "none": None, "deep": [True, {"é": "x"}]},
)
WHOLE_JSON = (
    '{"provider":"acme","id":"in_1","number":"ACME-0007","status":"open","native_status":"posted","currency":"EUR",'
    '"subtotal":{"minor":2500,"currency":"EUR"},"discount":{"minor":0,"currency":"EUR"},'
    '"tax":{"minor":500,"currency":"EUR"},"total":{"minor":3000,"currency":"EUR"},'
    '"amount_due":{"minor":3000,"currency":"EUR"},"amount_paid":{"minor":1000,"currency":"EUR"},'
    '"amount_credited":{"minor":0,"currency":"EUR"},"amount_refunded":null,'
    '"amount_remaining":{"minor":2000,"currency":"EUR"},'
    '"lines":[{"description":"Fees","quantity":"2.50","unit_amount":{"minor":1000,"currency":"EUR"},'
    '"amount":{"minor":2500,"currency":"EUR"},'
    '"period":{"start":"2026-05-01T00:00:00Z","end":"2026-06-01T00:00:00Z"},"id":"li_1","product":null,"price":null,'
    '"subscription":null,"discount":null,"taxes":[],"metadata":{},"proration":false,"provider":null}],'
    '"lines_complete":true,'
    '"customer":{"id":"cus_42","email":"a@b.test","name":"Zoë","ids":{"acme":"cus_42"},'
    '"address":{"line1":null,"line2":null,"city":"Lyon","state":null,"postal_code":null,"country":"FR"},'
    '"tax_ids":[{"kind":"eu_vat","value":"FR1"}]},'
    '"period":{"start":"2026-05-01T00:00:00Z","end":"2026-06-01T00:00:00Z"},"description":"May",'
    '"reference":"flt/2026-05","purchase_order":"PO-9","metadata":{"depot":"Lyon"},'
    '"subscription":"sub_1","custom_fields":{"Depot":"Lyon"},"footer":null,'
    '"taxes":[{"name":"VAT","rate":"20","amount":{"minor":500,"currency":"EUR"},'
    '"base":{"minor":2500,"currency":"EUR"},"inclusive":false}],'
    '"discounts":[{"id":"di_1","code":"SPRING","name":null,"amount":{"minor":0,"currency":"EUR"}}],'
    '"adjustments":[{"kind":"rounding","amount":{"minor":0,"currency":"EUR"}}],'
    '"payments":[{"id":"pay_1","amount":{"minor":1000,"currency":"EUR"},"at":"2026-06-02T00:00:00Z",'
    '"state":"succeeded","method":"card","recorded_outside":false,"refunded":null}],"payments_complete":true,'
    '"credit_notes":[{"id":"cn_1","number":"CN-1","amount":{"minor":0,"currency":"EUR"},"reason":"duplicate",'
    '"kind":"adjustment","at":null}],"credit_notes_complete":true,"created_at":"2026-06-01T09:00:00Z",'
    '"issued_at":"2026-06-01T09:00:00.500000Z","due_at":"2026-06-15T00:00:00Z","paid_at":null,"voided_at":null,'
    '"uncollectible_at":null,"updated_at":"2026-06-03T00:00:00Z","attempts":1,"next_attempt_at":null,'
    '"collection":{"kind":"send","due":null,"net_days":14,"payment_method":null},"payment_method":"pm_1",'
    '"payment_pending":false,"hosted_url":"https://pay.example.test/in_1","pdf_url":null,"test_mode":true,'
    '"losses":[{"code":"IB-ACME-PERIOD-01","path":"period","fate":"dropped","severity":"warns","sent":"nothing",'
    '"why":"no field","remedy":"leave it out","conditional":false}],'
    '"discrepancies":[],'
    '"problems":[{"path":"tax_rate","why":"is a list and no decimal number","money":false}],'
    '"raw":"{\\"id\\":\\"in_1\\",\\"price\\":25.00,\\"n\\":7,\\"none\\":null,\\"deep\\":[true,{\\"é\\":\\"x\\"}]}"}'
)


# ── the JSON form ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_json_form_of_a_whole_invoice_is_pinned() -> None:
    """The JSON form is stable: each field, its name, its order and its spelling."""
    assert WHOLE.model_dump_json() == WHOLE_JSON


def test_the_pinned_json_reads_as_the_same_invoice() -> None:
    """The other direction, from the literal: money, decimals, instants and raw come back as they were."""
    read = Invoice.model_validate_json(WHOLE_JSON)
    assert read == WHOLE
    assert read.raw is not None
    assert str(read.raw["price"]) == "25.00"
    assert read.lines[0].quantity == Decimal("2.50")
    assert read.created_at == datetime(2026, 6, 1, 9, tzinfo=UTC)


@given(strategies.invoices())
def test_for_every_invoice_the_json_form_reads_back(invoice: Invoice) -> None:
    """For every invoice, the JSON form reads back as an equal one, `raw` with its decimals included."""
    assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice


@given(strategies.invoices())
def test_for_every_invoice_copies_are_equal(invoice: Invoice) -> None:
    """For every invoice, a deep copy and a pickled one are equal: it can cross a process boundary."""
    assert copy.deepcopy(invoice) == invoice
    assert pickle.loads(pickle.dumps(invoice)) == invoice  # noqa: S301 - our own bytes


def test_half_a_surrogate_pair_in_raw_is_written_as_it_came() -> None:
    """JSON can spell what no text can hold; the invoice is still writable, and raw reads back the same."""
    invoice = _invoice(raw={"name": "a\ud800b"})
    assert '"raw":"{\\"name\\":\\"a\\\\ud800b\\"}"' in invoice.model_dump_json()
    assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice


def test_an_unknown_field_is_refused() -> None:
    """A misspelled field of ours is an error, not a silent loss."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        _invoice(totl=Money(1, "EUR"))


def test_defect_58_an_invoice_without_a_currency_has_no_amounts() -> None:
    """Defect 58: the currency may be unknown, and then there is no amount that could be in another one."""
    bare = Invoice(provider="acme", id="in_1", status=Status.DELETED, currency=None)
    assert Invoice.model_validate_json(bare.model_dump_json()) == bare
    with pytest.raises(ValidationError, match="an invoice without a currency has no amounts"):
        Invoice(provider="acme", id="in_1", status=Status.OPEN, currency=None, total=Money(1, "EUR"))
    with pytest.raises(ValidationError, match="an invoice without a currency has no amounts"):
        Invoice(provider="acme", id="in_1", status=Status.OPEN, currency=None, lines=(Line(amount=Money(1, "EUR")),))


def test_defect_60_a_problem_reads_as_a_sentence() -> None:
    """Defect 60: path and reason make a sentence that names the place."""
    assert str(Problem(path="lines[0].amount", why="is missing", money=True)) == "lines[0].amount is missing"


def test_defect_60_json_of_before_is_still_read() -> None:
    """Defect 60: the JSON form only grew: invoices that were written without the new fields are read."""
    old = json.loads(WHOLE_JSON)
    del old["problems"], old["purchase_order"]
    read = Invoice.model_validate_json(json.dumps(old))
    assert read == WHOLE.model_copy(update={"problems": (), "purchase_order": None})


# ── frozen ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["status", "total", "lines", "metadata", "raw"])
def test_no_field_of_an_invoice_can_be_set(name: str) -> None:
    """An invoice is a value: its fields cannot be assigned."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(copy.copy(WHOLE), name, None)


CHANGES: dict[str, Callable[[Any], object]] = {
    "set": lambda words: words.__setitem__("depot", "Nice"),
    "delete": lambda words: words.__delitem__("depot"),
    "clear": lambda words: words.clear(),
    "pop": lambda words: words.pop("depot"),
    "popitem": lambda words: words.popitem(),
    "setdefault": lambda words: words.setdefault("x", "y"),
    "update": lambda words: words.update(depot="Nice"),
    "ior": lambda words: words.__ior__({"depot": "Nice"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_metadata_cannot_be_changed(change: Callable[[Any], object]) -> None:
    """Metadata is frozen with the rest: every way to change a dict is refused."""
    with pytest.raises(TypeError, match="belongs to a frozen value"):
        change(WHOLE.metadata)
    assert WHOLE.metadata == {"depot": "Lyon"}


def test_metadata_does_not_alias_the_callers_dict() -> None:
    """What the caller does to his own dict afterwards does not reach the value."""
    theirs = {"depot": "Lyon"}
    invoice = _invoice(metadata=theirs)
    theirs["depot"] = "Nice"
    assert invoice.metadata == {"depot": "Lyon"}


@pytest.mark.parametrize("value", [Period(MAY_1, JUNE_1), CustomerRef(id="c"), Collection.manual(), WHOLE.lines[0]])
def test_the_parts_are_frozen_and_hashable(value: Any) -> None:
    """The parts of an invoice are values too: not assignable, and usable in sets."""
    name = next(iter(value.__match_args__)) if isinstance(value, Period) else next(iter(type(value).model_fields))
    with pytest.raises((AttributeError, ValidationError)):
        setattr(value, name, None)
    assert {value, copy.deepcopy(value)} == {value}


def test_every_model_forbids_unknown_fields_and_is_frozen() -> None:
    """The rule holds for each model there is, not for those that somebody thought of."""
    models = [model for model in _all_subclasses(Frozen) if model.__module__.startswith("invoice_bridge.")]
    assert {"Invoice", "Line", "CustomerRef", "Collection", "OneTimeCharge", "Void"} <= {m.__name__ for m in models}
    for model in models:
        assert model.model_config.get("frozen") is True
        assert model.model_config.get("extra") == "forbid"


def _all_subclasses(of: type[Frozen]) -> set[type[Frozen]]:
    return {of}.union(*(_all_subclasses(sub) for sub in of.__subclasses__()))


# ── instants ─────────────────────────────────────────────────────────────────────────────────────────────────────────
INSTANTS = ("created_at", "issued_at", "due_at", "paid_at", "voided_at")


@pytest.mark.parametrize("name", INSTANTS)
@pytest.mark.parametrize(
    "value", [datetime(2026, 5, 1), date(2026, 5, 1), "2026-05-01", "2026-05-01T00:00:00"], ids=str
)
def test_naive_datetimes_are_refused(name: str, value: Any) -> None:
    """An instant without a zone is refused everywhere, as a value and as text, with what to write."""
    with pytest.raises(ValidationError, match=r"has no time zone: write datetime\(…, tzinfo=UTC\), or …Z in a file"):
        _invoice(**{name: value})


@pytest.mark.parametrize(
    "value",
    [1777593600, 1777593600.5, Decimal(1777593600), True, "1777593600", "1777593600.5", "-5", "+5", " 5 ", "1e9"],
)
def test_bare_numbers_are_no_instants(value: Any) -> None:
    """A number may be seconds or milliseconds; it is refused, also as text."""
    with pytest.raises(ValidationError, match="is a number, not an instant"):
        _invoice(due_at=value)


def test_instants_are_kept_in_utc() -> None:
    """Another zone's instant is the same instant, kept and written in UTC."""
    read = _invoice(due_at="2026-05-01T02:00:00+02:00").due_at
    assert read == MAY_1
    assert read is not None
    assert read.tzinfo is UTC


# ── periods ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "year,month,zone,start,end",
    [
        (2026, 5, "UTC", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        (2026, 3, "Europe/Paris", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),  # an hour shorter: summer begins
        (2026, 10, "Europe/Paris", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),  # an hour longer: summer ends
        (2026, 12, "Europe/Paris", "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z"),
        (2024, 2, "Asia/Tokyo", "2024-01-31T15:00:00Z", "2024-02-29T15:00:00Z"),
    ],
)
def test_a_month_is_the_month_as_it_is_lived(year: int, month: int, zone: str, start: str, end: str) -> None:
    """A calendar month runs from local midnight to local midnight, whatever the clocks do in between."""
    assert Period.month(year, month, tz=zone) == Period(datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_hours_of_the_months_when_the_clocks_change() -> None:
    """March in Paris has 743 hours, October 745."""
    spring, autumn = Period.month(2026, 3, "Europe/Paris"), Period.month(2026, 10, "Europe/Paris")
    assert spring.end - spring.start == timedelta(hours=743)
    assert autumn.end - autumn.start == timedelta(hours=745)


def test_months_touch_and_do_not_overlap() -> None:
    """Periods are half-open: the end of one month is the start of the next, to the microsecond."""
    for month in range(1, 12):
        assert Period.month(2026, month, "Europe/Paris").end == Period.month(2026, month + 1, "Europe/Paris").start


@pytest.mark.parametrize("start,end", [(MAY_1, MAY_1), (JUNE_1, MAY_1)])
def test_a_period_begins_before_it_ends(start: datetime, end: datetime) -> None:
    """A period of no time, or a backward one, is refused."""
    with pytest.raises(ValueError, match="a period must begin before it ends"):
        Period(start, end)


def test_a_period_of_naive_datetimes_is_refused() -> None:
    """The ends of a period are instants like any other."""
    with pytest.raises(ValueError, match="has no time zone"):
        Period(datetime(2026, 5, 1), JUNE_1)
    wrong: Any = "2026-05-01T00:00:00Z"
    with pytest.raises(TypeError, match="start is a datetime, not '2026-05-01T00:00:00Z'"):
        Period(wrong, JUNE_1)


def test_a_period_reads_as_text() -> None:
    """A period prints its two instants, in UTC."""
    paris = Period(datetime.fromisoformat("2026-05-01T02:00:00+02:00"), JUNE_1)
    assert str(paris) == "2026-05-01T00:00:00Z to 2026-06-01T00:00:00Z"


# ── past due ─────────────────────────────────────────────────────────────────────────────────────────────────────────
BEFORE, AFTER = MAY_1 - timedelta(microseconds=1), MAY_1 + timedelta(microseconds=1)


@pytest.mark.parametrize(
    "status,due_at,native,as_of,expected",
    [
        ("open", MAY_1, None, BEFORE, False),
        ("open", MAY_1, None, MAY_1, False),
        ("open", MAY_1, None, AFTER, True),
        ("open", MAY_1, "overdue", BEFORE, False),  # a known due date decides, not the word
        ("open", None, None, AFTER, False),
        ("open", None, "open", AFTER, False),
        ("open", None, "overdue", AFTER, True),
        ("open", None, "not_paid", AFTER, True),
        ("open", None, "past_due", AFTER, True),
        ("open", None, "OVERDUE", AFTER, False),
        ("draft", MAY_1, "overdue", AFTER, False),
        ("paid", MAY_1, "overdue", AFTER, False),
        ("void", MAY_1, "past_due", AFTER, False),
        ("uncollectible", MAY_1, None, AFTER, False),
        ("deleted", MAY_1, None, AFTER, False),
        ("unknown", MAY_1, "overdue", AFTER, False),
    ],
)
def test_past_due(status: str, due_at: datetime | None, native: str | None, as_of: datetime, *, expected: bool) -> None:
    """Past due is: open, and due before `as_of`; without a due date the provider's own word decides."""
    assert expected is _invoice(status=status, due_at=due_at, native_status=native).is_past_due(as_of=as_of)


@pytest.mark.parametrize("status", list(Status))
def test_past_due_needs_an_aware_instant_whatever_the_status(status: Status) -> None:
    """A naive `as_of` is refused even where the status alone would give the answer."""
    with pytest.raises(ValueError, match="has no time zone"):
        _invoice(status=status).is_past_due(datetime(2026, 5, 1))


def test_the_statuses_in_order() -> None:
    """The words of the neutral status, in lower case."""
    assert [str(status) for status in Status] == [
        "draft", "open", "paid", "void", "uncollectible", "deleted", "unknown",
    ]  # fmt: skip


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,minor",
    [
        ({"unit_amount": Money(200, "EUR")}, 200),
        ({"quantity": None, "unit_amount": Money(200, "EUR")}, 200),
        ({"quantity": 3, "unit_amount": Money(200, "EUR")}, 600),
        ({"quantity": 0, "unit_amount": Money(200, "EUR")}, 0),
        ({"quantity": Decimal("1.5"), "unit_amount": Money(200, "EUR")}, 300),
        ({"quantity": "1.5", "unit_amount": {"minor": 200, "currency": "EUR"}}, 300),
        ({"quantity": -2, "unit_amount": Money(200, "EUR")}, -400),
        ({"quantity": 3, "unit_amount": Money(200, "EUR"), "amount": Money(555, "EUR")}, 555),  # read: tiers, discounts
    ],
)
def test_the_amount_of_a_line(said: dict[str, Any], minor: int) -> None:
    """An amount left out is the exact product; one that is given is authoritative."""
    assert Money(minor, "EUR") == Line.model_validate(said).amount


@pytest.mark.parametrize(
    "quantity,unit",
    [(Decimal("1.5"), 1), (Decimal("0.333"), 100), (Decimal("1.00000000000000000000000000000000001"), 1000)],
)
def test_a_product_that_is_no_whole_number_is_refused(quantity: Decimal, unit: int) -> None:
    """Half a cent is not rounded, however many digits it takes to see it."""
    with pytest.raises(ValidationError, match="is not a whole number of minor units: state the line's amount"):
        Line(quantity=quantity, unit_amount=Money(unit, "EUR"))


@pytest.mark.parametrize(
    "said,fault",
    [
        ({}, "amount"),
        ({"quantity": 2}, "amount"),
        ({"quantity": 1.5, "unit_amount": Money(2, "EUR")}, "1.5 is not exact: write an int, a Decimal or a string"),
        ({"quantity": True, "unit_amount": Money(2, "EUR")}, "True is not exact"),
        ({"quantity": "x", "unit_amount": Money(2, "EUR")}, "quantity"),
        ({"quantity": Decimal("NaN"), "amount": Money(2, "EUR")}, "finite number"),
        ({"quantity": 1, "unit_amount": 2.5}, "a float cannot hold money exactly"),
        ({"quantity": 1, "unit_amount": {"minor": 2.5, "currency": "EUR"}}, "unit_amount.minor"),
        ({"quantity": 1, "unit_amount": {"units": 2}}, "unit_amount.units"),
        ({"amount": 19.99}, "a float cannot hold money exactly: instead of 19.99 write"),
        ({"amount": Money(1, "EUR"), "description": "\ud800"}, "half of a surrogate pair is no text"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_by_its_field(said: dict[str, Any], fault: str) -> None:
    """Every wrong input is a ValidationError that names the field; none escapes as another exception."""
    with pytest.raises(ValidationError) as caught:
        Line.model_validate(said)
    assert fault in str(caught.value)


# ── the invoice as a whole ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", AMOUNTS)
def test_every_amount_is_in_the_invoices_currency(name: str) -> None:
    """An amount in another currency contradicts the invoice."""
    with pytest.raises(ValidationError, match="every amount of this invoice must be in EUR"):
        _invoice(**{name: Money(1, "USD")})


def test_every_line_is_in_the_invoices_currency() -> None:
    """The lines as well, their unit amounts included."""
    for line in (
        Line(amount=Money(1, "USD")),
        Line(amount=Money(1, "EUR"), unit_amount=Money(1, "USD")),
    ):
        with pytest.raises(ValidationError, match="every amount of this invoice must be in EUR"):
            _invoice(lines=(line,))


def test_the_amounts_stand_in_the_order_of_the_arithmetic() -> None:
    """The names of the amounts, in order, are fields of the invoice in the same order."""
    fields = list(Invoice.model_fields)
    assert AMOUNTS == (
        "subtotal", "discount", "tax", "total", "amount_due", "amount_paid", "amount_credited", "amount_refunded",
        "amount_remaining",
    )  # fmt: skip
    assert tuple(name for name in fields if name in AMOUNTS) == AMOUNTS


def test_what_the_provider_does_not_say_is_none() -> None:
    """The least invoice says nothing about money: None, never zero."""
    least = _invoice()
    assert [getattr(least, name) for name in AMOUNTS] == [None] * 9
    assert least.payment_pending is None
    assert least.test_mode is None
    assert least.collection is None


def test_addresses_and_raw_stay_out_of_repr() -> None:
    """A hosted page's address lets anyone pay or read; it and raw do not stand in a log line."""
    assert "pay.example.test" not in repr(WHOLE)
    assert "raw=" not in repr(WHOLE)


# ── customers and collection ─────────────────────────────────────────────────────────────────────────────────────────
def test_ids_name_the_customer_at_each_provider() -> None:
    """With `ids`, only they count: another provider's id may name another customer."""
    everywhere = CustomerRef(id="cus_1", ids={"stripe": "cus_1", "whop": "mber_2"})
    assert [everywhere.at(name) for name in ("stripe", "whop", "chargebee")] == ["cus_1", "mber_2", None]
    assert CustomerRef(id="cus_1").at("anywhere") == "cus_1"
    assert CustomerRef(email="a@b.test").at("anywhere") is None


def test_collection_says_who_moves_the_money() -> None:
    """The three kinds, by the three constructors."""
    assert Collection.manual() == Collection(kind="manual")
    assert Collection.send(net_days=14) == Collection(kind="send", net_days=14)
    assert Collection.send(due=MAY_1) == Collection(kind="send", due=MAY_1)
    assert Collection.charge() == Collection(kind="charge")
    assert Collection.charge("pm_1") == Collection(kind="charge", payment_method="pm_1")


@pytest.mark.parametrize("said", [{}, {"due": MAY_1, "net_days": 14}])
def test_sending_takes_exactly_one_due_date(said: dict[str, Any]) -> None:
    """A mailed bill without a due date, or with two, is refused."""
    with pytest.raises(ValueError, match="exactly one of due=… and net_days=…"):
        Collection.send(**said)


@pytest.mark.parametrize(
    "said,fault",
    [
        ({"kind": "manual", "net_days": 14}, "a due date belongs to Collection.send, not to manual"),
        ({"kind": "charge", "due": MAY_1}, "a due date belongs to Collection.send, not to charge"),
        ({"kind": "manual", "payment_method": "pm"}, "a payment method belongs to Collection.charge, not to manual"),
        ({"kind": "send", "payment_method": "pm", "net_days": 1}, "not to send"),
        ({"kind": "maybe"}, "'manual', 'send' or 'charge'"),
        ({"kind": "send", "net_days": -1}, "greater than or equal to 0"),
        ({"kind": "send", "net_days": 14.0}, "valid integer"),
        ({"kind": "send", "net_days": True}, "valid integer"),
        ({"kind": "charge", "payment_method": ""}, "at least 1 character"),
    ],
)
def test_a_collection_that_contradicts_itself_is_refused(said: dict[str, Any], fault: str) -> None:
    """What belongs to another kind, or is no number of days, is refused."""
    with pytest.raises(ValidationError) as caught:
        Collection(**said)
    assert fault in str(caught.value)


# ── the JSON Schema ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_every_field_of_the_json_schema_is_described(mode: Literal["validation", "serialization"]) -> None:
    """For every field of an invoice and of its parts there is a description, in the model's order, and for no other."""
    schema = Invoice.model_json_schema(mode=mode)
    types = {"Invoice": schema, **schema["$defs"]}
    bare = [
        f"{name}.{field}"
        for name, each in types.items()
        for field, told in each.get("properties", {}).items()
        if not told.get("description")
    ]
    assert bare == []
    fields = {name: list(each["properties"]) for name, each in types.items() if "properties" in each}
    assert {name: list(each) for name, each in DESCRIPTIONS.items()} == fields
    assert all(text.endswith(".") for each in DESCRIPTIONS.values() for text in each.values())


def test_a_web_framework_gets_the_same_descriptions() -> None:
    """A model of a caller's own that holds an invoice has them too: that is what FastAPI publishes."""

    class Answer(BaseModel):
        invoice: Invoice

    published = TypeAdapter(list[Answer]).json_schema()["$defs"]["Invoice"]["properties"]
    assert published["total"]["description"] == DESCRIPTIONS["Invoice"]["total"]
