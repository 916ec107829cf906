"""The fault matrix: every creating flow, hit by every fault at every request, and judged by what the provider holds.

Over real TCP, against emulators. A case is a bill, a fault at one of its requests, a way in which the caller goes on
(again in the same process; or its process is killed with SIGKILL and another one makes the same bill, with a journal or
without), and the emulator's switches: as documented, or one of what is not confirmed the other way round. After each
case two questions are put to the emulator, never to the adapter: does it hold more than one bill, and is what the
caller was told true? In the control run the provider forgets keys at once and nothing is looked up.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from invoice_bridge.adapter.emulation.faults import Faults
from invoice_bridge.client.clients import Client
from invoice_bridge.client.options import no_waiting
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice, read_command
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.testing.fault_cases import (
    TIMEOUT,
    Case,
    allowed_losses,
    bills,
    cases,
    faults_of,
    in_memory,
    lookup_mode,
    make_emulator,
)

__all__ = ["Case", "Count", "Held", "Stage", "Told", "Verdict", "bills", "cases", "choose", "run", "run_all", "share"]

_PATIENCE = 5.0
_TRIES = 3
_DAYS = timedelta(days=3)


# ── one case ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Held:
    """What the provider holds: its ledger's events by invoice, and the invoices there are."""

    events: tuple[tuple[str, str], ...]
    invoices: frozenset[str]

    def ids(self, event: str) -> list[str]:
        """The invoices of an event, one for each time that it happened."""
        return [invoice_id for name, invoice_id in self.events if name == event]


@dataclass(frozen=True, slots=True)
class Told:
    """What one call told its caller, and what the provider held before it and after."""

    before: Held
    after: Held
    landing: int
    """How many requests of the call had not landed when it ended."""
    invoice: Invoice | None = None
    error: BridgeError | None = None

    def lies(self) -> Iterator[str]:
        """Where what was told is not so."""
        if self.invoice is not None:
            yield from _untrue(self.invoice, self.after)
        elif self.error is not None and self.error.outcome == "nothing_done":
            if self.after != self.before or self.landing:
                yield f"told that nothing was done: {self.error!r}"
        elif self.error is not None and self.error.outcome != "unknown" and self.after == self.before:
            yield f"told {self.error.outcome}, and nothing was: {self.error!r}"


def _untrue(invoice: Invoice, held: Held) -> Iterator[str]:
    if invoice.id not in held.invoices:
        yield f"told of {invoice.id}, which is not there"
    issued = invoice.id in held.ids("issued")
    if issued is (invoice.status is Status.DRAFT):
        yield f"told that {invoice.id} is {invoice.status}; the ledger: {held.events}"
    if invoice.status is Status.PAID and invoice.id not in held.ids("collected"):
        yield f"told that {invoice.id} is paid; the ledger: {held.events}"


class Stage:
    """A fresh emulator behind the running server, with the faults of a case, and the calls made to it."""

    def __init__(self, served: Served, case: Case, *, forgets: bool = False) -> None:
        self.name, self.url, self.forgets = case.provider, served.base_urls[case.provider], forgets
        self.moved = timedelta()
        self.emulator = make_emulator(self.name, case.flipped, self.clock, forgets=forgets)
        self.faults = Faults(self.emulator, faults_of(case))
        self.told: list[Told] = []
        served.put(self.name, self.faults)

    def clock(self) -> datetime:
        """The provider's present: ours, moved on."""
        return datetime.now(UTC) + self.moved

    def held(self) -> Held:
        """What the emulator holds now."""
        events = tuple((entry.event, entry.invoice_id) for entry in self.emulator.ledger)
        return Held(events, frozenset(self.emulator.invoices))

    def client(self, journal: str | None = None) -> AbstractContextManager[Client]:
        """A client of this stage."""
        return _client(self.name, self.url, journal, lookup_mode(self.name, journal, forgets=self.forgets))

    def bill(self, command: OneTimeCharge | PeriodInvoice, journal: str | None = None) -> Told:
        """Make a bill and note what was told."""
        before = self.held()
        with self.client(journal) as client:
            try:
                made, error = client.create(command, allow=allowed_losses(self.name, command)), None
            except BridgeError as problem:
                made, error = None, problem
        self.told.append(Told(before, self.held(), self.faults.landing, made, error))
        return self.told[-1]


@contextmanager
def _client(name: str, url: str, journal: str | None, lookup: str) -> Iterator[Client]:
    """A client of an emulator; what is tried again does not wait long."""
    emulator = in_memory(name)
    settings: dict[str, Any] = {
        **emulator.settings,
        **emulator.reference_settings,
        "journal": journal,
        "lookup": lookup,
        "timeout": TIMEOUT,
    }
    with httpx.Client(verify=False) as http:  # noqa: S501 - plain http on loopback: certificates are read for nothing
        with no_waiting():
            client = Client(name, api_key=emulator.key, base_url=url, http=http, **settings)
        with client:
            yield client


@dataclass
class Verdict:
    """What a case came to."""

    case: Case
    duplicates: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    unknown: int = 0
    """How many calls said that they do not know."""
    unresolved: str = ""
    """Why the bill is not there after all tries, where it is not."""


