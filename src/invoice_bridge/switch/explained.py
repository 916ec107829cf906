"""What a candidate would make of a bill that another provider billed: its findings, and the report of a month.

Rules of this file: nothing is sent, and no journal is read for a plan: a candidate is asked as if each bill were new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from invoice_bridge import providers
from invoice_bridge.adapter.native import check_names
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import BridgeError, ConfigurationError
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice
from invoice_bridge.explain import Plan, plan
from invoice_bridge.journal.shadows import Finding, Kind, Noted

_RANK = {"changes_money": 0, "warns": 1, "info": 2}
_EXAMPLES = 3
_KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Row:
    """One finding of a report: how many bills have it, and the references of the first ones."""

    finding: Finding
    bills: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a candidate would have made of the bills of a month; `rows` begin with the gravest."""

    candidate: str
    month: str | None
    bills: int
    refused: int
    stopped: int
    """Bills that a loss would stop, unless it is allowed."""
    rows: tuple[Row, ...]
    differing: Mapping[str, int] = field(default_factory=dict)
    """How many bills have a finding of each kind that is neither information nor allowed."""

    @property
    def is_clean(self) -> bool:
        """Return whether bills were compared, and none of them is refused, stopped or billed differently."""
        return bool(self.bills) and not any(row.finding.is_grave for row in self.rows)

    def alerts(self, limits: Mapping[str, int] | None = None, at_least: int = 1) -> tuple[str, ...]:
        """List what calls for a person: kinds with more bills than their limit (0 if none is given), too few bills.

        Without arguments it is empty for a clean report alone. Raises ConfigurationError for an unknown kind, or a
        limit below 0.
        """
        allowed = check_limits(limits or {})
        if at_least < 1:
            raise ConfigurationError("at_least must be 1 or more: a month without bills has compared nothing")
        found = []
        if self.bills < at_least:
            found.append(f"{_bills(self.bills)} compared, fewer than {at_least}")
        for kind, bills in self.differing.items():
            if bills > allowed.get(kind, 0):
                limit = f", more than {allowed[kind]}" if allowed.get(kind) else ""
                found.append(f"{kind}: {_bills(bills)}{limit}")
        return tuple(found)


def check_limits(limits: Mapping[str, int]) -> Mapping[str, int]:
    """Return the limits of kinds of findings. Raises ConfigurationError for an unknown kind, or one below 0."""
    for kind, limit in limits.items():
        if kind not in _KINDS:
            raise ConfigurationError(f"there is no kind of finding {kind[:40]!r}: there are {', '.join(_KINDS)}")
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            raise ConfigurationError(f"the limit of {kind} must be a number of bills, 0 or more")
    return limits


def _bills(number: int) -> str:
    return "1 bill" if number == 1 else f"{number} bills"


def plan_of(client: Any, command: OneTimeCharge | PeriodInvoice) -> Plan:
    """Return the plan of a bill at a client, as if its reference were new and the journal complete."""
    translated = client._resolve_names(command)  # noqa: SLF001
    check_names(translated, client.provider, providers.names)
    return plan(translated, client._context.on(translated), lookup="journal")  # noqa: SLF001


def findings_of(
    main: Any, candidate: Any, command: OneTimeCharge | PeriodInvoice, invoice: Invoice
) -> tuple[Finding, ...]:
    """Compare what a bill became with what a candidate would make of it. Never raises: the bill is made."""
    try:
        return tuple(_findings(main, candidate, command, invoice))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about the candidate, and a finding
        return (Finding("failed", "warns", f"it could not be explained: {type(error).__name__}"),)


def _findings(main: Any, candidate: Any, command: OneTimeCharge | PeriodInvoice, invoice: Invoice) -> Iterable[Finding]:
    try:
        there = plan_of(candidate, command)
    except BridgeError as refusal:
        yield Finding("refused", "changes_money", str(refusal))
        return
    if there.refusal is not None:
        yield Finding("refused", "changes_money", str(there.refusal))
        return
    allowed = candidate.allowed(command)
    for loss in there.losses:
        text = f"{loss.why}; {loss.remedy}" if loss.remedy else loss.why
        is_allowed = loss.code in allowed or loss.severity is Severity.INFO
        yield Finding("loss", str(loss.severity), text, loss.code, loss.path, is_allowed)
    here = plan_of(main, command)
    if here.refusal is None and here.effects != there.effects:
        names = [", ".join(sorted(one.effects)) or "nothing" for one in (here, there)]
        yield Finding("effects", "warns", f"{main.provider}: {names[0]}; {candidate.provider}: {names[1]}")
    if command.total is None:
        accrued = isinstance(command, PeriodInvoice) and not command.lines
        why = "the provider rates it" if accrued else "the bill states no total"
        yield Finding("uncompared", "warns", f"its amount is not known before it is billed: {why}")
    elif invoice.total is None:
        yield Finding("uncompared", "warns", f"{main.provider} states no total yet")
    elif invoice.total != command.total:
        yield Finding(
            "total", "changes_money", f"{main.provider} billed another total than the bill states, which may be its tax"
        )


def month_of(command: OneTimeCharge | PeriodInvoice, invoice: Invoice, now: datetime) -> str:
    """Return the month that a bill is noted under: that of its period's start, else of the invoice, in UTC."""
    period = getattr(command, "period", None)
    at = invoice.issued_at or invoice.created_at or now if period is None else period.start
    return f"{at.astimezone(UTC):%Y-%m}"


def report_of(candidate: str, month: str | None, notes: Iterable[Noted]) -> Report:
    """Count the findings of notes, the gravest first."""
    listed = list(notes)
    groups: dict[Finding, list[str]] = {}
    for noted in listed:
        for finding in dict.fromkeys(noted.findings):
            groups.setdefault(finding, []).append(noted.reference)
    rows = sorted(
        (Row(finding, len(names), tuple(names[:_EXAMPLES])) for finding, names in groups.items()),
        key=lambda row: (row.finding.is_allowed, _RANK.get(row.finding.severity, 0), -row.bills, row.finding.code),
    )
    refused = sum(any(finding.kind == "refused" for finding in noted.findings) for noted in listed)
    stopped = sum(
        any(finding.kind == "loss" and not finding.is_allowed for finding in noted.findings) for noted in listed
    )
    kinds: Counter[str] = Counter()
    for noted in listed:
        kinds.update({one.kind for one in noted.findings if one.is_grave})
    differing = {kind: kinds[kind] for kind in (*_KINDS, *sorted(set(kinds) - set(_KINDS))) if kinds[kind]}
    return Report(candidate, month, len(listed), refused, stopped, tuple(rows), differing)
