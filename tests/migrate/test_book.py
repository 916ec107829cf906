"""A migration of an application that keeps a journal: each reference moves in its book to the target."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from invoice_bridge import BilledElsewhere, Client, Collection, Money, OneTimeCharge
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.migrate import Migration
from tests.migrate.moves import Move, move


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path) as made:
        for side in (made.source, made.target):
            side |= {"journal": tmp_path / "bills.sqlite", "book": "shop", "lookup": "journal"}
        yield made


def bill(between: Move, side: str, reference: str) -> OneTimeCharge:
    """A bill of that reference, for the customer that the account has."""
    customer = between.emulators[getattr(between, side)["provider"]].customer
    amount = Money(1000, "EUR")
    return OneTimeCharge(
        reference=reference, customer=customer, amount=amount, description="Fees", collection=Collection.manual()
    )


def client(between: Move, side: str) -> Client:
    return Client(**getattr(between, side))


def claims(between: Move, reference: str) -> set[str]:
    """The providers that have a claim on a reference."""
    with closing(Journal(between.source["journal"])) as journal:
        return {claim.provider for claim in journal.claims(Book("", "shop"), reference)}


def run(migration: Migration, between: Move) -> dict[str, int]:
    migration.plan(customers=between.customers, open_invoices=True)
    return dict(migration.run(allow=migration.preview().stopping))


def test_a_reference_that_was_moved_is_the_target_s(between: Move) -> None:
    """Paid or open, it is billed by the target from then on, and by nobody else."""
    with client(between, "source") as billing:
        billing.mark_paid(billing.create(bill(between, "source", "res-paid")).id)
        billing.create(bill(between, "source", "res-open"))
    assert (claims(between, "res-paid"), claims(between, "res-open")) == ({"stripe"}, {"stripe"})
    with between.migration() as migration:
        assert run(migration, between)["done"] == 2
    assert (claims(between, "res-paid"), claims(between, "res-open")) == ({"chargebee"}, {"chargebee"})
    for reference in ("res-paid", "res-open"):
        with client(between, "source") as billing, pytest.raises(BilledElsewhere, match="chargebee"):
            billing.create(bill(between, "source", reference))
        with client(between, "target") as billing:  # the bill is there: it is returned
            assert billing.create(bill(between, "target", reference)).id in between.emulators["chargebee"].invoices
    assert len(between.emulators["chargebee"].invoices) == 2


def test_a_reference_that_the_book_has_elsewhere_is_left_to_a_person(between: Move) -> None:
    """Another invoice of the source has it in the book: nothing is made at the target."""
    with client(between, "source") as billing:
        made = billing.mark_paid(billing.create(bill(between, "source", "res-1")).id)
    documents = between.emulators["stripe"].invoices
    documents["in_other"] = documents.pop(made.id) | {"id": "in_other"}
    with between.migration() as migration:
        assert run(migration, between) == {"quarantined": 1}
        (row,) = migration.quarantine()
        assert row.reason == "billed-elsewhere"
    assert between.emulators["chargebee"].invoices == {}
    assert claims(between, "res-1") == {"stripe"}
