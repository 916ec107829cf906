"""The transition of each verb: one table per provider, read by its flows, emulator, docs and the suite.

Rules of this file: a row states what the flow does, and its source states why. It names our statuses only, except in a
Doubt, where the provider's own words differ. Only verbs that change an existing invoice have a row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from invoice_bridge.core.commands import OnInvoice, Pay, Pdf, Retrieve
from invoice_bridge.core.model import Status
from invoice_bridge.core.wire import Effect

COMMANDS = {
    verb: command
    for command in OnInvoice.__subclasses__()
    if command not in {Retrieve, Pdf}
    for verb in ((command.verb, "pay_part") if command is Pay else (command.verb,))
}
"""verb → its command, for verbs that change an existing invoice"""
CHANGES = tuple(COMMANDS)
"""The verbs that change an existing invoice."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An open question of a row: whether the provider allows the verb for invoices with these native words.

    The flow sends the request. The emulator follows its switch of this name: on where the verb is allowed.
    """

    words: frozenset[str]
    switch: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What a verb does: the statuses in which the provider allows it, those it leads to, and the source.

    `becomes` is empty if the status stays. `effects` are those of the verb's own request. `undocumented`: statuses that
    the provider does not document; the request is sent, and a refusal counts as a refusal of the status. `anywhere`:
    the fields of the command that can be changed in every status.
    """

    allowed: frozenset[Status]
    becomes: frozenset[Status]
    effects: frozenset[Effect]
    source: str
    undocumented: frozenset[Status] = frozenset()
    anywhere: frozenset[str] = frozenset()
    doubts: tuple[Doubt, ...] = ()

    def is_sent(self, status: Status) -> bool:
        """Return whether a verb that reads the invoice first then sends its request."""
        return status in self.allowed or status in self.undocumented

    def is_allowed(self, status: Status, native: str, switches: Mapping[str, bool]) -> bool:
        """Return whether a provider with these `switches` allows it for an invoice with this native status."""
        return status in self.allowed and all(switches[row.switch] for row in self.doubts if native in row.words)

    def of_fields(self, fields: Collection[str]) -> Transition:
        """Return the row for a command that sets only these fields."""
        return replace(self, allowed=frozenset(Status)) if fields and self.anywhere.issuperset(fields) else self


def transition(
    *allowed: Status,
    source: str,
    becomes: Iterable[Status] = (),
    effects: Iterable[Effect] = (),
    undocumented: Iterable[Status] = (),
    anywhere: Iterable[str] = (),
    doubts: Iterable[Doubt] = (),
) -> Transition:
    """Make one row: the statuses in which the verb is allowed, then what it changes."""
    return Transition(
        allowed=frozenset(allowed),
        becomes=frozenset(becomes),
        effects=frozenset(effects),
        source=source,
        undocumented=frozenset(undocumented),
        anywhere=frozenset(anywhere),
        doubts=tuple(doubts),
    )


def doubt(*words: str, switch: str, why: str) -> Doubt:
    """Make a doubt about these native words."""
    return Doubt(frozenset(words), switch, why)


class Transitions(Mapping[str, Transition]):
    """A provider's table: verb → row. Raises ValueError that names an impossible row."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Mapping[str, Transition]) -> None:
        for verb, row in rows.items():
            if problem := _problem(verb, row):
                raise ValueError(f"the transition {verb!r} {problem}")
        self._rows = dict(rows)

    def __getitem__(self, verb: str) -> Transition:
        return self._rows[verb]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _problem(verb: str, row: Transition) -> str | None:
    statuses = row.allowed | row.becomes | row.undocumented
    if verb not in CHANGES:
        return f"is none of {', '.join(CHANGES)}"
    if not row.allowed:
        return "is allowed in no status: declare it with cannot(…)"
    if unknown := sorted(str(status) for status in statuses if not isinstance(status, Status)):
        return f"has statuses that we do not know: {', '.join(unknown)}"
    if Status.UNKNOWN in row.becomes:
        return "cannot lead to an unknown status"
    if both := sorted(row.allowed & row.undocumented):
        return f"has {', '.join(both)} both allowed and undocumented"
    if not row.source.strip():
        return "has no source"
    if any(not (row.words and row.switch and row.why) for row in row.doubts):
        return "has a doubt without native words, a switch or a reason"
    return None
