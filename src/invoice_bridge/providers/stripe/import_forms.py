"""The bodies of an import: the invoice with its lines, the payments that were made elsewhere, the credit notes.

Rules of this file: the lines come to the document's total exactly, whatever Stripe has no field for; nothing is
computed but the amounts that a tax is taken of. Nothing asks Stripe to collect, to mail or to give money back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.changes import customer_id
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import CreditNote, Discount, Line, Payment, Period, Status, TaxLine
from invoice_bridge.core.money import Money, times
from invoice_bridge.core.values import shortest
from invoice_bridge.providers.stripe.fields import carries_quantity
from invoice_bridge.providers.stripe.lines import RATE_DECIMALS, TAXES_PER_LINE, line_form
from invoice_bridge.providers.stripe.payments import PAID_ELSEWHERE
from invoice_bridge.providers.stripe.tables import (
    CREATE,
    CREDIT_REASONS,
    DATE_KEYS,
    IMPORT_KEY,
    LINES_PER_INVOICE,
    MONEY,
    PART_KEY,
    PRODUCT_NAME,
    PURCHASE_ORDER,
    REFERENCE_KEY,
    SOURCE_KEY,
)
from invoice_bridge.providers.stripe.verbs import bare_specimen, check_keys

if TYPE_CHECKING:
    from stripe.params import (
        CreditNoteCreateParams,
        InvoiceAddLinesParamsLine,
        InvoiceAddLinesParamsLineTaxAmount,
        InvoiceCreateParams,
        PaymentRecordReportPaymentParams,
    )

CUSTOM_FIELDS = 4
_WORDS = {"shipping": "Shipping", "credit": "Credit applied", "rounding": "Rounding", "other": "Adjustment"}
_STEP = Decimal(1).scaleb(-RATE_DECIMALS)


def seconds(instant: datetime) -> int:
    """Whole seconds; parts of one are left off: see the loss IB-STRIPE-IMPORT-DATE-01."""
    return unix_seconds(instant.astimezone(UTC).replace(microsecond=0))


def customer_of(command: ImportInvoice, context: Context) -> str:
    """The id of the customer. Raises Unsupported without one."""
    return customer_id(command, context, example="cus_…", source=CREATE)


def part_of(command: ImportInvoice, what: str, place: int) -> str:
    """What the metadata of a payment or credit note of an import states."""
    return f"{command.reference}: {what} {place + 1}"


# ── the invoice ──────────────────────────────────────────────────────────────────────────────────────────────────────
def invoice_form(command: ImportInvoice, context: Context) -> InvoiceCreateParams:
    """The body of POST /v1/invoices: a draft that Stripe neither finalizes nor collects by itself."""
    form: InvoiceCreateParams = {
        "customer": customer_of(command, context),
        "currency": command.currency.lower(),
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "automatic_tax": {"enabled": False},
        "discounts": "",  # left out, the customer's own discount would lower the document
        "metadata": _metadata(command),
        "collection_method": "send_invoice" if command.mail else "charge_automatically",
    }
    if command.mail:
        form["due_date"] = seconds(_due(command))
    if command.number is not None:
        form["number"] = command.number
    if command.status is not Status.DRAFT:  # a draft gets its date when it is issued
        form["effective_at"] = seconds(command.issued_at)
    if command.description is not None:
        form["description"] = command.description
    if command.footer is not None:
        form["footer"] = command.footer
    if fields := _custom_fields(command):
        form["custom_fields"] = cast("Any", fields)
    if command.subscription is not None:
        form["subscription"] = command.subscription
    MONEY.to_units(command.total)  # a currency whose factor is not confirmed is refused, lines or not
    return form


def _due(command: ImportInvoice) -> datetime:
    if command.due_at is None:
        raise Unsupported(
            "Stripe mails an invoice with a due date alone",
            source=f"{CREATE}, due_date",
            remedy="state due_at, in the future, or leave mail out",
        )
    return command.due_at


def _custom_fields(command: ImportInvoice) -> list[dict[str, str]]:
    order = {} if command.purchase_order is None else {PURCHASE_ORDER: command.purchase_order}
    if both := sorted(order.keys() & command.custom_fields.keys()):
        raise Unsupported(f"the custom field {both[0]} carries the purchase order", remedy="give it another name")
    fields = [{"name": name, "value": value} for name, value in {**order, **command.custom_fields}.items()]
    if len(fields) > CUSTOM_FIELDS:
        raise Unsupported(
            f"the document has {len(fields)} custom fields, a purchase order included, and Stripe takes "
            f"{CUSTOM_FIELDS}",
            source=f"{CREATE}, custom_fields",
            remedy="leave some of them out",
        )
    return fields


def _metadata(command: ImportInvoice) -> dict[str, str]:
    """The caller's metadata, the reference, and what Stripe has no field for."""
    check_keys(command.metadata)
    ours = {REFERENCE_KEY: command.reference, IMPORT_KEY: str(command.status)}
    if command.source is not None:
        ours[SOURCE_KEY] = f"{command.source.provider}:{command.source.id}"
    for name, key in DATE_KEYS.items():
        date = getattr(command, name)
        if date is not None and not (name == "due_at" and command.mail):
            ours[key] = date.astimezone(UTC).isoformat()
    if taken := sorted(name for name in ours if command.metadata.get(name, ours[name]) != ours[name]):
        raise Unsupported(
            f"the metadata key {taken[0]!r} keeps a fact of the import, and the document's metadata has another one",
            remedy="leave that key out of metadata",
        )
    return {**command.metadata, **ours}


