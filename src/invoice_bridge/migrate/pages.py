"""The pages that `migrate serve` shows: a plan, a list of its items, and one item with its requests and history.

Rules of this file: it only reads the ledger. Every text is escaped on insertion. No script, no inline style, nothing
from another address: what is shown is complete without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from invoice_bridge import providers
from invoice_bridge.compare.report import base_style
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.money import Money
from invoice_bridge.explain import make_context
from invoice_bridge.explain import plan as explain_command
from invoice_bridge.migrate.operations import read_operation
from invoice_bridge.migrate.planning import COMPLETE, TOTALS
from invoice_bridge.migrate.preview import Preview, preview_of
from invoice_bridge.migrate.queries import plans_of
from invoice_bridge.migrate.reasons import WORDS
from invoice_bridge.migrate.values import OPEN_STATES, STATES
from invoice_bridge.migrate.verifying import taken_back, verification_of, verified_item
from invoice_bridge.migrate.watching import At, Working, find_items, recent_rate, same_reference, workers_of

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.values import Row

__all__ = ["item_page", "items_page", "plan_page", "preview", "problem_page", "style", "table_of"]

MOST = 100
"""Items of one page of a list."""
_REFRESH = 5
_FILTERS = ("state", "reason", "code")
_AFTER = re.compile(r"[0-9]{1,18}")


def style() -> str:
    """Return the style of the pages."""
    return base_style() + files("invoice_bridge.migrate").joinpath("pages.css").read_text("utf-8")


# ── a page ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _page(title: str, parts: Iterable[str], refresh: int | None = None) -> str:
    again = "" if refresh is None else f'<meta http-equiv="refresh" content="{refresh}">\n'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n{again}<title>{escape(title)}</title>\n'
        '<link rel="stylesheet" href="/style.css">\n</head>\n<body>\n<main>\n'
        + "\n".join(parts)
        + "\n</main>\n</body>\n"
        "</html>\n"
    )


def _card(heading: str, parts: Iterable[str]) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def _facts(facts: Mapping[str, str]) -> str:
    """Return a list of facts; the values are markup."""
    return (
        "<dl>"
        + "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts.items())
        + "</dl>"
    )


def table_of(names: Iterable[str], rows: Iterable[Iterable[object]], *, cards: bool = False) -> str:
    """Return a table; a cell is an int, a text, or markup made by _link or _word. `cards` folds it on a narrow page."""
    labels = list(names)
    body = []
    numbers: set[int] = set()
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            is_number = isinstance(cell, int | Money)
            numbers |= {place} if is_number else set()
            text = cell if isinstance(cell, _Markup) else escape(_number(cell) if isinstance(cell, int) else str(cell))
            kind = ' class="n"' if is_number else ""
            cells.append(f'<td{kind} data-label="{escape(labels[place])}"><div>{text}</div></td>')
        body.append("<tr>" + "".join(cells) + "</tr>")
    head = "".join(
        f'<th scope="col"{" class=n" if place in numbers else ""}>{escape(name)}</th>'
        for place, name in enumerate(labels)
    )
    folded = ' class="cards"' if cards else ""
    return (
        f'<div class="scroll" tabindex="0" role="group"><table{folded}><thead><tr>{head}</tr></thead>\n<tbody>'
        + "\n".join(body)
        + "</tbody></table></div>"
    )


class _Markup(str):
    """Text that is escaped already."""

    __slots__ = ()


def _link(text: str, where: str, **query: object) -> _Markup:
    asked = "?" + urlencode(query) if query else ""
    return _Markup(f'<a href="{escape(where + asked)}">{escape(text)}</a>')


def _number(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _instant(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


# ── a plan ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def preview(ledger: Ledger, plan: int) -> Preview | None:
    """Return a plan's preview, None for items that were added without a source."""
    return preview_of(ledger, plan, ledger.note(plan, TOTALS)) if "source" in ledger.plan(plan).facts else None


