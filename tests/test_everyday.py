"""Fourteen everyday bills at every provider: each cell of the table is what happens at the emulator."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import BridgeError, Client, Collection, CustomerRef, LossyTranslation, Unsupported, providers
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.everyday import Verdict, bills, verdict, verdicts

TITLES = tuple(bills())
CELLS = [(title, name) for title in TITLES for name in providers.names()]


def create(title: str, name: str, allow: tuple[str, ...] = ()) -> Any:
    """Make one of the bills at the emulator of a provider, for its own customer and payment method."""
    declared = providers.get(name)
    emulator = declared.emulator()
    bill = bills()[title].model_copy(update={"customer": CustomerRef(id=emulator.customer)})
    if bill.collection.kind == "charge":
        bill = bill.model_copy(update={"collection": Collection.charge(emulator.payment_method)})
    if name == "chargeapi":  # it bills what was consumed in the period, and compares that with the lines
        emulator.add_transaction(emulator.customer, 2500, "eur", datetime(2026, 10, 17, tzinfo=UTC), "Energy")
    settings = {**emulator.settings, **emulator.reference_settings}
    transport = EmulatorTransport(emulator, declared.base_url(settings))
    with httpx.Client(transport=transport) as http:
        billing = Client(name, api_key=emulator.key, http=http, lookup="never", **settings)
        try:
            return billing.create(bill, allow=allow)
        except BridgeError as error:
            assert not [request for request in transport.sent if request.writes]
            return error


def test_there_are_fourteen() -> None:
    """A bill for each shape that most applications send."""
    assert len(TITLES) == 14
    assert len({bill.model_dump_json() for bill in bills().values()}) == 14


@pytest.mark.parametrize("title, name", CELLS)
def test_a_cell_is_what_happens(title: str, name: str) -> None:
    """An ok bill is made as it is; one to allow stops without its codes and is made with them; the rest is refused."""
    cell = verdicts([name])[title][name]
    plain = create(title, name)
    if cell.state == "refused":
        assert isinstance(plain, Unsupported)
        assert plain.remedy, "a refusal says what to bill instead"
        return
    if cell.state == "allowed":
        assert isinstance(plain, LossyTranslation)
        assert {loss.code for loss in plain.losses} == set(cell.codes)
        plain = create(title, name, cell.codes)
    assert not isinstance(plain, BridgeError), plain
    assert plain.reference in {None, bills()[title].reference}


def test_a_verdict_has_the_codes_and_the_reason() -> None:
    """What must be allowed is named by code, each with what to do; remarks are listed apart."""
    cell = verdict(bills()["metadata"], "chargebee")
    assert (cell.provider, cell.state) == ("chargebee", "allowed")
    assert "IB-CHARGEBEE-METADATA-01" in cell.codes
    assert all(f"`{code}`: " in " ".join(cell.why) for code in cell.codes)
    assert replace(cell, noted=()) == Verdict(cell.provider, cell.state, cell.codes, cell.why)


def test_most_bills_go_to_two_providers_without_a_change() -> None:
    """At least eleven of the fourteen are ok or allowed by code at three providers."""
    table = verdicts()
    assert sum(sum(cell.state != "refused" for cell in row.values()) >= 3 for row in table.values()) >= 11
