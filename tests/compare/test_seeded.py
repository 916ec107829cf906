"""Seeded defects: differences of every kind, put into a corpus by a printed seed, are found completely and alone."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from invoice_bridge import Collection, CustomerRef, Invoice, Line, Money, Period, Status
from invoice_bridge.compare import Verdict, compare
from invoice_bridge.compare.kinds import OWN, SHAPES
from invoice_bridge.core.model import AMOUNTS
from tests.compare.bills import NOW, OTHER_IDENTITY, bill, eur

SEEDS = [int(os.environ["COMPARE_SEED"])] if "COMPARE_SEED" in os.environ else [1, 2, 3]
Change = dict[str, Any]
Defect = tuple[str, Verdict, Change]
"""The shape at which it must be found, as what, and the fields that differ."""


def base(chance: Random, place: int, *, quiet: bool = False) -> Invoice:
    """A random bill of up to six lines; it says everything, or a quiet one all but four things."""
    lines = tuple(
        Line(
            description=f"line {n} {chance.randrange(10**6)}",
            quantity=Decimal(chance.randrange(1, 9)),
            unit_amount=eur(chance.randrange(1, 9999)),
            amount=eur(chance.randrange(-999, 9999)),
            period=Period.month(2026, chance.randrange(1, 12)),
        )
        for n in range(chance.randrange(2, 7))
    )
    said = {name: eur(chance.randrange(10**6)) for name in AMOUNTS}
    made = bill(lines=lines, id=f"in_{place}", reference=f"res-{place}", **said)
    if not quiet:
        return made
    unsaid = chance.sample([name for name in AMOUNTS if name != "total"] + ["description", "collection", "period"], 4)
    return made.model_copy(update=dict.fromkeys(unsaid))


def twin(chance: Random, one: Invoice) -> Invoice:
    """The same bill at another provider: other identity, lines in another order, the same numbers spelled otherwise."""
    lines = [
        line if line.quantity is None else line.model_copy(update={"quantity": Decimal(f"{line.quantity:.2f}")})
        for line in one.lines
    ]
    return one.model_copy(update={**OTHER_IDENTITY, "lines": tuple(chance.sample(lines, len(lines)))})


# ── the defects ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _line(chance: Random, one: Invoice, **change: Any) -> Change:
    place = chance.randrange(len(one.lines))
    lines = [line.model_copy(update=change) if n == place else line for n, line in enumerate(one.lines)]
    return {"lines": tuple(lines)}


def _amount(name: str) -> Callable[[Random, Invoice], Defect]:
    def make(chance: Random, one: Invoice) -> Defect:
        there: Money = getattr(one, name)
        if chance.random() < 0.3:
            return name, Verdict.UNSAID, {name: None}
        return name, Verdict.DIFFERING, {name: there + eur(chance.choice([-1, 1, 100, -there.minor * 2 or 7]))}

    return make


def _said(shape: str, make: Callable[[Random, Invoice], Change]) -> Callable[[Random, Invoice], Defect]:
    return lambda chance, one: (shape, Verdict.DIFFERING, make(chance, one))


def _unsaid(shape: str, make: Callable[[Random, Invoice], Change]) -> Callable[[Random, Invoice], Defect]:
    return lambda chance, one: (shape, Verdict.UNSAID, make(chance, one))


SHIFT = timedelta(seconds=1)
ADA = CustomerRef(id="cb_9", email="a@example.test", name="Ada")
MAY = Period.month(2026, 5)
DEFECTS: Sequence[Callable[[Random, Invoice], Defect]] = [
    *map(_amount, AMOUNTS),
    _said("status", lambda chance, one: {"status": chance.choice([s for s in Status if s is not Status.OPEN])}),
    _said("payment_pending", lambda *_: {"payment_pending": True}),
    _said("due_at", lambda *_: {"due_at": NOW - SHIFT}),
    _said("description", lambda *_: {"description": "May "}),
    _unsaid("purchase_order", lambda *_: {"purchase_order": "PO-9"}),
    _said("metadata.order", lambda *_: {"metadata": {"order": "07", "shop": "north"}}),
    _said("metadata.shop", lambda *_: {"metadata": {"order": "7"}}),
    _said("metadata.new", lambda *_: {"metadata": {"order": "7", "shop": "north", "new": "1"}}),
    _said("customer.email", lambda *_: {"customer": CustomerRef(email="b@example.test", name="Ada")}),
    _said("customer.name", lambda *_: {"customer": CustomerRef(email="a@example.test", name="ada")}),
    _unsaid("customer.name", lambda *_: {"customer": CustomerRef(email="a@example.test")}),
    _said("customer.id", lambda *_: {"customer": ADA.model_copy(update={"ids": {"stripe": "cus_2"}})}),
    _said("period.start", lambda *_: {"period": Period(MAY.start - SHIFT, MAY.end)}),
    _said("period.end", lambda *_: {"period": Period(MAY.start, MAY.end + SHIFT)}),
    _said("collection.due", lambda *_: {"collection": Collection.send(due=NOW)}),
    _said("lines[].amount", lambda chance, one: _line(chance, one, amount=eur(chance.randrange(10**5, 10**6)))),
    _said("lines[].unit_amount", lambda chance, one: _line(chance, one, unit_amount=eur(10**6))),
    _said("lines[].description", lambda chance, one: _line(chance, one, description="another")),
    _said("lines[].quantity", lambda chance, one: _line(chance, one, quantity=Decimal("0.5"))),
    _said("lines[].period.start", lambda chance, one: _period(chance, one, start=True)),
    _said("lines[].period.end", lambda chance, one: _period(chance, one, start=False)),
    _unsaid("lines[].unit_amount", lambda chance, one: _line(chance, one, unit_amount=None)),
    _said("lines[]", lambda _, one: {"lines": one.lines[1:]}),
    _said("lines[]", lambda _, one: {"lines": (*one.lines, one.lines[0])}),
    _said("lines[]", lambda _, one: {"lines": (*one.lines, Line(amount=eur(0)))}),
]  # fmt: skip


def _period(chance: Random, one: Invoice, *, start: bool) -> Change:
    place = chance.randrange(len(one.lines))
    there = one.lines[place].period
    assert there is not None
    other = Period(there.start + SHIFT, there.end) if start else Period(there.start, there.end + SHIFT)
    line = one.lines[place].model_copy(update={"period": other})
    return {"lines": (*one.lines[:place], line, *one.lines[place + 1 :])}


def corpus(seed: int) -> tuple[list[Invoice], list[Invoice], dict[str, tuple[str, Verdict] | Verdict | None]]:
    """Two sides, and by reference what must be found there: a shape and its verdict, one side alone, or nothing."""
    chance = Random(seed)
    left, right = [], []
    expected: dict[str, tuple[str, Verdict] | Verdict | None] = {}
    plan = [None, *DEFECTS] * 12
    chance.shuffle(plan)
    for place, defect in enumerate(plan):
        one = base(chance, place, quiet=defect is None)
        shape, verdict, change = ("", Verdict.MATCHED, {}) if defect is None else defect(chance, one)
        changed = one.model_copy(update=change)
        rest = {name: value for name, value in change.items() if name != "lines"}
        other = twin(chance, changed).model_copy(update=rest)  # after what a twin changes by itself
        key = str(one.reference)
        expected[key] = None if defect is None else (shape, verdict)
        if chance.random() < 0.5:
            one, other = other, one
        alone = chance.random()
        left += [] if alone < 0.05 else [one]
        right += [] if alone > 0.95 else [other]
        if alone < 0.05 or alone > 0.95:
            expected[key] = Verdict.RIGHT_ONLY if alone < 0.05 else Verdict.LEFT_ONLY
    chance.shuffle(right)
    return left, right, expected


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seeded_defect_is_found_and_nothing_else(seed: int) -> None:
    """For every pair: the one path that was changed and no other; for untouched pairs: nothing at all."""
    print(f"seed {seed}: COMPARE_SEED={seed} runs it again")  # noqa: T201 - pytest shows it where it fails
    left, right, expected = corpus(seed)
    found = compare(left, right, as_of=NOW)
    told: dict[str, Any] = {}
    for row in found.rows:
        assert row.key is not None
        if row.verdict in {Verdict.LEFT_ONLY, Verdict.RIGHT_ONLY}:
            told[row.key] = row.verdict
            continue
        paths = {(one.shape, one.verdict) for one in row.differences}
        told[row.key] = next(iter(paths)) if len(paths) == 1 else paths or None
        differs = any(verdict is Verdict.DIFFERING for _, verdict in paths)
        assert row.verdict is (Verdict.DIFFERING if differs else Verdict.MATCHED)
    wrong = {key: (expected[key], told.get(key)) for key in expected if expected[key] != told.get(key)}
    assert wrong == {}
    assert told.keys() == expected.keys()


PARTS = ("taxes[]", "adjustments[]", "payments[]", "credit_notes[]", "lines[].product", "lines[].price")


def test_the_corpus_has_a_defect_of_every_kind() -> None:
    """Each path that can differ is changed somewhere, but for those that have a test of their own."""
    planted = {one[0] for seed in SEEDS for one in corpus(seed)[2].values() if isinstance(one, tuple)}
    elsewhere = {"currency", "amounts", "past_due", "reference", "metadata", "collection.kind", "collection.net_days"}
    elsewhere |= OWN | {shape for shape in SHAPES if shape.startswith(PARTS)}  # test_parts.py
    assert {"metadata" if shape.startswith("metadata.") else shape for shape in planted} >= set(SHAPES) - elsewhere


SINGLE: list[tuple[str, Change, Change]] = [
    ("reference", {}, {"reference": "res-2"}),
    ("collection.kind", {"collection": Collection.manual()}, {"collection": Collection.charge()}),
    (
        "collection.net_days",
        {"collection": Collection.send(net_days=14)},
        {"collection": Collection.send(net_days=30)},
    ),
]  # fmt: skip


@pytest.mark.parametrize("path, left, right", SINGLE, ids=lambda value: value if isinstance(value, str) else "")
def test_the_rest_of_the_paths(path: str, left: Change, right: Change) -> None:
    """What the corpus leaves out differs, too, and differs alone."""
    (row,) = compare(bill(**left), bill(**right), as_of=NOW).rows
    assert [(one.path, one.verdict) for one in row.differences] == [(path, Verdict.DIFFERING)]


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_pairs_give_no_false_alarm(seed: int) -> None:
    """A thousand untouched pairs, identity and order aside, are matched without a word."""
    chance = Random(seed)
    left = [base(chance, place, quiet=bool(place % 2)) for place in range(1000)]
    found = compare(left, [twin(chance, one) for one in chance.sample(left, len(left))], as_of=NOW)
    assert (found.counts[Verdict.MATCHED], found.unsaid, found.same) == (1000, 0, True)
