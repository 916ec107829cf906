"""Runs pytest in copies of one warm process: each starts with pytest, the library and its suite imported.

A run in a process of its own spends most of a second on those imports. Here they are made once, in the environment's
own interpreter; each run is a fork of it, with a folder, a search path and a module table of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.environment import Environment

_SECONDS = 300
_WARMING = "from invoice_bridge.testing import Conformance\n\ndef test_nothing():\n    assert Conformance\n"


@dataclass(frozen=True)
class Ran:
    """How a run ended, and what it printed."""

    returncode: int
    stdout: str


@dataclass(frozen=True)
class WarmPytest:
    """The process that is forked for each run."""

    process: subprocess.Popen[str]
    folder: Path

    @classmethod
    @contextmanager
    def started(cls, environment: Environment, folder: Path) -> Iterator[WarmPytest]:
        """Start it in an environment; it ends with its input."""
        (folder / "test_warming.py").write_text(_WARMING, encoding="utf-8")
        with (folder / "errors").open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [str(environment.home / "bin" / "python"), str(Path(__file__).resolve()), "serve"],
                cwd=folder,
                env=environment.variables(Path(__file__).resolve().parents[1]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )
            with process:  # closes its input, and waits
                yield cls(process, folder)

    def run(self, *arguments: str, cwd: Path, path: Path) -> Ran:
        """Run pytest in a fork, in a folder; `path` goes before what is installed."""
        printed = self.folder / "printed"
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([arguments, str(cwd), str(path), str(printed)]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, (self.folder / "errors").read_text(encoding="utf-8")
        return Ran(int(answer), printed.read_text(encoding="utf-8"))


# ── in the process itself ────────────────────────────────────────────────────────────────────────────────────────────
def _serve(orders: IO[str], answers: IO[str]) -> None:
    import pytest

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    # by pytest itself, so that the assertions of the suite are rewritten as in any other run
    assert pytest.main(["-q", "-p", "no:cacheprovider", "test_warming.py"]) == 0
    for order in orders:
        if (child := os.fork()) == 0:
            os._exit(_run(*json.loads(order)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _run(arguments: list[str], folder: str, path: str, printed: str) -> int:
    import pytest

    signal.alarm(_SECONDS)  # one that hangs is ended, and reported as such
    with Path(printed).open("w", encoding="utf-8") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    os.chdir(folder)
    sys.path.insert(0, path)
    os.environ["PYTHONPATH"] = path
    code: Any = 70
    try:
        code = pytest.main(arguments)
    except BaseException:  # noqa: BLE001 - a fork must never go on as its parent
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code)


if __name__ == "__main__":
    _serve(sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8"))
