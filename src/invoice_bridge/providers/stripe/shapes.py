"""Where Stripe's JSON has each field of an invoice, from acacia (2024) to endive (2026), and how it words a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import Refusal
from invoice_bridge.adapter.reading import Reader, lines_total, nothing_left
from invoice_bridge.adapter.shapes import (
    Shape,
    computed,
    currency,
    derived,
    email,
    flag,
    identity,
    integer,
    money,
    required,
    rows,
    strings,
    text,
    unix,
)
from invoice_bridge.adapter.trusted import MANUAL, charged, customer_of, period_span, sent
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Collection, Invoice, Status
from invoice_bridge.core.money import Money, nothing
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.line_shapes import LINE
from invoice_bridge.providers.stripe.part_shapes import (
    ADDRESS_PATHS,
    DISCOUNT,
    NO_FIELDS,
    PATHS_BEFORE_LISTS,
    TAX,
    TAX_ID,
    adjustments,
    custom_fields,
    customer_address,
    discount_before_lists,
    discounts_before_lists,
    headings,
    plain_address,
    plain_headings,
    tax_before_lists,
)
from invoice_bridge.providers.stripe.payment_shapes import (
    CHARGE_PATHS,
    CREDITED,
    PAYMENT,
    charge_before_basil,
    has_none,
    settle,
)
from invoice_bridge.providers.stripe.tables import MONEY, PURCHASE_ORDER, REFERENCE_KEY, STATUSES

_STATUS = {row.native: row.status for row in STATUSES}
_SETTLED = (Status.PAID, Status.VOID, Status.UNCOLLECTIBLE, Status.DELETED)  # as a set it would hash each in Python


def invoice(
    data: Mapping[str, Any],
    *,
    all_lines: list[Mapping[str, Any]] | None = None,
    all_payments: list[Mapping[str, Any]] | None = None,
) -> Invoice:
    """Read an invoice; `all_lines` and `all_payments` replace the first page of each that it carries.

    Raises MalformedResponse without an id, and for an object that states that it is no invoice.
    """
    if all_lines is None and all_payments is None:
        return INVOICE.whole(data, "stripe")
    return INVOICE.whole(data, "stripe", lines=all_lines, payments=all_payments)


def invoice_id(data: Any) -> str | None:
    """The id of the invoice in an answer."""
    found = Reader(data, "stripe")
    return found.text("id") if found.text("object") == "invoice" else None


def reference_in(data: Any, _context: object) -> str | None:
    """The reference of the bill whose opening was answered."""
    return Reader(data, "stripe").child("metadata").text(REFERENCE_KEY)


def refusal(answer: Response) -> Refusal:
    """Read {"error": {type, code, message, param}}; the request id is in a header."""
    error = object_of(answer).get("error")
    if not isinstance(error, Mapping):
        raise MalformedResponse("the refusal is not in Stripe's format", provider="stripe", status=answer.status)
    at = Reader(error, "stripe", "$.error")
    return Refusal(
        at.text("message") or "refused without a message",
        code=at.text("code"),
        type=at.text("type"),
        param=at.text("param"),
        request_id=answer.headers.get("request-id"),
    )


def _discount(at: Reader, currency: str | None) -> Money | None:
    rows = at.data.get("total_discount_amounts")
    if type(rows) is list and not rows and currency is not None:
        return nothing(currency)
    if not at.has_list("total_discount_amounts"):
        return None
    return at.total_of(at.children("total_discount_amounts"), "amount", MONEY, currency)


def _tax(at: Reader, values: dict[str, Any]) -> tuple[Money | None, Money | None]:
    """All tax, and the part of it that comes on top of the lines."""
    currency, total = values["currency"], values["total"]
    rows = at.data.get("total_taxes")
    if type(rows) is list and not rows and currency is not None:
        return nothing(currency), nothing(currency)
    if at.has_list("total_taxes"):  # since basil
        taxes = at.children("total_taxes")
        on_top = [tax for tax in taxes if tax.text("tax_behavior") != "inclusive"]
    elif at.has_list("total_tax_amounts"):  # before
        taxes = at.children("total_tax_amounts")
        on_top = [tax for tax in taxes if tax.flag("inclusive") is not True]
    else:
        without = at.money("total_excluding_tax", MONEY, currency)
        if total is not None and without is not None:
            return total - without, None
        return tax_before_lists(at, values)
    return at.total_of(taxes, "amount", MONEY, currency), at.total_of(on_top, "amount", MONEY, currency)


def _derived_subtotal(
    at: Reader, currency: str | None, total: Money | None, *, discount: Money | None, tax_on_top: Money | None
) -> Money | None:
    """The sum of the lines where not all are here. Stripe's own `subtotal` is after the discounts of single lines."""
    shipping = at.money("amount_shipping", MONEY, currency)
    if total is None or discount is None or tax_on_top is None or (shipping is None and "amount_shipping" in at):
        return None
    before = total - tax_on_top + discount
    return before if shipping is None else before - shipping


