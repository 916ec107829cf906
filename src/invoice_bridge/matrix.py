"""The capability matrix and the provider pages, read from the providers' own tables.

Rules of this file: this file claims nothing: every cell is a field of `Verbs`, every row a row of a table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot, ErrorRow, Units
from invoice_bridge.adapter.native_losses import loss_code
from invoice_bridge.adapter.provider import Provider, Verbs
from invoice_bridge.adapter.redactions import Becomes, Redaction
from invoice_bridge.adapter.rows import Field
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.calibrations import Seen, seen_at
from invoice_bridge.core.descriptions import DESCRIPTIONS
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Effect

VERBS = tuple(verb.name for verb in fields(Verbs))
"""The verbs, in the order in which a provider declares them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The state of a verb at a provider: "built", "cannot" (the provider has no such function) or "not built"."""

    provider: str
    verb: str
    state: str
    reason: str = ""
    source: str = ""
    evidence: tuple[str, ...] = ()
    """The evidence of this release's tests: documented, oracle, emulator, recording, live (see tests/evidence.py)."""


def cell(provider: Provider, verb: str) -> Cell:
    """Return one cell of the matrix."""
    flow = getattr(provider.flows, verb)
    if isinstance(flow, Cannot):
        return Cell(provider.name, verb, "cannot", flow.reason, flow.source)
    proofs = evidence().get(provider.name, {}).get(verb, ())
    source = provider.sources.get(verb, "")
    return Cell(provider.name, verb, "built" if flow is not None else "not built", "", source, tuple(proofs))


@cache
def evidence() -> dict[str, dict[str, list[str]]]:
    """Return the tests' evidence: provider → verb → kinds. Written by `make evidence`, never by hand."""
    proofs: dict[str, dict[str, list[str]]] = json.loads(
        files("invoice_bridge").joinpath("evidence.json").read_text("utf-8")
    )
    return proofs


def matrix(names: Iterable[str] | None = None) -> dict[str, dict[str, Cell]]:
    """Return verb → provider → cell, for all registered providers or those named."""
    chosen = [providers.get(name) for name in (names if names is not None else providers.names())]
    return {verb: {provider.name: cell(provider, verb) for provider in chosen} for verb in VERBS}


def _shown(found: Cell) -> str:
    return {"built": f"yes: {', '.join(found.evidence) or 'no evidence'}", "cannot": "no", "not built": "not built"}[
        found.state
    ]


# ── as documentation ─────────────────────────────────────────────────────────────────────────────────────────────────
def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(text.replace("|", "\\|") or "–" for text in row) + " |" for row in rows]
    return "\n".join(lines)


def matrix_page() -> str:
    """Return the matrix, then the reason and source of every "cannot"."""
    names, found = providers.names(), matrix()
    rows = [[f"`{verb}`", *(_shown(cells[name]) for name in names)] for verb, cells in found.items()]
    rows.append(["test account: its switches", *(seen_at(name).summary() for name in names)])
    refused = [c for cells in found.values() for c in cells.values() if c.state == "cannot"]
    return "\n\n".join(
        [
            table(["verb", *(providers.get(name).title for name in names)], rows),
            table(
                ["provider", "verb", "why not", "source"],
                [[providers.get(c.provider).title, f"`{c.verb}`", c.reason, c.source] for c in refused],
            ),
        ]
    )


