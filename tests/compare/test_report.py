"""The comparison as an HTML page: what is in the file. In a browser: tests/e2e/test_report_*.py."""

import json
import re
import tracemalloc
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import CreditNote, CustomerRef, Discount, Invoice, Line, Money, Payment, Status, TaxId, TaxLine
from invoice_bridge.compare import Allowed, compare
from invoice_bridge.compare.groups import spelled
from invoice_bridge.compare.report import rows as report_rows
from invoice_bridge.compare.report import write_html
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.model import AMOUNTS
from tests.cli.conftest import Done, cli  # noqa: F401 - a fixture
from tests.compare.bills import NOW, OTHER_IDENTITY, bill, eur

HOSTILE = "</script></style></title>--><img src=x onerror=alert(1)>\"'&<script>alert(2)</script>\u202e"


class Page(HTMLParser):
    """A page as a browser sees it: its elements, the text of each kind of element, and its blocks of data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, str] = {}
        self.blocks: dict[str, str] = {}
        self._open: list[str] = []
        self._block: str | None = None
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        if tag == "wbr":
            return
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open.append(tag)
        if tag in {"script", "style"}:
            self._block = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._block = None
        while self._open and self._open.pop() != tag:
            continue  # elements without an end

    def handle_data(self, data: str) -> None:
        if self._block is not None:
            self.blocks[self._block] = self.blocks.get(self._block, "") + data
        elif self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data

    @property
    def rows(self) -> list[tuple[list[Any], dict[str, Any]]]:
        """Each row: what the table shows, and what opens."""
        lines = [json.loads(line) for line in self.blocks["rows"].splitlines()]
        return list(zip(lines[::2], lines[1::2], strict=True))

    def values(self, name: str) -> list[str]:
        """The values of an attribute, wherever it stands."""
        return [value for _, attribute, value in self.attributes if attribute == name]


Write = Callable[..., Page]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Compare two lists, write the page and read it back."""

    def write(left: list[Invoice], right: list[Invoice], allow: Any = (), **options: Any) -> Page:
        with compare(left, right, allow=allow, as_of=NOW) as found:
            write_html(found, tmp_path / "report.html", **options)
        return Page(tmp_path / "report.html")

    return write


def other(**changes: Any) -> Invoice:
    """The same bill at the other provider, but for what is changed."""
    return bill(**{**OTHER_IDENTITY, **changes})


def cells(page: Page) -> list[str]:
    """The figures of the table of totals, in its order, as they are copied."""
    table = page.source.partition('<table class="totals">')[2].partition("</table>")[0]
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_it_refers_to_nothing_outside(written: Write) -> None:
    """No element that loads, links or sends, and no address anywhere in the page's own markup, style and script."""
    page = written([bill()], [other(total=eur(1))])
    assert {"link", "img", "iframe", "object", "embed", "base", "image", "use"} & set(page.elements) == set()
    assert {name for _, name, _ in page.attributes} & {"src", "srcset", "action", "style", "xlink:href"} == set()
    assert [link for link in page.values("href") if not link.startswith("#")] == []
    own = page.source.replace(page.blocks["rows"], "")
    assert re.findall(r"https?:|//\w+\.|url\(|@import|fetch\(|innerHTML|XMLHttp", own) == []


