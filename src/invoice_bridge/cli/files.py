"""Commands from JSON and TOML files, and amounts and instants as they are written on a command line.

Rules of this file: a number is read exactly, never through a float; every fault is a ConfigurationError of one line
that names the file.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

from invoice_bridge.core.amounts import all_amounts, amount, amounts_of_bill
from invoice_bridge.core.commands import ImportInvoice, OneTimeCharge, PeriodInvoice, read_command, read_import
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import decimal, loads
from invoice_bridge.core.money import Money

T = TypeVar("T")


MOST_BYTES = 64_000_000
"""Bytes of a file that is read whole: a bill, a delivery, a profile, an invoice, what a calibration found."""


def read_bytes(path: str) -> bytes:
    """Read a file, or stdin for "-". Raises ConfigurationError, also for more than MOST_BYTES."""
    content = sys.stdin.buffer.read(MOST_BYTES + 1) if path == "-" else _read_file(path)
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{path}: it has more than {MOST_BYTES // 1_000_000} MB, so it is another file")
    return content


def _read_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigurationError(f"{path}: it is a directory, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise ConfigurationError(f"{path}: it cannot be read: {getattr(error, 'strerror', error)}") from None


def read_bill(path: str) -> OneTimeCharge | PeriodInvoice:
    """Read a bill from a JSON or TOML file, or from stdin for "-"; an amount may be written "19.99 EUR".

    Raises ConfigurationError.
    """
    return _read_as(path, lambda data: read_command(amounts_of_bill(data)))


def read_document(path: str) -> ImportInvoice:
    """Read an import like a bill; every amount in it may be written "19.99 EUR". Raises ConfigurationError."""
    return _read_as(path, lambda data: read_import(all_amounts(data)))


def read_new_invoice(path: str) -> OneTimeCharge | PeriodInvoice | ImportInvoice:
    """Read a bill or an import, as its "command" says. Raises ConfigurationError."""

    def read(data: dict[str, Any]) -> OneTimeCharge | PeriodInvoice | ImportInvoice:
        if data.get("command") == ImportInvoice.verb:
            return read_import(all_amounts(data))
        return read_command(amounts_of_bill(data))

    return _read_as(path, read)


def _read_as(path: str, read: Callable[[dict[str, Any]], T]) -> T:
    shown = "stdin" if path == "-" else path
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{shown}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    is_json = path.endswith(".json") or (not path.endswith(".toml") and text.lstrip()[:1] in {"{", "[", ""})
    try:
        data = loads(text) if is_json else tomllib.loads(text, parse_float=decimal)
        if is_json:
            json.loads(text, object_pairs_hook=_refuse_doubled)  # TOML refuses by itself a name that comes twice
    except (ValueError, RecursionError) as error:
        kind = "JSON" if is_json else "TOML"
        raise ConfigurationError(f"{shown}: it is not {kind}: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigurationError(f'{shown}: a bill is an object with a "command", not a list or a single value')
    try:
        return read(data)
    except ConfigurationError as error:
        words = str(error) if is_json else _JSON_NAME.sub(r"\1 = ", str(error))
        raise ConfigurationError(f"{shown}: {words}") from None


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> None:
    """Raise ValueError for a name that comes twice in an object: of two amounts, JSON takes the last one silently."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{doubled[:40]!r} is written twice in one object")


_JSON_NAME = re.compile(r"(?<=[{ ])\"(\w+)\": ")
"""A name in an object of JSON, which is `name = ` in TOML."""


def optional_amount(text: str | None, where: str) -> Money | None:
    """Read an amount that may be left out. Raises ConfigurationError."""
    return None if text is None else amount(text, where)


def instant(text: str, where: str) -> datetime:
    """Read 2026-05-01T00:00:00Z; a date alone is its midnight in UTC. Raises ConfigurationError naming `where`."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{where}: {text[:40]!r} is not an instant: write 2026-05-01 or 2026-05-01T00:00:00Z"
        ) from None
    if found.tzinfo is None:
        raise ConfigurationError(f"{where}: {text!r} has no time zone: write it with Z or an offset")
    try:
        found.astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(f"{where}: {text!r} is, in UTC, not in the years 1 to 9999") from None
    return found


def write_bytes(path: str, content: bytes) -> None:
    """Write a document into a file. Raises ConfigurationError, also for "-", which would be a file of that name."""
    if path == "-":
        raise ConfigurationError("--output -: a document is not printed: name a file, such as invoice.pdf")
    try:
        Path(path).write_bytes(content)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--output {path}: it cannot be written: {getattr(error, 'strerror', error)}"
        ) from None


def open_in_browser(address: str) -> None:
    """Open an address in the browser that BROWSER names, or else the system's. Raises ConfigurationError."""
    import webbrowser

    from invoice_bridge.cli.progress import leave_terminal

    leave_terminal()  # the browser may be one of the terminal
    try:
        opened = webbrowser.open(address)
    except (OSError, webbrowser.Error):
        opened = False
    if not opened:
        raise ConfigurationError(f"no browser can be started here: set BROWSER, or open {address} yourself (--print)")


def pairs(given: list[str], option: str) -> dict[str, str]:
    """Read a=1 b=2. Raises ConfigurationError naming the option."""
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise ConfigurationError(f"{option} {text!r}: write {option} name=value")
        if name in found:
            raise ConfigurationError(f"{option} {name} is given twice")
        found[name] = value
    return found
