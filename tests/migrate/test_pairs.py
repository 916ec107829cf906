"""The pairs of a move: products, accounts of one provider, sources that take no history, adapters from outside."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import invoice_bridge.providers
from invoice_bridge import Client, Collection, ConfigurationError, Money, OneTimeCharge, Period, PeriodInvoice
from invoice_bridge.emulator.server import running
from invoice_bridge.migrate import Migration
from invoice_bridge.migrate.operations import read_operation
from tests.migrate.moves import Move, move
from tests.migrate.museum import MuseumServer

KEY = "museum_test_not_a_key"


@pytest.fixture
def museum(monkeypatch: pytest.MonkeyPatch) -> MuseumServer:
    """The museum as a provider that is installed, and its server."""
    monkeypatch.setitem(invoice_bridge.providers._BUILT_IN, "museum", "tests.migrate.museum:MUSEUM")
    return MuseumServer()


def target_of(server: MuseumServer) -> dict[str, Any]:
    return {"provider": "museum", "api_key": KEY, "http": httpx.Client(transport=server)}


def run(migration: Migration, customers: Any, **choices: Any) -> dict[str, int]:
    migration.plan(customers=customers, **choices)
    return dict(migration.run(allow=migration.preview().stopping))


# ── products ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def of_csv(folder: Path) -> Any:
    file = folder / "products.csv"
    file.write_text("source_id,target_id\nprice_old,price_new\n", "utf-8")
    return file


PRODUCTS: dict[str, Callable[[Path], Any]] = {
    "a CSV file": of_csv,
    "a mapping": lambda _folder: {"price_old": "price_new"},
    "a function": lambda _folder: {"price_old": "price_new"}.get,
    "the profile": lambda _folder: None,
}


@pytest.mark.parametrize("way", PRODUCTS)
def test_products_are_mapped(tmp_path: Path, museum: MuseumServer, way: str) -> None:
    """By a CSV file, a mapping, a function of the id, or the profile's [products]; an id that no map has stays."""
    with move(tmp_path) as between:
        for place, price in enumerate(("price_old", "price_other")):
            made = between.bill("paid", f"res-{place}", 1000)
            row = between.emulators["stripe"].invoices[made]["rows"][0]
            row["pricing"] = {"type": "price_details", "price_details": {"price": price, "product": "prod_x"}}
        target = target_of(museum)
        if way == "the profile":
            target["products"] = {"fees": {"stripe": "price_old", "museum": "price_new"}}
        with between.migration(target=target) as migration:
            assert run(migration, {"cus_42": "visitor_1"}, products=PRODUCTS[way](tmp_path)) == {"done": 2}
            assert migration.verify().ok
        with Client("museum", api_key=KEY, http=target["http"], lookup="never") as client:
            lines = {one.reference: one.lines[0] for one in client.list()}
    assert {reference: line.price for reference, line in lines.items()} == {
        "res-0": "price_new",
        "res-1": "price_other",
    }
    assert {line.product for line in lines.values()} == {"prod_x"}


def test_a_function_of_products_that_fails_to_answer_leaves_the_id(tmp_path: Path, museum: MuseumServer) -> None:
    """None is no id: the source's stays, and is never guessed."""
    with move(tmp_path) as between:
        between.bill("paid", "res-0", 1000)
        with between.migration(target=target_of(museum)) as migration:
            migration.plan(customers={"cus_42": "v"}, products=lambda _own: None)
            (row,) = migration.ledger.rows(1)
            assert read_operation(row.operation["make"]).lines[0].product == "prod_00000001"


# ── one provider, two accounts ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["stripe", "chargebee"])
def test_one_account_moves_to_another_of_the_same_provider(tmp_path: Path, name: str) -> None:
    """Numbers, dates and amounts are kept; the source stays as it was; undo reaches the target alone."""
    with running(names=[name]) as old, running(names=[name]) as new:
        sides = [
            {
                "provider": name,
                "api_key": served.emulators[name].key,
                "base_url": served.base_urls[name],
                **served.emulators[name].settings,
            }
            for served in (old, new)
        ]
        emulators = dict(old.emulators)
        between = Move(tmp_path, sides[0], sides[1], emulators)
        between.fill(6, ("paid", "void", "uncollectible", "open"))
        before = dict(old.emulators[name].invoices)
        same = {"cus_42": "cus_42"}
        with between.migration() as migration:
            assert run(migration, same) == {"done": 5}
            assert migration.verify().ok
            with between.client("source") as source, between.client("target") as target:
                originals = {one.reference: one for one in source.list()}
                for one in target.list():
                    original = originals[one.reference]
                    assert (one.number, one.total, one.status) == (original.number, original.total, original.status)
            number = migration.undo()
            migration.run(number)
        assert old.emulators[name].invoices == before


def test_one_account_is_not_moved_to_itself(tmp_path: Path) -> None:
    """The same address and key: refused before anything is read."""
    with move(tmp_path, "stripe", "chargebee") as between, pytest.raises(ConfigurationError, match="one account"):
        between.migration(target=between.source)


