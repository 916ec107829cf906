"""History at Stripe: how each document ends, what is refused, and what is made once whatever is lost."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import (
    AmountMismatch,
    CreditNote,
    Discount,
    Discrepancy,
    IdempotencyMismatch,
    ImportInvoice,
    Line,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Payment,
    RateLimited,
    ServerError,
    Source,
    Status,
    TaxLine,
    Unreachable,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.core.model import Adjustment
from invoice_bridge.core.wire import Effect
from invoice_bridge.providers.stripe.tables import IMPORT_KEY, PART_KEY
from invoice_bridge.testing import no_waiting
from tests.providers.stripe.conftest import World

Make = Callable[..., World]
ISSUED = datetime(2026, 3, 2, tzinfo=UTC)
PAID_AT = datetime(2026, 3, 9, tzinfo=UTC)
LATER = datetime(2027, 3, 9, tzinfo=UTC)
LOST = timedelta(days=3)
CODE = "IB-STRIPE-IMPORT"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def paid_by(*minors: int, **said: Any) -> tuple[Payment, ...]:
    least: dict[str, Any] = {"at": PAID_AT, "state": "succeeded"}
    return tuple(Payment(**{"id": f"ch_{n}", "amount": eur(minor), **least, **said}) for n, minor in enumerate(minors))


def noted(minor: int, kind: Any, **said: Any) -> CreditNote:
    return CreditNote(**{"number": f"C-{minor}", "amount": eur(minor), "kind": kind, "at": PAID_AT, **said})


def document(**said: Any) -> ImportInvoice:
    least: dict[str, Any] = {
        "reference": "res-1", "number": "N-1", "customer": "cus_42", "status": Status.PAID, "total": eur(1000),
        "issued_at": ISSUED, "lines": (Line(description="Energy", amount=eur(1000)),),
    }  # fmt: skip
    if said.get("status", Status.PAID) is Status.PAID and "payments" not in said:
        least |= {"payments": paid_by(1000), "paid_at": PAID_AT}
    return ImportInvoice(**least | said)


def losses(command: ImportInvoice) -> dict[str, str]:
    found = explain("stripe", command, lookup="never").losses
    return {loss.code.removeprefix(f"{CODE}-"): str(loss.severity) for loss in found}


def carry(world: World, command: ImportInvoice) -> Any:
    return world.client.import_invoice(command, allow=[f"{CODE}-{code}" for code in losses(command)])


def writes(world: World) -> list[str]:
    return [sent for sent in world.sent if not sent.startswith("GET")]


# ── how each document ends ───────────────────────────────────────────────────────────────────────────────────────────
ENDS: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"status": Status.DRAFT}, [], []),
    ({"status": Status.OPEN, "due_at": PAID_AT}, ["issued"], ["CREATED-01", "DUE-01"]),
    ({}, ["issued", "recorded"], ["CREATED-01", "PAID-AT-01"]),
    ({"payments": paid_by(300, 700)}, ["issued", "recorded", "recorded"], ["CREATED-01"]),
    ({"status": Status.OPEN, "payments": paid_by(300)}, ["issued", "recorded"], ["CREATED-01"]),
    ({"status": Status.VOID, "voided_at": PAID_AT}, ["issued", "voided"], ["CREATED-01", "VOIDED-AT-01"]),
    (
        {"status": Status.UNCOLLECTIBLE, "uncollectible_at": PAID_AT, "payments": paid_by(100)},
        ["issued", "recorded", "written_off"],
        ["CREATED-01", "UNCOLLECTIBLE-01"],
    ),
    (
        {"payments": paid_by(800), "credit_notes": [noted(200, "adjustment")]},
        ["issued", "credited", "recorded"],
        ["CREATED-01", "CREDIT-NUMBER-01"],
    ),
    (
        {"payments": (), "credit_notes": [noted(1000, "adjustment")]},
        ["issued", "credited"],
        ["CREATED-01", "CREDIT-NUMBER-01"],
    ),
    (
        {"credit_notes": [noted(200, "refund")]},
        ["issued", "recorded", "credited"],
        ["CREATED-01", "PAID-AT-01", "CREDIT-NUMBER-01"],
    ),
    ({"total": eur(0), "lines": (), "payments": ()}, ["issued"], ["LINES-01", "CREATED-01"]),
]


@pytest.mark.parametrize("said,events,lost", ENDS, ids=lambda value: None)
@pytest.mark.proves("stripe", "import_invoice", "emulator")
def test_each_document_ends_as_it_did(said: dict[str, Any], events: list[str], lost: list[str], world: World) -> None:
    """The status, total, number, date and what was paid and credited; what is lost is named before."""
    command = document(**said)
    assert [code for code, severity in losses(command).items() if severity != "info" or code in lost] == lost
    done = carry(world, command)
    assert (done.status, done.total, done.number) == (command.status, command.total, "N-1")
    again = world.client.retrieve(done.id)
    assert (again.status, again.reference) == (command.status, "res-1")
    if command.status is not Status.DRAFT:
        assert again.issued_at == ISSUED
    if command.status not in {Status.DRAFT, Status.VOID}:
        assert (again.amount_paid, again.amount_credited) == (command.paid, command.credited + command.given_back)
    assert world.events == events
    assert world.stripe.customers["cus_42"]["balance"] == 0


def test_a_paid_document_is_five_writes_and_the_record_keeps_the_day(world: World) -> None:
    """The invoice is paid today; the payment record has the true day, and where the payment was made."""
    carry(world, document(source=Source("chargebee", "acme", "inv_1")))
    assert writes(world) == [
        "POST /v1/invoices", "POST /v1/invoices/in_00000001/add_lines", "POST /v1/invoices/in_00000001/finalize",
        "POST /v1/payment_records/report_payment", "POST /v1/invoices/in_00000001/attach_payment",
    ]  # fmt: skip
    (record,) = world.stripe.payment_records.values()
    assert record["processor_details"]["custom"]["payment_reference"] == "ch_0"
    assert record["metadata"] == {PART_KEY: "res-1: payment 1"}
    metadata = world.stripe.invoices["in_00000001"]["metadata"]
    assert metadata["invoice_bridge_paid_at"] == "2026-03-09T00:00:00+00:00"
    assert metadata["invoice_bridge_source"] == "chargebee:inv_1"


def test_an_open_invoice_is_a_draft_until_it_is_armed(world: World) -> None:
    """Nobody can pay it before; the same command with armed=True goes on from the draft."""
    held = carry(world, document(status=Status.OPEN, armed=False))
    assert (held.status, held.hosted_url, world.events) == (Status.DRAFT, None, [])
    before = len(world.sent)
    armed = carry(world, document(status=Status.OPEN))
    assert (armed.id, armed.status) == (held.id, Status.OPEN)
    assert [sent for sent in world.sent[before:] if "POST" in sent] == [f"POST /v1/invoices/{held.id}/finalize"]


def test_what_was_paid_in_between_is_part_of_the_armed_invoice(world: World) -> None:
    """A payment that an unarmed document states is recorded once it is armed, and not before."""
    carry(world, document(status=Status.OPEN, armed=False, payments=paid_by(300)))
    assert world.stripe.payment_records == {}
    armed = carry(world, document(status=Status.OPEN, payments=paid_by(300)))
    assert (armed.amount_paid, armed.amount_remaining) == (eur(300), eur(700))


def test_an_open_invoice_is_mailed_where_that_is_asked_alone(make: Make) -> None:
    """It is made send_invoice with its due date; whether finalizing mails is a switch, and send is never sent."""
    for mails in (True, False):
        world = make(finalize_mails_send_invoice=mails)
        command = document(status=Status.OPEN, due_at=LATER, mail=True)
        assert "MAIL-01" in losses(command)
        assert Effect.MAILS in explain("stripe", command, lookup="never").effects
        done = carry(world, command)
        assert (done.status, done.due_at) == (Status.OPEN, LATER)
        assert world.events == ["issued", *(["mailed"] if mails else [])]
        quiet = make(finalize_mails_send_invoice=mails)
        carry(quiet, document(status=Status.OPEN, due_at=LATER))
        assert quiet.events == ["issued"]


def test_a_draft_made_to_be_mailed_is_not_finalized_by_an_import_that_is_not(make: Make) -> None:
    """And the other way round: the draft says how it was made."""
    for first, then in ((True, False), (False, True)):
        world = make(finalize_mails_send_invoice=True)
        command = document(status=Status.OPEN, due_at=LATER)
        if first:
            faults = [Fault(Kind.THROTTLED, path="finalize", times=9)]
            world.transport.faults = Faults(world.stripe, faults)
            with no_waiting(), pytest.raises(RateLimited):
                carry(world, command.model_copy(update={"mail": first}))
            world.transport.faults = None
        else:
            carry(world, command.model_copy(update={"armed": False}))
        with pytest.raises(Unsupported, match="asks for the contrary"):
            carry(world, command.model_copy(update={"mail": then}))
        assert world.events == []


# ── lines and taxes ──────────────────────────────────────────────────────────────────────────────────────────────────
VAT = TaxLine(name="VAT", rate=Decimal(19), amount=eur(190))
TAXED: list[tuple[dict[str, Any], list[str], list[tuple[str | None, int]]]] = [
    ({"total": eur(1190), "taxes": (VAT,)}, [], [("Energy", 1000)]),
    (
        {
            "total": eur(1290), "taxes": (VAT,),
            "lines": (Line(description="Energy", amount=eur(1000)), Line(description="Parking", amount=eur(100))),
        },
        ["TAX-01"],
        [("Energy", 1000), ("Parking", 100), ("VAT 19 %", 190)],
    ),
    (
        {
            "total": eur(1100), "taxes": (VAT.model_copy(update={"inclusive": True}),),
            "lines": (Line(description="Energy", amount=eur(1000)), Line(description="Parking", amount=eur(100))),
        },
        ["TAX-WITHIN-01"],
        [("Energy", 1000), ("Parking", 100)],
    ),
    (
        {
            "total": eur(881),
            "lines": (
                Line(description="Energy", amount=eur(1000)),
                Line(description="Back", amount=eur(-100), taxes=(VAT.model_copy(update={"amount": eur(-19)}),)),
            ),
        },
        ["TAX-02"],
        [("Energy", 1000), ("Back", -100), ("VAT 19 %", -19)],
    ),
    (
        {
            "lines": (
                Line(description="Energy", amount=eur(1100)),
                Line(
                    description="Back", amount=eur(-100),
                    taxes=(VAT.model_copy(update={"amount": eur(-19), "inclusive": True}),),
                ),
            ),
        },
        ["TAX-WITHIN-02"],
        [("Energy", 1100), ("Back", -100)],
    ),
    ({"total": eur(1190), "taxes": (VAT.model_copy(update={"rate": None}),)}, ["TAX-RATE-01"], [("Energy", 1000)]),
    (
        {
            "total": eur(1050), "discounts": (Discount(name="Spring", code="SPRING", amount=eur(40)),),
            "adjustments": (Adjustment(kind="shipping", amount=eur(90)),),
        },
        ["DISCOUNT-01", "DISCOUNT-02", "ADJUSTMENT-01"],
        [("Energy", 1000), ("Discount: Spring (SPRING)", -40), ("Shipping", 90)],
    ),
    (
        {"lines": (Line(description="Tiered", quantity=7, unit_amount=eur(100), amount=eur(1000)),)},
        ["QUANTITY-01"],
        [("Tiered", 1000)],
    ),
]  # fmt: skip


@pytest.mark.parametrize("said,lost,rows", TAXED, ids=lambda value: None)
def test_the_lines_come_to_the_total_whatever_they_lose(
    said: dict[str, Any], lost: list[str], rows: list[tuple[str | None, int]], world: World
) -> None:
    """A tax goes with its line; what has no place there is a line of its own, or is named as lost."""
    command = document(status=Status.OPEN, **said)
    assert [code for code in losses(command) if code != "CREATED-01"] == lost
    grave = {code for code, severity in losses(command).items() if severity == "changes_money"}
    assert grave == {code for code in lost if re.fullmatch(r"TAX-\d\d", code)}
    done = carry(world, command)
    assert [(line.description, line.amount.minor) for line in done.lines] == rows
    assert done.total == command.total


def test_rare_losses_are_named() -> None:
    """A payment without a date, an empty metadata value, parts of seconds, credit that is left over."""
    assert losses(document(payments=paid_by(1000, at=None)))["PAYMENT-DATE-01"] == "warns"
    assert losses(document(metadata={"a": ""}))["METADATA-01"] == "warns"
    assert losses(document(issued_at=ISSUED + timedelta(milliseconds=7)))["DATE-01"] == "info"
    assert losses(document(credit_notes=[noted(100, "credit")]))["CREDIT-01"] == "changes_money"
    assert losses(document(credit_notes=[noted(100, "refund", at=None)]))["CREDIT-DATE-01"] == "warns"


def test_credit_that_is_left_over_changes_no_balance(world: World) -> None:
    """It is taken off no later invoice: the caller gives it last of all."""
    done = carry(world, document(credit_notes=[noted(100, "credit")]))
    assert [note.kind for note in done.credit_notes] == ["refund"]
    assert world.stripe.customers["cus_42"]["balance"] == 0


# ── what Stripe would do by itself ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("switch", ["customer_owes", "customer_credit"])
def test_a_customer_with_a_balance_is_refused_before_anything_is_made(switch: str, make: Make) -> None:
    """Finalizing would apply it to history; a draft is finalized by nobody, and may be imported."""
    world = make(**{switch: True})
    with pytest.raises(Unsupported, match=r"^customer-has-balance: ") as refused:
        carry(world, document())
    assert (refused.value.outcome, writes(world)) == ("nothing_done", [])
    assert carry(world, document(reference="res-2", number="N-2", status=Status.DRAFT)).status is Status.DRAFT
    with pytest.raises(Unsupported, match="customer-has-balance"):
        carry(world, document(reference="res-3", number=None, status=Status.OPEN))
    assert world.events == []


def test_a_balance_in_another_currency_is_refused_too(world: World) -> None:
    """Where Stripe states it: which balance an invoice takes is not left to a guess."""
    world.stripe.customers["cus_42"]["invoice_credit_balance"] = {"usd": 100}
    with pytest.raises(Unsupported, match="customer-has-balance"):
        carry(world, document())
    assert writes(world) == []


def test_a_balance_that_comes_between_stops_at_the_draft(world: World) -> None:
    """The draft shows it; nothing was finalized."""
    add = world.stripe._attach

    def late(*given: Any) -> None:
        world.stripe.customers["cus_42"]["balance"] = -300
        add(*given)

    world.stripe._attach = late  # type: ignore[method-assign,assignment]
    with pytest.raises(AmountMismatch, match="customer-has-balance"):
        carry(world, document())
    assert world.events == []


def test_a_balance_that_comes_last_is_seen_after_finalizing(world: World) -> None:
    """The credit is used up by then; the import says so, and records no payment on top."""
    issue = world.stripe._issue

    def late(found: dict[str, Any]) -> None:
        world.stripe.customers["cus_42"]["balance"] = -300
        issue(found)

    world.stripe._issue = late  # type: ignore[method-assign]
    with pytest.raises(AmountMismatch, match="Correct the customer's balance"):
        carry(world, document())
    assert world.events == ["balance_applied", "issued"]
    assert world.stripe.payment_records == {}


def test_the_harm_of_a_balance_is_in_the_ledger(make: Make) -> None:
    """The control: finalizing by hand eats the credit of the customer."""
    world = make(customer_credit=True)
    made = world.made("/v1/invoices", ("customer", "cus_42"), ("currency", "eur"))
    world.made(f"/v1/invoices/{made['id']}/add_lines", ("lines[0][amount]", "1000"))
    world.made(f"/v1/invoices/{made['id']}/finalize", ("auto_advance", "false"))
    assert [(entry.event, entry.units) for entry in world.stripe.ledger] == [
        ("balance_applied", -500),
        ("issued", 1000),
    ]


@pytest.mark.parametrize("status", [Status.PAID, Status.OPEN, Status.VOID, Status.UNCOLLECTIBLE])
def test_what_is_below_the_minimum_is_refused(status: Status, world: World) -> None:
    """It would count as paid, and the customer's next invoice would collect it again."""
    small: dict[str, Any] = {"total": eur(20), "lines": (Line(description="x", amount=eur(20)),)}
    payments = paid_by(20) if status is Status.PAID else ()
    with pytest.raises(Unsupported, match=r"^below-minimum: ") as refused:
        carry(world, document(status=status, payments=payments, **small))
    assert (refused.value.outcome, world.sent) == ("nothing_done", [])
    assert carry(world, document(status=Status.DRAFT, **small)).status is Status.DRAFT


