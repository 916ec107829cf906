"""Undo: on Chargebee it ends where it began; elsewhere the leftovers are exactly those that are listed."""

import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, InvalidState, Money, OneTimeCharge
from invoice_bridge.migrate import Migration
from tests.migrate.moves import Move, move
from tests.migrate.whole import whole

WHOLE = ("draft", "paid", "void")


@pytest.fixture
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path, *getattr(request, "param", ("stripe", "chargebee"))) as made:
        yield made


def own_document(between: Move) -> str:
    """An invoice that the target had before, paid there."""
    with between.client("target") as client:
        customer = between.emulators[between.target["provider"]].customer
        command = OneTimeCharge(reference="own-1", customer=customer, amount=Money(777, "EUR"), description="Own")
        made = client.create(command, allow=[loss.code for loss in client.losses(command)])
        return client.mark_paid(made.id).id


def documents(between: Move) -> tuple[list[Any], list[Any]]:
    """What the target shows: its invoices, and at Chargebee its transactions."""
    emulator: Any = between.emulators[between.target["provider"]]
    with between.client("target") as client:
        read = list(client.list(full=True))
    shown = sorted((one.id, str(one.status), str(one.total), str(one.amount_paid)) for one in read)
    transactions = emulator._transactions() if between.target["provider"] == "chargebee" else []
    return shown, sorted(row["id"] for row in transactions)


def moved(migration: Migration, between: Move) -> None:
    migration.plan(customers=between.customers, drafts=True)
    migration.run(allow=migration.preview().stopping)


def test_undo_chooses_the_plan_that_made_something(between: Move) -> None:
    """A sweep that found nothing new is not taken back; of several plans that made documents, one is to be named."""
    with between.migration() as migration:
        between.fill(2, ("paid",))
        migration.plan(customers=between.customers)
        with pytest.raises(ConfigurationError, match="no plan of this ledger has made anything"):
            migration.undo()
        migration.run(1, allow=migration.preview(1).stopping)
        empty = migration.sweep(customers=between.customers)
        undo = migration.undo()
        assert (migration.ledger.plan(undo).facts["of"], dict(migration.preview(undo).counts)) == (1, {"planned": 2})
        assert migration.run(undo) == {"done": 2}
        between.bill("paid", "res-late", 500)
        late = migration.sweep(empty, customers=between.customers)
        migration.run(late, allow=migration.preview(late).stopping)
        with pytest.raises(ConfigurationError) as raised:
            migration.undo()
        assert f"plan 1 has 2 (taken back by plan {undo}), plan {late} has 1" in str(raised.value)
        assert str(raised.value).endswith(f"pass plan={late}")
        assert dict(migration.preview(migration.undo(late)).counts) == {"planned": 1}


def test_on_chargebee_undo_ends_where_it_began(between: Move) -> None:
    """Drafts, paid and void ones are deleted with their payments; nobody is mailed, charged or credited."""
    own_document(between)
    before = documents(between)
    emulator = between.emulators["chargebee"]
    seen = len(emulator.ledger)
    between.fill(9, WHOLE)
    with between.migration() as migration:
        moved(migration, between)
        assert len(documents(between)[0]) == 1 + 9
        number = migration.undo()
        made = migration.preview(number)
        assert dict(made.counts) == {"planned": 9}
        assert made.closes
        assert "stay used" in made.checks[0]
        assert dict(made.effects) == {"records": 3, "voids": 6}  # three are drafts
        assert made.requests == 3 + 3 * 2 + 3
        assert (made.losses, made.stopping) == ({}, frozenset())  # what the imports lost is accepted already
        assert len(documents(between)[0]) == 1 + 9  # a plan writes nothing
        assert migration.run(number) == {"done": 9}
        assert migration.run(number) == {}
    assert documents(between) == before
    assert {entry.event for entry in emulator.ledger[seen:]} & {"mailed", "collected", "refunded"} == set()


