"""Whop's verbs, one generator each. A bill is one request: POST /invoices makes it, and mails or charges it at once.

No step separates making and charging, so all checks come before that request, and the result is compared afterwards
with the plan that Whop charges for. A draft mails and charges nothing. An invoice that the lookup finds is compared
in the same way, and nothing is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from invoice_bridge.adapter.answers import json_of, object_of
from invoice_bridge.adapter.changes import check_state, delete_draft, submit_change
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import (
    Delete,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Pay,
    Retrieve,
    SendInvoice,
    Update,
    Void,
)
from invoice_bridge.core.errors import (
    MalformedResponse,
    NotFound,
    Unauthorized,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.whop.shapes import invoice, payment_id, plan_id, price_of, with_payment, with_plan
from invoice_bridge.providers.whop.tables import LEGACY_ID, NATIVE_ID, TRANSITIONS

CREATE = "whop-sdk 2.6.0, CreateInvoicesRequest"
_MILLISECOND = timedelta(milliseconds=1)
# past_due is a second word for open, and it is not confirmed that a query accepts several statuses: so a listing of
# open invoices has no filter at the server
_NATIVE = {status: status.value for status in (Status.DRAFT, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)}


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice with the fields of its plan and its payment."""
    return _read(legacy_id(command.id), context)


def legacy_id(invoice_id: str) -> str:
    """Return the id of a legacy invoice. Raises Unsupported for others, including the public tokens that read one."""
    if invoice_id.startswith(LEGACY_ID):
        return invoice_id
    if invoice_id.startswith(NATIVE_ID):
        raise Unsupported(
            f"{invoice_id} is a native Whop invoice or a payment; the legacy API, which this adapter uses, reads "
            "neither",
            source="docs.whop.com/developer/guides/migrate-from-legacy-invoices",
            remedy="use its inv_… id if it has one",
        )
    raise Unsupported(f"{invoice_id[:40]!r} is not the id of a Whop invoice: an id begins with {LEGACY_ID}")


def invoice_request(invoice_id: str, context: Context, specimen: Mapping[str, Any] | None = None) -> Request:
    """Return the request for one invoice."""
    return context.get(
        "invoices", invoice_id, specimen=specimen or bare_specimen(invoice_id, "open"), invoice_id=invoice_id
    )


def _glance(invoice_id: str, context: Context) -> Flow[Invoice]:
    """Read an invoice alone, for its present state."""
    answer = yield invoice_request(invoice_id, context)
    return invoice(object_of(answer))


def _read(invoice_id: str, context: Context, specimen: Mapping[str, Any] | None = None) -> Flow[Invoice]:
    return (yield from _whole((yield invoice_request(invoice_id, context, specimen)), context))


def _whole(answer: Response, context: Context) -> Flow[Invoice]:
    found, _ = yield from complete_invoice(answer, context)
    return found


def complete_invoice(answer: Response, context: Context) -> Flow[tuple[Invoice, Money | None]]:
    """Complete an invoice with the fields of its plan and payment, and return the plan's price.

    Reading those needs further permissions (plan:basic:read, payment:basic:read); without them their fields stay None.
    """
    data = object_of(answer)
    found, price = invoice(data), None
    if (plan := plan_id(data)) is not None:
        told = yield from _allowed(plan_request(plan, context, "the reference and the exact price"))
        if told is not None:
            shown = about(told, plan)
            found, price = with_plan(found, shown), price_of(found, shown)
    if (payment := payment_id(data)) is not None:
        request = context.get("payments", payment, specimen={"id": payment}, note="when it was paid, and how much")
        told = yield from _allowed(request)
        if told is not None:
            found = with_payment(found, about(told, payment))
    return found, price


def plan_request(plan: str, context: Context, note: str) -> Request:
    """Return the request for a plan, which has the reference and the exact price."""
    return context.get("plans", plan, specimen={"id": plan}, note=note)


def about(answer: Response, wanted: str) -> Mapping[str, Any]:
    """Return the object of an answer. Raises MalformedResponse if it is not the requested one."""
    at = Reader(object_of(answer), "whop")
    if at.text("id") != wanted:
        raise at.fault("id", f"is not {wanted}: an intermediary mixes up answers")
    return object_of(answer)


