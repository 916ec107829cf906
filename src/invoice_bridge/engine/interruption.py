"""What is known when something stops a call halfway: Ctrl-C, a cancelled task, asyncio.timeout.

The exception that stops it is not ours, so it has no `outcome`. It gets a note, which every printed traceback
shows, and carries an Interruption that `interrupted` finds. asyncio.timeout raises a new TimeoutError *from* the
cancellation (CPython, Lib/asyncio/timeouts.py), so the search follows causes, contexts and groups. A TaskGroup drops
the cancellation of a sibling altogether (Lib/asyncio/taskgroups.py): only the task itself still has it, and the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from invoice_bridge.core.commands import Command, NewInvoice, verb_reference
from invoice_bridge.core.errors import Outcome
from invoice_bridge.core.steps import State, Step
from invoice_bridge.core.wire import Request, Response

__all__ = ["Interruption", "Trail", "interrupted"]

_ATTRIBUTE = "_invoice_bridge_interruption"


@dataclass(frozen=True, slots=True)
class Interruption:
    """What is known of a call that something else stopped.

    `outcome` is as on BridgeError. `reference` is that of the bill, or of a verb that moves or records money;
    `invoice_id` is the invoice of a verb. A field that the call does not have is None. `steps` are the requests
    that were sent, in order. `str()` is the note.
    """

    outcome: Outcome
    reference: str | None
    invoice_id: str | None
    steps: tuple[Step, ...]
    note: str

    def __str__(self) -> str:
        return self.note


def interrupted(error: BaseException) -> Interruption | None:
    """Return what is known of the call that `error` stopped; causes, contexts and groups are searched too.

    None if no call of this library had sent a write when it was stopped.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        interruption = getattr(one, _ATTRIBUTE, None)
        if isinstance(interruption, Interruption):
            return interruption
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return None


@dataclass
class Trail:
    """The requests of one call that may have been sent, and the status of each answer."""

    sent: list[Request] = field(default_factory=list)
    answered: dict[int, int] = field(default_factory=dict)
    """Position in `sent` → HTTP status."""
    result: object = None
    """What the call returns, once it is known."""

    def answer(self, response: Response) -> None:
        """Record the answer to the last request."""
        self.answered[len(self.sent) - 1] = response.status

    def mark(self, stop: BaseException, command: Command | None) -> Interruption | None:
        """Add the note to the exception that stops the call, if a write may have been sent; return what is known."""
        known = self._known(command)
        if known is not None:
            stop.add_note(known.note)
            setattr(stop, _ATTRIBUTE, known)
        return known

    def _known(self, command: Command | None) -> Interruption | None:
        last = next((request for request in reversed(self.sent) if request.writes), None)
        if last is None:
            return None
        steps = tuple(self._steps())
        reference, advice = verb_reference(command), "make the same call again: its reference takes effect once"
        if isinstance(command, NewInvoice):
            reference, advice = command.reference, "make the bill again to continue from there, or call resolve()"
        what = f"the reference {reference!r}" if reference is not None else getattr(command, "id", "this call")
        outcome = _outcome(steps)
        state = "unknown" if outcome == "unknown" else f"incomplete ({outcome})"
        return Interruption(
            outcome,
            reference,
            getattr(command, "id", None),
            steps,
            f"invoice_bridge: stopped after {last.method} {last.path} was sent, so the outcome of "
            f"{what} is {state}: {'read the invoice' if reference is None else advice}",
        )

    def _steps(self) -> Iterator[Step]:
        for position, request in enumerate(self.sent):
            status = self.answered.get(position)
            yield Step(
                request.method, request.path, request.effects, _state(status), request.writes, status, request.key
            )


def _state(status: int | None) -> State:
    if status is None or status == 409 or status >= 500:  # a conflict can be with an earlier try of itself
        return "unknown"
    return "done" if status < 300 else "refused"


def _outcome(steps: Iterable[Step]) -> Outcome:
    """Return the outcome of the call. Only a success under the same key settles an earlier try with a lost answer."""
    states: dict[tuple[str, str, str | None], State] = {}
    for step in steps:
        mark = step.method, step.path, step.key
        if step.writes and not (step.state == "refused" and states.get(mark) == "unknown"):
            states[mark] = step.state
    if "unknown" in states.values():
        return "unknown"
    return "partly_done" if "done" in states.values() else "nothing_done"
