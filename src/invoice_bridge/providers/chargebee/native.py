"""The parameters that only Chargebee has: coupons, exact decimals, what its tax integrations ask for, notes.

On product catalog 1 what fits POST /invoices/charge goes there, where the parameters of a line are the bill's own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.native import Native, NativeTable, RefusedNative, in_currency
from invoice_bridge.core.money import exponent
from invoice_bridge.providers.chargebee.bills import fits_charge
from invoice_bridge.providers.chargebee.conditions import bills_accrued, carries_price
from invoice_bridge.providers.chargebee.parts import lines_of_bill
from invoice_bridge.providers.chargebee.tables import CREATE, MONEY

_CHARGE = "apidocs.chargebee.com, create invoice for a one-time charge"
_SDK = "chargebee 3.29.0, Invoice"
_DECIMALS = "a site without multi-decimal pricing refuses it; it is not confirmed that amount is left out beside it"
_AVALARA = "only for sites with AvaTax for Communications"
_ADDRESS = (
    *("first_name", "last_name", "email", "company", "phone", "line1", "line2", "line3"),
    *("city", "state_code", "state", "zip", "country"),
)


def _on_catalog_1(context: Any) -> bool:
    return bool(context.settings.get("product_catalog") == 1)


def _is_charge(command: Any, context: Any) -> bool:
    """Return whether the bill is made by POST /invoices/charge."""
    collects = _on_catalog_1(context) and command.collection.kind == "charge"
    return bool(not bills_accrued(command) and collects and fits_charge(command))


def _has_charges(command: Any, context: Any) -> bool:
    return not (bills_accrued(command) or _is_charge(command, context))


def _rated(command: Any, _context: Any) -> bool:
    return not bills_accrued(command)


def _compares(command: Any, context: Any) -> bool:
    """Catalog 1 and unbilled charges collect in the request that makes the invoice."""
    return not (bills_accrued(command) or _on_catalog_1(context))


def _closes(command: Any, context: Any) -> bool:
    """Return whether a pending invoice is made first, which a second request closes."""
    return _compares(command, context) and command.collection.kind == "charge" and not command.draft


def _bills_on_catalog_2(command: Any, context: Any) -> bool:
    return not (bills_accrued(command) or _on_catalog_1(context))


def _count_charges(command: Any, context: Any) -> int:
    """Return how many charges a bill has: discounts are none, and a line of an item price is no charge."""
    return sum(not carries_price(line, context.settings) for line in lines_of_bill(command))


def _refines(value: Any, command: Any, place: int) -> None:
    """Check that the decimal is the line's amount, more exactly: less than one minor unit apart."""
    lines = lines_of_bill(command)
    if any(line.price is not None for line in lines):
        raise ValueError("the line that it refines cannot be identified if other lines name item prices")
    if place >= len(lines):
        return  # a list of another length is refused where it joins the request
    line = lines[place]
    unit = Decimal(1).scaleb(-exponent(line.amount.currency))
    if abs(Decimal(value) - line.amount.major) >= unit:
        raise ValueError(f"{value} does not round to the line's amount, {line.amount}")


def _rated_row(path: str, kind: Any, source: str, **more: Any) -> Native:
    more = {"when": _rated, "unless": "unbilled charges do not take it: bill lines of your own", **more}
    return Native(path, "open", kind, source, **more)


def _charge_row(path: str, kind: Any, **more: Any) -> Native:
    unless = f"give it for each line: charges[].{path}"
    return Native(path, "open", kind, _CHARGE, when=_is_charge, unless=unless, **more)


def _line_row(name: str, kind: Any, **more: Any) -> Native:
    unless = f"write {name} alone, where the bill is one line of POST /invoices/charge; unbilled charges take none"
    source = f"{_SDK}.CreateForChargeItemsAndChargesChargeParams"
    return Native(f"charges[].{name}", "open", kind, source, when=_has_charges, unless=unless, per_line=True, **more)


