"""Attempts to bill a customer twice, or to be told what is not so, in ways that the fault matrix does not try.

Judged by the emulators' ledgers, never by what the client says of itself.
"""

import threading
import time
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
    ConfigurationError,
    CustomerRef,
    IdempotencyMismatch,
    Invoice,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Period,
    PeriodInvoice,
    RateLimited,
    Status,
    Unreachable,
    providers,
)
from invoice_bridge.adapter.declared import Rate
from invoice_bridge.adapter.emulation.core import Emulator, IncomingRequest
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Kind
from invoice_bridge.engine.pace import RateLimiter
from invoice_bridge.explain import make_context
from invoice_bridge.testing import no_waiting
from invoice_bridge.testing.fault_matrix import bills

MAY, JUNE = Period.month(2026, 5), Period.month(2026, 6)
NAMES = ("chargeapi", "chargebee", "stripe", "whop")
each_provider = pytest.mark.parametrize("name", NAMES)


class Desk:
    """An emulator, its clients, and what goes wrong between them."""

    def __init__(self, name: str, *faults: Fault, switches: dict[str, bool] | None = None) -> None:
        self.name, self.declared = name, providers.get(name)
        self.emulator: Emulator = self.declared.emulator(clock=FakeClock(datetime.now(UTC)), switches=switches)
        self.emulator.accrue()
        self.faults = Faults(self.emulator, faults)
        settings = self.emulator.settings
        self.root = make_context(self.declared, settings, "http://127.0.0.1:1" if name == "stripe" else None).base_url
        self.transport: httpx.BaseTransport = EmulatorTransport(self.faults, self.root)

    def client(self, **said: Any) -> Client:
        """A client that does not wait between its tries."""
        http = httpx.Client(transport=self.transport)
        # as by default, and where the provider refuses that, as its message proposes
        dear = self.declared.lookup is not None
        lookup = ("journal" if said.get("journal") else "always") if dear else "auto"
        settings = {"lookup": lookup, **self.emulator.settings, **self.emulator.reference_settings, **said}
        with no_waiting():
            return Client(self.name, api_key=self.emulator.key, base_url=self.root, http=http, **settings)

    def charge(self, **said: Any) -> OneTimeCharge:
        """A charge that this provider carries."""
        collection = Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC)) if self.name == "whop" else None
        least: dict[str, Any] = {"reference": "res-1", "customer": self.emulator.customer, "period": MAY}
        least |= {"amount": Money(2500, "EUR")} | ({} if collection is None else {"collection": collection})
        return OneTimeCharge(**(least | said))

    def create(self, client: Client, command: OneTimeCharge | PeriodInvoice) -> Invoice:
        """Bill, with what would be lost accepted."""
        found = client.losses(command)
        return client.create(command, allow=[loss.code for loss in found if loss.severity is not Severity.INFO])

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
    journal: Any = client._memory.journal
    intend = journal.intend

    def once(*about: Any, **more: Any) -> int:
        number: int = intend(*about, **more)
        journal._store.file.execute("PRAGMA query_only = 1")
        return number

    journal.intend = once
    with pytest.raises(OutcomeUnknown, match="cannot be written") as caught:
        desk.create(client, desk.charge())
    assert (caught.value.outcome, caught.value.steps[-1].state) == ("unknown", "unknown")
    assert len(desk.emulator.invoices) == 1


# ── what the journal knows by its id ─────────────────────────────────────────────────────────────────────────────────
@each_provider
def test_what_the_journal_knows_is_read_by_its_id(name: str, tmp_path: Path) -> None:
    """Keys forgotten, the provider's clock 400 days behind: no listing shows the invoice, the journal has its id."""
    desk = Desk(name)
    client = desk.client(journal=tmp_path / "bills.sqlite")
    desk.emulator.clock.now -= timedelta(days=400)  # type: ignore[attr-defined]  # a Ticking
    first = desk.create(client, desk.charge())
    desk.forget()
    assert desk.create(desk.client(journal=tmp_path / "bills.sqlite"), desk.charge()).id == first.id
    assert (desk.times("issued"), len(desk.emulator.invoices)) == (1, 1)
    assert client.resolve(desk.charge()).state == "found"


