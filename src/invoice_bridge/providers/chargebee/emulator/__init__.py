"""Chargebee in memory: the rules and the refusals that its documentation shows.

Nothing here was observed on the live service. `product_catalog` chooses which catalog the site has.
"""

from invoice_bridge.providers.chargebee.emulator.routes import ChargebeeEmulator

__all__ = ["ChargebeeEmulator"]
