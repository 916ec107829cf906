"""History at Chargebee: the bytes that are sent, what the site makes of them, and what is not confirmed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from chargebee import http_request

from invoice_bridge import (
    Address,
    AmountMismatch,
    CreditNote,
    CustomerRef,
    Discount,
    IdempotencyMismatch,
    ImportInvoice,
    Line,
    Money,
    OutcomeUnknown,
    Payment,
    Period,
    Plan,
    Rejected,
    Request,
    Source,
    Status,
    TaxId,
    TaxLine,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.core.model import Adjustment
from invoice_bridge.core.wire import Effect
from invoice_bridge.providers.chargebee.tables import QUIET
from tests.providers.chargebee.conftest import World, make_world
from tests.providers.chargebee.test_chargebee_oracle import Seam, same

ISSUED = datetime(2026, 3, 2, tzinfo=UTC)
PAID_AT = datetime(2026, 3, 9, tzinfo=UTC)
DAY, LATER = 1772409600, 1773014400
ALLOWED = ["IB-CHARGEBEE-IMPORT-CREDIT-TAX-01", "IB-CHARGEBEE-IMPORT-PAID-AT-01"]


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def document(**said: Any) -> ImportInvoice:
    least: dict[str, Any] = {
        "reference": "res-1", "number": "N-1", "customer": "cus_42", "status": Status.PAID, "total": eur(1000),
        "issued_at": ISSUED, "lines": (Line(description="Energy", amount=eur(1000)),),
    }  # fmt: skip
    if said.get("status", Status.PAID) is Status.PAID and "payments" not in said:
        least["payments"] = (Payment(id="ch_1", amount=eur(1000), at=PAID_AT, state="succeeded", method="card"),)
        least["paid_at"] = PAID_AT
    return ImportInvoice(**least | said)


def planned(command: ImportInvoice, **settings: Any) -> Plan:
    return explain("chargebee", command, lookup="never", site="acme-test", **settings)


WHOLE = document(
    total=eur(1271),
    customer=CustomerRef(
        id="cus_42", name="Ada", email="ada@example.test", tax_ids=(TaxId(value="DE1"),),
        address=Address(line1="1 High Street", line2="b", city="Ulm", state="BW", postal_code="89073", country="DE"),
    ),
    lines=(
        Line(
            description="Energy", quantity=2, unit_amount=eur(500), period=Period.month(2026, 2),
            taxes=(
                TaxLine(name="VAT", rate=Decimal(19), amount=eur(171)),
                TaxLine(name="City", rate=Decimal("1.5"), amount=eur(100)),
            ),
        ),
        Line(description="Credit of a wrong meter", amount=eur(-10)),
    ),
    discounts=(Discount(name="Spring", amount=eur(90)),),
    adjustments=(Adjustment(kind="shipping", amount=eur(99)), Adjustment(kind="rounding", amount=eur(1))),
    payments=(Payment(id="ch_1", amount=eur(1271), at=PAID_AT, state="succeeded"),),
    credit_notes=(CreditNote(id="re_1", number="R-1", amount=eur(71), kind="refund", at=PAID_AT, reason="Other"),),
    due_at=PAID_AT, paid_at=PAID_AT, description="February", purchase_order="PO-7", subscription="sub_42",
    source=Source("stripe", "acct_1", "in_1"),
)  # fmt: skip


@pytest.fixture(scope="module")
def seam() -> Iterator[Seam]:
    """The SDK at its own seam."""
    found = Seam()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_request, "_make_request", found.answer)
        yield found


def by_key(request: Request) -> dict[str, str]:
    return {"chargebee-idempotency-key": str(request.key), **dict.fromkeys(QUIET, "all-disabled")}


@pytest.mark.proves("chargebee", "import_invoice", "oracle")
def test_an_import_is_what_the_sdk_would_send(seam: Seam) -> None:
    """The whole document and its refund: the same form, field by field, and the three headers that keep it quiet."""
    plan = planned(WHOLE, reference_field="cf_reference")
    assert plan.refusal is None
    made, note, read = plan.requests
    assert read.method == "GET"
    may = Period.month(2026, 2)
    seam.sdk.Invoice.import_invoice(
        {
            "id": "N-1", "date": DAY, "total": 1271, "currency_code": "EUR", "customer_id": "cus_42",
            "subscription_id": "sub_42", "po_number": "PO-7", "due_date": LATER, "paid_at": LATER, "status": "paid",
            "vat_number": "DE1", "round_off": 1, "cf_reference": "res-1",
            "line_items": [
                {
                    "description": "Energy", "amount": 1000, "unit_amount": 500, "quantity": 2,
                    "date_from": int(may.start.timestamp()), "date_to": int(may.end.timestamp()),
                    "tax1_name": "VAT", "tax1_amount": 171, "tax2_name": "City", "tax2_amount": 100,
                },
                {"description": "Credit of a wrong meter", "amount": -10},
                {"description": "Shipping", "amount": 99},
            ],
            "taxes": [{"name": "VAT", "rate": 19}, {"name": "City", "rate": 1.5}],
            "discounts": [{"entity_type": "document_level_discount", "amount": 90, "description": "Spring"}],
            "payments": [
                {"amount": 1271, "payment_method": "other", "date": LATER, "reference_number": "ch_1"},
            ],
            "notes": [{"note": "February\nImported from stripe in_1"}],
            "billing_address": {
                "first_name": "Ada", "email": "ada@example.test", "line1": "1 High Street", "line2": "b",
                "city": "Ulm", "state": "BW", "zip": "89073", "country": "DE",
            },
        },
        by_key(made),
    )  # fmt: skip
    same(made, seam)
    for name in QUIET:
        assert seam.sent["headers"][name] == made.headers[name] == note.headers[name] == "all-disabled"
    seam.sdk.CreditNote.import_credit_note(
        {
            "id": "R-1", "customer_id": "cus_42", "reference_invoice_id": "N-1", "type": "refundable",
            "currency_code": "EUR", "create_reason_code": "Other", "date": LATER, "status": "refunded", "total": 71,
            "refunded_at": LATER, "line_items": [{"description": "Other", "amount": 71}],
            "linked_refunds": [
                {"amount": 71, "payment_method": "other", "date": LATER, "reference_number": "re_1"},
            ],
        },
        by_key(note),
    )  # fmt: skip
    same(note, seam)


LOST = timedelta(days=3)
ENDS: list[tuple[dict[str, Any], str, set[Effect]]] = [
    ({"status": Status.DRAFT}, "status=pending", set()),
    ({"status": Status.OPEN, "due_at": PAID_AT}, f"due_date={LATER}&status=not_paid", {Effect.ISSUES}),
    ({}, f"status=paid&paid_at={LATER}", {Effect.RECORDS}),
    ({"status": Status.VOID, "voided_at": PAID_AT}, f"status=voided&voided_at={LATER}", set()),
    (
        {"status": Status.UNCOLLECTIBLE, "uncollectible_at": PAID_AT},
        f"status=paid&is_written_off=true&write_off_amount=1000&write_off_date={LATER}&credit_note%5Bid%5D=WO-N-1",
        {Effect.RECORDS},
    ),
]


@pytest.mark.parametrize("said,form,effects", ENDS, ids=lambda value: None)
def test_each_status_is_sent_so_that_nothing_is_collected(
    said: dict[str, Any], form: str, effects: set[Effect], world: World
) -> None:
    """Neither posted nor payment_due is ever sent; months later nothing was collected, and nobody was mailed."""
    world.site.mails_invoices = True
    command = document(**said)
    (request,) = planned(command).requests
    sent = request.content.decode()
    assert set(form.split("&")) <= set(sent.split("&"))
    assert not {"status=posted", "status=payment_due", "use_for_proration=true"} & set(sent.split("&"))
    assert request.effects == effects
    done = world.client.import_invoice(command)
    world.clock.now += timedelta(days=200)
    assert world.client.retrieve(done.id).status is command.status
    assert world.events == ["imported"]


def test_a_paid_document_is_read_back_as_it_was(world: World) -> None:
    """Amounts, lines, taxes, payments and credit notes come back, and make the same import again."""
    whole = WHOLE.model_copy(update={"subscription": None, "purchase_order": None})
    done = world.client.import_invoice(whole, allow=ALLOWED)
    again = ImportInvoice.of(world.client.retrieve(done.id))
    for name in ("total", "status", "number", "issued_at", "due_at", "paid_at", "reference"):
        assert getattr(again, name) == getattr(whole, name), name
    assert (again.paid, again.given_back, again.open_amount) == (eur(1271), eur(71), eur(0))
    assert [tax.amount for tax in again.taxes] == [eur(171), eur(100)]
    assert again.customer == WHOLE.customer or again.customer is not None
    assert [note.number for note in again.credit_notes] == ["R-1"]


def test_a_credit_note_before_the_payment_makes_it_paid(world: World) -> None:
    """It is imported as not_paid, since payments do not cover it; its adjustment settles it."""
    command = document(
        payments=(Payment(amount=eur(800), state="succeeded"),),
        credit_notes=(CreditNote(number="C-1", amount=eur(200), kind="adjustment", at=PAID_AT),),
    )
    done = world.client.import_invoice(command, allow=ALLOWED)
    assert (done.status, done.amount_paid, done.amount_credited) == (Status.PAID, eur(800), eur(200))
    assert world.sent[1:] == [
        "POST /invoices/import_invoice", "POST /credit_notes/import_credit_note", "GET /invoices/N-1",
    ]  # fmt: skip


def test_credit_that_is_left_over_needs_its_own_consent(world: World) -> None:
    """It is taken off the next invoice, so it changes what the customer pays."""
    command = document(credit_notes=(CreditNote(number="C-1", amount=eur(200), kind="credit", at=PAID_AT),))
    losses = {loss.code: str(loss.severity) for loss in planned(command).losses}
    assert losses["IB-CHARGEBEE-IMPORT-CREDIT-01"] == "changes_money"
    done = world.client.import_invoice(command, allow=["IB-CHARGEBEE-IMPORT-CREDIT-01"])
    assert [note.kind for note in done.credit_notes] == ["credit"]


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_id_is_what_keeps_it_from_being_made_twice(world: World) -> None:
    """Long after its key is forgotten a repetition is one read: the invoice of that id is this document."""
    first = world.client.import_invoice(document())
    world.clock.now += LOST
    again = world.client.import_invoice(document())
    assert (again.id, again.status) == (first.id, first.status)
    assert world.sent[2:] == ["GET /invoices/N-1"]
    assert world.events == ["imported"]


def test_without_a_lookup_a_duplicate_is_read_and_compared() -> None:
    """lookup="never": the site refuses the id, and the invoice is taken if it is this document."""
    world = make_world(lookup="never")
    world.client.import_invoice(document())
    world.clock.now += LOST
    assert world.client.import_invoice(document()).id == "N-1"
    assert world.sent == ["POST /invoices/import_invoice", "POST /invoices/import_invoice", "GET /invoices/N-1"]
    other = document(reference="res-2")
    with pytest.raises(IdempotencyMismatch, match="number-taken") as refused:
        world.client.import_invoice(other)
    assert refused.value.existing is not None
    assert world.events == ["imported"]


def test_the_id_of_a_deleted_invoice_is_not_taken_again() -> None:
    """Whether it may be is not confirmed: where it may not, another number is asked for."""
    for free in (False, True):
        world = make_world(deleted_id_free=free)
        world.client.import_invoice(document(status=Status.DRAFT))
        world.client.delete("N-1")
        world.clock.now += LOST
        if free:
            assert world.client.import_invoice(document(status=Status.DRAFT)).status is Status.DRAFT
            continue
        with pytest.raises(IdempotencyMismatch, match="by an invoice that is deleted"):
            world.client.import_invoice(document(status=Status.DRAFT))


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TIMEOUT_AFTER, Kind.ERROR_AFTER, Kind.HTML_502_AFTER])
@pytest.mark.parametrize("path", ["import_invoice", "import_credit_note"])
def test_a_lost_answer_makes_nothing_twice(kind: Kind, path: str) -> None:
    """Whichever request loses its answer, one invoice and one credit note are there in the end."""
    command = document(credit_notes=(CreditNote(number="R-1", amount=eur(100), kind="refund", at=PAID_AT),))
    world = make_world(faults=[Fault(kind, path=path)])
    try:
        done = world.client.import_invoice(command)
    except OutcomeUnknown:
        done = world.client.import_invoice(command)
    assert [note.number for note in done.credit_notes] == ["R-1"]
    assert world.events == ["imported", "credited"]


def test_an_import_that_stopped_before_its_credit_notes_goes_on(world: World) -> None:
    """What the invoice lacks is made, long after every key is forgotten; what it has is not made again."""
    notes = tuple(CreditNote(number=f"R-{n}", amount=eur(100), kind="refund", at=PAID_AT) for n in (1, 2))
    world.client.import_invoice(document())
    world.clock.now += LOST
    done = world.client.import_invoice(document(credit_notes=notes))
    assert sorted(str(note.number) for note in done.credit_notes) == ["R-1", "R-2"]
    world.clock.now += LOST
    world.client.import_invoice(document(credit_notes=notes))
    assert world.events == ["imported", "credited", "credited"]


def test_a_credit_note_whose_id_is_another_s_is_told(world: World) -> None:
    """Its number belongs to another invoice's credit note: the import says so, and what is there."""
    note = CreditNote(number="R-1", amount=eur(100), kind="refund", at=PAID_AT)
    world.client.import_invoice(document(credit_notes=(note,)))
    with pytest.raises(IdempotencyMismatch, match="credit note 'R-1' is there already") as refused:
        world.client.import_invoice(document(reference="res-2", number="N-2", credit_notes=(note,)))
    assert refused.value.outcome == "partly_done"


