"""Client and AsyncClient: the only room that speaks to a provider. `clients` has both, `core` what they share."""

from invoice_bridge.client.clients import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]