def _verb_row(verb: str, step: str, path: str, kind: Any, source: str) -> Native:
    return Native(path, step, kind, f"{_SDK}.{source}", verbs=(verb,))


_ON_2: dict[str, Any] = {"when": _bills_on_catalog_2, "unless": "only product catalog 2 takes it: use a coupon"}
_TAX_FIELDS = tuple(f"tax_providers_fields[].{name}" for name in ("provider_name", "field_id", "field_value"))
_APPLIES = Kind.one_of("invoice_amount", "specific_item_price")
_SALE = Kind.one_of("wholesale", "retail", "consumed", "vendor_use")
_INITIATOR = Kind.one_of("customer", "merchant")
_COMMENT = Kind.text(300)
_REASON = Kind.text(100)
"""A reason of the site's own list, in its spelling; some sites demand one (apidocs.chargebee.com, reason codes)."""
_NOTES = Kind.text(2000)
_CREDIT = "chargebee 3.29.0, CreditNote.CreateParams"
_CATALOG_2 = f"{_SDK}.CreateForChargeItemsAndChargesParams"

ROWS = (
    # ── what changes the amount ──
    _rated_row("coupon_ids", Kind.list_of(Kind.text(100)), _CHARGE, money=True),
    _rated_row("coupon", Kind.text(100), CREATE, money=True),
    _rated_row("discounts[].apply_on", _APPLIES, _CATALOG_2, money=True, requires=("discounts[].amount",), **_ON_2),
    _rated_row(
        "discounts[].amount",
        Kind.amount(MONEY.to_units),
        _CATALOG_2,
        money=True,
        check=in_currency,
        requires=("discounts[].apply_on",),
        **_ON_2,
    ),
    *(
        row("amount_in_decimal", Kind.decimal_text(39), money=True, replaces=replaced, check=_refines, doubt=_DECIMALS)
        for row, replaced in ((_charge_row, ("amount",)), (_line_row, ("charges[].amount",)))
    ),
    *(
        row(name, kind, money=True, doubt=_AVALARA)
        for row in (_charge_row, _line_row)
        for name, kind in (
            ("avalara_sale_type", _SALE),
            ("avalara_transaction_type", Kind.whole()),
            ("avalara_service_type", Kind.whole()),
        )
    ),
    _line_row("avalara_tax_code", Kind.text(50), money=True),
    _line_row("hsn_code", Kind.text(50), money=True),
    _line_row("taxjar_product_code", Kind.text(50), money=True),
    _line_row("tax_profile_id", Kind.text(50), money=True),
    *(
        _rated_row(f"tax_providers_fields[].{name}", Kind.text(), _CHARGE, money=True, requires=_TAX_FIELDS)
        for name in ("provider_name", "field_id", "field_value")
    ),
    # ── what does not ──
    _rated_row("payment_initiator", _INITIATOR, _CHARGE),
    _line_row("entity_description", Kind.text(500)),
    *(
        _rated_row(path, kind, _CATALOG_2, when=_has_charges, unless="POST /invoices/charge does not take it")
        for path, kind in (
            ("remove_general_note", Kind.flag()),
            ("retain_payment_source", Kind.flag()),
            ("replace_primary_payment_source", Kind.flag()),
            ("statement_descriptor.descriptor", Kind.text(65)),
            ("notes_to_remove[].entity_type", Kind.text(50)),
            ("notes_to_remove[].entity_id", Kind.text(100)),
            *((f"shipping_address.{name}", Kind.text(150)) for name in _ADDRESS),
        )
    ),
    Native(
        "comment",
        "close",
        _COMMENT,
        f"{_SDK}.CloseParams",
        when=_closes,
        unless="the comment is sent with the close of a pending invoice, and this bill closes none",
    ),
    # ── verbs ──
    _verb_row("finalize", "close", "comment", _COMMENT, "CloseParams"),
    _verb_row("finalize", "close", "invoice_note", Kind.text(2000), "CloseParams"),
    _verb_row("finalize", "close", "remove_general_note", Kind.flag(), "CloseParams"),
    _verb_row("finalize", "close", "invoice_date", Kind.moment(unix_seconds), "CloseParams"),
    _verb_row("pay", "collect_payment", "payment_initiator", _INITIATOR, "CollectPaymentParams"),
    _verb_row("pay", "collect_payment", "comment", _COMMENT, "CollectPaymentParams"),
    _verb_row("mark_paid", "record_payment", "comment", _COMMENT, "RecordPaymentParams"),
    _verb_row("record_payment", "record_payment", "comment", _COMMENT, "RecordPaymentParams"),
    *(
        _verb_row(verb, "record_payment", f"transaction.{name}", kind, "RecordPaymentTransactionParams")
        for verb in ("mark_paid", "record_payment")
        for name, kind in (
            ("id_at_gateway", Kind.text(100)),
            ("custom_payment_method_id", Kind.text(50)),
        )
    ),
    *(
        _verb_row("mark_paid", "record_payment", f"transaction.{name}", kind, "RecordPaymentTransactionParams")
        for name, kind in (
            ("reference_number", Kind.text(100)),
            ("date", Kind.moment(unix_seconds)),
        )
    ),
    _verb_row("void", "void", "comment", _COMMENT, "VoidInvoiceParams"),
    _verb_row("void", "void", "void_reason_code", Kind.text(100), "VoidInvoiceParams"),
    _verb_row("mark_uncollectible", "write_off", "comment", _COMMENT, "WriteOffParams"),
    _verb_row("delete", "delete", "comment", _COMMENT, "DeleteParams"),
    _verb_row("refund", "refund", "credit_note.create_reason_code", _REASON, "RefundCreditNoteParams"),
    _verb_row("refund", "refund", "customer_notes", _NOTES, "RefundParams"),
    Native("create_reason_code", "credit", _REASON, _CREDIT, verbs=("credit",)),
    Native("customer_notes", "credit", _NOTES, _CREDIT, verbs=("credit",)),
    Native("date", "credit", Kind.moment(unix_seconds), _CREDIT, verbs=("credit",)),
)

