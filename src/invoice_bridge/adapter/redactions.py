"""Rows that redact recordings of a provider, each with a place and a replacement.

Rules of this file: data types alone. The rows are each provider's own (tables.py); `cassettes.redaction` applies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """The kind of place of a row."""

    HEADER = "header"
    """A header of that name."""
    QUERY = "query"
    """A parameter of an address; every FIELD row applies there too."""
    FIELD = "field"
    """A field of a form or of JSON, at any depth. "customer.name" holds only inside `customer`."""
    PATH = "path"
    """A part of an address' path: the first group of a pattern."""
    KEY = "key"
    """The shape of a credential, as a pattern: whole words of it are replaced in headers and in texts."""
    ID = "id"
    """The prefix of a kind of id, such as "cus_"; replaced only if ids become pseudonyms."""


class Becomes(StrEnum):
    """The replacement of a value."""

    SECRET = "secret"  # noqa: S105 - a kind, no secret
    """The same fixed word for all; a header is left out."""
    LINK = "link"
    """The same fixed address for all."""
    EMAIL = "email"
    """The same address for the same value."""
    NAME = "name"
    """The same name for the same value."""
    MASK = "mask"
    """Every letter an X and every digit a 0."""
    ID = "id"
    """An id with the same prefix and length; only if ids become pseudonyms."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """One place whose value must not be in a recording.

    `beside`: applies only if the same object has a field of that name too. Upper and lower case are the same in names.
    """

    where: Where
    name: str
    source: str
    becomes: Becomes = Becomes.SECRET
    beside: str = ""


def hidden(becomes: Becomes, source: str, *names: str, where: Where = Where.FIELD) -> tuple[Redaction, ...]:
    """Make rows with the same kind and source, one for each name."""
    return tuple(Redaction(where, name, source, becomes) for name in names)
