"""The tree of errors: every error says what is known, and can travel."""

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import invoice_bridge
from invoice_bridge.core import errors
from invoice_bridge.core.errors import (
    AmountMismatch,
    BridgeError,
    Declined,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    LossyTranslation,
    MalformedResponse,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    ServerError,
    UnreadableServerError,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.steps import Step
from invoice_bridge.core.wire import Effect, Response
from tests.test_losses import PERIOD

TREE = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, BridgeError) and kind.__module__ == errors.__name__
}
INVOICE = Invoice(provider="acme", id="in_1", status=Status.OPEN, currency="EUR")


def test_the_tree_is_the_one_that_is_drawn() -> None:
    """The drawing in the module's docstring names each class under its parent, and no other."""
    drawn: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        branch = re.match(r"^([│ ]*)[├└]── (\w+)", line)
        name, depth = (branch[2], len(branch[1]) + 4) if branch else ("BridgeError", 0)
        if not branch and not line.startswith("BridgeError"):
            continue
        parents = [(column, parent) for column, parent in parents if column < depth]
        drawn[name] = parents[-1][1] if parents else "Exception"
        parents.append((depth, name))
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in TREE.items()}
    assert len(drawn) == 24


@pytest.mark.parametrize("name", TREE)
def test_every_error_is_public_and_explained(name: str) -> None:
    """Each class is importable from the package and says in its docstring when it is raised."""
    assert getattr(invoice_bridge, name) is TREE[name]
    assert name in invoice_bridge.__all__
    assert inspect.getdoc(TREE[name])


def test_an_unreadable_server_error_is_both() -> None:
    """An HTML 502 is caught as a server error and as a malformed response."""
    assert UnreadableServerError.__mro__[1:4] == (ServerError, MalformedResponse, ProviderError)


def test_by_default_nothing_was_done() -> None:
    """Outside a call, an error says that no write took effect."""
    for kind in TREE.values():
        assert (kind.outcome, kind.invoice_id, kind.steps) == ("nothing_done", None, ())


def test_a_providers_error_shows_its_facts() -> None:
    """The message has the provider, its words, the status, the code, the parameter and the request id."""
    error = Rejected("no such customer", provider="acme", code="missing", status=400, param="buyer", request_id="req_9")
    assert str(error) == "acme: no such customer (HTTP 400, missing, param buyer, req_9)"
    assert str(ProviderError("it broke")) == "it broke"
    assert (error.code, error.status, error.param, error.request_id) == ("missing", 400, "buyer", "req_9")


ANSWER = Response(402, b'{"message":"no"}', {"x-id": "req_1"}, "acme")
SAMPLES: list[BridgeError] = [
    Rejected("no", provider="acme", code="c", status=400, param="p", request_id="r", response=ANSWER),
    RateLimited("slow", retry_after=7, provider="acme", status=429),
    UnreadableServerError("page", provider="acme", status=502),
    LossyTranslation((PERIOD,), "Acme"),
    Unsupported("cannot", source="docs", remedy="do this"),
    OutcomeUnknown("lost", reference="r"),
    Discrepancy("differs", asked=Money(1, "EUR"), found=Money(2, "EUR")),
    AmountMismatch("differs", asked=1, found=2),
    IdempotencyMismatch("used", existing=INVOICE),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_can_be_copied_and_pickled_whole(error: BridgeError) -> None:
    """A worker can hand its error to another process: text, facts, what is known, the answer itself."""
    error.outcome, error.invoice_id = "partly_done", "in_1"
    error.steps = (Step("POST", "/v1", frozenset({Effect.ISSUES}), "done", writes=True, status=200),)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_unsupported_says_why_and_what_to_do() -> None:
    """The reason, the remedy and the source are told apart; the message has the first two."""
    error = Unsupported("there is no mail", source="docs.acme.test", remedy="mail it yourself")
    assert (error.reason, error.source, error.remedy) == ("there is no mail", "docs.acme.test", "mail it yourself")
    assert str(error) == "there is no mail; mail it yourself"
    assert str(Unsupported("there is no mail")) == "there is no mail"


@pytest.mark.parametrize("kind", [InvalidState, Declined])
def test_the_invoice_of_a_refusal_is_none_until_it_was_read(kind: Any) -> None:
    """`invoice` is the invoice as it was read, where it was; `status` stays the HTTP status."""
    error = kind("no", status=400)
    assert error.invoice is None
    assert error.status == 400
