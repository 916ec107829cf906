"""Load cassettes and redact recordings: python benchmarks/cassettes.py [--rounds 5]"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fixtures
from frame import Benchmark, Gate, Measurements, Options, is_installed, main, race
from recordings import write

SIZES = (4_000, 10_000)
"""Interactions of a file."""
ABOUT = (
    "A cassette as vcrpy writes it: so many requests that make an invoice, a form of 330 bytes and an answer of "
    "0.5 kB each, with five headers in all. `Player(path)` reads the file and files its requests; the peer is "
    "`yaml.load` with libyaml's safe loader, of the same file. What is redacted is 1 MB of Stripe invoices of 4.4 "
    "kB: as one answer, and as interactions of an invoice each. CPU time of this process, one call a sample."
)
GATES = (
    *(
        Gate(f"load {size:,} interactions, × yaml.CSafeLoader", f"load {size}", f"CSafeLoader {size}", "ratio", 1.3)
        for size in SIZES
    ),
    Gate("redact an answer of 1 MB", "redact answer", None, "value", 0.3),
    Gate("redact interactions of 1 MB in all", "redact interactions", None, "value", 0.3),
)


def measure_loading(options: Options, measured: Measurements) -> None:
    import yaml

    from invoice_bridge import ConfigurationError
    from invoice_bridge.cassettes import Player

    for size in SIZES:
        with TemporaryDirectory() as folder:
            path = Path(folder, "cassette.yaml")
            write(path, size // 500 if options.small else size, lines=4)
            content = path.read_bytes()
            peer = f"CSafeLoader {size}"
            contestants: dict[str, Callable[[], Any]] = {
                peer: lambda content=content: yaml.load(content, yaml.CSafeLoader)
            }
            try:
                Player(path)
                contestants[f"load {size}"] = lambda path=path: Player(path)
            except ConfigurationError as refusal:
                measured.missing[f"load {size}"] = str(refusal).replace(str(path), path.name)
            measured.add(race(contestants, options.rounds, clock=time.process_time, warm=0, single=True))
            measured.facts.append(f"{size:,} interactions: {len(content) / 1e6:.1f} MB of YAML")


def measure_redaction(options: Options, measured: Measurements) -> None:
    from invoice_bridge.cassettes import Redactor

    count = 2 if options.small else 228
    headers = {"Content-Type": ["application/json"], "Request-Id": ["req_bench"]}
    whole = {"status": {"code": 200, "message": "OK"}, "headers": headers}
    content = fixtures.stripe_page("4.4 kB", count)
    bodies = [fixtures.encode(fixtures.stripe_invoice(number, 2)) for number in range(count)]
    page = {**whole, "body": {"string": content}}
    request = {
        "method": "POST",
        "uri": "https://api.stripe.com/v1/invoices",
        "headers": {"Content-Type": ["application/x-www-form-urlencoded"]},
        "body": "customer=cus_42&currency=eur&description=Reservation+fees",
    }
    interactions = [{"request": request, "response": {**whole, "body": {"string": body}}} for body in bodies]

    def redact_all() -> None:
        redactor = Redactor("stripe")
        for one in interactions:
            redactor.interaction(one)

    redacted = Redactor("stripe").response(page)["body"]["string"]
    assert b"customer0@example.test" not in redacted, "nothing is redacted"
    contestants: dict[str, Callable[[], Any]] = {
        "redact answer": lambda: Redactor("stripe").response(page),
        "redact interactions": redact_all,
    }
    measured.add(race(contestants, options.rounds, clock=time.process_time, single=True))
    size = sum(map(len, bodies))
    measured.facts.append(f"redacted: an answer of {len(content):,} bytes; {count} interactions of {size:,} bytes")


def measure(options: Options) -> Measurements:
    measured = Measurements()
    reason = next((f"{package} is not installed" for package in ("yaml", "vcr") if not is_installed(package)), "")
    if reason:
        measured.missing |= {name: reason for gate in GATES for name in (gate.ours, gate.peer or "")}
        return measured
    measure_loading(options, measured)
    measure_redaction(options, measured)
    return measured


BENCHMARK = Benchmark("cassettes", "Cassettes", ABOUT, 5, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
