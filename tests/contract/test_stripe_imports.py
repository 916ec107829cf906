"""Imports go out as the official SDK sends them, and no import of the past mails or collects, whatever it states."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_bridge import (
    Client,
    Collection,
    CreditNote,
    CustomerRef,
    Discount,
    ImportInvoice,
    Line,
    Money,
    OneTimeCharge,
    Payment,
    Period,
    Source,
    Status,
    TaxLine,
    explain,
)
from invoice_bridge.core.model import Adjustment
from invoice_bridge.core.wire import Effect
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.contract.test_stripe_params import oracle, params_of
from tests.contract.test_stripe_wire import Sdk, quiet, requests, same  # noqa: F401 - a fixture

ISSUED = datetime(2026, 3, 2, tzinfo=UTC)
PAID_AT = datetime(2026, 3, 9, tzinfo=UTC)
LOUD = {Effect.MAILS, Effect.COLLECTS, Effect.REFUNDS}
HARMS = {"mailed", "collected", "refunded", "balance_applied", "carried_over"}


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@st.composite
def _lines(draw: st.DrawFn) -> Line:
    said: dict[str, Any] = {
        "description": draw(st.sampled_from([None, "Energy", "Größe 7", "x" * 300])),
        "period": draw(st.sampled_from([None, Period.month(2026, 2)])),
        "metadata": draw(st.sampled_from([{}, {"meter": "7"}])),
    }
    if draw(st.booleans()):
        said["taxes"] = draw(
            st.lists(
                st.builds(
                    TaxLine,
                    name=st.sampled_from([None, "VAT"]),
                    rate=st.sampled_from([None, Decimal(19), Decimal("8.87512")]),
                    amount=st.integers(-50, 300).map(eur),
                    inclusive=st.booleans(),
                ),
                max_size=2,
            ).map(tuple)
        )
    if draw(st.booleans()):
        return Line(quantity=draw(st.integers(0, 9)), unit_amount=eur(draw(st.integers(0, 900))), **said)
    return Line(amount=eur(draw(st.integers(-300, 5000))), **said)


@st.composite
def history(draw: st.DrawFn, *statuses: Status) -> ImportInvoice:
    """Any document of the past, with the payments and credit notes that its status needs."""
    lines = (Line(description="Base", amount=eur(9000)), *draw(st.lists(_lines(), max_size=3)))
    discounts = draw(st.sampled_from([(), (Discount(name="Spring", code="S", amount=eur(40)),)]))
    adjustments = draw(st.sampled_from([(), (Adjustment(kind="rounding", amount=eur(-1)),)]))
    taxes = () if any(line.taxes for line in lines) else draw(
        st.sampled_from([(), (TaxLine(name="VAT", rate=Decimal(19), amount=eur(77), inclusive=False),)])
    )  # fmt: skip
    on_top = sum(tax.amount.minor for tax in taxes or [t for line in lines for t in line.taxes] if not tax.inclusive)
    total = sum(line.amount.minor for line in lines) + on_top
    total += sum(each.amount.minor for each in adjustments) - sum(
        each.amount.minor for each in discounts if each.amount
    )
    status = draw(st.sampled_from(statuses))
    dates = {Status.PAID: "paid_at", Status.VOID: "voided_at", Status.UNCOLLECTIBLE: "uncollectible_at"}
    said: dict[str, Any] = {dates[status]: PAID_AT} if status in dates else {}
    if status in {Status.PAID, Status.UNCOLLECTIBLE, Status.OPEN}:
        credited = draw(st.sampled_from([0, 500]))
        paid = total - credited if status is Status.PAID else draw(st.sampled_from([0, 700]))
        first = draw(st.sampled_from([0, 300])) if paid else 0
        parts = [part for part in (first, paid - first) if part]
        said["payments"] = [
            Payment(id=draw(st.sampled_from([None, "ch_1"])), amount=eur(part), at=PAID_AT, state="succeeded")
            for part in parts
        ]
        notes = [("adjustment", credited)] if credited else []
        if status is Status.PAID and draw(st.booleans()):
            notes.append(("refund", 200))
        said["credit_notes"] = [
            CreditNote(number=f"C-{n}", amount=eur(amount), kind=kind, at=PAID_AT, reason="Goodwill")  # type: ignore[arg-type]
            for n, (kind, amount) in enumerate(notes)
        ]
    return ImportInvoice(
        reference="res-1", number=draw(st.sampled_from([None, "N-1"])), customer="cus_42", status=status,
        total=eur(total), issued_at=ISSUED, due_at=draw(st.sampled_from([None, PAID_AT])), lines=lines,
        discounts=discounts, taxes=taxes, adjustments=adjustments, description=draw(st.sampled_from([None, "March"])),
        source=Source("chargebee", "acme", "inv_1"), **said,
    )  # fmt: skip


SETTLED = (Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)


@pytest.mark.proves("stripe", "import_invoice", "oracle")
@given(command=history(*SETTLED, Status.OPEN, Status.DRAFT))
@settings(max_examples=60)
def test_an_import_goes_out_as_the_sdk_sends_it(command: ImportInvoice) -> None:
    """For every document: the same method, URL, form bytes, key and version; and the SDK's types accept each body."""
    sdk, seen = Sdk(), 0
    for ours in requests(command):
        same(ours, sdk.twin(ours))
        if ours.body:
            oracle(params_of(ours)).validate_python(ours.body)
        seen += 1
    assert seen >= 2


