"""Reading a provider's JSON: lenient about everything but ids and money.

Rules of this file: an unknown word or field never raises and stays in `raw`; an optional field of another type than
documented reads as None; money that cannot be read exactly raises MalformedResponse, and so does a missing id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from invoice_bridge import providers
from invoice_bridge.errors import MalformedResponse
from invoice_bridge.model import Invoice, Period
from invoice_bridge.money import Money
from invoice_bridge.provider import Provider, Units
from invoice_bridge.wire import decimal, dumps, loads

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT_FLOAT_DIGITS = 15
_LARGEST = 10**20  # the largest integer of 64 bits has 19 digits


class Reader:
    """A JSON object and where it stands. Empty texts and zero instants read as absent: some clients write them so."""

    def __init__(self, data: Any, provider: str, at: str = "$") -> None:
        self.data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        self.provider, self.at = provider, at

    def __contains__(self, name: str) -> bool:
        return self.data.get(name) is not None

    def fault(self, name: str, problem: str) -> MalformedResponse:
        """The error for a field that cannot be read."""
        return MalformedResponse(f"{self.at}.{name} {problem}", provider=self.provider)

    def need(self, name: str) -> str:
        """A text that must be there."""
        found = self.text(name)
        if found is None:
            raise self.fault(name, "is missing: this is not an invoice of this provider")
        return found

    def text(self, name: str) -> str | None:
        """A text, or None where it is absent or empty."""
        value = self.data.get(name)
        return readable(value) if isinstance(value, str) and value else None

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value = self.data.get(name)
        return value if isinstance(value, bool) else None

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.data.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def decimal(self, name: str) -> Decimal | None:
        """A number, or a decimal written as text."""
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            return None
        try:
            return decimal(value)
        except ValueError:
            return None

    def unix(self, name: str) -> datetime | None:
        """An instant in whole seconds since 1970; 0 is absent."""
        seconds = self.integer(name)
        try:
            return _EPOCH + timedelta(seconds=seconds) if seconds else None
        except OverflowError:
            return None

    def instant(self, name: str) -> datetime | None:
        """An instant written as RFC 3339; one without a zone says nothing."""
        try:
            value = datetime.fromisoformat(self.text(name) or "")
        except ValueError:
            return None
        try:
            return value.astimezone(UTC) if value.tzinfo is not None else None
        except OverflowError:
            return None

    def child(self, name: str) -> Reader:
        """A nested object; an empty one where it is absent."""
        return Reader(self.data.get(name), self.provider, f"{self.at}.{name}")

    def children(self, name: str) -> list[Reader]:
        """A list of nested objects; whatever else stands in it is passed over."""
        items = self.data.get(name)
        if not isinstance(items, list | tuple):
            return []
        return [
            Reader(item, self.provider, f"{self.at}.{name}[{place}]")
            for place, item in enumerate(items)
            if isinstance(item, Mapping)
        ]

    def words(self, name: str) -> dict[str, str]:
        """An object of texts, such as metadata."""
        found = self.child(name).data
        return {readable(str(key)): readable(value) for key, value in found.items() if isinstance(value, str)}

    def money(self, name: str, units: Units, currency: str) -> Money | None:
        """An amount in the provider's integer units, None where absent. Raises MalformedResponse for anything else."""
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fault(name, f"is no whole number of units: {str(value)[:40]!r}")
        try:
            return summable(units.from_units(value, currency))
        except ValueError as error:
            raise self.fault(name, f"cannot be read: {error}") from None

    def currency(self, name: str) -> str:
        """An ISO 4217 code, in upper case. Raises MalformedResponse where it is absent or unknown."""
        code = self.need(name).upper()
        try:
            Money(0, code)
        except ValueError as error:
            raise self.fault(name, f"cannot be read: {error}") from None
        return code


def summable(amount: Money) -> Money:
    """Return an amount that a provider states. Raises ValueError beyond 20 digits, so that any sum is still money."""
    if abs(amount.minor) >= _LARGEST:
        raise ValueError("no provider counts in numbers of more than 20 digits")
    return amount


