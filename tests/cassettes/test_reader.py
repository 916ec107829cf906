"""The one reader of cassette files: what it refuses, and where it says the fault is."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_bridge import recording
from invoice_bridge.cassettes import Player, files
from invoice_bridge.compare.recorded import recorded
from invoice_bridge.errors import ConfigurationError

HEAD = b"interactions: []\n"


@pytest.mark.parametrize(
    "content, problem",
    [
        (HEAD + b"a: &x [1]\nb: *x\n", r"c\.yaml:2: it has a YAML alias or anchor"),
        (HEAD + b'a: {"k":&x 1}\n', r"c\.yaml:2: it has a YAML alias or anchor"),
        (HEAD + b"a:\n- " + b"[" * 21 + b"]" * 21 + b"\n", r"c\.yaml:3: it is nested deeper than 20"),
        (HEAD + b"a: " + b"[" * 900 + b"]" * 900 + b"\n", r"c\.yaml:2: it is nested deeper than 20"),
        (HEAD + b"a: b\nc: \xff\n", r"c\.yaml: it is no text in UTF-8 \(line 3\)"),
        (b"interactions: {}\n", r"c\.yaml: it is no cassette: it has no list of interactions"),
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


def test_signs_of_an_alias_in_a_text_are_no_alias() -> None:
    """A body may hold & and * as it likes: they are looked at token by token."""
    content = HEAD + b"a: 'x &y *z'\nb: a=1&b=2\n"
    assert recording.load(content, "c.yaml")["a"] == "x &y *z"
