"""Lago's emulator, with the rules and refusals of its documentation and its source.

Nothing here was observed on the live API. A fact that no source confirms is a switch. Lago ignores unknown parameters;
this emulator refuses them, so that a misspelt one is noticed.
"""

from .routes import LagoEmulator

__all__ = ["LagoEmulator"]
