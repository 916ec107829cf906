"""The bodies of an import: the invoice as a document, and its credit notes.

Rules of this file: what the document states is sent as it is, to the unit, and computed only where Chargebee's form
needs it. Field names and limits: chargebee-node, invoice.schema.ts and credit_note.schema.ts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.changes import customer_id
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import CreditNote, CustomerRef, Discount, Invoice, Line, Payment, Status, TaxLine
from invoice_bridge.core.money import Money, times
from invoice_bridge.core.totals import tax_on_top
from invoice_bridge.providers.chargebee.conditions import reference_field
from invoice_bridge.providers.chargebee.tables import MONEY

if TYPE_CHECKING:
    from chargebee.models.credit_note.operations import CreditNote as SdkNote
    from chargebee.models.invoice.operations import Invoice as Sdk

IMPORT = "apidocs.chargebee.com/docs/api/invoices/import-invoice"
IMPORT_NOTE = "apidocs.chargebee.com/docs/api/credit_notes/import-credit-note"
METHODS = frozenset({"cash", "check", "bank_transfer"})
"""The payment methods that have a word of their own; any other is "other": the import accepts no card."""
TAXES_PER_LINE = 10
TAX_SENT = (
    "line_items[].tax1_name, line_items[].tax1_amount, taxes[].name, taxes[].rate, price_type, total, write_off_amount"
)
"""The fields of one tax, and those of several: the rows of imports name them."""
TAXES_SENT = (
    ", ".join(f"line_items[].tax{place}_name, line_items[].tax{place}_amount" for place in range(2, TAXES_PER_LINE + 1))
    + f", {TAX_SENT}"
)
ISSUED_SENT = "date, voided_at, write_off_date, note:date, note:refunded_at, note:linked_refunds[].date"
_ID_LENGTH = 50
_ROUNDED = 99
_WORDS = {"shipping": "Shipping", "credit": "Credit applied", "rounding": "Rounding", "other": "Adjustment"}


def import_id(command: ImportInvoice) -> str:
    """Return the id of the invoice at Chargebee: the document's number, else the reference."""
    return command.number or command.reference


def expected_total(command: ImportInvoice) -> Money:
    """Return the total that Chargebee must state: a pending invoice takes no taxes, so it lacks those on top."""
    if command.status is not Status.DRAFT:
        return command.total
    return command.total - tax_on_top(command.tax_lines, command.currency)


def native_status(command: ImportInvoice) -> str:
    """Return the status that is sent. "posted" and "payment_due" never are: both may collect."""
    words = {Status.DRAFT: "pending", Status.VOID: "voided", Status.UNCOLLECTIBLE: "paid"}
    if command.status is Status.PAID:  # the adjustment that follows makes it paid
        return "not_paid" if command.credited else "paid"
    return words.get(command.status, "not_paid")


def seconds(instant: datetime) -> int:
    """Return whole seconds without the fraction: see the loss IB-CHARGEBEE-IMPORT-DATE-01."""
    return unix_seconds(instant.astimezone(UTC).replace(microsecond=0))


def invoice_form(command: ImportInvoice, context: Context) -> dict[str, Any]:
    """Return the body of POST /invoices/import_invoice. Raises Unsupported if the reference is too long for an id."""
    _check_id(command)
    body: Sdk.ImportInvoiceParams = {
        "id": import_id(command),
        "date": seconds(command.issued_at),
        "total": MONEY.to_units(expected_total(command)),
    }
    body["currency_code"] = command.currency
    body["customer_id"] = customer_id(command, context, example="cus_…", source=IMPORT)
    if command.subscription is not None:
        body["subscription_id"] = command.subscription
    if command.purchase_order is not None:
        body["po_number"] = command.purchase_order
    rounded, others = _adjustments(command)
    if rounded:
        body["round_off"] = rounded
    labels = {} if command.status is Status.DRAFT else tax_labels(command)
    if is_inclusive(command):
        body["price_type"] = cast("Any", "tax_inclusive")
    body["line_items"] = [cast("Any", row) for row in (*_lines(command, labels), *others)]
    if labels:
        body["taxes"] = [{"name": label, "rate": cast("Any", rate or 0)} for (_, rate), label in labels.items()]
    if command.discounts:
        body["discounts"] = [cast("Any", _discount(discount)) for discount in command.discounts]
    if (note := _note(command)) is not None:
        body["notes"] = [{"note": note}]
    form: dict[str, Any] = {**body, **_ending(command), **_billed(command.customer)}
    if (field := reference_field(command, context.settings)) is not None:
        form[field] = command.reference
    return form


