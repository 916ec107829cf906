"""Two invoices: what differs, what one does not say, and what is the same bill all the same."""

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import CustomerRef, Invoice, Line, Money, Period, Status
from invoice_bridge.compare import Difference, Verdict, compare
from invoice_bridge.compare.differences import differences, shown
from invoice_bridge.core.losses import Severity
from tests.compare.bills import LINES, NOW, OTHER_IDENTITY, bill, eur


def differing(left: Invoice, right: Invoice, **how: Any) -> dict[str, Verdict]:
    """The paths of two invoices' differences, and their verdicts; the same both ways."""
    with compare(left, right, **how) as found, compare(right, left, **how) as back:
        (row,), (mirrored,) = found.rows, back.rows
    assert sorted(one.path for one in row.differences) == sorted(one.path for one in mirrored.differences)
    return {one.path: one.verdict for one in row.differences}


def test_identity_is_ignored() -> None:
    """Ids, numbers, URLs, instants of record keeping, the provider and its word, raw and mode are no difference."""
    found = compare(bill(), bill(**OTHER_IDENTITY))
    assert found.same
    assert [(row.verdict, row.differences) for row in found.rows] == [(Verdict.MATCHED, ())]


def test_a_difference_says_where_what_and_how_grave() -> None:
    """The path, both values in the neutral JSON form, and that it changes money."""
    (row,) = compare(bill(), bill(total=eur(14801))).rows
    assert row.verdict is Verdict.DIFFERING
    assert [one.to_json() for one in row.differences] == [
        {
            "path": "total",
            "left": {"minor": 14800, "currency": "EUR"},
            "right": {"minor": 14801, "currency": "EUR"},
            "class": "differing",
            "severity": "changes_money",
        }
    ]
    assert row.left == bill()
    assert row.right == bill(total=eur(14801))


def test_what_one_side_does_not_say_is_no_difference_but_is_listed() -> None:
    """None is "does not say", so it is its own class, and the two are the same as far as they say."""
    found = compare(bill(), bill(provider="whop", tax=None, due_at=None, customer=None, description=None))
    assert found.same
    assert found.unsaid == 5
    (row,) = found.rows
    assert row.verdict is Verdict.MATCHED
    assert {one.path: (one.verdict, one.severity.value) for one in row.differences} == dict.fromkeys(
        ["tax", "due_at", "customer.email", "customer.name", "description"], (Verdict.UNSAID, "info")
    )


def test_zero_is_said() -> None:
    """Zero and None are two things: one is unsaid, not zero; and zero differs from one cent."""
    assert differing(bill(amount_refunded=eur(0)), bill(provider="whop", amount_refunded=None)) == {
        "amount_refunded": Verdict.UNSAID
    }
    assert differing(bill(amount_refunded=eur(0)), bill(amount_refunded=eur(1))) == {
        "amount_refunded": Verdict.DIFFERING
    }


def test_two_invoices_without_an_amount_in_common_are_not_the_same() -> None:
    """Where no amount was compared nothing was shown to agree: that is a difference which changes money."""
    nothing = dict.fromkeys(
        [
            "subtotal", "discount", "tax", "total", "amount_due", "amount_paid", "amount_credited", "amount_refunded",
            "amount_remaining",
        ]
    )  # fmt: skip
    left, right = (
        bill(**{**nothing, "lines": (), "total": eur(1)}),
        bill(**{**nothing, "provider": "whop", "lines": (), "tax": eur(1)}),
    )
    assert differing(left, right) == {"total": Verdict.UNSAID, "tax": Verdict.UNSAID, "amounts": Verdict.DIFFERING}
    assert compare(bill(**nothing, lines=()), bill(**nothing, lines=())).same


