"""Attacks on what is claimed of one reference, one bill: each test is a way by which somebody was billed twice, told
what was not so, or blocked for no reason.
"""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadySettled,
    AmountMismatch,
    AsyncClient,
    BilledElsewhere,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    CustomerRef,
    IdempotencyMismatch,
    Line,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Unsupported,
    providers,
)
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import EmulatorTransport, Fault, Faults, Kind
from invoice_bridge.journal.rows import Book, digest_of
from invoice_bridge.journal.store import Journal
from tests.clients import emulated_at, no_waiting  # noqa: F401 - a fixture, used by every test
from tests.test_one_book import Shop

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OPEN = Request("POST", "https://a.test/v1/invoices", key="ib1-open")
DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is kept."""
    return tmp_path / "bills.sqlite"


def made(journal: Journal, book: Book, invoice_id: str, attempt: int = 1, key: str = "ib1-open") -> int:
    number = journal.intend(book, "res-1", attempt, Request("POST", OPEN.url, key=key), NOW)
    journal.conclude(number, "answered", NOW, status=200, invoice_id=invoice_id, verdict="applied")
    return number


def events(shop: Shop, event: str) -> int:
    return [entry.event for entry in shop.emulator.ledger].count(event)


def later(path: Path, by: timedelta) -> None:
    """As if everything in the journal had happened so much earlier."""
    with closing(sqlite3.connect(path)) as file, file:
        at = (datetime.now(UTC) - by).isoformat()
        file.execute("UPDATE tries SET began_at = ?, ended_at = ?", (at, at))


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_absent_in_test_mode_says_nothing_of_the_live_bill(path: Path) -> None:
    """A test key that finds nothing does not release the live bill of the same reference and account."""
    journal = Journal(path)
    live, test = Book("stripe:", mode="live"), Book("stripe:", mode="test")
    made(journal, live, "in_1")
    made(journal, test, "in_2")
    journal.release(test, "res-1", "absent", "no invoice carries it", NOW)
    assert [(claim.mode, claim.invoice_id) for claim in journal.claims(live, "res-1")] == [("live", "in_1")]
    with pytest.raises(BilledElsewhere):
        journal.refuse_elsewhere(Book("whop:biz_42", mode="live"), "res-1")
    journal.refuse_elsewhere(Book("whop:biz_42", mode="test"), "res-1")


def test_what_was_made_after_a_deletion_is_a_claim_of_its_own(path: Path) -> None:
    """The draft of attempt 1 is deleted, and attempt 1 bills again past its key: that invoice claims the reference."""
    journal = Journal(path)
    book = Book("stripe:", mode="test")
    made(journal, book, "in_1")
    assert journal.learn(book, "in_1", "deleted", "seen", NOW)
    made(journal, book, "in_2")
    assert [claim.invoice_id for claim in journal.claims(book, "res-1")] == ["in_2"]
    with pytest.raises(BilledElsewhere):
        journal.refuse_elsewhere(Book("whop:biz_42"), "res-1")


def test_a_deleted_draft_that_is_billed_again_blocks_the_other_provider(path: Path) -> None:
    """The whole way: draft, delete, a day later the bill itself; Whop is refused then."""
    stripe, whop = Shop("stripe", path), Shop("whop", path)
    client = stripe.client()
    client.delete(client.create(stripe.bill(draft=True)).id)
    stripe.emulator.kept.clear()
    later(path, 2 * DAY)
    assert client.create(stripe.bill(draft=True)).status == "draft"
    with pytest.raises(BilledElsewhere):
        whop.client().create(whop.bill())


def test_absent_covers_no_try_that_began_while_it_was_looked_up(path: Path) -> None:
    """Another process bills while resolve reads the listing: "absent" does not release what that made."""
    shop = Shop("stripe", path, Fault(Kind.RESET_BEFORE, method="POST", times=3))
    with pytest.raises(OutcomeUnknown):
        shop.client().create(shop.bill())
    later(path, timedelta(minutes=10))
    inner = shop.transport

    class Meanwhile(httpx.BaseTransport):
        sent = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = inner.handle_request(request)
            if not self.sent:
                self.sent = True
                made(Journal(path), Book("stripe:", mode="test"), "in_77")
            return answer

    client = shop.client()
    shop.transport = Meanwhile()  # type: ignore[assignment]
    client = shop.client()
    assert client.resolve(shop.bill()).state == "absent"
    assert [claim.invoice_id for claim in Journal(path).claims(None, "res-1")] == ["in_77"]


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_absent_is_not_said_of_another_customers_try(path: Path) -> None:
    """The lost try billed another customer than the bill that resolve is given: its invoice is found all the same."""
    shop, whop = Shop("stripe", path, Fault(Kind.RESET_AFTER, method="POST", times=3)), Shop("whop", path)
    shop.emulator.customers["cus_other"] = dict(shop.emulator.customers[shop.emulator.customer], id="cus_other")
    with pytest.raises(OutcomeUnknown):
        shop.client().create(shop.bill())
    later(path, timedelta(minutes=10))
    assert len(shop.emulator.invoices) == 1
    assert shop.client().resolve(shop.bill(customer="cus_other")).state != "absent"
    with pytest.raises(BilledElsewhere):
        whop.client().create(whop.bill())


def test_a_row_from_the_future_is_too_early_not_absent(path: Path) -> None:
    """The clock was set back after the try was lost: `since` of yesterday does not make that try old."""
    shop = Shop(
        "stripe", path, Fault(Kind.DELAYED_COMMIT, method="POST"), Fault(Kind.RESET_BEFORE, method="POST", times=9)
    )
    with pytest.raises(OutcomeUnknown):
        shop.client().create(shop.bill())
    later(path, -timedelta(hours=1))
    assert shop.client().resolve(shop.bill(), since=datetime.now(UTC) - DAY).state == "too_early"


# ── attempts ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kept", [False, True], ids=["no journal", "journal"])
def test_an_earlier_attempt_waits_for_a_later_one_that_may_land(path: Path, kept: bool) -> None:
    """attempt=2 is lost and may land: attempt=1 made again bills nothing meanwhile."""
    shop = Shop(
        "stripe",
        path,
        Fault(Kind.DELAYED_COMMIT, method="POST"),
        Fault(Kind.RESET_BEFORE, method="POST", times=2),
    )
    client = shop.client(**({} if kept else {"journal": None, "lookup": "always"}))
    with pytest.raises(OutcomeUnknown):
        client.create(shop.bill(attempt=2))
    with pytest.raises(OutcomeUnknown):
        client.create(shop.bill())
    shop.faults.land()
    assert len(shop.emulator.invoices) == 1


def test_a_withdrawn_second_attempt_is_not_billed_a_third_time(path: Path) -> None:
    """attempt=2 made an invoice that was voided: the same call a day later ends in AlreadySettled as for attempt 1."""
    shop = Shop("stripe", path)
    client = shop.client()
    client.void(client.create(shop.bill()).id)
    second = client.create(shop.bill(attempt=2))
    client.void(second.id)
    shop.emulator.kept.clear()
    later(path, 2 * DAY)
    with pytest.raises(AlreadySettled) as settled:
        shop.client().create(shop.bill(attempt=2))
    assert settled.value.existing is not None
    assert settled.value.existing.id == second.id
    assert shop.client().create(shop.bill(attempt=3)).status == "open"
    assert len(shop.emulator.invoices) == 3


@pytest.mark.parametrize("kept", [False, True], ids=["no journal", "journal"])
def test_the_first_attempt_made_again_finds_what_the_second_made(path: Path, kept: bool) -> None:
    """Attempt 1 is void and attempt 2 stands: attempt=1 made again is that bill, and no mismatch that asks for a new
    reference; where both are void it is AlreadySettled.
    """
    shop = Shop("stripe", path)
    said: dict[str, Any] = {} if kept else {"journal": None, "lookup": "always"}
    client = shop.client(**said)
    client.void(client.create(shop.bill()).id)
    second = client.create(shop.bill(attempt=2))
    shop.emulator.kept.clear()
    assert shop.client(**said).create(shop.bill()).id == second.id
    client.void(second.id)
    with pytest.raises(AlreadySettled):
        shop.client(**said).create(shop.bill())
    assert len(shop.emulator.invoices) == 2


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_second_attempt_does_not_mail_what_was_mailed(path: Path, by_hand: bool) -> None:
    """attempt=2 finds the open invoice that attempt 1, or send_invoice, had mailed: it is not mailed again."""
    shop = Shop("stripe", path)
    bill = shop.bill(collection=Collection.send(net_days=14))
    client = shop.client()
    if by_hand:
        drafted = client.create(bill.model_copy(update={"draft": True}))
        client.finalize(drafted.id)
        client.send_invoice(drafted.id)
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE tries SET digest = NULL")
    else:
        client.create(bill)
    assert events(shop, "mailed") == 1
    client.create(bill if by_hand else bill.model_copy(update={"attempt": 2}))
    assert (events(shop, "mailed"), len(shop.emulator.invoices)) == (1, 1)


def test_a_second_attempt_mails_its_own_invoice(path: Path) -> None:
    """The mailed invoice of attempt 1 was voided: the new one of attempt 2 is mailed."""
    shop = Shop("stripe", path)
    bill = shop.bill(collection=Collection.send(net_days=14))
    client = shop.client()
    client.void(client.create(bill).id)
    client.create(bill.model_copy(update={"attempt": 2}))
    assert events(shop, "mailed") == 2


def test_a_second_attempt_for_another_customer_finds_the_first(path: Path) -> None:
    """Attempt 1 was lost and billed one customer; attempt=2 names another: the first invoice is found, and no second
    one is made under the reference.
    """
    shop = Shop("stripe", path, Fault(Kind.RESET_AFTER, method="POST", times=3))
    shop.emulator.customers["cus_other"] = dict(shop.emulator.customers[shop.emulator.customer], id="cus_other")
    with pytest.raises(OutcomeUnknown):
        shop.client().create(shop.bill())
    later(path, timedelta(minutes=10))
    with pytest.raises(BridgeError) as refused:
        shop.client().create(shop.bill(attempt=2, customer="cus_other"))
    assert refused.value.outcome == "nothing_done"
    assert len(shop.emulator.invoices) == 1


# ── bills that cannot be looked up ───────────────────────────────────────────────────────────────────────────────────
def test_a_bill_without_a_reference_field_is_not_collected_twice(path: Path) -> None:
    """Chargebee gave the draft another number when the lost close took effect: the journal's id finds nothing, and
    nothing is billed.
    """
    shop = Shop("chargebee", path, Fault(Kind.RESET_AFTER, path="close", times=9))
    bill = shop.bill(collection=Collection.charge("pm_42"), purchase_order="PO-1")
    with pytest.raises(OutcomeUnknown):
        shop.client().create(bill, allow=["tax", "reference"])
    shop.faults = Faults(shop.emulator, ())
    shop.transport = EmulatorTransport(shop.faults, shop.root)
    shop.emulator.kept.clear()
    later(path, 9 * DAY)
    for lookup in ("journal", "auto"):
        with pytest.raises(Unsupported):
            shop.client(lookup=lookup).create(bill, allow=["tax", "reference"])
    assert events(shop, "collected") == 1


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_purchase_order_does_not_hide_what_the_journal_knows(path: Path, attempt: int) -> None:
    """The purchase order is where Chargebee has the reference otherwise: past the key, the journal's invoice is read,
    recognised although it carries another text there, and returned; nothing is billed again.
    """
    shop = Shop("chargebee", path)
    bill = shop.bill(purchase_order="PO-1")
    first = shop.client().create(bill, allow=["tax", "reference"])
    shop.emulator.kept.clear()
    later(path, 9 * DAY)
    for lookup in ("journal", "auto"):
        again = bill.model_copy(update={"attempt": attempt})
        assert shop.client(lookup=lookup).create(again, allow=["tax", "reference"]).id == first.id
    assert len(shop.emulator.invoices) == 1


def test_a_bill_whose_reference_was_changed_is_not_billed_again(path: Path) -> None:
    """Somebody changed the reference on the invoice in the dashboard: the journal knows its id, and the bill is
    refused with that instead of being made again.
    """
    shop = Shop("stripe", path)
    first = shop.client().create(shop.bill())
    shop.emulator.invoices[first.id]["metadata"]["invoice_bridge_reference"] = "res-9"
    shop.emulator.kept.clear()
    with pytest.raises(Unsupported, match="carries the reference 'res-9'"):
        shop.client().create(shop.bill())
    assert shop.client().resolve(shop.bill()).state == "ambiguous"
    assert len(shop.emulator.invoices) == 1


def test_a_refused_try_does_not_block_a_bill_that_cannot_be_looked_up(path: Path) -> None:
    """A try that was refused made nothing: the mended bill needs no lookup, and is made."""
    shop = Shop("chargebee", path)
    bill = shop.bill(purchase_order="PO-1")
    with pytest.raises(BridgeError) as refused:
        shop.client().create(
            bill.model_copy(update={"customer": shop.bill(customer="cus_none").customer}), allow=["reference", "tax"]
        )
    assert refused.value.outcome == "nothing_done"
    assert shop.client().create(bill, allow=["reference", "tax"]).status == "open"


# ── what is the same bill ────────────────────────────────────────────────────────────────────────────────────────────
def test_one_bill_has_one_digest_however_it_is_written() -> None:
    """Rebuilt from JSON, with its metadata in another order, decimals and instants written otherwise: one digest."""
    at = datetime.fromisoformat("2026-05-01T12:00:00+02:00")
    line = Line(description="Stay", quantity="2", unit_amount=Money(1000, "EUR"))
    bill = OneTimeCharge(reference="r", customer="cus_1", lines=[line], metadata={"a": "1", "b": "2"}, issued_at=at)
    line2 = Line(description="Stay", quantity="2.00", unit_amount=Money(1000, "EUR"))
    again = OneTimeCharge(
        reference="r",
        customer=CustomerRef(ids={"stripe": "cus_1"}),
        lines=[line2],
        metadata={"b": "2", "a": "1"},
        issued_at=at.astimezone(UTC),
    )
    rebuilt = OneTimeCharge.model_validate_json(bill.model_dump_json())
    assert digest_of(rebuilt, "stripe") == digest_of(bill, "stripe")
    assert digest_of(again, "stripe") == digest_of(bill, "stripe")


def test_a_field_that_a_later_version_adds_changes_no_digest() -> None:
    """A bill in the journal of today is the same bill for a version that knows one more optional field."""

    class Later(OneTimeCharge):
        coupon: str | None = None

    said: dict[str, Any] = {"reference": "r", "customer": "cus_1", "amount": Money(100, "EUR")}
    assert digest_of(Later(**said), "stripe") == digest_of(OneTimeCharge(**said), "stripe")
    assert digest_of(Later(**said, coupon="x"), "stripe") != digest_of(OneTimeCharge(**said), "stripe")


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_void_that_the_journal_cannot_note_is_still_a_void(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The invoice is void, and the journal cannot be written: void() returns it, and the claim is kept."""
    shop = Shop("stripe", path)
    client = shop.client()
    one = client.create(shop.bill())

    def full(*_: Any, **__: Any) -> bool:
        raise ConfigurationError("the journal cannot be written (database or disk is full)")

    monkeypatch.setattr(Journal, "learn", full)
    assert client.void(one.id).status == "void"
    assert client.retrieve(one.id).status == "void"


