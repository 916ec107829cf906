"""Make a bill over loopback HTTP, one after another: python benchmarks/create.py [--rounds 200]

Against the same requests by a pooled httpx.Client, which reads the answers and nothing in them, and against the
official SDKs. The server is another process and answers at once (server.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import bills
import library
from frame import Benchmark, Gate, Measurements, Options, is_installed, main, race
from server import NUMBER, served

ABOUT = (
    'A bill of two lines is made with `lookup="never"` by `Client.create`: three requests at Stripe (open, add '
    "lines, finalize), one at Chargebee, two at Whop (create, read the plan). The answers are those of the "
    "library's emulators, given back by a server in another process. Raw httpx is one `httpx.Client` that sends "
    "the same bytes with the same headers and does not parse the answers. The SDKs are given the same parameters; "
    "before anything is timed, the server is asked whether every contestant sent the same requests and the same "
    "bodies. A sample is one bill, wall time; every bill has a reference of its own; the median is the p50 of a "
    "bill. Each contestant makes ten bills in its turn, as a billing run does. Without a gate stand the figures of "
    "one bill in each turn: it comes after other programs' work and a collection of garbage, with cold caches."
)
_ROW = 10
_ALONE = ", one in a turn"
GATES = (
    *(
        Gate(f"{title} bill, × raw httpx", f"{name} bill", f"{name} raw httpx", "ratio", 1.5)
        for name, title in (("stripe", "Stripe"), ("chargebee", "Chargebee"), ("whop", "Whop"))
    ),
    Gate("Stripe bill, than the stripe SDK", "stripe bill", "stripe SDK", "faster", 1.8),
    Gate("Chargebee bill, than the chargebee SDK", "chargebee bill", "chargebee SDK", "faster", 10),
    Gate("Whop bill, × whop-sdk", "whop bill", "whop-sdk", "ratio", 1),
    *(
        Gate(f"{title} bill{_ALONE}, × raw httpx", f"{name} bill{_ALONE}", f"{name} raw httpx{_ALONE}", "ratio", None)
        for name, title in (("stripe", "Stripe"), ("chargebee", "Chargebee"), ("whop", "Whop"))
    ),
)
_PEERS = {
    "stripe": ("stripe SDK", "stripe"),
    "chargebee": ("chargebee SDK", "chargebee"),
    "whop": ("whop-sdk", "whop_sdk"),
}


def ours(course: bills.Course, url: str, numbers: Iterator[str], stack: ExitStack) -> Callable[[], Any]:
    from invoice_bridge import Client

    settings = bills.client_settings(course.provider, url)
    client = stack.enter_context(Client(course.provider, api_key=course.key, **settings))
    return lambda: client.create(bills.bill(course.provider, next(numbers)))


def raw(course: bills.Course, url: str, numbers: Iterator[str], stack: ExitStack) -> Callable[[], Any]:
    import httpx

    http, token = stack.enter_context(httpx.Client()), NUMBER.decode()

    def send() -> None:
        number = next(numbers)
        for one in course.sent:
            content = one.content.replace(token, number) or None
            answer = http.request(
                one.method, url + one.path.replace(token, number), headers=one.headers, content=content
            )
            assert answer.status_code == 200, answer.text

    return send


def by_stripe(course: bills.Course, url: str, numbers: Iterator[str], stack: ExitStack) -> Callable[[], Any]:
    import stripe

    del stack
    client = stripe.StripeClient(course.key, base_addresses={"api": url}, max_network_retries=0)
    service: Any = client.v1.invoices
    opened, added, finalized = (one.body for one in course.sent)

    def create() -> Any:
        number = next(numbers)
        metadata = {name: value.replace(NUMBER.decode(), number) for name, value in opened["metadata"].items()}
        invoice = service.create({**opened, "metadata": metadata}, {"idempotency_key": f"open-{number}"})
        service.add_lines(invoice.id, added, {"idempotency_key": f"lines-{number}"})
        return service.finalize_invoice(invoice.id, finalized, {"idempotency_key": f"finalize-{number}"})

    return create


def by_chargebee(course: bills.Course, url: str, numbers: Iterator[str], stack: ExitStack) -> Callable[[], Any]:
    import chargebee

    sdk: Any = chargebee
    verified = sdk.Chargebee.verify_ca_certs
    stack.callback(setattr, sdk.Chargebee, "verify_ca_certs", verified)
    sdk.Chargebee.verify_ca_certs = False  # else it speaks https alone
    client = sdk.Chargebee(api_key=course.key, site="bench-test", protocol="http")
    client.env.api_endpoint = url
    (only,) = course.sent

    def create() -> Any:
        number = next(numbers)
        body = {**only.body, "po_number": f"bench-{number}"}
        return client.Invoice.create_for_charge_items_and_charges(body, {"chargebee-idempotency-key": f"bill-{number}"})

    return create


def by_whop(course: bills.Course, url: str, numbers: Iterator[str], stack: ExitStack) -> Callable[[], Any]:
    import httpx
    from whop_sdk import Whop
    from whop_sdk.environment import WhopEnvironment
    from whop_sdk.invoices.types import CreateInvoicesRequestProduct

    http = stack.enter_context(httpx.Client())
    client = Whop(environment=WhopEnvironment(api=url, vault=url), token=course.key, max_retries=0, httpx_client=http)
    body = course.sent[0].body

    def create() -> Any:
        plan = {**body["plan"], "internal_notes": f"bench-{next(numbers)}"}
        invoice = client.invoices.create(request=CreateInvoicesRequestProduct.model_validate({**body, "plan": plan}))
        plan_id = invoice.current_plan.id
        return client.plans.retrieve(plan_id)

    return create


_SDKS: dict[str, Callable[..., Callable[[], Any]]] = {"stripe": by_stripe, "chargebee": by_chargebee, "whop": by_whop}


def check(contestants: dict[str, Callable[[], Any]], url: str, numbers: Iterator[str]) -> None:
    """Hold what each contestant sends for a bill against what the raw client sends."""
    import httpx

    seen = {}
    for name, make in contestants.items():
        httpx.get(f"{url}/_log")
        make()
        number = f"{int(next(numbers)) - 1:08d}"
        seen[name] = bills.comparable(httpx.get(f"{url}/_log").json(), number)
    plain = next(requests for name, requests in seen.items() if name.endswith("raw httpx"))
    for name, requests in seen.items():
        assert requests == plain, f"{name} sends other requests:\n{requests}\n{plain}"


def measure(options: Options) -> Measurements:
    library.hide_msgspec()
    measured, numbers = Measurements(), bills.numbers()
    for provider, (peer, package) in _PEERS.items():
        course = bills.course(provider)
        with served(course.routes()) as url, ExitStack() as stack:
            contestants = {
                f"{provider} bill": ours(course, url, numbers, stack),
                f"{provider} raw httpx": raw(course, url, numbers, stack),
            }
            if is_installed(package):
                contestants[peer] = _SDKS[provider](course, url, numbers, stack)
            else:
                measured.missing[peer] = f"{package} is not installed"
            check(contestants, url, numbers)
            row, warm = (1, 1) if options.small else (_ROW, 20)
            measured.add(race(contestants, -(-options.rounds // row), warm=warm, single=True, row=row))
            alone = race(contestants, -(-options.rounds // 4), warm=warm, single=True)
            measured.add({f"{name}{_ALONE}": samples for name, samples in alone.items()})
        sizes = ", ".join(f"{len(one.content)} → {len(one.answer):,}" for one in course.sent)
        measured.facts.append(f"{provider}: {len(course.sent)} requests; bytes of body → answer: {sizes}")
    return measured


BENCHMARK = Benchmark("create", "Making a bill", ABOUT, 200, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
