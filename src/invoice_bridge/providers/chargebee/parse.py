"""Chargebee JSON → Invoice and refusal. What is unset is absent, never null; instants are unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader, bounded, build, lines_total, nothing_left, period_of, period_span
from invoice_bridge.core.commands import Bill
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import CustomerRef, Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.tables import MONEY, STATUSES, bills_accrued, reference_field

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE, Status.DELETED}


def invoice(
    data: Mapping[str, Any], *, all_lines: list[Mapping[str, Any]] | None = None, reference_field: str | None = None
) -> Invoice:
    """Read an invoice, bare or wrapped as {"invoice": …}; `all_lines` replaces the first page of lines that it carries.

    `reference_field` names the custom field that carries the reference; "" says that none does. Without it the
    reference is read of po_number where this adapter may have written it: see `_reference`. Raises MalformedResponse
    without an id, and for an object that states that it is no invoice.
    """
    at = Reader.noting(unwrapped(data), "chargebee")
    at.expect("invoice")
    if "event_type" in at:
        raise at.fault("event_type", "is that of an event: decode the invoice in its content")
    number = _id(at)
    currency = at.currency("currency_code")
    word, status = at.text("status"), _status(at)
    if all_lines is None:
        rows, stated = at.children("line_items"), at.count("line_items")
    else:
        rows = [Reader(row, "chargebee", f"$.line_items[{place}]", at.notes) for place, row in enumerate(all_lines)]
        stated = len(all_lines)
    lines = tuple(line for row in rows if (line := _line(row, currency)) is not None)
    complete = len(lines) == stated and (
        all_lines is not None or (at.has_list("line_items") and at.text("line_items_next_offset") is None)
    )
    amount = {name: at.money(name, MONEY, currency) for name in _AMOUNTS}
    subtotal = lines_total(lines, currency) if complete else None
    return build(
        at,
        id=number,
        number=None if status is Status.DRAFT else number,  # a draft's id is no invoice number yet
        status=status,
        native_status=word,
        currency=currency,
        subtotal=subtotal,
        discount=_discount(at, currency, subtotal, all_listed=complete and all_lines is None),
        tax=amount["tax"],
        total=amount["total"],
        amount_due=_less(amount["total"], amount["credits_applied"], amount["amount_adjusted"]),
        amount_paid=amount["amount_paid"],
        amount_credited=_credited(at, currency),
        # Documented for a credit note that was refunded; whether one spent on other invoices says the same word is not.
        amount_refunded=_notes_total(at, "issued_credit_notes", currency, {"refunded"}),
        # the native amount_due is a balance; what a void or deleted invoice still shows there nobody can collect
        amount_remaining=nothing_left(currency) if status in _SETTLED else amount["amount_due"],
        lines=lines,
        lines_complete=complete,
        customer=None if (customer := at.text("customer_id")) is None else CustomerRef(id=customer),
        period=period_span([line.period for line in lines]),
        description=_note(at),
        reference=_reference(at, rows, reference_field),
        purchase_order=at.text("po_number"),
        # There is no created_at. generated_at is when it was first issued, `date` the document's own date, which may
        # lie up to a month before; a draft has the latter alone, and without it no draft would pass a created range.
        created_at=at.unix("generated_at") or at.unix("date"),
        issued_at=at.unix("date"),
        due_at=at.unix("due_date"),
        paid_at=at.unix("paid_at"),
        voided_at=at.unix("voided_at"),
        payment_pending=_pending(at, amount["amount_due"], amount["amount_to_collect"]),
    )


_AMOUNTS = (
    "tax",
    "total",
    "amount_paid",
    "amount_due",
    "amount_to_collect",
    "amount_adjusted",
    "credits_applied",
)


def _id(at: Reader) -> str:
    if "id" not in at:  # an answer about something else is wrapped too: {"credit_note": …}
        others = [name for name, value in at.data.items() if isinstance(value, Mapping)]
        if others:
            names = ", ".join(map(repr, others))[:80]
            raise MalformedResponse(f"this is no invoice: it holds {names}", provider="chargebee")
    return at.required_text("id")


def _reference(at: Reader, rows: list[Reader], reference_field: str | None) -> str | None:
    """The reference, where it can be one.

    With a reference_field, po_number is never the reference. Without one this adapter writes the reference into
    po_number, but never on invoices of a subscription, which inherit its purchase order (chargebee 3.29.0,
    Subscription.po_number), and it bills ad-hoc lines alone: where another kind of line is billed, the purchase order
    is somebody else's. What is left cannot be distinguished: it is `reference` and `purchase_order` both.
    """
    if reference_field is not None:
        return at.text(reference_field) if reference_field else None
    inherits = "subscription_id" in at or at.flag("recurring") is True
    of_catalog = any((row.text("entity_type") or "adhoc") != "adhoc" for row in rows)
    return None if inherits or of_catalog else at.text("po_number")


def unwrapped(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The invoice of an answer, which wraps it as {"invoice": …}; a bare one as it is."""
    inner = data.get("invoice")
    return inner if isinstance(inner, Mapping) and "currency_code" not in data else data


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
        raise MalformedResponse("the refusal is not in Chargebee's words", provider="chargebee", status=answer.status)
    if message is not None and "not enabled for this site" in message:
        message += "; does the setting product_catalog say which catalog the site has?"
    return Refusal(
        message or "refused without a message",
        code=code,
        type=at.text("type"),
        param=at.text("param"),
    )


