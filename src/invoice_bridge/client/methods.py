"""The methods of Client and AsyncClient, with their arguments, documented once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from invoice_bridge.client.core import Core, Http, OnDiscrepancy
from invoice_bridge.core.commands import Filters, ImportInvoice, ListInvoices, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.model import CustomerRef, Line
from invoice_bridge.core.money import Money
from invoice_bridge.core.natives import NativeOptions
from invoice_bridge.engine.allow import Allow


class Methods(Core[Http]):
    """The methods of both clients. Those of AsyncClient are awaited, and its `list` is read with `async for`.

    The verbs that change an invoice take `native`, parameters of one provider alone, and `native_unchecked`.
    """

    def create(
        self,
        command: OneTimeCharge | PeriodInvoice,
        *,
        allow: Allow = (),
        on_discrepancy: OnDiscrepancy = "raise",
        since: datetime | None = None,
    ) -> Any:
        """Make a bill. The same reference is billed once, however late it is repeated: see `lookup`.

        `since` (aware) is the earliest time at which the bill can have been tried: the lookup reads no older invoice.
        Raises Unsupported or LossyTranslation before anything is sent (`allow` accepts losses by path or code), and
        Discrepancy before money is collected; on_discrepancy="report" returns the uncollected invoice instead, and its
        `discrepancies` state what differs. Raises IdempotencyMismatch if the reference belongs to another bill,
        AlreadySettled if its invoice is void, deleted or uncollectible, BilledElsewhere if another account of the book
        has it, and OutcomeUnknown if a request was lost: see resolve.
        """

    def import_invoice(self, command: ImportInvoice, *, allow: Allow = (), since: datetime | None = None) -> Any:
        """Make an invoice of the past again as it ended, without a charge: see ImportInvoice.of.

        The same reference is imported once, and looked up like a bill; `since` and `allow` are as for create. A
        paid, void or uncollectible invoice is neither mailed nor collected. If another account of the book has the
        reference, `source` must be that account's invoice; the reference moves to this account once the invoice is
        settled there. Raises Unsupported or LossyTranslation before anything is sent, IdempotencyMismatch if the
        reference or the number belongs to another invoice, Discrepancy or AmountMismatch if the provider holds
        something else than the document, and OutcomeUnknown if a request was lost: see resolve.
        """

    def resolve(self, command: OneTimeCharge | PeriodInvoice | ImportInvoice, *, since: datetime | None = None) -> Any:
        """Find out the outcome of a bill, as a Resolution; this reads and never writes.

        `since` (aware) is the time of the first try: no invoice of the bill is older. A journal has that time, and the
        time of the last request; without a journal, only this client's own requests are known to be later than `since`.
        Raises ConfigurationError without both.
        """

    def find(self, reference: str, *, customer: CustomerRef | str | None = None) -> Any:
        """Find the one invoice that has a reference at this provider.

        A journal that has the reference is asked first: its invoice is read by its id, and its reference compared.
        Else, with `customer` that customer's listing is read; without, the provider's search index, which may be
        minutes behind, or the listing of all. Raises NotFound, AlreadyBilled if several invoices have it, Discrepancy
        if the journal's invoice carries another reference, and Unsupported if the provider has no cheap lookup.
        """

    def retrieve(self, id: str, *, whole: bool = True) -> Any:
        """Read one invoice, with all its lines, payments and credit notes. Raises NotFound.

        Payments and credit notes may take further requests; whole=False omits these. `payments_complete` and
        `credit_notes_complete` are False if some are missing, or cannot be read at this provider or with this key.
        """

    def pdf(self, id: str) -> Any:
        """Download the document of an issued invoice, as bytes. The key is never sent to the host of the document."""

    def page(self, command: ListInvoices) -> Any:
        """Read one page of a listing as the provider returns it, before filters are applied again; `next` reads on."""

    @overload
    def list(self, *, unreadable: Literal["raise"] = "raise", **filters: Unpack[Filters]) -> Any: ...
    @overload
    def list(self, *, unreadable: Literal["yield"], **filters: Unpack[Filters]) -> Any: ...
    def list(self, *, unreadable: str = "raise", **filters: Unpack[Filters]) -> Any:
        """Read all pages, lazily. Filters: status, customer, created_from, created_to.

        full=True reads what a listing omits (fields, payments, credit notes) by further requests for each invoice. An
        item that cannot be decoded raises MalformedResponse; with unreadable="yield" it is an Unreadable instead.
        """

    def finalize(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Any:
        """Issue a draft. Raises InvalidState."""

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
    ) -> Any:
        """Read an open invoice, and collect it now.

        A draft, a pending payment or an amount other than `expect` stops it. `amount` collects a part, once for each
        `reference`. Raises InvalidState, Discrepancy or Declined; after Declined, raise `attempt` to try again.
        """

    def mark_paid(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Any:
        """Record that an open invoice was paid in full outside the provider; no money moves. See record_payment."""

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
    ) -> Any:
        """Record a payment made outside the provider, of the whole invoice or a part; no money moves.

        `at` (aware) is when it was paid, `method` your word for the way. The same `reference` is recorded once, however
        late it is repeated. `expect` is the amount remaining before it; it is required where the provider keeps no
        reference. Raises InvalidState, Discrepancy, IdempotencyMismatch for a reference with another amount, and
        LossyTranslation for what the provider does not keep, unless `allow` accepts it.
        """

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
    ) -> Any:
        """Give back money that an invoice collected: `amount`, or all that is left to refund.

        The same `reference` is refunded once, however late it is repeated. `expect` is the amount refunded before it.
        Errors are those of record_payment. A refund that fails later needs a new reference.
        """

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
    ) -> Any:
        """Issue a credit note over `amount` or `lines`: it lowers what remains, or gives a balance if that is paid.

        A line with an `id` credits that line of the invoice. No money is given back: see refund. The same `reference`
        is credited once. `expect` is the amount credited before it. Errors are those of record_payment.
        """

    def void(
        self,
        id: str,
        *,
        reason: str | None = None,
        allow: Allow = (),
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Any:
        """Withdraw an issued invoice for good. Raises InvalidState, and LossyTranslation if no `reason` is kept."""

    def mark_uncollectible(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Any:
        """Write an open invoice off as a bad debt. Raises InvalidState."""

    def update(
        self,
        id: str,
        *,
        description: str | None = None,
        due_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        attempt: int = 1,
        **natives: Unpack[NativeOptions],
    ) -> Any:
        """Change the description, the due date or the metadata; None leaves a field as it is."""

    def delete(self, id: str, *, imported: bool = False, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Any:
        """Discard a draft; return it as it was, with the status deleted. Raises InvalidState.

        `imported` discards also an issued invoice that import_invoice has made, with the payments that it recorded,
        where the provider allows that (Chargebee). Its number stays used.
        """

    def send_invoice(self, id: str, *, attempt: int = 1, **natives: Unpack[NativeOptions]) -> Any:
        """Have the provider mail an open invoice."""

    def close(self) -> Any:
        """Close the journal and the connections; your own HTTP client stays open."""
