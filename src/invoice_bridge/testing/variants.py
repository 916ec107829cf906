"""Pairs of bills that differ in one leaf alone: see metamorphic.py, whose `contradiction` compares their plans.

Rules of this file: pure. Every leaf of a bill has a variant; a test finds a missing one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from invoice_bridge.core.commands import Bill, OneTimeCharge
from invoice_bridge.core.model import (
    Address,
    Collection,
    CustomerRef,
    Discount,
    Line,
    Period,
    TaxId,
    TaxLine,
    TaxRate,
)
from invoice_bridge.core.money import Money


def variants(command: Bill, leaf: str) -> list[tuple[Bill, Bill]]:
    """Pairs of commands, made from one, that differ in a leaf alone; none where the command has no such leaf to change.

    Where a rule ties leaves together (quantity × unit amount is the amount) the tied leaf that must move moves too.
    """
    make = _VARIANTS.get(leaf)
    return [pair for pair in make(command) if pair[0] != pair[1]] if make else []


def leaves_with_variants() -> frozenset[str]:
    """Return the leaves for which there are variants."""
    return frozenset(_VARIANTS)


def _with(command: Bill, **fields: Any) -> Bill:
    """Return the command with other fields, checked again."""
    kept = {name: getattr(command, name) for name in type(command).model_fields}
    return type(command)(**(kept | fields))


def _set(name: str, one: Any, *others: Any) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    return lambda command: (
        [(_with(command, **{name: one}), _with(command, **{name: two})) for two in others]
        if name in type(command).model_fields
        else []
    )


def _customers(one: CustomerRef, two: CustomerRef) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    return lambda command: [(_with(command, customer=one), _with(command, customer=two))]


def _known_by(one: tuple[str, str], two: tuple[str, str]) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    """Change e-mail or name, of a customer without an id and of one with: a provider may look at either."""

    def customer(known: str | None, said: tuple[str, str]) -> CustomerRef:
        return CustomerRef(id=known, email=said[0], name=said[1])

    return lambda command: [
        (_with(command, customer=customer(known, one)), _with(command, customer=customer(known, two)))
        for known in (None, "cus_42")
    ]


def _lines(change: Callable[[Line, str], list[tuple[Line, Line]]]) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    def make(command: Bill) -> list[tuple[Bill, Bill]]:
        currency = command.currency  # type: ignore[attr-defined]
        base = command.lines or ((Line(description="Line", amount=Money(1200, currency)),) if _rates(command) else ())
        if not base:
            return []
        plain = {"amount": None} if "amount" in type(command).model_fields else {}
        return [
            (_with(command, lines=(one, *base[1:]), **plain), _with(command, lines=(two, *base[1:]), **plain))
            for one, two in change(base[0], base[0].amount.currency)
        ]

    return make


def _rates(command: Bill) -> bool:
    """Return whether the caller rates the bill, so that lines may be put into it."""
    return isinstance(command, OneTimeCharge) or bool(command.lines)


def _line(line: Line, **fields: Any) -> Line:
    kept = {name: getattr(line, name) for name in type(line).model_fields}
    return Line(**(kept | fields))


def _line_texts(name: str) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    return _lines(lambda line, _: [(_line(line, **{name: "one_1"}), _line(line, **{name: "two_2"}))])


def _catalog_ids(name: str) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    """Return a product or price that the caller names, and one of a line that was read from an invoice."""
    return _lines(
        lambda line, _: [
            (_line(line, id=known, **{name: "one_1"}), _line(line, id=known, **{name: "two_2"}))
            for known in (None, "line_1")
        ]
    )


def _discounts(one: dict[str, Any], two: dict[str, Any]) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    """Return a discount off the whole bill, where the caller rates it."""

    def make(command: Bill) -> list[tuple[Bill, Bill]]:
        if not _rates(command):
            return []
        currency = command.currency  # type: ignore[attr-defined]

        def discounted(said: dict[str, Any]) -> Bill:
            fields = {"name": "Less", **said, "amount": Money(said.get("amount", 100), currency)}
            return _with(command, discounts=(Discount(**fields),))

        return [(discounted(one), discounted(two))]

    return make


def _rates_of_tax(command: Bill) -> list[tuple[Bill, Bill]]:
    """Rates of the caller's own, where the caller rates the bill; what they are added to is not changed by them."""
    if not _rates(command):
        return []
    stated = [TaxRate(name="VAT", rate=19), TaxRate(name="VAT", rate=7), TaxRate(name="GST", rate=19)]
    one, *others = (_with(command, tax=(rate,)) for rate in [*stated, TaxRate(name="VAT", rate=19, inclusive=True)])
    return [(_with(command, tax="none"), one), *((one, other) for other in others)]


