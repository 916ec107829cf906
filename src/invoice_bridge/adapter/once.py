"""Verbs that move or record money: a refund, a credit note or a payment that has the reference is not made again.

Rules of this file: the provider's own record decides, however long ago it was made, so it is read before every request;
the idempotency key covers only what that record does not show yet. Where a provider keeps no reference, the caller
states the amount before (`expect`), and any other amount stops the verb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urljoin

from invoice_bridge.adapter.changes import submit_change
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import Credit, Pay, RecordPayment, Refund
from invoice_bridge.core.errors import (
    AlreadyBilled,
    Declined,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    MalformedResponse,
    Rejected,
    Unsupported,
)
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Request, Response

__all__ = [
    "Entry",
    "MoneyVerb",
    "check_before",
    "check_part",
    "download",
    "made_before",
    "require_expect",
    "submit_once",
]

MoneyVerb = Pay | RecordPayment | Refund | Credit
"""The verbs that carry a reference."""

_BEFORE = {
    "pay": "amount_remaining",
    "record_payment": "amount_remaining",
    "refund": "amount_refunded",
    "credit": "amount_credited",
}
"""verb → the amount of the invoice that its `expect` is compared with."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A refund, a credit note or a payment at the provider that has the command's reference.

    `state` "failed" means that it moved no money in the end: failed, canceled or void.
    """

    id: str
    amount: Money | None
    state: Literal["done", "pending", "failed"] = "done"


def made_before(command: MoneyVerb, entries: Iterable[Entry], invoice: Invoice) -> Entry | None:
    """Return what was made under the command's reference, None if nothing was.

    `entries` are those of this invoice with exactly this reference. Raises IdempotencyMismatch if the amount differs,
    InvalidState if it failed (another try is another payment: it needs a new reference), and AlreadyBilled for several.
    """
    found, noun = list(entries), command.noun
    if not found:
        return None
    if len(found) > 1:
        raise AlreadyBilled(
            f"the reference {command.reference!r} is on {len(found)} of the {noun}s of {invoice.id}: "
            f"{', '.join(entry.id for entry in found)}; nothing was done: look at them at the provider",
            existing=invoice,
        )
    entry, asked = found[0], command.total if isinstance(command, Credit) else command.amount
    if asked is not None and entry.amount is not None and asked != entry.amount:
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} belongs to the {noun} {entry.id} of {invoice.id} already, of "
            f"{entry.amount}, not {asked}; nothing was done: give a new {noun} a new reference",
            existing=invoice,
        )
    if entry.state == "failed":
        error = InvalidState(
            f"the {noun} {entry.id} of the reference {command.reference!r} has failed or was withdrawn; nothing was "
            "done: to try again, give it a new reference",
            provider=invoice.provider,
        )
        error.invoice = invoice
        raise error
    return entry


def check_before(command: MoneyVerb, invoice: Invoice) -> Invoice:
    """Compare the amount before the verb with `expect`, if that is given. Raises Discrepancy."""
    name = _BEFORE[command.verb]
    before: Money | None = getattr(invoice, name)
    if command.expect is not None and before != command.expect:
        raise Discrepancy(
            f"expected {name} of {invoice.id} to be {command.expect}, but the provider states "
            f"{'no figure' if before is None else before}; nothing was done",
            asked=command.expect,
            found=before,
            invoice=invoice,
        )
    return invoice


def check_part(amount: Money, invoice: Invoice) -> None:
    """Check that a part is in the invoice's currency, and not more than remains. Raises Discrepancy."""
    remaining = invoice.amount_remaining
    if remaining is not None and remaining.currency == amount.currency and remaining.minor >= amount.minor:
        return
    raise Discrepancy(
        f"{amount} was asked for, but {'no figure is stated of what' if remaining is None else remaining} remains on "
        f"{invoice.id}; nothing was done",
        asked=amount,
        found=remaining,
        invoice=invoice,
    )


def require_expect(command: MoneyVerb, context: Context, source: str) -> None:
    """Raise Unsupported without `expect`: the provider keeps no reference, so nothing else prevents a second time."""
    if command.expect is None:
        raise Unsupported(
            f"{context.provider.title} keeps no reference of a {command.noun}, so a repetition would make a "
            "second one; nothing was sent",
            source=source,
            remedy=f"pass expect=…, the invoice's {_BEFORE[command.verb]} before it",
        )


def submit_once(
    context: Context,
    request: Request,
    read: Callable[[], Flow[Invoice]],
    *,
    find: Callable[[], Flow[Entry | None]],
    after: Callable[[Response], Flow[Invoice]],
    transition: Transition,
) -> Flow[Invoice]:
    """Send the request that completes a verb with a reference; return the invoice `after` it.

    A refusal that may only mean that an earlier try worked is settled by `find`, which reads what has the reference.
    The invoice's status is no proof of that: somebody else's payment may have led to it.
    """
    try:
        return (yield from submit_change(context, request, read, after, replace(transition, becomes=frozenset())))
    except (Rejected, InvalidState, Declined) as refusal:
        if not refusal.repeats or (yield from find()) is None:
            raise
    return (yield from read())


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────
_REDIRECTS = 5
_PDF = b"%PDF-"


def download(url: str, context: Context) -> Flow[bytes]:
    """Download a PDF from a link that an answer gave. The key is not sent with it, to whichever host it leads.

    Raises MalformedResponse for a link that is not https (or below the configured origin), for too many redirects, and
    for what is no PDF.
    """
    answer = yield context.link(url)
    for _ in range(_REDIRECTS):
        if answer.status < 300:
            if answer.status != 200 or not answer.content.startswith(_PDF):
                kind = answer.headers.get("content-type", "no content type")
                raise _no_document(f"the link of the document gives no PDF ({kind})", context, answer)
            return answer.content
        if not (following := answer.headers.get("location")):
            raise _no_document("the link of the document leads nowhere", context, answer)
        url = urljoin(url, following)
        answer = yield context.link(url)
    raise _no_document(f"the link of the document is redirected {_REDIRECTS} times", context, answer)


def _no_document(problem: str, context: Context, answer: Response) -> MalformedResponse:
    return MalformedResponse(problem, provider=context.provider.name, status=answer.status, response=answer)
