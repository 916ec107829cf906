"""Parameters that only one provider has, as a caller states them: provider → name → value.

Rules of this file: those of values.py. What a provider takes is its own table; see adapter/native.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from pydantic import AfterValidator, PlainSerializer

from invoice_bridge.core.exact import dumps
from invoice_bridge.core.money import Money
from invoice_bridge.core.values import Text, in_utc

__all__ = ["NativeOptions", "Natives", "canonical"]

_DEEPEST = 8


def _refuse_change(*_: object, **__: object) -> Any:
    raise TypeError("this mapping belongs to a frozen value; make a new value instead")


class FrozenTree(dict[str, Any]):
    """A dict of frozen values that cannot be changed."""

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse_change

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _freeze(value: Any, depth: int = 0) -> Any:
    """Return the value with its mappings and lists frozen. Raises ValueError for what no request can carry exactly."""
    if depth > _DEEPEST:
        raise ValueError(f"a native parameter is at most {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) and name for name in value):
            raise ValueError("the names of native parameters are texts")
        return FrozenTree({name: _freeze(inner, depth + 1) for name, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_freeze(inner, depth + 1) for inner in value)
    if isinstance(value, float):
        raise ValueError(f"{value!r} is not exact: write an int, a Decimal or a string")
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value} is no number that can be sent")
    if isinstance(value, datetime):
        return in_utc(value)
    if isinstance(value, str | int | Decimal | Money):
        return value
    raise ValueError(f"{type(value).__name__} is no value of a native parameter: leave out what has none")


def _freeze_natives(value: Mapping[str, Any]) -> Any:
    for name, given in value.items():
        if not isinstance(given, Mapping):
            raise ValueError(f'{name!r} is to have a mapping of parameters, such as {{"coupon_ids": ["spring"]}}')
    return _freeze(value)


def _plain(value: Any) -> Any:
    """Return the value as JSON has it: amounts as objects, instants and decimals as text."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else value


def canonical(value: Mapping[str, Any]) -> str:
    """Return one text for the same parameters, in whatever order they are written."""
    return dumps(_ordered(_plain(value))).decode()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(inner) for inner in value] if isinstance(value, list) else value


Natives = Annotated[
    Mapping[Text, Any],
    AfterValidator(_freeze_natives),
    PlainSerializer(_plain, return_type=dict[str, Any], when_used="json"),
]


class NativeOptions(TypedDict, total=False):
    """The native parameters of a verb: by provider, checked by its table, and those that the table does not have."""

    native: Mapping[str, Mapping[str, Any]]
    native_unchecked: Mapping[str, Mapping[str, Any]]
