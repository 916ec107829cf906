"""Every error that this library raises, and the known outcome after it.

BridgeError                      .outcome .invoice_id .steps
├── ConfigurationError           a setting, a profile or a key cannot be used; nothing was sent
├── Unsupported                  the provider cannot do this; nothing was sent
├── LossyTranslation             something would be lost on the way; nothing was sent (.losses)
├── NothingToBill                the provider has accrued nothing inside that period; nothing was written
├── InvalidSignature             a webhook delivery is not from the provider
├── Unreachable                  no request reached the provider
├── OutcomeUnknown               a write may or may not have taken effect (.reference)
├── Discrepancy                  what the provider holds differs from what was asked (.asked .found)
│   └── AmountMismatch           … in the amount it would bill
├── IdempotencyMismatch          the reference was used before, for another bill (.existing)
├── AlreadyBilled                the reference already has an invoice
│   ├── BilledElsewhere          … at another provider or account of the same book (.provider .account .state)
│   └── AlreadySettled           … which is void, deleted or uncollectible (.existing)
└── ProviderError                the provider refused, or sent an answer that it does not document
    │                            (.provider .code .message .status .request_id .response)
    ├── Unauthorized             the key is wrong, or lacks a permission
    ├── NotFound                 there is no such invoice, customer …
    ├── InvalidState             the invoice's state does not allow this (.invoice)
    ├── Rejected                 the provider refuses the request itself (.param)
    ├── Declined                 the payment did not go through (.invoice)
    ├── RateLimited              too many requests (.retry_after, seconds)
    ├── ServerError              the provider failed
    │   └── UnreadableServerError   … and the body is not its own (an HTML page of a proxy); also a MalformedResponse
    └── MalformedResponse        the answer is not what the provider documents

`outcome` is an Outcome. "nothing_done": no write took effect. "partly_done": some did, and all are known.
"done_unread": the last write succeeded, but its answer could not be read: it took effect, unless an intermediary
returned another request's answer. "unknown": a write may have taken effect.
A write with a replayed answer counts as done: an earlier call did it, or this one, delivered twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from invoice_bridge.core.losses import Loss
    from invoice_bridge.core.model import Invoice
    from invoice_bridge.core.steps import Step
    from invoice_bridge.core.wire import Response


Outcome = Literal["nothing_done", "partly_done", "done_unread", "unknown"]


class BridgeError(Exception):
    """The base of every error. `outcome`, `invoice_id` and `steps` state what is known about the failed call."""

    outcome: Outcome = "nothing_done"
    invoice_id: str | None = None
    steps: tuple[Step, ...] = ()


class ConfigurationError(BridgeError):
    """A setting, a profile or a key cannot be used as it is; nothing was sent."""


class Unsupported(BridgeError):
    """The provider cannot do this, so nothing was sent. `source` names the documentation."""

    def __init__(self, message: str, *, source: str = "", remedy: str = "") -> None:
        self.reason, self.source, self.remedy = message, source, remedy
        super().__init__("; ".join(part for part in (message, remedy) if part))


class LossyTranslation(BridgeError):
    """The command would lose something at this provider; nothing was sent. `losses` lists every loss.

    `what` is the noun of the command: "bill", "refund", "void" …
    """

    def __init__(self, losses: tuple[Loss, ...], provider: str, what: str = "bill") -> None:
        self.losses, self.what = losses, what
        listed = "\n".join(f"  {loss}" for loss in losses)
        names = ", ".join(repr(loss.path) for loss in losses)
        super().__init__(f"{provider} would not carry this {what} as it is:\n{listed}\nallow=[{names}] accepts it")
        self._made_of = losses, provider, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._made_of, self.__dict__


class NothingToBill(BridgeError):
    """The provider has accrued nothing inside the period; no invoice was opened."""


class InvalidSignature(BridgeError):
    """A webhook delivery could not be verified as the provider's."""


class Unreachable(BridgeError):
    """No request reached the provider: the connection could not be opened, or none was free in time."""


class OutcomeUnknown(BridgeError):
    """A write may or may not have taken effect. Look the reference up before trying again."""

    def __init__(self, message: str, *, reference: str | None = None) -> None:
        self.reference = reference
        super().__init__(message)


