"""The everyday bill at every provider: what is sent as it is, what a profile must allow, and what is refused.

Rules of this file: nothing is claimed here; every cell is what `explain` returns for the bill.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from invoice_bridge import providers
from invoice_bridge.core.bills import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Collection, CustomerRef, Discount, Line, Period, TaxRate
from invoice_bridge.core.money import Money
from invoice_bridge.explain import make_context, plan
from invoice_bridge.matrix import table

_ISSUED = datetime(2026, 11, 2, tzinfo=UTC)
_PERIOD = Period.month(2026, 10)
_LINES = (
    Line(description="Energy", amount=Money.parse("13.00", "EUR")),
    Line(description="Parking", quantity=2, unit_amount=Money.parse("6.00", "EUR")),
)
_PRICE = Money.parse("19.99", "EUR")


def _bill(**fields: Any) -> dict[str, Any]:
    """The fields that every bill of the table has: it is dated, and mailed with 14 days to pay."""
    return {
        "reference": "res-2026-10-17",
        "customer": CustomerRef(ids=dict.fromkeys(providers.names(), "cus_42")),
        "description": "Reservation fees",
        "issued_at": _ISSUED,
        "collection": Collection.send(net_days=14),
        **fields,
    }


def bills() -> dict[str, OneTimeCharge | PeriodInvoice]:
    """Return the fourteen everyday bills, by what each adds to a dated and mailed bill."""
    due, before = datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)
    text = "Reservation fees of the charging station at the northern entrance, floor 2, bay 14. " * 7
    return {
        "one line": OneTimeCharge(**_bill(amount=_PRICE)),
        "many lines": OneTimeCharge(**_bill(lines=_LINES)),
        "tax by the provider": OneTimeCharge(**_bill(amount=_PRICE, tax="provider")),
        "a tax rate of each line": OneTimeCharge(
            **_bill(
                lines=(
                    Line(description="Energy", amount=_PRICE, taxes=[TaxRate(name="VAT", rate=19)]),
                    Line(description="Water", amount=_PRICE, taxes=[TaxRate(name="VAT", rate=7)]),
                )
            )
        ),
        "a discount": OneTimeCharge(
            **_bill(lines=_LINES, discounts=(Discount(name="Spring", amount=Money.parse("5.00", "EUR")),))
        ),
        "a due date": OneTimeCharge(**_bill(amount=_PRICE, collection=Collection.send(due=due))),
        "a purchase order": OneTimeCharge(**_bill(amount=_PRICE, purchase_order="PO-7")),
        "a long text": OneTimeCharge(**_bill(lines=_LINES, description=text.strip())),
        "metadata": OneTimeCharge(**_bill(amount=_PRICE, metadata={"site": "7"})),
        "a stored payment method is charged": OneTimeCharge(
            **_bill(amount=_PRICE, collection=Collection.charge("pm_42"))
        ),
        "a draft": OneTimeCharge(**_bill(amount=_PRICE, draft=True)),
        "a period with lines": PeriodInvoice(
            **_bill(lines=_LINES, period=_PERIOD, currency="EUR", collection=Collection.send(due=due))
        ),
        "a currency without decimals": OneTimeCharge(**_bill(amount=Money.parse("1999", "JPY"))),
        "backdated": OneTimeCharge(**_bill(amount=_PRICE, issued_at=before)),
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a bill at a provider: `codes` are the losses that a profile must allow.

    `why` is the refusal with its remedy, or what the losses mean, one sentence each. `noted` are the codes of losses
    that stop nothing.
    """

    provider: str
    state: Literal["ok", "allowed", "refused"]
    codes: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()


def verdict(bill: OneTimeCharge | PeriodInvoice, provider: str, settings: dict[str, Any] | None = None) -> Verdict:
    """Return what `explain` finds of a bill at a provider; a journal keeps it from being made twice."""
    context = make_context(providers.get(provider), settings or {})
    planned = plan(bill, context, lookup="journal")
    if planned.refusal is not None:
        return Verdict(provider, "refused", why=(str(planned.refusal),))
    stopping = [loss for loss in planned.losses if loss.severity is not Severity.INFO]
    noted = tuple(dict.fromkeys(loss.code for loss in planned.losses if loss.severity is Severity.INFO))
    codes = tuple(dict.fromkeys(loss.code for loss in stopping))
    why = tuple(dict.fromkeys(f"`{loss.code}`: {loss.why}; {loss.remedy}" for loss in stopping))
    return Verdict(provider, "allowed" if codes else "ok", codes, why, noted)


def verdicts(names: Iterable[str] | None = None) -> dict[str, dict[str, Verdict]]:
    """Return everyday bill → provider → verdict, for all registered providers or those named.

    Each provider has the settings that give every bill a field for its reference.
    """
    chosen = tuple(providers.names() if names is None else names)
    emulators: dict[str, Any] = {name: providers.get(name).emulator for name in chosen}
    settings = {name: dict(emulator.reference_settings) for name, emulator in emulators.items()}
    return {title: {name: verdict(bill, name, settings[name]) for name in chosen} for title, bill in bills().items()}


def page() -> str:
    """The table, and the reason of every cell that is not ok."""
    names, rows = providers.names(), []
    notes: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for title, row in verdicts().items():
        cells = []
        for name in names:
            cell = row[name]
            if cell.state == "ok":
                cells.append("ok")
                continue
            mark = notes.setdefault((name, cell.state, cell.why), len(notes) + 1)
            cells.append(f"{'allow' if cell.state == 'allowed' else 'refused'} [{mark}]")
        rows.append([title, *cells])
    reasons = [
        [str(mark), providers.get(name).title, state, " ".join(why)] for (name, state, why), mark in notes.items()
    ]
    return "\n\n".join(
        [
            table(["the bill", *(providers.get(name).title for name in names)], rows),
            table(["", "provider", "", "why, and what to do"], reasons),
        ]
    )
