"""The recorded scenarios: they replay as they were recorded, each says where it comes from, none holds a secret."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from vcr.config import VCR
from vcr.record_mode import RecordMode

from invoice_bridge import Client, Discrepancy, InvalidState, Invoice, Unsupported, providers
from invoice_bridge.cassettes import SCENARIOS, Account, Player, files, provenance
from invoice_bridge.cassettes import scenarios as recording
from invoice_bridge.cassettes.check import check
from invoice_bridge.cassettes.scenarios import record, record_all
from invoice_bridge.cli.app import run
from invoice_bridge.compare import Verdict, compare
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.testing import no_waiting

FOLDER = Path(__file__).resolve().parents[2] / "cassettes"
CANNOT = {
    ("chargeapi", "history"): (
        "ChargeAPI: an invoice is made of the account's own transactions: no amount, line, number, date or status is "
        "taken"
    ),
    ("whop", "period_invoice_accrued"): ("Whop cannot bill the usage of a period: it accrues nothing; give the lines"),
}
"""The scenarios that are about something which a provider does not have, and what its adapter says of that."""
ALL = list(itertools.product(providers.names(), SCENARIOS))
RECORDED = [pair for pair in ALL if pair not in CANNOT]
every = pytest.mark.parametrize("provider, scenario", RECORDED)
REDACTED = {"raw", "hosted_url", "pdf_url", "customer"}
"""What of an invoice holds something that a recording does not show."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the client waited, in seconds: nothing is waited for, and a recording has no limit on requests."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    with no_waiting():
        yield found


def path_of(provider: str, scenario: str) -> Path:
    return FOLDER / provider / f"{scenario}.yaml"


def play(provider: str, scenario: str, **arguments: Any) -> list[Invoice]:
    """A scenario, as another client than the one that was recorded plays it."""
    emulator = providers.get(provider).emulator()
    account = Account(emulator.customer, emulator.payment_method, emulator.subscription)
    with Client(
        provider, api_key="another_key_that_is_none", lookup="never", **emulator.settings, **arguments
    ) as client:
        return SCENARIOS[scenario](client, account)


def told(saw: list[Invoice]) -> list[dict[str, Any]]:
    """What invoices say, but for what is redacted; of a customer its id remains."""
    return [
        one.model_dump(exclude=REDACTED) | {"customer": None if one.customer is None else one.customer.id}
        for one in saw
    ]


# ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_provider_has_every_scenario() -> None:
    """One cassette and its sidecar for each, but for what a provider cannot do; nothing else stands in the folder."""
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    wanted = {f"{name}/{scenario}" for name, scenario in RECORDED}
    assert found == {f"{one}{ending}" for one in wanted for ending in (".yaml", ".provenance.json")}
    assert len(wanted) == 34


@pytest.mark.parametrize("provider, scenario", CANNOT)
def test_what_a_provider_cannot_do_is_not_recorded(provider: str, scenario: str, tmp_path: Path) -> None:
    """The adapter's own refusal says why, with its source, before anything is sent; no file is written."""
    with pytest.raises(Unsupported) as refusal:
        record(scenario, provider, tmp_path)
    assert str(refusal.value) == CANNOT[provider, scenario]
    assert refusal.value.source
    assert refusal.value.outcome == "nothing_done"
    assert list(tmp_path.iterdir()) == []


def test_they_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded anew, without waiting, every file is as it stands in the repository; else run `make cassettes`."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    made = record_all(tmp_path)
    assert slept == [0.0] * 2 * len(providers.names())
    assert [(one.path.parent.name, one.path.stem) for one in made] == RECORDED
    stale = [
        str(file.relative_to(tmp_path))
        for one in made
        for file in (one.path, one.path.with_suffix(".provenance.json"))
        if file.read_bytes() != (FOLDER / file.relative_to(tmp_path)).read_bytes()
    ]
    assert stale == []


