"""One HTTP exchange: when it must have ended, how long its answer may be, and how that is decompressed.

Rules of this file: an exchange ends by `Bound.ends`, whatever of it drips: the connection, TLS, the head, the body or
what follows it. An answer is counted as it comes, on the wire and decompressed. Nothing here knows a provider or a key.

httpx restarts its timeouts with every byte. An asynchronous exchange is bounded by asyncio; a synchronous one by the
network backend of our own client, whose reads and writes wait no longer than until `ends`. A synchronous HTTP client
that a caller gives keeps its own network backend: there only the pieces of the body are bounded.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invoice_bridge.outcome import Lost, NotSent
from invoice_bridge.wire import LARGEST

if TYPE_CHECKING:  # at run time it is imported when a connection is opened, as httpx itself does
    import httpx
    from httpcore import NetworkBackend, NetworkStream

__all__ = ["Body", "Bound", "bound_network", "bounded", "bounded_async"]

_LOG = logging.getLogger(__name__)

_GRACE = 0.1
"""Seconds by which asyncio waits longer than httpx, whose own timeout knows whether the request has left."""
_READ = 16 * 1024
"""Bytes read at once: parsing a head of so many takes a fraction of the half second that an exchange may be late."""
_WRITE = 2 * 1024
"""Bytes written at once. A socket is writable when it has room for so many, so that none waits twice."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An exchange begins, and must have ended: instants of time.monotonic."""

    began: float
    ends: float

    def is_over(self) -> bool:
        return time.monotonic() > self.ends

    def check(self) -> None:
        """Raise Lost where the time is over."""
        if self.is_over():
            raise self.lost()

    def lost(self) -> Lost:
        return Lost(f"the answer was not whole after {time.monotonic() - self.began:.1f} s")

    def wait(self, wanted: float | None) -> float:
        """How long the network may be waited for. Raises Lost where the time is over."""
        self.check()
        left = max(self.ends - time.monotonic(), 0.001)  # none would make a socket wait for nothing at all
        return left if wanted is None else min(wanted, left)


_bound: ContextVar[Bound | None] = ContextVar("_bound", default=None)
"""The bound of the exchange that goes on in this thread at this moment."""


@contextmanager
def bounded(bound: Bound) -> Iterator[None]:
    """Around a synchronous exchange: what `bound_network` was called with keeps to the bound meanwhile."""
    token = _bound.set(bound)
    try:
        yield
    finally:
        _bound.reset(token)


@asynccontextmanager
async def bounded_async(bound: Bound) -> AsyncIterator[None]:
    """Around an asynchronous exchange, with any HTTP client. Raises Lost; a cancellation from outside stays one."""
    try:
        async with asyncio.timeout(max(bound.ends - time.monotonic(), 0) + _GRACE):
            yield
    except TimeoutError as error:
        raise bound.lost() from error


# ── the body ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Body:
    """The body of an answer while it comes in. Raises Lost for one that is late, too long, torn or no gzip.

    One gzip member is read: what follows it would be dropped by some programs and read by others.
    """

    def __init__(self, answer: Any, bound: Bound) -> None:
        self._bound, self._on_wire, self._content = bound, 0, bytearray()
        # an answer that was read before is decompressed: a test's own, or that of a client whose hooks read it
        self.is_read = bool(getattr(answer, "is_stream_consumed", False))
        coding = "" if self.is_read else answer.headers.get("content-encoding", "").strip(" \t").lower()
        if coding not in {"", "identity", "gzip"}:
            raise Lost("the answer is compressed, and not by gzip once, which is all that was accepted")
        self._gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if coding == "gzip" else None

    def add(self, piece: bytes) -> None:
        """Take a piece as it came."""
        self._bound.check()
        self._on_wire += len(piece)
        if self._gzip is not None:
            piece = self._decompressed(self._gzip, piece)
        if max(self._on_wire, len(self._content) + len(piece)) > LARGEST:
            raise Lost(f"the answer is longer than {LARGEST} bytes")
        self._content += piece

    def whole(self) -> bytes:
        """Return the content, once the last piece came."""
        if self._gzip is not None and self._on_wire and not self._gzip.eof:
            raise Lost("the answer's gzip is cut off")
        return bytes(self._content)

    def _decompressed(self, gzip: Any, piece: bytes) -> bytes:
        if gzip.eof and piece:
            raise Lost("the answer goes on behind its gzip")
        try:  # a byte more than may come, so that what is too long shows
            content: bytes = gzip.decompress(piece, LARGEST - len(self._content) + 1)
        except zlib.error as error:
            raise Lost(f"the answer is no gzip: {error}") from None
        if gzip.unused_data:
            raise Lost("the answer goes on behind its gzip")
        return content


# ── the network ──────────────────────────────────────────────────────────────────────────────────────────────────────
def bound_network(http: httpx.Client) -> httpx.Client:
    """Have a client of httpx, and its proxies, keep to the bound of the exchange that goes on; returns the client.

    httpcore takes a network backend, but httpx hands none on: it is put in its place inside. Transports and mounts
    stay httpx's own, so that the environment's proxies and certificates are read by httpx, and vcrpy records.
    """
    transports: Iterable[Any] = (http._transport, *http._mounts.values())  # noqa: SLF001 - see above
    for transport in transports:
        if transport is None:  # a host that takes no proxy
            continue
        pool: Any = getattr(transport, "_pool", None)
        if not hasattr(pool, "_network_backend"):
            _LOG.warning("this version of httpx hides its network: a head that drips in outlives the timeout")
            continue
        pool._network_backend = _Network(pool._network_backend)  # noqa: SLF001 - see above
    return http


class _Network:
    """A network backend of httpcore that keeps to the bound. Our client connects by TCP alone and retries itself."""

    def __init__(self, backend: NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        """Connect to the first address of a host that answers; each waits for what is left, not for a whole timeout."""
        import httpcore

        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found):
            try:
                return _Stream(self._backend.connect_tcp(address, port, timeout=_before_sending(timeout), **options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream:
    """A connection that keeps to the bound of the exchange that uses it; a later one may use it again."""

    def __init__(self, stream: NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        import httpcore

        try:
            return self._stream.read(min(max_bytes, _READ), timeout=_left(timeout))
        except httpcore.ReadTimeout as error:
            if (bound := _bound.get()) is None:
                raise
            raise bound.lost() from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _WRITE):
            self._stream.write(buffer[at : at + _WRITE], timeout=_left(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _before_sending(timeout)))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(wanted: float | None) -> float | None:
    bound = _bound.get()
    return wanted if bound is None else bound.wait(wanted)


def _before_sending(wanted: float | None) -> float | None:
    """How long a connection may take. Raises NotSent where the time is over: nothing has left yet."""
    try:
        return _left(wanted)
    except Lost as late:
        raise NotSent("no connection was opened in time") from late
