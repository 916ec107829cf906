"""Chargebee JSON → Invoice and refusal. What is unset is absent, never null; instants are unix seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.commands import Bill
from invoice_bridge.errors import MalformedResponse
from invoice_bridge.model import CustomerRef, Invoice, Line, Status
from invoice_bridge.money import Money
from invoice_bridge.provider import Context, Refusal
from invoice_bridge.providers.chargebee.tables import MONEY, STATUSES, bills_accrued, reference_field
from invoice_bridge.reading import Reader, build, period_of, span
from invoice_bridge.wire import Response

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE, Status.DELETED}


def invoice(
    data: Mapping[str, Any], *, all_lines: list[Mapping[str, Any]] | None = None, reference_field: str | None = None
) -> Invoice:
    """Read an invoice, bare or wrapped as {"invoice": …}; `all_lines` replaces the first page of lines that it carries.

    `reference_field` names the custom field that carries the reference; "" says that none does. Without it the
    reference is po_number, where this adapter writes it, but for invoices of a subscription, which inherit its purchase
    order. A purchase order that somebody put on another invoice cannot be distinguished from a reference.
    """
    at = Reader(unwrapped(data), "chargebee")
    currency = at.currency("currency_code")
    word, status = at.text("status"), _status(at)
    rows = at.children("line_items") if all_lines is None else [Reader(row, "chargebee") for row in all_lines]
    complete = all_lines is not None or (_has_list(at, "line_items") and at.text("line_items_next_offset") is None)
    lines = tuple(_line(row, currency) for row in rows)
    amount = {name: at.money(name, MONEY, currency) for name in _AMOUNTS}
    subtotal = Money(sum(line.amount.minor for line in lines), currency) if complete else None
    number = at.need("id")
    return build(
        "chargebee",
        id=number,
        number=None if status is Status.DRAFT else number,  # a draft's id is no invoice number yet
        status=status,
        native_status=word,
        currency=currency,
        subtotal=subtotal,
        discount=_discount(at, currency, subtotal, amount["sub_total"], all_listed=complete and all_lines is None),
        tax=amount["tax"],
        total=amount["total"],
        amount_due=_less(amount["total"], amount["credits_applied"], amount["amount_adjusted"]),
        amount_paid=amount["amount_paid"],
        amount_credited=_credited(at, currency),
        # Documented for a credit note that was refunded; whether one spent on other invoices says the same word is not.
        amount_refunded=_notes_total(at, "issued_credit_notes", currency, {"refunded"}),
        # the native amount_due is a balance; what a void or deleted invoice still shows there nobody can collect
        amount_remaining=Money.zero(currency) if status in _SETTLED else amount["amount_due"],
        lines=lines,
        lines_complete=complete,
        customer=None if (customer := at.text("customer_id")) is None else CustomerRef(id=customer),
        period=span([line.period for line in lines]),
        description=_note(at),
        reference=_reference(at, reference_field),
        # There is no created_at. generated_at is when it was first issued, `date` the document's own date, which may
        # lie up to a month before; a draft has the latter alone, and without it no draft would pass a created range.
        created_at=at.unix("generated_at") or at.unix("date"),
        issued_at=at.unix("date"),
        due_at=at.unix("due_date"),
        paid_at=at.unix("paid_at"),
        voided_at=at.unix("voided_at"),
        payment_pending=_pending(at, amount["amount_due"], amount["amount_to_collect"]),
        raw=at.data,
    )


_AMOUNTS = (
    "sub_total",
    "tax",
    "total",
    "amount_paid",
    "amount_due",
    "amount_to_collect",
    "amount_adjusted",
    "credits_applied",
)


def _reference(at: Reader, reference_field: str | None) -> str | None:
    if reference_field is not None:
        return at.text(reference_field) if reference_field else None
    inherits = "subscription_id" in at or at.flag("recurring") is True
    return None if inherits else at.text("po_number")


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
    command = context.ask
    if not isinstance(command, Bill) or bills_accrued(command):
        return None
    field = reference_field(command, context.settings)
    return None if field is None else Reader(data, "chargebee").child("invoice").text(field)


def refusal(answer: Response) -> Refusal:
    """Read {message, type, api_error_code, param}."""
    at = Reader(answer.object, "chargebee")
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
    written_off = (at.integer("write_off_amount") or 0) > 0
    return Status.UNCOLLECTIBLE if status is Status.PAID and written_off else status


def _line(at: Reader, currency: str) -> Line:
    amount = at.money("amount", MONEY, currency)
    if amount is None:
        raise at.fault("amount", "is missing: a line without an amount cannot be read")
    return Line(
        description=at.text("description"),
        quantity=at.decimal("quantity_in_decimal") if "quantity_in_decimal" in at else at.decimal("quantity"),
        # with decimals the integer is rounded: amount is authoritative, and no unit amount is better than a wrong one
        unit_amount=None if "unit_amount_in_decimal" in at else at.money("unit_amount", MONEY, currency),
        amount=amount,
        period=period_of(at.unix("date_from"), at.unix("date_to")),
    )


def _discount(
    at: Reader, currency: str, subtotal: Money | None, net: Money | None, *, all_listed: bool
) -> Money | None:
    """The discounts: by line where all are listed, else as listed for the invoice, else lines less sub_total."""
    if all_listed and at.children("line_item_discounts"):
        return _sum(at.children("line_item_discounts"), "discount_amount", currency)
    if at.children("discounts"):
        return _sum(at.children("discounts"), "amount", currency)
    return None if at.text("price_type") == "tax_inclusive" else _less(subtotal, net)


def _credited(at: Reader, currency: str) -> Money | None:
    """Credit notes against this invoice, but for the one that a write-off makes of itself and voided ones."""
    if not (_has_list(at, "adjustment_credit_notes") and _has_list(at, "issued_credit_notes")):
        return None
    rows = [
        note
        for note in at.children("adjustment_credit_notes")
        if note.text("cn_create_reason_code") != "Write Off" and note.text("cn_reason_code") != "write_off"
    ]
    rows += at.children("issued_credit_notes")
    return _sum((note for note in rows if note.text("cn_status") != "voided"), "cn_total", currency)


def _notes_total(at: Reader, name: str, currency: str, states: set[str]) -> Money | None:
    if not _has_list(at, name):
        return None
    return _sum((note for note in at.children(name) if note.text("cn_status") in states), "cn_total", currency)


def _note(at: Reader) -> str | None:
    """The invoice's own note: the one that belongs to no customer, plan, tax … Of several nobody can say which."""
    own = [note.text("note") for note in at.children("notes") if "entity_type" not in note and "entity_id" not in note]
    return own[0] if len(own) == 1 else None


def _pending(at: Reader, due: Money | None, to_collect: Money | None) -> bool | None:
    """Whether a payment is in progress: it is listed, and amount_to_collect is smaller than amount_due."""
    if due is not None and to_collect is not None and to_collect < due:
        return True
    if not _has_list(at, "linked_payments"):
        return None
    return any(payment.text("txn_status") == "in_progress" for payment in at.children("linked_payments"))


def _has_list(at: Reader, name: str) -> bool:
    return isinstance(at.data.get(name), list | tuple)


def _sum(rows: Iterable[Reader], name: str, currency: str) -> Money:
    zero = Money.zero(currency)
    return Money(sum((row.money(name, MONEY, currency) or zero).minor for row in rows), currency)


def _less(amount: Money | None, *others: Money | None) -> Money | None:
    for other in others:
        if amount is None or other is None:
            return None
        amount -= other
    return amount
