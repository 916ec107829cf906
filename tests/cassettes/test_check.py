"""cassettes check: whatever is wrong with a recording is found, and no secret is ever printed."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import providers
from invoice_bridge.cassettes.check import check
from invoice_bridge.cassettes.reredact import redact
from invoice_bridge.core.errors import ConfigurationError
from tests.cassettes.corpus import KEY, PLANTS, Plant, based
from tests.cassettes.made import cassette, change, interaction

ORIGINS = "'live', 'test', 'emulator' or 'documentation'"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _found(place: Path, **more: Any) -> list[str]:
    _, findings = check(place, as_of=NOW, **more)
    return [f"{finding.kind} {finding.interaction}: {finding.message}" for finding in findings]


def test_a_good_cassette_has_nothing_to_find(tmp_path: Path) -> None:
    """Files and findings are counted; the same request twice in a row replays, in the order it was recorded."""
    cassette(tmp_path / "a.yaml", interaction({"id": "in_1"}), interaction({"id": "in_1"}))
    cassette(tmp_path / "deep" / "b.yml", interaction())
    assert check(tmp_path, as_of=NOW) == (2, ())


@pytest.mark.parametrize("plant", PLANTS, ids=[f"{plant.provider}: {plant.what}" for plant in PLANTS])
def test_every_planted_secret_is_found_and_not_printed(plant: Plant, tmp_path: Path) -> None:
    """The file, the interaction and the place are told; redacting it is all that helps."""
    home = providers.get(plant.provider).base_url({"site": "acme"})
    planted = plant.interaction(plant.secret)
    path = cassette(tmp_path / "a.yaml", interaction(uri=home), planted, provider=plant.provider)
    secrets = [finding for finding in check(path, as_of=NOW)[1] if finding.kind == "secret"]
    assert secrets
    assert {finding.interaction for finding in secrets} == {2}
    assert plant.secret not in "\n".join(map(str, secrets))
    redact(path)
    assert [finding for finding in check(path, as_of=NOW)[1] if finding.kind == "secret"] == []


@pytest.mark.parametrize(
    "made, where",
    [
        (
            interaction(b'{"\\u0073' + KEY[1:].encode() + b'": 1}'),
            "answer body has text in the shape of a key",
        ),
        (interaction(b"a%20sk%5Flive" + KEY[7:].encode()), "answer body has text in the shape of a key"),
        ({"request": {"oddly": [KEY]}}, "request oddly has text in the shape of a key"),
        (interaction({KEY: 1}), "answer body has text in the shape of a key"),
        (interaction({"a": {"b": {"x" + KEY: []}}}), "answer body has text in the shape of a key"),
        (interaction({"note": "AAA" + based("xx" + KEY)}), "answer body has text in the shape of a key"),
        (interaction({"n": 1}, headers={KEY: ["1"]}), "a name in answer headers has text in the shape of a key"),
        (
            interaction(headers={"content-type": ["text/plain"], "x-vault-token": ["abc"]}),
            "answer header x-vault-token has the name of a credential, and no table has a row for it",
        ),
        (
            interaction(sent={"x-my-password": ["abc"]}),
            "request header x-my-password has the name of a credential, and no table has a row for it",
        ),
    ],
)
def test_keys_where_no_table_reaches_are_found(made: Any, where: str, tmp_path: Path) -> None:
    """In names, in the middle of base64, and in headers that are credentials by their name."""
    found = _found(cassette(tmp_path / "a.yaml", made))
    assert f"secret 1: {where}" in found
    assert KEY not in "".join(found)


def test_what_cannot_be_looked_into_fails(tmp_path: Path) -> None:
    """A body said to be JSON that is none, and a PDF: nobody knows what stands in them."""
    pdf = interaction(b"%PDF-1.7", headers={"content-type": ["application/pdf"]})
    found = _found(cassette(tmp_path / "a.yaml", interaction(b"<html>"), pdf))
    assert found == [
        "unread 1: answer body: its content type is JSON, but it is not JSON: check it yourself, or remove it",
        "unread 2: answer body: a body of type application/pdf cannot be read: check it yourself, or remove it",
    ]


# ── provenance ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_missing_provenance_is_found_and_secrets_all_the_same(tmp_path: Path) -> None:
    """Without a sidecar the host tells whose table to hold it against."""
    path = cassette(tmp_path / "a.yaml", interaction({"customer_email": "a@b.example"}), says=False)
    assert _found(path) == [
        "provenance None: its sidecar a.provenance.json is missing, so its origin is unknown",
        "secret 1: answer field customer_email is not redacted",
    ]


def test_a_sidecar_without_a_cassette_is_found(tmp_path: Path) -> None:
    """The recording it spoke of is gone."""
    cassette(tmp_path / "a.yaml", interaction())
    cassette(tmp_path / "b.yaml", interaction()).unlink()
    assert _found(tmp_path) == ["provenance None: it has no cassette"]


@pytest.mark.parametrize(
    "said, problem",
    [
        ({"sha256": "0" * 64}, "the cassette was changed after it was recorded: its sha256 differs"),
        ({"redactor": 0}, "redacted by version 0, 2 is the current one; redact it again"),
        ({"recorded_at": "2026-11-23T00:00:00Z"}, "recorded_at is in the future: 2026-11-23"),
        ({"provider": "paddle"}, "the provider 'paddle' is unknown"),
        ({"provider": "whop", "api_version": "2026-10-15-1"}, "api.stripe.com is not a host of Whop"),
        ({"redacted": "all"}, "redacted: Input should be a valid array"),
        ({"origin": "hearsay"}, f"origin: Input should be {ORIGINS} (one of live, test, emulator, documentation)"),
        ({"mode": "live"}, "it: the origin test cannot have the mode live"),
    ],
)
def test_false_provenance_is_found(said: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """Another sum, another provider than the host's, an unknown origin, an instant to come."""
    path = cassette(tmp_path / "a.yaml", interaction())
    change(path, **said)
    assert f"provenance None: {problem}" in _found(path)


