"""Measure what the dearest answers cost, and how late each kind of drip ends; prints the tables of SECURITY.md.

python tools/bounds.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.costs import ANSWERS, cost
from tests.drips import CALLS, KINDS, TLS, serving


def answers() -> None:
    print("| answer | bytes on the wire | memory | seconds | outcome |\n|---|---|---|---|---|")
    for name in ANSWERS:
        took = cost(name)
        print(f"| {name} | {took.on_wire:,} | {took.grown} MB | {took.seconds:.2f} | {took.outcome} |", flush=True)


def drips() -> None:
    print("\n| drip | sync | async |\n|---|---|---|")
    for kind, answer in {**KINDS, "TLS handshake": TLS}.items():
        scheme = "https" if kind == "TLS handshake" else "http"
        with serving(answer) as where:
            ended = [call({"base_url": f"{scheme}://{where}", "timeout": 1.0})[0] for call in CALLS.values()]
        print(f"| {kind} | {ended[0]:.2f} | {ended[1]:.2f} |", flush=True)


if __name__ == "__main__":
    answers()
    drips()