def test_the_harm_of_the_minimum_is_in_the_ledger(world: World) -> None:
    """The control: an invoice of 0.20 moves to the balance, and the next one bills it."""
    for units in ("20", "1000"):
        made = world.made("/v1/invoices", ("customer", "cus_42"), ("currency", "eur"))
        world.made(f"/v1/invoices/{made['id']}/add_lines", ("lines[0][amount]", units))
        last = world.made(f"/v1/invoices/{made['id']}/finalize", ("auto_advance", "false"))
    assert [(entry.event, entry.units) for entry in world.stripe.ledger] == [
        ("carried_over", 20), ("issued", 20), ("balance_applied", 20), ("issued", 1000),
    ]  # fmt: skip
    assert last["amount_due"] == 1020


def issue(world: World, units: str) -> Any:
    """Make and finalize an invoice by hand, without the rules of an import."""
    made = world.made("/v1/invoices", ("customer", "cus_42"), ("currency", "eur"))
    world.made(f"/v1/invoices/{made['id']}/add_lines", ("lines[0][amount]", units))
    return world.made(f"/v1/invoices/{made['id']}/finalize", ("auto_advance", "false"))


def test_the_harm_of_a_negative_document_is_in_the_ledger(world: World) -> None:
    """The control: it becomes a credit of the customer, who then pays less for the next invoice."""
    with pytest.raises(ValueError, match="is a credit note, not an invoice"):
        document(total=eur(-700), lines=(Line(description="x", amount=eur(-700)),), payments=())
    issue(world, "-700")
    assert issue(world, "1000")["amount_due"] == 300
    assert [(entry.event, entry.units) for entry in world.stripe.ledger] == [
        ("carried_over", -700), ("issued", -700), ("balance_applied", -700), ("issued", 1000),
    ]  # fmt: skip


