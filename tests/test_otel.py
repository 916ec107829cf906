"""Spans and metrics: one for each call, try, lookup, delivery and item, and nothing in them that names a person."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    Declined,
    IdempotencyMismatch,
    InvalidSignature,
    Line,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    OutcomeUnknown,
    PeriodInvoice,
    Shadow,
    otel,
)
from invoice_bridge.client.options import no_waiting as without_waits
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Kind
from invoice_bridge.engine import observers
from invoice_bridge.otel import METRICS, Instrumentation, instrument
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.webhooks import parse
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    no_waiting,  # noqa: F401 - a fixture, used by every test
)
from tests.migrate.moves import move
from tests.pages import Runner
from tests.switch.pair import ALLOWED, Pair
from tests.test_client_twins import BILLS, VERBS
from tests.test_webhooks import AT, SECRET, body, deliver, receiver, signed

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "opentelemetry.md"
SECRETS = (KEY, "Zoë", "Fees", "@", "1999", "19.99", "declined", "pm_1", "Your card", "res-", "flt/", "?")
"""Texts of the bills, and of what the emulator answers, that no attribute may have."""


class Seen:
    """What an exporter in memory has."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])

    def start(self, **given: Any) -> Instrumentation:
        return instrument(tracer_provider=self.tracers, meter_provider=self.meters, **given)

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def span(self, name: str) -> ReadableSpan:
        (one,) = (span for span in self.spans if span.name == name)
        return one

    def tree(self) -> list[str]:
        """Every span in order of its beginning, indented below its parent."""
        parents = {span.context.span_id: span for span in self.spans if span.context}

        def depth(span: ReadableSpan) -> int:
            return 0 if span.parent is None else 1 + depth(parents[span.parent.span_id])

        return ["  " * depth(span) + span.name for span in self.spans]

    def points(self, metric: str) -> list[tuple[dict[str, Any], Any]]:
        """The attributes of each point of a metric, with its count or sum."""
        data = self.reader.get_metrics_data()
        found: list[tuple[dict[str, Any], Any]] = []
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for one in scope.metrics:
                    if one.name == metric:
                        points: Any = one.data.data_points
                        found += [(dict(p.attributes), getattr(p, "count", getattr(p, "value", None))) for p in points]
        return found

    def text(self) -> str:
        """Every text that was exported: names, attributes, events and descriptions; no times and no sums."""
        spans = [
            [span.name, span.status.description, dict(span.attributes or {})]
            + [[event.name, dict(event.attributes or {}) | {SECONDS: 0}] for event in span.events]
            for span in self.spans
        ]
        points = [[metric, facts] for metric in METRICS for facts, _ in self.points(metric)]
        return json.dumps([spans, points], ensure_ascii=False)


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Spans and metrics of one test."""
    one = Seen()
    with one.start():
        yield one
        assert otel._call.get() is None, "a call is over with its end"
    assert observers._observers == ()


def emulated(*faults: Fault, **given: Any) -> Client:
    """A client of Stripe's emulator."""
    transport = EmulatorTransport(Faults(STRIPE.emulator(clock=FakeClock()), faults), BASE)
    return Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), **given)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return {name.removeprefix("invoice_bridge."): value for name, value in (span.attributes or {}).items()}


# ── calls, requests, lookups ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_bill_is_a_call_with_its_lookup_and_its_requests(seen: Seen) -> None:
    """Spans are nested; HTTP has the names of the semantic conventions."""
    made = emulated().create(CHARGE)
    assert seen.tree() == [
        "one_time_charge stripe",
        "  lookup stripe",
        "    GET",
        "  POST",
        "  POST",
        "  POST",
    ]
    call, lookup = seen.span("one_time_charge stripe"), seen.span("lookup stripe")
    assert attributes(call) == {
        "provider": "stripe",
        "verb": "one_time_charge",
        "mode": "test",
        "outcome": "done",
        "invoice.id": made.id,
    }
    assert attributes(lookup) == {"provider": "stripe", "lookup.result": "absent"}
    last = seen.spans[-1]
    assert last.kind is SpanKind.CLIENT
    assert last.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "invoice_bridge.provider": "stripe",
        "invoice_bridge.request.effects": ("issues",),
        "server.address": "stripe.example.test",
        "server.port": 443,
        "url.full": f"{BASE}/v1/invoices/{made.id}/finalize",
    }
    assert {span.status.status_code for span in seen.spans} == {StatusCode.UNSET}
    assert lookup.end_time is not None
    assert call.end_time is not None
    assert lookup.end_time < call.end_time


