"""What an error means for an item: the table of the engine.

Rules of this file: what may have taken effect is unknown, and is looked up after the settling time; what certainly did
nothing, under this claim and every earlier one, and will do nothing again, is refused; what only a person can judge is
quarantined. A wrong key stops the worker, and so do several settings' errors in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.core.errors import (
    AlreadyBilled,
    BridgeError,
    ConfigurationError,
    Discrepancy,
    IdempotencyMismatch,
    MalformedResponse,
    RateLimited,
    ServerError,
    Unauthorized,
    Unreachable,
)
from invoice_bridge.core.model import Invoice
from invoice_bridge.migrate.errors import ForbiddenEffect, LeaseExpired, LedgerUnavailable, SourceChanged
from invoice_bridge.migrate.journal import Course
from invoice_bridge.migrate.reasons import word_of
from invoice_bridge.migrate.values import REACHES, Result, Timing, following_stage

__all__ = ["is_for_all", "is_of_the_ledger", "result_of", "result_of_error"]

MOST_UNKNOWNS = 3
"""How often an outcome may be unknown: it is looked up, then tried under the next attempt, then quarantined."""
_MOST_DEFERS = 20
_MOST_UNREADABLE = 5
"""How often an answer that cannot be read is asked for again: one that was torn is whole the next time."""
_LONGEST_DEFER = 60.0
_PERSON = (Discrepancy, IdempotencyMismatch, AlreadyBilled)
_LATER = (Unreachable, RateLimited, ServerError, MalformedResponse)
_LONGEST_DETAIL = 2_000


def result_of(course: Course, invoice: Invoice) -> Result:
    """Return the result of a stage that gave an invoice."""
    item = course.item
    return Result(
        item,
        "done" if following_stage(item.operation, item.stage) is None else REACHES[item.stage],
        target_id=invoice.id,
        target=_facts(invoice),
        requests=course.sent,
    )


def is_of_the_ledger(error: Exception) -> bool:
    """Whether a request was not sent because of the ledger: no fault of the item, nor of a setting."""
    return isinstance(error, LeaseExpired | LedgerUnavailable)


def _did_nothing(error: Exception) -> bool:
    return isinstance(error, BridgeError) and error.outcome == "nothing_done"


def is_for_all(error: BridgeError) -> bool:
    """Whether an error concerns every item, so that the worker stops at once: the key is wrong."""
    return isinstance(error, Unauthorized) and error.outcome == "nothing_done"


def result_of_error(course: Course, error: Exception, timing: Timing) -> Result:
    """Return the result of a stage that failed."""
    item, sent = course.item, course.sent
    detail = f"{type(error).__name__}: {error}"[:_LONGEST_DETAIL]
    reason = word_of(error)
    facts: dict[str, Any] = {"requests": sent, "reason": reason, "detail": detail}
    if isinstance(error, BridgeError):
        facts["target_id"] = error.invoice_id
    if is_of_the_ledger(error):  # as if this worker had died here: looked up, and no step nearer to quarantine
        left = not _did_nothing(error)
        return Result(item, "planned", **facts, again_in=timing.settling if left else 0.0, sent=left)
    if isinstance(error, _PERSON) or (isinstance(error, ForbiddenEffect) and error.outcome != "nothing_done"):
        return Result(item, "quarantined", **facts)
    if not isinstance(error, BridgeError) or not _did_nothing(error):
        if item.unknowns + 1 >= MOST_UNKNOWNS:
            return Result(item, "quarantined", **facts)
        return Result(item, "unknown", **facts, again_in=timing.settling, next_attempt=item.unknowns > 0)
    if is_for_all(error):
        return Result(item, "planned", **facts, again_in=0.0, sent=False)
    if isinstance(error, ConfigurationError) and not isinstance(error, ForbiddenEffect):
        return Result(item, "quarantined", **facts)
    if isinstance(error, _LATER):
        if item.defers + 1 >= (_MOST_UNREADABLE if type(error) is MalformedResponse else _MOST_DEFERS):
            return Result(item, "quarantined", **facts)
        return Result(
            item, "planned", **facts, again_in=min(2.0**item.defers, _LONGEST_DEFER), sent=sent > 0, deferred=True
        )
    # after `make` there is a document at the target; before a lookup that failed there may be one, and after it the
    # error names the one that an earlier try has made
    is_made = (
        item.is_repeat and not isinstance(error, SourceChanged) and (sent == 0 or facts.get("target_id") is not None)
    )
    is_end = item.stage == "make" and not is_made
    return Result(item, "refused" if is_end else "quarantined", **facts)


def _facts(invoice: Invoice) -> Mapping[str, Any]:
    total = invoice.total
    return {
        "number": invoice.number,
        "status": str(invoice.status),
        "total": None if total is None else {"minor": total.minor, "currency": total.currency},
    }
