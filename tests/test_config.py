"""Profiles from a TOML file: one line names the provider, and every fault is one clear line."""

import re
from pathlib import Path

import pytest

from invoice_bridge import Client, ConfigurationError
from invoice_bridge.client.config import key_variable, read_profile

WHOLE = """\
default = "main"
[profiles.main]
provider = "stripe"
mode = "test"
timeout = 20
deadline = 60.5
[profiles.other]
provider = "stripe"
[profiles.other.providers.stripe]
api_key_env = "OTHER_KEY"
settings = { account = "acct_2" }
[providers.stripe]
api_key_env = "MAIN_KEY"
base_url = "http://127.0.0.1:8787/stripe"
insecure = false
settings = { account = "acct_1" }
[customers]
acme = { stripe = "cus_1", whop = "mber_2" }
"""


@pytest.fixture
def billing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, in a directory where `billing.toml` names it, with its keys in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAIN_KEY", "sk_test_not_a_key")
    monkeypatch.setenv("OTHER_KEY", "sk_test_not_a_key_either")
    (tmp_path / "billing.toml").write_text(WHOLE, "utf-8")
    return Path("billing.toml")


def test_a_profile_becomes_the_arguments_of_a_client(billing: Path) -> None:
    """Everything the file says about the default profile is there, and nothing else."""
    assert read_profile(billing) == {
        "provider": "stripe",
        "api_key": "sk_test_not_a_key",
        "mode": "test",
        "timeout": 20,
        "deadline": 60.5,
        "base_url": "http://127.0.0.1:8787/stripe",
        "insecure": False,
        "customers": {"acme": {"stripe": "cus_1", "whop": "mber_2"}},
        "account": "acct_1",
    }


def test_a_profile_may_have_tables_of_its_own(billing: Path) -> None:
    """What a profile says about a provider stands in place of what the file says, key by key."""
    found = read_profile(billing, "other")
    assert (found["api_key"], found["account"]) == ("sk_test_not_a_key_either", "acct_2")
    assert found["base_url"] == "http://127.0.0.1:8787/stripe"
    assert "mode" not in found


def test_a_client_is_made_from_a_profile(billing: Path) -> None:
    """Client.from_config takes the file's path, and the key does not show."""
    with Client.from_config(billing) as client:
        assert repr(client) == "Client('stripe', base_url='http://127.0.0.1:8787/stripe')"


