"""Two providers side by side while an application runs: Handover bills by the period, Shadow bills at one and explains
at the other. Rules of this room: it sends nothing by itself; the clients of room `client` do. No clock decides who
bills: only the bill's own period or date does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.switch.handover import AsyncHandover, Handover
    from invoice_bridge.switch.shadow import AsyncShadow, Shadow

__all__ = ["AsyncHandover", "AsyncShadow", "Handover", "Shadow"]

_HOMES = {"AsyncHandover": "handover", "Handover": "handover", "AsyncShadow": "shadow", "Shadow": "shadow"}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
