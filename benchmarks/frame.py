"""The frame of all benchmarks: interleaved rounds, medians with quartiles, gates, and the table that is printed.

A benchmark declares gates, and measures contestants: a name and the samples of it, one a round. Every round runs each
contestant once, in an order drawn anew, so that what else the machine does meets all of them alike. A gate compares the
medians; the spread of a ratio is the quartiles of the ratios of single rounds. What was not measured has a reason, and
a gate that was not measured is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

Rule = Literal["ratio", "faster", "above", "value"]
_SAMPLE = 0.004
"""Seconds that a sample takes at least: shorter calls are repeated within it, and divided."""
_SEED = 20261101


@dataclass(frozen=True, slots=True)
class Gate:
    """What is held: `ours` against `peer`, or by itself; without a limit it is only reported.

    "ratio": ours / peer is at most the limit. "faster": peer / ours is at least the limit. "above": ours − peer is at
    most the limit. "value": ours is at most the limit, and a peer is there for information. Limits of the last two are
    in the unit of the samples: seconds, bytes ("B"), or a count ("n").
    """

    work: str
    ours: str
    peer: str | None
    rule: Rule
    limit: float | None
    unit: Literal["s", "B", "n"] = "s"

    def __post_init__(self) -> None:
        if self.peer is None and self.rule != "value":
            raise ValueError(f"{self.work}: a gate of this rule needs a peer")

    def limit_text(self) -> str:
        """The limit as the table shows it."""
        if self.limit is None:
            return "–"
        match self.rule:
            case "ratio":
                return f"≤ {self.limit:g} ×"
            case "faster":
                return f"≥ {self.limit:g} × faster"
            case "above":
                return f"≤ +{amount(self.limit, self.unit)}"
            case "value":
                return f"≤ {amount(self.limit, self.unit)}"


@dataclass(slots=True)
class Measurements:
    """The samples of each contestant, why one is missing, and facts for the document (sizes, versions, modules)."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)

    def add(self, samples: Mapping[str, Sequence[float]]) -> None:
        """Take the samples of more contestants."""
        self.samples |= {name: list(values) for name, values in samples.items()}


@dataclass(frozen=True, slots=True)
class Options:
    """How long to measure. `small`: with little data, to see that everything runs; the figures mean nothing then."""

    rounds: int
    small: bool = False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A script: what it declares, what it measures, and the paragraph about it in the document."""

    name: str
    title: str
    about: str
    rounds: int
    gates: tuple[Gate, ...]
    measure: Callable[[Options], Measurements]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate, measured: medians of both sides, the figure that is held against the limit, and its quartiles."""

    work: str
    ours_name: str
    peer_name: str | None
    rule: Rule
    unit: str
    limit: float | None
    limit_text: str
    ours: float | None = None
    peer: float | None = None
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def passed(self) -> bool | None:
        """None where there is no limit. What was not measured, or is no number, did not pass."""
        if self.limit is None:
            return None
        if self.figure is None or math.isnan(self.figure):
            return False
        return self.figure >= self.limit if self.rule == "faster" else self.figure <= self.limit


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────
def race(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    warm: int = 1,
    single: bool = False,
    row: int = 1,
) -> dict[str, list[float]]:
    """Return the seconds a call of each contestant takes, one sample a round, or `row` of them one after another.

    A result is dropped at once, so that freeing it counts. Garbage is collected between samples, and the collector
    stays on within them, as in a program that uses the library. `single`: a sample is one call, and garbage is
    collected once a round, for calls that wait for something else.
    """
    counts: dict[str, int] = {}
    for name, call in contestants.items():
        for _ in range(warm):
            call()
        counts[name] = 1 if single else _calls_of(call, clock)
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    draw = random.Random(_SEED)
    for _ in range(rounds):
        gc.collect()
        for name in draw.sample(sorted(contestants), len(contestants)):
            if not single:
                gc.collect()
            samples[name] += [_sample(contestants[name], counts[name], clock) for _ in range(row)]
    return samples


