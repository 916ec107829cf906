"""The engine: workers that take items from a ledger, send their requests, and write what became of them.

Rules of this file: it does not know which command an item carries. A worker is one process with one lease; its threads
claim, send and settle on their own. `move` is an ordinary function that can be repeated, and run by any engine of jobs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.errors import BridgeError, ConfigurationError
from invoice_bridge.engine.observers import ItemEnded, ItemStarted, begin, is_watched
from invoice_bridge.migrate.crew import Crew
from invoice_bridge.migrate.errors import ForbiddenEffect, LeaseExpired, LedgerUnavailable
from invoice_bridge.migrate.journal import ItemJournal
from invoice_bridge.migrate.leases import Fence, Lease
from invoice_bridge.migrate.ledger import Ledger
from invoice_bridge.migrate.operations import ACTIONS, Action
from invoice_bridge.migrate.outcomes import is_for_all, is_of_the_ledger, result_of, result_of_error
from invoice_bridge.migrate.pace import SharedPace
from invoice_bridge.migrate.values import Item, Result, Stage

if TYPE_CHECKING:
    from invoice_bridge.client.clients import Client

__all__ = ["Connect", "Worker", "move"]

Connect = Callable[..., "Client"]
"""Makes the client of the target with the settings that a worker gives: `lambda **settings: Client("stripe",
api_key=key, **settings)`. They are journal, lookup, deadline, timeout and rate_limiter."""
_MOST_CLAIMS = 12
_MOST_IN_A_ROW = 3
_IDLE = 0.02
_LONGEST_IDLE = 2.0


class Worker:
    """A worker of one plan, in this process. `run` returns when nothing of the plan, or of a page, is left to do.

    `threads` items are under way at a time. `actions` has what does the stages `release` and `arm`, if items have them.
    `watch` is called with every result that was written.
    """

    def __init__(
        self,
        ledger: Ledger,
        connect: Connect,
        *,
        plan: int | None = None,
        page: int | None = None,
        threads: int = 4,
        actions: Mapping[Stage, Action] | None = None,
        watch: Callable[[Result], object] = lambda _result: None,
    ) -> None:
        self.ledger, self.header, self.page = ledger, ledger.plan(plan), page
        self._connect, self._threads, self._watch = connect, threads, watch
        self._actions = {**ACTIONS, **(actions or {})}
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._in_a_row = 0
        self.done: Counter[str] = Counter()
        """How many items this worker brought to which state."""
        self.overtaken = 0
        """How many items another worker had taken over before this one could write what became of them."""

    def stop(self) -> None:
        """Finish what is under way, and end `run`. Items that were taken and not begun are given back."""
        self._stop.set()

    def run(self) -> Counter[str]:
        """Work until nothing is left to do; return how many items came to which state.

        Raises Unauthorized or ConfigurationError for what concerns every item: the items are given back.
        """
        away = 0.0
        while not self._stop.is_set():
            try:
                if self.ledger.is_finished(self.header.number, self.page):
                    break
                self._run_under_one_lease()
                away = 0.0
            except LedgerUnavailable:  # a server that restarts comes back
                if away > self._patience or self._stop.is_set():
                    raise
                self._stop.wait(1.0)
                away += 1.0
        if self._failure is not None:
            raise self._failure
        return self.done

    @property
    def _patience(self) -> float:
        timing = self.header.timing
        return timing.lease + timing.deadline + timing.settling

    # ── one lease ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _run_under_one_lease(self) -> None:
        """Work with one lease until it passes, or nothing is left."""
        lease = Lease(self.ledger.database, self.header.timing, self._new_fence())
        try:
            journal, crew = ItemJournal(lease.fence), Crew(self._threads)
            with (
                self._connect(**self._settings(journal, lease.fence)) as client,
                ThreadPoolExecutor(self._threads, thread_name_prefix="move") as pool,
            ):
                running = [pool.submit(self._loop, lease, journal, client, crew) for _ in range(self._threads)]
                try:
                    for each in running:
                        each.result()
                except BaseException:  # also an interrupt: what is under way is finished and written
                    self._stop.set()
                    raise
        finally:
            lease.end()

    def _new_fence(self) -> Fence:
        return Fence()

    def _settings(self, journal: ItemJournal, fence: Fence) -> dict[str, Any]:
        timing, rate = self.header.timing, self.header.rate
        settings: dict[str, Any] = {
            "journal": journal,
            "lookup": "journal",
            "deadline": timing.deadline,
            "timeout": min(30.0, timing.deadline),
        }
        if rate is not None:
            settings["rate_limiter"] = SharedPace(self.ledger.database, self.header.target, rate, fence)
        return settings

    def _loop(self, lease: Lease, journal: ItemJournal, client: Client, crew: Crew) -> None:
        """Claim, send and settle until the lease passes, the worker is stopped, or nothing is left."""
        try:
            self._work(lease, journal, client, crew)
        finally:
            crew.leave()

    def _work(self, lease: Lease, journal: ItemJournal, client: Client, crew: Crew) -> None:
        def goes_on() -> bool:
            return not self._stop.is_set() and lease.is_held and not lease.is_retired

        idle, items = _IDLE, list[Item]()
        while items or goes_on():
            try:
                items = items or self.ledger.claim(self.header, lease.number, self.page)
                if not items and self.ledger.is_finished(self.header.number, self.page):
                    return
            except LeaseExpired:
                return
            except LedgerUnavailable:  # what was claimed, if it was, is taken over once this lease has ended
                lease.is_retired = True
                return
            if not items:
                self._stop.wait(idle)
                idle = min(idle * 1.5, _LONGEST_IDLE)
                continue
            idle, began = _IDLE, crew.now()
            results = [result for item in items for result in self._work_on(item, lease, journal, client)]
            is_spare = crew.is_spare(began)
            items = self._settle(lease, results, claims=goes_on() and not is_spare)
            if is_spare:
                crew.rest(goes_on)

    def _work_on(self, item: Item, lease: Lease, journal: ItemJournal, client: Client) -> list[Result]:
        """Do the next stage of an item. An item that was not begun is given back if the lease still holds."""
        if self._stop.is_set() or not lease.is_held:
            return [Result(item, "planned", again_in=0.0, sent=False)]
        started = ItemStarted(self.header.number, item.number, item.stage, item.is_repeat)
        end = begin(started) if is_watched() else None
        results = self._do_stage(item, journal, client)
        if end is not None:
            end(ItemEnded(results[-1].state, results[-1].reason, results[-1].target_id))
        return results

    def _do_stage(self, item: Item, journal: ItemJournal, client: Client) -> list[Result]:
        if item.claim - item.defers > _MOST_CLAIMS:
            detail = f"it was taken {item.claim} times, and no worker came to its end"
            return [Result(item, "quarantined", reason="taken-too-often", detail=detail)]
        with journal.on(item) as course:
            try:
                action = self._action(item.stage)
                return [result_of(course, action(client, item))]
            except BridgeError as error:
                self._count(error)
                return [result_of_error(course, error, self.header.timing)]
            except Exception as error:  # noqa: BLE001 - one item that cannot be read must not stop the others
                return [result_of_error(course, error, self.header.timing)]

    def _count(self, error: BridgeError) -> None:
        """Stop the worker for a wrong key, and for several items in a row that a setting refuses."""
        is_setting = isinstance(error, ConfigurationError) and not is_of_the_ledger(error)
        self._in_a_row = self._in_a_row + 1 if is_setting and not isinstance(error, ForbiddenEffect) else 0
        if is_for_all(error) or self._in_a_row >= _MOST_IN_A_ROW:
            self._failure = self._failure or error
            self._stop.set()

    def _action(self, stage: Stage) -> Action:
        if stage not in self._actions:
            raise ConfigurationError(f"this worker has no action for the stage {stage!r}: pass actions={{…}}")
        return self._actions[stage]

    def _settle(self, lease: Lease, results: list[Result], *, claims: bool) -> list[Item]:
        """Write results and take the next items with them, if it `claims` any; return these.

        While the database is away, write them again and again: they are under this worker's claim.
        """
        waited, items = 0.0, list[Item]()
        while True:
            try:
                if claims:
                    lost, items = self.ledger.settle_and_claim(self.header, lease.number, results, self.page)
                else:
                    lost = self.ledger.settle(lease.number, results)
                break
            except LedgerUnavailable:
                if waited > self._patience:
                    raise
                if claims:  # as above
                    lease.is_retired, claims = True, False
                threading.Event().wait(1.0)
                waited += 1.0
        self.overtaken += len(lost)
        for result in results:
            if result.item not in lost:
                self.done[result.state] += 1
                self._watch(result)
        return items


def move(
    place: str | PathLike[str],
    page: int | None,
    connect: Connect,
    *,
    plan: int | None = None,
    threads: int = 4,
    actions: Mapping[Stage, Action] | None = None,
) -> dict[str, int]:
    """Move one page of a ledger, or all with None; return how many items came to which state.

    It can be repeated, and run in several places at once: what is moved stays moved, and what another worker has in
    hand is waited for. Raises Unauthorized or ConfigurationError for what concerns every item.
    """
    with Ledger(place) as ledger:
        worker = Worker(ledger, connect, plan=plan, page=page, threads=threads, actions=actions)
        return dict(worker.run())
