"""The rows that are asked about a command are all rows that may be about it, and few others."""

from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from invoice_bridge import Address, CustomerRef, Line, Money, OneTimeCharge, Period, providers
from invoice_bridge.adapter.limits import check_limits
from invoice_bridge.adapter.rows import check_refused, find_losses
from invoice_bridge.adapter.stated import RowsByField
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.values import Frozen
from invoice_bridge.explain import make_context
from tests import strategies

PROVIDERS = ("chargeapi", "chargebee", "stripe", "whop")


def _settings(provider: str) -> dict[str, Any]:
    return {"chargebee": {"site": "acme-test"}, "whop": {"account_id": "biz_1"}}.get(provider, {})


def _refusal(check: Any, *given: Any) -> str | None:
    try:
        check(*given)
    except Unsupported as refusal:
        return str(refusal)
    return None


@settings(max_examples=25)
@given(st.sampled_from(PROVIDERS), strategies.bills() | strategies.verbs)
def test_the_rows_of_stated_fields_give_what_all_rows_give(provider: str, command: Any) -> None:
    """Losses, refusals and limits of a command are those of the whole tables."""
    declared = providers.get(provider)
    context = make_context(declared, _settings(provider)).on(command)
    rows = [row for row in declared.rows_of(command) if command.verb in row.verbs]
    assert find_losses(rows, command, context) == find_losses(RowsByField(rows).about(command), command, context)
    assert _refusal(check_limits, declared.limits, command) == _refusal(
        check_limits, RowsByField(declared.limits).about(command), command
    )
    if hasattr(command, "lines"):
        chosen = RowsByField(rows).about(command)
        assert _refusal(check_refused, rows, command, context) == _refusal(check_refused, chosen, command, context)


@pytest.mark.parametrize(
    "stated,rows",
    [
        ({}, []),
        ({"customer": "c"}, ["customer.id"]),
        ({"customer": CustomerRef(id="c", address=Address(city="Orléans"))}, ["customer.id", "customer.address"]),
        ({"customer": CustomerRef(ids={"stripe": "cus_1"})}, ["customer.id"]),
        ({"metadata": {"k": "v"}}, ["metadata.key"]),
        ({"period": Period.month(2026, 5)}, ["period.start"]),
        ({"lines": [Line(amount=Money(1, "EUR")), Line(amount=Money(0, "EUR"), price="p")]}, ["lines[].price"]),
    ],
)
def test_a_row_of_a_blank_field_is_not_asked(stated: dict[str, Any], rows: list[str]) -> None:
    """Of the rows of a table only those of stated fields are asked, in their order, and what a bill computes."""
    command = OneTimeCharge(reference="r", amount=Money(1, "EUR"), **stated)
    paths = (
        "customer.id", "customer.address", "metadata.key", "period.start", "lines[].price", "lines[].taxes[]", "draft",
        "amount", "currency", "reason",
    )  # fmt: skip
    asked = [row.path for row in RowsByField([_Row(path) for path in paths]).about(command)]
    assert asked == [*rows, "amount", "currency"]


class _Row:
    def __init__(self, path: str) -> None:
        self.path = path


def _every_value() -> list[type[Frozen]]:
    found, pending = [], [Frozen]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.__module__.startswith("invoice_bridge."):
            found.append(kind)
    return found


def test_every_default_is_written_as_validation_returns_it() -> None:
    """A default that is not validated is none that validation would change: neither its value nor its type."""
    seen = 0
    for kind in _every_value():
        for name, field in kind.model_fields.items():
            if field.is_required():
                continue
            default = field.get_default(call_default_factory=True, validated_data={})
            hint: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            value = TypeAdapter[Any](hint).validate_python(default)
            assert value == default, f"{kind.__name__}.{name}"
            assert type(value) is type(default), f"{kind.__name__}.{name}"
            seen += 1
    assert seen > 100