# ── what is not confirmed ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", ["posted", "payment_due"])
@pytest.mark.parametrize("collects", [True, False])
def test_open_statuses_that_may_collect_are_never_sent(status: str, *, collects: bool) -> None:
    """The emulator collects them by itself where its switch says so: the harm that not_paid avoids."""
    world = make_world(import_open_collects=collects)
    pairs = [("id", "N-9"), ("date", str(DAY)), ("total", "1000"), ("customer_id", "cus_42"), ("status", status)]
    pairs += [("currency_code", "EUR"), ("line_items[description][0]", "x"), ("line_items[amount][0]", "1000")]
    world.made("/invoices/import_invoice", *pairs)
    assert ("collected" in world.events) is collects


def test_the_harm_of_closing_a_draft_is_in_the_ledger(world: World) -> None:
    """The control: closing an imported draft collects it, so no import closes one; an open one is not_paid at once."""
    pairs = [("id", "N-9"), ("date", str(DAY)), ("total", "1000"), ("customer_id", "cus_42"), ("status", "pending")]
    pairs += [("currency_code", "EUR"), ("line_items[description][0]", "x"), ("line_items[amount][0]", "1000")]
    world.made("/invoices/import_invoice", *pairs)
    assert world.events == ["imported"]
    world.ask("POST", "/invoices/N-9/close")
    assert world.events == ["imported", "issued", "collected"]


