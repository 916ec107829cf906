"""The demo: every provider bills over real HTTP on this machine, and one table shows the results.

Rules of this file: every printed value was measured. Invoices come from the providers' answers, and "sent" counts the
requests. A step with another result than its `ends` makes the demo fail, and so does a missing refusal.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.text import Text

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.cli.exits import printable
from invoice_bridge.cli.output import columns, grid, money, period, print_parts
from invoice_bridge.cli.progress import counted
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import BridgeError, LossyTranslation, Unsupported
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Collection, Invoice, Line, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.emulator.server import Served, running

_APRIL, _MAY = Period.month(2026, 4), Period.month(2026, 5)
_DUE = datetime(2026, 11, 16, tzinfo=UTC)
_FEES = Money(1999, "EUR")
_WIDE = 116
_NEXT = (
    "  invoice-bridge explain examples/one-time-charge.json --provider all",
    "  invoice-bridge emulate",
    "  and README.md for the same in Python",
)
_TRIPS = (Line(description="412 trips in May", amount=Money(103000, "EUR")),)


@dataclass(frozen=True)
class Step:
    """One call: `call` gets the client and the invoice of the previous step, and `ends` is the expected result."""

    command: str
    call: Callable[[Client, Invoice | None], Invoice | int]
    ends: Status | type[BridgeError] | int


@dataclass(frozen=True)
class Row:
    """One line of the table; `note` explains a refusal."""

    provider: str
    command: str
    id: str = "–"
    native: str = ""
    status: str = ""
    total: str = ""
    remaining: str = ""
    period: str = ""
    sent: int = 0
    note: str = ""
    as_expected: bool = True


@dataclass
class Counter:
    """A counter of the requests sent."""

    sent: int = 0

    def __call__(self, _request: httpx.Request) -> None:
        self.sent += 1


# ── the steps of each provider ───────────────────────────────────────────────────────────────────────────────────────
def _charge(customer: str, **more: Any) -> OneTimeCharge:
    fields: dict[str, Any] = {
        "reference": "res-2026-05-17",
        "customer": customer,
        "amount": _FEES,
        "description": "Reservation fees",
        **more,
    }
    return OneTimeCharge(**fields)


def _period(customer: str, **more: Any) -> PeriodInvoice:
    fields: dict[str, Any] = {
        "reference": f"{customer}/2026-05",
        "customer": customer,
        "period": _MAY,
        "currency": "EUR",
        **more,
    }
    return PeriodInvoice(**fields)


def _create(bill: OneTimeCharge | PeriodInvoice, *allow: str) -> Callable[[Client, Invoice | None], Invoice]:
    return lambda client, _before: client.create(bill, allow=allow)


def _on(verb: str, **options: Any) -> Callable[[Client, Invoice | None], Invoice]:
    """Return a call of a verb on the invoice of the previous step."""

    def call(client: Client, before: Invoice | None) -> Invoice:
        if before is None:
            raise BridgeError("the previous step has no invoice")
        return getattr(client, verb)(before.id, **options)  # type: ignore[no-any-return]

    return call


def _count(client: Client, _before: Invoice | None) -> int:
    return sum(1 for _ in client.list())


def _chargeapi() -> Iterator[Step]:
    april = _charge("flt_42", period=_APRIL, draft=True)
    yield Step("one-time charge", _create(_charge("flt_42")), Unsupported)
    yield Step("one-time charge, April", _create(april), LossyTranslation)
    yield Step("… allow amount, draft", _create(april, "amount"), Status.DRAFT)
    yield Step("finalize", _on("finalize"), Status.OPEN)
    yield Step("pay", _on("pay"), Status.PAID)
    yield Step("period invoice, accrued", _create(_period("flt_42")), Status.OPEN)
    yield Step("void", _on("void"), Status.VOID)
    yield Step("list", _count, 2)


def _chargebee() -> Iterator[Step]:
    accrued = _period("cus_42", subscription="sub_42", tax="provider")
    ours = _period("cus_42", reference="cus_42/2026-05/trips", lines=_TRIPS)
    yield Step("one-time charge, draft", _create(_charge("cus_42", draft=True)), Status.DRAFT)
    yield Step("finalize", _on("finalize"), Status.OPEN)
    yield Step("pay", _on("pay", payment_method="pm_42"), Status.PAID)
    yield Step("period invoice, accrued", _create(accrued), LossyTranslation)
    yield Step("… allow collection", _create(accrued, "collection"), Status.PAID)
    yield Step("period invoice, lines", _create(ours), Status.OPEN)
    yield Step("void", _on("void"), Status.VOID)
    yield Step("list", _count, 3)


def _stripe() -> Iterator[Step]:
    yield Step("one-time charge, draft", _create(_charge("cus_42", draft=True)), Status.DRAFT)
    yield Step("finalize", _on("finalize"), Status.OPEN)
    yield Step("pay", _on("pay"), Status.PAID)
    yield Step("period invoice, lines", _create(_period("cus_42", lines=_TRIPS)), Status.OPEN)
    yield Step("void", _on("void"), Status.VOID)
    yield Step("list", _count, 2)


def _whop() -> Iterator[Step]:
    mailed = _period("mber_42", lines=_TRIPS, collection=Collection.send(due=_DUE))
    charged = _charge("mber_42", reference="res-2026-05-18", collection=Collection.charge("pmt_42"), issued_at=_DUE)
    yield Step("one-time charge", _create(_charge("mber_42")), Unsupported)
    yield Step("… as draft", _create(_charge("mber_42", draft=True)), Status.DRAFT)
    yield Step("finalize", _on("finalize"), Unsupported)
    yield Step("one-time charge, paid", _create(charged), LossyTranslation)
    yield Step("… allow tax", _create(charged, "tax"), Status.PAID)
    yield Step("period invoice, lines", _create(mailed), LossyTranslation)
    yield Step("… allow period", _create(mailed, "period"), Status.OPEN)
    yield Step("void", _on("void"), Status.VOID)
    yield Step("list", _count, 3)


_SETTINGS: dict[str, dict[str, Any]] = {"whop": {"account_id": "biz_42"}}  # in addition to the emulator's own
_SCENARIOS = {"chargeapi": _chargeapi, "chargebee": _chargebee, "stripe": _stripe, "whop": _whop}


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def demonstrate(*, as_json: bool) -> bool:
    """Run all steps of all providers and print the table; return whether every step ended as expected."""
    with (
        running(clock=FakeClock(step=timedelta(seconds=1)), names=_SCENARIOS) as served,
        tempfile.TemporaryDirectory() as folder,
    ):
        # one journal for each provider, because all of them bill the same references
        journals = {name: str(Path(folder) / f"{name}.sqlite") for name in _SCENARIOS}
        steps = (row for name in _SCENARIOS for row in _run(name, served, journals[name]))
        rows = list(counted(steps, "billing"))
    if as_json:
        write_json([asdict(row) for row in rows])
    else:
        _print(rows)
    return all(row.as_expected for row in rows)


def _run(name: str, served: Served, journal: str) -> Iterator[Row]:
    counter = Counter()
    title, emulator = providers.get(name).title, served.emulators[name]
    with (
        httpx.Client(event_hooks={"request": [counter]}, trust_env=False) as http,
        Client(
            name,
            api_key=emulator.key,
            base_url=served.base_urls[name],
            http=http,
            journal=journal,
            lookup="journal",
            **{**_SETTINGS.get(name, {}), **emulator.settings, **emulator.reference_settings},
        ) as client,
    ):
        before: Invoice | None = None
        for step in _SCENARIOS[name]():
            sent = counter.sent
            row, before = _take(step, client, before, Row(title, step.command))
            yield replace(row, sent=counter.sent - sent)


def _take(step: Step, client: Client, before: Invoice | None, row: Row) -> tuple[Row, Invoice | None]:
    try:
        result = step.call(client, before)
    except BridgeError as error:
        expected = type(error) is step.ends
        return replace(row, status="refused" if expected else "FAILED", note=_why(error), as_expected=expected), before
    if isinstance(result, int):
        as_expected = result == step.ends
        return replace(
            row, status=f"{result} invoices", note=_mismatch(step, as_expected), as_expected=as_expected
        ), before
    as_expected = result.status is step.ends
    filled = replace(
        row,
        id=result.id,
        native=result.native_status or "",
        status=result.status.value,
        total=money(result.total),
        remaining=money(result.amount_remaining),
        period=period(result.period) if result.period else "–",
        note=_mismatch(step, as_expected),
        as_expected=as_expected,
    )
    return filled, result


def _mismatch(step: Step, as_expected: bool) -> str:
    return "" if as_expected else f"this step should have ended as {step.ends}"


def _why(error: BridgeError) -> str:
    if isinstance(error, LossyTranslation):
        return "; ".join(f"{loss.why} [{loss.code}]" for loss in error.losses if loss.severity is not Severity.INFO)
    return str(error)


# ── printing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _print(rows: list[Row]) -> None:
    wide = columns(_WIDE) >= _WIDE
    names = ["command", "id", "theirs → ours", "total", "remaining", "period", "sent"]
    right = ("total", "remaining", "sent")
    table = grid("provider", *names, right=right) if wide else grid(*names, right=right, gap=1)
    notes: list[str] = []
    last = ""
    for row in rows:
        status = f"{row.native} → {row.status}" if row.native else row.status
        if row.note:
            notes.append(row.note)
            status += f" ({len(notes)})"
        if not wide and row.provider != last:
            table.add_row(Text(row.provider, style="bold"))
        lead = [row.provider if row.provider != last else ""] if wide else []
        cells = [row.command, printable(row.id), printable(status), row.total, row.remaining, row.period, str(row.sent)]
        table.add_row(*lead, *cells, style="" if row.as_expected else "bold red")
        last = row.provider
    explained = grid("", "")
    for number, note in enumerate(notes, 1):
        explained.add_row(f"({number})", printable(note))
    sent = sum(row.sent for row in rows)
    done = f"{sent} requests over HTTP on this machine; a refused command sent none. Next steps:"
    print_parts(table, "", explained, "", done, *_NEXT, width=_WIDE)
    if not all(row.as_expected for row in rows):
        print("invoice-bridge: the demo failed: see the lines with FAILED", file=sys.stderr)


__all__ = ["Row", "demonstrate"]
