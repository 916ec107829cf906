"""Lago in memory: the same rules, the same refusals, as its documentation and its source show them.

Nothing here was observed on the live API. What no source settles is a switch. Lago passes over parameters that it does
not know; this emulator refuses them, so that a misspelt one is seen.
"""

from .routes import LagoEmulator

__all__ = ["LagoEmulator"]
