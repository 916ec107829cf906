"""Chargebee's native parameters: what a coupon comes to is proved before anything is collected."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chargebee import http_request
from chargebee.models.credit_note.operations import CreditNote as SdkNote
from chargebee.models.invoice.operations import Invoice as Sdk

from invoice_bridge import (
    ALL,
    AmountMismatch,
    Client,
    Collection,
    LossyTranslation,
    Money,
    OneTimeCharge,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.adapter.native import Native
from invoice_bridge.core.commands import Pay, Void
from invoice_bridge.core.errors import ConfigurationError, IdempotencyMismatch
from invoice_bridge.core.model import Line, Status
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.chargebee import CHARGEBEE
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from invoice_bridge.providers.chargebee.native import ROWS
from invoice_bridge.testing.native_rows import commands_for, row_contradiction, stating
from tests.providers.chargebee.conftest import World
from tests.providers.chargebee.test_chargebee_oracle import KEY, Seam, same

COUPON = "native.chargebee.coupon_ids"


def bill(native: dict[str, Any], total: int | None, **more: Any) -> OneTimeCharge:
    fields: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": Money(2000, "EUR")}
    if "lines" in more:
        fields.pop("amount")
    expected = None if total is None else Money(total, "EUR")
    return OneTimeCharge(**{**fields, "native": {"chargebee": native}, "expect_total": expected, **more})


# ── coupons, end to end ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_coupon_is_compared_before_it_is_collected(world: World) -> None:
    """The pending invoice totals what was expected; then it is closed, which collects that and nothing else."""
    made = world.client.create(
        bill({"coupon_ids": ["spring"]}, 1600, collection=Collection.charge("pm_42")), allow=[COUPON]
    )
    assert (made.status, made.total, made.discount) == (Status.PAID, Money(1600, "EUR"), Money(400, "EUR"))
    assert made.amount_paid == Money(1600, "EUR")
    assert made.unbalanced() is None
    assert [loss.code for loss in made.losses if loss.severity == "changes_money"] == [
        "IB-CHARGEBEE-NATIVE-COUPON-IDS-01"
    ]


def test_a_coupon_that_takes_off_another_amount_collects_nothing(world: World) -> None:
    """The draft stays; nothing is issued, and the error says both amounts."""
    with pytest.raises(AmountMismatch) as refused:
        world.client.create(
            bill({"coupon_ids": ["spring"]}, 1500, collection=Collection.charge("pm_42")), allow=[COUPON]
        )
    assert (refused.value.asked, refused.value.found) == (Money(1500, "EUR"), Money(1600, "EUR"))
    assert refused.value.outcome == "partly_done"
    assert world.events == []


@pytest.mark.parametrize("allow", [ALL, ["native"], ["lines"], []])
def test_a_coupon_is_accepted_by_its_name_alone(world: World, allow: Any) -> None:
    """Neither ALL nor the field as a whole accepts what changes the amount."""
    with pytest.raises(LossyTranslation):
        world.client.create(bill({"coupon_ids": ["spring"]}, 1600), allow=allow)
    assert world.sent == []


def test_two_coupons_and_tax_come_to_the_expected_total(world: World) -> None:
    """20 % and 5.00 off 20.00 leave 11.00, and a tenth of tax on that."""
    world.site.tax_percent = 10
    made = world.client.create(
        bill({"coupon_ids": ["spring", "welcome"]}, 1210, tax="provider", collection=Collection.charge("pm_42")),
        allow=[COUPON],
    )
    assert (made.subtotal, made.discount, made.tax, made.total) == tuple(
        Money(minor, "EUR") for minor in (2000, 900, 110, 1210)
    )
    assert made.unbalanced() is None


def test_other_natives_under_one_reference_are_a_mismatch(world: World) -> None:
    """The key is the same, so that the provider itself refuses the second bill."""
    world.client.create(bill({"coupon_ids": ["spring"]}, 1600), allow=[COUPON])
    with pytest.raises(IdempotencyMismatch):
        world.client.create(bill({"coupon_ids": ["welcome"]}, 1500), allow=[COUPON])
    assert world.events == ["issued"]


def test_the_journal_knows_the_natives(tmp_path: Path) -> None:
    """Other natives under one reference are refused before anything is sent, however old the key is."""
    site = ChargebeeEmulator()
    transport = EmulatorTransport(site, "https://acme-test.chargebee.com/api/v2")
    client = Client(
        "chargebee",
        api_key=site.key,
        site="acme-test",
        http=httpx.Client(transport=transport),
        journal=tmp_path / "journal.db",
        lookup="journal",
    )
    first = client.create(bill({"coupon_ids": ["spring"]}, 1600), allow=[COUPON])
    sent = len(transport.sent)
    for other in (
        bill({"coupon_ids": ["welcome"]}, 1600),
        bill({}, None),
        bill({"payment_initiator": "merchant"}, None),
    ):
        with pytest.raises(IdempotencyMismatch) as refused:
            client.create(other, allow=[COUPON])
        assert refused.value.outcome == "nothing_done"
    assert len(transport.sent) == sent
    assert client.create(bill({"coupon_ids": ["spring"]}, 1600), allow=[COUPON]).id == first.id
    assert [entry.event for entry in site.ledger] == ["issued"]


def test_unbilled_charges_take_no_coupon() -> None:
    """What the request could not carry is refused, and not left out."""
    from invoice_bridge import Period, PeriodInvoice

    command = PeriodInvoice(
        reference="may",
        period=Period.month(2026, 5),
        currency="EUR",
        subscription="sub_42",
        tax="provider",
        native={"chargebee": {"coupon_ids": ["spring"]}},
        expect_total=Money(1000, "EUR"),
    )
    refused = explain("chargebee", command, lookup="never", site="acme-test").refusal
    assert isinstance(refused, Unsupported)
    assert "bill lines of your own" in str(refused)


def test_catalog_1_collects_no_coupon_unseen() -> None:
    """One request makes and collects there: nothing could be compared before."""
    command = bill({"coupon_ids": ["spring"]}, 1600, collection=Collection.charge("pm_42"))
    refused = explain("chargebee", command, lookup="never", site="acme-test", product_catalog=1).refusal
    assert isinstance(refused, Unsupported)
    manual = bill({"coupon_ids": ["spring"]}, 1600)
    assert explain("chargebee", manual, lookup="never", site="acme-test", product_catalog=1).refusal is None


# ── exact decimals ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_decimal_is_sent_in_place_of_the_amount(world: World) -> None:
    """The amount is stated once; the other line keeps its own."""
    world.site.multi_decimal = True
    lines = (Line(amount=Money(2000, "EUR")), Line(amount=Money(500, "EUR")))
    command = bill({"charges": [{"amount_in_decimal": "20.004"}, {}]}, 2500, lines=lines)
    made = world.client.create(command, allow=["native.chargebee.charges[].amount_in_decimal"])
    assert made.total == Money(2500, "EUR")
    body = world.bodies[-2].decode()  # the last one closes the pending invoice
    assert "charges%5Bamount_in_decimal%5D%5B0%5D=20.004" in body
    assert "charges%5Bamount%5D%5B0%5D" not in body
    assert "charges%5Bamount%5D%5B1%5D=500" in body


@pytest.mark.parametrize("wrong", ["2000", "20.01", "19.99", "0.20"])
def test_a_decimal_that_is_another_amount_is_refused(wrong: str) -> None:
    """A hundredfold, or a cent: only digits below the minor unit may differ."""
    command = bill({"charges": [{"amount_in_decimal": wrong}]}, 2000)
    refused = explain("chargebee", command, lookup="never", site="acme-test")
    assert isinstance(refused.refusal, ConfigurationError)
    assert "does not round to the line's amount" in str(refused.refusal)
    assert refused.requests == ()


# ── on catalog 1, what fits POST /invoices/charge ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("row", [row for row in ROWS if row.step == "open"], ids=lambda row: row.path)
def test_rows_on_catalog_1(row: Native) -> None:
    """Every row that a bill on product catalog 1 can carry tells the truth there too."""
    context = make_context(CHARGEBEE, {"site": "acme-test", "product_catalog": 1})
    wrong, met = [], 0
    for command in commands_for(row, "cus_42", "pm_42", "sub_42"):
        plain = plan(command, context, lookup="never")
        if met < 4 and plain.refusal is None and row.when(command, context):
            whole = plan(stating(command, row, context, 0), context, lookup="never")
            if whole.refusal is None:
                met += 1
                wrong.append(row_contradiction(command, row, context))
    assert set(wrong) <= {None}
    collected = row.money and row.path in {
        "amount_in_decimal", "avalara_sale_type", "avalara_transaction_type", "avalara_service_type",
    }  # fmt: skip
    only_2 = row.path.startswith("discounts[]")
    assert (met == 0) is (collected or only_2)


def test_what_post_invoices_charge_lacks_is_refused_where_it_bills() -> None:
    """A bill that one request makes and collects; any other bill takes the parameter, one of two lines too."""

    def refusal(native: dict[str, Any], **more: Any) -> Any:
        given: dict[str, Any] = {"tax": "provider", "collection": Collection.charge("pm_42")} | more
        command = OneTimeCharge(reference="r", customer="cus_42", native={"chargebee": native}, **given)
        return explain("chargebee", command, lookup="never", site="acme-test", product_catalog=1).refusal

    note, one, line = {"remove_general_note": True}, Money(2000, "EUR"), Line(amount=Money(1000, "EUR"))
    refused = refusal(note, amount=one)
    assert isinstance(refused, Unsupported)
    assert "POST /invoices/charge does not take it" in str(refused)
    assert refusal(note, amount=one, collection=Collection.manual()) is None
    assert refusal(note, lines=(line, line)) is None
    named = {"charges": [{"entity_description": "Seats"}]}
    assert "write entity_description alone" in str(refusal(named, amount=one))
    assert refusal(named, amount=one, collection=Collection.manual()) is None


# ── the SDK as oracle ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def seam() -> Iterator[Seam]:
    replaced = Seam()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_request, "_make_request", replaced.answer)
        yield replaced


@pytest.mark.parametrize("row", [row for row in ROWS if row.step == "open"], ids=lambda row: row.path)
def test_a_native_parameter_is_what_the_sdk_would_send(seam: Seam, row: Native) -> None:
    """The SDK, given the same parameters, sends the same form; it has each of them in its types."""
    seen: set[tuple[str, str]] = set()
    for catalog in (2, 1):
        context = make_context(CHARGEBEE, {"site": "acme-test", "product_catalog": catalog})
        for command in commands_for(row, "cus_42", "pm_42", "sub_42"):
            plain = plan(command, context, lookup="never")
            if plain.refusal is not None or not row.when(command, context) or len(seen) > 3:
                continue
            made = plan(stating(command, row, context, 0), context, lookup="never")
            if made.refusal is None:
                first = made.requests[0]
                route = first.url.rpartition("/")[2]
                if (route, command.verb) in seen:
                    continue
                seen.add((route, command.verb))
                call = {"charge": seam.sdk.Invoice.charge, "invoices": seam.sdk.Invoice.create}.get(
                    route, seam.sdk.Invoice.create_for_charge_items_and_charges
                )
                call(first.body, {KEY: first.key})
                same(first, seam)


PARAMS = {
    "open": (Sdk.CreateForChargeItemsAndChargesParams, Sdk.ChargeParams),
    "close": (Sdk.CloseParams,),
    "collect_payment": (Sdk.CollectPaymentParams,),
    "record_payment": (Sdk.RecordPaymentParams,),
    "void": (Sdk.VoidInvoiceParams,),
    "write_off": (Sdk.WriteOffParams,),
    "delete": (Sdk.DeleteParams,),
    "refund": (Sdk.RefundParams,),
    "credit": (SdkNote.CreateParams,),
}
PARTS = {
    "charges": Sdk.CreateForChargeItemsAndChargesChargeParams,
    "discounts": Sdk.CreateForChargeItemsAndChargesDiscountParams,
    "tax_providers_fields": Sdk.ChargeTaxProvidersFieldParams,
    "notes_to_remove": Sdk.CreateForChargeItemsAndChargesNotesToRemoveParams,
    "shipping_address": Sdk.CreateForChargeItemsAndChargesShippingAddressParams,
    "statement_descriptor": Sdk.CreateForChargeItemsAndChargesStatementDescriptorParams,
    "transaction": Sdk.RecordPaymentTransactionParams,
    "credit_note": Sdk.RefundCreditNoteParams,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.step} {row.path}")
def test_the_sdk_has_the_parameter(row: Native) -> None:
    """No row is made up: each name is one of the SDK's parameters of that request."""
    names = row.path.replace("[]", "").split(".")
    assert any(names[0] in params.__annotations__ for params in PARAMS[row.step])
    if len(names) > 1:
        assert names[1] in PARTS[names[0]].__annotations__
    assert len(names) <= 2


