"""The recorded scenarios: plain vcrpy replays them, each says where it comes from, none holds a secret."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from vcr.config import VCR
from vcr.record_mode import RecordMode

from invoice_bridge import Client, providers
from invoice_bridge.cassettes import SCENARIOS, provenance, record_all
from invoice_bridge.cassettes.check import check

FOLDER = Path(__file__).resolve().parents[2] / "cassettes"
RECORDED = [(name, scenario) for name in providers.names() for scenario in SCENARIOS]
every = pytest.mark.parametrize("provider, scenario", RECORDED)


@every
def test_plain_vcrpy_replays_it(provider: str, scenario: str) -> None:
    """With the network blocked, the same calls get the recorded answers, request bodies compared, none left over."""
    emulator = providers.get(provider).emulator()
    settings: dict[str, Any] = {"record_mode": RecordMode.NONE, "match_on": ["method", "uri", "body"]}
    plain: Any = VCR(**settings)  # type: ignore[no-untyped-call]
    with (
        plain.use_cassette(str(FOLDER / provider / f"{scenario}.yaml")) as cassette,
        Client(provider, api_key="another_key_that_is_none", **emulator.settings) as client,
    ):
        SCENARIOS[scenario](client, emulator.customer)
        assert cassette.all_played
        assert cassette.play_count > 3


@every
def test_it_says_where_it_comes_from(provider: str, scenario: str) -> None:
    """The sidecar names the provider, its API version, the emulator as the origin, and what was redacted."""
    said = provenance.read(FOLDER / provider / f"{scenario}.yaml")
    assert (said.provider, said.origin, said.mode) == (provider, "emulator", "none")
    assert said.api_version == providers.get(provider).api_version
    assert "request header authorization" in said.redacted


@every
def test_it_holds_no_secret(provider: str, scenario: str) -> None:
    """Neither the key nor the header it stood in, and none of the emulator's people."""
    text = (FOLDER / provider / f"{scenario}.yaml").read_text("utf-8")
    assert providers.get(provider).emulator.key not in text  # type: ignore[attr-defined]
    assert "authorization" not in text.lower()
    assert "someone@example.test" not in text


def test_the_folder_passes_its_own_check() -> None:
    """Secrets, provenance, replay and versions: what `invoice-bridge cassettes check cassettes` says."""
    count, findings = check(FOLDER, as_of=datetime.now(UTC))
    assert count >= len(RECORDED)
    assert [str(finding) for finding in findings] == []


def test_they_are_fresh(tmp_path: Path) -> None:
    """Recorded anew, every file comes out as it stands in the repository; else run `make cassettes`."""
    made = record_all(tmp_path)
    assert len(made) == len(RECORDED)
    for path in made:
        for file in (path, path.with_suffix(".provenance.json")):
            assert file.read_bytes() == (FOLDER / file.relative_to(tmp_path)).read_bytes()
