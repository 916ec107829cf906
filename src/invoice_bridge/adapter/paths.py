"""The values of a command at the path of a row: "lines[].period" is each line's, "metadata.key" each key.

Rules of this file: it knows no field by name. A path becomes a function once, and a row's is asked for every bill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["is_stated", "values_at"]


def values_at(command: Any, path: str) -> list[Any]:
    """Return the values at a path, one per place: "lines[].period" is each line's, "metadata.key" the keys."""
    return _reader(path)(command)


@lru_cache(1024)
def _reader(path: str) -> Callable[[Any], list[Any]]:
    """Return the function that reads the values at a path: most are fields, or those of each item of a list."""
    steps = _steps(path)
    (first, is_list), last = steps[0], steps[-1][0]

    def read_field(command: Any) -> list[Any]:
        value = getattr(command, first, None)
        return [] if value is None else [value]

    def read_inner(command: Any) -> list[Any]:
        outer = getattr(command, first, None)
        if outer is None or _is_mapping(_kind(outer)):
            return [] if outer is None else _read_steps(command, steps)
        value = getattr(outer, last, None)
        return [] if value is None else [value]

    def read_items(command: Any) -> list[Any]:
        items = getattr(command, first, None)
        if type(items) is not tuple or (items and _is_mapping(_kind(items[0]))):
            return _read_steps(command, steps)
        return [value for item in items if (value := getattr(item, last, None)) is not None]

    def read_deeper(command: Any) -> list[Any]:
        outer = getattr(command, first, None)
        return [] if outer is None or (type(outer) is tuple and not outer) else _read_steps(command, steps)

    depth = len(steps) + sum(listed for _, listed in steps[1:])  # a list further in is one level more
    if depth > 2 or (depth == 1 and is_list):
        return read_deeper
    return read_field if depth == 1 else read_items if is_list else read_inner


def _read_steps(command: Any, steps: tuple[tuple[str, bool], ...]) -> list[Any]:
    found = [command]
    for place, (bare, is_list) in enumerate(steps):
        kind: Any = type(found[0])
        if place and _is_mapping(kind):
            found = [word for one in found for word in (one if bare == "key" else one.values())]
        else:
            found = [value for one in found if (value := getattr(one, bare, None)) is not None]
        if is_list:  # a str is not a list: tax="none" has no rates
            found = [item for items in found if not isinstance(items, str) for item in items]
        if not found:
            break
    return found


def _kind(value: Any) -> Any:
    return type(value)


@lru_cache(256)
def _is_mapping(kind: type[Any]) -> bool:
    return issubclass(kind, Mapping)


@lru_cache(1024)
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    """Return the names of a path, each with whether it means the items of a list."""
    return tuple((name.removesuffix("[]"), name.endswith("[]")) for name in path.split("."))


def is_stated(command: Any, path: str) -> bool:
    """Return whether a command has a value at a path, other than False and an empty list or mapping."""
    for value in _reader(path)(command):  # noqa: SIM110 - a generator would take twice as long
        if value is not False and (type(value) is str or not _is_blank(value)):
            return True
    return False


def _is_blank(value: Any) -> bool:
    kind: Any = type(value)
    return _is_container(kind) and not value


@lru_cache(256)
def _is_container(kind: type[Any]) -> bool:
    return issubclass(kind, tuple | Mapping)
