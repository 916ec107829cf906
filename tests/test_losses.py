"""What would be lost is found by the provider's rows, and refused unless this very call allows it."""

import re
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from invoice_bridge import (
    ALL,
    Collection,
    ConfigurationError,
    CustomerRef,
    Discount,
    Line,
    Loss,
    LossyTranslation,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    TaxRate,
    Unsupported,
    Update,
    losses,
)
from invoice_bridge.adapter import paths
from invoice_bridge.adapter.limits import Limit, check_limits
from invoice_bridge.adapter.rows import Field, find_losses, leaves_of, values_at
from invoice_bridge.core.leaves import LEAVES
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.engine.allow import refuse_losses
from tests.toy import ACME, FIELDS, toy_context

MAY = Period.month(2026, 5)
BUYER = Loss("IB-ACME-BUYER-01", "customer", Fate.APPROXIMATED, Severity.INFO, "", "a buyer is a team", "")
PERIOD = Loss(
    "IB-ACME-PERIOD-01", "period", Fate.DROPPED, Severity.WARNS, "nothing", "there is no field for it",
    "name the month in the description",
)  # fmt: skip
AMOUNT = Loss(
    "IB-ACME-AMOUNT-01", "amount", Fate.PROVIDER_RATED, Severity.CHANGES_MONEY, "", "acme rounds to whole units", ""
)


def _charge(**said: Any) -> OneTimeCharge:
    least: dict[str, Any] = {"reference": "r", "amount": Money(1900, "EUR")}
    return OneTimeCharge(**least | said)


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,settings,found",
    [
        ({}, {}, ()),
        ({"customer": "c"}, {}, (BUYER,)),
        ({"period": MAY}, {}, (PERIOD,)),
        ({"amount": Money(1999, "EUR")}, {}, (AMOUNT,)),
        ({"customer": "c", "period": MAY, "amount": Money(1999, "EUR")}, {}, (BUYER, PERIOD, AMOUNT)),
    ],
)
def test_losses_are_those_of_the_rows_that_hold(said: Any, settings: Any, found: tuple[Loss, ...]) -> None:
    """A row is a loss where its field is set and its condition holds; the order is that of the rows."""
    assert found == find_losses(FIELDS, _charge(**said), toy_context(**settings))


def test_a_row_speaks_of_its_own_verbs_only() -> None:
    """A row for one-time charges says nothing about a period invoice."""
    command = PeriodInvoice(reference="r", period=MAY, currency="EUR")
    assert find_losses(FIELDS, command, toy_context()) == (PERIOD,)


def test_a_row_may_depend_on_the_settings() -> None:
    """The condition sees the context."""
    line = Line(quantity=2, unit_amount=Money(100, "EUR"))
    command = _charge(amount=None, lines=[line, Line(amount=Money(0, "EUR"))], reference="r2")
    row = next(row for row in FIELDS if row.path == "lines[].quantity")
    assert row.loss(command, toy_context()) is None
    assert row.loss(command, toy_context(plan="basic")) == Loss(
        "IB-ACME-QUANTITY-01", "lines[].quantity", Fate.DROPPED, Severity.WARNS, "", "lines have no quantity", ""
    )


def test_false_and_empty_are_not_set() -> None:
    """A flag that is off, an empty mapping and no lines are nothing that could be lost."""
    row = next(row for row in FIELDS if row.path == "draft")
    assert row.loss(_charge(draft=False), toy_context()) is None
    assert row.loss(_charge(draft=True), toy_context()) is not None
    for path in ("metadata", "lines", "lines[].period"):
        assert Field(path, "x", "docs", code="C").loss(_charge(), toy_context()) is None


def test_a_row_that_depends_on_the_clock_is_conditional_without_one() -> None:
    """Without a clock it stops nothing and says so; at an instant it is a loss like any other, or none."""
    row = Field(
        "period", "", "docs", fate=Fate.DROPPED, severity=Severity.WARNS, code="IB-ACME-LATE-01", why="it is too old",
        clock=lambda command, now: command.period.end <= now,
    )  # fmt: skip
    bill = _charge(period=MAY)

    def found(month: int | None) -> Loss | None:
        now = None if month is None else datetime(2026, month, 1, tzinfo=UTC)
        return row.loss(bill, replace(toy_context(), as_of=now))

    late = Loss("IB-ACME-LATE-01", "period", Fate.DROPPED, Severity.WARNS, "", "it is too old", "")
    assert (found(5), found(6)) == (None, late)
    assert found(None) == replace(late, severity=Severity.INFO, conditional=True)
    assert str(found(None)) == "[IB-ACME-LATE-01] ($.period) depending on the clock: it is too old"


