"""Declarations that a difference is none, each with its reason, from a TOML file or from code.

    [[allow]]
    path = "lines[].description"          # as the report prints it, with or without the line's number
    reason = "the new provider shortens descriptions to 100 characters"

    [[allow]]
    path = "tax"
    reason = "one rounds tax by line, the other by invoice"
    tolerance_minor = 2                   # minor units; for amounts only
    providers = ["stripe", "chargebee"]   # left, right; left out: any
    references = ["res-1", "res-2"]       # left out: any

    [[allow]]
    path = "status"
    reason = "paid by bank transfer, recorded on one side only"
    left = "open"                         # the values as the report prints them
    right = "paid"

Rules of this file: a difference in money needs its two values or a tolerance.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from invoice_bridge.compare.differences import Difference, Facts, shown
from invoice_bridge.compare.kinds import DOCUMENT, SHAPES, WORDS, Kind, row_of, severity, shape_of
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.losses import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One kind of difference that is declared equal. Raises ConfigurationError if it cannot be.

    `path` is a path as the report prints it ("lines[].description" covers every line). `left` and `right` are values
    as the report prints them ("19.99 EUR"). `providers` are the left and the right one. `tolerance_minor` is in
    minor units of the one currency.
    """

    path: str
    reason: str
    left: str | None = None
    right: str | None = None
    providers: tuple[str, str] | None = None
    references: tuple[str, ...] | None = None
    tolerance_minor: int | None = None

    def __post_init__(self) -> None:
        for name in ("path", "reason", "left", "right"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and name in {"left", "right"}):
                raise ConfigurationError(f"{name} must be a text, not {value!r}")
        if not self.reason.strip():
            raise ConfigurationError(f"{self.path}: give a reason why this difference does not matter")
        self._check_lists()
        self._check_path()

    def _check_lists(self) -> None:
        for name, wanted in (("providers", 2), ("references", 0)):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
                raise ConfigurationError(f"{self.path}: {name} must be a list of texts, not {value!r}")
            if wanted and len(value) != wanted:
                raise ConfigurationError(f"{self.path}: providers are two, the left one and the right one")
            object.__setattr__(self, name, tuple(value))

    def _check_path(self) -> None:
        shape = shape_of(self.path)
        if row_of(shape) not in {*SHAPES, *DOCUMENT} or shape.endswith(tuple(f"{word}." for word in WORDS)):
            near = get_close_matches(shape, SHAPES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"valid names: {', '.join(SHAPES)}, metadata.…"
            raise ConfigurationError(f"{self.path!r} is no path that is compared; {hint}")
        if shape.endswith(WORDS):
            raise ConfigurationError(f'{shape} is compared key by key: write path = "{self.path}.KEY"')
        tolerance = self.tolerance_minor
        if tolerance is not None:
            if type(tolerance) is not int or tolerance < 1:
                raise ConfigurationError(f"{self.path}: tolerance_minor is a whole number of minor units above 0")
            if not _is_amount(shape):
                raise ConfigurationError(f"{self.path}: tolerance_minor is for amounts of money alone")
        values = [self.left, self.right]
        said = any(values) if shape.endswith("[]") else None not in values
        if severity(shape) is Severity.CHANGES_MONEY and tolerance is None and not said:
            raise ConfigurationError(
                f"{self.path}: this changes money, so one path does not cover it: give left and right"
                + (", or tolerance_minor" if SHAPES[row_of(shape)] is Kind.MONEY else "")
            )

    def covers(self, found: Difference, left: Facts, right: Facts) -> bool:
        """Return whether the declaration covers this difference of two invoices."""
        if self.path not in {found.path, found.shape}:
            return False
        if self.providers is not None and self.providers != (left["provider"], right["provider"]):
            return False
        if self.references is not None and not {facts["said"].get("reference") for facts in (left, right)} & set(
            self.references
        ):
            return False
        if self.left not in {None, shown(found.left)} or self.right not in {None, shown(found.right)}:
            return False
        return self.tolerance_minor is None or _apart(found) <= self.tolerance_minor

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, without unset fields."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in told.items() if value is not None}


def _is_amount(shape: str) -> bool:
    kind = SHAPES.get(shape)
    amount = kind is Kind.MONEY and shape not in {"currency", "amounts"} and not shape.endswith("[]")
    return amount or shape == "lines[].discount"


_KEYS = tuple(field.name for field in fields(Allowed))


def _apart(found: Difference) -> int:
    """Return the difference of two amounts in minor units; for two currencies, more than any tolerance."""
    if found.left["currency"] != found.right["currency"]:
        return 10**31
    return abs(int(found.left["minor"]) - int(found.right["minor"]))


Allow = Iterable[Allowed] | str | Path


def allowances(allow: Allow) -> tuple[Allowed, ...]:
    """Return the declarations given in code, or those of a TOML file."""
    if isinstance(allow, str | Path):
        return read_allowed(allow)
    given = tuple(allow)
    if wrong := [one for one in given if not isinstance(one, Allowed)]:
        raise ConfigurationError(f'allow takes Allowed(path="…", reason="…") or a TOML file, not {wrong[0]!r}')
    return given


def read_allowed(path: str | Path) -> tuple[Allowed, ...]:
    """Read a TOML file of allowed differences. Raises ConfigurationError for every fault, naming the entry."""
    where = str(path)
    try:
        data = tomllib.loads(Path(where).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigurationError(f"{where}: there is no such file") from None
    except OSError as error:
        raise ConfigurationError(f"{where}: it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where}: it is not TOML: {' '.join(str(error).split())}") from None
    entries = data.pop("allow", [])
    if data or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(
            f"{where}: it may only have [[allow]] tables" + "".join(f", not {key!r}" for key in data)
        )
    return tuple(_entry(entry, f"{where}: [[allow]] {place}") for place, entry in enumerate(entries, 1))


def _entry(entry: Mapping[str, Any], where: str) -> Allowed:
    for key in entry:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(_KEYS)}"
            raise ConfigurationError(f"{where}: there is no {key!r} here; {hint}")
    for key in ("path", "reason"):
        if key not in entry:
            raise ConfigurationError(f"{where}: it needs a {key}")
    try:
        return Allowed(**entry)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
