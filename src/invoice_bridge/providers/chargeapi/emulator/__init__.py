"""ChargeAPI in memory: the rules and the refusals that its documentation shows.

Nothing here was observed on the live service. Lines come from transactions, which tests and examples add themselves.
"""

from invoice_bridge.providers.chargeapi.emulator.routes import ChargeApiEmulator

__all__ = ["ChargeApiEmulator"]