def run(case: Case, served: Served, *, forgets: bool = False) -> Verdict:
    """Run one case and judge it."""
    command = bills(case.provider)[case.bill]
    stage = Stage(served, case, forgets=forgets)
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "bills.sqlite") if "journal" in case.way else None
        if case.way != "again":
            _killed(stage, command, journal)
        if "days later" in case.way:
            stage.faults.land()
            stage.moved = _DAYS
        for _ in range(_TRIES):
            if stage.bill(command, journal).error is None:
                break
        stage.faults.land()
        verdict = Verdict(case, lies=[lie for told in stage.told for lie in told.lies()])
        verdict.unknown = sum(told.error is not None and told.error.outcome == "unknown" for told in stage.told)
        verdict.duplicates = list(_duplicates(stage.held(), command))
        if stage.told[-1].error is not None:
            verdict.unresolved = repr(stage.told[-1].error)
        if not forgets:
            verdict.lies += _resolved(stage, command, began)
    return verdict


def _duplicates(held: Held, command: OneTimeCharge | PeriodInvoice) -> Iterator[str]:
    for event in ("issued", "collected"):
        if len(held.ids(event)) > 1:
            yield f"{event} {len(held.ids(event))} times: {held.events}"
    if command.draft and len(held.invoices) > 1:
        yield f"{len(held.invoices)} drafts"


def _resolved(stage: Stage, command: OneTimeCharge | PeriodInvoice, began: datetime) -> Iterator[str]:
    """Ask resolve, and hold its answer against the ledger."""
    with stage.client() as client:
        found = client.resolve(command, since=began)
    issued = set(stage.held().ids("issued")) or stage.held().invoices
    if found.state == "found" and found.invoice is not None and found.invoice.id not in issued:
        yield f"resolve found {found.invoice.id}; the provider holds {issued}"
    if found.state == "absent" and issued:
        yield f"resolve says absent; the provider holds {issued}"


def _killed(stage: Stage, command: OneTimeCharge | PeriodInvoice, journal: str | None) -> None:
    """Make the bill in another process and kill that with SIGKILL once the fault has struck."""
    told = dumps({"command": command.verb, **loads(command.model_dump_json(exclude_defaults=True).encode())})
    lookup = lookup_mode(stage.name, journal, forgets=stage.forgets)
    begin = multiprocessing.get_context("forkserver")  # what it has loaded, each child has at once
    begin.set_forkserver_preload([__spec__.name, "httpx", in_memory(stage.name).__module__])
    child = begin.Process(target=_bill_and_die, args=(stage.name, stage.url, told, journal, lookup))
    child.start()
    patience = time.monotonic() + _PATIENCE
    while not stage.faults.hits and child.is_alive() and time.monotonic() < patience:
        time.sleep(0.001)
    assert child.pid is not None
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    if child.exitcode not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"the process that was to be killed ended by itself with {child.exitcode}")
    child.close()


def _bill_and_die(name: str, url: str, told: bytes, journal: str | None, lookup: str) -> None:
    command = read_command(loads(told))
    with suppress(BridgeError), _client(name, url, journal, lookup) as client:
        client.create(command, allow=allowed_losses(name, command))


# ── many cases ───────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Count:
    """What a run of the matrix came to, and the cases that went wrong."""

    cases: int = 0
    duplicates: int = 0
    lies: int = 0
    unknowns: int = 0
    unresolved: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __iadd__(self, other: Count) -> Self:
        self.cases += other.cases
        self.duplicates += other.duplicates
        self.lies += other.lies
        self.unknowns += other.unknowns
        self.unresolved += other.unresolved
        self.wrong += other.wrong
        return self

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.cases += 1
        self.duplicates += bool(verdict.duplicates)
        self.lies += bool(verdict.lies)
        self.unknowns += verdict.unknown
        if verdict.unresolved:
            self.unresolved[f"{verdict.case.provider}: {verdict.case.kind}: {verdict.unresolved[:150]}"] += 1
        self.wrong += [f"{verdict.case}: {what}" for what in (*verdict.duplicates, *verdict.lies)]

    def __str__(self) -> str:
        return (
            f"{self.cases} cases: {self.duplicates} billed twice, {self.lies} told what was not so, "
            f"{self.unknowns} calls ended unknown, {sum(self.unresolved.values())} bills not made after {_TRIES} tries"
        )


def run_all(chosen: Iterable[Case], served: Served, *, forgets: bool = False) -> Count:
    """Run cases one after the other."""
    count = Count()
    for case in chosen:
        count.add(run(case, served, forgets=forgets))
    return count


def choose(name: str, sample: int | None, seed: int) -> list[Case]:
    """A provider's cases: all of them, or a sample that is the same for the same seed."""
    found = list(cases(name))
    return found if sample is None or sample >= len(found) else random.Random(f"{seed}{name}").sample(found, sample)  # noqa: S311


def share(name: str, sample: int | None, seed: int, *, part: int, of: int, forgets: bool = False) -> Count:
    """Run one of several equal parts of a provider's cases, behind a server of its own: for several processes."""
    with running() as served:
        return run_all(choose(name, sample, seed)[part::of], served, forgets=forgets)
