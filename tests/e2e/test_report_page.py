"""The comparison's page in a browser: nothing runs or is asked for that is not its own, and it can be used.

Needs Debian's chromium and playwright. The page is opened as a file; every request is watched, and none may be made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    Adjustment,
    CreditNote,
    CustomerRef,
    Discount,
    Invoice,
    Line,
    Payment,
    Status,
    TaxLine,
)
from invoice_bridge.compare import Allowed, compare
from invoice_bridge.compare.report import write_html
from tests.compare.bills import NOW, OTHER_IDENTITY, bill, eur

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium: apt-get install chromium"),
]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "</script><img src=x onerror=alert(1)><svg onload=alert(2)><script>alert(3)</script>"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 800}


@dataclass
class Opened:
    """An open page, and all that it did beside showing itself."""

    page: Any
    events: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        """The references that the list shows, in its order, once what was clicked has had its effect."""
        self.page.evaluate("() => new Promise(done => setTimeout(done))")  # the page puts a refresh off like this
        texts: list[str] = self.page.locator("#list tbody a").all_inner_texts()
        return texts

    def address(self) -> str:
        """What the address has after its #, asked of the page: `page.url` learns of a change a moment later."""
        return str(self.page.evaluate("location.hash")).removeprefix("#")

    def count(self) -> str:
        """What the page says of how many rows match."""
        return str(self.page.locator("#count").inner_text()).replace("\u202f", "")

    def refuse(self, dialog: Any) -> None:
        """Note a dialog, and close it."""
        self.events.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def focused(self) -> str:
        """The name, id or text of the element that has the focus."""
        found = self.page.evaluate("(e => e.name || e.id || e.textContent.trim() || e.tagName)(document.activeElement)")
        return str(found)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless browser for all of them."""
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pairs with differences of every kind, one invoice alone on each side, hostile texts in one pair."""

    def one(n: int, **changes: Any) -> Invoice:
        who = CustomerRef(id=f"cus_{n}", email=f"c{n}@example.test", name=f"Customer {n}")
        return bill(**{"reference": f"res-{n}", "id": f"in_{n}", "customer": who, "raw": {"id": n}, **changes})

    def other(n: int, **changes: Any) -> Invoice:
        who = CustomerRef(id=f"cb_{n}", email=f"c{n}@example.test", name=f"Customer {n}")
        return one(n, **{**OTHER_IDENTITY, "id": f"9{n}", "customer": who, **changes})

    hostile = {"reference": HOSTILE, "description": HOSTILE, "metadata": {HOSTILE: HOSTILE}, "raw": {HOSTILE: HOSTILE}}
    named = CustomerRef(id=HOSTILE, name=HOSTILE, email="h@example.test")
    parts = {
        "taxes": (TaxLine(name="VAT", rate=Decimal(19), amount=eur(2400), base=eur(12400), inclusive=False),),
        "payments": (Payment(id="p" * 60, amount=eur(700), state="succeeded", recorded_outside=True),),
        "payments_complete": True,
        "credit_notes": (CreditNote(id="cn_1", amount=eur(100), reason="duplicate", kind="adjustment"),),
        "credit_notes_complete": True,
        "adjustments": (Adjustment(kind="shipping", amount=eur(500)),),
        "discounts": (Discount(code="SPRING", amount=eur(100)),),
    }
    left = [one(1), one(2, **parts), *(one(n) for n in range(3, 9)), one(9, **hostile, customer=named, id=HOSTILE)]
    right = [
        other(1),
        other(2, total=eur(14801), **{**parts, "discounts": ()}),
        other(3, status=Status.PAID),
        other(4, description="reworded"),
        other(5, tax=None),
        other(6, lines=(*bill().lines[:2], Line(description="Loyalty", amount=eur(-499)))),
        other(7, metadata={"order": "8", "shop": "north"}),
        other(
            9,
            **{**hostile, "metadata": {HOSTILE: "x"}},
            customer=named,
            lines=(Line(description=HOSTILE, amount=eur(1)),),
        ),
        other(10),
    ]
    path = tmp_path_factory.mktemp("page") / "report.html"
    with compare(left, right, allow=[Allowed(path="description", reason=HOSTILE)], as_of=NOW) as found:
        write_html(found, path, sides=("before.ndjson", HOSTILE), made_at=NOW)
    return path


