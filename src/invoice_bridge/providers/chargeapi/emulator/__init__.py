"""ChargeAPI in memory: the same rules, the same refusals, as far as its documentation shows them.

Nothing here was observed on the live service. Lines come from transactions, which tests and examples add themselves.
"""

from invoice_bridge.providers.chargeapi.emulator.routes import ChargeApiEmulator

__all__ = ["ChargeApiEmulator"]