def _check_id(command: ImportInvoice) -> None:
    if len(import_id(command)) > _ID_LENGTH:
        raise Unsupported(
            f"the document has no number, and its reference of {len(command.reference)} characters is too long for an "
            f"id at Chargebee, which takes {_ID_LENGTH}",
            source=f"{IMPORT}, id",
            remedy="state a number",
        )


def _ending(command: ImportInvoice) -> dict[str, Any]:
    """Return the final status of the document and its dates."""
    status = native_status(command)
    ending: Sdk.ImportInvoiceParams = {"status": status}  # type: ignore[typeddict-item]
    if command.due_at is not None:
        ending["due_date"] = seconds(command.due_at)
    if status == "paid" and command.paid_at is not None:
        ending["paid_at"] = seconds(command.paid_at)
    if command.status is Status.VOID:
        ending["voided_at"] = seconds(command.voided_at or command.issued_at)
    if command.status is Status.UNCOLLECTIBLE:
        ending["is_written_off"] = True
        ending["write_off_amount"] = MONEY.to_units(command.open_amount)
        ending["write_off_date"] = seconds(command.uncollectible_at or command.issued_at)
        ending["credit_note"] = {"id": f"WO-{import_id(command)}"[:_ID_LENGTH]}
    if command.payments:
        ending["payments"] = [cast("Any", _payment(payment)) for payment in command.payments]
    return {**ending}


def _note(command: ImportInvoice) -> str | None:
    """Return the document's memo and its source."""
    return "\n".join(text for text in (command.description, origin_of(command)) if text) or None


def origin_of(command: ImportInvoice) -> str | None:
    """Return the line of the note that says which document was imported, None if the import does not state it."""
    return None if command.source is None else f"Imported from {command.source.provider} {command.source.id}"


def _billed(customer: CustomerRef | None) -> dict[str, Any]:
    """Return the billing address and the VAT number that the document shows."""
    if customer is None:
        return {}
    address = customer.address
    parts = {
        "first_name": customer.name,
        "email": customer.email,
        "line1": address and address.line1,
        "line2": address and address.line2,
        "city": address and address.city,
        "state": address and address.state,
        "zip": address and address.postal_code,
        "country": address and address.country,
    }
    form: dict[str, Any] = {}
    if stated := {name: value for name, value in parts.items() if value}:
        form["billing_address"] = stated
    if customer.tax_ids and customer.tax_ids[0].value:
        form["vat_number"] = customer.tax_ids[0].value
    return form


# ── lines, taxes, discounts ──────────────────────────────────────────────────────────────────────────────────────────
def carries_quantity(line: Line) -> bool:
    """Return whether a line's quantity and unit amount are sent: whole numbers that multiply to its amount."""
    quantity, unit = line.quantity, line.unit_amount
    if quantity is None or unit is None or quantity != quantity.to_integral_value():
        return False
    try:
        return times(unit, quantity) == line.amount
    except ValueError:
        return False


def has_line_taxes(command: ImportInvoice) -> bool:
    """Return whether the document states its taxes by line; otherwise the first line carries them all."""
    return any(line.taxes for line in command.lines)


