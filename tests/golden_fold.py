"""What becomes of an answer when one of its fields is another: tens of thousands of trials, as a table for a reader.

What repeats is written once, with marks for what varies: «value» is the value that was tried («VALUE» in capitals),
«field» the field that was replaced and «name» the last part of its path, «target» the field of the invoice named beside
it, «n» the number in the path, «asked» the amount of the bill, «currency» its currency. The outcome of each trial
follows from the table, so that another outcome of any trial is another line.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from tests.golden_outcome import PLANNED
from tests.golden_text import WIDTH, joined

VALUE, CAPITALS, FIELD, NAME, TARGET, NUMBER = "«value»", "«VALUE»", "«field»", "«name»", "«target»", "[«n»]"
TEXTS = ("open", "void", "paid", "draft")
Pattern = frozenset[tuple[str, str]]
"""Each value that was tried, with the outcome that it led to."""
Marks = tuple[tuple[str, str], ...]
"""What is written as which mark."""
_ALL = frozenset({"all"})


@dataclass(frozen=True)
class Trial:
    """A command at one of its requests, a field of the answer, the value tried there, and the outcome."""

    place: str
    case: str
    field: str
    value: str
    """As it is shown: 'open', 7, absent."""
    outcome: str


@dataclass(frozen=True)
class Spot:
    """Where trials were made: a field of the answer to one request of one command."""

    place: str
    case: str
    field: str


def words(text: str, word: str, mark: str) -> Iterator[str]:
    """Yield the text with every choice of the word's occurrences replaced; of more than four: with none, or all."""
    parts = re.split(rf"(?<![\w«]){re.escape(word)}(?![\w»])", text)
    joints = len(parts) - 1
    choices: Iterable[tuple[str, ...]] = product((word, mark), repeat=joints)
    if joints > 4:
        choices = [(word,) * joints, (mark,) * joints]
    for choice in choices:
        yield "".join(part + joint for part, joint in zip(parts, (*choice, ""), strict=True))


@cache
def forms(value: str, outcome: str) -> tuple[str, ...]:
    """Return the ways to write an outcome with marks for the value that led to it; the plain one first."""
    bare = value.strip("'")
    found = [outcome]
    if value != "absent":
        found += [outcome.replace(f"'{bare}'", f"'{VALUE}'")]
    if kind := {"7": "a number", "[]": "a list", "True": "a boolean"}.get(value, "text"):
        found += [text.replace(f"is {kind} and no", "is «kind» and no") for text in found]
    if bare.replace("-", "").isalpha() and value.startswith("'"):
        found += [form for text in found for form in words(text, bare, VALUE)]
        found += [form for text in found for form in words(text, bare.upper(), CAPITALS)]
    return tuple(dict.fromkeys(found))


def together(outcomes: Mapping[str, str]) -> dict[str, str]:
    """Write the outcomes of one field's values so that as few different ones as can be remain."""
    left, found = dict(outcomes), dict[str, str]()
    while left:
        by_form: dict[str, list[str]] = defaultdict(list)
        for value, outcome in left.items():
            for form in forms(value, outcome):
                by_form[form].append(value)
        best = max(by_form, key=lambda form: (len(by_form[form]), -form.count("«")))
        for value in by_form[best]:
            found[value] = best
            del left[value]
    return found


def variants(outcomes: Mapping[str, str], field: str, marks: Marks) -> Iterator[tuple[Pattern, str]]:
    """Yield the ways to write a field's outcomes with marks for its name and what it is read as."""
    names = dict.fromkeys(
        name
        for outcome in outcomes.values()
        for name in re.findall(r"(?:^|; )(?:no )?([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+)*)(?=:|;|$)", outcome)
    )
    number = re.search(r"\[\d+\]", field)
    last = field.rpartition(".")[2]
    for marked, named, numbered, target in product(
        (False, True), (None, field, last), (None, number[0] if number else None), (None, *names)
    ):
        shown = outcomes
        if marked:
            for text, mark in marks:
                shown = {value: outcome.replace(text, mark) for value, outcome in shown.items()}
        if target:
            pattern = re.compile(rf"(?<![\w.\]]){re.escape(target)}(?![\w.\[])")
            shown = {value: pattern.sub(TARGET, outcome) for value, outcome in shown.items()}
        if named:
            pattern = re.compile(rf"(?<![\w«]){re.escape(named)}(?![\w»])")
            mark = FIELD if named == field else NAME
            shown = {value: pattern.sub(mark, outcome) for value, outcome in shown.items()}
        if numbered:
            shown = {value: outcome.replace(numbered, NUMBER) for value, outcome in shown.items()}
        used = target if target and any(TARGET in outcome for outcome in shown.values()) else ""
        yield frozenset(shown.items()), used.replace(numbered, NUMBER) if numbered else used