def test_another_currency_is_another_bill() -> None:
    """10.00 EUR is not 10.00 USD, in the currency and in the amount."""
    dollars = dict.fromkeys(("subtotal", "discount", "tax", "amount_due", "amount_paid"))
    left = bill(lines=(), **dollars, amount_credited=None, amount_refunded=None, amount_remaining=None)
    right = left.model_copy(update={"currency": "USD", "total": Money(14800, "USD")})
    assert differing(left, right) == {"currency": Verdict.DIFFERING, "total": Verdict.DIFFERING}


def test_metadata_is_compared_key_by_key() -> None:
    """A side without any does not say; one that has some and lacks a key, or has another value, differs."""
    assert differing(bill(), bill(metadata={"order": "8", "shop": "north"})) == {"metadata.order": Verdict.DIFFERING}
    assert differing(bill(), bill(metadata={"order": "7"})) == {"metadata.shop": Verdict.DIFFERING}
    assert set(differing(bill(), bill(provider="whop", metadata={})).values()) == {Verdict.UNSAID}


def test_an_unknown_status_equals_only_the_same_word_of_the_same_provider() -> None:
    """Two words that nobody knows are not shown to mean the same."""
    strange = bill(status=Status.UNKNOWN, native_status="frozen")
    assert differing(strange, strange) == {}
    assert differing(strange, bill(status=Status.UNKNOWN, native_status="thawed")) == {"status": Verdict.DIFFERING}
    assert differing(strange, bill(status=Status.UNKNOWN, native_status="frozen", provider="whop")) == {
        "status": Verdict.DIFFERING
    }


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_customer_ids_are_compared_where_something_joins_them() -> None:
    """CustomerRef.ids or a map of customers says which id is whose elsewhere; then another one changes money."""
    known = CustomerRef(id="cus_1", ids={"stripe": "cus_1", "chargebee": "cb_9"})
    same, other = (bill(provider="chargebee", customer=CustomerRef(id=name)) for name in ("cb_9", "cb_8"))
    assert differing(bill(customer=known), same) == {}
    assert differing(bill(customer=known), other) == {"customer.id": Verdict.DIFFERING}
    plain = bill(customer=CustomerRef(id="cus_1"))
    customers = {"ada": {"stripe": "cus_1", "chargebee": "cb_9"}}
    assert differing(plain, other) == {}
    assert differing(plain, same, customers=customers) == {}
    assert differing(plain, other, customers=customers) == {"customer.id": Verdict.DIFFERING}


# ── past due ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_past_due_is_compared_by_one_clock_only() -> None:
    """Without a clock the result says that it was not compared; with one, due dates decide on both sides."""
    late, early = bill(), bill(due_at=NOW + timedelta(days=1))
    assert set(differing(late, early)) == {"due_at"}
    assert set(differing(late, early, as_of=NOW)) == {"due_at", "past_due"}
    assert compare(late, late).as_of is None
    assert "past due was not compared" in compare(late, late).text()
    assert "past due" not in compare(late, late, as_of=NOW).text()


def test_a_word_is_of_the_moment_it_was_read() -> None:
    """Without a due date "overdue" stays true; "open" was perhaps so yesterday, so that side does not say."""
    overdue = bill(provider="chargeapi", native_status="overdue", due_at=None)
    assert differing(overdue, overdue, as_of=NOW) == {}
    assert differing(overdue, bill(due_at=None), as_of=NOW) == {"past_due": Verdict.UNSAID}
    assert differing(overdue, bill(due_at=NOW), as_of=NOW) == {"due_at": Verdict.UNSAID, "past_due": Verdict.DIFFERING}
    assert differing(bill(), bill(provider="whop", due_at=None), as_of=NOW) == {
        "due_at": Verdict.UNSAID,
        "past_due": Verdict.UNSAID,
    }


def test_past_due_repeats_no_other_status() -> None:
    """What is open and late on one side and paid on the other differs in its status, once."""
    assert differing(bill(), bill(status=Status.PAID), as_of=NOW) == {"status": Verdict.DIFFERING}


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_order_of_lines_is_no_difference() -> None:
    """Providers order lines differently."""
    assert differing(bill(), bill(lines=LINES[::-1])) == {}


