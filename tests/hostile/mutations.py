"""Real documents made hostile: a value, a name or a spelling changed somewhere, by a given source of chance.

An input is bytes. Where it has several parts, NUL stands between them, which no JSON document contains.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any


class Spelling(str):
    """JSON as it is written: a number keeps its digits, and nonsense stays nonsense."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object as its pairs in order: a name may come twice."""


_DEEP = 60
_NUMBERS = """
    0 -0 1 -1 -0.0 0.5 19.99 1e2 1E+2 1e-2 2.0 1e400 1e401 1e-400 1e-401 1e999999 -1e999999 1e-999999 0e999999
    1e9999999999999999999 9007199254740993 9223372036854775808 -9223372036854775809 999999999999999999999999
    1000000000000000000000000 999999999999999999999999999999 1000000000000000000000000000000 253402300799 253402300800
    -62135596801 NaN Infinity -Infinity 01 1. .5 0x10
"""
_TEXTS = (
    "",
    " ",
    "0",
    "-0",
    "1e99",
    "1e999999",
    "1e99999999",
    "-1e-99999999",
    "1e9999999999999999999",
    "0e99999999",
    "NaN",
    "sNaN123",
    "-Infinity",
    "1_000",
    "٣",
    "1.0",
    "9" * 5000,
    "0." + "0" * 300 + "1",
    "\ud800",
    "\udc00\ud800",
    "\x00",
    "\ufeff",
    "\x1b[2J",
    "a\nb",
    "ß",
    "\u0131",
    "eur",
    "JPY",
    "KWD",
    "inv_",
    "x" * 300,
    "9999-12-31T23:59:59.999999-14:00",
    "0001-01-01T00:00:00+14:00",
    "2026-05-01",
    "2026-05-01T00:00:00",
    "2026-W18-5",
    "20260501T000000Z",
    "http://[",
    "https://api.chargeapi.co/v1/\n",
)
FRAGMENTS = (
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "[{}]",
    '{"":null}',
    '{"id":1}',
    "[" * _DEEP + "]" * _DEEP,
    '{"a":' * _DEEP + "1" + "}" * _DEEP,
    "[" * 3000 + "]" * 3000,
    "9" * 31,
    "9" * 4300,
    "9" * 4301,
    "1." + "0" * 300 + "1",
    *_NUMBERS.split(),
    *(json.dumps(text) for text in _TEXTS),
)
"""What may stand in the place of a value of a JSON document."""

TOML_FRAGMENTS = (
    "nan",
    "-inf",
    "1e999999",
    "1e9999999999999999999",
    "1e99999999",
    "-0.0",
    "9" * 4300,
    "9" * 4301,
    "0x" + "f" * 4000,
    "0.1",
    "true",
    '""',
    "''",
    '"\\u0000"',
    '"\\u001b[2J"',
    '"""a\nb"""',
    "[]",
    "{}",
    "[[]]",
    "{ a = { b = 1 } }",
    "[" * _DEEP + "]" * _DEEP,
    "[" * 3000 + "]" * 3000,
    "1979-05-27",
    "07:32:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "2026-05-01T00:00:00",
    '"' + "x" * 300 + '"',
    '"http://["',
    '"1e9 EUR"',
    '"0.001 EUR"',
    '"' + "9" * 30 + ' EUR"',
    '"' + "9" * 5000 + ' EUR"',
    "{ minor = 1, currency = 1 }",
    "{ minor = 1.5, currency = 'EUR' }",
    f"{{ minor = {'9' * 40}, currency = 'EUR' }}",
)

TOML_NAMES = (
    '""',
    "'a b'",
    '"a\\nb"',
    '"\\u001b[2J"',
    "a.b",
    "a" + ".a" * 500,
    "stripe",
    "whop",
    "api_key",
    "settings",
    "amount",
    "'\u202e'",
)


def read(text: bytes) -> Any:
    """Read a JSON document for changing; None where it is none."""
    try:
        return json.loads(
            text.decode("utf-8", "surrogatepass"),
            object_pairs_hook=Pairs,
            parse_int=Spelling,
            parse_float=Spelling,
            parse_constant=Spelling,
        )
    except (ValueError, RecursionError):
        return None


