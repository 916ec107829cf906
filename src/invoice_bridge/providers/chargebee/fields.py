"""The fate of each leaf of a bill: the rows behind losses, explain and the reference."""

from __future__ import annotations

from invoice_bridge.adapter.rows import (
    DISCOUNTS,
    Field,
    approximated,
    carried,
    dropped,
    read_parts,
    refused,
    unsent,
)
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.providers.chargebee.conditions import (
    accrued,
    bills_accrued,
    collects_unseen,
    has_price_untaxed,
    is_issued_after_comparison,
    is_on_catalog_1,
    month_before,
    names_its_customer,
    names_its_subscription,
    price_is_lost,
    quantity_is_lost,
    rated,
    reference_is_lost,
    takes_the_subscriptions_source,
    terms_are_lost,
)
from invoice_bridge.providers.chargebee.tables import CREATE, HEADERS, NO_MAIL, SOURCES, SUBSCRIPTION, UNBILLED


def _checked(path: str) -> Field:
    """Make a row for a leaf that no request carries: the answer is compared with it before anything is billed."""
    return unsent(path, UNBILLED, when=accrued)


def _terms(path: str, code: str) -> Field:
    return dropped(
        path,
        f"IB-CHARGEBEE-{code}",
        CREATE,
        why="this request takes no payment terms, on product catalog 1 as for unbilled charges",
        remedy="set the customer's net terms in Chargebee",
        fate=Fate.DEFAULTED,
        when=terms_are_lost,
        sent="nothing: the customer's own net terms apply",
    )


