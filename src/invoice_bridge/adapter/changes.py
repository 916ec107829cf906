"""Flows that change an invoice, and the meaning of their refusals."""

from __future__ import annotations

from collections.abc import Callable

from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import NewInvoice
from invoice_bridge.core.errors import (
    Declined,
    InvalidState,
    MalformedResponse,
    NotFound,
    ProviderError,
    Rejected,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Request, Response


def submit_change(
    context: Context,
    request: Request,
    read: Callable[[], Flow[Invoice]],
    after: Callable[[Response], Flow[Invoice]],
    transition: Transition,
) -> Flow[Invoice]:
    """Send a request that changes an invoice; return the invoice `after` that.

    A refusal is explained by reading the invoice afterwards: some providers' state errors have no code of their own.
    If the transition does not allow its status, the refusal becomes InvalidState, with the invoice. If an earlier try
    of this request may have worked and the transition leads to its status, it did work: no error.
    """
    try:
        answer = yield request
    except (Rejected, InvalidState, Declined) as refusal:
        try:
            found = yield from read()
        except ProviderError:
            raise refusal from None
        if refusal.repeats and found.status in transition.becomes:
            return found
        if isinstance(refusal, Declined):
            refusal.invoice = found
            raise
        refused = refusal.response
        is_about_key = refused is not None and context.provider.classify(refused).key_reused
        if is_about_key or (found.status in transition.allowed and not isinstance(refusal, InvalidState)):
            raise
        error = InvalidState(
            f"{refusal.message}; the invoice is {found.status}",
            provider=refusal.provider,
            code=refusal.code,
            status=refusal.status,
            param=refusal.param,
            request_id=refusal.request_id,
            response=refusal.response,
        )
        error.invoice = found
        raise error from refusal
    return (yield from after(answer))


def delete_draft(
    context: Context,
    request: Request,
    found: Invoice,
    read: Callable[[], Flow[Invoice]],
    *,
    says_so: Callable[[Response], bool],
    transition: Transition,
) -> Flow[Invoice]:
    """Send a request that deletes a draft that was read before; return the draft as deleted.

    A draft that was read and no longer exists is deleted: by this request, which an intermediary may have delivered
    twice, or by somebody else. Raises MalformedResponse if the answer does not confirm the deletion.
    """

    def after(answer: Response) -> Flow[Invoice]:
        yield from ()
        if not says_so(answer):
            problem = "the provider did not confirm the deletion"
            raise MalformedResponse(problem, provider=found.provider, status=answer.status, response=answer)
        return gone

    nothing = None if found.currency is None else Money.zero(found.currency)
    gone = found.model_copy(update={"status": Status.DELETED, "amount_remaining": nothing})
    try:
        return (yield from submit_change(context, request, read, after, transition))
    except NotFound:
        return gone


def check_state(invoice: Invoice, transition: Transition, problem: str, why: str = "") -> Invoice:
    """Check that an invoice, read first, may be changed this way, and return it.

    Raises InvalidState, which states the `problem` ("cannot be sent") and why: by default, its status.
    """
    if not transition.is_sent(invoice.status):
        raise invalid_state(invoice, problem, why or f"it is {invoice.status}")
    return invoice


def invalid_state(invoice: Invoice, problem: str, why: str) -> InvalidState:
    """Return the error for an invoice, read first, whose state does not allow the verb."""
    error = InvalidState(f"{invoice.id} {problem}: {why}", provider=invoice.provider)
    error.invoice = invoice
    return error


def customer_id(command: NewInvoice, context: Context, *, example: str, source: str) -> str:
    """Return the customer's id at this provider. Raises Unsupported without one: no customer is made silently."""
    found = command.customer.at(context.provider.name) if command.customer is not None else None
    if found is None:
        raise Unsupported(
            f"{context.provider.title} bills a customer by its id; none is made silently from a name or e-mail",
            source=source,
            remedy=f'pass customer="{example}", or CustomerRef(ids={{"{context.provider.name}": "{example}"}})',
        )
    return found
