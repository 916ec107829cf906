"""Chargebee in memory: the same rules, the same refusals, as far as its documentation shows them.

Nothing here was observed on the live service. `product_catalog` chooses which catalog the site has.
"""

from invoice_bridge.providers.chargebee.emulator.routes import ChargebeeEmulator

__all__ = ["ChargebeeEmulator"]
