"""What one call is made of: its command, what is known before it, and how a page of a listing is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from invoice_bridge.adapter.declared import NO_HISTORY, History
from invoice_bridge.adapter.provider import Context, Page, Unreadable
from invoice_bridge.core.commands import Command, ListInvoices, faults
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse
from invoice_bridge.core.model import Invoice

C = TypeVar("C", bound=Command)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its command, and everything that is known before its first request."""

    command: Command
    context: Context
    history: History = NO_HISTORY
    digest: str | None = None
    """That of a bill's content, for the journal; None without one."""
    now: datetime | None = None
    """When the call began, where it is to resolve a bill."""
    last: datetime | None = None
    """When the last request of the bill left that it is to resolve."""
    last_try: int | None = None
    """The last of the journal's rows about that bill."""


def make_command(kind: type[C], **fields: Any) -> C:
    """Make a command from what a verb was given. Raises ConfigurationError for what it does not take."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise ConfigurationError(f"{kind.verb}: {faults(error)}") from None


def texts_of(value: Any) -> Iterator[str]:
    """Every text that a command holds, in whatever depth, names of metadata among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for inner in value.__dict__.values():
            if inner is not None:
                yield from texts_of(inner)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts_of(name)
            yield from texts_of(inner)
    elif isinstance(value, tuple | list | frozenset | set):
        for inner in value:
            yield from texts_of(inner)


def filter_page(
    page: Page, command: ListInvoices, provider: str, unreadable: str, read: set[str | None]
) -> Iterator[Invoice | Unreadable]:
    """Apply every filter again; raise for, or hand on, what could not be read. `read` holds the cursors so far.

    Raises ConfigurationError for another word than "raise" and "yield", and MalformedResponse for a listing that does
    not end.
    """
    if unreadable not in {"raise", "yield"}:
        raise ConfigurationError(f'unreadable is "raise" or "yield", not {unreadable!r}')
    read.add(command.cursor)
    if page.next is not None and page.next.cursor in read:
        raise MalformedResponse("the listing gives the same next page for ever", provider=provider)
    for item in page.items:
        if isinstance(item, Unreadable) and unreadable == "raise":
            raise item.error
        if isinstance(item, Unreadable) or command.matches(item, provider):
            yield item