def test_every_metric_of_a_bill_is_recorded(seen: Seen) -> None:
    """Calls by verb and outcome, requests by status, lookups by result."""
    with emulated() as client:
        client.create(CHARGE)
        client.create(CHARGE)
        with pytest.raises(NotFound):
            client.retrieve("in_missing")
    calls = {(facts["invoice_bridge.verb"], facts.get("error.type")): count for facts, count in seen.points(CALLS)}
    assert calls == {("one_time_charge", None): 2, ("retrieve", "NotFound"): 1}
    results = {facts["invoice_bridge.lookup.result"]: count for facts, count in seen.points(LOOKUPS)}
    assert results == {"absent": 1, "found": 1}
    statuses: Counter[int] = Counter()
    for facts, count in seen.points(REQUESTS):
        statuses[facts["http.response.status_code"]] += count
    assert statuses == {200: 6, 404: 1}
    (missing,) = (facts for facts, _ in seen.points(REQUESTS) if facts["http.response.status_code"] == 404)
    assert missing == {
        "error.type": "404",
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "server.address": "stripe.example.test",
        "server.port": 443,
    }


def test_a_read_between_a_lookup_and_the_bill_does_not_count_as_found(seen: Seen) -> None:
    """Stripe's pending items are read before the invoice is opened: the reference is still absent."""
    may = {"period": {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}, "currency": "EUR"}
    with pytest.raises(BridgeError):  # nothing is pending
        emulated().create(PeriodInvoice.model_validate({"reference": "r", "customer": "cus_42", **may}))
    results = [attributes(span)["lookup.result"] for span in seen.spans if span.name.startswith("lookup")]
    assert results == ["absent"]


@pytest.mark.parametrize(
    "kind,error,state",
    [(Kind.HTML_502_BEFORE, "502", None), (Kind.RESET_BEFORE, "ReadError", "lost"), (Kind.THROTTLED, "429", None)],
)
def test_each_try_is_a_span_and_names_its_number(seen: Seen, kind: Kind, error: str, state: str | None) -> None:
    """A request that fails twice is three spans; the waits between are events and a metric."""
    with emulated(Fault(kind, "POST", "^/v1/invoices$", times=2), lookup="never") as client:
        client.create(CHARGE)
    tries = [span for span in seen.spans if attributes(span).get("url.full") == f"{BASE}/v1/invoices"]
    assert [attributes(span).get("http.request.resend_count") for span in tries] == [None, 1, 2]
    assert [attributes(span).get("error.type") for span in tries] == [error, error, None]
    assert [attributes(span).get("request.state") for span in tries] == [state, state, None]
    assert [span.status.status_code for span in tries] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    call = seen.span("one_time_charge stripe")
    waits = [dict(event.attributes or {})["invoice_bridge.wait.after"] for event in call.events]
    assert len([after for after in waits if after in {"HTTP 502", "HTTP 429", "a lost answer"}]) >= 2
    assert sum(count for _, count in seen.points("invoice_bridge.wait.duration")) == len(waits)


