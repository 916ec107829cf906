"""The clock of a served provider: that of its server until the control API sets, stops or advances it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from invoice_bridge.adapter.emulation.core import Clock, Emulator

EARLIEST, LATEST = datetime(2001, 9, 10, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""The instants that a clock may show: Unix times of ten digits, as some filters of providers expect."""


class ServedClock:
    """A clock that is `base` plus a shift, or stopped at one instant."""

    def __init__(self, base: Clock) -> None:
        self.base = base
        self.shift = timedelta(0)
        self.stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        return self.base() + self.shift if self.stopped_at is None else self.stopped_at

    @classmethod
    def of(cls, emulator: Emulator) -> ServedClock:
        """Return the emulator's clock; a clock of another kind becomes the base of a new one."""
        if not isinstance(emulator.clock, cls):
            emulator.clock = cls(emulator.clock)
        return emulator.clock

    def set(self, now: datetime, *, runs: bool = True) -> None:
        """Show `now`, and run on from it or stop there. Raises ValueError outside EARLIEST and LATEST."""
        if not EARLIEST <= now <= LATEST:
            raise ValueError(f"the clock can show {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}, not {now.isoformat()}")
        now = now.astimezone(UTC)
        self.stopped_at = None if runs else now
        self.shift = now - self.base()

    def advance(self, seconds: float) -> None:
        """Move the clock forward; it runs or is stopped as before. Raises ValueError for a move back or too far."""
        longest = (LATEST - EARLIEST).total_seconds()
        if not 0 <= seconds <= longest:
            raise ValueError(f"the clock advances by 0 to {longest:.0f} seconds; to move it back, set it")
        self.set(self() + timedelta(seconds=seconds), runs=self.stopped_at is None)

    def reset(self) -> None:
        """Show the time of the base again."""
        self.shift, self.stopped_at = timedelta(0), None
