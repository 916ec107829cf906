"""The network below the connections of an AsyncClient: transports of asyncio, under httpcore's interface.

Rules of this file: those of network.py. It is loaded when the first AsyncClient is made, and asyncio with it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import select
import socket
from collections import deque
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import httpcore

from invoice_bridge.client.http11 import CONNECTING, READ, Wire
from invoice_bridge.client.network import KEPT, is_usable

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable

__all__ = ["bound_network_async"]

_LOG = logging.getLogger(__name__)

_HEAD_START = 0.25
"""Seconds that an address has before the next one is tried beside it: the figure of RFC 8305."""

Transport = TypeVar("Transport")
_Opened: TypeAlias = "tuple[asyncio.Transport, _Incoming]"


def bound_network_async(transport: Transport, tls: ssl.SSLContext) -> Transport:
    """Have an asynchronous transport of httpx keep one connection, on asyncio's own transports; returns it."""
    owner: Any = transport
    pool: Any = getattr(transport, "_pool", None)
    if type(pool) is httpcore.AsyncConnectionPool:
        owner._pool = _AsyncLine(tls)  # noqa: SLF001 - see above
    elif hasattr(pool, "_network_backend"):  # of a proxy
        pool._network_backend = _AsyncNetwork()  # noqa: SLF001 - see above
    else:
        _LOG.warning("this version of httpx hides its network: its pools are slower than connections of our own")
    return transport


class _AsyncLine:
    """One connection in place of the pool of httpx's transport, for one user at a time."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls, self._network = tls, _AsyncNetwork()
        self._origin: httpcore.Origin | None = None
        self._wire = Wire()
        self._stream: _AsyncStream | None = None

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request over the connection; over a new one where the server closed it, or it was idle for long."""
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        stream, origin = self._stream, request.url.origin
        if stream is None or origin != self._origin or not is_usable(self._wire, stream):
            await self.aclose()
            stream = await self._connect(origin, timeouts.get("connect"))
            self._origin, self._wire, self._stream = origin, Wire(), stream
        body: Any = request.stream
        answer = _AsyncAnswer(self._wire, stream, timeouts.get("read"))
        try:
            written = self._wire.request(request, b"".join([piece async for piece in body]))
            return await answer.begin(written, timeouts.get("write"))
        except BaseException:
            stream.abort()
            raise

    async def aclose(self) -> None:
        if self._stream is not None:
            self._stream.abort()

    async def _connect(self, origin: httpcore.Origin, timeout: float | None) -> _AsyncStream:
        host = origin.host.decode("ascii")
        CONNECTING.debug("connect_tcp.started host=%r port=%d", host, origin.port)
        stream = await self._network.connect_tcp(host, origin.port, timeout)
        if origin.scheme == b"https":
            self._tls.set_alpn_protocols(["http/1.1"])
            stream = await stream.start_tls(self._tls, host, timeout)
        return stream


class _AsyncAnswer:
    """The answer to one request, while it is read."""

    def __init__(self, wire: Wire, stream: _AsyncStream, timeout: float | None) -> None:
        self._wire, self._stream, self._timeout = wire, stream, timeout
        self._is_sent, self._is_closed = True, False

    async def begin(self, written: bytes, timeout: float | None) -> httpcore.Response:
        """Write the request, and read the head of its answer."""
        try:
            await self._stream.write(written, timeout)
        except httpcore.WriteError:  # the server may have answered before it closed
            self._is_sent = False
        while (answer := self._wire.head(self)) is None:
            await self._receive()
        return answer

    async def _receive(self) -> None:
        self._wire.receive(await self._stream.read(READ, self._timeout))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (piece := self._wire.piece()) != b"":
                if piece is None:
                    await self._receive()
                else:
                    yield piece
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Leave the connection to the next exchange, or close it."""
        if not self._is_closed:
            self._is_closed = True
            if not (self._is_sent and self._wire.end()):
                self._stream.abort()


class _AsyncNetwork(httpcore.AsyncNetworkBackend):
    """A network backend of httpcore on asyncio's own transports: each exchange has one wait for its answer."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> _AsyncStream:
        """Connect to the first address of a host that answers, as browsers do: the next is tried after a moment."""
        local = None if local_address is None else (local_address, 0)
        try:
            async with asyncio.timeout(timeout):
                transport, incoming = await _connect(host, port, local)
        except TimeoutError as error:  # the operating system's own too
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return _AsyncStream(transport, incoming)


