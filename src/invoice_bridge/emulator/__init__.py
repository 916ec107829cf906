"""The in-memory providers: see core for what they are made of, server for how they are served over HTTP."""

from invoice_bridge.adapter.emulation.core import Clock, Emulator, FakeClock, LedgerEntry
from invoice_bridge.adapter.emulation.faults import Delivery, Fault, Faults, Hit, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport

__all__ = [
    "Clock",
    "Delivery",
    "Emulator",
    "EmulatorTransport",
    "LedgerEntry",
    "Fault",
    "Faults",
    "Hit",
    "Kind",
    "FakeClock",
]
