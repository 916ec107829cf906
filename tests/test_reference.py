"""The generated pages of the reference state every field, every error, every loss and every option that there is."""

import re
from pathlib import Path

import pytest

import invoice_bridge
from invoice_bridge import OneTimeCharge, PeriodInvoice, providers
from invoice_bridge.cli.app import run
from tools import reference

ROOT = Path(__file__).resolve().parents[1]


def test_every_field_of_a_bill_is_described() -> None:
    """The list is that of the models."""
    assert set(reference.FIELDS) == set(OneTimeCharge.model_fields) | set(PeriodInvoice.model_fields)


def test_every_error_has_a_remedy() -> None:
    """The list is that of the classes."""
    assert list(reference.REMEDIES) == list(reference.error_classes())


def test_every_public_name_is_on_the_page_about_python() -> None:
    """Once, in a group; the errors are on their own page."""
    grouped = [name for names in reference.GROUPS.values() for name in names]
    public = {"webhooks", *invoice_bridge.__all__} - set(reference.error_classes())
    assert sorted(grouped) == sorted(public)
    page = (ROOT / "docs/reference/python.md").read_text("utf-8")
    assert [name for name in grouped if f"### {name}\n" not in page] == []
    for method in ("create", "void", "refund", "resolve", "from_config", "list"):
        assert f"#### Client.{method}\n" in page


def test_the_page_about_python_has_no_text_of_python_itself() -> None:
    """A dataclass has no docstring of its own for making it, and nobody makes a protocol."""
    page = (ROOT / "docs/reference/python.md").read_text("utf-8")
    assert "Initialize self" not in page
    assert "(*args, **kwargs)" not in page


def test_every_loss_is_on_the_page_once() -> None:
    """By its code, under its provider, with an anchor that other pages link to."""
    page = (ROOT / "docs/reference/losses.md").read_text("utf-8")
    for name in providers.names():
        provider = providers.get(name)
        rows = (*provider.fields, *provider.verb_fields, *provider.import_fields)
        for code in {row.code for row in rows if row.code}:
            assert page.count(f'<a id="{code.lower()}"></a>`{code}`') == 1, code


def test_every_provider_takes_every_leaf_of_a_bill_somehow() -> None:
    """No cell of the table of fields is empty: a field lands somewhere, is lost by name, or has a reason."""
    rows = reference.fate_page().splitlines()[2:]
    assert len(rows) > 40
    assert [row for row in rows if "–" in row] == []


@pytest.mark.slow
def test_every_option_on_the_page_is_in_the_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every option of the help is on the page."""
    monkeypatch.setenv("COLUMNS", "200")
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    commands = re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert len(commands) > 40
    for name, text in commands:
        if "| argument or option |" not in text:
            continue
        capsys.readouterr()
        assert run([*name.split(), "--help"]) == 0
        helped = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", capsys.readouterr().out)) - {"--help"}
        stated = set(re.findall(r"--[a-z][a-z-]*", " ".join(re.findall(r"^\| (`-.*?) \|", text, re.MULTILINE))))
        assert stated - helped == set(), name
        assert helped - stated <= _mentioned(text), name


def _mentioned(text: str) -> set[str]:
    """Return the options that a help text names in passing."""
    return set(re.findall(r"--[a-z][a-z-]*", text))
