"""Attempts to bill a customer twice, or to be told what is not so, in ways that the fault matrix does not try.

Judged by the emulators' ledgers, never by what the client says of itself.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    BridgeError,
    Client,
    Collection,
    CustomerRef,
    IdempotencyMismatch,
    Invoice,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Period,
    PeriodInvoice,
    Status,
    providers,
)
from invoice_bridge.emulator import EmulatorTransport, Fault, Faults, Kind, Ticking
from invoice_bridge.emulator.core import Emulator
from invoice_bridge.explain import context
from invoice_bridge.losses import Severity

MAY, JUNE = Period.month(2026, 5), Period.month(2026, 6)
NAMES = ("chargeapi", "chargebee", "stripe", "whop")
each_provider = pytest.mark.parametrize("name", NAMES)


class Desk:
    """An emulator, its clients, and what goes wrong between them."""

    def __init__(self, name: str, *faults: Fault, switches: dict[str, bool] | None = None) -> None:
        self.name, self.declared = name, providers.get(name)
        self.emulator: Emulator = self.declared.emulator(clock=Ticking(datetime.now(UTC)), switches=switches)
        self.emulator.accrue()
        self.faults = Faults(self.emulator, faults)
        settings = self.emulator.settings
        self.root = context(self.declared, settings, "http://127.0.0.1:1" if name == "stripe" else None).base_url
        self.transport: httpx.BaseTransport = EmulatorTransport(self.faults, self.root)

    def client(self, **said: Any) -> Client:
        """A client that does not wait between its tries."""
        http = httpx.Client(transport=self.transport)
        made = Client(
            self.name, api_key=self.emulator.key, base_url=self.root, http=http, **{**self.emulator.settings, **said}
        )
        made._policy = replace(made._policy, backoff=lambda tries: 0.005 * tries, pace=None)
        return made

    def charge(self, **said: Any) -> OneTimeCharge:
        """A charge that this provider carries."""
        collection = Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC)) if self.name == "whop" else None
        least: dict[str, Any] = {"reference": "res-1", "customer": self.emulator.customer, "period": MAY}
        least |= {"amount": Money(2500, "EUR")} | ({} if collection is None else {"collection": collection})
        return OneTimeCharge(**(least | said))

    def create(self, client: Client, ask: OneTimeCharge | PeriodInvoice) -> Invoice:
        """Bill, with what would be lost accepted."""
        found = client.losses(ask)
        return client.create(ask, allow=[loss.code for loss in found if loss.severity is not Severity.INFO])

    def forget(self) -> None:
        """Let the key window pass."""
        self.emulator.kept.clear()

    def times(self, event: str) -> int:
        """How often something happened, as the ledger has it."""
        return sum(entry.event == event for entry in self.emulator.ledger)


def _delayed() -> list[Fault]:
    """The first request lands when nobody waits for it any more, and the call's other tries never arrive."""
    return [Fault(Kind.DELAYED_COMMIT), Fault(Kind.RESET_BEFORE, method="POST", times=2)]


# ── a journal that fails in the middle ───────────────────────────────────────────────────────────────────────────────
@each_provider
def test_a_journal_that_fails_between_two_tries_does_not_undo_the_first(name: str, tmp_path: Path) -> None:
    """Made and lost, then no second try for want of a journal: the outcome is unknown, not "nothing was done"."""
    desk = Desk(name, Fault(Kind.RESET_AFTER, method="POST"))
    client = desk.client(journal=tmp_path / "bills.sqlite")
    journal: Any = client._journal
    intend = journal.intend

    def once(*about: Any) -> int:
        number: int = intend(*about)
        journal._file.execute("PRAGMA query_only = 1")
        return number

    journal.intend = once
    with pytest.raises(OutcomeUnknown, match="cannot be written") as caught:
        desk.create(client, desk.charge())
    assert (caught.value.outcome, caught.value.steps[-1].state) == ("unknown", "unknown")
    assert len(desk.emulator.invoices) == 1


# ── a second attempt ─────────────────────────────────────────────────────────────────────────────────────────────────
@each_provider
@pytest.mark.parametrize("knows", ["client", "journal"])
def test_no_second_attempt_while_the_first_may_still_land(name: str, knows: str, tmp_path: Path) -> None:
    """Its first request is lost and not to be seen yet: attempt 2 bills nothing, in this client or by its journal."""
    desk = Desk(name, *_delayed())
    kept = {"journal": tmp_path / "bills.sqlite"} if knows == "journal" else {}
    client = desk.client(**kept)
    with pytest.raises(OutcomeUnknown):
        desk.create(client, desk.charge())
    with pytest.raises(OutcomeUnknown, match="an earlier attempt at 'res-1' was lost less than 5 minutes ago") as told:
        desk.create(desk.client(**kept) if kept else client, desk.charge(attempt=2))
    assert (told.value.outcome, told.value.reference) == ("unknown", "res-1")
    desk.faults.land()
    assert desk.create(client, desk.charge(attempt=2)).reference == "res-1"
    assert len(desk.emulator.invoices) == 1


