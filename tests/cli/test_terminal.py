"""What commands write to a terminal: a real one, of several widths, with and without colours."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from invoice_bridge import Client, Invoice, Money, Status
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.cli import listing
from invoice_bridge.cli.files import read_bill
from invoice_bridge.emulator.server import Served, running
from tests.cli.conftest import EXAMPLES, KEY, execute
from tests.measured import measured

CHARGE = str(EXAMPLES / "one-time-charge.json")
ALL_COLUMNS = ["id", "number", "reference", "status", "customer", "total", "remaining", "created", "due"]
REFERENCES = ("res-2026-05-17", "customer-4711/subscription-0815/2026-05", "a reference with blanks, and a comma")


def in_terminal(*arguments: str, columns: int = 80, **env: str) -> str:
    """Run a command in a terminal of that width; give back what came out of it, line ends as the program wrote them."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", *arguments]
    given = {
        **measured(),
        "PATH": "/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "STRIPE_API_KEY": KEY,
        **env,
    }
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=given):
        os.close(theirs)
        written = bytearray()
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def billed() -> Iterator[tuple[Served, list[str]]]:
    """A served emulator of Stripe that holds three bills, and what says so on a command line."""
    with running(clock=FakeClock(), names=["stripe"]) as served:
        url = served.base_urls["stripe"]
        with Client("stripe", api_key=KEY, base_url=url) as client:
            for reference in REFERENCES:
                client.create(read_bill(CHARGE).model_copy(update={"reference": reference}))
        where = ["--provider", "stripe", "--base-url", url]
        yield served, where


# ── a listing ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_defect_84_a_listing_shows_whole_ids_and_references(columns: int, billed: tuple[Served, list[str]]) -> None:
    """However wide the terminal is, each id, reference and total is whole on a line of its terminal."""
    served, where = billed
    lines = in_terminal("list", *where, columns=columns, NO_COLOR="1").splitlines()
    for word in (*served.emulators["stripe"].invoices, *REFERENCES):
        assert sum(word in line for line in lines) == 1, word
    assert sum("19.99 EUR" in line for line in lines) >= 3
    assert max(map(len, lines)) <= columns


def test_defect_84_a_wide_listing_is_a_table_and_a_narrow_one_is_blocks(billed: tuple[Served, list[str]]) -> None:
    """What matters least is cut, then omitted; below that, an invoice is a block, with all that is known of it."""
    _, where = billed
    wide = in_terminal("list", *where, columns=200, NO_COLOR="1").splitlines()
    assert wide[0].split() == ALL_COLUMNS
    assert len(wide) == 4
    assert "…" not in "".join(wide)
    middle = in_terminal("list", *where, columns=100, NO_COLOR="1").splitlines()
    assert middle[0].split() == ["id", "reference", "status", "customer", "total", "remaining"]
    assert sum("  cus_42 <som" in line and "…  19.99 EUR" in line for line in middle) == 3
    middle = in_terminal("list", *where, columns=120, NO_COLOR="1").splitlines()
    assert middle[0].split() == ["id", "reference", "status", "customer", "total", "remaining", "created"]
    narrow = in_terminal("list", *where, columns=60, NO_COLOR="1").splitlines()
    assert narrow[0] == "in_00000003"
    assert narrow[1].split() == ["number", *narrow[1].split()[1:]]
    assert "  reference  a reference with blanks, and a comma" in narrow
    assert narrow.count("") == 2


def test_a_listing_obeys_columns(billed: tuple[Served, list[str]]) -> None:
    """In a terminal COLUMNS counts instead of its width; a pipe has no width, whatever COLUMNS says."""
    _, where = billed
    lines = in_terminal("list", *where, columns=200, NO_COLOR="1", COLUMNS="60").splitlines()
    assert max(map(len, lines)) <= 60
    piped = execute("list", *where, env={"STRIPE_API_KEY": KEY, "COLUMNS": "60"})
    assert piped.out.splitlines()[0].split() == ALL_COLUMNS
    assert "…" not in piped.out


def test_defect_84_a_piped_listing_is_one_line_an_invoice(billed: tuple[Served, list[str]]) -> None:
    """Without a terminal every column is there, a line is as long as it needs, and nothing depends on the width."""
    _, where = billed
    done = execute("list", *where, env={"STRIPE_API_KEY": KEY})
    header, *rows = done.out.splitlines()
    assert header.split() == ALL_COLUMNS
    assert [reference in row for reference, row in zip(reversed(REFERENCES), rows, strict=True)] == [True] * 3


