"""The scaffold's provider with other HTTP methods and other keys: what the suite must hold a third party to."""

from dataclasses import replace
from typing import Any, ClassVar

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import submit_change
from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.adapter.transitions import Transitions, transition
from invoice_bridge.core.commands import Update
from invoice_bridge.core.errors import OutcomeUnknown
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.scaffold.adapter import ACME, shapes
from invoice_bridge.scaffold.adapter.emulator import AcmeEmulator
from invoice_bridge.scaffold.adapter.tables import KEY_HEADER, KEY_WINDOW, TRANSITIONS

DOCS = "docs.acme.test/invoices/update"
UPDATE = transition(Status.DRAFT, source=DOCS)
WITH_UPDATE = Transitions({**TRANSITIONS, "update": UPDATE})


class Updating(AcmeEmulator):
    """A draft's note can be changed; how often each was done is counted."""

    transitions = WITH_UPDATE
    ROUTES = (  # type: ignore[assignment]  # two more than the scaffold's
        *AcmeEmulator.ROUTES,
        ("PUT", "/invoices/{id}", "update"),
        ("PATCH", "/invoices/{id}", "update"),
    )

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """PUT or PATCH /invoices/{id}."""
        given, row = self._body(call, {"note": str}), self._allowed("update", invoice_id)
        row |= given
        row["updates"] = row.get("updates", 0) + 1
        return self.json(row)


class Keyless(Updating):
    """It knows no keys: whatever comes twice is done twice."""

    key_header = ""
    key_methods: ClassVar[frozenset[str]] = frozenset()


class KeysOnPatch(Updating):
    """It takes keys on POST and PATCH."""

    key_methods = frozenset({"POST", "PATCH"})


def _updates(method: str) -> Any:
    def update(command: Update, context: Context) -> Flow[Invoice]:
        """Change a draft's note. Where the answer is lost, the invoice is read: it shows whether the note is there."""
        request: Request = context.send(
            method,
            "invoices",
            command.id,
            body={"note": command.description},
            specimen={"kind": "invoice", "id": command.id, "status": "draft", "currency": "EUR", "lines": []},
        )

        def read() -> Flow[Invoice]:
            response = yield context.get("invoices", command.id)
            return shapes.invoice(object_of(response))

        def after(response: Response) -> Flow[Invoice]:
            yield from ()
            return shapes.invoice(object_of(response))

        try:
            return (yield from submit_change(context, request, read, after, UPDATE))
        except OutcomeUnknown:
            invoice: Invoice = yield from read()
            if invoice.description != command.description:
                raise
            return invoice

    return update


def variant(method: str, keys: Idempotency, emulator: type[Updating]) -> Provider:
    """Acme with an update of this method, these keys and this emulator."""
    changed = replace(ACME.flows, update=_updates(method))
    sources = {**ACME.sources, "update": DOCS}
    return replace(ACME, flows=changed, sources=sources, transitions=WITH_UPDATE, idempotency=keys, emulator=emulator)


PUT = variant("PUT", replace(ACME.idempotency, repeatable=frozenset({"PUT", "DELETE"})), Updating)
PUT_ONCE = variant("PUT", ACME.idempotency, Updating)
PATCH = variant("PATCH", ACME.idempotency, Updating)
PATCH_WITH_KEYS = variant(
    "PATCH",
    Idempotency(KEY_HEADER, KEY_WINDOW, DOCS, "Idempotent-Replayed", methods=frozenset({"POST", "PATCH"})),
    KeysOnPatch,
)
KEYLESS = variant("PATCH", Idempotency.no_keys(DOCS), Keyless)
CLAIMS_KEYS = variant(
    "PATCH",
    Idempotency(KEY_HEADER, KEY_WINDOW, DOCS, "Idempotent-Replayed", methods=frozenset({"POST", "PATCH"})),
    Keyless,
)
"""Declared wrongly: its emulator knows no keys."""
