"""What each field of an invoice is to a comparison: identity, which is ignored, or something that must agree.

Rules of this file: every field of the model stands in exactly one row (a test keeps it so). `facts` turns an invoice
into plain JSON values by path; nothing else of it is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import PAST_DUE_WORDS, Collection, CustomerRef, Invoice, Line, Period, Status
from invoice_bridge.core.money import Money


class Kind(StrEnum):
    """What a field is to a comparison."""

    IDENTITY = "identity"
    """Differs between any two providers, and means nothing: ids, numbers, URLs, when a record was made."""
    MONEY = "money"
    STATUS = "status"
    CUSTOMER = "customer"
    """An id that is compared only where CustomerRef.ids, or a map of customers, says how the two sides' ids join."""
    TERMS = "terms"
    """What was agreed: when it is due, for which period, who moves the money."""
    TEXT = "text"
    AMOUNTS = "amounts"
    """Parts of which the amounts are compared, as a sorted list: names and ids are each provider's own."""
    PARTS = "parts"
    """Compared by the table of its own type."""
    REQUIRED = "required"
    """Must be so on both sides, else a side was read in part: all lines are there, and nothing was unreadable."""


KINDS: Mapping[type, Mapping[str, Kind]] = MappingProxyType(
    {
        Invoice: {
            "provider": Kind.IDENTITY,
            "id": Kind.IDENTITY,
            "number": Kind.IDENTITY,
            "status": Kind.STATUS,
            "native_status": Kind.IDENTITY,  # the provider's word; `status` is what it means
            "currency": Kind.MONEY,
            "subtotal": Kind.MONEY,
            "discount": Kind.MONEY,
            "tax": Kind.MONEY,
            "total": Kind.MONEY,
            "amount_due": Kind.MONEY,
            "amount_paid": Kind.MONEY,
            "amount_credited": Kind.MONEY,
            "amount_refunded": Kind.MONEY,
            "amount_remaining": Kind.MONEY,
            "lines": Kind.PARTS,
            "lines_complete": Kind.REQUIRED,
            "customer": Kind.PARTS,
            "period": Kind.PARTS,
            "description": Kind.TEXT,
            "reference": Kind.TEXT,
            "purchase_order": Kind.TEXT,
            "metadata": Kind.TEXT,
            "subscription": Kind.IDENTITY,
            "custom_fields": Kind.IDENTITY,  # each provider has other rules of what may stand there
            "footer": Kind.IDENTITY,  # (same)
            "taxes": Kind.AMOUNTS,
            "discounts": Kind.IDENTITY,  # `discount` is their sum; providers list them by invoice or by line
            "adjustments": Kind.AMOUNTS,
            "payments": Kind.AMOUNTS,
            "payments_complete": Kind.IDENTITY,
            "credit_notes": Kind.IDENTITY,  # `amount_credited` is their sum
            "credit_notes_complete": Kind.IDENTITY,
            # When a provider's record was made, or changed: the same bill is opened and paid at two providers at two
            # instants. When it is due was agreed with the customer.
            "created_at": Kind.IDENTITY,
            "issued_at": Kind.IDENTITY,
            "due_at": Kind.TERMS,
            "paid_at": Kind.IDENTITY,
            "voided_at": Kind.IDENTITY,
            "uncollectible_at": Kind.IDENTITY,
            "updated_at": Kind.IDENTITY,
            "attempts": Kind.IDENTITY,  # how often a provider tried to collect is its own affair
            "next_attempt_at": Kind.IDENTITY,
            "collection": Kind.PARTS,
            "payment_method": Kind.IDENTITY,
            "payment_pending": Kind.STATUS,  # money is on its way, or it is not
            "hosted_url": Kind.IDENTITY,
            "pdf_url": Kind.IDENTITY,
            "test_mode": Kind.IDENTITY,
            "losses": Kind.IDENTITY,  # of the call that made it, not of the bill
            "discrepancies": Kind.IDENTITY,  # (same)
            "problems": Kind.REQUIRED,
            "raw": Kind.IDENTITY,
        },
        Line: {
            "description": Kind.TEXT,
            "quantity": Kind.TERMS,
            "unit_amount": Kind.MONEY,
            "amount": Kind.MONEY,
            "period": Kind.PARTS,
            "id": Kind.IDENTITY,
            "product": Kind.IDENTITY,
            "price": Kind.IDENTITY,
            "subscription": Kind.IDENTITY,
            "discount": Kind.IDENTITY,  # the invoice's `discount` is compared; where it stands by line differs
            "taxes": Kind.IDENTITY,  # (same)
            "metadata": Kind.IDENTITY,
            "proration": Kind.IDENTITY,
            "provider": Kind.IDENTITY,
        },
        CustomerRef: {
            "id": Kind.CUSTOMER,
            "email": Kind.TEXT,
            "name": Kind.TEXT,
            "ids": Kind.IDENTITY,
            "address": Kind.IDENTITY,  # a provider prints the one that it keeps of its customer
            "tax_ids": Kind.IDENTITY,  # (same)
        },
        Period: {"start": Kind.TERMS, "end": Kind.TERMS},
        Collection: {
            "kind": Kind.TERMS,
            "due": Kind.TERMS,
            "net_days": Kind.TERMS,
            "payment_method": Kind.IDENTITY,
        },
    }
)
"""Every field of the model, and its kind."""

_PARTS: Mapping[str, type] = {"customer": CustomerRef, "period": Period, "collection": Collection}
_IGNORED = {Kind.IDENTITY, Kind.REQUIRED}
_Rows: TypeAlias = "tuple[tuple[str, str, _Rows | None], ...]"
"""Attribute, path, and the same for the parts of a value that is made of parts."""