_CARD = "card and bank details never pass through this library"
_REFUSED = (
    *(
        RefusedNative(name, f"{_CARD}: store them at Chargebee, and name the payment source", _CATALOG_2)
        for name in ("card", "bank_account", "payment_method", "payment_intent", "token_id")
    ),
    RefusedNative(
        "authorization_transaction_id",
        "it captures an earlier authorization, which cannot be compared with the bill",
        _CATALOG_2,
    ),
    *(
        RefusedNative(name, "a bill states its lines by amount, and the total of items is not known before", _CATALOG_2)
        for name in ("item_prices", "item_tiers", "addons")
    ),
    *(
        RefusedNative(f"discounts[].{name}", "the bill has no item that it could apply to", _CATALOG_2)
        for name in ("item_price_id", "quantity")
    ),
    RefusedNative("discounts[].percentage", "the SDK types it as a float: give the amount", _CATALOG_2),
    *(
        RefusedNative(path, "it is deprecated: use create_reason_code", source, (verb,))
        for verb, path, source in (
            ("refund", "credit_note.reason_code", f"{_SDK}.RefundCreditNoteParams"),
            ("credit", "reason_code", _CREDIT),
        )
    ),
    RefusedNative(
        "refund_amount", "use amount, which is compared with what is left", f"{_SDK}.RefundParams", ("refund",)
    ),
    *(
        RefusedNative(path, "the invoice and the command state it", _CREDIT, ("credit",))
        for path in ("reference_invoice_id", "customer_id", "currency_code", "type", "total", "line_items")
    ),
    RefusedNative(
        "amount", "a verb collects the amount that remains, as last read", f"{_SDK}.CollectPaymentParams", ("pay",)
    ),
)

NATIVES = NativeTable(ROWS, _REFUSED, _compares, _count_charges)
