"""Defects 70, 89, 92 and 93: statements of the page, the types and the plans, each held against what it speaks of."""

import ast
import re
import tomllib
from pathlib import Path
from typing import get_origin

import pytest

from invoice_bridge import Effect, Invoice, MarkPaid, RecordPayment, explain, providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.core.money import Money
from invoice_bridge.explain import make_context, plan
from tests.test_one_book import NOW, Shop

ROOT = Path(__file__).parent.parent
EUR = Money(100, "EUR")


def test_defect_70_the_page_says_of_each_list_that_it_is_one() -> None:
    """Defect 70: `discrepancies` was "text", and is a list of texts; so with every list, and with no other field."""
    page = (ROOT / "docs/reference/invoice.md").read_text("utf-8").partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert rows["discrepancies"] == "list of text"
    lists = {name for name, field in Invoice.model_fields.items() if get_origin(field.annotation) is tuple}
    assert len(lists) > 5
    own = {name: kind for name, kind in rows.items() if name in Invoice.model_fields}
    assert {name for name, kind in own.items() if kind.startswith("list")} == lists


def test_defect_89_a_misspelt_setting_is_an_error_to_the_type_checker() -> None:
    """Defect 89: the calls are in tests/typing, where mypy fails for a comment that ignores no error."""
    calls = [
        line.strip()
        for line in (ROOT / "tests/typing/public_api.py").read_text("utf-8").splitlines()
        if "# type: ignore[call-overload]" in line
    ]
    nodes = [node for call in calls for node in ast.walk(ast.parse(call))]
    names = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    assert {"acount", "acount_id", "reference_feild", "timeuot"} <= names
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    assert mypy["strict"] is True  # with it a comment that ignores nothing is an error
    assert "tests" in mypy["files"]


@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
def test_defect_92_what_was_paid_elsewhere_is_recorded_and_never_collected(name: str) -> None:
    """Defect 92: mark_paid and record_payment have the effect `records`; no request of theirs collects."""
    declared = providers.get(name)
    recorded = RecordPayment(id="inv_1", amount=EUR, at=NOW, reference="wire-1", expect=EUR)
    met = 0
    for command in (MarkPaid(id="inv_1"), recorded):
        verb = getattr(declared.flows, command.verb)
        if isinstance(verb, Cannot) or verb is None:
            continue
        made = plan(command, make_context(declared, declared.emulator().settings))
        assert made.refusal is None, made.refusal
        assert (Effect.RECORDS in made.effects, Effect.COLLECTS in made.effects) == (True, False)
        met += 1
    assert met


@pytest.mark.parametrize("name", ["stripe", "whop", "chargebee"])
def test_defect_93_explain_does_not_say_what_a_lookup_by_id_finds(name: str, tmp_path: Path) -> None:
    """Defect 93: a bill that the journal has is looked up by its id; what that is now is not known before it is read.

    The plan said that the reference belongs to an invoice of nothing, which was the specimen of its own request.
    """
    shop = Shop(name, tmp_path / "bills.sqlite")
    client = shop.client(lookup="always")
    made = client.create(shop.bill())
    known = client.explain(shop.bill())
    assert known.refusal is None
    assert known.requests[0].path.endswith(made.id)
    assert known.requests[0].note.startswith("lookup")
    unlooked = explain(name, shop.bill(), lookup="never", **shop.emulator.settings)
    wrote = [(request.path, request.content, request.key) for request in known.requests if request.writes]
    assert [content for _, content, _ in wrote] == [one.content for one in unlooked.requests if one.writes]
    assert client.create(shop.bill()).id == made.id


def test_defect_93_a_bill_that_no_listing_shows_is_not_said_to_be_gone(tmp_path: Path) -> None:
    """Defect 93: where the reference has no field, the lookup by id is all there is, and the plan ends with it."""
    shop = Shop("chargebee", tmp_path / "bills.sqlite")
    client = shop.client(lookup="auto")
    bill = shop.bill(purchase_order="PO-7")
    made = shop.client().create(bill, allow=["reference"])
    known = client.explain(bill)
    assert known.refusal is None
    assert [request.path.rpartition("/")[2] for request in known.requests][:1] == [made.id]
