"""The benchmarks: their gates fail where they are passed over, every script runs, and the document lists every gate."""

import importlib.util
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
SUPPORT = {"bills", "fixtures", "frame", "library", "recordings", "run", "server"}
"""What the scripts share; every other file is a script."""
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in SUPPORT)
PEERS = {"orjson", "msgspec", "httpx_aiohttp", "stripe", "chargebee", "whop_sdk", "yaml", "vcr", "vcrpy", "typer"}


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frame() -> Iterator[ModuleType]:
    """The frame, by the name that the scripts import it by."""
    yield _load("frame")
    del sys.modules["frame"]


@pytest.fixture
def run(frame: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The runner, which loads the scripts by their names as they load each other; none of them stays loaded."""
    assert frame.__name__ in sys.modules
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield _load("run")
    ours = {path.stem for path in BENCHMARKS.glob("*.py")}
    for name in (set(sys.modules) - before) & ours:
        del sys.modules[name]


def _judged(frame: ModuleType, rule: str, limit: float | None, ours: list[float], peer: list[float]) -> Any:
    gate = frame.Gate("work", "ours", "peer", rule, limit)
    return frame.judge(gate, frame.Measurements({"ours": ours, "peer": peer}))


# ── gates ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "rule, limit, inside, outside",
    [
        ("ratio", 1.5, 14.9, 15.1),
        ("faster", 2.0, 4.9, 5.1),
        ("above", 3.0, 12.9, 13.1),
        ("value", 7.0, 6.9, 7.1),
    ],
)
def test_a_gate_is_passed_on_one_side_of_its_limit(
    frame: ModuleType, rule: str, limit: float, inside: float, outside: float
) -> None:
    """Ours against a peer of 10: a little less passes, a little more does not."""
    peer = [10.0, 10.0, 10.0]
    assert _judged(frame, rule, limit, [inside] * 3, peer).passed is True
    assert _judged(frame, rule, limit, [outside] * 3, peer).passed is False


def test_a_gate_holds_the_medians_and_the_spread_is_by_round(frame: ModuleType) -> None:
    """One round of a thousand does not decide; quartiles are those of the ratios of single rounds."""
    verdict = _judged(frame, "ratio", 2.5, [1.0, 2.0, 3.0, 4.0, 1000.0], [1.0, 1.0, 2.0, 2.0, 1.0])
    assert (verdict.ours, verdict.peer, verdict.figure, verdict.passed) == (3.0, 1.0, 3.0, False)
    assert (verdict.low, verdict.high) == (1.5, 2.0)


def test_a_gate_that_was_not_measured_is_missed(frame: ModuleType) -> None:
    """A peer that is not installed, no sample at all, and no number: none of them is a pass."""
    gate = frame.Gate("work", "ours", "peer", "ratio", 100)
    missing = frame.judge(gate, frame.Measurements({"ours": [1.0]}, {"peer": "orjson is not installed"}))
    assert (missing.passed, missing.reason) == (False, "orjson is not installed")
    assert frame.judge(gate, frame.Measurements()).passed is False
    assert _judged(frame, "ratio", 100, [math.nan], [1.0]).passed is False


def test_what_has_no_limit_is_only_reported(frame: ModuleType) -> None:
    """It is neither passed nor missed."""
    assert _judged(frame, "ratio", None, [9.0], [1.0]).passed is None


def test_a_script_ends_with_1_past_a_gate(frame: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with 0 where it is kept; the result that it writes says the same."""
    path = tmp_path / "result.json"
    monkeypatch.setattr(sys, "argv", ["script", "--rounds", "2", "--json", str(path)])
    for limit, code in ((2.0, 0), (0.5, 1)):
        gate = frame.Gate("work", "ours", "peer", "ratio", limit)
        measured = frame.Measurements({"ours": [1.0, 1.0], "peer": [1.0, 1.0]})
        made = frame.Benchmark("name", "title", "about", 9, (gate,), lambda _, measured=measured: measured)
        assert frame.run(made) == code
        assert [row["passed"] for row in json.loads(path.read_text("utf-8"))["rows"]] == [code == 0]


def test_contestants_take_turns(frame: ModuleType) -> None:
    """Each runs once in every round, and not always in the same order."""
    calls: list[str] = []
    samples = frame.race(
        {name: lambda name=name: calls.append(name) for name in "abc"},
        6,
        clock=iter(range(1000)).__next__,
        single=True,
    )
    rounds = [calls[place : place + 3] for place in range(3, len(calls), 3)]
    assert [sorted(one) for one in rounds] == [["a", "b", "c"]] * 6
    assert len({tuple(one) for one in rounds}) > 1
    assert samples == {name: [1] * 6 for name in "abc"}


# ── scripts ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_and_measures_what_it_declares(script: str, tmp_path: Path, run: ModuleType) -> None:
    """With little data and one round: every gate has a figure above nothing, or names the package that is not here."""
    path = tmp_path / "result.json"
    program = [sys.executable, str(BENCHMARKS / f"{script}.py"), "--small", "--rounds", "1", "--json", str(path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert path.exists(), done.stderr
    rows = json.loads(path.read_text("utf-8"))["rows"]
    assert done.returncode == int(any(row["passed"] is False for row in rows)), done.stderr
    assert [row["work"] for row in rows] == run.declared()[script]
    reasons = {row["reason"] for row in rows if row["figure"] is None}
    for reason in reasons:
        package = reason.removesuffix(" is not installed")
        assert package in PEERS or reason == "the library does not load msgspec", reason
        assert package == reason or importlib.util.find_spec(package) is None, reason
    measured = [row for row in rows if row["figure"] is not None]
    if not measured:
        pytest.skip(f"nothing of it can be measured here: {'; '.join(sorted(reasons))}")
    for row in measured:
        assert row["ours"] > 0 or row["unit"] == "n", row
        assert row["peer_name"] is None or row["peer"] > 0, row


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_script_is_run(run: ModuleType) -> None:
    """`make bench` leaves none out."""
    assert sorted(run.SCRIPTS) == SCRIPTS


def test_the_document_is_that_of_the_results(run: ModuleType) -> None:
    """Nothing is written into it by hand; else: benchmarks/run.py --page."""
    stored = json.loads((BENCHMARKS / "results.json").read_text("utf-8"))
    assert (ROOT / "docs" / "benchmarks.md").read_text("utf-8") == run.page(stored)


def test_the_document_lists_exactly_the_declared_gates(run: ModuleType) -> None:
    """A gate that is new, gone or has another limit makes it stale: run `make bench` again."""
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    listed = Counter(
        (cells[0], cells[4])
        for line in page.splitlines()
        if line.startswith("| ") and (cells := line.strip("| ").split(" | "))[0] != "work"
    )
    declared = Counter((gate.work, gate.limit_text()) for script in run.SCRIPTS for gate in run.benchmark(script).gates)
    assert listed == declared
    assert max(declared.values()) == 1, "two gates have one name"


def test_the_document_names_every_gate_that_is_missed(run: ModuleType) -> None:
    """At its top, in words, with what was measured."""
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    missed = [cells[0] for cells in rows if cells[-1] == "**no**"]
    head = page.partition("\n## ")[0]
    assert [
        line.removeprefix("- ").partition(": ")[0] for line in head.splitlines() if "where the gate is" in line
    ] == missed
    stored = json.loads((BENCHMARKS / "results.json").read_text("utf-8"))
    assert len(missed) == sum(row["passed"] is False for one in stored["benchmarks"] for row in one["rows"])
    assert run.HEAD[-1] == "passed"
