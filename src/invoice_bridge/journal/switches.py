"""The instants of a switch between two accounts, kept in their book: every client that bills decides by them.

Rules of this file: a row is only added. An instant is kept when a switch is first used, and a later one replaces it
only through `move`, with a reason. The offset of an instant is kept too: the days of the switch are those of that
offset. The switches of a book form a chain: the next one begins where the last one ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.database import Store
from invoice_bridge.journal.rows import Book, _instant

EVERYBODY = "*"
"""The name of all customers that no other row names."""
_FIRST_USE = "kept at first use"
_ALL = "SELECT number, mode, source, target, customer, at, why, kept_at FROM switches WHERE book = ? ORDER BY number"
_LOCK = "\nswitch"  # no reference has a line break


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept instant: from `at` on, `customer` is billed at the account `target`, before it at `source`."""

    number: int
    mode: str
    source: str
    target: str
    customer: str
    at: datetime
    why: str
    kept_at: datetime | None


class Switches:
    """The switches of a journal."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self, book: Book) -> tuple[Kept, ...]:
        """Return the kept instants of a book and mode, oldest first. Raises ConfigurationError."""
        return _read(self._store.read(_ALL, (book.name,)), book)

    def instant(self, book: Book, target: str, given: Mapping[str, datetime], customer: str | None) -> datetime:
        """Return the instant that decides for a customer, without keeping it; see `keep`."""
        rows = self.rows(book)
        kept = _kept_for(rows, book, target, given, customer)
        return _given_for(given, customer)[1] if kept is None else kept

    def earlier(self, book: Book, target: str, customer: str | None) -> tuple[Kept, ...]:
        """Return the instant of each switch before this one that decides for a customer, the last switch first.

        Where an earlier switch has several instants, and none that is surely the customer's, its latest one counts.
        """
        rows = self.rows(book)
        pairs = list(dict.fromkeys((row.source, row.target) for row in rows))
        this = (book.account, target)
        before = pairs[: pairs.index(this)] if this in pairs else pairs
        return tuple(_deciding(current_rows(rows, *pair), customer) for pair in reversed(before))

    def keep(
        self, book: Book, target: str, given: Mapping[str, datetime], customer: str | None, now: datetime
    ) -> datetime:
        """Return the instant that decides for a customer; keep those of `given` if the switch is used first.

        `book` has the account that is left, `target` is the other one; `customer` is the customer's name in `given`.
        Raises ConfigurationError if another instant is kept, if the book switches between other accounts, and if no
        instant is given for the customer.
        """
        if (kept := _kept_for(self.rows(book), book, target, given, customer)) is not None:
            return kept
        with self._store.writing("so nothing was sent", [(book.name, _LOCK)]) as transaction:
            rows = _read(transaction.select(_ALL, (book.name,)), book)  # another process may have kept it meanwhile
            if (kept := _kept_for(rows, book, target, given, customer)) is not None:
                return kept
            name, at = _given_for(given, customer)
            is_first = not any((row.source, row.target) == (book.account, target) for row in rows)
            for each, instant in given.items() if is_first else [(name, at)]:
                _insert(transaction, book, target, each, instant, _FIRST_USE, now)
        return at

    def move(self, book: Book, target: str, customer: str, at: datetime, *, why: str, now: datetime) -> Kept:
        """Replace a kept instant, of one customer or of EVERYBODY; return what was kept before.

        Raises ConfigurationError if nothing is kept for it.
        """
        check_instant(at, "the new instant")
        if not why.strip() or not why.isprintable():
            raise ConfigurationError("why must be a sentence of printable characters: it is the only record of it")
        with self._store.writing("so the switch was not moved", [(book.name, _LOCK)]) as transaction:
            rows = _read(transaction.select(_ALL, (book.name,)), book)
            _check_chain(rows, book.account, target, {customer: at}, is_move=True)
            current = current_rows(rows, book.account, target)
            before = current.get(customer, current.get(EVERYBODY))
            if before is None:
                raise ConfigurationError(
                    f"the book {book.name!r} keeps no switch of {customer!r} from {_plain(book.account)} to "
                    f"{_plain(target)}: there is nothing to move before its first bill"
                )
            modes = {row.mode for row in current.values()}
            if not book.mode and len(modes) > 1:
                raise ConfigurationError(
                    f"the book {book.name!r} has this switch in several modes: state the mode of both accounts"
                )
            mine = Book(book.account, book.name, before.mode)
            _insert(transaction, mine, target, customer, at, why, now)
        return before


def current_rows(rows: Sequence[Kept], source: str, target: str) -> dict[str, Kept]:
    """Return the last row of each customer of a switch."""
    return {row.customer: row for row in rows if (row.source, row.target) == (source, target)}


def _deciding(current: Mapping[str, Kept], customer: str | None) -> Kept:
    """Return the row of a switch that decides for a customer, the latest one where that is not known."""
    named = current.get(customer or EVERYBODY, current.get(EVERYBODY))
    if named is None or (customer is None and len(current) > 1):
        return max(current.values(), key=lambda row: row.at)
    return named


def check_instant(at: object, what: str) -> None:
    """Raise ConfigurationError unless a value is an aware datetime."""
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ConfigurationError(
            f"{what} must be an instant with its offset: a datetime with tzinfo, in a file 2026-12-01T00:00:00Z"
        )


def _kept_for(
    rows: Sequence[Kept], book: Book, target: str, given: Mapping[str, datetime], customer: str | None
) -> datetime | None:
    """Return the kept instant of a customer, None if none is. Raises ConfigurationError if another one is given."""
    _check_chain(rows, book.account, target, given)
    current = current_rows(rows, book.account, target)
    named = ({*given} | {*current}) - {EVERYBODY}
    if customer is None and named:
        raise ConfigurationError(
            "this switch has instants of single customers, so each bill must name its customer: pass customer=…, with "
            "the name that the switch has for it; nothing was sent"
        )
    kept = current.get(customer or EVERYBODY, current.get(EVERYBODY))
    if kept is None:
        return None
    _, at = _given_for(given, customer)
    if at != kept.at:
        whom = "" if kept.customer == EVERYBODY and customer not in given else f" of {customer!r}"
        raise ConfigurationError(
            f"the book {book.name!r} keeps {kept.at.isoformat()} as the switch{whom} from {_plain(book.account)} to "
            f"{_plain(target)}, and {at.isoformat()} was given; nothing was sent: give the kept one, or change it for "
            "every process: invoice-bridge switch move"
        )
    return kept.at


def _given_for(given: Mapping[str, datetime], customer: str | None) -> tuple[str, datetime]:
    name = customer if customer is not None and customer in given else EVERYBODY
    if name not in given:
        raise ConfigurationError(
            f"the switch has no instant of the customer {customer!r}: add one, or one of all others as {EVERYBODY!r}; "
            "nothing was sent"
        )
    return name, given[name]


def _check_chain(
    rows: Sequence[Kept], source: str, target: str, given: Mapping[str, datetime], *, is_move: bool = False
) -> None:
    """Raise ConfigurationError if the book switches between other accounts: two switches would both bill a period."""
    pairs = [(row.source, row.target) for row in rows]
    if not pairs or (source, target) == pairs[-1]:
        earlier = [row for row in rows if (row.source, row.target) != (source, target)]
        if is_move and earlier:
            _check_after(earlier, given)
        return
    last = f"from {_plain(pairs[-1][0])} to {_plain(pairs[-1][1])}"
    if (source, target) in pairs or source != pairs[-1][1]:
        raise ConfigurationError(
            f"this book switches {last}, not from {_plain(source)} to {_plain(target)}; nothing was sent: correct the "
            "two accounts, or use another book for bills that have nothing to do with these"
        )
    _check_after(rows, given)


def _check_after(rows: Sequence[Kept], given: Mapping[str, datetime]) -> None:
    current = {(row.source, row.target, row.customer): row.at for row in rows}  # not what a move has replaced
    latest = max(current.values())
    if min(given.values()) <= latest:  # at the same instant: the two sides are swapped, and each bills the other's
        raise ConfigurationError(
            f"the book had a switch at {latest.isoformat()}: the next one must be after it; nothing was sent. If this "
            "is that switch, its two accounts are swapped"
        )


def _insert(transaction: Any, book: Book, target: str, *values: Any) -> None:
    customer, at, why, now = values
    transaction.insert(
        "INSERT INTO switches (book, mode, source, target, customer, at, why, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (book.name, book.mode, book.account, target, customer, at.isoformat(), why, now.isoformat()),
    )


def _read(rows: Sequence[tuple[Any, ...]], book: Book) -> tuple[Kept, ...]:
    """Read the rows of a book's mode. Raises ConfigurationError for an instant that cannot be read: it decides."""
    read = []
    for number, mode, source, target, customer, at, why, kept_at in rows:
        if not book.shares_mode(mode):
            continue
        if (instant := _instant(at)) is None:
            raise ConfigurationError(
                f"the journal's switch from {_plain(source)} to {_plain(target)} cannot be read (row {number}); "
                "nothing was sent: restore a backup of the journal"
            )
        read.append(Kept(number, mode, source, target, customer, instant, str(why), _instant(kept_at)))
    return tuple(read)


def _plain(account: str) -> str:
    return account.rstrip(":")
