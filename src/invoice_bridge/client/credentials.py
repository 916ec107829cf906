"""An API key, and its spellings: what shows it, what repeats it, and what is done about that.

A provider, or a proxy before it, may repeat the key in an answer: in a message, a page, a header, an address. Whatever
comes back is cleared of it before anything else reads it, bodies of successes included. So nothing that is made of an
answer (an invoice, an error, a log record, a journal) can hold the key, however it is printed or stored.

Found are the key as it is, percent-encoded (once or more often), as JSON or HTML escape it, and in base64 of either
alphabet wherever it begins, thus also as the token of Basic. Not found are a part of the key, and any other code of it
(a digest, hex, base64 broken into lines, a compressed file). A key of fewer than 12 characters is left alone, since it
would hit innocent words; a longer one is found inside a longer word too.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Any, AnyStr, Final, NoReturn
from urllib.parse import quote

__all__ = ["ApiKey"]

SHORTEST: Final = 12
"""A key of fewer characters is not looked for. The emulators' keys have 14 and more, real ones 25 and more."""
_SHOWN: Final = "[api key]"
_ESCAPED: Final = re.compile(
    rb"(%(?:25){0,3}[0-9a-fA-F]{2}"
    rb"|\\\\{0,3}(?:u00[0-9a-fA-F]{2}|[^\w\s])"
    rb"|&(?:#[xX]0{0,4}[0-9a-fA-F]{2}|#0{0,4}[0-9]{2,3}|amp|lt|gt|quot|apos);)"
)
"""Each begins with a character, not with a repeat, so that the search runs over everything else at once."""
_LONGEST_ESCAPE: Final = 10  # as in &#x000041;
_STARTS: Final = (b"%", b"\\", b"&")
"""The characters that an escape begins with. Few bodies have many of them, and bytes.find passes over the rest."""
_ONE_START: Final = bytes.maketrans(b"".join(_STARTS), _STARTS[0] * len(_STARTS))
_STRIDE: Final = 64
"""Bytes after the start of an escape in which no other one is looked for: they are taken apart together with it."""
_WINDOW: Final = 1 << 16
"""Bytes whose escapes are taken apart at once: each takes some fifty bytes of memory meanwhile."""
_ONE_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")