def test_a_request_that_was_not_sent_says_so(seen: Seen) -> None:
    """No connection: the class of the failure, and no status."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("to secret.example", request=request)

    http = httpx.Client(transport=httpx.MockTransport(refuse))
    with Client("stripe", api_key=KEY, base_url=BASE, http=http) as client, pytest.raises(BridgeError):
        client.retrieve("in_1")
    request = attributes(seen.spans[-1])
    assert (request["error.type"], request["request.state"]) == ("ConnectError", "not_sent")
    assert attributes(seen.span("retrieve stripe"))["outcome"] == "nothing_done"
    assert "secret.example" not in seen.text()


def test_an_unknown_outcome_is_the_calls(seen: Seen) -> None:
    """The attribute to alert on: somebody should resolve that bill."""
    with emulated(Fault(Kind.TIMEOUT_AFTER, "POST", times=9), lookup="never") as client:
        with pytest.raises(OutcomeUnknown):
            client.create(CHARGE)
        with without_waits():
            assert client.resolve(CHARGE, since=datetime.now(UTC)).state in {"found", "too_early"}
    call = attributes(seen.span("one_time_charge stripe"))
    assert (call["outcome"], call["error.type"]) == ("unknown", "OutcomeUnknown")
    assert attributes(seen.span("resolve stripe"))["verb"] == "resolve"
    assert seen.span("one_time_charge stripe").status.status_code is StatusCode.ERROR
    assert seen.span("one_time_charge stripe").status.description is None


def test_what_is_refused_before_a_request_is_a_call_without_requests(seen: Seen, tmp_path: Path) -> None:
    """A loss that is not allowed, another bill of the same reference in the journal."""
    with emulated(lookup="journal", journal=tmp_path / "bills.sqlite") as client:
        lossy = OneTimeCharge(reference="r", customer="cus_42", lines=[Line(quantity=2, amount=Money(500, "EUR"))])
        with pytest.raises(LossyTranslation):
            client.create(lossy)
        client.create(CHARGE)
        with pytest.raises(IdempotencyMismatch):
            client.create(CHARGE.model_copy(update={"amount": Money(2000, "EUR")}))
    calls = [span for span in seen.spans if span.name == "one_time_charge stripe"]
    assert [attributes(span).get("error.type") for span in calls] == ["LossyTranslation", None, "IdempotencyMismatch"]
    assert seen.names().count("POST") == 3
    assert [attributes(span)["outcome"] for span in calls] == ["nothing_done", "done", "nothing_done"]


def test_explaining_is_no_call(seen: Seen, tmp_path: Path) -> None:
    """It sends nothing, and makes no span, also where it is refused."""
    with emulated(journal=tmp_path / "bills.sqlite") as client:
        client.create(CHARGE)
        before = len(seen.spans)
        client.explain(CHARGE)
        client.explain(CHARGE.model_copy(update={"amount": Money(2000, "EUR")}))
    assert len(seen.spans) == before


def test_a_declined_card_is_no_text_of_the_provider(seen: Seen) -> None:
    """Only the class of the error is exported."""
    how = Collection.charge("pm_card_chargeCustomerFail")
    bill = OneTimeCharge(reference="r", customer="cus_42", amount=Money(900, "EUR"), collection=how)
    with emulated() as client, pytest.raises(Declined) as caught:
        client.create(bill)
    call = attributes(seen.span("one_time_charge stripe"))
    assert (call["error.type"], call["outcome"]) == ("Declined", caught.value.outcome)
    assert str(caught.value)[:20] not in seen.text()


def test_the_address_of_a_document_is_not_exported(seen: Seen) -> None:
    """Anybody who has it can read the invoice: neither its path nor its query is in any text."""
    with emulated() as client:
        made = client.create(CHARGE)
        seen.exporter.clear()
        assert client.pdf(made.id).startswith(b"%PDF")
    reads = [attributes(span) for span in seen.spans if span.name == "GET"]
    assert [("url.full" in facts) for facts in reads] == [True, False]
    assert made.pdf_url is not None
    assert urlsplit(made.pdf_url).path not in seen.text()


def test_a_cancelled_call_ends_its_spans(seen: Seen) -> None:
    """What stops a call halfway ends both spans, and the outcome is that of the note."""

    def stop(_request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    http = httpx.Client(transport=httpx.MockTransport(stop))
    with (
        Client("stripe", api_key=KEY, base_url=BASE, http=http, lookup="never") as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.create(CHARGE)
    call, request = seen.spans
    assert (attributes(call)["outcome"], attributes(call)["error.type"]) == ("unknown", "KeyboardInterrupt")
    assert attributes(request)["request.state"] == "stopped"


# ── both clients, and nothing that names a person ────────────────────────────────────────────────────────────────────
async def run_courses(seen: Seen) -> list[list[str]]:
    """The trees of a course of bills and verbs, good and bad, of both clients."""
    trees: list[list[str]] = []
    for is_async in (False, True):
        seen.exporter.clear()
        transport = EmulatorTransport(STRIPE.emulator(clock=FakeClock()), BASE)
        if is_async:
            client: Any = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=httpx.AsyncClient(transport=transport))
        else:
            client = Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport))
        for call, said in [("create", {"command": bill}) for bill in BILLS] + VERBS:
            try:
                made = getattr(client, call)(**said)
                if is_async:
                    await made
            except BridgeError:
                continue
        if is_async:
            assert [invoice.id async for invoice in client.list(limit=2)]
        else:
            assert [invoice.id for invoice in client.list(limit=2)]
        trees.append(seen.tree())
    return trees


async def test_both_clients_make_the_same_spans_and_nothing_in_them_names_a_person(seen: Seen) -> None:
    """For a course of bills and verbs, good and bad: no key, text, amount or reference, whatever is billed."""
    one, other = await run_courses(seen)
    assert one == other
    assert len(one) > 60
    assert {name.split()[0] for name in one if not name.startswith(" ")} >= {"one_time_charge", "refund", "list", "pdf"}
    text = seen.text()
    assert [secret for secret in SECRETS if secret in text] == []
    assert "invoice_bridge.reference" not in text
    names = {name for span in seen.spans for name in span.attributes or ()}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE.read_text("utf-8")] == []


def test_control_a_text_in_an_attribute_is_seen(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """With whole URLs, queries are found by the same search."""
    monkeypatch.setattr("invoice_bridge.otel._address", lambda request: {"url.full": request.url, "to": "Zoë"})
    emulated().create(CHARGE)
    assert "Zoë" in seen.text()
    assert "?" in seen.text()


def test_a_reference_is_exported_where_it_is_asked_for() -> None:
    """`references=True`: of bills, and of verbs that have one."""
    seen = Seen()
    with seen.start(references=True), emulated() as client:
        made = client.create(CHARGE)
        client.record_payment(made.id, amount=Money(5, "EUR"), at=AT, reference="w-1")
    found = [attributes(span)["reference"] for span in seen.spans if "reference" in attributes(span)]
    assert found == ["res-1", "w-1"]
    assert not any("reference" in "".join(facts) for facts, _ in seen.points(CALLS))


async def test_tasks_have_their_own_spans(seen: Seen) -> None:
    """Two bills at once: each request is below its own call."""
    import asyncio

    transport = EmulatorTransport(STRIPE.emulator(clock=FakeClock()), BASE)

    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return transport.handle_request(request)

    async with AsyncClient(
        "stripe", api_key=KEY, base_url=BASE, http=httpx.AsyncClient(transport=httpx.MockTransport(slow))
    ) as client:
        bills = [CHARGE.model_copy(update={"reference": f"res-{number}"}) for number in range(5)]
        await asyncio.gather(*(client.create(bill) for bill in bills))
    traces: dict[int, list[str]] = {}
    for span in seen.spans:
        assert span.context is not None
        traces.setdefault(span.context.trace_id, []).append(span.name)
    assert list(traces.values()) == [["one_time_charge stripe", "lookup stripe", "GET", "POST", "POST", "POST"]] * 5


# ── webhooks, migrations, shadows ────────────────────────────────────────────────────────────────────────────────────
async def test_deliveries_are_counted_and_what_the_application_does_is_a_span(seen: Seen) -> None:
    """Read, refused, unreadable; a failure of the application's function is an error of its span."""
    failing = [True]

    def on_event(_event: object) -> None:
        if failing.pop() if failing else False:
            raise ValueError("Zoë")

    app, content = receiver(on_event), body()
    assert await deliver(app, content, signed(content)) == 500
    assert await deliver(app, content, signed(content)) == 204
    assert await deliver(app, content, signed(content)) == 204  # once is enough: no second span
    with pytest.raises(InvalidSignature):
        parse("stripe", {}, content, secret=SECRET, at=AT)
    with pytest.raises(MalformedResponse):
        parse("stripe", {}, b"[]", secret=None, at=AT, verified=False)
    read = {facts["invoice_bridge.webhook.result"]: count for facts, count in seen.points(DELIVERIES)}
    assert read == {"read": 3, "refused": 1, "unreadable": 1}
    spans = [span for span in seen.spans if span.name == "process webhook stripe"]
    assert [attributes(span).get("error.type") for span in spans] == ["ValueError", None]
    assert attributes(spans[1]) == {"provider": "stripe", "webhook.type": "paid", "invoice.id": "in_1"}
    assert "Zoë" not in seen.text()


