"""The verbs on one invoice, of both clients: a line or two each, documented on Methods.

Rules of this file: nothing is decided here. A verb becomes a command, and the client's own runner drives its flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from invoice_bridge.client.calls import Call, make_command
from invoice_bridge.client.methods import Methods
from invoice_bridge.core.commands import (
    Command,
    Credit,
    Delete,
    Finalize,
    Find,
    MarkPaid,
    MarkUncollectible,
    Pay,
    Pdf,
    RecordPayment,
    Refund,
    Retrieve,
    SendInvoice,
    Update,
    Void,
    verb_reference,
)
from invoice_bridge.core.model import CustomerRef, Invoice, Line
from invoice_bridge.core.money import Money
from invoice_bridge.core.natives import NativeOptions
from invoice_bridge.core.wire import Steps
from invoice_bridge.engine.allow import Allow

if TYPE_CHECKING:
    import httpx  # noqa: F401 - what an injected client is, in the bases below

T = TypeVar("T")


class Verbs(Methods["httpx.Client"]):
    """The verbs of Client."""

    def _run(self, steps: Steps[T], call: Call) -> T:
        """Drive a flow: Client has it."""
        raise NotImplementedError

    def find(self, reference: str, *, customer: CustomerRef | str | None = None) -> Invoice:
        return self._do(Find, reference=reference, customer=customer)

    def retrieve(self, id: str, *, whole: bool = True) -> Invoice:
        return self._do(Retrieve, id=id, whole=whole)

    def pdf(self, id: str) -> bytes:
        document: bytes = self._run_verb(Pdf, id=id)
        return document

    def finalize(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return self._do(Finalize, id=id, attempt=attempt, **natives)

    def pay(
        self,
        id: str,
        *,
        expect: Money | None = None,
        payment_method: str | None = None,
        amount: Money | None = None,
        reference: str | None = None,
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        part = {"amount": amount, "reference": reference, "attempt": attempt}
        return self._do(Pay, id=id, expect=expect, payment_method=payment_method, **part, **natives)

    def mark_paid(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return self._do(MarkPaid, id=id, attempt=attempt, **natives)

    def record_payment(
        self,
        id: str,
        *,
        amount: Money,
        at: datetime,
        reference: str,
        method: str | None = None,
        expect: Money | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        paid = {"amount": amount, "at": at, "method": method, "expect": expect}
        return self._do(RecordPayment, allow, id=id, reference=reference, attempt=attempt, **paid, **natives)

    def refund(
        self,
        id: str,
        *,
        reference: str,
        amount: Money | None = None,
        reason: str | None = None,
        expect: Money | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        given_back = {"amount": amount, "reason": reason, "expect": expect}
        return self._do(Refund, allow, id=id, reference=reference, attempt=attempt, **given_back, **natives)

    def credit(
        self,
        id: str,
        *,
        reference: str,
        amount: Money | None = None,
        lines: Iterable[Line] = (),
        reason: str | None = None,
        expect: Money | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        credited = {"amount": amount, "lines": tuple(lines), "reason": reason, "expect": expect}
        return self._do(Credit, allow, id=id, reference=reference, attempt=attempt, **credited, **natives)

    def void(
        self,
        id: str,
        *,
        reason: str | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        return self._do(Void, allow, id=id, reason=reason, attempt=attempt, **natives)

    def mark_uncollectible(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return self._do(MarkUncollectible, id=id, attempt=attempt, **natives)

    def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        changes = {"description": description, "due_at": due_at, "metadata": metadata}
        return self._do(Update, id=id, attempt=attempt, **changes, **natives)

    def delete(self, id: str, *, imported: bool = False, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return self._do(Delete, id=id, imported=imported, attempt=attempt, **natives)

    def send_invoice(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return self._do(SendInvoice, id=id, attempt=attempt, **natives)

    def _do(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Invoice:
        done: Invoice = self._run_verb(kind, allow, **fields)
        return done

    def _run_verb(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Any:
        call = self._prepare(make_command(kind, **fields))
        return self._run(self._steps(call, allow), call)


class AsyncVerbs(Methods["httpx.AsyncClient"]):
    """The verbs of AsyncClient."""

    async def _run(self, steps: Steps[T], call: Call) -> T:
        """Drive a flow: AsyncClient has it."""
        raise NotImplementedError

    async def _in_thread(self, call: Callable[..., T], *values: Any) -> T:
        """Call a function that reads the journal: AsyncClient has it."""
        raise NotImplementedError

    async def find(self, reference: str, *, customer: CustomerRef | str | None = None) -> Invoice:
        return await self._do(Find, reference=reference, customer=customer)

    async def retrieve(self, id: str, *, whole: bool = True) -> Invoice:
        return await self._do(Retrieve, id=id, whole=whole)

    async def pdf(self, id: str) -> bytes:
        document: bytes = await self._run_verb(Pdf, id=id)
        return document

    async def finalize(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return await self._do(Finalize, id=id, attempt=attempt, **natives)

    async def pay(
        self,
        id: str,
        *,
        expect: Money | None = None,
        payment_method: str | None = None,
        amount: Money | None = None,
        reference: str | None = None,
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        part = {"amount": amount, "reference": reference}
        return await self._do(
            Pay, id=id, expect=expect, payment_method=payment_method, attempt=attempt, **part, **natives
        )

    async def mark_paid(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return await self._do(MarkPaid, id=id, attempt=attempt, **natives)

    async def record_payment(
        self,
        id: str,
        *,
        amount: Money,
        at: datetime,
        reference: str,
        method: str | None = None,
        expect: Money | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        paid = {"amount": amount, "at": at, "method": method, "expect": expect}
        return await self._do(RecordPayment, allow, id=id, reference=reference, attempt=attempt, **paid, **natives)

    async def refund(
        self,
        id: str,
        *,
        reference: str,
        amount: Money | None = None,
        reason: str | None = None,
        expect: Money | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        given_back = {"amount": amount, "reason": reason, "expect": expect}
        return await self._do(Refund, allow, id=id, reference=reference, attempt=attempt, **given_back, **natives)

    async def credit(
        self,
        id: str,
        *,
        reference: str,
        amount: Money | None = None,
        lines: Iterable[Line] = (),
        reason: str | None = None,
        expect: Money | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        credited = {"amount": amount, "lines": tuple(lines), "reason": reason, "expect": expect}
        return await self._do(Credit, allow, id=id, reference=reference, attempt=attempt, **credited, **natives)

    async def void(
        self,
        id: str,
        *,
        reason: str | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        return await self._do(Void, allow, id=id, reason=reason, attempt=attempt, **natives)

    async def mark_uncollectible(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return await self._do(MarkUncollectible, id=id, attempt=attempt, **natives)

    async def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Invoice:
        changes = {"description": description, "due_at": due_at, "metadata": metadata}
        return await self._do(Update, id=id, attempt=attempt, **changes, **natives)

    async def delete(
        self, id: str, *, imported: bool = False, attempt: int = 1, **natives: Unpack[NativeOptions]
    ) -> Invoice:
        return await self._do(Delete, id=id, imported=imported, attempt=attempt, **natives)

    async def send_invoice(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Invoice:
        return await self._do(SendInvoice, id=id, attempt=attempt, **natives)

    async def _do(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Invoice:
        done: Invoice = await self._run_verb(kind, allow, **fields)
        return done

    async def _run_verb(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Any:
        command = make_command(kind, **fields)
        if verb_reference(command) is None and not isinstance(command, Find):
            call = self._prepare(command)
        else:  # it reads the journal
            call = await self._in_thread(self._prepare, command)
        return await self._run(self._steps(call, allow), call)
