"""The page "Migrate a year of invoices": its commands and its Python, between two served accounts."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Done
from tests.migrate.moves import Move, move

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "migrate.md"
TEXT = PAGE.read_text("utf-8")


@pytest.fixture
def between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """Both accounts, the page's file of profiles with their addresses, and their keys in the environment."""
    with move(tmp_path) as made:
        (profiles,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
        for side in (made.source, made.target):
            name = side["provider"]
            profiles = profiles.replace(f"[providers.{name}]", f'[providers.{name}]\nbase_url = "{side["base_url"]}"')
            monkeypatch.setenv(f"{name.upper()}_API_KEY", side["api_key"])
        (tmp_path / "moving.toml").write_text(profiles, "utf-8")
        monkeypatch.chdir(tmp_path)
        made.fill(6, ("paid", "void", "uncollectible", "refunded", "open", "draft"))
        yield made


@pytest.fixture
def cli(cli: Callable[..., Done], between: Move, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run a command with the key of the emulator, not that of the other tests."""
    monkeypatch.setenv("STRIPE_API_KEY", between.source["api_key"])
    return cli


def test_the_commands_of_the_page_move_what_they_say(cli: Callable[..., Done], between: Move) -> None:
    """One after the other; the CSV is completed where the page says so."""
    blocks = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert len(commands) == 12
    shown: dict[str, list[Done]] = {}
    for number, command in enumerate(commands):
        words = shlex.split(command)
        assert words[:2] == ["invoice-bridge", "migrate"]
        done = cli(*words[1:])
        assert done.code == 0, f"$ {command}\n{done.out}{done.err}"
        shown.setdefault(words[2], []).append(done)
        if number == 0:
            assert "1 customer has no id at the target: complete customers.csv" in done.err
            Path("customers.csv").write_text("source_id,target_id\ncus_42,cus_42\n", "utf-8")
    assert "refused customer-unmapped  4" in shown["plan"][0].out
    assert "items: 4 planned, 2 skipped" in shown["preview"][0].out
    assert [done.out for done in shown["run"]] == [
        "of the plan: 3 done, 1 planned, 2 skipped\n",
        "of the plan: 4 done, 2 skipped\n",
        "nothing was left; of the plan: 4 done, 2 skipped\n",
    ]
    assert "nothing is left to a person" in shown["quarantine"][0].out
    assert "plan 2: 4 of 4 verified, 0 findings" in shown["verify"][0].out
    assert json.loads(Path("evidence/verification.json").read_text("utf-8"))["ok"] is True
    assert "refused undo-impossible  1" in shown["undo"][0].out
    assert len(between.emulators["chargebee"].invoices) == 4


def test_the_python_of_the_page_runs(between: Move, capsys: pytest.CaptureFixture[str]) -> None:
    """The same in a program."""
    Path("customers.csv").write_text("source_id,target_id\ncus_42,cus_42\n", "utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    exec(compile(example, str(PAGE), "exec"), {})  # noqa: S102 - the page's own example
    assert "items: 4 planned, 2 skipped" in capsys.readouterr().out
    assert len(between.emulators["chargebee"].invoices) == 3


def test_every_reason_on_the_page_is_a_reason() -> None:
    """The page's words are those of the library."""
    from invoice_bridge.migrate.reasons import WORDS

    (sentence,) = re.findall(r"These have one of these reasons: (.*?)…", TEXT)
    words = re.findall(r"`([a-z-]+)`", sentence)
    assert len(words) > 4
    assert set(words) <= set(WORDS)


def test_a_person_decides_on_the_command_line(cli: Callable[..., Done], between: Move) -> None:
    """Run and verify end with 1 where something is left, status shows it, and a decision is kept."""
    with between.migration() as migration:
        migration.plan(customers=between.customers)
        allow = migration.preview().stopping
        row = next(
            row
            for row in migration.ledger.rows(1)
            if row.source["status"] == "paid"
            and not row.source["losses"][0][0].startswith("IB-CHARGEBEE-IMPORT-CREDIT")
        )
        made = between.emulators["chargebee"]
    with between.client("target") as client:  # another document has the number
        from invoice_bridge import ImportInvoice
        from invoice_bridge.migrate.operations import read_operation

        other: ImportInvoice = read_operation(row.operation["make"])
        client.import_invoice(other.model_copy(update={"reference": "another"}))
    assert len(made.invoices) == 1
    ends = ("--config", "moving.toml", "--from", "old", "--to", "new")
    ledger = ("--ledger", "ledger.sqlite")
    accepted = [word for code in sorted(allow) for word in ("--allow", code)]
    done = cli("migrate", "run", *ledger, *ends, *accepted)
    assert done.code == 1
    assert "items are left to a person" in done.err
    listed = cli("migrate", "quarantine", "list", *ledger, "--json")
    (item,) = json.loads(listed.out)
    assert (item["reference"], item["reason"]) == (row.reference, "number-taken")
    assert row.reference in cli("migrate", "quarantine", "list", *ledger).out
    status = json.loads(cli("migrate", "status", *ledger, "--json").out)
    assert (status["plan"], status["items"]["quarantined"]) == (1, 1)
    assert "1 quarantined" in cli("migrate", "status", *ledger).out
    assert cli("migrate", "verify", *ledger, *ends).code == 1
    decide = ("migrate", "quarantine", "resolve", row.reference, *ledger, "--why", "it is another document")
    assert cli(*decide, "--as", "elsewhere").code == 2
    decided = cli(*decide, "--as", "refused", "--json")
    assert json.loads(decided.out) == {"plan": 1, "reference": row.reference, "state": "refused"}
    assert cli(*decide, "--as", "refused").code == 2
    assert cli("migrate", "verify", *ledger, *ends).code == 0
    assert cli("migrate", "preview", *ledger).code == 0
    assert cli("migrate", "preview", "--ledger", "no.sqlite").code == 2
    assert not Path("no.sqlite").exists()


def test_balances_are_listed_on_the_command_line(cli: Callable[..., Done], between: Move) -> None:
    """As the page shows it; exit code 1 while a person has one to move, 0 without any, 2 before the plan is run."""
    Path("customers.csv").write_text("source_id,target_id\ncus_42,cus_42\n", "utf-8")
    ends = ("--ledger", "ledger.sqlite", "--config", "moving.toml", "--from", "old", "--to", "new")
    ask = ("migrate", "credits", *ends, "--customers", "customers.csv")
    with between.migration() as migration:
        migration.plan(customers=between.customers)
        assert cli(*ask).code == 2
        migration.run(allow=migration.preview().stopping)
    assert (cli(*ask).code, cli(*ask).out) == (0, "customers read: 1, balances to move by hand: 0, not read: 0\n")
    emulator: Any = between.emulators["stripe"]
    emulator.customers["cus_42"].update(balance=-1234, currency="eur")
    done = cli(*ask)
    assert done.code == 1
    (shown,) = re.findall(r"^```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert done.out == shown.partition("\n")[2]
    as_json = cli(*ask, "--json")
    assert as_json.code == 1
    (row,) = json.loads(as_json.out)["balances"]
    assert (row["source"], row["balance"]["amount"]) == ("cus_42", {"minor": 1234, "currency": "EUR"})
