"""What a journal needs of the database under it: the interface of both stores.

Rules of this file: a store raises ConfigurationError with the journal's name, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Transaction(Protocol):
    """The statements inside one transaction of writing."""

    def run(self, query: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        ...

    def select(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query; it fails as the writing does."""
        ...

    def insert(self, query: str, values: Sequence[Any]) -> int:
        """Insert one row; return its number."""
        ...


class Store(Protocol):
    """A database with the tables of schema.py; threads can share it. Queries have `?` for each value."""

    @property
    def close(self) -> Callable[[], Any]:
        """Closes it, once."""
        ...

    def check_in_place(self) -> None:
        """Raise ConfigurationError if the database was deleted or replaced while it was open."""
        ...

    def read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query; inside `writing`, of its transaction."""
        ...

    def write(self, query: str, values: Sequence[Any]) -> None:
        """Run one statement durably."""
        ...

    def writing(self, consequence: str, locks: Iterable[tuple[str, str]] | None) -> AbstractContextManager[Transaction]:
        """Run one transaction while no other process writes rows of these books and references.

        None locks all of them. `consequence` completes the error: "so the request was not sent".
        """
        ...
