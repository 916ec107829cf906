"""Reading a provider's answer: against JSON alone, and against the providers' own SDKs. python benchmarks/decode.py

A page is read as the client reads it: the bytes of the answer go into the flow of a listing, and a Page of invoices
comes out. The rows with msgspec run in a process of their own, for the library takes that loader where it is installed;
in this one it is hidden. The SDKs read the same bytes, their JSON included: stripe by ListObject.construct_from,
chargebee by the Response that its requests end in, whop-sdk by its pydantic model of the page.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bodies
import frame
from frame import Gate, How, Result

KEY = "sk_test_not_a_key"
_ORJSON, _MSGSPEC = "orjson.loads of the same bytes", "orjson.loads of the same bytes, ours with msgspec"
_STRIPE, _STRIPE_MSGSPEC = "the stripe SDK's ListObject", "the stripe SDK's ListObject, ours with msgspec"


def _page(kilobytes: float) -> str:
    return f"a page of 100 Stripe invoices of {kilobytes:g} kB"


PLAIN = (
    *(
        Gate(_page(size), _ORJSON, "times", most, needs=("orjson",))
        for size, most in zip(bodies.KILOBYTES, (14, 5, 3.5), strict=True)
    ),
    *(
        Gate(_page(size), _STRIPE, "faster", least, needs=("stripe",))
        for size, least in zip(bodies.KILOBYTES, (4, 8, 11), strict=True)
    ),
    Gate("a page of 100 Chargebee invoices", "the chargebee SDK's ListResponse", "faster", 5, needs=("chargebee",)),
    Gate("a page of 100 Whop invoices", "whop-sdk's model of the page", "times", 2, needs=("whop_sdk",)),
    Gate("decode() of a Stripe invoice of 4.4 kB", _ORJSON, "times", 9, "µs", needs=("orjson",)),
    Gate("memory of a kept invoice of 4.4 kB, its raw included", "–", "value", 19, "kB"),
)
WITH_MSGSPEC = (
    *(
        Gate(_page(size), _MSGSPEC, "times", most, needs=("orjson", "msgspec"))
        for size, most in zip(bodies.KILOBYTES, (12, 4, 2.5), strict=True)
    ),
    *(
        Gate(_page(size), _STRIPE_MSGSPEC, "faster", least, needs=("stripe", "msgspec"))
        for size, least in zip(bodies.KILOBYTES, (7, 15, 25), strict=True)
    ),
)
GATES = (*PLAIN, *WITH_MSGSPEC)
SETTINGS = {"chargebee": {"site": "bench"}, "whop": {"account_id": "biz_bench"}}


def read_page(provider: str) -> Callable[[bytes], Any]:
    """The reading of a page, as the client does it: the answer is given to the flow of the listing."""
    from invoice_bridge import ListInvoices, providers
    from invoice_bridge.core.wire import Response
    from invoice_bridge.explain import make_context

    declared, command = providers.get(provider), ListInvoices()
    context = make_context(declared, SETTINGS.get(provider, {})).on(command)

    def read(content: bytes) -> Any:
        flow = declared.flow(command, context)
        next(flow)
        try:
            flow.send(Response(200, content, {"content-type": "application/json"}, provider))
        except StopIteration as done:
            return done.value
        raise AssertionError("the page asked for another request: is it whole?")

    return read


def check(page: Any, count: int) -> None:
    """What was read is read whole: else the time is that of something less."""
    from invoice_bridge import Invoice

    assert len(page.items) == count
    for item in page.items:
        assert isinstance(item, Invoice)
        assert item.lines_complete
        assert not item.problems
        assert item.raw is not None


# ── the peers ────────────────────────────────────────────────────────────────────────────────────────────────────────
def stripe_sdk(content: bytes) -> object:
    import stripe

    return stripe.ListObject.construct_from(stripe.StripeResponse(content.decode(), 200, {}).data, KEY)


def chargebee_sdk(content: bytes) -> object:
    from chargebee.models.invoice.responses import ListResponse
    from chargebee.responses import Response

    return Response(ListResponse, json.loads(content.decode()), {}, 200).parse()


def whop_sdk(content: bytes) -> object:
    from whop_sdk.core.pydantic_utilities import parse_obj_as
    from whop_sdk.invoices.types.list_invoices_response import ListInvoicesResponse

    return parse_obj_as(type_=ListInvoicesResponse, object_=json.loads(content))


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────────────────
def measure(how: How) -> Iterator[Result]:
    yield from _with_msgspec(how)
    sys.modules["msgspec"] = None  # type: ignore[assignment] # an import of it fails, as where it is not installed
    yield from _pages(PLAIN, how)
    _, left = frame.measured(gate for gate in PLAIN if gate.kind != "value" and not _is_stripe_page(gate))
    yield from left
    skipped = {result.gate for result in left}
    for gate in PLAIN:
        if gate in skipped or _is_stripe_page(gate):
            continue
        if "Chargebee" in gate.what:
            yield _of_sdk(gate, "chargebee", bodies.chargebee_page(_count(how)), chargebee_sdk, how)
        elif "Whop" in gate.what:
            yield _of_sdk(gate, "whop", bodies.whop_page(_count(how)), whop_sdk, how)
        elif gate.kind == "value":
            yield Result.of(gate, [kept(how)], note=f"tracemalloc, {_count(how) * 10:,} invoices, read by pages")
        else:
            yield _of_one(gate, how)


def _is_stripe_page(gate: Gate) -> bool:
    return gate.what.startswith("a page") and "Stripe" in gate.what


def _count(how: How) -> int:
    return 5 if how.quick else bodies.PAGE


def _pages(gates: tuple[Gate, ...], how: How) -> Iterator[Result]:
    """Stripe's pages: ours, orjson and the SDK take turns."""
    ready, left = frame.measured(gate for gate in gates if _is_stripe_page(gate))
    yield from left
    read = read_page("stripe")
    for size in bodies.KILOBYTES:
        of_size = [gate for gate in ready if gate.what == _page(size)]
        content = bodies.stripe_page(size, _count(how))
        check(read(content), _count(how))
        peers: dict[str, frame.Work] = {}
        if any("orjson" in gate.needs for gate in of_size):
            import orjson

            peers["orjson"] = lambda content=content: orjson.loads(content)
        if any("stripe" in gate.needs for gate in of_size):
            peers["stripe"] = lambda content=content: stripe_sdk(content)
        samples = frame.interleaved(how, ours=lambda content=content: read(content), **peers)
        note = f"{len(content) / _count(how) / 1000:.1f} kB an invoice"
        for gate in of_size:
            peer = "orjson" if "orjson" in gate.needs else "stripe"
            yield Result.of(gate, samples["ours"], samples[peer], note)


