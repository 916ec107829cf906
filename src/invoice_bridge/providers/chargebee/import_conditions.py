"""The conditions of an import's rows; see import_fields.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invoice_bridge.core.model import Status
from invoice_bridge.core.totals import tax_on_top
from invoice_bridge.providers.chargebee.conditions import reference_field
from invoice_bridge.providers.chargebee.import_forms import METHODS, carries_quantity, has_line_taxes

When = Callable[[Any, Any], bool]


def ended_as(*statuses: Status) -> When:
    """Return a condition: whether the document ended in one of these statuses."""
    return lambda command, _context: command.status in statuses


def lacks_number(command: Any, _context: Any) -> bool:
    """Return whether the document has no number, so that its reference is the id."""
    return command.number is None


def loses_quantity(command: Any, _context: Any) -> bool:
    """Return whether a line has a quantity that is not sent."""
    return any(line.quantity not in {None, 1} and not carries_quantity(line) for line in command.lines)


def sends_quantity(command: Any, _context: Any) -> bool:
    """Return whether a line has a quantity that is sent."""
    return any(carries_quantity(line) for line in command.lines)


def moves_taxes(command: Any, _context: Any) -> bool:
    """Return whether the first of several lines carries the taxes of the document."""
    return (
        command.status is not Status.DRAFT
        and bool(command.taxes)
        and not has_line_taxes(command)
        and len(command.lines) > 1
    )


def sums_taxes(command: Any, _context: Any) -> bool:
    """Return whether the document's taxes are those of its lines, which are sent."""
    return has_line_taxes(command)


def drops_taxes(command: Any, _context: Any) -> bool:
    """Return whether tax on top is left out, and a part of the total with it."""
    return command.status is Status.DRAFT and bool(tax_on_top(command.tax_lines, command.currency))


def drops_taxes_within(command: Any, _context: Any) -> bool:
    """Return whether taxes are left out."""
    return bool(command.status is Status.DRAFT)


def has_no_rate(command: Any, _context: Any) -> bool:
    """Return whether a tax states no rate."""
    return command.status is not Status.DRAFT and any(tax.rate is None for tax in command.tax_lines)


def has_no_lines(command: Any, _context: Any) -> bool:
    """Return whether the document states no line."""
    return not command.lines


def has_parts_of_seconds(command: Any, _context: Any) -> bool:
    """Return whether a date has a fraction of a second."""
    dates = [command.issued_at, command.due_at, command.paid_at, command.voided_at, command.uncollectible_at]
    dates += [part.at for part in (*command.payments, *command.credit_notes)]
    periods = [command.period, *(line.period for line in command.lines)]
    dates += [edge for period in periods if period is not None for edge in (period.start, period.end)]
    return any(date is not None and date.microsecond for date in dates)


def is_taken_off(command: Any, _context: Any) -> bool:
    """Return whether a credit note reduced a paid document."""
    return command.status is Status.PAID and bool(command.credited)


def lacks(name: str, status: Status) -> When:
    """Return a condition: whether a document of this status does not state that date."""
    return lambda command, _context: command.status is status and getattr(command, name) is None


def has_other_method(command: Any, _context: Any) -> bool:
    """Return whether the import has no word for a payment's method."""
    return any(payment.method is not None and payment.method.lower() not in METHODS for payment in command.payments)


def lacks_note_dates(command: Any, _context: Any) -> bool:
    """Return whether a credit note has no date."""
    return any(note.at is None for note in command.credit_notes)


def gives_credit(command: Any, _context: Any) -> bool:
    """Return whether a credit note left the customer a balance."""
    return any(note.kind == "credit" for note in command.credit_notes)


def has_two_tax_ids(command: Any, _context: Any) -> bool:
    """Return whether the customer has several tax numbers."""
    return command.customer is not None and len(command.customer.tax_ids) > 1


def has_tax(command: Any, _context: Any) -> bool:
    """Return whether the document has tax."""
    return bool(command.tax_lines)


def loses_reference(command: Any, context: Any) -> bool:
    """Return whether no field carries the reference."""
    return reference_field(command, context.settings) is None


def has_other_adjustment(command: Any, _context: Any) -> bool:
    """Return whether an adjustment other than rounding changes the total."""
    return any(adjustment.kind != "rounding" for adjustment in command.adjustments)