def _taxes_of_a_line(line: Line, currency: str) -> list[tuple[Line, Line]]:
    """Return taxes without a rate, as lines that were read have them, and rates of the caller's own."""
    bare = [_line(line, taxes=[TaxLine(amount=Money(minor, currency))]) for minor in (100, 200)]
    stated = [TaxRate(name="VAT", rate=19), TaxRate(name="VAT", rate=7), TaxRate(name="GST", rate=19)]
    one, *others = (_line(line, taxes=[rate]) for rate in [*stated, TaxRate(name="VAT", rate=19, inclusive=True)])
    none = _line(line, taxes=[])
    return [*((none, taxed) for taxed in (*bare, one)), *((one, other) for other in others)]


def _quantities(line: Line, currency: str) -> list[tuple[Line, Line]]:
    unit = 600
    return [
        (
            _line(line, quantity=Decimal(2), unit_amount=None),
            _line(line, quantity=Decimal(3), unit_amount=None),
        ),
        (
            _line(line, quantity=Decimal(2), unit_amount=Money(3 * unit, currency), amount=Money(6 * unit, currency)),
            _line(line, quantity=Decimal(3), unit_amount=Money(2 * unit, currency), amount=Money(6 * unit, currency)),
        ),
    ]


def _amounts(line: Line, currency: str) -> list[tuple[Line, Line]]:
    plain = _line(line, quantity=None, unit_amount=None)
    return [(_line(plain, amount=Money(1200, currency)), _line(plain, amount=Money(2400, currency)))]


def _line_periods(edge: str) -> Callable[[Line, str], list[tuple[Line, Line]]]:
    def change(line: Line, _currency: str) -> list[tuple[Line, Line]]:
        one, two = _shifted(Period.month(2026, 5), edge)
        return [(_line(line, period=one), _line(line, period=two))]

    return change


def _shifted(period: Period, edge: str) -> tuple[Period, Period]:
    day = timedelta(days=1)
    moved = Period(period.start + day, period.end) if edge == "start" else Period(period.start, period.end + day)
    return period, moved


def _periods(edge: str) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    def make(command: Bill) -> list[tuple[Bill, Bill]]:
        one, two = _shifted(Period.month(2026, 5), edge)
        bare = tuple(_line(line, period=None) for line in command.lines)
        return [(_with(command, period=one, lines=bare), _with(command, period=two, lines=bare))]

    return make


def _currencies(command: Bill) -> list[tuple[Bill, Bill]]:
    def spoken(currency: str) -> Bill:
        def money(amount: Money | None) -> Money | None:
            return None if amount is None else Money(amount.minor, currency)

        fields: dict[str, Any] = {
            "lines": tuple(
                _line(row, amount=money(row.amount), unit_amount=money(row.unit_amount)) for row in command.lines
            )
        }
        if isinstance(command, OneTimeCharge):
            return _with(command, amount=money(command.amount), **fields)
        return _with(command, currency=currency, **fields)

    return [(spoken("EUR"), spoken("USD"))]


def _one_amount(command: Bill) -> list[tuple[Bill, Bill]]:
    if not isinstance(command, OneTimeCharge):
        return []
    return [tuple(_with(command, lines=(), amount=Money(minor, command.currency)) for minor in (1200, 2400))]  # type: ignore[list-item]


def _sends(**second: Any) -> Callable[[Bill], list[tuple[Bill, Bill]]]:
    def make(command: Bill) -> list[tuple[Bill, Bill]]:
        issued = Period.month(2026, 5).start
        first: dict[str, Any]
        if "net_days" in second:
            first = {"net_days": second["net_days"] + 7}
        else:
            first = {"due": issued + timedelta(days=second["after"])}
            return [
                (
                    _with(command, issued_at=issued, collection=Collection.send(**first)),
                    _with(command, issued_at=issued, collection=Collection.send(due=first["due"] + timedelta(days=7))),
                )
            ]
        return [
            (
                _with(command, issued_at=issued, collection=Collection.send(**first)),
                _with(command, issued_at=issued, collection=Collection.send(**second)),
            )
        ]

    return make


