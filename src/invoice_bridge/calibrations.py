"""Evidence files of calibrations: what a test account showed of each switch of its provider's emulator.

    {
      "form": 1,
      "provider": "stripe",
      "date": "2026-11-29",
      "api_version": "2026-10-28.endive",
      "mode": "test",
      "recorded_at_provider": true,
      "switches": {"search": true, "minimum_charge": null},
      "skipped": ["replay_header"],
      "unobserved": {"record_mails": "why no request shows it"},
      "made": {"kept": 3, "left": 0, "unsure": 0},
      "stopped": false
    }

A switch is null where the account's answers did not settle it. The file has no key, no id, no address and no host.
Rules of this file: only a file that was recorded at the provider's own host confirms anything. The release's own files
are the JSON files of the folder test_accounts, one for each provider; a provider without one was not recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from invoice_bridge import providers
from invoice_bridge.core.errors import ConfigurationError

__all__ = ["NOT_RECORDED", "CalibrationFile", "Made", "Seen", "read", "seen_at"]

NOT_RECORDED = "not recorded live"
FOLDER = "test_accounts"
_WORDS = {True: "yes", False: "no", None: "not settled"}
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
_Count = Annotated[int, Field(ge=0)]


class Made(BaseModel):
    """How many documents stay: `kept` do no harm, `left` could not be taken back, `unsure` may exist."""

    model_config = _STRICT
    kept: _Count = 0
    left: _Count = 0
    unsure: _Count = 0


class CalibrationFile(BaseModel):
    """One evidence file."""

    model_config = _STRICT
    form: Literal[1] = 1
    provider: str
    date: Annotated[str, Field(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    api_version: str
    mode: Literal["test"] = "test"
    recorded_at_provider: bool
    switches: dict[str, bool | None]
    skipped: list[str] = Field(default_factory=list)
    unobserved: dict[str, str] = Field(default_factory=dict)
    made: Made = Made()
    stopped: bool = False

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps(self.model_dump(), indent=2) + "\n"

    def settled(self) -> dict[str, bool]:
        """Return the switches that are settled, as an emulator takes them."""
        return {name: value for name, value in self.switches.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a provider's test account: the file, or None."""

    provider: str
    file: CalibrationFile | None = None
    switches: Mapping[str, tuple[bool, str]] = field(default_factory=dict)

    def of(self, switch: str) -> str:
        """Return what the test account does, in words."""
        if self.file is None:
            return NOT_RECORDED
        return _WORDS[self.file.switches[switch]] if switch in self.file.switches else "no probe was run"

    def summary(self) -> str:
        """Return how many switches are settled, when and at which API version."""
        if self.file is None:
            return NOT_RECORDED
        version = self.file.api_version
        return f"{len(self.file.settled())} of {len(self.switches)} settled ({version}, {self.file.date})"


def read(text: str | bytes, name: str) -> CalibrationFile:
    """Read an evidence file; `name` is its name in messages. Raises ConfigurationError."""
    try:
        found = CalibrationFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(
            f"{name} is no evidence file of calibrate: {place}: {first['msg']}; write one with calibrate --output"
        ) from None
    known = _switches(providers.get(found.provider).name)
    if unknown := sorted({*found.switches, *found.skipped, *found.unobserved} - set(known)):
        raise ConfigurationError(
            f"{name} has {unknown[0]}, which is no switch of {found.provider} in this release: run calibrate again"
        )
    return found


def seen_at(provider: str, given: Mapping[str, CalibrationFile] | None = None) -> Seen:
    """Return what is known of a provider's test account: from the file in `given`, else from the release's own."""
    file = (given or {}).get(provider, _committed().get(provider))
    confirms = file is not None and file.recorded_at_provider
    return Seen(provider, file if confirms else None, _switches(provider))


def _switches(provider: str) -> dict[str, tuple[bool, str]]:
    emulator = providers.get(provider).emulator
    return dict(getattr(emulator, "SWITCHES", {}))


@cache
def _committed() -> dict[str, CalibrationFile]:
    """Return the release's own files, by provider."""
    folder: Any = files("invoice_bridge").joinpath(FOLDER)
    if not folder.is_dir():
        return {}
    found = [read(path.read_bytes(), path.name) for path in folder.iterdir() if path.name.endswith(".json")]
    return {file.provider: file for file in found}
