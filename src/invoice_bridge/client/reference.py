"""The reference of `billing.toml`: each key of each table, for docs/reference/billing-toml.md; a test compares it."""

from __future__ import annotations

from collections.abc import Mapping

from invoice_bridge import providers

__all__ = ["KEYS", "reference_page", "settings_page"]

_MAP = "table: name → provider → id"
KEYS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "The top of the file": {
        "default": ("text", "the only profile", "the profile that is read where none is named"),
        "profiles": ("tables", "required", "`[profiles.NAME]`, below"),
        "providers": ("tables", "none", "`[providers.NAME]`, below: for all profiles"),
        "customers": (
            _MAP,
            "none",
            "your own names of customers; with a map, a bill's customer is one of these",
        ),
        "payment_methods": (_MAP, "none", "the same for `Collection.charge(payment_method=…)` and `pay`"),
        "products": (_MAP, "none", "the same for the `product` and the `price` of lines"),
        "switch": ("table", "none", "`[switch]`, below: two profiles side by side"),
    },
    "`[profiles.NAME]`": {
        "provider": ("text", "required", "the provider's name: the one line to change"),
        "mode": ('`"test"` or `"live"`', "not checked", "refuses a key, site or host of the other mode"),
        "timeout": ("seconds", "30", "bounds each request"),
        "deadline": ("seconds", "none", "bounds each call"),
        "journal": ("path or URL", "none", "what was tried; a path is relative to this file, a URL has no password"),
        "journal_env": ("text", "none", "the environment variable with the journal's path or URL, password included"),
        "lookup": ('`"auto"`, `"always"`, `"never"`, `"journal"`', '`"auto"`', "when a bill is looked up first"),
        "book": ("text", '`"default"`', "within which a reference is one bill at all providers"),
        "allow": ("list of codes, or such a list for each kind of bill", "none", "losses that do not stop a bill"),
        "mcp": ("table", "none", "`[profiles.NAME.mcp]`, below: what an assistant may bill"),
        "providers": ("tables", "none", "`[profiles.NAME.providers.NAME]`: key by key instead of `[providers.NAME]`"),
        "customers": (_MAP, "none", "entries of this profile, each instead of the shared one of that name"),
        "payment_methods": (_MAP, "none", "(the same)"),
        "products": (_MAP, "none", "(the same)"),
    },
    "`[profiles.NAME.mcp]`": {
        "per_bill": (
            "list of amounts",
            "required",
            'the most that one bill may be, for each currency: `["100.00 EUR"]`',
        ),
        "per_run": ("list of amounts", "required", "the most that all bills of one run of the server may be together"),
        "confirm_within": ("seconds", "600", "how long a plan that was shown may be made"),
        "ask": ("`true` or `false`", "`false`", "bills only where the assistant's program can ask its user"),
    },
    "`[providers.NAME]`": {
        "api_key_env": (
            "text",
            "the provider's name and `_API_KEY`, in capitals",
            "the environment variable with the key",
        ),
        "base_url": ("URL", "the provider's own", "another host, such as an emulator"),
        "insecure": ("`true` or `false`", "`false`", "accepts plain http to any host, and checks no certificate"),
        "requests_per_minute": ("whole number", "the provider's documented limit", "what your plan allows"),
        "settings": ("table", "none", "the provider's own settings, below"),
    },
    "`[switch]`": {
        "old": ("text", "required", "the profile that is left; in a shadow phase, the one that bills"),
        "new": ("text", "required", "the profile that is moved to; in a shadow phase, the one that only explains"),
        "at": (
            "instant, or table: customer → instant",
            "a shadow phase",
            'what starts from here on is billed at `new`; in a table, `"*"` are all customers that it does not name',
        ),
    },
}
"""Table → key → what it takes, what it is where it is left out, and what it means."""


def reference_page() -> str:
    """The keys of each table, as Markdown."""
    tables = []
    for name, keys in KEYS.items():
        rows = [f"| `{key}` | {kind} | {default} | {meaning} |" for key, (kind, default, meaning) in keys.items()]
        tables.append("\n".join([f"### {name}", "", "| key | takes | left out | means |", "|---|---|---|---|", *rows]))
    return "\n\n".join(tables)


def settings_page() -> str:
    """The settings that each provider takes, as Markdown."""
    rows = [
        f"| {declared.title} | `{setting.name}`{' (required)' if setting.required else ''} | {setting.help} |"
        for declared in map(providers.get, providers.names())
        for setting in declared.settings
    ]
    return "\n".join(["| provider | setting | means |", "|---|---|---|", *rows])
