"""cassettes redact: applied again, offline, and only where something is to be done."""

from pathlib import Path

import pytest

from invoice_bridge.cassettes import provenance
from invoice_bridge.cassettes.reredact import redact
from invoice_bridge.core.errors import ConfigurationError
from tests.cassettes.corpus import person
from tests.cassettes.made import cassette, change, interaction


def test_only_files_that_change_are_written(tmp_path: Path) -> None:
    """The other one keeps its bytes; a second run writes nothing at all."""
    open_one = cassette(
        tmp_path / "a.yaml", interaction({"customer_email": "a@b.example"}), redacted=["request header x"]
    )
    clean = cassette(tmp_path / "b.yaml", interaction())
    before = clean.read_bytes()
    made = redact(tmp_path)
    assert [(one.path.name, one.changed, one.notes) for one in made] == [
        ("a.yaml", True, ("answer field customer_email",)),
        ("b.yaml", False, ()),
    ]
    assert person("a@b.example") in open_one.read_text("utf-8")
    assert "a@b.example" not in open_one.read_text("utf-8")
    assert clean.read_bytes() == before
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert [one.changed for one in redact(tmp_path)] == [False, False]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_provenance_is_brought_up_to_date(tmp_path: Path) -> None:
    """The new sum, today's redactor, and what was redacted before and now; where and when it was recorded stay."""
    path = cassette(tmp_path / "a.yaml", interaction({"customer_email": "a@b.example"}), redacted=["request header x"])
    change(path, redactor=0)
    before = provenance.read(path)
    redact(path)
    after = provenance.read(path)
    assert after.sha256 == provenance.sum_of(path) != before.sha256
    assert (after.redactor, after.redacted) == (2, ("answer field customer_email", "request header x"))
    assert (after.recorded_at, after.origin, after.library) == (before.recorded_at, before.origin, before.library)


def test_a_live_recording_loses_its_ids(tmp_path: Path) -> None:
    """There an id belongs to a person; in a test account it stays."""
    answer = {"id": "in_1QkqKVQhcl5B85YlT32LIsNm"}
    live = cassette(tmp_path / "live.yaml", interaction(answer), origin="live", mode="live")
    test = cassette(tmp_path / "test.yaml", interaction(answer))
    assert [one.changed for one in redact(tmp_path)] == [True, False]
    assert "in_1QkqKVQhcl5B85YlT32LIsNm" not in live.read_text("utf-8")
    assert "in_1QkqKVQhcl5B85YlT32LIsNm" in test.read_text("utf-8")


def test_a_cassette_that_was_changed_is_not_made_to_look_recorded(tmp_path: Path) -> None:
    """A new sum would vouch for an edit nobody recorded."""
    path = cassette(tmp_path / "a.yaml", interaction({"status": "paid"}))
    path.write_text(path.read_text("utf-8").replace("paid", "void"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="changed after it was recorded"):
        redact(path)


def test_what_is_no_interaction_is_refused(tmp_path: Path) -> None:
    """One line says which file."""
    path = cassette(tmp_path / "a.yaml", "text", says=True)
    with pytest.raises(ConfigurationError, match=r"a\.yaml: an interaction cannot be read"):
        redact(path)
