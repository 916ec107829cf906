"""ChargeAPI's deliveries: none can be verified, none is an invoice's; what is read unverified says so."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, EventType, MalformedResponse, Status
from invoice_bridge.webhooks.deliveries import parse

AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "charge.succeeded",
    "created": "2026-05-17T11:59:58.000Z",
    "livemode": False,
    "data": {"object": {"id": "txn_1", "object": "transaction"}},
}


@pytest.mark.parametrize("secret", ["whsec_test_not_a_secret", None])
def test_verification_is_refused_with_the_reason(secret: str | None) -> None:
    """A header of the documented look changes nothing: what it covers is not documented."""
    headers = {"Charge-Signature": f"t=2026-05-17T12:00:00.000Z,v1={'0' * 64}"}
    with pytest.raises(ConfigurationError, match=r"is not documented, so none can be verified; verified=False"):
        parse("chargeapi", headers, json.dumps(EVENT).encode(), secret=secret, at=AT)


def test_an_unverified_event_is_a_hint() -> None:
    """A documented event is of no invoice: unknown, and it says that nothing was checked."""
    found = parse("chargeapi", {}, json.dumps(EVENT).encode(), secret=None, at=AT, verified=False)
    assert (found.id, found.type, found.native_type) == ("evt_1", EventType.UNKNOWN, "charge.succeeded")
    assert (found.invoice, found.invoice_id, found.verified, found.test_mode) == (None, None, False, True)
    assert found.occurred_at == datetime(2026, 5, 17, 11, 59, 58, tzinfo=UTC)


def test_an_invoice_that_nobody_documented_is_read_and_means_nothing() -> None:
    """Should an event carry an invoice it can be seen; an undocumented, unverified event never becomes "paid"."""
    invoice = {"id": "in_1", "object": "invoice", "currency": "USD", "status": "paid", "line_items": []}
    said = EVENT | {"type": "invoice.paid", "data": {"object": invoice}}
    found = parse("chargeapi", {}, json.dumps(said).encode(), secret=None, at=AT, verified=False)
    assert (found.type, found.invoice_id) == (EventType.UNKNOWN, "in_1")
    assert found.invoice is not None
    assert found.invoice.status is Status.PAID


def test_what_is_no_event_is_malformed() -> None:
    """An invoice alone is no event."""
    with pytest.raises(MalformedResponse):
        parse("chargeapi", {}, b'{"id":"in_1","object":"invoice"}', secret=None, at=AT, verified=False)
