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
from invoice_bridge.adapter.notes import clean_text
from invoice_bridge.adapter.reading import email_of
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
        self,
        model: type[Frozen],
        fields: Mapping[str, Leaf],
        *,
        derive: Any,
        units: Units | None,
        needs: str | None,
        listed: Callable[..., Any] | None = None,
    ) -> None:
        """Write `read`, or where `read` is `listed` already, `read_rows`: the same for each object of a list, which
        makes a Reader only of one that needs it.
        """
        self.lines, self._margin = [*(_ONE if listed is None else _EACH)], "    " if listed is None else "        "
        self._is_listed, self._row, self._data = listed is not None, "r", "r.data"
        if listed is not None:
            self._row, self._data = "of(path, place, item)", "item"
            if derive is not None or any(
                leaf.kind == "computed" and not leaf.options.keys() & {"quick", "zero_if_empty"}
                for leaf in fields.values()
            ):
                self.lines.append("        row = of(path, place, item)")
                self._row = "row"
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
            "read": listed,
            "blank": self._blank.copy,
            "derive": derive,
        }
        self._getters: dict[str, str] = {"": "get"}
        self._fields, self._derive = fields, derive
        if needs is not None:
            leaf = fields[needs]
            self._read(needs, leaf)
            last = leaf.paths[0].rpartition(".")[2]
            left = ["whole = False", "continue"] if self._is_listed else ["return None"]
            self._add("if x is None:", f"    {self._row}.left_out({last!r})", *(f"    {line}" for line in left))
        self._add("values = blank()")
        if needs is not None:
            self._add(f"values[{needs!r}] = x")
        for name, leaf in fields.items():
            if name != needs:
                self._field(name, leaf)
        self._finish()

    def _add(self, *lines: str) -> None:
        self.lines += [self._margin + line for line in lines]

    def _finish(self) -> None:
        if self._derive is not None:
            self._add(f"derive(values, {self._row}, {'NONE' if self._is_listed else 'given'})")
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
        self._add("put_extra(made, None)", "put_private(made, None)")
        if self._is_listed:
            self._add("found.append(made)")
            self.lines.append("    return tuple(found), whole")
        else:
            self._add("return made")

    def _getter(self, prefix: str) -> str:
        """The `get` of a nested object, which is looked up once."""
        if prefix not in self._getters:
            outer, _, name = prefix.rpartition(".")
            get, bare = self._getter(outer), name.rstrip("?")
            nested, alone = (
                ("expanded", "v is None or type(v) is str") if name.endswith("?") else ("child", "v is None")
            )
            inner = f"o{len(self._getters)}"
            slow = f"{self._reader(outer)}.{nested}({bare!r}).data"
            self._add(f"v = {get}({bare!r})", f"{inner} = v if type(v) is dict else NONE if {alone} else {slow}")
            self._getters[prefix] = f"{inner}.get"
        return self._getters[prefix]

    def _reader(self, prefix: str) -> str:
        """The expression of the Reader of a nested object: only what is not as documented needs one."""
        steps = prefix.split(".") if prefix else []
        return self._row + "".join(
            f".{'expanded' if name.endswith('?') else 'child'}({name.rstrip('?')!r})" for name in steps
        )

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
                self._add(*self._rows(name, leaf, path, self._reader(prefix), last, is_first=not place))
        elif leaf.kind in {"required_text", "strings", "currency"}:
            prefix, _, last = leaf.paths[0].rpartition(".")
            self._add(f"v = {self._getter(prefix)}({last!r})")
            self._add(*getattr(self, f"_{leaf.kind}")(name, leaf, self._reader(prefix), last))
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
            self._add(*self._computed(name, leaf))
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
        lines += [f"    {line}" for line in getattr(self, f"_{leaf.kind}")(leaf, self._reader(prefix), last)]
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
        alone = f"None if v is None or type(v) is str else {self._reader(prefix)}.data.get({last!r})"
        return [
            f"v = {self._getter(outer)}({name.rstrip('?')!r})",
            f"v = v.get({last!r}) if type(v) is dict else {alone}",
        ]

    def _computed(self, name: str, leaf: Leaf) -> list[str]:
        """The lines that make x by the function of a leaf, or by its quick one where that finds a value."""
        self.names[f"f_{name}"], quick = leaf.options["read"], leaf.options.get("quick")
        stated = " or ".join(f"get({one!r}) is not None" for one in leaf.options["any_of"])
        slow = f"f_{name}({self._row}, currency)"
        if leaf.options.get("zero_if_empty"):
            (listed,) = leaf.options["any_of"]
            empty = "amounts[0] if type(v) is list and not v else None"
            return [f"v = get({listed!r})", f"x = {empty}", f"if x is None and v is not None: x = {slow}"]
        if quick is None:
            return [f"x = {slow}" + (f" if {stated} else None" if stated else "")]
        self.names[f"q_{name}"] = quick
        first = leaf.options["any_of"][0]
        return [
            f"x = q_{name}({self._data}, currency) if get({first!r}) is not None else None",
            f"if x is None and ({stated}): x = {slow}",
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
        needed = "True" if unless is None else f"not unless_{name}({self._row})"
        self.names[f"unless_{name}"] = unless
        return [
            "currency = CODES.get(v) if type(v) is str else None",
            f"if currency is None: currency = {reader}.currency({last!r}, needed={needed})",
            f"values[{name!r}] = currency",
            "amounts = BY_CURRENCY[currency]",
        ]

    def _rows(self, name: str, leaf: Leaf, path: str, reader: str, last: str, *, is_first: bool) -> list[str]:
        """The lines for one of the lists; each is read, so that what is wrong in it is noted, and the first counts."""
        self.names[f"rows_{name}"] = leaf.options["shape"].read_list
        whole = f"{name}_complete"
        put_whole = is_first and whole in self._blank
        unless_read = "" if is_first else f"if not values[{name!r}]: "
        return [
            *([] if self._is_listed else [f"if given: v = given.get({name!r}, v)"]),
            # an absent or empty list costs this question alone: `blank` has what it reads as
            "if v or type(v) is not list and v is not None:",
            f"    if type(v) is not list: {reader}.children({last!r})",
            f"    made, x = rows_{name}({self._row}, v, {path.replace('?', '')!r}, currency, amounts)",
            f"    {unless_read}values[{name!r}] = made",
            *([f"    values[{whole!r}] = x", f"elif v is not None: values[{whole!r}] = True"] if put_whole else []),
        ]


_ONE = ("def read(r, currency=None, amounts=NO_AMOUNTS, given=NONE):", "    get = r.data.get")
_EACH = (
    "def read_rows(r, items, path, currency, amounts):",
    "    if type(items) is not list and not isinstance(items, LISTS): return (), False",
    "    found, whole, of = [], True, r.row",
    "    for place, item in enumerate(items):",
    "        if type(item) is not dict:",
    "            if isinstance(item, Mapping): made = read(of(path, place, item), currency, amounts)",
    "            else: made = r.note(f'{path}[{place}]', 'is no object')",
    "            if made is None: whole = False",
    "            else: found.append(made)",
    "            continue",
    "        get = item.get",
)
"""How the functions begin. `read_rows` makes the values of a list's objects, and says whether there is a list of which
none was left out."""


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
    "LISTS": (list, tuple),
    "Mapping": Mapping,
    "NONE": {},
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
}
"""What every compiled function may name."""