def test_its_policy_allows_its_own_style_and_script_alone(written: Write) -> None:
    """Everything is forbidden but the three blocks whose hashes are in it, and markup from text."""
    page = written([bill()], [other()])
    own = {
        name: b64encode(sha256(page.blocks[name].encode()).digest()).decode() for name in ("style", "folding", "script")
    }
    assert page.values("content")[0] == (
        f"default-src 'none'; style-src 'sha256-{own['style']}'; script-src 'sha256-{own['folding']}' "
        f"'sha256-{own['script']}'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def test_hostile_texts_stay_texts(written: Write) -> None:
    """Every text of an invoice, of the caller and of a declaration: no element and no attribute comes of them."""

    def said(text: str, key: str) -> tuple[list[Invoice], list[Invoice], list[Allowed]]:
        one = bill(
            reference=text, description=text, metadata={"order": text, key: text}, id=text, native_status=text,
            number=text, customer=CustomerRef(id=text, name=text, email=text), raw={key: text, "a": [text]},
            lines=(Line(description=text, amount=eur(1)),), hosted_url=text,
        )  # fmt: skip
        changed = one.model_copy(update={"provider": text, "description": "b", "metadata": {"order": "1", key: "2"}})
        unused = [Allowed(path=f"metadata.{key}{key}", reason=text), Allowed(path="description", reason=text)]
        return [one], [changed], unused

    harmless = written(*said("x@y.test", "y"), sides=("x", "z"))
    page = written(*said(HOSTILE, HOSTILE), sides=(HOSTILE, HOSTILE + "2"))
    assert page.elements == harmless.elements
    assert [(tag, name) for tag, name, _ in page.attributes] == [(tag, name) for tag, name, _ in harmless.attributes]
    assert "<" not in page.blocks["rows"]
    assert "\u202e" not in page.source
    ((listed, opened),) = page.rows
    assert listed[1] == HOSTILE.replace("\u202e", "\\u202e")
    assert json.loads(opened["raw"][0]) == {HOSTILE: HOSTILE, "a": [HOSTILE]}


def test_the_same_comparison_gives_the_same_bytes(written: Write) -> None:
    """No clock, no order by chance."""
    sides: list[list[Invoice]] = [[bill(), bill(reference="b")], [other(total=eur(1)), other(reference="c")]]
    assert written(*sides, made_at=NOW).source == written(*sides, made_at=NOW).source


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    """A fault of the disk names the file; a page that breaks off does not take the place of the one before."""
    found = compare(bill(), other())
    with pytest.raises(ConfigurationError, match=r"nowhere/report\.html: there is no such folder"):
        write_html(found, tmp_path / "nowhere" / "report.html")
    kept = tmp_path / "kept.html"
    kept.write_text("before", "utf-8")
    with pytest.raises(ValueError, match="no time zone"):
        write_html(found, kept, made_at=datetime(2026, 6, 1))
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [("kept.html", "before")]


# ── the summary ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_head_says_what_was_compared_and_what_came_of_it(written: Write) -> None:
    """The answer, the counts, both sides with their providers, the clock, and declarations that nothing needed."""
    left = [bill(), bill(reference="b"), bill(reference="c"), bill(reference="d")]
    right = [other(total=eur(1)), other(reference="b", description="x"), other(reference="c", tax=None)]
    allow = [Allowed(path="description", reason="reworded"), Allowed(path="period.end", reason="the last day")]
    page = written(left, right, allow, sides=("old.ndjson", "new.ndjson"), made_at=datetime(2026, 7, 1, tzinfo=UTC))
    assert page.texts["h1"] == "The two sides do not bill the same."
    assert "<title>Comparison of old.ndjson and new.ndjson</title>" in page.source
    assert page.texts["p"].startswith("1 of 3 pairs differs; 1 invoice is on the left only.")
    assert (
        "1 pair differs only where that is declared, with a reason. "
        "1 value is stated by only one side, which is no difference."
    ) in page.texts["p"]
    assert page.texts["strong"] == "old.ndjsonnew.ndjson"
    assert "stripe 4" in page.texts["span"]
    assert "chargebee 3" in page.texts["span"]
    assert page.texts["time"].split(" UTC")[:2] == ["2026-06-01 00:00:00", "2026-07-01 00:00:00"]
    assert (page.texts["li"], "period.end" in page.texts["code"]) == (" the last day", True)


@pytest.mark.parametrize(
    "left, right, sentence",
    [
        (2, 2, "2 of 2 pairs differ."),
        (1, 1, "1 of 1 pair differs."),
        (3, 1, "1 of 1 pair differs; 2 invoices are on the left only."),
        (1, 0, "No invoice is on both sides; 1 invoice is on the left only."),
    ],
)
def test_the_first_sentence_counts(written: Write, left: int, right: int, sentence: str) -> None:
    """Pairs, then invoices on one side only."""
    sides = (
        [bill(reference=f"r{n}") for n in range(left)],
        [other(reference=f"r{n}", total=eur(1)) for n in range(right)],
    )
    assert written(*sides).texts["p"].partition(".")[0] + "." == sentence


def test_sides_that_bill_the_same_say_so(written: Write) -> None:
    """The answer is the other one, and no field is listed."""
    page = written([bill()], [other()])
    assert page.texts["h1"] == "Both sides bill the same."
    assert "No field differs, and every value is stated by both sides." in page.texts["p"]
    assert page.values("data-class") == ["differing", "left_only", "right_only", "declared_equal", "matched"]
    assert page.values("disabled") == [""] * 5


def test_totals_are_exact_and_silence_is_counted(written: Write) -> None:
    """Sums per currency of what is said on each side, beyond the size of one amount; what is not said is no zero."""
    largest = 10**30 - 1
    amounts = {**dict.fromkeys(AMOUNTS), "total": Money(5, "JPY")}
    japan = bill(currency="JPY", reference="j", lines=(), collection=None, **amounts)
    left = [bill(total=eur(largest)), bill(reference="b", total=eur(largest), amount_paid=None)]
    right = [other(total=eur(-largest)), japan]
    assert cells(written(left, right)) == [
        "2", "1", "-1",
        f"1{'9' * 28}.98", f"-{'9' * 28}.99", f"-2{'9' * 28}.97",
        "7.001 does not state it", "7.00", "0.00",
        "280.00", "140.00", "-140.00",
        "0", "1", "+1",
        "–", "5", "–",
        "–", "–1 does not state it", "–",
        "–", "–1 does not state it", "–",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "minor, currency, text",
    [
        (0, "EUR", "0.00"), (-5, "EUR", "-0.05"), (123456, "JPY", "123456"), (1, "KWD", "0.001"),
        (-(10**31), "EUR", f"-1{'0' * 29}.00"),
    ],
)  # fmt: skip
def test_a_sum_is_spelled_exactly(minor: int, currency: str, text: str) -> None:
    """With the decimals of its currency, however long it is."""
    assert spelled(minor, currency) == text


def test_every_status_flows(written: Write) -> None:
    """A band for each pair of statuses, those of invoices that have no mate among them; the list says the same."""
    statuses = list(Status)
    left = [bill(reference=f"r{n}", status=status) for n, status in enumerate(statuses)]
    right = [other(reference=f"r{n}", status=status) for n, status in enumerate(statuses[1:], 1)]
    right += [other(reference="x", status=Status.VOID), other(reference="r0", status=Status.PAID)]
    page = written(left, right)
    assert Counter(page.values("data-status")) == Counter(
        ["draft>paid", "not there>void", *(f"{status.value}>{status.value}" for status in statuses[1:])]
    )
    assert page.elements["path"] == 8
    assert page.texts["title"].count(": 1") == 8
    drawn = [float(value) for tag, name, value in page.attributes if tag == "rect" and name == "height"]
    assert len([height for height in drawn if height > 0]) == 7 + 1 + 6 + 3


def test_fields_are_counted_by_kind(written: Write) -> None:
    """Rows are counted, not differences; what changes money comes first; a cell knows what it shows."""
    lines = (*bill().lines, Line(amount=eur(1)), Line(amount=eur(2)))  # two differences, one row
    left = [bill(), bill(reference="b"), bill(reference="c", description=None)]
    right = [other(description="x", lines=lines), other(reference="b", total=eur(1)), other(reference="c")]
    page = written(left, right, [Allowed(path="description", reason="reworded")])
    shown = list(zip(page.values("data-field"), page.values("data-kind"), strict=True))
    assert sorted(shown[:2]) == [("lines[]", "0"), ("total", "0")]
    assert shown[2:] == [("description", "1"), ("description", "2")]
    label = next(value for value in page.values("aria-label") if "lines[] differs" in value)
    assert label == "1 rows: lines[] differs; show them"


def test_many_fields_are_cut_in_the_summary_alone(written: Write) -> None:
    """The forty gravest are in the heat map, all of them in the filter."""
    right = [other(metadata={f"k{n}": "v" for n in range(60)})]
    page = written([bill()], right)
    assert len(page.values("data-field")) == 40
    keys = sorted(f"metadata.k{n}" for n in range(60))
    assert json.loads(page.blocks["facts"])["shapes"] == [*keys, "metadata.order", "metadata.shop"]  # not by chance
    assert "22 more fields are in the filter." in page.texts["p"]


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_row_has_both_invoices_as_exact_text(written: Write) -> None:
    """What the table shows, every field of both sides with its mark, the lines, and the raw JSON digit by digit."""
    raw = {"id": "in_1", "rate": Decimal("19.990"), "big": 10**20}
    page = written([bill(raw=raw)], [other(total=eur(14801), raw=None, lines=bill().lines[:2])])
    ((listed, opened),) = page.rows
    assert listed == [
        "differing", "res-1", ["stripe in_1", "chargebee 19"], ["stripe", "chargebee"],
        ["Ada", "a@example.test", "cus_1", "cb_9"], ["open", "open"], ["EUR"], ["148.00 EUR", "148.01 EUR"],
        "+0.01 EUR", [0, 4], [0, 1], [["total", "+0.01 EUR", 1], ["lines[2]", "left only  +5.00 EUR", 1]], [0, 0],
        "5.00 EUR",
    ]  # fmt: skip
    assert opened["differences"] == [
        ["total", "148.00 EUR", "148.01 EUR", 0, 1, "", "+0.01 EUR", ""],
        ["lines[2]", "Loyalty: -5.00 EUR", "–", 0, 1, "", "+5.00 EUR", ""],
    ]
    fields = {path: rest for path, *rest in opened["fields"]}
    assert fields["total"] == ["148.00 EUR", "148.01 EUR", "differs"]
    assert fields["tax"] == ["24.00 EUR", "24.00 EUR", "same"]
    assert fields["id"] == ["in_1", "19", "not compared"]
    assert fields["metadata.shop"] == ["north", "north", "same"]
    ((head, lines, _, silent),) = opened["parts"]
    assert (head, silent) == ("Lines", [False, False])
    assert lines == [
        ["Stay", ["2 × 50.00 EUR", "2026-05-01T00:00:00Z to 2026-06-01T00:00:00Z"], "100.00 EUR", "same"],
        ["Breakfast", ["3 × 10.00 EUR"], "30.00 EUR", "same"],
        ["Loyalty", [], "-5.00 EUR", "none like it"],
    ]
    assert opened["raw"] == ['{"id":"in_1","rate":19.990,"big":100000000000000000000}', None]


def test_the_causes_of_a_row_are_gravest_first(written: Write) -> None:
    """The list shows three causes of a row: none that changes money is left out for one that does not."""
    lines = (*bill().lines[:2], Line(description="Loyalty", amount=eur(-499)))
    changes: dict[str, Any] = {"description": "x", "metadata": {"order": "8", "shop": "south"}, "lines": lines}
    ((listed, _),) = written([bill()], [other(**changes)]).rows
    assert [(path, grave) for path, _, grave in listed[11]] == [
        ("lines[2].amount", 1), ("description", 0), ("metadata.order", 0),
    ]  # fmt: skip
    assert listed[12] == [1, 0]


def test_a_line_has_one_mate(written: Write) -> None:
    """Of two lines that are alike, only one is the same as the one on the other side; order does not matter."""
    fee, tip = Line(description="Fee", amount=eur(1)), Line(description="Tip", amount=eur(2))
    page = written([bill(lines=(fee, fee, tip))], [other(lines=(tip, fee))])
    ((_, left, right, _),) = page.rows[0][1]["parts"]
    assert [line[-1] for line in left] == ["same", "none like it", "same"]
    assert [line[-1] for line in right] == ["same", "same"]


def test_parts_say_what_they_are_and_what_became_of_them(written: Write) -> None:
    """Each list has a table: what an item is called, what else it says, its amount, and whether it was compared."""
    vat = TaxLine(name="VAT", rate=Decimal(19), amount=eur(19), base=eur(100), inclusive=False)
    paid = Payment(id="py_1", amount=eur(7), state="succeeded", refunded=eur(1), recorded_outside=True)
    failed = Payment(amount=eur(8), state="failed")
    left = bill(
        taxes=(vat,),
        payments=(paid, failed),
        payments_complete=True,
        discounts=(Discount(code="SPRING", amount=eur(5)),),
        lines=(Line(description="Stay", amount=eur(9), taxes=(vat,), product="prod_1", proration=True),),
        customer=CustomerRef(id="cus_1", tax_ids=(TaxId(kind="eu_vat", value="FR1"),)),
    )
    right = other(payments=(), payments_complete=True, credit_notes=(CreditNote(amount=eur(3)),), lines=())
    ((_, opened),) = written([left], [right]).rows
    tables = {head: (mine, theirs, silent) for head, mine, theirs, silent in opened["parts"]}
    assert tables["Lines"][0] == [
        [
            "Stay",
            ["product: prod_1", "taxes: VAT 19 % of 1.00 EUR on top of the price 0.19 EUR", "for a part of a period"],
            "0.09 EUR",
            "none like it",
        ]
    ]
    assert tables["Tax numbers"][0] == [["eu_vat", ["FR1"], "", "not compared"]]
    assert tables["Taxes"][0] == [["VAT", ["19 %", "of 1.00 EUR", "on top of the price"], "0.19 EUR", "not compared"]]
    assert tables["Discounts"][0] == [["SPRING", [], "0.05 EUR", "not compared"]]
    assert tables["Payments"] == (
        [
            ["succeeded", ["recorded from outside", "given back: 0.01 EUR", "id: py_1"], "0.07 EUR", "none like it"],
            ["failed", [], "0.08 EUR", "not compared"],
        ],
        [],
        [False, False],
    )
    assert tables["Credit notes"] == ([], [["–", [], "0.03 EUR", "not compared"]], [True, True])


def test_an_invoice_without_a_mate_opens_too(written: Write) -> None:
    """One side is empty; nothing is called the same or different."""
    page = written([bill(), bill(reference="alone")], [other()])
    listed, opened = next(row for row in page.rows if row[0][1] == "alone")
    assert (listed[0], listed[2], listed[5]) == ("left_only", ["stripe in_1", ""], ["open", None])
    assert {mark for *_, mark in opened["fields"]} == {""}
    assert opened["raw"] == ['{"id":"in_1"}', None]


def test_invoices_are_embedded_to_a_limit_that_is_said(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matched rows to a number, all rows to a size; every row and every difference is still listed."""
    monkeypatch.setattr(report_rows, "MATCHED", 2)
    left = [bill(reference=f"r{n}") for n in range(8)]
    right = [other(reference=f"r{n}", **({"total": eur(1)} if n > 5 else {})) for n in range(8)]
    page = written(left, right)
    assert ["fields" in opened for _, opened in page.rows] == [True, True, False, False, False, False, True, True]
    assert "Both invoices are in this file for 4 of 8 rows" in page.texts["p"]
    monkeypatch.setattr(report_rows, "LARGEST", 1)
    page = written(left, right)
    assert ["fields" in opened for _, opened in page.rows] == [True, *[False] * 7]
    assert page.rows[7][1]["differences"] == [["total", "148.00 EUR", "0.01 EUR", 0, 1, "", "-147.99 EUR", ""]]
    monkeypatch.undo()
    assert "Both invoices of every row are in this file." in written(left, right).texts["p"]


def test_two_currencies_have_no_difference_in_the_table(written: Write) -> None:
    """A sum of dollars less a sum of euros is no amount."""
    amounts = {**dict.fromkeys(AMOUNTS), "total": Money(5, "JPY")}
    yen = bill(currency="JPY", lines=(), collection=None, **amounts)
    ((listed, _),) = written([bill()], [yen]).rows
    assert listed[6:9] == [["EUR", "JPY"], ["148.00 EUR", "5 JPY"], ""]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Two thousand rows more need no more memory than what is read at a time."""
    sides = [[one(reference=f"r{n}", raw={"text": "x" * 2000}) for n in range(2000)] for one in (bill, other)]
    with compare(*sides) as found:
        tracemalloc.start()
        write_html(found, tmp_path / "report.html")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tmp_path / "report.html").stat().st_size > 5_000_000
    assert peak < 3_000_000


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_command_writes_the_page(cli: Callable[..., Done], tmp_path: Path) -> None:  # noqa: F811 - a fixture
    """Beside what it prints, with the sides as they were given and the hour; the exit code is the comparison's."""
    for name, one in (("left", bill()), ("right", other(total=eur(1)))):
        (tmp_path / f"{name}.ndjson").write_text(one.model_dump_json() + "\n", "utf-8")
    sides = [str(tmp_path / f"{name}.ndjson") for name in ("left", "right")]
    done = cli("compare", *sides, "--html", str(tmp_path / "out.html"))
    assert (done.code, done.err) == (1, "")
    page = Page(tmp_path / "out.html")
    assert page.texts["strong"] == "".join(sides)
    assert page.elements["time"] == 1


def test_a_folder_that_is_not_there_is_said_before_anything_is_read(cli: Callable[..., Done]) -> None:  # noqa: F811
    """The sides are not even looked for."""
    done = cli("compare", "no-left.yaml", "no-right.yaml", "--html", "no/such/report.html")
    assert (done.code, done.err) == (2, "invoice-bridge: --html no/such/report.html: there is no such folder\n")
