"""History at Whop: drafts, and open invoices that are mailed where that is asked; nothing else."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import (
    CreditNote,
    CustomerRef,
    Discount,
    ImportInvoice,
    Line,
    Money,
    Payment,
    Status,
    TaxLine,
    Unsupported,
    explain,
    losses,
)
from invoice_bridge.core.exact import loads
from invoice_bridge.core.model import Adjustment
from invoice_bridge.core.wire import Effect
from tests.providers.whop.conftest import DUE, Bench

ISSUED = datetime(2026, 3, 2, tzinfo=UTC)
NUMBERED = ["IB-WHOP-IMPORT-ISSUED-AT-01"]


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def document(**said: Any) -> ImportInvoice:
    least: dict[str, Any] = {
        "reference": "doc", "customer": "mber_42", "status": Status.DRAFT, "total": eur(1000), "issued_at": ISSUED,
        "lines": (Line(description="Energy", amount=eur(1000)),),
    }  # fmt: skip
    return ImportInvoice(**least | said)


PAID = {"status": Status.PAID, "payments": (Payment(amount=eur(1000), state="succeeded"),)}
PART = {"payments": (Payment(amount=eur(100), state="succeeded"),), "mail": True, "due_at": DUE}


@pytest.mark.parametrize(
    "said,problem",
    [
        (PAID, "would be mailed as a demand first"),
        ({"status": Status.VOID}, "would be mailed as a demand first"),
        ({"status": Status.UNCOLLECTIBLE}, "would be mailed as a demand first"),
        ({"status": Status.OPEN, "due_at": DUE}, "mailed by the request that makes it"),
        ({"status": Status.OPEN, "due_at": DUE, "armed": False}, "mailed by the request that makes it"),
        ({"status": Status.OPEN, "mail": True}, "demands a due date"),
        ({"status": Status.OPEN, **PART}, "a part payment cannot be recorded"),
        (
            {"status": Status.OPEN, "mail": True, "credit_notes": (CreditNote(amount=eur(1), kind="adjustment"),)},
            "there are no credit notes",
        ),
    ],
)
def test_history_is_refused_before_anything_is_sent(said: dict[str, Any], problem: str, bench: Bench) -> None:
    """Nothing makes it there but a request that mails or charges first."""
    with pytest.raises(Unsupported, match=problem):
        bench.billing.import_invoice(document(**said))
    assert bench.transport.sent == []


def test_an_open_invoice_is_mailed_where_that_is_asked(bench: Bench) -> None:
    """One request, which says so; a past due date is a loss once the time is known."""
    command = document(status=Status.OPEN, mail=True, due_at=DUE)
    plan = explain("whop", command, lookup="never", account_id="biz_42")
    assert plan.effects == {Effect.ISSUES, Effect.MAILS}
    done = bench.billing.import_invoice(command, allow=NUMBERED)
    assert (done.status, done.due_at) == (Status.OPEN, DUE)
    late = losses("whop", command, as_of=datetime(2027, 1, 1, tzinfo=UTC), account_id="biz_42")
    assert "IB-WHOP-IMPORT-DUE-01" in {loss.code for loss in late}


def test_a_draft_comes_to_the_total_of_the_document(bench: Bench) -> None:
    """Discounts, tax on top and adjustments are lines; a line that does not multiply keeps its amount."""
    command = document(
        total=eur(1190 - 100 + 50),
        lines=(Line(description="Tiers", quantity=3, unit_amount=eur(400), amount=eur(1000)),),
        taxes=(TaxLine(name="VAT", rate=Decimal("19.0"), amount=eur(190)),),
        discounts=(Discount(name="Spring", amount=eur(100)),),
        adjustments=(Adjustment(kind="shipping", amount=eur(50)),),
        customer=CustomerRef(email="ada@example.test", name="Ada"),
    )
    allowed = [*NUMBERED, "IB-WHOP-IMPORT-TAX-01", "IB-WHOP-IMPORT-QUANTITY-01"]
    done = bench.billing.import_invoice(command, allow=allowed)
    body = loads(bench.transport.sent[0].content)
    assert [(line["label"], str(line["unit_price"]), line["quantity"]) for line in body["line_items"]] == [
        ("Tiers", "10", 1), ("Spring", "-1", 1), ("VAT 19 %", "1.90", 1), ("Shipping", "0.50", 1),
    ]  # fmt: skip
    assert (done.status, done.subtotal, bench.events()) == (Status.DRAFT, command.total, [])


def test_an_import_is_found_by_its_reference(bench: Bench) -> None:
    """Past its key the reference in the plan's notes finds it: nothing is made again."""
    first = bench.billing.import_invoice(document(), allow=NUMBERED)
    again = bench.client(lookup="always").import_invoice(document(), allow=NUMBERED)
    assert again.id == first.id
    assert [path for path in bench.paths() if path.startswith("POST")] == ["POST /invoices"]