def provider_page(name: str) -> str:
    """Return what one adapter declares: facts, statuses, transitions, losses, limits and currencies."""
    provider = providers.get(name)
    shown = {setting.name: f"{{{setting.name}}}" for setting in provider.missing_settings({})}
    settings = [f"`{s.name}`{' (required)' if s.required else ''}: {s.help}" for s in provider.settings]
    facts = [
        ["API version", f"`{provider.api_version}`"],
        ["tables reviewed", provider.reviewed],
        ["base URL", f"`{provider.base_url(provider.read_settings({}) | shown)}`"],
        ["idempotency", _keys(provider.idempotency)],
        ["looked up by itself", _looked_up(provider)],
        [
            "pace",
            f"{provider.rate.requests} requests in {provider.rate.seconds} s ({provider.rate.source})"
            if provider.rate
            else "no number is documented: refusals alone slow it down",
        ],
        ["settings", "; ".join(settings)],
        [f"currencies ({provider.money.source})", " ".join(sorted(provider.money.currencies))],
    ]
    if isinstance(provider.money, Units) and provider.money.read_only:
        facts.append([f"only read ({provider.money.read_source})", " ".join(sorted(provider.money.read_only))])
    words = [[f"`{row.native}`", f"`{row.status}`", row.source] for row in provider.statuses]
    verbs = [[f"`{verb}`", source] for verb, source in provider.sources.items()]
    losing = [
        [f"`{row.code}`", _of_verb(row), row.fate, row.severity, row.sent, row.why, row.remedy]
        for row in (*provider.fields, *provider.verb_fields, *provider.import_fields)
        if row.code
    ]
    of_verbs = [
        [
            _of_verb(row) if row.path else f"constant of `{row.verbs[0]}`",
            ", ".join(f"`{native}`" for native in row.native.split(", ") if native),
            row.code or row.why,
            row.source,
        ]
        for row in provider.verb_fields
    ]
    carried = [
        [
            f"`{row.path}`" if row.path else "constant",
            ", ".join(f"`{native}`" for native in row.native.split(", ") if native),
            " and ".join(row.verbs) if len(row.verbs) == 1 else "both",
            row.alters,
            row.code or row.why,
            row.source,
        ]
        for row in provider.fields
    ]
    imported = [
        [
            f"`{row.path}`" if row.path else "constant",
            ", ".join(f"`{native}`" for native in row.native.split(", ") if native),
            row.alters,
            row.code or row.why,
            row.source,
        ]
        for row in provider.import_fields
    ]
    errors = [
        [row.code or "", row.type or "", str(row.status or ""), _error(row), row.source] for row in provider.errors
    ]
    limits = [[f"`{row.path}`", str(row.maximum), row.source] for row in provider.limits]
    limits += [[f"`{row.path}` of `import_invoice`", str(row.maximum), row.source] for row in provider.import_limits]
    alike = groupby(provider.redactions, key=lambda row: (row.where, row.becomes, row.source))
    hidden = [
        [
            where,
            ", ".join(map(_place, rows)),
            "another id, where a live account is recorded" if becomes is Becomes.ID else becomes,
            source,
        ]
        for (where, becomes, source), rows in alike
    ]
    events = [
        [f"`{row.native}`", "as the invoice's status" if row.by_status else row.type.value, row.source]
        for row in (provider.webhooks.events if provider.webhooks is not None else ())
    ]
    parts = {
        "Facts": table(["fact", ""], facts),
        "Sources of the verbs": table(["verb", "documented at"], verbs),
        "Statuses": table(["its word", "status", "source"], words),
        "Transitions": f"{transitions_table(provider)}\n\n{state_diagram(provider)}",
        "Losses": table(["loss", "field", "fate", "severity", "what is sent", "why", "what to do"], losing),
        "Fields of a bill": table(
            ["field of the command", "lands in", "bills", "alters", "loss, or why", "source"], carried
        ),
        "Fields of a verb": table(["field of a verb", "lands in", "loss, or why", "source"], of_verbs),
        "Fields of an import": _if_any(
            ["field of an import", "lands in", "alters", "loss, or why", "source"], imported
        ),
        "Native parameters": native_table(provider),
        "Errors": table(["its code", "its type", "HTTP", "becomes", "source"], errors),
        "Limits": table(["limit on", "at most", "source"], limits),
        "Not confirmed": switches_table(seen_at(name)),
        "Webhooks": table(["its event", "becomes", "source"], events),
        "Redaction": table(["hidden in recordings", "which", "becomes", "source"], hidden),
    }
    return "\n\n".join(f"## {title}\n\n{part}" for title, part in parts.items() if part)


def switches_table(seen: Seen) -> str:
    """Return what the documentation leaves open: what the emulator does, and what a test account showed."""
    rows = [
        [text, "yes" if default else "no", f"`{switch}`", seen.of(switch)]
        for switch, (default, text) in seen.switches.items()
    ]
    return _if_any(["not confirmed", "the emulator says", "its switch", "test account"], rows)


