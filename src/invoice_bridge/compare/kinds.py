"""The role of each field of an invoice in a comparison: identity, which is ignored, or a fact that must agree.

Rules of this file: every field of the model is in exactly one row (a test enforces it). facts.py takes the compared
fields from an invoice by these rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import (
    Address,
    Adjustment,
    Collection,
    CreditNote,
    CustomerRef,
    Discount,
    Invoice,
    Line,
    Payment,
    Period,
    TaxId,
    TaxLine,
)


class Kind(StrEnum):
    """The role of a field in a comparison."""

    IDENTITY = "identity"
    """Differs between any two providers and means nothing: ids, numbers, URLs, times of records."""
    MONEY = "money"
    STATUS = "status"
    CUSTOMER = "customer"
    """An id that is compared only if CustomerRef.ids or a map of customers joins the two sides' ids."""
    CATALOG = "catalog"
    """An id of a product or price: compared if a map of products names it, and between two readings of one invoice.

    Otherwise it means nothing: a provider may make a product for each billed amount (Stripe does).
    """
    TERMS = "terms"
    """The agreement: the due date, the period, who moves the money."""
    TEXT = "text"
    OWN = "own"
    """Compared within one provider only: another one words, stores or splits it differently."""
    PARTS = "parts"
    """Compared by the table of its own type; list items are joined by content, not by order."""
    OWN_PARTS = "own parts"
    """The same, within one provider only."""
    REQUIRED = "required"
    """Required on both sides, because otherwise a side was only partly read: all lines, and no unreadable value."""


KINDS: Mapping[type, Mapping[str, Kind]] = MappingProxyType(
    {
        Invoice: {
            "provider": Kind.IDENTITY,
            "id": Kind.IDENTITY,
            "number": Kind.IDENTITY,
            "status": Kind.STATUS,
            "native_status": Kind.IDENTITY,  # the provider's word; `status` is its meaning
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
            "subscription": Kind.OWN,
            "custom_fields": Kind.OWN,  # each provider has its own rules for this field
            "footer": Kind.OWN,  # (same)
            "taxes": Kind.PARTS,
            "discounts": Kind.OWN_PARTS,  # `discount` is their sum; providers list them by invoice or by line
            "adjustments": Kind.PARTS,
            "payments": Kind.PARTS,
            "payments_complete": Kind.IDENTITY,  # a list that is not complete states nothing
            "credit_notes": Kind.PARTS,
            "credit_notes_complete": Kind.IDENTITY,  # (same)
            # The times of a provider's record: two providers open and pay the same bill at two instants. The due date
            # was agreed with the customer.
            "created_at": Kind.IDENTITY,
            "issued_at": Kind.IDENTITY,
            "due_at": Kind.TERMS,
            "paid_at": Kind.IDENTITY,
            "voided_at": Kind.IDENTITY,
            "uncollectible_at": Kind.IDENTITY,
            "updated_at": Kind.IDENTITY,
            "attempts": Kind.IDENTITY,  # each provider retries a collection by its own rules
            "next_attempt_at": Kind.IDENTITY,
            "collection": Kind.PARTS,
            "payment_method": Kind.IDENTITY,
            "payment_pending": Kind.STATUS,  # a pending payment is a fact
            "hosted_url": Kind.IDENTITY,
            "pdf_url": Kind.IDENTITY,
            "test_mode": Kind.IDENTITY,
            "losses": Kind.IDENTITY,  # belongs to the call that made it, not to the bill
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
            "product": Kind.CATALOG,
            "price": Kind.CATALOG,
            "subscription": Kind.OWN,
            "discount": Kind.OWN,  # the invoice's `discount` is compared; its split by line differs
            "taxes": Kind.OWN_PARTS,  # (same)
            "metadata": Kind.OWN,
            "proration": Kind.OWN,
            "provider": Kind.IDENTITY,
        },
        CustomerRef: {
            "id": Kind.CUSTOMER,
            "email": Kind.TEXT,
            "name": Kind.TEXT,
            "ids": Kind.IDENTITY,
            "address": Kind.OWN_PARTS,  # a provider prints its own record of the customer
            "tax_ids": Kind.OWN_PARTS,  # (same)
        },
        Period: {"start": Kind.TERMS, "end": Kind.TERMS},
        Collection: {
            "kind": Kind.TERMS,
            "due": Kind.TERMS,
            "net_days": Kind.TERMS,
            "payment_method": Kind.IDENTITY,
        },
        Address: dict.fromkeys(("line1", "line2", "city", "state", "postal_code", "country"), Kind.TEXT),
        TaxId: {"kind": Kind.TEXT, "value": Kind.TEXT},
        TaxLine: {
            "name": Kind.OWN,  # names of taxes differ, like names of plans
            "rate": Kind.TERMS,
            "amount": Kind.MONEY,
            "base": Kind.MONEY,
            "inclusive": Kind.TERMS,
        },
        Discount: {"id": Kind.IDENTITY, "code": Kind.TEXT, "name": Kind.TEXT, "amount": Kind.MONEY},
        Adjustment: {"kind": Kind.TERMS, "amount": Kind.MONEY},
        Payment: {
            "id": Kind.IDENTITY,
            "amount": Kind.MONEY,
            "at": Kind.IDENTITY,  # when the record was made; as `paid_at`
            "state": Kind.STATUS,
            "method": Kind.IDENTITY,
            "recorded_outside": Kind.OWN,  # a moved payment was taken elsewhere
            "refunded": Kind.MONEY,
        },
        CreditNote: {
            "id": Kind.IDENTITY,
            "number": Kind.IDENTITY,
            "amount": Kind.MONEY,
            "reason": Kind.OWN,  # each provider has words of its own
            "kind": Kind.TERMS,
            "at": Kind.IDENTITY,
        },
    }
)
"""Every field of the model and its role."""

