"""Plans that are made once: the checks of a provider explain the same commands again and again.

Rules of this file: pure. A plan is taken again only for a command of the same type that is equal and is also written
alike (`Decimal("2")` and `Decimal("2.0")` are equal, and may be sent differently), of the same declaration, in an equal
context. What is kept is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from pydantic_core import PydanticSerializationError

from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Command
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.explain import Plan, plan

_MOST_CONTEXTS: Final = 8
_MOST_PLANS: Final = 1_000
"""Of one context: more than the bills and the variants that one check compares."""

_Plans = OrderedDict[tuple[type[Command], str, Lookup], tuple[Command, Plan]]
_KNOWN: Final[list[tuple[Context, _Plans]]] = []
"""The contexts that were asked about, the latest first, each with its plans, the latest last."""


def planned(command: Command, context: Context, lookup: Lookup = "auto") -> Plan:
    """Explain a command as `explain.plan` does, or return the plan that was made of it before."""
    try:
        key = (type(command), command.model_dump_json(), lookup)
    except PydanticSerializationError:  # a native parameter may be any object
        return plan(command, context, lookup=lookup)
    plans = _plans_in(context)
    known = plans.get(key)
    if known is not None and known[0] == command:
        plans.move_to_end(key)
        return known[1]
    made = plan(command, context, lookup=lookup)
    plans[key] = (command, made)
    if len(plans) > _MOST_PLANS:
        plans.popitem(last=False)
    return made


def _plans_in(context: Context) -> _Plans:
    for place, (known, plans) in enumerate(_KNOWN):
        if known is context or (known.provider is context.provider and known == context):
            if place:
                _KNOWN.insert(0, _KNOWN.pop(place))
            return plans
    made: _Plans = OrderedDict()
    _KNOWN.insert(0, (context, made))
    del _KNOWN[_MOST_CONTEXTS:]
    return made
