"""Where Chargebee's JSON has the parts of an invoice: its lines, taxes, discounts, payments, credit notes and customer.

Rules of this file: those of shapes.py. The fields are those of the SDK's responses (chargebee 3.29.0); what no page
says of one is marked "not confirmed".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from invoice_bridge.adapter.reading import Reader, bounded, nothing_left
from invoice_bridge.adapter.shapes import (
    Shape,
    computed,
    money,
    number,
    span,
    text,
    unix,
)
from invoice_bridge.adapter.trusted import address_of, customer_of, maker
from invoice_bridge.core.model import Adjustment, CreditNote, CustomerRef, Discount, Line, Payment, TaxId, TaxLine
from invoice_bridge.core.money import Money, trusted
from invoice_bridge.core.parts import PaymentState
from invoice_bridge.providers.chargebee.tables import MONEY

_note, _tax_id, _tax_line, _whole_line = maker(CreditNote), maker(TaxId), maker(TaxLine), maker(Line)

# ── taxes ────────────────────────────────────────────────────────────────────────────────────────────────────────────
TAX = Shape(TaxLine, units=MONEY, needs="amount", amount=money("amount"), name=text("name"))
"""A tax of the invoice: neither its rate nor its base is beside it; `whole_tax` takes them from the lines."""

LINE_TAX = Shape(
    TaxLine,
    units=MONEY,
    needs="amount",
    amount=money("tax_amount"),
    name=text("tax_name"),
    rate=number("tax_rate"),
    base=money("taxable_amount"),
)
TAXES_BY_LINE = tuple(
    f"line_item_taxes[].{name}"
    for name in ("line_item_id", *(path for paths in LINE_TAX.paths.values() for path in paths))
)
_INCLUSIVE = {"tax_inclusive": True, "tax_exclusive": False}


def taxes_by_line(at: Reader, currency: str | None) -> dict[str | None, list[TaxLine]]:
    """The taxes of each line, by its id: they are a list of the invoice's own."""
    by_line: dict[str | None, list[TaxLine]] = defaultdict(list)
    for row in at.children("line_item_taxes"):
        if (tax := LINE_TAX.read(row, currency)) is not None:
            by_line[row.text("line_item_id")].append(tax)
    return by_line


def whole_tax(tax: TaxLine, of_lines: Iterable[TaxLine], *, inclusive: bool | None) -> TaxLine:
    """A tax of the invoice, with the rate and the base that the lines state of it.

    Only where the lines' taxes of that name come to its amount: else one of them is not listed, or another tax has the
    same name.
    """
    rows = [row for row in of_lines if row.name == tax.name]
    facts: dict[str, Any] = {**vars(tax), "inclusive": inclusive}
    if rows and sum(row.amount.minor for row in rows) == tax.amount.minor:
        bases = [row.base.minor for row in rows if row.base is not None]
        facts["rate"] = rows[0].rate if len({row.rate for row in rows}) == 1 else None
        facts["base"] = trusted(sum(bases), tax.amount.currency) if len(bases) == len(rows) else None
    return _tax_line(facts)


def add_taxes(values: dict[str, Any]) -> None:
    """Complete the taxes of the invoice, and give each line its own.

    `price_type` says of the whole invoice whether prices include tax. Lines of before there was a list of their taxes
    state one rate and one amount, which then is what a line keeps.
    """
    by_line: dict[str | None, list[TaxLine]] = values.pop("taxes_by_line") or {}
    inclusive = _INCLUSIVE.get(values.pop("price_type") or "")
    if values["taxes"]:
        of_lines = [tax for taxes in by_line.values() for tax in taxes]
        values["taxes"] = tuple([whole_tax(tax, of_lines, inclusive=inclusive) for tax in values["taxes"]])
    if by_line or any([line.taxes for line in values["lines"]]):  # noqa: C419 - a list is made faster than it is asked
        values["lines"] = tuple([_taxed(line, by_line, inclusive=inclusive) for line in values["lines"]])


def _taxed(line: Line, by_line: Mapping[str | None, list[TaxLine]], *, inclusive: bool | None) -> Line:
    taxes = (by_line.get(line.id) if line.id is not None else None) or line.taxes
    if not taxes:
        return line
    taxed = tuple([_tax_line({**vars(tax), "inclusive": inclusive}) for tax in taxes])
    return _whole_line({**vars(line), "taxes": taxed})


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
_PRICES = {"plan_item_price", "addon_item_price", "charge_item_price"}
"""What a line bills on product catalog 2: prices of items, whose own ids no line has."""
_PRODUCTS = {"plan", "plan_setup", "addon"}
"""The same on product catalog 1, where a plan and an addon have one price each."""


def _line_amount(at: Reader, currency: str | None) -> Money | None:
    """The amount; where it is missing, the one in decimals of the major unit (multi-decimal sites), if it is exact."""
    stated = at.data.get("amount")
    if type(stated) is int and (known := MONEY.amounts[currency][stated]) is not None:
        return known
    if stated is not None or "amount_in_decimal" not in at or currency is None:
        return at.money("amount", MONEY, currency)
    amount = at.text("amount_in_decimal")
    try:
        return None if amount is None else bounded(Money.parse(amount, currency))
    except ValueError as error:
        at.no_amount("amount_in_decimal", f"cannot be read: {error}")
        return None