def _status(at: Reader) -> Status:
    if at.flag("deleted"):
        return Status.DELETED
    status = _STATUS.get(at.text("status") or "", Status.UNKNOWN)
    if status is not Status.PAID or "write_off_amount" not in at:
        return status
    written_off = at.integer("write_off_amount")
    if written_off is None:  # paid or given up: nobody can say
        return Status.UNKNOWN
    return Status.UNCOLLECTIBLE if written_off > 0 else status


def _line(at: Reader, currency: str | None) -> Line | None:
    amount = _line_amount(at, currency)
    if amount is None:
        at.left_out("amount")
        return None
    if in_decimals := "unit_amount_in_decimal" in at:
        at.leave("unit_amount_in_decimal")
    return Line(
        description=at.text("description"),
        quantity=at.decimal("quantity_in_decimal") if "quantity_in_decimal" in at else at.decimal("quantity"),
        # with decimals the integer is rounded: amount is authoritative, and no unit amount is better than a wrong one
        unit_amount=None if in_decimals else at.money("unit_amount", MONEY, currency),
        amount=amount,
        period=period_of(at.unix("date_from"), at.unix("date_to")),
    )


def _line_amount(at: Reader, currency: str | None) -> Money | None:
    """The amount; where it is missing, the one in decimals of the major unit (multi-decimal sites), if it is exact."""
    if "amount" in at or "amount_in_decimal" not in at or currency is None:
        return at.money("amount", MONEY, currency)
    text = at.text("amount_in_decimal")
    try:
        return None if text is None else bounded(Money.parse(text, currency))
    except ValueError as error:
        at.no_amount("amount_in_decimal", f"cannot be read: {error}")
        return None


def _discount(at: Reader, currency: str | None, subtotal: Money | None, *, all_listed: bool) -> Money | None:
    """The discounts: by line where all are listed, else as listed for the invoice, else lines less sub_total."""
    if all_listed and (rows := at.children("line_item_discounts")):
        return at.total_of(rows, "discount_amount", MONEY, currency)
    if rows := at.children("discounts"):
        return at.total_of(rows, "amount", MONEY, currency)
    if at.text("price_type") == "tax_inclusive":
        return None
    return _less(subtotal, at.money("sub_total", MONEY, currency))


def _credited(at: Reader, currency: str | None) -> Money | None:
    """Credit notes against this invoice, but for the one that a write-off makes of itself and voided ones."""
    if not (at.has_list("adjustment_credit_notes") and at.has_list("issued_credit_notes")):
        return None
    rows = [
        note
        for note in at.children("adjustment_credit_notes")
        if note.text("cn_create_reason_code") != "Write Off" and note.text("cn_reason_code") != "write_off"
    ]
    rows += at.children("issued_credit_notes")
    return at.total_of((note for note in rows if note.text("cn_status") != "voided"), "cn_total", MONEY, currency)


def _notes_total(at: Reader, name: str, currency: str | None, states: set[str]) -> Money | None:
    if not at.has_list(name):
        return None
    rows = [note for note in at.children(name) if note.text("cn_status") in states]
    return at.total_of(rows, "cn_total", MONEY, currency)


def _note(at: Reader) -> str | None:
    """The invoice's own note: the one that belongs to no customer, plan, tax … Of several nobody can say which."""
    own = [note for note in at.children("notes") if "entity_type" not in note and "entity_id" not in note]
    return own[0].text("note") if len(own) == 1 else None


def _pending(at: Reader, due: Money | None, to_collect: Money | None) -> bool | None:
    """Whether a payment is in progress: it is listed, and amount_to_collect is smaller than amount_due."""
    if due is not None and to_collect is not None and to_collect < due:
        return True
    if not at.has_list("linked_payments"):
        return None
    return any(payment.text("txn_status") == "in_progress" for payment in at.children("linked_payments"))


def _less(amount: Money | None, *others: Money | None) -> Money | None:
    for other in others:
        if amount is None or other is None:
            return None
        amount -= other
    return amount
