"""What a decoded invoice that is kept needs in memory, its raw included: python benchmarks/memory.py"""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import fixtures
import library
from frame import Benchmark, Gate, Measurements, Options, main

_COUNT = 1_000
ABOUT = (
    "A thousand Stripe invoices of 4.4 kB and two lines, in pages of a hundred, each page read from its bytes as "
    "above and every invoice kept: what tracemalloc counts as allocated then, divided by a thousand. The bytes of "
    "the answers are not kept, `raw` is. The peer keeps what `json.loads` makes of the same bytes."
)
GATES = (Gate("a kept invoice of 4.4 kB, raw included", "invoice", "json.loads alone", "value", 19_000, "B"),)


def kept(read: Callable[[bytes], Any], pages: Iterable[int], size: int) -> float:
    """Bytes an item that stay allocated, of pages of `size` items."""
    read(fixtures.stripe_page("4.4 kB", size))  # what is made once only
    gc.collect()
    tracemalloc.start()
    try:
        items: list[Any] = []
        for number in pages:
            items += read(fixtures.stripe_page("4.4 kB", size, number * size))
        gc.collect()
        allocated, _ = tracemalloc.get_traced_memory()
        return allocated / len(items)
    finally:
        tracemalloc.stop()


def measure(options: Options) -> Measurements:
    library.hide_msgspec()
    read = library.read_page("stripe")
    pages, size = (range(1), 10) if options.small else (range(_COUNT // 100), 100)
    measured = Measurements(samples={"invoice": [], "json.loads alone": []})
    for _ in range(options.rounds):
        measured.samples["invoice"].append(kept(lambda content: read(content).items, pages, size))
        measured.samples["json.loads alone"].append(kept(lambda content: json.loads(content)["data"], pages, size))
    return measured


BENCHMARK = Benchmark("memory", "Memory", ABOUT, 3, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
