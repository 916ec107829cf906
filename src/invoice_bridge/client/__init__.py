"""Client and AsyncClient: the only room that speaks to a provider. `clients` has both, `core` what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.client.clients import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


if not TYPE_CHECKING:  # what reads profiles, or explains, loads no client

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from invoice_bridge.client import clients

        return getattr(clients, name)
