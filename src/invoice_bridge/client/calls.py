"""One call: its command, what is known before it, and the filters of a listing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    """The digest of a bill's content, for the journal; None without one."""
    now: datetime | None = None
    """When the call began, if it resolves a bill."""
    last: datetime | None = None
    """When the last request of the bill to resolve was sent."""
    last_try: int | None = None
    """The journal's last row about that bill."""


@dataclass
class Intent:
    """An intent that a thread writes down while the task that waits for it may be cancelled."""

    number: int | None = None
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


def make_command(kind: type[C], **fields: Any) -> C:
    """Make a command from the arguments of a verb. Raises ConfigurationError for arguments that it does not take."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise ConfigurationError(f"{kind.verb}: {faults(error)}") from None


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text in a command at any depth, including names of metadata."""
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
    """Apply every filter again; raise or yield the items that could not be read. `read` has the cursors so far.

    Raises ConfigurationError unless `unreadable` is "raise" or "yield", and MalformedResponse for an endless listing.
    """
    if unreadable not in {"raise", "yield"}:
        raise ConfigurationError(f'unreadable must be "raise" or "yield", not {unreadable!r}')
    read.add(command.cursor)
    if page.next is not None and page.next.cursor in read:
        raise MalformedResponse("the listing names the same next page again, and would never end", provider=provider)
    for item in page.items:
        if isinstance(item, Unreadable) and unreadable == "raise":
            raise item.error
        if isinstance(item, Unreadable) or command.matches(item, provider):
            yield item
