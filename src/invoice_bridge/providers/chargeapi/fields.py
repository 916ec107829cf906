"""What becomes of each leaf of a bill: the rows that losses, explain and the reference read."""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.providers.chargeapi.tables import CREATE, FINALIZE, OBJECT, PAY, REFERENCE_KEY, UPDATE


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
_NO_LINES = "ChargeAPI makes the lines itself, of the period's transactions"


def _line_part(part: str, code: str, what: str) -> Field:
    """A part of a line that is neither sent nor compared."""
    return Field(
        f"lines[].{part}",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code=code,
        sent="the period alone",
        why=f"{_NO_LINES}: {what}",
        remedy="leave the lines out to bill what the period holds",
    )


# Of amount and lines, the rows name what the command states: amount where it has one, lines where it has some, both
# where it has both. `allow` takes the same names, so callers accept exactly what they wrote.
FIELDS = (
    Field("reference", f"metadata.{REFERENCE_KEY}", CREATE),
    Field(
        "customer.id",
        "fleet",
        CREATE,
        fate=Fate.APPROXIMATED,
        severity=Severity.INFO,
        code="IB-CHARGEAPI-CUSTOMER-01",
        sent="the customer's id as the fleet",
        why="ChargeAPI bills fleets and has no customers: the customer's id is taken for a fleet's",
    ),
    Field(
        "customer.email",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.INFO,
        code="IB-CHARGEAPI-CUSTOMER-02",
        sent="nothing",
        why="ChargeAPI bills a fleet by its id, and mails nobody",
    ),
    Field(
        "customer.name",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.INFO,
        code="IB-CHARGEAPI-CUSTOMER-03",
        sent="nothing",
        why="ChargeAPI bills a fleet by its id: its name is the one kept there",
    ),
    Field("currency", "currency", CREATE),
    Field(
        "amount",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.PROVIDER_RATED,
        severity=Severity.CHANGES_MONEY,
        code="IB-CHARGEAPI-AMOUNT-01",
        sent="the period alone",
        why="ChargeAPI cannot be told an amount: it bills the transactions of the period, "
        "and the bill stops where they come to another amount",
        remedy="make sure that the period holds exactly what is to be billed: a draft that differs cannot be discarded",
        verbs=("one_time_charge",),
    ),
    Field(
        "lines[].amount",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.PROVIDER_RATED,
        severity=Severity.CHANGES_MONEY,
        code="IB-CHARGEAPI-LINES-01",
        sent="the period alone",
        why=f"{_NO_LINES}; only their sum is compared with yours",
        remedy="leave the lines out to bill what the period holds",
    ),
    _line_part("description", "IB-CHARGEAPI-LINES-02", "each has its own description"),
    _line_part("quantity", "IB-CHARGEAPI-LINES-03", "each has its own quantity"),
    _line_part("unit_amount", "IB-CHARGEAPI-LINES-04", "each has its own unit amount"),
    _line_part("period.start", "IB-CHARGEAPI-LINES-05", "each begins when its transaction does"),
    _line_part("period.end", "IB-CHARGEAPI-LINES-06", "each ends when its transaction does"),
    Field("period.start", "period_start", CREATE),
    Field("period.end", "period_end", CREATE),
    Field(
        "subscription",
        "",
        CREATE,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.CHANGES_MONEY,
        code="IB-CHARGEAPI-SUBSCRIPTION-01",
        sent="the period alone",
        why="ChargeAPI has no subscriptions: it bills all transactions of the period, not those of one subscription",
        remedy="leave the subscription out",
        verbs=("period_invoice",),
    ),
    Field("description", "description", CREATE),
    Field(
        "purchase_order",
        "",
        OBJECT,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-CHARGEAPI-PURCHASE-ORDER-01",
        sent="nothing",
        why="the invoice has no field for a purchase order",
        remedy="name it in the description or in the metadata",
    ),
    Field("metadata", "metadata", CREATE),
    Field(
        "issued_at",
        "",
        OBJECT,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-CHARGEAPI-ISSUED-AT-01",
        sent="nothing",
        why="the invoice has no date of issue; the day on which it is made stands as created",
        remedy="leave it out",
    ),
    Field("collection.due", "due_date", UPDATE),
    Field(
        "collection.kind",
        "",
        CREATE,
        alters=Alters.BRANCH,
        fate=Fate.APPROXIMATED,
        severity=Severity.INFO,  # a warning here would have to be allowed on every bill, and nobody would read it
        code="IB-CHARGEAPI-COLLECTION-01",
        when=_is_manual,
        sent="finalize, and no pay",
        why="one page says to finalize in order to lock the lines and collect payment, another has a request of its "
        "own for paying: that finalizing alone charges nobody is not confirmed",
        remedy="look at the status of the first invoice that you finalize",
    ),
    Field(
        "collection.kind",
        "due_date",
        UPDATE,
        alters=Alters.BRANCH,
        fate=Fate.APPROXIMATED,
        severity=Severity.WARNS,
        code="IB-CHARGEAPI-COLLECTION-02",
        when=_is_send,
        sent="the due date, on an open invoice that nobody is mailed",
        why="ChargeAPI mails no invoices",
        remedy="mail it yourself",
    ),
    Field(
        "collection.kind",
        "",
        PAY,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.INFO,
        code="IB-CHARGEAPI-COLLECTION-03",
        when=_is_draft_to_charge,
        sent="a draft",
        why="a draft does not remember that it is to be charged",
        remedy="pay it once it is finalized",
    ),
    Field("collection.kind", "", PAY, alters=Alters.BRANCH, when=_is_charge),
    Field("collection.kind", "", CREATE, alters=Alters.NOTHING, when=_is_plain_draft),
    Field(
        "collection.net_days",
        "",
        f"{UPDATE}: due_date is an instant",
        alters=Alters.BRANCH,
        why="refused: there is no date of issue to count days from",
    ),
    Field("collection.payment_method", "payment_method", PAY, when=_is_not_draft_to_charge),
    Field(
        "collection.payment_method",
        "",
        PAY,
        alters=Alters.NOTHING,
        fate=Fate.DROPPED,
        severity=Severity.INFO,
        code="IB-CHARGEAPI-COLLECTION-04",
        when=_is_draft_to_charge,
        sent="a draft",
        why="a draft does not remember the payment method that is to be charged",
        remedy="name it when you pay the invoice",
    ),
    Field(
        "tax",
        "",
        _TAX,
        alters=Alters.NOTHING,
        fate=Fate.DEFAULTED,
        severity=Severity.INFO,  # it may change nothing; the comparison after finalizing stops the bill where it does
        code="IB-CHARGEAPI-TAX-01",
        when=_without_tax,
        sent="nothing",
        why="the account's own settings decide on tax: an older page says that finalizing calculates it; "
        "the bill stops before it is collected where finalizing changed the total",
    ),
    Field("tax", "", _TAX, alters=Alters.NOTHING, when=_with_tax),
    Field("draft", "", FINALIZE, alters=Alters.BRANCH),
    Field("attempt", "", "docs.chargeapi.co/idempotency", alters=Alters.NOTHING),
)
