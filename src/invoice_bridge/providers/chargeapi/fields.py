"""The fate of each leaf of a bill: the rows behind losses, explain and the reference."""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.rows import (
    DISCOUNTS,
    Field,
    approximated,
    carried,
    defaulted,
    dropped,
    provider_rated,
    read_parts,
    refused,
    unsent,
)
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.providers.chargeapi.tables import CREATE, FINALIZE, OBJECT, PAY, REFERENCE_KEY, SOURCES, UPDATE


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _is_manual(command: Any, _context: Any) -> bool:
    return command.collection.kind == "manual" and not command.draft


def _is_send(command: Any, _context: Any) -> bool:
    return bool(command.collection.kind == "send")


def _is_charge(command: Any, _context: Any) -> bool:
    return command.collection.kind == "charge" and not command.draft


def _is_draft_to_charge(command: Any, _context: Any) -> bool:
    return command.collection.kind == "charge" and bool(command.draft)


def _is_plain_draft(command: Any, _context: Any) -> bool:
    return command.collection.kind == "manual" and bool(command.draft)


def _is_not_draft_to_charge(command: Any, context: Any) -> bool:
    return not _is_draft_to_charge(command, context)


def _without_tax(command: Any, _context: Any) -> bool:
    return bool(command.tax == "none")


def _with_tax(command: Any, _context: Any) -> bool:
    return bool(command.tax == "provider")


_TAX = f"{FINALIZE}: finalizing calculates tax; no request has a field for it"
_NO_LINES = "ChargeAPI makes the lines itself, from the period's transactions"


def _line_part(part: str, code: str, what: str) -> Field:
    """Return a part of a line that is neither sent nor compared."""
    return dropped(
        f"lines[].{part}",
        code,
        CREATE,
        sent="the period alone",
        why=f"{_NO_LINES}: {what}",
        remedy="leave the lines out to bill what the period holds",
    )


def _discount(path: str, code: str) -> Field:
    """Return a discount's row: no request takes one, so the transactions must add up to the total after it."""
    return provider_rated(
        path,
        code,
        CREATE,
        sent="the period alone",
        why="ChargeAPI has no discounts: it bills the transactions of the period, and the bill stops unless their sum "
        "is the total after discounts",
        remedy="make sure that the period holds exactly what is to be billed: a draft that differs cannot be discarded",
    )


