"""What is typed twice takes effect once: within a minute, after the key's lifetime, with a journal and without."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.emulator.server import Served, running
from tests.cli.conftest import Done

Cli = Callable[..., Done]
BILL = {"command": "one_time_charge", "customer": "cus_42", "amount": "19.99 EUR", "description": "Fees"}
DOCUMENT = {
    "command": "import_invoice",
    "reference": "old-1",
    "customer": "cus_42",
    "number": "2025-1",
    "total": "10.00 EUR",
    "status": "paid",
    "issued_at": "2025-03-01T00:00:00Z",
    "lines": [{"description": "Old", "amount": "10.00 EUR"}],
    "payments": [{"amount": "10.00 EUR", "at": "2025-03-05T00:00:00Z", "state": "succeeded"}],
}


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the provider."""
    return FakeClock()


@pytest.fixture
def served(clock: FakeClock) -> Iterator[Served]:
    """Stripe's emulator, whose clock a test moves."""
    with running(clock=clock, names=["stripe"]) as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Callable[[object], str]:
    """Write a document into a file."""

    def write(document: object) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(document), "utf-8")
        return str(path)

    return write


def _paid(stripe: Cli, path: str) -> str:
    invoice_id: str = json.loads(stripe("create", path, "--json").out)["id"]
    assert stripe("pay", invoice_id).code == 0
    return invoice_id


@pytest.mark.parametrize(
    "words",
    [
        ("pay", "ID", "--amount", ""),
        ("pay", "ID", "--amount", "", "--reference", "part-1"),
        ("pay", "ID", "--expect", ""),
        ("refund", "ID", "--amount", "", "--reference", "back-1"),
        ("refund", "ID", "--expect", "", "--reference", "back-1"),
        ("credit", "ID", "--amount", "", "--reference", "good-1"),
        ("record-payment", "ID", "--amount", "", "--at", "2026-05-17", "--reference", "wire-1"),
        ("create", "FILE", "--expect-total", ""),
        ("create", "FILE", "--since", ""),
        ("list", "--from", ""),
        ("list", "--from", "2026-05-02", "--to", "2026-05-01"),
    ],
)
def test_an_empty_option_is_not_one_that_was_left_out(
    stripe: Cli, served: Served, file: Callable[[object], str], words: tuple[str, ...]
) -> None:
    """`--amount "$AMOUNT"` without such a variable gave back the whole invoice; an empty --expect checked nothing."""
    path = file(BILL | {"reference": "res-1"})
    invoice_id = json.loads(stripe("create", path, "--json").out)["id"]
    if words[0] == "refund":
        assert stripe("pay", invoice_id).code == 0
    emulator = served.emulators["stripe"]
    before = emulator.requests
    done = stripe(*({"ID": invoice_id, "FILE": path}.get(word, word) for word in words))
    assert (done.code, done.out, emulator.requests) == (2, "", before)


def _events(served: Served) -> list[str]:
    return [entry.event for entry in served.emulators["stripe"].ledger]


def test_a_refund_and_a_payment_are_made_once(
    stripe: Cli, served: Served, clock: FakeClock, file: Callable[[object], str]
) -> None:
    """Without a journal: the invoice's own refunds and payments show the reference, also after the key's lifetime."""
    one = _paid(stripe, file(BILL | {"reference": "a"}))
    other = json.loads(stripe("create", file(BILL | {"reference": "b"}), "--json").out)["id"]
    refund = ("refund", one, "--amount", "1.00 EUR", "--reference", "back-1", "--json")
    payment = ("record-payment", other, "--amount", "5.00 EUR", "--at", "2026-11-01", "--reference", "wire-1", "--json")
    for hours in (0, 0, 25):
        clock.now += timedelta(hours=hours)
        assert json.loads(stripe(*refund).out)["amount_refunded"] == {"minor": 100, "currency": "EUR"}
        assert json.loads(stripe(*payment).out)["amount_paid"] == {"minor": 500, "currency": "EUR"}
    assert _events(served).count("refunded") == 1
    assert stripe("refund", one, "--amount", "2.00 EUR", "--reference", "back-1").code == 1


def test_a_journal_refuses_the_reference_of_a_refund_elsewhere(
    stripe: Cli, served: Served, clock: FakeClock, file: Callable[[object], str], tmp_path: Path
) -> None:
    """Also after the key's lifetime; the first bill makes the journal, and a refund without one says so."""
    journal = ("--journal", str(tmp_path / "bills.sqlite"))
    one, two = (_paid(stripe, file(BILL | {"reference": name})) for name in "ab")
    part = ("--amount", "1.00 EUR", "--reference", "back-1", *journal)
    missing = stripe("refund", one, *part)
    assert missing.err.endswith("there is no such file; `create` makes it with the first bill\n")
    assert stripe("create", file(BILL | {"reference": "c"}), *journal).code == 0
    assert stripe("refund", one, *part).code == 0
    clock.now += timedelta(hours=25)
    refused = stripe("refund", two, *part)
    assert (refused.code, refused.out) == (1, "")
    assert f"another refund, of {one} at stripe; nothing was sent" in refused.err
    assert _events(served).count("refunded") == 1


def test_an_import_makes_a_journal_and_is_made_once(
    stripe: Cli, clock: FakeClock, file: Callable[[object], str], tmp_path: Path
) -> None:
    """The same file again is the same document; a journal that lacks it does not lead to another number."""
    path, journal = file(DOCUMENT), tmp_path / "imports.sqlite"
    command = ("import", path, "--allow", "issued_at", "--json")
    first = stripe(*command, "--journal", str(journal), "--lookup", "journal")
    assert first.code == 0, first.err
    assert journal.is_file()
    clock.now += timedelta(hours=25)
    for lookup in ((), ("--lookup", "always"), ("--journal", str(journal), "--lookup", "journal")):
        assert json.loads(stripe(*command, *lookup).out)["id"] == json.loads(first.out)["id"]
    refused = stripe(*command, "--journal", str(tmp_path / "empty.sqlite"), "--lookup", "journal")
    assert refused.code == 1
    assert "--lookup always finds it; give another number only if it was not" in refused.err
    assert len(json.loads(stripe("list", "--json").out)) == 1


def test_a_file_names_what_is_wrong_with_it(stripe: Cli, file: Callable[[object], str]) -> None:
    """In words of the file, and with what to write."""
    attempt = DOCUMENT | {"payments": [{"amount": "10.00 EUR", "at": "2025-03-05T00:00:00Z"}]}
    assert 'write state = "succeeded", or leave it out' in stripe("import", file(attempt)).err
    unknown = stripe("create", file(BILL | {"reference": "a", "amonut": 1})).err
    assert unknown.endswith("amonut: there is no such field; did you mean 'amount'?\n")


def test_a_document_that_cannot_be_saved_names_its_file_once(stripe: Cli, file: Callable[[object], str]) -> None:
    """One line, without the number of the system's error."""
    invoice_id = _paid(stripe, file(BILL | {"reference": "a"}))
    done = stripe("pdf", invoice_id, "-o", "/no/such/folder/a.pdf")
    assert done.err == (
        "invoice-bridge: --output /no/such/folder/a.pdf: it cannot be written: No such file or directory\n"
    )
