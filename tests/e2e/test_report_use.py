"""The comparison's page in use: what its address keeps, what it copies and saves, long and strange texts."""

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import CustomerRef, Line
from invoice_bridge.compare import compare
from invoice_bridge.compare.report import write_html
from tests.compare.bills import NOW, OTHER_IDENTITY, bill, eur
from tests.e2e.test_report_page import (  # noqa: F401 - fixtures
    HOSTILE,
    NARROW,
    OVER,
    WIDE,
    browser,
    load,
    pytestmark,
    report,
    sync_api,
)

FORMULA = '=HYPERLINK("x")'
STRANGE = f"a|b`c\"d'e\x00f\u202eg\u2066h\u200bi\n{HOSTILE} 1234567.89 EUR & %41 #pair=x"


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """A long text, a reference of control characters and markup, a formula, a large amount; and what a terminal has."""
    cause = {"lines": (Line(description="Stay", amount=eur(123456789)), *bill().lines[1:]), "subtotal": eur(123459289)}
    sides = (
        [
            bill(reference=STRANGE, metadata={STRANGE: "1"}, customer=CustomerRef(id="c", name=STRANGE)),
            bill(reference="long", description="x" * 20_000, metadata={"k" * 300: "v" * 300}),
            bill(reference=FORMULA, customer=CustomerRef(id="d", name="@SUM(A1)")),
            bill(reference="cause"),
        ],
        [
            bill(**OTHER_IDENTITY | {"reference": STRANGE, "metadata": {STRANGE: "2"}}),
            bill(**OTHER_IDENTITY, reference="long", description="y" * 20_000, metadata={"k" * 300: "w"}),
            bill(**OTHER_IDENTITY, reference=FORMULA, tax=eur(1_000_000_00)),
            bill(**OTHER_IDENTITY | {"reference": "cause"} | cause),
        ],
    )
    path = tmp_path_factory.mktemp("strange") / "report.html"
    with compare(*sides, as_of=NOW) as found:
        write_html(found, path)
        return path, [list(row.lines()) for row in found.rows]


def copied(one: Any, button: str) -> str:
    """Click a button, and read what it copied."""
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    one.page.locator(button).click()
    one.page.wait_for_function("[...document.querySelectorAll('.copied')].some((e) => e.textContent)")
    return str(one.page.evaluate("navigator.clipboard.readText()"))


# ── the address ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_address_has_the_filters_and_the_open_pair(load: Any, report: Path) -> None:  # noqa: F811 - a fixture
    """What is chosen is in the address, and another window shows the same by it."""
    one = load(report)
    one.page.locator("[data-class=differing]").click()
    one.page.locator("[name=text]").fill("customer")
    one.page.locator("[name=sort]").select_option("-key")
    one.page.locator("#list tbody a", has_text="res-3").click()
    assert one.address() == "text=customer&class=differing&sort=-key&pair=res-3"
    other = load(report, fragment=one.address())
    assert other.rows() == one.rows() != []
    assert other.page.locator("[name=text]").input_value() == "customer"
    assert other.page.locator("#pair-name").inner_text().startswith("res-3")
    assert other.page.title().startswith("res-3 – Comparison of before.ndjson and ")
    assert other.page.locator("[data-class=differing]").get_attribute("aria-pressed") == "true"
    assert other.page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_back_and_forward_undo_and_redo(load: Any, report: Path) -> None:  # noqa: F811 - a fixture
    """Back closes the pair, then undoes the filter; a text that is typed is one step; j and k are none."""
    one = load(report)
    one.page.locator("[name=text]").press_sequentially("res")
    one.page.locator("[data-class=differing]").click()
    one.page.locator("#list tbody a").first.click()
    one.page.keyboard.press("j")
    one.page.keyboard.press("j")
    second = one.page.locator("#pair-name").inner_text()
    one.page.go_back()
    assert not one.page.locator("#pair").is_visible()
    assert one.page.locator("[name=class]").input_value() == "differing"
    one.page.go_back()
    assert one.page.locator("[name=class]").input_value() == ""
    assert one.page.locator("[name=text]").input_value() == "res"
    one.page.go_back()
    assert (one.page.locator("[name=text]").input_value(), one.count()) == ("", "10 rows")
    one.page.locator("[name=text]").focus()  # Back and Forward change it there too
    one.page.go_forward()
    sync_api.expect(one.page.locator("[name=text]")).to_have_value("res")
    one.page.go_forward()
    sync_api.expect(one.page.locator("[name=text]")).to_have_value("")
    one.page.go_forward()
    assert one.page.locator("#pair-name").inner_text() == second


