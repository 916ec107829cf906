"""The official SDK as the oracle of the wire: what it would send for the same bill is what we send.

Captured at the SDK's own seam, the function that puts its request on the wire. What differs stands in DIFFERENCES.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from chargebee import http_request
from chargebee.main import Chargebee
from chargebee.models import enums
from chargebee.models.credit_note.operations import CreditNote
from hypothesis import given

from invoice_bridge import Discount, Line, OneTimeCharge, Period, PeriodInvoice, Unsupported, decode, explain
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.core.commands import (
    Credit,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Pay,
    Pdf,
    RecordPayment,
    Refund,
    Void,
)
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Request
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.chargebee import CHARGEBEE
from tests.strategies import bills

DIFFERENCES = {
    "headers": "ours adds chargebee-event-email for a manual bill, and not the SDK's Lang-Version and OS-Version",
    "lists": "the SDK spells status[in] as Python's repr, with single quotes and spaces; the published form has none",
    "paths": "the SDK leaves / in an id as it is, so that an id can change the route; ours stays one segment",
}
"""Where we differ from chargebee 3.29.0, and why."""
KEY = "chargebee-idempotency-key"
ANSWER = {
    "invoice": {"id": "7"},
    "invoices": [{"id": "7"}],
    "transaction": {"id": "txn"},
    "credit_note": {"id": "CN"},
    "subscription": {"id": "sub_42"},
    "customer": {"id": "cus_42"},
    "download": {"download_url": "https://cdn.chargebee.com/x"},
}
PAID_AT = datetime(2026, 6, 1, tzinfo=UTC)
FIVE, NOTHING = Money(500, "EUR"), Money(0, "EUR")


class Seam:
    """The SDK with its request function replaced: `sent` is the request it would have made."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}
        self.sdk: Any = Chargebee(api_key="test_not_a_key", site="acme-test")

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], int]:
        self.sent = request
        lists = request["method"] == "GET" and request["url"].endswith(
            ("/invoices", "/unbilled_charges", "/transactions")
        )
        return ({"list": []} if lists else ANSWER), {}, 200

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The form or query, as sorted pairs."""
        given = self.sent.get("data") or self.sent.get("params") or {}
        return sorted((name, str(value)) for name, value in given.items())


@pytest.fixture(scope="module")
def seam() -> Iterator[Seam]:
    found = Seam()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_request, "_make_request", found.answer)
        yield found


def ours(request: Request) -> list[tuple[str, str]]:
    text = request.content.decode() if request.method == "POST" else urlsplit(request.url).query
    return sorted(parse_qsl(text, keep_blank_values=True))


def same(request: Request, seam: Seam) -> None:
    assert (request.method, request.url.partition("?")[0]) == (seam.sent["method"], seam.sent["url"])
    assert ours(request) == seam.pairs
    if request.method == "POST":
        assert seam.sent["headers"][KEY] == request.headers[KEY]
        if request.content:
            assert seam.sent["headers"]["Content-Type"] == request.headers["Content-Type"]


def told(command: OneTimeCharge | PeriodInvoice) -> dict[str, Any]:
    """What a user of the SDK would write for this bill on product catalog 2."""
    charges = []
    for line in command.billed_lines:
        charge: dict[str, Any] = {"amount": line.amount.minor, "taxable": command.tax == "provider"}  # EUR, USD and JPY
        if line.description is not None:
            charge["description"] = line.description
        if line.period is not None:
            charge |= {"date_from": unix_seconds(line.period.start), "date_to": unix_seconds(line.period.end)}
        charges.append(charge)
    collects = command.collection.kind == "charge"
    said: dict[str, Any] = {
        "customer_id": "cus_42",
        "currency_code": command.currency,
        "charges": charges,
        "auto_collection": enums.AutoCollection.ON if collects else enums.AutoCollection.OFF,
        "po_number": command.purchase_order or command.reference,
    }
    said |= {"create_pending_invoice": True} if command.draft or collects else {}
    said |= {"invoice_note": command.description} if command.description is not None else {}
    said |= {"invoice_date": unix_seconds(command.issued_at)} if command.issued_at is not None else {}
    said |= {"payment_source_id": command.collection.payment_method} if command.collection.payment_method else {}
    days = command.collection.net_days
    if command.collection.due is not None and command.issued_at is not None:
        days = (command.collection.due - command.issued_at).days
    return said | ({"net_term_days": days} if days is not None else {})


@pytest.mark.proves("chargebee", "one_time_charge", "oracle")
def test_item_prices_and_discounts_are_what_the_sdk_would_send(seam: Seam) -> None:
    """Columns of item prices and of discounts, beside those of charges."""
    bill = OneTimeCharge(
        reference="r",
        customer="cus_42",
        purchase_order="PO",
        lines=[
            Line(description="Energy", amount=Money(1300, "EUR"), price="charge-EUR", period=Period.month(2026, 5)),
            Line(description="Parking", amount=Money(200, "EUR"), discount=Money(0, "EUR")),
        ],
        discounts=[Discount(amount=Money(100, "EUR")), Discount(amount=Money(50, "EUR"))],
    )
    first, close = explain("chargebee", bill, lookup="never", site="acme-test").requests
    may = bill.lines[0].period
    assert may is not None
    whole = enums.ApplyOn.INVOICE_AMOUNT
    seam.sdk.Invoice.create_for_charge_items_and_charges(
        {
            "customer_id": "cus_42",
            "currency_code": "EUR",
            "charges": [{"amount": 200, "taxable": False, "description": "Parking"}],
            "item_prices": [
                {
                    "unit_price": 1300,
                    "item_price_id": "charge-EUR",
                    "description": "Energy",
                    "date_from": unix_seconds(may.start),
                    "date_to": unix_seconds(may.end),
                }
            ],
            "discounts": [{"apply_on": whole, "amount": 100}, {"apply_on": whole, "amount": 50}],
            "auto_collection": enums.AutoCollection.OFF,
            "create_pending_invoice": True,
            "po_number": "PO",
        },
        {KEY: first.key},
    )
    same(first, seam)
    assert close.url.endswith("/close")


@pytest.mark.proves("chargebee", "one_time_charge", "oracle")
@pytest.mark.parametrize("catalog", [1, 2])
def test_a_bill_of_a_subscription_is_what_the_sdk_would_send(seam: Seam, catalog: int) -> None:
    """The subscription is read, and named instead of the customer and the currency."""
    bill = OneTimeCharge(
        reference="r", customer="cus_42", subscription="sub_42", lines=[Line(amount=Money(200, "EUR"))]
    )
    settings: dict[str, Any] = {"site": "acme-test", "reference_field": "cf_ref", "product_catalog": catalog}
    reads, makes = explain("chargebee", bill, lookup="never", **settings).requests
    seam.sdk.Subscription.retrieve("sub_42")
    same(reads, seam)
    said = {
        "subscription_id": "sub_42",
        "charges": [{"amount": 200, "taxable": False}],
        "auto_collection": enums.AutoCollection.OFF,
        "cf_ref": "r",
    }
    invoices = seam.sdk.Invoice
    send = invoices.create if catalog == 1 else invoices.create_for_charge_items_and_charges
    send(said, {KEY: makes.key})
    same(makes, seam)


@pytest.mark.proves("chargebee", "one_time_charge", "oracle")
@pytest.mark.proves("chargebee", "period_invoice", "oracle")
@given(command=bills(is_plain=True))
def test_a_bill_is_what_the_sdk_would_send(seam: Seam, command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill that can be sent: method, URL, form and key header equal the SDK's."""
    sent = explain("chargebee", command, lookup="never", site="acme-test")
    if sent.refusal is not None:  # a line of zero, a due date of no whole days
        assert isinstance(sent.refusal, Unsupported)
        assert sent.requests == ()
        return
    first, *rest = sent.requests
    seam.sdk.Invoice.create_for_charge_items_and_charges(told(command), {KEY: first.key})
    same(first, seam)
    for request in rest:
        seam.sdk.Invoice.close("{open.id}", None, {KEY: request.key})
        assert (request.method, request.content) == (seam.sent["method"], b"")
        assert seam.sent["url"].endswith("/invoices/%7Bopen.id%7D/close")


