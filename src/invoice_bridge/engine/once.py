"""Starts verbs that move or record money, so that a reference takes effect once, whatever the journal or the key knows.

Rules of this file: the flow itself reads what the provider has under the reference before it writes; see
adapter/once.py. The journal only ever forbids a write. No clock.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.declared import History
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Command, Retrieve, verb_reference
from invoice_bridge.core.errors import Discrepancy, IdempotencyMismatch, OutcomeUnknown, ProviderError
from invoice_bridge.core.wire import Flow

__all__ = ["NotShown", "start_once"]


class NotShown(Discrepancy):
    """The journal has the success of a verb that the provider shows no longer, or not yet."""


def start_once(command: Command, context: Context, history: History) -> Flow[Any]:
    """Start the flow of a verb with a reference.

    `history.applied`: the journal has its success, so nothing is written; if the provider does not show it, that is
    said: it may have failed since. `history.unsettled`: a request of it was lost a moment ago and no key prevents a
    second effect.
    """
    flow = context.provider.flow(command, context)
    if history.applied or history.unsettled:
        flow = _reading_only(command, context, history, flow)
    return _explained(command, flow, context)


def _reading_only(command: Command, context: Context, history: History, flow: Flow[Any]) -> Flow[Any]:
    """Drive a flow up to its first write, which is not sent.

    Where the provider keeps no reference, a success that the journal has looks like somebody else's: the amount before
    is another one. It is the same call, so the invoice is read. If the amount is still the one before, the provider
    shows no such success: raises NotShown.
    """
    is_shown = False
    try:
        request = next(flow)
        while not request.writes:
            try:
                answer = yield request
            except ProviderError as refusal:
                request = flow.throw(refusal)
            else:
                request = flow.send(answer)
    except StopIteration as done:
        return done.value
    except Discrepancy:
        if not history.applied:
            raise
        is_shown = True
    flow.close()
    reference = verb_reference(command)
    if not history.applied:
        raise OutcomeUnknown(
            f"a request of the {command.noun} {reference!r} was lost a few minutes ago and may still take effect: "
            "nothing was sent. Make the same call again in five minutes",
            reference=reference,
        )
    again = Retrieve(id=getattr(command, "id", ""))
    invoice = yield from context.provider.flow(again, context.on(again))
    if not is_shown:
        raise NotShown(
            f"the journal has the {command.noun} {reference!r} of {invoice.id} as done, and {context.provider.title} "
            "does not show it: it has failed since, or its listings lag behind. Nothing was sent: look at the invoice "
            "at the provider; to do it once more, give it a new reference",
            asked=reference,
            invoice=invoice,
        )
    return invoice


def _explained(command: Command, flow: Flow[Any], context: Context) -> Flow[Any]:
    """Drive a flow; a key that was used with other content becomes IdempotencyMismatch."""
    try:
        return (yield from flow)
    except ProviderError as refusal:
        if refusal.response is None or not context.provider.classify(refusal.response).key_reused:
            raise
        raise IdempotencyMismatch(
            f"the reference {verb_reference(command)!r} was used before for another {command.verb}; nothing was done: "
            "give a new one a new reference",
        ) from refusal
