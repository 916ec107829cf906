"""The scenarios, and how they are recorded against an emulator into plain vcrpy cassettes.

What is recorded here comes from an emulator, and the sidecar says so: it shows what this library sends, and what we
believe the provider answers. Run `python -m invoice_bridge.cassettes FOLDER` to record every scenario anew; the
emulators' clocks and ids are fixed, so the files come out the same.

Every provider is asked for the same bills, so that two cassettes of one scenario can be compared. Where a provider
refuses a bill beforehand, the next best one is made: mailed rather than open, or a draft.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.cassettes.recorder import Recorder
from invoice_bridge.client.clients import Client
from invoice_bridge.client.options import no_waiting
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import Discrepancy, InvalidState, Unsupported
from invoice_bridge.core.model import Collection, Invoice, Line, Period, Status
from invoice_bridge.core.money import Money

__all__ = ["FAULTS", "SCENARIOS", "Account", "Recorded", "Scenario", "record", "record_all"]

_MAY = Period.month(2026, 5)
_OWED = Money(2500, "EUR")
_DUE = datetime(2027, 1, 4, tzinfo=UTC)
_LINES = (
    Line(description="Charging sessions", amount=Money(1842, "EUR")),
    Line(description="Reservation fees", quantity=2, unit_amount=Money(329, "EUR"), amount=Money(658, "EUR")),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a scenario bills: ids at the provider. A payment method and a subscription are needed by some alone."""

    customer: str
    payment_method: str | None = None
    subscription: str | None = None


Scenario = Callable[[Client, Account], list[Invoice]]
"""What a scenario saw, in order: the same on replay as when it was recorded, but for what is redacted."""


# ── the scenarios ────────────────────────────────────────────────────────────────────────────────────────────────────
def one_time_charge(client: Client, account: Account) -> list[Invoice]:
    """Bill once (as a draft where nothing else is possible), read it back, list, and withdraw it if it is open."""
    bill = _charge("res-2026-05-17", account)
    made = client.retrieve(_billed(client, bill, _draft(bill)).id)
    return [made, *islice(client.list(), 5), *_withdrawn(client, made)]


def period_invoice_lines(client: Client, account: Account) -> list[Invoice]:
    """Bill a month by lines of our own, read it back, and withdraw it if it is open."""
    bill = PeriodInvoice(
        reference="res-2026-05/lines", customer=account.customer, period=_MAY, currency="EUR", lines=_LINES
    )
    made = client.retrieve(_billed(client, bill, _mailed(bill)).id)
    return [made, *_withdrawn(client, made)]


def period_invoice_accrued(client: Client, account: Account) -> list[Invoice]:
    """Bill what has accrued in a month, read it back, and withdraw it if it is open."""
    bill = PeriodInvoice(
        reference="res-2026-05/accrued",
        customer=account.customer,
        period=_MAY,
        currency="EUR",
        subscription=account.subscription,
    )
    made = client.retrieve(_billed(client, bill, _mailed(bill)).id)
    return [made, *_withdrawn(client, made)]


def listing(client: Client, account: Account) -> list[Invoice]:
    """Make three drafts, which collect nothing, and read the newest invoices, two a page, each of them whole."""
    for number in (1, 2, 3):
        bill = _charge(f"res-2026-05-17/listed-{number}", account)
        _billed(client, _draft(bill), bill)
    return list(islice(client.list(limit=2, full=True), 5))


def void(client: Client, account: Account) -> list[Invoice]:
    """Bill, withdraw it, and read it back."""
    made = _open("res-2026-05-17/void", client, account)
    client.void(made.id)
    return [made, client.retrieve(made.id)]


def paid(client: Client, account: Account) -> list[Invoice]:
    """Bill, have it paid in the way that the provider has (pay, else mark_paid), and read it back."""
    made = _open("res-2026-05-17/paid", client, account)
    if isinstance(providers.get(client.provider).flows.pay, Cannot):
        client.mark_paid(made.id)
    else:
        client.pay(made.id, expect=_OWED, payment_method=account.payment_method)
    return [made, client.retrieve(made.id)]