@given(command=bills(is_plain=True))
def test_a_bill_on_catalog_1_is_what_the_sdk_would_send(seam: Seam, command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill that can be sent on product catalog 1: POST /invoices or /invoices/charge, as the SDK's."""
    sent = explain("chargebee", command, lookup="never", site="acme-test", product_catalog=1)
    if sent.refusal is not None:
        assert isinstance(sent.refusal, Unsupported)
        return
    (request,) = sent.requests
    said = told(command)
    said.pop("net_term_days", None)
    said.pop("create_pending_invoice", None)
    if request.url.endswith("/charge"):
        (line,) = said.pop("charges")
        line.pop("taxable")
        said.pop("auto_collection")
        said.pop("invoice_note", None)
        seam.sdk.Invoice.charge({"description": command.reference, **said, **line}, {KEY: request.key})
    else:
        seam.sdk.Invoice.create(said, {KEY: request.key})
    same(request, seam)


def recorded(reference: str, method: str) -> dict[str, Any]:
    """What a user of the SDK would write for a payment that was made elsewhere."""
    told = {"amount": 500, "reference_number": reference, "date": unix_seconds(PAID_AT)}
    return {"transaction": told | {"payment_method": enums.PaymentMethod[method]}}


def credited(comment: str) -> dict[str, Any]:
    """What a user of the SDK would write for a credit note of an open invoice."""
    return {"reference_invoice_id": "7", "type": CreditNote.Type.ADJUSTMENT, "comment": comment}


CALLS: list[tuple[Any, Callable[[Any, Any], object]]] = [
    (
        Pay(id="7", expect=Money(1999, "EUR"), payment_method="pm_42"),
        lambda sdk, headers: sdk.Invoice.collect_payment("7", {"payment_source_id": "pm_42", "amount": 1999}, headers),
    ),
    (
        MarkPaid(id="7"),
        lambda sdk, headers: sdk.Invoice.record_payment(
            "7", {"transaction": {"payment_method": enums.PaymentMethod.OTHER}}, headers
        ),
    ),
    (
        Pay(id="7", amount=FIVE, reference="part 1", payment_method="pm_42", expect=Money(1999, "EUR")),
        lambda sdk, headers: sdk.Invoice.collect_payment(
            "7", {"amount": 500, "payment_source_id": "pm_42", "comment": "part 1"}, headers
        ),
    ),
    (
        RecordPayment(id="7", amount=FIVE, at=PAID_AT, reference="wire 7", method="Bank transfer"),
        lambda sdk, headers: sdk.Invoice.record_payment("7", recorded("wire 7", "BANK_TRANSFER"), headers),
    ),
    (
        RecordPayment(id="7", amount=FIVE, at=PAID_AT, reference="wire 8", method="Voucher & co"),
        lambda sdk, headers: sdk.Invoice.record_payment(
            "7", recorded("wire 8", "OTHER") | {"comment": "Voucher & co"}, headers
        ),
    ),
    (
        Refund(id="7", amount=FIVE, reference="re 1", reason="the room was closed", expect=NOTHING),
        lambda sdk, headers: sdk.Invoice.refund(
            "7", {"refund_amount": 500, "comment": "re 1: the room was closed"}, headers
        ),
    ),
    (
        Credit(id="7", amount=FIVE, reference="cn 1", expect=FIVE),
        lambda sdk, headers: sdk.CreditNote.create(credited("cn 1") | {"total": 500}, headers),
    ),
    (
        Credit(
            id="7",
            lines=(Line(id="li_1", amount=FIVE, description="Parking"), Line(id="li_2", amount=FIVE)),
            reference="cn 2",
            reason="as agreed",
            expect=NOTHING,
        ),
        lambda sdk, headers: sdk.CreditNote.create(
            credited("cn 2: as agreed")
            | {
                "line_items": [
                    {"reference_line_item_id": "li_1", "amount": 500, "description": "Parking"},
                    {"reference_line_item_id": "li_2", "amount": 500},
                ]
            },
            headers,
        ),
    ),
    (Void(id="7"), lambda sdk, headers: sdk.Invoice.void_invoice("7", None, headers)),
    (Void(id="7", reason="twice"), lambda sdk, headers: sdk.Invoice.void_invoice("7", {"comment": "twice"}, headers)),
    (MarkUncollectible(id="7"), lambda sdk, headers: sdk.Invoice.write_off("7", None, headers)),
]


@pytest.mark.proves("chargebee", "*", "oracle")
@pytest.mark.parametrize("command, call", CALLS, ids=lambda value: getattr(value, "verb", ""))
def test_a_verb_is_what_the_sdk_would_send(seam: Seam, command: Any, call: Callable[[Any, Any], object]) -> None:
    """The verbs on an invoice go to the SDK's routes with the SDK's parameters."""
    requests = plan(command, make_context(CHARGEBEE, {"site": "acme-test"})).requests
    (request,) = [request for request in requests if request.writes]
    call(seam.sdk, {KEY: request.key})
    same(request, seam)


def test_a_document_and_transactions_are_asked_for_as_the_sdk_does(seam: Seam) -> None:
    """The link of a PDF comes from the SDK's route, and so do transactions, but for DIFFERENCES["lists"]."""
    context = make_context(CHARGEBEE, {"site": "acme-test"})
    request = plan(Pdf(id="7"), context).requests[1]
    seam.sdk.Invoice.pdf("7", None, {KEY: request.key})
    same(request, seam)
    listing = plan(Refund(id="7", reference="re 1", expect=FIVE), context).requests[1]
    seam.sdk.Transaction.list({"limit": 100, "id": {"IN": ["{payment.id}"]}})
    assert listing.url.partition("?")[0] == seam.sent["url"]
    assert dict(ours(listing)) == {"limit": "100", "id[in]": '["{payment.id}"]'}
    assert {name for name, _ in seam.pairs} == {"limit", "id[in]"}


def test_every_event_of_money_is_known_to_the_sdk() -> None:
    """Each event that is mapped is one of the SDK's, and none of the SDK's is about a dispute."""
    known = {event.value for event in enums.EventType}
    assert CHARGEBEE.webhooks is not None
    assert {row.native for row in CHARGEBEE.webhooks.events} <= known
    assert not [name for name in known if "dispute" in name or "chargeback" in name]


def test_unbilled_charges_are_what_the_sdk_would_send(seam: Seam) -> None:
    """Looking and invoicing go to the SDK's routes; filters carry their operator."""
    from invoice_bridge import Period

    command = PeriodInvoice(reference="may", period=Period.month(2026, 5), currency="EUR", subscription="sub_42")
    look, make, name = explain(
        "chargebee", command, lookup="never", site="acme-test", reference_field="cf_ref"
    ).requests
    seam.sdk.UnbilledCharge.list({"subscription_id": {"IS": "sub_42"}, "limit": 100})
    same(look, seam)
    seam.sdk.UnbilledCharge.invoice_unbilled_charges({"subscription_id": "sub_42"}, {KEY: make.key})
    same(make, seam)
    seam.sdk.Invoice.update_details("7", {"cf_ref": "may"}, {KEY: name.key})
    assert ours(name) == seam.pairs


def test_difference_lists(seam: Seam) -> None:
    """DIFFERENCES["lists"]: where the SDK is wrong, both spellings are pinned."""
    request = plan(ListInvoices(status=Status.OPEN), make_context(CHARGEBEE, {"site": "acme-test"})).requests[0]
    seam.sdk.Invoice.list({"limit": 100, "status": {"IN": ["posted", "payment_due", "not_paid"]}})
    assert dict(seam.pairs) == {"limit": "100", "status[in]": "['posted', 'payment_due', 'not_paid']"}
    assert dict(ours(request)) == {"limit": "100", "status[in]": '["posted","payment_due","not_paid"]'}


def test_difference_paths(seam: Seam) -> None:
    """DIFFERENCES["paths"]: the SDK lets an id change the route, ours does not (defect 25)."""
    seam.sdk.Invoice.void_invoice("a/b")
    assert seam.sent["url"] == "https://acme-test.chargebee.com/api/v2/invoices/a/b/void"
    request = plan(Void(id="a/b"), make_context(CHARGEBEE, {"site": "acme-test"})).requests[0]
    assert request.url == "https://acme-test.chargebee.com/api/v2/invoices/a%2Fb/void"


def test_difference_headers(seam: Seam) -> None:
    """DIFFERENCES["headers"]: the headers of both, by name."""
    bill = OneTimeCharge(reference="r1", customer="cus_42", amount=Money(1, "EUR"))
    (request,) = explain("chargebee", bill, lookup="never", site="acme-test").requests
    seam.sdk.Invoice.create_for_charge_items_and_charges(told(bill), {KEY: request.key})
    added = {"User-Agent", "Accept", "Authorization", "Lang-Version", "OS-Version"}
    assert set(seam.sent["headers"]) - added == set(request.headers) - {"chargebee-event-email"}
    assert set(DIFFERENCES) == {"headers", "lists", "paths"}


def test_the_sdks_credentials_are_ours(seam: Seam) -> None:
    """HTTP Basic with the key as user, as the SDK does it."""
    seam.sdk.Invoice.retrieve("7")
    assert seam.sent["headers"]["Authorization"] == CHARGEBEE.auth("test_not_a_key")


def test_decode_takes_the_sdks_own_object(seam: Seam) -> None:
    """An invoice as the SDK hands it out is decoded like its JSON."""
    from chargebee.models.invoice.responses import InvoiceResponse

    data = {"id": "7", "status": "paid", "currency_code": "KWD", "total": 123, "line_items": [{"amount": 123}]}
    sdk_object: Any = InvoiceResponse
    found = decode("chargebee", sdk_object.construct(data))
    assert (found.id, found.status, found.total) == ("7", Status.PAID, Money(1230, "KWD"))
    assert found == decode("chargebee", data)