# ── lines, discounts and taxes ───────────────────────────────────────────────────────────────────────────────────────
def sends_quantity(line: Line) -> bool:
    """Whether a line's quantity and unit amount are sent: they come to its amount, and its text can name a product."""
    if not carries_quantity(line) or line.unit_amount is None or line.quantity is None or line.quantity == 1:
        return False
    try:
        return times(line.unit_amount, line.quantity) == line.amount and len(line.description or "") <= PRODUCT_NAME
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Taxed:
    """Where the taxes of a document go: with their lines, in a line of their own, or nowhere."""

    lines: tuple[tuple[TaxLine, ...], ...]
    apart: tuple[TaxLine, ...]
    left_out: tuple[TaxLine, ...]


def place_taxes(command: ImportInvoice) -> Taxed:
    """Place each tax with the line that it is of.

    A tax whose line is not known, and one of or below zero, is a line of its own where it comes on top: whether a line
    below zero takes tax amounts is not documented. Within the amounts it would change nothing, and is left out.
    """
    lines = command.stated_lines
    if any(line.taxes for line in lines):
        stated = [line.taxes for line in lines]
    elif len(lines) == 1:
        stated = [command.taxes]
    else:
        stated = [() for _ in lines]
    fits = [line.amount.minor >= 0 and len(of) <= TAXES_PER_LINE for line, of in zip(lines, stated, strict=True)]
    kept = [tuple(tax for tax in of if fit and tax.amount.minor >= 0) for of, fit in zip(stated, fits, strict=True)]
    loose = [tax for of, has in zip(stated, kept, strict=True) for tax in of if tax not in has]
    if not any(stated):
        loose = list(command.taxes)
    apart = tuple(tax for tax in loose if not tax.inclusive and tax.amount)
    return Taxed(tuple(kept), apart, tuple(tax for tax in loose if tax.inclusive))


def line_forms(command: ImportInvoice) -> list[InvoiceAddLinesParamsLine]:
    """All lines: the document's, its discounts, taxes without a line, and adjustments. Raises Unsupported."""
    taxed = place_taxes(command)
    forms = [
        line_form(_bare(line), command.currency, _tax_amounts(line, taxes))
        for line, taxes in zip(command.stated_lines, taxed.lines, strict=True)
    ]
    forms += [line_form(line, command.currency, []) for line in _other_lines(command, taxed.apart)]
    if len(forms) > LINES_PER_INVOICE:
        raise Unsupported(
            f"too-many-lines: the document has {len(forms)} lines, its discounts and adjustments included, and Stripe "
            f"takes at most {LINES_PER_INVOICE}",
            source="docs.stripe.com/changelog/2016-02-22, 250 items an invoice",
            remedy="import it with lines of your own that come to the same total",
        )
    return forms


def _bare(line: Line) -> Line:
    """The line without what is the source's own, and without a quantity that does not come to its amount."""
    kept: dict[str, Any] = {"product": None, "price": None, "discount": None, "taxes": ()}
    if not sends_quantity(line):
        kept |= {"quantity": None, "unit_amount": None}
    if line.period is not None:
        start, end = (edge.astimezone(UTC).replace(microsecond=0) for edge in (line.period.start, line.period.end))
        kept["period"] = Period(start, end) if start < end else None
    return line.model_copy(update=kept)


def _other_lines(command: ImportInvoice, taxes: Iterable[TaxLine]) -> Iterable[Line]:
    for discount in command.discounts:
        if discount.amount:
            yield Line(description=discount_text(discount), amount=-discount.amount)
    for tax in taxes:
        yield Line(description=tax_text(tax), amount=tax.amount)
    for adjustment in command.adjustments:
        yield Line(description=_WORDS[adjustment.kind], amount=adjustment.amount)


