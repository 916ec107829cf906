"""What the shop keeps itself, in one SQLite file: its orders, and what it knows of its invoices."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from invoice_bridge import Invoice

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, customer TEXT NOT NULL, month TEXT NOT NULL, item TEXT NOT NULL,
    quantity INTEGER NOT NULL, unit_cents INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS invoices (
    reference TEXT PRIMARY KEY, provider TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL,
    total TEXT NOT NULL, remaining TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Order:
    """So many of an item; the price of one is in cents, never a float."""

    item: str
    quantity: int
    unit_cents: int


class Store:
    """Opens a connection for each call, so that every thread of the server may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.executescript(_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database

    def add(self, customer: str, month: str, order: Order) -> None:
        """Keep an order."""
        row = (customer, month, order.item, order.quantity, order.unit_cents)
        with self._open() as database:
            database.execute(
                "INSERT INTO orders (customer, month, item, quantity, unit_cents) VALUES (?, ?, ?, ?, ?)", row
            )

    def orders(self, month: str) -> dict[str, list[Order]]:
        """Return the orders of a month, by customer."""
        query = "SELECT customer, item, quantity, unit_cents FROM orders WHERE month = ? ORDER BY customer, id"
        found: dict[str, list[Order]] = {}
        with self._open() as database:
            for customer, *order in database.execute(query, (month,)):
                found.setdefault(customer, []).append(Order(*order))
        return found

    def keep(self, reference: str, invoice: Invoice) -> None:
        """Keep what is known of an invoice now; the same invoice may come any number of times."""
        facts = (invoice.provider, invoice.id, str(invoice.status), str(invoice.total), str(invoice.amount_remaining))
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO invoices VALUES (?, ?, ?, ?, ?, ?)", (reference, *facts))

    def reference(self, provider: str, invoice_id: str) -> str | None:
        """Return the reference of an invoice that the shop made; None for any other."""
        query = "SELECT reference FROM invoices WHERE provider = ? AND id = ?"
        with self._open() as database:
            row = database.execute(query, (provider, invoice_id)).fetchone()
        return None if row is None else str(row[0])

    def invoices(self) -> list[dict[str, str]]:
        """Return what is known of every invoice, by reference."""
        with self._open() as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute("SELECT * FROM invoices ORDER BY reference")]

    def invoice_id(self, reference: str) -> str | None:
        """Return the id of an invoice that the shop made."""
        return next((row["id"] for row in self.invoices() if row["reference"] == reference), None)
