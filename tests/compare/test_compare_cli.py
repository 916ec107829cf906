"""invoice-bridge compare: what it prints, and its exit code."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, CustomerRef, Money, OneTimeCharge
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.cli import compare as command
from invoice_bridge.cli.progress import Line
from invoice_bridge.emulator.server import Served, running
from tests.cli.conftest import Done, cli, execute  # noqa: F401 - a fixture
from tests.compare.bills import OTHER_IDENTITY, bill, eur

Cli = Callable[..., Done]
CASSETTES = Path(__file__).resolve().parents[2] / "cassettes"
STRIPE, CHARGEBEE, WHOP = (
    str(CASSETTES / name / "one_time_charge.yaml") for name in ("stripe", "chargebee", "whop")
)  # fmt: skip


@pytest.fixture
def sides(tmp_path: Path) -> Callable[..., list[str]]:
    """Two files of one invoice each, the right one changed."""

    def write(**changes: Any) -> list[str]:
        for name, one in (("left", bill()), ("right", bill(**{**OTHER_IDENTITY, **changes}))):
            (tmp_path / f"{name}.ndjson").write_text(one.model_dump_json() + "\n", "utf-8")
        return [str(tmp_path / f"{name}.ndjson") for name in ("left", "right")]

    return write


def test_the_same_bills_exit_with_0(cli: Cli, sides: Callable[..., list[str]]) -> None:  # noqa: F811 - a fixture
    """Nothing differs: the counts, and what was not compared."""
    done = cli("compare", *sides())
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "1 matched, 0 left only, 0 right only, 0 differing, 0 declared equal; stated by one side only: 0",
        "past due was not compared: it needs one clock for both sides (as_of)",
    ]


def test_a_difference_exits_with_1(cli: Cli, sides: Callable[..., list[str]]) -> None:  # noqa: F811
    """The path, and both values in two columns."""
    done = cli("compare", *sides(total=eur(14801)), "--as-of", "2026-06-01")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        "0 matched, 0 left only, 0 right only, 1 differing, 0 declared equal; stated by one side only: 0",
        "res-1  stripe in_1 | chargebee 19  differing",
        "  !! total  148.00 EUR  | 148.01 EUR  +0.01",
    ]


def test_json_is_one_document(cli: Cli, sides: Callable[..., list[str]]) -> None:  # noqa: F811
    """The counts, and every row with its class; nothing else on stdout."""
    done = cli("compare", *sides(total=eur(14801)), "--json", "--as-of", "2026-06-01T00:00:00Z")
    assert done.code == 1
    assert json.loads(done.out) == {
        "same": False,
        "counts": {"matched": 0, "left_only": 0, "right_only": 0, "differing": 1, "declared_equal": 0},
        "unsaid": 0,
        "keys": ["reference"],
        "as_of": "2026-06-01T00:00:00Z",
        "unused": [],
        "groups": [
            {
                "path": "total",
                "detail": "",
                "severity": "changes_money",
                "invoices": 1,
                "first": "res-1",
                "changes": {"EUR": {"sum": 1, "least": 1, "greatest": 1, "count": 1}},
                "followed_by": {},
            }
        ],
        "rows": [
            {
                "class": "differing",
                "key": "res-1",
                "left": {"provider": "stripe", "id": "in_1"},
                "right": {"provider": "chargebee", "id": "19"},
                "differences": [
                    {
                        "path": "total",
                        "left": {"minor": 14800, "currency": "EUR"},
                        "right": {"minor": 14801, "currency": "EUR"},
                        "class": "differing",
                        "severity": "changes_money",
                    }
                ],
            }
        ],
    }


def test_cassettes_are_compared_as_a_program() -> None:
    """In a process of its own, without a key, offline, and without a progress bar where stderr is no terminal."""
    same, other = execute("compare", STRIPE, CHARGEBEE), execute("compare", STRIPE, WHOP)
    assert (same.code, same.err, other.code, other.err) == (0, "", 1, "")
    assert "  !! status                 void                  | draft" in other.out.splitlines()


def test_allowed_differences_exit_with_0(cli: Cli, sides: Callable[..., list[str]], tmp_path: Path) -> None:  # noqa: F811
    """An unused entry is said; with --strict it is a difference."""
    allow = tmp_path / "allow.toml"
    entry = '[[allow]]\npath = "total"\nreason = "rounding"\ntolerance_minor = 1\n'
    allow.write_text(entry, "utf-8")
    given = sides(total=eur(14801))
    done = cli("compare", *given, "--allow", str(allow), "--strict")
    assert done.code == 0
    assert "     total  148.00 EUR  | 148.01 EUR  declared equal: rounding" in done.out.splitlines()
    allow.write_text(entry + '[[allow]]\npath = "description"\nreason = "old"\n', "utf-8")
    done = cli("compare", *given, "--allow", str(allow))
    assert done.code == 0
    assert "declared equal, but unused: description (old)" in done.out.splitlines()
    assert cli("compare", *given, "--allow", str(allow), "--strict").code == 1


def test_another_key_joins(cli: Cli, sides: Callable[..., list[str]]) -> None:  # noqa: F811
    """--key names what both sides say."""
    given = sides(reference="other")
    assert cli("compare", *given).code == 1
    assert cli("compare", *given, "--key", "metadata.order", "--key", "customer.email+total").code == 1
    assert "  !  reference  res-1  | other" in cli("compare", *given, "--key", "metadata.order").out.splitlines()


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (["none.ndjson", STRIPE], 2, "none.ndjson: there is no such file"),
        (["stripe:in_1", STRIPE], 2, "stripe: is read live: name the file of its profile with --config FILE"),
        ([STRIPE, CHARGEBEE, "--as-of", "now"], 2, "--as-of: 'now' is not an instant"),
        ([STRIPE, CHARGEBEE, "--key", "sum"], 2, "invoices cannot be joined by 'sum'"),
        ([STRIPE, CHARGEBEE, "--allow", "none.toml"], 2, "none.toml: there is no such file"),
        ([STRIPE, CHARGEBEE, "--html", "none/a.html"], 2, "--html none/a.html: there is no such folder"),
        ([STRIPE, CHARGEBEE, "--html", str(CASSETTES)], 2, f"--html {CASSETTES}: it is a folder: name a file in it"),
        ([STRIPE, CHARGEBEE, "--html", "/dev/null"], 2, "--html /dev/null: it is not a file that can be replaced"),
        ([STRIPE, CHARGEBEE, "--junit", "none/a.xml"], 2, "--junit none/a.xml: there is no such folder"),
        ([STRIPE, CHARGEBEE, "--junit", STRIPE], 2, f"--junit {STRIPE}: the command uses this file already"),
        ([STRIPE, CHARGEBEE, "--html", CHARGEBEE], 2, f"--html {CHARGEBEE}: the command uses this file already"),
        ([STRIPE, CHARGEBEE, "--html", "a.xml", "--junit", "a.xml"], 2, "--junit a.xml: the command uses this file"),
        ([STRIPE, STRIPE], 2, f"{STRIPE} is both sides: nothing would be compared"),
        ([str(CASSETTES), f"{CASSETTES}/stripe/.."], 2, f"{CASSETTES} is both sides: nothing would be compared"),
        ([STRIPE], 2, "Missing argument 'RIGHT'"),
    ],
)
def test_what_cannot_be_compared_exits_with_2(cli: Cli, arguments: list[str], code: int, told: str) -> None:  # noqa: F811
    """One line on stderr that says what to do, nothing on stdout."""
    done = cli("compare", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_nothing_to_compare_exits_with_2(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    """Empty files and torn files are never green."""
    (tmp_path / "a.ndjson").write_text("", "utf-8")
    (tmp_path / "b.ndjson").write_text(bill().model_dump_json()[:99], "utf-8")
    (tmp_path / "c.ndjson").write_text(bill(lines_complete=False).model_dump_json(), "utf-8")
    for name, told in (("a", "nothing was compared"), ("b", "no neutral invoice"), ("c", "not complete")):
        again = tmp_path / "again.ndjson"
        again.write_bytes((tmp_path / f"{name}.ndjson").read_bytes())
        done = cli("compare", str(tmp_path / f"{name}.ndjson"), str(again))
        assert (done.code, done.out) == (2, "")
        assert told in done.err


def test_a_recorded_answer_that_cannot_be_read_exits_with_3(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    """The provider's answer is at fault, not the caller."""
    torn = tmp_path / "torn.yaml"
    torn.write_text(Path(STRIPE).read_text("utf-8").replace('"total":2500', '"total":25.5'), "utf-8")
    done = cli("compare", str(torn), CHARGEBEE)
    assert (done.code, done.out) == (3, "")
    assert "in_00000001 was read in part, so it cannot be compared: total is no whole number of units" in done.err


