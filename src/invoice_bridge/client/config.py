"""The arguments of a client, from a TOML file whose profile names the provider in one line.

    default = "main"                      # the profile to use when none is named

    [profiles.main]
    provider = "stripe"                   # the one line to change
    mode = "test"                         # refuse a key or host of the other mode
    timeout = 30                          # seconds per request
    deadline = 90                         # seconds per call
    journal = "bills.sqlite"              # beside this file: what was tried, so that a restart looks it up;
                                          # or "postgresql://bills@db/main", or journal_env = "BILLS_JOURNAL"
    lookup = "journal"                    # the journal is complete: or "auto", "always", "never"
    book = "default"                      # within which a reference is one bill at all providers
    allow = ["IB-STRIPE-QUANTITY-01"]        # losses that every bill may have; or { one_time_charge = […] }

    [providers.stripe]
    api_key_env = "STRIPE_API_KEY"        # the variable that holds the key; this name is also the default

    [providers.chargebee]
    api_key_env = "CHARGEBEE_API_KEY"
    base_url = "http://127.0.0.1:8787/chargebee/api/v2"     # left out: the provider's own
    settings = { site = "acme-test" }     # what Client("chargebee", …) takes
    requests_per_minute = 1000            # what your plan allows; left out: the provider's lowest

    [profiles.live]
    provider = "stripe"
    mode = "live"
    [profiles.live.providers.stripe]      # in this profile, instead of [providers.stripe]'s
    api_key_env = "STRIPE_LIVE_KEY"

    [customers]                           # your own names → the id at each provider
    acme = { stripe = "cus_1", whop = "mber_2" }
    [payment_methods]                     # the same, for Collection.charge(…) and pay(…)
    acme-card = { stripe = "pm_1" }
    [products]                            # the same, for the products and prices of lines
    seat = { stripe = "prod_1" }
    [switch]                              # two profiles side by side: Handover.from_config, Shadow.from_config
    old = "main"
    new = "next"
    at = 2026-12-01T00:00:00Z             # or [switch.at] with one for each customer, "*" for all others
    [profiles.live.customers]             # in this profile, instead of the entry above; also the other two
    acme = { stripe = "cus_9" }

Rules of this file: everything of one provider is in a table of its name, so that changing the provider changes one
line. Every fault is a ConfigurationError of one line that names the file, the place and what to do; no message repeats
a text that may be a key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invoice_bridge import providers
from invoice_bridge.client.config_tables import (
    PROFILE,
    PROVIDER,
    SWITCH,
    TOP,
    Check,
    fault_of_text,
    kind_of,
    known_providers,
    listed,
    nearest,
    place_hint,
)
from invoice_bridge.client.maps import MAPS
from invoice_bridge.core.commands import one_line
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.location import Location

__all__ = ["key_variable", "read_caps", "read_profile", "read_switch"]

_LONG_WORD = re.compile(r"""(['"])(\S{4})\S{16,}?\1""")
"""A quoted word that may be a key in the wrong place."""


def read_profile(path: str | os.PathLike[str], profile: str | None = None, *, needs_key: bool = True) -> dict[str, Any]:
    """Read one profile of a file as the keyword arguments of `Client`, the provider's name among them.

    Without `profile`, the file's `default` is read, or its only profile. Of `timeout`, `deadline`, `mode`, `journal`,
    `lookup`, `book`, `allow`, `base_url`, `insecure`, `requests_per_minute`, the maps and the settings, the result has
    only those in the file. Raises ConfigurationError for every fault, including a missing environment variable; without
    `needs_key` a missing variable is no fault, and the result has no `api_key`.
    """
    file = _File(os.fspath(path))
    chosen = file.choose(profile)
    place = f"[profiles.{chosen}]"
    own = file.profiles[chosen]
    name = own["provider"]
    declared = providers.get(name)
    here, override = f"[providers.{name}]", f"[profiles.{chosen}.providers.{name}]"
    general, special = file.providers.get(name, {}), own.get("providers", {}).get(name, {})
    merged = {**general, **special}
    settings = {**general.get("settings", {}), **special.get("settings", {})}
    for given, where in ((general.get("settings", {}), here), (special.get("settings", {}), override)):
        try:
            declared.read_settings(given)
        except ConfigurationError as error:
            raise file.fault(f"{where} settings", str(error)) from None
    if missing := declared.missing_settings(declared.read_settings(settings)):
        needed = ", ".join(f"{setting.name} ({setting.help})" for setting in missing)
        raise file.fault(place, f"{name} needs the setting {needed}: write it as settings = {{ … }} under {here}")
    variable = merged.get("api_key_env", key_variable(name))
    key = os.environ.get(variable, "").strip()
    if not key and needs_key:
        state = "is empty" if variable in os.environ else "is not set"
        raise file.fault(
            place,
            f"the environment variable {variable} {state}: put the {name} key there, "
            f"or name another as api_key_env under {here}",
        )
    taken: dict[str, Any] = {
        **{word: own[word] for word in ("mode", "timeout", "deadline", "lookup", "book", "allow") if word in own},
        **file.journal(chosen),
        **{word: merged[word] for word in ("base_url", "insecure", "requests_per_minute") if word in merged},
        **{name: ids for name in MAPS if (ids := {**file.maps.get(name, {}), **own.get(name, {})})},
    }
    return {"provider": name, **({"api_key": key} if key else {}), **taken, **settings}


def read_switch(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the table [switch] of a file: `old` and `new`, the names of profiles, and `at` where it has one.

    `at` is an instant, or a mapping of customers to instants. Raises ConfigurationError.
    """
    file = _File(os.fspath(path))
    switch = file.switch
    if switch is None:
        raise file.fault("[switch]", 'it has none: write [switch] and under it old = "…" and new = "…", two profiles')
    for name in ("old", "new"):
        if name not in switch:
            raise file.fault("[switch]", f'it has no {name}: write {name} = "…", the name of a profile')
        if switch[name] not in file.profiles:
            raise file.fault(
                f"[switch] {name}", f"there is no profile {switch[name]!r}; it has {listed(file.profiles)}"
            )
    if switch["old"] == switch["new"]:
        raise file.fault("[switch]", "old and new are the same profile: name two of them")
    return switch


def read_caps(path: str | os.PathLike[str], profile: str | None = None) -> dict[str, Any]:
    """Read the table [profiles.NAME.mcp] of a profile. Raises ConfigurationError, also where there is none."""
    file = _File(os.fspath(path))
    name = file.choose(profile)
    if "mcp" not in file.profiles[name]:
        raise file.fault(f"[profiles.{name}]", "it has no caps: write [profiles.NAME.mcp] with per_bill and per_run")
    return dict(file.profiles[name]["mcp"])


def key_variable(provider: str) -> str:
    """Return the environment variable that has a provider's key by default: STRIPE_API_KEY."""
    return re.sub(r"\W", "_", provider).upper() + "_API_KEY"


def webhook_variable(provider: str) -> str:
    """Return the environment variable that has the secret of a provider's webhooks: STRIPE_WEBHOOK_SECRET."""
    return key_variable(provider).removesuffix("_API_KEY") + "_WEBHOOK_SECRET"


def read_maps(path: str | os.PathLike[str]) -> dict[str, dict[str, dict[str, str]]]:
    """Read the maps that all profiles of a file share, by name ("customers"). Raises ConfigurationError.

    No key is needed.
    """
    return _File(os.fspath(path)).maps


class _File:
    """A file with all its tables checked, except for the settings that a provider declares."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.profiles: dict[str, dict[str, Any]] = {}
        data = self._load()
        self._table(data, "", TOP, "the top of the file")
        self.default: str | None = data.get("default")
        self.profiles = data.get("profiles", {})
        self.providers: dict[str, dict[str, Any]] = data.get("providers", {})
        self.maps: dict[str, dict[str, dict[str, str]]] = {name: data[name] for name in MAPS if name in data}
        self.switch: dict[str, Any] | None = data.get("switch")
        self._table(self.switch or {}, "switch", SWITCH, "[switch]")
        self._provider_tables(self.providers, "providers")
        for name, own in self.profiles.items():
            at = f"profiles.{name}"
            self._table(self._is_table(own, at), at, PROFILE, f"[{at}]")
            if "provider" not in own:
                raise self.fault(
                    f"[{at}]", f'it has no provider: start it with provider = "…", one of {known_providers()}'
                )
            self._known_provider(own["provider"], f"[{at}] provider")
            self._provider_tables(own.get("providers", {}), f"{at}.providers")
            self._check_maps({word: own[word] for word in MAPS if word in own}, f"{at}.")
        self._check_maps(self.maps, "")

    def _check_maps(self, maps: Mapping[str, Mapping[str, Any]], at: str) -> None:
        for word, names in maps.items():
            for name, ids in names.items():
                for provider, id_ in self._is_table(ids, f"{at}{word}.{name}").items():
                    self._known_provider(provider, f"[{at}{word}] {name}")
                    if problem := fault_of_text(id_):
                        raise self.fault(f"[{at}{word}] {name}.{provider}", problem)

    def journal(self, profile: str) -> dict[str, Any]:
        """The journal of a profile, if it has one: a path is relative to this file."""
        own, place = self.profiles[profile], f"[profiles.{profile}]"
        if "journal_env" not in own:
            return {"journal": self._beside(own["journal"])} if "journal" in own else {}
        if "journal" in own:
            raise self.fault(place, "it has both journal and journal_env: leave one of them out")
        variable = own["journal_env"]
        if not os.environ.get(variable, "").strip():
            state = "is empty" if variable in os.environ else "is not set"
            raise self.fault(
                place, f"the environment variable {variable} {state}: put the path or the URL of the journal there"
            )
        try:
            location = Location(os.environ[variable].strip())
        except ConfigurationError as error:
            raise self.fault(f"{place} journal_env {variable}", str(error)) from None
        return {"journal": location if location.is_url else self._beside(location.name)}

    def _beside(self, journal: str) -> str:
        return journal if Location(journal).is_url else str(Path(self.path).parent / journal)

    def fault(self, place: str, problem: str) -> ConfigurationError:
        """The error for a place of this file. Long words in quotes are cut short; profiles are named in full."""
        shown = _LONG_WORD.sub(
            lambda word: word[0] if word[0][1:-1] in self.profiles else f"{word[1]}{word[2]}…{word[1]}", problem
        )
        return ConfigurationError(f"{self.path}: {one_line(f'{place}: {shown}')}")

    def choose(self, profile: str | None) -> str:
        """The profile to read: the one named, the default, or the only one."""
        if not self.profiles:
            raise self.fault("[profiles]", 'there is no profile: write [profiles.main] and under it provider = "…"')
        wanted = self.default if profile is None else profile
        if wanted is None and len(self.profiles) == 1:
            return next(iter(self.profiles))
        if wanted is None:
            raise self.fault("default", f'choose a profile as default = "…": the file has {listed(self.profiles)}')
        if wanted not in self.profiles:
            place = "default" if profile is None else "[profiles]"
            raise self.fault(place, f"there is no profile {wanted!r}; {nearest(wanted, self.profiles)}")
        return wanted

    def _load(self) -> dict[str, Any]:
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123 - the path is shown as it was given
                text = file.read().decode("utf-8-sig")
        except FileNotFoundError:
            raise ConfigurationError(f"{self.path}: there is no such file") from None
        except IsADirectoryError:
            raise ConfigurationError(f"{self.path}: it is a directory; name the TOML file in it") from None
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{self.path}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
        except (OSError, ValueError) as error:  # ValueError: a path with a null byte
            raise ConfigurationError(f"{self.path}: it cannot be read: {getattr(error, 'strerror', error)}") from None
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            problem = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deeply"
            raise ConfigurationError(f"{self.path}: it is not TOML: {' '.join(problem.split())}") from None

    def _provider_tables(self, tables: Mapping[str, Any], at: str) -> None:
        for name, own in tables.items():
            self._known_provider(name, f"[{at}]")
            self._table(self._is_table(own, f"{at}.{name}"), f"{at}.{name}", PROVIDER, f"[{at}.{name}]")

    def _known_provider(self, name: str, place: str) -> None:
        if name not in providers.names():
            raise self.fault(place, f"there is no provider {name!r}; {nearest(name, providers.names())}")

    def _is_table(self, value: Any, at: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        raise self.fault(at, f"it must be a table, not {kind_of(value)}: write [{at}] and its lines below")

    def _table(self, table: Mapping[str, Any], at: str, known: Mapping[str, Check], place: str) -> None:
        settings = table.get("settings")
        for key, value in [*table.items(), *((k, None) for k in _KEYS if isinstance(settings, dict) and k in settings)]:
            if key in _KEYS:
                raise self.fault(
                    place,
                    f"{key}: the file must not contain a key: put it into an environment variable, and the variable's "
                    "name into api_key_env",
                )
            if key not in known:
                raise self.fault(place, f"there is no {key!r} here; {place_hint(key, at, known)}")
            if problem := known[key](value):
                raise self.fault(f"{place} {key}", problem)


_KEYS = ("api_key", "secret_key", "token")
