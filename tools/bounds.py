"""Measure what the dearest answers cost, and how late each kind of drip ends; prints the tables of SECURITY.md.

python tools/bounds.py
"""

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from invoice_bridge import AsyncClient, BridgeError, Client
from tests.clients import KEY
from tests.costs import ANSWERS, cost
from tests.drips import KINDS, TLS, serving

LIMIT = 1.0


def answers() -> None:
    print("| answer | bytes on the wire | memory | seconds | outcome |\n|---|---|---|---|---|")
    for name in ANSWERS:
        took = cost(name)
        print(f"| {name} | {took.on_wire:,} | {took.grown} MB | {took.seconds:.2f} | {took.outcome} |", flush=True)


def drips() -> None:
    print("\n| drip | sync | async |\n|---|---|---|")
    for kind, answer in {**KINDS, "TLS": TLS}.items():
        scheme = "https" if kind == "TLS" else "http"
        with serving(answer) as where:
            took = [_sync(f"{scheme}://{where}"), asyncio.run(_async(f"{scheme}://{where}"))]
        print(f"| {kind} | {took[0]:.2f} | {took[1]:.2f} |", flush=True)


def _sync(url: str) -> float:
    with Client("stripe", api_key=KEY, base_url=url, timeout=LIMIT) as client:
        client._policy = replace(client._policy, retries=0)  # noqa: SLF001 - one request is measured
        began = time.monotonic()
        try:
            client.retrieve("in_1")
        except BridgeError:
            return time.monotonic() - began
    raise AssertionError("it was answered")


async def _async(url: str) -> float:
    async with AsyncClient("stripe", api_key=KEY, base_url=url, timeout=LIMIT) as client:
        client._policy = replace(client._policy, retries=0)  # noqa: SLF001 - one request is measured
        began = time.monotonic()
        try:
            await client.retrieve("in_1")
        except BridgeError:
            return time.monotonic() - began
    raise AssertionError("it was answered")


if __name__ == "__main__":
    answers()
    drips()
