"""Chargebee in memory behind a real client: no socket, every request kept."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest

from invoice_bridge import Client
from invoice_bridge.adapter.emulation.faults import Fault, Faults
from invoice_bridge.core.exact import loads
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.wire import Request, Response, query
from invoice_bridge.emulator import EmulatorTransport, FakeClock
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from invoice_bridge.testing import no_waiting

API = "https://acme-test.chargebee.com/api/v2"
LOOK = "GET /invoices?limit=100&customer_id%5Bis%5D=cus_42"
"""The look for a bill of cus_42 that was made before."""


@dataclass
class World:
    """A client, the emulator that answers it, the emulator's clock, and what went between them."""

    client: Client
    site: ChargebeeEmulator
    clock: FakeClock
    transport: EmulatorTransport

    @property
    def sent(self) -> list[str]:
        """What went to Chargebee so far, as "POST /invoices"."""
        return [f"{request.method} {request.url.removeprefix(API)}" for request in self.transport.sent]

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of what was posted so far."""
        return [request.content for request in self.transport.sent if request.method == "POST"]

    @property
    def events(self) -> list[str]:
        """What happened to customers so far."""
        return [entry.event for entry in self.site.ledger]

    def ask(self, method: str, path: str, *pairs: tuple[str, str], key: str | None = None) -> Response:
        """Put a question of the test's own straight to the emulator, pairs in the query or the form."""
        user = base64.b64encode(f"{self.site.key}:".encode()).decode()
        headers = {"Authorization": f"Basic {user}"} | ({"chargebee-idempotency-key": key} if key else {})
        text = query(pairs)
        if method == "POST":
            return self.site(Request(method, API + path, headers, text.encode()), API)
        return self.site(Request(method, f"{API}{path}?{text}" if text else API + path, headers), API)

    def made(self, path: str, *pairs: tuple[str, str]) -> Any:
        """Make something at the emulator and return its JSON."""
        answer = self.ask("POST", path, *pairs)
        assert answer.status == 200, answer.content
        return loads(answer.content)


def make_world(
    product_catalog: Literal[1, 2] = 2,
    reference_field: str | None = None,
    lookup: Lookup = "auto",
    faults: Iterable[Fault] = (),
    **switches: bool,
) -> World:
    """A site, and a client of it that never waits: neither before it tries again nor for the limit on requests."""
    clock = FakeClock()
    site = ChargebeeEmulator(clock=clock, product_catalog=product_catalog, switches=switches)
    transport = EmulatorTransport(Faults(site, faults), API)
    with no_waiting():
        client = Client(
            "chargebee",
            api_key="test_not_a_key",
            site="acme-test",
            product_catalog=product_catalog,
            reference_field=reference_field,
            lookup=lookup,
            http=httpx.Client(transport=transport),
        )
    return World(client, site, clock, transport)


@pytest.fixture
def world() -> World:
    """A site on product catalog 2."""
    return make_world()


@pytest.fixture
def named() -> World:
    """A site with a custom field for references: what is accrued has no other one."""
    return make_world(reference_field="cf_ref")


@pytest.fixture
def old_world() -> World:
    """A site on product catalog 1."""
    return make_world(product_catalog=1)