def _unit_amount(at: Reader, currency: str | None) -> Money | None:
    """The unit price in whole units; with decimals that integer is rounded, and none is better than a wrong one."""
    if at.data.get("unit_amount_in_decimal") is None:
        stated = at.data.get("unit_amount")
        known = MONEY.amounts[currency][stated] if type(stated) is int else None
        return at.money("unit_amount", MONEY, currency) if known is None else known
    at.leave("unit_amount_in_decimal")
    at.leave("unit_amount")
    return None


def _line(values: dict[str, Any], at: Reader, _given: Mapping[str, Any]) -> None:
    kind, entity = values.pop("entity_type"), values.pop("entity_id")
    if entity is not None or kind != "adhoc":
        if kind in _PRICES:
            values["price"], values["provider"] = entity, "chargebee"
        elif kind in _PRODUCTS:
            values["product"], values["provider"] = entity, "chargebee"
        elif entity is not None:
            at.leave("entity_id")
    # Which lines have a mode is not confirmed: one without it may be prorated all the same.
    if values.pop("proration_mode") is not None:
        values["proration"] = True
    rate, tax = values.pop("tax_rate"), values.pop("tax_amount")
    if tax is not None and tax.minor:
        values["taxes"] = (_tax_line({"rate": rate, "amount": tax}),)


LINE = Shape(
    Line,
    _line,
    units=MONEY,
    needs="amount",
    amount=computed(_line_amount, "amount", "amount_in_decimal"),
    description=text("description"),
    quantity=number("quantity_in_decimal", "quantity"),
    unit_amount=computed(_unit_amount, "unit_amount", any_of=("unit_amount",)),
    period=span(unix("date_from"), unix("date_to")),
    id=text("id"),
    entity_type=text("entity_type"),
    entity_id=text("entity_id"),
    subscription=text("subscription_id"),
    discount=money("discount_amount"),
    tax_rate=number("tax_rate"),
    tax_amount=money("tax_amount"),
    proration_mode=text("proration_mode"),
)


def one_subscription(lines: Iterable[Line]) -> str | None:
    """The subscription of the lines, where it is one alone: consolidated invoices name it nowhere else."""
    named = None
    for line in lines:
        if line.subscription is None or line.subscription == named:
            continue
        if named is not None:
            return None
        named = line.subscription
    return named


# ── discounts and adjustments ────────────────────────────────────────────────────────────────────────────────────────
# A row of promotional credits is a discount here too: it is one of those that `discount` is the sum of.
DISCOUNT = Shape(
    Discount,
    units=MONEY,
    id=text("entity_id"),
    code=text("coupon_set_code"),
    name=text("description"),
    amount=money("amount"),
)
LINE_DISCOUNT = Shape(Discount, units=MONEY, id=text("entity_id", "coupon_id"), amount=money("discount_amount"))
"""A discount of one line, for invoices that list none of their own."""


def rounding(amount: Money | None) -> tuple[Adjustment, ...]:
    """What rounding the total to whole units adds to it.

    Its sign is not confirmed by a recording; the import takes −99 to 99, so it is below zero where it lowers. Nothing
    else moves a total: shipping is a line, and applied credits lower what is due, not the total.
    """
    return () if amount is None or not amount.minor else (Adjustment(kind="rounding", amount=amount),)


# ── payments and credit notes ────────────────────────────────────────────────────────────────────────────────────────
_STATES: Mapping[str, PaymentState] = {
    "success": "succeeded",
    "in_progress": "pending",
    "failure": "failed",
    "late_failure": "failed",
    "timeout": "failed",
    "voided": "canceled",
}
"""Of the words for a transaction "needs_attention" is left out: a person has yet to find out what became of it."""


def _state(values: dict[str, Any], _at: Reader, _given: Mapping[str, Any]) -> None:
    values["state"] = _STATES.get(values.pop("word") or "", "unknown")


PAYMENT = Shape(
    Payment,
    _state,
    units=MONEY,
    id=text("txn_id"),
    amount=money("applied_amount"),  # the transaction may have paid other invoices too: txn_amount is all of it
    at=unix("txn_date", "applied_at"),
    word=text("txn_status"),
)


def comes_to(payments: tuple[Payment, ...], paid: Money | None) -> bool:
    """Whether the successful payments come to what was paid, as they must (apidocs.chargebee.com, invoices)."""
    if not payments:
        return paid is None or not paid.minor
    amounts = [payment.amount for payment in payments if payment.state == "succeeded"]
    return paid is None or sum(amount.minor for amount in amounts if amount is not None) == paid.minor


def tries(at: Reader, _currency: str | None) -> int | None:
    """How often Chargebee tried to collect: its dunning lists the first try that failed and each one after it.

    A row without a transaction only reminded the customer. Without rows there was no try where no payment is listed
    either; else the payment may have been collected at once, or recorded by hand.
    """
    rows, payments = at.data.get("dunning_attempts"), at.data.get("linked_payments")
    if type(rows) is list and not rows and type(payments) is list:
        return None if payments else 0
    if not at.has_list("dunning_attempts"):
        return None
    rows = at.children("dunning_attempts")
    if not rows and at.count("linked_payments"):
        return None
    return sum(row.text("transaction_id") is not None for row in rows)


