"""Hypothesis strategies for commands and invoices: what a caller may write, and what a provider may say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from invoice_bridge import (
    Address,
    Adjustment,
    Collection,
    Credit,
    CreditNote,
    CustomerRef,
    Discount,
    Finalize,
    Find,
    Invoice,
    Line,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Money,
    OneTimeCharge,
    Pay,
    Payment,
    Pdf,
    Period,
    PeriodInvoice,
    RecordPayment,
    Refund,
    Retrieve,
    SendInvoice,
    Status,
    TaxId,
    TaxLine,
    TaxRate,
    Update,
    Void,
)
from invoice_bridge.core.money import codes

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

all_codes = st.sampled_from(sorted(codes(0) | codes(2) | codes(3) | codes(4)))
texts = st.text(st.characters(codec="utf-8"), max_size=30)
"""Any text that can be encoded: only halves of surrogate pairs are left out."""
words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
ids = st.text(st.sampled_from("abcXYZ019_-/.é %"), min_size=1, max_size=12).filter(str.isprintable)
instants = st.integers(0, 10**9).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
metadata = st.dictionaries(words, words, max_size=3)


def money(currency: str, least: int = 0, most: int = 10**9, step: int = 1) -> st.SearchStrategy[Money]:
    """Amounts of one currency, in whole multiples of `step` minor units."""
    return st.integers(least, most).map(lambda units: Money(units * step, currency))


periods = st.builds(
    lambda start, days: Period(start, start + timedelta(days=days)), instants, st.integers(min_value=1, max_value=400)
)
quantities = st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False)


@st.composite
def lines(draw: st.DrawFn, currency: str, *, is_plain: bool = False) -> Line:
    """A line: an amount alone, or a whole quantity of a unit amount."""
    said: dict[str, Any] = {
        "description": draw(st.none() | words),
        "period": draw(st.none() | periods),
    }
    if not is_plain:
        said |= {"product": draw(st.none() | words), "price": draw(st.none() | words), "metadata": draw(metadata)}
    if draw(st.booleans()):
        return Line(amount=draw(money(currency)), **said)
    return Line(quantity=draw(st.integers(0, 99)), unit_amount=draw(money(currency, most=10**6)), **said)


@st.composite
def billed(draw: st.DrawFn, rows: tuple[Line, ...], currency: str) -> dict[str, Any]:
    """The lines of a bill with discounts of theirs, or discounts of the bill, and its tax: one of each at most."""
    taxes = draw(st.sampled_from(["none", "provider"]) | rates)
    how = draw(st.sampled_from(["", "lines", "bill"] if isinstance(taxes, str) else ["", "lines"]))
    if how == "lines":
        offs = [draw(st.none() | money(currency, most=min(row.amount.minor, 10**9))) for row in rows]
        rows = tuple(row.model_copy(update={"discount": off}) for row, off in zip(rows, offs, strict=True))
    whole = sum(row.amount.minor for row in rows)
    off_all = (Discount(name=draw(words), amount=draw(money(currency, 1, whole))),) if how == "bill" and whole else ()
    return {"lines": rows, "discounts": off_all, "tax": taxes}


rates = st.booleans().flatmap(
    lambda within: st.lists(
        st.builds(TaxRate, name=words, rate=st.integers(0, 100), inclusive=st.just(within)), min_size=1, max_size=2
    ).map(tuple)
)
natives = st.dictionaries(
    st.sampled_from(["chargebee", "stripe", "whop"]),
    st.dictionaries(
        st.sampled_from(["footer", "payment_initiator", "coupon_ids"]), words | st.lists(words), max_size=2
    ),
    max_size=2,
)
"""Parameters of one provider; some are of another kind than their table has, or unknown to it."""

collections = st.one_of(
    st.just(Collection.manual()),
    st.integers(0, 365).map(lambda days: Collection.send(net_days=days)),
    instants.map(lambda due: Collection.send(due=due)),
    st.none().map(Collection.charge),
    words.map(Collection.charge),
)


@st.composite
def bills(
    draw: st.DrawFn, customer: str = "cus_42", *, is_plain: bool = False, with_natives: bool = False
) -> OneTimeCharge | PeriodInvoice:
    """A bill in a currency whose units every provider's table knows, with lines of its own.

    A plain one belongs to no subscription, has no discounts, products, prices or rates of tax of its own.
    """
    currency = draw(st.sampled_from(["EUR", "USD", "JPY"]))
    said: dict[str, Any] = {
        "reference": draw(words),
        "customer": customer,
        "description": draw(st.none() | words),
        "purchase_order": draw(st.none() | words),
        "metadata": draw(metadata),
        "issued_at": draw(st.none() | instants),
        "collection": draw(collections),
        "subscription": None if is_plain else draw(st.none() | words),
        "draft": draw(st.booleans()),
        "attempt": draw(st.integers(1, 3)),
        "native": draw(natives) if with_natives else {},
    }
    rows = tuple(draw(st.lists(lines(currency, is_plain=is_plain), min_size=1, max_size=4)))
    if is_plain:
        said |= {"lines": rows, "tax": draw(st.sampled_from(["none", "provider"]))}
    else:
        said |= draw(billed(rows, currency))
    if draw(st.booleans()):
        return PeriodInvoice(period=draw(periods), currency=currency, **said)
    if draw(st.booleans()):
        return OneTimeCharge(period=draw(st.none() | periods), **said)
    said |= {"lines": (), "discounts": ()}
    return OneTimeCharge(amount=draw(money(currency)), period=draw(st.none() | periods), **said)


positive = st.builds(Money, st.integers(1, 10**6), st.sampled_from(["EUR", "USD", "JPY"]))

verbs = st.one_of(
    st.builds(Retrieve, id=ids),
    st.builds(Finalize, id=ids),
    st.builds(Pay, id=ids, payment_method=st.none() | words),
    st.builds(MarkPaid, id=ids),
    st.builds(Pay, id=ids, amount=positive, reference=words, payment_method=words),
    st.builds(RecordPayment, id=ids, amount=positive, at=instants, reference=words, method=st.none() | words),
    st.builds(Refund, id=ids, amount=st.none() | positive, reference=words, reason=st.none() | words),
    st.builds(Credit, id=ids, amount=positive, reference=words, reason=st.none() | words),
    st.builds(Find, reference=words, customer=st.none() | words),
    st.builds(Pdf, id=ids),
    st.builds(Void, id=ids, reason=st.none() | words),
    st.builds(MarkUncollectible, id=ids),
    st.builds(SendInvoice, id=ids),
    st.builds(Update, id=ids, description=words, due_at=st.none() | instants, metadata=st.none() | metadata),
    st.builds(ListInvoices, status=st.none() | st.sampled_from(Status), created_from=st.none() | instants),
)

raw_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | texts
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20).map(
        # an integer's spelling reads as an int, so a decimal here always has a point
        lambda number: number if number.as_tuple().exponent < 0 else number + Decimal("0.0")  # type: ignore[operator]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def _taxes(currency: str) -> st.SearchStrategy[tuple[TaxLine, ...]]:
    """Up to two taxes."""
    some = money(currency, least=-(10**20), most=10**20)
    tax = st.builds(
        TaxLine,
        name=st.none() | texts,
        rate=st.none() | quantities,
        amount=some,
        base=st.none() | some,
        inclusive=st.none() | st.booleans(),
    )
    return st.lists(tax, max_size=2).map(tuple)


@st.composite
def parts(draw: st.DrawFn, currency: str) -> dict[str, Any]:
    """What an invoice states beside its lines and amounts."""
    amount = st.none() | money(currency, least=-(10**20), most=10**20)
    payment = st.builds(
        Payment,
        id=st.none() | words,
        amount=amount,
        at=st.none() | instants,
        state=st.sampled_from(["succeeded", "pending", "failed", "canceled", "unknown"]),
        method=st.none() | words,
        recorded_outside=st.none() | st.booleans(),
        refunded=amount,
    )
    note = st.builds(CreditNote, id=st.none() | words, amount=amount, kind=st.sampled_from(["adjustment", "refund"]))
    moved = st.builds(
        Adjustment,
        kind=st.sampled_from(["shipping", "rounding", "credit", "other"]),
        amount=money(currency, least=-(10**20), most=10**20),
    )
    discount = st.builds(Discount, id=st.none() | words, code=st.none() | texts, amount=amount)
    return {
        "taxes": draw(_taxes(currency)),
        "discounts": draw(st.lists(discount, max_size=2).map(tuple)),
        "adjustments": draw(st.lists(moved, max_size=2).map(tuple)),
        "payments": draw(st.lists(payment, max_size=2).map(tuple)),
        "payments_complete": draw(st.booleans()),
        "credit_notes": draw(st.lists(note, max_size=2).map(tuple)),
        "subscription": draw(st.none() | words),
        "custom_fields": draw(metadata),
        "attempts": draw(st.none() | st.integers(0, 9)),
    }


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    """An invoice such as a provider may state it, everything optional absent or present, `raw` of any JSON."""
    currency = draw(all_codes)
    amount = st.none() | money(currency, least=-(10**20), most=10**20)
    rows = st.builds(
        Line,
        description=st.none() | texts,
        quantity=st.none() | quantities,
        unit_amount=amount,
        amount=money(currency, least=-(10**20), most=10**20),
        period=st.none() | periods,
        id=st.none() | words,
        product=st.none() | words,
        price=st.none() | words,
        subscription=st.none() | words,
        discount=amount,
        taxes=_taxes(currency),
        metadata=metadata,
        proration=st.none() | st.booleans(),
    )
    customer = st.builds(
        CustomerRef, id=st.none() | words, email=st.none() | st.just("a@b.test"), name=st.none() | texts, ids=metadata,
        address=st.none() | st.builds(Address, line1=st.none() | texts, city=st.none() | texts, country=st.just("FR")),
        tax_ids=st.lists(st.builds(TaxId, kind=st.none() | texts, value=st.none() | texts), max_size=2).map(tuple),
    )  # fmt: skip
    moments = ("created_at", "issued_at", "due_at", "paid_at", "voided_at", "uncollectible_at", "updated_at")
    amounts = ("subtotal", "discount", "tax", "total", "amount_due", "amount_paid", "amount_remaining")
    stated: dict[str, Any] = {name: draw(st.none() | instants) for name in moments}
    stated |= {name: draw(amount) for name in amounts}
    stated |= draw(parts(currency))
    return Invoice(
        provider=draw(words),
        id=draw(words),
        number=draw(st.none() | texts),
        status=draw(st.sampled_from(Status)),
        native_status=draw(st.none() | texts),
        currency=currency,
        lines=draw(st.lists(rows, max_size=3).map(tuple)),
        lines_complete=draw(st.booleans()),
        customer=draw(st.none() | customer),
        period=draw(st.none() | periods),
        description=draw(st.none() | texts),
        reference=draw(st.none() | words),
        metadata=draw(st.dictionaries(texts, texts, max_size=3)),
        collection=draw(st.none() | collections),
        payment_pending=draw(st.none() | st.booleans()),
        test_mode=draw(st.none() | st.booleans()),
        raw=draw(st.none() | st.dictionaries(texts, raw_values, max_size=4)),
        **stated,
    )
