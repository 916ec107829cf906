"""Record a scenario against an emulator into a plain vcrpy cassette, with its provenance beside it.

What is recorded here comes from an emulator, and the sidecar says so: it shows what this library sends, and what we
believe the provider answers. Run `python -m invoice_bridge.cassettes FOLDER` to record every scenario anew; the
emulators' clocks and ids are fixed, so the files come out the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from invoice_bridge import providers
from invoice_bridge.client import Client
from invoice_bridge.commands import OneTimeCharge
from invoice_bridge.emulator.transport import EmulatorTransport
from invoice_bridge.model import Period, Status
from invoice_bridge.money import Money
from invoice_bridge.wire import dumps, loads

SECRET_HEADERS = ("authorization",)
SECRET_FIELDS = frozenset(
    {"fetch_invoice_token", "pay_online_url", "hosted_invoice_url", "invoice_pdf", "client_secret"}
)
"""JSON fields whose text opens an invoice to whoever holds it."""
REDACTED = "REDACTED"


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
    recorder: Any = VCR(  # type: ignore[no-untyped-call]
        record_mode=RecordMode.ALL, filter_headers=list(SECRET_HEADERS), before_record_response=_redact
    )
    with (
        recorder.use_cassette(str(path)),
        httpx.Client(transport=EmulatorTransport(emulator, root)) as http,
        Client(provider, api_key=emulator.key, http=http, **emulator.settings) as client,
    ):
        SCENARIOS[scenario](client, emulator.customer)
    sidecar = {
        "provider": provider,
        "api_version": declared.api_version,
        "origin": "emulator",
        "recorded_at": emulator.clock().isoformat().replace("+00:00", "Z"),
        "redacted": {"headers": list(SECRET_HEADERS), "fields": sorted(SECRET_FIELDS)},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".provenance.json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    return path


def _redact(answer: dict[str, Any]) -> dict[str, Any]:
    """Replace the secret fields of a JSON answer by name, wherever they stand; everything else stays as it is."""
    try:
        body = loads(answer["body"]["string"])
    except ValueError:
        return answer
    clean = dumps(_without_secrets(body))
    headers = {name: value for name, value in answer["headers"].items() if name.lower() != "content-length"}
    return answer | {"body": {"string": clean}, "headers": headers}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: REDACTED if name in SECRET_FIELDS and isinstance(inner, str) else _without_secrets(inner)
            for name, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def record_all(folder: Path) -> list[Path]:
    """Record every scenario of every registered provider."""
    return [record(scenario, name, folder) for name in providers.names() for scenario in SCENARIOS]
