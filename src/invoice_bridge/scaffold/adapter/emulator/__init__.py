"""Acme in memory: the same rules, the same refusals. Each rule is a claim; say where your provider documents it.

What the documentation leaves open becomes a named entry of `SWITCHES`, so that tests can run it both ways.
"""

from .routes import AcmeEmulator

__all__ = ["AcmeEmulator"]
