"""The conformance suite: a registered adapter inherits one class and is checked against every promise of this library.

    from invoice_bridge.testing import Conformance

    class TestAcme(Conformance):
        provider = "acme"

Everything is read from the provider's declaration and run against its emulator; only verbs that the provider declares
it cannot do are left out: such a check is skipped with the provider's reason. A check without any subject fails. A
subclass may add `bills`, and `vectors`: the literal bytes of a bill's requests.
"""

from __future__ import annotations

from invoice_bridge.testing.conformance.clients import ClientChecks
from invoice_bridge.testing.conformance.declaration import DeclarationChecks
from invoice_bridge.testing.conformance.imports import ImportChecks
from invoice_bridge.testing.conformance.invoices import InvoiceChecks
from invoice_bridge.testing.conformance.money import MoneyChecks
from invoice_bridge.testing.conformance.natives import NativeChecks
from invoice_bridge.testing.conformance.once import WRITING, OnceChecks
from invoice_bridge.testing.conformance.plans import PlanChecks
from invoice_bridge.testing.conformance.reading import ReadingChecks
from invoice_bridge.testing.conformance.tables import TableChecks
from invoice_bridge.testing.conformance.transitions import TransitionChecks

__all__ = ["WRITING", "Conformance"]


class Conformance(
    DeclarationChecks,
    TableChecks,
    NativeChecks,
    PlanChecks,
    OnceChecks,
    MoneyChecks,
    ImportChecks,
    InvoiceChecks,
    TransitionChecks,
    ReadingChecks,
    ClientChecks,
):
    """Inherit it, name the provider, and pytest runs every check; see the module's docstring."""
