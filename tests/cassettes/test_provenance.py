"""Provenance: a sidecar says where a recording comes from, and cannot say what cannot be."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge.cassettes import provenance
from invoice_bridge.core.errors import ConfigurationError

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
TEXT = """interactions:
- request:
    body: ''
    headers:
      Stripe-Version:
      - 2026-08-26.dahlia
    method: GET
    uri: https://api.stripe.com/v1/invoices
  response:
    body:
      string: '{}'
    headers: {}
    status:
      code: 200
      message: OK
version: 1
"""


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A cassette of one request."""
    path = tmp_path / "listing.yaml"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return path


def _write(cassette: Path, **more: Any) -> Path:
    said: dict[str, Any] = {
        "provider": "stripe",
        "origin": "test",
        "recorded_at": AT,
        "mode": "test",
        "redacted": ["b", "a", "b"],
    }
    return provenance.write(cassette, **(said | more))


def test_it_stands_beside_the_cassette_and_says_all(cassette: Path) -> None:
    """Provider, version as the requests say it, mode, origin, instant, versions of what wrote it, redactions, sum."""
    path = _write(cassette)
    assert path == cassette.parent / "listing.provenance.json"
    assert json.loads(path.read_text("utf-8")) == {
        "provider": "stripe",
        "api_version": "2026-08-26.dahlia",
        "mode": "test",
        "origin": "test",
        "recorded_at": "2026-11-02T09:00:00Z",
        "library": "0.1.0",
        "redactor": 2,
        "redacted": ["a", "b"],
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
    }


def test_it_reads_as_it_was_written(cassette: Path) -> None:
    """What was given comes back, types and all."""
    _write(cassette, origin="documentation", mode="none", source_page="docs.stripe.com/api/invoices")
    said = provenance.read(cassette)
    assert (said.provider, said.origin, said.mode) == ("stripe", "documentation", "none")
    assert (said.recorded_at, said.source_page) == (AT, "docs.stripe.com/api/invoices")


def test_a_provider_whose_requests_name_no_version_is_at_the_adapters(cassette: Path) -> None:
    """Its version stands in the path, or nowhere: the pin of the adapter is what was spoken."""
    assert json.loads(_write(cassette, provider="chargebee").read_text("utf-8"))["api_version"] == "v2"


@pytest.mark.parametrize(
    "wrong, problem",
    [
        ({"origin": "hearsay"}, r"listing\.yaml: origin: .*\(one of live, test, emulator, documentation\)"),
        ({"mode": "sandbox"}, r"mode: .*\(one of test, live, none\)"),
        ({"origin": "live"}, "the origin live cannot have the mode test"),
        ({"origin": "emulator", "mode": "live"}, "the origin emulator cannot have the mode live"),
        ({"origin": "documentation", "mode": "none"}, "needs a source_page; no other origin has one"),
        ({"source_page": "docs.stripe.com"}, "needs a source_page; no other origin has one"),
        ({"recorded_at": datetime(2026, 11, 2)}, "recorded_at: .*timezone"),
        ({"provider": "strype"}, "did you mean 'stripe'"),
    ],
)
def test_what_cannot_be_is_refused(cassette: Path, wrong: dict[str, Any], problem: str) -> None:
    """No file is written then."""
    with pytest.raises(ConfigurationError, match=problem):
        _write(cassette, **wrong)
    assert list(cassette.parent.glob("*.json")) == []


@pytest.mark.parametrize(
    "text, problem",
    [
        (None, "its sidecar listing.provenance.json is missing, so its origin is unknown"),
        ("", "Invalid JSON"),
        ("{}", "provider: Field required"),
        ('{"provider": "stripe", "who": 1}', "who: Extra inputs are not permitted"),
    ],
)
def test_a_sidecar_that_is_none_is_an_error(cassette: Path, text: str | None, problem: str) -> None:
    """Missing, empty, or of another shape."""
    if text is not None:
        provenance.path_of(cassette).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem):
        provenance.read(cassette)
