"""A toy provider that lists, and a desk that answers for it: what the tests of the look are driven with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime, timedelta
from typing import Any

from invoice_bridge import (
    Invoice,
    ListInvoices,
    MalformedResponse,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Rejected,
    Status,
)
from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.checks import same_bill
from invoice_bridge.adapter.declared import ErrorRow, History
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context, Provider, Verbs
from invoice_bridge.adapter.reading import Reader, build
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.commands import Bill
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Fate, Severity
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.engine.lookup import start
from tests.toy import ACME, DOCS, ERRORS, FIELDS, MONEY, toy_context

CHARGE = OneTimeCharge(reference="res-1", customer="buy_1", amount=Money(1900, "EUR"))
MAY = PeriodInvoice(reference="may", customer="buy_1", currency="EUR", period=Period.month(2026, 5))
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
STATUSES = {"draft": Status.DRAFT, "posted": Status.OPEN, "void": Status.VOID, "gone": Status.DELETED}
UNCARRIED = Field(
    "reference", "", DOCS, fate=Fate.DROPPED, severity=Severity.INFO, code="IB-ACME-REF-01", why="there is no field"
)


def bill_of(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice, its reference included."""
    at = Reader(data, "acme")
    return build(
        "acme",
        id=at.required_text("id"),
        status=STATUSES.get(at.text("status") or "", Status.UNKNOWN),
        native_status=at.text("status"),
        currency="EUR",
        subtotal=at.money("total", MONEY, "EUR"),
        reference=at.text("ref"),
        raw=data,
    )


def charge(command: Any, context: Context) -> Flow[Invoice]:
    """Open an invoice, or take the one that was found."""
    if context.existing is not None:
        return same_bill(command, context.existing)
    body = {"ref": command.reference, "amount": MONEY.to_units(command.total)}
    request = context.post("invoices", body=body, step="open", specimen={"id": "{open.id}"}, opens=True)
    return bill_of((yield request).parsed)


def period(command: Any, context: Context) -> Flow[Invoice]:
    """Bill what has accrued, or take the invoice that was found."""
    if context.existing is not None:
        return same_bill(command, context.existing)
    yield context.get("charges", specimen={})
    return bill_of((yield context.post("invoices", step="open", specimen={"id": "{open.id}"}, opens=True)).parsed)


def retrieve(command: Any, context: Context) -> Flow[Invoice]:
    """Read one."""
    return bill_of((yield context.get("invoices", command.id, specimen={"id": command.id})).parsed)


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page."""
    pairs = [("from", command.created_from.isoformat())] if command.created_from else []
    pairs += [("buyer", command.customer.id or "")] if command.customer else []
    pairs += [("after", command.cursor)] if command.cursor else []
    answer = yield context.get("invoices", query=pairs, specimen={"items": [{"id": "{listed.id}"}]})
    items: list[Invoice | Unreadable] = []
    for row in object_of(answer)["items"]:
        try:
            items.append(bill_of(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    after = object_of(answer).get("next")
    return Page(tuple(items), command.model_copy(update={"cursor": after}) if after else None)


FLOWS = Verbs(one_time_charge=charge, period_invoice=period, retrieve=retrieve, list=page)
REUSED = ErrorRow(Rejected, DOCS, code="key_reused", key_reused=True)
LISTING: Provider = replace(ACME, flows=FLOWS, parse=bill_of, errors=(REUSED, *ERRORS), limits=())


KNOWN = {field.name for field in dataclass_fields(History)}


def begin(command: Bill, *, provider: Provider | None = None, lookup: Lookup = "auto", **said: Any) -> Flow[Any]:
    """Begin a bill with what is known of its earlier tries: the fields of a History, and those of its context."""
    history = History(**{name: value for name, value in said.items() if name in KNOWN})
    context = use_of(command, **{name: value for name, value in said.items() if name not in KNOWN})
    return start(command, context if provider is None else replace(context, provider=provider), history, lookup=lookup)


def use_of(command: Bill, *, hours: int = 1, **said: Any) -> Context:
    """The context of a bill at a provider that remembers keys for so many hours."""
    fields = said.pop("fields", FIELDS)
    flows = said.pop("flows", FLOWS)
    window = replace(ACME.idempotency, window=timedelta(hours=hours))
    provider = replace(LISTING, idempotency=window, fields=fields, flows=flows)
    return replace(toy_context(), provider=provider, **said).on(command)


@dataclass
class Desk:
    """Acme's answers: the invoices it holds, in pages, and what it was asked."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 100
    refuses: str = ""
    sent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        path = request.url.removeprefix("https://main.acme.test/v1")
        self.sent.append(f"{request.method} {path}")
        self.notes.append(request.note)
        if request.writes and self.refuses:
            return Response(400, dumps({"message": "no", "code": self.refuses}), provider="acme")
        if request.writes:
            return self._said({"id": "in_new", "status": "posted", "ref": "res-1", "total": 1900})
        if path.startswith("/invoices/"):
            mine = [row for row in self.rows if row["id"] == path.removeprefix("/invoices/")]
            return self._said(mine[0] | {"status": mine[0].get("now", mine[0]["status"])}) if mine else self._none()
        begins = int(path.partition("after=")[2] or 0)
        ends = begins + self.size
        shown = [row for row in self.rows if not row.get("hidden")]
        return self._said({"items": shown[begins:ends], "next": str(ends) if ends < len(shown) else None})

    def _said(self, body: Any) -> Response:
        return Response(200, dumps(body), provider="acme")

    def _none(self) -> Response:
        return Response(404, b'{"message":"none","code":"missing"}', provider="acme")


def row(number: int, **said: Any) -> dict[str, Any]:
    """An invoice as Acme writes it."""
    return {"id": f"in_{number}", "status": "posted", "ref": f"other-{number}", "total": 1900} | said


def mine(number: int = 1, **said: Any) -> dict[str, Any]:
    """An invoice that carries the reference."""
    return row(number, ref="res-1", **said)


def run(flow: Flow[Any], desk: Desk) -> Any:
    """Answer a flow's requests at the desk until it is done."""
    try:
        request = next(flow)
        while True:
            answer = desk(request)
            request = flow.send(answer) if answer.status < 300 else flow.throw(LISTING.error(answer))
    except StopIteration as done:
        return done.value
