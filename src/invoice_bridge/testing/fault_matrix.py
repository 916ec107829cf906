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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import Clock, Emulator
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.client.clients import Client
from invoice_bridge.client.options import no_waiting
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice, read_command
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Collection, Invoice, Line, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.explain import explain, losses

GoesOn = Literal["again", "killed", "killed, journal", "killed, journal, days later"]

_WAYS: tuple[GoesOn, ...] = ("again", "killed", "killed, journal", "killed, journal, days later")
_KINDS = (
    Kind.RESET_BEFORE,
    Kind.RESET_AFTER,
    Kind.TIMEOUT_AFTER,
    Kind.DELAYED_COMMIT,
    Kind.STALE_LISTING,
    Kind.ERROR_AFTER,
    Kind.HTML_502_BEFORE,
    Kind.HTML_502_AFTER,
    Kind.TORN_JSON,
    Kind.TRUNCATED_BODY,
    Kind.THROTTLED,
    Kind.THROTTLED_FOR,
    Kind.IN_PROGRESS,
    Kind.SLOW_BODY,
)
_TIMES = (1, 3)
"""How many requests in a row a fault hits: one, which a retry survives; or as many as a call tries."""
_TIMEOUT = 0.25
_PATIENCE = 5.0
_TRIES = 3
_DAYS = timedelta(days=3)
_MAY = Period.month(2026, 5)
_PRICE = Money(2500, "EUR")


# ── the cases ────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Case:
    """One row of the matrix."""

    provider: str
    bill: str
    place: int
    """Which request is hit, counted from 0 as a run without faults makes them."""
    kind: Kind
    times: int
    way: GoesOn
    flipped: str | None = None
    """The switch that stands the other way round."""

    def __str__(self) -> str:
        flipped = f", {self.flipped} flipped" if self.flipped else ""
        return f"{self.provider}: {self.bill}, request {self.place}: {self.kind} ×{self.times}, {self.way}{flipped}"


def _in_memory(name: str) -> Any:
    return providers.get(name).emulator


@cache
def bills(provider: str) -> dict[str, OneTimeCharge | PeriodInvoice]:
    """One bill for every way in which a provider creates: those whose requests, effects or order differ."""
    emulator = _in_memory(provider)
    shared: dict[str, Any] = {"reference": "res-2026-05-17", "customer": emulator.customer}
    what: dict[str, tuple[type[OneTimeCharge | PeriodInvoice], dict[str, Any]]] = {
        "charge once": (OneTimeCharge, {"amount": _PRICE, "period": _MAY}),
        "bill lines": (PeriodInvoice, {"lines": (Line(description="a", amount=_PRICE),)}),
        "bill a period": (PeriodInvoice, {"subscription": emulator.subscription}),
    }
    due = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=30)
    ways: dict[str, dict[str, Any]] = {
        "manual": {},
        "send": {"collection": Collection.send(due=due)},
        "send in days": {"collection": Collection.send(net_days=30), "issued_at": _MAY.end},
        "collect": {"collection": Collection.charge(emulator.payment_method)},
        "draft": {"draft": True},
    }
    found: dict[str, OneTimeCharge | PeriodInvoice] = {}
    seen: set[Any] = set()
    for name, (kind, fields) in what.items():
        rated = {} if kind is OneTimeCharge else {"period": _MAY, "currency": _PRICE.currency}
        for way, more in ways.items():
            command: Any = kind(**(shared | rated | fields | more))
            plan = explain(provider, command, lookup="never", **emulator.settings)
            shape = tuple((one.method, one.url, one.effects) for one in plan.requests)
            if plan.refusal is None and shape not in seen:
                seen.add(shape)
                found[f"{name}, {way}"] = command
    return found


def cases(name: str) -> Iterator[Case]:
    """Every case of a provider. Where a switch makes the bill itself impossible there is none to hit."""
    for title, command in bills(name).items():
        for flipped in (None, *_in_memory(name).SWITCHES):
            for place, method in enumerate(_requests(name, command, flipped)):
                for kind in _KINDS:
                    if method == "GET" and kind in {Kind.DELAYED_COMMIT, Kind.IN_PROGRESS, Kind.STALE_LISTING}:
                        continue
                    for times in _TIMES:
                        for way in _WAYS:
                            if kind is Kind.STALE_LISTING and "days later" in way:
                                continue  # no listing lags for days
                            yield Case(name, title, place, kind, times, way, flipped)


