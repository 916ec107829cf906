"""What keeps a calibration away from a live account, at each provider; and what it may do there."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, providers
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.probes import Probe, Trial
from invoice_bridge.client.calibration import calibrate
from invoice_bridge.core.errors import Unauthorized
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator.server import Served
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargeapi.emulator import ChargeApiEmulator
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.calibration.conftest import NAMES, NOW, emulator_of, given, probes_of, run


@pytest.mark.parametrize(
    "name,key",
    [
        ("chargeapi", "ch_sk_live_not_a_key"),
        ("chargeapi", "not_a_key_with_a_mode"),
        ("chargebee", "live_not_a_key"),
        ("stripe", "sk_live_not_a_key"),
        ("stripe", "rk_live_not_a_key"),
        ("stripe", "not_a_key_with_a_mode"),
    ],
)
def test_a_key_that_is_not_of_test_mode_sends_nothing(server: Served, name: str, key: str) -> None:
    """By its prefix, before any request."""
    emulator = emulator_of(name)
    with pytest.raises(ConfigurationError, match=r"test mode|shows live"):
        run(server, emulator, key=key)
    assert emulator.requests == 0
    if "live" in key:
        with pytest.raises(ConfigurationError, match="shows live"):
            run(server, emulator, key=key, may_write=False)
        assert emulator.requests == 0


def test_a_site_and_a_key_that_disagree_send_nothing(server: Served) -> None:
    """A test key at a Chargebee site whose name does not end in -test, and the reverse."""
    emulator = emulator_of("chargebee")
    server.put("chargebee", emulator)
    settings = given(server, emulator, "live_not_a_key")
    with pytest.raises(ConfigurationError, match="shows live and test"):
        calibrate(settings, probes_of("chargebee"), "cus_42", "cal-1", may_write=True)
    settings = {**given(server, emulator, "not_a_key_with_a_mode"), "site": "acme"}
    with pytest.raises(ConfigurationError, match="shows no mode"):
        calibrate(settings, probes_of("chargebee"), "cus_42", "cal-1", may_write=True)
    assert emulator.requests == 0


def test_the_live_host_of_whop_gets_nothing() -> None:
    """Whop's keys look alike, so its host decides before any request; the tests have no network."""
    settings = {"provider": "whop", "api_key": "whop_test_not_a_key", "account_id": "biz_42"}
    with pytest.raises(ConfigurationError, match="shows live"):
        calibrate(settings, probes_of("whop"), "mber_42", "cal-1", may_write=True)


def _replacing(kind: type[Emulator], old: bytes, new: bytes) -> Emulator:
    """Make an emulator whose answers have something else than they should."""

    class Other(kind):  # type: ignore[valid-type,misc]
        def __call__(self, *arguments: Any, **options: Any) -> Response:
            answer: Response = super().__call__(*arguments, **options)
            return Response(answer.status, answer.content.replace(old, new), answer.headers)

    made: Any = Other
    return made()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "make",
    [
        lambda: _replacing(StripeEmulator, b'"livemode":false', b'"livemode":true'),
        lambda: _replacing(StripeEmulator, b'"livemode":false', b'"mode":"?"'),
        lambda: _replacing(ChargebeeEmulator, b'"domain":"acme-test"', b'"domain":"acme"'),
        lambda: _replacing(ChargebeeEmulator, b'"domain":"acme-test",', b""),
        lambda: _replacing(ChargebeeEmulator, b'"configurations":[{', b'"configurations":["x",{'),
        lambda: _replacing(ChargeApiEmulator, b'"previous_page_url":null', b'"livemode":true'),
        lambda: _replacing(ChargeApiEmulator, b'"data":', b'"rows":'),
    ],
)
def test_an_account_that_does_not_say_test_is_not_written_to(server: Served, make: Callable[[], Emulator]) -> None:
    """By its own answer, whatever the key's prefix says; an answer that does not state it is no permission either."""
    emulator = make()
    with pytest.raises(ConfigurationError, match="does not say test mode"):
        run(server, emulator)
    assert emulator.writes == 0


CONTROL = b'{"provider":"whop","switches":{},"writes":0}'
LISTED = Response(200, b'{"data":[]}')