def test_a_cancelled_call_that_sent_nothing_leaves_no_open_intent(path: Path) -> None:
    """An AsyncClient is cancelled while another process locks the journal: nothing was sent, and nothing is unknown."""
    shop = Shop("stripe", path)
    Journal(path).close()

    async def run() -> None:

        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(500)

        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        client = AsyncClient(
            "stripe", api_key=shop.emulator.key, base_url=shop.root, http=http, journal=path, lookup="journal"
        )
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(client.create(shop.bill()))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            other.execute("COMMIT")
        for _ in range(100):
            await asyncio.sleep(0.02)
            if [known.ended for known in Journal(path).history("res-1")] == ["not_sent"]:
                break
        assert asked == []
        await client.close()

    asyncio.run(run())
    assert [known.ended for known in Journal(path).history("res-1")] in ([], ["not_sent"])
    Journal(path).refuse_elsewhere(Book("whop:biz_42"), "res-1")


def test_an_empty_draft_of_another_customer_is_not_filled(path: Path) -> None:
    """A process died after it had opened one customer's draft; the same reference for another customer, without a
    journal and past the key, adds no line to that draft and bills nobody.
    """
    shop = Shop("stripe", path, Fault(Kind.RESET_BEFORE, path="add_lines", times=9))
    shop.emulator.customers["cus_other"] = dict(shop.emulator.customers[shop.emulator.customer], id="cus_other")
    with pytest.raises(OutcomeUnknown):
        shop.client(journal=None, lookup="auto").create(shop.bill())
    shop.faults = Faults(shop.emulator, ())
    shop.transport = EmulatorTransport(shop.faults, shop.root)
    shop.emulator.kept.clear()
    with pytest.raises(IdempotencyMismatch, match="it bills cus_42, not cus_other"):
        shop.client(journal=None, lookup="auto").create(shop.bill(customer="cus_other"))
    assert events(shop, "issued") == 0
    assert shop.client(journal=None, lookup="auto").create(shop.bill()).status == "open"


