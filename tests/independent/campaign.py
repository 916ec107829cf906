"""Run seeded cases of the library against the independent servers, and judge them by the servers' ledgers alone.

A case fails where a customer was billed, mailed or charged twice for one reference (duplicate), where more was
collected than the bill (over), or where the library said what is not so (false). What the judge knows comes from the
ledger and the documents of the servers; of the library it reads only what a caller is told.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.independent import calls
from tests.independent.calls import LOOKUPS, SECRET, Job, Nursery, Told
from tests.independent.cases import Case, Step, case
from tests.independent.chargeapi import ChargeAPI
from tests.independent.chargebee import Chargebee
from tests.independent.judge import Called, judge, shown_by
from tests.independent.over_http import serving
from tests.independent.server import Clock, Provider
from tests.independent.stripe import Stripe
from tests.independent.whop import Whop

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a file system that no fsync slows down
SERVERS = {kind.name: kind for kind in (ChargeAPI, Chargebee, Stripe, Whop)}


@dataclass
class Count:
    """What came out of many cases."""

    cases: int = 0
    killed: int = 0
    billed: int = 0
    duplicates: int = 0
    over: int = 0
    false: int = 0
    found: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Count) -> Self:
        for name in ("cases", "killed", "billed", "duplicates", "over", "false"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.found += other.found
        self.ends += other.ends
        return self

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.duplicates or self.over or self.false)

    def __str__(self) -> str:
        return (
            f"{self.cases} cases, {self.killed} processes killed, {self.billed} billed; "
            f"{self.duplicates} duplicates, {self.over} over-collected, {self.false} false statements"
        )


class Court:
    """The four servers, a clock for them and for the library, and a nursery of callers that can be killed."""

    def __init__(self, servers: dict[str, Provider], clock: Clock, nursery: Nursery) -> None:
        self.servers, self.clock, self.nursery = servers, clock, nursery

    def run(self, tried: Case) -> tuple[list[Called], list[str]]:
        """Run one case; returns its calls, and what is wrong as "kind: sentence"."""
        self.clock.skipped = 0.0
        for name in filter(None, (tried.provider, tried.other)):
            self._open(self.servers[name], tried)
        with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
            made = list(self._calls(tried, Path(directory)))
        self.clock.skip(2 * 86400)
        involved = [self.servers[name] for name in filter(None, (tried.provider, tried.other))]
        for server in involved:
            server.landed()
        return made, judge(tried, made, involved)

    def _open(self, server: Provider, tried: Case) -> None:
        switches = tried.switches if server.name == tried.provider else {"declines": ("pm_declined",)}
        server.reset(**switches)
        server.listing_lag, server.forgets_keys = tried.listing_lag, tried.forgets_keys

    def _calls(self, tried: Case, directory: Path) -> Iterator[Called]:
        born, attempt, made = self.clock.now(), 1, ""
        kept: dict[str, Any] | None = {} if tried.keeps_client else None
        try:
            for number, step in enumerate(tried.steps, start=1):
                self.clock.skip(step.pause)
                server = self.servers[(tried.other or "") if step.elsewhere else tried.provider]
                if step.action not in {"create", "resolve"} and not made:
                    continue  # there is nothing yet that a verb could act on
                attempt += step.raises
                job: Job = {
                    "provider": server.name,
                    "url": server.url,
                    "lookup": tried.lookup,
                    "journal": self._journal(tried, number, step, directory),
                    "skipped": self.clock.skipped,
                    "born": born,
                    "action": step.action,
                    "bill": tried.bill,
                    "attempt": 1 if step.elsewhere else attempt,
                    "id": made,
                    "since": tried.since,
                    "allows_money": tried.allows_money,
                }
                called = self._call(number, step, job, server, kept)
                yield called
                if called.told.get("kind") == "invoice" and not step.elsewhere:
                    made = called.told["id"]
        finally:
            for client in (kept or {}).values():
                client.close()

    def _journal(self, tried: Case, number: int, step: Step, directory: Path) -> str | None:
        if tried.journal == "none" or (tried.journal == "later" and number == 1):
            return None
        if tried.journal == "per_host":
            return str(directory / f"host{step.host}.sqlite")
        return str(directory / ("second.sqlite" if tried.journal == "lost" and number > 1 else "bills.sqlite"))

    def _call(self, number: int, step: Step, job: Job, server: Provider, kept: dict[str, Any] | None) -> Called:
        for other in self.servers.values():
            other.call = number
        server.faults.update({(number, place): fault for place, fault in step.faults})
        before = shown_by(server)
        told: Told | None
        if step.killed:

            def born(process: int) -> None:
                server.victim = process

            told = self.nursery.perform(job, born)
        else:
            told = calls.perform(job, self.clock.skip, kept)
        after = shown_by(server)
        killed = told is None
        told = told or {"kind": "killed"}
        return Called(number, step, job, told, before, after, server.under_way(number), self.clock.now(), killed)


@contextmanager
def court() -> Iterator[Court]:
    """Open the servers and the nursery."""
    clock = Clock()
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(kind(clock, SECRET))) for name, kind in SERVERS.items()}
        yield Court(servers, clock, stack.enter_context(Nursery()))
        calls.close()


def can_run(tried: Case) -> bool:
    """Whether this version of the library has the lookup setting of a case."""
    return tried.lookup in LOOKUPS


def run(
    provider: str, numbers: range, seed: int, *, control: bool = False, kills: float = 0.15, verbose: bool = False
) -> Count:
    """Run cases of a provider and count what came out."""
    count = Count()
    with court() as sitting:
        for number in numbers:
            tried = case(provider, seed, number, control=control, kills=kills)
            if not can_run(tried):
                continue
            made, wrong = sitting.run(tried)
            add(count, tried, made, wrong, verbose=verbose)
    return count


def add(count: Count, tried: Case, made: list[Called], wrong: list[str], *, verbose: bool = False) -> None:
    """Count a case."""
    count.cases += 1
    count.killed += sum(called.killed for called in made)
    count.billed += made[-1].told["kind"] == "invoice"
    last = made[-1].told
    count.ends[last.get("error") or last["kind"]] += 1
    kinds = {each.partition(":")[0] for each in wrong}
    count.duplicates += "duplicate" in kinds
    count.over += "over" in kinds
    count.false += "false" in kinds
    for each in wrong:
        count.found.append(f"{tried.name}: {each}" + (f"\n{story(tried, made)}" if verbose else ""))


def story(tried: Case, made: list[Called]) -> str:
    """Tell a case so that a person can follow it."""
    bill, switches = tried.bill, {key: value for key, value in tried.switches.items() if key not in _LONG}
    told = [
        "    " + ", ".join(f"{key} {value}" for key, value in bill.items()),
        f"    lookup {tried.lookup}, journal {tried.journal}, other provider {tried.other}",
        f"    listing {tried.listing_lag:.0f} s behind, one client for all calls {tried.keeps_client}",
        f"    switches: {switches}",
    ]
    for called in made:
        step = called.step
        faults = ", ".join(f"{place}:{fault.kind}{fault.seconds or ''}" for place, fault in step.faults)
        what = {key: value for key, value in called.told.items() if key not in {"tree", "existing"}}
        told.append(
            f"    {called.number}. +{step.pause:.0f}s {step.action} at {called.job['provider']} "
            f"attempt {called.job['attempt']} host {step.host}{' (own process)' if step.killed else ''} [{faults}]"
        )
        told.append(f"       → {what}")
    return "\n".join(told)


_LONG = {"transactions", "items", "unbilled"}
