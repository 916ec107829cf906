"""Verify: read back what was moved, and compare it as documents. What was not read back is a failure.

Rules of this file: nothing is written at either provider. The target's listing is read too, so that a document that is
there twice shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.pages import Unreadable
from invoice_bridge.core.commands import ImportInvoice, ListInvoices
from invoice_bridge.core.errors import BridgeError, ConfigurationError, NotFound
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.model import Payment, Status
from invoice_bridge.migrate.documents import differences_of
from invoice_bridge.migrate.listings import pages_of
from invoice_bridge.migrate.operations import read_operation
from invoice_bridge.migrate.planning import COMPLETE
from invoice_bridge.migrate.queries import notes_of, planned_in, plans_of, targets_of, write_notes

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.values import Row

__all__ = ["Finding", "Verification", "taken_back", "verification_of", "verified_rows", "verify_plan"]

_PREFIX, SUMMARY = "verified/", "verification"
_SOME = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one item: "differs", "missing", "not read", "doubled" or "not moved"."""

    reference: str
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reference}: {self.kind}: {self.detail}"


@dataclass(frozen=True)
class Verification:
    """What verify found. It is `ok` only if every item that was to be moved was read back and has no finding."""

    plan: int
    expected: int
    verified: int
    findings: tuple[Finding, ...]
    at: str

    @property
    def ok(self) -> bool:
        """Whether everything that was to be moved is at the target, once, and as it was imported."""
        return not self.findings and self.verified == self.expected

    def __str__(self) -> str:
        head = f"plan {self.plan}: {self.verified} of {self.expected} verified, {len(self.findings)} findings"
        return "\n".join([head, *(f"  {finding}" for finding in self.findings)])


def verify_plan(
    ledger: Ledger, plan: int, target: Client, context: Context, progress: Callable[[int], object] = lambda _done: None
) -> Verification:
    """Read back every item that was moved, compare it, and keep what was found in the ledger.

    Until its end the ledger has a verification that was interrupted, in place of an earlier one. Raises
    ConfigurationError for a plan that is not complete.
    """
    check_complete(ledger, plan)
    began = datetime.now(UTC)
    interrupted = _json(Verification(plan, 0, 0, (), _text(began)), is_whole=False)
    write_notes(ledger, plan, [(SUMMARY, dumps(interrupted).decode())])
    expected = verified = 0
    waiting: list[tuple[str, str]] = []

    def keep(row: Row, finding: Finding | None, at_least: int) -> None:
        fact = {"reference": row.reference, "target": row.target_id, "ok": finding is None}
        if finding is not None:
            fact |= {"kind": finding.kind, "detail": finding.detail}
        waiting.append((f"{_PREFIX}{row.number:012}", dumps({**fact, "at": _text(began)}).decode()))
        if len(waiting) >= at_least:
            write_notes(ledger, plan, waiting)
            waiting.clear()

    findings: list[Finding] = []
    for row in ledger.rows(plan):
        if row.state in {"skipped", "refused"} and not _is_left_by_run(ledger, plan, row):
            continue
        expected += 1
        finding = _finding(row, target, context)
        if finding is None:
            verified += 1
        else:
            findings.append(finding)
        keep(row, finding, _SOME)
        progress(expected)
    write_notes(ledger, plan, waiting)
    findings += _doubled(ledger, plan, target)
    made = Verification(plan, expected, verified, tuple(findings), _text(began))
    write_notes(ledger, plan, [(SUMMARY, dumps(_json(made)).decode())])
    return made


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _is_left_by_run(ledger: Ledger, plan: int, row: Row) -> bool:
    """Whether the plan was to move an item, the run refused it, and neither a person nor a later plan has it now."""
    if row.state != "refused" or not row.claim or row.reason == "decided":
        return False
    later = [number for number, facts in plans_of(ledger) if number > plan and facts.get("kind") in {"plan", "sweep"}]
    own = str(row.source.get("id") or "")
    return own not in planned_in(ledger, later, [own])


