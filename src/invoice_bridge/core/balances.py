"""What a customer has at a provider beside invoices: credits, payments too many, debts. It is read, never changed.

Rules of this file: those of values.py. An amount above zero is the customer's; one below zero is owed by the customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from invoice_bridge.core.bills import Command, Customer
from invoice_bridge.core.money import Money

__all__ = ["Balance", "ReadBalances"]

Kind = Literal["balance", "credit", "refundable", "excess", "unbilled", "undirected"]


@dataclass(frozen=True, slots=True)
class Balance:
    """One balance of a customer, in one currency.

    `kind` is "balance" (the next invoice uses it up), "credit" (promotional: it is never paid out), "refundable" (left
    of credit notes), "excess" (payments that no invoice has used), "unbilled" (charges that no invoice has billed) or
    "undirected" (the provider's documents leave open whose it is: a person looks there).
    """

    kind: Kind
    amount: Money


class ReadBalances(Command):
    """Read all balances of a customer; those of zero are left out."""

    verb: ClassVar[str] = "balances"

    customer: Customer
