"""Client and AsyncClient: they send and wait; the bounds of one exchange are in exchange.py.

Both drive the same flows; each has one runner of a few lines. Several threads (or tasks) can use a client at once: its
mutable state (connection pool, recent losses) is thread-safe. A client made before a fork refuses to work in the
child: two processes would share one connection.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.client.calls import Call, Intent, Sending, filter_page, make_command
from invoice_bridge.client.core import REFUSED_INTENTS, OnDiscrepancy
from invoice_bridge.client.exchange import Body, Deadline, bounded, bounded_async
from invoice_bridge.client.http import classify_transport_errors
from invoice_bridge.client.on_invoices import AsyncVerbs, Verbs
from invoice_bridge.core.commands import Filters, ImportInvoice, ListInvoices, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import AlreadySettled, ConfigurationError
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Request, Response, Send, Steps
from invoice_bridge.engine.allow import Allow
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.engine.supervise import Lost, NotSent
from invoice_bridge.journal.memory import Exchange

if TYPE_CHECKING:  # at run time it is imported when a client is made: it loads a command-line library of its own
    import asyncio

    from invoice_bridge.client.connections import AsyncConnections, Connections
else:
    asyncio = LazyModule("asyncio")


__all__ = ["AsyncClient", "Client"]
T = TypeVar("T")


class Client(Verbs):
    """Bill through one provider. Use it as a context manager, or close() it."""

    def _new_http(self) -> Connections:
        from invoice_bridge.client.connections import Connections

        return Connections(self._context.base_url, verify=not self._insecure, trust_env=self._trusts_environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._memory.close()
        if self._closes_http:
            self._http.close()

    def _run(self, steps: Steps[T], call: Call) -> T:
        deadline, reply, problem, after = Deadline.starting(self._deadline), None, None, "nothing"
        with self._around(call) as trail:
            self._check_usable()
            while True:
                try:
                    step = steps.send(reply) if problem is None else steps.throw(problem)
                except StopIteration as done:
                    self._decided(call, done.value, trail)
                    self._learn(call, done.value, trail)
                    return done.value  # type: ignore[no-any-return]
                except AlreadySettled as settled:
                    self._learn(call, settled.existing, trail)
                    raise
                reply = problem = None
                try:
                    if isinstance(step, Send):
                        reply = self._send(step.request, deadline, call, trail.sent)
                        after = self._answered(call, step.request, reply, trail)
                    else:
                        time.sleep(self._wait(deadline, step.seconds, after))
                except (NotSent, Lost, *REFUSED_INTENTS) as error:
                    problem = error
                    if isinstance(step, Send):
                        after = self._failed(step.request, error)

    def _send(self, request: Request, deadline: Deadline, call: Call, sent: list[Request]) -> Response:
        number, exchange = self._intend(request, call), Exchange()
        try:
            with Sending(self.provider, request, sent, exchange), classify_transport_errors(self._key, self._failures):
                bound = deadline.bound(self._timeout)
                outgoing = self._messages.outgoing(request, bound)
                with (
                    bounded(bound),
                    self._sender().stream(**outgoing) as answer,
                ):
                    body = Body(answer, bound)
                    for piece in answer.iter_bytes() if body.is_read else answer.iter_raw():
                        body.add(piece)
                exchange.answer = self._messages.incoming(answer, body.whole())
        finally:
            self._conclude(request, call, number, exchange)
        return exchange.answer

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        call = self._prepare(command, since=since, on_discrepancy=on_discrepancy)
        done: Invoice = self._run(self._steps(call, allow, on_discrepancy), call)
        return done

    def import_invoice(self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None) -> Invoice:
        call = self._prepare(command, since=since)
        done: Invoice = self._run(self._steps(call, allow), call)
        return done

    def resolve(
        self, command: OneTimeCharge | PeriodInvoice | ImportInvoice, *, since: datetime | None = None
    ) -> Resolution:
        call = self._prepare_resolve(command, since)
        return self._run(self._resolve_steps(call), call)

    def page(self, command: ListInvoices) -> Page:
        call = self._prepare(command)
        done: Page = self._run(self._steps(call), call)
        return done

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> Iterator[Invoice]: ...
    @overload
    def list(self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]) -> Iterator[Invoice | Unreadable]: ...
    def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> Iterator[Any]:
        command: ListInvoices | None = self._resolve_names(make_command(ListInvoices, **filters))
        read: set[str | None] = set()
        while command is not None:
            page = self.page(command)
            yield from filter_page(page, command, self.provider, unreadable, read)
            command = page.next


class AsyncClient(AsyncVerbs):
    """Bill through one provider with asyncio: the same flows, the same bytes, every verb awaited.

    Use it as an asynchronous context manager, or close() it. It belongs to the event loop of its first call, since
    connections cannot move to another. A call in a second loop raises ConfigurationError before anything is sent: make
    one client for each. `timeout` and `deadline` bound the whole exchange of an injected client too.
    """

    _is_async = True

    def _keep_to_one_loop(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise ConfigurationError(
                "this AsyncClient was used in another event loop: make one client in each loop (each asyncio.run)"
            )

    def _new_http(self) -> AsyncConnections:
        from invoice_bridge.client.connections import AsyncConnections

        return AsyncConnections(self._context.base_url, verify=not self._insecure, trust_env=self._trusts_environment)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._memory.close()
        if self._closes_http:
            await self._http.aclose()

    async def _run(self, steps: Steps[T], call: Call) -> T:
        deadline, reply, problem, after = Deadline.starting(self._deadline), None, None, "nothing"
        with self._around(call) as trail:
            self._keep_to_one_loop()
            self._check_usable()
            while True:
                try:
                    step = steps.send(reply) if problem is None else steps.throw(problem)
                except StopIteration as done:
                    self._decided(call, done.value, trail)
                    await self._in_thread(self._learn, call, done.value, trail)
                    return done.value  # type: ignore[no-any-return]
                except AlreadySettled as settled:
                    await self._in_thread(self._learn, call, settled.existing, trail)
                    raise
                reply = problem = None
                try:
                    if isinstance(step, Send):
                        reply = await self._send(step.request, deadline, call, trail.sent)
                        after = self._answered(call, step.request, reply, trail)
                    else:
                        await asyncio.sleep(self._wait(deadline, step.seconds, after))
                except (NotSent, Lost, *REFUSED_INTENTS) as error:
                    problem = error
                    if isinstance(step, Send):
                        after = self._failed(step.request, error)

    async def _in_thread(self, call: Callable[..., T], *values: Any) -> T:
        """Read or write the journal in a thread: while another process locks the file, other tasks go on."""
        return call(*values) if self._memory.journal is None else await asyncio.to_thread(call, *values)

    async def _intended(self, request: Request, call: Call) -> int | None:
        """Write the intent in a thread. If the call is cancelled meanwhile, the intent becomes "not_sent"."""
        intent = Intent()

        def unsent(number: int | None) -> None:
            self._memory.withdraw(number, datetime.now(UTC))

        def intend() -> int | None:
            number = self._intend(request, call)
            with intent.lock:
                intent.number, stopped = number, intent.stopped
            if stopped:
                unsent(number)
            return number

        try:
            return await self._in_thread(intend)
        except asyncio.CancelledError:
            with intent.lock:
                intent.stopped, written = True, intent.number
            if written is not None:  # without waiting for it: the journal may be locked again
                asyncio.get_running_loop().run_in_executor(None, unsent, written)
            raise

    async def _send(self, request: Request, deadline: Deadline, call: Call, sent: list[Request]) -> Response:
        number, exchange = await self._intended(request, call), Exchange()
        try:
            with Sending(self.provider, request, sent, exchange), classify_transport_errors(self._key, self._failures):
                bound = deadline.bound(self._timeout)
                outgoing = self._messages.outgoing(request, bound)
                async with (
                    bounded_async(bound),
                    self._sender().stream(**outgoing) as answer,
                ):
                    body = Body(answer, bound)
                    async for piece in answer.aiter_bytes() if body.is_read else answer.aiter_raw():
                        body.add(piece)
                exchange.answer = self._messages.incoming(answer, body.whole())
        finally:
            if exchange.ended is None:  # cancelled: nothing is written, and nothing is waited for
                self._conclude(request, call, number, exchange)
            else:
                await self._in_thread(self._conclude, request, call, number, exchange)
        return exchange.answer

    async def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        call = await self._in_thread(lambda: self._prepare(command, since=since, on_discrepancy=on_discrepancy))
        return await self._run(self._steps(call, allow, on_discrepancy), call)

    async def import_invoice(
        self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None
    ) -> Invoice:
        call = await self._in_thread(lambda: self._prepare(command, since=since))
        return await self._run(self._steps(call, allow), call)

    async def resolve(
        self, command: OneTimeCharge | PeriodInvoice | ImportInvoice, *, since: datetime | None = None
    ) -> Resolution:
        call = await self._in_thread(self._prepare_resolve, command, since)
        return await self._run(self._resolve_steps(call), call)

    async def page(self, command: ListInvoices) -> Page:
        call = self._prepare(command)
        return await self._run(self._steps(call), call)

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> AsyncIterator[Invoice]: ...
    @overload
    def list(
        self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]
    ) -> AsyncIterator[Invoice | Unreadable]: ...
    async def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> AsyncIterator[Any]:
        command: ListInvoices | None = self._resolve_names(make_command(ListInvoices, **filters))
        read: set[str | None] = set()
        while command is not None:
            page = await self.page(command)
            for item in filter_page(page, command, self.provider, unreadable, read):
                yield item
            command = page.next
