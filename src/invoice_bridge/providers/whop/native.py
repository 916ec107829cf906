"""The parameters that only Whop has: when it finalizes, a payment token, the buyer's fee, the product, plan attributes.

The request that makes the invoice also collects or mails it: a change of the amount cannot be compared before, so
such a bill is refused unless it is a draft.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.native import Native, NativeTable, RefusedNative
from invoice_bridge.providers.whop.conditions import product_of
from invoice_bridge.providers.whop.tables import CREATE, PLAN_SOURCE

_ADDRESS = ("name", "line1", "line2", "city", "state", "postal_code", "country", "phone")
_NEEDED = ("plan.custom_fields[].field_type", "plan.custom_fields[].name")
_METHODS = ("plan.payment_method_configuration.enabled", "plan.payment_method_configuration.disabled")
_RENEWS = "the bill would begin a subscription, which renews and charges again"


def _is_issued(command: Any, _context: Any) -> bool:
    return not command.draft


def _charges_no_method(command: Any, _context: Any) -> bool:
    return command.collection.kind == "charge" and command.collection.payment_method is None


def _makes_product(command: Any, context: Any) -> bool:
    return product_of(command, context.settings) is None


def _lines_name_no_product(command: Any, _context: Any) -> bool:
    return product_of(command, {}) is None


def _never(_command: Any, _context: Any) -> bool:
    return False


def _row(path: str, kind: Kind, source: str = CREATE, **more: Any) -> Native:
    return Native(path, "create", kind, source, **more)


ROWS = (
    _row(
        "charge_buyer_fee",
        Kind.flag(),
        money=True,
        replaces=("charge_buyer_fee",),
        doubt="the fee is added to the plan's price, and only the payment states it: it is compared after the payment",
    ),
    _row(
        "product.product_tax_code_id",
        Kind.text(),
        money=True,
        when=_makes_product,
        unless="the product named by the lines or by the setting product_id has its own tax code",
    ),
    _row(
        "plan.adaptive_pricing_enabled",
        Kind.flag(),
        PLAN_SOURCE,
        money=True,
        doubt="the customer may pay in another currency, and it is not confirmed what the payment states then",
    ),
    _row(
        "automatically_finalizes_at",
        Kind.moment(rfc3339_millis),
        when=_is_issued,
        unless="a draft is never finalized: leave draft out",
        schedules=True,
        doubt="an older page has it for charges only, and it is not confirmed that the invoice is a draft until then",
    ),
    _row(
        "payment_token_id",
        Kind.text(255, "payt_.+", samples=("payt_42", "payt_43")),
        when=_charges_no_method,
        unless="use Collection.charge() without a payment method: Whop charges exactly one of the two",
        doubt=(
            "the page requires both a token and a method for a charge; it is not confirmed which one Whop uses, so "
            "only one is sent"
        ),
    ),
    _row(
        "product_id",
        Kind.text(255, "prod_.+", samples=("prod_42", "prod_43")),
        replaces=("product", "product_id"),
        when=_lines_name_no_product,
        unless="the lines name a product: state it there",
    ),
    _row("plan.expiration_days", Kind.whole(1), PLAN_SOURCE),
    _row("plan.stock", Kind.whole(0), PLAN_SOURCE),
    _row("plan.unlimited_stock", Kind.flag(), PLAN_SOURCE),
    _row("plan.visibility", Kind.one_of("visible", "hidden", "archived", "quick_link"), PLAN_SOURCE),
    _row("plan.release_method", Kind.one_of("buy_now", "waitlist"), PLAN_SOURCE),
    _row("plan.legacy_payment_method_controls", Kind.flag(), PLAN_SOURCE),
    *(
        _row(f"plan.custom_fields[].{name}", kind, PLAN_SOURCE, requires=_NEEDED)
        for name, kind in (
            ("field_type", Kind.text(20, "text", samples=("text", "text"))),
            ("name", Kind.text()),
            ("id", Kind.text()),
            ("order", Kind.whole()),
            ("placeholder", Kind.text()),
            ("required", Kind.flag()),
        )
    ),
    *(
        _row(f"plan.payment_method_configuration.{name}", kind, PLAN_SOURCE, requires=_METHODS)
        for name, kind in (
            ("enabled", Kind.list_of(Kind.text(50), least=0)),
            ("disabled", Kind.list_of(Kind.text(50), least=0)),
            ("include_platform_defaults", Kind.flag()),
        )
    ),
    *(_row(f"billing_address.{name}", Kind.text()) for name in _ADDRESS),
    _row("mailing_address_id", Kind.text(255, "ma_.+", samples=("ma_42", "ma_43"))),
)

_REFUSED = (
    *(
        RefusedNative(path, _RENEWS, PLAN_SOURCE)
        for path in ("plan.plan_type", "plan.renewal_price", "plan.billing_period", "plan.trial_period_days")
    ),
    RefusedNative(
        "subscription_billing_anchor_at", "it applies to plans that renew, and a bill is charged once", CREATE
    ),
)

NATIVES = NativeTable(ROWS, _REFUSED, compares=_never, mails=True)