# Of several rows of one path the first that applies decides; what a loss row does not cover the next one carries.
FIELDS = (
    carried("customer.id", "customer_id", CREATE, when=names_its_customer),
    _checked("customer.id"),
    unsent("customer.id", SUBSCRIPTION, when=names_its_subscription),
    dropped(
        "customer.email",
        "IB-CHARGEBEE-CUSTOMER-01",
        CREATE,
        why="Chargebee bills its own record of the customer and mails to the address on that record",
        severity=Severity.INFO,
    ),
    dropped(
        "customer.name",
        "IB-CHARGEBEE-CUSTOMER-02",
        CREATE,
        why="Chargebee bills its own record of the customer and prints the name on that record",
        severity=Severity.INFO,
    ),
    carried("amount", "charges[].amount, amount", CREATE, verbs=("one_time_charge",)),
    carried("currency", "currency_code", CREATE, when=names_its_customer),
    _checked("currency"),
    unsent("currency", SUBSCRIPTION, when=names_its_subscription),
    carried("lines[].description", "charges[].description, item_prices[].description, description", CREATE),
    carried("lines[].amount", "charges[].amount, item_prices[].unit_price, amount", CREATE),
    dropped(
        "lines[].quantity",
        "IB-CHARGEBEE-QUANTITY-01",
        CREATE,
        why="a one-time charge of an invoice has an amount and no quantity",
        remedy="write the quantity in the line's description",
        when=quantity_is_lost,
        sent="the line's whole amount, once",
    ),
    unsent("lines[].quantity", f"{CREATE}: one is what an amount without a quantity means"),
    # it goes where its quantity goes, and that loss is reported already
    dropped(
        "lines[].unit_amount",
        "IB-CHARGEBEE-QUANTITY-02",
        CREATE,
        why="a one-time charge of an invoice has an amount and no unit amount",
        severity=Severity.INFO,
        when=quantity_is_lost,
        sent="the line's whole amount, once",
    ),
    unsent("lines[].unit_amount", f"{CREATE}: of one, it is the amount"),
    carried("lines[].period.start", "charges[].date_from, item_prices[].date_from, date_from", CREATE),
    carried("lines[].period.end", "charges[].date_to, item_prices[].date_to, date_to", CREATE),
    dropped(
        "lines[].price",
        "IB-CHARGEBEE-LINE-PRICE-01",
        CREATE,
        when=price_is_lost,
        why="the price of a line that was read from an invoice, or that belongs to another provider, is not sent; "
        "product catalog 1 has no item prices",
        remedy="if it is an item price of this site, bill the line without its id and provider",
    ),
    carried("lines[].price", "item_prices[].item_price_id", CREATE),
    # charges[] and item_prices[] have no discount: the amount after it is billed
    approximated(
        "lines[].discount",
        "charges[].amount, item_prices[].unit_price, amount",
        "IB-CHARGEBEE-LINE-DISCOUNT-02",
        CREATE,
        sent="the amount of the line less its discount",
        why="a one-time charge of an invoice has an amount and no discount",
    ),
    refused(
        "discounts[].amount",
        "apidocs.chargebee.com/docs/api/v2/pcv-1/invoices: coupons alone",
        when=is_on_catalog_1,
        why="on product catalog 1 a bill takes coupons only, and no discount with an amount",
        remedy="give the discount on the lines",
    ),
    carried("discounts[].amount", "discounts[].amount", f"{CREATE}, discounts[]"),
    dropped(
        "discounts[].name",
        "IB-CHARGEBEE-DISCOUNT-01",
        f"{CREATE}, discounts[]",
        why="a discount of an invoice has an amount and no name",
        severity=Severity.INFO,
    ),
    dropped(
        "discounts[].code",
        "IB-CHARGEBEE-DISCOUNT-02",
        f"{CREATE}, discounts[]",
        why="the amount is deducted, and no coupon is redeemed",
        severity=Severity.INFO,
    ),
    unsent("discounts[].id", CREATE),
    carried("period.start", "charges[].date_from, date_from", CREATE, when=rated),
    _checked("period.start"),
    carried("period.end", "charges[].date_to, date_to", CREATE, when=rated),
    _checked("period.end"),
    dropped(
        "description",
        "IB-CHARGEBEE-DESCRIPTION-01",
        UNBILLED,
        why="unbilled charges are invoiced without a note",
        remedy="leave it out",
        when=accrued,
    ),
    carried("description", "invoice_note, charges[].description, description", CREATE),
    dropped(
        "reference",
        "IB-CHARGEBEE-REFERENCE-01",
        CREATE,
        why="a lookup cannot find this bill by its reference: a purchase order (of the bill or the subscription) takes "
        "the field that would carry it, or the bill has an item price",
        remedy="set reference_field to a custom field (cf_…) of invoices",
        when=reference_is_lost,
    ),
    carried("reference", "po_number, charges[].description, description", CREATE),
    carried("purchase_order", "po_number", CREATE),
    dropped(
        "metadata",
        "IB-CHARGEBEE-METADATA-01",
        "chargebee.com/docs/2.0/metadata.html",
        why="invoices have no metadata at Chargebee",
        remedy="keep it in your own records, under the reference",
    ),
    dropped(
        "collection.kind",
        "IB-CHARGEBEE-COLLECTION-04",
        "apidocs.chargebee.com/docs/api/v2/pcv-1/invoices: no pending invoices",
        why="on product catalog 1 one request makes the invoice and collects it: tax, rounding and credits can change "
        "the collected amount, which is compared only afterwards",
        remedy="bill on product catalog 2, or make the invoice with Collection.manual() and pay it",
        fate=Fate.APPROXIMATED,
        severity=Severity.CHANGES_MONEY,
        when=collects_unseen,
        sent="the bill, collected at once",
    ),
    dropped(
        "collection.kind",
        "IB-CHARGEBEE-COLLECTION-02",
        UNBILLED,
        why="the subscription's auto_collection decides how unbilled charges are collected, not the bill",
        remedy="set the subscription's auto_collection, or bill lines of your own",
        fate=Fate.DEFAULTED,
        when=accrued,
        sent="nothing: the subscription's own auto_collection decides",
    ),
    dropped(
        "collection.kind",
        "IB-CHARGEBEE-COLLECTION-05",
        UNBILLED,
        why="if the subscription's auto_collection is on, the request that makes the invoice also collects it: only "
        "the sum of the charges is compared before; tax, coupons and credits are compared afterwards",
        remedy="switch the subscription's auto_collection off, and pay the invoice after you have checked it",
        fate=Fate.APPROXIMATED,
        severity=Severity.CHANGES_MONEY,
        when=accrued,
        sent="nothing: the subscription's own auto_collection decides",
    ),
    approximated(
        "collection.kind",
        "auto_collection",
        "IB-CHARGEBEE-COLLECTION-01",
        CREATE,
        alters=Alters.BRANCH,
        severity=Severity.WARNS,
        when=lambda command, _use: command.collection.kind == "send",
        sent="auto_collection=off and the payment terms",
        why="the site's e-mail settings alone decide whether an invoice is mailed",
        remedy="switch the site's invoice mails on, then allow this",
    ),
    approximated(
        "collection.kind",
        "auto_collection",
        "IB-CHARGEBEE-MAIL-01",
        HEADERS,
        alters=Alters.BRANCH,
        when=lambda command, _use: command.collection.kind == "manual" and not command.draft,
        sent=f"{NO_MAIL[0]}: {NO_MAIL[1]}",
        why="this request switches its own mails off, but not the reminders that the site's settings send later",
        remedy="check the site's e-mail settings",
    ),
    carried(
        "expect_total",
        "create_pending_invoice",
        CREATE,
        alters=Alters.BRANCH,
        when=is_issued_after_comparison,
        why="compared with the total of the pending invoice, before it is issued",
    ),
    carried(
        "collection.kind",
        "auto_collection, create_pending_invoice",
        f"{CREATE}, discounts[] and item_prices[]",
        alters=Alters.BRANCH,
        when=is_issued_after_comparison,
        why="the invoice is made pending and compared before it is issued, as Chargebee may calculate another amount "
        "from a discount, an item price or a native parameter",
    ),
    # a draft shows how it will be collected; a bill to collect at once is made pending, compared, then closed
    carried("collection.kind", "auto_collection, payment_source_id", CREATE, when=lambda command, _use: command.draft),
    carried("collection.kind", "auto_collection, create_pending_invoice", CREATE, alters=Alters.BRANCH),
    _terms("collection.net_days", "TERMS-01"),
    carried("collection.net_days", "net_term_days", CREATE),
    _terms("collection.due", "TERMS-02"),
    carried("collection.due", "net_term_days", CREATE),
    dropped(
        "issued_at",
        "IB-CHARGEBEE-ISSUED-01",
        UNBILLED,
        why="an invoice of unbilled charges takes no date",
        remedy="leave it out",
        fate=Fate.DEFAULTED,
        when=accrued,
        sent="nothing: the invoice gets the date on which it is made",
    ),
    Field(
        "issued_at",
        "invoice_date, net_term_days",
        "apidocs.chargebee.com, POST /invoices/charge, invoice_date: at most one calendar month in the past",
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-CHARGEBEE-ISSUED-02",
        when=rated,
        clock=lambda command, as_of: command.issued_at < month_before(as_of),
        sent="the date, with which Chargebee may refuse the bill",
        why="Chargebee accepts no invoice date more than one calendar month in the past; this is documented for "
        "/invoices/charge and not confirmed for the other requests",
        remedy="give a later date, or bill without one",
    ),
    dropped(
        "collection.payment_method",
        "IB-CHARGEBEE-COLLECTION-03",
        UNBILLED,
        why="unbilled charges are collected from the subscription's own payment source",
        remedy="set it at the subscription",
        when=accrued,
    ),
    carried("collection.payment_method", "payment_source_id", CREATE),
    dropped(
        "tax",
        "IB-CHARGEBEE-TAX-01",
        UNBILLED,
        why="tax on unbilled charges cannot be switched off, and would be added to the accrued amounts",
        remedy='write tax="provider"',
        fate=Fate.DEFAULTED,
        severity=Severity.CHANGES_MONEY,
        when=lambda command, _use: bills_accrued(command) and command.tax == "none",
        sent="nothing: the site's settings decide how the charges are taxed",
    ),
    dropped(
        "tax",
        "IB-CHARGEBEE-TAX-02",
        CREATE,
        severity=Severity.INFO,
        fate=Fate.DEFAULTED,
        alters=Alters.BODY,
        native="charges[].taxable",
        when=has_price_untaxed,
        sent="charges without tax; an item price is taxed by its item's settings",
        why="tax on an item price cannot be switched off: if Chargebee adds it, the bill stops as a draft",
    ),
    carried("tax", "charges[].taxable", CREATE, when=rated),
    unsent("tax", f"{UNBILLED}: the site taxes them by its own settings"),
    carried("draft", "create_pending_invoice", CREATE, alters=Alters.BRANCH),
    approximated(
        "subscription",
        "subscription_id",
        "IB-CHARGEBEE-SUBSCRIPTION-02",
        f"{SUBSCRIPTION}, payment_source_id",
        alters=Alters.BRANCH,  # it is read first, by a request of its own
        severity=Severity.WARNS,
        when=takes_the_subscriptions_source,
        sent="the subscription, and no payment source",
        why="an invoice of a subscription is collected from the subscription's own payment source if it has one",
        remedy='name the payment source: Collection.charge("pm_…")',
    ),
    carried("subscription", "subscription_id", CREATE, alters=Alters.BRANCH, when=names_its_subscription),
    carried("subscription", "subscription_id", UNBILLED),
    unsent("attempt", "apidocs.chargebee.com/docs/api/v1/idempotency"),
    carried(
        "", "discounts[].apply_on", CREATE, alters=Alters.NOTHING, why="a discount of the bill is for the whole invoice"
    ),
    refused(
        "tax[]",
        f"{CREATE}: charges[taxable] and charges[tax_profile_id]; rates are taken by the import alone",
        why="Chargebee taxes an invoice by its own settings",
        remedy='write tax="provider", or state the tax as a line',
    ),
    dropped(
        "lines[].taxes[]",
        "IB-CHARGEBEE-LINE-TAX-01",
        f"{CREATE}: charges[taxable] and charges[tax_profile_id]; amounts are taken by the import alone",
        why="a charge names a tax profile of the site, and takes no rate and no amount of tax",
        remedy='leave the taxes out and write tax="provider", with the native parameter charges[].tax_profile_id where '
        "lines differ; or state the taxes as lines",
        severity=Severity.CHANGES_MONEY,
    ),
    *read_parts(
        "IB-CHARGEBEE", CREATE, sent=("lines[].price", "lines[].discount", "lines[].taxes[]", *DISCOUNTS, "tax[]")
    ),
)


