"""Pages of a plan under two other engines of jobs on PostgreSQL: DBOS and Procrastinate, each in its simplest form.

Rules of this file: `move(place, page, connect)` runs unchanged. What an engine asks of its user beside it is written
out here: DBOS gives a dead process's pages only to a process of the same executor id; Procrastinate gives them to
nobody until its user retries the stalled jobs.
"""

import asyncio
from typing import Any

from invoice_bridge.migrate import Connect, Ledger, move

HEARTBEAT = 1.0
STALLED = 3.0
"""Seconds without a heartbeat after which the jobs of a Procrastinate worker are retried."""
_PAGES = 2


def run(engine: str, place: str, connect: Connect, *, threads: int, executor: str = "one") -> None:
    """Work on the last plan's pages as jobs of an engine, until the plan is finished."""
    if engine == "dbos":
        _run_dbos(place, connect, threads, executor)
    else:
        asyncio.run(_run_procrastinate(place, connect, threads))


def prepare(engine: str, place: str) -> None:
    """Make the engine's tables, and the jobs, where no worker does."""
    if engine == "procrastinate":
        asyncio.run(_prepare_procrastinate(place))


# ── DBOS ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _run_dbos(place: str, connect: Connect, threads: int, executor: str) -> None:
    from dbos import DBOS, SetWorkflowID  # pyright: ignore[reportMissingImports]

    database, _, options = place.partition("&options=")
    schema = f"dbos_{options.rpartition('%3D')[2]}"
    DBOS(
        config={
            "name": "migration",
            "system_database_url": database,
            "dbos_system_schema": schema,
            "executor_id": executor,
            "application_version": "1",
            "log_level": "ERROR",
        }
    )

    @DBOS.workflow()
    def move_page(page: int) -> dict[str, int]:
        return move(place, page, connect, threads=threads)

    with Ledger(place) as ledger:
        plan = ledger.plan().number
        pages = ledger.pages(plan)
    DBOS.launch()  # it goes on with what a process of the same executor id had in hand
    try:
        handles = []
        for page in pages:
            with SetWorkflowID(f"{plan}/{page}"):
                handles.append(DBOS.start_workflow(move_page, page))
        for handle in handles:
            handle.get_result()
    finally:
        DBOS.destroy()


# ── Procrastinate ────────────────────────────────────────────────────────────────────────────────────────────────────
def _app(place: str) -> Any:
    from procrastinate import App, PsycopgConnector  # pyright: ignore[reportMissingImports]

    return App(connector=PsycopgConnector(conninfo=place))


async def _prepare_procrastinate(place: str) -> None:
    app = _app(place)
    with Ledger(place) as ledger:
        pages = ledger.pages(ledger.plan().number)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for page in pages:
            await app.configure_task("move_page", queueing_lock=str(page)).defer_async(page=page)


async def _run_procrastinate(place: str, connect: Connect, threads: int) -> None:
    app = _app(place)

    @app.task(name="move_page")  # type: ignore[untyped-decorator, unused-ignore]
    def move_page(page: int) -> None:
        move(place, page, connect, threads=threads)

    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                concurrency=_PAGES,
                fetch_job_polling_interval=0.5,
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=STALLED,
                install_signal_handlers=False,
            )
        )
        with Ledger(place) as ledger:
            plan = ledger.plan().number
            while not await asyncio.to_thread(ledger.is_finished, plan):
                for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
                    await app.job_manager.retry_job(job)
                await asyncio.sleep(HEARTBEAT)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
