"""Recordings before and after redaction, judged by detect-secrets, whose patterns are none of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from invoice_bridge import providers
from invoice_bridge.cassettes.recorder import Recorder
from tests.cassettes.made import AT

judge: Any = pytest.importorskip("detect_secrets", reason="detect-secrets (requirements/dev.in) is not installed")
settings: Any = pytest.importorskip("detect_secrets.settings")
plugins: Any = pytest.importorskip("detect_secrets.core.plugins.util")
FOLDER = Path(__file__).resolve().parents[2] / "cassettes"
FILTERS = ("is_indirect_reference", "is_likely_id_string", "is_potential_uuid", "is_sequential_string")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub3QtYS1rZXkifQ.bm90LWEta2V5LW5vdC1hLWtleS1ub3QtYS1rZXk"
LIVE = "live_" + "N0taKey8" * 3
KEYS = {"chargeapi": f"ch_sk_{LIVE}", "chargebee": LIVE, "stripe": f"sk_{LIVE}", "whop": f"N0taKey8{JWT[-20:]}"}


def findings(path: Path) -> set[str]:
    """What detect-secrets finds in a file: every plugin, and no filter that asks the network."""
    config = {
        "plugins_used": [{"name": kind.__name__} for kind in plugins.get_mapping_from_secret_type_to_class().values()],
        "filters_used": [{"path": f"detect_secrets.filters.heuristic.{name}"} for name in FILTERS],
    }
    with settings.transient_settings(config):
        found = judge.SecretsCollection()
        found.scan_file(str(path))
        # a parameter's name with REDACTED after it looks like a password to it
        return {secret.type for _, secret in found if not secret.secret_value.startswith("REDACTED")}


def _sent(provider: str) -> tuple[dict[str, str], str, dict[str, str]]:
    """Headers, an address and an answer, full of secrets."""
    key = KEYS[provider]
    headers = {"authorization": f"Bearer {key}", "cookie": f"session={JWT}", "x-debug": f"sent with {key} and {JWT}"}
    address = f"https://someone:N0taPassword8@api.example.test/v1/invoices?api_key={key}&signature={JWT}"
    answer = {"message": f"the key {key} is none", "next": address, "token": JWT, "url": f"/v1/x?token={JWT}"}
    return headers, address, answer


@pytest.mark.parametrize("provider", providers.names())
def test_the_second_judge_sees_what_is_planted(provider: str, tmp_path: Path) -> None:
    """Before redaction it finds a password, a token and a secret, so that its silence afterwards means something."""
    headers, address, answer = _sent(provider)
    planted = {
        "request": {"method": "GET", "uri": address, "headers": headers, "body": ""},
        "response": {"status": {"code": 200}, "headers": {}, "body": {"string": str(answer)}},
    }
    path = tmp_path / "planted.yaml"
    path.write_text(yaml.safe_dump({"interactions": [planted]}, width=10_000), "utf-8")
    assert findings(path) >= {"Basic Auth Credentials", "JSON Web Token", "Secret Keyword"}
    assert ("Stripe Access Key" in findings(path)) == ("sk_live_" in KEYS[provider])


@pytest.mark.parametrize("provider", providers.names())
def test_defect_76_the_second_judge_finds_nothing_in_a_redacted_recording(provider: str, tmp_path: Path) -> None:
    """Defect 76: of the same exchange, recorded by us, detect-secrets finds no secret."""
    headers, address, answer = _sent(provider)
    recorder = Recorder(httpx.MockTransport(lambda _: httpx.Response(200, json=answer)))
    with httpx.Client(transport=recorder) as http:
        http.get(address, headers=headers)
    path = tmp_path / "recorded.yaml"
    recorder.save(path, provider, origin="emulator", recorded_at=AT)
    assert "the key " in path.read_text("utf-8")
    assert findings(path) == set()


@pytest.mark.parametrize("provider", providers.names())
def test_the_second_judge_finds_nothing_in_our_cassettes(provider: str) -> None:
    """None of the recordings in this repository has what detect-secrets takes for a secret."""
    paths = sorted((FOLDER / provider).glob("*.yaml"))
    assert paths
    assert {path.name: found for path in paths if (found := findings(path))} == {}
