"""Stripe in memory: the same rules, the same refusals, as far as its documentation and recordings show them.

The parameters are those of stripe-python 16.1.0. Messages, and which parameter a refusal names, are those of a third
party's recording of the sandbox at 2026-08-26.dahlia. What neither shows is a switch.
"""

from invoice_bridge.providers.stripe.emulator.routes import StripeEmulator

__all__ = ["StripeEmulator"]