def _foreign(url: str, path: Path) -> list[str]:
    return [] if url.partition("#")[0] == path.as_uri() else [f"request {url}"]


@pytest.fixture
def load(browser: Any) -> Iterator[Any]:
    """Open a page; at the end of the test it must have asked for nothing but itself, and complained of nothing."""
    opened: list[Opened] = []

    def go(path: Path, viewport: dict[str, int] = WIDE, scheme: str = "light", fragment: str = "") -> Opened:
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        one = Opened(context.new_page())
        opened.append(one)
        page, events = one.page, one.events
        page.on("request", lambda asked: events.extend(_foreign(asked.url, path)))
        page.on("console", lambda said: events.append(f"console {said.type}: {said.text}"))
        page.on("pageerror", lambda error: events.append(f"error {error}"))
        page.on("dialog", one.refuse)
        page.goto(path.as_uri() + (fragment and f"#{fragment}"))
        return one

    yield go
    for one in opened:
        one.page.context.close()
    assert [event for one in opened for event in one.events] == []


def test_the_browser_would_tell(load: Any, tmp_path: Path) -> None:
    """The watch itself: a page that does what ours must not is noticed in all four ways."""
    path = tmp_path / "bad.html"
    path.write_text('<script>alert(1); console.error(2); throw 3</script><img src="x.png">', "utf-8")
    one = load(path)
    one.page.wait_for_timeout(200)
    kinds = {event.split()[0] for event in one.events}
    one.events.clear()
    assert kinds == {"dialog", "console", "error", "request"}


def test_hostile_texts_are_shown_and_do_not_run(load: Any, report: Path) -> None:
    """In the head, the filters, the list and the opened pair they stand as text; the fixture sees that nothing ran."""
    one = load(report)
    assert HOSTILE in one.page.locator("main > header").inner_text()
    one.page.locator("#more").click()
    assert HOSTILE in one.page.locator("select[name=field]").inner_text()
    one.page.locator("#list tbody a", has_text="img src=x").click()
    shown = one.page.locator("#pair-body").inner_text()
    assert shown.count(HOSTILE) >= 8
    assert one.page.evaluate("document.images.length + document.querySelectorAll('svg[onload]').length") == 0
    one.page.wait_for_timeout(200)


def test_the_policy_stops_what_would_get_in(load: Any, report: Path) -> None:
    """A script or an image that is added to the page all the same is refused: the policy is in force."""
    one = load(report)
    refused = one.page.evaluate(
        """async () => {
          const found = [];
          document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
          const image = new Image(); image.src = "x.png"; document.body.append(image);
          try { document.body.innerHTML += ""; } catch (error) { found.push(error.name); }
          await new Promise((done) => setTimeout(done, 200));
          return found.sort();
        }"""
    )
    assert refused == ["TypeError", "img-src", "require-trusted-types-for"]
    one.events.clear()


def test_the_filters_narrow_and_clear(load: Any, report: Path) -> None:
    """Text over reference, ids and customer, each list alone and together; the count is told."""
    one = load(report)
    assert one.count() == "10 rows"
    one.page.locator("#more").click()
    for name, value, expected in [
        ("text", "CUSTOMER 2", ["res-2"]),
        ("text", "93", ["res-3"]),
        ("class", "left_only", ["res-8"]),
        ("class", "declared_equal", ["res-4"]),
        ("severity", "1", ["res-8", "res-10", HOSTILE, "res-2", "res-6", "res-3"]),
        ("severity", "0", ["res-7"]),
        ("field", "tax", ["res-5"]),
        ("kind", "3", [HOSTILE, "res-5"]),
        ("group", "lines[].amount", [HOSTILE, "res-6"]),
        ("provider", "stripe", ["res-8", HOSTILE, "res-2", "res-6", "res-3", "res-7", "res-4", "res-5", "res-1"]),
        ("currency", "EUR", None),
        ("status", "open>paid", ["res-3"]),
        ("status", "changed", ["res-8", "res-10", "res-3"]),
    ]:
        control = one.page.locator(f"[name={name}]")
        control.fill(value) if name == "text" else control.select_option(value)
        assert expected is None or (name, value, one.rows()) == (name, value, expected)
        one.page.locator("#filter button[type=reset]").click()
        sync_api.expect(one.page.locator("#count")).to_have_text("10 rows")
    one.page.locator("[name=severity]").select_option("1")
    one.page.locator("[name=text]").fill("customer 9 nobody")
    assert (one.rows(), one.count()) == ([], "No row of 10 matches.")


