"""The losses of an import as declarations: a difference that was named before it was made is no surprise.

Rules of this file: no loss declares an amount, a status or a customer equal; those need a declaration with both values.
A number or an issue date that was sent is compared, whatever else was lost of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from invoice_bridge.compare.allowed import Allowed
from invoice_bridge.compare.kinds import DOCUMENT, SHAPES, WORDS, severity
from invoice_bridge.core.losses import Fate, Loss, Severity

_SENT = ("number", "issued_at")


def declarations(losses: Iterable[Loss]) -> tuple[Allowed, ...]:
    """Return one declaration for each path that a loss covers: its own, and those below it."""
    return tuple(one for loss in losses for one in _declared(loss))


def _declared(loss: Loss) -> Iterator[Allowed]:
    if loss.fate in {Fate.CARRIED, Fate.PROVIDER_RATED} or loss.severity is Severity.CHANGES_MONEY:
        return
    for shape in (*SHAPES, *DOCUMENT):
        is_covered = shape == loss.path or shape.startswith((f"{loss.path}.", f"{loss.path}["))
        if not is_covered or shape.endswith(WORDS) or severity(shape) is Severity.CHANGES_MONEY:
            continue
        if shape not in _SENT or loss.fate is Fate.DROPPED:
            yield Allowed(path=shape, reason=f"[{loss.code}] {loss.why}")
