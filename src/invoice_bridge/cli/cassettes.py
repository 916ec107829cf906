"""`invoice-bridge cassettes`: record, redact again, check, and see what an API says otherwise than before."""

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
            print(f"redacted {exits.printable(one.path)}", *(exits.printable(note) for note in one.notes), sep="\n  ")
        for problem in one.unparsed:
            exits.print_error(f"{one.path}: {problem}; it stays as it is")
    changed = sum(one.changed for one in made)
    print(f"{changed} of {len(made)} {'cassette' if len(made) == 1 else 'cassettes'} changed")


@app.command()
def check(
    place: Place,
    *,
    max_age: Annotated[
        int | None, typer.Option("--max-age", metavar="DAYS", min=0, help="Fail on recordings older than this.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find secrets, false provenance, unplayable interactions, age and old versions; exit code 1 if there is any.

    A secret is never printed, only its file, interaction and place.
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
            print(exits.printable(one))
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
    """Compare two recordings of the same scenarios, endpoint by endpoint; exit code 1 if the API changed.

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
            print(exits.printable(one))
        if not found:
            print("no drift")
    if found:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def record(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help=", ".join(SCENARIOS), show_default=False)],
    *,
    provider: ProviderName,
    against: Annotated[
        Literal["emulator", "test", "live"],
        typer.Option("--against", help="The emulator here, or the provider itself."),
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
) -> None:
    """Play a scenario, and record it redacted, with its provenance beside it.

    Nothing is written if the scenario fails.
    """
    if scenario not in SCENARIOS:
        near = get_close_matches(scenario, SCENARIOS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid names: {', '.join(SCENARIOS)}"
        raise ConfigurationError(f"there is no scenario {scenario!r}; {hint}")
    if against == "emulator":
        given = {
            "--customer": customer,
            "--payment-method": payment_method,
            "--subscription": subscription,
            "--set": settings,
            "--base-url": base_url,
        }
        if option := next((name for name, value in given.items() if value), None):
            raise ConfigurationError(f"{option} is for test and live: the emulator has its own")
        with _writing(into):
            path = record_here(scenario, provider, into).path
    elif scenario in FAULTS:
        raise ConfigurationError(
            f"{scenario!r} needs a provider that fails when told to: leave --against {against} out"
        )
    elif not allow_network:
        raise ConfigurationError(f"--against {against} reaches the provider: add --allow-network")
    elif customer is None:
        raise ConfigurationError(f"--against {against} bills somebody: add --customer with an id of that account")
    else:
        made_with = arguments(provider=provider, base_url=base_url, settings=settings, key_env=key_env, mode=against)
        recorder, path = Recorder(httpx.HTTPTransport()), into / provider / f"{scenario}.yaml"
        with httpx.Client(transport=recorder) as http:
            SCENARIOS[scenario](
                Client(http=http, lookup="never", **made_with), Account(customer, payment_method, subscription)
            )
        with _writing(into):
            recorder.save(path, provider, origin=against, recorded_at=datetime.now(UTC))
    print(f"recorded {exits.printable(path)}")


@contextmanager
def _writing(into: Path) -> Iterator[None]:
    """Say in one line that a cassette cannot be written."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"--into {into}: nothing can be written there: {error.strerror}") from None
