"""What is computed before anything is sent: the first request, the losses, and explain: python benchmarks/pure.py"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import bills
import fixtures
import library
from frame import Benchmark, Gate, Measurements, Options, main, race

ABOUT = (
    "Pure functions on a bill of two lines at Stripe, made beforehand: `next` of the flow of `create`, which "
    "gives the first request; `losses(provider, bill)`; `explain(provider, bill)`. The limits are absolute; since "
    "machines differ, the table also says how often `json.loads(json.dumps(…))` of a Stripe invoice of 4.4 kB, "
    "with the standard library, fits into each. CPU time of this process."
)
_PEER = "json, 4.4 kB"
GATES = (
    Gate("first request of a bill of two lines", "first request", _PEER, "value", 80e-6),
    Gate("losses of it", "losses", _PEER, "value", 40e-6),
    Gate("explain of it", "explain", _PEER, "value", 390e-6),
)


def measure(options: Options) -> Measurements:
    library.hide_msgspec()
    from invoice_bridge import explain, losses

    bill = bills.bill("stripe", "00000001")
    invoice = fixtures.stripe_invoice(1, 2)
    first = library.first_request("stripe", bill)
    assert first().url.endswith("/v1/invoices")
    assert len(explain("stripe", bill, lookup="never").requests) == 3
    contestants: dict[str, Callable[[], object]] = {
        "first request": first,
        "losses": lambda: losses("stripe", bill),
        "explain": lambda: explain("stripe", bill, lookup="never"),
        _PEER: lambda: json.loads(json.dumps(invoice)),
    }
    measured = Measurements()
    measured.add(race(contestants, options.rounds, clock=time.process_time))
    return measured


BENCHMARK = Benchmark("pure", "Before anything is sent", ABOUT, 41, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
