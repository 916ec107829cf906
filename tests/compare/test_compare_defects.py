"""Defects of other systems that a comparison must not have, each by its number in the list of defects."""

from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, CustomerRef, Invoice, decode
from invoice_bridge.compare import Verdict, compare
from tests.compare.bills import bill, eur

DUE = datetime(2026, 5, 20, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)


def at_stripe(**changes: Any) -> Invoice:
    """A bill as Stripe states it: it has no word for overdue."""
    line = {"id": "il_1", "object": "line_item", "amount": 2500, "currency": "eur", "description": "Stay"}
    told = {
        "id": "in_1",
        "object": "invoice",
        "currency": "eur",
        "status": "open",
        "due_date": int(DUE.timestamp()),
        "total": 2500,
        "amount_due": 2500,
        "amount_paid": 0,
        "amount_remaining": 2500,
        "lines": {"object": "list", "data": [line], "has_more": False},
        "metadata": {"invoice_bridge_reference": "res-1"},
    }
    return decode("stripe", {**told, **changes})


def at_chargeapi(**changes: Any) -> Invoice:
    """The same bill as ChargeAPI states it: its status says overdue."""
    told = {
        "id": "inv_9",
        "object": "invoice",
        "currency": "EUR",
        "status": "overdue",
        "due_date": DUE.isoformat(),
        "amount_due": 2500,
        "amount_paid": 0,
        "line_items": [{"description": "Stay", "amount": 2500}],
        "metadata": {"invoice_bridge_reference": "res-1"},
    }
    return decode("chargeapi", {**told, **changes})


@pytest.mark.parametrize("as_of", [None, LATER])
def test_defect_11_overdue_is_no_difference_of_words(as_of: datetime | None) -> None:
    """Open and late at Stripe is overdue at ChargeAPI: one clock says so for both, and no word is compared."""
    left, right = at_stripe(), at_chargeapi()
    assert (left.native_status, right.native_status) == ("open", "overdue")
    found = compare([left], [right], as_of=as_of)
    (row,) = found.rows
    assert row.verdict is Verdict.MATCHED
    assert {one.path for one in row.differences} & {"status", "past_due", "due_at"} == set()


def test_defect_11_a_real_difference_of_being_late_is_found() -> None:
    """Where one side is due later, it is not past due by the same clock, and that changes money."""
    later = at_stripe(due_date=int(LATER.timestamp()) + 86400)
    (row,) = compare([later], [at_chargeapi()], as_of=LATER).rows
    told = {one.path: (one.left, one.right, one.severity.value) for one in row.differences if one.left is not None}
    assert told["past_due"] == (False, True, "changes_money")


def test_defect_16_tax_is_never_noise() -> None:
    """Tax that one side adds, or drops, changes money: it is found in the tax and in the total, to the cent."""
    without = bill(tax=eur(0), total=eur(12400))
    (row,) = compare([bill()], [without]).rows
    assert [(one.path, one.severity.value) for one in row.differences] == [
        ("tax", "changes_money"),
        ("total", "changes_money"),
    ]
    assert not compare([bill(tax=eur(0))], [bill(tax=eur(1))]).same


def test_defect_16_a_side_that_does_not_say_its_tax_is_listed() -> None:
    """Silence about tax is not "no tax": the value stands in the report as unsaid."""
    (row,) = compare([bill(tax=eur(0))], [bill(provider="whop", tax=None)]).rows
    assert [(one.path, one.verdict) for one in row.differences] == [("tax", Verdict.UNSAID)]


def test_defect_20_comparing_nothing_is_never_green() -> None:
    """Two empty sides, sides without a key, and pairs without an amount in common: none of them is the same."""
    with pytest.raises(ConfigurationError, match="nothing was compared"):
        compare([], [])
    with pytest.raises(ConfigurationError, match="states reference"):
        compare([bill(reference=None)], [bill(reference=None)])
    assert not compare([bill(reference="a")], [bill(reference="b")]).same
    quiet = dict.fromkeys(
        ["subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_credited", "amount_refunded", "total"]
    )
    left = bill(**quiet, lines=())
    right = bill(provider="whop", **{**quiet, "subtotal": eur(1)}, lines=(), amount_remaining=None)
    found = compare([left], [right])
    assert not found.same
    assert [one.path for row in found.rows for one in row.differences if one.verdict is Verdict.DIFFERING] == [
        "amounts"
    ]


def test_defect_81_within_one_provider_another_customer_is_a_difference() -> None:
    """Defect 81: within one provider another customer's id and a field that vanished are differences."""
    other = bill(customer=CustomerRef(id="cus_2", email="a@example.test", name="Ada"))
    for changed, path in ((other, "customer.id"), (bill(tax=None), "tax"), (bill(metadata={}), "metadata.order")):
        for sides in ((bill(), changed), (changed, bill())):
            found = compare(*sides)
            assert not found.same
            assert (path, Verdict.DIFFERING) in [(one.path, one.verdict) for one in next(iter(found.rows)).differences]
    assert compare(bill(), bill(provider="chargebee", tax=None)).same
