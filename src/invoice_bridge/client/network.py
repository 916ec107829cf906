"""The network below a client's own connections: what keeps a synchronous exchange to its bound.

Rules of this file: it speaks the interface of httpcore's network backends, and raises httpcore's exceptions. What is
written waits for the first read after it, so that a request leaves in one piece; a server that closes early may have
answered, so a failed write is reported by the read.

httpcore takes a network backend, but httpx hands none on: a connection of httpcore is put where the transport has its
pool, which scans itself at every request; of a proxy's pool, the backend. Transports stay httpx's own.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import httpcore

from invoice_bridge.client.exchange import current_bound
from invoice_bridge.engine.supervise import Lost, NotSent

if TYPE_CHECKING:
    import ssl

__all__ = ["IDLE", "KEPT", "READ", "bound_network", "is_usable"]

_LOG = logging.getLogger(__name__)
READ = 16 * 1024
"""Bytes read at once: parsing a head of so many takes a fraction of the half second that an exchange may be late."""
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


def is_usable(connection: Any, origin: httpcore.Origin) -> bool:
    """Whether a connection is open, idle for a short time only, and one to this host."""
    return connection.can_handle_request(origin) and not connection.is_closed() and not connection.has_expired()


class _Line:
    """One connection of httpcore in place of the pool of httpx's transport, for one user at a time."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls, self._network = tls, _Network(httpcore.SyncBackend())
        self._connection: httpcore.HTTPConnection | None = None

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request over the connection; over a new one where the server closed it, or it was idle for long."""
        connection, origin = self._connection, request.url.origin
        if connection is None or not is_usable(connection, origin):
            self.close()
            connection = self._connection = httpcore.HTTPConnection(
                origin, ssl_context=self._tls, keepalive_expiry=IDLE, network_backend=self._network
            )
        return connection.handle_request(request)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


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
