"""Like differences as one group: causes alone, gravest first, with counts and exact sums."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from invoice_bridge import Invoice, Line, Money, Status
from invoice_bridge.compare import Allowed, Comparison, compare
from invoice_bridge.compare.groups import MOST, Group
from invoice_bridge.compare.report import write_html
from invoice_bridge.compare.report.rows import lines
from invoice_bridge.compare.report.tally import Tally
from invoice_bridge.core.losses import Severity
from tests.compare.bills import LINES, OTHER_IDENTITY, bill, eur
from tests.compare.test_causes import CENT_MORE, with_line


def pairs(*changes: dict[str, Any]) -> tuple[list[Invoice], list[Invoice]]:
    """Return invoices of both sides, the right ones changed."""
    names = [{"id": f"in_{n}", "reference": f"r{n}"} for n in range(len(changes))]
    right = [bill(**{**OTHER_IDENTITY, **name, **change}) for name, change in zip(names, changes, strict=True)]
    return [bill(**name) for name in names], right


def texts(found: Comparison) -> list[tuple[str, ...]]:
    """Return the groups for a reader."""
    return [
        tuple(" ".join(cell.split()) for cell in group.cells() if not cell.startswith("(")) for group in found.groups
    ]


def test_one_changed_price_is_one_group_with_what_follows_from_it() -> None:
    """Three invoices, one line each: a group, not 15 differences."""
    cent = {"lines": with_line(1, unit_amount=None, amount=eur(3001)), **CENT_MORE}
    with compare(*pairs(cent, cent, cent)) as found:
        assert texts(found) == [
            ("!! lines[].amount", "3 invoices", "+0.01 EUR each", "so subtotal, total, amount_due, amount_remaining")
        ]
        assert found.head()["groups"] == [
            {
                "path": "lines[].amount",
                "detail": "",
                "severity": "changes_money",
                "invoices": 3,
                "first": "r0",
                "changes": {"EUR": {"sum": 3, "least": 1, "greatest": 1, "count": 3}},
                "followed_by": {"subtotal": 3, "total": 3, "amount_due": 3, "amount_remaining": 3},
            }
        ]


def test_groups_are_sorted_by_severity_then_value_then_number() -> None:
    """Ten euros on one invoice come before cents on two; texts come last, however many."""
    changes: list[dict[str, Any]] = [{"description": "x"}] * 4
    changes += [{"tax": eur(2399)}, {"tax": eur(2398)}, {"discount": eur(1100)}, {"status": Status.VOID}]
    with compare(*pairs(*changes)) as found:
        assert texts(found) == [
            ("!! discount", "1 invoice", "+10.00 EUR", ""),
            ("!! tax", "2 invoices", "-0.02 to -0.01, sum -0.03 EUR", ""),
            ("!! status", "1 invoice", "open → void", ""),
            ("! description", "4 invoices", "", ""),
        ]


def test_an_invoice_on_one_side_only_counts_with_its_total() -> None:
    """The gravest difference of all is an invoice that is not there."""
    left, right = pairs({}, {}, {"tax": eur(2401)})
    with compare(left[1:], right) as more, compare(left, right[1:]) as fewer:
        assert texts(more)[0] == ("!! invoice", "1 invoice", "right only +148.00 EUR", "")
        assert texts(fewer)[0] == ("!! invoice", "1 invoice", "left only -148.00 EUR", "")


def test_currencies_are_never_summed_together() -> None:
    """A group has one sum for each currency."""
    left, right = pairs({"tax": eur(2401)}, {"tax": eur(2401)})
    yen: dict[str, Any] = {"currency": "JPY", "lines": (Line(description="a", amount=Money(1, "JPY")),)}
    for side, tax in ((left, 5), (right, 8)):
        amounts = {name: None for name in bill().model_dump() if name.startswith("amount_")}
        side[1] = bill(
            **{**yen, **amounts, "reference": "y", "tax": Money(tax, "JPY"), "subtotal": None, "total": None},
            discount=None,
        )
    with compare(left, right) as found:
        assert texts(found) == [("!! tax", "2 invoices", "+0.01 EUR; +3 JPY", "")]


def test_two_lines_of_one_invoice_count_as_one_invoice() -> None:
    """The number is that of invoices, the changes are those of lines."""
    lines = tuple(line.model_copy(update={"unit_amount": None, "amount": line.amount + eur(1)}) for line in LINES[1:])
    with compare(*pairs({"lines": (LINES[0], *lines)})) as found:
        (group, *_) = (group for group in found.groups if group.path == "lines[].amount")
        assert (group.invoices, group.changes["EUR"].count) == (1, 2)


def test_what_follows_from_a_declared_cause_is_a_group_of_its_own() -> None:
    """A difference is never hidden behind a cause that is declared equal."""
    cent = {"lines": with_line(1, unit_amount=None, amount=eur(3001)), **CENT_MORE}
    allow = [Allowed(path="lines[].amount", reason="rounded", tolerance_minor=1)]
    with compare(*pairs(cent), allow=allow) as found:
        assert texts(found) == [("!! subtotal", "1 invoice", "+0.01 EUR", "so total, amount_due, amount_remaining")]


def test_the_number_of_groups_has_a_bound() -> None:
    """Keys of metadata that no two invoices share become one group, so that memory does not grow with them."""
    changes = [{"metadata": {f"key-{n}": "1"}} for n in range(MOST // 2)]
    with compare(*pairs(*changes)) as few:
        assert len(few.groups) == MOST // 2 + 2  # the two keys that the left side has, and that the right lacks
    changes = [{"metadata": {f"key-{n}": "1"}} for n in range(MOST + 20)]
    with compare(*pairs(*changes)) as many:
        assert len(many.groups) == MOST + 1
        assert next(group.invoices for group in many.groups if group.path == "metadata") == 22
        assert filtered(many) == [group.invoices for group in many.groups]


def test_the_filter_of_the_page_finds_the_invoices_that_a_group_counts() -> None:
    """The same number: of changed, missing, declared and unmatched invoices, with several causes in one."""
    left, right = pairs({}, {"tax": eur(2401)}, {"tax": eur(2399), "status": Status.VOID, "description": "x"}, {}, {})
    right[3] = right[3].model_copy(update={"lines": LINES[:1], "metadata": {"order": "9", "shop": "north"}})
    allow = [Allowed(path="metadata.order", reason="counted anew")]
    with compare([*left[1:], bill(reference="l")], [*right, bill(reference="r")], allow=allow) as found:
        assert filtered(found) == [group.invoices for group in found.groups]
        assert len(found.groups) > 5


def filtered(found: Comparison) -> list[int]:
    """Return the number of the page's rows that have each group."""
    rows = [json.loads(line) for line in list(lines(found.rows, found.groups, Tally()))[::2]]
    counts = Counter(place for row in rows for place in row[10])
    return [counts[place] for place in range(len(found.groups))]