PART_TYPES: Mapping[str, type] = MappingProxyType(
    {"customer": CustomerRef, "period": Period, "collection": Collection, "address": Address}
)
LIST_TYPES: Mapping[str, type] = MappingProxyType(
    {
        "lines": Line,
        "taxes": TaxLine,
        "discounts": Discount,
        "adjustments": Adjustment,
        "payments": Payment,
        "credit_notes": CreditNote,
        "tax_ids": TaxId,
    }
)
WORDS = ("metadata", "custom_fields")
"""Fields that map keys to texts: compared by key."""
IGNORED = frozenset({Kind.IDENTITY, Kind.REQUIRED})
_GRAVE = {Kind.MONEY, Kind.STATUS, Kind.CUSTOMER}
_TEXTS = {TaxId}
_KEYED = re.compile(r"^(.*?\b(?:metadata|custom_fields))\..*$", re.DOTALL)


def _shapes(of: type, prefix: str = "") -> dict[str, Kind]:
    shapes: dict[str, Kind] = {}
    for name, kind in KINDS[of].items():
        inner = LIST_TYPES.get(name) or PART_TYPES.get(name)
        if kind in IGNORED:
            continue
        if inner is None or kind not in {Kind.PARTS, Kind.OWN_PARTS}:
            shapes[prefix + name] = kind
        elif name in LIST_TYPES:
            shapes[f"{prefix}{name}[]"] = Kind.TEXT if inner in _TEXTS else Kind.MONEY
            shapes |= _shapes(inner, f"{prefix}{name}[].")
        else:
            shapes |= _shapes(inner, f"{prefix}{name}.")
    return shapes


def _own(of: type, prefix: str = "", *, inside: bool = False) -> set[str]:
    """Return the shapes that are compared within one provider only."""
    shapes: set[str] = set()
    for name, kind in KINDS[of].items():
        own = inside or kind in {Kind.OWN, Kind.OWN_PARTS}
        inner = LIST_TYPES.get(name) or PART_TYPES.get(name)
        if inner is None or kind not in {Kind.PARTS, Kind.OWN_PARTS}:
            shapes |= {prefix + name} if own and kind not in IGNORED else set()
            continue
        whole = f"{prefix}{name}[]" if name in LIST_TYPES else f"{prefix}{name}"
        shapes |= ({whole} if own and name in LIST_TYPES else set()) | _own(inner, f"{whole}.", inside=own)
    return shapes


SHAPES: Mapping[str, Kind] = MappingProxyType(_shapes(Invoice) | {"past_due": Kind.STATUS, "amounts": Kind.MONEY})
"""Every path that can differ, "lines[].amount" for that of any line, in the order of the model.

`lines[]` is a whole line, `taxes[]` a whole tax; "metadata" covers every "metadata.key". `past_due` is derived from
one clock. `amounts` differs if two invoices state no amount in common: then none was compared.
"""
DOCUMENT = ("number", "issued_at", "paid_at", "voided_at", "uncollectible_at")
"""What is compared too where both sides are one document, as after an import: compare(…, document=True)."""
OWN = frozenset(_own(Invoice))
"""The paths that are compared within one provider only."""
ORDER: Mapping[str, int] = MappingProxyType({shape: place for place, shape in enumerate(SHAPES)})

PATHS = tuple(shape for shape in SHAPES if "[]" not in shape)
LISTS = tuple(shape.removesuffix("[]") for shape in SHAPES if shape.endswith("[]") and shape.count("[]") == 1)
"""The lists of an invoice, by path: "lines", "taxes", "customer.tax_ids" …"""
AMOUNT_PATHS = frozenset(
    path for path in PATHS if SHAPES[path] is Kind.MONEY and path not in {"currency", "amounts"}
)  # fmt: skip


def shape_of(path: str) -> str:
    """Return a path without the numbers of its items: "lines[].taxes[].amount"; a key of a mapping stays as it is."""
    keyed = _KEYED.match(path)
    head, rest = (path, "") if keyed is None else (keyed[1], path[len(keyed[1]) :])
    return re.sub(r"\[\d+\]", "[]", head) + rest


def row_of(shape: str) -> str:
    """Return the shape that covers this one in SHAPES: "metadata" for "metadata.order"."""
    keyed = _KEYED.match(shape)
    return shape if keyed is None else keyed[1]


def severity(shape: str) -> Severity:
    """Return the severity of a difference: the amounts, the customer and the status change money."""
    row = row_of(shape)
    grave = SHAPES.get(row) in _GRAVE or row == "lines[].discount"
    return Severity.CHANGES_MONEY if grave else Severity.WARNS


Customers = Mapping[str, Mapping[str, str]]
"""The caller's names → provider → id there, as for Client(customers=…). Products have the same form."""
