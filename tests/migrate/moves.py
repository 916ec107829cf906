"""Two accounts served over HTTP, with a source whose invoices have ended in every way."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoice_bridge import Client, Collection, Money, OneTimeCharge
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.emulator.server import running
from invoice_bridge.migrate import Migration, Timing

QUICK = Timing(lease=8.0, beat=0.5, deadline=5.0, settling=0.2)
ENDS = ("paid", "void", "uncollectible", "refunded", "open", "draft")


@dataclass
class Move:
    """Both accounts: what their clients are made with, and their emulators."""

    folder: Path
    source: dict[str, Any]
    target: dict[str, Any]
    emulators: dict[str, Emulator]

    @property
    def customers(self) -> dict[str, str]:
        """The one customer's id at both sides."""
        ends = self.emulators[self.source["provider"]], self.emulators[self.target["provider"]]
        return {ends[0].customer: ends[1].customer}

    def migration(self, **settings: Any) -> Migration:
        """A migration between the accounts, on one ledger, at a pace that no test waits for."""
        given: dict[str, Any] = {"source": self.source, "target": self.target, "rate": 1000, "timing": QUICK} | settings
        return Migration(self.folder / "ledger.sqlite", **given)

    def client(self, side: str) -> Client:
        """A client of the source or the target that looks nothing up."""
        given: dict[str, Any] = {**getattr(self, side), "lookup": "never"}
        return Client(**given)

    def bill(self, end: str, reference: str, minor: int) -> str:
        """Make an invoice at the source that ends so; return its id."""
        with self.client("source") as client:
            how = Collection.charge("pm_42") if end == "refunded" else Collection.manual()
            command = OneTimeCharge(
                reference=reference,
                customer=self.emulators[self.source["provider"]].customer,
                amount=Money(minor, "EUR"),
                description="Fees",
                collection=how,
                draft=end == "draft",
            )
            made = client.create(command, allow=[loss.code for loss in client.losses(command)])
            if end == "paid":
                client.mark_paid(made.id)
            elif end == "void":
                client.void(made.id)
            elif end == "uncollectible":
                client.mark_uncollectible(made.id)
            elif end == "credited":
                client.credit(made.id, amount=Money(300, "EUR"), reference=f"{reference}-note")
                client.mark_paid(made.id)
            elif end == "credited whole":
                client.credit(made.id, amount=made.amount_remaining, reference=f"{reference}-note")
            elif end == "refunded":
                client.refund(made.id, amount=Money(300, "EUR"), reference=f"{reference}-back")
            return made.id

    def fill(self, count: int = 12, ends: tuple[str, ...] = ENDS) -> None:
        """Make so many invoices at the source, one end after the other; a card is charged at Stripe alone."""
        if self.source["provider"] != "stripe":
            ends = tuple("paid" if end == "refunded" else end for end in ends)
        for number in range(count):
            self.bill(ends[number % len(ends)], f"res-{number}", 1000 + number)


@contextmanager
def move(folder: Path, source: str = "stripe", target: str = "chargebee") -> Iterator[Move]:
    """Serve both accounts."""
    with running(names=[source, target]) as served:
        sides: list[dict[str, Any]] = []
        for name in (source, target):
            emulator = served.emulators[name]
            sides.append(
                {"provider": name, "api_key": emulator.key, "base_url": served.base_urls[name], **emulator.settings}
            )
        yield Move(folder, sides[0], sides[1], dict(served.emulators))
