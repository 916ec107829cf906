"""Stripe's verbs, one generator each. A bill is one ladder, whether it is new, resumed or looked up:

    open → add lines → compare → finalize → compare → mail or collect → compare

Stripe charges and mails nothing on its own: every invoice is made with auto_advance=false, without the customer's
pending items and discounts. The customer's balance, which Stripe still applies when it finalizes, is compared before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.answers import object_of, text_of
from invoice_bridge.adapter.changes import check_state, delete_draft, submit_change
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.lookup import PAGES
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import (
    Delete,
    Finalize,
    MarkPaid,
    MarkUncollectible,
    Pay,
    SendInvoice,
    Update,
    Void,
)
from invoice_bridge.core.errors import Discrepancy, MalformedResponse, Rejected, Unsupported
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.stripe.shapes import invoice
from invoice_bridge.providers.stripe.tables import REFERENCE_KEY, TRANSITIONS

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceFinalizeInvoiceParams,
        InvoicePayParams,
        InvoiceUpdateParams,
    )


_EPOCH, _SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)
_PAGE = 100
_PAYMENTS = (
    "expand[0]",
    "payments.data.payment.payment_intent",
)  # without it an invoice does not show pending payments


def check_keys(metadata: Mapping[str, str]) -> None:
    """Raise Unsupported for metadata keys that Stripe would interpret."""
    if REFERENCE_KEY in metadata:
        raise Unsupported(f"the metadata key {REFERENCE_KEY} carries the reference", remedy="use another key")
    if wrong := [key for key in metadata if not key or "[" in key or "]" in key]:
        raise Unsupported(
            f"the metadata key {wrong[0]!r} cannot be written in a form: it is empty or has square brackets",
            source="docs.stripe.com/api/metadata",
            remedy="use another key",
        )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def read_invoice(
    invoice_id: str, context: Context, *, payments: bool = False, specimen: Mapping[str, Any] | None = None
) -> Flow[Invoice]:
    """Retrieve an invoice whole, all pages of its lines."""
    answer = yield context.get(
        "v1",
        "invoices",
        invoice_id,
        query=[_PAYMENTS] if payments else [],
        specimen=bare_specimen(invoice_id, "open") if specimen is None else specimen,
        invoice_id=invoice_id,
    )
    return (yield from whole_lines(object_of(answer), context))


def read_answer(answer: Response, context: Context) -> Flow[Invoice]:
    """Return the invoice after a write. A replayed answer may be old, so the invoice is read again."""
    if context.provider.is_replay(answer):
        return (yield from read_invoice(text_of(answer, "id"), context))
    return (yield from whole_lines(object_of(answer), context))


def whole_lines(data: Mapping[str, Any], context: Context) -> Flow[Invoice]:
    """Complete the lines of an invoice: its answer has the first ten, the rest is paged."""
    first = invoice(data)
    return first if first.lines_complete else invoice(data, all_lines=(yield from all_lines(first, context)))


def all_lines(first: Invoice, context: Context) -> Flow[list[Mapping[str, Any]]]:
    """Return all lines of an invoice in Stripe's form."""
    rows = yield from listed_rows(context, ("v1", "invoices", first.id, "lines"), [])
    return [row.data for row in rows]


def listed_rows(
    context: Context,
    path: Sequence[str],
    query: Sequence[tuple[str, object]],
    *,
    specimen: Mapping[str, Any] | None = None,
    note: str = "",
) -> Flow[list[Reader]]:
    """Return all rows of a listing, page by page. Raises MalformedResponse if it does not end."""
    rows: list[Reader] = []
    after: list[tuple[str, object]] = []
    for _ in range(PAGES):
        answer = yield context.get(*path, query=[*query, ("limit", _PAGE), *after], specimen=specimen, note=note)
        found = Reader(object_of(answer), "stripe").listing("data")
        rows += found
        if not goes_on(answer, found):
            return rows
        following: list[tuple[str, object]] = [("starting_after", found[-1].required_text("id"))]
        if following == after:
            raise MalformedResponse("the listing returns the same page again", provider="stripe", response=answer)
        after = following
    raise MalformedResponse(f"the listing continues after {PAGES} pages of {_PAGE}", provider="stripe")


def goes_on(answer: Response, rows: Sequence[Reader]) -> bool:
    """Return whether a listing has another page. Raises MalformedResponse where it does not say so, or not where."""
    more = object_of(answer).get("has_more")
    if not isinstance(more, bool):
        raise MalformedResponse("the listing does not say whether it goes on", provider="stripe", response=answer)
    if more and not rows:
        raise MalformedResponse("the listing goes on after an empty page", provider="stripe", response=answer)
    return more


