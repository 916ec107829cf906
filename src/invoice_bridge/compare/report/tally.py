"""The counts of a report, taken while its rows are written: amounts, statuses, fields.

Rules of this file: sums are integers of minor units. An unstated amount is counted as such, not as zero.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from invoice_bridge.compare.differences import Difference, Facts, Verdict
from invoice_bridge.compare.kinds import severity
from invoice_bridge.compare.result import Row
from invoice_bridge.core.losses import Severity

SUMS = ("total", "amount_paid", "amount_remaining")
KINDS = ("differs", "declared equal", "left does not state", "right does not state")
"""The relations of a pair's two values at a path, if they are not alike."""

Flow = tuple[str | None, str | None]
"""The status of the left and of the right invoice; None if there is none."""


def kind(found: Difference) -> int:
    """Return the place of a difference's kind in KINDS."""
    if found.verdict is Verdict.UNSAID:
        return 2 if found.left is None else 3
    return 1 if found.verdict is Verdict.DECLARED_EQUAL else 0


@dataclass
class Sum:
    """An exact sum in minor units, and the number of its invoices."""

    minor: int = 0
    said: int = 0


@dataclass
class Side:
    """One side: its invoices by provider, and by currency with the sums of their amounts."""

    providers: Counter[str] = field(default_factory=Counter)
    currencies: Counter[str] = field(default_factory=Counter)
    sums: dict[tuple[str, str], Sum] = field(default_factory=dict)

    def add(self, facts: Facts) -> None:
        """Count one invoice."""
        said = facts["said"]
        self.providers[facts["provider"]] += 1
        self.currencies[said["currency"]] += 1
        for name in SUMS:
            if amount := said.get(name):
                total = self.sums.setdefault((said["currency"], name), Sum())
                total.minor += amount["minor"]
                total.said += 1


class Tally:
    """The content of a report's summary, counted row by row."""

    def __init__(self) -> None:
        self.sides = (Side(), Side())
        self.flows: Counter[Flow] = Counter()
        self.cells: Counter[tuple[str, int]] = Counter()
        self.shapes: dict[str, int] = {}
        self.rows = self.embedded = 0

    def add(self, row: Row, facts: tuple[Facts | None, Facts | None]) -> list[int]:
        """Count a row; give back its differences as numbers: 4 × the place of the field + the place of the kind."""
        self.rows += 1
        for side, told in zip(self.sides, facts, strict=True):
            if told is not None:
                side.add(told)
        left, right = (None if told is None else told["said"]["status"] for told in facts)
        self.flows[left, right] += 1
        cells = dict.fromkeys((one.shape, kind(one)) for one in row.differences)  # the order of a set is random
        self.cells.update(cells.keys())
        return sorted(4 * self.shapes.setdefault(shape, len(self.shapes)) + number for shape, number in cells)

    def fields(self) -> list[tuple[str, bool, list[int]]]:
        """Return the fields with differences, worst first: whether they change money, and rows of each kind."""
        counted = {shape: [self.cells[shape, number] for number in range(len(KINDS))] for shape in self.shapes}
        grave = {shape: severity(shape) is Severity.CHANGES_MONEY for shape in counted}
        order = sorted(
            counted, key=lambda shape: (not counted[shape][0], not grave[shape], [-n for n in counted[shape]])
        )
        return [(shape, grave[shape], counted[shape]) for shape in order]
