"""The place of a journal: the path of a file, or the URL of a PostgreSQL database.

Rules of this file: no text, repr or error shows the password of a URL, nor a URL that cannot be read.
"""

from __future__ import annotations

import re
from os import PathLike, fspath
from typing import NoReturn
from urllib.parse import parse_qsl, unquote

from invoice_bridge.core.errors import ConfigurationError

__all__ = ["Location"]

_SCHEMES = ("postgresql:", "postgres:")
_URL = re.compile(
    r"(?:postgresql|postgres)://"
    r"(?:(?P<user>[^:/?#@\s]*)(?::(?P<password>[^/?#@\s]*))?@)?"
    r"(?P<hosts>[^/?#@\s]*)"
    r"(?:/(?P<database>[^/?#@\s]*))?"
    r"(?:\?(?P<query>[^#\s]*))?"
)
_SECRET = ("password", "sslpassword")


class Location:
    """Where a journal is; `str` shows it without its password. Raises ConfigurationError for a URL that is none."""

    __slots__ = ("_given", "_secrets", "has_password", "is_url", "name")

    def __init__(self, given: str | PathLike[str] | Location) -> None:
        self._given: str = given.reveal() if isinstance(given, Location) else fspath(given)
        del given  # a traceback that shows variables shall not show a password
        self.name = "a URL that cannot be read"  # in the traceback of that error
        self.is_url = self._given.lower().startswith(_SCHEMES)
        self.name, self._secrets = (self._given, ()) if not self.is_url else _read(self._given)
        self.has_password = bool(self._secrets)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Location({self.name!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the place of a journal is neither pickled nor copied: it may have a password")

    def reveal(self) -> str:
        """Return the path or the URL as it was given, password included."""
        return self._given

    def conceal(self, text: str) -> str:
        """Put "…" wherever a text repeats a password of the URL, or the URL."""
        for secret in sorted((self._given, *self._secrets) if self.is_url else (), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


def _read(url: str) -> tuple[str, tuple[str, ...]]:
    """Return a URL without what may be secret, and its passwords, as they are written and as they are meant."""
    parts = _URL.fullmatch(url)
    if parts is None or "\0" in url:
        del url
        raise ConfigurationError(
            "the journal's URL cannot be read: write postgresql://USER@HOST/DATABASE, with the password in PGPASSWORD "
            "or ~/.pgpass (in a URL, its special characters are percent-encoded)"
        )
    words = [parts["password"] or "", unquote(parts["password"] or "")]
    for pair in (parts["query"] or "").split("&"):
        if pair.partition("=")[0] in _SECRET:
            words += [pair.partition("=")[2], *(value for _, value in parse_qsl(pair))]
    user = f"{parts['user']}@" if parts["user"] else ""
    database = f"/{parts['database']}" if parts["database"] else ""
    return f"postgresql://{user}{parts['hosts']}{database}", tuple({word for word in words if word})