def write(value: Any) -> bytes:
    """Write it again, whatever it has become."""
    return _text(value).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    if isinstance(value, Spelling):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)


def places(root: list[Any]) -> Iterator[tuple[list[Any], int]]:
    """Every place below `root` where a value stands: its container, and its index there."""
    waiting = [root]
    while waiting:
        container = waiting.pop()
        for index in range(len(container)):
            yield container, index
            value = _at(container, index)
            if isinstance(value, list):
                waiting.append(value)


def put(container: list[Any], index: int, value: Any) -> None:
    """Put a value into a place."""
    container[index] = (container[index][0], value) if isinstance(container, Pairs) else value


def _at(container: list[Any], index: int) -> Any:
    return container[index][1] if isinstance(container, Pairs) else container[index]


# ── one change ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _replace(container: list[Any], index: int, root: list[Any], chance: random.Random) -> None:
    put(container, index, Spelling(chance.choice(FRAGMENTS)))


def _copy(container: list[Any], index: int, root: list[Any], chance: random.Random) -> None:
    other = _at(*chance.choice(list(places(root))))
    put(container, index, Spelling(_text(other)))  # as text: a list put into itself would have no end


def _remove(container: list[Any], index: int, root: list[Any], chance: random.Random) -> None:
    if container is not root:
        del container[index]


def _twice(container: list[Any], index: int, root: list[Any], chance: random.Random) -> None:
    if container is not root:
        entry = container[index]
        container.append((entry[0], Spelling(chance.choice(FRAGMENTS))) if isinstance(container, Pairs) else entry)


def _wrap(container: list[Any], index: int, root: list[Any], chance: random.Random) -> None:
    value = _at(container, index)
    put(container, index, [value] if chance.random() < 0.5 else Pairs([("object", value)]))


def _rename(container: list[Any], index: int, root: list[Any], chance: random.Random) -> None:
    if isinstance(container, Pairs):
        container[index] = (chance.choice(_TEXTS), container[index][1])


_CHANGES: tuple[Callable[[list[Any], int, list[Any], random.Random], None], ...] = (
    *(_replace, _replace, _replace, _copy, _remove, _twice, _wrap, _rename),
)
_NOISE = (
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xed\xa0\x80",
    b"\x80",
    b"{",
    b"}",
    b"[",
    b'"',
    b",",
    b"\\u",
    b"\n",
    b"\x00",
    b"=",
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change an input in a few places: where a part of it is JSON, as JSON; where it is TOML, a value; else bytes."""
    parts = data.split(b"\0")
    index = chance.randrange(len(parts))
    how = chance.random()
    tree = read(parts[index]) if how < 0.85 else None
    if isinstance(tree, list):
        root = [tree]
        for _ in range(chance.randint(1, 4)):
            _change(root, chance)
        parts[index] = write(root[0])
    elif how < 0.85 and b"=" in parts[index]:
        parts[index] = _toml(parts[index], chance)
    else:
        parts[index] = _noisy(parts[index], chance)
    return b"\0".join(parts)


def _change(root: list[Any], chance: random.Random) -> None:
    container, index = chance.choice(list(places(root)))
    chance.choice(_CHANGES)(container, index, root, chance)


def _toml(part: bytes, chance: random.Random) -> bytes:
    """Another value behind a sign of equality, or another name at the beginning of a line."""
    pattern, instead = (_VALUE, TOML_FRAGMENTS) if chance.random() < 0.7 else (_NAME, TOML_NAMES)
    found = list(pattern.finditer(part))
    if not found:
        return _noisy(part, chance)
    start, end = chance.choice(found).span(1)
    return part[:start] + chance.choice(instead).encode() + part[end:]


_VALUE = re.compile(rb"=([^\n]*)")
_NAME = re.compile(rb"^[\[ ]*([\w.-]+)", re.MULTILINE)


def _noisy(part: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(part))
    choice = chance.randrange(4)
    if choice == 0:
        return part[:at]
    if choice == 1:
        return part[:at] + chance.choice(_NOISE) + part[at:]
    if choice == 2:
        return part.decode("utf-8", "replace").encode("utf-16")
    return chance.choice(FRAGMENTS).encode() if chance.random() < 0.3 else part[:at] + part[at + 1 :]
