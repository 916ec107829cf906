"""The commands' output for people: aligned text, with colours only on a terminal that supports them.

Rules of this file: a provider's text is never read as markup, and its control characters never reach the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from rich.box import SIMPLE
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from invoice_bridge import providers
from invoice_bridge.cli.exits import printable, spell
from invoice_bridge.cli.parts import Row, part_rows
from invoice_bridge.cli.terminal import wants_no_color
from invoice_bridge.core.model import Collection, CustomerRef, Invoice, Line, Period
from invoice_bridge.core.wire import Request
from invoice_bridge.explain import Plan

_STATUS_STYLE = {"paid": "green", "open": "yellow", "void": "dim", "uncollectible": "red", "draft": "cyan"}
_AMOUNTS = {
    "subtotal": "subtotal",
    "discount": "discount",
    "tax": "tax",
    "total": "total",
    "amount_due": "due at issue",
    "amount_paid": "paid",
    "amount_credited": "credited",
    "amount_refunded": "refunded",
    "amount_remaining": "remaining",
}


# ── writing to stdout ────────────────────────────────────────────────────────────────────────────────────────────────
def _console(**options: Any) -> Console:
    system: Any = None if wants_no_color() else "auto"
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, color_system=system, **options)


def print_parts(*parts: RenderableType, width: int = 200) -> None:
    """Print parts for people, without spaces at line ends. `width` applies if stdout is not a terminal."""
    write_parts(parts, columns(width))


def write_parts(parts: Iterable[RenderableType], width: int) -> None:
    """Print parts for people in lines of at most this width."""
    console = _console(width=width)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    sys.stdout.write("".join(line.rstrip() + "\n" for line in capture.get().splitlines()))


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is; None if it is none."""
    return _console().width if sys.stdout.isatty() else None


def columns(default: int) -> int:
    """Return the width of stdout; `default` if stdout is not a terminal."""
    console = _console()
    return console.width if console.is_terminal or "COLUMNS" in os.environ else default


def grid(*names: str, right: Iterable[str] = (), gap: int = 2) -> Table:
    """Make an aligned table without rules; `right` names the columns of amounts, `gap` is the space between columns."""
    table = Table(box=None, padding=(0, gap, 0, 0), show_header=any(names), header_style="bold", pad_edge=False)
    for name in names:
        is_amount = name in right
        table.add_column(name, justify="right" if is_amount else "left", no_wrap=is_amount, overflow="fold")
    return table


def facts(rows: Mapping[str, object]) -> Table:
    """Make a table of labels and values, one on each line, without empty values."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows.items():
        if value is not None and value != "":
            table.add_row(label, value if isinstance(value, Text | Table) else printable(value))
    return table


# ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def invoice_parts(invoice: Invoice) -> Iterator[RenderableType]:
    """Yield the parts that show one invoice."""
    head: dict[str, object] = {
        f"{invoice.provider} invoice": Text(printable(invoice.id), style="bold"),
        "status": status(invoice),
        "number": invoice.number,
        "customer": customer(invoice.customer),
        "reference": invoice.reference,
        "purchase order": invoice.purchase_order,
        "description": invoice.description,
        "period": invoice.period and period(invoice.period),
        "created": instant(invoice.created_at),
        "issued": instant(invoice.issued_at),
        "due": instant(invoice.due_at),
        "paid": instant(invoice.paid_at),
        "voided": instant(invoice.voided_at),
        "collection": invoice.collection and collection(invoice.collection),
        "payment": "on its way" if invoice.payment_pending else None,
        "mode": {True: "test", False: "live", None: None}[invoice.test_mode],
        "metadata": ", ".join(f"{name}={value}" for name, value in invoice.metadata.items()),
        "page": invoice.hosted_url,
        "PDF": invoice.pdf_url,
    }
    yield facts(head)
    if invoice.lines:
        yield ""
        yield _lines(invoice.lines)
        if not invoice.lines_complete:
            yield "  … and more lines, which are not here"
    if rows := list(part_rows(invoice)):
        yield ""
        yield _parts(rows)
    yield ""
    amounts = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    amounts.add_column(style="bold")
    amounts.add_column(justify="right", no_wrap=True)
    for name, label in _AMOUNTS.items():
        if (amount := getattr(invoice, name)) is not None:
            amounts.add_row(label, str(amount))
    yield amounts
    if invoice.problems:
        yield ""
        yield from (Text(f"not read: {printable(problem)}") for problem in invoice.problems)
    if invoice.losses:
        yield ""
        yield from (Text(f"loses {printable(spell(loss))}") for loss in invoice.losses)


def _parts(rows: Iterable[Row]) -> Table:
    table = grid("part", "what", "when", "amount", right=["amount"])
    for name, what, when, amount in rows:
        table.add_row(name, Text(printable(what or "")), instant(when), None if amount is None else str(amount))
    return table


def _lines(lines: Sequence[Line]) -> Table:
    table = grid("line", "quantity", "unit", "amount", "period", right=("quantity", "unit", "amount"))
    for line in lines:
        table.add_row(
            printable(line.description or "–"),
            "" if line.quantity is None else f"{line.quantity:f}",
            "" if line.unit_amount is None else str(line.unit_amount),
            str(line.amount),
            "" if line.period is None else period(line.period),
        )
    return table


def status(invoice: Invoice) -> Text:
    """Return our status, the provider's if it differs, and "past due" if the invoice is past due now."""
    late = ", past due" if invoice.is_past_due(datetime.now(UTC)) else ""
    native = printable(invoice.native_status) if invoice.native_status else ""
    other = f" ({invoice.provider} says {native})" if native and native != invoice.status.value else ""
    return Text(f"{invoice.status.value}{late}{other}", style=_STATUS_STYLE.get(invoice.status.value, ""))


