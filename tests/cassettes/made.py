"""Cassettes made by hand for tests: a file of interactions, with a sidecar that is right."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from invoice_bridge.cassettes import provenance

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
JSON = {"content-type": ["application/json"]}


class _NoAliases(yaml.SafeDumper):
    """Writes a value that is shared by two interactions twice, as vcrpy's recordings have it."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def interaction(
    answer: Any = None,
    *,
    method: str = "GET",
    uri: str = "https://api.stripe.com/v1/invoices/in_1",
    status: int = 200,
    headers: dict[str, list[str]] | None = None,
    sent: dict[str, list[str]] | None = None,
    body: str | bytes = "",
) -> dict[str, Any]:
    """One interaction; `answer` is JSON, or bytes as they are."""
    content = answer if isinstance(answer, bytes) else json.dumps({} if answer is None else answer)
    return {
        "request": {"body": body, "headers": dict(sent or {}), "method": method, "uri": uri},
        "response": {
            "body": {"string": content},
            "headers": dict(JSON if headers is None else headers),
            "status": {"code": status, "message": "OK"},
        },
    }


def cassette(path: Path, *interactions: Any, says: bool = True, **said: Any) -> Path:
    """Write a cassette, and unless told otherwise its sidecar: of the Stripe test account, recorded on 2026-11-02."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        yaml.dump({"interactions": list(interactions), "version": 1}, Dumper=_NoAliases), encoding="utf-8", newline=""
    )
    facts: dict[str, Any] = {"provider": "stripe", "origin": "test", "recorded_at": AT, "mode": "test", "redacted": ()}
    if says:
        provenance.write(path, **(facts | said))
    return path


def change(path: Path, **said: Any) -> None:
    """Change what a sidecar says, whatever it may be."""
    sidecar = provenance.path_of(path)
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text("utf-8")) | said), encoding="utf-8")
