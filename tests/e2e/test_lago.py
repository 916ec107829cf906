"""The adapter for Lago in examples/lago: installed outside this tree, and held to its own tests; no network."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.environment import Environment

LAGO = Path(__file__).resolve().parents[2] / "examples" / "lago"
PATHS = r"collection\.(due|net_days)|lines\[\]\.discount|discounts\[\]\.\w+"
REFUSED = (
    rf"Lago (has no idempotency keys|makes no drafts|declares no native parameters|refuses every value of ({PATHS}))"
)
VERBS = "import_invoice|mark_uncollectible|delete|send_invoice|pay_part|record_payment|refund|credit|pdf"
CANNOT = rf"Lago cannot ({VERBS}): .+ \((lago-openapi|lago-api|getlago\.com)"
UNLIMITED = "Lago declares no limit on a description or a purchase order"


@pytest.mark.slow
def test_the_adapter_for_lago_passes_the_suite_and_its_own_tests(tmp_path: Path) -> None:
    """Nothing fails or is expected to fail; what is skipped names what Lago does not have."""
    project, site, report = tmp_path / "lago", tmp_path / "site", tmp_path / "report.xml"
    shutil.copytree(LAGO, project, ignore=shutil.ignore_patterns("__pycache__"))
    environment = Environment.make(tmp_path / "environment")
    done = environment.run("pip", "install", "--no-deps", "--target", str(site), ".", cwd=project)
    assert done.returncode == 0, done.stderr
    done = environment.run("pytest", "-q", f"--junitxml={report}", cwd=project, path=site)
    assert done.returncode == 0, done.stdout
    suite = ET.parse(report).getroot()[0]  # noqa: S314 - our own file
    assert int(suite.attrib["tests"]) > 150
    assert [suite.attrib[word] for word in ("errors", "failures")] == ["0", "0"]
    reasons = [skipped.attrib["message"] for skipped in suite.iter("skipped")]
    assert [reason for reason in reasons if not re.match(f"{CANNOT}|{REFUSED}|{UNLIMITED}", reason)] == []
    assert len(reasons) == 189
    assert "xfail" not in report.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_of_the_adapter_shows_what_is_sent(tmp_path: Path) -> None:
    """README.md of the example prints the plan of a bill as the program prints it."""
    site = tmp_path / "site"
    environment = Environment.make(tmp_path / "environment")
    done = environment.run("pip", "install", "--no-deps", "--target", str(site), str(LAGO), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (LAGO / "README.md").read_text(encoding="utf-8")
    bill, shown = (
        re.search(rf"^```{kind}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) for kind in ("toml", "console")
    )
    assert bill is not None
    assert shown is not None
    (tmp_path / "bill.toml").write_text(bill[1], encoding="utf-8")
    command, _, expected = shown[1].removeprefix("$ ").partition("\n")
    done = environment.run("sh", "-c", command, cwd=tmp_path, path=site)
    assert (done.stdout.strip(), done.stderr) == (expected.strip(), "")
