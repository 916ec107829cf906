"""HTTP server of the emulators, each below its provider's name: for `invoice-bridge emulate`, the demo and the tests.

    http://127.0.0.1:8787/                         the providers, with their base URLs, settings and keys
    http://127.0.0.1:8787/stripe/v1/invoices       the provider's API
    http://127.0.0.1:8787/stripe/_ledger           the provider's ledger, as JSON
    http://127.0.0.1:8787/stripe/_control          the control API, see control.py
    http://127.0.0.1:8803/v1/invoices              the provider's API on a port of its own, without a prefix
    http://127.0.0.1:8803/_control                 the same control API

Rules of this file: an emulator gets the bytes of a request unchanged. The path is not decoded, so an id like "a%2Fb"
stays one segment. One thread answers all requests, one at a time: the emulators lock themselves anyway. A fault that
delays one answer delays no other. Only this file needs starlette and uvicorn.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from json import dumps
from typing import Any, NoReturn
from urllib.parse import urlsplit

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import Clock, Emulator
from invoice_bridge.adapter.emulation.faults import Delivery, Faults
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator.answers import Refusal, read
from invoice_bridge.emulator.clock import ServedClock
from invoice_bridge.emulator.control import PATH, Control
from invoice_bridge.emulator.endpoints import NewEndpoint
from invoice_bridge.emulator.guard import refuse_foreign
from invoice_bridge.emulator.ports import listen, url_of
from invoice_bridge.explain import make_context

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect
    from starlette.requests import Request as HttpRequest
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

    from invoice_bridge.emulator.connection import Connection, deliver
except ImportError as error:  # an extra, not a requirement
    raise ConfigurationError(
        f'serving the emulators needs {error.name}: run pip install "invoice-bridge[emulator]"'
    ) from None

__all__ = ["FIRST_PORT", "PORT", "Served", "application", "listing", "running", "serve"]

PORT = 8787
"""The default port of `invoice-bridge emulate`: every provider, below its name."""
FIRST_PORT = 8801
"""The default port of the first provider alone; the next ones follow, in the order of their names."""
_STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Served:
    """The providers of one server: `url` is its root, and `faults` has the emulator (with its faults) of each name.

    `own_ports` has the port on which a provider is served alone, without a prefix, by name.
    """

    url: str
    faults: dict[str, Faults]
    own_ports: Mapping[str, int] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.controls.update({name: Control(name, self.faults) for name in self.faults})
        for name in self.faults:
            self._adopt(name)

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
        self._adopt(name)

    def add_endpoint(self, name: str, url: str, secret: str | None = None, **options: Any) -> None:
        """Deliver a provider's webhooks to `url`; without a secret the emulator's test secret signs.

        `options` are those of endpoints.NewEndpoint; the URL may be another machine's. Raises ConfigurationError.
        """
        try:
            body = read(NewEndpoint, dumps({"url": url, "secret": secret, "elsewhere": True, **options}).encode())
            self.controls[name].endpoints.add(self.faults[name].emulator, body)
        except Refusal as error:
            raise ConfigurationError(f"webhooks of {name}: {error}") from None

    def _adopt(self, name: str) -> None:
        emulator = self.faults[name].emulator
        emulator.links, emulator.emits = self.base_urls[name], True

    @property
    def base_urls(self) -> dict[str, str]:
        """Return the base_url that a client needs, by the provider's name."""
        return {name: f"{self.url}/{name}{_api_path(providers.get(name))}" for name in self.emulators}

    @property
    def own_urls(self) -> dict[str, str]:
        """Return the base_url on each provider's own port, which takes no prefix, by name."""
        host = self.url.rpartition(":")[0]
        return {name: f"{host}:{port}{_api_path(providers.get(name))}" for name, port in self.own_ports.items()}


def serve(
    port: int = PORT,
    host: str = "127.0.0.1",
    *,
    first_port: int = FIRST_PORT,
    clock: Clock | None = None,
    names: Iterable[str] | None = None,
    switches: Mapping[str, Mapping[str, bool]] | None = None,
    ready: Callable[[Served], object] = lambda _served: None,
) -> NoReturn:
    """Serve the providers until the process is interrupted; call `ready` once the ports are open.

    Each provider also has a port of its own, from `first_port` on; 0 chooses free ones. `clock` is the providers'
    clock, by default the real time; `names` chooses providers, by default all; `switches` has those of each. Raises
    ConfigurationError if a port cannot be used, KeyboardInterrupt when the process is interrupted.
    """
    with _opened(port, host, first_port, _faults(names, clock, switches or {})) as (served, listeners):
        ready(served)
        _server(served, host).run(sockets=listeners)
    raise KeyboardInterrupt  # only a signal ends the server, even if the shell made the process ignore SIGINT


@contextmanager
def running(
    port: int = 0,
    host: str = "127.0.0.1",
    *,
    first_port: int = 0,
    clock: Clock | None = None,
    names: Iterable[str] | None = None,
    switches: Mapping[str, Mapping[str, bool]] | None = None,
) -> Iterator[Served]:
    """Serve the providers from a thread while the block runs; port 0 takes a free one.

    The end of the block stops the thread and closes the sockets. Raises ConfigurationError if a port cannot be used.
    """
    with _opened(port, host, first_port, _faults(names, clock, switches or {})) as (served, listeners):
        server = _server(served, host)
        thread = threading.Thread(target=server.run, kwargs={"sockets": listeners}, name="emulators", daemon=True)
        thread.start()
        try:
            yield served  # the ports are open already: a request before the thread is ready waits in the queue
        finally:
            server.should_exit = True
            thread.join(_STOP_TIMEOUT)


