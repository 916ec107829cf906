"""The sides of a comparison: invoices, a client, a cassette, a file of neutral invoices, a folder.

Rules of this file: one invoice at a time; an unreadable one raises an error that names the place. A partly read side
is never compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from invoice_bridge.client.clients import Client
from invoice_bridge.compare.from_cassette import CASSETTE_ENDINGS, PROVENANCE_ENDING, recorded
from invoice_bridge.core.commands import faults
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.model import Invoice

Side = Invoice | Iterable[Invoice] | Client | str | Path
"""One invoice; invoices; a client, which lists all of its account; or the path of a file or folder."""

LINE_ENDINGS = (".ndjson", ".jsonl")
JSON_ENDING = ".json"


class Read(NamedTuple):
    """An invoice, its JSON, its place (for a message), and the name of its file without the ending."""

    invoice: Invoice
    body: str
    place: str
    file: str | None


def is_single(side: Side) -> bool:
    """Return whether a side is a single invoice, such as a file with one object, so that nothing is joined."""
    if not isinstance(side, str | Path):
        return isinstance(side, Invoice)
    path = Path(side)
    return path.name.endswith(JSON_ENDING) and path.is_file() and next(_texts(path), ("", b""))[1].startswith(b"{")


def read(side: Side) -> Iterator[Read]:
    """Read a side, one invoice after another.

    Raises ConfigurationError for a file that cannot be read, MalformedResponse for a recorded answer that cannot, and
    what the client raises.
    """
    if isinstance(side, Invoice):
        yield _given(side, "the invoice")
    elif isinstance(side, Client):
        for invoice in side.list(full=True):
            yield _given(invoice, f"{invoice.provider} {invoice.id}")
    elif isinstance(side, str | Path):
        yield from _path(Path(side))
    elif isinstance(side, Iterable):
        for place, invoice in enumerate(side):
            if not isinstance(invoice, Invoice):
                raise ConfigurationError(f"invoices are compared, not {type(invoice).__name__} (item {place})")
            yield _given(invoice, f"{invoice.provider} {invoice.id}")
    else:
        raise ConfigurationError(
            f"a side is an invoice, invoices, a Client or the path of a file or folder, not {type(side).__name__}"
        )


def _given(invoice: Invoice, place: str) -> Read:
    return Read(invoice, invoice.model_dump_json(), place, None)


def _path(path: Path) -> Iterator[Read]:
    if not path.is_dir():
        yield from _file(path, path.stem)
        return
    endings = (*CASSETTE_ENDINGS, *LINE_ENDINGS, JSON_ENDING)
    found = sorted(
        one for one in path.rglob("*") if one.name.endswith(endings) and not one.name.endswith(PROVENANCE_ENDING)
    )
    if not found:
        raise ConfigurationError(f"{path}: it holds no file that can be read, of {', '.join(endings)}")
    for one in found:
        yield from _file(one, one.relative_to(path).with_suffix("").as_posix())


def _file(path: Path, name: str) -> Iterator[Read]:
    try:
        if path.name.endswith(CASSETTE_ENDINGS):
            for invoice in recorded(path):
                yield _given(invoice, f"{path}: {invoice.id}")._replace(file=name)
        elif path.name.endswith((*LINE_ENDINGS, JSON_ENDING)):
            for place, text in _texts(path) if path.name.endswith(LINE_ENDINGS) else _json(path):
                yield Read(_neutral(text, place), text.decode("utf-8"), place, name)
        else:
            raise ConfigurationError(
                f"{path}: a side is a cassette (.yaml), neutral invoices (.ndjson, .jsonl, .json) or a folder of them"
            )
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error.strerror}") from None


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """Return the lines of a file that are not empty, each with its place."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if text:
                yield f"{path}:{number}", text


def _json(path: Path) -> Iterator[tuple[str, bytes]]:
    """Return the invoices of a JSON document: one, or an array of them.

    An array with one invoice a line, as `invoice-bridge list --json` prints it, is read line by line.
    """
    lines = _texts(path)
    begin = list(_first(lines, 2))
    if len(begin) == 2 and begin[0][1] == b"[" and begin[1][1].startswith(b"{") and begin[1][1].endswith((b"}", b"},")):
        yield from _array(path, chain(begin[1:], lines))
        return
    try:
        whole = loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError as error:
        raise ConfigurationError(f"{path}: it is not JSON: {error}") from None
    for place, item in enumerate(whole if isinstance(whole, list) else [whole]):
        yield f"{path} [{place}]" if isinstance(whole, list) else str(path), dumps(item)


def _first(lines: Iterator[tuple[str, bytes]], count: int) -> Iterator[tuple[str, bytes]]:
    for _, line in zip(range(count), lines, strict=False):
        yield line


def _array(path: Path, lines: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    more = True
    for place, text in lines:
        if text == b"]" and not more:
            more = False
            break
        if not more:
            raise ConfigurationError(f"{place}: a comma is missing before this line")
        more = text.endswith(b",")
        yield place, text.removesuffix(b",")
    else:
        raise ConfigurationError(f"{path}: it is torn: its array has no end")
    if rest := next(iter(lines), None):
        raise ConfigurationError(f"{rest[0]}: something follows the end of the array")


def _neutral(text: bytes, place: str) -> Invoice:
    try:
        return Invoice.model_validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(
            f"{place}: this is no neutral invoice, as `invoice-bridge list --full --json` prints it: "
            f"{faults(error)[:300]}"
        ) from None
