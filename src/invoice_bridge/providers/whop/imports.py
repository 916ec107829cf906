"""The import of history, as far as Whop accepts it: drafts, and open invoices that it mails at once.

No request makes a paid, void or uncollectible invoice: mark_paid is for an open one, and a request that opens one
mails or charges (whop-sdk 2.6.0, invoices). The rows of import_fields.py refuse those before anything is sent.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ImportInvoice, OneTimeCharge
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import Collection, Invoice, Line, Status, TaxLine
from invoice_bridge.core.money import times
from invoice_bridge.core.totals import discount_lines
from invoice_bridge.core.values import shortest
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.whop.bills import bill
from invoice_bridge.providers.whop.tables import CREATE

_WORDS = {"shipping": "Shipping", "credit": "Credit applied", "rounding": "Rounding", "other": "Adjustment"}


def import_invoice(command: ImportInvoice, context: Context) -> Flow[Invoice]:
    """Make a draft, or an open invoice that is mailed at once, of the document's lines, taxes and adjustments."""
    return bill(bill_of(command), context, command.total)


def bill_of(command: ImportInvoice) -> OneTimeCharge:
    """Return the document as a bill of the same total. Raises Unsupported for an open one without a due date."""
    how: dict[str, Any] = {"draft": True}
    if command.status is Status.OPEN:
        if command.due_at is None:
            raise Unsupported(
                "Whop demands a due date of every invoice that is not a draft",
                source=f"{CREATE}, due_date",
                remedy="state due_at, in the future",
            )
        how = {"collection": Collection.send(due=command.due_at)}
    return OneTimeCharge(
        reference=command.reference,
        customer=command.customer,
        lines=(*map(_line, command.stated_lines), *_other_lines(command)),
        description=command.description,
        attempt=command.attempt,
        **how,
    )


def multiplies(line: Line) -> bool:
    """Return whether a line's quantity and unit amount multiply to its amount, which tiers may prevent."""
    try:
        quantity = 1 if line.quantity is None else line.quantity
        return line.unit_amount is None or times(line.unit_amount, quantity) == line.amount
    except ValueError:
        return False


def _line(line: Line) -> Line:
    kept: dict[str, Any] = {"discount": None, "taxes": (), "metadata": {}, "period": None, "product": None}
    if not multiplies(line):
        kept |= {"quantity": None, "unit_amount": None}
    return line.model_copy(update=kept)


def _other_lines(command: ImportInvoice) -> tuple[Line, ...]:
    """Return discounts, tax on top and adjustments as lines: with the document's own they add up to its total."""
    taxes = [Line(description=_tax_label(tax), amount=tax.amount) for tax in command.tax_lines if not tax.inclusive]
    moved = [Line(description=_WORDS[each.kind], amount=each.amount) for each in command.adjustments]
    return (*discount_lines((), command.discounts, None), *taxes, *moved)


def _tax_label(tax: TaxLine) -> str:
    name = tax.name or "Tax"
    return name if tax.rate is None else f"{name} {shortest(tax.rate):f} %"
