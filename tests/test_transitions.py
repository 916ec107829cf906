"""The tables of transitions: what a row may say, and that every table says what its provider's flows do."""

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from invoice_bridge import BridgeError, Status, providers
from invoice_bridge.adapter.declared import Cannot, StatusRow, status_of
from invoice_bridge.adapter.provider import Context, Provider, Verbs
from invoice_bridge.adapter.transitions import CHANGES, Doubt, Transition, Transitions, doubt, transition
from invoice_bridge.core.wire import Effect
from invoice_bridge.explain import make_context
from invoice_bridge.testing import Conformance, no_waiting
from invoice_bridge.testing.conformance.transitions import Course
from tests.toy import ACME, DOCS

VOID = transition(Status.OPEN, becomes=[Status.VOID], effects=[Effect.VOIDS], source=DOCS)
LATE = doubt("late", "later", switch="late_is_open", why="a late one")


def test_the_verbs_with_a_row_are_those_that_change_an_invoice() -> None:
    """All verbs of a provider but those that make an invoice and those that read."""
    others = {"one_time_charge", "period_invoice", "import_invoice", "find", "retrieve", "list", "pdf"}
    assert set(CHANGES) == {verb.name for verb in fields(Verbs)} - others
    assert len(CHANGES) == len(set(CHANGES))


def test_a_row_says_all_of_it() -> None:
    """What is left out is empty: the status stays, and the customer notices nothing."""
    assert transition(Status.DRAFT, source=DOCS) == Transition(
        allowed=frozenset({Status.DRAFT}), becomes=frozenset(), effects=frozenset(), source=DOCS
    )
    assert transition(
        Status.OPEN,
        Status.UNCOLLECTIBLE,
        becomes=[Status.PAID],
        effects=[Effect.COLLECTS],
        undocumented=[Status.DRAFT],
        anywhere=["metadata"],
        doubts=[LATE],
        source=DOCS,
    ) == Transition(
        allowed=frozenset({Status.OPEN, Status.UNCOLLECTIBLE}),
        becomes=frozenset({Status.PAID}),
        effects=frozenset({Effect.COLLECTS}),
        source=DOCS,
        undocumented=frozenset({Status.DRAFT}),
        anywhere=frozenset({"metadata"}),
        doubts=(Doubt(frozenset({"late", "later"}), "late_is_open", "a late one"),),
    )


def test_a_row_cannot_be_changed() -> None:
    """A row and a doubt are values: what reads them may keep them."""
    for value, name in ((VOID, "allowed"), (LATE, "words")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, frozenset())
    with pytest.raises(TypeError, match="positional"):
        Transition(VOID.allowed, becomes=VOID.becomes, effects=VOID.effects, source=DOCS)  # type: ignore[call-arg]


def test_a_request_is_sent_where_it_is_allowed_or_nothing_is_written() -> None:
    """A status of which the provider says nothing is tried; any other is refused before a request."""
    row = replace(VOID, undocumented=frozenset({Status.UNCOLLECTIBLE}))
    assert {status for status in Status if row.is_sent(status)} == {Status.OPEN, Status.UNCOLLECTIBLE}


@pytest.mark.parametrize(
    "status,native,late_is_open,allowed",
    [
        (Status.OPEN, "open", False, True),
        (Status.OPEN, "late", True, True),
        (Status.OPEN, "late", False, False),
        (Status.OPEN, "later", False, False),
        (Status.PAID, "late", True, False),
        (Status.UNCOLLECTIBLE, "lost", True, False),
    ],
)
def test_a_switch_settles_what_is_in_doubt(status: Status, native: str, late_is_open: bool, allowed: bool) -> None:
    """A native word in doubt is allowed where the switch says so; what is undocumented is not."""
    row = replace(VOID, doubts=(LATE,), undocumented=frozenset({Status.UNCOLLECTIBLE}))
    assert row.is_allowed(status, native, {"late_is_open": late_is_open}) is allowed


