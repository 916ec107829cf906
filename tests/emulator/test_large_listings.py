"""An emulator with 10,000 invoices answers a page of its listing as quickly as one with a few."""

import sys
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, ListInvoices
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.testing.fault_cases import allowed_losses, bills, make_emulator

MANY, PAGE = 10_000, 100
PROVIDERS = ("chargeapi", "chargebee", "stripe", "whop")
MOST = 10
"""A page among many may take so many times as long as a page that is all there is: an emulator that makes every row of
its listing takes a hundred times as long."""


def filled(name: str, many: int) -> Emulator:
    """An emulator with so many copies of one open invoice."""
    emulator = make_emulator(name, None, lambda: datetime.now(UTC))
    transport = EmulatorTransport(emulator)
    command = next(iter(bills(name).values()))
    with httpx.Client(transport=transport) as http:
        given: dict[str, Any] = {"base_url": transport.root, "http": http, "lookup": "never", **emulator.settings}
        with Client(name, api_key=emulator.key, **given) as client:
            made = client.create(command, allow=allowed_losses(name, command))
    for number in range(many - len(emulator.invoices)):
        other = f"{made.id}x{number}"
        emulator.invoices[other] = emulator.invoices[made.id] | {"id": other}
    return emulator


def seconds_a_page(emulator: Emulator) -> float:
    """The shortest time of a page: the CPU's of this thread, for other programs run too."""
    transport = EmulatorTransport(emulator)
    with httpx.Client(transport=transport) as http:
        given: dict[str, Any] = {"base_url": transport.root, "http": http, **emulator.settings}
        with Client(emulator.name, api_key=emulator.key, **given) as client:
            assert len(client.page(ListInvoices(limit=PAGE)).items) == PAGE
    listing, times = transport.sent[0], list[float]()
    for _ in range(5):
        began = time.thread_time()
        assert emulator(listing, transport.root).status == 200
        times.append(time.thread_time() - began)
    return min(times)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_page_of_a_long_listing_takes_no_longer(name: str) -> None:
    """The gate is a ratio, for machines differ; the figures are in decision 26."""
    few, many = seconds_a_page(filled(name, PAGE)), seconds_a_page(filled(name, MANY))
    sys.stdout.write(f"{name}: {many * 1000:.1f} ms a page of {MANY}, {few * 1000:.1f} ms of {PAGE}\n")
    assert many < MOST * few
