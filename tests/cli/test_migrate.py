"""invoice-bridge migrate: a worker on the command line."""

from collections.abc import Callable
from pathlib import Path

from invoice_bridge import Money, OneTimeCharge
from invoice_bridge.emulator.server import Served
from invoice_bridge.migrate import Ledger, NewItem, PlanHeader, Timing, write_operation
from tests.cli.conftest import Done

BILLING = """
[profiles.target]
provider = "stripe"
journal = "bills.sqlite"
[providers.stripe]
base_url = "{url}"
requests_per_minute = 60
"""


def test_a_worker_finishes_the_plan(
    postgres_journal: str, served: Served, cli: Callable[..., Done], tmp_path: Path
) -> None:
    """The profile is the target's account; journal, lookup and pace are the ledger's. Started again, it is done."""
    config = tmp_path / "billing.toml"
    config.write_text(BILLING.format(url=served.base_urls["stripe"]), "utf-8")
    with Ledger(postgres_journal) as ledger:
        plan = ledger.add_plan(PlanHeader("stripe:", timing=Timing(lease=5, beat=1, deadline=10, settling=1)))
        bills = [
            OneTimeCharge(reference=f"res-{number}", customer="cus_42", amount=Money(500, "EUR")) for number in range(8)
        ]
        ledger.add(plan, (NewItem(bill.reference, {"make": write_operation(bill)}) for bill in bills), page_size=4)
        options = ("migrate", "worker", "--database-url", postgres_journal, "--config", str(config))
        done = cli(*options)
        assert (done.code, done.out, done.err) == (0, "8 done\n", "")
        assert ledger.counts(plan) == {"done": 8}
        assert len(served.emulators["stripe"].invoices) == 8
        assert cli(*options).out == "nothing was left to do\n"
    assert not (tmp_path / "bills.sqlite").exists()


def test_what_cannot_be_used_is_refused(cli: Callable[..., Done], tmp_path: Path, served: Served) -> None:
    """A password on the command line, a file where several machines meet, and a ledger without a plan."""
    config = tmp_path / "billing.toml"
    config.write_text(BILLING.format(url=served.base_urls["stripe"]), "utf-8")
    ends = ("--config", str(config))
    shown = cli("migrate", "worker", "--database-url", "postgresql://bills:hunter2@db/main", *ends)
    assert shown.code == 2
    assert "PGPASSWORD" in shown.err
    assert "hunter2" not in shown.err
    file = cli("migrate", "worker", "--database-url", str(tmp_path / "ledger.sqlite"), *ends)
    assert (file.code, "is a file of this machine" in file.err) == (2, True)
