"""Compare two files of neutral invoices, as many a side as asked: seconds and peak memory.

python benchmarks/compare.py [--count 100000] [--seed 1]: makes its files by the seed in a temporary folder, compares
them as `invoice-bridge compare --json` in a process of its own, so that making them does not count, and fails where the
limits are passed.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from invoice_bridge import Collection, CustomerRef, Invoice, Line, Money, Period, Status

SECONDS, MEGABYTES = 60, 300
MEASURE = """
import resource, sys, time
from invoice_bridge.cli.app import run
begin = time.perf_counter()
code = run(["compare", sys.argv[1], sys.argv[2], "--json"])
took = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss / 1024
cpu = used.ru_utime + used.ru_stime
told = f"exit {code}, {took:.1f} s ({cpu:.1f} s of CPU), peak {peak:.0f} MB"
print(told, file=sys.stderr)
sys.exit(code != 1 or took > float(sys.argv[3]) or peak > float(sys.argv[4]))
"""


def invoice(chance: random.Random, place: int, provider: str) -> Invoice:
    """An invoice of three lines with everything that providers commonly say, and two kilobytes of their own JSON."""
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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sides = [Path(folder) / f"{name}.ndjson" for name in ("left", "right")]
        for side in sides:
            write(side, asked.seed, asked.count, side.stem)
        size = sum(side.stat().st_size for side in sides) / 1e6
        print(f"seed {asked.seed}: {asked.count} invoices a side, {size:.0f} MB of NDJSON", flush=True)
        program = [sys.executable, "-c", MEASURE, *map(str, sides), str(SECONDS), str(MEGABYTES)]
        with (Path(folder) / "report.json").open("w+") as report:
            code = subprocess.run(program, check=False, stdout=report).returncode
            report.seek(0)
            print(json.load(report)["counts"])
        return code


if __name__ == "__main__":
    sys.exit(main())
