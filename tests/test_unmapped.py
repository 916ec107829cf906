"""Read-side completeness: what a provider says and the neutral invoice does not carry is listed."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import decode

INVOICES: dict[str, tuple[str, ...]] = {
    "chargeapi/page_create.json": (),
    "chargeapi/page_object.json": (),
    "chargebee/webhook_invoice_deleted.json": ("content", "invoice"),
    "chargebee/webhook_invoice_updated.json": ("content", "invoice"),
    "chargebee/webhook_pending_invoice_created.json": ("content", "invoice"),
    "stripe/stripe_basic_invoice.json": (),
    "stripe/stripe_coupon.json": (),
    "stripe/stripe_mx_custom_fields.json": (),
    "stripe/stripe_quantity_rounding.json": (),
    "stripe/unexpanded_invoice.json": (),
    "whop/page_early_2026_list_item.json": (),
    "whop/page_legacy_invoice.json": (),
}
# No field that says how much, in what, to whom or until when may go unread where it is the only one that says so.
CARRIED = {
    "chargeapi": {"amount_due", "amount_paid", "currency", "due_date", "fleet", "period_start", "period_end", "status"},
    "chargebee": {"total", "amount_due", "amount_paid", "currency_code", "customer_id", "due_date", "status", "tax"},
    "stripe": {"total", "amount_due", "amount_paid", "amount_remaining", "currency", "due_date", "status", "number"},
    "whop": {"status", "number", "due_date", "email_address", "current_plan.currency"},
}


def shapes(value: Any, at: str = "") -> Iterator[str]:
    """Every leaf that says something, by shape."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from shapes(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for inner in value:
            yield from shapes(inner, f"{at}[]")
    elif value is not None and value != "":
        yield at


@pytest.mark.parametrize("name", INVOICES)
def test_what_is_not_carried_is_listed(name: str, shared_dir: Path) -> None:
    """Each leaf is either read into a neutral field or listed by unmapped(), and the ones that matter are read."""
    data = json.loads((shared_dir / "recordings" / name).read_text("utf-8"), parse_float=Decimal)
    for step in INVOICES[name]:
        data = data[step]
    provider = name.partition("/")[0]
    listed = set(decode(provider, data).unmapped())
    said = set(shapes(data))
    assert listed <= said
    assert not listed & CARRIED[provider]
    assert (said - listed) >= {leaf for leaf in CARRIED[provider] if leaf in said}
    added = {**data, "brand_new": {"deep": [{"field": 1}]}}
    assert set(decode(provider, added).unmapped()) - listed == {"brand_new.deep[].field"}


def test_every_recording_is_looked_at(shared_dir: Path) -> None:
    """A recording that is added must be added here."""
    there = {str(path.relative_to(shared_dir / "recordings")) for path in (shared_dir / "recordings").rglob("*.json")}
    assert there - {"chargeapi/page_list.json"} == set(INVOICES)


def test_a_plan_that_is_not_looked_at_is_listed() -> None:
    """The `plan` of a line names its price and product only where nothing newer does; else nothing carries it."""
    line: dict[str, Any] = {"id": "il_1", "amount": 100, "plan": "plan_1"}
    data: dict[str, Any] = {"id": "in_1", "object": "invoice", "currency": "eur", "lines": {"data": [line]}}
    old = decode("stripe", data)
    assert old.lines[0].price == "plan_1"
    assert old.unmapped() == ()
    line["pricing"] = {"price_details": {"price": "price_1", "product": "prod_1"}}
    new = decode("stripe", data)
    assert (new.lines[0].price, new.lines[0].product) == ("price_1", "prod_1")
    assert new.unmapped() == ("lines.data[].plan",)
