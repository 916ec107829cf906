"""The in-memory providers over HTTP, each below its own name: `invoice-bridge emulate`, the demo, and the tests.

    http://127.0.0.1:8787/                         which providers there are, their base URLs, settings and keys
    http://127.0.0.1:8787/stripe/v1/invoices       what the provider answers
    http://127.0.0.1:8787/stripe/_ledger           what it billed, as JSON

Rules of this file: a request reaches the emulator as its bytes came, its path undecoded: an id like "a%2Fb" stays one
segment. One thread answers all requests, one at a time, as the emulators' own locks would have it; what a fault keeps
waiting keeps nobody else. Only this file needs starlette and uvicorn.
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
    from starlette.requests import Request as Asked
    from starlette.responses import Response as Answer
    from starlette.routing import Route
    from starlette.types import Message, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:  # an extra, not a requirement
    raise ConfigurationError(
        f'serving the emulators needs {error.name}: run pip install "invoice-bridge[emulator]"'
    ) from None

__all__ = ["PORT", "Served", "application", "listing", "running", "serve"]

PORT = 8787
"""Where `invoice-bridge emulate` listens unless told otherwise."""
_LAST_PORT = 65535
_STOPS_WITHIN = 10.0
_PIECES = 10


@dataclass(frozen=True)
class Served:
    """The providers of one server: `url` is its root, and `faults` holds what answers below it, by their names."""

    url: str
    faults: dict[str, Faults]

    def __post_init__(self) -> None:
        for name, faults in self.faults.items():
            faults.emulator.links = self.base_urls[name]

    @property
    def emulators(self) -> Mapping[str, Emulator]:
        """The emulators alone."""
        return {name: faults.emulator for name, faults in self.faults.items()}

    def put(self, name: str, answers: Emulator | Faults) -> None:
        """Have another emulator, with faults or without, answer as one of the providers from the next request on.

        Raises ValueError for a name that is not served.
        """
        if name not in self.faults:
            raise ValueError(f"{name} is not served here; there are {', '.join(self.faults)}")
        self.faults[name] = answers if isinstance(answers, Faults) else Faults(answers)
        self.faults[name].emulator.links = self.base_urls[name]

    @property
    def base_urls(self) -> dict[str, str]:
        """What clients take as base_url, by the provider's name."""
        return {name: f"{self.url}/{name}{_api_path(providers.get(name))}" for name in self.emulators}


def serve(
    port: int = PORT,
    host: str = "127.0.0.1",
    *,
    clock: Clock | None = None,
    names: Iterable[str] | None = None,
    ready: Callable[[Served], object] = lambda _served: None,
) -> NoReturn:
    """Serve the providers until the process is interrupted; `ready` is called once the port is open.

    `clock` is the providers' present, by default the real one; `names` chooses providers, by default all. Raises
    ConfigurationError where the port cannot be used, KeyboardInterrupt when it is interrupted.
    """
    faults = _faults(names, clock)
    with _listen(host, port) as listener:
        ready(served := Served(_url(listener), faults))
        _server(served).run(sockets=[listener])
    raise KeyboardInterrupt  # only a signal ends it, even where the shell had that ignored


@contextmanager
def running(
    port: int = 0, host: str = "127.0.0.1", *, clock: Clock | None = None, names: Iterable[str] | None = None
) -> Iterator[Served]:
    """Serve the providers from a thread for as long as the block runs; port 0 takes a free one.

    Nothing is left when the block ends: no thread, no socket. Raises ConfigurationError where the port cannot be used.
    """
    faults = _faults(names, clock)
    with _listen(host, port) as listener:
        server = _server(served := Served(_url(listener), faults))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="emulators", daemon=True)
        thread.start()
        try:
            yield served  # the port is open already: what comes before the thread is ready waits in the queue
        finally:
            server.should_exit = True
            thread.join(_STOPS_WITHIN)


def application(served: Served) -> Starlette:
    """Make the ASGI application that hands each request to the provider its first segment names."""
    # A class as endpoint takes every method; a function would be asked for GET alone.
    return Starlette(routes=[Route("/{path:path}", endpoint=_Endpoint(served))])


