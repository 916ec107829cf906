"""Workers of a migration as real processes, which kill or stop themselves at a stated point.

The points: "claim" (committed, nothing sent), "send" (before a request leaves), "answer" (after its answer),
"settle" (before what became of the items is written), "settled" (after). Two are apart: "intended" (the lease was
checked, the deadline was not yet), and "written" (after the last check of both, where no client can prevent the write).
"""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from typing import Any

from httpcore._backends.sync import SyncStream

from invoice_bridge import Client, ImportInvoice, Money, OneTimeCharge, explain
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.core.commands import NewInvoice
from invoice_bridge.emulator.server import running
from invoice_bridge.migrate import Ledger, NewItem, PlanHeader, Timing, move, work_on_jobs, write_operation
from invoice_bridge.migrate.journal import ItemJournal
from invoice_bridge.migrate.leases import Fence
from invoice_bridge.testing.documents import documents
from invoice_bridge.testing.fault_cases import make_emulator
from tests.migrate import other_engines

POINTS = ("claim", "send", "answer", "settle", "settled")
SHORT = Timing(lease=2.0, beat=0.4, deadline=4.0, settling=0.5)
"""Takeover after 6.5 seconds: as short as a busy machine can bear."""


@dataclass(frozen=True)
class Orders:
    """What one worker process has to do."""

    place: str
    url: str
    key: str
    provider: str = "stripe"
    threads: int = 3
    point: str = ""
    after: int = 0
    """How many times the point is passed before the signal."""
    signal: int = signal.SIGKILL
    fenced: bool = True
    looks_up: bool = True
    settings: str = "{}"
    jobs: bool = False
    engine: str = ""
    """Another engine of jobs than ours: "dbos" or "procrastinate"."""


def signal_at(point: str, after: int, number: int) -> None:
    """Have this process kill or stop itself at a point, once it has passed it so many times."""
    if number == signal.SIGSTOP:
        os.setsid()  # else the system wakes it, and ends it, once nobody is left who could (an orphaned group)
    passed: Counter[str] = Counter()

    def reach(reached: str) -> None:
        passed[reached] += 1
        if reached == point and passed[reached] == after + 1:
            os.kill(os.getpid(), number)
            time.sleep(0.05)  # another thread may take the signal, and this one would run on for a moment

    claim, settle, both = Ledger.claim, Ledger.settle, Ledger.settle_and_claim

    def watched_claim(self: Ledger, *arguments: Any, **options: Any) -> Any:
        items = claim(self, *arguments, **options)
        if items:
            reach("claim")
        return items

    def watched_settle(self: Ledger, *arguments: Any, **options: Any) -> Any:
        reach("settle")
        lost = settle(self, *arguments, **options)
        reach("settled")
        return lost

    def watched_both(self: Ledger, *arguments: Any, **options: Any) -> Any:
        reach("settle")
        lost, items = both(self, *arguments, **options)
        reach("settled")
        if items:
            reach("claim")
        return lost, items

    intend, conclude = ItemJournal.intend, ItemJournal.conclude

    def watched_intend(self: ItemJournal, *arguments: Any, **options: Any) -> int:
        reach("send")
        number = intend(self, *arguments, **options)
        reach("intended")
        return number

    def watched_conclude(self: ItemJournal, *arguments: Any, **options: Any) -> None:
        reach("answer")
        conclude(self, *arguments, **options)

    write = SyncStream.write

    def watched_write(self: SyncStream, *arguments: Any, **options: Any) -> None:
        reach("written")
        write(self, *arguments, **options)

    streams: Any = SyncStream
    streams.write = watched_write
    ledgers: Any = Ledger
    ledgers.claim, ledgers.settle, ledgers.settle_and_claim = watched_claim, watched_settle, watched_both
    replaced: Any = ItemJournal
    replaced.intend, replaced.conclude = watched_intend, watched_conclude


def weaken(*, fenced: bool, looks_up: bool) -> None:
    """Take the fence or the lookup from the workers of this process: the controls."""
    journal: Any = ItemJournal
    if not looks_up:
        journal.tries = lambda *_arguments: ()
    if not fenced:
        unfenced: Any = Fence
        unfenced.check, unfenced.is_open = lambda _self: None, True


def work(orders: Orders) -> None:
    """Run a worker in this process."""
    signal_at(orders.point, orders.after, orders.signal)
    weaken(fenced=orders.fenced, looks_up=orders.looks_up)
    if orders.jobs:
        work_on_jobs(orders.place, connect_to(orders), threads=orders.threads)
    elif orders.engine:
        other_engines.run(orders.engine, orders.place, connect_to(orders), threads=orders.threads)
    else:
        move(orders.place, None, connect_to(orders), threads=orders.threads)


def connect_to(orders: Orders) -> Any:
    """Return what makes the client of the target."""
    own = json.loads(orders.settings)
    return lambda **settings: Client(orders.provider, api_key=orders.key, base_url=orders.url, **own, **settings)


