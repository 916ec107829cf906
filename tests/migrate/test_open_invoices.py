"""Open invoices: made unarmed, compared, closed at the source, read there again, and only then issued."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, InvalidState, Invoice, Money, ServerError
from invoice_bridge.migrate import Item, Migration
from invoice_bridge.migrate.running import Stages
from tests.migrate.moves import Move, move


@pytest.fixture
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path, *getattr(request, "param", ("stripe", "chargebee"))) as made:
        yield made


Stage = Callable[[Stages, Client, Item], Invoice]


def before(monkeypatch: pytest.MonkeyPatch, stage: str, act: Callable[[], object]) -> None:
    """Do something just before a stage of an item."""
    real: Stage = getattr(Stages, stage)

    def watched(self: Stages, target: Client, item: Item) -> Invoice:
        act()
        return real(self, target, item)

    monkeypatch.setattr(Stages, stage, watched)


def run(migration: Migration, between: Move) -> dict[str, int]:
    migration.plan(customers=between.customers, open_invoices=True)
    return dict(migration.run(allow=migration.preview().stopping))


def states(between: Move) -> tuple[list[str], list[str]]:
    """The statuses at the source and at the target."""
    found = []
    for side in ("source", "target"):
        with between.client(side) as client:
            found.append(sorted(str(one.status) for one in client.list()))
    return found[0], found[1]


@pytest.mark.parametrize("between", [("stripe", "chargebee"), ("chargebee", "stripe")], indirect=True, ids=" to ".join)
def test_it_is_closed_at_the_source_before_it_is_issued(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """At no stage can both collect; nobody is mailed or charged; verified; the sweep has nothing new."""
    between.bill("open", "res-1", 1000)
    seen: list[Any] = []
    for stage in ("make", "release", "arm"):
        before(monkeypatch, stage, lambda stage=stage: seen.append((stage, states(between))))  # type: ignore[misc]
    with between.migration() as migration:
        assert run(migration, between) == {"done": 1, "made": 1, "released": 1}
        assert [stage for stage, _ in seen] == ["make", "release", "arm"]
        assert seen[0][1] == (["open"], [])
        unarmed = "draft" if between.target["provider"] == "stripe" else "open"  # not_paid, which nothing collects
        assert seen[1][1] == (["open"], [unarmed])
        assert seen[2][1] == (["void"], [unarmed])
        assert states(between) == (["void"], ["open"])
        assert migration.verify().ok
        assert migration.preview(migration.sweep(customers=between.customers)).counts == {}
        undone = migration.preview(migration.undo(1))
        assert dict(undone.reasons) == {("refused", "undo-impossible"): 1}
    target = between.emulators[between.target["provider"]]
    assert {entry.event for entry in target.ledger} & {"mailed", "collected"} == set()


@pytest.mark.parametrize("between", [("chargebee", "stripe")], indirect=True, ids=" to ".join)
def test_what_was_made_is_issued_itself_however_late(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target has forgotten the key of the draft when it is issued: no second one is made."""
    between.bill("open", "res-1", 1000)
    before(monkeypatch, "arm", between.emulators["stripe"].kept.clear)
    with between.migration() as migration:
        migration.plan(customers=between.customers, open_invoices=True, numbers="new")
        assert migration.run(allow=migration.preview().stopping)["done"] == 1
        assert states(between) == (["void"], ["open"])
        assert migration.verify().ok


@pytest.mark.parametrize("between", [("chargebee", "stripe")], indirect=True, ids=" to ".join)
def test_what_was_paid_in_part_is_written_off_at_the_source(between: Move) -> None:
    """A payment cannot be voided; the target has it, and the rest is open there."""
    made = between.bill("open", "res-1", 1000)
    with between.client("source") as client:
        at = client.retrieve(made).created_at
        assert at is not None
        client.record_payment(made, amount=Money(400, "EUR"), at=at, reference="part-1")
    with between.migration() as migration:
        assert run(migration, between)["done"] == 1
        assert states(between) == (["uncollectible"], ["open"])
        with between.client("target") as client:
            (found,) = client.list()
        assert (found.amount_paid, found.amount_remaining) == (Money(400, "EUR"), Money(600, "EUR"))
        assert migration.verify().ok