def test_a_link_to_a_part_of_the_page_keeps_the_filters(load: Any, report: Path) -> None:  # noqa: F811 - a fixture
    """Neither it nor the way back changes the list, and the next filter is added to those before it."""
    one = load(report)
    one.page.locator("[data-class=differing]").click()
    rows = one.rows()
    one.page.locator("nav a", has_text="Totals").click()
    assert (one.rows(), one.address()) == (rows, "h-totals")
    one.page.locator("[name=text]").fill("res-2")
    assert (one.rows(), one.address()) == (["res-2"], "text=res-2&class=differing")
    assert one.page.locator("#chosen").inner_text() == "Text res-2; Class differing"
    one.page.go_back()
    assert (one.rows(), one.address()) == (rows, "h-totals")
    one.page.go_back()
    assert (one.rows(), one.address()) == (rows, "class=differing")


def test_an_address_of_nonsense_shows_the_whole_list(load: Any, report: Path) -> None:  # noqa: F811 - a fixture
    """What the file does not have is left out; a part's name goes to that part and filters nothing."""
    for fragment in (
        "pair=nobody&class=%00&field=x&page=99&sort=__proto__&group=&x=1",
        "h-totals",
        "=",
        "page=-1",
        "page=1.5",
        "%",
    ):
        one = load(report, fragment=fragment)
        assert (fragment, one.count(), len(one.rows())) == (fragment, "10 rows", 10)
        assert not one.page.locator("#pair").is_visible()


def test_every_pair_has_an_address_of_its_own(load: Any, strange: tuple[Path, list[list[str]]]) -> None:  # noqa: F811
    """Also one whose reference has markup, quotes, a zero byte and turned text."""
    one = load(strange[0])
    links = one.page.locator("#list tbody a").evaluate_all(
        "all => all.map(a => [a.getAttribute('href'), a.textContent])"
    )
    assert len({link for link, _ in links}) == len(links) == 4
    for link, text in links:
        other = load(strange[0], fragment=link.removeprefix("#"))
        assert other.page.locator("#pair-name").inner_text().startswith(text.removesuffix("…"))


MARKED = (
    "[...document.querySelectorAll('#pair-body [aria-current]')].map((line) => line.cells[0].firstChild.textContent)"
)
ON_SCREEN = """() => {
  const line = document.querySelector("#pair-body [aria-current]").getBoundingClientRect();
  const panel = document.getElementById("pair").getBoundingClientRect();
  const head = document.querySelector("#pair > header").getBoundingClientRect();
  const covered = getComputedStyle(document.querySelector("#pair > header")).position === "sticky" ? head.bottom : 0;
  const end = Math.min(innerHeight, panel.bottom);
  return line.top >= Math.max(0, covered) && (line.bottom <= end || (line.height > end - 110 && line.top < end / 2));
}"""


@pytest.mark.parametrize("view", [WIDE, NARROW])
def test_every_difference_has_an_address(load: Any, strange: tuple[Path, Any], view: dict[str, int]) -> None:  # noqa: F811
    """Each opens the pair, marks that line alone, and has it on the screen, also where its path is markup or long."""
    one, other = load(strange[0], view), load(strange[0], view)
    for n in range(4):
        one.page.locator("#list tbody a").nth(n).click()
        links = one.page.locator("#pair-body a.at").evaluate_all("all => all.map((a) => [a.hash, a.dataset.at])")
        one.page.keyboard.press("Escape")
        assert len({link for link, _ in links}) == len(links) >= 1
        for link, at in links:
            other.page.goto(strange[0].as_uri() + link)
            marked = other.page.locator("#pair-body [aria-current=location] a.at")
            sync_api.expect(marked).to_have_attribute("data-at", at)
            assert (at, other.page.evaluate(ON_SCREEN), other.focused()) == (at, True, "#")
            assert other.address() == link.removeprefix("#")


