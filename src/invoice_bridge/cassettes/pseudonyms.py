"""The replacements for redacted text: fixed words and stable pseudonyms.

A pseudonym is a keyed hash, and the key is part of this library: the same person has the same pseudonym in every
recording, on every machine. So anybody who guesses an e-mail address can test the guess. A pseudonym hides the billed
people from a reader of a repository; it does not protect one person from somebody who looks for that person.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from invoice_bridge.adapter.redactions import Becomes

REDACTED: Final = "REDACTED"
LINK: Final = "https://redacted.invalid/"
PSEUDONYM_KEY: Final = b"invoice-bridge pseudonyms, version 1"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CHECK = 5


def pseudonym(becomes: Becomes, text: str) -> str:
    """Return the replacement for a text; a text that is already a pseudonym stays."""
    if text in {"", REDACTED}:
        return text
    match becomes:
        case Becomes.EMAIL:
            known = re.fullmatch(r"person-[0-9a-f]{12}@example\.invalid", text)
            return text if known else f"person-{_hash('email', text.strip().casefold())[:12]}@example.invalid"
        case Becomes.NAME:
            known = re.fullmatch(r"Person [0-9a-f]{12}", text)
            return text if known else f"Person {_hash('name', ' '.join(text.split()).casefold())[:12]}"
        case Becomes.MASK:
            return "".join("0" if c.isdigit() else "X" if c.isalpha() else c for c in text)
        case Becomes.ID:
            return _id(text)
        case Becomes.LINK:
            return LINK
        case Becomes.SECRET:
            return REDACTED


def _hash(kind: str, text: str) -> str:
    return hmac.digest(PSEUDONYM_KEY, f"{kind}:{text}".encode("utf-8", "surrogatepass"), "sha256").hex()


def _id(text: str) -> str:
    """Return the pseudonym of an id, with the same prefix, and with the same length if at least ten characters follow.

    The last five characters are a checksum of the others, which distinguishes a pseudonym from an id.
    """
    prefix, underscore, rest = text.rpartition("_")
    prefix += underscore
    size = max(len(rest), 2 * _CHECK) - _CHECK
    if len(rest) >= 2 * _CHECK and rest[-_CHECK:] == _digits(f"check:{prefix}", rest[:-_CHECK], _CHECK):
        return text
    body = _digits(f"id:{prefix}", rest, size)
    return prefix + body + _digits(f"check:{prefix}", body, _CHECK)


def _digits(kind: str, text: str, size: int) -> str:
    number, digits = int(_hash(kind, text), 16), ""
    while len(digits) < size:
        number, digit = divmod(number, 36) if number else divmod(int(_hash(kind, text + digits), 16), 36)
        digits += _DIGITS[digit]
    return digits
