"""What a command or a reading came to, written as its difference to what it comes to when nothing is changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from invoice_bridge import Invoice, Money
from invoice_bridge.core.exact import loads
from tests.golden_text import flat

ASKED, CURRENCY = "«asked»", "«currency»"
PLANNED, AS_READ, PROBLEM = "as planned", "returned as it reads", "«problem»"
_AMOUNT = re.compile(r"-?\d+ [A-Z]{3}")
_MONEY = re.compile(r"\d+(?:\.\d+)? [A-Z]{3}\b")


class Step(NamedTuple):
    """A request that followed: method and address, then body and note."""

    place: str
    rest: str


@dataclass(frozen=True)
class Result:
    """The invoice that came of it, or a sentence; and the requests that followed the changed answer."""

    text: str = ""
    fields: dict[str, Any] | None = None
    trail: tuple[Step, ...] = ()

    def flat(self) -> dict[str, str]:
        """Return the fields of the invoice by their paths; a problem by the path that it is about."""
        return _flat(self.fields or {})


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    """Return what an invoice says: whatever is not as it would be by default."""
    text = invoice.model_dump_json(exclude={"raw", "provider"}, exclude_none=True, exclude_defaults=True)
    found: dict[str, Any] = loads(text)
    return found


def _flat(fields: dict[str, Any]) -> dict[str, str]:
    found = dict(flat({name: value for name, value in fields.items() if name != "problems"})) if fields else {}
    for number, problem in enumerate(fields.get("problems", ())):
        name = f"problem {problem['path']}"
        name = name if name not in found else f"{name} ({number})"
        more = {key: value for key, value in problem.items() if key not in {"path", "why"}}
        found[name] = problem["why"] + (" (money)" if more == {"money": True} else f" {more}" if more else "")
    return found


_LATEST: list[tuple[dict[str, Any], dict[str, str]]] = []
"""The happy result that was last compared with, which many are in turn; kept, so that no other has its identity."""


def _flat_again(fields: dict[str, Any]) -> dict[str, str]:
    if not _LATEST or _LATEST[0][0] is not fields:
        _LATEST[:] = [(fields, _flat(fields))]
    return _LATEST[0][1]


def outcome(result: Result, happy: Result, value: str, old: Any, reading: Result | None = None) -> str:
    """Write a result as its difference to the happy one; `value` was tried in the place of `old`.

    `reading` is how the changed answer reads by itself, where that is written down elsewhere.
    """
    if (result.text, result.fields, result.trail) == (happy.text, happy.fields, happy.trail):
        return PLANNED
    parts: list[str] = []
    if result.fields is None:
        text = result.text
        for problem in (reading.fields or {}).get("problems", ()) if reading else ():
            text = text.replace(f"{problem['path']} {problem['why']}", PROBLEM)
        parts.append(_MONEY.sub(_minor, text))
    elif result.fields != happy.fields:
        read_so = reading is not None and result.fields == reading.fields
        parts += [AS_READ] if read_so else _changes(result.fields, happy.fields or {})
    if result.trail != (() if result.fields is None else happy.trail):
        parts.append(_followed(result.trail, happy.trail, value.strip("'"), old))
    return "; ".join(parts)


def _changes(fields: dict[str, Any], others: dict[str, Any]) -> Iterator[str]:
    new, old = dict(fields), dict(others)
    before, after = old.get("lines", []), new.get("lines", [])
    for place in range(len(before)):
        if after == before[:place] + before[place + 1 :]:
            yield f"no lines[{place}]" if after else "no lines"
            del old["lines"]
            new.pop("lines", None)
            break
    else:
        if before and not after:
            yield "no lines"
            del old["lines"]
    now, then = _flat(new), _flat(old) if len(old) < len(others) else _flat_again(others)
    yield from (f"{name}: {text}" for name, text in now.items() if then.get(name) != text)
    gone = [name for name in then if name not in now]
    amounts = [name for name, text in then.items() if _AMOUNT.fullmatch(text)]
    if amounts and {"currency", *amounts} <= {*gone}:
        gone = ["currency and amounts", *(name for name in gone if name not in {"currency", *amounts})]
    if gone:
        yield f"no {', '.join(gone)}"


def _minor(match: re.Match[str]) -> str:
    """Write an amount of a sentence in minor units, as fields have it."""
    money = Money.parse(*match[0].split())
    return f"{money.minor} {money.currency}" if str(money) == match[0] else match[0]


def _followed(trail: tuple[Step, ...], planned: tuple[Step, ...], value: str, old: Any) -> str:
    """Write the requests that followed: those of the plan by their place alone, also where they have the new id."""
    if not trail:
        return "stops"
    if trail == planned:
        return "then as planned"
    if old and value:
        planned = tuple(Step(place.replace(f"/{old}", f"/{value}"), rest) for place, rest in planned)
    if trail == planned:
        return "then as planned with that id"
    places = [place for place, _ in planned]
    steps = []
    for step in trail:
        known = step in planned and places.count(step.place) == 1
        steps.append(f"{step.place} as planned" if known else f"{step.place} {step.rest}".rstrip())
    return f"then {', '.join(steps)}"
