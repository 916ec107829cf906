"""invoice-bridge journal: what was tried, what claims a reference, and releasing it by a person's word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, is_missing, journal_there
from invoice_bridge.cli.files import instant
from invoice_bridge.cli.output import grid, print_parts
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client.config import read_profile
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.rows import Book, Claim, Fact, Try, unresolved, verdict_of
from invoice_bridge.journal.store import Journal

app = typer.Typer(
    cls=exits.Group, no_args_is_help=True, help="Read the journal of what was tried, or release a reference."
)

File = Annotated[
    str | None,
    typer.Option("--journal", metavar="FILE|URL", callback=journal_there, help="The journal's file, or its database."),
]
Config = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="A TOML file whose profile names the journal.")
]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Its profile.")]
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The bill's reference.", show_default=False)]


@app.command("list")
def list_claims(
    *,
    journal: File = None,
    config: Config = None,
    profile: Profile = None,
    book: Annotated[str | None, typer.Option("--book", metavar="NAME", help="Only this book.")] = None,
    unsettled: Annotated[bool, typer.Option("--unsettled", help="Only bills with an unknown outcome.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the references that are billed or may have been, and where."""
    with _opened(journal, config, profile) as (opened, _):
        claims = [
            claim
            for claim in opened.claims()
            if book in {None, claim.book} and (not unsettled or claim.state == "unknown")
        ]
    if as_json:
        write_json([_claim_json(claim) for claim in claims])
        return
    table = grid("reference", "state", "at", "mode", "invoice", "book", "since")
    for claim in claims:
        at = claim.account.rstrip(":")
        row = (claim.reference, claim.state, at, claim.mode or "–", claim.invoice_id or "–", claim.book)
        table.add_row(*(exits.printable(cell) for cell in row), _instant(claim.since))
    nothing = "no bill has an unknown outcome" if unsettled else "no reference is billed, or may have been"
    print_parts(table if claims else nothing)


