"""Migration: the steps of a move from one account to another, on one ledger.

Rules of this file: each step says what it needs, and refuses to go on without it. The order: plan → preview → run →
verify → evidence; sweep plans what changed since, undo is a plan of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Self

from invoice_bridge.client.config import read_profile
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.idempotency import KEY_VERSION
from invoice_bridge.core.model import CustomerRef, Invoice, Line
from invoice_bridge.core.money import Money
from invoice_bridge.journal.location import Location
from invoice_bridge.migrate import planning
from invoice_bridge.migrate.accounts import Account, check_accounts, check_made, check_source, check_target
from invoice_bridge.migrate.credits import Credits, customers_to_read, read_credits
from invoice_bridge.migrate.engine import Worker
from invoice_bridge.migrate.evidence import write_evidence
from invoice_bridge.migrate.ledger import Ledger
from invoice_bridge.migrate.mapping import (
    CustomerOf,
    Numbers,
    ProductOf,
    customers_of,
    ids_of,
    products_of,
    write_template,
)
from invoice_bridge.migrate.operations import Action
from invoice_bridge.migrate.planning import COMPLETE, MISSING, Planner, read_source
from invoice_bridge.migrate.preview import Preview, preview_of
from invoice_bridge.migrate.queries import CHOSEN, notes_of, plans_of
from invoice_bridge.migrate.running import Progress, Stages, check_plan, choose_items, run_plan
from invoice_bridge.migrate.serving import serving
from invoice_bridge.migrate.totals import Totals
from invoice_bridge.migrate.undoing import plan_that_made, undo_items, undo_one
from invoice_bridge.migrate.values import OPEN_STATES, NewItem, PlanHeader, Result, Row, Stage, State, Timing
from invoice_bridge.migrate.verifying import Verification, verify_plan

__all__ = ["Migration"]

Path_ = str | PathLike[str]


class Migration:
    """The steps of a move, on a ledger (a file, or a PostgreSQL database by its URL); use it as a context manager.

    `source` and `target` are what a `Client` is made with, the provider's name among it: `read_profile(file, name)`
    gives it, and from_config reads both. `rate` bounds the requests per second at the target, of all workers; by
    default the target's documented limit does. Raises ConfigurationError for what cannot be used.
    """

    def __init__(
        self,
        ledger: Path_ | Location,
        *,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        rate: int | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.source, self.target = Account(source), Account(target)
        is_same = self.source.facts() == self.target.facts() and source.get("api_key") == target.get("api_key")
        del source, target  # a traceback that shows variables shall not show a key
        if is_same:
            raise ConfigurationError(f"source and target are one account, {self.source.name!r}: nothing can be moved")
        self.ledger = Ledger(ledger)
        self._rate, self._timing = rate, timing or Timing()
        self.close = self.ledger.close

    @classmethod
    def from_config(cls, ledger: Path_, path: Path_, source: str, target: str, **settings: Any) -> Self:
        """Make a migration between two profiles of a TOML file. Raises ConfigurationError."""
        return cls(ledger, source=read_profile(path, source), target=read_profile(path, target), **settings)

    def __repr__(self) -> str:
        return f"Migration({self.source.name!r} → {self.target.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    def plan(
        self,
        *,
        customers: Path_ | Mapping[str, str] | CustomerOf | None = None,
        products: Path_ | Mapping[str, str] | ProductOf | None = None,
        numbers: str = "keep",
        drafts: bool = False,
        open_invoices: bool = False,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        progress: planning.Progress = lambda _read: None,
    ) -> int:
        """Read the source, and write what is to be done into the ledger; return the plan's number.

        It goes on with a plan that was interrupted, if it is asked for with the same choices. `customers` and
        `products` are a CSV file with the columns source_id and target_id, a mapping, or a function (of the invoice; of
        the id of a product or price); else the profile's maps count. Customers that are missing are added to the CSV
        file, for a person to complete. `numbers` is "keep", "prefix:OLD-" or "new".
        """
        choices = {
            "kind": "plan",
            "numbers": numbers,
            "drafts": drafts,
            "open_invoices": open_invoices,
            "created_from": created_from and created_from.isoformat(),
            "created_to": created_to and created_to.isoformat(),
        }
        planner = self._planner(customers, products, numbers, drafts=drafts, open_invoices=open_invoices)
        return self._read(planner, choices, customers, (created_from, created_to), progress)

    def sweep(
        self,
        plan: int | None = None,
        *,
        customers: Path_ | Mapping[str, str] | CustomerOf | None = None,
        products: Path_ | Mapping[str, str] | ProductOf | None = None,
        progress: planning.Progress = lambda _read: None,
    ) -> int:
        """Plan what is new at the source since a plan; return the new plan's number.

        What that plan left out is planned too, if it can be moved now. What has changed since it was moved is refused
        with the word "changed-since-plan": a person decides about it.
        """
        header = self.ledger.plan(plan)
        facts = header.facts
        self._check(header, "plan", "sweep")
        planner = self._planner(
            customers, products, facts["numbers"], drafts=facts["drafts"], open_invoices=facts["open_invoices"]
        )
        planner.earlier = tuple(self._chain(header))
        names = ("numbers", "drafts", "open_invoices", "created_from", "created_to")
        choices = {name: facts[name] for name in names} | {"kind": "sweep", "of": header.number}
        between = _instant(facts["created_from"]), _instant(facts["created_to"])
        return self._read(planner, choices, customers, between, progress)

    def _chain(self, header: PlanHeader) -> Iterator[int]:
        """Yield the number of a plan, and of those that it was swept from."""
        yield header.number
        if (earlier := header.facts.get("of")) is not None:
            yield from self._chain(self.ledger.plan(earlier))

    def _planner(self, customers: Any, products: Any, numbers: str, *, drafts: bool, open_invoices: bool) -> Planner:
        source, target = self.source.provider, self.target.provider
        product_of: Callable[[Line], Line] = products_of(products, self._maps("products"), source, target)
        customer_of: Callable[[Invoice], str | None] = customers_of(customers, self._maps("customers"), source, target)
        return Planner(
            self.source.name, self.target.context, customer_of, product_of, Numbers(numbers), drafts, open_invoices
        )

    def _maps(self, name: str) -> dict[str, Mapping[str, str]]:
        """Return the profiles' map of customers, or of products."""
        return {**self.source.maps[name], **self.target.maps[name]}

    def _read(
        self,
        planner: Planner,
        choices: Mapping[str, Any],
        customers: object,
        between: planning.Between,
        progress: planning.Progress,
    ) -> int:
        """Read the source into a new plan, or go on with the one that was interrupted."""
        facts = {**self._facts(), **choices}
        number = self._unfinished(facts)
        if number is None:
            rate = self._rate or self.target.requests_per_second
            self._check_none_under_way()
            number = self.ledger.add_plan(PlanHeader(self.target.name, facts, self._timing, rate))
        planner.others = tuple(other for other in self._plans() if other < number)
        with self.source.reader() as source, self.target.reader() as target:
            read_source(self.ledger, number, source, planner, target=target, between=between, progress=progress)
        if isinstance(customers, str | PathLike):
            write_template(customers, self.missing_customers(number))
        return number

    def _plans(self, *kinds: str) -> list[int]:
        """Return the plans of this ledger between these accounts, of some kinds, by default all that move."""
        ours = (self.source.facts(), self.target.facts())
        return [
            number
            for number, facts in plans_of(self.ledger)
            if facts.get("kind") in (kinds or ("plan", "sweep")) and (facts["source"], facts["target"]) == ours
        ]

    def _check_none_under_way(self) -> None:
        for other in self._plans():
            counts = self.ledger.counts(other)
            if under_way := sum(counts.get(state, 0) for state in ("sent", "made", "released", "unknown")):
                raise ConfigurationError(
                    f"plan {other} has {under_way} items under way: run it to its end before you plan anew"
                )

    def _facts(self) -> dict[str, Any]:
        return {
            "library": version("invoice-bridge"),
            "key_version": KEY_VERSION,
            "source": self.source.facts(),
            "target": self.target.facts(),
        }

    def _unfinished(self, facts: Mapping[str, Any]) -> int | None:
        """Return the last plan if it was made by the same choices and is not complete."""
        try:
            last = self.ledger.plan()
        except ConfigurationError:
            return None
        is_same = loads(dumps(dict(facts))) == dict(last.facts)
        return last.number if is_same and self.ledger.note(last.number, COMPLETE) is None else None

    def missing_customers(self, plan: int | None = None) -> list[CustomerRef]:
        """Return the customers of the source that have no id at the target."""
        return [CustomerRef(**one) for _, one in notes_of(self.ledger, self.ledger.plan(plan).number, MISSING)]

    # ── preview, run, status ─────────────────────────────────────────────────────────────────────────────────────────
    def preview(self, plan: int | None = None) -> Preview:
        """Return what a plan will do; nothing is written."""
        number = self.ledger.plan(plan).number
        return preview_of(self.ledger, number, self.ledger.note(number, planning.TOTALS))

    def run(
        self,
        plan: int | None = None,
        *,
        first: int | None = None,
        at_most: Iterable[Money] = (),
        allow: Collection[str] = (),
        threads: int = 4,
        read_again: bool = True,
        watch: Callable[[Progress], object] = lambda _progress: None,
    ) -> Counter[str]:
        """Move what a plan has; return how many items came to which state. It can be repeated, and interrupted.

        `first` bounds this run to so many items, `at_most` to an amount per currency. `allow` accepts losses by their
        codes. Each invoice is read again at the source before it is made; `read_again=False` leaves that out for
        history. Raises ConfigurationError, before anything is sent, for another account, mode, URL or key version, a
        plan that is not complete or was changed, and losses that nobody accepted.
        """
        header = self._runnable(plan, allow, reads=read_again)
        page = None
        amounts = tuple(at_most)
        if first is not None or amounts:
            choose_items(self.ledger, header.number, first, amounts)
            page = CHOSEN
        progress = Progress(sum(_open(self.ledger.counts(header.number, page)).values()))

        def count(result: Result) -> None:
            progress.add(result)
            watch(progress)

        if header.facts["kind"] == "undo":
            actions: dict[Stage, Action] = {"make": partial(undo_one, context=self.target.context)}
            worker = Worker(
                self.ledger, self.target.client, plan=header.number, page=page, threads=threads, watch=count,
                actions=actions,
            )  # fmt: skip
            return worker.run()
        stages = Stages(self.source, self.target, allow, reads_again=read_again)
        return run_plan(self.ledger, header.number, stages, page=page, threads=threads, watch=count)

    def work(self, plan: int | None = None, *, allow: Collection[str] = (), threads: int = 4) -> Counter[str]:
        """Move what a plan has, together with other machines that call this on the same PostgreSQL database.

        It refuses what `run` refuses, and returns once the plan is finished. An undo is run by one machine.
        """
        from invoice_bridge.migrate.jobs import work_on_jobs

        header = self._runnable(plan, allow)
        self._check(header, "plan", "sweep")
        stages = Stages(self.source, self.target, allow, reads_again=True)
        place = self.ledger.database.location.reveal()
        try:
            return work_on_jobs(place, stages.connect, plan=header.number, threads=threads, actions=stages.actions)
        finally:
            stages.close()

    def _runnable(self, plan: int | None, allow: Collection[str], *, reads: bool = True) -> PlanHeader:
        """Return the header of a plan that may be worked on. Raises ConfigurationError."""
        header = self.ledger.plan(plan)
        self._check(header, "plan", "sweep", "undo")
        newer = [other for other in self._plans("plan") if other > header.number]
        if newer and header.facts["kind"] != "undo":
            raise ConfigurationError(
                f"plan {newer[-1]} was made after plan {header.number}, and has its items too: run plan {newer[-1]}"
            )
        check_plan(self.ledger, header.number, self.preview(header.number), allow)
        if header.facts["kind"] == "undo":
            check_made(self.ledger, header.facts["of"], self.target)
            return header
        if reads:
            check_source(self.ledger, header.number, self.source)
        check_target(self.ledger, header.number, self.source, self.target)
        return header

    def _check(self, header: PlanHeader, *kinds: str) -> None:
        if header.facts.get("kind") not in kinds:
            raise ConfigurationError(
                f"plan {header.number} is of the kind {header.facts.get('kind')!r}, and this step takes one of the "
                f"kinds {', '.join(kinds)}"
            )
        check_accounts(header.facts, self.source, self.target)

    # ── verify, evidence, quarantine, undo ───────────────────────────────────────────────────────────────────────────
    def verify(
        self, plan: int | None = None, *, progress: Callable[[int], object] = lambda _done: None
    ) -> Verification:
        """Read back what was moved, and compare it as documents; what was not read back is a finding."""
        header = self.ledger.plan(plan)
        self._check(header, "plan", "sweep")
        check_made(self.ledger, header.number, self.target)
        with self.target.reader() as target:
            return verify_plan(self.ledger, header.number, target, self.target.context, progress)

    def credits(
        self,
        plan: int | None = None,
        *,
        customers: Path_ | Mapping[str, str] | None = None,
        progress: planning.Progress = lambda _read: None,
    ) -> Credits:
        """Read the balances of the plans' customers at both accounts, last of all: a person moves what is found.

        `customers` is the CSV file or the mapping that the plan was made with; else the profile's map counts. Raises
        ConfigurationError while a plan is not finished: history would use up a balance.
        """
        header = self.ledger.plan(plan)
        self._check(header, "plan", "sweep")
        for number in self._chain(header):
            if left := sum(_open(self.ledger.counts(number)).values()):
                raise ConfigurationError(
                    f"plan {number} has {left} items left: balances come last, so run it to its end first"
                )
        if self.source.context.provider.balances is None:
            raise ConfigurationError(f"{self.source.provider} states no balances of customers: nothing can be read")
        ids = ids_of(customers, self._maps("customers"), self.source.provider, self.target.provider)
        everybody, strange = customers_to_read(self.ledger, self._plans(), self.target.provider, ids)
        with self.source.reader() as source, self.target.reader() as target:
            return read_credits(
                self.ledger, header.number, source, target, everybody, strange=strange, progress=progress
            )

    def write_evidence(self, folder: Path_, plan: int | None = None) -> Path:
        """Write plan, ledger, verification and a page into a new folder, with the digest of each file."""
        return write_evidence(self.ledger, self.preview(plan), folder)

    def serving(self, plan: int | None = None, *, port: int = 0) -> AbstractContextManager[str]:
        """Show the ledger as a page on this machine while the block runs; it gives the address, and only reads."""
        return serving(self.ledger, plan, port=port)

    def quarantine(self, plan: int | None = None) -> list[Row]:
        """Return the items that a person decides about."""
        return list(self.ledger.rows(self.ledger.plan(plan).number, ("quarantined",)))

    def resolve(self, reference: str, decision: State, why: str, plan: int | None = None) -> bool:
        """Record what a person decided: "planned" (look up and try again), "done", "refused" or "skipped"."""
        return self.ledger.decide(self.ledger.plan(plan).number, reference, decision, why)

    def undo(self, plan: int | None = None) -> int:
        """Plan to take back what a plan has made, as far as the target lets it; return the new plan's number.

        Without `plan`, it is the one that has made anything. Preview it, then run it. What cannot be taken back is
        refused there with the word "undo-impossible". Raises ConfigurationError if several plans have made something,
        or none.
        """
        header = self.ledger.plan(plan_that_made(self.ledger, self._plans()) if plan is None else plan)
        self._check(header, "plan", "sweep")
        facts = {**self._facts(), "kind": "undo", "of": header.number, "numbers": "new"}
        number = self.ledger.add_plan(PlanHeader(header.target, facts, header.timing, header.rate))
        totals = Totals()
        items: list[NewItem] = []
        for item in undo_items(self.ledger, header.number, self.target.context.provider.deletes_imports):
            totals.add(item.source)
            items.append(item)
        self.ledger.add(number, items, {planning.TOTALS: totals.to_json()})
        planning.complete_plan(self.ledger, number)
        return number


def _open(counts: Mapping[State, int]) -> dict[State, int]:
    return {state: number for state, number in counts.items() if state in OPEN_STATES}


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
