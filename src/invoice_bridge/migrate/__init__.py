"""Moving invoices to another provider: the ledger of a migration, and the engine that works on it.

It needs the extra `migrate` (SQLAlchemy), and for a ledger that several machines share `migrate-postgres`.

    from invoice_bridge.migrate import Ledger, NewItem, PlanHeader, Worker, write_operation

    with Ledger("migration.sqlite") as ledger:
        plan = ledger.add_plan(PlanHeader(target="stripe:acct_1", rate=20))
        ledger.add(plan, (NewItem(bill.reference, {"make": write_operation(bill)}) for bill in bills))
        Worker(ledger, lambda **settings: Client("stripe", api_key=key, **settings)).run()

Public here: `Ledger` (add_plan, plan, add, note, counts, pages, rows, is_finished, decide) and its values `PlanHeader`,
`Timing`, `NewItem`, `Item`, `Row`, `Result`, `STATES`; `Worker`, `move`, and for several machines `work_on_jobs`;
`write_operation`; the errors `LeaseExpired`, `LedgerUnavailable` and `ForbiddenEffect`. An item's states: planned →
sent → made → (released → armed) → done; refused, unknown, quarantined, skipped. An armed item is done.

Rules of this room: the claim is the intent, committed before anything is sent; an item that is taken a second time is
looked up first; a worker whose lease has passed sends nothing more and overwrites nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.migrate.credits import Credit, Credits
    from invoice_bridge.migrate.engine import Connect, Worker, move
    from invoice_bridge.migrate.errors import ForbiddenEffect, LeaseExpired, LedgerUnavailable
    from invoice_bridge.migrate.jobs import work_on_jobs
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.migration import Migration
    from invoice_bridge.migrate.operations import Action, write_operation
    from invoice_bridge.migrate.preview import Preview
    from invoice_bridge.migrate.values import STATES, Item, NewItem, PlanHeader, Result, Row, Stage, State, Timing
    from invoice_bridge.migrate.verifying import Verification

__all__ = [
    "STATES",
    "Action",
    "Connect",
    "Credit",
    "Credits",
    "ForbiddenEffect",
    "Item",
    "LeaseExpired",
    "Ledger",
    "LedgerUnavailable",
    "Migration",
    "NewItem",
    "PlanHeader",
    "Preview",
    "Result",
    "Row",
    "Stage",
    "State",
    "Timing",
    "Verification",
    "Worker",
    "move",
    "work_on_jobs",
    "write_operation",
]

_HOMES = {
    "credits": ("Credit", "Credits"),
    "engine": ("Connect", "Worker", "move"),
    "errors": ("ForbiddenEffect", "LeaseExpired", "LedgerUnavailable"),
    "jobs": ("work_on_jobs",),
    "ledger": ("Ledger",),
    "migration": ("Migration",),
    "operations": ("Action", "write_operation"),
    "preview": ("Preview",),
    "values": ("STATES", "Item", "NewItem", "PlanHeader", "Result", "Row", "Stage", "State", "Timing"),
    "verifying": ("Verification",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # SQLAlchemy is loaded with the first name that needs it

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        except ModuleNotFoundError as error:
            from invoice_bridge.core.errors import ConfigurationError

            if (error.name or "").partition(".")[0] != "sqlalchemy":
                raise
            raise ConfigurationError(
                'a migration needs SQLAlchemy: run pip install "invoice-bridge[migrate]"'
            ) from None
