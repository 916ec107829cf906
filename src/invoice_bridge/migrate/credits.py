"""Balances: what customers have at the source beside invoices. They are read and listed, last of all; a person moves
them.

Rules of this file: nothing is written at either provider. No target takes a balance so that it could be looked up and
taken back like an invoice, and the source would keep its own: the same money would count twice. So each one is listed
with its amount, and with what the customer has at the target already. What could not be read is listed, and no zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.balances import Balance, ReadBalances
from invoice_bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    RateLimited,
    ServerError,
    Unauthorized,
    Unreachable,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.model import CustomerRef
from invoice_bridge.core.money import Money
from invoice_bridge.migrate.operations import customer_at
from invoice_bridge.migrate.planning import MISSING
from invoice_bridge.migrate.queries import notes_of, write_notes

if TYPE_CHECKING:
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.ledger import Ledger

__all__ = ["Credit", "Credits", "customers_to_read", "read_balances", "read_credits"]

NOTE = "credits"
_MOST_IN_A_ROW = 3
"""Customers in a row for which the provider is away: it would be for the others too, each after its retries."""
_WORDS = {
    "balance": "balance, which the next invoice uses up",
    "credit": "promotional credit, which is never paid out",
    "refundable": "credit that credit notes left",
    "excess": "payments that no invoice has used",
    "unbilled": "charges that no invoice has billed yet",
    "undirected": "balance in another currency, whose direction is to be looked up there",
}


@dataclass(frozen=True, slots=True)
class Credit:
    """One balance that a person moves, and what the customer has at the target: () is nothing, None is not known.

    `target` is None for a customer that has no id there.
    """

    source: str
    target: str | None
    balance: Balance
    at_target: tuple[Balance, ...] | None

    def __str__(self) -> str:
        amount = self.balance.amount
        whose = f"{-amount} owed by" if amount.minor < 0 else f"{amount} of"
        there = "not known"
        if self.at_target is not None:
            there = ", ".join(f"{one.amount} ({one.kind})" for one in self.at_target) or "nothing"
        target = "no id at the target" if self.target is None else self.target
        return f"{self.source} → {target}: {whose} the customer: {_WORDS[self.balance.kind]}; at the target: {there}"


@dataclass(frozen=True)
class Credits:
    """The balances of all customers. `unread` has each customer that could not be read, with the reason."""

    read: int
    found: tuple[Credit, ...]
    unread: Mapping[str, str]

    @property
    def is_clear(self) -> bool:
        """Whether every customer was read, and none has a balance."""
        return not self.found and not self.unread

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the balances as text."""
        yield f"customers read: {self.read}, balances to move by hand: {len(self.found)}, not read: {len(self.unread)}"
        yield from (f"  {credit}" for credit in self.found)
        yield from (f"  not read: {customer}: {why}" for customer, why in sorted(self.unread.items()))
        totals: dict[tuple[str, bool, str], int] = {}  # what one customer owes is not paid by what another one has
        for credit in self.found:
            amount = credit.balance.amount
            key = credit.balance.kind, amount.minor < 0, amount.currency
            totals[key] = totals.get(key, 0) + abs(amount.minor)
        if totals:
            yield "in all, by kind:"
        for (kind, is_owed, currency), minor in sorted(totals.items()):
            yield f"  {kind}{', owed by customers' if is_owed else ''}: {Money(minor, currency)}"


def read_balances(client: Client, customer: str) -> tuple[Balance, ...]:
    """Read the balances of one customer. Raises BridgeError."""
    command = ReadBalances(customer=CustomerRef(ids={client.provider: customer}))
    call = client._prepare(command)  # noqa: SLF001 - as the switch does: the steps of a client, without a verb of its own
    found: tuple[Balance, ...] = client._run(client._steps(call), call)  # noqa: SLF001
    return found


def customers_to_read(
    ledger: Ledger, plans: Iterable[int], provider: str, customers: Mapping[str, str]
) -> tuple[dict[str, str | None], set[str]]:
    """Return the customers of a map and of these plans, and those with documents at the target that the map lacks.

    The customers are by their ids at the source: those that are not mapped have None at the target. Raises
    ConfigurationError for an empty map.
    """
    if not customers:
        raise ConfigurationError("no customer is mapped: name the CSV of customers that the plan was made with")
    found: dict[str, str | None] = dict(customers)
    strange = set[str]()
    for plan in plans:
        for unmapped, _ in notes_of(ledger, plan, MISSING):
            found.setdefault(unmapped, None)
        made = ledger.rows(plan, ("done", "made", "released"))
        strange.update(own for row in made if (own := customer_at(row.operation, provider)) is not None)
    return found, strange - set(customers.values())


def read_credits(
    ledger: Ledger,
    plan: int,
    source: Client,
    target: Client,
    customers: Mapping[str, str | None],
    *,
    strange: Collection[str] = (),
    progress: Callable[[int], object] = lambda _read: None,
) -> Credits:
    """Read the balances of the customers at both accounts, and keep what was found in the ledger.

    `customers` has the ids at the target by those at the source, None where there is none. `strange` are ids at the
    target that the plan has and no map names: they are listed as not read. Raises Unauthorized for a wrong key, which
    concerns every customer, and what keeps several customers in a row from being read, if the provider is away.
    """
    found: list[Credit] = []
    why = "the plan has invoices of it, and the map names no customer of the source for it: complete the map"
    unread = {f"? → {own}": why for own in strange}
    failed = in_a_row = 0
    for number, (own, there) in enumerate(sorted(customers.items())):
        progress(number)
        try:
            balances = read_balances(source, own)
        except (ConfigurationError, Unauthorized):
            raise
        except BridgeError as error:
            unread[own] = f"{type(error).__name__}: {error}"
            failed += 1
            in_a_row = in_a_row + 1 if isinstance(error, Unreachable | ServerError | RateLimited) else 0
            if in_a_row >= _MOST_IN_A_ROW:
                raise
            continue
        in_a_row = 0
        if balances:
            at_target = None if there is None else _at_target(target, there)
            found += [Credit(own, there, balance, at_target) for balance in balances]
    made = Credits(len(customers) - failed, tuple(found), unread)
    write_notes(ledger, plan, [(NOTE, dumps(_json(made)).decode())])
    return made


def _at_target(target: Client, customer: str) -> tuple[Balance, ...] | None:
    try:
        return read_balances(target, customer)
    except (ConfigurationError, Unauthorized):
        raise
    except BridgeError:
        return None


def _json(made: Credits) -> dict[str, Any]:
    return {"read": made.read, "unread": dict(made.unread), "found": [str(credit) for credit in made.found]}
