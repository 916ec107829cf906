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
import re
from collections.abc import Iterator
from typing import Any, AnyStr, Final, NoReturn

__all__ = ["ApiKey"]

SHORTEST: Final = 12
"""A key of fewer characters is not looked for. The emulators' keys have 14 and more, real ones 25 and more."""
_SHOWN: Final = "[api key]"
_ESCAPED: Final = re.compile(
    rb"%(?:25){0,3}([0-9a-fA-F]{2})"
    rb"|\\{1,4}u00([0-9a-fA-F]{2})"
    rb"|&#[xX]0{0,4}([0-9a-fA-F]{2});"
    rb"|&#0{0,4}([0-9]{2,3});"
    rb"|(&(?:amp|lt|gt|quot|apos);)"
    rb"|\\{1,4}([^\w\s])"
)
_ONE_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")


class ApiKey:
    """A key that no repr shows and that cannot be pickled. `text` is the key itself."""

    __slots__ = ("_in_base64", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._in_base64 = tuple(_in_base64(text.encode()))

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
        plain = _ESCAPED.sub(_unescaped, content)
        if plain != content and (found := list(self._said(plain))):
            origins = _origins(content)
            spans += [(origins[start], origins[end]) for start, end in found]
        return sorted(spans)

    def _said(self, content: bytes) -> Iterator[tuple[int, int]]:
        """Where a body says the key: from, to."""
        yield from _all(content, self.text.encode())
        one_alphabet = content.translate(_ONE_ALPHABET)
        for core in self._in_base64:
            yield from _all(one_alphabet, core)


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


def _unescaped(found: re.Match[bytes]) -> bytes:
    percent, of_json, of_html, number, name, character = found.groups()
    if name or character:
        return html.unescape(name.decode()).encode() if name else character or b""
    value = int(number) if number else int(percent or of_json or of_html, 16)
    return bytes([value]) if value < 256 else found[0]


def _origins(content: bytes) -> list[int]:
    """Where each byte of a body without its escapes stood in the body; the last one is its end."""
    origins: list[int] = []
    at = 0
    for found in _ESCAPED.finditer(content):
        origins += range(at, found.start())
        origins += [found.start()] * len(_unescaped(found))
        at = found.end()
    return [*origins, *range(at, len(content) + 1)]
