"""HTTP/1.1 on one connection, without its network: what is written for a request, and how its answer reads.

Rules of this file: nothing here reads or writes a socket; network.py and network_async.py do. h11 is the protocol. Only
the plainest messages are written and read without it, at a tenth of the time: a request of printable headers, and an
answer that came in one piece with its Content-Length. Whatever differs goes to h11, which decides; a test compares both
for every message. What is raised and logged is what httpcore raises and logs for its own connections, so that httpx
classifies it. A connection is used again only after a whole answer, and if nothing came after it.
"""

from __future__ import annotations

import logging
import re
from time import monotonic
from typing import Any, Final, NamedTuple

import h11
import httpcore

__all__ = ["CONNECTING", "READ", "Wire"]

READ: Final = 16 * 1024
"""Bytes read at once: parsing a head of so many takes a fraction of the half second that an exchange may be late."""
_LONGEST_HEAD: Final = 100 * 1024
"""Bytes of a head, or of a line of a chunk, as httpcore allows."""
CONNECTING: Final = logging.getLogger("httpcore.connection")
_LOG: Final = logging.getLogger("httpcore.http11")

_NAME: Final = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_REQUEST: Final = re.compile(
    rb"(?:GET|POST|PUT|PATCH|DELETE) [!-~]+ HTTP/1\.1\r\n(?:%s: [!-~](?:[ -~]*[!-~])?\r\n)+\r\n" % _NAME
)
_ANSWER: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([ -~]*)\r\n((?:%s:[ -~]*\r\n)+)\r\n" % _NAME)
_LENGTH: Final = re.compile(rb"[0-9]{1,8}")
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"upgrade"})
"""Headers that say where a message ends or what follows it: a second one, or any but the expected, is for h11."""
_BODILESS: Final = frozenset({b"204", b"304"})

Headers = list[tuple[bytes, bytes]]


class Head(NamedTuple):
    """What comes before an answer's body."""

    status: int
    reason: bytes
    version: bytes
    headers: Headers


def plain_request(request: httpcore.Request, body: bytes) -> bytes | None:
    """Return the bytes of a request as h11 writes it; None if that has to decide."""
    host, lines, length = b"", [], None
    for name, value in request.headers:
        kind = name.lower()
        if kind == b"host" and not host:
            host = b"%s: %s\r\n" % (name, value)
            continue
        if kind == b"content-length" and length is None:
            length = value
        elif kind in _FRAMING or (kind == b"connection" and value != b"keep-alive"):
            return None
        lines.append(b"%s: %s\r\n" % (name, value))
    if not host or (length or b"0") != b"%d" % len(body):
        return None
    head = b"%s %s HTTP/1.1\r\n%s%s\r\n" % (request.method, request.url.target, host, b"".join(lines))
    is_plain = head.count(b"\n") == len(request.headers) + 2 and _REQUEST.fullmatch(head) is not None
    return head + body if is_plain else None


def plain_answer(received: bytes) -> tuple[Head, bytes] | None:
    """Return the head and the body of an answer to a request that `plain_request` wrote; None if h11 has to decide."""
    match = _ANSWER.match(received)
    if match is None or match[1] in _BODILESS:
        return None
    headers: Headers = []
    length = None
    for line in match[3][:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        value = value.strip(b" ")
        headers.append((name, value))
        kind = name.lower()
        if kind == b"content-length" and length is None and _LENGTH.fullmatch(value):
            length = int(value)
        elif kind in _FRAMING or (kind == b"connection" and value.lower() != b"keep-alive"):
            return None
    if length is None or len(received) != match.end() + length:
        return None
    return Head(int(match[1]), match[2], b"HTTP/1.1", headers), received[match.end() :]


class Wire:
    """The exchanges of one connection, one after another. `head` and `piece` return None until more was received."""

    def __init__(self) -> None:
        self.idle_since: float | None = None
        """When the last exchange ended well; None during an exchange, and before the first."""
        self._asked: tuple[httpcore.Request, bytes] | None = None
        """The request, until h11 has it."""
        self._h11 = h11.Connection(h11.CLIENT)
        self._plain: tuple[Head, bytes] | None = None

    def request(self, request: httpcore.Request, body: bytes) -> bytes:
        """Return what to write: the head and the body in one piece. Raises LocalProtocolError."""
        self.idle_since = self._plain = None
        self._asked = request, body
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("send_request_headers.complete request=%r", request)
        return plain_request(request, body) or self._written_by_h11()

    def _written_by_h11(self) -> bytes:
        """Let h11 write the request, and read its answer."""
        if self._asked is None:
            return b""
        (request, body), self._asked = self._asked, None
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        send = self._h11.send
        try:
            head = h11.Request(method=request.method, target=request.url.target, headers=request.headers)
            return b"".join([send(head), send(h11.Data(data=body)) if body else b"", send(h11.EndOfMessage())])
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(error) from error

    def receive(self, data: bytes) -> None:
        """Take what was read; nothing is the end of the connection. Raises RemoteProtocolError."""
        if self._asked is not None:
            self._plain = plain_answer(data)
            if self._plain is not None:
                self._asked = None
                return
            self._written_by_h11()
        if not data and self._h11.their_state is h11.SEND_RESPONSE:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        self._h11.receive_data(data)

    def head(self, body: Any) -> httpcore.Response | None:
        """Return the answer, which reads its body from `body`. Raises RemoteProtocolError."""
        head = self._plain[0] if self._plain is not None else self._read_head()
        if head is None:
            return None
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("receive_response_headers.complete return_value=%r", tuple(head))
        extensions = {"http_version": head.version, "reason_phrase": head.reason}
        return httpcore.Response(head.status, headers=head.headers, content=body, extensions=extensions)

    def _read_head(self) -> Head | None:
        if self._asked is not None:
            return None
        while not isinstance(event := self._next(), h11.Response):
            if event is h11.NEED_DATA:
                return None
        return Head(event.status_code, event.reason, b"HTTP/" + event.http_version, event.headers.raw_items())

    def piece(self) -> bytes | None:
        """Return the next piece of the body, b"" after the last one. Raises RemoteProtocolError."""
        if self._plain is not None:
            (head, piece), self._plain = self._plain, None
            self._plain = head, b""
            return piece
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
        if self._plain is not None:
            is_whole = not self._plain[1]
        else:
            is_done = http.our_state is h11.DONE and http.their_state is h11.DONE
            is_whole = is_done and http.trailing_data == (b"", False)
        if is_whole:
            self.idle_since = monotonic()
        return is_whole
