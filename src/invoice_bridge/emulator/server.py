"""HTTP server of the emulators, each below its provider's name: for `invoice-bridge emulate`, the demo and the tests.

    http://127.0.0.1:8787/                         the providers, with their base URLs, settings and keys
    http://127.0.0.1:8787/stripe/v1/invoices       the provider's API
    http://127.0.0.1:8787/stripe/_ledger           the provider's ledger, as JSON

Rules of this file: an emulator gets the bytes of a request unchanged. The path is not decoded, so an id like "a%2Fb"
stays one segment. One thread answers all requests, one at a time: the emulators lock themselves anyway. A fault that
delays one answer delays no other. Only this file needs starlette and uvicorn.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, NoReturn
from urllib.parse import urlsplit

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import Clock, Emulator
from invoice_bridge.adapter.emulation.faults import Delivery, Faults
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.wire import Request
from invoice_bridge.explain import make_context

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response as HttpResponse
    from starlette.routing import Route
    from starlette.types import Message, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:  # an extra, not a requirement
    raise ConfigurationError(
        f'serving the emulators needs {error.name}: run pip install "invoice-bridge[emulator]"'
    ) from None

__all__ = ["PORT", "Served", "application", "listing", "running", "serve"]

PORT = 8787
"""The default port of `invoice-bridge emulate`."""
_LAST_PORT = 65535
_STOP_TIMEOUT = 10.0
_CHUNKS = 10


@dataclass(frozen=True)
class Served:
    """The providers of one server: `url` is its root, and `faults` has the emulator (with its faults) of each name."""

    url: str
    faults: dict[str, Faults]

    def __post_init__(self) -> None:
        for name, faults in self.faults.items():
            faults.emulator.links = self.base_urls[name]

    @property
    def emulators(self) -> Mapping[str, Emulator]:
        """Return the emulators without their faults, by the provider's name."""
        return {name: faults.emulator for name, faults in self.faults.items()}

    def put(self, name: str, answers: Emulator | Faults) -> None:
        """Replace the emulator of a provider, with faults or without, from the next request on.

        Raises ValueError for a name that this server does not serve.
        """
        if name not in self.faults:
            raise ValueError(f"this server does not serve {name}; it serves {', '.join(self.faults)}")
        self.faults[name] = answers if isinstance(answers, Faults) else Faults(answers)
        self.faults[name].emulator.links = self.base_urls[name]

    @property
    def base_urls(self) -> dict[str, str]:
        """Return the base_url that a client needs, by the provider's name."""
        return {name: f"{self.url}/{name}{_api_path(providers.get(name))}" for name in self.emulators}


def serve(
    port: int = PORT,
    host: str = "127.0.0.1",
    *,
    clock: Clock | None = None,
    names: Iterable[str] | None = None,
    ready: Callable[[Served], object] = lambda _served: None,
) -> NoReturn:
    """Serve the providers until the process is interrupted; call `ready` once the port is open.

    `clock` is the providers' clock, by default the real time; `names` chooses providers, by default all. Raises
    ConfigurationError if the port cannot be used, KeyboardInterrupt when the process is interrupted.
    """
    faults = _faults(names, clock)
    with _listen(host, port) as listener:
        ready(served := Served(_url(listener), faults))
        _server(served).run(sockets=[listener])
    raise KeyboardInterrupt  # only a signal ends the server, even if the shell made the process ignore SIGINT


@contextmanager
def running(
    port: int = 0, host: str = "127.0.0.1", *, clock: Clock | None = None, names: Iterable[str] | None = None
) -> Iterator[Served]:
    """Serve the providers from a thread while the block runs; port 0 takes a free one.

    The end of the block stops the thread and closes the socket. Raises ConfigurationError if the port cannot be used.
    """
    faults = _faults(names, clock)
    with _listen(host, port) as listener:
        server = _server(served := Served(_url(listener), faults))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="emulators", daemon=True)
        thread.start()
        try:
            yield served  # the port is open already: a request before the thread is ready waits in the queue
        finally:
            server.should_exit = True
            thread.join(_STOP_TIMEOUT)


