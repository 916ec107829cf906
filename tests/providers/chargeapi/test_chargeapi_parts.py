"""The parts of ChargeAPI's invoices: one payment where it is paid; nothing else of them is stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Collection, Invoice, Money, Payment, Status, decode
from invoice_bridge.core.exact import loads
from tests.providers.chargeapi.bench import Bench, may_invoice, stated
from tests.providers.chargeapi.test_chargeapi_parse import instant

PAID_AT = "2026-06-03T10:00:00.001Z"
PAID = {"status": "paid", "amount_due": 0, "amount_paid": 2500, "paid_at": PAID_AT, "payment_method": "pm_1"}
UNSTATED: dict[str, Any] = {
    "subscription": None, "footer": None, "taxes": (), "discounts": (), "adjustments": (), "payments_complete": False,
    "credit_notes": (), "credit_notes_complete": False, "uncollectible_at": None, "updated_at": None, "attempts": None,
    "next_attempt_at": None,
}  # fmt: skip


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


def test_a_paid_invoice_has_one_payment() -> None:
    """Its amount, when and with which method are fields of the invoice; the payment itself has no id."""
    found = decode("chargeapi", stated(**PAID))
    at = instant(2026, 6, 3, 10, 0, 0, 1)
    assert found.payments == (Payment(amount=euros(2500), at=at, state="succeeded", method="pm_1"),)
    assert (found.total, found.unbalanced(), found.problems) == (euros(2500), None, ())
    assert {name: getattr(found, name) for name in UNSTATED} == UNSTATED
    assert [(line.id, line.product, line.taxes) for line in found.lines] == [(None, None, ())] * len(found.lines)


@pytest.mark.parametrize("status", ["draft", "open", "overdue", "void", "uncollectible", "marinating", None])
def test_an_invoice_that_is_not_paid_has_none(status: str | None) -> None:
    """What is paid of an open one, if that can be, may be several payments: nothing says."""
    found = decode("chargeapi", stated(status=status, amount_due=1500, amount_paid=1000))
    assert (found.payments, found.payments_complete, found.unbalanced()) == ((), False, None)


def test_an_invoice_of_nothing_is_paid_without_a_payment() -> None:
    """Nothing was taken."""
    assert decode("chargeapi", stated(**PAID | {"amount_paid": 0, "line_items": []})).payments == ()


@pytest.mark.parametrize(
    "name, odd, amount, at, method",
    [
        ("amount_paid", "2500", False, True, True),
        ("paid_at", "yesterday", True, False, True),
        ("payment_method", 7, True, True, False),
    ],
)
def test_a_payment_with_a_wrong_type(name: str, odd: Any, amount: bool, at: bool, method: bool) -> None:
    """What cannot be read of it is None and noted once, and the payment is there."""
    found = decode("chargeapi", stated(**PAID | {name: odd}))
    (payment,) = found.payments
    assert (payment.amount is not None, payment.at is not None, payment.method is not None) == (amount, at, method)
    assert [problem.path for problem in found.problems] == [name]
    assert name in found.unmapped()
    assert Invoice.model_validate_json(found.model_dump_json()) == found


def test_a_tax_that_no_field_states_shows_as_what_is_left() -> None:
    """Finalizing may add a tax, which the balance has and no field: by that the lines and the total differ."""
    bench = Bench(finalize_taxes=True)
    found = bench.client.create(may_invoice(collection=Collection.charge(), tax="provider"))
    assert (found.status, found.subtotal, found.total) == (Status.PAID, euros(2500), euros(3000))
    assert (found.tax, found.taxes, found.unbalanced()) == (None, (), euros(500))
    assert [payment.amount for payment in found.payments] == [euros(3000)]


@pytest.mark.parametrize("kind", ["manual", "charge"])
def test_what_the_emulator_states_balances(kind: str) -> None:
    """Without that tax the parts come to the total, as a draft, open and paid."""
    collection = Collection.charge() if kind == "charge" else Collection.manual()
    found = Bench().client.create(may_invoice(collection=collection))
    assert (found.subtotal, found.total, found.unbalanced()) == (euros(2500), euros(2500), None)
    assert [(payment.method, payment.at) for payment in found.payments] == (
        [("pm_of_the_fleet", found.paid_at)] if kind == "charge" else []
    )


@pytest.mark.parametrize("name", ["page_create.json", "page_list.json", "page_object.json"])
def test_the_recordings_balance(shared_dir: Path, name: str) -> None:
    """Each is a draft: its lines come to its balance, and nothing was paid."""
    path = shared_dir / "recordings" / "chargeapi" / name
    if not path.is_file():
        pytest.skip(f"no reference material: {name} is not there")
    data = loads(path.read_bytes())
    for one in data.get("data", [data]):
        found = decode("chargeapi", one)
        assert (found.total, found.subtotal, found.unbalanced()) == (euros(2500), euros(2500), None)
        assert (found.payments, found.problems, found.unmapped()) == ((), (), ())