def test_a_second_attempt_without_a_look_waits_too() -> None:
    """lookup="never" looks at nothing, and does not bill what may land either."""
    desk = Desk("whop", *_delayed())
    client = desk.client(lookup="never")
    with pytest.raises(OutcomeUnknown):
        desk.create(client, desk.charge())
    with pytest.raises(OutcomeUnknown, match="was lost less than"):
        desk.create(client, desk.charge(attempt=2))
    desk.faults.land()
    assert desk.times("issued") == 1


@pytest.mark.parametrize("name", ["chargebee", "stripe"])
def test_a_second_attempt_after_a_final_refusal_need_not_wait(name: str, tmp_path: Path) -> None:
    """Lost, tried again and refused: the refusal settles it, and the mended bill is made at once."""
    desk = Desk(name, Fault(Kind.RESET_BEFORE, method="POST"))
    client = desk.client(journal=tmp_path / "bills.sqlite")
    with pytest.raises(BridgeError):
        desk.create(client, desk.charge(customer="cus_nobody"))
    desk.create(client, desk.charge(attempt=2))
    assert desk.times("issued") == 1


@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
def test_a_second_attempt_after_a_void_need_not_wait(name: str) -> None:
    """What was made and withdrawn is billed again at once; attempt 1 made again then is no third bill."""
    desk = Desk(name)
    client = desk.client()
    client.void(desk.create(client, desk.charge()).id)
    second = desk.create(client, desk.charge(attempt=2))
    assert (second.status, desk.times("issued"), desk.times("voided")) == (Status.OPEN, 2, 1)
    with suppress(IdempotencyMismatch):
        assert desk.create(client, desk.charge()).status is Status.VOID
    desk.forget()
    with pytest.raises(IdempotencyMismatch, match="stands on 2 invoices"):
        desk.create(desk.client(lookup="always"), desk.charge())
    assert desk.times("issued") == 2


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@each_provider
def test_what_was_lost_lately_is_not_absent_though_the_bill_is_old(name: str) -> None:
    """First tried an hour ago, tried again and lost a moment ago: too early to say, without a journal too."""
    desk = Desk(name, *_delayed())
    client = desk.client()
    with pytest.raises(OutcomeUnknown):
        desk.create(client, desk.charge())
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert client.resolve(desk.charge(), since=hour_ago).state == "too_early"
    desk.faults.land()
    assert client.resolve(desk.charge(), since=hour_ago).state == "found"


@each_provider
def test_a_since_later_than_the_journals_first_try_hides_nothing(name: str, tmp_path: Path) -> None:
    """The journal knows of a bill of last week: to ask for what was tried since today finds it all the same."""
    desk = Desk(name)
    desk.emulator.clock = Ticking(datetime.now(UTC) - timedelta(days=7))
    client = desk.client(journal=tmp_path / "bills.sqlite")
    made = desk.create(client, desk.charge())
    journal: Any = client._journal
    journal._file.execute("UPDATE tries SET began_at = ?, ended_at = began_at", (desk.emulator.clock().isoformat(),))
    told = client.resolve(desk.charge(), since=datetime.now(UTC))
    assert (told.state, told.invoice and told.invoice.id) == ("found", made.id)


@each_provider
@pytest.mark.parametrize(
    "since,state",
    [
        (datetime.min.replace(tzinfo=UTC), "absent"),
        (datetime.max.replace(tzinfo=UTC), "too_early"),
        (datetime.now(UTC) + timedelta(days=400), "too_early"),
    ],
    ids=["first day", "last day", "next year"],
)
def test_any_since_is_answered(name: str, since: datetime, state: str) -> None:
    """The ends of the calendar and a date in the future are no crash, and the future is never "absent"."""
    desk = Desk(name)
    assert desk.client().resolve(desk.charge(), since=since).state == state


# ── the same reference, another bill ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
def test_a_key_used_for_another_customer_names_the_invoice_that_stands(name: str) -> None:
    """Within the key window the mismatch says which invoice it is, though it is not among this customer's."""
    desk = Desk(name)
    made = desk.create(desk.client(), desk.charge())
    with pytest.raises(IdempotencyMismatch) as caught:
        desk.create(desk.client(), desk.charge(customer=CustomerRef(id=f"{desk.emulator.customer}_other")))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, desk.times("issued")) == (made.id, 1)


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe"])
def test_another_period_under_the_same_reference_is_another_bill(name: str) -> None:
    """May's invoice is not handed out for June's bill of the same amount."""
    desk = Desk(name)
    made = desk.create(desk.client(), desk.charge())
    with pytest.raises(IdempotencyMismatch) as caught:
        desk.create(desk.client(lookup="always"), desk.charge(period=JUNE))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, desk.times("issued")) == (made.id, 1)