def test_a_row_and_a_limit_cannot_be_changed() -> None:
    """One client's rows are all clients' rows."""
    for value, name in ((FIELDS[0], "path"), (Limit("metadata", 1, "docs"), "path")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "other")


def test_an_instant_decides_the_losses_that_depend_on_the_clock() -> None:
    """Of a bill whose due date is past at that instant, or not yet; without an instant nobody knows."""
    due = Collection(kind="send", due=datetime(2026, 6, 1, tzinfo=UTC))
    bill = OneTimeCharge(reference="r", customer="c", amount=Money(1900, "EUR"), collection=due)

    def late(as_of: datetime | None) -> list[bool]:
        lost = losses("stripe", bill, as_of=as_of)
        return [loss.conditional for loss in lost if loss.path == "collection.due"]

    assert late(None) == [True]
    assert late(datetime(2026, 5, 31, tzinfo=UTC)) == []
    assert late(datetime(2026, 6, 1, tzinfo=UTC)) == [False]
    with pytest.raises(ValueError, match="no time zone"):
        losses("stripe", bill, as_of=datetime(2026, 6, 1))


@pytest.mark.parametrize("name", ["native.whop.plan", "native_unchecked.whop.plan.newer"])
def test_another_providers_parameter_may_be_allowed_here(name: str) -> None:
    """A profile keeps what it allows through a switch; a path that no bill has is refused."""
    refuse_losses((), [name], "Stripe")
    with pytest.raises(ConfigurationError, match="which is not a path of a bill"):
        refuse_losses((), [name.replace("native", "natural")], "Stripe")


def test_a_row_without_a_code_is_carried_whole() -> None:
    """Only a row with a code can be a loss."""
    assert Field("reference", "ref", "docs").loss(_charge(), toy_context()) is None
    assert Field("reference", "ref", "docs").fate is Fate.CARRIED


@pytest.mark.parametrize(
    "path,values",
    [
        ("reference", ["r"]),
        ("description", []),
        ("collection.kind", ["send"]),
        ("collection.net_days", [14]),
        ("collection.due", []),
        ("customer.id", ["c"]),
        ("customer.ids", [{"acme": "c"}]),
        ("lines[].description", ["one"]),
        ("lines[].amount.minor", [1, 2]),
        ("metadata", [{"a": "x", "b": "y"}]),
        ("metadata.key", ["a", "b"]),
        ("metadata.value", ["x", "y"]),
        ("no_such_field", []),
    ],
)
def test_paths_look_into_a_command(path: str, values: list[Any]) -> None:
    """A path names each place: into values, into each line, into keys and values of a mapping."""
    command = _charge(
        amount=None,
        customer=CustomerRef(id="c", ids={"acme": "c"}),
        collection=Collection.send(net_days=14),
        lines=[Line(description="one", amount=Money(1, "EUR")), Line(amount=Money(2, "EUR"))],
        metadata={"a": "x", "b": "y"},
    )
    assert values == values_at(command, path)


@pytest.mark.parametrize("path", dict.fromkeys(leaf for leaves in LEAVES.values() for leaf in leaves))
def test_the_function_of_a_path_reads_what_its_steps_do(path: str) -> None:
    """For every leaf of a bill, whether it is stated or not, and `is_stated` says whether any value is there."""
    whole = {
        "customer": CustomerRef(id="c", email="a@b.c", name="n", ids={"acme": "c"}),
        "lines": [Line(description="one", quantity=2, unit_amount=Money(1, "EUR"), product="p", metadata={"a": "b"})],
        "period": Period.month(2026, 5),
        "collection": Collection.send(net_days=14),
        "tax": [TaxRate(name="VAT", rate=19)],
        "metadata": {"a": "x"},
        "native": {"acme": {"x": 1}},
    }
    for bill in (
        _charge(),
        _charge(**whole, amount=None),
        _charge(discounts=[Discount(code="c", amount=Money(1, "EUR"))], draft=True),
    ):
        values = paths._read_steps(bill, paths._steps(path))
        assert values_at(bill, path) == values
        stated = [value for value in values if value is not False and value not in ((), {})]
        assert paths.is_stated(bill, path) is bool(stated)


