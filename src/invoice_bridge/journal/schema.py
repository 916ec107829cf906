"""The tables of a journal, for both stores: SQLite takes these statements, PostgreSQL the same ones in its own words.

Rules of this file: times are texts (ISO 8601) in both, so that a row is read, and can be unreadable, in the same way.
A column that a later version adds goes into ADDED, and VERSION goes up.
"""

from __future__ import annotations

import re
from functools import cache

VERSION = 4
TRIES = """
CREATE TABLE IF NOT EXISTS tries (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL, reference TEXT NOT NULL, attempt INTEGER NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, key TEXT,
    began_at TEXT NOT NULL, ended_at TEXT,
    ended TEXT CHECK (ended IN ('not_sent', 'lost', 'answered')), status INTEGER, invoice_id TEXT
)
"""
ADDED = (
    ("book", "TEXT NOT NULL DEFAULT 'default'"),
    ("mode", "TEXT NOT NULL DEFAULT ''"),
    ("digest", "TEXT"),
    ("verdict", "TEXT CHECK (verdict IN ('applied', 'refused', 'deferred', 'maybe'))"),
    ("verb", "TEXT NOT NULL DEFAULT ''"),
)
"""The columns that versions 2 and 3 added: `verb` is empty for a bill, else the verb whose reference it is."""
FACTS = """
CREATE TABLE IF NOT EXISTS facts (
    number INTEGER PRIMARY KEY,
    book TEXT NOT NULL, account TEXT NOT NULL, mode TEXT NOT NULL, reference TEXT NOT NULL, invoice_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('void', 'deleted', 'absent', 'released')), why TEXT NOT NULL, at TEXT NOT NULL,
    last_try INTEGER NOT NULL
)
"""
SWITCHES = """
CREATE TABLE IF NOT EXISTS switches (
    number INTEGER PRIMARY KEY,
    book TEXT NOT NULL, mode TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, customer TEXT NOT NULL,
    at TEXT NOT NULL, why TEXT NOT NULL, kept_at TEXT NOT NULL
)
"""
SHADOWS = """
CREATE TABLE IF NOT EXISTS shadows (
    number INTEGER PRIMARY KEY,
    book TEXT NOT NULL, mode TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, month TEXT NOT NULL,
    reference TEXT NOT NULL, findings TEXT NOT NULL, noted_at TEXT NOT NULL
)
"""
MORE = (SWITCHES, SHADOWS)
"""The tables that version 4 added: see journal/switches.py and journal/shadows.py."""
INDEXES = (
    "CREATE INDEX IF NOT EXISTS tries_by_reference ON tries (account, reference)",
    "CREATE INDEX IF NOT EXISTS tries_by_book ON tries (book, reference)",
    "CREATE INDEX IF NOT EXISTS tries_by_invoice ON tries (invoice_id)",
    "CREATE INDEX IF NOT EXISTS facts_by_book ON facts (book, reference)",
    "CREATE INDEX IF NOT EXISTS switches_by_book ON switches (book)",
    "CREATE INDEX IF NOT EXISTS shadows_by_book ON shadows (book, month)",
)
COLUMNS = (
    "number, account, reference, attempt, method, url, key, began_at, ended_at, ended, status, invoice_id, "
    "book, mode, digest, verdict, verb"
)

_OURS = re.compile(r"\b(tries|facts|switches|shadows)(?=\b|_by_)")
_TYPES = {
    "INTEGER PRIMARY KEY": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "TEXT": 'TEXT COLLATE "C"',  # equal means the same bytes, whatever the database's language
}


@cache
def for_postgres(statement: str) -> str:
    """Return a statement in PostgreSQL's words: its placeholders, its types, and names that no other table has."""
    named = _OURS.sub(r"invoice_bridge_\1", statement).replace("?", "%s")
    if "CREATE TABLE" not in named and "ADD COLUMN" not in named:
        return named
    return re.sub("|".join(_TYPES), lambda written: _TYPES[written[0]], named)
