"""A comparison as a JUnit file, which build servers show as tests: each pair of invoices is one.

Rules of this file: rows are written as they are read, so memory does not grow with them. A test keeps its name from one
run to the next, so that a build server shows its history. Source of the format: the schema of Maven Surefire
(maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd).
"""

from __future__ import annotations

from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import cast
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from invoice_bridge.compare.allowed import Allowed
from invoice_bridge.compare.differences import Difference, Verdict, shown
from invoice_bridge.compare.groups import signed
from invoice_bridge.compare.result import Comparison, Row
from invoice_bridge.files import replacing

CLASS = "invoice_bridge.compare"
_FAILS = (Verdict.DIFFERING, Verdict.LEFT_ONLY, Verdict.RIGHT_ONLY)
_CAUSES = 3
"""The number of causes in the message of a failure; its text has all differences."""


def write_junit(
    found: Comparison, path: str | Path, *, sides: tuple[str, str] = ("left", "right"), strict: bool = False
) -> None:
    """Write a comparison as a JUnit file: a test for each pair, and for each invoice on one side only.

    A difference and a missing invoice are failures. What is declared equal passes, with the declarations as its output.
    With `strict` each unused declaration is a failure too. The file contains the compared values, no whole invoice.

    Raises ConfigurationError if the file is a link or cannot be written; an existing file then remains.
    """
    with replacing(Path(path)) as file:
        out = XMLGenerator(cast("TextIOWrapper", file), "utf-8", short_empty_elements=True)
        unused = found.unused if strict else ()
        failures = sum(found.counts[verdict] for verdict in _FAILS) + len(unused)
        counts = {"tests": str(sum(found.counts.values()) + len(unused)), "failures": str(failures), "errors": "0"}
        out.startDocument()
        _open(out, "testsuites", counts)
        name = f"{shown(sides[0])} | {shown(sides[1])}"
        _open(out, "testsuite", {"name": name, **counts, "skipped": "0", "time": "0"})
        for row in found.rows:
            _case(out, row)
        for one in unused:
            _unused(out, one)
        out.endElement("testsuite")
        out.endElement("testsuites")
        out.endDocument()
        file.write("\n")


def _case(out: XMLGenerator, row: Row) -> None:
    _open(out, "testcase", {"classname": CLASS, "name": _name(row), "time": "0"})
    if row.verdict in _FAILS:
        _text(out, "failure", {"message": _message(row), "type": row.verdict.value}, "\n".join(row.lines()))
    elif row.differences:
        _text(out, "system-out", {}, "\n".join(row.lines()))
    out.endElement("testcase")


def _unused(out: XMLGenerator, one: Allowed) -> None:
    _open(out, "testcase", {"classname": CLASS, "name": f"declaration: {shown(one.path)}", "time": "0"})
    message = f"declared equal, but unused: {shown(one.path)} ({shown(one.reason)})"
    _text(out, "failure", {"message": message, "type": "unused"}, "remove it from the file of declarations")
    out.endElement("testcase")


def _open(out: XMLGenerator, element: str, attributes: dict[str, str]) -> None:
    out.startElement(element, AttributesImpl(attributes))


def _text(out: XMLGenerator, element: str, attributes: dict[str, str], text: str) -> None:
    _open(out, element, attributes)
    out.characters(text)
    out.endElement(element)


def _name(row: Row) -> str:
    """Return the key, else the providers and ids."""
    if row.key is not None:
        return shown(row.key)
    return " | ".join(shown(" ".join(name)) for name in row.names if name is not None)


def _message(row: Row) -> str:
    """Return the first causes in one line: "lines[0].amount +0.01 EUR"."""
    if row.verdict is not Verdict.DIFFERING:
        return f"the invoice is on the {'left' if row.verdict is Verdict.LEFT_ONLY else 'right'} side only"
    differing = [one for one in row.differences if one.verdict is Verdict.DIFFERING]
    paths = {one.path for one in differing}
    causes = [one for one in differing if paths.isdisjoint(one.because)]
    more = f" and {len(causes) - _CAUSES} more" if len(causes) > _CAUSES else ""
    return ", ".join(map(_cause, islice(causes, _CAUSES))) + more


def _cause(one: Difference) -> str:
    if one.change is not None:
        return f"{shown(one.path)} {signed(*one.change)} {one.change[1]}"
    return f"{shown(one.path)} {shown(one.left)} | {shown(one.right)}"
