"""The conformance suite: an adapter that is registered inherits one class and is held to every promise of this library.

    from invoice_bridge.testing import Conformance

    class TestAcme(Conformance):
        provider = "acme"

Everything is read from the provider's declaration and run against its emulator; nothing is left out but what the
provider declares it cannot do: such a check is skipped with the provider's reason. A check that should have had
something to check and found nothing fails. A subclass may add `bills` and `vectors`: literal bytes that a bill must
become.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, ClassVar

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.lookup import is_findable
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import AsyncClient, Client
from invoice_bridge.client.options import no_waiting
from invoice_bridge.core.commands import LEAVES, Bill, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    IdempotencyMismatch,
    InvalidSignature,
    InvalidState,
    LossyTranslation,
    MalformedResponse,
    NotFound,
    OutcomeUnknown,
    Unauthorized,
    Unsupported,
)
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Fate, Severity
from invoice_bridge.core.model import AMOUNTS, Collection, CustomerRef, Invoice, Line, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.steps import Step
from invoice_bridge.core.wire import Effect, Request
from invoice_bridge.emulator import Emulator, EmulatorTransport, FakeClock
from invoice_bridge.explain import Plan, body_leaves, make_context, origin, plan
from invoice_bridge.matrix import VERBS, cell
from invoice_bridge.testing.metamorphic import contradiction, leaves_with_variants, variants
from invoice_bridge.webhooks.deliveries import parse

_MAY = Period.month(2026, 5)
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_EFFECTS = {
    "issued": Effect.ISSUES,
    "mailed": Effect.MAILS,
    "collected": Effect.COLLECTS,
    "recorded": Effect.COLLECTS,
    "voided": Effect.VOIDS,
    "written_off": Effect.VOIDS,
}
"""What the ledger of an emulator shows → the effect that a request declares."""
_PLACEHOLDER = re.compile(r"(\{[A-Za-z_.]+\})|(%7B[A-Za-z_.]+%7D)")


def _lookup(declared: Provider) -> Lookup:
    """Bills are looked up where a check is about that: an adapter is shown by what it sends for the bill itself.

    Without keys nothing else keeps a bill from being made twice.
    """
    return "never" if declared.idempotency.methods else "auto"


WRITING = ("finalize", "pay", "mark_paid", "void", "mark_uncollectible", "update", "delete", "send_invoice")
"""The verbs that change an invoice."""


@dataclass(frozen=True)
class _Done:
    """What doing a verb came to: the requests, the ledger's new events, how many writes took effect."""

    sent: tuple[Request, ...]
    events: tuple[str, ...]
    writes: int
    unknown: OutcomeUnknown | None