@pytest.mark.parametrize("status", [Status.PAID, Status.VOID, Status.OPEN])
def test_a_key_that_is_forgotten_overnight_makes_nothing_twice(status: Status) -> None:
    """Keys live 30 minutes. The next day the document's id prevents it; the control, another number, is made twice."""
    world, said = make_world(lookup="never"), dict[str, Any]()
    if status is not Status.PAID:
        said = {"status": status, "payments": (), "voided_at": PAID_AT if status is Status.VOID else None}
    first = world.client.import_invoice(document(**said), allow=ALLOWED)
    world.clock.now += timedelta(days=1)
    assert world.client.import_invoice(document(**said), allow=ALLOWED).id == first.id
    assert len(world.site.invoices) == 1
    world.client.import_invoice(document(number="N-2", **said), allow=ALLOWED)
    assert len(world.site.invoices) == 2


def test_a_total_that_the_parts_do_not_come_to_is_refused_or_kept() -> None:
    """Whether the site checks it is not confirmed; ours always comes to it."""
    for checked in (True, False):
        world = make_world(import_total_checked=checked)
        pairs = [("id", "N-9"), ("date", str(DAY)), ("total", "999"), ("customer_id", "cus_42"), ("status", "not_paid")]
        pairs += [("currency_code", "EUR"), ("line_items[description][0]", "x"), ("line_items[amount][0]", "1000")]
        assert world.ask("POST", "/invoices/import_invoice", *pairs).status == (400 if checked else 200)


