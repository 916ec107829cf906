"""invoice-bridge migrate: a worker on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Money, OneTimeCharge, Unreachable
from invoice_bridge.emulator.server import Served
from invoice_bridge.migrate import Ledger, NewItem, PlanHeader, Timing, write_operation
from tests.cli.conftest import Done
from tests.migrate.moves import Move, move

BILLING = """
[profiles.target]
provider = "stripe"
journal = "bills.sqlite"
[providers.stripe]
base_url = "{url}"
requests_per_minute = 60
"""
MOVING = """
[profiles.old]
provider = "stripe"
[profiles.new]
provider = "chargebee"
[providers.stripe]
base_url = "{stripe}"
[providers.chargebee]
base_url = "{chargebee}"
settings = {{ site = "{site}" }}
"""


def configure(between: Move, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Set both keys, and write the file of both profiles and that of the customers; return the two files."""
    monkeypatch.setenv("STRIPE_API_KEY", between.source["api_key"])
    monkeypatch.setenv("CHARGEBEE_API_KEY", between.target["api_key"])
    config, customers = folder / "moving.toml", folder / "customers.csv"
    urls = {side["provider"]: side["base_url"] for side in (between.source, between.target)}
    config.write_text(MOVING.format(**urls, site=between.target["site"]), "utf-8")
    customers.write_text("source_id,target_id\ncus_42,cus_42\n", "utf-8")
    return config, customers


@pytest.mark.slow
def test_a_worker_finishes_the_plan(
    postgres_journal: str, served: Served, cli: Callable[..., Done], tmp_path: Path
) -> None:
    """The profile is the target's account; journal, lookup and pace are the ledger's. Started again, it is done."""
    config = tmp_path / "billing.toml"
    config.write_text(BILLING.format(url=served.base_urls["stripe"]), "utf-8")
    with Ledger(postgres_journal) as ledger:
        plan = ledger.add_plan(PlanHeader("stripe:", timing=Timing(lease=5, beat=1, deadline=10, settling=1)))
        bills = [
            OneTimeCharge(reference=f"res-{number}", customer="cus_42", amount=Money(500, "EUR")) for number in range(8)
        ]
        ledger.add(plan, (NewItem(bill.reference, {"make": write_operation(bill)}) for bill in bills), page_size=4)
        options = ("migrate", "worker", "--database-url", postgres_journal, "--config", str(config))
        done = cli(*options)
        assert (done.code, done.out, done.err) == (0, "8 done\n", "")
        assert ledger.counts(plan) == {"done": 8}
        assert len(served.emulators["stripe"].invoices) == 8
        assert cli(*options).out == "nothing was left to do\n"
    assert not (tmp_path / "bills.sqlite").exists()