@pytest.mark.parametrize("stage", ["release", "arm"])
def test_what_was_paid_meanwhile_is_recorded_as_paid(
    between: Move, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The customer paid at the source between two stages: nothing is left to collect at either."""
    made = between.bill("open", "res-1", 1000)
    paid: list[str] = []

    def pay() -> None:
        if not paid:
            paid.append(made)
            document = between.emulators["stripe"].invoices[made]
            document["status"] = "open"  # the payment was under way when it was closed
            with between.client("source") as client:
                client.mark_paid(made)

    before(monkeypatch, stage, pay)
    with between.migration() as migration:
        done = run(migration, between)
        assert done.get("done") == 1, [(row.reason, row.detail) for row in migration.ledger.rows(1)]
        assert states(between) == (["paid"], ["paid"])
        with between.client("target") as client:
            (found,) = client.list()
        assert (found.amount_paid, found.amount_remaining) == (Money(1000, "EUR"), Money(0, "EUR"))


def test_what_changed_meanwhile_is_left_to_a_person(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawn at the source by somebody else: it is not issued at the target, and not closed a second time."""
    made = between.bill("open", "res-1", 1000)

    def withdraw() -> None:
        with between.client("source") as client:
            client.void(made)

    before(monkeypatch, "release", withdraw)
    with between.migration() as migration:
        assert run(migration, between) == {"made": 1, "quarantined": 1}
        (row,) = migration.quarantine()
        assert (row.reason, row.reference) == ("changed-since-plan", "res-1")
        found = migration.verify()
        assert not found.ok
        assert [finding.kind for finding in found.findings] == ["not moved"]
        assert migration.resolve("res-1", "skipped", "it was withdrawn")
        assert migration.quarantine() == []


def test_a_document_that_differs_is_not_closed_at_the_source(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made is compared first: the source stays open, and a person decides."""
    between.bill("open", "res-1", 1000)

    def spoil() -> None:
        (document,) = between.emulators["chargebee"].invoices.values()
        document["total"] += 1

    before(monkeypatch, "release", spoil)
    with between.migration() as migration:
        assert run(migration, between) == {"made": 1, "quarantined": 1}
        assert states(between)[0] == ["open"]
        assert "total is" in migration.quarantine()[0].detail


def test_a_source_that_does_not_close_keeps_its_invoice(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal to close is no end: there is a document at the target, and a person decides."""
    between.bill("open", "res-1", 1000)

    def refuse(*_: object, **__: object) -> Invoice:
        raise InvalidState("it cannot be voided now", provider="stripe", status=400)

    monkeypatch.setattr(Client, "void", refuse)
    with between.migration() as migration:
        assert run(migration, between) == {"made": 1, "quarantined": 1}
        assert states(between)[0] == ["open"]


def test_a_lost_answer_of_closing_is_looked_at_again(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The void took effect and its answer was lost: it is closed once, and the invoice is issued once."""
    between.bill("open", "res-1", 1000)
    void, lost = Client.void, list[str]()

    def losing(self: Client, *arguments: Any, **options: Any) -> Invoice:
        done: Invoice = void(self, *arguments, **options)
        if not lost:
            lost.append(done.id)
            error = ServerError("the answer was lost", provider="stripe", status=500)
            error.outcome, error.invoice_id = "unknown", done.id
            raise error
        return done

    monkeypatch.setattr(Client, "void", losing)
    with between.migration() as migration:
        assert run(migration, between)["done"] == 1
        assert states(between) == (["void"], ["open"])
        assert len(between.emulators["chargebee"].invoices) == 1


def test_an_error_of_the_source_names_no_document_of_the_target(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the source cannot be read, the item keeps the id of what was made; and before, it has none."""
    made = between.bill("open", "res-1", 1000)
    seen: list[tuple[str, str | None]] = []
    retrieve, fails = Client.retrieve, [2]

    def failing(self: Client, invoice_id: str, **options: Any) -> Invoice:
        seen.extend((row.state, row.target_id) for row in migration.ledger.rows(1))
        if invoice_id == made and fails:
            fails[0] -= 1
            if fails == [0]:
                fails.clear()
            error = ServerError("the source is away", provider="stripe", status=500)
            error.outcome, error.invoice_id = "unknown", made
            raise error
        return retrieve(self, invoice_id, **options)

    with between.migration() as migration:
        migration.plan(customers=between.customers, open_invoices=True)
        monkeypatch.setattr(Client, "retrieve", failing)
        assert migration.run(allow=migration.preview().stopping)["done"] == 1
        assert made not in {target_id for _, target_id in seen}
        (row,) = migration.ledger.rows(1)
        assert (row.state, row.target_id) == ("done", next(iter(between.emulators["chargebee"].invoices)))


def test_a_lost_answer_of_a_payment_is_looked_at_again(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The payment was recorded and its answer was lost: it is recorded once."""
    made = between.bill("open", "res-1", 1000)
    record, lost = Client.record_payment, list[str]()

    def losing(self: Client, *arguments: Any, **options: Any) -> Invoice:
        done: Invoice = record(self, *arguments, **options)
        if not lost:
            lost.append(done.id)
            error = ServerError("the answer was lost", provider="chargebee", status=500)
            error.outcome = "unknown"
            raise error
        return done

    def pay() -> None:
        if between.emulators["stripe"].invoices[made]["status"] == "open":
            with between.client("source") as client:
                client.mark_paid(made)

    monkeypatch.setattr(Client, "record_payment", losing)
    before(monkeypatch, "release", pay)
    with between.migration() as migration:
        assert run(migration, between)["done"] == 1
        assert states(between) == (["paid"], ["paid"])
        with between.client("target") as client:
            (found,) = client.list()
            assert client.retrieve(found.id).amount_paid == Money(1000, "EUR")
