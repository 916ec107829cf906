"""Providers without idempotency keys, or with keys for some methods only, are held to the same suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, Money, OneTimeCharge, OutcomeUnknown, Unreachable, providers
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.cli.capabilities import provider_json
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.explain import make_context
from invoice_bridge.matrix import provider_page
from invoice_bridge.testing import Conformance
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.testing import methods


@pytest.fixture
def registered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A variant of Acme, under its name, for one test."""
    monkeypatch.setitem(providers._BUILT_IN, "acme", f"tests.testing.methods:{request.param}")
    providers.get.cache_clear()
    yield providers.get("acme")
    providers.get.cache_clear()


class _Acme(Conformance):
    """The suite, of a provider that stands under the name "acme" for these tests alone."""

    __test__ = False
    provider = "acme"
    variant: str

    @pytest.fixture
    def declared(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
        """Register the variant."""
        monkeypatch.setitem(providers._BUILT_IN, "acme", f"tests.testing.methods:{self.variant}")
        providers.get.cache_clear()
        yield providers.get("acme")
        providers.get.cache_clear()

    def proves(self, request: pytest.FixtureRequest, verb: str, kind: str) -> None:
        """It does not exist: it proves nothing of any provider."""


class TestKeyless(_Acme):
    """A provider without keys, whose update is a PATCH, keeps every promise."""

    __test__ = True
    variant = "KEYLESS"


class TestKeysOnPatch(_Acme):
    """A provider that takes keys on POST and PATCH keeps every promise."""

    __test__ = True
    variant = "PATCH_WITH_KEYS"


class TestPut(_Acme):
    """A provider whose update is a PUT, documented to replace, keeps every promise."""

    __test__ = True
    variant = "PUT"


# ── one lost answer at a time ────────────────────────────────────────────────────────────────────────────────────────
BILL = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"))
DRAFT = BILL.model_copy(update={"draft": True})


@contextmanager
def _meeting(emulator: Any, *faults: Fault, **settings: Any) -> Iterator[tuple[Client, EmulatorTransport]]:
    transport = EmulatorTransport(Faults(emulator, faults), "https://api.acme.test/v1")
    with httpx.Client(transport=transport) as http:
        yield Client("acme", api_key=emulator.key, http=http, **settings), transport


def _sent(transport: EmulatorTransport, *methods_: str) -> int:
    return sum(request.method in methods_ for request in transport.sent)


@pytest.mark.parametrize(
    "registered,kind,sent,applied",
    [
        ("PUT", Kind.RESET_AFTER, 2, 2),  # documented to replace: twice is once
        ("PUT", Kind.RESET_BEFORE, 2, 1),
        ("PUT_ONCE", Kind.RESET_AFTER, 1, 1),
        ("PUT_ONCE", Kind.RESET_BEFORE, 1, 0),
        ("PATCH", Kind.RESET_AFTER, 1, 1),
        ("PATCH", Kind.RESET_BEFORE, 1, 0),
        ("PATCH_WITH_KEYS", Kind.RESET_AFTER, 2, 1),
        ("PATCH_WITH_KEYS", Kind.RESET_BEFORE, 2, 1),
        ("KEYLESS", Kind.RESET_AFTER, 1, 1),
        ("KEYLESS", Kind.RESET_BEFORE, 1, 0),
    ],
    indirect=["registered"],
)
def test_defect_63_a_lost_put_or_patch_ends_in_the_truth(
    registered: Provider, kind: Kind, sent: int, applied: int
) -> None:
    """Defect 63: a lost PUT or PATCH is sent again only where that is safe; else the invoice is read afterwards."""
    emulator = registered.emulator()
    with _meeting(emulator) as (client, _):
        draft = client.create(DRAFT)
    lost = [Fault(kind, method=method) for method in ("PUT", "PATCH")]
    with _meeting(emulator, *lost) as (client, transport):
        if applied:
            assert client.update(draft.id, description="Changed").description == "Changed"
        else:
            with pytest.raises(OutcomeUnknown) as unknown:
                client.update(draft.id, description="Changed")
            assert (unknown.value.outcome, unknown.value.invoice_id) == ("unknown", draft.id)
    assert _sent(transport, "PUT", "PATCH") == sent
    assert emulator.invoices[draft.id].get("updates", 0) == applied


@pytest.mark.parametrize("registered", ["KEYLESS"], indirect=True)
@pytest.mark.parametrize("place,path", [(0, "/invoices"), (1, "finalize")])
def test_defect_63_a_lost_bill_without_a_key_is_looked_up(registered: Provider, place: int, path: str) -> None:
    """Defect 63: without keys a bill's request that lost its answer is not repeated: the invoice is found."""
    emulator = registered.emulator()
    with _meeting(emulator, Fault(Kind.RESET_AFTER, method="POST", skip=place)) as (client, transport):
        created = client.create(BILL)
    posts = [request.url for request in transport.sent if request.method == "POST"]
    assert len(posts) == 2
    assert posts[place].endswith(path)
    assert [entry.event for entry in emulator.ledger] == ["issued"]
    assert list(emulator.invoices) == [created.id]
    assert all("idempotency-key" not in request.headers for request in transport.sent)


@pytest.mark.parametrize("registered", ["KEYLESS"], indirect=True)
def test_defect_63_what_cannot_be_found_is_unknown(registered: Provider) -> None:
    """Defect 63: a request without a key that never arrived, or that nobody may look up, is unknown, and sent once."""
    for kind, settings in ((Kind.RESET_BEFORE, {}), (Kind.RESET_AFTER, {"lookup": "never"})):
        emulator = registered.emulator()
        with _meeting(emulator, Fault(kind, method="POST"), **settings) as (client, transport):
            with pytest.raises(OutcomeUnknown) as unknown:
                client.create(BILL)
            assert unknown.value.outcome == "unknown"
            assert isinstance(unknown.value.__cause__, Unreachable)
        assert _sent(transport, "POST") == 1


@pytest.mark.parametrize("registered", ["KEYLESS"], indirect=True)
def test_a_journal_takes_requests_without_keys(registered: Provider, tmp_path: Path) -> None:
    """The journal writes down a request without a key, and the same bill made again is found."""
    emulator = registered.emulator()
    for _ in range(2):
        with _meeting(emulator, journal=tmp_path / "bills.sqlite") as (client, _transport):
            client.create(BILL)
    assert [entry.event for entry in emulator.ledger] == ["issued"]


# ── the declaration ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "registered,says,methods_",
    [
        ("KEYLESS", "it has none: a write that was lost is not sent again", []),
        ("PATCH_WITH_KEYS", "`Idempotency-Key` on PATCH, POST, remembered for 24 h", ["PATCH", "POST"]),
        ("PUT", "`Idempotency-Key`, remembered for 24 h", ["POST"]),
    ],
    indirect=["registered"],
)
def test_the_pages_say_which_methods_take_keys(registered: Provider, says: str, methods_: list[str]) -> None:
    """The generated page and the program's JSON state the methods, or that there are no keys."""
    assert says in provider_page("acme")
    keys = provider_json(registered)["idempotency"]
    assert keys["methods"] == methods_
    assert (keys["header"], keys["window_seconds"]) == (("Idempotency-Key", 86400) if methods_ else (None, 0))


