"""A plan needs no more for the last of many invoices than for the first: the listing is generated, and never kept."""

import copy
import json
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, Money, OneTimeCharge
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.emulator.server import running
from invoice_bridge.migrate import Ledger, Migration
from invoice_bridge.migrate.planning import MISSING
from invoice_bridge.migrate.queries import notes_of
from invoice_bridge.testing.fault_cases import make_emulator

FEW, MANY, PAGE = 5_000, 50_000, 100
MOST = 8 * 1024
"""KiB that the process may grow by between the two."""


class Listing(httpx.BaseTransport):
    """A Chargebee site with so many paid invoices, of which each page is made when it is asked for."""

    def __init__(self, many: int, customers: int) -> None:
        self.many, self.customers = many, customers
        self.emulator: Emulator = make_emulator("chargebee", None, lambda: datetime.now(UTC))
        self.row = self._one()

    def _one(self) -> dict[str, Any]:
        transport = EmulatorTransport(self.emulator)
        given: dict[str, Any] = {"base_url": transport.root, "lookup": "never", **self.emulator.settings}
        with (
            httpx.Client(transport=transport) as http,
            Client("chargebee", api_key=self.emulator.key, http=http, **given) as client,
        ):
            command = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1000, "EUR"), description="Fees")
            made = client.create(command, allow=[loss.code for loss in client.losses(command)])
            client.mark_paid(made.id)
            read: dict[str, Any] = json.loads(json.dumps(client.retrieve(made.id).raw))
        row: dict[str, Any] = read.get("invoice", read)
        return row

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one page of the listing."""
        assert request.url.path.endswith("/invoices"), request.url
        first = int(json.loads(request.url.params.get("offset", "[0]"))[0])
        last = min(first + PAGE, self.many)
        more = {"next_offset": f"[{last}]"} if last < self.many else {}
        return httpx.Response(200, json={"list": [{"invoice": one} for one in self.rows(first, last)], **more})

    def rows(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """Yield invoices of the site, each with an id, a customer and an amount of its own."""
        for number in range(first, last):
            row = copy.deepcopy(self.row)
            minor = 1000 + number % 977
            row |= {
                "id": f"INV-{number}", "customer_id": f"cus_{number % self.customers}", "po_number": f"res-{number}",
                "total": minor, "sub_total": minor, "amount_paid": minor,
            }  # fmt: skip
            row["line_items"][0] |= {"amount": minor, "unit_amount": minor}
            row["linked_payments"][0] |= {"applied_amount": minor, "txn_amount": minor, "txn_id": f"txn_{number}"}
            yield row


def plan(place: Path, many: int, customers: int, mapped: Any) -> tuple[dict[int, int], dict[str, int]]:
    """Plan so many invoices; return the peak of the process's memory in KiB at each thousand, and the items' states."""
    listing, peaks = Listing(many, customers), dict[int, int]()

    def note(read: int) -> None:
        if read % 1000 == 0:
            peaks[read] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
                1024 if sys.platform == "darwin" else 1
            )

    with running(names=["stripe"]) as served, httpx.Client(transport=listing) as http:
        source = {"provider": "chargebee", "api_key": listing.emulator.key, "http": http, **listing.emulator.settings}
        target = {
            "provider": "stripe", "api_key": served.emulators["stripe"].key, "base_url": served.base_urls["stripe"]
        }  # fmt: skip
        with Migration(place, source=source, target=target) as migration:
            migration.plan(customers=mapped, progress=note)
            preview = migration.preview()
            assert preview.closes
            return peaks, dict(preview.counts)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="this platform states no peak of memory")
def test_a_plan_of_fifty_thousand_needs_no_more_memory_than_one_of_five(tmp_path: Path) -> None:
    """The peak grows by a few MB at most between the two; the figures of a million are in decision 26."""
    peaks, counts = plan(tmp_path / "ledger.sqlite", MANY, 500, lambda _invoice: "cus_42")
    assert counts == {"planned": MANY}
    grown = peaks[MANY] - peaks[FEW]
    sys.stdout.write(f"{peaks[FEW] / 1024:.0f} MiB at {FEW}, {peaks[MANY] / 1024:.0f} MiB at {MANY}\n")
    assert grown < MOST, peaks


def test_a_page_writes_no_more_however_many_customers_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page writes the customers that it has found, not all that were found before."""
    longest, add = [0], Ledger.add

    def measured(self: Ledger, number: int, items: Any, notes: Any = None, **options: Any) -> int:
        longest[0] = max(longest[0], sum(map(len, (notes or {}).values())))
        return add(self, number, items, notes, **options)

    monkeypatch.setattr(Ledger, "add", measured)
    _, counts = plan(tmp_path / "ledger.sqlite", 800, 800, lambda _invoice: None)
    assert counts == {"refused": 800}
    assert 1_000 < longest[0] < 25_000
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert len(list(notes_of(ledger, 1, MISSING))) == 800
