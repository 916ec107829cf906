"""What the documentation and the help show: every command runs with the documented files, every exit code is met."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.cli import demo, exits
from invoice_bridge.cli.app import run
from invoice_bridge.client.config import key_variable, read_profile
from invoice_bridge.emulator import EmulatorTransport
from tests.cli.conftest import EXAMPLES, Done

ROOT = EXAMPLES.parent
PAGES = (
    "README.md",
    "docs/how-to/command-line.md",
    "docs/how-to/compare.md",
    "docs/how-to/confirm-it-yourself.md",
    "docs/how-to/exactly-once.md",
)
ELSEWHERE = {
    "make": "tests run within it",
    "pip": "reaches a registry",
    "invoice-bridge emulate": "serves until it is stopped: test_the_emulators_are_served_until_interrupted",
}
"""What starts so is not run here, and why."""
RUN_ELSEWHERE = {
    "async-threads-celery.md",
    "compare-in-ci.md",
    "test-your-app.md",
    "webhooks-in-frameworks.md",
    "cassettes.md",
    "first-bill.md",
    "index.md",
    "mcp.md",
    "opentelemetry.md",
    "shadow-month.md",
    "migrate-a-year.md",
    "migrate.md",
    "switch-in-an-hour.md",
    "run-emulators.md",
    "switch-providers.md",
    "test-two-providers.md",
    "write-an-adapter.md",
    "webhooks.md",
}
"""Pages that a test of their own runs, or that show no command."""
ENDS = {
    "losses examples/period-invoice.toml --provider whop": {1},
    "compare cassettes": {1},
    "compare old.ndjson": {1},
    "show in_none": {3},
    "resolve bill.json": {0, 3},  # 3 while the bill was made a moment ago
}
"""How a command ends that does not end with 0: a difference is 1."""


def commands(page: str) -> list[str]:
    """The commands in the blocks of a page, without their comments."""
    shown = []
    for block in re.findall(r"^```console\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (.+)$", block.replace("\\\n", " "), re.MULTILINE):
            shown.append(re.sub(r"\s+# .*| +#.*$", "", line).strip())
    return shown


def is_run(command: str) -> bool:
    return not command.startswith(tuple(ELSEWHERE))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the documented files; what a client sends reaches an emulator, whichever host it is for."""
    emulators = {name: providers.get(name).emulator() for name in providers.names()}
    for name, emulator in emulators.items():
        monkeypatch.setenv(key_variable(name), emulator.key)
        emulator.emits = True  # as a served one: a calibration reads the events

    def route(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        url, is_local = request.url, request.url.host == "127.0.0.1"
        name = next(name for name in emulators if name in (url.path.split("/")[1] if is_local else url.host))
        path = urlsplit(providers.get(name).base_url(emulators[name].settings)).path
        root = f"{url.scheme}://{url.netloc.decode()}{'/' + name if is_local else ''}{path}"
        return EmulatorTransport(emulators[name], root).handle_request(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", route)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    shutil.copytree(ROOT / "cassettes", tmp_path / "cassettes")
    shutil.copy(EXAMPLES / "one-time-charge.json", tmp_path / "bill.json")
    draft = json.loads((EXAMPLES / "one-time-charge.json").read_text("utf-8")) | {"draft": True, "customer": "mber_42"}
    (tmp_path / "draft.json").write_text(json.dumps(draft), "utf-8")  # Whop issues nothing that it does not mail
    readme = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"^```toml\n(# billing\.toml\n.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "billing.toml").write_text(block[1], "utf-8")
    for name, minor in (("old", 1999), ("new", 2000)):
        amount = {"minor": minor, "currency": "EUR"}
        invoice = {
            "provider": "stripe",
            "id": "in_1",
            "status": "open",
            "reference": "r",
            "currency": "EUR",
            "total": amount,
        }
        (tmp_path / f"{name}.ndjson").write_text(json.dumps(invoice) + "\n", "utf-8")
    return tmp_path


def perform(command: str, capsys: pytest.CaptureFixture[str]) -> Done:
    """Run a documented command; in_123 is the invoice that was made first."""
    words = [word.replace("in_123", "in_00000001") for word in shlex.split(command)]
    while re.fullmatch(r"[A-Z_]+=\S+", words[0]):
        words.pop(0)
    assert words[0] == "invoice-bridge"
    capsys.readouterr()
    code = run(words[1:])
    printed = capsys.readouterr()
    return Done(code, printed.out, printed.err)


@pytest.mark.parametrize("page", PAGES)
def test_defect_85_every_documented_command_works(
    page: str, desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, with the files of the documentation, each ends as it says."""
    shown = commands(page)
    assert shown
    if "exactly-once" in page:  # the journal that the page begins with
        made = "create bill.json --provider stripe --journal bills.sqlite --lookup journal"
        assert perform(f"invoice-bridge {made}", capsys).code == 0
    for command in filter(is_run, shown):
        expected = next((codes for begin, codes in ENDS.items() if begin in command), {0})
        done = perform(command, capsys)
        assert done.code in expected, f"$ {command}\n{done.out}{done.err}"
        assert done.code or not done.err, f"$ {command}\n{done.err}"


def test_every_page_with_commands_is_run() -> None:
    """A new page with commands joins PAGES, or a test of its own runs it."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
    with_commands = {page.name for page in pages if "```console" in page.read_text("utf-8")}
    assert with_commands - RUN_ELSEWHERE == {Path(page).name for page in PAGES}


def test_defect_85_the_bill_of_the_examples_goes_with_the_profiles_of_the_examples(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same bill, by every profile of examples/billing.toml and with the one line changed to every provider."""
    config, bill = desk / "examples" / "billing.toml", "examples/period-invoice.toml --config examples/billing.toml"
    text = config.read_text("utf-8")
    for name in providers.names():
        config.write_text(re.sub('^provider = "stripe"', f'provider = "{name}"', text, flags=re.MULTILINE), "utf-8")
        done = perform(f"invoice-bridge losses {bill} --profile emulator", capsys)
        assert (done.code, done.err) in {(0, ""), (1, "")}
    config.write_text(text, "utf-8")
    for profile in ("main", "emulator"):
        done = perform(f"invoice-bridge create {bill} --profile {profile}", capsys)
        assert (done.code, done.err) == (0, "")
        assert "customer        cus_42" in done.out


def test_what_the_demo_says_to_try_works(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its last lines are commands that run."""
    tried = [line.strip() for line in demo._NEXT if line.strip().startswith("invoice-bridge") and is_run(line.strip())]
    assert tried
    for command in tried:
        assert perform(command, capsys).code == 0


# ── profiles for commands that send nothing ──────────────────────────────────────────────────────────────────────────
CONFIG = """
default = "main"
[profiles.main]
provider = "chargebee"
lookup = "never"
mode = "test"
[profiles.looked-up]
provider = "chargebee"
journal = "bills.sqlite"
lookup = "journal"
[providers.chargebee]
settings = { site = "acme", product_catalog = 1 }
base_url = "http://127.0.0.1:8787/chargebee/api/v2"
[customers]
acme = { chargebee = "cb-customer-7" }
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of profiles, and no key in the environment."""
    monkeypatch.delenv("CHARGEBEE_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("billing.toml").write_text(CONFIG, "utf-8")
    return "billing.toml"


def test_defect_84_explain_takes_a_profile(config: str, cli: Callable[..., Done], tmp_path: Path) -> None:
    """Settings, base URL, the map of customers and the lookup are the profile's; no key is needed, nothing is made."""
    bill = str(EXAMPLES / "period-invoice.toml")
    done = cli("explain", bill, "--config", config)
    assert (done.code, done.err) == (0, "")
    assert "http://127.0.0.1:8787/chargebee/api/v2/invoices" in done.out
    assert "cb-customer-7" in done.out
    assert "GET" not in done.out
    assert "GET" in cli("explain", bill, "--config", config, "--lookup", "always").out
    assert cli("explain", bill, "--config", config, "--profile", "looked-up").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["billing.toml"]
    for more, told in (
        (["--provider", "stripe"], "--provider cannot go with --config"),
        (["--set", "site=x"], "--set cannot go with --config"),
        (["--profile", "none"], "there is no profile 'none'"),
    ):
        refused = cli("explain", bill, "--config", config, *more)
        assert (refused.code, refused.out) == (2, "")
        assert told in refused.err
    for command in ("explain", "losses"):
        assert "write --config FILE, or --provider NAME" in cli(command, bill).err
        assert "--profile needs --config" in cli(command, bill, "--profile", "main", "--provider", "stripe").err


def test_defect_84_explain_shows_what_create_sends(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same profile: the requests that leave are those that were explained."""
    left: list[str] = []
    real: Any = httpx.HTTPTransport.handle_request

    def noted(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        left.append(f"{request.method} {request.url.copy_with(query=None)}")
        return real(transport, request)  # type: ignore[no-any-return]

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", noted)
    asked = "examples/period-invoice.toml --config examples/billing.toml --profile emulator"
    explained = perform(f"invoice-bridge explain {asked} --lookup never", capsys).out
    assert perform(f"invoice-bridge create {asked} --lookup never", capsys).code == 0
    shown = re.findall(r"^\d+\. \[[^]]*\] (\S+ \S+)", explained, re.MULTILINE)
    assert [line.replace("{open.id}", "in_00000001") for line in shown] == left


def test_defect_84_losses_take_a_profile(config: str, cli: Callable[..., Done]) -> None:
    """The losses are those of the profile's provider and settings; the journal's commands need no key either."""
    bill = str(EXAMPLES / "accrued-period.json")
    Path(config).write_text(CONFIG.replace("acme = {", "flt_42 = {"), "utf-8")
    by_profile = cli("losses", bill, "--config", config)
    by_options = cli("losses", bill, "--provider", "chargebee", "--set", "site=acme", "--set", "product_catalog=1")
    assert (by_profile.code, by_profile.out) == (by_options.code, by_options.out)
    assert "key" not in by_profile.err
    assert "CHARGEBEE_API_KEY" in cli("list", "--config", config).err
    assert "api_key" not in read_profile(config, needs_key=False)
    assert cli("journal", "list", "--config", config, "--profile", "looked-up").err.endswith("there is no such file\n")


# ── exit codes ───────────────────────────────────────────────────────────────────────────────────────────────────────
CHARGE = str(EXAMPLES / "one-time-charge.json")
ENDINGS: Mapping[int, list[tuple[str, ...]]] = {
    exits.DONE: [("explain", CHARGE, "--provider", "stripe"), ("create", "bill.json", "--provider", "stripe")],
    exits.DIFFERENCE: [
        ("losses", CHARGE, "--provider", "chargeapi"),
        ("resolve", "bill.json", "--provider", "stripe", "--since", "2026-01-01"),
        ("compare", "old.ndjson", "new.ndjson"),
    ],
    exits.USAGE: [
        ("list", "--nonsense"),
        ("explain", "none.json", "--provider", "stripe"),
        ("explain", CHARGE, "--provider", "stripe", "--set", "acount=x"),
        ("explain", CHARGE, "--provider", "chargeapi"),  # refused, as `create` would be
        ("create", "bill.json", "--provider", "chargeapi"),
        ("list", "--provider", "stripe", "--key-env", "NOT_SET"),
        (),
        ("journal",),
    ],
    exits.PROVIDER: [("show", "in_none", "--provider", "stripe"), ("pay", "in_none", "--provider", "stripe")],
}


@pytest.mark.parametrize("code", ENDINGS)
def test_each_documented_exit_code_is_met(code: int, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the table says of a code, a command shows; explain of a refused bill ends as create of it."""
    for words in ENDINGS[code]:
        done = perform(shlex.join(["invoice-bridge", *words]), capsys)
        assert done.code == code, f"{words}: {done.out}{done.err}"


def test_the_exit_codes_are_documented_alike() -> None:
    """The page, the help and the program know the same codes; 130 and 141 are met in test_program.py."""
    known = {exits.DONE, exits.DIFFERENCE, exits.USAGE, exits.PROVIDER, exits.INTERRUPTED, exits.PIPE_CLOSED}
    page = (ROOT / "docs/how-to/command-line.md").read_text("utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == known
    assert {int(code) for code in re.findall(r"(?:^|\. |: )(\d+) ", exits.HELP)} == known
    assert set(ENDINGS) == known - {exits.INTERRUPTED, exits.PIPE_CLOSED}
