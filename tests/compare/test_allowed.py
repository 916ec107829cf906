"""Differences that are declared equal: what can be declared, what it covers, and what was declared for nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, Money, Status
from invoice_bridge.compare import Allowed, Comparison, Verdict, compare, read_allowed
from tests.compare.bills import LINES, bill, eur

SHORTER = Allowed(path="lines[].description", reason="descriptions are cut")


def of_lines(*names: str) -> Any:
    """A bill whose lines bear other names."""
    return bill(lines=tuple(line.model_copy(update={"description": n}) for line, n in zip(LINES, names, strict=True)))


def allowing(left: Any, right: Any, *allow: Allowed) -> tuple[bool, list[Verdict], int]:
    """Whether two are the same, their paths' verdicts, and how many declarations were not needed."""
    found = compare(left, right, allow=allow)
    (row,) = found.rows
    return found.same, [one.verdict for one in row.differences], len(found.unused)


def test_a_declared_difference_is_a_class_of_its_own() -> None:
    """It is neither matched nor differing, keeps both values, and gives its reason."""
    found = compare(bill(), of_lines("S", "Breakfast", "L"), allow=[SHORTER])
    (row,) = found.rows
    assert found.same
    assert dict(found.counts) == {
        Verdict.MATCHED: 0,
        Verdict.LEFT_ONLY: 0,
        Verdict.RIGHT_ONLY: 0,
        Verdict.DIFFERING: 0,
        Verdict.DECLARED_EQUAL: 1,
    }
    assert [one.to_json() for one in row.differences] == [
        {
            "path": f"lines[{place}].description",
            "left": left,
            "right": right,
            "class": "declared_equal",
            "severity": "warns",
            "reason": "descriptions are cut",
        }
        for place, left, right in ((0, "Stay", "S"), (2, "Loyalty", "L"))
    ]


def test_a_declaration_covers_its_path_alone() -> None:
    """Another difference of the same pair still differs; a line's number limits it to that line."""
    both = of_lines("S", "Breakfast", "L").model_copy(update={"description": "June"})
    assert allowing(bill(), both, SHORTER)[0] is False
    first = Allowed(path="lines[0].description", reason="only that one")
    assert allowing(bill(), of_lines("S", "Breakfast", "L"), first)[1] == [Verdict.DECLARED_EQUAL, Verdict.DIFFERING]


def test_an_unused_declaration_is_reported() -> None:
    """What nothing needs any more is named, so that the file does not rot."""
    found = compare(bill(), bill(), allow=[SHORTER])
    assert found.unused == (SHORTER,)
    assert found.same
    assert found.to_json()["unused"] == [{"path": "lines[].description", "reason": "descriptions are cut"}]
    assert "declared equal, but unused: lines[].description (descriptions are cut)" in found.text()
    assert (
        allowing(bill(), bill(provider="whop", description=None), Allowed(path="description", reason="unsaid"))[2] == 1
    )


@pytest.mark.parametrize(
    "limits, same",
    [
        ({"providers": ["stripe", "chargebee"]}, True),
        ({"providers": ["chargebee", "stripe"]}, False),
        ({"references": ["res-1"]}, True),
        ({"references": ["res-2"]}, False),
        ({"left": "May"}, True),
        ({"left": "June"}, False),
        ({"right": "June"}, True),
        ({"right": "May"}, False),
    ],
)
def test_a_declaration_can_be_limited(limits: dict[str, Any], same: bool) -> None:
    """To two providers, left and right; to references; to values as they are printed."""
    allowed = Allowed(path="description", reason="why", **limits)
    right = bill(provider="chargebee", description="June")
    assert allowing(bill(), right, allowed)[::2] == (same, 0 if same else 1)


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("apart, same", [(1, True), (2, True), (3, False), (-2, True), (-3, False)])
def test_a_tolerance_is_in_minor_units_and_exact(apart: int, same: bool) -> None:
    """Two cents of tolerance are two cents, in both directions, and only at the path that says so."""
    cents = Allowed(path="tax", reason="rounded by line", tolerance_minor=2)
    assert allowing(bill(), bill(tax=eur(2400 + apart)), cents)[0] is same
    assert allowing(bill(), bill(total=eur(14800 + apart)), cents)[0] is False


def test_without_a_declaration_one_cent_differs() -> None:
    """Money is never within a tolerance by itself."""
    assert not compare(bill(), bill(tax=eur(2401))).same


def test_a_tolerance_holds_within_one_currency() -> None:
    """One cent and one yen are not a cent apart."""
    nothing = dict.fromkeys(
        ["subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_credited", "amount_refunded", "lines"]
    )
    left = bill(**{**nothing, "lines": (), "amount_remaining": None})
    right = left.model_copy(update={"currency": "USD", "total": Money(14800, "USD")})
    allow = [
        Allowed(path="total", reason="r", tolerance_minor=100),
        Allowed(path="currency", reason="r", left="EUR", right="USD"),
    ]
    assert allowing(left, right, *allow)[:2] == (False, [Verdict.DECLARED_EQUAL, Verdict.DIFFERING])


