"""Client and AsyncClient: what sends and waits; the bounds of one exchange stand in exchange.py.

Both drive the same flows; each has one runner of a few lines. A client may be used by several threads (or tasks) at
once: what changes in it, its HTTP connection pool and what it lost lately, is safe to share. A client made before a
fork refuses to work in the child: two processes would share one connection.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from pydantic import ValidationError

from invoice_bridge.adapter.provider import Page, Unreadable
from invoice_bridge.client.exchange import Body, bounded, bounded_async
from invoice_bridge.core.commands import (
    Command,
    Delete,
    Filters,
    Finalize,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    OneTimeCharge,
    Pay,
    PeriodInvoice,
    Retrieve,
    SendInvoice,
    Update,
    Void,
    faults,
)
from invoice_bridge.core.errors import (
    AlreadyBilled,
    ConfigurationError,
)
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Request, Response, Send, Steps
from invoice_bridge.engine.allow import Allow
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.engine.supervise import Lost, NotSent

if TYPE_CHECKING:  # at run time it is imported when a client is made: it loads a command-line library of its own
    import asyncio

    import httpx  # noqa: F401 - what an injected client is, in the bases below

    from invoice_bridge.client.connections import AsyncConnections, Connections
else:
    asyncio = LazyModule("asyncio")

from invoice_bridge.client.core import OnDiscrepancy, _Core, _Exchange, _Intent, _Prepared
from invoice_bridge.client.http import _classify_transport_errors

__all__ = ["AsyncClient", "Client"]
C = TypeVar("C", bound=Command)
T = TypeVar("T")


class Client(_Core["httpx.Client"]):
    """Bill through one provider. Use it as a context manager, or close() it.

    `api_key` goes into the Authorization header and nowhere else: a setting or a command that says it is refused, an
    answer that repeats it is cleared of it (see credentials.py). `base_url` points at another host, such as
    an emulator; plain http is accepted for loopback only. `insecure=True` accepts it for every host, and does not check
    the certificates of https either. An injected `http` (httpx.Client) is used as it is, its TLS included, and not
    closed; only its redirects and its credentials are left out. `timeout` is in seconds per request, `deadline` in
    seconds per call; both bound everything from the connection to the last byte. Of an injected client they bound the
    pieces of the body, and not what comes between pieces: a head, an extension of a chunk, trailers. `mode` ("test" or
    "live") refuses a key, site or host that says otherwise. `customers` maps names of the caller's own to ids per
    provider. `lookup` says whether a bill is looked up before it is made ("auto", "always", "never"; "journal" declares
    that the journal has every bill; see engine/lookup.py), `journal` is a file that remembers what was tried,
    `book` the name within which a reference is one bill at whatever provider. `requests_per_minute` replaces the
    provider's documented limit, which all clients of an account in a process keep to together. Further settings are the
    provider's. Raises ConfigurationError for any that cannot be used.

    A verb on an invoice is keyed by the invoice, the verb, its body and `attempt`: repeated within the provider's key
    window it is answered, not done again. Raise `attempt` where it shall be done again.
    """

    def _new_http(self) -> Connections:
        from invoice_bridge.client.connections import Connections

        return Connections(self._use.base_url, verify=not self._insecure, trust_env=self._trusts_environment)

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Client:
        """Make a client from a profile of a TOML file; see invoice_bridge.client.config. Raises ConfigurationError."""
        from invoice_bridge.client.config import read_profile

        return cls(**read_profile(path, profile))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal and the connections; an HTTP client that was given stays open."""
        if self._journal is not None:
            self._journal.close()
        if self._closes_http:
            self._http.close()

    def _run(self, steps: Steps[T], prepared: _Prepared | None = None) -> T:
        until, reply, problem, after = self._until(), None, None, "nothing"
        with self._note_interruption(None if prepared is None else prepared.command) as trail:
            self._check_usable()
            while True:
                try:
                    step = steps.send(reply) if problem is None else steps.throw(problem)
                except StopIteration as done:
                    self._decided(prepared, done.value, trail)
                    self._learn(prepared, done.value)
                    return done.value  # type: ignore[no-any-return]
                reply = problem = None
                try:
                    if isinstance(step, Send):
                        reply = self._send(step.request, until, prepared, trail.sent)
                        after = self._answered(
                            None if prepared is None else prepared.command, step.request, reply, trail
                        )
                    else:
                        time.sleep(self._wait(until, step.seconds, after))
                except (NotSent, Lost, ConfigurationError, AlreadyBilled) as error:
                    problem = error
                    if isinstance(step, Send):
                        after = self._failed(step.request, error)

    def _send(self, request: Request, until: float | None, prepared: _Prepared | None, sent: list[Request]) -> Response:
        number, exchange = self._intend(request, prepared), _Exchange()
        try:
            with self._exchanging(request, sent, exchange), _classify_transport_errors(self._key, self._failures):
                bound = self._bound(until)
                outgoing = self._outgoing(request, bound)
                with bounded(bound), self._without_cookies().stream(**outgoing) as answer:
                    body = Body(answer, bound)
                    for piece in answer.iter_bytes() if body.is_read else answer.iter_raw():
                        body.add(piece)
                exchange.answer = self._incoming(answer, body.whole())
        finally:
            self._conclude(request, prepared, number, exchange)
        return exchange.answer

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Bill. The same reference is billed once, however much later it is made again: see `lookup`.

        `since` (aware) says when the bill can have been tried first: the lookup reads no older invoice. Raises
        Unsupported or LossyTranslation before anything is sent (`allow` accepts losses by path or code), and
        Discrepancy before money is collected; with on_discrepancy="report" the invoice is returned as it is then,
        uncollected, and its `discrepancies` say what differs. Raises IdempotencyMismatch where the reference is that of
        another bill, AlreadySettled where its invoice is void, deleted or uncollectible, BilledElsewhere where another
        account of the book has it, and OutcomeUnknown where a request was lost: see resolve.
        """
        prepared = self._prepare(command, since=since, on_discrepancy=on_discrepancy)
        done: Invoice = self._run(self._steps(prepared, allow, on_discrepancy), prepared)
        return done

    def resolve(self, command: OneTimeCharge | PeriodInvoice, *, since: datetime | None = None) -> Resolution:
        """Find out what became of a bill whose outcome is unknown; reads, and writes nothing.

        `since` (aware) is when it was first tried: no invoice of it is older. A journal knows that by itself, and when
        its last request left; without one, only this client's own requests are known to have left later than `since`.
        Raises ConfigurationError without either.
        """
        steps, prepared = self._resolving(command, since)
        return self._run(steps, prepared)

    def retrieve(self, id: str) -> Invoice:
        """Read one invoice, with all its lines. Raises NotFound."""
        return self._do(Retrieve, id=id)

    def page(self, command: ListInvoices) -> Page:
        """Read one page of a listing as the provider gives it, before filters are applied again; `next` reads on."""
        prepared = self._prepare(command)
        done: Page = self._run(self._steps(prepared), prepared)
        return done

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> Iterator[Invoice]: ...
    @overload
    def list(self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]) -> Iterator[Invoice | Unreadable]: ...
    def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> Iterator[Any]:
        """Read all pages, lazily. Filters: status, customer, created_from, created_to.

        full=True retrieves each invoice where a listing leaves fields out.
        An item that cannot be decoded raises MalformedResponse, or with unreadable="yield" comes as an Unreadable.
        """
        command: ListInvoices | None = self._resolve_customer(_ask(ListInvoices, **filters))
        read: set[str | None] = set()
        while command is not None:
            page = self.page(command)
            yield from self._filter_page(page, command, unreadable, read)
            command = page.next

    def finalize(self, id: str, *, attempt: int = 1) -> Invoice:
        """Turn a draft into a demand for money. Raises InvalidState."""
        return self._do(Finalize, id=id, attempt=attempt)

    def pay(
        self,
        id: str,
        *,
        expect: Money | None = None,
        payment_method: str | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Collect an open invoice now. Reads it first.

        A draft, a pending payment and an amount other than `expect` stop it. Raises InvalidState, Discrepancy or
        Declined; after Declined, raise `attempt` to try again.
        """
        return self._do(Pay, id=id, expect=expect, payment_method=payment_method, attempt=attempt)

    def mark_paid(self, id: str, *, attempt: int = 1) -> Invoice:
        """Record that an open invoice was paid outside the provider; no money moves."""
        return self._do(MarkPaid, id=id, attempt=attempt)

    def void(self, id: str, *, attempt: int = 1) -> Invoice:
        """Withdraw an issued invoice for good. Raises InvalidState."""
        return self._do(Void, id=id, attempt=attempt)

    def mark_uncollectible(self, id: str, *, attempt: int = 1) -> Invoice:
        """Give an open invoice up as a bad debt. Raises InvalidState."""
        return self._do(MarkUncollectible, id=id, attempt=attempt)

    def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Change the description, the due date or the metadata; what is None stays as it is."""
        return self._do(Update, id=id, description=description, due_at=due_at, metadata=metadata, attempt=attempt)

    def delete(self, id: str, *, attempt: int = 1) -> Invoice:
        """Discard a draft; returns it as it was, with status deleted. Raises InvalidState."""
        return self._do(Delete, id=id, attempt=attempt)

    def send_invoice(self, id: str, *, attempt: int = 1) -> Invoice:
        """Have the provider mail an open invoice."""
        return self._do(SendInvoice, id=id, attempt=attempt)

    def _do(self, kind: type[Command], **fields: Any) -> Invoice:
        prepared = self._prepare(_ask(kind, **fields))
        done: Invoice = self._run(self._steps(prepared), prepared)
        return done


class AsyncClient(_Core["httpx.AsyncClient"]):
    """Client for asyncio: the same flows, the same bytes, every verb awaited. See Client.

    It belongs to the event loop of its first call: connections cannot move to another. A call in a second loop raises
    ConfigurationError before anything is sent; make one client in each. `timeout` and `deadline` bound the whole
    exchange of an injected client too.
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

        return AsyncConnections(self._use.base_url, verify=not self._insecure, trust_env=self._trusts_environment)

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> AsyncClient:
        """Make a client from a profile of a TOML file; see invoice_bridge.client.config. Raises ConfigurationError."""
        from invoice_bridge.client.config import read_profile

        return cls(**read_profile(path, profile))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the journal and the connections; an HTTP client that was given stays open."""
        if self._journal is not None:
            self._journal.close()
        if self._closes_http:
            await self._http.aclose()

    async def _run(self, steps: Steps[T], prepared: _Prepared | None = None) -> T:
        until, reply, problem, after = self._until(), None, None, "nothing"
        with self._note_interruption(None if prepared is None else prepared.command) as trail:
            self._keep_to_one_loop()
            self._check_usable()
            while True:
                try:
                    step = steps.send(reply) if problem is None else steps.throw(problem)
                except StopIteration as done:
                    self._decided(prepared, done.value, trail)
                    await self._in_thread(self._learn, prepared, done.value)
                    return done.value  # type: ignore[no-any-return]
                reply = problem = None
                try:
                    if isinstance(step, Send):
                        reply = await self._send(step.request, until, prepared, trail.sent)
                        after = self._answered(
                            None if prepared is None else prepared.command, step.request, reply, trail
                        )
                    else:
                        await asyncio.sleep(self._wait(until, step.seconds, after))
                except (NotSent, Lost, ConfigurationError, AlreadyBilled) as error:
                    problem = error
                    if isinstance(step, Send):
                        after = self._failed(step.request, error)

    async def _in_thread(self, call: Callable[..., T], *values: Any) -> T:
        """Call what reads or writes the journal in a thread: a file that another process locks stops nobody else."""
        return call(*values) if self._journal is None else await asyncio.to_thread(call, *values)

    async def _intended(self, request: Request, prepared: _Prepared | None) -> int | None:
        """Write the intent down in a thread. One that is written although the call was cancelled says "not sent"."""
        intent = _Intent()

        def unsent(number: int | None) -> None:
            if self._journal is not None and number is not None:
                self._journal.conclude(number, "not_sent", datetime.now(UTC), verdict="deferred")

        def intend() -> int | None:
            number = self._intend(request, prepared)
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

    async def _send(
        self, request: Request, until: float | None, prepared: _Prepared | None, sent: list[Request]
    ) -> Response:
        number, exchange = await self._intended(request, prepared), _Exchange()
        try:
            with self._exchanging(request, sent, exchange), _classify_transport_errors(self._key, self._failures):
                bound = self._bound(until)
                outgoing = self._outgoing(request, bound)
                async with bounded_async(bound), self._without_cookies().stream(**outgoing) as answer:
                    body = Body(answer, bound)
                    async for piece in answer.aiter_bytes() if body.is_read else answer.aiter_raw():
                        body.add(piece)
                exchange.answer = self._incoming(answer, body.whole())
        finally:
            if exchange.ended is None:  # cancelled: nothing is written, and nothing is waited for
                self._conclude(request, prepared, number, exchange)
            else:
                await self._in_thread(self._conclude, request, prepared, number, exchange)
        return exchange.answer

    async def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Bill; see Client.create."""
        prepared = await self._in_thread(lambda: self._prepare(command, since=since, on_discrepancy=on_discrepancy))
        return await self._run(self._steps(prepared, allow, on_discrepancy), prepared)

    async def resolve(self, command: OneTimeCharge | PeriodInvoice, *, since: datetime | None = None) -> Resolution:
        """Find out what became of a bill; see Client.resolve."""
        steps, prepared = await self._in_thread(self._resolving, command, since)
        return await self._run(steps, prepared)

    async def retrieve(self, id: str) -> Invoice:
        """Read one invoice; see Client.retrieve."""
        return await self._do(Retrieve, id=id)

    async def page(self, command: ListInvoices) -> Page:
        """Read one page of a listing; see Client.page."""
        prepared = self._prepare(command)
        return await self._run(self._steps(prepared), prepared)

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> AsyncIterator[Invoice]: ...
    @overload
    def list(
        self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]
    ) -> AsyncIterator[Invoice | Unreadable]: ...
    async def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> AsyncIterator[Any]:
        """Read all pages, lazily; see Client.list."""
        command: ListInvoices | None = self._resolve_customer(_ask(ListInvoices, **filters))
        read: set[str | None] = set()
        while command is not None:
            page = await self.page(command)
            for item in self._filter_page(page, command, unreadable, read):
                yield item
            command = page.next

    async def finalize(self, id: str, *, attempt: int = 1) -> Invoice:
        """Turn a draft into a demand for money; see Client.finalize."""
        return await self._do(Finalize, id=id, attempt=attempt)

    async def pay(
        self,
        id: str,
        *,
        expect: Money | None = None,
        payment_method: str | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Collect an open invoice now; see Client.pay."""
        return await self._do(Pay, id=id, expect=expect, payment_method=payment_method, attempt=attempt)

    async def mark_paid(self, id: str, *, attempt: int = 1) -> Invoice:
        """Record a payment made elsewhere; see Client.mark_paid."""
        return await self._do(MarkPaid, id=id, attempt=attempt)

    async def void(self, id: str, *, attempt: int = 1) -> Invoice:
        """Withdraw an issued invoice; see Client.void."""
        return await self._do(Void, id=id, attempt=attempt)

    async def mark_uncollectible(self, id: str, *, attempt: int = 1) -> Invoice:
        """Give an open invoice up; see Client.mark_uncollectible."""
        return await self._do(MarkUncollectible, id=id, attempt=attempt)

    async def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
    ) -> Invoice:
        """Change an invoice's details; see Client.update."""
        return await self._do(Update, id=id, description=description, due_at=due_at, metadata=metadata, attempt=attempt)

    async def delete(self, id: str, *, attempt: int = 1) -> Invoice:
        """Discard a draft; see Client.delete."""
        return await self._do(Delete, id=id, attempt=attempt)

    async def send_invoice(self, id: str, *, attempt: int = 1) -> Invoice:
        """Have the provider mail an open invoice; see Client.send_invoice."""
        return await self._do(SendInvoice, id=id, attempt=attempt)

    async def _do(self, kind: type[Command], **fields: Any) -> Invoice:
        prepared = self._prepare(_ask(kind, **fields))
        return await self._run(self._steps(prepared), prepared)


def _ask(kind: type[C], **fields: Any) -> C:
    try:
        return kind(**fields)
    except ValidationError as error:
        raise ConfigurationError(f"{kind.verb}: {faults(error)}") from None
