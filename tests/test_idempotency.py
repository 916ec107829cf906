"""Keys derive from the reference, the account and the step: the same in every process, and nothing else."""

import hashlib
import subprocess
import sys
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge.idempotency import KEY_VERSION, step_key, verb_key
from tests import strategies


def test_keys_are_pinned() -> None:
    """A key of a given version never changes: a retry after an upgrade must replay, not bill again."""
    assert KEY_VERSION == 1
    assert step_key("stripe:", "res-1", 1, "open") == (
        "ib1-b32c178f15a8addf4bffe19227a8d6ac7af832777387fa2f9fee0c5d0295b41f"
    )
    assert verb_key("stripe:", "in_1", "void/void", b"", 1) == (
        "ib1-9007427b9a7aca88c228706450d5ff0fc9befb8bdc5792c8dbcac0eb920ad54f"
    )


def test_the_recipe_of_a_key() -> None:
    """A key is the SHA-256 of a JSON list, so that any language can derive it."""
    said = '[1,"create","stripe:","rés-1","1","open"]'.encode()
    assert step_key("stripe:", "rés-1", 1, "open") == "ib1-" + hashlib.sha256(said).hexdigest()
    said = b'[1,"verb","stripe:","in_1","pay/pay","613d62","2"]'
    assert verb_key("stripe:", "in_1", "pay/pay", b"a=b", 2) == "ib1-" + hashlib.sha256(said).hexdigest()


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
    code = "from invoice_bridge.idempotency import step_key; print(step_key('stripe:', 'res-1', 1, 'open'))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert told == {step_key("stripe:", "res-1", 1, "open")}
