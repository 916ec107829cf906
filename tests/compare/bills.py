"""An invoice that says everything, for the tests of the comparison."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from invoice_bridge import Collection, CustomerRef, Invoice, Line, Money, Period, Status

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DUE = datetime(2026, 5, 20, tzinfo=UTC)


def eur(minor: int) -> Money:
    """So many cents."""
    return Money(minor, "EUR")


LINES = (
    Line(
        description="Stay", quantity=Decimal(2), unit_amount=eur(5000), amount=eur(10000), period=Period.month(2026, 5)
    ),
    Line(description="Breakfast", quantity=Decimal(3), unit_amount=eur(1000), amount=eur(3000)),
    Line(description="Loyalty", amount=eur(-500)),
)


def bill(**changes: Any) -> Invoice:
    """An open invoice of three lines that says everything, but for what is changed."""
    said: dict[str, Any] = {
        "provider": "stripe",
        "id": "in_1",
        "number": "N-1",
        "status": Status.OPEN,
        "native_status": "open",
        "currency": "EUR",
        "subtotal": eur(12500),
        "discount": eur(100),
        "tax": eur(2400),
        "total": eur(14800),
        "amount_due": eur(14700),
        "amount_paid": eur(700),
        "amount_credited": eur(100),
        "amount_refunded": eur(0),
        "amount_remaining": eur(14000),
        "lines": LINES,
        "customer": CustomerRef(id="cus_1", email="a@example.test", name="Ada"),
        "period": Period.month(2026, 5),
        "description": "May",
        "reference": "res-1",
        "metadata": {"order": "7", "shop": "north"},
        "created_at": datetime(2026, 5, 1, tzinfo=UTC),
        "issued_at": datetime(2026, 5, 2, tzinfo=UTC),
        "due_at": DUE,
        "collection": Collection.send(due=DUE),
        "payment_pending": False,
        "hosted_url": "https://pay.example.test/1",
        "test_mode": True,
        "raw": {"id": "in_1"},
    }
    return Invoice(**{**said, **changes})


OTHER_IDENTITY: dict[str, Any] = {
    "provider": "chargebee",
    "id": "19",
    "number": "19",
    "native_status": "payment_due",
    "customer": CustomerRef(id="cb_9", email="a@example.test", name="Ada"),
    "created_at": datetime(2026, 5, 3, tzinfo=UTC),
    "issued_at": datetime(2026, 5, 4, tzinfo=UTC),
    "paid_at": datetime(2026, 5, 5, tzinfo=UTC),
    "voided_at": datetime(2026, 5, 6, tzinfo=UTC),
    "payment_method": "pm_1",
    "hosted_url": None,
    "pdf_url": "https://pdf.example.test/1",
    "test_mode": None,
    "raw": {"invoice": {"id": "19"}},
}
"""The same bill at another provider: everything that is identity is another."""
