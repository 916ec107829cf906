"""The operation of an item: a command of the library for each stage, as JSON, and the losses that it may have.

    {"make": {"command": "import_invoice", "reference": "in_1", …, "allow": ["IB-STRIPE-IMPORT-PAID-AT-01"]}}

Rules of this file: the engine does not know which command it is. `make` makes the document at the target, `release`
closes it at the source, `arm` issues it at the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.commands import ImportInvoice, NewInvoice, read_command, read_import
from invoice_bridge.core.exact import loads
from invoice_bridge.core.model import Invoice
from invoice_bridge.migrate.values import Item, Stage

if TYPE_CHECKING:
    from invoice_bridge.client.clients import Client

__all__ = ["Action", "customer_at", "make", "read_operation", "write_operation"]

Action = Callable[["Client", Item], Invoice]
"""What does one stage of an item with the client of the target; it may be repeated for the same item."""


def write_operation(command: NewInvoice, allow: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the JSON of one stage: a command, and the losses that it may have."""
    fields: dict[str, Any] = loads(command.model_dump_json(exclude_defaults=True))
    return {"command": command.verb, **fields, "allow": list(allow)}


def make(client: Client, item: Item) -> Invoice:
    """Make the document of an item at the target, under the attempt that the ledger has. Raises BridgeError."""
    fields = {**item.operation["make"], "attempt": item.attempt}
    allow = tuple(fields.pop("allow", ()))
    if fields["command"] == ImportInvoice.verb:
        return client.import_invoice(read_import(fields), allow=allow)
    return client.create(read_command(fields), allow=allow)


def read_operation(stage: Mapping[str, Any]) -> ImportInvoice:
    """Return the import of a stage's JSON. Raises ConfigurationError."""
    return read_import({name: value for name, value in stage.items() if name != "allow"})


def customer_at(operation: Mapping[str, Any], provider: str) -> str | None:
    """Return the id of an item's customer at the target; None where its import names none."""
    customer = operation.get("make", {}).get("customer") or {}
    own = customer.get("ids", {}).get(provider) or customer.get("id")
    return None if own is None else str(own)


ACTIONS: Mapping[Stage, Action] = {"make": make}
"""The stages that the engine knows by itself; a worker is given the others."""
