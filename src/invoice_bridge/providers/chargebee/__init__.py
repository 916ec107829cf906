"""Chargebee: invoices of one-time charges and unbilled charges, on either catalog; forms with the index last."""

from invoice_bridge.adapter.declared import Named, cannot
from invoice_bridge.adapter.lookup import find
from invoice_bridge.adapter.provider import Provider, Verbs
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import basic, form_index_last
from invoice_bridge.providers.chargebee.balances import balances
from invoice_bridge.providers.chargebee.bills import charge, period
from invoice_bridge.providers.chargebee.fields import FIELDS, VERB_FIELDS
from invoice_bridge.providers.chargebee.import_fields import IMPORT_FIELDS
from invoice_bridge.providers.chargebee.import_limits import IMPORT_LIMITS
from invoice_bridge.providers.chargebee.imports import import_invoice, look_up_import
from invoice_bridge.providers.chargebee.native import NATIVES
from invoice_bridge.providers.chargebee.payments import collect_part, record_part
from invoice_bridge.providers.chargebee.repayments import credit, pdf, refund
from invoice_bridge.providers.chargebee.shapes import INVOICE, invoice, invoice_id, reference_in, refusal
from invoice_bridge.providers.chargebee.tables import (
    API_VERSION,
    ERRORS,
    KEY_WINDOW,
    LIMITS,
    MONEY,
    RATE,
    REDACTIONS,
    SETTINGS,
    SOURCES,
    STATUSES,
    TRANSITIONS,
    dashboard,
    mode,
)
from invoice_bridge.providers.chargebee.taking_back import DELETED_IMPORTS, delete
from invoice_bridge.providers.chargebee.verbs import (
    close,
    collect,
    page,
    record_payment,
    retrieve,
    void,
    write_off,
)
from invoice_bridge.providers.chargebee.webhooks import WEBHOOKS

CHARGEBEE = Provider(
    name="chargebee",
    title="Chargebee",
    reviewed="2026-11",
    api_version=API_VERSION,
    base_url=lambda settings: f"https://{settings['site']}.chargebee.com/api/{API_VERSION}",
    auth=basic,
    headers=lambda _settings: {},
    form=form_index_last,
    idempotency=Idempotency(
        "chargebee-idempotency-key",
        KEY_WINDOW,
        source="apidocs.chargebee.com/docs/api/v1/idempotency",  # the page of API v2 was not read
        replay_header="chargebee-idempotency-replayed",  # which chargebee 3.29.0 reads for API v2 too
    ),
    rate=RATE,
    settings=SETTINGS,
    scope=lambda settings: settings.get("site") or "",
    dashboard=dashboard,
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
        find=find,
        retrieve=retrieve,
        list=page,
        pdf=pdf,
        finalize=close,
        pay=collect,
        pay_part=collect_part,
        mark_paid=record_payment,
        record_payment=record_part,
        refund=refund,
        credit=credit,
        void=void,
        mark_uncollectible=write_off,
        update=cannot(
            "an invoice's note and payment terms are fixed when it is made, and it has no metadata; the fields "
            "that Chargebee can change later (addresses, VAT number, PO number) have no neutral name",
            source="chargebee 3.29.0, Invoice.UpdateDetailsParams",
        ),
        delete=delete,
        send_invoice=cannot(
            "only the site's e-mail settings mail invoices; no documented request mails one",
            # the SDK has send_email, but neither the specification nor a page says what it does: so it is not used
            source="chargebee/openapi, API v2, Product Catalog 2.0: no such route",
        ),
    ),
    import_lookup=look_up_import,
    balances=balances,
    deletes_imports=DELETED_IMPORTS,
    parse=invoice,
    shape=INVOICE,
    refusal=refusal,
    invoice_id=invoice_id,
    reference_in=reference_in,
    webhooks=WEBHOOKS,
    emulator=Named("invoice_bridge.providers.chargebee.emulator:ChargebeeEmulator"),
)
