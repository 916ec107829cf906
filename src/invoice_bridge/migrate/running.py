"""The third step: a plan is checked, bounded, and worked on.

Rules of this file: nothing is sent for a plan that is not complete, that was changed by hand, whose totals do not
close, or whose losses nobody accepted by their codes. Before an item is made its source is read again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.errors import BridgeError, ConfigurationError, Discrepancy, NotFound
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of
from invoice_bridge.journal.store import Journal
from invoice_bridge.migrate.documents import differences_of
from invoice_bridge.migrate.engine import Worker
from invoice_bridge.migrate.errors import SourceChanged
from invoice_bridge.migrate.journal import ItemJournal
from invoice_bridge.migrate.operations import Action, make, read_operation
from invoice_bridge.migrate.planning import COMPLETE, digest_of_plan, fingerprint
from invoice_bridge.migrate.queries import choose
from invoice_bridge.migrate.values import Item, Result, Stage

if TYPE_CHECKING:
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.accounts import Account
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.preview import Preview

_PARTS = frozenset({"amount paid", "amount remaining", "payments", "credit notes"})
"""What a document that is a draft until it is issued has only then."""

__all__ = ["Progress", "check_plan", "choose_items", "run_plan"]


# ── before anything is sent ──────────────────────────────────────────────────────────────────────────────────────────
def check_plan(ledger: Ledger, plan: int, preview: Preview, allow: Collection[str]) -> None:
    """Check that a plan may be worked on. Raises ConfigurationError, with what to do."""
    kept = ledger.note(plan, COMPLETE)
    if kept is None:
        raise ConfigurationError(f"plan {plan} is not complete: plan again, and it goes on where it was interrupted")
    if kept != digest_of_plan(ledger, plan):
        raise ConfigurationError(
            f"plan {plan} is not as it was written: an item was changed, added or removed; plan anew in another ledger"
        )
    if not preview.closes:
        raise ConfigurationError(
            f"the control totals of plan {plan} do not close, so that invoices of the source are missing: plan anew"
        )
    if unknown := sorted(code for code in allow if not code.startswith("IB-")):
        raise ConfigurationError(f"losses are accepted by their codes, like IB-…, not {unknown[0]!r}: see the preview")
    if refused := sorted(preview.stopping - set(allow)):
        shown = ", ".join(f"{code} ({preview.losses[code]} items)" for code in refused)
        raise ConfigurationError(
            f"the plan would lose {shown}: accept each with {' '.join(f'--allow {code}' for code in refused)}"
        )


def choose_items(ledger: Ledger, plan: int, most: int | None, amounts: Iterable[Money]) -> int:
    """Choose the first planned items within a count and within an amount per currency; return how many.

    The choice ends at the first item that would pass an amount. With amounts, an item in a currency that has none
    ends it too.
    """
    left = {amount.currency: amount.minor for amount in amounts}
    bounded = bool(left)
    chosen: list[int] = []
    for row in ledger.rows(plan, ("planned",)):
        if most is not None and len(chosen) >= most:
            break
        if bounded:
            currency, total = row.source.get("currency", ""), row.source.get("total")
            if total is None or left.get(currency, -1) < total:
                break
            left[currency] -= total
        chosen.append(row.number)
    choose(ledger, plan, chosen)
    return len(chosen)


# ── working on it ────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Progress:
    """How far a run is. `rate` is items per second, `left` the time that the rest takes at that rate."""

    whole: int
    ended: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def add(self, result: Result) -> None:
        """Count what became of an item."""
        if result.again_in is None and result.state not in {"made", "released"}:
            self.ended[result.state] += 1

    @property
    def rate(self) -> float:
        """Items that ended per second."""
        return self.ended.total() / max(time.monotonic() - self.began, 0.001)

    @property
    def left(self) -> timedelta | None:
        """How long the rest takes; None before anything ended."""
        if not self.ended:
            return None
        return timedelta(seconds=round((self.whole - self.ended.total()) / self.rate))

    def __str__(self) -> str:
        shown = ", ".join(f"{number} {state}" for state, number in sorted(self.ended.items())) or "nothing yet"
        left = "" if self.left is None else f", {max(self.left, timedelta())} left"
        return f"{self.ended.total()}/{self.whole}: {shown}; {self.rate:.1f}/s{left}"


class Stages:
    """What is done for an item, with the clients of both accounts."""

    def __init__(self, source: Account, target: Account, allow: Collection[str], *, reads_again: bool) -> None:
        self._source, self._target, self._reads_again = source, target, reads_again
        self._allow = tuple(sorted(allow))
        self._sources: list[Client] = []
        self._journals: list[ItemJournal] = []
        kept, self._is_own = target.open_journal()
        if kept is None:
            kept, self._is_own = source.open_journal()
        self._kept = kept

    def connect(self, **settings: Any) -> Client:
        """Make the client of the target, and with the same fence one of the source."""
        of_source = {name: value for name, value in settings.items() if name != "rate_limiter"}
        journal: ItemJournal = settings["journal"]
        journal.kept = self._kept
        self._journals.append(journal)
        self._sources.append(self._source.client(**of_source))
        return self._target.client(**settings)

    @property
    def actions(self) -> dict[Stage, Action]:
        """What does each stage."""
        return {"make": self.make, "release": self.release, "arm": self.arm}

    def close(self) -> None:
        """Close the clients of the source, and the application's journal if it was opened here."""
        for client in self._sources:
            client.close()
        if isinstance(self._kept, Journal) and self._is_own:
            self._kept.close()

    @contextmanager
    def _at_the_source(self) -> Iterator[Client]:
        """Give the client of the source. The invoice that an error of it names is no document of the target."""
        try:
            yield self._sources[-1]
        except BridgeError as error:
            error.invoice_id = None
            raise

    def _read(self, invoice_id: str) -> Invoice:
        with self._at_the_source() as source:
            return source.retrieve(invoice_id)

    def _source_of(self, item: Item) -> tuple[str, str]:
        """Return the id and the fingerprint of an item at the source."""
        return str(item.source["id"]), str(item.source["fingerprint"])

    def make(self, target: Client, item: Item) -> Invoice:
        """Make the document, if the source is still as it was planned."""
        if self._reads_again and (change := self._change_of(item)) is not None:
            self._refuse_changed(target, item, change)
        return self._passed_on(make(target, self._accepting(item, "make")))

    def _change_of(self, item: Item) -> str | None:
        """Read the invoice again at the source; return what is not as it was planned, None if all is."""
        invoice_id, planned = self._source_of(item)
        try:
            is_same = fingerprint(self._read(invoice_id)) == planned
        except NotFound:
            return f"the invoice {invoice_id} is not at the source any more"
        return None if is_same else f"the invoice {invoice_id} is not as it was planned; sweep plans it as it is"

    @staticmethod
    def _refuse_changed(target: Client, item: Item, change: str) -> None:
        """Refuse what has changed, unless an earlier try has made it whole before it changed."""
        if not item.is_repeat:
            raise SourceChanged(f"changed-since-plan: {change}")
        asked = read_operation({**item.operation["make"], "attempt": item.attempt})
        known = target.resolve(asked)
        if known.state == "absent":
            raise SourceChanged(f"changed-since-plan: {change}; an earlier try has made nothing")
        made = known.invoice
        if made is None:
            raise Discrepancy(
                f"changed-since-plan: {change}; whether an earlier try has made it is {known.state}: {known.why}",
                asked="", found="",
            )  # fmt: skip
        is_whole = made.status is (asked.status if asked.armed else Status.DRAFT)
        if not is_whole and not (made.status is Status.OPEN and not asked.armed):
            raise Discrepancy(
                f"changed-since-plan: {change}; an earlier try has made {made.id}, which is {made.status} and was not "
                "finished",
                asked=asked.status, found=made.status, invoice=made,
            )  # fmt: skip

    def _passed_on(self, made: Invoice) -> Invoice:
        self._journals[-1].pass_on(made)
        return made

    def _accepting(self, item: Item, stage: str) -> Item:
        operation = {**item.operation[stage], "allow": list(self._allow)}
        return replace(item, operation={**item.operation, "make": operation})

    def release(self, target: Client, item: Item) -> Invoice:
        """Compare what was made, close the document at the source, and read it there again."""
        made = self._whole(target, item)
        invoice_id, planned = self._source_of(item)
        before = self._read(invoice_id)
        if before.status is Status.PAID:
            self._check_paid(item, before, made)
            return made  # paid meanwhile: nothing is left to close, and arm records it
        if before.status is Status.OPEN:
            if fingerprint(before) != planned:
                raise Discrepancy(
                    f"changed-since-plan: the open invoice {invoice_id} has changed at the source; it was not closed",
                    asked=planned, found=fingerprint(before), invoice=made,
                )  # fmt: skip
            is_paid_in_part = bool(before.amount_paid or before.amount_credited or before.payments)
            with self._at_the_source() as source:
                (source.mark_uncollectible if is_paid_in_part else source.void)(invoice_id)
        elif not self._was_closed_here(item, before):
            raise Discrepancy(
                f"changed-since-plan: the invoice {invoice_id} is {before.status} at the source, and not by this plan",
                asked=Status.OPEN, found=before.status, invoice=made,
            )  # fmt: skip
        self._check_closed(item, made)
        return made

    def _whole(self, target: Client, item: Item) -> Invoice:
        """Read the document at the target, and compare it with its import."""
        made = target.retrieve(item.target_id or "")
        command = read_operation(item.operation["make"])
        left_out = {"status", *(_PARTS if made.status is Status.DRAFT else ())}
        wrong = [one for one in differences_of(command, made, self._target.context) if one.field not in left_out]
        if wrong:
            raise Discrepancy(f"the document at the target differs: {wrong[0]}", asked="", found="", invoice=made)
        return made

    def _was_closed_here(self, item: Item, found: Invoice) -> bool:
        """Whether this plan may have closed it: the item was taken before, and it was closed since then."""
        closed = found.voided_at or found.uncollectible_at
        return item.is_repeat and closed is not None and closed >= item.first_sent_at.replace(microsecond=0)

    def _check_closed(self, item: Item, made: Invoice) -> Invoice:
        """Read the document at the source, and check that it is closed with nothing paid or credited meanwhile."""
        invoice_id, _ = self._source_of(item)
        found = self._read(invoice_id)
        if found.status not in {Status.VOID, Status.UNCOLLECTIBLE, Status.PAID}:
            raise Discrepancy(
                f"the invoice {invoice_id} is {found.status} at the source after it was closed; it was not issued at "
                "the target",
                asked=Status.VOID, found=found.status, invoice=made,
            )  # fmt: skip
        self._check_paid(item, found, made)
        return found

    @staticmethod
    def _check_paid(item: Item, found: Invoice, made: Invoice) -> None:
        """Check that what was paid and credited at the source is what the target has, or all of it.

        Otherwise the target would demand it again, or state a payment that nobody made. Raises Discrepancy.
        """
        command = read_operation(item.operation["arm"])
        paid, credited = command.paid, command.credited
        if found.status is Status.PAID:
            paid = command.total - credited
        notes = sum_of(note.amount for note in found.credit_notes if note.kind != "write_off" and note.amount)
        for what, asked, stated in (
            ("paid", paid, found.amount_paid),
            ("given back", Money.zero(paid.currency), found.amount_refunded),
            ("credited", credited, (notes or Money.zero(paid.currency)) if found.credit_notes_complete else None),
        ):
            if stated is not None and stated != asked:
                raise Discrepancy(
                    f"changed-since-plan: {stated} of the invoice {found.id} is {what} at the source, which is "
                    f"{found.status}, and not {asked}; it was not issued at the target",
                    asked=asked, found=stated, invoice=made,
                )  # fmt: skip

    def arm(self, target: Client, item: Item) -> Invoice:
        """Issue the document, once the source cannot collect it; one that was paid there meanwhile is paid here too."""
        made = target.retrieve(item.target_id or "")
        found = self._check_closed(item, made)
        if item.is_repeat and made.status is Status.PAID:
            return made  # an earlier try issued and paid it
        armed = self._passed_on(make(target, self._accepting(item, "arm")))
        if found.status is not Status.PAID or armed.status is Status.PAID or not armed.amount_remaining:
            return armed
        return target.record_payment(
            armed.id,
            amount=armed.amount_remaining,
            at=found.paid_at or item.first_sent_at,
            reference=f"{item.reference}/paid-at-source",
            expect=armed.amount_remaining,
        )


def run_plan(
    ledger: Ledger,
    plan: int,
    stages: Stages,
    *,
    page: int | None,
    threads: int,
    watch: Callable[[Result], object],
) -> Counter[str]:
    """Work on a plan, or on what was chosen of it, until nothing is left; an interrupt finishes what is under way."""
    try:
        worker = Worker(
            ledger,
            stages.connect,
            plan=plan,
            page=page,
            threads=threads,
            actions=stages.actions,
            watch=watch,
        )
        return worker.run()
    finally:
        stages.close()
