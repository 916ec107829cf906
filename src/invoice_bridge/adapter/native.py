"""Native parameters: parameters of one provider, as its table declares them, and their place in a request.

Rules of this file: pure, and no provider's name. A parameter that the table does not have is an error that names the
nearest; one that a bill could not carry is refused before anything is sent, never left out. They never overwrite a
field that a row of `FIELDS` writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.rows import Setup
from invoice_bridge.core.bills import total_with_tax
from invoice_bridge.core.commands import Bill, Command, ListInvoices, OnInvoice, Retrieve
from invoice_bridge.core.errors import ConfigurationError, Unsupported
from invoice_bridge.core.wire import Effect

__all__ = ["NO_NATIVES", "Native", "NativeTable", "RefusedNative"]

BILLS = ("one_time_charge", "period_invoice")


def _always(_command: Any, _context: Setup) -> bool:
    return True


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, eq=False)
class Native:
    """One parameter: `path` in the body of the request `step`, "charges[].hsn_code" in each of a list.

    `money`: it changes what is billed, so that a bill needs `expect_total`. `effects` join those of the request.
    `when` decides whether a command can carry it, `unless` states what to do if not. `replaces` lists the fields
    beside it that it replaces: constants, and fields that it states more exactly. `check(value, command, place)`
    raises
    ValueError for a value that contradicts the command. `requires` lists what must be stated beside it. `per_line`: its
    list has an entry for each line of the bill, in order. `schedules`: the invoice stays a draft until later. `doubt`
    states what is unconfirmed.
    """

    path: str
    step: str
    kind: Kind
    source: str
    money: bool = False
    effects: frozenset[Effect] = frozenset()
    verbs: tuple[str, ...] = BILLS
    when: Callable[[Any, Setup], bool] = _always
    unless: str = "leave it out"
    replaces: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    per_line: bool = False
    schedules: bool = False
    check: Callable[[Any, Any, int], None] | None = None
    doubt: str = ""

    @property
    def name(self) -> str:
        """Return the parameter of the request that contains it, or that it is."""
        return re.split(r"[.\[]", self.path)[0]


@dataclass(frozen=True, slots=True)
class RefusedNative:
    """A parameter of the provider that is never sent, the reason, and what to use instead."""

    path: str
    why: str
    source: str
    verbs: tuple[str, ...] = BILLS


def compares_always(_command: Bill, _context: Setup) -> bool:
    """Return whether a bill is compared before it is collected: always."""
    return True


def count_billed(command: Any, _context: Setup) -> int:
    """Return how many lines a bill is sent with: its own, and those of its discounts."""
    return len(getattr(command, "billed_lines", ()))


@dataclass(frozen=True, slots=True)
class NativeTable:
    """The native parameters of a provider.

    `compares` decides whether a bill's total can be compared before it is collected. `mails` states whether the
    request that makes a bill with Collection.send also mails it. `count_lines` returns the number of lines in the
    request: a list of parameters `per_line` has an entry for each.
    """

    rows: tuple[Native, ...] = ()
    refused: tuple[RefusedNative, ...] = ()
    compares: Callable[[Bill, Setup], bool] = compares_always
    count_lines: Callable[[Any, Setup], int] = count_billed
    mails: bool = False

    def of(self, verb: str) -> tuple[Native, ...]:
        """Return the rows of a verb."""
        return tuple(row for row in self.rows if verb in row.verbs)


NO_NATIVES = NativeTable()


def in_currency(value: Any, command: Any, _place: int) -> None:
    """Check that an amount is in the bill's currency."""
    stated = value["currency"] if isinstance(value, Mapping) else value.currency
    if stated != command.currency:
        raise ValueError(f"it is in {stated}, the bill in {command.currency}")


# ── natives of a command ────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Given:
    """The native parameters of a command for one provider, by step as they are sent, with their rows."""

    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rows: tuple[Native, ...] = ()
    unchecked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes_money(self) -> bool:
        """Return whether a parameter changes what is billed, or may."""
        return bool(self.unchecked) or any(row.money for row in self.rows)

    @property
    def schedules(self) -> bool:
        """Return whether the invoice stays a draft until the provider issues it."""
        return any(row.schedules for row in self.rows)


NOTHING_GIVEN = Given()


def _stated(command: Any, name: str, provider: str) -> Mapping[str, Any]:
    stated: Mapping[str, Any] = getattr(command, name, {}).get(provider, {})
    return stated


