"""What an import may do and how it must end: history is not a charge.

Rules of this file: an adapter is not trusted with this. A request that would mail the customer or collect is refused
here before it is sent, whichever flow made it.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import Discrepancy, ProviderError, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Effect, Flow, Request

__all__ = ["check_imported", "keep_quiet"]


def keep_quiet(command: ImportInvoice, context: Context, flow: Flow[Any]) -> Flow[Any]:
    """Drive the flow of an import; refuse a request that collects, and one that mails unless that was asked for.

    Raises Unsupported before such a request is sent. An open invoice is mailed only with `mail=True`.
    """
    try:
        request = next(flow)
        while True:
            _check_effects(command, context, request)
            try:
                answer = yield request
            except ProviderError as refusal:
                request = flow.throw(refusal)
            else:
                request = flow.send(answer)
    except StopIteration as done:
        return done.value


def _check_effects(command: ImportInvoice, context: Context, request: Request) -> None:
    loud = request.effects & {Effect.COLLECTS, Effect.REFUNDS, *([] if command.mail else [Effect.MAILS])}
    if loud:
        raise Unsupported(
            f"{context.provider.title}: {request.method} {request.path} {' and '.join(sorted(loud))}, and an import is "
            "no charge; it was not sent",
            remedy="import an open invoice with mail=True where the provider mails what it makes"
            if loud == {Effect.MAILS} and command.status is Status.OPEN
            else "this is a defect of the adapter: report it",
        )


def check_imported(command: ImportInvoice, done: Invoice) -> None:
    """Check that an import ended as the document did. Raises Discrepancy with the invoice as it is."""
    expected = {command.status} | ({Status.DRAFT} if not command.armed else set())
    if done.status in expected:
        return
    raise Discrepancy(
        f"{done.id} should have been imported as {command.status}, but the provider states that it is {done.status} "
        f"({done.native_status}). Import it again to continue from there",
        asked=str(command.status),
        found=str(done.status),
        invoice=done,
    )
