"""Where a provider's JSON has each field: a Shape is a table, compiled once to a plain function.

Rules of this file: the function takes the value of the documented type by itself; whatever is otherwise goes to the
method of Reader that the table names, which notes it. So both give the same, and a Shape only does it faster. Values
are made without validating them a second time; a test holds each one equal to its own `model_validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from invoice_bridge.adapter.compiled import Code, Leaf
from invoice_bridge.adapter.declared import Units
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.model import Frozen

__all__ = ["Leaf", "Shape"]

M = TypeVar("M", bound=Frozen)


# ── the rows of a table ──────────────────────────────────────────────────────────────────────────────────────────────
def text(*paths: str) -> Leaf:
    """A text; None where it is absent or empty."""
    return Leaf("text", paths)


def required(path: str) -> Leaf:
    """A text without which there is no invoice: MalformedResponse where it is missing."""
    return Leaf("required_text", (path,))


def email(*paths: str) -> Leaf:
    """An e-mail address; a text that is too short to be one is noted."""
    return Leaf("email", paths)


def flag(*paths: str) -> Leaf:
    """A boolean."""
    return Leaf("flag", paths)


def integer(path: str) -> Leaf:
    """A whole number."""
    return Leaf("integer", (path,))


def number(*paths: str) -> Leaf:
    """An exact decimal: a number, or one that is written as text."""
    return Leaf("decimal", paths)


def unix(*paths: str) -> Leaf:
    """An instant in seconds since 1970; 0 is absent."""
    return Leaf("unix", paths)


def instant(*paths: str) -> Leaf:
    """An instant as RFC 3339, with its zone."""
    return Leaf("instant", paths)


def day(path: str, *, ends: bool = False) -> Leaf:
    """A date without a time: its first second in UTC, or its last one where it `ends` something, as a due date does."""
    return Leaf("day", (path,), {"ends": ends})


def identity(*paths: str) -> Leaf:
    """An id: alone, or that of the whole object in its place."""
    return Leaf("identity", paths)


def strings(path: str) -> Leaf:
    """An object of texts, such as metadata."""
    return Leaf("strings", (path,))


def currency(path: str, *, unless: Callable[[Reader], bool] | None = None) -> Leaf:
    """The currency of all amounts of the object, in any case; of an object that is `unless` it may be absent."""
    return Leaf("currency", (path,), {"unless": unless})


def money(path: str) -> Leaf:
    """An amount in the provider's integer units, in the currency of the object."""
    return Leaf("money", (path,))


def span(start: Leaf, end: Leaf) -> Leaf:
    """A period from two instants; None where one is absent or where they do not span any time."""
    return Leaf("period", (*start.paths, *end.paths), {"start": start, "end": end})


def rows(path: str, shape: Shape[Any], *others: str) -> Leaf:
    """The objects of a list, or of the first of several lists that has any, each of a shape. What is no object, or has
    no amount, is left out and noted.

    Where the model has a field `<name>_complete`, it is whether there is a list of which nothing was left out.
    """
    return Leaf("rows", (path, *others), {"shape": shape})


def computed(
    read: Callable[[Reader, str | None], Any],
    *paths: str,
    any_of: tuple[str, ...] = (),
    quick: Callable[[Mapping[str, Any], str | None], Any] | None = None,
    zero_if_empty: bool = False,
) -> Leaf:
    """A value that a function of the object's Reader and its currency finds at these paths.

    With `any_of`, fields of the object, it is None where none of them is there, and the function is not called.
    `quick`, of the object itself, returns what `read` would, or None where it takes `read` to say; it is asked where
    the first of `any_of` is there. `zero_if_empty`: the one of `any_of` is a list, and without items the value is no
    money.
    """
    options: dict[str, Any] = {"read": read, "any_of": any_of}
    if quick is not None:
        options["quick"] = quick
    if zero_if_empty:
        options["zero_if_empty"] = True
    return Leaf("computed", paths, options)


def stated(word: str, *fields: str) -> Leaf:
    """A word of ours, where one of these fields, which are before it in the table, was read; else the default."""
    return Leaf("stated", (), {"word": word, "fields": fields})


