"""What every adapter does, written down: plans whole, and what becomes of each when an answer is not the happy one.

`tests/golden/<provider>.txt` holds, for many commands: the requests with their answers, notes and losses; the outcome
of every changed answer (each leaf of each answer replaced in turn, each kind of refusal thrown at each step); and how
the provider's JSON reads, with each leaf replaced in turn. `make golden` writes the files; read the difference before
you commit it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    BridgeError,
    Client,
    Collection,
    Command,
    Credit,
    CustomerRef,
    Declined,
    Delete,
    Finalize,
    Find,
    InvalidState,
    Invoice,
    Line,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Money,
    NotFound,
    OneTimeCharge,
    Pay,
    Pdf,
    Period,
    PeriodInvoice,
    RecordPayment,
    Refund,
    Rejected,
    Retrieve,
    SendInvoice,
    Status,
    TaxRate,
    Unauthorized,
    Update,
    Void,
    providers,
)
from invoice_bridge.adapter.pages import Page
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.core.commands import Bill
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.explain import make_context, plan
from invoice_bridge.testing.documents import documents as history_documents
from tests.golden_fold import TEXTS, Marks, Trial, table
from tests.golden_outcome import AS_READ, ASKED, CURRENCY, PROBLEM, Result, Step, invoice_json, outcome
from tests.golden_text import READ, Blocks, Keys, compare, inner_path, opened, plans, sent

MAY = Period.month(2026, 5)
DUE = datetime(2026, 7, 1, tzinfo=UTC)
PRICE = Money(2500, "EUR")
LINES = (
    Line(description="Energy", amount=Money(1300, "EUR")),
    Line(description="Parking", quantity=2, unit_amount=Money(600, "EUR"), period=MAY),
)
REFUSALS = (Rejected, InvalidState, Declined, NotFound, Unauthorized)
IDS = {"whop": "inv_7"}


def commands(name: str) -> Iterator[tuple[str, Command]]:
    """Bills and verbs of every kind, each with the name it has in the golden file."""
    emulator: Any = providers.get(name).emulator()
    who, method = emulator.customer, emulator.payment_method or "pm_42"
    ways = {
        "manual": Collection.manual(),
        "net": Collection.send(net_days=14),
        "due": Collection.send(due=DUE),
        "charge": Collection.charge(),
        "method": Collection.charge(method),
    }
    plain: dict[str, Any] = {"customer": who, "issued_at": MAY.end}
    for way, collection in ways.items():
        yield f"amount {way}", OneTimeCharge(reference="r", amount=PRICE, collection=collection, **plain)
        yield (
            f"lines {way}",
            OneTimeCharge(reference="r", lines=LINES, period=MAY, description="May", collection=collection, **plain),
        )
        yield (
            f"accrued {way}",
            PeriodInvoice(
                reference="r",
                period=MAY,
                currency="EUR",
                subscription=emulator.subscription,
                collection=collection,
                **plain,
            ),
        )
    said: dict[str, Any] = {
        "purchase_order": "PO 7",
        "metadata": {"a": "b"},
        "description": "D" * 300,
        "tax": "provider",
    }
    yield "all said", OneTimeCharge(reference="r", amount=PRICE, period=MAY, collection=ways["due"], **plain, **said)
    yield (
        "rated",
        PeriodInvoice(reference="r", lines=LINES, period=MAY, currency="EUR", collection=ways["due"], **plain),
    )
    taxed = (
        Line(description="Energy", amount=Money(1300, "EUR"), taxes=[TaxRate(name="VAT", rate=19)]),
        Line(description="Parking", quantity=2, unit_amount=Money(600, "EUR"), taxes=[TaxRate(name="VAT", rate="7.5")]),
        Line(description="Deposit", amount=Money(500, "EUR")),
    )
    yield "taxed lines", OneTimeCharge(reference="r", lines=taxed, collection=ways["method"], **plain)
    for way in ("manual", "due", "method"):
        yield (
            f"draft {way}",
            OneTimeCharge(reference="r", lines=LINES, period=MAY, draft=True, collection=ways[way], **plain),
        )
    for title, key in (("our key", "invoice_bridge_reference"), ("odd key", "a[b]"), ("empty key", "")):
        yield (
            f"metadata under {title}",
            OneTimeCharge(reference="r", amount=PRICE, period=MAY, metadata={key: "x"}, **plain),
        )
    yield "accrued by nobody", PeriodInvoice(reference="r", period=MAY, currency="EUR", **plain)
    nobody: dict[str, Any] = {"reference": "r", "amount": PRICE, "period": MAY, "collection": ways["due"]}
    yield "no customer", OneTimeCharge(**nobody)
    yield "e-mail", OneTimeCharge(customer=CustomerRef(email="a@example.test", name="A"), **nobody)
    yield "other customer", OneTimeCharge(customer=CustomerRef(ids={"another": "x"}), **nobody)
    yield "a membership", OneTimeCharge(customer="mem_7", **nobody)
    for currency in ("JPY", "KWD", "ISK", "UGX", "CLP", "BHD", "HUF", "MGA"):
        yield (
            currency,
            OneTimeCharge(
                reference="r", customer=who, amount=Money(1230, currency), period=MAY, collection=ways["due"]
            ),
        )
    for minor in (0, -5):
        rows = (Line(description="A", amount=Money(100, "EUR")), Line(description="B", amount=Money(minor, "EUR")))
        yield f"line of {minor}", OneTimeCharge(reference="r", customer=who, lines=rows, period=MAY, draft=True)
    half = datetime(2026, 5, 1, 0, 0, 0, 500, tzinfo=UTC)
    yield "half a second", OneTimeCharge(reference="r", customer=who, amount=PRICE, period=Period(half, MAY.end))
    one = IDS.get(name, "id_7")
    for kind in (Retrieve, Finalize, Pay, MarkPaid, Void, MarkUncollectible, Delete, SendInvoice):
        yield kind.verb, kind(id=one)
    part = Money(500, "EUR")
    yield "find", Find(reference="r", customer=who)
    yield "pdf", Pdf(id=one)
    yield "pay a part", Pay(id=one, amount=part, reference="p", payment_method=method or "pm_1")
    yield "record a payment", RecordPayment(id=one, amount=part, at=DUE, reference="w", method="bank transfer")
    yield "refund", Refund(id=one, amount=part, reference="re", reason="as agreed")
    yield "credit", Credit(id=one, amount=part, reference="cn", reason="as agreed")
    yield "credit lines", Credit(id=one, lines=(Line(id="l_1", amount=part),), reference="cn")
    before = Money(1000, "EUR")  # some providers keep no reference, and need the amount before
    yield "pay a part of it", Pay(id=one, amount=part, reference="p", payment_method=method or "pm_1", expect=before)
    yield "refund more", Refund(id=one, amount=part, reference="re", reason="as agreed", expect=before)
    yield "refund the rest", Refund(id=one, reference="re", expect=before)
    yield "credit more", Credit(id=one, amount=part, reference="cn", reason="as agreed", expect=before)
    lines = (Line(id="l_1", amount=part, description="Parking"),)
    yield "credit more lines", Credit(id=one, lines=lines, reference="cn", expect=before)
    yield "void for a reason", Void(id=one, reason="as agreed")
    yield "pay by", Pay(id=one, expect=PRICE, payment_method=method, attempt=2)
    yield "update all", Update(id=one, description="New", due_at=DUE, metadata={"a": "c"})
    yield "update some", Update(id=one, description="New")
    yield "odd id", Retrieve(id="pay_7/../x")
    yield "list", ListInvoices()
    for status in Status:
        yield f"list {status}", ListInvoices(status=status, limit=7)
    yield (
        "list all said",
        ListInvoices(customer=CustomerRef(id=who), created_from=MAY.start, created_to=half, full=True),
    )


ABSENT = object()
"""Stands for a member that is left out."""


def replaced(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield for each leaf and several values: its path, the old value, the new one, the JSON with it replaced."""
    if isinstance(value, dict):
        for name, inner in value.items():
            at = inner_path(path, name)
            yield at, inner, ABSENT, {k: v for k, v in value.items() if k != name}
            for leaf, old, new, changed in replaced(inner, at):
                yield leaf, old, new, {**value, name: changed}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            for leaf, old, new, changed in replaced(inner, inner_path(path, place)):
                yield leaf, old, new, [*value[:place], changed, *value[place + 1 :]]
    else:
        for new in (*TEXTS, None, 7, [], True, ""):
            if new != value or type(new) is not type(value):
                yield path, value, new, new


