"""Compare a document at the target with the import that it was made from.

Rules of this file: pure. Money, status, currency and customer are compared always; what is not stated never equals a
sum of money. Where the target declared a loss of a field, another value of that field is declared too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.losses import Fate
from invoice_bridge.core.model import CreditNote, Invoice, Payment, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of
from invoice_bridge.explain import losses_of

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context

__all__ = ["DocumentDifference", "differences_of"]


_MOVES_LINES = (
    "lines[].amount", "lines[].unit_amount", "lines[].quantity", "lines[].discount", "lines[].taxes",
    "discounts", "taxes", "adjustments",
)  # fmt: skip
"""The losses with which a target has other lines, or other amounts in them."""


@dataclass(frozen=True, slots=True)
class DocumentDifference:
    """One field of a document that is not as it was imported."""

    field: str
    asked: str
    found: str

    def __str__(self) -> str:
        return f"{self.field} is {self.found}, not {self.asked}"


def differences_of(command: ImportInvoice, found: Invoice, context: Context) -> list[DocumentDifference]:
    """Return what differs between an import and the document at the target, declared losses left out."""
    losses = losses_of(command, context)
    lost = {loss.path for loss in losses}
    dropped = {loss.path for loss in losses if loss.fate is Fate.DROPPED}

    def is_declared(field: str) -> bool:
        if field == "taxes":
            return any(path.startswith(("taxes", "lines[].taxes")) for path in lost)
        if field == "lines":  # a line that lost its product still has its amount
            return any(path.startswith(_MOVES_LINES) for path in lost)
        return any(path == field or path.startswith((f"{field}.", f"{field}[")) for path in lost)

    return [
        DocumentDifference(name, _text(asked), _text(stated))
        for name, asked, stated, is_strict in _compared(command, found)
        if asked != stated and (is_strict or not is_declared(name) or _is_another_day(name, asked, stated, dropped))
    ]


def _is_another_day(name: str, asked: Any, stated: Any, dropped: Collection[str]) -> bool:
    """Whether a document has another date of issue, where the target only approximates it: a loss is no other day."""
    if name != "issued_at" or name in dropped:
        return False
    return stated is None or asked.astimezone(UTC).date() != stated.astimezone(UTC).date()


def _compared(command: ImportInvoice, found: Invoice) -> Iterator[tuple[str, Any, Any, bool]]:
    """Yield each field: its name, the import's value, the document's, and whether no loss excuses it."""
    yield "status", command.status, found.status, True
    yield "currency", command.currency, found.currency, True
    yield "total", command.total, found.total, True
    customer = None if command.customer is None else command.customer.at(found.provider)
    if customer is not None:
        yield "customer.id", customer, None if found.customer is None else found.customer.at(found.provider), True
    if command.status not in {Status.DRAFT, Status.VOID}:
        yield "amount paid", command.paid, found.amount_paid, True
        remaining = command.open_amount if command.status is Status.OPEN else Money.zero(command.currency)
        yield "amount remaining", remaining, found.amount_remaining, True
    yield from _parts(command, found)
    if found.tax is not None:
        yield "taxes", _tax(command), found.tax, False
    if command.number is not None:
        yield "number", command.number, _number(command, found), False
    for name in ("issued_at", "due_at", "paid_at", "voided_at", "uncollectible_at"):
        if (asked := getattr(command, name)) is not None:
            yield name, _second(asked), _second(getattr(found, name)), False
    if not found.lines_complete:
        yield "lines", _lines(command), None, True
    elif command.lines:
        yield "lines", _lines(command), _lines(found), False
        if len(command.lines) == len(found.lines):  # else a discount or a tax is a line of its own there
            yield "lines[].description", _texts(command), _texts(found), False


def _parts(command: ImportInvoice, found: Invoice) -> Iterator[tuple[str, Any, Any, bool]]:
    """Yield each kind of part whose amounts no loss excuses, if the document states it."""
    if command.status in {Status.DRAFT, Status.VOID}:
        return
    notes = [note for note in found.credit_notes if note.kind != "write_off"]
    for name, kinds in (("credit notes", {"adjustment"}), ("refunds", {"refund", "credit"})):
        asked = _amounts(note for note in command.credit_notes if note.kind in kinds)
        stated = _amounts(note for note in notes if note.kind in kinds)
        if found.credit_notes_complete or stated - asked:
            yield name, asked, stated, True
    if found.amount_refunded is not None and not found.credit_notes_complete:
        yield "amount refunded", command.given_back, found.amount_refunded, True
    if found.payments_complete:
        succeeded = [payment for payment in found.payments if payment.state == "succeeded"]
        yield "payments", _amounts(command.payments), _amounts(succeeded), True


def _amounts(parts: Iterable[CreditNote | Payment]) -> Counter[int]:
    return Counter(part.amount.minor for part in parts if part.amount)


def _tax(command: ImportInvoice) -> Money:
    return sum_of(tax.amount for tax in command.tax_lines) or Money.zero(command.currency)


def _number(command: ImportInvoice, found: Invoice) -> str | None:
    """Return the number of a document; that of a draft may be its id, which is no number before it is issued."""
    return found.id if command.status is Status.DRAFT and found.number is None else found.number


def _second(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(microsecond=0)


def _lines(document: ImportInvoice | Invoice) -> Counter[int]:
    return Counter(0 if line.amount is None else line.amount.minor for line in document.lines)


def _texts(document: ImportInvoice | Invoice) -> Counter[str]:
    return Counter(line.description or "" for line in document.lines)


def _text(value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Counter):
        return "of " + ", ".join(str(one) for one in sorted(value.elements()))
    return str(value)