# ── refusing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "found,allow,refused",
    [
        ((), (), ()),
        ((BUYER,), (), ()),  # info is reported only
        ((PERIOD,), (), (PERIOD,)),
        ((PERIOD,), ["period"], ()),
        ((PERIOD,), {"IB-ACME-PERIOD-01"}, ()),
        ((PERIOD,), ALL, ()),
        ((AMOUNT,), (), (AMOUNT,)),
        ((AMOUNT,), ALL, (AMOUNT,)),  # what changes money is never covered by ALL
        ((AMOUNT,), ["amount"], ()),
        ((AMOUNT,), ["IB-ACME-AMOUNT-01"], ()),
        ((BUYER, PERIOD, AMOUNT), (), (PERIOD, AMOUNT)),
        ((BUYER, PERIOD, AMOUNT), ALL, (AMOUNT,)),
        ((BUYER, PERIOD, AMOUNT), ["amount"], (PERIOD,)),
        ((BUYER, PERIOD, AMOUNT), ["amount", "period"], ()),
        ((BUYER, PERIOD, AMOUNT), ["amount", "period", "customer"], ()),
    ],
)
def test_what_is_refused(found: tuple[Loss, ...], allow: Any, refused: tuple[Loss, ...]) -> None:
    """Warnings and changes of money stop the command unless allowed; each refused loss is listed, in order."""
    if not refused:
        refuse_losses(found, allow, "Acme")
        return
    with pytest.raises(LossyTranslation) as caught:
        refuse_losses(found, allow, "Acme")
    assert caught.value.losses == refused
    assert caught.value.outcome == "nothing_done"


def test_a_refusal_says_everything_and_what_to_write() -> None:
    """The message names each loss with its code, path, reason and remedy, and the list that accepts them all."""
    with pytest.raises(LossyTranslation) as caught:
        refuse_losses((PERIOD, AMOUNT), (), "Acme")
    assert str(caught.value) == (
        "Acme would not carry this bill as it is:\n"
        "  [IB-ACME-PERIOD-01] ($.period) there is no field for it; name the month in the description\n"
        "  [IB-ACME-AMOUNT-01] ($.amount) acme rounds to whole units\n"
        "allow=['period', 'amount'] accepts it"
    )


@pytest.mark.parametrize(
    "name",
    [
        "description",  # a path of a bill that loses nothing here: the same call serves another provider
        "lines[].amount",
        "lines",
        "collection",
        "IB-OTHER-PERIOD-01",
    ],
)
def test_a_name_may_speak_of_what_another_provider_loses(name: str) -> None:
    """A path of any bill, or another provider's code, may stand in `allow` and accepts nothing here."""
    refuse_losses((BUYER, PERIOD), ["period", name], "Acme")
    with pytest.raises(LossyTranslation):
        refuse_losses((BUYER, PERIOD), [name], "Acme")


@pytest.mark.parametrize(
    "path,allowed",
    [("lines[].quantity", ["lines"]), ("lines[].quantity", ["lines[].quantity"]), ("period.start", ["period"])],
)
def test_a_name_accepts_what_lies_below_it(path: str, allowed: list[str]) -> None:
    """A path accepts the losses at it and within it, and not those of a field that merely begins alike."""
    loss = Loss("IB-ACME-X-01", path, Fate.DROPPED, Severity.WARNS, "", "", "")
    refuse_losses((loss,), allowed, "Acme")
    with pytest.raises(LossyTranslation):
        refuse_losses((loss,), ["description"], "Acme")
    alike = Loss("IB-ACME-X-01", "periodical", Fate.DROPPED, Severity.WARNS, "", "", "")
    with pytest.raises(LossyTranslation):
        refuse_losses((alike,), ["period"], "Acme")


@pytest.mark.parametrize(
    "wrong,hint",
    [("periods", "'period'"), ("ammount", "'amount'"), ("ib-acme-1", "'customer'"), ("linse", "'lines'")],
)
def test_a_name_in_allow_that_can_mean_nothing_is_an_error(wrong: str, hint: str) -> None:
    """A typing mistake in `allow` is found, and the nearest valid names are listed."""
    with pytest.raises(ConfigurationError) as caught:
        refuse_losses((BUYER, PERIOD), ["period", wrong], "Acme")
    problem, _, nearest = str(caught.value).partition("; the nearest are ")
    assert problem == f"allow names '{wrong}', which is not a path of a bill"
    assert re.fullmatch(r"'[^']+'(, '[^']+'){0,2}", nearest)
    assert hint in nearest


def test_all_stands_alone() -> None:
    """ALL within a list is a mistake, and the message says what to write."""
    with pytest.raises(ConfigurationError) as caught:
        refuse_losses((PERIOD,), [ALL, "period"], "Acme")  # type: ignore[list-item]
    assert str(caught.value) == "allow takes a list of paths or codes, or ALL alone: write allow=ALL"


def test_a_name_that_nothing_is_near_to_says_what_is_lost() -> None:
    """The paths that are lost here are offered then; where nothing is, the message says that."""
    with pytest.raises(ConfigurationError) as caught:
        refuse_losses((PERIOD, BUYER), ["ØØØ"], "Acme")
    assert str(caught.value) == (
        "allow names 'ØØØ', which is not a path of a bill; the nearest are 'customer', 'period'"
    )
    with pytest.raises(ConfigurationError) as caught:
        refuse_losses((), ["ØØØ"], "Acme")
    assert str(caught.value) == "allow names 'ØØØ', which is not a path of a bill; nothing is lost here"


