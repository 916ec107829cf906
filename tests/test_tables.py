"""Tables that are written by hand are held to the types that they speak of, and these checks can fail."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Required, get_origin, get_type_hints

import pytest

import invoice_bridge.core.bills
import invoice_bridge.core.parts
import invoice_bridge.core.taxes
import invoice_bridge.core.verbs
from invoice_bridge import providers
from invoice_bridge.adapter.declared import Setting
from invoice_bridge.adapter.rows import Field, leaves_of
from invoice_bridge.client import settings
from invoice_bridge.compare.kinds import KINDS
from invoice_bridge.core.commands import (
    LEAVES,
    VERB_LEAVES,
    Bill,
    Delete,
    Filters,
    ListInvoices,
    OneTimeCharge,
    OnInvoice,
    PeriodInvoice,
    Update,
)
from invoice_bridge.core.model import (
    Address,
    Adjustment,
    Amount,
    Collection,
    CreditNote,
    CustomerRef,
    Discount,
    Frozen,
    Instant,
    Invoice,
    Line,
    Payment,
    Period,
    TaxId,
    TaxLine,
    Words,
)
from invoice_bridge.testing.conformance import Conformance
from invoice_bridge.testing.variants import leaves_with_variants

TYPED = {
    "chargeapi": settings.Common,
    "chargebee": settings.ChargebeeSettings,
    "stripe": settings.StripeSettings,
    "whop": settings.WhopSettings,
}


# ── the checks, as functions of what they compare ────────────────────────────────────────────────────────────────────
def _differences(table: set[str], types: set[str], where: str) -> list[str]:
    """What a table lacks of the types, and what it has beyond them, with the place to change."""
    return [f"{where} lacks {name}" for name in sorted(types - table)] + [
        f"{where} has {name}, which no type has" for name in sorted(table - types)
    ]


def _leaves(kind: type[Bill], table: tuple[str, ...]) -> list[str]:
    return _differences(set(table), set(leaves_of(kind)), "LEAVES in commands.py")


def _model_fields(of: type[Any]) -> dict[str, bool]:
    """The names of a model's fields, and whether each must be given."""
    if is_dataclass(of):
        return {field.name: True for field in fields(of)}
    return {name: field.is_required() for name, field in of.model_fields.items()}


def _kinds(of: type[Any], table: Mapping[str, Any]) -> list[str]:
    return _differences(set(table), set(_model_fields(of)), f"KINDS[{of.__name__}] in compare/kinds.py")


