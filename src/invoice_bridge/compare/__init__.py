"""Semantic comparison: where two providers, two accounts or two recordings bill differently.

Identity (ids, instants of record keeping, URLs, numbers) is ignored by kind; a field that one side does not state is
distinguished from one that it states differently; comparing nothing is an error.
"""

from invoice_bridge.compare.allowed import Allowed, read_allowed
from invoice_bridge.compare.differences import Difference, Verdict
from invoice_bridge.compare.join import compare
from invoice_bridge.compare.result import Comparison, Row
from invoice_bridge.compare.sources import Side

__all__ = ["Allowed", "Comparison", "Difference", "Row", "Side", "Verdict", "compare", "read_allowed"]