def test_many_currencies_are_cut_on_the_page_alone() -> None:
    """The largest by their value, in major units, and the number of the others; one more than the limit is written."""
    group = Group("total", "", Severity.CHANGES_MONEY, None)
    for minor, currency in ((5000, "JPY"), (-900, "EUR"), (4000, "KWD"), (20000, "USD")):
        group.count((minor, currency))
    assert group.change_text() == "-9.00 EUR; +5000 JPY; +4.000 KWD; +200.00 USD"
    assert group.change_text(3) == group.change_text()
    assert group.change_text(2) == "+5000 JPY; +200.00 USD; and 2 more currencies"


def test_the_page_lists_causes_before_its_rows_as_texts(tmp_path: Path) -> None:
    """Gravest first, with what follows and the number of invoices; markup in a path is text."""
    cent = {"lines": with_line(1, unit_amount=None, amount=eur(3001)), **CENT_MORE}
    left, right = pairs(cent, {"metadata": {**bill().metadata, '<b>"': "x"}})
    with compare(left, right) as found:
        write_html(found, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    causes = page[page.index('id="causes"') : page.index('id="list"')]
    causes = causes.replace("<wbr>", "")
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row.partition("</li>")[0]).split()) for row in causes.split("<li>")[1:]]
    assert rows == [
        "!! changes money: lines[].amount +0.01 EUR 1 invoice so subtotal, total, amount_due, amount_remaining",
        "! does not change money: metadata.&lt;b&gt;&quot; 1 invoice",
    ]
    with compare(left[1:], left[1:]) as same:
        write_html(same, tmp_path / "same.html")
    assert 'id="causes"' not in (tmp_path / "same.html").read_text("utf-8")