def _rows(of: type, prefix: str = "") -> _Rows:
    return tuple(
        (name, prefix + name, _rows(_PARTS[name], f"{prefix}{name}.") if kind is Kind.PARTS else None)
        for name, kind in KINDS[of].items()
        if kind not in _IGNORED and kind is not Kind.AMOUNTS and name not in {"lines", "metadata"}
    )


_INVOICE, _LINE = _rows(Invoice), _rows(Line)
_GRAVE = {Kind.MONEY, Kind.AMOUNTS, Kind.STATUS, Kind.CUSTOMER}


def _shapes(of: type, prefix: str = "") -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for name, kind in KINDS[of].items():
        if kind is Kind.PARTS and name == "lines":
            found |= {"lines[]": Kind.MONEY, **_shapes(Line, "lines[].")}
        elif kind is Kind.PARTS:
            found |= _shapes(_PARTS[name], f"{prefix}{name}.")
        elif kind not in _IGNORED:
            found[prefix + name] = kind
    return found


SHAPES: Mapping[str, Kind] = MappingProxyType(_shapes(Invoice) | {"past_due": Kind.STATUS, "amounts": Kind.MONEY})
"""Every path that can differ, "lines[].amount" for that of any line, in the order of the model.

`lines[]` is a whole line; "metadata" stands for every "metadata.key". `past_due` is derived by one clock. `amounts`
differs where two invoices say no amount in common: then none was compared.
"""

PATHS = tuple(shape for shape in SHAPES if not shape.startswith("lines[]"))
LINE_PATHS = tuple(shape.removeprefix("lines[].") for shape in SHAPES if shape.startswith("lines[]."))
AMOUNT_PATHS = frozenset(
    path for path in PATHS if SHAPES[path] is Kind.MONEY and path not in {"currency", "amounts"}
)  # fmt: skip


def severity(shape: str) -> Severity:
    """How much a difference at a path matters: what was billed, to whom and how it stands changes money."""
    kind = SHAPES["metadata" if shape.startswith("metadata.") else shape]
    return Severity.CHANGES_MONEY if kind in _GRAVE else Severity.WARNS


Customers = Mapping[str, Mapping[str, str]]
"""Names of the caller's own → provider → id there: what Client(customers=…) takes."""


def facts(invoice: Invoice, as_of: datetime | None = None, customers: Customers | None = None) -> dict[str, Any]:
    """Return what is compared of an invoice, as plain JSON values; what it does not say is left out."""
    said = _said(invoice, _INVOICE)
    if invoice.purchase_order is not None and invoice.purchase_order == invoice.reference:
        # one field at the provider may carry both (Chargebee's po_number); the text is compared as the reference
        del said["purchase_order"]
    for word in sorted(invoice.metadata):
        said[f"metadata.{word}"] = invoice.metadata[word]
    if as_of is not None and invoice.status is Status.OPEN:
        late = _is_past_due(invoice, as_of)
        said |= {} if late is None else {"past_due": late}
    said |= _amounts(invoice)
    lines = [_said(line, _LINE) for line in invoice.lines]
    found: dict[str, Any] = {"provider": invoice.provider, "said": said, "lines": lines}
    if invoice.status is Status.UNKNOWN:
        found["word"] = invoice.native_status
    if ids := _ids(invoice, customers):
        found["ids"] = ids
    return found


def _amounts(invoice: Invoice) -> dict[str, str]:
    """The amounts of the parts that are stated: taxes, adjustments, and the payments made where all are listed."""
    found: dict[str, Iterable[Money | None]] = {
        "taxes": (tax.amount for tax in invoice.taxes),
        "adjustments": (adjustment.amount for adjustment in invoice.adjustments),
    }
    if invoice.payments_complete:
        found["payments"] = (payment.amount for payment in invoice.payments if payment.state == "succeeded")
    listed = {name: sorted(amount for amount in amounts if amount is not None) for name, amounts in found.items()}
    return {name: ", ".join(map(str, amounts)) for name, amounts in listed.items() if amounts}


def _said(value: Any, rows: _Rows) -> dict[str, Any]:
    """What a value says, by path; texts and switches are in the neutral invoice's JSON form already."""
    said: dict[str, Any] = {}
    for name, path, parts in rows:
        inner = getattr(value, name)
        if inner is None:
            continue
        if parts is not None:
            said |= _said(inner, parts)
            continue
        spell = _SPELLINGS.get(type(inner))
        said[path] = inner if spell is None else spell(inner)
    return said


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text  # 1 and 1.0 are one quantity
    return "0" if text == "-0" else text


_SPELLINGS: Mapping[type, Callable[[Any], Any]] = {
    Money: lambda amount: {"minor": amount.minor, "currency": amount.currency},
    datetime: lambda instant: f"{instant.replace(tzinfo=None).isoformat()}Z",  # every instant of the model is in UTC
    Decimal: _decimal,
    Status: lambda status: status.value,
}


def _is_past_due(invoice: Invoice, as_of: datetime) -> bool | None:
    """Whether it is past due; None where nothing says so by that clock.

    A provider's word is of the moment at which it was read: "overdue" stays true, "open" may have been so yesterday
    only, and says nothing at all at a provider that has no other word.
    """
    if invoice.due_at is None and invoice.native_status not in PAST_DUE_WORDS:
        return None
    return invoice.is_past_due(as_of)


def _ids(invoice: Invoice, customers: Customers | None) -> dict[str, str]:
    """The customer's ids at all providers, where the invoice or the map of customers says them."""
    who = invoice.customer
    if who is None or who.ids or not customers:
        return dict(who.ids) if who is not None else {}
    return next((dict(ids) for ids in customers.values() if who.id and ids.get(invoice.provider) == who.id), {})
