"""What a page of a listing holds: the invoices that could be read, and the items that could not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item of a listing that could not be decoded: the provider's own JSON, and why."""

    raw: Any
    error: MalformedResponse


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, and the commands that read the next one and, where the provider has it, the previous."""

    items: tuple[Invoice | Unreadable, ...]
    next: ListInvoices | None = None
    previous: ListInvoices | None = None
