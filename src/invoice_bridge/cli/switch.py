"""invoice-bridge switch: what is billed where, what a candidate would make of a month, and moving the instant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, is_missing
from invoice_bridge.cli.files import instant, pairs
from invoice_bridge.cli.output import grid, print_parts
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.journal.switches import EVERYBODY, current_rows
from invoice_bridge.switch.config import FileSides, read_sides
from invoice_bridge.switch.explained import Report, check_limits, report_of
from invoice_bridge.switch.sides import in_its_offset, instants_of, shared_journal

app = typer.Typer(cls=exits.Group, no_args_is_help=True, help="Follow a switch of provider, and move its instant.")

Config = Annotated[
    str, typer.Option("--config", metavar="FILE", help="The TOML file whose table [switch] names both profiles.")
]


@app.callback()
def _group() -> None:
    """Follow a switch of provider, and move its instant."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The journal of a switch, and its two accounts."""

    file: FileSides
    journal: Journal
    old: Book
    new: Book


@app.command()
def status(*, config: Config, as_json: AsJson = False) -> None:
    """Show the instants that the book keeps, what the file says, and how many bills each side has."""
    with _opened(config) as opened:
        rows = opened.journal.switches.rows(opened.old)
        current = current_rows(rows, opened.old.account, opened.new.account)
        counts = {
            side.account: Counter(claim.state for claim in opened.journal.claims(side) if claim.account == side.account)
            for side in (opened.old, opened.new)
        }
    given = None if opened.file.at is None else instants_of(opened.file.at)
    differs = given is not None and _differ({name: row.at for name, row in current.items()}, given)
    if as_json:
        write_json(
            {
                "old": opened.old.account.rstrip(":"),
                "new": opened.new.account.rstrip(":"),
                "book": opened.old.name,
                "kept": {name: row.at.isoformat() for name, row in current.items()},
                "in_file": None if given is None else {name: at.isoformat() for name, at in given.items()},
                "agrees": not differs,
                "bills": {account.rstrip(":"): dict(states) for account, states in counts.items()},
                "history": [
                    {
                        "old": row.source.rstrip(":"),
                        "new": row.target.rstrip(":"),
                        "customer": row.customer,
                        "at": row.at.isoformat(),
                        "why": row.why,
                        "kept_at": None if row.kept_at is None else row.kept_at.isoformat(),
                    }
                    for row in rows
                ],
            }
        )
    else:
        names = [exits.printable(side.account.rstrip(":")) for side in (opened.old, opened.new)]
        print_parts(f"from {names[0]} to {names[1]}, in the book {exits.printable(opened.old.name)}")
        for account, states in counts.items():
            print_parts(f"{exits.printable(account.rstrip(':'))}: {states['made']} made, {states['unknown']} unknown")
        is_chain = len({(row.source, row.target) for row in rows}) > 1  # of several switches each row names its own
        table = grid(*(("from", "to") if is_chain else ()), "customer", "at", "kept since", "why")
        for row in rows:
            accounts = (row.source.rstrip(":"), row.target.rstrip(":")) if is_chain else ()
            since = "unreadable" if row.kept_at is None else row.kept_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            cells = (*accounts, row.customer, _plain(row.at), since, row.why)
            table.add_row(*map(exits.printable, cells))
        print_parts(table if rows else "no instant is kept yet: the first bill keeps it")
        if given is None:
            print_parts("the file has no at: a shadow phase")
        elif differs:
            print_parts("the file has another instant than the book: bills are refused until they agree")
    if differs:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def report(
    *,
    config: Config,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="One month of bills; else all of them.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="KIND=BILLS",
            help="So many bills may differ in refused, loss, effects, total, uncompared or failed; repeatable, else 0.",
        ),
    ] = None,
    at_least: Annotated[
        int, typer.Option("--at-least", min=1, metavar="BILLS", help="Fewer compared bills are an alert.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Show what the new side would have made of the bills of a month; exit code 1 unless that is all the same."""
    if month is not None:
        _check_month(month)
    limits = _limits(limit or [])
    with _opened(config) as opened:
        notes = opened.journal.shadows.notes(opened.old, opened.new.account, month)
    made = report_of(opened.new.account.partition(":")[0], month, notes)
    alerts = made.alerts(limits, at_least)
    if as_json:
        write_json(asdict(made) | {"is_clean": made.is_clean, "alerts": alerts})
    else:
        _print_report(made)
        for alert in alerts:
            print_parts(f"alert: {alert}")
    if alerts:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def move(
    *,
    config: Config,
    to: Annotated[str, typer.Option("--to", metavar="INSTANT", help="The new instant: 2027-01-01T00:00:00Z.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why it is moved; it is recorded.")],
    customer: Annotated[
        str, typer.Option("--customer", metavar="NAME", help="Of this customer alone; else of all others.")
    ] = EVERYBODY,
    as_json: AsJson = False,
) -> None:
    """Move the kept instant of a switch. Bills that were made stay where they are; nothing is sent."""
    at = in_its_offset(instant(to, "--to"))
    with _opened(config) as opened:
        before = opened.journal.switches.move(
            opened.old, opened.new.account, customer, at, why=why, now=datetime.now(UTC)
        )
    if as_json:
        write_json({"customer": customer, "before": before.at.isoformat(), "at": at.isoformat(), "why": why})
    else:
        print_parts(exits.printable(f"{customer}: moved from {_plain(before.at)} to {_plain(at)}: {why}"))
        print_parts("write the same instant into the file of every process: until then their bills are refused")


def _differ(kept: Mapping[str, datetime], given: Mapping[str, datetime]) -> bool:
    """Return whether a customer has one instant in the book and another one in the file."""
    pairs = [(kept.get(name, kept.get(EVERYBODY)), given.get(name, given.get(EVERYBODY))) for name in {*kept, *given}]
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def _print_report(made: Report) -> None:
    when = made.month or "all months"
    if not made.bills:
        print_parts(f"{when}: no bill was compared with {made.candidate}")
        return
    count = "1 bill" if made.bills == 1 else f"{made.bills} bills"
    print_parts(
        f"{when}: {count} compared with {made.candidate}: {made.refused} would be refused, "
        f"{made.stopped} stopped by a loss"
    )
    table = grid("bills", "what", "severity", "code", "field", "why", "for example")
    for row in made.rows:
        one = row.finding
        severity = f"{one.severity} (allowed)" if one.is_allowed and one.severity != "info" else one.severity
        cells = (
            str(row.bills),
            one.kind,
            severity,
            one.code or "–",
            one.path or "–",
            one.text,
            ", ".join(row.examples),
        )
        table.add_row(*(exits.printable(cell) for cell in cells))
    print_parts(table if made.rows else "no difference and no loss")


def _limits(given: list[str]) -> dict[str, int]:
    limits: dict[str, int] = {}
    for name, number in pairs(given, "--limit").items():
        if not re.fullmatch(r"[0-9]{1,9}", number):
            raise ConfigurationError(f"--limit {name}: {number[:20]!r} is no number of bills: write --limit {name}=5")
        limits[name] = int(number)
    check_limits(limits)
    return limits


def _check_month(month: str) -> None:
    try:
        is_month = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).strftime("%Y-%m") == month
    except ValueError:
        is_month = False
    if not is_month:
        raise ConfigurationError(f"--month: {month[:20]!r} is no month: write 2026-11")


@contextmanager
def _opened(config: str) -> Iterator[_Opened]:
    """Open the journal of the file's [switch]. No key is needed; a missing journal is not made."""
    from invoice_bridge.client.clients import Client

    file = read_sides(config, needs_key=False)
    if is_missing(file.place):
        raise ConfigurationError(f"{config}: the first bill makes the journal; {file.place}: there is no such file")
    with closing(Journal(file.place)) as journal, ExitStack() as stack:
        sides: list[dict[str, Any]] = [{**side, "journal": journal} for side in (file.old, file.new)]
        old, new = (stack.enter_context(Client(**side)) for side in sides)
        shared_journal(old, new)
        yield _Opened(file, journal, old.book, new.book)


def _plain(at: Any) -> str:
    return str(at.isoformat()).replace("+00:00", "Z")
