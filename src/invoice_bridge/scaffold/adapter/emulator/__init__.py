"""Acme's emulator, with Acme's rules and refusals. Each rule is a claim: name the page that documents it.

An open question of the documentation becomes a named entry of `SWITCHES`, so that tests can run it both ways.
"""

from .routes import AcmeEmulator

__all__ = ["AcmeEmulator"]
