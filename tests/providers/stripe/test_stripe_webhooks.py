"""Stripe's deliveries, held against the official SDK: what it takes we take, but for instants of the future."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe import SignatureVerificationError, Webhook, WebhookSignature

from invoice_bridge import EventType, InvalidSignature, InvoiceEvent, MalformedResponse, Money, Status, providers
from invoice_bridge.webhooks.deliveries import parse

SECRET = "whsec_test_not_a_secret"
AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
NOW = int(AT.timestamp())
INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "currency": "isk",
    "status": "open",
    "amount_paid": 0,
    "total": 50000,
    "lines": {"object": "list", "data": [{"id": "il_1", "amount": 50000}], "has_more": True},
}
THIN: dict[str, Any] = {
    "id": "evt_65",
    "object": "v2.core.event",
    "type": "v1.invoice.paid",
    "created": "2026-05-17T11:59:58.000Z",
    "livemode": True,
    "related_object": {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"},
}


def snapshot(kind: str, about: dict[str, Any] | None = None) -> bytes:
    said = {"id": "evt_1", "object": "event", "type": kind, "created": NOW - 2, "livemode": True}
    return json.dumps(said | {"data": {"object": INVOICE if about is None else about}}).encode()


def read(content: bytes, header: str | None = None, at: datetime = AT) -> InvoiceEvent:
    header = WebhookSignature.generate_signature_header(content.decode(), SECRET, NOW) if header is None else header
    return parse("stripe", {"STRIPE-signature": header}, content, secret=SECRET, at=at)


def sdk_takes(content: bytes, header: str) -> bool:
    try:
        Webhook.construct_event(content, header, SECRET, tolerance=10**10)  # its clock is the machine's
    except SignatureVerificationError:
        return False
    return True


def test_what_the_official_sdk_signs_is_taken() -> None:
    """Their signature over their body, and the event that theirs reads has our id and type."""
    content = snapshot("invoice.finalized")
    header = WebhookSignature.generate_signature_header(content.decode(), SECRET, NOW)
    theirs = Webhook.construct_event(content, header, SECRET, tolerance=10**10)
    ours = read(content, header)
    assert (ours.id, ours.native_type) == (theirs.id, theirs.type) == ("evt_1", "invoice.finalized")
    assert (ours.type, ours.invoice_id, ours.test_mode) == (EventType.FINALIZED, "in_1", False)
    assert ours.occurred_at == AT - timedelta(seconds=2)
    assert ours.invoice is not None
    assert (ours.invoice.status, ours.invoice.total) == (Status.OPEN, Money(500, "ISK"))
    assert not ours.invoice.lines_complete


SIGNATURE = WebhookSignature.generate_signature_header(snapshot("invoice.paid").decode(), SECRET, NOW).partition("v1=")[
    2
]


@pytest.mark.parametrize(
    "header, taken",
    [
        (f"t={NOW},v1={SIGNATURE}", True),
        (f"t={NOW},v1={'0' * 64},v1={SIGNATURE}", True),  # while a secret is rolled
        (f"t={NOW},v1={SIGNATURE},v1={'0' * 64},v0={'1' * 64}", True),
        (f"t={NOW},v0={SIGNATURE}", False),  # the decoy of test mode
        (f"t={NOW},v1={'0' * 64}", False),
        (f"t={NOW},v1={SIGNATURE.upper()}", False),
        (f"t={NOW},v1={SIGNATURE[:-1]}", False),
        (f"t={NOW}, v1={SIGNATURE}", False),
        (f"t={NOW + 1},v1={SIGNATURE}", False),
        (f"v1={SIGNATURE}", False),
        (f"t={NOW}", False),
        (f"t=,v1={SIGNATURE}", False),
        (f"t=now,v1={SIGNATURE}", False),
        ("", False),
    ],
)
def test_a_header_is_taken_where_the_official_sdk_takes_it(header: str, taken: bool) -> None:
    """Any v1 signature may fit; other schemes, other spellings and other instants do not."""
    content = snapshot("invoice.paid")
    assert sdk_takes(content, header) is taken
    if taken:
        assert read(content, header).type is EventType.PAID
    else:
        with pytest.raises(InvalidSignature):
            read(content, header)


@pytest.mark.parametrize("change", [b" ", b"\n"])
def test_the_bytes_are_signed_not_their_meaning(change: bytes) -> None:
    """One space more is another body."""
    content = snapshot("invoice.paid")
    header = WebhookSignature.generate_signature_header(content.decode(), SECRET, NOW)
    assert not sdk_takes(content + change, header)
    with pytest.raises(InvalidSignature):
        read(content + change, header)


@pytest.mark.parametrize(
    "seconds, fits", [(299, True), (300, True), (301, False), (-300, True), (-301, False), (-3600, False)]
)
def test_the_instant_may_lie_five_minutes_away_on_either_side(seconds: int, fits: bool) -> None:
    """The official SDK takes any instant of the future; ours does not."""
    content = snapshot("invoice.paid")
    if fits:
        assert read(content, at=AT + timedelta(seconds=seconds)).verified
    else:
        with pytest.raises(InvalidSignature, match="too old" if seconds > 0 else "far in the future"):
            read(content, at=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "kind, becomes",
    [
        ("created", EventType.CREATED),
        ("updated", EventType.UPDATED),
        ("finalized", EventType.FINALIZED),
        ("paid", EventType.PAID),
        ("payment_succeeded", EventType.UPDATED),
        ("payment_failed", EventType.PAYMENT_FAILED),
        ("overdue", EventType.PAST_DUE),
        ("voided", EventType.VOIDED),
        ("marked_uncollectible", EventType.UNCOLLECTIBLE),
        ("deleted", EventType.DELETED),
        ("will_be_due", EventType.UNKNOWN),
        ("no_such_event", EventType.UNKNOWN),
    ],
)
def test_snapshot_and_thin_events_mean_the_same(kind: str, becomes: EventType) -> None:
    """A thin event has the same name behind v1., names its invoice and carries none."""
    whole = read(snapshot(f"invoice.{kind}"))
    thin = read(json.dumps(THIN | {"type": f"v1.invoice.{kind}"}).encode())
    assert (whole.type, thin.type) == (becomes, becomes)
    assert (whole.invoice_id, thin.invoice_id) == ("in_1", "in_1")
    assert whole.invoice is not None
    assert thin.invoice is None
    assert thin.occurred_at == AT - timedelta(seconds=2)
    assert thin.test_mode is False


def test_every_thin_event_is_one_of_the_official_sdk() -> None:
    """No name in the table is invented: the SDK has a class for each of them."""
    declared = providers.get("stripe").webhooks
    assert declared is not None
    thin = [row.native for row in declared.events if row.native.startswith("v1.")]
    folder = Path(stripe.__file__).parent / "events"
    texts = [path.read_text("utf-8") for path in folder.glob("_v1_invoice*_event.py")]
    known = {word for text in texts for word in re.findall(r'LOOKUP_TYPE = "(.*)"', text)}
    assert len(thin) > 20
    assert set(thin) - known == set()


def test_what_belongs_to_an_invoice_names_it() -> None:
    """A payment of an invoice changes it; what has no invoice, and a preview without an id, is unknown."""
    payment = read(snapshot("invoice_payment.paid", {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1"}))
    assert (payment.type, payment.invoice_id, payment.invoice) == (EventType.UPDATED, "in_1", None)
    preview = read(snapshot("invoice.upcoming", {"object": "invoice", "currency": "eur"}))
    assert (preview.type, preview.invoice_id, preview.invoice) == (EventType.UNKNOWN, None, None)
    charge = read(snapshot("charge.succeeded", {"id": "ch_1", "object": "charge", "invoice": "in_1"}))
    assert (charge.type, charge.invoice_id) == (EventType.UNKNOWN, None)
    thin = read(json.dumps(THIN | {"related_object": {"id": "inpay_1", "type": "invoice_payment"}}).encode())
    assert thin.invoice_id is None


@pytest.mark.parametrize(
    "kind,about,becomes,invoice_id",
    [
        ("credit_note.created", {"object": "credit_note", "invoice": "in_1"}, EventType.CREDITED, "in_1"),
        ("credit_note.voided", {"object": "credit_note", "invoice": {"id": "in_1"}}, EventType.CREDITED, "in_1"),
        ("refund.created", {"object": "refund", "payment_intent": "pi_1"}, EventType.REFUNDED, None),
        ("refund.failed", {"object": "refund", "payment_intent": "pi_1"}, EventType.REFUNDED, None),
        ("charge.refunded", {"object": "charge", "invoice": "in_1"}, EventType.REFUNDED, "in_1"),
        ("charge.refunded", {"object": "charge"}, EventType.REFUNDED, None),
        ("charge.dispute.created", {"object": "dispute", "charge": "ch_1"}, EventType.DISPUTED, None),
        ("charge.dispute.closed", {"object": "dispute", "charge": "ch_1"}, EventType.DISPUTED, None),
    ],
)
def test_what_gives_money_back_is_an_event(
    kind: str, about: dict[str, Any], becomes: EventType, invoice_id: str | None
) -> None:
    """It never reads as paid or void; the invoice is named where the delivery names it."""
    event = read(snapshot(kind, {"id": "x_1"} | about))
    assert (event.type, event.invoice_id, event.invoice) == (becomes, invoice_id, None)


def test_every_snapshot_event_is_one_of_the_official_sdk() -> None:
    """No name in the table is invented: the SDK's Event lists each of them."""
    declared = providers.get("stripe").webhooks
    assert declared is not None
    named = [row.native for row in declared.events if not row.native.startswith("v1.")]
    text = (Path(stripe.__file__).parent / "_event.py").read_text("utf-8")
    assert len(named) > 25
    assert [name for name in named if f'"{name}"' not in text] == []


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"id":"evt_1"}',
        b'{"object":"event","type":"invoice.paid"}',
        snapshot("invoice.paid", {"object": "invoice"}),
    ],
)
def test_what_is_no_event_is_malformed(content: bytes) -> None:
    """A signature that fits makes no event of something else, nor an invoice without an id."""
    with pytest.raises(MalformedResponse):
        read(content)
