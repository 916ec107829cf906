"""What the rows of an import depend on; see import_fields.py."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from invoice_bridge.core.model import Status
from invoice_bridge.core.money import exponent
from invoice_bridge.providers.stripe.import_forms import percentage, place_taxes, sends_quantity
from invoice_bridge.providers.stripe.tables import MINIMUM_CHARGE, MONEY

When = Callable[[Any, Any], bool]

_NEAR, _NEAR_WHOLE = 2_000, 20_000
"""Below this many units, of a currency with and without hundredths, an amount may be below a minimum that is not on
the sheet. Our own figures, several times the largest minimum of a currency without a row."""


def is_below_minimum(command: Any) -> bool:
    """Whether finalizing would move the document's amount to the customer's balance."""
    least = MINIMUM_CHARGE.get(command.currency)
    if least is None or command.status is Status.DRAFT or not command.total:
        return False
    return bool(MONEY.to_units(command.total) < least)


def is_near_minimum(command: Any, _context: Any) -> bool:
    """Whether an amount may be below the minimum charge of a currency that is not on the sheet, or of the account's.

    The minimum is that of the currency in which the account settles, converted.
    """
    if command.status is Status.DRAFT or not command.total:
        return False
    listed = MINIMUM_CHARGE.get(command.currency)
    if listed is not None:
        return bool(listed <= MONEY.to_units(command.total) < 2 * listed)
    return bool(command.total.minor < (_NEAR if exponent(command.currency) else _NEAR_WHOLE))


def ended_as(*statuses: Status) -> When:
    """Return a condition: whether the document ended in one of these statuses."""
    return lambda command, _context: command.status in statuses


def is_mailed(command: Any, _context: Any) -> bool:
    """Whether the import is mailed."""
    return bool(command.mail)


def is_held(command: Any, _context: Any) -> bool:
    """Whether the import is a draft for now."""
    return not command.armed


def is_issued(command: Any, _context: Any) -> bool:
    """Whether the document is no draft."""
    return command.status is not Status.DRAFT


def has_no_lines(command: Any, _context: Any) -> bool:
    """Whether no line of the document is known."""
    return not command.lines


def loses_quantity(command: Any, _context: Any) -> bool:
    """Whether a line has a quantity that is not sent."""
    return any(line.quantity not in {None, 1} and not sends_quantity(line) for line in command.lines)


def sends_a_quantity(command: Any, _context: Any) -> bool:
    """Whether a line has a quantity that is sent."""
    return any(sends_quantity(line) for line in command.lines)


def has_taxes_apart(command: Any, _context: Any) -> bool:
    """Whether a tax on top is a line of its own."""
    return bool(place_taxes(command).apart)


def leaves_taxes_out(command: Any, _context: Any) -> bool:
    """Whether a tax within the amounts is not sent."""
    return bool(place_taxes(command).left_out)


def has_another_rate(command: Any, _context: Any) -> bool:
    """Whether a tax that is sent has no rate, or one with more decimals than Stripe takes."""
    return any(
        tax.rate is None or percentage(tax) != Decimal(tax.rate) for of in place_taxes(command).lines for tax in of
    )


def states_line_taxes(command: Any, _context: Any) -> bool:
    """Whether the lines state their taxes, so that those of the document are their sum."""
    return any(line.taxes for line in command.lines)


def states_no_line_taxes(command: Any, _context: Any) -> bool:
    """Whether the taxes are those of the document alone."""
    return not states_line_taxes(command, None)


def all_of(*conditions: When) -> When:
    """Return a condition: whether all of these hold."""
    return lambda command, context: all(condition(command, context) for condition in conditions)


def has_parts_of_seconds(command: Any, _context: Any) -> bool:
    """Whether a date is no whole second."""
    dates = [command.issued_at, command.due_at if command.mail else None]
    dates += [part.at for part in (*command.payments, *command.credit_notes)]
    periods = [line.period for line in command.stated_lines]
    dates += [edge for period in periods if period is not None for edge in (period.start, period.end)]
    return any(date is not None and date.microsecond for date in dates)


def lacks_payment_dates(command: Any, _context: Any) -> bool:
    """Whether a payment has no date, and the document does not say when it was paid."""
    return command.paid_at is None and any(payment.at is None for payment in command.payments)


def lacks_note_dates(command: Any, _context: Any) -> bool:
    """Whether a credit note has no date."""
    return any(note.at is None for note in command.credit_notes)


def gives_credit(command: Any, _context: Any) -> bool:
    """Whether a credit note left a balance of the customer."""
    return any(note.kind == "credit" for note in command.credit_notes)


def has_tax(command: Any, _context: Any) -> bool:
    """Whether the document has tax."""
    return bool(command.tax_lines)


def has_empty_value(command: Any, _context: Any) -> bool:
    """Whether a metadata key has an empty value, which Stripe reads as unset."""
    return "" in command.metadata.values()
