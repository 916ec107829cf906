"""invoice-bridge webhooks: receive deliveries and print their events, sign and send one, verify one.

Rules of this file: a secret comes from the environment or a file, never from the command line, and is never printed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invoice_bridge import providers
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, ProviderName, journal_there
from invoice_bridge.cli.files import instant, read_bytes
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import escaped, write_json
from invoice_bridge.client.config import webhook_variable
from invoice_bridge.core.errors import ConfigurationError, InvalidSignature, MalformedResponse, Unreachable
from invoice_bridge.webhooks import parse

if TYPE_CHECKING:
    from invoice_bridge.adapter.webhooks import InvoiceEvent

app = typer.Typer(cls=exits.Group, no_args_is_help=True, help="Receive, send and verify webhooks.")

SecretFile = Annotated[
    str | None,
    typer.Option("--secret-file", metavar="FILE", help="A file with the secret; else STRIPE_WEBHOOK_SECRET and so on."),
]
_LONG = 60
_LONGEST_AGO = 1e9
"""Some thirty years: an instant that every scheme of signing can write."""
_WHAT = "The body of a delivery as a file, or the provider's name of an event, like invoice.paid."


@app.callback()
def _group() -> None:
    """Receive, send and verify webhooks."""


@app.command()
def listen(
    *,
    provider: Annotated[
        list[str], typer.Option("--provider", metavar="NAME", help="Its deliveries are taken; may be repeated.")
    ],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 chooses a free one.")] = 8788,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    secret_file: SecretFile = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Take deliveries without a check: as hints only.")
    ] = False,
    journal: Annotated[
        str | None,
        typer.Option(
            "--journal", metavar="FILE|URL", callback=journal_there, help="Note void and deleted bills in it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Receive deliveries, verify them and print their events, until it is interrupted. The path is the provider."""
    import uvicorn

    from invoice_bridge.emulator.ports import listen as open_port
    from invoice_bridge.emulator.ports import url_of
    from invoice_bridge.journal.store import Journal
    from invoice_bridge.webhooks.asgi import application

    names = [providers.get(name).name for name in provider]
    if secret_file is not None and len(names) > 1:
        raise ConfigurationError("--secret-file is for one provider: put the secrets of several into the environment")
    secrets = {} if unverified else {name: _secret(name, secret_file) for name in names}
    opened = None if journal is None else Journal(journal)
    lost: list[OSError] = []

    def show(event: InvoiceEvent) -> None:
        """Print an event; without a reader the receiver ends, and this delivery is refused, so that it comes again."""
        try:
            _print(event, as_json=as_json)
        except OSError as error:
            lost.append(error)
            server.should_exit = True
            logging.getLogger(application.__module__).setLevel(logging.CRITICAL)  # the exit code says it
            raise

    try:
        receiver = application(
            show,
            secrets=secrets,
            unverified=names if unverified else (),
            journal=opened,
        )
        with open_port(host, port) as listener:
            for name in names:
                print(f"listening on {url_of(listener)}/{name}", file=sys.stderr if as_json else sys.stdout, flush=True)
            config = uvicorn.Config(receiver, log_config=None, access_log=False, lifespan="off")
            server = uvicorn.Server(config)
            server.run(sockets=[listener])
    finally:
        if opened is not None:
            opened.close()
    if lost:
        raise lost[0]
    raise KeyboardInterrupt  # only a signal ends the server


