"""Shadow and AsyncShadow: one client that bills at `main`, and notes what `candidate` would make of each bill.

with Shadow(main, candidate) as billing:
    billing.create(bill)                  # at main alone
    print(billing.report("2026-11"))      # what the candidate would lose, refuse, or do otherwise
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from invoice_bridge.client.core import OnDiscrepancy
from invoice_bridge.client.on_invoices import AsyncVerbs, Verbs
from invoice_bridge.core.commands import Command, ImportInvoice, ListInvoices, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import Invoice
from invoice_bridge.engine.allow import Allow
from invoice_bridge.engine.observers import Shadowed, is_watched, point
from invoice_bridge.explain import Plan
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.switch.explained import Report, findings_of, month_of, report_of

if TYPE_CHECKING:
    from invoice_bridge.client.clients import AsyncClient, Client

_LOG = logging.getLogger("invoice_bridge.switch")


class _Common:
    """What both shadows share: everything except the waiting."""

    main: Any
    candidate: Any
    _notes: Journal
    _after: Callable[[], Any] | None = None
    """Closes the journal that from_config opened."""

    def _take(self, main: Any, candidate: Any) -> None:
        if not isinstance(main.journal, Journal):
            raise ConfigurationError(
                "main needs a journal, which keeps what the candidate would make: pass journal=…, a file or a database"
            )
        if main.book.account == candidate.book.account:
            raise ConfigurationError(
                f"main and candidate are the same account, {main.book.account.rstrip(':')}: nothing would be compared"
            )
        self.main, self.candidate, self._notes = main, candidate, main.journal

    @property
    def provider(self) -> str:
        """The name of the provider that bills."""
        name: str = self.main.provider
        return name

    @property
    def book(self) -> Book:
        """The book of main's bills."""
        book: Book = self.main.book
        return book

    @property
    def journal(self) -> Journal:
        """The journal of main, which has the notes too."""
        return self._notes

    @property
    def lookup(self) -> Lookup:
        """When main looks a bill up before it makes it."""
        lookup: Lookup = self.main.lookup
        return lookup

    def __repr__(self) -> str:
        main = getattr(self, "main", None)
        inside = "" if main is None else f"{main.provider!r}, {self.candidate.provider!r}"
        return f"{type(self).__name__}({inside})"

    def explain(self, command: Command, *, since: datetime | None = None) -> Plan:
        """Show what a command would send from main."""
        plan: Plan = self.main.explain(command, since=since)
        return plan

    def losses(self, command: Command, *, as_of: datetime | None = None) -> tuple[Loss, ...]:
        """List what main would not carry of a command."""
        losses: tuple[Loss, ...] = self.main.losses(command, as_of=as_of)
        return losses

    def allowed(self, command: Command) -> frozenset[str]:
        """Return the codes of losses that main allows in a command."""
        codes: frozenset[str] = self.main.allowed(command)
        return codes

    def report(self, month: str | None = None) -> Report:
        """Return what the candidate would have made of the bills of a month ("2026-11"), or of all. Sends nothing."""
        target = self.candidate.book.account
        return report_of(self.candidate.provider, month, self._notes.shadows.notes(self.main.book, target, month))

    def _note(self, command: OneTimeCharge | PeriodInvoice, invoice: Invoice) -> None:
        """Note what the candidate would make of a bill. Never raises: the bill is made."""
        now = datetime.now(UTC)
        findings = findings_of(self.main, self.candidate, command, invoice)
        month, target = month_of(command, invoice, now), self.candidate.book.account
        is_noted = True
        try:
            self._notes.shadows.note(self.main.book, target, month, command.reference, findings, now=now)
        except ConfigurationError as error:
            is_noted = False
            _LOG.warning("the shadow of a bill was not noted: %s", error)
        for finding in findings:
            if finding.is_grave:
                what = f"{finding.kind} {finding.code}".rstrip()
                _LOG.warning("%s: a bill differs at %s: %s", self.provider, self.candidate.provider, what)
        if is_watched():
            point(Shadowed(self.provider, self.candidate.provider, findings, is_noted))


def _read_file(path: str | os.PathLike[str], profile: str | None) -> Any:
    from invoice_bridge.switch.config import read_sides

    if profile is not None:
        raise ConfigurationError("[switch] names its two profiles itself: leave the profile out")
    return read_sides(path, needs_new_key=False)


