"""`invoice-bridge cassettes`: record, redact and check cassettes, and show how an API has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import httpx
import typer

from invoice_bridge.cassettes.check import check as check_cassettes
from invoice_bridge.cassettes.drift import drift as find_drift
from invoice_bridge.cassettes.recorder import Recorder
from invoice_bridge.cassettes.reredact import redact as redact_again
from invoice_bridge.cassettes.scenarios import FAULTS, SCENARIOS, Account
from invoice_bridge.cassettes.scenarios import record as record_here
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, ProviderName, Settings, arguments
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client.clients import Client
from invoice_bridge.core.errors import ConfigurationError

app = typer.Typer(
    cls=exits.Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Record and check cassettes; only `record --against test` and `live` use the network.",
)

Place = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder of cassettes, or one of them.", show_default=False)
]


@app.command()
def redact(place: Place, *, as_json: AsJson = False) -> None:
    """Redact recordings again with the current tables; only files that change are written."""
    with progress("redacting"):
        results = redact_again(place)
    if as_json:
        write_json(
            [
                {"path": str(row.path), "changed": row.changed, "redacted": row.notes, "unparsed": row.unparsed}
                for row in results
            ]
        )
        return
    for row in results:
        if row.changed:
            print(f"redacted {exits.printable(row.path)}", *(exits.printable(note) for note in row.notes), sep="\n  ")
        for problem in row.unparsed:
            exits.print_error(f"{row.path}: {problem}; the body was not changed")
    changed = sum(row.changed for row in results)
    print(f"{changed} of {len(results)} {'cassette' if len(results) == 1 else 'cassettes'} changed")


@app.command()
def check(
    place: Place,
    *,
    max_age: Annotated[
        int | None, typer.Option("--max-age", metavar="DAYS", min=0, help="Fail on recordings older than this.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find secrets, false provenance, unplayable interactions, age and old versions; exit code 1 if there are any.

    A secret is never printed, only its file, interaction and place.
    """
    age = None if max_age is None else timedelta(days=max_age)
    with progress("reading the cassettes"):
        count, findings = check_cassettes(place, as_of=datetime.now(UTC), max_age=age)
    if as_json:
        rows = [
            {"path": str(row.path), "interaction": row.interaction, "kind": row.kind, "message": row.message}
            for row in findings
        ]
        write_json({"cassettes": count, "findings": rows})
    else:
        for row in findings:
            print(exits.printable(row))
        total = f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}" if findings else "no findings"
        print(f"{count} {'cassette' if count == 1 else 'cassettes'}: {total}")
    if findings:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def drift(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A cassette or a folder of them.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same, recorded later.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two recordings of the same scenarios, endpoint by endpoint; exit code 1 if the API changed.

    A change is a field that was added, removed or has another type, a new word in a field like `status`, or another
    HTTP status at the same step.
    """
    with progress("reading the cassettes"):
        changes = find_drift(old, new)
    if as_json:
        write_json(
            [
                {"endpoint": row.endpoint, "kind": row.kind, "path": row.path, "old": row.old, "new": row.new}
                for row in changes
            ]
        )
    else:
        for row in changes:
            print(exits.printable(row))
        if not changes:
            print("no drift")
    if changes:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def record(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help=", ".join(SCENARIOS), show_default=False)],
    *,
    provider: ProviderName,
    against: Annotated[
        Literal["emulator", "test", "live"],
        typer.Option("--against", help="The emulator on this machine, or the provider."),
    ] = "emulator",
    into: Annotated[
        Path, typer.Option("--into", metavar="DIR", help="The cassette is DIR/<provider>/<scenario>.yaml.")
    ] = Path("cassettes"),
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="ID", help="The customer to bill, with test and live.")
    ] = None,
    payment_method: Annotated[
        str | None,
        typer.Option("--payment-method", metavar="ID", help="The customer's; `paid` pays with it."),
    ] = None,
    subscription: Annotated[
        str | None,
        typer.Option("--subscription", metavar="ID", help="The customer's, if accrued charges belong to one."),
    ] = None,
    settings: Settings = None,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help="With test: another host.")] = None,
    key_env: Annotated[
        str | None,
        typer.Option("--key-env", metavar="VARIABLE", help="The variable with the key; else STRIPE_API_KEY and so on."),
    ] = None,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Required with test and live; live bills a real customer.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario, and record it redacted, with its provenance in a sidecar.

    Nothing is written if the scenario fails.
    """
    if scenario not in SCENARIOS:
        near = get_close_matches(scenario, SCENARIOS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid names: {', '.join(SCENARIOS)}"
        raise ConfigurationError(f"there is no scenario {scenario!r}; {hint}")
    if against == "emulator":
        unusable = {
            "--customer": customer,
            "--payment-method": payment_method,
            "--subscription": subscription,
            "--set": settings,
            "--base-url": base_url,
        }
        if option := next((name for name, value in unusable.items() if value), None):
            raise ConfigurationError(f"{option} is for test and live: the emulator has its own values")
        with _writing(into), progress("recording"):
            path = record_here(scenario, provider, into).path
    elif scenario in FAULTS:
        raise ConfigurationError(
            f"{scenario!r} needs a provider that fails on request: omit --against {against} to use the emulator"
        )
    elif not allow_network:
        raise ConfigurationError(f"--against {against} needs the network: add --allow-network")
    elif customer is None:
        raise ConfigurationError(f"--against {against} bills a customer: add --customer with an id of that account")
    else:
        options = arguments(provider=provider, base_url=base_url, settings=settings, key_env=key_env, mode=against)
        recorder, path = Recorder(httpx.HTTPTransport()), into / provider / f"{scenario}.yaml"
        with httpx.Client(transport=recorder) as http, progress("recording"):
            SCENARIOS[scenario](
                Client(http=http, lookup="never", **options), Account(customer, payment_method, subscription)
            )
        with _writing(into):
            recorder.save(path, provider, origin=against, recorded_at=datetime.now(UTC))
    if as_json:
        write_json({"recorded": str(path)})
    else:
        print(f"recorded {exits.printable(path)}")


@contextmanager
def _writing(into: Path) -> Iterator[None]:
    """Raise ConfigurationError, whose message is one line, if a cassette cannot be written."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"--into {into}: it cannot be written: {error.strerror}") from None