@contextmanager
def _opened(
    port: int, host: str, first_port: int, faults: dict[str, Faults]
) -> Iterator[tuple[Served, list[socket.socket]]]:
    """Open the ports, the shared one first."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(listen(host, port))]
        for place in range(len(faults)):
            listeners.append(stack.enter_context(listen(host, first_port and first_port + place)))
        ports = [listener.getsockname()[1] for listener in listeners[1:]]
        served = Served(url_of(listeners[0]), faults, dict(zip(faults, ports, strict=True)))
        try:
            yield served, listeners
        finally:
            for control in served.controls.values():
                control.endpoints.remove_all(wait=1.0)


def application(served: Served, host: str = "127.0.0.1") -> Starlette:
    """Make the ASGI application: a provider is chosen by its own port, or by the path's first segment."""
    # A class as endpoint gets every method; a function would get GET only.
    return Starlette(routes=[Route("/{path:path}", endpoint=_Endpoint(served, host))])


class _Endpoint:
    """The ASGI application that answers all requests."""

    def __init__(self, served: Served, host: str) -> None:
        self.served, self.host = served, host
        self.faults = served.faults
        self.roots = {name: _root(name, emulator) for name, emulator in served.emulators.items()}
        self.alone = {port: name for name, port in served.own_ports.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        incoming = HttpRequest(scope, receive)
        try:
            content = await incoming.body()
        except ClientDisconnect:  # the client left before it sent the whole request
            return
        delivery = self._answer(incoming, scope["raw_path"].decode("ascii"), content)
        await deliver(delivery, scope, receive, send)

    def _answer(self, incoming: HttpRequest, path: str, content: bytes) -> Delivery:
        scheme, (host, port) = incoming.scope["scheme"], incoming.scope["server"]
        url = f"{scheme}://{incoming.headers.get('host') or f'{host}:{port}'}"
        own = self.alone.get(port)
        if own is None:
            name, _, below = path.removeprefix("/").partition("/")
            prefix = f"/{name}"
        else:
            name, below, prefix = own, path.removeprefix("/"), ""
        if name not in self.faults:
            return _json(listing(self.served, url), 404 if name else 200)
        faults = self.faults[name]
        is_ledger = below == "_ledger"
        if is_ledger or below.partition("/")[0] == PATH:
            if (refusal := refuse_foreign(incoming.headers, self.host)) is not None:
                return Delivery(refusal)
            if not is_ledger:
                control = below.removeprefix(PATH)
                return Delivery(self.served.controls[name].answer(incoming.method, control, content))
            emulator = faults.emulator
            entries = [{**asdict(entry), "at": entry.at.isoformat()} for entry in list(emulator.ledger)]
            return _json({"provider": name, "requests": emulator.requests, "ledger": entries})
        query = incoming.scope["query_string"].decode("ascii")  # old versions of starlette see a query in "a%3Fb" too
        request = Request(incoming.method, f"{url}{path}{query and '?' + query}", dict(incoming.headers), content)
        root = url + prefix + self.roots[name]
        faults.emulator.links = root
        delivery = faults.deliver(request, root)
        self.served.controls[name].endpoints.collect(faults.emulator)
        now = format_datetime(faults.emulator.clock().astimezone(UTC), usegmt=True)
        headers = {"date": now, **delivery.answer.headers}  # the provider's present, which its clock may shift
        return replace(delivery, answer=replace(delivery.answer, headers=headers))


def listing(served: Served, url: str | None = None) -> dict[str, Any]:
    """Return what the server's root shows: base URLs, keys, ledgers and switches of the providers.

    `url` is the root as the reader addresses it.
    """
    root = served.url if url is None else url
    host = urlsplit(root).hostname or ""
    alone = f"http://[{host}]" if ":" in host else f"http://{host}"
    return {
        "providers": {
            name: {
                "base_url": f"{root}/{name}{_api_path(providers.get(name))}",
                "own_url": f"{alone}:{port}{_api_path(providers.get(name))}" if port else None,
                "api_key": emulator.key,
                "settings": dict(emulator.settings),
                "customer": emulator.customer,
                "ledger": f"{root}/{name}/_ledger",
                "control": f"{root}/{name}/{PATH}",
                "switches": {switch: text for switch, (_, text) in emulator.SWITCHES.items()},
            }
            for name, emulator in served.emulators.items()
            for port in [served.own_ports.get(name)]
        }
    }


def _json(body: Any, status: int = 200) -> Delivery:
    return Delivery(Emulator.json(body, status))


def _faults(
    names: Iterable[str] | None, clock: Clock | None, switches: Mapping[str, Mapping[str, bool]]
) -> dict[str, Faults]:
    chosen = providers.names() if names is None else tuple(names)
    if unknown := set(switches) - set(chosen):
        raise ConfigurationError(f"no emulator of {', '.join(sorted(unknown))} is served: {', '.join(chosen)} are")
    try:
        return {
            name: Faults(providers.get(name).emulator(clock=ServedClock(clock or _now), switches=switches.get(name)))
            for name in chosen
        }
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _now() -> datetime:
    return datetime.now(UTC)


def _api_path(provider: Provider) -> str:
    """Return the path of the provider's own base URL, such as /api/v2."""
    return urlsplit(make_context(provider, {}).base_url).path


def _root(name: str, emulator: Emulator) -> str:
    """Return the path below which an emulator's routes begin, without the prefix: some include the API's own path."""
    path = _api_path(providers.get(name))
    is_included = all(pattern.startswith(f"{path}/") for _, pattern, _ in emulator.ROUTES)
    return "" if is_included else path


def _server(served: Served, host: str) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            application(served, host),
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,  # an answer may have its own
            timeout_graceful_shutdown=2,
        )
    )
