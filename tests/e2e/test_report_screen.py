"""The comparison's page on its first screen: rows of the list are on it, and what is folded is one click away."""

from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import CustomerRef, Status
from invoice_bridge.compare import Allowed, compare
from invoice_bridge.compare.report import write_html
from tests.compare.bills import NOW, OTHER_IDENTITY, bill, eur
from tests.compare.test_causes import CENT_MORE, with_line
from tests.e2e.test_report_page import (  # noqa: F401 - fixtures
    NARROW,
    OVER,
    WIDE,
    browser,
    load,
    pytestmark,
    sync_api,
)

FOLDED = "[...document.querySelectorAll('details.fold')].map((part) => part.open)"
WHOLE_ROWS = """() => [...document.querySelectorAll("#list tbody tr")]
  .map((row) => row.getBoundingClientRect())
  .filter((box) => box.height > 0 && box.top >= 0 && box.bottom <= innerHeight).length"""


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred invoices a side, six causes, invoices on one side only, declarations used and not."""
    changes: dict[int, dict[str, Any]] = {
        1: {"lines": with_line(1, unit_amount=None, amount=eur(3001)), **CENT_MORE},
        2: {"status": Status.PAID},
        3: {"metadata": {"order": "8", "shop": "north"}},
        4: {"due_at": None},
        5: {"description": "reworded"},
        6: {"tax": eur(2_500_000)},
    }
    left, right = [], []
    for n in range(200):
        who = CustomerRef(
            id=f"cus_{n}", email=f"accounts.payable+{n}@customer-{n}.example.test", name=f"Customer {n} Ltd"
        )
        left.append(bill(reference=f"res-2026-05-{n:05}", id=f"in_{n}", customer=who))
        identity = {**OTHER_IDENTITY, "id": f"9{n}", "customer": who.model_copy(update={"id": f"cb_{n}"})}
        right.append(left[-1].model_copy(update=identity | changes.get(n % 10, {})))
    declared = [Allowed(path="description", reason="cut"), Allowed(path="period.end", reason="the last day")]
    path = tmp_path_factory.mktemp("ordinary") / "report.html"
    with compare(left[5:], right[:-5], allow=declared, as_of=NOW) as found:
        write_html(found, path, sides=("stripe-2026-05.ndjson", "chargebee-2026-05.ndjson"), made_at=NOW)
    return path


@pytest.mark.parametrize("viewport, rows", [(NARROW, 4), (WIDE, 10), ({"width": 1280, "height": 600}, 5)])
def test_the_first_screen_shows_rows(load: Any, ordinary: Path, viewport: dict[str, int], rows: int) -> None:  # noqa: F811
    """Whole rows, below the answer, the counts, the filter and the causes, all of which are on that screen too."""
    one = load(ordinary, viewport)
    assert one.page.evaluate(WHOLE_ROWS) >= rows
    for place in ("h1", ".lead", ".chips", "[name=text]", "#more", "#causes > summary", "#count"):
        box = one.page.locator(place).bounding_box()
        assert (place, 0 <= box["y"] <= viewport["height"] / 2) == (place, True)
    assert one.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    over = [element for element in one.page.evaluate(OVER) if "@customer-" not in element]  # those end in an ellipsis
    assert over == []


def test_what_is_folded_opens_by_keyboard(load: Any, ordinary: Path) -> None:  # noqa: F811
    """What was compared, the causes, the copies, and the order beside the filters: each is a named control away."""
    one = load(ordinary, NARROW)
    assert one.page.evaluate(FOLDED) == [False, False, False]
    for summary, inside in (
        ("What was compared", "1 declaration was not needed"),
        ("causes", "gravest first; what follows"),
        ("Copy, save, keys", "Save as CSV"),
    ):
        text = one.page.get_by_text(inside)
        assert not text.is_visible()
        one.page.locator("summary", has_text=summary).first.focus()
        one.page.keyboard.press("Enter")
        sync_api.expect(text).to_be_visible()
    order = one.page.locator("[name=sort]")
    assert not order.is_visible()
    button = one.page.get_by_role("button", name="Filters, order")
    button.focus()
    one.page.keyboard.press("Enter")
    assert (order.is_visible(), button.get_attribute("aria-expanded")) == (True, "true")
    order.select_option("sides")
    one.page.locator("[name=class]").select_option("differing")
    sync_api.expect(one.page.get_by_role("button", name="Filters (1), order")).to_be_visible()
    assert (one.page.evaluate("document.documentElement.scrollWidth"), one.page.evaluate(OVER)) == (390, [])


def test_what_is_tapped_is_large_enough(load: Any, ordinary: Path) -> None:  # noqa: F811
    """24 by 24 pixels at least (WCAG 2.2 AA) for every button, field and summary, and for the # of a difference."""
    one = load(ordinary, NARROW)
    size = """() => [...document.querySelectorAll("main :is(button, select, input, summary, .at)")]
      .filter((e) => e.checkVisibility()).map((e) => [e.getBoundingClientRect(), e.textContent])
      .map(([box, text]) => [Math.round(box.width), Math.round(box.height), text])"""
    found = one.page.evaluate(size)
    one.page.locator("#list tbody a").first.click()
    found += one.page.evaluate(size)
    assert len(found) > 20
    assert [one for one in found if min(one[:2]) < 24] == []


