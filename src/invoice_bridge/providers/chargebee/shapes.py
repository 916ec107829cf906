"""Where Chargebee's JSON has each field of an invoice, and how it words a refusal.

What is unset is absent, never null; instants are unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader, lines_total, nothing_left
from invoice_bridge.adapter.shapes import (
    Shape,
    computed,
    currency,
    derived,
    email,
    flag,
    money,
    rows,
    text,
    unix,
)
from invoice_bridge.adapter.trusted import period_span
from invoice_bridge.core.commands import Bill
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.conditions import bills_accrued, reference_field
from invoice_bridge.providers.chargebee.part_shapes import (
    CREDIT_NOTES,
    DISCOUNT,
    LINE,
    LINE_DISCOUNT,
    PAYMENT,
    TAX,
    TAXES_BY_LINE,
    add_credit_notes,
    add_taxes,
    comes_to,
    customer,
    one_subscription,
    rounding,
    taxes_by_line,
    tries,
    written_off_at,
)
from invoice_bridge.providers.chargebee.tables import MONEY, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = (Status.PAID, Status.VOID, Status.UNCOLLECTIBLE, Status.DELETED)  # as a set it would hash each in Python


def invoice(
    data: Mapping[str, Any], *, all_lines: list[Mapping[str, Any]] | None = None, reference_field: str | None = None
) -> Invoice:
    """Read an invoice, bare or wrapped as {"invoice": …}; `all_lines` replaces the first page of lines that it carries.

    `reference_field` names the custom field that carries the reference; "" says that none does. Without it the
    reference is read of po_number where this adapter may have written it: see `_reference`. Raises MalformedResponse
    without an id, and for an object that states that it is no invoice.
    """
    if all_lines is None and reference_field is None:
        return INVOICE.whole(unwrapped(data), "chargebee")
    return INVOICE.whole(unwrapped(data), "chargebee", lines=all_lines, reference_field=reference_field)


def _id(at: Reader, _currency: str | None) -> str:
    value = at.data.get("id")
    if type(value) is str and value and value.isascii() and at.data.get("event_type") is None:
        return value
    if "event_type" in at:
        raise at.fault("event_type", "belongs to an event: decode the invoice in its content")
    if "id" not in at:  # an answer about something else is wrapped too: {"credit_note": …}
        others = [name for name, value in at.data.items() if isinstance(value, Mapping)]
        if others:
            names = ", ".join(map(repr, others))[:80]
            raise MalformedResponse(f"this is not an invoice: it contains {names}", provider="chargebee")
    return at.required_text("id")


def _reference(at: Reader, order: str | None, given: Mapping[str, Any]) -> str | None:
    """The reference, where it can be one.

    With a reference_field, po_number is never the reference. Without one this adapter writes the reference into
    po_number, but never on invoices of a subscription, which inherit its purchase order (chargebee 3.29.0,
    Subscription.po_number), and it bills ad-hoc lines alone: where another kind of line is billed, the purchase order
    is somebody else's. What is left cannot be distinguished: it is `reference` and `purchase_order` both.
    """
    if (field := given.get("reference_field")) is not None:
        return at.text(field) if field else None
    inherits = "subscription_id" in at or at.flag("recurring") is True
    lines = given.get("lines")
    if _are_adhoc(at.data.get("line_items") if lines is None else lines):
        return None if inherits else order
    rows = at.children("line_items") if lines is None else at.rows("line_items", lines)
    of_catalog = any((row.text("entity_type") or "adhoc") != "adhoc" for row in rows)
    return None if inherits or of_catalog else order


def _are_adhoc(rows: Any) -> bool:
    """Whether every line says that it is ad hoc, as this adapter's own do; what says less takes a Reader."""
    if type(rows) is not list:
        return False
    for row in rows:  # noqa: SIM110 - half the time of `all`
        if type(row) is not dict or row.get("entity_type") != "adhoc":
            return False
    return True


