"""A course (the requests of each call, their answers, and the end) written against the plan of its bill."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.golden_outcome import PLANNED

ANSWERED = "200"


class Event(NamedTuple):
    """A request, and the status or the error that came back."""

    place: str
    answer: str

    def __str__(self) -> str:
        return self.place if self.answer == ANSWERED else f"{self.place} {self.answer}"


@dataclass(frozen=True)
class Call:
    """What one call sent, and how it ended."""

    events: tuple[Event, ...]
    end: str

    def __str__(self) -> str:
        return f"{' · '.join(map(str, self.events))} → {self.end}"


def named(place: str) -> str:
    """Write ids that the emulator gives, all of them first ones, as what they are."""
    place = re.sub(r"/([a-z_]+)_0*1(?=/|$)", r"/{\1}", place)
    return re.sub(r"(?<=invoices/)1(?=/|$)", "{id}", place)


def ending(end: str) -> str:
    """Write the id in an ending as such."""
    return re.sub(r"\b1(?=,|$)", "{id}", re.sub(r"\b([a-z_]+)_0*1(?=,|$)", r"{\1}", end))


def against(plan: Call, calls: list[Call], target: str) -> str:
    """Write the calls of a course against the plan; "it" is the request that the fault hit."""
    if calls == [plan]:
        return PLANNED
    first = calls[0].events
    hit = 0
    while hit < len(plan.events) and first[hit : hit + 1] == plan.events[hit : hit + 1]:
        hit += 1
    if hit and (hit == len(plan.events) or hit == len(first) or first[hit].answer == ANSWERED):
        hit -= 1  # answered, but not as it should be: the same request comes again, or a reading one
    place = plan.events[hit].place
    known = place == target and [event.place for event in plan.events].count(place) == 1
    other = "" if known else f"(it: {place}, request {hit + 1}) "
    return other + " ‖ ".join(_written(call, plan, hit) for call in calls)


def _written(call: Call, plan: Call, hit: int) -> str:
    before, it, rest = plan.events[:hit], plan.events[hit], plan.events[hit + 1 :]
    words = []
    place = 0
    while place < len(call.events):
        for word, events in (
            ("everything", plan.events if not place else ()),
            ("it and the rest", (it, *rest)),
            ("up to it", before),
            ("the rest", rest),
        ):
            if events and call.events[place : place + len(events)] == events:
                if word == "it and the rest" and place + len(events) < len(call.events):
                    continue  # answered, and yet not the end
                words.append(word)
                place += len(events)
                break
        else:
            event = call.events[place]
            words.append(str(Event("it", event.answer) if event.place == it.place else event))
            place += 1
    ended = call.end == plan.end
    if ended and not rest and words[-1] not in {"everything", "it and the rest"}:
        words.append("the rest")  # which is nothing
    return f"{' · '.join(_counted(words))} → {'done' if ended else call.end}"


def _counted(words: list[str]) -> Iterator[str]:
    """Write what comes several times in a row with its number."""
    place = 0
    while place < len(words):
        count = 1
        while words[place + count : place + count + 1] == [words[place]]:
            count += 1
        yield words[place] if count == 1 else f"{words[place]} ×{count}"
        place += count