CREDIT_NOTE = Shape(
    CreditNote,
    units=MONEY,
    id=text("cn_id"),
    number=text("cn_id"),  # a credit note's id is its number, as an invoice's is
    amount=money("cn_total"),
    reason=text("cn_create_reason_code", "cn_reason_code"),
    at=unix("cn_date"),
)
_NOTES = ("adjustment_credit_notes", "issued_credit_notes")
CREDIT_NOTES = tuple(
    f"{name}[].{path}"
    for name in _NOTES
    for path in ("cn_id", "cn_total", "cn_create_reason_code", "cn_reason_code", "cn_date", "cn_status")
)
_KINDS: Mapping[str, Literal["refund", "credit"]] = {"refunded": "refund", "refund_due": "credit", "adjusted": "credit"}
"""Notes of paid invoices: refunded, or a balance of the customer that is still there (refund_due) or is spent. That one
which was spent on other invoices never is "refunded" is not confirmed."""


def _is_write_off(note: Reader) -> bool:
    """Whether a credit note is the one that a write-off makes of itself."""
    return note.text("cn_create_reason_code") == "Write Off" or note.text("cn_reason_code") == "write_off"


def add_credit_notes(values: dict[str, Any], at: Reader) -> None:
    """Add the credit notes against this invoice, but for voided ones, which credit nothing, and what they come to.

    What is credited leaves out the note that a write-off makes of itself. What is refunded is documented for a note
    that was refunded; whether one spent on other invoices says the same word is not.
    """
    currency = values["currency"]
    lists = [at.data.get(name) for name in _NOTES]
    if lists == [[], []]:  # of most invoices
        values["amount_credited"] = values["amount_refunded"] = nothing_left(currency)
        values["credit_notes_complete"] = True
        return
    rows = {name: at.children(name) for name in _NOTES}
    has_issued = at.has_list("issued_credit_notes")
    both = has_issued and at.has_list("adjustment_credit_notes")
    notes, credited, refunded = [], [], []
    for name in _NOTES:
        for row in rows[name]:
            status = row.text("cn_status")
            note = None if status == "voided" else CREDIT_NOTE.read(row, currency)
            written_off = (note is not None or (both and name == "adjustment_credit_notes")) and _is_write_off(row)
            if note is None:
                continue
            kind = _KINDS.get(status or "", "unknown") if name == "issued_credit_notes" else "adjustment"
            notes.append(_note({**vars(note), "kind": "write_off" if written_off else kind}))
            if name == "issued_credit_notes" or not written_off:
                credited.append(row)
            if name == "issued_credit_notes" and status == "refunded":
                refunded.append(row)
    values["credit_notes"] = tuple(notes)
    if both:
        values["amount_credited"] = _total(at, credited, currency)
    if has_issued:
        values["amount_refunded"] = _total(at, refunded, currency)
    values["credit_notes_complete"] = both and all(at.count(name) == len(rows[name]) for name in _NOTES)


def _total(at: Reader, rows: list[Reader], currency: str | None) -> Money | None:
    return at.total_of(rows, "cn_total", MONEY, currency) if rows else nothing_left(currency)


def written_off_at(notes: Iterable[CreditNote]) -> datetime | None:
    """When an invoice was written off: the date of the credit note for it, where there is one alone."""
    dates = [note.at for note in notes if note.kind == "write_off"]
    return dates[0] if len(dates) == 1 else None


# ── the customer ─────────────────────────────────────────────────────────────────────────────────────────────────────
def customer(values: dict[str, Any], at: Reader) -> CustomerRef | None:
    """Whom the invoice names: the customer's id, and the billing address as it was when the invoice was made.

    Their name is the person's, else the company's. An address has two lines here: the third one joins the second.
    """
    take = values.pop
    first, last, line2, line3 = take("first_name"), take("last_name"), take("line2"), take("line3")
    person = f"{first} {last}" if first and last else first or last
    address = address_of(
        take("line1"),
        f"{line2}, {line3}" if line2 and line3 else line2 or line3,
        take("city"),
        take("state"),
        take("zip"),
        take("country"),
    )
    name = person or at.child("billing_address").text("company")
    vat, prefix = take("vat"), take("vat_prefix")
    tax_ids = () if vat is None else _tax_ids(vat, prefix)
    return customer_of(take("customer_id"), take("email"), name, address, tax_ids)


def _tax_ids(vat: str, prefix: str | None) -> tuple[TaxId, ...]:
    """The customer's VAT number.

    A prefix states its first two characters where they are not those of the country, such as XI in Northern Ireland.
    Whether the number then has them too is not confirmed: they are put before it where it has not.
    """
    whole = vat if prefix is None or vat.startswith(prefix) else prefix + vat
    return (_tax_id({"kind": "vat_number", "value": whole}),)
