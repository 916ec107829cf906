"""One call from its command to its end: lookup if needed, requests, retries, resumption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invoice_bridge.adapter.declared import History
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Command, NewInvoice
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.wire import Flow, Steps
from invoice_bridge.engine.lookup import resume, start
from invoice_bridge.engine.supervise import Policy, supervise


def steps_of(
    command: Command,
    context: Context,
    history: History,
    *,
    lookup: Lookup,
    policy: Policy,
    before: Callable[[], object] = lambda: None,
) -> Steps[Any]:
    """Return the steps of a whole call: what a runner sends and waits for, until the command's result.

    `before` runs once, after the first request is made and before it is sent. A bill whose request failed with an
    unknown outcome is looked up, unless `lookup` is "never".
    """
    flow = start(command, context, history, lookup=lookup)
    if not isinstance(command, NewInvoice) or lookup == "never":
        return supervise(flow, context, policy, before)

    def again() -> Flow[Any]:
        return resume(command, context, history)

    return supervise(flow, context, policy, before, again)
