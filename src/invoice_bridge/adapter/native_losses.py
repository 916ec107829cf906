"""The losses of native parameters, and the origin of a body's field that one of them wrote.

Rules of this file: those of native.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from invoice_bridge.adapter.native import Given, NativeTable, read_natives, shapes_of
from invoice_bridge.adapter.rows import Field, Setup
from invoice_bridge.core.commands import Bill, Command, OnInvoice
from invoice_bridge.core.errors import ConfigurationError, Unsupported
from invoice_bridge.core.losses import Fate, Loss, Severity


def native_losses(table: NativeTable, command: Command | None, context: Setup) -> Iterator[Loss]:
    """Yield the losses of natives: parameters of other providers, and those that change the amount.

    A parameter that the table does not have yields none: the flow refuses it.
    """
    if not isinstance(command, Bill | OnInvoice) or not (command.native or command.native_unchecked):
        return
    here = context.provider.name
    code = f"IB-{here.upper()}-NATIVE"
    for name in ("native", "native_unchecked"):
        for provider in getattr(command, name):
            if provider != here:
                why = f"it is for {provider} alone"
                yield Loss(f"{code}-01", f"{name}.{provider}", Fate.DROPPED, Severity.INFO, "nothing", why, "")
    try:
        given = read_natives(table, command, context)
    except (ConfigurationError, Unsupported):
        return
    grave = Severity.CHANGES_MONEY if isinstance(command, Bill) else Severity.INFO
    for row in given.rows:
        if row.money:
            yield Loss(
                loss_code(here, row.path),
                f"native.{here}.{row.path}",
                Fate.PROVIDER_RATED,
                grave,
                "the parameter",
                "the provider computes what it changes of the amount"
                + (
                    "" if isinstance(command, Bill) and table.compares(command, context) else ", which is compared late"
                ),
                "check expect_total, then allow it by its code or its whole path",
            )
    for name in dict.fromkeys(shape for shape, _ in shapes_of(given.unchecked)):
        yield Loss(
            f"{code}-UNCHECKED-01",
            f"native_unchecked.{here}.{name}",
            Fate.PROVIDER_RATED,
            grave,
            "the parameter as it is",
            "it is newer than the table: neither its name nor its value nor its effect was checked",
            f'check it against the provider\'s documentation, then name it: allow=["native_unchecked.{here}.{name}"]',
        )


def loss_code(provider: str, path: str) -> str:
    """Return the permanent code of the loss of a parameter that changes the amount."""
    return f"IB-{provider.upper()}-NATIVE-{re.sub('[^A-Z0-9]+', '-', path.upper()).strip('-')}-01"


def native_fields(given: Given) -> tuple[Field, ...]:
    """Return a row for each native parameter of a command, so that a plan states where a body's field comes from."""
    checked = [Field("native", row.path, row.source) for row in given.rows]
    shapes = dict.fromkeys(shape for shape, _ in shapes_of(given.unchecked))
    return (*checked, *(Field("native_unchecked", shape, "stated by the caller, not checked") for shape in shapes))