def test_some_fields_are_changed_in_every_status() -> None:
    """Only where the command sets nothing else."""
    row = transition(Status.DRAFT, anywhere=["metadata"], source=DOCS)
    assert row.of_fields({"metadata"}) == replace(row, allowed=frozenset(Status))
    for others in ({"metadata", "description"}, {"description"}, set[str]()):
        assert row.of_fields(others) is row
    assert VOID.of_fields({"metadata"}) is VOID


WRONG: dict[str, tuple[str, Callable[[], Transition], str]] = {
    "a verb that changes no invoice": (
        "retrieve",
        lambda: VOID,
        (
            "is none of finalize, pay, pay_part, mark_paid, record_payment, refund, credit, void, mark_uncollectible, "
            "update, delete, send_invoice"
        ),
    ),
    "no status": ("void", lambda: transition(source=DOCS), "is allowed in no status: declare it with cannot(…)"),
    "a native word for a status": (
        "void",
        lambda: replace(VOID, allowed=frozenset({"posted", Status.OPEN, "late"})),  # type: ignore[arg-type]
        "has statuses that we do not know: late, posted",
    ),
    "a native word that it leads to": (
        "void",
        lambda: replace(VOID, becomes=frozenset({"voided"})),  # type: ignore[arg-type]
        "has statuses that we do not know: voided",
    ),
    "a native word of which nothing is said": (
        "void",
        lambda: replace(VOID, undocumented=frozenset({"lost"})),  # type: ignore[arg-type]
        "has statuses that we do not know: lost",
    ),
    "an unknown end": (
        "void",
        lambda: replace(VOID, becomes=frozenset({Status.UNKNOWN})),
        "cannot lead to an unknown status",
    ),
    "allowed, and nothing is said of it": (
        "void",
        lambda: replace(VOID, allowed=frozenset(Status), undocumented=frozenset({Status.OPEN, Status.DRAFT})),
        "has draft, open both allowed and undocumented",
    ),
    "no source": ("void", lambda: replace(VOID, source=" "), "has no source"),
    "a doubt without a word": (
        "void",
        lambda: replace(VOID, doubts=(LATE, doubt(switch="s", why="w"))),
        "has a doubt without native words, a switch or a reason",
    ),
    "a doubt without a switch": (
        "void",
        lambda: replace(VOID, doubts=(doubt("late", switch="", why="w"),)),
        "has a doubt without native words, a switch or a reason",
    ),
    "a doubt without a reason": (
        "void",
        lambda: replace(VOID, doubts=(doubt("late", switch="s", why=""),)),
        "has a doubt without native words, a switch or a reason",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_row_that_says_something_impossible_is_refused(name: str) -> None:
    """The error names the row and what is wrong with it."""
    verb, row, problem = WRONG[name]
    with pytest.raises(ValueError, match="the transition") as refused:
        Transitions({"void": VOID, verb: row()})
    assert str(refused.value) == f"the transition {verb!r} {problem}"


def test_a_table_reads_like_a_mapping() -> None:
    """It is read by verb, in its own order; it is copied whole, and what it was made of may change afterwards."""
    rows = {"void": VOID, "delete": transition(Status.DRAFT, source=DOCS)}
    table = Transitions(rows)
    rows.clear()
    assert (list(table), len(table), table["void"]) == (["void", "delete"], 2, VOID)
    assert "pay" not in table
    for copied in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):  # noqa: S301 - our own bytes
        assert dict(copied) == dict(table)


def test_a_native_word_has_a_status_or_none() -> None:
    """The first row that has it decides; any other word, null included, is unknown."""
    rows = (StatusRow("posted", Status.OPEN, DOCS), StatusRow("posted", Status.PAID, DOCS))
    assert [status_of(rows, word) for word in ("posted", "POSTED", None)] == [Status.OPEN, *[Status.UNKNOWN] * 2]


# ── the tables of the four ───────────────────────────────────────────────────────────────────────────────────────────
BUILT = [providers.get(name) for name in providers.names()]


def _changes(provider: Provider) -> list[str]:
    return [verb for verb in CHANGES if not isinstance(getattr(provider.flows, verb), Cannot)]


@pytest.mark.parametrize("provider", BUILT, ids=lambda provider: provider.name)
def test_flows_and_emulator_read_the_same_table(provider: Provider) -> None:
    """The emulator has the declaration's own tables, and a switch for every doubt about a native word of theirs."""
    emulator = provider.emulator()
    assert emulator.transitions is provider.transitions
    assert emulator.statuses is provider.statuses
    assert list(provider.transitions) == _changes(provider)
    for verb, row in provider.transitions.items():
        for open_question in row.doubts:
            assert open_question.switch in emulator.SWITCHES
            assert {provider.status(word) for word in open_question.words} <= row.allowed, verb


@pytest.mark.parametrize("provider", BUILT, ids=lambda provider: provider.name)
def test_an_emulator_asks_the_table(provider: Provider) -> None:
    """For each verb and native word: as the row says, and as the switches of the emulator say of what is in doubt."""
    for on in (True, False):
        doubts = {question.switch: on for row in provider.transitions.values() for question in row.doubts}
        emulator = provider.emulator(switches=doubts)
        for verb, row in provider.transitions.items():
            doubted = {word for question in row.doubts for word in question.words}
            for word in provider.statuses:
                allowed = word.status in row.allowed and (on or word.native not in doubted)
                assert emulator.allows(verb, word.native) is allowed, (verb, word.native)
            assert not emulator.allows(verb, "no such word")


# what the four tables say, a line a row; the provider pages have the sources and the doubts
ROWS = {
    "chargeapi": """
        finalize: draft → open paid [collects issues]
        pay: open (uncollectible) → paid [collects]
        void: open uncollectible → void [voids]
        update: draft open → []
    """,
    "chargebee": """
        finalize: draft → open paid [collects issues]
        pay: open → paid [collects]
        pay_part: open → open paid [collects]
        mark_paid: open → paid [records]
        record_payment: open → open paid [records]
        refund: paid → [refunds]
        credit: open paid → open paid [issues]
        void: open → void [voids]
        mark_uncollectible: open → uncollectible [voids]
        delete: draft → deleted []
    """,
    "stripe": """
        finalize: draft → open paid [issues]
        pay: open uncollectible → paid [collects]
        pay_part: open → open paid [collects]
        mark_paid: open uncollectible → paid [records]
        record_payment: open → open paid [records]
        refund: paid → [refunds]
        credit: open paid → open paid [issues]
        void: open uncollectible → void [voids]
        mark_uncollectible: open → uncollectible [voids]
        update: draft → []
        delete: draft → deleted []
        send_invoice: open → [mails]
    """,
    "whop": """
        mark_paid: open → paid [records]
        refund: paid → [mails refunds]
        void: open → void [voids]
        mark_uncollectible: open → uncollectible [voids]
        update: draft → []
        delete: draft → deleted []
        send_invoice: open → [mails]
    """,
}


def _written(row: Transition) -> str:
    def words(values: Any) -> str:
        return " ".join(sorted(str(value) for value in values))

    also = f" ({words(row.undocumented)})" if row.undocumented else ""
    return f"{words(row.allowed)}{also} → {words(row.becomes)} [{words(row.effects)}]".replace("  ", " ")


@pytest.mark.parametrize("name", ROWS)
def test_a_table_says_what_the_documentation_does(name: str) -> None:
    """Allowed (undocumented) → becomes [effects], each verb; a change of a row is seen here."""
    lines = [f"{verb}: {_written(row)}" for verb, row in providers.get(name).transitions.items()]
    assert lines == [line.strip() for line in ROWS[name].strip().splitlines()]
    assert set(ROWS) == set(providers.names())


# ── the suite that holds flows and emulators to a table ──────────────────────────────────────────────────────────────
@pytest.fixture
def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The emulators have no limit on requests."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with no_waiting():
        yield


class _Suite(Conformance):
    __test__ = False
    provider = "stripe"


def _held(check: str, verb: str, **rows: Transition) -> None:
    stripe = providers.get("stripe")
    kept = {name: row for name, row in stripe.transitions.items() if name != verb or not rows}
    declared = replace(stripe, transitions=Transitions(kept | rows))
    getattr(_Suite(), check)(declared=declared, context=_context(declared), verb=verb)


def _context(declared: Provider) -> Context:
    return make_context(declared, declared.emulator().settings)


STRIPE_VOID = providers.get("stripe").transitions["void"]
STRIPE_FINALIZE = providers.get("stripe").transitions["finalize"]


@pytest.mark.usefixtures("nothing_waits")
@pytest.mark.parametrize(
    "check,row,problem",
    [
        ("does_what_its_row_says", replace(STRIPE_VOID, becomes=frozenset({Status.PAID})), "void: open became void"),
        ("does_what_its_row_says", replace(STRIPE_VOID, becomes=frozenset()), "void: open became void"),
        (
            "does_what_its_row_says",
            replace(STRIPE_VOID, allowed=frozenset({Status.OPEN})),
            "DID NOT RAISE",
        ),
        (
            "does_what_its_row_says",
            replace(STRIPE_VOID, allowed=frozenset(Status)),
            "You can only pass in open invoices",
        ),
        ("does_what_its_row_says", replace(STRIPE_VOID, effects=frozenset()), "void also"),
        (
            "does_what_its_row_says",
            replace(STRIPE_VOID, allowed=frozenset({Status.UNKNOWN})),
            "DID NOT RAISE",
        ),
        ("declares_the_effects_of_its_row", replace(STRIPE_VOID, effects=frozenset({Effect.MAILS})), "assert"),
    ],
)
def test_a_row_that_says_something_else_fails_the_suite(check: str, row: Transition, problem: str) -> None:
    """The suite fails where a status is allowed or not, is led to, or an effect is declared against the row."""
    _held(f"test_a_verb_{check}", "void")
    with pytest.raises((AssertionError, pytest.fail.Exception, BridgeError), match=problem):
        _held(f"test_a_verb_{check}", "void", void=row)


def test_a_verb_without_a_row_fails_the_suite(request: pytest.FixtureRequest) -> None:
    """And so does a row of a verb that the provider cannot do."""
    stripe, whop = providers.get("stripe"), providers.get("whop")
    rows = {verb: row for verb, row in stripe.transitions.items() if verb != "void"}
    cases = (
        (replace(stripe, transitions=Transitions(rows)), "void"),
        (replace(whop, transitions=Transitions({**whop.transitions, "finalize": STRIPE_FINALIZE})), "finalize"),
    )
    for declared, verb in cases:
        with pytest.raises(
            AssertionError, match=f"{verb}: a built verb needs a row of TRANSITIONS, any other has none"
        ):
            _Suite().test_every_verb_is_built_or_refused_with_a_source(declared, verb, request)


REACHED = {
    "chargeapi": "draft open paid void",  # nothing makes an invoice uncollectible or deletes one
    "chargebee": "draft open paid void uncollectible deleted",
    "stripe": "draft open paid void uncollectible deleted",
    "whop": "draft open paid void uncollectible deleted",
}


@pytest.mark.usefixtures("nothing_waits")
@pytest.mark.parametrize("name", REACHED)
def test_the_suite_brings_an_invoice_to_each_status(name: str) -> None:
    """By the bills and the verbs of the provider alone; each status is met with every verb."""

    class Suite(Conformance):
        __test__ = False
        provider = name

    declared, suite = providers.get(name), Suite()
    context = _context(declared)
    bills = suite.starts(context, declared.emulator(), "void")
    reached = []
    for status in Status:
        with suite.beginning(declared, context) as (client, emulator):
            invoice = Course(client, declared, emulator, bills, suite.change).brought(status)
            assert invoice is None or invoice.status is status
            reached += [] if invoice is None else [status.value]
    assert reached == REACHED[name].split()


def test_the_toy_has_a_row_for_each_change() -> None:
    """The smallest provider of these tests declares its transitions like any other."""
    built = {verb for verb in CHANGES if not isinstance(flow := getattr(ACME.flows, verb), Cannot) and flow is not None}
    assert set(ACME.transitions) == built