def result(value: Any, command: Command) -> Result:
    """Return what a flow came to, as fields of an invoice or as a sentence."""
    if isinstance(value, Page):
        items = [getattr(item, "id", type(item).__name__) for item in value.items]
        if value.next is None:
            return Result(f"page of {items}")
        then = {name: part for name, part in value.next if part != getattr(command, name)}
        return Result(f"page of {items}, then {type(value.next).__name__} with {then}")
    if isinstance(value, Invoice):
        return Result(fields=invoice_json(value))
    return Result(repr(value))


def drive(command: Command, context: Context, at: int, answer: Any, headers: dict[str, str] | None = None) -> Result:
    """Drive a flow by its specimens, but for one answer (or error); return what becomes of it."""
    trail: list[Step] = []
    try:
        flow = context.provider.flow(command, context.on(command))
        request = next(flow)
        for number in range(40):
            place = f"{request.method} {request.url.removeprefix(context.base_url)}"
            trail.append(Step(place, f"{request.content.decode()} {request.note}".strip()))
            if number == at and isinstance(answer, BridgeError):
                request = flow.throw(answer)
                continue
            body = answer if number == at else request.specimen
            sent = headers if number == at and headers else {}
            request = flow.send(Response(200, dumps(body), sent, context.provider.name))
        return Result(f"goes on and on: {trail[-1]}")
    except StopIteration as done:
        return replace(result(done.value, command), trail=tuple(trail[at + 1 :]))
    except BridgeError as error:
        known = getattr(error, "invoice", None) or getattr(error, "existing", None)
        invoice = f" [{known.id}]" if known is not None else ""
        return Result(f"{type(error).__name__}: {error}{invoice}", trail=tuple(trail[at + 1 :]))


