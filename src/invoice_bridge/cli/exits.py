"""How a command ends: the exit codes, and one line on stderr for whatever went wrong.

Rules of this file: a fault of the caller, of the network or of a provider never shows a traceback; a fault of this
library does. What a provider says is printed without its control characters.
"""

from __future__ import annotations

import os
import shlex
import sys
from io import TextIOWrapper
from typing import Any, Final, cast

import typer
from typer.core import TyperGroup

from invoice_bridge.core.errors import (
    BridgeError,
    Discrepancy,
    IdempotencyMismatch,
    LossyTranslation,
    NothingToBill,
    OutcomeUnknown,
    ProviderError,
    Unreachable,
)

DONE, DIFFERENCE, USAGE, PROVIDER, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 130, 141

HELP: Final = (
    "Exit codes: 0 done. 1 a difference, a loss, nothing to bill, or no such bill; the message says what was done. "
    "2 usage: an option, a file, a setting or a key cannot be used, or the provider cannot do this. "
    "3 the provider refused, cannot be reached, or the outcome is unknown. 130 interrupted. "
    "141 whatever read the output has gone away."
)

# Newer versions of typer bring their own click, older ones import it: its error class is found where both have it.
_CLICK_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])


def code_of(error: BridgeError) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, LossyTranslation | Discrepancy | IdempotencyMismatch | NothingToBill):
        return DIFFERENCE
    if isinstance(error, ProviderError | Unreachable | OutcomeUnknown):
        return PROVIDER
    return USAGE


def describe(error: BridgeError) -> str:
    """Say in one line what happened, and what is known where a write may have been made."""
    known = {
        "nothing_done": "",
        "partly_done": "part of it was done",
        "done_unread": "it was done, but the answer cannot be read",
        "unknown": "it may or may not have been done",
    }[error.outcome]
    where = f"; the invoice is {error.invoice_id}" if known and error.invoice_id else ""
    text = str(error)
    if isinstance(error, LossyTranslation):  # its last line says what to write in Python
        options = " ".join(f"--allow {shlex.quote(path)}" for path in dict.fromkeys(one.path for one in error.losses))
        text = f"{text.rpartition(chr(10))[0]}\n{options} accepts it"
    return text + (f" [{known}{where}]" if known else "")


def printable(text: object) -> str:
    """Make a text safe to print on one line: control characters, line ends among them, become blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def print_error(problem: object) -> None:
    """Print one line on stderr; the lines of a list of losses stay lines."""
    lines = str(problem).splitlines() or [""]
    text = "\n".join([printable(lines[0]), *("  " + printable(line) for line in lines[1:])])
    print(f"invoice-bridge: {text}", file=sys.stderr, flush=True)


class Group(TyperGroup):
    """A group of commands: without one it prints its help, which is a misuse for every version of click alike."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before the command."""
        is_bare = not args
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as ended:  # click before 8.2, having printed the help
            raise typer.Exit(USAGE if is_bare else ended.exit_code) from None


class Commands(Group):
    """The group of all commands: turns every expected error into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()  # so that a closed pipe is met here, not while Python shuts down
        except BrokenPipeError:
            _drop_stdout()
            raise typer.Exit(PIPE_CLOSED) from None
        except BridgeError as error:
            print_error(describe(error))
            raise typer.Exit(code_of(error)) from None
        except _CLICK_ERROR as error:
            raise typer.Exit(report_usage(error)) from None
        except KeyboardInterrupt as stop:  # here, for some versions of typer do not pass it on, nor its notes
            raise typer.Exit(interrupted(stop)) from None
        except typer.Abort:
            raise typer.Exit(INTERRUPTED) from None
        return done


def report_usage(error: Exception) -> int:
    """Say in one line what is wrong with the command line itself."""
    message: str = error.format_message()  # type: ignore[attr-defined]
    if not message.strip():  # a group without a command: its help was printed
        return USAGE
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else "invoice-bridge"
    print_error(f"{printable(message.replace('Value error, ', '')).rstrip('.')}; see {path} --help")
    return USAGE


def interrupted(stop: BaseException) -> int:
    """Say what is unknown where a program was stopped in the middle of a write."""
    for note in getattr(stop, "__notes__", ()):
        print_error(str(note).removeprefix("invoice_bridge: "))
    return INTERRUPTED


def run_app(app: typer.Typer, arguments: list[str] | None) -> int:
    """Run the application; give back its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without UTF-8 shows \\u2192 instead of failing
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get("NO_COLOR"):  # as output.wants_no_color
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None  # rich itself keeps bold and dim
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="invoice-bridge", standalone_mode=False)
    except _CLICK_ERROR as error:  # an option before the command
        return report_usage(error)
    except (KeyboardInterrupt, typer.Abort) as stop:
        return interrupted(stop)
    return code if isinstance(code, int) else DONE


def _drop_stdout() -> None:
    """Point stdout at nothing: what is left in its buffer has no reader."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        pass
