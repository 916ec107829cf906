"""Pages of a plan as jobs of pgqueuer, on the PostgreSQL database of the ledger: how several machines share a plan.

Rules of this file: exactly once never rests on the jobs. A job says only that somebody should work on a page. One that
runs twice, or again after a crash, finds in the ledger what is left to do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.location import Location
from invoice_bridge.migrate.engine import Connect, Worker
from invoice_bridge.migrate.errors import LedgerUnavailable
from invoice_bridge.migrate.ledger import Ledger
from invoice_bridge.migrate.operations import Action
from invoice_bridge.migrate.values import Stage

if TYPE_CHECKING:
    import psycopg

__all__ = ["work_on_jobs"]

_ENTRYPOINT = "invoice_bridge_move"
_PAGES = 2
"""Pages that one worker has in hand at a time."""
_POLL = 1.0


def work_on_jobs(
    database_url: str,
    connect: Connect,
    *,
    plan: int | None = None,
    threads: int = 4,
    actions: Mapping[Stage, Action] | None = None,
) -> Counter[str]:
    """Work on the pages of a plan, with any number of other machines, until it is finished; return what was done.

    Each machine calls it with the URL of the same PostgreSQL database. The first one makes pgqueuer's tables, and the
    jobs. Raises Unauthorized or ConfigurationError for what concerns every item.
    """
    box = [Location(database_url)]
    del database_url  # a traceback that shows variables shall not show a password
    if not box[0].is_url:
        raise ConfigurationError(
            f"the ledger {box[0]} is a file of this machine, which needs no jobs: call move(), or plan the migration "
            "in a PostgreSQL database"
        )
    with Ledger(box.pop()) as ledger:
        chosen = ledger.plan(plan)

        def worker_of(page: int) -> Worker:
            return Worker(ledger, connect, plan=chosen.number, page=page, threads=threads, actions=actions)

        jobs = _Jobs(ledger, chosen.number, worker_of)
        asyncio.run(jobs.run(timedelta(seconds=chosen.timing.lease)))
        return jobs.done


class _Jobs:
    """The jobs of one plan on this machine."""

    def __init__(self, ledger: Ledger, plan: int, worker_of: Callable[[int], Worker]) -> None:
        self._ledger, self._plan, self._worker_of = ledger, plan, worker_of
        self._workers: list[Worker] = []
        self._failure: BaseException | None = None
        self.done: Counter[str] = Counter()

    async def run(self, stale_after: timedelta) -> None:
        """Put a job for each page that is not finished, and work until the plan is."""
        PgQueuer = _import_pgqueuer()  # noqa: N806 - a class
        async with await self._connect() as connection:
            queue = PgQueuer.from_psycopg_connection(connection)
            await self._enqueue(queue.queries)

            async def move_page(job: Any) -> None:
                plan, page = map(int, bytes(job.payload).split(b"/"))
                if plan == self._plan:
                    await asyncio.to_thread(self._move, page)

            queue.entrypoint(_ENTRYPOINT)(move_page)
            watching = asyncio.create_task(self._watch(queue))
            try:
                await queue.run(
                    dequeue_timeout=timedelta(seconds=_POLL),
                    batch_size=_PAGES // 2,
                    max_concurrent_tasks=_PAGES,
                    heartbeat_timeout=stale_after,
                )
            finally:
                watching.cancel()
                for worker in self._workers:
                    worker.stop()
        if self._failure is not None:
            raise self._failure

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        import psycopg

        problem = ""
        location = self._ledger.database.location
        try:
            return await psycopg.AsyncConnection.connect(location.reveal(), autocommit=True)
        except psycopg.Error as failure:
            problem = location.conceal(str(failure))
        raise ConfigurationError(f"the ledger {location} cannot be reached: {problem}")

    async def _enqueue(self, queries: Any) -> None:
        """Make pgqueuer's tables if there are none, and a job for each page that has none."""
        if not await queries.has_table(queries.qbe.settings.queue_table):
            await queries.install()
        pages = await asyncio.to_thread(self._ledger.pages, self._plan)
        if pages:
            names = [f"{self._plan}/{page}" for page in pages]
            await queries.enqueue(
                [_ENTRYPOINT] * len(names),
                [name.encode() for name in names],
                [0] * len(names),
                dedupe_key=[f"{_ENTRYPOINT} {name}" for name in names],
                on_conflict="skip",
            )

    def _move(self, page: int) -> None:
        worker = self._worker_of(page)
        self._workers.append(worker)
        try:
            self.done += worker.run()
        except Exception as failure:  # it concerns every item: this machine stops, and its jobs are left to others
            self._failure = self._failure or failure
            raise

    async def _watch(self, queue: Any) -> None:
        """End the run once the plan is finished, or something concerns every item."""
        while self._failure is None and not await asyncio.to_thread(self._is_finished):  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        queue.shutdown.set()

    def _is_finished(self) -> bool:
        try:
            return self._ledger.is_finished(self._plan)
        except LedgerUnavailable:  # asked again
            return False


def _import_pgqueuer() -> Any:
    try:
        from pgqueuer import PgQueuer
    except ImportError:
        raise ConfigurationError(
            'pages as jobs need pgqueuer: run pip install "invoice-bridge[migrate-postgres]"'
        ) from None
    return PgQueuer
