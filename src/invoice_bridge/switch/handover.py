"""Handover and AsyncHandover: one client over the client that is left and the client that is moved to.

with Handover(old, new, at=datetime(2026, 12, 1, tzinfo=UTC)) as billing:
    billing.create(december)                        # at new: its period starts in December
    billing.create(charge, on=date(2026, 11, 30))   # at old
    billing.void(invoice_id)                        # wherever the journal says that it was made
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from invoice_bridge.client.calls import make_command
from invoice_bridge.client.core import OnDiscrepancy
from invoice_bridge.client.on_invoices import AsyncVerbs, Verbs
from invoice_bridge.core.commands import (
    Command,
    Find,
    ImportInvoice,
    ListInvoices,
    OneTimeCharge,
    OnInvoice,
    PeriodInvoice,
)
from invoice_bridge.core.errors import ConfigurationError, Unsupported
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import Invoice
from invoice_bridge.engine.allow import Allow
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.explain import Plan
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.switch.sides import Ask, Asks, At, Sides

if TYPE_CHECKING:
    from invoice_bridge.client.clients import AsyncClient, Client

T = TypeVar("T")


class _Common:
    """What both handovers share: everything except the waiting."""

    _sides: Sides[Any]
    _after: Callable[[], Any] | None = None
    """Closes the journal that from_config opened."""

    @property
    def provider(self) -> str:
        """The names of both providers."""
        return f"{self._sides.old.provider} → {self._sides.new.provider}"

    @property
    def book(self) -> Book:
        """The book of both sides, with the account and the mode of the new one."""
        book: Book = self._sides.new.book
        return book

    @property
    def journal(self) -> Journal:
        """The journal of both sides."""
        return self._sides.journal

    @property
    def lookup(self) -> Lookup:
        """When the new side looks a bill up before it makes it."""
        lookup: Lookup = self._sides.new.lookup
        return lookup

    def __repr__(self) -> str:
        sides: Sides[Any] | None = getattr(self, "_sides", None)
        inside = "" if sides is None else f"{sides.old.provider!r}, {sides.new.provider!r}"
        return f"{type(self).__name__}({inside})"

    def side_of(self, command: Command, *, on: date | None = None) -> Any:
        """Return the client that bills a command, `.old` or `.new`. Reads the journal; sends and keeps nothing."""
        return self._sides.choose(command, on, keep=False)

    def explain(self, command: Command, *, since: datetime | None = None, on: date | None = None) -> Plan:
        """Show what a bill would send from the side that bills it; the lookup at the other side comes before it."""
        side = self._of(command, on)
        plan: Plan = side.explain(command, since=since)
        return plan

    def losses(self, command: Command, *, as_of: datetime | None = None, on: date | None = None) -> tuple[Loss, ...]:
        """List what the side that bills a command would not carry of it."""
        losses: tuple[Loss, ...] = self._of(command, on).losses(command, as_of=as_of)
        return losses

    def allowed(self, command: Command) -> frozenset[str]:
        """Return the codes of losses that both sides allow in a command."""
        both: frozenset[str] = self._sides.old.allowed(command) & self._sides.new.allowed(command)
        return both

    def _of(self, command: Command, on: date | None) -> Any:
        if isinstance(command, OnInvoice):
            return self._sides.by_id(command.id)
        if isinstance(command, ImportInvoice):
            return self._sides.new
        return self._sides.choose(command, on, keep=False)

    def _verb(self, kind: type[Command], allow: Allow, fields: dict[str, Any]) -> Asks[Any]:
        """The steps of a verb: find by reference, or a call at the side that has the invoice."""
        command = make_command(kind, **fields)  # its faults come first
        if isinstance(command, Find):
            return self._sides.find(command.reference, fields.get("customer"))
        return self._sides.verb(fields["id"], lambda side: side._run_verb(kind, allow, **fields))  # noqa: SLF001


def _refuse_page() -> NoReturn:
    raise Unsupported("a page belongs to one provider", remedy="read it at .old or .new, or all of both with list()")


def _read_file(path: str | os.PathLike[str], profile: str | None) -> Any:
    from invoice_bridge.switch.config import read_sides

    if profile is not None:
        raise ConfigurationError("[switch] names its two profiles itself: leave the profile out")
    return read_sides(path)


class Handover(_Common, Verbs):
    """Bill at `old` before an instant and at `new` from it on, as one client; both share a journal and a book.

    The start of a period decides who bills it, and `on=` decides it for a one-time charge; no clock does. Verbs go
    where the journal says that an invoice was made. Before a bill is made, the other side is asked for its reference.
    """

    def __init__(self, old: Client, new: Client, *, at: At) -> None:
        """Make a handover of two clients. Raises ConfigurationError where they share no journal, book or mode.

        `at` (aware) is the instant of the switch, or a mapping from names of customers to their instants, with "*" for
        all others. The book keeps it at first use: afterwards only `invoice-bridge switch move` changes it.
        """
        self._sides = Sides(old, new, at)
        self.old, self.new = old, new

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Self:
        """Make a handover from the table [switch] of a TOML file. Raises ConfigurationError."""
        from invoice_bridge.client.clients import Client

        sides = _read_file(path, profile)
        made: Self = sides.open(lambda old, new: cls(Client(**old), Client(**new), at=sides.instant()))
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both clients."""
        try:
            self.old.close()
        finally:
            try:
                self.new.close()
            finally:
                if self._after is not None:
                    self._after()

    def _follow(self, asks: Asks[T]) -> T:
        answer, problem = None, None
        while True:
            try:
                ask: Ask = asks.send(answer) if problem is None else asks.throw(problem)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            answer = problem = None
            try:
                answer = ask.call()
            except Exception as error:  # noqa: BLE001 - the steps decide what it means
                problem = error

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        on: date | None = None,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Make a bill at the side that the start of its period, or `on`, selects. See Client.create.

        `on` is the date of a one-time charge, a day in the offset of the switch, or an aware datetime. Raises
        ConfigurationError for a period or a day across the switch, or before an earlier switch of the book, which a
        third account bills, and BilledElsewhere if the other side has, or may have, a bill of this reference.
        """
        return self._follow(self._sides.create(command, on, allow=allow, on_discrepancy=on_discrepancy, since=since))

    def import_invoice(self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None) -> Invoice:
        """Import an invoice at the new side. See Client.import_invoice."""
        return self.new.import_invoice(command, allow=allow, since=since)

    def resolve(
        self,
        command: OneTimeCharge | PeriodInvoice | ImportInvoice,
        *,
        on: date | None = None,
        since: datetime | None = None,
    ) -> Resolution:
        """Find out the outcome of a bill, at the side where the journal has it. See Client.resolve."""
        return self._follow(self._sides.resolve(command, on, since=since))

    def page(self, command: ListInvoices) -> NoReturn:  # noqa: ARG002
        """Refuse: a page belongs to one side."""
        _refuse_page()

    def list(self, *, unreadable: Any = "raise", **filters: Any) -> Iterator[Any]:
        """Read all invoices of both sides, those of the old one first. See Client.list."""
        yield from self.old.list(unreadable=unreadable, **filters)
        yield from self.new.list(unreadable=unreadable, **filters)

    def _run_verb(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Any:
        return self._follow(self._verb(kind, allow, fields))


class AsyncHandover(_Common, AsyncVerbs):
    """A Handover over two AsyncClients: the same rules, every verb awaited."""

    def __init__(self, old: AsyncClient, new: AsyncClient, *, at: At) -> None:
        """Make a handover of two clients; see Handover."""
        self._sides = Sides(old, new, at)
        self.old, self.new = old, new

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Self:
        """Make a handover from the table [switch] of a TOML file. Raises ConfigurationError."""
        from invoice_bridge.client.clients import AsyncClient

        sides = _read_file(path, profile)
        made: Self = sides.open(lambda old, new: cls(AsyncClient(**old), AsyncClient(**new), at=sides.instant()))
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close both clients."""
        try:
            await self.old.close()
        finally:
            try:
                await self.new.close()
            finally:
                if self._after is not None:
                    self._after()

    async def _follow(self, asks: Asks[T]) -> T:
        import asyncio  # the names of this package are imported without it

        answer, problem = None, None
        while True:
            try:
                ask: Ask = asks.send(answer) if problem is None else asks.throw(problem)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            answer = problem = None
            try:
                answer = await asyncio.to_thread(ask.call) if ask.of_journal else await ask.call()
            except Exception as error:  # noqa: BLE001 - the steps decide what it means
                problem = error

    async def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        on: date | None = None,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Make a bill at the side that the start of its period, or `on`, selects. See Handover.create."""
        return await self._follow(
            self._sides.create(command, on, allow=allow, on_discrepancy=on_discrepancy, since=since)
        )

    async def import_invoice(
        self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None
    ) -> Invoice:
        """Import an invoice at the new side. See Client.import_invoice."""
        return await self.new.import_invoice(command, allow=allow, since=since)

    async def resolve(
        self,
        command: OneTimeCharge | PeriodInvoice | ImportInvoice,
        *,
        on: date | None = None,
        since: datetime | None = None,
    ) -> Resolution:
        """Find out the outcome of a bill, at the side where the journal has it. See Client.resolve."""
        return await self._follow(self._sides.resolve(command, on, since=since))

    async def page(self, command: ListInvoices) -> NoReturn:  # noqa: ARG002
        """Refuse: a page belongs to one side."""
        _refuse_page()

    async def list(self, *, unreadable: Any = "raise", **filters: Any) -> AsyncIterator[Any]:
        """Read all invoices of both sides, those of the old one first. See Client.list."""
        for side in (self.old, self.new):
            async for invoice in side.list(unreadable=unreadable, **filters):
                yield invoice

    async def _run_verb(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Any:
        return await self._follow(self._verb(kind, allow, fields))
