"""Hostile input: only the documented errors come out, and whatever comes out can be shown, written and read again.

`make soak` feeds the same targets a million times, guided by the coverage that each input reaches.
"""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.mutations import FRAGMENTS, Spelling, mutated, places, put, read, write
from tests.hostile.targets import NAMES, TARGETS, Finding, Target

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
EVERY = 12


@every_target
def test_what_is_as_it_ought_to_be_passes(target: Target) -> None:
    """The emulators' own answers, and the files that ship, do what their documentation says; there are some of each."""
    for data in target.seeds:
        target(data)
    assert len(target.seeds) >= 6


@every_target
@given(chance=st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])
def test_a_real_document_changed_anywhere(target: Target, chance: random.Random) -> None:
    """For every change of a few values, names or bytes: the documented errors alone, or something whole."""
    target(mutated(chance.choice(target.seeds), chance))


@every_target
@given(data=st.binary() | st.text().map(str.encode))
def test_any_bytes(target: Target, data: bytes) -> None:
    """For any bytes: the documented errors alone."""
    target(data)


@pytest.mark.parametrize("provider", NAMES)
def test_a_vile_value_at_every_path(provider: str) -> None:
    """At every path of an invoice, in turn a twelfth of the vile values: unreadable, or an invoice that is whole."""
    target = TARGETS[f"decode-{provider}"]
    document = max((data.rpartition(b"\0")[2] for data in target.seeds[:-1]), key=_paths)
    paths = _paths(document)
    assert paths >= 20
    for path in range(paths):
        for fragment in FRAGMENTS[path % EVERY :: EVERY]:
            root = [read(document)]
            put(*list(places(root))[path], Spelling(fragment))
            target(b"\0" + write(root[0]))


def _paths(document: bytes) -> int:
    return len(list(places([read(document)])))


@pytest.mark.parametrize("name", ["money", "json", "decode-stripe"])
@pytest.mark.parametrize("long", [b"[" * 100_000, b"9" * 100_000, b'{"a":' * 50_000, b'"' + b"\\ud800" * 50_000 + b'"'])
def test_long_input_takes_no_second(name: str, long: bytes) -> None:
    """Deep nesting, digits without end and halves of pairs are refused or read without delay."""
    for form in (b"", b"t\0", b"m\0", b"d\0", b"EUR\0\0", b"EUR\0d\0"):
        TARGETS[name](form + long)


def test_the_clock_and_the_errors_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that takes a second, and one that raises what it may not, are findings: the tests above can fail."""

    def wrong(data: bytes) -> None:
        raise KeyError(data)

    with pytest.raises(KeyError):
        Target("wrong", wrong, list)(b"")
    slow = Target("slow", len, list)
    monkeypatch.setattr("time.thread_time", iter([0.0, 1.5]).__next__)
    with pytest.raises(Finding, match=r"slow: 1 bytes took 1\.5 s"):
        slow(b"x")
