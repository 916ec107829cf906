"""What a calibration made is taken back, whatever happened; what stays is listed."""

import pytest

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.emulation.probes import Probes
from invoice_bridge.client.calibration import calibrate
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator.server import Served
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from invoice_bridge.providers.stripe.emulator.probes import PROBES
from tests.calibration.conftest import NOW, emulator_of, given, probes_of, run


def of(probes: Probes, *switches: str) -> Probes:
    """Return some of the probes alone."""
    rows = {switch: probes.rows[switch] for switch in switches}
    return Probes(rows, {}, probes.is_live, probes.made, probes.take_back, probes.kept)


@pytest.mark.slow
def test_stripe_keeps_what_was_issued_alone(server: Served) -> None:
    """Its drafts and its customers are gone, and the invoices that stay are listed."""
    emulator = StripeEmulator()
    result = run(server, emulator)
    assert set(emulator.customers) == {emulator.customer}
    assert {path.rpartition("/")[2] for path in result.kept} == set(emulator.invoices)
    assert {invoice["status"] for invoice in emulator.invoices.values()} == {"void", "paid"}
    assert emulator.customers[emulator.customer]["balance"] == 0


@pytest.mark.slow
def test_chargebee_keeps_nothing(server: Served) -> None:
    """Its invoices are deleted, with the customers and their cards."""
    emulator = ChargebeeEmulator()
    result = run(server, emulator)
    assert (result.kept, set(emulator.customers), emulator.sources) == ({}, {emulator.customer}, {})
    assert len(emulator.invoices) > 10
    assert all(invoice["deleted"] for invoice in emulator.invoices.values())


def test_what_cannot_be_taken_back_is_listed(server: Served) -> None:
    """A deletion that is refused leaves the draft, by its id and its state."""

    class Keeps(StripeEmulator):
        def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
            del call, invoice_id
            return self.server_error()

    emulator = Keeps()
    server.put("stripe", emulator)
    some = of(PROBES, "replay_header", "whole_units")
    result = calibrate(given(server, emulator), some, emulator.customer, "cal-1", may_write=True, now=NOW)
    assert result.left == {f"v1/invoices/{invoice}": "draft" for invoice in emulator.invoices}
    assert len(result.left) == 2


@pytest.mark.parametrize("status,ends", [(401, True), (403, False)])
def test_a_refusal_of_the_key_halfway(server: Served, status: int, ends: bool) -> None:
    """A key that is taken away ends the probes; one that may not do this alone settles less. All is taken back."""

    class Forbids(StripeEmulator):
        def add_lines(self, call: IncomingRequest, invoice_id: str) -> Response:
            del call, invoice_id
            return Response(status, b"{}", {"content-type": "application/json"})

    emulator = Forbids()
    server.put("stripe", emulator)
    some = of(PROBES, "whole_units", "replay_header")
    result = calibrate(given(server, emulator), some, emulator.customer, "cal-1", may_write=True, now=NOW)
    expected = {} if ends else {"whole_units": None, "replay_header": True}
    assert (result.observed, bool(result.stopped)) == (expected, ends)
    assert (result.left, emulator.invoices, set(emulator.customers)) == ({}, {}, {emulator.customer})


def test_an_answer_that_shows_neither_reading_settles_nothing(server: Served) -> None:
    """A refusal of the amount that must pass is no evidence about the other."""

    class Refuses(StripeEmulator):
        def add_lines(self, call: IncomingRequest, invoice_id: str) -> Response:
            del call, invoice_id
            return self._refuse("No such currency").answer

    emulator = Refuses()
    server.put("stripe", emulator)
    some = of(PROBES, "whole_units")
    result = calibrate(given(server, emulator), some, emulator.customer, "cal-1", may_write=True, now=NOW)
    assert result.observed == {"whole_units": None}


