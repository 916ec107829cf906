"""Whole migrations between two served accounts, whose workers are killed and stopped while both accounts have faults.

The source's invoices have ended in every way, open ones and drafts among them; both accounts forget an idempotency
key before a stopped worker's items are taken over. What is judged is what both emulators have, and their ledgers.
"""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from invoice_bridge import BridgeError, Client, Collection, Money, OneTimeCharge, Period
from invoice_bridge.adapter.emulation.core import Emulator, LedgerEntry
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.migrate import Ledger, Migration
from invoice_bridge.migrate.values import Timing
from invoice_bridge.providers.chargeapi.emulator.documents import ChargeApiDocuments
from invoice_bridge.testing.fault_cases import make_emulator
from tests.migrate.processes import POINTS, signal_at, weaken

PAIRS = (
    ("stripe", "chargebee"),
    ("chargebee", "stripe"),
    ("stripe", "stripe"),
    ("chargeapi", "chargebee"),
    ("chargeapi", "stripe"),
)
ENDS = ("paid", "void", "uncollectible", "refunded", "open", "draft")
TIMING = Timing(lease=4.0, beat=0.8, deadline=10.0, settling=0.5)
TAKEOVER = TIMING.lease + TIMING.deadline + TIMING.settling
_REMEMBERS = timedelta(seconds=TIMING.deadline)
"""How long a key lives: a repetition within a call is one, and a takeover comes after its end."""
_BEGIN, _HOUR = datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1)
_FAULTS = (
    Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.ERROR_AFTER, Kind.HTML_502_BEFORE, Kind.HTML_502_AFTER, Kind.TORN_JSON,
    Kind.TRUNCATED_BODY, Kind.THROTTLED,
)  # fmt: skip
_CLOSED = {"voided", "written_off", "recorded", "collected", "deleted"}


def fill(emulator: Emulator, count: int) -> None:
    """Make so many invoices at an account; an end that the provider does not have becomes another one."""
    transport = EmulatorTransport(emulator)
    with (
        httpx.Client(transport=transport) as http,
        Client(
            emulator.name, api_key=emulator.key, base_url=transport.root, http=http, lookup="never",
            **emulator.settings,
        ) as client,
    ):  # fmt: skip
        for number in range(count):
            _bill(client, emulator, ENDS[number % len(ENDS)], number)


def _bill(client: Client, emulator: Emulator, end: str, number: int) -> None:
    is_charged = end == "refunded" and emulator.name == "stripe"
    begins = _BEGIN + number * _HOUR
    if isinstance(emulator, ChargeApiDocuments):  # it bills what was used in a period
        emulator.add_transaction(emulator.customer, 1000 + number, "eur", begins, "Fees")
    command = OneTimeCharge(
        reference=f"res-{number:05}",
        customer=emulator.customer,
        amount=Money(1000 + number, "EUR"),
        description="Fees",
        period=Period(start=begins, end=begins + _HOUR),
        collection=Collection.charge("pm_42") if is_charged else Collection.manual(),
        draft=end == "draft",
    )
    made = client.create(command, allow=[loss.code for loss in client.losses(command)])
    with suppress(BridgeError):  # the provider has no such end: it stays open
        if is_charged:
            client.refund(made.id, amount=Money(300, "EUR"), reference=f"{command.reference}-back")
        elif end in {"paid", "refunded"}:
            client.pay(made.id) if emulator.name == "chargeapi" else client.mark_paid(made.id)
        elif end == "void":
            client.void(made.id)
        elif end == "uncollectible":
            client.mark_uncollectible(made.id)


def faults(dice: random.Random, requests: int, number: int) -> list[Fault]:
    """Return so many faults, each of one request among the next `requests`."""
    places = sorted(dice.sample(range(requests), number))
    return [Fault(dice.choice(_FAULTS), skip=max(0, place - index)) for index, place in enumerate(places)]


@dataclass(frozen=True)
class Errand:
    """What one worker process has to do."""

    place: str
    source: dict[str, Any]
    target: dict[str, Any]
    allow: tuple[str, ...]
    point: str = ""
    after: int = 0
    signal: int = signal.SIGKILL
    fenced: bool = True
    looks_up: bool = True


def run_errand(errand: Errand) -> None:
    """Run the migration in this process."""
    signal_at(errand.point, errand.after, errand.signal)
    weaken(fenced=errand.fenced, looks_up=errand.looks_up)
    with Migration(errand.place, source=errand.source, target=errand.target) as migration:
        migration.run(allow=errand.allow, threads=3)


