"""The steps of a migration, from the plan to the evidence, between two accounts that are served over HTTP."""

import hashlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from invoice_bridge import Client, ConfigurationError, Invoice, Money, Unreachable
from invoice_bridge.migrate import Item, Migration
from invoice_bridge.migrate.running import Stages
from invoice_bridge.migrate.schema import ITEMS, PLANS
from tests.migrate.moves import Move, move


@pytest.fixture
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path, *getattr(request, "param", ("stripe", "chargebee"))) as made:
        yield made


both_ways = pytest.mark.parametrize(
    "between", [("stripe", "chargebee"), ("chargebee", "stripe")], indirect=True, ids=" to ".join
)


def planned(migration: Migration, between: Move, **choices: Any) -> frozenset[str]:
    """Plan with the customers that are known; return the codes that must be accepted."""
    migration.plan(customers=between.customers, **choices)
    return migration.preview().stopping


@both_ways
def test_history_is_moved_from_the_plan_to_the_evidence(between: Move) -> None:
    """What ended is moved as it ended, the rest stays where it is, and each cent of the source is accounted for."""
    between.fill()
    with between.migration() as migration:
        allow = planned(migration, between)
        before = migration.preview()
        assert dict(before.counts) == {"planned": 8, "skipped": 4}
        assert before.closes
        assert sum(group.source[1] for group in before.groups) == sum(1000 + number for number in range(12))
        assert {effect for effect, number in before.effects.items() if number} <= {"issues", "records", "voids"}
        assert dict(before.reasons) == {("skipped", "source-still-billing"): 2, ("skipped", "draft"): 2}
        assert migration.run(allow=allow) == {"done": 8}
        assert migration.run(allow=allow) == {}
        verified = migration.verify()
        assert (verified.ok, verified.verified, verified.findings) == (True, 8, ())
        folder = migration.write_evidence(between.folder / "evidence")
    target = between.emulators[between.target["provider"]]
    assert len(target.invoices) == 8
    assert {entry.event for entry in target.ledger} & {"mailed", "collected"} == set()
    sums = {line[66:]: line[:64] for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines()}
    files = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert set(sums) == files
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == sums[name] for name in files)
    assert len((folder / "ledger.jsonl").read_text("utf-8").splitlines()) == 12
    assert json.loads((folder / "verification.json").read_text("utf-8"))["ok"] is True
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    assert between.source["api_key"].encode() not in everything
    assert between.target["api_key"].encode() not in everything
    with between.migration() as migration, pytest.raises(ConfigurationError, match="new or an empty folder"):
        migration.write_evidence(folder)


def test_customers_that_are_missing_are_written_for_a_person(between: Move) -> None:
    """The CSV names them once; completed, the next plan moves their invoices. Other lines of the file stay."""
    between.fill(4)
    file = between.folder / "customers.csv"
    with between.migration() as migration:
        migration.plan(customers=file)
        assert dict(migration.preview().reasons) == {("refused", "customer-unmapped"): 4}
        assert migration.preview().closes
        text = file.read_text("utf-8").splitlines()
        assert text[0] == "source_id,target_id,name,email"
        assert text[1].startswith("cus_42,,")
        migration.plan(customers=file)
        assert file.read_text("utf-8").splitlines() == text
        file.write_text("source_id,target_id\ncus_42,cus_42\n", "utf-8")
        migration.plan(customers=file)
        assert dict(migration.preview().counts) == {"planned": 4}
        file.write_text("source_id,target_id\ncus_42,cus_42\ncus_42,cus_43\n", "utf-8")
        with pytest.raises(ConfigurationError, match="a second id"):
            migration.plan(customers=file)
        file.write_text("a,b\n", "utf-8")
        with pytest.raises(ConfigurationError, match="source_id and target_id"):
            migration.plan(customers=file)