def test_a_difference_far_down_is_gone_to(load: Any, tmp_path: Path) -> None:  # noqa: F811
    """The last of eighty, in the panel of a wide screen and in the page of a narrow one."""
    lines = tuple(Line(description=f"Night {n}", amount=eur(n + 1)) for n in range(80))
    other = tuple(line.model_copy(update={"amount": eur(1000 + n)}) for n, line in enumerate(lines))
    with compare([bill(lines=lines)], [bill(**OTHER_IDENTITY, lines=other)], as_of=NOW) as found:
        write_html(found, tmp_path / "long.html")
    for viewport in (WIDE, NARROW):
        one = load(tmp_path / "long.html", viewport, fragment="pair=res-1&at=lines%5B79%5D.amount")
        assert one.page.evaluate(MARKED) == ["lines[79]."]
        assert one.page.evaluate(ON_SCREEN)


def test_the_address_of_a_difference_is_copied_and_is_no_step(load: Any, report: Path) -> None:  # noqa: F811
    """The # beside it copies it and marks the line; Back closes the pair, Forward opens it with the mark."""
    one = load(report, fragment="class=differing")
    one.page.locator("#list tbody a", has_text="img src=x").click()
    pair = one.address()
    for n in (0, 1):
        assert copied(one, f"#pair-body a.at >> nth={n}") == one.page.url
        assert one.page.locator("#pair .copied").inner_text() == "Copied the address of this difference."
        sync_api.expect(one.page.locator("#pair-body a.at.done")).to_have_count(1)
    assert one.address() == f"{pair}&at=lines%5B0%5D.description"
    assert one.page.locator("#pair-body [aria-current]").count() == 1
    assert copied(one, "#pair [data-copy=link]") == f"{report.as_uri()}#{one.address()}"
    one.page.go_back()
    assert (one.page.locator("#pair").is_visible(), one.address()) == (False, "class=differing")
    one.page.go_forward()
    sync_api.expect(one.page.locator("#pair-body [aria-current] a.at")).to_have_attribute(
        "data-at", "lines[0].description"
    )


def test_a_mark_is_one_of_its_pair(load: Any, report: Path) -> None:  # noqa: F811
    """The next pair, the list and a filter leave it; the order of the list keeps it, in the links beside it too."""
    one = load(report, fragment="pair=res-2&at=total")
    one.page.locator("[data-sort=key]").evaluate("button => button.click()")
    assert one.address() == "sort=key&pair=res-2&at=total"
    assert one.page.locator("#pair-body a.at").first.get_attribute("href") == "#sort=key&pair=res-2&at=total"
    one.page.keyboard.press("j")
    assert one.address() == "sort=key&pair=res-3"
    assert one.page.locator("#pair-body [aria-current]").count() == 0
    one.page.locator("#pair-body a.at").first.focus()
    one.page.keyboard.press("Enter")
    assert one.address() == "sort=key&pair=res-3&at=status"
    one.page.keyboard.press("Escape")
    assert one.address() == "sort=key"
    one.page.evaluate("location.hash = 'at=total'")
    assert (one.count(), one.page.locator("#pair").is_visible()) == ("10 rows", False)