HOUR = timedelta(hours=1)
POST: frozenset[str] = frozenset({"POST"})


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"methods": frozenset()}, "without keys use no_keys"),
        ({"header": ""}, "without keys use no_keys"),
        ({"window": timedelta(0)}, "remembers them for some time"),
        ({"header": "", "methods": frozenset()}, "that time is zero"),
        ({"methods": frozenset({"GET"})}, "GET: keys belong to writing methods"),
        ({"methods": frozenset({"post"})}, "post: keys belong to writing methods"),
        ({"repeatable": frozenset({"PATCH"})}, "POST and PATCH are not idempotent"),
        ({"repeatable": POST}, "POST and PATCH are not idempotent"),
        (
            {"header": "", "window": timedelta(0), "methods": frozenset(), "replay_header": "X"},
            "nothing to replay or to keep",
        ),
        (
            {"header": "", "window": timedelta(0), "methods": frozenset(), "keeps_failures": True},
            "nothing to replay or to keep",
        ),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(arguments: dict[str, Any], message: str) -> None:
    """Header, lifetime and methods belong together; the message says what to write."""
    whole: dict[str, Any] = {"header": "Key", "window": HOUR, "source": "docs"}
    with pytest.raises(ValueError, match=message):
        Idempotency(**whole | arguments)


def test_no_keys_is_a_declaration_with_a_source() -> None:
    """A provider without keys states where its documentation shows that."""
    keys = Idempotency.no_keys("docs", repeatable=frozenset({"PUT"}))
    assert (keys.header, keys.window, keys.source, keys.methods) == ("", timedelta(0), "docs", frozenset())
    assert keys.repeatable == {"PUT"}
    assert methods.KEYLESS.idempotency.repeatable == {"DELETE"}


# ── the suite can fail ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("registered", ["CLAIMS_KEYS"], indirect=True)
def test_a_provider_that_claims_keys_and_has_none_does_not_pass(registered: Provider) -> None:
    """An adapter that declares keys which its provider ignores bills twice after a lost answer: a check sees it."""

    class Suite(Conformance):
        __test__ = False
        provider = "acme"

    context = make_context(registered, registered.emulator().settings)
    with pytest.raises(AssertionError):
        Suite().test_a_lost_answer_is_asked_for_again(registered, context)
    assert Suite().doing(registered, context, "update") is not None
    with pytest.raises(AssertionError, match=r"update was applied twice"):
        Suite().test_a_lost_answer_of_a_verb_ends_in_the_truth(registered, context, "update", Kind.RESET_AFTER)
