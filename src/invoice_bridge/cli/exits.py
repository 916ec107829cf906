"""The end of a command: its exit code, and one line on stderr for each error, which is JSON under `--json`.

Rules of this file: an error of the caller, the network or a provider never shows a traceback; an error of this library
does. A provider's text is printed without its control characters.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from io import TextIOWrapper
from types import MappingProxyType
from typing import Any, Final, TextIO, cast

import typer
from typer.core import TyperGroup

from invoice_bridge.core.errors import (
    BridgeError,
    Discrepancy,
    IdempotencyMismatch,
    LossyTranslation,
    MalformedResponse,
    NothingToBill,
    OutcomeUnknown,
    ProviderError,
    Unreachable,
)

DONE, DIFFERENCE, USAGE, PROVIDER, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 130, 141

HELP: Final = (
    "Exit codes: 0 done. 1 a difference, a loss, nothing to bill, or no bill with the reference; "
    "the message says what was done. "
    "2 usage: an option, a file, a setting or a key cannot be used, or the provider cannot do this. "
    "3 the provider refused, cannot be reached, or the outcome is unknown. 130 interrupted. "
    "141 the output cannot be written: its reader has closed it, or the disk is full; what the command made is made."
)

_options: ContextVar[Mapping[str, str]] = ContextVar("options", default=MappingProxyType({}))

_as_json: ContextVar[bool] = ContextVar("as_json", default=False)
_provider: ContextVar[str | None] = ContextVar("provider", default=None)

# Newer versions of typer contain their own click, older ones import it: BadParameter leads to the right error class.
_CLICK_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])


def code_of(error: BridgeError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, LossyTranslation | Discrepancy | IdempotencyMismatch | NothingToBill):
        return DIFFERENCE
    if isinstance(error, ProviderError | Unreachable | OutcomeUnknown):
        return PROVIDER
    return USAGE


def name_options(command: Any) -> None:
    """Let messages name the options of this command, the one that runs."""
    from invoice_bridge.cli.spelling import options_of

    _options.set(options_of(getattr(command, "params", ())))


def is_json() -> bool:
    """Return whether the command has `--json`."""
    return _as_json.get()


def name_provider(provider: str) -> None:
    """Let a failure state which provider this command asks."""
    _provider.set(provider)


def spell(message: object) -> str:
    """Return a message of the library with the running command's options in place of Python's arguments."""
    from invoice_bridge.cli.spelling import spelled

    return spelled(str(message), _options.get())


def describe(error: BridgeError) -> str:
    """Return one line with the error, and the outcome if a write may have been made."""
    known = {
        "nothing_done": "",
        "partly_done": "part of it was done",
        "done_unread": "it was done, but the answer cannot be read",
        "unknown": "it may or may not have been done",
    }[error.outcome]
    invoice = f"; the invoice is {error.invoice_id}" if known and error.invoice_id else ""
    # else it is the provider's text
    is_own = not isinstance(error, ProviderError) or error.response is None or isinstance(error, MalformedResponse)
    text = spell(error) if is_own else str(error)
    if isinstance(error, LossyTranslation):  # its last line is for Python
        from invoice_bridge.cli.failures import allowances

        text = f"{text.rpartition(chr(10))[0]}\n{allowances(error)} accepts it"
    return text + (f" [{known}{invoice}]" if known else "")


def printable(text: object) -> str:
    """Make a text safe to print on one line: control characters, including line ends, become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def print_error(problem: object) -> None:
    """Print one line on stderr, or one line for each line of a list of losses."""
    lines = str(problem).splitlines() or [""]
    text = "\n".join([printable(lines[0]), *("  " + printable(line) for line in lines[1:])])
    _write_error(f"invoice-bridge: {text}")


def fail(error: BridgeError) -> int:
    """Print an error, as JSON if the command has `--json`; return the exit code."""
    code = code_of(error)
    if _as_json.get():
        from invoice_bridge.cli.failures import failure_json

        _print_json(failure_json(error, describe(error), code, _provider.get(), spell))
    else:
        print_error(describe(error))
    return code


def _print_json(failure: dict[str, Any]) -> None:
    from invoice_bridge.cli.failures import failure_line

    _write_error(failure_line(failure))


