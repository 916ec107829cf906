"""invoice-bridge migrate: the group of the steps, and the worker for as many machines as there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from invoice_bridge.cli import exits, migrate_parts, migrate_steps
from invoice_bridge.cli.connect import AsJson, ledger_file
from invoice_bridge.cli.migrate_json import write_done
from invoice_bridge.cli.output import print_parts
from invoice_bridge.cli.progress import progress
from invoice_bridge.client.config import read_profile
from invoice_bridge.core.errors import ConfigurationError

_WORKING = "moving, together with other workers"

app = typer.Typer(cls=exits.Group, no_args_is_help=True, help="Move invoices to another provider.")


@app.callback()
def _group() -> None:
    """Move invoices to another provider."""


app.command("plan")(migrate_steps.plan)
app.command("preview")(migrate_parts.preview)
app.command("run")(migrate_steps.run)
app.command("status")(migrate_parts.status)
app.command("serve")(migrate_parts.serve)
app.command("sweep")(migrate_steps.sweep)
app.command("verify")(migrate_steps.verify)
app.command("evidence")(migrate_parts.evidence)
app.command("credits")(migrate_steps.balances)
app.command("undo")(migrate_steps.undo)
app.add_typer(migrate_parts.quarantine, name="quarantine")


@app.command("worker")
def worker(
    *,
    database_url: Annotated[
        str,
        typer.Option(
            "--database-url",
            metavar="URL",
            callback=ledger_file,
            help="The PostgreSQL database of the ledger; the password is in PGPASSWORD or ~/.pgpass.",
        ),
    ],
    config: Annotated[str, typer.Option("--config", metavar="FILE", help="A TOML file of profiles.")],
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="The profile of the target's account.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="NAME", help="The profile of the source's account, for what `plan` has written."
        ),
    ] = None,
    allow: Annotated[list[str] | None, typer.Option("--allow", metavar="CODE", help="Accept a loss by its code.")] = (
        None
    ),
    plan: Annotated[int | None, typer.Option("--plan", metavar="NUMBER", help="The plan; else the last one.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=32, help="Items under way at a time.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Work on a plan until it is finished; start one on each machine. Exit code 1 if an item is refused, or a person's.

    Each worker counts the items that it has ended itself.
    """
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.jobs import work_on_jobs
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.migration import Migration

    target = read_profile(config, profile)
    if source is not None:
        with (
            Migration(database_url, source=read_profile(config, source), target=target) as migration,
            progress(_WORKING),
        ):
            done = migration.work(plan, allow=allow or (), threads=threads)
        _show(done, as_json=as_json)
        return
    with Ledger(database_url) as ledger:
        if ledger.database.is_postgres and "kind" in ledger.plan(plan).facts:
            raise ConfigurationError(
                "this plan reads its source again before it moves an item: name the source's profile with --from"
            )
    own = {
        name: value
        for name, value in target.items()
        if name not in {"journal", "lookup", "deadline", "timeout", "requests_per_minute"}  # the ledger's
    }

    def connect(**settings: Any) -> Client:
        return Client(**own, **settings)

    with progress(_WORKING):
        ended = work_on_jobs(database_url, connect, plan=plan, threads=threads)
    _show(ended, as_json=as_json)


def _show(done: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        write_done(dict(done))
    else:
        ended = ", ".join(f"{number} {state}" for state, number in sorted(done.items()))
        print_parts(ended or "nothing was left to do")
    if any(done.get(state) for state in ("refused", "quarantined", "unknown")):
        raise typer.Exit(exits.DIFFERENCE)
