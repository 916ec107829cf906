"""Refunds, credit notes, recorded and part payments under every fault: judged by the emulator's ledger alone.

A case has a verb, a fault at one of its requests, and how the caller tries again: the same client, another one, another
one with the journal of the first, and that one days later. After each case the ledger holds the verb's effect once at
most and over the right amount, and what each call returned or raised was true when it did.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import BridgeError, Client, Collection, Invoice, Line, Money, OneTimeCharge, providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Kind
from invoice_bridge.explain import make_context
from invoice_bridge.testing.fault_cases import _KINDS as KINDS
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test

SEED, SAMPLE = 20261129, 24
WAYS = ("again", "another", "journal", "journal, days later")
TIMES = (1, 3)
PROVIDERS = ("chargebee", "stripe", "whop")
EVENTS = {"refund": "refunded", "credit": "credited", "record_payment": "recorded", "pay": "collected"}
CAPABILITY = {"pay": "pay_part"}
TOTAL, PART = Money(2500, "EUR"), Money(700, "EUR")
ZERO = Money.zero("EUR")
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One row: everything that makes it."""

    provider: str
    verb: str
    place: int
    kind: Kind
    times: int
    way: str


@dataclass(frozen=True)
class Called:
    """What a call came to, and the effects of the verb before and after it."""

    before: int
    after: int
    landing: int
    invoice: Invoice | None
    error: BridgeError | None

    def lies(self) -> Iterator[str]:
        if self.invoice is not None and self.after != 1:
            yield f"it returned {self.invoice.id}, and the ledger has the effect {self.after} times"
        if (
            self.error is not None
            and self.error.outcome == "nothing_done"
            and (self.after > self.before or self.landing)
        ):
            yield f"it says that nothing was done, and something was: {self.error!r}"


class Desk:
    """An emulator with one invoice to act on."""

    def __init__(self, name: str, verb: str) -> None:
        declared = providers.get(name)
        self.name, self.verb = name, verb
        self.clock = FakeClock(datetime.now(UTC))
        self.emulator = declared.emulator(clock=self.clock)
        root = {"stripe": "http://127.0.0.1:1", "whop": "http://127.0.0.1:1/api/v1"}.get(name)
        self.root = make_context(declared, self.emulator.settings, root).base_url
        self.faults = Faults(self.emulator)
        kind = Collection.charge(self.emulator.payment_method) if verb == "refund" else Collection.manual()
        lines = (Line(description="Energy", amount=TOTAL),)
        bill = OneTimeCharge(
            reference="res-1", customer=self.emulator.customer, lines=lines, collection=kind, issued_at=START
        )
        allow = ["tax", "collection.kind", "issued_at"]
        with self.client() as client:
            self.invoice = client.create(bill, allow=allow)
        self.count_before = len(self.effects())

    def client(self, journal: str | None = None) -> Client:
        self.transport = EmulatorTransport(self.faults, self.root)
        http = httpx.Client(transport=self.transport)
        settings: dict[str, Any] = {**self.emulator.settings, "journal": journal, "timeout": 0.25}
        return Client(self.name, api_key=self.emulator.key, base_url=self.root, http=http, lookup="never", **settings)

    def effects(self) -> list[int]:
        """The units of each effect of the verb, the bill's own left out."""
        every = [entry.units for entry in self.emulator.ledger if entry.event == EVENTS[self.verb]]
        return every[getattr(self, "count_before", 0) :]

    def act(self, client: Client) -> Called:
        before = len(self.effects())
        once: dict[str, Any] = {"reference": "once-1", "amount": PART}
        calls = {
            "refund": lambda: client.refund(self.invoice.id, expect=ZERO, **once),
            "credit": lambda: client.credit(self.invoice.id, expect=ZERO, **once),
            "record_payment": lambda: client.record_payment(self.invoice.id, at=START, expect=TOTAL, **once),
            "pay": lambda: client.pay(
                self.invoice.id, payment_method=self.emulator.payment_method or "pm_7", expect=TOTAL, **once
            ),
        }
        try:
            invoice, error = calls[self.verb](), None
        except BridgeError as problem:
            invoice, error = None, problem
        return Called(before, len(self.effects()), self.faults.landing, invoice, error)


def can(name: str, verb: str) -> bool:
    flow = getattr(providers.get(name).flows, CAPABILITY.get(verb, verb))
    return flow is not None and not isinstance(flow, Cannot)


