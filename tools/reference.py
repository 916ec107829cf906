"""Generated pages of the reference that belong to no room of the library: bills, errors, losses, commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel

from invoice_bridge import Collection, Money, OneTimeCharge, PeriodInvoice, Plan, explain, providers
from invoice_bridge.adapter.rows import Field
from invoice_bridge.calibrations import seen_at
from invoice_bridge.cli.app import COMMANDS
from invoice_bridge.cli.exits import code_of
from invoice_bridge.core import errors
from invoice_bridge.core.descriptions import DESCRIPTIONS
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.matrix import matrix, table

# ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────────
FIELDS: Mapping[str, str] = {
    "reference": "Your own id of the bill: the same reference is the same bill. 1 to 100 printable characters.",
    "customer": "The customer: an id at the client's provider, a name of `[customers]`, or a `CustomerRef`.",
    "amount": "What is billed, before discounts. Give it, or `lines`, or both if they add up to it exactly.",
    "currency": "The ISO 4217 code of the invoice.",
    "period": "The service period, half-open: it includes its start and excludes its end.",
    "lines": "What is billed. A period invoice without lines bills what the provider accrued itself.",
    "discounts": "Discounts of the whole bill, each an amount. A line has its own `discount`.",
    "subscription": "The provider's subscription that the bill belongs to.",
    "description": "The text on the document.",
    "purchase_order": "The customer's purchase order number.",
    "metadata": "Names and values that the provider stores with the invoice.",
    "issued_at": "The date of the document. None: the day on which it is issued.",
    "collection": "Who collects: `manual()` nobody; `send(…)` mails it; `charge(…)` charges a payment method.",
    "tax": '`"none"` asks for no tax, `"provider"` lets the provider add it; or rates of your own, for every line.',
    "draft": "Leave the invoice a draft: nothing is issued, mailed or collected.",
    "attempt": "Raise it to bill again after a final refusal, or after the invoice was voided or deleted.",
    "native": "Parameters that only one provider has, by its name; checked by its table.",
    "native_unchecked": "Parameters that the table does not have yet; they are sent as they are.",
    "expect_total": "The total that the invoice must have with all taxes and natives: else nothing is issued.",
}
"""Every field of the two bills, in the order in which a reader meets them; a test holds it equal to the models."""

PARTS: Mapping[str, Mapping[str, str]] = {
    "TaxRate": {
        "name": "The name of the tax on the document.",
        "rate": "The rate in percent, an exact decimal.",
        "inclusive": "Whether the amounts of the lines include it.",
    },
}
"""The same for the parts of a bill that no invoice has."""


def bill_page() -> str:
    """Return every field of the two bills, and where each provider takes it."""
    schemas = {kind.__name__: kind.model_json_schema() for kind in (OneTimeCharge, PeriodInvoice)}
    rows = [
        [
            f"`{name}`",
            *(_presence(name, schema) for schema in schemas.values()),
            _type(next(schema["properties"][name] for schema in schemas.values() if name in schema["properties"])),
            meaning,
        ]
        for name, meaning in FIELDS.items()
    ]
    parts = [table(["field", *(f"`{name}`" for name in schemas), "in JSON", "means"], rows)]
    definitions = schemas["OneTimeCharge"]["$defs"]
    for name in ("Line", "Collection", "Discount", "TaxRate", "CustomerRef", "Period", "Address", "TaxId", "TaxLine"):
        meanings = DESCRIPTIONS.get(name) or PARTS[name]
        given = [
            [f"`{field}`", _type(each), meanings[field]] for field, each in definitions[name]["properties"].items()
        ]
        parts.append(f"### {name}\n\n{table(['field', 'in JSON', 'means'], given)}")
    return "\n\n".join(parts)


def _presence(name: str, schema: Mapping[str, Any]) -> str:
    if name not in schema["properties"]:
        return ""
    return "required" if name in schema.get("required", ()) else "yes"


def _type(field: Mapping[str, Any]) -> str:
    """Return the JSON type of a field, in words."""
    if "anyOf" in field:
        kinds = [_type(each) for each in field["anyOf"] if each.get("type") != "null"]
        return ", or ".join(dict.fromkeys(kinds))
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return '`"19.99 EUR"`' if name == "Money" else f"[{name}](#{name.lower()})"
    if "enum" in field:
        return " ".join(f"`{word}`" for word in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("format") == "date-time":
        return "instant"
    words = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "object": "object"}
    return words.get(field.get("type", ""), "decimal")


def fate_page() -> str:
    """Return what each provider does with each field of a bill."""
    names = providers.names()
    paths = dict.fromkeys(row.path for name in names for row in providers.get(name).fields if row.path)
    rows = [[f"`{path}`", *(_fate(name, path) for name in names)] for path in sorted(paths)]
    return table(["field", *(providers.get(name).title for name in names)], rows)


def _fate(name: str, path: str) -> str:
    """Return where a provider takes a field; the losses that it may meet there follow."""
    rows = [row for row in providers.get(name).fields if row.path == path]
    lands = dict.fromkeys(native for row in rows if not row.code for native in row.native.split(", ") if native)
    losses = dict.fromkeys(row.code for row in rows if row.code)
    parts = [", ".join(f"`{native}`" for native in lands), " ".join(_loss_link(code) for code in losses)]
    said = "; ".join(part for part in parts if part)
    if said or not rows:
        return said
    reasons = [
        row.why or ("decides which requests are sent" if row.alters is Alters.BRANCH else "not sent") for row in rows
    ]
    return "; ".join(dict.fromkeys(reasons))


SETTINGS: Mapping[str, Mapping[str, str]] = {"chargebee": {"site": "acme"}, "whop": {"account_id": "biz_42"}}


def readme_table() -> str:
    """Return what becomes of the README's bill at each provider, mailed and not."""
    ids = {"chargeapi": "flt_42", "chargebee": "cus_42", "stripe": "cus_42", "whop": "mber_42"}
    rows = []
    for name in providers.names():
        cells = []
        for collection in (Collection.manual(), Collection.send(net_days=14)):
            bill = OneTimeCharge(
                reference="res-2026-05-17",
                customer=ids[name],
                amount=Money.parse("19.99", "EUR"),
                description="Reservation fees",
                collection=collection,
                issued_at=datetime(2026, 5, 17, tzinfo=UTC) if collection.kind == "send" else None,
            )
            answer = _answer(explain(name, bill, lookup="journal", **SETTINGS.get(name, {})))
            cells.append("refused, for the same reason" if answer in cells else answer)
        rows.append([providers.get(name).title, *cells])
    return table(["provider", "as it is", "mailed on 17 May, 14 days to pay"], rows)


