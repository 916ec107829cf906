"""The invoices of a cassette: the last state of each that its answers show, read by the provider's own adapter.

Rules of this file: nothing is sent. The provider's retrieve flow runs against the recorded answers, so that second
answers (further lines, a plan, a payment) are read as in live use. An unreadable invoice raises.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from invoice_bridge import providers
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.cassettes import reading as recording
from invoice_bridge.core.commands import Retrieve
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse, NotFound, ProviderError, Unauthorized
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.explain import make_context

CASSETTE_ENDINGS = (".yaml", ".yml")
PROVENANCE_ENDING = ".provenance.json"


@dataclass
class _Seen:
    """One invoice of a cassette: its last complete document, its last status, and whether it was deleted."""

    document: Mapping[str, Any] | None = None
    is_whole: bool = False
    """Whether that document has all its lines."""
    status: Status | None = None
    deleted: bool = False


@dataclass
class _Recording:
    """A cassette's answers: reads by method and path, and invoices by id, each in its last state."""

    reads: dict[str, Response] = field(default_factory=dict)
    invoices: dict[str, _Seen] = field(default_factory=dict)


def recorded(path: Path) -> Iterator[Invoice]:
    """Read the last state of every invoice that a cassette's answers show, in the order of their first appearance.

    The provider is that of its provenance, or of the recorded host. Raises ConfigurationError if both are unknown and
    for a file that is not a cassette, MalformedResponse for a recorded answer that cannot be read.
    """
    interactions = _load(path)
    declared = _provider(path, interactions)
    state = _Recording()
    for place, interaction in enumerate(interactions):
        try:
            _note(interaction, declared, state)
        except MalformedResponse as error:
            raise MalformedResponse(
                f"{path}: recorded answer {place}: {error.message}", provider=declared.name
            ) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{path}: interaction {place} is not as vcrpy writes it: {error!r}") from None
    context = make_context(declared, {})
    for invoice_id, seen in state.invoices.items():
        if seen.document is not None:
            yield _last(path, invoice_id, seen, context, state)


def _load(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        return recording.interactions(file.read(recording.MAX_BYTES + 1), str(path))


# ── the provider of the answers
# ───────────────────────────────────────────────────────────────────────────────────────────
def _provider(path: Path, interactions: list[dict[str, Any]]) -> Provider:
    beside = path.with_suffix(PROVENANCE_ENDING)
    if beside.exists():
        try:
            told = loads(beside.read_bytes())
        except ValueError as error:
            raise ConfigurationError(f"{beside}: it is not JSON: {error}") from None
        name = told.get("provider") if isinstance(told, dict) else None
        if not isinstance(name, str):
            raise ConfigurationError(f"{beside}: it names no provider")
        return providers.get(name)
    hosts = {urlsplit(str(one.get("request", {}).get("uri"))).hostname or "" for one in interactions}
    found = [name for name in providers.names() if hosts and all(_is_host(name, host) for host in hosts)]
    if len(found) != 1:
        raise ConfigurationError(
            f"{path}: the provider of these answers is unknown: {beside.name} is missing, and no single provider has "
            f"these hosts: {', '.join(sorted(hosts)) or 'none was recorded'}"
        )
    return providers.get(found[0])


def _is_host(name: str, host: str) -> bool:
    """Return whether a host is a provider's; a setting in its name ("{site}.…") may be any label."""
    own = urlsplit(make_context(providers.get(name), {}).base_url).netloc
    pattern = "".join("[^.]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", own))
    return re.fullmatch(pattern, host) is not None