def test_a_verb_takes_its_parameters(world: World) -> None:
    """What a verb states is sent with its own request, under the key of the verb without it."""
    context = make_context(CHARGEBEE, {"site": "acme-test"})
    reason = {"chargebee": {"void_reason_code": "Other", "comment": "wrong customer"}}
    plain, made = (plan(command, context).requests[0] for command in (Void(id="7"), Void(id="7", native=reason)))
    assert made.content == b"void_reason_code=Other&comment=wrong+customer"
    assert made.key == plain.key
    opened = world.client.create(bill({}, None))
    voided = world.client.void(opened.id, native=reason)
    assert voided.status is Status.VOID
    paying = plan(Pay(id="7", payment_method="pm_42", native={"chargebee": {"payment_initiator": "merchant"}}), context)
    assert b"payment_initiator=merchant" in paying.requests[-1].content
    assert [where for name, _, where in paying.origins(paying.requests[-1]) if name == "payment_initiator"] == [
        "native"
    ]
    refused = plan(Pay(id="7", payment_method="pm_42", native={"chargebee": {"amount": 1}}), context).refusal
    assert isinstance(refused, Unsupported)


def test_the_reason_codes_of_refunds_and_credit_notes_are_sent_and_read(world: World) -> None:
    """They are the credit note's reason; the same reference with another code is another content."""
    world.client.create(bill({}, None, collection=Collection.charge("pm_42"), amount=Money(3000, "EUR")))
    invoice = next(iter(world.client.list()))
    zero, part = Money.zero("EUR"), Money(500, "EUR")
    of_refund = {
        "chargebee": {"credit_note": {"create_reason_code": "Product Unsatisfactory"}, "customer_notes": "Sorry"}
    }
    of_credit = {"chargebee": {"create_reason_code": "Service Unavailable", "customer_notes": "Sorry"}}
    world.client.refund(invoice.id, amount=part, reference="r-1", expect=zero, native=of_refund)
    assert "credit_note%5Bcreate_reason_code%5D=Product+Unsatisfactory" in next(
        body.decode() for body in world.bodies if b"refund_amount" in body
    )
    done = world.client.credit(invoice.id, amount=part, reference="c-1", expect=part, native=of_credit)
    assert {note.reason for note in done.credit_notes} == {"Product Unsatisfactory", "Service Unavailable"}
    for verb, native in (("refund", {"credit_note": {"reason_code": "other"}}), ("credit", {"reason_code": "other"})):
        with pytest.raises(Unsupported, match="use create_reason_code"):
            getattr(world.client, verb)(
                invoice.id, amount=part, reference="x", expect=part, native={"chargebee": native}
            )
    with pytest.raises(Unsupported, match="the invoice and the command state it"):
        world.client.credit(invoice.id, amount=part, reference="x", expect=part, native={"chargebee": {"total": 1}})
