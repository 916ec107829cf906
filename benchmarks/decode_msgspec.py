"""Decode Stripe's pages with msgspec as the library's JSON loader: python benchmarks/decode_msgspec.py [--rounds 21]

A process of its own: what reads JSON is chosen when the library is imported.
"""

from __future__ import annotations

from dataclasses import replace

import decode
import fixtures
import library
from frame import Benchmark, Measurements, Options, is_installed, main

ABOUT = (
    "Stripe's pages as above, in a process in which the library may load msgspec. Where it does not load it, "
    "nothing is measured: the figures would be those above."
)
GATES = tuple(
    replace(gate, work=f"{gate.work}, with msgspec")
    for gate in decode.stripe_gates(
        {"0.5 kB": 12, "4.4 kB": 4, "20 kB": 2.5},
        {"0.5 kB": 7, "4.4 kB": 15, "20 kB": 25},
    )
)


def measure(options: Options) -> Measurements:
    measured = Measurements()
    reason = "" if is_installed("msgspec") else "msgspec is not installed"
    if not reason:
        decode.checked_page("stripe", fixtures.stripe_page("4.4 kB", 1), 2, 1)
        reason = "" if library.is_msgspec_used() else "the library does not load msgspec"
    if reason:
        measured.missing |= {name: reason for gate in GATES for name in (gate.ours, gate.peer or "")}
    else:
        decode.measure_stripe(options, measured)
    return measured


BENCHMARK = Benchmark("decode_msgspec", "Decoding with msgspec", ABOUT, 21, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