@pytest.mark.parametrize("name", ["chargebee", "stripe"])
def test_another_customers_bill_under_the_same_reference_is_a_mismatch(name: str, tmp_path: Path) -> None:
    """Past the key window too: the journal knows the invoice, though the look lists the other customer's."""
    desk = Desk(name)
    client = desk.client(journal=tmp_path / "bills.sqlite")
    first = desk.create(client, desk.charge())
    desk.emulator.add_customer("cus_43")  # type: ignore[attr-defined]  # these two have it
    desk.forget()
    with pytest.raises(IdempotencyMismatch, match="the journal has the reference 'res-1' with other content") as caught:
        desk.create(client, desk.charge(customer="cus_43"))
    assert (caught.value.invoice_id, desk.times("issued")) == (first.id, 1)


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
    with pytest.raises(OutcomeUnknown, match="another attempt at 'res-1' was lost less than 5 minutes ago") as told:
        desk.create(desk.client(**kept) if kept else client, desk.charge(attempt=2))
    assert (told.value.outcome, told.value.reference) == ("unknown", "res-1")
    desk.faults.land()
    assert desk.create(client, desk.charge()).reference == "res-1"
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
    """What was made and withdrawn is billed again at once; attempt 1 made again then finds what attempt 2 made."""
    desk = Desk(name)
    client = desk.client()
    client.void(desk.create(client, desk.charge()).id)
    second = desk.create(client, desk.charge(attempt=2))
    assert (second.status, desk.times("issued"), desk.times("voided")) == (Status.OPEN, 2, 1)
    desk.forget()
    assert desk.create(desk.client(lookup="always"), desk.charge()).id == second.id
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
    desk.emulator.clock = FakeClock(datetime.now(UTC) - timedelta(days=7))
    client = desk.client(journal=tmp_path / "bills.sqlite")
    made = desk.create(client, desk.charge())
    journal: Any = client._memory.journal
    began = desk.emulator.clock().isoformat()
    journal._store.file.execute("UPDATE tries SET began_at = ?, ended_at = began_at", (began,))
    told = client.resolve(desk.charge(), since=datetime.now(UTC))
    assert (told.state, told.invoice and told.invoice.id) == ("found", made.id)


@each_provider
def test_the_first_day_of_the_calendar_is_answered(name: str) -> None:
    """The end of the calendar is no crash."""
    desk = Desk(name)
    assert desk.client().resolve(desk.charge(), since=datetime.min.replace(tzinfo=UTC)).state == "absent"


@each_provider
@pytest.mark.parametrize("later", [timedelta(days=400), None], ids=["next year", "last day"])
def test_a_since_in_the_future_is_refused(name: str, later: timedelta | None) -> None:
    """A lookup from there on would find nothing: the future is never "absent"."""
    since = datetime.max.replace(tzinfo=UTC) if later is None else datetime.now(UTC) + later
    desk = Desk(name)
    with pytest.raises(ConfigurationError, match="is in the future"):
        desk.client().resolve(desk.charge(), since=since)


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