# The rows name the amount, the lines or both: whichever the command states. `allow` takes the same names, so callers
# accept exactly what they wrote.
FIELDS = (
    carried("reference", f"metadata.{REFERENCE_KEY}", CREATE),
    approximated(
        "customer.id",
        "fleet",
        "IB-CHARGEAPI-CUSTOMER-01",
        CREATE,
        severity=Severity.INFO,
        sent="the customer's id as the fleet",
        why="ChargeAPI bills fleets and has no customers: the customer's id is sent as the fleet's",
    ),
    dropped(
        "customer.email",
        "IB-CHARGEAPI-CUSTOMER-02",
        CREATE,
        severity=Severity.INFO,
        why="ChargeAPI bills a fleet by its id and mails nobody",
    ),
    dropped(
        "customer.name",
        "IB-CHARGEAPI-CUSTOMER-03",
        CREATE,
        severity=Severity.INFO,
        why="ChargeAPI bills a fleet by its id and uses the name that it has on record",
    ),
    carried("currency", "currency", CREATE),
    provider_rated(
        "amount",
        "IB-CHARGEAPI-AMOUNT-01",
        CREATE,
        sent="the period alone",
        why="ChargeAPI accepts no amount: it bills the transactions of the period, and the bill stops if their sum is "
        "another amount",
        remedy="make sure that the period holds exactly what is to be billed: a draft that differs cannot be discarded",
        verbs=("one_time_charge",),
    ),
    provider_rated(
        "lines[].amount",
        "IB-CHARGEAPI-LINES-01",
        CREATE,
        sent="the period alone",
        why=f"{_NO_LINES}; only their sum is compared with yours",
        remedy="leave the lines out to bill what the period holds",
    ),
    _line_part("description", "IB-CHARGEAPI-LINES-02", "each has its own description"),
    _line_part("quantity", "IB-CHARGEAPI-LINES-03", "each has its own quantity"),
    _line_part("unit_amount", "IB-CHARGEAPI-LINES-04", "each has its own unit amount"),
    _line_part("period.start", "IB-CHARGEAPI-LINES-05", "each begins when its transaction does"),
    _line_part("period.end", "IB-CHARGEAPI-LINES-06", "each ends when its transaction does"),
    carried("period.start", "period_start", CREATE),
    carried("period.end", "period_end", CREATE),
    dropped(
        "subscription",
        "IB-CHARGEAPI-SUBSCRIPTION-01",
        CREATE,
        severity=Severity.CHANGES_MONEY,
        sent="the period alone",
        why="ChargeAPI has no subscriptions: it bills all transactions of the period, not those of one subscription",
        remedy="leave the subscription out",
    ),
    carried("description", "description", CREATE),
    dropped(
        "purchase_order",
        "IB-CHARGEAPI-PURCHASE-ORDER-01",
        OBJECT,
        why="the invoice has no field for a purchase order",
        remedy="name it in the description or in the metadata",
    ),
    carried("metadata", "metadata", CREATE),
    dropped(
        "issued_at",
        "IB-CHARGEAPI-ISSUED-AT-01",
        OBJECT,
        why="ChargeAPI's invoices have no issue date, only the date on which they were created",
        remedy="leave it out",
    ),
    carried("collection.due", "due_date", UPDATE),
    # a warning here would have to be allowed on every bill, and nobody would read it
    approximated(
        "collection.kind",
        "",
        "IB-CHARGEAPI-COLLECTION-01",
        CREATE,
        alters=Alters.BRANCH,
        severity=Severity.INFO,
        when=_is_manual,
        sent="finalize, and no pay",
        why="it is not confirmed that finalizing charges nobody: one page says that finalizing locks the lines and "
        "collects payment, another has a separate request to pay",
        remedy="check the status of the first invoice that you finalize",
    ),
    approximated(
        "collection.kind",
        "due_date",
        "IB-CHARGEAPI-COLLECTION-02",
        UPDATE,
        alters=Alters.BRANCH,
        severity=Severity.WARNS,
        when=_is_send,
        sent="the due date, on an open invoice that is not mailed",
        why="ChargeAPI mails no invoices",
        remedy="mail it yourself",
    ),
    dropped(
        "collection.kind",
        "IB-CHARGEAPI-COLLECTION-03",
        PAY,
        severity=Severity.INFO,
        when=_is_draft_to_charge,
        sent="a draft",
        why="a draft does not store that it will be charged",
        remedy="pay it after you finalize it",
    ),
    carried("collection.kind", "", PAY, alters=Alters.BRANCH, when=_is_charge),
    unsent("collection.kind", CREATE, when=_is_plain_draft),
    carried(
        "collection.net_days",
        "",
        f"{UPDATE}: due_date is an instant",
        alters=Alters.BRANCH,
        why="refused: there is no issue date to count days from",
    ),
    carried("collection.payment_method", "payment_method", PAY, when=_is_not_draft_to_charge),
    dropped(
        "collection.payment_method",
        "IB-CHARGEAPI-COLLECTION-04",
        PAY,
        severity=Severity.INFO,
        when=_is_draft_to_charge,
        sent="a draft",
        why="a draft does not store the payment method to charge",
        remedy="name it when you pay the invoice",
    ),
    # it may change nothing; the comparison after finalizing stops the bill where it does
    defaulted(
        "tax",
        "IB-CHARGEAPI-TAX-01",
        _TAX,
        severity=Severity.INFO,
        when=_without_tax,
        why="the account's settings decide on tax, and an older page says that finalizing calculates it; if finalizing "
        "changes the total, the bill stops before it collects",
    ),
    unsent("tax", _TAX, when=_with_tax),
    carried("draft", "", FINALIZE, alters=Alters.BRANCH),
    unsent("attempt", "docs.chargeapi.co/idempotency"),
    _discount("lines[].discount", "IB-CHARGEAPI-LINE-DISCOUNT-01"),
    _discount("discounts[].amount", "IB-CHARGEAPI-DISCOUNT-01"),
    *(
        dropped(
            f"discounts[].{part}",
            f"IB-CHARGEAPI-DISCOUNT-{number}",
            CREATE,
            severity=Severity.INFO,
            sent="the period alone",
            why=f"{_NO_LINES}: the invoice does not show the name of a discount",
        )
        for part, number in (("name", "02"), ("code", "03"))
    ),
    unsent("discounts[].id", CREATE),
    refused(
        "tax[]",
        _TAX,
        why="ChargeAPI calculates tax by the account's settings",
        remedy='write tax="provider" or "none"',
    ),
    *read_parts("IB-CHARGEAPI", CREATE, sent=("lines[].discount", *DISCOUNTS, "tax[]")),
)

VERB_FIELDS: tuple[Field, ...] = (
    dropped(
        "reason",
        "IB-CHARGEAPI-VOID-REASON-01",
        SOURCES["void"],
        verbs=("void",),
        why="the void request takes no parameters, so it keeps no reason",
        remedy="write it into the metadata with update before you void, or keep it in your own records",
    ),
)
"""What happens to each field of the verbs of VERB_LEAVES."""