@cache
def methods(name: str, verb: str) -> tuple[str, ...]:
    """The methods of the verb's requests in a run without faults, which has its effect."""
    desk = Desk(name, verb)
    with desk.client() as client:
        done = desk.act(client)
    assert done.invoice is not None, done.error
    assert len(desk.effects()) == 1
    return tuple(request.method for request in desk.transport.sent)


def cases(name: str, verb: str) -> list[Case]:
    """Every case of a verb at a provider."""
    return [
        Case(name, verb, place, kind, times, way)
        for place, method in enumerate(methods(name, verb))
        for kind in KINDS
        if method != "GET" or kind not in {Kind.DELAYED_COMMIT, Kind.IN_PROGRESS, Kind.STALE_LISTING}
        for times in TIMES
        for way in WAYS
    ]


def faults_of(case: Case) -> list[Fault]:
    hit = Fault(case.kind, skip=case.place, times=case.times)
    match case.kind:
        case Kind.STALE_LISTING:
            return [Fault(Kind.RESET_AFTER, skip=case.place, times=case.times), Fault(Kind.STALE_LISTING)]
        case Kind.DELAYED_COMMIT:
            return [replace(hit, lands_after=2)]
        case Kind.SLOW_BODY:
            return [replace(hit, seconds=0.001)]
    return [hit]


def run(case: Case) -> tuple[list[str], bool]:
    """Run one case: what is wrong with it, and whether the verb took effect."""
    desk = Desk(case.provider, case.verb)
    desk.faults = Faults(desk.emulator, faults_of(case))
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "bills.sqlite") if "journal" in case.way else None
        client = desk.client(journal)
        made = [desk.act(client)]
        if "days" in case.way:
            desk.faults.land()
            desk.clock.now += timedelta(days=3)
        for _ in range(3):
            if made[-1].invoice is not None:
                break
            if case.way != "again":
                client.close()
                client = desk.client(journal)
            made.append(desk.act(client))
        client.close()
    desk.faults.land()
    effects = desk.effects()
    wrong = [lie for called in made for lie in called.lies()]
    if len(effects) > 1:
        wrong.append(f"done {len(effects)} times: {[repr(called.error) for called in made]}")
    if {abs(units) for units in effects} - {PART.major if case.provider == "whop" else PART.minor}:
        wrong.append(f"over another amount: {effects}")
    return wrong, bool(effects)


PAIRS = [(name, verb) for name in PROVIDERS for verb in EVENTS if can(name, verb)]


@pytest.mark.parametrize("name, verb", PAIRS)
def test_no_fault_moves_money_twice_or_says_what_is_not_so(name: str, verb: str) -> None:
    """A seeded sample of each verb's cases."""
    every = cases(name, verb)
    chosen = random.Random(f"{SEED}{name}{verb}").sample(every, min(SAMPLE, len(every)))
    results = [(case, *run(case)) for case in chosen]
    took = sum(effect for _, _, effect in results)
    sys.stdout.write(f"{name} {verb}: {len(chosen)} of {len(every)} cases, {took} took effect\n")
    assert [f"{case}: {problem}" for case, wrong, _ in results for problem in wrong] == []
    assert took > len(chosen) / 2


@pytest.mark.parametrize("verb", EVENTS)
def test_a_server_error_after_the_fact_is_not_answered_by_a_second_try(verb: str) -> None:
    """Chargebee does not document that it keeps failures under a key: the same key may take effect again."""
    place = methods("chargebee", verb).index("POST")
    for times in TIMES:
        assert run(Case("chargebee", verb, place, Kind.ERROR_AFTER, times, "journal")) == ([], True)


def test_the_judge_sees_what_is_done_twice() -> None:
    """The control: another reference is another refund, and the ledger has both."""
    desk = Desk("stripe", "refund")
    with desk.client() as client:
        client.refund(desk.invoice.id, reference="a", amount=PART)
        client.refund(desk.invoice.id, reference="b", amount=PART)
    assert len(desk.effects()) == 2
    called = Called(0, 2, 0, desk.invoice, None)
    assert list(called.lies())


def test_the_pairs_are_those_that_the_providers_can_do() -> None:
    """Whop refunds and no more; ChargeAPI does none of them."""
    assert [
        *(("chargebee", verb) for verb in EVENTS),
        *(("stripe", verb) for verb in EVENTS),
        ("whop", "refund"),
    ] == PAIRS
    assert not any(can("chargeapi", verb) for verb in EVENTS)
