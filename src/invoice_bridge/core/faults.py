"""What is wrong with a value, in plain words: the field, the values it takes, and the nearest one first.

Rules of this file: pydantic finds the faults, and its own words are for programmers. Every kind of fault that a bill's
file can have has a row here; any other one keeps pydantic's words.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

__all__ = ["faults", "nearest_first", "one_line", "shortened"]

_INSTANT = "must be an instant like 2026-05-01T00:00:00Z"
_NUMBER = 'must be a number like "2.5"'
_WORDS: Mapping[str, str] = {
    "missing": "it is missing",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_type": _INSTANT,
    "timezone_aware": f"{_INSTANT}, with Z or an offset",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_long": "must have at most {max_length} characters",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be an object with a value for each name",
    "mapping_type": "must be an object with a value for each name",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}
"""Kind of fault → our words; a name in braces is what the fault states."""
_EXAMPLES: Mapping[str, str] = {
    "Collection": '{"kind": "send", "net_days": 14}',
    "CustomerRef": '{"email": "a@example.test"}, or an id as a text',
    "Money": '{"minor": 1999, "currency": "EUR"}',
    "Period": '{"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}',
    "TaxRate": '{"name": "VAT", "rate": "20"}',
    "Line": '{"description": "Fees", "amount": {"minor": 1999, "currency": "EUR"}}',
}
"""Objects by their class, as a file writes them."""
_FEW = 10


def faults(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Describe what is wrong with a value, one clause for each fault: "lines.0.amount: …"; all in one line.

    `kind` is the model that was read: with it, an unknown field names the nearest one.
    """
    clauses: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"] if _is_name(part))
        words = _describe(fault, kind)
        if words not in clauses.setdefault(place, []):
            clauses[place].append(words)
    return one_line("; ".join(f"{place}: {_joined(words)}".removeprefix(": ") for place, words in clauses.items()))


def one_line(text: str) -> str:
    """Escape unprintable characters: a name in a file may contain line breaks and terminal control sequences."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def shortened(value: Any) -> str:
    """Return a value of a file in short form, however deep it is."""
    try:
        return reprlib.repr(value)
    except ValueError:  # TOML's hexadecimal integers can have more digits than Python converts to decimal
        return "an integer with too many digits"


def nearest_first(names: Iterable[str], given: object) -> list[str]:
    """Return the names, those that resemble a given text before the others."""
    from difflib import get_close_matches

    known = list(names)
    near = get_close_matches(given.lower(), known, len(known) or 1) if isinstance(given, str) else []
    return [*near, *(name for name in known if name not in near)]


def _joined(words: list[str]) -> str:
    """Join the faults of a field that takes several kinds of values: "must be 'provider' or 'none', or a list"."""
    first, *others = words
    if not others:
        return first
    return ", or ".join([first.rpartition(", not ")[0] or first, *(one.removeprefix("must be ") for one in others)])


_BRANCH = re.compile(r"(?:literal|tuple|list|dict|function-\w+)\[.*\]", re.DOTALL)


def _is_name(part: object) -> bool:
    """Return whether a part of a place is a field's or an index: pydantic adds the branches of a union."""
    return isinstance(part, int) or _BRANCH.fullmatch(str(part)) is None


def _describe(fault: Any, kind: type[BaseModel] | None) -> str:
    what, stated, given = fault["type"], fault.get("ctx", {}), fault.get("input")
    if what in {"extra_forbidden", "unexpected_keyword_argument"}:
        return _unknown(fault["loc"], kind)
    if what in {"literal_error", "enum"}:
        values = re.findall(r"'([^']*)'", stated["expected"])
        return f"must be {_either(values, given)}, not {shortened(given)}"
    if what in {"model_type", "model_attributes_type", "dataclass_type"}:
        return _object(stated["class_name"], fault["loc"], kind, given)
    if what in {"string_too_short", "too_short"} and stated["min_length"] == 1:
        return "must not be empty"
    if what in _WORDS:
        return _WORDS[what].format_map(stated)
    return str(fault["msg"]).removeprefix("Value error, ")


def _either(values: Iterable[str], given: object) -> str:
    *most, last = (repr(value) for value in nearest_first(values, given))
    return f"{', '.join(most)} or {last}" if most else last


def _unknown(loc: Sequence[object], kind: type[BaseModel] | None) -> str:
    """Describe a field that does not exist: with the nearest one, or all where there are few."""
    from difflib import get_close_matches

    known = [] if kind is None else list(_fields(kind, loc[:-1]))
    near = get_close_matches(str(loc[-1]), known, 1)
    if near:
        return f"there is no such field; did you mean {near[0]!r}?"
    return "there is no such field" + (f"; the fields are {', '.join(known)}" if 0 < len(known) <= _FEW else "")


def _object(name: str, loc: Sequence[object], kind: type[BaseModel] | None, given: object) -> str:
    """Describe a value that is no object, with an example; a text that is a kind of it goes where it belongs."""
    example = f" like {_EXAMPLES[name]}" if name in _EXAMPLES else ""
    model = None if kind is None else _model_at(kind, loc)
    kinds = _literals(model, "kind") if model is not None else []
    if not kinds or not isinstance(given, str):
        return f"must be an object{example}"
    first, *others = nearest_first(kinds, given)
    example = _EXAMPLES.get(name, "")
    written = example if f'"{first}"' in example else f'{{"kind": "{first}"}}'
    return (
        f"must be an object: write {written}, not {shortened(given)}; other kinds are {' and '.join(map(repr, others))}"
    )


def _fields(kind: type[BaseModel], loc: Sequence[object]) -> Iterator[str]:
    model = _model_at(kind, loc)
    for names in ("model_fields", "__dataclass_fields__"):
        yield from getattr(model, names, ())


def _model_at(kind: type[Any], loc: Sequence[object]) -> type[Any] | None:
    """Return the model at a place within another one."""
    model: type[Any] | None = kind
    for part in loc:
        if isinstance(part, int) or not _is_name(part):
            continue
        field = getattr(model, "model_fields", {}).get(str(part))
        model = None if field is None else next(_models_in(field.annotation), None)
        if model is None:
            return None
    return model


def _models_in(annotation: Any) -> Iterator[type[Any]]:
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or hasattr(annotation, "__dataclass_fields__")
    ):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _literals(model: type[Any], name: str) -> list[str]:
    field = getattr(model, "model_fields", {}).get(name)
    return [] if field is None else [value for value in get_args(field.annotation) if isinstance(value, str)]
