"""A client's own connections: httpx transports of one connection each, the one used last first.

Rules of this file: a transport is used by one exchange at a time, and returns to the idle ones only after an exchange
that ended well; any other closes it. httpx's own transports send, so that certificates and proxies are read as httpx
reads them, and recorders that replace their `handle_request` record. No cookies are kept and no redirect is followed.

A pool of httpx looks at all its connections at every request and at every answer. A transport of one connection has
one to look at, and taking it from a stack costs nothing, however many tasks send at once.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import httpx

from invoice_bridge.client.network import IDLE, bound_network
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.lazy import LazyModule

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

__all__ = ["AsyncConnections", "Connections"]

MOST: Final = 100
"""Connections at once, as in httpx. A further exchange waits for one, at most for its own bound."""
_LIMITS: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE)
_LOG: Final = logging.getLogger("httpx")
"""Where httpx itself logs a line for each answer."""

Transport = TypeVar("Transport", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


class _Stack(Generic[Transport]):
    """The transports of one client, idle and in use."""

    def __init__(self, base_url: str, *, verify: bool, trust_env: bool) -> None:
        """Read what the environment names, so that a fault of it is found before a request is recorded as sent.

        Raises ConfigurationError for a proxy or certificates that cannot be used.
        """
        url = httpx.URL(base_url)
        self._proxy = _proxy_of(url) if trust_env else None
        # made once for all connections: reading all certificates takes longer than a request
        self._tls = (
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if url.scheme == "http" and self._proxy is None
            else _tls_of(verify=verify, trust_env=trust_env)
        )
        self._idle: deque[tuple[Transport, float]] = deque()
        self._busy: set[Transport] = set()
        self.is_closed = False

    def _take(
        self, make: Callable[..., Transport], bind: Callable[[Transport, ssl.SSLContext], Transport]
    ) -> Transport:
        if self.is_closed:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        try:
            transport, _ = self._idle.pop()
        except IndexError:
            transport = bind(make(verify=self._tls, trust_env=False, limits=_LIMITS, proxy=self._proxy), self._tls)
        self._busy.add(transport)
        return transport

    def _is_kept(self, transport: Transport) -> bool:
        """Put a transport back; False where it has to be closed, since the client was meanwhile."""
        self._busy.discard(transport)
        if not self.is_closed:
            self._idle.append((transport, time.monotonic()))
        return not self.is_closed

    def _expired(self) -> Transport | None:
        """Take an idle transport that nobody used for so long that its connection would not be used again."""
        try:
            transport, since = self._idle.popleft()  # the one whose turn was the longest time ago
        except IndexError:
            return None
        if time.monotonic() - since > IDLE:
            return transport
        self._idle.appendleft((transport, since))
        return None

    def _all(self) -> list[Transport]:
        """Take all transports, those in use too, and give none any more."""
        self.is_closed = True
        found = [transport for transport, _ in self._idle] + list(self._busy)
        self._idle.clear()
        self._busy.clear()
        return found


class Connections(_Stack[httpx.HTTPTransport]):
    """The connections of a Client; they keep to the bound of the exchange that goes on."""

    def __init__(self, base_url: str, *, verify: bool, trust_env: bool) -> None:
        super().__init__(base_url, verify=verify, trust_env=trust_env)
        self._free = threading.BoundedSemaphore(MOST)

    @contextmanager
    def stream(self, method: str, url: str, *, timeout: float, **said: Any) -> Iterator[httpx.Response]:
        """Send a request and give its answer, whose body is read inside. What is raised is httpx's, as it raises it."""
        request = _request(method, url, timeout=timeout, **said)
        if not self._free.acquire(timeout=timeout):
            raise httpx.PoolTimeout("all connections are in use", request=request)
        try:
            transport = self._take(httpx.HTTPTransport, bound_network)
            try:
                answer = transport.handle_request(request)
                try:
                    _logged(request, answer)
                    yield answer
                finally:
                    answer.close()
            except BaseException:
                self._busy.discard(transport)
                transport.close()
                raise
            if not self._is_kept(transport):
                transport.close()
        finally:
            self._free.release()
        if (expired := self._expired()) is not None:
            expired.close()

    def close(self) -> None:
        """Close all connections."""
        for transport in self._all():
            transport.close()


