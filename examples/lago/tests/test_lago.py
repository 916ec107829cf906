"""Lago's peculiarities: two statuses, days without a time, no keys, metadata by entries, and its deliveries."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AmountMismatch,
    Client,
    Collection,
    InvalidSignature,
    InvalidState,
    Invoice,
    LossyTranslation,
    MalformedResponse,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Status,
    Unsupported,
    decode,
)
from invoice_bridge.emulator import EmulatorTransport, Fault, Faults, Kind
from invoice_bridge.testing import no_waiting
from invoice_bridge.webhooks.deliveries import parse
from invoice_bridge_lago import LAGO
from invoice_bridge_lago.emulator import LagoEmulator

ROOT = "https://api.getlago.com/api/v1"
BILL = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money.parse("19.99", "EUR"))
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@contextmanager
def client(emulator: LagoEmulator, *faults: Fault) -> Iterator[tuple[Client, EmulatorTransport]]:
    """Open a client of an emulator, with the transport that records its requests."""
    transport = EmulatorTransport(Faults(emulator, faults), ROOT)
    with httpx.Client(transport=transport) as http, no_waiting():
        yield Client("lago", api_key=emulator.key, http=http, **emulator.settings), transport


def sent(transport: EmulatorTransport) -> list[str]:
    """Return the methods and paths of the requests sent."""
    return [f"{request.method} {request.url.removeprefix(ROOT).partition('?')[0]}" for request in transport.sent]


def document(**changes: Any) -> dict[str, Any]:
    """Return an invoice with the examples of lago-openapi's InvoiceBaseObject.yaml."""
    return {
        "lago_id": "1a901a90-1a90-1a90-1a90-1a901a901a90",
        "number": "LAG-1234-001-002",
        "purchase_order_number": "PO-123",
        "issuing_date": "2022-04-30",
        "payment_due_date": "2022-04-30",
        "payment_overdue": True,
        "invoice_type": "subscription",
        "status": "finalized",
        "payment_status": "pending",
        "currency": "EUR",
        "fees_amount_cents": 110,
        "coupons_amount_cents": 10,
        "taxes_amount_cents": 20,
        "sub_total_including_taxes_amount_cents": 120,
        "total_amount_cents": 120,
        "file_url": "https://getlago.com/invoice/file",
        "created_at": "2022-04-29T08:59:51Z",
        "metadata": [{"lago_id": "1a90", "key": "digital_ref_id", "value": "INV-0123456-98765"}],
    } | changes


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "status,payment,read,native",
    [
        ("draft", "pending", Status.DRAFT, "draft"),
        ("finalized", "pending", Status.OPEN, "finalized/pending"),
        ("finalized", "failed", Status.OPEN, "finalized/failed"),
        ("finalized", "succeeded", Status.PAID, "finalized/succeeded"),
        ("finalized", "brand new", Status.UNKNOWN, "finalized/brand new"),
        ("voided", "pending", Status.VOID, "voided"),
        ("voided", "succeeded", Status.VOID, "voided"),
        ("failed", "pending", Status.UNKNOWN, "failed"),
        ("pending", "pending", Status.UNKNOWN, "pending"),
    ],
)
def test_two_axes_are_one_status(status: str, payment: str, read: Status, native: str) -> None:
    """The status of the document comes first; the payment status decides whether a finalized one is paid or open."""
    invoice = decode("lago", document(status=status, payment_status=payment))
    assert (invoice.status, invoice.native_status) == (read, native)


def test_the_amounts_are_cents() -> None:
    """Subtotal less discount plus tax is the total; the amount remaining is derived if no field has it."""
    invoice = decode("lago", document())
    parts = (invoice.subtotal, invoice.discount, invoice.tax, invoice.total, invoice.amount_remaining)
    assert parts == tuple(Money(cents, "EUR") for cents in (110, 10, 20, 120, 120))
    partly = decode("lago", document(total_paid_amount_cents=50, total_due_amount_cents=70))
    assert (partly.amount_paid, partly.amount_remaining) == (Money(50, "EUR"), Money(70, "EUR"))
    assert decode("lago", document(currency="JPY")).total is None


