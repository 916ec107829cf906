"""Whop: legacy invoices at a pinned version, one JSON request per bill."""

from invoice_bridge.adapter.declared import Named, Setting, cannot
from invoice_bridge.adapter.provider import Provider, Verbs
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import bearer
from invoice_bridge.providers.whop.bills import charge, period
from invoice_bridge.providers.whop.fields import FIELDS, VERB_FIELDS
from invoice_bridge.providers.whop.import_fields import IMPORT_FIELDS, IMPORT_LIMITS
from invoice_bridge.providers.whop.imports import import_invoice
from invoice_bridge.providers.whop.lookup import find_by_reference, look
from invoice_bridge.providers.whop.native import NATIVES
from invoice_bridge.providers.whop.repayments import refund
from invoice_bridge.providers.whop.shapes import INVOICE, invoice, invoice_id, refusal
from invoice_bridge.providers.whop.tables import (
    API_VERSION,
    CANNOT_CREDIT,
    CANNOT_FINALIZE,
    CANNOT_PAY,
    CANNOT_PRINT,
    CANNOT_RECORD,
    ENDPOINTS,
    ERRORS,
    KEY_WINDOW,
    LIMITS,
    MONEY,
    RATE,
    REDACTIONS,
    SOURCES,
    STATUSES,
    TRANSITIONS,
    headers,
    mode,
    prefixed,
    read_version,
)
from invoice_bridge.providers.whop.verbs import (
    delete,
    mail,
    mark_uncollectible,
    page,
    record_payment,
    retrieve,
    update,
    void,
)
from invoice_bridge.providers.whop.webhooks import WEBHOOKS

WHOP = Provider(
    name="whop",
    title="Whop",
    reviewed="2026-11",
    api_version=API_VERSION,
    base_url=lambda _settings: "https://api.whop.com/api/v1",
    auth=bearer,
    headers=headers,
    form=None,
    idempotency=Idempotency(
        "Idempotency-Key",
        KEY_WINDOW,
        source="docs.whop.com/developer/api/idempotency",
        replay_header="Idempotent-Replayed",
        keeps_failures=True,
    ),
    rate=RATE,
    settings=(
        Setting("account_id", "the company (biz_…) that bills", required=True, read=prefixed("biz_")),
        Setting("product_id", "an existing product (prod_…) to bill under", read=prefixed("prod_")),
        Setting(
            "api_version",
            "a version pin of the legacy invoices, from 2026-09-02-2 to before 2026-10-24",
            default=API_VERSION,
            read=read_version,
        ),
    ),
    scope=lambda settings: settings.get("account_id") or "",
    mode=mode,
    sources=SOURCES,
    statuses=STATUSES,
    transitions=TRANSITIONS,
    fields=FIELDS,
    verb_fields=VERB_FIELDS,
    import_fields=IMPORT_FIELDS,
    natives=NATIVES,
    errors=ERRORS,
    limits=LIMITS,
    import_limits=IMPORT_LIMITS,
    money=MONEY,
    redactions=REDACTIONS,
    flows=Verbs(
        one_time_charge=charge,
        period_invoice=period,
        import_invoice=import_invoice,
        find=find_by_reference,
        retrieve=retrieve,
        list=page,
        pdf=cannot(CANNOT_PRINT, source="whop-sdk 2.6.0, payments.generate_pdf"),
        finalize=cannot(CANNOT_FINALIZE, source=ENDPOINTS),
        pay=cannot(CANNOT_PAY, source=ENDPOINTS),
        pay_part=cannot(CANNOT_PAY, source=ENDPOINTS),
        mark_paid=record_payment,
        record_payment=cannot(CANNOT_RECORD, source="whop-sdk 2.6.0, invoices.mark_paid"),
        refund=refund,
        credit=cannot(CANNOT_CREDIT, source=ENDPOINTS),
        void=void,
        mark_uncollectible=mark_uncollectible,
        update=update,
        delete=delete,
        send_invoice=mail,
    ),
    lookup=look,
    parse=invoice,
    shape=INVOICE,
    refusal=refusal,
    invoice_id=invoice_id,
    webhooks=WEBHOOKS,
    emulator=Named("invoice_bridge.providers.whop.emulator:WhopEmulator"),
)
