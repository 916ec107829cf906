"""What a client says of itself: its provider, the book, the journal and the lookup that it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.journal.memory import Memory
from invoice_bridge.journal.rows import Book

if TYPE_CHECKING:
    from invoice_bridge.journal.protocol import BillJournal


class Known:
    """Properties of both clients."""

    _context: Context
    _memory: Memory
    _lookup: Lookup

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._context.provider.name

    @property
    def book(self) -> Book:
        """The book of this client's bills, with its account and its mode ("" if neither settings nor key state it)."""
        return self._memory.book

    @property
    def journal(self) -> BillJournal | None:
        """The journal of this client, None if it keeps none."""
        return self._memory.journal

    @property
    def lookup(self) -> Lookup:
        """When this client looks a bill up before it makes it."""
        return self._lookup
