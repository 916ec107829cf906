"""A comparison as one HTML file that needs nothing else: no network, no font, no library.

Rules of this file: rows are written as they are read, and counted on the way, to a temporary file, so memory does not
grow with them; in the page they follow the summary, so that a browser shows it while it reads them. A provider's text
reaches the page as escaped data, never as markup; the page's policy forbids everything but its own style and script,
by their hashes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

from invoice_bridge.compare.differences import shown
from invoice_bridge.compare.report import page
from invoice_bridge.compare.report.rows import lines
from invoice_bridge.compare.report.tally import Tally
from invoice_bridge.compare.result import Comparison
from invoice_bridge.files import replacing

__all__ = ["base_style", "write_html"]

_SCRIPTS = ("list.js", "pair.js", "share.js", "state.js")
_PART = re.compile(r"<!--(\w+)-->")


def write_html(
    found: Comparison,
    path: str | Path,
    *,
    sides: tuple[str, str] = ("left", "right"),
    made_at: datetime | None = None,
) -> None:
    """Write a comparison as one HTML page for readers; it opens from disk and loads nothing.

    `sides` names the two sides in the page's head; `made_at` (aware) is the time, omitted if None. Every row
    is listed. Both invoices of a row, with what the provider sent, are embedded if anything differs or is unstated,
    and for the first thousand rows that match fully. Above 64 million characters no more are embedded, and the page
    says so. The page contains the invoices' data: customers' names, mail addresses, payment links.

    Raises ConfigurationError if the file is a link or cannot be written; an existing file then remains.
    """
    target = Path(path)
    with (
        replacing(target, errors="backslashreplace") as file,
        TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="") as rows,
    ):
        file.writelines(_parts(found, sides, made_at, rows))


def _parts(found: Comparison, sides: tuple[str, str], made_at: datetime | None, rows: TextIO) -> Iterator[str]:
    """Return the page in the order of its template; `rows` is an empty file, and the tally is filled first."""
    style, folding, script = base_style() + _asset("page.css"), _asset("folding.js"), "".join(map(_asset, _SCRIPTS))
    tally = Tally()
    rows.writelines(lines(found.rows, found.groups, tally))
    rows.seek(0)
    named = (f"left: {sides[0]}", f"right: {sides[1]}") if sides[0] == sides[1] else sides
    write: dict[str, Callable[[], Iterable[str]]] = {
        "policy": lambda: [_policy(style, folding, script)],
        "title": lambda: [escape(f"Comparison of {shown(named[0])} and {shown(named[1])}")],
        "style": lambda: [style],
        "rows": lambda: rows,
        "head": lambda: page.head(found, tally, named),
        "classes": lambda: page.classes(found),
        "causes": lambda: page.causes(found),
        "orders": lambda: [page.orders()],
        "totals": lambda: page.totals(tally, named),
        "statuses": lambda: page.statuses(tally),
        "fields": lambda: page.fields(tally),
        "how": lambda: page.how(found, made_at),
        "choices": lambda: page.choices(found, tally),
        "foot": lambda: page.foot(tally),
        "folding": lambda: [folding],
        "facts": lambda: [page.facts(found, tally)],
        "script": lambda: [script],
    }
    for place, text in enumerate(_PART.split(_asset("page.html"))):
        if place % 2:
            yield from write[text]()
        else:
            yield text


def base_style() -> str:
    """Return the style that all pages of the library share: two palettes, headings, cards and tables."""
    return _asset("base.css")


def _asset(name: str) -> str:
    return files("invoice_bridge.compare.report").joinpath(name).read_text("utf-8")


def _policy(style: str, *scripts: str) -> str:
    """Nothing may be loaded, sent, framed or run but this style and these scripts; markup is never made from text."""
    own, *run = (f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (style, *scripts))
    return (
        f"default-src 'none'; style-src {own}; script-src {' '.join(run)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