@dataclass
class Verdict:
    """What is at both accounts after a run."""

    states: dict[str, int]
    doubles: list[str] = field(default_factory=list)
    charged: list[str] = field(default_factory=list)
    """Mails and collections that the target has in its ledger."""
    both: list[str] = field(default_factory=list)
    """References that were payable at both accounts at once."""
    findings: list[str] = field(default_factory=list)
    details: Counter[str] = field(default_factory=Counter)
    """Why items are with a person, or refused."""
    hits: int = 0

    @property
    def is_wrong(self) -> bool:
        """Whether anything is not as it has to be."""
        ends = set(self.states) - {"done", "skipped", "refused", "quarantined"}
        return bool(self.doubles or self.charged or self.both or self.findings or ends)


@dataclass
class Whole:
    """Both accounts, the plan, and the processes that work on it."""

    place: str
    served: dict[str, Served]
    emulators: dict[str, Emulator]
    sides: dict[str, dict[str, Any]]
    allow: tuple[str, ...] = ()
    started: list[BaseProcess] = field(default_factory=list)
    schedules: list[Faults] = field(default_factory=list)
    ledger: Ledger | None = None

    def migration(self) -> Migration:
        """A migration between both accounts on the ledger."""
        return Migration(self.place, source=self.sides["source"], target=self.sides["target"], rate=1000, timing=TIMING)

    def client(self, side: str) -> Client:
        """A client of one account that looks nothing up."""
        return Client(**self.sides[side], lookup="never")

    def plan(self, numbers: str) -> None:
        """Plan everything, open invoices and drafts too. With new numbers no target refuses a second document."""
        with self.migration() as migration:
            customers = {self.emulators["source"].customer: self.emulators["target"].customer}
            migration.plan(customers=customers, numbers=numbers, open_invoices=True, drafts=True)
            made = migration.preview()
            assert made.closes
            self.allow = tuple(sorted(made.stopping))

    def harm(self, dice: random.Random, requests: int, number: int) -> None:
        """Give both accounts faults, from now on."""
        for side, name in (("source", self.emulators["source"].name), ("target", self.emulators["target"].name)):
            schedule = Faults(self.emulators[side], faults(dice, requests, number))
            self.served[side].put(name, schedule)
            self.schedules.append(schedule)

    def heal(self) -> int:
        """Take the faults away; return how many requests they hit."""
        for side in ("source", "target"):
            self.served[side].put(self.emulators[side].name, self.emulators[side])
        return sum(len(schedule.hits) for schedule in self.schedules)

    def start(self, **orders: Any) -> BaseProcess:
        """Start a worker process."""
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([__name__, "invoice_bridge.migrate.migration"])
        errand = Errand(self.place, self.sides["source"], self.sides["target"], self.allow, **orders)
        process = processes.Process(target=run_errand, args=(errand,))
        process.start()
        self.started.append(process)
        return process

    def is_finished(self) -> bool:
        """Whether nothing of the plan is left to do."""
        if self.ledger is None:  # opening it writes, and waits for a worker that is stopped in a transaction
            self.ledger = Ledger(self.place)
        return self.ledger.is_finished(1)

    def judge(self) -> Verdict:
        """Compare both accounts with the plan."""
        hits = self.heal()
        with self.migration() as migration:
            rows = list(migration.ledger.rows(1))
            verdict = Verdict(dict(Counter(row.state for row in rows)), hits=hits)
            findings = migration.verify().findings
        left = {row.reference for row in rows if row.state == "quarantined"}
        verdict.findings = [str(one) for one in findings if one.reference not in left]
        verdict.details = Counter(
            f"{row.state} {row.reason}: {row.detail[:150]}" for row in rows if row.state in {"quarantined", "refused"}
        )
        with self.client("target") as client:
            there = Counter(one.reference or "" for one in client.list())
        verdict.doubles = sorted(name for name, number in there.items() if number > 1 or not name)
        made = {row.reference for row in rows if row.state == "done"}
        verdict.findings += [f"{name} is done and not at the target" for name in sorted(made - set(there))]
        ended = {row.reference: row.state for row in rows if row.state in {"refused", "skipped"}}
        verdict.findings += [f"{name} is {ended[name]} and at the target" for name in sorted(set(ended) & set(there))]
        target, source = self.emulators["target"].ledger, self.emulators["source"].ledger
        verdict.charged = [str(entry) for entry in target if entry.event in {"mailed", "collected"}]
        verdict.both = list(self._payable_at_both(rows, source, target))
        return verdict

    def _payable_at_both(self, rows: Any, source: list[LedgerEntry], target: list[LedgerEntry]) -> Iterator[str]:
        """Yield the open invoices that the target issued before the source had closed them."""
        closed: dict[str, datetime] = {}
        for entry in source:
            if entry.event in _CLOSED:
                closed.setdefault(entry.invoice_id, entry.at)
        opened = {entry.invoice_id: entry.at for entry in reversed(target) if entry.event == "issued"}
        holds_back = self.emulators["target"].name == "stripe"  # Chargebee's is not paid, which nothing collects
        for row in rows:
            if "release" not in row.operation or row.target_id is None:
                continue
            at = closed.get(row.source["id"])
            if row.state == "done" and at is None:
                yield f"{row.reference} is done and was never closed at the source"
            elif holds_back and row.target_id in opened and (at is None or opened[row.target_id] < at):
                yield f"{row.reference} was issued before it was closed at the source"

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            process.kill()
            process.join(10)
        if self.ledger is not None:
            self.ledger.close()