def application(served: Served) -> Starlette:
    """Make the ASGI application that passes each request to the provider that the path's first segment names."""
    # A class as endpoint gets every method; a function would get GET only.
    return Starlette(routes=[Route("/{path:path}", endpoint=_Endpoint(served))])


class _Endpoint:
    """The ASGI application that answers all requests."""

    def __init__(self, served: Served) -> None:
        self.faults = served.faults
        self.roots = {name: _root(name, emulator) for name, emulator in served.emulators.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        incoming = HttpRequest(scope, receive)
        try:
            content = await incoming.body()
        except ClientDisconnect:  # the client left before it sent the whole request
            return
        delivery = self._answer(incoming, scope["raw_path"].decode("ascii"), content)
        await _deliver(delivery, scope, receive, send)

    def _answer(self, incoming: HttpRequest, path: str, content: bytes) -> Delivery:
        url = f"{incoming.url.scheme}://{incoming.headers.get('host') or incoming.url.netloc}"
        name, _, below = path.removeprefix("/").partition("/")
        if name not in self.faults:
            return _json(listing(Served(url, self.faults)), 404 if name else 200)
        faults = self.faults[name]
        if below == "_ledger":
            emulator = faults.emulator
            entries = [{**asdict(entry), "at": entry.at.isoformat()} for entry in list(emulator.ledger)]
            return _json({"provider": name, "requests": emulator.requests, "ledger": entries})
        query = incoming.scope["query_string"].decode("ascii")  # old versions of starlette see a query in "a%3Fb" too
        request = Request(incoming.method, f"{url}{path}{query and '?' + query}", dict(incoming.headers), content)
        return faults.deliver(request, url + self.roots[name])


# ── delivering an answer ─────────────────────────────────────────────────────────────────────────────────────────────
class _Connection(H11Protocol):
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


async def _deliver(delivery: Delivery, scope: Scope, receive: Receive, send: Send) -> None:
    connection: _Connection = scope["connection"]
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


def listing(served: Served) -> dict[str, Any]:
    """Return what the server's root shows: base URLs, keys, ledgers and switches of the providers."""
    return {
        "providers": {
            name: {
                "base_url": served.base_urls[name],
                "api_key": emulator.key,
                "settings": dict(emulator.settings),
                "customer": emulator.customer,
                "ledger": f"{served.url}/{name}/_ledger",
                "switches": {switch: text for switch, (_, text) in emulator.SWITCHES.items()},
            }
            for name, emulator in served.emulators.items()
        }
    }


def _json(body: Any, status: int = 200) -> Delivery:
    return Delivery(Emulator.json(body, status))


def _faults(names: Iterable[str] | None, clock: Clock | None) -> dict[str, Faults]:
    chosen = providers.names() if names is None else tuple(names)
    return {name: Faults(providers.get(name).emulator(clock=clock or _now)) for name in chosen}


def _now() -> datetime:
    return datetime.now(UTC)


def _api_path(provider: Provider) -> str:
    """Return the path of the provider's own base URL, such as /api/v2."""
    return urlsplit(make_context(provider, {}).base_url).path


def _root(name: str, emulator: Emulator) -> str:
    """Return the path below which an emulator's routes begin: some emulators' routes include the API's own path."""
    path = _api_path(providers.get(name))
    is_included = all(pattern.startswith(f"{path}/") for _, pattern, _ in emulator.ROUTES)
    return f"/{name}" if is_included else f"/{name}{path}"


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"{port} is not a port: choose a number from 0 to {_LAST_PORT}")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = "it is already in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise ConfigurationError(f"port {port} of {host} cannot be used: {why}; choose another port") from None


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(served: Served) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            application(served),
            loop="asyncio",
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,  # an answer may have its own
            timeout_graceful_shutdown=2,
        )
    )
