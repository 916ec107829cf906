"""The documentation site, built as `make site` builds it: no dead link, and nothing loaded from another host."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree, ignore_patterns, which
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOADS = {
    ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("audio", "src"),
    ("embed", "src"), ("object", "data"), ("link", "href"), ("use", "href"), ("image", "href"), ("form", "action"),
}  # fmt: skip
"""What a browser loads, or sends, without a click."""
BROWSED = ("how-to/migrate.html", "reference/providers.html", "explanation/architecture.html", "404.html", "index.html")
"""One of each kind: text, tables, a diagram. What each page loads is read from all of them above."""
MIRRORED = (
    "docs",
    "tools",
    "examples",
    "README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "zensical.toml",
)


@dataclass
class Page(HTMLParser):
    """What a page of the site has: its anchors, its links, and what it loads."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.classes |= set(given.get("class", "").split())
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        self.loads |= {value for name, value in given.items() if (tag, name.removeprefix("xlink:")) in LOADS}
        self.loads |= {part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()}


def build(root: Path) -> Path:
    """Build the site of a tree; return its folder."""
    for command in (["tools/site.py"], ["-m", "zensical", "build", "--strict", "-f", "build/zensical.toml"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=root, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return root / "build" / "site"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in a copy of what it is made of."""
    root = tmp_path_factory.mktemp("site")
    for name in MIRRORED:
        source = ROOT / name
        if source.is_dir():
            copytree(source, root / name, ignore=ignore_patterns("__pycache__", ".*"))
        else:
            (root / name).write_bytes(source.read_bytes())
    (root / "src").symlink_to(ROOT / "src")  # for the generated API
    return build(root)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Every page of the site."""
    return {path.resolve(): Page(path) for path in site.rglob("*.html")}


def dead_links(pages: dict[Path, Page]) -> list[str]:
    """Return every link of a page that leads to no file of the site, or to no anchor of a page."""
    dead = []
    for path, page in pages.items():
        for link in page.links | page.loads:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            is_there = target.exists() and (not url.fragment or target.suffix != ".html" or _has(pages, target, url))
            if not is_there:
                dead.append(f"{path.name}: {link}")
    return sorted(dead)


def _has(pages: dict[Path, Page], target: Path, url: Any) -> bool:
    return unquote(url.fragment) in pages[target].anchors


def of_other_hosts(pages: dict[Path, Page]) -> list[str]:
    """Return what pages load from elsewhere."""
    return sorted(
        f"{page.path.name}: {load}" for page in pages.values() for load in page.loads if "//" in load.partition("?")[0]
    )


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(pages: dict[Path, Page]) -> None:
    """Files and anchors alike. (Left out: 404.html links from the root of a host that is not known.)"""
    known = {path: page for path, page in pages.items() if path.name != "404.html"}
    assert sum(len(page.links) for page in known.values()) > 1000
    assert dead_links(known) == []


@pytest.mark.slow
def test_the_site_loads_nothing_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    """No font, script, picture or style; and nothing that its script would load later: no drawing is left to it."""
    assert of_other_hosts(pages) == []
    assert [page.path.name for page in pages.values() if page.classes & {"mermaid", "glightbox"}] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"@import[^;]*|url\(\s*[\"']?(?:https?:)?//[^)]*", styles) == []


@pytest.mark.slow
@pytest.mark.parametrize("name, word", [("explanation/architecture", "core"), ("reference/providers/stripe", "void")])
def test_a_diagram_is_drawn(site: Path, name: str, word: str) -> None:
    """As SVG with its texts, in place of Mermaid's own."""
    html = (site / f"{name}.html").read_text("utf-8")
    (drawn,) = re.findall(r'<div class="diagram">\s*<svg.*?</svg>', html, re.DOTALL)
    assert re.search(rf">\s*{word}\s*<", drawn)
    assert "stateDiagram-v2" not in html


@pytest.mark.slow
def test_every_page_is_in_the_navigation(pages: dict[Path, Page], site: Path) -> None:
    """A page that no menu leads to is not read."""
    config = tomllib.loads((site.parent / "zensical.toml").read_text("utf-8"))
    listed = set(_places(config["project"]["nav"]))
    built = {path.relative_to(site.resolve()).with_suffix(".md").as_posix() for path in pages} - {"404.md"}
    assert built == listed


def _places(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from _places(each)


@pytest.mark.slow
@pytest.mark.skipif(which("chromium") is None, reason="needs chromium")
def test_a_browser_reads_and_searches_the_site_from_disk(site: Path) -> None:
    """Opened as files: every request is for a file, no script fails, and the search finds a page."""
    from playwright.sync_api import sync_playwright

    asked, failed = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: failed.append(str(error)))
            for name in BROWSED:
                page.goto((site / name).as_uri())
            page.keyboard.press("/")
            page.wait_for_timeout(500)  # the field opens
            page.keyboard.type("quarantine", delay=20)
            found = page.get_by_text(re.compile(r"\d+ results")).first
            found.wait_for(timeout=20_000)
            page.get_by_text("Migrate a year of invoices").last.wait_for(timeout=20_000)
        finally:
            browser.close()
    assert {urlsplit(url).scheme for url in asked} <= {"file", "data", "blob", "about"}
    assert failed == []


def test_what_the_checks_look_for_is_seen(tmp_path: Path) -> None:
    """A dead link, a dead anchor, a script of another host."""
    (tmp_path / "a.html").write_text('<a href="b.html#no">b</a><a href="c.html">c</a><a href="b.html#b">b</a>', "utf-8")
    (tmp_path / "b.html").write_text('<p id="b">b</p><script src="//host.test/x.js"></script>', "utf-8")
    pages = {path: Page(path) for path in tmp_path.glob("*.html")}
    assert dead_links(pages) == ["a.html: b.html#no", "a.html: c.html"]
    assert of_other_hosts(pages) == ["b.html: //host.test/x.js"]