def test_another_provider_is_one_line(billing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every provider's table in the file, changing the provider's name changes key and host, and nothing leaks."""
    monkeypatch.setenv("CHARGEAPI_API_KEY", "ch_sk_test_not_a_key")
    billing.write_text(WHOLE.replace('provider = "stripe"', 'provider = "chargeapi"', 1), "utf-8")
    found = read_profile(billing)
    assert (found["provider"], found["api_key"]) == ("chargeapi", "ch_sk_test_not_a_key")
    assert found.keys() == {"provider", "api_key", "mode", "timeout", "deadline", "customers"}


def test_the_only_profile_needs_no_default(billing: Path) -> None:
    """A file with one profile means that one, and the key is where its provider's name says."""
    billing.write_text('[profiles.one]\nprovider = "stripe"\n[providers.stripe]\napi_key_env = "MAIN_KEY"\n', "utf-8")
    assert read_profile(billing) == {"provider": "stripe", "api_key": "sk_test_not_a_key"}


def test_the_usual_variable_is_named_after_the_provider() -> None:
    """Where the file names no variable, the provider's name does."""
    assert key_variable("stripe") == "STRIPE_API_KEY"
    assert key_variable("our-own") == "OUR_OWN_API_KEY"


MAIN = '[profiles.main]\nprovider = "stripe"\n'
KEY = '[providers.stripe]\napi_key_env = "MAIN_KEY"\n'


@pytest.mark.parametrize(
    "text,fault",
    [
        ("", '[profiles]: there is no profile: write [profiles.main] and under it provider = "…"'),
        ("default = ", "it is not TOML: Invalid value (at end of document)"),
        ("a = 1\na = 2\n", "it is not TOML: Cannot overwrite a value (at line 2, column 6)"),
        ("a = " + "[" * 5000, "it is not TOML: nested too deeply"),
        ('defualt = "main"', "the top of the file: there is no 'defualt' here; did you mean 'default'?"),
        ('provider = "stripe"', "the top of the file: there is no 'provider' here; write it under a profile, as in "),
        ("default = 1", 'the top of the file default: it must be a text like "…", not a number'),
        ("profiles = []", "the top of the file profiles: it must be a table, not a list"),
        ("[profiles]\nmain = 2026-05-01", "profiles.main: it must be a table, not a date: write [profiles.main]"),
        ("[profiles.main]", '[profiles.main]: it has no provider: start it with provider = "…", one of chargeapi, '),
        ('[profiles.main]\nprovider = ""', '[profiles.main] provider: it must be a text like "…", not an empty text'),
        (
            '[profiles.main]\nprovider = "strip"',
            "[profiles.main] provider: there is no provider 'strip'; did you mean 'stripe'?",
        ),
        (
            MAIN + 'api_key = "sk_live_x"',
            "[profiles.main]: api_key: the file must not contain a key: put it into an environment variable, and",
        ),
        (
            MAIN + '[providers.stripe]\napi_key = "sk_live_x"',
            "[providers.stripe]: api_key: the file must not contain a ",
        ),
        (
            MAIN + '[providers.stripe]\nsettings = { api_key = "sk_live_x" }',
            "[providers.stripe]: api_key: the file must",
        ),
        ('api_key = "sk_live_x"', "the top of the file: api_key: the file must not contain a key"),
        (
            MAIN + '[providers.stripe]\napi_key_env = "sk_live_x"',
            "[providers.stripe] api_key_env: it must name an environment variable, in",
        ),
        (MAIN + 'api_key_env = "K"', "[profiles.main]: there is no 'api_key_env' here; it belongs to one provider: "),
        (MAIN + "timout = 3", "[profiles.main]: there is no 'timout' here; did you mean 'timeout'?"),
        (MAIN + 'timeout = "3"', "[profiles.main] timeout: it must be a number of seconds above 0 and below 86400"),
        (MAIN + "timeout = true", "[profiles.main] timeout: it must be a number of seconds"),
        (MAIN + "deadline = 0", "[profiles.main] deadline: it must be a number of seconds above 0"),
        (MAIN + "deadline = nan", "[profiles.main] deadline: it must be a number of seconds above 0"),
        (MAIN + 'mode = "tests"', '[profiles.main] mode: it must be "test" or "live"'),
        (MAIN + "providers = 3", "[profiles.main] providers: it must be a table, not a number"),
        (MAIN + "[providers.strpe]", "[providers]: there is no provider 'strpe'; did you mean 'stripe'?"),
        (
            MAIN + "[providers]\nstripe = 1",
            "providers.stripe: it must be a table, not a number: write [providers.stripe]",
        ),
        (MAIN + '[providers.chargebee]\nsite = "acme"', "[providers.chargebee]: there is no 'site' here; if it is a s"),
        (
            MAIN + '[providers.stripe]\nbase_ulr = "x"',
            "[providers.stripe]: there is no 'base_ulr' here; did you mean 'b",
        ),
        (MAIN + '[providers.stripe]\ninsecure = "no"', "[providers.stripe] insecure: it must be true or false, not "),
        (
            MAIN + '[providers.stripe]\nsettings = { acount = "acct_1" }',
            "[providers.stripe] settings: Stripe has no setting 'acount'; did you mean 'account'?",
        ),
        (MAIN + '[customers]\nacme = "cus_1"', "customers.acme: it must be a table, not a text"),
        (
            MAIN + "[customers]\nacme = { stripe = 1 }",
            '[customers] acme.stripe: it must be a text like "…", not a number',
        ),
        (
            MAIN + '[customers]\nacme = { sripe = "c" }',
            "[customers] acme: there is no provider 'sripe'; did you mean 'stripe'?",
        ),
        (MAIN + "[profiles.b]", "[profiles.b]: it has no provider"),
        (
            MAIN + '[profiles.b]\nprovider = "stripe"',
            'default: choose a profile as default = "…": the file has b, main',
        ),
        ('default = "mian"\n' + MAIN, "default: there is no profile 'mian'; did you mean 'main'?"),
        (
            MAIN,
            "[profiles.main]: the environment variable STRIPE_API_KEY is not set: put the stripe key there, or name an",
        ),
        (
            MAIN + '[providers.stripe]\napi_key_env = "EMPTY_KEY"',
            "[profiles.main]: the environment variable EMPTY_KEY is empty: put the stripe key there",
        ),
    ],
)
def test_every_fault_of_a_file_is_one_clear_line(
    billing: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    """It names the file, the place and what to do, and repeats nothing that may be a key."""
    monkeypatch.setenv("EMPTY_KEY", "  ")
    billing.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match="^" + re.escape(f"billing.toml: {fault}")) as raised:
        read_profile(billing)
    assert "\n" not in str(raised.value)
    assert "sk_live_x" not in str(raised.value)


def test_a_profile_that_is_asked_for_must_be_there(billing: Path) -> None:
    """The nearest name is said; where none is near, all of them."""
    with pytest.raises(
        ConfigurationError, match=r"billing\.toml: \[profiles\]: there is no profile 'othr'; did you mean"
    ):
        read_profile(billing, "othr")
    with pytest.raises(ConfigurationError, match=r"there is no profile 'zzz'; valid names: main, other$"):
        read_profile(billing, "zzz")


def test_what_a_provider_requires_is_named(billing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A required setting that is missing is said with where to write it."""
    monkeypatch.setenv("WHOP_API_KEY", "whop_test_not_a_key")
    billing.write_text('[profiles.main]\nprovider = "whop"', "utf-8")
    with pytest.raises(
        ConfigurationError, match=r"main\]: whop needs the setting account_id .* under \[providers\.whop\]"
    ):
        read_profile(billing)


@pytest.mark.parametrize(
    "path,fault",
    [
        ("none.toml", "none.toml: there is no such file"),
        (".", ".: it is a directory; name the TOML file in it"),
        ("latin.toml", "latin.toml: byte 11 is not UTF-8: save the file as UTF-8"),
        ("a\0b", "it cannot be read: "),
        ("x" * 5000, "it cannot be read: File name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(billing: Path, path: str, fault: str) -> None:
    """Missing, a directory, another encoding, an impossible name: each says so."""
    Path("latin.toml").write_bytes(b'default = "m\xe4in"'.replace(b"m\xe4", b"\xe4"))
    with pytest.raises(ConfigurationError, match=re.escape(fault)) as raised:
        read_profile(path)
    assert "\n" not in str(raised.value)


def test_a_file_with_a_byte_order_mark_is_read(billing: Path) -> None:
    """Some editors begin UTF-8 files with a mark."""
    billing.write_text(WHOLE, "utf-8-sig")
    assert read_profile(billing)["provider"] == "stripe"


def test_the_example_that_ships_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """examples/billing.toml reads for each of its profiles."""
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not_a_key")
    example = Path(__file__).resolve().parent.parent / "examples" / "billing.toml"
    assert read_profile(example)["mode"] == "test"
    assert read_profile(example, "emulator")["base_url"] == "http://127.0.0.1:8787/stripe"
