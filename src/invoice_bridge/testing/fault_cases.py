"""The cases of the fault matrix: a bill for every way in which a provider creates, a fault, and the caller's retry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import httpx

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Named
from invoice_bridge.adapter.emulation.core import Clock, Emulator
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import ImportInvoice, NewInvoice, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Collection, Discount, Invoice, Line, Period, TaxRate
from invoice_bridge.core.money import Money
from invoice_bridge.explain import explain, losses
from invoice_bridge.testing.documents import documents

Retry = Literal["again", "killed", "killed, journal", "killed, journal, days later"]
_RETRIES: tuple[Retry, ...] = ("again", "killed", "killed, journal", "killed, journal, days later")
_KINDS = (
    Kind.RESET_BEFORE,
    Kind.RESET_AFTER,
    Kind.TIMEOUT_AFTER,
    Kind.DELAYED_COMMIT,
    Kind.STALE_LISTING,
    Kind.ERROR_AFTER,
    Kind.HTML_502_BEFORE,
    Kind.HTML_502_AFTER,
    Kind.TORN_JSON,
    Kind.TRUNCATED_BODY,
    Kind.THROTTLED,
    Kind.THROTTLED_FOR,
    Kind.IN_PROGRESS,
    Kind.SLOW_BODY,
)
_TIMES = (1, 3)
"""The number of successive requests that a fault hits: one, which a retry survives, or all tries of one call."""
TIMEOUT = 0.25
_MAY = Period.month(2026, 5)
_PRICE = Money(2500, "EUR")


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the matrix."""

    provider: str
    bill: str
    place: int
    """The number of the request that the fault hits, counted from 0 in a run without faults."""
    kind: Kind
    times: int
    way: Retry
    flipped: str | None = None
    """The switch that has the opposite of its default."""

    def __str__(self) -> str:
        flipped = f", {self.flipped} flipped" if self.flipped else ""
        return f"{self.provider}: {self.bill}, request {self.place}: {self.kind} ×{self.times}, {self.way}{flipped}"


def in_memory(name: str) -> Any:
    """Return the emulator class of a provider."""
    emulator = providers.get(name).emulator
    return emulator.load() if isinstance(emulator, Named) else emulator


@cache
def bills(provider: str) -> dict[str, OneTimeCharge | PeriodInvoice]:
    """Return one bill for every way in which a provider creates: ways differ in requests, effects or their order."""
    emulator = in_memory(provider)
    shared: dict[str, Any] = {"reference": "res-2026-05-17", "customer": emulator.customer}
    kinds: dict[str, tuple[type[OneTimeCharge | PeriodInvoice], dict[str, Any]]] = {
        "charge once": (OneTimeCharge, {"amount": _PRICE, "period": _MAY}),
        "bill lines": (PeriodInvoice, {"lines": (Line(description="a", amount=_PRICE),)}),
        "bill a period": (PeriodInvoice, {"subscription": emulator.subscription}),
    }
    options = _options(emulator)
    commands: dict[str, OneTimeCharge | PeriodInvoice] = {}
    shapes: set[Any] = set()
    for name, (kind, fields) in kinds.items():
        required = {} if kind is OneTimeCharge else {"period": _MAY, "currency": _PRICE.currency}
        for option, more in options.items():
            command: Any = kind(**(shared | required | fields | more))
            plan = explain(provider, command, lookup="never", **emulator.settings)
            shape = tuple((request.method, request.url, request.effects) for request in plan.requests)
            if plan.refusal is None and shape not in shapes:
                shapes.add(shape)
                commands[f"{name}, {option}"] = command
    return commands


def _options(emulator: Any) -> dict[str, dict[str, Any]]:
    """Return the ways in which a bill is collected."""
    due = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=30)
    return {
        "manual": {},
        "send": {"collection": Collection.send(due=due)},
        "send in days": {"collection": Collection.send(net_days=30), "issued_at": _MAY.end},
        "collect": {"collection": Collection.charge(emulator.payment_method)},
        "draft": {"draft": True},
    }


@cache
def every_bill(provider: str) -> dict[str, OneTimeCharge | PeriodInvoice]:
    """Return the bills of each way, and bills with every field that the provider takes."""
    emulator = in_memory(provider)
    shared: dict[str, Any] = {"reference": "res-2026-05-17", "customer": emulator.customer}
    commands, options = dict(bills(provider)), _options(emulator)
    for option in ("manual", "send", "collect"):
        if (whole := _whole_bill(provider, shared | options[option])) is not None:
            commands[f"a whole bill, {option}"] = whole
        taxed = {"lines": (Line(description="Energy", amount=_PRICE),), "tax": (TaxRate(name="VAT", rate=20),)}
        if (whole := _whole_bill(provider, shared | options[option] | taxed)) is not None:
            commands[f"a taxed bill, {option}"] = whole
    return commands


@cache
def imports(provider: str) -> dict[str, ImportInvoice]:
    """Return one import for every way in which a provider takes history; none if it takes none."""
    emulator = in_memory(provider)
    taken: dict[str, ImportInvoice] = {}
    shapes: set[Any] = set()
    for command in documents(emulator.customer):
        plan = explain(provider, command, lookup="never", **emulator.settings)
        shape = tuple((request.method, request.path, request.effects) for request in plan.requests)
        if plan.refusal is None and shape not in shapes:
            shapes.add(shape)
            taken[f"import {command.reference}"] = command
    return taken


