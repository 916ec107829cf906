"""Losses: the fields of a command that a provider would not carry, each with its fate and severity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Alters", "Fate", "Loss", "Severity"]


class Fate(StrEnum):
    """The fate of a field on its way to the provider."""

    CARRIED = "carried"
    DROPPED = "dropped"
    APPROXIMATED = "approximated"
    DEFAULTED = "defaulted"
    TRUNCATED = "truncated"
    PROVIDER_RATED = "provider_rated"


class Severity(StrEnum):
    """The severity of a loss: `info` is only reported, the others stop the command unless allowed."""

    INFO = "info"
    WARNS = "warns"
    CHANGES_MONEY = "changes_money"


class Alters(StrEnum):
    """The effect of a changed field: bytes of some request, the choice of requests, or nothing."""

    BODY = "body"
    BRANCH = "branch"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss of a command. `code` is permanent; `path` is the field of the command ("period.start").

    `conditional`: the loss depends on the clock, and no `as_of` was given; it is then reported only.
    """

    code: str
    path: str
    fate: Fate
    severity: Severity
    sent: str
    why: str
    remedy: str
    conditional: bool = False

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe each field in the JSON Schema."""
        from invoice_bridge.core.descriptions import described_schema

        return described_schema("Loss", core_schema, handler)

    def __str__(self) -> str:
        text = f"[{self.code}] ($.{self.path}) {'depending on the clock: ' if self.conditional else ''}{self.why}"
        return text + (f"; {self.remedy}" if self.remedy else "")