def test_the_harm_of_a_credit_note_is_in_the_ledger(world: World) -> None:
    """The control: a credit note mails the customer unless email_type=none is sent, which imports send."""
    made = issue(world, "1000")
    world.made("/v1/credit_notes", ("invoice", made["id"]), ("amount", "100"))
    assert world.events == ["issued", "credited", "mailed"]


def test_the_harm_of_a_past_due_date_is_a_refusal(world: World) -> None:
    """The control: Stripe takes no due date in the past, so an import keeps it in the metadata."""
    pairs = [("customer", "cus_42"), ("currency", "eur"), ("collection_method", "send_invoice")]
    answer = world.ask("POST", "/v1/invoices", *pairs, ("due_date", "1000000000"))
    assert (answer.status, b"due_date" in answer.content) == (400, True)
    carry(world, document(status=Status.OPEN, due_at=PAID_AT))
    (made,) = world.stripe.invoices.values()
    assert made["metadata"]["invoice_bridge_due_at"] == PAID_AT.isoformat()


def test_near_the_minimum_and_without_one_on_the_sheet_it_needs_consent(make: Make) -> None:
    """The account's settlement currency decides, which is not known; what then happens is seen after finalizing."""
    near = document(total=eur(60), lines=(), payments=paid_by(60))
    assert losses(near)["MINIMUM-01"] == "changes_money"
    assert "MINIMUM-01" not in losses(document())
    francs = {"total": Money(1900, "CHF"), "lines": (), "status": Status.OPEN}
    assert losses(document(**francs))["MINIMUM-01"] == "changes_money"
    assert "MINIMUM-01" not in losses(document(**francs | {"total": Money(2000, "CHF")}))
    assert losses(document(**francs | {"total": Money(19_999, "VND")}))["MINIMUM-01"] == "changes_money"
    world = make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "invoice_bridge.providers.stripe.emulator.transitions.MINIMUM_CHARGE", {"EUR": 70}
        )  # as where the account settles in another currency
        with pytest.raises(AmountMismatch, match="Correct the customer's balance"):
            carry(world, near)
    assert world.events == ["carried_over", "issued"]