def _answer(plan: Plan) -> str:
    if plan.refusal is not None:
        return f"refused: {plan.refusal}"
    stopping = [loss for loss in plan.losses if loss.severity is not Severity.INFO]
    if stopping:
        return "stops: " + "; ".join(f"`{loss.code}`, {loss.why}" for loss in stopping)
    effects = dict.fromkeys(str(effect) for request in plan.requests for effect in sorted(request.effects))
    count = len(plan.requests)
    return f"{count} request{'s' if count > 1 else ''}: {', '.join(effects)}"


# ── losses ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def losses_page() -> str:
    """Return every loss by its code, a section for each provider."""
    parts = []
    for name in providers.names():
        provider = providers.get(name)
        rows = [row for row in (*provider.fields, *provider.verb_fields, *provider.import_fields) if row.code]
        shown = [
            [
                f'<a id="{row.code.lower()}"></a>`{row.code}`',
                f"`{row.path}`{_of_verb(row)}",
                "only reported" if row.severity is Severity.INFO else f"stops: {row.severity.replace('_', ' ')}",
                row.sent,
                row.why,
                row.remedy,
            ]
            for row in _first(rows)
        ]
        counts = [row.severity for row in _first(rows)]
        summary = ", ".join(f"{counts.count(kind)} {kind.replace('_', ' ')}" for kind in Severity)
        heading = f"## {provider.title}\n\n{len(shown)} losses: {summary}."
        head = ["code", "field", "severity", "what is sent", "why", "what to do"]
        parts.append(f"{heading}\n\n{table(head, shown)}")
    return "\n\n".join(parts)


