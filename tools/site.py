"""Gather the pages and the configuration of the documentation site in build, for zensical: `make site`, `make serve`.

Two things differ between the files that a reader of the repository opens and the pages of the site: the changelog and
its siblings are beside `docs`, and a diagram is Mermaid's text, which a page could draw only with a script of another
host. Here the first are copied in, with their links, and the second are drawn once.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

import mmdr

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PAGES = BUILD / "pages"
BESIDE = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CODE_OF_CONDUCT.md": "project/conduct.md",
    "SECURITY.md": "project/security.md",
    "examples/lago/README.md": "project/lago.md",
    "examples/shop/README.md": "project/shop.md",
}
"""Pages outside of `docs`, and where the site has them."""

LINK = re.compile(r"(\]\()([^)\s#:]+\.(?:md|svg|png))(#[^)\s]*)?(\))")
FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"^<!-- \[\[\[cog\n.*?^\]\]\] -->\n|^<!-- \[\[\[end\]\]\] -->\n", re.MULTILINE | re.DOTALL)
FILE_OF_BLOCK = re.compile(r"^(```\w+) (\S+)$", re.MULTILINE)


def sources() -> dict[str, Path]:
    """Return each page and picture of the site, by its place there."""
    docs = ROOT / "docs"
    files = (path for path in docs.rglob("*") if path.suffix in {".md", ".svg", ".png"})
    gathered = {path.relative_to(docs).as_posix(): path for path in files}
    return gathered | {place: ROOT / name for name, place in BESIDE.items() if (ROOT / name).is_file()}


def page(text: str, source: Path, place: str, places: dict[Path, str]) -> str:
    """Return a page as the site has it: its links lead to places of the site, its diagrams are drawn."""

    def relink(match: re.Match[str]) -> str:
        target = places.get((source.parent / match[2]).resolve())
        if target is None:
            return match[0]
        link = posixpath.relpath(target, posixpath.dirname(place) or ".")
        return f"{match[1]}{link}{match[3] or ''}{match[4]}"

    text = MARKER.sub("", text)
    text = FILE_OF_BLOCK.sub(r'\1 title="\2"', text)
    text = LINK.sub(relink, text)
    return FENCE.sub(lambda match: draw(match[1]), text)


def draw(diagram: str) -> str:
    """Return a Mermaid diagram as SVG whose lines and texts have the colour of the page's text."""
    svg: str = mmdr.render(diagram).svg()
    svg = re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL)
    width = re.search(r'viewBox="\S+ \S+ (\S+) ', svg)
    assert width is not None, svg[:200]
    least = 0.85 * float(width[1])  # on a narrow screen it scrolls, and stays legible
    svg = svg.replace('style="max-width', f'style="min-width:{least:.0f}px;max-width', 1)
    return f'<div class="diagram">{" ".join(svg.split())}</div>\n'


def navigation(config: str, pages: set[str]) -> str:
    """Return the configuration with "folder/*" replaced by the folder's pages that are named nowhere else."""
    named = set(re.findall(r'"([^"]+\.md)"', config))

    def expand(match: re.Match[str]) -> str:
        rest = sorted(page for page in pages - named if posixpath.dirname(page) == match[1])
        return ", ".join(f'"{page}"' for page in rest)

    return re.sub(r'"([^"\n]+)/\*",?', lambda match: f"{expand(match)}," if expand(match) else "", config)


def gather() -> int:
    """Write build/pages and build/zensical.toml anew, and return the number of pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    files = sources()
    places = {path.resolve(): place for place, path in files.items()}
    for place, path in files.items():
        target = PAGES / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(page(path.read_text("utf-8"), path, place, places), "utf-8")
        else:
            shutil.copyfile(path, target)
    shutil.copytree(ROOT / "tools" / "site_files", PAGES / "assets", dirs_exist_ok=True)
    pages = {place for place in files if place.endswith(".md")}
    config = navigation((ROOT / "zensical.toml").read_text("utf-8"), pages)
    (BUILD / "zensical.toml").write_text(config, "utf-8")
    return len(pages)


if __name__ == "__main__":
    print(f"build/pages has {gather()} pages")
