"""The SDK's parameter types as a contract: closed, and with their open words closed too, they accept what we send.

The types are rebuilt rather than used as they are: the SDK leaves every enumeration open (`Literal[…] | str`) and every
TypedDict accepts more keys than it declares.
"""

import types
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import (
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pytest
import stripe.params
from hypothesis import given
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from stripe.params import (
    CreditNoteCreateParams,
    CreditNoteListParams,
    InvoiceAddLinesParams,
    InvoiceAttachPaymentParams,
    InvoiceCreateParams,
    InvoiceFinalizeInvoiceParams,
    InvoiceItemListParams,
    InvoiceListParams,
    InvoicePaymentListParams,
    InvoicePayParams,
    InvoiceRetrieveParams,
    InvoiceSendInvoiceParams,
    InvoiceUpdateParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    PaymentRecordReportPaymentParams,
    RefundCreateParams,
    RefundListParams,
)
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from invoice_bridge import MarkPaid, Pay, Update
from invoice_bridge.core.wire import Request
from tests.contract.test_stripe_wire import MAY, MONEY_VERBS, bills, requests

_OPTIONS = frozenset(RequestOptions.__annotations__)


def closed(hint: Any) -> Any:
    """A type of the SDK with nothing left open."""
    if is_typeddict(hint):
        return _closed_dict(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        worded = any(get_origin(part) is Literal and part != Literal[""] for part in parts)
        kept = [p for p in parts if get_origin(p) is not UntypedStripeObject and not (worded and p is str)]
        return Union[tuple(closed(part) for part in kept)]  # noqa: UP007 - made of parts known at run time only
    if origin in {Required, NotRequired} or origin is list or origin is dict:
        inner = [closed(part) for part in parts]
        make: Any = origin  # NotRequired, list or dict, with other parts
        return make[tuple(inner) if len(inner) > 1 else inner[0]]
    return Decimal if hint is float else hint  # what the SDK takes as a float never is one here


@cache
def _closed_dict(params: Any) -> Any:
    # two names of the request options that the SDK's modules import for type checkers only
    hints = get_type_hints(params, localns={"StripeContext": str, "Mapping": Mapping}, include_extras=True)
    kept = {name: closed(hint) for name, hint in hints.items() if name not in _OPTIONS}
    made = TypedDict(params.__name__, kept)  # type: ignore[misc]
    return with_config(ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True))(made)


@cache
def oracle(params: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_closed_dict(params))


def params_of(request: Request) -> Any:
    """Which parameter type a request of ours must fit."""
    path = request.url.split("?")[0].removeprefix("https://api.stripe.com/v1/").split("/")
    money: dict[tuple[str, ...], Any] = {
        ("payment_records", "report_payment"): PaymentRecordReportPaymentParams,
        ("payment_intents",): PaymentIntentCreateParams,
        ("refunds",): RefundCreateParams,
        ("credit_notes",): CreditNoteCreateParams,
    }
    if tuple(path) in money:
        return money[tuple(path)]
    if path[0] == "payment_intents":
        return PaymentIntentConfirmParams
    by_action = {
        "attach_payment": InvoiceAttachPaymentParams,
        "add_lines": InvoiceAddLinesParams,
        "finalize": InvoiceFinalizeInvoiceParams,
        "pay": InvoicePayParams,
        "send": InvoiceSendInvoiceParams,
    }
    if path == ["invoices"]:
        return InvoiceCreateParams
    return by_action[path[2]] if len(path) == 3 else InvoiceUpdateParams


@given(command=bills())
def test_our_bills_fit_the_sdks_parameters(command: Any) -> None:
    """For every bill, each body has only keys, types and words that stripe-python 16.1.0 declares."""
    for request in requests(command):
        oracle(params_of(request)).validate_python(request.body or {})


@pytest.mark.parametrize(
    "command",
    [
        MAY,
        Pay(id="in_1", payment_method="pm_7"),
        MarkPaid(id="in_1"),
        Update(id="in_1", description="", metadata={}),
        *MONEY_VERBS,
    ],
    ids=lambda command: command.verb,
)
def test_our_verbs_fit_the_sdks_parameters(command: Any) -> None:
    """The verbs' bodies too."""
    for request in requests(command):
        if request.writes:
            oracle(params_of(request)).validate_python(request.body or {})


def test_our_queries_fit_the_sdks_parameters() -> None:
    """What is read by name exists: customer, pending, status, created, expand, and the cursors."""
    created = {"gte": 1, "lt": 2}
    known = {"limit": 100, "status": "open", "customer": "cus_42", "created": created, "starting_after": "in_1"}
    oracle(InvoiceListParams).validate_python(known)
    oracle(InvoiceItemListParams).validate_python({"customer": "cus_42", "pending": True, "limit": 100})
    oracle(InvoicePaymentListParams).validate_python(
        {"invoice": "in_1", "limit": 100, "expand": ["data.payment.payment_record"], "starting_after": "inpay_1"}
    )
    oracle(RefundListParams).validate_python({"payment_intent": "pi_1", "limit": 100})
    oracle(RefundListParams).validate_python({"charge": "ch_1", "limit": 100})
    oracle(CreditNoteListParams).validate_python({"invoice": "in_1", "limit": 100})
    oracle(InvoiceRetrieveParams).validate_python({"expand": ["payments.data.payment.payment_intent"]})


PERIOD = {"start": 1, "end": 2}


@pytest.mark.parametrize(
    "params,planted",
    [
        (InvoiceCreateParams, {"customer": "cus_42", "curency": "eur"}),
        (InvoiceCreateParams, {"tax_percent": Decimal(20)}),
        (InvoiceCreateParams, {"pending_invoice_items_behavior": "include_and_require"}),
        (InvoiceCreateParams, {"collection_method": "send"}),
        (InvoiceCreateParams, {"days_until_due": "14"}),
        (InvoiceCreateParams, {"automatic_tax": {}}),
        (InvoiceCreateParams, {"automatic_tax": {"enabled": "true"}}),
        (InvoiceCreateParams, {"idempotency_key": "k"}),
        (InvoiceAddLinesParams, {}),
        (InvoiceAddLinesParams, {"lines": [{"amount": 1, "currency": "eur"}]}),
        (InvoiceAddLinesParams, {"lines": [{"price": "price_1"}]}),
        (InvoiceAddLinesParams, {"lines": [{"unit_amount": 1}]}),
        (InvoiceAddLinesParams, {"lines": [{"amount": 1.5}]}),
        (InvoiceAddLinesParams, {"lines": [{"amount": 1, "period": {"start": 1}}]}),
        (InvoiceAddLinesParams, {"lines": [{"price_data": {"unit_amount": 1}}]}),
        (InvoiceAddLinesParams, {"lines": [{"quantity_decimal": "1.5"}]}),
        (InvoiceAddLinesParams, {"lines": [{"pricing": {"price_id": "price_1"}}]}),
        (InvoiceAddLinesParams, {"lines": [{"tax_amounts": [{"amount": 1, "taxable_amount": 5}]}]}),
        (InvoicePayParams, {"paid_out_of_band": 1}),
        (InvoiceUpdateParams, {"currency": "eur"}),
        (InvoiceListParams, {"status": "past_due"}),
    ],
)
def test_the_oracle_catches_what_is_planted(params: Any, planted: dict[str, Any]) -> None:
    """A wrong key, word or type, at any depth: an oracle that lets these pass would prove nothing."""
    with pytest.raises(ValidationError):
        oracle(params).validate_python(planted)


def test_the_oracle_accepts_what_is_right() -> None:
    """It refuses for the planted fault alone: the same parameters without it pass."""
    oracle(InvoiceCreateParams).validate_python(
        {"customer": "cus_42", "currency": "eur", "automatic_tax": {"enabled": True}, "metadata": {"a": "b"}}
    )
    line = {"amount": 1, "period": PERIOD, "description": "L"}
    priced = {"price_data": {"currency": "eur", "unit_amount": 1}, "quantity_decimal": Decimal("1.5")}
    oracle(InvoiceAddLinesParams).validate_python({"lines": [line, priced]})


def test_the_oracle_changes_nothing_in_the_sdk() -> None:
    """The SDK's own types stay open: the closed ones are made beside them."""
    assert InvoiceCreateParams is stripe.params.InvoiceCreateParams
    assert "idempotency_key" in InvoiceCreateParams.__annotations__
