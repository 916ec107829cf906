"""What a provider can do, printed from its own tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from invoice_bridge import providers
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.cli.output import facts, grid
from invoice_bridge.explain import make_context
from invoice_bridge.matrix import VERBS, Cell, cell, matrix


def provider_json(provider: Provider) -> dict[str, Any]:
    """A provider's facts and tables as JSON."""
    return {
        "name": provider.name,
        "title": provider.title,
        "reviewed": provider.reviewed,
        "api_version": provider.api_version,
        "base_url": make_context(provider, {}).base_url,
        "settings": [
            {"name": setting.name, "required": setting.required, "help": setting.help} for setting in provider.settings
        ],
        "idempotency": {
            "header": provider.idempotency.header or None,
            "methods": sorted(provider.idempotency.methods),
            "window_seconds": int(provider.idempotency.window.total_seconds()),
        },
        "verbs": {verb: _verb(cell(provider, verb)) for verb in VERBS},
        "statuses": {row.native: row.status.value for row in provider.statuses},
        "limits": [{"what": limit.path, "most": limit.maximum, "source": limit.source} for limit in provider.limits],
        "currencies": sorted(provider.money.currencies),
        "losses": [
            {
                "code": row.code,
                "path": row.path,
                "fate": row.fate.value,
                "severity": row.severity.value,
                "why": row.why,
                "remedy": row.remedy,
            }
            for row in provider.fields
            if row.code
        ],
    }


def matrix_parts() -> Iterator[RenderableType]:
    """The capability matrix: verbs down, providers across, and how each claim is borne out."""
    found = matrix()
    names = list(next(iter(found.values())))
    table = grid("verb", *(providers.get(name).title for name in names))
    for verb, cells in found.items():
        table.add_row(verb, *(_short(cells[name]) for name in names))
    yield table
    yield Text(
        "\n– the provider has no such thing (why: invoice-bridge providers NAME). Evidence: "
        + ", ".join(f"{letter} {kind}" for kind, letter in _LETTERS.items())
    )


_LETTERS = {kind: kind[0].upper() for kind in ("documented", "oracle", "emulator", "recording", "live")}


def _short(found: Cell) -> Text:
    if found.state == "cannot":
        return Text("–", style="dim")
    if found.state == "not built":
        return Text("not built", style="red")
    return Text.assemble(("yes", "green"), " ", ("".join(_LETTERS[kind] for kind in found.evidence), "dim"))


def provider_parts(provider: Provider) -> Iterator[RenderableType]:
    """One provider in full."""
    shown = provider_json(provider)
    hours, minutes = divmod(int(provider.idempotency.window.total_seconds()) // 60, 60)
    window = f"{hours} hours" if not minutes else f"{hours * 60 + minutes} minutes"
    header = provider.idempotency.header
    yield facts(
        {
            "provider": Text(f"{provider.title} ({provider.name})", style="bold"),
            "API version": provider.api_version,
            "reviewed": provider.reviewed,
            "base URL": shown["base_url"],
            "key header": f"{header}, remembered for {window}" if header else "none: the provider has no keys",
            "currencies": f"{len(shown['currencies'])}: {' '.join(shown['currencies'])}",
        }
    )
    if provider.settings:
        yield _titled(
            "settings", ((row["name"], "required" if row["required"] else "", row["help"]) for row in shown["settings"])
        )
    yield _titled("verbs", ((verb, *_why(row)) for verb, row in shown["verbs"].items()))
    yield _titled("statuses", ((native, f"→ {ours}") for native, ours in shown["statuses"].items()))
    yield _titled("limits", ((row["what"], str(row["most"]), row["source"]) for row in shown["limits"]))
    yield _titled(
        "losses",
        ((row["code"], f"{row['path']}: {row['fate']}, {row['severity']}", row["why"]) for row in shown["losses"]),
    )


def _titled(title: str, rows: Iterable[tuple[str, ...]]) -> Table:
    table = grid("", "", "")
    table.title, table.title_justify, table.title_style = f"\n{title}", "left", "bold"
    for row in rows:
        table.add_row(*(f"  {cell}" if place == 0 else cell for place, cell in enumerate(row)))
    if not table.row_count:
        table.add_row("  none")
    return table


def _verb(found: Cell) -> dict[str, Any]:
    row: dict[str, Any] = {"state": found.state, "source": found.source}
    if found.state == "cannot":
        return row | {"reason": found.reason}
    return row | {"evidence": list(found.evidence)}


def _why(row: dict[str, Any]) -> tuple[str, str]:
    if row["state"] == "cannot":
        return "cannot", f"{row['reason']} ({row['source']})"
    return row["state"], f"{', '.join(row['evidence']) or 'no evidence'} ({row['source']})"