# ── a second look ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "since",
    [
        "2026-01-01",
        17,
        datetime(2026, 1, 1).date(),
        datetime(2026, 1, 1),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))),
        datetime(2200, 1, 1, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_since_that_cannot_be_used_is_refused_before_sending(path: Path, since: Any) -> None:
    """What is no aware instant, or is in the future, is a ConfigurationError: a lookup from then on would find
    nothing, and the bill would be made twice.
    """
    shop = Shop("whop", path)
    client = shop.client(journal=None, lookup="auto")
    with pytest.raises(ConfigurationError, match="since"):
        client.create(shop.bill(), since=since)
    with pytest.raises(ConfigurationError, match="since"):
        client.resolve(shop.bill(), since=since)
    assert shop.transport.sent == []


@pytest.mark.parametrize("torn", ["last_try = 'x'", "last_try = x'00'", "last_try = 1.5", "at = 'then'"])
def test_a_torn_fact_ends_no_claim_and_crashes_nothing(path: Path, torn: str) -> None:
    """What cannot be read of a fact counts as the worse: the bill still claims its reference."""
    shop, whop = Shop("stripe", path), Shop("whop", path)
    made_here = shop.client().create(shop.bill())
    journal = Journal(path)
    journal.release(Book("stripe:", mode="test"), "res-1", "released", "it moved", NOW)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"UPDATE facts SET {torn}")  # noqa: S608 - the test's own
    assert shop.client().create(shop.bill()).id == made_here.id
    if torn.startswith("at"):
        assert [fact.at for fact in journal.facts("res-1")] == [None]
    else:
        with pytest.raises(BilledElsewhere):
            whop.client().create(whop.bill())


