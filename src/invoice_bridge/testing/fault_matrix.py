"""The fault matrix: every creating flow, with every fault at every request, checked against the emulator's ledger.

It runs over real TCP against emulators. A case has a bill, a fault at one of its requests, the caller's retry and the
emulator's switches. The caller retries in the same process, or its process is killed with SIGKILL and another process
makes the same bill, with a journal or without one. The switches have their defaults, or one unconfirmed switch is
flipped. After each case two questions go to the emulator, never to the adapter: does it hold more than one bill, and
is the caller's result true? In the control run the provider forgets keys at once and the client looks nothing up.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from invoice_bridge.adapter.emulation.faults import Faults
from invoice_bridge.client.clients import Client
from invoice_bridge.client.options import no_waiting
from invoice_bridge.core.commands import (
    ImportInvoice,
    NewInvoice,
    OneTimeCharge,
    PeriodInvoice,
    read_command,
    read_import,
)
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
    every_bill,
    faults_of,
    imports,
    in_memory,
    lookup_mode,
    make,
    make_emulator,
)

__all__ = [
    "Case", "Count", "Held", "Stage", "Told", "Verdict", "bills", "cases", "choose", "imports", "run", "run_all",
    "share",
]  # fmt: skip

_KILL_TIMEOUT = 5.0
_TRIES = 3
_DAYS = timedelta(days=3)


# ── one case ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Held:
    """The provider's state: the events of its ledger with their invoices, and the ids of its invoices."""

    events: tuple[tuple[str, str], ...]
    invoices: frozenset[str]

    def ids(self, event: str) -> list[str]:
        """Return the invoice ids of an event, one for each occurrence."""
        return [invoice_id for name, invoice_id in self.events if name == event]


@dataclass(frozen=True, slots=True)
class Told:
    """The result of one call, and the provider's state before and after it."""

    before: Held
    after: Held
    landing: int
    """The number of the call's requests that the provider had not yet carried out when the call ended."""
    invoice: Invoice | None = None
    error: BridgeError | None = None

    is_import: bool = False

    def lies(self) -> Iterator[str]:
        """Yield each way in which the result is false."""
        if self.invoice is not None:
            yield from _untrue_import(self.invoice, self.after) if self.is_import else _untrue(self.invoice, self.after)
        elif self.error is not None and self.error.outcome == "nothing_done":
            if self.after != self.before or self.landing:
                yield f"the error claims that nothing was done, but something was: {self.error!r}"
        elif self.error is not None and self.error.outcome != "unknown" and self.after == self.before:
            yield f"the error claims {self.error.outcome}, but nothing was done: {self.error!r}"


def _untrue(invoice: Invoice, held: Held) -> Iterator[str]:
    if invoice.id not in held.invoices:
        yield f"the call returned {invoice.id}, which the provider does not have"
    issued = invoice.id in held.ids("issued")
    if issued is (invoice.status is Status.DRAFT):
        yield f"the call returned {invoice.id} as {invoice.status}; the ledger: {held.events}"
    if invoice.status is Status.PAID and invoice.id not in held.ids("collected"):
        yield f"the call returned {invoice.id} as paid; the ledger: {held.events}"


def _untrue_import(invoice: Invoice, held: Held) -> Iterator[str]:
    if invoice.id not in held.invoices:
        yield f"the call returned {invoice.id}, which the provider does not have"
    if loud := [name for name, _ in held.events if name == "collected"]:
        yield f"an import collected: {loud}; the ledger: {held.events}"


class Stage:
    """A new emulator behind the running server, with the faults of a case and the results of the calls made to it."""

    def __init__(self, served: Served, case: Case, *, forgets: bool = False) -> None:
        self.name, self.url, self.forgets = case.provider, served.base_urls[case.provider], forgets
        self.moved = timedelta()
        self.emulator = make_emulator(self.name, case.flipped, self.clock, forgets=forgets)
        self.faults = Faults(self.emulator, faults_of(case))
        self.results: list[Told] = []
        served.put(self.name, self.faults)

    def clock(self) -> datetime:
        """Return the provider's time: the real time plus `moved`."""
        return datetime.now(UTC) + self.moved

    def held(self) -> Held:
        """Return the emulator's current state."""
        events = tuple((entry.event, entry.invoice_id) for entry in self.emulator.ledger)
        return Held(events, frozenset(self.emulator.invoices))

    def client(self, journal: str | None = None) -> AbstractContextManager[Client]:
        """Open a client of this stage."""
        return _client(self.name, self.url, journal, lookup_mode(self.name, journal, forgets=self.forgets))

    def bill(self, command: NewInvoice, journal: str | None = None) -> Told:
        """Make a bill and record the result."""
        before = self.held()
        with self.client(journal) as client:
            try:
                invoice, error = make(client, command, allowed_losses(self.name, command)), None
            except BridgeError as problem:
                invoice, error = None, problem
        is_import = isinstance(command, ImportInvoice)
        self.results.append(Told(before, self.held(), self.faults.landing, invoice, error, is_import))
        return self.results[-1]


@contextmanager
def _client(name: str, url: str, journal: str | None, lookup: str) -> Iterator[Client]:
    """Open a client of an emulator that retries without waiting."""
    emulator = in_memory(name)
    settings: dict[str, Any] = {
        **emulator.settings,
        **emulator.reference_settings,
        "journal": journal,
        "lookup": lookup,
        "timeout": TIMEOUT,
    }
    with httpx.Client(verify=False) as http:  # noqa: S501 - plain http on loopback: no certificates to load
        with no_waiting():
            client = Client(name, api_key=emulator.key, base_url=url, http=http, **settings)
        with client:
            yield client


