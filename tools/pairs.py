"""Run whole migrations between every pair of providers, with workers killed and stopped, and faults at both accounts.

    python tools/pairs.py --runs 50 --items 200 --kills 6 --stops 4 --seed 7
    python tools/pairs.py --control --runs 6             # no lookup or no fence: must make documents twice

Each run plans every invoice of a source, moves it, and judges both accounts (tests/migrate/whole.py). Each prints a
line. The exit code is 1 if one of them is wrong; with --control, if no document was made twice.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.migrate.places import place_of, start_server
from tests.migrate.whole import PAIRS, TAKEOVER, Verdict, disturb, whole


@dataclass(frozen=True)
class Case:
    """One run."""

    number: int
    seed: int
    pair: tuple[str, str]
    database: str
    workers: int
    items: int
    kills: int
    stops: int
    faults: int
    weakened: str = ""
    numbers: str = "keep"

    def __str__(self) -> str:
        pair = " → ".join(self.pair)
        return (
            f"{self.number:3} {pair}, {self.database}, workers {self.workers}, {self.numbers} numbers, seed {self.seed}"
        )


def run(case: Case, server: str | None) -> tuple[Case, Counter[str], Verdict, float]:
    """Run one case and judge it."""
    began, dice = time.monotonic(), random.Random(case.seed)
    with (
        place_of(case.database, f"pair_{case.seed}_{case.number}", server) as place,
        whole(place, case.pair, case.items, numbers=case.numbers) as stage,
    ):
        stage.harm(dice, case.items * 4, case.faults)
        orders = {"looks_up": case.weakened != "lookup", "fenced": case.weakened != "fence"}
        signals = disturb(stage, dice, case.kills, case.stops, case.workers, **orders)
        return case, signals, stage.judge(), time.monotonic() - began


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield the runs: each pair with each database and number of workers in turn."""
    for number in range(options.first, options.first + options.runs):
        pair = PAIRS[number % len(PAIRS)]
        database = ("sqlite", "postgres")[number % 2]
        workers = (1, 3)[number // 2 % 2]
        weakened = ""
        if options.control:  # Chargebee takes no number twice, whoever sends it
            pair, weakened = ("chargebee", "stripe"), ("lookup", "fence")[number % 2]
        kills, stops = (0, options.stops) if weakened == "fence" else (options.kills, options.stops)
        yield Case(
            number, options.seed + number, pair, database, workers, options.items, kills, stops, options.faults,
            weakened, "new" if options.control or number // 4 % 2 else "keep",
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the number of the first run")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=6, help="of each run")
    parser.add_argument("--stops", type=int, default=4, help="of each run")
    parser.add_argument("--faults", type=int, default=20, help="of each account in each run")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    server, url = start_server()
    began, wrong, doubles = time.monotonic(), 0, 0
    signals: Counter[str] = Counter()
    states: Counter[str] = Counter()
    print(f"takeover {TAKEOVER:.1f} s after the last beat; {options.items} invoices a run", flush=True)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        todo = [pool.submit(run, case, url) for case in cases(options) if url or case.database == "sqlite"]
        for each in as_completed(todo):
            try:
                case, given, verdict, seconds = each.result()
            except Exception as failure:  # noqa: BLE001 - the other runs go on; one that cannot be judged is wrong
                print(f"  NOT JUDGED {type(failure).__name__}: {failure}"[:500], flush=True)
                wrong += 1
                continue
            signals += given
            states += Counter(verdict.states)
            doubles += len(verdict.doubles)
            is_wrong = verdict.is_wrong or bool(given["failed"] or given["still running"])
            wrong += is_wrong
            shown = ", ".join(f"{number} {state}" for state, number in sorted(verdict.states.items()))
            print(f"{case}: {shown}; {dict(+given)}, {verdict.hits} faults, {seconds:.0f} s", flush=True)
            if is_wrong and not options.control:
                print(f"  WRONG {given} {verdict}", flush=True)
            for detail, number in verdict.details.items():
                if "source-total-unknown" not in detail:
                    print(f"  {number}: {detail}", flush=True)
    print(
        f"{len(todo)} runs, {states.total()} invoices {dict(states)}, signals {dict(signals)}, "
        f"{time.monotonic() - began:.0f} s: {doubles} made twice, {wrong} runs wrong",
        flush=True,
    )
    del server
    return int(not doubles) if options.control else int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