def _finding(row: Row, target: Client, context: Context) -> Finding | None:
    if row.state != "done":
        return Finding(row.reference, "not moved", f"it is {row.state}{row.reason and f' ({row.reason})'}")
    if row.reason == "decided" and not row.target_id:
        return Finding(row.reference, "not read", "a person decided that it is done, and named no document")
    try:
        found = target.retrieve(row.target_id or "")
        stage = row.operation["arm" if "arm" in row.operation else "make"]
        wrong = differences_of(_expected(row, read_operation(stage)), found, context)
    except NotFound:
        return Finding(row.reference, "missing", f"the target has no document {row.target_id}")
    except (BridgeError, KeyError) as error:
        if isinstance(error, ConfigurationError):
            raise
        return Finding(row.reference, "not read", f"{type(error).__name__}: {error}")
    if not wrong:
        return None
    return Finding(row.reference, "differs", "; ".join(map(str, wrong)))


def _expected(row: Row, command: ImportInvoice) -> ImportInvoice:
    """Return the document as the run left it: paid, if it was open and was paid at the source meanwhile."""
    if command.status is not Status.OPEN or row.target.get("status") != Status.PAID:
        return command
    rest = Payment(amount=command.open_amount, state="succeeded")
    return command.model_copy(update={"status": Status.PAID, "payments": (*command.payments, rest)})


def _doubled(ledger: Ledger, plan: int, target: Client) -> Iterator[Finding]:
    """Yield the documents of the target's listing that have a reference of the plan, and are not its own."""
    found: dict[tuple[str, str], None] = {}
    for page in pages_of(target, ListInvoices()):
        listed = [one for one in page.items if not isinstance(one, Unreadable) and one.reference]
        known = targets_of(ledger, plan, {one.reference for one in listed if one.reference})
        for one in listed:
            reference = one.reference or ""
            if known.get(reference) is None or known[reference] == one.id or (reference, one.id) in found:
                continue
            found[reference, one.id] = None
            detail = f"the target also has {one.id} of that reference, which is {one.status}"
            yield Finding(reference, "doubled", detail)


def _json(made: Verification, *, is_whole: bool = True) -> dict[str, Any]:
    return {
        "plan": made.plan,
        "expected": made.expected,
        "verified": made.verified,
        "ok": made.ok and is_whole,
        "is_whole": is_whole,
        "at": made.at,
        "findings": [[one.reference, one.kind, one.detail] for one in made.findings],
    }


def verification_of(ledger: Ledger, plan: int) -> dict[str, Any] | None:
    """Return what the last verification of a plan found, None if there was none."""
    from invoice_bridge.core.exact import loads

    text = ledger.note(plan, SUMMARY)
    return None if text is None else dict(loads(text))


def verified_item(ledger: Ledger, plan: int, number: int) -> dict[str, Any] | None:
    """Return what the last verification found of one item, by its number; None if it was not verified."""
    from invoice_bridge.core.exact import loads

    text = ledger.note(plan, f"{_PREFIX}{number:012}")
    return None if text is None else dict(loads(text))


def verified_rows(ledger: Ledger, plan: int) -> Iterator[tuple[Row, bool]]:
    """Yield the items of a plan, and whether the last verification found each one to be right as it is now."""
    at = (verification_of(ledger, plan) or {}).get("at")
    notes = notes_of(ledger, plan, _PREFIX)
    kept = next(notes, None)
    for row in ledger.rows(plan):
        name = f"{row.number:012}"
        while kept is not None and kept[0] < name:
            kept = next(notes, None)
        found = kept[1] if kept is not None and kept[0] == name else {"ok": False}
        is_of_the_last = found["ok"] and str(found.get("at")).replace("+00:00", "Z") == at
        yield row, is_of_the_last and row.state == "done" and found["target"] == row.target_id


def taken_back(ledger: Ledger, plan: int) -> dict[int, int]:
    """Return how many documents of a plan each undo has taken back, by the number of the undo."""
    undone = [number for number, facts in plans_of(ledger) if facts.get("kind") == "undo" and facts.get("of") == plan]
    counts = {number: ledger.counts(number).get("done", 0) for number in undone}
    return {number: count for number, count in counts.items() if count}


def check_complete(ledger: Ledger, plan: int) -> None:
    """Check that the source's listing was read to its end. Raises ConfigurationError."""
    if ledger.note(plan, COMPLETE) is None:
        raise ConfigurationError(f"plan {plan} is not complete: plan again, and it goes on where it was interrupted")


def verified_items(ledger: Ledger, plan: int) -> Iterator[dict[str, Any]]:
    """Yield what the last verification found of each item."""
    yield from (dict(found) for _, found in notes_of(ledger, plan, _PREFIX))
