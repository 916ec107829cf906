"""Calibration against served emulators with each switch flipped, one at a time: each is found, and no other."""

import pytest

from invoice_bridge.emulator.server import Served
from tests.calibration.conftest import NAMES, defaults_of, emulator_of, probes_of, run

HIDES: dict[tuple[str, str], set[str]] = {
    ("chargeapi", "empty_window_refused"): {"update_open", "pays_drafts"},
    ("chargeapi", "billed_once"): {"void_releases"},
    ("chargeapi", "void_releases"): {"finalize_collects"},
    ("chargeapi", "finalize_collects"): {"update_open", "pays_drafts", "void_releases"},
    ("chargebee", "applied_payment_deleted"): {"deleted_payment_inert"},
    ("chargebee", "import_enabled"): {
        *("import_total_checked", "import_paid_needs_payments", "credit_reason_checked", "deleted_id_free"),
    },
}
"""(provider, switch) → the probes that settle nothing while it is flipped, because what they need is refused there."""
LEAVES = {("whop", "past_due_is_open"): ["past_due"]}
"""(provider, switch) → the states of what cannot be taken back while it is flipped."""
CASES = [(name, switch) for name in NAMES for switch in ("", *defaults_of(name))]


@pytest.mark.slow  # a run sends about a hundred requests, and there is one for each switch
@pytest.mark.parametrize("name,flipped", CASES)
def test_a_flipped_switch_is_found_and_no_other(server: Served, name: str, flipped: str) -> None:
    """The others are seen as they are; one without a probe changes no result; nothing harmful is left."""
    usual, probes = defaults_of(name), probes_of(name)
    result = run(server, emulator_of(name, **({flipped: not usual[flipped]} if flipped else {})))
    hidden = HIDES.get((name, flipped), set())
    expected = {switch: None if switch in hidden else usual[switch] for switch in probes.rows}
    if flipped in probes.rows:
        expected[flipped] = not usual[flipped]
    assert result.observed == expected
    assert (result.skipped, result.unsure, result.stopped) == ([], [], "")
    assert list(result.left.values()) == LEAVES.get((name, flipped), [])


@pytest.mark.parametrize("name", NAMES)
def test_every_switch_has_a_probe_or_a_reason(name: str) -> None:
    """The two lists are exact: a new switch joins one of them, and each probe is of a switch that exists."""
    probes = probes_of(name)
    assert set(probes.rows) | set(probes.unobserved) == set(defaults_of(name))
    assert set(probes.rows) & set(probes.unobserved) == set()
    assert all(len(reason) > 20 for reason in probes.unobserved.values())
