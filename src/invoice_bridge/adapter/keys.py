"""The idempotency key of a request: it derives from the account, the command and the step, and from no clock."""

from __future__ import annotations

from invoice_bridge.core.commands import Command, NewInvoice, OnInvoice, verb_reference
from invoice_bridge.core.idempotency import once_key, step_key, verb_key


def key_of(command: Command | None, account: str, step: str, content: bytes) -> str:
    """Return the key of a step of a command. Raises TypeError without a command."""
    if isinstance(command, OnInvoice) and (reference := verb_reference(command)) is not None:
        return once_key(account, command.capability, reference, command.attempt, step)
    if isinstance(command, NewInvoice):
        return step_key(account, command.reference, command.attempt, step)
    if isinstance(command, OnInvoice):
        return verb_key(account, command.id, f"{command.verb}/{step}", content, command.attempt)
    raise TypeError("a writing request needs a command: its key derives from it")
