"""Replay a cassette through an index: the files and the rules are vcrpy's, the cost of a request is constant.

    with httpx.Client(transport=Player("cassettes/stripe/test_bill.yaml")) as http:
        billing = Client("stripe", api_key="sk_test_not_a_key", http=http)

vcrpy compares each request with every recorded one in turn, so its cost grows with the cassette. Here the recorded
requests are indexed once, by what vcrpy compares. The shared reader reads the file; vcrpy's own code decides what of a
request is compared: vcr.serialize and vcr.request, of vcrpy 9.
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
    """No interaction is left for a request.

    It is not a BridgeError: an application that catches a provider's errors must not take the end of a recording for
    one of them.
    """


class Player(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answer requests from a cassette; give it to `httpx.Client(transport=…)` or `httpx.AsyncClient(transport=…)`.

    Requests match by vcrpy's default: method, scheme, host, port, path and query, whose order does not count. Each
    interaction plays once, in the order recorded. With `match_on_body` the body counts too: a form or JSON by its
    values (numbers exactly), anything else by its bytes. `before_request` gets each request first, like vcrpy's
    before_record_request: pass the one that the cassette was recorded with. `remedy` ends the message of NotRecorded.
    Needs vcrpy (extra `testing`). Threads can share it.

    Raises NotRecorded if no interaction is left, ConfigurationError for a file that does not exist or is no cassette.
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
        from vcr.request import Request  # read above: it is there

        self._vcr_request: Any = Request
        self._left: dict[Hashable, deque[int]] = defaultdict(deque)
        for number, request in enumerate(self._requests):
            for key in self._keys(request):
                self._left[key].append(number)
        self._played = bytearray(len(self._requests))
        self._lock = threading.Lock()
        self.refused: list[str] = []
        """The requests that were not recorded: a test may have swallowed the error."""

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
        plain = self._before(
            self._vcr_request(request.method, str(request.url), content, dict(request.headers.items()))
        )
        with self._lock:
            number = self._next(self._keys(plain))
            if number is None:
                told = self._missing(plain)
                self.refused.append(told)
                raise NotRecorded(told)
            self._played[number] = True
        answer = self._answers[number]
        message = answer["status"].get("message")
        return httpx.Response(
            answer["status"]["code"],
            headers=[(name, value) for name, values in answer["headers"].items() for value in _several(values)],
            stream=httpx.ByteStream(answer["body"]["string"] or b""),  # a stream: httpx undoes gzip as it reads
            extensions={"reason_phrase": message.encode("ascii")} if message else None,
        )

    def _next(self, keys: list[Hashable]) -> int | None:
        """The first interaction under any of these keys that has not been played."""
        found = []
        for key in keys:
            queue = self._left.get(key)
            while queue and self._played[queue[0]]:
                queue.popleft()
            if queue:
                found.append(queue[0])
        return min(found, default=None)

    def _keys(self, request: Any) -> list[Hashable]:
        """What a request is filed under. With bodies there are two keys: two requests match where they share one."""
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
        except ValueError:  # not what its header says: its bytes alone count, as with vcrpy
            pass
        return [raw]

    def _missing(self, request: Any) -> str:
        """Say what is missing, which recorded request is nearest, and what to do."""
        head = f"{self.path} has no interaction left for {_shown(request)}"
        alike = [other for other in self._requests if _place(other) == _place(request)]
        keys = set(self._keys(request))
        times = sum(not keys.isdisjoint(self._keys(other)) for other in alike)
        if times:
            why = f"it was recorded {'once' if times == 1 else f'{times} times'}, and each recording plays once"
        elif alike:
            bodies = _lines(_content(alike[0])), _lines(_content(request))
            told = list(difflib.unified_diff(*bodies, "the recorded body", "this body", lineterm="", n=1))
            why = "\n".join(["it was recorded with another body", *told[:_MOST_LINES]])
        else:
            recorded = list(dict.fromkeys(_shown(other) for other in self._requests))
            near = next(iter(difflib.get_close_matches(_shown(request), recorded, 1, 0)), "none: the cassette is empty")
            why = f"the nearest recorded is {near}"
        return f"{head}\n{why}\n{self.remedy}"


class _Read:
    """A serializer for vcrpy that gives back what was read already."""

    def __init__(self, cassette: dict[str, Any]) -> None:
        self._cassette = cassette

    def deserialize(self, _: str) -> dict[str, Any]:
        return self._cassette


def _read(path: Path) -> tuple[list[Any], list[Any]]:
    """Return the requests and answers of a cassette: vcrpy makes them of what the shared reader has read."""
    try:
        from vcr.serialize import deserialize
    except ImportError:
        raise ConfigurationError('cassettes need vcrpy: pip install "invoice-bridge[testing]"') from None
    read = files.load(path)
    try:
        requests, answers, *_ = deserialize("", _Read(read))  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is no cassette: {type(error).__name__}") from None
    if any("body" not in answer for answer in answers):
        raise ConfigurationError(f"{path} was written by a vcrpy before 6.0: record it again")
    return requests, answers


def _place(request: Any) -> Hashable:
    """What vcrpy compares by default."""
    path = request.path or "/"
    return request.method, request.scheme, request.host, request.port, path, tuple(request.query)


def _content(request: Any) -> bytes:
    """The bytes of a body. None, as other HTTP libraries leave a body out, is taken for httpx's empty one."""
    from vcr.util import read_body

    return read_body(request) or b""  # type: ignore[no-untyped-call]


def _shown(request: Any) -> str:
    return f"{request.method} {request.uri}"


def _several(values: Any) -> list[str]:
    return [values] if isinstance(values, str) else values


def _lines(content: bytes) -> list[str]:
    """A body for a reader, a line for each field of a form or of JSON's outermost object."""
    try:
        fields = loads(content)
    except ValueError:
        fields = parse_qs(content.decode("utf-8", "replace"), keep_blank_values=True)
    named = fields if isinstance(fields, dict) and fields else {"": repr(content)}
    return [f"{name} = {value}" for name, value in sorted(named.items())]


def _frozen(value: Any) -> Hashable:
    """A value that can be a key, equal where the parsed bodies are."""
    if isinstance(value, dict):
        return frozenset((name, _frozen(inner)) for name, inner in value.items())
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
