"""The parameters that only ChargeAPI has: the status filter of a listing, in its own words.

Its bills have none: every documented parameter of a bill is a field of a command.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.native import Native, NativeTable, RefusedNative

_LIST = "docs.chargeapi.co/api-reference/invoices/list"
_CREATE = "docs.chargeapi.co/api-reference/invoices/create"


def _alone(_value: Any, command: Any, _place: int) -> None:
    if command.status is not None:
        raise ValueError(f"the listing filters by the status {command.status} already")


ROWS = (
    Native(
        "status",
        "list",
        Kind.one_of("open", "draft", "paid", "void", "uncollectible"),
        f"{_LIST}, status",
        verbs=("list",),
        check=_alone,
        doubt="whether `open` finds overdue invoices, which are open here",
    ),
)

NATIVES = NativeTable(
    ROWS, (RefusedNative("line_items", "ChargeAPI makes the lines itself, from the transactions of a period", _CREATE),)
)
