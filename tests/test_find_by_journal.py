"""find() with a journal: the id that it has for the reference is read first, and the provider's answer counts."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import AlreadyBilled, AsyncClient, Discrepancy, NotFound
from invoice_bridge.core.commands import Find
from invoice_bridge.core.model import Status
from invoice_bridge.emulator import EmulatorTransport
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.test_one_book import Shop

PROVIDERS = ("stripe", "whop", "chargebee")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The journal."""
    return tmp_path / "bills.sqlite"


def asked(shop: Shop, before: int) -> list[str]:
    """The paths asked for since, below the root."""
    return [request.path.partition("?")[0].rstrip("/") for request in shop.transport.sent[before:]]


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_invoice_of_the_journal_is_read_by_its_id(name: str, file: Path) -> None:
    """No search and no listing: its id is exact, and what is returned is what the provider shows of it now."""
    shop = Shop(name, file)
    client = shop.client()
    made = client.create(shop.bill())
    before = len(shop.transport.sent)
    assert client.find("res-1").id == made.id
    assert client.find("res-1", customer=shop.emulator.customer).id == made.id
    paths = asked(shop, before)
    assert paths
    assert not [path for path in paths if path.endswith(("/invoices", "/search"))]
    plan = client.explain(Find(reference="res-1"))
    assert plan.requests[0].path.rpartition("/")[2] == made.id
    without = shop.client(journal=None, lookup="never")
    before = len(shop.transport.sent)
    assert without.find("res-1").id == made.id
    assert [path for path in asked(shop, before) if path.endswith(("/invoices", "/search"))]


def test_an_index_that_lags_hides_nothing(file: Path) -> None:
    """A minute after it was made no search index has it: with the journal it is read, without it is not there."""
    shop = Shop("stripe", file)
    shop.emulator.search_lag = timedelta(hours=1)
    made = shop.client().create(shop.bill())
    with pytest.raises(NotFound):
        shop.client(journal=None, lookup="never").find("res-1")
    assert shop.client().find("res-1").id == made.id


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_the_journal_does_not_know_is_looked_for(name: str, file: Path) -> None:
    """Another host made it, or nobody: the provider's own way is next, with its own answer."""
    shop = Shop(name, file)
    client = shop.client()
    elsewhere = shop.client(journal=None, lookup="never").create(shop.bill(reference="res-2"))
    client.create(shop.bill())
    assert client.find("res-2").id == elsewhere.id
    with pytest.raises(NotFound, match="no invoice has the reference 'res-3'"):
        client.find("res-3")


def test_another_reference_at_the_provider_is_no_match(file: Path) -> None:
    """Somebody changed it there: another invoice that carries it is found, and without one it is a discrepancy."""
    shop = Shop("stripe", file)
    client = shop.client()
    made = client.create(shop.bill())
    shop.emulator.invoices[made.id]["metadata"] = {"invoice_bridge_reference": "res-9"}
    with pytest.raises(Discrepancy) as refused:
        client.find("res-1")
    assert str(refused.value) == (
        f"the journal has {made.id} for the reference 'res-1', and at Stripe it carries 'res-9': its reference was "
        "changed, or the journal is another account's"
    )
    other = shop.client(journal=None, lookup="never", account="acct_2").create(shop.bill())
    assert client.find("res-1").id == other.id
    assert other.id != made.id


def test_a_purchase_order_is_no_other_reference(file: Path) -> None:
    """Chargebee's po_number is read as the reference too, where nothing says which of the two it is."""
    shop = Shop("chargebee", file)
    made = shop.client().create(shop.bill())
    shop.emulator.invoices[made.id]["po_number"] = "PO-9"
    found = shop.client().find("res-1")
    assert (found.id, found.reference, found.purchase_order) == (made.id, None, "PO-9")


def test_a_withdrawn_one_is_found_if_no_other_is(file: Path) -> None:
    """A void one counts only where neither the journal nor the provider has another."""
    shop = Shop("stripe", file)
    client = shop.client()
    first = client.create(shop.bill())
    client.void(first.id)
    assert client.find("res-1").status is Status.VOID
    second = client.create(shop.bill(attempt=2))
    assert (client.find("res-1").id, second.id == first.id) == (second.id, False)


def test_two_that_live_are_ambiguous(file: Path) -> None:
    """As with a search: neither is chosen."""
    shop = Shop("stripe", file)
    client = shop.client()
    first, second = client.create(shop.bill()), client.create(shop.bill(reference="res-2"))
    shop.emulator.invoices[second.id]["metadata"] = {"invoice_bridge_reference": "res-1"}
    journal: Any = client._memory.journal
    with journal._store.writing("", [("default", "res-1")]) as transaction:
        transaction.run("UPDATE tries SET reference = 'res-1' WHERE invoice_id = ?", (second.id,))
    with pytest.raises(AlreadyBilled, match="is on 2 invoices") as refused:
        client.find("res-1")
    assert refused.value.existing is not None
    assert refused.value.existing.id in {first.id, second.id}


def test_a_torn_or_deleted_one_is_passed_over(file: Path) -> None:
    """An id that no request can carry, and a draft that is gone: the provider is asked."""
    shop = Shop("stripe", file)
    client = shop.client()
    made = client.create(shop.bill(draft=True))
    client.delete(made.id)
    with pytest.raises(NotFound):
        client.find("res-1")
    for torn in ("", "in/1", "x" * 300):
        journal: Any = client._memory.journal
        with journal._store.writing("", [("default", "res-1")]) as transaction:
            transaction.run("UPDATE tries SET invoice_id = ?", (torn,))
        with pytest.raises(NotFound):
            client.find("res-1")


def test_another_book_and_another_customer_are_not_asked(file: Path) -> None:
    """The journal's rows of another book are another's; an invoice of another customer is not the one asked for."""
    shop = Shop("stripe", file)
    made = shop.client(book="events").create(shop.bill())
    client = shop.client()
    assert client._memory.recall_find(Find(reference="res-1")).made == ()
    assert shop.client(book="events")._memory.recall_find(Find(reference="res-1")).made == (made.id,)
    with pytest.raises(NotFound):
        shop.client(book="events").find("res-1", customer="cus_other")


async def _find(shop: Shop) -> str:
    http = httpx.AsyncClient(transport=EmulatorTransport(shop.faults, shop.root))
    async with AsyncClient(
        shop.name, api_key=shop.emulator.key, base_url=shop.root, http=http, journal=shop.journal, lookup="journal"
    ) as client:
        return (await client.find("res-1")).id


def test_the_async_client_does_the_same(file: Path) -> None:
    """Its journal is read in a thread."""
    shop = Shop("stripe", file)
    made = shop.client().create(shop.bill())
    assert asyncio.run(_find(shop)) == made.id