def test_all_is_open_where_there_is_room(load: Any, ordinary: Path) -> None:  # noqa: F811
    """Also after the screen has changed, and without scripts."""
    one = load(ordinary, WIDE)
    assert one.page.evaluate(FOLDED) == [True, True, True]
    assert not one.page.get_by_text("Copy, save, keys").is_visible()
    one.page.set_viewport_size(NARROW)
    one.page.wait_for_function(f"!({FOLDED}).some(Boolean)")
    one.page.set_viewport_size(WIDE)
    one.page.wait_for_function(f"({FOLDED}).every(Boolean)")


def test_without_scripts_nothing_is_folded(browser: Any, ordinary: Path) -> None:  # noqa: F811
    """The counts, the causes and the totals are there, on a narrow screen too."""
    context = browser.new_context(viewport=NARROW, java_script_enabled=False)
    page = context.new_page()
    page.goto(ordinary.as_uri())
    for text in ("stripe-2026-05.ndjson", "declaration was not needed", "gravest first; what follows"):
        assert page.get_by_text(text).first.is_visible()
    assert page.locator("noscript p").is_visible()
    context.close()


def test_a_folded_screen_prints_all(load: Any, ordinary: Path) -> None:  # noqa: F811
    """What was compared and the causes are on paper; afterwards they are folded again."""
    one = load(ordinary, NARROW)
    one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert one.page.evaluate(FOLDED) == [True, True, True]
    one.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert one.page.evaluate(FOLDED) == [False, False, False]


def test_nothing_moves_once_the_list_is_there(load: Any, ordinary: Path) -> None:  # noqa: F811
    """The parts are folded before the rows are read: none of what is above the list shifts."""
    one = load(ordinary, NARROW)
    shifted = """() => new Promise((done) => {
      const found = [], above = "header, .chips, #filter, #causes, #table > .tools";
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
        for (const { node } of entry.sources) if (node?.parentElement?.closest(above)) found.push(node.nodeName);
      })).observe({ type: "layout-shift", buffered: true });
      setTimeout(() => done(found), 300);
    })"""
    assert one.page.evaluate(shifted) == []


def test_clear_leaves_the_focus_on_a_control(load: Any, ordinary: Path) -> None:  # noqa: F811
    """The button that was pressed is disabled then, and hidden on a narrow screen: the one before it has the focus."""
    one = load(ordinary, NARROW, fragment="class=differing")
    one.page.get_by_role("button", name="Clear").focus()
    one.page.keyboard.press("Enter")
    sync_api.expect(one.page.locator("#more")).to_be_focused()
    assert one.count() == "200 rows"