def readable(text: str) -> str:
    """Replace half a surrogate pair, which JSON can spell and no text can hold, by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def period_of(start: datetime | None, end: datetime | None) -> Period | None:
    """A period from two instants; None where one is absent or where they do not span any time."""
    return Period(start, end) if start is not None and end is not None and start < end else None


def span(periods: list[Period | None]) -> Period | None:
    """The period from the first start to the last end; None where no line has one."""
    known = [period for period in periods if period is not None]
    return Period(min(p.start for p in known), max(p.end for p in known)) if known else None


def build(provider: str, **fields: Any) -> Invoice:
    """Make an invoice of what was read. Raises MalformedResponse where the parts contradict each other."""
    try:
        return Invoice(provider=provider, **fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MalformedResponse(f"the invoice cannot be read: {where} {first['msg']}", provider=provider) from None


def decode(provider: str, payload: Any) -> Invoice:
    """Read a provider's invoice: its JSON as bytes or text, a mapping, or an object of the official SDK.

    What the payload does not say is None. `lines_complete` is False where the payload holds only the first page of
    lines. Raises MalformedResponse for money or an id that cannot be read, ConfigurationError for an unknown provider.
    """
    declared = providers.get(provider)
    return declared.parse(_mapping(declared, payload))


class _Watched(Mapping[str, Any]):
    """A JSON object that notes which of its leaves are read, by shape: "lines.data[].amount"."""

    def __init__(self, data: Mapping[str, Any], read: set[str], at: str = "") -> None:
        self._data, self._read, self._at = data, read, at

    def __getitem__(self, name: str) -> Any:
        return self._watch(self._data[name], f"{self._at}.{name}" if self._at else name)

    def _watch(self, value: Any, at: str) -> Any:
        if isinstance(value, Mapping):
            return _Watched(value, self._read, at)
        if isinstance(value, list | tuple):
            return [self._watch(item, f"{at}[]") for item in value]
        self._read.add(at)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


def unmapped(invoice: Invoice) -> tuple[str, ...]:
    """List what the provider's own JSON says and no neutral field carries: shapes like "lines.data[].discountable".

    Computed by reading `raw` again and noting what is looked at; null, empty and zero-length values are left out.
    Provider facts that the neutral invoice derives from several fields count as carried.
    """
    if invoice.raw is None:
        return ()
    read: set[str] = set()
    providers.get(invoice.provider).parse(_Watched(invoice.raw, read))
    return tuple(sorted(set(_said(invoice.raw)) - read))


def _said(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _said(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _said(inner, f"{at}[]")
    elif value is not None and value != "":
        yield at


def _mapping(provider: Provider, payload: Any) -> Mapping[str, Any]:
    if isinstance(payload, bytes | bytearray | str):
        try:
            payload = loads(bytes(payload) if isinstance(payload, bytearray) else payload)
        except ValueError as error:
            raise MalformedResponse(f"not JSON: {error}", provider=provider.name) from None
    for name in ("to_dict", "raw_data", "model_dump"):
        if not isinstance(payload, Mapping) and hasattr(payload, name):
            found = getattr(payload, name)
            payload = found(by_alias=True) if name == "model_dump" else found() if callable(found) else found
    if not isinstance(payload, Mapping):
        raise MalformedResponse(f"an invoice is a JSON object, not {type(payload).__name__}", provider=provider.name)
    try:
        # an invoice keeps it, and must be able to write it again, and to be read as the same
        exact: Mapping[str, Any] = loads(dumps(_exact(payload, provider)))
    except (RecursionError, TypeError, ValueError) as error:
        raise MalformedResponse(f"this is not JSON: {error}", provider=provider.name) from None
    return exact


def _exact(value: Any, provider: Provider) -> Any:
    """Replace the floats of an already parsed payload by the decimals that were written, where that is certain."""
    if isinstance(value, Mapping):
        return {name: _exact(inner, provider) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(inner, provider) for inner in value]
    if isinstance(value, float):
        number = Decimal(repr(value))
        if not number.is_finite() or len(number.as_tuple().digits) > _EXACT_FLOAT_DIGITS:
            raise MalformedResponse(
                f"{value!r} is a float of more than {_EXACT_FLOAT_DIGITS} digits: "
                "decode the bytes of the answer instead",
                provider=provider.name,
            )
        return number
    if isinstance(value, datetime):
        return value.isoformat()
    return value