def customer(ref: CustomerRef | None) -> str | None:
    """Return the customer in one line."""
    if ref is None:
        return None
    email = f"<{ref.email}>" if ref.email else None
    return printable(" ".join(part for part in (ref.id, ref.name, email) if part)) or None


def money(amount: object) -> str:
    """Return an amount as text; a dash if it is unknown."""
    return "–" if amount is None else str(amount)


def instant(moment: datetime | None) -> str | None:
    """Return an instant like 2026-05-01 09:30 UTC: seconds only if they are not 0, and only the date at midnight."""
    if moment is None:
        return None
    if (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment.second else f"{moment:%Y-%m-%d %H:%M} UTC"


def period(span: Period) -> str:
    """Return 2026-05 for a whole month in UTC, else both ends; the end is exclusive."""
    start, end = span.start, span.end
    following = (start.year + start.month // 12, start.month % 12 + 1)
    whole_days = instant(start) == f"{start:%Y-%m-%d}" and instant(end) == f"{end:%Y-%m-%d}"
    if whole_days and start.day == end.day == 1 and (end.year, end.month) == following:
        return f"{start:%Y-%m}"
    return f"{instant(start)} to {instant(end)}"


def collection(terms: Collection) -> str:
    """Return the collection in one line."""
    if terms.due is not None:
        return f"send, due {instant(terms.due)}"
    if terms.net_days is not None:
        return f"send, due after {terms.net_days} days"
    return terms.kind + (f", from {terms.payment_method}" if terms.payment_method else "")


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def plans_table(plans: Sequence[Plan]) -> Table:
    """Make a table of one bill at several providers, side by side: its effects, requests and losses."""
    table = Table(box=SIMPLE, pad_edge=False, expand=False, show_lines=True)
    table.add_column("")
    for plan in plans:
        table.add_column(providers.get(plan.provider).title, max_width=44, overflow="fold")
    table.add_row("does", *(_does(plan) for plan in plans))
    longest = max((len(plan.requests) for plan in plans), default=0)
    for place in range(longest):
        steps = (plan.requests[place : place + 1] for plan in plans)
        table.add_row(str(place + 1), *("".join(_step(request) for request in step) for step in steps))
    table.add_row("loses", *(_loses(plan) for plan in plans))
    return table


def _does(plan: Plan) -> Text:
    if plan.refusal is not None:
        return Text(f"refused: {printable(spell(plan.refusal))}", style="red")
    return Text(", ".join(sorted(plan.effects)) or "stores only", style="bold")


def _step(request: Request) -> str:
    effects = ", ".join(sorted(request.effects))
    path = urlsplit(request.url).path
    return f"{request.method} {path}" + (f"\n[{effects}]" if effects else "")


def _loses(plan: Plan) -> str:
    if plan.refusal is not None and not plan.requests:
        return ""
    return "\n".join(f"{loss.path} ({loss.severity.value}) {loss.code}" for loss in plan.losses) or "nothing"
