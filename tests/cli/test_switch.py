"""invoice-bridge switch: its status, the report of a shadow phase, and moving the instant; no key is needed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from invoice_bridge import ConfigurationError, Handover, Journal, Shadow
from invoice_bridge.client.config import read_switch
from tests.cli.conftest import KEY, Done
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.switch.pair import ALLOWED, Pair

Cli = Callable[..., Done]

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
[providers.chargebee]
settings = { site = "acme-test", reference_field = "cf_reference" }
[switch]
old = "main"
new = "next"
"""
AT = "at = 2026-12-01T00:00:00Z\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose [switch] has an instant; there are no keys."""
    for name in ("STRIPE_API_KEY", "CHARGEBEE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "billing.toml"
    path.write_text(FILE + AT, "utf-8")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """The emulators, and the journal of the file."""
    return Pair(tmp_path / "bills.sqlite")


def test_the_status_has_instants_and_bills(cli: Cli, file: Path, pair: Pair) -> None:
    """What is kept, what the file says, and how many bills each side has; exit code 1 where they differ."""
    with pair.handover() as billing:
        for month in (10, 11, 12):
            billing.create(pair.period(month), allow=ALLOWED)
    shown = cli("switch", "status", "--config", str(file))
    assert shown.code == 0, shown.err
    assert "from stripe to chargebee:acme-test, in the book default" in shown.out
    assert "stripe: 2 made, 0 unknown" in shown.out
    assert "2026-12-01T00:00:00Z" in shown.out
    told = json.loads(cli("switch", "status", "--config", str(file), "--json").out)
    assert (told["agrees"], told["bills"]) == (True, {"stripe": {"made": 2}, "chargebee:acme-test": {"made": 1}})
    file.write_text(FILE + AT.replace("2026-12", "2027-01"), "utf-8")
    differs = cli("switch", "status", "--config", str(file))
    assert (differs.code, "another instant than the book" in differs.out) == (1, True)


def test_a_second_switch_is_listed_with_its_accounts(cli: Cli, file: Path, pair: Pair) -> None:
    """Back to the first account: each instant is that of two accounts, and the first switch is there too."""
    with pair.handover() as billing:
        billing.create(pair.period(11), allow=ALLOWED)
    swapped = FILE.replace('old = "main"', 'old = "next"').replace('new = "next"', 'new = "main"', 1)
    file.write_text(swapped + AT.replace("2026-12", "2027-03"), "utf-8")
    shown = cli("switch", "status", "--config", str(file))
    assert (shown.code, "chargebee:acme-test" in shown.out) == (0, True), shown.err
    told = json.loads(cli("switch", "status", "--config", str(file), "--json").out)
    assert [(row["old"], row["new"]) for row in told["history"]] == [("stripe", "chargebee:acme-test")]
    journal = Journal(pair.place)
    sides = pair.new.client(journal=journal), pair.old.client(journal=journal)
    with Handover(*sides, at=datetime(2027, 3, 1, tzinfo=UTC)) as billing:
        billing.create(pair.period(3, 2027), allow=ALLOWED)
    journal.close()
    lines = cli("switch", "status", "--config", str(file)).out.splitlines()
    assert [line.split()[:2] for line in lines if "at first use" in line] == [
        ["stripe", "chargebee:acme-test"],
        ["chargebee:acme-test", "stripe"],
    ]


def test_a_move_is_recorded_with_its_reason(cli: Cli, file: Path, pair: Pair) -> None:
    """Nothing is sent; the old instant is refused afterwards, and the status has both."""
    with pair.handover() as billing:
        billing.create(pair.period(12), allow=ALLOWED)
    before = pair.old.requests + pair.new.requests
    arguments = ("--to", "2027-01-01", "--why", "a month more", "--config", str(file))
    moved = cli("switch", "move", *arguments)
    assert (moved.code, "moved from 2026-12-01T00:00:00Z to 2027-01-01T00:00:00Z" in moved.out) == (0, True)
    assert pair.old.requests + pair.new.requests == before
    with pair.handover() as billing, pytest.raises(ConfigurationError, match="switch move"):
        billing.create(pair.period(11), allow=ALLOWED)
    status = cli("switch", "status", "--config", str(file))
    assert (status.code, "a month more" in status.out, "kept at first use" in status.out) == (1, True, True)
    named = json.loads(cli("switch", "move", "--customer", "acme", *arguments, "--json").out)
    assert (named["customer"], named["before"]) == ("acme", "2027-01-01T00:00:00+00:00")


def test_the_report_of_a_month(cli: Cli, file: Path, pair: Pair) -> None:
    """Exit code 1 where something differs or nothing was compared; no bill is compared before the first shadow day."""
    with Shadow(pair.old.client(journal=pair.place), pair.new.client()) as billing:
        billing.create(pair.period(11, purchase_order="PO-7"), allow=[*ALLOWED, "purchase_order"])
        expected = billing.report("2026-11")
    shown = cli("switch", "report", "--config", str(file), "--month", "2026-11")
    assert (shown.code, "1 bill compared with chargebee" in shown.out) == (0 if expected.is_clean else 1, True)
    told = json.loads(cli("switch", "report", "--config", str(file), "--json").out)
    assert (told["bills"], len(told["rows"])) == (1, len(expected.rows))
    empty = cli("switch", "report", "--config", str(file), "--month", "2026-10")
    assert (empty.code, "no bill was compared" in empty.out) == (1, True)
    assert "write 2026-11" in cli("switch", "report", "--config", str(file), "--month", "2026-11-01").err


def test_what_is_missing_is_named(cli: Cli, file: Path) -> None:
    """No journal yet; two journals; none at all."""
    assert "the first bill makes the journal" in cli("switch", "status", "--config", str(file)).err
    two = FILE.replace('journal = "bills.sqlite"', 'journal = "other.sqlite"', 1)
    file.write_text(two + AT, "utf-8")
    assert "two journals" in cli("switch", "status", "--config", str(file)).err
    file.write_text(FILE.replace('journal = "bills.sqlite"\nlookup = "journal"\n', "") + AT, "utf-8")
    assert "it has no journal" in cli("switch", "status", "--config", str(file)).err


@pytest.mark.parametrize(
    "table,problem",
    [
        ("", "it has none"),
        ('[switch]\nold = "main"\n', "it has no new"),
        ('[switch]\nold = "main"\nnew = "nxt"\n', "there is no profile 'nxt'"),
        ('[switch]\nold = "main"\nnew = "main"\n', "the same profile"),
        ('[switch]\nold = "main"\nnew = "next"\nat = "2026-12-01"\n', "without quotes"),
        ('[switch]\nold = "main"\nnew = "next"\nat = 2026-12-01T00:00:00\n', "with its offset"),
        ('[switch]\nold = "main"\nnew = "next"\nat = 2026-12-01\n', "with its offset"),
        ('[switch]\nold = "main"\nnew = "next"\nwhen = 1\n', "there is no 'when'"),
        ("switch = 1\n", "a table"),
    ],
)
def test_a_fault_of_the_table_is_named(file: Path, table: str, problem: str) -> None:
    """With the file and the place."""
    top, _, rest = (FILE.partition("[switch]")[0], "", table)
    file.write_text(rest + top if rest.startswith("switch") else top + rest, "utf-8")
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_switch(file)
    assert str(caught.value).startswith(str(file))


def test_both_are_made_from_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handover needs both keys and an instant, a shadow the key of the side that bills."""
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="CHARGEBEE_API_KEY is not set"):
        Handover.from_config(file)
    with Shadow.from_config(file) as shadow:
        assert (shadow.main.provider, shadow.candidate.provider) == ("stripe", "chargebee")
        assert shadow.report().bills == 0
    monkeypatch.setenv("CHARGEBEE_API_KEY", "test_not_a_key")
    with Handover.from_config(file) as handover:
        assert handover.provider == "stripe → chargebee"
        assert handover.old.journal is handover.new.journal
    with pytest.raises(ConfigurationError, match="leave the profile out"):
        Handover.from_config(file, "main")
    file.write_text(FILE, "utf-8")
    with pytest.raises(ConfigurationError, match="has no at"):
        Handover.from_config(file)
    file.write_text(FILE + '[switch.at]\nacme = 2027-01-01T00:00:00Z\n"*" = 2026-12-01T00:00:00Z\n', "utf-8")
    with Handover.from_config(file) as handover:
        assert set(handover._sides.given) == {"acme", "*"}
