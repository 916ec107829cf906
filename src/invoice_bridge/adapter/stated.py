"""The rows about the fields that a command states. Most rows of a provider are about fields that it leaves out.

Rules of this file: it may return a row of a field that is not stated, which the row itself decides, but never leaves
out one of a field that is. Nothing of a row is read but its path, and that once.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar

from invoice_bridge.core.natives import FrozenTree
from invoice_bridge.core.values import Frozen, FrozenDict

__all__ = ["RowsByField"]


class _Row(Protocol):
    @property
    def path(self) -> str: ...


R = TypeVar("R", bound=_Row)
_Fields = dict[str, list[tuple[int, R, str | None]]]
"""The first name of paths → the places of their rows in the table, the rows, and the second names."""
_CONTAINERS = frozenset({tuple, dict, FrozenDict, FrozenTree})
_MISSING = object()
_PLACE = itemgetter(0)
_BY_OTHER_WAYS = frozenset({"customer.id"})
"""Paths whose value is not at the path alone: `CustomerRef.ids` is another way to give it."""


class RowsByField(Generic[R]):
    """Rows of a table by the field with which their paths begin."""

    def __init__(self, rows: Iterable[R]) -> None:
        self._fields: _Fields[R] = {}
        for place, row in enumerate(rows):
            first, _, rest = row.path.partition(".")
            inner = rest.partition(".")[0].removesuffix("[]") or None
            known = self._fields.setdefault(first.removesuffix("[]"), [])
            known.append((place, row, None if row.path in _BY_OTHER_WAYS else inner))
        self._of_kind: dict[type[Any], _Fields[R]] = {}

    def _fields_of(self, kind: type[Any]) -> _Fields[R]:
        """Return the rows of the fields that a kind of command has; it may compute one, as `currency`."""
        fields = {name: rows for name, rows in self._fields.items() if name in _names_of(kind) or hasattr(kind, name)}
        self._of_kind[kind] = fields
        return fields

    def about(self, command: Any) -> list[R]:
        """Return the rows that may be about something that a command states, in the order of the table."""
        kind: Any = type(command)
        stated: dict[str, Any] = command.__dict__
        found: list[tuple[int, R]] = []
        for name, rows in (self._of_kind.get(kind) or self._fields_of(kind)).items():
            value = stated.get(name, _MISSING)
            if value is None or value is False:
                continue
            kind = type(value)
            if kind in _CONTAINERS:
                if not value:
                    continue
                parts = [item.__dict__ for item in value] if kind is tuple and isinstance(value[0], Frozen) else []
            else:
                parts = [value.__dict__] if isinstance(value, Frozen) else []
            for place, row, inner in rows:
                if inner is None or not parts:
                    found.append((place, row))
                    continue
                for part in parts:
                    value = part.get(inner, _MISSING)
                    if value is not None and value is not False and (type(value) not in _CONTAINERS or value):
                        found.append((place, row))
                        break
        found.sort(key=_PLACE)
        return [row for _, row in found]


def _names_of(kind: type[Any]) -> Iterable[str]:
    return kind.model_fields if issubclass(kind, Frozen) else ()