NEVER = ("refund_amount", "credit_amount", "auto_advance=true", "/send?", "/pay?", "confirm", "email_type=credit_note")


@given(command=history(*SETTLED))
@settings(max_examples=60, deadline=None)
def test_no_import_of_history_mails_or_collects(command: ImportInvoice) -> None:
    """For every paid, void or uncollectible document: in the requests, in the ledger, and in the next bill."""
    plan = explain("stripe", command, lookup="never")
    assert plan.refusal is None
    assert not plan.effects & LOUD
    stripe = StripeEmulator()
    transport = EmulatorTransport(stripe, "https://api.stripe.com")
    client = Client("stripe", api_key=stripe.key, http=httpx.Client(transport=transport), lookup="never")
    done = client.import_invoice(command, allow=[loss.code for loss in plan.losses])
    assert (done.status, done.total) == (command.status, command.total)
    assert done.amount_paid == (command.paid if command.status is not Status.VOID else eur(0))
    for request in transport.sent:
        assert not request.effects & LOUD
        assert [word for word in NEVER if word in f"{request.url}?{request.content.decode()}"] == []
        if request.url.endswith("/credit_notes") and request.writes:
            assert b"email_type=none" in request.content
    assert {entry.event for entry in stripe.ledger} & HARMS == set()
    following = client.create(OneTimeCharge(reference="next", customer="cus_42", amount=eur(500)))
    assert following.amount_due == eur(500)


def test_a_bill_does_what_an_import_does_not() -> None:
    """The control: created and collected, or sent, the same lines are in the ledger as that."""
    for how, event in ((Collection.charge("pm_42"), "collected"), (Collection.send(net_days=3), "mailed")):
        stripe = StripeEmulator()
        http = httpx.Client(transport=EmulatorTransport(stripe, "https://api.stripe.com"))
        client = Client("stripe", api_key=stripe.key, http=http, lookup="never")
        bill = OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(9000), collection=how)
        client.create(bill)
        assert event in {entry.event for entry in stripe.ledger}


def test_a_whole_document_is_these_forms() -> None:
    """What is sent for one document, field by field."""
    vat = TaxLine(name="VAT", rate=Decimal(19), amount=eur(190))
    command = ImportInvoice(
        reference="res-1", number="N-1", customer=CustomerRef(id="cus_42"), status=Status.PAID, total=eur(1150),
        issued_at=ISSUED, paid_at=PAID_AT, due_at=PAID_AT + timedelta(days=1),
        lines=(
            Line(description="Energy", quantity=2, unit_amount=eur(500), taxes=(vat,), period=Period.month(2026, 2)),
        ),
        discounts=(Discount(name="Spring", amount=eur(40)),), source=Source("chargebee", "acme", "inv_1"),
        payments=(Payment(id="txn_1", amount=eur(1150), at=PAID_AT, state="succeeded", method="card"),),
        credit_notes=(CreditNote(id="re_1", number="R-1", amount=eur(50), kind="refund", at=PAID_AT),),
    )  # fmt: skip
    sent = [dict(request.body or {}) for request in requests(command) if request.writes]
    paid, month = int(PAID_AT.timestamp()), Period.month(2026, 2)
    assert sent == [
        {
            "customer": "cus_42", "currency": "eur", "auto_advance": False, "pending_invoice_items_behavior": "exclude",
            "automatic_tax": {"enabled": False}, "discounts": "", "collection_method": "charge_automatically",
            "number": "N-1", "effective_at": int(ISSUED.timestamp()),
            "metadata": {
                "invoice_bridge_reference": "res-1", "invoice_bridge_import": "paid",
                "invoice_bridge_source": "chargebee:inv_1", "invoice_bridge_due_at": "2026-03-10T00:00:00+00:00",
                "invoice_bridge_paid_at": "2026-03-09T00:00:00+00:00",
            },
        },
        {
            "lines": [
                {
                    "description": "Energy", "quantity": 2,
                    "period": {"start": int(month.start.timestamp()), "end": int(month.end.timestamp())},
                    "price_data": {"currency": "eur", "product_data": {"name": "Energy"}, "unit_amount": 500},
                    "tax_amounts": [
                        {
                            "amount": 190, "taxable_amount": 1000,
                            "tax_rate_data": {"display_name": "VAT", "inclusive": False, "percentage": Decimal(19)},
                        }
                    ],
                },
                {"description": "Discount: Spring", "amount": -40},
            ]
        },
        {"auto_advance": False},
        {
            "amount_requested": {"currency": "eur", "value": 1150}, "initiated_at": paid,
            "payment_method_details": {"type": "custom", "custom": {"display_name": "card"}},
            "processor_details": {"type": "custom", "custom": {"payment_reference": "txn_1"}},
            "customer_details": {"customer": "cus_42"}, "outcome": "guaranteed", "guaranteed": {"guaranteed_at": paid},
            "metadata": {"invoice_bridge_part": "res-1: payment 1"},
        },
        {"payment_record": "record_1_1"},
        {
            "invoice": "import_1", "amount": 50, "email_type": "none", "effective_at": paid, "out_of_band_amount": 50,
            "metadata": {
                "invoice_bridge_part": "res-1: credit note 1", "invoice_bridge_number": "R-1",
                "invoice_bridge_source": "re_1",
            },
        },
    ]  # fmt: skip
