"""examples/migrate_chargebee_to_stripe.py moves a year of invoices between two served accounts."""

import runpy
from pathlib import Path

import pytest

from tests.migrate.moves import move

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "migrate_chargebee_to_stripe.py"
PROFILES = """
[profiles.old]
provider = "chargebee"
[profiles.new]
provider = "stripe"
[providers.chargebee]
base_url = "{chargebee}"
settings = {{ site = "{site}" }}
[providers.stripe]
base_url = "{stripe}"
requests_per_minute = 60000
"""


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What ended is moved and verified; it is about ten lines."""
    monkeypatch.chdir(tmp_path)
    with move(tmp_path, "chargebee", "stripe") as between:
        between.fill(8, ("paid", "void", "uncollectible", "open"))
        monkeypatch.setenv("CHARGEBEE_API_KEY", between.source["api_key"])
        monkeypatch.setenv("STRIPE_API_KEY", between.target["api_key"])
        urls = {"chargebee": between.source["base_url"], "stripe": between.target["base_url"]}
        Path("moving.toml").write_text(PROFILES.format(**urls, site=between.source["site"]), "utf-8")
        ids = "".join(f"{old},{new}\n" for old, new in between.customers.items())
        Path("customers.csv").write_text(f"source_id,target_id\n{ids}", "utf-8")
        runpy.run_path(str(EXAMPLE), run_name="__main__")
        assert len(between.emulators["stripe"].invoices) == 6
    assert "plan 1: 6 of 6 verified, 0 findings" in capsys.readouterr().out
    assert Path("evidence/SHA256SUMS").exists()
    code = [line for line in EXAMPLE.read_text("utf-8").splitlines() if line and not line.startswith('"""')]
    assert len(code) <= 10
