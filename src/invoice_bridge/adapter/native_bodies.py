"""Add native parameters to the body of a request.

Rules of this file: those of native.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.native import Given, Native
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.wire import Effect


def merged(
    given: Given, step: str, body: Mapping[str, Any] | None, *, takes_unchecked: bool
) -> tuple[dict[str, Any], frozenset[Effect]] | None:
    """Return a request's body with the natives of its step, and the effects that they add; None where it has none."""
    stated = given.steps.get(step, {})
    unchecked = given.unchecked if takes_unchecked else {}
    if not stated and not unchecked:
        return None
    rows = {row.path: row for row in given.rows if row.step == step}
    whole: dict[str, Any] = dict(body or {})
    _join(whole, stated, rows, "")
    _join(whole, _thawed(unchecked), {}, "")
    return whole, frozenset().union(*(row.effects for row in rows.values()))


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(inner) for name, inner in value.items()}
    return [_thawed(inner) for inner in value] if isinstance(value, tuple | list) else value


def _drop(body: dict[str, Any], shape: str, replaced: Iterable[str]) -> None:
    """Remove the fields that a parameter replaces, if they are directly in the object at `shape`."""
    for path in replaced:
        parent, _, name = path.rpartition(".")
        if parent == shape:
            body.pop(name, None)


def _refuse_both(stated: Mapping[str, Any], name: str, replaced: Iterable[str], shape: str) -> None:
    """Refuse two parameters if one replaces the other, because one would be lost."""
    for path in replaced:
        parent, _, other = path.rpartition(".")
        if parent == shape and other != name and other in stated:
            raise Unsupported(
                f"the native parameter {name} takes the place of {other}, and both are stated",
                remedy="state one of them",
            )


def _join(body: dict[str, Any], stated: Mapping[str, Any], rows: Mapping[str, Native], shape: str) -> None:
    for name, value in stated.items():
        path = f"{shape}.{name}" if shape else name
        for row in rows.values():
            if row.path == path or row.path.startswith((f"{path}.", f"{path}[]")):
                _refuse_both(stated, name, row.replaces, shape)
                _drop(body, shape, row.replaces)
        present = body.get(name)
        if present is None:
            body[name] = value
        elif path not in rows and isinstance(present, Mapping) and isinstance(value, Mapping):
            body[name] = dict(present)
            _join(body[name], value, rows, path)
        elif path not in rows and isinstance(present, list | tuple) and isinstance(value, list):
            if len(present) != len(value):
                raise Unsupported(
                    f"native parameters {path} are to have an entry for each of the bill's {len(present)}, and have "
                    f"{len(value)}",
                    remedy="give one mapping for each line, in their order; {} where a line has none",
                )
            body[name] = [dict(one) for one in present]
            for inner, more in zip(body[name], value, strict=True):
                _join(inner, more, rows, f"{path}[]")
        else:
            raise Unsupported(
                f"the native parameter {path} is stated by the bill already, and nothing is overwritten",
                remedy="use the field of the bill that it comes from",
            )