@pytest.mark.parametrize(
    "ended, code", [({"done": 2}, 0), ({"done": 1, "refused": 1}, 1), ({"quarantined": 1}, 1), ({}, 0)]
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_worker_that_refused_an_item_ends_with_1(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    *, ended: dict[str, int], code: int, form: tuple[str, ...],
) -> None:  # fmt: skip
    """As `run` does: a script sees that not everything was moved."""
    config = tmp_path / "billing.toml"
    config.write_text(BILLING.format(url="http://127.0.0.1:1"), "utf-8")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add_plan(PlanHeader("stripe:"))
    monkeypatch.setattr("invoice_bridge.migrate.jobs.work_on_jobs", lambda *_, **__: ended)
    options = ("--database-url", str(tmp_path / "ledger.sqlite"), "--config", str(config), *form)
    assert cli("migrate", "worker", *options).code == code


def test_what_cannot_be_used_is_refused(cli: Callable[..., Done], tmp_path: Path, served: Served) -> None:
    """A password on the command line, a file where several machines meet, and a ledger without a plan."""
    config = tmp_path / "billing.toml"
    config.write_text(BILLING.format(url=served.base_urls["stripe"]), "utf-8")
    ends = ("--config", str(config))
    shown = cli("migrate", "worker", "--database-url", "postgresql://bills:hunter2@db/main", *ends)
    assert shown.code == 2
    assert "PGPASSWORD" in shown.err
    assert "hunter2" not in shown.err
    file = cli("migrate", "worker", "--database-url", str(tmp_path / "ledger.sqlite"), *ends)
    assert (file.code, "is a file of this machine" in file.err) == (2, True)


@pytest.mark.slow
def test_a_worker_moves_what_plan_has_written(
    postgres_journal: str, cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the source's profile it reads each invoice again, and accepts losses by name; without it, it refuses."""
    with move(tmp_path) as between:
        between.fill(4, ("paid", "open"))
        config, customers = configure(between, tmp_path, monkeypatch)
        ends = ("--config", str(config), "--from", "old")
        ledger = ("--ledger", postgres_journal)
        file = ("--customers", str(customers))
        planned = cli("migrate", "plan", *ledger, *ends, "--to", "new", *file, "--open", "--rate", "1000")
        assert "items: 4 planned" in planned.out
        worker = ("migrate", "worker", "--database-url", postgres_journal, "--config", str(config), "--profile", "new")
        refused = cli(*worker)
        assert (refused.code, "--from" in refused.err) == (2, True)
        assert between.emulators["chargebee"].invoices == {}
        assert "4 done" in cli(*worker, "--from", "old").out
        assert "4 of 4 verified" in cli("migrate", "verify", *ledger, *ends, "--to", "new").out


@pytest.mark.slow
def test_an_undo_after_a_sweep_names_what_it_takes_back(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --plan it is the one plan that made documents; of several, the option to type is in the message."""
    with move(tmp_path) as between:
        between.fill(1, ("paid",))
        config, customers = configure(between, tmp_path, monkeypatch)
        ends = ("--ledger", str(tmp_path / "a.sqlite"), "--config", str(config), "--from", "old", "--to", "new")
        assert "1 planned" in cli("migrate", "plan", *ends, "--customers", str(customers)).out
        early = cli("migrate", "undo", *ends)
        assert (early.code, "has made anything" in early.err) == (2, True)
        assert cli("migrate", "run", *ends).out == "of the plan: 1 done\n"
        assert cli("migrate", "sweep", *ends, "--customers", str(customers)).code == 0
        assert cli("migrate", "run", *ends).out == "nothing was left; of the plan: it has no items\n"
        assert "1 planned" in cli("migrate", "undo", *ends).out
        between.bill("paid", "res-late", 500)
        assert "1 planned" in cli("migrate", "sweep", *ends, "--plan", "2", "--customers", str(customers)).out
        assert cli("migrate", "run", *ends).out == "of the plan: 1 done\n"
        refused = cli("migrate", "undo", *ends)
        assert (refused.code, refused.err.endswith("the newest first: pass --plan 4\n")) == (2, True), refused.err


@pytest.mark.slow
def test_each_step_of_a_move_has_json(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One document on stdout from each step, with the same exit codes as the text, and nothing on stderr."""
    with move(tmp_path) as between:
        between.fill(2, ("paid", "uncollectible"))
        monkeypatch.setenv("STRIPE_API_KEY", between.source["api_key"])
        monkeypatch.setenv("CHARGEBEE_API_KEY", between.target["api_key"])
        config, customers, ledger = tmp_path / "moving.toml", tmp_path / "customers.csv", str(tmp_path / "a.sqlite")
        urls = {side["provider"]: side["base_url"] for side in (between.source, between.target)}
        config.write_text(MOVING.format(**urls, site=between.target["site"]), "utf-8")
        ends = ("--ledger", ledger, "--config", str(config), "--from", "old", "--to", "new")

        def step(*words: str, code: int = 0) -> Any:
            done = cli("migrate", *words, "--json")
            assert (done.code, done.err) == (code, ""), done
            return json.loads(done.out)

        unmapped = step("plan", *ends)
        assert [one["id"] for one in unmapped["missing_customers"]] == ["cus_42"]
        customers.write_text("source_id,target_id\ncus_42,cus_42\n", "utf-8")
        made = step("plan", *ends, "--customers", str(customers))
        assert (made["items"], made["closes"], made["missing_customers"]) == ({"planned": 2}, True, [])
        assert sum(group["moved"]["minor"] for group in made["control_totals"]) == 1000 + 1001
        assert step("preview", "--ledger", ledger) == {k: v for k, v in made.items() if k != "missing_customers"}
        stopping = [row["code"] for row in made["losses"] if row["stops"]]
        run = step("run", *ends, *(word for code in stopping for word in ("--allow", code)))
        assert (run["done"], run["items"], run["plan"]) == ({"done": 2}, {"done": 2}, made["plan"])
        verified = step("verify", *ends)
        assert (verified["ok"], verified["verified"], verified["findings"]) == (True, 2, [])
        assert step("credits", *ends, "--customers", str(customers))["is_clear"] is True
        assert Path(step("evidence", str(tmp_path / "evidence"), "--ledger", ledger)["page"]).exists()
        assert step("sweep", *ends, "--customers", str(customers))["items"] == {}
        assert sum(step("undo", *ends)["items"].values()) == 2


def test_what_a_run_refuses_is_said_and_is_no_success(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invoice changed since the plan: exit code 1, with what lists the reason and what plans it again."""
    with move(tmp_path) as between:
        made = between.bill("paid", "res-1", 1000)
        config, customers = configure(between, tmp_path, monkeypatch)
        ends = ("--ledger", str(tmp_path / "a.sqlite"), "--config", str(config), "--from", "old", "--to", "new")
        cli("migrate", "plan", *ends, "--customers", str(customers))
        between.emulators["stripe"].invoices[made]["number"] = "OTHER-1"
        run = cli("migrate", "run", *ends)
        assert (run.code, run.out) == (1, "of the plan: 1 refused\n")
        assert "1 item was refused by this run" in run.err
        assert "migrate sweep" in run.err
        verified = cli("migrate", "verify", *ends)
        assert (verified.code, "not moved: it is refused (changed-since-plan)" in verified.out) == (1, True)
        assert "1 planned" in cli("migrate", "sweep", *ends, "--customers", str(customers)).out
        assert cli("migrate", "run", *ends).code == 0
        assert cli("migrate", "verify", *ends).code == 0


@pytest.mark.parametrize(
    "words, option, problem",
    [
        (("evidence", "out", "--ledger", "none.sqlite"), "--ledger", "there is no such file; `migrate plan` makes it"),
        (("serve", "--ledger", "none.sqlite"), "--ledger", "there is no such file; `migrate plan` makes it"),
        (("status", "--ledger", "postgresql://me:hunter2@127.0.0.1:9/x"), "--ledger", "leave it out of the URL"),
        (("worker", "--database-url", "postgresql://me:hunter2@127.0.0.1:9/x"), "--database-url", "leave it out of"),
    ],
)
def test_a_ledger_that_cannot_be_used_is_named_by_its_option(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, words: Any, option: str, problem: str
) -> None:
    """Not as a journal, which another step makes; the password is in no message."""
    monkeypatch.chdir(tmp_path)
    more = ("--config", "moving.toml") if words[0] == "worker" else ()
    done = cli("migrate", *words, *more)
    assert (done.code, done.err.startswith(f"invoice-bridge: {option} ")) == (2, True), done
    assert problem in done.err
    assert "hunter2" not in done.err + done.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "harm, code, says",
    [
        ("key", 3, "stripe: "),
        ("away", 3, "cannot be reached"),
        ("unmapped", 2, "name the CSV of customers that the plan was made with"),
        ("profile", 2, "NO_SUCH_KEY"),
    ],
)
def test_balances_that_cannot_be_read_end_with_their_code(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, harm: str, code: int, says: str
) -> None:
    """A wrong key and a provider that is away are 3, what can be corrected here is 2; no key is in a message."""
    with move(tmp_path) as between:
        config, customers = configure(between, tmp_path, monkeypatch)
        between.fill(1, ("paid",))
        with between.migration() as migration:
            migration.plan(customers=between.customers)
            migration.run(allow=migration.preview().stopping)
        key = "sk_test_not_the_key"
        if harm == "key":
            monkeypatch.setenv("STRIPE_API_KEY", key)
        elif harm == "profile":
            text = config.read_text("utf-8")
            config.write_text(
                text.replace("[providers.stripe]", '[providers.stripe]\napi_key_env = "NO_SUCH_KEY"'), "utf-8"
            )
        elif harm == "unmapped":
            customers.write_text("source_id,target_id\n", "utf-8")
        elif harm == "away":
            customers.write_text("source_id,target_id\n" + "".join(f"c{n},cus_42\n" for n in range(5)), "utf-8")
            monkeypatch.setattr("invoice_bridge.migrate.credits.read_balances", unreachable)
        ends = ("--ledger", str(tmp_path / "ledger.sqlite"), "--config", str(config), "--from", "old", "--to", "new")
        done = cli("migrate", "credits", *ends, "--customers", str(customers))
    assert (done.code, says in done.err) == (code, True), done
    assert key not in done.err + done.out


def unreachable(*_given: object) -> None:
    raise Unreachable("the provider cannot be reached")
