"""Which leaves of a JSON object are read: what `Invoice.unmapped` and the tests of the tables ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class View(Mapping[str, Any]):
    """A JSON object that notes which of its leaves are read, by path: "lines.data[0].amount".

    The numbers at the paths `inexact` are given as the floats that they were. `leave` takes a note back.
    """

    def __init__(
        self, plain: Mapping[str, Any], read: set[str], at: str = "", *, inexact: set[str] | None = None
    ) -> None:
        self.plain = plain
        self._read, self._at, self._inexact = read, at, inexact or set()

    def _path(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name

    def __getitem__(self, name: str) -> Any:
        return self._look(self.plain[name], self._path(name))

    def __contains__(self, name: object) -> bool:
        return name in self.plain

    def _look(self, value: Any, at: str) -> Any:
        if isinstance(value, Mapping):
            return View(value, self._read, at, inexact=self._inexact)
        if isinstance(value, list | tuple):
            return [self._look(item, f"{at}[{place}]") for place, item in enumerate(value)]
        self._read.add(at)
        return float(value) if at in self._inexact else value

    def leave(self, name: str) -> None:
        """Take back that a value, or anything inside it, was read."""
        at = self._path(name)
        self._read.difference_update(
            {path for path in self._read if path == at or path.startswith((f"{at}.", f"{at}["))}
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)
