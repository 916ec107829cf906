"""Keys derive from the reference, the account and the step: the same in every process, and nothing else."""

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import (
    Collection,
    Command,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Void,
    explain,
    providers,
)
from invoice_bridge.core.idempotency import KEY_VERSION, once_key, step_key, verb_key
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import FakeClock
from invoice_bridge.explain import make_context
from tests import strategies
from tests.emulator.bench import BILLS


def test_keys_are_pinned() -> None:
    """A key of a given version never changes: a retry after an upgrade must replay, not bill again."""
    assert KEY_VERSION == 1
    assert step_key("stripe:", "res-1", 1, "open") == (
        "ib1-b32c178f15a8addf4bffe19227a8d6ac7af832777387fa2f9fee0c5d0295b41f"
    )
    assert verb_key("stripe:", "in_1", "void/void", b"", 1) == (
        "ib1-9007427b9a7aca88c228706450d5ff0fc9befb8bdc5792c8dbcac0eb920ad54f"
    )


CHARGE = OneTimeCharge(
    reference="res-1", customer="cus_42", amount=Money(1999, "EUR"), collection=Collection.charge("pm_1")
)
ACCRUED = PeriodInvoice(
    reference="res-1", customer="cus_42", currency="EUR", period=Period.month(2026, 5), collection=Collection.charge()
)
CREATE = "/api/v2/invoices/create_for_charge_items_and_charges"
GOLDEN: dict[str, tuple[Command, dict[str, str], list[str]]] = {
    "stripe": (
        CHARGE,
        {},
        [
            "/v1/invoices ib1-b32c178f15a8addf4bffe19227a8d6ac7af832777387fa2f9fee0c5d0295b41f",
            "/v1/invoices/{open.id}/add_lines ib1-006eee71508f6d5f53d2544ecf9d2180f3b422e385aec15515feff9fc8db5492",
            "/v1/invoices/{open.id}/finalize ib1-b619c1257a5ccc134d256c844ad70d5a6bd25a7f4b5ed79742ace86d8d40c5e0",
            "/v1/invoices/{open.id}/pay ib1-1b2d59750f3ead390fc63ce5e35a986e9de0684729c9424e9749bbd68dab529e",
        ],
    ),
    "chargebee": (
        CHARGE,
        {"site": "acme"},
        [
            f"{CREATE} ib1-bab5524468cd6774acea669ea2aea23218e32841e87c7121df449bc63e3c4765",
            "/api/v2/invoices/{open.id}/close ib1-1239aa381951fe458cc1ba3e47062046dc8246b5c57d0bc957cf9ea2042eb3a0",
        ],
    ),
    "whop": (
        CHARGE.model_copy(update={"issued_at": datetime(2026, 5, 1, tzinfo=UTC)}),
        {"account_id": "biz_42"},
        ["/api/v1/invoices ib1-b39fa1ccfcce0be50f8c2f4290412b8210e68354b4b4396ebdac3297f59da23c"],
    ),
    "chargeapi": (
        ACCRUED,
        {},
        [
            "/v1/invoices ib1-980dffcdcb85c412eebffcb897394667168a0d9ecaa576c668c27afb7d2576ad",
            "/v1/invoices/{open.id}/finalize ib1-32fbf65fe9c0d71e970ac5f724f398268999c5ebc2e6874a88a6b25269355d22",
            "/v1/invoices/{open.id}/pay ib1-c344293e026032b217473e1bdce6abf958254c223d5b3a4ace0f781bec26dcf8",
        ],
    ),
    "stripe, connected": (
        CHARGE.model_copy(update={"draft": True}),
        {"account": "acct_1"},
        [
            "/v1/invoices ib1-ba4bf77ba86c525021bfa682e3436d3f9a7df73ab211b5ff21050243af9cc602",
            "/v1/invoices/{open.id}/add_lines ib1-606da6e8f783bb33487df0ad97b997cd4d3b8b0efe72d05a4537d59f5b9f4652",
        ],
    ),
    "stripe, a verb": (
        Void(id="in_1"),
        {},
        ["/v1/invoices/in_1/void ib1-9007427b9a7aca88c228706450d5ff0fc9befb8bdc5792c8dbcac0eb920ad54f"],
    ),
    "chargebee, a verb": (
        Void(id="in_1"),
        {"site": "acme"},
        ["/api/v2/invoices/in_1/void ib1-7b39e2155b839a9c80f547a11e8f2d9e62d87e5f1735ece34c8e009be091c9bd"],
    ),
    "chargeapi, a verb": (
        Void(id="in_1"),
        {},
        ["/v1/invoices/in_1/void ib1-fed41d126e792263d8e4cf8ea70f7d10c10ed65b8125402af42a7bdde3f44c98"],
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("lookup", ["never", "always"])
def test_the_keys_of_every_step_are_frozen(name: str, lookup: Any) -> None:
    """Each step of a provider's flow has the key it had when version 1 was made, and sends it in its header."""
    command, settings, frozen = GOLDEN[name]
    declared = providers.get(name.partition(",")[0])
    plan = explain(declared.name, command, lookup=lookup, **settings)
    assert plan.refusal is None
    written = [request for request in plan.requests if request.writes]
    assert [f"{urlsplit(request.url).path} {request.key}" for request in written] == frozen
    assert [request.headers[declared.idempotency.header] for request in written] == [each.key for each in written]


@pytest.mark.parametrize(
    "name,window",
    [
        ("stripe", timedelta(hours=24)),
        ("chargeapi", timedelta(hours=24)),
        ("whop", timedelta(hours=24)),
        ("chargebee", timedelta(minutes=30)),
    ],
)
def test_how_long_a_provider_remembers_a_key(name: str, window: timedelta) -> None:
    """The window of each provider, and that its emulator forgets then: the same bytes bill again a moment later."""
    declared = providers.get(name)
    assert declared.idempotency.window == window
    clock = FakeClock()
    emulator = declared.emulator(clock=clock)
    assert emulator.window == window
    path, kind, content = BILLS[name]
    root = make_context(declared, emulator.settings).base_url
    said = {"Authorization": declared.auth(emulator.key), "Content-Type": kind, declared.idempotency.header: "key-1"}
    headers = {**declared.headers(emulator.settings), **said}
    made = Request("POST", root + path, headers, content)
    began = clock.now
    for passed, bills in ((timedelta(0), 1), (window - timedelta(seconds=1), 1), (window, 2)):
        clock.now = began + passed
        assert emulator(made, root).status == 200
        assert len(emulator.invoices) == bills


def test_the_recipe_of_a_key() -> None:
    """A key is the SHA-256 of a JSON list, so that any language can derive it."""
    said = '[1,"create","stripe:","rés-1","1","open"]'.encode()
    assert step_key("stripe:", "rés-1", 1, "open") == "ib1-" + hashlib.sha256(said).hexdigest()
    said = b'[1,"verb","stripe:","in_1","pay/pay","613d62","2"]'
    assert verb_key("stripe:", "in_1", "pay/pay", b"a=b", 2) == "ib1-" + hashlib.sha256(said).hexdigest()
    said = '[1,"once","stripe:","refund","rés-1","1","refund"]'.encode()
    assert once_key("stripe:", "refund", "rés-1", 1, "refund") == "ib1-" + hashlib.sha256(said).hexdigest()


def test_a_key_fits_every_provider() -> None:
    """68 ASCII characters at most, none of which needs encoding in a header."""
    for key in (step_key("", "é" * 100, 1, "x"), verb_key("scope", "id" * 100, "verb", b"\x00" * 9999, 7)):
        assert len(key) == 68
        assert key.startswith("ib1-")
        assert key.isascii()
        assert set(key[4:]) <= set("0123456789abcdef")


STEP = {"scope": "stripe:acct_1", "reference": "res-1", "attempt": 1, "step": "open"}
VERB = {"scope": "stripe:acct_1", "invoice_id": "in_1", "verb": "pay/pay", "body": b"a=b", "attempt": 1}


@pytest.mark.parametrize(
    "name,other", [("scope", "stripe:"), ("reference", "res-2"), ("attempt", 2), ("step", "lines")]
)
def test_everything_that_makes_a_bill_another_changes_its_key(name: str, other: Any) -> None:
    """Another account, reference, attempt or step is another key."""
    said: dict[str, Any] = dict(STEP)
    assert step_key(**said) != step_key(**said | {name: other})


@pytest.mark.parametrize(
    "name,other",
    [("scope", "stripe:"), ("invoice_id", "in_2"), ("verb", "pay/send"), ("body", b"a=c"), ("attempt", 2)],
)
def test_everything_that_makes_a_verb_another_changes_its_key(name: str, other: Any) -> None:
    """Another account, invoice, verb, body or attempt is another key."""
    said: dict[str, Any] = dict(VERB)
    assert verb_key(**said) != verb_key(**said | {name: other})


ONCE = {"scope": "stripe:acct_1", "verb": "refund", "reference": "re-1", "attempt": 1, "step": "refund"}


@pytest.mark.parametrize(
    "name,other", [("scope", "stripe:"), ("verb", "credit"), ("reference", "re-2"), ("attempt", 2), ("step", "attach")]
)
def test_everything_that_makes_a_refund_another_changes_its_key(name: str, other: Any) -> None:
    """Neither its invoice nor its amount does: with those changed, the provider refuses the key."""
    said: dict[str, Any] = dict(ONCE)
    assert once_key(**said) != once_key(**said | {name: other})


def test_parts_cannot_run_into_one_another() -> None:
    """Where one part ends and the next begins is part of the key."""
    said = [("a", "b"), ("ab", ""), ("", "ab"), ('a","b', ""), ("a", 'b","')]
    keys = [step_key(scope, reference, 1, "open") for scope, reference in said]
    assert all(one != other for one, other in combinations(keys, 2))
    assert step_key("s", "r", 1, "x") != verb_key("s", "r", "x", b"", 1)


@given(scope=strategies.texts, reference=strategies.words, attempt=st.integers(1, 99), step=strategies.texts)
def test_for_every_bill_the_key_is_the_same_again(scope: str, reference: str, attempt: int, step: str) -> None:
    """For every bill, asking twice gives one key: nothing of it is a clock or chance."""
    assert step_key(scope, reference, attempt, step) == step_key(scope, reference, attempt, step)


def test_defect_13_the_key_is_the_same_in_another_process() -> None:
    """A process started again derives the same key, whatever its hash seed."""
    code = "from invoice_bridge.core.idempotency import step_key; print(step_key('stripe:', 'res-1', 1, 'open'))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert told == {step_key("stripe:", "res-1", 1, "open")}