@pytest.mark.parametrize("torn", ["mode = 'tset'", "mode = x'00'"])
def test_a_torn_mode_hides_no_try(path: Path, torn: str) -> None:
    """A row whose mode cannot be read may be of any mode: it is found, and it blocks the other provider."""
    shop, whop = Shop("stripe", path), Shop("whop", path)
    first = shop.client().create(shop.bill())
    shop.emulator.kept.clear()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"UPDATE tries SET {torn}")  # noqa: S608 - the test's own
    with pytest.raises(BilledElsewhere):
        whop.client().create(whop.bill())
    assert shop.client().create(shop.bill()).id == first.id


def test_a_bill_that_was_lost_found_and_voided_blocks_nobody(path: Path) -> None:
    """The opening was lost, a later run found the draft and finished it, and it was voided: the lost try made that
    invoice and no other, so the reference is free elsewhere.
    """
    shop, whop = Shop("stripe", path, Fault(Kind.RESET_AFTER, method="POST", times=3)), Shop("whop", path)
    with pytest.raises(OutcomeUnknown):
        shop.client().create(shop.bill())
    shop.emulator.kept.clear()
    later(path, 2 * DAY)
    client = shop.client()
    client.void(client.create(shop.bill()).id)
    assert len(shop.emulator.invoices) == 1
    assert whop.client().create(whop.bill()).reference == "res-1"