def _first(rows: Iterable[Field]) -> list[Field]:
    return list({row.code: row for row in reversed(list(rows))}.values())[::-1]


def _of_verb(row: Field) -> str:
    if {"one_time_charge", "period_invoice"}.issuperset(row.verbs):
        return ""
    return f" of `{row.verbs[0]}`"


def _loss_link(code: str) -> str:
    return f"[{code}](losses.md#{code.lower()})"


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────
REMEDIES: Mapping[str, str] = {
    "BridgeError": "Catch it where you catch all of them, and read `outcome`.",
    "ConfigurationError": "Correct the setting, the profile or the key that the message names.",
    "Unsupported": "Read `reason` and `remedy`; bill in another way, or at another provider.",
    "LossyTranslation": "Read `losses`. Change the bill, or pass `allow=[code]` once you accept what is lost.",
    "NothingToBill": "Nothing: there is nothing to bill in that period. Ask again when usage has arrived.",
    "InvalidSignature": "Refuse the delivery with HTTP 400. If it happens to all of them, check the endpoint's secret.",
    "Unreachable": "Make the same bill again: nothing was sent.",
    "OutcomeUnknown": "`resolve(bill)`, or make the same bill again later. Never bill under another reference.",
    "Discrepancy": "Compare `asked` with `found`. Nothing was collected, unless the message states an amount.",
    "AmountMismatch": "Find out why the provider's total differs (a balance, a tax …), then correct the bill.",
    "IdempotencyMismatch": "Look at `existing`. Another bill needs another reference.",
    "AlreadyBilled": "Several invoices have the reference: a person keeps one and voids the others.",
    "BilledElsewhere": "The bill is at `provider`. Void it there first, or release the reference with a reason.",
    "AlreadySettled": "Nothing is owed. To bill a void or deleted one again, raise `attempt`.",
    "ProviderError": "Read `message`, `code` and `request_id`; the provider's support asks for the last.",
    "Unauthorized": "Check the key, and its permissions.",
    "NotFound": "Check the id, and that the key belongs to the account that has it.",
    "InvalidState": "Read `invoice`: its status does not allow the verb.",
    "Rejected": "Correct the field that `param` or the message names.",
    "Declined": "Ask the customer for another payment method. `invoice` is open still, if it was read.",
    "RateLimited": "Wait for `retry_after` seconds. The client has waited and repeated already.",
    "ServerError": "Make the same bill again later; with `outcome` unknown, `resolve` it first.",
    "MalformedResponse": "Report it with the request id. If `outcome` is done_unread, read the invoice.",
    "UnreadableServerError": "As for a ServerError; a proxy answered in the provider's place.",
}
"""What to do after each error; a test holds it equal to the classes."""


def error_classes() -> dict[str, type[errors.BridgeError]]:
    """Return every error class of the library, in the order of its module."""
    found = inspect.getmembers(errors, lambda value: inspect.isclass(value) and issubclass(value, errors.BridgeError))
    return dict(sorted(found, key=lambda pair: inspect.getsourcelines(pair[1])[1]))


def errors_page() -> str:
    """Return every error: what it means, what to do, and how a command ends with it."""
    rows = []
    for name, kind in error_classes().items():
        first = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__ if base is not Exception)
        rows.append([f"`{name}`", bases, re.sub(r"(?<!`)`(?!`)", "`", first), REMEDIES[name], str(_exit_code(kind))])
    return table(["error", "is a", "means", "what to do", "exit code"], rows)


