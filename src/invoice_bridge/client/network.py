"""The network below a client's own connections: what keeps a synchronous exchange to its bound.

Rules of this file: it speaks the interface of httpcore's network backends, and raises httpcore's exceptions. What is
written waits for the first read after it, so that a request leaves in one piece; a server that closes early may have
answered, so a failed write is reported by the read.

httpcore takes a network backend, but httpx hands none on: one connection is put where the transport has its pool, which
scans itself at every request; of a proxy's pool, the backend. Transports stay httpx's own. The connection is h11's
protocol (http11.py): httpcore's own costs as much again for each request, in traces and locks that nobody reads here.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

import httpcore

from invoice_bridge.client.exchange import current_bound
from invoice_bridge.client.http11 import CONNECTING, READ, Wire
from invoice_bridge.engine.supervise import Lost, NotSent

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

__all__ = ["IDLE", "KEPT", "bound_network", "is_usable"]

_LOG = logging.getLogger(__name__)
_WRITE = 2 * 1024
"""Bytes written at once. A socket is writable when it has room for so many, so that none waits twice."""
KEPT = 64 * 1024
"""Bytes that wait for the first read, and bytes that come in before somebody reads them."""

IDLE = 5.0
"""Seconds after which an idle connection is closed rather than used: what httpx allows."""

Transport = TypeVar("Transport")


def bound_network(transport: Transport, tls: ssl.SSLContext) -> Transport:
    """Have a transport of httpx keep one connection, and that to the bound of the exchange that goes on; returns it."""
    owner: Any = transport
    pool: Any = getattr(transport, "_pool", None)
    if type(pool) is httpcore.ConnectionPool:
        owner._pool = _Line(tls)  # noqa: SLF001 - see above
    elif hasattr(pool, "_network_backend"):  # of a proxy
        pool._network_backend = _Network(pool._network_backend)  # noqa: SLF001 - see above
    else:
        _LOG.warning("this version of httpx hides its network: a head that drips in outlives the timeout")
    return transport


def is_usable(wire: Wire, stream: Any) -> bool:
    """Whether a connection is idle, and for a short time only, and the server did not close it."""
    since = wire.idle_since
    return since is not None and time.monotonic() - since <= IDLE and not stream.get_extra_info("is_readable")


class _Line:
    """One connection in place of the pool of httpx's transport, for one user at a time."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls, self._network = tls, _Network(httpcore.SyncBackend())
        self._origin: httpcore.Origin | None = None
        self._wire = Wire()
        self._stream: _Stream | None = None

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request over the connection; over a new one where the server closed it, or it was idle for long."""
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        stream, origin = self._stream, request.url.origin
        if stream is None or origin != self._origin or not is_usable(self._wire, stream):
            self.close()
            stream = self._connect(origin, timeouts.get("connect"))
            self._origin, self._wire, self._stream = origin, Wire(), stream
        body: Any = request.stream
        answer = _Answer(self._wire, stream, timeouts.get("read"))
        try:
            return answer.begin(self._wire.request(request, b"".join(body)), timeouts.get("write"))
        except BaseException:
            stream.close()
            raise

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _connect(self, origin: httpcore.Origin, timeout: float | None) -> _Stream:
        host = origin.host.decode("ascii")
        CONNECTING.debug("connect_tcp.started host=%r port=%d", host, origin.port)
        stream = self._network.connect_tcp(host, origin.port, timeout)
        if origin.scheme == b"https":
            self._tls.set_alpn_protocols(["http/1.1"])
            stream = stream.start_tls(self._tls, host, timeout)
        return stream


class _Answer:
    """The answer to one request, while it is read."""

    def __init__(self, wire: Wire, stream: _Stream, timeout: float | None) -> None:
        self._wire, self._stream, self._timeout = wire, stream, timeout
        self._is_sent, self._is_closed = True, False

    def begin(self, written: bytes, timeout: float | None) -> httpcore.Response:
        """Write the request, and read the head of its answer."""
        try:
            self._stream.write(written, timeout)
        except httpcore.WriteError:  # the server may have answered before it closed
            self._is_sent = False
        while (answer := self._wire.head(self)) is None:
            self._receive()
        return answer

    def _receive(self) -> None:
        self._wire.receive(self._stream.read(READ, self._timeout))

    def __iter__(self) -> Iterator[bytes]:
        try:
            while (piece := self._wire.piece()) != b"":
                if piece is None:
                    self._receive()
                else:
                    yield piece
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the connection to the next exchange, or close it."""
        if not self._is_closed:
            self._is_closed = True
            if not (self._is_sent and self._wire.end()):
                self._stream.close()


class _Network(httpcore.NetworkBackend):
    """A network backend of httpcore that keeps to the bound. Our client connects by TCP alone and retries itself."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> _Stream:
        """Connect to the first address of a host that answers; each waits for what is left, not for a whole timeout."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found):
            try:
                stream = self._backend.connect_tcp(
                    address, port, _before_sending(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream)
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to the bound of the exchange that uses it; a later one may use it again."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream, self._waiting = stream, bytearray()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._flush(timeout)
        except httpcore.WriteError:
            self._waiting.clear()
        try:
            return self._stream.read(min(max_bytes, READ), timeout=_left(timeout))
        except httpcore.ReadTimeout as error:
            if (bound := current_bound()) is None:
                raise
            raise bound.lost() from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._waiting += buffer
        if len(self._waiting) > KEPT:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        for at in range(0, len(waiting), _WRITE):
            self._stream.write(bytes(waiting[at : at + _WRITE]), timeout=_left(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _before_sending(timeout)))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(wanted: float | None) -> float | None:
    bound = current_bound()
    return wanted if bound is None else bound.wait(wanted)


def _before_sending(wanted: float | None) -> float | None:
    """How long a connection may take. Raises NotSent where the time is over: nothing has left yet."""
    try:
        return _left(wanted)
    except Lost as late:
        raise NotSent("no connection was opened in time") from late
