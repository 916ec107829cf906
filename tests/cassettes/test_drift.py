"""cassettes drift: what an API says otherwise than before, endpoint by endpoint, and nothing that is only data."""

from pathlib import Path
from typing import Any

import pytest

from invoice_bridge.cassettes.drift import drift
from invoice_bridge.core.errors import ConfigurationError
from tests.cassettes.made import cassette, interaction


def _drift(tmp_path: Path, old: list[Any], new: list[Any]) -> list[str]:
    left = cassette(tmp_path / "old" / "a.yaml", *old)
    right = cassette(tmp_path / "new" / "a.yaml", *new)
    assert drift(left.parent, right.parent) == drift(left, right)
    return [str(one) for one in drift(left, right)]


@pytest.mark.parametrize(
    "old, new, told",
    [
        ({"a": 1}, {"a": 1, "b": "x"}, ["$.b is new (string)"]),
        ({"a": 1}, {"a": 1, "b": None}, ["$.b is new (null or empty)"]),
        (
            {"a": 1, "b": {"c": True}},
            {"a": 1, "b": {"d": 1}},
            ["$.b.c is gone (it was boolean)", "$.b.d is new (number)"],
        ),
        ({"a": 1}, {"a": "1"}, ["$.a was number and is string"]),
        ({"a": {"b": 1}}, {"a": "b"}, ["$.a was object and is string"]),
        ({"l": [{"a": 1}]}, {"l": [{"a": 1}, {"a": 1, "b": 2}]}, ["$.l[].b is new (number)"]),
        ({"status": "open"}, {"status": "overdue"}, ["$.status has a new word: overdue (known: open)"]),
        (
            {"l": [{"tax_type": "vat"}]},
            {"l": [{"tax_type": "gst"}]},
            ["$.l[].tax_type has a new word: gst (known: vat)"],
        ),
    ],
)
def test_a_change_is_told(old: Any, new: Any, told: list[str], tmp_path: Path) -> None:
    """Added, removed, retyped, a new word: each with its path."""
    expected = [f"GET /v1/invoices/{{id}}: {one}" for one in told]
    assert _drift(tmp_path, [interaction(old)], [interaction(new)]) == expected


@pytest.mark.parametrize(
    "old, new",
    [
        ({"a": 1}, {"a": 2}),
        ({"a": None}, {"a": "x"}),
        ({"a": "x"}, {"a": None}),
        ({"a": 25}, {"a": 25.5}),
        ({"l": []}, {"l": [{"a": 1}]}),
        ({"o": {}}, {"o": {"a": 1}}),
        ({"o": None}, {"o": {"a": {"b": 1}}}),
        ({"metadata": {"a": 1}}, {"metadata": {"b": "x"}}),
        ({"description": "first"}, {"description": "second"}),
        (
            {"status": "open", "l": [{"status": "paid"}]},
            {"status": "open", "l": [{"status": "paid"}, {"status": "paid"}]},
        ),
        ({"status": None}, {"status": "open"}),
    ],
)
def test_data_is_no_drift(old: Any, new: Any, tmp_path: Path) -> None:
    """Other values, what one side leaves open, and what a caller names itself."""
    assert _drift(tmp_path, [interaction(old)], [interaction(new)]) == []


def test_another_status_at_the_same_step_is_told(tmp_path: Path) -> None:
    """The second time the endpoint is asked; a refusal's body is not held against a happy one's."""
    happy, refused = interaction({"id": "in_1"}), interaction({"error": {"code": "x"}}, status=402)
    assert _drift(tmp_path, [happy, happy], [happy, refused]) == [
        "GET /v1/invoices/{id}: a, step 2 was answered 200 and is answered 402"
    ]


def test_ids_are_no_part_of_an_endpoint(tmp_path: Path) -> None:
    """Two recordings name other objects: ids with digits, and ids known from the answers; versions stay."""
    old = [
        interaction({"id": "acme", "a": 1}, uri="https://a.chargebee.com/api/v2/customers/acme"),
        interaction({"id": "in_1", "b": 1}, uri="https://a.chargebee.com/api/v2/invoices/7/void", method="POST"),
    ]
    new = [
        interaction({"id": "umbrella", "a": "1"}, uri="https://b.chargebee.com/api/v2/customers/umbrella"),
        interaction({"id": "in_2", "b": 1}, uri="https://b.chargebee.com/api/v2/invoices/12/void?x=1", method="POST"),
    ]
    assert _drift(tmp_path, old, new) == ["GET /api/v2/customers/{id}: $.a was number and is string"]


def test_folders_are_joined_by_name(tmp_path: Path) -> None:
    """A cassette that only one side has is not compared; nothing in common is an error (defect 20)."""
    cassette(tmp_path / "old" / "x" / "a.yaml", interaction({"a": 1}))
    cassette(tmp_path / "old" / "b.yaml", interaction({"a": 1}))
    cassette(tmp_path / "new" / "x" / "a.yaml", interaction({"a": 1, "c": 1}))
    assert [one.path for one in drift(tmp_path / "old", tmp_path / "new")] == ["$.c"]
    cassette(tmp_path / "other" / "c.yaml", interaction())
    with pytest.raises(ConfigurationError, match="no cassette of the same name"):
        drift(tmp_path / "old", tmp_path / "other")


def test_no_endpoint_in_common_is_an_error(tmp_path: Path) -> None:
    """Comparing nothing must not look like agreement."""
    left = cassette(tmp_path / "a.yaml", interaction())
    right = cassette(tmp_path / "b.yaml", interaction(method="POST"))
    with pytest.raises(ConfigurationError, match="no endpoint in common"):
        drift(left, right)


def test_an_interaction_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It is not passed over."""
    left, right = (cassette(tmp_path / name, interaction(), "text") for name in ("a.yaml", "b.yaml"))
    with pytest.raises(ConfigurationError, match="an interaction cannot be read"):
        drift(left, right)