@pytest.mark.parametrize(
    "uri, origin, mode, wrong",
    [
        ("http://127.0.0.1:8787/stripe/v1/invoices", "emulator", "none", None),
        ("http://127.0.0.1:8787/stripe/v1/invoices", "test", "test", "127.0.0.1"),
        ("https://files.stripe.com/v1/x", "test", "test", None),
        ("https://api.stripe.com.evil.example/v1/x", "test", "test", "api.stripe.com.evil.example"),
        ("https://notstripe.com/v1/x", "test", "test", "notstripe.com"),
    ],
)
def test_the_host_is_the_providers(uri: str, origin: str, mode: str, wrong: str | None, tmp_path: Path) -> None:
    """The domain of its API; this machine, for an emulator alone."""
    path = cassette(tmp_path / "a.yaml", interaction(uri=uri), origin=origin, mode=mode)
    assert _found(path) == ([f"provenance None: {wrong} is not a host of Stripe"] if wrong else [])


def test_an_emulators_clock_is_its_own(tmp_path: Path) -> None:
    """It may stand in the future; a provider's cannot."""
    path = cassette(tmp_path / "a.yaml", interaction(), origin="emulator", mode="none")
    change(path, recorded_at="2030-01-01T00:00:00Z")
    assert _found(path) == []


def test_an_older_api_version_than_the_adapters_is_found(tmp_path: Path) -> None:
    """And one that the requests do not say."""
    old = interaction(sent={"Stripe-Version": ["2026-08-26.dahlia"]})
    path = cassette(tmp_path / "a.yaml", old)
    assert _found(path) == [
        "api-version None: recorded with 2026-08-26.dahlia, the adapter uses 2026-10-28.endive; record it again"
    ]
    change(path, api_version="2026-10-28.endive")
    assert _found(path) == [
        "provenance None: the sidecar has API version 2026-10-28.endive, the requests have 2026-08-26.dahlia"
    ]


