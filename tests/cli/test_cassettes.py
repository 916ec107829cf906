"""invoice-bridge cassettes: what is printed, and the exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cassettes.corpus import KEY, person
from tests.cassettes.made import cassette, interaction
from tests.cli.conftest import Done

Cli = Callable[..., Done]


def test_check_says_where_and_never_what(cli: Cli, tmp_path: Path) -> None:
    """Exit code 1, one line a finding; the key itself is in neither stream."""
    cassette(tmp_path / "a.yaml", interaction(sent={"authorization": [f"Bearer {KEY}"]}))
    done = cli("cassettes", "check", str(tmp_path))
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        f"{tmp_path}/a.yaml, interaction 1: secret: request header authorization is not redacted",
        "1 cassette: 1 finding",
    ]
    listed = json.loads(cli("cassettes", "check", str(tmp_path), "--json").out)
    assert listed == {
        "cassettes": 1,
        "findings": [
            {
                "path": f"{tmp_path}/a.yaml",
                "interaction": 1,
                "kind": "secret",
                "message": "request header authorization is not redacted",
            }
        ],
    }


def test_redact_then_check(cli: Cli, tmp_path: Path) -> None:
    """What check finds, redact takes out; then there is nothing to find, and nothing left to do."""
    path = cassette(tmp_path / "a.yaml", interaction({"customer_email": "a@b.example"}), interaction(b"<p>"))
    done = cli("cassettes", "redact", str(tmp_path))
    assert done.code == 0
    assert done.out.splitlines() == [
        f"redacted {path}",
        "  answer field customer_email",
        "1 of 1 cassette changed",
    ]
    assert done.err == (
        f"invoice-bridge: {path}: answer body: its content type is JSON, but it is not JSON; the body was not changed\n"
    )
    assert person("a@b.example") in path.read_text("utf-8")
    assert cli("cassettes", "redact", str(tmp_path)).out == "0 of 1 cassette changed\n"
    path = cassette(path, interaction())
    assert cli("cassettes", "check", str(path)) == Done(0, "1 cassette: no findings\n", "")
    assert json.loads(cli("cassettes", "redact", str(path), "--json").out) == [
        {"path": str(path), "changed": False, "redacted": [], "unparsed": []}
    ]


def test_age_is_an_option(cli: Cli, tmp_path: Path) -> None:
    """--max-age in days, counted from now; without it age does not matter."""
    path = cassette(tmp_path / "a.yaml", interaction(), recorded_at="2020-01-01T00:00:00Z")
    assert cli("cassettes", "check", str(path)).code == 0
    done = cli("cassettes", "check", str(path), "--max-age", "365")
    assert done.code == 1
    assert "more than 365; record it again" in done.out
    assert cli("cassettes", "check", str(path), "--max-age", "-1").code == 2


def test_drift_is_an_exit_code(cli: Cli, tmp_path: Path) -> None:
    """0 and one line where there is none; 1 and a line each where there is."""
    old = str(cassette(tmp_path / "old.yaml", interaction({"status": "open"})))
    new = str(cassette(tmp_path / "new.yaml", interaction({"status": "late", "a": 1})))
    assert cli("cassettes", "drift", old, old) == Done(0, "no drift\n", "")
    assert json.loads(cli("cassettes", "drift", old, old, "--json").out) == []
    done = cli("cassettes", "drift", old, new)
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            "GET /v1/invoices/{id}: $.a is new (number)",
            "GET /v1/invoices/{id}: $.status has a new word: late (known: open)",
        ],
    )
    assert json.loads(cli("cassettes", "drift", old, new, "--json").out)[0] == {
        "endpoint": "GET /v1/invoices/{id}",
        "kind": "added",
        "path": "$.a",
        "old": "",
        "new": "number",
    }


def test_what_cannot_be_used_is_one_line(cli: Cli, tmp_path: Path) -> None:
    """Exit code 2: no folder, no cassettes, no provenance, a day that is no number."""
    (tmp_path / "empty").mkdir()
    for arguments in (
        ("check", str(tmp_path / "nowhere")),
        ("check", str(tmp_path / "empty")),
        ("redact", str(cassette(tmp_path / "a.yaml", interaction(), says=False))),
        ("drift", str(tmp_path / "a.yaml"), str(tmp_path / "nowhere")),
        ("check", "--max-age", "soon", str(tmp_path)),
    ):
        done = cli("cassettes", *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("invoice-bridge: ")
        assert done.err.count("\n") == 1