def constant(native: str, source: str, verbs: tuple[str, ...], why: str) -> Field:
    """Make a row for a constant of a verb's requests."""
    return carried("", native, source, alters=Alters.NOTHING, verbs=verbs, why=why)


_PAID, _RECORDED, _REFUNDED, _CREDITED = (("pay",), ("record_payment",), ("refund",), ("credit",))


def _noted(source: str, verbs: tuple[str, ...]) -> Field:
    """Make a row for a reference that people can read but no request can: `expect` replaces it."""
    why = "a comment for people; no documented request reads it, so `expect` (the amount before) is required"
    return carried("reference", "comment", source, verbs=verbs, why=why)


VERB_FIELDS: tuple[Field, ...] = (
    carried("amount", "amount", SOURCES["pay"], verbs=_PAID),
    carried("payment_method", "payment_source_id", SOURCES["pay"], verbs=_PAID),
    _noted(SOURCES["pay_part"], _PAID),
    carried("amount", "transaction.amount", SOURCES["record_payment"], verbs=_RECORDED),
    carried("at", "transaction.date", SOURCES["record_payment"], verbs=_RECORDED),
    carried("method", "transaction.payment_method, comment", SOURCES["record_payment"], verbs=_RECORDED),
    carried("reference", "transaction.reference_number", SOURCES["record_payment"], verbs=_RECORDED),
    carried("amount", "refund_amount", SOURCES["refund"], verbs=_REFUNDED),
    carried("reason", "comment", SOURCES["refund"], verbs=_REFUNDED),
    _noted(SOURCES["refund"], _REFUNDED),
    carried("amount", "total", SOURCES["credit"], verbs=_CREDITED),
    carried("lines[].id", "line_items[].reference_line_item_id", SOURCES["credit"], verbs=_CREDITED),
    carried("lines[].amount", "line_items[].amount", SOURCES["credit"], verbs=_CREDITED),
    carried("lines[].description", "line_items[].description", SOURCES["credit"], verbs=_CREDITED),
    carried("reason", "comment", SOURCES["credit"], verbs=_CREDITED),
    _noted(SOURCES["credit"], _CREDITED),
    carried("id", "reference_invoice_id", SOURCES["credit"], verbs=_CREDITED),
    constant(
        "type", SOURCES["credit"], _CREDITED, "an adjustment note for what is unpaid, a refundable one for what is paid"
    ),
    carried("reason", "comment", SOURCES["void"], verbs=("void",)),
)
"""What becomes of each field of the verbs of VERB_LEAVES."""
