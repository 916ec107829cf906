"""An invoice's compared fields as plain JSON values by path.

Rules of this file: a field that an invoice does not state is left out. An item of a list may have hints, names that
begin with "=": they help to find its counterpart and are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from invoice_bridge.compare.kinds import (
    DOCUMENT,
    IGNORED,
    KINDS,
    LIST_TYPES,
    PART_TYPES,
    WORDS,
    Customers,
    Kind,
)
from invoice_bridge.core.model import PAST_DUE_WORDS, CreditNote, Invoice, Line, Payment, Status
from invoice_bridge.core.money import Money

_Rows: TypeAlias = "tuple[tuple[str, str, str, _Rows | None], ...]"
"""Attribute, path, way of reading ("value", "words", "parts", "list"), and the same for its parts."""
_HINTS = ("id", "at")
_INVOICE_LISTS = ("taxes", "discounts", "adjustments", "payments", "credit_notes")


def _rows(of: type, prefix: str = "") -> _Rows:
    rows = []
    for name, kind in KINDS[of].items():
        path, inner, how = prefix + name, None, "words" if name in WORDS else "value"
        if kind in IGNORED:
            continue
        if kind in {Kind.PARTS, Kind.OWN_PARTS}:
            how = "list" if name in LIST_TYPES else "parts"
            inner = _rows(LIST_TYPES[name]) if how == "list" else _rows(PART_TYPES[name], f"{path}.")
        rows.append((name, path, how, inner))
    return tuple(rows)


_INVOICE = tuple(row for row in _rows(Invoice) if row[2] != "list")
_ITEMS = {name: _rows(of) for name, of in LIST_TYPES.items()}


def facts(
    invoice: Invoice,
    as_of: datetime | None = None,
    customers: Customers | None = None,
    products: Customers | None = None,
    *,
    document: bool = False,
) -> dict[str, Any]:
    """Return an invoice's compared fields as plain JSON values; a field that it does not state is left out.

    `document`: its number and dates too, to whole seconds, which is what most providers keep.
    """
    said = _said(invoice, _INVOICE)
    for name in DOCUMENT if document else ():
        if (value := getattr(invoice, name)) is not None:
            said[name] = _spelled(value.replace(microsecond=0) if isinstance(value, datetime) else value)
    said.pop("customer.tax_ids", None)  # one of the lists
    if invoice.purchase_order is not None and invoice.purchase_order == invoice.reference:
        # one field at the provider may carry both (Chargebee's po_number); the text is compared as the reference
        del said["purchase_order"]
    if as_of is not None and invoice.status is Status.OPEN:
        late = _is_past_due(invoice, as_of)
        said |= {} if late is None else {"past_due": late}
    names = _names(invoice.provider, products)
    lines = [_item(line, "lines", names) for line in invoice.lines]
    found: dict[str, Any] = {"provider": invoice.provider, "id": invoice.id, "said": said, "lines": lines}
    found["lists"], found["incomplete"] = _lists(invoice)
    if invoice.status is Status.UNKNOWN:
        found["word"] = invoice.native_status
    if ids := _ids(invoice, customers):
        found["ids"] = ids
    return found


def _lists(invoice: Invoice) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Return the items of the other lists, and the lists that may lack some; an empty one states nothing.

    A complete list states its completeness even if it is empty. The credit note that a write-off makes at some
    providers is left out: the status covers it.
    """
    lists: dict[str, list[dict[str, Any]]] = {}
    whole = {"payments": invoice.payments_complete, "credit_notes": invoice.credit_notes_complete}
    for name in _INVOICE_LISTS:
        items = [
            _item(part, name) | {"=place": place}
            for place, part in enumerate(getattr(invoice, name))
            if not (isinstance(part, CreditNote) and part.kind == "write_off")
        ]
        if items or whole.get(name):
            lists[name] = items
    if invoice.customer is not None and invoice.customer.tax_ids:
        lists["customer.tax_ids"] = [_item(part, "tax_ids") for part in invoice.customer.tax_ids]
    return lists, [name for name, complete in whole.items() if not complete]


def _item(part: Any, name: str, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the stated fields of a list item, with the hints that find its counterpart."""
    said = _said(part, _ITEMS[name])
    if isinstance(part, Payment | CreditNote):
        for path in ("state", "kind"):
            if said.get(path) == "unknown":  # an unknown word states nothing
                del said[path]
    for hint in _HINTS:
        if (value := getattr(part, hint, None)) is not None:
            said[f"={hint}"] = _spelled(value)
    if names and isinstance(part, Line):
        named = names.get(part.product or "") or names.get(part.price or "")
        said |= {} if named is None else {"=product": named}
    return said


def _names(provider: str, products: Customers | None) -> dict[str, str]:
    """Return the caller's names of products, by the provider's ids."""
    return {ids[provider]: name for name, ids in (products or {}).items() if provider in ids}


def _said(value: Any, rows: _Rows) -> dict[str, Any]:
    """Return a value's fields by path; texts and flags already have the neutral invoice's JSON form."""
    said: dict[str, Any] = {}
    for name, path, how, inner_rows in rows:
        inner = getattr(value, name)
        if inner is None:
            continue
        if how == "value":
            said[path] = _spelled(inner)
        elif how == "words":
            said |= {f"{path}.{word}": inner[word] for word in sorted(inner)}
        elif how == "parts":
            said |= _said(inner, inner_rows or ())
        elif inner:
            said[path] = [_said(item, inner_rows or ()) for item in inner]
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


def _spelled(value: Any) -> Any:
    spell = _SPELLINGS.get(type(value))
    return value if spell is None else spell(value)


def _is_past_due(invoice: Invoice, as_of: datetime) -> bool | None:
    """Return whether it is past due by that clock; None if that is unknown.

    A provider's word is that of its reading: "overdue" stays true, "open" may be outdated, and means nothing at a
    provider that has no other word.
    """
    if invoice.due_at is None and invoice.native_status not in PAST_DUE_WORDS:
        return None
    return invoice.is_past_due(as_of)


def _ids(invoice: Invoice, customers: Customers | None) -> dict[str, str]:
    """Return the customer's ids at all providers, from the invoice or the map of customers."""
    who = invoice.customer
    if who is None or who.ids or not customers:
        return dict(who.ids) if who is not None else {}
    return next((dict(ids) for ids in customers.values() if who.id and ids.get(invoice.provider) == who.id), {})
