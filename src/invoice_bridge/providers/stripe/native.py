"""The parameters that only Stripe has: coupons, tax rates, texts of the document, Connect.

Those of lines are in `lines`, which has one entry for each line of the bill.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.native import Native, NativeTable, RefusedNative, in_currency
from invoice_bridge.core.wire import Effect
from invoice_bridge.providers.stripe.fields import loses_line_taxes
from invoice_bridge.providers.stripe.tables import MONEY

_CREATE = "stripe-python 16.1.0, InvoiceCreateParams"
_LINES = "stripe-python 16.1.0, InvoiceAddLinesParamsLine"
_PAY = "stripe-python 16.1.0, InvoicePayParams"
_UPDATE = "stripe-python 16.1.0, InvoiceUpdateParams"
_ID = Kind.text(255)
_AMOUNT = Kind.amount(MONEY.to_units)
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")


def _is_draft(command: Any, _context: Any) -> bool:
    return bool(command.draft)


def _has_lines(command: Any, _context: Any) -> bool:
    return bool(command.billed_lines)


def _collects(command: Any, _context: Any) -> bool:
    return command.collection.kind == "charge" and not command.draft


def _states_no_tax(command: Any, context: Any) -> bool:
    return not command.states_tax or loses_line_taxes(command, context)


def _takes_rates(command: Any, context: Any) -> bool:
    return _has_lines(command, context) and _states_no_tax(command, context)


_TAXED = "Stripe takes no tax rates on accrued items or beside taxes in amounts: leave the parameter or the taxes out"


def _open(path: str, kind: Kind, **more: Any) -> Native:
    return Native(path, "open", kind, f"{_CREATE}.{path.split('.', maxsplit=1)[0].split('[', maxsplit=1)[0]}", **more)


def _line(path: str, kind: Kind, **more: Any) -> Native:
    unless = "the lines of accrued items come from the pending items: set it there"
    more = {"when": _has_lines, "unless": unless, **more}
    return Native(f"lines[].{path}", "lines", kind, _LINES, money=True, per_line=True, **more)


def _pay(path: str, kind: Kind) -> tuple[Native, Native]:
    bill = "it belongs to the request that collects, and this bill collects nothing"
    return (
        Native(path, "pay", kind, f"{_PAY}.{path}", when=_collects, unless=bill),
        Native(path, "pay", kind, f"{_PAY}.{path}", verbs=("pay",)),
    )


ROWS = (
    # ── parameters that change the amount ──
    *(
        _open(f"discounts[].{name}", _ID, money=True, replaces=("discounts",))
        for name in ("coupon", "promotion_code", "discount")
    ),
    _open("default_tax_rates", Kind.list_of(_ID), money=True, when=_states_no_tax, unless=_TAXED),
    _open("shipping_cost.shipping_rate", _ID, money=True),
    *(_line(f"discounts[].{name}", _ID) for name in ("coupon", "promotion_code", "discount")),
    _line("discountable", Kind.flag()),
    _line("tax_rates", Kind.list_of(_ID), when=_takes_rates, unless=_TAXED),
    # ── parameters that do not ──
    _open("footer", Kind.text(5000)),
    _open("statement_descriptor", Kind.text(22)),
    _open("number", Kind.text(26)),
    _open("account_tax_ids", Kind.list_of(_ID)),
    _open("default_source", _ID),
    _open("on_behalf_of", _ID),
    _open("application_fee_amount", _AMOUNT, check=in_currency),
    _open("transfer_data.destination", _ID),
    _open("transfer_data.amount", _AMOUNT, check=in_currency, requires=("transfer_data.destination",)),
    _open("issuer.type", Kind.one_of("self", "account")),
    _open("issuer.account", _ID, requires=("issuer.type",)),
    _open("automatic_tax.liability.type", Kind.one_of("self", "account")),
    _open("automatic_tax.liability.account", _ID, requires=("automatic_tax.liability.type",)),
    _open("rendering.amount_tax_display", Kind.one_of("exclude_tax", "include_inclusive_tax")),
    _open("rendering.template", _ID),
    _open("rendering.template_version", Kind.whole(1), requires=("rendering.template",)),
    _open("rendering.pdf.page_size", Kind.one_of("a4", "letter", "auto")),
    _open("payment_settings.default_mandate", _ID),
    _open("payment_settings.payment_method_types", Kind.list_of(Kind.text(50))),
    _open("shipping_details.name", Kind.text(255), requires=("shipping_details.address",)),
    _open("shipping_details.phone", Kind.text(50), requires=("shipping_details.name", "shipping_details.address")),
    *(_open(f"shipping_details.address.{name}", Kind.text(255)) for name in _ADDRESS),
    _open(
        "automatically_finalizes_at",
        Kind.moment(unix_seconds),
        effects=frozenset({Effect.ISSUES}),
        when=_is_draft,
        unless="a bill is finalized at once unless it is a draft: create it with draft=True",
    ),
    *_pay("off_session", Kind.flag()),
    *_pay("mandate", _ID),
    *(
        Native(path, "update", kind, f"{_UPDATE}.{path}", verbs=("update",))
        for path, kind in (("footer", Kind.text(5000)), ("statement_descriptor", Kind.text(22)))
    ),
)

_REFUSED = (
    RefusedNative(
        "auto_advance", "Stripe would issue and collect by itself, without a comparison", f"{_CREATE}.auto_advance"
    ),
    RefusedNative(
        "expand", "this library reads the answer in its default form only", f"{_CREATE}.expand", ("one_time_charge",)
    ),
    RefusedNative(
        "pending_invoice_items_behavior",
        "other pending items would join the bill",
        f"{_CREATE}.{'pending_invoice_items_behavior'}",
    ),
    RefusedNative("from_invoice", "a revision of another invoice is not a new bill", f"{_CREATE}.from_invoice"),
    RefusedNative("customer_account", "a bill names its customer", f"{_CREATE}.customer_account"),
    RefusedNative("forgive", "an invoice that was paid in part would count as paid", f"{_PAY}.forgive", ("pay",)),
    RefusedNative("paid_out_of_band", "use mark_paid, which states that no money moves", f"{_PAY}", ("pay",)),
    RefusedNative("source", "use payment_method", f"{_PAY}.source", ("pay",)),
)

NATIVES = NativeTable(ROWS, _REFUSED)
