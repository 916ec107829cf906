"""An HTTP transport that an emulator answers: a real httpx client, no socket."""

from __future__ import annotations

import httpx

from invoice_bridge.emulator.core import Emulator
from invoice_bridge.wire import Request


class EmulatorTransport(httpx.MockTransport):
    """Give it to `httpx.Client(transport=…)` or `httpx.AsyncClient(transport=…)`; `sent` lists what went through.

    `root` is the base URL that the client uses. vcrpy records what passes here as it records a real connection.
    """

    def __init__(self, emulator: Emulator, root: str = "http://127.0.0.1:1") -> None:
        super().__init__(self._answer)
        self.emulator, self.root = emulator, root
        self.sent: list[Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        plain = Request(request.method, str(request.url), dict(request.headers), request.content)
        self.sent.append(plain)
        answer = self.emulator(plain, self.root)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.content)
