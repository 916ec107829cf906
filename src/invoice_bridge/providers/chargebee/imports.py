"""The import of history: one request for the invoice as it ended, one for each credit note; nobody is mailed.

The id of the invoice is the document's number, chosen by the caller and unique on the site for good: a lookup
searches for it, and it prevents a second import once the key is forgotten.
"""

from __future__ import annotations

from dataclasses import replace

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import History, Matches
from invoice_bridge.adapter.imported import just_made, same_document, verify_import
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import IdempotencyMismatch, NotFound, Rejected
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Effect, Flow, Request
from invoice_bridge.providers.chargebee.import_forms import (
    expected_total,
    has_note,
    import_id,
    invoice_form,
    note_form,
    note_id,
    origin_of,
    specimen,
)
from invoice_bridge.providers.chargebee.tables import QUIET
from invoice_bridge.providers.chargebee.verbs import bare_specimen, id_in, read_invoice, whole_invoice

_DUPLICATE = "duplicate_entry"


def look_up_import(command: ImportInvoice, context: Context, history: History) -> Flow[Matches]:
    """Read the invoice that has the id which the import chose: one request, exact at any distance of time."""
    del history
    try:
        invoice = yield from _read(command, context, misses=True)
    except NotFound:
        return Matches()
    return Matches((invoice,))


def _read(command: ImportInvoice, context: Context, *, misses: bool = False, noted: bool = False) -> Flow[Invoice]:
    known = import_id(command)
    answer = yield context.get(
        "invoices",
        known,
        specimen=bare_specimen(known, "paid") if misses else specimen(command, noted=noted),
        invoice_id=known,
        misses=misses,
    )
    return (yield from whole_invoice(object_of(answer), context.on(command)))


def import_invoice(command: ImportInvoice, context: Context) -> Flow[Invoice]:
    """Make the document again as it ended, then its credit notes, and compare."""
    total = expected_total(command)
    if context.existing is None:
        at = yield from _make(command, context)
    else:
        at = _is_import(command, same_document(command, context.existing, total))
    missing = [place for place in range(len(command.credit_notes)) if not has_note(at, note_id(command, place))]
    verify_import(command, at, total, is_finished=not missing)
    for place in missing:
        yield from _make_note(command, place, context)
    if missing:
        at = yield from _read(command, context, noted=True)
    return verify_import(command, at, total)


def _make(command: ImportInvoice, context: Context) -> Flow[Invoice]:
    """Send the document. An id that is taken may be this import's own, of an earlier try: it is read and compared."""
    request = context.post(
        "invoices",
        "import_invoice",
        body=invoice_form(command, context),
        step="import",
        opens=True,
        answers=("invoice", "id"),
        invoice_id=import_id(command),
        effects=_effects(command),
        specimen=specimen(command, noted=False),
    )
    try:
        answer = yield quiet(request)
    except Rejected as refusal:
        if refusal.code != _DUPLICATE:
            raise
        return (yield from _taken(command, context, refusal))
    if context.provider.is_replay(answer):
        return just_made(command, (yield from read_invoice(id_in(answer), context)))
    return just_made(command, (yield from whole_invoice(object_of(answer), context)))


def _taken(command: ImportInvoice, context: Context, refusal: Rejected) -> Flow[Invoice]:
    try:
        found = yield from _read(command, context)
    except NotFound:
        raise IdempotencyMismatch(
            f"number-taken: the id {import_id(command)!r} was used before at this site, by an invoice that is deleted; "
            "nothing was imported: give another number",
        ) from refusal
    return _is_import(command, same_document(command, found, expected_total(command)))


def _is_import(command: ImportInvoice, at: Invoice) -> Invoice:
    """Check that an invoice of this id was imported from the same document: one of the site's own may be just like it.

    Raises IdempotencyMismatch. For an import that states no source nothing shows it.
    """
    origin = origin_of(command)
    if origin is None or origin in (at.description or "").splitlines():
        return at
    raise IdempotencyMismatch(
        f"number-taken: the site has an invoice {at.id}, {at.status}, of the same customer and total, whose note does "
        f"not say {origin!r}; nothing was done to it: give the import another number",
        existing=at,
    )


def _make_note(command: ImportInvoice, place: int, context: Context) -> Flow[None]:
    """Send one credit note. One whose id is taken counts if the invoice shows it, which is compared afterwards."""
    effects = [Effect.RECORDS] if command.credit_notes[place].kind == "refund" else [Effect.RECORDS, Effect.ISSUES]
    request = context.post(
        "credit_notes",
        "import_credit_note",
        body=note_form(command, place, context),
        step=f"import-note-{place}",
        part="note",
        answers=("credit_note", "id"),
        effects=effects,
        specimen={"credit_note": {"id": note_id(command, place)}},
    )
    try:
        yield quiet(request)
    except Rejected as refusal:
        if refusal.code != _DUPLICATE:
            raise
        now = yield from _read(command, context, noted=True)
        if not has_note(now, note_id(command, place)):
            raise IdempotencyMismatch(
                f"number-taken: the credit note {note_id(command, place)!r} is there already, of another invoice; the "
                f"invoice {now.id} was imported without it: give it another number",
                existing=now,
            ) from refusal


def _effects(command: ImportInvoice) -> list[Effect]:
    """Return what an import does to the customer, who is neither mailed nor charged by it."""
    issues = command.status is Status.OPEN or (command.status is Status.PAID and bool(command.credited))
    records = bool(command.payments) or command.status in {Status.PAID, Status.UNCOLLECTIBLE}
    return [*([Effect.ISSUES] if issues else []), *([Effect.RECORDS] if records else [])]


def quiet(request: Request) -> Request:
    """Keep a request from mailing anybody, calling a webhook or starting the site's own automations."""
    return replace(request, headers={**request.headers, **dict.fromkeys(QUIET, "all-disabled")})
