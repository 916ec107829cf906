"""Measure the cost of the most expensive answers, and the end of each kind of drip; print the tables of SECURITY.md.

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
        spent = cost(name)
        print(f"| {name} | {spent.on_wire:,} | {spent.grown} MB | {spent.seconds:.2f} | {spent.outcome} |", flush=True)


def drips() -> None:
    print("\n| drip | sync | async |\n|---|---|---|")
    for kind, answer in {**KINDS, "TLS handshake": TLS}.items():
        scheme = "https" if kind == "TLS handshake" else "http"
        with serving(answer) as address:
            seconds = [call({"base_url": f"{scheme}://{address}", "timeout": 1.0})[0] for call in CALLS.values()]
        print(f"| {kind} | {seconds[0]:.2f} | {seconds[1]:.2f} |", flush=True)


if __name__ == "__main__":
    answers()
    drips()
