"""What the steps of a move print under `--json`: previews, verifications and balances."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from invoice_bridge.cli.terminal import write_json

if TYPE_CHECKING:
    from invoice_bridge.core.balances import Balance
    from invoice_bridge.migrate.credits import Credits
    from invoice_bridge.migrate.migration import Migration
    from invoice_bridge.migrate.preview import Preview
    from invoice_bridge.migrate.totals import Group
    from invoice_bridge.migrate.verifying import Verification


def preview_json(made: Preview) -> dict[str, Any]:
    """Return a preview as JSON."""
    return {
        "plan": made.plan,
        "source": made.source,
        "target": made.target,
        "items": dict(sorted(made.counts.items())),
        "effects": dict(made.effects),
        "requests": made.requests,
        "requests_per_second": made.rate,
        "losses": [
            {"code": code, "items": items, "stops": code in made.stopping - made.allowed}
            for code, items in sorted(made.losses.items())
        ],
        "left_out": [
            {"state": state, "reason": reason, "items": items}
            for (state, reason), items in sorted(made.reasons.items())
        ],
        "control_totals": [_group(group) for group in made.groups],
        "closes": made.closes,
        "checks": list(made.checks),
    }


def write_planned(migration: Migration, number: int) -> None:
    """Print the preview of a new plan, with the customers that have no id at the target."""
    missing = [json.loads(one.model_dump_json()) for one in migration.missing_customers(number)]
    write_json(preview_json(migration.preview(number)) | {"missing_customers": missing})


def write_verified(found: Verification) -> None:
    """Print what was read back."""
    findings = [{"reference": one.reference, "kind": one.kind, "detail": one.detail} for one in found.findings]
    write_json(
        {
            "plan": found.plan,
            "ok": found.ok,
            "expected": found.expected,
            "verified": found.verified,
            "findings": findings,
        }
    )


def write_balances(found: Credits) -> None:
    """Print the balances that a person moves."""
    rows = [
        {
            "source": one.source,
            "target": one.target,
            "balance": _balance(one.balance),
            "at_target": None if one.at_target is None else [_balance(there) for there in one.at_target],
        }
        for one in found.found
    ]
    write_json({"is_clear": found.is_clear, "read": found.read, "balances": rows, "unread": dict(found.unread)})


def _balance(balance: Balance) -> dict[str, Any]:
    return {"kind": balance.kind, "amount": {"minor": balance.amount.minor, "currency": balance.amount.currency}}


def write_done(
    done: Counter[str] | dict[str, int], items: dict[Any, int] | None = None, plan: int | None = None
) -> None:
    """Print how many items came to which state, and what the plan has of each."""
    found: dict[str, Any] = {"done": dict(sorted(done.items()))}
    write_json(found if items is None else {"plan": plan, **found, "items": dict(sorted(items.items()))})


def _group(group: Group) -> dict[str, Any]:
    sides = {
        "source": group.source,
        "moved": group.moved,
        "skipped": group.skipped,
        "refused": group.refused,
        "for_a_person": group.person,
    }
    return {
        "month": group.month,
        "currency": group.currency,
        "status": group.status,
        **{name: {"documents": documents, "minor": minor} for name, (documents, minor) in sides.items()},
        "closes": group.difference == (0, 0),
    }
