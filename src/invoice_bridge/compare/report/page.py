"""The summary of a report as HTML: head, classes, totals, statuses, fields, and the choices of the table's filters.

Rules of this file: every text of a side or of the caller is escaped on insertion; inline styles are absent because
the page's policy forbids them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from importlib.metadata import version

from invoice_bridge.compare.differences import Verdict, shown
from invoice_bridge.compare.groups import Group, spelled
from invoice_bridge.compare.report.drawing import bands, strip, thousands
from invoice_bridge.compare.report.rows import MATCHED
from invoice_bridge.compare.report.tally import KINDS, SUMS, Flow, Side, Tally
from invoice_bridge.compare.result import Comparison
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Status, in_utc

CLASSES = {
    Verdict.DIFFERING: "differing",
    Verdict.LEFT_ONLY: "left only",
    Verdict.RIGHT_ONLY: "right only",
    Verdict.DECLARED_EQUAL: "declared equal",
    Verdict.MATCHED: "matched",
}
MISSING = "not there"
_NAMES = {"total": "Total", "amount_paid": "Paid", "amount_remaining": "Remaining"}
_FIRST, _LISTED = 4, 40
_CURRENCIES = 2
_LONGEST = 120
ORDERS = (
    ("sides", "as the sides have them"),
    *(
        (f"{turn}{name}", f"{label}, {'descending' if turn else 'ascending'}")
        for name, label in (
            ("key", "reference"),
            ("class", "class"),
            ("customer", "customer"),
            ("status", "status"),
            ("left", "left total"),
            ("right", "right total"),
            ("apart", "difference"),
            ("fields", "number of fields"),
        )
        for turn in ("", "-")
    ),
)
"""The orders of the list beside the first one; see sorts in list.js."""
_GRAVE = '<span class="grave" title="changes money">!!<span class="unseen"> changes money</span></span>'


_LONG_NUMBERS = re.compile(r"(?<![\w.])\d{4,}")


def _figures(text: str) -> str:
    """Return escaped text with thousands set apart only visually: a copied number has no spaces.

    The same rule is in list.js. No number of the text may be a part of a word of the sides.
    """
    return _LONG_NUMBERS.sub(lambda found: _apart_by_margin(*thousands(found[0])), escape(text))


def _apart_by_margin(first: str, *groups: str) -> str:
    return first + "".join(f"<i>{group}</i>" for group in groups)


def _path(shape: str) -> str:
    """Return an escaped path that may be cut into lines after a dot or an underscore; as in list.js."""
    return re.sub(r"(?<=[._])(?=.)", "<wbr>", escape(shown(shape), quote=True))


def _count(number: int, one: str, many: str) -> str:
    return f"{_number(number)} {one if number == 1 else many}"


def _number(number: int) -> str:
    return _figures(str(number))


# ── the head ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def head(found: Comparison, tally: Tally, sides: tuple[str, str]) -> Iterator[str]:
    """Return the result in one sentence, and what was compared."""
    answer = "Both sides bill the same." if found.same else "The two sides do not bill the same."
    yield f'<h1 class="{"same" if found.same else "differs"}">{answer}</h1>\n'
    yield f'<p class="lead">{_sentence(found)}</p>\n'
    yield '<details id="about" class="fold" open><summary>What was compared</summary><div><dl>'
    for name, side, counted in zip(("Left", "Right"), sides, tally.sides, strict=True):
        yield f"<div><dt>{name}</dt><dd><strong>{escape(shown(side))}</strong>{_providers(counted)}</dd></div>"
    yield "</dl>\n"
    if rest := _no_difference(found):
        yield f"<p>{rest}</p>\n"
    if found.unused:
        entries = _count(len(found.unused), "declaration was", "declarations were")
        yield f'<p class="note">{entries} not needed: see <a href="#h-how">how it was compared</a>.</p>\n'
    yield "</div></details>\n"


def how(found: Comparison, made_at: datetime | None) -> Iterator[str]:
    """Return how the sides were compared, and the declarations that no difference needed."""
    yield f"<dl><div><dt>Joined by</dt><dd>{escape(shown(', then '.join(found.keys)))}</dd></div>"
    clock = (
        "not compared: it needs one clock for both sides (--as-of)"
        if found.as_of is None
        else f"as of {_instant(found.as_of)}"
    )
    yield f"<div><dt>Past due</dt><dd>{clock}</dd></div>"
    if made_at is not None:
        yield f"<div><dt>Made</dt><dd>{_instant(made_at)}</dd></div>"
    yield "</dl>\n"
    if found.unused:
        entries = "".join(
            f"<li><code>{escape(shown(one.path))}</code> {escape(shown(one.reason))}</li>" for one in found.unused
        )
        yield f'<div class="note"><p>Declared equal, but unused:</p><ul>{entries}</ul></div>\n'


def _sentence(found: Comparison) -> str:
    counts = found.counts
    pairs = counts[Verdict.MATCHED] + counts[Verdict.DECLARED_EQUAL] + counts[Verdict.DIFFERING]
    differing = counts[Verdict.DIFFERING]
    verb = "differs" if differing == 1 else "differ"
    paired = (
        f"{_number(differing)} of {_count(pairs, 'pair', 'pairs')} {verb}" if pairs else "No invoice is on both sides"
    )
    sides = ((counts[Verdict.LEFT_ONLY], "left"), (counts[Verdict.RIGHT_ONLY], "right"))
    alone = [f"{_count(count, 'invoice is', 'invoices are')} on the {side} only" for count, side in sides if count]
    return "; ".join([paired, *alone]) + "."


def _no_difference(found: Comparison) -> str:
    """Return the numbers of what is not alike and counts as no difference."""
    told = []
    if declared := found.counts[Verdict.DECLARED_EQUAL]:
        told.append(f"{_count(declared, 'pair differs', 'pairs differ')} only where that is declared, with a reason.")
    if found.unsaid:
        told.append(
            f"{_count(found.unsaid, 'value is', 'values are')} stated by only one side, which is no difference."
        )
    return " ".join(told)


def _providers(side: Side) -> str:
    counted = ", ".join(f"{escape(shown(name))} {_number(count)}" for name, count in sorted(side.providers.items()))
    return f"<span>{counted or 'no invoice'}</span>"


def _instant(moment: datetime) -> str:
    text = in_utc(moment).replace(tzinfo=None).isoformat(" ", "seconds")
    return f'<time datetime="{text.replace(" ", "T")}Z">{text} UTC</time>'


def classes(found: Comparison) -> Iterator[str]:
    """Return the number of rows of each class: a strip, and buttons that filter the table."""
    yield strip([(verdict.value, found.counts[verdict]) for verdict in CLASSES])
    yield '<ul class="chips">'
    for verdict, name in CLASSES.items():
        count = found.counts[verdict]
        yield (
            f'<li><button type="button" class="{verdict.value}" data-class="{verdict.value}"{_off(count)}>'
            f"<b>{_number(count)}</b> {name}</button></li>"
        )
    yield "</ul>"


def _off(count: int) -> str:
    return "" if count else " disabled"


# ── totals ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def totals(tally: Tally, sides: tuple[str, str]) -> Iterator[str]:
    """Return the control totals of each currency, on each side."""
    heads = "".join(
        f'<th scope="col">{name}<small>{escape(shown(side))}</small></th>'
        for name, side in zip(("Left", "Right"), sides, strict=True)
    )
    yield (
        '<div class="scroll" tabindex="0" role="region" aria-label="Totals"><table class="totals"><thead><tr>'
        f'<th scope="col">Currency</th><th scope="col">Amount</th>{heads}'
        '<th scope="col">Difference<small>right less left</small></th></tr></thead>'
    )
    for currency in sorted({*tally.sides[0].currencies, *tally.sides[1].currencies}):
        counts = [side.currencies[currency] for side in tally.sides]
        yield f'<tbody><tr><th scope="rowgroup" rowspan="4">{currency}</th><th scope="row">Invoices</th>'
        yield "".join(f"<td>{_number(count)}</td>" for count in counts) + _apart(counts[1] - counts[0], None) + "</tr>"
        for name in SUMS:
            found = [side.sums.get((currency, name)) for side in tally.sides]
            yield f'<tr><th scope="row">{_NAMES[name]}</th>'
            for one, count in zip(found, counts, strict=True):
                silent = count - (one.said if one else 0)
                note = f"<small>{_count(silent, 'does', 'do')} not state it</small>" if silent and count else ""
                yield f"<td>{'–' if one is None else _figures(spelled(one.minor, currency))}{note}</td>"
            left, right = found
            yield (
                "<td>–</td>" if left is None or right is None else _apart(right.minor - left.minor, currency)
            ) + "</tr>"
        yield "</tbody>"
    yield "</table></div>"


def _apart(minor: int, currency: str | None) -> str:
    text = _number(minor) if currency is None else _figures(spelled(minor, currency))
    return f'<td class="{"apart" if minor else "even"}">{"+" if minor > 0 else ""}{text}</td>'


# ── causes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def causes(found: Comparison) -> Iterator[str]:
    """Return the groups of like differences, gravest first, as buttons that filter the list; nothing without any."""
    if not found.groups:
        return
    yield (
        f'<details id="causes" class="fold" open><summary><h3>{_count(len(found.groups), "cause", "causes")}</h3> '
        "<small>gravest first; what follows by the arithmetic of an invoice is not counted again</small></summary>"
        f'<ul class="groups">{"".join(map(_group, found.groups[:_FIRST]))}</ul>'
    )
    if rest := found.groups[_FIRST:_LISTED]:
        listed = "".join(map(_group, rest))
        more = _count(len(rest), "more cause", "more causes")
        yield f'<details class="rest"><summary>{more}</summary><ul class="groups">{listed}</ul></details>'
    if rest := found.groups[_LISTED:]:
        yield f"<p>{_count(len(rest), 'more cause is', 'more causes are')} in the filter.</p>"
    yield "</details>"


def _group(group: Group) -> str:
    grave = group.severity is Severity.CHANGES_MONEY
    mark = '<span class="mark money">!!</span>' if grave else '<span class="mark warns">!</span>'
    meaning = "changes money" if grave else "does not change money"
    follows = f" <small>so {escape(', '.join(group.followed))}</small>" if group.followed else ""
    name = escape(group.title, quote=True)
    return (
        f'<li><button type="button" data-group="{name}">{mark}<span class="unseen"> {meaning}: </span>'
        f"<code>{_path(group.path)}</code> <span>{_figures(group.change_text(_CURRENCIES))}</span> "
        f"<b>{_count(group.invoices, 'invoice', 'invoices')}</b>{follows}</button></li>"
    )


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────────────────────
_ORDER = [*(status.value for status in Status), None]


def _sorted(flows: Iterable[Flow]) -> list[Flow]:
    return sorted(flows, key=lambda flow: [_ORDER.index(status) for status in flow])


def statuses(tally: Tally) -> Iterator[str]:
    """Return the flow of statuses: a drawing, and the same as a list whose entries filter the table."""
    flows = [(left or MISSING, right or MISSING, tally.flows[left, right]) for left, right in _sorted(tally.flows)]
    yield f'<div class="flow"><div class="scroll">{bands(flows, [status or MISSING for status in _ORDER])}</div>'
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Left", "Right", "Rows"))
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>"
    for left, right, count in sorted(flows, key=lambda flow: (flow[0] == flow[1], -flow[2])):
        change = "" if left == right else ' class="moved"'
        yield (
            f'<tr{change}><td>{left}</td><td>{right}</td><td><button type="button" data-status="{left}&gt;{right}" '
            f'aria-label="{count} rows: {left} on the left, {right} on the right; show them">{_number(count)}</button>'
            "</td></tr>"
        )
    yield "</tbody></table></div>"


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def fields(tally: Tally) -> Iterator[str]:
    """Return the differences by field and kind, as a table that shades cells by their number of rows."""
    found = tally.fields()
    if not found:
        yield "<p>No field differs, and every value is stated by both sides.</p>"
        return
    most = max(max(counts) for _, _, counts in found)
    heads = "".join(f'<th scope="col">{name}</th>' for name in KINDS)
    yield (
        '<div class="scroll" tabindex="0" role="region" aria-label="Differences by field"><table class="heat">'
        f'<thead><tr><th scope="col">Field</th>{heads}</tr></thead><tbody>'
    )
    for shape, grave, counts in found[:_LISTED]:
        path = escape(shown(shape), quote=True)
        mark = _GRAVE if grave else ""
        yield f'<tr><th scope="row"><code>{_path(shape)}</code>{mark}</th>'
        for place, count in enumerate(counts):
            if not count:
                yield "<td></td>"
                continue
            tint = ("money" if grave else "warns", "declared", "unsaid", "unsaid")[place]
            # the root of the count scales the colour, so 1 stays visible beside 10,000
            depth = 1 + sum(count**4 > most**power for power in (1, 2, 3))
            yield (
                f'<td><button type="button" class="{tint} depth{depth}" data-field="{path}" data-kind="{place}" '
                f'aria-label="{count} rows: {path} {KINDS[place]}; show them">{_number(count)}</button></td>'
            )
        yield "</tr>"
    yield "</tbody></table></div>"
    if rest := found[_LISTED:]:
        yield f"<p>{_count(len(rest), 'more field is', 'more fields are')} in the filter.</p>"


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────
def choices(found: Comparison, tally: Tally) -> Iterator[str]:
    """Return the filters of the list that are select lists."""
    yield _select(
        "class", "Class", [(verdict.value, name) for verdict, name in CLASSES.items() if found.counts[verdict]]
    )
    yield _select("severity", "Severity", [("1", "changes money"), ("0", "does not change money")])
    yield _select("group", "Cause", [(group.title, _short(group.title)) for group in found.groups])
    yield _select("field", "Field", [(shown(shape), _short(shown(shape))) for shape, _, _ in tally.fields()])
    yield _select("kind", "Kind", [(str(place), name) for place, name in enumerate(KINDS)])
    providers = sorted({shown(name) for side in tally.sides for name in side.providers})
    yield _select("provider", "Provider", [(name, _short(name)) for name in providers])
    currencies = sorted({*tally.sides[0].currencies, *tally.sides[1].currencies})
    yield _select("currency", "Currency", [(code, code) for code in currencies])
    flows = [(left or MISSING, right or MISSING) for left, right in _sorted(tally.flows)]
    told = [(f"{left}>{right}", left if left == right else f"{left} → {right}") for left, right in flows]
    yield _select("status", "Status", [("changed", "not the same"), *told])


def orders() -> str:
    """Return the orders of the list as options."""
    return '<option value="">gravest first</option>' + _options(ORDERS)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _select(name: str, label: str, options: Iterable[tuple[str, str]]) -> str:
    return f'<label>{label}<select name="{name}"><option value="">any</option>{_options(options)}</select></label>'


def _options(options: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(value, quote=True)}">{escape(text)}</option>' for value, text in options)


def foot(tally: Tally) -> Iterator[str]:
    """Return the notice about the file's content."""
    whole = "Both invoices of every row are in this file."
    if tally.embedded < tally.rows:
        whole = (
            f"Both invoices are in this file for {_number(tally.embedded)} of {_number(tally.rows)} rows: those that "
            f"are not alike, as far as there is room, and the first {_number(MATCHED)} that are."
        )
    yield (
        f"<p>{whole} The file contains the invoices' data: names, mail addresses, payment links. Share it as you would "
        "share the invoices. It loads nothing from any network.</p>"
        f"<p>invoice_bridge {escape(version('invoice-bridge'))}</p>"
    )


def facts(found: Comparison, tally: Tally) -> str:
    """Return the data that the script needs besides the rows."""
    told = {
        "shapes": [shown(shape) for shape in tally.shapes],
        "grave": [shape for shape, grave, _ in tally.fields() if grave],
        "kinds": KINDS,
        "groups": [group.title for group in found.groups],
        "classes": {verdict.value: name for verdict, name in CLASSES.items()},
        "missing": MISSING,
    }
    return json.dumps(told, ensure_ascii=False).replace("<", "\\u003c")
