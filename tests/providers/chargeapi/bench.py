"""What the ChargeAPI tests share: a client whose HTTP requests the in-memory ChargeAPI answers."""

from __future__ import annotations

from typing import Any

import httpx

from invoice_bridge import Client, Money, OneTimeCharge, Period, PeriodInvoice
from invoice_bridge.adapter.emulation.faults import Fault, Faults
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.emulator import EmulatorTransport, FakeClock
from invoice_bridge.providers.chargeapi import CHARGEAPI
from invoice_bridge.providers.chargeapi.emulator import ChargeApiEmulator

ROOT = "https://api.chargeapi.co/v1"
MAY = Period.month(2026, 5)
LOOK = "GET /invoices?fleet=flt_42&limit=100"
"""What comes first: whether the reference was billed before. ChargeAPI rates every bill itself."""


class Bench:
    """An emulator, a client on it, and what went over the wire between the two."""

    def __init__(self, *faults: Fault, looks: bool = True, **switches: bool) -> None:
        self.clock = FakeClock()
        self.emulator = ChargeApiEmulator(clock=self.clock, switches=switches)
        self.faults = Faults(self.emulator, faults)
        self.transport = EmulatorTransport(self.faults, ROOT)
        http = httpx.Client(transport=self.transport)
        self.client = Client("chargeapi", api_key=self.emulator.key, http=http, lookup="auto" if looks else "never")

    @property
    def sent(self) -> list[str]:
        """What was sent so far, as "POST /invoices"."""
        return [f"{one.method} {one.url.removeprefix(ROOT)}" for one in self.transport.sent]

    @property
    def events(self) -> list[tuple[str, int]]:
        """What the customer met so far: events and their amounts in units."""
        return [(entry.event, entry.units) for entry in self.emulator.ledger]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Send a request of one's own, with the key."""
        content = b"" if body is None else dumps(body)
        given = {"Authorization": f"Bearer {self.emulator.key}", **headers}
        return self.emulator(Request(method, ROOT + path, given, content), ROOT)


def may_invoice(**fields: Any) -> PeriodInvoice:
    """The period invoice of flt_42 for May 2026, 25.00 EUR of transactions in the emulator."""
    given: dict[str, Any] = {
        "reference": "flt_42/2026-05",
        "customer": "flt_42",
        "period": MAY,
        "currency": "EUR",
    } | fields
    return PeriodInvoice(**given)


def may_charge(**fields: Any) -> OneTimeCharge:
    """A one-time charge of what flt_42 used in May 2026."""
    given: dict[str, Any] = {
        "reference": "res-1",
        "customer": "flt_42",
        "period": MAY,
        "amount": Money(2500, "EUR"),
    } | fields
    return OneTimeCharge(**given)


def stated(**fields: Any) -> dict[str, Any]:
    """An invoice as ChargeAPI states it: a draft of 25.00 EUR for May 2026."""
    return {
        "id": "inv_1",
        "object": "invoice",
        "amount_due": 2500,
        "amount_paid": None,
        "created": "2026-06-01T08:00:00.250Z",
        "currency": "eur",
        "description": None,
        "due_date": "2026-06-08T08:00:00.250Z",
        "fleet": "flt_42",
        "line_items": [
            {"amount": 1842, "description": "Charging sessions", "quantity": 1, "unit_amount": 1842},
            {"amount": 658, "description": "Reservation fees", "quantity": 2, "unit_amount": 329},
        ],
        "metadata": {"invoice_bridge_reference": "flt_42/2026-05"},
        "paid_at": None,
        "payment_method": None,
        "period_end": "2026-06-01T00:00:00.000Z",
        "period_start": "2026-05-01T00:00:00.000Z",
        "status": "draft",
        **fields,
    }


def answer(http: int = 200, /, **fields: Any) -> Response:
    """An answer that holds such an invoice."""
    return Response(http, dumps(stated(**fields)), provider=CHARGEAPI.name)