def test_each_item_of_a_migration_is_a_span_above_its_calls(seen: Seen, tmp_path: Path) -> None:
    """With the state that the ledger has, and the invoice at the target."""
    with move(tmp_path) as between:
        between.fill(3, ("paid",))
        seen.exporter.clear()
        with between.migration() as migration:
            plan = migration.plan(customers=between.customers)
            migration.run(plan, allow=migration.preview(plan).stopping, threads=1)
    items = [span for span in seen.spans if span.name == "migrate make"]
    assert [attributes(span)["migrate.state"] for span in items] == ["done"] * 3
    assert {attributes(span)["migrate.plan"] for span in items} == {plan}
    targets = {attributes(span)["invoice.id"] for span in items}
    assert len(targets) == 3
    calls = {span.name for span in seen.spans if span.parent and span.parent.span_id in ids_of(items)}
    assert "import_invoice chargebee" in calls
    assert seen.points(ITEMS) == [({"invoice_bridge.migrate.stage": "make", "invoice_bridge.migrate.state": "done"}, 3)]


def ids_of(spans: list[ReadableSpan]) -> set[int]:
    return {span.context.span_id for span in spans if span.context}


def test_a_shadow_counts_bills_and_findings(seen: Seen, tmp_path: Path) -> None:
    """By kind, severity and code; with the bill whose candidate refuses it as one that differs."""
    pair = Pair(tmp_path / "bills.sqlite")
    with Shadow(pair.old.client(journal=pair.place), pair.new.client()) as billing:
        billing.create(pair.period(11), allow=ALLOWED)
        billing.create(pair.period(12, purchase_order="PO-7"), allow=[*ALLOWED, "purchase_order"])
    bills = [(facts["invoice_bridge.shadow.result"], count) for facts, count in seen.points(BILLS_COMPARED)]
    assert sum(count for _, count in bills) == 2
    kinds = {facts["invoice_bridge.shadow.kind"] for facts, _ in seen.points(FINDINGS)}
    assert "loss" in kinds
    assert all(facts["invoice_bridge.shadow.candidate"] == "chargebee" for facts, _ in seen.points(FINDINGS))