class ApiKey:
    """A key that no repr shows and that cannot be pickled. `text` is the key itself."""

    __slots__ = ("_in_base64", "_longest", "_overlap", "_plain", "_step", "_written", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        doubled = text.replace("\\", "\\\\")  # before a sign, two backslashes of JSON look as an escape of that sign
        self._written = tuple({one.encode() for one in (text, doubled, doubled.replace("\\", "\\\\"))})
        self._in_base64 = tuple(_in_base64(text.encode()))
        # a key that has itself what looks like an escape comes out of its spellings as something else
        self._plain = {b"".join(_taken_apart(one.encode())[1]) for one in _spellings(text)}.difference(self._written)
        self._longest = max(map(len, (*self._written, *self._in_base64, *self._plain)))
        self._overlap = _LONGEST_ESCAPE * max(len(text), *map(len, self._in_base64))
        self._step = max(_WINDOW, 4 * self._overlap)

    def __repr__(self) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is neither pickled nor copied")

    def conceal(self, said: AnyStr) -> AnyStr:
        """Put "[api key]" wherever a text or a body says the key."""
        found = self.places(said)
        if not found:
            return said
        whole: Any = said
        shown = _SHOWN if isinstance(said, str) else _SHOWN.encode()
        pieces: list[Any] = []
        at = 0
        for start, end in found:
            if start >= at:
                pieces += [whole[at:start], shown]
            at = max(at, end)
        concealed: AnyStr = whole[:0].join([*pieces, whole[at:]])
        return concealed

    def is_in(self, text: str) -> bool:
        """Whether a text says the key."""
        return bool(self.places(text))

    def places(self, said: str | bytes) -> list[tuple[int, int]]:
        """Say where a text or a body says the key, from and to, in order."""
        if len(self.text) < SHORTEST:
            return []
        # a byte for each character: what has no byte is no part of a key
        content = said.encode("latin-1", "replace") if isinstance(said, str) else said
        spans = list(self._said(content))
        overlap, step = self._overlap, self._step
        for first, last in _near_escapes(content, self._longest):
            for at in range(first, last, step):
                part = content[at : min(at + step + overlap, last)]
                spans += ((at + start, at + end) for start, end in self._escaped(part))
        return sorted(spans)

    def _escaped(self, content: bytes) -> Iterator[tuple[int, int]]:
        """Where a body says the key with escapes in it: from, to."""
        written, meant = _taken_apart(content)
        if len(written) == 1:
            return
        whole = b"".join(meant)
        found = [*self._said(whole), *(place for plain in self._plain for place in _all(whole, plain))]
        if not found:
            return
        ends, ends_meant = list(accumulate(map(len, written))), list(accumulate(map(len, meant)))

        def origin(place: int) -> int:
            part = bisect_right(ends_meant, place)
            if part == len(ends):
                return len(content)
            is_escape = part % 2
            return ends[part] - (len(written[part]) if is_escape else ends_meant[part] - place)

        yield from ((origin(start), origin(end)) for start, end in found)

    def _said(self, content: bytes) -> Iterator[tuple[int, int]]:
        """Where a body says the key: from, to."""
        for written in self._written:
            if written in content:
                yield from _all(content, written)
        one_alphabet = content.translate(_ONE_ALPHABET)
        for core in self._in_base64:
            if core in one_alphabet:
                yield from _all(one_alphabet, core)


def _spellings(key: str) -> Iterator[str]:
    """Yield a key as it is, in JSON once and twice (slashes bare and escaped), in HTML and percent-encoded."""
    in_json = json.dumps(key)[1:-1]
    slashed = in_json.replace("/", r"\/")
    yield from (key, in_json, slashed, json.dumps(in_json)[1:-1], json.dumps(slashed)[1:-1], html.escape(key))
    yield from (quote(key), quote(key, safe=""), quote(quote(key, safe=""), safe=""))


def _taken_apart(content: bytes) -> tuple[list[bytes], list[bytes]]:
    """Split a body into the text between escapes and each escape, by turns: as it is written, and without escapes."""
    written = _ESCAPED.split(content)
    meant = written.copy()
    meant[1::2] = map(_unescaped, written[1::2])
    return written, meant


def _near_escapes(content: bytes, margin: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a body that have escapes, from and to, with `margin` bytes of the text around them.

    A key that is spelled with an escape begins and ends within them, and no escape is cut: one begins with a character
    of _STARTS, and within the bytes at the edges of a part there is none.
    """
    signs = [sign for sign in _STARTS if sign in content]
    if not signs:
        return
    if len(signs) > 1:  # one sign for all of them
        content = content.translate(_ONE_START)
    after, sign = margin + _LONGEST_ESCAPE, signs[0] if len(signs) == 1 else _STARTS[0]
    first = at = content.find(sign)
    while at >= 0:
        end = at + _STRIDE
        at = content.find(sign, end)
        if at < 0 or at - end > margin + after:
            yield max(first - margin, 0), min(end + after, len(content))
            first = at


def _all(content: bytes, sought: bytes) -> Iterator[tuple[int, int]]:
    start = content.find(sought)
    while start >= 0:
        yield start, start + len(sought)
        start = content.find(sought, start + len(sought))


def _in_base64(key: bytes) -> Iterator[bytes]:
    """Spell a key in base64 for each of the three places in a group where it may begin.

    Only characters that the key alone decides: what it shares with its neighbours holds 4 of its bits at most.
    """
    for before in range(3):
        whole = base64.b64encode(bytes(before) + key)
        yield whole[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]


@cache  # there are some thousand escapes, and a hostile body is made of them
def _unescaped(escape: bytes) -> bytes:
    if escape.startswith(b"&") and not escape.startswith(b"&#"):
        return html.unescape(escape.decode()).encode()
    if escape.startswith(b"\\") and b"u" not in escape:
        return escape[-1:]
    number = escape.strip(b"&#;")
    value = int(number) if number.isdigit() and number != escape else int(escape.rstrip(b";")[-2:], 16)
    return bytes([value]) if value < 256 else escape