@pytest.mark.parametrize(
    "between, left",
    [
        (("stripe", "chargebee"), {"refunded"}),
        (("chargebee", "stripe"), {"paid", "void", "uncollectible"}),
    ],
    indirect=["between"],
    ids=["Chargebee", "Stripe"],
)
def test_the_leftovers_are_exactly_those_that_are_listed(between: Move, left: set[str]) -> None:
    """What the plan of the undo refuses is what the target still has afterwards, document by document."""
    ends: tuple[str, ...] = ("draft", "paid", "void", "uncollectible", "refunded")
    own = own_document(between)
    ends = ends if between.source["provider"] == "stripe" else ends[:-1]
    for place, end in enumerate(ends):
        between.bill(end, f"{end}-{place}", 1000 + place)
    with between.migration() as migration:
        moved(migration, between)
        number = migration.undo()
        refused = {row.source["target_id"] for row in migration.ledger.rows(number, ("refused",))}
        reasons = {row.reason for row in migration.ledger.rows(number, ("refused",))}
        assert {row.reference.partition("-")[0] for row in migration.ledger.rows(number, ("refused",))} == left
        assert reasons == {"undo-impossible"}
        assert migration.run(number) == {"done": len(ends) - len(left)}
    assert {shown[0] for shown in documents(between)[0]} == {own, *refused}


def test_what_has_changed_since_is_not_taken_back(between: Move) -> None:
    """A document that somebody edited, and one that was paid by card since: nothing of either is deleted."""
    between.fill(2, ("paid",))
    emulator: Any = between.emulators["chargebee"]
    with between.migration() as migration:
        moved(migration, between)
        first, second = list(emulator.invoices.values())
        first["line_items"][0]["amount"] += 1
        emulator.paid_by[second["linked_payments"][0]["txn_id"]] = {"payment_method": "card", "gateway": "chargebee"}
        number = migration.undo()
        assert migration.run(number) == {"refused": 2}
        reasons = [row.reason for row in migration.ledger.rows(number)]
        assert sorted(reasons) == ["changed-since-plan", "invalid-state"]
    assert [len(one["linked_payments"]) for one in (first, second)] == [1, 1]
    assert [one["deleted"] for one in (first, second)] == [False, False]


def test_what_could_be_collected_in_between_is_not_deleted(between: Move) -> None:
    """A document that is due in the future keeps its payments: without them it would be collected on that day."""
    between.fill(1, ("paid",))
    emulator: Any = between.emulators["chargebee"]
    with between.migration() as migration:
        moved(migration, between)
        (found,) = emulator.invoices.values()
        found["due_date"] = int(datetime.now(UTC).timestamp()) + 86_400
        number = migration.undo()
        assert migration.run(number) == {"refused": 1}
        (row,) = migration.ledger.rows(number)
        assert row.reason in {"undo-impossible", "changed-since-plan"}
    assert len(found["linked_payments"]) == 1


def test_what_becomes_payment_due_is_deleted_at_once(between: Move) -> None:
    """The switch: an invoice whose payment is deleted becomes payment_due. Left there it could be collected."""
    between.fill(1, ("paid",))
    emulator: Any = between.emulators["chargebee"]
    emulator.switches["deleted_payment_inert"] = False
    with between.migration() as migration:
        moved(migration, between)
        number = migration.undo()
        assert migration.run(number) == {"done": 1}
    assert documents(between) == ([], [])
    assert {entry.event for entry in emulator.ledger} & {"mailed", "collected"} == set()


def test_a_payment_that_must_be_removed_first_stays_and_nothing_changes(between: Move) -> None:
    """The switch: the site does not delete a payment that is applied. The documents are listed, as they were."""
    between.fill(2, ("paid", "credited"))
    emulator: Any = between.emulators["chargebee"]
    emulator.switches["applied_payment_deleted"] = False
    with between.migration() as migration:
        moved(migration, between)
        before = documents(between)
        number = migration.undo()
        assert migration.run(number) == {"refused": 2}
        (row, _) = migration.ledger.rows(number)
        assert "by hand" in row.detail
    assert documents(between) == before
    assert migration_is_as_it_was(between)


def migration_is_as_it_was(between: Move) -> bool:
    with between.migration() as migration:
        return migration.verify(1).ok