def plan_page(
    ledger: Ledger, plan: int, made: Preview | None, read_at: datetime | None = None, *, is_read: bool = True
) -> str:
    """Return the page of a plan; `made` is its preview as it was read at an instant, and is not read yet at first."""
    header = ledger.plan(plan)
    counts: dict[str, int] = {str(state): number for state, number in ledger.counts(plan).items()}
    left = sum(counts.get(state, 0) for state in OPEN_STATES)
    kind = str(header.facts.get("kind", "plan"))
    title = f"{kind.capitalize()} {plan}" if kind != "plan" else f"Plan {plan}"
    accounts = header.target.rstrip(":") if made is None else f"{made.source} → {made.target}"
    parts = [
        f"<header><h1>{escape(title)}: {escape(accounts)}</h1>",
        _plans(ledger, plan),
        "</header>",
        _card("Progress", _progress(ledger, plan, counts, left)),
        _card("Items by state", [_states(plan, counts)]),
    ]
    people = find_items(ledger, plan, {"state": "quarantined"}, most=MOST)
    if people:
        rows = [(_item_link(row), row.reason, row.target_id or "–", row.detail) for row in people]
        hint = "Decide with <code>invoice-bridge migrate quarantine resolve</code>; this page changes nothing."
        table = table_of(("Reference", "Reason", "At the target", "Detail"), rows, cards=True)
        more = [_link("All of them", f"/plan/{plan}/items", state="quarantined")] if len(people) == MOST else []
        parts.append(_card("Quarantine: a person decides", [f'<p class="hint">{hint}</p>', table, *more]))
    if made is not None:
        parts += _previewed(plan, made, read_at)
    elif not is_read:
        parts.append(_card("Control totals", ["<p>The plan is being read; this page loads itself again.</p>"]))
    parts.append(_card("Verification", [_verified(ledger, plan, counts)]))
    parts.append(_card("Workers", [_workers(workers_of(ledger, plan))]))
    parts.append(_foot(ledger))
    return _page(f"{title}: {accounts}", parts, _REFRESH if left or not is_read else None)


def _plans(ledger: Ledger, plan: int) -> str:
    links = []
    for number, facts in plans_of(ledger):
        kind = str(facts.get("kind", "plan"))
        current = ' aria-current="page"' if number == plan else ""
        links.append(f'<a href="/plan/{number}"{current}>{escape(kind)} {number}</a>')
    return f'<nav aria-label="Plans of the ledger">{"".join(links)}</nav>'


def _progress(ledger: Ledger, plan: int, counts: Mapping[str, int], left: int) -> Iterator[str]:
    whole = sum(counts.values())
    ended = whole - left
    if ledger.note(plan, COMPLETE) is None and "source" in ledger.plan(plan).facts:
        yield '<p class="bad">The plan is not complete: its source is still being read, or that was interrupted.</p>'
    rate = recent_rate(ledger, plan)
    live = [worker for worker in workers_of(ledger, plan) if worker.is_live]
    if not left:
        lead = "Nothing is left to do." if whole else "The plan has no item."
    elif not live:
        lead = "Nobody works on it now."
    else:
        lead = f"{_number(left)} items are left."
    yield f'<p class="lead">{lead}</p>'
    yield f'<progress max="{max(whole, 1)}" value="{ended}" aria-label="Items that are at their end"></progress>'
    rest = timedelta(seconds=round(left / rate)) if rate and left and live else None
    yield _facts({
        "At their end": f"<strong>{_number(ended)} of {_number(whole)}</strong>",
        "Items per second, in the last minute": f"{rate:.1f}" if rate else "none ended",
        "Time that the rest takes at that rate": "–" if rest is None else str(rest),
        "As of": _instant(datetime.now(UTC)),
    })  # fmt: skip


def _states(plan: int, counts: Mapping[str, int]) -> str:
    rows = [
        (_link(state, f"/plan/{plan}/items", state=state), _MEANINGS[state], counts[state])
        for state in STATES
        if counts.get(state)
    ]
    return table_of(("State", "Meaning", "Items"), rows)


_MEANINGS = {
    "planned": "nothing was sent",
    "sent": "a worker has taken it",
    "made": "the document is at the target",
    "released": "it is closed at the source",
    "done": "nothing is left to do",
    "unknown": "a request may have taken effect; it is looked up",
    "refused": "nothing was made, and nothing will be",
    "quarantined": "a person decides",
    "skipped": "the plan leaves it out",
}


