"""Values made of what is known to be right, without validating it a second time.

Rules of this file: only reading calls it, with texts, amounts and instants that it has just checked; a test holds what
is made equal to its own `model_validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from invoice_bridge.core.model import Address, Collection, CustomerRef, Frozen, FrozenDict, Period, TaxId

M = TypeVar("M", bound=Frozen)


def defaults_of(model: type[Frozen]) -> dict[str, Any]:
    """The defaults of a model's fields by name, in their order, for all its values to share; None for required ones."""
    required = [name for name, row in model.model_fields.items() if row.is_required()]
    blank = model.model_construct(**dict.fromkeys(required)).__dict__
    return {name: FrozenDict(blank[name]) if type(blank[name]) is dict else blank[name] for name in model.model_fields}


def maker(model: type[M]) -> Callable[[Mapping[str, Any]], M]:
    """Return a function that makes a value of the model's fields by name; what is not given has its default."""
    defaults, names = defaults_of(model), set(model.model_fields)

    def make(values: Mapping[str, Any]) -> M:
        made = new(model)
        put_values(made, {**defaults, **values})  # in the order of the model, in which it is printed and written
        put_names(made, names)
        put_extra(made, None)
        put_private(made, None)
        return made

    return make


new = object.__new__
put_values, put_names, put_extra, put_private = (
    vars(BaseModel)[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""What fills a new value of a model, which lets nothing be set by name."""
_put_start, _put_end = (vars(Period)[slot].__set__ for slot in ("start", "end"))
_NO_IDS, _CUSTOMER_NAMES = FrozenDict(), set(CustomerRef.model_fields)
_COLLECTION_NAMES = set(Collection.model_fields)
_collection = maker(Collection)
_ADDRESS_NAMES = set(Address.model_fields)
_NO_ADDRESS = (None,) * len(_ADDRESS_NAMES)
_last_period = [Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC))]
"""The period that was made last: an invoice's lines mostly have one, and share it."""
MANUAL, _CHARGED = Collection.manual(), Collection.charge()


def charged(payment_method: str | None) -> Collection:
    """That the provider collects, from a payment method or from the customer's default one."""
    if payment_method is None:
        return _CHARGED
    return _collection({"kind": "charge", "payment_method": payment_method})


def sent(due: datetime | None) -> Collection:
    """That the provider mails it, due at an instant in UTC where it states one."""
    values = {"kind": "send", "due": due, "net_days": None, "payment_method": None}
    made = new(Collection)
    put_values(made, values)
    put_names(made, _COLLECTION_NAMES)
    put_extra(made, None)
    put_private(made, None)
    return made


def customer_of(
    id: str | None,
    email: str | None = None,
    name: str | None = None,
    address: Address | None = None,
    tax_ids: tuple[TaxId, ...] = (),
) -> CustomerRef | None:
    """Whom an invoice is for; None where nothing is stated of them."""
    if id is None and email is None and name is None and address is None and not tax_ids:
        return None
    values = {"id": id, "email": email, "name": name, "ids": _NO_IDS, "address": address, "tax_ids": tax_ids}
    made = new(CustomerRef)
    put_values(made, values)
    put_names(made, _CUSTOMER_NAMES)
    put_extra(made, None)
    put_private(made, None)
    return made


def address_of(*lines: str | None) -> Address | None:
    """An address of its two lines, city, state, postal code and country; None where all of them are absent."""
    if lines == _NO_ADDRESS:
        return None
    line1, line2, city, state, postal_code, country = lines
    values = {
        "line1": line1,
        "line2": line2,
        "city": city,
        "state": state,
        "postal_code": postal_code,
        "country": country,
    }
    made = new(Address)
    put_values(made, values)
    put_names(made, _ADDRESS_NAMES)
    put_extra(made, None)
    put_private(made, None)
    return made


def period_of(start: datetime | None, end: datetime | None) -> Period | None:
    """A period from two instants in UTC; None where one is absent or where they do not span any time."""
    last = _last_period[0]
    if last.start is start and last.end is end:
        return last
    if start is None or end is None or start >= end:
        return None
    period = new(Period)
    _put_start(period, start)
    _put_end(period, end)
    _last_period[0] = period
    return period


def period_span(periods: list[Period | None]) -> Period | None:
    """The period from the first start to the last end; None where no line has one."""
    span = None
    for period in periods:
        if span is None:
            span = period
        elif period is not None and period is not span and (period.start < span.start or period.end > span.end):
            span = period_of(min(span.start, period.start), max(span.end, period.end))
    return span