def test_a_number_of_the_summary_shows_its_rows(load: Any, report: Path) -> None:
    """A class, a flow and a cell of the heat map each set the filter, and clear what was set before."""
    one = load(report)
    one.page.locator("[data-class=right_only]").click()
    assert one.rows() == ["res-10"]
    one.page.locator("[data-status='open>paid']").click()
    assert one.rows() == ["res-3"]
    one.page.locator("[data-field='tax'][data-kind='3']").click()
    assert (one.rows(), one.page.locator("[name=status]").input_value()) == (["res-5"], "")


def test_the_list_sorts_by_exact_amounts(load: Any, report: Path) -> None:
    """The gravest first, by value; a click sorts by an amount, a second the other way round, a third as before."""
    one = load(report)
    gravest = ["res-8", "res-10", HOSTILE, "res-2", "res-6", "res-3", "res-7", "res-4", "res-5", "res-1"]
    assert one.rows() == gravest
    head = one.page.locator("[data-sort=apart]")
    head.click()
    assert (one.rows()[0], one.rows()[-1]) == ("res-8", "res-10")
    assert one.page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    head.click()
    assert (one.rows()[0], one.rows()[-1]) == ("res-10", "res-8")
    assert one.page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    head.click()
    assert one.rows() == gravest
    assert one.page.locator("th[aria-sort]").count() == 0
    one.page.locator("[name=sort]").select_option("sides")
    assert one.rows() == [*(f"res-{n}" for n in range(1, 9)), HOSTILE, "res-10"]


def test_a_pair_opens_with_both_invoices(load: Any, report: Path) -> None:
    """What is not alike, every field with its mark, lines, and both raw texts; the next pair is one click away."""
    one = load(report)
    one.page.locator("#list tbody a", has_text="res-2").click()
    body = one.page.locator("#pair-body")
    first = body.locator("table").first.locator("tbody tr")
    assert [" ".join(text.split()) for text in first.all_inner_texts()] == [
        "total # 148.00 EUR 148.01 EUR !! changes money +0.01 EUR"
    ]
    marked = body.locator("table").nth(1).locator("tr.money")
    assert marked.all_inner_texts() == ["total\t148.00 EUR\t148.01 EUR\tdiffers"]
    assert body.locator("pre").all_inner_texts() == [
        '{\n  "id": 2\n}',
        '{\n  "invoice": {\n    "id": "19"\n  }\n}',
    ]
    one.page.locator("#pair [data-step='1']").click()
    assert one.page.locator("#pair-name").inner_text().startswith("res-6")


def test_an_opened_pair_has_its_parts(load: Any, report: Path) -> None:
    """A table for each list, side by side: what an item is, its amount, and whether the other side has one like it."""
    one = load(report)
    one.page.locator("#list tbody a", has_text="res-2").click()
    body = one.page.locator("#pair-body")
    heads = ["Lines", "Taxes", "Discounts", "Adjustments", "Payments", "Credit notes"]
    assert [text.partition("!!")[0].strip() for text in body.locator("h4").all_inner_texts()] == [
        "What is not alike", "Both invoices, field by field", *heads, "The providers' JSON",
    ]  # fmt: skip
    rows = body.locator("table.lines").nth(2).locator("tbody tr")
    assert rows.all_inner_texts() == ["VAT\n19 %\nof 124.00 EUR\non top of the price\n\t24.00 EUR\tsame"]
    (discount,) = [text for text in body.locator("table.lines tbody tr").all_inner_texts() if "SPRING" in text]
    assert discount.endswith("1.00 EUR\tnot compared")
    assert body.locator("table.lines tr.warns").count() == 0


