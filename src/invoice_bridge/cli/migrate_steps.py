"""invoice-bridge migrate: the steps of a move that reach a provider: plan, sweep, run, verify, undo."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, ledger_file
from invoice_bridge.cli.files import instant
from invoice_bridge.cli.migrate_json import preview_json, write_balances, write_done, write_planned, write_verified
from invoice_bridge.cli.migrate_parts import LedgerFile, PlanNumber, show_lines, show_preview
from invoice_bridge.cli.output import print_parts
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.core.amounts import amount

if TYPE_CHECKING:
    from invoice_bridge.migrate.migration import Migration
    from invoice_bridge.migrate.running import Progress
    from invoice_bridge.migrate.values import State

Config = Annotated[str, typer.Option("--config", metavar="FILE", help="A TOML file with both profiles.")]
From = Annotated[str, typer.Option("--from", metavar="NAME", help="The profile of the source's account.")]
To = Annotated[str, typer.Option("--to", metavar="NAME", help="The profile of the target's account.")]
NewLedger = Annotated[
    str,
    typer.Option("--ledger", metavar="FILE|URL", callback=ledger_file, help="The ledger; it is made if need be."),
]
Customers = Annotated[
    str | None,
    typer.Option("--customers", metavar="CSV", help="source_id,target_id; customers that are missing are added to it."),
]
Products = Annotated[
    str | None, typer.Option("--products", metavar="CSV", help="source_id,target_id of products and prices.")
]


def _migration(ledger: str, config: str, source: str, target: str, **settings: Any) -> Migration:
    from invoice_bridge.migrate.migration import Migration

    return Migration.from_config(ledger, config, source, target, **settings)


def plan(
    *,
    ledger: NewLedger,
    config: Config,
    source: From,
    target: To,
    customers: Customers = None,
    products: Products = None,
    numbers: Annotated[str, typer.Option("--numbers", metavar="RULE", help="keep, prefix:OLD- or new.")] = "keep",
    drafts: Annotated[bool, typer.Option("--drafts", help="Move drafts too.")] = False,
    open_invoices: Annotated[
        bool, typer.Option("--open", help="Move open invoices too: they are closed at the source.")
    ] = False,
    created_from: Annotated[
        str | None, typer.Option("--created-from", metavar="INSTANT", help="Only those created since then.")
    ] = None,
    created_to: Annotated[
        str | None, typer.Option("--created-to", metavar="INSTANT", help="Only those created before then.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="Requests per second at the target; else its limit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read the source, and write what is to be done into a ledger; nothing is written at a provider."""
    between = {
        "created_from": None if created_from is None else instant(created_from, "--created-from"),
        "created_to": None if created_to is None else instant(created_to, "--created-to"),
    }
    with _migration(ledger, config, source, target, rate=rate) as migration:
        with progress("reading the source") as line:
            number = migration.plan(
                customers=customers,
                products=products,
                numbers=numbers,
                drafts=drafts,
                open_invoices=open_invoices,
                progress=line.show,
                **between,
            )
        _show_planned(migration, number, customers, as_json=as_json)


def sweep(
    *,
    ledger: LedgerFile,
    config: Config,
    source: From,
    target: To,
    customers: Customers = None,
    products: Products = None,
    plan: PlanNumber = None,
    as_json: AsJson = False,
) -> None:
    """Plan what is new at the source since a plan; what changed since is listed."""
    with _migration(ledger, config, source, target) as migration:
        with progress("reading the source") as line:
            number = migration.sweep(plan, customers=customers, products=products, progress=line.show)
        _show_planned(migration, number, customers, as_json=as_json)


def _show_planned(migration: Migration, number: int, customers: str | None, *, as_json: bool) -> None:
    if as_json:
        write_planned(migration, number)
        return
    show_preview(migration.preview(number))
    if missing := migration.missing_customers(number):
        where = f"complete {customers}" if customers else "name a CSV with --customers"
        who = "1 customer has" if len(missing) == 1 else f"{len(missing)} customers have"
        sys.stdout.flush()  # the preview comes first where both are one screen
        exits.print_error(f"{who} no id at the target: {where}, and plan again")


