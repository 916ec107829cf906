"""What a ledger shows that no customer should meet: billed twice, collected twice, collected although void."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from invoice_bridge.adapter.emulation.core import LedgerEntry


@dataclass
class _Money:
    """What happened to one invoice's money."""

    issued: bool = False
    due: Decimal = Decimal(0)
    collected: list[Decimal] = field(default_factory=list)
    recorded: list[Decimal] = field(default_factory=list)
    ended: str = ""
    after_its_end: list[str] = field(default_factory=list)

    def take(self, entry: LedgerEntry) -> None:
        """Add one line of the ledger."""
        units = Decimal(entry.units or 0)
        match entry.event:
            case "issued" | "balance_applied":  # a balance is collected with the invoice, or lowers what is collected
                self.issued = self.issued or entry.event == "issued"
                self.due += units
            case "collected" | "recorded":
                (self.collected if entry.event == "collected" else self.recorded).append(units)
                if self.ended:
                    self.after_its_end.append(f"{entry.invoice_id} was {entry.event} after it was {self.ended}")
            case "voided" | "deleted":
                self.ended = entry.event

    def harm(self, invoice_id: str) -> list[str]:
        """Return the harm to this invoice's customer."""
        too_much = self.issued and sum(self.collected) + sum(self.recorded) > self.due
        found = []
        if too_much and len(self.collected) > 1:
            found.append(f"{invoice_id} was collected {len(self.collected)} times, in total more than is due")
        elif too_much and self.collected and self.recorded:
            found.append(f"{invoice_id} was collected and recorded as paid, in total more than is due")
        return found + self.after_its_end


def find_harm(ledger: Iterable[LedgerEntry]) -> list[str]:
    """Return one sentence for each harm: bills first, then money.

    Only references are compared across invoices: two invoices without a reference are two bills.
    """
    invoices: dict[str, _Money] = defaultdict(_Money)
    bills: dict[tuple[str | None, str], dict[str, None]] = defaultdict(dict)
    for entry in ledger:
        invoices[entry.invoice_id].take(entry)
        if entry.event == "issued" and entry.reference is not None:
            bills[entry.customer, entry.reference][entry.invoice_id] = None
    found = []
    for (_, reference), made in bills.items():
        live = [invoice_id for invoice_id in made if not invoices[invoice_id].ended]
        if len(live) > 1:
            found.append(f"the reference {reference} is billed {len(live)} times: {', '.join(live)}")
    return found + [sentence for invoice_id, money in invoices.items() for sentence in money.harm(invoice_id)]