def _constructors(module: Any) -> dict[str, dict[str, bool]]:
    """Class → the arguments of the `__init__` that type checkers see, and whether each must be given."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text("utf-8"))
    found: dict[str, dict[str, bool]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for guarded in (each for each in node.body if isinstance(each, ast.If)):
                for made in guarded.body:
                    if isinstance(made, ast.FunctionDef) and made.name == "__init__":
                        names = (argument.arg for argument in made.args.kwonlyargs)
                        found[node.name] = {
                            name: default is None for name, default in zip(names, made.args.kw_defaults, strict=True)
                        }
    return found


def _constructor(of: type[Any], typed: Mapping[str, bool]) -> list[str]:
    """Differences between a typed `__init__` and its model, in names and in what must be given."""
    model, where = _model_fields(of), f"the __init__ of {of.__name__} under TYPE_CHECKING"
    found = _differences(set(typed), set(model), where)
    derived = {"amount"} if issubclass(of, Line) else set()  # quantity × unit_amount gives it
    wrong = {name for name in model if name in typed and typed[name] != model[name]} - derived
    return found + [f"{where}: whether {name} must be given differs" for name in sorted(wrong)]


def _settings(typed: Any, declared: tuple[Setting, ...]) -> list[str]:
    names = set(typed.__annotations__) - set(settings.Common.__annotations__)
    found = _differences(names, {setting.name for setting in declared}, f"{typed.__name__} in settings.py")
    # __required_keys__ misses postponed annotations; they are names of the module of the settings
    hints = get_type_hints(typed, globalns=dict(vars(settings)), include_extras=True)
    required = {name for name, hint in hints.items() if get_origin(hint) is Required}
    wrong = required ^ {setting.name for setting in declared if setting.required}
    return found + [f"{typed.__name__} in settings.py: whether {name} is required differs" for name in sorted(wrong)]


# ── the tables are those of the types ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", LEAVES)
def test_defect_62_leaves_are_the_fields_of_the_bills(kind: type[Bill]) -> None:
    """Defect 62: LEAVES has every field of a bill, and of what a bill is made of, and nothing else."""
    assert _leaves(kind, LEAVES[kind]) == []
    assert len(LEAVES[kind]) == len(set(LEAVES[kind]))


def test_defect_62_every_bill_has_leaves() -> None:
    """Defect 62: no type of bill is forgotten."""
    assert {OneTimeCharge, PeriodInvoice} == set(LEAVES) == set(Bill.__subclasses__()) & set(LEAVES)


def test_every_verb_with_fields_has_leaves() -> None:
    """No field of a verb is forgotten; each flow reads `expect`, and `pay` its payment method, by themselves."""
    by_hand: dict[type[OnInvoice], set[str]] = {
        Update: {"description", "due_at", "metadata"},
        Delete: {"imported"},  # whether what an import made may be deleted; no request carries it
    }
    for kind in OnInvoice.__subclasses__():
        read = {"id", "attempt", "expect", "payment_method", "whole", "native", "native_unchecked"}
        fields = set(_model_fields(kind)) - read - by_hand.get(kind, set())
        assert set(VERB_LEAVES.get(kind, ())) == fields, kind.__name__


def test_defect_62_every_leaf_has_a_variant() -> None:
    """Defect 62: the suite can change every leaf, and knows no other."""
    leaves = {leaf for each in LEAVES.values() for leaf in each}
    assert _differences(set(leaves_with_variants()), leaves, "_VARIANTS in testing/variants.py") == []


def test_defect_62_kinds_are_the_fields_of_the_model() -> None:
    """Defect 62: a comparison decides about every field of each type that it compares."""
    assert [problem for of, table in KINDS.items() for problem in _kinds(of, table)] == []
    parts = {Address, Adjustment, CreditNote, Discount, Payment, TaxId, TaxLine}
    assert set(KINDS) == {Invoice, Line, CustomerRef, Period, Collection, *parts}


CONSTRUCTED = {
    invoice_bridge.core.bills: {"OneTimeCharge", "PeriodInvoice"},
    invoice_bridge.core.verbs: {"Find", "ListInvoices"},
    invoice_bridge.core.parts: {"Line"},
    invoice_bridge.core.taxes: {"TaxLine", "TaxRate"},
}


@pytest.mark.parametrize("module", CONSTRUCTED, ids=lambda module: module.__name__)
def test_defect_62_typed_constructors_are_those_of_the_models(module: Any) -> None:
    """Defect 62: what type checkers let a caller write is what the model takes, and what must be given is the same."""
    found = _constructors(module)
    assert set(found) == CONSTRUCTED[module]
    assert [problem for name, typed in found.items() for problem in _constructor(getattr(module, name), typed)] == []


def test_defect_62_the_filters_of_a_listing_are_its_fields() -> None:
    """Defect 62: `client.list` takes every field of the command, the cursor aside: that is how it goes on by itself."""
    assert _differences(set(Filters.__annotations__), set(_model_fields(ListInvoices)) - {"cursor"}, "Filters") == []


@pytest.mark.parametrize("name", sorted(TYPED))
def test_defect_62_typed_settings_are_the_declared_ones(name: str) -> None:
    """Defect 62: each provider's settings are what type checkers see, required ones required in both."""
    assert _settings(TYPED[name], providers.get(name).settings) == []


# ── each check can fail ──────────────────────────────────────────────────────────────────────────────────────────────
class _Address(Frozen):
    street: str | None = None
    changed_at: Instant | None = None


class _Longer(OneTimeCharge):
    """A bill with new fields of every shape."""

    verb: ClassVar[str] = "one_time_charge"

    note: str | None = None
    way: Literal["a", "b"] = "a"
    fee: Amount | None = None
    address: _Address | None = None
    labels: Words | None = None
    trial: Period | None = None
    others: tuple[_Address, ...] = ()


class _LongerLine(Line):
    sku: str | None = None


class _WithLongerLines(OneTimeCharge):
    lines: tuple[_LongerLine, ...] = ()  # pyright: ignore[reportIncompatibleVariableOverride]


