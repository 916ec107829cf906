"""A comparison on one screen: the counts first, the gravest groups, then as many rows as fit."""

from typing import Any

import pytest

from invoice_bridge.compare import compare
from invoice_bridge.compare.screen import screenful, whole
from tests.compare.bills import bill, eur
from tests.compare.test_causes import CENT_MORE, with_line
from tests.compare.test_groups import pairs

CENT = {"lines": with_line(1, unit_amount=None, amount=eur(3001)), **CENT_MORE}


def test_the_counts_come_first_then_groups_then_rows() -> None:
    """All of two pairs fits: nothing is cut, and nothing says so."""
    with compare(*pairs(CENT, {}, {"description": "June"}), as_of=bill().created_at) as found:
        assert list(screenful(found, width=120)) == [
            "1 matched, 0 left only, 0 right only, 2 differing, 0 declared equal; stated by one side only: 1",
            "  !! lines[].amount  1 invoice  +0.01 EUR  (r0)  so subtotal, total, amount_due, amount_remaining",
            "  !  description     1 invoice             (r2)",
            "r0  stripe in_0 | chargebee in_0  differing",
            "     lines[1].unit_amount  10.00 EUR   | –           one side does not state",
            "  !! lines[1].amount       30.00 EUR   | 30.01 EUR   +0.01",
            "  !! subtotal              125.00 EUR  | 125.01 EUR  +0.01  from lines[1].amount",
            "  !! total                 148.00 EUR  | 148.01 EUR  +0.01  from subtotal",
            "  !! amount_due            147.00 EUR  | 147.01 EUR  +0.01  from total",
            "  !! amount_remaining      140.00 EUR  | 140.01 EUR  +0.01  from amount_due",
            "r2  stripe in_2 | chargebee in_2  differing",
            "  !  description  May  | June",
        ]


@pytest.mark.parametrize("width, height", [(80, 24), (200, 50), (60, 24), (40, 12), (80, 5), (1, 1)])
def test_many_rows_stay_under_a_screen(width: int, height: int) -> None:
    """However long the lines: they count as often as they wrap. The last line counts what is not shown."""
    with compare(*pairs(*[CENT] * 60, {"description": "June " * 60})) as found:
        lines = list(screenful(found, width=width, height=height))
    assert lines[0].startswith("0 matched")
    assert "of 61 invoices not shown in full: --all prints every row" in lines[-1]
    if width >= 60:
        assert sum(max(1, -(-len(line) // width)) for line in lines[:-1]) <= max(height, 12) - 2
    assert len(lines) <= max(height, 12) - 1


def test_what_is_cut_is_counted() -> None:
    """Two rows fit; a third is not begun."""
    with compare(*pairs(*[CENT] * 60)) as found:
        lines = list(screenful(found, width=120, height=24))
    assert lines[3].startswith("r0 ")
    assert len(lines) <= 23
    complete = sum(line.lstrip().startswith("!! amount_remaining") for line in lines)
    assert complete == 2
    assert lines[-1].startswith("… 58 of 60 invoices")


def test_a_first_row_that_does_not_fit_is_printed_in_part() -> None:
    """The first row is printed as far as the screen goes, and counts as not shown."""
    words: dict[str, Any] = {"metadata": {f"k{n:02}": "right" for n in range(40)}}
    with compare(*pairs(words, words)) as found:
        lines = list(screenful(found, width=120, height=40))
    assert "metadata.k" in lines[-2]
    assert lines[-1].startswith("… 2 of 2 invoices")


def test_a_single_pair_is_never_cut() -> None:
    """One invoice with more differences than the screen has lines is printed whole, without groups."""
    words: dict[str, Any] = {"metadata": {f"k{n:02}": "right" for n in range(40)}}
    with compare(bill(metadata={f"k{n:02}": "left" for n in range(40)}), bill(**words)) as found:
        lines = list(screenful(found))
    assert sum("metadata.k" in line for line in lines) == 40
    assert "not shown" not in lines[-1]


def test_all_prints_matched_rows_too() -> None:
    """Every row and every group, at any length."""
    with compare(*pairs(*[CENT] * 60, {})) as found:
        lines = list(whole(found))
    assert lines[-1] == "r60  stripe in_60 | chargebee in_60  matched"
    assert sum(line.startswith("r") for line in lines) == 61


def test_more_groups_than_fit_are_counted() -> None:
    """Eight groups are printed, the gravest; a line counts the others."""
    changes = [{"metadata": {f"k{n}": "1", "order": "7", "shop": "north"}} for n in range(11)]
    with compare(*pairs(*changes)) as found:
        lines = list(screenful(found, width=120, height=40))
        assert "  … 3 more kinds of difference" in lines
        assert not any("more kinds" in line for line in whole(found))