@pytest.mark.parametrize("end", ["uncollectible", "credited", "credited whole"])
def test_what_was_credited_or_written_off_is_taken_back(between: Move, end: str) -> None:
    """The credit notes go first after the payments; nothing of them is left, and nobody is mailed or charged."""
    own_document(between)
    before = documents(between)
    emulator: Any = between.emulators["chargebee"]
    seen = len(emulator.ledger)
    between.fill(2, (end,))
    with between.migration() as migration:
        moved(migration, between)
        notes = [note for one in emulator.invoices.values() for note in one["adjustment_credit_notes"]]
        assert len(notes) == 2
        number = migration.undo()
        made = migration.preview(number)
        assert (dict(made.counts), dict(made.effects)) == ({"planned": 2}, {"records": 2, "voids": 2})
        assert made.requests == 2 * (3 if end == "credited" else 2)
        assert migration.run(number) == {"done": 2}
    assert documents(between) == before
    assert not [note for one in emulator.invoices.values() for note in one["adjustment_credit_notes"]]
    assert {entry.event for entry in emulator.ledger[seen:]} & {"mailed", "collected", "refunded"} == set()


@pytest.mark.parametrize("lost", ["delete_offline_transaction", "delete_credit_note", "delete"])
def test_an_undo_that_lost_an_answer_goes_on(between: Move, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of any request is lost: repeated, it ends as it would have."""
    between.fill(1, ("credited",))
    emulator: Any = between.emulators["chargebee"]
    with between.migration() as migration:
        moved(migration, between)
        number = migration.undo()
        real, calls = getattr(emulator, lost), []

        def failing(call: Any, found: str) -> Any:
            done = real(call, found)
            calls.append(found)
            return emulator.server_error() if len(calls) == 1 else done

        monkeypatch.setattr(emulator, lost, failing)
        migration.run(number)
        assert migration.ledger.counts(number) == {"done": 1}
    assert calls
    assert documents(between) == ([], [])


def test_only_an_import_is_deleted_so(between: Move) -> None:
    """A paid invoice that the site made itself is refused before anything is sent; so is one of another provider."""
    own = own_document(between)
    with between.client("target") as client:
        with pytest.raises(InvalidState, match="does not say that it was imported"):
            client.delete(own, imported=True)
        with pytest.raises(InvalidState, match="it is paid"):
            client.delete(own)
        assert client.retrieve(own).amount_paid == Money(777, "EUR")
    paid = between.bill("paid", "res-1", 1000)
    with between.client("source") as client, pytest.raises(InvalidState):
        client.delete(paid, imported=True)


def test_the_requests_of_taking_back_are_explained(between: Move) -> None:
    """The read, the payment, the read that shows it unpaid, the deletion."""
    from invoice_bridge import Delete, explain

    made = explain("chargebee", Delete(id="INV-1", imported=True), site="acme-test")
    assert [(request.method, request.path.rpartition("/")[2]) for request in made.requests] == [
        ("GET", "INV-1"),
        ("POST", "delete_offline_transaction"),
        ("GET", "INV-1"),
        ("POST", "delete"),
    ]
    assert {effect.value for effect in made.effects} == {"records", "voids"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="this platform has no SIGKILL")
def test_an_undo_whose_workers_are_killed_ends_as_it_would_have(tmp_path: Path) -> None:
    """Killed after a payment or a credit note was deleted, and before what came of it was written: the rest follows."""
    with whole(tmp_path / "ledger.sqlite", ("stripe", "chargebee"), 24, numbers="new") as stage:
        stage.start().join(120)
        emulator: Any = stage.emulators["target"]
        with stage.migration() as migration:
            number = migration.undo()
            left = {row.source["target_id"] for row in migration.ledger.rows(number, ("refused",))}
        assert len(left) == 8  # refunded, and open ones that are closed at the source
        seen = len(emulator.ledger)
        for point, after in (("answer", 2), ("settle", 0)):
            killed = stage.start(point=point, after=after)
            killed.join(60)
            assert killed.exitcode == -signal.SIGKILL
        stage.start().join(120)
        with stage.migration() as migration:
            assert migration.ledger.counts(number) == {"done": 16, "refused": 8}
    assert {known for known, one in emulator.invoices.items() if not one["deleted"]} == left
    assert {entry.event for entry in emulator.ledger[seen:]} <= {"payment_deleted", "credit_deleted", "deleted"}
