"""What a plan states of an import without walking it whole is what walking it whole gives."""

from collections.abc import Callable
from typing import Any

import pytest

from invoice_bridge import BridgeError, Money, Unsupported, providers
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.explain import make_context, outline
from invoice_bridge.migrate.operations import read_operation, write_operation
from invoice_bridge.migrate.outlines import Outline, Outlines
from invoice_bridge.testing.documents import documents
from invoice_bridge.testing.fault_cases import in_memory
from invoice_bridge.testing.import_variants import import_variants, leaves_with_import_variants

TARGETS = ("chargebee", "stripe", "whop")


def changed(value: Any, text: Callable[[str], str], times: int) -> Any:
    """A document's JSON with other texts, and every amount so many times."""
    if isinstance(value, dict):
        return {
            name: text(one)
            if name in {"reference", "number", "description"} and isinstance(one, str)
            else one * times
            if name == "minor" and isinstance(one, int)
            else changed(one, text, times)
            for name, one in value.items()
        }
    return [changed(one, text, times) for one in value] if isinstance(value, list) else value


def whole(command: ImportInvoice, context: Any) -> Outline | str:
    requests, losses, refusal = outline(command, context)
    if refusal is not None:
        return str(refusal)
    effects = sorted({effect.value for request in requests for effect in request.effects})
    return Outline(len(requests), tuple(effects), losses)


def known(outlines: Outlines, command: ImportInvoice) -> Outline | str:
    try:
        return outlines.of(command, write_operation(command))
    except BridgeError as refusal:
        return str(refusal)


@pytest.mark.parametrize("name", TARGETS)
def test_an_outline_is_that_of_the_whole_walk(name: str) -> None:
    """For each kind of document, and for others of its form: other texts, other amounts."""
    emulator = in_memory(name)
    context = make_context(providers.get(name), emulator.settings)
    outlines, seen = Outlines(context), 0
    commands = list(documents(emulator.customer))
    for leaf in sorted(leaves_with_import_variants()):
        commands += [command for one in commands[:1] for pair in import_variants(one, leaf) for command in pair]
    for command in commands:
        for text, times in ((str, 1), (lambda one: f"{one}-x", 7)):
            other = read_operation(changed(write_operation(command), text, times))
            assert known(outlines, other) == whole(other, context), other
            seen += 1
    assert seen > 100


def test_a_refusal_is_found_in_a_document_of_a_known_form() -> None:
    """An amount below the target's minimum, after one of the same form that is above it."""
    emulator = in_memory("stripe")
    outlines = Outlines(make_context(providers.get("stripe"), emulator.settings))
    paid = next(iter(documents(emulator.customer)))
    assert outlines.of(paid, write_operation(paid)).requests > 1
    fields = changed(write_operation(paid), str, 1)
    fields["total"]["minor"] = fields["payments"][0]["amount"]["minor"] = 20
    fields["lines"] = [{"description": "Energy", "amount": {"minor": 20, "currency": "EUR"}}]
    small = read_operation(fields)
    assert small.total == Money(20, "EUR")
    with pytest.raises(Unsupported, match="below-minimum"):
        outlines.of(small, write_operation(small))
