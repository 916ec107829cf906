"""A listing of invoices for people: a line for each, or a block for each where the terminal is narrow.

Rules of this file: an id, a number, a reference, an amount and a date are never cut or broken: what is cut is read
wrongly, and what is broken cannot be copied. Words and names are cut with an ellipsis before a column is omitted.
Nothing is cut if stdout is not a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rich.cells import cell_len, set_cell_size
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from invoice_bridge.cli.exits import printable
from invoice_bridge.cli.output import (
    customer,
    facts,
    grid,
    instant,
    money,
    print_parts,
    status,
    terminal_width,
    write_parts,
)
from invoice_bridge.cli.progress import counted
from invoice_bridge.core.model import Invoice

Cell = Text | str
_COLUMNS: Mapping[str, Callable[[Invoice], Cell]] = {
    "id": lambda invoice: printable(invoice.id),
    "number": lambda invoice: printable(invoice.number or ""),
    "reference": lambda invoice: printable(invoice.reference or ""),
    "status": status,
    "customer": lambda invoice: customer(invoice.customer) or "",
    "total": lambda invoice: money(invoice.total),
    "remaining": lambda invoice: money(invoice.amount_remaining),
    "created": lambda invoice: instant(invoice.created_at) or "",
    "due": lambda invoice: instant(invoice.due_at) or "",
}
_OPTIONAL = ("number", "due", "created", "customer")
"""The columns to omit from a narrow table, the least important first; the rest identify the invoice and its amounts."""
_CUT = ("status", "customer")
"""The columns that are cut, the one that gets the space first; a status keeps our own word for it."""
_LEAST_NAME = 12
_UNLIMITED = 100_000
_GAP = 2


def show_invoices(invoices: Iterable[Invoice]) -> None:
    """Show many invoices, one on each line, or each as a block if the lines do not fit. No id or reference is cut.

    If stdout is not a terminal, the table has every column, and its lines are as long as necessary.
    """
    read = counted(invoices, "reading invoices")
    rows = [{name: cell(invoice) for name, cell in _COLUMNS.items()} for invoice in read]
    if not rows:
        print_parts("no invoices")
        return
    width = terminal_width() or _UNLIMITED
    empty = [name for name in _OPTIONAL if not any(row[name] for row in rows)]
    optional = [*empty, *(name for name in _OPTIONAL if name not in empty)]
    for omitted in range(len(optional) + 1):
        names = [name for name in _COLUMNS if name not in optional[:omitted]]
        if (widths := _widths(names, rows, width)) is not None:
            write_parts([_table(widths, rows)], _UNLIMITED)
            return
    for place, row in enumerate(rows):
        head = {name: cell for name, cell in row.items() if name not in {"id", *_OPTIONAL} or (cell and name != "id")}
        label = max(map(len, head)) + _GAP + 2
        shown = {name: _cut(cell, width - label) if name in _CUT else cell for name, cell in head.items()}
        write_parts(
            [*([""] if place else []), row["id"], Padding(facts(shown), (0, 0, 0, 2), expand=False)], _UNLIMITED
        )


def _widths(names: Iterable[str], rows: Iterable[Mapping[str, Cell]], width: int) -> dict[str, int] | None:
    """Return the width of each column so that a line fits; None if it does not, however much is cut."""
    given: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for name in names:
        wanted[name] = max(cell_len(name), *(cell_len(str(row[name])) for row in rows))
        given[name] = min(wanted[name], _least(name, rows)) if name in _CUT else wanted[name]
    spare = width - sum(given.values()) - _GAP * (len(given) - 1)
    if spare < 0:
        return None
    for name in _CUT:
        if name in given:
            more = min(spare, wanted[name] - given[name])
            given[name] += more
            spare -= more
    return given


def _least(name: str, rows: Iterable[Mapping[str, Cell]]) -> int:
    if name != "status":
        return _LEAST_NAME
    own = [cell_len(str(row[name]).partition(" (")[0]) for row in rows]
    return max(cell_len(name), *(length + 2 for length in own))  # a blank and the ellipsis


def _cut(cell: Cell, width: int) -> Cell:
    """Return a cell that fits, with an ellipsis where something is left out."""
    text = str(cell)
    if cell_len(text) <= width:
        return cell
    short = set_cell_size(text, max(width - 1, 0)).rstrip() + "…"
    return Text(short, style=cell.style) if isinstance(cell, Text) else short


def _table(widths: Mapping[str, int], rows: Iterable[Mapping[str, Cell]]) -> Table:
    table = grid(*widths, right=("total", "remaining"), gap=_GAP)
    for row in rows:
        table.add_row(*(_cut(row[name], width) for name, width in widths.items()))
    return table
