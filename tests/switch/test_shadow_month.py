"""A month billed through a Shadow over two served providers: what differs alerts, and what does not is quiet."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from invoice_bridge import ConfigurationError, Line, Money, Period, PeriodInvoice, Shadow
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.cli.app import run
from invoice_bridge.client.config import key_variable
from invoice_bridge.emulator.server import running
from invoice_bridge.journal.shadows import Finding, Noted
from invoice_bridge.otel import METRICS
from invoice_bridge.switch.explained import report_of
from tests.pages import ROOT, Runner, blocks
from tests.switch.test_page import emulators  # noqa: F401 - a fixture: what is sent reaches both emulators

PAGE = "docs/how-to/shadow-month.md"
FILE = """
[profiles.main]
provider = "stripe"
mode = "test"
journal = "bills.sqlite"
lookup = "journal"
[profiles.next]
provider = "chargebee"
mode = "test"
journal = "bills.sqlite"
lookup = "journal"
[providers.stripe]
base_url = "{stripe}"
[providers.chargebee]
base_url = "{chargebee}"
settings = {{ site = "{site}", reference_field = "cf_reference" }}
[customers]
{customers}
[switch]
old = "main"
new = "next"
"""
CUSTOMERS = [f"customer-{number}" for number in range(12)]


@dataclass
class Month:
    """Both served accounts, and the file of the switch."""

    file: Path
    old: Emulator
    new: Emulator

    def bill(self, **unusual: dict[str, Any]) -> None:
        """Bill every customer's month through the shadow; `unusual` has fields of single customers' bills."""
        with Shadow.from_config(self.file) as billing:
            for customer in CUSTOMERS:
                least: dict[str, Any] = {
                    "reference": f"{customer}/2026-11",
                    "customer": customer,
                    "period": Period.month(2026, 11),
                    "currency": "EUR",
                    "lines": [Line(description="Charging", amount=Money(2500, "EUR"))],
                }
                billing.create(PeriodInvoice(**least | unusual.get(customer.replace("-", "_"), {})))

    def report(self, *options: str) -> int:
        """Run the command as the daily job does; return its exit code."""
        return run(["switch", "report", "--config", str(self.file), "--month", "2026-11", *options])


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Month]:
    """Stripe bills, Chargebee is the candidate; every customer is in the map of both."""
    with running(names=["stripe", "chargebee"]) as served:
        old, new = served.emulators["stripe"], served.emulators["chargebee"]
        ids = f'{{ stripe = "{old.customer}", chargebee = "{new.customer}" }}'
        file = tmp_path / "billing.toml"
        customers = "\n".join(f"{name} = {ids}" for name in CUSTOMERS)
        file.write_text(FILE.format(**served.base_urls, site=new.settings["site"], customers=customers), "utf-8")
        monkeypatch.setenv(key_variable("stripe"), old.key)
        monkeypatch.delenv(key_variable("chargebee"), raising=False)
        yield Month(file, old, new)


@pytest.mark.slow
def test_a_month_without_a_difference_is_quiet(month: Month, caplog: pytest.LogCaptureFixture) -> None:
    """The control: 12 bills, exit code 0, no warning, and nothing at the candidate."""
    with caplog.at_level(logging.WARNING):
        month.bill()
    assert month.report("--at-least", "12") == 0
    assert (len(month.old.invoices), len(month.new.invoices)) == (12, 0)
    assert [record for record in caplog.records if record.name == "invoice_bridge.switch"] == []


@pytest.mark.slow
def test_one_seeded_difference_in_a_month_alerts(
    month: Month, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A customer that the candidate's map lacks: one bill of 12, all of which are made."""
    text = month.file.read_text("utf-8")
    month.file.write_text(re.sub(r"(customer-7 = .*), chargebee = .*", r"\1 }", text), "utf-8")
    with caplog.at_level(logging.WARNING):
        month.bill()
    assert month.report("--at-least", "12") == 1
    assert "alert: refused: 1 bill" in capsys.readouterr().out.splitlines()
    assert len(month.old.invoices) == 12
    warnings = [record.getMessage() for record in caplog.records if record.name == "invoice_bridge.switch"]
    assert warnings == ["stripe: a bill differs at chargebee: refused"]
    assert month.report("--limit", "refused=1") == 0
    capsys.readouterr()
    assert month.report("--limit", "refused=1", "--at-least", "13", "--json") == 1
    assert json.loads(capsys.readouterr().out)["alerts"] == ["12 bills compared, fewer than 13"]


# ── what alerts ──────────────────────────────────────────────────────────────────────────────────────────────────────
def noted(reference: str, *findings: Finding) -> Noted:
    """A note of a bill."""
    return Noted("chargebee", "2026-11", reference, findings)


