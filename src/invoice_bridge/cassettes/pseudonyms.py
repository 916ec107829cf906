"""What stands in the place of what was taken out: fixed words, and pseudonyms that stay the same.

A pseudonym is a keyed hash, and the key is part of this library: the same person is the same pseudonym in every
recording, on every machine. Whoever can guess an e-mail address can therefore test the guess. It hides who was billed
from a reader of a repository; it is no protection against somebody who looks for one person.
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
    """Say what stands in the place of a text; what is already in the form of a pseudonym stays."""
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
    """An id with the same beginning, and the same length where that leaves ten characters to tell ids apart by.

    Its last five characters are a check of the others: so is a pseudonym told from an id, once and for all.
    """
    begins, under, rest = text.rpartition("_")
    begins += under
    size = max(len(rest), 2 * _CHECK) - _CHECK
    if len(rest) >= 2 * _CHECK and rest[-_CHECK:] == _digits(f"check:{begins}", rest[:-_CHECK], _CHECK):
        return text
    made = _digits(f"id:{begins}", rest, size)
    return begins + made + _digits(f"check:{begins}", made, _CHECK)


def _digits(kind: str, text: str, size: int) -> str:
    number, made = int(_hash(kind, text), 16), ""
    while len(made) < size:
        number, place = divmod(number, 36) if number else divmod(int(_hash(kind, text + made), 16), 36)
        made += _DIGITS[place]
    return made