class _Endpoint:
    """Answers all requests: an ASGI application of its own."""

    def __init__(self, served: Served) -> None:
        self.faults = served.faults
        self.roots = {name: _root(name, emulator) for name, emulator in served.emulators.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = Asked(scope, receive)
        try:
            content = await asked.body()
        except ClientDisconnect:  # the request never came whole
            return
        delivery = self._answer(asked, scope["raw_path"].decode("ascii"), content)
        await _deliver(delivery, scope, receive, send)

    def _answer(self, asked: Asked, path: str, content: bytes) -> Delivery:
        url = f"{asked.url.scheme}://{asked.headers.get('host') or asked.url.netloc}"
        name, _, below = path.removeprefix("/").partition("/")
        if name not in self.faults:
            return _json(listing(Served(url, self.faults)), 404 if name else 200)
        faults = self.faults[name]
        if below == "_ledger":
            emulator = faults.emulator
            entries = [{**asdict(entry), "at": entry.at.isoformat()} for entry in list(emulator.ledger)]
            return _json({"provider": name, "requests": emulator.requests, "ledger": entries})
        query = asked.scope["query_string"].decode("ascii")  # old versions of starlette find one in "a%3Fb" as well
        plain = Request(asked.method, f"{url}{path}{query and '?' + query}", dict(asked.headers), content)
        return faults.deliver(plain, url + self.roots[name])


# ── how an answer reaches the client ─────────────────────────────────────────────────────────────────────────────────
class _Connection(H11Protocol):
    """A connection that the application finds in its scope: a fault resets it, or holds it while the server runs."""

    is_held = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, as ever; every request of this connection carries it along.

        Small answers leave at once: asyncio sets TCP_NODELAY only where a socket's protocol number says TCP, and
        socket.create_server leaves that 0, so that an answer on a kept connection waited for a delayed acknowledgement.
        """
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        application = self.app

        async def reachable(scope: Any, receive: Any, send: Any) -> None:
            await application({**scope, "connection": self}, receive, send)

        self.app = reachable

    def reset(self) -> None:
        """Send RST instead of FIN: a socket that does not linger throws away what was not sent."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def shutdown(self) -> None:
        """Stop, as ever; nobody waits for an answer that a fault holds back."""
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
            size = max(len(content) // _PIECES, 1)
            for start in range(0, len(content), size):
                await send({"type": "http.response.body", "body": content[start : start + size], "more_body": True})
                if await _is_gone(receive, delivery.seconds):
                    return
            await send({"type": "http.response.body"})
        case "whole" | "late":
            if delivery.manner == "whole" or not await _is_gone(receive, delivery.seconds):
                await Answer(content, answer.status, headers)(scope, receive, send)
    connection.is_held = False


def _head(status: int, headers: Mapping[str, str], content: bytes) -> Message:
    told = {**headers, "content-length": str(len(content))}
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()],
    }


async def _is_gone(receive: Receive, seconds: float | None = None) -> bool:
    """Wait until the client is gone, so many seconds at most; whether it is."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


def listing(served: Served) -> dict[str, Any]:
    """What a server says of itself: base URLs, keys, ledgers, switches."""
    return {
        "providers": {
            name: {
                "base_url": served.base_urls[name],
                "api_key": emulator.key,
                "settings": dict(emulator.settings),
                "customer": emulator.customer,
                "ledger": f"{served.url}/{name}/_ledger",
                "switches": {switch: told for switch, (_, told) in emulator.SWITCHES.items()},
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
    """The path of the provider's own base URL, such as /api/v2."""
    return urlsplit(make_context(provider, {}).base_url).path


def _root(name: str, emulator: Emulator) -> str:
    """The path below which an emulator's routes begin: some emulators spell the API's own path in their routes."""
    path = _api_path(providers.get(name))
    is_spelled = all(pattern.startswith(f"{path}/") for _, pattern, _ in emulator.ROUTES)
    return f"/{name}" if is_spelled else f"/{name}{path}"


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"{port} is not a port: it is a number from 0 to {_LAST_PORT}")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = "it is in use already" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
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
            date_header=False,  # an answer may bring its own
            timeout_graceful_shutdown=2,
        )
    )
