"""Requests and answers of the HTTP library: the key is added to requests, and removed from answers."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.provider import Provider
from invoice_bridge.client.credentials import ApiKey
from invoice_bridge.client.exchange import Bound
from invoice_bridge.client.http import NO_COOKIES
from invoice_bridge.core.wire import Request, Response

if TYPE_CHECKING:
    import httpx


@cache
def _name() -> str:
    """The User-Agent of a client."""
    from importlib.metadata import version

    return f"invoice-bridge/{version('invoice-bridge')}"


class Messages:
    """The messages of one client, with its key."""

    def __init__(self, provider: Provider, key: ApiKey) -> None:
        self._provider, self._key = provider, key

    def outgoing(self, request: Request, bound: Bound) -> dict[str, Any]:
        """Return the arguments of the HTTP library's `stream`."""
        return {
            "method": request.method,
            "url": request.url,
            "headers": {
                **request.headers,
                "Accept": "application/pdf" if request.link else "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": _name(),
            },
            "content": request.content or None,
            "timeout": bound.ends - bound.began,
            # not among the headers: those are variables that a traceback may show
            "auth": _leave_out if request.link else self._authorize,
            "follow_redirects": False,
        }

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        """Add the key; it replaces what an injected client would add. Its cookies are left out."""
        headers = request.headers
        headers["Authorization"] = self._provider.auth(self._key.text)
        if "Cookie" in headers:
            del headers["Cookie"]
        return request

    def incoming(self, answer: httpx.Response, content: bytes) -> Response:
        """Remove the key from an answer that repeats it, whatever its status. No command contains it."""
        headers = _headers_of(answer)
        if self._key.is_in("\n".join(headers.values())):  # no spelling of a key has a line end
            headers = {name: self._key.conceal(value) for name, value in headers.items()}
        return Response(answer.status_code, self._key.conceal(content), headers, self._provider.name)


def _headers_of(answer: httpx.Response) -> dict[str, str]:
    """Return the headers of an answer: one text for each name, as the HTTP library joins those that come twice."""
    headers = answer.headers
    try:
        read = {name.decode("ascii"): value.decode("ascii") for name, value in headers.raw}
    except ValueError:
        read = {}
    return read if len(read) == len(headers.raw) == len(headers) else dict(headers.items())


def _leave_out(request: httpx.Request) -> httpx.Request:
    """Remove what an injected client would add: the link of a document is at any host."""
    for name in ("Authorization", "Cookie"):
        request.headers.pop(name, None)
    return request


def without_cookies(http: Any) -> Any:
    """Copy an injected client, with a jar that takes nothing: its connections are used, and not its jar."""
    http = copy(http)
    http.cookies = NO_COOKIES
    return http