def read_natives(table: NativeTable, command: Command | None, context: Setup) -> Given:
    """Read and check what a command states for this provider.

    Raises ConfigurationError for a parameter that the table does not have, with the nearest, and for a value of another
    kind; Unsupported for one that this command cannot carry.
    """
    provider = context.provider.name
    fields = {} if command is None else command.__dict__
    if not (fields.get("native") or fields.get("native_unchecked")):
        return NOTHING_GIVEN
    assert isinstance(command, Bill | OnInvoice | ListInvoices)  # noqa: S101 - no other command has them
    check_names(command, provider, tuple)
    stated, unchecked = (_stated(command, name, provider) for name in ("native", "native_unchecked"))
    if isinstance(command, Retrieve) and (stated or unchecked):
        raise Unsupported(f"{provider}: retrieve takes no native parameters", remedy="leave them out")
    reading = _Reading(table, command, context)
    steps: dict[str, dict[str, Any]] = {}
    _check_spelling(stated, f"native.{provider}", _PATH)
    _check_spelling(unchecked, f"native_unchecked.{provider}", _UNSPELLABLE)
    for name, value in stated.items():
        before = len(reading.used)
        sent = reading.read(value, name, f"native.{provider}.{name}", ())
        if len(reading.used) == before:
            raise ConfigurationError(f"native.{provider}.{name} is empty: give it a value, or leave it out")
        steps.setdefault(reading.used[before].step, {})[name] = sent
    _check_unchecked(table, unchecked, command, f"native_unchecked.{provider}")
    return Given(steps, tuple(dict.fromkeys(reading.used)), unchecked)


_PATH = re.compile(r"[.\[\]]")
_UNSPELLABLE = re.compile(r"[^A-Za-z0-9_-]")