def test_a_loss_is_a_value() -> None:
    """It cannot be changed, and takes no further attribute."""
    with pytest.raises(FrozenInstanceError):
        PERIOD.path = "lines"  # type: ignore[misc]
    assert not hasattr(PERIOD, "__dict__")


def test_a_bare_string_in_allow_is_an_error() -> None:
    """`allow="period"` would be read letter by letter; the message says what to write."""
    with pytest.raises(ConfigurationError, match=r"^allow takes a list of paths or codes: write allow=\['period'\]$"):
        refuse_losses((PERIOD,), "period", "Acme")


def test_all_prints_as_its_name() -> None:
    """ALL shows as ALL."""
    assert repr(ALL) == "ALL"


def test_the_words_of_a_loss_are_those_that_programs_read() -> None:
    """The fates and severities are written into JSON and compared by callers: they are spelled so for good."""
    fates = ["carried", "dropped", "approximated", "defaulted", "truncated", "provider_rated"]
    assert [str(word) for word in Fate] == fates
    assert [str(word) for word in Severity] == ["info", "warns", "changes_money"]


def test_alters_says_one_of_three_things() -> None:
    """The vocabulary of the metamorphic tests."""
    assert [str(word) for word in Alters] == ["body", "branch", "nothing"]


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────
EUR_1 = Money(100, "EUR")


@pytest.mark.parametrize(
    "said,message",
    [
        ({"description": "x" * 11}, "description has 11 characters, and the provider takes 10 at most"),
        ({"lines": [Line(amount=EUR_1)] * 3}, "lines has 3 entries, and the provider takes 2 at most"),
        ({"lines": [Line(amount=EUR_1, description="x" * 6)]}, "lines[].description has 6 characters"),
        ({"metadata": {"a": "1", "b": "2"}}, "metadata has 2 entries, and the provider takes 1 at most"),
        ({"metadata": {"abcd": "1"}}, "metadata.key has 4 characters, and the provider takes 3 at most"),
        ({"metadata": {"a": "12345"}}, "metadata.value has 5 characters, and the provider takes 4 at most"),
    ],
)
def test_what_is_too_long_is_refused_and_not_cut(said: dict[str, Any], message: str) -> None:
    """A limit names the field, both lengths and its source; nothing is cut off silently."""
    bill = _charge(**({"amount": None} | said if "lines" in said else said))
    with pytest.raises(Unsupported) as caught:
        check_limits(ACME.limits, bill)
    assert message in str(caught.value)
    assert caught.value.source == "docs.acme.test/api"
    assert "nothing is cut off silently" in caught.value.remedy


def test_what_just_fits_passes() -> None:
    """At the limit everything passes, characters being counted and not bytes; an update is held to the same."""
    lines = [Line(amount=EUR_1, description="éééé€")] * 2
    check_limits(ACME.limits, _charge(amount=None, lines=lines, description="x" * 10, metadata={"abc": "1234"}))
    with pytest.raises(Unsupported):
        check_limits(ACME.limits, Update(id="in_1", description="x" * 11))


def test_a_customers_id_is_set_where_it_is_known_at_this_provider() -> None:
    """The path "customer.id" is about the id here: given plainly or for this provider, and not for another one."""
    row = Field("customer.id", "x", "docs", code="C")
    for customer, is_set in (
        ("c", True),
        (CustomerRef(ids={"acme": "c"}), True),
        (CustomerRef(ids={"whop": "c"}), False),
    ):
        assert row.is_set(_charge(customer=customer), toy_context()) is is_set
    assert row.is_set(_charge(), toy_context()) is False


def test_at_most_three_names_are_offered() -> None:
    """Of many that are near, the three nearest: a list that is read."""
    near = tuple(Loss(f"IB-X-{n}", f"zebra{n}", Fate.DROPPED, Severity.WARNS, "", "", "") for n in range(5))
    with pytest.raises(ConfigurationError) as caught:
        refuse_losses(near, ["zebra"], "Acme")
    assert str(caught.value).count("'zebra") == 4  # the name itself, and three


def test_leaves_are_computed_from_what_a_caller_can_set() -> None:
    """Constants, private names and those of pydantic itself are no leaves; parts are looked into."""

    @dataclass
    class Part:
        size: int | None
        _hidden: int

    class Whole:
        VERB: ClassVar[str]
        _hidden: int
        model_config: int
        modelled: str | int
        price: Money | None
        part: Part | None
        parts: tuple[Part, ...]
        nothing: None

    assert leaves_of(Whole) == ("modelled", "price", "currency", "part.size", "parts[].size")
