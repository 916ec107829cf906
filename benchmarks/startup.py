"""Start: importing the library, its help, and `explain` in the terminal: python benchmarks/startup.py [--rounds 15]

Every sample is a process of its own. Bytecode is compiled beforehand, as an installed package has it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from frame import Benchmark, Gate, Measurements, Options, is_installed, main, race

_BASE = "import httpx, pydantic"
_MODEL = f"""
{_BASE}
class One(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(defer_build=True)
    one: int
"""
"""What every program pays that has a model of pydantic: `import pydantic` alone loads next to nothing of it."""
_NAMES = "from invoice_bridge import Client, Collection, Invoice, Money, OneTimeCharge, decode"
_ONE_COMMAND = """
import typer
app = typer.Typer()
@app.command()
def one(name: str, count: int = 1) -> None:
    "The only command."
app()
"""
_RUN = "import sys; from invoice_bridge.cli import main; sys.exit(main())"
"""What the installed script does."""
_BILL = """{"command": "one_time_charge", "reference": "res-1", "customer": "cus_42", "lines": [
{"description": "Day 1", "quantity": 1, "amount": {"minor": 1999, "currency": "EUR"}},
{"description": "Day 2", "quantity": 1, "amount": {"minor": 1999, "currency": "EUR"}}]}"""
HEAVY = (
    "sqlite3",
    "asyncio",
    "anyio",
    "typer",
    "click",
    "rich",
    "starlette",
    "uvicorn",
    "stripe",
    "chargebee",
    "whop_sdk",
    "hypothesis",
    "pytest",
    "vcr",
    "yaml",
    "invoice_bridge.cli",
    "invoice_bridge.emulator",
    "invoice_bridge.adapter.emulation",
    "invoice_bridge.journal.store",
    *(f"invoice_bridge.providers.{name}.emulator" for name in ("chargeapi", "chargebee", "stripe", "whop")),
)
"""What only a part of the programs needs. What `import httpx, pydantic` loads of it by itself does not count."""
_LIST = f"""
import sys
{_BASE}
before = set(sys.modules)
{{statement}}
loaded = {{{{name for name in sys.modules if name not in before}}}}
print(" ".join(sorted(name for name in {HEAVY!r} if name in loaded)))
print(len(loaded))
"""
ABOUT = (
    "Each sample is the CPU time of a new process, from start to exit, with bytecode there and standard output to "
    "a pipe; the peer's processes run in the same rounds, and the figure is the difference. The library is "
    "imported by itself, and with the names that an application imports of it (each is loaded when it is first "
    "used). The peer of both imports httpx and pydantic alone. Most of pydantic is loaded when the first model is "
    "made, so the names are also held against a program that makes one and never builds it. The peer of the "
    "terminal is a typer program of one command that prints its help. The gates on modules count what each import "
    "loads of: SQL, asyncio, the emulators, the command line, the SDKs, test tools; what httpx and pydantic load by "
    "themselves does not count."
)
GATES = (
    Gate("import invoice_bridge, above httpx and pydantic", "import invoice_bridge", _BASE, "above", 0.040),
    Gate("import of Client, OneTimeCharge, decode …, above the same", "import names", _BASE, "above", 0.040),
    Gate(
        "import of Client, OneTimeCharge, decode …, above one model of pydantic",
        "import names",
        "one model",
        "above",
        None,
    ),
    Gate("one model of pydantic, above httpx and pydantic", "one model", _BASE, "above", None),
    Gate("heavy modules of import invoice_bridge", "heavy of package", None, "value", 0, "n"),
    Gate("heavy modules of the names", "heavy of names", None, "value", 0, "n"),
    Gate("invoice-bridge --help, above typer's help", "invoice-bridge --help", "typer --help", "above", 0.220),
    Gate("invoice-bridge explain, above typer's help", "invoice-bridge explain", "typer --help", "above", 0.220),
    Gate("invoice-bridge explain, whole process", "invoice-bridge explain", None, "value", None),
)


def cpu_of_children() -> float:
    """Seconds of CPU that the processes that ended so far needed: other programs on the machine do not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True)
class Python:
    """Python in a process of its own; `cache` keeps its bytecode, which is written by the first, untimed run."""

    cache: str

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
        return {**kept, "PYTHONPYCACHEPREFIX": self.cache, "COLUMNS": "100"}

    def run(self, *arguments: str, content: str = "") -> str:
        """Run Python with these arguments; returns what it prints, and fails where it fails."""
        program = [sys.executable, *arguments]
        done = subprocess.run(program, input=content, capture_output=True, text=True, env=self.variables, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def starts(self, *arguments: str, content: str = "", expected: str = "") -> Callable[[], None]:
        """Return a call that runs Python with these arguments, and fails where it prints something else."""

        def start() -> None:
            printed = self.run(*arguments, content=content)
            assert expected in printed, printed

        return start

    def heavy(self, statement: str) -> tuple[list[str], int]:
        """Which of HEAVY a statement loads, and how many modules in all."""
        names, count = self.run("-c", _LIST.format(statement=statement)).splitlines()
        return names.split(), int(count)


def measure(options: Options) -> Measurements:
    with TemporaryDirectory() as cache:
        return measure_with(Python(cache), options)


def measure_with(python: Python, options: Options) -> Measurements:
    measured = Measurements()
    for statement, name in (("import invoice_bridge", "heavy of package"), (_NAMES, "heavy of names")):
        names, count = python.heavy(statement)
        measured.samples[name] = [len(names)]
        measured.facts.append(f"`{statement}` loads {count} modules, of those that count: {', '.join(names) or 'none'}")
    contestants = {
        _BASE: python.starts("-c", _BASE),
        "one model": python.starts("-c", _MODEL),
        "import invoice_bridge": python.starts("-c", f"{_BASE}; import invoice_bridge"),
        "import names": python.starts("-c", f"{_BASE}; {_NAMES}"),
    }
    if is_installed("typer"):
        explain = ("-c", _RUN, "explain", "-", "--provider", "stripe")
        contestants |= {
            "typer --help": python.starts("-c", _ONE_COMMAND, "--help", expected="The only command."),
            "invoice-bridge --help": python.starts("-c", _RUN, "--help", expected="explain"),
            "invoice-bridge explain": python.starts(*explain, content=_BILL, expected="v1/invoices"),
        }
    else:
        for name in ("typer --help", "invoice-bridge --help", "invoice-bridge explain"):
            measured.missing[name] = "typer is not installed"
    measured.add(race(contestants, options.rounds, clock=cpu_of_children, warm=0 if options.small else 1, single=True))
    return measured


BENCHMARK = Benchmark("startup", "Starting", ABOUT, 15, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
