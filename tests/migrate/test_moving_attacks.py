"""Attacks on moving: caps that are passed, sources that change late, listings that stop early, and what is not ours."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from invoice_bridge import (
    Client,
    ConfigurationError,
    CreditNote,
    ImportInvoice,
    Invoice,
    Line,
    Money,
    NotFound,
    Payment,
    ServerError,
    Status,
    TaxLine,
    Unauthorized,
)
from invoice_bridge.adapter.pages import Page
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.errors import AmountMismatch, Discrepancy, MalformedResponse
from invoice_bridge.migrate import Item, Migration
from invoice_bridge.migrate.documents import differences_of
from invoice_bridge.migrate.operations import read_operation
from invoice_bridge.migrate.running import Stages
from invoice_bridge.migrate.schema import ITEMS
from tests.migrate.moves import Move, move


@pytest.fixture
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path, *getattr(request, "param", ("stripe", "chargebee"))) as made:
        yield made


to_stripe = pytest.mark.parametrize("between", [("chargebee", "stripe")], indirect=True, ids=" to ".join)


def planned(migration: Migration, between: Move, **choices: Any) -> frozenset[str]:
    migration.plan(customers=between.customers, **choices)
    return migration.preview().stopping


def rows(migration: Migration, plan: int | None = None) -> dict[str, tuple[str, str]]:
    number = migration.ledger.plan(plan).number
    return {row.reference: (row.state, row.reason) for row in migration.ledger.rows(number)}


def before(monkeypatch: pytest.MonkeyPatch, stage: str, act: Callable[[], object]) -> None:
    real = getattr(Stages, stage)

    def watched(self: Stages, target: Client, item: Item) -> Invoice:
        act()
        made: Invoice = real(self, target, item)
        return made

    monkeypatch.setattr(Stages, stage, watched)


# ── caps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_bound_of_an_earlier_run_adds_nothing_to_the_next_one(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted run had chosen, and had not begun, is not moved by a run that is bounded to one."""
    between.fill(6, ("paid",))

    def refuse() -> None:
        raise Unauthorized("the key is wrong", provider="stripe", status=401)

    with between.migration() as migration:
        allow = planned(migration, between)
        with monkeypatch.context() as patched:
            before(patched, "make", refuse)
            with pytest.raises(Unauthorized):
                migration.run(first=5, allow=allow, threads=1)
        assert migration.run(first=1, allow=allow) == {"done": 1}
        assert len(between.emulators["chargebee"].invoices) == 1
        assert migration.run(at_most=[Money(2100, "EUR")], allow=allow) == {"done": 2}
        assert migration.run(allow=allow) == {"done": 3}


# ── a source that changes late ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_a_source_that_was_away_is_still_read_before_its_invoice_is_made(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read fails, the invoice changes meanwhile: the next try must not make what was planned."""
    made = between.bill("paid", "res-1", 1000)
    retrieve, failed = Client.retrieve, list[str]()

    def failing(self: Client, invoice_id: str, **options: Any) -> Invoice:
        if invoice_id == made and not failed:
            failed.append(made)
            between.emulators["stripe"].invoices[made]["number"] = "OTHER-1"
            error = ServerError("the source is away", provider="stripe", status=503)
            error.outcome = "nothing_done"
            raise error
        return retrieve(self, invoice_id, **options)

    with between.migration() as migration:
        allow = planned(migration, between)
        monkeypatch.setattr(Client, "retrieve", failing)
        assert migration.run(allow=allow).get("done") is None, rows(migration)
        assert rows(migration) == {"res-1": ("refused", "changed-since-plan")}
        assert between.emulators["chargebee"].invoices == {}


def test_a_worker_that_died_before_it_sent_anything_does_not_excuse_the_check(between: Move) -> None:
    """The claim is all that is left of it; the invoice changed before another worker took the item over."""
    made = between.bill("paid", "res-1", 1000)

    with between.migration() as migration:
        allow = planned(migration, between)
        with migration.ledger.database.writing() as connection:
            connection.execute(update(ITEMS).values(sent_at=1, claim=1))
        between.emulators["stripe"].invoices[made]["number"] = "OTHER-1"
        migration.run(allow=allow)
        assert rows(migration) == {"res-1": ("refused", "changed-since-plan")}
        assert between.emulators["chargebee"].invoices == {}