def test_a_day_is_past_due_when_it_is_over() -> None:
    """Dates have no time and no zone: they are read as days in UTC."""
    invoice = decode("lago", document())
    assert (invoice.issued_at, invoice.due_at) == (
        datetime(2022, 4, 30, tzinfo=UTC),
        datetime(2022, 4, 30, 23, 59, 59, tzinfo=UTC),
    )
    assert not invoice.is_past_due(datetime(2022, 4, 30, 18, 0, tzinfo=UTC))
    assert invoice.is_past_due(datetime(2022, 5, 1, tzinfo=UTC))


def test_the_number_of_a_one_off_is_its_reference() -> None:
    """Other invoices inherit a purchase order number, so it is their purchase order."""
    inherited, own = decode("lago", document()), decode("lago", document(invoice_type="one_off"))
    assert (inherited.reference, inherited.purchase_order) == (None, "PO-123")
    assert (own.reference, own.purchase_order) == ("PO-123", None)


def test_an_answer_is_read_wrapped_and_bare_and_another_object_is_refused() -> None:
    """A fee also has an id, but belongs to an invoice."""
    assert decode("lago", {"invoice": document()}) == decode("lago", document())
    with pytest.raises(MalformedResponse, match="lago_invoice_id"):
        decode("lago", {"lago_id": "1a90", "lago_invoice_id": "1a90", "amount_cents": 5})


def test_a_line_has_its_unit_price_where_that_is_whole_cents() -> None:
    """`precise_unit_amount` is text in major units, with any number of decimals."""
    fee = {"amount_cents": 30000, "units": "2.5", "precise_unit_amount": "120.0", "item": {"name": "Setup Fee"}}
    lines = decode("lago", document(fees=[fee, {**fee, "precise_unit_amount": "0.0001"}])).lines
    assert [line.unit_amount for line in lines] == [Money(12000, "EUR"), None]
    assert (lines[0].description, str(lines[0].quantity)) == ("Setup Fee", "2.5")


# ── no keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_bill_is_looked_up_and_no_request_has_a_key() -> None:
    """The listing comes first; the invoice is made without its payment provider, and has the reference at once."""
    with client(LagoEmulator()) as (billing, transport):
        invoice = billing.create(BILL)
    assert sent(transport) == ["GET /invoices", "POST /invoices"]
    assert not any("idempotency" in name.lower() for request in transport.sent for name in request.headers)
    assert (invoice.status, invoice.reference, invoice.total) == (Status.OPEN, "res-1", BILL.total)


@pytest.mark.parametrize("kind", [Kind.RESET_BEFORE, Kind.RESET_AFTER])
def test_a_lost_bill_is_sent_once(kind: Kind) -> None:
    """It is looked up again: returned if the listing shows it, else its outcome is unknown."""
    emulator = LagoEmulator()
    with client(emulator, Fault(kind, method="POST")) as (billing, transport):
        if kind is Kind.RESET_AFTER:
            assert billing.create(BILL).reference == "res-1"
        else:
            with pytest.raises(OutcomeUnknown):
                billing.create(BILL)
    assert sent(transport).count("POST /invoices") == 1
    assert len(emulator.invoices) == (kind is Kind.RESET_AFTER)


@pytest.mark.parametrize("kind", [Kind.RESET_BEFORE, Kind.RESET_AFTER])
def test_a_lost_void_is_unknown(kind: Kind) -> None:
    """A verb without a key is sent once, and its outcome is never guessed."""
    emulator = LagoEmulator()
    with client(emulator) as (billing, _):
        invoice = billing.create(BILL)
    with client(emulator, Fault(kind, method="POST")) as (billing, transport):
        with pytest.raises(OutcomeUnknown):
            billing.void(invoice.id)
        assert sent(transport).count(f"POST /invoices/{invoice.id}/void") == 1
        assert billing.retrieve(invoice.id).status is (Status.VOID if kind is Kind.RESET_AFTER else Status.OPEN)


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_collected_was_compared_before() -> None:
    """An unexpected tax stops the bill after it is issued, and before anything is collected."""
    emulator = LagoEmulator(switches={"empty_tax_codes": False})
    emulator.tax_percent = 20
    charged = BILL.model_copy(update={"collection": Collection.charge()})
    with client(emulator) as (billing, transport), pytest.raises(AmountMismatch) as refused:
        billing.create(charged)
    assert (refused.value.asked, refused.value.found) == (Money(1999, "EUR"), Money(2399, "EUR"))
    assert refused.value.outcome == "partly_done"
    assert [entry.event for entry in emulator.ledger] == ["issued"]
    assert not any("retry_payment" in request for request in sent(transport))