def _exit_code(kind: type[errors.BridgeError]) -> int:
    return code_of(kind.__new__(kind))


def tree_page() -> str:
    """Return the tree of errors, as the module has it."""
    tree = (errors.__doc__ or "").split("\n\n")[1]
    return f"```text\n{tree}\n```"


# ── Python ───────────────────────────────────────────────────────────────────────────────────────────────────────────
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Clients": ("Client", "AsyncClient", "Handover", "AsyncHandover", "Shadow", "AsyncShadow"),
    "Without a client": ("explain", "losses", "Plan", "decode", "read_command", "read_import"),
    "Bills, and the import of history": ("OneTimeCharge", "PeriodInvoice", "ImportInvoice", "Source"),
    "Values of a bill": (
        "Money",
        "Collection",
        "Period",
        "Line",
        "Discount",
        "TaxRate",
        "CustomerRef",
        "Address",
        "TaxId",
    ),
    "The invoice": (
        *("Invoice", "Status", "Payment", "CreditNote", "Adjustment", "TaxLine", "Problem", "Unreadable", "Page"),
    ),
    "Losses and requests": ("Loss", "ALL", "Effect", "Request"),
    "Journals and limits": ("Journal", "BillJournal", "RateLimiter", "Resolution", "Interruption", "interrupted"),
    "Webhooks": ("webhooks", "InvoiceEvent", "EventType"),
    "Commands of the verbs": (
        *(
            "Command",
            "Credit",
            "Delete",
            "Finalize",
            "Find",
            "ListInvoices",
            "MarkPaid",
            "MarkUncollectible",
            "Pay",
            "Pdf",
        ),
        *("RecordPayment", "Refund", "Retrieve", "SendInvoice", "Update", "Void"),
    ),
}
"""The public names but the errors, in the order of the page; a test holds them equal to those of the package."""
TWINS = {"AsyncClient": "Client", "AsyncHandover": "Handover", "AsyncShadow": "Shadow"}
_LINE = 100


def python_page() -> str:
    """Return the public names with their signatures and docstrings."""
    parts = []
    for group, names in GROUPS.items():
        parts.append(f"## {group}")
        for name in names:
            parts += [f"### {name}", *_public(name, getattr(import_module("invoice_bridge"), name))]
    return "\n\n".join(parts)


