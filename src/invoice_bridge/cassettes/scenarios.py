"""The scenarios, and their recording against an emulator as plain vcrpy cassettes.

A cassette recorded here comes from an emulator, and its sidecar has that origin: it shows the requests of this library,
and the answers that we expect of the provider. Run `python -m invoice_bridge.cassettes FOLDER` to record every scenario
again; the emulators' clocks and ids are fixed, so the files do not change.

Every provider gets the same bills, so that two cassettes of one scenario can be compared. If a provider cannot make a
bill, the scenario makes the next best one: a mailed bill instead of an open one, or a draft.
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
from invoice_bridge.core.commands import ImportInvoice, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import Discrepancy, InvalidState, Unsupported
from invoice_bridge.core.model import Collection, Invoice, Line, Payment, Period, Status
from invoice_bridge.core.money import Money

__all__ = ["FAULTS", "SCENARIOS", "Account", "Recorded", "Scenario", "record", "record_all"]

_MAY = Period.month(2026, 5)
_OWED = Money(2500, "EUR")
_DUE = datetime(2027, 1, 4, tzinfo=UTC)
_ISSUED, _PAID = datetime(2025, 5, 17, tzinfo=UTC), datetime(2025, 5, 26, tzinfo=UTC)
_LINES = (
    Line(description="Charging sessions", amount=Money(1842, "EUR")),
    Line(description="Reservation fees", quantity=2, unit_amount=Money(329, "EUR"), amount=Money(658, "EUR")),
)


@dataclass(frozen=True, slots=True)
class Account:
    """The customer that a scenario bills, by ids at the provider. Only some scenarios need the other two ids."""

    customer: str
    payment_method: str | None = None
    subscription: str | None = None


Scenario = Callable[[Client, Account], list[Invoice]]
"""A function that returns the invoices it read, in order: a replay returns the same, except for redacted fields."""


# ── the scenarios ────────────────────────────────────────────────────────────────────────────────────────────────────
def one_time_charge(client: Client, account: Account) -> list[Invoice]:
    """Bill once (as a draft if the provider can do nothing else), read the invoice, list, and void it if it is open."""
    bill = _charge("res-2026-05-17", account)
    invoice = client.retrieve(_bill(client, bill, _draft(bill)).id)
    return [invoice, *islice(client.list(), 5), *_withdraw(client, invoice)]


def period_invoice_lines(client: Client, account: Account) -> list[Invoice]:
    """Bill a month by explicit lines, read the invoice, and void it if it is open."""
    bill = PeriodInvoice(
        reference="res-2026-05/lines", customer=account.customer, period=_MAY, currency="EUR", lines=_LINES
    )
    invoice = client.retrieve(_bill(client, bill, _mailed(bill)).id)
    return [invoice, *_withdraw(client, invoice)]


def period_invoice_accrued(client: Client, account: Account) -> list[Invoice]:
    """Bill the accrued charges of a month, read the invoice, and void it if it is open."""
    bill = PeriodInvoice(
        reference="res-2026-05/accrued",
        customer=account.customer,
        period=_MAY,
        currency="EUR",
        subscription=account.subscription,
    )
    invoice = client.retrieve(_bill(client, bill, _mailed(bill)).id)
    return [invoice, *_withdraw(client, invoice)]


def listing(client: Client, account: Account) -> list[Invoice]:
    """Make three drafts, which collect nothing, and list the newest invoices in full, two on a page."""
    for number in (1, 2, 3):
        bill = _charge(f"res-2026-05-17/listed-{number}", account)
        _bill(client, _draft(bill), bill)
    return list(islice(client.list(limit=2, full=True), 5))


def void(client: Client, account: Account) -> list[Invoice]:
    """Bill, void the invoice, and read it."""
    invoice = _open("res-2026-05-17/void", client, account)
    client.void(invoice.id)
    return [invoice, client.retrieve(invoice.id)]


def paid(client: Client, account: Account) -> list[Invoice]:
    """Bill, pay the invoice (with mark_paid if the provider has no pay), and read it."""
    invoice = _open("res-2026-05-17/paid", client, account)
    if isinstance(providers.get(client.provider).flows.pay, Cannot):
        client.mark_paid(invoice.id)
    else:
        client.pay(invoice.id, expect=_OWED, payment_method=account.payment_method)
    return [invoice, client.retrieve(invoice.id)]


def refused(client: Client, account: Account) -> list[Invoice]:
    """Bill, void the invoice, and void it again: the provider refuses. Raises Discrepancy if it does not."""
    invoice = _open("res-2026-05-17/refused", client, account)
    voided = client.void(invoice.id)
    try:
        client.void(invoice.id, attempt=2)  # a repeat of the first attempt would get the first answer again
    except InvalidState as refusal:
        return [invoice, voided, *([] if refusal.invoice is None else [refusal.invoice])]
    raise Discrepancy(f"{invoice.id} is void, but {client.provider} voided it a second time", found=voided.status)


def throttled(client: Client, account: Account) -> list[Invoice]:
    """Bill and read the invoice while the provider throttles each of the two requests once."""
    bill = _charge("res-2026-05-17/throttled", account)
    invoice = client.retrieve(_bill(client, bill, _mailed(bill)).id)
    return [invoice, *_withdraw(client, invoice)]


def history(client: Client, account: Account) -> list[Invoice]:
    """Import a paid and a void invoice of the past (a draft if the provider takes no others), and read them."""
    plain: dict[str, Any] = {"customer": account.customer, "issued_at": _ISSUED, "total": _OWED, "lines": _LINES}
    payment = Payment(id="pay_1", amount=_OWED, at=_PAID, state="succeeded", method="card")
    settled = (
        ImportInvoice(
            reference="res-2025-05/paid", number="H-1", status=Status.PAID, paid_at=_PAID, payments=(payment,), **plain
        ),
        ImportInvoice(reference="res-2025-05/void", number="H-2", status=Status.VOID, voided_at=_PAID, **plain),
    )
    taken = [command for command in settled if client.explain(command).refusal is None]
    found = []
    for command in taken or [ImportInvoice(reference="res-2025-05/draft", status=Status.DRAFT, **plain)]:
        made = client.import_invoice(command, allow=[loss.code for loss in client.losses(command)])
        found.append(client.retrieve(made.id))
    return found


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
        history,
    )
}
FAULTS: dict[str, tuple[Fault, ...]] = {
    "throttled": (Fault(Kind.THROTTLED_FOR, method="POST"), Fault(Kind.THROTTLED_FOR, method="GET", path=r"[0-9]$")),
}
"""The emulator's faults for a scenario; no provider makes them on request. Retry-After is 0."""