def discount_text(discount: Discount) -> str:
    """The text of the line that a discount becomes."""
    name = discount.name or discount.code
    if name is None:
        return "Discount"
    code = f" ({discount.code})" if discount.name and discount.code else ""
    return f"Discount: {name}{code}"


def tax_text(tax: TaxLine) -> str:
    """The text of the line that a tax becomes."""
    name = tax.name or "Tax"
    return name if tax.rate is None else f"{name} {shortest(tax.rate):f} %"


def percentage(tax: TaxLine) -> Decimal:
    """The rate of a tax as Stripe takes it: at most four decimals, and 0 where none is stated."""
    return shortest((tax.rate or Decimal(0)).quantize(_STEP, ROUND_HALF_UP))


def _tax_amounts(line: Line, taxes: tuple[TaxLine, ...]) -> list[InvoiceAddLinesParamsLineTaxAmount]:
    """The taxes of a line in amounts: Stripe makes an archived rate object for each, and rounds nothing."""
    net = line.amount if line.discount is None else line.amount - line.discount
    for tax in taxes:
        if tax.inclusive:
            net -= tax.amount
    return [
        {
            "amount": MONEY.to_units(tax.amount),
            "tax_rate_data": {
                "display_name": tax.name or "Tax",
                "inclusive": bool(tax.inclusive),
                "percentage": cast("float", percentage(tax)),  # a decimal on the wire: no float is ever made of it
            },
            "taxable_amount": MONEY.to_units(net if tax.base is None else tax.base),
        }
        for tax in taxes
    ]


# ── payments and credit notes ────────────────────────────────────────────────────────────────────────────────────────
def payment_date(command: ImportInvoice, payment: Payment) -> datetime:
    """The date of a payment: its own, else that of the whole document's, else the document's."""
    return payment.at or command.paid_at or command.issued_at


def payment_form(command: ImportInvoice, place: int, context: Context) -> PaymentRecordReportPaymentParams:
    """The body of POST /v1/payment_records/report_payment for one payment of the document."""
    payment = command.payments[place]
    date = seconds(payment_date(command, payment))
    part = part_of(command, "payment", place)
    return {
        "amount_requested": {
            "currency": command.currency.lower(),
            "value": MONEY.to_units(payment.amount or Money.zero(command.currency)),
        },
        "initiated_at": date,
        "payment_method_details": {"type": "custom", "custom": {"display_name": payment.method or PAID_ELSEWHERE}},
        "processor_details": {"type": "custom", "custom": {"payment_reference": payment.id or part}},
        "customer_details": {"customer": customer_of(command, context)},
        "outcome": "guaranteed",
        "guaranteed": {"guaranteed_at": date},
        "metadata": {PART_KEY: part},
    }


def note_date(command: ImportInvoice, note: CreditNote) -> datetime:
    """The date of a credit note: its own, else that of the payment, else the document's."""
    return note.at or command.paid_at or command.issued_at


def note_form(command: ImportInvoice, place: int, invoice_id: str) -> CreditNoteCreateParams:
    """The body of POST /v1/credit_notes: what was given back was given back elsewhere, and nobody is mailed."""
    note = command.credit_notes[place]
    units = MONEY.to_units(note.amount or Money.zero(command.currency))
    metadata = {PART_KEY: part_of(command, "credit note", place)}
    if note.number is not None:
        metadata["invoice_bridge_number"] = note.number
    if note.id is not None:
        metadata[SOURCE_KEY] = note.id
    form: CreditNoteCreateParams = {
        "invoice": invoice_id,
        "amount": units,
        "email_type": "none",
        "effective_at": seconds(note_date(command, note)),
        "metadata": metadata,
    }
    if note.kind != "adjustment":
        form["out_of_band_amount"] = units
    if note.reason in CREDIT_REASONS:
        form["reason"] = note.reason
    elif note.reason is not None:
        form["memo"] = note.reason
    return form


# ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────────
def specimen(
    command: ImportInvoice, invoice_id: str, status: str, *, paid: int = 0, credited: int = 0, empty: bool = False
) -> dict[str, Any]:
    """The happy answer about an import on its way, after payments and credit notes over these amounts."""
    total = 0 if empty else MONEY.to_units(command.total)
    return {
        **bare_specimen(invoice_id, status),
        "currency": command.currency.lower(),
        "total": total,
        "amount_due": total,
        "amount_paid": paid,
        "amount_remaining": total - paid - credited,
        "starting_balance": 0,
        "collection_method": "send_invoice" if command.mail else "charge_automatically",
        "auto_advance": False,
        "metadata": {REFERENCE_KEY: command.reference, IMPORT_KEY: str(command.status)},
        "lines": {"data": [] if empty else [{"amount": total}]},
    }
