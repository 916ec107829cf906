"""What the tests of the command line share: a served emulator, and a way to run a command."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.cli.app import run
from invoice_bridge.emulator.server import Served, running
from tests.measured import measured

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KEY = "sk_test_not_a_key"


@dataclass(frozen=True)
class Done:
    """What a command did: its exit code, and what it printed where."""

    code: int
    out: str
    err: str


@pytest.fixture
def served() -> Iterator[Served]:
    """Stripe's emulator on a free port; its clock stands still."""
    with running(clock=FakeClock(), names=["stripe"]) as server:
        yield server


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run a command within this process."""
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Done:
        capsys.readouterr()
        code = run(arguments)
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return call


@pytest.fixture
def stripe(cli: Callable[..., Done], served: Served) -> Callable[..., Done]:
    """Run a command against the served emulator of Stripe."""
    return lambda *arguments: cli(*arguments, "--provider", "stripe", "--base-url", served.base_urls["stripe"])


def execute(*arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
    """Run a command as a program of its own."""
    program = [sys.executable, "-W", "error", "-c", "from invoice_bridge.cli import main; main()", *arguments]
    path = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    path |= measured()
    done = subprocess.run(program, input=stdin, capture_output=True, check=False, env=path | (env or {}), timeout=60)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
