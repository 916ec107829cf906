"""Pairs of imports that differ in one leaf alone: see metamorphic.py, whose `contradiction` holds them to the rows.

A document that cannot have the leaf (a draft has no payments) has no variant. What must follow a leaf follows it: a
line of another amount is in a document of another total.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from invoice_bridge.core.commands import ImportInvoice, Source
from invoice_bridge.core.model import (
    Address,
    Adjustment,
    CreditNote,
    CustomerRef,
    Discount,
    Line,
    Payment,
    Period,
    Status,
    TaxId,
    TaxLine,
)
from invoice_bridge.core.money import Money
from invoice_bridge.testing.documents import PAID

ONE_VALUE = frozenset({"payments[].state"})
"""The leaves that have one value in every import: another one is refused by the command itself."""
Pair = tuple[ImportInvoice, ImportInvoice]
_Make = Callable[[ImportInvoice], list[Pair]]


def import_variants(command: ImportInvoice, leaf: str) -> list[Pair]:
    """Return pairs of imports, made from one, that differ in a leaf alone; none where it cannot have that leaf."""
    make = _VARIANTS.get(leaf)
    if make is None:
        return []
    try:
        return [pair for pair in make(command) if pair[0] != pair[1]]
    except ValidationError:
        return []


def leaves_with_import_variants() -> frozenset[str]:
    """Return the leaves for which there are variants, and those that never vary."""
    return frozenset(_VARIANTS) | ONE_VALUE


def _with(command: ImportInvoice, **fields: Any) -> ImportInvoice:
    kept = {name: getattr(command, name) for name in ImportInvoice.model_fields}
    return ImportInvoice(**(kept | fields))


def _set(name: str, one: Any, *others: Any) -> _Make:
    return lambda command: [(_with(command, **{name: one}), _with(command, **{name: other})) for other in others]


def _customers(**changes: tuple[Any, Any]) -> _Make:
    """Change what is known of a customer, of one with an id and of one without."""

    def make(command: ImportInvoice) -> list[Pair]:
        pairs = []
        own = command.customer.id if command.customer is not None else None
        for known in dict.fromkeys((own, None)):
            base = CustomerRef(id=known, email="a@example.test", name="A")
            one, two = (base.model_copy(update={name: pair[n] for name, pair in changes.items()}) for n in (0, 1))
            pairs.append((_with(command, customer=one), _with(command, customer=two)))
        return pairs

    return make


def _lines(change: Callable[[Line, str], list[tuple[Line, Line]]]) -> _Make:
    """Change the first line; the total follows what the line comes to."""

    def make(command: ImportInvoice) -> list[Pair]:
        if not command.lines:
            return []
        first, *rest = command.lines
        bare = first.model_copy(update={"taxes": (), "discount": None})
        pairs = []
        for two_lines in change(bare, command.currency):
            sides = []
            for line in two_lines:
                total = command.total - first.amount + line.amount
                if not command.taxes:
                    total = total - _on_top(first) + _on_top(line)
                sides.append(_with(command, lines=(line, *rest), total=total))
            pairs.append((sides[0], sides[1]))
        return pairs

    return make


def _on_top(line: Line) -> Money:
    tax = sum(tax.amount.minor for tax in line.taxes if not tax.inclusive)
    return Money(tax, line.amount.currency)


def _line(line: Line, **fields: Any) -> Line:
    kept = {name: getattr(line, name) for name in Line.model_fields}
    return Line(**(kept | fields))


def _line_words(name: str, one: Any, two: Any) -> _Make:
    return _lines(lambda line, _: [(_line(line, **{name: one}), _line(line, **{name: two}))])


def _line_amounts(line: Line, currency: str) -> list[tuple[Line, Line]]:
    plain = _line(line, quantity=None, unit_amount=None)
    return [(_line(plain, amount=Money(1200, currency)), _line(plain, amount=Money(2400, currency)))]


def _quantities(line: Line, currency: str) -> list[tuple[Line, Line]]:
    whole = Money(3600, currency)
    return [
        (
            _line(line, quantity=Decimal(2), unit_amount=Money(1800, currency), amount=whole),
            _line(line, quantity=Decimal(3), unit_amount=Money(1200, currency), amount=whole),
        ),
        (
            _line(line, quantity=Decimal("2.5"), unit_amount=None, amount=whole),
            _line(line, quantity=Decimal("3.5"), unit_amount=None, amount=whole),
        ),
    ]


def _line_taxes(line: Line, currency: str) -> list[tuple[Line, Line]]:
    def taxed(name: str, rate: int | None, minor: int, *, inclusive: bool = False) -> Line:
        return _line(line, taxes=(_tax(name, rate, minor, currency, inclusive=inclusive),))

    return [
        (taxed("VAT", 19, 190), taxed("VAT", 19, 200)),
        (taxed("VAT", 19, 190), taxed("GST", 19, 190)),
        (taxed("VAT", 19, 190), taxed("VAT", 7, 190)),
        (taxed("VAT", None, 190), taxed("GST", None, 190)),
        (taxed("VAT", 19, 190, inclusive=True), taxed("GST", 19, 190, inclusive=True)),
    ]


def _tax(name: str, rate: int | None, minor: int, currency: str, *, inclusive: bool = False) -> TaxLine:
    known = None if rate is None else Decimal(rate)
    return TaxLine(name=name, rate=known, amount=Money(minor, currency), inclusive=inclusive)


def _taxes(command: ImportInvoice) -> list[Pair]:
    """Taxes of the document, on top of its lines or within them, where its lines state none."""
    bare = tuple(line.model_copy(update={"taxes": ()}) for line in command.lines)

    def taxed(name: str, rate: int | None, minor: int, *, inclusive: bool = False) -> ImportInvoice:
        tax = _tax(name, rate, minor, command.currency, inclusive=inclusive)
        total = _net(command)
        return _with(command, lines=bare, taxes=(tax,), total=total if inclusive else total + tax.amount)

    return [
        (taxed("VAT", 19, 190), taxed("VAT", 19, 200)),
        (taxed("VAT", 19, 190), taxed("GST", 19, 190)),
        (taxed("VAT", None, 190), taxed("GST", None, 190)),
        (taxed("VAT", 19, 190, inclusive=True), taxed("GST", 19, 190, inclusive=True)),
    ]


def _net(command: ImportInvoice) -> Money:
    """Return the total without tax on top."""
    tax = sum(tax.amount.minor for tax in command.tax_lines if not tax.inclusive)
    return command.total - Money(tax, command.currency)


def _discounts(one: dict[str, Any], two: dict[str, Any]) -> _Make:
    def make(command: ImportInvoice) -> list[Pair]:
        before = command.total
        for discount in command.discounts:
            before += discount.amount or Money.zero(command.currency)

        def discounted(said: dict[str, Any]) -> ImportInvoice:
            amount = Money(said.get("minor", 100), command.currency)
            fields = {name: value for name, value in said.items() if name != "minor"}
            return _with(
                command, discounts=(Discount(**{"name": "Less", **fields}, amount=amount),), total=before - amount
            )

        return [(discounted(one), discounted(two))] if command.lines else []

    return make


def _adjustments(one: tuple[Any, int], two: tuple[Any, int]) -> _Make:
    def make(command: ImportInvoice) -> list[Pair]:
        before = command.total
        for adjustment in command.adjustments:
            before -= adjustment.amount

        def adjusted(kind: Any, minor: int) -> ImportInvoice:
            amount = Money(minor, command.currency)
            return _with(command, adjustments=(Adjustment(kind=kind, amount=amount),), total=before + amount)

        return [(adjusted(*one), adjusted(*two))] if command.lines else []

    return make


def _payments(one: dict[str, Any], two: dict[str, Any]) -> _Make:
    """Return a payment of a part of an open document."""

    def make(command: ImportInvoice) -> list[Pair]:
        def paid(said: dict[str, Any]) -> ImportInvoice:
            amount = Money(said.get("minor", 100), command.currency)
            fields: dict[str, Any] = {"amount": amount, "at": PAID, "state": "succeeded"}
            fields |= {name: value for name, value in said.items() if name != "minor"}
            return _with(command, payments=(Payment(**fields),))

        return [(paid(one), paid(two))] if command.status in {Status.OPEN, Status.UNCOLLECTIBLE} else []

    return make


def _refunded_payments(command: ImportInvoice) -> list[Pair]:
    if not command.payments:
        return []
    first, *rest = command.payments
    amounts = [None, Money(1, command.currency)]
    one, two = (_with(command, payments=(first.model_copy(update={"refunded": amount}), *rest)) for amount in amounts)
    return [(one, two)]


def _notes(one: dict[str, Any], two: dict[str, Any]) -> _Make:
    """Return a credit note: an adjustment of an open document, a refund of one that is paid."""

    def make(command: ImportInvoice) -> list[Pair]:
        kind = "refund" if command.status is Status.PAID else "adjustment"

        def noted(said: dict[str, Any]) -> ImportInvoice:
            amount = Money(said.get("minor", 100), command.currency)
            fields: dict[str, Any] = {"amount": amount, "kind": kind, "at": PAID}
            fields |= {name: value for name, value in said.items() if name != "minor"}
            return _with(command, credit_notes=(CreditNote(**fields),))

        fits = command.status in {Status.OPEN, Status.PAID} and not command.credited
        return [(noted(one), noted(two))] if fits else []

    return make


def _statuses(command: ImportInvoice) -> list[Pair]:
    if command.status is not Status.OPEN or command.payments or not command.armed or command.mail:
        return []
    others = (Status.DRAFT, Status.VOID, Status.UNCOLLECTIBLE)
    return [(command, _with(command, status=other)) for other in others]


def _mails(command: ImportInvoice) -> list[Pair]:
    if command.status is not Status.OPEN or not command.armed:
        return []
    return [(_with(command, mail=False), _with(command, mail=True))]


def _arms(command: ImportInvoice) -> list[Pair]:
    if command.status is not Status.OPEN or command.mail:
        return []
    return [(_with(command, armed=True), _with(command, armed=False))]


def _totals(command: ImportInvoice) -> list[Pair]:
    """Return the total of a document without lines: with lines they decide it."""
    if command.lines or command.payments:
        return []
    one, two = (Money(minor, command.currency) for minor in (900, 1800))
    return [(_with(command, total=one), _with(command, total=two))]


def _each(*makes: _Make) -> _Make:
    return lambda command: [pair for make in makes for pair in make(command)]


def _sources(one: Source, two: Source) -> _Make:
    return lambda command: [(_with(command, source=one), _with(command, source=two))]


def _currencies(command: ImportInvoice) -> list[Pair]:
    other: ImportInvoice = ImportInvoice(**_in(command, "USD"))
    return [(command, other)] if command.currency == "EUR" else []


def _in(value: Any, currency: str) -> Any:
    """Return the same with every amount in another currency."""
    if isinstance(value, Money):
        return Money(value.minor, currency)
    if isinstance(value, ImportInvoice):
        return {name: _in(getattr(value, name), currency) for name in ImportInvoice.model_fields}
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _in(inner, currency) for name, inner in value})
    return tuple(_in(inner, currency) for inner in value) if isinstance(value, tuple) else value


def _shifted(edge: str) -> tuple[Period, Period]:
    period, day = Period.month(2026, 2), timedelta(days=1)
    moved = Period(period.start + day, period.end) if edge == "start" else Period(period.start, period.end + day)
    return period, moved


def _periods(edge: str) -> _Make:
    one, two = _shifted(edge)

    def make(command: ImportInvoice) -> list[Pair]:
        bare = tuple(line.model_copy(update={"period": None}) for line in command.lines)
        return [(_with(command, period=one, lines=bare), _with(command, period=two, lines=bare))]

    return make


_DAY = timedelta(days=1)
_VARIANTS: dict[str, _Make] = {
    "reference": _set("reference", "ref-1", "ref-2"),
    "customer.id": _customers(id=("cus_42", "cus_43")),
    "customer.email": _customers(email=("a@example.test", "b@example.test")),
    "customer.name": _customers(name=("A", "B")),
    "customer.address": _customers(address=(Address(line1="1 High Street"), Address(line1="2 High Street"))),
    "customer.tax_ids[]": _customers(tax_ids=((TaxId(value="DE1"),), (TaxId(value="DE2"), TaxId(value="FR1")))),
    "currency": _currencies,
    "lines[].description": _line_words("description", "One", "Two"),
    "lines[].quantity": _lines(_quantities),
    "lines[].unit_amount": _lines(_quantities),
    "lines[].amount": _lines(_line_amounts),
    "lines[].period.start": _line_words("period", *_shifted("start")),
    "lines[].period.end": _line_words("period", *_shifted("end")),
    "lines[].id": _line_words("id", "line_1", "line_2"),
    "lines[].product": _line_words("product", "prod_1", "prod_2"),
    "lines[].price": _line_words("price", "price_1", "price_2"),
    "lines[].subscription": _line_words("subscription", "sub_1", "sub_2"),
    "lines[].discount": _line_words("discount", None, Money(1, "EUR")),
    "lines[].taxes[]": _lines(_line_taxes),
    "lines[].metadata": _line_words("metadata", {"a": "1"}, {"a": "2"}),
    "lines[].proration": _line_words("proration", True, False),
    "lines[].provider": _line_words("provider", "acme", "other"),
    "status": _statuses,
    "total": _totals,
    "number": _set("number", "N-1", "N-2"),
    "issued_at": lambda command: [(command, _with(command, issued_at=command.issued_at + _DAY))],
    "due_at": lambda command: [(_with(command, due_at=PAID + 400 * _DAY), _with(command, due_at=PAID + 401 * _DAY))],
    "paid_at": _set("paid_at", PAID, PAID + _DAY),
    "voided_at": _set("voided_at", PAID, PAID + _DAY),
    "uncollectible_at": _set("uncollectible_at", PAID, PAID + _DAY),
    "period.start": _periods("start"),
    "period.end": _periods("end"),
    "discounts[].id": _discounts({"id": "di_1"}, {"id": "di_2"}),
    "discounts[].code": _discounts({"code": "ONE"}, {"code": "TWO"}),
    "discounts[].name": _discounts({"name": "One"}, {"name": "Two"}),
    "discounts[].amount": _discounts({"minor": 100}, {"minor": 200}),
    "taxes[]": _taxes,
    "adjustments[].kind": _adjustments(("shipping", 40), ("other", 40)),
    "adjustments[].amount": _adjustments(("rounding", 1), ("rounding", 2)),
    "payments[].id": _payments({"id": "pay_1"}, {"id": "pay_2"}),
    "payments[].amount": _payments({"minor": 100}, {"minor": 200}),
    "payments[].at": _payments({"at": PAID}, {"at": PAID + _DAY}),
    "payments[].method": _payments({"method": "cash"}, {"method": "check"}),
    "payments[].recorded_outside": _payments({"recorded_outside": True}, {"recorded_outside": False}),
    "payments[].refunded": _refunded_payments,
    "credit_notes[].id": _notes({"id": "re_1"}, {"id": "re_2"}),
    "credit_notes[].number": _notes({"number": "R-1"}, {"number": "R-2"}),
    "credit_notes[].amount": _notes({"minor": 100}, {"minor": 200}),
    "credit_notes[].reason": _notes({"reason": "Other"}, {"reason": "Goodwill"}),
    "credit_notes[].kind": _notes({}, {"kind": "credit"}),
    "credit_notes[].at": _each(
        _notes({"at": PAID}, {"at": PAID + _DAY}), _notes({"at": PAID + 3 * _DAY}, {"at": None})
    ),
    "description": _set("description", "One", "Two"),
    "purchase_order": _set("purchase_order", "PO-1", "PO-2"),
    "footer": _set("footer", "One", "Two"),
    "custom_fields": _set("custom_fields", {"Cost centre": "1"}, {"Cost centre": "2"}),
    "metadata": _set("metadata", {"a": "1"}, {"a": "2"}),
    "subscription": _set("subscription", "sub_1", "sub_2"),
    "source.provider": _sources(Source("acme", "a", "in_1"), Source("other", "a", "in_1")),
    "source.account": _sources(Source("acme", "a", "in_1"), Source("acme", "b", "in_1")),
    "source.id": _sources(Source("acme", "a", "in_1"), Source("acme", "a", "in_2")),
    "armed": _arms,
    "mail": _mails,
    "attempt": _set("attempt", 1, 2),
}
"""leaf → the pairs that differ in it"""
