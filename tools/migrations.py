"""Run migrations whose workers are killed and stopped, and measure the pace: the whole of what tests/migrate slices.

    python tools/migrations.py --kills 250 --stops 40 --seed 7
    python tools/migrations.py --control        # no lookup, no fence, keys forgotten: must make items twice

Each run serves an emulator that forgets idempotency keys at once, plans bills for it, and judges by what it has made.
The exit code is 1 if an item was made twice or is not done; with --control, if none was made twice.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from invoice_bridge.migrate import State
from tests.migrate.pacing import CALM, measure
from tests.migrate.places import place_of, start_server
from tests.migrate.processes import SHORT, Scene, kill_and_replace, scene

ITEMS = 60


@dataclass(frozen=True)
class Case:
    """One run."""

    kind: str
    provider: str
    database: str
    workers: int
    seed: int
    kills: int = 0
    jobs: bool = False
    protected: bool = True
    imports: bool = False


@dataclass(frozen=True)
class Ended:
    """What came of a run."""

    case: Case
    signals: int
    made: int
    doubles: int
    states: dict[State, int]
    seconds: float
    charged: int = 0
    """How many mails and payments the target has in its ledger, where the items are history."""

    @property
    def is_wrong(self) -> bool:
        most = 1 if self.case.kind == "between" else 0
        return (
            bool(self.doubles > most or self.charged)
            or self.made != ITEMS
            or bool(set(self.states) - {"done", "quarantined"})
        )


def run(case: Case, server: str | None) -> Ended:
    """Run one case and judge it."""
    began = time.monotonic()
    with (
        place_of(case.database, f"{case.kind}_{case.seed}_{case.workers}", server) as place,
        scene(place, ITEMS, provider=case.provider, imports=case.imports) as stage,
    ):
        play = {"kill": _kill, "stop": _stop, "between": _stop, "dead": _kill_for_good}[case.kind]
        signals = play(stage, case)
        states = stage.ledger.counts(stage.plan)
        charges = [entry for entry in stage.emulator.ledger if case.imports and entry.event in {"mailed", "collected"}]
        seconds = time.monotonic() - began
        return Ended(case, signals, stage.made(), stage.doubles(), states, seconds, len(charges))


def _kill(stage: Scene, case: Case) -> int:
    return kill_and_replace(
        stage, case.seed, case.kills, case.workers, looks_up=case.protected, jobs=case.jobs, threads=3
    )


def _stop(stage: Scene, case: Case) -> int:
    """A worker is stopped before its nth request, past its lease and the takeover, and woken.

    "between" stops it within the write of a request, after every check: that one is sent all the same, and counted
    apart.
    """
    point, after = ("written", 0) if case.kind == "between" else ("send", 5 + case.seed % 40)
    stopped = stage.start(point, after, signal=signal.SIGSTOP, fenced=case.protected, threads=1)
    time.sleep(0.1)
    assert stopped.pid is not None
    while Path(f"/proc/{stopped.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "T":
        time.sleep(0.02)
    others = [stage.start() for _ in range(case.workers)]
    stage.finished(within=60)
    os.kill(stopped.pid, signal.SIGCONT)
    for process in (stopped, *others):
        process.join(30)
    return 1


def _kill_for_good(stage: Scene, case: Case) -> int:
    dead = stage.start("answer", case.seed % 60)
    other = stage.start()
    dead.join(30)
    died = time.monotonic()
    if not stage.finished(within=30) or time.monotonic() - died > 30:
        return 0
    other.join(10)
    return 1


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield the runs: kills over databases, providers and numbers of workers, then stops."""
    per_run, number, planned = 6, 0, 0
    while planned < options.kills:
        database, workers = ("sqlite", "postgres")[number % 2], (1, 3)[number // 2 % 2]
        jobs = database == "postgres" and number % 8 == 5
        provider = ("stripe", "chargebee")[number // 4 % 2]
        imports = provider == "chargebee" and not options.control  # Chargebee takes no id twice, so no control of it
        yield Case(
            "kill",
            provider,
            database,
            workers,
            options.seed + number,
            per_run,
            jobs,
            protected=not options.control,
            imports=imports and number % 8 in {4, 5, 7},
        )
        number, planned = number + 1, planned + per_run
    for number in range(options.stops):
        database = ("sqlite", "postgres")[number % 2]
        provider = ("stripe", "chargebee")[number // 2 % 2]
        yield Case("stop", provider, database, 1, options.seed + number, protected=not options.control)
    for number in range(0 if options.control else options.between):
        yield Case("between", ("stripe", "chargebee")[number % 2], "sqlite", 1, options.seed + number)
    for number in range(0 if options.control else options.dead):
        yield Case("dead", "stripe", ("sqlite", "postgres")[number % 2], 1, options.seed + number)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=250)
    parser.add_argument("--stops", type=int, default=40)
    parser.add_argument("--between", type=int, default=8, help="stops between the last check and the write")
    parser.add_argument("--dead", type=int, default=8)
    parser.add_argument("--rates", type=int, nargs="*", default=[10, 25, 150])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    server, url = start_server()
    wrong = doubled = signals = items = quarantined = imported = between = 0
    began = time.monotonic()
    takeover = SHORT.lease + SHORT.deadline + SHORT.settling
    print(f"takeover {takeover:.1f} s after the last beat; {ITEMS} items a run", flush=True)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        todo = [pool.submit(run, case, url) for case in cases(options) if url or case.database == "sqlite"]
        for each in todo:
            ended = each.result()
            signals, items = signals + ended.signals, items + ITEMS
            if ended.case.kind == "between":
                between += ended.doubles
            else:
                doubled += ended.doubles
            quarantined += ended.states.get("quarantined", 0)
            wrong += ended.is_wrong
            imported += ITEMS if ended.case.imports else 0
            if ended.is_wrong or options.control:
                print(f"  {ended}", flush=True)
    print(
        f"{len(todo)} runs, {items} items ({imported} imports), {signals} signals, "
        f"{time.monotonic() - began:.0f} s: {doubled} made twice, {quarantined} quarantined, "
        f"{wrong} runs wrong; {between} of {0 if options.control else options.between} stops between the "
        "last check and the write made theirs twice",
        flush=True,
    )
    for rate in () if options.control else options.rates:
        with tempfile.TemporaryDirectory() as folder:
            seen = measure(Path(folder) / "ledger.sqlite", rate, 10)
        waited = f"a processor was waited for {1000 * seen.late:.0f} ms at most"
        print(f"pace {rate}/s, 3 processes: {seen.used:.1%} used, {seen.most} in a second; {waited}", flush=True)
        wrong += seen.most > rate and seen.late <= CALM
    del server
    return int(bool(doubled) is not options.control or (bool(wrong) and not options.control))


if __name__ == "__main__":
    sys.exit(main())
