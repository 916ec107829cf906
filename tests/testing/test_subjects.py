"""A check of the suite that has nothing to check is a skip with the provider's reason, or a failure."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot, cannot
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.explain import make_context
from invoice_bridge.testing import Conformance
from invoice_bridge.testing.conformance import WRITING
from invoice_bridge.testing.variants import _VARIANTS


class _Suite(Conformance):
    __test__ = False
    provider = "stripe"


def _parts(declared: Provider) -> dict[str, Any]:
    emulator = declared.emulator()
    return {"declared": declared, "emulator": emulator, "context": make_context(declared, emulator.settings)}


NO = cannot("there is no such request", source="docs.acme.test/none")
REASON = r"Stripe cannot {}: there is no such request \(docs\.acme\.test/none\)"


def _refusing(*verbs: str) -> Provider:
    stripe = providers.get("stripe")
    return replace(stripe, flows=replace(stripe.flows, **dict.fromkeys(verbs, NO)))


@pytest.mark.parametrize("verb", WRITING)
@pytest.mark.parametrize("check", ["test_every_built_verb_works", "test_a_lost_answer_of_a_verb_ends_in_the_truth"])
def test_defect_63_a_verb_that_cannot_be_done_is_a_skip(check: str, verb: str, request: Any) -> None:
    """Defect 63: each check of a verb that the provider cannot do is skipped, naming the verb and the reason."""
    declared = _refusing(verb)
    more = {"request": request} if check == "test_every_built_verb_works" else {"context": None, "kind": None}
    with pytest.raises(pytest.skip.Exception, match=REASON.format(verb)):
        getattr(_Suite(), check)(declared=declared, verb=verb, **({"context": None} | more))


@pytest.mark.parametrize(
    "check,verb,arguments",
    [
        ("test_states_are_respected", "void", ("declared", "client", "context", "emulator")),
        ("test_a_draft_is_never_collected", "pay", ("declared", "client", "context", "emulator")),
        ("test_a_listing_gives_every_invoice_once", "list", ("client", "context", "emulator")),
    ],
)
def test_defect_63_checks_of_states_are_skips(check: str, verb: str, arguments: tuple[str, ...]) -> None:
    """Defect 63: what needs a void, a payment or a listing is skipped where there is none."""
    parts = {"client": None} | _parts(_refusing(verb))
    with pytest.raises(pytest.skip.Exception, match=REASON.format(verb)):
        getattr(_Suite(), check)(**{name: parts[name] for name in arguments})


@pytest.mark.parametrize(
    "check,change,reason,arguments",
    [
        ("test_a_text_that_is_too_long_is_refused", {"limits": ()}, "declares no limit",
         ("declared", "context", "emulator")),
        ("test_loss_codes_are_unique_and_speak", {"fields": ()}, "no row of Stripe is a loss", ("declared",)),
        ("test_vectors", {}, "_Suite states no vectors", ("context",)),
        ("test_verbs_that_the_provider_cannot_do_send_nothing", {}, "Stripe can do every verb",
         ("declared", "client", "transport")),
    ],
)  # fmt: skip
def test_defect_63_empty_tables_are_skips(
    check: str, change: dict[str, Any], reason: str, arguments: tuple[str, ...]
) -> None:
    """Defect 63: a table without rows, or a suite without vectors, is a skip that says so."""
    parts = {"client": None, "transport": None} | _parts(replace(providers.get("stripe"), **change))
    with pytest.raises(pytest.skip.Exception, match=reason):
        getattr(_Suite(), check)(**{name: parts[name] for name in arguments})


def test_defect_63_no_statuses_is_a_failure() -> None:
    """Defect 63: a provider without a table of statuses fails: it should have had one."""
    with pytest.raises(AssertionError, match="the table of statuses is empty"):
        _Suite().test_statuses_are_told_apart(replace(providers.get("stripe"), statuses=()))


def test_defect_63_a_leaf_without_a_variant_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 63: a leaf of which no two bills can be made is a failure, not a silent pass."""
    from invoice_bridge import OneTimeCharge

    monkeypatch.delitem(_VARIANTS, "description")
    parts = _parts(providers.get("stripe"))
    with pytest.raises(AssertionError, match="no bill can be made that differs in description alone"):
        _Suite().test_a_row_tells_the_truth(parts["context"], parts["emulator"], OneTimeCharge, "description")


def test_defect_63_a_verb_that_nothing_can_be_done_to_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 63: where no bill of the suite brings an invoice that a built verb can be done to, the check fails."""
    never: Callable[..., bool] = lambda *_: False  # noqa: E731
    monkeypatch.setattr(_Suite, "did", never)
    parts = _parts(providers.get("stripe"))
    with pytest.raises(pytest.fail.Exception, match="no bill of this suite"):
        _Suite().test_a_lost_answer_of_a_verb_ends_in_the_truth(parts["declared"], parts["context"], "void", None)  # type: ignore[arg-type]


def test_a_draft_that_no_bill_makes_is_tried_as_well() -> None:
    """After the invoices of the bills, each with an emulator of its own, comes the draft that the emulator adds."""
    stripe = providers.get("stripe")
    parts = _parts(stripe)
    plain = list(_Suite().subjects(stripe, parts["context"]))

    def adding(**options: Any) -> Any:
        emulator = stripe.emulator(**options)
        emulator.add_draft = lambda: "in_draft"
        return emulator

    class Reads:
        def retrieve(self, invoice_id: str) -> str:
            return f"read {invoice_id}"

    *bills, (bill, emulator, read) = _Suite().subjects(replace(stripe, emulator=adding), parts["context"])
    assert [bill for bill, _, _ in bills] == [bill for bill, _, _ in plain]
    assert len({id(each) for _, each, _ in (*bills, (bill, emulator, read))}) == len(bills) + 1
    assert (bill.reference, read(Reads())) == (plain[0][0].reference, "read in_draft")  # type: ignore[arg-type, comparison-overlap]
    assert stripe.emulator().add_draft() is None


def test_defect_63_no_check_returns_early() -> None:
    """Defect 63: no check of the suite ends in a bare return without an assertion before it."""
    import ast
    import inspect

    parts = [ast.parse(inspect.getsource(part)).body[0] for part in Conformance.__mro__ if part is not object]
    checks = [check for part in parts if isinstance(part, ast.ClassDef) for check in part.body]
    assert {name for name in dir(Conformance) if name.startswith("test_")} <= {
        check.name for check in checks if isinstance(check, ast.FunctionDef)
    }
    early = []
    for check in checks:
        if isinstance(check, ast.FunctionDef) and check.name.startswith("test_"):
            for node in ast.walk(check):
                blocks = [getattr(node, name, None) for name in ("body", "orelse")]
                for block in (each for each in blocks if isinstance(each, list)):
                    if isinstance(block[-1] if block else None, ast.Return) and len(block) == 1:
                        early.append(check.name)
    assert early == []
    assert isinstance(NO, Cannot)
