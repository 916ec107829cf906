"""The redaction rules of a provider: its own rows and those of every provider, indexed by name and place.

Rules of this file: pure, and data first. `redaction` applies the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from invoice_bridge import providers
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.cassettes.locations import Value

_JWT = r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
EVERYWHERE: Final = (
    *hidden(
        Becomes.SECRET,
        "RFC 9110, 11.6.2 and 11.7.1; RFC 6265, 4.1 and 4.2",
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "set-cookie2"),
        where=Where.HEADER,
    ),
    *hidden(
        Becomes.SECRET,
        "owasp.org, Session Management Cheat Sheet: names of credentials in use",
        *("x-api-key", "api-key", "x-auth-token", "x-csrf-token", "x-forwarded-authorization", "x-amz-security-token"),
        where=Where.HEADER,
    ),
    *hidden(
        Becomes.SECRET,
        "RFC 6749, 2.3.1, 4.1.3, 4.3.2 and 5.1",
        *("access_token", "refresh_token", "id_token", "client_secret", "password", "api_key", "apikey", "secret"),
    ),
    *hidden(
        Becomes.SECRET,
        "RFC 6749, 4.1.2; signed addresses carry theirs as a parameter",
        *("token", "key", "code", "sig", "signature", "auth", "x-amz-signature", "x-goog-signature"),
        where=Where.QUERY,
    ),
    Redaction(Where.KEY, _JWT, "RFC 7519, 3.1"),
)
"""The rows for every provider: HTTP's own credentials."""


@dataclass(frozen=True)
class Rules:
    """The rows of a provider by place: headers, fields, parameters, paths, keys and ids."""

    headers: Mapping[str, Redaction]
    fields: Mapping[str, tuple[Redaction, ...]]
    queries: Mapping[str, tuple[Redaction, ...]]
    paths: tuple[tuple[re.Pattern[str], Redaction], ...]
    keys: re.Pattern[str]
    keys_inside: re.Pattern[str]
    ids: re.Pattern[str] | None

    def of(self, value: Value, *, query: bool = False) -> Redaction | None:
        """Return the row for a value: that of the innermost name on its path that has one."""
        rows = self.queries if query else self.fields
        for last in range(len(value.names), 0, -1):
            for row in rows.get(value.names[last - 1], ()):
                parents = tuple(row.name.lower().split("."))
                if value.names[max(last - len(parents), 0) : last] != parents:
                    continue
                if not row.beside or (last == len(value.names) and row.beside.lower() in value.beside):
                    return row
        return None


@cache
def key_shapes(before: str = "(?<![A-Za-z0-9])") -> re.Pattern[str]:
    """Return the shapes of the keys of every provider: a recording of one provider may contain a key of another.

    `before` is the pattern in front of a key: by default a key begins no later than its word. Decoded base64 has no
    words, so there `before` is empty.
    """
    rows = [*EVERYWHERE, *(row for name in providers.names() for row in providers.get(name).redactions)]
    shapes = dict.fromkeys(row.name for row in rows if row.where is Where.KEY)
    return re.compile(before + "(?:" + "|".join(f"(?:{shape})" for shape in shapes) + ")")


@cache
def rules_of(provider: str, *, ids: bool) -> Rules:
    """Return the rules of a provider; with `ids`, also those that replace ids by pseudonyms."""
    rows = [row for row in (*providers.get(provider).redactions, *EVERYWHERE) if ids or row.becomes is not Becomes.ID]

    def named(*where: Where) -> dict[str, tuple[Redaction, ...]]:
        index: dict[str, tuple[Redaction, ...]] = {}
        for row in rows:
            if row.where in where:
                name = row.name.lower().rpartition(".")[2]
                index[name] = (*index.get(name, ()), row)
        return index

    prefixes = sorted({row.name for row in rows if row.where is Where.ID and ids})
    # a short id has a digit: "in_progress" is a word
    rest = "(?:[0-9A-Za-z]{14,}|(?=[A-Za-z]*[0-9])[0-9A-Za-z]{6,})"
    shape = f"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, prefixes))}){rest}(?![A-Za-z0-9_])"
    return Rules(
        headers={name: named_rows[0] for name, named_rows in named(Where.HEADER).items()},
        fields=named(Where.FIELD),
        queries=named(Where.QUERY, Where.FIELD),
        paths=tuple((re.compile(row.name), row) for row in rows if row.where is Where.PATH),
        keys=key_shapes(),
        keys_inside=key_shapes(before=""),
        ids=re.compile(shape) if prefixes else None,
    )
