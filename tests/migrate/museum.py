"""A provider that does not exist: it lists, retrieves and takes history, and can do nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from invoice_bridge import Invoice, ListInvoices
from invoice_bridge.adapter import Context, Field, Provider, Reader, StatusRow, Units, Verbs, build, cannot, object_of
from invoice_bridge.adapter.pages import Page
from invoice_bridge.adapter.rows import carried, unsent
from invoice_bridge.core.commands import read_import
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.imports import IMPORT_LEAVES, ImportInvoice
from invoice_bridge.core.model import CustomerRef, Status
from invoice_bridge.core.wire import Effect, Flow, bearer
from tests.toy import ERRORS, refusal

DOCS = "docs.museum.test"
MONEY = Units({"EUR": 2}, DOCS)
_UNSENT = {"armed", "mail"}
_FIELDS: tuple[Field, ...] = tuple(
    unsent(path, DOCS, verbs=("import_invoice",))
    if path in _UNSENT
    else carried(path, "document", DOCS, verbs=("import_invoice",))
    for path in IMPORT_LEAVES
)


def parse(data: Mapping[str, Any]) -> Invoice:
    """Read a document: it is the import, as it was stated."""
    at = Reader(data, "museum")
    stated = read_import(json.loads(at.required_text("document")))
    customer = None if stated.customer is None else CustomerRef(ids={"museum": stated.customer.at("museum") or ""})
    return build(
        "museum",
        id=at.required_text("id"),
        status=stated.status,
        native_status=str(stated.status),
        reference=stated.reference,
        currency=stated.currency,
        number=stated.number,
        customer=customer,
        lines=stated.lines,
        lines_complete=True,
        subtotal=stated.total,
        total=stated.total,
        amount_paid=stated.paid,
        amount_remaining=stated.open_amount if stated.status is Status.OPEN else stated.total - stated.total,
        issued_at=stated.issued_at,
        due_at=stated.due_at,
        paid_at=stated.paid_at,
        voided_at=stated.voided_at,
        uncollectible_at=stated.uncollectible_at,
        raw=data,
    )


def import_invoice(command: ImportInvoice, context: Context) -> Flow[Invoice]:
    """Store a document, or take the one that is there."""
    if context.existing is not None:
        return context.existing
    document = command.model_dump_json(exclude_defaults=True)
    request = context.post(
        "documents",
        body={"document": document},
        step="import",
        opens=True,
        effects=[Effect.RECORDS],
        specimen={"id": "{document.id}", "document": document},
    )
    return parse(object_of((yield request)))


def retrieve(command: Any, context: Context) -> Flow[Invoice]:
    """Read one."""
    return parse(object_of((yield context.get("documents", command.id, specimen={}))))


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read all, on one page."""
    del command
    answer = yield context.get("documents", specimen={"items": []})
    return Page(tuple(parse(row) for row in object_of(answer)["items"]))


MUSEUM = Provider(
    name="museum",
    title="Museum",
    reviewed="2026-11",
    api_version="1",
    base_url=lambda _settings: "https://museum.test/v1",
    auth=bearer,
    headers=lambda _settings: {},
    form=None,
    idempotency=Idempotency("Museum-Key", timedelta(hours=1), DOCS),
    mode=lambda _key, _settings, _url: "test",
    statuses=tuple(StatusRow(str(status), status, DOCS) for status in Status if status is not Status.UNKNOWN),
    fields=(),
    import_fields=_FIELDS,
    errors=ERRORS,
    limits=(),
    money=MONEY,
    flows=Verbs(
        one_time_charge=cannot("it keeps documents of the past alone", source=DOCS),
        import_invoice=import_invoice,
        retrieve=retrieve,
        list=page,
    ),
    parse=parse,
    refusal=refusal,
    invoice_id=lambda data: Reader(data, "museum").text("id"),
    reference_in=lambda data, _context: parse(data).reference,
    emulator=lambda **_: None,
)


@dataclass
class MuseumServer(httpx.BaseTransport):
    """The museum's documents, behind an HTTP client."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.method == "POST":
            made = {"id": f"doc_{len(self.documents) + 1}", **json.loads(request.read())}
            self.documents[made["id"]] = made
            return httpx.Response(200, json=made)
        name = request.url.path.rpartition("/")[2]
        if name == "documents":
            return httpx.Response(200, json={"items": list(self.documents.values())})
        if name not in self.documents:
            return httpx.Response(404, json={"message": "there is none", "code": "missing"})
        return httpx.Response(200, json=self.documents[name])
