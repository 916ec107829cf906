"""Undo: a plan of its own that takes back what a plan has made, as far as the target lets it.

Rules of this file: nothing is given back or credited. A draft is deleted (whole), an open invoice is voided (partly:
its number stays used), anything else stays (impossible) and is listed. A document that changed since it was made is
not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from invoice_bridge.core.errors import Discrepancy, NotFound, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.migrate.values import Item, NewItem

if TYPE_CHECKING:
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.ledger import Ledger

__all__ = ["undo_items", "undo_one"]

_WAYS = {"draft": ("delete", "whole"), "open": ("void", "partly")}


def undo_items(ledger: Ledger, plan: int) -> Iterator[NewItem]:
    """Yield an item for each document that a plan has made; what cannot be taken back is refused with the reason."""
    for row in ledger.rows(plan):
        if row.target_id is None or row.state in {"skipped", "planned"}:
            continue
        status = str(row.target.get("status", ""))
        source = {**row.source, "target_id": row.target_id}
        if "release" in row.operation and row.state in {"released", "done"}:
            detail = f"{row.target_id} is closed at the source: taking it back would leave it billed nowhere"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)
        elif row.state in {"sent", "unknown", "quarantined"}:
            detail = f"{row.target_id} is {row.state} in plan {plan}: resolve it first"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)
        elif status in _WAYS:
            way, how = _WAYS[status]
            operation = {"make": {"command": way, "id": row.target_id, "status": status, "undoes": how}}
            yield NewItem(row.reference, operation, source)
        else:
            detail = f"{row.target_id} is {status or 'unknown'} at the target, which does not let it be taken back"
            yield NewItem(row.reference, source=source, state="refused", reason="undo-impossible", detail=detail)


def undo_one(target: Client, item: Item) -> Invoice:
    """Delete or void one document, if it is still as it was made. Raises BridgeError."""
    asked = item.operation["make"]
    try:
        found = target.retrieve(asked["id"])
    except NotFound:
        if item.is_repeat:  # deleted by an earlier try
            return Invoice(provider=target.provider, id=asked["id"], status=Status.DELETED, currency=None)
        raise
    if found.status in {Status.VOID, Status.DELETED} and item.is_repeat:
        return found
    if found.status != asked["status"]:
        raise Unsupported(f"changed-since-plan: the document {found.id} is {found.status}, not {asked['status']}")
    if found.amount_paid or found.payments:
        raise Discrepancy(
            f"the document {found.id} was paid since it was made", asked="unpaid", found="paid", invoice=found
        )
    done: Invoice = (target.delete if asked["command"] == "delete" else target.void)(found.id)
    return done
