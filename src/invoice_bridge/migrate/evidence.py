"""Evidence: one folder that shows what was planned, what was done and what was verified, with the digest of each file.

Rules of this file: a folder that has files is not written into. Nothing in it is a key: the ledger has none.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import dumps
from invoice_bridge.migrate.pages import style
from invoice_bridge.migrate.verifying import verification_of, verified_items

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.preview import Preview
    from invoice_bridge.migrate.values import Row

__all__ = ["write_evidence"]

_SUMS = "SHA256SUMS"


def write_evidence(ledger: Ledger, preview: Preview, folder: str | PathLike[str]) -> Path:
    """Write the evidence of a plan into a new or empty folder; return the folder. Raises ConfigurationError."""
    place, plan = Path(folder), preview.plan
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ConfigurationError(f"{place}: evidence is written into a new or an empty folder, and this one is not")
    verification = verification_of(ledger, plan)
    header = ledger.plan(plan)
    try:
        place.mkdir(parents=True, exist_ok=True)
        facts = {"plan": plan, "target": header.target, "rate": header.rate, "facts": dict(header.facts)}
        sums = [
            _write(place / "plan.json", [dumps(facts)]),
            _write(place / "preview.txt", [str(preview).encode()]),
            _write(place / "ledger.jsonl", (dumps(_row_json(row)) for row in ledger.rows(plan))),
            _write(place / "verification.json", [dumps(verification or {"verified": 0, "ok": False})]),
            _write(place / "verification.jsonl", map(dumps, verified_items(ledger, plan))),
            _write(place / "index.html", [_page(preview, verification, ledger).encode()]),
        ]
        _write(place / _SUMS, [f"{digest}  {name}".encode() for digest, name in sums])
    except OSError as error:
        raise ConfigurationError(f"{place}: the evidence cannot be written: {error.strerror}") from None
    return place


def _write(path: Path, lines: Iterable[bytes]) -> tuple[str, str]:
    """Write lines; return the digest of the file, and its name."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            digest.update(line + b"\n")
    return digest.hexdigest(), path.name


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "number": row.number, "reference": row.reference, "state": row.state, "reason": row.reason,
        "detail": row.detail, "source": dict(row.source), "operation": dict(row.operation), "attempt": row.attempt,
        "requests": row.requests, "target_id": row.target_id, "target": dict(row.target),
        "sent_at": row.sent_at and row.sent_at.isoformat(), "ended_at": row.ended_at and row.ended_at.isoformat(),
    }  # fmt: skip


def _page(preview: Preview, verification: dict[str, Any] | None, ledger: Ledger) -> str:
    return "\n".join(_html(preview, verification, ledger))


def _html(preview: Preview, verification: dict[str, Any] | None, ledger: Ledger) -> Iterator[str]:
    title = f"Plan {preview.plan}: {preview.source} → {preview.target}"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{style()}</style><main><h1>{html.escape(title)}</h1><section>"
    if verification is None:
        yield '<p class="bad">Nothing was verified.</p>'
    else:
        word = "" if verification["ok"] else ' class="bad"'
        yield f"<p{word}>{verification['verified']} of {verification['expected']} verified at {verification['at']}.</p>"
    yield f"<p>Effects of the whole plan: {html.escape(preview.effects_line)}.</p>"
    yield from _table(("State", "Items"), sorted(preview.counts.items()))
    yield "<h2>Control totals</h2>"
    sides = ("Source", "Moved", "Skipped", "Refused", "For a person")
    rows = [
        (group.month, group.currency, group.status, *(
            f"{number}: {group.amount(minor)}"
            for number, minor in (group.source, group.moved, group.skipped, group.refused, group.person)
        ), "closes" if group.difference == (0, 0) else "DIFFERS")
        for group in preview.groups
    ]  # fmt: skip
    yield from _table(("Month", "Currency", "Status", *sides, ""), rows)
    if preview.losses:
        yield "<h2>Losses</h2>"
        yield from _table(("Code", "Items"), sorted(preview.losses.items()))
    left = [
        (row.reference, row.state, row.reason, row.detail)
        for row in ledger.rows(preview.plan, ("refused", "quarantined", "unknown"))
    ]
    if left:
        yield "<h2>Refused, or for a person</h2>"
        yield from _table(("Reference", "State", "Reason", "Detail"), left)
    if verification is not None and verification["findings"]:
        yield "<h2>Findings</h2>"
        yield from _table(("Reference", "Finding", "Detail"), verification["findings"])


def _table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    yield '<div class="scroll"><table><tr>' + "".join(f"<th>{html.escape(name)}</th>" for name in names) + "</tr>"
    for row in rows:
        cells = (f"<td{' class=n' if isinstance(cell, int) else ''}>{html.escape(str(cell))}</td>" for cell in row)
        yield "<tr>" + "".join(cells) + "</tr>"
    yield "</table></div>"
