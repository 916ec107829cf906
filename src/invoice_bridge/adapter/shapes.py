"""Where a provider's JSON has each field: a Shape is a table, compiled once to a plain function.

Rules of this file: the function takes the value of the documented type by itself; whatever is otherwise goes to the
method of Reader that the table names, which notes it. So both give the same, and a Shape only does it faster. Values
are made without validating them a second time; a test holds each one equal to its own `model_validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from invoice_bridge.adapter.declared import Units
from invoice_bridge.adapter.reading import Notes, Reader, View, email_of
from invoice_bridge.adapter.trusted import maker, period_of
from invoice_bridge.core.model import Frozen, FrozenDict
from invoice_bridge.core.money import all_codes, exponent, trusted

__all__ = ["Shape"]

M = TypeVar("M", bound=Frozen)

_LAST_SECOND = 253_402_300_800
"""The unix time at which the year 10000 begins."""
_PLAIN_DIGITS = 10**15
"""Whole numbers below this are money in any unit, whatever they are multiplied by."""


# ── the rows of a table ──────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Leaf:
    """How one value is read: the method of Reader for it, and the paths at which it may stand, the first that is there.

    A path is made of names and dots; "customer?.email" reads `email` of a customer that may stand as its id alone.
    """

    kind: str
    paths: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def text(*paths: str) -> Leaf:
    """A text; None where it is absent or empty."""
    return Leaf("text", paths)


def required(path: str) -> Leaf:
    """A text without which there is no invoice: MalformedResponse where it is missing."""
    return Leaf("required_text", (path,))


def email(*paths: str) -> Leaf:
    """An e-mail address; a text that is too short to be one is noted."""
    return Leaf("email", paths)


def flag(path: str) -> Leaf:
    """A boolean."""
    return Leaf("flag", (path,))


def integer(path: str) -> Leaf:
    """A whole number."""
    return Leaf("integer", (path,))


def number(*paths: str) -> Leaf:
    """An exact decimal: a number, or one that is written as text."""
    return Leaf("decimal", paths)


def unix(*paths: str) -> Leaf:
    """An instant in seconds since 1970; 0 is absent."""
    return Leaf("unix", paths)


def instant(*paths: str) -> Leaf:
    """An instant as RFC 3339, with its zone."""
    return Leaf("instant", paths)


def day(path: str, *, ends: bool = False) -> Leaf:
    """A date without a time: its first second in UTC, or its last one where it `ends` something, as a due date does."""
    return Leaf("day", (path,), {"ends": ends})


def identity(path: str) -> Leaf:
    """An id: alone, or that of the whole object in its place."""
    return Leaf("identity", (path,))


def strings(path: str) -> Leaf:
    """An object of texts, such as metadata."""
    return Leaf("strings", (path,))


def currency(path: str, *, unless: str | None = None) -> Leaf:
    """The currency of all amounts of the object, in any case; where the flag `unless` is on it may be absent."""
    return Leaf("currency", (path,), {"unless": unless})


def money(path: str) -> Leaf:
    """An amount in the provider's integer units, in the currency of the object."""
    return Leaf("money", (path,))


def span(start: Leaf, end: Leaf) -> Leaf:
    """A period from two instants; None where one is absent or where they do not span any time."""
    return Leaf("period", (*start.paths, *end.paths), {"start": start, "end": end})


def rows(path: str, shape: Shape[Any]) -> Leaf:
    """The objects of a list, each of a shape. What is no object, or has no amount, is left out and noted.

    Where the model has a field `<name>_complete`, it is whether there is a list of which nothing was left out.
    """
    return Leaf("rows", (path,), {"shape": shape})


def computed(read: Callable[[Reader, str | None], Any], *paths: str) -> Leaf:
    """A value that a function of the object's Reader and its currency finds at these paths."""
    return Leaf("computed", paths, {"read": read})