@every
def test_it_says_where_it_comes_from(provider: str, scenario: str) -> None:
    """The sidecar names the provider, its API version, the emulator as the origin, and what was redacted."""
    said = provenance.read(path_of(provider, scenario))
    assert (said.provider, said.origin, said.mode) == (provider, "emulator", "none")
    assert said.api_version == providers.get(provider).api_version
    assert "request header authorization" in said.redacted


@every
def test_it_holds_no_secret(provider: str, scenario: str) -> None:
    """Neither the key nor the header it stood in, and nobody's address."""
    text = path_of(provider, scenario).read_text("utf-8")
    assert providers.get(provider).emulator().key not in text
    assert "authorization" not in text.lower()
    assert "someone@example.test" not in text


@pytest.mark.parametrize("provider", providers.names())
def test_it_names_nobody(provider: str) -> None:
    """None of the emulator's people stands in any cassette of a provider."""
    named = [path.name for path in (FOLDER / provider).iterdir() if "Some One" in path.read_text("utf-8")]
    assert named == []


def test_the_folder_passes_its_own_check() -> None:
    """Secrets, provenance, replay and versions: what `invoice-bridge cassettes check cassettes` says."""
    count, findings = check(FOLDER, as_of=datetime.now(UTC))
    assert count == len(RECORDED)
    assert [str(finding) for finding in findings] == []


# ── how it replays ───────────────────────────────────────────────────────────────────────────────────────────────────
@every
def test_plain_vcrpy_replays_it(provider: str, scenario: str, waits: list[float]) -> None:
    """With the network blocked, the same calls get the recorded answers, request bodies compared, none left over."""
    settings: dict[str, Any] = {"record_mode": RecordMode.NONE, "match_on": ["method", "uri", "body"]}
    plain: Any = VCR(**settings)  # type: ignore[no-untyped-call]
    with plain.use_cassette(str(path_of(provider, scenario))) as cassette:
        play(provider, scenario)
        assert cassette.all_played
        assert cassette.play_count >= 3
    assert set(waits) <= {0.0}


@every
def test_the_replay_is_what_was_recorded(provider: str, scenario: str, waits: list[float], tmp_path: Path) -> None:
    """The player gives back every invoice that the scenario saw of the emulator; nothing is left over or missing."""
    player = Player(path_of(provider, scenario), match_on_body=True)
    with httpx.Client(transport=player) as http:
        saw = play(provider, scenario, http=http)
    assert (player.unplayed, player.refused) == ([], [])
    assert told(saw) == told(record(scenario, provider, tmp_path).saw)
    assert set(waits) <= {0.0}


# ── what it shows ────────────────────────────────────────────────────────────────────────────────────────────────────
def ends(provider: str, scenario: str, tmp_path: Path) -> list[tuple[str, str]]:
    """What a scenario saw: reference and status, in order."""
    return [(str(one.reference), one.status.value) for one in record(scenario, provider, tmp_path).saw]


def answers(provider: str, scenario: str) -> list[tuple[str, int, Mapping[str, Any]]]:
    """What was recorded: method, HTTP status and headers of each answer."""
    rows = files.load(path_of(provider, scenario))["interactions"]
    return [
        (row["request"]["method"], row["response"]["status"]["code"], row["response"]["headers"])
        for row in rows
    ]  # fmt: skip


SHOWN: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "period_invoice_lines": lambda _: [("res-2026-05/lines", "open"), ("res-2026-05/lines", "void")],
    "period_invoice_accrued": lambda name: (
        [
            ("None", "paid")
        ]  # collected as they are invoiced; their purchase order is the subscription's, not our reference
        if name == "chargebee"
        else [("res-2026-05/accrued", "open"), ("res-2026-05/accrued", "void")]
    ),
    "listing": lambda _: [(f"res-2026-05-17/listed-{number}", "draft") for number in (3, 2, 1)],
    "void": lambda _: [("res-2026-05-17/void", "open"), ("res-2026-05-17/void", "void")],
    "paid": lambda _: [("res-2026-05-17/paid", "open"), ("res-2026-05-17/paid", "paid")],
    "refused": lambda _: [("res-2026-05-17/refused", word) for word in ("open", "void", "void")],
    "throttled": lambda _: [("res-2026-05-17/throttled", "open"), ("res-2026-05-17/throttled", "void")],
    "history": lambda name: (
        [("res-2025-05/draft", "draft")]  # Whop would mail anything else
        if name == "whop"
        else [("res-2025-05/paid", "paid"), ("res-2025-05/void", "void")]
    ),
}