# ── the seam ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_second_instrument_is_refused(seen: Seen) -> None:
    """It would make every span twice."""
    with pytest.raises(ConfigurationError, match="traced already"):
        seen.start()


def test_after_stop_nothing_is_recorded() -> None:
    """And instrument() may be called again."""
    seen = Seen()
    with seen.start():
        pass
    emulated().create(CHARGE)
    assert seen.spans == []
    with seen.start(), emulated() as client:
        client.create(CHARGE)
    assert seen.spans


class Broken:
    """An observer that fails at everything."""

    def begin(self, started: observers.Started) -> Callable[[Any], object]:
        def end(_ended: object) -> None:
            raise RuntimeError("at the end")

        if isinstance(started, observers.RequestStarted):
            raise RuntimeError("at a request")
        return end

    def point(self, point: observers.Point) -> None:
        raise RuntimeError("at a point")


def test_an_observer_that_fails_fails_no_bill(caplog: pytest.LogCaptureFixture, seen: Seen) -> None:
    """The bill is made, the other observer sees everything, and the log has the class alone."""
    broken = Broken()
    observers.add_observer(broken)
    try:
        with emulated(Fault(Kind.HTML_502_BEFORE, "POST", times=1), lookup="never") as client:
            assert client.create(CHARGE).total == Money(1999, "EUR")
    finally:
        observers.remove_observer(broken)
    assert {record.getMessage() for record in caplog.records if record.name == "invoice_bridge.observers"} == {
        "an observer failed at RequestStarted: RuntimeError",
        "an observer failed at Waited: RuntimeError",
        "an observer failed at CallEnded: RuntimeError",
    }
    assert seen.tree()[0] == "one_time_charge stripe"


def test_every_metric_is_on_the_page() -> None:
    """With its unit."""
    listed = PAGE.read_text("utf-8")
    assert [name for name, (unit, _) in METRICS.items() if f"| `{name}` | `{unit}` |" not in listed] == []


def test_nothing_is_imported_without_being_asked_for() -> None:
    """A client that bills loads no OpenTelemetry; the seam alone."""
    code = (
        "import sys, invoice_bridge; c = invoice_bridge.Client('stripe', api_key='sk_test_not_a_key'); "
        "print([name for name in sys.modules if 'opentelemetry' in name or name == 'invoice_bridge.otel'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_off_costs_less_than_a_microsecond() -> None:
    """The test of the empty tuple, at a call and at each request: far below what a bill costs."""
    rounds = 20_000
    best = min(timed(rounds) for _ in range(5))
    assert best / rounds < 1e-6


def timed(rounds: int) -> float:
    began = time.perf_counter()
    for _ in range(rounds):
        observers.is_watched()
    return time.perf_counter() - began


SECONDS = "invoice_bridge.wait.seconds"
CALLS, REQUESTS = "invoice_bridge.call.duration", "http.client.request.duration"
LOOKUPS, ITEMS = "invoice_bridge.lookup.duration", "invoice_bridge.migrate.item.duration"
DELIVERIES, FINDINGS = "invoice_bridge.webhook.deliveries", "invoice_bridge.shadow.findings"
BILLS_COMPARED = "invoice_bridge.shadow.bills"


def test_the_page_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks run from top to bottom."""
    monkeypatch.chdir(tmp_path)
    runner = Runner(programs={"pip": lambda _words: None})
    runner.run("docs/how-to/opentelemetry.md")
    assert runner.compared == 2