def test_taxes_of_the_provider_are_compared_with_its_own_figures() -> None:
    """With tax="provider" the taxes of the customer apply."""
    emulator = LagoEmulator()
    emulator.tax_percent = 20
    with client(emulator) as (billing, _):
        invoice = billing.create(BILL.model_copy(update={"tax": "provider"}))
    assert (invoice.subtotal, invoice.tax, invoice.total) == tuple(Money(cents, "EUR") for cents in (1999, 400, 2399))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_payment_may_be_made_later(*, at_once: bool) -> None:
    """Lago answers before the payment provider does: the invoice is still open, which is a normal end."""
    emulator = LagoEmulator(switches={"pays_at_once": at_once})
    with client(emulator) as (billing, transport):
        invoice = billing.create(BILL.model_copy(update={"collection": Collection.charge("pm_42")}))
    assert invoice.status is (Status.PAID if at_once else Status.OPEN)
    method = {"payment_method_type": "provider", "payment_method_id": "pm_42"}
    bodies = [request.content for request in transport.sent if request.url.endswith("/retry_payment")]
    assert [json.loads(body) for body in bodies] == [{"payment_method": method}]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_lost_collection_collects_once(*, at_once: bool) -> None:
    """The bill is looked up: it is paid, or its payment is in progress, and no second payment starts."""
    emulator = LagoEmulator(switches={"pays_at_once": at_once})
    with client(emulator, Fault(Kind.RESET_AFTER, method="POST", skip=1)) as (billing, _):
        invoice = billing.create(BILL.model_copy(update={"collection": Collection.charge()}))
    assert invoice.status is (Status.PAID if at_once else Status.OPEN)
    assert [entry.event for entry in emulator.ledger].count("collected") == at_once
    with client(emulator) as (billing, _), pytest.raises(InvalidState):
        billing.pay(invoice.id)


@pytest.mark.parametrize("states", [True, False])
def test_what_is_left_is_known_whatever_the_version_states(*, states: bool) -> None:
    """The amounts paid and due are in the source, but not in the schema."""
    emulator = LagoEmulator(switches={"states_amounts_due": states})
    with client(emulator) as (billing, _):
        invoice = billing.create(BILL)
        assert invoice.amount_remaining == BILL.total
        assert billing.mark_paid(invoice.id).amount_remaining == Money(0, "EUR")


def test_a_paid_invoice_is_never_voided() -> None:
    """The newest source of Lago would void it, but the adapter refuses before it sends a write."""
    emulator = LagoEmulator(switches={"voids_paid": True})
    with client(emulator) as (billing, transport):
        invoice = billing.create(BILL.model_copy(update={"collection": Collection.charge()}))
        with pytest.raises(InvalidState, match="cannot be voided: it is paid"):
            billing.void(invoice.id)
    assert f"POST /invoices/{invoice.id}/void" not in sent(transport)


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_metadata_is_written_after_the_invoice_is_made_and_kept_when_it_changes() -> None:
    """Lago deletes an entry that the list omits, so the request has the existing entries with their ids."""
    emulator = LagoEmulator()
    with client(emulator) as (billing, transport):
        invoice = billing.create(BILL.model_copy(update={"metadata": {"site": "7"}}))
        assert sent(transport) == ["GET /invoices", "POST /invoices", f"PUT /invoices/{invoice.id}"]
        changed = billing.update(invoice.id, metadata={"site": "8", "meter": "m-1"})
        assert dict(changed.metadata) == {"site": "8", "meter": "m-1"}
        assert dict(billing.update(invoice.id, metadata={"meter": "m-2"}).metadata) == {"site": "8", "meter": "m-2"}
        with pytest.raises(Unsupported, match="7 entries"):
            billing.update(invoice.id, metadata=dict.fromkeys("abcde", "x"))