@contextmanager
def whole(place: str | Path, pair: tuple[str, str], items: int, *, numbers: str = "keep") -> Iterator[Whole]:
    """Serve both accounts, fill the source, and plan."""
    with ExitStack() as stack:
        served = {
            side: stack.enter_context(running(names=[name]))
            for side, name in zip(("source", "target"), pair, strict=True)
        }
        emulators, sides = {}, {}
        for side, name in zip(("source", "target"), pair, strict=True):
            emulator = make_emulator(name, None, lambda: datetime.now(UTC), forgets=True)
            type(emulator).window = _REMEMBERS  # a class of its own
            if side == "source":
                fill(emulator, items)
            served[side].put(name, emulator)
            emulators[side] = emulator
            sides[side] = {
                "provider": name, "api_key": emulator.key, "base_url": served[side].base_urls[name],
                **emulator.settings, **emulator.reference_settings,
            }  # fmt: skip
        made = Whole(str(place), served, emulators, sides)
        made.plan(numbers)
        try:
            yield made
        finally:
            made.end()


# ── killed and stopped ───────────────────────────────────────────────────────────────────────────────────────────────
def disturb(
    stage: Whole, dice: random.Random, kills: int, stops: int, workers: int, *, early: bool = False, **orders: Any
) -> Counter[str]:
    """Keep so many workers running, of which some are killed and some stopped past their lease and woken.

    Returns how many signals were given. Each worker that is to be disturbed does it itself, at a seeded point; an early
    one leaves so much to do that the next worker reaches its own point too.
    """
    points, passes = (("claim", "send", "answer"), 3) if early else (POINTS, 10)
    signals = [signal.SIGKILL] * kills + [signal.SIGSTOP] * stops
    dice.shuffle(signals)
    given: Counter[str] = Counter()
    sleeping: dict[int, tuple[BaseProcess, float]] = {}

    def one() -> BaseProcess:
        if not signals:
            return stage.start(**orders)
        point = dice.choice(points)
        after = dice.randrange(passes) if point in {"send", "answer"} else 0  # whoever takes items reaches its point
        return stage.start(point=point, after=after, signal=signals.pop(), **orders)

    assert not stage.is_finished()
    alive = [one() for _ in range(workers)]
    ends = time.monotonic() + 1800 + 60 * (kills + stops)  # only a run that hangs: a busy machine takes long
    while (alive or sleeping) and time.monotonic() < ends:
        for process in list(alive):
            process.join(0.02)
            is_asleep = process.exitcode is None and _is_stopped(process.pid)
            if is_asleep:
                sleeping[process.pid or 0] = process, time.monotonic() + TAKEOVER + 3 * dice.random()
                given["SIGSTOP"] += 1
            elif process.exitcode is None:
                continue
            alive.remove(process)
            given["SIGKILL"] += process.exitcode == -signal.SIGKILL
            given["failed"] += process.exitcode not in {None, 0, -signal.SIGKILL}
            if not stage.is_finished():
                alive.append(one())
        for number, (process, until) in list(sleeping.items()):
            if time.monotonic() > until:
                os.kill(number, signal.SIGCONT)
                process.join(0.1)
                del sleeping[number]
                alive.append(process)
    given["still running"] += len(alive) + len(sleeping)
    return given


def _is_stopped(number: int | None) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
