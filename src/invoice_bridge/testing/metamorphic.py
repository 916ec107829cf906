"""The tables cannot lie: change one leaf of a command, and see whether exactly what its row says changes.

Rules of this file: pure. A leaf is a path that a row of `FIELDS` speaks of; the amounts of a command are one leaf each
(their currency is the leaf "currency"). Idempotency keys and the reference in them are left out of the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from urllib.parse import urlsplit

from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.commands import NewInvoice
from invoice_bridge.core.losses import Alters
from invoice_bridge.explain import origin, request_leaves
from invoice_bridge.testing.planned import planned

_TIED = {
    "lines[].quantity": ("lines[].unit_amount",),
    "lines[].unit_amount": ("lines[].quantity",),
    "collection.kind": ("collection.due", "collection.net_days", "collection.payment_method"),
}
"""The leaves that must move where a leaf moves: their fields may change with it."""


def row_of(rows: tuple[Field, ...], command: NewInvoice, leaf: str, context: Context) -> Field | None:
    """Return the row that speaks of a leaf of this command: the first whose verbs and condition hold."""
    return next(
        (row for row in rows if row.path == leaf and command.verb in row.verbs and row.when(command, context)), None
    )


@dataclass(frozen=True)
class Seen:
    """What a plan does, as far as a row can speak of it."""

    branch: tuple[Any, ...]
    """Methods, paths, effects and notes in order, and the kind of refusal."""
    fields: tuple[frozenset[tuple[str, str, str]], ...]
    """Each request's body and query, leaf by leaf: (name, shape, value)."""


_LATEST: list[tuple[NewInvoice, Context, tuple[Field, ...], Seen]] = []
"""The last plans: a command is compared with many others in turn, and in both directions."""


def seen(command: NewInvoice, context: Context) -> Seen:
    """Explain a command and keep what is to be compared."""
    rows = context.provider.rows_of(command)
    for known, where, fields, latest in _LATEST:
        if known is command and where is context and fields is rows:
            return latest
    _LATEST.insert(0, (command, context, rows, _seen(command, context)))
    del _LATEST[4:]
    return _LATEST[0][3]


def _seen(command: NewInvoice, context: Context) -> Seen:
    found = planned(command, context, lookup="never")  # rows speak of the bill; whether it is looked up first is ours
    steps = tuple((request.method, urlsplit(request.url).path, request.effects) for request in found.requests)
    refused = type(found.refusal).__name__ if found.refusal is not None else None
    bodies = tuple(
        frozenset(
            [(name, shape, str(value)) for name, shape, value in request_leaves(request)]
            + [("query", "query", urlsplit(request.url).query)]
        )
        for request in found.requests
    )
    return Seen((steps, refused), bodies)


def contradiction(before: NewInvoice, after: NewInvoice, leaf: str, context: Context) -> str | None:
    """Say what the plans of two commands that differ in one leaf alone contradict in its row; None where nothing."""
    rows = context.provider.rows_of(before)
    row = row_of(rows, after, leaf, context)
    if row is None:
        return f"no row of {context.provider.name} speaks of {leaf} in a {after.verb}"
    other = row_of(rows, before, leaf, context)
    one, two = seen(before, context), seen(after, context)
    if one == two and one.branch[1] is not None:
        return None  # both are refused alike: nothing is sent of which a row could speak
    if other is not row:  # neither row speaks of the step between them, but where both say "nothing" it is nothing
        silent = other is not None and other.alters is row.alters is Alters.NOTHING and two.branch[1] is None
        return (
            f"{leaf} is to change nothing, and changed {sorted(_changed(one, two))}" if silent and one != two else None
        )
    if row.alters is Alters.BRANCH:
        return (
            None
            if one.branch != two.branch or one.fields != two.fields
            else f"{leaf} is to change the branch: nothing changed"
        )
    if one.branch != two.branch:
        return f"{leaf} is to change {row.alters}, and the requests changed: {one.branch} became {two.branch}"
    changed = _changed(one, two)
    if row.alters is Alters.NOTHING:
        return f"{leaf} is to change nothing, and changed {sorted(changed)}" if changed else None
    if not changed:
        return f"{leaf} is to change the body, and nothing changed"
    moved = {leaf, *_TIED.get(leaf, ())}
    strange = {shape for shape in changed if shape != "query" and not moved & origins(rows, shape)}
    return f"{leaf} changed {sorted(strange)}, which its row's native field does not name" if strange else None


def _changed(one: Seen, two: Seen) -> set[str]:
    """Return the shapes of the fields that differ between plans."""
    none: frozenset[tuple[str, str, str]] = frozenset()
    return {shape for a, b in zip_longest(one.fields, two.fields, fillvalue=none) for _, shape, _ in a ^ b}


def alteration(before: NewInvoice, after: NewInvoice, context: Context) -> Alters:
    """Tell what really differs between the plans of two commands: the requests, their content alone, or nothing."""
    one, two = seen(before, context), seen(after, context)
    if one.branch != two.branch:
        return Alters.BRANCH
    return Alters.BODY if one.fields != two.fields else Alters.NOTHING


def origins(rows: tuple[Field, ...], shape: str) -> set[str]:
    """Return the paths of all rows whose native field covers a body's field."""
    return {row.path for row in rows if origin((row,), shape) is not None}