REFUSED = Finding("refused", "changes_money", "no such customer")
LOSS, OTHER = (Finding("loss", "warns", "x", code) for code in ("IB-CHARGEBEE-X-01", "IB-CHARGEBEE-X-02"))
ALLOWED = Finding("loss", "warns", "x", "IB-CHARGEBEE-X-03", is_allowed=True)
INFO = Finding("loss", "info", "x", "IB-CHARGEBEE-X-04")
HIDDEN = Finding("uncompared", "warns", "the provider rates it")


def test_bills_are_counted_by_kind_once_each() -> None:
    """Two losses of one bill are one bill; what is allowed, or information, counts nothing."""
    report = report_of(
        "chargebee", None, [noted("a", LOSS, OTHER, REFUSED), noted("b", LOSS, INFO), noted("c", ALLOWED)]
    )
    assert report.differing == {"refused": 1, "loss": 2}
    assert report.alerts() == ("refused: 1 bill", "loss: 2 bills")


def test_a_limit_is_of_bills_of_one_kind() -> None:
    """At the limit it is quiet, above it says both."""
    report = report_of("chargebee", None, [noted("a", HIDDEN), noted("b", HIDDEN), noted("c")])
    assert report.alerts({"uncompared": 2}) == ()
    assert report.alerts({"uncompared": 1}) == ("uncompared: 2 bills, more than 1",)
    assert report.alerts({"loss": 9}) == ("uncompared: 2 bills",)


def test_too_few_bills_alert() -> None:
    """A shadow that nobody wired has nothing to report, which is no good news."""
    assert report_of("chargebee", None, []).alerts() == ("0 bills compared, fewer than 1",)
    assert report_of("chargebee", None, [noted("a")]).alerts(at_least=2) == ("1 bill compared, fewer than 2",)


def test_without_limits_it_alerts_where_the_report_is_not_clean() -> None:
    """One rule, also for a kind that this version does not know."""
    unknown: Any = Finding("of-a-later-version", "warns", "x")  # type: ignore[arg-type]
    for findings in ([], [INFO], [ALLOWED], [LOSS], [REFUSED], [HIDDEN], [unknown]):
        report = report_of("chargebee", None, [noted("a", *findings)])
        assert bool(report.alerts()) is not report.is_clean
    assert not report_of("chargebee", None, []).is_clean


@pytest.mark.parametrize(
    "limits,at_least,why",
    [
        ({"losses": 1}, 1, "no kind of finding 'losses': there are refused, loss, effects"),
        ({"loss": -1}, 1, "0 or more"),
        ({"loss": True}, 1, "0 or more"),
        ({}, 0, "must be 1 or more"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(limits: dict[str, int], at_least: int, why: str) -> None:
    """A misspelt kind would alert for ever, or never."""
    with pytest.raises(ConfigurationError, match=why):
        report_of("chargebee", None, []).alerts(limits, at_least)


@pytest.mark.parametrize(
    "options", [("--limit", "losses=1"), ("--limit", "loss"), ("--limit", "loss=x"), ("--at-least", "0")]
)
def test_an_option_that_means_nothing_ends_with_2(options: tuple[str, ...], tmp_path: Path) -> None:
    """Before a file is read."""
    assert run(["switch", "report", "--config", str(tmp_path / "none.toml"), *options]) == 2


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_page_runs(emulators: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """From the first bill to a quiet report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    runner = Runner(codes={"switch report --config billing.toml --month 2026-11 --at-least 3": 1})
    runner.run(PAGE)
    assert runner.compared == 3
    assert [len(emulator.invoices) for emulator in emulators.values()] == [2, 0]


def test_the_rules_of_the_page_name_our_metrics() -> None:
    """By the names that Prometheus makes of them; and the job runs a command that there is."""
    ours = {re.sub(r"\W", "_", name) for name in METRICS}
    listed = (ROOT / "docs/how-to/opentelemetry.md").read_text("utf-8")
    attributes = {name.replace(".", "_") for name in re.findall(r"`(invoice_bridge\.shadow\.\w+)`", listed)}
    job, rules = (yaml.safe_load(block.text) for block in blocks(PAGE) if block.kind == "yaml")
    named = re.findall(r"invoice_bridge_\w+", json.dumps(rules))
    assert {name.removesuffix("_total") for name in named} <= ours | attributes
    assert {"invoice_bridge_shadow_bills_total", "invoice_bridge_shadow_findings_total"} <= set(named)
    assert "invoice-bridge switch report" in job["jobs"]["report"]["steps"][-1]["run"]
