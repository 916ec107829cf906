"""The values of a ledger: a plan's header, an item, what became of it, and how long workers wait for each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.engine.lookup import SETTLE_TIME

__all__ = ["OPEN_STATES", "STATES", "Item", "NewItem", "PlanHeader", "Result", "Row", "Stage", "State", "Timing"]

State = Literal["planned", "sent", "made", "released", "done", "unknown", "refused", "quarantined", "skipped"]
"""planned: nothing was sent. sent: a worker has taken the item; its requests may have left. made: the document is at
the target. released: it is closed at the source. done: nothing is left to do. unknown: a request may have taken effect,
and is looked up once it has settled. refused: nothing was made, and nothing will be. quarantined: a person decides.
skipped: the plan leaves it out."""
STATES: tuple[State, ...] = (
    "planned", "sent", "made", "released", "done", "unknown", "refused", "quarantined", "skipped",
)  # fmt: skip
OPEN_STATES: frozenset[State] = frozenset({"planned", "sent", "made", "released", "unknown"})
"""The states of an item that is left to be worked on."""
Stage = Literal["make", "release", "arm"]
STAGES: tuple[Stage, ...] = ("make", "release", "arm")
REACHES: dict[Stage, State] = {"make": "made", "release": "released", "arm": "done"}
"""The state that an item has after a stage, if another one follows; after its last one it is done."""


def following_stage(operation: Mapping[str, Any], stage: Stage) -> Stage | None:
    """Return the stage of an operation that follows one of its stages, None after its last one."""
    after = STAGES[STAGES.index(stage) + 1 :]
    return next((name for name in after if name in operation), None)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the workers of a plan wait for each other, in seconds; the same for all of them.

    A worker renews its lease each `beat` seconds. An item of a worker whose lease has passed is taken over once a
    request that left in time can no longer be under way (`deadline`) and its effect shows in a listing (`settling`).
    """

    lease: float = 10.0
    beat: float = 2.0
    deadline: float = 60.0
    settling: float = SETTLE_TIME.total_seconds()

    def __post_init__(self) -> None:
        if not 0 < self.beat <= self.lease / 2:
            raise ConfigurationError(
                "beat must be more than 0 and at most half of the lease, else one late beat ends it"
            )
        if self.deadline <= 0 or self.settling < 0:
            raise ConfigurationError("deadline must be more than 0, and settling 0 or more seconds")


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """A plan: the account that its items go to, what it was made from, and how it is worked on.

    `rate` limits the requests per second of all workers together. `facts` is JSON of the caller's own.
    """

    target: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing = Timing()
    rate: int | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to add to a plan.

    `operation` has a command for each stage, see operations.py. `source` is JSON of the caller's own. For `history`
    nothing that mails or collects is sent. An item that is refused or skipped from the start has a `reason`.
    """

    reference: str
    operation: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    history: bool = True
    state: Literal["planned", "refused", "skipped"] = "planned"
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An item that a worker has taken, with everything that is needed to send its requests."""

    number: int
    reference: str
    operation: Mapping[str, Any]
    stage: Stage
    history: bool
    attempt: int
    claim: int
    """How often the item was taken; a worker writes only under its own claim."""
    unknowns: int
    defers: int
    is_repeat: bool
    """Whether its requests may have been sent before, so that it is looked up first."""
    first_sent_at: datetime
    target_id: str | None
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an item. `state` is that of its stage's end; one that is not at its end is due `again_in` seconds.

    `next_attempt` raises the attempt of its key.
    """

    item: Item
    state: State
    reason: str = ""
    detail: str = ""
    target_id: str | None = None
    target: Mapping[str, Any] = field(default_factory=dict)
    requests: int = 0
    again_in: float | None = None
    next_attempt: bool = False
    sent: bool = True
    """Whether a request may have left under this claim."""
    deferred: bool = False
    """Whether it was put back because an account was away: that is counted."""


@dataclass(frozen=True, slots=True)
class Row:
    """An item as the ledger has it: what is shown, verified and exported."""

    number: int
    reference: str
    page: int
    state: State
    reason: str
    detail: str
    operation: Mapping[str, Any]
    source: Mapping[str, Any]
    history: bool
    attempt: int
    claim: int
    requests: int
    sent_at: datetime | None
    ended_at: datetime | None
    target_id: str | None
    target: Mapping[str, Any]
