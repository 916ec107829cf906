"""Load customers, payment methods and invoices into an emulated provider: POST _control/seed.

    {"customers": [{"id": "cus_7", "email": "seven@example.test", "name": "Seven"}],
     "payment_methods": [{"id": "pm_7", "customer": "cus_7"}],
     "invoices": [{"bill": {"command": "one_time_charge", …}, "draft": false, "then": "mark_paid"}]}

An invoice is a bill in neutral words, as in a file for `invoice-bridge create`; it is made by the provider's own flow,
so it is a document as the provider makes it. Losses of a bill are accepted. A payment method whose id contains
"declined" declines. Nothing is reported to webhook endpoints.

Rules of this file: no network; the requests go to the emulator in memory. The first fault stops; what came before it
is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.core.amounts import amounts_of_bill
from invoice_bridge.core.commands import Command, MarkPaid, MarkUncollectible, Pay, Void, read_command
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.wire import Request, Response, Send
from invoice_bridge.emulator.answers import Body, Refusal, read
from invoice_bridge.engine.lookup import start
from invoice_bridge.engine.supervise import Policy, supervise
from invoice_bridge.explain import make_context

_ROOT = "http://seeds.invalid"
_THEN: Mapping[str, type[Pay | MarkPaid | Void | MarkUncollectible]] = {
    "pay": Pay,
    "mark_paid": MarkPaid,
    "void": Void,
    "mark_uncollectible": MarkUncollectible,
}


class SeedCustomer(Body):
    """A customer, a fleet or a member."""

    id: str = Field(min_length=1, max_length=50)
    email: str | None = None
    name: str | None = None


class SeedMethod(Body):
    """A payment method of a customer; it declines if its id contains "declined"."""

    id: str = Field(min_length=1, max_length=50)
    customer: str


class SeedInvoice(Body):
    """A bill, whether it stays a draft, and a verb on it."""

    bill: Mapping[str, Any]
    draft: bool = False
    then: Literal["pay", "mark_paid", "void", "mark_uncollectible"] | None = None


class Seeds(Body):
    """POST seed: loaded in this order."""

    customers: tuple[SeedCustomer, ...] = ()
    payment_methods: tuple[SeedMethod, ...] = ()
    invoices: tuple[SeedInvoice, ...] = ()


def load(name: str, emulator: Emulator, content: bytes) -> dict[str, Any]:
    """Load the seeds of a body; return the ids of the invoices, in their order. Raises Refusal."""
    seeds = read(Seeds, content)
    emits, emulator.emits = emulator.emits, False
    try:
        for customer in seeds.customers:
            emulator.seed_customer(customer.id, email=customer.email, name=customer.name)
        for method in seeds.payment_methods:
            emulator.seed_payment_method(method.id, method.customer)
        made = [_make(name, emulator, row, place) for place, row in enumerate(seeds.invoices)]
    except (LookupError, ValueError, NotImplementedError) as error:
        raise Refusal(str(error.args[0] if error.args else error)) from None
    finally:
        emulator.emits = emits
    return {
        "customers": [customer.id for customer in seeds.customers],
        "payment_methods": [method.id for method in seeds.payment_methods],
        "invoices": made,
    }


def _make(name: str, emulator: Emulator, row: SeedInvoice, place: int) -> str:
    try:
        bill = read_command(amounts_of_bill(row.bill))
        invoice = run_command(name, emulator, bill.model_copy(update={"draft": row.draft}))
        if row.then is not None:
            run_command(name, emulator, _THEN[row.then](id=invoice.id))
    except BridgeError as error:
        raise Refusal(f"invoices.{place}: {error}") from None
    return str(invoice.id)


def run_command(name: str, emulator: Emulator, command: Command) -> Any:
    """Run a command's flow against the emulator; return its result. Raises BridgeError."""
    provider = providers.get(name)
    settings = {**emulator.settings, **emulator.reference_settings}
    context = make_context(provider, settings, _ROOT).on(command)
    steps = supervise(start(command, context, lookup="never"), context, Policy(retries=0))
    reply: Response | None = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as done:
            return done.value
        reply = _answer(emulator, step.request) if isinstance(step, Send) else None


def _answer(emulator: Emulator, request: Request) -> Response:
    authorization = providers.get(emulator.name).auth(emulator.key)
    answer = emulator(replace(request, headers={**request.headers, "Authorization": authorization}), _ROOT)
    return Response(answer.status, answer.content, answer.headers, provider=emulator.name)