def _public(name: str, value: Any) -> Iterator[str]:
    if name in TWINS:
        twin = TWINS[name]
        yield f"As [{twin}](#{twin.lower()}): its methods are awaited, and `list()` is read with `async for`."
        return
    if inspect.ismodule(value):
        yield from _docstring(value)
        for inner in sorted({*value.__all__} - {"EventType", "InvoiceEvent"}):  # they are below
            yield f"#### {name}.{inner}"
            yield from _public(f"{name}.{inner}", getattr(value, inner))
        return
    if not inspect.isclass(value) and not callable(value):
        yield f"`{value!r}`: in `allow=`, accepts every loss."
        return
    if inspect.isclass(value) and issubclass(value, Enum):
        yield from _docstring(value)
        yield " ".join(f"`{member.value}`" for member in value)
        return
    is_model, fields = inspect.isclass(value) and issubclass(value, BaseModel), getattr(value, "model_fields", {})
    is_protocol = getattr(value, "_is_protocol", False)  # nobody calls it
    if not is_model and not is_protocol and (shown := _signature(name, value)):
        yield shown
    yield from _docstring(value)
    if is_model:
        yield f"Fields: {', '.join(f'`{field}`' for field in fields)}."
    if inspect.isclass(value):
        if "__init__" in vars(value) and inspect.isfunction(value.__init__) and value.__init__.__doc__:
            yield from _docstring(value.__init__)  # one of its own: a dataclass has none, and inherits that of object
        for inner, method in _methods(value):
            yield f"#### {name}.{inner}"
            if isinstance(method, property):
                yield from _docstring(method)
            else:
                yield _signature(inner, method)
                yield from _docstring(method)


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class of the library offers, with its bases of the library, and without what pydantic adds."""
    seen: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.startswith("invoice_bridge"):
            for name, value in vars(base).items():
                plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
                is_offered = inspect.isfunction(plain) or isinstance(value, property)
                if is_offered and not name.startswith(("_", "model_")):
                    seen.setdefault(name, plain)
    yield from seen.items()


def _signature(name: str, value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    returns = "" if inspect.isclass(value) else f" -> {_annotation(signature.return_annotation)}"
    parameters, star = [], False
    for parameter in signature.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parameters.append("*")
        star = star or parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL}
        parameters.append(_parameter_text(parameter))
    line = f"{name}({', '.join(parameters)}){returns}"
    if len(line) > _LINE:
        inner = "".join(f"    {parameter},\n" for parameter in parameters)
        line = f"{name}(\n{inner}){returns}"
    return f"```text\n{line}\n```"


def _parameter_text(parameter: inspect.Parameter) -> str:
    stars = (
        "*" if parameter.kind is parameter.VAR_POSITIONAL else "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    )
    text = stars + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        plain = isinstance(parameter.default, str | int | float | tuple | NoneType) and not isinstance(
            parameter.default, Enum
        )
        text += f" = {parameter.default!r}" if plain else " = …"
    return text


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return "None"
    text: str = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"\b(?:typing|datetime|collections\.abc|invoice_bridge(?:\.\w+)*)\.(?=[A-Z])", "", text.strip("'"))


def _docstring(value: Any) -> Iterator[str]:
    """Yield a docstring as Markdown: an example at the prompt becomes a block."""
    text = (value.__doc__ if isinstance(value, property) else inspect.getdoc(value)) or ""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith(">>>"):
            yield f"```pycon\n{paragraph}\n```"
        elif re.match(r" {4}", paragraph):
            yield f"```text\n{inspect.cleandoc(paragraph)}\n```"
        elif paragraph:
            yield _escaped(paragraph)


# ── what is not confirmed ────────────────────────────────────────────────────────────────────────────────────────────
def unconfirmed_page() -> str:
    """Return what each provider's documentation leaves open, and the reading that the emulator takes by default."""
    parts = []
    for name in providers.names():
        provider = providers.get(name)
        seen = seen_at(name)
        rows = [
            [_escaped(text), "yes" if default else "no", f"`{switch}`", seen.of(switch)]
            for switch, (default, text) in seen.switches.items()
        ]
        natives = [[f"`{row.path}`", _escaped(row.doubt)] for row in provider.natives.rows if row.doubt]
        head = ["not confirmed", "the emulator says", "its switch", "test account"]
        parts.append(f"### {provider.title}\n\n{table(head, rows)}")
        if natives:
            parts.append(table(["native parameter", "not confirmed"], natives))
    return "\n\n".join(parts)


def probes_table() -> str:
    """Return how many switches of each provider have a probe, and what the probes need."""
    rows = []
    for name in providers.names():
        emulator = providers.get(name).emulator()
        probes = list(emulator.PROBES.rows.values())
        writing = sum(probe.writes and not probe.charges for probe in probes)
        charging = sum(probe.charges for probe in probes)
        known = f"{len(probes)} of {len(emulator.SWITCHES)}"
        reading = len(probes) - writing - charging
        rows.append([providers.get(name).title, known, str(reading), str(writing), str(charging)])
    head = ["provider", "switches with a probe", "only read", "need `--write`", "need `--charge` too"]
    return table(head, rows)


