"""A golden file shows what changed: a field, a request, an effect, a reading, as the line that names it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge.core.wire import Effect, Request
from tests import golden_text
from tests.golden_courses import Call, Event, against
from tests.golden_fold import Marks, Trial, table
from tests.golden_outcome import Result, Step, outcome
from tests.golden_text import Blocks, Keys, Sent, compare, content, differences, flat, plans, sent

ROOT = "https://api.example.test/v1"
OPEN = Request(
    "POST",
    f"{ROOT}/invoices",
    {"Idempotency-Key": "ib1-0", "Content-Type": "application/x-www-form-urlencoded"},
    b"customer=cus_1&currency=eur",
    key="ib1-0",
)
ISSUE = Request("POST", f"{ROOT}/invoices/in_1/finalize", {}, effects=frozenset({Effect.ISSUES}))


def written(*requests: Request, refusal: str = "", losses: tuple[str, ...] = ()) -> list[str]:
    """Write a bill of two requests, and these beside it."""
    keys = Keys()
    cases: list[tuple[str, str, list[str], list[Sent]]] = []
    cases.append(("a", "", [], [sent(request, ROOT, keys, {}) for request in (OPEN, ISSUE)]))
    cases.append(("b", refusal, list(losses), [sent(request, ROOT, keys, {}) for request in requests]))
    return list(plans(cases))


def test_an_equal_case_is_folded() -> None:
    """A case that is the same as another one is one line, which names it."""
    lines = written(OPEN, ISSUE)
    assert lines[-1] == "── b: as a"
    assert lines[0] == "── a"
    assert "    currency: eur" in lines


@pytest.mark.parametrize(
    "changed,shown",
    [
        ({"content": b"customer=cus_2&currency=eur"}, "customer: cus_2"),
        ({"content": b"currency=eur"}, "- customer"),
        ({"content": b"customer=cus_1&currency=eur&tax=1"}, "+ tax: 1"),
        ({"content": b"customer=cus_1&tax=1&currency=eur"}, "+ tax: 1 (after customer)"),
        ({"headers": {**OPEN.headers, "Accept": "x"}}, "# + Accept: x"),
        ({"headers": {**OPEN.headers, "Idempotency-Key": "ib1-1"}, "key": "ib1-1"}, "# Idempotency-Key: key 2"),
        ({"note": "why"}, "+ note: why"),
    ],
)
def test_a_change_of_a_request_shows_as_that_field(changed: dict[str, Any], shown: str) -> None:
    """What is another value, added or left out is named; what is the same is not."""
    line = written(replace(OPEN, **changed), ISSUE)[-1]
    assert line == f"── b: 2 as a: 1 POST invoices, as a 1, but {shown}"


def test_a_dropped_request_an_effect_and_a_path_show() -> None:
    """A request that is missing, an effect that is added and another path are seen in the line of the request."""
    assert written(OPEN)[-1] == "── b: 1 as a"
    assert written(OPEN, ISSUE, refusal="Unsupported: x")[-1] == "── b: 1–2 as a: refused, Unsupported: x"
    assert written(OPEN, ISSUE, losses=("TAX-01",))[-1] == "── b: 1–2 as a; loses TAX-01"
    mails = replace(ISSUE, effects=frozenset({Effect.ISSUES, Effect.MAILS}))
    elsewhere = replace(ISSUE, url="https://other.example.test/v1/invoices/in_1/finalize")
    for changed, line in (
        (mails, "2 POST invoices/in_1/finalize [issues, mails]"),
        (replace(ISSUE, url=f"{ROOT}/invoices/in_2/finalize"), "2 POST invoices/in_2/finalize [issues]"),
        (elsewhere, "2 POST https://other.example.test/v1/invoices/in_1/finalize [issues]"),
    ):
        assert line in written(OPEN, changed)
        assert line not in written(OPEN, ISSUE)


def test_a_body_is_decoded_only_where_it_can_be_encoded_again() -> None:
    """A form and JSON are read by field; bytes that another spelling would give are shown raw."""
    assert content("a%5Bb%5D=c+d&a%5Bb%5D=e") == [("a[b]", "c d"), ("a[b]", "e")]
    assert content('{"a":{"b":1.50}}') == [("a.b", "1.50")]
    assert content('{"a": 1}') == [("content", '{"a": 1}')]
    assert content("a=%5b") == [("content", "a=%5b")]


def test_order_counts_in_a_body_and_nowhere_else() -> None:
    """Two fields that change places are no difference that can be listed: the block is written whole."""
    assert differences((("a", "1"), ("b", "2")), (("b", "2"), ("a", "1"))) is None
    assert differences((("→ a", "1"), ("→ b", "2")), (("→ b", "2"), ("→ a", "1"))) == []


def test_paths_and_runs_are_unambiguous() -> None:
    """A name with a dot is in quotes, an empty list is a leaf, and a long run keeps its length."""
    assert list(flat({"a.b": [], "a": {"b": {}}})) == [('"a.b"', "[]"), ("a.b", "{}")]
    assert list(flat({"total": {"minor": 5, "currency": "EUR"}})) == [("total", "5 EUR")]
    assert list(flat("D" * 300)) == [("all", '"D«×300»"')]


def test_the_nearest_block_is_named() -> None:
    """Of several blocks the one with the fewest differences is the base."""
    blocks = Blocks()
    blocks.write("x", "first", (("a", "1"), ("b", "1"), ("c", "1")))
    assert blocks.write("x", "second", (("a", "2"), ("b", "2"), ("c", "1"))) == ("first", ["a: 2", "b: 2"])
    assert blocks.write("x", "third", (("a", "2"), ("b", "2"), ("c", "3"))) == ("second", ["c: 3"])


def test_an_outcome_is_written_as_a_difference() -> None:
    """A field, a problem, a line and a request that follow are named; the same as planned is one word."""
    happy = Result(fields={"id": "in_1", "lines": [{"id": "a"}, {"id": "b"}]}, trail=(Step("GET /in_1", ""),))
    assert outcome(happy, happy, "7", None) == "as planned"
    assert outcome(replace(happy, trail=()), happy, "7", None) == "stops"
    fields = {"id": "in_1", "lines": [{"id": "b"}], "problems": [{"path": "x", "why": "is no number", "money": True}]}
    assert outcome(replace(happy, fields=fields), happy, "7", 1) == "no lines[0]; problem x: is no number (money)"
    assert (
        outcome(replace(happy, trail=(Step("GET /open", ""),)), happy, "'open'", "in_1")
        == "then as planned with that id"
    )
    assert outcome(Result("Rejected: 25.00 EUR"), happy, "7", 1) == "Rejected: 2500 EUR"


def trials(changed: dict[str, str] | None = None) -> list[Trial]:
    """Three values of one field for two commands; of command a some lead to something else."""
    outcomes = {"'open'": 'name: "open"', "'paid'": 'name: "paid"', "None": "no name"}
    cases = {"a": outcomes | (changed or {}), "b": outcomes}
    return [Trial("GET x", case, "title", value, result) for case in cases for value, result in cases[case].items()]


def test_trials_that_lead_to_the_same_are_one_row() -> None:
    """What repeats is written once, with marks; another outcome of one trial is another row, with its own words."""
    marks: dict[str, Marks] = {"a": (), "b": ()}
    assert list(table(trials(), marks)) == ["GET x: title:  'open' 'paid' ⇒ name: \"«value»\" | None ⇒ no name"]
    assert list(table(trials({"None": "refused"}), marks)) == [
        "GET x: title (a):  'open' 'paid' ⇒ name: \"«value»\" | None ⇒ refused",
        "GET x: title (b):  'open' 'paid' ⇒ name: \"«value»\" | None ⇒ no name",
    ]


def test_two_trials_under_one_name_are_refused() -> None:
    """A trial that would hide another one is an error of the test, not a shorter file."""
    with pytest.raises(AssertionError, match="two trials under one name"):
        list(table([*trials(), *trials()], {"a": (), "b": ()}))


def test_a_course_is_written_against_its_plan() -> None:
    """The request that was hit is "it"; another answer, another order and another end show."""
    steps = (Event("GET /i", "200"), Event("POST /i", "200"), Event("POST /i/{in}/pay", "200"))
    plan = Call(steps, "{in}, paid")
    again = Call((steps[0], Event("POST /i", "500"), *steps[1:]), "{in}, paid")
    assert against(plan, [plan], "POST /i") == "as planned"
    assert against(plan, [again], "POST /i") == "up to it · it 500 · it and the rest → done"
    assert against(plan, [again], "GET /i").startswith("(it: POST /i, request 2) ")
    stopped = Call(again.events[:2], "ServerError, unknown, None")
    assert (
        against(plan, [stopped, plan], "POST /i")
        == "up to it · it 500 → ServerError, unknown, None ‖ everything → done"
    )


def test_a_difference_fails_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message shows the line as it was written and as it is now, not two texts."""
    monkeypatch.setattr(golden_text, "FOLDER", tmp_path)
    monkeypatch.delenv("PYTEST_GOLDEN", raising=False)
    (tmp_path / "x.txt").write_text("── a\n1 POST invoices\n    currency: eur\n", "utf-8")
    compare("x", "── a\n1 POST invoices\n    currency: eur\n")
    with pytest.raises(AssertionError, match=r"(?s)make golden.*-    currency: eur\n\+    currency: usd"):
        compare("x", "── a\n1 POST invoices\n    currency: usd\n")
