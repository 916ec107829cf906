"""The control API of one emulated provider: clock, faults, switches, ledger, reset. It is JSON, below _control.

    GET    _control                    the provider and everything below
    GET    _control/clock              PUT sets it, DELETE shows the real time again
    POST   _control/clock/advance      {"seconds": 86400}
    GET    _control/switches           PATCH {"search": false} changes them
    GET    _control/faults             POST {"kind": "reset_after", "method": "POST"} adds one, DELETE removes all
    POST   _control/faults/land        applies the delayed commits
    GET    _control/ledger             what happened to customers, and what should not have happened
    POST   _control/reset              begins again; {"switches": {…}} changes switches first
    POST   _control/seed               see seeds.py
    GET    _control/webhooks           see endpoints.py

Rules of this file: no network and no clock of its own. It knows no provider. An unknown field, path or method is
refused with the ones that exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any

from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator.answers import (
    Advance,
    NewFault,
    Refusal,
    Reset,
    SetClock,
    as_json,
    at_utc,
    instant_text,
    listed,
    read,
)
from invoice_bridge.emulator.clock import ServedClock
from invoice_bridge.emulator.endpoints import Endpoints
from invoice_bridge.emulator.harm import find_harm
from invoice_bridge.emulator.seeds import load

PATH = "_control"
"""The first segment of the control API's paths: no provider has a path that begins with it."""


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""The methods of providers: a fault of another one, or in small letters, would hit nothing."""


@dataclass
class Control:
    """The control API of the provider `name`; `faults` has the emulators of the server, by name."""

    name: str
    faults: MutableMapping[str, Faults]
    endpoints: Endpoints = field(init=False)
    routes: dict[tuple[str, str], Callable[[bytes], Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.endpoints = Endpoints(self.name)
        self.routes = {
            ("GET", ""): self.overview,
            ("GET", "clock"): self.clock,
            ("PUT", "clock"): self.set_clock,
            ("DELETE", "clock"): self.reset_clock,
            ("POST", "clock/advance"): self.advance,
            ("GET", "switches"): self.switches,
            ("PATCH", "switches"): self.change_switches,
            ("GET", "faults"): self.scheduled,
            ("POST", "faults"): self.add_fault,
            ("DELETE", "faults"): self.clear_faults,
            ("POST", "faults/land"): self.land,
            ("GET", "ledger"): self.ledger,
            ("POST", "reset"): self.reset,
            ("POST", "seed"): lambda content: load(self.name, self.emulator, content),
            ("GET", "webhooks"): lambda _: self.endpoints.listed(self.emulator),
            ("POST", "webhooks"): lambda content: self.endpoints.added(self.emulator, content),
            ("DELETE", "webhooks"): self.remove_endpoints,
            ("GET", "webhooks/events"): lambda _: self.endpoints.events(self.emulator),
            ("GET", "webhooks/deliveries"): lambda _: self.endpoints.deliveries(),
            ("POST", "webhooks/send"): lambda content: self.endpoints.send_again(self.emulator, content),
        }

    @property
    def emulator(self) -> Emulator:
        """Return the provider's emulator."""
        return self.faults[self.name].emulator

    def answer(self, method: str, path: str, content: bytes) -> Response:
        """Answer a request for a path below _control."""
        path = path.strip("/")
        try:
            route = self.routes.get((method, path))
            if route is None:
                raise self._no_route(path)
            answer = as_json(route(content))
            self.endpoints.collect(self.emulator)  # a commit that landed, or time that passed
            return answer
        except Refusal as refusal:
            return refusal.answer

    def _no_route(self, path: str) -> Refusal:
        methods = [method for method, known in self.routes if known == path]
        if methods:
            return Refusal(f"{PATH}/{path} takes {', '.join(methods)}", 405)
        known = dict.fromkeys(known for _, known in self.routes if known)
        return Refusal(f"there is no {PATH}/{path}; below {PATH} there are: {listed(known)}", 404)

    # ── the provider ─────────────────────────────────────────────────────────────────────────────────────────────────
    def overview(self, content: bytes) -> dict[str, Any]:
        """Return the provider's key, settings and state."""
        emulator = self.emulator
        return {
            "provider": self.name,
            "api_key": emulator.key,
            "settings": dict(emulator.settings),
            "customer": emulator.customer,
            "requests": emulator.requests,
            "writes": emulator.writes,
            "clock": self.clock(content),
            "switches": self.switches(content),
            **self.scheduled(content),
            "webhooks": self.endpoints.listed(emulator),
        }

    # ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────
    def clock(self, _content: bytes = b"") -> dict[str, Any]:
        """Return the provider's present, without a tick of a clock that ticks when it is read."""
        clock = ServedClock.of(self.emulator)
        return {"now": instant_text(clock()), "runs": clock.stopped_at is None}

    def set_clock(self, content: bytes) -> dict[str, Any]:
        """Set the clock."""
        body = read(SetClock, content)
        return self._moved(lambda clock: clock.set(at_utc(body.now), runs=body.runs))

    def advance(self, content: bytes) -> dict[str, Any]:
        """Move the clock forward."""
        body = read(Advance, content)
        return self._moved(lambda clock: clock.advance(body.seconds))

    def reset_clock(self, _content: bytes) -> dict[str, Any]:
        """Show the server's time again."""
        return self._moved(lambda clock: clock.reset())

    def _moved(self, move: Callable[[ServedClock], None]) -> dict[str, Any]:
        try:
            move(ServedClock.of(self.emulator))
        except (ValueError, OverflowError) as error:
            raise Refusal(str(error)) from None
        self.emulator.pass_time()
        self.emulator.report()
        return self.clock()

    def remove_endpoints(self, _content: bytes) -> dict[str, Any]:
        """Remove all webhook endpoints."""
        self.endpoints.remove_all()
        return self.endpoints.listed(self.emulator)

    # ── switches ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def switches(self, _content: bytes = b"") -> dict[str, Any]:
        """Return every switch: its value, its default, and what it sets, with the source."""
        emulator = self.emulator
        return {
            name: {"on": emulator.switches[name], "default": default, "sets": text}
            for name, (default, text) in emulator.SWITCHES.items()
        }

    def change_switches(self, content: bytes) -> dict[str, Any]:
        """Change switches from the next request on. What exists already stays as it is: see reset."""
        try:
            body = loads(content or b"{}")
        except ValueError as error:
            raise Refusal(f"the body is not JSON: {error}") from None
        self.emulator.switches.update(self._known_switches(body))
        return self.switches()

    def _known_switches(self, given: Any) -> dict[str, bool]:
        if not isinstance(given, dict) or not all(isinstance(value, bool) for value in given.values()):
            raise Refusal('switches are {"name": true or false, …}')
        if unknown := set(given) - set(self.emulator.SWITCHES):
            known = listed(self.emulator.SWITCHES)
            raise Refusal(f"{self.name} has no switch {', '.join(sorted(unknown))}; it has: {known}")
        return given

    # ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def scheduled(self, _content: bytes = b"") -> dict[str, Any]:
        """Return the faults, the requests that they hit, and the number of commits that are held back."""
        faults = self.faults[self.name]
        return {
            "faults": [
                {**asdict(fault), "matched": seen, "is_over": is_over} for fault, seen, is_over in faults.progress()
            ],
            "hits": [{"kind": hit.fault.kind, "path": hit.path, "applied": hit.applied} for hit in list(faults.hits)],
            "landing": faults.landing,
        }

    def add_fault(self, content: bytes) -> dict[str, Any]:
        """Schedule a fault, after those that are there."""
        body = read(NewFault, content)
        kinds = [str(kind) for kind in Kind]
        if body.kind not in kinds:
            raise Refusal(f"there is no fault {body.kind!r}; there are: {', '.join(kinds)}")
        if body.method and body.method not in METHODS:
            raise Refusal(f"there is no method {body.method!r}; there are: {', '.join(METHODS)}; empty matches any")
        try:
            fault = Fault(**{**body.model_dump(), "kind": Kind(body.kind)})
        except (ValueError, re.error) as error:
            raise Refusal(str(error)) from None
        self.faults[self.name].add(fault)
        return self.scheduled()

    def clear_faults(self, _content: bytes) -> dict[str, Any]:
        """Remove all faults; commits that are held back stay."""
        self.faults[self.name].clear()
        return self.scheduled()

    def land(self, _content: bytes) -> dict[str, Any]:
        """Apply the delayed commits now."""
        self.faults[self.name].land()
        return self.scheduled()

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────
    def ledger(self, _content: bytes = b"") -> dict[str, Any]:
        """Return what happened to customers, and a sentence for each thing that should not have."""
        emulator = self.emulator
        entries = list(emulator.ledger)
        return {
            "provider": self.name,
            "requests": emulator.requests,
            "writes": emulator.writes,
            "ledger": [{**asdict(entry), "at": instant_text(entry.at)} for entry in entries],
            "harm": find_harm(entries),
        }

    def reset(self, content: bytes) -> dict[str, Any]:
        """Begin again: no invoices, no faults, the server's time. Switches stay, unless the body changes them."""
        changed = self._known_switches(dict(read(Reset, content).switches))
        before = self.emulator
        ServedClock.of(before).reset()
        made = type(before)(clock=before.clock, switches=before.switches | changed)
        made.links, made.emits = before.links, before.emits
        self.faults[self.name] = Faults(made)
        self.endpoints.forget()
        return self.overview(b"")
