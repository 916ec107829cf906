"""The seeded cases of the campaign: a bill, an account, a caller's setup, and what goes wrong at which request."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.independent.calls import IN_MAY
from tests.independent.server import Fault

PROVIDERS = ("chargeapi", "chargebee", "stripe", "whop")
SECONDS, HALF_HOUR, DAY, YEAR = 20.0, 31 * 60.0, 25 * 3600.0, 366 * 86400.0
PAUSES = (0.0, 0.0, SECONDS, 200.0, 400.0, HALF_HOUR, DAY, YEAR)
WRITES_ONLY = ("late", "failed_after")
KINDS = (
    *("reset_before", "reset_after", "reset_after", "late", "late", "throttled", "failed_before", "failed_after"),
    *("html_before", "html_after", "torn", "repeated", "twice"),
)


@dataclass(frozen=True)
class Step:
    """One thing that the caller does, `pause` seconds after the last.

    `action`: create, resolve, or a verb on the invoice that was made. `raises`: the attempt is raised by one.
    `elsewhere`: at the other provider. `host`: which of two hosts. `killed`: in a process that may be killed.
    """

    action: str
    pause: float = 0.0
    raises: bool = False
    elsewhere: bool = False
    host: int = 0
    killed: bool = False
    faults: tuple[tuple[int, Fault], ...] = ()


@dataclass(frozen=True)
class Case:
    """Everything that one case is made of; equal seeds give equal cases."""

    name: str
    provider: str
    bill: dict[str, Any]
    switches: dict[str, Any]
    lookup: str
    journal: str
    steps: tuple[Step, ...]
    other: str | None = None
    since: bool = False
    keeps_client: bool = False
    allows_money: bool = False
    listing_lag: float = 0.0
    forgets_keys: bool = False
    notes: tuple[str, ...] = field(default=())


def case(provider: str, seed: int, number: int, *, control: bool = False, kills: float = 0.15) -> Case:
    """Make a case. `kills`: the share whose first caller is killed."""
    chance = Random(f"{seed}/{provider}/{number}/{control}")
    bill = _bill(provider, chance, number)
    journal = chance.choice(("none", "none", "one", "one", "one", "per_host", "lost", "later"))
    complete = journal == "one"
    lookup = chance.choice(("auto", "auto", "auto", "always", "journal" if complete else "auto"))
    other = None
    if complete and chance.random() < 0.2 and bill["kind"] != "accrued":
        other = chance.choice([each for each in PROVIDERS if each not in {provider, "chargeapi"}])
    killed = chance.random() < kills
    lag = chance.choice((0.0, 0.0, 0.0, 0.0, 20.0, 60.0))
    if control:
        journal, lookup, other, killed = "none", "never", None, False
    return Case(
        name=f"{provider}/{number}",
        provider=provider,
        bill=bill,
        switches=_switches(provider, chance, bill),
        lookup=lookup,
        journal=journal,
        steps=_steps(chance, bill, other, killed=killed, control=control, raises=not lag or journal == "one"),
        other=other,
        since=provider == "whop" or other == "whop",
        keeps_client=not killed and chance.random() < 0.5,
        allows_money=chance.random() < 0.7,
        listing_lag=lag,
        forgets_keys=control,
    )


def _bill(provider: str, chance: Random, number: int) -> dict[str, Any]:
    kinds = {"chargeapi": ("one_time", "accrued"), "whop": ("one_time", "period")}
    kind = chance.choice(kinds.get(provider, ("one_time", "one_time", "period", "accrued")))
    return {
        "kind": kind,
        "collection": chance.choice(("manual", "send", "charge", "charge")),
        "draft": chance.random() < 0.15,
        "tax": "provider" if chance.random() < 0.15 else "none",
        "reference": f"bill {number}/2026-05",
        "amount": chance.choice((1999, 2500, 100, 999_999)),
        "payment_method": "pm_declined" if chance.random() < 0.1 else "pm_1",
    }


def _switches(provider: str, chance: Random, bill: dict[str, Any]) -> dict[str, Any]:
    amount, at = bill["amount"], IN_MAY
    pile = [(amount - amount // 3, "Energy"), (amount // 3, "Fees")]
    made: dict[str, Any] = {"declines": ("pm_declined",)}
    if chance.random() < 0.25:
        made["tax"] = 20
    if provider == "chargeapi":
        made["transactions"] = [("cus_1", at + place, each, text) for place, (each, text) in enumerate(pile)]
        made |= {"keeps_failures": chance.random() < 0.5, "overdue": chance.random() < 0.5}
        made |= {"state_status": chance.choice((400, 409)), "collects": "tax" not in made and chance.random() < 0.15}
    elif provider == "chargebee":
        made |= {"keeps_failures": chance.random() < 0.5, "renumbers": chance.random() < 0.5}
        made |= {"credits": chance.choice((0, 0, 0, 300))}
        made["unbilled"] = [("sub_1", at + place, each, text) for place, (each, text) in enumerate(pile)]
        made["po_numbers"] = {"sub_1": "PO-7"} if chance.random() < 0.5 else {}
    elif provider == "stripe":
        made |= {"balance": chance.choice((0, 0, 0, 5000, -300)), "discount": chance.choice((0, 0, 10))}
        made |= {"search_lag": chance.choice((5.0, 50.0, 3600.0)), "no_search": chance.random() < 0.1}
        made["running_type"] = chance.choice(("invalid_request_error", "idempotency_error"))
        made["item_tax"] = 20 if bill["kind"] == "accrued" and chance.random() < 0.2 else 0
        made["items"] = [(at + place, each, text) for place, (each, text) in enumerate(pile)]
    return made


def _faults(chance: Random, *, killed: bool = False, share: float = 0.85) -> tuple[tuple[int, Fault], ...]:
    """Faults by the number of the request within its call; a storm hits several requests in a row."""
    if killed:
        return ((chance.randrange(8), Fault(chance.choice(("killed_before", "killed_after")))),)
    if chance.random() > share:
        return ()
    made: dict[int, Fault] = {}
    for _ in range(chance.choice((1, 1, 1, 2))):
        begin, length = chance.randrange(8), chance.choice((1, 1, 2, 3, 5))
        kind = chance.choice(KINDS)
        for place in range(begin, begin + length):
            made[place] = _fault(chance, kind)
            if kind in {"late", "failed_after", "reset_after"} and length > 1:
                kind = chance.choice(("reset_before", "throttled", "failed_before", "html_before", "none"))
    return tuple(sorted(made.items()))


def _fault(chance: Random, kind: str) -> Fault:
    if kind == "late":
        return Fault(kind, chance.choice((2.0, 30.0, 120.0, 280.0)))
    if kind == "throttled":
        return Fault(kind, chance.choice((0.0, 1.0, 30.0, 90.0)))
    return Fault(kind)


def _steps(
    chance: Random, bill: dict[str, Any], other: str | None, *, killed: bool, control: bool, raises: bool
) -> tuple[Step, ...]:
    """What the caller does: a first try, then up to three more things, and at last the same bill once more.

    `raises`: whether the attempt may be raised for no reason. Behind a listing that lags, and without one journal, that
    bills twice by the caller's own word: the new attempt has another key, and nothing shows the first one yet.
    """
    steps = [Step("create", killed=killed, faults=_faults(chance, killed=killed))]
    if control:
        lie = (chance.randrange(5), Fault(chance.choice(("lie", "late")), 4000.0))
        steps = [Step("create", faults=(lie,) if chance.random() < 0.5 else steps[0].faults)]
    verbs = ["pay", "void", "send_invoice"] if not bill["draft"] else ["delete", "finalize"]
    for _ in range(chance.choice((0, 1, 1, 2, 2, 3))):
        action = chance.choice(("create", "create", "create", "resolve", "resolve", chance.choice(verbs)))
        kill = not control and chance.random() < 0.05
        steps.append(
            Step(
                action,
                pause=chance.choice(PAUSES),
                raises=raises and action == "create" and chance.random() < 0.3 and not control,
                elsewhere=other is not None and action == "create" and chance.random() < 0.6,
                host=chance.randrange(2),
                killed=kill,
                faults=_faults(chance, killed=kill, share=0.4),
            )
        )
    steps.append(Step("create", pause=chance.choice(PAUSES), host=chance.randrange(2)))
    return tuple(steps)
