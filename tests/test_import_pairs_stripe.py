"""From every provider to Stripe: what was made and read there is imported as it ended."""

from typing import Any

import pytest

from invoice_bridge import ImportInvoice, Money, Source, Status, Unsupported, providers
from invoice_bridge.testing import no_waiting
from tests.clients import emulated_at
from tests.test_import_pairs import ENDS, _read

HARMS = {"mailed", "collected", "refunded", "balance_applied", "carried_over"}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["stripe", "chargebee", "whop"])
def test_what_was_read_is_imported_at_stripe_as_it_ended(name: str, end: str) -> None:
    """The same total, paid and given back to the cent, the same status; nobody was mailed or charged for it."""
    source = _read(name, end)
    given: dict[str, Any] = {"customer": "cus_42", "number": f"{name}-{end}", "source": Source(name, "", source.id)}
    if name == "whop" and source.total is None:
        given["total"] = source.subtotal
    if (name, end) == ("whop", "uncollectible"):  # which does not say whether a part of it was paid
        with pytest.raises(Unsupported, match="source-incomplete"):
            ImportInvoice.of(source, **given)
        return
    command = ImportInvoice.of(source, **given)
    emulator: Any = providers.get("stripe").emulator()
    target, _ = emulated_at("stripe", emulator, lookup="never")
    with no_waiting():
        done = target.import_invoice(command, allow=[loss.code for loss in target.losses(command)])
        again = target.retrieve(done.id)
    assert (again.status, again.total) == (source.status, source.total or source.subtotal)
    nothing = Money(0, "EUR")
    assert again.amount_remaining == (again.total if end == "open" else nothing)
    assert again.amount_paid == (again.total if end in {"paid", "collected", "refunded"} else nothing)
    if end == "refunded":
        assert [(note.kind, note.amount) for note in again.credit_notes] == [("refund", Money(700, "EUR"))]
    if again.status is not Status.DRAFT:
        assert (again.number, again.issued_at) == (f"{name}-{end}", command.issued_at.replace(microsecond=0))
    assert {entry.event for entry in emulator.ledger} & HARMS == set()
