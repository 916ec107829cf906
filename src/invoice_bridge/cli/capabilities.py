"""What a provider can do, printed from its own tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from invoice_bridge.cli.output import facts, grid
from invoice_bridge.explain import context
from invoice_bridge.provider import Cannot, Flows, Provider


def provider_json(provider: Provider) -> dict[str, Any]:
    """A provider's facts and tables as JSON."""
    return {
        "name": provider.name,
        "title": provider.title,
        "reviewed": provider.reviewed,
        "api_version": provider.api_version,
        "base_url": context(provider, {}).base_url,
        "settings": [
            {"name": setting.name, "required": setting.required, "help": setting.help} for setting in provider.settings
        ],
        "idempotency": {
            "header": provider.idempotency.header,
            "window_seconds": int(provider.idempotency.window.total_seconds()),
        },
        "verbs": {verb: _verb(flow) for verb, flow in _verbs(provider)},
        "statuses": {row.native: row.status.value for row in provider.statuses},
        "limits": [{"what": limit.what, "most": limit.most, "source": limit.source} for limit in provider.limits],
        "currencies": _currencies(provider),
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


def provider_table(providers: Iterable[Provider]) -> Table:
    """All providers, one a line."""
    table = grid("name", "title", "API version", "reviewed", "can", "cannot", "not built", "currencies")
    for provider in providers:
        known = [_verb(flow)["state"] for _, flow in _verbs(provider)]
        counts = (str(known.count(state)) for state in ("built", "cannot", "not built"))
        version, currencies = provider.api_version, str(len(_currencies(provider)))
        table.add_row(provider.name, provider.title, version, provider.reviewed, *counts, currencies)
    return table


def provider_parts(provider: Provider) -> Iterator[RenderableType]:
    """One provider in full."""
    shown = provider_json(provider)
    hours, minutes = divmod(int(provider.idempotency.window.total_seconds()) // 60, 60)
    window = f"{hours} hours" if not minutes else f"{hours * 60 + minutes} minutes"
    yield facts(
        {
            "provider": Text(f"{provider.title} ({provider.name})", style="bold"),
            "API version": provider.api_version,
            "reviewed": provider.reviewed,
            "base URL": shown["base_url"],
            "key header": f"{provider.idempotency.header}, remembered for {window}",
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


def _currencies(provider: Provider) -> list[str]:
    """The currencies that are confirmed: the keys of a Units table, or what the provider's own kind names."""
    return sorted(getattr(provider.money, "decimals", None) or provider.money.currencies)


def _verbs(provider: Provider) -> Iterator[tuple[str, Any]]:
    return ((one.name, getattr(provider.flows, one.name)) for one in fields(Flows))


def _verb(flow: Any) -> dict[str, str]:
    if flow is None:
        return {"state": "not built"}
    if isinstance(flow, Cannot):
        return {"state": "cannot", "reason": flow.reason, "source": flow.source}
    return {"state": "built"}


def _why(row: dict[str, str]) -> tuple[str, str]:
    return row["state"], f"{row['reason']} ({row['source']})" if "reason" in row else ""