def alike(trials: Iterable[Trial], marks: Mapping[str, Marks]) -> dict[Pattern, list[tuple[Spot, str]]]:
    """Bring together the places whose values lead to the same, each with what of the invoice it is read as."""
    outcomes: dict[Spot, dict[str, str]] = defaultdict(dict)
    for trial in trials:
        found = outcomes[Spot(trial.place, trial.case, trial.field)]
        assert trial.value not in found, f"two trials under one name: {trial}"
        found[trial.value] = trial.outcome
    ways: dict[Spot, dict[Pattern, str]] = {}
    known: dict[tuple[Any, ...], dict[Pattern, str]] = {}
    for spot, found in outcomes.items():
        key = (frozenset(found.items()), spot.field, marks[spot.case])
        if key not in known:
            known[key] = {}
            for pattern, target in variants(together(found), spot.field, marks[spot.case]):
                known[key].setdefault(pattern, target)
        ways[spot] = known[key]
    often = Counter(pattern for each in ways.values() for pattern in each)
    chosen: dict[Pattern, list[tuple[Spot, str]]] = defaultdict(list)
    left = dict(ways)
    while left:
        again = Counter(pattern for each in left.values() for pattern in each)
        best = max(again, key=lambda pattern: (again[pattern], often[pattern], -sum(o.count("«") for _, o in pattern)))
        for spot in [spot for spot, each in left.items() if best in each]:
            chosen[best].append((spot, ways[spot][best]))
            del left[spot]
    return merged(chosen)


def merged(found: Mapping[Pattern, list[tuple[Spot, str]]]) -> dict[Pattern, list[tuple[Spot, str]]]:
    """Count a field that has one of the values already among those where all were tried, if the others agree."""
    whole: dict[Pattern, list[tuple[Spot, str]]] = {}
    for pattern, spots in sorted(found.items(), key=lambda each: -len(each[0])):
        home = next((each for each in whole if pattern < each and len(each) - len(pattern) == 1), pattern)
        whole.setdefault(home, []).extend(spots)
    return whole


def table(trials: list[Trial], marks: Mapping[str, Marks]) -> Iterator[str]:
    """Write the trials: under the places and fields, the values that were tried and what they led to."""
    everywhere: dict[tuple[str, str], set[str]] = defaultdict(set)
    for trial in trials:
        everywhere[trial.place, trial.field].add(trial.case)
    blocks: list[tuple[Pattern, dict[tuple[frozenset[str], frozenset[str]], list[str]]]] = []
    for pattern, spots in alike(trials, marks).items():
        cases: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for spot, target in spots:
            name = spot.field + (f" → {target}" if target else "")
            cases[spot.place, name][spot.case] = None
        fields: dict[tuple[str, frozenset[str]], list[str]] = defaultdict(list)
        for (place, name), found in cases.items():
            every = found.keys() == everywhere[place, name.partition(" → ")[0]]
            fields[place, _ALL if every else frozenset(found)].append(name)
        places: dict[tuple[frozenset[str], frozenset[str]], list[str]] = defaultdict(list)
        for (place, names), titles in fields.items():
            places[frozenset(titles), names].append(place)
        blocks.append((pattern, places))
    order = list(dict.fromkeys(trial.case for trial in trials))
    used = Counter(names for _, places in blocks for _, names in places if names != _ALL and len(names) > 3)
    groups = {names: f"group {number}" for number, (names, count) in enumerate(used.most_common(), 1) if count > 2}
    for names, group in groups.items():
        yield f"{group}: {', '.join(case for case in order if case in names)}"
    for pattern, places in blocks:
        where = []
        for (within, names), requests in places.items():
            only = "" if names == _ALL else groups.get(names) or ", ".join(case for case in order if case in names)
            at = f"{', '.join(requests)}: " if any(requests) else ""
            where.append(f"{at}{', '.join(sorted(within))}" + (f" ({only})" if only else ""))
        outcomes: dict[str, list[str]] = defaultdict(list)
        for value, outcome in sorted(pattern):
            outcomes[outcome].append(value)
        if len(outcomes) > 1:
            outcomes.pop(PLANNED, None)
        above = list(joined(where, "; "))
        below = list(joined([f"{listed(values)} ⇒ {outcome}" for outcome, values in outcomes.items()], " | "))
        if len(above) == len(below) == 1 and len(above[0]) + len(below[0]) < WIDTH:
            yield f"{above[0]}:  {below[0]}"
        else:
            yield from (*above, *(f"    {line}" for line in below))


def listed(values: list[str]) -> str:
    """Name values: all four texts are "text", with a journal or without is "either way"."""
    if {*values} == {"with a journal", "without a journal"}:
        return "either way"
    texts = {f"'{text}'" for text in TEXTS}
    if texts <= set(values):
        values = ["text", *(value for value in values if value not in texts)]
    return " ".join(values)
