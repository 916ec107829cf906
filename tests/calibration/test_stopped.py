"""A calibration that a person stops takes back what it made."""

import os
import signal
import subprocess
import sys
import time

import pytest

from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.emulator.server import Served
from invoice_bridge.providers.stripe.emulator import StripeEmulator


@pytest.mark.slow  # another process
def test_an_interrupted_run_takes_back_what_it_made(server: Served) -> None:
    """Ctrl-C between two requests: the draft and the customer are gone, and the exit code is that of a signal."""
    emulator = StripeEmulator()
    server.put("stripe", Faults(emulator, [Fault(Kind.LATENCY, method="POST", times=1000, seconds=0.3)]))
    command = ["calibrate", "stripe", "--customer", emulator.customer, "--base-url", server.base_urls["stripe"]]
    process = subprocess.Popen(
        [sys.executable, "-m", "invoice_bridge", *command, "--write"],
        env={**os.environ, "STRIPE_API_KEY": emulator.key},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not emulator.invoices and time.monotonic() < deadline:
        time.sleep(0.02)
    assert emulator.invoices
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert (emulator.invoices, set(emulator.customers)) == ({}, {emulator.customer})