def is_inclusive(command: ImportInvoice) -> bool:
    """Return whether the lines' amounts include their taxes. Raises Unsupported if only some do."""
    kinds = {bool(tax.inclusive) for tax in command.tax_lines}
    if len(kinds) > 1:
        raise Unsupported(
            "Chargebee has one kind of prices on an invoice: taxes within the amounts or on top of them, not both",
            source=f"{IMPORT}, price_type",
            remedy="import it by hand",
        )
    return kinds == {True}


def tax_labels(command: ImportInvoice) -> dict[tuple[str | None, Decimal | None], str]:
    """Return each tax's name at Chargebee, where the name is its identity: with the rate if a name has several."""
    kinds = list(dict.fromkeys(_tax_kind(tax) for line in tax_carriers(command) for tax in line))
    names = [name or "Tax" for name, _ in kinds]
    return {
        (name, rate): known if names.count(known) == 1 or rate is None else f"{known} {rate:f} %"
        for (name, rate), known in zip(kinds, names, strict=True)
    }


def _tax_kind(tax: TaxLine) -> tuple[str | None, Decimal | None]:
    return tax.name, tax.rate


def tax_carriers(command: ImportInvoice) -> list[tuple[TaxLine, ...]]:
    """Return the taxes of each line as they are sent."""
    if has_line_taxes(command):
        return [line.taxes for line in command.lines]
    return [command.taxes, *(() for _ in command.stated_lines[1:])]


def _lines(command: ImportInvoice, labels: dict[tuple[str | None, Decimal | None], str]) -> Iterable[dict[str, Any]]:
    taxes = tax_carriers(command) if labels else [() for _ in command.stated_lines]
    for line, own in zip(command.stated_lines, taxes, strict=True):
        yield _line(line, own, labels)


def _line(
    line: Line, taxes: tuple[TaxLine, ...], labels: dict[tuple[str | None, Decimal | None], str]
) -> dict[str, Any]:
    form: dict[str, Any] = {"description": line.description or "Line", "amount": MONEY.to_units(line.amount)}
    if carries_quantity(line) and line.unit_amount is not None and line.quantity is not None:
        form |= {"unit_amount": MONEY.to_units(line.unit_amount), "quantity": int(line.quantity)}
    if line.period is not None:
        form |= {"date_from": seconds(line.period.start), "date_to": seconds(line.period.end)}
    if len(taxes) > TAXES_PER_LINE:
        raise Unsupported(
            f"a line has {len(taxes)} taxes, and Chargebee takes {TAXES_PER_LINE}",
            source=f"{IMPORT}, line_items[tax10_name]",
            remedy="import it by hand",
        )
    for place, tax in enumerate(taxes, 1):
        if tax.amount.minor < 0:
            raise Unsupported(
                f"a tax of {tax.amount} is below zero, and Chargebee takes none",
                source=f"{IMPORT}, line_items[tax1_amount]",
                remedy="import it by hand",
            )
        form |= {f"tax{place}_name": labels[_tax_kind(tax)], f"tax{place}_amount": MONEY.to_units(tax.amount)}
    return form


def _adjustments(command: ImportInvoice) -> tuple[int, list[dict[str, Any]]]:
    """Return the rounding, if Chargebee's field accepts it, and the other adjustments as lines."""
    rounded, rows = 0, []
    for adjustment in command.adjustments:
        units = MONEY.to_units(adjustment.amount)
        if adjustment.kind == "rounding" and abs(rounded + units) <= _ROUNDED:
            rounded += units
        else:
            rows.append({"description": _WORDS[adjustment.kind], "amount": units})
    return rounded, rows


def _discount(discount: Discount) -> dict[str, Any]:
    amount = discount.amount
    if amount is None or amount.minor < 0:
        raise Unsupported(
            f"a discount of {amount} is below zero, and Chargebee takes none",
            source=f"{IMPORT}, discounts[amount]",
            remedy="import it by hand",
        )
    form: dict[str, Any] = {"entity_type": "document_level_discount", "amount": MONEY.to_units(amount)}
    if (name := discount_name(discount)) is not None:
        form["description"] = name
    return form