def _allowed(request: Request) -> Flow[Response | None]:
    try:
        return (yield request)
    except (Unauthorized, NotFound):
        return None


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first.

    Items of a listing are a part of the invoice; `full` retrieves each, and so does a filter by customer, because
    items lack it.
    """
    if command.customer is not None and command.customer.at(context.provider.name) is None:
        raise Unsupported("Whop's invoices are filtered by the id of a member", remedy='pass customer="mber_…"')
    rows, following = yield from listed_rows(command, context)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            found = invoice(row.data)
            items.append(
                (yield from _read(found.id, context)) if command.full or command.customer is not None else found
            )
        except MalformedResponse as error:
            items.append(Unreadable(row.data, error))
        except NotFound:  # a draft that was deleted since the page was read
            continue
    return Page(tuple(items), following)


def listed_rows(command: ListInvoices, context: Context) -> Flow[tuple[list[Reader], ListInvoices | None]]:
    """Read one page of the listing, and return the command for the next."""
    listed = bare_specimen(LEGACY_ID + "{listed.id}", "open", plan="{listed.plan}")
    answer = yield context.get(
        "invoices", query=_filters(command, context), specimen={"data": [listed], "page_info": {"has_next_page": False}}
    )
    at = Reader(object_of(answer), "whop")
    more = at.child("page_info").flag("has_next_page")  # the last page has an end_cursor too
    if more is None or not isinstance(object_of(answer).get("data"), list):
        problem = "the listing has no $.data, or does not state whether it continues"
        raise MalformedResponse(problem, provider="whop", status=answer.status, response=answer)
    cursor = {"cursor": at.child("page_info").required_text("end_cursor")} if more else {}
    return at.children("data"), command.model_copy(update=cursor) if more else None


def _filters(command: ListInvoices, context: Context) -> list[tuple[str, object]]:
    """Return the filters: always the account's; the others narrow to a superset, which is filtered again."""
    pairs: list[tuple[str, object]] = [("account_id", context.settings["account_id"]), ("first", command.limit)]
    pairs += [("order", "created_at"), ("direction", "desc")]
    if command.cursor is not None:
        pairs.append(("after", command.cursor))
    if command.status is not None and command.status in _NATIVE:
        pairs.append(("statuses", _NATIVE[command.status]))
    if command.created_from is not None:  # whole milliseconds, one wider: no page says whether the bounds are inclusive
        pairs.append(("created_after", _bound(command.created_from, -1)))
    if command.created_to is not None:
        pairs.append(("created_before", _bound(command.created_to, 2)))
    return pairs


def _bound(instant: datetime, wider: int) -> str:
    whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    try:
        return rfc3339_millis(whole + wider * _MILLISECOND)
    except OverflowError:
        return rfc3339_millis(whole)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def record_payment(command: MarkPaid, context: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere. Reads first: during a pending bank payment it would be paid twice."""
    transition = TRANSITIONS["mark_paid"]
    payable(Pay(id=command.id), (yield from _glance(legacy_id(command.id), context)), transition)
    return (yield from _change(command.id, "mark_paid", context, transition))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Void an open invoice for good."""
    return _change(command.id, "void", context, TRANSITIONS["void"])


def mark_uncollectible(command: MarkUncollectible, context: Context) -> Flow[Invoice]:
    """Write an open invoice off as a bad debt."""
    return _change(command.id, "mark_uncollectible", context, TRANSITIONS["mark_uncollectible"])


def mail(command: SendInvoice, context: Context) -> Flow[Invoice]:
    """Mail an open invoice again. Reads first: `resend` on other statuses is not documented."""
    transition = TRANSITIONS["send_invoice"]
    check_state((yield from _glance(legacy_id(command.id), context)), transition, "cannot be sent")
    return (yield from _change(command.id, "resend", context, transition))


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change the description or the due date of a draft. PATCH takes no key: a lost one stays unknown."""
    if command.metadata is not None:
        raise Unsupported(
            "Whop's legacy invoices have no metadata",
            source=CREATE,
            remedy="keep it in your own records, under the reference",
        )
    body: dict[str, Any] = {}
    if command.description is not None:
        body["plan"] = {"description": command.description}
    if command.due_at is not None:
        body["due_date"] = rfc3339_millis(command.due_at)
    invoice_id = legacy_id(command.id)
    request = context.send(
        "PATCH", "invoices", invoice_id, body=body, specimen=bare_specimen(invoice_id, "draft"), invoice_id=invoice_id
    )

    def after(answer: Response) -> Flow[Invoice]:
        return _whole(answer, context)

    return (
        yield from submit_change(context, request, lambda: _read(invoice_id, context), after, TRANSITIONS["update"])
    )


def delete(command: Delete, context: Context) -> Flow[Invoice]:
    """Delete a draft. Reads it first: the answer is a bare `true`."""
    transition = TRANSITIONS["delete"]
    draft = bare_specimen(legacy_id(command.id), "draft")
    found = check_state((yield from _read(command.id, context, draft)), transition, "cannot be deleted")
    request = context.send("DELETE", "invoices", found.id, specimen=True, invoice_id=found.id)
    return (
        yield from delete_draft(
            context, request, found, lambda: _glance(found.id, context), says_so=_is_true, transition=transition
        )
    )


def _change(invoice_id: str, action: str, context: Context, transition: Transition) -> Flow[Invoice]:
    """Change an open invoice, then read it: the answer is a bare `true`."""
    status = next(iter(transition.becomes), Status.OPEN).value

    def after(answer: Response) -> Flow[Invoice]:
        if not _is_true(answer):
            raise MalformedResponse("the answer is not `true`", provider="whop", status=answer.status, response=answer)
        return (
            yield from _whole((yield invoice_request(invoice_id, context, bare_specimen(invoice_id, status))), context)
        )

    request = context.post(
        "invoices", legacy_id(invoice_id), action, effects=transition.effects, specimen=True, invoice_id=invoice_id
    )
    return submit_change(context, request, lambda: _read(invoice_id, context), after, transition)


def _is_true(answer: Response) -> bool:
    return json_of(answer) is True


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str, currency: str = "usd", plan: str = "{plan.id}") -> dict[str, Any]:
    """Return the successful answer about an invoice, as far as a verb needs it."""
    return {"id": invoice_id, "status": status, "current_plan": {"id": plan, "currency": currency}, "line_items": []}
