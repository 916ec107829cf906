"""From the source's ids to the target's: customers and products by a CSV file, a profile or a function.

Rules of this file: an id that no map has is never sent, and never guessed. What is missing is written into the CSV, to
be completed by a person.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.model import CustomerRef, Invoice, Line

__all__ = [
    "CustomerOf",
    "Numbers",
    "ProductOf",
    "customers_of",
    "ids_of",
    "products_of",
    "source_customer",
    "write_template",
]

CustomerOf = Callable[[Invoice], str | None]
"""Returns the id of an invoice's customer at the target, None where there is none."""
ProductOf = Callable[[str], str | None]
"""Returns the target's product or price for one of the source, None where there is none."""
_COLUMNS = ("source_id", "target_id", "name", "email")


def customers_of(
    given: str | PathLike[str] | Mapping[str, str] | CustomerOf | None,
    profile: Mapping[str, Mapping[str, str]],
    source: str,
    target: str,
) -> CustomerOf:
    """Return what gives the customer of an invoice at the target.

    `given` is a CSV file, a mapping of ids, or a function of the invoice; without it the profile's map of customers
    counts, by the ids that it has for both providers. Raises ConfigurationError.
    """
    if callable(given):
        return given
    ids = ids_of(given, profile, source, target)
    return lambda invoice: ids.get(source_customer(invoice) or "")


def source_customer(invoice: Invoice) -> str | None:
    """Return the id of an invoice's customer at its provider."""
    return None if invoice.customer is None else invoice.customer.at(invoice.provider)


def products_of(
    given: str | PathLike[str] | Mapping[str, str] | ProductOf | None,
    profile: Mapping[str, Mapping[str, str]],
    source: str,
    target: str,
) -> Callable[[Line], Line]:
    """Return what puts the target's products and prices into a line; those that no map has stay as they are."""
    of: ProductOf = given if callable(given) else ids_of(given, profile, source, target).get

    def translate(line: Line) -> Line:
        stated = {name: own for name in ("product", "price") if (own := getattr(line, name)) is not None}
        found = {name: mapped for name, own in stated.items() if (mapped := of(own))}
        return line.model_copy(update=found) if found else line

    return translate


def ids_of(
    given: str | PathLike[str] | Mapping[str, str] | None,
    profile: Mapping[str, Mapping[str, str]],
    source: str,
    target: str,
) -> dict[str, str]:
    """Return the ids at the target by those at the source: of a CSV file, a mapping, or the profile's map."""
    if given is None:
        found = {ids[source]: ids[target] for ids in profile.values() if source in ids and target in ids}
    else:
        found = dict(given) if isinstance(given, Mapping) else _read(Path(given))
    return {own: there for own, there in found.items() if own and there}


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}  # it is written once the plan knows what it needs
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"source_id", "target_id"} <= set(rows.fieldnames or ()):
                raise ConfigurationError(f"{path}: its first line must name the columns source_id and target_id")
            for row in rows:
                source, target = (row["source_id"] or "").strip(), (row["target_id"] or "").strip()
                if found.get(source, target) != target:
                    raise ConfigurationError(
                        f"{path}: line {rows.line_num} gives {source!r} a second id, {target!r}: one customer is one id"
                    )
                if target:
                    found[source] = target
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: it cannot be read as CSV in UTF-8: {error}") from None
    return found


def write_template(path: str | PathLike[str], missing: Iterable[CustomerRef]) -> int:
    """Add the customers that are missing to a CSV file, with an empty target_id; return how many were added.

    What the file has stays. Raises ConfigurationError if it cannot be written.
    """
    file = Path(path)
    known: set[str] = set()
    if file.exists():
        with file.open(encoding="utf-8-sig", newline="") as opened:
            known = {(row.get("source_id") or "").strip() for row in csv.DictReader(opened)}
    added: dict[str, CustomerRef] = {}
    for customer in missing:
        if customer.id and customer.id not in known:
            added.setdefault(customer.id, customer)
    if not added and file.exists():
        return 0
    try:
        is_new = not file.exists()
        with file.open("a", encoding="utf-8", newline="") as opened:
            rows = csv.writer(opened)
            if is_new:
                rows.writerow(_COLUMNS)
            rows.writerows([one.id, "", _safe(one.name), _safe(one.email)] for one in added.values())
    except OSError as error:
        raise ConfigurationError(f"{file}: it cannot be written: {error.strerror}") from None
    return len(added)


def _safe(text: str | None) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return "" if text is None else f"'{text}" if text[:1] in "=+-@\t\r" else text


class Numbers:
    """The numbers of documents at the target: "keep", "prefix:OLD-" or "new"."""

    def __init__(self, rule: str) -> None:
        kind, sign, prefix = rule.partition(":")
        if rule not in {"keep", "new"} and not (kind == "prefix" and sign and prefix):
            raise ConfigurationError(f'numbers are "keep", "new" or "prefix:OLD-", not {rule!r}')
        self._rule, self._prefix = rule, prefix

    def changes(self, invoice: Invoice) -> dict[str, Any]:
        """Return what an import states of the number of an invoice."""
        if self._rule == "new":
            return {"number": None}
        return {"number": f"{self._prefix}{invoice.number or invoice.id}"}
