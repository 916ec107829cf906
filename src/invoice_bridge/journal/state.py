"""The state of a journal, read without making, upgrading or locking it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.schema import VERSION

if TYPE_CHECKING:
    import sqlite3
else:
    sqlite3 = LazyModule("sqlite3")

__all__ = ["JournalState", "read_state"]


@dataclass(frozen=True, slots=True)
class JournalState:
    """A journal's schema, None if there is no journal yet, and whether this user can write it."""

    name: str
    version: int | None
    is_writable: bool = True
    current: int = VERSION
    """The schema of this version of the library."""

    @property
    def is_old(self) -> bool:
        """Return whether the next client upgrades it."""
        return self.version is not None and self.version < self.current


def read_state(location: Location) -> JournalState:
    """Return the state of a journal. Raises ConfigurationError if it cannot be read, or is another program's."""
    if location.is_url:
        from invoice_bridge.journal.postgres import read_version

        version, is_writable = read_version(location)
    else:
        version, is_writable = _read_file(location.name)
    if version is not None and version > VERSION:
        raise ConfigurationError(
            f"the journal {location} was written by a newer version of this library (schema {version}, this one knows "
            f"{VERSION}): upgrade it"
        )
    return JournalState(str(location), version, is_writable)


def _read_file(name: str) -> tuple[int | None, bool]:
    from invoice_bridge.journal.sqlite import APPLICATION

    path = Path(name)
    if not path.exists():
        if not path.absolute().parent.is_dir():
            raise ConfigurationError(f"the journal {name}: its folder is not there: make it")
        if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            raise ConfigurationError(f"the journal {name}: this user cannot write in its folder")
        return None, True
    had = {beside for beside in _beside(path) if beside.exists()}
    try:
        # while no file is beside it nobody has it open, and SQLite would make both to read it
        how = "mode=ro" if had else "immutable=1"
        file = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5)
        try:
            ((whose,),) = file.execute("PRAGMA application_id").fetchall()
            ((version,),) = file.execute("PRAGMA user_version").fetchall()
            ((tables,),) = file.execute("SELECT count(*) FROM sqlite_master").fetchall()
        finally:
            file.close()
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(f"the journal {name} cannot be read: {error}") from None
    is_writable = all(os.access(one, os.W_OK) for one in (path, path.absolute().parent, *had))
    if whose != APPLICATION:
        if whose or version or tables:
            raise ConfigurationError(f"{name} is another program's database: name another file as journal")
        return None, is_writable  # an empty file
    return int(version), is_writable


def _beside(path: Path) -> tuple[Path, ...]:
    """The files that SQLite keeps beside a file in WAL mode."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
