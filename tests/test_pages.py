"""Pages whose blocks run as they are, with no account and no server."""

from pathlib import Path

import pytest

from tests.pages import Runner, dialogue, looks_like

NO_ACCOUNT = {"pip": lambda _words: None}
"""What a reader does once, and no test repeats: reaching a registry."""


@pytest.mark.parametrize(
    "page, compared",
    [
        ("docs/index.md", 1),
        ("docs/explanation/flows.md", 1),
        ("docs/explanation/losses.md", 1),
        ("docs/explanation/money.md", 1),
    ],
)
def test_a_page_prints_what_it_shows(page: str, compared: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines run as they are, and print what is below them."""
    monkeypatch.chdir(tmp_path)
    runner = Runner(programs=NO_ACCOUNT)
    runner.run(page)
    assert runner.compared == compared


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
