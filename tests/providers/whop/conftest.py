"""Whop in memory behind a real client: no socket, nothing waits, every request kept."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, Collection, Money, OneTimeCharge
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.adapter.emulation.faults import Fault, Faults
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.providers.whop.emulator import WhopEmulator

ROOT = "http://127.0.0.1:1"
DUE = datetime(2026, 12, 1, tzinfo=UTC)
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Bench:
    """An emulator, its clock, the faulty transport in front of it, and a client."""

    def __init__(self, *faults: Fault, kind: type[WhopEmulator] = WhopEmulator, **options: Any) -> None:
        self.clock = FakeClock()
        self.emulator = kind(clock=self.clock, **options)
        self.transport = EmulatorTransport(Faults(self.emulator, faults))
        self.http = httpx.Client(transport=self.transport)
        self.billing = self.client()

    def client(self, **settings: Any) -> Client:
        """Another client of the same account."""
        given: dict[str, Any] = {
            "api_key": self.emulator.key,
            "account_id": "biz_42",
            "base_url": ROOT,
            "http": self.http,
            "lookup": "never",
        }
        return Client("whop", **(given | settings))

    def events(self) -> list[tuple[str, str]]:
        return [(entry.event, str(entry.units)) for entry in self.emulator.ledger]

    def issued(self) -> list[str | None]:
        """The references that were billed, in order."""
        return [entry.reference for entry in self.emulator.ledger if entry.event == "issued"]

    def paths(self) -> list[str]:
        return [f"{request.method} {httpx.URL(request.url).path}" for request in self.transport.sent]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.http.close()


@pytest.fixture(autouse=True)
def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("invoice_bridge.client.clients.time.sleep", waited.append)
    return waited


def bill(reference: str = "r-1", amount: str = "19.99", **fields: Any) -> OneTimeCharge:
    fields = {"customer": "mber_42", "collection": Collection.send(due=DUE), "description": "Fees", **fields}
    return OneTimeCharge(reference=reference, amount=Money.parse(amount, "EUR"), **fields)


def draft(reference: str = "r-1", **fields: Any) -> OneTimeCharge:
    return bill(reference, draft=True, collection=Collection.manual(), **fields)