@pytest.mark.parametrize("provider, scenario", [pair for pair in RECORDED if pair[1] in SHOWN])
def test_it_shows_what_its_name_says(provider: str, scenario: str, tmp_path: Path) -> None:
    """The same references and states at every provider, but where a provider collects by itself."""
    assert ends(provider, scenario, tmp_path) == SHOWN[scenario](provider)


@pytest.mark.parametrize("provider", providers.names())
def test_a_listing_has_several_pages(provider: str) -> None:
    """Three invoices, two a page: the last listing asked goes on from the one before it."""
    rows = files.load(path_of(provider, "listing"))["interactions"]
    listed = [
        row["request"]["uri"] for row in rows if row["request"]["method"] == "GET" and "=2" in row["request"]["uri"]
    ]
    assert len(listed) == 2
    assert len(listed[1]) > len(listed[0])


@pytest.mark.parametrize("provider", providers.names())
def test_a_refusal_is_the_providers_own(provider: str) -> None:
    """One answer is a refusal in the provider's words, which its adapter reads as InvalidState after a look."""
    codes = [code for _, code, _ in answers(provider, "refused")]
    assert [code for code in codes if code >= 300] == [{"chargebee": 409}.get(provider, 400)]
    with httpx.Client(transport=Player(path_of(provider, "refused"))) as http:
        emulator = providers.get(provider).emulator()
        client = Client(provider, api_key="another_key_that_is_none", http=http, lookup="never", **emulator.settings)
        made = SCENARIOS["refused"](client, Account(emulator.customer))
    assert len(made) == 3


@pytest.mark.parametrize("provider", providers.names())
def test_a_write_and_a_read_are_throttled(provider: str) -> None:
    """Each once, with HTTP 429 and Retry-After: 0, and the next answer to the same method is none."""
    found = answers(provider, "throttled")
    refusals = [place for place, (_, code, _) in enumerate(found) if code == 429]
    assert [found[place][0] for place in refusals] == ["POST", "GET"]
    for place in refusals:
        headers = {name.lower(): value for name, value in found[place][2].items()}
        assert headers["retry-after"] in ("0", ["0"])
        assert found[place + 1][:2] == (found[place][0], 200)


