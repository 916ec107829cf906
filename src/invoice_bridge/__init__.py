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
    from invoice_bridge.client import AsyncClient, Client
    from invoice_bridge.commands import (
        Command,
        Delete,
        Finalize,
        ListInvoices,
        MarkPaid,
        MarkUncollectible,
        OneTimeCharge,
        Pay,
        PeriodInvoice,
        Retrieve,
        SendInvoice,
        Update,
        Void,
        read_command,
    )
    from invoice_bridge.decode import decode
    from invoice_bridge.errors import (
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
    from invoice_bridge.explain import Plan, explain, losses
    from invoice_bridge.interruption import Interruption, interrupted
    from invoice_bridge.journal import Journal
    from invoice_bridge.lookup import Resolution
    from invoice_bridge.losses import ALL, Loss
    from invoice_bridge.model import Collection, CustomerRef, Invoice, Line, Period, Problem, Status
    from invoice_bridge.money import Money
    from invoice_bridge.provider import Page, Unreadable
    from invoice_bridge.webhooks import EventType, InvoiceEvent
    from invoice_bridge.wire import Effect, Request

__all__ = [
    "ALL",
    "AlreadyBilled",
    "AlreadySettled",
    "AmountMismatch",
    "AsyncClient",
    "BilledElsewhere",
    "BridgeError",
    "Client",
    "Collection",
    "Command",
    "ConfigurationError",
    "CustomerRef",
    "Declined",
    "Delete",
    "Discrepancy",
    "Effect",
    "EventType",
    "Finalize",
    "IdempotencyMismatch",
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
    "Period",
    "PeriodInvoice",
    "Plan",
    "Problem",
    "ProviderError",
    "RateLimited",
    "Rejected",
    "Request",
    "Resolution",
    "Retrieve",
    "SendInvoice",
    "ServerError",
    "Status",
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
]

_HOMES = {
    "client": ("AsyncClient", "Client"),
    "commands": (
        "Command",
        "Delete",
        "Finalize",
        "ListInvoices",
        "MarkPaid",
        "MarkUncollectible",
        "OneTimeCharge",
        "Pay",
        "PeriodInvoice",
        "Retrieve",
        "SendInvoice",
        "Update",
        "Void",
        "read_command",
    ),
    "decode": ("decode",),
    "errors": (
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
    "explain": ("Plan", "explain", "losses"),
    "interruption": ("Interruption", "interrupted"),
    "journal": ("Journal",),
    "lookup": ("Resolution",),
    "losses": ("ALL", "Loss"),
    "model": ("Collection", "CustomerRef", "Invoice", "Line", "Period", "Problem", "Status"),
    "money": ("Money",),
    "provider": ("Page", "Unreadable"),
    "webhooks": ("EventType", "InvoiceEvent"),
    "wire": ("Effect", "Request"),
}
"""The modules, and the public names that each has; a test holds it equal to the imports above."""

_MODULES = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
            globals()[name] = value
            return value
        if name in _HOMES:  # `import invoice_bridge; invoice_bridge.webhooks`
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
