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
