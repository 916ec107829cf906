"""The emulators under fault, asked without an adapter: bare requests through a real httpx client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from invoice_bridge import providers
from invoice_bridge.core.exact import dumps
from invoice_bridge.emulator import Emulator, FakeClock

NAMES = ("chargeapi", "chargebee", "stripe", "whop")
FORM = "application/x-www-form-urlencoded"
BILLS: Mapping[str, tuple[str, str, bytes]] = {
    "chargeapi": (
        "/invoices",
        "application/json",
        dumps(
            {
                "fleet": "flt_42",
                "currency": "eur",
                "period_start": "2026-05-01T00:00:00.000Z",
                "period_end": "2026-06-01T00:00:00.000Z",
            }
        ),
    ),
    "chargebee": (
        "/invoices/create_for_charge_items_and_charges",
        FORM,
        b"customer_id=cus_42&currency_code=EUR&auto_collection=off&charges[amount][0]=1999&charges[description][0]=Fees",
    ),
    "stripe": ("/v1/invoices", FORM, b"customer=cus_42&currency=eur"),
    "whop": (
        "/invoices",
        "application/json",
        dumps(
            {
                "account_id": "biz_42",
                "collection_method": "send_invoice",
                "due_date": "2026-12-01T00:00:00.000Z",
                "member_id": "mber_42",
                "plan": {"initial_price": 20, "currency": "eur"},
                "product": {"title": "Fees"},
            }
        ),
    ),
}
"""The request of each provider that makes an invoice: path, content type, body."""


class Wire:
    """A provider and a client of it: `bill` makes an invoice, `ask` sends anything."""

    def __init__(self, name: str, root: str, http: httpx.Client) -> None:
        self.declared = providers.get(name)
        self.name, self.root, self.http = name, root, http

    def ask(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a request with the key of the account."""
        emulator: Any = self.declared.emulator
        said = {**self.declared.headers(emulator.settings), "Authorization": self.declared.auth(emulator.key)}
        return self.http.request(method, self.root + path, content=content, headers={**said, **(headers or {})})

    def bill(self, key: str | None = "key-1") -> httpx.Response:
        """Make an invoice, under an idempotency key or without one."""
        path, kind, content = BILLS[self.name]
        headers = {"Content-Type": kind} | ({self.declared.idempotency.header: key} if key else {})
        return self.ask("POST", path, content, headers)

    def list(self) -> httpx.Response:
        """Read the invoices."""
        return self.ask("GET", "/v1/invoices" if self.name == "stripe" else "/invoices")


Connect = Callable[..., Wire]
"""connect(faults, timeout=…) → the wire to them."""


def emulated(name: str, **options: Any) -> Emulator:
    """An emulator with a clock that stands still."""
    made: Emulator = providers.get(name).emulator(clock=FakeClock(), **options)
    return made
