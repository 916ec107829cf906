"""What a candidate would have made of the bills of a month: one row a bill, its findings as JSON.

Rules of this file: a row has codes, paths and fixed sentences; no credentials and no bodies. A bill that is noted again
replaces its row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from invoice_bridge.journal.database import Store
from invoice_bridge.journal.rows import Book

Kind = Literal["refused", "loss", "effects", "total", "uncompared", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between what was billed and what the candidate would make of it.

    `severity` is that of a loss, else "changes_money" or "warns"; `is_allowed` says that the candidate's settings
    accept it.
    """

    kind: Kind
    severity: str
    text: str
    code: str = ""
    path: str = ""
    is_allowed: bool = False

    @property
    def is_grave(self) -> bool:
        """Whether it keeps a month from being clean: neither information only, nor allowed."""
        return self.severity != "info" and not self.is_allowed


@dataclass(frozen=True, slots=True)
class Noted:
    """One bill of a month and its findings."""

    target: str
    month: str
    reference: str
    findings: tuple[Finding, ...]


class Shadows:
    """The notes of a journal about candidates."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(
        self, book: Book, target: str, month: str, reference: str, findings: Sequence[Finding], *, now: datetime
    ) -> None:
        """Note a bill of a month. Raises ConfigurationError if the journal cannot be written."""
        text = json.dumps([asdict(finding) for finding in findings], ensure_ascii=False)
        whose = (book.name, book.mode, book.account, target, reference)
        with self._store.writing("", [(book.name, f"\nshadow {reference}")]) as transaction:
            transaction.run(
                "DELETE FROM shadows WHERE book = ? AND mode = ? AND source = ? AND target = ? AND reference = ?", whose
            )
            transaction.insert(
                "INSERT INTO shadows (book, mode, source, target, reference, month, findings, noted_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*whose, month, text, now.isoformat()),
            )

    def notes(self, book: Book, target: str, month: str | None = None) -> tuple[Noted, ...]:
        """Return the notes about a candidate, of a month ("2026-11") or of all, oldest first."""
        rows = self._store.read(
            "SELECT mode, month, reference, findings FROM shadows WHERE book = ? AND source = ? AND target = ? "
            "ORDER BY number",
            (book.name, book.account, target),
        )
        return tuple(
            Noted(target, str(noted), str(reference), _findings(findings))
            for mode, noted, reference, findings in rows
            if book.shares_mode(mode) and month in {None, noted}
        )


def _findings(text: str) -> tuple[Finding, ...]:
    """Read the findings of a row; one that cannot be read is a finding itself, never an absence of any."""
    try:
        return tuple(Finding(**each) for each in json.loads(text))
    except (TypeError, ValueError):
        return (Finding("failed", "warns", "the row of this bill in the journal cannot be read"),)
