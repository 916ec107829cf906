"""The lookup of a bill in Stripe's search index, by the reference in its metadata.

The index lags by under a minute as a rule and up to an hour in outages, and the idempotency key covers a day
(docs.stripe.com/api/invoices/search). Merchants in India have no search: there the customer's listing is read
instead.
"""

from __future__ import annotations

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.declared import History, Matches
from invoice_bridge.adapter.lookup import find_in_listing, refresh
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import Find, NewInvoice
from invoice_bridge.core.errors import MalformedResponse, NotFound, Rejected
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Flow, Response
from invoice_bridge.providers.stripe.shapes import invoice
from invoice_bridge.providers.stripe.tables import REFERENCE_KEY

_HITS = 100
_PAGES = 5


def _hits(answer: Response) -> list[Reader]:
    at = Reader(object_of(answer), "stripe")
    if at.text("object") != "search_result":
        raise at.fault("object", "is not search_result: the answer belongs to another request")
    return at.listing("data")


def _is_about_keys(refusal: Rejected | NotFound, context: Context) -> bool:
    """Return whether a refusal concerns an idempotency key, which no search has."""
    row = None if refusal.response is None else context.provider.classify(refusal.response)
    return row is not None and (row.key_reused or row.maybe_applied)


def search(command: NewInvoice | Find, context: Context, history: History) -> Flow[Matches]:
    """Find every invoice with a bill's reference, of any customer, each in its present state.

    Hits are filtered by the exact reference: it is not confirmed how the index compares texts. If Stripe itself
    refuses the search, the listing is read.
    """
    quoted = command.reference.replace("\\", "\\\\").replace("'", "\\'")
    query = [("query", f"metadata['{REFERENCE_KEY}']:'{quoted}'"), ("limit", _HITS)]
    found: dict[str, Invoice] = {}
    following: list[tuple[str, object]] = []
    for _ in range(_PAGES):
        request = context.get(
            "v1",
            "invoices",
            "search",
            query=[*query, *following],
            specimen={"object": "search_result", "data": [], "has_more": False},
            searches=True,
        )
        try:
            answer = yield request
        except (Rejected, NotFound) as refusal:
            if isinstance(refusal, MalformedResponse) or _is_about_keys(refusal, context):
                raise
            return (yield from find_in_listing(command, context, history))
        for row in _hits(answer):
            try:
                hit = invoice(row.data)
            except MalformedResponse as problem:
                return Matches(
                    tuple(found.values()), f"an invoice that may have the reference cannot be read: {problem.message}"
                )
            if hit.reference == command.reference and hit.id not in found:
                now = yield from refresh(hit, context)
                if now is not None:  # ids never change: a missing invoice is a deleted draft
                    found[hit.id] = now
        page = Reader(object_of(answer), "stripe").text("next_page")
        if object_of(answer).get("has_more") is not True or page is None:
            return Matches(tuple(found.values()))
        following = [("page", page)]
    return Matches(tuple(found.values()), f"the search continues after {_PAGES} pages")
