"""HTTP as plain values: requests, responses, and the bytes between them.

Rules of this file: nothing here opens a socket, reads a clock or knows a provider. Paths are encoded here and nowhere
else; JSON is read and written exactly (a decimal number becomes a Decimal and back); credentials are no part of a
Request, the runner adds them when it sends.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

from invoice_bridge.errors import MalformedResponse, Unsupported

T = TypeVar("T")

LARGEST = 4_000_000
"""Bytes of an answer or an event, as it comes and decompressed: a page of 100 invoices of 40 kB each."""
_MOST_VALUES = 120_000
_MOST_CONTAINERS = 30_000
"""In JSON of another machine. Recorded answers have a value in 19 bytes, Stripe's blanks left out, and a list or an
object in 170: a page of 2 MB has 105,000 and 12,000."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEEPEST = 100
_MOST_DIGITS = 400
_TOO_DEEP = f"nested more than {_DEEPEST} deep"


class Effect(StrEnum):
    """What a request does to the customer, beyond storing something."""

    ISSUES = "issues"
    """An invoice becomes a demand for money."""
    MAILS = "mails"
    """The customer is written to."""
    COLLECTS = "collects"
    """Money is taken, or recorded as taken."""
    VOIDS = "voids"
    """A demand for money is withdrawn or given up."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete but for the credentials: explain shows it, the runner sends it, tests compare it.

    `effects` is what it does to the customer. `key` is its idempotency key (it stands in `headers` too). `body` is what
    `content` encodes, for a reader. `specimen` is the happy answer's JSON, which explain feeds back into the flow.
    `note` is a remark for the reader. `opens`: it makes a new invoice rather than change one, so a conflict (409) can
    only be with an earlier try of itself. `invoice_id`: the invoice that its answer must be about, where one is named:
    an answer about another one is another request's. `answers`: where its answer has something that an earlier one has
    not, as names and positions from the top: an answer without it is another request's too. `searches`: it asks a
    search index, which has a rate limit of its own.
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
    opens: bool = field(default=False, compare=False)
    invoice_id: str | None = field(default=None, compare=False)
    answers: tuple[str | int, ...] = field(default=(), compare=False)
    searches: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return _again, (type(self), values | {"headers": dict(self.headers)})

    @property
    def writes(self) -> bool:
        """Whether it may change something at the provider."""
        return self.method != "GET"


@dataclass(frozen=True)
class Response:
    """One HTTP answer. The typed getters raise MalformedResponse, never KeyError."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    provider: str = ""

    def __post_init__(self) -> None:
        lowered = {name.lower(): value for name, value in self.headers.items()}
        object.__setattr__(self, "headers", MappingProxyType(lowered))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.content, dict(self.headers), self.provider)

    @cached_property
    def json(self) -> Any:
        """The body as JSON, read exactly. Raises MalformedResponse for anything else."""
        try:
            return loads_bounded(self.content)
        except ValueError as error:
            kind = self.headers.get("content-type", "no content type")
            raise MalformedResponse(
                f"the answer is not JSON ({kind}, {len(self.content)} bytes: {error}); is base_url right?",
                provider=self.provider,
                status=self.status,
                response=self,
            ) from None

    @property
    def object(self) -> Mapping[str, Any]:
        """The body as a JSON object."""
        if isinstance(self.json, dict):
            return self.json
        raise MalformedResponse(
            "the answer is not a JSON object", provider=self.provider, status=self.status, response=self
        )

    def text(self, name: str) -> str:
        """A string that must be there, like an id."""
        value = self.object.get(name)
        if isinstance(value, str) and value:
            return value
        raise MalformedResponse(
            f"the answer has no text at $.{name}", provider=self.provider, status=self.status, response=self
        )


def _again(kind: Any, values: Mapping[str, Any]) -> Any:
    """Make a value again from its fields: what copying and pickling call."""
    return kind(**values)


Flow = Generator[Request, Response, T]
"""Yields requests, is sent responses (or has a ProviderError thrown in), returns a result."""


def exchange(request: Request) -> Flow[Response]:
    """The flow of one request: its answer."""
    return (yield request)


@dataclass(frozen=True, slots=True)
class Send:
    """The runner is to send this request and give back the Response."""

    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """The runner is to wait so many seconds."""

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
    encoded = quote(segment, safe="{}", errors="strict")
    return encoded.replace(".", "%2E") if set(segment) == {"."} else encoded


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode a query or a form: UTF-8, a space as +, brackets percent-encoded, in the order given."""
    return "&".join(f"{_plus(name)}={_plus(value)}" for name, value in pairs)


def _plus(text: str) -> str:
    return quote(text, safe=" ", errors="strict").replace(" ", "+")


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────────
FormValue = Any
"""What a form body is made of: str, int, bool, Decimal, and lists and mappings of them. None is left out."""


def form_index_inside(body: Mapping[str, FormValue]) -> list[tuple[str, str]]:
    """Flatten a nested body as a[b]=… and a[0][b]=…: lists number their items inside the brackets' order."""
    return list(_nested("", body))


