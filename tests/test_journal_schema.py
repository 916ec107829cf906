"""A journal's statements in PostgreSQL's words: the same tables and columns, under names that nobody else has."""

from pathlib import Path

import pytest

from invoice_bridge import ConfigurationError
from invoice_bridge.journal.schema import ADDED, COLUMNS, FACTS, INDEXES, for_postgres
from invoice_bridge.journal.sqlite import Sqlite

TEXT = 'TEXT COLLATE "C"'


@pytest.mark.parametrize(
    "statement,words",
    [
        (
            "SELECT number FROM tries WHERE book = ? AND reference = ?",
            "SELECT number FROM invoice_bridge_tries WHERE book = %s AND reference = %s",
        ),
        ("DELETE FROM facts WHERE why = 'INTEGER TEXT'", "DELETE FROM invoice_bridge_facts WHERE why = 'INTEGER TEXT'"),
        (
            INDEXES[2],
            "CREATE INDEX IF NOT EXISTS invoice_bridge_tries_by_invoice ON invoice_bridge_tries (invoice_id)",
        ),
        ("SELECT last_tries, artifacts FROM entries", "SELECT last_tries, artifacts FROM entries"),
        (
            "CREATE TABLE facts (number INTEGER PRIMARY KEY, why TEXT NOT NULL, last_try INTEGER)",
            ("CREATE TABLE invoice_bridge_facts (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, why "
            'TEXT COLLATE "C" NOT NULL, last_try BIGINT)'),
        ),
        ("ALTER TABLE tries ADD COLUMN digest TEXT", f"ALTER TABLE invoice_bridge_tries ADD COLUMN digest {TEXT}"),
    ],
)  # fmt: skip
def test_a_statement_is_put_into_postgresqls_words(statement: str, words: str) -> None:
    """Placeholders and names always; types where a table or a column is made."""
    assert for_postgres(statement) == words


def test_every_added_column_is_a_text_of_bytes() -> None:
    """Equal means the same bytes, whatever the database's language."""
    for name, kind in ADDED:
        made = for_postgres(f"ALTER TABLE tries ADD COLUMN {name} {kind}")
        assert made == f"ALTER TABLE invoice_bridge_tries ADD COLUMN {name} {kind.replace('TEXT', TEXT, 1)}"
        assert kind.partition(" ")[0] == "TEXT"


def test_the_added_columns_are_read_last() -> None:
    """In their order; and every text of a fact is one of bytes too."""
    assert COLUMNS.split(", ")[-len(ADDED) :] == [name for name, _ in ADDED]
    assert for_postgres(FACTS).count(TEXT) == FACTS.count("TEXT")


def test_what_sqlite_refuses_names_the_file(tmp_path: Path) -> None:
    """And SQLite's own reason: to read, to write, to open."""
    path = str(tmp_path / "bills.sqlite")
    store = Sqlite(path)
    for verb, call in (("read", store.read), ("written", store.write)):
        with pytest.raises(ConfigurationError) as refused:
            call("nonsense", ())
        text = str(refused.value)
        assert text.startswith(f"the journal {path} cannot be {verb}")
        assert 'near "nonsense": syntax error' in text
    missing = str(tmp_path / "none" / "bills.sqlite")
    with pytest.raises(ConfigurationError) as refused:
        Sqlite(missing)
    assert str(refused.value).startswith(f"the journal {missing} cannot be opened: ")
