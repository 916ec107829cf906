"""Defects seen in other systems whose place is no one adapter; the others stand beside what they are about."""

from typing import Any

import httpx
import pytest

from invoice_bridge import (
    Client,
    Invoice,
    Line,
    Money,
    OneTimeCharge,
    Status,
    Unsupported,
    decode,
    explain,
    providers,
)
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.matrix import VERBS, cell, matrix

BILL = OneTimeCharge(
    reference="res-1",
    customer="cus_42",
    lines=[
        Line(description="Stay", amount=Money(10000, "EUR")),
        Line(description="Loyalty discount", amount=Money(-1500, "EUR")),
    ],
)
LINE = {"amount": 10000, "description": "Stay", "entity_type": "adhoc", "quantity": 1, "unit_amount": 10000}
CHARGEBEE: dict[str, Any] = {
    "id": "19",
    "customer_id": "c",
    "currency_code": "EUR",
    "status": "paid",
    "total": 8500,
    "sub_total": 8500,
    "tax": 0,
    "amount_paid": 0,
    "amount_due": 0,
    "line_items": [LINE],
    "discounts": [{"amount": 1500, "entity_type": "document_level_discount", "description": "Loyalty"}],
}


def test_defect_07_a_discount_is_sent_as_a_line_or_refused() -> None:
    """A negative line reaches the provider with its sign, or stops the bill: it is never left out."""
    stripe = explain("stripe", BILL)
    assert b"lines%5B1%5D%5Bamount%5D=-1500" in stripe.requests[1].content
    whop = explain("whop", BILL.model_copy(update={"draft": True}), account_id="biz_42")
    assert b'"initial_price":85' in whop.requests[0].content
    assert b'{"label":"Loyalty discount","unit_price":-15,"quantity":1}' in whop.requests[0].content
    chargebee = explain("chargebee", BILL, site="acme")
    assert chargebee.requests == ()
    assert isinstance(chargebee.refusal, Unsupported)


def test_defect_07_a_discount_is_read() -> None:
    """What a customer was let off stands in the invoice: subtotal less discount is the total."""
    found = decode("chargebee", CHARGEBEE)
    assert found.subtotal == Money(10000, "EUR")
    assert found.discount == Money(1500, "EUR")
    assert found.total == Money(8500, "EUR")


@pytest.mark.parametrize("number", ["INV-2026/05-0001", "0007", "#0001", "A--B", "19"])
def test_defect_17_a_number_is_kept_as_it_is(number: str) -> None:
    """An invoice's number is one text: leading zeros, separators and all."""
    invoice = {
        "id": "in_1",
        "object": "invoice",
        "currency": "eur",
        "status": "open",
        "number": number,
        "lines": {"data": []},
    }
    found = decode("stripe", invoice)
    assert found.number == number
    assert Invoice.model_validate_json(found.model_dump_json()).number == number


def test_defect_20_a_dry_run_is_the_real_run() -> None:
    """What explain shows is what create sends, byte for byte, but for the ids that answers give."""
    declared = providers.get("stripe")
    transport = EmulatorTransport(declared.emulator(), "http://127.0.0.1:1")
    with httpx.Client(transport=transport) as http:
        client = Client("stripe", api_key="sk_test_not_a_key", base_url="http://127.0.0.1:1", http=http)
        planned = client.explain(BILL)
        made = client.create(BILL)
    shown = [
        (request.method, request.url.replace("{open.id}", made.id), request.content) for request in planned.requests
    ]
    assert shown == [(request.method, request.url, request.content) for request in transport.sent]


@pytest.mark.parametrize("name", providers.names())
def test_defect_22_the_matrix_claims_nothing_that_no_test_proves(name: str) -> None:
    """Every cell is built and proven against the emulator at least, or the provider cannot do it, with the source."""
    for verb in VERBS:
        found = cell(providers.get(name), verb)
        assert found.state in {"built", "cannot"}
        assert "emulator" in found.evidence if found.state == "built" else found.source
    assert "live" not in {kind for cells in matrix().values() for kind in cells[name].evidence}


@pytest.mark.parametrize(
    "written_off, paid, status",
    [(8500, 0, Status.UNCOLLECTIBLE), (500, 8000, Status.UNCOLLECTIBLE), (0, 8500, Status.PAID)],
)
def test_defect_28_a_write_off_is_not_a_payment(written_off: int, paid: int, status: Status) -> None:
    """Chargebee calls a written-off invoice paid; it was given up, in whole or in part."""
    found = decode("chargebee", CHARGEBEE | {"write_off_amount": written_off, "amount_paid": paid})
    assert (found.status, found.native_status) == (status, "paid")
    assert found.amount_paid == Money(paid, "EUR")


def test_defect_28_a_filter_always_has_an_operator() -> None:
    """A Chargebee filter without one is ignored, and the whole list comes back: each that is sent has one."""
    declared = providers.get("chargebee")
    emulator = declared.emulator()
    transport = EmulatorTransport(emulator, declared.base_url(emulator.settings))
    with httpx.Client(transport=transport) as http:
        client = Client("chargebee", api_key=emulator.key, http=http, **emulator.settings)
        for status in Status:
            list(client.list(status=status, customer="cus_42"))
    names = {name for request in transport.sent for name, _ in httpx.URL(request.url).params.multi_items()}
    assert names - {"limit", "offset", "include_deleted"}
    assert [name for name in names - {"limit", "offset", "include_deleted"} if not name.endswith("]")] == []
