"""What every neutral value is made of: frozen models, and the kinds of their fields.

Rules of this file: those of model.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from threading import RLock
from typing import Annotated, Any

from pydantic import VERSION, AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.money import Money, what_to_write

_PYDANTIC = tuple(int(number) for number in VERSION.split(".")[:2])
_DEFERS = _PYDANTIC >= (2, 11)
"""Whether a model is built when it is first used: before 2.11, pydantic drops a validator while it builds another."""
_BUILDING: AbstractContextManager[object] = nullcontext() if _PYDANTIC >= (2, 14) else RLock()
"""Held while a model is built; since 2.14 pydantic has a lock of its own, and two locks could wait for each other."""


class Frozen(BaseModel):
    """The base of every value here: frozen, nothing unknown accepted. Built when it is first used.

    A default is not validated each time: it is written as validation would return it, which a test holds for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=_DEFERS)

    @classmethod
    def model_rebuild(
        cls,
        *,
        force: bool = False,
        raise_errors: bool = True,
        _parent_namespace_depth: int = 2,
        _types_namespace: Mapping[str, Any] | None = None,
    ) -> bool | None:
        """Build the validator, as pydantic does at the first use; threads that come at once wait for one another."""
        with _BUILDING:
            return super().model_rebuild(
                force=force,
                raise_errors=raise_errors,
                _parent_namespace_depth=_parent_namespace_depth + 1,  # the caller's
                _types_namespace=_types_namespace,
            )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe each field in the JSON Schema; see core/descriptions.py."""
        from invoice_bridge.core.descriptions import described_schema

        return described_schema(cls.__name__, core_schema, handler)


# ── the kinds of leaf ────────────────────────────────────────────────────────────────────────────────────────────────
_NUMBER = re.compile(r"[+-]?([0-9]+\.?|[0-9]*\.[0-9]+)[0-9]*([eE][+-]?[0-9]+)?", re.ASCII)


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T", re.ASCII)


def in_utc(instant: datetime) -> datetime:
    """Return the instant in UTC.

    Raises ValueError for a naive datetime (whose midnight would it be?) and for one that UTC puts outside the calendar.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: write datetime(…, tzinfo=UTC), or …Z in a file")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{instant.isoformat()} is, in UTC, not in the years 1 to 9999") from None


def _no_bare_number(value: Any) -> Any:
    kind = type(value)
    if kind is datetime or (kind is str and _DAY.match(value)):  # most values
        return value
    if isinstance(value, (int, float, Decimal)):
        raise ValueError(f"{value!r} is a number, not an instant: seconds and milliseconds look alike")
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is a number, not an instant: write 2026-05-01T00:00:00Z")
    return value


def _money_not_float(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(what_to_write(value, "…"))
    return value


def _decimal_not_float(value: Any) -> Any:
    if isinstance(value, float | bool):
        raise ValueError(f"{value!r} is not exact: write an int, a Decimal or a string")
    return value


def shortest(number: Decimal) -> Decimal:
    """Return a number without trailing zeros: 2.00 is 2. Not by normalize(), which rounds to the context's digits."""
    text = f"{number:f}"
    return Decimal(text.rstrip("0").rstrip(".")) if "." in text else Decimal(text)


def _encodable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair is no text: it cannot be sent or stored") from None
    return text


def _refuse_change(*_: object, **__: object) -> Any:
    raise TypeError("this mapping belongs to a frozen value; make a new value instead")


class FrozenDict(dict[str, str]):
    """A dict of strings that cannot be changed."""

    __slots__ = ()
    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse_change

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _raw(value: Any) -> Any:
    return loads(value) if isinstance(value, str) else value


Instant = Annotated[datetime, BeforeValidator(_no_bare_number), AfterValidator(in_utc)]
Amount = Annotated[Money, BeforeValidator(_money_not_float)]
Quantity = Annotated[Decimal, BeforeValidator(_decimal_not_float)]
Text = Annotated[str, AfterValidator(_encodable)]
Words = Annotated[Mapping[Text, Text], AfterValidator(FrozenDict)]
Raw = Annotated[
    Mapping[str, Any] | None,
    BeforeValidator(_raw),
    PlainSerializer(lambda raw: None if raw is None else dumps(raw).decode(), return_type=str | None, when_used="json"),
]