def test_a_credit_is_not_taken_for_the_minimum() -> None:
    """allow=["minimum"] is no leave to use up the customer's credit: that needs allow=["balance"]."""
    emulator = providers.get("stripe").emulator(switches={"customer_credit": True})
    client, _ = emulated_at("stripe", emulator, lookup="never")
    bill = OneTimeCharge(
        reference="r",
        customer=emulator.customer,
        amount=Money(400, "EUR"),
        collection=Collection.charge("pm_card_visa"),
    )
    with pytest.raises(AmountMismatch, match="balance"):
        client.create(bill, allow=["minimum"])
    assert [entry.event for entry in emulator.ledger] == []


@pytest.mark.parametrize(
    "reference", ["it's", "a\\", "\\'", "x' OR '1'='1", 'say "hi"', "a' AND total>0 -", "%27", "ß→x"]
)
def test_a_search_finds_its_own_reference_alone(path: Path, reference: str) -> None:
    """Quotes and backslashes in a reference: the bill is found past its key, and no other one for it."""
    shop = Shop("stripe", path)
    said: dict[str, Any] = {"journal": None, "lookup": "auto"}
    other = shop.client(**said).create(shop.bill(reference="it"))
    first = shop.client(**said).create(shop.bill(reference=reference))
    shop.emulator.kept.clear()
    again = shop.client(**said).create(shop.bill(reference=reference))
    assert (again.id, len(shop.emulator.invoices)) == (first.id, 2)
    assert other.id != first.id


def test_a_journal_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    """A directory, a text file and a file below a file are no journals: ConfigurationError when the client is made."""
    text = tmp_path / "notes.txt"
    text.write_text("this is no database, and long enough to be read as the head of one" * 20)
    for name in (tmp_path, text, text / "below.sqlite"):
        with pytest.raises(ConfigurationError):
            Client("stripe", api_key="sk_test_not_a_key", journal=name)