Derive = Callable[[dict[str, Any], Reader, Mapping[str, Any]], None]


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Shape(Generic[M]):
    """A model, and where each of its fields is read.

    `derive(values, reader, given)` changes what was read, by name, before the value is made; what it takes out
    (`values.pop`) may have names that are no fields. `given` is what the caller of `whole` gave: a list in place of
    the one that the object has, by the name of its field, and whatever else only the adapter knows. `needs` names an
    amount without which there is no value, but None and a note. `also` lists the paths that `derive` reads itself.
    `kinds` are the values of a field `object` that this may be.
    """

    def __init__(
        self,
        model: type[M],
        derive: Derive | None = None,
        *,
        units: Units | None = None,
        needs: str | None = None,
        kinds: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
        **fields: Leaf,
    ) -> None:
        self.model, self.derive, self.units, self.needs, self.kinds = model, derive, units, needs, kinds
        self.fields, self._also = fields, also
        self._read: Callable[..., M | None] | None = None

    @property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """Each field of the table, and the paths at which it is read, those inside lists with []; "" for the rest."""
        found = {name: tuple(_listed(leaf)) for name, leaf in self.fields.items()}
        return found | {"": self._also} if self._also else found

    def every_path(self) -> frozenset[str]:
        """All paths that are read."""
        return frozenset(path for paths in self.paths.values() for path in paths)

    @property
    def read(self) -> Callable[..., M | None]:
        """The function of a Reader, the currency, its factor and what the caller of whole gave; compiled once."""
        if self._read is None:
            self._read = _compiled(self)
        return self._read

    def whole(self, data: Mapping[str, Any], provider: str, **given: Any) -> M:
        """Read a whole object; what cannot be read of it becomes `problems`, and the object itself `raw`.

        A `given` None is none. Raises MalformedResponse without an id, and for an object of another kind.
        """
        reader = Reader(data, provider, notes=Notes())
        if self.kinds and reader.data.get("object") not in self.kinds:
            reader.expect(*self.kinds)
        made = self.read(reader, None, None, {name: value for name, value in given.items() if value is not None})
        assert made is not None, "only a row of a list may be left out"  # noqa: S101 - `needs` belongs to rows
        return made


def _listed(leaf: Leaf) -> Iterable[str]:
    if leaf.kind != "rows":
        yield from (path.replace("?", "") for path in leaf.paths)
        return
    for paths in leaf.options["shape"].paths.values():
        yield from (f"{leaf.paths[0]}[].{path}" for path in paths)


# ── from the table to a function ─────────────────────────────────────────────────────────────────────────────────────
def _compiled(shape: Shape[Any]) -> Callable[..., Any]:
    """Write the function that a table means and compile it, as dataclasses do with `__init__`."""
    code = _Code(shape)
    scope: dict[str, Any] = {}
    exec("\n".join(code.lines), code.names, scope)  # noqa: S102 - of names in tables alone, never of a provider's text
    read: Callable[..., Any] = scope["read"]
    return read


