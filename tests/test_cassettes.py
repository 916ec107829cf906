"""The recorded scenarios: plain vcrpy replays them, each says where it comes from, none holds a secret."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from vcr.config import VCR
from vcr.record_mode import RecordMode

from invoice_bridge import Client, providers
from invoice_bridge.cassettes import SCENARIOS, record_all
from invoice_bridge.cassettes.record import REDACTED, SECRET_FIELDS

FOLDER = Path(__file__).parent.parent / "cassettes"
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
    """The sidecar names the provider, its API version and the emulator as the origin, and its sum is the file's."""
    path = FOLDER / provider / f"{scenario}.yaml"
    said = json.loads(path.with_suffix(".provenance.json").read_text("utf-8"))
    assert (said["provider"], said["origin"]) == (provider, "emulator")
    assert said["api_version"] == providers.get(provider).api_version
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@every
def test_it_holds_no_secret(provider: str, scenario: str) -> None:
    """No key, no Authorization header, and none of the fields that open an invoice to whoever holds them."""
    text = (FOLDER / provider / f"{scenario}.yaml").read_text("utf-8")
    assert providers.get(provider).emulator.key not in text  # type: ignore[attr-defined]
    assert "authorization" not in text.lower()
    for exchange in yaml.safe_load(text)["interactions"]:
        for name in SECRET_FIELDS:
            found = set(re.findall(rf'"{name}": ?"([^"]*)"', exchange["response"]["body"]["string"]))
            assert found <= {REDACTED}


def test_they_are_fresh(tmp_path: Path) -> None:
    """Recorded anew, every file comes out as it stands in the repository; else run `make cassettes`."""
    made = record_all(tmp_path)
    assert len(made) == len(RECORDED)
    for path in made:
        for file in (path, path.with_suffix(".provenance.json")):
            assert file.read_bytes() == (FOLDER / file.relative_to(tmp_path)).read_bytes()
