"""Lago: one-off invoices of add-ons, issued when they are made; it has no keys, so every bill is looked up first."""

from invoice_bridge.adapter import Named, Provider, Setting, Verbs, cannot, find
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import bearer

from . import bills, fields, shapes, tables, verbs, webhooks

LAGO = Provider(
    name=tables.NAME,
    title="Lago",
    reviewed="2026-11",
    api_version="v1",
    base_url=tables.base_url,
    auth=bearer,
    headers=lambda _settings: {},
    form=None,
    idempotency=Idempotency.no_keys(tables.NO_KEYS),
    rate=tables.RATE,
    settings=(
        Setting("add_on", "code of the add-on that every line bills", required=True, read=tables.read_code),
        Setting("region", 'the region of the account: "us" or "eu"', default="us", read=tables.read_region),
    ),
    mode=lambda _key, _settings, _base_url: None,  # a key is a UUID, which shows no mode
    sources=tables.SOURCES,
    statuses=tables.STATUSES,
    transitions=tables.TRANSITIONS,
    fields=fields.FIELDS,
    verb_fields=fields.VERB_FIELDS,
    errors=tables.ERRORS,
    limits=tables.LIMITS,
    money=tables.MONEY,
    redactions=tables.REDACTIONS,
    flows=Verbs(
        one_time_charge=bills.charge,
        period_invoice=bills.period,
        import_invoice=cannot(
            "a one-off invoice is numbered, dated and demanded when it is made: no document of the past can be stated",
            source="getlago.com/docs/api-reference/invoices/create-oneoff",
        ),
        find=find,
        retrieve=verbs.retrieve,
        list=verbs.page,
        pdf=cannot(
            "this example does not download documents, which Lago makes when asked",
            source=f"{tables.OPENAPI}/resources",
        ),
        finalize=verbs.finalize,
        pay=verbs.collect,
        pay_part=cannot(
            "the request that retries a payment takes no amount",
            source=tables.RETRY,
        ),
        mark_paid=verbs.mark_paid,
        record_payment=cannot(
            "this example does not record parts of a payment, which Lago's payments can",
            source=f"{tables.OPENAPI}/resources",
        ),
        refund=cannot(
            "this example makes no credit notes, by which Lago refunds",
            source=f"{tables.OPENAPI}/resources",
        ),
        credit=cannot(
            "this example makes no credit notes, which Lago has",
            source=f"{tables.OPENAPI}/resources",
        ),
        void=verbs.void,
        mark_uncollectible=cannot(
            "an invoice cannot be written off: lose_dispute records a lost payment dispute, which is not a write-off",
            source=f"{tables.OPENAPI}/resources/invoice_lose_dispute.yaml",
        ),
        update=verbs.update,
        delete=cannot(
            "the request that deletes a draft is unconfirmed; delete it in the dashboard",
            source=f"{tables.OPENAPI}/schemas/InvoiceBaseObject.yaml mentions it, but no path describes it",
        ),
        send_invoice=cannot(
            "Lago mails an invoice when it is finalized, by the e-mail settings of the billing entity",
            source="lago-api, app/services/invoices/create_one_off_service.rb, should_deliver_email?",
        ),
    ),
    parse=shapes.invoice,
    shape=shapes.INVOICE,
    refusal=shapes.refusal,
    invoice_id=shapes.invoice_id,
    reference_in=shapes.reference_in,
    webhooks=webhooks.WEBHOOKS,
    emulator=Named(f"{__name__}.emulator:LagoEmulator"),
)
