"""The second step: what a plan will do, before it does it. Writes nothing.

Rules of this file: the source's totals equal what is moved, skipped, refused and left to a person, to the cent; a
group that does not close is shown as such, and `run` refuses the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from invoice_bridge.migrate.reasons import WORDS
from invoice_bridge.migrate.totals import Group, Totals

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.values import Row

__all__ = ["Preview", "preview_of"]


@dataclass(frozen=True)
class Preview:
    """What a plan will do. `losses` counts items by code, `reasons` by (state, word); `checks` are for a person."""

    plan: int
    source: str
    target: str
    counts: Mapping[str, int]
    losses: Mapping[str, int]
    """Items by code of loss."""
    stopping: frozenset[str]
    """The codes that must be accepted by name before the plan runs."""
    reasons: Mapping[tuple[str, str], int]
    groups: tuple[Group, ...]
    effects: Mapping[str, int]
    requests: int
    rate: int | None
    checks: tuple[str, ...]
    allowed: frozenset[str] = field(default_factory=frozenset)

    @property
    def closes(self) -> bool:
        """Whether the source's totals are accounted for, to the cent."""
        return all(group.difference == (0, 0) for group in self.groups)

    @property
    def hours(self) -> float | None:
        """How long the requests take at the target's limit; None where no limit is known."""
        return None if not self.rate else self.requests / self.rate / 3600

    @property
    def effects_line(self) -> str:
        """The effects of the whole plan at the target in one line."""
        parts = [f"{effect} {self.effects.get(effect, 0)}" for effect in EFFECTS]
        return ", ".join(parts)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the preview as text."""
        yield f"plan {self.plan}: {self.source} → {self.target}"
        yield "items: " + (", ".join(f"{number} {state}" for state, number in sorted(self.counts.items())) or "none")
        yield f"effects of the whole plan: {self.effects_line}"
        took = "" if self.hours is None else f", {_duration(self.hours)} at {self.rate}/s"
        yield f"requests: {self.requests}{took}"
        if self.losses:
            yield "losses:"
        for code, number in sorted(self.losses.items()):
            yield f"  {code}  {number}" + ("  accept it with --allow" if code in self.stopping - self.allowed else "")
        if self.reasons:
            yield "left out:"
        for (state, word), number in sorted(self.reasons.items()):
            yield f"  {state} {word}  {number}" + (f"  ({WORDS[word]})" if word in WORDS else "")
        yield "control totals: source = moved + skipped + refused + for a person"
        for group in self.groups:
            sides = (group.source, group.moved, group.skipped, group.refused, group.person)
            text = " | ".join(f"{number}: {group.amount(minor)}" for number, minor in sides)
            end = "" if group.difference == (0, 0) else f"  DIFFERS by {group.difference[0]} documents"
            yield f"  {group.month or '–'} {group.currency or '–'} {group.status or '–'}  {text}{end}"
        if self.checks:
            yield "a person checks:"
        yield from (f"  * {check}" for check in self.checks)


EFFECTS = ("issues", "mails", "collects", "records", "refunds", "voids")


def _duration(hours: float) -> str:
    minutes = round(hours * 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{hours:.1f} h"


def _side(row: Row) -> str:
    if row.state == "quarantined":
        return "person"
    return row.state if row.state in {"skipped", "refused"} else "moved"


def preview_of(ledger: Ledger, plan: int, kept: str | None) -> Preview:
    """Read a plan once, and return what it will do. `kept` are the source's totals as they were read."""
    header = ledger.plan(plan)
    counts: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    effects: Counter[str] = Counter()
    sides: dict[str, Totals] = {name: Totals() for name in ("moved", "skipped", "refused", "person")}
    stopping: set[str] = set()
    requests = opened = 0
    for row in ledger.rows(plan):
        counts[row.state] += 1
        sides[_side(row)].add(row.source)
        if row.reason and row.state in {"skipped", "refused", "quarantined", "unknown"}:
            reasons[row.state, row.reason] += 1
        if _side(row) != "moved":
            continue
        requests += row.source.get("requests", 0)
        opened += "release" in row.operation
        effects.update(row.source.get("effects", ()))
        for code in {code for code, _, _ in row.source.get("losses", ())}:
            losses[code] += 1
        if row.state == "planned":
            stopping |= {code for code, severity, _ in row.source.get("losses", ()) if severity != "info"}
    source = Totals.read(kept)
    keys = sorted({*source.groups, *(key for side in sides.values() for key in side.groups)})
    groups = tuple(
        Group(*key, source.at(key), *(sides[name].at(key) for name in ("moved", "skipped", "refused", "person")))
        for key in keys
    )
    facts = header.facts
    return Preview(
        plan,
        facts.get("source", {}).get("account", "").rstrip(":"),
        header.target.rstrip(":"),
        dict(counts),
        dict(losses),
        frozenset(stopping),
        dict(reasons),
        groups,
        dict(effects),
        requests,
        header.rate,
        tuple(_checks(facts, reasons, opened)),
    )


def _checks(facts: Mapping[str, Any], reasons: Mapping[tuple[str, str], int], opened: int) -> Iterator[str]:
    """Yield what no program can know."""
    if facts.get("kind") == "undo":
        yield "that the numbers of what is taken back stay used: another plan gives it other numbers, in another ledger"
        return
    if facts.get("numbers") != "new":
        yield "afterwards, that the next number which the target gives meets none of the imported ones"
    yield "that the customers have no balance at the target: history would use it up"
    yield "the balances at the source, which no plan moves: `migrate credits` lists each one once the plan is run"
    yield "that accounting programs which read the target do not book the imported documents a second time"
    if opened:
        yield f"open invoices that are closed at the source before they can be paid at the target: {opened}"
    if left := sum(number for (_, word), number in reasons.items() if word == "source-still-billing"):
        yield f"open invoices that stay at the source, which goes on to collect them: {left}"
