"""`invoice-bridge cassettes`: redact recordings again, check them, and see what an API says otherwise than before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from invoice_bridge.cassettes.again import redact as redact_again
from invoice_bridge.cassettes.check import check as check_cassettes
from invoice_bridge.cassettes.drift import drift as find_drift
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson
from invoice_bridge.cli.output import write_json

app = typer.Typer(
    cls=exits.Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Work on recorded cassettes; nothing here goes to the network.",
)

Place = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder of cassettes, or one of them.", show_default=False)
]


@app.command()
def redact(place: Place, *, as_json: AsJson = False) -> None:
    """Redact recordings again with today's tables; only files that change are written."""
    made = redact_again(place)
    if as_json:
        write_json(
            [
                {"path": str(one.path), "changed": one.changed, "redacted": one.notes, "unparsed": one.unparsed}
                for one in made
            ]
        )
        return
    for one in made:
        if one.changed:
            print(f"redacted {exits.plain(one.path)}", *(exits.plain(note) for note in one.notes), sep="\n  ")
        for problem in one.unparsed:
            exits.complain(f"{one.path}: {problem}; it stays as it is")
    changed = sum(one.changed for one in made)
    print(f"{changed} of {len(made)} {'cassette' if len(made) == 1 else 'cassettes'} changed")


@app.command()
def check(
    place: Place,
    *,
    max_age: Annotated[
        int | None, typer.Option("--max-age", metavar="DAYS", min=0, help="Fail on recordings older than that.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for secrets, false provenance, what can never replay, age and old versions; exit code 1 where there is any.

    What a secret is is never printed: the file, the interaction and the place are.
    """
    age = None if max_age is None else timedelta(days=max_age)
    count, findings = check_cassettes(place, as_of=datetime.now(UTC), max_age=age)
    if as_json:
        rows = [
            {"path": str(one.path), "interaction": one.interaction, "kind": one.kind, "message": one.message}
            for one in findings
        ]
        write_json({"cassettes": count, "findings": rows})
    else:
        for one in findings:
            print(exits.plain(one))
        found = f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}" if findings else "nothing to find"
        print(f"{count} {'cassette' if count == 1 else 'cassettes'}: {found}")
    if findings:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def drift(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A cassette or a folder of them.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same, recorded later.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two recordings of the same scenarios, endpoint by endpoint; exit code 1 where the API says otherwise.

    Fields added, removed or of another type, new words in fields like `status`, another HTTP status at the same step.
    """
    found = find_drift(old, new)
    if as_json:
        write_json(
            [
                {"endpoint": one.endpoint, "kind": one.kind, "path": one.path, "old": one.old, "new": one.new}
                for one in found
            ]
        )
    else:
        for one in found:
            print(exits.plain(one))
        if not found:
            print("no drift")
    if found:
        raise typer.Exit(exits.DIFFERENCE)
