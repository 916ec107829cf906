"""A provider that does not exist, as small as a declaration can be: what the core's tests hold it to."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter import (
    Context,
    ErrorRow,
    Field,
    Limit,
    Provider,
    Reader,
    Refusal,
    Setting,
    StatusRow,
    Transitions,
    Units,
    Verbs,
    build,
    cannot,
    object_of,
    read_parts,
    text_of,
    transition,
)
from invoice_bridge.core.errors import Declined, InvalidState, NotFound, RateLimited, Rejected, ServerError
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Effect, Flow, Response, bearer

DOCS = "docs.acme.test/api"
MONEY = Units({"EUR": 2, "JPY": 0, "KWD": 2, "ISK": 2, "BHD": 3}, DOCS, multiple_of={"ISK": 100})
STATUSES = (StatusRow("posted", Status.OPEN, DOCS), StatusRow("settled", Status.PAID, DOCS))
PAY = transition(Status.OPEN, Status.UNCOLLECTIBLE, becomes=[Status.PAID], effects=[Effect.COLLECTS], source=DOCS)
"""How most providers collect; Acme itself cannot."""
TRANSITIONS = Transitions(
    {
        "void": transition(Status.OPEN, becomes=[Status.VOID], effects=[Effect.VOIDS], source=DOCS),
        "update": transition(Status.OPEN, source=DOCS),
        "delete": transition(Status.OPEN, becomes=[Status.DELETED], source=DOCS),
    }
)
ERRORS = (
    ErrorRow(RateLimited, DOCS, code="slow_down"),
    ErrorRow(Rejected, DOCS, code="in_progress", maybe_applied=True),
    ErrorRow(NotFound, DOCS, code="missing", status=404),
    ErrorRow(InvalidState, DOCS, type="state"),
    ErrorRow(Declined, DOCS, type="card"),
    ErrorRow(ServerError, DOCS, status=503),
)
FIELDS = (
    Field("reference", "ref", DOCS),
    Field("customer", "buyer", DOCS, fate=Fate.APPROXIMATED, code="IB-ACME-BUYER-01", why="a buyer is a team"),
    Field(
        "period",
        "",
        DOCS,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-ACME-PERIOD-01",
        why="there is no field for it",
        remedy="name the month in the description",
        sent="nothing",
    ),
    Field(
        "amount",
        "amount",
        DOCS,
        fate=Fate.PROVIDER_RATED,
        severity=Severity.CHANGES_MONEY,
        code="IB-ACME-AMOUNT-01",
        why="acme rounds to whole units",
        verbs=("one_time_charge",),
        when=lambda command, _use: command.amount.minor % 100 != 0,
    ),
    Field(
        "lines[].quantity",
        "",
        DOCS,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-ACME-QUANTITY-01",
        why="lines have no quantity",
        when=lambda _ask, context: context.settings.get("plan") == "basic",
    ),
    Field("draft", "", DOCS, severity=Severity.WARNS, fate=Fate.DROPPED, code="IB-ACME-DRAFT-01", why="no drafts"),
    *read_parts("IB-ACME", DOCS),
)


def refusal(answer: Response) -> Refusal:
    """Read {"code", "type", "message", "field"}."""
    at = Reader(object_of(answer), "acme")
    return Refusal(
        at.required_text("message"), at.text("code"), at.text("type"), at.text("field"), answer.headers.get("x-id")
    )


def invoice(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice."""
    at = Reader(data, "acme")
    currency = at.currency("currency")
    return build(
        "acme",
        id=at.required_text("id"),
        status={"posted": Status.OPEN, "settled": Status.PAID}.get(at.text("status") or "", Status.UNKNOWN),
        native_status=at.text("status"),
        currency=currency,
        total=at.money("total", MONEY, currency),
        raw=data,
    )


def invoice_id(data: Any) -> str | None:
    """The id in an answer about an invoice."""
    return Reader(data, "acme").text("id")


def charge(command: Any, context: Context) -> Flow[Invoice]:
    """Open, then issue."""
    body = {"ref": command.reference, "amount": MONEY.to_units(command.total)}
    specimen = {"id": "{open.id}", "currency": "EUR"}
    opened = yield context.post("invoices", body=body, step="open", specimen=specimen, opens=True)
    issued = yield context.post(
        "invoices",
        text_of(opened, "id"),
        "issue",
        effects=[Effect.ISSUES],
        specimen={"id": "{open.id}", "currency": "EUR"},
    )
    return invoice(issued.parsed)


def retrieve(command: Any, context: Context) -> Flow[Invoice]:
    """Read one."""
    answer = yield context.get("invoices", command.id, specimen={"id": command.id, "currency": "EUR"})
    return invoice(object_of(answer))


def void(command: Any, context: Context) -> Flow[Invoice]:
    """Withdraw one."""
    answer = yield context.post(
        "invoices", command.id, "void", effects=[Effect.VOIDS], specimen={"id": command.id, "currency": "EUR"}
    )
    return invoice(object_of(answer))


def update(command: Any, context: Context) -> Flow[Invoice]:
    """Change one: a writing request that no key protects."""
    answer = yield context.send("PATCH", "invoices", command.id, specimen={"id": command.id, "currency": "EUR"})
    return invoice(object_of(answer))


def delete(command: Any, context: Context) -> Flow[Invoice]:
    """Discard one: no key protects it, and none need."""
    answer = yield context.send("DELETE", "invoices", command.id, specimen={"id": command.id, "currency": "EUR"})
    return invoice(object_of(answer))


def _plan(value: Any) -> str:
    if value not in {"basic", "full"}:
        raise ValueError('it is "basic" or "full"')
    return str(value)


ACME = Provider(
    name="acme",
    title="Acme",
    reviewed="2026-11",
    api_version="7",
    base_url=lambda settings: f"https://{settings['site']}.acme.test/v1",
    auth=bearer,
    headers=lambda _settings: {"Acme-Version": "7"},
    form=None,
    idempotency=Idempotency("Acme-Key", timedelta(hours=1), DOCS, replay_header="Acme-Replayed"),
    retry_header="Acme-Retry",
    settings=(
        Setting("site", "the name before .acme.test", required=True),
        Setting("plan", "what you pay for", default="full", read=_plan),
    ),
    scope=lambda settings: settings["site"],
    mode=lambda key, _settings, _url: "test" if "test" in key else "live",
    statuses=STATUSES,
    transitions=TRANSITIONS,
    fields=FIELDS,
    errors=ERRORS,
    limits=(
        Limit("description", 10, DOCS),
        Limit("lines", 2, DOCS),
        Limit("lines[].description", 5, DOCS),
        Limit("metadata", 1, DOCS),
        Limit("metadata.key", 3, DOCS),
        Limit("metadata.value", 4, DOCS),
    ),
    money=MONEY,
    flows=Verbs(
        one_time_charge=charge,
        retrieve=retrieve,
        void=void,
        update=update,
        delete=delete,
        send_invoice=cannot("nothing is mailed", source=DOCS),
    ),
    parse=invoice,
    refusal=refusal,
    invoice_id=invoice_id,
    emulator=lambda **_: None,
)


def toy_context(**settings: Any) -> Context:
    """A context of Acme's, for the site "main"."""
    read = ACME.read_settings({"site": "main"} | settings)
    return Context(ACME, read, ACME.base_url(read))