class _LongerCollection(Collection):
    retries: int | None = None


class _WithLongerCollection(PeriodInvoice):
    collection: _LongerCollection = _LongerCollection(kind="manual")  # pyright: ignore[reportIncompatibleVariableOverride]


NEW = ("note", "way", "fee", "address.street", "address.changed_at", "labels", "trial.start", "trial.end",
       "others[].street", "others[].changed_at")  # fmt: skip


@pytest.mark.parametrize(
    "kind,base,new",
    [
        (_Longer, OneTimeCharge, NEW),
        (_WithLongerLines, OneTimeCharge, ("lines[].sku",)),
        (_WithLongerCollection, PeriodInvoice, ("collection.retries",)),
    ],
)
def test_defect_62_a_new_field_of_a_bill_fails_and_names_the_file(
    kind: type[Bill], base: type[Bill], new: tuple[str, ...]
) -> None:
    """Defect 62: a field that joins a bill, its lines or its parts is missed in LEAVES, by name and file."""
    assert _leaves(kind, LEAVES[base]) == [f"LEAVES in commands.py lacks {name}" for name in sorted(new)]
    assert _leaves(base, LEAVES[base][1:]) == [f"LEAVES in commands.py lacks {LEAVES[base][0]}"]
    assert _leaves(base, (*LEAVES[base], "gone")) == ["LEAVES in commands.py has gone, which no type has"]


def test_defect_62_a_new_leaf_needs_a_row_and_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 62: a leaf without a row fails with the file to change; a row about what cannot be changed fails too."""
    suite, stripe = Conformance(), providers.get("stripe")
    leaves: dict[type[Bill], tuple[str, ...]] = {OneTimeCharge: (*LEAVES[OneTimeCharge], "note")}
    monkeypatch.setattr("invoice_bridge.testing.conformance.tables.LEAVES", leaves)
    with pytest.raises(AssertionError, match=r"add a row to FIELDS in the tables\.py of stripe for note"):
        suite.test_every_leaf_has_a_row(stripe, OneTimeCharge)
    lying = stripe.fields
    object.__setattr__(stripe, "fields", (*lying, Field("note", "memo", "docs")))
    try:
        with pytest.raises(AssertionError, match=r"testing/variants\.py lacks a variant"):
            suite.test_every_row_can_be_tested(stripe)
    finally:
        object.__setattr__(stripe, "fields", lying)
    suite.test_every_row_can_be_tested(stripe)


def test_defect_62_a_new_field_of_the_model_fails_in_kinds() -> None:
    """Defect 62: a field that joins the invoice has no kind, and the check says where to give it one."""

    class Longer(Invoice):
        terms: str | None = None

    assert _kinds(Longer, KINDS[Invoice]) == ["KINDS[Longer] in compare/kinds.py lacks terms"]


def test_defect_62_a_new_field_fails_in_the_typed_constructor() -> None:
    """Defect 62: a new field, one that is gone, and one that must be given all at once differ from the typed list."""
    typed = _constructors(invoice_bridge.core.bills)["OneTimeCharge"]

    class Longer(OneTimeCharge):
        note: str | None = None

    class Stricter(OneTimeCharge):
        description: str  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]

    head = "the __init__ of {} under TYPE_CHECKING"
    assert _constructor(Longer, typed) == [head.format("Longer") + " lacks note"]
    assert _constructor(OneTimeCharge, {**typed, "gone": False}) == [
        head.format("OneTimeCharge") + " has gone, which no type has"
    ]
    assert _constructor(Stricter, typed) == [head.format("Stricter") + ": whether description must be given differs"]


def test_defect_62_a_new_setting_fails_in_the_typed_settings() -> None:
    """Defect 62: a setting that only one side knows, or that only one side requires, is found."""

    class Longer(settings.StripeSettings, total=False):
        region: str

    class Stricter(settings.Common, total=False):
        account: Required[str | None]

    declared = providers.get("stripe").settings
    assert _settings(Longer, declared) == ["Longer in settings.py has region, which no type has"]
    assert _settings(settings.Common, declared) == ["Common in settings.py lacks account"]
    assert _settings(Stricter, declared) == ["Stricter in settings.py: whether account is required differs"]