def test_it_is_used_by_keyboard_alone(load: Any, report: Path) -> None:
    """/ goes to the filter, Tab to the rows, arrows, j and k along them, Enter opens, Escape closes and comes back."""
    one = load(report)
    keys = one.page.keyboard
    keys.press("/")
    assert one.focused() == "text"
    keys.type("res-")
    assert one.page.locator("[name=text]").input_value() == "res-"
    keys.press("Escape")
    assert (one.focused(), one.count()) == ("text", "10 rows")
    keys.press("Escape")
    assert one.page.evaluate("document.activeElement === document.body")
    one.page.locator("[name=text]").fill("res-")
    one.page.locator("[data-sort=fields]").focus()
    keys.press("Tab")
    assert one.focused() == "res-8"
    assert one.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keys.press("ArrowDown")
    keys.press("j")
    keys.press("j")
    keys.press("k")
    assert one.focused() == "res-2"
    keys.press("Enter")
    sync_api.expect(one.page.locator("#pair")).to_be_visible()
    assert one.focused() == "pair-name"
    keys.press("j")
    assert one.page.locator("#pair-name").inner_text().startswith("res-6")
    keys.press("Escape")
    assert not one.page.locator("#pair").is_visible()
    sync_api.expect(one.page.locator("#list tbody a", has_text="res-6")).to_be_focused()
    keys.press("?")
    assert one.page.locator("#keys[open]").count() == 1
    keys.press("j")
    keys.press("Escape")
    assert one.page.locator("#keys[open]").count() == 0
    assert one.focused() == "res-6"


def test_every_key_is_on_the_page(load: Any, report: Path) -> None:
    """The list that ? opens has every key that the page acts on."""
    one = load(report)
    keys = one.page.evaluate("Object.keys(KEYS)")
    written = one.page.locator("#keys dt kbd").all_text_contents()
    assert {{"Escape": "Esc"}.get(key, key) for key in keys} | {"Enter"} == set(written)


def test_every_control_has_a_name_and_can_be_reached(load: Any, report: Path) -> None:
    """No button, field or list without a name; nothing that can be clicked lies outside the tab order."""
    one = load(report)
    nameless = one.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select")]
          .filter((e) => e.tabIndex < 0 || !(e.ariaLabel || e.textContent.trim() || e.closest("label")))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert one.page.locator("svg[role=img]").get_attribute("aria-label").startswith("Statuses on the left")