def evidence_counts() -> str:
    """Return how many verbs of each provider have each kind of evidence."""
    cells = [cell for row in matrix().values() for cell in row.values() if cell.state == "built"]
    kinds = ("documented", "emulator", "oracle", "recording", "live")
    rows = [
        [
            providers.get(name).title,
            str(sum(cell.provider == name for cell in cells)),
            *(str(sum(cell.provider == name and kind in cell.evidence for cell in cells)) for kind in kinds),
        ]
        for name in providers.names()
    ]
    return table(["provider", "verbs", *kinds], rows)


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────────
def commands_page() -> str:
    """Return every command with its arguments and options, by the panels of the help; read from their functions."""
    parts: list[str] = []
    for panel in dict.fromkeys(entry.panel for entry in COMMANDS.values()):
        parts.append(f"## {panel}")
        for name, entry in COMMANDS.items():
            if entry.panel == panel:
                module, _, attribute = entry.place.partition(":")
                parts += _command(name, entry.help, getattr(import_module(f"invoice_bridge.cli.{module}"), attribute))
    return "\n\n".join(parts)


def _command(name: str, text: str, what: Any) -> Iterator[str]:
    yield f"### {name}"
    yield _escaped(text)
    if not isinstance(what, typer.Typer):
        yield from _parameters(name, what)
        return
    for each in what.registered_commands:
        inner = each.name or str(getattr(each.callback, "__name__", "")).replace("_", "-")
        yield from _command(f"{name} {inner}", _first_sentence(each.help, each.callback), each.callback)
    for group in what.registered_groups:
        assert group.typer_instance is not None
        help_text = group.typer_instance.info.help
        yield from _command(
            f"{name} {group.name}", help_text if isinstance(help_text, str) else "", group.typer_instance
        )


def _first_sentence(text: Any, function: Any) -> str:
    return " ".join((text if isinstance(text, str) else inspect.getdoc(function) or "").split())


def _parameters(name: str, function: Any) -> Iterator[str]:
    hints = get_type_hints(function, include_extras=True)
    usage, rows = [f"invoice-bridge {name}"], []
    for parameter in inspect.signature(function).parameters.values():
        kind, info = _declared(hints[parameter.name])
        required = parameter.default in (parameter.empty, ...)
        if isinstance(info, typer.models.ArgumentInfo):
            shown = info.metavar or parameter.name.upper()
            usage.append(shown if required else f"[{shown}]")
            rows.append([f"`{shown}`", "", _means(info, parameter, required)])
        else:
            # within Annotated, typer has the first name of an option as its default
            words = [info.default, *(info.param_decls or ())]
            flags = [word for word in words if isinstance(word, str) and word.startswith("-")]
            flags = flags or [f"--{parameter.name.replace('_', '-')}"]
            rows.append(
                [", ".join(f"`{flag}`" for flag in flags), _takes(kind, info), _means(info, parameter, required)]
            )
    yield f"`{' '.join(usage)}`"
    if rows:
        yield table(["argument or option", "takes", "means"], rows)


def _declared(hint: Any) -> tuple[Any, Any]:
    """Return the type of a parameter without None, and what it declares to typer."""
    kind, *facts = get_args(hint)
    info = next(each for each in facts if isinstance(each, typer.models.ParameterInfo))
    kinds = (
        [each for each in get_args(kind) if each is not NoneType] if get_origin(kind) in (Union, UnionType) else [kind]
    )
    return kinds[0], info


def _takes(kind: Any, info: Any) -> str:
    if kind is bool:
        return ""
    if info.metavar:
        return f"`{info.metavar}`"
    if get_origin(kind) is Literal:
        return " ".join(f"`{word}`" for word in get_args(kind))
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return " ".join(f"`{each.value}`" for each in kind)
    return "several times" if get_origin(kind) is list else f"`{getattr(kind, '__name__', 'text').upper()}`"


def _means(info: Any, parameter: inspect.Parameter, required: bool) -> str:
    text = _escaped(" ".join((info.help or "").split()))
    if required:
        return f"{text} Required.".strip()
    if parameter.default in (None, False, (), []) or callable(parameter.default):
        return text
    default = getattr(parameter.default, "value", parameter.default)
    return f"{text} Default: `{default}`."


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("[", "\\[")
