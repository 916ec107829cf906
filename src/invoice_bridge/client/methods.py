"""What a client does, documented once: Client and AsyncClient have these methods, with these arguments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from invoice_bridge.client.core import Core, Http, OnDiscrepancy
from invoice_bridge.core.commands import Filters, ListInvoices, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.money import Money
from invoice_bridge.engine.allow import Allow


class Methods(Core[Http]):
    """The methods of both clients. Those of AsyncClient are awaited, and its `list` is read with `async for`."""

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Any:
        """Bill. The same reference is billed once, however much later it is made again: see `lookup`.

        `since` (aware) says when the bill can have been tried first: the lookup reads no older invoice. Raises
        Unsupported or LossyTranslation before anything is sent (`allow` accepts losses by path or code), and
        Discrepancy before money is collected; with on_discrepancy="report" the invoice is returned as it is then,
        uncollected, and its `discrepancies` say what differs. Raises IdempotencyMismatch where the reference is that of
        another bill, AlreadySettled where its invoice is void, deleted or uncollectible, BilledElsewhere where another
        account of the book has it, and OutcomeUnknown where a request was lost: see resolve.
        """

    def resolve(self, command: OneTimeCharge | PeriodInvoice, *, since: datetime | None = None) -> Any:
        """Find out what became of a bill whose outcome is unknown; reads, and writes nothing.

        `since` (aware) is when it was first tried: no invoice of it is older. A journal knows that by itself, and when
        its last request left; without one, only this client's own requests are known to have left later than `since`.
        Returns a Resolution. Raises ConfigurationError without either.
        """

    def retrieve(self, id: str) -> Any:
        """Read one invoice, with all its lines. Raises NotFound."""

    def page(self, command: ListInvoices) -> Any:
        """Read one page of a listing as the provider gives it, before filters are applied again; `next` reads on."""

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> Any: ...
    @overload
    def list(self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]) -> Any: ...
    def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> Any:
        """Read all pages, lazily. Filters: status, customer, created_from, created_to.

        full=True retrieves each invoice where a listing leaves fields out.
        An item that cannot be decoded raises MalformedResponse, or with unreadable="yield" comes as an Unreadable.
        """

    def finalize(self, id: str, *, attempt: int = 1) -> Any:
        """Turn a draft into a demand for money. Raises InvalidState."""

    def pay(self, id: str, *, expect: Money | None = None, payment_method: str | None = None, attempt: int = 1) -> Any:
        """Collect an open invoice now. Reads it first.

        A draft, a pending payment and an amount other than `expect` stop it. Raises InvalidState, Discrepancy or
        Declined; after Declined, raise `attempt` to try again.
        """

    def mark_paid(self, id: str, *, attempt: int = 1) -> Any:
        """Record that an open invoice was paid outside the provider; no money moves."""

    def void(self, id: str, *, attempt: int = 1) -> Any:
        """Withdraw an issued invoice for good. Raises InvalidState."""

    def mark_uncollectible(self, id: str, *, attempt: int = 1) -> Any:
        """Give an open invoice up as a bad debt. Raises InvalidState."""

    def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
    ) -> Any:
        """Change the description, the due date or the metadata; what is None stays as it is."""

    def delete(self, id: str, *, attempt: int = 1) -> Any:
        """Discard a draft; returns it as it was, with status deleted. Raises InvalidState."""

    def send_invoice(self, id: str, *, attempt: int = 1) -> Any:
        """Have the provider mail an open invoice."""

    def close(self) -> Any:
        """Close the journal and the connections; an HTTP client that was given stays open."""
