"""A failure as one JSON object, which a command with `--json` prints on stderr instead of a line of text.

Rules of this file: every object has all of KEYS, null where nothing is known, so that a script needs no check for a
missing key. `retryable` is true only if the command left nothing behind: then the same words can be typed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from invoice_bridge.cli.terminal import escaped, loss_json
from invoice_bridge.core import errors
from invoice_bridge.core.errors import (
    BridgeError,
    LossyTranslation,
    ProviderError,
    RateLimited,
    ServerError,
    Unreachable,
    Unsupported,
)

KEYS: Final = {
    "error": "The kind of the failure: a class of the library's errors, `UsageError`, `OutputLost` or `Interrupted`.",
    "code": "The provider's own word for it, like `resource_missing`.",
    "message": "What was wrong, as the line of text says it.",
    "what_to_do": "The next step.",
    "outcome": "`nothing_done`, `partly_done`, `done_unread` or `unknown`: what is known about writes.",
    "retryable": "Whether the same command may be run again as it is.",
    "exit_code": "The exit code of the command.",
    "provider": "The provider that was asked.",
    "status": "The HTTP status of the refusal.",
    "request_id": "The provider's id of the request.",
    "param": "The field that the provider names.",
    "retry_after": "Seconds to wait, where the provider states them.",
    "invoice_id": "The invoice that the failure is about.",
    "reference": "The reference whose outcome is unknown.",
    "losses": "The losses that stopped a bill, each with `code`, `path`, `fate`, `severity`, `why` and `remedy`.",
}
"""Every key of the object, and what it has."""

_RESOLVE = "run `invoice-bridge resolve` with the same file, or `show` the invoice, before anything is tried again"
_LOOK = "read the invoice with `invoice-bridge show`, or the bill with `invoice-bridge find`"
_NEXT: Final[dict[type[BridgeError], str]] = {
    errors.ConfigurationError: "correct what the message names; nothing was sent",
    errors.Unsupported: "use another provider or another command; nothing was sent",
    errors.NothingToBill: "choose a period in which the provider has accrued something",
    errors.InvalidSignature: "check the secret, and that the body is unchanged",
    errors.Unreachable: "check the network and the address, such as --base-url, then run the command again",
    errors.OutcomeUnknown: _RESOLVE,
    errors.Discrepancy: f"{_LOOK}, and compare it with what was asked",
    errors.IdempotencyMismatch: "use a reference of its own for each bill: this one has another bill",
    errors.AlreadyBilled: "do not bill it again: read what the message names first",
    errors.BilledElsewhere: (
        "resolve it there; a person who knows that it was not billed releases it: `invoice-bridge journal release`"
    ),
    errors.AlreadySettled: "nothing is owed; to bill it again after a void or a deletion, raise attempt in the file",
    errors.ProviderError: _LOOK,
    errors.Unauthorized: "check the key, its mode and its permissions: `invoice-bridge doctor` does",
    errors.NotFound: "check the id or the reference, and that the key belongs to the account and mode that has it",
    errors.InvalidState: "read the invoice with `invoice-bridge show`: its status does not allow this",
    errors.Rejected: "correct what the provider names",
    errors.Declined: "have the customer change the payment method, then pay with a higher --attempt",
    errors.RateLimited: "wait, then run the command again",
    errors.ServerError: "run the command again later",
    errors.MalformedResponse: "check --base-url: the answer is not the provider's",
}
"""The next step after an error that states none itself: the one of its class, else of its nearest base."""


def failure_json(
    error: BridgeError, message: str, exit_code: int, provider: str | None, spell: Callable[[str], str] = str
) -> dict[str, Any]:
    """Return the object of an error; `message` is its line of text, `provider` the one that the command asked.

    `spell` writes a remedy of the library in the words of a terminal.
    """
    refusal = error if isinstance(error, ProviderError) else None
    about = getattr(error, "existing", None) or getattr(error, "invoice", None)
    losses = error.losses if isinstance(error, LossyTranslation) else ()
    return _complete(
        error=type(error).__name__,
        code=refusal and refusal.code,
        message=message,
        what_to_do=spell(_what_to_do(error)),
        outcome=error.outcome,
        retryable=is_retryable(error),
        exit_code=exit_code,
        provider=getattr(error, "provider", None) or provider,
        status=refusal and refusal.status,
        request_id=refusal and refusal.request_id,
        param=refusal and refusal.param,
        retry_after=getattr(error, "retry_after", None),
        invoice_id=error.invoice_id or getattr(about, "id", None),
        reference=getattr(error, "reference", None),
        losses=[loss_json(loss) for loss in losses],
    )


def misuse(message: str, what_to_do: str, exit_code: int) -> dict[str, Any]:
    """Return the object of an error in the command line."""
    return _complete(
        error="UsageError",
        message=message,
        what_to_do=what_to_do,
        outcome="nothing_done",
        retryable=False,
        exit_code=exit_code,
    )


def stopped(notes: list[str], exit_code: int, provider: str | None) -> dict[str, Any]:
    """Return the object of a stop in the middle of a write, whose notes say what was sent."""
    return _complete(
        error="Interrupted",
        message="; ".join(notes),
        what_to_do=_RESOLVE,
        outcome="unknown",
        retryable=False,
        exit_code=exit_code,
        provider=provider,
    )


def _complete(**known: Any) -> dict[str, Any]:
    return {**dict.fromkeys(KEYS), "losses": [], **known}


def failure_line(found: dict[str, Any]) -> str:
    """Return the object on one line, without a character that could control a terminal."""
    return escaped(json.dumps(found, ensure_ascii=False))


def is_retryable(error: BridgeError) -> bool:
    """Return whether nothing was done, for a reason that passes: no connection, too many requests, a failing server."""
    return error.outcome == "nothing_done" and isinstance(error, Unreachable | RateLimited | ServerError)


def _what_to_do(error: BridgeError) -> str:
    if isinstance(error, LossyTranslation):
        return f"{allowances(error)} accepts it; or change the bill as the remedy of each loss says"
    if error.outcome in {"unknown", "done_unread"}:
        return _RESOLVE
    if error.outcome == "partly_done":
        return f"{_LOOK}: part of it was done"
    if isinstance(error, Unsupported) and error.remedy:
        return error.remedy
    return next((_NEXT[kind] for kind in type(error).__mro__ if kind in _NEXT), _LOOK)


def allowances(error: LossyTranslation) -> str:
    """Return the options that allow the losses: --allow tax --allow 'lines[0].period'."""
    import shlex

    return " ".join(f"--allow {shlex.quote(path)}" for path in dict.fromkeys(loss.path for loss in error.losses))
