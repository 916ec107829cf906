"""The spellings of a key: every one is found, and nothing else is touched."""

import copy
import html
import json
import pickle
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge.client.credentials import ApiKey
from tests.secrets.canary import CANARIES, says, spellings

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=120)
AROUND = st.text(st.characters(max_codepoint=0x2FF), max_size=20)


@pytest.mark.parametrize("key", CANARIES.values())
def test_every_spelling_of_a_key_is_taken_out(key: str) -> None:
    """Raw, percent-encoded, escaped and in base64 of either alphabet, in a text and in a body."""
    hidden = ApiKey(key)
    for spelling in spellings(key):
        assert says(spelling, key), "the look for the key is blind"
        assert not says(hidden.conceal(f"before {spelling} after"), key), spelling
        assert not says(hidden.conceal(f"before {spelling} after".encode()), key), spelling
        assert hidden.is_in(spelling)


@given(KEYS, AROUND, AROUND)
def test_whatever_the_key_and_whatever_stands_around_it(key: str, before: str, after: str) -> None:
    """For every key of 12 and more characters."""
    hidden = ApiKey(key)
    for spelling in spellings(key):
        assert spelling not in hidden.conceal(f"{before} {spelling} {after}")
    assert hidden.conceal(f"{before} {key} {after}".encode()) == hidden.conceal(f"{before} {key} {after}").encode()


@pytest.mark.parametrize(
    "text", ["", "skip the task", "100% of sk_test_not_a_key", r"a\/b \u0041 &amp; %2F %zz", "Zq7/+"]
)
def test_what_does_not_say_the_key_stays_as_it_is(text: str) -> None:
    """Byte for byte: what is escaped in it stays escaped, and the beginning of a key is no key."""
    hidden = ApiKey(CANARIES["stripe"])
    assert hidden.conceal(text) == text
    assert hidden.conceal(text.encode()) == text.encode()
    assert hidden.is_in(text) is False


def test_a_backslash_before_a_sign_is_found_as_json_spells_it() -> None:
    """A key of 12 characters: two backslashes before a colon looked as an escape of the colon."""
    hidden = ApiKey("000000\\:0000")
    assert hidden.conceal('{"a": "000000\\\\:0000"}') == '{"a": "[api key]"}'
    assert (
        hidden.conceal(r"000000\:0000 in a text in JSON: 000000\\\\:0000") == "[api key] in a text in JSON: [api key]"
    )


@pytest.mark.parametrize(
    "key", [r"000000\:00/0", r"abcd\\ef/ghij", "abcde%41/fghij", "abcde&amp;/ghi", r"abcd\u0041/efgh"]
)
def test_a_key_that_looks_escaped_is_found_beside_an_escape(key: str) -> None:
    """What looks like an escape in the key was taken apart in the answer alone, where another sign was escaped too."""
    hidden = ApiKey(key)
    slashed, quoted = json.dumps(key).replace("/", r"\/"), quote(key, safe="")
    for spelling in (slashed, f'"{quoted}"', f'"{html.escape(quoted)}"', json.dumps(slashed)):
        assert key not in spelling
        concealed = hidden.conceal(f"a {spelling} b")
        assert re.fullmatch(r"a [\\\x22]*\[api key\][\\\x22]* b", concealed), concealed
        assert hidden.conceal(f"a {spelling} b".encode()) == concealed.encode()


def test_what_stands_around_a_key_stays_as_it_is() -> None:
    """Only the key itself is replaced."""
    hidden = ApiKey("sk_test_not_a_key_canary_Zq7/+")
    said = r"%41\/ sk_test_not_a_key_canary_Zq7%2f%2B &amp; sk_test_not_a_key_canary_Zq7\/+."
    assert hidden.conceal(said) == r"%41\/ [api key] &amp; [api key]."
    assert hidden.conceal("c2tfdGVzdF9ub3RfYV9rZXlfY2FuYXJ5X1pxNy8rOg==") == "[api key]Og=="


@pytest.mark.parametrize("key", ["x", "test", "not_a_key_1"])
def test_a_short_key_is_no_word_to_look_for(key: str) -> None:
    """Defect 19: a short secret, replaced wherever its letters stood, has destroyed whole recordings."""
    assert ApiKey(key).conceal(f"a {key} b") == f"a {key} b"
    assert ApiKey(key).conceal(b'{"id": "x", "status": "test"}') == b'{"id": "x", "status": "test"}'


def test_a_hostile_body_is_read_once() -> None:
    """Runs of escapes are read in one go; read anew from each of them, this test would not end."""
    for run in (b"\\", b"%25", b"%", b"&#0", b"&#x", b"sk_test_", b"&"):
        assert len(ApiKey(CANARIES["stripe"]).conceal(run * 200_000)) == len(run) * 200_000


def test_a_key_is_neither_shown_nor_pickled_nor_copied() -> None:
    """The one object that holds it says nothing of it, and does not leave the process."""
    hidden = ApiKey(CANARIES["stripe"])
    assert (repr(hidden), str(hidden), f"{hidden}") == ("[api key]",) * 3
    for leaves in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            leaves(hidden)
