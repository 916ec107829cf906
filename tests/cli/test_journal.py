"""invoice-bridge journal: what is known of references, and releasing one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from invoice_bridge.core.wire import Request
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from tests.cli.conftest import Done

Cli = Callable[..., Done]

AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
STRIPE, WHOP = Book("stripe:", mode="test"), Book("whop:biz_42")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A journal with a bill that was made, one that is unknown, and one that was refused."""
    journal = Journal(tmp_path / "bills.sqlite")
    for book, reference, status, verdict, invoice_id in (
        (STRIPE, "res-1", 200, "applied", "in_1"),
        (WHOP, "res-2", None, None, None),
        (STRIPE, "res-3", 400, "refused", None),
    ):
        request = Request("POST", "https://a.test/v1/invoices", key=f"k-{reference}")
        number = journal.intend(book, reference, 1, request, AT)
        if status is not None:
            journal.conclude(number, "answered", AT, status=status, invoice_id=invoice_id, verdict=verdict)  # type: ignore[arg-type]
    journal.close()
    return str(tmp_path / "bills.sqlite")


def test_claims_are_listed(cli: Cli, path: str) -> None:
    """What is billed or may have been, as a table and as JSON; what was refused claims nothing."""
    told = cli("journal", "list", "--journal", path)
    assert told.code == 0
    assert [line.split()[:3] for line in told.out.splitlines() if "res-" in line] == [
        ["res-1", "made", "stripe"],
        ["res-2", "unknown", "whop:biz_42"],
    ]
    found = json.loads(cli("journal", "list", "--journal", path, "--unsettled", "--json").out)
    assert [(row["reference"], row["state"], row["provider"]) for row in found] == [("res-2", "unknown", "whop")]


def test_an_empty_list_says_what_is_empty(cli: Cli, path: str) -> None:
    """A journal whose bills are all settled does have bills; only none of them is unsettled."""
    assert cli("journal", "release", "res-2", "--why", "it was never sent", "--journal", path).code == 0
    assert cli("journal", "list", "--journal", path, "--unsettled").out == "no bill has an unknown outcome\n"
    assert cli("journal", "release", "res-1", "--why", "it was paid in cash", "--journal", path).code == 0
    assert cli("journal", "list", "--journal", path).out == "no reference is billed, or may have been\n"


def test_a_reference_is_shown(cli: Cli, path: str) -> None:
    """Every request of it and how it ended; one that is not known is exit code 1."""
    told = cli("journal", "show", "res-1", "--journal", path)
    assert (told.code, "done (HTTP 200)" in told.out, "in_1" in told.out) == (0, True, True)
    (row,) = json.loads(cli("journal", "show", "res-2", "--journal", path, "--json").out)["tries"]
    assert (row["verdict"], row["unresolved"], row["ended"]) == (None, True, None)
    assert cli("journal", "show", "res-9", "--journal", path).code == 1


def test_a_reference_is_released_with_a_reason(cli: Cli, path: str) -> None:
    """The reason is kept; then the reference claims nothing, and releasing it again says so."""
    told = cli("journal", "release", "res-1", "--why", "paid in cash", "--journal", path)
    assert (told.code, told.out) == (0, "res-1 is released at stripe: paid in cash\n")
    shown = json.loads(cli("journal", "show", "res-1", "--journal", path, "--json").out)
    assert [(fact["state"], fact["why"]) for fact in shown["facts"]] == [("released", "paid in cash")]
    again = cli("journal", "release", "res-1", "--why", "paid in cash", "--journal", path)
    assert (again.code, again.err) == (
        2, "invoice-bridge: nothing of 'res-1' blocks anything in the book 'default'\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments,problem",
    [
        (["list"], "name a journal: write --journal FILE, or --config FILE whose profile names it"),
        (["list", "--journal", "none.sqlite"], "--journal none.sqlite: there is no such file"),
        (
            ["release", "res-1", "--why", "  ", "--journal", "{path}"],
            "--why must be a sentence of printable characters",
        ),
        (["release", "res-1", "--why", "x", "--account", "whop", "--journal", "{path}"], "nothing of 'res-1' at whop"),
    ],
)
def test_what_cannot_be_done_says_why(cli: Cli, path: str, arguments: list[str], problem: str) -> None:
    """One line and exit code 2."""
    told = cli("journal", *[word.replace("{path}", path) for word in arguments])
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"invoice-bridge: {problem}")


