"""Documents of the past, of every status and kind: what the checks of imports import."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from invoice_bridge.core.commands import ImportInvoice, Source
from invoice_bridge.core.model import (
    Address,
    Adjustment,
    CreditNote,
    CustomerRef,
    Discount,
    Line,
    Payment,
    Period,
    Status,
    TaxId,
    TaxLine,
)
from invoice_bridge.core.money import Money

ISSUED = datetime(2026, 3, 2, 9, tzinfo=UTC)
PAID = ISSUED + timedelta(days=9)
LATER = datetime(2027, 1, 15, tzinfo=UTC)
"""After the present of every emulator."""


def eur(minor: int) -> Money:
    """Return an amount in EUR."""
    return Money(minor, "EUR")


def documents(customer: str | None) -> Iterator[ImportInvoice]:
    """Yield imports for a customer at the target: each status, then each part that a document can have."""
    who = CustomerRef(id=customer)
    total, lines = (
        eur(2500),
        (
            Line(description="Energy", amount=eur(1300), period=Period.month(2026, 2)),
            Line(description="Parking", quantity=2, unit_amount=eur(600)),
        ),
    )
    paid = (Payment(id="pay_1", amount=total, at=PAID, state="succeeded", method="card"),)
    plain: dict[str, Any] = {"customer": who, "issued_at": ISSUED, "total": total, "lines": lines}
    yield ImportInvoice(reference="doc-paid", number="H-1", status=Status.PAID, paid_at=PAID, payments=paid, **plain)
    yield ImportInvoice(reference="doc-open", number="H-2", status=Status.OPEN, due_at=LATER, **plain)
    yield ImportInvoice(
        reference="doc-part", number="H-3", status=Status.OPEN, due_at=ISSUED,
        payments=(Payment(amount=eur(1000), at=PAID, state="succeeded", method="check"),), **plain,
    )  # fmt: skip
    yield ImportInvoice(reference="doc-void", number="H-4", status=Status.VOID, voided_at=PAID, **plain)
    yield ImportInvoice(reference="doc-lost", number="H-5", status=Status.UNCOLLECTIBLE, uncollectible_at=PAID, **plain)
    yield ImportInvoice(reference="doc-draft", status=Status.DRAFT, description="Not yet issued", **plain)
    yield ImportInvoice(reference="doc-mail", number="H-6", status=Status.OPEN, due_at=LATER, mail=True, **plain)
    yield ImportInvoice(reference="doc-held", number="H-7", status=Status.OPEN, due_at=LATER, armed=False, **plain)
    yield ImportInvoice(
        reference="doc-refunded", number="H-8", status=Status.PAID, paid_at=PAID, payments=paid,
        credit_notes=(CreditNote(id="re_1", number="R-1", amount=eur(700), kind="refund", at=PAID, reason="Other"),),
        **plain,
    )  # fmt: skip
    yield ImportInvoice(
        reference="doc-credited", number="H-9", status=Status.PAID,
        payments=(Payment(id="pay_2", amount=eur(2000), at=PAID, state="succeeded"),),
        credit_notes=(CreditNote(number="C-1", amount=eur(500), kind="adjustment", at=PAID),), **plain,
    )  # fmt: skip
    yield from _documents_with_parts(who, paid)


def _documents_with_parts(who: CustomerRef, paid: tuple[Payment, ...]) -> Iterator[ImportInvoice]:
    vat = TaxLine(name="VAT", rate=Decimal(19), amount=eur(399), inclusive=False)
    whole: dict[str, Any] = {"customer": who, "issued_at": ISSUED}
    known = CustomerRef(
        id=who.id, name="A", email="a@example.test", tax_ids=(TaxId(kind="eu_vat", value="DE1"),),
        address=Address(line1="1 High Street", city="Ulm", postal_code="89073", country="DE"),
    )  # fmt: skip
    yield ImportInvoice(
        reference="doc-whole", number="H-10", status=Status.PAID, paid_at=PAID, total=eur(2500),
        lines=(
            Line(id="line_1", description="Energy", amount=eur(1300), taxes=(vat,), discount=eur(100)),
            Line(description="Parking", quantity=2, unit_amount=eur(600)),
        ),
        taxes=(vat,), discounts=(Discount(name="Spring", code="SPRING", amount=eur(400)),),
        adjustments=(Adjustment(kind="rounding", amount=eur(1)),), payments=paid,
        description="March", purchase_order="PO-1", source=Source("acme", "acct_1", "in_1"),
        customer=known, issued_at=ISSUED,
    )  # fmt: skip
    yield ImportInvoice(reference="doc-bare", number="H-11", status=Status.OPEN, due_at=LATER, total=eur(900), **whole)
    yield ImportInvoice(reference="doc-bare-draft", status=Status.DRAFT, total=eur(900), **whole)
    yield ImportInvoice(
        reference="doc-taxed-draft", status=Status.DRAFT, total=eur(1699),
        lines=(Line(description="Energy", amount=eur(1300), taxes=(vat,)),), **whole,
    )  # fmt: skip
    yield ImportInvoice(reference="doc-mail-bare", status=Status.OPEN, due_at=LATER, mail=True, total=eur(900), **whole)
    yield ImportInvoice(reference="doc-free", number="H-12", status=Status.PAID, total=eur(0), **whole)
