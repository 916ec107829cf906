"""Receive deliveries over HTTP: an ASGI application that calls your function with each event.

    POST /stripe      a delivery of Stripe; the path of every other provider is its name

Rules of this file: the answer is 204 only after the function has returned, so that the provider retries after a
failure. 400: the signature does not match. 404: unknown endpoint. 409: the same event is being processed. 413: the body
is too long. 500: any other error; it is logged. An event has only what the provider reported: nothing is added here.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from invoice_bridge import providers
from invoice_bridge.adapter.webhooks import InvoiceEvent
from invoice_bridge.core.errors import ConfigurationError, InvalidSignature
from invoice_bridge.core.exact import LARGEST
from invoice_bridge.engine.observers import DeliveryEnded, DeliveryStarted, begin, is_watched
from invoice_bridge.journal.store import Journal
from invoice_bridge.webhooks.deliveries import ProcessedEvents, parse

__all__ = ["application", "serve"]

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response as HttpResponse
    from starlette.routing import Route
except ImportError as error:  # an extra, not a requirement
    raise ConfigurationError(
        f'receiving webhooks needs {error.name}: run pip install "invoice-bridge[emulator]"'
    ) from None

_LOG = logging.getLogger(__name__)


def application(
    on_event: Callable[[InvoiceEvent], object],
    *,
    secrets: Mapping[str, str],
    unverified: Collection[str] = (),
    seen: ProcessedEvents | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    journal: Journal | None = None,
) -> Starlette:
    """Make the application; it calls `on_event` with each event, in a thread. An async function is awaited.

    `on_event` may raise. An awaitable that a plain function returns is not awaited: it is an error (500), because the
    function has done nothing.

    `secrets`: provider → the secret of its endpoint. `unverified` names providers whose deliveries are not verified;
    use them as hints. `seen` has the processed events: by default it lives as long as this process, so after a restart,
    or in another process, an event may come again. `journal` records from verified events which bills are void or
    deleted. Raises ConfigurationError for an unknown provider, and for a secret that is empty or missing.
    """
    for name in (*secrets, *unverified):
        providers.get(name)
        if name in secrets and name in unverified:
            raise ConfigurationError(f"{name} is in both `secrets` and `unverified`: remove one of the two")
    for name, secret in secrets.items():
        if not isinstance(secret, str) or not secret.strip():
            raise ConfigurationError(f"the webhook secret of {name} is empty: pass the secret of its endpoint")
    receiver = _Receiver(
        on_event, dict(secrets), frozenset(unverified), ProcessedEvents() if seen is None else seen, clock, journal
    )
    return Starlette(routes=[Route("/{provider}", endpoint=receiver.receive, methods=["POST"])])


@dataclass(frozen=True, eq=False)
class _Receiver:
    on_event: Callable[[InvoiceEvent], object]
    secrets: Mapping[str, str] = field(repr=False)
    unverified: frozenset[str]
    seen: ProcessedEvents
    clock: Callable[[], datetime]
    journal: Journal | None = None
    in_use: set[tuple[str, str]] = field(default_factory=set)

    async def receive(self, incoming: HttpRequest) -> HttpResponse:
        name = incoming.path_params["provider"]
        if name not in self.secrets and name not in self.unverified:
            return HttpResponse("unknown endpoint", 404)
        body = bytearray()
        async for chunk in incoming.stream():
            body += chunk
            if len(body) > LARGEST:
                return HttpResponse("the body is too long", 413)
        at, secret = self.clock(), self.secrets.get(name)
        try:
            read = partial(
                parse, name, incoming.headers, bytes(body), secret=secret, at=at, verified=secret is not None
            )
            # in a thread, so that a journal locked by another process does not delay other deliveries
            event = read() if self.journal is None else await run_in_threadpool(read, journal=self.journal)
        except InvalidSignature as error:
            _LOG.warning("a delivery to %s was refused: %s", name, error)
            return HttpResponse("the signature does not match", 400)
        except Exception:  # noqa: BLE001 - every error is logged, and the provider should try again
            return _failed(name)
        return await self._use_once(event, at)

    async def _use_once(self, event: InvoiceEvent, at: datetime) -> HttpResponse:
        if self.seen.has(event, at=at):
            return HttpResponse(status_code=204)
        key = (event.provider, event.id)
        if key in self.in_use:
            return HttpResponse("this event is being processed", 409)
        self.in_use.add(key)
        try:
            with _watched(event):
                if _is_async(self.on_event):
                    await self.on_event(event)  # type: ignore[misc]
                else:
                    _refuse_awaitable(await run_in_threadpool(self.on_event, event))
        except Exception:  # noqa: BLE001 - as above
            return _failed(event.provider)
        finally:
            self.in_use.discard(key)
        self.seen.add(event, at=at)  # only after success: an event that failed must come again
        return HttpResponse(status_code=204)


@contextmanager
def _watched(event: InvoiceEvent) -> Iterator[None]:
    """Around the application's function, for observers."""
    end = begin(DeliveryStarted(event.provider, event.type.value, event.invoice_id)) if is_watched() else None
    try:
        yield
    except BaseException as error:
        if end is not None:
            end(DeliveryEnded(error))
        raise
    if end is not None:
        end(DeliveryEnded())


def _is_async(function: Callable[[InvoiceEvent], object]) -> bool:
    """Return whether a call makes a coroutine: an async function, one in functools.partial, or an async __call__."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _refuse_awaitable(returned: object) -> None:
    if inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()
        raise ConfigurationError(
            "the function for webhook events returned an awaitable, which is not awaited: pass an `async def` function"
        )


def _failed(name: str) -> HttpResponse:
    _LOG.exception("a delivery to %s could not be processed", name)
    return HttpResponse("the delivery could not be processed", 500)


def serve(
    on_event: Callable[[InvoiceEvent], object],
    *,
    secrets: Mapping[str, str],
    unverified: Collection[str] = (),
    port: int = 8788,
    host: str = "127.0.0.1",
) -> None:
    """Serve `application` until the process is interrupted. Put a TLS proxy in front of it."""
    import uvicorn

    uvicorn.run(application(on_event, secrets=secrets, unverified=unverified), host=host, port=port, access_log=False)
