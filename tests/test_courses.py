"""What every bill sends under every fault, and how it ends, written down: no move of code may change it.

Each creating flow of each provider meets each fault at each of its requests, once and three times in a row. Its caller
then goes on with the same client, or with another one that has the same journal. Nothing waits and nothing is sent.
`make golden` writes tests/golden/courses-<provider>.txt anew, and courses-imports-<provider>.txt for imports. A course
is written against the plan, which is what is sent where nothing goes wrong: "it" is the request that the fault hit,
"the rest" what follows it in the plan.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from invoice_bridge import BridgeError, Client, providers
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.core.commands import NewInvoice
from invoice_bridge.testing.fault_cases import (
    Case,
    allowed_losses,
    bills,
    cases,
    faults_of,
    imports,
    lookup_mode,
    make,
    make_emulator,
)
from tests.golden_courses import Call, Event, against, ending, named
from tests.golden_fold import Trial, listed, table
from tests.golden_text import compare

CALLS = 3
"""How often the bill is made, until it is there."""


class Written(EmulatorTransport):
    """Writes down each request and how it was answered, addresses without their query."""

    def __init__(self, faults: Faults, root: str) -> None:
        super().__init__(faults, root)
        self.events: list[Event] = []
        self.handler = self._written

    def _written(self, request: httpx.Request) -> httpx.Response:
        place = f"{request.method} {str(request.url).removeprefix(self.root).partition('?')[0]}"
        try:
            answer = self._answer(request)
        except httpx.HTTPError as error:
            self.events.append(Event(named(place), type(error).__name__))
            raise
        self.events.append(Event(named(place), str(answer.status_code)))
        return answer


def course(case: Case, journal: Path | None, hits: list[Fault]) -> list[Call]:
    """Make the case's bill up to three times; returns what each call sent and how it ended."""
    emulator = make_emulator(case.provider, None, lambda: datetime.now(UTC))
    faults = Faults(emulator, hits)
    transport = Written(faults, providers.get(case.provider).base_url({**emulator.settings}))
    bill = {**bills(case.provider), **imports(case.provider)}[case.bill]
    allowed = allowed_losses(case.provider, bill)
    settings: dict[str, Any] = {**emulator.settings, **emulator.reference_settings, "journal": journal}
    settings["lookup"] = lookup_mode(case.provider, None if journal is None else str(journal), forgets=False)
    calls: list[Call] = []
    with httpx.Client(transport=transport) as http:

        def client() -> Client:
            return Client(case.provider, api_key=emulator.key, base_url=transport.root, http=http, **settings)

        billing = client()
        for call in range(CALLS):
            if journal is not None and call:
                billing.close()
                billing = client()
            transport.events.clear()
            made, stopped = None, None
            try:
                made = make(billing, bill, allowed)
            except BridgeError as error:
                stopped = f"{type(error).__name__}, {error.outcome}, {error.invoice_id}"
            end = stopped if made is None else f"{made.id}, {made.status}"
            calls.append(Call(tuple(transport.events), ending(end or "")))
            if made is not None:
                break
        billing.close()
    return calls


def courses(name: str, folder: Path, commands: Mapping[str, NewInvoice]) -> Iterator[str]:
    """Write the plan of every command, and every course beside it."""
    plans: dict[str, dict[str, Call]] = {}
    trials: list[Trial] = []
    for number, case in enumerate(cases(name, commands)):
        if case.flipped is not None or case.way != "again":
            continue
        ways = {"without a journal": None, "with a journal": folder / f"{number}.sqlite"}
        if case.bill not in plans:
            plans[case.bill] = {
                way: course(case, path and path.with_suffix(".plan"), [])[0] for way, path in ways.items()
            }
        for way, path in ways.items():
            place = target(plans[case.bill][way], case)
            came = against(plans[case.bill][way], course(case, path, faults_of(case)), place)
            trials.append(Trial(place, case.bill, f"{case.kind} ×{case.times}", way, came))
    for bill, planned in plans.items():
        for plan in dict.fromkeys(planned.values()):
            yield f"── {bill}, {listed([way for way in planned if planned[way] == plan])}: {plan}"
    yield from ("", f"═══ {len(trials)} courses with a fault; one that is not listed is as planned ═══")
    yield from table(trials, dict.fromkeys(commands, ()))


def target(plan: Call, case: Case) -> str:
    """Name the request that the fault of a case hits: some faults let those pass that only read."""
    writes = case.kind in {Kind.DELAYED_COMMIT, Kind.IN_PROGRESS}
    events = [event for event in plan.events if not (writes and event.place.startswith("GET"))]
    return events[case.place].place if case.place < len(events) else f"no request ({case.place})"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "stripe" else name for name in providers.names()]
)
def test_no_course_has_changed(name: str, tmp_path: Path) -> None:
    """What is sent, in which order, and how it ends: as written down, for every bill and fault."""
    with patch("time.sleep"):
        text = "\n".join(courses(name, tmp_path, bills(name))) + "\n"
    assert text.count("→") > 50
    compare(f"courses-{name}", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in providers.names() if imports(name)])
def test_no_course_of_an_import_has_changed(name: str, tmp_path: Path) -> None:
    """The same for imports of history: tests/golden/courses-imports-<provider>.txt."""
    with patch("time.sleep"):
        text = "\n".join(courses(name, tmp_path, imports(name))) + "\n"
    assert text.count("→") > 20
    compare(f"courses-imports-{name}", text)
