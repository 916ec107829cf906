"""The kit of a provider's adapter: declarations, reading, checks, lookups, and the parts of its emulator.

An adapter outside this library imports from here and from core alone; a name is loaded on first use. Imports core.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.homes import HOMES

if TYPE_CHECKING:
    from invoice_bridge.adapter.answers import are_texts, json_of, object_of, text_of
    from invoice_bridge.adapter.changes import check_state, customer_id, delete_draft, invalid_state, submit_change
    from invoice_bridge.adapter.checks import payable, same_bill, verify
    from invoice_bridge.adapter.declared import (
        Cannot,
        Currencies,
        ErrorRow,
        History,
        Matches,
        Named,
        Rate,
        Refusal,
        Setting,
        StatusRow,
        Units,
        cannot,
    )
    from invoice_bridge.adapter.emulation.core import (
        Clock,
        Emulator,
        ErrorResponse,
        FakeClock,
        IncomingRequest,
        LedgerEntry,
        StoredResponse,
        count_in,
        nested,
    )
    from invoice_bridge.adapter.emulation.events import Happening, Reports
    from invoice_bridge.adapter.emulation.probes import (
        NOBODY,
        NotSettled,
        Probe,
        ProbeFlow,
        Probes,
        Trial,
        accepted,
        answer_of,
        made_of,
        succeeded,
    )
    from invoice_bridge.adapter.emulation.transport import EmulatorTransport
    from invoice_bridge.adapter.imported import just_made, same_document, verify_import
    from invoice_bridge.adapter.instants import day_in_utc, rfc3339_millis, rfc3339_seconds, unix_seconds
    from invoice_bridge.adapter.kinds import Kind
    from invoice_bridge.adapter.limits import Limit
    from invoice_bridge.adapter.lookup import (
        CLOCK_SKEW,
        PAGES,
        annotated,
        find,
        find_in_listing,
        find_matches,
        is_findable,
        listing_command,
        lookup_start,
        refresh,
        retrieval,
    )
    from invoice_bridge.adapter.native import NO_NATIVES, Native, NativeTable, RefusedNative, in_currency
    from invoice_bridge.adapter.notes import Notes
    from invoice_bridge.adapter.once import (
        Entry,
        check_before,
        check_part,
        download,
        made_before,
        require_expect,
        submit_once,
    )
    from invoice_bridge.adapter.pages import Page, Unreadable
    from invoice_bridge.adapter.provider import Context, FlowFactory, Provider, Verbs
    from invoice_bridge.adapter.reading import (
        INEXACT,
        Reader,
        bounded,
        build,
        email_of,
        lines_total,
        nothing_left,
        units_of,
    )
    from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
    from invoice_bridge.adapter.rows import (
        DISCOUNTS,
        Field,
        Setup,
        approximated,
        carried,
        defaulted,
        discounts_as_lines,
        dropped,
        provider_rated,
        read_parts,
        refused,
        unsent,
        values_at,
    )
    from invoice_bridge.adapter.shapes import (
        Derive,
        Leaf,
        Shape,
        computed,
        currency,
        day,
        derived,
        email,
        flag,
        identity,
        instant,
        integer,
        money,
        number,
        required,
        rows,
        span,
        stated,
        strings,
        text,
        unix,
    )
    from invoice_bridge.adapter.transitions import Doubt, Transition, Transitions, doubt, transition
    from invoice_bridge.adapter.trusted import (
        MANUAL,
        address_of,
        charged,
        customer_of,
        maker,
        period_of,
        period_span,
        sent,
    )
    from invoice_bridge.adapter.webhooks import (
        Delivery,
        EventFacts,
        EventRow,
        EventType,
        Webhooks,
        check_timestamp,
        constant_time_equal,
        hmac_sha256,
    )

__all__ = [
    "Becomes",
    "CLOCK_SKEW",
    "Cannot",
    "Clock",
    "Context",
    "Currencies",
    "DISCOUNTS",
    "Delivery",
    "Derive",
    "Doubt",
    "Emulator",
    "EmulatorTransport",
    "Entry",
    "ErrorResponse",
    "ErrorRow",
    "EventFacts",
    "EventRow",
    "EventType",
    "FakeClock",
    "Field",
    "FlowFactory",
    "Happening",
    "History",
    "INEXACT",
    "IncomingRequest",
    "Kind",
    "Leaf",
    "LedgerEntry",
    "Limit",
    "MANUAL",
    "Matches",
    "NOBODY",
    "NO_NATIVES",
    "Named",
    "Native",
    "NativeTable",
    "NotSettled",
    "Notes",
    "PAGES",
    "Page",
    "Probe",
    "ProbeFlow",
    "Probes",
    "Provider",
    "Rate",
    "Reader",
    "Redaction",
    "Refusal",
    "RefusedNative",
    "Reports",
    "Setting",
    "Setup",
    "Shape",
    "StatusRow",
    "StoredResponse",
    "Transition",
    "Transitions",
    "Trial",
    "Units",
    "Unreadable",
    "Verbs",
    "Webhooks",
    "Where",
    "accepted",
    "address_of",
    "annotated",
    "answer_of",
    "approximated",
    "are_texts",
    "bounded",
    "build",
    "cannot",
    "carried",
    "charged",
    "check_before",
    "check_part",
    "check_state",
    "check_timestamp",
    "computed",
    "constant_time_equal",
    "count_in",
    "currency",
    "customer_id",
    "customer_of",
    "day",
    "day_in_utc",
    "defaulted",
    "delete_draft",
    "derived",
    "discounts_as_lines",
    "doubt",
    "download",
    "dropped",
    "email",
    "email_of",
    "find",
    "find_in_listing",
    "find_matches",
    "flag",
    "hidden",
    "hmac_sha256",
    "identity",
    "in_currency",
    "instant",
    "integer",
    "invalid_state",
    "is_findable",
    "json_of",
    "just_made",
    "lines_total",
    "listing_command",
    "lookup_start",
    "made_before",
    "made_of",
    "maker",
    "money",
    "nested",
    "nothing_left",
    "number",
    "object_of",
    "payable",
    "period_of",
    "period_span",
    "provider_rated",
    "read_parts",
    "refresh",
    "refused",
    "require_expect",
    "required",
    "retrieval",
    "rfc3339_millis",
    "rfc3339_seconds",
    "rows",
    "same_bill",
    "same_document",
    "sent",
    "span",
    "stated",
    "strings",
    "submit_change",
    "submit_once",
    "succeeded",
    "text",
    "text_of",
    "transition",
    "units_of",
    "unix",
    "unix_seconds",
    "unsent",
    "values_at",
    "verify",
    "verify_import",
]

_MODULES = {name: module for module, names in HOMES.items() for name in names}


if not TYPE_CHECKING:  # a type checker that saw it would accept every misspelt name

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package: `rows` is a column kind of it, though a module has this name as well."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _MODULES and isinstance(value, ModuleType):
            return  # the import system, once it has loaded that module; the name stays the function's
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
