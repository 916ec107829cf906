"""Verbs that move a part of an invoice's money, made against the independent servers and judged by their ledgers alone.

A case is one verb whose first call meets a fault; later the same call is made again, in another process as far as the
client knows, until it returns or nothing more can come of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from invoice_bridge import AsyncClient, BridgeError, Client, Invoice, Money
from tests.independent.calls import BASE, SECRET, SETTINGS, on_clock
from tests.independent.chargebee_money import ChargebeeMoney
from tests.independent.server import RESET, Clock, Fault, Provider, Request
from tests.independent.stripe_money import StripeMoney
from tests.independent.whop_money import WhopMoney

SERVERS: dict[str, Any] = {"chargebee": ChargebeeMoney, "stripe": StripeMoney, "whop": WhopMoney}
PAID_AT = datetime(2026, 5, 17, tzinfo=UTC)
TOTAL, PART = 2500, 1000
HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True)
class Verb:
    """A verb, what the ledger calls its effect, and what the invoice was paid by before."""

    name: str
    effect: str
    paid: tuple[int, ...]
    call: Callable[[Any, str, dict[str, Any]], Any]


def _eur(minor: int) -> Money:
    return Money(minor, "EUR")


def _expecting(client: Any, minor: int) -> dict[str, Any]:
    return {"expect": _eur(minor)} if client.provider == "chargebee" else {}


def _refund(client: Any, id: str, more: dict[str, Any]) -> Any:
    return client.refund(id, **{"amount": _eur(PART), "reference": "r-1", **_expecting(client, 0), **more})


def _credit(client: Any, id: str, more: dict[str, Any]) -> Any:
    return client.credit(id, **{"amount": _eur(PART), "reference": "c-1", **_expecting(client, 0), **more})


def _record(client: Any, id: str, more: dict[str, Any]) -> Any:
    return client.record_payment(id, **{"amount": _eur(PART), "at": PAID_AT, "reference": "w-1", **more})


def _pay(client: Any, id: str, more: dict[str, Any]) -> Any:
    expecting = _expecting(client, TOTAL)
    return client.pay(id, **{"amount": _eur(PART), "reference": "p-1", "payment_method": "pm_1", **expecting, **more})


VERBS = {
    verb.name: verb
    for verb in (
        Verb("refund", "refunded", (TOTAL,), _refund),
        Verb("credit", "credited", (), _credit),
        Verb("record_payment", "recorded", (), _record),
        Verb("pay", "collected", (), _pay),
    )
}
PAIRS = [(name, verb) for name in ("stripe", "chargebee") for verb in VERBS] + [("whop", "refund")]


class _Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers from a server of this directory, in this process; `cancel` ends the task at the request of that place."""

    def __init__(self, server: Provider, cancel: int | None = None) -> None:
        self.server, self.left = server, cancel

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.handle_request(request)
        if self.left == 0:
            raise asyncio.CancelledError
        self.left = None if self.left is None else self.left - 1
        return answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        query = [(name, value) for name, value in request.url.params.multi_items()]
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self.server.receive(
            Request(request.method, request.url.path, query, headers, request.read(), self.server.call)
        )
        if answer is RESET:
            raise httpx.ReadError("the connection is cut", request=request)
        headers = {"Content-Type": "application/json", **answer.headers}
        return httpx.Response(answer.status, content=answer.content(), headers=headers, request=request)


@dataclass
class Call:
    """One call of a case, and what the library said."""

    number: int
    done: Invoice | None = None
    error: Exception | None = None
    effects: int = 0
    """How often the verb had taken effect when the call ended, by the ledger."""

    def __str__(self) -> str:
        if self.done is not None:
            return f"{self.number}: returned {self.done.status}"
        outcome = getattr(self.error, "outcome", None)
        return f"{self.number}: {type(self.error).__name__} ({outcome}): {str(self.error)[:160]}"