async def _connect(host: str, port: int, local: tuple[str, int] | None) -> _Opened:
    """Connect to a host. Raises OSError if no address of it answers.

    asyncio's `happy_eyeballs_delay` does the same, but leaves the socket open if the caller is cancelled in the moment
    in which it connects (seen in CPython 3.11.7). Here each address has a task, and what it opened is used or closed.
    """
    loop = asyncio.get_running_loop()
    if _is_address(host):
        return await loop.create_connection(_Incoming, host, port, local_addr=local)
    addresses = deque(_interleave(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    attempts: list[asyncio.Task[_Opened]] = []
    pending: set[asyncio.Task[_Opened]] = set()
    winner: asyncio.Task[_Opened] | None = None
    failure: BaseException = OSError(f"{host} has no address")
    try:
        while addresses or pending:
            if addresses:
                coroutine = loop.create_connection(_Incoming, addresses.popleft(), port, local_addr=local)
                attempts.append(loop.create_task(coroutine))
                pending.add(attempts[-1])
            done, pending = await asyncio.wait(
                pending, timeout=_HEAD_START if addresses else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                if (error := attempt.exception()) is None:
                    winner = attempt
                    return attempt.result()
                if not isinstance(error, OSError):
                    raise error
                failure = error
        raise failure
    finally:
        for attempt in attempts:
            if not attempt.done():
                attempt.cancel()
            elif attempt is not winner and not attempt.cancelled() and attempt.exception() is None:
                attempt.result()[0].abort()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _interleave(infos: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the addresses of a host: of both families in turn, so that one that does not answer costs one wait."""
    families: dict[int, dict[str, None]] = {}
    for family, *_, address in infos:
        families.setdefault(family, {})[str(address[0])] = None
    return [address for turn in zip_longest(*families.values()) for address in turn if address is not None]


class _Incoming(asyncio.Protocol):
    """What came in on a connection and was not read yet, and whether more may be written."""

    def __init__(self) -> None:
        self.data, self.is_over = bytearray(), False
        self.failure: Exception | None = None
        self.is_tls = False
        self._transport: Any = None
        self._is_paused = self._is_full = False
        self._waiting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > KEPT and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.is_over = True
        self._wake()
        return not self.is_tls  # what is still to be written is written; TLS ends as a whole

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over, self.failure = True, self.failure or exc
        self._is_full = False
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self, timeout: float | None) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._waiting
        finally:
            self._waiting = None

    async def readable(self, timeout: float | None) -> None:
        """Wait until something came, or nothing more will. Raises TimeoutError."""
        if self.data:  # a flood is read in pieces, and between them others have their turn, a timeout too
            await asyncio.sleep(0)
        while not self.data and not self.is_over:
            await self._wait(timeout)

    async def writable(self, timeout: float | None) -> None:
        """Wait until what was written has left, all but a little. Raises TimeoutError."""
        while self._is_full:
            await self._wait(timeout)

    def take(self, most: int) -> bytes:
        """Take out what came."""
        taken = bytes(self.data[:most])
        del self.data[:most]
        if self._is_paused and len(self.data) <= KEPT and not self.is_over:
            self._is_paused = False
            self._transport.resume_reading()
        return taken


class _AsyncStream(httpcore.AsyncNetworkStream):
    """A connection of asyncio."""

    def __init__(self, transport: asyncio.WriteTransport, incoming: _Incoming) -> None:
        self._transport, self._incoming, self._waiting = transport, incoming, bytearray()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        await self._flush(timeout)
        try:
            await self._incoming.readable(timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        taken = self._incoming.take(min(max_bytes, READ))
        if not taken and self._incoming.failure is not None:
            raise httpcore.ReadError(str(self._incoming.failure)) from self._incoming.failure
        return taken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._waiting += buffer
        if len(self._waiting) > KEPT:
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, bytearray()
        self._transport.write(waiting)
        try:
            await self._incoming.writable(timeout)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _AsyncStream:
        loop, incoming = asyncio.get_running_loop(), self._incoming
        incoming.is_tls = True
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(
                    self._transport, incoming, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            self._transport.abort()
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:  # ssl.SSLError is one
            self._transport.abort()
            raise httpcore.ConnectError(str(error)) from error
        except BaseException:
            self._transport.abort()
            raise
        if transport is None:
            raise httpcore.ConnectError("the connection was closed before TLS began")
        incoming.connection_made(transport)
        return _AsyncStream(transport, incoming)

    async def aclose(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        names = {"ssl_object": "ssl_object", "socket": "socket", "client_addr": "sockname", "server_addr": "peername"}
        if info == "is_readable":
            incoming = self._incoming
            sock = self._transport.get_extra_info("socket")
            return bool(incoming.data) or incoming.is_over or self._transport.is_closing() or _is_readable(sock)
        return self._transport.get_extra_info(names[info]) if info in names else None


def _is_readable(sock: Any) -> bool:
    """Whether a socket has something to read, an end too: the loop may not have read it yet."""
    if sock is None or sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([sock.fileno()], [], [], 0)[0])
    polled = select.poll()
    polled.register(sock.fileno(), select.POLLIN)
    return bool(polled.poll(0))
