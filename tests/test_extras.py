"""What each extra is for: a module imports with its own extra alone, and every other module without any."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.extras import NEEDS, PACKAGES

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "tools" / "extras.py"
ALONE = sorted({" ".join(sorted(extras)) for extras in NEEDS.values()} | {"", "migrate-postgres", "postgres fast"})


def run(*extras: str, tool: Path = TOOL) -> tuple[int, str]:
    """What the program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, tool, *extras], capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_every_extra_of_the_project_is_in_the_table() -> None:
    """A new extra names its packages there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(PACKAGES) == set(project["optional-dependencies"])


@pytest.mark.slow
@pytest.mark.parametrize("extras", ALONE)
def test_modules_import_with_their_extras_alone(extras: str) -> None:
    """The packages of all other extras are absent."""
    code, printed = run(*extras.split())
    assert code == 0, printed
    assert "modules import" in printed


@pytest.mark.slow
def test_an_import_too_many_is_seen(tmp_path: Path) -> None:
    """A module that needs an extra which the table does not name, and an entry that is not needed, are both printed."""
    tool = tmp_path / "extras.py"
    text = TOOL.read_text("utf-8").replace('"invoice_bridge.webhooks.asgi"', '"invoice_bridge.webhooks.signing"')
    tool.write_text(text, "utf-8")
    code, printed = run(tool=tool)
    assert code == 1
    assert printed.splitlines() == [
        "invoice_bridge.webhooks.asgi should import",
        "invoice_bridge.webhooks.signing imports without its extra",
    ]


def test_an_unknown_extra_is_refused() -> None:
    """With the extras that there are."""
    code, printed = run("clii")
    assert (code, printed.partition(";")[0]) == (2, "no such extra: clii")