def test_paid_without_payments_is_refused_or_kept() -> None:
    """Whether payments must cover it is not confirmed; ours always do."""
    for needed in (True, False):
        world = make_world(import_paid_needs_payments=needed)
        pairs = [("id", "N-9"), ("date", str(DAY)), ("total", "1000"), ("customer_id", "cus_42"), ("status", "paid")]
        pairs += [("currency_code", "EUR"), ("line_items[description][0]", "x"), ("line_items[amount][0]", "1000")]
        assert world.ask("POST", "/invoices/import_invoice", *pairs).status == (400 if needed else 200)


def test_a_site_without_imports_says_so() -> None:
    """Support may have to enable them: the refusal is a Rejected, and nothing is there."""
    world = make_world(import_enabled=False)
    with pytest.raises(Rejected, match="not enabled for this site"):
        world.client.import_invoice(document())
    assert world.site.invoices == {}


def test_a_reason_that_the_site_does_not_have_is_refused_or_kept() -> None:
    """Whether create_reason_code must be one of the site's is not confirmed."""
    note = CreditNote(number="R-1", amount=eur(100), kind="refund", at=PAID_AT, reason="Goodwill")
    for checked in (True, False):
        world = make_world(credit_reason_checked=checked)
        command = document(credit_notes=(note,))
        if checked:
            with pytest.raises(Rejected, match="create_reason_code") as refused:
                world.client.import_invoice(command)
            assert refused.value.outcome == "partly_done"
        else:
            assert world.client.import_invoice(command).amount_refunded == eur(100)


