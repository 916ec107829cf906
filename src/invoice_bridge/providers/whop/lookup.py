"""The lookup of a bill at Whop, by its reference, which is on the plan and not on the invoice."""

from __future__ import annotations

from invoice_bridge.adapter.declared import History, Matches
from invoice_bridge.adapter.lookup import PAGES, annotated, find, lookup_start, refresh
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import (
    Find,
    ListInvoices,
    NewInvoice,
)
from invoice_bridge.core.errors import (
    MalformedResponse,
    NotFound,
    ServerError,
    Unauthorized,
    Unsupported,
)
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.whop.shapes import invoice, plan_id, with_plan
from invoice_bridge.providers.whop.verbs import about, listed_rows, plan_request

_PLANS_READ = 300  # the maximum of one lookup, at one request each: half of Whop's limit per minute
_LOOKED_AT = "lookup: the plan has the reference; repeats for each invoice listed, newest first"


def look(command: NewInvoice | Find, context: Context, history: History) -> Flow[Matches]:
    """Find every invoice of a bill's reference. The reference is on the plan: one read for each listed invoice.

    It lists the whole account, newest first, back to a day before `history.since` if that is known, at most 300. A
    plan that cannot be read is a gap, also for lack of permission (plan:basic:read).
    """
    seen: list[Invoice] = []
    gap, read = "", 0
    listing = ListInvoices(created_from=lookup_start(history))
    for _ in range(PAGES):
        rows, following = yield from annotated(listed_rows(listing, context))
        for row in rows:
            if read == _PLANS_READ:
                return Matches(tuple(seen), f"the account has more invoices than the {read} that were checked")
            read += 1
            try:
                one = yield from _sighted(row, command, context)
            except Unauthorized as refusal:  # then no other one can be read either
                told = f"the key may not read the plans, which have the references ({refusal.message})"
                return Matches(tuple(seen), f"{told}: give it the permission plan:basic:read")
            seen += one.invoices
            gap = one.gap or gap
        if following is None:
            return Matches(tuple(seen), gap)
        listing = following
    return Matches(tuple(seen), f"the listing continues after {PAGES} pages")


def find_by_reference(command: Find, context: Context) -> Flow[Invoice]:
    """Find the invoice with a reference among the newest 300 of the account.

    A customer's listing would not be shorter: items of a listing name no member, so each plan is read.
    """
    try:
        return (yield from find(command, context))
    except Unsupported as refusal:
        raise Unsupported(
            refusal.reason,
            source="whop-sdk 2.6.0, InvoiceListItem: neither a reference nor a member",
            remedy="retrieve it by its id (inv_…), which Whop's dashboard and your journal have",
        ) from refusal


def _sighted(row: Reader, command: NewInvoice | Find, context: Context) -> Flow[Matches]:
    """Return whether a listed invoice carries the reference."""
    which = row.text("id") or "an invoice without an id"
    unread = Matches(gap=f"the plan of {which}, which has its reference, does not exist")
    if (plan := plan_id(row.data)) is None:
        return unread
    try:
        told = yield plan_request(plan, context, _LOOKED_AT)
        shown = about(told, plan)
    except NotFound:
        return unread
    if Reader(shown, "whop").text("internal_notes") != command.reference:
        return Matches()
    try:
        now = yield from annotated(refresh(with_plan(invoice(row.data), shown), context))
        return Matches() if now is None else Matches((now,))
    except MalformedResponse as error:
        if isinstance(error, ServerError):  # a proxy's page: the next try may succeed
            raise
        return Matches(gap=f"{which} carries it and cannot be read: {error.message}")
