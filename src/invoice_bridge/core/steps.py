"""The requests of a call and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from invoice_bridge.core.wire import Effect

State = Literal["done", "replayed", "refused", "not_sent", "unknown"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a call, and its outcome as far as it is known.

    done: it took effect now. replayed: the provider repeated what an earlier call had done. refused: it took no effect.
    not_sent: it never left. unknown: it may have taken effect.
    """

    method: str
    path: str
    effects: frozenset[Effect]
    state: State
    writes: bool
    status: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.state}" + (f" (HTTP {self.status})" if self.status else "")
