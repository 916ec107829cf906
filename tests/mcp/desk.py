"""A profile with caps, an emulator behind it, and bills for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.client.config import key_variable
from invoice_bridge.emulator.server import running
from invoice_bridge.mcp.session import Session

PROFILE = """
[profiles.main]
provider = "{name}"
mode = "test"
journal = "bills.sqlite"

[profiles.main.mcp]
per_bill = ["100.00 EUR", "10000 JPY"]
per_run = ["150.00 EUR", "10000 JPY"]

[providers.{name}]
base_url = "{url}"
settings = {settings}
"""


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """A served emulator, the file whose profile names it, and sessions of it."""

    file: Path
    emulator: Emulator
    clock: Clock = field(default_factory=Clock)

    def session(self, **given: Any) -> Session:
        return Session(str(self.file), clock=self.clock, **given)

    def change(self, old: str, new: str) -> None:
        """Edit the file."""
        text = self.file.read_text("utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), "utf-8")

    @property
    def bills(self) -> int:
        """How many invoices the account has."""
        return len(self.emulator.invoices)


@contextmanager
def desk(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "stripe") -> Iterator[Desk]:
    """Serve a provider, and write the profile of it."""
    with running(names=[name]) as served:
        emulator = served.emulators[name]
        settings = ", ".join(f'{each} = "{value}"' for each, value in emulator.settings.items())
        file = folder / "billing.toml"
        file.write_text(
            PROFILE.format(name=name, url=served.base_urls[name], settings=f"{{ {settings} }}"), encoding="utf-8"
        )
        monkeypatch.setenv(key_variable(name), emulator.key)
        yield Desk(file, emulator)


def bill(number: int = 1, amount: Any = "19.99 EUR", **more: Any) -> dict[str, Any]:
    """A bill as a conversation writes it."""
    least = {"command": "one_time_charge", "reference": f"order-{number}", "customer": "cus_42", "amount": amount}
    return {**least, "description": "Fees", **more}