def long_one(number: int) -> Invoice:
    """An invoice whose ids are as long as Stripe's, past due in the provider's own words, of a wordy customer."""
    return Invoice.model_validate(
        {
            "provider": "chargebee",
            "id": f"in_1MtHbELkdIwHu7ixl4OzzP{number:02}",
            "number": f"F1B2C3D-{number:04}",
            "reference": f"booking-{number:02}/may",
            "status": Status.OPEN,
            "native_status": "payment_due_and_dunning",
            "currency": "EUR",
            "total": Money(123456789, "EUR"),
            "amount_remaining": Money(123456789, "EUR"),
            "customer": {"id": "cus_4711", "name": "Ünïversal 日本 Exports & Sons", "email": "someone@example.test"},
            "created_at": "2026-05-01T09:30:00Z",
            "due_at": "2026-05-15T00:00:00Z",
        }
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200, None])
def test_words_are_cut_and_ids_amounts_and_dates_are_not(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At every width a line fits; whatever is shown of an id, a reference, an amount or a date is whole."""
    monkeypatch.setattr(listing, "terminal_width", lambda: width)
    listing.show_invoices([long_one(1), long_one(2)])
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert width is None or max(map(cell_len, lines)) <= width
    for number in (1, 2):
        for word in (f"in_1MtHbELkdIwHu7ixl4OzzP{number:02}", f"booking-{number:02}/may"):
            assert sum(word in line for line in lines) == 1, word
    assert text.count("1234567.89 EUR") == 4
    assert text.count("open, past due") == 2
    for start, whole in (("2026-05-01", "2026-05-01 09:30 UTC"), ("2026-05-15", "2026-05-15")):
        assert text.count(start) == text.count(whole)
    if width in {None, 200}:
        assert "customer" in lines[0]
    assert text.count("F1B2C3D") == text.count("F1B2C3D-000")
    assert ("…" in text) == (width not in {None, 80})  # at 80 columns it is a block, whose lines have the space


# ── colours ──────────────────────────────────────────────────────────────────────────────────────────────────────────
COMMANDS = {
    "help": ("--help",),
    "help of a command": ("list", "--help"),
    "help of a group": ("journal", "-h"),
    "misuse": ("list", "--nonsense"),
    "demo": ("demo",),
    "providers": ("providers",),
    "one provider": ("providers", "whop"),
    "explain": ("explain", CHARGE, "--provider", "stripe"),
    "explain all": ("explain", CHARGE, "--provider", "all"),
    "explain refused": ("explain", CHARGE, "--provider", "chargeapi"),
    "losses": ("losses", CHARGE, "--provider", "chargeapi"),
    "compare": ("compare", "left.ndjson", "right.ndjson"),
    "journal": ("journal", "list", "--journal", "bills.sqlite"),
    "create": ("create", CHARGE, "--journal", "bills.sqlite"),
    "list": ("list",),
    "refused": ("show", "in_none"),
}
COLOURED = {"help", "providers", "explain", "compare"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, billed: tuple[Served, list[str]]) -> Path:
    """Two files that differ, and a journal that holds a bill."""
    folder = tmp_path_factory.mktemp("files")
    for name, total in (("left", 1999), ("right", 2000)):
        amount = {"minor": total, "currency": "EUR"}
        invoice = {"provider": "stripe", "id": f"in_{name}", "status": "open", "currency": "EUR", "total": amount}
        invoice["reference"] = "res-1"
        (folder / f"{name}.ndjson").write_text(json.dumps(invoice) + "\n", "utf-8")
    url = billed[0].base_urls["stripe"]
    with Client("stripe", api_key=KEY, base_url=url, journal=folder / "bills.sqlite", lookup="never") as client:
        client.create(read_bill(CHARGE).model_copy(update={"reference": REFERENCES[0]}))  # again, by its key
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_defect_84_no_color_leaves_no_escape(name: str, folder: Path, billed: tuple[Served, list[str]]) -> None:
    """In a terminal, NO_COLOR=1 lets no escape byte through: no colour, no bold, no bar, FORCE_COLOR or not."""
    arguments = [str(folder / one) if (folder / one).exists() else one for one in COMMANDS[name]]
    arguments += billed[1] if name in {"create", "list", "refused"} else []
    plain = in_terminal(*arguments, columns=120, NO_COLOR="1", FORCE_COLOR="1")
    assert plain.strip()
    assert "\x1b" not in plain
    if name in COLOURED:
        assert "\x1b[" in in_terminal(*arguments, columns=120)
