"""From every provider to every provider: what was made and read there is imported here as it ended."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    Client,
    Collection,
    ImportInvoice,
    Invoice,
    Line,
    Money,
    OneTimeCharge,
    Period,
    Source,
    Status,
    Unsupported,
    providers,
)
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.explain import make_context
from invoice_bridge.testing import no_waiting
from tests.clients import emulated_at

DUE = datetime(2027, 1, 1, tzinfo=UTC)


def _bill(name: str, customer: str | None, *, charge: bool = False) -> OneTimeCharge:
    how = Collection.charge("pmt_42" if name == "whop" else "pm_42") if charge else Collection.manual()
    if name == "whop" and not charge:
        how = Collection.send(due=DUE)
    return OneTimeCharge(
        reference="res-1", customer=customer, collection=how, issued_at=datetime(2026, 10, 20, tzinfo=UTC),
        lines=[
            Line(description="Energy", amount=Money(1300, "EUR"), period=Period.month(2026, 5)),
            Line(description="Parking", quantity=2, unit_amount=Money(600, "EUR")),
        ],
    )  # fmt: skip


def _refund(client: Client, invoice: Invoice) -> None:
    before: dict[str, Any] = {"expect": Money(0, "EUR")} if client.provider == "chargebee" else {}
    client.refund(invoice.id, amount=Money(700, "EUR"), reference="back-1", **before)


Act = Callable[[Client, Invoice], object]
ENDS: dict[str, tuple[bool, Act]] = {
    "open": (False, lambda client, invoice: None),
    "paid": (False, lambda client, invoice: client.mark_paid(invoice.id)),
    "collected": (True, lambda client, invoice: None),
    "void": (False, lambda client, invoice: client.void(invoice.id)),
    "uncollectible": (False, lambda client, invoice: client.mark_uncollectible(invoice.id)),
    "refunded": (True, _refund),
}


def _read(name: str, end: str) -> Invoice:
    charge, act = ENDS[end]
    emulator = providers.get(name).emulator()
    client, _ = emulated_at(name, emulator, lookup="never")
    bill = _bill(name, emulator.customer, charge=charge)
    if charge and emulator.payment_method:
        bill = bill.model_copy(update={"collection": Collection.charge(emulator.payment_method)})
    made = client.create(bill, allow=[loss.code for loss in client.losses(bill)])
    act(client, made)
    return client.retrieve(made.id)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["stripe", "chargebee", "whop"])
def test_what_was_read_is_imported_at_chargebee_as_it_ended(name: str, end: str) -> None:
    """The same total, paid and given back to the cent, the same status; nobody was mailed or charged for it."""
    source = _read(name, end)
    given: dict[str, Any] = {"customer": "cus_42", "number": f"{name}-{end}", "source": Source(name, "", source.id)}
    if name == "whop" and source.total is None:  # which states none before a payment
        with pytest.raises(Unsupported, match="source-total-unknown"):
            ImportInvoice.of(source, **given)
        given["total"] = source.subtotal
    if (name, end) == ("whop", "uncollectible"):  # which does not say whether a part of it was paid
        with pytest.raises(Unsupported, match="source-incomplete"):
            ImportInvoice.of(source, **given)
        return
    command = ImportInvoice.of(source, **given)
    emulator = providers.get("chargebee").emulator()
    emulator.mails_invoices = True
    target, _ = emulated_at("chargebee", emulator, lookup="never")
    with no_waiting():
        done = target.import_invoice(command, allow=[loss.code for loss in target.losses(command)])
    assert (done.status, done.total) == (source.status, source.total or source.subtotal)
    nothing = Money(0, "EUR")
    assert done.amount_remaining == (done.total if end == "open" else nothing)
    assert done.amount_paid == (done.total if end in {"paid", "collected", "refunded"} else nothing)
    assert source.amount_paid in {None, done.amount_paid}
    if end == "refunded":
        assert done.amount_refunded == Money(700, "EUR")
    assert {entry.event for entry in emulator.ledger} <= {"imported", "credited"}


@pytest.mark.parametrize("name", ["stripe", "chargebee", "whop"])
def test_settled_history_is_refused_where_it_would_be_mailed(name: str) -> None:
    """Whop and ChargeAPI say why, before anything is sent."""
    command = ImportInvoice.of(_read(name, "void"), customer="cus_42", total=Money(2500, "EUR"))
    for target in ("whop", "chargeapi"):
        client, transport = emulated_at(target, lookup="never")
        with pytest.raises(Unsupported):
            client.import_invoice(command)
        assert transport.sent == []


async def _imported(command: ImportInvoice) -> Invoice:
    declared = providers.get("chargebee")
    emulator: Any = declared.emulator()
    transport = EmulatorTransport(emulator, make_context(declared, emulator.settings).base_url)
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncClient("chargebee", api_key=emulator.key, http=http, **emulator.settings)
        first = await client.import_invoice(command, allow=["IB-CHARGEBEE-IMPORT-METHOD-01"])
        again = await client.import_invoice(command)
    assert first.id == again.id
    return first


def test_an_async_client_imports_the_same() -> None:
    """The same flow and the same result, awaited."""
    import asyncio

    command = ImportInvoice.of(_read("stripe", "void"), customer="cus_42", number="N-1")
    assert asyncio.run(_imported(command)).status is Status.VOID