def answers(
    command: Command, context: Context, at: int, request: Request
) -> Iterator[tuple[str, str, Any, Result, Any]]:
    """Yield what becomes of a command under each refusal of a request and each changed answer to it."""
    for refusal in REFUSALS:
        error = refusal("refused", provider=context.provider.name, status=400)
        yield "error", f"'{refusal.__name__}'", None, drive(command, context, at, error), None
    for header in ("idempotent-replayed", "chargebee-idempotency-replayed"):
        yield "header", f"'{header}'", None, drive(command, context, at, request.specimen, {header: "true"}), None
    for leaf, old, new, answer in replaced(loads(dumps(request.specimen))):
        yield leaf, shown(new), old, drive(command, context, at, answer), document(answer)


def document(answer: Any) -> Any:
    """Return the invoice in an answer."""
    return answer["invoice"] if isinstance(answer, dict) and isinstance(answer.get("invoice"), dict) else answer


def shown(value: Any) -> str:
    """Name a value that was tried."""
    return "absent" if value is ABSENT else repr(value)


def read(declared: Provider, data: Any) -> Result:
    """Read a provider's JSON."""
    try:
        return Result(fields=invoice_json(declared.parse(data)))
    except BridgeError as error:
        return Result(f"{type(error).__name__}: {error}")


def marks(command: Command | None) -> Marks:
    """Return what of a command is written as a mark in outcomes: its amount and its currency."""
    total = command.total if isinstance(command, OneTimeCharge | PeriodInvoice) else None
    currency = getattr(command, "currency", None) or (total.currency if total else "EUR")
    return ((f"{total.minor} {currency}", ASKED), (currency, CURRENCY)) if total else ((currency, CURRENCY),)


def import_commands(name: str) -> Iterator[tuple[str, Command]]:
    """Imports of documents of every status and kind, each with the name it has in the golden file."""
    emulator: Any = providers.get(name).emulator()
    for command in history_documents(emulator.customer):
        yield command.reference.removeprefix("doc-"), command


def golden(
    name: str, commands: Callable[[str], Iterator[tuple[str, Command]]], history: Callable[[str], dict[str, Any]]
) -> Iterator[str]:
    """Write everything that is held of a provider's commands, and of how it reads a history."""
    declared = providers.get(name)
    emulator: Any = declared.emulator()
    context = make_context(declared, emulator.settings)
    # refused by default where a lookup is dear: what is sent then is what a complete journal sends
    lookup: Lookup = "auto" if declared.lookup is None else "journal"
    made = [(title, command, plan(command, context, lookup=lookup)) for title, command in commands(name)]
    requests = [request for _, _, planned in made for request in planned.requests]
    always = dict(set.intersection(*(set(request.headers.items()) for request in requests))) if requests else {}
    keys, cases, trials = Keys(), [], []
    documents: dict[bytes, tuple[str, Command]] = {}
    for title, command, planned in made:
        refusal = "" if planned.refusal is None else f"{type(planned.refusal).__name__}: {planned.refusal}"
        losses = [loss.code.removeprefix(f"IB-{name.upper()}-") for loss in planned.losses]
        written = [sent(request, context.base_url, keys, always) for request in planned.requests]
        cases.append((title, refusal, losses, written))
        seen: Counter[str] = Counter()
        for at, request in enumerate(planned.requests):
            seen[written[at].place] += 1
            place = written[at].place + ("", " again", " a third time")[seen[written[at].place] - 1]
            happy = drive(command, context, at, request.specimen)
            for leaf, value, old, came, answer in answers(command, context, at, request):
                reading = read(declared, answer) if isinstance(answer, dict) else None
                written_so = outcome(came, happy, value, old, reading)
                if AS_READ in written_so or PROBLEM in written_so:
                    documents.setdefault(
                        dumps(document(loads(dumps(request.specimen)))), (f"{title} {at + 1}", command)
                    )
                trials.append(Trial(place, title, leaf, value, written_so))
    yield f"{declared.title}: every request goes to {context.base_url}"
    yield from (f"every request: {header}: {value}" for header, value in always.items())
    yield f"the codes of losses begin with IB-{name.upper()}-"
    yield from keys.lines()
    yield from ("", "═══ what is sent ═══", *plans(cases))
    yield from ("", "═══ what another answer leads to ═══")
    yield from table(trials, {title: marks(command) for title, command, _ in made})
    bills = {title: command for title, command, _ in made}
    named: dict[str, tuple[Any, Command | None]] = {}
    for data, (title, command) in documents.items():
        named[f"answer {title}"] = (loads(data), command)
    for title, raw in history(name).items():
        named[title] = (raw, bills.get(title))
    yield from readings(declared, named)


