"""Bill through several billing providers behind one neutral invoice, and move between them.

Every name is loaded when it is first used, so that `import invoice_bridge` costs next to nothing: the pytest plugin of
this distribution is loaded by every run of pytest on the machine.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.adapter.pages import Page, Unreadable
    from invoice_bridge.adapter.webhooks import EventType, InvoiceEvent
    from invoice_bridge.client.clients import AsyncClient, Client
    from invoice_bridge.core.commands import (
        Command,
        Credit,
        Delete,
        Finalize,
        Find,
        ImportInvoice,
        ListInvoices,
        MarkPaid,
        MarkUncollectible,
        OneTimeCharge,
        Pay,
        Pdf,
        PeriodInvoice,
        RecordPayment,
        Refund,
        Retrieve,
        SendInvoice,
        Source,
        Update,
        Void,
        read_command,
        read_import,
    )
    from invoice_bridge.core.errors import (
        AlreadyBilled,
        AlreadySettled,
        AmountMismatch,
        BilledElsewhere,
        BridgeError,
        ConfigurationError,
        Declined,
        Discrepancy,
        IdempotencyMismatch,
        InvalidSignature,
        InvalidState,
        LossyTranslation,
        MalformedResponse,
        NotFound,
        NothingToBill,
        OutcomeUnknown,
        ProviderError,
        RateLimited,
        Rejected,
        ServerError,
        Unauthorized,
        Unreachable,
        UnreadableServerError,
        Unsupported,
    )
    from invoice_bridge.core.losses import Loss
    from invoice_bridge.core.model import (
        Address,
        Adjustment,
        Collection,
        CreditNote,
        CustomerRef,
        Discount,
        Invoice,
        Line,
        Payment,
        Period,
        Problem,
        Status,
        TaxId,
        TaxLine,
        TaxRate,
    )
    from invoice_bridge.core.money import Money
    from invoice_bridge.core.wire import Effect, Request
    from invoice_bridge.decode import decode
    from invoice_bridge.engine.allow import ALL
    from invoice_bridge.engine.interruption import Interruption, interrupted
    from invoice_bridge.engine.lookup import Resolution
    from invoice_bridge.engine.supervise import RateLimiter
    from invoice_bridge.explain import Plan, explain, losses
    from invoice_bridge.journal.protocol import BillJournal
    from invoice_bridge.journal.store import Journal
    from invoice_bridge.switch.handover import AsyncHandover, Handover
    from invoice_bridge.switch.shadow import AsyncShadow, Shadow

__all__ = [
    "ALL",
    "Address",
    "Adjustment",
    "AlreadyBilled",
    "AlreadySettled",
    "AmountMismatch",
    "AsyncClient",
    "AsyncHandover",
    "AsyncShadow",
    "BillJournal",
    "BilledElsewhere",
    "BridgeError",
    "Client",
    "Collection",
    "Command",
    "ConfigurationError",
    "Credit",
    "CreditNote",
    "CustomerRef",
    "Declined",
    "Delete",
    "Discount",
    "Discrepancy",
    "Effect",
    "EventType",
    "Finalize",
    "Find",
    "Handover",
    "IdempotencyMismatch",
    "ImportInvoice",
    "Interruption",
    "InvalidSignature",
    "InvalidState",
    "Invoice",
    "InvoiceEvent",
    "Journal",
    "Line",
    "ListInvoices",
    "Loss",
    "LossyTranslation",
    "MalformedResponse",
    "MarkPaid",
    "MarkUncollectible",
    "Money",
    "NotFound",
    "NothingToBill",
    "OneTimeCharge",
    "OutcomeUnknown",
    "Page",
    "Pay",
    "Payment",
    "Pdf",
    "Period",
    "PeriodInvoice",
    "Plan",
    "Problem",
    "ProviderError",
    "RateLimited",
    "RateLimiter",
    "RecordPayment",
    "Refund",
    "Rejected",
    "Request",
    "Resolution",
    "Retrieve",
    "SendInvoice",
    "ServerError",
    "Shadow",
    "Source",
    "Status",
    "TaxId",
    "TaxLine",
    "TaxRate",
    "Unauthorized",
    "Unreachable",
    "Unreadable",
    "UnreadableServerError",
    "Unsupported",
    "Update",
    "Void",
    "decode",
    "explain",
    "interrupted",
    "losses",
    "read_command",
    "read_import",
]

_HOMES = {
    "adapter.pages": ("Page", "Unreadable"),
    "adapter.webhooks": ("EventType", "InvoiceEvent"),
    "client.clients": ("AsyncClient", "Client"),
    "core.commands": (
        "Command",
        "Credit",
        "Delete",
        "Finalize",
        "Find",
        "ImportInvoice",
        "ListInvoices",
        "MarkPaid",
        "MarkUncollectible",
        "OneTimeCharge",
        "Pay",
        "Pdf",
        "PeriodInvoice",
        "RecordPayment",
        "Refund",
        "Retrieve",
        "SendInvoice",
        "Source",
        "Update",
        "Void",
        "read_command",
        "read_import",
    ),
    "core.errors": (
        "AlreadyBilled",
        "AlreadySettled",
        "AmountMismatch",
        "BilledElsewhere",
        "BridgeError",
        "ConfigurationError",
        "Declined",
        "Discrepancy",
        "IdempotencyMismatch",
        "InvalidSignature",
        "InvalidState",
        "LossyTranslation",
        "MalformedResponse",
        "NotFound",
        "NothingToBill",
        "OutcomeUnknown",
        "ProviderError",
        "RateLimited",
        "Rejected",
        "ServerError",
        "Unauthorized",
        "Unreachable",
        "UnreadableServerError",
        "Unsupported",
    ),
    "core.losses": ("Loss",),
    "core.model": (
        "Address",
        "Adjustment",
        "Collection",
        "CreditNote",
        "CustomerRef",
        "Discount",
        "Invoice",
        "Line",
        "Payment",
        "Period",
        "Problem",
        "Status",
        "TaxId",
        "TaxLine",
        "TaxRate",
    ),
    "core.money": ("Money",),
    "core.wire": ("Effect", "Request"),
    "decode": ("decode",),
    "engine.allow": ("ALL",),
    "engine.interruption": ("Interruption", "interrupted"),
    "engine.lookup": ("Resolution",),
    "engine.supervise": ("RateLimiter",),
    "explain": ("Plan", "explain", "losses"),
    "journal.protocol": ("BillJournal",),
    "journal.store": ("Journal",),
    "switch.handover": ("AsyncHandover", "Handover"),
    "switch.shadow": ("AsyncShadow", "Shadow"),
}
"""The modules, and the public names that each has; a test holds it equal to the imports above."""

_ROOMS = frozenset({"migrate", "webhooks", *(module.partition(".")[0] for module in _HOMES)})
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
            globals()[name] = value
            return value
        if name in _ROOMS:  # `import invoice_bridge; invoice_bridge.webhooks`
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package: `decode`, `explain` and `losses` are functions of it, though modules have these names as well."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _MODULES and isinstance(value, ModuleType):
            return  # the import system, once it has loaded that module; the name stays the function's
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