def _nested(prefix: str, value: FormValue) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _nested(f"{prefix}[{name}]" if prefix else str(name), inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _nested(f"{prefix}[{index}]", inner)
    elif value is not None:
        yield prefix, scalar(value)


def form_index_last(body: Mapping[str, FormValue]) -> list[tuple[str, str]]:
    """Flatten a body column-wise: a list of mappings becomes group[field][0]=…, field by field within each item."""
    pairs: list[tuple[str, str]] = []
    for name, value in body.items():
        if isinstance(value, Mapping):
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


def scalar(value: object) -> str:
    """Spell one value of a form or query: true/false, integers, plain decimals, text. Floats are refused."""
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


# ── exact JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────
def loads(content: bytes | str) -> Any:
    """Read JSON exactly: numbers with decimals become Decimal, never a float; 1e2 is the integer 100.

    What is read is what `dumps` writes again. Raises ValueError for torn or deeply nested text, NaN, Infinity, and
    numbers too large to be meant.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(text, parse_float=_number, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("[") + text.count("{") > _DEEPEST and _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def loads_bounded(content: bytes | str) -> Any:
    """Read JSON that another machine said, as `loads` does. Raises ValueError for more than reading may cost.

    Commas and brackets are counted before anything is made of them, those inside texts among them: a value of two bytes
    can take a hundred in memory, and a line of an invoice some thousand.
    """
    if len(content) > LARGEST:
        raise ValueError(f"longer than {LARGEST} bytes")
    containers = _count(content, "[") + _count(content, "{")
    if containers > _MOST_CONTAINERS:
        raise ValueError(f"more than {_MOST_CONTAINERS} lists and objects")
    if containers + _count(content, ",") > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES} values")
    return loads(content)


def _count(content: bytes | str, sign: str) -> int:
    return content.count(sign) if isinstance(content, str) else content.count(sign.encode())


def _is_deep(value: Any) -> bool:
    """Whether containers stand more than _DEEPEST in one another: what is read must be writable again."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(inner, dict | list) for inner in level)


def decimal(text: str | int | Decimal) -> Decimal:
    """Read a number exactly. Raises ValueError for what is none, is not finite, or is too large or small to be meant.

    That is beyond 400 digits on either side of the point: a few characters could otherwise be written out as gigabytes.
    """
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"the number {str(text)[:40]} is out of range")
    return value


def _number(text: str) -> Decimal | int:
    value = decimal(text)
    return value if int(value.as_tuple().exponent) < 0 else int(value)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def dumps(value: Any) -> bytes:
    """Write JSON exactly and always the same: no spaces, keys in the order given, Decimals in plain digits.

    Half a surrogate pair, which is no text, is written as the escape it came from. Raises TypeError for a float: it
    would not be the number that was meant. Raises ValueError for what `loads` would not read again.
    """
    return _write(value, 0).encode("utf-8", "backslashreplace")


def _write(value: Any, depth: int) -> str:
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is not JSON")
        return f"{decimal(value):f}"
    if isinstance(value, Mapping | list | tuple) and depth == _DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, Mapping):
        pairs = (f"{_write(str(name), depth)}:{_write(inner, depth + 1)}" for name, inner in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_write(item, depth + 1) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} cannot be written as JSON exactly: {value!r}")


# ── instants ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def unix_seconds(instant: datetime) -> int:
    """Return whole seconds since 1970 UTC. Raises Unsupported where parts of a second would be lost."""
    whole, rest = divmod(instant - _EPOCH, timedelta(seconds=1))
    if rest:
        raise Unsupported(f"{instant.isoformat()} has parts of a second; this provider counts whole seconds")
    return whole


def rfc3339_millis(instant: datetime) -> str:
    """Return 2026-05-01T00:00:00.000Z. Raises Unsupported where parts of a millisecond would be lost."""
    if instant.tzinfo is None:
        raise TypeError(f"{instant.isoformat()} has no time zone")
    if instant.microsecond % 1000:
        raise Unsupported(f"{instant.isoformat()} has parts of a millisecond; this provider counts whole milliseconds")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────
Auth = Callable[[str], str]
"""Turns an API key into the value of the Authorization header; only the runner calls it."""


def bearer(key: str) -> str:
    """`Authorization: Bearer …`."""
    return f"Bearer {key}"


def basic(key: str) -> str:
    """`Authorization: Basic …`, the key as the user and no password."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii")