class Discrepancy(BridgeError):
    """What the provider holds differs from what was asked, or cannot be compared with it.

    It is raised before money is collected, except where one request makes and collects a bill (Chargebee's credits and
    unbilled charges, a Whop charge): the message then states what was collected. `invoice` is the provider's invoice,
    if the difference is in one.
    """

    def __init__(
        self, message: str, *, asked: object = None, found: object = None, invoice: Invoice | None = None
    ) -> None:
        self.asked, self.found, self.invoice = asked, found, invoice
        super().__init__(message)


class AmountMismatch(Discrepancy):
    """The provider would bill another amount than was asked; the message names what remains at the provider."""


class IdempotencyMismatch(BridgeError):
    """The reference was used before for a bill with other content; `existing` is that bill, if it could be read."""

    def __init__(self, message: str, *, existing: Invoice | None = None) -> None:
        self.existing = existing
        super().__init__(message)


class AlreadyBilled(BridgeError):
    """The reference already has an invoice. This is not a mismatch: a new reference would bill the same thing again.

    `existing` is that invoice, or the first of several: only a person can decide which of them to keep.
    """

    existing: Invoice | None = None

    def __init__(self, message: str, *, existing: Invoice | None = None) -> None:
        self.existing = existing
        super().__init__(message)


class BilledElsewhere(AlreadyBilled):
    """Another provider or account of the same book has, or may have, a bill of this reference; nothing was sent.

    `account` is that account ("stripe:acct_1"), `provider` its provider, `invoice_id` the invoice where it is known,
    `state` "made" or "unknown". The reference stays blocked until that invoice is known to be void or deleted,
    `resolve` returns "absent" there, or a person releases the reference and records why.
    """

    def __init__(self, message: str, *, provider: str, account: str, state: str, invoice_id: str | None = None) -> None:
        self.provider, self.account, self.state = provider, account, state
        self.invoice_id = invoice_id
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (str(self), self.provider, self.account, self.state, self.invoice_id)
        return _billed_elsewhere, facts, self.__dict__


def _billed_elsewhere(message: str, provider: str, account: str, state: str, invoice_id: str | None) -> BilledElsewhere:
    return BilledElsewhere(message, provider=provider, account=account, state=state, invoice_id=invoice_id)


class AlreadySettled(AlreadyBilled):
    """The invoice of this reference is void, deleted or uncollectible: nothing is owed, and nothing new was billed.

    `existing` is that invoice. To bill a void or deleted one again, raise `attempt`.
    """


class ProviderError(BridgeError):
    """The provider refused, or sent an answer that it does not document."""

    def __init__(  # every field has a default, because a proxy's page has none of them
        self,
        message: str,
        *,
        provider: str = "",
        code: str | None = None,
        status: int | None = None,
        param: str | None = None,
        request_id: str | None = None,
        response: Response | None = None,
    ) -> None:
        self.message, self.provider, self.code = message, provider, code
        self.status, self.param, self.request_id, self.response = status, param, request_id, response
        facts = [f"HTTP {status}" if status else "", code or "", f"param {param}" if param else "", request_id or ""]
        details = ", ".join(fact for fact in facts if fact)
        head = f"{provider}: " if provider else ""
        super().__init__(f"{head}{message}" + (f" ({details})" if details else ""))

    @property
    def repeats(self) -> bool:
        """Return whether an earlier try of the refused request may have taken effect; see Response."""
        return self.response is not None and self.response.repeats


class Unauthorized(ProviderError):
    """The key is wrong, or it lacks a permission."""


class NotFound(ProviderError):
    """There is no such invoice, customer or other object at this account."""


class InvalidState(ProviderError):
    """The invoice's state does not allow this; `invoice` is the invoice, if it was read.

    `status` stays the HTTP status, as on every ProviderError; the invoice's own is `invoice.status`.
    """

    invoice: Invoice | None = None


class Rejected(ProviderError):
    """The provider refuses the request itself; `param` names the field, if the provider does."""


class Declined(ProviderError):
    """The payment did not go through; `invoice` is the invoice after that, if it could be read."""

    invoice: Invoice | None = None


class RateLimited(ProviderError):
    """Too many requests; `retry_after` is in seconds, None if the provider states none."""

    def __init__(self, message: str, *, retry_after: int | None = None, **facts: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, **facts)


class ServerError(ProviderError):
    """The provider failed; a write may still have taken effect."""


class MalformedResponse(ProviderError):
    """The answer is not what the provider documents: another page, a truncated body, money that cannot be read."""


class UnreadableServerError(ServerError, MalformedResponse):
    """A server error whose body is not the provider's own, such as a proxy's HTML page."""
