"""What every adapter does, pinned: plans whole, and what becomes of each when an answer is not the happy one.

`tests/golden/<provider>.json` holds, for many commands: the requests with their specimens, notes and losses; every
outcome that a changed answer leads to (each leaf of each specimen replaced in turn, each kind of refusal thrown at each
step); and how the provider's JSON reads, with each leaf replaced in turn. A digest over all of them stands beside, so
that no single one can change unseen. `make golden` writes the files; read the difference before you commit it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    BridgeError,
    Client,
    Collection,
    Command,
    CustomerRef,
    Declined,
    Delete,
    Finalize,
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
    Period,
    PeriodInvoice,
    Rejected,
    Retrieve,
    SendInvoice,
    Status,
    Unauthorized,
    Update,
    Void,
    providers,
)
from invoice_bridge.adapter.provider import Context, Page, Provider
from invoice_bridge.core.commands import Bill
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.explain import make_context, plan

FOLDER = Path(__file__).parent / "golden"
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
    emulator: Any = providers.get(name).emulator
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


def replaced(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The JSON with one leaf replaced, for each leaf and several replacements, and with one member left out."""
    if isinstance(value, dict):
        for name in value:
            yield f"{'.'.join(map(str, (*path, name)))} left out", {k: v for k, v in value.items() if k != name}
            for told, inner in replaced(value[name], (*path, name)):
                yield told, {**value, name: inner}
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for told, inner in replaced(item, (*path, place)):
                yield told, [*value[:place], inner, *value[place + 1 :]]
    at = ".".join(map(str, path))
    if not isinstance(value, dict | list):
        other: tuple[Any, ...] = ("open", "void", "paid", "draft", None, 7, [], True, "")
        yield from ((f"{at} = {new!r}", new) for new in other if new != value or type(new) is not type(value))


def told(result: Any) -> str:
    """A flow's result in one line."""
    if isinstance(result, Page):
        return f"page of {[getattr(item, 'id', type(item).__name__) for item in result.items]}, then {result.next}"
    if isinstance(result, Invoice):
        return result.model_dump_json(exclude={"raw", "provider"}, exclude_none=True, exclude_defaults=True)
    return repr(result)


def outcome(command: Command, context: Context, at: int, answer: Any, headers: dict[str, str] | None = None) -> str:
    """Drive a flow by its specimens, but for one answer (or error); what becomes of it."""
    trail: list[str] = []
    try:
        flow = context.provider.flow(command, context.on(command))
        request = next(flow)
        for number in range(40):
            where = request.url.partition("://")[2]
            trail.append(f"{request.method} {where} {request.content.decode()} {request.note}".rstrip())
            if number == at and isinstance(answer, BridgeError):
                request = flow.throw(answer)
                continue
            body = answer if number == at else request.specimen
            sent = headers if number == at and headers else {}
            request = flow.send(Response(200, dumps(body), sent, context.provider.name))
        return f"goes on and on: {trail[-1]}"
    except StopIteration as done:
        return f"{told(done.value)} by {trail[at + 1 :]}"
    except BridgeError as error:
        known = getattr(error, "invoice", None) or getattr(error, "existing", None)
        return f"{type(error).__name__}: {error} [{getattr(known, 'id', None)}] by {trail[at + 1 :]}"


def shown(request: Request) -> dict[str, Any]:
    """A request, whole."""
    return {
        "request": f"{request.method} {request.url}",
        "headers": dict(request.headers),
        "content": request.content.decode(),
        "effects": sorted(request.effects),
        "note": request.note,
        "specimen": json.loads(dumps(request.specimen)),
    }


def golden(name: str) -> dict[str, Any]:
    """Everything that is pinned of a provider."""
    declared = providers.get(name)
    emulator: Any = declared.emulator
    context = make_context(declared, emulator.settings)
    if declared.lookup is not None:  # refused by default: what is sent then is what a complete journal sends
        context = replace(context, lookup="journal")
    plans: dict[str, Any] = {}
    outcomes: dict[str, Any] = {}
    for title, command in commands(name):
        made = plan(command, context)
        plans[title] = {
            "refusal": None if made.refusal is None else f"{type(made.refusal).__name__}: {made.refusal}",
            "requests": [shown(request) for request in made.requests],
            "losses": [loss.code for loss in made.losses],
        }
        found: dict[str, str] = {}
        for at, request in enumerate(made.requests):
            for refusal in REFUSALS:
                error = refusal("refused", provider=name, status=400)
                found[f"{at} {refusal.__name__}"] = outcome(command, context, at, error)
            for replay in ("idempotent-replayed", "chargebee-idempotency-replayed"):
                found[f"{at} {replay}"] = outcome(command, context, at, request.specimen, {replay: "true"})
            for change, answer in replaced(json.loads(dumps(request.specimen))):
                found[f"{at} {change}"] = outcome(command, context, at, answer)
        outcomes[title] = {
            "digest": hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest(),
            "errors": sorted({line.split(" by [")[0] for line in found.values() if not line.startswith("{")}),
        }
    return {"plans": plans, "outcomes": outcomes, "readings": readings(name)}


def readings(name: str) -> dict[str, Any]:
    """How the invoices of a small history read, and what becomes of each reading when the provider's JSON changes."""
    declared = providers.get(name)
    found: dict[str, Any] = {}
    for title, raw in (history(name) | OLDER.get(name, {})).items():
        lines = {change: read(declared, data) for change, data in replaced(raw)}
        found[title] = {
            "reads": read(declared, raw),
            "digest": hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest(),
            "errors": sorted({line for line in lines.values() if not line.startswith("{")}),
            "unmapped": list(declared.parse(raw).unmapped()),
        }
    return found


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


def read(declared: Provider, data: Any) -> str:
    """How a provider's JSON reads, in one line."""
    try:
        return told(declared.parse(data))
    except BridgeError as error:
        return f"{type(error).__name__}: {error}"


def history(name: str) -> dict[str, Any]:
    """The provider's own JSON of invoices in several states, as its emulator tells them."""
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
    return found


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
def test_nothing_has_changed_unseen(name: str) -> None:
    """Plans and outcomes are what the golden file says; else look at the difference, and run `make golden`."""
    path = FOLDER / f"{name}.json"
    found = golden(name)
    if os.environ.get("PYTEST_GOLDEN") == "write":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    pinned = json.loads(path.read_text("utf-8"))
    assert found["plans"] == pinned["plans"]
    assert found["outcomes"] == pinned["outcomes"]
    assert found["readings"] == pinned["readings"]
    assert len(found["plans"]) > 40
