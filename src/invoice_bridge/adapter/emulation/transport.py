"""An HTTP transport for a real httpx client, answered by an emulator without a socket."""

from __future__ import annotations

import httpx

from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.faults import Delivery, Faults
from invoice_bridge.core.wire import Request


class EmulatorTransport(httpx.MockTransport):
    """A transport for `httpx.Client(transport=…)` or `httpx.AsyncClient(transport=…)`; `sent` lists the requests.

    `root` is the base URL that the client uses. vcrpy records these requests like those of a real connection. Faults
    raise what a real connection raises: ReadError, ReadTimeout, RemoteProtocolError. Nothing waits: an answer that is
    later than the client's timeout is a ReadTimeout at once, and any other answer arrives at once.
    """

    def __init__(self, emulator: Emulator | Faults, root: str = "http://127.0.0.1:1") -> None:
        super().__init__(self._answer)
        self.emulator = emulator.emulator if isinstance(emulator, Faults) else emulator
        self.faults = emulator if isinstance(emulator, Faults) else None
        self.root = root
        self.sent: list[Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        plain = Request(request.method, str(request.url), dict(request.headers), request.content)
        self.sent.append(plain)
        delivery = self.faults.deliver(plain, self.root) if self.faults else Delivery(self.emulator(plain, self.root))
        patience = request.extensions.get("timeout", {}).get("read")
        match delivery.manner:
            case "reset":
                raise httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
            case "truncated":
                promised = len(delivery.answer.content)
                raise httpx.RemoteProtocolError(
                    "peer closed connection without sending complete message body "
                    f"(received {promised // 2} bytes, expected {promised})",
                    request=request,
                )
            case "hang":
                raise httpx.ReadTimeout("timed out", request=request)
            case "late" | "slow" if patience is not None and patience <= delivery.seconds:
                raise httpx.ReadTimeout("timed out", request=request)
        answer = delivery.answer
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.content)
