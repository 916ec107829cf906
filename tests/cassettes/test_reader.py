"""The one reader of cassette files: what it refuses, and where it says the fault is."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import yaml

from invoice_bridge.cassettes import Player, files
from invoice_bridge.cassettes import reading as recording
from invoice_bridge.compare.from_cassette import recorded
from invoice_bridge.core.errors import ConfigurationError

HEAD = b"interactions: []\n"


@pytest.mark.parametrize(
    "content, problem",
    [
        (HEAD + b"a: &x [1]\nb: *x\n", r"c\.yaml:2: it has a YAML alias or anchor"),
        (HEAD + b'a: {"k":&x 1}\n', r"c\.yaml:2: it has a YAML alias or anchor"),
        (HEAD + b"a:\n- " + b"[" * 21 + b"]" * 21 + b"\n", r"c\.yaml:3: it is nested deeper than 20"),
        (HEAD + b"a: " + b"[" * 900 + b"]" * 900 + b"\n", r"c\.yaml:2: it is nested deeper than 20"),
        (
            HEAD + b"a: " + b"[" * 200_000 + b"\n",
            r"c\.yaml(:2)?: it is (nested deeper|not valid YAML .* maximum nest)",
        ),
        (HEAD + b"a: !!int '1" + b":59" * 400 + b"'\n", r"c\.yaml:2: it has a number or date of more than 1000"),
        (HEAD + b"a: !!float '1" + b":59" * 400 + b"'\n", r"c\.yaml:2: it has a number or date of more than 1000"),
        (HEAD + b"a: !!float '1" + b":59" * 300 + b"'\n", r"c\.yaml: it is not valid YAML for a cassette: int too"),
        (HEAD + b"a: !!int ''\n", r"c\.yaml: it is not valid YAML for a cassette"),
        (HEAD + b"a: !!bool x\n", r"c\.yaml: it is not valid YAML for a cassette"),
        (HEAD + b"a: !!timestamp x\n", r"c\.yaml: it is not valid YAML for a cassette"),
        (HEAD + b"a: b\nc: \xff\n", r"c\.yaml: it is not UTF-8 text \(line 3\)"),
        (b"interactions: {}\n", r"c\.yaml: it is not a cassette: it has no list of interactions"),
    ],
)
def test_defect_73_one_reader_refuses_what_no_cassette_has(content: bytes, problem: str, tmp_path: Path) -> None:
    """Defect 73: aliases, depth, other charsets and other shapes are refused alike by check, replay and compare."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    for read in (files.load, Player, lambda place: list(recorded(place))):
        with pytest.raises(ConfigurationError, match=problem):
            read(path)


def test_defect_73_a_file_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 73: a file of more bytes than the bound is refused before it is parsed."""
    monkeypatch.setattr(recording, "MAX_BYTES", 20)
    path = tmp_path / "c.yaml"
    path.write_bytes(HEAD + b"# more than twenty\n")
    with pytest.raises(ConfigurationError, match=r"it has 21 bytes, more than 20"):
        files.load(path)


@pytest.mark.parametrize("unit", [b"{},", b"'&a',"])
def test_defect_73_what_a_dense_file_costs_is_bounded(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 73: a file of bare values stops at the bound of values, before more memory than for that many is taken."""
    assert recording.MAX_NODES == 400_000
    monkeypatch.setattr(recording, "MAX_NODES", 40_000)  # a tenth of it: memory is counted slowly
    tracemalloc.start()
    try:
        with pytest.raises(ConfigurationError, match=r"c\.yaml:2: it has more than 40000 values: record"):
            recording.load(HEAD + b"a: [" + unit * 200_000 + b"1]\n", "c.yaml")
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_without_libyaml_the_bounds_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 73: PyYAML's own loader refuses aliases, depth and numbers too."""
    monkeypatch.delattr(yaml, "CSafeLoader")
    for content, problem in (
        (HEAD + b"a: &x [1]\nb: *x\n", r"c\.yaml:2: it has a YAML alias or anchor"),
        (HEAD + b"a:\n- " + b"[" * 21 + b"]" * 21 + b"\n", r"c\.yaml:3: it is nested deeper than 20"),
        (HEAD + b"a: !!int '1" + b":59" * 400 + b"'\n", r"c\.yaml:2: it has a number or date of more than 1000"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            recording.load(content, "c.yaml")
    assert recording.load(HEAD + b"a: 1\n", "c.yaml") == {"interactions": [], "a": 1}


@pytest.mark.parametrize("length", [19, 20])
def test_nesting_up_to_the_bound_is_read(length: int) -> None:
    """The file itself, and twenty lists or values in each other below it."""
    content = HEAD + b"a: " + b"[" * length + b"]" * length + b"\n"
    assert recording.load(content, "c.yaml")["interactions"] == []


def test_a_long_text_that_looks_like_a_number_is_a_text() -> None:
    """A plain text of digits beyond the bound of numbers is read as the text it is, at no great cost."""
    long = "1" + ":59" * 400
    assert recording.load(HEAD + f"a: {long}\nb: {'7' * 1001}\nc: 1:30\nd: 77\n".encode(), "c.yaml") == {
        "interactions": [],
        "a": long,
        "b": "7" * 1001,
        "c": 90,
        "d": 77,
    }


def test_signs_of_an_alias_in_a_text_are_no_alias() -> None:
    """A body may hold & and * as it likes: they are looked at token by token."""
    content = HEAD + b"a: 'x &y *z'\nb: a=1&b=2\n"
    assert recording.load(content, "c.yaml")["a"] == "x &y *z"