# ── the invoices in the answers
# ────────────────────────────────────────────────────────────────────────────────────────────────────
def _note(interaction: Mapping[str, Any], declared: Provider, recording: _Recording) -> None:
    request, answer = interaction["request"], interaction["response"]
    status, content = int(answer["status"]["code"]), _content(answer)
    path = _path_of(request["uri"])
    if request["method"] == "GET":
        recording.reads[path] = Response(status, content, provider=declared.name)
    if not 200 <= status < 300:
        return
    last = unquote(path.partition("?")[0].rpartition("/")[2])
    if request["method"] == "DELETE" and last in recording.invoices:
        recording.invoices[last].deleted = True
    if not content:
        return
    try:
        data = loads(content)
    except ValueError as error:
        raise MalformedResponse(f"it is not JSON: {error}") from None
    for invoice_id, document in _documents(data, declared):
        seen = recording.invoices.setdefault(invoice_id, _Seen())
        if seen.deleted:  # the answer to a deletion may have only the id
            continue
        found = declared.parse(document)
        seen.status = found.status
        # an item of a listing may omit lines: it shows the invoice's status, not its content
        if found.lines_complete or seen.document is None or not seen.is_whole:
            seen.document, seen.is_whole = document, found.lines_complete


def _documents(data: Any, declared: Provider) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the invoices in an answer: itself, or the items of a list in it."""
    if not isinstance(data, Mapping):
        return
    lists = [items for items in data.values() if isinstance(items, list)]
    items = [item for found in lists for item in found if isinstance(item, Mapping)]
    own = declared.invoice_id(data)
    if own is None:
        for item in items:
            if (found := declared.invoice_id(item)) is not None:
                yield found, item
        return
    # an answer may hold its one invoice as the only item of a list
    bare = [item for item in items if item.get("id") == own]
    yield own, bare[0] if len(bare) == 1 and data.get("id") != own and len(items) == 1 else data


def _content(answer: Mapping[str, Any]) -> bytes:
    """Return the decoded body: vcrpy keeps compressed answers compressed."""
    body = answer["body"]["string"]
    content = body.encode("utf-8") if isinstance(body, str) else bytes(body or b"")
    named = {name.lower(): value for name, value in answer["headers"].items()}.get("content-encoding", [])
    packed = {word.strip().lower() for one in ([named] if isinstance(named, str) else named) for word in one.split(",")}
    if content[:2] == b"\x1f\x8b" and "gzip" in packed:
        return gzip.decompress(content)
    if "deflate" in packed and content[:1] == b"\x78":
        return zlib.decompress(content)
    if packed & {"br", "zstd"} and content[:1] not in b"{[":
        raise ValueError("its body is compressed by br or zstd: record with decode_compressed_response=True")
    return content


def _path_of(uri: str) -> str:
    parts = urlsplit(uri)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _last(path: Path, invoice_id: str, seen: _Seen, context: Context, recording: _Recording) -> Invoice:
    try:
        invoice = _retrieved(invoice_id, seen, context, recording)
    except ProviderError as error:
        raise MalformedResponse(f"{path}: {invoice_id}: {error.message}", provider=context.provider.name) from None
    if seen.deleted:
        nothing = None if invoice.currency is None else Money.zero(invoice.currency)
        gone = {"status": Status.DELETED, "amount_remaining": nothing}
        return invoice.model_copy(update=gone)
    if seen.status is not invoice.status:
        raise ConfigurationError(
            f"{path}: {invoice_id} was last seen as {seen.status}, in a listing that leaves its lines out; "
            "read it once more after its last change while recording"
        )
    return invoice


def _retrieved(invoice_id: str, seen: _Seen, context: Context, recording: _Recording) -> Invoice:
    """Run the adapter's retrieve against the recording; if that lacks an answer, read the document alone."""
    command = Retrieve(id=invoice_id)
    flow = context.provider.flow(command, context.on(command))
    next(flow)
    answer: Response | None = Response(200, dumps(seen.document), provider=context.provider.name)
    while True:
        try:
            if answer is None:  # live reading omits a forbidden answer too
                request = flow.throw(Unauthorized("this was not recorded", provider=context.provider.name))
            elif answer.status >= 400:
                request = flow.throw(context.provider.error(answer))
            else:
                request = flow.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        except (Unauthorized, NotFound):
            return context.provider.parse(seen.document)
        answer = _recorded_answer(request, recording, context)


def _recorded_answer(request: Request, recording: _Recording, context: Context) -> Response | None:
    """Return the last recorded answer to a read, regardless of its host and root path."""
    below = request.url.removeprefix(context.base_url)
    return next((answer for path, answer in recording.reads.items() if path.endswith(below)), None)