# ── refused before anything is sent ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,problem",
    [
        ({"number": "x" * 51}, "number has 51 characters"),
        ({"number": None, "reference": "r" * 51}, "too long for an id"),
        ({"customer": None}, "bills a customer by its id"),
        ({"total": Money(1005, "KWD"), "lines": (), "status": Status.OPEN}, "cannot be billed exactly"),
        ({"lines": (Line(description="x" * 251, amount=eur(1000)),)}, "lines[].description has 251"),
        (
            {
                "total": eur(1001),
                "status": Status.OPEN,
                "taxes": (TaxLine(amount=eur(1)), TaxLine(name="B", amount=eur(1), inclusive=True)),
            },
            "not both",
        ),
        ({"status": Status.OPEN, "total": eur(999), "taxes": (TaxLine(amount=eur(-1)),)}, "below zero"),
        ({"status": Status.OPEN, "total": eur(1001), "discounts": (Discount(amount=eur(-1)),)}, "below zero"),
    ],
)
def test_what_an_import_cannot_carry_is_refused(said: dict[str, Any], problem: str, world: World) -> None:
    """Unsupported, with what to do, before anything is sent."""
    with pytest.raises(Unsupported, match=problem.replace("[", r"\[").replace("]", r"\]")):
        world.client.import_invoice(document(**said))
    assert world.sent == []


def test_a_draft_loses_its_tax_and_says_that_it_changes_money(world: World) -> None:
    """The total without the tax on top is sent and compared; it needs its own consent."""
    lines = (
        Line(description="Energy", amount=eur(1000), taxes=(TaxLine(name="VAT", rate=Decimal(19), amount=eur(190)),)),
    )
    command = document(status=Status.DRAFT, total=eur(1190), lines=lines)
    assert [loss.code for loss in planned(command).losses] == ["IB-CHARGEBEE-IMPORT-TAX-03"]
    done = world.client.import_invoice(command, allow=["IB-CHARGEBEE-IMPORT-TAX-03"])
    assert (done.status, done.total) == (Status.DRAFT, eur(1000))


def test_what_the_site_makes_otherwise_is_a_mismatch(world: World) -> None:
    """A site that answers another total than the document's stops the import, with the invoice."""
    real = world.site.import_invoice

    def wrong(call: Any) -> Any:
        answer = real(call)
        return replace(answer, content=answer.content.replace(b'"total":1000', b'"total":100000'))

    world.site.import_invoice = wrong  # type: ignore[method-assign]
    with pytest.raises((AmountMismatch, IdempotencyMismatch)) as refused:
        world.client.import_invoice(document())
    assert refused.value.outcome == "partly_done"