@app.command("show")
def show_reference(
    reference: Reference,
    *,
    journal: File = None,
    config: Config = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show every request of a reference and its outcome; exit code 1 if none is known."""
    with _opened(journal, config, profile) as (opened, _):
        tries, facts = opened.history(reference), opened.facts(reference)
    pending = {known.number for known in unresolved(tries).values()}
    if as_json:
        rows = [_try_json(known) | {"unresolved": known.number in pending} for known in tries]
        write_json({"reference": reference, "tries": rows, "facts": [_fact_json(fact) for fact in facts]})
    else:
        table = grid("began", "attempt", "request", "ended", "invoice", "account", "book")
        for known in tries:
            ended = _ended(known, unsettled=known.number in pending)
            row = (f"{known.method} {known.url}", ended, known.invoice_id or "–", known.account.rstrip(":"), known.book)
            table.add_row(
                _instant(known.began_at), str(known.attempt or "verb"), *(exits.printable(cell) for cell in row)
            )
        print_parts(table if tries else f"no request of {exits.printable(reference)} is known")
        for fact in facts:
            what = f" ({fact.invoice_id})" if fact.invoice_id else ""
            print_parts(
                exits.printable(f"{_instant(fact.at)}  {fact.state}{what} at {fact.account.rstrip(':')}: {fact.why}")
            )
    if not tries:
        raise typer.Exit(exits.DIFFERENCE)


@app.command()
def release(
    reference: Reference,
    *,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why it may be billed elsewhere; it is recorded.")],
    account: Annotated[
        str | None, typer.Option("--account", metavar="PROVIDER[:ACCOUNT]", help="Where, if it is at several.")
    ] = None,
    book: Annotated[
        str | None,
        typer.Option("--book", metavar="NAME", help='In which book; else the profile\'s, or "default".'),
    ] = None,
    journal: File = None,
    config: Config = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Allow a reference to be billed at another account, though this one may have billed it. Nothing is sent."""
    if not why.strip() or not why.isprintable():
        raise ConfigurationError(
            "--why must be a sentence of printable characters: it is the only record of the reason"
        )
    with _opened(journal, config, profile) as (opened, own):
        book = book or own
        claims = [claim for claim in opened.claims(None, reference) if claim.book == book]
        if account is not None:
            claims = [claim for claim in claims if claim.account.rstrip(":") == account.rstrip(":")]
        if not claims:
            where = f" at {account}" if account else ""
            raise ConfigurationError(f"nothing of {reference!r}{where} blocks anything in the book {book!r}")
        if len({claim.account for claim in claims}) > 1:
            names = ", ".join(claim.account.rstrip(":") for claim in claims)
            raise ConfigurationError(f"{reference!r} is at several accounts: name one of them, as --account: {names}")
        chosen = claims[0]
        for claim in claims:  # one for each mode
            opened.release(Book(claim.account, book, claim.mode), reference, "released", why, datetime.now(UTC))
    if as_json:
        write_json(_claim_json(chosen) | {"released": why})
    else:
        print_parts(exits.printable(f"{reference} is released at {chosen.account.rstrip(':')}: {why}"))


@app.command()
def prune(
    *,
    before: Annotated[
        str, typer.Option("--before", metavar="INSTANT", help="Bills settled before: 2025-01-01 is midnight UTC.")
    ],
    made: Annotated[
        bool,
        typer.Option("--made", help="Also bills that were made: made again, they are new bills to --lookup journal."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them, and remove nothing.")] = False,
    journal: File = None,
    config: Config = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Remove old bills that claim nothing: refused, void, deleted, absent or released. What is unsettled is kept."""
    moment = instant(before, "--before")
    with _opened(journal, config, profile) as (opened, _):
        count = opened.prune(moment, datetime.now(UTC), made=made, dry_run=dry_run)
    if as_json:
        write_json({"references": count, "removed": not dry_run})
    else:
        what = "reference" if count == 1 else "references"
        print_parts(f"{count} {what} {'would be removed' if dry_run else 'removed'}")


@contextmanager
def _opened(path: str | None, config: str | None, profile: str | None) -> Iterator[tuple[Journal, str]]:
    """Open the journal that the options or the profile name; with the name of the profile's book."""
    place: Any = path
    book = "default"
    if config is not None and path is not None:
        raise ConfigurationError("--journal cannot go with --config: the profile says it")
    if config is not None:
        given = read_profile(config, profile, needs_key=False)
        place, book = given.get("journal"), given.get("book", book)
        if place is None:
            raise ConfigurationError(f"{config}: the profile names no journal")
        if is_missing(place):
            raise ConfigurationError(f"{config}: the first bill makes the journal; {place}: there is no such file")
    if place is None:
        raise ConfigurationError("name a journal: write --journal FILE, or --config FILE whose profile names it")
    with closing(Journal(place)) as opened:
        yield opened, book


def _instant(instant: datetime | None) -> str:
    return "unreadable" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ended(known: Try, *, unsettled: bool) -> str:
    status = f" (HTTP {known.status})" if known.status is not None else ""
    word = {"applied": "done", "refused": "refused", "deferred": "not now"}.get(verdict_of(known) or "", "unknown")
    return ("unknown" if unsettled else word if known.may_have_been_sent else "not sent") + status


def _claim_json(claim: Claim) -> dict[str, Any]:
    return {
        "reference": claim.reference,
        "state": claim.state,
        "provider": claim.provider,
        "account": claim.account,
        "mode": claim.mode or None,
        "invoice_id": claim.invoice_id,
        "book": claim.book,
        "since": None if claim.since is None else _instant(claim.since),
    }


def _try_json(known: Try) -> dict[str, Any]:
    return {
        "attempt": known.attempt,
        "method": known.method,
        "url": known.url,
        "account": known.account,
        "mode": known.mode or None,
        "book": known.book,
        "began_at": None if known.began_at is None else _instant(known.began_at),
        "ended": known.ended,
        "status": known.status,
        "verdict": verdict_of(known),
        "verb": known.verb or None,
        "invoice_id": known.invoice_id,
    }


def _fact_json(fact: Fact) -> dict[str, Any]:
    return {
        "state": fact.state,
        "account": fact.account,
        "book": fact.book,
        "invoice_id": fact.invoice_id,
        "why": fact.why,
        "at": None if fact.at is None else _instant(fact.at),
    }
