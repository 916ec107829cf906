"""A key in the wrong place: refused before anything is sent, in words that do not repeat it."""

import copy
import os
import pickle
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import AsyncClient, BridgeError, Client, ConfigurationError, ListInvoices, providers, webhooks
from invoice_bridge.client.config import read_profile
from tests.secrets.canary import ALLOW, CANARIES, SINCE, answering, charge, emulated, repeating, says, texts

KEY = CANARIES["stripe"]
each_provider = pytest.mark.parametrize("name", CANARIES)


def _plain(error: BaseException) -> str:
    return f"{error!r} {error} {error.args!r} {vars(error)!r} {''.join(traceback.format_exception(error))}"


# ── where a client is made ───────────────────────────────────────────────────────────────────────────────────────────
MISPLACED: dict[str, dict[str, Any]] = {
    "a user in base_url": {"base_url": f"https://{KEY}@stripe.example.test"},
    "a password in base_url": {"base_url": f"https://user:{KEY}@stripe.example.test"},
    "a query in base_url": {"base_url": f"https://stripe.example.test?key={KEY}"},
    "a path in base_url": {"base_url": f"https://stripe.example.test/{KEY}"},
    "an encoded path in base_url": {"base_url": "https://stripe.example.test/sk_test_not_a_key_canary_Zq7%2f%2B"},
    "a host": {"base_url": f"http://{KEY}"},
    "a setting": {"account": KEY},
    "the name of a setting": {KEY: "x"},
    "mode": {"mode": KEY},
    "lookup": {"lookup": KEY},
    "insecure": {"insecure": KEY},
    "journal": {"journal": f"{KEY}.sqlite"},
    "the customer map": {"customers": {"alice": {"stripe": KEY}}},
}


@pytest.mark.parametrize("said", MISPLACED.values(), ids=MISPLACED)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_not_made_with_its_key_elsewhere(kind: Any, said: dict[str, Any]) -> None:
    """In every other argument it would stand in addresses, logs, or a file."""
    with pytest.raises(ConfigurationError) as caught:
        kind("stripe", api_key=KEY, **said)
    assert not says(_plain(caught.value), KEY)


@pytest.mark.parametrize(
    "name, setting", [("chargebee", "site"), ("chargebee", "reference_field"), ("whop", "account_id")]
)
def test_no_setting_of_any_provider_takes_the_key(name: str, setting: str) -> None:
    """A site becomes a host, an account a parameter: both would send the key elsewhere."""
    settings = {**providers.get(name).emulator().settings, setting: CANARIES[name]}
    with pytest.raises(ConfigurationError) as caught:
        Client(name, api_key=CANARIES[name], **settings)
    assert not says(_plain(caught.value), CANARIES[name])


def test_a_provider_named_by_the_key_is_not_repeated() -> None:
    """The two arguments, exchanged."""
    with pytest.raises(ConfigurationError, match=r"there is no provider '\[api key\]'") as caught:
        Client(KEY, api_key=KEY)
    assert not says(_plain(caught.value), KEY)


@each_provider
def test_a_client_shows_its_key_nowhere(name: str) -> None:
    """Not in its repr, its attributes, its context, its declaration, a copy; it cannot be pickled."""
    for kind in (Client, AsyncClient):
        client = answering(name, lambda _request: httpx.Response(200), kind)
        for shown in (
            client,
            client._context,
            client._context.provider,
            client._policy,
            copy.copy(client),
            client._http,
        ):
            assert not says(f"{shown!r} {shown} {getattr(shown, '__dict__', {})!r}", CANARIES[name])
        for leaves in (pickle.dumps, copy.deepcopy):
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as caught:
                leaves(client)
            assert not says(_plain(caught.value), CANARIES[name])


@each_provider
def test_no_form_of_a_plan_shows_the_key(name: str) -> None:
    """Text, JSON and curl: the key is a variable of the shell, or it is not there."""
    client = answering(name, lambda _request: httpx.Response(200))
    plan = client.explain(charge(name))
    shown = [repr(plan), plan.text(color=True), repr(plan.to_json()), plan.curl(), repr(vars(plan))]
    shown += [f"{request!r} {request.headers!r} {request.content!r}" for request in plan.requests]
    assert plan.requests
    assert f"${name.upper()}_API_KEY" in plan.curl()
    assert not any(says(text, CANARIES[name]) for text in shown)


# ── where a client is used ───────────────────────────────────────────────────────────────────────────────────────────
SAID: dict[str, Callable[[Client], object]] = {
    "an id": lambda client: client.retrieve(KEY),
    "an id to void": lambda client: client.void(KEY),
    "a reference": lambda client: client.create(charge("stripe", reference=KEY)),
    "a reference to resolve": lambda client: client.resolve(charge("stripe", reference=KEY), since=SINCE),
    "a reference to explain": lambda client: client.explain(charge("stripe", reference=KEY)),
    "part of a description": lambda client: client.create(charge("stripe", description=f"paid with {KEY}")),
    "metadata": lambda client: client.create(charge("stripe", metadata={"key": KEY})),
    "a name of metadata": lambda client: client.update("in_1", metadata={KEY: "x"}),
    "a customer": lambda client: client.create(charge("stripe", customer=KEY)),
    "a payment method": lambda client: client.pay("in_1", payment_method=KEY),
    "a filter": lambda client: list(client.list(customer=KEY)),
    "a cursor": lambda client: client.page(ListInvoices(cursor=KEY)),
    "its loss": lambda client: client.losses(charge("stripe", reference=KEY)),
}


