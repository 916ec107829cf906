"""Whop in memory: the legacy invoices, their plans and payments, as far as its documentation and SDK describe them."""

from invoice_bridge.providers.whop.emulator.routes import WhopEmulator

__all__ = ["WhopEmulator"]
