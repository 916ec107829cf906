"""Replay a cassette through an index: with vcrpy's files and rules, at a constant cost per request.

    with httpx.Client(transport=Player("cassettes/stripe/test_bill.yaml")) as http:
        billing = Client("stripe", api_key="sk_test_not_a_key", http=http)

vcrpy compares each request with every recorded one in turn, so its cost grows with the cassette. A Player indexes the
recorded requests once, by the parts that vcrpy compares. The shared reader reads the file, and vcrpy's own code
(vcr.serialize and vcr.request, of vcrpy 9) makes the requests that are compared.
"""

from __future__ import annotations

import difflib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from invoice_bridge.cassettes import files
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import loads

__all__ = ["NotRecorded", "Player"]

_MOST_LINES = 20


class NotRecorded(Exception):
    """The error for a request that has no interaction left in the cassette.

    It is not a BridgeError, so that an application that catches a provider's errors does not catch this one.
    """


class Player(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that answers from a cassette, for `httpx.Client(transport=…)` or `httpx.AsyncClient(transport=…)`.

    Requests match by vcrpy's default: method, scheme, host, port, path and query in any order. Each interaction plays
    once, in the recorded order. `match_on_body` also compares the body: a form or JSON by its values (numbers exactly),
    anything else by its bytes. `before_request` changes each request first, like vcrpy's before_record_request: pass
    the function that recorded the cassette. `remedy` ends the message of NotRecorded. Needs vcrpy (extra `testing`).
    Threads can share it.

    Raises NotRecorded if no interaction is left, ConfigurationError if the file is missing or is not a cassette.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        match_on_body: bool = False,
        before_request: Callable[[Any], Any] = lambda request: request,
        remedy: str = "record the cassette again",
    ) -> None:
        self.path = Path(path)
        self._body, self._before, self.remedy = match_on_body, before_request, remedy
        self._requests, self._answers = _read(self.path)
        from vcr.request import Request  # _read above has checked that vcrpy is installed

        self._vcr_request: Any = Request
        self._queues: dict[Hashable, deque[int]] = defaultdict(deque)
        for number, request in enumerate(self._requests):
            for key in self._keys(request):
                self._queues[key].append(number)
        self._played = bytearray(len(self._requests))
        self._lock = threading.Lock()
        self.refused: list[str] = []
        """The messages of NotRecorded: the application may have caught the error."""

    @property
    def unplayed(self) -> list[str]:
        """Return the recorded requests that were not made, as "METHOD URL", in order."""
        return [_shown(request) for request, played in zip(self._requests, self._played, strict=True) if not played]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        prepared = self._before(
            self._vcr_request(request.method, str(request.url), content, dict(request.headers.items()))
        )
        with self._lock:
            number = self._next(self._keys(prepared))
            if number is None:
                message = self._missing(prepared)
                self.refused.append(message)
                raise NotRecorded(message)
            self._played[number] = True
        answer = self._answers[number]
        reason = answer["status"].get("message")
        return httpx.Response(
            answer["status"]["code"],
            headers=[(name, value) for name, values in answer["headers"].items() for value in _several(values)],
            stream=httpx.ByteStream(answer["body"]["string"] or b""),  # httpx decodes gzip only from a stream
            extensions={"reason_phrase": reason.encode("ascii")} if reason else None,
        )

    def _next(self, keys: list[Hashable]) -> int | None:
        """Return the first interaction under any of these keys that has not been played."""
        candidates = []
        for key in keys:
            queue = self._queues.get(key)
            while queue and self._played[queue[0]]:
                queue.popleft()
            if queue:
                candidates.append(queue[0])
        return min(candidates, default=None)

    def _keys(self, request: Any) -> list[Hashable]:
        """Return the index keys of a request; two requests match if they share a key. A parsed body is a second key."""
        place = _place(request)
        if not self._body:
            return [place]
        content = _content(request)
        kind = request.headers.get("content-type", "").lower()
        raw = (place, "bytes", content)
        try:
            if "application/x-www-form-urlencoded" in kind:
                return [raw, (place, "form", _frozen(parse_qs(content.decode("ascii"))))]
            if "application/json" in kind:
                return [raw, (place, "json", _frozen(loads(content)))]
        except ValueError:  # it contradicts its content type: compare its bytes only, as vcrpy does
            pass
        return [raw]

    def _missing(self, request: Any) -> str:
        """Return the message for a request without an interaction: the nearest recorded request, and the remedy."""
        head = f"{self.path} has no interaction left for {_shown(request)}"
        alike = [other for other in self._requests if _place(other) == _place(request)]
        keys = set(self._keys(request))
        times = sum(not keys.isdisjoint(self._keys(other)) for other in alike)
        if times:
            why = f"it was recorded {'once' if times == 1 else f'{times} times'}, and each recording plays once"
        elif alike:
            bodies = _lines(_content(alike[0])), _lines(_content(request))
            difference = list(difflib.unified_diff(*bodies, "the recorded body", "this body", lineterm="", n=1))
            why = "\n".join(["it was recorded with another body", *difference[:_MOST_LINES]])
        else:
            recorded = list(dict.fromkeys(_shown(other) for other in self._requests))
            near = next(iter(difflib.get_close_matches(_shown(request), recorded, 1, 0)), "none: the cassette is empty")
            why = f"the nearest recorded is {near}"
        return f"{head}\n{why}\n{self.remedy}"


class _Read:
    """A vcrpy serializer that returns the cassette that was already read."""

    def __init__(self, cassette: dict[str, Any]) -> None:
        self._cassette = cassette

    def deserialize(self, _: str) -> dict[str, Any]:
        return self._cassette


def _read(path: Path) -> tuple[list[Any], list[Any]]:
    """Return the requests and answers of a cassette: the shared reader reads the file, vcrpy makes the objects."""
    try:
        from vcr.serialize import deserialize
    except ImportError:
        raise ConfigurationError('cassettes need vcrpy: pip install "invoice-bridge[testing]"') from None
    cassette = files.load(path)
    try:
        requests, answers, *_ = deserialize("", _Read(cassette))  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is not a cassette: {type(error).__name__}") from None
    if any("body" not in answer for answer in answers):
        raise ConfigurationError(f"{path} was written by a vcrpy before 6.0: record it again")
    return requests, answers


def _place(request: Any) -> Hashable:
    """Return the parts of a request that vcrpy compares by default."""
    path = request.path or "/"
    return request.method, request.scheme, request.host, request.port, path, tuple(request.query)


def _content(request: Any) -> bytes:
    """Return the bytes of a body. None, which other HTTP libraries record without a body, is empty, as with httpx."""
    from vcr.util import read_body

    return read_body(request) or b""  # type: ignore[no-untyped-call]


def _shown(request: Any) -> str:
    return f"{request.method} {request.uri}"


def _several(values: Any) -> list[str]:
    return [values] if isinstance(values, str) else values


def _lines(content: bytes) -> list[str]:
    """Return a body as text for people, one line for each field of a form or of JSON's outermost object."""
    try:
        fields = loads(content)
    except ValueError:
        fields = parse_qs(content.decode("utf-8", "replace"), keep_blank_values=True)
    named = fields if isinstance(fields, dict) and fields else {"": repr(content)}
    return [f"{name} = {value}" for name, value in sorted(named.items())]


def _frozen(value: Any) -> Hashable:
    """Return a hashable form of a parsed body: it is equal if the parsed bodies are equal."""
    if isinstance(value, dict):
        return frozenset((name, _frozen(inner)) for name, inner in value.items())
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
