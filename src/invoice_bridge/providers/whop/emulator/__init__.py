"""Whop in memory: the legacy invoices, their plans and payments, as far as its documentation and SDK say."""

from invoice_bridge.providers.whop.emulator.routes import WhopEmulator

__all__ = ["WhopEmulator"]
