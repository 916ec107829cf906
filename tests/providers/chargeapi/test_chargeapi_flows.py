"""The flows driven by hand with next and send: no client, no network, no emulator."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AmountMismatch,
    AsyncClient,
    Collection,
    IdempotencyMismatch,
    InvalidState,
    MalformedResponse,
    Money,
    OneTimeCharge,
    PeriodInvoice,
    Status,
)
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Command, Pay, Void
from invoice_bridge.core.wire import Flow, Request
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargeapi import CHARGEAPI
from invoice_bridge.providers.chargeapi.emulator import ChargeApiEmulator
from tests.providers.chargeapi.bench import ROOT, Bench, answer, may_charge, may_invoice


def begin(command: Command) -> tuple[Flow[Any], Request]:
    """A command's flow and its first request."""
    context: Context = make_context(CHARGEAPI, {}).on(command)
    flow = context.provider.flow(command, context)
    return flow, next(flow)


def result(flow: Flow[Any], last: Any) -> Any:
    """What a flow returns after its last answer."""
    with pytest.raises(StopIteration) as done:
        flow.send(last)
    return done.value.value


def where(request: Request) -> str:
    """A request in short."""
    return f"{request.method} {request.url.removeprefix(ROOT)}"


def test_the_ladder() -> None:
    """Open → read → finalize → pay, each on what the answer before it says."""
    flow, request = begin(may_invoice(collection=Collection.charge("pm_1")))
    assert where(request) == "POST /invoices"
    request = flow.send(answer(201))
    assert where(request) == "GET /invoices/inv_1"
    request = flow.send(answer())
    assert where(request) == "POST /invoices/inv_1/finalize"
    request = flow.send(answer(status="open"))
    assert (where(request), request.content) == ("POST /invoices/inv_1/pay", b'{"payment_method":"pm_1"}')
    found = result(flow, answer(status="paid", amount_due=0, amount_paid=2500))
    assert (found.status, found.total) == (Status.PAID, Money(2500, "EUR"))


@pytest.mark.parametrize("status", ["open", "overdue", "paid", "void", "uncollectible", None, "settling"])
def test_what_is_no_draft_is_not_finalized(status: str | None) -> None:
    """Whatever the invoice is by the time it is read, only a draft is finalized; an unknown word stops there too."""
    flow, _ = begin(may_invoice())
    flow.send(answer())
    amounts = {"amount_due": 0, "amount_paid": 2500} if status == "paid" else {}
    found = result(flow, answer(status=status, **amounts))
    assert found.native_status == status


@pytest.mark.parametrize(
    "fields",
    [
        {"fleet": "flt_43"},
        {"fleet": None},
        {"period_start": "2026-05-01T00:00:00.001Z"},
        {"metadata": {"invoice_bridge_reference": "another"}},
    ],
)
def test_another_bill_under_the_same_key(fields: dict[str, Any]) -> None:
    """An invoice of another fleet, period or reference is not this bill, and is left alone."""
    flow, _ = begin(may_invoice())
    flow.send(answer())
    with pytest.raises(IdempotencyMismatch) as caught:
        flow.send(answer(**fields))
    assert caught.value.existing is not None


@pytest.mark.parametrize("tax", ["none", "provider"])
def test_a_charge_whose_amount_is_not_said(tax: str) -> None:
    """An amount that cannot be compared is not billed: a draft that states none is never finalized."""
    flow, _ = begin(may_charge(reference="flt_42/2026-05", tax=tax))
    flow.send(answer())
    with pytest.raises(AmountMismatch, match="does not state its total; the draft inv_1 remains"):
        flow.send(answer(amount_due=None, line_items=None))


def test_a_draft_that_states_only_its_lines() -> None:
    """An older page computes amount_due when finalizing: until then the lines are compared."""
    flow, _ = begin(may_charge(reference="flt_42/2026-05"))
    flow.send(answer(amount_due=None))
    request = flow.send(answer(amount_due=None))
    assert where(request).endswith("/finalize")
    assert result(flow, answer(status="open")).total == Money(2500, "EUR")


def test_a_transaction_that_comes_in_between() -> None:
    """What changes between the draft that was read and the finalized invoice stops the bill before it is collected."""
    flow, _ = begin(may_invoice(collection=Collection.charge()))
    flow.send(answer())
    flow.send(answer())
    with pytest.raises(AmountMismatch, match=r"the draft came to 25\.00 EUR, inv_1 has 26\.00 EUR.*is open") as caught:
        flow.send(answer(status="open", amount_due=2600, line_items=[{"amount": 2600}]))
    assert (caught.value.asked, caught.value.found) == (Money(2500, "EUR"), Money(2600, "EUR"))


def test_an_answer_without_an_id() -> None:
    """A create answer without an id is MalformedResponse."""
    flow, _ = begin(may_invoice())
    with pytest.raises(MalformedResponse):
        flow.send(answer(id=None))


def test_a_refusal_is_thrown_in() -> None:
    """A refused void reads the invoice and says how it stands."""
    flow, request = begin(Void(id="inv_1"))
    assert where(request) == "POST /invoices/inv_1/void"
    refusal = InvalidState("No.", provider="chargeapi", code="invoice_void_invalid_state", status=400)
    request = flow.throw(refusal)
    assert where(request) == "GET /invoices/inv_1"
    with pytest.raises(InvalidState, match="the invoice is draft") as caught:
        flow.send(answer())
    assert caught.value.code == "invoice_void_invalid_state"


def test_an_unknown_status_is_not_paid() -> None:
    """An invoice whose status is null is not known to be open: pay stops after reading it."""
    flow, _ = begin(Pay(id="inv_1"))
    with pytest.raises(InvalidState):
        flow.send(answer(status=None))


@pytest.mark.parametrize("command", [may_invoice(collection=Collection.charge()), may_charge()])
async def test_sync_and_async_send_the_same_bytes(command: OneTimeCharge | PeriodInvoice) -> None:
    """Both clients send identical requests, header for header and byte for byte."""
    allow = ["amount"] if isinstance(command, OneTimeCharge) else []
    bench = Bench()
    one = bench.client.create(command, allow=allow)
    if one.status is Status.OPEN:
        bench.client.update(one.id, description="x")
    pages = list(bench.client.list(limit=1))
    transport = EmulatorTransport(ChargeApiEmulator(), ROOT)
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncClient("chargeapi", api_key="ch_sk_test_not_a_key", http=http)
        other = await client.create(command, allow=allow)
        if other.status is Status.OPEN:
            await client.update(other.id, description="x")
        assert [found async for found in client.list(limit=1)] == pages
    assert other == one

    def bare(requests: list[Request]) -> list[Any]:
        return [
            (r.method, r.url, r.content, {k: v for k, v in r.headers.items() if k != "connection"}) for r in requests
        ]

    assert bare(transport.sent) == bare(bench.transport.sent)
    assert len(transport.sent) == (7 if one.status is Status.OPEN else 6)