def test_a_reference_at_several_accounts_needs_one_named(cli: Cli, path: str) -> None:
    """Two claims of one reference are released one by one."""
    journal = Journal(path)
    journal.intend(WHOP, "res-1", 1, Request("POST", "https://b.test/invoices", key="k"), AT, guarded=False)
    journal.close()
    told = cli("journal", "release", "res-1", "--why", "x", "--journal", path)
    assert told.code == 2
    assert "is at several accounts: name one of them, as --account: stripe, whop:biz_42" in told.err
    assert cli("journal", "release", "res-1", "--why", "x", "--account", "stripe", "--journal", path).code == 0


def test_old_bills_are_pruned(cli: Cli, path: str) -> None:
    """What would go is counted first; a young instant is refused; made bills go only when that is asked for."""
    before = ("--before", "2026-05-18", "--journal", path)
    assert cli("journal", "prune", *before, "--dry-run").out == "1 reference would be removed\n"
    assert json.loads(cli("journal", "prune", *before, "--json").out) == {"references": 1, "removed": True}
    assert cli("journal", "prune", *before).out == "0 references removed\n"
    assert cli("journal", "prune", *before, "--made").out == "1 reference removed\n"
    assert "res-2" in cli("journal", "list", "--journal", path).out  # unsettled, and kept
    young = cli("journal", "prune", "--before", datetime.now(UTC).isoformat(), "--journal", path)
    assert (young.code, "less than 30 days ago" in young.err) == (2, True)


def test_a_profile_names_the_journal_and_its_book(cli: Cli, path: str) -> None:
    """list, show and release take both from the file; another book is listed by --book."""
    config = Path(path).with_name("billing.toml")
    config.write_text('[profiles.main]\nprovider = "stripe"\njournal = "bills.sqlite"\nbook = "shop"\n', "utf-8")
    journal = Journal(path)
    journal.intend(Book("stripe:", "shop", "test"), "res-7", 1, Request("POST", "https://a.test/", key="k"), AT)
    journal.close()
    listed = cli("journal", "list", "--config", str(config), "--book", "shop").out
    assert ("res-7" in listed, "res-1" in listed) == (True, False)
    assert cli("journal", "release", "res-7", "--why", "known", "--config", str(config)).code == 0
    other = cli("journal", "release", "res-1", "--why", "known", "--config", str(config))
    assert other.err == "invoice-bridge: nothing of 'res-1' blocks anything in the book 'shop'\n"
    config.write_text('[profiles.main]\nprovider = "stripe"\njournal = "none.sqlite"\n', "utf-8")
    assert "the first bill makes the journal" in cli("journal", "list", "--config", str(config)).err


def test_a_journal_in_a_database_is_named_by_its_url(cli: Cli, postgres_journal: str) -> None:
    """The commands on a journal take a URL; one with a password is refused, and not repeated."""
    journal = Journal(postgres_journal)
    journal.intend(STRIPE, "res-7", 1, Request("POST", "https://a.test/", key="k"), AT)
    assert "res-7" in cli("journal", "list", "--unsettled", "--journal", postgres_journal).out
    told = cli("journal", "list", "--journal", "postgresql://bills:not_a_password@db.test/main")
    assert (told.code, "PGPASSWORD" in told.err, "not_a_password" in told.err) == (2, True, False)
    assert cli("journal", "release", "res-7", "--why", "known", "--journal", postgres_journal).code == 0
    assert journal.claims() == ()


def test_a_profile_allows_losses(cli: Cli, path: str) -> None:
    """`losses` marks what the profile allows, and does not count it; `explain` marks it too."""
    folder = Path(path).parent
    (folder / "billing.toml").write_text(
        '[profiles.main]\nprovider = "stripe"\nallow = ["IB-STRIPE-QUANTITY-01"]\n[payment_methods]\n'
        'card = { stripe = "pm_42" }\n',
        "utf-8",
    )
    (folder / "bill.toml").write_text(
        'command = "one_time_charge"\nreference = "res-9"\ncustomer = "cus_42"\n'
        'collection = { kind = "charge", payment_method = "card" }\n'
        '[[lines]]\ndescription = "Seats"\nquantity = "1.5"\namount = "19.99 EUR"\n',
        "utf-8",
    )
    options = (str(folder / "bill.toml"), "--config", str(folder / "billing.toml"))
    told = cli("losses", *options)
    assert (told.code, "(allowed by the profile)" in told.out) == (0, True)
    assert json.loads(cli("losses", *options, "--json").out)[0]["allowed"] is True
    explained = cli("explain", *options)
    assert (explained.code, "warns (allowed)" in explained.out, "pm_42" in explained.out) == (0, True, True)