# ── steps of the scenarios ───────────────────────────────────────────────────────────────────────────────────────────
def _charge(reference: str, account: Account) -> OneTimeCharge:
    return OneTimeCharge(
        reference=reference, customer=account.customer, amount=_OWED, description="Reservation fees", period=_MAY
    )


def _draft(bill: OneTimeCharge) -> OneTimeCharge:
    return bill.model_copy(update={"draft": True})


def _mailed(bill: Any) -> Any:
    return bill.model_copy(update={"collection": Collection.send(due=_DUE)})


def _bill(client: Client, *bills: OneTimeCharge | PeriodInvoice) -> Invoice:
    """Make the first of these bills that the provider can make, with all its losses allowed. Raises Unsupported."""
    command = next((bill for bill in bills if client.explain(bill).refusal is None), bills[0])
    return client.create(command, allow=[loss.code for loss in client.losses(command)])


def _open(reference: str, client: Client, account: Account) -> Invoice:
    bill = _charge(reference, account)
    return _bill(client, bill, _mailed(bill))


def _withdraw(client: Client, invoice: Invoice) -> list[Invoice]:
    """Void the invoice if it is open, so that nobody has something to pay."""
    return [client.void(invoice.id)] if invoice.status is Status.OPEN else []


# ── recording ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Recorded(NamedTuple):
    """A cassette, and the invoices that its scenario read while it was recorded."""

    path: Path
    saw: list[Invoice]


def record(scenario: str, provider: str, folder: Path) -> Recorded:
    """Record one scenario of one provider as `folder/<provider>/<scenario>.yaml`; needs vcrpy (extra `testing`).

    Bills are not looked up: the answers to a lookup depend on the account's other invoices.

    Raises Unsupported, and writes nothing, if the provider cannot run the scenario.
    """
    declared = providers.get(provider)
    emulator = declared.emulator()
    emulator.accrue()
    faulty = Faults(emulator, FAULTS.get(scenario, ()))
    recorder = Recorder(EmulatorTransport(faulty, declared.base_url(emulator.settings)))
    path = folder / provider / f"{scenario}.yaml"
    account = Account(emulator.customer, emulator.payment_method, emulator.subscription)
    headers = {"accept-encoding": "gzip, deflate"}  # the same bytes, whatever other encodings httpx can decode here
    with httpx.Client(transport=recorder, headers=headers) as http:
        with no_waiting():  # an emulator has no rate limit
            client = Client(provider, api_key=emulator.key, http=http, lookup="never", **emulator.settings)
        with client:
            saw = SCENARIOS[scenario](client, account)
    recorder.save(path, provider, origin="emulator", recorded_at=emulator.clock())
    return Recorded(path, saw)


def record_all(folder: Path) -> list[Recorded]:
    """Record every scenario of every registered provider, except those that the provider cannot run."""
    recorded: list[Recorded] = []
    for name in providers.names():
        for scenario in SCENARIOS:
            try:
                recorded.append(record(scenario, name, folder))
            except Unsupported:  # raised before any request; the tests list which scenarios
                continue
    return recorded
