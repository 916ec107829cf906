"""One call: its command, what is known before it, and the filters of a listing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from invoice_bridge.adapter.declared import NO_HISTORY, History
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Command, ListInvoices, faults
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.observers import RequestEnded, RequestStarted, begin, is_watched
from invoice_bridge.engine.supervise import Lost, NotSent
from invoice_bridge.journal.memory import Exchange

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

    @property
    def verb(self) -> str:
        """The word for this call: its command's verb, or "resolve"."""
        return self.command.verb if self.now is None else "resolve"


@dataclass
class Intent:
    """An intent that a thread writes down while the task that waits for it may be cancelled."""

    number: int | None = None
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sending:
    """Around the sending of one request: `sent` lists what may have been sent, `exchange` records the end."""

    def __init__(self, provider: str, request: Request, sent: list[Request], exchange: Exchange) -> None:
        self._provider, self._request, self._sent, self._exchange = provider, request, sent, exchange

    def __enter__(self) -> None:
        self._sent.append(self._request)
        self._end = begin(RequestStarted(self._provider, self._request)) if is_watched() else None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._exchange.ended = "answered"
        elif isinstance(error, NotSent):
            self._sent.pop()
            self._exchange.ended = "not_sent"
        elif isinstance(error, Lost):
            self._exchange.ended = "lost"
        if self._end is not None:
            self._end(RequestEnded(self._exchange.answer, error))


def make_command(kind: type[C], **fields: Any) -> C:
    """Make a command from the arguments of a verb. Raises ConfigurationError for arguments that it does not take."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise ConfigurationError(f"{kind.verb}: {faults(error, kind)}") from None


def texts_of(value: Any) -> list[str]:
    """Return every text in a command at any depth, including names of metadata."""
    texts: list[str] = []
    pending = [value]
    while pending:
        value = pending.pop()
        if value is None:  # most fields
            continue
        kind: Any = type(value)
        match _contents_of(kind):
            case "text":
                texts.append(value)
            case "fields":
                pending += value.__dict__.values()
            case "names":
                pending += value
                pending += value.values()
            case "items":
                pending += value
            case _:
                pass
    return texts


@cache
def _contents_of(kind: type[Any]) -> str:
    """Return what a kind of value may have texts in."""
    if issubclass(kind, str):
        return "text"
    if issubclass(kind, BaseModel):
        return "fields"
    if issubclass(kind, Mapping):
        return "names"
    return "items" if issubclass(kind, tuple | list | frozenset | set) else "nothing"


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
