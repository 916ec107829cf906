"""The cause of each difference: a changed line explains the subtotal, the total and the amount due above it.

Rules of this file: a difference follows from others only if the arithmetic of an invoice proves it to the minor unit
(`Invoice.unbalanced` has the same arithmetic). A status never follows from an amount. A cause changes the order in
which differences are listed, never a verdict or a severity.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from invoice_bridge.compare.differences import Difference, Facts, Verdict
from invoice_bridge.compare.kinds import AMOUNT_PATHS

_Formula = tuple[tuple[str, int], ...]

_PARTS = (("discount", -1), ("tax", 1), ("adjustments[]", 1))
_NO_TAX = (("discount", -1), ("adjustments[]", 1))  # tax is inside the prices
FORMULAS: Mapping[str, tuple[_Formula, ...]] = MappingProxyType(
    {
        "subtotal": ((("lines[]", 1),),),
        "discount": ((("discounts[]", 1),),),
        "tax": ((("taxes[]", 1),),),
        "total": (
            (("subtotal", 1), *_PARTS),
            (("subtotal", 1), *_NO_TAX),
            (("lines[]", 1), *_PARTS),  # where a side states no subtotal
            (("lines[]", 1), *_NO_TAX),
        ),
        "amount_paid": ((("payments[]", 1),),),
        "amount_credited": ((("credit_notes[]", 1),),),
        "amount_due": ((("total", 1), ("amount_credited", -1)), (("total", 1),)),
        "amount_remaining": (
            (("amount_due", 1), ("amount_paid", -1)),
            (("amount_due", 1), ("amount_paid", -1), ("amount_credited", -1)),
            (("total", 1), ("amount_paid", -1), ("amount_credited", -1)),
        ),
    }
)
"""Amount → the sums that can explain its change, the first that fits wins; "lines[]" is the sum of all lines."""

_ITEM = re.compile(r"(\w+)\[\d+\](\.amount)?")
_LINE_AMOUNT = re.compile(r"lines\[(\d+)\]\.amount")


def by_cause(found: Sequence[Difference], left: Facts) -> list[Difference]:
    """Return the differences of a pair with `because` filled in, each one after its causes.

    `left` are the facts of the left invoice: what does not differ has its values.
    """
    because = dict(_because([one for one in found if one.verdict is Verdict.DIFFERING], left))
    return _in_order([replace(one, because=because.get(one.path, ())) for one in found])


def _because(found: Sequence[Difference], left: Facts) -> Iterator[tuple[str, tuple[str, ...]]]:
    differing = {one.path: one for one in found}  # a line of each side alone may have one path: see the terms
    terms = _terms(found)
    for path, one in differing.items():
        if "currency" in differing and path in AMOUNT_PATHS and _is_same_number(one):
            yield path, ("currency",)
        elif path in FORMULAS:
            yield from _explained(one, terms)
        elif match := _LINE_AMOUNT.fullmatch(path):
            yield from _multiplied(one, int(match[1]), differing, left)


def _terms(differing: Iterable[Difference]) -> dict[str, list[Difference]]:
    """Return the differing amounts by the name that they have in FORMULAS."""
    terms: dict[str, list[Difference]] = {}
    for one in differing:
        item = _ITEM.fullmatch(one.path)
        if item is None:
            terms.setdefault(one.path, []).append(one)
        elif item[1] != "payments" or _is_payment_made(one):
            terms.setdefault(f"{item[1]}[]", []).append(one)
    return terms


def _is_payment_made(one: Difference) -> bool:
    """Return whether it is an amount, or a payment on one side only that succeeded."""
    item = one.right if one.left is None else one.left
    return bool(item.get("state", "succeeded") == "succeeded")


def _is_same_number(one: Difference) -> bool:
    return isinstance(one.left, dict) and isinstance(one.right, dict) and one.left["minor"] == one.right["minor"]


def _explained(one: Difference, terms: Mapping[str, list[Difference]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Find the first sum of other changes that is this change."""
    change = one.change
    if change is None:
        return
    for formula in FORMULAS[one.path]:
        causes = [(cause, sign) for name, sign in formula for cause in terms.get(name, ())]
        changes = [None if cause.change is None else sign * cause.change[0] for cause, sign in causes]
        currencies = {cause.change[1] for cause, _ in causes if cause.change is not None}
        if currencies == {change[1]} and None not in changes and sum(filter(None, changes)) == change[0]:
            yield one.path, tuple(dict.fromkeys(cause.path for cause, _ in causes))
            return


def _multiplied(
    one: Difference, place: int, differing: Mapping[str, Difference], left: Facts
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Explain a line's amount by its quantity and unit amount, if both products are the stated amounts."""
    causes = [path for name in ("quantity", "unit_amount") if (path := f"lines[{place}].{name}") in differing]
    if not causes or place >= len(left["lines"]):
        return
    line = left["lines"][place]
    ours = _product(line.get("quantity"), line.get("unit_amount"))
    theirs = _product(
        *(
            differing[path].right if (path := f"lines[{place}].{name}") in differing else line.get(name)
            for name in ("quantity", "unit_amount")
        )
    )
    if ours is not None and theirs is not None and (ours, theirs) == (one.left["minor"], one.right["minor"]):
        yield one.path, tuple(causes)


def _product(quantity: Any, unit_amount: Any) -> Decimal | None:
    if quantity is None or unit_amount is None:
        return None
    return Decimal(quantity) * int(unit_amount["minor"])


def _in_order(found: list[Difference]) -> list[Difference]:
    """Return causes in their own order, each with what follows from it after it."""
    ordered: list[Difference] = []
    places = Counter(one.path for one in found)  # an item of each side alone: two at one path
    missing = {one.path: sum(places[path] for path in one.because) for one in found if one.because}
    effects: dict[str, list[Difference]] = {}
    for one in found:
        for path in one.because:
            effects.setdefault(path, []).append(one)

    def place(one: Difference) -> None:
        ordered.append(one)
        for effect in effects.get(one.path, ()):
            missing[effect.path] -= 1
            if not missing[effect.path]:
                place(effect)

    for one in found:
        if not one.because:
            place(one)
    return ordered