def readings(declared: Provider, documents: dict[str, tuple[Any, Command | None]]) -> Iterator[str]:
    """Write how answers and the invoices of a small history read, and what becomes of it when the JSON changes."""
    blocks, trials = Blocks(), []
    yield from ("", "═══ how invoices read ═══")
    for title, (raw, _) in documents.items():
        whole = read(declared, raw)
        changes = [(leaf, shown(new), old, read(declared, data)) for leaf, old, new, data in replaced(raw)]
        trials += [
            Trial("", title, leaf, value, outcome(came, whole, value, old)) for leaf, value, old, came in changes
        ]
        unmapped = [(f"[unmapped {path}]", "") for path in declared.parse(raw).unmapped()]
        fields = [*whole.flat().items(), ("changes tried", str(len(changes))), *unmapped]
        best, lines = blocks.write("invoice", title, tuple((f"{READ}{name}", text) for name, text in fields))
        yield from opened(f"── {title}", best, [each.replace(READ, "", 1) for each in lines], ", ")
    yield from ("", "═══ how a changed invoice reads ═══")
    yield from table(trials, {title: marks(command) for title, (_, command) in documents.items()})


# Shapes that no emulator tells any more: written by hand after the providers' changelogs.
OLDER: dict[str, dict[str, Any]] = {
    "stripe": {
        "acacia, first page of lines": {
            "id": "in_1",
            "object": "invoice",
            "currency": "eur",
            "status": "open",
            "total": 1210,
            "total_excluding_tax": 1000,
            "subtotal": 1100,
            "amount_shipping": 10,
            "total_tax_amounts": [{"amount": 110, "inclusive": False}, {"amount": 100, "inclusive": True}],
            "total_discount_amounts": [{"amount": 50}],
            "payment_intent": {"status": "processing"},
            "status_transitions": {"finalized_at": 1777593600, "paid_at": 0, "voided_at": None},
            "lines": {
                "has_more": True,
                "data": [
                    {
                        "amount": 300,
                        "quantity": 2,
                        "price": {"unit_amount_decimal": "150", "unit_amount": 150},
                        "period": {"start": 1777593600, "end": 1780272000},
                    }
                ],
            },
        },
    },
}


def history(name: str) -> dict[str, Any]:
    """The provider's own JSON of invoices in several states, as its emulator states them, and older shapes of it."""
    declared = providers.get(name)
    emulator = declared.emulator()
    base = declared.base_url(emulator.settings)
    found: dict[str, Any] = {}
    with httpx.Client(transport=EmulatorTransport(emulator, base)) as http:
        client = Client(name, api_key=emulator.key, http=http, lookup="never", **emulator.settings)
        for title, command in commands(name):
            if isinstance(command, Bill):
                try:
                    losses = client.losses(command)
                    bill = command.model_copy(update={"reference": title})
                    made = client.create(bill, allow=[loss.code for loss in losses])  # type: ignore[arg-type]
                except BridgeError:
                    continue
                found[title] = client.retrieve(made.id).raw
                for verb in ("void", "mark_paid", "mark_uncollectible"):
                    if made.status is Status.OPEN and verb not in found:
                        with suppress(BridgeError):
                            found[verb] = getattr(client, verb)(made.id).raw
                            break
    return found | OLDER.get(name, {})


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
def test_nothing_has_changed_unseen(name: str) -> None:
    """Plans, outcomes and readings are what the golden file says; else read the difference, and run `make golden`."""
    compare(name, "\n".join(golden(name, commands, history)) + "\n")


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", pytest.param("stripe", marks=pytest.mark.slow), "whop"])
def test_no_import_has_changed_unseen(name: str) -> None:
    """The same of imports: tests/golden/imports-<provider>.txt."""
    compare(f"imports-{name}", "\n".join(golden(name, import_commands, lambda _name: {})) + "\n")