def _requests(name: str, command: OneTimeCharge | PeriodInvoice, flipped: str | None) -> list[str]:
    """The methods of the requests that a bill makes where nothing goes wrong; none where it is refused."""
    emulator = _emulator(name, flipped, lambda: datetime.now(UTC))
    transport = EmulatorTransport(emulator)
    with (
        httpx.Client(transport=transport) as http,
        Client(
            name, api_key=emulator.key, base_url=transport.root, http=http, lookup="never", **emulator.settings
        ) as client,
    ):
        try:
            client.create(command, allow=_allowed(name, command))
        except BridgeError as error:
            if flipped is None:
                raise RuntimeError(f"{name} refuses a bill where nothing goes wrong") from error
            return []
    return [request.method for request in transport.sent]


def _emulator(name: str, flipped: str | None, clock: Clock, *, forgets: bool = False) -> Emulator:
    kind = _in_memory(name)
    switches = {} if flipped is None else {flipped: not kind.SWITCHES[flipped][0]}
    kind = type(kind.__name__, (kind,), {"window": timedelta(0)}) if forgets else kind
    emulator: Emulator = kind(clock=clock, switches=switches)
    emulator.accrue()
    return emulator


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
        self.emulator = _emulator(self.name, case.flipped, self.clock, forgets=forgets)
        self.faults = Faults(self.emulator, _faults(case))
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
        return _client(self.name, self.url, journal, _lookup(self.name, journal, forgets=self.forgets))

    def bill(self, command: OneTimeCharge | PeriodInvoice, journal: str | None = None) -> Told:
        """Make a bill and note what was told."""
        before = self.held()
        with self.client(journal) as client:
            try:
                made, error = client.create(command, allow=_allowed(self.name, command)), None
            except BridgeError as problem:
                made, error = None, problem
        self.told.append(Told(before, self.held(), self.faults.landing, made, error))
        return self.told[-1]


def _lookup(name: str, journal: str | None, *, forgets: bool) -> str:
    """How bills are looked up: as by default, and where the provider refuses that, as its message proposes."""
    if forgets:
        return "never"
    if providers.get(name).lookup is None:
        return "auto"
    return "always" if journal is None else "journal"


@contextmanager
def _client(name: str, url: str, journal: str | None, lookup: str) -> Iterator[Client]:
    """A client of an emulator; what is tried again does not wait long."""
    emulator = _in_memory(name)
    settings: dict[str, Any] = {
        **emulator.settings,
        **emulator.reference_settings,
        "journal": journal,
        "lookup": lookup,
        "timeout": _TIMEOUT,
    }
    with httpx.Client(verify=False) as http:  # noqa: S501 - plain http on loopback: certificates are read for nothing
        with no_waiting():
            client = Client(name, api_key=emulator.key, base_url=url, http=http, **settings)
        with client:
            yield client


def _allowed(name: str, command: OneTimeCharge | PeriodInvoice) -> list[str]:
    found = losses(name, command, **_in_memory(name).settings)
    return [loss.code for loss in found if loss.severity is not Severity.INFO]


def _faults(case: Case) -> list[Fault]:
    hit = Fault(case.kind, skip=case.place, times=case.times)
    match case.kind:
        case Kind.STALE_LISTING:  # a write is lost, and the next listing does not know of it yet
            return [Fault(Kind.RESET_AFTER, skip=case.place, times=case.times), Fault(Kind.STALE_LISTING)]
        case Kind.DELAYED_COMMIT:
            return [replace(hit, lands_after=2)]
        case Kind.SLOW_BODY:
            return [replace(hit, seconds=_TIMEOUT / 4)]
    return [hit]


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
    lookup = _lookup(stage.name, journal, forgets=stage.forgets)
    begin = multiprocessing.get_context("forkserver")  # what it has loaded, each child has at once
    begin.set_forkserver_preload([__spec__.name, "httpx", _in_memory(stage.name).__module__])
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
        client.create(command, allow=_allowed(name, command))


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