# ── live ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file of profiles for two served emulators that hold three bills each; one differs by a cent."""
    with running(clock=FakeClock(), names=["stripe", "chargebee"]) as served:
        for name in ("stripe", "chargebee"):
            _bill(served, name)
            monkeypatch.setenv(f"{name.upper()}_API_KEY", served.emulators[name].key)
        profiles = "".join(
            f'[profiles.{name}-test]\nprovider = "{name}"\n[providers.{name}]\nbase_url = "{served.base_urls[name]}"\n'
            for name in served.base_urls
        )
        path = tmp_path / "billing.toml"
        path.write_text(profiles + 'settings = { site = "acme-test" }\n', "utf-8")
        yield str(path)


def _bill(served: Served, name: str) -> None:
    emulator = served.emulators[name]
    with Client(name, api_key=emulator.key, base_url=served.base_urls[name], **emulator.settings) as client:
        for place in range(3):
            amount = Money(1000 + place + (name == "stripe" and place == 2), "EUR")
            client.create(
                OneTimeCharge(reference=f"r{place}", customer=emulator.customer, amount=amount, description="Fees")
            )


def test_two_accounts_are_compared_live(cli: Cli, config: str) -> None:  # noqa: F811
    """`provider:` is all of an account, through the profile for it; `profile:` names one."""
    done = cli("compare", "stripe:", "chargebee-test:", "--config", config, "--json")
    told = json.loads(done.out)
    assert (done.code, done.err) == (1, "")
    assert told["counts"] | {} == {"matched": 2, "left_only": 0, "right_only": 0, "differing": 1, "declared_equal": 0}
    assert [row["key"] for row in told["rows"] if row["class"] == "differing"] == ["r2"]


