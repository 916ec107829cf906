"""Files are written whole or not at all, and never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from invoice_bridge import files
from invoice_bridge.core.errors import ConfigurationError


def test_defect_79_no_file_is_written_through_a_link(tmp_path: Path) -> None:
    """Defect 79: a link at the target is refused, one at the old name of the unfinished file is not touched."""
    victim, target = tmp_path / "victim", tmp_path / "report.html"
    victim.write_text("precious", "utf-8")
    (tmp_path / "report.html.part").symlink_to(victim)
    files.write(target, "new")
    assert target.read_text("utf-8") == "new"
    target.unlink()
    target.symlink_to(victim)
    with pytest.raises(ConfigurationError, match=r"report\.html: it is a link"):
        files.write(target, "new")
    assert victim.read_text("utf-8") == "precious"


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """An exception while writing leaves what was there, and nothing beside it."""
    target = tmp_path / "a.txt"
    target.write_text("old", "utf-8")
    with pytest.raises(TypeError), files.replacing(target) as file:
        file.writelines(["half", 7])  # type: ignore[list-item]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text("utf-8") == "old"


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    """A program that runs as root would put a file in the place of /dev/null, for every program of the machine."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    for target, why in (
        (fifo, "not a file that can be replaced"),
        (tmp_path, "it is a folder"),
        (tmp_path / "no" / "a.txt", "no such folder"),
        (tmp_path / ("a" * 300), "it cannot be written: File name too long"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            files.write(target, "new")
    assert fifo.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
