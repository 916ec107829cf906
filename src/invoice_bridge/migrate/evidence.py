"""Evidence: one folder that shows what was planned, what was done and what was verified, with the digest of each file.

Rules of this file: a folder that has files is not written into, and what could not be written whole is removed. Nothing
in it is a key: the ledger has none. What it states as verified is verified as the ledger has it now.
"""

from __future__ import annotations

import hashlib
import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import dumps
from invoice_bridge.migrate.pages import style, table_of
from invoice_bridge.migrate.planning import COMPLETE, digest_of_plan
from invoice_bridge.migrate.values import OPEN_STATES
from invoice_bridge.migrate.verifying import taken_back, verification_of, verified_items, verified_rows

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.preview import Preview
    from invoice_bridge.migrate.values import Row

__all__ = ["SUMS", "write_evidence"]

SUMS = "SHA256SUMS"
"""The list of digests; it is written last, so that a folder without it is not whole."""


def write_evidence(ledger: Ledger, preview: Preview, folder: str | PathLike[str]) -> Path:
    """Write the evidence of a plan into a new or empty folder; return the folder. Raises ConfigurationError.

    A new folder is readable by its owner only: it has what the invoices state of customers.
    """
    place, plan = Path(folder), preview.plan
    written: list[Path] = []
    is_new = False
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            is_half = (place / "plan.json").exists() and not (place / SUMS).exists()
            hint = f"; it has no {SUMS}, so that its writing was interrupted: remove it, and write it again"
            raise ConfigurationError(
                f"{place}: evidence is written into a new or an empty folder, and this one is not{hint * is_half}"
            )
        is_new = not place.exists()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        _write_all(ledger, preview, place, written)
        if Counter(preview.counts) != Counter(ledger.counts(plan)):
            raise ConfigurationError(
                f"plan {plan} changed while its evidence was written: write it again once nobody works on the plan"
            )
    except OSError as error:
        _remove(written, place, is_new=is_new)
        raise ConfigurationError(f"{place}: the evidence cannot be written: {error.strerror or error}") from None
    except BaseException:
        _remove(written, place, is_new=is_new)
        raise
    return place


def _remove(written: Iterable[Path], place: Path, *, is_new: bool) -> None:
    """Remove what was written: half of the evidence is none."""
    with suppress(OSError):
        for path in written:
            path.unlink(missing_ok=True)
        if is_new:
            place.rmdir()


def _write_all(ledger: Ledger, preview: Preview, place: Path, written: list[Path]) -> None:
    plan = preview.plan
    header = ledger.plan(plan)
    kept = ledger.note(plan, COMPLETE)
    state = _State(
        verification_of(ledger, plan),
        is_complete=kept is not None,
        is_as_written=kept is not None and kept == digest_of_plan(ledger, plan),
        taken_back=taken_back(ledger, plan),
    )
    facts = {
        "plan": plan, "target": header.target, "rate": header.rate, "facts": dict(header.facts),
        "is_complete": state.is_complete, "is_as_written": state.is_as_written, "closes": preview.closes,
    }  # fmt: skip

    def write(name: str, lines: Iterable[bytes]) -> str:
        return _write(place / name, lines, written)

    sums = {
        "plan.json": write("plan.json", [dumps(facts)]),
        "preview.txt": write("preview.txt", [str(preview).encode("utf-8", "backslashreplace")]),
        "ledger.jsonl": write("ledger.jsonl", _rows(ledger, plan, state)),
        "verification.json": write("verification.json", [dumps(state.to_json())]),
        "verification.jsonl": write("verification.jsonl", map(dumps, verified_items(ledger, plan))),
        "index.html": write("index.html", [_page(preview, state, ledger).encode("utf-8", "backslashreplace")]),
    }
    write(SUMS, [f"{digest}  {name}".encode() for name, digest in sums.items()])