def _sample(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(count):
        call()
    return (clock() - began) / count


def _calls_of(call: Callable[[], object], clock: Callable[[], float]) -> int:
    """How many calls make a sample long enough to be measured."""
    count = 1
    while count < 100_000:
        took = _sample(call, count, clock) * count
        if took >= _SAMPLE:
            return count
        count = max(count * 2, math.ceil(count * _SAMPLE / max(took, 1e-7)))
    return count


def is_installed(package: str) -> bool:
    """Whether a peer can be imported; a module that was hidden (None in sys.modules) cannot."""
    try:
        return find_spec(package) is not None
    except ValueError:
        return False


# ── judging ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def judge(gate: Gate, measured: Measurements) -> Verdict:
    """Hold the medians of a gate's contestants against its limit."""
    named = [name for name in (gate.ours, gate.peer) if name is not None]
    reasons = [measured.missing.get(name, "not measured") for name in named if not measured.samples.get(name)]
    base: dict[str, Any] = {
        "work": gate.work,
        "ours_name": gate.ours,
        "peer_name": gate.peer,
        "rule": gate.rule,
        "unit": gate.unit,
        "limit": gate.limit,
        "limit_text": gate.limit_text(),
    }
    ours = measured.samples.get(gate.ours, [])
    peer = measured.samples.get(gate.peer, []) if gate.peer is not None else []
    if ours:
        base["ours"] = statistics.median(ours)
    if peer:
        base["peer"] = statistics.median(peer)
    if reasons:
        return Verdict(**base, reason="; ".join(dict.fromkeys(reasons)))
    low, high = _quartiles([_figure(gate.rule, *pair) for pair in _pairs(ours, peer)])
    return Verdict(**base, figure=_figure(gate.rule, base["ours"], base.get("peer", math.nan)), low=low, high=high)


def _figure(rule: Rule, ours: float, peer: float) -> float:
    match rule:
        case "ratio":
            return ours / peer
        case "faster":
            return peer / ours
        case "above":
            return ours - peer
        case "value":
            return ours


def _pairs(ours: Sequence[float], peer: Sequence[float]) -> list[tuple[float, float]]:
    """Round by round; where the rounds differ in number, ours against the other's median."""
    if len(ours) == len(peer):
        return list(zip(ours, peer, strict=True))
    middle = statistics.median(peer) if peer else math.nan
    return [(one, middle) for one in ours]


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


# ── printing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def amount(value: float, unit: str) -> str:
    """A figure in the unit that a person reads: µs, ms, s; kB, MB; a count."""
    if unit == "n":
        return f"{value:g}"
    steps = (("MB", 1e6), ("kB", 1e3), ("B", 1.0)) if unit == "B" else (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    name, size = next((step for step in steps if abs(value) >= step[1]), steps[-1])
    return f"{digits(value / size)} {name}"


def digits(value: float) -> str:
    """Three digits, and no more than the whole number above a thousand."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def cells(verdict: Verdict) -> tuple[str, ...]:
    """A row of the table: work, ours, peer, figure with spread, gate, passed."""
    ours = "–" if verdict.ours is None else amount(verdict.ours, verdict.unit)
    peer = "–" if verdict.peer is None else amount(verdict.peer, verdict.unit)
    if verdict.peer_name is not None:
        peer = f"{verdict.peer_name}: {peer}"
    word = {True: "yes", False: "**no**", None: "–"}[verdict.passed]
    if verdict.figure is None or verdict.low is None or verdict.high is None:
        return verdict.work, ours, peer, f"not measured: {verdict.reason}", verdict.limit_text, word
    if verdict.rule in {"ratio", "faster"}:
        figure = f"{digits(verdict.figure)} × ({digits(verdict.low)}–{digits(verdict.high)})"
    else:
        sign = "+" if verdict.rule == "above" and verdict.figure >= 0 else ""
        low, high = (amount(value, verdict.unit) for value in (verdict.low, verdict.high))
        figure = f"{sign}{amount(verdict.figure, verdict.unit)} ({low} – {high})"
        if verdict.rule == "value" and verdict.peer and verdict.ours is not None:
            figure += f"; {digits(verdict.ours / verdict.peer)} × the peer"
    return verdict.work, ours, peer, figure, verdict.limit_text, word


HEAD = ("work", "ours", "peer", "ratio or figure (quartiles)", "gate", "passed")


def _print_table(verdicts: Sequence[Verdict]) -> None:
    rows = [HEAD, *(cells(verdict) for verdict in verdicts)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        print("  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True)).rstrip())


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def run(benchmark: Benchmark) -> int:
    """Run a script by itself: measure, print the table, write JSON where asked. Returns 1 where a gate is missed."""
    parser = argparse.ArgumentParser(description=benchmark.title)
    parser.add_argument("--rounds", type=int, default=benchmark.rounds)
    parser.add_argument("--small", action="store_true", help="little data: shows that it runs, measures nothing")
    parser.add_argument("--json", type=Path, help="write the result there as well")
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("--rounds is at least 1")
    began = time.perf_counter()
    measured = benchmark.measure(Options(chosen.rounds, chosen.small))
    verdicts = [judge(gate, measured) for gate in benchmark.gates]
    took = time.perf_counter() - began
    print(f"{benchmark.title}: {chosen.rounds} rounds, {took:.0f} s")
    for fact in measured.facts:
        print(f"  {fact}")
    _print_table(verdicts)
    if chosen.json is not None:
        result = {
            "name": benchmark.name,
            "rounds": chosen.rounds,
            "seconds": round(took, 1),
            "facts": measured.facts,
            "rows": [{**asdict(verdict), "passed": verdict.passed} for verdict in verdicts],
        }
        chosen.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return int(any(verdict.passed is False for verdict in verdicts))


def main(benchmark: Benchmark) -> None:
    """End the process with what `run` returns."""
    sys.exit(run(benchmark))