class Shadow(_Common, Verbs):
    """Bill at `main` as its client does; explain each bill at `candidate` too, and keep what differs in main's journal.

    Nothing is ever sent to the candidate: it needs no valid key and no journal, and its failures fail no bill.
    """

    def __init__(self, main: Client, candidate: Client) -> None:
        """Make a shadow of two clients. Raises ConfigurationError if main has no journal, or both are one account."""
        self._take(main, candidate)

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Self:
        """Make a shadow of the table [switch] of a TOML file: `old` bills, `new` only explains and needs no key."""
        from invoice_bridge.client.clients import Client

        made: Self = _read_file(path, profile).open(lambda old, new: cls(Client(**old), Client(**new)))
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both clients."""
        try:
            self.main.close()
        finally:
            try:
                self.candidate.close()
            finally:
                if self._after is not None:
                    self._after()

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Make a bill at main, then note how the candidate would bill it. See Client.create."""
        made: Invoice = self.main.create(command, allow=allow, on_discrepancy=on_discrepancy, since=since)
        self._note(command, made)
        return made

    def import_invoice(self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None) -> Invoice:
        """Import an invoice at main. See Client.import_invoice."""
        made: Invoice = self.main.import_invoice(command, allow=allow, since=since)
        return made

    def resolve(self, command: OneTimeCharge | PeriodInvoice | ImportInvoice, *, since: datetime | None = None) -> Any:
        """Find out the outcome of a bill at main. See Client.resolve."""
        return self.main.resolve(command, since=since)

    def page(self, command: ListInvoices) -> Any:
        """Read one page of main's listing. See Client.page."""
        return self.main.page(command)

    def list(self, *, unreadable: Any = "raise", **filters: Any) -> Iterator[Any]:
        """Read all invoices of main. See Client.list."""
        yield from self.main.list(unreadable=unreadable, **filters)

    def _run_verb(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Any:
        return self.main._run_verb(kind, allow, **fields)  # noqa: SLF001


class AsyncShadow(_Common, AsyncVerbs):
    """A Shadow over two AsyncClients: the same rules, every verb awaited."""

    def __init__(self, main: AsyncClient, candidate: AsyncClient) -> None:
        """Make a shadow of two clients; see Shadow."""
        self._take(main, candidate)

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], profile: str | None = None) -> Self:
        """Make a shadow of the table [switch] of a TOML file; see Shadow.from_config."""
        from invoice_bridge.client.clients import AsyncClient

        made: Self = _read_file(path, profile).open(lambda old, new: cls(AsyncClient(**old), AsyncClient(**new)))
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close both clients."""
        try:
            await self.main.close()
        finally:
            try:
                await self.candidate.close()
            finally:
                if self._after is not None:
                    self._after()

    async def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Invoice:
        """Make a bill at main, then note how the candidate would bill it. See Client.create."""
        import asyncio  # the names of this package are imported without it

        made: Invoice = await self.main.create(command, allow=allow, on_discrepancy=on_discrepancy, since=since)
        await asyncio.to_thread(self._note, command, made)
        return made

    async def import_invoice(
        self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None
    ) -> Invoice:
        """Import an invoice at main. See Client.import_invoice."""
        made: Invoice = await self.main.import_invoice(command, allow=allow, since=since)
        return made

    async def resolve(
        self, command: OneTimeCharge | PeriodInvoice | ImportInvoice, *, since: datetime | None = None
    ) -> Any:
        """Find out the outcome of a bill at main. See Client.resolve."""
        return await self.main.resolve(command, since=since)

    async def page(self, command: ListInvoices) -> Any:
        """Read one page of main's listing. See Client.page."""
        return await self.main.page(command)

    async def list(self, *, unreadable: Any = "raise", **filters: Any) -> AsyncIterator[Any]:
        """Read all invoices of main. See Client.list."""
        async for invoice in self.main.list(unreadable=unreadable, **filters):
            yield invoice

    async def _run_verb(self, kind: type[Command], allow: Allow = (), /, **fields: Any) -> Any:
        return await self.main._run_verb(kind, allow, **fields)  # noqa: SLF001
