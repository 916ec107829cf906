"""The capabilities of providers, printed from their own tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from invoice_bridge import providers
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.calibrations import CalibrationFile, seen_at
from invoice_bridge.cli.output import facts, grid
from invoice_bridge.explain import make_context
from invoice_bridge.matrix import VERBS, Cell, cell, matrix

Files = Mapping[str, CalibrationFile]
"""Evidence files by provider, beside those of the release."""


def provider_json(provider: Provider, files: Files | None = None) -> dict[str, Any]:
    """Return a provider's facts and tables as JSON."""
    seen = seen_at(provider.name, files)
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
        "test_account": seen.summary(),
        "switches": {
            switch: {"emulator": default, "test_account": seen.of(switch), "not_confirmed": text}
            for switch, (default, text) in seen.switches.items()
        },
    }


def matrix_parts(files: Files | None = None) -> Iterator[RenderableType]:
    """Yield the parts of the capability matrix: one row for each verb, one column for each provider, with evidence."""
    rows = matrix()
    names = list(next(iter(rows.values())))
    table = grid("verb", *(providers.get(name).title for name in names))
    for verb, cells in rows.items():
        table.add_row(verb, *(_short(cells[name]) for name in names))
    table.add_row("test account", *(Text(seen_at(name, files).summary(), style="dim") for name in names))
    yield table
    yield Text(
        "\n– the provider cannot do this (the reason: invoice-bridge providers NAME). Evidence: "
        + ", ".join(f"{letter} {kind}" for kind, letter in _LETTERS.items())
    )


_LETTERS = {kind: kind[0].upper() for kind in ("documented", "oracle", "emulator", "recording", "live")}


def _short(claim: Cell) -> Text:
    if claim.state == "cannot":
        return Text("–", style="dim")
    if claim.state == "not built":
        return Text("not built", style="red")
    return Text.assemble(("yes", "green"), " ", ("".join(_LETTERS[kind] for kind in claim.evidence), "dim"))


def provider_parts(provider: Provider, files: Files | None = None) -> Iterator[RenderableType]:
    """Yield the parts that show one provider in full."""
    known = provider_json(provider, files)
    hours, minutes = divmod(int(provider.idempotency.window.total_seconds()) // 60, 60)
    window = f"{hours} hours" if not minutes else f"{hours * 60 + minutes} minutes"
    header = provider.idempotency.header
    yield facts(
        {
            "provider": Text(f"{provider.title} ({provider.name})", style="bold"),
            "API version": provider.api_version,
            "reviewed": provider.reviewed,
            "base URL": known["base_url"],
            "key header": f"{header}, remembered for {window}" if header else "none: the provider has no keys",
            "currencies": f"{len(known['currencies'])}: {' '.join(known['currencies'])}",
        }
    )
    if provider.settings:
        yield _titled(
            "settings", ((row["name"], "required" if row["required"] else "", row["help"]) for row in known["settings"])
        )
    yield _titled("verbs", ((verb, *_why(row)) for verb, row in known["verbs"].items()))
    yield _titled("statuses", ((native, f"→ {ours}") for native, ours in known["statuses"].items()))
    yield _titled("limits", ((row["what"], str(row["most"]), row["source"]) for row in known["limits"]))
    yield _titled(
        "losses",
        ((row["code"], f"{row['path']}: {row['fate']}, {row['severity']}", row["why"]) for row in known["losses"]),
    )
    yield _titled(
        f"not confirmed; test account: {known['test_account']}",
        (
            (name, f"emulator: {'yes' if row['emulator'] else 'no'}; test account: {row['test_account']}", text)
            for name, row in known["switches"].items()
            for text in [row["not_confirmed"]]
        ),
    )


def _titled(title: str, rows: Iterable[tuple[str, ...]]) -> Table:
    table = grid("", "", "")
    table.title, table.title_justify, table.title_style = f"\n{title}", "left", "bold"
    for row in rows:
        table.add_row(*(f"  {cell}" if place == 0 else cell for place, cell in enumerate(row)))
    if not table.row_count:
        table.add_row("  none")
    return table


def _verb(claim: Cell) -> dict[str, Any]:
    row: dict[str, Any] = {"state": claim.state, "source": claim.source}
    if claim.state == "cannot":
        return row | {"reason": claim.reason}
    return row | {"evidence": list(claim.evidence)}


def _why(row: dict[str, Any]) -> tuple[str, str]:
    if row["state"] == "cannot":
        return "cannot", f"{row['reason']} ({row['source']})"
    return row["state"], f"{', '.join(row['evidence']) or 'no evidence'} ({row['source']})"