def _credited(at: Reader, currency: str | None) -> Money | None:
    """What credit notes took off: mostly nothing, of which no sum is made."""
    before, after = at.data.get(CREDITED[0]), at.data.get(CREDITED[1])
    if type(before) is int and type(after) is int and not before and not after:
        none = MONEY.amounts[currency][0]
        if none is not None:
            return none
    return _sum(at, CREDITED, currency)


def _sum(at: Reader, names: tuple[str, ...], currency: str | None) -> Money | None:
    """The sum of the amounts that are stated; None where none is, or where one of them cannot be read."""
    found = [at.money(name, MONEY, currency) for name in names if at.data.get(name) is not None]
    total = None
    for amount in found:
        if amount is None:
            return None
        total = amount if total is None else total + amount
    return total


def _collection(at: Reader, values: Mapping[str, Any], *, is_ours: bool) -> Collection | None:
    """Who moves the money: collection_method, and auto_advance where it says something.

    A draft or open invoice that is charge_automatically without auto_advance is manual: Stripe neither issues nor
    charges it by itself. Paid, void and uncollectible ones always have it off
    (docs.stripe.com/invoicing/integration/automatic-advancement-collection), so there it says nothing.

    Of our own bills, which all have it off, a settled one that Stripe never attempted to charge was manual. Whether a
    manual one that was paid later, by `pay` or on its page, was made as manual cannot be known: it reads as charged,
    which is what happened by `pay`; what `attempted` says after a payment on the page is not confirmed.
    """
    if at.data.get("collection_method") == "send_invoice":
        return sent(values["due_at"])
    method = at.text("collection_method")
    if method != "charge_automatically":
        if method is not None:
            at.leave("collection_method")
        return None
    if values["status"] in _SETTLED:
        automatic = not is_ours or at.flag("attempted") is not False
    else:
        automatic = at.flag("auto_advance") is True
    return charged(values["payment_method"]) if automatic else MANUAL


def _pending(at: Reader, _currency: str | None) -> bool | None:
    """Whether a payment is on its way; only expanded payments (or the payment intent before basil) say so."""
    intent = at.expanded("payment_intent").text("status")
    if intent is not None:
        return intent == "processing"
    if "payments" not in at:
        return None
    payments = [row.child("payment") for row in at.child("payments").children("data")]
    if any(isinstance(payment.data.get("payment_intent"), str) for payment in payments):
        return None  # an id alone: how that payment stands is not said
    return any(payment.child("payment_intent").text("status") == "processing" for payment in payments)


def _is_deleted(at: Reader) -> bool:
    return at.flag("deleted") is True or _STATUS.get(at.text("status") or "") is Status.DELETED