def test_a_plan_goes_on_where_it_was_interrupted(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same plan, each invoice once, the same totals; and until then nothing runs."""
    between.fill(6, ("paid",))
    page = Client.page

    def small(self: Client, command: Any) -> Any:
        return page(self, command.model_copy(update={"limit": 2}))

    def failing(self: Client, command: Any) -> Any:
        if command.cursor is not None:
            raise Unreachable("the network is away")
        return small(self, command)

    with between.migration() as migration:
        monkeypatch.setattr(Client, "page", failing)
        with pytest.raises(Unreachable):
            migration.plan(customers=between.customers)
        assert dict(migration.preview().counts) == {"planned": 2}
        with pytest.raises(ConfigurationError, match="is not complete"):
            migration.run()
        monkeypatch.setattr(Client, "page", small)
        assert migration.plan(customers=between.customers) == 1
        made = migration.preview()
        assert (dict(made.counts), made.closes) == ({"planned": 6}, True)
        assert sum(group.source[1] for group in made.groups) == sum(1000 + number for number in range(6))
        assert migration.plan(customers=between.customers) == 2  # a complete plan is not gone on with


def test_two_documents_of_one_reference_are_two_items(between: Move) -> None:
    """A bill that was made anew after it was withdrawn: neither is lost."""
    first = between.bill("void", "res-1", 1000)
    with between.client("source") as client:
        made = client.retrieve(first)
    second = between.bill("paid", "res-2", 1000)
    document = between.emulators["stripe"].invoices[second]
    document["metadata"] = dict(between.emulators["stripe"].invoices[first]["metadata"])
    assert made.reference == "res-1"
    with between.migration() as migration:
        allow = planned(migration, between)
        assert {row.reference for row in migration.ledger.rows(1)} == {"res-1", f"res-1~{first}"}
        assert migration.run(allow=allow) == {"done": 2}
        assert migration.verify().ok


def test_a_run_is_refused_before_anything_is_sent(between: Move) -> None:
    """Another account, mode, URL or key version, a plan that was changed by hand, and a target that is the source."""
    between.fill(2, ("paid",))
    with between.migration() as migration:
        allow = planned(migration, between)
    others: list[tuple[dict[str, Any], str]] = [
        ({"target": {**between.target, "site": "other-test"}}, "another target: its account"),
        ({"target": {**between.target, "base_url": "http://127.0.0.1:1"}}, "another target: its url"),
        ({"source": {**between.source, "mode": "live"}}, "another source: its mode"),
    ]
    for settings, message in others:
        with between.migration(**settings) as other, pytest.raises(ConfigurationError, match=message):
            other.run(allow=allow)
    with pytest.raises(ConfigurationError, match="one account"):
        between.migration(source=between.target)
    with between.migration() as migration:
        with pytest.raises(ConfigurationError, match="by their codes"):
            migration.run(allow=["lines"])
        database = migration.ledger.database
        with database.writing() as connection:
            (facts,) = connection.exec_driver_sql("SELECT facts FROM invoice_bridge_plans").one()
            connection.execute(update(PLANS).values(facts=facts.replace('"key_version":1', '"key_version":2')))
        with pytest.raises(ConfigurationError, match="key version 2"):
            migration.run(allow=allow)
        with database.writing() as connection:
            connection.execute(update(PLANS).values(facts=facts))
            (operation,) = connection.exec_driver_sql("SELECT operation FROM invoice_bridge_items LIMIT 1").one()
            connection.execute(
                update(ITEMS).where(ITEMS.c.number == 1).values(operation=operation.replace("cus_42", "cus_43"))
            )
        with pytest.raises(ConfigurationError, match="not as it was written"):
            migration.run(allow=allow)
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM invoice_bridge_items WHERE number = 1")
        assert not migration.preview().closes
    assert between.emulators["chargebee"].invoices == {}


def test_losses_are_accepted_by_their_codes(between: Move) -> None:
    """A loss that warns stops the run, and the message has what accepts it."""
    voided = between.bill("void", "res-1", 1000)
    between.emulators["stripe"].invoices[voided]["status_transitions"]["voided_at"] = None
    code = "IB-CHARGEBEE-IMPORT-VOIDED-AT-01"
    with between.migration() as migration:
        assert planned(migration, between) == {code}
        assert migration.preview().losses[code] == 1
        with pytest.raises(ConfigurationError, match=f"--allow {code}"):
            migration.run()
        assert between.emulators["chargebee"].invoices == {}
        assert migration.run(allow=[code]) == {"done": 1}
        assert migration.verify().ok


def test_a_run_is_bounded_by_count_and_by_amount(between: Move) -> None:
    """The first ones in the plan's order, and never more than an amount; then the rest."""
    between.fill(8, ("paid",))
    with between.migration() as migration:
        allow = planned(migration, between)
        assert migration.run(first=3, allow=allow) == {"done": 3}
        assert len(between.emulators["chargebee"].invoices) == 3
        assert migration.run(at_most=[Money(2500, "EUR")], allow=allow) == {"done": 2}
        assert migration.run(at_most=[Money(2500, "USD")], allow=allow) == {}
        assert migration.run(at_most=[Money(100, "EUR")], allow=allow) == {}
        assert len(between.emulators["chargebee"].invoices) == 5
        assert migration.run(allow=allow) == {"done": 3}
        assert migration.verify().ok


def test_an_invoice_that_changed_since_the_plan_is_not_moved(between: Move) -> None:
    """It is refused with the stable word, and the sweep plans it as it is now; what is new is planned there too."""
    between.fill(3, ("paid",))
    with between.migration() as migration:
        allow = planned(migration, between)
        with between.client("source") as client:
            changed = next(iter(client.list()))
        between.emulators["stripe"].invoices[changed.id]["number"] = "OTHER-1"
        assert migration.run(allow=allow) == {"done": 2, "refused": 1}
        assert dict(migration.preview().reasons) == {("refused", "changed-since-plan"): 1}
        assert [finding.kind for finding in migration.verify().findings] == ["not moved"]
        between.bill("paid", "res-new", 5000)
        number = migration.sweep(customers=between.customers)
        made = migration.preview(number)
        assert (dict(made.counts), made.reasons) == ({"planned": 2}, {})
        assert migration.run(number, allow=allow) == {"done": 2}
        assert migration.verify(number).ok
        assert migration.verify(1).ok  # the sweep has the rest
        assert migration.preview(migration.sweep(number, customers=between.customers)).counts == {}


@pytest.mark.parametrize("between", [("stripe", "chargebee")], indirect=True, ids=" to ".join)
def test_what_is_there_by_halves_is_never_refused(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document was made, its credit note lost, and the next try of that one is refused: a person decides."""
    between.bill("refunded", "res-1", 1000)
    emulator: Any = between.emulators["chargebee"]
    calls: list[str] = []

    def failing(call: Any) -> Any:
        calls.append(call.method)
        if len(calls) > 3:  # the first call's tries
            raise emulator._refuse("create_reason_code : is not one of the site's", param="create_reason_code")
        return emulator.server_error()

    monkeypatch.setattr(emulator, "import_credit_note", failing)
    with between.migration() as migration:
        allow = planned(migration, between)
        done = migration.run(allow=allow)
        (row,) = migration.ledger.rows(1)
        assert (row.state, row.target_id) == ("quarantined", next(iter(emulator.invoices))), (done, row.detail, calls)


def test_verify_finds_what_is_not_as_it_was_moved(between: Move) -> None:
    """A cent, a status, a customer, a number of the date, one that is missing and one that is there twice."""
    between.fill(7, ("paid",))
    documents = between.emulators["chargebee"].invoices
    with between.migration() as migration:
        allow = planned(migration, between)
        assert not migration.verify().ok  # nothing was moved yet
        migration.run(allow=allow)
        assert migration.verify().ok
        ids = list(documents)
        documents[ids[0]]["total"] += 1
        documents[ids[1]]["status"] = "not_paid"
        documents[ids[2]]["customer_id"] = "cus_43"
        documents[ids[3]]["date"] += 86_400
        del documents[ids[4]]
        documents[ids[5]]["line_items"][0]["amount"] += 1
        documents["twin"] = {**documents[ids[6]], "id": "twin"}
        made = migration.verify()
    assert not made.ok
    found = {finding.reference: (finding.kind, finding.detail) for finding in made.findings}
    assert {kind for kind, _ in found.values()} == {"differs", "missing", "doubled"}
    assert len(found) == 7
    details = " ".join(detail for _, detail in found.values())
    for word in (
        "total is",
        "status is",
        "customer.id is cus_43",
        "issued_at is",
        "has no document",
        "lines is",
        "twin",
    ):
        assert word in details


def test_an_interrupted_run_goes_on(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C finishes what is under way, and writes it: repeated, the rest is moved, and each item once."""
    between.fill(60, ("paid",))
    with between.migration() as migration:
        allow = planned(migration, between)
        stop = threading.Timer(0.4, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        make = Stages.make

        def slow(self: Stages, target: Client, item: Item) -> Invoice:
            time.sleep(0.05)
            return make(self, target, item)

        monkeypatch.setattr(Stages, "make", slow)
        stop.start()
        with pytest.raises(KeyboardInterrupt):
            migration.run(allow=allow, threads=2)
        counts = migration.ledger.counts(1)
        assert set(counts) == {"done", "planned"}  # nothing is left as sent
        assert counts["done"] == len(between.emulators["chargebee"].invoices)
        assert 0 < counts["done"] < 60
        assert migration.run(allow=allow)["done"] == 60 - counts["done"]
        assert len(between.emulators["chargebee"].invoices) == 60
        assert migration.verify().ok


@both_ways
def test_what_was_moved_is_not_moved_again(between: Move) -> None:
    """By a second plan of the ledger, by a plan in another ledger, or by one that was made before."""
    between.fill(4, ("paid",))
    documents = between.emulators[between.target["provider"]].invoices
    with between.migration() as migration:
        allow = planned(migration, between)
        assert migration.run(first=2, allow=allow) == {"done": 2}
        migration.plan(customers=between.customers)
        again = migration.preview()
        assert dict(again.counts) == {"planned": 2, "skipped": 2}
        assert dict(again.reasons) == {("skipped", "moved-before"): 2}
        with pytest.raises(ConfigurationError, match="plan 2 was made after plan 1"):
            migration.run(1, allow=allow)
        assert migration.run(allow=allow) == {"done": 2}
        assert migration.verify(2).ok
    with Migration(between.folder / "other.sqlite", source=between.source, target=between.target) as other:
        planned(other, between)
        assert dict(other.preview().counts) == {"skipped": 4}
        assert dict(other.preview().reasons) == {("skipped", "already-at-target"): 4}
        assert other.preview().closes
        assert other.run(allow=allow) == {}
    assert len(documents) == 4


def test_a_plan_that_is_under_way_is_finished_first(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two plans would have one item in hand."""
    between.fill(1, ("paid",))
    with between.migration() as migration:
        allow = planned(migration, between)
        with migration.ledger.database.writing() as connection:
            connection.execute(update(ITEMS).values(state="unknown", due_at=0))
        with pytest.raises(ConfigurationError, match="plan 1 has 1 items under way"):
            migration.plan(customers=between.customers)
        migration.run(allow=allow)
        migration.plan(customers=between.customers)