def _if_any(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, or nothing where it has no rows."""
    return table(head, rows) if rows else ""


def _of_verb(row: Field) -> str:
    """Return a field of a bill, or of the verb that it belongs to."""
    is_bills = {"one_time_charge", "period_invoice"}.issuperset(row.verbs)
    return f"`{row.path}`" + ("" if is_bills else f" of `{row.verbs[0]}`")


def native_table(provider: Provider) -> str:
    """Return the parameters that only this provider has, then those that are never sent."""
    computed: frozenset[str] = getattr(provider.emulator, "COMPUTES", frozenset())
    rows = [
        [
            f"`{row.path}`",
            "bills" if "one_time_charge" in row.verbs else ", ".join(f"`{verb}`" for verb in row.verbs),
            row.kind.name,
            f"yes: `{loss_code(provider.name, row.path)}`" if row.money else "",
            ("computes it" if row.path in computed else "refuses it") if row.money else "",
            ", ".join(sorted(row.effects)),
            row.doubt,
            row.source,
        ]
        for row in provider.natives.rows
    ]
    refused = [[f"`{row.path}`", row.why, row.source] for row in provider.natives.refused]
    return "\n\n".join(
        [
            table(
                [
                    *("native parameter", "of", "value", "changes the amount", "the emulator", "effects"),
                    *("not confirmed", "source"),
                ],
                rows,
            ),
            table(["native parameter that is never sent", "why not", "source"], refused),
        ]
    )


def transitions_table(provider: Provider) -> str:
    """Return each verb's transition of an invoice: allowed → becomes, the effects, and what is unconfirmed."""
    rows = [
        [
            f"`{verb}`",
            _statuses(row.allowed) + (f"; {' and '.join(sorted(row.anywhere))} alone in any" if row.anywhere else ""),
            _statuses(row.becomes) or "as it was",
            ", ".join(effect for effect in Effect if effect in row.effects),
            _not_confirmed(row),
            row.source,
        ]
        for verb, row in provider.transitions.items()
    ]
    return table(["verb", "allowed", "becomes", "effects", "not confirmed", "source"], rows)


def _statuses(statuses: Collection[Status]) -> str:
    return ", ".join(f"`{status}`" for status in Status if status in statuses)


def _not_confirmed(row: Transition) -> str:
    silent = f"nothing is documented of {_statuses(row.undocumented)}: it is tried" if row.undocumented else ""
    return "; ".join([*(doubt.why for doubt in row.doubts), *([silent] if silent else [])])


def state_diagram(provider: Provider) -> str:
    """Return the table as a Mermaid diagram, an arrow for each pair of statuses; "?" marks unconfirmed pairs."""
    verbs: dict[tuple[Status, Status], list[str]] = {}
    for verb, row in provider.transitions.items():
        doubted = {word for doubt in row.doubts for word in doubt.words}
        confirmed = row.allowed & {word.status for word in provider.statuses if word.native not in doubted}
        for before in row.allowed | row.undocumented:
            for after in row.becomes or {before}:
                verbs.setdefault((before, after), []).append(verb if before in confirmed else f"{verb}?")
    order = list(Status)
    arrows = sorted(verbs, key=lambda pair: (order.index(pair[0]), order.index(pair[1])))
    lines = [f"    {before} --> {after}: {', '.join(verbs[before, after])}" for before, after in arrows]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def model_page() -> str:
    """Return every field of an invoice and of its parts: its JSON type and its meaning."""
    schema = Invoice.model_json_schema(mode="serialization")
    types = {"Invoice": schema, **schema["$defs"]}
    tables = []
    for name in DESCRIPTIONS:
        rows = [
            (f"`{field}`", _in_json(each), each["description"]) for field, each in types[name]["properties"].items()
        ]
        heading = "" if name == "Invoice" else f"### {name}\n\n"
        tables.append(heading + table(("field", "in JSON", "means"), rows))
    return "\n\n".join(tables)


def _in_json(field: Mapping[str, Any]) -> str:
    """Return the JSON type of a field, in words."""
    if "anyOf" in field:
        kinds = [_in_json(each) for each in field["anyOf"]]
        return ", or ".join(kind for kind in kinds if kind != "`null`") + (", or `null`" if "`null`" in kinds else "")
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if name in DESCRIPTIONS else "one of its words"
    if "enum" in field:
        return " ".join(f"`{word}`" for word in field["enum"])
    if field.get("type") == "array":
        return f"list of {_in_json(field['items'])}"
    words = {"string": "text", "boolean": "`true` or `false`", "null": "`null`", "integer": "whole number"}
    words |= {"object": "object of texts", "number": "number"}
    return "instant" if field.get("format") == "date-time" else words[field.get("type", "object")]


def reading_page() -> str:
    """Where each provider's JSON has the fields of an invoice; what is derived from several is at the end of each."""
    tables = []
    for name in providers.names():
        declared = providers.get(name)
        if declared.shape is None:
            continue
        rows = [(f"`{field}`", _paths(paths)) for field, paths in declared.shape.paths.items() if field]
        derived = declared.shape.paths.get("", ())
        also = f"\n\nRead for the fields that are derived: {_paths(sorted(derived))}." if derived else ""
        tables.append(f"### {declared.title}\n\n{table(('read as', 'at'), rows)}{also}")
    return "\n\n".join(tables)


def _paths(paths: Iterable[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)


def idempotency_page() -> str:
    """Return the lifetime of each provider's keys, and the bills that lookup="auto" looks up there."""
    rows = [
        [provider.title, _keys(provider.idempotency), _looked_up(provider), provider.idempotency.source]
        for provider in map(providers.get, providers.names())
    ]
    return table(["provider", "its key", 'looked up by lookup="auto"', "source"], rows)


def _keys(keys: Idempotency) -> str:
    if not keys.methods:
        return "it has none: a write that was lost is not sent again, it is looked up"
    hours, rest = divmod(keys.window, timedelta(hours=1))
    kept = f"{hours} h" if not rest else f"{keys.window // timedelta(minutes=1)} min"
    marked = f"repeated answers say `{keys.replay_header}`" if keys.replay_header else "repeated answers are not marked"
    failures = "a failure does not free it" if keys.keeps_failures else "whether a failure frees it is not documented"
    on = "" if keys.methods == {"POST"} else f" on {', '.join(sorted(keys.methods))}"
    return f"`{keys.header}`{on}, remembered for {kept}; {marked}; {failures}"


def _looked_up(provider: Provider) -> str:
    if provider.lookup is not None:
        return 'refused: it needs lookup="journal", since=… or an explicit lookup'
    return "every bill, by " + ("the search index" if provider.search is not None else "the customer's listing")


def _place(row: Redaction) -> str:
    return f"`{row.name}`" + (f" beside `{row.beside}`" if row.beside else "")


def _error(row: ErrorRow) -> str:
    return row.becomes.__name__ + (", and may have taken effect" if row.maybe_applied else "")
