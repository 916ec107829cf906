"""Decode pages of a hundred invoices, and one alone: python benchmarks/decode.py [--rounds 21] [--small]

Against orjson, which makes floats and dicts and nothing more of the same bytes, and against what the official SDKs make
of them. The library reads JSON with the standard library here; decode_msgspec.py is the same with msgspec.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import fixtures
import library
from frame import Benchmark, Gate, Measurements, Options, is_installed, main, race

PLAIN: dict[str, dict[str, float]] = {
    "orjson": {"0.5 kB": 14, "4.4 kB": 5, "20 kB": 3.5},
    "stripe": {"0.5 kB": 4, "4.4 kB": 8, "20 kB": 11},
}
ABOUT = (
    "A page is the bytes of a listing's answer with 100 invoices, read as a client reads them: the flow of `list` "
    "is fed with the response and returns a `Page` of `Invoice`s. Three pages are Stripe's: bare invoices of 0.5 "
    "kB without lines, and whole ones of two and of 21 lines; one is Chargebee's and one Whop's, of two lines "
    "each. orjson reads the same bytes and makes dicts of them. The SDKs begin with the bytes too: stripe parses "
    "them and constructs its `ListObject`, chargebee its `ListResponse`, whop-sdk its pydantic models. One "
    "invoice of 4.4 kB is read with `decode(provider, bytes)`. Times are CPU time of this process, a sample a "
    "round, all contestants in each round. msgspec is hidden from the library here."
)


def stripe_gates(orjson: dict[str, float], sdk: dict[str, float]) -> tuple[Gate, ...]:
    """The six gates of Stripe's pages."""
    by_orjson = (
        Gate(f"Stripe page, {size} each, × orjson", f"page {size}", f"orjson {size}", "ratio", limit)
        for size, limit in orjson.items()
    )
    by_sdk = (
        Gate(f"Stripe page, {size} each, than stripe", f"page {size}", f"stripe {size}", "faster", limit)
        for size, limit in sdk.items()
    )
    return (*by_orjson, *by_sdk)


GATES = (
    *stripe_gates(PLAIN["orjson"], PLAIN["stripe"]),
    Gate("Chargebee page, 1.9 kB each, than chargebee", "page chargebee", "chargebee", "faster", 5),
    Gate("Whop page, 0.6 kB each, × whop-sdk", "page whop", "whop-sdk", "ratio", 2),
    Gate("decode(bytes), one of 4.4 kB, × orjson", "decode one", "orjson one", "ratio", 9),
    Gate("Chargebee page, × orjson", "page chargebee", "orjson chargebee", "ratio", None),
    Gate("Whop page, × orjson", "page whop", "orjson whop", "ratio", None),
)


def checked_page(provider: str, content: bytes, lines: int | None, count: int) -> Callable[[], Any]:
    """Return the reading of a page, once it was seen to make whole invoices of it, and not refusals."""
    from invoice_bridge import Invoice

    read = library.read_page(provider)
    page = read(content)
    assert len(page.items) == count, (provider, len(page.items))
    for item in page.items:
        assert isinstance(item, Invoice), item
        assert not item.problems, item.problems
        assert len(item.lines) == (lines or 0), item
    return lambda: read(content)


def by_stripe(content: bytes) -> Callable[[], Any]:
    """Return what the SDK does with an answer: its StripeResponse parses it, and its ListObject is constructed."""
    import stripe
    from stripe._stripe_response import StripeResponse

    def construct() -> Any:
        return stripe.ListObject.construct_from(
            StripeResponse(content.decode("utf-8"), 200, {}).data,  # type: ignore[arg-type]
            "sk_test_not_a_key",
        )

    made: Any = construct()
    assert isinstance(made.data[0], stripe.Invoice), type(made.data[0])
    return construct


def by_chargebee(content: bytes) -> Callable[[], Any]:
    from chargebee.models.invoice.responses import ListResponse
    from chargebee.responses import Response

    kind: Any = ListResponse

    def construct() -> Any:
        return Response(kind, json.loads(content.decode()), {}, 200).parse()

    made = construct()
    assert made.list[0].invoice.line_items[1].amount == 1_999, made.list[0]
    return construct


def by_whop(content: bytes) -> Callable[[], Any]:
    from whop_sdk.core.pydantic_utilities import parse_obj_as
    from whop_sdk.invoices.types import ListInvoicesResponse

    def construct() -> Any:
        return parse_obj_as(type_=ListInvoicesResponse, object_=json.loads(content))

    made: Any = construct()
    assert made.data[0].line_items[1].total == 19.99, made.data[0]
    return construct


def add_peer(measured: Measurements, contestants: dict[str, Any], name: str, package: str, make: Any) -> None:
    """Add a contestant whose package is installed; else say that it is not."""
    if is_installed(package):
        contestants[name] = make()
    else:
        measured.missing[name] = f"{package} is not installed"


def orjson_of(content: bytes) -> Callable[[], Any]:
    import orjson

    return lambda: orjson.loads(content)


def measure_stripe(options: Options, measured: Measurements) -> None:
    """The pages of three sizes, one race each."""
    count = 4 if options.small else 100
    for size, lines in fixtures.SIZES.items():
        content = fixtures.stripe_page(size, count)
        contestants: dict[str, Any] = {f"page {size}": checked_page("stripe", content, lines, count)}
        add_peer(measured, contestants, f"orjson {size}", "orjson", lambda content=content: orjson_of(content))
        add_peer(measured, contestants, f"stripe {size}", "stripe", lambda content=content: by_stripe(content))
        measured.add(race(contestants, options.rounds, clock=time.process_time))
        measured.facts.append(f"Stripe page, {size} each: {len(content):,} bytes, {lines or 'no'} lines an invoice")


def measure(options: Options) -> Measurements:
    library.hide_msgspec()
    measured = Measurements()
    count = 4 if options.small else 100
    measure_stripe(options, measured)
    peers: dict[str, tuple[bytes, str, Any]] = {
        "chargebee": (fixtures.chargebee_page(count), "chargebee", by_chargebee),
        "whop": (fixtures.whop_page(count), "whop_sdk", by_whop),
    }
    for provider, (content, package, make) in peers.items():
        contestants: dict[str, Any] = {f"page {provider}": checked_page(provider, content, 2, count)}
        sdk = "whop-sdk" if provider == "whop" else provider
        add_peer(measured, contestants, sdk, package, lambda content=content, make=make: make(content))
        add_peer(measured, contestants, f"orjson {provider}", "orjson", lambda content=content: orjson_of(content))
        measured.add(race(contestants, options.rounds, clock=time.process_time))
        measured.facts.append(f"{provider} page: {len(content):,} bytes, 2 lines an invoice")
    measure_one(options, measured)
    return measured


def measure_one(options: Options, measured: Measurements) -> None:
    """One invoice by `decode`."""
    from invoice_bridge import decode

    one = fixtures.encode(fixtures.stripe_invoice(7, 2))
    assert not decode("stripe", one).problems
    contestants: dict[str, Any] = {"decode one": lambda: decode("stripe", one)}
    add_peer(measured, contestants, "orjson one", "orjson", lambda: orjson_of(one))
    measured.add(race(contestants, options.rounds, clock=time.process_time))
    measured.facts.append(f"One invoice: {len(one):,} bytes")


BENCHMARK = Benchmark("decode", "Decoding", ABOUT, 21, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
