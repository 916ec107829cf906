"""Golden files as text for a reader: each block is written as its difference to the nearest block before it.

A block is a list of fields. The first block of its kind is written whole; a later one names a block above and lists
what differs: `field: value` is another value, `+ field: value` is added, `- field` is left out. Nothing is abridged:
the blocks could be rebuilt from the text. Amounts are in minor units: `2500 EUR` is 25.00 EUR.
"""

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.wire import Request

FOLDER = Path(__file__).parent / "golden"
Field = tuple[str, str]
"""A name with its value."""
QUERY, HEADER, ANSWER, READ, NOTE = "? ", "# ", "→ ", "= ", "note"
FREE = (ANSWER, HEADER, READ)
"""What begins so has no order of its own."""
WIDTH = 180
"""From here on a line is not filled further."""
_PLAIN = re.compile(r"[\w-]+")
_PLAIN_LEAVES = frozenset({str, int, bool, type(None)})
_RUN = re.compile(r"(.)\1{19,}")


def flat(value: Any, path: str = "") -> Iterator[Field]:
    """Yield the leaves of a JSON value with their paths, as JSON; an amount is one leaf."""
    if (kind := type(value)) in _PLAIN_LEAVES:
        yield path or "all", _leaf(kind.__name__, value)
    elif isinstance(value, Mapping) and value.keys() == {"minor", "currency"}:
        yield path, f"{value['minor']} {value['currency']}"
    elif isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(inner, inner_path(path, name))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from flat(inner, inner_path(path, place))
    else:
        yield path or "all", shortened(dumps(value).decode())


@cache
def _leaf(kind: str, value: Any) -> str:
    """Write a leaf; its type is part of what is known, because True is 1."""
    return shortened(dumps(value).decode())


