"""What becomes of each field of a bill, as the rows say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import LEAVES, Bill, OneTimeCharge
from invoice_bridge.core.errors import (
    LossyTranslation,
    Unsupported,
)
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Line
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.explain import body_leaves, origin
from invoice_bridge.testing.conformance.base import Checks, plan_of
from invoice_bridge.testing.metamorphic import contradiction
from invoice_bridge.testing.variants import leaves_with_variants, variants


class TableChecks(Checks):
    """What becomes of each field of a bill, as the rows say."""

    @pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.verb)
    def test_every_leaf_has_a_row(self, declared: Provider, kind: type[Bill]) -> None:
        """Every field that a caller can set has a row."""
        spoken_of = {row.path for row in declared.fields if kind.verb in row.verbs}
        missing = [leaf for leaf in LEAVES[kind] if leaf not in spoken_of]
        assert not missing, f"add a row to FIELDS in the tables.py of {declared.name} for {', '.join(missing)}"

    def test_every_row_can_be_tested(self, declared: Provider) -> None:
        """Each row is about a leaf that bills have and that this suite can change; "" is a constant of the body."""
        unknown = sorted({row.path for row in declared.fields if row.path} - set(leaves_with_variants()))
        assert not unknown, f"no bill has {', '.join(unknown)}, or testing/variants.py lacks a variant for it"

    @pytest.mark.parametrize(
        "kind, leaf",
        [(kind, leaf) for kind, leaves in LEAVES.items() for leaf in leaves],
        ids=lambda v: getattr(v, "verb", v),
    )
    def test_a_row_tells_the_truth(self, context: Context, emulator: Emulator, kind: type[Bill], leaf: str) -> None:
        """Changing one leaf changes the body, the branch, or nothing, as its row says."""
        self.needs(context.provider, kind.verb)
        bills = [bill for bill in self.commands(emulator) if isinstance(bill, kind)]
        possible = [bill for bill in bills if plan_of(bill, context).refusal is None]
        if not possible:
            refusal = plan_of(bills[0], context).refusal
            pytest.skip(f"{context.provider.title} refuses every {kind.verb} of this suite: {refusal}")
        pairs = [pair for bill in possible for pair in variants(bill, leaf)]
        assert pairs, f"no bill can be made that differs in {leaf} alone: see _VARIANTS in testing/variants.py"
        wrong = [said for one, two in pairs if (said := contradiction(one, two, leaf, context)) is not None]
        assert not wrong, "\n".join(sorted(set(wrong)))
        refusals = [plan_of(two, context).refusal for _, two in pairs]
        if None not in refusals and all(plan_of(one, context).refusal is not None for one, _ in pairs):
            pytest.skip(f"{context.provider.title} refuses every value of {leaf}: {refusals[0]}")

    def test_every_field_of_a_body_has_an_origin(self, context: Context, emulator: Emulator) -> None:
        """Every value that is sent comes from a field of the command, or is a constant that a row explains."""
        shapes = {
            shape
            for _, made in self.possible(context, emulator)
            for request in made.requests
            for _, shape, _ in body_leaves(request.body or {})
        }
        assert shapes, "no request of any bill has a body"
        assert {shape for shape in shapes if origin(context.provider.fields, shape) is None} == set()

    def test_a_loss_stops_the_command_before_anything_is_sent(
        self, declared: Provider, client: Client, transport: EmulatorTransport, context: Context, emulator: Emulator
    ) -> None:
        """A loss of severity warns or changes_money raises LossyTranslation, unless it is allowed by name.

        Every row of such a loss applies to some bill that the provider supports.
        """
        grave_rows = [row for row in declared.fields if row.severity is not Severity.INFO and row.clock is None]
        if not grave_rows:
            pytest.skip(f"no row of {declared.title} is a loss that stops a command")
        met: set[str] = set()
        for code, bill in self.losing(context, emulator):
            grave = [loss.code for loss in plan_of(bill, context).losses if loss.severity is not Severity.INFO]
            with pytest.raises(LossyTranslation) as refused:
                client.create(bill)
            assert [loss.code for loss in refused.value.losses] == grave
            assert refused.value.outcome == "nothing_done"
            met.add(code)
        assert transport.sent == []
        assert [row.code for row in grave_rows if row.code not in met | self.losses_elsewhere] == []
        assert sorted(self.losses_elsewhere & met) == [], "these are met here: take them out of losses_elsewhere"

    def losing(self, context: Context, emulator: Emulator) -> Iterator[tuple[str, Any]]:
        """Return each severe loss of a bill, or of a bill with one leaf changed: its code and that bill."""
        bills = [bill for bill, _ in self.possible(context, emulator)]
        for row in context.provider.fields:
            if row.code and row.severity is not Severity.INFO and row.clock is None:
                # usually the row's own leaf has to be set, sometimes another one
                leaves = (row.path, *chain.from_iterable(LEAVES.values()))
                changed = (pair[1] for leaf in leaves for bill in bills for pair in variants(bill, leaf))
                losing = (bill for bill in chain(bills, changed) if row.loss(bill, context) is not None)
                if (
                    found := next((bill for bill in losing if plan_of(bill, context).refusal is None), None)
                ) is not None:
                    yield row.code, found

    def test_a_text_that_is_too_long_is_refused(self, declared: Provider, context: Context, emulator: Emulator) -> None:
        """A limit is checked before anything is sent: nothing is truncated, and no draft remains."""
        bill, _ = self.bill(context, emulator)
        limits = [limit for limit in declared.limits if limit.path in {"description", "purchase_order"}]
        if not limits:
            pytest.skip(f"{declared.title} declares no limit on a description or a purchase order")
        if isinstance(bill, OneTimeCharge) and bill.amount is not None:  # whose description may be that of its one line
            bill = bill.model_copy(update={"amount": None, "lines": (Line(amount=bill.amount),)})
        for limit in limits:
            for length, refused in ((limit.maximum, False), (limit.maximum + 1, True)):
                found = plan_of(bill.model_copy(update={limit.path: "x" * length}), context)
                told = isinstance(found.refusal, Unsupported) and limit.path in str(found.refusal)
                assert told is refused
