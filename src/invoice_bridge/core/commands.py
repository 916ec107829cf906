"""All commands: the two bills (bills.py), the import of history (imports.py) and the verbs on an invoice (verbs.py); a
bill or an import is read from a file here.

Rules of this file: commands are frozen, complete values: nothing that is sent derives from a clock, so that a retry is
the same bytes. Validation that needs no provider happens here, before any request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from invoice_bridge.core.bills import Bill, Command, NewInvoice, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.faults import faults, nearest_first, one_line, shortened
from invoice_bridge.core.imports import IMPORT_LEAVES, ImportInvoice, Source
from invoice_bridge.core.leaves import LEAVES
from invoice_bridge.core.verbs import (
    VERB_LEAVES,
    Credit,
    Delete,
    Filters,
    Finalize,
    Find,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    OnInvoice,
    Pay,
    Pdf,
    RecordPayment,
    Refund,
    Retrieve,
    SendInvoice,
    Update,
    Void,
    verb_reference,
)

__all__ = [
    "IMPORT_LEAVES",
    "LEAVES",
    "VERB_LEAVES",
    "Bill",
    "Command",
    "Credit",
    "Delete",
    "Filters",
    "Finalize",
    "Find",
    "ImportInvoice",
    "ListInvoices",
    "MarkPaid",
    "MarkUncollectible",
    "NewInvoice",
    "OnInvoice",
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
    "faults",
    "one_line",
    "read_command",
    "read_import",
    "verb_reference",
]

_KINDS: dict[str, type[Bill]] = {kind.verb: kind for kind in (OneTimeCharge, PeriodInvoice)}


def read_command(data: Mapping[str, Any]) -> OneTimeCharge | PeriodInvoice:
    """Read a bill from the mapping of a JSON or TOML file: its `command` is "one_time_charge" or "period_invoice".

    An `amount` may be written {"minor": 1999, "currency": "EUR"}. Raises ConfigurationError, which names
    every fault.
    """
    fields = dict(data)
    kind = fields.pop("command", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        known = ", ".join(map(repr, nearest_first(sorted(_KINDS), kind)))
        raise ConfigurationError(f'"command" must be one of {known}, not {shortened(kind)}')
    try:
        return _KINDS[kind].model_validate(fields)  # type: ignore[return-value]
    except ValidationError as error:
        raise ConfigurationError(faults(error, _KINDS[kind])) from None


def read_import(data: Mapping[str, Any]) -> ImportInvoice:
    """Read an import from the mapping of a JSON or TOML file; its `command`, if it is stated, is "import_invoice".

    Raises ConfigurationError, which names every fault.
    """
    fields = dict(data)
    kind = fields.pop("command", ImportInvoice.verb)
    if kind != ImportInvoice.verb:
        raise ConfigurationError(f'"command" must be "import_invoice", not {shortened(kind)}')
    try:
        return ImportInvoice.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError(faults(error, ImportInvoice)) from None
