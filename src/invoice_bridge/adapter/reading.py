"""Reading a provider's JSON: lenient about everything but ids.

Rules of this file: an unknown word or field never raises and stays in `raw`. What an adapter's `parse` reads, it reads
with a Reader that notes: a value of another type than documented, or money that cannot be read exactly, reads as None
and is listed in `Invoice.problems`; only a missing id raises MalformedResponse, and an object that states that it is no
invoice. A Reader without notes is for what a flow acts upon: there money that cannot be read raises too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from invoice_bridge.adapter.declared import Units
from invoice_bridge.adapter.instants import day_in_utc
from invoice_bridge.adapter.notes import Notes, clean_text
from invoice_bridge.adapter.view import View
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.exact import decimal
from invoice_bridge.core.model import Invoice, Line, Problem
from invoice_bridge.core.money import Money, nothing, trusted

__all__ = [
    "EXACT_FLOAT_DIGITS", "INEXACT", "Reader", "bounded", "build", "email_of", "lines_total", "nothing_left", "units_of"
]  # fmt: skip

_new = object.__new__
_NOTHING: Mapping[str, Any] = {}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT_FLOAT_DIGITS = 15
_LARGEST = 10**20  # the largest integer of 64 bits has 19 digits
INEXACT = f"is a float of more than {EXACT_FLOAT_DIGITS} digits, which may be another number than was written: "
INEXACT += "decode the bytes of the answer instead"
_KINDS = {bool: "a boolean", int: "a number", Decimal: "a number", float: "a number", str: "text"}


class Reader:
    """A JSON object and where it stands. Empty texts and zero instants read as absent: some clients write them so.

    With `notes`, what cannot be read is noted there; without, a money field or a currency that cannot be read raises
    MalformedResponse, and any other value of a wrong type is None.
    """

    __slots__ = ("_place", "data", "notes", "provider")

    def __init__(self, data: Any, provider: str, at: str = "$", notes: Notes | None = None) -> None:
        self.data: Mapping[str, Any] = data if type(data) is dict or isinstance(data, Mapping) else {}
        self.provider, self.notes = provider, notes
        self._place: str | tuple[Reader, str] | tuple[Reader, str, int] = at

    @classmethod
    def noting(cls, data: Any, provider: str) -> Reader:
        """Read an object whole; what cannot be read of it is in `problems`."""
        reader = _new(cls)
        reader.data = data if type(data) is dict or isinstance(data, Mapping) else {}
        reader.provider, reader._place = provider, "$"  # noqa: SLF001 - of this class
        reader.notes = notes = _new(Notes)
        notes.by_path = None
        return reader

    def row(self, path: str, place: int, data: Mapping[str, Any]) -> Reader:
        """An object of a list inside this one; where it stands is written out only when it is asked for."""
        row = _new(Reader)
        row.data, row.provider, row.notes = data, self.provider, self.notes
        row._place = (self, path, place)  # noqa: SLF001 - of this class
        return row

    def rows(self, path: str, items: Iterable[Mapping[str, Any]]) -> list[Reader]:
        """The objects of a list in another answer, as if it were here."""
        return [self.row(path, place, item) for place, item in enumerate(items)]

    @property
    def at(self) -> str:
        """Where the object stands: "$.lines.data[0]"."""
        if isinstance(self._place, str):
            return self._place
        outer, path, *place = self._place
        return f"{outer.at}.{path}[{place[0]}]" if place else f"{outer.at}.{path}"

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be read so far, here and in every object inside."""
        return () if self.notes is None else self.notes.problems

    def __contains__(self, name: str) -> bool:
        return self.data.get(name) is not None

    def fault(self, name: str, problem: str) -> MalformedResponse:
        """The error for a field that cannot be read."""
        return MalformedResponse(f"{self.at}.{name} {problem}", provider=self.provider)

    def note(self, name: str, why: str, *, money: bool = False) -> None:
        """Note that a value reads as None; `why` completes a sentence that begins with its path."""
        self.leave(name)
        if self.notes is not None:
            self.notes.add(f"{self.at}.{name}".removeprefix("$."), why, money=money)

    def leave(self, name: str) -> None:
        """State that a value which was looked at is carried by no neutral field: `unmapped` lists it."""
        if isinstance(self.data, View):
            self.data.leave(name)

    def expect(self, *kinds: str) -> None:
        """Raise MalformedResponse where the object states that it is another kind of object than these."""
        kind = self.text("object")
        if kind is not None and kind not in kinds:
            raise MalformedResponse(
                f"this is no invoice: its object is {kind[:40]!r}; decode the invoice alone", provider=self.provider
            )

    def required_text(self, name: str) -> str:
        """A text that must be there."""
        found = self.text(name)
        if found is None:
            raise self.fault(name, "is missing: this is not an invoice of this provider")
        return found

    def _wrong(self, name: str, wanted: str) -> None:
        """Note a value that is there and of another type than is documented."""
        value = self.data.get(name)
        if value is None or value == "":
            return
        found = _KINDS.get(type(value), "an object" if isinstance(value, Mapping) else "a list")
        self.note(name, INEXACT if isinstance(value, float) else f"is {found} and no {wanted}")

    def text(self, name: str) -> str | None:
        """A text, or None where it is absent or empty."""
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            return (value if value.isascii() else clean_text(value)) if value else None
        self._wrong(name, "text")
        return None

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._wrong(name, "boolean")
        return None

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.data.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self._wrong(name, "whole number")
        return None

    def decimal(self, name: str) -> Decimal | None:
        """A number, or a decimal written as text."""
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
            try:
                return decimal(value)
            except ValueError:
                pass
        self._wrong(name, "decimal number")
        return None

    def unix(self, name: str) -> datetime | None:
        """An instant in whole seconds since 1970; 0 is absent."""
        seconds = self.integer(name)
        try:
            return _EPOCH + timedelta(seconds=seconds) if seconds else None
        except OverflowError:
            self.note(name, "is no instant: it lies outside the years 1 to 9999")
            return None

    def instant(self, name: str) -> datetime | None:
        """An instant written as RFC 3339; one without a zone says nothing."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = datetime.fromisoformat(text)
            if value.tzinfo is not None:
                return value.astimezone(UTC)
        except (OverflowError, ValueError):
            pass
        self.note(name, "is no instant with a time zone")
        return None

    def day(self, name: str, *, ends: bool = False) -> datetime | None:
        """A date without a time, as its first second in UTC, or its last one where it `ends` something."""
        text = self.text(name)
        try:
            return None if text is None else day_in_utc(text, ends=ends)
        except ValueError:
            self.note(name, "is no date")
            return None

    def child(self, name: str) -> Reader:
        """A nested object; an empty one where it is absent."""
        value = self.data.get(name)
        if type(value) is not dict and not isinstance(value, Mapping):
            if value is not None and value != []:
                self._wrong(name, "object")
            value = _NOTHING
        return self._inner(name, value)

    def expanded(self, name: str) -> Reader:
        """A nested object; an empty one if the answer has only its id."""
        value = self.data.get(name)
        return self._inner(name, value if type(value) is dict or isinstance(value, Mapping) else _NOTHING)

    def _inner(self, name: str, data: Mapping[str, Any]) -> Reader:
        """The Reader of a nested object; where it stands is written out only when it is asked for."""
        inner = _new(Reader)
        inner.data, inner.provider, inner.notes = data, self.provider, self.notes
        inner._place = (self, name)  # noqa: SLF001 - of this class
        return inner

    def identity(self, name: str) -> str | None:
        """An id: alone, or that of the whole object in its place."""
        value = self.data.get(name)
        if type(value) is dict or isinstance(value, Mapping):
            return self._inner(name, value).text("id")
        return None if value is None else self.text(name)

    def has_list(self, name: str) -> bool:
        """Whether a list is there, empty or not."""
        value = self.data.get(name)
        if value is None:
            return False
        if type(value) is list or isinstance(value, list | tuple):
            return True
        self._wrong(name, "list")
        return False

    def count(self, name: str) -> int:
        """How many items a list has, of whatever kind; 0 where there is no list."""
        return len(self.data[name]) if self.has_list(name) else 0

    def children(self, name: str) -> list[Reader]:
        """A list of nested objects; anything else in it is passed over."""
        found: list[Reader] = []
        items = self.data.get(name)
        if (not items and (items is None or type(items) is list)) or not self.has_list(name):
            return found
        for place, item in enumerate(items):
            if type(item) is dict or isinstance(item, Mapping):
                found.append(self.row(name, place, item))
            else:
                self.note(f"{name}[{place}]", "is no object")
        return found

    def listing(self, name: str) -> list[Reader]:
        """The objects of a list that must be there: an answer without it says nothing of what is absent.

        Raises MalformedResponse: something in between may have handed out another request's answer.
        """
        if not isinstance(self.data.get(name), list | tuple):
            raise self.fault(name, "is missing: this is not the listing that was asked for")
        return self.children(name)

    def strings(self, name: str) -> dict[str, str]:
        """An object of texts, such as metadata."""
        inner = self.child(name)
        found: dict[str, str] = {}
        for key, value in inner.data.items():
            if isinstance(value, str):
                found[clean_text(str(key))] = clean_text(value)
            else:
                inner.text(key)  # notes it
        return found

    def money(self, name: str, units: Units, currency: str | None) -> Money | None:
        """An amount in the provider's integer units. None where it is absent, where it cannot be read, and where there
        is no currency, which is noted by itself.
        """
        value = self.data.get(name)
        if value is None:
            return None
        if currency is None:
            self.leave(name)
            return None
        if type(value) is int and (amount := units.amounts[currency][value]) is not None:
            return amount
        try:
            return units_of(value, units, currency)
        except ValueError as error:
            self.no_amount(name, str(error))
            return None

    def no_amount(self, name: str, why: str) -> None:
        """Note an amount that cannot be read; without notes, raise MalformedResponse."""
        if self.notes is None:
            raise self.fault(name, why)
        self.note(name, why, money=True)

    @staticmethod
    def total_of(rows: Iterable[Reader], name: str, units: Units, currency: str | None) -> Money | None:
        """The sum of an amount of several objects; None where one of them does not state it, which is noted."""
        total, whole = 0, currency is not None
        for row in rows:
            amount = row.money(name, units, currency)
            if amount is not None:
                total += amount.minor
                continue
            whole = False
            if currency is not None and name not in row:
                row.no_amount(name, "is missing, so the sum that it belongs to is not known")
        return trusted(total, currency) if whole and currency is not None else None

    def left_out(self, name: str) -> None:
        """Note that this line is left out, because its amount is missing or cannot be read."""
        if name not in self:
            self.no_amount(name, "is missing: the line is left out")
        for inner in self.data:
            self.leave(inner)

    def currency(self, name: str, *, needed: bool = True) -> str | None:
        """An ISO 4217 code, in upper case; None where it is unknown, or absent and `needed`, which is noted."""
        value = self.data.get(name)
        if value is None or value == "":
            if needed:
                self.no_amount(name, "is missing: no amount can be read without it")
            return None
        if not isinstance(value, str):
            self.no_amount(name, f"is no currency code: {str(value)[:40]!r}")
            return None
        try:
            Money(0, value.upper())
        except ValueError as error:
            self.no_amount(name, f"cannot be read: {error}")
            return None
        return value.upper()


def units_of(value: Any, units: Units, currency: str) -> Money:
    """Return the amount that a JSON value states in the provider's integer units.

    Raises ValueError with the end of a sentence that begins with the value's path.
    """
    if isinstance(value, float):
        raise ValueError(INEXACT)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"is no whole number of units: {str(value)[:40]!r}")
    try:
        return bounded(units.from_units(value, currency))
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from None


def bounded(amount: Money) -> Money:
    """Return an amount that a provider states. Raises ValueError beyond 20 digits, so that any sum is still money."""
    if abs(amount.minor) >= _LARGEST:
        raise ValueError("no provider counts in numbers of more than 20 digits")
    return amount


def build(read: Reader | str, **fields: Any) -> Invoice:
    """Make an invoice of what was read of an object, which becomes its `raw`; of a provider's name, of `fields` alone.

    Raises MalformedResponse where the parts contradict each other.
    """
    provider = read.provider if isinstance(read, Reader) else read
    if isinstance(read, Reader):
        fields |= {"raw": read.data.plain if isinstance(read.data, View) else read.data, "problems": read.problems}
    try:
        return Invoice(provider=provider, **fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MalformedResponse(f"the invoice cannot be read: {where} {first['msg']}", provider=provider) from None


def email_of(read: Reader, name: str) -> str | None:
    """An e-mail address; a text that is too short to be one is noted."""
    text = read.text(name)
    if text is not None and len(text) < 3:
        read.note(name, "is no e-mail address")
        return None
    return text


def lines_total(lines: tuple[Line, ...], currency: str | None) -> Money | None:
    """The sum of lines; None without a currency."""
    if currency is None:
        return None
    if not lines:
        return nothing(currency)
    total = 0
    for line in lines:
        total += line.amount.minor
    return trusted(total, currency)


def nothing_left(currency: str | None) -> Money | None:
    """Nothing to collect, in a currency; None where that is not known."""
    return None if currency is None else nothing(currency)
