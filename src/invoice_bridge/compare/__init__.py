"""Semantic comparison: the differences between the bills of two providers, accounts or recordings.

Identity (ids, instants of record keeping, URLs, numbers) is ignored by kind; a field that one side omits is not a
field with another value; comparing nothing is an error.
"""

from invoice_bridge.compare.allowed import Allowed, read_allowed
from invoice_bridge.compare.differences import Difference, Verdict
from invoice_bridge.compare.groups import Group
from invoice_bridge.compare.join import compare
from invoice_bridge.compare.result import Comparison, Row
from invoice_bridge.compare.sources import Side

__all__ = ["Allowed", "Comparison", "Difference", "Group", "Row", "Side", "Verdict", "compare", "read_allowed"]
