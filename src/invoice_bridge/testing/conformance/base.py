"""The common parts of the conformance suite: the provider, its emulator, clients and bills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.emulation.faults import Fault, Faults
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.client.options import no_waiting
from invoice_bridge.core.commands import Bill, Command, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.model import Collection, Invoice, Line, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import Emulator, EmulatorTransport, FakeClock
from invoice_bridge.explain import Plan, make_context
from invoice_bridge.testing.documents import documents
from invoice_bridge.testing.planned import planned

_MAY = Period.month(2026, 5)
MONEY_VERBS = ("pay_part", "record_payment", "refund", "credit")
"""The capabilities that move or record money under a reference of their own."""
METHODS = {"pay_part": "pay"}
"""capability → the client's method, where the two have different names"""
BEFORE = {
    "pay_part": "amount_remaining",
    "record_payment": "amount_remaining",
    "refund": "amount_refunded",
    "credit": "amount_credited",
}
"""capability → the amount of an invoice that its `expect` is compared with"""
PART = Money(1000, "EUR")
"""A part of the amount of this suite's bills."""


def part_of(verb: str, emulator: Emulator, reference: str | None = None) -> dict[str, Any]:
    """Return the arguments of a verb that moves or records a part of an invoice's money."""
    given: dict[str, Any] = {"amount": PART, "reference": reference or f"{verb}-1"}
    if verb == "pay_part":
        given |= {"payment_method": emulator.payment_method or "pm_1"}
    if verb == "record_payment":
        given |= {"at": _MAY.end, "method": "bank transfer"}
    return given


def expected(verb: str, invoice: Invoice | None) -> dict[str, Any]:
    """Return the amount before a verb as its `expect`; without an invoice, an amount that allows a partial verb."""
    if invoice is None:
        return {"expect": PART if BEFORE[verb] == "amount_remaining" else PART - PART}
    return {"expect": getattr(invoice, BEFORE[verb]) or PART - PART}


def lookup_mode(declared: Provider) -> Lookup:
    """Return the lookup mode: checks examine the requests of the bill itself, unless they are about lookups.

    A provider without keys always needs the lookup, because nothing else prevents a second bill.
    """
    return "never" if declared.idempotency.methods else "auto"


def plan_of(command: Command, context: Context) -> Plan:
    """Explain a command as the checks send it; see lookup_mode."""
    return planned(command, context, lookup=lookup_mode(context.provider))


