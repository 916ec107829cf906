"""Read a provider's invoice from any form, and list the fields that the neutral one does not carry.

Rules of this file: nothing here knows a provider; its own `parse` does the reading. A number is exact, or is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from invoice_bridge import providers
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.exact import dumps, loads, loads_bounded
from invoice_bridge.core.model import Invoice

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Provider


def decode(provider: str, payload: Any) -> Invoice:
    """Read a provider's invoice: its JSON as bytes or text, a mapping, or an object of the official SDK.

    A field that is absent or cannot be read is None; `problems` lists the unreadable ones, including inexact amounts
    and a currency that is absent or unknown. `lines_complete` is False if the JSON has only the first page of lines, or
    if a line was omitted because its amount cannot be read. Raises MalformedResponse without an id, for an object that
    states that it is not an invoice, and for JSON larger than an answer may be (see exact.loads_bounded);
    ConfigurationError for an unknown provider.
    """
    declared = providers.get(provider)
    inexact: set[str] = set()
    data = _mapping(declared, payload, inexact)
    if not inexact:
        return declared.parse(data)
    from invoice_bridge.adapter.view import View

    return declared.parse(View(data, set(), inexact=inexact))


def unmapped(invoice: Invoice) -> tuple[str, ...]:
    """List what the provider's JSON states and no neutral field carries: shapes like "lines.data[].discountable".

    It reads `raw` again and records which fields are read, without settings: a custom field that a setting names is
    listed. Null and empty values are omitted. Facts that the neutral invoice derives from several fields count as
    carried; those in `problems` do not.
    """
    if invoice.raw is None:
        return ()
    from invoice_bridge.adapter.view import View

    read: set[str] = set()
    view = View(invoice.raw, read)
    providers.get(invoice.provider).parse(view)
    for problem in invoice.problems:
        view.leave(problem.path)
    return tuple(sorted({_shape(path) for path in set(_stated(invoice.raw)) - read}))


def _shape(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _stated(value: Any, at: str = "") -> Iterator[str]:
    """Yield the path of every leaf with a value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _stated(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _stated(inner, f"{at}[{place}]")
    elif value is not None and value != "":
        yield at


def _mapping(provider: Provider, payload: Any, inexact: set[str]) -> Mapping[str, Any]:
    """Return the input as exact JSON. Floats with uncertain digits stay as they are printed, and are in `inexact`."""
    if isinstance(payload, bytes | bytearray | str):
        try:
            read = loads_bounded(bytes(payload) if isinstance(payload, bytearray) else payload)
        except ValueError as error:
            raise MalformedResponse(f"not JSON: {error}", provider=provider.name) from None
        if type(read) is dict:
            return read  # exact already, and `dumps` can write all that `loads` reads
        payload = read
    for name in ("to_dict", "raw_data", "model_dump", "values"):  # the last: chargebee before 3
        if not isinstance(payload, Mapping) and hasattr(payload, name):
            found = getattr(payload, name)
            payload = found(by_alias=True) if name == "model_dump" else found() if callable(found) else found
    if not isinstance(payload, Mapping):
        raise MalformedResponse(f"an invoice is a JSON object, not {type(payload).__name__}", provider=provider.name)
    try:
        # an invoice stores it, so it must be writable and read back as the same
        exact: Mapping[str, Any] = loads(dumps(_exact(payload, provider, inexact)))
    except (RecursionError, TypeError, ValueError) as error:
        raise MalformedResponse(f"this is not JSON: {error}", provider=provider.name) from None
    return exact


def _exact(value: Any, provider: Provider, inexact: set[str], at: str = "") -> Any:
    """Replace the floats of parsed JSON by the decimals that were written; `inexact` lists the uncertain ones."""
    if isinstance(value, Mapping):
        return {
            name: _exact(inner, provider, inexact, f"{at}.{name}" if at else str(name)) for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_exact(inner, provider, inexact, f"{at}[{place}]") for place, inner in enumerate(value)]
    if isinstance(value, float):
        from invoice_bridge.adapter.reading import EXACT_FLOAT_DIGITS

        number = Decimal(repr(value))
        if not number.is_finite():
            raise MalformedResponse(f"{at} is {value!r}, which is no number in JSON", provider=provider.name)
        if len(number.as_tuple().digits) > EXACT_FLOAT_DIGITS:
            inexact.add(at)
        return number
    if isinstance(value, datetime):
        return value.isoformat()
    return value
