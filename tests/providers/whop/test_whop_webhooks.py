"""Whop's deliveries, held against its own SDK and the library of Standard Webhooks."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from standardwebhooks import Webhook
from whop_sdk import WebhookEvent
from whop_sdk.lib.verify_webhook import WebhookVerificationError, unwrap

from invoice_bridge import EventType, InvalidSignature, InvoiceEvent, MalformedResponse, Money, Status
from invoice_bridge.webhooks.deliveries import parse

SECRET = "ws_test_not_a_secret"
AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
INVOICE: dict[str, Any] = {
    "id": "inv_1",
    "status": "paid",
    "current_plan": {"id": "plan_1", "currency": "eur"},
    "line_items": [{"label": "x", "quantity": 1, "unit_price": 19.99, "total": 19.99}],
}


def envelope(kind: str = "invoice.paid", data: Any = None, **fields: Any) -> bytes:
    said = {"id": "msg_1", "api_version": "v1", "timestamp": "2026-05-17T11:59:58.000Z", "type": kind}
    return json.dumps(said | {"data": INVOICE if data is None else data} | fields).encode()


def signed(content: bytes, at: datetime = AT, secret: str = SECRET) -> dict[str, str]:
    """What Whop sends: the library decodes a secret as base64, so that it is given the base64 of the secret's bytes."""
    signature = Webhook(base64.b64encode(secret.encode()).decode()).sign("msg_1", at, content.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def read(content: bytes, headers: dict[str, str] | None = None, at: datetime = AT) -> InvoiceEvent:
    return parse("whop", signed(content) if headers is None else headers, content, secret=SECRET, at=at)


def test_what_the_official_sdk_takes_is_taken() -> None:
    """The same headers and body, verified by whop-sdk and by us, at the same present."""
    now = datetime.now(UTC)
    content = envelope()
    headers = signed(content, now)
    theirs = unwrap(content, headers=headers, key=SECRET)
    ours = read(content, headers, now)
    assert (ours.id, ours.native_type) == (theirs["id"], theirs["type"]) == ("msg_1", "invoice.paid")
    assert (ours.type, ours.invoice_id) == (EventType.PAID, "inv_1")
    assert ours.occurred_at == AT - timedelta(seconds=2)
    assert ours.invoice is not None
    assert (ours.invoice.status, ours.invoice.subtotal) == (Status.PAID, Money(1999, "EUR"))
    assert ours.invoice.amount_paid is None  # Whop's invoice does not say; the line sum is no payment


@pytest.mark.parametrize(
    "header, taken",
    [
        ("{}", True),
        ("v1,AAAA {}", True),
        ("{} v1,AAAA", True),
        ("v1a,AAAA {}", True),
        ("v1,AAAA", False),
        ("v1", False),
        ("nothing", False),
    ],
)
def test_any_signature_of_the_header_may_fit(header: str, taken: bool) -> None:
    """Several signatures stand in one header, of which v1 ones count; both verifiers agree."""
    now, content = datetime.now(UTC), envelope()
    headers = signed(content, now)
    headers["webhook-signature"] = header.format(headers["webhook-signature"])
    if taken:
        unwrap(content, headers=headers, key=SECRET)
        assert read(content, headers, now).verified
        return
    with pytest.raises(WebhookVerificationError):
        unwrap(content, headers=headers, key=SECRET)
    with pytest.raises(InvalidSignature):
        read(content, headers, now)


def test_the_key_is_the_secret_as_it_is_written() -> None:
    """A signature under the decoded secret, which the standard library would make, is not Whop's."""
    content, secret = envelope(), "ws_" + base64.b64encode(b"test_not_a_secret").decode()
    decoded = Webhook(base64.b64encode(b"test_not_a_secret").decode()).sign("msg_1", AT, content.decode())
    headers = signed(content, secret=secret)
    assert parse("whop", headers, content, secret=secret, at=AT).verified
    with pytest.raises(InvalidSignature):
        parse("whop", headers | {"webhook-signature": decoded}, content, secret=secret, at=AT)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed_and_signed(name: str) -> None:
    """Without one of the three, or with another, the delivery is not Whop's."""
    content = envelope()
    headers = signed(content)
    with pytest.raises(InvalidSignature, match=name):
        read(content, {other: value for other, value in headers.items() if other != name})
    changed = {"webhook-id": "msg_2", "webhook-timestamp": str(int(AT.timestamp()) + 1), "webhook-signature": "v1,"}
    with pytest.raises(InvalidSignature):
        read(content, headers | {name: changed[name]})


@pytest.mark.parametrize("seconds, fits", [(300, True), (301, False), (-300, True), (-301, False)])
def test_the_instant_may_lie_five_minutes_away_on_either_side(seconds: int, fits: bool) -> None:
    """As in the library of Standard Webhooks."""
    content = envelope()
    if fits:
        assert read(content, at=AT + timedelta(seconds=seconds)).verified
    else:
        with pytest.raises(InvalidSignature, match="signed instant"):
            read(content, at=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "kind, becomes",
    [
        ("invoice.created", EventType.CREATED),
        ("invoice.paid", EventType.PAID),
        ("invoice.past_due", EventType.PAST_DUE),
        ("invoice.voided", EventType.VOIDED),
        ("invoice.marked_uncollectible", EventType.UNCOLLECTIBLE),
        ("payment.failed", EventType.UNKNOWN),
        ("dispute_alert.created", EventType.UNKNOWN),
        ("invoice.no_such_event", EventType.UNKNOWN),
    ],
)
def test_event_names(kind: str, becomes: EventType) -> None:
    """Five events are of invoices; a payment need not be an invoice's."""
    found = read(envelope(kind))
    assert found.type is becomes
    assert (found.invoice_id == "inv_1") is kind.startswith("invoice.")


REFUND: dict[str, Any] = {  # whop-sdk 2.6.0, RefundLegacy
    "id": "rf_1",
    "amount": 10.0,
    "currency": "eur",
    "created_at": "2026-05-17T11:59:50.000Z",
    "metadata": {"invoice_bridge_reference": "rf-1"},
    "payment": {"id": "pay_1"},
    "status": "pending",
}
DISPUTE: dict[str, Any] = {"id": "dspt_1", "amount": 10.0, "currency": "eur", "payment": {"id": "pay_1"}}


@pytest.mark.parametrize(
    "kind, data, becomes",
    [
        ("refund.created", REFUND, EventType.REFUNDED),
        ("refund.updated", REFUND | {"status": "failed"}, EventType.REFUNDED),
        ("dispute.created", DISPUTE | {"status": "needs_response"}, EventType.DISPUTED),
        ("dispute.updated", DISPUTE | {"status": "won"}, EventType.DISPUTED),
    ],
)
def test_refunds_and_disputes_name_a_payment_and_no_invoice(kind: str, data: Any, becomes: EventType) -> None:
    """The event has no invoice: the payment's id, by which a caller finds it, is in `raw`."""
    found = read(envelope(kind, data))
    assert (found.type, found.invoice, found.invoice_id) == (becomes, None, None)
    assert isinstance(found.raw, dict)
    assert found.raw["data"]["payment"]["id"] == "pay_1"


@pytest.mark.parametrize("event", ["refund.created", "refund.updated", "dispute.created", "dispute.updated"])
def test_the_sdk_knows_the_events_of_refunds_and_disputes(event: str) -> None:
    """Their names are among those that the SDK subscribes to."""
    assert event in {name for each in get_args(WebhookEvent) for name in get_args(each)}


def test_the_documented_invoice_in_an_envelope(shared_dir: Path) -> None:
    """The invoice that Whop's pages show, as a webhook carries it."""
    invoice = json.loads((shared_dir / "recordings/whop/page_legacy_invoice.json").read_bytes())
    found = read(envelope("invoice.created", invoice))
    assert found.invoice is not None
    assert found.invoice_id == found.invoice.id == invoice["id"]


def test_a_delivery_without_a_type_or_of_the_native_api_is_malformed() -> None:
    """What is no event, and an invoice of the other API, is said, never guessed."""
    for content in (b'{"id":"msg_1"}', envelope(data={"id": "invc_1"})):
        with pytest.raises(MalformedResponse):
            read(content)
