"""An invoice that has the reference already: what of it can be compared, and what is said where nothing can."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import (
    Discrepancy,
    IdempotencyMismatch,
    Invoice,
    Line,
    Money,
    OneTimeCharge,
    Period,
    Problem,
    Status,
    TaxRate,
)
from invoice_bridge.adapter.checks import same_bill, verify

CHARGE = OneTimeCharge(reference="res-1", customer="buy_1", amount=Money(1900, "EUR"))
TORN = Problem(path="subtotal", why="is no number", money=True)


def _held(**facts: Any) -> Invoice:
    least: dict[str, Any] = {"provider": "acme", "id": "in_1", "status": Status.OPEN, "currency": "EUR"}
    return Invoice(**least | facts)


@pytest.mark.parametrize(
    "held,why",
    [
        ({"currency": None}, "it states no currency"),
        ({"problems": [TORN]}, "subtotal is no number"),
        ({"currency": None, "problems": [TORN, TORN]}, "subtotal is no number; subtotal is no number"),
    ],
)
def test_an_invoice_whose_amounts_cannot_be_read_is_neither_this_bill_nor_another(held: Any, why: str) -> None:
    """Neither continued nor called a mismatch: under a new reference the same thing would be billed again."""
    with pytest.raises(Discrepancy) as refused:
        same_bill(CHARGE, _held(**held))
    assert str(refused.value) == (
        "the reference 'res-1' is that of in_1 already, open, and its amounts cannot be read, so that they cannot be "
        f"compared ({why}); nothing was done to it: look at it at the provider"
    )
    assert (refused.value.asked, refused.value.invoice) == ("EUR", _held(**held))


def test_what_cannot_be_read_beside_the_amount_does_not_matter() -> None:
    """Where the amount before tax is stated it is compared, whatever else is torn; so is a torn date."""
    paid = Problem(path="amount_paid", why="is no number", money=True)
    assert same_bill(CHARGE, _held(subtotal=Money(1900, "EUR"), problems=[paid])).id == "in_1"
    with pytest.raises(IdempotencyMismatch, match=r"it holds 25\.00 EUR, not 19\.00 EUR"):
        same_bill(CHARGE, _held(subtotal=Money(2500, "EUR"), problems=[paid]))
    assert same_bill(CHARGE, _held(problems=[Problem(path="due", why="is no instant")])).id == "in_1"


NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "asked,billed,is_same",
    [
        ((0, 1), (1, 2), False),
        ((1, 2), (0, 1), False),
        ((0, 2), (1, 3), True),
        ((1, 3), (0, 2), True),
        ((0, 3), (1, 2), True),
        ((0, 1), (2, 3), False),
        ((2, 3), (0, 1), False),
    ],
)
def test_a_bill_of_another_time_is_another_bill(asked: Any, billed: Any, is_same: bool) -> None:
    """Periods that only touch do not meet: the end of one is the start of the next."""
    one, other = (Period(start=NOON + HOUR * hours[0], end=NOON + HOUR * hours[1]) for hours in (asked, billed))
    lines = (Line(description="Nights", amount=Money(1900, "EUR"), period=one),)
    command = OneTimeCharge(reference="res-1", customer="buy_1", lines=lines)
    held = _held(subtotal=Money(1900, "EUR"), lines=(Line(amount=Money(1900, "EUR"), period=other),))
    if is_same:
        assert same_bill(command, held) is held
    else:
        with pytest.raises(IdempotencyMismatch):
            same_bill(command, held)


@pytest.mark.parametrize(
    "stated,text",
    [
        ({"tax": 361, "total": 2261}, None),
        ({"total": 2261}, None),
        (
            {"tax": 361},
            "asked for a total with its tax of 22.61 EUR, the invoice in_1 does not state its total and is open",
        ),
        ({"tax": 362, "total": 2261}, "asked for a tax of 3.61 EUR, the invoice in_1 states 3.62 EUR and is open"),
        ({"total": 2262}, "asked for a total with its tax of 22.61 EUR, the invoice in_1 states 22.62 EUR and is open"),
        (
            {"tax": 361, "total": 1},
            "asked for a total with its tax of 22.61 EUR, the invoice in_1 states 0.01 EUR and is open",
        ),
    ],
)
@pytest.mark.parametrize("of_line", [False, True], ids=["of the bill", "of the line"])
def test_the_tax_of_a_bills_own_rates_is_what_the_invoice_must_have(
    stated: dict[str, int], text: str | None, of_line: bool
) -> None:
    """Nineteen per cent of 19.00: the total, which must be stated, and the tax where it is."""
    rates = (TaxRate(name="VAT", rate=Decimal(19)),)
    lines = (Line(description="Nights", amount=Money(1900, "EUR"), taxes=rates if of_line else ()),)
    command = OneTimeCharge(reference="res-1", customer="buy_1", lines=lines, tax="none" if of_line else rates)
    held = _held(**{name: Money(units, "EUR") for name, units in stated.items()})
    if text is None:
        assert verify(command, held) is held
        return
    with pytest.raises(Discrepancy) as refused:
        verify(command, held)
    assert str(refused.value) == text


@pytest.mark.parametrize("total,text", [(2500, None), (1900, r"it holds 19\.00 EUR, not 25\.00 EUR"), (None, None)])
def test_the_expected_total_is_what_the_invoice_totals(total: int | None, text: str | None) -> None:
    """In place of the sum of the lines, which is the invoice's subtotal; where it states no total, that is compared."""
    command = OneTimeCharge(
        reference="res-1", customer="buy_1", amount=Money(1900, "EUR"), expect_total=Money(2500, "EUR"), tax="provider"
    )
    held = _held(subtotal=Money(1900, "EUR"), total=None if total is None else Money(total, "EUR"))
    if text is None:
        assert same_bill(command, held) is held
    else:
        with pytest.raises(IdempotencyMismatch, match=text):
            same_bill(command, held)


@pytest.mark.parametrize(
    "asked,stated,other",
    [("sub_1", "sub_1", False), ("sub_1", None, False), (None, "sub_1", False), ("sub_1", "sub_2", True)],
)
def test_another_subscription_is_another_bill(asked: str | None, stated: str | None, other: bool) -> None:
    """Where either side states none, nothing is compared."""
    command = OneTimeCharge(reference="res-1", customer="buy_1", amount=Money(1900, "EUR"), subscription=asked)
    held = _held(subtotal=Money(1900, "EUR"), total=Money(1900, "EUR"), subscription=stated)
    if not other:
        assert same_bill(command, held) is held
    else:
        with pytest.raises(IdempotencyMismatch, match="it belongs to the subscription sub_2, not to sub_1"):
            same_bill(command, held)