def test_equal_lines_are_counted() -> None:
    """Lines are a multiset: twice the same line is not once."""
    stay = LINES[0]
    assert differing(bill(lines=(stay, stay)), bill(lines=(stay,))) == {"lines[1]": Verdict.DIFFERING}


@pytest.mark.parametrize(
    "right, paths",
    [
        ((LINES[1], LINES[2]), ["lines[0]"]),
        ((LINES[0], LINES[1].model_copy(update={"amount": eur(2999)}), LINES[2]), ["lines[1].amount"]),
        ((LINES[0], LINES[1].model_copy(update={"description": "Brunch"}), LINES[2]), ["lines[1].description"]),
        ((LINES[0], LINES[1].model_copy(update={"quantity": Decimal(4)}), LINES[2]), ["lines[1].quantity"]),
        ((LINES[0].model_copy(update={"period": Period.month(2026, 6)}),), None),
    ],
)
def test_lines_are_matched_by_content(right: tuple[Line, ...], paths: list[str] | None) -> None:
    """A line that is missing, or changed in one thing, is named alone, wherever it stands."""
    if paths is None:
        paths = ["lines[0].period.start", "lines[0].period.end", "lines[1]", "lines[2]"]
    with compare(bill(), bill(lines=right[::-1])) as found:
        (row,) = found.rows
        assert [one.path for one in row.differences if one.verdict is Verdict.DIFFERING] == paths


def test_what_a_line_does_not_say_is_unsaid() -> None:
    """A provider that says only the amount of its lines does not contradict one that says more."""
    bare = tuple(Line(amount=line.amount) for line in LINES)
    found = differing(bill(), bill(provider="whop", lines=bare))
    assert set(found.values()) == {Verdict.UNSAID}
    assert len(found) == 9


def test_a_quantity_is_a_number_not_a_spelling() -> None:
    """1, 1.0 and 1.00 are one quantity; more digits than any context holds are still told apart."""
    one, other = (bill(lines=(Line(quantity=text, amount=eur(1)),)) for text in ("1.0", "1"))
    assert differing(one, other) == {}
    long = [bill(lines=(Line(quantity=f"1.{'0' * 40}{end}", amount=eur(1)),)) for end in "12"]
    assert differing(*long) == {"lines[0].quantity": Verdict.DIFFERING}


def test_a_difference_is_printed_on_one_line_without_control_characters() -> None:
    """What a provider says cannot move the cursor; blanks at the ends are seen."""
    text = compare(bill(), bill(description="\x1b[2Jboo\n ")).text()
    assert '  !  description  May  | "\\x1b[2Jboo\\n "' in text.splitlines()


def test_a_path_keeps_its_shape() -> None:
    """The shape of a line's path has no number; a key of the caller's that looks like one stays as it is."""
    (row,) = compare(bill(metadata={"lines[3]": "a"}), bill(metadata={"lines[3]": "b"})).rows
    assert [one.shape for one in row.differences] == ["metadata.lines[3]"]
    assert (
        Difference("lines[12].amount", 1, 2, Verdict.DIFFERING, row.differences[0].severity).shape == "lines[].amount"
    )


STAY, NIGHT = Line(description="Stay", amount=eur(10)), Line(description="Night", amount=eur(20))


@pytest.mark.parametrize(
    "left, right, paths",
    [
        # alike in description and amount: the quantity tells which belongs to which
        (
            (
                Line(description="Stay", quantity=1, amount=eur(10)),
                Line(description="Stay", quantity=2, amount=eur(10)),
            ),
            (
                Line(description="Stay", quantity=2, amount=eur(10)),
                Line(description="Stay", quantity=1, amount=eur(10)),
            ),
            [],
        ),
        # every amount is another: the description tells
        (
            (STAY, NIGHT),
            (Line(description="Night", amount=eur(21)), Line(description="Stay", amount=eur(11))),
            ["lines[0].amount", "lines[1].amount"],
        ),
        # every description is another: the amount tells
        (
            (STAY, NIGHT),
            (Line(description="N", amount=eur(20)), Line(description="S", amount=eur(10))),
            ["lines[0].description", "lines[1].description"],
        ),
    ],
)
def test_lines_find_the_mate_they_have_most_in_common_with(
    left: tuple[Line, ...], right: tuple[Line, ...], paths: list[str]
) -> None:
    """However they are ordered, as little as possible differs."""
    assert sorted(differing(bill(lines=left), bill(lines=right))) == paths