@dataclass
class Verdict:
    """The result of a case."""

    case: Case
    duplicates: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    unknown: int = 0
    """The number of calls whose outcome was "unknown"."""
    unresolved: str = ""
    """The last error, if the bill was not made after all tries."""


def run(case: Case, served: Served, *, forgets: bool = False) -> Verdict:
    """Run one case and judge it."""
    every: dict[str, OneTimeCharge | PeriodInvoice | ImportInvoice] = {
        **every_bill(case.provider),
        **imports(case.provider),
    }
    command = every[case.bill]
    stage = Stage(served, case, forgets=forgets)
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "bills.sqlite") if "journal" in case.way else None
        if case.way != "again":
            _bill_in_killed_process(stage, command, journal)
        if "days later" in case.way:
            stage.faults.land()
            stage.moved = _DAYS
        for _ in range(_TRIES):
            if stage.bill(command, journal).error is None:
                break
        stage.faults.land()
        verdict = Verdict(case, lies=[lie for result in stage.results for lie in result.lies()])
        errors = [result.error for result in stage.results if result.error is not None]
        verdict.unknown = sum(error.outcome == "unknown" for error in errors)
        verdict.duplicates = list(_duplicates(stage.held(), command))
        if stage.results[-1].error is not None:
            verdict.unresolved = repr(stage.results[-1].error)
        if not forgets:
            verdict.lies += _false_resolutions(stage, command, began)
    return verdict


def _duplicates(held: Held, command: NewInvoice) -> Iterator[str]:
    if isinstance(command, ImportInvoice):
        if len(held.invoices) > 1:
            yield f"{len(held.invoices)} documents"
        for event, most in (("recorded", len(command.payments)), ("credited", len(command.credit_notes))):
            if len(held.ids(event)) > most:
                yield f"{event} {len(held.ids(event))} times: {held.events}"
        return
    for event in ("issued", "collected"):
        if len(held.ids(event)) > 1:
            yield f"{event} {len(held.ids(event))} times: {held.events}"
    if isinstance(command, OneTimeCharge | PeriodInvoice) and command.draft and len(held.invoices) > 1:
        yield f"{len(held.invoices)} drafts"


def _false_resolutions(
    stage: Stage, command: OneTimeCharge | PeriodInvoice | ImportInvoice, began: datetime
) -> Iterator[str]:
    """Call resolve, and yield each contradiction between its answer and the ledger."""
    with stage.client() as client:
        resolution = client.resolve(command, since=began)
    issued = set(stage.held().ids("issued")) or stage.held().invoices
    if resolution.state == "found" and resolution.invoice is not None and resolution.invoice.id not in issued:
        yield f"resolve returned {resolution.invoice.id}; the provider holds {issued}"
    if resolution.state == "absent" and issued:
        yield f"resolve returned absent; the provider holds {issued}"


def _bill_in_killed_process(stage: Stage, command: NewInvoice, journal: str | None) -> None:
    """Make the bill in another process, and kill that process with SIGKILL once the fault has hit a request."""
    document = dumps({"command": command.verb, **loads(command.model_dump_json(exclude_defaults=True).encode())})
    lookup = lookup_mode(stage.name, journal, forgets=stage.forgets)
    processes = multiprocessing.get_context("forkserver")  # each child starts with the modules that this one preloads
    processes.set_forkserver_preload([__spec__.name, "httpx", in_memory(stage.name).__module__])
    child = processes.Process(target=_bill_and_die, args=(stage.name, stage.url, document, journal, lookup))
    child.start()
    deadline = time.monotonic() + _KILL_TIMEOUT
    while not stage.faults.hits and child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert child.pid is not None
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    if child.exitcode not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"the process ended by itself with exit code {child.exitcode} before it was killed")
    child.close()


def _bill_and_die(name: str, url: str, document: bytes, journal: str | None, lookup: str) -> None:
    fields = loads(document)
    is_import = fields["command"] == ImportInvoice.verb
    command: NewInvoice = read_import(fields) if is_import else read_command(fields)
    with suppress(BridgeError), _client(name, url, journal, lookup) as client:
        make(client, command, allowed_losses(name, command))


# ── many cases ───────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Count:
    """The totals of a run of the matrix, and its failures."""

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
        self.wrong += [f"{verdict.case}: {failure}" for failure in (*verdict.duplicates, *verdict.lies)]

    def __str__(self) -> str:
        return (
            f"{self.cases} cases: {self.duplicates} billed twice, {self.lies} with a false result, "
            f"{self.unknowns} calls ended unknown, {sum(self.unresolved.values())} bills not made after {_TRIES} tries"
        )


def run_all(chosen: Iterable[Case], served: Served, *, forgets: bool = False) -> Count:
    """Run cases one after the other."""
    count = Count()
    for case in chosen:
        count.add(run(case, served, forgets=forgets))
    return count


def choose(name: str, sample: int | None, seed: int, commands: Mapping[str, NewInvoice] | None = None) -> list[Case]:
    """Return a provider's cases: all of them, or a sample that is the same for the same seed.

    They are of its bills, or of `commands`, such as imports(name).
    """
    every = list(cases(name, commands))
    return every if sample is None or sample >= len(every) else random.Random(f"{seed}{name}").sample(every, sample)  # noqa: S311


def share(
    name: str, sample: int | None, seed: int, *, part: int, of: int, forgets: bool = False, of_imports: bool = False
) -> Count:
    """Run one of `of` equal parts of a provider's cases, with its own server, so that processes can share the work."""
    with running() as served:
        chosen = choose(name, sample, seed, imports(name) if of_imports else None)
        return run_all(chosen[part::of], served, forgets=forgets)
