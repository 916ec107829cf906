"""The values in a text of JSON, a form or an address, each with its names and its exact span.

Rules of this file: an edit replaces a value at its own span and never writes the whole document again, so numbers, key
order, spaces and escapes stay unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes


class Edit(NamedTuple):
    """The replacement of the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """One value. `names` is its path without indices; `beside` are all names of the object that contains it."""

    names: tuple[str, ...]
    text: str
    start: int
    end: int
    beside: set[str] = field(default_factory=set)
    is_text: bool = True
    spell: Callable[[str], str] = str
    widths: Callable[[], Iterable[int]] | None = None
    """The number of characters in the document for each character of `text`; None if it is one each."""

    def whole(self, text: str) -> Edit:
        """Return the edit that replaces the whole value."""
        return Edit(self.start, self.end, self.spell(text))

    def within(self, edits: Iterable[Edit]) -> Iterator[Edit]:
        """Convert edits of `text` to edits of the document."""
        inner = list(edits)
        if not inner:
            return
        offsets = [self.start]
        for width in self.widths() if self.widths else (1 for _ in self.text):
            offsets.append(offsets[-1] + width)
        for edit in inner:
            yield Edit(offsets[edit.start], offsets[edit.end], self.spell(edit.text))


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Apply the edits. Of two that overlap, apply the one that begins first, or else the longer one."""
    parts: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start >= done and edit.end > edit.start:
            parts += [text[done : edit.start], edit.text]
            done = edit.end
    return "".join(parts) + text[done:]


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)


def of_json(text: str) -> list[Value]:
    """List the strings and numbers in JSON. Raises ValueError if the text is not JSON."""
    try:
        json.loads(text, parse_int=str, parse_float=str, strict=False)
    except RecursionError:
        raise ValueError("nested too deep to be read") from None
    values: list[Value] = []
    names: list[str] = []  # the last name in each open object
    opened: list[set[str] | None] = []  # the names of each open object; None for an array
    awaits_name = False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in "{[":
            opened.append(set() if word == "{" else None)
            awaits_name = word == "{"
            if word == "{":
                names.append("")
        elif word in "}]":
            if opened.pop() is not None:
                names.pop()
            awaits_name = False
        elif word == ",":
            awaits_name = opened[-1] is not None
        elif awaits_name:
            names[-1], awaits_name = _unquoted(word).lower(), False
            _innermost(opened).add(names[-1])
        elif word not in {":", "true", "false", "null"}:
            values.append(_json_value(token, tuple(names), _innermost(opened)))
    return values


def _innermost(opened: list[set[str] | None]) -> set[str]:
    """Return the names of the object that contains a value; an empty set for an item of an array or a lone value."""
    inside = opened[-1] if opened else None
    return set() if inside is None else inside


def _unquoted(word: str) -> str:
    """Return the content of a JSON string; most have no escapes."""
    text: str = json.loads(word, strict=False) if "\\" in word else word[1:-1]
    return text


def _json_value(token: re.Match[str], names: tuple[str, ...], beside: set[str]) -> Value:
    word = token[0]
    if not word.startswith('"'):
        return Value(names, word, token.start(), token.end(), beside, is_text=False)
    raw = word[1:-1]
    return Value(
        names,
        _unquoted(word),
        token.start() + 1,
        token.end() - 1,
        beside,
        spell=lambda text: json.dumps(text)[1:-1],
        widths=lambda: (len(match[0]) for match in _CHARACTER.finditer(raw)),
    )


# ── forms and queries ────────────────────────────────────────────────────────────────────────────────────────────────
_ENCODED = re.compile(r"(?:%[0-9a-fA-F]{2})+|.", re.DOTALL)


def of_form(text: str, start: int = 0) -> list[Value]:
    """List the values of a form or query that begins at `start`; a[b][0][c] has the names a, b, c."""
    groups: dict[tuple[str, ...], set[str]] = {}
    values: list[Value] = []
    position = start
    for pair in text.split("&"):
        name, sign, value = pair.partition("=")
        names = tuple(
            word.lower() for word in re.findall(r"[^\[\]]+", _decoded(name, plus=True)) if not word.isdecimal()
        )
        beside = groups.setdefault(names[:-1], set())
        beside.update(names[-1:])
        if value:
            begin = position + len(name) + len(sign)
            values.append(encoded(value, begin, names, beside, plus=True))
        position += len(pair) + 1
    return values


def encoded(
    raw: str, start: int, names: tuple[str, ...] = (), beside: set[str] | None = None, *, plus: bool = False
) -> Value:
    """Read one percent-encoded value; `plus` reads + as a space."""
    spell = partial(quote, safe="@" if not plus else "")
    return Value(
        names,
        _decoded(raw, plus=plus),
        start,
        start + len(raw),
        set() if beside is None else beside,
        spell=spell if not plus else lambda text: spell(text.replace(" ", "\0")).replace("%00", "+"),
        widths=lambda: (width for _, width in _characters(raw)),
    )


def _decoded(raw: str, *, plus: bool) -> str:
    text = "".join(character for character, _ in _characters(raw))
    if not plus or "+" not in raw:
        return text
    return "".join(" " if width == 1 and character == "+" else character for character, width in _characters(raw))


def _characters(raw: str) -> Iterator[tuple[str, int]]:
    """Yield each decoded character and its width in `raw`. Bytes that are not UTF-8 are read as Latin-1."""
    for match in _ENCODED.finditer(raw):
        if len(match[0]) == 1:
            yield match[0], 1
            continue
        content = unquote_to_bytes(match[0])
        try:
            yield from ((character, 3 * len(character.encode())) for character in content.decode("utf-8"))
        except UnicodeDecodeError:
            yield from ((character, 3) for character in content.decode("latin-1"))


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────
_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://(?:(?P<user>[^/?#\s]*)@)?[^/?#\s]*)?(?P<path>[^?#\s]*)(?:\?(?P<query>[^#\s]*))?(?:#(?P<rest>\S*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address that may contain a secret; user and path are None if the address has none."""

    user: Value | None
    path: Value | None
    values: tuple[Value, ...]


def of_address(text: str) -> Address:
    """Split a URL, or the part of a URL from its path on; `path` stays encoded."""
    match = _ADDRESS.match(text)
    if match is None:  # the pattern matches the empty text
        raise AssertionError(text)
    values = [
        value
        for part in ("query", "rest")
        if match[part] and "=" in match[part]
        for value in of_form(match[part], match.start(part))
    ]
    user, path = (
        Value((), match[part], match.start(part), match.end(part)) if match[part] else None for part in ("user", "path")
    )
    return Address(user, path, tuple(values))