class AsyncConnections(_Stack[httpx.AsyncHTTPTransport]):
    """The connections of an AsyncClient, all in one event loop; what bounds an exchange is asyncio."""

    def __init__(self, base_url: str, *, verify: bool, trust_env: bool) -> None:
        from invoice_bridge.client.network_async import bound_network_async

        super().__init__(base_url, verify=verify, trust_env=trust_env)
        self._bind = bound_network_async
        self._free = asyncio.BoundedSemaphore(MOST)

    @asynccontextmanager
    async def stream(self, method: str, url: str, *, timeout: float, **said: Any) -> AsyncIterator[httpx.Response]:
        """Send a request and give its answer, whose body is read inside. What is raised is httpx's, as it raises it."""
        request = _request(method, url, timeout=timeout, **said)
        if self._free.locked():
            try:
                async with asyncio.timeout(timeout):
                    await self._free.acquire()
            except TimeoutError:
                raise httpx.PoolTimeout("all connections are in use", request=request) from None
        else:
            await self._free.acquire()
        try:
            transport = self._take(httpx.AsyncHTTPTransport, self._bind)
            try:
                answer = await transport.handle_async_request(request)
                try:
                    _logged(request, answer)
                    yield answer
                finally:
                    await answer.aclose()
            except BaseException:
                self._busy.discard(transport)
                await transport.aclose()
                raise
            if not self._is_kept(transport):
                await transport.aclose()
        finally:
            self._free.release()
        if (expired := self._expired()) is not None:
            await expired.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._all():
            await transport.aclose()


def _request(
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str],
    content: bytes | None = None,
    auth: Callable[[httpx.Request], httpx.Request] | None = None,
    follow_redirects: bool = False,
) -> httpx.Request:
    """Make the request that httpx.Client would make of the same arguments."""
    if follow_redirects:
        raise TypeError("redirects are not followed")
    address = _parsed(url)
    sent: list[tuple[bytes, bytes]] = [(b"Host", address.netloc)]
    if not content and method in {"POST", "PUT", "PATCH"}:
        sent.append((b"Content-Length", b"0"))
    sent += [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    sent.append((b"Connection", b"keep-alive"))
    if content:
        sent.append((b"Content-Length", b"%d" % len(content)))
    request = httpx.Request(  # with a stream it adds no header of its own, nor looks for what a body might be
        method,
        address,
        headers=sent,
        stream=httpx.ByteStream(content or b""),
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)},
    )
    request.read()
    return request if auth is None else auth(request)


_parsed = lru_cache(256)(httpx.URL)
"""Addresses of collections come again with every request."""


def _logged(request: httpx.Request, answer: httpx.Response) -> None:
    answer.request = request
    if _LOG.isEnabledFor(logging.INFO):
        said = (request.method, request.url, answer.http_version, answer.status_code, answer.reason_phrase)
        _LOG.info('HTTP Request: %s %s "%s %d %s"', *said)


def _proxy_of(url: httpx.URL) -> str | None:
    """The proxy that the environment names for a URL, as httpx reads HTTPS_PROXY, NO_PROXY and their like.

    Raises ConfigurationError for one that cannot be used. It may have a password, and is not repeated.
    """
    from httpx._utils import URLPattern, get_environment_proxies

    try:
        patterns = sorted((URLPattern(pattern), proxy) for pattern, proxy in get_environment_proxies().items())
        proxy = next((proxy for pattern, proxy in patterns if pattern.matches(url)), None)
        scheme = "" if proxy is None else httpx.Proxy(proxy).url.scheme
    except (ValueError, httpx.InvalidURL):
        raise ConfigurationError(
            f"the environment's proxy for {url.host} cannot be used: write HTTPS_PROXY as http://HOST:PORT, and hosts "
            "without a proxy into NO_PROXY"
        ) from None
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            f"the environment's proxy for {url.host} is a SOCKS proxy, which needs socksio: run "
            'pip install "httpx[socks]", or name an HTTP proxy'
        )
    return proxy


def _tls_of(*, verify: bool, trust_env: bool) -> ssl.SSLContext:
    """Read the certificates. Raises ConfigurationError."""
    try:
        return httpx.create_ssl_context(verify=verify, trust_env=trust_env)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"the certificates cannot be read ({error.strerror or error}): check SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None
