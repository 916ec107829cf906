"""The losses that a caller accepts: by path, by code, or all that change no money."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from invoice_bridge.core.errors import ConfigurationError, LossyTranslation
from invoice_bridge.core.losses import Loss, Severity

__all__ = ["ALL", "refuse_losses"]


_CODE = re.compile(r"IB-[A-Z0-9]+(-[A-Z0-9]+)+")


class _All:
    """The type of ALL."""

    def __repr__(self) -> str:
        return "ALL"


ALL = _All()
"""`allow=ALL` accepts every loss of severity `warns`; one that changes money needs its own path or code."""

Allow = Collection[str] | _All


ADDITIONS = frozenset({"balance", "minimum"})
"""Names that `allow` takes too: amounts that a provider may add or deduct by itself when it issues an invoice (a
customer's balance), or carry over (an invoice below the minimum charge)."""


def names_allowed(allow: Allow) -> frozenset[str]:
    """Return the names in `allow`; ALL has none."""
    return frozenset() if isinstance(allow, _All) else frozenset(allow)


def covers(name: str, path: str) -> bool:
    """Whether a name covers a path: the path itself, or a field that contains it ("period", "lines")."""
    return path == name or path.startswith((f"{name}.", f"{name}["))


def refuse_losses(losses: tuple[Loss, ...], allow: Allow, provider: str, what: str = "bill") -> None:
    """Raise LossyTranslation for losses that `allow` does not accept.

    A name accepts the losses of its code, at its path, or below it ("period" accepts "period.start"). A path without
    losses is fine: the same call serves another provider. What a native parameter changes of the amount is accepted by
    its code or a path that names it, "native.chargebee.coupon_ids"; an unchecked one by its path alone, as all of them
    have one code. Raises ConfigurationError, with the nearest names, for a name that is neither a path of any bill nor
    spelled like a code.
    """
    if isinstance(allow, str):
        raise ConfigurationError(f"allow takes a list of paths or codes: write allow=[{allow!r}]")
    names = set() if isinstance(allow, _All) else set(allow)
    if not all(isinstance(name, str) for name in names):
        raise ConfigurationError("allow takes a list of paths or codes, or ALL alone: write allow=ALL")
    paths = sorted(name for name in names if not _CODE.fullmatch(name))
    for name in paths:
        known = {loss.path for loss in losses} | {loss.code for loss in losses} | _paths() | ADDITIONS
        if not _is_native(name) and not any(covers(name, path) for path in known):
            from difflib import get_close_matches

            near = get_close_matches(name, known, 3) or sorted({loss.path for loss in losses})
            hint = f"the nearest are {', '.join(map(repr, near))}" if near else "nothing is lost here"
            raise ConfigurationError(f"allow names {name!r}, which is not a path of a bill; {hint}")

    def accepted(loss: Loss) -> bool:
        if loss.severity is Severity.INFO or (loss.code in names and not _is_unchecked(loss.path)):
            return True
        if any(covers(name, loss.path) and (not _is_native(loss.path) or name.count(".") > 1) for name in paths):
            return True
        return isinstance(allow, _All) and loss.severity is Severity.WARNS

    if refused := tuple(loss for loss in losses if not accepted(loss)):
        raise LossyTranslation(refused, provider, what)


def _is_native(path: str) -> bool:
    """Whether a path is below the native parameters: it may be another provider's."""
    return path.startswith(("native.", "native_unchecked."))


def _is_unchecked(path: str) -> bool:
    """Whether a path is that of a parameter which the table does not have."""
    return path.startswith("native_unchecked.")


@cache
def _paths() -> frozenset[str]:
    from invoice_bridge.core.commands import IMPORT_LEAVES, LEAVES, VERB_LEAVES

    leaves = frozenset(leaf for each in (*LEAVES.values(), IMPORT_LEAVES, *VERB_LEAVES.values()) for leaf in each)
    return leaves | {leaf.split(".")[0].removesuffix("[]") for leaf in leaves}
