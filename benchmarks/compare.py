"""Compare two files of neutral invoices, a hundred thousand a side: python benchmarks/compare.py [--rounds 1]

Makes its files by a seed in a temporary folder, and compares them as `invoice-bridge compare --json` in a process of
its own, so that making them does not count.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from frame import Benchmark, Gate, Measurements, Options, is_installed, main

if TYPE_CHECKING:
    from invoice_bridge import Invoice

_COUNT, _SEED = 100_000, 1
_MEASURE = """
import json, resource, sys, time
from invoice_bridge.cli.app import run
begin = time.perf_counter()
code = run(["compare", sys.argv[1], sys.argv[2], "--json"])
took = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([code, took, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]), file=sys.stderr)
"""
ABOUT = (
    "Two files of a hundred thousand neutral invoices, each of three lines and with two kilobytes of `raw`, made "
    "by a seed: in the second one every hundredth total is another, every thousandth invoice is missing, and no "
    "tax is stated, so that no pair is equal at a glance. `invoice-bridge compare --json` runs in a process of "
    "its own: wall time of the comparison, and the peak of the whole process."
)
GATES = (
    Gate("compare 100,000 invoices a side", "compare", None, "value", 60),
    Gate("compare 100,000 invoices a side, CPU", "compare, CPU", None, "value", None),
    Gate("compare 100,000 invoices a side, peak", "compare, peak", None, "value", 300e6, "B"),
)


def invoice(chance: random.Random, place: int, provider: str) -> Invoice:
    """An invoice of three lines with everything that providers commonly say, and two kilobytes of their own JSON."""
    from invoice_bridge import Collection, CustomerRef, Invoice, Line, Money, Period, Status

    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=place)
    rows = [
        Line(description=f"Session {n}", quantity=n + 1, unit_amount=Money(chance.randrange(5000), "EUR"))
        for n in range(3)
    ]
    total = Money(sum(line.amount.minor for line in rows), "EUR")
    return Invoice(
        provider=provider,
        id=f"{provider}_{place}",
        number=f"N-{place}",
        status=chance.choice([Status.OPEN, Status.PAID]),
        currency="EUR",
        subtotal=total,
        tax=Money(0, "EUR"),
        total=total,
        amount_due=total,
        amount_paid=Money(0, "EUR"),
        amount_remaining=total,
        lines=tuple(rows),
        customer=CustomerRef(id=f"cus_{place % 500}", email=f"c{place % 500}@example.test"),
        period=Period.month(2026, 5),
        description="Reservation fees",
        reference=f"res-{place}",
        metadata={"order": str(place)},
        created_at=created,
        due_at=created + timedelta(days=14),
        collection=Collection.manual(),
        raw={"id": f"{provider}_{place}", "rest": ["x" * 40] * 45},
    )


def write(path: Path, seed: int, count: int, provider: str) -> None:
    """Write a side; every hundredth invoice of the right one has another total, every thousandth is missing."""
    from invoice_bridge import Money

    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for place in range(count):
            made = invoice(chance, place, provider)
            if provider == "right" and place % 1000 == 7:
                continue
            if provider == "right" and place % 100 == 3:
                made = made.model_copy(update={"total": Money(1, "EUR")})
            if provider == "right":
                made = made.model_copy(update={"tax": None})  # unsaid: so no pair is equal at a glance
            file.write(made.model_dump_json() + "\n")


def measure(options: Options) -> Measurements:
    measured = Measurements()
    if not is_installed("typer"):
        measured.missing |= {gate.ours: "typer is not installed" for gate in GATES}
        return measured
    count = 2_000 if options.small else _COUNT
    with TemporaryDirectory() as folder:
        sides = [Path(folder, f"{name}.ndjson") for name in ("left", "right")]
        for side in sides:
            write(side, _SEED, count, side.stem)
        size = sum(side.stat().st_size for side in sides) / 1e6
        measured.facts.append(f"{count:,} invoices a side, {size:.0f} MB of NDJSON, seed {_SEED}")
        for _ in range(options.rounds):
            program = [sys.executable, "-c", _MEASURE, *map(str, sides)]
            done = subprocess.run(program, capture_output=True, text=True, check=True)
            code, took, cpu, peak = json.loads(done.stderr.splitlines()[-1])
            counts = json.loads(done.stdout)["counts"]
            assert code == 1, f"the sides differ, and compare says {code}"
            assert counts, done.stdout[:200]
            for name, value in (("compare", took), ("compare, CPU", cpu), ("compare, peak", peak)):
                measured.samples.setdefault(name, []).append(value)
    return measured


BENCHMARK = Benchmark("compare", "Comparing", ABOUT, 1, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