@pytest.mark.parametrize("call", SAID.values(), ids=SAID)
def test_a_command_that_says_the_key_is_not_sent(call: Callable[[Client], object], tmp_path: Path) -> None:
    """It would stand on an invoice and in the provider's records: refused, unsent, in no journal, and not repeated."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    with answering("stripe", answer, journal=tmp_path / "bills.sqlite") as client:
        with pytest.raises(ConfigurationError, match="the command contains the API key; nothing was sent") as caught:
            call(client)
        assert not says(_plain(caught.value), KEY)
        assert not any(says(path.read_bytes(), KEY) for path in tmp_path.iterdir())
    assert sent == []


def test_another_key_in_a_command_is_the_callers_own_data() -> None:
    """Only a client's own key is known to it: what else is secret, it cannot tell."""
    other = CANARIES["whop"]
    plan = answering("stripe", lambda _request: httpx.Response(200)).explain(charge("stripe", reference=other))
    assert says(plan.text(), other)


# ── profiles ─────────────────────────────────────────────────────────────────────────────────────────────────────────
FILES = {
    "api_key": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\napi_key = "{KEY}"',
    "another word for it": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\napikey = "{KEY}"',
    "api_key_env": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\napi_key_env = "{KEY}"',
    "the provider": f'[profiles.a]\nprovider = "{KEY}"',
    "the default": f'default = "{KEY}"\n[profiles.a]\nprovider = "stripe"',
    "mode": f'[profiles.a]\nprovider = "stripe"\nmode = "{KEY}"',
    "lookup": f'[profiles.a]\nprovider = "stripe"\nlookup = "{KEY}"',
    "insecure": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\ninsecure = "{KEY}"',
    "the name of a line": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\n"{KEY}" = 1',
    "a setting": f'[profiles.a]\nprovider = "chargebee"\n[providers.chargebee]\nsettings = {{ site = "{KEY}" }}',
    "a setting's name": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\nsettings = {{ "{KEY}" = "x" }}',
    "a settings' api_key": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\nsettings = {{ api_key = "{KEY}" }}',
    "base_url": f'[profiles.a]\nprovider = "stripe"\n[providers.stripe]\nbase_url = "https://{KEY}@a.test"',
    "a customer": f'[profiles.a]\nprovider = "stripe"\n[customers]\nalice = {{ stripe = "{KEY}" }}',
    "a customer's table": f'[profiles.a]\nprovider = "stripe"\n[customers]\nalice = "{KEY}"',
    "no TOML": f"api_key = {KEY}",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_key_in_a_file_is_refused_and_not_repeated(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands by mistake; the key itself comes from the environment."""
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("CHARGEBEE_API_KEY", KEY)
    path = tmp_path / "billing.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Client.from_config(path)
    assert not says(_plain(caught.value), KEY)


def test_a_key_of_the_environment_shows_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client made from a profile hides its key as any other does."""
    monkeypatch.setenv("STRIPE_API_KEY", f" {KEY}\n")
    path = tmp_path / "billing.toml"
    path.write_text('[profiles.a]\nprovider = "stripe"\nmode = "test"', "utf-8")
    assert read_profile(path)["api_key"] == KEY
    with Client.from_config(os.fspath(path)) as client:
        assert not says(f"{client!r} {vars(client)!r}", KEY)


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────
SECRETS = {
    "stripe": "whsec_not_a_secret_canary_Zq7/+",
    "whop": "ws_not_a_secret_canary_Zq7_and_more_of_it",
    "chargebee": "canary:not_a_secret_Zq7/+",
}
DELIVERIES: list[dict[str, str]] = [
    {},
    {"Stripe-Signature": "t=1,v1=00"},
    {"Stripe-Signature": "t=1793610000,v1=00"},
    {"webhook-id": "a", "webhook-timestamp": "1793610000", "webhook-signature": "v1,AA=="},
    {"Authorization": "Basic Og=="},
]


@pytest.mark.parametrize("name", SECRETS)
def test_no_webhook_secret_stands_in_an_error(name: str) -> None:
    """A delivery that does not fit is refused without a word of the secret."""
    refused = 0
    for headers in DELIVERIES:
        with pytest.raises(BridgeError) as caught:
            webhooks.parse(name, headers, b"{}", secret=SECRETS[name], at=datetime.fromtimestamp(1793610000, UTC))
        refused += 1
        assert not says(_plain(caught.value), SECRETS[name])
        assert not says(_plain(caught.value), SECRETS[name].partition(":")[2] or SECRETS[name])
    assert refused == len(DELIVERIES)


# ── what is no variable, and no warning ──────────────────────────────────────────────────────────────────────────────
def test_a_traceback_with_variables_shows_no_key_of_a_client_that_was_made() -> None:
    """A mistake after that shows the key nowhere, not even where a traceback prints every variable."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        client = Client(
            "stripe", api_key=KEY, base_url="http://127.0.0.1:1", requests_per_minute=1_000_000, timeout=1.0
        )
        with pytest.raises(BridgeError) as caught:
            client.void("in_1")
        client.close()
        del client
    assert not any(says(text, KEY) for text in texts(caught.value))
    assert not any(says(str(each.message), KEY) for each in warned)


@each_provider
def test_an_emulator_keeps_no_credentials(name: str) -> None:
    """What it remembers and what it tells, ledger included, is what was billed."""
    client, transport = emulated(name)
    client.create(charge(name), allow=ALLOW)
    emulator: Any = transport.emulator
    kept = {word: value for word, value in vars(emulator).items() if word != "kept"}
    assert kept["ledger"] is emulator.ledger
    assert not says(repr(kept), CANARIES[name])
    assert not says(repr([each.fingerprint for each in emulator.kept.values()]), CANARIES[name])
    assert repeating(name).key == CANARIES[name]
