"""Servers on loopback that answer for ever, a little at a time; each kind of drip; and calls that meet one."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from invoice_bridge import AsyncClient, BridgeError, Client
from invoice_bridge.core.exact import dumps
from invoice_bridge.testing import no_retries
from tests.clients import KEY, row

PAUSE = 0.05
"""Seconds between two pieces: less than any timeout, so that each piece comes in time."""
LONG = 20.0
"""Seconds after which a drip ends by itself, so that a defect makes a test fail rather than hang."""

Answer = Callable[[socket.socket], None]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_GZIP = _HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08"
_INVOICE = dumps(row(1))


def drip(first: bytes, piece: bytes, pause: float = PAUSE) -> Answer:
    """An answer that begins well and then goes on and on."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        over = time.monotonic() + LONG
        while time.monotonic() < over:
            connection.sendall(piece)
            threading.Event().wait(pause)

    return answer


def silent(connection: socket.socket) -> None:
    """Accept, and never answer."""
    connection.settimeout(LONG)
    while connection.recv(65536):
        pass


KINDS: dict[str, Answer] = {
    "no answer": silent,
    "status line": drip(b"HTTP/1.1 200 ", b"O"),
    "header name": drip(_HEAD, b"x"),
    "header value": drip(_HEAD + b"X-A: ", b"a"),
    "headers": drip(_HEAD, b"X-A: a\r\n"),
    "1xx answers": drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunk size": drip(_CHUNKED, b"0"),
    "chunk extension": drip(_CHUNKED + b"5;", b"a"),
    "chunks": drip(_CHUNKED, b"1\r\n \r\n"),
    "trailer": drip(_CHUNKED + b"%x\r\n%s\r\n0\r\nX-T: " % (len(_INVOICE), _INVOICE), b"a"),
    "trailers": drip(_CHUNKED + b"%x\r\n%s\r\n0\r\n" % (len(_INVOICE), _INVOICE), b"X-T: a\r\n"),
    "body of a length": drip(_HEAD + b"Content-Length: 9999\r\n\r\n", b" "),
    "body until it closes": drip(_HEAD + b"\r\n", b" "),
    "gzip name": drip(_GZIP + b"\x08\0\0\0\0\0\3", b"a"),
    "gzip comment": drip(_GZIP + b"\x10\0\0\0\0\0\3", b"a"),
    "gzip blocks that are empty": drip(_GZIP + b"\0\0\0\0\0\0\3", b"\0\0\0\xff\xff"),
    "gzip members that are empty": drip(
        _HEAD + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\3\3\0" + bytes(8)
    ),
}
"""What may drip in an answer over HTTP/1.1; each piece comes in time."""

TLS = drip(b"\x16\x03\x03\x40\x00", b"\x02")
"""A handshake of TLS: a record of 16 kB, a byte at a time."""
PROXY = drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"a")
"""What a proxy answers to CONNECT."""


@contextmanager
def serving(answer: Answer, *, reads: bool = True) -> Iterator[str]:
    """A server that answers every connection like this; gives its host and port."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(LONG)
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if reads:
                connection.recv(65536)
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                opened.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        for each in (listening, *opened):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in (accepting, *threads):
            thread.join(2)


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────
Ended = tuple[float, BridgeError | None]
"""The seconds that a call took, and what it raised."""
Call = Callable[[dict[str, Any]], Ended]


def by_client(said: dict[str, Any]) -> Ended:
    """Read an invoice once. Making the client, which reads all certificates, is not counted."""
    with no_retries(), Client("stripe", api_key=KEY, **said) as client:
        began = time.monotonic()
        try:
            client.retrieve("in_1", whole=False)
        except BridgeError as error:
            return time.monotonic() - began, error
        return time.monotonic() - began, None


def by_async_client(said: dict[str, Any]) -> Ended:
    """The same, awaited."""

    async def call() -> Ended:
        with no_retries():
            made = AsyncClient("stripe", api_key=KEY, **said)
        async with made as client:
            began = time.monotonic()
            try:
                await client.retrieve("in_1", whole=False)
            except BridgeError as error:
                return time.monotonic() - began, error
            return time.monotonic() - began, None

    return asyncio.run(call())


CALLS: dict[str, Call] = {"sync": by_client, "async": by_async_client}