def test_age_counts_when_it_is_asked_for(tmp_path: Path) -> None:
    """Recorded on 2 November: 19 days and more ago on the 22nd."""
    path = cassette(tmp_path / "a.yaml", interaction())
    assert _found(path, max_age=timedelta(days=20)) == []
    assert _found(path, max_age=timedelta(days=19)) == ["age None: recorded 19 days ago, more than 19; record it again"]


# ── what can never replay ────────────────────────────────────────────────────────────────────────────────────────────
def _changed(**request: Any) -> Any:
    made = interaction()
    made["request"] |= request
    return made


def _without(*path: str) -> Any:
    made = inner = interaction()
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return made


@pytest.mark.parametrize(
    "made, problem",
    [
        ("text", "vcrpy cannot read it: a part is missing or has the wrong type"),
        (_without("response"), "vcrpy cannot read it: a part is missing or has the wrong type"),
        (_without("response", "status", "code"), "vcrpy cannot read it: a part is missing or has the wrong type"),
        (_without("request", "method"), "vcrpy cannot read its request: method missing or unknown"),
        (_changed(port=1), "vcrpy cannot read its request: port missing or unknown"),
        (_changed(body=7), "vcrpy cannot read it: a part is missing or has the wrong type"),
        (_changed(uri="/v1/invoices"), "its address is not a complete URL: no request can match it"),
        (_changed(uri="http://[::1/"), "vcrpy cannot read it: a part is missing or has the wrong type"),
        (_changed(method="get it"), "its method is not an HTTP method: no request can match it"),
        (interaction(status=0), "its answer has no HTTP status"),
        (
            interaction({"a": 1}, headers={"content-encoding": ["gzip"]}),
            "its answer's content encoding is gzip, but the body is not gzip: every HTTP client fails on it",
        ),
    ],
)
def test_what_can_never_replay_is_found(made: Any, problem: str, tmp_path: Path) -> None:
    """Entries that vcrpy cannot read or no request can match, and answers that no client can read."""
    assert f"replay 2: {problem}" in _found(cassette(tmp_path / "a.yaml", interaction(), made))


def test_gzip_that_is_gzip_replays(tmp_path: Path) -> None:
    """Compressed answers are kept as they came."""
    packed = interaction(
        gzip.compress(b"{}"), headers={"content-encoding": ["gzip"], "content-type": ["application/json"]}
    )
    assert _found(cassette(tmp_path / "a.yaml", packed)) == []


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "it is not a cassette: it has no list of interactions"),
        (b"interactions: {}", "it is not a cassette: it has no list of interactions"),
        (b"interactions: []", "it has no interactions"),
        (b"a: [", "it is not valid YAML for a cassette: "),
        (b"a: !!python/object/apply:os.getcwd []", "it is not valid YAML for a cassette: "),
        (b"\xff\xfe\x00", "it is not UTF-8 text (line 1)"),
    ],
)
def test_a_file_that_is_no_cassette_is_found(content: bytes, problem: str, tmp_path: Path) -> None:
    """It is a finding of its own; the other files are checked all the same."""
    (tmp_path / "a.yaml").write_bytes(content)
    cassette(tmp_path / "b.yaml", interaction({"email": "a@b.example"}))
    found = _found(tmp_path)
    assert any(one.startswith(f"replay None: {problem}") for one in found)
    assert "secret 1: answer field email is not redacted" in found


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    """A wrong folder must not look like a clean one (defect 20)."""
    with pytest.raises(ConfigurationError, match="it has no cassettes"):
        check(tmp_path, as_of=NOW)
    with pytest.raises(ConfigurationError, match="this folder or file does not exist"):
        check(tmp_path / "nowhere", as_of=NOW)
