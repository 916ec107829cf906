"""Run all benchmarks, one process each, and write docs/benchmarks.md: python benchmarks/run.py, or make bench

--rounds N and --small are passed on; then, or with --only, nothing is written. --page writes the document again from
results.json, --gates prints what is declared, as JSON. Exit code 1 where a gate is missed, 2 where a script fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from frame import HEAD, Benchmark, Verdict, cells

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results.json", HERE.parent / "docs" / "benchmarks.md"
SCRIPTS = (
    "decode",
    "decode_msgspec",
    "memory",
    "pure",
    "create",
    "async_create",
    "startup",
    "cassettes",
    "replay",
    "compare",
)
"""In the order of the document."""
_HOW = (
    "Ours and the peer are medians of the rounds, which are interleaved; a ratio is that of the medians, and in "
    "brackets are the quartiles of the ratios of single rounds. A gate that was not measured is missed."
)
PACKAGES = (
    "invoice-bridge",
    "httpx",
    "httpcore",
    "pydantic",
    "orjson",
    "msgspec",
    "stripe",
    "chargebee",
    "whop-sdk",
    "httpx-aiohttp",
    "aiohttp",
    "sniffio",
    "typer",
    "PyYAML",
    "vcrpy",
)


def benchmark(script: str) -> Benchmark:
    found: Benchmark = import_module(script).BENCHMARK
    return found


def declared() -> dict[str, list[str]]:
    """The works of every script's gates, in order."""
    return {script: [gate.work for gate in benchmark(script).gates] for script in SCRIPTS}


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────────────────
def machine() -> dict[str, str]:
    """What the figures depend on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "load when it began": f"{load} (1, 5 and 15 minutes)",
        "Python": f"{python}, {platform.system()} {platform.machine()}",
        "packages": packages,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def run(scripts: tuple[str, ...], arguments: list[str]) -> list[dict[str, Any]]:
    """Run the scripts one after another; returns their results. Ends the program where one of them fails."""
    results = []
    with TemporaryDirectory() as folder:
        for script in scripts:
            path = Path(folder, f"{script}.json")
            program = [sys.executable, str(HERE / f"{script}.py"), "--json", str(path), *arguments]
            code = subprocess.run(program, check=False).returncode
            if code not in {0, 1} or not path.exists():  # an error ends Python with 1 as well, and writes nothing
                print(f"{script} failed with {code}: nothing is written", file=sys.stderr)
                sys.exit(2)
            results.append(json.loads(path.read_text("utf-8")))
            print(flush=True)
    return results


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────
def verdict(row: dict[str, Any]) -> Verdict:
    return Verdict(**{name: value for name, value in row.items() if name != "passed"})


def page(stored: dict[str, Any]) -> str:
    """The document that results stand for."""
    rows = [(result["name"], verdict(row)) for result in stored["benchmarks"] for row in result["rows"]]
    gated = [one for _, one in rows if one.passed is not None]
    missed = [one for one in gated if not one.passed]
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`, from `benchmarks/results.json`. Each script of `benchmarks/` also runs alone.",
        "",
        *(f"- {name}: {value}" for name, value in stored["machine"].items()),
        "",
        _HOW,
        "",
        f"**{len(gated) - len(missed)} of {len(gated)} gates are passed.**"
        + (" Missed:" if missed else " None is missed."),
        "",
    ]
    for one in missed:
        figure = cells(one)[3]
        lines.append(f"- {one.work}: {figure}, where the gate is {one.limit_text}")
    lines += [""] if missed else []
    for result in stored["benchmarks"]:
        about = benchmark(result["name"])
        lines += [f"## {about.title}", "", f"{about.about} {result['rounds']} rounds, {result['seconds']:.0f} s.", ""]
        lines += [f"- {fact}" for fact in result["facts"]]
        lines += [""] if result["facts"] else []
        lines += [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
        lines += [f"| {' | '.join(cells(one))} |" for name, one in rows if name == result["name"]]
        lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the benchmarks and write docs/benchmarks.md")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, help="run these, and write nothing")
    parser.add_argument("--page", action="store_true", help="write the document again from results.json")
    parser.add_argument("--gates", action="store_true", help="print the gates that the scripts declare, as JSON")
    chosen = parser.parse_args()
    if chosen.gates:
        print(json.dumps(declared(), ensure_ascii=False, indent=1))
        return 0
    if chosen.page:
        PAGE.write_text(page(json.loads(RESULTS.read_text("utf-8"))), encoding="utf-8")
        return 0
    arguments = [] if chosen.rounds is None else ["--rounds", str(chosen.rounds)]
    arguments += ["--small"] if chosen.small else []
    about = machine()
    results = run(tuple(chosen.only or SCRIPTS), arguments)
    if not arguments and not chosen.only:
        stored = {"machine": about, "benchmarks": results}
        RESULTS.write_text(json.dumps(stored, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(stored), encoding="utf-8")
        print(f"written: {PAGE.relative_to(HERE.parent)}")
    missed = [row["work"] for result in results for row in result["rows"] if row["passed"] is False]
    print(f"missed: {len(missed)} gates" if missed else "every gate is passed")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