def test_two_invoices_are_compared_live(cli: Cli, config: str) -> None:  # noqa: F811
    """`provider:id` is one invoice; two of them need no reference to be joined."""
    assert cli("compare", "stripe:in_00000001", "chargebee:1", "--config", config).code == 0
    other = cli("compare", "stripe:in_00000001", "chargebee:2", "--config", config)
    assert other.code == 1
    assert "  !  reference " in other.out
    missing = cli("compare", "stripe:in_x", "chargebee:2", "--config", config)
    assert (missing.code, missing.out) == (3, "")
    unknown = cli("compare", "strip:in_x", "chargebee:2", "--config", config)
    assert (unknown.code, unknown.out) == (2, "")
    assert "there is no profile 'strip'" in unknown.err


def test_progress_says_what_is_read_and_compared(
    sides: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each side, then the comparison; where no person sees stderr, nothing of it is written there."""
    shown: list[str] = []

    class Shown(Line):
        def show(self, done: int, total: int | None = None, text: str | None = None) -> None:
            shown.append(text or "")

    @contextmanager
    def progress(text: str) -> Iterator[Line]:
        shown.append(text)
        yield Shown(text)

    left, right = sides()
    with monkeypatch.context() as patched:
        patched.setattr(command, "progress", progress)
        command.compare(left, right)
    assert list(dict.fromkeys(shown)) == ["reading the left side", "reading the right side", "comparing"]
    command.compare(left, right)
    printed = capsys.readouterr()
    assert printed.out.startswith("1 matched")
    assert printed.err == ""


@pytest.mark.parametrize("expected, code", [("cb_9", 0), ("cb_8", 1)])
def test_defect_81_the_customers_of_config_hold_for_files(
    expected: str,
    code: int,
    cli: Cli,  # noqa: F811
    sides: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    """Defect 81: the map of customers in the --config file is read where both sides are files, and needs no key."""
    config = tmp_path / "bridge.toml"
    config.write_text(f'[customers.ada]\nstripe = "cus_1"\nchargebee = "{expected}"\n', "utf-8")
    paths = sides(provider="chargebee", customer=CustomerRef(id="cb_9"))
    assert cli("compare", *paths).code == 0
    done = cli("compare", *paths, "--config", str(config))
    assert (done.code, done.err) == (code, "")
    assert ("customer.id" in done.out) == (code == 1)


def test_defect_81_a_config_that_cannot_be_read_is_said_for_files(
    cli: Cli,  # noqa: F811
    sides: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    """Defect 81: with two files as sides, a --config file that is not there is an error, not silently left unread."""
    done = cli("compare", *sides(), "--config", str(tmp_path / "none.toml"))
    assert done.code == 2
    assert "none.toml" in done.err


def test_products_of_a_file_are_compared_by_name(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    """The caller's names in [products] join what lines bill; without the map the ids of two providers mean nothing."""
    left, right = bill(), bill(**OTHER_IDENTITY)
    for name, one, product in (("left", left, "prod_1"), ("right", right, "cb-2")):
        line = one.lines[0].model_copy(update={"product": product, "provider": one.provider})
        changed = one.model_copy(update={"lines": (line, *one.lines[1:])})
        (tmp_path / f"{name}.ndjson").write_text(changed.model_dump_json() + "\n", "utf-8")
    config = tmp_path / "billing.toml"
    config.write_text(
        '[profiles.a]\nprovider = "stripe"\n[products]\nseats = { stripe = "prod_1", chargebee = "cb-1" }\n'
        'desks = { chargebee = "cb-2" }\n',
        "utf-8",
    )
    sides = [str(tmp_path / "left.ndjson"), str(tmp_path / "right.ndjson"), "--as-of", "2026-06-01"]
    assert cli("compare", *sides).code == 0
    done = cli("compare", *sides, "--config", str(config))
    assert (done.code, done.err) == (1, "")
    assert [line.split() for line in done.out.splitlines() if "product" in line] == [
        ["!", "lines[0].product", "prod_1", "|", "cb-2"]
    ]
