"""An adapter of a third party, from scaffold to bill: written, installed and tested outside this tree, no network."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pytest

from invoice_bridge import ConfigurationError, providers
from invoice_bridge.scaffold import new_provider
from tests.cli.conftest import execute
from tests.environment import Environment
from tests.warm import WarmPytest

ROOT = Path(__file__).resolve().parents[2]
SCAFFOLD = ROOT / "src" / "invoice_bridge" / "scaffold" / "adapter"
PAGE = ROOT / "docs" / "how-to" / "write-an-adapter.md"


# ── an adapter of a third party, installed outside this tree ─────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One for all tests of this file."""
    return Environment.make(tmp_path_factory.mktemp("environment"))


@dataclass(frozen=True)
class Installed:
    """The project of "fleetpay" as it was written, and the folder into which it was installed."""

    project: Path
    site: Path


@pytest.fixture(scope="session")
def installed(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Scaffolded by the program, built and installed by pip."""
    folder = tmp_path_factory.mktemp("untouched")
    done = environment.run("invoice-bridge", "new-provider", "fleetpay", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    found = Installed(folder / "invoice-bridge-fleetpay", folder / "site")
    done = environment.run("pip", "install", "--no-deps", "--target", str(found.site), ".", cwd=found.project)
    assert done.returncode == 0, done.stderr
    return found


@pytest.fixture(scope="session")
def warm(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPytest]:
    """Runs the suite on many copies of the adapter, without importing it anew for each."""
    with WarmPytest.started(environment, tmp_path_factory.mktemp("warm")) as started:
        yield started


# ── what is written ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_what_is_scaffolded_passes_the_suite_untouched(environment: Environment, installed: Installed) -> None:
    """More than 40 checks, and none fails or is expected to fail.

    Those of a verb that the adapter says its provider cannot do are skipped with that reason, and no others.
    """
    report = installed.project / "report.xml"
    done = environment.run("pytest", "-q", f"--junitxml={report}", cwd=installed.project, path=installed.site)
    assert done.returncode == 0, done.stdout
    suite = ET.parse(report).getroot()[0]  # noqa: S314 - our own file
    assert int(suite.attrib["tests"]) > 40
    assert [suite.attrib[word] for word in ("errors", "failures")] == ["0", "0"]
    reasons = [skipped.attrib["message"] for skipped in suite.iter("skipped")]
    verbs = "import_invoice|mark_paid|mark_uncollectible|update|delete|send_invoice|pay_part|record_payment|refund"
    verbs += "|credit|pdf"
    cannot = (
        rf"Fleetpay cannot ({verbs}): .+ \(docs\.fleetpay\.test/|no native parameter of Fleetpay changes the amount"
        r"|the emulator of Fleetpay computes every parameter that changes the amount"
    )
    assert [reason for reason in reasons if not re.match(cannot, reason)] == []
    assert len(reasons) == 176  # each verb does not work, loses neither kind of answer, has no row, is not done once
    assert "xfail" not in report.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_is_a_provider_where_it_is_installed(environment: Environment, installed: Installed) -> None:
    """The program lists it, Client makes a client of it; here, where it is not installed, it is unknown."""
    listed = environment.run("invoice-bridge", "providers", cwd=installed.site, path=installed.site)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "Fleetpay" in listed.stdout.splitlines()[0].split()
    code = "from invoice_bridge import Client; print(Client('fleetpay', api_key='test_not_a_key', mode='test'))"
    made = environment.run("python", "-c", code, cwd=installed.site, path=installed.site)
    assert (made.stdout, made.stderr) == ("Client('fleetpay', base_url='https://api.fleetpay.test/v1')\n", "")
    assert "fleetpay" not in providers.names()


def test_the_name_is_replaced_everywhere(tmp_path: Path) -> None:
    """No file that is written still names the invented provider; each module compiles, and none is left out."""
    written = new_provider("fleetpay", tmp_path)
    assert {path.suffix for path in written} == {".md", ".py", ".toml"}
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "acme" not in f"{path.relative_to(tmp_path)}{text}".lower()
        if path.suffix == ".py":
            compile(text, path, "exec")
    adapter = tmp_path / "invoice-bridge-fleetpay" / "src" / "invoice_bridge_fleetpay"
    assert {path.relative_to(adapter) for path in adapter.rglob("*.py")} == {
        path.relative_to(SCAFFOLD) for path in SCAFFOLD.rglob("*.py")
    }


def test_the_files_are_those_of_the_built_in_adapters() -> None:
    """Whoever has read one adapter finds their way in every other: same files, same division."""
    files = {path.relative_to(SCAFFOLD).as_posix() for path in SCAFFOLD.rglob("*.py")}
    chargeapi = ROOT / "src" / "invoice_bridge" / "providers" / "chargeapi"
    later = {
        "emulator/events.py",
        "emulator/probes.py",
    }  # a new adapter delivers no webhooks and has no doubts to settle
    assert files | later == {path.relative_to(chargeapi).as_posix() for path in chargeapi.rglob("*.py")}
    assert len(files) == 12


@pytest.mark.slow
def test_the_wheel_has_what_is_copied(tmp_path: Path) -> None:
    """Every file that new-provider copies is in the wheel of this library."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(ZipFile(wheel).namelist())
    source = ROOT / "src" / "invoice_bridge" / "scaffold"
    copied = [path for kind in ("*.tmpl", "adapter/**/*.py") for path in source.glob(kind)]
    assert len(copied) == 15
    assert {f"invoice_bridge/scaffold/{path.relative_to(source).as_posix()}" for path in copied} <= shipped


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name", ["", "a", "Fleet", "fleet-pay", "fleet_pay", "9pay", "pay.roll", "../x", "päy", "x" * 31]
)
def test_a_name_that_cannot_be_a_module_and_a_code_is_refused(name: str, tmp_path: Path) -> None:
    """One sentence says what a name is; nothing is written."""
    with pytest.raises(ConfigurationError, match="2 to 30 lower-case letters and digits, a letter first"):
        new_provider(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_provider_is_not_scaffolded(tmp_path: Path) -> None:
    """The name of a provider that is there already is refused."""
    with pytest.raises(ConfigurationError, match="the provider 'stripe' already exists"):
        new_provider("stripe", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    """What stands in the way stays as it is: a folder of that name, or a file where the folder is to be made."""
    (tmp_path / "invoice-bridge-fleetpay").mkdir()
    (tmp_path / "file").touch()
    for into in (tmp_path, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match=r"already exists|cannot be written"):
            new_provider("fleetpay", into)
    assert list((tmp_path / "invoice-bridge-fleetpay").iterdir()) == []


def test_the_program_says_it_in_one_line(tmp_path: Path) -> None:
    """Exit code 2, one line on stderr, nothing on stdout."""
    for arguments, told in ((("Fleet",), "'Fleet' cannot be"), (("whop", "--into", str(tmp_path)), "'whop' already")):
        done = execute("new-provider", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert told in done.err


# ── the suite can fail ───────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Sabotage:
    """A fault in one file of the adapter, and the check that is to find it."""

    file: str
    was: str
    becomes: str
    found_by: str


SABOTAGES = {
    "a status row that is wrong": Sabotage(
        "tables", 'StatusRow("void", Status.VOID', 'StatusRow("void", Status.PAID', "test_states_are_respected"
    ),
    "a row without a source": Sabotage(
        "fields",
        'carried("metadata", "labels", CREATE)',
        'carried("metadata", "labels", "")',
        "test_every_row_has_a_source",
    ),
    "a leaf without a row": Sabotage(
        "fields",
        '    unsent("attempt", KEY_SOURCE),\n',
        "",
        "test_every_leaf_has_a_row",
    ),
    "a row that says carried, and is not": Sabotage(
        "bills", '        "note": command.description,\n', "", "test_a_row_tells_the_truth"
    ),
    "a row that says dropped, and is not": Sabotage(
        "fields",
        'carried("collection.due", "due", CREATE)',
        'carried("collection.due", "due", CREATE, alters=Alters.NOTHING)',
        "test_a_row_tells_the_truth",
    ),
    "a tax that is sent, and said to be dropped": Sabotage(
        "bills",
        '"ref": command.reference,',
        '"ref": command.reference, "note2": "tax" if command.tax == "provider" else None,',
        "test_a_row_tells_the_truth",
    ),
    "a loss that no bill can meet": Sabotage(
        "fields", "when=_asks_for_tax,", "when=lambda _command, _context: False,", "test_a_loss_stops_the_command"
    ),
    "a field of unknown origin": Sabotage(
        "bills",
        '"ref": command.reference,',
        '"ref": command.reference, "source": "api",',
        "test_every_field_of_a_body_has_an_origin",
    ),
    "two losses of one code": Sabotage(
        "fields", "IB-FLEETPAY-ISSUED-01", "IB-FLEETPAY-ORDER-01", "test_loss_codes_are_unique_and_speak"
    ),
    "a POST without a key": Sabotage(
        "bills",
        "    return (yield from read_answer((yield request), context))",
        "    from invoice_bridge.core.wire import Request\n"
        "    headers = {name: value for name, value in request.headers.items() if value != request.key}\n"
        "    request = Request('POST', request.url, headers, request.content, body=body, specimen=request.specimen)\n"
        "    return (yield from read_answer((yield request), context))",
        "test_every_post_has_its_own_key",
    ),
    "a key that the retry does not know of": Sabotage(
        "bills",
        'specimen=specimen, opens=True, answers=("id",))',
        'specimen=specimen, opens=True, answers=("id",))\n'
        "    from invoice_bridge.core.wire import Request\n"
        "    request = Request('POST', request.url, request.headers, request.content, specimen=request.specimen)",
        "test_a_lost_answer_is_asked_for_again",
    ),
    "another bill's key, taken for any refusal": Sabotage(
        "tables", 'code="key_reused", key_reused=True)', 'code="key_reused")', "test_a_reference_stands_for_one_bill"
    ),
    "another bill that is found, and not compared": Sabotage(
        "bills",
        "same_bill(command, existing) if",
        "existing if",
        "test_a_reference_stands_for_one_bill",
    ),
    "a bill that is found, and made again": Sabotage(
        "bills", "if existing is not None else", "if False else", "test_a_bill_that_is_found_is_not_made_again"
    ),
    "a void that worked, and is told as an error": Sabotage(
        "verbs",
        "    return changed(command.id, context, request, transition)",
        "    from dataclasses import replace\n"
        "    return changed(command.id, context, request, replace(transition, becomes=frozenset()))",
        "test_a_void_whose_answer_was_lost_is_a_success",
    ),
    "a reference that is not read": Sabotage(
        "shapes", 'reference=text("ref")', 'reference=text("")', "test_resolve_says_what_became_of_a_bill"
    ),
    "one key for two steps": Sabotage(
        "verbs", '"finalize", body={}, ', '"finalize", body={}, step="open", ', "test_every_post_has_its_own_key"
    ),
    "an amount a hundred times too large": Sabotage(
        "bills", '"amount": MONEY.to_units(line.amount)', '"amount": 100 * MONEY.to_units(line.amount)', "test_vectors"
    ),
    "a currency table that is wrong both ways": Sabotage(
        "tables", "Units({code: digits for", "Units({code: digits + 2 for", "test_vectors"
    ),
    "lines that are not read": Sabotage(
        "shapes",
        'lines=rows("lines", LINE)',
        'lines=rows("line", LINE)',
        "test_all_lines_are_read",
    ),
    "an id that is not quoted": Sabotage(
        "verbs",
        'context.get("invoices", invoice_id, specimen=bare_specimen(invoice_id, "open"))',
        'Request("GET", f"{context.base_url}/invoices/{invoice_id}", context.provider.headers({}), '
        'specimen=bare_specimen("1", ""))',
        "test_an_id_stays_one_segment",
    ),
    "a credential in a header": Sabotage(
        "tables",
        'return {"Fleetpay-Version": API_VERSION}',
        'return {"Fleetpay-Version": API_VERSION, "Authorization": "Bearer test_not_a_key"}',
        "test_a_plan_holds_no_credential",
    ),
    "a listing that ends after its first page": Sabotage(
        "verbs",
        "None if cursor is None else command.model_copy",
        "None if cursor else command.model_copy",
        "test_a_listing_gives_every_invoice_once",
    ),
    "a listing without its last page": Sabotage(
        "verbs",
        "Page(tuple(items), ",
        "Page(tuple(items) if cursor else (), ",
        "test_a_listing_gives_every_invoice_once",
    ),
    "a demand for money that is not declared": Sabotage(
        "verbs", "else (Effect.ISSUES,)", "else ()", "test_every_effect_is_declared"
    ),
    "a draft that is paid": Sabotage(
        "verbs",
        'payable(command, (yield from read_invoice(command.id, context)), TRANSITIONS["pay"])',
        "yield from read_invoice(command.id, context)",
        "test_a_draft_is_never_collected",
    ),
    "an answer that is no invoice, taken for one": Sabotage(
        "shapes", 'id=required("id")', 'id=text("id")', "test_what_is_no_invoice_is_refused"
    ),
    "a delivery that anybody can send": Sabotage(
        "webhooks",
        """    instant, _, signature = delivery.required_header("fleetpay-signature").partition(",")
    check_timestamp(instant, at)
""",
        "    return\n",
        "test_a_delivery_of_anybody_is_refused",
    ),
    "a customer made of a reference": Sabotage(
        "bills",
        'customer_id(command, context, example="cus_…", source=SOURCES[command.verb])',
        "(command.customer.at(NAME) if command.customer else None) or command.reference",
        "test_a_customer_of_another_provider_is_not_billed",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_suite_finds(name: str, warm: WarmPytest, installed: Installed, tmp_path: Path) -> None:
    """Each fault that is put into the working adapter makes the check that is about it fail."""
    sabotage, site = SABOTAGES[name], tmp_path / "site"
    shutil.copytree(installed.site, site, ignore=shutil.ignore_patterns("__pycache__"))
    path = site / "invoice_bridge_fleetpay" / f"{sabotage.file}.py"
    text = path.read_text(encoding="utf-8")
    assert text.count(sabotage.was) == 1
    path.write_text(text.replace(sabotage.was, sabotage.becomes), encoding="utf-8")
    done = warm.run("-qx", "--tb=short", "-k", sabotage.found_by, cwd=installed.project, path=site)
    assert done.returncode == 1, done.stdout
    assert re.search(rf"^FAILED .*::{sabotage.found_by}", done.stdout, re.MULTILINE)


# ── the tutorial ─────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Block:
    """One fenced block of the page: its language, the file it is about, and its lines."""

    kind: str
    file: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks, in order."""
    for found in re.finditer(r"^```(\w+) ?(\S*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield Block(*found.groups())


def dialogue(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and what it prints."""
    for piece in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, printed = piece.partition("\n")
        yield command, printed


def looks_like(shown: str, printed: str) -> bool:
    """Whether an output is the one that is shown, in which … stands for anything."""
    pattern = ".*".join(re.escape(piece) for piece in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def change(text: str, block: Block) -> str:
    """Apply a diff whose lines stand together in the file, once."""
    rows = block.text.splitlines(keepends=True)
    was = "".join(row[1:] for row in rows if row[0] in " -")
    assert text.count(was) == 1, f"{block.file} has it {text.count(was)} times:\n{was}"
    return text.replace(was, "".join(row[1:] for row in rows if row[0] in " +"))


@pytest.mark.slow
def test_the_tutorial_is_what_happens(tmp_path: Path) -> None:
    """Every command of the page runs, every change applies, and what is printed is what the page shows."""
    environment = Environment.make(tmp_path / "environment")
    folder, commands = tmp_path, 0
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.kind == "diff":
            path = folder / block.file
            path.write_text(change(path.read_text(encoding="utf-8"), block), encoding="utf-8")
        elif block.kind != "console":
            assert block.file, block.text
            (folder / block.file).write_text(block.text, encoding="utf-8")
        else:
            for command, shown in dialogue(block):
                commands += 1
                if command.startswith("cd "):
                    folder /= command.removeprefix("cd ")
                    continue
                done = environment.run("sh", "-c", command, cwd=folder)
                assert looks_like(shown, done.stdout + done.stderr), f"$ {command}\n{done.stdout}{done.stderr}"
    assert commands == 10