class Conformance:
    """Inherit it, name the provider, and pytest runs every check; see the module's docstring."""

    provider: ClassVar[str]
    bills: ClassVar[tuple[OneTimeCharge | PeriodInvoice, ...]] = ()
    """More bills to hold the adapter to, beside those made here."""
    vectors: ClassVar[Mapping[str, tuple[OneTimeCharge | PeriodInvoice, tuple[bytes, ...]]]] = {}
    """name → (a bill, the content of each request that it must become)"""
    losses_elsewhere: ClassVar[frozenset[str]] = frozenset()
    """Codes of losses that only other settings than the emulator's mean: a test of yours meets each."""

    # ── what the checks work with ────────────────────────────────────────────────────────────────────────────────
    @pytest.fixture
    def declared(self) -> Provider:
        """The provider's declaration, by its registered name."""
        return providers.get(self.provider)

    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """An emulator has no limit on requests and is there again at once: nothing is waited for."""
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        with no_waiting():
            yield

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The present of that provider; a check may move it on."""
        return FakeClock()

    @pytest.fixture
    def emulator(self, declared: Provider, clock: FakeClock) -> Emulator:
        """A fresh in-memory provider."""
        made: Emulator = declared.emulator(clock=clock)
        return made

    @pytest.fixture
    def context(self, declared: Provider, emulator: Emulator) -> Context:
        """The context in which commands are explained."""
        return replace(make_context(declared, emulator.settings), lookup=_lookup(declared))

    @pytest.fixture
    def transport(self, emulator: Emulator, context: Context) -> EmulatorTransport:
        """The wire between the client and the emulator; `sent` lists what went through."""
        return EmulatorTransport(emulator, context.base_url)

    @pytest.fixture
    def client(self, transport: EmulatorTransport, emulator: Emulator, context: Context) -> Iterator[Client]:
        """A client of the emulator."""
        with httpx.Client(transport=transport) as http:
            yield Client(
                self.provider, api_key=emulator.key, http=http, lookup=_lookup(context.provider), **emulator.settings
            )

    @contextmanager
    def meeting(
        self, emulator: Emulator, context: Context, *faults: Fault, lookup: Lookup | None = None
    ) -> Iterator[tuple[Client, EmulatorTransport]]:
        """Another client of an emulator, whose requests meet these faults, and what it sends."""
        transport = EmulatorTransport(Faults(emulator, faults), context.base_url)
        with httpx.Client(transport=transport) as http:
            yield (
                Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup or _lookup(context.provider),
                    **emulator.settings,
                ),
                transport,
            )

    def commands(self, emulator: Emulator) -> list[OneTimeCharge | PeriodInvoice]:
        """Bills of many kinds; what the provider cannot do among them is refused, and left out by `possible`."""
        who, price = emulator.customer, Money(2500, "EUR")
        rows = (
            Line(description="Energy", amount=Money(1300, "EUR")),
            Line(description="Parking", quantity=2, unit_amount=Money(600, "EUR")),
        )
        issued = _MAY.end
        collections = [
            Collection.manual(),
            Collection.send(net_days=14),
            Collection.send(due=Period.month(2027, 1).start),
            Collection.charge(),
            Collection.charge(emulator.payment_method),
        ]
        said: dict[str, Any] = {"customer": who, "description": "May", "metadata": {"site": "7"}}
        found: list[OneTimeCharge | PeriodInvoice] = []
        for number, collection in enumerate(collections):
            for draft in (False, True):
                tail = f"{number}{'-draft' if draft else ''}"
                how: dict[str, Any] = {**said, "collection": collection, "draft": draft, "issued_at": issued}
                found += [
                    OneTimeCharge(reference=f"amount-{tail}", amount=price, **how),
                    OneTimeCharge(reference=f"window-{tail}", amount=price, period=_MAY, **how),
                    OneTimeCharge(reference=f"lines-{tail}", lines=rows, period=_MAY, **how),
                    PeriodInvoice(reference=f"rated-{tail}", lines=rows, period=_MAY, currency="EUR", **how),
                    PeriodInvoice(
                        reference=f"accrued-{tail}",
                        period=_MAY,
                        currency="EUR",
                        subscription=emulator.subscription,
                        **how,
                    ),
                ]
        return [*found, *self.bills]

    def possible(self, context: Context, emulator: Emulator) -> list[tuple[OneTimeCharge | PeriodInvoice, Plan]]:
        """The bills that this provider can do, with their plans; there must be some of them."""
        planned = [(bill, plan(bill, context)) for bill in self.commands(emulator)]
        found = [(bill, made) for bill, made in planned if made.refusal is None]
        assert found, f"{self.provider} refuses every bill: {planned[0][1].refusal}"
        return found

    def bill(
        self, context: Context, emulator: Emulator, *, draft: bool = False
    ) -> tuple[OneTimeCharge | PeriodInvoice, Plan]:
        """One bill that is issued and left open where the provider allows that, or a draft."""
        found = [(bill, made) for bill, made in self.possible(context, emulator) if bill.draft is draft]
        calm = [(bill, made) for bill, made in found if bill.collection.kind != "charge"]
        return (calm or found)[0]

    def create(self, client: Client, bill: OneTimeCharge | PeriodInvoice, made: Plan) -> Invoice:
        """Create a bill, accepting by name whatever it loses."""
        return client.create(bill, allow=[loss.code for loss in made.losses])

    # ── the declaration ──────────────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_is_built_or_refused_with_a_source(
        self, declared: Provider, verb: str, request: pytest.FixtureRequest
    ) -> None:
        """No verb is left open: it is a flow with a documented source, or cannot(…) with a reason and a source."""
        found = cell(declared, verb)
        assert found.state != "not built"
        assert found.source
        if found.state == "built":
            self.proves(request, verb, "documented")
        else:
            assert found.reason

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_built_verb_works(
        self, declared: Provider, context: Context, verb: str, request: pytest.FixtureRequest
    ) -> None:
        """Against the emulator, each verb that is built does what it says to an invoice of the right state."""
        self.needs(declared, verb)
        for bill, made in self.possible(context, declared.emulator()):
            emulator: Emulator = declared.emulator()
            with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=_lookup(context.provider),
                    **emulator.settings,
                )
                try:
                    created = self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator holds nothing for this bill to bill
                if self.did(client, verb, bill, created, emulator):
                    self.proves(request, verb, "emulator")
                    return
        pytest.fail(f"no bill of this suite brings an invoice to which {verb} can be done")

    def did(self, client: Client, verb: str, bill: Bill, created: Invoice, emulator: Emulator) -> bool:
        """Do a verb to a fresh invoice where its state allows that, and see what it did."""
        drafts, opens = created.status is Status.DRAFT, created.status is Status.OPEN
        if verb in {"one_time_charge", "period_invoice"}:
            return bill.verb == verb and bool(created.id)
        if verb == "retrieve":
            return client.retrieve(created.id).id == created.id
        if verb == "list":
            return created.id in {invoice.id for invoice in client.list()}
        if verb == "update":
            return drafts and client.update(created.id, description="Changed").id == created.id
        if verb == "delete":
            return drafts and client.delete(created.id).status is Status.DELETED
        if verb == "finalize":
            return drafts and client.finalize(created.id).status in {Status.OPEN, Status.PAID}
        if verb == "pay":
            return opens and client.pay(created.id, payment_method=emulator.payment_method).status is Status.PAID
        if verb == "send_invoice":
            return opens and bill.collection.kind == "send" and client.send_invoice(created.id).status is Status.OPEN
        becomes = {"mark_paid": Status.PAID, "void": Status.VOID, "mark_uncollectible": Status.UNCOLLECTIBLE}[verb]
        done: Invoice | None = getattr(client, verb)(created.id) if opens else None
        return done is not None and done.status is becomes

    def attempt(self, client: Client, verb: str, emulator: Emulator) -> None:
        """Ask for a verb, whatever comes of it."""
        if verb in {"one_time_charge", "period_invoice"}:
            client.create(next(bill for bill in self.commands(emulator) if bill.verb == verb))
        elif verb == "list":
            next(iter(client.list()))
        else:
            getattr(client, verb)("id_1", **({"description": "x"} if verb == "update" else {}))

    def needs(self, declared: Provider, *verbs: str) -> None:
        """Skip a check of verbs that the provider cannot do, with its own reason."""
        for verb in verbs:
            flow = getattr(declared.flows, verb)
            if isinstance(flow, Cannot):
                pytest.skip(f"{declared.title} cannot {verb}: {flow.reason} ({flow.source})")

    def proves(self, request: pytest.FixtureRequest, verb: str, kind: str) -> None:
        """Declare what a test proves of a verb, for the capability matrix; it counts where the test passes."""
        request.node.user_properties.append(("proves", f"{self.provider}:{verb}:{kind}"))

    def test_every_row_has_a_source(self, declared: Provider) -> None:
        """Each row of each table says where the provider documents it."""
        tables: tuple[Iterable[Any], ...] = (declared.statuses, declared.fields, declared.errors, declared.limits)
        rows = [row for table in tables for row in table]
        rows += [] if declared.webhooks is None else [declared.webhooks, *declared.webhooks.events]
        assert len(rows) > 5
        assert [row for row in (*rows, declared.idempotency, declared.money) if not row.source.strip()] == []

    def test_statuses_are_told_apart(self, declared: Provider) -> None:
        """Each native word stands once, none reads as unknown, and a word that is not in the table does."""
        words = [row.native for row in declared.statuses]
        assert words, "the table of statuses is empty: every invoice would read as unknown (tables.py)"
        assert len(words) == len(set(words))
        assert Status.UNKNOWN not in {row.status for row in declared.statuses}
        assert [declared.status(word) for word in ("", None, "no such word", "PAID")] == [Status.UNKNOWN] * 4

    def test_a_delivery_of_anybody_is_refused(self, declared: Provider) -> None:
        """A webhook without a signature, or with an invented one, is never read; what is sent stands in no error."""
        at = datetime(2026, 5, 1, tzinfo=UTC)
        signature = f"t={int(at.timestamp())},v1={'0' * 64}"
        invented = dict.fromkeys(("authorization", "signature", f"{declared.name}-signature"), signature)
        for headers in ({}, invented):
            with pytest.raises((InvalidSignature, ConfigurationError)) as refused:
                parse(self.provider, headers, b'{"id":"evt_1"}', secret="user:test_not_a_secret", at=at)  # noqa: S106
            assert "test_not_a_secret" not in f"{refused.value!r}{refused.value}"
        if declared.webhooks is not None:
            names = [row.native for row in declared.webhooks.events]
            assert len(names) == len(set(names))

    def test_loss_codes_are_unique_and_speak(self, declared: Provider) -> None:
        """Each loss has one permanent code, and says why and what is sent instead."""
        losing = [row for row in declared.fields if row.code]
        if not losing:
            pytest.skip(f"no row of {declared.title} is a loss: it declares to carry every bill whole")
        codes = [row.code for row in losing]
        assert len(codes) == len(set(codes))
        assert [row.code for row in losing if not (row.why and row.sent)] == []
        wrong = [code for code in codes if not re.fullmatch(rf"IB-{declared.name.upper()}-[A-Z-]+-\d\d", code)]
        assert wrong == []

    # ── the tables ───────────────────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.verb)
    def test_every_leaf_has_a_row(self, declared: Provider, kind: type[Bill]) -> None:
        """Whatever a caller can say, a row says what becomes of it."""
        spoken_of = {row.path for row in declared.fields if kind.verb in row.verbs}
        missing = [leaf for leaf in LEAVES[kind] if leaf not in spoken_of]
        assert not missing, f"add a row to FIELDS in the tables.py of {declared.name} for {', '.join(missing)}"

    def test_every_row_can_be_tested(self, declared: Provider) -> None:
        """Each row speaks of a leaf that bills have and that this suite can change; "" is a constant of the body."""
        unknown = sorted({row.path for row in declared.fields if row.path} - set(leaves_with_variants()))
        assert not unknown, f"no bill has {', '.join(unknown)}, or testing/metamorphic.py lacks a variant for it"

    @pytest.mark.parametrize(
        "kind, leaf",
        [(kind, leaf) for kind, leaves in LEAVES.items() for leaf in leaves],
        ids=lambda v: getattr(v, "verb", v),
    )
    def test_a_row_tells_the_truth(self, context: Context, emulator: Emulator, kind: type[Bill], leaf: str) -> None:
        """Changing one leaf changes the body, the branch, or nothing, as its row says."""
        self.needs(context.provider, kind.verb)
        bills = [bill for bill in self.commands(emulator) if isinstance(bill, kind)]
        possible = [bill for bill in bills if plan(bill, context).refusal is None]
        if not possible:
            pytest.skip(
                f"{context.provider.title} refuses every {kind.verb} of this suite: {plan(bills[0], context).refusal}"
            )
        pairs = [pair for bill in possible for pair in variants(bill, leaf)]
        assert pairs, f"no bill can be made that differs in {leaf} alone: see _VARIANTS in testing/metamorphic.py"
        wrong = [said for one, two in pairs if (said := contradiction(one, two, leaf, context)) is not None]
        assert not wrong, "\n".join(sorted(set(wrong)))
        refusals = [plan(two, context).refusal for _, two in pairs]
        if None not in refusals and all(plan(one, context).refusal is not None for one, _ in pairs):
            pytest.skip(f"{context.provider.title} refuses whatever {leaf} says: {refusals[0]}")

    def test_every_field_of_a_body_has_an_origin(self, context: Context, emulator: Emulator) -> None:
        """What is sent comes from a field of the command, or is a constant that a row explains."""
        shapes = {
            shape
            for _, made in self.possible(context, emulator)
            for request in made.requests
            for _, shape, _ in body_leaves(request.body or {})
        }
        assert shapes, "no request of any bill has a body"
        assert {shape for shape in shapes if origin(context.provider.fields, shape) is None} == set()

    def test_a_loss_stops_the_command_before_anything_is_sent(
        self, declared: Provider, client: Client, transport: EmulatorTransport, context: Context, emulator: Emulator
    ) -> None:
        """A loss of severity warns or changes_money raises LossyTranslation, unless it is allowed by name.

        Every row that means such a loss is met by some bill that the provider can do.
        """
        grave_rows = [row for row in declared.fields if row.severity is not Severity.INFO and row.clock is None]
        if not grave_rows:
            pytest.skip(f"no row of {declared.title} is a loss that stops a command")
        met: set[str] = set()
        for code, bill in self.losing(context, emulator):
            grave = [loss.code for loss in plan(bill, context).losses if loss.severity is not Severity.INFO]
            with pytest.raises(LossyTranslation) as refused:
                client.create(bill)
            assert [loss.code for loss in refused.value.losses] == grave
            assert refused.value.outcome == "nothing_done"
            met.add(code)
        assert transport.sent == []
        assert [row.code for row in grave_rows if row.code not in met | self.losses_elsewhere] == []
        assert sorted(self.losses_elsewhere & met) == [], "these are met here: take them out of losses_elsewhere"

    def losing(self, context: Context, emulator: Emulator) -> Iterator[tuple[str, Any]]:
        """For each grave loss that some bill means, or a bill with one leaf changed, its code and that bill."""
        bills = [bill for bill, _ in self.possible(context, emulator)]
        for row in context.provider.fields:
            if row.code and row.severity is not Severity.INFO and row.clock is None:
                # most often it is the row's own leaf that has to be set, sometimes another
                leaves = (row.path, *chain.from_iterable(LEAVES.values()))
                changed = (pair[1] for leaf in leaves for bill in bills for pair in variants(bill, leaf))
                losing = (bill for bill in chain(bills, changed) if row.loss(bill, context) is not None)
                if (found := next((bill for bill in losing if plan(bill, context).refusal is None), None)) is not None:
                    yield row.code, found

    def test_a_text_that_is_too_long_is_refused(self, declared: Provider, context: Context, emulator: Emulator) -> None:
        """A limit is checked before anything is sent: nothing is cut off, nothing is left behind."""
        bill, _ = self.bill(context, emulator)
        limits = [limit for limit in declared.limits if limit.path in {"description", "purchase_order"}]
        if not limits:
            pytest.skip(f"{declared.title} declares no limit on a description or a purchase order")
        if isinstance(bill, OneTimeCharge) and bill.amount is not None:  # whose description may be that of its one line
            bill = bill.model_copy(update={"amount": None, "lines": (Line(amount=bill.amount),)})
        for limit in limits:
            for length, refused in ((limit.maximum, False), (limit.maximum + 1, True)):
                found = plan(bill.model_copy(update={limit.path: "x" * length}), context)
                told = isinstance(found.refusal, Unsupported) and limit.path in str(found.refusal)
                assert told is refused

    # ── explain ──────────────────────────────────────────────────────────────────────────────────────────────────
    def test_what_is_explained_is_what_is_sent(self, declared: Provider, context: Context) -> None:
        """The same requests in the same order: method, URL, headers, content; placeholders and credentials excepted."""
        fresh: Emulator = declared.emulator()
        compared = 0
        for bill, made in self.possible(context, fresh):
            emulator: Emulator = declared.emulator()
            transport = EmulatorTransport(emulator, context.base_url)
            with httpx.Client(transport=transport) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=_lookup(context.provider),
                    **emulator.settings,
                )
                try:
                    self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator holds nothing for this bill to bill
            compared += 1
            assert [_shown(request) for request in made.requests] == _as_shown(transport.sent, made.requests)
        assert compared

    def test_a_plan_holds_no_credential(self, context: Context, emulator: Emulator) -> None:
        """Credentials are added by the runner: no request of any plan has one."""
        seen = 0
        for _, made in self.possible(context, emulator):
            for request in made.requests:
                seen += 1
                assert "authorization" not in {name.lower() for name in request.headers}
                assert emulator.key not in repr(request)
        assert seen, "no plan of any bill has a request"

    def test_vectors(self, context: Context) -> None:
        """Each literal vector of the subclass is what its bill becomes, byte for byte."""
        if not self.vectors:
            pytest.skip(f"{type(self).__name__} states no vectors: literal requests from the provider's documentation")
        for name, (bill, contents) in self.vectors.items():
            assert (name, tuple(request.content for request in plan(bill, context).requests)) == (name, contents)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def test_every_post_has_its_own_key(self, declared: Provider, context: Context, emulator: Emulator) -> None:
        """Each write of a bill carries a key of its own, which another reference or attempt changes.

        Only where the provider takes keys for its method; elsewhere no header is sent that would promise something.
        """
        keys_of = declared.idempotency
        if not keys_of.methods:
            pytest.skip(f"{declared.title} has no idempotency keys ({keys_of.source})")
        for bill, made in self.possible(context, emulator):
            keys = [request.key for request in made.requests if request.method in keys_of.methods]
            assert keys
            assert None not in keys
            assert len(keys) == len(set(keys))
            for change in ({"reference": "another"}, {"attempt": 2}):
                others = [request.key for request in plan(bill.model_copy(update=change), context).requests]
                assert not set(keys) & set(others) - {None}
            for request in made.requests:
                assert request.headers.get(keys_of.header) == request.key
                assert request.key is None or request.method in keys_of.methods

    def test_the_same_reference_is_billed_once(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Creating the same bill twice gives one invoice, and the ledger shows one demand for money."""
        bill, made = self.bill(context, emulator)
        first = self.create(client, bill, made)
        second = self.create(client, bill, made)
        assert first.id == second.id
        issued = [entry for entry in emulator.ledger if entry.event == "issued"]
        assert len(issued) == 1

    # ── exactly once ─────────────────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("past", [False, True], ids=["while its key is known", "past that"])
    def test_a_reference_stands_for_one_bill(
        self, *, past: bool, declared: Provider, client: Client, context: Context, emulator: Emulator, clock: FakeClock
    ) -> None:
        """The same reference with other content raises IdempotencyMismatch, with the bill that stands; nothing is done.

        Within the window of its key; and past it, where the look can find it.
        """
        bill, made = self.bill(context, emulator)
        if past and not is_findable(bill, context):
            pytest.skip(f"{declared.title} does not carry the reference of this bill in a listing")
        created, other = self.create(client, bill, made), _other(bill)
        held = list(emulator.ledger)
        clock.now += declared.idempotency.window if past else timedelta(0)
        lookup: Lookup = "always" if past else _lookup(declared)
        with (
            self.meeting(emulator, context, lookup=lookup) as (again, _),
            pytest.raises(IdempotencyMismatch) as refused,
        ):
            self.create(again, other, plan(other, context))
        if past or declared.idempotency.replay_header is not None:  # elsewhere a repeated answer looks like a new one
            assert refused.value.outcome == "nothing_done"
        assert emulator.ledger == held
        if is_findable(bill, context):
            assert refused.value.existing is not None
            assert refused.value.existing.id == created.id

    def test_a_bill_that_is_found_is_not_made_again(self, declared: Provider, context: Context) -> None:
        """Past the window of its key a bill is found by its reference: nothing is made, issued or collected again."""
        compared = 0
        for bill, made in self.possible(context, declared.emulator()):
            if not is_findable(bill, context):
                continue
            clock = FakeClock()
            emulator: Emulator = declared.emulator(clock=clock)
            with self.meeting(emulator, context, lookup="always") as (client, _):
                try:
                    created = self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator holds nothing for this bill to bill
                held = _moved(emulator), {invoice.id for invoice in client.list()}
                clock.now += declared.idempotency.window
                again = self.create(client, bill, made)
                assert (_moved(emulator), {invoice.id for invoice in client.list()}) == held, bill.reference
            compared += 1
            assert (again.id, again.status) == (created.id, created.status), bill.reference
        if not compared:
            pytest.skip(f"{declared.title} does not carry the reference of these bills in a listing")

    def test_a_lost_answer_is_asked_for_again(self, declared: Provider, context: Context) -> None:
        """Whichever write loses its answer, the same bytes go out again with the same key; the bill is made once.

        A write that has no key, and whose method is not declared repeatable, is sent once: the bill is found by its
        reference then, or it is unknown what became of it. Either way there is one demand for money at most.
        """
        possible = self.possible(context, declared.emulator())
        charged = [pair for pair in possible if pair[0].collection.kind == "charge" and not pair[0].draft]
        for bill, made in (self.bill(context, declared.emulator()), *charged[:1]):
            with self.meeting(declared.emulator(), context) as (client, transport):
                whole = self.create(client, bill, made)
            writes = [request for request in transport.sent if request.writes]
            assert writes
            for place, write in enumerate(writes):
                emulator: Emulator = declared.emulator()
                before = sum(request.method == write.method for request in writes[:place])
                lost = Fault(Kind.RESET_AFTER, method=write.method, skip=before)
                created: Invoice | None = None
                repeatable = self.is_repeatable(write, declared)
                with self.meeting(emulator, context, lost) as (client, transport):
                    try:
                        created = self.create(client, bill, made)
                    except OutcomeUnknown:
                        if repeatable:
                            raise
                sent = [_plain(request) for request in transport.sent if request.writes]
                issued = [entry.event for entry in emulator.ledger].count("issued")
                if repeatable:
                    assert sent == [_plain(request) for request in (*writes[: place + 1], *writes[place:])]
                else:
                    assert sent.count(_plain(write)) == 1
                if created is None:
                    assert issued <= 1
                    continue
                assert (created.id, created.status, created.total) == (whole.id, whole.status, whole.total)
                assert issued == 1

    def is_repeatable(self, request: Request, declared: Provider) -> bool:
        """Whether a write may be sent again: it has a key, or its method is declared to be repeatable without one."""
        header = declared.idempotency.header.lower()
        keyed = bool(header) and header in {name.lower() for name in request.headers}
        return keyed or request.method in declared.idempotency.repeatable

    @pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE], ids=["applied", "not applied"])
    @pytest.mark.parametrize("verb", WRITING)
    def test_a_lost_answer_of_a_verb_ends_in_the_truth(
        self, declared: Provider, context: Context, verb: str, kind: Kind
    ) -> None:
        """Whichever write of a verb is lost, POST, PUT, PATCH or DELETE: it is done, or OutcomeUnknown; never twice.

        A write without a key is sent once, unless its method is declared repeatable.
        """
        self.needs(declared, verb)
        whole = self.doing(declared, context, verb)
        if whole is None:
            pytest.fail(f"no bill of this suite brings an invoice to which {verb} can be done")
        writes = [request for request in whole.sent if request.writes]
        assert writes, f"{verb} sends no request that writes"
        for place, write in enumerate(writes):
            before = sum(request.method == write.method for request in writes[:place])
            again = self.doing(declared, context, verb, Fault(kind, method=write.method, skip=before))
            assert again is not None
            sent = [request for request in again.sent if _shown(request) == _shown(write)]
            if not self.is_repeatable(write, declared):
                assert len(sent) == 1, f"{write.method} has no key and was sent {len(sent)} times"
            if again.unknown is not None:
                assert again.unknown.outcome == "unknown"
            else:
                assert again.events == whole.events
            assert all(again.events.count(event) <= whole.events.count(event) for event in again.events)
            if write.method not in declared.idempotency.repeatable:
                assert again.writes <= whole.writes, f"{verb} was applied twice"

    def doing(self, declared: Provider, context: Context, verb: str, *faults: Fault) -> _Done | None:
        """Do a verb to the first invoice that allows it, meeting these faults; None where no invoice does."""
        for bill, made in self.possible(context, declared.emulator()):
            emulator: Emulator = declared.emulator()
            with self.meeting(emulator, context) as (client, _):
                try:
                    created = self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator holds nothing for this bill to bill
            held, writes, unknown = len(emulator.ledger), emulator.writes, None
            with self.meeting(emulator, context, *faults) as (client, transport):
                try:
                    if not self.did(client, verb, bill, created, emulator):
                        assert not any(request.writes for request in transport.sent), f"{verb} reports the wrong state"
                        continue
                except OutcomeUnknown as error:
                    unknown = error
            assert transport.faults is not None
            assert len(transport.faults.hits) == len(faults), "the fault was not met"
            events = tuple(entry.event for entry in emulator.ledger[held:])
            return _Done(tuple(transport.sent), events, emulator.writes - writes, unknown)
        return None

    @pytest.mark.parametrize("remembers", [True, False], ids=["its key is known", "its key is forgotten"])
    def test_a_void_whose_answer_was_lost_is_a_success(
        self,
        *,
        remembers: bool,
        declared: Provider,
        client: Client,
        context: Context,
        emulator: Emulator,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The second try is told what the first one was, or refused, for the invoice is void: neither is an error."""
        self.needs(declared, "void")
        if not declared.idempotency.methods:
            pytest.skip(
                f"{declared.title} has no idempotency keys: a void is sent once ({declared.idempotency.source})"
            )
        created = self.create(client, *self.bill(context, emulator))
        if not remembers:
            monkeypatch.setattr(emulator, "window", timedelta(0))
        with self.meeting(emulator, context, Fault(Kind.RESET_AFTER, method="POST")) as (again, transport):
            done = again.void(created.id)
        assert transport.faults is not None
        assert (done.id, done.status) == (created.id, Status.VOID)
        assert [hit.applied for hit in transport.faults.hits] == [True]
        assert [entry.event for entry in emulator.ledger].count("voided") == 1

    def test_resolve_says_what_became_of_a_bill(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Found where it stands; else absent, or too early to say just after it was tried. Nothing is written.

        Where the reference cannot be found, nothing is claimed: ambiguous.
        """
        bill, made = self.bill(context, emulator)
        if not is_findable(bill, context):
            assert client.resolve(bill, since=_LONG_AGO).state == "ambiguous"
            return
        assert client.resolve(bill, since=datetime.now(UTC)).state == "too_early"
        assert client.resolve(bill, since=_LONG_AGO).state == "absent"
        assert emulator.writes == 0
        created, writes = self.create(client, bill, made), emulator.writes
        found = client.resolve(bill, since=_LONG_AGO)
        assert found.state == "found"
        assert found.invoice is not None
        assert (found.invoice.id, found.invoice.status) == (created.id, created.status)
        assert emulator.writes == writes

    # ── the invoice ──────────────────────────────────────────────────────────────────────────────────────────────
    def test_an_invoice_is_read_back(self, client: Client, context: Context, emulator: Emulator) -> None:
        """What was created is retrieved and listed: the currency and sum that were asked, all lines, the reference."""
        bill, made = self.bill(context, emulator)
        created = self.create(client, bill, made)
        assert (created.provider, created.currency) == (self.provider, bill.currency)
        assert created.lines_complete
        read = client.retrieve(created.id)
        assert (read.id, read.status, read.total, read.lines) == (
            created.id,
            created.status,
            created.total,
            created.lines,
        )
        asked = bill.total
        assert asked is not None
        assert Money(sum(line.amount.minor for line in read.lines), bill.currency) == asked
        assert asked in {read.subtotal, read.total}
        assert read.reference == bill.reference
        assert created.id in {invoice.id for invoice in client.list()}
        assert Invoice.model_validate_json(read.model_dump_json()) == read

    def test_all_lines_are_read(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Of a bill with several lines each is read back, in their order, with its amount."""
        compared = 0
        for bill, made in self.possible(context, emulator):
            rated = [
                row for row in context.provider.fields if row.path == "lines[].amount" and row.speaks(bill, context)
            ]
            if len(bill.lines) > 1 and all(row.fate is Fate.CARRIED for row in rated):
                read = client.retrieve(self.create(client, bill, made).id)
                assert [line.amount for line in read.lines] == [line.amount for line in bill.lines]
                compared += 1
        if not compared:
            pytest.skip(f"{context.provider.title} carries no bill of several lines with the amount of each")

    def test_every_effect_is_declared(self, declared: Provider, context: Context) -> None:
        """Whatever the emulator's ledger shows of a bill, one of the requests had declared as its effect."""
        seen: set[str] = set()
        for bill, made in self.possible(context, declared.emulator()):
            emulator: Emulator = declared.emulator()
            with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=_lookup(context.provider),
                    **emulator.settings,
                )
                try:
                    self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator holds nothing for this bill to bill
            events = {entry.event for entry in emulator.ledger}
            assert {_EFFECTS[event] for event in events} <= made.effects
            seen |= events
        assert "issued" in seen

    def test_verbs_that_the_provider_cannot_do_send_nothing(
        self, declared: Provider, client: Client, transport: EmulatorTransport
    ) -> None:
        """cannot(…) raises Unsupported with its source, before any request."""
        refusing = [(verb, flow) for verb in VERBS if isinstance(flow := getattr(declared.flows, verb), Cannot)]
        if not refusing:
            pytest.skip(f"{declared.title} can do every verb")
        for verb, flow in refusing:
            with pytest.raises(Unsupported) as refused:
                self.attempt(client, verb, declared.emulator())
            assert refused.value.source == flow.source
        assert transport.sent == []

    def test_states_are_respected(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """What is void stays void: a second void says so and carries the invoice; nothing is collected from it."""
        self.needs(declared, "void")
        bill, made = self.bill(context, emulator)
        created = self.create(client, bill, made)
        assert created.status is Status.OPEN
        assert client.void(created.id).status is Status.VOID
        with pytest.raises(InvalidState) as refused:
            client.void(created.id, attempt=2)
        assert refused.value.invoice is not None
        assert refused.value.invoice.status is Status.VOID
        if not isinstance(declared.flows.pay, Cannot):
            with pytest.raises(BridgeError):
                client.pay(created.id)
        assert "collected" not in {entry.event for entry in emulator.ledger}

    def test_a_draft_is_never_collected(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """Paying a draft is refused before any writing request."""
        self.needs(declared, "pay")
        drafts = [pair for pair in self.possible(context, emulator) if pair[0].draft]
        if not drafts:
            refusals = [plan(bill, context).refusal for bill in self.commands(emulator) if bill.draft]
            pytest.skip(f"{declared.title} makes no drafts: {refusals[0]}")
        created = self.create(client, *drafts[0])
        assert created.status is Status.DRAFT
        with pytest.raises((InvalidState, Unsupported)) as refused:
            client.pay(created.id)
        written: list[Step] = [step for step in refused.value.steps if step.writes]
        assert written == []

    def test_a_listing_gives_every_invoice_once(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Pages of two give each invoice once, and no page is read before it is needed."""
        self.needs(context.provider, "list")
        bill, made = self.bill(context, emulator)
        drafts = [pair for pair in self.possible(context, emulator) if pair[0].draft]
        bill, made = drafts[0] if drafts else (bill, made)
        ids = {self.create(client, bill.model_copy(update={"reference": f"page-{n}"}), made).id for n in range(5)}
        assert len(ids) == 5
        listed = [invoice.id for invoice in client.list(limit=2)]
        assert sorted(listed) == sorted(set(listed))
        assert ids <= set(listed)
        before = emulator.requests
        next(iter(client.list(limit=2)))
        assert emulator.requests < before + 5

    def test_an_id_stays_one_segment(self, client: Client, transport: EmulatorTransport) -> None:
        """Ids like "a/b" and "../x" cannot change the path of a request."""
        for name in ("a/b", "../x", "..", "a?b#c"):
            with pytest.raises((NotFound, Unsupported)):
                client.retrieve(name)
        for request in transport.sent:
            assert request.url.partition("?")[0].count("/") == transport.sent[0].url.partition("?")[0].count("/")
            assert "/../" not in request.url

    # ── decoding ─────────────────────────────────────────────────────────────────────────────────────────────────
    def test_unknown_words_and_fields_survive(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """An invoice with a new status and new fields decodes: status unknown, the word kept, the fields in raw."""
        created = client.retrieve(self.create(client, *self.bill(context, emulator)).id)
        assert created.raw is not None
        found = declared.parse({**created.raw, "status": "brand new", "a_new_field": {"deep": [1]}})
        assert (found.status, found.native_status) == (Status.UNKNOWN, "brand new")
        assert found.raw is not None
        assert found.raw["a_new_field"] == {"deep": [1]}
        assert "a_new_field.deep[]" in found.unmapped()

    def test_what_is_no_invoice_is_refused(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """Anything else raises MalformedResponse, never another error; so does an invoice without an id."""
        created = client.retrieve(self.create(client, *self.bill(context, emulator)).id)
        assert declared.parse(created.raw or {}).id == created.id
        broken = [_replaced(created.raw, created.id, wrong) for wrong in (None, "", 7)]
        for data in ({}, *broken):
            with pytest.raises(MalformedResponse):
                declared.parse(data)

    def test_without_a_currency_no_amount_is_read(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """A currency that is absent or unknown hides no invoice: no amount is read, and `problems` says why."""
        created = client.retrieve(self.create(client, *self.bill(context, emulator)).id)
        assert created.currency is not None
        assert created.problems == (), f"what this provider answers is read whole: {created.problems} (parse.py)"
        texts = (created.currency, created.currency.lower())
        broken = [_replaced(created.raw, text, wrong) for text in texts for wrong in (None, "", 7, "nope")]
        changed = [data for data in broken if data != created.raw]
        assert changed
        for data in changed:
            found = declared.parse(data)
            assert (found.id, found.currency, found.lines) == (created.id, None, ())
            assert all(getattr(found, name) is None for name in AMOUNTS)
            assert any(problem.money for problem in found.problems)

    # ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────
    def test_a_wrong_key_is_told_and_never_shown(self, emulator: Emulator, context: Context) -> None:
        """A key that the provider refuses raises Unauthorized, whose texts do not hold it."""
        canary = "canary_not_a_key_0123456789"
        with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
            client = Client(
                self.provider, api_key=canary, http=http, lookup=_lookup(context.provider), **emulator.settings
            )
            with pytest.raises(Unauthorized) as refused:
                list(client.list())
        assert canary not in f"{client!r} {refused.value!r} {refused.value} {refused.value.response!r}"

    # ── two runners ──────────────────────────────────────────────────────────────────────────────────────────────
    def test_both_clients_send_the_same_bytes(self, declared: Provider, context: Context) -> None:
        """Client and AsyncClient send identical requests and give equal invoices."""
        bill, made = self.bill(context, declared.emulator())
        allow = [loss.code for loss in made.losses]

        def blocking() -> tuple[Invoice, list[Request]]:
            emulator: Emulator = declared.emulator()
            transport = EmulatorTransport(emulator, context.base_url)
            with httpx.Client(transport=transport) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=_lookup(context.provider),
                    **emulator.settings,
                )
                return client.create(bill, allow=allow), transport.sent

        async def awaiting() -> tuple[Invoice, list[Request]]:
            emulator: Emulator = declared.emulator()
            transport = EmulatorTransport(emulator, context.base_url)
            async with httpx.AsyncClient(transport=transport) as http:
                client = AsyncClient(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=_lookup(context.provider),
                    **emulator.settings,
                )
                return await client.create(bill, allow=allow), transport.sent

        one, two = blocking(), asyncio.run(awaiting())
        assert one[0] == two[0]
        assert [_plain(request) for request in one[1]] == [_plain(request) for request in two[1]]
        assert one[1]

    def test_a_customer_of_another_provider_is_not_billed(self, context: Context, emulator: Emulator) -> None:
        """An id that is meant for another provider is refused: it may name somebody else here."""
        bill, _ = self.bill(context, emulator)
        elsewhere = bill.model_copy(update={"customer": CustomerRef(ids={"another": "x"})})
        assert isinstance(plan(elsewhere, context).refusal, Unsupported)


def _other(bill: OneTimeCharge | PeriodInvoice) -> OneTimeCharge | PeriodInvoice:
    """Another bill under the same reference: of more money; or where it states none, of another month."""
    if isinstance(bill, PeriodInvoice) and bill.lines:
        lines = (*bill.lines, Line(description="More", amount=bill.lines[0].amount))
        return bill.model_copy(update={"lines": lines})
    if isinstance(bill, OneTimeCharge):
        return bill.model_copy(update={"amount": bill.total + bill.total, "lines": ()})
    return bill.model_copy(update={"period": Period.month(2026, 4)})


def _moved(emulator: Emulator) -> list[tuple[str, str]]:
    """Which demands for money there were, and which money was taken."""
    return [(entry.event, entry.invoice_id) for entry in emulator.ledger if entry.event in {"issued", "collected"}]


def _shown(request: Request) -> tuple[str, str, bytes, str | None]:
    return request.method, request.url, request.content, request.key


def _as_shown(sent: list[Request], explained: tuple[Request, ...]) -> list[tuple[str, str, bytes, str | None]]:
    """What was sent, with what stands at an explained placeholder put back as that placeholder."""
    found: list[tuple[str, str, bytes, str | None]] = []
    for number, request in enumerate(sent):
        if number >= len(explained):
            found.append((request.method, request.url, request.content, None))
            continue
        model = explained[number]
        header = next((name for name, value in model.headers.items() if value == model.key), "")
        key = next((value for name, value in request.headers.items() if name.lower() == header.lower()), None)
        found.append(
            (
                request.method,
                _put_back(request.url, model.url),
                _put_back(request.content.decode(), model.content.decode()).encode(),
                key if model.key is not None else None,
            )
        )
    return found


def _put_back(text: str, model: str) -> str:
    """The model, where the text is the model with something at each placeholder; else the text."""
    pattern = "".join(
        r"[^/?&\"]+" if _PLACEHOLDER.fullmatch(piece) else re.escape(piece)
        for piece in re.split(r"(\{[A-Za-z_.]+\}|%7B[A-Za-z_.]+%7D)", model)
    )
    return model if re.fullmatch(pattern, text) else text


def _replaced(value: Any, text: str, wrong: Any) -> Any:
    """JSON in which something else stands wherever that text stood."""
    if isinstance(value, Mapping):
        return {name: _replaced(inner, text, wrong) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, text, wrong) for inner in value]
    return wrong if value == text else value


def _plain(request: Request) -> tuple[str, str, bytes, dict[str, str]]:
    return request.method, request.url, request.content, dict(request.headers)