def test_a_provider_that_refuses_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario `refused` fails where the provider does what it was to refuse."""
    emulator = providers.get("stripe").emulator()
    transport = EmulatorTransport(emulator, "https://api.stripe.com")
    with httpx.Client(transport=transport) as http:
        client = Client("stripe", api_key=emulator.key, http=http, lookup="never")
        gone: dict[str, Invoice] = {}

        def void(self: Client, id: str, *, attempt: int = 1) -> Invoice:
            return gone.setdefault(id, self.retrieve(id)) if attempt > 1 else self.mark_uncollectible(id)

        monkeypatch.setattr(Client, "void", void)
        with pytest.raises(Discrepancy, match=r"in_00000001 is void, but stripe voided it a second time"):
            recording.refused(client, Account(emulator.customer))
    assert not issubclass(Discrepancy, InvalidState)


# ── one scenario, two providers ──────────────────────────────────────────────────────────────────────────────────────
PAIRS = list(itertools.combinations(providers.names(), 2))
ONE_LINE = {"lines[0]", "lines[1].amount", "lines[1].quantity", "lines[1].unit_amount"}
"""One charge at the others is two kinds of transactions at ChargeAPI, which makes the lines itself."""
NO_QUANTITY = {"lines[1].quantity", "lines[1].unit_amount"}
"""Chargebee's charges have none: two at 3.29 are one of 6.58."""
DUE = {"due_at"}
"""Nobody said when it is due; each provider has its own answer to that. Whop, which must be told, was told."""
HOW = {"collection.kind"}
"""Whop mails every invoice."""
DRAFT = {"status"}
"""Nothing but a draft can be made at Whop where nobody is to be mailed or charged, and a draft cannot be voided."""
DIFFERING: Mapping[tuple[str, str], Mapping[str, set[str]]] = {
    ("chargeapi", "chargebee"): {
        "one_time_charge": ONE_LINE | DUE,
        "period_invoice_lines": NO_QUANTITY | DUE,
        "listing": ONE_LINE,
        "paid": ONE_LINE | DUE,
    },
    ("chargeapi", "stripe"): {
        "one_time_charge": ONE_LINE,
        "period_invoice_lines": set(),
        "listing": ONE_LINE,
        "paid": ONE_LINE,
    },
    ("chargeapi", "whop"): {
        "one_time_charge": ONE_LINE | DRAFT,
        "period_invoice_lines": DUE,
        "listing": ONE_LINE,
        "paid": ONE_LINE | DUE,
    },
    ("chargebee", "stripe"): {
        "one_time_charge": set(),
        "period_invoice_lines": NO_QUANTITY,
        "listing": set(),
        "paid": set(),
    },
    ("chargebee", "whop"): {
        "one_time_charge": DRAFT,
        "period_invoice_lines": NO_QUANTITY | DUE,
        "listing": set(),
        "paid": DUE,
    },
    ("stripe", "whop"): {
        "one_time_charge": DRAFT,
        "period_invoice_lines": HOW,
        "listing": HOW,
        "paid": HOW,
    },
}


@pytest.mark.parametrize("scenario", ["one_time_charge", "period_invoice_lines", "listing", "paid"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_two_providers_are_compared(pair: tuple[str, str], scenario: str) -> None:
    """The same references on both sides; the sums and the dates differ where the providers do, and nowhere else."""
    left, right = (path_of(provider, scenario) for provider in pair)
    with compare(left, right) as found:
        counts = found.counts
        differing = {one.path for row in found.rows for one in row.differences if one.verdict is Verdict.DIFFERING}
    assert sum(counts[verdict] for verdict in (Verdict.MATCHED, Verdict.DIFFERING)) == (
        3 if scenario == "listing" else 1
    )
    assert (counts[Verdict.LEFT_ONLY], counts[Verdict.RIGHT_ONLY]) == (0, 0)
    assert differing == DIFFERING[pair][scenario]


def test_the_how_to_shows_what_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/how-to/compare.md is the output of its command, … standing for lines left out."""
    page = (FOLDER.parent / "docs" / "how-to" / "compare.md").read_text("utf-8")
    (command, *shown) = page.split("```console\n$ invoice-bridge ")[1].split("```")[0].splitlines()
    monkeypatch.chdir(FOLDER.parent)
    assert run(command.split()) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line != "…"] == [line for line in printed if line in shown]
    assert shown[0] == printed[0]


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "module, unneeded",
    [
        ("invoice_bridge.cassettes", {"httpx", "vcr", "invoice_bridge.cassettes.scenarios", "invoice_bridge.emulator"}),
        ("invoice_bridge.cassettes.player", {"vcr", "yaml", "invoice_bridge.cassettes.scenarios"}),
        ("invoice_bridge.testing", {"httpx", "invoice_bridge.emulator", "invoice_bridge.testing.conformance"}),
        ("invoice_bridge.testing.plugin", {"vcr", "invoice_bridge.testing.conformance", "invoice_bridge.compare"}),
    ],
)
def test_what_is_not_used_is_not_loaded(module: str, unneeded: set[str]) -> None:
    """The plugin is loaded at every start of pytest, in every project that has this library."""
    code = f"import sys, {module}; print(*sorted({unneeded!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""
