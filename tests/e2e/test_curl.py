"""The curl form of a plan is what it says: shell commands that bill, with the key from the environment."""

import json
import os
import shutil
import subprocess

import pytest

from invoice_bridge import Client, Money, OneTimeCharge, Period, PeriodInvoice
from invoice_bridge.emulator.server import running

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


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
