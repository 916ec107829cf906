"""Pages whose blocks run as they are, with no account and no server."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.pages import ROOT, Runner, blocks, dialogue, looks_like

NO_ACCOUNT = {"pip": lambda _words: None}
"""What a reader does once, and no test repeats: reaching a registry."""


@pytest.mark.parametrize(
    "page, compared",
    [
        ("docs/index.md", 1),
        ("docs/explanation/flows.md", 1),
        ("docs/explanation/losses.md", 1),
        ("docs/explanation/money.md", 1),
        ("docs/how-to/compare-in-ci.md", 4),
        ("docs/how-to/own-http-client.md", 1),
        ("docs/how-to/test-your-app.md", 4),
    ],
)
def test_a_page_prints_what_it_shows(page: str, compared: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines run as they are, and print what is below them."""
    monkeypatch.chdir(tmp_path)
    runner = Runner(programs=NO_ACCOUNT, codes={"compare expected.ndjson actual.ndjson --html": 1})
    runner.run(page)
    assert runner.compared == compared


@pytest.mark.slow
def test_the_page_about_logging_prints_what_it_shows(tmp_path: Path) -> None:
    """As a program of its own: the tests have set up logging already."""
    found = blocks("docs/how-to/log.md")
    (tmp_path / "page.py").write_text("\n".join(block.text for block in found if block.kind == "python"), "utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    shown = "".join(block.text for block in found if block.kind == "text")
    assert looks_like(shown, done.stdout), done.stdout


@pytest.mark.parametrize(
    "shown, printed, alike",
    [
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a …!", "a bc!", True),
        ("a\nb", "a\nc\n", False),
        ("a", "a\nb", False),
        ("a.c", "abc", False),
        ("…\nb", "b", True),
    ],
)
def test_three_dots_are_any_text_or_any_lines(shown: str, printed: str, alike: bool) -> None:
    """All else is compared."""
    assert looks_like(shown, printed) is alike


def test_a_console_block_has_commands_and_what_they_print() -> None:
    """A command may go on in the next line; a comment is left out."""
    text = "$ invoice-bridge a \\\n    --b  # why\nprinted\n$ c\n"
    assert dialogue(text) == [("invoice-bridge a      --b", "printed\n"), ("c", "")]


def _has_examples(page: Path) -> bool:
    return any(block.kind in {"python", "console"} for block in blocks(page.relative_to(ROOT).as_posix()))


def _unnamed_pages() -> list[str]:
    """Return the pages with Python or commands that no test names."""
    tests = "".join(path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    pages = [page for page in sorted((ROOT / "docs").rglob("*.md")) if f'{page.name}"' not in tests]
    return [page.relative_to(ROOT).as_posix() for page in pages if _has_examples(page)]


@pytest.mark.parametrize("page", _unnamed_pages())
def test_a_page_that_no_other_test_names_runs_as_it_is(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no page has examples that nothing runs; one that needs emulators or files gets a test of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    copytree(ROOT / "examples", "examples", ignore=ignore_patterns("__pycache__"))
    Runner(programs=NO_ACCOUNT).run(page)


def test_pages_with_examples_are_seen(tmp_path: Path) -> None:
    """Python and commands count, files of settings do not."""
    seen = {path.name for path in (ROOT / "docs").rglob("*.md") if _has_examples(path)}
    assert {"index.md", "first-bill.md", "migrate.md", "webhooks.md", "logging.md"} <= seen
    assert "glossary.md" not in seen
