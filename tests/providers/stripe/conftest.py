"""Stripe in memory behind a real client: no socket, every request kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from invoice_bridge import Client
from invoice_bridge.core.exact import loads
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.wire import Request, Response, query
from invoice_bridge.emulator import EmulatorTransport, FakeClock
from invoice_bridge.providers.stripe.emulator import StripeEmulator

ROOT = "http://127.0.0.1:1"


@dataclass
class World:
    """A client, the emulator that answers it, the emulator's clock, and what went between them."""

    client: Client
    stripe: StripeEmulator
    clock: FakeClock
    transport: EmulatorTransport

    @property
    def sent(self) -> list[str]:
        """What went to Stripe so far, as "POST /v1/invoices"."""
        return [f"{request.method} {request.url.removeprefix(ROOT)}" for request in self.transport.sent]

    @property
    def events(self) -> list[str]:
        """What happened to customers so far."""
        return [entry.event for entry in self.stripe.ledger]

    def ask(self, method: str, path: str, *pairs: tuple[str, str], key: str | None = None) -> Response:
        """Put a question of the test's own straight to the emulator, pairs in the query or the form."""
        headers = {"Authorization": f"Bearer {self.stripe.key}"} | ({"Idempotency-Key": key} if key else {})
        text = query(pairs)
        if method == "POST":
            return self.stripe(Request(method, ROOT + path, headers, text.encode()), ROOT)
        return self.stripe(Request(method, f"{ROOT}{path}?{text}" if text else ROOT + path, headers), ROOT)

    def made(self, path: str, *pairs: tuple[str, str]) -> Any:
        """Make something at the emulator and return its JSON."""
        answer = self.ask("POST", path, *pairs)
        assert answer.status == 200, answer.content
        return loads(answer.content)

    def item(self, start: int, end: int, amount: int = 1000, **more: str) -> str:
        """Make a pending item over a service period and return its id."""
        pairs = {"customer": "cus_42", "currency": "eur", "amount": str(amount)} | more
        edges = [("period[start]", str(start)), ("period[end]", str(end))]
        return str(self.made("/v1/invoiceitems", *pairs.items(), *edges)["id"])


def make_world(lookup: Lookup = "auto", **switches: bool) -> World:
    clock = FakeClock()
    stripe = StripeEmulator(clock=clock, switches=switches)
    transport = EmulatorTransport(stripe, ROOT)
    client = Client("stripe", api_key=stripe.key, base_url=ROOT, http=httpx.Client(transport=transport), lookup=lookup)
    return World(client, stripe, clock, transport)


@pytest.fixture
def world() -> World:
    """A fresh Stripe and a client of it."""
    return make_world()


@pytest.fixture
def make() -> Callable[..., World]:
    """Make a world with the emulator's switches set."""
    return make_world
