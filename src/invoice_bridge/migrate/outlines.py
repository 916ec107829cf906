"""What an import will send: how many requests, with which effects, losing what; or why it is refused.

Rules of this file: each import is walked up to its first write, before which a provider refuses whatever it refuses.
The requests that follow depend on the form of the document alone, so they are walked once for each form: which fields
it states, its status, its words, and how each amount compares with zero and with the total.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.engine.lookup import start
from invoice_bridge.explain import outline

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context
    from invoice_bridge.core.commands import ImportInvoice
    from invoice_bridge.core.losses import Loss

__all__ = ["Outline", "Outlines", "form_of"]

_FREE = frozenset({
    "reference", "number", "id", "description", "name", "email", "issued_at", "due_at", "paid_at", "voided_at",
    "uncollectible_at", "at", "start", "end", "purchase_order", "footer", "subscription", "product", "price", "line1",
    "line2", "city", "postal_code", "state_or_province", "phone", "value", "quantity", "rate", "reason", "code",
    "account",
})  # fmt: skip
"""The texts of a document on which no request depends: that they are stated counts, and not what they are."""
_MOST = 2_000


@dataclass(frozen=True, slots=True)
class Outline:
    """What an import will send."""

    requests: int
    effects: tuple[str, ...]
    losses: tuple[Loss, ...]


class Outlines:
    """The outlines of imports at one target."""

    def __init__(self, target: Context) -> None:
        self._target = target
        self._known: dict[Any, tuple[int, tuple[str, ...]]] = {}

    def of(self, command: ImportInvoice, written: Mapping[str, Any]) -> Outline:
        """Return the outline of an import; `written` is its JSON. Raises the refusal."""
        form = form_of(written, written["total"]["minor"])
        known = self._known.get(form)
        if known is not None:
            context = self._target.on(command)
            _reach_first_write(command, context)
            return Outline(*known, context.losses)
        requests, losses, refusal = outline(command, self._target)
        if refusal is not None:
            raise refusal
        effects = sorted({effect.value for request in requests for effect in request.effects})
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[form] = len(requests), tuple(effects)
        return Outline(len(requests), tuple(effects), losses)


def _reach_first_write(command: ImportInvoice, context: Context) -> None:
    """Walk an import up to its first write, answering what it reads with its own specimens. Raises the refusal."""
    flow = start(command, context, lookup="never")
    with suppress(StopIteration):
        request = next(flow)
        while not request.writes:
            answer = Response(200, dumps(request.specimen), provider=context.provider.name)
            request = flow.send(answer)
    flow.close()


def form_of(value: Any, total: int, name: str = "") -> Any:
    """Return the form of a document's JSON: equal for documents that differ in texts, dates and amounts alone."""
    if isinstance(value, dict):
        is_open = name == "metadata"
        return tuple([
            (inner, "" if is_open else form_of(one, total, inner)) for inner, one in value.items()
        ])  # fmt: skip
    if isinstance(value, list):
        return tuple([form_of(one, total, name) for one in value])
    if isinstance(value, str):
        return "" if name in _FREE else value
    if type(value) is int and name == "minor":
        return (value > 0) - (value < 0), (value > total) - (value < total)
    return value
