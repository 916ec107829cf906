"""Cassettes: recorded HTTP exchanges that plain vcrpy replays, each with a sidecar that has its origin.

A name is loaded when it is used, so that a replay loads no emulator. The functions that record scenarios are in
`cassettes.scenarios`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.cassettes.player import NotRecorded, Player
    from invoice_bridge.cassettes.recorder import Recorder
    from invoice_bridge.cassettes.redaction import Redactor
    from invoice_bridge.cassettes.scenarios import SCENARIOS, Account

__all__ = ["SCENARIOS", "Account", "NotRecorded", "Player", "Recorder", "Redactor"]

_HOMES = {
    "SCENARIOS": "scenarios",
    "Account": "scenarios",
    "NotRecorded": "player",
    "Player": "player",
    "Recorder": "recorder",
    "Redactor": "redaction",
}


if not TYPE_CHECKING:  # with it, a type checker would accept every misspelt name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