def test_sides_without_a_shared_amount_name_what_each_has() -> None:
    """The amounts that each side states are listed, so that a reader sees why nothing was compared."""
    left = {"provider": "stripe", "said": {"status": "open", "total": 1, "subtotal": 1}, "lines": []}
    right = {"provider": "whop", "said": {"status": "open"}, "lines": [{"amount": {"minor": 1, "currency": "EUR"}}]}
    (found,) = [one for one in differences(left, right) if one.path == "amounts"]
    assert (found.left, found.right, found.verdict) == ("subtotal, total", "lines", Verdict.DIFFERING)
    (found,) = [one for one in differences(left, {**right, "lines": []}) if one.path == "amounts"]
    assert found.right == "none"


def test_lines_with_nothing_in_common_are_still_pairs() -> None:
    """Two lines that are left over are compared field by field, in the order in which they stand."""
    found = differing(bill(lines=(STAY,)), bill(lines=(Line(description="N", amount=eur(21)),)))
    assert set(found) == {"lines[0].amount", "lines[0].description"}


def test_of_lines_of_the_same_description_the_amount_decides() -> None:
    """Two lines of one name, of other quantities and in another order, find the mate of the same amount."""
    left = (Line(description="Stay", quantity=1, amount=eur(10)), Line(description="Stay", quantity=1, amount=eur(20)))
    right = (Line(description="Stay", quantity=2, amount=eur(20)), Line(description="Stay", quantity=2, amount=eur(10)))
    assert set(differing(bill(lines=left), bill(lines=right))) == {"lines[0].quantity", "lines[1].quantity"}


def test_of_lines_of_the_same_amount_the_description_decides() -> None:
    """Two lines of one amount, of other quantities and in another order, find the mate of the same name."""
    left = (Line(description="Stay", quantity=1, amount=eur(10)), Line(description="Night", quantity=1, amount=eur(10)))
    right = tuple(line.model_copy(update={"quantity": Decimal(2)}) for line in reversed(left))
    assert set(differing(bill(lines=left), bill(lines=right))) == {"lines[0].quantity", "lines[1].quantity"}


def test_an_unknown_word_is_compared_by_its_spelling() -> None:
    """Two unknown statuses of one provider are the same only where the provider's word is the same."""
    facts = {"provider": "stripe", "said": {"status": "unknown", "total": 1}, "lines": []}
    assert differences({**facts, "word": "odd"}, {**facts, "word": "odd"}) == []
    (found,) = differences({**facts, "word": "odd"}, {**facts, "word": "even"})
    assert (found.path, found.verdict) == ("status", Verdict.DIFFERING)
    assert differences({**facts, "word": None}, {**facts, "word": "even"}) != []


@pytest.mark.parametrize("value, text", [(True, "yes"), (False, "no"), (None, "–"), ("", '""'), ("a ", '"a "')])
def test_values_for_a_reader(value: object, text: str) -> None:
    """Yes, no, nothing and blanks are each seen for what they are."""
    assert shown(value) == text


def test_a_difference_cannot_be_changed() -> None:
    """A difference is a fact: it is frozen, and takes no further attribute."""
    one = Difference("total", 1, 2, Verdict.DIFFERING, Severity.CHANGES_MONEY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.path = "status"  # type: ignore[misc]
    assert not hasattr(one, "__dict__")
