"""The verbs on an invoice, and listing.

Rules of this file: those of commands.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypedDict

from pydantic import Field, model_validator

from invoice_bridge.core.bills import Attempt, Command, Customer, Id
from invoice_bridge.core.model import Amount, CustomerRef, Instant, Invoice, Status, Text, Words
from invoice_bridge.core.natives import Natives

__all__ = [
    "Delete",
    "Filters",
    "Finalize",
    "ListInvoices",
    "MarkPaid",
    "MarkUncollectible",
    "OnInvoice",
    "Pay",
    "Retrieve",
    "SendInvoice",
    "Update",
    "Void",
]


class OnInvoice(Command):
    """The base of the verbs on one invoice. Raise `attempt` to try again after a final refusal.

    `native` and `native_unchecked` are as on a bill.
    """

    id: Id
    attempt: Attempt = 1
    native: Natives = Field(default_factory=dict)
    native_unchecked: Natives = Field(default_factory=dict)


class Retrieve(OnInvoice):
    """Read one invoice, with all its lines."""

    verb: ClassVar[str] = "retrieve"


class Finalize(OnInvoice):
    """Issue a draft; this alone charges nobody, where the provider allows that."""

    verb: ClassVar[str] = "finalize"


class Pay(OnInvoice):
    """Collect an open invoice now. `expect` is the amount remaining that the caller expects: any other stops it."""

    verb: ClassVar[str] = "pay"

    expect: Amount | None = None
    payment_method: Id | None = None


class MarkPaid(OnInvoice):
    """Record that an open invoice was paid outside the provider; no money moves."""

    verb: ClassVar[str] = "mark_paid"


class Void(OnInvoice):
    """Withdraw an issued invoice for good."""

    verb: ClassVar[str] = "void"


class MarkUncollectible(OnInvoice):
    """Write an open invoice off as a bad debt."""

    verb: ClassVar[str] = "mark_uncollectible"


class Update(OnInvoice):
    """Change the description, the due date or the metadata; None leaves a field as it is."""

    verb: ClassVar[str] = "update"

    description: Text | None = None
    due_at: Instant | None = None
    metadata: Words | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.description is None and self.due_at is None and self.metadata is None:
            raise ValueError("an update must change something: description, due_at or metadata")
        return self


class Delete(OnInvoice):
    """Discard a draft."""

    verb: ClassVar[str] = "delete"


class SendInvoice(OnInvoice):
    """Have the provider mail an open invoice."""

    verb: ClassVar[str] = "send_invoice"


class Filters(TypedDict, total=False):
    """The filters of a listing; see ListInvoices."""

    status: Status | None
    customer: CustomerRef | str | None
    created_from: datetime | None
    created_to: datetime | None
    full: bool
    limit: int
    native: Mapping[str, Mapping[str, Any]]


class ListInvoices(Command):
    """Read one page of invoices, newest first if the provider orders them so; it has the command for the next page.

    `created_from` is inclusive, `created_to` exclusive. `cursor` is the provider's own. `full` retrieves each invoice
    where a listing omits fields. Every filter is applied again to what comes back. `native` has filters that one
    provider alone has; they are the provider's, and not applied again.
    """

    verb: ClassVar[str] = "list"

    status: Status | None = None
    customer: Customer | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None
    full: bool = False
    limit: Annotated[int, Field(strict=True, ge=1, le=100)] = 100
    cursor: Text | None = None
    native: Natives = Field(default_factory=dict)

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(
            self,
            *,
            status: Status | None = None,
            customer: CustomerRef | str | None = None,
            created_from: datetime | None = None,
            created_to: datetime | None = None,
            full: bool = False,
            limit: int = 100,
            cursor: str | None = None,
            native: Mapping[str, Mapping[str, Any]] = ...,
        ) -> None: ...

    def matches(self, invoice: Invoice, provider: str) -> bool:
        """Whether an invoice passes the filters; a field that the provider does not state fails its filter."""
        customer = self.customer.at(provider) if self.customer else None
        return (
            (self.status is None or invoice.status is self.status)
            and (self.customer is None or (customer is not None and _bills(invoice, customer, provider)))
            and (
                self.created_from is None
                or (invoice.created_at is not None and invoice.created_at >= self.created_from)
            )
            and (self.created_to is None or (invoice.created_at is not None and invoice.created_at < self.created_to))
        )


def _bills(invoice: Invoice, customer: str, provider: str) -> bool:
    return invoice.customer is not None and invoice.customer.at(provider) == customer
