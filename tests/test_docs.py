"""The generated parts of the documentation are what the tables say now."""

import re
from pathlib import Path
from typing import Any

import pytest
from cogapp import Cog

from invoice_bridge import providers

ROOT = Path(__file__).parent.parent
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if "[[[cog" in page.read_text("utf-8")
]


def test_there_are_generated_pages() -> None:
    """The invoice, the bill, the providers and each of them, the errors, the losses and the commands."""
    of_providers = {f"{name}.md" for name in providers.names()}
    generated = {"bill.md", "commands.md", "errors.md", "invoice.md", "losses.md", "providers.md", *of_providers}
    assert {page.name for page in PAGES} >= generated


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/shop/README.md"]
)
def test_links_of_pages_beside_the_documentation_lead_somewhere(name: str) -> None:
    """To files of the repository; those within the documentation are tested with the site."""
    page = ROOT / name
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_generated_page_is_fresh(page: Path) -> None:
    """Generating it again changes nothing; else run `make docs`."""
    cog: Any = Cog  # its functions carry no types
    assert cog().main(["cog", "--check", "--verbosity=0", str(page)]) == 0