@dataclass
class Case:
    """One invoice at one provider, and the calls that were made of one verb on it."""

    provider: str
    verb: Verb
    journal: str | None = None
    switches: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.server: Any = SERVERS[self.provider](self.clock, SECRET)
        self.server.reset(**self.switches)
        self.id: str = self.server.bill(TOTAL, paid=self.verb.paid)
        self.calls: list[Call] = []
        self._http = httpx.Client(transport=_Transport(self.server))

    def client(self) -> Client:
        """A client that knows nothing but the journal."""
        return Client(
            self.provider,
            api_key=SECRET,
            base_url=f"http://127.0.0.1{BASE[self.provider]}",
            http=self._http,
            journal=self.journal,
            **SETTINGS.get(self.provider, {}),
        )

    @property
    def effects(self) -> int:
        """How often the verb took effect."""
        return sum(event.kind == self.verb.effect for event in self.server.events)

    @property
    def amount(self) -> int:
        """What the verb came to in all."""
        return sum(event.amount for event in self.server.events if event.kind == self.verb.effect)

    def make(self, *, fault: Fault | None = None, place: int = 0, pause: float = 0, **more: Any) -> Call:
        """Make the verb's call after a pause; `fault` hits the request of that place."""
        self.clock.skip(pause)
        self.server.landed()
        call = Call(len(self.calls) + 1)
        self.calls.append(call)
        self.server.call = call.number
        if fault is not None:
            self.server.faults[call.number, place] = fault
        client = self.client()
        with on_clock(self.clock.skipped, self.clock.skip):
            try:
                call.done = self.verb.call(client, self.id, more)
            except BridgeError as error:
                call.error = error
            finally:
                client.close()
        call.effects = self.effects
        return call

    async def make_cancelled(self, place: int) -> BaseException | None:
        """Make the verb's call in a task that is cancelled once the request of that place has taken effect."""
        self.calls.append(Call(1))
        self.server.call = 1
        http = httpx.AsyncClient(transport=_Transport(self.server, place))
        settings = {**SETTINGS.get(self.provider, {}), "journal": self.journal}
        base_url = f"http://127.0.0.1{BASE[self.provider]}"
        async with AsyncClient(self.provider, api_key=SECRET, base_url=base_url, http=http, **settings) as client:
            try:
                await self.verb.call(client, self.id, {})
            except (BridgeError, asyncio.CancelledError) as stop:
                return stop
            finally:
                await http.aclose()
        return None

    def sent(self, number: int) -> int:
        """How many requests a call sent."""
        return sum(request.call == number for request in self.server.requests)

    def faults_found(self) -> Iterator[str]:
        """What is wrong with the case, one sentence each."""
        self.clock.skip(2 * DAY)
        self.server.landed()
        if self.effects > 1:
            yield f"duplicate: it took effect {self.effects} times, {self.amount} in all"
        if self.effects == 1 and self.amount != PART:
            yield f"amount: {self.amount} instead of {PART}"
        for call in self.calls:
            if call.done is not None and not call.effects:
                yield f"false: call {call.number} returned, and nothing was done"
            if getattr(call.error, "outcome", None) == "nothing_done" and any(
                event.call == call.number and event.kind == self.verb.effect for event in self.server.events
            ):
                yield f"false: call {call.number} said nothing_done, and it was done by it"
        if any(event.kind == "mailed" for event in self.server.events) and self.provider != "whop":
            yield "mailed: nobody asked for a mail"

    def __str__(self) -> str:
        lines = [f"{self.provider} {self.verb.name} journal={bool(self.journal)} {self.switches}"]
        return "\n    ".join([*lines, *map(str, self.calls)])


KINDS = (
    *("reset_before", "reset_after", "late", "throttled", "failed_before", "failed_after", "html_before"),
    *("html_after", "torn", "repeated", "twice"),
)


def with_fault(case: Case, kind: str, place: int, pause: float) -> list[str]:
    """Make the call with a fault, then again until it returns, at most four times; return what is wrong."""
    call = case.make(fault=Fault(kind, 30 if kind == "late" else 0), place=place)
    while call.done is None and len(case.calls) < 4:
        call = case.make(pause=pause)
    return list(case.faults_found())
