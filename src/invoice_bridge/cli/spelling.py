"""The library's messages in the words of a terminal: options and fields of a file, instead of Python's arguments.

Rules of this file: a message keeps its wording, and only what is Python in it changes: `since=…` becomes `--since …` if
the command has that option, else `since = …`, a field of the bill's file in TOML. A provider's own text is never read
here. tests/cli/test_spelling.py reads every message of the library: a new one that names Python needs a row here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

_OPTIONS = {"due_at": "due", "created_from": "created_from", "lines": "line"}
"""Arguments whose option has another name."""

_VALUE = r"\[(?:[^\[\]]|\[[^\]]*\])*\]|\"[^\"]*\"|'[^']*'|Money…|[\w.…]+"
_ARGUMENT = re.compile(rf"((?:\bpass )?)(?<![\w.$%{{?&'\"-])([a-z][a-z_]+)=({_VALUE})")
_FIELDS = {
    *("allow", "amount", "armed", "attempt", "before", "customer", "draft", "expect", "expect_total", "insecure"),
    *("issued_at", "journal", "lookup", "mail", "mode", "native", "payment_method", "plan", "reference", "since"),
    *("state", "subscription", "tax", "total"),
}
"""The arguments that messages name: another word before `=` is the provider's, or the caller's own."""

_WORDS = {"due_at": "due"} | {name: name for name in ("base_url", "expect_total", "native_unchecked", "payment_method")}
"""Arguments that messages name without a value, and the names of their options."""

_CALLS: tuple[tuple[str, str], ...] = (
    (
        r"Collection\.send takes exactly one of due=… and net_days=…",
        "a collection of kind send takes either due or net_days",
    ),
    (r"belongs to Collection\.(send|charge), not to (\w+)", r"belongs to a collection of kind \1, not of kind \2"),
    (r"Collection\.(send|charge)\((due|net_days|payment_method)=…\)", r'collection = {kind = "\1", \2 = …}'),
    (r"Collection\.charge\((\"[^\"]*\")\)", r'collection = {kind = "charge", payment_method = \1}'),
    (r"Collection\.charge\(\) without", 'collection = {kind = "charge"} without'),
    (r"Collection\.manual\(\)", 'collection = {kind = "manual"}'),
    (r"CustomerRef\(ids=\{\"?(\w+)\"?: (\"[^\"]*\")\}\)", r"customer = {ids = {\1 = \2}}"),
    (r"pass the ids: CustomerRef\(ids=\{…\}\), in a file ", "pass the ids in the file: "),
    (r"CustomerRef\(email=\"…\", name=\"…\"\)", 'customer = {email = "…", name = "…"}'),
    (r"PeriodInvoice\(subscription=…\)", 'subscription = "…"'),
    (r"Money\.parse\(\"([^\"]+)\", \"(\w+)\"\)", r'"\1 \2"'),
    (r"native=\{\"(\w+)\": \{\"(\w+)\": \"([^\"]*)\"\}\}", r"--native \1.\2=\3"),
    (r"client\.retrieve\(id\), or list\(full=True\)", "invoice-bridge show ID, or list --full"),
    (r"create\(…, since=…\)", "--since …"),
    (r"\bretrieve\(\) it with its own client and this journal", "`invoice-bridge show` it there with this journal"),
    (r"\bresolve\(\) it there", "`invoice-bridge resolve` it there"),
    (r"\b[Cc]all resolve\(\)", "`invoice-bridge resolve` its file"),
    (r"\bresolve\(\)", "`invoice-bridge resolve`"),
    (r"write datetime\(…, tzinfo=UTC\), or …Z in a file", "write …Z"),
    (r"Money\(minor, \"(\w+)\"\) with an integer", r'{minor = …, currency = "\1"} with an integer'),
    (r"int of minor units, or text for Money\.parse, not", r'int of minor units, or text like "19.99 EUR", not'),
    (r"write datetime\(…, tzinfo=UTC\)", "write …Z"),
    (r"a datetime with tzinfo, in a file ", ""),
    (r"\bthe invoice's amount_(remaining|credited|refunded) before it", r"the amount \1 before it"),
    (r"\bwrite it in native, where", "write it with --native, where"),
    (r"\b(mark|record)_(paid|payment|uncollectible)\b", r"\1-\2"),
    (r"\bsend_invoice\(\)", "send"),
    (r"\bapi_key (contains|must|is empty)", r"the key \1"),
    (r": pass the key only, for instance file\.read\(\)\.strip\(\)", ": the variable has the key only"),
    (r": pass it as api_key only", ": leave it out there"),
    (r"\bTrue\b", "true"),
    (r"\bFalse\b", "false"),
    (r"an aware datetime, or a text", "a text"),
)
_PHRASES = tuple((re.compile(pattern), words) for pattern, words in _CALLS)


_QUOTED = re.compile(r"((?<=[\s(])(?<!, )'[^'\\]*'(?!\w))")
"""A text of the caller in a message, such as a reference; not the entries of a list."""


def options_of(parameters: Iterable[Any]) -> dict[str, str]:
    """Return the options of a command by the arguments' names: of click's parameters those with a long name."""
    return {
        parameter.name: option
        for parameter in parameters
        for option in parameter.opts[:1]
        if option.startswith("--") and parameter.name
    }


def spelled(message: str, options: Mapping[str, str]) -> str:
    """Return a message of the library as a user of the terminal writes it; `options` are those of the command."""
    parts = _QUOTED.split(message)
    return "".join(part if place % 2 else _spelled(part, options) for place, part in enumerate(parts))


def _spelled(message: str, options: Mapping[str, str]) -> str:
    for pattern, words in _PHRASES:
        message = pattern.sub(words, message)
    message = _ARGUMENT.sub(partial(_argument, options=options), message)
    for word, name in _WORDS.items():
        message = re.sub(rf"(?<![\w.$-]){word}(?![\w.=])", options.get(name, word), message)
    return message


def _argument(found: re.Match[str], options: Mapping[str, str]) -> str:
    verb, name, value = found.groups()
    option = options.get(_OPTIONS.get(name, name))
    if name not in _FIELDS and option is None:
        return found[0]
    if name == "allow":
        names = re.findall(r"[^\s\[\],'\"]+(?:\[[^\]]*\][^\s\[\],'\"]*)?", value)
        return verb + " ".join(f"--allow {shlex.quote(one)}" for one in names)
    if value == "Money…":
        value = '"17.99 EUR"'
    if option is None:
        return f"write {name} = {value} in the file" if verb else f"{name} = {value}"
    bare = value.strip("\"'")
    return verb + (option if bare == "true" else f"{option} {bare if '…' in bare else shlex.quote(bare)}")
