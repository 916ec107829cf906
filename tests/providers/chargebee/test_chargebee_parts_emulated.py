"""What recordings and the emulator state of the parts of an invoice, and that they come to its total."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Address, CustomerRef, Invoice, Money, Payment, Status, decode
from invoice_bridge.core.exact import loads
from tests.providers.chargebee.conftest import make_world


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


def read(data: dict[str, Any]) -> Invoice:
    return decode("chargebee", data)


# ── recordings ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["invoice_deleted", "invoice_updated", "pending_invoice_created"])
def test_recordings_come_to_their_totals(name: str, shared_dir: Path) -> None:
    """Each is read without a problem, with the ids of its lines and its lists of payments and credit notes."""
    event = loads((shared_dir / "recordings" / "chargebee" / f"webhook_{name}.json").read_bytes())
    invoice = read(event["content"])
    assert (invoice.problems, invoice.unbalanced()) == ((), None)
    assert all(line.id and line.product and line.discount == Money(0, "USD") for line in invoice.lines)
    assert (invoice.payments, invoice.payments_complete) == ((), True)
    assert (invoice.credit_notes, invoice.credit_notes_complete, invoice.attempts) == ((), True, 0)
    assert invoice.updated_at is not None
    assert invoice.updated_at.timestamp() == event["content"]["invoice"]["updated_at"]


def test_the_recordings_name_customer_subscription_and_the_next_try(shared_dir: Path) -> None:
    """Of an unpaid invoice in dunning, and of a deleted one with an address."""
    folder = shared_dir / "recordings" / "chargebee"
    overdue, deleted = (
        read(loads((folder / f"webhook_invoice_{name}.json").read_bytes())["content"])
        for name in ("updated", "deleted")
    )
    assert (overdue.subscription, overdue.next_attempt_at) == (None, at(2020, 10, 19, 14, 46, 53))
    assert (deleted.subscription, deleted.lines[0].subscription) == ("16BjsrSIh5veWrBv", "16BjsrSIh5veWrBv")
    assert deleted.customer is not None
    assert deleted.customer.address == Address(state="Ohio", postal_code="44145", country="US")


# ── the emulator ─────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE = "/invoices/create_for_charge_items_and_charges"
BILL = (
    ("customer_id", "cus_42"),
    ("currency_code", "EUR"),
    ("auto_collection", "off"),
    ("charges[amount][0]", "995"),
    ("charges[amount][1]", "1999"),
    ("charges[amount][2]", "500"),
    ("charges[taxable][2]", "false"),
)


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("discounted", [False, True])
@pytest.mark.parametrize("rounds_off", [False, True])
@pytest.mark.parametrize("percent", [None, 19])
def test_the_emulators_documents_come_to_their_totals(
    *, inclusive: bool, discounted: bool, rounds_off: bool, percent: int | None
) -> None:
    """Whatever a site does by itself, the parts that it states are all of it, and the lists agree with their sums."""
    world = make_world(tax_inclusive=inclusive, discounted=discounted, rounds_off=rounds_off)
    world.site.tax_percent = percent
    invoice = read(world.made(CREATE, *BILL))
    assert (invoice.problems, invoice.unbalanced()) == ((), None)
    assert sum(tax.amount.minor for tax in invoice.taxes) == (invoice.tax.minor if invoice.tax else 0)
    off = invoice.discount.minor if invoice.discount else 0
    assert off == (349 if discounted else 0)
    assert sum(discount.amount.minor for discount in invoice.discounts if discount.amount is not None) == off
    assert sum(line.discount.minor for line in invoice.lines if line.discount is not None) == off
    assert len({line.id for line in invoice.lines}) == 3
    assert [len(line.taxes) for line in invoice.lines] == ([0, 0, 0] if percent is None else [1, 1, 0])
    assert all((tax.rate, tax.inclusive) == (percent, inclusive) for tax in invoice.taxes)
    assert {tax.amount for line in invoice.lines for tax in line.taxes} <= {eur(189), eur(380), eur(159), eur(319)}


def test_the_emulator_lists_payments_and_its_dunning() -> None:
    """A declined first payment is attempt 0, with the next one a day later; what pays it ends that."""
    world = make_world(declined_create_kept=True)
    pairs = dict(BILL) | {"auto_collection": "on", "payment_source_id": "pm_declined"}
    world.site.payment_sources["pm_declined"] = "cus_42"
    invoice = read(world.made(CREATE, *pairs.items()))
    now = invoice.updated_at
    assert now is not None
    failed = Payment(id="txn_failed_00000001", amount=eur(3494), at=now, state="failed")
    assert (invoice.payments, invoice.payments_complete, invoice.attempts) == ((failed,), True, 1)
    assert invoice.next_attempt_at is not None
    assert (invoice.next_attempt_at - now).days == 1
    paid = world.made(f"/invoices/{invoice.id}/record_payment", ("transaction[payment_method]", "cash"))
    invoice = read(paid["invoice"])
    assert [(payment.id, payment.state) for payment in invoice.payments] == [
        ("txn_failed_00000001", "failed"),
        ("txn_00000001", "succeeded"),
    ]
    assert (invoice.status, invoice.next_attempt_at, invoice.attempts) == (Status.PAID, None, 1)


def test_a_payment_that_the_emulator_declines_later_is_listed() -> None:
    """Collecting by hand is no dunning: the failed payment is there, and no attempt is counted."""
    world = make_world()
    made = world.made(CREATE, *BILL)["invoice"]
    answer = world.ask("POST", f"/invoices/{made['id']}/collect_payment", ("payment_source_id", "pm_declined"))
    assert answer.status == 400
    invoice = world.client.retrieve(made["id"])
    assert [(payment.amount, payment.state) for payment in invoice.payments] == [(eur(3494), "failed")]
    assert (invoice.attempts, invoice.amount_paid, invoice.payment_pending) == (None, eur(0), False)


def test_the_emulator_dates_a_write_off() -> None:
    """Its credit note is the one that gives the invoice up."""
    world = make_world()
    made = world.made(CREATE, *BILL)["invoice"]
    invoice = read(world.made(f"/invoices/{made['id']}/write_off"))
    (note,) = invoice.credit_notes
    assert (note.kind, note.amount, note.reason) == ("write_off", eur(3494), "Write Off")
    assert invoice.uncollectible_at == note.at == invoice.updated_at


def test_the_emulator_prints_the_customers_name() -> None:
    """An invoice takes the name of a customer who has no address."""
    world = make_world()
    world.made("/customers", ("id", "cus_7"), ("first_name", "Ada"), ("last_name", "Byron"))
    customer = read(world.made(CREATE, *(dict(BILL) | {"customer_id": "cus_7"}).items())).customer
    assert customer == CustomerRef(id="cus_7", name="Ada Byron")
