"""Threads of a worker rest where they only hand the interpreter to each other, and work where they wait for answers."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from invoice_bridge.migrate.crew import Crew

THREADS = 4
BEGAN = (0.0, 0.0)


class Timed(Crew):
    """A crew whose batches take a second, for a part of which each thread computes."""

    computed = 0.0

    def now(self) -> tuple[float, float]:
        return 1.0, self.computed


def rest(crew: Crew, count: int) -> list[threading.Thread]:
    """Have so many threads rest."""
    threads = [threading.Thread(target=crew.rest, args=(lambda: True,), daemon=True) for _ in range(count)]
    for each in threads:
        each.start()
    ends = time.monotonic() + 30
    while crew.resting < count:
        assert time.monotonic() < ends
        time.sleep(0.001)
    return threads


@contextmanager
def ends_soon() -> Iterator[None]:
    """Hold that the block does not wait for a nap to end, let alone for several."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 10


def test_a_thread_is_spare_where_all_of_them_compute() -> None:
    """Four of them compute for a quarter of the time each, as with an interpreter that one uses at a time."""
    crew = Timed(THREADS)
    crew.computed = 0.25
    assert crew.is_spare(BEGAN)
    crew.computed = 0.1
    assert not crew.is_spare(BEGAN)


def test_the_last_one_never_rests() -> None:
    crew = Timed(THREADS)
    rest(crew, THREADS - 1)
    crew.computed = 0.95
    assert not crew.is_spare(BEGAN)
    crew.rest(lambda: True)  # returns at once, though it would be woken by nobody
    assert crew.resting == THREADS - 1


def test_one_that_rests_comes_back_where_the_others_wait() -> None:
    """One at a time: the next batch shows whether another one helps."""
    crew = Timed(THREADS)
    resting = rest(crew, THREADS - 1)
    crew.computed = 0.01
    with ends_soon():
        assert not crew.is_spare(BEGAN)
        while crew.resting == THREADS - 1:
            time.sleep(0.001)
    assert crew.resting == THREADS - 2
    assert sum(each.is_alive() for each in resting) == THREADS - 2


def test_those_that_rest_come_back_when_another_leaves() -> None:
    """They look for themselves whether anything is left."""
    crew = Timed(THREADS)
    resting = rest(crew, THREADS - 1)
    with ends_soon():
        crew.leave()
        for each in resting:
            each.join(30)
    assert crew.resting == 0


def test_one_that_rests_comes_back_when_the_worker_ends() -> None:
    """A stopped worker notifies nobody: it is asked about after each nap."""
    crew, stopped = Timed(THREADS), threading.Event()
    resting = threading.Thread(target=crew.rest, args=(lambda: not stopped.is_set(),), daemon=True)
    resting.start()
    stopped.set()
    with ends_soon():
        resting.join(30)
    assert not resting.is_alive()