def test_void_over_nothing_is_refused(world: World) -> None:
    """Stripe counts it as paid when it is finalized."""
    with pytest.raises(Unsupported, match=r"^zero-total: "):
        carry(world, document(status=Status.VOID, total=eur(0), lines=()))
    assert world.sent == []


# ── refused before anything is sent ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,problem",
    [
        ({"customer": None}, "bills a customer by its id"),
        ({"lines": tuple(Line(amount=eur(4)) for _ in range(251)), "total": eur(1004)}, "251"),
        (
            {"lines": tuple(Line(amount=eur(4)) for _ in range(250)), "total": eur(1001),
             "adjustments": (Adjustment(kind="rounding", amount=eur(1)),)},
            "too-many-lines",
        ),
        ({"custom_fields": {f"f{n}": "x" for n in range(4)}, "purchase_order": "PO-1"}, "takes 4"),
        ({"custom_fields": {"PO number": "7"}, "purchase_order": "PO-1"}, "carries the purchase order"),
        ({"metadata": {"invoice_bridge_reference": "x"}}, "carries the reference"),
        ({"metadata": {IMPORT_KEY: "void"}}, "keeps a fact of the import"),
        ({"mail": True}, "a due date alone"),
        ({"total": Money(1005, "KWD"), "lines": ()}, "cannot be billed exactly"),
        ({"lines": (Line(description="x" * 501, amount=eur(1000)),)}, "500"),
    ],
)  # fmt: skip
def test_what_stripe_cannot_take_is_refused(said: dict[str, Any], problem: str, world: World) -> None:
    """Unsupported, with what to do, before anything is sent."""
    with pytest.raises(Unsupported, match=problem):
        carry(world, document(status=Status.OPEN, **said))
    assert world.sent == []