def run(
    *,
    ledger: LedgerFile,
    config: Config,
    source: From,
    target: To,
    plan: PlanNumber = None,
    first: Annotated[int | None, typer.Option("--first", min=1, metavar="N", help="Only so many items.")] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option("--at-most", metavar="AMOUNT", help='Only up to an amount, like "500.00 EUR"; for each currency.'),
    ] = None,
    allow: Annotated[list[str] | None, typer.Option("--allow", metavar="CODE", help="Accept a loss by its code.")] = (
        None
    ),
    threads: Annotated[int, typer.Option("--threads", min=1, max=32, help="Items under way at a time.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Move what a plan has. It can be interrupted and repeated; exit code 1 if an item is refused, or a person's."""
    amounts = [amount(text, "--at-most") for text in at_most or ()]
    with _migration(ledger, config, source, target) as migration:
        with progress("moving") as line:

            def show(run: Progress) -> None:
                left = "" if run.left is None else f", {run.left} left"
                line.show(run.ended.total(), run.whole, f"moving, {run.rate:.1f} a second{left}")

            done = migration.run(plan, first=first, at_most=amounts, allow=allow or (), threads=threads, watch=show)
        number = migration.ledger.plan(plan).number
        left = migration.ledger.counts(number)
    if as_json:
        write_done(done, dict(left), number)
    else:
        _show_run(left, done)
    if left.get("quarantined") or left.get("unknown") or done.get("refused"):
        raise typer.Exit(exits.DIFFERENCE)


def _show_run(left: Mapping[State, int], done: Mapping[str, int]) -> None:
    states = ", ".join(f"{number} {state}" for state, number in sorted(left.items())) or "it has no items"
    print_parts(f"of the plan: {states}" if done else f"nothing was left; of the plan: {states}")
    if refused := done.get("refused"):
        items = "1 item was" if refused == 1 else f"{refused} items were"
        exits.print_error(
            f"{items} refused by this run: invoice-bridge migrate preview counts the reasons, migrate serve lists each "
            "one; migrate sweep plans again what can then be moved"
        )
    if left.get("quarantined") or left.get("unknown"):
        exits.print_error("items are left to a person: invoice-bridge migrate quarantine list")


def verify(
    *,
    ledger: LedgerFile,
    config: Config,
    source: From,
    target: To,
    plan: PlanNumber = None,
    as_json: AsJson = False,
) -> None:
    """Read back what was moved, and compare it as documents; exit code 1 unless all of it is verified."""
    with _migration(ledger, config, source, target) as migration, progress("reading back") as line:
        found = migration.verify(plan, progress=line.show)
    if as_json:
        write_verified(found)
    else:
        print_parts(*map(exits.printable, str(found).splitlines()))
    if not found.ok:
        raise typer.Exit(exits.DIFFERENCE)


def balances(
    *,
    ledger: LedgerFile,
    config: Config,
    source: From,
    target: To,
    customers: Customers = None,
    plan: PlanNumber = None,
    as_json: AsJson = False,
) -> None:
    """List what customers have beside invoices, once a plan is run: a person moves it. Exit code 1 if there is any."""
    with _migration(ledger, config, source, target) as migration, progress("reading balances") as line:
        found = migration.credits(plan, customers=customers, progress=line.show)
    if as_json:
        write_balances(found)
    else:
        show_lines(found.lines())
    if not found.is_clear:
        raise typer.Exit(exits.DIFFERENCE)


def undo(
    *,
    ledger: LedgerFile,
    config: Config,
    source: From,
    target: To,
    plan: PlanNumber = None,
    as_json: AsJson = False,
) -> None:
    """Plan to take back what a plan has made, as far as the target lets it; `run` then does it."""
    with _migration(ledger, config, source, target) as migration:
        with progress("planning"):
            number = migration.undo(plan)
        if as_json:
            write_json(preview_json(migration.preview(number)))
        else:
            show_preview(migration.preview(number))
