"""Undo: a plan of its own that takes back what a plan has made, as far as the target lets it.

Rules of this file: nothing is given back or credited. A draft is deleted (whole), and so is what the target lets an
import take back with its payments; another open invoice is voided (partly: its number stays used), anything else stays
(impossible) and is listed. A document that changed since it was made is not touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.errors import ConfigurationError, Discrepancy, NotFound, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.migrate.documents import differences_of
from invoice_bridge.migrate.operations import read_operation
from invoice_bridge.migrate.queries import made_by, plans_of
from invoice_bridge.migrate.values import Item, NewItem

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.ledger import Ledger

__all__ = ["plan_that_made", "undo_items", "undo_one"]

_OF_THE_IMPORT = frozenset({"losses", "effects", "requests"})
"""What the ledger has of the import itself: an undo loses nothing, and has effects of its own."""
_WAYS = {"draft": ("delete", "whole"), "open": ("void", "partly")}


def plan_that_made(ledger: Ledger, plans: Collection[int]) -> int:
    """Return the one of these plans that has made documents. Raises ConfigurationError if none has, or several have."""
    counts = made_by(ledger)
    made = [number for number in plans if number in counts]
    if not made:
        raise ConfigurationError("no plan of this ledger has made anything at the target: nothing can be taken back")
    if len(made) > 1:
        undone = {facts["of"]: number for number, facts in plans_of(ledger) if facts.get("kind") == "undo"}
        listed = [
            f"plan {number} has {counts[number]}"
            + (f" (taken back by plan {undone[number]})" if number in undone else "")
            for number in made
        ]
        raise ConfigurationError(
            f"several plans have made documents: {', '.join(listed)}: take them back one by one, the newest first: "
            f"pass plan={max(set(made) - set(undone), default=made[-1])}"
        )
    return made[0]


def undo_items(ledger: Ledger, plan: int, deletable: Collection[str] = ()) -> Iterator[NewItem]:
    """Yield an item for each document that a plan has made; what cannot be taken back is refused with the reason.

    `deletable` are the statuses in which the target deletes what an import made.
    """
    for row in ledger.rows(plan):
        if row.target_id is None or row.state in {"skipped", "planned"}:
            continue
        status = str(row.target.get("status", ""))
        source = {name: value for name, value in row.source.items() if name not in _OF_THE_IMPORT}
        source |= {"target_id": row.target_id, "requests": 0}
        if "release" in row.operation and row.state in {"released", "done"}:
            detail = f"{row.target_id} is closed at the source: taking it back would leave it billed nowhere"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)
        elif row.state in {"sent", "unknown", "quarantined"}:
            detail = f"{row.target_id} is {row.state} in plan {plan}: resolve it first"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)
        elif status in deletable and _was_given_back(row.operation.get("make", {})):
            detail = f"{row.target_id} has a credit note of money that was given back, which cannot be taken back"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)
        elif status in deletable:
            made = {name: value for name, value in row.operation["make"].items() if name != "allow"}
            operation = {
                "make": {
                    "command": "delete",
                    "id": row.target_id,
                    "status": status,
                    "undoes": "whole",
                    "imported": made,
                }
            }
            parts = len(made.get("payments", ())) + len(made.get("credit_notes", ())) + (status == "uncollectible")
            effects = ["records", "voids"] if parts else ["voids"]
            yield NewItem(row.reference, operation, {**source, "requests": parts + 1, "effects": effects})
        elif status in _WAYS:
            way, how = _WAYS[status]
            made = {name: value for name, value in row.operation.get("make", {}).items() if name != "allow"}
            total = row.target.get("total")
            asked: dict[str, Any] = {
                "command": way,
                "id": row.target_id,
                "status": status,
                "undoes": how,
                "was": made,
                "total": total,
            }
            operation = {"make": asked}
            effects = ["voids"] if way == "void" else []
            yield NewItem(row.reference, operation, {**source, "requests": 1, "effects": effects})
        else:
            detail = f"{row.target_id} is {status or 'unknown'} at the target, which does not let it be taken back"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)


def _was_given_back(made: Mapping[str, Any]) -> bool:
    """Whether a credit note of an import is more than an adjustment of its own invoice."""
    return any(note.get("kind") != "adjustment" for note in made.get("credit_notes", ()))


def undo_one(target: Client, item: Item, context: Context) -> Invoice:
    """Delete or void one document, if it is still as it was made. Raises BridgeError."""
    asked = item.operation["make"]
    try:
        found = target.retrieve(asked["id"])
    except NotFound:
        if item.is_repeat:  # deleted by an earlier try
            return Invoice(provider=target.provider, id=asked["id"], status=Status.DELETED, currency=None)
        raise
    ended = {Status.DELETED} if asked["command"] == "delete" else {Status.VOID, Status.DELETED}
    if found.status in ended and item.is_repeat:  # by an earlier try
        return found
    if "imported" in asked:
        if not item.is_repeat:  # an earlier try may have deleted its payments already
            _check_as_imported(asked, found, context)
        deleted: Invoice = target.delete(found.id, imported=True)
        return deleted
    if found.status != asked["status"]:
        raise Unsupported(f"changed-since-plan: the document {found.id} is {found.status}, not {asked['status']}")
    _check_as_made(asked, found, context)
    if found.amount_paid or found.payments:
        raise Discrepancy(
            f"the document {found.id} was paid since it was made", asked="unpaid", found="paid", invoice=found
        )
    done: Invoice = (target.delete if asked["command"] == "delete" else target.void)(found.id)
    return done


def _check_as_imported(asked: Mapping[str, Any], found: Invoice, context: Context) -> None:
    """Check that a document is what its import made. Raises Unsupported."""
    wrong = differences_of(read_operation(asked["imported"]), found, context)
    if wrong:
        raise Unsupported(f"changed-since-plan: the document {found.id} is not as it was imported: {wrong[0]}")
    parts = found.payments or found.credit_notes
    if parts and found.due_at is not None and found.due_at > datetime.now(UTC):
        raise Unsupported(
            f"undo-impossible: the document {found.id} is due on {found.due_at:%Y-%m-%d}, and the target could collect "
            "it once its payments and credit notes are deleted"
        )


_COMPARED_APART = frozenset({"status", "total", "amount remaining"})


def _check_as_made(asked: Mapping[str, Any], found: Invoice, context: Context) -> None:
    """Check that nobody has changed a draft or an open document since it was made. Raises Unsupported.

    Its total is compared with what the target stated then: a draft may lack its taxes there.
    """
    stated = None if found.total is None else {"minor": found.total.minor, "currency": found.total.currency}
    wrong = [] if stated == asked.get("total") else [f"total is {found.total}"]
    if asked.get("was"):
        differences = differences_of(read_operation(asked["was"]), found, context)
        wrong += [str(one) for one in differences if one.field not in _COMPARED_APART]
    if wrong:
        raise Unsupported(f"changed-since-plan: the document {found.id} is not as it was made: {wrong[0]}")