def test_a_customer_who_is_deleted_is_refused(world: World) -> None:
    """It is billed nothing, and the import says which customer."""
    world.stripe.customers["cus_42"]["deleted"] = True
    with pytest.raises(Unsupported, match=r"^customer-unmapped: "):
        carry(world, document())
    assert writes(world) == []


def test_a_number_that_is_taken_is_refused_or_kept(make: Make) -> None:
    """Whether Stripe refuses it is not confirmed: where it does, another number is asked for."""
    for unique in (True, False):
        world = make(number_unique=unique)
        carry(world, document())
        if unique:
            with pytest.raises(IdempotencyMismatch, match=r"^number-taken: "):
                carry(world, document(reference="res-2"))
        else:
            assert carry(world, document(reference="res-2")).number == "N-1"


def test_a_date_too_far_back_is_the_providers_refusal(make: Make) -> None:
    """How far back effective_at may lie is not confirmed: where it may not, nothing was made."""
    old = document(issued_at=datetime(2019, 1, 1, tzinfo=UTC))
    assert carry(make(), old).issued_at == datetime(2019, 1, 1, tzinfo=UTC)
    world = make(effective_at_back=False)
    with pytest.raises(Exception, match="too far back"):
        carry(world, old)
    assert world.stripe.invoices == {}


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
WHOLE: dict[str, Any] = {
    "payments": paid_by(300, 500), "paid_at": PAID_AT,
    "credit_notes": [noted(200, "adjustment"), noted(100, "refund")],
}  # fmt: skip
EVENTS = ["issued", "credited", "recorded", "recorded", "credited"]