def make(client: Client, command: NewInvoice, allow: list[str]) -> Invoice:
    """Make a bill, or import a document."""
    if isinstance(command, ImportInvoice):
        return client.import_invoice(command, allow=allow)
    assert isinstance(command, OneTimeCharge | PeriodInvoice)
    return client.create(command, allow=allow)


def _whole_bill(provider: str, fields: dict[str, Any]) -> OneTimeCharge | None:
    """Return a bill with every field of this list that the provider takes beside the others; None if it takes none."""
    emulator = in_memory(provider)
    lines = (
        Line(description="Energy", amount=_PRICE, discount=Money(500, "EUR"), metadata={"meter": "7"}),
        Line(description="Parking", quantity=Decimal(2), unit_amount=Money(250, "EUR")),
    )
    more: dict[str, Any] = {
        "subscription": emulator.subscription,
        "discounts": (Discount(name="Spring", amount=Money(300, "EUR")),),
        "native": {provider: _plain_native(provider)},
        "purchase_order": "PO-7",
        "metadata": {"site": "7"},
        "issued_at": _MAY.end,
    }
    taken: OneTimeCharge | None = None
    stated: dict[str, Any] = {"lines": lines, "period": _MAY} | fields
    for name in (None, *more):
        tried = stated if name is None else stated | {name: more[name]}
        try:
            command = OneTimeCharge(**tried)
            _requests(provider, command, None)
        except (ValueError, RuntimeError):  # two fields that exclude each other, or one that the provider refuses
            continue
        taken, stated = command, tried
    return taken


def _plain_native(provider: str) -> dict[str, Any]:
    """Return the first parameter of the provider's own that changes no amount and has no parts."""
    for row in providers.get(provider).natives.of("one_time_charge"):
        if not (row.money or row.requires or row.schedules or row.effects or re.search(r"[.\[]", row.path)):
            return {row.path: row.kind.samples[0]}
    return {}


def cases(name: str, commands: Mapping[str, NewInvoice] | None = None) -> Iterator[Case]:
    """Yield every case of a provider, of these bills or of every_bill.

    A bill that a flipped switch makes impossible has no case with that switch.
    """
    for title, command in (every_bill(name) if commands is None else commands).items():
        for flipped in (None, *in_memory(name).SWITCHES):
            for place, method in enumerate(_requests(name, command, flipped)):
                for kind in _KINDS:
                    if method == "GET" and kind in {Kind.DELAYED_COMMIT, Kind.IN_PROGRESS, Kind.STALE_LISTING}:
                        continue
                    for times in _TIMES:
                        for way in _RETRIES:
                            if kind is Kind.STALE_LISTING and "days later" in way:
                                continue  # no listing is stale for days
                            yield Case(name, title, place, kind, times, way, flipped)


def _requests(name: str, command: NewInvoice, flipped: str | None) -> list[str]:
    """Return the methods of a bill's requests in a run without faults; none if the flipped switch refuses the bill."""
    emulator = make_emulator(name, flipped, lambda: datetime.now(UTC))
    transport = EmulatorTransport(emulator)
    with (
        httpx.Client(transport=transport) as http,
        Client(
            name, api_key=emulator.key, base_url=transport.root, http=http, lookup="never", **emulator.settings
        ) as client,
    ):
        try:
            make(client, command, allowed_losses(name, command))
        except BridgeError as error:
            if flipped is None:
                raise RuntimeError(f"{name} refuses a bill in a run without faults") from error
            return []
    return [request.method for request in transport.sent]


def make_emulator(name: str, flipped: str | None, clock: Clock, *, forgets: bool = False) -> Emulator:
    """Make an emulator that has something to bill, with a switch flipped; `forgets` makes it forget keys at once."""
    kind = in_memory(name)
    switches = {} if flipped is None else {flipped: not kind.SWITCHES[flipped][0]}
    kind = type(kind.__name__, (kind,), {"window": timedelta(0)}) if forgets else kind
    emulator: Emulator = kind(clock=clock, switches=switches)
    emulator.accrue()
    return emulator


def lookup_mode(name: str, journal: str | None, *, forgets: bool) -> str:
    """Return the `lookup` setting: the default, or what the refusal proposes if the provider refuses the default."""
    if forgets:
        return "never"
    if providers.get(name).lookup is None:
        return "auto"
    return "always" if journal is None else "journal"


def allowed_losses(name: str, command: NewInvoice) -> list[str]:
    """Return the codes of the losses that stop a bill unless they are allowed."""
    every = losses(name, command, **in_memory(name).settings)
    return [loss.code for loss in every if loss.severity is not Severity.INFO]


def faults_of(case: Case) -> list[Fault]:
    """Return the faults of a case, to give to an emulator."""
    hit = Fault(case.kind, skip=case.place, times=case.times)
    match case.kind:
        case Kind.STALE_LISTING:  # the answer to a write is lost, and the next listing does not show the write yet
            return [Fault(Kind.RESET_AFTER, skip=case.place, times=case.times), Fault(Kind.STALE_LISTING)]
        case Kind.DELAYED_COMMIT:
            return [replace(hit, lands_after=2)]
        case Kind.SLOW_BODY:
            return [replace(hit, seconds=TIMEOUT / 4)]
    return [hit]