class _Code:
    """The lines of the function, and the names that they use."""

    def __init__(self, shape: Shape[Any]) -> None:
        self.lines = ["def read(r, currency=None, factor=None, given=NONE):", "    get = r.data.get"]
        self.names: dict[str, Any] = _NAMES | {
            "FACTORS": _factors(shape.units),
            "UNITS": shape.units,
            "derive": shape.derive,
            "make": maker(shape.model),
        }
        self._getters: dict[str, str] = {"": "get"}
        self._shape = shape
        fields = dict(shape.fields)
        if shape.needs is not None:
            leaf = fields.pop(shape.needs)
            self._read(shape.needs, leaf)
            last = leaf.paths[0].rpartition(".")[2]
            self._add(f"if v_{shape.needs} is None:\n        r.left_out({last!r})\n        return None")
        for name, leaf in fields.items():
            self._read(name, leaf)
        self._finish(list(shape.fields))

    def _add(self, line: str, indent: int = 1) -> None:
        self.lines.append("    " * indent + line)

    def _finish(self, names: list[str]) -> None:
        shape, model_fields = self._shape, self._shape.model.model_fields
        names += [f"{name}_complete" for name in names if f"{name}_complete" in model_fields]
        self._add("values = {" + ", ".join(f"{name!r}: v_{name}" for name in names) + "}")
        if shape.derive is not None:
            self._add("derive(values, r, given)")
        for name, leaf in shape.fields.items():
            if leaf.kind == "strings":
                self._add(f"values[{name!r}] = FrozenDict(values[{name!r}])")
        if "raw" in model_fields:
            self._add("values['provider'] = r.provider")
            self._add("values['problems'] = r.problems")
            self._add("values['raw'] = r.data.plain if type(r.data) is View else r.data")
        self._add("return make(values)")

    def _getter(self, prefix: str) -> str:
        """The name of the `get` of a nested object, which is looked up once."""
        if prefix not in self._getters:
            outer, _, name = prefix.rpartition(".")
            get, bare = self._getter(outer), name.rstrip("?")
            nested = "expanded" if name.endswith("?") else "child"
            made = f"get{len(self._getters)}"
            self._add(f"v = {get}({bare!r})")
            slow = f"{_reader(outer)}.{nested}({bare!r}).data.get"
            self._add(f"{made} = v.get if type(v) is dict else NOTHING if v is None else {slow}")
            self._getters[prefix] = made
        return self._getters[prefix]

    def _read(self, name: str, leaf: Leaf) -> None:
        target = f"v_{name}"
        if leaf.kind == "computed":
            self.names[f"f_{name}"] = leaf.options["read"]
            self._add(f"{target} = f_{name}(r, currency)")
            return
        if leaf.kind == "period":
            self._read(f"{name}_0", leaf.options["start"])
            self._read(f"{name}_1", leaf.options["end"])
            self._add(f"{target} = period_of({target}_0, {target}_1)")
            return
        for path in leaf.paths:
            self._getter(path.rpartition(".")[0])
        for place, path in enumerate(leaf.paths):
            prefix, _, last = path.rpartition(".")
            if place and leaf.kind == "decimal":
                self._add("if first is None:")
            elif place:
                self._add(f"if {target} is None:")
            indent = 2 if place else 1
            first = "first = v = " if leaf.kind == "decimal" and not place and len(leaf.paths) > 1 else "v = "
            self._add(f"{first}{self._getters[prefix]}({last!r})", indent)
            for line in getattr(self, f"_{leaf.kind}")(name, leaf, _reader(prefix), last):
                self._add(line, indent)

    def _text(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = "v is None or type(v) is str and v and v.isascii()"
        return [f"v_{name} = v if {plain} else {reader}.text({last!r})"]

    def _required_text(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = "type(v) is str and v and v.isascii()"
        return [f"v_{name} = v if {plain} else {reader}.required_text({last!r})"]

    def _identity(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = "v is None or type(v) is str and v and v.isascii()"
        return [f"v_{name} = v if {plain} else {reader}.identity({last!r})"]

    def _email(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = "v is None or type(v) is str and len(v) > 2 and v.isascii()"
        return [f"v_{name} = v if {plain} else email_of({reader}, {last!r})"]

    def _flag(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"v_{name} = v if v is None or v is True or v is False else {reader}.flag({last!r})"]

    def _integer(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"v_{name} = v if v is None or type(v) is int else {reader}.integer({last!r})"]

    def _decimal(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [
            f"if type(v) is int and {-_PLAIN_DIGITS} < v < {_PLAIN_DIGITS}: v_{name} = Decimal(v)",
            f"elif type(v) is str and len(v) < 18 and v.isascii() and v.isdigit(): v_{name} = Decimal(v)",
            f"else: v_{name} = None if v is None else {reader}.decimal({last!r})",
        ]

    def _unix(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = f"type(v) is int and 0 < v < {_LAST_SECOND}"
        slow = f"None if v is None else {reader}.unix({last!r})"
        return [f"v_{name} = at_second(v, UTC) if {plain} else {slow}"]

    def _instant(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"v_{name} = None if v is None else {reader}.instant({last!r})"]

    def _day(self, name: str, leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"v_{name} = None if v is None else {reader}.day({last!r}, ends={leaf.options['ends']})"]

    def _strings(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [
            f"v_{name} = plain_strings(v)",
            f"if v_{name} is None: v_{name} = {reader}.strings({last!r})",
        ]

    def _currency(self, name: str, leaf: Leaf, reader: str, last: str) -> list[str]:
        unless = leaf.options["unless"]
        needed = "True" if unless is None else f"not v_{unless}"
        return [
            "currency = CODES.get(v) if type(v) is str else None",
            f"if currency is None: currency = {reader}.currency({last!r}, needed={needed})",
            f"v_{name} = currency",
            "factor = FACTORS.get(currency)",
        ]

    def _money(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = f"{-_PLAIN_DIGITS} < v < {_PLAIN_DIGITS}"
        return [
            f"if v is None: v_{name} = None",
            f"elif factor is not None and type(v) is int and {plain}: v_{name} = money(v * factor, currency)",
            f"else: v_{name} = {reader}.money({last!r}, UNITS, currency)",
        ]

    def _rows(self, name: str, leaf: Leaf, reader: str, last: str) -> list[str]:
        self.names[f"row_{name}"] = leaf.options["shape"].read
        path = leaf.paths[0].replace("?", "")
        slow = f"{reader}.children({last!r})"
        return [
            f"v = given.get({name!r}, v)",
            f"if type(v) is not list and v is not None: {slow}",
            f"v_{name}, v_{name}_complete = read_rows(r, v, {path!r}, row_{name}, currency, factor)",
        ]


def _reader(prefix: str) -> str:
    """The expression of the Reader of a nested object: only what is not as documented needs one."""
    steps = prefix.split(".") if prefix else []
    return "r" + "".join(f".{'expanded' if name.endswith('?') else 'child'}({name.rstrip('?')!r})" for name in steps)


def _read_rows(  # noqa: PLR0917 - called from the compiled function alone
    reader: Reader, items: Any, path: str, read: Callable[..., Any], currency: str | None, factor: int | None
) -> tuple[tuple[Any, ...], bool]:
    """The values of a list's objects, and whether there is a list of which none was left out."""
    if type(items) is not list and not isinstance(items, list | tuple):
        return (), False
    found, whole = [], True
    for place, item in enumerate(items):
        if type(item) is dict or isinstance(item, Mapping):
            value = read(reader.row(path, place, item), currency, factor)
            if value is not None:
                found.append(value)
                continue
        else:
            reader.note(f"{path}[{place}]", "is no object")
        whole = False
    return tuple(found), whole


def _plain_strings(value: Any) -> dict[str, str] | None:
    """The texts of an object that has nothing else; None where it takes a Reader to say what it has."""
    if value is None:
        return {}
    if type(value) is not dict:
        return None
    for name, inner in value.items():
        if type(inner) is not str or not inner.isascii() or not name.isascii():
            return None
    return dict(value)


def _factors(units: Units | None) -> dict[str | None, int | None]:
    """By what each currency's number is multiplied to be minor units; None where that is no whole number."""
    if units is None:
        return {}
    more = {code: exponent(code) - digits for code, digits in {**units.read_only, **units.decimals}.items()}
    return {code: 10**power if power >= 0 else None for code, power in more.items()}


_NAMES: dict[str, Any] = {
    "CODES": {written: code for code in all_codes() for written in (code, code.lower())},
    "Decimal": Decimal,
    "FrozenDict": FrozenDict,
    "NONE": {},
    "NOTHING": {}.get,
    "UTC": UTC,
    "View": View,
    "at_second": datetime.fromtimestamp,
    "email_of": email_of,
    "money": trusted,
    "period_of": period_of,
    "plain_strings": _plain_strings,
    "read_rows": _read_rows,
}
"""What every compiled function may name."""
