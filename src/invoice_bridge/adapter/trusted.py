"""Values made of what is known to be right, without validating it a second time.

Rules of this file: only reading calls it, with texts, amounts and instants that it has just checked; a test holds what
is made equal to its own `model_validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from invoice_bridge.core.model import Address, Collection, CustomerRef, Frozen, Period, TaxId

M = TypeVar("M", bound=Frozen)


def maker(model: type[M]) -> Callable[[Mapping[str, Any]], M]:
    """Return a function that makes a value of the model's fields by name; what is not given has its default."""
    new, put = object.__new__, object.__setattr__
    required = [name for name, row in model.model_fields.items() if row.is_required()]
    blank = model.model_construct(**dict.fromkeys(required))
    defaults, names = blank.__dict__, set(model.model_fields)

    def make(values: Mapping[str, Any]) -> M:
        made = new(model)
        put(made, "__dict__", {**defaults, **values})  # in the order of the model, in which it is printed and written
        put(made, "__pydantic_fields_set__", names)
        put(made, "__pydantic_extra__", None)
        put(made, "__pydantic_private__", None)
        return made

    return make


_customer, _collection, _address = maker(CustomerRef), maker(Collection), maker(Address)
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")
MANUAL, _CHARGED = Collection.manual(), Collection.charge()


def charged(payment_method: str | None) -> Collection:
    """That the provider collects, from a payment method or from the customer's default one."""
    if payment_method is None:
        return _CHARGED
    return _collection({"kind": "charge", "payment_method": payment_method})


def sent(due: datetime | None) -> Collection:
    """That the provider mails it, due at an instant in UTC where it states one."""
    return _collection({"kind": "send", "due": due})


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
    return _customer({"id": id, "email": email, "name": name, "address": address, "tax_ids": tax_ids})


def address_of(*lines: str | None) -> Address | None:
    """An address of its two lines, city, state, postal code and country; None where all of them are absent."""
    if all(line is None for line in lines):
        return None
    return _address(dict(zip(_ADDRESS, lines, strict=True)))


def period_of(start: datetime | None, end: datetime | None) -> Period | None:
    """A period from two instants in UTC; None where one is absent or where they do not span any time."""
    if start is None or end is None or start >= end:
        return None
    period = object.__new__(Period)
    object.__setattr__(period, "start", start)
    object.__setattr__(period, "end", end)
    return period


def period_span(periods: list[Period | None]) -> Period | None:
    """The period from the first start to the last end; None where no line has one."""
    start = end = None
    for period in periods:
        if period is not None:
            start = period.start if start is None or period.start < start else start
            end = period.end if end is None or period.end > end else end
    return period_of(start, end)
