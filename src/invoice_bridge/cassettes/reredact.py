"""Redact existing cassettes again: apply the current tables, and update the provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invoice_bridge.cassettes import files, provenance
from invoice_bridge.cassettes.redaction import VERSION, Redactor
from invoice_bridge.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The result for one cassette: whether it changed, the redacted places, and the bodies that could not be read."""

    path: Path
    changed: bool
    notes: tuple[str, ...]
    unparsed: tuple[str, ...]


def redact(place: Path) -> list[Rewritten]:
    """Redact one cassette, or every one in a folder and below; write only files that change.

    The sidecar names the provider; its sha256, redactor and redacted places are updated. Raises ConfigurationError if
    there is no cassette, or if a cassette cannot be read, has no sidecar, or was changed after it was recorded (a new
    sum would hide the change). The cassettes before it stay redacted, and a second run does not change them.
    """
    return [_redact(path) for path in files.list_paths(place)]


def _redact(path: Path) -> Rewritten:
    sidecar = provenance.read(path)
    if sidecar.sha256 != provenance.sum_of(path):
        raise ConfigurationError(f"{path}: it was changed after it was recorded; record it again, or restore it")
    cassette = files.load(path)
    redactor = Redactor(sidecar.provider, ids=sidecar.origin == "live")
    try:
        interactions = [redactor.interaction(interaction).interaction for interaction in cassette["interactions"]]
    except (KeyError, TypeError, AttributeError):
        raise ConfigurationError(f"{path}: an interaction cannot be read; run cassettes check") from None
    changed = interactions != cassette["interactions"]
    if changed:
        files.save(path, {**cassette, "interactions": interactions})
    current = sidecar.model_copy(
        update={
            "sha256": provenance.sum_of(path),
            "redactor": max(VERSION, sidecar.redactor),
            "redacted": tuple(sorted({*sidecar.redacted, *redactor.notes})),
        }
    )
    if current != sidecar:
        provenance.put(path, current)
    return Rewritten(path, changed, redactor.notes, redactor.unparsed)
