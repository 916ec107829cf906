"""The recorder: what of an account may be written, and what may not."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from invoice_bridge import ConfigurationError
from invoice_bridge.cassettes.recorder import Recorder

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
URL = "https://api.stripe.com/v1/invoices/in_1PqWxYzAbCdEfGhIj"


def recorded(content: bytes, content_type: str) -> Recorder:
    """One exchange, whose answer is this."""
    made = Recorder(
        httpx.MockTransport(lambda _: httpx.Response(200, content=content, headers={"content-type": content_type}))
    )
    with httpx.Client(transport=made) as http:
        assert http.get(URL, headers={"authorization": "Bearer sk_test_not_a_key"}).content == content
    return made


def test_ids_of_a_live_account_become_pseudonyms(tmp_path: Path) -> None:
    """Those of a test account stay, so that a developer finds them there."""
    for origin, stays in (("live", False), ("test", True), ("emulator", True)):
        path = tmp_path / f"{origin}.yaml"
        recorded(b'{"id":"in_1PqWxYzAbCdEfGhIj"}', "application/json").save(
            path, "stripe", origin=origin, recorded_at=NOW
        )
        assert (b"in_1PqWxYzAbCdEfGhIj" in path.read_bytes()) is stays
        assert b"not_a_key" not in path.read_bytes()


def test_what_cannot_be_looked_into_is_not_written(tmp_path: Path) -> None:
    """A PDF may hold a name and an address: of a real account it is refused, and no file is left."""
    answer = recorded(b"%PDF-1.7 \x00\xff", "application/pdf")
    for origin in ("live", "test"):
        with pytest.raises(ConfigurationError, match=r"was not written: answer body: a body of type application/pdf"):
            answer.save(tmp_path / "one.yaml", "stripe", origin=origin, recorded_at=NOW)
    assert list(tmp_path.iterdir()) == []
    answer.save(tmp_path / "one.yaml", "stripe", origin="emulator", recorded_at=NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.provenance.json", "one.yaml"]
