"""Write what a shell completes, src/invoice_bridge/cli/completion.json, from the commands themselves."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from invoice_bridge import providers
from invoice_bridge.cassettes.scenarios import SCENARIOS
from invoice_bridge.cli.app import COMMANDS
from invoice_bridge.cli.completion import TABLE
from invoice_bridge.core.losses import Severity

_BY_NAME = {
    "--from": "profile",
    "--mode": ["test", "live"],
    "--native": "native",
    "--native-unchecked": "native",
    "--only": "provider",
    "--profile": "profile",
    "--set": "setting",
    "--switch": "switch",
    "--to": "profile",
}
"""Options whose values are known by their name; --from and --to with another metavar than NAME are no profiles."""
_ARGUMENTS = {"scenario": list(SCENARIOS), "provider": "provider", "name": "provider"}


def written() -> str:
    """Return the table as it is written, with a line for each command and each provider."""
    commands = {name: _command(entry.load(name), entry.help) for name, entry in COMMANDS.items()}
    parts = [
        f' "{name}": {{\n{_lines(rows)}\n }}' for name, rows in (("commands", commands), ("providers", _providers()))
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(rows: dict[str, Any]) -> str:
    return ",\n".join(f"  {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in rows.items())


def _command(command: Any, text: str) -> dict[str, Any]:
    if hasattr(command, "commands"):
        inner = {name: _command(one, (one.help or "").partition("\n")[0]) for name, one in command.commands.items()}
        return {"help": text, "commands": inner}
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    return {
        "help": text,
        "options": [
            [option.name, list(option.opts), None if option.is_flag else _values(option), bool(option.multiple)]
            for option in options
        ],
        "arguments": [
            [argument.name, "" if command.name == "new-provider" else _ARGUMENTS.get(argument.name, "")]
            for argument in arguments
        ],
    }


def _values(option: Any) -> Any:
    """Return the values of an option: a list, the name of a kind of values, or "" for any text."""
    name, metavar = option.opts[0], option.metavar or ""
    if choices := _choices(option):
        return choices
    if name == "--provider":
        return "provider or all" if "all" in metavar else "provider"
    if name == "--allow":
        return "" if metavar == "FILE" else "loss"
    if name in {"--from", "--to"} and metavar != "NAME":
        return ""
    return _BY_NAME.get(name, "")


def _choices(option: Any) -> list[str]:
    """Return the values of a closed option; older versions of typer keep them in a type of click's."""
    annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [str(getattr(one, "value", one)) for one in getattr(getattr(option, "type", None), "choices", ())]


def _providers() -> dict[str, Any]:
    found = {}
    for name in providers.names():
        declared = providers.get(name)
        rows = (*declared.fields, *declared.verb_fields, *declared.import_fields)
        found[name] = {
            "losses": sorted({row.code for row in rows if row.code and row.severity is not Severity.INFO}),
            "settings": [setting.name for setting in declared.settings],
            "switches": sorted(declared.emulator().SWITCHES),
        }
    return found


if __name__ == "__main__":
    TABLE.write_text(written(), "utf-8")