def _previewed(plan: int, made: Preview, read_at: datetime | None) -> Iterator[str]:
    items = f"/plan/{plan}/items"
    sides = ("Source", "Moved, or to be", "Skipped", "Refused", "For a person")
    rows = [
        (group.month or "–", group.status or "–", *(
            _Markup(f"{escape(group.amount(minor))}<small>{_number(number)} documents</small>")
            for number, minor in (group.source, group.moved, group.skipped, group.refused, group.person)
        ), _word("closes", good=True) if group.difference == (0, 0) else _word("DIFFERS", good=False))
        for group in made.groups
    ]  # fmt: skip
    text = "What the source has equals what is moved, skipped, refused and left to a person."
    hint = f'<p class="hint">{text} What is below was read at {_instant(read_at)}.</p>'
    yield _card("Control totals", [hint, table_of(("Month", "Status", *sides, "Total"), rows, cards=True)])
    losses = [(_link(code, items, code=code), number) for code, number in sorted(made.losses.items())]
    reasons = [
        (_link(word, items, state=state, reason=word), WORDS.get(word, ""), state, number)
        for (state, word), number in sorted(made.reasons.items())
    ]
    yield '<div class="side">'
    yield _card("Losses", [table_of(("Code", "Items"), losses) if losses else "<p>None.</p>"])
    yield _card(
        "Effects at the target",
        [table_of(("Effect", "Items"), sorted(made.effects.items())) if made.effects else "<p>None.</p>"],
    )
    yield "</div>"
    table = table_of(("Reason", "Meaning", "State", "Items"), reasons, cards=True)
    yield _card("Left out, and why", [table if reasons else "<p>Nothing is left out.</p>"])
    yield _card("A person checks", ["<ul>", *(f"<li>{escape(check)}</li>" for check in made.checks), "</ul>"])


def _word(text: str, *, good: bool) -> _Markup:
    return _Markup(f'<span class="{"good" if good else "bad"}">{escape(text)}</span>')


def _verified(ledger: Ledger, plan: int, counts: Mapping[str, int]) -> str:
    found = verification_of(ledger, plan)
    if found is None:
        return "<p>Nothing was verified yet.</p>"
    at = escape(found["at"])
    if not found.get("is_whole", True):
        return f"<p>{_word('A verification has not come to its end', good=False)}; it began at {at}.</p>"
    since = [f"plan {undo} has taken {_number(count)} back" for undo, count in taken_back(ledger, plan).items()]
    if found["ok"] and sum(counts.get(state, 0) for state in ("done", *OPEN_STATES)) != found["verified"]:
        since.append("the plan has changed: verify it again")
    lead = f"{_number(found['verified'])} of {_number(found['expected'])} verified"
    text = f"<p>{_word(lead, good=found['ok'] and not since)}; {_number(len(found['findings']))} findings, at {at}.</p>"
    text += f"<p>{_word('Since then ' + ', '.join(since), good=False)}.</p>" if since else ""
    if found["findings"]:
        text += table_of(("Reference", "Finding", "Detail"), found["findings"][:MOST], cards=True)
    return text


def _workers(working: list[Working]) -> str:
    if not working:
        return "<p>Nobody works on this ledger now.</p>"
    rows = [
        (
            one.name,
            _instant(one.began_at),
            "works" if one.is_live else "its lease has passed; others take over",
            one.items,
        )
        for one in working
    ]
    return table_of(("Host and process", "Since", "State", "Items in hand"), rows, cards=True)


def _foot(ledger: Ledger) -> str:
    return f"<footer><p>Ledger {escape(str(ledger.database.location))}. This page only reads.</p></footer>"


# ── items ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _item_link(row: Row) -> _Markup:
    return _link(row.reference, f"/item/{row.number}")


def _total(source: Mapping[str, Any]) -> Money | str:
    total, currency = source.get("total"), source.get("currency")
    return "–" if total is None or not currency else Money(total, currency)


def items_page(ledger: Ledger, plan: int, query: Mapping[str, str]) -> str:
    """Return a list of a plan's items: those of a state, of a reason, with a loss."""
    wanted = {name: query[name] for name in _FILTERS if query.get(name)}
    after = int(query["after"]) if _AFTER.fullmatch(query.get("after", "")) else 0
    rows = find_items(ledger, plan, wanted, after, MOST + 1)
    shown = [
        (_item_link(row), row.state, row.reason or "–", str(row.source.get("status") or "–"), _total(row.source),
         row.target_id or "–", row.detail)
        for row in rows[:MOST]
    ]  # fmt: skip
    title = f"Items of plan {plan}"
    which = ", ".join(f"{name} {value}" for name, value in wanted.items()) or "all"
    names = ("Reference", "State", "Reason", "At the source", "Total", "At the target", "Detail")
    where = f"/plan/{plan}/items"
    following = {**wanted, "after": rows[MOST - 1].number} if len(rows) > MOST else None
    links = [_link("First page", where, **wanted)] if after else []
    links += [_link("Next page", where, **following)] if following else []
    parts = [
        f"<header><h1>{title}: {escape(which)}</h1>",
        f'<nav aria-label="Plan">{_link(f"Back to plan {plan}", f"/plan/{plan}")}</nav></header>',
        "<section>",
        table_of(names, shown, cards=True) if shown else "<p>There is none.</p>",
        f'<nav aria-label="Pages of the list">{"".join(links)}</nav>' if links else "",
        "</section>",
        _foot(ledger),
    ]
    return _page(f"{title}: {which}", parts)