def _derive(values: dict[str, Any], at: Reader, given: Mapping[str, Any]) -> None:
    word, currency, lines, total = values["native_status"], values["currency"], values["lines"], values["total"]
    deleted, more, count = values.pop("deleted"), values.pop("more"), values.pop("count")
    status = values["status"] = Status.DELETED if deleted else _STATUS.get(word or "", Status.UNKNOWN)
    if "lines" not in given and (more is True or len(lines) < (count or 0)):
        values["lines_complete"] = False
    values["reference"] = reference = values["metadata"].pop(REFERENCE_KEY, None)
    discount, tax, on_top = _discount(at, currency), *_tax(at, values)
    if at.data.get("discount") is not None and discount is None:
        discount = discount_before_lists(at, currency, total, on_top)
        values["discounts"] = discounts_before_lists(at, discount)
    values["discount"], values["tax"] = discount, tax
    values["subtotal"] = (
        lines_total(lines, currency)
        if values["lines_complete"]
        else _derived_subtotal(at, currency, total, discount=discount, tax_on_top=on_top)
    )
    values["amount_credited"] = _credited(at, currency)
    if status in _SETTLED:
        # a void invoice keeps its full remainder on the wire (sandbox recording, dahlia); nobody can collect it
        values["amount_remaining"] = nothing_left(currency)
    id_, email, name = values.pop("customer_id"), values.pop("customer_email"), values.pop("customer_name")
    values["customer"] = customer_of(id_, email, name, values.pop("address"), values.pop("tax_ids"))
    values["subscription"] = values["subscription"] or values.pop("subscription_before")
    values["adjustments"] = adjustments(at, values, on_top)
    more, charges = values.pop("more_payments"), values.pop("charges")
    if more is True and "payments" not in given:
        values["payments_complete"] = False
    if charges is not None:
        values["payments"] = values["payments"] or charges
    if "payments" in given:  # with what each was paid by, which the invoice itself does not have
        values["payment_pending"] = any(payment.state == "pending" for payment in values["payments"])
    if values["payments_complete"]:
        settle(values)
    values["credit_notes_complete"] = has_none(values, at)
    if (headed := values["custom_fields"]) is None:
        values["custom_fields"] = NO_FIELDS
    else:  # that with the heading which we give it is the purchase order
        values["purchase_order"] = next((value for name, value in headed if name == PURCHASE_ORDER), None)
        values["custom_fields"] = custom_fields(headed)
    values["period"] = period_span([line.period for line in lines])
    values["collection"] = _collection(at, values, is_ours=reference is not None)
    live = values.pop("live")
    values["test_mode"] = None if live is None else not live


INVOICE = Shape(
    Invoice,
    _derive,
    units=MONEY,
    kinds=("invoice",),
    also=(
        "total_discount_amounts[].amount",
        "total_taxes[].amount",
        "total_taxes[].tax_behavior",
        "total_tax_amounts[].amount",
        "total_tax_amounts[].inclusive",
        "total_excluding_tax",
        *PATHS_BEFORE_LISTS,
        "amount_shipping",
        "total_pretax_credit_amounts[].type",
        "total_pretax_credit_amounts[].amount",
        *CREDITED,
        "collection_method",
        "attempted",
        "auto_advance",
        "object",
    ),
    id=required("id"),
    native_status=text("status"),
    deleted=flag("deleted"),
    # of a deleted invoice only the id is left (stripe/openapi fixtures): that there is no currency is no problem then
    currency=currency("currency", unless=_is_deleted),
    number=text("number"),
    lines=rows("lines.data", LINE),
    more=flag("lines.has_more"),
    count=integer("lines.total_count"),
    total=money("total"),
    amount_due=money("amount_due"),
    amount_paid=money("amount_paid"),
    amount_remaining=money("amount_remaining"),
    customer_email=email("customer_email", "customer?.email"),
    customer_name=text("customer_name", "customer?.name"),
    customer_id=identity("customer"),
    description=text("description"),
    purchase_order=derived("custom_fields[].name", "custom_fields[].value"),
    custom_fields=computed(
        headings, "custom_fields[].name", "custom_fields[].value", any_of=("custom_fields",), quick=plain_headings
    ),
    metadata=strings("metadata"),
    created_at=unix("created"),
    issued_at=unix("effective_at", "status_transitions.finalized_at"),
    due_at=unix("due_date"),
    paid_at=unix("status_transitions.paid_at"),
    voided_at=unix("status_transitions.voided_at"),
    payment_method=identity("default_payment_method"),
    payment_pending=computed(
        _pending,
        "payment_intent.status",
        "payments.data[].payment.payment_intent.status",
        any_of=("payment_intent", "payments"),
    ),
    hosted_url=text("hosted_invoice_url"),
    pdf_url=text("invoice_pdf"),
    live=flag("livemode"),
    subscription=identity("parent.subscription_details.subscription"),
    subscription_before=identity("subscription"),
    footer=text("footer"),
    address=computed(customer_address, *ADDRESS_PATHS, any_of=("customer_address", "customer"), quick=plain_address),
    tax_ids=rows("customer_tax_ids", TAX_ID),
    taxes=rows("total_taxes", TAX, "total_tax_amounts"),
    discounts=rows("total_discount_amounts", DISCOUNT),
    payments=rows("payments.data", PAYMENT),
    more_payments=flag("payments.has_more"),
    charges=computed(charge_before_basil, *CHARGE_PATHS, any_of=("charge",)),
    uncollectible_at=unix("status_transitions.marked_uncollectible_at"),
    attempts=integer("attempt_count"),
    next_attempt_at=unix("next_payment_attempt"),
)
