"""What a replayed request costs, by vcrpy and by the player: python benchmarks/replay.py [--rounds 3]"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import recordings
from frame import Benchmark, Gate, Measurements, Options, is_installed, main

SIZES = (100, 1_000, 4_000)
SAMPLE = {100: 100, 1_000: 100, 4_000: 12}
"""How many requests vcrpy is asked for; the player is asked for all of a cassette."""
DEFAULT = ("method", "scheme", "host", "port", "path", "query")
ABOUT = (
    "Cassettes of so many creating requests, each for its own customer, a form of 330 bytes and an answer of 1.5 "
    "kB. All of them are asked for in a shuffled order through `httpx.Client`; vcrpy is asked for 100 of them, "
    "and for 12 of the largest cassette. A sample is the median of the single calls of a round, wall time, and "
    "the player and vcrpy take turns. httpx alone, by its MockTransport, is what the player's figure has in it of "
    "httpx."
)


def _label(size: int, bodies: bool) -> str:
    return f"{size:,} requests, {'bodies compared' if bodies else 'default match'}"


CASES = [(size, bodies) for size in SIZES for bodies in (False, True)]
GATES = (
    *(
        Gate(f"a request, {(case := _label(size, bodies))}", f"player, {case}", f"vcrpy, {case}", "value", 0.3e-3)
        for size, bodies in CASES
    ),
    Gate("a request by httpx alone", "httpx alone", None, "value", None),
)


@contextmanager
def by_vcrpy(path: Path, bodies: bool) -> Iterator[httpx.Client]:
    from vcr.config import VCR
    from vcr.record_mode import RecordMode

    match_on = [*DEFAULT, "body"] if bodies else list(DEFAULT)
    plain: Any = VCR(record_mode=RecordMode.NONE, match_on=match_on)  # type: ignore[no-untyped-call]
    with plain.use_cassette(str(path)), httpx.Client() as http:
        yield http


@contextmanager
def by_player(path: Path, bodies: bool) -> Iterator[httpx.Client]:
    from invoice_bridge.cassettes import Player

    with httpx.Client(transport=Player(path, match_on_body=bodies)) as http:
        yield http


@contextmanager
def by_nothing(_path: Path, _bodies: bool) -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}"))) as http:
        yield http


def replay(player: Any, path: Path, numbers: list[int], bodies: bool) -> float:
    """The median of the seconds of a request."""
    with player(path, bodies) as http:
        took = []
        for number in numbers:
            url, content = recordings.call(number)
            began = time.perf_counter()
            http.post(url, content=content, headers={"Content-Type": recordings.FORM}).raise_for_status()
            took.append(time.perf_counter() - began)
        return statistics.median(took)


def measure(options: Options) -> Measurements:
    measured = Measurements()
    if not (is_installed("vcr") and is_installed("yaml")):
        measured.missing |= {name: "vcrpy is not installed" for gate in GATES for name in (gate.ours, gate.peer or "")}
        return measured
    with TemporaryDirectory() as folder:
        for size, bodies in CASES:
            path, count = Path(folder, f"{size}.yaml"), size // 100 if options.small else size
            if not path.exists():
                recordings.write(path, count)
            order = list(range(count))
            random.Random(5).shuffle(order)
            case = _label(size, bodies)
            for _ in range(options.rounds):
                for name, player, numbers in (
                    (f"vcrpy, {case}", by_vcrpy, order[: SAMPLE[size]]),
                    (f"player, {case}", by_player, order),
                    ("httpx alone", by_nothing, order[:1000]),
                ):
                    measured.samples.setdefault(name, []).append(replay(player, path, numbers, bodies))
    return measured


BENCHMARK = Benchmark("replay", "Replaying", ABOUT, 3, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