def ceil(instant: datetime) -> int:
    """Return the first whole second that is not before an instant."""
    return -((_EPOCH - instant) // _SECOND)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Turn a draft into an open invoice; nothing is charged or mailed."""
    request = finalize_request(command.id, context, bare_specimen(command.id, "open"))
    return changed(command.id, context, request, TRANSITIONS["finalize"])


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect an open invoice. Reads it first: Stripe's `pay` would finalize and charge a draft in one call."""
    transition = TRANSITIONS["pay"]
    payable(command, (yield from read_invoice(command.id, context, payments=True)), transition)
    form: InvoicePayParams = {} if command.payment_method is None else {"payment_method": command.payment_method}
    return (yield from _paid(command.id, context, form, transition))


def record_payment(command: MarkPaid, context: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere. Reads first, for the same reason as `collect`."""
    transition = TRANSITIONS["mark_paid"]
    payable(Pay(id=command.id), (yield from read_invoice(command.id, context, payments=True)), transition)
    return (yield from _paid(command.id, context, {"paid_out_of_band": True}, transition))


def _paid(invoice_id: str, context: Context, form: InvoicePayParams, transition: Transition) -> Flow[Invoice]:
    specimen = bare_specimen(invoice_id, "paid")
    request = post_form(invoice_id, "pay", context, form, effects=transition.effects, specimen=specimen)
    return changed(invoice_id, context, request, transition)


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Void an open invoice; the documentation allows an uncollectible one too (not observed)."""
    transition, specimen = TRANSITIONS["void"], bare_specimen(command.id, "void")
    request = post_form(command.id, "void", context, effects=transition.effects, specimen=specimen)
    return changed(command.id, context, request, transition)


def mark_uncollectible(command: MarkUncollectible, context: Context) -> Flow[Invoice]:
    """Write an open invoice off as a bad debt."""
    transition, specimen = TRANSITIONS["mark_uncollectible"], bare_specimen(command.id, "uncollectible")
    request = post_form(command.id, "mark_uncollectible", context, effects=transition.effects, specimen=specimen)
    return changed(command.id, context, request, transition)


def mail(command: SendInvoice, context: Context) -> Flow[Invoice]:
    """Mail an open invoice. Reads it first: Stripe's `send` would finalize a draft, and refuses a manual invoice."""
    transition = TRANSITIONS["send_invoice"]
    found = check_state((yield from read_invoice(command.id, context)), transition, "cannot be sent")
    if found.collection is not None and found.collection.kind == "manual":
        yield from _made_mailable(command, context)
    note = "a manual invoice is changed first: collection_method=send_invoice, days_until_due=0 (payable at once)"
    request = post_form(
        command.id, "send", context, effects=transition.effects, specimen=bare_specimen(command.id, "open"), note=note
    )
    return (yield from changed(command.id, context, request, transition))


def _made_mailable(command: SendInvoice, context: Context) -> Flow[None]:
    """Make a manual invoice mailable: Stripe mails only invoices of send_invoice, which need a due date.

    It is payable at once then. The sources disagree on whether an open invoice can be changed like this: if not,
    Stripe refuses the request to mail it in its own words.
    """
    form: InvoiceUpdateParams = {"collection_method": "send_invoice", "days_until_due": 0}
    request = context.post(
        "v1",
        "invoices",
        command.id,
        body=form,
        step="mailable",
        specimen=bare_specimen(command.id, "open"),
        invoice_id=command.id,
    )
    with suppress(Rejected):
        yield from changed(command.id, context, request, TRANSITIONS["send_invoice"])


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change a draft, or the metadata of an issued invoice."""
    form: InvoiceUpdateParams = {}
    if command.description is not None:
        form["description"] = command.description
    if command.due_at is not None:
        form["due_date"] = unix_seconds(command.due_at)
    if command.metadata is not None:
        check_keys(command.metadata)
        form["metadata"] = dict(command.metadata)
    request = context.post(
        "v1",
        "invoices",
        command.id,
        body=form,
        step="update",
        specimen=bare_specimen(command.id, "draft"),
        invoice_id=command.id,
    )
    transition = TRANSITIONS["update"].of_fields(form.keys())

    def after(answer: Response) -> Flow[Invoice]:
        at = yield from read_answer(answer, context)
        if context.provider.is_replay(answer) and not _shows(command, at):
            raise Discrepancy(
                f"the same change of {command.id} was made before, and the invoice changed since: Stripe repeated "
                "its earlier answer and changed nothing; raise attempt to change it again",
                asked=command,
                found=at,
            )
        return at

    return (yield from submit_change(context, request, lambda: read_invoice(command.id, context), after, transition))


def _shows(command: Update, at: Invoice) -> bool:
    return (
        (command.description is None or (at.description or "") == command.description)
        and (command.due_at is None or at.due_at == command.due_at)
        and all(at.metadata.get(key, "") == value for key, value in (command.metadata or {}).items())
    )


def delete(command: Delete, context: Context) -> Flow[Invoice]:
    """Delete a draft. Reads it first, because the answer to DELETE has only the id."""
    found = yield from read_invoice(command.id, context)
    specimen = {"id": command.id, "object": "invoice", "deleted": True}
    request = context.send("DELETE", "v1", "invoices", command.id, specimen=specimen, invoice_id=command.id)
    return (
        yield from delete_draft(
            context,
            request,
            found,
            lambda: read_invoice(command.id, context),
            says_so=lambda answer: object_of(answer).get("deleted") is True,
            transition=TRANSITIONS["delete"],
        )
    )


def finalize_request(invoice_id: str, context: Context, specimen: Mapping[str, Any]) -> Request:
    """Return the request that finalizes a draft without a further step of Stripe's own."""
    form: InvoiceFinalizeInvoiceParams = {"auto_advance": False}
    effects = TRANSITIONS["finalize"].effects
    return post_form(invoice_id, "finalize", context, form, step="finalize", effects=effects, specimen=specimen)


def post_form(
    invoice_id: str, action: str, context: Context, form: Mapping[str, Any] | None = None, **what: Any
) -> Request:
    """Return the request of an action on an invoice."""
    return context.post("v1", "invoices", invoice_id, action, body=form or None, invoice_id=invoice_id, **what)


def changed(invoice_id: str, context: Context, request: Request, transition: Transition) -> Flow[Invoice]:
    """Send a change and read the answer; the invoice's status by then decides what a refusal means."""

    def after(answer: Response) -> Flow[Invoice]:
        return read_answer(answer, context)

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str) -> dict[str, Any]:
    """Return the successful answer about an invoice, as far as a verb needs it."""
    return {"id": invoice_id, "object": "invoice", "status": status, "currency": "eur", "lines": {"data": []}}
