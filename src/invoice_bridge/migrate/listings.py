"""Read a listing to its end, however it changes meanwhile.

Rules of this file: a listing whose place is gone (a page token that has expired, an invoice that was deleted) is read
again from its beginning, so who reads it takes an item twice without harm. One that turns in a circle is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from invoice_bridge.core.errors import MalformedResponse, NotFound, Rejected

if TYPE_CHECKING:
    from invoice_bridge.adapter.pages import Page
    from invoice_bridge.client.clients import Client
    from invoice_bridge.core.commands import ListInvoices

__all__ = ["pages_of"]


def pages_of(client: Client, first: ListInvoices, goes_on: ListInvoices | None = None) -> Iterator[Page]:
    """Yield the pages of a listing, or those from the place on where it was left. Raises MalformedResponse."""
    command: ListInvoices | None = goes_on or first
    is_anew = False
    read: set[str | None] = set()
    while command is not None:
        try:
            page = client.page(command)
        except (NotFound, Rejected):
            if command.cursor is None or is_anew:
                raise
            command, is_anew = first, True
            read.clear()
            continue
        read.add(command.cursor)
        if page.next is not None and page.next.cursor in read:
            raise MalformedResponse(
                "the listing returns to the same page again, so that it has no end: read it again later",
                provider=client.provider,
            )
        yield page
        command = page.next
