"""HTTP as plain values: requests, responses, and the bytes between them.

Rules of this file: nothing here opens a socket, reads a clock or knows a provider. Paths are encoded here and nowhere
else; a Request has no credentials, the runner adds them when it sends. JSON is read and written in exact.py.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from invoice_bridge.core.exact import dumps, loads_bounded

T = TypeVar("T")


class Effect(StrEnum):
    """The effect of a request on the customer, beyond storing data."""

    ISSUES = "issues"
    """An invoice or a credit note is issued."""
    MAILS = "mails"
    """The provider mails the customer."""
    COLLECTS = "collects"
    """Money is taken."""
    RECORDS = "records"
    """A payment that was made elsewhere is recorded; no money moves."""
    REFUNDS = "refunds"
    """Money is given back."""
    VOIDS = "voids"
    """An invoice is voided or written off."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete except for the credentials: explain shows it, the runner sends it, tests compare it.

    `effects` are those on the customer. `key` is its idempotency key (also in `headers`). `body` is what `content`
    encodes, for a reader. `specimen` is the JSON of a successful answer, which explain feeds back into the flow. `note`
    is a remark for the reader. `empty`: its answer is documented to have no body. `opens`: it makes a new invoice
    rather than change one, so a conflict (409) can only be with an earlier try of itself. `invoice_id`: the invoice
    that its answer must be about; an answer about another one belongs to another request. `answers`: the names and
    positions, from the top, of a field that no earlier answer has; an answer without it belongs to another request too,
    and so does one whose field is not `equals`, or is one of `excludes`: those of earlier requests. `failed_if`: a
    field of a successful answer, and the words in it that say that nothing was moved: such a request was refused.
    `searches`: it queries a search index, which has a rate limit of its own. `states_bill`: its body is the bill, or a
    part of it, so that a reused idempotency key means another bill; a request that opens one always states it.
    `link`: its address is a document's, which an answer gave, at any host: it is sent without the key, its answer is
    no JSON, and a redirect is an answer. `misses`: it reads what is expected not to be there, so that a plan answers it
    with 404. `part` names the part of the command that its body states, where the names in it mean something else than
    in other requests: rows then name its fields as "part:name".
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    content: bytes = b""
    effects: frozenset[Effect] = frozenset()
    key: str | None = None
    body: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    specimen: Any = field(default=None, compare=False, repr=False)
    note: str = field(default="", compare=False)
    empty: bool = field(default=False, compare=False)
    opens: bool = field(default=False, compare=False)
    invoice_id: str | None = field(default=None, compare=False)
    answers: tuple[str | int, ...] = field(default=(), compare=False)
    equals: str | None = field(default=None, compare=False)
    excludes: frozenset[str] = field(default=frozenset(), compare=False)
    failed_if: tuple[tuple[str | int, ...], frozenset[str]] | None = field(default=None, compare=False)
    searches: bool = field(default=False, compare=False)
    states_bill: bool = field(default=False, compare=False)
    link: bool = field(default=False, compare=False)
    misses: bool = field(default=False, compare=False)
    part: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return _again, (type(self), values | {"headers": dict(self.headers)})

    @property
    def writes(self) -> bool:
        """Return whether it may change something at the provider."""
        return self.method != "GET"

    @property
    def path(self) -> str:
        """Return the path for logs and errors, but not that of a link: anybody who has it can read the document."""
        return "/(link)" if self.link else urlsplit(self.url).path


@dataclass(frozen=True)
class Response:
    """One HTTP answer; adapter/answers.py reads it.

    `repeats`: an earlier try of the same request may have taken effect. A refusal of this try can then mean that the
    first one worked.
    """

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    provider: str = ""
    repeats: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        lowered = {name.lower(): value for name, value in self.headers.items()}
        object.__setattr__(self, "headers", MappingProxyType(lowered))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.content, dict(self.headers), self.provider, self.repeats)

    @cached_property
    def parsed(self) -> Any:
        """Return the body as JSON, read exactly. Raises ValueError for anything else."""
        return loads_bounded(self.content)

    @cached_property
    def checked(self) -> list[Request]:
        """The requests to which this is known to be an answer; engine/subject.py keeps it."""
        return []


def _again(kind: Any, values: Mapping[str, Any]) -> Any:
    """Make a value again from its fields: what copying and pickling call."""
    return kind(**values)


Flow = Generator[Request, Response, T]
"""Yields requests, is sent responses (or has a ProviderError thrown in), returns a result."""


def exchange(request: Request) -> Flow[Response]:
    """Return the flow of one request: its answer."""
    return (yield request)