def discount_name(discount: Discount) -> str | None:
    """Return the text of a discount: its name, and its code in brackets."""
    if discount.name and discount.code:
        return f"{discount.name} ({discount.code})"
    return discount.name or discount.code


# ── payments and credit notes ────────────────────────────────────────────────────────────────────────────────────────
def method_of(payment: Payment) -> str:
    """Chargebee's word for how a payment was made elsewhere."""
    word = (payment.method or "").lower().replace(" ", "_")
    return word if word in METHODS else "other"


def _payment(payment: Payment) -> dict[str, Any]:
    assert payment.amount is not None  # noqa: S101 - an import has no payment without one
    form: dict[str, Any] = {"amount": MONEY.to_units(payment.amount), "payment_method": method_of(payment)}
    if payment.at is not None:
        form["date"] = seconds(payment.at)
    if payment.id is not None:
        form["reference_number"] = payment.id
    return form


def note_id(command: ImportInvoice, place: int) -> str:
    """Return a credit note's id at Chargebee: its number, its id, or one derived from the invoice's."""
    note = command.credit_notes[place]
    return note.number or note.id or f"CN-{import_id(command)}-{place + 1}"


def note_form(command: ImportInvoice, place: int, context: Context) -> dict[str, Any]:
    """Return the body of POST /credit_notes/import_credit_note for one credit note of the document."""
    note = command.credit_notes[place]
    assert note.amount is not None  # noqa: S101 - an import has no credit note without one
    units, date = MONEY.to_units(note.amount), seconds(note_date(command, note))
    body: SdkNote.ImportCreditNoteParams = {
        "id": note_id(command, place),
        "customer_id": customer_id(command, context, example="cus_…", source=IMPORT_NOTE),
        "reference_invoice_id": import_id(command),
        "type": cast("Any", "adjustment" if note.kind == "adjustment" else "refundable"),
        "currency_code": command.currency,
        "create_reason_code": note.reason or "Other",
        "date": date,
        "status": cast("Any", {"adjustment": "adjusted", "refund": "refunded", "credit": "refund_due"}[note.kind]),
        "total": units,
        "line_items": [{"description": note.reason or "Credit", "amount": units}],
    }
    if note.kind == "refund":
        body["refunded_at"] = date
        refund: SdkNote.ImportCreditNoteLinkedRefundParams = {
            "amount": units,
            "payment_method": cast("Any", "other"),
            "date": date,
        }
        if note.id is not None:
            refund["reference_number"] = note.id
        body["linked_refunds"] = [refund]
    return {**body}


def note_date(command: ImportInvoice, note: CreditNote) -> datetime:
    """Return the date of a credit note: its own, or that of the payment or of the document."""
    return note.at or command.paid_at or command.issued_at


def specimen(command: ImportInvoice, *, noted: bool) -> dict[str, Any]:
    """Return the successful answer about an import: after its own request, or after its credit notes."""
    paid = MONEY.to_units(command.paid)
    left = MONEY.to_units(expected_total(command)) - paid - (MONEY.to_units(command.credited) if noted else 0)
    is_done = command.status is Status.PAID and not left
    found: dict[str, Any] = {
        "id": import_id(command),
        "status": "paid" if is_done else native_status(command),
        "currency_code": command.currency,
        "total": MONEY.to_units(expected_total(command)),
        "amount_paid": paid,
        "amount_due": left if command.status in {Status.OPEN, Status.PAID, Status.DRAFT} else 0,
        "line_items": [{"amount": MONEY.to_units(line.amount)} for line in command.stated_lines],
        "deleted": False,
    }
    if command.status is Status.UNCOLLECTIBLE:
        found["write_off_amount"] = MONEY.to_units(command.open_amount)
    return {"invoice": found}


def has_note(invoice: Invoice, note: str) -> bool:
    """Return whether an invoice has a credit note with this id already."""
    return any(other.id == note for other in invoice.credit_notes)