@app.command()
def send(
    what: Annotated[str, typer.Argument(metavar="FILE|EVENT", help=_WHAT, show_default=False)],
    *,
    provider: ProviderName,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The endpoint.")],
    secret_file: SecretFile = None,
    event_id: Annotated[
        str | None, typer.Option("--event-id", metavar="ID", help="Another id than that of the body, where it is sent.")
    ] = None,
    ago: Annotated[
        float,
        typer.Option(
            "--ago", min=0, max=_LONGEST_AGO, metavar="SECONDS", help="Sign as if it were sent that long ago."
        ),
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Sign a delivery as the provider does, and send it once; exit code 3 unless the answer is 2xx."""
    import httpx

    from invoice_bridge.emulator.specimens import specimen_events
    from invoice_bridge.webhooks.signing import sign

    name, now, secret = providers.get(provider).name, datetime.now(UTC), _secret(provider, secret_file)
    _check_endpoint(to)
    if event_id is not None and not (event_id.strip() and event_id.isascii() and event_id.isprintable()):
        raise ConfigurationError("--event-id: a header takes printable ASCII characters only")
    if what == "-" or _is_there(what):
        body = read_bytes(what)
    else:
        events = specimen_events(name, now)
        if what not in events:
            shown = what if len(what) < _LONG else f"{what[:_LONG]}…"
            raise ConfigurationError(f"{shown} is neither a file nor an event; {name} has: {', '.join(sorted(events))}")
        body = events[what].body
    try:
        event = parse(name, {"webhook-id": event_id or ""}, body, secret=None, at=now, verified=False)
    except MalformedResponse as error:
        raise ConfigurationError(f"{what}: it is no delivery that can be sent: {error}") from None
    headers = sign(name, body, secret=secret, at=now - timedelta(seconds=ago), event_id=event_id or event.id)
    try:
        with httpx.Client(timeout=30, trust_env=False) as http, progress(exits.printable(f"waiting for {to}")):
            status = http.post(to, content=body, headers=headers).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{to} cannot be reached: {error}") from None
    if as_json:
        write_json({"status": status, "to": to, "event": event.native_type, "id": event_id or event.id})
    else:
        print(exits.printable(f"{status} from {to}: {event.native_type}, {event_id or event.id}"))
    if not 200 <= status < 300:
        raise typer.Exit(exits.PROVIDER)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help='The body as it was received, or "-" for stdin.')],
    *,
    provider: ProviderName,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="A header of the delivery.")
    ] = None,
    headers: Annotated[
        str | None, typer.Option("--headers", metavar="FILE", help="A file with a header on each line.")
    ] = None,
    secret_file: SecretFile = None,
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="When it was received; else now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the signature of a delivery and print its event; exit code 1 with the reason if it is not valid."""
    given = _headers(header or [], headers)
    body, secret = read_bytes(file), _secret(provider, secret_file)
    received = datetime.now(UTC) if at is None else instant(at, "--at")
    try:
        event = parse(provider, given, body, secret=secret, at=received)
    except (InvalidSignature, MalformedResponse) as error:
        hint = _hint(provider, given, body, secret, received)
        if as_json:
            write_json({"valid": False, "reason": str(error) + hint})
        else:
            exits.print_error(f"not valid: {error}{hint}")
        raise typer.Exit(exits.DIFFERENCE) from None
    if as_json:
        write_json({"valid": True, "event": _fields(event)})
    else:
        print("valid: " + _line(event))


def _hint(provider: str, headers: dict[str, str], body: bytes, secret: str, at: datetime) -> str:
    """Return what an editor may have done to the file: a line end after the body."""
    if body.endswith(b"\n"):
        try:
            parse(provider, headers, body.rstrip(b"\r\n"), secret=secret, at=at)
        except (InvalidSignature, MalformedResponse):
            return ""
        return "; it is valid without the line end of the file, which was not in the delivery"
    return ""


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # such as a name that is too long
        return False


def _check_endpoint(url: str) -> None:
    """Raise ConfigurationError for what is no URL, or has a password, which is then not repeated."""
    import httpx

    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parts = httpx.URL("")
    if parts.userinfo:
        raise ConfigurationError(
            "--to: other programs can read a command line: leave the user and the password out of the URL; "
            "what authenticates a delivery comes from the secret"
        )
    if parts.scheme not in {"http", "https"} or not parts.host or (parts.port or 0) > 65535:
        raise ConfigurationError("--to: write http://HOST:PORT/PATH")


def _headers(given: Iterable[str], path: str | None) -> dict[str, str]:
    read: dict[str, str] = {}
    lines = [] if path is None else read_bytes(path).decode("utf-8", "replace").splitlines()
    for text in (*given, *(line for line in lines if line.strip())):
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise ConfigurationError("a header is written NAME: VALUE")
        read[name.strip()] = value.strip()
    if any(text.partition(":")[0].strip().lower() == "authorization" for text in given):
        raise ConfigurationError(
            "--header: other programs can read a command line, and Authorization has the password: use --headers FILE"
        )
    return read


def _secret(provider: str, path: str | None) -> str:
    """Return the secret of an endpoint. Raises ConfigurationError."""
    variable = webhook_variable(providers.get(provider).name)
    try:
        secret = os.environ.get(variable, "") if path is None else read_bytes(path).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: it is not text") from None
    if not secret.strip():
        where = f"set {variable}, or name a file by --secret-file" if path is None else f"{path} is empty"
        raise ConfigurationError(f"the secret of the endpoint of {provider} is missing: {where}")
    return secret


def _print(event: InvoiceEvent, *, as_json: bool) -> None:
    if as_json:
        import json

        sys.stdout.write(escaped(json.dumps(_fields(event), ensure_ascii=False)) + "\n")
    else:
        print(_line(event))
    sys.stdout.flush()


def _fields(event: InvoiceEvent) -> dict[str, object]:
    shown: dict[str, object] = event.model_dump(mode="json", exclude={"raw", "invoice"})
    invoice = event.invoice
    return shown | {"invoice": None if invoice is None else invoice.model_dump(mode="json", exclude={"raw"})}


def _line(event: InvoiceEvent) -> str:
    invoice = event.invoice
    parts = [
        None if event.occurred_at is None else event.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        event.provider,
        event.type.value,
        f"({event.native_type})",
        event.invoice_id,
        invoice and invoice.status.value,
        invoice and invoice.total and str(invoice.total),
        event.id,
        None if event.verified else "NOT VERIFIED",
    ]
    return exits.printable(" ".join(part for part in parts if part))
