"""What `invoice-bridge calibrate lago` reads of an account, against the emulator."""

import httpx
import pytest

from invoice_bridge import Client, ConfigurationError, Money, OneTimeCharge
from invoice_bridge.client.calibration import Calibration, calibrate
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge_lago.emulator import LagoEmulator
from invoice_bridge_lago.emulator.probes import PROBES

ROOT = "https://api.getlago.com/api/v1"


def run(emulator: LagoEmulator, *, bills: int = 1, may_write: bool = False) -> Calibration:
    """Make some bills, and calibrate."""
    with httpx.Client(transport=EmulatorTransport(emulator, ROOT)) as http:
        given = {"provider": "lago", "api_key": emulator.key, **emulator.settings, "http": http}
        with Client(**given, lookup="never") as billing:
            for place in range(bills):
                amount = Money.parse("19.99", "EUR")
                billing.create(OneTimeCharge(reference=f"res-{place}", customer=emulator.customer, amount=amount))
        return calibrate(given, PROBES, emulator.customer, "cal-1", may_write=may_write)


def test_every_switch_has_a_probe_or_a_reason() -> None:
    """The two lists are exact."""
    assert set(PROBES.rows) | set(PROBES.unobserved) == set(LagoEmulator.SWITCHES)
    assert set(PROBES.rows) & set(PROBES.unobserved) == set()


@pytest.mark.parametrize("flipped", LagoEmulator.SWITCHES)
def test_a_flipped_switch_is_found_and_no_other(flipped: str) -> None:
    """The one that a listing shows."""
    default, _ = LagoEmulator.SWITCHES[flipped]
    result = run(LagoEmulator(switches={flipped: not default}))
    assert result.observed == {"states_amounts_due": flipped != "states_amounts_due"}


def test_without_an_invoice_nothing_is_settled() -> None:
    """An empty listing shows neither."""
    assert run(LagoEmulator(), bills=0).observed == {"states_amounts_due": None}


def test_nothing_is_written_where_nothing_says_test() -> None:
    """A key of Lago shows no mode, and no answer does."""
    with pytest.raises(ConfigurationError, match="shows no mode"):
        run(LagoEmulator(), may_write=True)
