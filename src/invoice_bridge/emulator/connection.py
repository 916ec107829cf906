"""How an answer reaches the client over TCP: whole, late, in pieces, or not at all.

Rules of this file: a fault that delays one answer delays no other, and none keeps the server from ending. Only this
file knows uvicorn's protocol of a connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from starlette.responses import Response as HttpResponse
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from invoice_bridge.adapter.emulation.faults import Delivery

_CHUNKS = 10


class Connection(H11Protocol):
    """A connection that is in the scope of each of its requests, so that a fault can reset it or hold it open."""

    is_held = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Open the connection, add it to the scope of its requests, and set TCP_NODELAY.

        asyncio sets TCP_NODELAY only if the socket's protocol number is TCP, and socket.create_server leaves that 0:
        without this, a small answer on a kept connection waits for a delayed acknowledgement.
        """
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        application = self.app

        async def with_connection(scope: Any, receive: Any, send: Any) -> None:
            await application({**scope, "connection": self}, receive, send)

        self.app = with_connection

    def reset(self) -> None:
        """Send RST instead of FIN: a socket with a linger time of 0 discards its unsent data."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def shutdown(self) -> None:
        """Close the connection; abort it if a fault holds its answer back, so that the server does not wait."""
        super().shutdown()
        if self.is_held:
            self.transport.abort()


async def deliver(delivery: Delivery, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer in the manner of its delivery."""
    connection: Connection = scope["connection"]
    answer, content = delivery.answer, delivery.answer.content
    headers = {"date": formatdate(usegmt=True), **answer.headers}
    connection.is_held = delivery.manner != "whole"
    match delivery.manner:
        case "reset":
            connection.reset()
            await _is_gone(receive)
        case "hang":
            await _is_gone(receive)
        case "truncated":
            await send(_head(answer.status, headers, content))
            await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
            connection.transport.close()
            await _is_gone(receive)
        case "slow":
            await send(_head(answer.status, headers, content))
            size = max(len(content) // _CHUNKS, 1)
            for start in range(0, len(content), size):
                await send({"type": "http.response.body", "body": content[start : start + size], "more_body": True})
                if await _is_gone(receive, delivery.seconds):
                    return
            await send({"type": "http.response.body"})
        case "whole" | "late":
            if delivery.manner == "whole" or not await _is_gone(receive, delivery.seconds):
                await HttpResponse(content, answer.status, headers)(scope, receive, send)
    connection.is_held = False


def _head(status: int, headers: Mapping[str, str], content: bytes) -> Message:
    sized = {**headers, "content-length": str(len(content))}
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sized.items()],
    }


async def _is_gone(receive: Receive, seconds: float | None = None) -> bool:
    """Wait until the client disconnects, at most `seconds` (None: without limit); return whether it did."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
