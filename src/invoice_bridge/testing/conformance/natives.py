"""Native parameters: each row joins its request, and a changed amount needs the caller's consent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

import pytest

from invoice_bridge.adapter.native import Native
from invoice_bridge.adapter.native_losses import loss_code
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import Bill, Command, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    LossyTranslation,
    NotFound,
    ProviderError,
    Unsupported,
)
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.engine.allow import ALL
from invoice_bridge.testing.conformance.base import Checks
from invoice_bridge.testing.native_rows import commands_for, row_contradiction, stating
from invoice_bridge.testing.planned import planned

_ENOUGH = 6
"""The number of commands that are compared with and without a parameter."""


class NativeChecks(Checks):
    """The native parameters that an adapter declares."""

    natives_elsewhere: ClassVar[frozenset[str]] = frozenset()
    """Paths of native rows that only other settings than the emulator's reach: cover each by your own test."""

    def carrying(self, row: Native, context: Context, emulator: Emulator) -> Iterator[Command]:
        """Return the commands that can carry a parameter and that the provider supports."""
        for command in commands_for(row, emulator.customer, emulator.payment_method, emulator.subscription):
            if row.when(command, context):
                whole = planned(stating(command, row, context, 0), context, lookup="never")
                if whole.refusal is None:
                    yield command

    def rows(self, declared: Provider) -> list[Native]:
        """Return the rows that the emulator's settings reach."""
        rows = [row for row in declared.natives.rows if row.path not in self.natives_elsewhere]
        if not rows:
            pytest.skip(f"{declared.title} declares no native parameters")
        return rows

    def test_a_native_row_tells_the_truth(self, declared: Provider, context: Context, emulator: Emulator) -> None:
        """A parameter joins one request, as its row states, and changes nothing else: no other request, no key."""
        wrong, unreached = [], []
        for row in self.rows(declared):
            commands = list(islice(self.carrying(row, context, emulator), _ENOUGH))
            if not commands:
                unreached.append(f"{row.path} of {' and '.join(row.verbs)}")
            wrong += [
                problem for command in commands if (problem := row_contradiction(command, row, context)) is not None
            ]
        assert sorted(set(wrong)) == []
        assert unreached == [], "no command carries these: see `when`, or name them in natives_elsewhere"

    def test_a_native_row_has_a_source(self, declared: Provider) -> None:
        """Each row and each refusal names where the provider documents it, and each path is declared once."""
        rows = self.rows(declared)
        assert [row.path for row in rows if not row.source] == []
        assert [row.path for row in declared.natives.refused if not (row.source and row.why)] == []
        for row in rows:
            parents = {path.rpartition(".")[0] for path in row.replaces}
            own = row.path.split("[]", maxsplit=1)[0].rpartition(".")[0] if "[]" in row.path else None
            assert parents <= {row.path.rpartition(".")[0], own}, f"{row.path} replaces what is not beside it"
            assert not row.money or "one_time_charge" in row.verbs, f"{row.path}: a verb states no expect_total"
        codes = [loss_code(self.provider, path) for path in {row.path for row in declared.natives.rows if row.money}]
        assert len(codes) == len(set(codes))

    def test_a_wrong_native_value_is_refused_before_anything_is_sent(
        self, declared: Provider, context: Context, emulator: Emulator, client: Client, transport: EmulatorTransport
    ) -> None:
        """A value of another kind, and a name outside the table, raise an error that names the fault."""
        for row in self.rows(declared):
            command = next(self.carrying(row, context, emulator))
            bad = planned(stating(command, row, context, 2), context, lookup="never")
            assert isinstance(bad.refusal, ConfigurationError), row.path
            assert row.path.rpartition(".")[2] in str(bad.refusal)
            assert bad.requests == ()
            name = row.path.split("[", maxsplit=1)[0].split(".")[0] + "x"
            unknown = command.model_copy(update={"native": {self.provider: {name: "one"}}})
            refusal = planned(unknown, context, lookup="never").refusal
            assert isinstance(refusal, ConfigurationError | Unsupported), name
            if isinstance(unknown, OneTimeCharge | PeriodInvoice):
                with pytest.raises((ConfigurationError, Unsupported)):
                    client.create(unknown, allow=ALL)
        assert transport.sent == []

    def test_what_changes_the_amount_is_named(
        self, declared: Provider, context: Context, emulator: Emulator, client: Client, transport: EmulatorTransport
    ) -> None:
        """Such a parameter needs expect_total, and its loss is accepted only by name, never with all others."""
        money = [row for row in self.rows(declared) if row.money]
        if not money:
            pytest.skip(f"no native parameter of {declared.title} changes the amount")
        for row in money:
            command = next(self.carrying(row, context, emulator))
            assert isinstance(command, OneTimeCharge | PeriodInvoice)
            whole = stating(command, row, context, 0)
            assert isinstance(whole, OneTimeCharge | PeriodInvoice)
            blind = whole.model_copy(update={"expect_total": None})
            assert isinstance(planned(blind, context, lookup="never").refusal, Unsupported)
            code = loss_code(self.provider, row.path)
            others = [loss.code for loss in planned(whole, context, lookup="never").losses if loss.code != code]
            for allow in ([*others, "native"], [*others, "lines"]):
                with pytest.raises(LossyTranslation) as refused:
                    client.create(whole, allow=allow)
                assert code in {loss.code for loss in refused.value.losses}
            with pytest.raises(LossyTranslation):
                client.create(whole, allow=ALL)
        assert transport.sent == []

    def test_a_native_parameter_reaches_the_emulator(
        self, declared: Provider, context: Context, emulator: Emulator
    ) -> None:
        """The emulator knows each parameter of a bill: it may refuse the value, but never the name."""
        for row in self.rows(declared):
            commands = [one for one in self.carrying(row, context, emulator) if isinstance(one, Bill)]
            for command in commands[:1]:
                whole = stating(command, row, context, 0)
                assert isinstance(whole, OneTimeCharge | PeriodInvoice)
                fresh: Emulator = declared.emulator()
                with self.meeting(fresh, context, lookup="never") as (client, _):
                    refusal = ""
                    try:
                        client.create(
                            whole, allow=[loss.code for loss in planned(whole, context, lookup="never").losses]
                        )
                    except ProviderError as refused:
                        refusal = str(refused).casefold()
                    except BridgeError:
                        pass  # the emulator has nothing to bill for it, or computes another total
                    assert "unknown" not in refusal, row.path
                    assert "does not build" not in refusal, row.path

    def test_the_emulator_ignores_no_parameter_that_changes_the_amount(
        self, declared: Provider, context: Context, emulator: Emulator
    ) -> None:
        """What it does not compute it refuses: an amount that leaves the parameter out would be made up."""
        money = [row for row in self.rows(declared) if row.money]
        assert {row.path for row in declared.natives.rows if row.money} >= emulator.COMPUTES
        left = [row for row in money if row.path not in emulator.COMPUTES]
        if not left:
            pytest.skip(f"the emulator of {declared.title} computes every parameter that changes the amount")
        for row in left:
            whole = stating(next(self.carrying(row, context, emulator)), row, context, 0)
            assert isinstance(whole, OneTimeCharge | PeriodInvoice)
            fresh: Emulator = declared.emulator()
            with self.meeting(fresh, context, lookup="never") as (client, _):
                with pytest.raises(ProviderError) as refused:
                    client.create(whole, allow=[loss.code for loss in planned(whole, context, lookup="never").losses])
                assert not isinstance(refused.value, NotFound), row.path
            assert not fresh.ledger, row.path