@pytest.mark.parametrize("kind", ["reset_after", "html_502_after", "torn_json"])
def test_a_write_whose_answer_is_lost_is_listed_and_taken_back(server: Served, kind: str) -> None:
    """The draft is found among those of the customer; the report says which write it was."""
    emulator = StripeEmulator()
    server.put("stripe", Faults(emulator, [Fault(Kind(kind), method="POST", path="/v1/invoices$")]))
    some = of(PROBES, "replay_header")
    result = calibrate(given(server, emulator), some, emulator.customer, "cal-1", may_write=True, now=NOW)
    assert [text.partition("/v1")[2] for text in result.unsure] == ["/invoices"]
    assert result.observed.get("replay_header") is None
    assert emulator.invoices == {}


@pytest.mark.parametrize("name", ["chargeapi", "whop"])
def test_a_lost_answer_ends_it(server: Served, name: str) -> None:
    """What was made before is taken back, and the write is listed: what it made is not known."""
    emulator = emulator_of(name)
    faults = Faults(emulator, [Fault(Kind.RESET_AFTER, method="POST", path="/invoices$", skip=2)])
    result = run(server, faults, may_charge=False)
    assert (len(result.unsure), bool(result.stopped), result.left) == (1, True, {})


def test_a_request_that_comes_too_early_is_sent_again(server: Served) -> None:
    """As often as three times; then the probes end."""
    probes = of(probes_of("chargebee"), "customer_credits")
    for times, ends in ((3, False), (4, True)):
        emulator = ChargebeeEmulator()
        server.put("chargebee", Faults(emulator, [Fault(Kind.THROTTLED_FOR, times=times, seconds=0)]))
        result = calibrate(given(server, emulator), probes, emulator.customer, "cal-1", now=NOW)
        assert (result.observed, bool(result.stopped)) == ({} if ends else {"customer_credits": False}, ends)


@pytest.mark.parametrize(
    "status,content,observed,ends",
    [
        (200, b"<html>Sign in</html>", {}, True),
        (302, b"", {}, True),
        (400, b"<html>Bad request</html>", {}, True),
        (407, b"<html>Proxy</html>", {}, True),
        (200, b"{}", {}, True),
        (200, b'{"error": {"message": "no"}}', {"search": None, "customer_discount": None}, False),
        (400, b'{"message": "blocked by policy"}', {"search": None, "customer_discount": None}, False),
        (400, b'{"error": {"message": "no"}}', {"search": False, "customer_discount": None}, False),
    ],
)
def test_what_is_no_answer_of_the_provider_confirms_nothing(
    server: Served, status: int, content: bytes, observed: dict[str, bool | None], ends: bool
) -> None:
    """A proxy's page read as "the account can search": a page ends the run, JSON of another form settles nothing."""

    class Behind(StripeEmulator):
        def __call__(self, *_given: object, **_more: object) -> Response:
            return Response(status, content, {"content-type": "text/html"})

    emulator = Behind()
    server.put("stripe", emulator)
    some = of(PROBES, "search", "customer_discount")
    result = calibrate(given(server, emulator), some, emulator.customer, "cal-1", now=NOW)
    assert (result.observed, bool(result.stopped)) == (observed, ends)
    assert not ends or f"not Stripe: HTTP {status}" in result.stopped


def test_an_answer_of_another_form_settles_nothing(server: Served) -> None:
    """It has other fields than the documented ones: the other probes go on, and what was made is listed."""

    class Renames(ChargebeeEmulator):
        def create_2(self, call: IncomingRequest) -> Response:
            answer = super().create_2(call)
            return Response(answer.status, answer.content.replace(b'"invoice":', b'"bill":'), answer.headers)

    emulator = Renames()
    server.put("chargebee", emulator)
    some = of(probes_of("chargebee"), "tax_inclusive", "deleted_id_free")
    result = calibrate(given(server, emulator), some, emulator.customer, "cal-1", may_write=True, now=NOW)
    assert result.observed == {"tax_inclusive": None, "deleted_id_free": False}
    assert (result.left, result.stopped) == ({}, "")