def derived(*paths: str) -> Leaf:
    """A value that the `derive` of the table makes of what is at these paths."""
    return Leaf("derived", paths)


Derive = Callable[[dict[str, Any], Reader, Mapping[str, Any]], None]


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Shape(Generic[M]):
    """A model, and where each of its fields is read.

    `derive(values, reader, given)` changes what was read, by name, before the value is made; what it takes out
    (`values.pop`) may have names that are no fields. `given` is what the caller of `whole` gave: a list in place of
    the one that the object has, by the name of its field, and whatever else only the adapter knows. `needs` names an
    amount without which there is no value, but None and a note. `also` lists the paths that `derive` reads itself.
    `kinds` are the values of a field `object` that this may be.
    """

    def __init__(
        self,
        model: type[M],
        derive: Derive | None = None,
        *,
        units: Units | None = None,
        needs: str | None = None,
        kinds: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
        **fields: Leaf,
    ) -> None:
        self.model, self.derive, self.units, self.needs, self.kinds = model, derive, units, needs, kinds
        self.fields, self._also = fields, also
        self._read: Callable[..., M | None] | None = None
        self._read_rows: Callable[..., tuple[tuple[M, ...], bool]] | None = None

    @property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """Each field of the table, and the paths at which it is read, those inside lists with []; "" for the rest."""
        found = {name: tuple(_listed(leaf)) for name, leaf in self.fields.items()}
        return found | {"": self._also} if self._also else found

    def every_path(self) -> frozenset[str]:
        """All paths that are read."""
        return frozenset(path for paths in self.paths.values() for path in paths)

    @property
    def read(self) -> Callable[..., M | None]:
        """The function of a Reader, the currency, its amounts and what the caller of whole gave; compiled once."""
        if self._read is None:
            self._read = _compiled(self)
        return self._read

    @property
    def read_rows(self) -> Callable[..., tuple[tuple[M, ...], bool]]:
        """The function of a Reader, the objects of a list in it, the list's path, the currency and its amounts.

        It returns the values, and whether there is a list of which none was left out; compiled once.
        """
        if self._read_rows is None:
            self._read_rows = _compiled(self, self.read_one)
        return self._read_rows

    def read_one(self, *given: Any) -> M | None:
        """Call `read`, which is compiled when it is first needed."""
        return (self._read or self.read)(*given)

    def read_list(self, *given: Any) -> tuple[tuple[M, ...], bool]:
        """Call `read_rows`, which is compiled when there is the first list."""
        return (self._read_rows or self.read_rows)(*given)

    def whole(self, data: Mapping[str, Any], provider: str, **given: Any) -> M:
        """Read a whole object; what cannot be read of it becomes `problems`, and the object itself `raw`.

        A `given` None is none. Raises MalformedResponse without an id, and for an object of another kind.
        """
        reader = Reader.noting(data, provider)
        if self.kinds and reader.data.get("object") not in self.kinds:
            reader.expect(*self.kinds)
        if given:
            for name in tuple(given):
                if given[name] is None:
                    del given[name]
        made = (self._read or self.read)(reader, given=given)
        assert made is not None, "only a row of a list may be left out"  # noqa: S101 - `needs` belongs to rows
        return made


def _listed(leaf: Leaf) -> Iterable[str]:
    if leaf.kind != "rows":
        yield from (path.replace("?", "") for path in leaf.paths)
        return
    for listed in leaf.paths:
        for paths in leaf.options["shape"].paths.values():
            yield from (f"{listed}[].{path}" for path in paths)


def _compiled(shape: Shape[Any], listed: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Write the function that a table means and compile it, as dataclasses do with `__init__`.

    That is `read`; with the `read` of objects which are `listed`, `read_rows`.
    """
    code = Code(shape.model, shape.fields, derive=shape.derive, units=shape.units, needs=shape.needs, listed=listed)
    scope: dict[str, Any] = {}
    exec("\n".join(code.lines), code.names, scope)  # noqa: S102 - of names in tables alone, never of a provider's text
    read: Callable[..., Any] = scope["read" if listed is None else "read_rows"]
    return read