def test_a_repetition_long_after_is_read_alone(world: World) -> None:
    """Past every key, the invoice that has the reference is this document: nothing is written."""
    first = carry(world, document(**WHOLE))
    world.clock.now += LOST
    before = len(world.sent)
    again = carry(world, document(**WHOLE))
    assert (again.id, again.status) == (first.id, Status.PAID)
    assert [sent for sent in world.sent[before:] if "POST" in sent] == []
    assert sorted(note.amount.minor for note in again.credit_notes if note.amount) == [100, 200]


STEPS = ["invoices$", "add_lines", "finalize", "report_payment", "attach_payment", "credit_notes"]
KINDS = [Kind.RESET_AFTER, Kind.RESET_BEFORE, Kind.TIMEOUT_AFTER, Kind.ERROR_AFTER, Kind.HTML_502_AFTER]


@pytest.mark.parametrize(
    "kind,path,later",
    [
        *((kind, path, LOST) for kind in KINDS for path in STEPS),
        *((kind, path, timedelta(minutes=1)) for kind in (Kind.RESET_AFTER, Kind.ERROR_AFTER) for path in STEPS[3:]),
    ],
)
def test_a_lost_answer_makes_nothing_twice(kind: Kind, path: str, later: timedelta, make: Make) -> None:
    """Whichever write is lost for good, importing again ends with one invoice, and each part of it once."""
    world = make()
    world.transport.faults = Faults(world.stripe, [Fault(kind, path=path, method="POST", times=3)])
    done = None
    with no_waiting():
        for attempt in (1, 1, 2):
            try:
                done = carry(world, document(attempt=attempt, **WHOLE))
            except (OutcomeUnknown, ServerError, Unreachable):
                world.clock.now += later
                world.transport.faults = None
            else:
                break
    assert done is not None
    assert (done.status, len(world.stripe.invoices)) == (Status.PAID, 1)
    assert world.events == EVENTS
    assert len(world.stripe.credit_notes) == 2
    (invoice,) = world.stripe.invoices.values()
    assert sorted(row["amount_paid"] for row in invoice["payments"]) == [300, 500]
    if kind is not Kind.RESET_BEFORE and path == "report_payment" and kind is not Kind.ERROR_AFTER:
        assert len(world.stripe.payment_records) == 2  # what was reported is attached, and not reported again