@pytest.mark.parametrize(
    "base_url,answers,live",
    [
        ("https://sandbox-api.whop.com/api/v1", [LISTED], False),
        ("https://api.whop.com/api/v1", [LISTED], True),
        ("https://sandbox-api.whop.com/api/v1", [Response(404, b"{}")], None),
        ("https://whop.example.test/api/v1", [LISTED], None),
        ("http://127.0.0.1:9/whop/api/v1", [LISTED, Response(200, CONTROL)], False),
        ("http://127.0.0.1:9/whop/api/v1", [LISTED, Response(200, b'{"provider":"whop"}')], None),
        ("http://127.0.0.1:9/whop/api/v1", [LISTED, Response(404, b"not found")], None),
    ],
)
def test_whop_is_a_test_account_in_its_sandbox_alone(base_url: str, answers: list[Response], live: bool | None) -> None:
    """On this machine only an emulator is one: what answers there may forward requests to the live host."""
    context = make_context(providers.get("whop"), {"account_id": "biz_42"}, base_url=base_url)
    steps = probes_of("whop").is_live(Trial(context, "mber_42", "cal-1", NOW))
    request = next(steps)
    assert (request.method, request.url.startswith(f"{base_url}/invoices?")) == ("GET", True)
    for answer in answers[:-1]:
        request = steps.send(answer)
    with pytest.raises(StopIteration) as end:
        steps.send(answers[-1])
    assert end.value.value is live
    if base_url.startswith("http:"):
        assert request.url == "http://127.0.0.1:9/whop/_control"


def test_a_probe_that_writes_and_does_not_say_so_sends_nothing(server: Served) -> None:
    """The client refuses it, and the run ends with that error: it is a mistake of the adapter."""
    emulator, probes = emulator_of("stripe"), probes_of("stripe")
    wrong = replace(probes, rows={"finalize_empty": Probe(probes.rows["finalize_empty"].flow)})
    server.put("stripe", emulator)
    with pytest.raises(ConfigurationError, match="nothing is written"):
        calibrate(given(server, emulator), wrong, emulator.customer, "cal-1", now=NOW)
    assert emulator.requests == 0


@pytest.mark.parametrize("name", NAMES)
def test_without_the_flag_nothing_is_written(server: Served, name: str) -> None:
    """The probes that write are listed as skipped, those that may charge too."""
    emulator, probes = emulator_of(name), probes_of(name)
    result = run(server, emulator, may_write=False)
    assert result.skipped == [switch for switch, probe in probes.rows.items() if probe.writes]
    assert (emulator.writes, result.kept, result.left) == (0, {}, {})


@pytest.mark.parametrize("name", ["chargeapi", "whop"])
def test_without_its_flag_nothing_is_charged(server: Served, name: str) -> None:
    """Drafts and voided invoices alone; no amount is collected."""
    emulator, probes = emulator_of(name), probes_of(name)
    result = run(server, emulator, may_charge=False)
    assert result.skipped == [switch for switch, probe in probes.rows.items() if probe.charges]
    assert len(result.skipped) > 1
    assert [entry for entry in emulator.ledger if entry.event == "collected" and entry.units] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chargebee", "stripe"])
def test_the_others_charge_and_mail_nobody(server: Served, name: str) -> None:
    """No probe of theirs charges; Stripe's one mail goes to an address that nobody has."""
    emulator = emulator_of(name)
    run(server, emulator)
    assert not any(probe.charges for probe in probes_of(name).rows.values())
    assert {entry.customer for entry in emulator.ledger} - {emulator.customer}
    assert [entry for entry in emulator.ledger if entry.event in {"collected", "refunded"}] == []
    assert [entry for entry in emulator.ledger if entry.customer == emulator.customer] == []
    assert sum(entry.event == "mailed" for entry in emulator.ledger) == (name == "stripe")


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_ends_it(server: Served, name: str) -> None:
    """Nothing is written, and the key is in no message."""
    emulator = emulator_of(name)
    key = f"{emulator.key}_another"
    with pytest.raises(Unauthorized) as caught:
        run(server, emulator, key=key)
    assert (emulator.writes, key in str(caught.value)) == (0, False)
    result = run(server, emulator, key=key, may_write=False)
    reads = any(not probe.writes for probe in probes_of(name).rows.values())
    assert (("key was refused" in result.stopped), result.observed) == (reads, {})
    assert key not in result.stopped
