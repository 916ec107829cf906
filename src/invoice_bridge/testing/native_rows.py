"""Native rows cannot lie either: state one parameter, and see whether exactly that parameter joins its request.

Rules of this file: those of metamorphic.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from invoice_bridge.adapter.native import Native
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import (
    Bill,
    Command,
    Credit,
    Delete,
    Finalize,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    OneTimeCharge,
    Pay,
    PeriodInvoice,
    RecordPayment,
    Refund,
    SendInvoice,
    Update,
    Void,
)
from invoice_bridge.core.model import Collection, Line, Period
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Request
from invoice_bridge.explain import body_leaves
from invoice_bridge.testing.planned import planned

_MAY = Period.month(2026, 5)
_PRICE = Money(1200, "EUR")
_ID = "inv_42"


def commands_for(row: Native, customer: str, payment_method: str | None, subscription: str | None) -> Iterator[Command]:
    """Yield commands of the row's verbs, of many kinds; a provider refuses some."""
    verbs: dict[str, Command] = {
        "finalize": Finalize(id=_ID),
        "pay": Pay(id=_ID, payment_method=payment_method),
        "mark_paid": MarkPaid(id=_ID),
        "record_payment": RecordPayment(id=_ID, amount=_PRICE, at=_MAY.end, reference="wire-1", expect=_PRICE),
        "refund": Refund(id=_ID, amount=_PRICE, reference="refund-1", expect=Money.zero("EUR")),
        "credit": Credit(id=_ID, amount=_PRICE, reference="credit-1", expect=Money.zero("EUR")),
        "void": Void(id=_ID),
        "mark_uncollectible": MarkUncollectible(id=_ID),
        "update": Update(id=_ID, description="Changed"),
        "delete": Delete(id=_ID),
        "send_invoice": SendInvoice(id=_ID),
        "list": ListInvoices(),
    }
    yield from (command for verb, command in verbs.items() if verb in row.verbs)
    lines = (Line(description="Energy", amount=_PRICE), Line(description="Parking", amount=_PRICE))
    collections = (
        Collection.manual(),
        Collection.send(net_days=14),
        Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC)),
        Collection.charge(payment_method),
        Collection.charge(),
    )
    for draft in (False, True):
        for collection in collections:
            how: dict[str, Any] = {
                "customer": customer,
                "collection": collection,
                "draft": draft,
                "issued_at": _MAY.end,
                "tax": "provider",
                "reference": "ref-1",
            }
            bills: tuple[Bill, ...] = (
                OneTimeCharge(amount=_PRICE, **how),
                OneTimeCharge(lines=lines, period=_MAY, **how),
                PeriodInvoice(lines=lines, currency="EUR", period=_MAY, **how),
                PeriodInvoice(currency="EUR", period=_MAY, subscription=subscription, **how),
            )
            yield from (bill for bill in bills if bill.verb in row.verbs)


def stating(command: Command, row: Native, context: Context, sample: int) -> Command:
    """Return the command with one of the row's samples, and the first ones of what the row requires."""
    provider = context.provider
    native: dict[str, Any] = {}
    lines = len(getattr(command, "billed_lines", ())) if row.per_line else 1
    _put(native, row.path, row.kind.samples[sample], lines)
    for path in set(row.requires) - {row.path}:
        required = next(one for one in provider.natives.rows if one.path == path or one.path.startswith(f"{path}."))
        _put(native, required.path, required.kind.samples[0], lines)
    update: dict[str, Any] = {"native": {provider.name: native}}
    if row.money:
        update["expect_total"] = getattr(command, "total", None) or _PRICE
    return type(command).model_validate({**dict(command), **update})


def _put(native: dict[str, Any], path: str, value: Any, entries: int) -> None:
    """Put a value below the names of a path; a list of objects has so many entries, all alike."""
    first, _, rest = path.partition(".")
    if not rest:
        native[first] = value
    elif first.endswith("[]"):
        rows = native.setdefault(first.removesuffix("[]"), [{} for _ in range(entries)])
        for row in rows:
            _put(row, rest, value, 1)
    else:
        _put(native.setdefault(first, {}), rest, value, entries)


def row_contradiction(command: Command, row: Native, context: Context) -> str | None:
    """Say what the plans with and without a native parameter contradict in its row; None where nothing.

    Both expect a total where the parameter changes the amount: a provider may issue such a bill after the comparison.
    Where the command is refused without it, the plans with one value and another are compared.
    """
    expected = {"expect_total": getattr(command, "total", None) or _PRICE} if row.money else {}
    plain = planned(command.model_copy(update=expected), context, lookup="never")
    with_one, with_two = (planned(stating(command, row, context, sample), context, lookup="never") for sample in (0, 1))
    if plain.refusal is not None:
        plain = with_two
    for made in (with_one, with_two):
        if made.refusal is not None:
            return f"{row.path} is refused: {made.refusal}"
        if [_sent_to(request) for request in made.requests] != [_sent_to(request) for request in plain.requests]:
            return f"{row.path} changes which requests are made, or a key"
    one, two = _steps(with_one.requests), _steps(with_two.requests)
    none = _steps(plain.requests)
    if "list" in row.verbs:
        return None if one != none else f"{row.path} changes no request"
    joined = [place for place, (before, after) in enumerate(zip(none, one, strict=True)) if before != after]
    if len(joined) != 1:
        return f"{row.path} is to join one request, and changes {len(joined)}"
    request, before = with_one.requests[joined[0]], plain.requests[joined[0]]
    if request.effects != before.effects | row.effects:
        return f"{row.path} is to add {sorted(row.effects)}, and the effects are {sorted(request.effects)}"
    shapes = {shape for _, shape, _ in one[joined[0]] ^ none[joined[0]]}
    strange = {shape for shape in shapes if not _is_covered(shape, (row.path, *row.replaces, *row.requires))}
    if strange:
        return f"{row.path} changes {sorted(strange)} too"
    if one == two and with_two is not plain and row.kind.samples[0] != row.kind.samples[1]:
        return f"{row.path} is sent alike, whatever it is"
    origins = {where for name, _, where in with_one.origins(request) if _shape(name) == _leaf(row.path, shapes)}
    if origins != {"native"}:
        return f"explain states {sorted(origins)} as the origin of {row.path}"
    return None


def _is_covered(shape: str, paths: Iterable[str]) -> bool:
    return any(shape == path or shape.startswith((f"{path}.", f"{path}[]")) for path in paths)


def _leaf(path: str, shapes: Iterable[str]) -> str:
    return next(shape for shape in shapes if _is_covered(shape, (path,)))


def _shape(name: str) -> str:
    return re.sub(r"\[[0-9]+\]", "[]", name)


def _sent_to(request: Request) -> tuple[str, str, str | None]:
    return request.method, request.url.partition("?")[0], request.key if request.opens else None


def _steps(requests: Iterable[Request]) -> list[set[tuple[str, str, str]]]:
    return [
        {(name, shape, str(value)) for name, shape, value in body_leaves(request.body or {})}
        | {("query", "query", request.url.partition("?")[2])}
        for request in requests
    ]