def test_a_mark_of_nonsense_is_left_out(load: Any, report: Path) -> None:  # noqa: F811
    """The pair opens as without it, and the next mark works."""
    one = load(report)
    hostile = ("__proto__", "constructor", "%22%5D%20*", "<img src=x onerror=alert(1)>", "total'><b>")
    for at in ("nothing", "%00", "%", "", "total~2", "total&at=", "at=total", *hostile):
        one.page.goto(f"{report.as_uri()}#pair=res-2&at={at}")
        sync_api.expect(one.page.locator("#pair-name")).to_contain_text("res-2")
        assert (at, one.page.locator("#pair-body [aria-current]").count(), one.focused()) == (at, 0, "pair-name")
        assert copied(one, "#pair [data-copy=link]").startswith(report.as_uri())
        assert one.page.locator("#pair .copied").inner_text() == "Copied the address."
        one.page.keyboard.press("Escape")
    one.page.goto(f"{report.as_uri()}#pair=res-2&at=nothing")
    one.page.locator("#pair-body a.at").click()
    sync_api.expect(one.page.locator("#pair-body [aria-current]")).to_have_count(1)


# ── copy and save ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_it_copies_what_the_terminal_prints(load: Any, strange: tuple[Path, list[list[str]]]) -> None:  # noqa: F811
    """All rows, and each pair, to the character; numbers have no spaces."""
    path, printed = strange
    one = load(path, fragment="sort=sides")
    assert copied(one, "#table > .tools [data-copy=text]") == "\n".join(line for row in printed for line in row)
    one.page.locator("#list tbody a").last.click()
    text = copied(one, "#pair [data-copy=text]")
    assert text == "\n".join(printed[-1])
    assert "+1234467.89" in text


def test_it_copies_tables_of_markdown(load: Any, strange: tuple[Path, list[list[str]]]) -> None:  # noqa: F811
    """One line a row, whatever is in the texts: nothing ends a cell and nothing is markup."""
    one = load(strange[0], fragment="sort=sides")
    lines = copied(one, "#table > .tools [data-copy=markdown]").split("\n")
    assert lines[:2] == ["| Reference | Class | Left total | Right total | Difference | Cause |", f"|{' --- |' * 6}"]
    assert len(lines) == 2 + 4
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines} == {7}
    assert [line for line in lines if "<" in line or ">" in line] == []
    one.page.locator("#list tbody a").last.click()
    assert copied(one, "#pair [data-copy=markdown]").split("\n")[6:8] == [
        "| lines\\[0\\].amount | 100.00 EUR | 1234567.89 EUR | \\+1234467.89 EUR | changes money |",
        "| subtotal | 125.00 EUR | 1234592.89 EUR | \\+1234467.89 EUR | changes money, from lines\\[0\\].amount |",
    ]


def test_the_address_of_a_pair_is_copied(load: Any, report: Path) -> None:  # noqa: F811 - a fixture
    """As the browser has it."""
    one = load(report, fragment="pair=res-3")
    assert copied(one, "#pair [data-copy=link]") == f"{report.as_uri()}#pair=res-3"


def test_it_copies_where_the_page_has_no_clipboard(load: Any, report: Path) -> None:  # noqa: F811 - a fixture
    """A page that came over http from another host has none: the older way is used."""
    one = load(report, fragment="pair=res-3")
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    one.page.evaluate("navigator.clipboard.writeText = undefined")
    assert copied(one, "#pair [data-copy=text]").startswith("res-3  stripe in_3 | chargebee 93  differing\n")
    assert one.page.locator("textarea").count() == 0


