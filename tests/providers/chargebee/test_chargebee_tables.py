"""The codes of Chargebee's losses, as callers have written them into their allow lists."""

from invoice_bridge.providers.chargebee.tables import FIELDS

CODES = {
    "IB-CHARGEBEE-COLLECTION-01": ("collection.kind", "warns"),
    "IB-CHARGEBEE-COLLECTION-02": ("collection.kind", "warns"),
    "IB-CHARGEBEE-COLLECTION-03": ("collection.payment_method", "warns"),
    "IB-CHARGEBEE-COLLECTION-04": ("collection.kind", "changes_money"),
    "IB-CHARGEBEE-COLLECTION-05": ("collection.kind", "changes_money"),
    "IB-CHARGEBEE-CUSTOMER-01": ("customer.email", "info"),
    "IB-CHARGEBEE-CUSTOMER-02": ("customer.name", "info"),
    "IB-CHARGEBEE-DESCRIPTION-01": ("description", "warns"),
    "IB-CHARGEBEE-ISSUED-01": ("issued_at", "warns"),
    "IB-CHARGEBEE-ISSUED-02": ("issued_at", "warns"),
    "IB-CHARGEBEE-MAIL-01": ("collection.kind", "info"),
    "IB-CHARGEBEE-METADATA-01": ("metadata", "warns"),
    "IB-CHARGEBEE-QUANTITY-01": ("lines[].quantity", "warns"),
    "IB-CHARGEBEE-QUANTITY-02": ("lines[].unit_amount", "info"),
    "IB-CHARGEBEE-REFERENCE-01": ("reference", "warns"),
    "IB-CHARGEBEE-SUBSCRIPTION-01": ("subscription", "warns"),
    "IB-CHARGEBEE-TAX-01": ("tax", "changes_money"),
    "IB-CHARGEBEE-TERMS-01": ("collection.net_days", "warns"),
    "IB-CHARGEBEE-TERMS-02": ("collection.due", "warns"),
}


def test_codes_are_permanent() -> None:
    """Each code keeps its place in the command and its severity for good; another loss gets another code."""
    assert {row.code: (row.path, row.severity.value) for row in FIELDS if row.code} == CODES