def test_what_a_lost_answer_had_made_is_found_though_its_source_changed(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made, its answer was lost, then the source changed: it is done, once, and the sweep lists the change."""
    made = between.bill("paid", "res-1", 1000)
    send, lost = Client.import_invoice, list[str]()

    def losing(self: Client, *arguments: Any, **options: Any) -> Invoice:
        done: Invoice = send(self, *arguments, **options)
        if not lost:
            lost.append(done.id)
            between.emulators["stripe"].invoices[made]["number"] = "OTHER-1"
            error = ServerError("the answer was lost", provider="chargebee", status=500)
            error.outcome = "unknown"
            raise error
        return done

    with between.migration() as migration:
        allow = planned(migration, between)
        monkeypatch.setattr(Client, "import_invoice", losing)
        assert migration.run(allow=allow).get("done") == 1, rows(migration)
        assert len(between.emulators["chargebee"].invoices) == 1
        sweep = migration.sweep(customers=between.customers)
        assert rows(migration, sweep) == {"res-1": ("refused", "changed-since-plan")}


def test_an_invoice_that_is_gone_at_the_source_is_refused_by_its_word(between: Move) -> None:
    """Deleted between the plan and the run: it has changed since, and the word says so."""
    made = between.bill("draft", "res-1", 1000)
    with between.migration() as migration:
        allow = planned(migration, between, drafts=True)
        with between.client("source") as client:
            client.delete(made)
        migration.run(allow=allow)
        assert rows(migration) == {"res-1": ("refused", "changed-since-plan")}


def test_the_key_of_another_account_of_the_source_refuses_no_item(between: Move) -> None:
    """Where the settings name no account, the key alone decides: none of the plan's invoices is there."""
    between.fill(4, ("paid",))
    with between.migration() as migration:
        allow = planned(migration, between)
        invoices = between.emulators["stripe"].invoices
        kept = dict(invoices)
        invoices.clear()
        with pytest.raises(ConfigurationError, match="none of the first 3 invoices of plan 1"):
            migration.run(allow=allow)
        assert dict(migration.preview().counts) == {"planned": 4}
        invoices.update(kept)
        assert migration.run(allow=allow) == {"done": 4}


# ── the sweep ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("step", ["sweep", "plan"])
@to_stripe
def test_a_reference_that_was_changed_at_the_source_moves_nothing_twice(between: Move, step: str) -> None:
    """The document is known by its id: a new mark of the application does not make it another one."""
    made = between.bill("paid", "res-1", 1000)
    with between.migration() as migration:
        allow = planned(migration, between, numbers="new")
        assert migration.run(allow=allow) == {"done": 1}
        between.emulators["chargebee"].invoices[made]["po_number"] = "res-1-corrected"
        with between.client("source") as client:
            assert client.retrieve(made).reference == "res-1-corrected"
        if step == "sweep":
            number = migration.sweep(customers=between.customers)
        else:
            number = migration.plan(customers=between.customers, numbers="new")
        assert {state for state, _ in rows(migration, number).values()} <= {"refused", "skipped"}
        migration.run(number, allow=migration.preview(number).stopping)
        assert len(between.emulators["stripe"].invoices) == 1


def test_a_bill_that_was_made_anew_under_its_reference_is_swept(between: Move) -> None:
    """Its first invoice was void, and was moved: the second one is another document of the same reference."""
    first = between.bill("void", "res-1", 1000)
    invoices = between.emulators["stripe"].invoices
    with between.migration() as migration:
        allow = planned(migration, between)
        assert migration.run(allow=allow) == {"done": 1}
        second = between.bill("paid", "res-2", 1000)
        invoices[second]["metadata"] = dict(invoices[first]["metadata"])
        number = migration.sweep(customers=between.customers)
        assert rows(migration, number) == {f"res-1~{second}": ("planned", "")}
        assert migration.run(number, allow=migration.preview(number).stopping) == {"done": 1}
        assert len(between.emulators["chargebee"].invoices) == 2
        assert migration.verify(number).ok


@pytest.mark.parametrize("left_out", ["open", "draft", "unmapped", "changed"])
def test_a_sweep_plans_what_the_plan_had_left_out_and_can_now_be_moved(between: Move, left_out: str) -> None:
    """Nothing was made of it: it is planned as it is now. What nobody moved is not said to be a person's."""
    made = between.bill({"draft": "draft", "open": "open"}.get(left_out, "paid"), "res-1", 1000)
    with between.migration() as migration:
        customers = {} if left_out == "unmapped" else between.customers
        migration.plan(customers=customers)
        allow = migration.preview().stopping
        with between.client("source") as client:
            if left_out == "changed":
                between.emulators["stripe"].invoices[made]["number"] = "OTHER-1"
            elif left_out != "unmapped":
                if left_out == "draft":
                    client.finalize(made)
                client.mark_paid(made)
        migration.run(allow=allow)
        assert rows(migration)["res-1"][0] in {"refused", "skipped"}
        number = migration.sweep(customers=between.customers)
        assert rows(migration, number) == {"res-1": ("planned", "")}
        assert migration.run(number, allow=migration.preview(number).stopping) == {"done": 1}
        assert migration.verify(number).ok
        assert migration.preview(migration.sweep(number, customers=between.customers)).counts == {}


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_no_name_of_a_second_document_hides_a_third_one(between: Move) -> None:
    """A reference may look like the one that the ledger gives a document whose reference is taken."""
    first = between.bill("paid", "A", 1000)
    second = between.bill("paid", "B", 2000)
    third = between.bill("paid", "C", 4000)
    invoices = between.emulators["stripe"].invoices
    with between.client("source") as client:
        order = [one.id for one in client.list()]
    names = dict(zip(order, ("A", f"A~{order[2]}", "A"), strict=True))
    with between.client("source") as client:
        (key,) = [name for name, value in invoices[first]["metadata"].items() if value == "A"]
        for one, name in names.items():
            invoices[one]["metadata"][key] = name
        assert {one.reference for one in client.list()} == set(names.values())
    with between.migration() as migration:
        planned(migration, between)
        made = migration.preview()
        assert sum(group.source[0] for group in made.groups) == 3
        assert {row.source["id"] for row in migration.ledger.rows(1)} == {first, second, third}


def test_a_place_in_the_listing_that_is_gone_begins_the_listing_anew(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page token that has expired, or an invoice that was deleted: planned whole, each once, and never stuck."""
    between.fill(6, ("paid",))
    page, asked = Client.page, list[str | None]()

    def small(self: Client, command: Any) -> Any:
        asked.append(command.cursor)
        if command.cursor is not None and asked.count(command.cursor) == 1 and len(asked) == 2:
            raise NotFound("No such invoice", provider="stripe", status=404)
        return page(self, command.model_copy(update={"limit": 2}))

    monkeypatch.setattr(Client, "page", small)
    with between.migration() as migration:
        assert migration.plan(customers=between.customers) == 1
        made = migration.preview()
        assert (dict(made.counts), made.closes) == ({"planned": 6}, True)
        assert sum(group.source[1] for group in made.groups) == sum(1000 + number for number in range(6))


def test_a_listing_that_returns_to_a_page_is_no_endless_plan(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same place again and again: the plan ends with an error that says so, and is not complete."""
    between.fill(4, ("paid",))
    page, calls = Client.page, list[int]()

    def turning(self: Client, command: Any) -> Page:
        calls.append(1)
        assert len(calls) < 50, "it never ends"
        found: Page = page(self, command.model_copy(update={"limit": 2, "cursor": None}))
        return Page(found.items, ListInvoices(full=True, cursor=("in_a", "in_b")[len(calls) % 2]))

    monkeypatch.setattr(Client, "page", turning)
    with between.migration() as migration, pytest.raises(MalformedResponse, match="the same page"):
        migration.plan(customers=between.customers)


# ── undo ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@to_stripe
def test_an_undo_leaves_alone_what_somebody_has_changed(between: Move) -> None:
    """A line was added at the target since: what is there is not what was imported."""
    between.bill("draft", "res-1", 1000)
    with between.migration() as migration:
        allow = planned(migration, between, drafts=True)
        assert migration.run(allow=allow) == {"done": 1}
        (document,) = between.emulators["stripe"].invoices.values()
        document["rows"][0]["amount"] += 500
        document["total"] += 500
        document["amount_due"] += 500
        document["amount_remaining"] += 500
        number = migration.undo()
        migration.run(number)
        assert rows(migration, number) == {"res-1": ("refused", "changed-since-plan")}
        assert len(between.emulators["stripe"].invoices) == 1


@pytest.mark.parametrize("more", [{"has_more": True}, {}], ids=["an empty page that goes on", "no word of the end"])
def test_a_listing_whose_end_is_not_stated_plans_nothing_less(tmp_path: Path, more: dict[str, Any]) -> None:
    """Read as the end, either would leave the rest of the invoices out without a word."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"object": "list", "data": [], "url": "/v1/invoices", **more})

    source = {
        "provider": "stripe",
        "api_key": "sk_test_not_a_key",
        "http": httpx.Client(transport=httpx.MockTransport(answer)),
    }
    target = {"provider": "chargebee", "api_key": "test_not_a_key", "site": "acme-test"}
    with Migration(tmp_path / "ledger.sqlite", source=source, target=target) as migration:
        with pytest.raises(MalformedResponse, match="the listing"):
            migration.plan(customers={"cus_1": "cus_1"})
        with pytest.raises(ConfigurationError, match="is not complete"):
            migration.run()


def test_a_document_that_no_import_can_state_is_refused_in_words(between: Move) -> None:
    """Open, and nothing of it is left to pay: the reason is a sentence, without the document's own values."""
    made = between.bill("open", "res-1", 1000)
    document = between.emulators["stripe"].invoices[made]
    document["rows"][0]["amount"] = 0
    document.update(total=0, subtotal=0, amount_due=0, amount_remaining=0)
    with between.migration() as migration:
        migration.plan(customers=between.customers, open_invoices=True)
        (row,) = migration.ledger.rows(1)
        assert (row.state, row.reason) == ("refused", "source-incomplete")
        assert row.detail == "an invoice that is open has something left to pay; this one is paid"


# ── open invoices ────────────────────────────────────────────────────────────────────────────────────────────────────
def move_open(migration: Migration, between: Move) -> None:
    migration.plan(customers=between.customers, open_invoices=True)
    migration.run(allow=migration.preview().stopping)


def test_what_was_credited_and_then_paid_meanwhile_is_not_recorded_as_paid_whole(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7.00 of 10.00 was paid at the source, after a credit note: a payment of 10.00 was never made."""
    made = between.bill("open", "res-1", 1000)
    done: list[str] = []

    def credit_and_pay() -> None:
        if not done:
            done.append(made)
            with between.client("source") as client:
                client.credit(made, amount=Money(300, "EUR"), reference="late-note")
                client.mark_paid(made)

    before(monkeypatch, "release", credit_and_pay)
    with between.migration() as migration:
        move_open(migration, between)
        assert rows(migration) == {"res-1": ("quarantined", "changed-since-plan")}
        (document,) = between.emulators["chargebee"].invoices.values()
        assert document["amount_paid"] == 0


@to_stripe
def test_a_payment_that_arrives_while_the_source_is_closed_is_not_demanded_again(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part was paid between the last read and the write-off: the target would demand it a second time."""
    made = between.bill("open", "res-1", 1000)

    def pay(minor: int) -> None:
        with between.client("source") as client:
            at = client.retrieve(made).created_at
            assert at is not None
            client.record_payment(made, amount=Money(minor, "EUR"), at=at, reference=f"part-{minor}")

    pay(400)
    close = Client.mark_uncollectible

    def late(self: Client, invoice_id: str, **options: Any) -> Invoice:
        pay(100)
        return close(self, invoice_id, **options)

    monkeypatch.setattr(Client, "mark_uncollectible", late)
    with between.migration() as migration:
        move_open(migration, between)
        assert rows(migration) == {"res-1": ("quarantined", "changed-since-plan")}
        with between.client("source") as client:
            assert client.retrieve(made).amount_paid == Money(500, "EUR")


def test_what_was_paid_meanwhile_is_verified_as_paid(between: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run recorded it as paid, as it promises: verify expects that, and still finds a cent."""
    made = between.bill("open", "res-1", 1000)

    def pay() -> None:
        if between.emulators["stripe"].invoices[made]["status"] == "open":
            with between.client("source") as client:
                client.mark_paid(made)

    before(monkeypatch, "release", pay)
    with between.migration() as migration:
        move_open(migration, between)
        found = migration.verify()
        assert found.ok, str(found)
        (document,) = between.emulators["chargebee"].invoices.values()
        document["amount_paid"] -= 1
        assert not migration.verify().ok


# ── verify ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def paid_import(*notes: CreditNote) -> ImportInvoice:
    march = datetime(2026, 3, 2, tzinfo=UTC)
    amount = Money(1190, "EUR")
    return ImportInvoice(
        reference="res-1",
        number="INV-1",
        customer="cus_42",
        status=Status.PAID,
        total=amount,
        issued_at=march,
        paid_at=march,
        lines=[
            Line(
                description="Fees",
                amount=Money(1000, "EUR"),
                taxes=(TaxLine(name="VAT", rate=Decimal(19), amount=Money(190, "EUR"), inclusive=False),),
            )
        ],
        payments=[Payment(id="ch_1", amount=amount, at=march, state="succeeded")],
        credit_notes=notes,
    )


def imported(between: Move, command: ImportInvoice) -> tuple[Invoice, Context]:
    with between.client("target") as client:
        made = client.import_invoice(command, allow=[loss.code for loss in client.losses(command)])
        return client.retrieve(made.id), client._context


REFUND = CreditNote(
    id="cn_1", number="CN-1", amount=Money(300, "EUR"), kind="refund", at=datetime(2026, 3, 9, tzinfo=UTC)
)


@pytest.mark.parametrize("between", [("chargebee", "stripe"), ("stripe", "chargebee")], indirect=True, ids=" to ".join)
@pytest.mark.parametrize("noted", [True, False], ids=["with a refund", "without"])
def test_verify_excuses_no_other_refund_tax_or_payment(between: Move, noted: bool) -> None:
    """What was given back, credited or taxed, and each payment: no loss of a number or a date excuses an amount."""
    command = paid_import(*([REFUND] if noted else []))
    found, context = imported(between, command)
    assert differences_of(command, found, context) == []
    more = CreditNote(id="cn_9", amount=Money(100, "EUR"), kind="refund")
    adjusted = CreditNote(id="cn_9", amount=Money(100, "EUR"), kind="adjustment")
    half = found.payments[0].model_copy(update={"amount": Money(590, "EUR")})
    changes: dict[str, dict[str, Any]] = {
        "a refund": {
            "credit_notes": (*found.credit_notes, more), "credit_notes_complete": True,
            "amount_refunded": (found.amount_refunded or Money(0, "EUR")) + Money(100, "EUR"),
        },
        "a credit note": {"credit_notes": (*found.credit_notes, adjusted), "credit_notes_complete": True},
        "the tax": {"tax": Money(180, "EUR")},
        "a payment less": {"payments": (half,), "payments_complete": True},
        "lines that are not known whole": {"lines_complete": False},
    }  # fmt: skip
    for what, change in changes.items():
        assert differences_of(command, found.model_copy(update=change), context), what


# ── what a run refuses, and what a site adds ─────────────────────────────────────────────────────────────────────────
@to_stripe
def test_what_the_run_refused_is_not_verified(between: Move) -> None:
    """The plan promised it: nothing of nothing is no success, until a sweep has planned it again."""
    between.bill("paid", "res-0", 1000)
    other = between.bill("paid", "res-1", 1000)
    between.emulators["chargebee"].invoices[other]["customer_id"] = "cus_other"
    (there,) = between.customers.values()
    with between.migration() as migration:
        migration.plan(customers={**between.customers, "cus_other": "cus_404"})
        assert dict(migration.run(allow=migration.preview().stopping)) == {"done": 1, "refused": 1}
        found = migration.verify()
        assert (found.ok, [finding.kind for finding in found.findings]) == (False, ["not moved"])
        assert "not-found" in found.findings[0].detail
        number = migration.sweep(customers={**between.customers, "cus_other": there})
        assert migration.run(number, allow=migration.preview(number).stopping) == {"done": 1}
        assert migration.verify(number).ok
        assert migration.verify(1).ok


def test_a_total_that_the_site_has_changed_is_not_called_another_document(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site added a cent to what was just imported: nobody is asked to import it again under another number."""
    emulator: Any = between.emulators["chargebee"]
    real = emulator.import_invoice

    def adding(call: Any) -> Any:
        answer = real(call)
        body = json.loads(answer.content)
        emulator.invoices[body["invoice"]["id"]]["total"] += 1
        body["invoice"]["total"] += 1
        return replace(answer, content=json.dumps(body).encode())

    monkeypatch.setattr(emulator, "import_invoice", adding)
    with pytest.raises(AmountMismatch, match=r"total is 11.90 EUR, and the imported invoice INV-1 states 11.91 EUR"):
        imported(between, paid_import())


def test_an_invoice_of_the_site_itself_is_not_taken_for_the_import(between: Move) -> None:
    """Of the same number, customer, total and day: the source's is not counted as moved, and that one is not undone."""
    between.bill("paid", "res-1", 1000)
    with between.migration() as migration:
        allow = planned(migration, between)
        (row,) = migration.ledger.rows(1)
        asked = read_operation(row.operation["make"])
        imported(between, asked)
        (own,) = between.emulators["chargebee"].invoices.values()
        own["notes"] = [{"note": "Monthly plan"}]
        between.emulators["chargebee"].kept.clear()
        migration.run(allow=allow)
        assert rows(migration) == {row.reference: ("quarantined", "number-taken")}
        assert rows(migration, migration.undo(1)) == {row.reference: ("refused", "undo-impossible")}


def test_another_customer_in_the_answer_is_not_called_another_document(
    between: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was just imported names a customer whom nobody asked for: a person looks, and imports nothing again."""
    emulator: Any = between.emulators["chargebee"]
    real = emulator.import_invoice

    def mixing(call: Any) -> Any:
        answer = real(call)
        body = json.loads(answer.content)
        body["invoice"]["customer_id"] = "cus_43"
        return replace(answer, content=json.dumps(body).encode())

    monkeypatch.setattr(emulator, "import_invoice", mixing)
    with pytest.raises(Discrepancy, match=r"imported with the customer cus_42, the invoice INV-1 states cus_43"):
        imported(between, paid_import())


# ── open invoices of which a part is settled ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("part", ["paid", "credited"])
def test_what_can_still_be_paid_once_it_is_written_off_stays_where_it_is(between: Move, part: str) -> None:
    """Stripe accepts payments of an uncollectible invoice: the rest would be demanded at both accounts."""
    made = between.bill("open", "res-1", 1000)
    with between.client("source") as client:
        if part == "credited":
            client.credit(made, amount=Money(400, "EUR"), reference="note-1")
        else:
            at = client.retrieve(made).created_at
            assert at is not None
            client.record_payment(made, amount=Money(400, "EUR"), at=at, reference="part-1")
    with between.migration() as migration:
        move_open(migration, between)
        assert rows(migration) == {"res-1": ("refused", "source-still-billing")}
        assert between.emulators["chargebee"].invoices == {}
        with between.client("source") as client:
            assert client.retrieve(made).status is Status.OPEN


@to_stripe
def test_an_open_invoice_of_which_a_part_was_paid_is_moved_to_stripe(between: Move) -> None:
    """Its draft has no payment yet, and is no other document for that; issued, it demands the rest alone."""
    made = between.bill("open", "res-1", 1000)
    with between.client("source") as client:
        at = client.retrieve(made).created_at
        assert at is not None
        client.record_payment(made, amount=Money(400, "EUR"), at=at, reference="part-1")
    with between.migration() as migration:
        move_open(migration, between)
        assert [(row.state, row.detail) for row in migration.ledger.rows(1)] == [("done", "")]
        assert migration.verify().ok
        with between.client("target") as client:
            (found,) = client.list()
        assert (found.status, found.amount_remaining) == (Status.OPEN, Money(600, "EUR"))


def test_an_open_document_with_a_credit_note_is_imported_at_chargebee(between: Move) -> None:
    """What is left to pay is compared once its credit note is there, and not before."""
    note = CreditNote(id="cn_1", number="CN-1", amount=Money(400, "EUR"), kind="adjustment", reason="late")
    command = paid_import().model_copy(
        update={"status": Status.OPEN, "paid_at": None, "payments": (), "credit_notes": (note,)}
    )
    found, _ = imported(between, command)
    assert (found.status, found.amount_remaining) == (Status.OPEN, Money(790, "EUR"))
