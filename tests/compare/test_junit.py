"""The JUnit file of a comparison: a test for each pair, with the cause in the message."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from invoice_bridge.compare import Allowed, compare
from invoice_bridge.compare.junit import write_junit
from invoice_bridge.core.errors import ConfigurationError
from tests.cli.conftest import cli  # noqa: F401 - a fixture
from tests.compare.bills import eur
from tests.compare.test_causes import CENT_MORE, with_line
from tests.compare.test_groups import pairs

CENT: dict[str, Any] = {"lines": with_line(1, unit_amount=None, amount=eur(3001)), **CENT_MORE}


def suite(found: Any, tmp_path: Path, **options: Any) -> ET.Element:
    """Write the file, and read its one suite."""
    write_junit(found, tmp_path / "junit.xml", **options)
    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - written above
    assert root.tag == "testsuites"
    (one,) = root
    assert one.get("tests") == root.get("tests") == str(len(one.findall("testcase")))
    assert one.get("failures") == root.get("failures") == str(len(one.findall("testcase/failure")))
    return one


def test_each_pair_is_a_test_and_the_message_is_its_cause(tmp_path: Path) -> None:
    """A match passes, a difference fails with the cause alone, a missing invoice fails."""
    left, right = pairs({}, CENT, {})
    with compare(left[:2], right) as found:
        told = suite(found, tmp_path, sides=("before.ndjson", "after.ndjson"))
    assert told.get("name") == "before.ndjson | after.ndjson"
    assert {case.get("classname") for case in told} == {"invoice_bridge.compare"}
    failures = {case.get("name"): case.find("failure") for case in told}
    assert failures["r0"] is None
    differing, missing = failures["r1"], failures["r2"]
    assert differing is not None
    assert missing is not None
    assert (differing.get("type"), differing.get("message")) == ("differing", "lines[1].amount +0.01 EUR")
    assert "from lines[1].amount" in str(differing.text)
    assert (missing.get("type"), missing.get("message")) == ("right_only", "the invoice is on the right side only")


def test_declared_differences_pass_and_strict_fails_unused_declarations(tmp_path: Path) -> None:
    """What is declared equal is the output of its test; an unused declaration is a failure with --strict only."""
    allow = [Allowed(path="description", reason="reworded"), Allowed(path="reference", reason="old")]
    with compare(*pairs({"description": "June"}), allow=allow) as found:
        (case,) = suite(found, tmp_path)
        assert "declared equal: reworded" in str(case.findtext("system-out"))
        _, unused = suite(found, tmp_path, strict=True)
        assert unused.get("name") == "declaration: reference"


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """Markup, control characters and lone surrogates in keys and values never break the file, nor the terminal."""
    texts = "</failure><x a='\"&]]>\x00\x1b[31m\ufffe\u2028"
    left, right = pairs({"description": texts, "metadata": {f"order{texts}": "8"}})
    for one in (left, right):
        one[0] = one[0].model_copy(update={"reference": texts})
    with compare(left, right) as found:
        (case,) = suite(found, tmp_path, sides=(texts, texts))
        assert all(line.isprintable() for line in found.text_lines())
    assert str(case.get("name")).startswith("</failure><x a='\"&]]>\\x00\\x1b[31m")


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """As for every file that the library writes."""
    (tmp_path / "link.xml").symlink_to(tmp_path / "other.xml")
    with compare(*pairs({})) as found, pytest.raises(ConfigurationError, match="it is a link"):
        write_junit(found, tmp_path / "link.xml")


def test_the_command_writes_it(cli: Any, tmp_path: Path) -> None:  # noqa: F811
    """--junit FILE, beside what is printed; the exit code is the same."""
    for name, side in zip(("left", "right"), pairs(CENT), strict=True):
        (tmp_path / f"{name}.ndjson").write_text(side[0].model_dump_json() + "\n", "utf-8")
    target = tmp_path / "junit.xml"
    done = cli("compare", str(tmp_path / "left.ndjson"), str(tmp_path / "right.ndjson"), "--junit", str(target))
    assert (done.code, done.err) == (1, "")
    assert 'message="lines[1].amount +0.01 EUR"' in target.read_text("utf-8")