@dataclass(frozen=True, slots=True)
class Send:
    """Asks the runner to send this request and return the Response."""

    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """Asks the runner to wait that many seconds."""

    seconds: float


Steps = Generator[Send | Sleep, Response | None, T]
"""What a runner drives: a flow with retry and verification wrapped around it."""


# ── paths and queries ────────────────────────────────────────────────────────────────────────────────────────────────
def path(*segments: str) -> str:
    """Join path segments, each encoded so that it stays one segment: "a/b" and "../x" cannot change the route.

    Braces stay readable: they mark the placeholders that explain shows, and no HTTP client sends them bare.
    """
    return "".join("/" + _segment(segment) for segment in segments)


def _segment(segment: str) -> str:
    if not segment:
        raise ValueError("an id cannot be empty: the request would go to the collection instead")
    if _is_unreserved(segment) and not segment.startswith("."):  # most of them
        return segment
    encoded = quote(segment, safe="{}", errors="strict")
    return encoded.replace(".", "%2E") if set(segment) == {"."} else encoded


_is_unreserved = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
"""Whether a text has only what is never percent-encoded (RFC 3986, 2.3)."""


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode a query or a form: UTF-8, a space as +, brackets percent-encoded, in the order given."""
    return "&".join([f"{_name(name)}={_plus(value)}" for name, value in pairs])


def _plus(text: str) -> str:
    if _is_unreserved(text):  # most names and values
        return text
    return text.translate(_WRITTEN) if text.isascii() else quote(text, safe=" ", errors="strict").replace(" ", "+")


_WRITTEN = {code: quote(chr(code), safe=" ").replace(" ", "+") for code in range(128)}
"""How a query writes each ASCII character: a third of the time of `quote`."""
_name = lru_cache(2048)(_plus)
"""The same names recur in every request."""


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────────
FormValue = Any
"""What a form body is made of: str, int, bool, Decimal, and lists and mappings of them. None is left out."""


def form_index_inside(body: Mapping[str, FormValue]) -> list[tuple[str, str]]:
    """Flatten a nested body as a[b]=… and a[0][b]=…: lists number their items inside the brackets' order."""
    pairs: list[tuple[str, str]] = []
    _flatten("", body, pairs)
    return pairs


def _flatten(prefix: str, value: FormValue, pairs: list[tuple[str, str]]) -> None:
    if type(value) is dict or isinstance(value, Mapping):
        for name, inner in value.items():
            path = f"{prefix}[{name}]" if prefix else str(name)
            if type(inner) is str:  # most values
                pairs.append((path, inner))
            else:
                _flatten(path, inner, pairs)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _flatten(f"{prefix}[{index}]", inner, pairs)
    elif value is not None:
        pairs.append((prefix, scalar(value)))


def form_index_last(body: Mapping[str, FormValue]) -> list[tuple[str, str]]:
    """Flatten a body column-wise: a list of mappings becomes group[field][0]=…, field by field within each item."""
    pairs: list[tuple[str, str]] = []
    for name, value in body.items():
        kind = type(value)
        if kind is str:  # most values
            pairs.append((name, value))
        elif kind is int:
            pairs.append((name, str(value)))
        elif isinstance(value, Mapping):
            pairs += [(f"{name}[{inner}]", scalar(leaf)) for inner, leaf in value.items() if leaf is not None]
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                if isinstance(item, Mapping):
                    pairs += [(f"{name}[{f}][{index}]", scalar(leaf)) for f, leaf in item.items() if leaf is not None]
                else:
                    pairs.append((f"{name}[{index}]", scalar(item)))
        elif value is not None:
            pairs.append((name, scalar(value)))
    return pairs


def encoded(
    body: Mapping[str, Any] | None, form: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] | None
) -> tuple[bytes, str]:
    """Return the bytes of a body, as a form or without one as JSON, and its content type; nothing without a body."""
    if body is None:
        return b"", ""
    if form is None:
        return dumps(body), "application/json"
    return query(form(body)).encode("ascii"), "application/x-www-form-urlencoded"


def scalar(value: object) -> str:
    """Spell one value of a form or query: true/false, integers, plain decimals, text. Floats are refused."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} cannot be sent: {value!r}")


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────
Auth = Callable[[str], str]
"""Turns an API key into the value of the Authorization header; only the runner calls it."""


def bearer(key: str) -> str:
    """`Authorization: Bearer …`."""
    return f"Bearer {key}"


def basic(key: str) -> str:
    """`Authorization: Basic …`, the key as the user and no password."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii")
