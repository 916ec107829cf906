"""The lines of the plain function that a table of leaves means.

Rules of this file: the function takes the value of the documented type by itself, and what is absent costs it nothing
but the question; whatever is otherwise goes to the method of Reader that the leaf names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.declared import Units
from invoice_bridge.adapter.reading import Reader, clean_text, email_of
from invoice_bridge.adapter.recurring import NO_AMOUNTS, NUMBERS, SECONDS, WRITTEN, AmountsByCurrency
from invoice_bridge.adapter.trusted import (
    defaults_of,
    new,
    period_of,
    put_extra,
    put_names,
    put_private,
    put_values,
)
from invoice_bridge.adapter.view import View
from invoice_bridge.core.model import Frozen, FrozenDict
from invoice_bridge.core.money import all_codes

__all__ = ["Code", "Leaf"]


@dataclass(frozen=True)
class Leaf:
    """How one value is read: the method of Reader for it, and the paths at which it may stand, the first that is there.

    A path is made of names and dots; "customer?.email" reads `email` of a customer that may stand as its id alone.
    """

    kind: str
    paths: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


# ── the function ─────────────────────────────────────────────────────────────────────────────────────────────────────
class Code:
    """The lines of the function `read` that a table means, and the names that they use."""

    def __init__(
        self, model: type[Frozen], fields: Mapping[str, Leaf], *, derive: Any, units: Units | None, needs: str | None
    ) -> None:
        self.lines = ["def read(r, currency=None, amounts=NO_AMOUNTS, given=NONE):", "    get = r.data.get"]
        read = set(fields) | {f"{name}_complete" for name in fields if f"{name}_complete" in model.model_fields}
        defaults = defaults_of(model)
        # in the order of the model, in which it is printed and written; what derive takes out comes last
        blank = {name: None if name in read else value for name, value in defaults.items()}
        self._blank = blank | dict.fromkeys(name for name in fields if name not in blank)
        for name, leaf in fields.items():
            if leaf.kind in {"stated", "derived"} and name in defaults:
                self._blank[name] = defaults[name]
        for name in (name for name, leaf in fields.items() if leaf.kind == "rows"):  # what an absent list reads as
            self._blank |= {name: (), f"{name}_complete": False} if f"{name}_complete" in blank else {name: ()}
        self.names: dict[str, Any] = _NAMES | {
            "BY_CURRENCY": AmountsByCurrency({}) if units is None else units.amounts,
            "DEFAULTS": defaults,
            "MODEL": model,
            "MODEL_NAMES": set(defaults),
            "UNITS": units,
            "blank": self._blank.copy,
            "derive": derive,
        }
        self._getters: dict[str, str] = {"": "get"}
        self._fields, self._derive = fields, derive
        if needs is not None:
            leaf = fields[needs]
            self._read(needs, leaf)
            last = leaf.paths[0].rpartition(".")[2]
            self._add("if x is None:", f"    r.left_out({last!r})", "    return None")
        self._add("values = blank()")
        if needs is not None:
            self._add(f"values[{needs!r}] = x")
        for name, leaf in fields.items():
            if name != needs:
                self._field(name, leaf)
        self._finish()

    def _add(self, *lines: str) -> None:
        self.lines += [f"    {line}" for line in lines]

    def _finish(self) -> None:
        if self._derive is not None:
            self._add("derive(values, r, given)")
            # where derive took out a field it has its default; what is no field and was left in comes last
            self._add("if len(values) != len(DEFAULTS): values = {**DEFAULTS, **values}")
        for name, leaf in self._fields.items():
            if leaf.kind == "strings" and self._derive is not None:
                self._add(f"x = values[{name!r}]", f"values[{name!r}] = FrozenDict(x) if x else NO_STRINGS")
        if "raw" in self.names["DEFAULTS"]:
            self._add("values['provider'] = r.provider")
            self._add("x = r.notes", "if x is not None and x.by_path is not None: values['problems'] = x.problems")
            self._add("x = r.data", "values['raw'] = x.plain if type(x) is View else x")
        self._add("made = new(MODEL)", "put_values(made, values)", "put_names(made, MODEL_NAMES)")
        self._add("put_extra(made, None)", "put_private(made, None)", "return made")

    def _getter(self, prefix: str) -> str:
        """The name of the `get` of a nested object, which is looked up once."""
        if prefix not in self._getters:
            outer, _, name = prefix.rpartition(".")
            get, bare = self._getter(outer), name.rstrip("?")
            nested, alone = (
                ("expanded", "v is None or type(v) is str") if name.endswith("?") else ("child", "v is None")
            )
            made = f"get{len(self._getters)}"
            slow = f"{_reader(outer)}.{nested}({bare!r}).data.get"
            self._add(f"v = {get}({bare!r})", f"{made} = v.get if type(v) is dict else NOTHING if {alone} else {slow}")
            self._getters[prefix] = made
        return self._getters[prefix]

    def _field(self, name: str, leaf: Leaf) -> None:
        """Read a leaf into `values`, where all that is read is None until then."""
        if leaf.kind == "derived":
            return
        if leaf.kind == "stated":
            is_read = " or ".join(f"values[{other!r}] is not None" for other in leaf.options["fields"])
            self._add(f"if {is_read}: values[{name!r}] = {leaf.options['word']!r}")
            return
        if leaf.kind == "rows":
            for place, path in enumerate(leaf.paths):
                prefix, _, last = path.rpartition(".")
                self._add(f"v = {self._getter(prefix)}({last!r})")
                self._add(*self._rows(name, leaf, path, _reader(prefix), last, is_first=not place))
        elif leaf.kind in {"required_text", "strings", "currency"}:
            prefix, _, last = leaf.paths[0].rpartition(".")
            self._add(f"v = {self._getter(prefix)}({last!r})")
            self._add(*getattr(self, f"_{leaf.kind}")(name, leaf, _reader(prefix), last))
        elif leaf.kind == "computed" and leaf.options["any_of"] == ():
            self._read(name, leaf)
            self._add(f"values[{name!r}] = x")
        elif len(leaf.paths) == 1 and leaf.kind != "computed":
            self._getter(leaf.paths[0].rpartition(".")[0])
            self._add(*self._first_of(leaf, leaf.paths), f"    values[{name!r}] = x")
        else:
            self._read(name, leaf)
            self._add(f"if x is not None: values[{name!r}] = x")

    def _read(self, name: str, leaf: Leaf) -> None:
        """Read a leaf into x."""
        if leaf.kind == "computed":
            self.names[f"f_{name}"] = leaf.options["read"]
            stated = [f"get({one!r}) is not None" for one in leaf.options["any_of"]]
            self._add(f"x = f_{name}(r, currency)" + (f" if {' or '.join(stated)} else None" if stated else ""))
            return
        if leaf.kind == "period":
            self._read(name, leaf.options["start"])
            self._add("start = x")
            self._read(name, leaf.options["end"])
            self._add("x = period_of(start, x)")
            return
        for place, path in enumerate(leaf.paths):
            prefix = path.rpartition(".")[0]
            if not place or not prefix.endswith("?"):
                self._getter(prefix)
        self._add("x = None", *self._first_of(leaf, leaf.paths))

    def _first_of(self, leaf: Leaf, paths: tuple[str, ...]) -> list[str]:
        """The lines that read the first path at which there is a value, or a number of any kind."""
        prefix, _, last = paths[0].rpartition(".")
        lines = self._value(prefix, last)
        if len(paths) == 1 or leaf.kind != "decimal":
            lines.append("if v is not None:")
        else:
            more = [f"    {line}" for line in self._first_of(leaf, paths[1:])]
            lines += ["if v is None:", *more, "else:"]
        lines += [f"    {line}" for line in getattr(self, f"_{leaf.kind}")(leaf, _reader(prefix), last)]
        if len(paths) > 1 and leaf.kind != "decimal":
            lines += ["if x is None:", *(f"    {line}" for line in self._first_of(leaf, paths[1:]))]
        return lines

    def _value(self, prefix: str, last: str) -> list[str]:
        """The lines that make v of what is at a path. What may stand as its id alone is not looked at before it counts:
        `unmapped` lists it otherwise.
        """
        if prefix in self._getters:
            return [f"v = {self._getters[prefix]}({last!r})"]
        outer, _, name = prefix.rpartition(".")
        alone = f"None if v is None or type(v) is str else {_reader(prefix)}.data.get({last!r})"
        return [
            f"v = {self._getter(outer)}({name.rstrip('?')!r})",
            f"v = v.get({last!r}) if type(v) is dict else {alone}",
        ]

    # each kind of leaf: the lines that make x of a v that is there
    def _text(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [
            "if type(v) is str and v: x = v if v.isascii() else clean_text(v)",
            f"else: x = {reader}.text({last!r})",
        ]

    def _identity(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"x = v if type(v) is str and v and v.isascii() else {reader}.identity({last!r})"]

    def _email(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"x = v if type(v) is str and len(v) > 2 and v.isascii() else email_of({reader}, {last!r})"]

    def _flag(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"x = v if v is True or v is False else {reader}.flag({last!r})"]

    def _integer(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"x = v if type(v) is int else {reader}.integer({last!r})"]

    def _decimal(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [
            "if type(v) is int or type(v) is str: x = NUMBERS[v]",
            "else: x = v if type(v) is Decimal and -400 < v.adjusted() < 400 and v.is_finite() else None",
            f"if x is None: x = {reader}.decimal({last!r})",
        ]

    def _unix(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return ["x = SECONDS[v] if type(v) is int else None", f"if x is None: x = {reader}.unix({last!r})"]

    def _instant(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return ["x = WRITTEN[v] if type(v) is str else None", f"if x is None: x = {reader}.instant({last!r})"]

    def _day(self, leaf: Leaf, reader: str, last: str) -> list[str]:
        return [f"x = {reader}.day({last!r}, ends={leaf.options['ends']})"]

    def _money(self, _leaf: Leaf, reader: str, last: str) -> list[str]:
        return [
            "x = amounts[v] if type(v) is int else None",
            f"if x is None: x = {reader}.money({last!r}, UNITS, currency)",
        ]

    # the kinds of which something is read whatever v is
    def _required_text(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        plain = "type(v) is str and v and v.isascii()"
        return [f"values[{name!r}] = v if {plain} else {reader}.required_text({last!r})"]

    def _strings(self, name: str, _leaf: Leaf, reader: str, last: str) -> list[str]:
        lines = ["x = v if type(v) is dict and is_plain(v) else {} if v is None else " + f"{reader}.strings({last!r})"]
        if self._derive is None:
            return [*lines, f"values[{name!r}] = FrozenDict(x) if x else NO_STRINGS"]
        return [*lines, f"values[{name!r}] = x.copy()"]  # from which derive may take some

    def _currency(self, name: str, leaf: Leaf, reader: str, last: str) -> list[str]:
        unless = leaf.options["unless"]
        needed = "True" if unless is None else f"not unless_{name}(r)"
        self.names[f"unless_{name}"] = unless
        return [
            "currency = CODES.get(v) if type(v) is str else None",
            f"if currency is None: currency = {reader}.currency({last!r}, needed={needed})",
            f"values[{name!r}] = currency",
            "amounts = BY_CURRENCY[currency]",
        ]

    def _rows(self, name: str, leaf: Leaf, path: str, reader: str, last: str, *, is_first: bool) -> list[str]:
        """The lines for one of the lists; each is read, so that what is wrong in it is noted, and the first counts."""
        self.names[f"row_{name}"] = leaf.options["shape"].read
        whole = f"{name}_complete"
        put_whole = is_first and whole in self._blank
        unless_read = "" if is_first else f"if not values[{name!r}]: "
        return [
            f"if given: v = given.get({name!r}, v)",
            # an absent or empty list costs this question alone: `blank` has what it reads as
            "if v or type(v) is not list and v is not None:",
            f"    if type(v) is not list: {reader}.children({last!r})",
            f"    made, x = read_rows(r, v, {path.replace('?', '')!r}, row_{name}, currency, amounts)",
            f"    {unless_read}values[{name!r}] = made",
            *([f"    values[{whole!r}] = x", f"elif v is not None: values[{whole!r}] = True"] if put_whole else []),
        ]


def _reader(prefix: str) -> str:
    """The expression of the Reader of a nested object: only what is not as documented needs one."""
    steps = prefix.split(".") if prefix else []
    return "r" + "".join(f".{'expanded' if name.endswith('?') else 'child'}({name.rstrip('?')!r})" for name in steps)


def _read_rows(  # noqa: PLR0917 - called from the compiled function alone
    reader: Reader, items: Any, path: str, read: Callable[..., Any], currency: str | None, amounts: Any
) -> tuple[tuple[Any, ...], bool]:
    """The values of a list's objects, and whether there is a list of which none was left out."""
    if type(items) is not list and not isinstance(items, list | tuple):
        return (), False
    if not items:
        return (), True
    found, whole = [], True
    for place, item in enumerate(items):
        if type(item) is dict or isinstance(item, Mapping):
            value = read(reader.row(path, place, item), currency, amounts)
            if value is not None:
                found.append(value)
                continue
        else:
            reader.note(f"{path}[{place}]", "is no object")
        whole = False
    return tuple(found), whole


def _is_plain(value: dict[str, Any]) -> bool:
    """Whether an object has plain texts alone, so that it takes no Reader to say what it has."""
    try:
        return "".join([*value, *value.values()]).isascii()
    except TypeError:
        return False


_NAMES: dict[str, Any] = {
    "CODES": {written: code for code in all_codes() for written in (code, code.lower())},
    "Decimal": Decimal,
    "FrozenDict": FrozenDict,
    "NONE": {},
    "NOTHING": {}.get,
    "NO_AMOUNTS": NO_AMOUNTS,
    "NO_STRINGS": FrozenDict(),
    "NUMBERS": NUMBERS,
    "SECONDS": SECONDS,
    "View": View,
    "WRITTEN": WRITTEN,
    "clean_text": clean_text,
    "email_of": email_of,
    "is_plain": _is_plain,
    "new": new,
    "period_of": period_of,
    "put_extra": put_extra,
    "put_names": put_names,
    "put_private": put_private,
    "put_values": put_values,
    "read_rows": _read_rows,
}
"""What every compiled function may name."""
