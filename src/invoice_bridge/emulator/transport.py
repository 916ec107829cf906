"""An HTTP transport that an emulator answers: a real httpx client, no socket."""

from __future__ import annotations

import httpx

from invoice_bridge.emulator.core import Emulator
from invoice_bridge.wire import Request


class EmulatorTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Give it to `httpx.Client(transport=…)` or `httpx.AsyncClient(transport=…)`; `sent` lists what went through.

    `root` is the base URL without the provider's own path, such as "https://api.example.test".
    """

    def __init__(self, emulator: Emulator, root: str = "http://127.0.0.1:1") -> None:
        self.emulator, self.root = emulator, root
        self.sent: list[Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        plain = Request(request.method, str(request.url), dict(request.headers), content)
        self.sent.append(plain)
        answer = self.emulator(plain, self.root)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.content)
