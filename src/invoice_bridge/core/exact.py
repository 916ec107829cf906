"""Exact JSON: a number with decimals becomes a Decimal and is written as it was; never a float."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

LARGEST = 4_000_000
"""Bytes of an answer or an event, as it comes and decompressed: a page of 100 invoices of 40 kB each."""
_MOST_VALUES = 120_000
_MOST_CONTAINERS = 30_000
"""In JSON of another machine. Recorded answers have a value in 19 bytes, Stripe's blanks left out, and a list or an
object in 170: a page of 2 MB has 105,000 and 12,000."""
_DEEPEST = 100
_MOST_DIGITS = 400
_NO_SIGNS = bytes(set(range(256)) - set(b"[]{},"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_TOO_DEEP = f"nested more than {_DEEPEST} deep"


# ── exact JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────
def loads(content: bytes | str) -> Any:
    """Read JSON exactly: numbers with decimals become Decimal, never a float; 1e2 is the integer 100.

    What is read is what `dumps` writes again. Raises ValueError for torn or deeply nested text, NaN, Infinity, and
    numbers too large to be meant.
    """
    if _count(content, "[") + _count(content, "{") <= _DEEPEST:
        return _loads(content, None)
    return _loads(content, _signs(content))


def _loads(content: bytes | str, signs: bytes | None) -> Any:
    """Read JSON whose `signs` are these; None where it has too few brackets to be nested too deep."""
    value = _fast(content)
    try:
        if value is _NOT_READ:
            value = _DECODER.decode(content.decode("utf-8") if isinstance(content, bytes) else content)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if signs is not None and _may_be_deep(signs) and _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def _fast(content: bytes | str) -> Any:
    """Parse with msgspec if it is installed (the extra `fast`).

    The standard library decides on content that msgspec refuses, such as half a surrogate pair.
    """
    if _decoders is None:
        _find_decoder()
    try:
        for decode in _decoders or ():
            return decode(content)
    except _refusals:
        pass
    return _NOT_READ


def _find_decoder() -> None:
    global _decoders, _refusals  # noqa: PLW0603 - found once, when the first JSON is read and not when this is imported
    try:
        from msgspec import MsgspecError
        from msgspec.json import Decoder
    except ImportError:
        _decoders = ()
    else:
        _refusals = (*_refusals, MsgspecError)  # a ValueError in newer versions only: not in 0.20
        _decoders = (Decoder(float_hook=_number).decode,)


def loads_bounded(content: bytes | str) -> Any:
    """Read JSON that another machine said, as `loads` does. Raises ValueError for more than reading may cost.

    Commas and brackets are counted before anything is made of them, those inside texts among them: a value of two bytes
    can take a hundred in memory, and a line of an invoice some thousand.
    """
    if len(content) > LARGEST:
        raise ValueError(f"longer than {LARGEST} bytes")
    if len(content) <= _MOST_CONTAINERS:
        return loads(content)  # too short to have more of anything
    signs = _signs(content)
    containers = signs.count(b"[") + signs.count(b"{")
    if containers > _MOST_CONTAINERS:
        raise ValueError(f"more than {_MOST_CONTAINERS} lists and objects")
    if containers + signs.count(b",") > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES} values")
    return _loads(content, signs if containers > _DEEPEST else None)


def _signs(content: bytes | str) -> bytes:
    """Return only the brackets and commas, also those inside texts: one pass costs a fifth of the parsing."""
    text = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return text.translate(None, _NO_SIGNS)


def _count(content: bytes | str, sign: str) -> int:
    return content.count(sign) if isinstance(content, str) else content.count(sign.encode())


def _may_be_deep(signs: bytes) -> bool:
    """Return whether the brackets alone, those inside texts among them, leave it open that some are nested too deep.

    The innermost pairs are taken out, once for each level: a tenth of the time of looking at every value.
    """
    brackets = signs.translate(_ONE_KIND, b",")
    for _ in range(_DEEPEST):
        if not brackets:
            return False
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            return True  # a bracket inside a text
        brackets = shorter
    return bool(brackets)


def _is_deep(value: Any) -> bool:
    """Return whether containers stand more than _DEEPEST in one another: what is read must be writable again."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(inner, dict | list) for inner in level)


def decimal(text: str | int | Decimal) -> Decimal:
    """Read a number exactly. Raises ValueError for what is none, is not finite, or is too large or small to be meant.

    That is beyond 400 digits on either side of the point: a few characters could otherwise be written out as gigabytes.
    """
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"the number {str(text)[:40]} is out of range")
    return value


def _number(text: str) -> Decimal | int:
    if len(text) < _MOST_DIGITS and "e" not in text and "E" not in text:
        return Decimal(text)  # with a point, as it is no whole number, and too short to be out of range
    value = decimal(text)
    return value if int(value.as_tuple().exponent) < 0 else int(value)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_NOT_READ: Any = object()
_decoders: tuple[Callable[[bytes | str], Any], ...] | None = None
_refusals: tuple[type[Exception], ...] = (ValueError, RecursionError)
_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_refuse)


def dumps(value: Any) -> bytes:
    """Write JSON exactly and always the same: no spaces, keys in the order given, Decimals in plain digits.

    Half a surrogate pair, which is no text, is written as the escape it came from. Raises TypeError for a float: it
    would not be the number that was meant. Raises ValueError for what `loads` would not read again.
    """
    return _write(value, 0).encode("utf-8", "backslashreplace")


def _write(value: Any, depth: int) -> str:
    kind = type(value)  # of most values; what _write_other checks takes longer
    if kind is str:
        return encode_basestring(value)
    if kind is dict and depth < _DEEPEST:
        pairs = []
        for name, inner in value.items():
            kind = type(inner)
            text = encode_basestring(inner) if kind is str else str(inner) if kind is int else _write(inner, depth + 1)
            pairs.append(f"{encode_basestring(name if type(name) is str else str(name))}:{text}")
        return "{" + ",".join(pairs) + "}"
    if kind is list and depth < _DEEPEST:
        return "[" + ",".join([_write(item, depth + 1) for item in value]) + "]"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    return str(value) if kind is int else _write_other(value, depth)


def _write_other(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return encode_basestring(str(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is not JSON")
        return f"{decimal(value):f}"
    if isinstance(value, Mapping | list | tuple) and depth == _DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, Mapping):
        return _write(dict(value.items()), depth)
    if isinstance(value, list | tuple):
        return _write(list(value), depth)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON exactly: {value!r}")
