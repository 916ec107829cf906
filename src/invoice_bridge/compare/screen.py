"""A comparison for a terminal: the counts, the groups, then the rows, cut to one screen or whole.

Rules of this file: what is cut is counted on a line of its own, with what prints it. A single row is never cut.
"""

from __future__ import annotations

from collections.abc import Iterator

from invoice_bridge.compare.differences import Verdict, columns
from invoice_bridge.compare.result import Comparison

_SHOWN = (Verdict.DIFFERING, Verdict.LEFT_ONLY, Verdict.RIGHT_ONLY, Verdict.DECLARED_EQUAL)
_GROUPS = 8
_LEAST = 12
"""The lines that are printed at least, however small the screen is."""


def whole(found: Comparison) -> Iterator[str]:
    """Yield every line: the counts, all groups, and every row, matched ones too."""
    yield from _head(found)
    yield from _groups(found, len(found.groups))
    for row in found.rows:
        yield from row.lines()


def screenful(found: Comparison, *, width: int = 80, height: int = 24) -> Iterator[str]:
    """Yield at most a screen of lines, less one for the prompt: the counts, the gravest groups, the first rows."""
    count = sum(found.counts[verdict] for verdict in _SHOWN)
    if count == 1:
        yield from _head(found)
        for row in found.select(*_SHOWN):
            yield from row.lines()
        return
    room = max(height, _LEAST) - 2  # a line for the prompt, and one for what is cut
    summary, *rest_of_head = _head(found)
    room -= _height(summary, width)
    yield summary
    for line in _fitting([*rest_of_head, *_groups(found, _GROUPS)], width, room):
        room -= _height(line, width)
        yield line
    printed = 0
    for lines in _rows(found):
        fitting = list(_fitting(lines, width, room))
        if printed and len(fitting) < len(lines):
            break
        room -= sum(_height(line, width) for line in fitting)
        yield from fitting
        if len(fitting) < len(lines):
            break
        printed += 1
    if rest := count - printed:
        yield f"… {rest} of {count} invoices not shown in full: --all prints every row, --html FILE writes a page"


def _rows(found: Comparison) -> Iterator[list[str]]:
    """Yield the lines of each row that is not the same, gravest class first."""
    for verdict in _SHOWN:
        for row in found.select(verdict):
            yield list(row.lines())


def _fitting(lines: list[str], width: int, room: int) -> Iterator[str]:
    """Yield lines as long as there is room."""
    for line in lines:
        room -= _height(line, width)
        if room < 0:
            return
        yield line


def _height(line: str, width: int) -> int:
    """Return the number of screen lines that it takes."""
    return max(1, -(-len(line) // max(width, 1)))


def _head(found: Comparison) -> Iterator[str]:
    yield found.summary()
    yield from found.notes()


def _groups(found: Comparison, most: int) -> Iterator[str]:
    """Yield the gravest groups, and the number of the others."""
    if not found.groups:
        return
    yield from columns(group.cells() for group in found.groups[:most])
    if len(found.groups) > most:
        yield f"  … {len(found.groups) - most} more kinds of difference"
