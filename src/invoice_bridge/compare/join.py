"""The comparison itself: read both sides, join them on disk, compare pair by pair.

Rules of this file: memory does not grow with the sides. Both sides go into a temporary SQLite database (an anonymous
file that SQLite deletes by itself), and the result reads its rows from there.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from itertools import chain
from typing import Any

from invoice_bridge.compare.allowed import Allow, Allowed, allowances
from invoice_bridge.compare.causes import by_cause
from invoice_bridge.compare.differences import Difference, Facts, Verdict, differences
from invoice_bridge.compare.facts import facts
from invoice_bridge.compare.groups import Groups
from invoice_bridge.compare.kinds import PATHS, Customers
from invoice_bridge.compare.losses import declarations
from invoice_bridge.compare.result import Comparison, Store
from invoice_bridge.compare.sources import Side, is_single, read
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import in_utc

Progress = Callable[[str, int, int | None], object]
"""Called with the stage ("left", "right", "pairs"), the number done, and the total if that is known."""

_SIDES = ("left", "right")
_OWN_KEYS = ("id", "number", "file")
_EVERY = 250
_encode = json.JSONEncoder(ensure_ascii=False).encode


def compare(
    left: Side,
    right: Side,
    *,
    allow: Allow = (),
    as_of: datetime | None = None,
    keys: Sequence[str] = ("reference",),
    customers: Customers | None = None,
    products: Customers | None = None,
    progress: Progress | None = None,
    document: bool = False,
    losses: Iterable[Loss] = (),
) -> Comparison:
    """Compare two sides by their meaning; each is an invoice, invoices, a client, or a path (see `Side`).

    Two single invoices are compared as they are. Otherwise invoices are joined by the first of `keys` under which both
    sides match: "reference", "metadata.order", "customer.email", "period.start", "number", "id", "file" (the
    file's name in a folder) … and "a+b" for several together. `allow` declares differences equal: `Allowed` values, or
    a TOML file (see invoice_bridge.compare.allowed). `as_of` (aware) is the time at which being past due is compared;
    without it that is not compared. `customers` maps your own names to ids per provider, as a client takes it:
    customers' ids are compared if it, or CustomerRef.ids, joins them. `products` does the same for lines, by the ids
    of products or prices.

    `document`: both sides are one document, as after an import, so its number and its dates are compared too. What the
    import was known to lose, `losses`, is declared equal, but never an amount, a status or a customer.

    Raises ConfigurationError if both sides are empty, lines are incomplete, a side has a key twice, or a file cannot
    be read. Raises MalformedResponse for a recorded answer that cannot be read, and for an invoice with `problems`.
    Errors of a client pass through. A partly read side is never compared.
    """
    given = allowances(allow)
    declared = (*given, *declarations(losses))
    moment = None if as_of is None else in_utc(as_of)
    _check_keys(keys)
    store = _open(len(keys))
    try:
        for place, side in enumerate((left, right)):
            _fill(
                store,
                place,
                side,
                keys=keys,
                measure=lambda one: facts(one, moment, customers, products, document=document),
                progress=progress,
            )
        _check_something(store, keys, single=is_single(left) and is_single(right))
        if is_single(left) and is_single(right):
            store.execute("UPDATE bill SET mate = 3 - n")
        else:
            _join(store, keys)
        told = _classify(store, declared, progress)
    except BaseException:
        store.close()
        raise
    unused = tuple(one for place, one in enumerate(given) if place not in told.used)
    return Comparison(
        store,
        counts=told.verdicts,
        unsaid=told.unsaid,
        unused=unused,
        as_of=moment,
        keys=tuple(keys),
        groups=told.groups.sorted(),
    )


def _open(keys: int) -> Store:
    store = Store()
    store.connection.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32000;"
        "CREATE TABLE body (n INTEGER PRIMARY KEY, provider TEXT, id TEXT, text TEXT);"
        "CREATE TABLE bill (n INTEGER PRIMARY KEY, side INTEGER, place TEXT, facts BLOB, label TEXT, mate INTEGER"
        + "".join(f", key{place} TEXT" for place in range(keys))
        + ");"
        "CREATE TABLE row (n INTEGER PRIMARY KEY, l INTEGER, r INTEGER, label TEXT, verdict TEXT, found TEXT)"
    )
    store.execute("BEGIN")  # one transaction that never ends: otherwise each row is written to the file
    return store


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _check_keys(keys: Sequence[str]) -> None:
    if isinstance(keys, str) or not keys:
        raise ConfigurationError(f'keys is a list such as keys=["reference"], not {keys!r}')
    known = [*PATHS, *_OWN_KEYS]
    for key in keys:
        for part in key.split("+"):
            if part not in known and not part.startswith("metadata."):
                near = get_close_matches(part, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"valid names: {', '.join(known)}"
                raise ConfigurationError(f"invoices cannot be joined by {part!r}; {hint}")


def _key(key: str, said: Facts) -> str | None:
    """Return the value of a key, None if a part of it is not stated."""
    values = [said.get(part) for part in key.split("+")]
    if None in values:
        return None
    return " + ".join(value if isinstance(value, str) else dumps(value).decode() for value in values)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _fill(
    store: Store,
    place: int,
    side: Side,
    *,
    keys: Sequence[str],
    measure: Callable[[Any], dict[str, Any]],
    progress: Progress | None,
) -> None:
    """Write a side's facts, keys and bodies.

    Raises ConfigurationError for lines that are not complete, MalformedResponse for a partly read invoice.
    """
    insert = f"INSERT INTO bill VALUES (NULL, {place}, ?, ?, ?, NULL{', ?' * len(keys)})"  # noqa: S608 - own text
    done = 0
    for one in read(side):
        if one.invoice.problems:
            more = len(one.invoice.problems) - 1
            raise MalformedResponse(
                f"{_SIDES[place]} side: {one.place}: the invoice {one.invoice.id} was read in part, so it cannot be "
                f"compared: {one.invoice.problems[0]}" + (f" (and {more} more)" if more else ""),
                provider=one.invoice.provider,
            )
        if not one.invoice.lines_complete:
            raise ConfigurationError(
                f"{_SIDES[place]} side: {one.place}: its lines are not complete, so it cannot be compared; "
                "read it in full (a client's retrieve and list do)"
            )
        found = measure(one.invoice)
        known = {**found["said"], "id": one.invoice.id, "number": one.invoice.number, "file": one.file}
        values = [_key(key, known) for key in keys]
        label = next((value for value in values if value is not None), None)
        written = store.execute(insert, (one.place, marshal.dumps(found, 0), label, *values))
        body = (written.lastrowid, one.invoice.provider, one.invoice.id, one.body)
        store.execute("INSERT INTO body VALUES (?, ?, ?, ?)", body)
        done += 1
        if progress is not None and done % _EVERY == 0:
            progress(_SIDES[place], done, None)
    if progress is not None:
        progress(_SIDES[place], done, done)


def _check_something(store: Store, keys: Sequence[str], *, single: bool) -> None:
    """Refuse two empty sides, and a side without any key."""
    any_key = " OR ".join(f"key{place} IS NOT NULL" for place in range(len(keys)))
    rows = store.execute(f"SELECT side, count(*), sum({any_key}) FROM bill GROUP BY side").fetchall()  # noqa: S608 - own text
    if not rows:
        raise ConfigurationError("both sides are empty: nothing was compared")
    for side, count, keyed in rows:
        if not keyed and not single:
            raise ConfigurationError(
                f"{_SIDES[side]} side: none of its {count} invoices states {' or '.join(keys)}: name what both "
                "sides state as another key"
            )


# ── joining ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _join(store: Store, keys: Sequence[str]) -> None:
    """Find each invoice's counterpart by one key after the other. Raises ConfigurationError for a duplicate key."""
    store.execute("CREATE INDEX by_mate ON bill (mate, side)")
    for place, key in enumerate(keys):
        store.execute(f"CREATE INDEX by_key{place} ON bill (key{place}, side)")
        twice = store.execute(
            f"SELECT side, key{place}, min(place), max(place) FROM bill "  # noqa: S608 - own text
            f"WHERE mate IS NULL AND key{place} IS NOT NULL GROUP BY key{place}, side HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        if twice is not None:
            side, value, first, last = twice
            raise ConfigurationError(
                f"{_SIDES[side]} side: two invoices have the {key} {value!r} ({first}; {last}): which one is it? "
                f"Join by more, as in {key}+period.start, or leave one out"
            )
        store.execute(
            f"UPDATE bill SET label = key{place}, mate = "  # noqa: S608 - own text
            f"(SELECT o.n FROM bill o WHERE o.key{place} = bill.key{place} AND o.side = 1 AND o.mate IS NULL) "
            f"WHERE side = 0 AND mate IS NULL AND key{place} IS NOT NULL"
        )
        store.execute(
            "UPDATE bill SET mate = (SELECT l.n FROM bill l WHERE l.mate = bill.n AND l.side = 0) "
            "WHERE side = 1 AND mate IS NULL"
        )


# ── verdicts ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class _Totals:
    """The counts of a comparison."""

    def __init__(self) -> None:
        self.verdicts: dict[Verdict, int] = dict.fromkeys((one for one in Verdict if one is not Verdict.UNSAID), 0)
        self.unsaid = 0
        self.used: set[int] = set()
        self.groups = Groups()


_PAIRS = (
    "SELECT l.n, r.n, l.label, l.facts, r.facts FROM bill l LEFT JOIN bill r ON r.n = l.mate "
    "WHERE l.side = 0 ORDER BY l.n"
)
_ALONE = "SELECT NULL, n, label, NULL, facts FROM bill WHERE side = 1 AND mate IS NULL ORDER BY n"


def _classify(store: Store, declared: tuple[Allowed, ...], progress: Progress | None) -> _Totals:
    """Write the verdicts: the left side in its order, then the unmatched invoices of the right side."""
    told = _Totals()
    (total,) = store.execute("SELECT count(*) FROM bill WHERE side = 0 OR mate IS NULL").fetchone()
    rows = chain(store.execute(_PAIRS), store.execute(_ALONE))
    for done, (left, right, label, ours, theirs) in enumerate(rows, 1):
        found: list[Difference] = []
        if left is None or right is None:
            verdict = Verdict.RIGHT_ONLY if left is None else Verdict.LEFT_ONLY
            alone = marshal.loads(theirs if left is None else ours)  # noqa: S302 - written above
            told.groups.add_alone(label, verdict, alone["said"].get("total"))
        elif ours == theirs:
            verdict = Verdict.MATCHED
        else:
            found = _declare(marshal.loads(ours), marshal.loads(theirs), declared, told)  # noqa: S302 - written above
            verdict = _of_pair(found)
            told.groups.add(label, found)
        told.verdicts[verdict] += 1
        written = _encode([one.to_json() for one in found])
        store.execute("INSERT INTO row VALUES (NULL, ?, ?, ?, ?, ?)", (left, right, label, verdict.value, written))
        if progress is not None and (done % _EVERY == 0 or done == total):
            progress("pairs", done, total)
    return told


def _declare(left: Facts, right: Facts, declared: tuple[Allowed, ...], told: _Totals) -> list[Difference]:
    """Return the differences of a pair, marked as declared equal if a declaration covers them."""
    found = by_cause(differences(left, right), left)
    for place, one in enumerate(found):
        if one.verdict is Verdict.UNSAID:
            told.unsaid += 1
            continue
        covering = [number for number, allowed in enumerate(declared) if allowed.covers(one, left, right)]
        if covering:
            told.used.update(covering)
            found[place] = replace(one, verdict=Verdict.DECLARED_EQUAL, reason=declared[covering[0]].reason)
    return found


def _of_pair(found: list[Difference]) -> Verdict:
    """Return the worst verdict of the paths; a field that one side does not state is no difference."""
    verdicts = {one.verdict for one in found}
    return next((one for one in (Verdict.DIFFERING, Verdict.DECLARED_EQUAL) if one in verdicts), Verdict.MATCHED)
