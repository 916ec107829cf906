"""Redact existing cassettes: apply today's tables to files, and update their provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invoice_bridge.cassettes import files, provenance
from invoice_bridge.cassettes.redaction import VERSION, Redactor
from invoice_bridge.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Rewritten:
    """One cassette that was read: whether it changed, which places did, and what could not be read."""

    path: Path
    changed: bool
    notes: tuple[str, ...]
    unparsed: tuple[str, ...]


def redact(place: Path) -> list[Rewritten]:
    """Redact one cassette, or every one in a folder and below; only files that change are written.

    The provenance names the provider, and is updated (sha256, redactor, redacted places). Raises ConfigurationError if
    there is no cassette, or if one cannot be read, has no provenance, or was changed since it was recorded (its sum
    would no longer show that). Those before it stay redacted; a second run leaves them as they are.
    """
    return [_redact(path) for path in files.found(place)]


def _redact(path: Path) -> Rewritten:
    said = provenance.read(path)
    if said.sha256 != provenance.sum_of(path):
        raise ConfigurationError(f"{path}: it was changed since it was recorded; record it again, or put it back")
    cassette = files.load(path)
    redactor = Redactor(said.provider, ids=said.origin == "live")
    try:
        made = [redactor.interaction(interaction).interaction for interaction in cassette["interactions"]]
    except (KeyError, TypeError, AttributeError):
        raise ConfigurationError(f"{path}: an interaction cannot be read; run cassettes check") from None
    changed = made != cassette["interactions"]
    if changed:
        files.save(path, {**cassette, "interactions": made})
    current = said.model_copy(
        update={
            "sha256": provenance.sum_of(path),
            "redactor": max(VERSION, said.redactor),
            "redacted": tuple(sorted({*said.redacted, *redactor.notes})),
        }
    )
    if current != said:
        provenance.put(path, current)
    return Rewritten(path, changed, redactor.notes, redactor.unparsed)