@cache
def inner_path(path: str, step: str | int) -> str:
    """Return the path of a member or an item; a name that is not plain is in quotes."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    name = step if _PLAIN.fullmatch(step) else json.dumps(step)
    return f"{path}.{name}" if path else name


def shortened(text: str) -> str:
    """Write a long run of one character as that character and its length."""
    return _RUN.sub(lambda run: f"{run[1]}«×{len(run[0])}»", text)


def content(text: str) -> list[Field]:
    """Return the fields of a body: of a form, or of JSON; raw where they would not give the same bytes again."""
    if not text:
        return []
    pairs = parse_qsl(text, keep_blank_values=True)
    if urlencode(pairs) == text:
        return [(name, shortened(value)) for name, value in pairs]
    try:
        value = loads(text.encode())
    except ValueError:
        return [("content", text)]
    return list(flat(value)) if dumps(value).decode() == text else [("content", text)]


@dataclass
class Keys:
    """The idempotency keys of a file, numbered in the order in which they are first sent."""

    names: dict[str, str] = field(default_factory=dict)

    def name(self, key: str) -> str:
        """Return the short name of a key."""
        return self.names.setdefault(key, f"key {len(self.names) + 1}")

    def lines(self) -> list[str]:
        """List the keys whole."""
        return list(joined([f"{name}: {key}" for key, name in self.names.items()], ", "))


@dataclass(frozen=True)
class Sent:
    """A request: the line that names it, and its fields."""

    place: str
    """Method and path, without the address of the provider."""
    effects: str
    fields: tuple[Field, ...]


def sent(request: Request, root: str, keys: Keys, always: Mapping[str, str]) -> Sent:
    """Return everything of a request: path, query, headers, body, effects, note and the answer that is assumed."""
    url, _, query = request.url.partition("?")
    place = f"{request.method} {url.removeprefix(f'{root}/')}"
    fields = [(NOTE, request.note)] if request.note else []
    pairs = parse_qsl(query, keep_blank_values=True)
    fields += [(f"{QUERY}{name}", value) for name, value in pairs] if urlencode(pairs) == query else [(QUERY, query)]
    for name, value in request.headers.items():
        if name not in always:
            fields.append((f"{HEADER}{name}", keys.name(value) if value == request.key else value))
    fields += content(request.content.decode())
    fields += [(f"{ANSWER}{path}", value) for path, value in flat(loads(dumps(request.specimen)))]
    effects = f" [{', '.join(sorted(request.effects))}]" if request.effects else ""
    return Sent(place, effects, tuple(numbered(fields)))


def numbered(fields: Iterable[Field]) -> Iterator[Field]:
    """Give a name that comes again a number, so that no two fields have one name."""
    seen: dict[str, int] = {}
    for name, value in fields:
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), value


def differences(base: tuple[Field, ...], new: tuple[Field, ...]) -> list[str] | None:
    """List what makes one block another, so that the other one follows; None where only the order differs."""
    old, now = dict(base), dict(new)
    lines = [f"- {name}" for name in old if name not in now]
    order = [name for name in old if name in now]
    before = ""
    for name, value in new:
        if name not in old:
            place = order.index(before) + 1 if before in order else 0
            at_end = place == len(order) or order[place].startswith(FREE)
            known = name.startswith(FREE) or at_end
            lines.append(line(f"+ {name}", value) + ("" if known else f" (after {before or 'nothing'})"))
            order.insert(place, name)
        elif old[name] != value:
            lines.append(line(name, value))
        before = name
    return lines if _ordered(order) == _ordered(now) else None


def line(name: str, value: str) -> str:
    """Write a field; what has no value is there or not."""
    return f"{name}: {value}" if value or not name.endswith("]") else name


def _ordered(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(FREE)]


@dataclass
class Blocks:
    """The blocks written so far, from which the nearest one is chosen."""

    written: dict[str, list[tuple[str, tuple[Field, ...]]]] = field(default_factory=dict)
    """kind → the name and the fields of each different block"""

    def write(self, kind: str, name: str, fields: tuple[Field, ...], near: str = "") -> tuple[str, list[str]]:
        """Return what a block is like ("" where it is written whole), and the lines that differ from that."""
        known = self.written.setdefault(kind, [])
        best, lines = "", [line(each, value) for each, value in fields]
        found = [(other, differences(others, fields)) for other, others in known]
        usable = [(other, changes) for other, changes in found if changes is not None and len(changes) <= len(lines)]
        if usable:
            best, lines = min(usable, key=lambda each: (len(each[1]), near not in each[0]))
        if not best or lines:
            known.append((name, fields))
        return best, lines


def opened(head: str, best: str, lines: list[str], sign: str = "") -> Iterator[str]:
    """Write a block under its head; what differs by little stays in one line with it."""
    head += f", as {best}" if best else ""
    head += ", but" if best and lines else ""
    if best and len(head) + sum(len(each) + 2 for each in lines) <= WIDTH:
        yield " ".join([head, ", ".join(lines)]).rstrip()
    else:
        yield head
        yield from (f"    {each}" for each in (joined(lines, sign) if sign else lines))


def joined(parts: Iterable[str], sign: str) -> Iterator[str]:
    """Put short parts into one line as long as it stays a line for the eye."""
    filled = ""
    for part in parts:
        if filled and len(filled) + len(part) > WIDTH:
            yield filled
            filled = ""
        filled += (sign if filled else "") + part
    if filled:
        yield filled


def plans(cases: Iterable[tuple[str, str, list[str], list[Sent]]]) -> Iterator[str]:
    """Write the plan of each command: its refusal, its losses, its requests."""
    blocks = Blocks()
    whole: dict[tuple[Any, ...], str] = {}
    for title, refusal, losses, requests in cases:
        key = (refusal, *losses, *((each.place, each.effects, each.fields) for each in requests))
        if key in whole:
            yield f"── {title}: as {whole[key]}"
            continue
        whole[key] = title
        near = ""
        same: list[tuple[int, str, int]] = []
        others: list[str] = []
        for number, each in enumerate(requests, 1):
            best, lines = blocks.write(each.place + each.effects, f"{title} {number}", each.fields, near)
            near = best.rpartition(" ")[0] or near
            if best and not lines:
                same.append((number, near, int(best.rpartition(" ")[2])))
            else:
                others += opened(
                    f"{number} {each.place}{each.effects}", best, list(folded(lines)), ", " if best else ""
                )
        head = f"── {title}" + (f": {as_above(same)}" if same else "")
        head += f": refused, {refusal}" if refusal else ""
        heads = list(joined([head, f"loses {', '.join(losses)}"] if losses else [head], "; "))
        in_one = ": ".join([*heads, *others])
        yield from [in_one] if len(heads) == len(others) == 1 and len(in_one) <= WIDTH else [*heads, *others]


def folded(lines: Iterable[str]) -> Iterator[str]:
    """Put the query into one line, the headers into one, and what concerns the assumed answer."""
    parts: dict[str, list[str]] = {QUERY: [], HEADER: [], "": [], ANSWER: []}
    for each in lines:
        mark = next((mark for mark in (QUERY, HEADER, ANSWER) if mark in each[:4]), "")
        parts[mark].append(each.replace(mark, "", 1) if mark else each)
    for mark in (QUERY, HEADER):
        yield from [f"{mark}{', '.join(parts[mark])}"] if parts[mark] else []
    yield from parts[""]
    yield from [f"{ANSWER}{', '.join(parts[ANSWER])}"] if parts[ANSWER] else []


def as_above(same: list[tuple[int, str, int]]) -> str:
    """Name the requests that are the same as others above."""
    runs: list[tuple[int, int, str, int]] = []
    for number, case, other in same:
        if runs and runs[-1][1] == number - 1 and runs[-1][2] == case and number - runs[-1][0] == other - runs[-1][3]:
            runs[-1] = (runs[-1][0], number, case, runs[-1][3])
        else:
            runs.append((number, number, case, other))
    parts = []
    for first, last, case, other in runs:
        span = str(first) if first == last else f"{first}–{last}"
        parts.append(f"{span} as {case}" if first == other else f"{span} as {case} from {other}")
    return ", ".join(parts)


def compare(name: str, text: str) -> None:
    """Fail with the lines that differ from the golden file, or write the file anew where `make golden` asks for it."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("PYTEST_GOLDEN") == "write":
        path.write_text(text, "utf-8")
    pinned = path.read_text("utf-8")
    if text != pinned:
        changes = difflib.unified_diff(pinned.splitlines(), text.splitlines(), "written", "now", lineterm="", n=2)
        shown = "\n".join(islice(changes, 60))
        raise AssertionError(f"{path.name} differs; if this is meant, run make golden and read the difference\n{shown}")
