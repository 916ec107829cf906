"""The codes of Chargebee's losses, as callers have written them into their allow lists, and what its rows compute."""

from datetime import UTC, datetime

import pytest

from invoice_bridge import OneTimeCharge, losses
from invoice_bridge.core.money import Money
from invoice_bridge.providers.chargebee.conditions import month_before
from invoice_bridge.providers.chargebee.fields import FIELDS

CODES = {
    "IB-CHARGEBEE-COLLECTION-01": ("collection.kind", "warns"),
    "IB-CHARGEBEE-COLLECTION-02": ("collection.kind", "warns"),
    "IB-CHARGEBEE-COLLECTION-03": ("collection.payment_method", "warns"),
    "IB-CHARGEBEE-COLLECTION-04": ("collection.kind", "changes_money"),
    "IB-CHARGEBEE-COLLECTION-05": ("collection.kind", "changes_money"),
    "IB-CHARGEBEE-CUSTOMER-01": ("customer.email", "info"),
    "IB-CHARGEBEE-CUSTOMER-02": ("customer.name", "info"),
    "IB-CHARGEBEE-CUSTOMER-ADDRESS-01": ("customer.address", "info"),
    "IB-CHARGEBEE-CUSTOMER-TAXID-01": ("customer.tax_ids[]", "info"),
    "IB-CHARGEBEE-DESCRIPTION-01": ("description", "warns"),
    "IB-CHARGEBEE-DISCOUNT-01": ("discounts[].name", "info"),
    "IB-CHARGEBEE-DISCOUNT-02": ("discounts[].code", "info"),
    "IB-CHARGEBEE-ISSUED-01": ("issued_at", "warns"),
    "IB-CHARGEBEE-ISSUED-02": ("issued_at", "warns"),
    "IB-CHARGEBEE-LINE-DISCOUNT-02": ("lines[].discount", "info"),
    "IB-CHARGEBEE-LINE-METADATA-01": ("lines[].metadata", "warns"),
    "IB-CHARGEBEE-LINE-PRICE-01": ("lines[].price", "warns"),
    "IB-CHARGEBEE-LINE-PRODUCT-01": ("lines[].product", "warns"),
    "IB-CHARGEBEE-LINE-SUBSCRIPTION-01": ("lines[].subscription", "info"),
    "IB-CHARGEBEE-LINE-TAX-01": ("lines[].taxes[]", "changes_money"),
    "IB-CHARGEBEE-MAIL-01": ("collection.kind", "info"),
    "IB-CHARGEBEE-METADATA-01": ("metadata", "warns"),
    "IB-CHARGEBEE-QUANTITY-01": ("lines[].quantity", "warns"),
    "IB-CHARGEBEE-QUANTITY-02": ("lines[].unit_amount", "info"),
    "IB-CHARGEBEE-REFERENCE-01": ("reference", "warns"),
    "IB-CHARGEBEE-SUBSCRIPTION-02": ("subscription", "warns"),
    "IB-CHARGEBEE-TAX-01": ("tax", "changes_money"),
    "IB-CHARGEBEE-TAX-02": ("tax", "info"),
    "IB-CHARGEBEE-TERMS-01": ("collection.net_days", "warns"),
    "IB-CHARGEBEE-TERMS-02": ("collection.due", "warns"),
}


def test_codes_are_permanent() -> None:
    """Each code keeps its place in the command and its severity for good; another loss gets another code."""
    assert {row.code: (row.path, row.severity.value) for row in FIELDS if row.code} == CODES


@pytest.mark.parametrize(
    "day,before",
    [
        ("2026-07-15", "2026-06-15"),
        ("2026-03-31", "2026-02-28"),
        ("2028-03-30", "2028-02-29"),
        ("2026-01-31", "2025-12-31"),
    ],
)
def test_a_month_before_is_a_calendar_month(day: str, before: str) -> None:
    """Not thirty or thirty-one days; a day that the shorter month lacks is its last one. The hour stays."""
    instant, expected = (datetime.fromisoformat(f"{text}T06:30:00+00:00") for text in (day, before))
    assert month_before(instant) == expected


@pytest.mark.parametrize("catalog", [1, 2])
@pytest.mark.parametrize("hour,found", [(5, ["IB-CHARGEBEE-ISSUED-02"]), (6, [])])
def test_a_date_more_than_a_month_back_is_a_loss(catalog: int, hour: int, found: list[str]) -> None:
    """Defect 66: one calendar month back at most, to the hour; without a clock it is reported as conditional."""
    bill = OneTimeCharge(
        reference="res-1",
        customer="cus_42",
        amount=Money(100, "EUR"),
        description="Fees",
        issued_at=datetime(2026, 2, 28, hour, tzinfo=UTC),
    )
    now = datetime(2026, 3, 31, 6, tzinfo=UTC)
    told = losses("chargebee", bill, as_of=now, site="acme", product_catalog=catalog)
    assert [loss.code for loss in told if loss.path == "issued_at"] == found
    [conditional] = [loss for loss in losses("chargebee", bill, site="acme") if loss.path == "issued_at"]
    assert (conditional.code, conditional.conditional) == ("IB-CHARGEBEE-ISSUED-02", True)
