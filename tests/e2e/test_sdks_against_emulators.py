"""The official SDKs, pointed at the served emulators: their own response models accept what those answer."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chargebee
import httpx
import pytest
import stripe
from whop_sdk import Whop
from whop_sdk.environment import WhopEnvironment
from whop_sdk.errors import NotFoundError
from whop_sdk.invoices.types import CreateInvoicesRequestProduct

from invoice_bridge import Money, decode
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.emulator.server import Served, running


@pytest.fixture
def served() -> Iterator[Served]:
    """All emulators, on one free port."""
    with running(clock=FakeClock()) as server:
        yield server


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """An HTTP client that is closed: the SDKs leave the ones they make to the garbage collector."""
    with httpx.Client() as client:
        yield client


@pytest.fixture
def quiet_stripe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[stripe.RequestsClient]:
    """The SDK's own HTTP client; it neither phones home nor writes into the home directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(stripe, "enable_telemetry", False)
    with closing(stripe.RequestsClient()) as client:
        yield client


def test_stripe_client_bills_against_the_emulator(served: Served, quiet_stripe: stripe.RequestsClient) -> None:
    """stripe.StripeClient makes an invoice with a line, finalizes it, reads it back and finds it in the list."""
    client = stripe.StripeClient(
        served.emulators["stripe"].key,
        base_addresses={"api": served.base_urls["stripe"]},
        http_client=quiet_stripe,
        max_network_retries=0,
    )
    draft = client.v1.invoices.create({"customer": "cus_42", "currency": "eur", "auto_advance": False})
    client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1999, "description": "Reservation fees"}]})
    client.v1.invoices.finalize_invoice(draft.id)
    found = client.v1.invoices.retrieve(draft.id)
    listed = list(client.v1.invoices.list({"customer": "cus_42"}).auto_paging_iter())
    assert (found.status, found.total, found.currency) == ("open", 1999, "eur")
    assert [invoice.id for invoice in listed] == [draft.id]
    assert found.lines.data[0].description == "Reservation fees"
    assert decode("stripe", found).total == Money(1999, "EUR")
    with pytest.raises(stripe.InvalidRequestError, match="No such invoice: 'in_none'"):
        client.v1.invoices.retrieve("in_none")


def test_chargebee_bills_against_the_emulator(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """chargebee.Chargebee makes an invoice of one charge, reads it back and finds it in the list."""
    sdk: Any = chargebee
    monkeypatch.setattr(sdk.Chargebee, "verify_ca_certs", False)
    client = sdk.Chargebee(api_key=served.emulators["chargebee"].key, site="acme-test", protocol="http")
    client.env.api_endpoint = served.base_urls["chargebee"]
    params = client.Invoice.CreateForChargeItemsAndChargesParams(
        customer_id="cus_42",
        currency_code="EUR",
        auto_collection=sdk.AutoCollection.OFF,
        charges=[
            client.Invoice.CreateForChargeItemsAndChargesChargeParams(amount=1999, description="Reservation fees")
        ],
    )
    made = client.Invoice.create_for_charge_items_and_charges(params).invoice
    found = client.Invoice.retrieve(made.id).invoice
    listed = client.Invoice.list(client.Invoice.ListParams(limit=10)).list
    assert (found.status, found.total, found.currency_code) == ("payment_due", 1999, "EUR")
    assert [entry.invoice.id for entry in listed] == [made.id]
    assert decode("chargebee", found).total == Money(1999, "EUR")
    with pytest.raises(sdk.InvalidRequestError) as raised:
        client.Invoice.retrieve("none")
    assert raised.value.http_status_code == 404


def test_whop_bills_against_the_emulator(served: Served, http: httpx.Client) -> None:
    """whop_sdk.Whop makes an invoice, reads it back with its strict models and finds it in the list."""
    url = served.base_urls["whop"]
    client = Whop(
        environment=WhopEnvironment(api=url, vault=f"{served.url}/vault"),
        token=served.emulators["whop"].key,
        max_retries=0,
        httpx_client=http,
    )
    bill = CreateInvoicesRequestProduct.model_validate(
        {
            "account_id": "biz_42",
            "member_id": "mber_42",
            "collection_method": "send_invoice",
            "due_date": datetime(2026, 11, 16, tzinfo=UTC),
            "line_items": [{"label": "Reservation fees", "quantity": 1, "unit_price": 19.99}],
            "plan": {"initial_price": 19.99, "currency": "eur", "plan_type": "one_time"},
            "product": {"title": "Reservation fees"},
        }
    )
    made = client.invoices.create(request=bill)
    found = client.invoices.retrieve(made.id)
    listed = list(client.invoices.list(account_id="biz_42"))
    assert (found.status, found.collection_method) == ("open", "send_invoice")
    assert found.line_items is not None
    assert [(line.label, line.quantity, line.total) for line in found.line_items] == [("Reservation fees", 1, 19.99)]
    assert [item.id for item in listed] == [made.id]
    assert decode("whop", found).subtotal == Money(1999, "EUR")
    with pytest.raises(NotFoundError):
        client.invoices.retrieve("inv_none")