def test_what_changes_money_is_declared_by_its_values() -> None:
    """A status, a currency or an amount is never declared equal to whatever comes."""
    paid = Allowed(path="status", reason="paid by transfer", left="open", right="paid")
    assert allowing(bill(), bill(status=Status.PAID), paid)[0] is True
    assert allowing(bill(), bill(status=Status.VOID), paid)[0] is False
    missing = Allowed(path="lines[]", reason="rounding line of one provider", right='"": 0.01 EUR')
    assert missing.right == '"": 0.01 EUR'
    fee = Allowed(path="lines[]", reason="billed apart", left="Breakfast: 30.00 EUR")
    assert allowing(bill(), bill(lines=(LINES[0], LINES[2])), fee)[0] is True
    assert allowing(bill(), bill(lines=(LINES[0], LINES[1])), fee)[0] is False


@pytest.mark.parametrize(
    "fields, told",
    [
        (
            {"path": "total"},
            "this changes money, so one path does not cover it: give left and right, or tolerance_minor",
        ),
        ({"path": "status"}, "this changes money, so one path does not cover it: give left and right"),
        ({"path": "lines[]"}, "this changes money"),
        ({"path": "total", "left": "1.00 EUR"}, "this changes money"),
        ({"path": "description", "tolerance_minor": 1}, "tolerance_minor is for amounts of money alone"),
        ({"path": "total", "tolerance_minor": 0}, "tolerance_minor is a whole number of minor units above 0"),
        ({"path": "total", "tolerance_minor": 1.5}, "tolerance_minor is a whole number of minor units above 0"),
        ({"path": "descripton"}, "'descripton' is no path that is compared; did you mean 'description'?"),
        ({"path": "created_at"}, "'created_at' is no path that is compared"),
        ({"path": "metadata"}, 'metadata is compared key by key: write path = "metadata.KEY"'),
        ({"path": "description", "reason": " "}, "give a reason"),
        ({"path": "description", "providers": ["stripe"]}, "providers are two, the left one and the right one"),
        ({"path": "description", "references": "res-1"}, "references must be a list of texts, not 'res-1'"),
        ({"path": 5}, "path must be a text, not 5"),
    ],
)
def test_what_cannot_be_declared_says_why(fields: dict[str, Any], told: str) -> None:
    """A declaration that would hide money, or cannot mean anything, is an error of its own."""
    with pytest.raises(ConfigurationError) as caught:
        Allowed(**{"reason": "why", **fields})
    assert told in str(caught.value)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def written(folder: Path, text: str) -> Path:
    """A file of that text."""
    path = folder / "allow.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    """Every entry becomes a declaration, in its order, and compare takes the path as it is."""
    path = written(
        tmp_path,
        '[[allow]]\npath = "description"\nreason = "other words"\n'
        '[[allow]]\npath = "tax"\nreason = "by line"\ntolerance_minor = 2\nproviders = ["stripe", "stripe"]\n',
    )
    assert read_allowed(path) == (
        Allowed(path="description", reason="other words"),
        Allowed(path="tax", reason="by line", tolerance_minor=2, providers=("stripe", "stripe")),
    )
    found: Comparison = compare(bill(), bill(description="x", tax=eur(2402)), allow=path)
    assert found.same
    assert compare(bill(), bill(description="x", tax=eur(2402)), allow=str(path)).counts[Verdict.DECLARED_EQUAL] == 1


@pytest.mark.parametrize(
    "text, told",
    [
        ('[[allow]]\npath = "tax"\nreasn = "r"', "[[allow]] 1: there is no 'reasn' here; did you mean 'reason'?"),
        ('[[allow]]\npath = "description"', "[[allow]] 1: it needs a reason"),
        ('[[allow]]\nreason = "r"', "[[allow]] 1: it needs a path"),
        ('[[allow]]\npath = "total"\nreason = "r"', "[[allow]] 1: total: this changes money"),
        ('[allow]\npath = "description"', "it may only have [[allow]] tables"),
        ('[[alow]]\npath = "description"', "it may only have [[allow]] tables, not 'alow'"),
        ("path = ", "it is not TOML"),
    ],
)
def test_a_faulty_file_names_the_entry(tmp_path: Path, text: str, told: str) -> None:
    """An unknown key, a missing reason, another table: nothing is compared until it is mended."""
    with pytest.raises(ConfigurationError) as caught:
        compare(bill(), bill(), allow=written(tmp_path, text))
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_allow_takes_declarations_or_a_file(tmp_path: Path) -> None:
    """Bare paths are no declarations: they have no reason. A missing file is no empty one."""
    wrong: Sequence[Any] = ["description"]
    with pytest.raises(ConfigurationError, match="allow takes Allowed"):
        compare(bill(), bill(), allow=wrong)
    with pytest.raises(ConfigurationError, match="there is no such file"):
        compare(bill(), bill(), allow=tmp_path / "none.toml")


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    """The file that the how-to shows is a file that can be used."""
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "compare.md"
    text = page.read_text("utf-8").split("```toml\n")[1].split("```")[0]
    assert [one.path for one in read_allowed(written(tmp_path, text))] == ["lines[].description", "tax", "status"]