def _kinds(command: Bill) -> list[tuple[Bill, Bill]]:
    return [
        (_with(command, collection=Collection.charge("pm_42")), _with(command, collection=Collection.manual())),
        (_with(command, collection=Collection.manual()), _with(command, collection=Collection.charge("pm_42"))),
    ]


def _expectations(command: Bill) -> list[tuple[Bill, Bill]]:
    total = command.total or Money(1200, command.currency)  # type: ignore[attr-defined]
    return [(_with(command, expect_total=None), _with(command, expect_total=total))]


_DAY = timedelta(days=1)
_VARIANTS: dict[str, Callable[[Bill], list[tuple[Bill, Bill]]]] = {
    "reference": _set("reference", "ref-1", "ref-2", "ref-" + 96 * "2"),  # the longest that there is
    "customer.id": _customers(CustomerRef(id="cus_42"), CustomerRef(id="cus_43")),
    "customer.email": _known_by(("a@example.test", "A"), ("b@example.test", "A")),
    "customer.name": _known_by(("a@example.test", "A"), ("a@example.test", "B")),
    "currency": _currencies,
    "customer.address": _customers(
        CustomerRef(id="cus_42", address=Address(city="Berlin")), CustomerRef(id="cus_42", address=Address(city="Bonn"))
    ),
    "customer.tax_ids[]": _customers(
        CustomerRef(id="cus_42", tax_ids=(TaxId(value="1"),)), CustomerRef(id="cus_42", tax_ids=(TaxId(value="2"),))
    ),
    "lines[].id": _line_texts("id"),
    "lines[].product": _catalog_ids("product"),
    "lines[].price": _catalog_ids("price"),
    "lines[].subscription": _line_texts("subscription"),
    "lines[].discount": _lines(
        lambda line, currency: [
            (_line(line, discount=Money(100, currency)), _line(line, discount=Money(200, currency)))
        ]
    ),
    "lines[].taxes[]": _lines(_taxes_of_a_line),
    "lines[].metadata": _lines(
        lambda line, _: [(_line(line, metadata={"key": "one"}), _line(line, metadata={"key": "two"}))]
    ),
    "lines[].proration": _lines(lambda line, _: [(_line(line, proration=True), _line(line, proration=False))]),
    "lines[].provider": _line_texts("provider"),
    "lines[].description": _lines(lambda line, _: [(_line(line, description="One"), _line(line, description="Two"))]),
    "lines[].quantity": _lines(_quantities),
    "lines[].unit_amount": _lines(lambda line, currency: _quantities(line, currency)[1:]),
    "lines[].amount": _lines(_amounts),
    "lines[].period.start": _lines(_line_periods("start")),
    "lines[].period.end": _lines(_line_periods("end")),
    "period.start": _periods("start"),
    "period.end": _periods("end"),
    "description": _set("description", "One", "Two"),
    "purchase_order": _set("purchase_order", "PO-1", "PO-2"),
    "metadata": _set("metadata", {"key": "one"}, {"key": "two"}, {"key": ""}),
    "issued_at": _set("issued_at", Period.month(2026, 5).start, Period.month(2026, 5).start + _DAY),
    "collection.kind": _kinds,
    "collection.due": _sends(after=14),
    "collection.net_days": _sends(net_days=14),
    "collection.payment_method": _set("collection", Collection.charge("pm_42"), Collection.charge("pm_43")),
    "tax": _set("tax", "none", "provider"),
    "draft": _set("draft", False, True),
    "attempt": _set("attempt", 1, 2),
    "amount": _one_amount,
    "native": _set("native", {}, {"elsewhere": {"parameter": "one"}}),
    "native_unchecked": _set("native_unchecked", {}, {"elsewhere": {"parameter": "one"}}),
    "expect_total": _expectations,
    "subscription": _set("subscription", "sub_42", "sub_43"),
    "discounts[].id": _discounts({"id": "di_1"}, {"id": "di_2"}),
    "discounts[].code": _discounts({"code": "ONE"}, {"code": "TWO"}),
    "discounts[].name": _discounts({"name": "One"}, {"name": "Two"}),
    "discounts[].amount": _discounts({"amount": 100}, {"amount": 200}),
    "tax[]": _rates_of_tax,
}
