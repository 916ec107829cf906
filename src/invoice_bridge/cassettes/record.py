"""Record a scenario against an emulator into a plain vcrpy cassette, with its provenance beside it.

What is recorded here comes from an emulator, and the sidecar says so: it shows what this library sends, and what we
believe the provider answers. Run `python -m invoice_bridge.cassettes FOLDER` to record every scenario anew; the
emulators' clocks and ids are fixed, so the files come out the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from invoice_bridge import providers
from invoice_bridge.cassettes import provenance
from invoice_bridge.cassettes.redaction import Redactor
from invoice_bridge.client import Client
from invoice_bridge.commands import OneTimeCharge
from invoice_bridge.emulator.transport import EmulatorTransport
from invoice_bridge.model import Period, Status
from invoice_bridge.money import Money


def one_time_charge(client: Client, customer: str) -> None:
    """Bill once (as a draft where nothing else is possible), read it back, list, and withdraw it if it is open."""
    bill = OneTimeCharge(
        reference="res-2026-05-17",
        customer=customer,
        amount=Money.parse("25.00", "EUR"),
        description="Reservation fees",
        period=Period.month(2026, 5),
    )
    plan = client.explain(bill)
    ask = bill if plan.refusal is None else bill.model_copy(update={"draft": True})
    invoice = client.create(ask, allow=[loss.path for loss in plan.losses])
    invoice = client.retrieve(invoice.id)
    list(client.list())
    if invoice.status is Status.OPEN:
        client.void(invoice.id)


SCENARIOS: dict[str, Callable[[Client, str], None]] = {"one_time_charge": one_time_charge}


def record(scenario: str, provider: str, folder: Path) -> Path:
    """Record one scenario of one provider as `folder/<provider>/<scenario>.yaml`; needs vcrpy (extra `testing`)."""
    from vcr.config import VCR
    from vcr.record_mode import RecordMode

    declared = providers.get(provider)
    emulator = declared.emulator()
    root = declared.base_url(emulator.settings)
    path = folder / provider / f"{scenario}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    redactor = Redactor(provider)
    recorder: Any = VCR(  # type: ignore[no-untyped-call]
        record_mode=RecordMode.ALL,
        before_record_request=redactor.request,
        before_record_response=redactor.response,
    )
    with (
        recorder.use_cassette(str(path)),
        httpx.Client(transport=EmulatorTransport(emulator, root)) as http,
        Client(provider, api_key=emulator.key, http=http, **emulator.settings) as client,
    ):
        SCENARIOS[scenario](client, emulator.customer)
    provenance.write(
        path,
        provider=provider,
        origin="emulator",
        recorded_at=emulator.clock(),
        mode="none",
        redacted=redactor.notes,
    )
    return path


def record_all(folder: Path) -> list[Path]:
    """Record every scenario of every registered provider."""
    return [record(scenario, name, folder) for name in providers.names() for scenario in SCENARIOS]