def _write_error(line: str) -> None:
    """Print a line on stderr; where nobody can read it, the exit code still says what happened."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


class Group(TyperGroup):
    """A group of commands: without a command it prints its help, which is a usage error in every version of click."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments before the command."""
        is_bare = not args
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as end:  # click before 8.2, after it printed the help
            raise typer.Exit(USAGE if is_bare else end.exit_code) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments name, and keep it for messages about its options."""
        name, command, rest = super().resolve_command(ctx, args)
        name_options(command)
        return name, command, rest


class Commands(Group):
    """The group of all commands; it turns every expected error into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # so that a closed pipe raises here, not while Python shuts down
        except OSError as error:
            if not _is_of_output(error):
                raise
            raise typer.Exit(output_lost(error)) from None
        except BridgeError as error:
            raise typer.Exit(fail(error)) from None
        except _CLICK_ERROR as error:
            raise typer.Exit(report_usage(error)) from None
        except KeyboardInterrupt as stop:  # some versions of typer do not pass it on, or not its notes
            raise typer.Exit(interrupted(stop)) from None
        except typer.Abort as stop:
            raise typer.Exit(interrupted(stop)) from None
        return result


def report_usage(error: Exception) -> int:
    """Print one line about an error in the command line; return the exit code."""
    message: str = error.format_message()  # type: ignore[attr-defined]
    if not message.strip():  # a group without a command: its help was printed
        return USAGE
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else "invoice-bridge"
    wrong, step = printable(message.replace("Value error, ", "")).rstrip("."), f"see {path} --help"
    if _as_json.get():
        from invoice_bridge.cli.failures import misuse

        _print_json(misuse(wrong, step, USAGE))
    else:
        print_error(f"{wrong}; {step}")
    return USAGE


def interrupted(stop: BaseException) -> int:
    """Print the exception's notes, which say what is unknown after a stop during a write; return the exit code."""
    notes = [spell(str(note).removeprefix("invoice_bridge: ")) for note in getattr(stop, "__notes__", ())]
    if notes and _as_json.get():
        from invoice_bridge.cli.failures import stopped

        _print_json(stopped(notes, INTERRUPTED, _provider.get()))
    else:
        for note in notes:
            print_error(note)
    return INTERRUPTED


def _is_of_output(error: OSError) -> bool:
    """Return whether stdout takes no more. A closed pipe is always one; of other errors stdout itself is asked."""
    if isinstance(error, BrokenPipeError):
        return True
    if error.filename is not None:  # of a file that has a name
        return False
    try:
        sys.stdout.flush()  # what could not be written is still in its buffer
    except (OSError, ValueError):
        return True
    return False


def output_lost(error: OSError) -> int:
    """End without a word if the reader has gone, else with a line; return the exit code."""
    _drop(sys.stdout)
    if not isinstance(error, BrokenPipeError):
        wrong = f"the output cannot be written: {error.strerror}"
        step = "what the command made is made: read it with `invoice-bridge show` or `find`"
        if _as_json.get():
            from invoice_bridge.cli.failures import misuse

            _print_json({**misuse(wrong, step, PIPE_CLOSED), "error": "OutputLost", "outcome": None})
        else:
            print_error(f"{wrong}; {step}")
    return PIPE_CLOSED


def run_app(app: typer.Typer, arguments: list[str] | None) -> int:
    """Run the application; return its exit code."""
    _as_json.set("--json" in _before_dashes(sys.argv[1:] if arguments is None else arguments))
    _provider.set(None)
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without UTF-8 shows \\u2192 instead of failing
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get("NO_COLOR"):  # as in terminal.wants_no_color
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None  # rich itself keeps bold and dim
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="invoice-bridge", standalone_mode=False)
    except _CLICK_ERROR as error:  # an option before the command
        return report_usage(error)
    except (KeyboardInterrupt, typer.Abort) as stop:
        return interrupted(stop)
    except OSError as error:  # of the help or the version, which are printed before a command runs
        if not _is_of_output(error):
            raise
        return output_lost(error)
    return code if isinstance(code, int) else DONE


def _open_closed_streams() -> None:
    """Open the null device in place of a stream that the shell has closed (`>&-`), lowest number first.

    Else a journal or a connection gets its number, and what is printed is written into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for the process


def _before_dashes(arguments: list[str]) -> list[str]:
    """Return the arguments before `--`, after which there are no options."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _drop(stream: TextIO) -> None:
    """Redirect stdout or stderr to the null device: the rest of its buffer has no reader."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        pass