class Checks:
    """Fixtures and bills; a part of the suite inherits them."""

    provider: ClassVar[str]
    bills: ClassVar[tuple[OneTimeCharge | PeriodInvoice, ...]] = ()
    """More bills to check the adapter with, besides those made here."""
    vectors: ClassVar[Mapping[str, tuple[OneTimeCharge | PeriodInvoice, tuple[bytes, ...]]]] = {}
    """name → (a bill, the content of each request that it must become)"""
    change: ClassVar[Mapping[str, Any]] = {"description": "Changed"}
    """The change of an update, for a provider without a description: see Client.update."""
    expects: ClassVar[frozenset[str]] = frozenset()
    """The verbs whose reference the provider cannot keep: they need `expect`, and another amount before stops them."""
    losses_elsewhere: ClassVar[frozenset[str]] = frozenset()
    """Codes of losses that only other settings than the emulator's cause: cover each by your own test."""

    @pytest.fixture
    def declared(self) -> Provider:
        """The provider's declaration, by its registered name."""
        return providers.get(self.provider)

    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Skip all waiting: an emulator has no rate limit and is available again at once."""
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        with no_waiting():
            yield

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The clock of that provider; a check may advance it."""
        return FakeClock()

    @pytest.fixture
    def emulator(self, declared: Provider, clock: FakeClock) -> Emulator:
        """A fresh in-memory provider."""
        made: Emulator = declared.emulator(clock=clock)
        return made

    @pytest.fixture
    def context(self, declared: Provider, emulator: Emulator) -> Context:
        """The context in which commands are explained."""
        return make_context(declared, emulator.settings)

    @pytest.fixture
    def transport(self, emulator: Emulator, context: Context) -> EmulatorTransport:
        """The transport between the client and the emulator; `sent` lists its requests."""
        return EmulatorTransport(emulator, context.base_url)

    @pytest.fixture
    def client(self, transport: EmulatorTransport, emulator: Emulator, context: Context) -> Iterator[Client]:
        """A client of the emulator."""
        with httpx.Client(transport=transport) as http:
            yield Client(
                self.provider,
                api_key=emulator.key,
                http=http,
                lookup=lookup_mode(context.provider),
                **emulator.settings,
            )

    @contextmanager
    def meeting(
        self, emulator: Emulator, context: Context, *faults: Fault, lookup: Lookup | None = None
    ) -> Iterator[tuple[Client, EmulatorTransport]]:
        """Another client of an emulator, with these faults on its requests, and the requests it sends."""
        transport = EmulatorTransport(Faults(emulator, faults), context.base_url)
        with httpx.Client(transport=transport) as http:
            yield (
                Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup or lookup_mode(context.provider),
                    **emulator.settings,
                ),
                transport,
            )

    def commands(self, emulator: Emulator) -> list[OneTimeCharge | PeriodInvoice]:
        """Bills of many kinds; `possible` leaves out those that the provider refuses."""
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
        """Return the bills that this provider can do, with their plans; at least one."""
        planned = [(bill, plan_of(bill, context)) for bill in self.commands(emulator)]
        found = [(bill, made) for bill, made in planned if made.refusal is None]
        assert found, f"{self.provider} refuses every bill: {planned[0][1].refusal}"
        return found

    def bill(
        self, context: Context, emulator: Emulator, *, draft: bool = False
    ) -> tuple[OneTimeCharge | PeriodInvoice, Plan]:
        """One bill that is issued and left open if the provider allows that, otherwise a draft."""
        found = [(bill, made) for bill, made in self.possible(context, emulator) if bill.draft is draft]
        calm = [(bill, made) for bill, made in found if bill.collection.kind != "charge"]
        return (calm or found)[0]

    def create(self, client: Client, bill: OneTimeCharge | PeriodInvoice, made: Plan) -> Invoice:
        """Create a bill, allowing all of its losses by name."""
        return client.create(bill, allow=[loss.code for loss in made.losses])

    def subjects(
        self, declared: Provider, context: Context
    ) -> Iterator[tuple[Bill, Emulator, Callable[[Client], Invoice]]]:
        """Return each bill that the provider supports, with a fresh emulator and a function that makes its invoice.

        The last one is a draft that no bill makes, where the emulator adds such (`Emulator.add_draft`).
        """
        possible = self.possible(context, declared.emulator())
        for bill, made in possible:
            yield bill, declared.emulator(), partial(self.create, bill=bill, made=made)
        emulator: Emulator = declared.emulator()
        if (draft := emulator.add_draft()) is not None:
            yield possible[0][0], emulator, lambda client: client.retrieve(draft)

    def did(self, client: Client, verb: str, bill: Bill, created: Invoice, emulator: Emulator) -> bool:
        """Run a verb on a fresh invoice whose state allows it, and check the result."""
        drafts, opens = created.status is Status.DRAFT, created.status is Status.OPEN
        if verb in {"one_time_charge", "period_invoice"}:
            return bill.verb == verb and bool(created.id)
        if verb in {"find", "retrieve", "pdf", "import_invoice", *MONEY_VERBS}:
            return self.did_read_or_move(client, verb, bill, created, emulator)
        if verb == "list":
            return created.id in {invoice.id for invoice in client.list()}
        if verb == "update":
            allowed = providers.get(self.provider).transitions[verb].allowed
            return created.status in allowed and client.update(created.id, **self.change).id == created.id
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

    def did_import(self, client: Client, emulator: Emulator) -> bool:
        """Import the first document that the provider accepts, and check its final state."""
        for command in documents(emulator.customer):
            made = client.explain(command)
            if made.refusal is None:
                done = client.import_invoice(command, allow=[loss.code for loss in made.losses])
                return done.status is command.status
        return False

    def did_read_or_move(self, client: Client, verb: str, bill: Bill, created: Invoice, emulator: Emulator) -> bool:
        """Read an invoice or its document, or move a part of its money, and check the result."""
        opens = created.status is Status.OPEN
        if verb == "import_invoice":
            return self.did_import(client, emulator)
        if verb == "find":
            return client.find(bill.reference, customer=emulator.customer).id == created.id
        if verb == "retrieve":
            return client.retrieve(created.id).id == created.id
        if verb == "pdf":
            return opens and client.pdf(created.id).startswith(b"%PDF-")
        part = part_of(verb, emulator) | self.before(verb, created)
        if verb == "refund":
            is_collected = created.status is Status.PAID and bill.collection.kind == "charge"
            return is_collected and client.refund(created.id, **part).id == created.id
        return opens and getattr(client, METHODS.get(verb, verb))(created.id, **part).status is Status.OPEN

    def before(self, verb: str, invoice: Invoice | None = None) -> dict[str, Any]:
        """Return the amount before a verb, of those whose reference the provider cannot keep; see `expects`."""
        return expected(verb, invoice) if verb in self.expects else {}

    def attempt(self, client: Client, verb: str, emulator: Emulator) -> None:
        """Run a verb and ignore its result or error."""
        if verb in {"one_time_charge", "period_invoice"}:
            client.create(next(bill for bill in self.commands(emulator) if bill.verb == verb))
        elif verb == "list":
            next(iter(client.list()))
        elif verb == "import_invoice":
            client.import_invoice(next(documents(emulator.customer)))
        elif verb == "find":
            client.find("reference-1")
        elif verb in MONEY_VERBS:
            getattr(client, METHODS.get(verb, verb))("id_1", **part_of(verb, emulator), **self.before(verb))
        else:
            getattr(client, verb)("id_1", **({"description": "x"} if verb == "update" else {}))

    def needs(self, declared: Provider, *verbs: str) -> None:
        """Skip a check of verbs that the provider cannot do, with its own reason."""
        for verb in verbs:
            flow = getattr(declared.flows, verb)
            if isinstance(flow, Cannot):
                pytest.skip(f"{declared.title} cannot {verb}: {flow.reason} ({flow.source})")

    def proves(self, request: pytest.FixtureRequest, verb: str, kind: str) -> None:
        """Declare what a test proves of a verb, for the capability matrix; it counts if the test passes."""
        request.node.user_properties.append(("proves", f"{self.provider}:{verb}:{kind}"))


def shown(request: Request) -> tuple[str, str, bytes, str | None]:
    """Return the parts of a request that a plan shows: method, address, content and key."""
    return request.method, request.url, request.content, request.key


def plain(request: Request) -> tuple[str, str, bytes, dict[str, str]]:
    """Return the parts of a request on the wire: method, address, content and headers."""
    return request.method, request.url, request.content, dict(request.headers)
