"""Chargebee's deliveries: recorded ones with values worked out by hand, the password, and the order of states."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    ConfigurationError,
    EventType,
    InvalidSignature,
    InvoiceEvent,
    MalformedResponse,
    Money,
    Status,
)
from invoice_bridge.webhooks.deliveries import is_stale, parse

SECRET = "hooks:test_not_a_password"
AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
BASIC = {"Authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()}


def read(content: bytes, headers: dict[str, str] | None = None, secret: str = SECRET) -> InvoiceEvent:
    return parse("chargebee", BASIC if headers is None else headers, content, secret=secret, at=AT)


def event(kind: str, **invoice: Any) -> InvoiceEvent:
    about = {"id": "19", "currency_code": "EUR", "status": "paid", "resource_version": 7, "total": 1999} | invoice
    said = {"id": "ev_1", "object": "event", "occurred_at": 1603032419, "event_type": kind}
    return read(json.dumps(said | {"content": {"invoice": about}}).encode())


def recorded(shared_dir: Path, name: str) -> InvoiceEvent:
    return read((shared_dir / f"recordings/chargebee/webhook_{name}.json").read_bytes())


def test_the_recorded_update(shared_dir: Path) -> None:
    """An invoice of 5,000.00 USD whose payment failed: open, updated."""
    found = recorded(shared_dir, "invoice_updated")
    assert (found.id, found.type, found.native_type) == ("ev_16BgNRSDmSfQB2sPm", EventType.UPDATED, "invoice_updated")
    assert found.occurred_at == datetime(2020, 10, 18, 14, 46, 59, tzinfo=UTC)
    assert (found.invoice_id, found.version, found.verified) == ("19", 1603032419689, True)
    assert found.invoice is not None
    assert (found.invoice.status, found.invoice.native_status) == (Status.OPEN, "payment_due")
    assert (found.invoice.total, found.invoice.amount_paid) == (Money(500000, "USD"), Money(0, "USD"))


def test_the_recorded_draft(shared_dir: Path) -> None:
    """A pending invoice of 25.00 USD: created, a draft."""
    found = recorded(shared_dir, "pending_invoice_created")
    assert (found.id, found.type) == ("ev_16BgPKSClXog42Eie", EventType.CREATED)
    assert found.occurred_at == datetime(2020, 10, 7, 20, 32, 17, tzinfo=UTC)
    assert (found.invoice_id, found.version) == ("draft_inv_16BgPKSClXofl2Eic", 1602102737738)
    assert found.invoice is not None
    assert (found.invoice.status, found.invoice.total) == (Status.DRAFT, Money(2500, "USD"))


def test_the_recorded_deletion(shared_dir: Path) -> None:
    """An invoice of 324.00 USD that is gone: deleted, nothing to collect."""
    found = recorded(shared_dir, "invoice_deleted")
    assert (found.id, found.type) == ("ev_AzqYRASIsZ0lFid", EventType.DELETED)
    assert found.occurred_at == datetime(2020, 12, 11, 16, 14, 13, tzinfo=UTC)
    assert (found.invoice_id, found.version) == ("21", 1607703253864)
    assert found.invoice is not None
    assert (found.invoice.status, found.invoice.total) == (Status.DELETED, Money(32400, "USD"))
    assert found.invoice.amount_remaining == Money(0, "USD")


@pytest.mark.parametrize(
    "kind, invoice, becomes",
    [
        ("pending_invoice_created", {"status": "pending"}, EventType.CREATED),
        ("invoice_generated", {"status": "payment_due"}, EventType.FINALIZED),
        ("invoice_updated", {"status": "payment_due"}, EventType.UPDATED),
        ("invoice_updated", {"status": "not_paid"}, EventType.PAST_DUE),
        ("invoice_updated", {"status": "paid"}, EventType.PAID),
        ("invoice_updated", {"status": "paid", "write_off_amount": 1999}, EventType.UNCOLLECTIBLE),
        ("invoice_updated", {"status": "voided"}, EventType.VOIDED),
        ("invoice_updated", {"status": "a_new_word"}, EventType.UPDATED),
        ("payment_succeeded", {"status": "paid"}, EventType.PAID),
        ("payment_succeeded", {"status": "payment_due"}, EventType.UPDATED),  # a part of it
        ("payment_failed", {"status": "payment_due"}, EventType.PAYMENT_FAILED),
        ("payment_initiated", {"status": "paid"}, EventType.UPDATED),
        ("payment_due_reminder", {"status": "payment_due"}, EventType.UNKNOWN),
    ],
)
def test_the_status_says_what_the_event_does_not(kind: str, invoice: dict[str, Any], becomes: EventType) -> None:
    """There is no invoice_paid and no invoice_voided; a write-off, which Chargebee calls paid, is none."""
    assert event(kind, **invoice).type is becomes


MONEY: dict[str, dict[str, Any]] = {
    "credit_note": {"id": "CN-1", "object": "credit_note", "reference_invoice_id": "19", "status": "refund_due"},
    "transaction": {
        "id": "txn_1",
        "type": "refund",
        "status": "in_progress",
        "linked_invoices": [{"invoice_id": "19"}],
    },
}


@pytest.mark.parametrize(
    "kind, about, becomes",
    [
        ("credit_note_created", "credit_note", EventType.CREDITED),
        ("credit_note_created_with_backdating", "credit_note", EventType.CREDITED),
        ("credit_note_updated", "credit_note", EventType.CREDITED),
        ("credit_note_deleted", "credit_note", EventType.CREDITED),
        ("refund_initiated", "transaction", EventType.REFUNDED),
        ("payment_refunded", "transaction", EventType.REFUNDED),
        ("payment_refunded", "credit_note", EventType.REFUNDED),
    ],
)
def test_money_that_is_given_back_names_its_invoice(kind: str, about: str, becomes: EventType) -> None:
    """The invoice of a credit note or of a transaction is to be read: neither is the invoice itself."""
    said = {"id": "ev_1", "object": "event", "event_type": kind, "content": {about: MONEY[about]}}
    found = read(json.dumps(said).encode())
    assert (found.type, found.native_type, found.invoice, found.invoice_id) == (becomes, kind, None, "19")


def test_a_transaction_of_several_invoices_names_none() -> None:
    """Which of them was meant, nobody can say."""
    rows = [{"invoice_id": "19"}, {"invoice_id": "20"}]
    said = {"id": "ev_1", "object": "event", "event_type": "payment_refunded"}
    content = {"transaction": MONEY["transaction"] | {"linked_invoices": rows}}
    found = read(json.dumps(said | {"content": content}).encode())
    assert (found.type, found.invoice_id) == (EventType.REFUNDED, None)


def test_a_refund_that_is_on_its_way_is_no_status() -> None:
    """The invoice stays paid with nothing refunded, as Chargebee says."""
    found = event("refund_initiated", status="paid", amount_paid=1999, issued_credit_notes=[])
    assert found.type is EventType.REFUNDED
    assert found.invoice is not None
    assert (found.invoice.status, found.invoice.amount_refunded) == (Status.PAID, Money(0, "EUR"))


def test_states_are_in_order_of_the_resource_version() -> None:
    """Of two deliveries within one second the version says which is the older state."""
    older, newer = event("invoice_updated", status="payment_due"), event("invoice_updated", resource_version=8)
    assert older.occurred_at == newer.occurred_at
    assert is_stale(older, newer)
    assert not is_stale(newer, older)


def test_an_event_of_something_else_has_no_invoice() -> None:
    """A payment without an invoice is read, and names none."""
    found = read(
        b'{"id":"ev_1","object":"event","event_type":"payment_succeeded","content":{"transaction":{"id":"txn_1"}}}'
    )
    assert (found.type, found.invoice, found.invoice_id, found.occurred_at) == (EventType.UPDATED, None, None, None)


@pytest.mark.parametrize(
    "header, fits",
    [
        (BASIC["Authorization"], True),
        (BASIC["Authorization"].replace("Basic", "basic"), True),
        ("Basic " + base64.b64encode(b"hooks:").decode(), False),
        ("Basic " + base64.b64encode(b"hooks:other").decode(), False),
        (BASIC["Authorization"].replace("Basic", "Bearer"), False),
        ("Basic", False),
        ("Basic ünïcode", False),
        (SECRET, False),
    ],
)
def test_the_password_is_checked(header: str, fits: bool) -> None:
    """The user and the password as they were set, under the scheme Basic, and nothing else."""
    content = b'{"id":"ev_1","object":"event","event_type":"invoice_updated"}'
    if fits:
        assert read(content, {"authorization": header}).verified
    else:
        with pytest.raises(InvalidSignature):
            read(content, {"authorization": header})


@pytest.mark.parametrize("secret", ["test_not_a_password", ":"])
def test_a_secret_without_a_user_and_password_is_refused(secret: str) -> None:
    """A webhook without a password is open to anybody; the message says what a secret is, not which."""
    with pytest.raises(ConfigurationError, match="user:password") as refused:
        read(b"{}", secret=secret)
    assert "test_not" not in str(refused.value)


def test_what_is_no_event_is_malformed() -> None:
    """An invoice alone, and an event without an id, are refused."""
    for content in (b'{"invoice":{"id":"19"}}', b'{"object":"event","event_type":"invoice_updated"}'):
        with pytest.raises(MalformedResponse):
            read(content)