def _write(path: Path, lines: Iterable[bytes], written: list[Path]) -> str:
    """Write lines into a new file; return their digest."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        written.append(path)
        for line in lines:
            file.write(line + b"\n")
            digest.update(line + b"\n")
    return digest.hexdigest()


@dataclass
class _State:
    """What the last verification found, and whether the ledger is still as it was found."""

    verification: Mapping[str, Any] | None
    is_complete: bool
    is_as_written: bool
    taken_back: Mapping[int, int]
    counts: Counter[str] = field(default_factory=Counter)
    verified: int = 0

    @property
    def is_current(self) -> bool:
        """Whether what was verified is verified as it is now, and nothing was made since."""
        made = self.verification
        if made is None or not made.get("is_whole", True) or self.taken_back or made["verified"] != self.verified:
            return False
        is_over = not sum(self.counts[state] for state in OPEN_STATES)
        return not made["ok"] or (is_over and self.counts["done"] == self.verified)

    def to_json(self) -> dict[str, Any]:
        """Return the verification, which is "ok" only if it still holds."""
        made = self.verification or {"verified": 0, "ok": False}
        back = [{"plan": plan, "documents": count} for plan, count in self.taken_back.items()]
        is_ok = bool(made["ok"]) and self.is_current and self.is_complete and self.is_as_written
        return {**made, "ok": is_ok, "is_current": self.is_current, "taken_back": back}

    def problems(self, preview: Preview) -> Iterator[str]:
        """Yield what keeps this evidence from being that of a plan which was moved and verified whole."""
        made = self.verification
        if not self.is_complete:
            yield f"Plan {preview.plan} is not complete: its source was not read to the end."
        elif not self.is_as_written:
            yield f"Plan {preview.plan} is not as it was written: an item was changed, added or removed."
        if left := sum(self.counts[state] for state in OPEN_STATES):
            yield f"The plan is not at its end: {left} items are left."
        if not preview.closes:
            yield "The control totals do not close: the source has what no item accounts for."
        if made is None:
            yield "Nothing was verified."
        elif not made.get("is_whole", True):
            yield f"A verification that began at {made['at']} did not come to its end."
        elif not made["expected"] and self.counts:
            yield "The plan has moved nothing, so that there is nothing to verify."
        elif not self.is_current and not self.taken_back:
            yield f"The ledger has changed since: {self.verified} documents are verified as they are now."
        for plan, count in self.taken_back.items():
            yield f"Plan {plan} has taken {count} documents back."


def _rows(ledger: Ledger, plan: int, state: _State) -> Iterator[bytes]:
    """Yield the items of a plan, and count them."""
    for row, is_verified in verified_rows(ledger, plan):
        state.counts[row.state] += 1
        state.verified += is_verified
        yield dumps(_row_json(row))


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "number": row.number, "reference": row.reference, "state": row.state, "reason": row.reason,
        "detail": row.detail, "source": dict(row.source), "operation": dict(row.operation), "attempt": row.attempt,
        "requests": row.requests, "target_id": row.target_id, "target": dict(row.target),
        "sent_at": row.sent_at and row.sent_at.isoformat(), "ended_at": row.ended_at and row.ended_at.isoformat(),
    }  # fmt: skip


def _page(preview: Preview, state: _State, ledger: Ledger) -> str:
    return "\n".join(_html(preview, state, ledger))


def _html(preview: Preview, state: _State, ledger: Ledger) -> Iterator[str]:
    title = f"Plan {preview.plan}: {preview.source} → {preview.target}"
    made = state.verification
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield f"<style>{style()}</style><main><h1>{html.escape(title)}</h1><section>"
    yield from (f'<p class="bad">{html.escape(problem)}</p>' for problem in state.problems(preview))
    if made is not None and made.get("is_whole", True):
        word = "" if state.to_json()["ok"] else ' class="bad"'
        yield f"<p{word}>{made['verified']} of {made['expected']} verified at {html.escape(made['at'])}.</p>"
    yield f"<p>Effects of the whole plan: {html.escape(preview.effects_line)}.</p>"
    yield table_of(("State", "Items"), sorted(preview.counts.items()))
    yield "<h2>Control totals</h2>"
    sides = ("Source", "Moved", "Skipped", "Refused", "For a person")
    rows = [
        (group.month, group.currency, group.status, *(
            f"{number}: {group.amount(minor)}"
            for number, minor in (group.source, group.moved, group.skipped, group.refused, group.person)
        ), "closes" if group.difference == (0, 0) else "DIFFERS")
        for group in preview.groups
    ]  # fmt: skip
    yield table_of(("Month", "Currency", "Status", *sides, "Total"), rows, cards=True)
    if preview.losses:
        yield "<h2>Losses</h2>"
        yield table_of(("Code", "Items"), sorted(preview.losses.items()))
    left = [
        (row.reference, row.state, row.reason, row.detail)
        for row in ledger.rows(preview.plan, ("refused", "quarantined", "unknown"))
    ]
    if left:
        yield "<h2>Refused, or for a person</h2>"
        yield table_of(("Reference", "State", "Reason", "Detail"), left, cards=True)
    if made is not None and made["findings"]:
        yield "<h2>Findings</h2>"
        yield table_of(("Reference", "Finding", "Detail"), made["findings"], cards=True)
