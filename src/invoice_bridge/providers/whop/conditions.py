"""The conditions of Whop's rows: when a field of a bill is carried, dropped, or sent in another form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.core.model import Line
from invoice_bridge.providers.whop.tables import TITLE_LENGTH


def carries_quantity(line: Line) -> bool:
    """Return whether a line is sent as quantity × unit price: a quantity of zero or below is not documented."""
    return line.quantity is not None and line.unit_amount is not None and line.quantity > 0


def fits_title(text: str) -> bool:
    """Return whether a text is short enough for the title of a product."""
    return len(text) <= TITLE_LENGTH


def product_of(command: Any, settings: Mapping[str, Any]) -> str | None:
    """Return the existing product that a bill is of: the one that its lines name, or the setting.

    None if they name several, because a Whop invoice has one product.
    """
    named = {line.product for line in command.lines if line.product is not None and line.names_at("whop")}
    return named.pop() if len(named) == 1 else settings.get("product_id")


def product_is_lost(command: Any, _context: Any) -> bool:
    """Return whether a product of a line is not the one that the bill is of."""
    named = [line for line in command.lines if line.product is not None]
    return not all(line.names_at("whop") for line in named) or len({line.product for line in named}) > 1


def some_lines_have_no_product(command: Any, _context: Any) -> bool:
    """Return whether some lines name a product and others none."""
    return any(line.product is not None for line in command.lines) and any(
        line.product is None for line in command.lines
    )


def needs_another_title(command: Any, context: Any) -> bool:
    """Return whether the description is too long for the title of a product that is made."""
    return (
        not product_of(command, context.settings)
        and command.description is not None
        and not fits_title(command.description)
    )


def has_its_title(command: Any, context: Any) -> bool:
    """Return whether the description fits, or no product is made."""
    return not needs_another_title(command, context)


def needs_a_word_as_title(command: Any, context: Any) -> bool:
    """Return whether neither the description nor the reference fits the title."""
    titled = command.description is not None and fits_title(command.description)
    return not (product_of(command, context.settings) or titled or fits_title(command.reference))


def needs_no_word_as_title(command: Any, context: Any) -> bool:
    """Return whether one of them fits, or no product is made."""
    return not needs_a_word_as_title(command, context)


def quantity_is_lost(command: Any, _context: Any) -> bool:
    """Return whether the quantity of a line is not sent."""
    return any(line.quantity not in {None, 1} and not carries_quantity(line) for line in command.lines)


def quantity_is_kept(command: Any, context: Any) -> bool:
    """Return whether the quantities of all lines are sent."""
    return not quantity_is_lost(command, context)


def unit_amount_is_lost(command: Any, _context: Any) -> bool:
    """Return whether the unit price of a line is not sent."""
    return any(
        line.unit_amount is not None and line.quantity is not None and line.quantity <= 0 for line in command.lines
    )


def unit_amount_is_kept(command: Any, context: Any) -> bool:
    """Return whether the unit prices of all lines are sent."""
    return not unit_amount_is_lost(command, context)


def bills_a_member(command: Any, context: Any) -> bool:
    """Return whether the customer has an id at Whop."""
    return command.customer is not None and command.customer.at(context.provider.name) is not None


def bills_an_address(command: Any, context: Any) -> bool:
    """Return whether the customer is known by the mail address alone."""
    return not bills_a_member(command, context)


def gives_the_due_date(command: Any, _context: Any) -> bool:
    """Return whether the collection decides when the bill is due."""
    return bool(command.collection.net_days is not None or (command.collection.kind == "charge" and not command.draft))


def says_nothing_else(command: Any, context: Any) -> bool:
    """Return whether nothing but `due` decides when the bill is due."""
    return not gives_the_due_date(command, context)


def is_issued(command: Any, _context: Any) -> bool:
    """Return whether the bill is no draft."""
    return not command.draft


def drafts_to_mail(command: Any, _context: Any) -> bool:
    """Return whether the bill is a draft of which a mail will ask for the money."""
    return bool(command.draft and command.collection.kind == "manual")


def drafts_as_asked(command: Any, _context: Any) -> bool:
    """Return whether the bill is a draft in another way."""
    return bool(command.draft and command.collection.kind != "manual")


def untaxed(command: Any, _context: Any) -> bool:
    """Return whether no tax is asked for, and the customer pays by a link."""
    return bool(command.tax == "none" and (command.collection.kind != "charge" or command.draft))


def charged_untaxed(command: Any, context: Any) -> bool:
    """Return whether no tax is asked for, and a stored method is charged."""
    return bool(command.tax == "none" and not untaxed(command, context))


def taxed(command: Any, _context: Any) -> bool:
    """Return whether Whop computes the tax."""
    return bool(command.tax == "provider")
