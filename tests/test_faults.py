"""What is wrong with a bill's file: the field and the values that it takes, in words that name no validator."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from invoice_bridge import ConfigurationError, OneTimeCharge, PeriodInvoice
from invoice_bridge.cli.files import read_bill
from invoice_bridge.core import faults
from invoice_bridge.core.commands import ImportInvoice, read_command

GOOD: dict[str, Any] = {
    "command": "one_time_charge",
    "reference": "r",
    "customer": "cus_1",
    "amount": {"minor": 1, "currency": "EUR"},
}
CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"collection": "send"},
        "not 'send'; other kinds are 'manual' and 'charge'",
    ),
    ({"collection": "send"}, 'collection: must be an object: write {"kind": "send", "net_days": 14}, not'),
    ({"collection": "Charged"}, 'collection: must be an object: write {"kind": "charge"}, not \'Charged\''),
    ({"collection": 3}, 'collection: must be an object like {"kind": "send", "net_days": 14}'),
    ({"collection": {"kind": "sned"}}, "collection.kind: must be 'send', 'manual' or 'charge', not 'sned'"),
    ({"collection": {"net_day": 3}}, "collection.net_day: there is no such field; did you mean 'net_days'?"),
    ({"collection": {"net_days": "14"}}, "collection.net_days: must be a whole number"),
    ({"collection": {"due": "soon"}}, "collection.due: must be an instant like 2026-05-01T00:00:00Z"),
    ({"tax": "provder"}, "tax: must be 'provider' or 'none', or a list"),
    ({"draft": "yess"}, "draft: must be true or false"),
    ({"customer": 3}, "customer: must be an object"),
    ({"lines": "x"}, "lines: must be a list"),
    ({"metadata": "x"}, "metadata: must be an object with a value for each name"),
    ({"attempt": 0}, "attempt: must be at least 1"),
    ({"attempt": 10**30}, "attempt: must be at most 1000000"),  # a journal has no number of thirty digits
    ({"attempt": "x"}, "attempt: must be a whole number"),
    ({"description": 3}, "description: must be a text"),
    ({"reference": ""}, "reference: must not be empty"),
    ({"amuont": 1}, "amuont: there is no such field; did you mean 'amount'?"),
    ({"lines": [{"quantity": "x"}]}, 'lines.0.quantity: must be a number like "2.5"'),
    ({"lines": [{"amout": 1}]}, "lines.0.amout: there is no such field; did you mean 'amount'?"),
    ({"amount": {"minor": 1}}, "amount.currency: it is missing"),
    ({"amount": {"minor": 1, "curency": "EUR"}}, "amount.curency: there is no such field; did you mean 'currency'?"),
    ({"command": "periodinvoice"}, "\"command\" must be one of 'period_invoice', 'one_time_charge'"),
]


@pytest.mark.parametrize("change, words", CASES)
def test_a_fault_names_the_field_and_what_it_takes(change: dict[str, Any], words: str) -> None:
    """The nearest value or field comes first."""
    with pytest.raises(ConfigurationError) as caught:
        read_command(GOOD | change)
    assert words in str(caught.value)


def test_a_toml_file_is_answered_in_toml(tmp_path: Path) -> None:
    """What the message says to write can be pasted into the file."""
    bill = tmp_path / "bill.toml"
    facts = 'command = "one_time_charge"\nreference = "r"\ncustomer = "cus_1"\namount = "1.00 EUR"\n'
    bill.write_text(f'{facts}collection = "send"\n', "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_bill(str(bill))
    written = re.search(r"bill\.toml: collection: must be an object: write (\{.*?\})", str(caught.value))
    assert written is not None
    bill.write_text(f"{facts}collection = {written[1]}\n", "utf-8")
    assert read_bill(str(bill)).collection.net_days == 14


def _kinds(schema: Any) -> set[str]:
    """The kinds of values in a schema of pydantic."""
    if isinstance(schema, dict):
        here = {schema["type"]} if isinstance(schema.get("type"), str) else set[str]()
        return here.union(*(_kinds(value) for value in schema.values()))
    return set[str]().union(*map(_kinds, schema)) if isinstance(schema, list | tuple) else set()


WRONG: tuple[Any, ...] = (None, True, 3, -1, 1.5, "", "x", [], ["x"], {}, {"x": 1}, [{"x": 1}], "x" * 5000)


@pytest.mark.parametrize("kind", [OneTimeCharge, PeriodInvoice, ImportInvoice])
def test_no_field_is_answered_in_the_validators_words(kind: type[Any]) -> None:
    """For every field of a bill or an import and every wrong kind of value: no word of pydantic, one line."""
    seen = 0
    for name in kind.model_fields:
        for value in WRONG:
            with pytest.raises(ValidationError) as caught:
                kind.model_validate({name: value})
            text = faults.faults(caught.value, kind)
            seen += 1
            for theirs in ("Input should", "instance of", "Extra inputs", "Field required", "String should", "Tuple"):
                assert theirs not in text, f"{name} = {value!r}: {text}"
            assert "\n" not in text
    assert seen > 100


def test_each_example_is_a_value() -> None:
    """An example for a class is one that the class takes."""
    from invoice_bridge.core import bills, model, money
    from invoice_bridge.core.exact import loads

    found = {name: kind for module in (bills, model, money) for name, kind in vars(module).items()}
    for name, text in faults._EXAMPLES.items():
        value = loads(text.partition(", or ")[0])
        assert TypeAdapter(found[name]).validate_python(value)
