"""The stable words for why an item is refused, skipped or left to a person.

Rules of this file: a word never changes its meaning. An error may state its word first ("number-taken: …"); else the
word is the error's class.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["WORDS", "word_of"]

WORDS: Final = {
    "source-incomplete": "its lines, payments or credit notes are not known whole at the source",
    "source-total-unknown": "the source does not state its total",
    "source-still-billing": "it is open, and the source goes on to collect it: plan with open invoices to move it; one "
    "of which a part was settled may stay",
    "draft": "it is a draft: plan with drafts to move it",
    "customer-unmapped": "no customer at the target is known for it: complete the CSV of customers",
    "customer-has-balance": "the customer has a balance at the target, which would be used up",
    "number-taken": "the target has another document of that number",
    "below-minimum": "the target would bill so small an amount again",
    "negative": "it is a credit, and no demand for money",
    "currency-not-carried": "the target does not carry its currency",
    "payment-pending": "a payment of it is on its way",
    "too-many-lines": "the target takes fewer lines",
    "moved-before": "an earlier plan of this ledger has moved it, or may have",
    "already-at-target": "the target has a document of its reference",
    "undo-impossible": "the target does not let it be taken back",
    "changed-since-plan": "it is not any more as it was planned",
}
"""Each word, and what it means for an item."""


def word_of(error: Exception) -> str:
    """Return the word for an error: the one that it states first, else its class in small letters."""
    stated, sign, _ = str(error).partition(": ")
    if sign and stated in WORDS:
        return stated
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