def item_page(ledger: Ledger, found: At) -> str:
    """Return the page of one item: what it is, its history in every plan, and the requests of each stage."""
    row, plan = found.row, found.plan
    source = {
        name: str(value) for name, value in row.source.items() if name in {"id", "number", "status", "month"} and value
    }
    facts = {
        "State": f"<strong>{escape(row.state)}</strong><span>{escape(_MEANINGS[row.state])}</span>",
        "Total at the source": escape(str(_total(row.source))),
        **{f"{name.capitalize()} at the source": escape(value) for name, value in source.items()},
        "At the target": escape(row.target_id or "–"),
        "Requests that were sent": str(row.requests),
        "History": "it is history: nothing may mail or collect" if row.history else "it is no history",
    }
    reason = [f"<p><strong>{escape(row.reason)}</strong> {escape(WORDS.get(row.reason, ''))}</p>"] if row.reason else []
    reason += [f"<p>{escape(row.detail)}</p>"] if row.detail else []
    history = [
        (_link(f"{at.kind} {at.plan}", f"/item/{at.row.number}"), at.row.state, at.row.reason or "–",
         _instant(at.row.sent_at), _instant(at.row.ended_at), at.row.claim, at.row.attempt)
        for at in same_reference(ledger, row.reference)
    ]  # fmt: skip
    names = ("Plan", "State", "Reason", "First sent", "Ended", "Times taken", "Attempt")
    losses = [(code, severity, path) for code, severity, path in row.source.get("losses", ())]
    checked = verified_item(ledger, plan, row.number)
    parts = [
        f"<header><h1>{escape(row.reference)}</h1>",
        f'<nav aria-label="Plan">{_link(f"Back to plan {plan}", f"/plan/{plan}")}</nav></header>',
        _card("The item", [_facts(facts), *reason]),
        _card("History", [table_of(names, history, cards=True), f"<p>{_checked(checked)}</p>"]),
        _card("Losses", [table_of(("Code", "Severity", "Field"), losses) if losses else "<p>None.</p>"]),
        *_stages(ledger, plan, row),
        _foot(ledger),
    ]
    return _page(f"{row.reference}: plan {plan}", parts)


def _checked(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "It was not verified yet."
    at = escape(str(found.get("at", "")))
    return f"{_word('Verified', good=True)} at {at}." if found["ok"] else (
        f"{_word(str(found['kind']), good=False)}: {escape(str(found['detail']))}, at {at}."
    )  # fmt: skip


def _stages(ledger: Ledger, plan: int, row: Row) -> Iterator[str]:
    """Yield what each stage of an item sends."""
    names = {
        "make": "Make: at the target",
        "release": "Release: close it at the source",
        "arm": "Arm: issue it at the target",
    }
    for stage, operation in row.operation.items():
        text = dumps(operation).decode()
        if operation.get("command") == "import_invoice":
            text = _requests(ledger, plan, operation)
        yield _card(names.get(stage, stage), [f"<pre>{escape(text)}</pre>"])


def _requests(ledger: Ledger, plan: int, operation: Mapping[str, Any]) -> str:
    """Return the requests of an import as `explain` shows them, with placeholders for settings that no ledger has."""
    header = ledger.plan(plan)
    try:
        facts = header.facts.get("target") or {"provider": header.target.partition(":")[0]}
        context = make_context(providers.get(facts["provider"]), {}, facts.get("url"))
        return str(explain_command(read_operation(loads(dumps(dict(operation)))), context, lookup="never"))
    except (BridgeError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}\n\n{dumps(dict(operation)).decode()}"


def problem_page(title: str, text: str) -> str:
    """Return a page that says what cannot be shown, and what to do."""
    return _page(title, [f"<header><h1>{escape(title)}</h1></header>", f"<section><p>{escape(text)}</p></section>"])