def unwrapped(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The invoice of an answer, which wraps it as {"invoice": …}; a bare one as it is."""
    inner = data.get("invoice")
    return inner if (type(inner) is dict or isinstance(inner, Mapping)) and "currency_code" not in data else data


def invoice_id(data: Any) -> str | None:
    """The id of the one invoice in an answer."""
    whole = Reader(data, "chargebee")
    one = whole.child("invoice").text("id")
    several = whole.children("invoices")
    return one or (several[0].text("id") if len(several) == 1 else None)


def reference_in(data: Any, context: Context) -> str | None:
    """The reference of the bill whose opening was answered, in the field where it was written; accrued bills have none
    yet.
    """
    command = context.command
    if not isinstance(command, Bill) or bills_accrued(command):
        return None
    field = reference_field(command, context.settings)
    return None if field is None else Reader(data, "chargebee").child("invoice").text(field)


def refusal(answer: Response) -> Refusal:
    """Read {message, type, api_error_code, param}."""
    at = Reader(object_of(answer), "chargebee")
    message, code = at.text("message"), at.text("api_error_code")
    if message is None and code is None:
        raise MalformedResponse("the refusal is not in Chargebee's format", provider="chargebee", status=answer.status)
    if message is not None and "not enabled for this site" in message:
        message += "; check that the setting product_catalog names the catalog of the site"
    return Refusal(
        message or "refused without a message",
        code=code,
        type=at.text("type"),
        param=at.text("param"),
    )


def _status(at: Reader, word: str | None, *, deleted: bool | None) -> Status:
    if deleted:
        return Status.DELETED
    status = _STATUS.get(word or "", Status.UNKNOWN)
    if status is not Status.PAID or "write_off_amount" not in at:
        return status
    written_off = at.integer("write_off_amount")
    if written_off is None:  # paid or given up: nobody can say
        return Status.UNKNOWN
    return Status.UNCOLLECTIBLE if written_off > 0 else status


def _discount(at: Reader, values: Mapping[str, Any], *, all_listed: bool) -> Money | None:
    """The discounts: by line where all are listed, else as listed for the invoice, else lines less sub_total."""
    currency, subtotal, price_type = values["currency"], values["subtotal"], values["price_type"]
    get = at.data.get
    if all_listed and get("line_item_discounts") and (rows := at.children("line_item_discounts")):
        return at.total_of(rows, "discount_amount", MONEY, currency)
    if get("discounts") and (rows := at.children("discounts")):
        return at.total_of(rows, "amount", MONEY, currency)
    if price_type == "tax_inclusive":
        return None
    return _less(subtotal, at.money("sub_total", MONEY, currency))


def _note(at: Reader, _currency: str | None) -> str | None:
    """The invoice's own note: the one that belongs to no customer, plan, tax … Of several nobody can say which."""
    notes = at.data.get("notes")
    if type(notes) is list and len(notes) == 1 and type(notes[0]) is dict:
        note = notes[0]
        words = note.get("note")
        if note.get("entity_type") is None and note.get("entity_id") is None and type(words) is str and words.isascii():
            return words or None
    own = [
        note
        for note in at.children("notes")
        if note.data.get("entity_type") is None and note.data.get("entity_id") is None
    ]
    return own[0].text("note") if len(own) == 1 else None


def _pending(at: Reader, due: Money | None, to_collect: Money | None) -> bool | None:
    """Whether a payment is in progress: it is listed, and amount_to_collect is smaller than amount_due."""
    if due is not None and to_collect is not None and to_collect.minor < due.minor:
        return True
    rows = at.data.get("linked_payments")
    if type(rows) is list and not rows:
        return False
    if not at.has_list("linked_payments"):
        return None
    if not (payments := at.children("linked_payments")):
        return False
    return any(payment.text("txn_status") == "in_progress" for payment in payments)


def _less(amount: Money | None, *others: Money | None) -> Money | None:
    for other in others:
        if amount is None or other is None:
            return None
        if other.minor:
            amount = nothing_left(amount.currency) if other.minor == amount.minor else amount - other
    return amount


def _derive(values: dict[str, Any], at: Reader, given: Mapping[str, Any]) -> None:
    add_credit_notes(values, at)
    values["customer"] = customer(values, at)
    currency, lines, total = values["currency"], values["lines"], values["total"]
    due, to_collect = values["amount_remaining"], values.pop("to_collect")
    status = values["status"] = _status(at, values["native_status"], deleted=values.pop("deleted"))
    values["number"] = None if status is Status.DRAFT else values["id"]  # a draft's id is no invoice number yet
    if values.pop("more") is not None and "lines" not in given:
        values["lines_complete"] = False
    complete = values["lines_complete"]
    values["subtotal"] = lines_total(lines, currency) if complete else None
    values["discount"] = _discount(at, values, all_listed=complete and "lines" not in given)
    values["amount_due"] = _less(total, values.pop("applied"), values.pop("adjusted"))
    values["payment_pending"] = _pending(at, due, to_collect)
    if status in _SETTLED:
        # the native amount_due is a balance; what a void or deleted invoice still shows there nobody can collect
        values["amount_remaining"] = nothing_left(currency)
    values["reference"] = _reference(at, values["purchase_order"], given)
    values["period"] = period_span([line.period for line in lines])
    if values["subscription"] is None and complete:
        values["subscription"] = one_subscription(lines)
    add_taxes(values)
    of_lines = values.pop("line_discounts")
    values["discounts"] = values["discounts"] or of_lines
    values["adjustments"] = rounding(values.pop("rounded"))
    if not comes_to(values["payments"], values["amount_paid"]):
        values["payments_complete"] = False
    if status is Status.UNCOLLECTIBLE:
        values["uncollectible_at"] = written_off_at(values["credit_notes"])


INVOICE = Shape(
    Invoice,
    _derive,
    units=MONEY,
    kinds=("invoice",),
    also=(
        "object",
        "write_off_amount",
        "sub_total",
        "recurring",
    ),
    id=computed(_id, "id"),
    currency=currency("currency_code"),
    native_status=text("status"),
    deleted=flag("deleted"),
    lines=rows("line_items", LINE),
    more=text("line_items_next_offset"),
    tax=money("tax"),
    total=money("total"),
    amount_paid=money("amount_paid"),
    amount_remaining=money("amount_due"),
    to_collect=money("amount_to_collect"),
    adjusted=money("amount_adjusted"),
    applied=money("credits_applied"),
    first_name=text("billing_address.first_name"),
    last_name=text("billing_address.last_name"),
    line1=text("billing_address.line1"),
    line2=text("billing_address.line2"),
    line3=text("billing_address.line3"),
    city=text("billing_address.city"),
    state=text("billing_address.state", "billing_address.state_code"),
    zip=text("billing_address.zip"),
    country=text("billing_address.country"),
    customer_id=text("customer_id"),
    email=email("billing_address.email"),
    vat=text("vat_number"),
    vat_prefix=text("vat_number_prefix"),
    customer=derived("billing_address.company"),
    description=computed(_note, "notes[].note", "notes[].entity_type", "notes[].entity_id", any_of=("notes",)),
    purchase_order=text("po_number"),
    # There is no created_at. generated_at is when it was first issued, `date` the document's own date, which may
    # lie up to a month before; a draft has the latter alone, and without it no draft would pass a created range.
    created_at=unix("generated_at", "date"),
    issued_at=unix("date"),
    due_at=unix("due_date"),
    paid_at=unix("paid_at"),
    voided_at=unix("voided_at"),
    updated_at=unix("updated_at"),
    next_attempt_at=unix("next_retry_at"),
    attempts=computed(tries, "dunning_attempts[].transaction_id", any_of=("dunning_attempts",)),
    subscription=text("subscription_id"),
    price_type=text("price_type"),
    taxes=rows("taxes", TAX),
    taxes_by_line=computed(taxes_by_line, *TAXES_BY_LINE, any_of=("line_item_taxes",)),
    discounts=rows("discounts", DISCOUNT),
    line_discounts=rows("line_item_discounts", LINE_DISCOUNT),
    rounded=money("round_off_amount"),
    payments=rows("linked_payments", PAYMENT),
    credit_notes=derived(*CREDIT_NOTES),
    # Not read: custom fields (cf_…), for which the answer has no headings, and nothing that says which of them the
    # document shows; the notes of plans, coupons and taxes, of which none is a footer.
)
