"""Assertions and the conformance suite, for the tests of applications and of adapters (extra `testing`).

A name is loaded when it is used, because every run of pytest loads the plugin of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

pytest.register_assert_rewrite("invoice_bridge.testing.conformance")  # so that a failed check shows its values

if TYPE_CHECKING:
    from invoice_bridge.client.options import no_retries, no_waiting
    from invoice_bridge.testing.conformance import Conformance
    from invoice_bridge.testing.same_bill import assert_same_bill

__all__ = ["Conformance", "assert_same_bill", "no_retries", "no_waiting"]

_HOMES = {
    "Conformance": "invoice_bridge.testing.conformance",
    "assert_same_bill": "invoice_bridge.testing.same_bill",
    "no_retries": "invoice_bridge.client.options",
    "no_waiting": "invoice_bridge.client.options",
}


if not TYPE_CHECKING:  # with it, a type checker would accept every misspelt name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)
