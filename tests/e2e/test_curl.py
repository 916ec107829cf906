"""The curl form of a plan is what it says: shell commands that bill, with the key from the environment."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, Money, OneTimeCharge, Period, PeriodInvoice, Retrieve, explain
from invoice_bridge.emulator.server import running

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.mark.parametrize("name", ["stripe", "chargebee"])
def test_defect_75_the_key_is_in_no_argument_of_a_process(name: str, tmp_path: Path) -> None:
    """Defect 75: curl gets the key on its standard input; its arguments, which every user can read, are without it."""
    seen, key = tmp_path / "seen", "sk_test_not_a_key_seen"
    fake = tmp_path / "curl"
    fake.write_text(f'#!/bin/sh\n{{ tr "\\0" " " < /proc/$$/cmdline; echo; echo --; cat; }} > {seen}\n')
    fake.chmod(0o755)
    settings: dict[str, Any] = {"site": "acme"} if name == "chargebee" else {}
    command = explain(name, Retrieve(id="in_1"), **settings).curl()
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", f"{name.upper()}_API_KEY": key}
    subprocess.run(["bash", "-c", command], env=environment, timeout=30, check=True)
    arguments, _, standard_input = seen.read_text().partition("--\n")
    assert "in_1" in arguments
    assert key not in arguments
    assert key in standard_input


@pytest.mark.parametrize("name", ["stripe", "chargebee", "whop", "chargeapi"])
def test_the_commands_bill_when_pasted(name: str) -> None:
    """Run by a shell, in order, with what earlier answers gave filled in, they leave one issued invoice or draft."""
    with running(names=[name]) as served:
        emulator = served.emulators[name]
        client = Client(name, api_key=emulator.key, base_url=served.base_urls[name], **emulator.settings)
        bill: OneTimeCharge | PeriodInvoice = OneTimeCharge(
            reference="it's a bill",
            customer=emulator.customer,
            amount=Money.parse("25.00", "EUR"),
            description="$HOME `x`",
        )
        if name == "chargeapi":
            bill = PeriodInvoice(
                reference="b", customer=emulator.customer, period=Period.month(2026, 5), currency="EUR"
            )
        if client.explain(bill).refusal is not None:
            bill = bill.model_copy(update={"draft": True})
        plan = client.explain(bill)
        client.close()
        environment = {**os.environ, f"{name.upper()}_API_KEY": emulator.key}
        last: dict[str, object] = {}
        for command in plan.curl().split("\n\n"):
            done = subprocess.run(
                ["bash", "-c", command.replace("curl ", "curl -sS --fail-with-body ", 1)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            answer = json.loads(done.stdout)
            last = answer.get("invoice", answer)
            if "id" in last:  # the look gives a list
                environment.setdefault("OPEN_ID", str(last["id"]))
            if "current_plan" in last:
                environment["PLAN_ID"] = last["current_plan"]["id"]  # type: ignore[index]
    assert emulator.key not in plan.curl()
    issued = [entry for entry in emulator.ledger if entry.event == "issued"]
    assert len(issued) == (0 if bill.draft else 1)
