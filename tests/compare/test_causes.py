"""The cause of each difference: proved by the arithmetic of the invoice, or not claimed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import Adjustment, Invoice, Line, Money, Payment, Status
from invoice_bridge.compare import Allowed, Verdict, compare
from invoice_bridge.compare.causes import FORMULAS
from invoice_bridge.core.model import AMOUNTS
from tests.compare.bills import LINES, OTHER_IDENTITY, bill, eur


def causes(left: Invoice, right: Invoice, **options: Any) -> dict[str, tuple[str, ...]]:
    """Return each differing path of a pair with its causes, in the listed order."""
    with compare(left, right, **options) as found:
        (row,) = found.rows
        return {one.path: one.because for one in row.differences if one.verdict is not Verdict.UNSAID}


def with_line(place: int, **changes: Any) -> tuple[Line, ...]:
    """Return the lines of the bill, one of them changed."""
    return tuple(line.model_copy(update=changes) if n == place else line for n, line in enumerate(LINES))


CENT_MORE: Mapping[str, Any] = {
    "subtotal": eur(12501),
    "total": eur(14801),
    "amount_due": eur(14701),
    "amount_remaining": eur(14001),
}


def test_every_amount_with_a_sum_has_a_formula_and_the_rest_has_none() -> None:
    """A refund is a cause of its own: no stated amount of the invoice adds up to it."""
    assert set(FORMULAS) == set(AMOUNTS) - {"amount_refunded"}


def test_a_changed_line_explains_every_amount_above_it() -> None:
    """The unit price first, then the amount of the line, subtotal, total, due and remaining, each with its cause."""
    other = bill(**OTHER_IDENTITY, lines=with_line(0, unit_amount=eur(5001), amount=eur(10002)), **{
        name: Money(amount.minor + 1, "EUR") for name, amount in CENT_MORE.items()
    })  # fmt: skip
    assert list(causes(bill(), other).items()) == [
        ("lines[0].unit_amount", ()),
        ("lines[0].amount", ("lines[0].unit_amount",)),
        ("subtotal", ("lines[0].amount",)),
        ("total", ("subtotal",)),
        ("amount_due", ("total",)),
        ("amount_remaining", ("amount_due",)),
    ]


def test_a_total_that_is_a_cent_off_is_a_cause_of_its_own() -> None:
    """The line explains one cent of the subtotal, but not two of the total: nothing is claimed for the total."""
    amounts = {**CENT_MORE, "total": eur(14802)}
    found = causes(bill(), bill(**OTHER_IDENTITY, lines=with_line(1, unit_amount=None, amount=eur(3001)), **amounts))
    assert found["subtotal"] == ("lines[1].amount",)
    assert found["total"] == ()
    assert found["amount_due"] == ()


@pytest.mark.parametrize("tax, total, expected", [(2401, 14802, ("subtotal", "tax")), (2401, 14801, ("subtotal",))])
def test_tax_counts_on_top_or_inside_the_prices(tax: int, total: int, expected: tuple[str, ...]) -> None:
    """Both readings of tax are tried, that on top first."""
    changed = {**CENT_MORE, "total": eur(total), "tax": eur(tax)}
    lines = with_line(2, amount=eur(-499))
    assert causes(bill(), bill(**OTHER_IDENTITY, lines=lines, **changed))["total"] == expected


def test_without_a_subtotal_the_lines_explain_the_total() -> None:
    """Not every provider states a subtotal."""
    lines = (*LINES, Line(description="Towels", amount=eur(250)))
    more = {"subtotal": None, "total": eur(15050), "amount_due": eur(14950), "amount_remaining": eur(14250)}
    assert causes(bill(), bill(**OTHER_IDENTITY, lines=lines, **more)) == {
        "lines[3]": (),
        "total": ("lines[3]",),
        "amount_due": ("total",),
        "amount_remaining": ("amount_due",),
    }


def test_items_of_both_sides_at_one_path_both_count_and_none_is_lost() -> None:
    """An adjustment that only the left has and one that only the right has share a path; the total has both."""
    rounding, other = Adjustment(kind="rounding", amount=eur(5)), Adjustment(kind="other", amount=eur(8))
    with compare(
        bill(adjustments=(rounding,)), bill(**OTHER_IDENTITY, adjustments=(other,), total=eur(14803))
    ) as found:
        (row,) = found.rows
    shapes = [(one.path, one.because) for one in row.differences]
    assert shapes == [("adjustments[0]", ()), ("adjustments[0]", ()), ("total", ("adjustments[0]",))]


def test_a_status_never_follows_from_an_amount() -> None:
    """A paid invoice and an open one: the payment explains the amounts; the status is listed as a cause."""
    at = datetime(2026, 5, 3, tzinfo=UTC)
    paid = Payment(amount=eur(14000), at=at, state="succeeded")
    before = Payment(amount=eur(700), at=at, state="succeeded")
    left = bill(payments=(before,), payments_complete=True)
    right = bill(**OTHER_IDENTITY, payments=(before, paid), payments_complete=True, status=Status.PAID).model_copy(
        update={"amount_paid": eur(14700), "amount_remaining": eur(0), "collection": left.collection}
    )
    found = causes(left, right)
    assert found["status"] == ()
    assert found["amount_paid"] == ("payments[1]",)
    assert found["amount_remaining"] == ("amount_paid",)


def test_a_failed_payment_explains_nothing() -> None:
    """Money that did not move is no cause of a paid amount."""
    failed = Payment(amount=eur(100), at=datetime(2026, 5, 3, tzinfo=UTC), state="failed")
    left = bill(payments=(), payments_complete=True)
    right = bill(payments=(failed,), payments_complete=True, amount_paid=eur(800))
    assert causes(left, right)["amount_paid"] == ()


def test_another_currency_explains_equal_numbers_and_no_others() -> None:
    """100 EUR and 100 USD differ by the currency; 100 EUR and 101 USD also by the number."""
    left = Invoice(**{**bare(), "currency": "EUR", "total": Money(100, "EUR"), "amount_due": Money(100, "EUR")})
    right = Invoice(**{**bare(), "currency": "USD", "total": Money(100, "USD"), "amount_due": Money(101, "USD")})
    assert causes(left, right) == {"currency": (), "total": ("currency",), "amount_due": ()}


def bare() -> dict[str, Any]:
    """Return the fields that every invoice has."""
    kept = {name: getattr(bill(), name) for name in ("provider", "id", "status", "native_status", "raw", "reference")}
    return {**kept, "lines": (), "lines_complete": True}


def test_a_cause_that_is_declared_equal_leaves_its_consequences_different() -> None:
    """A declaration covers its own path alone: causes change no verdict."""
    cent = Allowed(path="lines[].amount", reason="rounded", tolerance_minor=1)
    lines = with_line(1, unit_amount=None, amount=eur(3001))
    with compare(bill(), bill(**OTHER_IDENTITY, lines=lines, **CENT_MORE), allow=[cent]) as found:
        (row,) = found.rows
        assert row.verdict is Verdict.DIFFERING
        verdicts = {one.path: one.verdict for one in row.differences}
        assert verdicts["lines[1].amount"] is Verdict.DECLARED_EQUAL
        assert verdicts["total"] is Verdict.DIFFERING


def test_thousands_of_changed_lines_are_ordered_in_time() -> None:
    """Each amount comes right after its quantity, and all of them before the subtotal."""
    count = 3000
    lines = [
        Line(description=f"n{n}", quantity=Decimal(1), unit_amount=eur(100), amount=eur(100)) for n in range(count)
    ]
    more = [line.model_copy(update={"quantity": Decimal(2), "amount": eur(200)}) for line in lines]
    left = bill(lines=tuple(lines), subtotal=eur(100 * count))
    right = bill(lines=tuple(more), subtotal=eur(200 * count))
    paths = list(causes(left, right))
    assert len(paths) == 2 * count + 1
    assert paths[:2] == ["lines[0].quantity", "lines[0].amount"]
    assert paths[-1] == "subtotal"