def test_a_bill_whose_metadata_was_lost_goes_on_there() -> None:
    """The invoice has its reference, so a repeat of the same bill writes the missing metadata and bills nothing."""
    emulator = LagoEmulator()
    bill = BILL.model_copy(update={"metadata": {"site": "7"}})
    with client(emulator, Fault(Kind.RESET_BEFORE, method="PUT")) as (billing, _):
        invoice = billing.create(bill)  # looked up, then continued
    assert (dict(invoice.metadata), len(emulator.invoices)) == ({"site": "7"}, 1)


def test_what_lago_has_no_place_for_stops_the_bill() -> None:
    """The reference takes the place of the purchase order."""
    with client(LagoEmulator()) as (billing, transport):
        with pytest.raises(LossyTranslation, match="IB-LAGO-ORDER-01"):
            billing.create(BILL.model_copy(update={"purchase_order": "PO-7"}))
        assert transport.sent == []


# ── drafts, pages, deliveries ────────────────────────────────────────────────────────────────────────────────────────
def test_a_draft_of_a_subscription_is_finalized_and_paid() -> None:
    """Only subscriptions make drafts."""
    emulator = LagoEmulator()
    draft = emulator.add_draft()
    with client(emulator) as (billing, _):
        assert billing.retrieve(draft).status is Status.DRAFT
        assert billing.finalize(draft).status is Status.PAID
        with pytest.raises(InvalidState, match="cannot be finalized: it is paid"):
            billing.finalize(draft)
    assert [entry.event for entry in emulator.ledger] == ["issued", "collected"]


def test_another_page_is_no_page() -> None:
    """A listing with another page number than that of the request may omit invoices."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"invoices": [], "meta": {"current_page": 2, "total_pages": 2}})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        billing = Client("lago", api_key="test_not_a_key", http=http, **LagoEmulator.settings)
        with pytest.raises(MalformedResponse, match="not page 1"):
            list(billing.list())


def delivery(kind: str, invoice: dict[str, Any], **headers: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a delivery, as in getlago.com/docs, Format & Signature."""
    body = json.dumps({"webhook_type": kind, "object_type": "invoice", "invoice": invoice}).encode()
    signature = b64encode(digest(b"not_a_secret", body, sha256)).decode()
    given = {"X-Lago-Signature": signature, "X-Lago-Signature-Algorithm": "hmac", "X-Lago-Unique-Key": "evt_1"}
    return given | headers, body


@pytest.mark.parametrize(
    "kind,payment,becomes",
    [
        ("invoice.one_off_created", "pending", "finalized"),
        ("invoice.payment_status_updated", "succeeded", "paid"),
        ("invoice.payment_status_updated", "failed", "updated"),
        ("invoice.generated", "pending", "unknown"),
    ],
)
def test_a_delivery_is_verified_and_read(kind: str, payment: str, becomes: str) -> None:
    """The event's type follows from its name; for a payment status it follows from the invoice."""
    headers, body = delivery(kind, document(payment_status=payment))
    event = parse("lago", headers, body, secret="not_a_secret", at=AT)
    assert (event.id, event.type, event.verified) == ("evt_1", becomes, True)
    assert isinstance(event.invoice, Invoice)


def test_another_signature_is_refused() -> None:
    """Another secret, another body and a JWT are refused."""
    headers, body = delivery("invoice.created", document())
    jwt = {**headers, "X-Lago-Signature-Algorithm": "jwt"}
    for given, content, secret in ((headers, body, "other"), (headers, body + b" ", "not_a_secret"), (jwt, body, "x")):
        with pytest.raises(InvalidSignature):
            parse("lago", given, content, secret=secret, at=AT)


def test_the_declaration_names_what_lago_is() -> None:
    """Lago has no keys, a required add-on and a region."""
    assert LAGO.idempotency.methods == frozenset()
    assert LAGO.base_url(LAGO.read_settings({"add_on": "x", "region": "eu"})) == "https://api.eu.getlago.com/api/v1"
    assert [setting.name for setting in LAGO.missing_settings(LAGO.read_settings({}))] == ["add_on"]
