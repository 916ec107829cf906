"""What every bill sends under every fault, and how it ends, written down: no move of code may change it.

Each creating flow of each provider meets each fault at each of its requests, once and three times in a row. Its caller
then goes on with the same client, or with another one that has the same journal. Nothing waits and nothing is sent.
`make golden` writes tests/golden/courses-<provider>.txt anew; a course stands there once, under all its cases.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from invoice_bridge import BridgeError, Client, providers
from invoice_bridge.adapter.emulation.faults import Faults
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.testing import fault_matrix
from invoice_bridge.testing.fault_matrix import Case, bills

GOLDEN = Path(__file__).parent / "golden"
WRITES = os.environ.get("PYTEST_GOLDEN") == "write"
CALLS = 3
"""How often the bill is made, until it is there."""


class Written(EmulatorTransport):
    """Writes down each request and how it was answered, addresses without their query."""

    def __init__(self, faults: Faults, root: str) -> None:
        super().__init__(faults, root)
        self.lines: list[str] = []
        self.handler = self._written

    def _written(self, request: httpx.Request) -> httpx.Response:
        line = f"{request.method} {str(request.url).removeprefix(self.root).partition('?')[0]}"
        try:
            answer = self._answer(request)
        except httpx.HTTPError as error:
            self.lines.append(f"{line} {type(error).__name__}")
            raise
        self.lines.append(f"{line} {answer.status_code}")
        return answer


def course(case: Case, journal: Path | None) -> str:
    """Make the case's bill up to three times; returns what each call sent and how it ended, a line for each."""
    emulator = fault_matrix._emulator(case.provider, None, lambda: datetime.now(UTC))
    faults = Faults(emulator, fault_matrix._faults(case))
    transport = Written(faults, providers.get(case.provider).base_url({**emulator.settings}))
    bill = bills(case.provider)[case.bill]
    allowed = fault_matrix._allowed(case.provider, bill)
    settings: dict[str, Any] = {**emulator.settings, **emulator.reference_settings, "journal": journal}
    settings["lookup"] = fault_matrix._lookup(case.provider, None if journal is None else str(journal), forgets=False)
    lines: list[str] = []
    with httpx.Client(transport=transport) as http:

        def client() -> Client:
            return Client(case.provider, api_key=emulator.key, base_url=transport.root, http=http, **settings)

        billing = client()
        for call in range(CALLS):
            if journal is not None and call:
                billing.close()
                billing = client()
            transport.lines.clear()
            made, stopped = None, None
            try:
                made = billing.create(bill, allow=allowed)
            except BridgeError as error:
                stopped = f"{type(error).__name__}, {error.outcome}, {error.invoice_id}"
            end = stopped if made is None else f"{made.id}, {made.status}"
            lines.append(f"{' · '.join(transport.lines)} → {end}")
            if made is not None:
                break
        billing.close()
    return "\n".join(f"    {line}" for line in lines)


def courses(name: str, folder: Path) -> Iterator[str]:
    """Every course of a provider, bill by bill, each under the cases that take it."""
    by_bill: dict[str, dict[str, list[str]]] = {bill: {} for bill in bills(name)}
    for number, case in enumerate(fault_matrix.cases(name)):
        if case.flipped is not None or case.way != "again":
            continue
        what = f"request {case.place} {case.kind} ×{case.times}"
        alone, kept = course(case, None), course(case, folder / f"{number}.sqlite")
        by_bill[case.bill].setdefault(alone, []).append(what if alone == kept else f"{what}, without a journal")
        if alone != kept:
            by_bill[case.bill].setdefault(kept, []).append(f"{what}, with a journal")
    for bill, seen in by_bill.items():
        yield f"── {bill}"
        for lines, cases in seen.items():
            yield "\n".join(["", *cases, lines])
        yield ""


@pytest.mark.parametrize("name", providers.names())
def test_no_course_has_changed(name: str, tmp_path: Path) -> None:
    """What is sent, in which order, and how it ends: as written down, for every bill and fault."""
    with patch("time.sleep"):
        text = "\n".join(courses(name, tmp_path)).lstrip("\n")
    place = GOLDEN / f"courses-{name}.txt"
    if WRITES:
        place.write_text(text, "utf-8")
    assert text == place.read_text("utf-8")
    assert text.count("→") > 50