CONTRAST = """() => {
  const parse = (text) => {
    const n = text.match(/[\\d.]+/g).map(Number);
    const most = text.startsWith("color(srgb") ? 255 : 1;
    return [n[0] * most, n[1] * most, n[2] * most, n[3] ?? 1];
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !e.checkVisibility() || e.closest("script, :disabled")) continue;
    const style = getComputedStyle(e);
    const own = parse(e.closest("svg") ? style.fill : style.color);
    const [a, b] = [own, behind(e)].map((c) => light(c.slice(0, 3)));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, e.tagName, e.className, walker.currentNode.textContent.slice(0, 30)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(load: Any, report: Path, scheme: str) -> None:
    """4.5 to 1 at least (WCAG AA) for all text of the page and of an opened pair, in both palettes."""
    one = load(report, scheme=scheme)
    found = one.page.evaluate(CONTRAST)
    background = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    for row in ("res-2", "res-4", "res-5", "res-7"):
        one.page.locator("#list tbody a", has_text=row).click()
        found += one.page.evaluate(CONTRAST)
        one.page.keyboard.press("Escape")
    assert background == {"light": "rgb(244, 245, 247)", "dark": "rgb(16, 20, 26)"}[scheme]
    assert len(found) > 500
    assert [one for one in found if one[0] < 4.5] == []


OVER = """() => [...document.querySelectorAll("main *")].filter((e) => e.checkVisibility()).filter((e) => {
  const box = e.getBoundingClientRect();
  const clips = !["visible", "auto"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1;
  const over = box.right > innerWidth + 0.5 || box.left < -0.5;
  return !e.closest(".unseen") && (over || (clips && !e.closest("svg, select, input")));
}).map((e) => `${e.tagName} ${e.id} ${e.className} ${e.textContent.slice(0, 40)}`)"""


def test_it_fits_a_narrow_screen(load: Any, report: Path) -> None:
    """At 390 pixels nothing runs over the side and no text is clipped, neither in the list nor in an opened pair."""
    one = load(report, NARROW)
    wide = "document.documentElement.scrollWidth"
    assert (one.page.evaluate(wide), one.page.evaluate(OVER)) == (390, [])
    for summary in one.page.locator("summary").all():
        summary.click()
    one.page.locator("#more").click()
    assert (one.page.evaluate(wide), one.page.evaluate(OVER)) == (390, [])
    for row in ("res-2", "img src=x"):
        one.page.locator("#list tbody a", has_text=row).click()
        assert not one.page.locator("#list").is_visible()
        assert (one.page.evaluate(wide), one.page.evaluate(OVER)) == (390, [])
        one.page.keyboard.press("Escape")
    clipped = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).length"
    assert one.page.evaluate(clipped) == 0


def test_print_has_the_summary_and_the_rows_without_controls(load: Any, report: Path) -> None:
    """On paper: no filter, no buttons to turn pages, light colours; with a pair open, that pair alone."""
    one = load(report, scheme="dark")
    one.page.emulate_media(media="print", color_scheme="dark")
    visible = "(names) => names.map((name) => document.querySelector(name).checkVisibility())"
    names = ["h1", ".strip", ".totals", ".bands", ".heat", "#list", "#filter", "#pages", ".hint"]
    assert one.page.evaluate(visible, names) == [*[True] * 6, *[False] * 3]
    assert one.page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 35, 48)"
    one.page.locator("#list tbody a", has_text="res-2").click()
    assert one.page.evaluate(visible, ["h1", "#list", "#pair-body", "#pair button"]) == [False, False, True, False]
    assert one.page.evaluate("document.getElementById('pair').scrollHeight > innerHeight")
    assert len(re.findall(rb"/Type /Page\b", one.page.pdf(format="A4"))) >= 2  # not cut off at the end of the first


def test_ten_thousand_rows_stay_responsive(load: Any, tmp_path: Path) -> None:
    """Each filter, sort and pair takes less than half a second of the page's processor; all rows can be turned to."""
    left = [bill(reference=f"res-{n:05}", id=f"in_{n}", total=eur(n)) for n in range(10_000)]
    right = [bill(**OTHER_IDENTITY, reference=f"res-{n:05}", total=eur(n + (n % 7 == 0))) for n in range(10_000)]
    with compare(left, right) as found:
        write_html(found, tmp_path / "large.html")
    one = load(tmp_path / "large.html")
    assert one.count() == "10000 rows"
    assert len(one.rows()) == 100
    ticks = one.page.context.new_cdp_session(one.page)
    ticks.send("Performance.enable", {"timeDomain": "threadTicks"})  # a busy machine is not the page's fault

    def spent() -> float:
        metrics = ticks.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))

    assert 0 < spent() < 4
    change = """([name, value]) => {
      const control = document.getElementById("filter").elements[name];
      if (name === "head") document.querySelector(`[data-sort="${value}"]`).click();
      else if (name === "open") document.querySelector("#list tbody a").click();
      else { control.value = value; control.dispatchEvent(new Event("input", { bubbles: true })); }
      document.body.offsetHeight;  // until it is laid out
      return document.getElementById("count").textContent;
    }"""
    for step, expected in [
        (("text", "res-0123"), "10 of 10000 rows"),
        (("text", ""), "10000 rows"),
        (("class", "differing"), "1429 of 10000 rows"),
        (("class", ""), "10000 rows"),
        (("head", "key"), "10000 rows"),
        (("head", "left"), "10000 rows"),
        (("head", "apart"), "10000 rows"),
        (("open", ""), "10000 rows"),
    ]:
        before = spent()
        count = one.page.evaluate(change, list(step))
        one.rows()
        assert (step, count, 0 < spent() - before < 0.5) == (step, expected, True), spent() - before
    one.page.keyboard.press("Escape")
    one.page.locator("#pages [data-step='1']").click()
    assert one.page.locator("#pages span").inner_text() == "101 to 200"
