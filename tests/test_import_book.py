"""An import and its book: a reference moves from the provider that had it to the one that has it now."""

from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import (
    BilledElsewhere,
    IdempotencyMismatch,
    ImportInvoice,
    Invoice,
    Line,
    Money,
    Payment,
    Source,
    Status,
)
from invoice_bridge.emulator import Fault, Kind
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.databases import Place
from tests.test_one_book import Shop

AT = datetime(2026, 5, 1, tzinfo=UTC)


def moved(invoice: Invoice, target: Shop, **said: Any) -> ImportInvoice:
    """The import of what Stripe's client made, as it ended."""
    total = Money(2500, "EUR")
    status = said.pop("status", Status.PAID)
    payments = (Payment(amount=total, at=AT, state="succeeded"),) if status is Status.PAID else ()
    least: dict[str, Any] = {
        "reference": "res-1", "customer": target.emulator.customer, "status": status, "total": total, "issued_at": AT,
        "lines": (Line(description="May", amount=total),), "payments": payments, "number": "N-1",
        "source": Source("stripe", "", invoice.id),
    }  # fmt: skip
    return ImportInvoice(**least | said)


@pytest.fixture
def shops(place: Place) -> tuple[Shop, Shop]:
    """Stripe, where the bill is, and Chargebee, where it goes; they keep one book."""
    return Shop("stripe", place), Shop("chargebee", place)


def claims(shop: Shop) -> list[tuple[str, str | None]]:
    """The accounts that claim the reference, and the invoices."""
    return [(claim.account, claim.invoice_id) for claim in Journal(shop.journal).claims(None, "res-1")]


def test_what_is_settled_at_the_source_passes_to_the_target(shops: tuple[Shop, Shop]) -> None:
    """The paid bill is imported with its source, and from then on the reference is the target's."""
    old, new = shops
    bill = old.bill(collection=old.bill().collection)
    made = old.client().create(bill)
    done = new.client().import_invoice(moved(made, new))
    assert done.status is Status.PAID
    assert claims(new) == [("chargebee:acme-test", "N-1")]
    with pytest.raises(BilledElsewhere) as refused:  # and nobody bills it again where it came from
        old.client().create(bill.model_copy(update={"attempt": 2}))
    assert refused.value.invoice_id == "N-1"


def test_what_is_open_stays_the_source_s_until_it_is_closed_there(shops: tuple[Shop, Shop]) -> None:
    """Both have it while both exist; the void at the source leaves the target's claim alone."""
    old, new = shops
    made = old.client().create(old.bill())
    done = new.client().import_invoice(moved(made, new, status=Status.OPEN, armed=False))
    assert sorted(claims(new)) == [("chargebee:acme-test", done.id), ("stripe:", made.id)]
    old.client().void(made.id)
    assert claims(new) == [("chargebee:acme-test", done.id)]
    assert new.client().import_invoice(moved(made, new, status=Status.OPEN)).id == done.id


@pytest.mark.parametrize(
    "source",
    [None, Source("stripe", "", "in_other"), Source("stripe", "acct_1", "in_1"), Source("whop", "", "in_1")],
    ids=["none", "another invoice", "another account", "another provider"],
)
def test_without_its_very_source_a_reference_is_billed_elsewhere(shops: tuple[Shop, Shop], source: Any) -> None:
    """Only the invoice that has the reference may be imported under it; nothing was sent."""
    old, new = shops
    made = old.client().create(old.bill())
    with pytest.raises(BilledElsewhere) as refused:
        new.client().import_invoice(moved(made, new, source=source))
    assert (refused.value.invoice_id, refused.value.outcome) == (made.id, "nothing_done")
    assert new.transport.sent == []
    assert claims(new) == [("stripe:", made.id)]


def test_a_bill_whose_outcome_is_unknown_is_no_source(place: Place) -> None:
    """A lost request at the source may have made another invoice: nothing is imported over it."""
    old = Shop("stripe", place, Fault(Kind.TIMEOUT_AFTER, method="POST", times=20))
    new = Shop("chargebee", place)
    with pytest.raises(Exception, match="may or may not"):
        old.client().create(old.bill())
    with pytest.raises(BilledElsewhere):
        new.client().import_invoice(moved(_unknown(), new))
    assert new.transport.sent == []


def _unknown() -> Invoice:
    return Invoice(provider="stripe", id="in_1", status=Status.OPEN, currency=None)


def test_the_same_reference_with_another_document_is_a_mismatch(shops: tuple[Shop, Shop]) -> None:
    """The journal holds what was imported; how far it is armed is no content, its total is."""
    old, new = shops
    made = old.client().create(old.bill())
    client = new.client()
    client.import_invoice(moved(made, new, status=Status.OPEN, armed=False))
    sent = len(new.transport.sent)
    with pytest.raises(IdempotencyMismatch):
        client.import_invoice(moved(made, new, status=Status.OPEN, description="another"))
    assert len(new.transport.sent) == sent


def test_a_book_without_the_source_imports_it_as_any_invoice(shops: tuple[Shop, Shop]) -> None:
    """A source that the book has never seen hands nothing over, and is no obstacle."""
    _, new = shops
    assert new.client().import_invoice(moved(_unknown(), new)).status is Status.PAID
    assert claims(new) == [("chargebee:acme-test", "N-1")]
    journal = Journal(new.journal)
    assert journal.hand_over(Book("chargebee:acme-test"), "res-1", ("chargebee:acme-test", "N-1"), "never", AT) == 0
    assert claims(new) == [("chargebee:acme-test", "N-1")]
