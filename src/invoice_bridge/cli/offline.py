"""The commands that need no key: what would be sent, what would be lost, and what providers can do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from invoice_bridge import providers
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import (
    AsJson,
    BillFile,
    Config,
    Lookup,
    Profile,
    ProviderName,
    Settings,
    client_to_ask,
    provider_beside,
    read_settings,
)
from invoice_bridge.cli.files import pairs, read_bytes, read_new_invoice
from invoice_bridge.cli.natives import ExpectTotal, Native, Unchecked, with_natives
from invoice_bridge.cli.terminal import in_color, loss_json, write_json
from invoice_bridge.core.commands import ImportInvoice, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse
from invoice_bridge.core.losses import Severity
from invoice_bridge.decode import decode as decode_invoice
from invoice_bridge.explain import Plan
from invoice_bridge.explain import explain as explain_bill
from invoice_bridge.explain import losses as losses_of_bill


class Form(StrEnum):
    """What explain prints."""

    TEXT = "text"
    JSON = "json"
    CURL = "curl"


def demo(*, as_json: AsJson = False) -> None:
    """Bill through every provider, over real HTTP, against the emulators: no key, no account."""
    from invoice_bridge.cli.demo import demonstrate

    if not demonstrate(as_json=as_json):
        raise typer.Exit(exits.PROVIDER)


def show_providers(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One provider, in full.")] = None,
    *,
    evidence: Annotated[
        list[str] | None,
        typer.Option("--evidence", metavar="FILE", help="An evidence file of calibrate; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each provider can do, with the evidence, or one provider in full."""
    from invoice_bridge.calibrations import read
    from invoice_bridge.cli.capabilities import matrix_parts, provider_json, provider_parts
    from invoice_bridge.cli.output import print_parts

    chosen = [providers.get(one) for one in ([name] if name else providers.names())]
    given = [(path, read(read_bytes(path), path)) for path in evidence or []]
    files = {file.provider: file for _, file in given}
    elsewhere = [path for path, file in given if not file.recorded_at_provider]
    if as_json:
        found = [provider_json(provider, files) for provider in chosen]
        write_json(found[0] if name else found)
    elif name:
        print_parts(*provider_parts(chosen[0], files))
    else:
        print_parts(*matrix_parts(files))
    for path in elsewhere:
        exits.print_error(f"{path} was recorded at another host than the provider's own: it confirms nothing")


def explain(
    file: BillFile,
    *,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME|all", help="One provider, or all side by side.")
    ] = None,
    config: Config = None,
    profile: Profile = None,
    settings: Settings = None,
    lookup: Annotated[Lookup | None, typer.Option("--lookup", help="As for create.")] = None,
    form: Annotated[Form, typer.Option("--format", help="What to print.")] = Form.TEXT,
    native: Native = None,
    native_unchecked: Unchecked = None,
    expect_total: ExpectTotal = None,
    as_json: AsJson = False,
) -> None:
    """Show the exact requests of a bill, their effects and the losses; nothing is sent."""
    bill = with_natives(read_new_invoice(file), native, native_unchecked, expect_total)
    of_client = {} if lookup is None else {"lookup": lookup.value}
    name = provider_beside(config, profile, provider, {"--set": settings})
    if config is not None:
        with client_to_ask(config, profile, **of_client) as client:
            plans = [client.explain(bill)]
    else:
        plans = list(_plans(bill, name or "", pairs(settings or [], "--set"), of_client))
    if as_json or form is Form.JSON:
        write_json([plan.to_json() for plan in plans] if provider == "all" else plans[0].to_json())
    elif form is Form.CURL:
        sys.stdout.write("\n\n".join(plan.curl() for plan in plans) + "\n")
    elif provider == "all":
        from invoice_bridge.cli.output import plans_table, print_parts

        print_parts(plans_table(plans))
    else:
        sys.stdout.write(plans[0].text(color=in_color(), spell=exits.spell) + "\n")
    if provider != "all" and (refusal := plans[0].refusal) is not None:
        raise typer.Exit(exits.code_of(refusal))  # as `create` of this bill would end


def _plans(
    bill: OneTimeCharge | PeriodInvoice | ImportInvoice,
    provider: str,
    given: Mapping[str, str],
    of_client: Mapping[str, Any],
) -> Iterator[Plan]:
    for name in providers.names() if provider == "all" else (provider,):
        declared = providers.get(name)
        known = {setting.name for setting in declared.settings}
        own = {word: value for word, value in given.items() if word in known or provider != "all"}
        yield explain_bill(name, bill, **of_client, **read_settings(declared, own))


def losses(
    file: BillFile,
    *,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="stripe, chargeapi, chargebee, whop …")
    ] = None,
    config: Config = None,
    profile: Profile = None,
    settings: Settings = None,
    native: Native = None,
    native_unchecked: Unchecked = None,
    expect_total: ExpectTotal = None,
    as_json: AsJson = False,
) -> None:
    """List what a provider would not carry of a bill; exit code 1 if that would stop it."""
    bill, now = with_natives(read_new_invoice(file), native, native_unchecked, expect_total), datetime.now(UTC)
    allowed = frozenset[str]()
    name = provider_beside(config, profile, provider, {"--set": settings})
    if config is not None:
        with client_to_ask(config, profile) as client:
            name, found, allowed = client.provider, client.losses(bill, as_of=now), client.allowed(bill)
    else:
        own = read_settings(providers.get(name or ""), pairs(settings or [], "--set"))
        found = losses_of_bill(name or "", bill, as_of=now, **own)
    if as_json:
        write_json([loss_json(loss) | ({"allowed": True} if loss.code in allowed else {}) for loss in found])
    else:
        for loss in found:
            is_allowed = loss.code in allowed and loss.severity is not Severity.INFO
            after = " (allowed by the profile)" if is_allowed else ""
            print(f"{loss.severity.value}: {exits.printable(exits.spell(loss))}{after}")
        if not found:
            print(f"{name} carries this bill whole")
    if any(loss.severity is not Severity.INFO and loss.code not in allowed for loss in found):
        raise typer.Exit(exits.DIFFERENCE)


def decode(
    file: Annotated[str, typer.Argument(metavar="FILE", help='The provider\'s own JSON, or "-" for stdin.')],
    *,
    provider: ProviderName,
    as_json: AsJson = False,
) -> None:
    """Read a provider's invoice from its JSON and show it in neutral words."""
    try:
        invoice = decode_invoice(provider, read_bytes(file))
    except MalformedResponse as error:  # here the file is at fault, not a provider's answer
        raise ConfigurationError(f"{'stdin' if file == '-' else file}: {error.message}") from None
    from invoice_bridge.cli.results import write

    write(invoice, as_json=as_json)