# ── sources that take no history ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("target", ["chargebee", "stripe"])
def test_whop_is_a_source(tmp_path: Path, target: str) -> None:
    """What was paid moves with what its payment states; an invoice whose total Whop does not state is refused."""
    with move(tmp_path, "whop", target) as between, between.client("source") as client:
        emulator = between.emulators["whop"]
        due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=14)
        for place, end in enumerate(("charged", "marked", "void", "open", "draft")):
            command = OneTimeCharge(
                reference=f"res-{place}",
                customer=emulator.customer,
                amount=Money(1000 + place, "USD"),
                description="Fees",
                collection=Collection.charge("pmt_42") if end == "charged" else Collection.send(due=due),
                issued_at=datetime.now(UTC).replace(microsecond=0) if end == "charged" else None,
                draft=end == "draft",
            )
            made = client.create(command, allow=[loss.code for loss in client.losses(command)])
            if end == "marked":
                client.mark_paid(made.id)
            elif end == "void":
                client.void(made.id)
        with between.migration() as migration:
            migration.plan(customers=lambda _invoice: "cus_42")
            preview = migration.preview()
            assert preview.closes
            assert dict(preview.counts) == {"planned": 1, "refused": 2, "skipped": 2}
            assert dict(preview.reasons) == {
                ("refused", "source-total-unknown"): 2,
                ("skipped", "source-still-billing"): 1,
                ("skipped", "draft"): 1,
            }
            assert migration.run(allow=preview.stopping) == {"done": 1}
            assert migration.verify().ok
        with between.client("target") as moved:
            assert [(str(one.status), str(one.total)) for one in moved.list()] == [("paid", "10.00 USD")]


@pytest.mark.parametrize("target", ["chargebee", "stripe"])
def test_chargeapi_is_a_source(tmp_path: Path, target: str) -> None:
    """Its invoices have a fleet for a customer and no number: the id is the number, the fleets are mapped."""
    with move(tmp_path, "chargeapi", target) as between:
        fleet = between.emulators["chargeapi"].customer
        with between.client("source") as client:
            for month, end in ((3, "paid"), (4, "void"), (5, "open")):
                command = PeriodInvoice(
                    reference=f"{fleet}/2026-0{month}", customer=fleet, currency="EUR", period=Period.month(2026, month)
                )
                made = client.create(command, allow=[loss.code for loss in client.losses(command)])
                if end == "paid":
                    client.pay(made.id, expect=made.total)
                elif end == "void":
                    client.void(made.id)
            listed = list(client.list())
        with between.migration() as migration:
            migration.plan(customers={fleet: "cus_42"})
            preview = migration.preview()
            assert preview.closes
            assert len(listed) == 3
            assert dict(preview.counts) == {"planned": 1, "refused": 1, "skipped": 1}
            assert ("refused", "source-total-unknown") in preview.reasons  # what was never paid has no amount there
            assert migration.run(allow=preview.stopping) == {"done": 1}
            assert migration.verify().ok
        with between.client("target") as moved:
            totals = {one.id: one.total for one in listed}
            assert all(one.total == totals[one.number or ""] for one in moved.list())


@pytest.mark.parametrize("target", ["whop", "chargeapi"])
def test_a_target_that_takes_no_history_refuses_each_item(tmp_path: Path, target: str) -> None:
    """Nothing is sent, each item is refused with the reason, and the totals close."""
    with move(tmp_path, "stripe", target) as between:
        between.fill(3, ("paid",))
        with between.migration() as migration:
            migration.plan(customers={"cus_42": "cus_42"})
            preview = migration.preview()
            assert dict(preview.counts) == {"refused": 3}
            assert preview.closes
            assert migration.run(allow=preview.stopping) == {}
        assert not between.emulators[target].invoices


# ── an adapter from outside ──────────────────────────────────────────────────────────────────────────────────────────
def test_an_adapter_takes_part_by_its_import_alone(tmp_path: Path, museum: MuseumServer) -> None:
    """Plan, run, verify, evidence and undo, with a provider that lists, retrieves and imports."""
    with move(tmp_path) as between:
        between.fill(5, ("paid", "void", "uncollectible", "refunded", "open"))
        with between.migration(target=target_of(museum)) as migration:
            assert run(migration, {"cus_42": "visitor_1"}) == {"done": 4}
            assert migration.verify().ok
            one = next(iter(museum.documents.values()))
            one["document"] = one["document"].replace('"minor":', '"minor":1')
            assert not migration.verify().ok
            one["document"] = one["document"].replace('"minor":1', '"minor":', 1)
            number = migration.undo()
            assert dict(migration.preview(number).counts) == {"refused": 4}
            assert (migration.write_evidence(tmp_path / "evidence", 1) / "SHA256SUMS").exists()
            migration.plan(customers={"cus_42": "visitor_1"})
            assert migration.preview().counts["skipped"] == 5
    assert len(museum.documents) == 4


@pytest.fixture
def lago(monkeypatch: pytest.MonkeyPatch) -> str:
    """The example adapter for Lago as a provider that is installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples" / "lago" / "src"))
    monkeypatch.setitem(invoice_bridge.providers._BUILT_IN, "lago", "invoice_bridge_lago:LAGO")
    return "lago"


def test_a_source_that_does_not_state_its_parts_whole_is_refused(tmp_path: Path, lago: str) -> None:
    """The example for Lago reads no payments and credit notes: history is never moved by halves."""
    with move(tmp_path, lago, "chargebee") as between:
        between.fill(3, ("paid", "void", "open"))
        with between.migration() as migration:
            migration.plan(customers=between.customers)
            preview = migration.preview()
            assert preview.closes
            assert dict(preview.counts) == {"refused": 2, "skipped": 1}
            assert preview.reasons["refused", "source-incomplete"] == 2
            assert migration.run() == {}
        assert between.emulators["chargebee"].invoices == {}


def test_the_example_for_lago_refuses_history(tmp_path: Path, lago: str) -> None:
    """It declares `cannot`: each item is refused with that reason before anything is sent."""
    with move(tmp_path, "stripe", lago) as between:
        between.fill(2, ("paid",))
        with between.migration() as migration:
            migration.plan(customers=between.customers)
            assert dict(migration.preview().counts) == {"refused": 2}
            assert all("no document of the past can be stated" in row.detail for row in migration.ledger.rows(1))
            assert migration.run() == {}
        assert between.emulators[lago].invoices == {}
