"""A provider in another process that answers at once, so that what is timed is the client: python benchmarks/server.py

It is given routes on standard input, as JSON: {"POST /v1/invoices": ["application/json", "<the answer>"]}. Bills are
numbered: NUMBER stands for the number in routes and answers, and is found in a request's path, or else in its body.
All answers are made beforehand, but for the number. One thread on asyncio's protocols serves every connection: it needs
some 40 µs a request, a thread for each connection several times that at a hundred of them.

GET /_log gives the last requests, as [method, path, body], and forgets them: by it the contestants are compared.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NUMBER = b"77777777"
_NUMBERED = re.compile(rb"(?:bench-|_)(\d{8})\b")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def respond(kind: str, body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nrequest-id: req_bench\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, routes: dict[bytes, bytes], log: deque[tuple[str, str, str]]) -> None:
        self._routes, self._log = routes, log
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            method, target, _ = head.split(b" ", 2)
            self._transport.write(self._answer(method, target, body))

    def _answer(self, method: bytes, target: bytes, body: bytes) -> bytes:
        if target == b"/_log":
            answer = respond("application/json", json.dumps(list(self._log)).encode())
            self._log.clear()
            return answer
        found = _NUMBERED.search(target) or _NUMBERED.search(body)
        number = found[1] if found else NUMBER
        template = self._routes.get(method + b" " + target.replace(number, NUMBER))
        self._log.append((method.decode(), target.decode(), body.decode()))
        if template is None:
            return respond("text/plain", b"no such route: " + method + b" " + target, "404 Not Found")
        return template.replace(NUMBER, number)


async def serve() -> None:
    given: dict[str, tuple[str, str]] = json.loads(sys.stdin.readline())
    routes = {name.encode(): respond(kind, body.encode()) for name, (kind, body) in given.items()}
    log: deque[tuple[str, str, str]] = deque(maxlen=16)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(routes, log), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # until the other end is closed
    server.close()


@contextmanager
def served(routes: dict[str, tuple[str, str]]) -> Iterator[str]:
    """Start the server with these routes; gives its URL."""
    program = [sys.executable, str(Path(__file__))]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(routes) + "\n")
        process.stdin.flush()
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait(10)


if __name__ == "__main__":
    asyncio.run(serve())