@dataclass
class Scene:
    """A target served over HTTP, a ledger with a plan for it, and the worker processes."""

    place: str
    url: str
    emulator: Emulator
    ledger: Ledger
    plan: int
    items: int
    provider: str
    threads: int = 3
    started: list[BaseProcess] = field(default_factory=list)

    def start(self, point: str = "", after: int = 0, **orders: Any) -> BaseProcess:
        """Start a worker process."""
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([__name__, "invoice_bridge.migrate.engine", "invoice_bridge.client.clients"])
        process = processes.Process(target=work, args=(self.orders(point=point, after=after, **orders),))
        process.start()
        self.started.append(process)
        return process

    def orders(self, **orders: Any) -> Orders:
        """Return the orders of a worker of this plan."""
        given = {
            "provider": self.provider,
            "settings": json.dumps({**self.emulator.settings, **self.emulator.reference_settings}),
            "threads": self.threads,
            **orders,
        }
        return Orders(self.place, self.url, self.emulator.key, **given)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            process.kill()
            process.join(10)

    def finished(self, within: float) -> bool:
        """Wait until nothing is left to do."""
        ends = time.monotonic() + within
        while time.monotonic() < ends:
            if self.ledger.is_finished(self.plan):
                return True
            time.sleep(0.05)
        return False

    def doubles(self) -> int:
        """Return how many invoices more than one the references have at the target, drafts and unknown ones too."""
        return len(self.emulator.invoices) - len({self._reference(one) for one in self.emulator.invoices.values()})

    def made(self) -> int:
        """Return how many of the plan's references the target has."""
        known = {row.reference for row in self.ledger.rows(self.plan)}
        return len(known & {self._reference(one) for one in self.emulator.invoices.values()})

    def _reference(self, document: Any) -> str:
        text = json.dumps(document, default=str)
        for row in self._references:
            if f'"{row}"' in text:
                return row
        return "none of the plan"

    @property
    def _references(self) -> list[str]:
        return [f"mig-{number:05}" for number in range(self.items)]


def _bill(reference: str, number: int, customer: str | None) -> OneTimeCharge:
    return OneTimeCharge(reference=reference, customer=customer, amount=Money(100 + number, "EUR"), description="moved")


def _history(reference: str, number: int, customer: str | None) -> ImportInvoice:
    """Return an invoice of the past: paid, void or uncollectible in turn."""
    settled = [one for one in documents(customer) if one.reference in {"doc-paid", "doc-void", "doc-lost"}]
    return settled[number % 3].model_copy(update={"reference": reference, "number": f"H-{number:05}"})


def _item(command: NewInvoice, provider: str) -> NewItem:
    allow = tuple(loss.code for loss in explain(provider, command).losses) if command.verb == ImportInvoice.verb else ()
    return NewItem(command.reference, {"make": write_operation(command, allow)})


@contextmanager
def scene(
    place: Any,
    items: int,
    *,
    provider: str = "stripe",
    forgets: bool = True,
    timing: Timing = SHORT,
    rate: int | None = None,
    threads: int = 3,
    imports: bool = False,
) -> Iterator[Scene]:
    """Serve a target, and plan so many bills, or imports of history, for it.

    By default the target forgets idempotency keys at once.
    """
    emulator = make_emulator(provider, None, lambda: datetime.now(UTC), forgets=forgets)
    customer = emulator.customer
    commands = _history if imports else _bill
    with running(names=[provider]) as served, Ledger(place) as ledger:
        served.put(provider, emulator)
        plan = ledger.add_plan(PlanHeader(f"{provider}:test", timing=timing, rate=rate))
        bills = (commands(f"mig-{number:05}", number, customer) for number in range(items))
        ledger.add(plan, (_item(bill, provider) for bill in bills), page_size=items // 5)
        made = Scene(str(place), served.base_urls[provider], emulator, ledger, plan, items, provider, threads)
        try:
            yield made
        finally:
            made.end()


def kill_and_replace(stage: Scene, seed: int, kills: int, workers: int, **orders: Any) -> int:
    """Keep so many workers running, and have them killed at seeded points; return how many were killed."""
    dice = random.Random(seed)

    def one(last: bool) -> BaseProcess:
        if last:
            return stage.start(**orders)
        point = dice.choice(POINTS)
        after = dice.randrange(5) if point in {"send", "answer"} else 0  # whoever takes items reaches its point
        return stage.start(point, after, **orders)

    begun, killed = workers, 0
    alive = [one(last=False) for _ in range(workers)]
    ends = time.monotonic() + 60 + 20 * kills
    while alive and time.monotonic() < ends:
        for process in list(alive):
            process.join(0.02)
            if process.exitcode is None:
                continue
            alive.remove(process)
            killed += process.exitcode == -signal.SIGKILL
            if not stage.ledger.is_finished(stage.plan):
                begun += 1
                alive.append(one(last=begun > kills))
    return killed