# ── at the same instant ──────────────────────────────────────────────────────────────────────────────────────────────
class Overlapping(httpx.BaseTransport):
    """A provider that works on many requests at once: a key is in use from its first request's arrival to its end."""

    def __init__(self, desk: Desk) -> None:
        self.emulator, self.root, self.met = desk.emulator, desk.root, 0
        self._turn, self._gate, self._mine = threading.Condition(), threading.Barrier(4), threading.local()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, after a while."""
        plain = Request(request.method, str(request.url), dict(request.headers), request.read())
        call = IncomingRequest.of(plain, self.root)
        key = self.emulator.key_of(call)
        if key is not None and not hasattr(self._mine, "came"):
            self._mine.came = True
            with suppress(threading.BrokenBarrierError):
                self._gate.wait(2.0)  # the first write of each client arrives when those of all do
        with self._turn:
            while key in self.emulator.running and self.emulator.switches.get("in_progress_waits"):
                self.met += 1
                self._turn.wait()
            if key in self.emulator.running:
                self.met += 1
                return _plain(self.emulator.in_progress(call))
            if key is not None:
                self.emulator.running.add(key)
        time.sleep(0.004)
        with self._turn:
            self.emulator.running.discard(key or "")
            answer = self.emulator(plain, self.root)
            self._turn.notify_all()
        return _plain(answer)


def _plain(answer: Response) -> httpx.Response:
    return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.content)


def _all_shapes() -> list[Any]:
    return [(name, title) for name in NAMES for title in bills(name)]


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "409"])
@pytest.mark.parametrize("keeps", [False, True], ids=["no journal", "journal"])
@pytest.mark.parametrize("name,title", _all_shapes())
def test_the_same_bill_at_the_same_instant_is_one(
    name: str, title: str, keeps: bool, waits: bool, tmp_path: Path
) -> None:
    """Four clients at once: one bill, and whoever was given an invoice was given that one."""
    emulator: Any = providers.get(name).emulator
    switches = {"in_progress_waits": waits} if "in_progress_waits" in emulator.SWITCHES else {}
    desk = Desk(name, switches=switches)
    desk.transport = overlapping = Overlapping(desk)
    command, told = bills(name)[title], list[Invoice | BridgeError]()

    def bill(client: Client) -> None:
        try:
            told.append(desk.create(client, command))
        except BridgeError as error:
            told.append(error)

    kept = {"journal": tmp_path / "bills.sqlite"} if keeps else {}
    threads = [threading.Thread(target=bill, args=(desk.client(**kept),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = {one.id for one in told if isinstance(one, Invoice)}
    assert (len(told), len(given), len(desk.emulator.invoices)) == (4, 1, 1)
    assert given <= desk.emulator.invoices.keys()
    assert desk.times("issued") == (0 if command.draft else 1)
    assert desk.times("collected") <= 1
    assert overlapping.met > 0


# ── stopped in the middle ────────────────────────────────────────────────────────────────────────────────────────────
class Stopping(httpx.BaseTransport):
    """A network during one of whose requests Ctrl-C is pressed, before or after the provider got it."""

    def __init__(self, behind: httpx.BaseTransport, at: int, *, after: bool) -> None:
        self.behind, self.left, self.after = behind, at, after

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or be stopped."""
        self.left -= 1
        if self.left == -1:
            if self.after:
                self.behind.handle_request(request)
            raise KeyboardInterrupt
        return self.behind.handle_request(request)


