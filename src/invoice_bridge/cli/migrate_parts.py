"""invoice-bridge migrate: the steps that only read the ledger: preview, status, evidence, and what a person decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, ledger_there
from invoice_bridge.cli.migrate_json import preview_json
from invoice_bridge.cli.output import facts, grid, print_parts
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.core.errors import ConfigurationError

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.preview import Preview

LedgerFile = Annotated[
    str, typer.Option("--ledger", metavar="FILE|URL", callback=ledger_there, help="The ledger of the migration.")
]
PlanNumber = Annotated[int | None, typer.Option("--plan", metavar="NUMBER", help="The plan; else the last one.")]
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The item's reference.", show_default=False)]

quarantine = typer.Typer(cls=exits.Group, no_args_is_help=True, help="List and decide what a person decides about.")


def show_preview(preview: Preview) -> None:
    """Print a preview, without the control characters of what a provider wrote."""
    show_lines(preview.lines())


def show_lines(lines: Iterable[str]) -> None:
    """Print lines with their indents, without the control characters of what a provider wrote."""
    print_parts(*(_safe(line) for line in lines))


def _safe(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line)


@contextmanager
def _opened(ledger: str, plan: int | None) -> Iterator[tuple[Ledger, int]]:
    from invoice_bridge.migrate.ledger import Ledger

    with Ledger(ledger) as opened:
        yield opened, opened.plan(plan).number


def _preview(ledger: Ledger, plan: int) -> Preview:
    from invoice_bridge.migrate.planning import TOTALS
    from invoice_bridge.migrate.preview import preview_of

    return preview_of(ledger, plan, ledger.note(plan, TOTALS))


def preview(*, ledger: LedgerFile, plan: PlanNumber = None, as_json: AsJson = False) -> None:
    """Show what a plan will do: counts, losses, reasons, control totals, effects; exit code 1 if they do not close."""
    with _opened(ledger, plan) as (opened, number), progress("reading the plan"):
        made = _preview(opened, number)
    if as_json:
        write_json(preview_json(made))
    else:
        show_preview(made)
    if not made.closes:
        raise typer.Exit(exits.DIFFERENCE)


def status(*, ledger: LedgerFile, plan: PlanNumber = None, as_json: AsJson = False) -> None:
    """Show how far a plan is, from another terminal too."""
    from invoice_bridge.migrate.queries import live_workers, span_of

    with _opened(ledger, plan) as (opened, number):
        counts, workers, span = opened.counts(number), live_workers(opened), span_of(opened, number)
    shown: dict[str, Any] = {"plan": number, "items": dict(sorted(counts.items())), "workers": workers}
    if span is not None:
        shown["items per second"] = round(span[2] / max((span[1] - span[0]).total_seconds(), 1.0), 1)
    if as_json:
        write_json(shown)
        return
    shown["items"] = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
    shown["workers"] = ", ".join(workers) or "none"
    print_parts(facts({name: str(value) for name, value in shown.items()}))


def evidence(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A new or empty folder.", show_default=False)],
    *,
    ledger: LedgerFile,
    plan: PlanNumber = None,
    as_json: AsJson = False,
) -> None:
    """Write plan, ledger, verification and a page into a folder, with the SHA-256 of each file.

    The SHA-256 of the list SHA256SUMS is printed: keep it elsewhere, for who can change a file can change the list.
    """
    import hashlib

    from invoice_bridge.migrate.evidence import SUMS, write_evidence

    with _opened(ledger, plan) as (opened, number):
        with progress("writing the evidence"):
            page = write_evidence(opened, _preview(opened, number), folder)
        digest = hashlib.sha256((page / SUMS).read_bytes()).hexdigest()
        if as_json:
            write_json({"plan": number, "page": str(page), "sha256": digest})
        else:
            print_parts(str(page), f"{digest}  {SUMS}")


def serve(
    *,
    ledger: LedgerFile,
    plan: PlanNumber = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="The port on loopback; 0 takes a free one.")
    ] = 8790,
) -> None:
    """Show the ledger as a page on this machine until it is interrupted; the page only reads."""
    import sys

    from invoice_bridge.migrate.serving import serve as serve_page

    def ready(url: str) -> None:
        print_parts(f"{url} shows the ledger. Ctrl-C ends it.")
        sys.stdout.flush()

    with _opened(ledger, plan) as (opened, _):
        serve_page(opened, plan, port=port, ready=ready)


@quarantine.command("list")
def list_items(*, ledger: LedgerFile, plan: PlanNumber = None, as_json: AsJson = False) -> None:
    """List the items that a person decides about."""
    with _opened(ledger, plan) as (opened, number):
        rows = list(opened.rows(number, ("quarantined",)))
    if as_json:
        names = ("reference", "reason", "detail", "target_id", "attempt")
        write_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    table = grid("reference", "reason", "at the target", "detail")
    for row in rows:
        cells = (row.reference, row.reason, row.target_id or "–", row.detail)
        table.add_row(*map(exits.printable, cells))
    print_parts(table if rows else "nothing is left to a person")


@quarantine.command("resolve")
def resolve(
    reference: Reference,
    *,
    ledger: LedgerFile,
    decision: Annotated[
        str, typer.Option("--as", metavar="STATE", help="planned (look it up, try again), done, refused or skipped.")
    ],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it is kept in the ledger.")],
    plan: PlanNumber = None,
    as_json: AsJson = False,
) -> None:
    """Decide about an item: have it looked up and tried again, or end it."""
    if decision not in {"planned", "done", "refused", "skipped"}:
        raise ConfigurationError(f"--as is planned, done, refused or skipped, not {decision!r}")
    states: dict[str, Any] = {"state": decision}
    with _opened(ledger, plan) as (opened, number):
        if not opened.decide(number, reference, states["state"], why):
            raise ConfigurationError(f"{reference!r} is not in quarantine in plan {number}")
    if as_json:
        write_json({"plan": number, "reference": reference, "state": decision})
    else:
        print_parts(f"{exits.printable(reference)} is {decision}")
