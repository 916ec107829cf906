"""Stripe in memory: the rules and the refusals that its documentation and recordings show.

The parameters are those of stripe-python 16.1.0. Messages, and the parameter that a refusal names, come from a third
party's recording of the sandbox at 2026-08-26.dahlia. A rule that neither source shows is a switch.
"""

from invoice_bridge.providers.stripe.emulator.routes import StripeEmulator

__all__ = ["StripeEmulator"]