def refused(client: Client, account: Account) -> list[Invoice]:
    """Bill, withdraw it, and try to withdraw it again: the provider refuses. Raises Discrepancy where it does not."""
    made = _open("res-2026-05-17/refused", client, account)
    gone = client.void(made.id)
    try:
        client.void(made.id, attempt=2)  # the first attempt again would be answered as before
    except InvalidState as refusal:
        return [made, gone, *([] if refusal.invoice is None else [refusal.invoice])]
    raise Discrepancy(f"{made.id} is void, and {client.provider} was to refuse to void it again", found=gone.status)


def throttled(client: Client, account: Account) -> list[Invoice]:
    """Bill and read it back while the provider says once to each: not now."""
    bill = _charge("res-2026-05-17/throttled", account)
    made = client.retrieve(_billed(client, bill, _mailed(bill)).id)
    return [made, *_withdrawn(client, made)]


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        one_time_charge,
        period_invoice_lines,
        period_invoice_accrued,
        listing,
        void,
        paid,
        refused,
        throttled,
    )
}
FAULTS: dict[str, tuple[Fault, ...]] = {
    "throttled": (Fault(Kind.THROTTLED_FOR, method="POST"), Fault(Kind.THROTTLED_FOR, method="GET", path=r"[0-9]$")),
}
"""What an emulator is told to do wrong for a scenario; no provider does that on request. Retry-After is 0."""


# ── what they are made of ────────────────────────────────────────────────────────────────────────────────────────────
def _charge(reference: str, account: Account) -> OneTimeCharge:
    return OneTimeCharge(
        reference=reference, customer=account.customer, amount=_OWED, description="Reservation fees", period=_MAY
    )


def _draft(bill: OneTimeCharge) -> OneTimeCharge:
    return bill.model_copy(update={"draft": True})


def _mailed(bill: Any) -> Any:
    return bill.model_copy(update={"collection": Collection.send(due=_DUE)})


def _billed(client: Client, *bills: OneTimeCharge | PeriodInvoice) -> Invoice:
    """Make the first of these bills that the provider can do, whatever it loses on the way. Raises Unsupported."""
    command = next((bill for bill in bills if client.explain(bill).refusal is None), bills[0])
    return client.create(command, allow=[loss.code for loss in client.losses(command)])


def _open(reference: str, client: Client, account: Account) -> Invoice:
    bill = _charge(reference, account)
    return _billed(client, bill, _mailed(bill))


def _withdrawn(client: Client, made: Invoice) -> list[Invoice]:
    """Leave nobody with something to pay."""
    return [client.void(made.id)] if made.status is Status.OPEN else []


# ── recording ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Recorded(NamedTuple):
    """A cassette, and what its scenario saw while it was recorded."""

    path: Path
    saw: list[Invoice]


def record(scenario: str, provider: str, folder: Path) -> Recorded:
    """Record one scenario of one provider as `folder/<provider>/<scenario>.yaml`; needs vcrpy (extra `testing`).

    Bills are not looked up: what a lookup reads depends on everything else that the account holds.

    Raises Unsupported, and writes nothing, where the provider cannot do what the scenario is about.
    """
    declared = providers.get(provider)
    emulator = declared.emulator()
    emulator.accrue()
    faulty = Faults(emulator, FAULTS.get(scenario, ()))
    recorder = Recorder(EmulatorTransport(faulty, declared.base_url(emulator.settings)))
    path = folder / provider / f"{scenario}.yaml"
    account = Account(emulator.customer, emulator.payment_method, emulator.subscription)
    plain = {"accept-encoding": "gzip, deflate"}  # the same bytes, whatever else is installed for httpx to decode
    with httpx.Client(transport=recorder, headers=plain) as http:
        with no_waiting():  # an emulator has no limit to keep to
            client = Client(provider, api_key=emulator.key, http=http, lookup="never", **emulator.settings)
        with client:
            saw = SCENARIOS[scenario](client, account)
    recorder.save(path, provider, origin="emulator", recorded_at=emulator.clock())
    return Recorded(path, saw)


def record_all(folder: Path) -> list[Recorded]:
    """Record every scenario of every registered provider, but for what a provider cannot do."""
    found: list[Recorded] = []
    for name in providers.names():
        for scenario in SCENARIOS:
            try:
                found.append(record(scenario, name, folder))
            except Unsupported:  # said before anything is sent; the tests know which
                continue
    return found
