"""One event of each kind that an emulator reports: for trying a receiver without a running emulator."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.events import EmulatedEvent
from invoice_bridge.core.bills import OneTimeCharge
from invoice_bridge.core.errors import BridgeError, ConfigurationError
from invoice_bridge.core.money import Money
from invoice_bridge.core.parts import Collection
from invoice_bridge.core.verbs import Delete, MarkPaid, MarkUncollectible, OnInvoice, Pay, Void
from invoice_bridge.emulator.clock import ServedClock
from invoice_bridge.emulator.seeds import run_command

_DECLINED = "pm_declined"
_DUE = timedelta(days=14)


def specimen_events(name: str, now: datetime) -> dict[str, EmulatedEvent]:
    """Return an event of each type that the provider's emulator reports, by its type.

    They are those of a few invoices that are made at `now`: paid, declined, void, written off, deleted and past due.
    Raises ConfigurationError for a provider that documents no event of an invoice.
    """
    clock = ServedClock(lambda: now)
    emulator = providers.get(name).emulator(clock=clock)
    if emulator.reports is None:
        raise ConfigurationError(f"the documentation of {name} has no event of an invoice, so none can be made")
    emulator.emits = True
    emulator.seed_payment_method(_DECLINED, emulator.customer)
    method = emulator.payment_method or "pm_card_of_the_customer"
    _make(name, emulator, now, None)
    clock.advance((_DUE + timedelta(days=1)).total_seconds())
    emulator.pass_time()
    emulator.report()
    clock.reset()
    _make(name, emulator, now, Delete, draft=True)
    _make(name, emulator, now, Pay, payment_method=_DECLINED)
    _make(name, emulator, now, Pay, payment_method=method)
    for verb in (MarkUncollectible, Void, MarkPaid):
        _make(name, emulator, now, verb)
    return {event.type: event for event in emulator.events}


def _make(
    name: str, emulator: Emulator, now: datetime, verb: type[OnInvoice] | None, *, draft: bool = False, **more: Any
) -> None:
    bill = OneTimeCharge(
        reference="-".join(["specimen", verb.verb if verb else "late", *more.values()]),
        customer=emulator.customer,
        amount=Money(1999, "EUR"),
        issued_at=now.replace(microsecond=0),
        collection=Collection.send(due=now.replace(microsecond=0) + _DUE),
        draft=draft,
    )
    invoice = run_command(name, emulator, bill)
    with suppress(BridgeError):  # declined, or a verb that the provider does not have
        if verb is not None:
            run_command(name, emulator, verb(id=invoice.id, **more))
