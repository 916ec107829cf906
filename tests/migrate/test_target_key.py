"""The key of another account of the target: where the settings name no account, a run finds out before its first item.

Another account is this one without its invoices, or without its customers: that is all that a key shows of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Collection, ConfigurationError, Money, OneTimeCharge
from invoice_bridge.migrate import Migration
from tests.migrate.moves import Move, move


@pytest.fixture
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path, *getattr(request, "param", ("chargebee", "stripe"))) as made:
        made.fill(5, ("paid",))
        yield made


def planned(migration: Migration, between: Move, **choices: Any) -> frozenset[str]:
    migration.plan(customers=between.customers, **choices)
    return migration.preview().stopping


class Elsewhere:
    """While it is used, the target's key is that of another account, with none of these objects."""

    def __init__(self, between: Move, *kinds: str) -> None:
        emulator: Any = between.emulators[between.target["provider"]]
        self.objects = [getattr(emulator, kind) for kind in kinds]
        self.kept = [dict(objects) for objects in self.objects]

    def __enter__(self) -> None:
        for objects in self.objects:
            objects.clear()

    def __exit__(self, *_: object) -> None:
        for objects, kept in zip(self.objects, self.kept, strict=True):
            objects.update(kept)


def test_the_key_of_another_account_of_the_target_refuses_no_item(between: Move) -> None:
    """None of the mapped customers is there; the items stay planned, and the right key moves them all."""
    with between.migration() as migration:
        allow = planned(migration, between)
        with Elsewhere(between, "customers"), pytest.raises(ConfigurationError, match="the target has no customer"):
            migration.run(allow=allow)
        assert dict(migration.preview().counts) == {"planned": 5}
        assert migration.run(allow=allow) == {"done": 5}


def test_the_rest_of_a_plan_is_not_moved_to_another_account(between: Move) -> None:
    """Which has the same customers (Stripe can copy them with their ids), and not what the plan has made."""
    with between.migration() as migration:
        allow = planned(migration, between)
        assert migration.run(first=2, allow=allow) == {"done": 2}
        emulator: Any = between.emulators["stripe"]
        with Elsewhere(between, "invoices"):
            with pytest.raises(ConfigurationError, match="none of 2 documents that plan 1 has made"):
                migration.run(allow=allow)
            assert emulator.invoices == {}
        assert migration.run(allow=allow) == {"done": 3}


def test_a_plan_that_was_made_with_the_key_of_another_account_is_not_run(between: Move) -> None:
    """What the target has already was looked for elsewhere: it would be made a second time."""
    with between.client("target") as client:
        charge = OneTimeCharge(
            reference="there", customer="cus_42", amount=Money(500, "EUR"), collection=Collection.manual()
        )
        there = client.create(charge, allow=[loss.code for loss in client.losses(charge)])
    emulator: Any = between.emulators["stripe"]
    with between.migration() as migration:
        allow = planned(migration, between)
        other = {**emulator.invoices[there.id], "id": "in_elsewhere"}
        with Elsewhere(between, "invoices"):
            emulator.invoices["in_elsewhere"] = other
            with pytest.raises(
                ConfigurationError, match=f"no invoice {there.id}, which was there when plan 1 was made"
            ):
                migration.run(allow=allow)
            assert dict(migration.preview().counts) == {"planned": 5}
        del emulator.invoices["in_elsewhere"]
        assert migration.run(allow=allow) == {"done": 5}


def test_verify_and_undo_find_out_too(between: Move) -> None:
    """Nothing is kept as verified or missing, and nothing counts as taken back."""
    with between.migration() as migration:
        allow = planned(migration, between)
        migration.run(allow=allow)
        assert migration.verify().ok
        kept = migration.ledger.note(1, "verification")
        undo = migration.undo()
        with Elsewhere(between, "invoices"):
            with pytest.raises(ConfigurationError, match="none of 5 documents"):
                migration.verify(1)
            with pytest.raises(ConfigurationError, match="none of 5 documents"):
                migration.run(undo)
        assert migration.ledger.note(1, "verification") == kept


def test_drafts_that_somebody_deleted_are_no_other_account(between: Move) -> None:
    """The customers are there, so that the rest is moved."""
    between.bill("draft", "res-draft", 500)
    with between.migration() as migration:
        allow = planned(migration, between, drafts=True)
        (draft,) = [row.number for row in migration.ledger.rows(1) if row.source["status"] == "draft"]
        assert draft == 1  # the newest comes first
        assert migration.run(first=1, allow=allow) == {"done": 1}
        emulator: Any = between.emulators["stripe"]
        emulator.invoices.clear()
        assert migration.run(allow=allow) == {"done": 5}


def test_a_run_without_anything_left_is_no_error(between: Move) -> None:
    """A plan whose items are all at their end asks nothing but for what it has made."""
    with between.migration() as migration:
        allow = planned(migration, between)
        migration.run(allow=allow)
        assert migration.run(allow=allow) == {}


@pytest.mark.parametrize("between", [("stripe", "whop")], indirect=True)
def test_two_keys_of_one_account_are_one_account(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret and a restricted key: the target has the source's invoices by their own ids, and gets no copies."""
    emulator: Any = between.emulators["stripe"]
    again = {**between.source, "api_key": "rk_test_not_a_key"}
    monkeypatch.setattr(
        "invoice_bridge.providers.stripe.emulator.documents.basic", lambda _key: f"Bearer {again['api_key']}"
    )
    for invoice in emulator.invoices.values():
        invoice["metadata"] = {}  # so that nothing else tells that they are there
    with between.migration(target=again) as migration:
        migration.plan(customers={emulator.customer: emulator.customer}, numbers="new")
        with pytest.raises(ConfigurationError, match="source and target are one account, with two keys"):
            migration.run(allow=migration.preview().stopping)
        assert len(emulator.invoices) == 5


@pytest.mark.parametrize("between", [("stripe", "chargebee")], indirect=True)
def test_an_account_that_the_settings_name_is_not_asked(between: Move) -> None:
    """Its key opens no other site: what is missing there is refused item by item, by its name."""
    with between.migration() as migration:
        allow = planned(migration, between)
        with Elsewhere(between, "customers"):
            assert migration.run(first=1, allow=allow) == {"refused": 1}