def _of_sdk(gate: Gate, provider: str, content: bytes, sdk: Callable[[bytes], object], how: How) -> Result:
    read = read_page(provider)
    check(read(content), _count(how))
    samples = frame.interleaved(how, ours=lambda: read(content), peer=lambda: sdk(content))
    return Result.of(gate, samples["ours"], samples["peer"], f"{len(content) / _count(how) / 1000:.1f} kB an invoice")


def _of_one(gate: Gate, how: How) -> Result:
    """Invoices one by one: a hundred different ones, so that nothing is read twice in a row."""
    import orjson

    from invoice_bridge import decode

    contents = [bodies.compact(bodies.stripe_invoice(number, 4.4)) for number in range(_count(how))]
    samples = frame.interleaved(
        how,
        ours=lambda: [decode("stripe", content) for content in contents],
        peer=lambda: [orjson.loads(content) for content in contents],
    )
    micro = {name: [sample * 1000 / len(contents) for sample in taken] for name, taken in samples.items()}
    return Result.of(gate, micro["ours"], micro["peer"])


def kept(how: How) -> float:
    """Kilobytes that an invoice takes as long as it is kept."""
    read, count = read_page("stripe"), _count(how)
    contents = [bodies.stripe_page(4.4, count, first=page * count) for page in range(11)]
    read(contents.pop())  # what is made once is no part of it
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    pages = [read(content) for content in contents]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / sum(len(page.items) for page in pages) / 1000


# ── the optional loader ──────────────────────────────────────────────────────────────────────────────────────────────
def _with_msgspec(how: How) -> Iterator[Result]:
    """The rows of the optional loader, from a process in which msgspec can be imported."""
    ready, left = frame.measured(WITH_MSGSPEC)
    yield from left
    if not ready:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        given = ["--quick"] if how.quick else ["--rounds", str(how.rounds)]
        subprocess.run(
            [sys.executable, __file__, "--loader", "msgspec", *given, "--json", str(path)],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        rows = {(one["what"], one["against"]): one for one in json.loads(path.read_text("utf-8"))}
    for gate in ready:
        yield frame.result(gate, rows[gate.what, gate.peer])


def _msgspec_alone(how: How) -> Iterator[Result]:
    read = read_page("stripe")
    read(bodies.stripe_page(4.4, 1))
    if "msgspec" not in sys.modules:
        for gate in WITH_MSGSPEC:
            yield Result.missing(gate, "the library has no msgspec loader: it did not import msgspec to read a page")
        return
    yield from _pages(WITH_MSGSPEC, how)


if __name__ == "__main__":
    if sys.argv[1:3] == ["--loader", "msgspec"]:
        sys.exit(frame.main(WITH_MSGSPEC, _msgspec_alone, __doc__, sys.argv[3:]))
    sys.exit(frame.main(GATES, measure, __doc__))