def test_it_saves_the_rows_that_match_as_csv(load: Any, strange: tuple[Path, list[list[str]]]) -> None:  # noqa: F811
    """Amounts are numbers, and no text can run as a formula in a spreadsheet; nothing is asked for."""
    one = load(strange[0], fragment="sort=sides")
    with one.page.expect_download() as download:
        one.page.locator("[data-save]").click()
    assert download.value.suggested_filename == "comparison.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8")
    assert text.startswith("\ufeffreference,class,")
    one.events[:] = [event for event in one.events if not event.startswith("request blob:")]
    rows = list(csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 4
    assert rows[3] | {"customer": ""} == {
        "reference": "cause", "class": "differing", "severity": "changes money", "left_provider": "stripe",
        "left_id": "in_1", "right_provider": "chargebee", "right_id": "19", "customer": "", "left_status": "open",
        "right_status": "open", "currency": "EUR", "left_total": "148.00", "right_total": "148.00",
        "difference": "0.00", "causes": "lines[0].amount +1234467.89 EUR",
    }  # fmt: skip
    assert (rows[2]["reference"], rows[2]["customer"][:9]) == (f"'{FORMULA}", "'@SUM(A1)")
    assert all(not value.startswith(("=", "+", "@", "\t", "\r")) for row in rows for value in row.values())


# ── long and strange texts ───────────────────────────────────────────────────────────────────────────────────────────
def test_long_and_strange_texts_fit_a_narrow_screen(load: Any, strange: tuple[Path, list[list[str]]]) -> None:  # noqa: F811
    """20,000 characters without a space, and a key of 300: nothing runs over the side, and nothing turns the text."""
    one = load(strange[0], NARROW)
    wide = "document.documentElement.scrollWidth"
    for summary in one.page.locator("summary").all():
        summary.click()
    assert (one.page.evaluate(wide), one.page.evaluate(OVER)) == (390, [])
    for n in range(4):
        one.page.locator("#list tbody a").nth(n).click()
        assert (n, one.page.evaluate(wide), one.page.evaluate(OVER)) == (n, 390, [])
        one.page.keyboard.press("Escape")
    turned = one.page.evaluate(
        "/[\\u0000\\u202a-\\u202e\\u2066-\\u2069\\u200b]/.test(document.documentElement.textContent)"
    )
    assert turned is False
    one.page.locator("#list tbody a", has_text="long").click()
    assert one.page.locator("#pair-body .long").first.inner_text() == "x" * 20_000


def test_a_total_that_is_not_stated_is_a_dash(load: Any, tmp_path: Path) -> None:  # noqa: F811
    """It is not the same as an invoice that is not there."""
    left = [bill(), bill(reference="alone")]
    with compare(left, [bill(**OTHER_IDENTITY, total=None)], as_of=NOW) as found:
        write_html(found, tmp_path / "silent.html")
    one = load(tmp_path / "silent.html", fragment="sort=key")
    amounts = [row.locator("td.amount").all_inner_texts() for row in one.page.locator("#list tbody tr").all()]
    assert amounts == [["148.00 EUR", "", "-148.00 EUR"], ["148.00 EUR", "–", ""]]
    assert one.page.locator("#list tbody tr").first.locator(".status").inner_text() == "open"


def test_long_texts_need_no_sideways_scrolling_on_a_wide_screen(load: Any, strange: tuple[Path, Any]) -> None:  # noqa: F811
    """The table of fields breaks a key of 300 characters, and the totals fit."""
    one = load(strange[0], WIDE)
    assert (
        one.page.evaluate("[...document.querySelectorAll('.scroll')].map((e) => e.scrollWidth - e.clientWidth)")
        == [0] * 3
    )


def test_a_number_has_one_form_and_is_copied_without_spaces(load: Any, strange: tuple[Path, list[list[str]]]) -> None:  # noqa: F811
    """Thousands are set apart in every amount, by a margin: in the causes, the list, the pair and the totals."""
    one = load(strange[0], fragment="pair=cause")
    for place in ("#causes", "#list", "#pair-body"):
        shown = one.page.locator(place).evaluate(
            "e => [...e.querySelectorAll('i')].map(i => i.previousSibling.textContent + i.textContent)"
        )
        assert (place, shown != []) == (place, True)
    bare = one.page.evaluate(
        """() => {
          const found = [], walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const node = walker.currentNode;
            const bare = /^[-+]?\\d{4,}(\\.\\d+)? [A-Z]{3}$/.test(node.textContent);
            if (bare && !node.parentElement.closest("pre")) found.push(node.textContent);
          }
          return found;
        }"""
    )
    assert bare == []
    assert "1234567.89 EUR" in one.page.locator("#pair-body").evaluate("e => e.textContent")