def _check_spelling(value: Any, place: str, wrong: re.Pattern[str]) -> None:
    """Refuse a name that is a path: a form would write it like a field of the bill, and JSON has no such field."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if wrong.search(name):
                raise ConfigurationError(
                    f"{place}: {name!r} is not the name of one parameter; write what is inside another as a mapping or "
                    "a list in it"
                )
            _check_spelling(inner, f"{place}.{name}", wrong)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            _check_spelling(inner, f"{place}[{at}]", wrong)


def _check_unchecked(table: NativeTable, unchecked: Mapping[str, Any], command: Command, place: str) -> None:
    """Refuse parameters of the table, and values that no request can carry unchanged."""
    known = {row.path for row in table.of(command.verb)}
    refused = {row.path: row.why for row in table.refused if command.verb in row.verbs or row.verbs == BILLS}
    for shape, value in shapes_of(unchecked):
        above = [shape[: mark.start()] for mark in re.finditer(r"[.\[]|$", shape)]
        if why := next((refused[path] for path in above if path in refused), None):
            raise Unsupported(f"{place}.{shape} is not sent: {why}")
        if known.intersection(above):
            raise ConfigurationError(f"{place}.{shape}: the table has it; write it in native, where it is checked")
        if not isinstance(value, str | int | Decimal):
            raise ConfigurationError(f"{place}.{shape} is to be text, a number, True or False: it is sent as it is")


def shapes_of(value: Any, shape: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf of what a caller states: its path without indexes, and its value; an empty list is a leaf too."""
    if shape and isinstance(value, Mapping | list | tuple) and not value:
        yield shape, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from shapes_of(inner, f"{shape}.{name}" if shape else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from shapes_of(inner, f"{shape}[]")
    else:
        yield shape, value


class _Reading:
    """Reads the values of one command by the rows of a table; `used` are the rows, in order."""

    def __init__(self, table: NativeTable, command: Bill | OnInvoice | ListInvoices, context: Setup) -> None:
        self.table, self.command, self.context = table, command, context
        self.rows = table.of(command.verb)
        self.used: list[Native] = []

    def read(self, value: Any, shape: str, place: str, indexes: tuple[int, ...]) -> Any:
        """Return what is sent for a value; `shape` is its path in a row, `place` where the caller wrote it."""
        rows = [row for row in self.rows if row.path == shape]
        if rows:
            return self._leaf(rows, value, place, indexes)
        if any(row.path.startswith(f"{shape}.") for row in self.rows) and isinstance(value, Mapping):
            return self._object(value, shape, place, indexes)
        inside = [row for row in self.rows if row.path.startswith(f"{shape}[].")]
        if inside and isinstance(value, list | tuple):
            lines = self.table.count_lines(self.command, self.context)
            if (
                inside[0].per_line
                and len(value) != lines
                and any(row.when(self.command, self.context) for row in inside)
            ):
                raise Unsupported(
                    f"{place} is to have an entry for each of the bill's {lines} lines, and has {len(value)}",
                    source=inside[0].source,
                    remedy="give one mapping for each line, in their order; {} where a line has none",
                )
            return [self._item(one, f"{shape}[]", f"{place}[{at}]", at) for at, one in enumerate(value)]
        if any(row.path.startswith((f"{shape}.", f"{shape}[].")) for row in self.rows):
            raise ConfigurationError(f"{place} is to have its parts: {', '.join(self._parts(shape))}")
        raise self._unknown(shape, place)

    def _item(self, value: Any, shape: str, place: str, at: int) -> Any:
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{place} is to be a mapping of {', '.join(self._parts(shape))}")
        return self._object(value, shape, place, (at,))

    def _object(self, value: Mapping[str, Any], shape: str, place: str, indexes: tuple[int, ...]) -> dict[str, Any]:
        sent = {name: self.read(one, f"{shape}.{name}", f"{place}.{name}", indexes) for name, one in value.items()}
        for row in self.rows:
            parent, _, name = row.path.rpartition(".")
            lacking = [path for path in row.requires if path.rpartition(".")[2] not in value]
            if parent == shape and name in value and lacking:
                raise ConfigurationError(f"{place}.{name} needs {', '.join(lacking)} beside it; nothing was sent")
        return sent

    def _parts(self, shape: str) -> list[str]:
        return sorted({row.path for row in self.rows if row.path.startswith(shape)})

    def _leaf(self, rows: list[Native], value: Any, place: str, indexes: tuple[int, ...]) -> Any:
        row = next((row for row in rows if row.when(self.command, self.context)), None)
        title = self.context.provider.name
        if row is None:
            raise Unsupported(
                f"{place}: {title} does not take it in the request of this {self.command.verb}",
                source=rows[0].source,
                remedy=rows[0].unless,
            )
        try:
            sent = row.kind.read(value)
            if row.check is not None:
                row.check(value, self.command, indexes[-1] if indexes else 0)
        except ValueError as error:
            raise ConfigurationError(f"{place}: {error}; nothing was sent") from None
        self.used.append(row)
        return sent

    def _unknown(self, shape: str, place: str) -> ConfigurationError | Unsupported:
        verb, title = self.command.verb, self.context.provider.name
        for refused in self.table.refused:
            if refused.path == shape and verb in refused.verbs:
                return Unsupported(f"{place} is not sent: {refused.why}", source=refused.source)
        nearest = _nearest(shape, [row.path for row in self.rows])
        return ConfigurationError(
            f"{place}: {title} has no such native parameter of {verb}; {nearest}; "
            "what is newer than the table goes into native_unchecked"
        )


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    known = sorted(set(known))
    near = get_close_matches(name, known, 3)
    if near:
        return f"the nearest are {', '.join(map(repr, near))}"
    return f"it takes {', '.join(known)}" if known else "it takes none"


def check_names(command: Command, here: str, names: Callable[[], Iterable[str]]) -> None:
    """Raise ConfigurationError for a name that is almost a provider's: its parameters would be left out.

    `here` is this provider, `names` gives all; it is called only where a command names another one.
    """
    stated = command.__dict__
    fields = [name for name in ("native", "native_unchecked") if stated.get(name)]
    if all(set(getattr(command, name)) <= {here} for name in fields):
        return
    from difflib import get_close_matches

    known = {here, *names()}
    for name in fields:
        for provider in getattr(command, name):
            near = [] if provider in known else get_close_matches(provider.casefold(), known, 1, 0.75)
            if near:
                raise ConfigurationError(f"{name} names the provider {provider!r}: did you mean {near[0]!r}?")


def check_natives(table: NativeTable, given: Given, command: Command, context: Setup) -> None:
    """Check that a bill's total can be compared if natives change it. Raises Unsupported before sending."""
    if not isinstance(command, Bill):
        return
    if command.expect_total is None and not given.rows and not given.unchecked:
        return  # most bills
    title, total = context.provider.name, total_with_tax(cast("Any", command))
    money = [row for row in given.rows if row.money]
    if money and command.expect_total is None:
        raise Unsupported(
            f"{title}: {', '.join(row.path for row in money)} changes what is billed, and the bill does not state what "
            "it is to come to",
            source=money[0].source,
            remedy="give expect_total=Money…, what the invoice totals with them, taxes included",
        )
    kind = command.collection.kind
    goes_out = not command.draft and (kind == "charge" or (kind == "send" and table.mails))
    if given.changes_money and goes_out and not table.compares(command, context):
        names = [row.path for row in money] + list(given.unchecked)
        remedy = "Collection.manual() or draft=True, compare it, and pay it then"
        raise Unsupported(
            f"{title} {'collects' if kind == 'charge' else 'mails'} this bill before what {', '.join(names)} makes of "
            "it can be compared",
            source=money[0].source if money else "",
            remedy=f"make it with {'draft=True, compare it, and issue it then' if table.mails else remedy}",
        )
    if command.expect_total is None or given.changes_money or command.tax == "provider" or total is None:
        return
    if command.expect_total != total:
        raise Unsupported(
            f"the bill expects a total of {command.expect_total}, its lines come to {total}, and no native parameter "
            f"of {title} changes that",
            remedy=f"give the parameters for {title} too, or leave expect_total out",
        )
