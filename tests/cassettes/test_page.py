"""The page on keeping recordings clean: its commands run, and it says what the code does."""

import re
import shutil
from pathlib import Path

import pytest

from invoice_bridge.cassettes import check
from invoice_bridge.cassettes.pseudonyms import LINK, REDACTED
from invoice_bridge.cassettes.redaction import SHORTEST_KEY
from invoice_bridge.cli.app import run
from tests.cassettes.corpus import named, person

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "cassettes.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ invoice-bridge (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the repository's own cassettes, which have nothing to find."""
    shutil.copytree(ROOT / "cassettes", tmp_path / "cassettes")
    monkeypatch.chdir(tmp_path)
    assert run(command.split()) == 0


def test_its_python_runs() -> None:
    """The block of its own configuration makes a recorder."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    made: dict[str, object] = {}
    exec(block, made)  # noqa: S102 - the page's own example
    assert made["recorder"]


def test_it_says_what_the_code_does() -> None:
    """The examples are real, and every kind of finding stands in its table."""
    assert len(COMMANDS) == 4
    for word in (REDACTED, LINK, person(), named(), f"at least {SHORTEST_KEY} characters"):
        assert word in PAGE
    kinds = {check.SECRET, check.UNREAD, check.PROVENANCE, check.REPLAY, check.API_VERSION, check.AGE}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == kinds