@pytest.mark.parametrize("said", [{}, {"status": Status.OPEN, "payments": paid_by(300)}], ids=["whole", "a part"])
def test_a_payment_that_lands_while_it_is_looked_up_is_no_discrepancy(said: dict[str, Any], world: World) -> None:
    """A killed process's request takes effect after the invoice was read and before its payments are: both are read."""
    world.transport.faults = Faults(world.stripe, [Fault(Kind.RESET_BEFORE, path="attach_payment", times=99)])
    with no_waiting(), pytest.raises((OutcomeUnknown, Unreachable)):
        carry(world, document(**said))
    world.transport.faults = None
    (record,) = world.stripe.payment_records
    listed = world.stripe.list_payments

    def landing(call: Any) -> Any:
        if "recorded" not in world.events:
            world.made("/v1/invoices/in_00000001/attach_payment", ("payment_record", record))
        return listed(call)

    world.stripe.list_payments = landing  # type: ignore[method-assign]
    done = carry(world, document(**said))
    assert (done.status, done.amount_paid) == (document(**said).status, document(**said).paid)
    assert world.events == ["issued", "recorded"]


def test_a_bill_of_the_same_reference_is_no_import(world: World) -> None:
    """It was billed, so nothing of it is recorded as paid elsewhere: the import asks for another reference."""
    world.client.create(OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(1000)))
    with pytest.raises(IdempotencyMismatch, match="was billed and not imported"):
        carry(world, document(number=None))
    assert world.events == ["issued"]


def test_what_was_paid_on_its_page_is_a_discrepancy(world: World) -> None:
    """An open document whose invoice the customer paid meanwhile is not recorded a second time."""
    carry(world, document(status=Status.OPEN))
    world.made("/v1/invoices/in_00000001/pay")
    with pytest.raises(Discrepancy, match="is paid"):
        carry(world, document(status=Status.OPEN))


def test_a_void_document_that_was_paid_in_part_meanwhile_stays_open(world: World) -> None:
    """It is not withdrawn over money that arrived."""
    carry(world, document(status=Status.OPEN))
    record = world.made(
        "/v1/payment_records/report_payment",
        ("amount_requested[currency]", "eur"), ("amount_requested[value]", "100"), ("initiated_at", "1"),
        ("payment_method_details[type]", "custom"),
    )  # fmt: skip
    world.made("/v1/invoices/in_00000001/attach_payment", ("payment_record", record["id"]))
    with pytest.raises(Discrepancy, match="it is still open"):
        carry(world, document(status=Status.VOID))
    assert "voided" not in world.events


def test_what_stripe_totals_otherwise_is_never_issued(world: World) -> None:
    """Pending taxes or a discount that Stripe adds stop at the draft."""
    total = world.stripe._total

    def wrong(found: dict[str, Any]) -> None:
        total(found)
        if found["rows"]:
            found["total"] = found["amount_due"] = found["total"] * 100

    world.stripe._total = wrong  # type: ignore[method-assign]
    with pytest.raises(AmountMismatch):
        carry(world, document())
    assert world.events == []
