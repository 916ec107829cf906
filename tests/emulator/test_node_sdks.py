"""The official SDKs of another language, run against the served emulators: each program is in tests/node.

`make node` installs them into tests/node/node_modules; without it, or without Node, these tests are skipped.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge.emulator.server import running

FOLDER = Path(__file__).parent.parent / "node"
PACKAGES = {"chargebee": "chargebee", "stripe": "stripe", "whop": "@whop/sdk"}

EXPECTED: dict[str, dict[str, Any]] = {
    "stripe": {
        "customer": "new@example.test",
        "made": ["open", 1999, "Reservation fees"],
        "marked": "paid",
        "voided": "void",
        "written_off": "uncollectible",
        "listed": ["uncollectible", "void", "paid"],
        "found": 1,
        "replayed": [True, "true"],
        "mismatch": ["StripeIdempotencyError", 400],
        "deleted": True,
        "missing": "resource_missing",
        "late_void": "StripeInvalidRequestError",
        "wrong_key": "StripeAuthenticationError",
        "attached": ["4242", True, True],
        "declined_at_attach": ["StripeCardError", "card_declined"],
        "declined": ["StripeCardError", "card_declined", "generic_decline"],
        "collected": "paid",
        "webhooks": [
            ["invoice.created", "draft"],
            ["invoice.updated", "draft"],
            ["invoice.finalized", "open"],
            ["invoice.paid", "paid"],
        ],
        "confirmed": "invoice.created",
        "forged": "StripeSignatureVerificationError",
        "stale": "StripeSignatureVerificationError",
        "harm": [],
    },
    "chargebee": {
        "customer": "new@example.test",
        "made": ["payment_due", 1999, "Reservation fees"],
        "marked": ["paid", "bank_transfer"],
        "voided": "voided",
        "written_off": 1999,
        "collected": "paid",
        "listed": ["paid", "paid", "voided", "paid"],
        "filtered": 3,
        "replayed": [True, "true", False],
        "mismatch": [422, "unable_to_process_request"],
        "missing": "resource_not_found",
        "late_void": "invalid_state_for_request",
        "wrong_key": 401,
        "source": ["card", "valid", "1111"],
        "not_stored": [400, "payment"],
        "declined": [400, "payment", "payment_processing_failed"],
        "collected_later": "paid",
        "webhooks": [["invoice_generated", "payment_due"], ["invoice_updated", "paid"]],
        "confirmed": "invoice_generated",
        "forged": "WebhookAuthenticationError",
        "harm": [],
    },
    "whop": {
        "made": ["open", "eur", 19.99],
        "marked": [True, "paid"],
        "voided": "void",
        "written_off": "uncollectible",
        "deleted": True,
        "collected": "paid",
        "declined": "open",
        "listed": ["open", "paid", "uncollectible", "void", "paid"],
        "replayed": [True, "true"],
        "mismatch": [400, "idempotency_key_mismatch"],
        "missing": 404,
        "late_void": 400,
        "wrong_key": 401,
        "webhooks": [["invoice.created", "open"], ["invoice.paid", "paid"]],
        "forged": "No matching signature found",
        "stale": "Message timestamp too old",
        "harm": [],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_official_sdk_for_node_works_against_the_emulator(name: str) -> None:
    """Make, mark, list, void, write off, an idempotency key, declines, and webhooks that the SDK verifies."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 20 or newer on PATH")
    if not (FOLDER / "node_modules" / PACKAGES[name] / "package.json").exists():
        pytest.skip("needs the SDKs for Node: run make node")
    with running() as served:
        program = [node, str(FOLDER / f"{name}.mjs"), served.own_urls[name], served.emulators[name].key]
        done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EXPECTED[name]


def test_every_provider_that_has_an_sdk_for_node_has_a_program() -> None:
    """ChargeAPI publishes none."""
    programs = {path.stem for path in FOLDER.glob("*.mjs")} - {"common"}
    assert programs == set(PACKAGES) == set(EXPECTED)


def test_the_lockfile_pins_and_names_no_registry() -> None:
    """Each package has a hash; where it comes from is the machine's own setting."""
    wanted = json.loads((FOLDER / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))["packages"]
    assert set(wanted) == set(PACKAGES.values())
    assert all(version[0].isdecimal() for version in wanted.values())
    installed = {place: row for place, row in locked.items() if place}
    assert len(installed) >= len(wanted)
    assert all(row["integrity"].startswith("sha512-") and "resolved" not in row for row in installed.values())
    text = (FOLDER / "package-lock.json").read_text("utf-8")
    assert "http" not in "".join(line for line in text.splitlines() if '"url"' not in line and "funding" not in line)