@pytest.mark.parametrize("later", [False, True], ids=["at once", "days later"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name,title", _all_shapes())
def test_a_bill_stopped_at_any_request_and_made_again_is_one(
    name: str, title: str, after: bool, later: bool, tmp_path: Path
) -> None:
    """Stopped at each of its requests in turn, then made again, keys known or not: one bill. The journal knows."""
    command, at = bills(name)[title], 0
    while True:
        desk = Desk(name)
        desk.transport = Stopping(desk.transport, at, after=after)
        client = desk.client(journal=tmp_path / f"{at}.sqlite")
        try:
            desk.create(client, command)
        except KeyboardInterrupt:
            at += 1
        else:
            break
        if later:
            desk.forget()
        with suppress(BridgeError):
            assert desk.create(client, command).id in desk.emulator.invoices
        assert len(desk.emulator.invoices) == 1
        assert desk.times("issued") == (0 if command.draft else 1)
        assert desk.times("collected") <= 1
    assert at >= 1


# ── references ───────────────────────────────────────────────────────────────────────────────────────────────────────
REFERENCES = (
    "res-1", "res-10", "s-1", "RES-1", "res-1 ", " res-1", 'a"b\\c', 'a\\"b', "{open.id}", "a&b=c[d]", "a%2Fb", "<a>",
    "é", "e\u0301", "日本", "🙂", "x" * 100, "x" * 99, "in_00000001", "1",
)  # fmt: skip


@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
def test_references_that_resemble_each_other_are_bills_of_their_own(name: str) -> None:
    """Each is billed once, and found again by itself alone when no key is known any more."""
    desk = Desk(name)
    longest = {"product_id": "prod_42"} if name == "whop" else {}  # a product's title is shorter than a reference
    client = desk.client(lookup="always", **longest)
    made = {reference: desk.create(client, desk.charge(reference=reference)).id for reference in REFERENCES}
    assert len(set(made.values())) == desk.times("issued") == len(REFERENCES)
    desk.forget()
    assert {word: desk.create(client, desk.charge(reference=word)).id for word in REFERENCES} == made
    assert desk.times("issued") == len(REFERENCES)


# ── how many invoices a customer has ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
@pytest.mark.parametrize("others", [0, 99, 100, 250])
def test_the_oldest_of_many_invoices_is_found(name: str, others: int) -> None:
    """On whichever page it stands, the look finds it: one bill."""
    desk = Desk(name)
    first = desk.create(desk.client(), desk.charge())
    for number in range(others):
        desk.create(desk.client(lookup="never"), desk.charge(reference=f"other-{number}"))
    desk.forget()
    assert desk.create(desk.client(lookup="always"), desk.charge()).id == first.id
    assert desk.times("issued") == others + 1


def test_more_invoices_than_a_look_reads_bill_nothing() -> None:
    """Whop's references stand on plans, of which a look reads 300: beyond that it says so, and bills nothing."""
    desk = Desk("whop")
    desk.create(desk.client(), desk.charge())
    for number in range(300):
        desk.create(desk.client(lookup="never"), desk.charge(reference=f"other-{number}"))
    desk.forget()
    with pytest.raises(BridgeError, match="more invoices than the 300 that were checked"):
        desk.create(desk.client(lookup="always"), desk.charge())
    assert desk.times("issued") == 301


# ── money last ───────────────────────────────────────────────────────────────────────────────────────────────────────
class Bending(httpx.BaseTransport):
    """A provider that holds 26.00 where 25.00 was asked."""

    def __init__(self, behind: httpx.BaseTransport) -> None:
        self.behind = behind

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with another amount."""
        answer = self.behind.handle_request(request)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, headers=headers, content=answer.read().replace(b"2500", b"2600"))


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe"])
def test_a_difference_that_is_reported_collects_nothing(name: str) -> None:
    """on_discrepancy="report" returns the invoice as it stands, unpaid, and made again it collects nothing either."""
    desk = Desk(name)
    desk.transport = Bending(desk.transport)
    client = desk.client()
    command = desk.charge(collection=Collection.charge(desk.emulator.payment_method))
    allow = [loss.code for loss in client.losses(command) if loss.severity is not Severity.INFO]
    told = client.create(command, allow=allow, on_discrepancy="report")
    assert (told.status, len(told.discrepancies)) == (Status.DRAFT, 1)
    with suppress(IdempotencyMismatch):
        client.create(command, allow=allow, on_discrepancy="report")
    assert (desk.times("issued"), desk.times("collected")) == (0, 0)


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@each_provider
@pytest.mark.parametrize("asked", [30, 600])
def test_a_retry_after_beyond_the_deadline_is_told_at_once(name: str, asked: int) -> None:
    """Refused with a wait that the deadline does not allow: one request, no waiting, nothing done."""
    desk = Desk(name, Fault(Kind.THROTTLED_FOR, times=9, seconds=asked))
    began = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        desk.create(desk.client(deadline=1.0), desk.charge())
    assert (caught.value.retry_after, caught.value.outcome, desk.emulator.requests) == (asked, "nothing_done", 0)
    assert time.monotonic() - began < 0.9


def test_who_cannot_wait_does_not_push_others_out() -> None:
    """A hundred calls whose deadline leaves no time for their place in the queue: the next one waits for one window."""
    desk, now = Desk("stripe"), [1000.0]
    pace = RateLimiter(Rate(3, 60, "test"), lambda: now[0])
    client = desk.client(deadline=5.0)
    client._policy = replace(client._policy, pace=pace, retries=0)
    desk.create(client, desk.charge())
    for _ in range(100):
        with pytest.raises(Unreachable):
            desk.create(client, desk.charge(reference="res-2"))
    now[0] += 1
    assert pace.reserve() == pytest.approx(59.0)


# ── what this client lost itself ─────────────────────────────────────────────────────────────────────────────────────
@each_provider
def test_a_client_looks_for_what_it_lost_itself(name: str) -> None:
    """Lost for good, keys forgotten, no journal: the same client, asked again, looks before it bills."""
    desk = Desk(name, Fault(Kind.RESET_AFTER, method="POST"), Fault(Kind.RESET_BEFORE, method="POST", times=2))
    client = desk.client()
    with pytest.raises(OutcomeUnknown):
        desk.create(client, desk.charge())
    desk.forget()
    assert desk.create(client, desk.charge()).reference == "res-1"
    assert (desk.times("issued"), len(desk.emulator.invoices)) == (1, 1)
