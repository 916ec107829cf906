"""HTTP/1.1 on one connection, without its network: h11 writes the requests and reads the answers.

Rules of this file: nothing here reads or writes a socket; network.py and network_async.py do. What is raised and logged
is what httpcore raises and logs for its own connections, so that httpx classifies it. A connection is used again only
after a whole request and a whole answer, and if nothing came after that answer.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, Final

import h11
import httpcore

__all__ = ["READ", "CONNECTING", "Wire"]

READ: Final = 16 * 1024
"""Bytes read at once: parsing a head of so many takes a fraction of the half second that an exchange may be late."""
_LONGEST_HEAD: Final = 100 * 1024
"""Bytes of a head, or of a line of a chunk, as httpcore allows."""
CONNECTING: Final = logging.getLogger("httpcore.connection")
_LOG: Final = logging.getLogger("httpcore.http11")


class Wire:
    """The exchanges of one connection, one after another. `head` and `piece` return None until more was received."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self.idle_since: float | None = None
        """When the last exchange ended well; None during an exchange, and before the first."""

    def request(self, request: httpcore.Request, body: bytes) -> bytes:
        """Return what to write: the head and the body in one piece. Raises LocalProtocolError."""
        self.idle_since = None
        send = self._h11.send
        try:
            head = h11.Request(method=request.method, target=request.url.target, headers=request.headers)
            written: list[Any] = [send(head), send(h11.Data(data=body)) if body else b"", send(h11.EndOfMessage())]
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(error) from error
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("send_request_headers.complete request=%r", request)
        return b"".join(written)

    def receive(self, data: bytes) -> None:
        """Take what was read; nothing is the end of the connection. Raises RemoteProtocolError."""
        if not data and self._h11.their_state is h11.SEND_RESPONSE:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        self._h11.receive_data(data)

    def head(self, body: Any) -> httpcore.Response | None:
        """Return the answer, which reads its body from `body`. Raises RemoteProtocolError."""
        while not isinstance(event := self._next(), h11.Response):
            if event is h11.NEED_DATA:
                return None
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("receive_response_headers.complete %d %r", event.status_code, event.headers.raw_items())
        extensions = {"http_version": b"HTTP/" + event.http_version, "reason_phrase": event.reason}
        return httpcore.Response(
            event.status_code, headers=event.headers.raw_items(), content=body, extensions=extensions
        )

    def piece(self) -> bytes | None:
        """Return the next piece of the body, b"" after the last one. Raises RemoteProtocolError."""
        while True:
            event = self._next()
            if isinstance(event, h11.Data):
                if event.data:
                    return bytes(event.data)
            elif event is h11.NEED_DATA:
                return None
            else:
                return b""

    def _next(self) -> Any:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise httpcore.RemoteProtocolError(error) from error

    def end(self) -> bool:
        """End an exchange. Return whether the connection can have another one; otherwise it has to be closed."""
        http = self._h11
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE or http.trailing_data != (b"", False):
            return False
        http.start_next_cycle()
        self.idle_since = monotonic()
        return True
